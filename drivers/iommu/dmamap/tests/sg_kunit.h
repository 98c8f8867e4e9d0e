/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists of buffers, as the tests of the suite "dmamap" make them and look at them.
 */
#ifndef __DMAMAP_SG_KUNIT_H
#define __DMAMAP_SG_KUNIT_H

#include <linux/scatterlist.h>

#include "dmamap_kunit.h"

/* A list, the memory of its entries, and what it was like before. */
struct list {
	struct sg_table sgt;
	struct scatterlist *before;
	size_t bytes;		/* in all entries */
	size_t granules;	/* that the entries touch, in bytes */
};

struct piece {
	size_t offset, size;
};

static inline void free_list_table(void *sgt)
{
	sg_free_table(sgt);
}

/*
 * An entry for each piece. No two entries are physically adjacent, and all
 * memory is filled with a pattern.
 */
static inline struct list *new_list(struct kunit *test, const struct piece *pieces,
				    unsigned int nr)
{
	struct list *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, l);
	KUNIT_ASSERT_EQ(test, sg_alloc_table(&l->sgt, nr, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_list_table,
						  &l->sgt));
	for_each_sg(l->sgt.sgl, sg, nr, i) {
		const struct piece *p = &pieces[i];
		/* The granule at the end is never part of an entry. */
		u8 *buffer = new_buffer(test, p->offset + p->size + GRANULE);

		sg_set_page(sg, virt_to_page(buffer), p->size, p->offset);
		l->bytes += p->size;
		l->granules += ALIGN(p->offset + p->size, GRANULE) -
			       ALIGN_DOWN(p->offset, GRANULE);
	}
	l->before = kunit_kcalloc(test, nr, sizeof(*sg), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, l->before);
	for_each_sg(l->sgt.sgl, sg, nr, i)
		l->before[i] = *sg;
	return l;
}

/* Entries keep page, offset and length, mapped or not. */
static inline void expect_entries_kept(struct kunit *test, struct list *l)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(l->sgt.sgl, sg, l->sgt.orig_nents, i) {
		KUNIT_EXPECT_EQ(test, sg->page_link, l->before[i].page_link);
		KUNIT_EXPECT_EQ(test, sg->offset, l->before[i].offset);
		KUNIT_EXPECT_EQ(test, sg->length, l->before[i].length);
	}
}

/*
 * The segments together must translate to the entries, byte for byte, and each
 * must obey what the device asks for.
 */
static inline void expect_mapped(struct kunit *test, struct device *dev, struct list *l)
{
	unsigned long boundary = dma_get_seg_boundary(dev);
	struct scatterlist *sg, *seg = l->sgt.sgl;
	unsigned int i, left = l->sgt.nents, used = 0;

	expect_entries_kept(test, l);
	for_each_sg(l->sgt.sgl, sg, l->sgt.orig_nents, i) {
		size_t done = 0;

		while (done < sg->length) {
			dma_addr_t addr;
			size_t n;

			if (used == sg_dma_len(seg)) {
				KUNIT_ASSERT_GT(test, left, 1);
				left--;
				seg = sg_next(seg);
				used = 0;
			}
			addr = sg_dma_address(seg) + used;
			n = min3((size_t)sg->length - done,
				 (size_t)sg_dma_len(seg) - used,
				 (size_t)(GRANULE - (addr & (GRANULE - 1))));
			KUNIT_ASSERT_GT(test, n, 0);
			KUNIT_ASSERT_EQ(test, phys_at(dev, addr),
					sg_phys(sg) + done);
			done += n;
			used += n;
		}
	}
	KUNIT_EXPECT_EQ(test, left, 1);
	KUNIT_EXPECT_EQ(test, used, sg_dma_len(seg));

	for_each_sg(l->sgt.sgl, seg, l->sgt.nents, i) {
		dma_addr_t first = sg_dma_address(seg);
		dma_addr_t last = first + sg_dma_len(seg) - 1;

		KUNIT_EXPECT_LE(test, sg_dma_len(seg), dma_get_max_seg_size(dev));
		KUNIT_EXPECT_EQ(test, first & ~boundary, last & ~boundary);
	}
}

static inline void map_list(struct kunit *test, struct device *dev, struct list *l,
			    enum dma_data_direction dir)
{
	KUNIT_ASSERT_EQ(test, dma_map_sgtable(dev, &l->sgt, dir, 0), 0);
	KUNIT_ASSERT_GT(test, l->sgt.nents, 0);
	KUNIT_ASSERT_LE(test, l->sgt.nents, l->sgt.orig_nents);
}

static inline void unmap_list(struct kunit *test, struct device *dev, struct list *l,
			      enum dma_data_direction dir)
{
	dma_unmap_sgtable(dev, &l->sgt, dir, 0);
	expect_entries_kept(test, l);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static inline struct scatterlist *nth(struct list *l, unsigned int n)
{
	struct scatterlist *sg = l->sgt.sgl;

	while (n--)
		sg = sg_next(sg);
	return sg;
}

#endif /* __DMAMAP_SG_KUNIT_H */
