// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmamap-stat - what the mapping of DMA through IOMMUs does
 *
 * See dmamap-stat(8).
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dmamap-stat.h"

/**
 * struct options - what the user wants
 * @debugfs: where debugfs is mounted
 * @snapshot: read this instead
 * @save: write a snapshot there
 * @map: the domain to draw, when @mapped
 * @mapped: draw one
 * @json: for programs
 * @svg: as a picture
 * @classes: the size classes
 * @misuses: the wrong calls that were reported
 * @watch: the full-screen view
 * @seconds: between looks
 * @by: a line for each of these: device or driver
 * @device: of which to say what is at @address
 * @address: an address, when @at
 * @at: say what is there
 * @wide: all columns
 * @rates: a line for each interval
 * @count: how many of these, 0 for no end
 */
struct options {
	const char *debugfs;
	const char *snapshot;
	const char *save;
	uint64_t map;
	bool mapped;
	bool json;
	bool svg;
	bool classes;
	bool misuses;
	bool watch;
	double seconds;
	const char *by;
	const char *device;
	uint64_t address;
	bool at;
	bool wide;
	bool rates;
	uint64_t count;
};

enum {
	OPT_SAVE = 256,
	OPT_SNAPSHOT,
	OPT_SVG,
	OPT_DEBUGFS,
	OPT_MISUSES,
	OPT_AT,
	OPT_BY,
	OPT_DEVICE,
};

static const struct option long_options[] = {
	{ "at",		   required_argument, NULL, OPT_AT },
	{ "by",		   required_argument, NULL, OPT_BY },
	{ "classes",	   no_argument,	      NULL, 'c' },
	{ "debugfs",	   required_argument, NULL, OPT_DEBUGFS },
	{ "device",	   required_argument, NULL, OPT_DEVICE },
	{ "help",	   no_argument,	      NULL, 'h' },
	{ "interval",	   required_argument, NULL, 'i' },
	{ "json",	   no_argument,	      NULL, 'j' },
	{ "map",	   required_argument, NULL, 'm' },
	{ "misuses",	   no_argument,	      NULL, OPT_MISUSES },
	{ "snapshot",	   required_argument, NULL, OPT_SNAPSHOT },
	{ "snapshot-save", required_argument, NULL, OPT_SAVE },
	{ "svg",	   no_argument,	      NULL, OPT_SVG },
	{ "version",	   no_argument,	      NULL, 'V' },
	{ "watch",	   no_argument,	      NULL, 'w' },
	{ "wide",	   no_argument,	      NULL, 'W' },
	{ }
};

static const char usage[] =
	"usage: dmamap-stat [OPTION...] [INTERVAL [COUNT]]\n"
	"\n"
	"Shows what the mapping of DMA through IOMMUs does, a line for each domain;\n"
	"with INTERVAL, sums and rates, a line each so many seconds, COUNT times.\n"
	"\n"
	"      --at ADDRESS          what is at this address of each domain now\n"
	"      --device DEVICE       ... of this device, such as 0000:00:02.0\n"
	"      --by device|driver    a line for each device or driver that has a domain\n"
	"  -W, --wide                all columns, however wide\n"
	"  -c, --classes             the size classes that are in use instead\n"
	"      --misuses             the wrong calls of drivers that were reported last\n"
	"  -m, --map DOMAIN          draw the address space of a domain\n"
	"      --svg                 ... as a picture in SVG\n"
	"  -j, --json                everything, for programs; with --map all ranges, too\n"
	"  -w, --watch               full screen, until q is pressed\n"
	"  -i, --interval SECONDS    between looks, at least 0.1 (default 2)\n"
	"      --snapshot-save FILE  save what the kernel says now; - is the standard output\n"
	"      --snapshot FILE       show what was saved; - is the standard input\n"
	"      --debugfs DIR         where debugfs is (default " DEBUGFS ")\n"
	"  -h, --help                this\n"
	"  -V, --version\n"
	"\n"
	"See dmamap-stat(8).\n";

static int parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	if (*text >= '0' && *text <= '9' && !*end && !errno)
		return 0;
	set_error("'%s' is no domain: the first column of the table names those that there are",
		  text);
	return -1;
}

/* With or without 0x: the log of a kernel has both. */
static int parse_address(const char *text, uint64_t *address)
{
	char *end;

	errno = 0;
	*address = strtoull(text, &end, 16);
	if (strchr("0123456789abcdefABCDEF", *text) && *text && !*end && !errno)
		return 0;
	set_error("'%s' is no address: give hexadecimal digits, up to 64 bits",
		  text);
	return -1;
}

static int parse_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	if (*text && !*end && *seconds >= 0.1 && *seconds <= 3600)
		return 0;
	set_error("'%s' is no interval: give seconds, from 0.1 to 3600", text);
	return -1;
}

/* 1 when there is nothing more to do. */
static int parse_options(int argc, char **argv, struct options *options)
{
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "chi:jm:VwW", long_options,
				  NULL)) != -1) {
		ret = 0;
		switch (opt) {
		case 'c':
			options->classes = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		case 'i':
			ret = parse_seconds(optarg, &options->seconds);
			break;
		case 'j':
			options->json = true;
			break;
		case 'm':
			options->mapped = true;
			ret = parse_number(optarg, &options->map);
			break;
		case 'V':
			puts("dmamap-stat " VERSION);
			return 1;
		case 'W':
			options->wide = true;
			break;
		case OPT_AT:
			options->at = true;
			ret = parse_address(optarg, &options->address);
			break;
		case OPT_BY:
			options->by = optarg;
			if (strcmp(optarg, "device") && strcmp(optarg, "driver")) {
				set_error("'%s' is nothing to show by: say device or driver",
					  optarg);
				ret = -1;
			}
			break;
		case OPT_DEVICE:
			options->device = optarg;
			break;
		case 'w':
			options->watch = true;
			break;
		case OPT_MISUSES:
			options->misuses = true;
			break;
		case OPT_SAVE:
			options->save = optarg;
			break;
		case OPT_SNAPSHOT:
			options->snapshot = optarg;
			break;
		case OPT_SVG:
			options->svg = true;
			break;
		case OPT_DEBUGFS:
			options->debugfs = optarg;
			break;
		default:
			/* getopt_long() has said what is wrong. */
			set_error("see --help");
			return -1;
		}
		if (ret)
			return ret;
	}
	if (optind < argc) {
		options->rates = true;
		if (parse_seconds(argv[optind], &options->seconds))
			return -1;
		if (++optind < argc &&
		    (!read_number(argv[optind], &options->count) || !options->count)) {
			set_error("'%s' is no count of lines: give a number from 1",
				  argv[optind]);
			return -1;
		}
		optind++;
	}
	if (optind < argc)
		set_error("unexpected argument '%s': see --help", argv[optind]);
	else if (options->rates && options->snapshot)
		set_error("a snapshot does not change: leave out the interval, or --snapshot");
	else if (options->device && !options->at)
		set_error("--device goes with --at");
	else if ((options->rates || options->at || options->by) &&
		 options->rates + options->at + !!options->by + options->mapped +
		 options->watch + options->json + options->svg + options->classes +
		 options->misuses + !!options->save + options->wide > 1)
		set_error("an interval, --at and --by each go alone");
	else if (options->svg && !options->mapped)
		set_error("--svg draws a domain: name one with --map");
	else if (options->watch + options->json + options->svg +
		 options->classes + options->misuses + !!options->save > 1)
		set_error("only one of --watch, --json, --svg, --classes, --misuses and --snapshot-save at a time");
	else if (options->mapped && (options->watch || options->classes ||
				     options->misuses || options->save))
		set_error("--map goes with --json and --svg alone");
	else
		return 0;
	return -1;
}

static int read_source(struct source *source, const struct options *options)
{
	if (options->snapshot)
		return source_read_snapshot(source, options->snapshot);
	return source_read_live(source, options->debugfs,
				options->mapped || options->save || options->at);
}

static int look(struct model *model, void *arg)
{
	struct source source;
	int ret;

	if (read_source(&source, arg))
		return -1;
	ret = model_parse(model, &source);
	if (ret)
		model_free(model);
	source_free(&source);
	return ret;
}

static int save(const struct options *options)
{
	struct source source;
	int ret;

	if (read_source(&source, options))
		return -1;
	ret = source_save(&source, options->save);
	source_free(&source);
	return ret;
}

static int show(struct options *options)
{
	const struct domain *domain = NULL;
	struct model model;
	int ret = 0;

	if (look(&model, options))
		return -1;
	if (options->mapped)
		domain = model_find(&model, options->map);
	if (options->mapped && !domain)
		ret = -1;
	else if (options->json)
		ret = json_print(&model, domain, stdout);
	else if (options->svg)
		ret = map_svg(&model, domain, stdout);
	else if (options->at)
		ret = at_print(&model, options->address, options->device, stdout);
	else if (options->by)
		ret = owners_print(&model, !strcmp(options->by, "driver"), stdout);
	else if (domain)
		ret = map_text(&model, domain, stdout);
	else if (options->classes)
		classes_print(&model, stdout);
	else if (options->misuses)
		ret = misuses_print(&model, stdout);
	else
		table_print(&model, options->wide, stdout);
	model_free(&model);
	if (!ret && (fflush(stdout) || ferror(stdout))) {
		set_error("cannot write the output: %s", strerror(errno));
		ret = -1;
	}
	return ret;
}

int main(int argc, char **argv)
{
	struct options options = { .debugfs = DEBUGFS, .seconds = 2 };
	int ret = parse_options(argc, argv, &options);

	if (ret > 0)
		return 0;
	if (!ret) {
		if (options.watch)
			ret = watch_domains(look, &options, options.seconds);
		else if (options.rates)
			ret = rates_print(look, &options, options.seconds,
					  options.count, stdout);
		else if (options.save)
			ret = save(&options);
		else
			ret = show(&options);
	}
	if (!ret)
		return 0;
	fprintf(stderr, "dmamap-stat: %s\n", get_error());
	return 1;
}
