// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping with a bus master: "edu", the educational PCI
 * device of QEMU.
 *
 * Theory of operation
 *
 * 1. The device copies up to 4 KiB between bus addresses and a buffer of its
 *    own. The CPU cannot see that buffer: to fill it or to look at it, a test
 *    lets the device read or write a coherent page, the window. What the
 *    device can reach is thus asked of the device, never of the layer that
 *    is tested. Only after that are domains asked for what they translate.
 *
 * 2. A transfer happens at one instant, some 100 ms after it was started.
 *    The emulator's clock decides; under its option -icount with sleep=off
 *    the wait takes no time. Waiting is done by polling, at the end of it.
 *
 * 3. An access that must fault is one of four bytes, so that it is one fault
 *    for the IOMMU. How many there were is said once, at the end of the
 *    suite: "dmamap_edu: N faults provoked". Whoever traces the faults in the
 *    emulator can compare. The tests themselves look at the memory, where
 *    nothing may have changed, and at the device's buffer, where nothing may
 *    have come in. An attempt for which that is not so has succeeded; how many
 *    did is said there, too, and must be none outside the lazy window (4.).
 *
 * 4. In strict mode an access right after the unmap must fault. In lazy mode
 *    it must after FLUSHED_MS: the timer of the flush queue and the flush.
 *
 * 5. Devices for the tests: "-device edu,dma_mask=0xffffffffffffffff", better
 *    several. The first dmamap_edu.untrusted= of them are marked as
 *    untrusted before their IOMMU groups are made. The tests then use the
 *    first device and, where they need one, the first that is trusted.
 *    Untrusted devices need bounce buffers: on x86-64 boot with iommu=soft
 *    unless there is memory above 4 GiB. A module comes too late for all that:
 *    there these tests are skipped.
 *
 * 6. For memory of another device there has to be one that has some, such as
 *    "-device nvme,serial=x,cmb_size_mb=16", and a CPU whose host bridges pass
 *    on what devices send each other: "-cpu max,family=23".
 *
 * F, D and B with a number in a comment is a rule of the layer, as listed in
 * its documentation.
 */

#include <linux/dma-map-ops.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../../dma-iommu.h"
#include "../dmamap.h"
#include "edu_kunit.h"

#define HUGE_ORDER	get_order(SZ_4M)

static unsigned int untrusted;
module_param(untrusted, uint, 0444);
MODULE_PARM_DESC(untrusted, "how many of the devices are untrusted");

static unsigned int rounds = 2;
module_param(rounds, uint, 0644);
MODULE_PARM_DESC(rounds, "how often each device and mapping is tried in vain after an unmap");

struct edu edus[MAX_EDUS];
unsigned int nr_edus;
static atomic_t nr_faults;
static atomic_t nr_attempts;
static atomic_t nr_succeeded;
static atomic_t nr_in_window;

/* The IOMMU groups are made after the early fixups (F8). */
static void edu_is_untrusted(struct pci_dev *pdev)
{
	static unsigned int seen;

	if (seen++ < untrusted)
		pdev->untrusted = true;
}
DECLARE_PCI_FIXUP_EARLY(EDU_VENDOR, EDU_DEVICE, edu_is_untrusted);

/* What the device sees at an address. */
static void edu_sees(struct edu *edu, dma_addr_t dma, u8 *data, size_t len)
{
	while (len) {
		unsigned int chunk = min(len, CHUNK);

		edu_read(edu, dma, 0, chunk);
		memcpy(data, edu_peek(edu, 0, chunk), chunk);
		dma += chunk;
		data += chunk;
		len -= chunk;
	}
}

/* Accesses that the IOMMU is to refuse: see 3. above. */

static void count_refused(unsigned int nr)
{
	atomic_add(nr, &nr_faults);
	atomic_add(nr, &nr_attempts);
}

/*
 * What lies beside a mapping may be where VT-d takes a write for an interrupt:
 * nothing is recorded of that.
 */
static bool is_for_interrupts(dma_addr_t dma)
{
	return IS_ENABLED(CONFIG_X86) && dma >= 0xfee00000 && dma <= 0xfeefffff;
}

static void edu_write_faults(struct edu *edu, dma_addr_t dma)
{
	if (is_for_interrupts(dma))
		return;
	edu_write(edu, dma, 0, sizeof(u32));
	count_refused(1);
}

static void edu_read_faults(struct edu *edu, dma_addr_t dma)
{
	if (is_for_interrupts(dma))
		return;
	edu_read(edu, dma, SPARE, sizeof(u32));
	count_refused(1);
}

/* Whether an attempt reached memory all the same, for the sum. */
static bool got_through(bool it)
{
	atomic_add(it, &nr_succeeded);
	return it;
}

static bool spare_holds(struct edu *edu, u32 word)
{
	return *(u32 *)edu_peek(edu, SPARE, sizeof(u32)) == word;
}

static struct edu *untrusted_edu(struct kunit *test)
{
	struct edu *edu = &edus[0];

	/* What is asked next is not exported to modules. */
	if (IS_MODULE(CONFIG_DMAMAP_EDU_TEST) || !edu->pdev->untrusted)
		kunit_skip(test, "needs to be built in, and dmamap_edu.untrusted=1");
	if (!is_swiotlb_active(edu->dev))
		kunit_skip(test, "needs bounce buffers: boot with iommu=soft");
	return edu;
}

/* Where struct device says whether the device is coherent (F64). */
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
#define CAN_BE_INCOHERENT
static void set_coherent(struct edu *edu, bool coherent)
{
	edu->dev->dma_coherent = coherent;
	/* Setting the mask decides anew whether syncs can be left out. */
	dma_set_mask(edu->dev, dma_get_mask(edu->dev));
}
#else
static void set_coherent(struct edu *edu, bool coherent)
{
}
#endif

struct mode {
	const char *name;
	bool incoherent;
};

static const struct mode modes[] = {
	{ "as found", false },
#ifdef CAN_BE_INCOHERENT
	{ "not coherent", true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(mode, modes, name);

static void set_mode(struct kunit *test, struct edu *edu)
{
	const struct mode *mode = test->param_value;

	if (mode->incoherent)
		set_coherent(edu, false);
}

/* Memory for tests. */

static void fill(u8 *mem, size_t len, u8 seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		mem[i] = seed + i * 7 + (i >> 8);
}

static bool all(const u8 *mem, u8 byte, size_t len)
{
	return !memchr_inv(mem, byte, len);
}

static dma_addr_t map(struct kunit *test, struct edu *edu, void *mem,
		      size_t len, enum dma_data_direction dir)
{
	dma_addr_t dma = dma_map_single(edu->dev, mem, len, dir);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
	return dma;
}

static void unmap(struct edu *edu, dma_addr_t dma, size_t len,
		  enum dma_data_direction dir)
{
	dma_unmap_single(edu->dev, dma, len, dir);
}

/* The suite's and the tests' beginning and end. */

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = &edus[nr_edus];
	int ret;

	if (nr_edus == MAX_EDUS)
		return -ENOSPC;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	*edu = (struct edu){
		.pdev = pdev,
		.dev = &pdev->dev,
		.regs = pcim_iomap(pdev, 0, 0),
		.coherent = dev_is_dma_coherent(&pdev->dev),
	};
	if (!edu->regs)
		return -ENOMEM;
	init_completion(&edu->irq);
	pci_set_master(pdev);
	nr_edus++;
	return 0;
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};

static struct pci_driver edu_driver = {
	.name = "dmamap_edu",
	.id_table = edu_ids,
	.probe = edu_probe,
};

/* Bind to the devices. */
int edu_register(void)
{
	return pci_register_driver(&edu_driver);
}

void edu_unregister(void)
{
	pci_unregister_driver(&edu_driver);
	nr_edus = 0;
}

static int dmamap_edu_suite_init(struct kunit_suite *suite)
{
	/* Who has memory for others says so when its driver probes. */
	wait_for_device_probe();
	return edu_register();
}

static void dmamap_edu_suite_exit(struct kunit_suite *suite)
{
	edu_unregister();
	pr_info("dmamap_edu: %d attempts, %d succeeded, and %d in the lazy window\n",
		atomic_xchg(&nr_attempts, 0), atomic_xchg(&nr_succeeded, 0),
		atomic_xchg(&nr_in_window, 0));
	pr_info("dmamap_edu: %d faults provoked\n", atomic_xchg(&nr_faults, 0));
}

int edu_test_init(struct kunit *test)
{
	struct iommu_domain *domain;
	struct edu *edu;

	if (!nr_edus)
		kunit_skip(test, "there is no edu device");
	for (edu = edus; edu < edus + nr_edus; edu++) {
		domain = domain_of(edu);
		if (!domain || !(domain->type & __IOMMU_DOMAIN_DMA_API))
			kunit_skip(test, "the device is not behind an IOMMU");
	}
	for (edu = edus; edu < edus + nr_edus; edu++) {
		if (dma_set_mask_and_coherent(edu->dev, DMA_BIT_MASK(64)))
			return -EIO;
		edu->window = dma_alloc_coherent(edu->dev, PAGE_SIZE,
						 &edu->window_dma, GFP_KERNEL);
		if (!edu->window)
			return -ENOMEM;
	}
	return 0;
}

void edu_test_exit(struct kunit *test)
{
	struct edu *edu;

	for (edu = edus; edu < edus + nr_edus; edu++) {
		KUNIT_EXPECT_FALSE_MSG(test, edu->stuck, "%s: a transfer did not end",
				       dev_name(edu->dev));
		edu->stuck = false;
		dma_set_min_align_mask(edu->dev, 0);
		set_coherent(edu, edu->coherent);
		if (edu->window)
			dma_free_coherent(edu->dev, PAGE_SIZE, edu->window,
					  edu->window_dma);
		edu->window = NULL;
	}
}

/* 1. What is mapped can be reached. */

/* F55, F56, F59, F62, F64: wherever in a page it begins and ends */
static void single_buffers_arrive_both_ways(struct kunit *test)
{
	static const struct {
		unsigned int at, len;
	} cases[] = {
		{ 0, 512 }, { 60, 200 }, { 1, 3 }, { PAGE_SIZE - 8, 8 },
		{ PAGE_SIZE - 32, 64 }, { 1000, CHUNK },
	};
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 2), *data = pages(test, 1);
	unsigned int i;

	set_mode(test, edu);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int at = cases[i].at, len = cases[i].len;
		dma_addr_t dma;

		fill(mem, 2 * PAGE_SIZE, i);
		dma = map(test, edu, mem + at, len, DMA_TO_DEVICE);
		if (!edu->pdev->untrusted)
			KUNIT_EXPECT_EQ(test, offset_in_page(dma), at);
		edu_sees(edu, dma, data, len);
		unmap(edu, dma, len, DMA_TO_DEVICE);
		KUNIT_EXPECT_MEMEQ(test, data, mem + at, len);

		memset(mem, CANARY, 2 * PAGE_SIZE);
		fill(data, len, 100 + i);
		edu_load(edu, data, len);
		dma = map(test, edu, mem + at, len, DMA_FROM_DEVICE);
		edu_write(edu, dma, 0, len);
		unmap(edu, dma, len, DMA_FROM_DEVICE);
		KUNIT_EXPECT_MEMEQ(test, data, mem + at, len);
		KUNIT_EXPECT_TRUE(test, all(mem, CANARY, at));
		KUNIT_EXPECT_TRUE(test, all(mem + at + len, CANARY,
					    2 * PAGE_SIZE - at - len));
	}
}

/* F55, F75, F77, D3 */
static void both_sides_take_turns_with_syncs(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1) + 100, *data = pages(test, 1);
	const unsigned int len = 300;
	dma_addr_t dma;

	set_mode(test, edu);
	fill(mem, len, 1);
	dma = dma_map_page(edu->dev, virt_to_page(mem), offset_in_page(mem),
			   len, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
	edu_sees(edu, dma, data, len);
	KUNIT_EXPECT_MEMEQ(test, data, mem, len);

	dma_sync_single_for_cpu(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	fill(mem, len, 2);
	dma_sync_single_for_device(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	edu_sees(edu, dma, data, len);
	KUNIT_EXPECT_MEMEQ(test, data, mem, len);

	fill(data, len, 3);
	edu_load(edu, data, len);
	edu_write(edu, dma, 0, len);
	dma_sync_single_for_cpu(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_MEMEQ(test, data, mem, len);

	dma_sync_single_for_device(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	fill(data, len, 4);
	edu_load(edu, data, len);
	edu_write(edu, dma, 0, len);
	dma_unmap_page(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_MEMEQ(test, data, mem, len);
}

/* The bus address of a byte of a mapped list. */
static dma_addr_t address_in_list(struct scatterlist *list, int count, size_t at)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(list, sg, count, i) {
		if (at < sg_dma_len(sg))
			return sg_dma_address(sg) + at;
		at -= sg_dma_len(sg);
	}
	return DMA_MAPPING_ERROR;
}

struct piece {
	unsigned int at, len;
};

static void make_list(struct kunit *test, struct scatterlist *list, u8 **mem,
		      const struct piece *piece, unsigned int nr)
{
	unsigned int i;

	sg_init_table(list, nr);
	for (i = 0; i < nr; i++) {
		mem[i] = pages(test, 2);
		sg_set_buf(&list[i], mem[i] + piece[i].at, piece[i].len);
	}
}

static size_t list_len(struct scatterlist *list, int count)
{
	struct scatterlist *sg;
	size_t len = 0;
	int i;

	for_each_sg(list, sg, count, i)
		len += sg_dma_len(sg);
	return len;
}

/* F82, F87, F88, F91: the first and the last bytes of each entry, both ways */
static void entries_of_lists_are_reached_at_both_ends(struct kunit *test)
{
	static const struct piece piece[] = {
		{ 0, PAGE_SIZE }, { 0, PAGE_SIZE }, { 0, 100 }, { 200, 24 },
		{ PAGE_SIZE - 96, 96 }, { 0, 2 * PAGE_SIZE }, { 100, 5000 },
	};
	struct scatterlist list[ARRAY_SIZE(piece)];
	u8 *mem[ARRAY_SIZE(piece)], *data = pages(test, 1);
	struct edu *edu = &edus[0];
	size_t at, total = 0;
	unsigned int i;
	int count;

	set_mode(test, edu);
	make_list(test, list, mem, piece, ARRAY_SIZE(piece));
	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		memset(mem[i], CANARY, 2 * PAGE_SIZE);
		fill(mem[i] + piece[i].at, piece[i].len, i);
		total += piece[i].len;
	}
	count = dma_map_sg(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_GT(test, count, 0);
	KUNIT_ASSERT_LE(test, count, ARRAY_SIZE(list));
	KUNIT_ASSERT_EQ(test, list_len(list, count), total);

	for (i = 0, at = 0; i < ARRAY_SIZE(piece); at += piece[i++].len) {
		edu_read(edu, address_in_list(list, count, at), 16 * i, 8);
		edu_read(edu, address_in_list(list, count, at + piece[i].len - 8),
			 16 * i + 8, 8);
	}
	memcpy(data, edu_peek(edu, 0, 16 * i), 16 * i);
	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		u8 *first = mem[i] + piece[i].at;

		KUNIT_EXPECT_MEMEQ(test, data + 16 * i, first, 8);
		KUNIT_EXPECT_MEMEQ(test, data + 16 * i + 8,
				   first + piece[i].len - 8, 8);
	}

	fill(data, 16 * i, 99);
	edu_load(edu, data, 16 * i);
	for (i = 0, at = 0; i < ARRAY_SIZE(piece); at += piece[i++].len) {
		edu_write(edu, address_in_list(list, count, at), 16 * i, 8);
		edu_write(edu, address_in_list(list, count, at + piece[i].len - 8),
			  16 * i + 8, 8);
	}
	dma_unmap_sg(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		u8 *first = mem[i] + piece[i].at, *end = first + piece[i].len;

		KUNIT_EXPECT_MEMEQ(test, data + 16 * i, first, 8);
		KUNIT_EXPECT_MEMEQ(test, data + 16 * i + 8, end - 8, 8);
		KUNIT_EXPECT_TRUE(test, all(mem[i], CANARY, piece[i].at));
		KUNIT_EXPECT_TRUE(test, all(end, CANARY, mem[i] + 2 * PAGE_SIZE - end));
		/* The list is what it was (D2). */
		KUNIT_EXPECT_PTR_EQ(test, sg_virt(&list[i]), (void *)first);
		KUNIT_EXPECT_EQ(test, list[i].length, piece[i].len);
	}
}

/* F87, F88, F108: scattered pages are one segment for the device */
static void whole_pages_become_one_segment(struct kunit *test)
{
	static const struct piece piece[] = {
		{ 0, PAGE_SIZE }, { PAGE_SIZE, PAGE_SIZE }, { 0, 2 * PAGE_SIZE },
		{ 0, PAGE_SIZE },
	};
	struct scatterlist list[ARRAY_SIZE(piece)];
	u8 *mem[ARRAY_SIZE(piece)];
	struct edu *edu = trusted_edu(test);
	size_t len = 5 * PAGE_SIZE;
	int count;

	make_list(test, list, mem, piece, ARRAY_SIZE(piece));
	KUNIT_EXPECT_EQ(test, dma_get_merge_boundary(edu->dev), granule(edu) - 1);
	edu_load_token(edu);
	count = dma_map_sg(edu->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_ASSERT_GT(test, count, 0);
	KUNIT_EXPECT_EQ(test, count, 1);
	KUNIT_EXPECT_EQ(test, sg_dma_len(list), len);
	edu_write(edu, address_in_list(list, count, len - 4), 0, 4);
	/* One transfer across the border between two entries. */
	edu_write(edu, address_in_list(list, count, 2 * PAGE_SIZE - 2), 0, 4);
	dma_unmap_sg(edu->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem[3] + PAGE_SIZE - 4), TOKEN);
	KUNIT_EXPECT_EQ(test, *(u16 *)(mem[1] + 2 * PAGE_SIZE - 2), TOKEN & 0xffff);
	KUNIT_EXPECT_EQ(test, *(u16 *)mem[2], TOKEN >> 16);
}

/* F94, F95, F98, F100, F101, D5 */
static void coherent_memory_is_zero_and_shared_to_its_ends(struct kunit *test)
{
	static const size_t sizes[] = { 100, SZ_4K, SZ_64K + 1 };
	struct edu *edu = &edus[0];
	unsigned int i;

	set_mode(test, edu);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t len = PAGE_ALIGN(sizes[i]);
		dma_addr_t dma;
		u8 *mem = dma_alloc_coherent(edu->dev, sizes[i], &dma, GFP_KERNEL);
		u8 *last = mem + len - 4;

		KUNIT_ASSERT_NOT_NULL(test, mem);
		KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(dma));
		KUNIT_EXPECT_TRUE(test, all(mem, 0, len));
		edu_load_token(edu);
		edu_write(edu, dma, 0, 4);
		edu_write(edu, dma + len - 4, 0, 4);
		KUNIT_EXPECT_EQ(test, *(u32 *)mem, TOKEN);
		KUNIT_EXPECT_EQ(test, *(u32 *)last, TOKEN);
		*(u32 *)last = ~TOKEN;
		edu_read(edu, dma + len - 4, 0, 4);
		KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, 4), ~TOKEN);
		dma_free_coherent(edu->dev, sizes[i], mem, dma);
	}
}

/* F103, F104, F105 */
static void other_allocations_are_shared_too(struct kunit *test)
{
	struct edu *edu = &edus[0];
	const size_t len = SZ_64K;
	struct sg_table *sgt;
	struct page *page;
	dma_addr_t dma;
	u8 *mem;

	set_mode(test, edu);
	edu_load_token(edu);
	sgt = dma_alloc_noncontiguous(edu->dev, len, DMA_FROM_DEVICE,
				      GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, sgt->nents, 1);
	KUNIT_EXPECT_EQ(test, sg_dma_len(sgt->sgl), len);
	mem = dma_vmap_noncontiguous(edu->dev, len, sgt);
	KUNIT_EXPECT_NOT_NULL(test, mem);
	edu_write(edu, sg_dma_address(sgt->sgl) + len - 4, 0, 4);
	if (mem) {
		dma_sync_sgtable_for_cpu(edu->dev, sgt, DMA_FROM_DEVICE);
		invalidate_kernel_vmap_range(mem, len);
		KUNIT_EXPECT_EQ(test, *(u32 *)(mem + len - 4), TOKEN);
		dma_vunmap_noncontiguous(edu->dev, mem);
	}
	dma_free_noncontiguous(edu->dev, len, sgt, DMA_FROM_DEVICE);

	page = dma_alloc_pages(edu->dev, PAGE_SIZE, &dma, DMA_FROM_DEVICE,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	edu_write(edu, dma, 0, 4);
	dma_sync_single_for_cpu(edu->dev, dma, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)page_address(page), TOKEN);
	dma_free_pages(edu->dev, PAGE_SIZE, page, dma, DMA_FROM_DEVICE);
}

/* 2. What is not mapped cannot be reached. */

enum kind { SINGLE, PART, LIST, COHERENT, NONCONTIGUOUS };

struct try {
	const char *name;
	enum kind kind;
	bool incoherent;
};

static const struct try tries[] = {
	{ "single page", SINGLE },
	{ "part of a page", PART },
	{ "list", LIST },
	{ "coherent", COHERENT },
	{ "noncontiguous", NONCONTIGUOUS },
#ifdef CAN_BE_INCOHERENT
	{ "single page, not coherent", SINGLE, true },
	{ "coherent, not coherent", COHERENT, true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(try, tries, name);

struct attacker {
	struct edu *edu;
	const struct try *try;
	struct completion done;
	u8 *mem;		/* two pages */

	/* the mapping */
	u8 *cpu;
	dma_addr_t dma;
	struct scatterlist list[2];
	struct sg_table *sgt;

	/* the findings */
	unsigned int rounds;
	unsigned int not_mapped;
	unsigned int not_written;	/* the token, while it was mapped */
	unsigned int memory_changed;
	unsigned int memory_seen;
};

#define PART_LEN	256

/* Whether the memory stays with its owner when it is no longer mapped. */
static bool keeps_memory(struct attacker *a)
{
	return a->try->kind <= LIST;
}

static bool attacker_maps(struct attacker *a)
{
	struct device *dev = a->edu->dev;

	a->cpu = a->mem;
	memset(a->mem, SECRET, 2 * PAGE_SIZE);
	switch (a->try->kind) {
	case SINGLE:
		a->dma = dma_map_single(dev, a->cpu, PAGE_SIZE, DMA_BIDIRECTIONAL);
		return !dma_mapping_error(dev, a->dma);
	case PART:
		a->cpu += 128;
		a->dma = dma_map_single(dev, a->cpu, PART_LEN, DMA_BIDIRECTIONAL);
		return !dma_mapping_error(dev, a->dma);
	case LIST:
		sg_init_table(a->list, 2);
		sg_set_buf(&a->list[0], a->mem, PAGE_SIZE);
		sg_set_buf(&a->list[1], a->mem + PAGE_SIZE, PAGE_SIZE);
		if (!dma_map_sg(dev, a->list, 2, DMA_BIDIRECTIONAL))
			return false;
		a->dma = sg_dma_address(a->list);
		return true;
	case COHERENT:
		a->cpu = dma_alloc_coherent(dev, SZ_16K, &a->dma, GFP_KERNEL);
		break;
	case NONCONTIGUOUS:
		a->sgt = dma_alloc_noncontiguous(dev, SZ_16K, DMA_BIDIRECTIONAL,
						 GFP_KERNEL, 0);
		if (!a->sgt)
			return false;
		a->dma = sg_dma_address(a->sgt->sgl);
		a->cpu = dma_vmap_noncontiguous(dev, SZ_16K, a->sgt);
		break;
	}
	if (a->cpu)
		memset(a->cpu, SECRET, PAGE_SIZE);
	return a->cpu;
}

static void attacker_unmaps(struct attacker *a)
{
	struct device *dev = a->edu->dev;
	u32 got = 0;

	switch (a->try->kind) {
	case SINGLE:
		dma_unmap_single(dev, a->dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
		break;
	case PART:
		dma_unmap_single(dev, a->dma, PART_LEN, DMA_BIDIRECTIONAL);
		break;
	case LIST:
		dma_unmap_sg(dev, a->list, 2, DMA_BIDIRECTIONAL);
		break;
	case COHERENT:
		got = *(u32 *)a->cpu;
		dma_free_coherent(dev, SZ_16K, a->cpu, a->dma);
		break;
	case NONCONTIGUOUS:
		dma_sync_sgtable_for_cpu(dev, a->sgt, DMA_BIDIRECTIONAL);
		got = *(u32 *)a->cpu;
		dma_vunmap_noncontiguous(dev, a->cpu);
		dma_free_noncontiguous(dev, SZ_16K, a->sgt, DMA_BIDIRECTIONAL);
		break;
	}
	if (keeps_memory(a))
		got = *(u32 *)a->cpu;
	a->not_written += got != TOKEN;
}

/*
 * The device's access before the unmap leaves the translation in the IOTLB,
 * from where it must have gone. Freed memory is written to only when the
 * device could not read it, lest a failing test does harm.
 */
static void attack(struct attacker *a)
{
	u32 there = WORD(SECRET);

	if (!attacker_maps(a)) {
		a->not_mapped++;
		return;
	}
	edu_load_token(a->edu);
	edu_write(a->edu, a->dma, 0, sizeof(u32));
	attacker_unmaps(a);
	let_flush(a->edu);

	if (keeps_memory(a)) {
		memset(a->mem, CANARY, 2 * PAGE_SIZE);
		there = WORD(CANARY);
	}
	edu_read_faults(a->edu, a->dma + 8);
	if (got_through(spare_holds(a->edu, there))) {
		a->memory_seen++;
		return;
	}
	edu_write_faults(a->edu, a->dma);
	a->memory_changed += got_through(keeps_memory(a) &&
					 !all(a->mem, CANARY, 2 * PAGE_SIZE));
}

static int attacker_thread(void *arg)
{
	struct attacker *a = arg;
	unsigned int i;

	for (i = 0; i < a->rounds && !a->edu->stuck; i++)
		attack(a);
	complete(&a->done);
	return 0;
}

static unsigned int nth_cpu(unsigned int n)
{
	return cpumask_nth(n % num_online_cpus(), cpu_online_mask);
}

/* F51, F59, F61, F91, F100, D9: all devices at once, from all CPUs */
static void nothing_is_reached_after_the_unmap(struct kunit *test)
{
	const struct try *try = test->param_value;
	struct attacker *attackers, *a;
	struct task_struct *task;
	unsigned int i;

	attackers = kunit_kcalloc(test, nr_edus, sizeof(*a), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, attackers);
	for (i = 0; i < nr_edus; i++) {
		a = &attackers[i];
		a->edu = &edus[i];
		a->try = try;
		a->rounds = READ_ONCE(rounds);
		a->mem = pages(test, 2);
		init_completion(&a->done);
		if (try->incoherent)
			set_coherent(a->edu, false);
	}
	for (i = 0; i < nr_edus; i++) {
		task = kthread_run_on_cpu(attacker_thread, &attackers[i],
					  nth_cpu(i), "dmamap_edu/%u");
		if (IS_ERR(task))
			attacker_thread(&attackers[i]);
	}
	for (i = 0; i < nr_edus; i++)
		wait_for_completion(&attackers[i].done);
	for (i = 0; i < nr_edus; i++) {
		a = &attackers[i];
		KUNIT_EXPECT_EQ(test, a->not_mapped, 0);
		KUNIT_EXPECT_EQ(test, a->not_written, 0);
		KUNIT_EXPECT_EQ(test, a->memory_seen, 0);
		KUNIT_EXPECT_EQ(test, a->memory_changed, 0);
	}
}

/* Also, what was refused then is not remembered (F56). */
static void an_address_leads_nowhere_before_it_is_mapped(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1);
	dma_addr_t next, dma;

	memset(mem, CANARY, PAGE_SIZE);
	next = map(test, edu, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
	unmap(edu, next, PAGE_SIZE, DMA_BIDIRECTIONAL);
	let_flush(edu);
	edu_load_token(edu);
	edu_write_faults(edu, next);
	KUNIT_EXPECT_FALSE(test, got_through(!all(mem, CANARY, PAGE_SIZE)));
	edu_read_faults(edu, next);
	KUNIT_EXPECT_FALSE(test, got_through(spare_holds(edu, WORD(CANARY))));

	dma = map(test, edu, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
	edu_load_token(edu);
	edu_write(edu, dma, 0, sizeof(u32));
	unmap(edu, dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, *(u32 *)mem, TOKEN);
	kunit_info(test, "the address was %s that was tried before\n",
		   dma == next ? "the one" : "not the one");
}

/* F56: a mapping ends with its granules */
static void beside_a_mapping_is_nothing(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 4);
	size_t gran = granule(edu);
	dma_addr_t dma, beside;

	memset(mem, CANARY, 4 * PAGE_SIZE);
	edu_load_token(edu);
	dma = map(test, edu, mem + PAGE_SIZE, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	edu_write(edu, dma, 0, sizeof(u32));
	for (beside = dma - gran; beside <= dma + 2 * PAGE_SIZE;
	     beside += 2 * PAGE_SIZE + gran) {
		/* Another mapping may have the place. */
		if (translated(edu, beside))
			continue;
		edu_write_faults(edu, beside);
		KUNIT_EXPECT_FALSE(test, got_through(!all(mem, CANARY, PAGE_SIZE) ||
						     !all(mem + 3 * PAGE_SIZE, CANARY,
							  PAGE_SIZE)));
		edu_read_faults(edu, beside);
		KUNIT_EXPECT_FALSE(test, got_through(spare_holds(edu, WORD(CANARY))));
	}
	unmap(edu, dma, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + PAGE_SIZE), TOKEN);
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, all(mem + 3 * PAGE_SIZE, CANARY, PAGE_SIZE));
}

/*
 * F61, D9: the transfer falls some time before, while, or after the buffer is
 * unmapped. Whatever was in the memory when that returned is there to stay.
 */
static void an_unmap_that_meets_a_transfer_is_final(struct kunit *test)
{
	struct edu *edu = &edus[0];
	unsigned int i, late = 0;
	u8 *mem = pages(test, 1);

	if (is_lazy(edu))
		kunit_skip(test, "only strict mode promises that");
	edu_load_token(edu);
	for (i = 0; i < max(8U, READ_ONCE(rounds)); i++) {
		unsigned long us = TRANSFER_US + ((int)(i % 8) - 5) * 500;
		dma_addr_t dma;

		memset(mem, CANARY, PAGE_SIZE);
		dma = map(test, edu, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
		edu_start(edu, dma, 0, sizeof(u32), EDU_DMA_TO_RAM);
		usleep_range(us, us + 10);
		unmap(edu, dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
		if (*(u32 *)mem != TOKEN)
			late++;
		memset(mem, CANARY, PAGE_SIZE);
		edu_finish(edu);
		KUNIT_EXPECT_FALSE(test, got_through(!all(mem, CANARY, PAGE_SIZE)));
	}
	count_refused(late);
	kunit_info(test, "%u of %u transfers came after the unmap\n", late, i);
}

/* F48, F51: no address comes back before its old translation is forgotten */
static void a_reused_address_leads_to_the_new_memory(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *before = pages(test, 1), *now = pages(test, 1);
	unsigned int i, again = 0;
	dma_addr_t last = DMA_MAPPING_ERROR;

	edu_load_token(edu);
	for (i = 0; i < 8; i++) {
		dma_addr_t dma;

		memset(before, CANARY, PAGE_SIZE);
		memset(now, 0, PAGE_SIZE);
		dma = map(test, edu, now, PAGE_SIZE, DMA_FROM_DEVICE);
		again += dma == last;
		edu_write(edu, dma, 0, sizeof(u32));
		unmap(edu, dma, PAGE_SIZE, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, *(u32 *)now, TOKEN);
		KUNIT_EXPECT_TRUE(test, all(before, CANARY, PAGE_SIZE));
		last = dma;
		swap(before, now);
	}
	kunit_info(test, "%u of %u addresses were those of before\n", again, i);
}

/*
 * 3. F55: the direction is the right. Not so for reading what is mapped for the
 * device to write: the Arm stage 1 format has no such entry, and the VT-d
 * driver sets the read bit in each. So that is noted, not demanded. The first
 * access is the one refused, as emulators report none that they refuse because
 * of what their IOTLB holds.
 */
static void the_direction_limits_the_device(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1);
	dma_addr_t dma;
	bool seen;

	edu_load_token(edu);
	memset(mem, SECRET, PAGE_SIZE);
	dma = map(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	edu_write_faults(edu, dma);
	KUNIT_EXPECT_FALSE(test, got_through(!all(mem, SECRET, PAGE_SIZE)));
	edu_read(edu, dma, 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)),
			WORD(SECRET));
	unmap(edu, dma, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, all(mem, SECRET, PAGE_SIZE));

	edu_load_token(edu);
	dma = map(test, edu, mem, PAGE_SIZE, DMA_FROM_DEVICE);
	edu_read(edu, dma, SPARE, sizeof(u32));
	seen = spare_holds(edu, WORD(SECRET));
	count_refused(!seen);
	kunit_info(test, "a buffer mapped to be written can%s be read\n",
		   seen ? "" : "not");
	edu_write(edu, dma, 0, sizeof(u32));
	unmap(edu, dma, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)mem, TOKEN);
}

/* 4. Untrusted devices. */

/* F8: also when the kernel is booted with iommu.strict=0 */
static void an_untrusted_device_has_a_strict_domain(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);

	KUNIT_EXPECT_EQ(test, domain_of(edu)->type, IOMMU_DOMAIN_DMA);
}

/* Leave a secret in each slot there is, by mappings until no more fits. */
static void soil_slots(struct kunit *test, struct edu *edu)
{
	const unsigned long max = SZ_64M / PAGE_SIZE;
	const size_t len = PAGE_SIZE - 2;
	unsigned long nr = 0;
	dma_addr_t *dma;
	u8 *mem;

	mem = pages(test, 1);
	memset(mem, SECRET, PAGE_SIZE);
	dma = kunit_kcalloc(test, max, sizeof(*dma), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dma);
	while (nr < max) {
		dma[nr] = dma_map_single_attrs(edu->dev, mem + 1, len, DMA_TO_DEVICE,
					       DMA_ATTR_NO_WARN);
		if (dma_mapping_error(edu->dev, dma[nr]))
			break;
		nr++;
		cond_resched();
	}
	KUNIT_EXPECT_GT(test, nr, 0);
	while (nr) {
		dma_unmap_single_attrs(edu->dev, dma[--nr], len, DMA_TO_DEVICE, 0);
		cond_resched();
	}
}

/*
 * F68, F70, D8: nothing but the buffer is in its granules, and it is at the same
 * place in them when the device wants that.
 */
static void beside_a_bounced_buffer_are_zeroes(struct kunit *test)
{
	static const struct piece piece[] = {
		{ 300, 100 }, { PAGE_SIZE - 100, 200 }, { 0, 1 },
		{ 1, PAGE_SIZE - 2 },
	};
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 2), *seen = pages(test, 2);
	size_t gran = granule(edu);
	unsigned int i;

	soil_slots(test, edu);
	for (i = 0; i < 2 * ARRAY_SIZE(piece); i++) {
		unsigned int at = piece[i / 2].at, len = piece[i / 2].len;
		unsigned int first, last, span;
		dma_addr_t dma;

		dma_set_min_align_mask(edu->dev, i % 2 ? gran - 1 : 0);
		memset(mem, SECRET, 2 * PAGE_SIZE);
		fill(mem + at, len, i);
		dma = map(test, edu, mem + at, len, DMA_BIDIRECTIONAL);
		first = before(edu, dma);
		if (i % 2)
			KUNIT_EXPECT_EQ(test, first, at & (gran - 1));
		last = first + len;
		span = round_up(last, gran);
		edu_sees(edu, dma - first, seen, span);
		unmap(edu, dma, len, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_TRUE(test, all(seen, 0, first));
		KUNIT_EXPECT_MEMEQ(test, seen + first, mem + at, len);
		KUNIT_EXPECT_TRUE(test, all(seen + last, 0, span - last));
	}
}

/* F68: however small they are, and each keeps what is its own */
static void bounced_buffers_share_no_granule(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *seen = pages(test, 1);
	size_t gran = granule(edu);
	dma_addr_t dma[4];
	unsigned int i;

	fill(mem, PAGE_SIZE, 1);
	for (i = 0; i < ARRAY_SIZE(dma); i++)
		dma[i] = map(test, edu, mem + 256 * i, 100, DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(dma); i++) {
		unsigned int first = before(edu, dma[i]), last = first + 100;

		edu_sees(edu, dma[i] - first, seen, gran);
		KUNIT_EXPECT_TRUE(test, all(seen, 0, first));
		KUNIT_EXPECT_MEMEQ(test, seen + first, mem + 256 * i, 100);
		KUNIT_EXPECT_TRUE(test, all(seen + last, 0, gran - last));
	}
	while (i)
		unmap(edu, dma[--i], 100, DMA_BIDIRECTIONAL);
}

/* F66, F69: and the bytes beside the buffer, which are nobody's business */
static void what_the_device_does_not_write_stays(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_FROM_DEVICE, DMA_BIDIRECTIONAL,
	};
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *want = pages(test, 1);
	const unsigned int at = 200, len = 512;
	unsigned int i;
	dma_addr_t dma;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		fill(mem, PAGE_SIZE, i);
		memcpy(want, mem, PAGE_SIZE);
		*(u32 *)(want + at + 100) = TOKEN;
		edu_load_token(edu);
		dma = map(test, edu, mem + at, len, dirs[i]);
		edu_write(edu, dma + 100, 0, sizeof(u32));
		unmap(edu, dma, len, dirs[i]);
		KUNIT_EXPECT_MEMEQ(test, mem, want, PAGE_SIZE);
	}

	/* What the device wrote into the padding goes nowhere. */
	memset(want, TOKEN & 0xff, CHUNK);
	edu_load(edu, want, CHUNK);
	fill(mem, PAGE_SIZE, 9);
	memcpy(want, mem, PAGE_SIZE);
	memset(want + at, TOKEN & 0xff, len);
	dma = map(test, edu, mem + at, len, DMA_FROM_DEVICE);
	edu_write(edu, dma - before(edu, dma), 0, CHUNK);
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_MEMEQ(test, mem, want, PAGE_SIZE);
}

/* F69, F70: data of an earlier mapping reaches neither the device nor another */
static void a_slot_holds_nothing_of_its_last_use(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *seen = pages(test, 1);
	const unsigned int at = 64, len = 128;
	dma_addr_t dma;

	soil_slots(test, edu);
	dma = map(test, edu, mem + at, len, DMA_FROM_DEVICE);
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all(mem, 0, PAGE_SIZE));

	dma = map(test, edu, mem + at, len, DMA_BIDIRECTIONAL);
	edu_sees(edu, dma - before(edu, dma), seen, granule(edu));
	unmap(edu, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, all(seen, 0, granule(edu)));
}

/* F61, F66: a late write meets neither the buffer nor a slot in use */
static void a_late_write_does_not_reach_a_bounced_buffer(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *next = pages(test, 2);
	const unsigned int at = 200, len = 64, next_len = PAGE_SIZE + 1000;
	dma_addr_t dma, next_dma;

	memset(mem, CANARY, PAGE_SIZE);
	memset(next, CANARY, 2 * PAGE_SIZE);
	edu_load_token(edu);
	dma = map(test, edu, mem + at, len, DMA_FROM_DEVICE);
	edu_write(edu, dma + 32, 0, sizeof(u32));
	edu_start(edu, dma, 0, sizeof(u32), EDU_DMA_TO_RAM);
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + at + 32), TOKEN);
	/* On a busy host it may have been early, and is then no fault. */
	count_refused(*(u32 *)(mem + at) != TOKEN);
	memset(mem, CANARY, PAGE_SIZE);
	/* Another size, so that the address is not that of the late write. */
	next_dma = map(test, edu, next + 1, next_len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), 0);
	edu_finish(edu);
	unmap(edu, next_dma, next_len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, got_through(!all(mem, CANARY, PAGE_SIZE) ||
					     !all(next, CANARY, 2 * PAGE_SIZE)));
}

/* F72 */
static void aligned_buffers_are_not_bounced(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 2);
	dma_addr_t dma;

	edu_load_token(edu);
	dma = map(test, edu, mem, 2 * PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), virt_to_phys(mem));
	edu_write(edu, dma + PAGE_SIZE, 0, sizeof(u32));
	/* Without any sync, as emulators have no caches. */
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + PAGE_SIZE), TOKEN);
	unmap(edu, dma, 2 * PAGE_SIZE, DMA_FROM_DEVICE);

	dma = map(test, edu, mem, PAGE_SIZE + 1, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NE(test, translated(edu, dma), virt_to_phys(mem));
	unmap(edu, dma, PAGE_SIZE + 1, DMA_FROM_DEVICE);
}

/* F75: what lies beside the range stays as it is on both sides */
static void a_partial_sync_moves_only_its_range(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *want = pages(test, 1), *seen = pages(test, 1);
	u8 *buf = mem + 100;
	const unsigned int len = 600;
	dma_addr_t dma;

	fill(buf, len, 1);
	memcpy(want, buf, len);
	dma = map(test, edu, buf, len, DMA_BIDIRECTIONAL);
	memset(buf, 2, len);
	memset(want + 200, 2, 100);
	dma_sync_single_for_device(edu->dev, dma + 200, 100, DMA_BIDIRECTIONAL);
	edu_sees(edu, dma, seen, len);
	KUNIT_EXPECT_MEMEQ(test, seen, want, len);

	memset(seen, 3, len);
	edu_load(edu, seen, len);
	edu_write(edu, dma, 0, len);
	KUNIT_EXPECT_TRUE(test, all(buf, 2, len));
	memset(want, 2, len);
	memset(want + 50, 3, 20);
	dma_sync_single_for_cpu(edu->dev, dma + 50, 20, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_MEMEQ(test, buf, want, len);
	unmap(edu, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, all(buf, 3, len));
}

/* F76, F78, F79 */
static void lists_of_an_untrusted_device_are_bounced(struct kunit *test)
{
	static const struct piece piece[] = {
		{ 10, 100 }, { PAGE_SIZE - 4, 8 }, { 0, PAGE_SIZE }, { 0, 50 },
	};
	struct edu *edu = untrusted_edu(test);
	struct scatterlist list[ARRAY_SIZE(piece)], *sg;
	u8 *mem[ARRAY_SIZE(piece)], *seen = pages(test, 1);
	unsigned int first, last;
	int i, count;

	make_list(test, list, mem, piece, ARRAY_SIZE(piece));
	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		memset(mem[i], SECRET, 2 * PAGE_SIZE);
		fill(mem[i] + piece[i].at, piece[i].len, i);
	}
	count = dma_map_sg(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, count, ARRAY_SIZE(list));
	edu_load_token(edu);
	for_each_sg(list, sg, count, i) {
		KUNIT_EXPECT_EQ(test, sg_dma_len(sg), piece[i].len);
		edu_write(edu, sg_dma_address(sg) + 4, 0, sizeof(u32));
	}
	dma_sync_sg_for_cpu(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(piece); i++)
		KUNIT_EXPECT_EQ(test, *(u32 *)(mem[i] + piece[i].at + 4), TOKEN);
	fill(mem[0] + piece[0].at, piece[0].len, 77);
	dma_sync_sg_for_device(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	first = before(edu, sg_dma_address(list));
	last = first + piece[0].len;
	edu_sees(edu, sg_dma_address(list) - first, seen, granule(edu));
	KUNIT_EXPECT_TRUE(test, all(seen, 0, first));
	KUNIT_EXPECT_MEMEQ(test, seen + first, mem[0] + piece[0].at, piece[0].len);
	KUNIT_EXPECT_TRUE(test, all(seen + last, 0, granule(edu) - last));
	dma_unmap_sg(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(piece); i++)
		KUNIT_EXPECT_TRUE(test, all(mem[i], SECRET, piece[i].at));
}

/* F80, B8 (W): the mark of a bounced list does not outlive the mapping */
static void a_list_once_bounced_serves_other_devices(struct kunit *test)
{
	static const struct piece piece[] = { { 0, PAGE_SIZE }, { 0, 200 } };
	struct scatterlist list[ARRAY_SIZE(piece)];
	u8 *mem[ARRAY_SIZE(piece)];
	struct edu *other, *edu = untrusted_edu(test);
	int count;

	/* stock fails this, with a warning for each entry but the first */
	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK))
		kunit_skip(test, "stock unmaps entry by entry what is one segment");
	other = trusted_edu(test);
	make_list(test, list, mem, piece, ARRAY_SIZE(piece));
	count = dma_map_sg(edu->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, count, ARRAY_SIZE(list));
	dma_unmap_sg(edu->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);

	count = dma_map_sg(other->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_ASSERT_GT(test, count, 0);
	KUNIT_EXPECT_EQ(test, count, 1);
	edu_load_token(other);
	edu_write(other, address_in_list(list, count, PAGE_SIZE), 0, sizeof(u32));
	dma_sync_sg_for_cpu(other->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	dma_unmap_sg(other->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)mem[1], TOKEN);
}

/* F71 */
static void the_largest_mapping_is_that_of_the_bounce_buffers(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	size_t max = dma_max_mapping_size(edu->dev), len;
	dma_addr_t dma;
	u8 *mem;

	if (!IS_MODULE(CONFIG_DMAMAP_EDU_TEST))
		KUNIT_EXPECT_LE(test, max, swiotlb_max_mapping_size(edu->dev));
	KUNIT_ASSERT_GE(test, max, SZ_64K);
	/* As a slot keeps the offset, the first granule may be gone. */
	len = max - granule(edu);
	mem = pages(test, max / PAGE_SIZE + 1) + 512;
	dma = map(test, edu, mem, len, DMA_FROM_DEVICE);
	edu_load_token(edu);
	edu_write(edu, dma + len - sizeof(u32), 0, sizeof(u32));
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + len - sizeof(u32)), TOKEN);
}

/* F71 */
static void mappings_of_a_trusted_device_have_no_largest(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, dma_max_mapping_size(trusted_edu(test)->dev), SIZE_MAX);
}

/* 5. F63, F69, D6: small kmalloc() buffers of a device that is not coherent */
static void small_buffers_of_an_incoherent_device_are_bounced(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	const size_t len = 24;
	dma_addr_t dma;
	u8 *mem;

	set_coherent(edu, false);
	if (!dma_kmalloc_needs_bounce(edu->dev, len, DMA_FROM_DEVICE))
		kunit_skip(test, "a buffer of %zu bytes is safe here", len);
	mem = kunit_kmalloc(test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mem);

	memset(mem, CANARY, len);
	edu_load_token(edu);
	dma = map(test, edu, mem, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NE(test, translated(edu, dma), virt_to_phys(mem));
	edu_write(edu, dma + 8, 0, sizeof(u32));
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, len));
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + 8), TOKEN);
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, 8));
	KUNIT_EXPECT_TRUE(test, all(mem + 12, CANARY, 12));

	/* What the device only reads shares its cache lines with no writer. */
	dma = map(test, edu, mem, len, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), virt_to_phys(mem));
	edu_read(edu, dma + 8, 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)), TOKEN);
	unmap(edu, dma, len, DMA_TO_DEVICE);
}

/*
 * F83, B4 (W): in lazy mode a device may still write to a slot after the unmap.
 * Until the flush the slot must not be another mapping's. The write falls into
 * that time, and the other mappings take all slots that they can get. One that
 * got the address too is written to by right.
 */
static void a_slot_serves_nobody_else_before_the_flush(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	const size_t len = 24, step = 128;
	unsigned int nr = 0, i, max = 1024, wrong = 0;
	const u32 late = ~TOKEN;
	dma_addr_t dma, *others;
	bool made;
	u32 *slot;
	u8 *mem;

	/* stock fails this: it gives the slot back at once */
	set_coherent(edu, false);
	if (!is_lazy(edu))
		kunit_skip(test, "in strict mode the flush comes first");
	if (!dma_kmalloc_needs_bounce(edu->dev, len, DMA_FROM_DEVICE))
		kunit_skip(test, "a buffer of %zu bytes is safe here", len);
	mem = kunit_kzalloc(test, (max + 1) * step, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	others = kunit_kcalloc(test, max, sizeof(*others), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, others);

	edu_load_token(edu);
	dma = map(test, edu, mem + max * step, len, DMA_FROM_DEVICE);
	slot = phys_to_virt(translated(edu, dma));
	edu_write(edu, dma, 0, sizeof(u32));
	edu_load(edu, &late, sizeof(late));
	edu_start(edu, dma, 0, sizeof(u32), EDU_DMA_TO_RAM);
	/* Before the write, by less than the flush queue's timer. */
	usleep_range(TRANSFER_US - 5 * USEC_PER_MSEC, TRANSFER_US - 5 * USEC_PER_MSEC + 10);
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	while (nr < max) {
		others[nr] = dma_map_single_attrs(edu->dev, mem + nr * step, len,
						  DMA_FROM_DEVICE, DMA_ATTR_NO_WARN);
		if (dma_mapping_error(edu->dev, others[nr]))
			break;
		nr++;
	}
	edu_finish(edu);
	made = *slot == late;
	for (i = 0; i < nr; i++) {
		u8 *other = mem + i * step;

		dma_unmap_single_attrs(edu->dev, others[i], len, DMA_FROM_DEVICE, 0);
		if (others[i] == dma)
			made |= *(u32 *)other == late;
		else
			wrong += !all(other, 0, len);
	}
	KUNIT_EXPECT_GT(test, nr, 0);
	KUNIT_EXPECT_FALSE(test, got_through(wrong));
	count_refused(!made);
	atomic_add(made, &nr_attempts);
	atomic_add(made, &nr_in_window);
	kunit_info(test, "beside %u mappings, the late write was %s\n", nr,
		   made ? "made" : "refused");
}

/* 6. Addresses. */

/* F30, F39, D4: also when caches hold addresses from above the new mask */
static void addresses_stay_below_the_mask(struct kunit *test)
{
	static const unsigned int bits[] = { 64, 32, 28, 24, 64 };
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1);
	dma_addr_t dma[64];
	unsigned int i, n;

	edu_load_token(edu);
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		u64 mask = DMA_BIT_MASK(bits[i]);

		KUNIT_ASSERT_EQ(test, dma_set_mask(edu->dev, mask), 0);
		for (n = 0; n < ARRAY_SIZE(dma); n++) {
			dma[n] = map(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
			KUNIT_EXPECT_LE(test, dma[n] + PAGE_SIZE - 1, mask);
		}
		while (n)
			unmap(edu, dma[--n], PAGE_SIZE, DMA_TO_DEVICE);
		dma[0] = map(test, edu, mem, PAGE_SIZE, DMA_FROM_DEVICE);
		edu_write(edu, dma[0], 0, sizeof(u32));
		unmap(edu, dma[0], PAGE_SIZE, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, *(u32 *)mem, TOKEN);
		memset(mem, 0, PAGE_SIZE);
	}
}

/* F95, D5 */
static void coherent_memory_stays_below_its_own_mask(struct kunit *test)
{
	struct edu *edu = &edus[0];
	dma_addr_t dma;
	void *mem;

	KUNIT_ASSERT_EQ(test, dma_set_coherent_mask(edu->dev, DMA_BIT_MASK(28)), 0);
	mem = dma_alloc_coherent(edu->dev, SZ_64K, &dma, GFP_KERNEL);
	dma_set_coherent_mask(edu->dev, DMA_BIT_MASK(64));
	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_EXPECT_LE(test, dma + SZ_64K - 1, DMA_BIT_MASK(28));
	dma_free_coherent(edu->dev, SZ_64K, mem, dma);
}

static bool overlap(u64 first, u64 last, u64 other_first, u64 other_last)
{
	return first <= other_last && other_first <= last;
}

/* F22, F24, F25: neither in a window of the host bridge nor in a region */
static bool is_reserved(struct edu *edu, struct list_head *regions,
			dma_addr_t first, dma_addr_t last)
{
	struct pci_host_bridge *bridge = pci_find_host_bridge(edu->pdev->bus);
	struct iommu_resv_region *region;
	struct resource_entry *window;

	resource_list_for_each_entry(window, &bridge->windows)
		if (resource_type(window->res) == IORESOURCE_MEM &&
		    overlap(first, last, window->res->start - window->offset,
			    window->res->end - window->offset))
			return true;
	list_for_each_entry(region, regions, list)
		if (region->type != IOMMU_RESV_SW_MSI &&
		    overlap(first, last, region->start,
			    region->start + region->length - 1))
			return true;
	return false;
}

struct filled {
	struct edu *edu;
	struct page *page;
	unsigned int nr;
	dma_addr_t dma[1100];		/* 4 GiB of them, and some */
	struct list_head regions;
};

static void empty(void *arg)
{
	struct filled *f = arg;

	while (f->nr)
		dma_unmap_page(f->edu->dev, f->dma[--f->nr], SZ_4M, DMA_TO_DEVICE);
	iommu_put_resv_regions(f->edu->dev, &f->regions);
	__free_pages(f->page, HUGE_ORDER);
}

/*
 * F22, F24, F25, F31, F32: all addresses below 4 GiB are given out, as 4 MiB
 * of memory mapped again and again, and only then those above. The last
 * device, as it is left with the larger addresses.
 */
static void addresses_above_4_gib_come_last(struct kunit *test)
{
	struct edu *edu = &edus[nr_edus - 1];
	struct filled *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	/* By iommu.forcedac=1, or as they have been used up before. */
	bool forced = !edu->dev->iommu->pci_32bit_workaround;
	bool high = false;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "IOVAs of 32 bits");
	KUNIT_ASSERT_NOT_NULL(test, f);
	f->edu = edu;
	INIT_LIST_HEAD(&f->regions);
	f->page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, HUGE_ORDER);
	if (!f->page)
		kunit_skip(test, "no 4 MiB of memory in one piece");
	iommu_get_resv_regions(edu->dev, &f->regions);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, empty, f), 0);

	while (f->nr < ARRAY_SIZE(f->dma) && !high) {
		dma_addr_t dma = dma_map_page(edu->dev, f->page, 0, SZ_4M,
					      DMA_TO_DEVICE);

		KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
		f->dma[f->nr++] = dma;
		high = !forced && dma + SZ_4M > BIT_ULL(32);
		if (forced)
			KUNIT_EXPECT_GE(test, dma, BIT_ULL(32));
		KUNIT_EXPECT_FALSE_MSG(test, is_reserved(edu, &f->regions, dma,
							 dma + SZ_4M - 1),
				       "%pad is reserved", &dma);
	}
	KUNIT_EXPECT_TRUE(test, high || forced);
	*(u32 *)page_address(f->page) = TOKEN;
	dma_sync_single_for_device(edu->dev, f->dma[f->nr - 1], SZ_4M, DMA_TO_DEVICE);
	edu_read(edu, f->dma[f->nr - 1], 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)), TOKEN);

	/* Nothing is in two places, and 32 bits are used up. */
	for (i = 1; i < f->nr; i++)
		KUNIT_EXPECT_NE(test, f->dma[i - 1], f->dma[i]);
	kunit_info(test, "%u times 4 MiB, the last at %pad\n", f->nr,
		   &f->dma[f->nr - 1]);
}

/* 7. F126, F138: others come and go beside a mapping that is in use. */

struct churn {
	struct edu *edu;
	struct completion done;
	u8 *mem;
	bool stop;
	unsigned int seed;
	unsigned long mapped;
};

#define CHURN_PAGES	8
#define CHURN_LIVE	16

static int churn_thread(void *arg)
{
	struct churn *c = arg;
	struct device *dev = c->edu->dev;
	struct {
		dma_addr_t dma;
		size_t len;
	} live[CHURN_LIVE] = { };
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, c->seed);
	do {
		size_t at, len;

		i = prandom_u32_state(&rnd) % CHURN_LIVE;
		if (live[i].len)
			dma_unmap_single(dev, live[i].dma, live[i].len, DMA_TO_DEVICE);
		at = prandom_u32_state(&rnd) % (CHURN_PAGES * PAGE_SIZE);
		len = prandom_u32_state(&rnd) % (CHURN_PAGES * PAGE_SIZE - at) + 1;
		/* No bouncing here: there are not slots enough for all. */
		if (c->edu->pdev->untrusted) {
			at = round_down(at, PAGE_SIZE);
			len = round_up(len, PAGE_SIZE);
		}
		live[i].len = 0;
		live[i].dma = dma_map_single(dev, c->mem + at, len, DMA_TO_DEVICE);
		if (!dma_mapping_error(dev, live[i].dma)) {
			live[i].len = len;
			c->mapped++;
		}
		cond_resched();
	} while (!READ_ONCE(c->stop));
	for (i = 0; i < CHURN_LIVE; i++)
		if (live[i].len)
			dma_unmap_single(dev, live[i].dma, live[i].len, DMA_TO_DEVICE);
	complete(&c->done);
	return 0;
}

static void a_live_mapping_survives_others_beside_it(struct kunit *test)
{
	unsigned int i, nr = min(num_online_cpus(), 4U), started = 0;
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 2), *data = pages(test, 1);
	const size_t len = 2 * PAGE_SIZE;
	struct churn *churns;
	unsigned long mapped = 0;
	dma_addr_t dma;

	churns = kunit_kcalloc(test, nr, sizeof(*churns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, churns);
	for (i = 0; i < nr; i++) {
		churns[i].edu = edu;
		churns[i].seed = 1000 + i;
		churns[i].mem = pages(test, CHURN_PAGES);
		init_completion(&churns[i].done);
	}
	dma = map(test, edu, mem, len, DMA_BIDIRECTIONAL);
	for (; started < nr; started++)
		if (IS_ERR(kthread_run_on_cpu(churn_thread, &churns[started],
					      nth_cpu(started), "dmamap_edu/%u")))
			break;
	for (i = 0; i < max(4U, READ_ONCE(rounds) / 10); i++) {
		fill(data, CHUNK, i);
		edu_load(edu, data, CHUNK);
		edu_write(edu, dma + PAGE_SIZE - CHUNK / 2, 0, CHUNK);
		dma_sync_single_for_cpu(edu->dev, dma, len, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_MEMEQ(test, data, mem + PAGE_SIZE - CHUNK / 2, CHUNK);
		fill(mem, CHUNK, 100 + i);
		dma_sync_single_for_device(edu->dev, dma, len, DMA_BIDIRECTIONAL);
		edu_sees(edu, dma, data, CHUNK);
		KUNIT_EXPECT_MEMEQ(test, data, mem, CHUNK);
	}
	for (i = 0; i < started; i++)
		WRITE_ONCE(churns[i].stop, true);
	for (i = 0; i < started; i++) {
		wait_for_completion(&churns[i].done);
		mapped += churns[i].mapped;
	}
	unmap(edu, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, started, nr);
	KUNIT_EXPECT_GT(test, mapped, 0);
	kunit_info(test, "%lu mappings came and went\n", mapped);
}

/* 8. Interrupts. */

/* F111, F112, F113, F25: the doorbell is mapped where it has to be */
static void message_signalled_interrupts_arrive(struct kunit *test)
{
	struct edu *edu;
	int irq, ret;

	for (edu = edus; edu < edus + nr_edus; edu++) {
		reinit_completion(&edu->irq);
		ret = pci_alloc_irq_vectors(edu->pdev, 1, 1, PCI_IRQ_MSI);
		KUNIT_ASSERT_EQ(test, ret, 1);
		irq = pci_irq_vector(edu->pdev, 0);
		ret = request_irq(irq, edu_interrupt, 0, "dmamap_edu", edu);
		KUNIT_EXPECT_EQ(test, ret, 0);
		if (!ret) {
			writel(1, edu->regs + EDU_IRQ_RAISE);
			KUNIT_EXPECT_TRUE(test, interrupted(edu));
			edu_start(edu, edu->window_dma, 0, sizeof(u32), EDU_DMA_IRQ);
			KUNIT_EXPECT_TRUE(test, interrupted(edu));
			edu_finish(edu);
			free_irq(irq, edu);
		}
		pci_free_irq_vectors(edu->pdev);
	}
}

/* 9. Memory of another PCI device. */

struct lent {
	struct pci_dev *lender;
	void *mem;
};

static void give_back(void *arg)
{
	struct lent *lent = arg;

	if (lent->mem)
		pci_free_p2pmem(lent->lender, lent->mem, PAGE_SIZE);
	pci_dev_put(lent->lender);
}

/* A page of it, which the device reaches through the host bridge. */
static u32 *device_page(struct kunit *test, struct edu *edu)
{
	struct lent *lent = kunit_kzalloc(test, sizeof(*lent), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, lent);
	lent->lender = pci_p2pmem_find(edu->dev);
	if (!lent->lender)
		kunit_skip(test, "no device has memory that this one reaches");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, give_back, lent));
	lent->mem = pci_alloc_p2pmem(lent->lender, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, lent->mem);
	return lent->mem;
}

/*
 * F81, F85, D9: part of a page of it, after a page of memory, in a list. That
 * of an untrusted device is mapped entry by entry, and not bounced.
 */
static void memory_of_another_device_is_reached(struct kunit *test)
{
	const unsigned int at = 256, len = 512;
	struct edu *edu = &edus[0];
	u32 *there = device_page(test, edu);
	u8 *mem = pages(test, 1);
	struct scatterlist list[2];
	dma_addr_t dma;
	int count;

	sg_init_table(list, 2);
	sg_set_buf(&list[0], mem, PAGE_SIZE);
	sg_set_page(&list[1], virt_to_page(there), len, at);
	there += at / sizeof(u32);
	WRITE_ONCE(there[0], 0);
	WRITE_ONCE(there[1], WORD(SECRET));
	count = dma_map_sg(edu->dev, list, 2, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, count, 2);
	dma = address_in_list(list, count, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), virt_to_phys(there));
	edu_load_token(edu);
	edu_write(edu, dma, 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, READ_ONCE(there[0]), TOKEN);
	edu_read(edu, dma + sizeof(u32), 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)), WORD(SECRET));
	edu_load_token(edu);
	edu_write(edu, address_in_list(list, count, 8), 0, sizeof(u32));
	dma_unmap_sg(edu->dev, list, 2, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + 8), TOKEN);

	let_flush(edu);
	WRITE_ONCE(there[0], WORD(CANARY));
	edu_write_faults(edu, dma);
	KUNIT_EXPECT_FALSE(test, got_through(READ_ONCE(there[0]) != WORD(CANARY)));
}

static struct kunit_case dmamap_edu_cases[] = {
	KUNIT_CASE_PARAM(single_buffers_arrive_both_ways, mode_gen_params),
	KUNIT_CASE_PARAM(both_sides_take_turns_with_syncs, mode_gen_params),
	KUNIT_CASE_PARAM(entries_of_lists_are_reached_at_both_ends, mode_gen_params),
	KUNIT_CASE(whole_pages_become_one_segment),
	KUNIT_CASE_PARAM(coherent_memory_is_zero_and_shared_to_its_ends,
			 mode_gen_params),
	KUNIT_CASE_PARAM(other_allocations_are_shared_too, mode_gen_params),
	KUNIT_CASE_PARAM(nothing_is_reached_after_the_unmap, try_gen_params),
	KUNIT_CASE(an_address_leads_nowhere_before_it_is_mapped),
	KUNIT_CASE(beside_a_mapping_is_nothing),
	KUNIT_CASE(an_unmap_that_meets_a_transfer_is_final),
	KUNIT_CASE(a_reused_address_leads_to_the_new_memory),
	KUNIT_CASE(the_direction_limits_the_device),
	KUNIT_CASE(an_untrusted_device_has_a_strict_domain),
	KUNIT_CASE(beside_a_bounced_buffer_are_zeroes),
	KUNIT_CASE(bounced_buffers_share_no_granule),
	KUNIT_CASE(what_the_device_does_not_write_stays),
	KUNIT_CASE(a_slot_holds_nothing_of_its_last_use),
	KUNIT_CASE(a_late_write_does_not_reach_a_bounced_buffer),
	KUNIT_CASE(aligned_buffers_are_not_bounced),
	KUNIT_CASE(a_partial_sync_moves_only_its_range),
	KUNIT_CASE(lists_of_an_untrusted_device_are_bounced),
	KUNIT_CASE(a_list_once_bounced_serves_other_devices),
	KUNIT_CASE(the_largest_mapping_is_that_of_the_bounce_buffers),
	KUNIT_CASE(mappings_of_a_trusted_device_have_no_largest),
	KUNIT_CASE(small_buffers_of_an_incoherent_device_are_bounced),
	KUNIT_CASE(a_slot_serves_nobody_else_before_the_flush),
	KUNIT_CASE(addresses_stay_below_the_mask),
	KUNIT_CASE(coherent_memory_stays_below_its_own_mask),
	KUNIT_CASE(a_live_mapping_survives_others_beside_it),
	KUNIT_CASE(message_signalled_interrupts_arrive),
	KUNIT_CASE(memory_of_another_device_is_reached),
	KUNIT_CASE(addresses_above_4_gib_come_last),
	{ }
};

static struct kunit_suite dmamap_edu_suite = {
	.name = "dmamap_edu",
	.suite_init = dmamap_edu_suite_init,
	.suite_exit = dmamap_edu_suite_exit,
	.init = edu_test_init,
	.exit = edu_test_exit,
	.test_cases = dmamap_edu_cases,
};

kunit_test_suite(dmamap_edu_suite);

MODULE_DESCRIPTION("KUnit tests of DMA mapping with QEMU's edu device");
MODULE_LICENSE("GPL");
