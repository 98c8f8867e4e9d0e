// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an unmap makes an emulated IOMMU invalidate.
 *
 * Theory of operation
 * ===================
 *
 * 1. How many invalidations there were, and of what, only the hardware can
 *    say.  QEMU traces each command that its IOMMUs take.  So each test here
 *    announces what it is about to do, in a line of the console, and does it;
 *    tools/kernel/invalidations then compares the lines with the trace.
 *
 * 2. Each test has a region of 4 GiB of its own, REGION(n), that no other test
 *    maps anything in: commands are told apart by their addresses.  A line is
 *
 *	iommu_inval: NAME from FIRST to LAST groups N leaf L
 *
 *    for "the commands that concern the region, taken in groups that one wait
 *    each ends, are N, and together they cover FIRST to LAST and at most twice
 *    as much"; L is 1 where they may spare walk caches, 0 where they must not,
 *    and 2 where either is right.
 *
 * 3. Nothing is ever read or written through the mappings, so any physical
 *    addresses will do.
 *
 * 4. The devices are two of QEMU's edu, with a driver that does nothing: a
 *    device meets its IOMMU when it gets a driver, on some machines.  One has a
 *    domain of the tests' own; the other is used through the DMA API.  There
 *    an address is not chosen, but comes again late: a test maps once more, and
 *    sees that it gets another address, which it keeps to the end of the suite.
 *
 * 5. A flush queue flushes all of a domain.  How often it did is counted
 *    between two unmaps in regions of their own:
 *
 *	iommu_inval: NAME between FIRST and LAST flushes at most N
 *
 * 6. Device TLBs need an emulated device with ATS, which edu has not: a virtio
 *    device that no driver uses.  Its lines are
 *
 *	iommu_inval: NAME from FIRST to LAST devices N
 *
 *    for "N commands to device TLBs concern the region", and
 *
 *	iommu_inval: NAME between FIRST and LAST flushes its domain
 *
 *    for "between the unmaps of two pages all of their domain is flushed, and all
 *    of a device TLB before the same wait".
 */

#include <kunit/test.h>

#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../io-pgtable/inval.h"

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define VIRTIO_VENDOR	0x1af4
#define VIRTIO_RNG	0x1044

#define REGION(n)	((u64)((n) + 1) << 32)
#define MEMORY		(2ULL * SZ_1G)	/* where a mapping leads by default */
#define PROT		(IOMMU_READ | IOMMU_WRITE)

#define QUEUE		255	/* entries, in a flush queue that is full */
#define QUEUE_MS	10	/* that an entry waits at most */
#define LAZY_UNMAPS	(4 * QUEUE)

static struct pci_dev *edu, *api_edu;
static struct iommu_domain *domain;

/* What DMA API tests keep to the end. */
static struct {
	void *buffer;
	dma_addr_t dma;
	size_t size;
} kept[4];

static unsigned int nr_kept;

static void announce(struct kunit *test, u64 first, u64 size,
		     unsigned int groups, unsigned int leaf)
{
	pr_info("iommu_inval: %s from %#llx to %#llx groups %u leaf %u\n",
		test->name, first, first + size - 1, groups, leaf);
}

static void map(struct kunit *test, u64 iova, phys_addr_t phys, size_t size)
{
	KUNIT_ASSERT_EQ(test, 0, iommu_map(domain, iova, phys, size, PROT,
					   GFP_KERNEL));
}

/* Pages that do not follow each other in memory. */
static void map_scattered(struct kunit *test, u64 iova, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		map(test, iova + i * SZ_4K, MEMORY + 2 * i * SZ_4K, SZ_4K);
}

static void unmap(struct kunit *test, u64 iova, size_t size)
{
	KUNIT_EXPECT_EQ(test, size, iommu_unmap(domain, iova, size));
}

static void a_page_takes_one(struct kunit *test)
{
	announce(test, REGION(0), SZ_4K, 1, 1);
	map(test, REGION(0), MEMORY, SZ_4K);
	unmap(test, REGION(0), SZ_4K);
}

static void sixteen_scattered_pages_take_one(struct kunit *test)
{
	announce(test, REGION(1), SZ_64K, 1, 1);
	map_scattered(test, REGION(1), 16);
	unmap(test, REGION(1), SZ_64K);
}

static void sixty_three_pages_take_one(struct kunit *test)
{
	announce(test, REGION(2), 63 * SZ_4K, 1, 1);
	map_scattered(test, REGION(2), 63);
	unmap(test, REGION(2), 63 * SZ_4K);
}

static void pages_across_2_mib_take_no_more_than_twice(struct kunit *test)
{
	u64 iova = REGION(3) + SZ_2M - SZ_4K;

	announce(test, iova, SZ_8K, 1, 1);
	map_scattered(test, iova, 2);
	unmap(test, iova, SZ_8K);
}

static void pages_across_1_gib_take_no_more_than_twice(struct kunit *test)
{
	u64 iova = REGION(4) + SZ_1G - SZ_4K;

	announce(test, iova, SZ_8K, 1, 1);
	map_scattered(test, iova, 2);
	unmap(test, iova, SZ_8K);
}

static void uneven_parts_on_both_sides_of_1_gib(struct kunit *test)
{
	u64 iova = REGION(5) + SZ_1G - 5 * SZ_4K;

	announce(test, iova, 38 * SZ_4K, 1, 1);
	map_scattered(test, iova, 38);
	unmap(test, iova, 38 * SZ_4K);
}

static void a_block_takes_one(struct kunit *test)
{
	announce(test, REGION(6), SZ_2M, 1, 1);
	map(test, REGION(6), MEMORY, SZ_2M);
	unmap(test, REGION(6), SZ_2M);
}

static void blocks_and_pages_together_take_one(struct kunit *test)
{
	u64 iova = REGION(7) + SZ_2M - 2 * SZ_4K;
	size_t size = SZ_2M + 5 * SZ_4K;

	announce(test, iova, size, 1, 2);
	map(test, iova, MEMORY + SZ_2M - 2 * SZ_4K, size);
	unmap(test, iova, size);
}

static void huge_blocks_blocks_and_pages_take_one(struct kunit *test)
{
	size_t size = SZ_1G + SZ_2M + SZ_4K;

	announce(test, REGION(8), size, 1, 2);
	map(test, REGION(8), MEMORY, size);
	unmap(test, REGION(8), size);
}

static void a_table_full_of_pages_takes_one(struct kunit *test)
{
	announce(test, REGION(9), SZ_2M, 1, 2);
	map_scattered(test, REGION(9), 512);
	unmap(test, REGION(9), SZ_2M);
}

/* More than are kept for the next time, so some go, and walk caches with them. */
static void tables_that_go_take_walk_caches_with_them(struct kunit *test)
{
	announce(test, REGION(10), 128UL * SZ_2M, 1, 0);
	map_scattered(test, REGION(10), 128 * 512);
	unmap(test, REGION(10), 128UL * SZ_2M);
}

static void unmaps_of_neighbours_take_one_each(struct kunit *test)
{
	size_t i;

	announce(test, REGION(11), 8 * SZ_4K, 8, 1);
	map_scattered(test, REGION(11), 8);
	for (i = 0; i < 8; i++)
		unmap(test, REGION(11) + i * SZ_4K, SZ_4K);
}

static void maps_take_none(struct kunit *test)
{
	announce(test, REGION(12), SZ_4M, 0, 2);
	map(test, REGION(12), MEMORY, SZ_4M);
	map(test, REGION(12) + SZ_4M, MEMORY + SZ_4K, SZ_4K);
}

/* Where a driver does not see the hole, it invalidates more. */
static void what_was_cleared_before_a_hole_is_invalidated(struct kunit *test)
{
	announce(test, REGION(13), 3 * SZ_4K, 1, 2);
	pr_info("expected warning: unmap finds no mapping\n");
	map_scattered(test, REGION(13), 3);
	KUNIT_EXPECT_EQ(test, 3 * SZ_4K,
			iommu_unmap(domain, REGION(13), 4 * SZ_4K));
}

/* As iommufd does it: hardware may keep a page as dirty, and not note it again. */
static void pages_that_are_cleaned_are_invalidated(struct kunit *test)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty;

	map(test, REGION(16), MEMORY, SZ_16K);
	announce(test, REGION(16), SZ_16K, 1, 2);
	iommu_dirty_bitmap_init(&dirty, NULL, &gather);
	iommu_dirty_bitmap_record(&dirty, REGION(16), SZ_8K);
	iommu_dirty_bitmap_record(&dirty, REGION(16) + SZ_8K, SZ_8K);
	iommu_iotlb_sync(domain, &gather);
}

static void no_dirty_page_takes_none(struct kunit *test)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty;

	map(test, REGION(17), MEMORY, SZ_16K);
	announce(test, REGION(17), SZ_16K, 0, 2);
	iommu_dirty_bitmap_init(&dirty, NULL, &gather);
	iommu_iotlb_sync(domain, &gather);
}

static bool lazy(void)
{
	return iommu_get_domain_for_dev(&api_edu->dev)->type ==
	       IOMMU_DOMAIN_DMA_FQ;
}

static void *api_buffer(struct kunit *test, size_t size)
{
	struct iommu_domain *api_domain;
	void *buffer;

	if (!api_edu)
		kunit_skip(test, "there is no second edu device");
	api_domain = iommu_get_domain_for_dev(&api_edu->dev);
	if (!api_domain || !(api_domain->type & __IOMMU_DOMAIN_DMA_API))
		kunit_skip(test, "the DMA API does not use the IOMMU");
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(&api_edu->dev, DMA_BIT_MASK(32)));
	buffer = kzalloc(size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buffer);
	return buffer;
}

static dma_addr_t api_map(struct kunit *test, void *buffer, size_t size)
{
	dma_addr_t dma = dma_map_single(&api_edu->dev, buffer, size,
					DMA_BIDIRECTIONAL);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(&api_edu->dev, dma));
	return dma;
}

static void keep(struct kunit *test, void *buffer, dma_addr_t dma, size_t size)
{
	KUNIT_ASSERT_LT(test, nr_kept, ARRAY_SIZE(kept));
	kept[nr_kept].buffer = buffer;
	kept[nr_kept].size = size;
	kept[nr_kept++].dma = dma;
}

static void dma_unmap_single_takes_one_unless_lazy(struct kunit *test)
{
	void *buffer = api_buffer(test, SZ_16K);
	dma_addr_t dma = api_map(test, buffer, SZ_16K);

	announce(test, dma, SZ_16K, lazy() ? 0 : 1, 1);
	dma_unmap_single(&api_edu->dev, dma, SZ_16K, DMA_BIDIRECTIONAL);
	keep(test, buffer, api_map(test, buffer, SZ_16K), SZ_16K);
	KUNIT_EXPECT_NE(test, dma, kept[nr_kept - 1].dma);
}

static void dma_unmap_sg_takes_one_unless_lazy(struct kunit *test)
{
	enum { ENTRIES = 16 };
	struct scatterlist *list;
	struct sg_table table;
	dma_addr_t dma;
	u8 *buffer;
	int i;

	buffer = api_buffer(test, 2 * ENTRIES * SZ_4K);
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&table, ENTRIES, GFP_KERNEL));
	for_each_sg(table.sgl, list, ENTRIES, i)
		sg_set_buf(list, buffer + 2 * i * SZ_4K, SZ_4K);
	KUNIT_ASSERT_EQ(test, 0, dma_map_sgtable(&api_edu->dev, &table,
						 DMA_BIDIRECTIONAL, 0));
	dma = sg_dma_address(table.sgl);
	announce(test, dma, ENTRIES * SZ_4K, lazy() ? 0 : 1, 1);
	dma_unmap_sgtable(&api_edu->dev, &table, DMA_BIDIRECTIONAL, 0);
	sg_free_table(&table);
	keep(test, buffer, api_map(test, buffer, ENTRIES * SZ_4K),
	     ENTRIES * SZ_4K);
	KUNIT_EXPECT_NE(test, dma, kept[nr_kept - 1].dma);
}

static void mark(struct kunit *test, u64 iova)
{
	map(test, iova, MEMORY, SZ_4K);
	unmap(test, iova, SZ_4K);
}

static void lazy_unmaps_take_a_flush_for_a_full_queue(struct kunit *test)
{
	u8 *buffer = api_buffer(test, SZ_4K);
	unsigned long begin, ms;
	dma_addr_t dma;
	int i;

	if (!lazy()) {
		kfree(buffer);
		kunit_skip(test, "the domain is not lazy");
	}
	mark(test, REGION(14));
	begin = jiffies;
	for (i = 0; i < LAZY_UNMAPS; i++) {
		dma = api_map(test, buffer, SZ_4K);
		dma_unmap_single(&api_edu->dev, dma, SZ_4K, DMA_BIDIRECTIONAL);
	}
	ms = jiffies_to_msecs(jiffies - begin);
	mark(test, REGION(15));
	pr_info("iommu_inval: %s between %#llx and %#llx flushes at most %lu\n",
		test->name, REGION(14), REGION(15),
		LAZY_UNMAPS / QUEUE + ms / QUEUE_MS + 2);
	kfree(buffer);
}

/* A device with ATS, which a test attaches to the domain, too. */
static struct pci_dev *ats_device(struct kunit *test)
{
	struct pci_dev *ats = pci_get_device(VIRTIO_VENDOR, VIRTIO_RNG, NULL);

	if (!ats || !pci_ats_supported(ats))
		kunit_skip(test, "there is no device with ATS");
	return ats;
}

static void detach(struct pci_dev *ats)
{
	iommu_detach_device(domain, &ats->dev);
	pci_dev_put(ats);
}

/* The page table may have given tables back before flushes reached the device. */
static void an_attached_device_begins_with_a_flush(struct kunit *test)
{
	struct pci_dev *ats = ats_device(test);

	pr_info("iommu_inval: %s between %#llx and %#llx flushes its domain\n",
		test->name, REGION(18), REGION(19));
	mark(test, REGION(18));
	KUNIT_EXPECT_EQ(test, 0, iommu_attach_device(domain, &ats->dev));
	mark(test, REGION(19));
	detach(ats);
}

static void walk_caches_go_without_device_tlbs(struct kunit *test)
{
	struct pci_dev *ats = ats_device(test);

	KUNIT_EXPECT_EQ(test, 0, iommu_attach_device(domain, &ats->dev));
	/* The page takes both, the table that makes room for the block only one. */
	announce(test, REGION(20), SZ_2M, 2, 2);
	pr_info("iommu_inval: %s from %#llx to %#llx devices 1\n", test->name,
		REGION(20), REGION(20) + SZ_2M - 1);
	map(test, REGION(20), MEMORY, SZ_4K);
	unmap(test, REGION(20), SZ_4K);
	map(test, REGION(20), MEMORY, SZ_2M);
	detach(ats);
}

static int inval_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	if (!edu)
		edu = pdev;
	else if (!api_edu)
		api_edu = pdev;
	return 0;
}

static const struct pci_device_id inval_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};

static struct pci_driver inval_driver = {
	.name = "iommu_inval",
	.id_table = inval_ids,
	.probe = inval_probe,
};

static int inval_suite_init(struct kunit_suite *suite)
{
	struct iommu_domain *paging;
	int ret;

	ret = pci_register_driver(&inval_driver);
	if (ret || !edu || !device_iommu_mapped(&edu->dev))
		return ret;
	paging = iommu_paging_domain_alloc(&edu->dev);
	if (IS_ERR(paging))
		return PTR_ERR(paging);
	ret = iommu_attach_device(paging, &edu->dev);
	if (ret) {
		iommu_domain_free(paging);
		return ret;
	}
	domain = paging;
	return 0;
}

static void inval_suite_exit(struct kunit_suite *suite)
{
	while (nr_kept--) {
		dma_unmap_single(&api_edu->dev, kept[nr_kept].dma,
				 kept[nr_kept].size, DMA_BIDIRECTIONAL);
		kfree(kept[nr_kept].buffer);
	}
	nr_kept = 0;
	if (domain) {
		iommu_detach_device(domain, &edu->dev);
		iommu_domain_free(domain);
		domain = NULL;
	}
	edu = NULL;
	api_edu = NULL;
	pci_unregister_driver(&inval_driver);
}

static int inval_init(struct kunit *test)
{
	if (!domain)
		kunit_skip(test, "there is no edu device behind an IOMMU");
	return 0;
}

static struct kunit_case inval_cases[] = {
	KUNIT_CASE(a_page_takes_one),
	KUNIT_CASE(sixteen_scattered_pages_take_one),
	KUNIT_CASE(sixty_three_pages_take_one),
	KUNIT_CASE(pages_across_2_mib_take_no_more_than_twice),
	KUNIT_CASE(pages_across_1_gib_take_no_more_than_twice),
	KUNIT_CASE(uneven_parts_on_both_sides_of_1_gib),
	KUNIT_CASE(a_block_takes_one),
	KUNIT_CASE(blocks_and_pages_together_take_one),
	KUNIT_CASE(huge_blocks_blocks_and_pages_take_one),
	KUNIT_CASE(a_table_full_of_pages_takes_one),
	KUNIT_CASE_SLOW(tables_that_go_take_walk_caches_with_them),
	KUNIT_CASE(unmaps_of_neighbours_take_one_each),
	KUNIT_CASE(maps_take_none),
	KUNIT_CASE(what_was_cleared_before_a_hole_is_invalidated),
	KUNIT_CASE(pages_that_are_cleaned_are_invalidated),
	KUNIT_CASE(no_dirty_page_takes_none),
	KUNIT_CASE(dma_unmap_single_takes_one_unless_lazy),
	KUNIT_CASE(dma_unmap_sg_takes_one_unless_lazy),
	KUNIT_CASE(lazy_unmaps_take_a_flush_for_a_full_queue),
	KUNIT_CASE(an_attached_device_begins_with_a_flush),
	KUNIT_CASE(walk_caches_go_without_device_tlbs),
	{}
};

static struct kunit_suite inval_suite = {
	.name = "iommu_inval",
	.suite_init = inval_suite_init,
	.suite_exit = inval_suite_exit,
	.init = inval_init,
	.test_cases = inval_cases,
};

/* What needs no device. */

#define PAGES	256UL	/* of a space small enough to try all of its ranges */

/* Pages of the smallest aligned power of two around [from, to]. */
static u64 block_around(u64 from, u64 to)
{
	u64 pages = 1;

	while ((from ^ to) & ~(pages - 1))
		pages *= 2;
	return pages;
}

static void parts_cover_at_most_twice_the_range(struct kunit *test)
{
	u64 from, to, line, pages;

	for (from = 0; from < PAGES; from++) {
		for (to = from; to < PAGES; to++) {
			line = inval_split(from << 12, (to << 12) + 4095,
					   12, 52) >> 12;
			pages = block_around(from, to);
			if (line) {
				KUNIT_ASSERT_GT(test, line, from);
				KUNIT_ASSERT_LE(test, line, to);
				pages = block_around(from, line - 1) +
					block_around(line, to);
			}
			KUNIT_ASSERT_LE_MSG(test, pages, 2 * (to - from + 1),
					    "pages %llu to %llu", from, to);
		}
	}
}

static void a_range_is_parted_only_where_that_is_less(struct kunit *test)
{
	u64 from, to, pages;

	for (from = 0; from < PAGES; from++) {
		for (to = from; to < PAGES; to++) {
			pages = block_around(from, to);
			if (inval_split(from << 12, to << 12, 12, 52))
				KUNIT_ASSERT_GT(test, pages,
						2 * (to - from + 1));
		}
	}
}

static void what_is_too_much_for_a_block_is_parted(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, inval_split(0, SZ_2G - 1, 12, 19));
	KUNIT_EXPECT_EQ(test, SZ_1G, inval_split(0, SZ_2G - 1, 12, 18));
}

/* MAMV of a unit without page-selective invalidation, and of some with it. */
static void what_is_too_much_for_two_blocks_is_not_parted(struct kunit *test)
{
	static const unsigned int most[] = { 0, 1, 4, 6, 9, 18 };
	u64 from, to, line;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(most); i++) {
		for (from = 0; from < PAGES; from++) {
			for (to = from; to < PAGES; to++) {
				line = inval_split(from << 12, to << 12, 12,
						   most[i]) >> 12;
				if (!line)
					continue;
				KUNIT_ASSERT_LE(test, block_around(from, line - 1),
						BIT_ULL(most[i]));
				KUNIT_ASSERT_LE(test, block_around(line, to),
						BIT_ULL(most[i]));
			}
		}
	}
	KUNIT_EXPECT_EQ(test, 0, inval_split(0, SZ_4G - 1, 12, 18));
	KUNIT_EXPECT_EQ(test, 0, inval_split(SZ_4K, SZ_4G - 1, 12, 18));
	KUNIT_EXPECT_EQ(test, 0, inval_split(0, ULONG_MAX, 12, 18));
}

static void a_range_is_parted_wherever_two_blocks_do(struct kunit *test)
{
	u64 from, to, line;

	for (from = 0; from < PAGES; from++) {
		for (to = from; to < PAGES; to++) {
			if (block_around(from, to) <= 16)
				continue;
			line = to & ~(block_around(from, to) / 2 - 1);
			if (block_around(from, line - 1) <= 16 &&
			    block_around(line, to) <= 16)
				KUNIT_ASSERT_EQ(test, line << 12,
						inval_split(from << 12, to << 12,
							    12, 4));
		}
	}
}

static struct kunit_case inval_sum_cases[] = {
	KUNIT_CASE(parts_cover_at_most_twice_the_range),
	KUNIT_CASE(a_range_is_parted_only_where_that_is_less),
	KUNIT_CASE(what_is_too_much_for_a_block_is_parted),
	KUNIT_CASE(what_is_too_much_for_two_blocks_is_not_parted),
	KUNIT_CASE(a_range_is_parted_wherever_two_blocks_do),
	{}
};

static struct kunit_suite inval_sum_suite = {
	.name = "iommu_inval_sums",
	.test_cases = inval_sum_cases,
};

kunit_test_suites(&inval_suite, &inval_sum_suite);

MODULE_DESCRIPTION("KUnit tests of what unmaps make an IOMMU invalidate");
MODULE_LICENSE("GPL");
