// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which address range a mapping gets.
 *
 * Theory of operation
 * ===================
 *
 * 1. Limits.  An address must be within what the device can drive, what the
 *    bus between it and the IOMMU carries, and what the domain translates.  The
 *    IOMMU API has it as unsigned long: with 32 bits that is another limit.
 *
 * 2. PCI devices get addresses below 4 GiB as long as there are any, because
 *    too many devices claim 64 bits and were never tried with them.  When there
 *    are none left, the device is told, once, and is served from its whole
 *    range from then on (iommu.forcedac=1: from the start).  Other devices of
 *    its group follow at their next mapping.
 *
 *    From then on low addresses are not cached when they come back. Otherwise
 *    they would be handed out again, and the domain's ranges, and its page
 *    tables, would be in two places.  They are cached again once a device of
 *    the domain can use no others.
 *
 * 3. Alignment.  Sizes that the allocator caches come from its caches, aligned
 *    to their size, rounded up to a power of two.  A larger range, which would
 *    waste up to as much again, is placed:
 *
 *    - at an address congruent to the physical one modulo the largest page size
 *      of the IOMMU of which the buffer contains a whole, aligned page, so that
 *      each such page is one translation.  Page sizes below 1 MiB gain too
 *      little to be looked at;
 *    - without crossing a multiple of the device's segment boundary, if it is
 *      no longer than that boundary is apart.  A longer range starts on such a
 *      multiple.
 *
 *    When there is no such place below the limit, a smaller page size is tried,
 *    and at last any naturally aligned place, which crosses no boundary either:
 *    a range aligned to its size cannot cross what is at least as aligned.
 */

#include <linux/sizes.h>

#include "dmamap.h"

/* The smallest page that is worth a search: a section of the Arm short format. */
#define PLACED_PAGE	SZ_1M

/* A place as theory 3 wants it, 0 when there is none. */
static noinline unsigned long alloc_placed(struct iommu_domain *domain,
					   size_t size, unsigned long limit_pfn,
					   const struct dmamap_target *target)
{
#ifdef CONFIG_IOVA_GAP_TREE
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	unsigned long pages = domain->pgsize_bitmap, page, pfn;
	phys_addr_t phys = target->phys, end = phys + target->piece;
	unsigned int shift = iova_shift(iovad);

	if (!target->piece || size - 1 > target->boundary ||
	    size <= iova_rcache_range())
		return 0;

	/* The smallest page is a place that is not aligned at all. */
	pages &= (GENMASK(__fls(target->piece), 0) & ~(PLACED_PAGE - 1)) |
		 iovad->granule;
	do {
		struct iova_place place;

		page = 1UL << __fls(pages);
		pages &= ~page;
		/* The buffer has no whole page of this size. */
		if (pages && ALIGN(phys, page) + page > end)
			continue;
		place.align_mask = (page - 1) >> shift;
		place.colour = (phys & (page - 1)) >> shift;
		place.boundary_mask = dmamap_boundary(target->boundary) >>
				      shift;
		pfn = iova_alloc_placed(iovad, size >> shift, limit_pfn,
					&place);
		if (pfn)
			return pfn;
	} while (pages);
#endif
	return 0;
}

/* Low addresses are cached, or not. */
static void cache_low(struct iova_domain *iovad, bool cached)
{
#ifdef CONFIG_IOVA_GAP_TREE
	iova_cache_from(iovad, cached ? 0 :
			(DMA_BIT_MASK(32) >> iova_shift(iovad)) + 1);
#endif
}

/* Has another device of the group left the low addresses? */
static bool low_is_left(struct iova_domain *iovad, unsigned long low_pfn)
{
#ifdef CONFIG_IOVA_GAP_TREE
	return READ_ONCE(iovad->cached_from) > low_pfn;
#else
	return false;
#endif
}

static __always_inline unsigned long
alloc_pfn(struct iommu_domain *domain, size_t size, unsigned int shift,
	  unsigned long limit_pfn, const struct dmamap_target *target,
	  bool last_try)
{
	unsigned long pfn;

	if (unlikely(size > SZ_4M)) {
		pfn = alloc_placed(domain, size, limit_pfn, target);
		if (pfn)
			return pfn;
	}
	return alloc_iova_fast(&domain->iova_cookie->iovad, size >> shift,
			       limit_pfn, last_try);
}

/**
 * dmamap_address_alloc - get an address range
 * @domain: domain of @dev
 * @dev: the device
 * @size: bytes, a multiple of the granule, not 0
 * @limit: highest address the device can drive for this purpose
 * @target: what it will be mapped to
 *
 * Context: any.
 * Return: the lowest address, 0 when there is none.
 */
dma_addr_t dmamap_address_alloc(struct iommu_domain *domain, struct device *dev,
				size_t size, u64 limit,
				const struct dmamap_target *target)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int shift = iova_shift(&cookie->iovad);
	unsigned long low_pfn = DMA_BIT_MASK(32) >> shift, pfn = 0;

	if (unlikely(dev->bus_dma_limit))
		limit = min_not_zero(limit, dev->bus_dma_limit);
	if (domain->geometry.force_aperture)
		limit = min_t(u64, limit, domain->geometry.aperture_end);
	/* What the IOMMU API can say, and the end of what is below it. */
	if (!IS_ENABLED(CONFIG_64BIT))
		limit = min_t(u64, limit, ULONG_MAX - PAGE_SIZE);

	if (limit <= DMA_BIT_MASK(32)) {
		cache_low(&cookie->iovad, true);
	} else if (dev->iommu->pci_32bit_workaround) {
		if (likely(!low_is_left(&cookie->iovad, low_pfn)))
			pfn = alloc_pfn(domain, size, shift, low_pfn, target,
					false);
		if (likely(pfn))
			return (dma_addr_t)pfn << shift;
		dev->iommu->pci_32bit_workaround = false;
		cache_low(&cookie->iovad, false);
		dev_notice(dev, "Using %d-bit DMA addresses\n", fls64(limit));
	}
	pfn = alloc_pfn(domain, size, shift, limit >> shift, target, true);
	return (dma_addr_t)pfn << shift;
}

/**
 * dmamap_address_free - give an address range back at once
 * @cookie: its domain's
 * @addr: its lowest address
 * @size: its bytes, as allocated
 *
 * For a range that no device can reach: never mapped, or invalidated.
 *
 * Context: any.
 */
void dmamap_address_free(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			 size_t size)
{
	struct iova_domain *iovad = &cookie->iovad;

	free_iova_fast(iovad, iova_pfn(iovad, addr), size >> iova_shift(iovad));
}

/**
 * dmamap_address_suspect - give a range back that may not be the caller's
 * @cookie: its domain's
 * @addr: its lowest address, as told
 * @size: its bytes, as told
 *
 * The stock allocator cannot tell whether it is; with it the range is given
 * up rather than handed out twice.
 *
 * Context: any.
 */
void dmamap_address_suspect(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			    size_t size)
{
#ifdef CONFIG_IOVA_GAP_TREE
	struct iova_domain *iovad = &cookie->iovad;

	iova_put_aside(iovad, iova_pfn(iovad, addr), size >> iova_shift(iovad));
#endif
}
