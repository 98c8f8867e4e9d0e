// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_bench: how an operation is timed, and what a case works on.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "iova_bench.h"

static unsigned int budget_ms = 600;
module_param(budget_ms, uint, 0444);
MODULE_PARM_DESC(budget_ms, "guest time after which a case stops repeating its operation (default 600)");

struct rnd_state bench_rnd;
u64 bench_clock_cost;
static u64 deadline;

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

void stat_print(const struct bench_stat *st, const char *what, const char *op)
{
	if (!st->n) {
		pr_info("%s op=%s n=0\n", what, op);
		return;
	}
	pr_info("%s op=%s n=%llu mean=%llu p99=%llu worst=%llu worst_at=%llu over=%llu\n",
		what, op, st->n, div64_u64(st->sum, st->n), stat_percentile(st, 99),
		st->worst, st->worst_at, st->over);
}

void bench_budget_start(void)
{
	deadline = ktime_get_ns() + (u64)budget_ms * NSEC_PER_MSEC;
}

bool bench_budget_left(void)
{
	cond_resched();
	return ktime_get_ns() < deadline;
}

u64 timed_alloc_tree(struct iova_domain *iovad, struct bench_range *r, unsigned int size,
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

u64 timed_free_tree(struct iova_domain *iovad, struct bench_range *r,
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

u64 timed_alloc_fast(struct iova_domain *iovad, struct bench_range *r, unsigned int size,
		     unsigned long limit, bool flush, struct bench_stat *st)
{
	struct stopwatch w;

	watch_start(&w);
	r->pfn = alloc_iova_fast(iovad, size, limit, flush);
	r->size = size;
	return watch_stop(&w, st);
}

u64 timed_free_fast(struct iova_domain *iovad, struct bench_range *r,
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

u64 timed_alloc(bool fast, struct iova_domain *iovad, struct bench_range *r,
		unsigned int size, unsigned long limit, struct bench_stat *st)
{
	return fast ? timed_alloc_fast(iovad, r, size, limit, true, st) :
		      timed_alloc_tree(iovad, r, size, limit, st);
}

u64 timed_free(bool fast, struct iova_domain *iovad, struct bench_range *r,
	       struct bench_stat *st)
{
	return fast ? timed_free_fast(iovad, r, st) : timed_free_tree(iovad, r, st);
}

static void bench_free(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < BENCH_STATS; i++)
		vfree(b->st[i].hist);
	vfree(b->r);
	kfree(b);
}

void bench_destroy(struct bench *b)
{
	put_iova_domain(&b->iovad);
	bench_free(b);
}

struct bench *bench_create(unsigned int nr)
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
struct bench *bench_create_filled(unsigned int nr, unsigned long limit)
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
void bench_print(const struct bench *b, const char *what, const char *const *ops)
{
	unsigned int i;

	for (i = 0; i < BENCH_STATS && ops[i]; i++)
		stat_print(&b->st[i], what, ops[i]);
}

/* As bench_print(), where that depends on what lives, on the API and on the size. */
void bench_print_live(const struct bench *b, const char *what, bool fast,
		      const char *pages, const char *const *ops)
{
	char name[64];

	snprintf(name, sizeof(name), "%s live=%u api=%s pages=%s", what, b->nr,
		 fast ? "fast" : "tree", pages);
	bench_print(b, name, ops);
}

/* Clock reads and loops are the instruments: what do they cost themselves? */

#define CALIBRATE_ROUNDS	1000

u64 bench_empty_loop_cost(void)
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
	return least - bench_clock_cost;
}

void bench_calibrate(void)
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
	bench_clock_cost = least;
	pr_info("clock cost=%llu most=%llu loop=%llu/%u cpus=%u budget_ms=%u\n", least, most,
		bench_empty_loop_cost(), FAST_BATCH, num_possible_cpus(), budget_ms);
}
