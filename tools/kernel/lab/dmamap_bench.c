// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmamap_bench - what the DMA API costs for a device behind an IOMMU
 *
 * Only the public interface of <linux/dma-mapping.h> is used, and for page
 * tables alone that of <linux/iommu.h>, so the same source measures whichever
 * layers the kernel was built with.  The device is
 * QEMU's pci-testdev, which has an IOMMU group like any other PCI function and
 * never does DMA of its own.
 *
 * Meant for an emulator that executes one instruction per nanosecond of guest
 * time (QEMU: -accel tcg -icount shift=0,sleep=off -smp 1): a difference of two
 * clock reads is then a number of executed instructions, and repeats to the
 * digit.  On real hardware the same lines are nanoseconds.
 *
 * How it measures
 *
 * 1. A case is a pair of operations, map and unmap or alike, done over and over
 *    on warm structures: the same loop has already run for half as long, so
 *    page tables, magazines and slabs are there.
 * 2. mean.  The loop reads the clock after each operation and nowhere else, with
 *    interrupts enabled.  Whatever runs from one read to the next belongs to the
 *    operation between them: the call, but also the timers and the work that
 *    earlier calls left behind.  The loop runs for budget_ms of guest time, so
 *    all of these weigh as on a machine that does nothing but mapping.  What
 *    else an idle machine does, chiefly its tick, is less than one part in a
 *    thousand and is not subtracted.
 * 3. quiet.  The same with interrupts off from before the first clock read to
 *    after the second: the call alone.  Not for what may sleep.
 * 4. worst, worst_irq.  The dearest single operation of the quiet loop and of
 *    the one with interrupts enabled.
 * 5. From all of these, what the same loop costs with empty operations is
 *    subtracted: clock reads, indirect calls, bookkeeping.
 * 6. A clock that ticks more slowly rounds single operations: by 16 on arm64 in
 *    QEMU, whose counter runs at 62.5 MHz.  Each round first wastes a different
 *    number of instructions, so that the rounding averages out of the means.
 * 7. Before a case is measured, dmamap_bench.marks of its rounds run with a call
 *    of dmamap_bench_mark() before, between and after the two operations: a
 *    debugger that stops there and steps on sees one operation and nothing else.
 *
 * 8. Page tables alone: iommu_map() and iommu_unmap_fast() of a domain that the
 *    device is attached to for the case, whose invalidations are left to a flush
 *    queue that is not there.  "table" maps memory that is a page off, which is
 *    pages only; "block" maps memory that is aligned as the addresses are, in the
 *    largest pages there are.
 *
 * 9. fresh.  FRESH_NR maps in a row and then as many unmaps, in a domain that nothing
 *    was mapped in before, with preemption disabled, so that no worker gets to run.
 *    The clock is read before, between and after.  Each boot can run one such case,
 *    and before all others.
 *
 * 10. pieces.  Where the kernel has IOVA ranges that are linked piece by piece: memory of
 *    the size, in pieces of 64 KiB of which no two meet, is linked and synced; then the
 *    range is destroyed.
 *
 * Output: one line per operation, "dmamap_bench: CASE op=OP key=value ...", and
 * a last line "dmamap_bench: done".  A case that could not run prints
 * "CASE error=ERRNO".  CASE is a group and a size, such as single-4096: bytes, or
 * entries of a scatterlist.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../iommu-pages.h"

static char *run;
module_param(run, charp, 0444);
MODULE_PARM_DESC(run, "cases or groups of cases to run: 'all', or names separated by commas; nothing runs without it");

static unsigned int budget_ms = 60;
module_param(budget_ms, uint, 0444);
MODULE_PARM_DESC(budget_ms, "guest time for which a case repeats its operations (default 60)");

static unsigned int marks = 1;
module_param(marks, uint, 0444);
MODULE_PARM_DESC(marks, "rounds of each case that a debugger can step through (default 1)");

#define TESTDEV_DEVICE_ID	0x0005

/* However long it takes */
#define ROUNDS_MIN		200

/* What a driver of a fast network card keeps mapped */
#define RING_SIZE		256

/* What a busy softirq maps before anything else gets to run */
#define FRESH_NR		2300

#define BUF_SIZE		SZ_4M
#define SG_MAX			512

/**
 * struct bench - what the operations of a case work on
 * @dev: the device
 * @size: size of the case: bytes, or entries
 * @buf: BUF_SIZE bytes, physically contiguous
 * @pages: SG_MAX pages, no two of them physically adjacent
 * @resource: address of a page of the device's own memory
 * @dma: address of the one mapping that is live
 * @ring: addresses of the mappings that are live, in groups that have several
 * @head: the mapping of @ring made last
 * @cpu: memory from dma_alloc_coherent()
 * @sgt: list being mapped
 * @range: being linked
 * @domain: of page tables alone
 */
struct bench {
	struct device *dev;
	unsigned int size;
	void *buf;
	struct page *pages[SG_MAX];
	phys_addr_t resource;
	dma_addr_t dma;
	dma_addr_t ring[RING_SIZE];
	unsigned int head;
	void *cpu;
	struct sg_table sgt;
#ifdef DMA_IOVA_USE_SWIOTLB
	struct dma_iova_state range;
#endif
	struct iommu_domain *domain;
};

/**
 * struct bench_group - cases that differ in size only
 * @name: first part of the name of each
 * @ops: names of the two operations
 * @bits: width of the device's DMA mask
 * @sleeps: the operations may sleep
 * @sizes: sizes, 0 after the last
 * @prepare: called once before a case, or NULL; undoes what it did when it fails
 * @first: the first operation; an errno ends the case
 * @second: the second, which undoes the first
 * @finish: undoes @prepare, or NULL
 */
struct bench_group {
	const char *name;
	const char *ops[2];
	unsigned int bits;
	bool sleeps;
	const unsigned int *sizes;
	int (*prepare)(struct bench *b);
	int (*first)(struct bench *b);
	int (*second)(struct bench *b);
	void (*finish)(struct bench *b);
};

/**
 * struct bench_stat - the costs of one operation, of a loop
 * @n: how often it was timed
 * @sum: of all costs, in nanoseconds
 * @worst: highest cost
 */
struct bench_stat {
	u64 n;
	u64 sum;
	u64 worst;
};

/* Fraction bits of a mean, for differences of means that round once */
#define MEAN_SHIFT	8

/* The two operations of an empty round */
static struct bench_stat empty_loud[2];
static struct bench_stat empty_quiet[2];

static struct pci_dev *testdev;

static void stat_add(struct bench_stat *st, u64 cost)
{
	st->n++;
	st->sum += cost;
	if (cost > st->worst)
		st->worst = cost;
}

static s64 stat_scaled_mean(const struct bench_stat *st)
{
	return div64_u64(st->sum << MEAN_SHIFT, st->n);
}

static s64 stat_mean(const struct bench_stat *st, const struct bench_stat *empty)
{
	s64 mean = stat_scaled_mean(st) - stat_scaled_mean(empty);

	return (mean + (1 << (MEAN_SHIFT - 1))) >> MEAN_SHIFT;
}

static s64 stat_worst(const struct bench_stat *st, const struct bench_stat *empty)
{
	return st->worst - (stat_scaled_mean(empty) >> MEAN_SHIFT);
}

/* The operations */

static int nothing(struct bench *b)
{
	return 0;
}

static int map_single(struct bench *b)
{
	b->dma = dma_map_single(b->dev, b->buf, b->size, DMA_FROM_DEVICE);
	return dma_mapping_error(b->dev, b->dma) ? -EIO : 0;
}

static int unmap_single(struct bench *b)
{
	dma_unmap_single(b->dev, b->dma, b->size, DMA_FROM_DEVICE);
	return 0;
}

/* Not aligned to its size, so it contains larger pages at an odd place. */
static int map_offset(struct bench *b)
{
	b->dma = dma_map_single(b->dev, b->buf + PAGE_SIZE, b->size, DMA_FROM_DEVICE);
	return dma_mapping_error(b->dev, b->dma) ? -EIO : 0;
}

static int map_ring(struct bench *b)
{
	unsigned int head = (b->head + 1) % RING_SIZE;
	void *buf = b->buf + head * b->size % BUF_SIZE;

	b->ring[head] = dma_map_single(b->dev, buf, b->size, DMA_FROM_DEVICE);
	b->head = head;
	return dma_mapping_error(b->dev, b->ring[head]) ? -EIO : 0;
}

static int unmap_ring(struct bench *b)
{
	unsigned int tail = (b->head + 1) % RING_SIZE;

	dma_unmap_single(b->dev, b->ring[tail], b->size, DMA_FROM_DEVICE);
	b->ring[tail] = DMA_MAPPING_ERROR;
	return 0;
}

static void drain_ring(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < RING_SIZE; i++) {
		if (!dma_mapping_error(b->dev, b->ring[i]))
			dma_unmap_single(b->dev, b->ring[i], b->size, DMA_FROM_DEVICE);
	}
}

/* All but one: the loop maps that, then unmaps the oldest */
static int fill_ring(struct bench *b)
{
	int ret = 0;

	memset(b->ring, 0xff, sizeof(b->ring));
	b->head = RING_SIZE - 1;
	while (b->head != RING_SIZE - 2 && !ret)
		ret = map_ring(b);
	if (ret)
		drain_ring(b);
	return ret;
}

static int make_scattered(struct bench *b)
{
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	ret = sg_alloc_table(&b->sgt, b->size, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(&b->sgt, sg, i)
		sg_set_page(sg, b->pages[i], PAGE_SIZE, 0);
	return 0;
}

static int make_contiguous(struct bench *b)
{
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	ret = sg_alloc_table(&b->sgt, b->size, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(&b->sgt, sg, i)
		sg_set_buf(sg, b->buf + i * PAGE_SIZE, PAGE_SIZE);
	return 0;
}

static void free_list(struct bench *b)
{
	sg_free_table(&b->sgt);
}

static int map_list(struct bench *b)
{
	return dma_map_sg(b->dev, b->sgt.sgl, b->sgt.orig_nents, DMA_FROM_DEVICE) ? 0 : -EIO;
}

static int unmap_list(struct bench *b)
{
	dma_unmap_sg(b->dev, b->sgt.sgl, b->sgt.orig_nents, DMA_FROM_DEVICE);
	return 0;
}

#ifdef DMA_IOVA_USE_SWIOTLB
static int destroy_pieces(struct bench *b)
{
	dma_iova_destroy(b->dev, &b->range, b->size, DMA_FROM_DEVICE, 0);
	return 0;
}

static int link_pieces(struct bench *b)
{
	phys_addr_t phys = virt_to_phys(b->buf);
	unsigned int at;
	int ret = 0;

	if (!dma_iova_try_alloc(b->dev, &b->range, phys, b->size))
		return -EIO;
	for (at = 0; !ret && at < b->size; at += SZ_64K)
		ret = dma_iova_link(b->dev, &b->range, phys + 2 * at, at, SZ_64K,
				    DMA_FROM_DEVICE, 0);
	if (ret) {
		dma_iova_destroy(b->dev, &b->range, at - SZ_64K, DMA_FROM_DEVICE, 0);
		return ret;
	}
	ret = dma_iova_sync(b->dev, &b->range, 0, b->size);
	if (ret)
		destroy_pieces(b);
	return ret;
}
#endif

static int alloc_coherent(struct bench *b)
{
	b->cpu = dma_alloc_coherent(b->dev, b->size, &b->dma, GFP_KERNEL);
	return b->cpu ? 0 : -ENOMEM;
}

static int free_coherent(struct bench *b)
{
	dma_free_coherent(b->dev, b->size, b->cpu, b->dma);
	return 0;
}

/* Most of what dma_alloc_coherent() costs: to tell it from the mapping */
static int alloc_pages_cleared(struct bench *b)
{
	b->cpu = alloc_pages_exact(b->size, GFP_KERNEL | __GFP_ZERO);
	return b->cpu ? 0 : -ENOMEM;
}

static int free_pages_cleared(struct bench *b)
{
	free_pages_exact(b->cpu, b->size);
	return 0;
}

static int map_resource(struct bench *b)
{
	b->dma = dma_map_resource(b->dev, b->resource, b->size, DMA_BIDIRECTIONAL, 0);
	return dma_mapping_error(b->dev, b->dma) ? -EIO : 0;
}

static int unmap_resource(struct bench *b)
{
	dma_unmap_resource(b->dev, b->dma, b->size, DMA_BIDIRECTIONAL, 0);
	return 0;
}

static int sync_for_device(struct bench *b)
{
	dma_sync_single_for_device(b->dev, b->dma, b->size, DMA_FROM_DEVICE);
	return 0;
}

static int sync_for_cpu(struct bench *b)
{
	dma_sync_single_for_cpu(b->dev, b->dma, b->size, DMA_FROM_DEVICE);
	return 0;
}

static void unmap_synced(struct bench *b)
{
	unmap_single(b);
}

/*
 * Some drivers learn only when a device is attached which page sizes there are,
 * and whether tables must be flushed from the CPU's caches.
 */
static int make_domain(struct bench *b)
{
	int ret;

	b->domain = iommu_paging_domain_alloc(b->dev);
	if (IS_ERR(b->domain))
		return PTR_ERR(b->domain);
	ret = iommu_attach_device(b->domain, b->dev);
	if (ret)
		iommu_domain_free(b->domain);
	return ret;
}

static void free_domain(struct bench *b)
{
	iommu_detach_device(b->domain, b->dev);
	iommu_domain_free(b->domain);
}

static int map_table_at(struct bench *b, phys_addr_t phys)
{
	return iommu_map(b->domain, SZ_1G, phys, b->size,
			 IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE, GFP_ATOMIC);
}

static int map_table(struct bench *b)
{
	return map_table_at(b, virt_to_phys(b->buf) + PAGE_SIZE);
}

static int map_block(struct bench *b)
{
	return map_table_at(b, virt_to_phys(b->buf));
}

static int unmap_table(struct bench *b)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	WARN_ON_ONCE(iommu_unmap_fast(b->domain, SZ_1G, b->size, &gather) != b->size);
	iommu_put_pages_list(&gather.freelist);
	return 0;
}

/* The loops */

/* Interrupts on, each nanosecond in one of the two figures */
static noinline int time_loud(struct bench *b, const struct bench_group *g,
			      struct bench_stat st[2], u64 budget_ns)
{
	u64 start, middle, end, deadline;
	unsigned int waste;
	int ret;

	memset(st, 0, 2 * sizeof(*st));
	end = ktime_get_ns();
	deadline = end + budget_ns;
	do {
		start = end;
		for (waste = st->n % 16; waste; waste--)
			barrier();
		ret = g->first(b);
		if (ret)
			return ret;
		middle = ktime_get_ns();
		g->second(b);
		end = ktime_get_ns();
		stat_add(&st[0], middle - start);
		stat_add(&st[1], end - middle);
		if (st->n % 64 == 0)
			cond_resched();
	} while (st->n < ROUNDS_MIN || end < deadline);
	return 0;
}

/* Interrupts off around each operation */
static noinline int time_quiet(struct bench *b, const struct bench_group *g,
			       struct bench_stat st[2], u64 budget_ns)
{
	u64 deadline = ktime_get_ns() + budget_ns;
	unsigned long flags;
	unsigned int waste;
	u64 start, end;
	int ret;

	memset(st, 0, 2 * sizeof(*st));
	do {
		for (waste = st->n % 16; waste; waste--)
			barrier();
		local_irq_save(flags);
		start = ktime_get_ns();
		ret = g->first(b);
		end = ktime_get_ns();
		local_irq_restore(flags);
		if (ret)
			return ret;
		stat_add(&st[0], end - start);

		for (waste = st->n % 16; waste; waste--)
			barrier();
		local_irq_save(flags);
		start = ktime_get_ns();
		g->second(b);
		end = ktime_get_ns();
		local_irq_restore(flags);
		stat_add(&st[1], end - start);
		if (st->n % 64 == 0)
			cond_resched();
	} while (st->n < ROUNDS_MIN || end < deadline);
	return 0;
}

/* A place for a debugger to stop at; see the top of this file */
static noinline void dmamap_bench_mark(void)
{
	barrier();
}

static noinline int run_marked(struct bench *b, const struct bench_group *g)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < marks && !ret; i++) {
		unsigned long flags = 0;

		if (!g->sleeps)
			local_irq_save(flags);
		dmamap_bench_mark();
		ret = g->first(b);
		dmamap_bench_mark();
		if (!ret)
			g->second(b);
		dmamap_bench_mark();
		if (!g->sleeps)
			local_irq_restore(flags);
	}
	return ret;
}

/* Warm up, mark, measure */
static int measure(struct bench *b, const struct bench_group *g, struct bench_stat loud[2],
		   struct bench_stat quiet[2])
{
	u64 budget_ns = (u64)budget_ms * NSEC_PER_MSEC;
	int ret;

	ret = time_loud(b, g, loud, budget_ns / 2);
	if (!ret)
		ret = run_marked(b, g);
	if (!ret)
		ret = time_loud(b, g, loud, budget_ns);
	if (!ret && !g->sleeps)
		ret = time_quiet(b, g, quiet, budget_ns / 2);
	return ret;
}

static int run_case(struct bench *b, const struct bench_group *g, const char *name)
{
	struct bench_stat loud[2], quiet[2];
	unsigned int op;
	int ret;

	ret = dma_set_mask_and_coherent(b->dev, DMA_BIT_MASK(g->bits));
	if (ret)
		return ret;
	if (g->prepare) {
		ret = g->prepare(b);
		if (ret)
			return ret;
	}
	ret = measure(b, g, loud, quiet);
	if (g->finish)
		g->finish(b);
	if (ret)
		return ret;

	for (op = 0; op < 2; op++) {
		pr_info("%s op=%s n=%llu mean=%lld worst_irq=%lld\n", name, g->ops[op], loud[op].n,
			stat_mean(&loud[op], &empty_loud[op]),
			stat_worst(&loud[op], &empty_loud[op]));
		if (g->sleeps)
			continue;
		pr_info("%s op=%s n=%llu quiet=%lld worst=%lld\n", name, g->ops[op], quiet[op].n,
			stat_mean(&quiet[op], &empty_quiet[op]),
			stat_worst(&quiet[op], &empty_quiet[op]));
	}
	return 0;
}

static const unsigned int buffer_sizes[] = {
	64, 512, SZ_4K, SZ_8K, SZ_16K, SZ_32K, SZ_64K, SZ_128K, SZ_256K, SZ_512K,
	SZ_1M, SZ_2M, SZ_4M, 0
};

static const unsigned int few_sizes[] = { SZ_4K, SZ_64K, 0 };
static const unsigned int page_sizes[] = { SZ_4K, 0 };
static const unsigned int ring_sizes[] = { 2048, SZ_4K, SZ_16K, 0 };
static const unsigned int list_sizes[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 0 };
static const unsigned int few_list_sizes[] = { 16, 0 };
static const unsigned int coherent_sizes[] = { SZ_4K, SZ_16K, SZ_64K, SZ_256K, SZ_2M, 0 };

static const unsigned int offset_sizes[] = { SZ_64K, SZ_1M, 0 };
static const unsigned int table_sizes[] = { SZ_4K, SZ_64K, SZ_1M, SZ_2M, 0 };
static const unsigned int block_sizes[] = { SZ_64K, SZ_1M, SZ_2M, 0 };

#ifdef DMA_IOVA_USE_SWIOTLB
static const unsigned int piece_sizes[] = { SZ_64K, SZ_256K, SZ_1M, 0 };
#endif

static const struct bench_group groups[] = {
#ifdef DMA_IOVA_USE_SWIOTLB
	{ .name = "pieces", .ops = { "link", "destroy" }, .bits = 64, .sizes = piece_sizes,
	  .first = link_pieces, .second = destroy_pieces },
#endif
	{ .name = "single", .ops = { "map", "unmap" }, .bits = 64, .sizes = buffer_sizes,
	  .first = map_single, .second = unmap_single },
	{ .name = "single32", .ops = { "map", "unmap" }, .bits = 32, .sizes = few_sizes,
	  .first = map_single, .second = unmap_single },
	{ .name = "offset", .ops = { "map", "unmap" }, .bits = 64, .sizes = offset_sizes,
	  .first = map_offset, .second = unmap_single },
	{ .name = "ring", .ops = { "map", "unmap" }, .bits = 64, .sizes = ring_sizes,
	  .prepare = fill_ring, .first = map_ring, .second = unmap_ring, .finish = drain_ring },
	{ .name = "sg", .ops = { "map", "unmap" }, .bits = 64, .sizes = list_sizes,
	  .prepare = make_scattered, .first = map_list, .second = unmap_list,
	  .finish = free_list },
	{ .name = "sg32", .ops = { "map", "unmap" }, .bits = 32, .sizes = few_list_sizes,
	  .prepare = make_scattered, .first = map_list, .second = unmap_list,
	  .finish = free_list },
	{ .name = "contig", .ops = { "map", "unmap" }, .bits = 64, .sizes = list_sizes,
	  .prepare = make_contiguous, .first = map_list, .second = unmap_list,
	  .finish = free_list },
	{ .name = "coherent", .ops = { "alloc", "free" }, .bits = 64, .sizes = coherent_sizes,
	  .first = alloc_coherent, .second = free_coherent, .sleeps = true },
	{ .name = "pages", .ops = { "alloc", "free" }, .bits = 64, .sizes = coherent_sizes,
	  .first = alloc_pages_cleared, .second = free_pages_cleared, .sleeps = true },
	{ .name = "resource", .ops = { "map", "unmap" }, .bits = 64, .sizes = page_sizes,
	  .first = map_resource, .second = unmap_resource },
	{ .name = "sync", .ops = { "for-device", "for-cpu" }, .bits = 64, .sizes = page_sizes,
	  .prepare = map_single, .first = sync_for_device, .second = sync_for_cpu,
	  .finish = unmap_synced },
	{ .name = "table", .ops = { "map", "unmap" }, .bits = 64, .sizes = table_sizes,
	  .prepare = make_domain, .first = map_table, .second = unmap_table,
	  .finish = free_domain },
	{ .name = "block", .ops = { "map", "unmap" }, .bits = 64, .sizes = block_sizes,
	  .prepare = make_domain, .first = map_block, .second = unmap_table,
	  .finish = free_domain },
};

static const struct bench_group empty = { .first = nothing, .second = nothing };

static bool selected(const char *name)
{
	size_t len = strlen(name);
	const char *at = run;

	while (strncmp(at, name, len) || (at[len] && at[len] != ',')) {
		at = strchr(at, ',');
		if (!at)
			return false;
		at++;
	}
	return true;
}

static void run_group(struct bench *b, const struct bench_group *g)
{
	bool whole = selected("all") || selected(g->name);
	u64 start = ktime_get_ns();
	const unsigned int *size;
	char name[32];
	int ret;

	for (size = g->sizes; *size; size++) {
		snprintf(name, sizeof(name), "%s-%u", g->name, *size);
		if (!whole && !selected(name))
			continue;
		b->size = *size;
		ret = run_case(b, g, name);
		if (ret)
			pr_info("%s error=%d\n", name, ret);
	}
	if (whole)
		pr_info("%s took_ms=%llu\n", g->name,
			div_u64(ktime_get_ns() - start, NSEC_PER_MSEC));
}

static int time_fresh(struct bench *b, dma_addr_t *dma, u64 *at)
{
	unsigned int mapped, i;

	preempt_disable();
	at[0] = ktime_get_ns();
	for (mapped = 0; mapped < FRESH_NR; mapped++) {
		dma[mapped] = dma_map_single(b->dev, b->buf, b->size, DMA_FROM_DEVICE);
		if (dma_mapping_error(b->dev, dma[mapped]))
			break;
	}
	at[1] = ktime_get_ns();
	for (i = 0; i < mapped; i++)
		dma_unmap_single(b->dev, dma[i], b->size, DMA_FROM_DEVICE);
	at[2] = ktime_get_ns();
	preempt_enable();
	return mapped == FRESH_NR ? 0 : -EIO;
}

static void run_fresh(struct bench *b, unsigned int size)
{
	static const char * const ops[] = { "map", "unmap" };
	dma_addr_t *dma;
	char name[32];
	u64 at[3];
	int op, ret = -ENOMEM;

	snprintf(name, sizeof(name), "fresh-%u", size);
	if (!selected(name))
		return;
	b->size = size;
	dma = kvcalloc(FRESH_NR, sizeof(*dma), GFP_KERNEL);
	if (dma)
		ret = time_fresh(b, dma, at);
	kvfree(dma);
	if (ret) {
		pr_info("%s error=%d\n", name, ret);
		return;
	}
	for (op = 0; op < 2; op++)
		pr_info("%s op=%s n=%d mean=%llu\n", name, ops[op], FRESH_NR,
			div_u64(at[op + 1] - at[op], FRESH_NR));
}

static void free_bench(struct bench *b)
{
	unsigned int i;

	if (b->buf)
		free_pages_exact(b->buf, BUF_SIZE);
	for (i = 0; i < SG_MAX && b->pages[i]; i++)
		__free_page(b->pages[i]);
	kfree(b);
}

static struct bench *alloc_bench(struct pci_dev *pdev)
{
	struct bench *b = kzalloc(sizeof(*b), GFP_KERNEL);
	unsigned int i;

	if (!b)
		return NULL;

	b->dev = &pdev->dev;
	b->resource = pci_resource_start(pdev, 0);
	b->buf = alloc_pages_exact(BUF_SIZE, GFP_KERNEL);
	if (!b->buf)
		goto free;
	for (i = 0; i < SG_MAX; i++) {
		/* The even page of a pair: the next page in memory is not in use */
		b->pages[i] = alloc_pages(GFP_KERNEL, 1);
		if (!b->pages[i])
			goto free;
		split_page(b->pages[i], 1);
		__free_page(b->pages[i] + 1);
	}
	return b;
free:
	free_bench(b);
	return NULL;
}

static int dmamap_bench_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	if (testdev)
		return -EBUSY;
	testdev = pdev;
	return 0;
}

static const struct pci_device_id dmamap_bench_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT, TESTDEV_DEVICE_ID) },
	{ }
};

static struct pci_driver dmamap_bench_driver = {
	.name = "dmamap_bench",
	.id_table = dmamap_bench_ids,
	.probe = dmamap_bench_probe,
};

static int run_all(struct pci_dev *pdev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&pdev->dev);
	u64 budget_ns = (u64)budget_ms * NSEC_PER_MSEC;
	struct bench *b;
	unsigned int i;

	if (!domain || !(domain->type & __IOMMU_DOMAIN_DMA_API))
		return -ENXIO;

	b = alloc_bench(pdev);
	if (!b)
		return -ENOMEM;

	/* What booting left to do is not ours to pay for */
	msleep(MSEC_PER_SEC);

	time_loud(b, &empty, empty_loud, budget_ns);
	time_quiet(b, &empty, empty_quiet, budget_ns);
	pr_info("setup lazy=%d empty=%lld\n", domain->type == IOMMU_DOMAIN_DMA_FQ,
		(stat_scaled_mean(&empty_loud[0]) + stat_scaled_mean(&empty_loud[1])) >>
		MEAN_SHIFT);
	for (i = 0; few_sizes[i]; i++)
		run_fresh(b, few_sizes[i]);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		run_group(b, &groups[i]);
	free_bench(b);
	return 0;
}

static int __init dmamap_bench_init(void)
{
	int ret;

	if (!run)
		return 0;

	ret = pci_register_driver(&dmamap_bench_driver);
	if (ret)
		return ret;

	/* Without a device, or with one that no IOMMU translates for, error=-ENXIO */
	ret = testdev ? run_all(testdev) : -ENXIO;
	if (ret)
		pr_info("setup error=%d\n", ret);
	pr_info("done\n");

	pci_unregister_driver(&dmamap_bench_driver);
	return 0;
}
late_initcall_sync(dmamap_bench_init);	/* after every driver */

MODULE_DESCRIPTION("Micro-benchmark of the DMA API behind an IOMMU");
MODULE_LICENSE("GPL");
