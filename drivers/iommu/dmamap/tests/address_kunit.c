// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which addresses mappings get.
 */

#include <linux/dma-map-ops.h>
#include <linux/iommu-dma.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "../../dma-iommu.h"
#include "dmamap_kunit.h"

void addresses_stay_below_the_mask(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned int bits;

	/* F30, D4 */
	for (bits = 64; bits >= 13; bits--) {
		dma_addr_t addr;

		KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(bits)), 0);
		addr = map_mmio(dev, MMIO, GRANULE);
		KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
		KUNIT_EXPECT_LE(test, addr + GRANULE - 1, DMA_BIT_MASK(bits));
		unmap_mmio(dev, addr, GRANULE);
	}
}

void addresses_stay_below_the_bus_limit(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* F30, D4 */
	needs_64_bits(test);
	dev->bus_dma_limit = DMA_BIT_MASK(36);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(36));
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, GRANULE);
}

void a_forced_aperture_limits_addresses(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F30 */
	needs_64_bits(test);
	config_of(test)->aperture_end = DMA_BIT_MASK(35);
	dev = platform(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(35));
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(34));
	unmap_mmio(dev, addr, GRANULE);
}

void an_aperture_not_forced_limits_nothing(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F30 */
	needs_64_bits(test);
	config_of(test)->aperture_end = DMA_BIT_MASK(35);
	config_of(test)->force_aperture = false;
	dev = platform(test);
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(40)), 0);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(39));
	unmap_mmio(dev, addr, GRANULE);
}

void pci_devices_get_32_bit_addresses_first(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	dma_addr_t addr, large[5];
	unsigned int i;

	/* F31 */
	needs_64_bits(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(32));
	KUNIT_EXPECT_TRUE(test, dev->iommu->pci_32bit_workaround);
	unmap_mmio(dev, addr, GRANULE);
	for (i = 0; i < ARRAY_SIZE(large); i++) {
		large[i] = map_mmio(dev, MMIO + i * SZ_1G, SZ_1G);
		KUNIT_ASSERT_NE(test, large[i], DMA_MAPPING_ERROR);
	}
	/* Now there is no room left below 4 GiB, and it is not tried again. */
	KUNIT_EXPECT_GT(test, large[i - 1], DMA_BIT_MASK(32));
	KUNIT_EXPECT_FALSE(test, dev->iommu->pci_32bit_workaround);
	addr = map_mmio(dev, MMIO, 8 * GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, 8 * GRANULE);
	while (i)
		unmap_mmio(dev, large[--i], SZ_1G);
}

/* Use up what is below 4 GiB, and let it go again; @dev has left it then. */
static void leave_low_addresses(struct kunit *test, struct device *dev)
{
	dma_addr_t large[5];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(large); i++) {
		large[i] = map_mmio(dev, MMIO + i * SZ_1G, SZ_1G);
		KUNIT_ASSERT_NE(test, large[i], DMA_MAPPING_ERROR);
	}
	KUNIT_ASSERT_FALSE(test, dev->iommu->pci_32bit_workaround);
	while (i)
		unmap_mmio(dev, large[--i], SZ_1G);
}

void a_device_that_left_low_addresses_gets_high_ones(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	dma_addr_t low, addr;

	/* F31 */
	needs_64_bits(test);
	if (!IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "the stock allocator caches all alike");
	low = map_mmio(dev, MMIO, 2 * GRANULE);
	KUNIT_ASSERT_LE(test, low, DMA_BIT_MASK(32));
	leave_low_addresses(test, dev);
	unmap_mmio(dev, low, 2 * GRANULE);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, GRANULE);
}

void freed_low_addresses_are_kept_for_those_who_need_them(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	dma_addr_t low[4], addr;
	unsigned int i;

	/* F31 */
	needs_64_bits(test);
	if (!IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "the stock allocator caches all alike");
	leave_low_addresses(test, dev);
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	for (i = 0; i < ARRAY_SIZE(low); i++) {
		low[i] = map_mmio(dev, MMIO, GRANULE);
		KUNIT_ASSERT_LE(test, low[i], DMA_BIT_MASK(32));
	}
	while (i)
		unmap_mmio(dev, low[--i], GRANULE);
	/* The mask may change: then other addresses come, and these later. */
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(64)), 0);
	addr = map_mmio(dev, MMIO, SZ_64K);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, SZ_64K);
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	for (i = 0; i < ARRAY_SIZE(low); i++) {
		low[i] = map_mmio(dev, MMIO, GRANULE);
		KUNIT_EXPECT_LE(test, low[i], DMA_BIT_MASK(32));
	}
	while (i)
		unmap_mmio(dev, low[--i], GRANULE);
}

void low_addresses_that_were_freed_keep_a_device_low(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	dma_addr_t large[3], addr;
	unsigned int i, round;

	/* F31 */
	needs_64_bits(test);
	if (!IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "the stock allocator gives up with what is cached");
	for (round = 0; round < 20; round++) {
		/* 3 of the 4 GiB: it takes places of small ones that are free. */
		for (i = 0; i < ARRAY_SIZE(large); i++) {
			large[i] = map_mmio(dev, MMIO + i * SZ_1G, SZ_1G);
			KUNIT_EXPECT_LE(test, large[i], DMA_BIT_MASK(32));
		}
		while (i)
			unmap_mmio(dev, large[--i], SZ_1G);
		for (i = 0; i < 100; i++) {
			addr = map_mmio(dev, MMIO, GRANULE << (i % 11));
			KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(32));
			unmap_mmio(dev, addr, GRANULE << (i % 11));
		}
	}
	KUNIT_EXPECT_TRUE(test, dev->iommu->pci_32bit_workaround);
}

void forcedac_gives_pci_devices_high_addresses(struct kunit *test)
{
	bool was = iommu_dma_forcedac;
	struct device *dev;
	dma_addr_t addr;

	/* F31 */
	needs_64_bits(test);
	iommu_dma_forcedac = true;
	dev = new_pci(test);
	mock_device_add(dev);
	iommu_dma_forcedac = was;
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, GRANULE);
}

void other_devices_get_high_addresses_at_once(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* F31 */
	needs_64_bits(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, GRANULE);
}

void ranges_and_their_ends_fit_an_unsigned_long(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr = map_mmio(dev, MMIO, GRANULE);

	/* F30: the IOMMU API would cut what does not */
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_LE(test, addr + GRANULE, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), MMIO);
	unmap_mmio(dev, addr, GRANULE);
}

void with_no_address_left_mapping_fails(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F33, D1 */
	small_aperture(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_EQ(test, addr, DMA_MAPPING_ERROR);
	give_back(test);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

void a_size_above_the_aperture_fails(struct kunit *test)
{
	struct device *dev;

	/* F33, CVE-2023-52910 */
	small_aperture(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, SMALL * GRANULE),
			DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, SZ_1G), DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, SIZE_MAX / 2 + 1),
			DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

void freed_small_ranges_serve_large_requests(struct kunit *test)
{
	struct device *dev;

	/* F32 */
	small_aperture(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	give_back(test);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, SZ_64K), SMALL / 16 - 1);
}

void addresses_are_naturally_aligned(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned long pages;

	/* F34 */
	for (pages = 1; pages <= 100; pages++) {
		dma_addr_t addr = map_mmio(dev, MMIO, pages * GRANULE);

		KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(addr, GRANULE *
						   roundup_pow_of_two(pages)));
		unmap_mmio(dev, addr, pages * GRANULE);
	}
}

/* stock fails this */
void a_page_above_1_gib_does_not_take_2_gib(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F34, B16 */
	needs_gap_tree(test);
	config_of(test)->aperture_start = SZ_1G;
	config_of(test)->aperture_end = 2ULL * SZ_1G + SZ_256M - 1;
	dev = platform(test);
	addr = map_mmio(dev, MMIO + SZ_2M, SZ_1G + GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	unmap_mmio(dev, addr, SZ_1G + GRANULE);
}

/* stock fails this */
void a_large_mapping_fails_only_without_a_hole(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F34, B16: a page of 1 GiB would be nice, but it need not be */
	needs_gap_tree(test);
	config_of(test)->aperture_start = SZ_1G + SZ_64M;
	config_of(test)->aperture_end = 2ULL * SZ_1G + SZ_256M - 1;
	dev = platform(test);
	addr = map_mmio(dev, MMIO, SZ_1G + GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	unmap_mmio(dev, addr, SZ_1G + GRANULE);
}

void a_large_mapping_crosses_no_4_gib_boundary(struct kunit *test)
{
	const size_t size = SZ_1G + SZ_512M + GRANULE;
	struct device *dev;
	dma_addr_t addrs[8];
	unsigned int i;

	/* F34, D4 */
	needs_64_bits(test);
	config_of(test)->aperture_end = (dma_addr_t)32 * SZ_1G - 1;
	dev = platform(test);
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		addrs[i] = map_mmio(dev, MMIO + i * 2ULL * SZ_1G, size);
		KUNIT_ASSERT_NE(test, addrs[i], DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, upper_32_bits(addrs[i]),
				upper_32_bits(addrs[i] + size - 1));
	}
	while (i)
		unmap_mmio(dev, addrs[--i], size);
}

void a_contiguous_buffer_is_mapped_with_large_pages(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr = map_mmio(dev, MMIO + SZ_2M, SZ_64M);

	/* F115 */
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), SZ_64M / SZ_2M);
	unmap_mmio(dev, addr, SZ_64M);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

/* stock fails this */
void an_offset_buffer_is_mapped_with_large_pages(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* 384 granules up to the first 2 MiB, 31 times 2 MiB, 128 granules */
	needs_gap_tree(test);
	addr = map_mmio(dev, MMIO + SZ_512K, SZ_64M);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_LE(test, mock_live_pages(dev), 384 + 31 + 128);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_64M);
	unmap_mmio(dev, addr, SZ_64M);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void large_pages_give_way_to_scarce_addresses(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* All there is are 64 MiB, for 64 MiB at another offset. */
	config_of(test)->aperture_start = SZ_64M;
	config_of(test)->aperture_end = SZ_128M - 1;
	dev = platform(test);
	addr = map_mmio(dev, MMIO + SZ_512K, SZ_64M);
	KUNIT_EXPECT_EQ(test, addr, SZ_64M);
	unmap_mmio(dev, addr, SZ_64M);
}

void a_mapping_may_exceed_4_gib(struct kunit *test)
{
	const size_t size = (size_t)(5ULL * SZ_1G + GRANULE);
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* F56, F59: sizes are not cut to 32 bits anywhere */
	needs_64_bits(test);
	addr = map_mmio(dev, MMIO + GRANULE, size);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), size);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr + size - 1),
			MMIO + GRANULE + size - 1);
	unmap_mmio(dev, addr, size);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

void every_mapping_of_random_size_is_exact(struct kunit *test)
{
	struct device *dev = platform(test);
	size_t sizes[32], sum = 0;
	dma_addr_t addrs[32];
	unsigned int i, round;

	/* F34, F57, F59, with the addresses that large pages ask for */
	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(addrs); i++) {
			phys_addr_t phys = MMIO + below(test, SZ_1M) * GRANULE;

			sizes[i] = (1 + below(test, 1UL << below(test, 12))) *
				   GRANULE;
			addrs[i] = map_mmio(dev, phys, sizes[i]);
			KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addrs[i]));
			KUNIT_EXPECT_EQ(test, phys_at(dev, addrs[i]), phys);
			KUNIT_EXPECT_EQ(test, phys_at(dev, addrs[i] + sizes[i] - 1),
					phys + sizes[i] - 1);
			sum += sizes[i];
		}
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), sum);
		for (i = 0; i < ARRAY_SIZE(addrs); i++) {
			unmap_mmio(dev, addrs[i], sizes[i]);
			sum -= sizes[i];
			KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), sum);
		}
	}
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
}
