/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line of a test program: the options that it has, --help, and where
 * its tests have names --list and the names, as globs, of those to run.
 */
#ifndef _TEST_OPTIONS_H
#define _TEST_OPTIONS_H

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum test_option_kind {
	TEST_FLAG,		/* @value is a bool */
	TEST_NUMBER,		/* an unsigned long */
	TEST_SECONDS,		/* a double */
};

/**
 * struct test_option - an option of a program
 * @name: as --NAME
 * @kind: what it takes
 * @value: where that goes; holds what it is unless told
 * @least: the least number
 * @most: the largest, 0 for no limit
 */
struct test_option {
	const char *name;
	enum test_option_kind kind;
	void *value;
	unsigned long least;
	unsigned long most;
};

#define TEST_OPTIONS_MAX	8

static char **test_names;
static bool test_listing;
static unsigned long test_found;	/* a bit for each of the first names */

static inline void test_usage(FILE *out, const struct test_option *options,
			      bool named)
{
	fprintf(out, "usage: %s", program_invocation_short_name);
	for (; options && options->name; options++)
		fprintf(out, " [--%s%s]", options->name,
			options->kind == TEST_NUMBER ? " N" :
			options->kind == TEST_SECONDS ? " SECONDS" : "");
	fprintf(out, "%s\n", named ? " [--list] [NAME...]" : "");
	if (named)
		fprintf(out, "NAME may be a glob; --list lists the names.\n");
}

static inline void __attribute__((format(printf, 1, 2)))
test_refuse(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, ": see --help\n");
	exit(2);
}

static inline void test_take(const struct test_option *option, const char *text)
{
	unsigned long number;
	double seconds;
	char *end;

	errno = 0;
	switch (option->kind) {
	case TEST_FLAG:
		*(bool *)option->value = true;
		return;
	case TEST_SECONDS:
		seconds = strtod(text, &end);
		if (!*text || *end || errno || !(seconds > 0 && seconds < 1e7))
			test_refuse("--%s: '%s' is no number of seconds",
				    option->name, text);
		*(double *)option->value = seconds;
		return;
	case TEST_NUMBER:
		number = strtoul(text, &end, 0);
		if (*text < '0' || *text > '9' || *end || errno)
			test_refuse("--%s: '%s' is no number", option->name, text);
		if (number < option->least ||
		    (option->most && number > option->most))
			test_refuse("--%s: %s is not from %lu to %lu", option->name,
				    text, option->least, option->most ?: -1UL);
		*(unsigned long *)option->value = number;
	}
}

/**
 * test_options - understand the command line; exits with 2 where it is wrong
 * @argc: of main()
 * @argv: of main()
 * @options: those of the program, and one without a name; %NULL for none
 * @named: its tests have names
 */
static inline void test_options(int argc, char **argv,
				const struct test_option *options, bool named)
{
	struct option known[TEST_OPTIONS_MAX + 3] = { };
	unsigned int nr = 0;
	int opt;

	for (; options && options[nr].name; nr++)
		known[nr] = (struct option){
			options[nr].name, options[nr].kind != TEST_FLAG, NULL,
			256 + nr
		};
	known[nr] = (struct option){ "help", 0, NULL, 'h' };
	if (named)
		known[nr + 1] = (struct option){ "list", 0, NULL, 'l' };
	while ((opt = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (opt == 'h') {
			test_usage(stdout, options, named);
			exit(0);
		} else if (opt == 'l') {
			test_listing = true;
		} else if (opt >= 256) {
			test_take(&options[opt - 256], optarg);
		} else {
			test_usage(stderr, options, named);
			exit(2);
		}
	}
	if (optind < argc && !named)
		test_refuse("unexpected argument '%s'", argv[optind]);
	test_names = optind < argc ? argv + optind : NULL;
	if (!test_listing)
		printf("TAP version 13\n");
}

/* Is a test to run?  If the names are to be listed, list it. */
static inline bool test_wanted(const char *name)
{
	char function[200];
	char **glob = test_names;
	bool wanted = !glob;

	snprintf(function, sizeof(function), "%s", name);
	function[strcspn(function, " ")] = '\0';
	for (; glob && *glob; glob++)
		if (!fnmatch(*glob, name, 0) || !fnmatch(*glob, function, 0)) {
			wanted = true;
			test_found |= 1UL << (glob - test_names) % 64;
		}
	if (!wanted)
		return false;
	if (test_listing)
		puts(name);
	return !test_listing;
}

/* The plan comes last: then it is known. Returns the exit status. */
static inline int test_finish(unsigned int ran, unsigned int failed)
{
	unsigned int i;

	for (i = 0; test_names && test_names[i]; i++)
		if (!(test_found >> i % 64 & 1))
			test_refuse("no test is named '%s'", test_names[i]);
	if (!test_listing)
		printf("1..%u\n", ran);
	return failed ? 1 : 0;
}

#endif
