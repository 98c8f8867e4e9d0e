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

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/iova.h>
#include <linux/kernel.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define LIMIT		((1UL << 36) - 1)
#define LIMIT_64BIT	(~0UL >> 12)
#define LIMIT_32BIT	((1UL << 20) - 1)
#define LIMIT_24BIT	((1UL << 12) - 1)
#define LEVEL_BITS	9
#define TURNS		7
#define SLACK		1.25
#define SPARE_OBJECTS	128

enum { OURS, STOCK };

/* One allocator with a new domain, for one measurement. */
struct side {
	int which;
	const struct iova_ops *ops;
	void *arg;
	long bytes_before;	/* the domain was made */
	struct iova_domain *iovad;
	unsigned long random;
};

typedef double measure_fn(struct side *side);

/* A figure of a row: how it is measured, and what is wanted. */
struct figure {
	const char *row;
	const char *what;
	measure_fn *measure;
	void *arg;
	unsigned int cpus;	/* possible ones; 4 unless told */
	enum {
		AT_MOST,
		AT_LEAST,
		OF_STOCK,	/* at most @wanted times what stock has */
		TIME,		/* the same in ns, give or take; 0: just tell */
		TELL,
	} rule;
	double wanted;
	bool quick;		/* the row decides by counting alone */
};

static const char *program;
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

/* ---- How a row measures ---- */

static double one_side(int which, unsigned int cpus, measure_fn *measure,
		       void *arg)
{
	struct side side = {
		.which = which,
		.ops = which == OURS ? &our_ops : &stock_ops,
		.arg = arg,
		.random = 1,
	};
	double got;

	shim_set_possible(cpus);
	shim_set_cpu(0);
	side.bytes_before = shim_bytes();
	side.iovad = side.ops->domain_new(4096, 1);
	expect(!side.ops->init_rcaches(side.iovad), "no caches");
	got = measure(&side);
	shim_set_cpu(0);
	side.ops->domain_delete(side.iovad);
	return got;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(double *values, unsigned int nr, double percent)
{
	qsort(values, nr, sizeof(*values), ascending);
	return values[(unsigned int)(nr * percent / 100)];
}

/* Of times the median of several; who goes first takes turns, too. */
static void in_turn(const struct figure *figure, double *got)
{
	unsigned int turns = figure->rule == TIME ? TURNS : 1, turn, which;
	double all[2][TURNS];

	for (turn = 0; turn < 2 * turns; turn++) {
		which = (turn + turn / 2) & 1;
		all[which][turn / 2] = one_side(which, figure->cpus ?: 4,
						figure->measure, figure->arg);
	}
	for (which = 0; which < 2; which++)
		got[which] = percentile(all[which], turns, 50);
}

static unsigned long take(struct side *side, unsigned long size)
{
	return side->ops->alloc_fast(side->iovad, size, LIMIT, true);
}

static void give(struct side *side, unsigned long pfn, unsigned long size)
{
	side->ops->free_fast(side->iovad, pfn, size);
}

/*
 * So many ranges, then so many frees.  Of two names that no compiler may make
 * one, because valgrind is told the second.
 */
static __always_inline void bursts(struct side *side, unsigned long *pfns,
				   unsigned long nr, unsigned long size,
				   unsigned long rounds)
{
	unsigned long i;

	while (rounds--) {
		for (i = 0; i < nr; i++)
			pfns[i] = take(side, size);
		for (i = 0; i < nr; i++)
			give(side, pfns[i], size);
	}
}

__attribute__((__noipa__))
static void counted_bursts(struct side *side, unsigned long *pfns,
			   unsigned long nr, unsigned long size,
			   unsigned long rounds)
{
	bursts(side, pfns, nr, size, rounds);
}

/* A burst on each CPU, in turn. */
static void burst_everywhere(struct side *side, unsigned long nr,
			     unsigned long size)
{
	unsigned long pfns[512];
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		shim_set_cpu(cpu);
		bursts(side, pfns, nr, size, 1);
		shim_run_works(1);
	}
	shim_set_cpu(0);
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static double misses(struct side *side)
{
	struct iova_stats stats;

	if (side->which == STOCK)
		return shim_allocs();
	iova_domain_stats(side->iovad, &stats);
	return stats.counts.misses;
}

/* ---- Pairs and bursts: time and instructions ---- */

struct load {
	unsigned long nr, size, rounds;
	unsigned int warm;	/* bursts before the first that counts */
	bool works;		/* do work items get to run between these */
};

static double run_load(struct side *side)
{
	const struct load *load = side->arg;
	unsigned long *pfns = calloc(load->nr, sizeof(*pfns));
	unsigned int i;
	double ns;

	for (i = 0; i < load->warm; i++) {
		bursts(side, pfns, load->nr, load->size, 1);
		if (load->works)
			shim_run_works(1);
	}
	ns = cpu_ns();
	counted_bursts(side, pfns, load->nr, load->size, load->rounds);
	ns = cpu_ns() - ns;
	free(pfns);
	return ns / (load->rounds * load->nr);
}

/* What valgrind counts for the same, a pair; NAN without it. */
static double run_counted(struct side *side)
{
	const struct load *load = side->arg;
	char command[700], line[200];
	unsigned long long count;
	double found = NAN;
	FILE *out;

	snprintf(command, sizeof(command),
		 "valgrind --tool=callgrind --toggle-collect=counted_bursts "
		 "--callgrind-out-file=/dev/null '%s' --count %d %lu %lu %lu %u %d 2>&1",
		 program, side->which, load->nr, load->size, load->rounds,
		 load->warm, load->works);
	out = popen(command, "r");
	while (out && fgets(line, sizeof(line), out)) {
		const char *at = strstr(line, "Collected : ");

		if (at && sscanf(at, "Collected : %llu", &count) == 1 && count)
			found = (double)count / (load->rounds * load->nr);
	}
	if (out)
		pclose(out);
	return found;
}

static int count_for_valgrind(char **args)
{
	struct load load = {
		.nr = strtoul(args[1], NULL, 0),
		.size = strtoul(args[2], NULL, 0),
		.rounds = strtoul(args[3], NULL, 0),
		.warm = atoi(args[4]),
		.works = atoi(args[5]),
	};

	our_ops.cache_get();
	stock_ops.cache_get();
	one_side(atoi(args[0]), 4, run_load, &load);
	return 0;
}

struct pair_thread {
	struct side *side;
	unsigned int cpu;
	pthread_barrier_t *together;
	double ns;
};

static void *run_pairs(void *arg)
{
	struct pair_thread *thread = arg;
	unsigned long pfn;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(thread->cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	shim_set_cpu(thread->cpu);
	bursts(thread->side, &pfn, 1, 1, 1000);
	pthread_barrier_wait(thread->together);
	thread->ns = cpu_ns();
	bursts(thread->side, &pfn, 1, 1, 200000);
	thread->ns = (cpu_ns() - thread->ns) / 200000;
	return NULL;
}

static double run_two_threads(struct side *side)
{
	struct pair_thread threads[2];
	pthread_barrier_t together;
	pthread_t ids[2];
	int i;

	pthread_barrier_init(&together, NULL, 2);
	for (i = 0; i < 2; i++) {
		threads[i] = (struct pair_thread){ side, i, &together };
		pthread_create(&ids[i], NULL, run_pairs, &threads[i]);
	}
	for (i = 0; i < 2; i++)
		pthread_join(ids[i], NULL);
	return (threads[0].ns + threads[1].ns) / 2;
}

static double run_batches(struct side *side)
{
	unsigned long pfns[1000], i, round;
	double start = 0;

	for (round = 0; round < 120; round++) {
		if (round < 20)
			shim_run_works(1);
		if (round == 20)
			start = cpu_ns();
		for (i = 0; i < 1000; i++)
			pfns[i] = take(side, 1 + i % 8);
		for (i = 0; i < 1000; i++)
			give(side, pfns[i], 1 + i % 8);
	}
	return (cpu_ns() - start) / (100 * 1000);
}

/* ---- A population of ranges that are replaced at random ---- */

struct range {
	unsigned long pfn, size;
};

static struct range *populate(struct side *side, unsigned long nr,
			      unsigned int max_size)
{
	struct range *ranges = calloc(nr, sizeof(*ranges));
	unsigned long i;

	for (i = 0; i < nr; i++) {
		ranges[i].size = 1 + below(&side->random, max_size);
		ranges[i].pfn = take(side, ranges[i].size);
		if (i % 1000 == 999)
			shim_run_works(1);
	}
	return ranges;
}

static void replace(struct side *side, struct range *range, unsigned long size)
{
	give(side, range->pfn, range->size);
	range->size = size;
	range->pfn = take(side, size);
}

struct population {
	unsigned long nr;
	unsigned int max_size;
};

static double run_mixed(struct side *side)
{
	const struct population *population = side->arg;
	unsigned long nr = population->nr, i, k;
	struct range *ranges = populate(side, nr, population->max_size);
	double ns = 0, start;

	/* Among ranges of its own kind: what has come about after a while. */
	for (i = 0; population->max_size > 1 && i < nr; i++)
		replace(side, &ranges[below(&side->random, nr)],
			1 + below(&side->random, 8));
	for (i = 0; i < max(nr / 5, 4000UL); i += 1000) {
		start = cpu_ns();
		for (k = 0; k < 1000; k++)
			replace(side, &ranges[below(&side->random, nr)],
				1 + below(&side->random, 8));
		ns += cpu_ns() - start;
		shim_run_works(1);
	}
	free(ranges);
	return ns / i;
}

/* One in a thousand takes longer, in us; what holds of locks are part of. */
static double run_tail(struct side *side)
{
	enum { LIVE = 1000000, NR = 300000 };
	static double ns[NR];
	struct range *ranges = populate(side, LIVE, 1);
	unsigned long i;

	for (i = 0; i < LIVE / 2; i++)
		replace(side, &ranges[below(&side->random, LIVE)], 1);
	for (i = 0; i < NR; i++) {
		struct range *range = &ranges[below(&side->random, LIVE)];

		ns[i] = cpu_ns();
		replace(side, range, 1);
		ns[i] = cpu_ns() - ns[i];
		if (i % 1000 == 999)
			shim_run_works(1);
	}
	free(ranges);
	return percentile(ns, NR, 99.9) / 1000;
}

static double run_bytes_live(struct side *side)
{
	enum { LIVE = 1000000 };
	long before = shim_bytes();

	free(populate(side, LIVE, 1));
	return (double)(shim_bytes() - before) / LIVE;
}

/* ---- Where addresses lie, and what an IOMMU reads to translate them ---- */

#define WALK_LEVELS	4
#define WALK_ENTRIES	32

/* As tools/bench has it: an LRU cache for each level of tables but the leaves. */
struct walk_model {
	unsigned long keys[WALK_LEVELS][WALK_ENTRIES];
	unsigned long used[WALK_LEVELS][WALK_ENTRIES];	/* 0: empty */
	unsigned long now;
	double reads, pages;
};

static bool walk_cache_has(struct walk_model *model, unsigned int level,
			   unsigned long key)
{
	unsigned long *keys = model->keys[level], *used = model->used[level];
	unsigned int i, oldest = 0;

	model->now++;
	for (i = 0; i < WALK_ENTRIES; i++) {
		if (used[i] && keys[i] == key) {
			used[i] = model->now;
			return true;
		}
		if (used[i] < used[oldest])
			oldest = i;
	}
	keys[oldest] = key;
	used[oldest] = model->now;
	return false;
}

static void walk(struct walk_model *model, unsigned long pfn)
{
	unsigned int level;

	model->pages++;
	model->reads++;
	for (level = 1; level < WALK_LEVELS; level++) {
		if (walk_cache_has(model, level, pfn >> LEVEL_BITS * level))
			return;
		model->reads++;
	}
}

static int pfns_ascending(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a;
	unsigned long y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

static unsigned long distinct(unsigned long *keys, unsigned long nr)
{
	unsigned long i, found = 1;

	qsort(keys, nr, sizeof(*keys), pfns_ascending);
	for (i = 1; i < nr; i++)
		found += keys[i] != keys[i - 1];
	return found;
}

/* Page-table pages that map these ranges: leaf tables and those above. */
static double page_tables(const struct range *ranges, unsigned long nr)
{
	unsigned long *keys = calloc(2 * nr, sizeof(*keys)), i, found = 1;
	unsigned int level;

	for (level = 1; level < WALK_LEVELS; level++) {
		for (i = 0; i < nr; i++) {
			unsigned long last = ranges[i].pfn + ranges[i].size - 1;

			keys[2 * i] = ranges[i].pfn >> LEVEL_BITS * level;
			keys[2 * i + 1] = last >> LEVEL_BITS * level;
		}
		found += distinct(keys, 2 * nr);
	}
	free(keys);
	return found;
}

struct traffic {
	unsigned int max_size, cpus;
	bool in_order;		/* the oldest are freed first, not any */
	/* Found besides the leaf tables of a row. */
	struct walk_model model;
	double reads[2];	/* for each page */
	double tables[2];
};

/* The next range to be freed; it happens on any CPU. */
static struct range *victim(struct side *side, struct range *ranges,
			    unsigned long nr, unsigned long *at)
{
	const struct traffic *traffic = side->arg;

	shim_set_cpu(below(&side->random, traffic->cpus));
	return &ranges[traffic->in_order ? (*at)++ % nr :
					   below(&side->random, nr)];
}

/* Map 64 pages in a row, then free as many ranges; how many leaf tables. */
static double map_row(struct side *side, struct range *ranges,
		      unsigned long nr, unsigned long *at)
{
	struct traffic *traffic = side->arg;
	unsigned long keys[64], pages = 0, i, k;
	struct range row[64];

	shim_set_cpu(below(&side->random, traffic->cpus));
	for (i = 0; pages < 64; i++) {
		row[i].size = min(1 + below(&side->random, traffic->max_size),
				  64 - pages);
		row[i].pfn = take(side, row[i].size);
		for (k = 0; k < row[i].size; k++) {
			keys[pages++] = (row[i].pfn + k) >> LEVEL_BITS;
			walk(&traffic->model, row[i].pfn + k);
		}
	}
	while (i--) {
		struct range *range = victim(side, ranges, nr, at);

		give(side, range->pfn, range->size);
		*range = row[i];
	}
	shim_run_works(1);
	return distinct(keys, pages);
}

/* Leaf tables of 64 pages mapped in a row after a million frees, mean. */
static double run_leaf_tables(struct side *side)
{
	enum { LIVE = 256 << 10, CHURN = 1000000, SAMPLES = 256 };
	struct traffic *traffic = side->arg;
	struct range *ranges = populate(side, LIVE, traffic->max_size);
	unsigned long at = 0, i;
	double leaves = 0;

	for (i = 0; i < CHURN; i++) {
		replace(side, victim(side, ranges, LIVE, &at),
			1 + below(&side->random, traffic->max_size));
		if (i % 1000 == 999)
			shim_run_works(1);
	}
	traffic->tables[side->which] = page_tables(ranges, LIVE);
	traffic->model = (struct walk_model){ };
	for (i = 0; i < SAMPLES; i++)
		leaves += map_row(side, ranges, LIVE, &at);
	traffic->reads[side->which] = traffic->model.reads /
				      traffic->model.pages;
	free(ranges);
	return leaves / SAMPLES;
}

static double last_reads(struct side *side)
{
	return ((struct traffic *)side->arg)->reads[side->which];
}

static double last_tables(struct side *side)
{
	return ((struct traffic *)side->arg)->tables[side->which];
}

/* ---- Reuse ---- */

struct reuse {
	unsigned long limit, size;
	unsigned int in_flight;
	unsigned long idle;	/* ms, after each 500 */
};

/*
 * Take and free: the least number of other addresses given out between two
 * times of the same.  Of those between them none came twice, or that one would
 * have been nearer.
 */
static double run_reuse(struct side *side)
{
	enum { NR = 20000, LOOK_BACK = 4096 };
	static unsigned long given[NR];
	const struct reuse *reuse = side->arg;
	unsigned long held[16] = { }, least = LOOK_BACK, i, back;

	for (i = 0; i < NR; i++) {
		unsigned long *slot = &held[below(&side->random,
						  reuse->in_flight)];

		if (*slot)
			give(side, *slot, reuse->size);
		*slot = side->ops->alloc_fast(side->iovad, reuse->size,
					      reuse->limit, true);
		given[i] = *slot;
		for (back = 1; back <= min(i, least); back++)
			if (given[i - back] == given[i])
				least = back - 1;
		if (i % 64 == 63)
			shim_run_works(1);
		if (i % 500 == 499)
			shim_run_works(reuse->idle);
	}
	return least;
}

/* ---- What stays while nothing happens ---- */

static double run_new_domain(struct side *side)
{
	return shim_bytes() - side->bytes_before +
	       malloc_usable_size(side->iovad);
}

static double run_idle_domain(struct side *side)
{
	unsigned long size;

	for (size = 1; size <= 32; size *= 2)
		burst_everywhere(side, 200, size);
	shim_run_works(60000);
	return run_new_domain(side);
}

static double run_idle_works(struct side *side)
{
	burst_everywhere(side, 24, 1);
	shim_run_works(10000);
	return shim_run_works(60000);
}

/* ---- What stays cached, and what misses ---- */

/* A minute of one CPU after so many: ranges in caches. */
static double run_bound(struct side *side)
{
	unsigned int round;
	struct iova_stats stats;
	unsigned long pfns[40];

	if (side->which == STOCK)
		return NAN;
	for (round = 0; round < 6; round++)
		burst_everywhere(side, 200, 1);
	for (round = 0; round < 6000; round++) {
		bursts(side, pfns, 40, 1, 1);
		shim_run_works(10);
	}
	iova_domain_stats(side->iovad, &stats);
	return stats.all_cached;
}

struct light {
	unsigned int every, mapped;
};

/* A burst of 24 on each CPU each so many ms: misses, per cent. */
static double run_light(struct side *side)
{
	const struct light *light = side->arg;
	unsigned long pfns[24], warm = max(3000U, 10 * light->every), ms;
	double missed = 0, total = 0;
	unsigned int cpu;

	shim_fail_nth(~0UL, false);	/* counts allocations of memory */
	for (cpu = 0; cpu < light->mapped; cpu++) {
		shim_set_cpu(cpu);
		take(side, 1);
	}
	for (ms = 0; ms < warm + 2000; ms++) {
		if (ms == warm)
			missed = misses(side);
		for (cpu = ms % light->every; cpu < nr_cpu_ids; cpu += light->every) {
			shim_set_cpu(cpu);
			bursts(side, pfns, 24, 1, 1);
			total += ms >= warm ? 24 : 0;
		}
		shim_run_works(1);
	}
	missed = misses(side) - missed;
	shim_fail_nth(0, false);
	return 100 * missed / total;
}

/* CPUs in turn have 128 MiB mapped below 4 GiB: bursts of which one fails. */
static double run_low_4g(struct side *side)
{
	enum { NR = 32, SIZE = 1024, BURSTS = 2000 };
	unsigned long pfns[NR], burst, i;
	double failed = 0;

	for (burst = 0; burst < BURSTS; burst++) {
		bool all = true;

		shim_set_cpu(burst % nr_cpu_ids);
		for (i = 0; i < NR; i++) {
			pfns[i] = side->ops->alloc_fast(side->iovad, SIZE,
							LIMIT_32BIT, false);
			all &= pfns[i] != 0;
		}
		failed += !all;
		for (i = 0; i < NR; i++)
			if (pfns[i])
				give(side, pfns[i], SIZE);
		shim_run_works(2);
	}
	return failed;
}

/* ---- Requests that cannot succeed ---- */

#define CACHED	(585UL * 512)	/* about 300 000: whole leaf tables */

static void must_fail(struct side *side, unsigned long size,
		      unsigned long limit)
{
	expect(!side->ops->alloc_fast(side->iovad, size, limit, true),
	       "a request for %lu pages below %#lx succeeds", size, limit);
}

struct failing {
	unsigned long nr, step, size, limit;
};

/*
 * Of so many single pages in a row each @step-th is freed: us of a request
 * that fails, because nothing is free below them but for the rest of the last
 * leaf table, and between them are no holes that would do.
 */
static double run_failing(struct side *side)
{
	const struct failing *failing = side->arg;
	unsigned long *pfns = calloc(failing->nr, sizeof(*pfns)), i;
	unsigned long lowest = LIMIT;
	double us[5];
	int turn;

	for (turn = -3; turn < 5; turn++) {
		for (i = 0; i < failing->nr; i++) {
			if (!pfns[i])
				pfns[i] = take(side, 1);
			lowest = min(lowest, pfns[i] & ~511UL);
		}
		for (i = 0; i < failing->nr; i++) {
			if (pfns[i] % failing->step == 0) {
				give(side, pfns[i], 1);
				pfns[i] = 0;
			}
			if (i % 2000 == 1999)
				shim_run_works(1);
		}
		if (turn < 0)
			continue;
		if (!turn)
			side->ops->reserve(side->iovad, 1, min(failing->limit,
							       lowest - 1));
		us[turn] = cpu_ns();
		must_fail(side, failing->size + turn, failing->limit);
		us[turn] = (cpu_ns() - us[turn]) / 1000;
	}
	free(pfns);
	return percentile(us, 5, 50);
}

/* Each ms a request that fails, beside other CPUs: misses of these, per cent. */
static double run_failing_effect(struct side *side)
{
	enum { MS = 1000 };
	unsigned long pfns[24], ms;
	double missed = 0, before;
	unsigned int cpu;

	side->ops->reserve(side->iovad, 1, LIMIT_24BIT);
	shim_fail_nth(~0UL, false);	/* counts allocations of memory */
	for (ms = 0; ms < MS; ms++) {
		before = misses(side);
		for_each_possible_cpu(cpu) {
			shim_set_cpu(cpu);
			bursts(side, pfns, 24, 1, 1);
		}
		missed += misses(side) - before;
		shim_set_cpu(0);
		must_fail(side, 1, LIMIT_24BIT);
		shim_run_works(1);
	}
	shim_fail_nth(0, false);
	return 100 * missed / (MS * nr_cpu_ids * 24);
}

/* ---- An allocation of memory that fails ---- */

struct twins {
	struct side *side, twin;
	struct range held[300];
	double refused, differ;
	bool apart;	/* one had another place for want of memory; may go on */
};

static double refusals[2], later_refusals[2], apart[2];

static unsigned long take_low(struct side *side, unsigned long size)
{
	return side->ops->alloc_fast(side->iovad, size, LIMIT_32BIT, true);
}

/* The same to both, which have to answer the same. */
static void ask_twins(struct twins *twins, unsigned int times)
{
	unsigned long *random = &twins->side->random;

	while (times--) {
		struct range *range = &twins->held[below(random, 300)];
		unsigned long other;

		if (range->pfn) {
			give(twins->side, range->pfn, range->size);
			give(&twins->twin, range->pfn, range->size);
		}
		range->size = 1 + below(random, 40);
		range->pfn = take_low(twins->side, range->size);
		other = take_low(&twins->twin, range->size);
		twins->refused += !range->pfn;
		if (range->pfn != other) {
			twins->differ += !twins->apart;
			if (range->pfn)
				give(twins->side, range->pfn, range->size);
			if (other)
				give(&twins->twin, other, range->size);
			range->pfn = 0;
		}
		if (times % 100 == 0)
			shim_run_works(1);
	}
}

/* Requests without memory; who needs none asks the twin, too. */
static void ask_without_memory(struct twins *twins, unsigned long nth)
{
	enum { NR = 200 };
	unsigned long pfns[NR][2] = { }, sizes[NR], i;

	for (i = 0; i < NR; i++) {
		sizes[i] = 1 + below(&twins->side->random, 64);
		shim_fail_nth(nth, true);
		pfns[i][0] = take_low(twins->side, sizes[i]);
		shim_fail_nth(0, false);
		if (pfns[i][0])
			pfns[i][1] = take_low(&twins->twin, sizes[i]);
		else
			refusals[twins->side->which]++;
		twins->apart |= pfns[i][0] != pfns[i][1];
	}
	for (i = 0; i < NR; i++) {
		if (pfns[i][0])
			give(twins->side, pfns[i][0], sizes[i]);
		if (pfns[i][1])
			give(&twins->twin, pfns[i][1], sizes[i]);
	}
}

static double ask_pair(struct side *side, unsigned int turn)
{
	struct twins twins = { side, *side };
	double differ;
	unsigned int i;

	shim_set_cpu(0);
	side->iovad = side->ops->domain_new(4096, 1);
	side->ops->init_rcaches(side->iovad);
	twins.twin.iovad = side->ops->domain_new(4096, 1);
	side->ops->init_rcaches(twins.twin.iovad);
	/* Some are new; some are used, on this CPU or on another. */
	ask_twins(&twins, turn / 3 % 3 * 1000);
	shim_set_cpu(turn & 1);
	for (i = 0; i < 10; i++) {
		ask_without_memory(&twins, 1 + turn % 3);
		ask_twins(&twins, 200);
	}
	later_refusals[side->which] += twins.refused;
	apart[side->which] += twins.apart;
	differ = twins.differ;
	shim_set_cpu(0);
	side->ops->domain_delete(twins.twin.iovad);
	side->ops->domain_delete(side->iovad);
	return differ;
}

/* Answers of 120 000 that are not those of a twin that had memory. */
static double run_failed_memory(struct side *side)
{
	struct iova_domain *own = side->iovad;
	unsigned int turn;
	double differ = 0;

	for (turn = 0; turn < 60; turn++)
		differ += ask_pair(side, turn);
	side->iovad = own;
	return differ;
}

static double last_of(struct side *side)
{
	return ((double *)side->arg)[side->which];
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
