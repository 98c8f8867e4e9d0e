// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the allocator must show: each row measures ours and stock in turn, and
 * holds ours against what is wanted of it.
 *
 * usage: rows [--quick | --list | ROW...]
 *
 * Prints TAP: 'ok N ROW, WHAT: ours X stock Y wanted Z', or 'not ok', for each figure.
 * Times come on a line that begins with '#'; they are of processor time, and
 * what is held of them has some slack, because machines are busy.  A '-' is
 * what cannot be known.  --quick runs the rows that decide by counting alone.
 *
 * Instructions are counted by valgrind, which runs this program for one load;
 * without it that line says so and decides nothing.  Misses of stock are taken
 * from its allocations of memory: a range from its tree is one.
 */

#include <math.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rows.h"

#define SLACK		1.25
#define SPARE_OBJECTS	128

const char *program;
static unsigned int *results;	/* printed so far; rows are processes, and share it */

/* ---- What a row says ---- */

static const char *number(double value)
{
	static char texts[4][32];
	static unsigned int turn;
	char *text = texts[turn++ % 4];

	if (isnan(value))
		return "-";
	snprintf(text, sizeof(texts[0]), value < 10 ? "%.3g" : "%.1f", value);
	return text;
}

static void tell(const struct figure *figure, const char *verdict,
		 const double *got)
{
	printf("%s", verdict);
	if (*verdict != '#')
		printf(" %u", ++*results);
	printf(" %s, %s: ours %s stock %s", figure->row, figure->what,
	       number(got[OURS]), number(got[STOCK]));
}

static void hold(const struct figure *figure, const double *got)
{
	bool known = !isnan(got[OURS]), good;
	double bound = figure->wanted;

	if (figure->rule == TIME || figure->rule == TELL || !known) {
		tell(figure, "#", got);
		if (figure->rule == TIME)
			printf(" ratio %.3f", got[OURS] / got[STOCK]);
		printf(" wanted %s\n", bound ? number(bound) : "-");
	}
	if (figure->rule == TELL || !known || (figure->rule == TIME && !bound))
		return;
	if (figure->rule == OF_STOCK)
		bound *= got[STOCK];
	if (figure->rule == TIME)
		bound *= got[STOCK] * SLACK;
	good = figure->rule == AT_LEAST ? got[OURS] >= bound : got[OURS] <= bound;
	tell(figure, good ? "ok" : "not ok", got);
	printf(" wanted %s %s\n", figure->rule == AT_LEAST ? ">=" : "<=",
	       number(bound));
	tests_failed += !good;
}

/* ---- The rows ---- */

#define ARG(type, ...)	(&(struct type){ __VA_ARGS__ })

/*
 * The instructions of a load, and its time.  The first are only told: some
 * forty a pair are the shim's.  tools/bench/gate holds those of a kernel.
 */
#define COUNT(row, what, wanted, ...)					\
	{ row, what ", instructions a pair", run_counted,		\
	  ARG(load, __VA_ARGS__), 0, TELL, wanted }
#define CLOCK(row, what, of_stock, ...)					\
	{ row, what ", ns a pair", run_load,				\
	  ARG(load, __VA_ARGS__), 0, TIME, of_stock }

#define TABLES(what, traffic)						\
	{ "leaf-tables", what ", of 64 pages in a row", run_leaf_tables, \
	  traffic, 8, AT_MOST, 4, true }
#define READS(what, traffic)						\
	{ "leaf-tables", what ", reads for each 4 KiB", last_reads,	\
	  traffic, 8, AT_MOST, 1.15, true }
#define PAGES(what, traffic)						\
	{ "leaf-tables", what ", page-table pages", last_tables,	\
	  traffic, 8, OF_STOCK, 1.25, true }

#define REUSE(what, size, in_flight, limit)				\
	{ "reuse-distance", what, run_reuse,				\
	  ARG(reuse, limit, size, in_flight), 0, AT_LEAST, 64, true }

#define MIXED(what, ...)						\
	{ "mixed-sizes", "1..8 pages among " what ", ns a pair",	\
	  run_mixed, ARG(population, __VA_ARGS__), 0, TIME, 1 }

#define BOUND(cpus)							\
	{ "bound", "of " #cpus " CPUs one goes on with 40 in flight",	\
	  run_bound, NULL, cpus, AT_MOST, 80 + 512, true }

#define LIGHT(cpus, every, mapped)					\
	{ "light-load", #cpus " CPUs, 24 each " #every " ms, " #mapped	\
	  " mapped, misses %", run_light, ARG(light, every, mapped),	\
	  cpus, AT_MOST, 1, true }

static struct traffic traffics[] = {
	{ 1, 1 }, { 8, 1 }, { 1, 8 }, { 8, 8 },
	{ 1, 1, true }, { 8, 1, true }, { 1, 8, true }, { 8, 8, true },
};

/* Those of a row follow one another. */
static const struct figure figures[] = {
	TABLES("1 page", &traffics[0]),
	READS("1 page", &traffics[0]),
	PAGES("1 page", &traffics[0]),
	TABLES("1..8 pages", &traffics[1]),
	READS("1..8 pages", &traffics[1]),
	PAGES("1..8 pages", &traffics[1]),
	TABLES("1 page, 8 CPUs", &traffics[2]),
	READS("1 page, 8 CPUs", &traffics[2]),
	PAGES("1 page, 8 CPUs", &traffics[2]),
	TABLES("1..8 pages, 8 CPUs", &traffics[3]),
	READS("1..8 pages, 8 CPUs", &traffics[3]),
	PAGES("1..8 pages, 8 CPUs", &traffics[3]),
	TABLES("1 page, freed in order", &traffics[4]),
	READS("1 page, freed in order", &traffics[4]),
	PAGES("1 page, freed in order", &traffics[4]),
	TABLES("1..8 pages, freed in order", &traffics[5]),
	READS("1..8 pages, freed in order", &traffics[5]),
	PAGES("1..8 pages, freed in order", &traffics[5]),
	TABLES("1 page, freed in order, 8 CPUs", &traffics[6]),
	READS("1 page, freed in order, 8 CPUs", &traffics[6]),
	PAGES("1 page, freed in order, 8 CPUs", &traffics[6]),
	TABLES("1..8 pages, freed in order, 8 CPUs", &traffics[7]),
	READS("1..8 pages, freed in order, 8 CPUs", &traffics[7]),
	PAGES("1..8 pages, freed in order, 8 CPUs", &traffics[7]),
	{ "bytes-live", "of a single page at 1 M live", run_bytes_live,
	  NULL, 0, AT_MOST, 6, true },
	COUNT("pair", "1 page", 100, 1, 1, 20000, 1000, true),
	CLOCK("pair", "1 page", 0.5, 1, 1, 20000, 1000, true),
	COUNT("pair", "8 pages", 100, 1, 8, 20000, 1000, true),
	CLOCK("pair", "8 pages", 0.5, 1, 8, 20000, 1000, true),
	COUNT("pair", "32 pages", 100, 1, 32, 20000, 1000, true),
	CLOCK("pair", "32 pages", 0.5, 1, 32, 20000, 1000, true),
	{ "pair-two-threads", "1 page, ns a pair", run_two_threads,
	  NULL, 0, TIME, 0.5 },
	COUNT("first-burst", "64", 300, 64, 1, 1, 0, true),
	CLOCK("first-burst", "64", 0, 64, 1, 1, 0, true),
	COUNT("first-burst", "512", 300, 512, 1, 1, 0, true),
	CLOCK("first-burst", "512", 0, 512, 1, 1, 0, true),
	COUNT("first-burst", "4096", 300, 4096, 1, 1, 0, true),
	CLOCK("first-burst", "4096", 0, 4096, 1, 1, 0, true),
	COUNT("first-burst", "32768", 300, 32768, 1, 1, 0, true),
	CLOCK("first-burst", "32768", 0, 32768, 1, 1, 0, true),
	COUNT("later-bursts", "64", 120, 64, 1, 64, 12, true),
	CLOCK("later-bursts", "64", 0, 64, 1, 64, 12, true),
	COUNT("later-bursts", "512", 120, 512, 1, 16, 12, true),
	CLOCK("later-bursts", "512", 0, 512, 1, 16, 12, true),
	COUNT("later-bursts", "4096", 120, 4096, 1, 4, 12, true),
	CLOCK("later-bursts", "4096", 0, 4096, 1, 4, 12, true),
	COUNT("later-bursts", "32768", 120, 32768, 1, 2, 12, true),
	CLOCK("later-bursts", "32768", 0, 32768, 1, 2, 12, true),
	COUNT("bursts-without-works", "64", 120, 64, 1, 64, 2, false),
	CLOCK("bursts-without-works", "64", 0, 64, 1, 64, 2, false),
	COUNT("bursts-without-works", "512", 120, 512, 1, 16, 2, false),
	CLOCK("bursts-without-works", "512", 0, 512, 1, 16, 2, false),
	COUNT("bursts-without-works", "4096", 120, 4096, 1, 4, 2, false),
	CLOCK("bursts-without-works", "4096", 0, 4096, 1, 4, 2, false),
	COUNT("bursts-without-works", "32768", 120, 32768, 1, 2, 2, false),
	CLOCK("bursts-without-works", "32768", 0, 32768, 1, 2, 2, false),
	REUSE("1 page, 64 bits", 1, 1, LIMIT_64BIT),
	REUSE("2 pages, 64 bits", 2, 1, LIMIT_64BIT),
	REUSE("4 pages, 64 bits", 4, 1, LIMIT_64BIT),
	REUSE("8 pages, 64 bits", 8, 1, LIMIT_64BIT),
	REUSE("16 pages, 64 bits", 16, 1, LIMIT_64BIT),
	REUSE("32 pages, 64 bits", 32, 1, LIMIT_64BIT),
	REUSE("64 pages, 64 bits", 64, 1, LIMIT_64BIT),
	REUSE("1024 pages, 64 bits", 1024, 1, LIMIT_64BIT),
	REUSE("1 page, 64 bits, 10 in flight", 1, 10, LIMIT_64BIT),
	REUSE("2 pages, 64 bits, 10 in flight", 2, 10, LIMIT_64BIT),
	REUSE("4 pages, 64 bits, 10 in flight", 4, 10, LIMIT_64BIT),
	REUSE("8 pages, 64 bits, 10 in flight", 8, 10, LIMIT_64BIT),
	REUSE("16 pages, 64 bits, 10 in flight", 16, 10, LIMIT_64BIT),
	REUSE("32 pages, 64 bits, 10 in flight", 32, 10, LIMIT_64BIT),
	REUSE("1 page, 48 bits", 1, 1, LIMIT),
	REUSE("2 pages, 48 bits", 2, 1, LIMIT),
	REUSE("4 pages, 48 bits", 4, 1, LIMIT),
	REUSE("8 pages, 48 bits", 8, 1, LIMIT),
	REUSE("16 pages, 48 bits", 16, 1, LIMIT),
	REUSE("32 pages, 48 bits", 32, 1, LIMIT),
	REUSE("64 pages, 48 bits", 64, 1, LIMIT),
	REUSE("1024 pages, 48 bits", 1024, 1, LIMIT),
	REUSE("1 page, 48 bits, 10 in flight", 1, 10, LIMIT),
	REUSE("2 pages, 48 bits, 10 in flight", 2, 10, LIMIT),
	REUSE("4 pages, 48 bits, 10 in flight", 4, 10, LIMIT),
	REUSE("8 pages, 48 bits, 10 in flight", 8, 10, LIMIT),
	REUSE("16 pages, 48 bits, 10 in flight", 16, 10, LIMIT),
	REUSE("32 pages, 48 bits, 10 in flight", 32, 10, LIMIT),
	{ "reuse-distance", "1 page, idle for 5 s now and then", run_reuse,
	  ARG(reuse, LIMIT, 1, 1, 5000), 0, TELL, 64, true },
	{ "batch", "1000 of 1..8 pages, ns a pair", run_batches,
	  NULL, 0, TIME, 0.7 },
	MIXED("10 k of 1", 10000, 1),
	MIXED("100 k of 1", 100000, 1),
	MIXED("1 M of 1", 1000000, 1),
	MIXED("10 k of 1..8", 10000, 8),
	MIXED("100 k of 1..8", 100000, 8),
	MIXED("1 M of 1..8", 1000000, 8),
	{ "tail", "99.9 % of pairs at 1 M live, us", run_tail,
	  NULL, 0, AT_MOST, 10 },
	BOUND(8),
	BOUND(64),
	BOUND(256),
	LIGHT(16, 10, 0),
	LIGHT(16, 50, 0),
	LIGHT(16, 100, 0),
	LIGHT(16, 100, 16),
	LIGHT(512, 10, 0),
	LIGHT(512, 50, 0),
	LIGHT(512, 100, 0),
	LIGHT(512, 100, 512),
	{ "low-4g", "64 CPUs, bursts of 2000 that fail", run_low_4g,
	  NULL, 64, AT_MOST, 0, true },
	{ "failing-time", "full 24-bit window, 300 000 cached, us",
	  run_failing, ARG(failing, CACHED, 1, 1, LIMIT_24BIT), 0, AT_MOST, 200 },
	{ "failing-time", "larger than the window, 300 000 cached, us",
	  run_failing, ARG(failing, CACHED, 1, LIMIT, LIMIT), 0, AT_MOST, 200 },
	{ "failing-time", "each second of 600 000 pages cached, us",
	  run_failing, ARG(failing, 2 * CACHED, 2, 600, LIMIT), 0, TELL, 200 },
	{ "failing-effect", "at 1 kHz beside 64 CPUs, misses of these %",
	  run_failing_effect, NULL, 64, AT_MOST, 1, true },
	{ "failed-memory", "120 000 answers that are not a twin's",
	  run_failed_memory, NULL, 0, AT_MOST, 0, true },
	{ "failed-memory", "later requests that fail", last_of,
	  later_refusals, 0, AT_MOST, 0, true },
	{ "failed-memory", "requests that failed, of 120 000", last_of,
	  refusals, 0, TELL, 0, true },
	{ "failed-memory", "of 60 served some otherwise for want of memory",
	  last_of, apart, 0, TELL, 0, true },
	{ "idle-domain", "new, 8 possible CPUs, bytes", run_new_domain,
	  NULL, 8, AT_MOST, 1024, true },
	{ "idle-domain", "used, then idle for a minute, bytes",
	  run_idle_domain, NULL, 8, AT_MOST, 1024, true },
	{ "idle-works", "work items in an idle minute, 512 CPUs",
	  run_idle_works, NULL, 512, AT_MOST, 0, true },
};

static void run_figure(const struct figure *figure)
{
	double got[2];

	test_begin();
	in_turn(figure, got);
	hold(figure, got);
	expect(!shim_warnings(), "unexpected warning: %s", shim_last_warning());
	/* An allocator may keep some for all its domains, and use these up. */
	expect(shim_outstanding() <= test_outstanding + SPARE_OBJECTS,
	       "%ld objects leaked", shim_outstanding() - test_outstanding);
	if (test_why[0]) {
		printf("not ok %u %s, %s: %s\n", ++*results, figure->row,
		       figure->what, test_why);
		tests_failed++;
	}
	fflush(stdout);
}

/* All figures of a row, in a process of its own; returns whether it failed. */
static bool run_row(const char *row)
{
	unsigned int i;
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		our_ops.cache_get();
		stock_ops.cache_get();
		for (i = 0; i < ARRAY_SIZE(figures); i++)
			if (!strcmp(figures[i].row, row))
				run_figure(&figures[i]);
		our_ops.cache_put();
		stock_ops.cache_put();
		exit(tests_failed ? 1 : 0);
	}
	if (waitpid(child, &status, 0) == child && WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("not ok %u %s: died\n", ++*results, row);
	return true;
}

static bool begins_row(unsigned int i)
{
	return !i || strcmp(figures[i].row, figures[i - 1].row);
}

static bool is_named(const char *row, char **names, int nr)
{
	while (nr--)
		if (!strcmp(names[nr], row))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	bool list = argc == 2 && !strcmp(argv[1], "--list");
	bool quick = argc == 2 && !strcmp(argv[1], "--quick");
	static char path[400];
	bool failed = false;
	unsigned int i, ran = 0;

	if (argc == 8 && !strcmp(argv[1], "--count"))
		return count_for_valgrind(argv + 2);
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) > 0)
		program = path;
	results = mmap(NULL, sizeof(*results), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		abort();
	if (!list)
		printf("TAP version 13\n");
	for (i = 0; i < ARRAY_SIZE(figures); i++) {
		const struct figure *figure = &figures[i];

		if (!begins_row(i))
			continue;
		if (list)
			printf("%s%s\n", figure->row,
			       figure->quick ? " (quick)" : "");
		else if (argc == 1 || (quick && figure->quick) ||
			 is_named(figure->row, argv + 1, argc - 1))
			failed |= run_row(figure->row);
		else
			continue;
		ran++;
	}
	if (!ran) {
		fprintf(stderr, "usage: rows [--quick | --list | ROW...]\n");
		return 2;
	}
	if (!list)
		printf("1..%u\n", *results);
	return failed;
}
