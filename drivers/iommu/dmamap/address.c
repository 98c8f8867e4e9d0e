// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: which address range a mapping gets.
 *
 * 1. Limits are the mask of the device, the bus between it and the IOMMU, and
 *    the aperture of the domain.  On 32 bits, unsigned long is another one.
 *
 * 2. PCI devices get addresses below 4 GiB first, because many devices claim 64
 *    bits without support.  If no such address is left, the device gets
 *    addresses of its whole range from then on (iommu.forcedac=1: from the
 *    start).  The allocator keeps freed low addresses for requests that are
 *    limited to them.  A request that failed for want of memory is no reason.
 *
 * 3. Ranges up to iova_rcache_range() come from the allocator's caches, aligned
 *    to their size rounded up to a power of two.  For larger ones this would
 *    waste up to half of the space, so they are placed:
 *
 *    - congruent to the physical address modulo the largest page size of the
 *      IOMMU of which the buffer contains a whole, aligned page.  Page sizes
 *      below 1 MiB gain too little;
 *    - inside one segment boundary of the device.
 *
 *    If there is no such place below the limit, smaller page sizes are tried,
 *    and at last natural alignment.  A naturally aligned range stays inside one
 *    boundary, too, or starts at one if it is longer.
 */

#include <linux/sizes.h>
#include "dmamap.h"

/* The smallest page size worth a search: a section of the Arm short format. */
#define PLACED_PAGE	SZ_1M

/* A place as in theory 3, or 0. */
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

	/* The smallest page size accepts a place at each granule. */
	pages &= (GENMASK(__fls(target->piece), 0) & ~(PLACED_PAGE - 1)) |
		 iovad->granule;
	do {
		struct iova_place place;

		page = 1UL << __fls(pages);
		pages &= ~page;
		if (pages && ALIGN(phys, page) + page > end)
			continue; /* no whole page of this size */
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
	unsigned long pfn;

	if (unlikely(size > SZ_4M)) {
		pfn = alloc_placed(domain, size, limit_pfn, target);
		if (pfn)
			return pfn;
	}
	return alloc_iova_fast(&domain->iova_cookie->iovad, size >> shift,
			       limit_pfn, true);
}

/**
 * dmamap_address_alloc - get an address range
 * @domain: domain of @dev
 * @dev: the device
 * @size: bytes, a multiple of the granule, not 0
 * @limit: highest address that the device can use
 * @target: the memory that it will be mapped to
 * Context: any.
 * Return: the lowest address, or 0.
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
	/* The end of the range must fit an unsigned long, too. */
	if (!IS_ENABLED(CONFIG_64BIT))
		limit = min_t(u64, limit, ULONG_MAX - PAGE_SIZE);

	/* There is no address: the device was removed. */
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
 * dmamap_address_free - free an address range that is not mapped, and flushed
 * @cookie: the cookie of its domain
 * @addr: its lowest address
 * @size: its bytes, as allocated
 * Context: any.
 */
void dmamap_address_free(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			 size_t size)
{
	struct iova_domain *iovad = &cookie->iovad;

	free_iova_fast(iovad, iova_pfn(iovad, addr), size >> iova_shift(iovad));
}
