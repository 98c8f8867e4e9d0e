// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: the sizes of mappings, for IOMMU drivers whose page tables do
 * not have the bounds of a mapping.
 *
 * 1. A domain of such a driver has a second page table, which no hardware reads.  It
 *    is one more format of the walker of ../io-pgtable/: a leaf of its last level
 *    has the size of the mapping that begins at that granule, instead of an address.
 *    So a map and an unmap take one walk each and no lock, two unmaps of the same
 *    mapping race for one cmpxchg(), and tables that become empty are given back.
 *
 * 2. The index of a leaf is the number of the granule.  The top bit of an address
 *    with the number's is left out: the table would need 64 bits and one more.  Two
 *    mappings that differ in this bit alone exclude each other.
 */

#include <linux/io-pgtable.h>
#include "dmamap.h"

#define PTW_VALID	BIT_ULL(0)
#define PTW_OPEN	BIT_ULL(1)

#include "../io-pgtable/walk.h"

#define KEY_BITS	63

static const struct ptw_format lengths_format = PTW_FORMAT(PAGE_SHIFT - 3, 0);

static inline bool ptw_is_table(struct ptw_format f, u64 entry)
{
	return entry & PTW_VALID;
}

static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height)
{
	return !height && entry & PTW_VALID;
}

static inline u64 ptw_table_entry(struct ptw_format f, struct ptw *ptw,
				  phys_addr_t phys)
{
	return phys | PTW_VALID;
}

static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys)
{
	return phys;
}

static inline phys_addr_t ptw_phys(struct ptw_format f, u64 entry)
{
	return entry & ~(PTW_VALID | PTW_OPEN);
}

static inline int ptw_level(struct ptw_format f, unsigned int height)
{
	return height;
}

static inline int ptw_table_expose(struct io_pgtable_cfg *cfg, void *table,
				   size_t size)
{
	return 0;
}

static inline void ptw_table_retire(struct io_pgtable_cfg *cfg, void *table,
				    size_t size)
{
}

static inline void ptw_write_back(struct io_pgtable_cfg *cfg, u64 *slot,
				  size_t entries)
{
}

static struct ptw *lengths_of(struct iommu_dma_cookie *cookie)
{
	return container_of(cookie->lengths, struct ptw, iop);
}

/* Where the walker has the mapping that begins at @addr. */
static u64 key_of(struct iommu_dma_cookie *cookie, dma_addr_t addr)
{
	u64 pfn = addr >> iova_shift(&cookie->iovad);

	return pfn << PAGE_SHIFT & GENMASK_ULL(KEY_BITS - 1, 0);
}

/**
 * dmamap_lengths_create - have the sizes of a domain's mappings recorded
 * @cookie: the cookie of the domain
 * Context: process; may sleep.
 * Return: 0, also if the page table has the bounds of mappings; -ENOMEM.
 */
int dmamap_lengths_create(struct iommu_dma_cookie *cookie)
{
	struct io_pgtable_cfg cfg = {
		.ias = KEY_BITS,
		.oas = KEY_BITS,
		.coherent_walk = true,
		.reclaim = true,
	};
	struct ptw shape = { .f = lengths_format, .nid = NUMA_NO_NODE };

	if (cookie->domain->ops->unmap_exact)
		return 0;
	shape.top = (KEY_BITS - PAGE_SHIFT - 1) / ptw_bits(lengths_format);
	shape.root_bits = KEY_BITS - ptw_shift(lengths_format, shape.top);
	cookie->lengths = ptw_create(&shape, &cfg, NULL);
	return cookie->lengths ? 0 : -ENOMEM;
}

/**
 * dmamap_lengths_destroy - undo dmamap_lengths_create()
 * @cookie: the cookie of a domain that maps nothing any more
 * Context: process; may sleep.
 */
void dmamap_lengths_destroy(struct iommu_dma_cookie *cookie)
{
	if (cookie->lengths)
		ptw_destroy(cookie->lengths);
	cookie->lengths = NULL;
}

/**
 * dmamap_length_record - dmamap_length_add() for a domain with lengths
 * @cookie: the cookie of the domain
 * @addr: first address of the mapping
 * @size: its bytes, whole granules
 * Context: any.
 * Return: false without memory.
 */
bool dmamap_length_record(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			  size_t size)
{
	u64 *slot, key = key_of(cookie, addr);
	bool done = false;

	rcu_read_lock();
	slot = ptw_descend(lengths_of(cookie), lengths_format, key, 0,
			   GFP_ATOMIC);
	if (!IS_ERR(slot))
		done = !cmpxchg64_relaxed(slot, 0, size | PTW_VALID);
	rcu_read_unlock();
	return done;
}

/**
 * dmamap_length_take - claim a mapping, to undo it
 * @cookie: the cookie of the domain
 * @addr: first address
 * @size: bytes
 * Context: any.
 * Return: whether there was a mapping of exactly this range; it is the caller's.
 */
bool dmamap_length_take(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			size_t size)
{
	unsigned int shift;
	u64 *slot, entry;
	struct ptw *ptw;
	bool taken;

	if (!cookie->lengths)
		return false;
	ptw = lengths_of(cookie);
	rcu_read_lock();
	slot = ptw_walk(ptw, lengths_format, key_of(cookie, addr), 0, &shift,
			&entry);
	taken = entry == (size | PTW_VALID) &&
		shift == ptw_shift(lengths_format, 0) &&
		cmpxchg64(slot, entry, 0) == entry;
	rcu_read_unlock();
	if (taken)
		ptw_notice_unmap(ptw);
	return taken;
}

/* Granules, or larger holes, that a search for the beginning looks at. */
#define FIND	4096

/**
 * dmamap_length_find - find the mapping of an address, for a report
 * @cookie: the cookie of the domain
 * @addr: the address
 * @found: the mapping
 * Context: any.
 * Return: whether there is one.
 */
bool dmamap_length_find(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			struct iommu_mapping *found)
{
	u64 key = key_of(cookie, addr), at = key, entry = 0;
	unsigned int granule = iova_shift(&cookie->iovad);
	dma_addr_t begin;
	unsigned int shift, left;

	if (!cookie->lengths)
		return false;
	for (left = FIND; left; left--) {
		rcu_read_lock();
		ptw_walk(lengths_of(cookie), lengths_format, at, 0, &shift,
			 &entry);
		rcu_read_unlock();
		at &= ~((1ULL << shift) - 1);
		if (entry & PTW_VALID || !at)
			break;
		at--;
	}
	begin = addr - (((key - at) >> PAGE_SHIFT) << granule);
	found->iova = begin;
	found->size = ptw_phys(lengths_format, entry);
	found->owned = true;
	found->whole = true;
	if (entry & PTW_VALID && addr - begin < found->size)
		return true;
	found->iova = addr;
	found->size = cookie->iovad.granule;
	found->owned = false;
	return dmamap_phys(cookie->domain, addr) != PHYS_ADDR_MAX;
}
