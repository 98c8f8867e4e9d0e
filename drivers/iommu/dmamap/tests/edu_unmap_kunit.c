// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of wrong unmaps with a bus master: "edu", see edu_kunit.c.
 *
 * 1. Each wrong unmap is refused and reported.  Then the device still reaches all of
 *    the mapping and its neighbours, and the right unmap works.
 * 2. A line "expected warning:" announces the report with all it says to the tool
 *    that judges the log.  The first ten reports of a driver are printed, so each
 *    test binds it anew.
 * 3. No test provokes a fault.
 */

#include <linux/gfp.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../dmamap.h"
#include "edu_kunit.h"

static bool registered;

static int edu_unmap_init(struct kunit *test)
{
	int ret;

	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK))
		kunit_skip(test, "stock does not say what went wrong");
	if (PAGE_SIZE != SZ_4K)
		kunit_skip(test, "needs pages of 4 KiB");
	ret = edu_register();
	registered = !ret;
	return ret ?: edu_test_init(test);
}

static void edu_unmap_exit(struct kunit *test)
{
	edu_test_exit(test);
	if (registered)
		edu_unregister();
	registered = false;
}

/* Debugging of the DMA API shows the first wrong call since boot, and no other. */
static void expect_dma_debug_report(struct edu *edu)
{
	static bool shown;

	if (!IS_ENABLED(CONFIG_DMA_API_DEBUG) || shown)
		return;
	pr_info("expected warning: DMA-API: %s %s: device driver\n",
		dev_driver_string(edu->dev), dev_name(edu->dev));
	shown = true;
}

/* The next call is reported with these words. */
static void expect_report(struct edu *edu, dma_addr_t dma, size_t size,
			  const char *found)
{
	pr_info("expected warning: %s %s: unmap of IOVA %pad, %zu bytes: %s\n",
		dev_driver_string(edu->dev), dev_name(edu->dev), &dma, size,
		found);
	expect_dma_debug_report(edu);
}

/* Stock does not count; its suite is skipped. */
static int refused(struct edu *edu)
{
	if (!IS_ENABLED(CONFIG_IOMMU_DMAMAP))
		return 0;
	return atomic_read(&dmamap_cookie(edu->dev)->bad_unmaps);
}

static dma_addr_t map(struct kunit *test, struct edu *edu, void *mem, size_t size)
{
	dma_addr_t dma = dma_map_single(edu->dev, mem, size, DMA_FROM_DEVICE);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
	return dma;
}

static void unmap(struct edu *edu, dma_addr_t dma, size_t size)
{
	dma_unmap_single(edu->dev, dma, size, DMA_FROM_DEVICE);
}

/* An unmap of this range is refused, with a report in these words. */
static void expect_refused(struct kunit *test, struct edu *edu, dma_addr_t dma,
			   size_t size, const char *found)
{
	int before = refused(edu);

	expect_report(edu, dma, size, found);
	unmap(edu, dma, size);
	KUNIT_EXPECT_EQ(test, refused(edu), before + 1);
}

/* The device writes to each page; the memory is not cached by anyone. */
static void expect_reached(struct kunit *test, struct edu *edu, dma_addr_t dma,
			   u8 *mem, size_t size)
{
	size_t at;

	edu_load_token(edu);
	for (at = 0; at < size; at += PAGE_SIZE) {
		u32 *word = (u32 *)(mem + at);

		WRITE_ONCE(*word, 0);
		edu_write(edu, dma + at, 0, sizeof(*word));
		KUNIT_EXPECT_EQ_MSG(test, READ_ONCE(*word), TOKEN,
				    "byte %zu of %pad", at, &dma);
	}
}

static int find(dma_addr_t one, const dma_addr_t *dma, unsigned int nr)
{
	while (nr)
		if (dma[--nr] == one)
			return nr;
	return -1;
}

/* What is free is handed out once, and nothing of @live. */
static void expect_no_address_twice(struct kunit *test, struct edu *edu,
				    const dma_addr_t *live, unsigned int nr_live)
{
	enum { NR = 256 };
	dma_addr_t *dma = kunit_kcalloc(test, NR, sizeof(*dma), GFP_KERNEL);
	u8 *mem = pages(test, 1);
	unsigned int i, twice = 0;

	KUNIT_ASSERT_NOT_NULL(test, dma);
	for (i = 0; i < NR; i++) {
		dma[i] = dma_map_single(edu->dev, mem, PAGE_SIZE, DMA_TO_DEVICE);
		KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma[i]));
		twice += find(dma[i], dma, i) >= 0 ||
			 find(round_down(dma[i], SZ_16K), live, nr_live) >= 0;
	}
	while (i)
		dma_unmap_single(edu->dev, dma[--i], PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, twice, 0);
}

/* Three mappings side by side, from the lowest address on. */

struct three {
	struct edu *edu;
	dma_addr_t dma[3];
	u8 *mem[3];
};

#define TRIES	32

static void map_three(struct kunit *test, struct three *t)
{
	dma_addr_t dma[TRIES];
	int i, mid = -1;
	u8 *mem[TRIES];

	t->edu = trusted_edu(test);
	/* What other tests have freed lies scattered in the flush queue and in caches. */
	if (IS_ENABLED(CONFIG_IOMMU_DMAMAP)) {
		msleep(100);
		iova_drain(&dmamap_cookie(t->edu->dev)->iovad);
	}
	for (i = 0; i < TRIES; i++) {
		mem[i] = pages(test, 4);
		dma[i] = map(test, t->edu, mem[i], SZ_16K);
	}
	for (i = 0; i < TRIES && mid < 0; i++)
		if (find(dma[i] - SZ_16K, dma, TRIES) >= 0 &&
		    find(dma[i] + SZ_16K, dma, TRIES) >= 0)
			mid = i;
	for (i = 0; mid >= 0 && i < 3; i++) {
		int nr = find(dma[mid] + (i - 1) * SZ_16K, dma, TRIES);

		t->dma[i] = dma[nr];
		t->mem[i] = mem[nr];
	}
	for (i = 0; i < TRIES; i++)
		if (mid < 0 || find(dma[i], t->dma, 3) < 0)
			unmap(t->edu, dma[i], SZ_16K);
	KUNIT_ASSERT_GE_MSG(test, mid, 0, "no three mappings side by side");
}

static void expect_three_reached(struct kunit *test, struct three *t)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		expect_reached(test, t->edu, t->dma[i], t->mem[i], SZ_16K);
}

/* All is as it was. */
static void unmap_three(struct kunit *test, struct three *t)
{
	unsigned int i;

	expect_three_reached(test, t);
	expect_no_address_twice(test, t->edu, t->dma, 3);
	for (i = 0; i < 3; i++) {
		unmap(t->edu, t->dma[i], SZ_16K);
		KUNIT_EXPECT_EQ(test, translated(t->edu, t->dma[i]), 0);
		KUNIT_EXPECT_EQ(test, 0, translated(t->edu,
						    t->dma[i] + SZ_16K - 1));
	}
}

static const struct wrong {
	const char *name;
	int at;			/* from the mapping in the middle */
	size_t size;
	const char *found;
} wrongs[] = {
	{ "the byte above", 1, SZ_16K,
	  "two mappings, the first of 16384 bytes" },
	{ "the byte below", -1, SZ_16K,
	  "inside a mapping of 16384 bytes that begins 12288 below" },
	{ "the granule above", SZ_4K, SZ_16K,
	  "inside a mapping of 16384 bytes that begins 4096 below" },
	{ "the granule below", -SZ_4K, SZ_16K,
	  "inside a mapping of 16384 bytes that begins 12288 below" },
	{ "the first granule", 0, SZ_4K,
	  "a part of a mapping of 16384 bytes" },
	{ "a granule in the middle", SZ_8K, SZ_4K,
	  "inside a mapping of 16384 bytes that begins 8192 below" },
	{ "the last granule", SZ_8K + SZ_4K, SZ_4K,
	  "inside a mapping of 16384 bytes that begins 12288 below" },
	{ "a granule less", 0, SZ_16K - SZ_4K,
	  "a part of a mapping of 16384 bytes" },
	{ "a granule more", 0, SZ_16K + SZ_4K,
	  "two mappings, the first of 16384 bytes" },
	{ "a byte more", 0, SZ_16K + 1,
	  "two mappings, the first of 16384 bytes" },
	{ "two mappings", 0, SZ_32K,
	  "two mappings, the first of 16384 bytes" },
	{ "three mappings", -SZ_16K, SZ_32K + SZ_16K,
	  "several mappings, the first of 16384 bytes" },
	{ "0 bytes", 0, 0, "not a size" },
	{ "all bytes there are", 0, SIZE_MAX, "not a size" },
};

KUNIT_ARRAY_PARAM_DESC(wrong, wrongs, name);

static void a_wrong_unmap_is_refused(struct kunit *test)
{
	const struct wrong *wrong = test->param_value;
	struct three t;

	map_three(test, &t);
	expect_refused(test, t.edu, t.dma[1] + wrong->at, wrong->size,
		       wrong->found);
	unmap_three(test, &t);
}

static void what_was_never_mapped_is_refused(struct kunit *test)
{
	struct three t;

	map_three(test, &t);
	expect_refused(test, t.edu, SZ_64K, SZ_4K, "not mapped");
	unmap_three(test, &t);
}

static void address_0_is_refused(struct kunit *test)
{
	struct three t;

	map_three(test, &t);
	expect_refused(test, t.edu, 0, SZ_4K, "not mapped");
	unmap_three(test, &t);
}

static void a_second_unmap_is_refused(struct kunit *test)
{
	dma_addr_t dma;
	struct three t;

	map_three(test, &t);
	dma = map(test, t.edu, pages(test, 4), SZ_16K);
	unmap(t.edu, dma, SZ_16K);
	expect_refused(test, t.edu, dma, SZ_16K, "not mapped");
	unmap_three(test, &t);
}

static void a_second_unmap_after_the_flush_is_refused(struct kunit *test)
{
	dma_addr_t dma;
	struct three t;

	if (!is_lazy(trusted_edu(test)))
		kunit_skip(test, "strict unmaps wait for no flush");
	map_three(test, &t);
	dma = map(test, t.edu, pages(test, 4), SZ_16K);
	unmap(t.edu, dma, SZ_16K);
	let_flush(t.edu);
	expect_refused(test, t.edu, dma, SZ_16K, "not mapped");
	unmap_three(test, &t);
}

static void free_huge(void *mem)
{
	free_pages((unsigned long)mem, get_order(SZ_2M));
}

static void a_page_of_a_block_is_refused(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	dma_addr_t dma;
	u8 *mem;

	mem = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_NOWARN, get_order(SZ_2M));
	if (!mem)
		kunit_skip(test, "no 2 MiB in one piece");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_huge, mem));
	dma = map(test, edu, mem, SZ_2M);
	expect_refused(test, edu, dma + SZ_1M, SZ_4K,
		       "inside a mapping of 2097152 bytes that begins 1048576 below");
	expect_reached(test, edu, dma, mem, SZ_4K);
	expect_reached(test, edu, dma + SZ_1M, mem + SZ_1M, SZ_4K);
	expect_reached(test, edu, dma + SZ_2M - SZ_4K, mem + SZ_2M - SZ_4K, SZ_4K);
	unmap(edu, dma, SZ_2M);
	KUNIT_EXPECT_EQ(test, translated(edu, dma + SZ_1M), 0);
}

/* Lists: pages in an entry that lie in one piece, and entries that do not. */

#define ENTRIES	3

struct list {
	struct edu *edu;
	struct scatterlist sgl[ENTRIES];
	u8 *mem[ENTRIES];
	unsigned int max_size;
	unsigned long boundary;
	size_t entry;
};

/* Each entry is a segment, and ends at most at @boundary. */
static void map_list(struct kunit *test, struct list *l, unsigned int each,
		     unsigned long boundary)
{
	struct device *dev;
	unsigned int i;

	l->edu = trusted_edu(test);
	l->entry = each * PAGE_SIZE;
	dev = l->edu->dev;
	l->boundary = dma_get_seg_boundary(dev);
	l->max_size = dma_get_max_seg_size(dev);
	dma_set_seg_boundary(dev, boundary);
	dma_set_max_seg_size(dev, l->entry);
	sg_init_table(l->sgl, ENTRIES);
	for (i = 0; i < ENTRIES; i++) {
		l->mem[i] = pages(test, 8);
		sg_set_buf(&l->sgl[i], l->mem[i], l->entry);
	}
	KUNIT_ASSERT_EQ(test, ENTRIES, dma_map_sg(dev, l->sgl, ENTRIES,
						  DMA_FROM_DEVICE));
}

static void unmap_list(struct kunit *test, struct list *l)
{
	struct device *dev = l->edu->dev;
	unsigned int i;

	for (i = 0; i < ENTRIES; i++)
		expect_reached(test, l->edu, sg_dma_address(&l->sgl[i]),
			       l->mem[i], l->entry);
	dma_unmap_sg(dev, l->sgl, ENTRIES, DMA_FROM_DEVICE);
	for (i = 0; i < ENTRIES; i++)
		KUNIT_EXPECT_EQ(test, 0, translated(l->edu,
						    sg_dma_address(&l->sgl[i])));
	dma_set_seg_boundary(dev, l->boundary);
	dma_set_max_seg_size(dev, l->max_size);
}

static void a_list_by_its_first_entry_is_refused(struct kunit *test)
{
	struct list l;

	map_list(test, &l, 1, DMA_BIT_MASK(32));
	expect_refused(test, l.edu, sg_dma_address(l.sgl), SZ_4K,
		       "a part of a mapping of 12288 bytes");
	unmap_list(test, &l);
}

static void a_list_by_its_first_segments_is_refused(struct kunit *test)
{
	struct list l;

	map_list(test, &l, 1, DMA_BIT_MASK(32));
	expect_report(l.edu, sg_dma_address(l.sgl), SZ_8K,
		      "a part of a mapping of 12288 bytes");
	dma_unmap_sg(l.edu->dev, l.sgl, 2, DMA_FROM_DEVICE);
	unmap_list(test, &l);
}

static void a_list_with_gaps_in_one_piece_is_refused(struct kunit *test)
{
	struct list l;

	map_list(test, &l, 3, 4 * PAGE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, sg_dma_address(l.sgl + 2),
			sg_dma_address(l.sgl) + 8 * PAGE_SIZE);
	expect_refused(test, l.edu, sg_dma_address(l.sgl), 11 * PAGE_SIZE,
		       "not all of it is mapped");
	unmap_list(test, &l);
}

/* Memory for DMA: it is not freed, either. */

static void free_of_another_size(struct kunit *test, size_t size,
				 const char *found)
{
	struct edu *edu = trusted_edu(test);
	dma_addr_t dma;
	u8 *mem;

	mem = dma_alloc_coherent(edu->dev, SZ_16K, &dma, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	expect_report(edu, dma, size, found);
	dma_free_coherent(edu->dev, size, mem, dma);
	expect_reached(test, edu, dma, mem, SZ_16K);
	expect_no_address_twice(test, edu, &dma, 1);
	dma_free_coherent(edu->dev, SZ_16K, mem, dma);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), 0);
}

static void a_free_of_less_is_refused(struct kunit *test)
{
	free_of_another_size(test, SZ_4K, "a part of a mapping of 16384 bytes");
}

/* What lies behind it is not known. */
static void a_free_of_more_is_refused(struct kunit *test)
{
	free_of_another_size(test, SZ_32K, "");
}

/* Mappings that are not of memory of the driver's own. */

static void a_resource_by_its_physical_address_is_refused(struct kunit *test)
{
	struct edu *edu = trusted_edu(test), *other = &edus[nr_edus - 1];
	phys_addr_t phys = pci_resource_start(other->pdev, 0);
	dma_addr_t dma;

	if (edu == other)
		kunit_skip(test, "needs two devices");
	dma = dma_map_resource(edu->dev, phys, SZ_4K, DMA_BIDIRECTIONAL, 0);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
	expect_report(edu, phys, SZ_4K, "not mapped");
	dma_unmap_resource(edu->dev, phys, SZ_4K, DMA_BIDIRECTIONAL, 0);
	/* The first register says what it is. */
	edu_read(edu, dma, 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)),
			readl(other->regs));
	dma_unmap_resource(edu->dev, dma, SZ_4K, DMA_BIDIRECTIONAL, 0);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), 0);
}

static void what_another_call_mapped_is_refused(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	u8 *mem = pages(test, 1);

	KUNIT_ASSERT_EQ(test, 0, iommu_map(domain_of(edu), SZ_16M,
					   virt_to_phys(mem), SZ_4K,
					   IOMMU_READ | IOMMU_WRITE, GFP_KERNEL));
	expect_refused(test, edu, SZ_16M, SZ_4K, "mapped by another call");
	expect_reached(test, edu, SZ_16M, mem, SZ_4K);
	KUNIT_EXPECT_EQ(test, iommu_unmap(domain_of(edu), SZ_16M, SZ_4K), SZ_4K);
}

/* Where the IOMMU translates messages, and elsewhere. */
static void an_msi_page_is_refused(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	struct pci_dev *pdev = edu->pdev;
	u32 low = 0, high = 0;
	dma_addr_t page;
	int cap, ret;

	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	KUNIT_ASSERT_EQ(test, ret, 1);
	ret = request_irq(pci_irq_vector(pdev, 0), edu_interrupt, 0,
			  "dmamap_edu", edu);
	KUNIT_EXPECT_EQ(test, ret, 0);
	if (ret)
		goto free_vectors;
	cap = pci_find_capability(pdev, PCI_CAP_ID_MSI);
	pci_read_config_dword(pdev, cap + PCI_MSI_ADDRESS_LO, &low);
	pci_read_config_dword(pdev, cap + PCI_MSI_ADDRESS_HI, &high);
	page = round_down((u64)high << 32 | low, SZ_4K);
	expect_refused(test, edu, page, SZ_4K,
		       translated(edu, page) ? "mapped by another call" : "not mapped");
	reinit_completion(&edu->irq);
	writel(1, edu->regs + EDU_IRQ_RAISE);
	KUNIT_EXPECT_TRUE(test, interrupted(edu));
	free_irq(pci_irq_vector(pdev, 0), edu);
free_vectors:
	pci_free_irq_vectors(pdev);
}

static struct kunit_case edu_unmap_cases[] = {
	KUNIT_CASE_PARAM(a_wrong_unmap_is_refused, wrong_gen_params),
	KUNIT_CASE(what_was_never_mapped_is_refused),
	KUNIT_CASE(address_0_is_refused),
	KUNIT_CASE(a_second_unmap_is_refused),
	KUNIT_CASE(a_second_unmap_after_the_flush_is_refused),
	KUNIT_CASE(a_page_of_a_block_is_refused),
	KUNIT_CASE(a_list_by_its_first_entry_is_refused),
	KUNIT_CASE(a_list_by_its_first_segments_is_refused),
	KUNIT_CASE(a_list_with_gaps_in_one_piece_is_refused),
	KUNIT_CASE(a_free_of_less_is_refused),
	KUNIT_CASE(a_free_of_more_is_refused),
	KUNIT_CASE(a_resource_by_its_physical_address_is_refused),
	KUNIT_CASE(what_another_call_mapped_is_refused),
	KUNIT_CASE(an_msi_page_is_refused),
	{ }
};

static struct kunit_suite edu_unmap_suite = {
	.name = "dmamap_edu_unmap",
	.init = edu_unmap_init,
	.exit = edu_unmap_exit,
	.test_cases = edu_unmap_cases,
};

kunit_test_suite(edu_unmap_suite);
