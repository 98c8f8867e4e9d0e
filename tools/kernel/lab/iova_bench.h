/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iova_bench: measuring (iova_bench_measure.c), and the cases.
 */
#ifndef _IOVA_BENCH_H
#define _IOVA_BENCH_H

#include <linux/iova.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/prandom.h>

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
extern struct rnd_state bench_rnd;
extern u64 bench_clock_cost;

static inline u32 random_below(u32 bound)
{
	return mul_u64_u32_shr(prandom_u32_state(&bench_rnd), bound, 32);
}

static inline u32 random_size(u32 lo, u32 hi)
{
	return lo + random_below(hi - lo + 1);
}

static inline unsigned int hist_slot(u64 cost)
{
	unsigned int order;

	if (cost < HIST_EXACT)
		return cost;

	order = ilog2(cost);
	return HIST_EXACT + (order - ilog2(HIST_EXACT)) * HIST_STEPS +
	       ((cost >> (order - ilog2(HIST_STEPS))) & (HIST_STEPS - 1));
}

static inline void stat_add(struct bench_stat *st, u64 cost)
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
	cost -= min(cost, bench_clock_cost);
	stat_add(st, cost);
	return cost;
}

void stat_print(const struct bench_stat *st, const char *what, const char *op);
void bench_budget_start(void);
bool bench_budget_left(void);

/* The timed operations; each returns what it cost */
u64 timed_alloc_tree(struct iova_domain *iovad, struct bench_range *r, unsigned int size,
		     unsigned long limit, struct bench_stat *st);
u64 timed_free_tree(struct iova_domain *iovad, struct bench_range *r,
		    struct bench_stat *st);
u64 timed_alloc_fast(struct iova_domain *iovad, struct bench_range *r, unsigned int size,
		     unsigned long limit, bool flush, struct bench_stat *st);
u64 timed_free_fast(struct iova_domain *iovad, struct bench_range *r,
		    struct bench_stat *st);
u64 timed_alloc(bool fast, struct iova_domain *iovad, struct bench_range *r,
		unsigned int size, unsigned long limit, struct bench_stat *st);
u64 timed_free(bool fast, struct iova_domain *iovad, struct bench_range *r,
	       struct bench_stat *st);

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

struct bench *bench_create(unsigned int nr);
struct bench *bench_create_filled(unsigned int nr, unsigned long limit);
void bench_destroy(struct bench *b);
void bench_print(const struct bench *b, const char *what, const char *const *ops);
void bench_print_live(const struct bench *b, const char *what, bool fast,
		      const char *pages, const char *const *ops);

/* Operations between two clock reads, where one is too short */
#define FAST_BATCH	100

u64 bench_empty_loop_cost(void);
void bench_calibrate(void);

/* The cases: alone, among many that live, where it gets tight, and memory */
int bench_fast(const char *what);
int bench_burst(const char *what);
int bench_live(const char *what);
int bench_top(const char *what);
int bench_age(const char *what);
int bench_holes(const char *what);
int bench_reserve(const char *what);
int bench_exhaust(const char *what);
int bench_poison(const char *what);
int bench_memory(const char *what);

#endif
