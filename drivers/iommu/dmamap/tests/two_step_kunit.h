/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of IOVA ranges that are linked to memory piece by piece share.
 *
 * Devices are behind an IOMMU in software (mock_iommu.h).  Tests run for page tables
 * that have the bounds of mappings and for others, and for strict and lazy domains.
 */
#ifndef _TWO_STEP_KUNIT_H
#define _TWO_STEP_KUNIT_H

#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>

#include "unmap_kunit.h"

#define TWO_WAY		DMA_BIDIRECTIONAL

struct iova_range {
	struct device *dev;
	struct dma_iova_state state;
};

static inline bool is_reached(struct device *dev, dma_addr_t addr)
{
	return mock_translate(dev, addr, NULL) != MOCK_NOWHERE;
}

static inline void free_memory(void *memory)
{
	struct page *page = virt_to_page(memory);

	__free_pages(page, compound_order(page));
}

/* Memory with a pattern that depends on @seed. */
static inline u8 *new_memory(struct kunit *test, size_t size, unsigned int seed)
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

static inline struct iova_range alloc(struct kunit *test, struct device *dev,
				      phys_addr_t phys, size_t size)
{
	struct iova_range r = { .dev = dev };

	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &r.state, phys, size));
	KUNIT_ASSERT_TRUE(test, dma_use_iova(&r.state));
	KUNIT_EXPECT_EQ(test, dma_iova_size(&r.state), size);
	return r;
}

static inline int link(struct iova_range *r, phys_addr_t phys, size_t offset, size_t size)
{
	return dma_iova_link(r->dev, &r->state, phys, offset, size, TWO_WAY, 0);
}

static inline int sync(struct iova_range *r, size_t offset, size_t size)
{
	return dma_iova_sync(r->dev, &r->state, offset, size);
}

static inline void unlink(struct iova_range *r, size_t offset, size_t size)
{
	dma_iova_unlink(r->dev, &r->state, offset, size, TWO_WAY, 0);
}

static inline void destroy(struct iova_range *r, size_t size)
{
	dma_iova_destroy(r->dev, &r->state, size, TWO_WAY, 0);
}

/* Granule @n of the memory of a test: no two of them meet. */
static inline phys_addr_t piece(unsigned int n)
{
	return MMIO + n * 2 * GRANULE;
}

/* The next call is wrong. */
static inline int announce(struct device *dev)
{
	pr_info("expected warning: unmap of IOVA\n");
	return bad_unmaps(dev);
}

static inline void expect_all_free(struct kunit *test, struct device *dev)
{
	expect_each_address_once(test, dev, SMALL, 0);
}

#define PIECES	4U

#define CASE(name)	KUNIT_CASE_PARAM(name, kind_gen_params)

#endif /* _TWO_STEP_KUNIT_H */
