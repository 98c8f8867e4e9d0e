// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of IOVA ranges that are linked to memory piece by piece: bounce slots,
 * attributes, sizes, and devices that do not snoop CPU caches.
 */

#include <kunit/static_stub.h>
#include <linux/delay.h>

#include "two_step_kunit.h"

/* Bounce slots. */

/* Bytes of a buffer and where it begins in a granule. */
static const struct shape {
	const char *name;
	size_t offset, size;
	unsigned int slots;
} shapes[] = {
	{ "inside a granule", 100, 200, 1 },
	{ "a head", 100, 3 * GRANULE - 100, 1 },
	{ "a tail", 0, 2 * GRANULE + 50, 1 },
	{ "a tail alone", 0, 50, 1 },
	{ "both", 512, 3 * GRANULE, 2 },
	{ "both, without a middle", GRANULE - 8, 16, 2 },
	{ "none", 0, 2 * GRANULE, 0 },
};

static struct device *untrusted(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev;

	/* A lazy domain refuses untrusted devices, so it is found out later. */
	if (mock->config.domain_type == IOMMU_DOMAIN_DMA_FQ) {
		if (!IS_ENABLED(CONFIG_PCI))
			kunit_skip(test, "a kernel without PCI");
		dev = mock_kunit_add(test, mock_pci_create(mock));
		to_pci_dev(dev)->untrusted = true;
		if (!is_swiotlb_active(dev))
			kunit_skip(test, "no bounce buffers: boot without swiotlb=noforce");
	} else {
		dev = mock_kunit_untrusted(test);
	}
	dma_set_min_align_mask(dev, GRANULE - 1);
	return dev;
}

static long slots_used(struct device *dev)
{
#if defined(CONFIG_SWIOTLB) && defined(CONFIG_DEBUG_FS)
	return atomic_long_read(&dev->dma_io_tlb_mem->total_used);
#else
	return 0;
#endif
}

static bool is_slot(struct device *dev, dma_addr_t addr)
{
	return swiotlb_find_pool(dev, mock_kunit_phys(dev, addr));
}

static void shapes_of_memory_are_bounced_and_copied_back(struct kunit *test)
{
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, 4 * GRANULE, 5);
	u8 *got = kunit_kmalloc(test, 4 * GRANULE, GFP_KERNEL);
	u8 *want = kunit_kmalloc(test, 4 * GRANULE, GFP_KERNEL);
	const struct shape *s;

	KUNIT_ASSERT_NOT_NULL(test, got);
	KUNIT_ASSERT_NOT_NULL(test, want);
	for (s = shapes; s < shapes + ARRAY_SIZE(shapes); s++) {
		phys_addr_t phys = virt_to_phys(memory + s->offset);
		struct iova_range r = alloc(test, dev, phys, s->size);
		long used = slots_used(dev);

		memcpy(want, memory, 4 * GRANULE);
		KUNIT_ASSERT_EQ_MSG(test, 0, link(&r, phys, 0, s->size), "%s",
				    s->name);
		KUNIT_ASSERT_EQ(test, 0, sync(&r, 0, s->size));
		KUNIT_EXPECT_EQ_MSG(test, s->slots, is_slot(dev, r.state.addr) +
				    (is_slot(dev, r.state.addr + s->size - 1) &&
				     (r.state.addr + s->size - 1) / GRANULE !=
				     r.state.addr / GRANULE), "%s", s->name);
		KUNIT_EXPECT_EQ(test, 0, mock_dma_read(dev, r.state.addr, got,
						       s->size));
		KUNIT_EXPECT_MEMEQ(test, got, memory + s->offset, s->size);
		memset(got, 0x5a, s->size);
		KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, r.state.addr, got,
							s->size));
		destroy(&r, s->size);
		memset(want + s->offset, 0x5a, s->size);
		KUNIT_EXPECT_MEMEQ_MSG(test, memory, want, 4 * GRANULE, "%s",
				       s->name);
		KUNIT_EXPECT_EQ(test, slots_used(dev), used);
		if (s->slots)
			KUNIT_EXPECT_FALSE(test, is_reached(dev, r.state.addr));
		memset(memory, 0xa5, 4 * GRANULE);
	}
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

/* What there is in the middle of an invalidation, which the device uses. */
struct watch {
	struct iova_range *r;
	size_t size;
	const u8 *memory;
	u8 seen[2];
	long used;
	unsigned int calls;
};

static void write_late(struct mock_iommu *mock, enum mock_op op)
{
	struct watch *w = mock->in_flush_data;
	struct device *dev = w->r->dev;
	u8 byte = 0x77;

	if (w->calls++)
		return;
	w->used = slots_used(dev);
	w->seen[0] = w->memory[0];
	w->seen[1] = w->memory[w->size - 1];
	mock_dma_write(dev, w->r->state.addr, &byte, 1);
	mock_dma_write(dev, w->r->state.addr + w->size - 1, &byte, 1);
}

static void expect_slots_wait(struct kunit *test, bool by_unlink)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, 4 * GRANULE, 9);
	const struct shape *s;

	for (s = shapes; s < shapes + ARRAY_SIZE(shapes); s++) {
		u8 *begin = memory + s->offset;
		struct iova_range r = alloc(test, dev, virt_to_phys(begin), s->size);
		struct watch w = { &r, s->size, begin };
		long before = slots_used(dev), during;

		if (!s->slots)
			continue;
		begin[0] = 0x11;
		begin[s->size - 1] = 0x22;
		KUNIT_ASSERT_EQ(test, 0, link(&r, virt_to_phys(begin), 0, s->size));
		during = slots_used(dev);
		mock->in_flush_data = &w;
		mock->in_flush = write_late;
		if (by_unlink)
			unlink(&r, 0, s->size);
		else
			destroy(&r, s->size);
		mock->in_flush = NULL;
		KUNIT_EXPECT_EQ(test, w.calls, 1);
		KUNIT_EXPECT_EQ_MSG(test, w.used, during, "%s", s->name);
		KUNIT_EXPECT_EQ(test, slots_used(dev), before);
		/* Nothing was copied yet, and what came late is copied. */
		KUNIT_EXPECT_EQ(test, w.seen[0], 0x11);
		KUNIT_EXPECT_EQ(test, w.seen[1], 0x22);
		KUNIT_EXPECT_EQ(test, begin[0], 0x77);
		KUNIT_EXPECT_EQ(test, begin[s->size - 1], 0x77);
		if (by_unlink)
			dma_iova_free(dev, &r.state);
	}
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
}

static void slots_are_freed_after_the_invalidation_of_a_destroy(struct kunit *test)
{
	expect_slots_wait(test, false);
}

static void slots_are_freed_after_the_invalidation_of_an_unlink(struct kunit *test)
{
	expect_slots_wait(test, true);
}

static void no_slot_is_used_again_while_the_device_reaches_it(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, 4 * GRANULE, 1);
	const struct shape *s;
	unsigned int i;

	mock->config.watch_phys = true;
	for (i = 0; i < 4 * ARRAY_SIZE(shapes); i++) {
		struct iova_range r;

		s = &shapes[i % ARRAY_SIZE(shapes)];
		if (!s->slots)
			continue;
		r = alloc(test, dev, virt_to_phys(memory) + s->offset, s->size);
		KUNIT_ASSERT_EQ(test, 0, link(&r, virt_to_phys(memory) + s->offset,
					      0, s->size));
		destroy(&r, s->size);
	}
	KUNIT_EXPECT_EQ(test, mock->aliased, 0);
}

static void around_a_slot_there_is_nothing_but_zeros(struct kunit *test)
{
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, GRANULE, 3);
	u8 *seen = kunit_kmalloc(test, GRANULE, GFP_KERNEL);
	struct iova_range r = alloc(test, dev, virt_to_phys(memory) + 700, 10);

	KUNIT_ASSERT_NOT_NULL(test, seen);
	KUNIT_ASSERT_EQ(test, 0, link(&r, virt_to_phys(memory) + 700, 0, 10));
	KUNIT_EXPECT_EQ(test, 0, mock_peek(dev, r.state.addr - 700, seen, GRANULE));
	KUNIT_EXPECT_NULL(test, memchr_inv(seen, 0, 700));
	KUNIT_EXPECT_MEMEQ(test, seen + 700, memory + 700, 10);
	KUNIT_EXPECT_NULL(test, memchr_inv(seen + 710, 0, GRANULE - 710));
	destroy(&r, 10);
}

static void without_a_copy_to_the_cpu_slots_are_not_copied_back(struct kunit *test)
{
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, GRANULE, 3), byte = 0x77;
	struct iova_range r = alloc(test, dev, virt_to_phys(memory) + 700, 10);

	memory[700] = 0x11;
	KUNIT_ASSERT_EQ(test, 0, link(&r, virt_to_phys(memory) + 700, 0, 10));
	KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, r.state.addr, &byte, 1));
	dma_iova_destroy(dev, &r.state, 10, TWO_WAY, DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_EXPECT_EQ(test, memory[700], 0x11);
}

static void a_failed_link_frees_its_slots(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, 4 * GRANULE, 2);
	const struct shape *s;
	unsigned int budget;

	for (s = shapes; s < shapes + ARRAY_SIZE(shapes); s++) {
		phys_addr_t phys = virt_to_phys(memory + s->offset);
		struct iova_range r = alloc(test, dev, phys, s->size);
		unsigned int granules = DIV_ROUND_UP(s->offset + s->size, GRANULE);
		struct dma_iova_state before = r.state;
		long used = slots_used(dev);

		for (budget = 0; budget < granules; budget++) {
			mock->faults.map_budget = budget;
			KUNIT_EXPECT_NE_MSG(test, 0, link(&r, phys, 0, s->size),
					    "%s", s->name);
			KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
			KUNIT_EXPECT_EQ(test, slots_used(dev), used);
			KUNIT_EXPECT_EQ_MSG(test, r.state.__size, before.__size,
					    "%s", s->name);
		}
		mock->faults.map_budget = MOCK_NEVER;
		KUNIT_EXPECT_EQ(test, 0, link(&r, phys, 0, s->size));
		destroy(&r, s->size);
	}
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

/* Take all slots that have @size bytes or more; returns how many it took. */
static unsigned int take_slots(struct device *dev, phys_addr_t phys, size_t size,
			       phys_addr_t *taken, unsigned int most)
{
	unsigned int nr;

	for (nr = 0; nr < most; nr++) {
		taken[nr] = dmamap_bounce(dev, phys, size, DMA_TO_DEVICE,
					  DMA_ATTR_NO_WARN);
		if (taken[nr] == (phys_addr_t)DMA_MAPPING_ERROR)
			break;
	}
	return nr;
}

static void give_slot(struct device *dev, phys_addr_t slot, size_t size)
{
	swiotlb_tbl_unmap_single(dev, slot, size, DMA_TO_DEVICE, 0);
}

static void without_slots_a_link_fails_and_links_nothing(struct kunit *test)
{
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, 4 * GRANULE, 2);
	size_t large = swiotlb_max_mapping_size(dev), size = 3 * GRANULE;
	phys_addr_t phys = virt_to_phys(memory), *taken, *small;
	struct iova_range r = alloc(test, dev, phys + 512, size);
	const unsigned int most = 4096;
	unsigned int nr, pages, left;

	taken = kunit_kcalloc(test, 2 * most, sizeof(*taken), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, taken);
	small = taken + most;
	nr = take_slots(dev, phys, large, taken, most);
	KUNIT_ASSERT_GT(test, nr, 0);
	give_slot(dev, taken[--nr], large);
	pages = take_slots(dev, phys, GRANULE, small, most);
	KUNIT_ASSERT_GT(test, pages, 1);
	KUNIT_ASSERT_LT(test, pages, most);
	/* None is left, or one, which the head gets. */
	for (left = 0; left < 2; left++) {
		if (left)
			give_slot(dev, small[--pages], GRANULE);
		KUNIT_EXPECT_EQ(test, -ENOMEM,
				dma_iova_link(dev, &r.state, phys + 512, 0, size,
					      TWO_WAY, DMA_ATTR_NO_WARN));
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
		KUNIT_EXPECT_EQ(test, r.state.__size, size);
	}
	give_slot(dev, small[--pages], GRANULE);
	KUNIT_EXPECT_EQ(test, 0, link(&r, phys + 512, 0, size));
	destroy(&r, size);
	while (pages)
		give_slot(dev, small[--pages], GRANULE);
	while (nr)
		give_slot(dev, taken[--nr], large);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void a_refused_destroy_keeps_its_slots(struct kunit *test)
{
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, 4 * GRANULE, 2);
	phys_addr_t phys = virt_to_phys(memory) + 512;
	struct iova_range r = alloc(test, dev, phys, 3 * GRANULE);
	long used;
	int bad;

	KUNIT_ASSERT_EQ(test, 0, link(&r, phys, 0, 3 * GRANULE));
	used = slots_used(dev);
	bad = announce(dev);
	destroy(&r, 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	KUNIT_EXPECT_EQ(test, slots_used(dev), used);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 4 * GRANULE);
	destroy(&r, 3 * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	expect_all_free(test, dev);
}

/* What is behind a hole stays linked: the device still reaches its slot. */
static void a_slot_behind_a_hole_is_kept(struct kunit *test)
{
	const size_t size = 3 * GRANULE, head = GRANULE - 512, tail = size - 512;
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, 4 * GRANULE, 2);
	phys_addr_t phys = virt_to_phys(memory) + 512, slot;
	struct iova_range r = alloc(test, dev, phys, size);
	long used;
	int bad;

	KUNIT_ASSERT_EQ(test, 0, link(&r, phys, 0, head));
	KUNIT_ASSERT_EQ(test, 0, link(&r, phys + tail, tail, 512));
	slot = mock_kunit_phys(dev, r.state.addr);
	used = slots_used(dev);
	bad = announce(dev);
	unlink(&r, 0, size);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	KUNIT_EXPECT_TRUE(test, is_slot(dev, r.state.addr + tail));
	KUNIT_EXPECT_EQ(test, slots_used(dev), used);
	unlink(&r, tail, 512);
	give_slot(dev, slot, head);
	dma_iova_free(dev, &r.state);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	expect_all_free(test, dev);
}

static void a_slot_that_cannot_begin_there_is_not_tried(struct kunit *test)
{
	struct device *dev = untrusted(test);
	struct iova_range r = { .dev = dev };

	/* Without min_align_mask a slot begins at a granule. */
	dma_set_min_align_mask(dev, 0);
	KUNIT_EXPECT_FALSE(test, dma_iova_try_alloc(dev, &r.state, 100, GRANULE));
	KUNIT_EXPECT_FALSE(test, dma_use_iova(&r.state));
	r = alloc(test, dev, 0, 100);
	dma_iova_free(dev, &r.state);
	dma_set_min_align_mask(dev, GRANULE - 1);
	r = alloc(test, dev, 100, GRANULE);
	dma_iova_free(dev, &r.state);
	expect_all_free(test, dev);
}

/* Attributes. */

static void registers_are_linked_as_such_and_never_bounced(struct kunit *test)
{
	struct device *dev = untrusted(test);
	struct iova_range r = alloc(test, dev, 0, GRANULE + 100);
	struct mock_page page;

	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(dev, &r.state, piece(0), 0, GRANULE,
					       TWO_WAY, DMA_ATTR_MMIO));
	mock_translate(dev, r.state.addr, &page);
	KUNIT_EXPECT_EQ(test, page.prot & (IOMMU_MMIO | IOMMU_CACHE), IOMMU_MMIO);
	/* They would have to be bounced. */
	KUNIT_EXPECT_EQ(test, -EPERM,
			dma_iova_link(dev, &r.state, piece(1), GRANULE, 100,
				      TWO_WAY, DMA_ATTR_MMIO));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), GRANULE);
	dma_iova_destroy(dev, &r.state, GRANULE, TWO_WAY, DMA_ATTR_MMIO);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void what_must_be_coherent_is_not_bounced(struct kunit *test)
{
	struct device *dev = untrusted(test);
	u8 *memory = new_memory(test, 2 * GRANULE, 2);
	phys_addr_t phys = virt_to_phys(memory);
	struct iova_range r = alloc(test, dev, 0, GRANULE + 100);

	KUNIT_EXPECT_EQ(test, 0,
			dma_iova_link(dev, &r.state, phys, 0, GRANULE, TWO_WAY,
				      DMA_ATTR_REQUIRE_COHERENT));
	KUNIT_EXPECT_EQ(test, -EPERM,
			dma_iova_link(dev, &r.state, phys + GRANULE, GRANULE, 100,
				      TWO_WAY, DMA_ATTR_REQUIRE_COHERENT));
	/* Nor is there a bounced part of the range. */
	KUNIT_EXPECT_EQ(test, 0, link(&r, phys + GRANULE, GRANULE, 100));
	unlink(&r, 0, GRANULE);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_iova_link(dev, &r.state, phys, 0, GRANULE, TWO_WAY,
				      DMA_ATTR_REQUIRE_COHERENT));
	unlink(&r, GRANULE, 100);
	dma_iova_free(dev, &r.state);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void a_piece_may_be_accessed_as_linked(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	u8 *memory = new_memory(test, GRANULE, 2), byte;
	struct iova_range r = alloc(test, dev, 0, GRANULE);

	KUNIT_ASSERT_EQ(test, 0, dma_iova_link(dev, &r.state, virt_to_phys(memory),
					       0, GRANULE, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, 0, mock_dma_read(dev, r.state.addr, &byte, 1));
	KUNIT_EXPECT_NE(test, 0, mock_dma_write(dev, r.state.addr, &byte, 1));
	dma_iova_destroy(dev, &r.state, GRANULE, DMA_TO_DEVICE, 0);
}

static void sizes_that_cannot_be_are_refused(struct kunit *test)
{
	static const struct {
		phys_addr_t phys;
		size_t size;
	} cases[] = {
		{ 0, (size_t)DMA_IOVA_USE_SWIOTLB }, { 0, SIZE_MAX },
		{ 100, SIZE_MAX - 50 }, { GRANULE - 1, SIZE_MAX - GRANULE + 2 },
		{ 0, SMALL * GRANULE }, { 1, (SMALL - 1) * GRANULE },
	};
	struct device *dev = mock_kunit_platform(test);
	struct dma_iova_state state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!cases[i].size)
			continue;
		KUNIT_EXPECT_FALSE_MSG(test, dma_iova_try_alloc(dev, &state,
								cases[i].phys,
								cases[i].size),
				       "case %u", i);
		KUNIT_EXPECT_FALSE(test, dma_use_iova(&state));
	}
	expect_all_free(test, dev);
}

/* Each of these warns once only. */

static void a_range_of_0_bytes_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct dma_iova_state state;

	pr_info("expected warning: dma_iova_try_alloc\n");
	KUNIT_EXPECT_FALSE(test, dma_iova_try_alloc(dev, &state, 0, 0));
	KUNIT_EXPECT_FALSE(test, dma_use_iova(&state));
}

static void a_link_outside_the_range_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc(test, dev, 0, 2 * GRANULE);

	pr_info("expected warning: dma_iova_link\n");
	KUNIT_EXPECT_EQ(test, -EINVAL, link(&r, piece(0), 0, 3 * GRANULE));
	KUNIT_EXPECT_EQ(test, -EINVAL, link(&r, piece(0), GRANULE, 2 * GRANULE));
	KUNIT_EXPECT_EQ(test, -EINVAL, link(&r, piece(0), 2 * GRANULE, GRANULE));
	KUNIT_EXPECT_EQ(test, -EINVAL, link(&r, piece(0), 3 * GRANULE, GRANULE));
	KUNIT_EXPECT_EQ(test, -EINVAL, link(&r, piece(0), GRANULE, -GRANULE));
	KUNIT_EXPECT_EQ(test, -EINVAL, link(&r, piece(0), 0, 0));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	dma_iova_free(dev, &r.state);
}

static void a_link_inside_a_granule_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc(test, dev, 100, 2 * GRANULE);

	pr_info("expected warning: dma_iova_link\n");
	/* At another place of the granule, and not at the beginning */
	KUNIT_EXPECT_EQ(test, -EIO, link(&r, piece(0), 0, GRANULE));
	KUNIT_EXPECT_EQ(test, -EIO, link(&r, piece(0) + 200, 100, GRANULE));
	KUNIT_EXPECT_EQ(test, -EIO, link(&r, piece(0), 100, GRANULE));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	dma_iova_free(dev, &r.state);
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
/* Devices that do not snoop the CPU's caches. */

static struct device *noncoherent(struct kunit *test)
{
	struct device *dev = mock_platform_create(test->priv);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev_assign_dma_coherent(dev, false);
	return mock_kunit_add(test, dev);
}

static phys_addr_t cleaned[2 * PIECES];
static size_t cleaned_size[2 * PIECES];
static unsigned int nr_cleaned;

static void note_cleaned(struct device *dev, phys_addr_t phys, size_t size,
			 enum dma_data_direction dir, bool for_cpu)
{
	if (!for_cpu || nr_cleaned == ARRAY_SIZE(cleaned))
		return;
	cleaned[nr_cleaned] = phys;
	cleaned_size[nr_cleaned++] = size;
}

static void caches_are_cleaned_of_what_is_destroyed(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	u8 *memory = new_memory(test, 2 * GRANULE, 2);
	u8 *apart = new_memory(test, GRANULE, 3);
	struct iova_range r = alloc(test, dev, 0, 3 * GRANULE);

	KUNIT_ASSERT_EQ(test, 0, link(&r, virt_to_phys(memory), 0, 2 * GRANULE));
	KUNIT_ASSERT_EQ(test, 0, link(&r, virt_to_phys(apart), 2 * GRANULE, GRANULE));
	nr_cleaned = 0;
	kunit_activate_static_stub(test, dmamap_cache, note_cleaned);
	destroy(&r, 3 * GRANULE);
	kunit_deactivate_static_stub(test, dmamap_cache);
	/* What meets in memory is one piece. */
	KUNIT_ASSERT_EQ(test, nr_cleaned, 2);
	KUNIT_EXPECT_EQ(test, cleaned[0], virt_to_phys(memory));
	KUNIT_EXPECT_EQ(test, cleaned_size[0], 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, cleaned[1], virt_to_phys(apart));
	KUNIT_EXPECT_EQ(test, cleaned_size[1], GRANULE);
}

static void what_must_be_coherent_is_refused(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	struct iova_range r = alloc(test, dev, 0, GRANULE);

	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_iova_link(dev, &r.state, piece(0), 0, GRANULE, TWO_WAY,
				      DMA_ATTR_REQUIRE_COHERENT));
	dma_iova_free(dev, &r.state);
}

static void a_kmalloc_slot_that_cannot_begin_there_is_not_tried(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	struct dma_iova_state state;

	if (!dma_kmalloc_needs_bounce(dev, 8, DMA_FROM_DEVICE))
		kunit_skip(test, "kmalloc() buffers do not bounce");
	KUNIT_EXPECT_FALSE(test, dma_iova_try_alloc(dev, &state, 8, GRANULE));
}
#endif

static struct kunit_case two_step_bounce_cases[] = {
	CASE(shapes_of_memory_are_bounced_and_copied_back),
	CASE(slots_are_freed_after_the_invalidation_of_a_destroy),
	CASE(slots_are_freed_after_the_invalidation_of_an_unlink),
	CASE(no_slot_is_used_again_while_the_device_reaches_it),
	CASE(around_a_slot_there_is_nothing_but_zeros),
	CASE(without_a_copy_to_the_cpu_slots_are_not_copied_back),
	CASE(a_failed_link_frees_its_slots),
	CASE(without_slots_a_link_fails_and_links_nothing),
	CASE(a_refused_destroy_keeps_its_slots),
	CASE(a_slot_behind_a_hole_is_kept),
	CASE(a_slot_that_cannot_begin_there_is_not_tried),
	CASE(registers_are_linked_as_such_and_never_bounced),
	CASE(what_must_be_coherent_is_not_bounced),
	CASE(a_piece_may_be_accessed_as_linked),
	CASE(sizes_that_cannot_be_are_refused),
	KUNIT_CASE(a_range_of_0_bytes_is_refused),
	KUNIT_CASE(a_link_outside_the_range_is_refused),
	KUNIT_CASE(a_link_inside_a_granule_is_refused),
#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
	CASE(caches_are_cleaned_of_what_is_destroyed),
	CASE(what_must_be_coherent_is_refused),
	CASE(a_kmalloc_slot_that_cannot_begin_there_is_not_tried),
#endif
	{}
};

static struct kunit_suite two_step_bounce_suite = {
	.name = "dmamap_two_step_bounce",
	.suite_init = mock_kunit_suite_init,
	.init = unmap_init,
	.exit = mock_kunit_exit,
	.test_cases = two_step_bounce_cases,
};

kunit_test_suite(two_step_bounce_suite);
