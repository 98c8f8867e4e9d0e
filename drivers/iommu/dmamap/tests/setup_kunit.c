// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who maps through the IOMMU; domains and what they keep; reserved regions.
 */

#include <linux/dma-map-ops.h>
#include <linux/iommu-dma.h>
#include <linux/msi.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/resource_ext.h>
#include <linux/sizes.h>

#include "../../dma-iommu.h"
#include "dmamap_kunit.h"

/*
 * Who uses this layer.
 */

void a_device_with_a_dma_domain_maps_through_the_iommu(struct kunit *test)
{
	struct device *dev = add(test, new_platform(test));
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F1 */
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(dev));
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	addr = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), virt_to_phys(buffer));
	expect_reads(test, dev, addr, buffer, GRANULE);
	dma_unmap_single(dev, addr, GRANULE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void a_device_with_an_identity_domain_does_not(struct kunit *test)
{
	struct device *dev;

	/* F1, F6 */
	config_of(test)->domain_type = IOMMU_DOMAIN_IDENTITY;
	dev = add(test, new_platform(test));
	KUNIT_EXPECT_FALSE(test, use_dma_iommu(dev));
}

void a_removed_device_no_longer_maps_through_the_iommu(struct kunit *test)
{
	struct device *dev = get_device(platform(test));

	/* CVE-2025-37877 */
	mock_device_remove(dev);
	if (IS_ENABLED(CONFIG_IOMMU_DMAMAP))
		KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, GRANULE),
				DMA_MAPPING_ERROR);
	else
		KUNIT_EXPECT_FALSE(test, use_dma_iommu(dev));
	put_device(dev);
}

void dma_ranges_outside_the_aperture_are_refused(struct kunit *test)
{
	struct device *dev = new_platform(test);

	/* F15, F1 */
	small_aperture(test);
	KUNIT_EXPECT_EQ(test, add_with_range(test, dev, SZ_1G, SZ_1M), 0);
	KUNIT_EXPECT_TRUE(test, mock_refused(dev));
}

void dma_ranges_partly_inside_the_aperture_are_fine(struct kunit *test)
{
	struct device *dev = new_platform(test);

	/* F15 */
	small_aperture(test);
	KUNIT_EXPECT_EQ(test, add_with_range(test, dev, SMALL_END, SZ_1G), 0);
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(dev));
}

void any_mask_is_accepted(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F2 */
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(64)), 0);
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(16)), 0);
	KUNIT_EXPECT_EQ(test, dma_set_coherent_mask(dev, DMA_BIT_MASK(16)), 0);
}

void the_required_mask_is_32_bits(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F3 */
	KUNIT_EXPECT_EQ(test, dma_get_required_mask(dev), DMA_BIT_MASK(32));
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	KUNIT_EXPECT_FALSE(test, dma_addressing_limited(dev));
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(31)), 0);
	KUNIT_EXPECT_TRUE(test, dma_addressing_limited(dev));
}

#ifdef CONFIG_DMA_NEED_SYNC
void a_coherent_device_skips_syncs(struct kunit *test)
{
	/* F4 */
	KUNIT_EXPECT_TRUE(test, dev_dma_skip_sync(platform(test)));
}

void the_first_bounce_ends_skipping_syncs(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 100);
	dma_addr_t addr;

	/* F4 */
	KUNIT_EXPECT_TRUE(test, dev_dma_skip_sync(dev));
	addr = map(test, dev, buffer, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, dev_dma_skip_sync(dev));
	dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
}
#endif

void mmap_and_p2p_are_possible(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F5 */
	KUNIT_EXPECT_TRUE(test, dma_can_mmap(dev));
	KUNIT_EXPECT_TRUE(test, dma_pci_p2pdma_supported(dev));
}

void a_live_domain_can_be_made_lazy(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr = map_mmio(dev, MMIO, GRANULE);

	/* F6, F47 */
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA_FQ);
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr));
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, dev));
	unmap_mmio(dev, addr, GRANULE);
}

void a_flush_queue_is_made_only_once(struct kunit *test)
{
	struct device *dev;

	/* F47 */
	lazy(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test,
			iommu_dma_init_fq(iommu_get_domain_for_dev(dev)), 0);
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, dev));
}

void a_group_goes_to_identity_and_back(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F6 */
	config_of(test)->domain_type = 0;
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "identity"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_IDENTITY);
	KUNIT_EXPECT_FALSE(test, use_dma_iommu(dev));
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA"), 0);
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(dev));
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, dev));
	/* A new domain: the flush queue goes with entries in it. */
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA"), 0);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

/* stock fails this */
void an_untrusted_device_is_not_made_lazy(struct kunit *test)
{
	struct device *dev = new_pci(test);

	/* F7, B5 */
	to_pci_dev(dev)->untrusted = true;
	add(test, dev);
	KUNIT_EXPECT_NE(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

/* stock fails this */
void a_group_with_an_untrusted_device_is_not_made_lazy(struct kunit *test)
{
	struct device *dev, *other;

	/* F7, B5: also when another device of the group is asked first */
	config_of(test)->one_group = true;
	dev = trusted_pci(test);
	other = new_pci(test);
	to_pci_dev(other)->untrusted = true;
	add(test, other);
	KUNIT_EXPECT_NE(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, other));
}

/* stock fails this */
void an_iommu_that_cannot_defer_is_not_made_lazy(struct kunit *test)
{
	struct device *dev;

	/* F7, B5 */
	config_of(test)->deferred_flush = false;
	dev = platform(test);
	KUNIT_EXPECT_NE(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

void an_untrusted_device_is_strict(struct kunit *test)
{
	struct device *dev = new_pci(test);

	/* F8, whatever the default of the system is */
	config_of(test)->domain_type = 0;
	to_pci_dev(dev)->untrusted = true;
	add(test, dev);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

void an_untrusted_device_gets_no_identity_domain(struct kunit *test)
{
	struct device *dev = new_pci(test);

	/* F8 */
	config_of(test)->domain_type = IOMMU_DOMAIN_IDENTITY;
	to_pci_dev(dev)->untrusted = true;
	KUNIT_EXPECT_NE(test, mock_device_add(dev), 0);
	KUNIT_EXPECT_FALSE(test, use_dma_iommu(dev));
}

/*
 * Domains and what they keep.
 */

void a_second_cookie_is_refused(struct kunit *test)
{
	struct device *dev = platform(test);
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);

	/* F11, F12: with a cookie that no device initialised */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	KUNIT_EXPECT_EQ(test, iommu_get_dma_cookie(domain), 0);
	KUNIT_EXPECT_EQ(test, iommu_get_dma_cookie(domain), -EEXIST);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_1M), -EEXIST);
	iommu_domain_free(domain);
	KUNIT_EXPECT_EQ(test, iommu_get_dma_cookie(iommu_get_domain_for_dev(dev)),
			-EEXIST);
}

void an_msi_cookie_needs_an_unmanaged_domain(struct kunit *test)
{
	struct device *dev = platform(test);
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);

	/* F10 */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_1M), 0);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_1M), -EEXIST);
	iommu_domain_free(domain);
	domain = iommu_get_domain_for_dev(dev);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_1M), -EINVAL);
}

void a_domain_without_cookie_is_released(struct kunit *test)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(platform(test));

	/* F12 */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	iommu_put_dma_cookie(domain);
	iommu_domain_free(domain);
}

void address_0_is_never_used(struct kunit *test)
{
	struct device *dev;

	/* F14, F33 */
	small_aperture(test);
	dev = platform(test);
	expect_all_used_but(test, dev, 0, GRANULE);
}

void the_aperture_may_begin_anywhere(struct kunit *test)
{
	struct device *dev;

	/* F14 */
	small_aperture(test);
	config_of(test)->aperture_start = 100 * GRANULE;
	dev = platform(test);
	expect_all_used_but(test, dev, 0, 100 * GRANULE);
}

void devices_of_a_group_share_addresses(struct kunit *test)
{
	struct device *a, *b;
	dma_addr_t addr;

	/* F16 */
	config_of(test)->one_group = true;
	a = platform(test);
	b = platform(test);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(a),
			    iommu_get_domain_for_dev(b));
	addr = map_mmio(a, MMIO, GRANULE);
	KUNIT_EXPECT_TRUE(test, is_live(b, addr));
	unmap_mmio(a, addr, GRANULE);
	KUNIT_EXPECT_FALSE(test, is_reached(b, addr));
}

void a_device_that_fits_not_its_groups_domain_is_refused(struct kunit *test)
{
	struct device *a, *b;
	dma_addr_t addr;

	/* F16, F1 */
	config_of(test)->one_group = true;
	a = platform(test);
	iommu_get_domain_for_dev(a)->geometry.aperture_start = SZ_1M;
	b = add(test, new_platform(test));
	KUNIT_EXPECT_TRUE(test, mock_refused(b));
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(a));
	addr = map_mmio(a, MMIO, GRANULE);
	KUNIT_EXPECT_FALSE(test, dma_mapping_error(a, addr));
	unmap_mmio(a, addr, GRANULE);
}

void lazy_mode_needs_the_capability(struct kunit *test)
{
	struct device *dev;

	/* F17 */
	lazy(test);
	config_of(test)->deferred_flush = false;
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

void a_granule_above_the_page_size_is_refused(struct kunit *test)
{
	struct device *dev = new_platform(test);

	/* F19, B25 */
	stock_does_not_survive(test, "has a BUG_ON() for this");
	config_of(test)->pgsize_bitmap = PAGE_SIZE * 4;
	add(test, dev);
	KUNIT_EXPECT_TRUE(test, mock_refused(dev));
}

void a_granule_below_the_page_size_maps_what_is_touched(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;
	u8 *buffer;

	/* F19, F56 */
	config_of(test)->pgsize_bitmap = SZ_1K | SZ_2M;
	dev = platform(test);
	buffer = new_buffer(test, PAGE_SIZE);
	addr = map(test, dev, buffer + SZ_1K + 100, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_1K);
	KUNIT_EXPECT_EQ(test, offset_in_page(addr) & (SZ_1K - 1), 100);
	expect_reads(test, dev, addr, buffer + SZ_1K + 100, 100);
	dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
	addr = map(test, dev, buffer + SZ_1K - 1, 2, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 2 * SZ_1K);
	dma_unmap_single(dev, addr, 2, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
}

/*
 * Reserved regions.
 */

void a_reserved_region_is_not_handed_out(struct kunit *test)
{
	struct device *dev;

	/* F24, F26: nor mapped */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_64K, IOMMU_RESV_RESERVED);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	expect_all_used_but(test, dev, SZ_64K, SZ_128K);
}

void a_region_of_part_granules_keeps_whole_ones(struct kunit *test)
{
	struct device *dev;

	/* F24 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K + 100, GRANULE,
			IOMMU_RESV_RESERVED);
	dev = platform(test);
	expect_all_used_but(test, dev, SZ_64K, SZ_64K + 2 * GRANULE);
}

void regions_may_overlap(struct kunit *test)
{
	struct device *dev;

	/* F28 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_32K, IOMMU_RESV_RESERVED);
	mock_add_region(mock_of(test), NULL, SZ_64K + SZ_8K, SZ_64K,
			IOMMU_RESV_MSI);
	mock_add_region(mock_of(test), NULL, SZ_64K - SZ_4K, SZ_8K,
			IOMMU_RESV_RESERVED);
	dev = platform(test);
	expect_all_used_but(test, dev, SZ_64K - SZ_4K, SZ_128K + SZ_8K);
}

void a_region_of_no_length_reserves_nothing(struct kunit *test)
{
	struct device *dev;

	/* F24, CVE-2023-52455 */
	stock_does_not_survive(test, "corrupts its tree");
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, 0, 0, IOMMU_RESV_RESERVED);
	mock_add_region(mock_of(test), NULL, SZ_64K, 0, IOMMU_RESV_RESERVED);
	mock_add_region(mock_of(test), NULL, SZ_64K + 100, 0, IOMMU_RESV_MSI);
	dev = platform(test);
	expect_all_used_but(test, dev, 0, 0);
}

void a_direct_region_is_mapped_and_not_handed_out(struct kunit *test)
{
	struct device *dev;
	unsigned long addr;

	/* F26, F24 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_64K, IOMMU_RESV_DIRECT);
	mock_add_region(mock_of(test), NULL, SZ_128K, SZ_8K,
			IOMMU_RESV_DIRECT_RELAXABLE);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_64K + SZ_8K);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1 - 16 - 2);
	for (addr = SZ_64K; addr < SZ_128K + SZ_8K; addr += GRANULE)
		KUNIT_EXPECT_EQ(test, phys_at(dev, addr), addr);
	give_back(test);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_64K + SZ_8K);
}

void a_software_msi_region_is_handed_out(struct kunit *test)
{
	struct device *dev;

	/* F24 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_64K, IOMMU_RESV_SW_MSI);
	dev = platform(test);
	expect_all_used_but(test, dev, 0, 0);
}

/* stock fails this */
void regions_of_each_device_of_a_group_are_kept(struct kunit *test)
{
	struct device *a, *b;

	/* F18, B6 */
	small_aperture(test);
	config_of(test)->one_group = true;
	a = new_platform(test);
	b = new_platform(test);
	mock_add_region(mock_of(test), b, SZ_64K, SZ_64K, IOMMU_RESV_RESERVED);
	add(test, a);
	add(test, b);
	expect_all_used_but(test, a, SZ_64K, SZ_128K);
}

/* stock fails this */
void an_msi_region_of_a_later_device_is_kept(struct kunit *test)
{
	struct msi_desc desc = { };
	struct device *a, *b;

	/* F18, F25, B6 */
	small_aperture(test);
	config_of(test)->one_group = true;
	a = new_platform(test);
	b = new_platform(test);
	mock_add_region(mock_of(test), b, SZ_64K, SZ_64K, IOMMU_RESV_MSI);
	add(test, a);
	add(test, b);
	desc.dev = b;
	KUNIT_EXPECT_EQ(test, test_prepare_msi(&desc, SZ_64K + SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(b), 0);
	expect_all_used_but(test, a, SZ_64K, SZ_128K);
}

/* stock fails this */
void nothing_is_reserved_that_firmware_does_not_name(struct kunit *test)
{
	struct device *dev = platform(test);
	LIST_HEAD(regions);

	/* F27 */
	iommu_dma_get_resv_regions(dev, &regions);
	KUNIT_EXPECT_TRUE(test, list_empty(&regions));
	iommu_put_resv_regions(dev, &regions);
}

#ifdef CONFIG_PCI
/* A memory window of a host bridge, or a range of its DMA ranges. */
struct window {
	struct resource_entry entry;
	struct resource res;
};

static struct window *add_window(struct kunit *test, struct list_head *list,
				 u64 start, u64 end, u64 offset,
				 unsigned long flags)
{
	struct window *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->res.start = start;
	w->res.end = end;
	w->res.flags = flags;
	w->entry.res = &w->res;
	w->entry.offset = offset;
	list_add_tail(&w->entry.node, list);
	return w;
}

void windows_of_a_host_bridge_are_not_handed_out(struct kunit *test)
{
	struct device *dev = new_pci(test);
	struct list_head *windows = &mock_to_pci(dev)->bridge.windows;

	/* F22: as the bus sees them; and only memory */
	small_aperture(test);
	add_window(test, windows, SZ_1M + SZ_64K, SZ_1M + SZ_128K - 1, SZ_1M,
		   IORESOURCE_MEM);
	add_window(test, windows, 0, SZ_64K - 1, 0, IORESOURCE_IO);
	add(test, dev);
	expect_all_used_but(test, dev, SZ_64K, SZ_128K);
}

void unsorted_dma_ranges_are_kept_to(struct kunit *test)
{
	struct device *dev = new_pci(test);
	struct list_head *ranges = &mock_to_pci(dev)->bridge.dma_ranges;
	unsigned long i, nr;
	struct fixture *f = test->priv;

	/* F23 */
	small_aperture(test);
	add_window(test, ranges, 0x80000, 0xbffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x20000, 0x3ffff, 0, IORESOURCE_MEM);
	add(test, dev);
	nr = take_all(test, dev, GRANULE);
	/* The first granule of a range may be lost. */
	KUNIT_EXPECT_GE(test, nr, (0x40000 + 0x20000) / GRANULE - 2);
	for (i = 0; i < nr; i++) {
		dma_addr_t addr = f->addrs[i];
		bool in_first = addr >= 0x20000 && addr < 0x40000;
		bool in_second = addr >= 0x80000 && addr < 0xc0000;

		KUNIT_EXPECT_TRUE(test, in_first || in_second);
	}
}

void adjacent_dma_ranges_are_used_whole(struct kunit *test)
{
	struct device *dev = new_pci(test);
	struct list_head *ranges = &mock_to_pci(dev)->bridge.dma_ranges;

	/* F23 */
	small_aperture(test);
	add_window(test, ranges, 0x0, 0x3ffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x40000, 0xfffff, 0, IORESOURCE_MEM);
	add(test, dev);
	expect_all_used_but(test, dev, 0, 0);
}

void overlapping_dma_ranges_are_refused(struct kunit *test)
{
	struct device *dev = new_pci(test);
	struct list_head *ranges = &mock_to_pci(dev)->bridge.dma_ranges;

	/* F23, F1 */
	add_window(test, ranges, 0x20000, 0x5ffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x40000, 0x7ffff, 0, IORESOURCE_MEM);
	add(test, dev);
	KUNIT_EXPECT_TRUE(test, mock_refused(dev));
}

/* stock fails this */
void a_failed_init_is_undone_and_can_be_repeated(struct kunit *test)
{
	struct list_head *ranges;
	struct device *a, *b;

	/* F20, B7 */
	small_aperture(test);
	config_of(test)->one_group = true;
	a = new_pci(test);
	ranges = &mock_to_pci(a)->bridge.dma_ranges;
	add_window(test, ranges, 0x20000, 0x5ffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x40000, 0x7ffff, 0, IORESOURCE_MEM);
	add(test, a);
	KUNIT_EXPECT_TRUE(test, mock_refused(a));

	b = new_pci(test);
	add_window(test, &mock_to_pci(b)->bridge.windows, SZ_64K, SZ_128K - 1,
		   0, IORESOURCE_MEM);
	add(test, b);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(b));
	/* Of the first device's windows nothing may be left over. */
	expect_all_used_but(test, b, SZ_64K, SZ_128K);
}

void a_failed_init_leaves_a_lazy_domain_usable(struct kunit *test)
{
	struct list_head *ranges;
	struct device *a, *b;

	/* F20, B7: nor may a flush queue be made twice, or not at all */
	lazy(test);
	config_of(test)->one_group = true;
	a = new_pci(test);
	ranges = &mock_to_pci(a)->bridge.dma_ranges;
	add_window(test, ranges, 0x20000, 0x5ffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x40000, 0x7ffff, 0, IORESOURCE_MEM);
	add(test, a);
	KUNIT_EXPECT_TRUE(test, mock_refused(a));
	b = trusted_pci(test);
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, b));
}
#endif
