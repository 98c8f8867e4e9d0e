// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of unmaps at the same time, and of many after one another.
 *
 * 1. Of unmaps of the same mapping at the same time one succeeds, the others are
 *    refused.  The rivals are other CPUs or, because emulators may run CPUs in turns,
 *    an interrupt that comes anywhere in the unmap.
 * 2. If the IOMMU in software has the bounds of mappings, it decides under a lock.  So
 *    page tables of real formats are raced for directly as well.
 *
 * A line "expected warning:" announces reports to the tool that judges the log.
 */

#include <kunit/device.h>
#include <linux/dma-map-ops.h>
#include <linux/hrtimer.h>
#include <linux/io-pgtable.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>

#include "../../iommu-pages.h"
#include "unmap_kunit.h"

#define SLOW		(IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_KCSAN))
/* Granules of the aperture.  Some checkers look at all ranges for each of them. */
#define LARGE		(SLOW ? 2048UL : 16384UL)
#define ROUNDS		10000
/* Of a race: where CPUs have to wait for their emulator, 10^4 rounds take long. */
#define RACE_TIME	((SLOW ? 2 : 5) * HZ)
#define MAX_RACERS	4
/* Until the interrupt; an unmap takes less. */
#define MAX_DELAY_NS	(20 * NSEC_PER_USEC)

enum shape { PAGE, PAGES, LIST };

struct race {
	struct device *dev;
	struct io_pgtable_ops *ops;	/* unmap there, or %NULL for @dev */
	enum shape shape;
	struct scatterlist sgl[2];
	dma_addr_t addr;
	size_t size;
	unsigned int round;		/* @addr is mapped, go */
	atomic_t done;			/* of the round */
	atomic_t won;			/* unmaps of @ops that succeeded */
	struct task_struct *racer[MAX_RACERS];
	struct hrtimer timer;
	unsigned int nr;		/* with the one that maps */
	bool interrupt;			/* the rival */
	struct rnd_state rnd;
};

static void race_unmap(struct race *r)
{
#ifdef CONFIG_IO_PGTABLE_WALK
	if (r->ops) {
		struct iommu_iotlb_gather gather;

		iommu_iotlb_gather_init(&gather);
		if (r->ops->unmap_exact(r->ops, r->addr, r->size, false, &gather))
			atomic_inc(&r->won);
		iommu_put_pages_list(&gather.freelist);
		return;
	}
#endif
	if (r->shape == LIST)
		iommu_dma_unmap_sg(r->dev, r->sgl, ARRAY_SIZE(r->sgl),
				   DMA_TO_DEVICE, 0);
	else
		unmap(r->dev, r->addr, r->size);
}

static int race_thread(void *arg)
{
	struct race *r = arg;
	unsigned int round = 0, next;

	while (!kthread_should_stop()) {
		/* Pairs with race_once(). */
		next = smp_load_acquire(&r->round);
		if (next == round) {
			cpu_relax();
			cond_resched();
			continue;
		}
		round = next;
		race_unmap(r);
		atomic_inc(&r->done);
	}
	return 0;
}

static enum hrtimer_restart race_interrupt(struct hrtimer *timer)
{
	struct race *r = container_of(timer, struct race, timer);

	race_unmap(r);
	atomic_inc(&r->done);
	return HRTIMER_NORESTART;
}

/* Returns whether there is a rival. */
static bool race_start(struct race *r, bool interrupt)
{
	unsigned int cpu;

	prandom_seed_state(&r->rnd, 22);
	r->interrupt = interrupt;
	r->round = 0;
	r->nr = 1;
	if (interrupt) {
		test_hrtimer_setup(&r->timer, race_interrupt,
				   HRTIMER_MODE_REL_PINNED);
		r->nr++;
		/* There, hard interrupts may not unmap. */
		return !IS_ENABLED(CONFIG_PREEMPT_RT);
	}
	for_each_online_cpu(cpu) {
		struct task_struct *racer;

		if (cpu == cpumask_first(cpu_online_mask) || r->nr > MAX_RACERS)
			continue;
		racer = kthread_run_on_cpu(race_thread, r, cpu, "unmap_race/%u");
		if (!IS_ERR(racer))
			r->racer[r->nr++ - 1] = get_task_struct(racer);
	}
	return r->nr > 1;
}

static void race_stop(struct race *r)
{
	while (!r->interrupt && --r->nr)
		kthread_stop_put(r->racer[r->nr - 1]);
}

/* What is mapped at @r->addr is unmapped by all of them. */
static void race_once(struct race *r)
{
	u32 delay = prandom_u32_state(&r->rnd);

	atomic_set(&r->done, 0);
	atomic_set(&r->won, 0);
	if (r->interrupt) {
		hrtimer_start(&r->timer, ns_to_ktime(delay % MAX_DELAY_NS),
			      HRTIMER_MODE_REL_PINNED);
	} else {
		/* Pairs with race_thread(), which reads @r->addr. */
		smp_store_release(&r->round, r->round + 1);
		/* Nobody has a head start in each round. */
		for (delay %= 64; delay; delay--)
			cpu_relax();
	}
	race_unmap(r);
	atomic_inc(&r->done);
	while (atomic_read(&r->done) < r->nr) {
		cpu_relax();
		cond_resched();
	}
}

static dma_addr_t race_try_map(struct race *r)
{
	if (r->shape != LIST)
		return test_map_registers(r->dev, MMIO, r->size, DMA_TO_DEVICE);
	return iommu_dma_map_sg(r->dev, r->sgl, ARRAY_SIZE(r->sgl),
				DMA_TO_DEVICE, 0) > 0 ?
	       sg_dma_address(r->sgl) : DMA_MAPPING_ERROR;
}

/* Lazily unmapped ranges may use the aperture up. */
static void race_map(struct kunit *test, struct race *r)
{
	r->addr = race_try_map(r);
	if (r->addr != DMA_MAPPING_ERROR)
		return;
	flush(r->dev);
	r->addr = race_try_map(r);
	KUNIT_EXPECT_NE(test, r->addr, DMA_MAPPING_ERROR);
}

static void free_memory(void *memory)
{
	__free_pages(memory, 4);
}

/* Two entries that do not meet. */
static void race_list(struct kunit *test, struct race *r)
{
	struct page *memory = alloc_pages(GFP_KERNEL, 4);

	KUNIT_ASSERT_NOT_NULL(test, memory);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_memory, memory));
	sg_init_table(r->sgl, 2);
	sg_set_page(&r->sgl[0], memory, 3 * PAGE_SIZE, 0);
	sg_set_page(&r->sgl[1], memory + 8, 5 * PAGE_SIZE, 0);
}

static void race_rounds(struct kunit *test, struct race *r)
{
	unsigned long end = jiffies + RACE_TIME, rounds = 0, bad = 0;
	struct mock_iommu *mock = test->priv;

	while (rounds < ROUNDS && !bad && time_before(jiffies, end)) {
		unsigned long unmaps = mock_count(mock, MOCK_UNMAP);
		int reports = bad_unmaps(r->dev);

		race_map(test, r);
		race_once(r);
		rounds++;
		bad += mock_count(mock, MOCK_UNMAP) - unmaps != 1;
		bad += bad_unmaps(r->dev) - reports != r->nr - 1;
		bad += mock_live_bytes(r->dev) != 0;
	}
	KUNIT_EXPECT_EQ_MSG(test, bad, 0, "in round %lu", rounds);
	KUNIT_EXPECT_GT(test, rounds, 10);
	kunit_info(test, "%lu rounds against %s\n", rounds,
		   r->interrupt ? "an interrupt" : "CPUs");
}

static void expect_one_succeeds(struct kunit *test, enum shape shape,
				size_t size)
{
	struct race *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	unsigned int interrupt;

	KUNIT_ASSERT_NOT_NULL(test, r);
	set_aperture(test, LARGE);
	r->dev = mock_kunit_platform(test);
	r->shape = shape;
	r->size = size;
	if (shape == LIST)
		race_list(test, r);
	pr_info("expected warning: unmap of IOVA\n");
	for (interrupt = 0; interrupt < 2; interrupt++) {
		if (race_start(r, interrupt))
			race_rounds(test, r);
		race_stop(r);
	}
	expect_each_address_once(test, r->dev, LARGE, 0);
}

static void of_unmaps_of_a_granule_one_succeeds(struct kunit *test)
{
	expect_one_succeeds(test, PAGE, GRANULE);
}

static void of_unmaps_of_many_granules_one_succeeds(struct kunit *test)
{
	expect_one_succeeds(test, PAGES, 40 * GRANULE);
}

static void of_unmaps_of_a_list_one_succeeds(struct kunit *test)
{
	expect_one_succeeds(test, LIST, 0);
}

#ifdef CONFIG_IO_PGTABLE_WALK
static void flush_all(void *cookie)
{
}

static void flush_walk(unsigned long iova, size_t size, size_t granule,
		       void *cookie)
{
}

static void add_page(struct iommu_iotlb_gather *gather, unsigned long iova,
		     size_t granule, void *cookie)
{
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all = flush_all,
	.tlb_flush_walk = flush_walk,
	.tlb_add_page = add_page,
};

static const struct table {
	const char *name;
	enum io_pgtable_fmt fmt;
	unsigned int oas;
} tables[] = {
#ifdef CONFIG_IO_PGTABLE_VTD
	{ "VT-d second stage", VTD_SECOND_STAGE, 46 },
	{ "VT-d first stage", VTD_FIRST_STAGE, 46 },
#endif
#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
	{ "Arm LPAE stage 1", ARM_64_LPAE_S1, 48 },
#endif
	{ }
};

/* A page; pages of two tables; a block; a block and pages. */
static const struct {
	unsigned long addr;
	size_t size, page;
} spans[] = {
	{ SZ_16M, GRANULE, GRANULE },
	{ SZ_16M - 20 * GRANULE, 40 * GRANULE, GRANULE },
	{ SZ_16M, SZ_2M, SZ_2M },
	{ SZ_16M, 2 * SZ_2M, SZ_2M },
};

static void race_span(struct kunit *test, struct race *r, const char *name,
		      size_t page)
{
	unsigned long end = jiffies + RACE_TIME / 4, rounds = 0, bad = 0;
	struct io_pgtable_ops *ops = r->ops;

	while (rounds < ROUNDS && !bad && time_before(jiffies, end)) {
		size_t mapped = 0;

		bad += !!ops->map_pages(ops, r->addr, SZ_32M, page,
					r->size / page, IOMMU_READ | IOMMU_OWNED,
					GFP_KERNEL, &mapped);
		race_once(r);
		rounds++;
		bad += atomic_read(&r->won) != 1;
		bad += !!ops->iova_to_phys(ops, r->addr);
		bad += !!ops->iova_to_phys(ops, r->addr + r->size - 1);
	}
	KUNIT_EXPECT_EQ_MSG(test, bad, 0, "%s, %zu bytes, round %lu", name,
			    r->size, rounds);
	KUNIT_EXPECT_GT(test, rounds, 10);
	kunit_info(test, "%s, %zu bytes: %lu rounds against %s\n", name, r->size,
		   rounds, r->interrupt ? "an interrupt" : "CPUs");
}

static void expect_one_succeeds_in(struct kunit *test, struct race *r,
				   const struct table *table)
{
	unsigned int i, interrupt;
	struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = SZ_4K | SZ_2M,
		.ias = 39,
		.oas = table->oas,
		.coherent_walk = true,
		.tlb = &flush_ops,
		.reclaim = true,
		.iommu_dev = r->dev,
	};

	r->ops = alloc_io_pgtable_ops(table->fmt, &cfg, NULL);
	KUNIT_ASSERT_NOT_NULL(test, r->ops);
	for (interrupt = 0; interrupt < 2; interrupt++) {
		bool rival = race_start(r, interrupt);

		for (i = 0; rival && i < ARRAY_SIZE(spans); i++) {
			r->addr = spans[i].addr;
			r->size = spans[i].size;
			race_span(test, r, table->name, spans[i].page);
		}
		race_stop(r);
	}
	free_io_pgtable_ops(r->ops);
}

static void of_unmaps_in_a_page_table_one_succeeds(struct kunit *test)
{
	struct race *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	const struct table *table;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->dev = kunit_device_register(test, "unmap-race");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r->dev);
	for (table = tables; table->name; table++)
		expect_one_succeeds_in(test, r, table);
}
#endif

/* Many mappings of random size, of which a bitmap knows which are in use. */

#define LIVE	64

struct crowd {
	struct device *dev;
	unsigned long *used;
	unsigned long twice;
	struct {
		unsigned long pfn, nr;
	} live[LIVE];
	struct rnd_state rnd;
};

static void crowd_unmap(struct crowd *c, unsigned int i)
{
	unmap(c->dev, (dma_addr_t)c->live[i].pfn * GRANULE,
	      c->live[i].nr * GRANULE);
	bitmap_clear(c->used, c->live[i].pfn, c->live[i].nr);
	c->live[i].nr = 0;
}

/* Up to 32 granules, mostly few. */
static void crowd_map(struct crowd *c, unsigned int i)
{
	unsigned long nr, pfn;
	dma_addr_t addr;

	nr = prandom_u32_state(&c->rnd) % (1U << prandom_u32_state(&c->rnd) % 6) + 1;
	addr = test_map_registers(c->dev, MMIO, nr * GRANULE, DMA_TO_DEVICE);
	if (addr == DMA_MAPPING_ERROR) {
		flush(c->dev);
		return;
	}
	pfn = addr / GRANULE;
	if (!pfn || pfn + nr > LARGE ||
	    find_next_bit(c->used, pfn + nr, pfn) < pfn + nr) {
		c->twice++;
		return;
	}
	bitmap_set(c->used, pfn, nr);
	c->live[i].pfn = pfn;
	c->live[i].nr = nr;
}

/* A part, too much, twice, or a neighbour. */
static void crowd_misuse(struct crowd *c, unsigned int i)
{
	dma_addr_t addr = (dma_addr_t)c->live[i].pfn * GRANULE;
	size_t size = c->live[i].nr * GRANULE;

	switch (prandom_u32_state(&c->rnd) % 4) {
	case 0:
		unmap(c->dev, addr, size + GRANULE);
		break;
	case 1:
		unmap(c->dev, addr - GRANULE, size + GRANULE);
		break;
	case 2:
		unmap(c->dev, addr + 1, size);
		break;
	case 3:
		crowd_unmap(c, i);
		unmap(c->dev, addr, size);
		break;
	}
}

static void nothing_is_handed_out_twice_after_wrong_unmaps(struct kunit *test)
{
	/* A million with all parameters, unless it takes minutes. */
	unsigned long maps = SLOW ? 4000 : 1000000 / ARRAY_SIZE(kinds);
	unsigned long nr, wrong = 0;
	struct crowd *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->used = kunit_kcalloc(test, BITS_TO_LONGS(LARGE), sizeof(long),
				GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c->used);
	prandom_seed_state(&c->rnd, 22);
	set_aperture(test, LARGE);
	c->dev = mock_kunit_platform(test);
	pr_info("expected warning: unmap of IOVA\n");
	for (nr = 0; nr < maps && !c->twice; nr++) {
		i = prandom_u32_state(&c->rnd) % LIVE;
		if (c->live[i].nr && nr % 16 == 0) {
			crowd_misuse(c, i);
			wrong++;
		}
		if (c->live[i].nr)
			crowd_unmap(c, i);
		crowd_map(c, i);
		if (nr % 1024 == 0)
			cond_resched();
	}
	KUNIT_EXPECT_EQ(test, c->twice, 0);
	KUNIT_EXPECT_EQ(test, bad_unmaps(c->dev), wrong);
	for (i = 0; i < LIVE; i++)
		if (c->live[i].nr)
			crowd_unmap(c, i);
	KUNIT_EXPECT_EQ(test, bad_unmaps(c->dev), wrong);
	expect_each_address_once(test, c->dev, LARGE, 0);
}

static struct kunit_case unmap_race_cases[] = {
	KUNIT_CASE_PARAM(of_unmaps_of_a_granule_one_succeeds, kind_gen_params),
	KUNIT_CASE_PARAM(of_unmaps_of_many_granules_one_succeeds,
			 kind_gen_params),
	KUNIT_CASE_PARAM(of_unmaps_of_a_list_one_succeeds, kind_gen_params),
#ifdef CONFIG_IO_PGTABLE_WALK
	KUNIT_CASE(of_unmaps_in_a_page_table_one_succeeds),
#endif
	KUNIT_CASE_PARAM(nothing_is_handed_out_twice_after_wrong_unmaps,
			 kind_gen_params),
	{}
};

static struct kunit_suite unmap_race_suite = {
	.name = "dmamap_unmap_race",
	.suite_init = mock_kunit_suite_init,
	.init = unmap_init,
	.exit = mock_kunit_exit,
	.test_cases = unmap_race_cases,
};

kunit_test_suite(unmap_race_suite);
