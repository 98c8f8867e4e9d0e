// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of IOVA ranges that are linked to memory piece by piece.
 *
 * 1. Devices are behind an IOMMU in software (mock_iommu.h).  Tests run for page
 *    tables that have the bounds of mappings and for others, and for strict and lazy
 *    domains.
 * 2. Wrong calls are refused, reported and change nothing.  Ranges lie side by side
 *    in a small aperture.  After a test each of its addresses can be had, and none of
 *    them twice.
 */

#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>

#include "unmap_kunit.h"

#define TWO_WAY		DMA_BIDIRECTIONAL

struct iova_range {
	struct device *dev;
	struct dma_iova_state state;
};

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

static bool is_reached(struct device *dev, dma_addr_t addr)
{
	return mock_translate(dev, addr, NULL) != MOCK_NOWHERE;
}

static void free_memory(void *memory)
{
	struct page *page = virt_to_page(memory);

	__free_pages(page, compound_order(page));
}

/* Memory with a pattern that depends on @seed. */
static u8 *new_memory(struct kunit *test, size_t size, unsigned int seed)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP,
					get_order(size));
	u8 *memory;
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	memory = page_address(page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_memory,
							   memory));
	for (i = 0; i < size; i++)
		memory[i] = (i * 7 + seed * 31) % 255 + 1;
	return memory;
}

static struct iova_range alloc(struct kunit *test, struct device *dev,
			       phys_addr_t phys, size_t size)
{
	struct iova_range r = { .dev = dev };

	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &r.state, phys, size));
	KUNIT_ASSERT_TRUE(test, dma_use_iova(&r.state));
	KUNIT_EXPECT_EQ(test, dma_iova_size(&r.state), size);
	return r;
}

static int link(struct iova_range *r, phys_addr_t phys, size_t offset, size_t size)
{
	return dma_iova_link(r->dev, &r->state, phys, offset, size, TWO_WAY, 0);
}

static int sync(struct iova_range *r, size_t offset, size_t size)
{
	return dma_iova_sync(r->dev, &r->state, offset, size);
}

static void unlink(struct iova_range *r, size_t offset, size_t size)
{
	dma_iova_unlink(r->dev, &r->state, offset, size, TWO_WAY, 0);
}

static void destroy(struct iova_range *r, size_t size)
{
	dma_iova_destroy(r->dev, &r->state, size, TWO_WAY, 0);
}

/* Granule @n of the memory of a test: no two of them meet. */
static phys_addr_t piece(unsigned int n)
{
	return MMIO + n * 2 * GRANULE;
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

/* The next call is wrong. */
static int announce(struct device *dev)
{
	pr_info("expected warning: unmap of IOVA\n");
	return bad_unmaps(dev);
}

static void expect_all_free(struct kunit *test, struct device *dev)
{
	expect_each_address_once(test, dev, SMALL, 0);
}

/* What comes before a range, the range, and what comes behind. */
struct between {
	struct iova_range below, r, above;
};

#define PIECES	4U

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

#define CASE(name)	KUNIT_CASE_PARAM(name, kind_gen_params)

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
	CASE(shapes_of_memory_are_bounced_and_copied_back),
	CASE(slots_are_freed_after_the_invalidation_of_a_destroy),
	CASE(slots_are_freed_after_the_invalidation_of_an_unlink),
	CASE(no_slot_is_used_again_while_the_device_reaches_it),
	CASE(around_a_slot_there_is_nothing_but_zeros),
	CASE(without_a_copy_to_the_cpu_slots_are_not_copied_back),
	CASE(a_failed_link_frees_its_slots),
	CASE(without_slots_a_link_fails_and_links_nothing),
	CASE(a_refused_destroy_keeps_its_slots),
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

static struct kunit_suite two_step_suite = {
	.name = "dmamap_two_step",
	.suite_init = mock_kunit_suite_init,
	.init = unmap_init,
	.exit = mock_kunit_exit,
	.test_cases = two_step_cases,
};

kunit_test_suite(two_step_suite);
