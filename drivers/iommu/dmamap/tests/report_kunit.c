// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misuse: reported once, with device and address, and nobody else suffers.
 *
 * These call the layer itself, as debugging of the DMA API would report the
 * misuse too. The stock layer runs them as well; those of unmap_kunit.c are for
 * this one.
 */

#include <linux/dma-map-ops.h>
#include <linux/iommu-dma.h>

#include "dmamap_kunit.h"

/* From here on, a wrong unmap is to be reported. */
static void expect_bad_unmap(struct kunit *test, struct device *dev)
{
	dmamap_console.name = dev_name(dev);
	expect_warning(test, "unmap of IOVA");
}

static void expect_reported(struct kunit *test, dma_addr_t addr)
{
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&dmamap_console.unmaps), 1,
			    "lines about an unmap that went wrong");
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&dmamap_console.named), 1,
			    "of those, lines that name the device");
	KUNIT_EXPECT_EQ_MSG(test, dmamap_console.iova & ~(GRANULE - 1ULL),
			    addr & ~(GRANULE - 1ULL), "the address named");
}

/* stock fails this */
void an_unmap_of_a_wrong_address_is_reported(struct kunit *test)
{
	struct device *dev;
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	small_aperture(test);
	dev = platform(test);
	addr = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	expect_bad_unmap(test, dev);
	test_unmap(dev, 0x80000, GRANULE, DMA_TO_DEVICE);
	expect_reported(test, 0x80000);
	expect_reads(test, dev, addr, buffer, GRANULE);
	expect_no_address_twice(test, dev);
	dma_unmap_single(dev, addr, GRANULE, DMA_TO_DEVICE);
	expect_no_address_twice(test, dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&dmamap_console.unmaps), 1);
}

/* stock fails this */
void an_unmap_of_too_much_is_reported(struct kunit *test)
{
	struct device *dev;
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t a, b;

	small_aperture(test);
	dev = platform(test);
	/* Of 4 granules each, so that b is not next to what follows a. */
	a = test_map_registers(dev, MMIO, 4 * GRANULE, DMA_TO_DEVICE);
	b = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	KUNIT_ASSERT_LT(test, b, a);
	expect_bad_unmap(test, dev);
	test_unmap_registers(dev, a, 6 * GRANULE, DMA_TO_DEVICE);
	expect_reported(test, a);
	expect_reads(test, dev, b, buffer, GRANULE);
	expect_no_address_twice(test, dev);
	dma_unmap_single(dev, b, GRANULE, DMA_TO_DEVICE);
	expect_no_address_twice(test, dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&dmamap_console.unmaps), 1);
}

/* stock fails this */
void a_second_unmap_is_reported(struct kunit *test)
{
	struct device *dev;
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr, other;

	small_aperture(test);
	dev = platform(test);
	other = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	addr = test_map(dev, virt_to_phys(buffer), GRANULE, DMA_TO_DEVICE);
	test_unmap(dev, addr, GRANULE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&dmamap_console.unmaps), 0);
	expect_bad_unmap(test, dev);
	test_unmap(dev, addr, GRANULE, DMA_TO_DEVICE);
	expect_reported(test, addr);
	expect_reads(test, dev, other, buffer, GRANULE);
	expect_no_address_twice(test, dev);
	dma_unmap_single(dev, other, GRANULE, DMA_TO_DEVICE);
	expect_no_address_twice(test, dev);
}

/* stock fails this */
void a_second_unmap_of_a_resource_is_reported(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	small_aperture(test);
	dev = platform(test);
	addr = test_map_registers(dev, MMIO, 100, DMA_TO_DEVICE);
	test_unmap_registers(dev, addr, 100, DMA_TO_DEVICE);
	expect_bad_unmap(test, dev);
	test_unmap_registers(dev, addr, 100, DMA_TO_DEVICE);
	expect_reported(test, addr);
	expect_no_address_twice(test, dev);
}

/* stock fails this */
void a_second_unmap_in_lazy_mode_is_reported(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	small_aperture(test);
	lazy(test);
	dev = platform(test);
	addr = test_map_registers(dev, MMIO, 100, DMA_TO_DEVICE);
	test_unmap_registers(dev, addr, 100, DMA_TO_DEVICE);
	expect_bad_unmap(test, dev);
	test_unmap_registers(dev, addr, 100, DMA_TO_DEVICE);
	expect_reported(test, addr);
	wait_for_flush(test);
	expect_no_address_twice(test, dev);
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
}

/* stock fails this */
void an_unmap_of_address_0_is_reported(struct kunit *test)
{
	struct device *dev;

	small_aperture(test);
	dev = platform(test);
	expect_bad_unmap(test, dev);
	test_unmap(dev, 0, GRANULE, DMA_TO_DEVICE);
	expect_reported(test, 0);
	expect_all_used_but(test, dev, 0, GRANULE);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
}

/* stock fails this */
void a_sync_of_a_wrong_address_is_reported(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr = map(test, dev, buffer, 100, DMA_FROM_DEVICE);
	int before;

	expect_warning(test, "sync of IOVA");
	before = atomic_read(&dmamap_console.warnings);
	iommu_dma_sync_single_for_cpu(dev, addr + 8 * GRANULE, 100,
				      DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&dmamap_console.warnings), before + 1);
	dma_sync_single_for_cpu(dev, addr, 100, DMA_FROM_DEVICE);
	dma_unmap_single(dev, addr, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&dmamap_console.warnings), before + 1);
}

/* stock fails this */
void an_unmap_that_falls_short_is_reported(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	dma_addr_t addr;

	/* F60 */
	small_aperture(test);
	dev = platform(test);
	addr = map_mmio(dev, MMIO, 8 * GRANULE);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	mock->faults.unmap_budget = 3;
	expect_bad_unmap(test, dev);
	unmap_mmio(dev, addr, 8 * GRANULE);
	expect_reported(test, addr);
	mock->faults.unmap_budget = MOCK_NEVER;
	/* Some IOMMU drivers cannot flush all; a strict unmap does not ask. */
	if (IS_ENABLED(CONFIG_IOMMU_DMAMAP))
		KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_FLUSH_ALL), 0);
	/* What was unmapped is out of reach; the rest nobody else gets. */
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr + 2 * GRANULE));
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr + 3 * GRANULE));
	take_all(test, dev, GRANULE);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr + 3 * GRANULE),
			MMIO + 3 * GRANULE);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr + 7 * GRANULE),
			MMIO + 7 * GRANULE);
}
