// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits, and doorbells of message signalled interrupts.
 */

#include <linux/dma-map-ops.h>
#include <linux/iommu-dma.h>
#include <linux/iova.h>
#include <linux/msi.h>
#include <linux/sizes.h>

#include "../../dma-iommu.h"
#include "dmamap_kunit.h"

void the_merge_boundary_is_the_granule(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F108 */
	KUNIT_EXPECT_EQ(test, dma_get_merge_boundary(dev), GRANULE - 1);
	config_of(test)->pgsize_bitmap = SZ_1K | SZ_4K;
	KUNIT_EXPECT_EQ(test, dma_get_merge_boundary(platform(test)), SZ_1K - 1);
}

void the_best_mapping_size_is_what_is_cached(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F109, F45 */
	KUNIT_EXPECT_EQ(test, dma_opt_mapping_size(dev), iova_rcache_range());
}

void the_best_mapping_size_is_no_larger_than_the_largest(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);

	/* F109 */
	KUNIT_EXPECT_LE(test, dma_opt_mapping_size(dev),
			dma_max_mapping_size(dev));
}

#ifdef CONFIG_IRQ_MSI_IOMMU
/*
 * Doorbells of message signalled interrupts.
 */

#define DOORBELL	(MMIO + 0x40)

/* Where a message for a doorbell at @phys goes. */
static dma_addr_t doorbell(struct kunit *test, struct device *dev,
			   phys_addr_t phys)
{
	struct msi_desc desc = { .dev = dev };
	struct msi_msg msg = {
		.address_lo = lower_32_bits(phys),
		.address_hi = upper_32_bits(phys),
		.data = 42,
	};

	KUNIT_EXPECT_EQ(test, test_prepare_msi(&desc, phys), 0);
	test_compose_msi(&desc, &msg);
	KUNIT_EXPECT_EQ(test, msg.data, 42);
	return (u64)msg.address_hi << 32 | msg.address_lo;
}

void doorbells_are_mapped_for_writing(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr = doorbell(test, dev, DOORBELL);

	/* F111, F113 */
	KUNIT_EXPECT_NE(test, addr, DOORBELL);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), DOORBELL);
	KUNIT_EXPECT_EQ(test, prot_at(dev, addr),
			IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), GRANULE);
}

void doorbells_are_mapped_once_for_a_domain(struct kunit *test)
{
	struct device *a, *b;
	dma_addr_t addr;

	/* F111, F114 */
	config_of(test)->one_group = true;
	a = platform(test);
	b = platform(test);
	addr = doorbell(test, a, DOORBELL);
	KUNIT_EXPECT_EQ(test, doorbell(test, a, DOORBELL), addr);
	KUNIT_EXPECT_EQ(test, doorbell(test, b, DOORBELL + 8), addr + 8);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(a), GRANULE);
	addr = doorbell(test, b, DOORBELL + GRANULE);
	KUNIT_EXPECT_EQ(test, phys_at(a, addr), DOORBELL + GRANULE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(a), 2 * GRANULE);
}

void a_doorbells_address_is_not_handed_out(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F111 */
	small_aperture(test);
	dev = platform(test);
	addr = doorbell(test, dev, DOORBELL);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 2);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), DOORBELL);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
}

void doorbells_obey_the_mask(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F111 */
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(30)), 0);
	KUNIT_EXPECT_LE(test, doorbell(test, dev, DOORBELL), DMA_BIT_MASK(30));
}

void doorbells_of_a_hardware_window_stay_where_they_are(struct kunit *test)
{
	struct device *dev;
	phys_addr_t phys;

	/* F25 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_64K, IOMMU_RESV_MSI);
	dev = platform(test);
	for (phys = SZ_64K + 0x14; phys < SZ_128K; phys += GRANULE)
		KUNIT_EXPECT_EQ(test, doorbell(test, dev, phys), phys);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	expect_all_used_but(test, dev, SZ_64K, SZ_128K);
}

void without_translation_messages_stay_as_they_are(struct kunit *test)
{
	struct device *dev;

	/* F111, F113 */
	config_of(test)->domain_type = IOMMU_DOMAIN_IDENTITY;
	dev = add(test, new_platform(test));
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL), DOORBELL);
}

void a_doorbell_that_cannot_be_mapped_leaves_nothing(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct msi_desc desc = { };
	struct device *dev;

	/* F111 */
	small_aperture(test);
	dev = platform(test);
	desc.dev = dev;
	mock->faults.map_budget = 0;
	KUNIT_EXPECT_EQ(test, test_prepare_msi(&desc, DOORBELL), -ENOMEM);
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	KUNIT_EXPECT_EQ(test, test_prepare_msi(&desc, DOORBELL), -ENOMEM);
	give_back(test);
	KUNIT_EXPECT_EQ(test, phys_at(dev, doorbell(test, dev, DOORBELL)),
			DOORBELL);
}

void a_device_whose_init_failed_may_ask_for_doorbells(struct kunit *test)
{
	struct device *dev = new_platform(test);
	struct msi_desc desc = { .dev = dev };

	/* F1, F20, F111: its domain has no addresses to give */
	stock_does_not_survive(test, "dereferences NULL");
	small_aperture(test);
	KUNIT_ASSERT_EQ(test, add_with_range(test, dev, SZ_1G, SZ_1M), 0);
	KUNIT_ASSERT_TRUE(test, mock_refused(dev));
	if (!test_prepare_msi(&desc, DOORBELL))
		KUNIT_EXPECT_EQ(test, (int)desc.iommu_msi_shift, 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

/* A domain of its own for a device, as VFIO makes; to be detached and freed. */
static struct iommu_domain *own_domain(struct kunit *test, struct device *dev)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	if (iommu_attach_device(domain, dev)) {
		iommu_domain_free(domain);
		kunit_skip(test, "the domain cannot be attached");
	}
	return domain;
}

void an_msi_cookie_gives_addresses_in_a_row(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	struct iommu_domain *domain = own_domain(test, dev);
	struct msi_desc desc = { .dev = dev };

	/* F35, F112, F10 */
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL), DOORBELL);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_128M), 0);
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL), SZ_128M + 0x40);
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL + PAGE_SIZE),
			SZ_128M + PAGE_SIZE + 0x40);
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL), SZ_128M + 0x40);
	/* One that fails takes none. */
	mock->faults.map_budget = 0;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			test_prepare_msi(&desc, DOORBELL + 2 * PAGE_SIZE));
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL + 3 * PAGE_SIZE),
			SZ_128M + 2 * PAGE_SIZE + 0x40);
	KUNIT_EXPECT_EQ(test, phys_at(dev, SZ_128M), MMIO);
	iommu_detach_device(domain, dev);
	iommu_domain_free(domain);
}
#endif
