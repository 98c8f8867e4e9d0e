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
 *    too many devices claim 64 bits and were never tried with them.  The first
 *    time there are none left the device is told, once, and from then on
 *    served from its whole range (iommu.forcedac=1: from the start).
 *
 *    Low addresses that come back from then on are not cached, or they would
 *    be handed out again, and for long the domain's ranges, and its page
 *    tables, would be in two places.  They are cached again from when a device
 *    of the domain asks for what can only be low.
 *
 * 3. Alignment.  Addresses that the caches of the allocator serve are aligned
 *    to their size, rounded up to a power of two.  For more than that it would
 *    cost up to as much again, so the rest is aligned as far as it helps:
 *
 *    - A large buffer gets an address congruent to its physical one modulo the
 *      largest page size of the IOMMU of which it contains a whole, aligned
 *      page: all such pages then are one translation each.
 *    - The range never crosses a multiple of the segment boundary that its
 *      device has, if it is no longer than that boundary is apart.  A range
 *      that is longer starts on such a multiple.
 *
 *    When there is no such place below the limit a smaller page has to do, and
 *    at last any place that natural alignment allows, which keeps the second
 *    promise: an aligned range cannot cross what is at least as aligned.
 */

#include <linux/sizes.h>

#include "dmamap.h"

#ifdef CONFIG_IOVA_GAP_TREE
/* Does [phys, phys + size) contain a whole, aligned page? */
static bool contains_page(phys_addr_t phys, size_t size, unsigned long page)
{
	return page <= size && ALIGN(phys, page) - phys <= size - page;
}

/* A place as theory 3 wants it, 0 when natural alignment is as good. */
static unsigned long alloc_placed(struct iommu_domain *domain, size_t size,
				  unsigned long limit_pfn,
				  const struct dmamap_target *target)
{
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	/* What the caches hold is aligned to its size. */
	bool aligned = size <= iova_rcache_range();
	unsigned long pages = domain->pgsize_bitmap, pfn = 0;
	unsigned int shift = iova_shift(iovad);

	if (!target->piece || size - 1 > target->boundary)
		return 0;

	/* The largest page that helps, or one less so if there is no place. */
	while (!pfn && pages) {
		unsigned long page = 1UL << __fls(pages);
		unsigned long colour = target->phys & (page - 1);
		struct iova_place place = {
			.align_mask = (page - 1) >> shift,
			.colour = colour >> shift,
			.boundary_mask = dmamap_boundary(target->boundary) >>
					 shift,
		};

		pages &= ~page;
		if (pages ? !contains_page(target->phys, target->piece, page) :
			    aligned)
			continue;
		if (aligned && !colour)
			break;
		pfn = iova_alloc_placed(iovad, size >> shift, limit_pfn,
					&place);
	}
	return pfn;
}

/* Low addresses are cached, or not. */
static void cache_low(struct iova_domain *iovad, bool cached)
{
	iova_cache_from(iovad, cached ? 0 :
			(DMA_BIT_MASK(32) >> iova_shift(iovad)) + 1);
}
#else
static unsigned long alloc_placed(struct iommu_domain *domain, size_t size,
				  unsigned long limit_pfn,
				  const struct dmamap_target *target)
{
	return 0;
}

static void cache_low(struct iova_domain *iovad, bool cached)
{
}
#endif

/* Below this no page but the smallest can be useful: the next is 64 KiB or more. */
#define PLACED_MIN	SZ_64K

static __always_inline unsigned long
alloc_pfn(struct iommu_domain *domain, size_t size, unsigned long limit_pfn,
	  const struct dmamap_target *target, bool last_try)
{
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	unsigned long pfn;

	if (unlikely(size >= PLACED_MIN)) {
		pfn = alloc_placed(domain, size, limit_pfn, target);
		if (pfn)
			return pfn;
	}
	return alloc_iova_fast(iovad, size >> iova_shift(iovad), limit_pfn,
			       last_try);
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
	unsigned long pfn;

	limit = min_not_zero(limit, dev->bus_dma_limit);
	if (domain->geometry.force_aperture)
		limit = min_t(u64, limit, domain->geometry.aperture_end);
	/* What the IOMMU API can say, and the end of what is below it. */
	if (!IS_ENABLED(CONFIG_64BIT))
		limit = min_t(u64, limit, ULONG_MAX - PAGE_SIZE);

	if (limit <= DMA_BIT_MASK(32)) {
		cache_low(&cookie->iovad, true);
	} else if (dev->iommu->pci_32bit_workaround) {
		pfn = alloc_pfn(domain, size, DMA_BIT_MASK(32) >> shift, target,
				false);
		if (likely(pfn))
			return (dma_addr_t)pfn << shift;
		dev->iommu->pci_32bit_workaround = false;
		cache_low(&cookie->iovad, false);
		dev_notice(dev, "Using %d-bit DMA addresses\n", fls64(limit));
	}
	pfn = alloc_pfn(domain, size, limit >> shift, target, true);
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
