// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmamap_soak - whether DMA mapping stays what it is when it goes on for long
 *
 * Theory of operation
 *
 * 1. The load. There are NR_SLOTS buffers and lists of buffers, from 64 bytes to
 *    4 MiB each, divided among the edu devices of QEMU that are there. One picked
 *    at random is unmapped if it is mapped, and mapped if fewer are than should
 *    be: so mappings live for random times. How many should be goes down from
 *    all to three quarters and up again once a minute, as no load is quite steady.
 *    A map and an unmap are a pair; dmamap_soak.pairs of them are done. All
 *    is drawn from dmamap_soak.seed.
 *
 * 2. A minute is the 120th part of that: two hours, compressed.
 *
 * 3. The CPUs take turns, BATCH pairs each, so what one has mapped another
 *    unmaps, and caches and flush queues of each are in use. At once they would
 *    not run in an emulator that counts instructions anyway; like this no
 *    operation contains time that another CPU had.
 *
 * 4. The devices are there to be used: before the end of each minute, each
 *    copies data from one mapping that is live through its own buffer to another,
 *    COPIES times, and the CPU compares.
 *
 * 5. A line for each minute says what a map and an unmap cost in it, the mean and
 *    the 99th percentile, in nanoseconds; executed instructions in an emulator
 *    that counts those (QEMU: -icount shift=0,sleep=off). And what there is at
 *    its end, when all flush queues have drained, as copying takes its time:
 *    mappings; addresses cached by the allocator, for the domains of these
 *    devices; pages of I/O page tables, in the whole system.
 *
 * 6. Then most is unmapped, and for dmamap_soak.quiet_ms nothing is done. A load
 *    at random that never pauses meets ever rarer extremes: the one CPU that has
 *    just then queued the most ranges of one size takes new ones, and as long as
 *    many are in use as many may stay cached. So what is cached grows, ever more
 *    slowly, up to its bound. What a pause must bring is that the past is
 *    forgotten: each minute begins like the one before, and ends like it.
 *
 * 7. A line before the load and one after all has been unmapped for some seconds
 *    say the same as those of minutes, to see that all is given back.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iommu.h>
#include <linux/iopoll.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "../iova/internal.h"
#include "../dmamap/dmamap.h"

static unsigned long pairs;
module_param(pairs, ulong, 0444);
MODULE_PARM_DESC(pairs, "how many times to map and unmap; nothing runs without it");

static unsigned int seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "what all random numbers come from (default 1)");

static unsigned int quiet_ms = 3000;
module_param(quiet_ms, uint, 0444);
MODULE_PARM_DESC(quiet_ms, "length of the quiet time at the end of each minute, 0 for none (default 3000)");

#define MINUTES		120
#define NR_SLOTS	4096
#define NR_LOW		(NR_SLOTS * 3 / 4)
#define QUIET		4	/* one of so many stays mapped */
#define BATCH		256
#define COPIES		2

/* Sizes of buffers: of each octave as many. */
#define SIZE_MIN	64
#define OCTAVES		16
#define BUF_SIZE	(SIZE_MIN << OCTAVES)
/* One of so many slots is a list. */
#define LISTS		8
#define LIST_OCTAVES	6
#define NR_PAGES	64U	/* two, LIST_OCTAVES - 1 times doubled */

#define DRAINED_MS	(10 * MSEC_PER_SEC)	/* until the reaper has returned all */

/* The device; see dmamap_edu.c and QEMU's documentation. */
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define   EDU_DMA_RUN	  BIT(0)
#define   EDU_DMA_TO_RAM  BIT(1)
#define EDU_BUFFER	0x40000
#define CHUNK		2048
#define TRANSFER_US	(100 * USEC_PER_MSEC)
#define STUCK_US	(20 * USEC_PER_SEC)

#define MAX_EDUS	4

/* Costs, in buckets of less than one per cent each. */
#define COST_BITS	7
#define COST_BUCKETS	((32 - COST_BITS + 1) << COST_BITS)

/**
 * struct soak_edu - a device
 * @dev: what maps
 * @regs: its registers
 */
struct soak_edu {
	struct device *dev;
	void __iomem *regs;
};

/**
 * struct soak_slot - what is mapped and unmapped
 * @edu: for this device
 * @size: bytes; of a list, that of all its entries
 * @at: offset of the buffer
 * @sgt: the list; empty if it is a buffer
 * @dma: where the buffer is mapped
 * @live: it is mapped
 */
struct soak_slot {
	struct soak_edu *edu;
	u32 size;
	u32 at;
	struct sg_table sgt;
	dma_addr_t dma;
	bool live;
};

/**
 * struct soak_costs - of one operation, in one minute
 * @n: how often it was done
 * @sum: of the costs of all, in nanoseconds
 * @count: of those that cost so much, see cost_bucket()
 */
struct soak_costs {
	u32 n;
	u64 sum;
	u32 count[COST_BUCKETS];
};

/**
 * struct soak - all of it
 * @rnd: where random numbers come from
 * @slots: NR_SLOTS
 * @live: how many of them are mapped
 * @done: pairs so far
 * @buf: BUF_SIZE bytes, physically contiguous: all buffers are parts of it
 * @pages: no two of them adjacent, for the entries of lists
 * @map: costs of mapping
 * @unmap: costs of unmapping
 * @failed: mappings that failed
 * @copies: that devices made
 * @wrong: of which the data was not the same
 */
struct soak {
	struct rnd_state rnd;
	struct soak_slot *slots;
	unsigned int live;
	unsigned long done;
	u8 *buf;
	struct page *pages[NR_PAGES];
	struct soak_costs map;
	struct soak_costs unmap;
	unsigned int failed;
	unsigned int copies;
	unsigned int wrong;
};

static struct soak_edu edus[MAX_EDUS];
static unsigned int nr_edus;

/* Costs */

/* The highest COST_BITS + 1 bits of @ns, and how far they were shifted. */
static unsigned int cost_bucket(u32 ns)
{
	unsigned int shift = max(fls(ns), COST_BITS + 1) - (COST_BITS + 1);

	return (shift << COST_BITS) + (ns >> shift);
}

static u32 bucket_cost(unsigned int bucket)
{
	unsigned int shift = max(bucket >> COST_BITS, 1U) - 1;

	return (bucket - (shift << COST_BITS)) << shift;
}

static void add_cost(struct soak_costs *costs, u64 ns)
{
	costs->n++;
	costs->sum += ns;
	costs->count[cost_bucket(min_t(u64, ns, U32_MAX))]++;
}

static u32 mean_cost(const struct soak_costs *costs)
{
	return costs->n ? div_u64(costs->sum, costs->n) : 0;
}

static u32 percentile(const struct soak_costs *costs, unsigned int percent)
{
	u64 below = 0, want = div_u64((u64)costs->n * percent, 100);
	unsigned int bucket = 0;

	while (costs->n && bucket < COST_BUCKETS - 1) {
		below += costs->count[bucket];
		if (below > want)
			break;
		bucket++;
	}
	return bucket_cost(bucket);
}

/* Mapping */

static u32 below(struct soak *s, u32 ceil)
{
	return (u64)prandom_u32_state(&s->rnd) * ceil >> 32;
}

static bool is_list(const struct soak_slot *slot)
{
	return slot->sgt.sgl;
}

static bool map_slot(struct soak *s, struct soak_slot *slot)
{
	struct device *dev = slot->edu->dev;

	if (is_list(slot))
		return dma_map_sg(dev, slot->sgt.sgl, slot->sgt.orig_nents,
				  DMA_BIDIRECTIONAL);
	slot->dma = dma_map_single(dev, s->buf + slot->at, slot->size,
				   DMA_BIDIRECTIONAL);
	return !dma_mapping_error(dev, slot->dma);
}

static void unmap_slot(struct soak_slot *slot)
{
	struct device *dev = slot->edu->dev;

	if (is_list(slot))
		dma_unmap_sg(dev, slot->sgt.sgl, slot->sgt.orig_nents,
			     DMA_BIDIRECTIONAL);
	else
		dma_unmap_single(dev, slot->dma, slot->size, DMA_BIDIRECTIONAL);
}

static void timed_map(struct soak *s, struct soak_slot *slot)
{
	u64 start = ktime_get_ns();

	slot->live = map_slot(s, slot);
	add_cost(&s->map, ktime_get_ns() - start);
	s->live += slot->live;
	s->failed += !slot->live;
	s->done++;
}

static void timed_unmap(struct soak *s, struct soak_slot *slot)
{
	u64 start = ktime_get_ns();

	unmap_slot(slot);
	add_cost(&s->unmap, ktime_get_ns() - start);
	slot->live = false;
	s->live--;
}

/* How many slots should be mapped now: all of them at both ends of a minute. */
static unsigned int wanted(const struct soak *s)
{
	unsigned long minute = pairs / MINUTES, at = s->done % minute;
	unsigned long from_end = min(at, minute - at);

	return NR_SLOTS - 2 * from_end * (NR_SLOTS - NR_LOW) / minute;
}

static int soak_batch(void *arg)
{
	struct soak *s = arg;
	unsigned long end = s->done + BATCH;

	while (s->done < end) {
		struct soak_slot *slot = &s->slots[below(s, NR_SLOTS)];

		if (slot->live)
			timed_unmap(s, slot);
		if (s->live < wanted(s))
			timed_map(s, slot);
	}
	return 0;
}

/* Copying */

static void edu_transfer(struct soak *s, struct soak_edu *edu, dma_addr_t ram,
			 unsigned int len, u32 cmd)
{
	bool to_ram = cmd & EDU_DMA_TO_RAM;
	u32 status;

	writeq(to_ram ? EDU_BUFFER : ram, edu->regs + EDU_DMA_SRC);
	writeq(to_ram ? ram : EDU_BUFFER, edu->regs + EDU_DMA_DST);
	writeq(len, edu->regs + EDU_DMA_COUNT);
	writel(cmd | EDU_DMA_RUN, edu->regs + EDU_DMA_CMD);
	usleep_range(TRANSFER_US, TRANSFER_US + 200);
	if (readl_poll_timeout(edu->regs + EDU_DMA_CMD, status,
			       !(status & EDU_DMA_RUN), 200, STUCK_US))
		s->wrong++;
}

/* A buffer that is mapped for a device and does not begin within CHUNK of @at. */
static struct soak_slot *live_buffer(struct soak *s, struct soak_edu *edu, s64 at)
{
	struct soak_slot *slot;

	do {
		slot = &s->slots[below(s, NR_SLOTS)];
	} while (!slot->live || slot->edu != edu || is_list(slot) ||
		 abs((s64)slot->at - at) < CHUNK);
	return slot;
}

static void copy(struct soak *s, struct soak_edu *edu)
{
	struct soak_slot *from = live_buffer(s, edu, -CHUNK);
	struct soak_slot *to = live_buffer(s, edu, from->at);
	unsigned int len = min3(from->size, to->size, (u32)CHUNK);

	prandom_bytes_state(&s->rnd, s->buf + from->at, len);
	memset(s->buf + to->at, 0, len);
	dma_sync_single_for_device(edu->dev, from->dma, len, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(edu->dev, to->dma, len, DMA_BIDIRECTIONAL);
	edu_transfer(s, edu, from->dma, len, 0);
	edu_transfer(s, edu, to->dma, len, EDU_DMA_TO_RAM);
	dma_sync_single_for_cpu(edu->dev, to->dma, len, DMA_BIDIRECTIONAL);
	s->wrong += !!memcmp(s->buf + from->at, s->buf + to->at, len);
	s->copies++;
}

/* What there is */

static void tell(struct soak *s, const char *when, unsigned int minute)
{
	unsigned long ranges = 0, cached = 0;
	struct iova_stats stats;
	unsigned int i;

	for (i = 0; i < nr_edus; i++) {
		struct iommu_domain *domain = iommu_get_domain_for_dev(edus[i].dev);

		iova_domain_stats(&domain->iova_cookie->iovad, &stats);
		ranges += stats.counts.ranges;
		cached += stats.all_cached;
	}
	pr_info("%s minute=%u pairs=%lu live=%u ranges=%lu cached=%lu tables=%lu map_mean=%u map_p99=%u unmap_mean=%u unmap_p99=%u copies=%u wrong=%u failed=%u\n",
		when, minute, s->done, s->live, ranges - cached, cached,
		global_node_page_state(NR_IOMMU_PAGES),
		mean_cost(&s->map), percentile(&s->map, 99),
		mean_cost(&s->unmap), percentile(&s->unmap, 99),
		s->copies, s->wrong, s->failed);
	memset(&s->map, 0, sizeof(s->map));
	memset(&s->unmap, 0, sizeof(s->unmap));
}

/* The run */

static void quiet_time(struct soak *s)
{
	struct soak_slot *slot;

	for (slot = s->slots; slot < s->slots + NR_SLOTS; slot++) {
		if (!slot->live || !below(s, QUIET))
			continue;
		unmap_slot(slot);
		slot->live = false;
		s->live--;
	}
	msleep(quiet_ms);
}

static void soak_minute(struct soak *s, unsigned int minute)
{
	unsigned long end = (u64)pairs * (minute + 1) / MINUTES;
	unsigned int i, cpu = 0;

	while (s->done < end) {
		smp_call_on_cpu(cpumask_nth(cpu++ % num_online_cpus(), cpu_online_mask),
				soak_batch, s, false);
		cond_resched();
	}
	for (i = 0; i < COPIES * nr_edus; i++)
		copy(s, &edus[i % nr_edus]);
	tell(s, "load", minute);
}

static void soak_run(struct soak *s)
{
	unsigned int i;

	/* What booting left to do is not ours. */
	msleep(MSEC_PER_SEC);
	tell(s, "before", 0);
	for (i = 0; i < MINUTES && !s->failed; i++) {
		soak_minute(s, i);
		if (quiet_ms)
			quiet_time(s);
	}
	for (i = 0; i < NR_SLOTS; i++)
		if (s->slots[i].live)
			timed_unmap(s, &s->slots[i]);
	msleep(DRAINED_MS);
	tell(s, "after", MINUTES);
}

static int make_list(struct soak *s, struct soak_slot *slot)
{
	unsigned int i, n = 2 << below(s, LIST_OCTAVES);
	struct scatterlist *sg;
	int ret;

	ret = sg_alloc_table(&slot->sgt, min(n, NR_PAGES), GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(&slot->sgt, sg, i)
		sg_set_page(sg, s->pages[i], PAGE_SIZE, 0);
	slot->size = slot->sgt.orig_nents * PAGE_SIZE;
	return 0;
}

static int make_slots(struct soak *s)
{
	struct soak_slot *slot;
	u32 most;
	int ret;

	for (slot = s->slots; slot < s->slots + NR_SLOTS; slot++) {
		slot->edu = &edus[(slot - s->slots) % nr_edus];
		if (!below(s, LISTS)) {
			ret = make_list(s, slot);
			if (ret)
				return ret;
			continue;
		}
		most = SIZE_MIN << (1 + below(s, OCTAVES));
		slot->size = most - below(s, most / 2);
		slot->at = round_down(below(s, BUF_SIZE - slot->size + 1), SIZE_MIN);
	}
	return 0;
}

static void soak_free(struct soak *s)
{
	unsigned int i;

	for (i = 0; s->slots && i < NR_SLOTS; i++)
		if (is_list(&s->slots[i]))
			sg_free_table(&s->slots[i].sgt);
	kvfree(s->slots);
	for (i = 0; i < NR_PAGES && s->pages[i]; i++)
		__free_page(s->pages[i]);
	if (s->buf)
		free_pages_exact(s->buf, BUF_SIZE);
	kvfree(s);
}

static struct soak *soak_alloc(void)
{
	struct soak *s = kvzalloc(sizeof(*s), GFP_KERNEL);
	unsigned int i;

	if (!s)
		return NULL;
	prandom_seed_state(&s->rnd, seed);
	s->buf = alloc_pages_exact(BUF_SIZE, GFP_KERNEL);
	s->slots = kvcalloc(NR_SLOTS, sizeof(*s->slots), GFP_KERNEL);
	if (!s->buf || !s->slots)
		goto free;
	for (i = 0; i < NR_PAGES; i++) {
		/* The first of two: the next page in memory is not in the list. */
		s->pages[i] = alloc_pages(GFP_KERNEL, 1);
		if (!s->pages[i])
			goto free;
		split_page(s->pages[i], 1);
		__free_page(s->pages[i] + 1);
	}
	if (!make_slots(s))
		return s;
free:
	soak_free(s);
	return NULL;
}

static int soak_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&pdev->dev);
	struct soak_edu *edu = &edus[nr_edus];
	int ret;

	if (nr_edus == MAX_EDUS)
		return -ENOSPC;
	if (!domain || !(domain->type & __IOMMU_DOMAIN_DMA_API))
		return -ENXIO;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	edu->dev = &pdev->dev;
	edu->regs = pcim_iomap(pdev, 0, 0);
	if (!edu->regs)
		return -ENOMEM;
	pci_set_master(pdev);
	ret = dma_set_mask_and_coherent(edu->dev, DMA_BIT_MASK(64));
	if (!ret)
		nr_edus++;
	return ret;
}

static const struct pci_device_id soak_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};

static struct pci_driver soak_driver = {
	.name = "dmamap_soak",
	.id_table = soak_ids,
	.probe = soak_probe,
};

static int __init dmamap_soak_init(void)
{
	struct soak *s;
	int ret;

	if (!pairs)
		return 0;
	if (pairs < MINUTES) {
		pr_err("at least %u pairs are needed\n", MINUTES);
		return 0;
	}
	ret = pci_register_driver(&soak_driver);
	if (ret)
		return ret;
	s = nr_edus ? soak_alloc() : NULL;
	if (s) {
		soak_run(s);
		soak_free(s);
		pr_info("done\n");
	} else {
		pr_err("no edu device behind an IOMMU, or no memory\n");
	}
	pci_unregister_driver(&soak_driver);
	return 0;
}
late_initcall_sync(dmamap_soak_init);	/* after every driver */

MODULE_DESCRIPTION("Soak test of the DMA API behind an IOMMU");
MODULE_LICENSE("GPL");
