// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lazy mode, and the flush queue.
 */

#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/dma-map-ops.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "dmamap_kunit.h"

/* Map and unmap a granule @times, with no chance for the timer to run. */
struct churn {
	unsigned long stale;	/* the most that was unmapped and not flushed */
	unsigned long flushes;
	unsigned long syncs;
	unsigned int tables;	/* detached and not yet freed at the end */
	bool failed;
};

static struct churn churn(struct kunit *test, struct device *dev,
			  unsigned int times)
{
	struct mock_iommu *mock = mock_of(test);
	struct churn c = {
		.flushes = mock_count(mock, MOCK_FLUSH_ALL),
		.syncs = mock_count(mock, MOCK_SYNC),
	};
	unsigned long flags;
	dma_addr_t addr;

	flags = disable_irqs();
	while (times--) {
		addr = map_mmio(dev, MMIO, GRANULE);
		c.failed |= dma_mapping_error(dev, addr);
		if (c.failed)
			break;
		unmap_mmio(dev, addr, GRANULE);
		c.stale = max(c.stale, mock_stale_pages(dev));
	}
	c.flushes = mock_count(mock, MOCK_FLUSH_ALL) - c.flushes;
	c.syncs = mock_count(mock, MOCK_SYNC) - c.syncs;
	c.tables = mock_tables_kept(mock);
	enable_irqs(flags);
	KUNIT_EXPECT_FALSE(test, c.failed);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
	return c;
}

void lazy_unmaps_do_not_flush(struct kunit *test)
{
	struct device *dev;
	struct churn c;

	/* F36, F46 */
	needs_queue_without_timer(test);
	lazy(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA_FQ);
	c = churn(test, dev, 200);
	KUNIT_EXPECT_EQ(test, c.flushes, 0);
	KUNIT_EXPECT_EQ(test, c.syncs, 0);
	KUNIT_EXPECT_EQ(test, c.stale, 200);
}

void a_full_flush_queue_is_flushed(struct kunit *test)
{
	struct device *dev;
	struct churn c;

	/* F46, F49, F51: bounded, and still lazy */
	needs_queue_without_timer(test);
	lazy(test);
	dev = platform(test);
	c = churn(test, dev, 1024);
	KUNIT_EXPECT_LE(test, c.stale, 256);
	KUNIT_EXPECT_GE(test, c.flushes, 3);
	KUNIT_EXPECT_LE(test, c.flushes, 8);
	KUNIT_EXPECT_EQ(test, c.syncs, 0);
}

static void note_interrupts(struct mock_iommu *mock, enum mock_op op)
{
	atomic_t *disabled = mock->in_flush_data;

	if (irqs_disabled())
		atomic_inc(disabled);
}

/* Map and unmap so often that a flush queue is full more than once. */
static void map_and_unmap(struct device *dev)
{
	unsigned int i;

	for (i = 0; i < 1024; i++)
		unmap_mmio(dev, map_mmio(dev, MMIO, GRANULE), GRANULE);
}

/* stock fails this */
void nobody_waits_for_the_iommu_with_interrupts_off(struct kunit *test)
{
	atomic_t *disabled = kunit_kzalloc(test, sizeof(*disabled), GFP_KERNEL);
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;

	/* F49, F52, F61, B3, B11, CVE-2026-43253 */
	KUNIT_ASSERT_NOT_NULL(test, disabled);
	mock->in_flush_data = disabled;
	mock->in_flush = note_interrupts;
	map_and_unmap(platform(test));
	KUNIT_EXPECT_GE(test, mock_count(mock, MOCK_SYNC), 1024);
	KUNIT_EXPECT_EQ(test, atomic_read(disabled), 0);
	lazy(test);
	dev = platform(test);
	map_and_unmap(dev);
	/* With it goes the timer of what is queued. */
	mock_device_remove(dev);
	mock->in_flush = NULL;
	KUNIT_EXPECT_GE(test, mock_count(mock, MOCK_FLUSH_ALL), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(disabled), 0);
}

void a_shadowing_iommu_gets_one_large_queue(struct kunit *test)
{
	struct device *dev;
	struct churn c;

	/* F46 */
	needs_queue_without_timer(test);
	lazy(test);
	config_of(test)->shadow_on_flush = true;
	dev = platform(test);
	c = churn(test, dev, 2000);
	KUNIT_EXPECT_EQ(test, c.flushes, 0);
	KUNIT_EXPECT_EQ(test, c.syncs, 0);
}

void a_live_domain_gets_the_large_queue_too(struct kunit *test)
{
	struct device *dev;
	struct churn c;

	/* F46, F47 */
	needs_queue_without_timer(test);
	config_of(test)->shadow_on_flush = true;
	dev = platform(test);
	KUNIT_ASSERT_EQ(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	c = churn(test, dev, 2000);
	KUNIT_EXPECT_EQ(test, c.flushes, 0);
	KUNIT_EXPECT_EQ(test, c.syncs, 0);
}

void the_timer_flushes_what_is_queued(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F50 */
	lazy(test);
	dev = platform(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	unmap_mmio(dev, addr, GRANULE);
	wait_for_flush(test);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
}

void the_timer_of_a_large_queue_flushes(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F50, F46 */
	lazy(test);
	config_of(test)->shadow_on_flush = true;
	dev = platform(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	unmap_mmio(dev, addr, GRANULE);
	wait_for_flush(test);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
}

void no_address_is_used_again_before_a_flush(struct kunit *test)
{
	struct device *dev;
	unsigned int i;

	/* F51 */
	small_aperture(test);
	lazy(test);
	dev = platform(test);
	for (i = 0; i < 20; i++) {
		take_all(test, dev, GRANULE);
		give_back(test);
	}
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
}

static long unmap_here(void *arg)
{
	struct remote_unmap *r = arg;

	unmap_mmio(r->dev, r->addr, GRANULE);
	return 0;
}

void what_each_cpu_queued_comes_back(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct remote_unmap r;
	unsigned int cpu;

	/* F50 */
	small_aperture(test);
	lazy(test);
	r.dev = platform(test);
	take_all(test, r.dev, GRANULE);
	cpu = cpumask_first(cpu_online_mask);
	while (f->nr) {
		r.addr = f->addrs[--f->nr];
		KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, unmap_here, &r), 0);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, r.dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
}

#ifdef CONFIG_HOTPLUG_CPU
void what_an_offline_cpu_queued_comes_back(struct kunit *test)
{
	unsigned int cpu = cpumask_last(cpu_online_mask);
	struct fixture *f = test->priv;
	struct remote_unmap r;

	/* F50 */
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	small_aperture(test);
	lazy(test);
	r.dev = platform(test);
	take_all(test, r.dev, GRANULE);
	while (f->nr) {
		r.addr = f->addrs[--f->nr];
		KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, unmap_here, &r), 0);
	}
	KUNIT_ASSERT_EQ(test, remove_cpu(cpu), 0);
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, r.dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
}
#endif

/* Map and unmap on one CPU, while others do the same. */
struct traffic {
	struct work_struct work;
	struct device *dev;
	struct rnd_state rnd;
	unsigned int times;
	bool failed;
};

static void do_traffic(struct work_struct *work)
{
	struct traffic *t = container_of(work, struct traffic, work);
	struct {
		dma_addr_t addr;
		size_t size;
	} live[16] = { };
	unsigned int i, n;

	for (n = 0; n < t->times; n++) {
		i = prandom_u32_state(&t->rnd) % ARRAY_SIZE(live);
		if (live[i].size) {
			unmap_mmio(t->dev, live[i].addr, live[i].size);
			live[i].size = 0;
			continue;
		}
		live[i].size = (1 + prandom_u32_state(&t->rnd) % 9) * GRANULE;
		live[i].addr = map_mmio(t->dev, MMIO, live[i].size);
		if (dma_mapping_error(t->dev, live[i].addr)) {
			t->failed = true;
			live[i].size = 0;
		}
		if (n % 32 == 0)
			cond_resched();
	}
	for (i = 0; i < ARRAY_SIZE(live); i++)
		if (live[i].size)
			unmap_mmio(t->dev, live[i].addr, live[i].size);
}

#define TRAFFIC	4

static struct traffic *start_traffic(struct kunit *test, struct device *dev)
{
	struct traffic *t = kunit_kcalloc(test, TRAFFIC, sizeof(*t), GFP_KERNEL);
	unsigned int i, cpu = cpumask_first(cpu_online_mask);

	KUNIT_ASSERT_NOT_NULL(test, t);
	for (i = 0; i < TRAFFIC; i++) {
		t[i].dev = dev;
		t[i].times = 1500;
		prandom_seed_state(&t[i].rnd, i + 1);
		INIT_WORK(&t[i].work, do_traffic);
		schedule_work_on(cpu, &t[i].work);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	return t;
}

static void end_traffic(struct kunit *test, struct traffic *t)
{
	struct mock_iommu *mock = mock_of(test);
	unsigned int i;

	for (i = 0; i < TRAFFIC; i++) {
		flush_work(&t[i].work);
		KUNIT_EXPECT_FALSE(test, t[i].failed);
	}
	KUNIT_EXPECT_EQ(test, mock_live_pages(t->dev), 0);
	KUNIT_EXPECT_EQ(test, mock->collisions, 0);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
}

void cpus_map_and_unmap_at_the_same_time(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F56, F59, F61, F139 */
	end_traffic(test, start_traffic(test, dev));
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

void cpus_map_and_unmap_lazily_at_the_same_time(struct kunit *test)
{
	struct device *dev;

	/* F48, F49, F51 */
	lazy(test);
	mock_of(test)->config.tables = true;
	dev = platform(test);
	end_traffic(test, start_traffic(test, dev));
	KUNIT_EXPECT_EQ(test, mock_tables_freed_early(mock_of(test)), 0);
}

void a_domain_in_use_can_be_made_lazy(struct kunit *test)
{
	struct device *dev = platform(test);
	struct traffic *t = start_traffic(test, dev);

	/* F47 */
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	end_traffic(test, t);
	/* An unmap that finds the queue full flushes. */
	msleep(100);
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, dev));
}

/*
 * In the middle of the first flush of the timer unmap something. In the middle
 * of the second one see which addresses there are again.
 */
struct flush_guest {
	struct device *dev;
	dma_addr_t addr;
	unsigned int flushes;
	dma_addr_t again[2];
};

static void visit_flush(struct mock_iommu *mock, enum mock_op op)
{
	struct flush_guest *g = mock->in_flush_data;
	unsigned int i;

	if (op != MOCK_FLUSH_ALL || irqs_disabled())
		return;
	switch (g->flushes++) {
	case 0:
		unmap_mmio(g->dev, g->addr, GRANULE);
		break;
	case 1:
		for (i = 0; i < ARRAY_SIZE(g->again); i++)
			g->again[i] = map_mmio(g->dev, MMIO, GRANULE);
	}
}

void an_unmap_during_a_flush_waits_for_the_next(struct kunit *test)
{
	struct flush_guest *g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);
	struct mock_iommu *mock = mock_of(test);
	struct fixture *f = test->priv;
	unsigned int i;

	/* F48, F51 */
	KUNIT_ASSERT_NOT_NULL(test, g);
	small_aperture(test);
	lazy(test);
	g->dev = platform(test);
	take_all(test, g->dev, GRANULE);
	g->addr = f->addrs[--f->nr];
	mock->in_flush_data = g;
	mock->in_flush = visit_flush;
	unmap_mmio(g->dev, f->addrs[--f->nr], GRANULE);
	wait_for_flush(test);
	/* A second flush comes, though nothing else is unmapped. */
	wait_for_flush(test);
	mock->in_flush = NULL;
	KUNIT_EXPECT_FALSE(test, is_reached(g->dev, g->addr));
	/* Until it is over, no more than the first address is free. */
	KUNIT_EXPECT_EQ(test, g->again[1], DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
	KUNIT_EXPECT_EQ(test, mock->collisions, 0);
	for (i = 0; i < ARRAY_SIZE(g->again); i++)
		if (g->again[i] != DMA_MAPPING_ERROR)
			unmap_mmio(g->dev, g->again[i], GRANULE);
	give_back(test);
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, g->dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
}

void tables_are_freed_after_a_flush(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	struct churn c;
	unsigned int i;

	/* F48, F50, F51 */
	lazy(test);
	mock->config.tables = true;
	dev = platform(test);
	c = churn(test, dev, 300);
	KUNIT_EXPECT_EQ(test, mock->nr_tables, 300);
	KUNIT_EXPECT_EQ(test, mock_tables_freed_early(mock), 0);
	KUNIT_EXPECT_GT(test, c.tables, 0);
	for (i = 0; i < 1000 && mock_tables_kept(mock); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, mock_tables_kept(mock), 0);
	KUNIT_EXPECT_EQ(test, mock_tables_freed_early(mock), 0);
}

void a_lazy_domain_goes_with_its_queue_full(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;

	/* F12, F53 */
	lazy(test);
	mock->config.tables = true;
	dev = platform(test);
	churn(test, dev, 250);
	mock_device_remove(dev);
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, mock->nr_tables, 250);
	KUNIT_EXPECT_EQ(test, mock_tables_kept(mock), 0);
}

void a_lazy_domain_goes_with_its_large_queue_filled(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;

	/* F12, F53, F46 */
	lazy(test);
	mock->config.tables = true;
	mock->config.shadow_on_flush = true;
	dev = platform(test);
	churn(test, dev, 500);
	mock_device_remove(dev);
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, mock->nr_tables, 500);
	KUNIT_EXPECT_EQ(test, mock_tables_kept(mock), 0);
}

void a_large_mapping_takes_one_entry_of_the_queue(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	unsigned long flags, flushes;
	struct device *dev;
	unsigned int i;

	/* F48, F49 */
	needs_queue_without_timer(test);
	lazy(test);
	dev = platform(test);
	flags = disable_irqs();
	flushes = mock_count(mock, MOCK_FLUSH_ALL);
	for (i = 0; i < 20; i++) {
		dma_addr_t addr = map_mmio(dev, MMIO, 100 * GRANULE);

		if (!dma_mapping_error(dev, addr))
			unmap_mmio(dev, addr, 100 * GRANULE);
	}
	flushes = mock_count(mock, MOCK_FLUSH_ALL) - flushes;
	enable_irqs(flags);
	KUNIT_EXPECT_EQ(test, flushes, 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 0);
}
