// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of IOVA ranges that are linked to memory piece by piece: their life,
 * invalidations, and wrong calls.
 *
 * Wrong calls are refused, reported and change nothing.  Ranges lie side by side in a
 * small aperture.  After a test each of its addresses can be had, and none of them
 * twice.
 */

#include <linux/delay.h>

#include "two_step_kunit.h"

static const struct kind *kind_of(struct kunit *test)
{
	return test->param_value;
}

/* Interrupts that are disabled keep the timer of the flush queue away. */
static unsigned long disable_irqs(void)
{
	unsigned long flags = 0;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_save(flags);
	return flags;
}

static void enable_irqs(unsigned long flags)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_restore(flags);
}

static unsigned long invalidations(struct device *dev)
{
	struct mock_iommu *mock = dev_get_platdata(dev);

	return mock_count(mock, MOCK_SYNC) + mock_count(mock, MOCK_FLUSH_ALL);
}

/* A range of @granules, of which the first @pieces are linked. */
static struct iova_range alloc_linked(struct kunit *test, struct device *dev,
				      unsigned int granules, unsigned int pieces)
{
	struct iova_range r = alloc(test, dev, 0, granules * GRANULE);
	unsigned int i;

	for (i = 0; i < pieces; i++)
		KUNIT_ASSERT_EQ(test, 0, link(&r, piece(i), i * GRANULE,
					      GRANULE));
	KUNIT_ASSERT_EQ(test, 0, sync(&r, 0, pieces * GRANULE));
	return r;
}

static void expect_linked(struct kunit *test, struct iova_range *r,
			  unsigned int pieces)
{
	unsigned int i;

	for (i = 0; i < pieces; i++)
		KUNIT_EXPECT_EQ(test, piece(i),
				mock_kunit_phys(r->dev, r->state.addr +
							i * GRANULE));
}

/* What comes before a range, the range, and what comes behind. */
struct between {
	struct iova_range below, r, above;
};

static struct between alloc_between(struct kunit *test, unsigned int pieces)
{
	struct device *dev = mock_kunit_platform(test);
	struct between b;

	b.above = alloc_linked(test, dev, PIECES, PIECES);
	b.r = alloc_linked(test, dev, PIECES, pieces);
	b.below = alloc_linked(test, dev, PIECES, PIECES);
	KUNIT_ASSERT_EQ(test, b.r.state.addr + PIECES * GRANULE,
			b.above.state.addr);
	KUNIT_ASSERT_EQ(test, b.below.state.addr + PIECES * GRANULE,
			b.r.state.addr);
	return b;
}

/* A wrong call was reported and changed nothing. */
static void expect_refused(struct kunit *test, struct between *b,
			   unsigned int pieces, int bad)
{
	struct device *dev = b->r.dev;

	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	expect_linked(test, &b->below, PIECES);
	expect_linked(test, &b->r, pieces);
	expect_linked(test, &b->above, PIECES);
	bad = bad_unmaps(dev);
	destroy(&b->r, pieces * GRANULE);
	destroy(&b->below, PIECES * GRANULE);
	destroy(&b->above, PIECES * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad);
	expect_all_free(test, dev);
}

static void expect_bad_destroy(struct kunit *test, unsigned int pieces,
			       size_t size)
{
	struct between b = alloc_between(test, pieces);
	int bad = announce(b.r.dev);

	destroy(&b.r, size);
	expect_refused(test, &b, pieces, bad);
}

/* A whole life. */

static void linked_memory_is_read_and_written(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	u8 *memory[3], *got = kunit_kmalloc(test, 3 * GRANULE, GFP_KERNEL);
	size_t sizes[] = { GRANULE - 100, GRANULE, 50 }, at = 0;
	struct iova_range r;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, got);
	for (i = 0; i < 3; i++)
		memory[i] = new_memory(test, GRANULE, i);
	memory[0] += 100;
	r = alloc(test, dev, virt_to_phys(memory[0]), 2 * GRANULE - 50);
	KUNIT_EXPECT_EQ(test, r.state.addr % GRANULE, 100);
	for (i = 0; i < 3; at += sizes[i++])
		KUNIT_ASSERT_EQ(test, 0, link(&r, virt_to_phys(memory[i]), at,
					      sizes[i]));
	KUNIT_ASSERT_EQ(test, 0, sync(&r, 0, at));
	KUNIT_EXPECT_EQ(test, 0, mock_dma_read(dev, r.state.addr, got, at));
	for (i = 0, at = 0; i < 3; at += sizes[i++])
		KUNIT_EXPECT_MEMEQ(test, got + at, memory[i], sizes[i]);
	memset(got, 0x5a, at);
	KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, r.state.addr, got, at));
	destroy(&r, at);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_NULL(test, memchr_inv(memory[i], 0x5a, sizes[i]));
	KUNIT_EXPECT_EQ(test, memory[2][50], (50 * 7 + 62) % 255 + 1);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void pieces_are_linked_in_any_order(struct kunit *test)
{
	static const unsigned int order[PIECES] = { 2, 0, 3, 1 };
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc(test, dev, 0, PIECES * GRANULE);
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		KUNIT_ASSERT_EQ(test, 0, link(&r, piece(order[i]),
					      order[i] * GRANULE, GRANULE));
	expect_linked(test, &r, PIECES);
	destroy(&r, PIECES * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void what_is_linked_can_be_used_after_a_sync(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct iova_range r;

	mock->config.caching_mode = true;
	r = alloc(test, mock_kunit_platform(test), 0, 2 * GRANULE);
	KUNIT_ASSERT_EQ(test, 0, link(&r, piece(0), 0, GRANULE));
	KUNIT_ASSERT_EQ(test, 0, link(&r, piece(1), GRANULE, GRANULE));
	KUNIT_EXPECT_EQ(test, 0, mock_count(mock, MOCK_SYNC_MAP));
	KUNIT_EXPECT_EQ(test, 0, sync(&r, 0, 2 * GRANULE));
	KUNIT_EXPECT_EQ(test, 1, mock_count(mock, MOCK_SYNC_MAP));
	expect_linked(test, &r, 2);
	destroy(&r, 2 * GRANULE);
}

static void a_failed_sync_leaves_all_linked(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, PIECES);

	mock->faults.sync_map = true;
	KUNIT_EXPECT_NE(test, 0, sync(&r, 0, PIECES * GRANULE));
	mock->faults.sync_map = false;
	expect_linked(test, &r, PIECES);
	destroy(&r, PIECES * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void a_range_is_freed_that_was_never_linked(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc(test, dev, 0, PIECES * GRANULE);
	unsigned long before = invalidations(dev);

	dma_iova_free(dev, &r.state);
	KUNIT_EXPECT_EQ(test, invalidations(dev), before);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void a_range_is_freed_whose_pieces_are_unlinked(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, PIECES);
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		unlink(&r, (i + 1) % PIECES * GRANULE, GRANULE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	dma_iova_free(dev, &r.state);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void a_range_is_destroyed_of_which_a_part_is_linked(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	unsigned int pieces;

	for (pieces = 0; pieces <= PIECES; pieces++) {
		struct iova_range r = alloc_linked(test, dev, PIECES, pieces);

		destroy(&r, pieces * GRANULE);
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	}
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

/*
 * As drivers of Qualcomm's video hardware reserve what is below an address, in
 * chunks that are aligned: each has to be the highest that is left.
 */
static void aligned_chunks_come_from_the_top_downwards(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	unsigned long end = SMALL / 2 * GRANULE, left = end - GRANULE, nr = 0;
	struct dma_iova_state *states;

	states = kunit_kcalloc(test, SMALL, sizeof(*states), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, states);
	dev->bus_dma_limit = end - 1;
	while (left) {
		unsigned long chunk = min(end & -end, 1UL << (fls64(left) - 1));

		KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &states[nr], 0,
							   chunk));
		KUNIT_EXPECT_EQ(test, states[nr].addr, end - chunk);
		end -= chunk;
		left -= chunk;
		nr++;
	}
	dev->bus_dma_limit = 0;
	while (nr)
		dma_iova_free(dev, &states[--nr]);
	expect_all_free(test, dev);
}

/* Invalidations. */

static void a_lazy_destroy_invalidates_nothing(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, PIECES);
	unsigned long before, flags;
	bool reached;

	if (!kind_of(test)->lazy)
		kunit_skip(test, "strict");
	flags = disable_irqs();
	before = invalidations(dev);
	destroy(&r, PIECES * GRANULE);
	reached = is_reached(dev, r.state.addr);
	before = invalidations(dev) - before;
	enable_irqs(flags);
	KUNIT_EXPECT_EQ(test, before, 0);
	KUNIT_EXPECT_TRUE(test, reached);
	flush(dev);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, r.state.addr));
}

static void a_strict_destroy_invalidates_once(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	unsigned int pieces;

	if (kind_of(test)->lazy)
		kunit_skip(test, "lazy");
	for (pieces = 1; pieces <= PIECES; pieces++) {
		struct iova_range r = alloc_linked(test, dev, PIECES, pieces);
		unsigned long before = invalidations(dev);

		destroy(&r, pieces * GRANULE);
		KUNIT_EXPECT_EQ(test, invalidations(dev), before + 1);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
}

static void no_range_is_used_again_before_a_flush(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = mock_kunit_platform(test);
	unsigned int i;

	for (i = 0; i < 4 * SMALL; i++) {
		struct iova_range r = { .dev = dev };

		if (!dma_iova_try_alloc(dev, &r.state, 0, PIECES * GRANULE)) {
			flush(dev);
			continue;
		}
		KUNIT_ASSERT_EQ(test, 0, link(&r, piece(i), 0, GRANULE));
		destroy(&r, GRANULE);
	}
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
	expect_all_free(test, dev);
}

static void an_unlink_invalidates_at_once(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, PIECES);
	unsigned long before, flags;
	bool reached;

	/* HMM links other memory there next. */
	flags = disable_irqs();
	before = mock_count(test->priv, MOCK_SYNC);
	unlink(&r, GRANULE, 2 * GRANULE);
	reached = is_reached(dev, r.state.addr + GRANULE) ||
		  is_reached(dev, r.state.addr + 2 * GRANULE);
	before = mock_count(test->priv, MOCK_SYNC) - before;
	enable_irqs(flags);
	KUNIT_EXPECT_EQ(test, before, 1);
	KUNIT_EXPECT_FALSE(test, reached);
	unlink(&r, 3 * GRANULE, GRANULE);
	destroy(&r, GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void other_memory_is_linked_to_the_same_place(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, PIECES);
	unsigned int i;

	for (i = 1; i < 10; i++) {
		unlink(&r, i % PIECES * GRANULE, GRANULE);
		KUNIT_EXPECT_EQ(test, 0, link(&r, piece(i + PIECES),
					      i % PIECES * GRANULE, GRANULE));
		KUNIT_EXPECT_EQ(test, mock_kunit_phys(dev, r.state.addr +
						      i % PIECES * GRANULE),
				piece(i + PIECES));
	}
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
	destroy(&r, PIECES * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

/* What is not linked as the caller says. */

static void a_destroy_of_a_granule_less_is_refused(struct kunit *test)
{
	expect_bad_destroy(test, PIECES, (PIECES - 1) * GRANULE);
}

static void a_destroy_of_a_granule_less_of_a_part_is_refused(struct kunit *test)
{
	expect_bad_destroy(test, PIECES - 1, (PIECES - 2) * GRANULE);
}

static void a_destroy_of_a_granule_more_is_refused(struct kunit *test)
{
	expect_bad_destroy(test, PIECES - 1, PIECES * GRANULE);
}

static void a_destroy_of_a_byte_more_is_refused(struct kunit *test)
{
	expect_bad_destroy(test, PIECES - 2, (PIECES - 2) * GRANULE + 1);
}

static void a_destroy_beyond_the_range_is_refused(struct kunit *test)
{
	expect_bad_destroy(test, PIECES, (PIECES + 1) * GRANULE);
}

static void a_destroy_of_a_size_that_wraps_is_refused(struct kunit *test)
{
	expect_bad_destroy(test, PIECES, SIZE_MAX);
}

static void a_free_of_a_linked_range_is_refused(struct kunit *test)
{
	expect_bad_destroy(test, PIECES, 0);
}

static void a_free_of_a_range_linked_in_the_middle_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc(test, dev, 0, PIECES * GRANULE);
	int bad;

	KUNIT_ASSERT_EQ(test, 0, link(&r, piece(2), 2 * GRANULE, GRANULE));
	bad = announce(dev);
	dma_iova_free(dev, &r.state);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	KUNIT_EXPECT_EQ(test, piece(2),
			mock_kunit_phys(dev, r.state.addr + 2 * GRANULE));
	unlink(&r, 2 * GRANULE, GRANULE);
	dma_iova_free(dev, &r.state);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	expect_all_free(test, dev);
}

static void what_is_linked_behind_a_destroyed_part_is_found(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, 1);
	int bad;

	KUNIT_ASSERT_EQ(test, 0, link(&r, piece(3), 3 * GRANULE, GRANULE));
	bad = announce(dev);
	destroy(&r, GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	expect_linked(test, &r, 1);
	unlink(&r, 3 * GRANULE, GRANULE);
	destroy(&r, GRANULE);
	expect_all_free(test, dev);
}

static void a_destroyed_hole_is_reported(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, PIECES), other;
	int bad;

	unlink(&r, GRANULE, GRANULE);
	bad = announce(dev);
	destroy(&r, PIECES * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	flush(dev);
	/* Nobody gets the range. */
	while (dma_iova_try_alloc(dev, &other.state, 0, GRANULE))
		KUNIT_EXPECT_TRUE(test, other.state.addr < r.state.addr ||
				  other.state.addr >= r.state.addr + PIECES * GRANULE);
}

static void a_second_destroy_is_reported(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	unsigned int pieces;

	for (pieces = 1; pieces <= PIECES; pieces++) {
		struct iova_range r = alloc_linked(test, dev, PIECES, pieces);
		int bad;

		destroy(&r, pieces * GRANULE);
		bad = announce(dev);
		destroy(&r, pieces * GRANULE);
		KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	}
	expect_all_free(test, dev);
}

static void a_second_free_is_reported(struct kunit *test)
{
	const bool bounds = kind_of(test)->bounds;
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc(test, dev, 0, PIECES * GRANULE);
	int bad = bad_unmaps(dev);

	if (bounds && !IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "the stock allocator does not see it");
	dma_iova_free(dev, &r.state);
	/* A page table has no bounds of nothing, but the allocator sees it. */
	pr_info("expected warning: %s\n", bounds ? "free of pfn" : "unmap of IOVA");
	dma_iova_free(dev, &r.state);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + !bounds);
	expect_all_free(test, dev);
}

static void a_second_destroy_leaves_what_is_there_now(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, 2);
	const unsigned int most = SMALL / 2;
	dma_addr_t *addr;
	unsigned int nr, i;
	bool there = false;
	int bad;

	addr = kunit_kcalloc(test, most, sizeof(*addr), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	destroy(&r, 2 * GRANULE);
	flush(dev);
	/* There are mappings of the size that was linked everywhere ... */
	for (nr = 0; nr < most; nr++) {
		addr[nr] = test_map_registers(dev, MMIO, 2 * GRANULE, TWO_WAY);
		if (addr[nr] == DMA_MAPPING_ERROR)
			break;
		there |= addr[nr] == r.state.addr;
	}
	KUNIT_ASSERT_TRUE(test, there);
	/* ... but behind it, as there were in the range. */
	for (i = 0; i < nr; i++) {
		if (addr[i] != r.state.addr + 2 * GRANULE)
			continue;
		test_unmap(dev, addr[i], 2 * GRANULE, TWO_WAY);
		addr[i] = addr[--nr];
	}
	bad = announce(dev);
	destroy(&r, 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, mock_kunit_phys(dev, addr[i]), MMIO);
	while (nr)
		test_unmap(dev, addr[--nr], 2 * GRANULE, TWO_WAY);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad + 1);
	expect_all_free(test, dev);
}

static void an_unlink_of_what_is_not_linked_is_reported(struct kunit *test)
{
	struct between b = alloc_between(test, PIECES - 1);
	int bad = announce(b.r.dev);

	unlink(&b.r, (PIECES - 1) * GRANULE, GRANULE);
	expect_refused(test, &b, PIECES - 1, bad);
}

static void expect_bad_unlink(struct kunit *test, size_t offset, size_t size)
{
	struct between b = alloc_between(test, PIECES);
	int bad = announce(b.r.dev);

	unlink(&b.r, offset, size);
	expect_refused(test, &b, PIECES, bad);
}

static void an_unlink_of_nothing_is_refused(struct kunit *test)
{
	expect_bad_unlink(test, 0, 0);
}

static void an_unlink_beyond_the_range_is_refused(struct kunit *test)
{
	expect_bad_unlink(test, GRANULE, PIECES * GRANULE);
}

static void an_unlink_behind_the_range_is_refused(struct kunit *test)
{
	expect_bad_unlink(test, PIECES * GRANULE, GRANULE);
}

static void an_unlink_of_a_size_that_wraps_is_refused(struct kunit *test)
{
	expect_bad_unlink(test, GRANULE, -GRANULE);
}

static void an_unlink_from_inside_a_granule_is_refused(struct kunit *test)
{
	expect_bad_unlink(test, 100, GRANULE);
}

/* Other calls. */

static void expect_bad_unmap(struct kunit *test, unsigned int pieces,
			     size_t offset, size_t size)
{
	struct between b = alloc_between(test, pieces);
	int bad = announce(b.r.dev);

	test_unmap(b.r.dev, b.r.state.addr + offset, size, TWO_WAY);
	expect_refused(test, &b, pieces, bad);
}

static void an_unmap_inside_a_range_is_refused(struct kunit *test)
{
	expect_bad_unmap(test, PIECES, GRANULE, GRANULE);
}

static void an_unmap_of_the_end_of_a_range_is_refused(struct kunit *test)
{
	expect_bad_unmap(test, PIECES, (PIECES - 1) * GRANULE, GRANULE);
}

static void an_unmap_of_the_beginning_of_a_range_is_refused(struct kunit *test)
{
	expect_bad_unmap(test, PIECES, 0, GRANULE);
}

static void an_unmap_of_the_linked_part_of_a_range_is_refused(struct kunit *test)
{
	expect_bad_unmap(test, PIECES - 1, 0, (PIECES - 1) * GRANULE);
}

static void an_unmap_across_the_end_of_a_range_is_refused(struct kunit *test)
{
	expect_bad_unmap(test, PIECES, 0, 2 * PIECES * GRANULE);
}

/* Undo. */

static void a_failed_link_links_nothing(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, 2 * PIECES, 1);
	unsigned int budget;

	for (budget = 0; budget < PIECES; budget++) {
		mock->faults.map_budget = budget;
		KUNIT_EXPECT_NE(test, 0, link(&r, piece(1), GRANULE,
					      PIECES * GRANULE));
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), GRANULE);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, 0, link(&r, piece(1), GRANULE, GRANULE));
	destroy(&r, 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void a_link_over_another_one_fails(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = mock_kunit_platform(test);
	struct iova_range r = alloc_linked(test, dev, PIECES, 2);

	KUNIT_EXPECT_NE(test, 0, link(&r, piece(9), GRANULE, GRANULE));
	KUNIT_EXPECT_EQ(test, mock->collisions, 1);
	mock->collisions = 0;
	expect_linked(test, &r, 2);
	destroy(&r, 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_all_free(test, dev);
}

static void a_device_that_is_blocked_allocates_nothing(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct dma_iova_state state;
	struct device *dev;

	/* Its granule is too large. */
	dev = mock_platform_create(mock);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	mock->config.pgsize_bitmap = PAGE_SIZE * 2;
	mock_device_add(dev);
	KUNIT_ASSERT_TRUE(test, mock_refused(dev));
	KUNIT_EXPECT_FALSE(test, dma_iova_try_alloc(dev, &state, 0, GRANULE));
	KUNIT_EXPECT_FALSE(test, dma_use_iova(&state));
}

static struct kunit_case two_step_cases[] = {
	CASE(linked_memory_is_read_and_written),
	CASE(pieces_are_linked_in_any_order),
	CASE(what_is_linked_can_be_used_after_a_sync),
	CASE(a_failed_sync_leaves_all_linked),
	CASE(a_range_is_freed_that_was_never_linked),
	CASE(a_range_is_freed_whose_pieces_are_unlinked),
	CASE(a_range_is_destroyed_of_which_a_part_is_linked),
	CASE(aligned_chunks_come_from_the_top_downwards),
	CASE(a_lazy_destroy_invalidates_nothing),
	CASE(a_strict_destroy_invalidates_once),
	CASE(no_range_is_used_again_before_a_flush),
	CASE(an_unlink_invalidates_at_once),
	CASE(other_memory_is_linked_to_the_same_place),
	CASE(a_destroy_of_a_granule_less_is_refused),
	CASE(a_destroy_of_a_granule_less_of_a_part_is_refused),
	CASE(a_destroy_of_a_granule_more_is_refused),
	CASE(a_destroy_of_a_byte_more_is_refused),
	CASE(a_destroy_beyond_the_range_is_refused),
	CASE(a_destroy_of_a_size_that_wraps_is_refused),
	CASE(a_free_of_a_linked_range_is_refused),
	CASE(a_free_of_a_range_linked_in_the_middle_is_refused),
	CASE(what_is_linked_behind_a_destroyed_part_is_found),
	CASE(a_destroyed_hole_is_reported),
	CASE(a_second_destroy_is_reported),
	CASE(a_second_free_is_reported),
	CASE(a_second_destroy_leaves_what_is_there_now),
	CASE(an_unlink_of_what_is_not_linked_is_reported),
	CASE(an_unlink_of_nothing_is_refused),
	CASE(an_unlink_beyond_the_range_is_refused),
	CASE(an_unlink_behind_the_range_is_refused),
	CASE(an_unlink_of_a_size_that_wraps_is_refused),
	CASE(an_unlink_from_inside_a_granule_is_refused),
	CASE(an_unmap_inside_a_range_is_refused),
	CASE(an_unmap_of_the_end_of_a_range_is_refused),
	CASE(an_unmap_of_the_beginning_of_a_range_is_refused),
	CASE(an_unmap_of_the_linked_part_of_a_range_is_refused),
	CASE(an_unmap_across_the_end_of_a_range_is_refused),
	CASE(a_failed_link_links_nothing),
	CASE(a_link_over_another_one_fails),
	CASE(a_device_that_is_blocked_allocates_nothing),
	{}
};

static struct kunit_suite two_step_suite = {
	.name = "dmamap_two_step",
	.suite_init = mock_kunit_suite_init,
	.init = unmap_init,
	.exit = mock_kunit_exit,
	.test_cases = two_step_cases,
};

kunit_test_suite(two_step_suite);
