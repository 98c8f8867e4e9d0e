// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounce buffers.
 */

#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/dma-map-ops.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../dmamap.h"
#include "dmamap_kunit.h"

void unaligned_buffers_of_untrusted_devices_bounce(struct kunit *test)
{
	static const struct {
		size_t offset, size;
	} cases[] = {
		{ 0, 100 }, { 100, 200 }, { 1, GRANULE - 1 }, { 0, GRANULE + 1 },
		{ GRANULE - 1, 2 }, { 512, GRANULE }, { 8, 3 * GRANULE },
	};
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	unsigned int i;

	/* F63, D8 */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u8 *start = buffer + cases[i].offset;
		dma_addr_t addr = map(test, dev, start, cases[i].size,
				      DMA_TO_DEVICE);

		KUNIT_EXPECT_TRUE(test, is_slot(dev, phys_at(dev, addr)));
		expect_reads(test, dev, addr, start, cases[i].size);
		dma_unmap_single(dev, addr, cases[i].size, DMA_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void slots_keep_the_offset_that_the_device_wants_kept(struct kunit *test)
{
	static const unsigned int masks[] = { 0, 63, SZ_1K - 1, GRANULE - 1 };
	static const size_t offsets[] = { 4, 100, SZ_2K + 6, GRANULE - 3 };
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	unsigned int i, j;

	/* F68, F56 */
	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		dma_set_min_align_mask(dev, masks[i]);
		for (j = 0; j < ARRAY_SIZE(offsets); j++) {
			u8 *start = buffer + offsets[j];
			dma_addr_t addr = map(test, dev, start, GRANULE,
					      DMA_TO_DEVICE);
			phys_addr_t phys = phys_at(dev, addr);

			KUNIT_EXPECT_TRUE(test, is_slot(dev, phys));
			KUNIT_EXPECT_EQ(test, addr & masks[i],
					offsets[j] & masks[i]);
			KUNIT_EXPECT_EQ(test, phys & (GRANULE - 1),
					addr & (GRANULE - 1));
			expect_reads(test, dev, addr, start, GRANULE);
			dma_unmap_single(dev, addr, GRANULE, DMA_TO_DEVICE);
		}
	}
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void aligned_buffers_of_untrusted_devices_do_not_bounce(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	dma_addr_t addr = map(test, dev, buffer + GRANULE, 2 * GRANULE,
			      DMA_FROM_DEVICE);

	/* F72, F67 */
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), virt_to_phys(buffer + GRANULE));
	dma_unmap_single(dev, addr, 2 * GRANULE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
}

void buffers_of_trusted_devices_do_not_bounce(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr = map(test, dev, buffer + 5, 10, DMA_FROM_DEVICE);

	/* F63 */
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), virt_to_phys(buffer + 5));
	dma_unmap_single(dev, addr, 10, DMA_FROM_DEVICE);
}

void without_bounce_buffers_unaligned_buffers_fail(struct kunit *test)
{
#ifdef CONFIG_SWIOTLB
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F63 */
	dev->dma_io_tlb_mem = NULL;
	addr = dma_map_single(dev, buffer, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, addr, DMA_MAPPING_ERROR);
	addr = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr, GRANULE, DMA_TO_DEVICE);
#endif
}

void bounced_buffers_share_no_granule(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr[4];
	unsigned int i, j;

	/* F68, D8 */
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		addr[i] = map(test, dev, buffer + i * 64, 64, DMA_TO_DEVICE);
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, phys_at(dev, addr[i]) / GRANULE,
					phys_at(dev, addr[j]) / GRANULE);
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		dma_unmap_single(dev, addr[i], 64, DMA_TO_DEVICE);
}

/* Leave data of others in all slots. */
static void dirty_slots(struct kunit *test, struct device *dev)
{
	size_t size = dma_max_mapping_size(dev) - 1;
	u8 *buffer = new_buffer(test, size);
	struct fixture *f = test->priv;

	memset(buffer, 0xdd, size);
	for (f->nr = 0; f->nr < ARRAY_SIZE(f->addrs); f->nr++) {
		f->addrs[f->nr] = dma_map_single_attrs(dev, buffer, size,
						       DMA_TO_DEVICE,
						       DMA_ATTR_NO_WARN);
		if (dma_mapping_error(dev, f->addrs[f->nr]))
			break;
	}
	while (f->nr)
		dma_unmap_single(dev, f->addrs[--f->nr], size, DMA_TO_DEVICE);
}

/* Map, and see all that the device could see in the granules. */
static void expect_zeros_around(struct kunit *test, struct device *dev,
				u8 *buffer, size_t size)
{
	dma_addr_t addr = map(test, dev, buffer, size, DMA_FROM_DEVICE);
	size_t before = addr & (GRANULE - 1);
	size_t whole = ALIGN(before + size, GRANULE);
	u8 *seen = kunit_kmalloc(test, whole, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, seen);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), whole);
	KUNIT_ASSERT_EQ(test, mock_peek(dev, addr - before, seen, whole), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(seen, 0, before));
	KUNIT_EXPECT_MEMEQ(test, seen + before, buffer, size);
	KUNIT_EXPECT_NULL(test, memchr_inv(seen + before + size, 0,
					   whole - before - size));
	dma_unmap_single(dev, addr, size, DMA_FROM_DEVICE);
	kunit_kfree(test, seen);
}

void around_a_bounced_buffer_there_is_nothing_but_zeros(struct kunit *test)
{
	static const unsigned int masks[] = { 0, GRANULE - 1 };
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 2 * GRANULE);
	unsigned int round;

	/* F70, F69, D8: also in slots that other buffers used before */
	dirty_slots(test, dev);
	for (round = 0; round < 16; round++) {
		dma_set_min_align_mask(dev, masks[round % 2]);
		expect_zeros_around(test, dev, buffer + 700, 10);
		expect_zeros_around(test, dev, buffer + 700, GRANULE + 10);
	}
}

#ifdef CONFIG_IOMMU_DMAMAP
/* The memory that was last written back for a device */
static phys_addr_t cleaned, cleaned_end;

static void note_cleaned(struct device *dev, phys_addr_t phys, size_t size,
			 enum dma_data_direction dir, bool for_cpu)
{
	if (for_cpu || dir != DMA_TO_DEVICE)
		return;
	cleaned = phys;
	cleaned_end = phys + size;
}

void zeros_around_a_bounced_buffer_are_written_back(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	phys_addr_t slot;
	dma_addr_t addr;

	/* F70: a device that does not snoop must not find older data in memory */
	dma_set_min_align_mask(dev, GRANULE - 1);
	kunit_activate_static_stub(test, dmamap_cache, note_cleaned);
	addr = dma_map_single_attrs(dev, buffer + 700, 10, DMA_FROM_DEVICE,
				    DMA_ATTR_SKIP_CPU_SYNC);
	kunit_deactivate_static_stub(test, dmamap_cache);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	slot = phys_at(dev, addr);
	KUNIT_EXPECT_EQ(test, slot % GRANULE, (unsigned long)(buffer + 700) % GRANULE);
	KUNIT_EXPECT_EQ(test, cleaned, slot - slot % GRANULE);
	KUNIT_EXPECT_EQ(test, cleaned_end, cleaned + GRANULE);
	dma_unmap_single_attrs(dev, addr, 10, DMA_FROM_DEVICE,
			       DMA_ATTR_SKIP_CPU_SYNC);
}
#endif

void what_a_device_does_not_write_stays(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	u8 *want = copy_of(test, buffer, GRANULE);
	static const u8 news[] = "news";
	dma_addr_t addr;

	/* F69, CVE-2022-0854 */
	addr = map(test, dev, buffer + 100, 500, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, addr + 200, news,
						sizeof(news)));
	dma_unmap_single(dev, addr, 500, DMA_FROM_DEVICE);
	memcpy(want + 300, news, sizeof(news));
	KUNIT_EXPECT_MEMEQ(test, buffer, want, GRANULE);
}

void a_bounced_buffer_may_only_be_accessed_as_mapped(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE), byte = 0;
	dma_addr_t addr = map(test, dev, buffer, 100, DMA_TO_DEVICE);

	/* F55 */
	KUNIT_EXPECT_NE(test, mock_dma_write(dev, addr, &byte, 1), 0);
	KUNIT_EXPECT_EQ(test, mock_dma_read(dev, addr, &byte, 1), 0);
	dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
	addr = map(test, dev, buffer, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NE(test, mock_dma_read(dev, addr, &byte, 1), 0);
	dma_unmap_single(dev, addr, 100, DMA_FROM_DEVICE);
}

void a_slot_is_copied_back_only_where_it_should(struct kunit *test)
{
	static const struct {
		enum dma_data_direction dir;
		unsigned long attrs;
		bool back;
	} cases[] = {
		{ DMA_TO_DEVICE, 0, false },
		{ DMA_FROM_DEVICE, 0, true },
		{ DMA_BIDIRECTIONAL, 0, true },
		{ DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC, false },
		{ DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC, false },
	};
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	unsigned int i;

	/* F66, D7 */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dma_addr_t addr;
		u8 want = i;

		if (cases[i].back)
			want = 0xee;
		memset(buffer, i, GRANULE);
		addr = map(test, dev, buffer + 50, 100, cases[i].dir);
		scribble(dev, addr, 100);
		dma_unmap_single_attrs(dev, addr, 100, cases[i].dir,
				       cases[i].attrs);
		KUNIT_EXPECT_EQ(test, buffer[49], i);
		KUNIT_EXPECT_EQ(test, buffer[50], want);
		KUNIT_EXPECT_EQ(test, buffer[149], want);
		KUNIT_EXPECT_EQ(test, buffer[150], i);
	}
}

struct late_write {
	struct device *dev;
	dma_addr_t addr;
	const u8 *buffer;
	u8 seen;
	int calls;
};

/* In the middle of the invalidation: the device writes once more. */
static void write_late(struct mock_iommu *mock, enum mock_op op)
{
	struct late_write *l = mock->in_flush_data;
	u8 byte = 0x77;

	l->calls++;
	l->seen = *l->buffer;
	mock_dma_write(l->dev, l->addr, &byte, 1);
}

void a_slot_is_copied_back_after_the_invalidation(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	struct late_write *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	u8 byte = 0x55;

	/* F66: all that the device could write is there, and nothing later */
	KUNIT_ASSERT_NOT_NULL(test, l);
	buffer[10] = 0x33;
	l->dev = dev;
	l->buffer = buffer + 10;
	l->addr = map(test, dev, buffer + 10, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_dma_write(dev, l->addr, &byte, 1), 0);
	mock->in_flush_data = l;
	mock->in_flush = write_late;
	dma_unmap_single(dev, l->addr, 100, DMA_FROM_DEVICE);
	mock->in_flush = NULL;
	KUNIT_EXPECT_EQ(test, l->calls, 1);
	KUNIT_EXPECT_EQ(test, l->seen, 0x33);
	KUNIT_EXPECT_EQ(test, buffer[10], 0x77);
}

struct slot_watch {
	struct kunit *test;
	struct device *dev;
	long used;
};

static void watch_slots(struct mock_iommu *mock, enum mock_op op)
{
	struct slot_watch *w = mock->in_flush_data;

	w->used = slots_used(w->test, w->dev);
}

void a_slot_is_freed_after_the_invalidation(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct slot_watch w = { .test = test, .dev = untrusted_pci(test) };
	u8 *buffer = new_buffer(test, GRANULE);
	long before = slots_used(test, w.dev), during;
	dma_addr_t addr = map(test, w.dev, buffer + 10, 100, DMA_FROM_DEVICE);

	/* F54, F66 */
	during = slots_used_now(test, w.dev);
	KUNIT_EXPECT_GT(test, during, before);
	mock->in_flush_data = &w;
	mock->in_flush = watch_slots;
	dma_unmap_single(w.dev, addr, 100, DMA_FROM_DEVICE);
	mock->in_flush = NULL;
	KUNIT_EXPECT_EQ(test, w.used, during);
	KUNIT_EXPECT_EQ(test, slots_used(test, w.dev), before);
}

/*
 * A device with bounce buffers in a lazy domain. Devices that do not share the
 * CPU's caches are, where kmalloc() memory bounces; elsewhere distrust one
 * after it got its domain.
 */
static struct device *lazy_bouncing(struct kunit *test)
{
	struct device *dev;

	lazy(test);
	dev = trusted_pci(test);
	to_pci_dev(dev)->untrusted = true;
	if (!is_swiotlb_active(dev))
		kunit_skip(test, "no bounce buffers: boot without swiotlb=noforce");
	return dev;
}

/* stock fails this */
void a_lazy_slot_is_freed_after_the_flush(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = lazy_bouncing(test);
	u8 *buffer = new_buffer(test, GRANULE);
	unsigned long flags, flushes;
	long before, during, after;
	dma_addr_t addr;
	bool reached;
	int i;

	/* F54, F83, B4 */
	before = slots_used(test, dev);
	addr = map(test, dev, buffer + 10, 100, DMA_FROM_DEVICE);
	during = slots_used_now(test, dev);
	KUNIT_EXPECT_GT(test, during, before);
	flags = disable_irqs();
	flushes = mock_count(mock, MOCK_FLUSH_ALL);
	dma_unmap_single(dev, addr, 100, DMA_FROM_DEVICE);
	after = slots_used(test, dev);
	reached = is_reached(dev, addr);
	flushes = mock_count(mock, MOCK_FLUSH_ALL) - flushes;
	enable_irqs(flags);
	/* Either flushed at once, or kept. */
	if (reached) {
		KUNIT_EXPECT_EQ(test, flushes, 0);
		KUNIT_EXPECT_EQ(test, after, during);
	}
	for (i = 0; i < 1000 && slots_used(test, dev) > before; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
}

/* stock fails this */
void no_slot_is_used_again_before_a_flush(struct kunit *test)
{
	struct device *dev = lazy_bouncing(test);
	const size_t size = SZ_64K + 100;
	u8 *buffer = new_buffer(test, size);
	unsigned long flags;
	unsigned int i;

	/* F54, F83, B4: more than there are slots, and no timer between */
	config_of(test)->watch_phys = true;
	flags = disable_irqs();
	for (i = 0; i < 100; i++) {
		dma_addr_t addr = dma_map_single_attrs(dev, buffer, size,
						       DMA_TO_DEVICE,
						       DMA_ATTR_NO_WARN);

		if (dma_mapping_error(dev, addr))
			break;
		dma_unmap_single(dev, addr, size, DMA_TO_DEVICE);
	}
	enable_irqs(flags);
	KUNIT_EXPECT_GT(test, i, 0);
	KUNIT_EXPECT_EQ(test, mock_of(test)->aliased, 0);
}

void a_lazily_unmapped_slot_brings_its_data(struct kunit *test)
{
	struct device *dev = lazy_bouncing(test);
	u8 *buffer = new_buffer(test, GRANULE);
	static const u8 news[] = "news";
	dma_addr_t addr = map(test, dev, buffer + 100, 500, DMA_FROM_DEVICE);

	/* F66: the data is there on return, whenever the flush comes */
	KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, addr, news, sizeof(news)));
	dma_unmap_single(dev, addr, 500, DMA_FROM_DEVICE);
	KUNIT_EXPECT_MEMEQ(test, buffer + 100, news, sizeof(news));
}

void a_lazy_domain_goes_with_slots_queued(struct kunit *test)
{
	struct device *dev = lazy_bouncing(test);
	u8 *buffer = new_buffer(test, GRANULE);
	long before = slots_used(test, dev);
	struct device *other;
	unsigned int i;

	/* F53, B4: the slots may not be lost with it */
	for (i = 0; i < 50; i++) {
		dma_addr_t addr = map(test, dev, buffer + 10, 100,
				      DMA_FROM_DEVICE);

		dma_unmap_single(dev, addr, 100, DMA_FROM_DEVICE);
	}
	mock_device_remove(dev);
	config_of(test)->domain_type = IOMMU_DOMAIN_DMA;
	other = untrusted_pci(test);
	KUNIT_EXPECT_EQ(test, slots_used(test, other), before);
}

void a_failed_map_frees_the_slot(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	u8 *want = copy_of(test, buffer, GRANULE);
	long before = slots_used(test, dev);

	/* F65 */
	mock->faults.map_budget = 0;
	KUNIT_EXPECT_EQ(test, DMA_MAPPING_ERROR,
			dma_map_single(dev, buffer, 100, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
	KUNIT_EXPECT_MEMEQ(test, buffer, want, GRANULE);
}

void bounced_mappings_have_a_largest_size(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	size_t size = dma_max_mapping_size(dev);
	u8 *buffer = new_buffer(test, SZ_512K);
	dma_addr_t addr;

	/* F71, F110 */
	KUNIT_EXPECT_EQ(test, size, swiotlb_max_mapping_size(dev));
	KUNIT_ASSERT_LT(test, size, SZ_512K);
	addr = map(test, dev, buffer, size - 1, DMA_TO_DEVICE);
	expect_reads(test, dev, addr, buffer, size - 1);
	dma_unmap_single(dev, addr, size - 1, DMA_TO_DEVICE);
}

void other_mappings_have_no_largest_size(struct kunit *test)
{
	/* F71, F110 */
	KUNIT_EXPECT_EQ(test, dma_max_mapping_size(platform(test)), SIZE_MAX);
	KUNIT_EXPECT_EQ(test, dma_max_mapping_size(trusted_pci(test)), SIZE_MAX);
}

void with_no_slot_left_mapping_fails(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	size_t size = dma_max_mapping_size(dev) - 1;
	u8 *buffer = new_buffer(test, SZ_512K);
	struct fixture *f = test->priv;
	dma_addr_t addr;

	/* F73, D1 */
	for (f->nr = 0; f->nr < ARRAY_SIZE(f->addrs); f->nr++) {
		addr = dma_map_single_attrs(dev, buffer, size, DMA_TO_DEVICE,
					    DMA_ATTR_NO_WARN);
		if (dma_mapping_error(dev, addr))
			break;
		f->addrs[f->nr] = addr;
	}
	KUNIT_EXPECT_LT(test, f->nr, ARRAY_SIZE(f->addrs));
	KUNIT_EXPECT_GT(test, f->nr, 0);
	while (f->nr)
		dma_unmap_single(dev, f->addrs[--f->nr], size, DMA_TO_DEVICE);
	addr = map(test, dev, buffer, size, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr, size, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void bounced_buffers_of_any_shape_round_trip(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	u8 *want = kunit_kmalloc(test, 4 * GRANULE, GFP_KERNEL);
	u8 *data = kunit_kmalloc(test, 4 * GRANULE, GFP_KERNEL);
	static const size_t edges[] = {
		0, 1, 100, GRANULE - 1, GRANULE, GRANULE + 1, 2 * GRANULE - 1,
		2 * GRANULE, 3 * GRANULE + 7, 4 * GRANULE,
	};
	unsigned int i, j;

	/* F68 to F70, CVE-2026-53164: head only, tail only, nothing between */
	KUNIT_ASSERT_NOT_NULL(test, want);
	KUNIT_ASSERT_NOT_NULL(test, data);
	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		for (j = i + 1; j < ARRAY_SIZE(edges); j++) {
			size_t at = edges[i], size = edges[j] - at;
			dma_addr_t addr;

			memset(data, i * 16 + j, size);
			memcpy(want, buffer, 4 * GRANULE);
			memcpy(want + at, data, size);
			addr = map(test, dev, buffer + at, size,
				   DMA_BIDIRECTIONAL);
			expect_reads(test, dev, addr, buffer + at, size);
			KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, addr, data,
								size));
			dma_unmap_single(dev, addr, size, DMA_BIDIRECTIONAL);
			KUNIT_EXPECT_MEMEQ(test, buffer, want, 4 * GRANULE);
			KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
			KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
		}
	}
}

void a_sync_for_the_cpu_copies_the_part_named(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F75 */
	memset(buffer, 1, GRANULE);
	addr = map(test, dev, buffer + 100, 300, DMA_FROM_DEVICE);
	scribble(dev, addr, 300);
	dma_sync_single_for_cpu(dev, addr + 50, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[149], 1);
	KUNIT_EXPECT_EQ(test, buffer[150], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[249], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[250], 1);
	dma_unmap_single(dev, addr, 300, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[100], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[399], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[400], 1);
}

void a_sync_for_the_device_copies_the_part_named(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE), seen[300];
	dma_addr_t addr;

	/* F75 */
	memset(buffer, 1, GRANULE);
	addr = map(test, dev, buffer + 100, 300, DMA_TO_DEVICE);
	memset(buffer, 2, GRANULE);
	dma_sync_single_for_device(dev, addr + 50, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_dma_read(dev, addr, seen, 300), 0);
	KUNIT_EXPECT_EQ(test, seen[49], 1);
	KUNIT_EXPECT_EQ(test, seen[50], 2);
	KUNIT_EXPECT_EQ(test, seen[149], 2);
	KUNIT_EXPECT_EQ(test, seen[150], 1);
	dma_unmap_single(dev, addr, 300, DMA_TO_DEVICE);
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
/*
 * Devices that do not share the CPU's caches. The emulated machine has no
 * caches to see a mistake by, so these look at all else.
 */

void a_noncoherent_device_maps_without_cache(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr = map(test, dev, buffer, GRANULE, DMA_BIDIRECTIONAL);

	/* F55, F64, F66, F75 */
	KUNIT_EXPECT_EQ(test, prot_at(dev, addr), IOMMU_READ | IOMMU_WRITE);
	dma_sync_single_for_cpu(dev, addr, GRANULE, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(dev, addr + 100, 100, DMA_BIDIRECTIONAL);
	expect_reads(test, dev, addr, buffer, GRANULE);
	dma_unmap_single(dev, addr, GRANULE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void a_noncoherent_mapping_skips_what_it_is_told_to(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = noncoherent(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F64, D7 */
	addr = dma_map_single_attrs(dev, buffer, GRANULE, DMA_FROM_DEVICE,
				    DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	dma_unmap_single_attrs(dev, addr, GRANULE, DMA_FROM_DEVICE,
			       DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock->collisions, 0);
}

void small_buffers_of_noncoherent_devices_bounce(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F63, D6 */
	if (!small_buffers_bounce(dev))
		kunit_skip(test, "kmalloc() memory is safe for DMA here");
	addr = map(test, dev, buffer + 8, 8, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, is_slot(dev, phys_at(dev, addr)));
	scribble(dev, addr, 8);
	dma_unmap_single(dev, addr, 8, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[8], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[15], 0xee);

	addr = map(test, dev, buffer + 8, 8, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_slot(dev, phys_at(dev, addr)));
	dma_unmap_single(dev, addr, 8, DMA_TO_DEVICE);
	addr = map(test, dev, buffer, SZ_1K, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_slot(dev, phys_at(dev, addr)));
	dma_unmap_single(dev, addr, SZ_1K, DMA_FROM_DEVICE);
}

/* stock fails this */
void a_lazy_slot_of_a_small_buffer_is_freed_after_the_flush(struct kunit *test)
{
	struct device *dev;
	u8 *buffer = new_buffer(test, GRANULE);
	long before, during, after;
	unsigned long flags;
	dma_addr_t addr;
	bool reached;
	int i;

	/* F54, F83, B4: as it happens to trusted devices */
	lazy(test);
	dev = noncoherent(test);
	if (!small_buffers_bounce(dev))
		kunit_skip(test, "kmalloc() memory is safe for DMA here");
	before = slots_used(test, dev);
	addr = map(test, dev, buffer + 8, 8, DMA_FROM_DEVICE);
	during = slots_used_now(test, dev);
	flags = disable_irqs();
	dma_unmap_single(dev, addr, 8, DMA_FROM_DEVICE);
	after = slots_used(test, dev);
	reached = is_reached(dev, addr);
	enable_irqs(flags);
	if (reached)
		KUNIT_EXPECT_EQ(test, after, during);
	for (i = 0; i < 1000 && slots_used(test, dev) > before; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
}
#endif
