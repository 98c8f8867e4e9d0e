// SPDX-License-Identifier: GPL-2.0-only
/* How a row measures, and the rows of times and instructions. */

#include <math.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "rows.h"

#define TURNS		7

/* ---- How a row measures ---- */

double one_side(int which, unsigned int cpus, measure_fn *measure, void *arg)
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

double percentile(double *values, unsigned int nr, double percent)
{
	qsort(values, nr, sizeof(*values), ascending);
	return values[(unsigned int)(nr * percent / 100)];
}

/* Of times the median of several; who goes first takes turns, too. */
void in_turn(const struct figure *figure, double *got)
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

__attribute__((__noipa__))
static void counted_bursts(struct side *side, unsigned long *pfns,
			   unsigned long nr, unsigned long size,
			   unsigned long rounds)
{
	bursts(side, pfns, nr, size, rounds);
}

/* A burst on each CPU, in turn. */
void burst_everywhere(struct side *side, unsigned long nr, unsigned long size)
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

double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

double misses(struct side *side)
{
	struct iova_stats stats;

	if (side->which == STOCK)
		return shim_allocs();
	iova_domain_stats(side->iovad, &stats);
	return stats.counts.misses;
}

/* ---- Pairs and bursts: time and instructions ---- */

double run_load(struct side *side)
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
double run_counted(struct side *side)
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

int count_for_valgrind(char **args)
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

double run_two_threads(struct side *side)
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

double run_batches(struct side *side)
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

struct range *populate(struct side *side, unsigned long nr,
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

void replace(struct side *side, struct range *range, unsigned long size)
{
	give(side, range->pfn, range->size);
	range->size = size;
	range->pfn = take(side, size);
}

double run_mixed(struct side *side)
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
double run_tail(struct side *side)
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

double run_bytes_live(struct side *side)
{
	enum { LIVE = 1000000 };
	long before = shim_bytes();

	free(populate(side, LIVE, 1));
	return (double)(shim_bytes() - before) / LIVE;
}
