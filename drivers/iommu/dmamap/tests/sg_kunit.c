// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists of buffers.
 */

#include <linux/dma-map-ops.h>
#include <linux/iommu-dma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "dmamap_kunit.h"
#include "sg_kunit.h"

static struct list *check_list(struct kunit *test, struct device *dev,
			       const struct piece *pieces, unsigned int nr)
{
	struct list *l = new_list(test, pieces, nr);

	map_list(test, dev, l, DMA_TO_DEVICE);
	expect_mapped(test, dev, l);
	return l;
}

void whole_granules_make_one_segment(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 0, 2 * GRANULE }, { GRANULE, GRANULE },
	};
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	struct list *l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));

	/* F78, F87, F88, F91: one range, one sync after it, one on unmap */
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 1);
	KUNIT_EXPECT_EQ(test, sg_dma_len(l->sgt.sgl), 4 * GRANULE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 4 * GRANULE);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC_MAP), 1);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 1);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

void a_segment_ends_where_a_granule_does_not(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 0, GRANULE }, { 0, 100 },
		{ 0, GRANULE }, { 512, 100 }, { 100, GRANULE - 100 },
	};
	struct device *dev = platform(test);
	struct list *l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));

	/* F82, F88 */
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 4);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 0)), 2 * GRANULE + 100);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 1)), GRANULE);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 2)), 100);
	KUNIT_EXPECT_EQ(test, sg_dma_address(nth(l, 2)) & (GRANULE - 1), 512);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 3)), GRANULE - 100);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), l->granules);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

void entries_not_used_as_segments_say_so(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 0, GRANULE }, { 0, GRANULE },
	};
	struct device *dev = platform(test);
	struct list *l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));
	unsigned int i;

	/* F88 */
	for (i = l->sgt.nents; i < ARRAY_SIZE(pieces); i++) {
		KUNIT_EXPECT_EQ(test, sg_dma_address(nth(l, i)),
				DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, i)), 0);
	}
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

void segments_stay_below_their_largest_size(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, SZ_16K }, { 0, SZ_16K }, { 0, SZ_16K }, { 0, GRANULE },
	};
	struct device *dev = platform(test);
	struct list *l;

	/* F88, D4 */
	dma_set_max_seg_size(dev, SZ_32K);
	l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 2);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

void the_largest_segment_size_may_be_all_ones(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, SZ_64K }, { 0, SZ_64K }, { 0, SZ_64K },
	};
	struct device *dev = platform(test);
	struct list *l;

	/* F88: no overflow in the sum */
	dma_set_max_seg_size(dev, UINT_MAX);
	l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 1);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

static const struct piece across_a_boundary[] = {
	{ 0, 3 * SZ_4K }, { 0, 2 * SZ_4K }, { 0, 3 * SZ_4K }, { 0, 4 * SZ_4K },
	{ 100, 2 * SZ_4K }, { 0, 4 * SZ_4K },
};

void segments_cross_no_boundary(struct kunit *test)
{
	struct device *dev = platform(test);
	struct list *l;

	/* F84, D4 */
	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	l = check_list(test, dev, across_a_boundary,
		       ARRAY_SIZE(across_a_boundary));
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

/* stock fails this */
void padding_to_a_boundary_maps_no_memory(struct kunit *test)
{
	struct device *dev = platform(test);
	struct list *l;

	/* F84, B10 */
	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	l = check_list(test, dev, across_a_boundary,
		       ARRAY_SIZE(across_a_boundary));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), l->granules);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

void a_padded_list_unmaps_without_a_warning(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	struct list *l;
	unsigned int i;

	/* F84, F91, B10: and all of its addresses come back */
	small_aperture(test);
	dev = platform(test);
	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	l = new_list(test, across_a_boundary, ARRAY_SIZE(across_a_boundary));
	for (i = 0; i < 50; i++) {
		map_list(test, dev, l, DMA_TO_DEVICE);
		unmap_list(test, dev, l, DMA_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock->collisions, 0);
}

void a_failed_list_is_as_it_was(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 100, 200 }, { 0, 2 * GRANULE }, { GRANULE + 5, GRANULE },
		{ 0, GRANULE }, { 7, 7 },
	};
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	struct list *l;
	unsigned int n, i;

	/* F57, F86, F89, B24, D2 */
	small_aperture(test);
	dev = platform(test);
	l = new_list(test, pieces, ARRAY_SIZE(pieces));
	for (n = 0; n < l->granules / GRANULE; n++) {
		int ret;

		mock->faults.map_budget = n;
		ret = dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0);
		KUNIT_EXPECT_TRUE(test, ret == -EINVAL || ret == -ENOMEM);
		expect_entries_kept(test, l);
		for (i = 0; i < ARRAY_SIZE(pieces); i++) {
			KUNIT_EXPECT_EQ(test, sg_dma_address(nth(l, i)),
					DMA_MAPPING_ERROR);
			KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, i)), 0);
		}
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	mock->faults.sync_map = true;
	KUNIT_EXPECT_NE(test, dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0), 0);
	KUNIT_EXPECT_EQ(test, dma_map_sg(dev, l->sgt.sgl, l->sgt.orig_nents,
					 DMA_TO_DEVICE), 0);
	mock->faults.sync_map = false;
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	give_back(test);
	map_list(test, dev, l, DMA_TO_DEVICE);
	expect_mapped(test, dev, l);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

void a_failed_padded_list_is_as_it_was(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	struct list *l;
	unsigned int n;

	/* F57, F84, F86, B24 */
	small_aperture(test);
	dev = platform(test);
	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	l = new_list(test, across_a_boundary, ARRAY_SIZE(across_a_boundary));
	for (n = 0; n < l->granules / GRANULE; n++) {
		mock->faults.map_budget = n;
		KUNIT_EXPECT_NE(test, dma_map_sgtable(dev, &l->sgt,
						      DMA_TO_DEVICE, 0), 0);
		expect_entries_kept(test, l);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

void a_list_may_exceed_4_gib(struct kunit *test)
{
	struct device *dev = platform(test);
	u8 *buffer = new_buffer(test, SZ_2M);
	struct scatterlist sgl[5], *seg;
	int i, nents;
	u64 sum = 0;

	needs_64_bits(test);

	/* F84, D4: never touched, so it need not be there */
	dma_set_max_seg_size(dev, UINT_MAX);
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	sg_init_table(sgl, 5);
	for (i = 0; i < 5; i++)
		sg_set_page(&sgl[i], virt_to_page(buffer), SZ_1G, 0);
	nents = dma_map_sg(dev, sgl, 5, DMA_TO_DEVICE);
	KUNIT_ASSERT_GT(test, nents, 0);
	for_each_sg(sgl, seg, nents, i) {
		dma_addr_t first = sg_dma_address(seg);
		dma_addr_t last = first + sg_dma_len(seg) - 1;

		KUNIT_EXPECT_EQ(test, upper_32_bits(first), upper_32_bits(last));
		KUNIT_EXPECT_EQ(test, phys_at(dev, first), virt_to_phys(buffer));
		KUNIT_EXPECT_EQ(test, phys_at(dev, last),
				virt_to_phys(buffer) + SZ_1G - 1);
		sum += sg_dma_len(seg);
	}
	KUNIT_EXPECT_EQ(test, sum, 5ULL * SZ_1G);
	dma_unmap_sg(dev, sgl, 5, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void a_list_longer_than_the_aperture_fails(struct kunit *test)
{
	u8 *buffer = new_buffer(test, SZ_2M);
	struct scatterlist sgl[5];
	struct device *dev;
	int i;

	/* F86, F89: also where a size_t cannot hold its length */
	config_of(test)->aperture_end = DMA_BIT_MASK(32);
	dev = platform(test);
	dma_set_max_seg_size(dev, UINT_MAX);
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	sg_init_table(sgl, 5);
	for (i = 0; i < 5; i++)
		sg_set_page(&sgl[i], virt_to_page(buffer), SZ_1G, 0);
	KUNIT_EXPECT_EQ(test, dma_map_sg(dev, sgl, 5, DMA_TO_DEVICE), 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void a_list_without_addresses_left_is_out_of_memory(struct kunit *test)
{
	static const struct piece pieces[] = { { 5, GRANULE }, { 0, GRANULE } };
	struct device *dev;
	struct list *l;

	/* F86, F89 */
	small_aperture(test);
	dev = platform(test);
	l = new_list(test, pieces, ARRAY_SIZE(pieces));
	take_all(test, dev, GRANULE);
	KUNIT_EXPECT_EQ(test, dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0),
			-ENOMEM);
	expect_entries_kept(test, l);
}

/* stock fails this */
void an_entry_may_be_as_long_as_its_length_says(struct kunit *test)
{
	static const struct piece pieces[] = { { 100, 200 } };
	struct device *dev = platform(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	needs_64_bits(test);
	/* F82, F89: rounded up, its length is no longer one of 32 bits */
	dma_set_max_seg_size(dev, UINT_MAX);
	nth(l, 0)->length = UINT_MAX - 50;
	l->before[0].length = UINT_MAX - 50;
	map_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 0)), UINT_MAX - 50);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), GRANULE + 4ULL * SZ_1G);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

void a_list_can_be_mapped_again(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 10, 20 }, { 0, 3 * GRANULE }, { 9, GRANULE },
	};
	struct device *dev = platform(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));
	unsigned int i;

	/* D2, F88, F92 */
	for (i = 0; i < 3; i++) {
		map_list(test, dev, l, DMA_BIDIRECTIONAL);
		expect_mapped(test, dev, l);
		unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	}
}

void part_of_a_table_can_be_mapped(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 0, GRANULE }, { 0, GRANULE }, { 0, GRANULE },
	};
	struct device *dev = platform(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	/* F87: entries past nents are not looked at */
	KUNIT_EXPECT_EQ(test, dma_map_sg(dev, l->sgt.sgl, 2, DMA_TO_DEVICE), 1);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 2 * GRANULE);
	dma_unmap_sg(dev, l->sgt.sgl, 2, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
}

void entries_next_to_each_other_share_large_pages(struct kunit *test)
{
	struct device *dev = platform(test);
	struct scatterlist sgl[4];
	u8 *buffer = new_buffer(test, SZ_2M);
	unsigned int i;

	/* F87, F95 */
	sg_init_table(sgl, 4);
	for (i = 0; i < 4; i++)
		sg_set_buf(&sgl[i], buffer + i * SZ_512K, SZ_512K);
	dma_set_max_seg_size(dev, SZ_4M);
	KUNIT_ASSERT_EQ(test, dma_map_sg(dev, sgl, 4, DMA_TO_DEVICE), 1);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 1);
	dma_unmap_sg(dev, sgl, 4, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void random_lists_are_mapped_exactly(struct kunit *test)
{
	static const unsigned long boundaries[] = {
		SZ_32K - 1, SZ_64K - 1, DMA_BIT_MASK(32), ULONG_MAX,
	};
	static const unsigned int largest[] = { SZ_32K, SZ_64K, UINT_MAX };
	struct device *dev = platform(test);
	struct piece pieces[16];
	unsigned int i, nr, round;
	struct list *l;

	/* F82, F84, F87, F88, F91, D4 */
	for (round = 0; round < 60; round++) {
		nr = 1 + below(test, ARRAY_SIZE(pieces));
		for (i = 0; i < nr; i++) {
			pieces[i].offset = below(test, 2) ?
				below(test, 2) * GRANULE : below(test, SZ_8K);
			pieces[i].size = below(test, 2) ?
				(1 + below(test, 4)) * GRANULE :
				1 + below(test, SZ_16K);
		}
		dma_set_max_seg_size(dev, largest[below(test, 3)]);
		dma_set_seg_boundary(dev, boundaries[below(test, 4)]);
		l = check_list(test, dev, pieces, nr);
		unmap_list(test, dev, l, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
}

void lists_are_mapped_with_small_granules(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, SZ_1K }, { SZ_1K, SZ_2K }, { 100, 200 }, { SZ_2K, SZ_2K },
	};
	struct device *dev;
	struct list *l;

	/* F19, F82 */
	config_of(test)->pgsize_bitmap = SZ_1K | SZ_2M;
	dev = platform(test);
	l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 6 * SZ_1K);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

void a_lazy_list_is_unmapped_lazily(struct kunit *test)
{
	static const struct piece pieces[] = { { 5, GRANULE }, { 0, GRANULE } };
	struct mock_iommu *mock = mock_of(test);
	unsigned long flags, flushes;
	struct device *dev;
	struct list *l;
	bool reached;

	/* F91, F36 */
	lazy(test);
	dev = platform(test);
	l = new_list(test, pieces, ARRAY_SIZE(pieces));
	map_list(test, dev, l, DMA_TO_DEVICE);
	flags = disable_irqs();
	flushes = mock_count(mock, MOCK_FLUSH_ALL);
	dma_unmap_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0);
	reached = mock_stale_pages(dev) == 3;
	flushes = mock_count(mock, MOCK_FLUSH_ALL) - flushes;
	enable_irqs(flags);
	KUNIT_EXPECT_TRUE(test, reached);
	KUNIT_EXPECT_EQ(test, flushes, 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 0);
	wait_for_flush(test);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

void a_sync_of_a_list_needs_no_walk(struct kunit *test)
{
	static const struct piece pieces[] = { { 5, 10 }, { 0, GRANULE } };
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	/* F76 */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	iommu_dma_sync_sg_for_cpu(dev, l->sgt.sgl, 2, DMA_BIDIRECTIONAL);
	iommu_dma_sync_sg_for_device(dev, l->sgt.sgl, 2, DMA_BIDIRECTIONAL);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_WALK), 0);
}

static const struct piece to_bounce[] = {
	{ 100, 200 }, { 0, GRANULE }, { GRANULE - 10, 20 }, { 0, 2 * GRANULE },
};

void lists_of_untrusted_devices_map_entry_by_entry(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	unsigned int i;

	/* F78, F79, F72, D8 */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, l->sgt.nents, l->sgt.orig_nents);
	expect_entries_kept(test, l);
	for (i = 0; i < ARRAY_SIZE(to_bounce); i++) {
		struct scatterlist *sg = nth(l, i);

		KUNIT_EXPECT_EQ(test, sg_dma_len(sg), sg->length);
		expect_reads(test, dev, sg_dma_address(sg), sg_virt(sg),
			     sg->length);
		KUNIT_EXPECT_EQ(test, is_slot(dev, phys_at(dev, sg_dma_address(sg))),
				!IS_ALIGNED(sg->offset | sg->length, GRANULE));
	}
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

void bounced_lists_are_synced_entry_by_entry(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	unsigned int i;

	/* F76 */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(to_bounce); i++) {
		struct scatterlist *sg = nth(l, i);

		scribble(dev, sg_dma_address(sg), sg->length);
	}
	dma_sync_sgtable_for_cpu(dev, &l->sgt, DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(to_bounce); i++) {
		struct scatterlist *sg = nth(l, i);

		KUNIT_EXPECT_NULL(test, memchr_inv(sg_virt(sg), 0xee,
						   sg->length));
		memset(sg_virt(sg), i, sg->length);
	}
	dma_sync_sgtable_for_device(dev, &l->sgt, DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(to_bounce); i++) {
		struct scatterlist *sg = nth(l, i);

		expect_reads(test, dev, sg_dma_address(sg), sg_virt(sg),
			     sg->length);
	}
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
}

/* stock fails this */
void a_list_forgets_that_it_was_bounced(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	struct device *other = platform(test);

	/* F80, B8 */
	map_list(test, dev, l, DMA_TO_DEVICE);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(l->sgt.sgl));

	map_list(test, other, l, DMA_TO_DEVICE);
	expect_mapped(test, other, l);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(l->sgt.sgl));
	if (!sg_dma_is_swiotlb(l->sgt.sgl))
		unmap_list(test, other, l, DMA_TO_DEVICE);
}

/* stock fails this */
void a_list_that_failed_to_bounce_forgets_it(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));

	/* F80, B8 */
	mock->faults.map_budget = 2;
	KUNIT_EXPECT_NE(test, dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0), 0);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(l->sgt.sgl));
}

void a_list_that_failed_to_bounce_is_undone(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	long before = slots_used(test, dev);
	unsigned int n;

	/* F79, F89: a slot begins with a granule, so there are 5 */
	for (n = 0; n < 5; n++) {
		mock->faults.map_budget = n;
		KUNIT_EXPECT_EQ(test, -EIO,
				dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0));
		expect_entries_kept(test, l);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
	}
}

void a_second_unmap_of_a_bounced_list_does_nothing(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	unsigned long unmaps;

	if (IS_ENABLED(CONFIG_DMA_API_DEBUG))
		kunit_skip(test, "debugging of the DMA API reports it");
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	unmaps = mock_count(mock, MOCK_UNMAP);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_UNMAP), unmaps);
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
void lists_of_noncoherent_devices_map_without_cache(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { SZ_1K, SZ_1K }, { 0, 2 * GRANULE },
	};
	struct device *dev = noncoherent(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	/* F55, F76, F78 */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	expect_mapped(test, dev, l);
	KUNIT_EXPECT_EQ(test, prot_at(dev, sg_dma_address(l->sgt.sgl)),
			IOMMU_READ | IOMMU_WRITE);
	dma_sync_sgtable_for_cpu(dev, &l->sgt, DMA_BIDIRECTIONAL);
	dma_sync_sgtable_for_device(dev, &l->sgt, DMA_BIDIRECTIONAL);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
}

void lists_with_a_small_entry_bounce_for_noncoherent_devices(struct kunit *test)
{
	static const struct piece pieces[] = { { 0, GRANULE }, { 8, 8 } };
	struct device *dev = noncoherent(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	/* F78, F63, D6 */
	if (!small_buffers_bounce(dev))
		kunit_skip(test, "kmalloc() memory is safe for DMA here");
	map_list(test, dev, l, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 2);
	KUNIT_EXPECT_FALSE(test, is_slot(dev, phys_at(dev, sg_dma_address(nth(l, 0)))));
	KUNIT_EXPECT_TRUE(test, is_slot(dev, phys_at(dev, sg_dma_address(nth(l, 1)))));
	unmap_list(test, dev, l, DMA_FROM_DEVICE);
}
#endif
