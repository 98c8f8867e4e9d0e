// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: the sizes of mappings, for IOMMU drivers whose page tables do
 * not have the bounds of a mapping.
 *
 * 1. It is one more format of the walker, which no hardware reads: a leaf of the last
 *    level has the size of the mapping that begins at that pfn, instead of an
 *    address.  So to add and to take a size are one walk each without a lock, two CPUs
 *    that take the same one race for one cmpxchg(), and tables that become empty are
 *    given back (walk.c).
 *
 * 2. A pfn is the number of a granule of the domain.  The table resolves KEY_BITS, less
 *    those of a page, of it; the leaf has the others.  Two mappings that differ in
 *    these alone exclude each other.
 */

#include "lengths.h"

#include <linux/io-pgtable.h>
#include <linux/numa.h>

#define PTW_KIND	PTW_VALID
#define PTW_TABLE	PTW_VALID
#define PTW_OPEN	BIT_ULL(1)

#include "walk.h"

/* In leaves, below the bits of a size: it has gaps; bits that the key lacks. */
#define LENGTH_GAPS	BIT_ULL(2)
#define LENGTH_CUT	3
#define LENGTH_SIZE	GENMASK_ULL(63, 12)

#define KEY_BITS	63

static const struct ptw_format lengths_format = PTW_FORMAT(PAGE_SHIFT - 3, 0);

static inline phys_addr_t ptw_phys(const struct ptw *ptw, struct ptw_format f,
				   u64 entry)
{
	return entry & LENGTH_SIZE;
}

/* Where the walker has the mapping that begins at @pfn. */
static u64 key_of(u64 pfn)
{
	return pfn << PAGE_SHIFT & GENMASK_ULL(KEY_BITS - 1, 0);
}

static u64 leaf_of(u64 pfn, size_t size, bool gaps)
{
	return size | PTW_VALID | (gaps ? LENGTH_GAPS : 0) |
	       pfn >> (KEY_BITS - PAGE_SHIFT) << LENGTH_CUT;
}

/**
 * iommu_lengths_create - prepare to record the sizes of a domain's mappings
 * Context: process; may sleep.
 * Return: the sizes, none yet; %NULL without memory.
 */
struct io_pgtable *iommu_lengths_create(void)
{
	struct io_pgtable_cfg cfg = {
		.ias = KEY_BITS,
		.oas = KEY_BITS,
		.coherent_walk = true,
		.reclaim = true,
	};
	struct ptw shape = {
		.f = lengths_format,
		.nid = NUMA_NO_NODE,
		.top = (KEY_BITS - PAGE_SHIFT - 1) / (PAGE_SHIFT - 3),
		.table = PTW_TABLE,
		.kind = PTW_KIND,
		.open = PTW_OPEN,
		.address = LENGTH_SIZE,
		.last_level = 1,
	};

	shape.root_bits = KEY_BITS - ptw_shift(lengths_format, shape.top);
	return ptw_create(&shape, &cfg, NULL);
}

/**
 * iommu_lengths_destroy - undo iommu_lengths_create()
 * @lengths: the sizes, which nobody uses any more
 * Context: process; may sleep.
 */
void iommu_lengths_destroy(struct io_pgtable *lengths)
{
	ptw_destroy(lengths);
}

/**
 * iommu_lengths_add - record a mapping
 * @lengths: the sizes
 * @pfn: first pfn of the mapping
 * @size: its bytes, whole granules
 * @gaps: it has holes
 * Context: any.
 * Return: false without memory, or if another mapping excludes it.
 */
bool iommu_lengths_add(struct io_pgtable *lengths, u64 pfn, size_t size,
		       bool gaps)
{
	struct ptw *ptw = container_of(lengths, struct ptw, iop);
	bool done = false;
	u64 *slot;

	rcu_read_lock();
	slot = ptw_descend(ptw, lengths_format, key_of(pfn), 0, GFP_ATOMIC);
	if (!IS_ERR(slot))
		done = !cmpxchg64_relaxed(slot, 0, leaf_of(pfn, size, gaps));
	rcu_read_unlock();
	return done;
}

/**
 * iommu_lengths_take - claim a mapping, to undo it
 * @lengths: the sizes
 * @pfn: first pfn
 * @size: bytes, whole granules
 * @gaps: as it was added
 * Context: any.
 * Return: whether there was a mapping of exactly this range; it is the caller's.
 */
bool iommu_lengths_take(struct io_pgtable *lengths, u64 pfn, size_t size,
			bool gaps)
{
	struct ptw *ptw = container_of(lengths, struct ptw, iop);
	unsigned int shift;
	u64 *slot, entry;
	bool taken;

	rcu_read_lock();
	slot = ptw_walk(ptw, lengths_format, key_of(pfn), 0, &shift, &entry);
	taken = entry == leaf_of(pfn, size, gaps) &&
		shift == ptw_shift(lengths_format, 0) &&
		cmpxchg64(slot, entry, 0) == entry;
	rcu_read_unlock();
	if (taken)
		ptw_notice_unmap(ptw);
	return taken;
}

/* Pfns, or larger holes, that a search looks at. */
#define FIND	4096

/**
 * iommu_lengths_find - find the last mapping that begins at a pfn or below
 * @lengths: the sizes
 * @pfn: the pfn
 * @distance: granules from its beginning to @pfn
 *
 * For a report: it gives up behind some thousand granules.
 * Context: any.
 * Return: the bytes of the mapping, which may end below @pfn; 0: there is none;
 * SIZE_MAX: the search has given up, @distance below.
 */
size_t iommu_lengths_find(struct io_pgtable *lengths, u64 pfn, u64 *distance)
{
	struct ptw *ptw = container_of(lengths, struct ptw, iop);
	u64 key = key_of(pfn), at = key, entry = 0;
	unsigned int shift, left;

	for (left = FIND; left; left--) {
		rcu_read_lock();
		ptw_walk(ptw, lengths_format, at, 0, &shift, &entry);
		rcu_read_unlock();
		at &= ~((1ULL << shift) - 1);
		if (entry & PTW_VALID || !at)
			break;
		at--;
	}
	*distance = (key - at) >> PAGE_SHIFT;
	if (!left)
		return SIZE_MAX;
	return entry & PTW_VALID ? entry & LENGTH_SIZE : 0;
}
