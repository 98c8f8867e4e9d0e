// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_bench: cases of operations that succeed, alone or among many live ranges.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/sched.h>

#include "iova_bench.h"

static unsigned int live_max = 1000000;
module_param(live_max, uint, 0444);
MODULE_PARM_DESC(live_max, "most ranges that live in the cases that grow, live and top (default 1000000)");

#define FAST_ROUNDS	100
#define FAST_WARMUP	300

/* fast: a pair of alloc_iova_fast() and free_iova_fast() that the caches satisfy */
int bench_fast(const char *what)
{
	static const unsigned int sizes[] = { 1, 2, 3, 4, 8, 16, 32, 64, 128, 512, 1024 };
	const unsigned int pairs = FAST_BATCH * FAST_ROUNDS;
	u64 cost, least, sum, loop = bench_empty_loop_cost();
	struct bench *b = bench_create(0);
	unsigned int s, i, round;
	unsigned long pfn;
	struct stopwatch w;

	if (!b)
		return -ENOMEM;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		unsigned int size = sizes[s];

		for (i = 0; i < FAST_WARMUP; i++) {
			pfn = alloc_iova_fast(&b->iovad, size, LIMIT(48), true);
			free_iova_fast(&b->iovad, pfn, size);
		}
		sum = 0;
		least = U64_MAX;
		for (round = 0; round < FAST_ROUNDS; round++) {
			watch_start(&w);
			for (i = 0; i < FAST_BATCH; i++) {
				pfn = alloc_iova_fast(&b->iovad, size, LIMIT(48), true);
				free_iova_fast(&b->iovad, pfn, size);
			}
			cost = ktime_get_ns() - w.start;
			local_irq_restore(w.flags);
			cost -= bench_clock_cost + loop;
			sum += cost;
			least = min(least, cost);
		}
		pr_info("%s pages=%u n=%u mean=%llu least=%llu\n", what, size, pairs,
			div_u64(sum + pairs / 2, pairs),
			div_u64(least + FAST_BATCH / 2, FAST_BATCH));
	}
	bench_destroy(b);
	return 0;
}

/* One operation of a burst: what cost @from until now, divided */
static void burst_stat(struct bench_stat *st, u64 from, unsigned int ops)
{
	stat_add(st, div_u64(ktime_get_ns() - from + ops / 2, ops));
}

/* Bursts until caches are expected to hold one, at least */
#define BURST_WARMUP	16

/*
 * burst: so many single pages taken at a stretch, then all given back, as on a
 * card that refills its ring.  Interrupts stay on, and between two stretches
 * whatever waits may run: what a burst costs later is part of its mean.  The
 * percentile and the worst are those of means over a whole stretch.  first: the
 * pairs of the first burst of a domain; warming: of the ones from the second on
 * that make the caches what they are for the rest.
 */
int bench_burst(const char *what)
{
	static const unsigned int lengths[] = { 64, 256, 1024, 4096, 32768 };
	static const char *const ops[] = { "alloc", "free", "pair", "first", "warming" };
	const unsigned int longest = lengths[ARRAY_SIZE(lengths) - 1];
	unsigned int l, i, round;
	char name[32];

	for (l = 0; l < ARRAY_SIZE(lengths); l++) {
		unsigned int length = lengths[l];
		unsigned int warmup = max_t(unsigned int, BURST_WARMUP, longest / length / 4);
		struct bench *b = bench_create(length);
		u64 begin, start;

		if (!b)
			return -ENOMEM;

		bench_budget_start();
		for (round = 0; round < 2 * warmup || bench_budget_left(); round++) {
			if (round == warmup)
				bench_budget_start();
			begin = ktime_get_ns();
			for (i = 0; i < length; i++)
				b->r[i].pfn = alloc_iova_fast(&b->iovad, 1, LIMIT(48), true);
			start = ktime_get_ns();
			if (round >= warmup)
				burst_stat(&b->st[0], begin, length);
			for (i = 0; i < length; i++)
				free_iova_fast(&b->iovad, b->r[i].pfn, 1);
			if (round >= warmup)
				burst_stat(&b->st[1], start, length);
			cond_resched();
			burst_stat(&b->st[!round ? 3 : round < warmup ? 4 : 2], begin, length);
		}
		snprintf(name, sizeof(name), "%s burst=%u", what, length);
		bench_print(b, name, ops);
		bench_destroy(b);
	}
	return 0;
}

/* Live ranges at which the cost is taken, to see how it grows */
static const unsigned int populations[] = { 1000, 10000, 100000, 1000000 };

/* How many of them, with live_max */
static unsigned int nr_populations(void)
{
	unsigned int nr = 0;

	while (nr < ARRAY_SIZE(populations) && populations[nr] <= live_max)
		nr++;
	return nr;
}

#define LIVE_OPS	50000

/*
 * @nr ranges of one page live; free one at random, take one of @lo..@hi pages,
 * at once or through the caches.
 */
static int live_one(const char *what, unsigned int nr, bool fast, unsigned int lo,
		    unsigned int hi)
{
	static const char *const ops[] = { "free", "alloc", "sequence", NULL };
	struct bench *b = bench_create_filled(nr, LIMIT(48));
	unsigned int op;
	char pages[24];
	u64 cost;

	if (!b)
		return -ENOMEM;

	bench_budget_start();
	for (op = 0; op < LIVE_OPS && bench_budget_left(); op++) {
		struct bench_range *r = &b->r[random_below(nr)];

		cost = timed_free(fast, &b->iovad, r, &b->st[0]);
		cost += timed_alloc(fast, &b->iovad, r, random_size(lo, hi), LIMIT(48),
				    &b->st[1]);
		stat_add(&b->st[2], cost);
	}
	snprintf(pages, sizeof(pages), "%u-%u", lo, hi);
	bench_print_live(b, what, fast, pages, ops);
	bench_destroy(b);
	return 0;
}

/* live: single operations among many live ranges */
int bench_live(const char *what)
{
	unsigned int p;
	int ret = 0;

	for (p = 0; p < nr_populations() && !ret; p++) {
		ret = live_one(what, populations[p], false, 1, 1);
		if (!ret)
			ret = live_one(what, populations[p], false, 1, 8);
		if (!ret)
			ret = live_one(what, populations[p], true, 1, 8);
	}
	return ret;
}

#define TOP_OPS	20000

/*
 * @nr ranges of one page live; free one of the highest hundredth, take @size
 * pages, take one page, free the @size pages.  Single pages go straight to the
 * tree and back, so that holes appear and vanish near the top.
 */
static int top_one(const char *what, unsigned int nr, bool fast, unsigned int size)
{
	static const char *const ops[] = {
		"free-one", "alloc-large", "alloc-one", "free-large", "sequence",
	};
	struct bench *b = bench_create_filled(nr, LIMIT(48));
	struct bench_range large;
	unsigned int op;
	char pages[12];
	u64 cost;

	if (!b)
		return -ENOMEM;

	bench_budget_start();
	for (op = 0; op < TOP_OPS && bench_budget_left(); op++) {
		struct bench_range *r = &b->r[random_below(nr / 100)];

		cost = timed_free_tree(&b->iovad, r, &b->st[0]);
		cost += timed_alloc(fast, &b->iovad, &large, size, LIMIT(48), &b->st[1]);
		cost += timed_alloc_tree(&b->iovad, r, 1, LIMIT(48), &b->st[2]);
		cost += timed_free(fast, &b->iovad, &large, &b->st[3]);
		stat_add(&b->st[4], cost);
	}
	snprintf(pages, sizeof(pages), "%u", size);
	bench_print_live(b, what, fast, pages, ops);
	bench_destroy(b);
	return 0;
}

/*
 * top: large requests beside frees near the top.  64 pages are above what some
 * allocators cache and below what others do; 1500 pages are above for all.
 */
int bench_top(const char *what)
{
	unsigned int p;
	int ret = 0;

	for (p = 0; p < nr_populations() && !ret; p++) {
		ret = top_one(what, populations[p], true, 64);
		if (!ret)
			ret = top_one(what, populations[p], false, 64);
		if (!ret)
			ret = top_one(what, populations[p], true, 1500);
	}
	return ret;
}

#define AGE_LIVE	60000
#define AGE_CHURN	600000
#define AGE_OPS		60000

/*
 * age: after a long life of mixed sizes, sizes that were never asked for.
 * 60 k ranges of 1..40 pages, 600 k times one exchanged for another, at random
 * and through the caches; then 60 k times one exchanged for one of 33..122.
 */
int bench_age(const char *what)
{
	static const char *const ops[] = { "free", "alloc", "sequence", NULL };
	struct bench *b = bench_create(AGE_LIVE);
	struct bench_range *r;
	unsigned int op;
	u64 start, cost;

	if (!b)
		return -ENOMEM;

	start = ktime_get_ns();
	for (op = 0; op < AGE_LIVE + AGE_CHURN; op++) {
		r = &b->r[op < AGE_LIVE ? op : random_below(AGE_LIVE)];
		if (r->pfn)
			free_iova_fast(&b->iovad, r->pfn, r->size);
		r->size = random_size(1, 40);
		r->pfn = alloc_iova_fast(&b->iovad, r->size, LIMIT(48), true);
		if (op % 256 == 0)
			cond_resched();
	}
	pr_info("%s op=churn n=%u mean=%llu\n", what, op, div_u64(ktime_get_ns() - start, op));

	bench_budget_start();
	for (op = 0; op < AGE_OPS && bench_budget_left(); op++) {
		r = &b->r[random_below(AGE_LIVE)];
		cost = timed_free_fast(&b->iovad, r, &b->st[0]);
		cost += timed_alloc_fast(&b->iovad, r, random_size(33, 122), LIMIT(48), true,
					 &b->st[1]);
		stat_add(&b->st[2], cost);
	}
	bench_print(b, what, ops);
	bench_destroy(b);
	return 0;
}
