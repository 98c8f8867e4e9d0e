// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stock allocator beside ours, in one process, over the same shims.
 *
 * usage: bench [--quick] [--json FILE] | bench --loop stock|ours ROW TURNS
 *
 * Both take turns, at least nine times for each row; every turn has a new domain.  A
 * row tells of each the median and the least, in nanoseconds of processor time
 * per operation; the ratio of the medians; that of the least, which is what a
 * busy machine disturbs least and the target is held against; and between
 * which two quartiles the ratios of neighbouring turns lie.
 *
 * Work items run between operations; of the means only that of the aged row has
 * them in it.
 *
 * The target of the fast path is %TARGET of stock.  A pair is two locked
 * sections on both sides, and what the two atomic operations of these take is
 * up to the processor.  Where it is more than half of stock's pair no code can
 * keep the target, and what is held is that ours takes no longer.
 *
 * --quick measures only what a target is set for: the fast path.  --loop does so
 * many turns of one row, by its number, with one of both: for valgrind.
 */

#include <pthread.h>
#include <time.h>

#include <linux/kernel.h>

#include "ops.h"
#include "test.h"

#define ROUNDS		33	/* of what takes milliseconds */
#define ROUNDS_SLOW	9	/* of what takes longer */
#define TARGET		0.8
#define LIMIT		((1UL << 36) - 1)
#define MAX_THREADS	2

struct turn {
	const struct iova_ops *ops;
	struct iova_domain *iovad;
	const struct row *row;
	unsigned int thread;
	double ns;
	double worst;
};

struct row {
	const char *name;
	void (*run)(struct turn *turn);
	unsigned int threads;
	unsigned long arg;
	bool targeted;
	bool slow;
};

static pthread_barrier_t together;

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

/* What the locks of a pair cannot do without: two atomic exchanges. */
static double atomics_ns(void)
{
	enum { PAIRS = 200000 };
	static unsigned long lock;
	double least = 1e9;
	unsigned int round, i;

	for (round = 0; round < ROUNDS; round++) {
		double start = cpu_ns();

		for (i = 0; i < 2 * PAIRS; i++) {
			__atomic_exchange_n(&lock, 1UL, __ATOMIC_ACQUIRE);
			__atomic_store_n(&lock, 0UL, __ATOMIC_RELEASE);
		}
		least = min(least, (cpu_ns() - start) / PAIRS);
	}
	return least;
}

static double wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

/* Allocate one, free it. */
static void pairs(struct turn *turn)
{
	const struct iova_ops *ops = turn->ops;
	struct iova_domain *iovad = turn->iovad;
	unsigned long size = turn->row->arg, i, n = 100000;
	double start = 0;

	for (i = 0; i < n + 1000; i++) {
		if (i < 1000)
			shim_run_works(0);
		if (i == 1000)
			start = cpu_ns();
		ops->free_fast(iovad, ops->alloc_fast(iovad, size, LIMIT, true),
			       size);
	}
	turn->ns = (cpu_ns() - start) / n;
}

/* Allocate a batch, free it: more than the loaded magazine holds. */
static void batches(struct turn *turn)
{
	const struct iova_ops *ops = turn->ops;
	unsigned long pfns[1024], i, round, batch = turn->row->arg;
	double start = 0;

	for (round = 0; round < 100; round++) {
		if (round < 20)
			shim_run_works(0);
		if (round == 20)
			start = cpu_ns();
		for (i = 0; i < batch; i++)
			pfns[i] = ops->alloc_fast(turn->iovad, 1 + i % 8, LIMIT,
						  true);
		for (i = 0; i < batch; i++)
			ops->free_fast(turn->iovad, pfns[i], 1 + i % 8);
	}
	turn->ns = (cpu_ns() - start) / (80 * batch);
}

/* Each frees what the other allocated. */
static void exchange(struct turn *turn)
{
	static unsigned long pfns[MAX_THREADS][512];
	const struct iova_ops *ops = turn->ops;
	unsigned long i, round, size = turn->row->arg;
	double spent = 0, start;

	for (round = 0; round < 120; round++) {
		unsigned long *mine = pfns[turn->thread];
		unsigned long *other = pfns[!turn->thread];

		start = cpu_ns();
		for (i = 0; i < 512; i++)
			mine[i] = ops->alloc_fast(turn->iovad, size, LIMIT, true);
		if (round >= 20)
			spent += cpu_ns() - start;
		pthread_barrier_wait(&together);
		if (!turn->thread)
			shim_run_works(0);
		start = cpu_ns();
		for (i = 0; i < 512; i++)
			ops->free_fast(turn->iovad, other[i], size);
		if (round >= 20)
			spent += cpu_ns() - start;
		pthread_barrier_wait(&together);
	}
	turn->ns = spent / (100 * 512);
}

/* With so many live: free one at random, take one of 1 to 8 pages. */
static void live(struct turn *turn)
{
	const struct iova_ops *ops = turn->ops;
	unsigned long nr = turn->row->arg, i, state = 1;
	unsigned long *pfns = malloc(nr * sizeof(*pfns));
	double start, before, after;

	for (i = 0; i < nr; i++)
		pfns[i] = ops->alloc(turn->iovad, 1 + i % 8, LIMIT, true);
	start = cpu_ns();
	for (i = 0; i < 20000; i++) {
		unsigned long at = below(&state, nr);

		before = wall_ns();
		ops->free(turn->iovad, pfns[at]);
		pfns[at] = ops->alloc(turn->iovad, 1 + below(&state, 8), LIMIT,
				      true);
		after = wall_ns();
		turn->worst = max(turn->worst, after - before);
		if (i % 64 == 63 && cpu_ns() - start > 1e8) {
			i++;
			break;
		}
	}
	turn->ns = (cpu_ns() - start) / i;
	free(pfns);
}

/* 60 k live ones grow old by churn of 1 to 40 pages; then 33 to 122. */
static void ageing(struct turn *turn)
{
	enum { LIVE = 60000 };
	static unsigned long pfns[LIVE], sizes[LIVE];
	const struct iova_ops *ops = turn->ops;
	unsigned long i, state = 1;
	double start = 0, before, after;

	for (i = 0; i < LIVE; i++) {
		sizes[i] = 1 + below(&state, 40);
		pfns[i] = ops->alloc_fast(turn->iovad, sizes[i], LIMIT, true);
	}
	for (i = 0; i < 200000; i++) {
		unsigned long at = below(&state, LIVE);

		ops->free_fast(turn->iovad, pfns[at], sizes[at]);
		sizes[at] = 1 + below(&state, 40);
		pfns[at] = ops->alloc_fast(turn->iovad, sizes[at], LIMIT, true);
		if (i % 64 == 0)
			shim_run_works(0);
	}
	start = cpu_ns();
	for (i = 0; i < 60000; i++) {
		unsigned long at = below(&state, LIVE);

		before = wall_ns();
		ops->free_fast(turn->iovad, pfns[at], sizes[at]);
		sizes[at] = 33 + below(&state, 90);
		pfns[at] = ops->alloc_fast(turn->iovad, sizes[at], LIMIT, true);
		after = wall_ns();
		turn->worst = max(turn->worst, after - before);
		if (i % 64 == 63 && cpu_ns() - start > 3e8) {
			i++;
			break;
		}
		if (i % 64 == 63)
			shim_run_works(0);
	}
	turn->ns = (cpu_ns() - start) / i;
}

static const struct row rows[] = {
	{ "pair, 1 page", pairs, 1, 1, true },
	{ "pair, 2 pages", pairs, 1, 2, true },
	{ "pair, 3 pages", pairs, 1, 3, true },
	{ "pair, 8 pages", pairs, 1, 8, true },
	{ "pair, 16 pages", pairs, 1, 16, true },
	{ "pair, 32 pages", pairs, 1, 32, true },
	{ "pair, 1 page", pairs, 2, 1, true },
	{ "pair, 8 pages", pairs, 2, 8, true },
	{ "pair, 32 pages", pairs, 2, 32, true },
	{ "pair, 64 pages", pairs, 1, 64 },
	{ "pair, 512 pages", pairs, 1, 512 },
	{ "pair, 64 pages", pairs, 2, 64 },
	{ "batch of 100, 1..8 pages", batches, 1, 100 },
	{ "batch of 1000, 1..8 pages", batches, 1, 1000 },
	{ "batch of 1000, 1..8 pages", batches, 2, 1000 },
	{ "free what the other took", exchange, 2, 1 },
	{ "free and take, 1 k live", live, 1, 1000, .slow = true },
	{ "free and take, 10 k live", live, 1, 10000, .slow = true },
	{ "free and take, 100 k live", live, 1, 100000, .slow = true },
	{ "free and take, 1 M live", live, 1, 1000000, .slow = true },
	{ "33..122 pages, aged", ageing, 1, 0, .slow = true },
};

struct sample {
	double ns[2][ROUNDS];
	double ratio[ROUNDS];
	double worst[2][ROUNDS];
};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned int nr)
{
	qsort(values, nr, sizeof(*values), ascending);
	return values[nr / 2];
}

static void *run_thread(void *arg)
{
	struct turn *turn = arg;

	shim_set_cpu(turn->thread);
	pthread_barrier_wait(&together);
	turn->row->run(turn);
	return NULL;
}

static struct turn take_turn(const struct row *row, const struct iova_ops *ops)
{
	struct turn turns[MAX_THREADS] = { };
	pthread_t threads[MAX_THREADS];
	struct iova_domain *iovad;
	unsigned int t;

	iovad = ops->domain_new(4096, 1);
	ops->init_rcaches(iovad);
	pthread_barrier_init(&together, NULL, row->threads);
	for (t = 0; t < row->threads; t++) {
		turns[t] = (struct turn){ ops, iovad, row, t };
		pthread_create(&threads[t], NULL, run_thread, &turns[t]);
	}
	for (t = 0; t < row->threads; t++)
		pthread_join(threads[t], NULL);
	for (t = 1; t < row->threads; t++)
		turns[0].ns += turns[t].ns;
	turns[0].ns /= row->threads;
	ops->domain_delete(iovad);
	return turns[0];
}

static void measure(const struct row *row, struct sample *sample,
		    unsigned int nr)
{
	unsigned int round;

	for (round = 0; round < nr; round++) {
		struct turn stock, ours;

		/* Who goes first takes turns, too. */
		if (round & 1)
			ours = take_turn(row, &our_ops);
		stock = take_turn(row, &stock_ops);
		if (!(round & 1))
			ours = take_turn(row, &our_ops);
		sample->ns[0][round] = stock.ns;
		sample->ns[1][round] = ours.ns;
		sample->ratio[round] = ours.ns / stock.ns;
		sample->worst[0][round] = stock.worst;
		sample->worst[1][round] = ours.worst;
	}
}

static int loop(const char *who, unsigned int row, unsigned int turns)
{
	const struct iova_ops *ops = !strcmp(who, "ours") ? &our_ops : &stock_ops;

	if (row >= ARRAY_SIZE(rows))
		return 2;
	ops->cache_get();
	while (turns--)
		take_turn(&rows[row], ops);
	ops->cache_put();
	return 0;
}

int main(int argc, char **argv)
{
	double fast[MAX_THREADS] = { }, nr_fast[MAX_THREADS] = { };
	double stock_pair = 0, atomics, target;
	const char *json_name = NULL;
	bool quick = false;
	FILE *json = NULL;
	unsigned int i, t;

	if (argc == 5 && !strcmp(argv[1], "--loop"))
		return loop(argv[2], atoi(argv[3]), atoi(argv[4]));
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			quick = true;
		} else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
			json_name = argv[++i];
		} else {
			fprintf(stderr, "usage: bench [--quick] [--json FILE] | bench --loop stock|ours ROW TURNS\n");
			return 2;
		}
	}
	if (json_name) {
		json = fopen(json_name, "w");
		if (!json) {
			perror(json_name);
			return 2;
		}
		fprintf(json, "[");
	}

	our_ops.cache_get();
	stock_ops.cache_get();
	printf("TAP version 13\n");
	printf("%-26s %7s %17s %17s %6s %6s %-12s %s\n", "", "threads",
	       "stock ns, least", "ours ns, least", "median", "least",
	       "quartiles", "worst us, stock/ours");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		unsigned int nr = row->slow ? ROUNDS_SLOW : ROUNDS;
		double stock, ours, least, worst[2];
		struct sample sample;

		if (quick && !row->targeted)
			continue;
		measure(row, &sample, nr);
		stock = median(sample.ns[0], nr);
		ours = median(sample.ns[1], nr);
		median(sample.ratio, nr);
		least = sample.ns[1][0] / sample.ns[0][0];
		worst[0] = median(sample.worst[0], nr) / 1000;
		worst[1] = median(sample.worst[1], nr) / 1000;
		printf("%-26s %7u %9.1f %7.1f %9.1f %7.1f %6.4f %6.4f %.3f..%.3f",
		       row->name, row->threads, stock, sample.ns[0][0], ours,
		       sample.ns[1][0], ours / stock, least,
		       sample.ratio[nr / 4], sample.ratio[nr * 3 / 4]);
		if (worst[0] || worst[1])
			printf(" %9.1f %9.1f", worst[0], worst[1]);
		printf("\n");
		fflush(stdout);
		if (json)
			fprintf(json, "%s\n  {\"name\": \"%s\", \"threads\": %u, "
				"\"stock_ns\": %.2f, \"ours_ns\": %.2f, "
				"\"stock_least_ns\": %.2f, \"ours_least_ns\": %.2f, "
				"\"ratio\": %.4f, \"ratio_least\": %.4f, "
				"\"ratio_quartiles\": [%.4f, %.4f], "
				"\"stock_worst_us\": %.2f, \"ours_worst_us\": %.2f}",
				ftell(json) > 1 ? "," : "", row->name,
				row->threads, stock, ours, sample.ns[0][0],
				sample.ns[1][0], ours / stock, least,
				sample.ratio[nr / 4],
				sample.ratio[nr * 3 / 4], worst[0], worst[1]);
		if (row->targeted) {
			fast[row->threads - 1] += least;
			stock_pair += sample.ns[0][0];
			nr_fast[row->threads - 1]++;
		}
	}
	if (json) {
		fprintf(json, "\n]\n");
		fclose(json);
	}
	stock_pair /= nr_fast[0] + nr_fast[1];
	atomics = atomics_ns();
	target = atomics > stock_pair / 2 ? 1 : TARGET;
	printf("of stock's %.1f ns two atomic operations take %.1f: wanted is %.1f of stock\n",
	       stock_pair, atomics, target);
	for (t = 0; t < MAX_THREADS; t++) {
		char name[80];

		test_begin();
		fast[t] /= nr_fast[t];
		expect(fast[t] <= target, "%.3f of stock, wanted %.1f", fast[t],
		       target);
		snprintf(name, sizeof(name),
			 "bench: fast path, %u thread%s: %.3f of stock", t + 1,
			 t ? "s" : "", fast[t]);
		test_end(name);
	}
	our_ops.cache_put();
	stock_ops.cache_put();
	return test_finish(tests_ran, tests_failed);
}
