// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_bench - what the IOVA allocator costs, operation by operation
 *
 * Only the public interface of <linux/iova.h> is used, so the same source
 * measures whichever allocator the kernel was built with.
 *
 * Meant for an emulator that executes one instruction per nanosecond of guest
 * time (QEMU: -accel tcg -icount shift=0,sleep=off -smp 1): a difference of two
 * clock reads is then a number of executed instructions, and repeats to the
 * digit.  On real hardware the same lines are nanoseconds.  A clock that ticks
 * more slowly rounds single operations: by 16 on arm64 in QEMU, whose counter
 * runs at 62.5 MHz; loops and sums over many operations stay exact.
 *
 * How it measures
 *
 * 1. Single operations.  Each is timed on its own, between two clock reads,
 *    with interrupts off from before the first to after the second, so a tick
 *    or a softirq is never part of a figure.  The price of a clock read,
 *    measured first, is subtracted.  What remains is everything the call does,
 *    slab refills included.
 * 2. Means over a loop.  A pair that costs about a hundred instructions is timed
 *    in batches of FAST_BATCH with interrupts off, minus what the empty loop costs.
 * 3. Sequences.  The sum of their operations; clock reads are not in it.
 * 4. Budget.  A case whose operations take millions of instructions stops after
 *    iova_bench.budget_ms of guest time; n= tells how many it did.  Setting up
 *    a case is not bounded, so that every allocator is measured in the state
 *    that the case describes.
 *
 * Output: one line per result, "iova_bench: CASE key=value ...", and a last line
 * "iova_bench: done".  A case that could not run prints "CASE error=ERRNO".
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/iova.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "percpu_taken.h"

static char *run;
module_param(run, charp, 0444);
MODULE_PARM_DESC(run, "cases to run: 'all', or names separated by commas; nothing runs without it");

static unsigned int budget_ms = 600;
module_param(budget_ms, uint, 0444);
MODULE_PARM_DESC(budget_ms, "guest time after which a case stops repeating its operation (default 600)");

static unsigned int live_max = 1000000;
module_param(live_max, uint, 0444);
MODULE_PARM_DESC(live_max, "most ranges that live in the cases that grow, live and top (default 1000000)");

/* Highest pfn of a device that addresses 24, 32, 40, 48 bits, with 4 KiB granules */
#define GRANULE_SHIFT	12
#define LIMIT(bits)	((1UL << ((bits) - GRANULE_SHIFT)) - 1)

/* Exact counts below this; above, sixteen steps per power of two */
#define HIST_EXACT	8192
#define HIST_STEPS	16
#define HIST_SIZE	(HIST_EXACT + 64 * HIST_STEPS)

/**
 * struct bench_stat - the costs of one kind of operation
 * @n: how many were timed
 * @sum: of all their costs, in nanoseconds
 * @worst: highest cost
 * @worst_at: which of the @n that was
 * @over: how many cost more than 2500, the bound of the worst-case rows
 * @hist: how many cost how much; see hist_slot()
 */
struct bench_stat {
	u64 n;
	u64 sum;
	u64 worst;
	u64 worst_at;
	u64 over;
	u32 *hist;
};

#define OVER_BOUND	2500

/**
 * struct bench_range - something allocated
 * @pfn: its first pfn, 0 when there is none
 * @size: in pages, as it was asked for
 */
struct bench_range {
	unsigned long pfn;
	unsigned int size;
};

/* One case runs at a time, in one thread */
static struct rnd_state rnd;
static u64 clock_cost;
static u64 deadline;

static u32 random_below(u32 bound)
{
	return mul_u64_u32_shr(prandom_u32_state(&rnd), bound, 32);
}

static u32 random_size(u32 lo, u32 hi)
{
	return lo + random_below(hi - lo + 1);
}

static unsigned int hist_slot(u64 cost)
{
	unsigned int order;

	if (cost < HIST_EXACT)
		return cost;

	order = ilog2(cost);
	return HIST_EXACT + (order - ilog2(HIST_EXACT)) * HIST_STEPS +
	       ((cost >> (order - ilog2(HIST_STEPS))) & (HIST_STEPS - 1));
}

static u64 hist_value(unsigned int slot)
{
	unsigned int order;

	if (slot < HIST_EXACT)
		return slot;

	slot -= HIST_EXACT;
	order = ilog2(HIST_EXACT) + slot / HIST_STEPS;
	return (u64)(HIST_STEPS + slot % HIST_STEPS) << (order - ilog2(HIST_STEPS));
}

static u64 stat_percentile(const struct bench_stat *st, unsigned int percent)
{
	u64 want = div_u64(st->n * percent, 100);
	unsigned int slot;
	u64 seen = 0;

	for (slot = 0; slot < HIST_SIZE; slot++) {
		seen += st->hist[slot];
		if (seen > want)
			break;
	}
	return hist_value(slot);
}

static void stat_add(struct bench_stat *st, u64 cost)
{
	st->hist[hist_slot(cost)]++;
	st->sum += cost;
	if (cost > OVER_BOUND)
		st->over++;
	if (cost > st->worst) {
		st->worst = cost;
		st->worst_at = st->n;
	}
	st->n++;
}

static void stat_print(const struct bench_stat *st, const char *what, const char *op)
{
	if (!st->n) {
		pr_info("%s op=%s n=0\n", what, op);
		return;
	}
	pr_info("%s op=%s n=%llu mean=%llu p99=%llu worst=%llu worst_at=%llu over=%llu\n",
		what, op, st->n, div64_u64(st->sum, st->n), stat_percentile(st, 99),
		st->worst, st->worst_at, st->over);
}

/**
 * struct stopwatch - an operation being timed
 * @start: when it began
 * @flags: interrupt state to go back to
 */
struct stopwatch {
	u64 start;
	unsigned long flags;
};

static __always_inline void watch_start(struct stopwatch *w)
{
	local_irq_save(w->flags);
	w->start = ktime_get_ns();
}

static __always_inline u64 watch_stop(struct stopwatch *w, struct bench_stat *st)
{
	u64 cost = ktime_get_ns() - w->start;

	local_irq_restore(w->flags);
	cost -= min(cost, clock_cost);
	stat_add(st, cost);
	return cost;
}

static void budget_start(void)
{
	deadline = ktime_get_ns() + (u64)budget_ms * NSEC_PER_MSEC;
}

static bool budget_left(void)
{
	cond_resched();
	return ktime_get_ns() < deadline;
}

/* The timed operations; each returns what it cost */

static u64 timed_alloc_tree(struct iova_domain *iovad, struct bench_range *r, unsigned int size,
			    unsigned long limit, struct bench_stat *st)
{
	struct stopwatch w;
	struct iova *iova;
	u64 cost;

	watch_start(&w);
	iova = alloc_iova(iovad, size, limit, true);
	cost = watch_stop(&w, st);
	r->pfn = iova ? iova->pfn_lo : 0;
	r->size = size;
	return cost;
}

static u64 timed_free_tree(struct iova_domain *iovad, struct bench_range *r,
			   struct bench_stat *st)
{
	struct stopwatch w;

	if (!r->pfn)
		return 0;

	watch_start(&w);
	free_iova(iovad, r->pfn);
	r->pfn = 0;
	return watch_stop(&w, st);
}

static u64 timed_alloc_fast(struct iova_domain *iovad, struct bench_range *r, unsigned int size,
			    unsigned long limit, bool flush, struct bench_stat *st)
{
	struct stopwatch w;

	watch_start(&w);
	r->pfn = alloc_iova_fast(iovad, size, limit, flush);
	r->size = size;
	return watch_stop(&w, st);
}

static u64 timed_free_fast(struct iova_domain *iovad, struct bench_range *r,
			   struct bench_stat *st)
{
	struct stopwatch w;

	if (!r->pfn)
		return 0;

	watch_start(&w);
	free_iova_fast(iovad, r->pfn, r->size);
	r->pfn = 0;
	return watch_stop(&w, st);
}

static u64 timed_alloc(bool fast, struct iova_domain *iovad, struct bench_range *r,
		       unsigned int size, unsigned long limit, struct bench_stat *st)
{
	return fast ? timed_alloc_fast(iovad, r, size, limit, true, st) :
		      timed_alloc_tree(iovad, r, size, limit, st);
}

static u64 timed_free(bool fast, struct iova_domain *iovad, struct bench_range *r,
		      struct bench_stat *st)
{
	return fast ? timed_free_fast(iovad, r, st) : timed_free_tree(iovad, r, st);
}

#define BENCH_STATS	5

/**
 * struct bench - what a case works on
 * @iovad: the domain that is measured
 * @r: ranges that live in it
 * @nr: how many @r has room for
 * @st: costs of its operations
 */
struct bench {
	struct iova_domain iovad;
	struct bench_range *r;
	unsigned int nr;
	struct bench_stat st[BENCH_STATS];
};

static void bench_free(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < BENCH_STATS; i++)
		vfree(b->st[i].hist);
	vfree(b->r);
	kfree(b);
}

static void bench_destroy(struct bench *b)
{
	put_iova_domain(&b->iovad);
	bench_free(b);
}

static struct bench *bench_create(unsigned int nr)
{
	struct bench *b = kzalloc(sizeof(*b), GFP_KERNEL);
	unsigned int i;

	if (!b)
		return NULL;

	b->nr = nr;
	if (nr) {
		b->r = vcalloc(nr, sizeof(*b->r));
		if (!b->r)
			goto free;
	}
	for (i = 0; i < BENCH_STATS; i++) {
		b->st[i].hist = vcalloc(HIST_SIZE, sizeof(*b->st[i].hist));
		if (!b->st[i].hist)
			goto free;
	}
	init_iova_domain(&b->iovad, 1UL << GRANULE_SHIFT, 1);
	if (iova_domain_init_rcaches(&b->iovad))
		goto put;
	return b;

put:
	put_iova_domain(&b->iovad);
free:
	bench_free(b);
	return NULL;
}

/*
 * As bench_create(), and every one of @nr is one page, straight from the tree.
 * They come from the highest address down: the lower an index, the higher.
 */
static struct bench *bench_create_filled(unsigned int nr, unsigned long limit)
{
	struct bench *b = bench_create(nr);
	struct iova *iova;
	unsigned int i;

	if (!b)
		return NULL;

	for (i = 0; i < nr; i++) {
		iova = alloc_iova(&b->iovad, 1, limit, true);
		if (!iova) {
			bench_destroy(b);
			return NULL;
		}
		b->r[i].pfn = iova->pfn_lo;
		b->r[i].size = 1;
		if (i % 1024 == 0)
			cond_resched();
	}
	return b;
}

/* Print what the operations of a case cost; @ops names those of @b->st, %NULL ends it. */
static void bench_print(const struct bench *b, const char *what, const char *const *ops)
{
	unsigned int i;

	for (i = 0; i < BENCH_STATS && ops[i]; i++)
		stat_print(&b->st[i], what, ops[i]);
}

/* As bench_print(), where that depends on what lives, on the API and on the size. */
static void bench_print_live(const struct bench *b, const char *what, bool fast,
			     const char *pages, const char *const *ops)
{
	char name[64];

	snprintf(name, sizeof(name), "%s live=%u api=%s pages=%s", what, b->nr,
		 fast ? "fast" : "tree", pages);
	bench_print(b, name, ops);
}

/* Clock reads and loops are the instruments: what do they cost themselves? */

#define CALIBRATE_ROUNDS	1000
#define FAST_BATCH		100
#define FAST_ROUNDS		100
#define FAST_WARMUP		300

static u64 empty_loop_cost(void)
{
	struct stopwatch w;
	u64 cost, least = U64_MAX;
	unsigned int i, round;

	for (round = 0; round < CALIBRATE_ROUNDS; round++) {
		watch_start(&w);
		for (i = 0; i < FAST_BATCH; i++)
			barrier();
		cost = ktime_get_ns() - w.start;
		local_irq_restore(w.flags);
		least = min(least, cost);
	}
	return least - clock_cost;
}

static void calibrate(void)
{
	struct stopwatch w;
	u64 cost, least = U64_MAX, most = 0;
	unsigned int i;

	for (i = 0; i < CALIBRATE_ROUNDS; i++) {
		watch_start(&w);
		cost = ktime_get_ns() - w.start;
		local_irq_restore(w.flags);
		least = min(least, cost);
		most = max(most, cost);
	}
	clock_cost = least;
	pr_info("clock cost=%llu most=%llu loop=%llu/%u cpus=%u budget_ms=%u\n", least, most,
		empty_loop_cost(), FAST_BATCH, num_possible_cpus(), budget_ms);
}

/* fast: a pair of alloc_iova_fast() and free_iova_fast() that the caches satisfy */
static int bench_fast(const char *what)
{
	static const unsigned int sizes[] = { 1, 2, 3, 4, 8, 16, 32, 64, 128, 512, 1024 };
	const unsigned int pairs = FAST_BATCH * FAST_ROUNDS;
	u64 cost, least, sum, loop = empty_loop_cost();
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
			cost -= clock_cost + loop;
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
static int bench_burst(const char *what)
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

		budget_start();
		for (round = 0; round < 2 * warmup || budget_left(); round++) {
			if (round == warmup)
				budget_start();
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

	budget_start();
	for (op = 0; op < LIVE_OPS && budget_left(); op++) {
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
static int bench_live(const char *what)
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

	budget_start();
	for (op = 0; op < TOP_OPS && budget_left(); op++) {
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
static int bench_top(const char *what)
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

#define HOLES_OPS	5000

/*
 * holes: a two-page request in a 32-bit window of which every other page is
 * taken.  It cannot succeed.  One page is taken and freed before each, as other
 * traffic would, so that no answer can be remembered.
 */
static int bench_holes(const char *what)
{
	static const char *const ops[] = {
		"alloc-one", "free-one", "alloc-two", "sequence", NULL
	};
	struct bench *b = bench_create_filled(LIMIT(32), LIMIT(32));
	struct bench_range one, two;
	unsigned int i, op;
	u64 wrong = 0;
	u64 cost;

	if (!b)
		return -ENOMEM;

	for (i = 0; i < b->nr; i++) {
		if (b->r[i].pfn & 1)
			free_iova(&b->iovad, b->r[i].pfn);
		if (i % 1024 == 0)
			cond_resched();
	}

	budget_start();
	for (op = 0; op < HOLES_OPS && budget_left(); op++) {
		cost = timed_alloc_tree(&b->iovad, &one, 1, LIMIT(32), &b->st[0]);
		cost += timed_free_tree(&b->iovad, &one, &b->st[1]);
		cost += timed_alloc_tree(&b->iovad, &two, 2, LIMIT(32), &b->st[2]);
		stat_add(&b->st[3], cost);
		if (two.pfn)
			wrong++;
	}
	bench_print(b, what, ops);
	pr_info("%s check=answers n=%u wrong=%llu\n", what, op, wrong);
	bench_destroy(b);
	return 0;
}

#define AGE_LIVE	60000
#define AGE_CHURN	600000
#define AGE_OPS		60000

/*
 * age: after a long life of mixed sizes, sizes that were never asked for.
 * 60 k ranges of 1..40 pages, 600 k times one exchanged for another, at random
 * and through the caches; then 60 k times one exchanged for one of 33..122.
 */
static int bench_age(const char *what)
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

	budget_start();
	for (op = 0; op < AGE_OPS && budget_left(); op++) {
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

#define RESERVE_OPS	4000

/* reserve: 4000 separate reservations, in ascending order */
static int bench_reserve(const char *what)
{
	struct bench *b = bench_create(0);
	unsigned long pfn = 0x1000;
	struct stopwatch w;
	unsigned int i;

	if (!b)
		return -ENOMEM;

	for (i = 0; i < RESERVE_OPS; i++, pfn += 2) {
		watch_start(&w);
		reserve_iova(&b->iovad, pfn, pfn);
		watch_stop(&w, &b->st[0]);
	}
	stat_print(&b->st[0], what, "reserve");
	bench_destroy(b);
	return 0;
}

#define EXHAUST_OPS	200
#define EXHAUST_CACHED	512
#define EXHAUST_STRIDE	2000

/*
 * exhaust: a request that fails in a full 32-bit window and may empty the caches
 * to succeed, each time with 512 single pages in them, too far apart to help.
 */
static int bench_exhaust(const char *what)
{
	static const char *const ops[] = { "alloc-first", "alloc-again", NULL };
	struct bench *b = bench_create_filled(LIMIT(32), LIMIT(32));
	struct bench_range large;
	unsigned int i, op;
	u64 wrong = 0;

	if (!b)
		return -ENOMEM;

	budget_start();
	for (op = 0; op < EXHAUST_OPS && budget_left(); op++) {
		struct bench_range *first = &b->r[random_below(EXHAUST_STRIDE)];

		for (i = 0; i < EXHAUST_CACHED; i++)
			free_iova_fast(&b->iovad, first[i * EXHAUST_STRIDE].pfn, 1);

		timed_alloc_fast(&b->iovad, &large, 64, LIMIT(32), true, &b->st[0]);
		wrong += large.pfn != 0;
		timed_alloc_fast(&b->iovad, &large, 64, LIMIT(32), true, &b->st[1]);
		wrong += large.pfn != 0;

		for (i = 0; i < EXHAUST_CACHED; i++) {
			unsigned long pfn = alloc_iova_fast(&b->iovad, 1, LIMIT(32), true);

			first[i * EXHAUST_STRIDE].pfn = pfn;
			wrong += pfn == 0;
		}
	}
	bench_print(b, what, ops);
	pr_info("%s check=answers n=%u wrong=%llu\n", what, op, wrong);
	bench_destroy(b);
	return 0;
}

#define POISON_OPS	5000
#define POISON_LIVE	40000

/* Is there an aligned hole of @size at or below @limit? */
static bool hole_exists(unsigned long *taken, unsigned int size, unsigned long limit)
{
	unsigned long mask = roundup_pow_of_two(size) - 1;

	return bitmap_find_next_zero_area(taken, limit + 1, 1, size, mask) <= limit;
}

/**
 * struct poison - a domain and what a bitmap says about it
 * @b: the domain and what lives in it
 * @taken: one bit for each pfn below 4 GiB
 * @nr: how many ranges live
 * @fails: requests that failed
 * @wrong: of those, the ones for which there was a hole; and answers that overlap
 */
struct poison {
	struct bench *b;
	unsigned long *taken;
	unsigned int nr;
	u64 fails;
	u64 wrong;
};

static void poison_alloc(struct poison *p, unsigned int size, unsigned long limit)
{
	struct iova *iova;
	unsigned long pfn;

	if (p->nr == POISON_LIVE)
		return;

	iova = alloc_iova(&p->b->iovad, size, limit, true);
	if (!iova) {
		p->fails++;
		p->wrong += hole_exists(p->taken, size, limit);
		return;
	}
	pfn = iova->pfn_lo;
	if (pfn + size - 1 > limit || find_next_bit(p->taken, pfn + size, pfn) < pfn + size)
		p->wrong++;
	bitmap_set(p->taken, pfn, size);
	p->b->r[p->nr].pfn = pfn;
	p->b->r[p->nr++].size = size;
}

static void poison_free(struct poison *p)
{
	struct bench_range *r = &p->b->r[random_below(p->nr)];

	free_iova(&p->b->iovad, r->pfn);
	bitmap_clear(p->taken, r->pfn, r->size);
	*r = p->b->r[--p->nr];
}

/*
 * poison: does a failure under one limit change the answer under another?  The
 * 24-bit window stays nearly full; each round asks there, then below 32 and 40
 * bits, and a bitmap tells which failures were right.  Straight from the tree.
 */
static int bench_poison(const char *what)
{
	struct poison p = { .b = bench_create(POISON_LIVE) };
	unsigned int op, size;

	if (!p.b)
		return -ENOMEM;
	p.taken = bitmap_zalloc(LIMIT(32) + 1, GFP_KERNEL);
	if (!p.taken) {
		bench_destroy(p.b);
		return -ENOMEM;
	}

	while (!p.fails)
		poison_alloc(&p, random_size(1, 16), LIMIT(24));
	p.fails = 0;
	while (p.nr < POISON_LIVE - 2 * POISON_OPS && !p.fails)
		poison_alloc(&p, random_size(1, 64), LIMIT(32));
	p.fails = 0;

	for (op = 0; op < POISON_OPS; op++) {
		struct iova *iova;

		poison_alloc(&p, random_size(1, 64), LIMIT(24));
		poison_alloc(&p, random_size(1, 64), LIMIT(32));
		size = random_size(1, 64);
		iova = alloc_iova(&p.b->iovad, size, LIMIT(40), true);
		if (iova) {
			__free_iova(&p.b->iovad, iova);
		} else {
			p.fails++;
			p.wrong++;
		}
		if (op % 4 == 0)
			poison_free(&p);
		cond_resched();
	}
	pr_info("%s n=%u fails=%llu wrong=%llu\n", what, op * 3, p.fails, p.wrong);
	bitmap_free(p.taken);
	bench_destroy(p.b);
	return 0;
}

#define MEMORY_DOMAINS	1024

/*
 * Bytes in slabs and in large kmallocs: exact once the per-CPU differences are
 * folded into the global counters, which happens once a second.
 */
static long slab_bytes(void)
{
	msleep(3 * MSEC_PER_SEC);
	return (global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
		global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B)) << PAGE_SHIFT;
}

static long free_bytes(void)
{
	return global_zone_page_state(NR_FREE_PAGES) << PAGE_SHIFT;
}

/*
 * memory: what an idle domain costs beside struct iova_domain itself, which is
 * part of its user's memory.  The difference that 1024 domains make, divided:
 * good to a few bytes for slab=, exact for percpu=.  free= is the same from the other
 * end, free pages, and off by what the page allocator's per-CPU lists hold: some
 * hundred pages, or about 1 KiB for each domain.
 */
static int bench_memory_idle(const char *what)
{
	long slab, percpu, free;
	struct iova_domain *iovad;
	unsigned int nr;
	int ret = 0;

	iovad = vcalloc(MEMORY_DOMAINS, sizeof(*iovad));
	if (!iovad)
		return -ENOMEM;

	slab = slab_bytes();
	percpu = percpu_taken_bytes();
	free = free_bytes();
	for (nr = 0; nr < MEMORY_DOMAINS; nr++) {
		init_iova_domain(&iovad[nr], 1UL << GRANULE_SHIFT, 1);
		ret = iova_domain_init_rcaches(&iovad[nr]);
		if (ret) {
			put_iova_domain(&iovad[nr]);
			goto put;
		}
	}
	slab = slab_bytes() - slab;
	percpu = percpu_taken_bytes() - percpu;
	free -= free_bytes();
	pr_info("%s domains=%u cpus=%u slab=%ld percpu=%ld total=%ld free=%ld struct=%zu iova=%zu\n",
		what, nr, num_possible_cpus(), slab / nr, percpu / nr, (slab + percpu) / nr,
		free / nr, sizeof(*iovad), sizeof(struct iova));
put:
	while (nr--) {
		put_iova_domain(&iovad[nr]);
		cond_resched();
	}
	vfree(iovad);
	return ret;
}

/* Ranges of one page that are live at once, and then given back */
#define HELD_MAX	10000

/*
 * What @domains domains with @ranges ranges each take beyond idle ones: while
 * the ranges live, then with all of them given back through the caches, and
 * once more after as many seconds as a reaper may need to take some away.
 */
static int memory_held(const char *what, unsigned int domains, unsigned int ranges)
{
	unsigned int total = domains * ranges, ready, nr, i;
	struct iova_domain *iovad;
	long idle, live, cached, later;
	unsigned long *pfns;
	int ret = -ENOMEM;

	iovad = vcalloc(domains, sizeof(*iovad));
	pfns = vcalloc(total, sizeof(*pfns));
	if (!iovad || !pfns)
		goto free;

	for (ready = 0; ready < domains; ready++) {
		init_iova_domain(&iovad[ready], 1UL << GRANULE_SHIFT, 1);
		ret = iova_domain_init_rcaches(&iovad[ready]);
		if (ret) {
			put_iova_domain(&iovad[ready]);
			goto put;
		}
	}
	idle = slab_bytes() + percpu_taken_bytes();
	for (nr = 0; nr < total; nr++) {
		pfns[nr] = alloc_iova_fast(&iovad[nr % domains], 1, LIMIT(48), true);
		if (!pfns[nr])
			break;
		if (nr % 1024 == 0)
			cond_resched();
	}
	live = slab_bytes() + percpu_taken_bytes() - idle;
	for (i = 0; i < nr; i++) {
		free_iova_fast(&iovad[i % domains], pfns[i], 1);
		if (i % 1024 == 0)
			cond_resched();
	}
	cached = slab_bytes() + percpu_taken_bytes() - idle;
	msleep(30 * MSEC_PER_SEC);
	later = slab_bytes() + percpu_taken_bytes() - idle;
	ret = nr == total ? 0 : -ENOSPC;
	if (!ret)
		pr_info("%s held=%u domains=%u cpus=%u live=%ld cached=%ld later=%ld\n", what,
			ranges, domains, num_possible_cpus(), live / domains,
			cached / domains, later / domains);
put:
	while (ready--) {
		put_iova_domain(&iovad[ready]);
		cond_resched();
	}
free:
	vfree(pfns);
	vfree(iovad);
	return ret;
}

/*
 * memory: of idle domains; of a hundred ranges each, which any allocator has
 * cached afterwards; and of many.
 */
static int bench_memory(const char *what)
{
	int ret = percpu_taken_begin();

	if (ret)
		return ret;
	ret = bench_memory_idle(what);
	if (!ret)
		ret = memory_held(what, MEMORY_DOMAINS, 100);
	if (!ret)
		ret = memory_held(what, 16, HELD_MAX);
	percpu_taken_end();
	return ret;
}

static const struct {
	const char *name;
	int (*run)(const char *what);
} cases[] = {
	{ "memory", bench_memory },
	{ "fast", bench_fast },
	{ "reserve", bench_reserve },
	{ "poison", bench_poison },
	{ "holes", bench_holes },
	{ "exhaust", bench_exhaust },
	{ "age", bench_age },
	{ "live", bench_live },
	{ "top", bench_top },
	{ "burst", bench_burst },
};

static bool selected(const char *name)
{
	size_t len = strlen(name);
	const char *at = run;

	if (!strcmp(run, "all"))
		return true;
	while (strncmp(at, name, len) || (at[len] && at[len] != ',')) {
		at = strchr(at, ',');
		if (!at)
			return false;
		at++;
	}
	return true;
}

static int __init iova_bench_init(void)
{
	unsigned int i;
	u64 start;
	int ret;

	if (!run)
		return 0;

	ret = iova_cache_get();
	if (ret)
		return ret;

	calibrate();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!selected(cases[i].name))
			continue;
		/* The same random numbers for a case, whichever others run */
		prandom_seed_state(&rnd, 1 + i);
		start = ktime_get_ns();
		ret = cases[i].run(cases[i].name);
		if (ret)
			pr_info("%s error=%d\n", cases[i].name, ret);
		pr_info("%s took_ms=%llu\n", cases[i].name,
			div_u64(ktime_get_ns() - start, NSEC_PER_MSEC));
	}
	pr_info("done\n");

	iova_cache_put();
	return 0;
}
late_initcall_sync(iova_bench_init);	/* after every driver */

static void __exit iova_bench_exit(void)
{
}
module_exit(iova_bench_exit);

MODULE_DESCRIPTION("Micro-benchmark of the IOVA allocator");
MODULE_LICENSE("GPL");
