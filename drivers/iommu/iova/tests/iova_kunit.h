/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the suite "iova" share. A test is a function in the file of
 * its job and a line in iova_cases.h.
 */
#ifndef __IOVA_KUNIT_H
#define __IOVA_KUNIT_H

#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/cpu.h>
#include <linux/iova.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "../internal.h"

#define WINDOW	4096UL		/* pfns 1 to WINDOW - 1 */
#define TOP	(WINDOW - 1)

struct fixture {
	struct iova_domain iovad;
	struct rnd_state rnd;
	unsigned long pfns[WINDOW];
	unsigned long nr;
	DECLARE_BITMAP(map, WINDOW);
};

void wait_for_ratelimit(void);

#define expect_warning(text)						\
do {									\
	wait_for_ratelimit();						\
	pr_info("expected warning: " text "\n");			\
} while (0)

/*
 * What a test has put into a cache is to be found there, though the test may
 * stand still for longer than it takes the reaper to come by.
 */
static inline void keep_reaper_away(struct fixture *f)
{
	disable_delayed_work_sync(&f->iovad.rcache->reaper);
}

static inline void let_reaper_come(struct fixture *f)
{
	enable_delayed_work(&f->iovad.rcache->reaper);
}

static inline void run_reaper(struct fixture *f)
{
	mod_delayed_work(system_dfl_wq, &f->iovad.rcache->reaper, 0);
	flush_delayed_work(&f->iovad.rcache->reaper);
}

/* What happens at the end of a window, without the wait for it. */
static inline void end_window(struct fixture *f)
{
	struct work_struct *work = &f->iovad.rcache->reaper.work;

	work->func(work);
}

static inline unsigned long below(struct fixture *f, unsigned long bound)
{
	return prandom_u32_state(&f->rnd) % bound;
}

static inline struct iova_stats stats_of(struct fixture *f)
{
	struct iova_stats stats;

	iova_domain_stats(&f->iovad, &stats);
	return stats;
}

static inline unsigned long live_ranges(struct fixture *f)
{
	struct iova_stats stats = stats_of(f);

	return stats.counts.ranges - stats.all_cached;
}

static inline bool has_cache(struct fixture *f, unsigned int cpu)
{
	struct iova_cpu *cache;
	unsigned long flags;
	bool found = false;

	raw_spin_lock_irqsave(&f->iovad.lock, flags);
	list_for_each_entry(cache, &f->iovad.rcache->caches, list)
		found |= cache->cpu == cpu;
	raw_spin_unlock_irqrestore(&f->iovad.lock, flags);
	return found;
}

/* Have this CPU use the caches of the domain. */
static inline void use_cache(struct fixture *f)
{
	free_iova_fast(&f->iovad, alloc_iova_fast(&f->iovad, 1, TOP, true), 1);
}

/* Take all that is left of the window; each pfn must come once. */
static inline void expect_no_pfn_twice(struct kunit *test, unsigned long size)
{
	struct fixture *f = test->priv;
	unsigned long pfn, taken = roundup_pow_of_two(size);
	DECLARE_BITMAP(seen, WINDOW) = { };

	f->nr = 0;
	while ((pfn = alloc_iova_fast(&f->iovad, size, TOP, true))) {
		KUNIT_ASSERT_LE(test, pfn + taken - 1, TOP);
		KUNIT_ASSERT_GE_MSG(test, find_next_bit(seen, pfn + taken, pfn),
				    pfn + taken, "pfn %#lx came twice", pfn);
		bitmap_set(seen, pfn, taken);
		f->pfns[f->nr++] = pfn;
	}
}

static inline void free_all(struct fixture *f, unsigned long size)
{
	while (f->nr)
		free_iova_fast(&f->iovad, f->pfns[--f->nr], size);
}

/* What is done on another CPU. */
struct remote {
	struct iova_domain *iovad;
	unsigned long pfn;
	unsigned long size;
};

static inline long free_here(void *arg)
{
	struct remote *r = arg;

	free_iova_fast(r->iovad, r->pfn, r->size);
	return 0;
}

static inline long alloc_here(void *arg)
{
	struct remote *r = arg;

	r->pfn = alloc_iova_fast(r->iovad, r->size, TOP, true);
	return 0;
}

static inline unsigned int another_cpu(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	return cpumask_last(cpu_online_mask);
}

static inline void free_on(struct kunit *test, unsigned int cpu, unsigned long pfn,
			   unsigned long size)
{
	struct fixture *f = test->priv;
	struct remote r = { &f->iovad, pfn, size };

	KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, free_here, &r), 0);
}

static inline unsigned long alloc_on(struct kunit *test, unsigned int cpu,
				     unsigned long size)
{
	struct fixture *f = test->priv;
	struct remote r = { &f->iovad, 0, size };

	KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, alloc_here, &r), 0);
	return r.pfn;
}

#define IOVA_TEST(name)		void name(struct kunit *test);
#define IOVA_TEST_SLOW(name)	void name(struct kunit *test);
#include "iova_cases.h"
#undef IOVA_TEST
#undef IOVA_TEST_SLOW

#endif /* __IOVA_KUNIT_H */
