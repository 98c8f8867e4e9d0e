// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: how an IOVA range is chosen.
 *
 * 1. The DMA mask of the device, the bus between it and the IOMMU, and the
 *    aperture of the domain limit the range.  On 32 bits it must also fit an
 *    unsigned long.
 *
 * 2. PCI devices get IOVAs below 4 GiB first, because many devices claim 64 bits
 *    without support.  If no such IOVA is left, the device gets IOVAs of its
 *    whole range from then on (with iommu.forcedac=1: from the start).  A request
 *    that failed because memory ran out does not have this effect.  The allocator
 *    keeps freed low IOVAs for requests that are limited to them.
 *
 * 3. Ranges up to iova_rcache_range() come from the allocator's caches, aligned
 *    to their size rounded up to a power of two.  For larger ones this would
 *    waste up to half of the space, so a place is searched for them:
 *
 *    - It is congruent to the physical address modulo a page size of the IOMMU.
 *      The buffer must contain an aligned page of that size.  The largest size is
 *      tried first.  Page sizes below 1 MiB are not tried, because they gain too
 *      little.
 *    - It does not cross a segment boundary of the device.
 *
 *    Without such a place below the limit the range is aligned to its size.  Then
 *    it does not cross a segment boundary, or begins at one if it is longer.
 */

#include <linux/sizes.h>
#include "dmamap.h"

/* Smallest page size that is tried: a section of the Arm short format */
#define PLACED_PAGE	SZ_1M

/* Search a place, see theory 3. Returns 0 if there is none. */
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

	/* At last try the granule, which any place suits. */
	pages &= (GENMASK(__fls(target->piece), 0) & ~(PLACED_PAGE - 1)) |
		 iovad->granule;
	do {
		struct iova_place place;

		page = 1UL << __fls(pages);
		pages &= ~page;
		if (pages && ALIGN(phys, page) + page > end)
			continue; /* the buffer has no such page */
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

static __always_inline unsigned long
alloc_pfn(struct iommu_domain *domain, size_t size, unsigned int shift,
	  unsigned long limit_pfn, const struct dmamap_target *target)
{
	unsigned long pfn = 0;

	if (unlikely(size > SZ_4M))
		pfn = alloc_placed(domain, size, limit_pfn, target);
	return pfn ?: alloc_iova_fast(&domain->iova_cookie->iovad,
				      size >> shift, limit_pfn, true);
}

/* The highest address that the device can use in the domain. */
static __always_inline u64 highest(struct iommu_domain *domain,
				   struct device *dev, u64 limit)
{
	if (unlikely(dev->bus_dma_limit))
		limit = min_not_zero(limit, dev->bus_dma_limit);
	if (domain->geometry.force_aperture)
		limit = min_t(u64, limit, domain->geometry.aperture_end);
	/* The end of the range must fit an unsigned long, too. */
	if (!IS_ENABLED(CONFIG_64BIT))
		limit = min_t(u64, limit, ULONG_MAX - PAGE_SIZE);
	return limit;
}

/**
 * dmamap_address_alloc - allocate an IOVA range
 * @domain: domain of @dev
 * @dev: the device
 * @size: bytes, a multiple of the granule, not 0
 * @limit: highest address that the device can use
 * @target: the memory that the range will be mapped to
 * Context: any.
 * Return: the lowest IOVA, or 0.
 */
dma_addr_t dmamap_address_alloc(struct iommu_domain *domain, struct device *dev,
				size_t size, u64 limit,
				const struct dmamap_target *target)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int shift = iova_shift(&cookie->iovad);
	unsigned long low_pfn = DMA_BIT_MASK(32) >> shift, pfn = 0;

	limit = highest(domain, dev, limit);
	/* A device that was removed has no addresses. */
	if (unlikely(!limit))
		return 0;
	if (limit > DMA_BIT_MASK(32) && dev->iommu->pci_32bit_workaround) {
		pfn = alloc_pfn(domain, size, shift, low_pfn, target);
		if (likely(pfn))
			return (dma_addr_t)pfn << shift;
		if (!iova_has_room(&cookie->iovad, size >> shift, low_pfn)) {
			dev->iommu->pci_32bit_workaround = false;
			dev_notice(dev, "Using %d-bit DMA addresses\n",
				   fls64(limit));
		}
	}
	pfn = alloc_pfn(domain, size, shift, limit >> shift, target);
	return (dma_addr_t)pfn << shift;
}

/**
 * dmamap_address_free - free an IOVA range that is unmapped and flushed
 * @cookie: the cookie of the domain
 * @addr: lowest IOVA of the range
 * @size: its bytes, as allocated
 * Context: any.
 */
void dmamap_address_free(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			 size_t size)
{
	struct iova_domain *iovad = &cookie->iovad;

	free_iova_fast(iovad, iova_pfn(iovad, addr), size >> iova_shift(iovad));
}

/**
 * dmamap_return_address - undo dmamap_take_address(), nothing was mapped there
 * @cookie: the cookie of the domain
 * @addr: lowest IOVA of the range
 * @size: its bytes
 * Context: any.
 */
void dmamap_return_address(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			   size_t size)
{
	dmamap_count(maps, -1);
	if (!dmamap_watched_free(cookie, addr))
		dmamap_address_free(cookie, addr, size);
}

#ifdef CONFIG_IOMMU_DMA_SANITIZER
/**
 * dmamap_address_alloc_guarded - allocate an IOVA range between two granules
 * @domain: domain of @dev
 * @dev: the device
 * @size: bytes of the range, a multiple of the granule, not 0
 * @limit: highest address that the device can use
 *
 * The range is aligned to its size, and so is its place among the segments of the
 * device.  It does not use the caches, and is freed with free_iova().
 * Context: any.
 * Return: the lowest IOVA behind the first granule, or 0.
 */
dma_addr_t dmamap_address_alloc_guarded(struct iommu_domain *domain,
					struct device *dev, size_t size,
					u64 limit)
{
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	unsigned int shift = iova_shift(iovad);
	unsigned long align = roundup_pow_of_two(size >> shift), pfn;
	struct iova_place place = {
		.align_mask = align - 1,
		.colour = align - 1,
		.boundary_mask = ULONG_MAX,
	};

	limit = highest(domain, dev, limit);
	if (!limit)
		return 0;
	if (dev->iommu->pci_32bit_workaround)
		limit = min_t(u64, limit, DMA_BIT_MASK(32));
	pfn = iova_alloc_placed(iovad, (size >> shift) + 2, limit >> shift,
				&place);
	return pfn ? (dma_addr_t)(pfn + 1) << shift : 0;
}
#endif
