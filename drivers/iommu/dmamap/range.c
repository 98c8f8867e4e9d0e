// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: address ranges with translations are made and undone.
 *
 * 1. An unmap undoes exactly one mapping, or it is refused: then nothing changes,
 *    and misuse.c reports it.  What the driver wanted to unmap stays mapped.
 * 2. If the IOMMU driver has unmap_exact(), the page table has the bounds of each
 *    mapping (../io-pgtable/exact.h).  For other IOMMU drivers the size of each is
 *    recorded (../io-pgtable/lengths.c).
 * 3. A removal (struct dmamap_removal) claims a mapping, clears it, flushes the IOTLB,
 *    and frees the range.  dmamap_range_unmap() does this for a range in one
 *    part.  Without unmap_exact() a list with gaps is cleared part by part.
 * 4. If an IOMMU driver does not clear what is mapped, the range is leaked.
 */

#include <trace/events/iommu.h>
#include "../dma-iommu.h"
#include "../iommu-pages.h"
#include "../iommu-priv.h"
#include "../io-pgtable/lengths.h"
#include "dmamap.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/* Map memory in one piece, with bounds if the domain has them. */
static __always_inline int map_run(struct iommu_domain *domain, dma_addr_t addr,
				   phys_addr_t phys, size_t size, int prot,
				   gfp_t gfp)
{
	const struct iommu_domain_ops *ops = domain->ops;
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int shift = iova_shift(&cookie->iovad);
	struct iommu_run run = { .phys = phys, .size = size };
	size_t mapped = 0;
	int ret;

	if (likely(ops->unmap_exact))
		prot |= IOMMU_OWNED;
	else if (size >= cookie->second_page)
		return iommu_map_nosync(domain, addr, phys, size, prot, gfp);

	/* Below the second smallest page size, use the smallest one directly. */
	if (likely(size < cookie->second_page))
		ret = ops->map_pages(domain, addr, phys, 1UL << shift,
				     size >> shift, prot, gfp, &mapped);
	else
		ret = ops->map_runs(domain, addr, &run, 1, prot, gfp, &mapped);
	/* A driver without bounds may map less at once. */
	if (unlikely(!ret && mapped < size))
		ret = iommu_map_nosync(domain, addr + mapped, phys + mapped,
				       size - mapped, prot, gfp);
	if (likely(!ret))
		trace_map(addr, phys, size);
	else if (mapped)
		iommu_unmap(domain, addr, mapped);
	return ret;
}

/* For drivers without map_runs. */
static int map_one_by_one(struct dmamap_runs *runs, size_t *mapped)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < runs->count; i++) {
		ret = map_run(runs->domain, runs->addr + *mapped,
			      runs->run[i].phys, runs->run[i].size, runs->prot,
			      runs->gfp);
		if (!ret)
			*mapped += runs->run[i].size;
	}
	return ret;
}

static void trace_runs(const struct dmamap_runs *runs)
{
	dma_addr_t addr = runs->addr;
	unsigned int i;

	for (i = 0; i < runs->count; i++) {
		trace_map(addr, runs->run[i].phys, runs->run[i].size);
		addr += runs->run[i].size;
	}
}

/**
 * dmamap_runs_flush - map the runs that wait; dmamap_run_sync() has to follow
 * @runs: the memory
 * @last: nothing follows
 * Context: as @runs->gfp says.
 * Return: 0, or an error of the IOMMU driver; then @runs->run is not mapped.
 */
int dmamap_runs_flush(struct dmamap_runs *runs, bool last)
{
	const struct iommu_domain_ops *ops = runs->domain->ops;
	size_t mapped = 0;
	int ret, prot = runs->prot;

	if (unlikely(!runs->count))
		return 0;
	if (unlikely(!last) && prot & IOMMU_OWNED) {
		prot |= IOMMU_MORE_AFTER;
		runs->prot |= IOMMU_MORE_BEFORE;
	}
	if (!ops->map_runs) {
		ret = map_one_by_one(runs, &mapped);
	} else {
		ret = ops->map_runs(runs->domain, runs->addr, runs->run,
				    runs->count, prot, runs->gfp, &mapped);
		if (trace_map_enabled() && !ret)
			trace_runs(runs);
	}
	if (unlikely(ret)) {
		if (mapped)
			iommu_unmap(runs->domain, runs->addr, mapped);
		return ret;
	}
	runs->addr += mapped;
	runs->count = 0;
	return 0;
}

/**
 * dmamap_run_sync - have the IOMMU see new translations
 * @domain: the domain
 * @addr: first address
 * @size: bytes
 * Context: any.
 * Return: 0, or an error of the IOMMU driver.
 */
int dmamap_run_sync(struct iommu_domain *domain, dma_addr_t addr, size_t size)
{
	if (!domain->ops->iotlb_sync_map)
		return 0;
	return domain->ops->iotlb_sync_map(domain, addr, size);
}

/**
 * dmamap_record - record a mapping, if the page table does not
 * @cookie: the cookie of the domain
 * @addr: its first address
 * @size: its bytes
 * @gaps: a list with gaps
 * Context: any.
 * Return: false without memory.
 */
bool dmamap_record(struct iommu_dma_cookie *cookie, dma_addr_t addr,
		   size_t size, bool gaps)
{
	return likely(!cookie->lengths) ||
	       iommu_lengths_add(cookie->lengths,
				 addr >> iova_shift(&cookie->iovad), size, gaps);
}

/**
 * dmamap_range_map - map physical memory or registers
 * @dev: the device
 * @phys: first byte
 * @size: bytes
 * @prot: IOMMU_* flags
 * Context: any.
 * Return: address of the first byte, or DMA_MAPPING_ERROR, also for 0 bytes.
 */
dma_addr_t dmamap_range_map(struct device *dev, phys_addr_t phys, size_t size,
			    int prot)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	struct iova_domain *iovad = &cookie->iovad;
	size_t offset = iova_offset(iovad, phys);
	size_t len = iova_align(iovad, size + offset);
	struct dmamap_target target = {
		.phys = phys - offset,
		.piece = len,
		.boundary = dma_get_seg_boundary(dev),
	};
	dma_addr_t addr;

	if (unlikely(dmamap_check_device(dev, domain)))
		return DMA_MAPPING_ERROR;
	if (dev_WARN_ONCE(dev, dma_get_min_align_mask(dev) > iova_mask(iovad),
			  "min_align_mask exceeds the IOMMU's granule\n"))
		return DMA_MAPPING_ERROR;
	/* 0 bytes, or the sum wrapped. */
	if (unlikely(size - 1 >= len))
		return DMA_MAPPING_ERROR;

	addr = dmamap_address_alloc(domain, dev, len, dma_get_mask(dev),
				    &target);
	if (unlikely(!addr))
		return DMA_MAPPING_ERROR;
	if (unlikely(map_run(domain, addr, target.phys, len, prot, GFP_ATOMIC)))
		goto free_address;
	if (unlikely(dmamap_run_sync(domain, addr, len)) ||
	    unlikely(!dmamap_record(cookie, addr, len, false)))
		goto unmap;
	dmamap_count(maps, 1);
	trace_dmamap_map(dev, addr, target.phys, len);
	return addr + offset;

unmap:
	iommu_unmap(domain, addr, len);
free_address:
	dmamap_address_free(cookie, addr, len);
	return DMA_MAPPING_ERROR;
}

/* The same where the size is recorded beside the page table. */
static noinline bool start_recorded(struct dmamap_removal *removal,
				    dma_addr_t addr, size_t size, bool gaps)
{
	struct iommu_dma_cookie *cookie = removal->domain->iova_cookie;

	if (!cookie->lengths ||
	    !iommu_lengths_take(cookie->lengths,
				addr >> iova_shift(&cookie->iovad), size, gaps))
		return false;
	if (!gaps)
		removal->stuck = iommu_unmap_fast(removal->domain, addr, size,
						  &removal->gather) != size;
	return true;
}

/**
 * dmamap_removal_start - begin to undo one mapping
 * @removal: the removal
 * @dev: the device
 * @addr: first address of the range, at a granule
 * @size: its bytes, whole granules
 * @gaps: a list with gaps was mapped
 * @strict: flush before it ends, even in a lazy domain
 * Context: any.
 * Return: whether the range is exactly one mapping. If it is not, nothing has
 * changed. If it is, it is cleared, but for a list with gaps without unmap_exact():
 * the caller clears its parts. dmamap_removal_end() has to follow.
 */
bool dmamap_removal_start(struct dmamap_removal *removal, struct device *dev,
			  dma_addr_t addr, size_t size, bool gaps, bool strict)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	struct dmamap_fq *fq = READ_ONCE(cookie->fq);

	removal->domain = domain;
	removal->ring = fq && !strict ? dmamap_fq_ring(fq) : NULL;
	removal->stuck = false;
	iommu_iotlb_gather_init(&removal->gather);
	removal->gather.queued = removal->ring;
	/* On 32 bits the IOMMU API would cut it to another address. */
	if (overflows_type(addr, unsigned long))
		return false;
	if (likely(domain->ops && domain->ops->unmap_exact)) {
		if (!domain->ops->unmap_exact(domain, addr, size, gaps,
					      &removal->gather))
			return false;
		trace_unmap(addr, size, size);
		return true;
	}
	return start_recorded(removal, addr, size, gaps);
}

/**
 * dmamap_removal_end - flush the IOTLB, or queue for it, and free the range
 * @removal: the removal
 * @dev: the device
 * @addr: first address of the whole range
 * @size: its bytes
 * Context: any.
 * Return: true; false if the IOMMU driver has not cleared all of it.
 */
bool dmamap_removal_end(struct dmamap_removal *removal, struct device *dev,
			dma_addr_t addr, size_t size)
{
	struct iova_domain *iovad = &removal->domain->iova_cookie->iovad;
	unsigned long pfn = iova_pfn(iovad, addr);
	unsigned long pages = size >> iova_shift(iovad);

	if (unlikely(removal->stuck)) {
		if (removal->ring)
			iommu_flush_iotlb_all(removal->domain);
		else
			iommu_iotlb_sync(removal->domain, &removal->gather);
		iommu_put_pages_list(&removal->gather.freelist);
		dmamap_misuse(dev, "unmap", addr, size,
			      "the IOMMU driver has not cleared it; not used again");
		return false;
	}
	dmamap_count(unmaps, 1);
	trace_dmamap_unmap(dev, addr, size);
	if (removal->ring) {
		dmamap_fq_add(removal->ring, pfn, pages,
			      &removal->gather.freelist);
	} else {
		iommu_iotlb_sync(removal->domain, &removal->gather);
		free_iova_fast(iovad, pfn, pages);
	}
	return true;
}

/**
 * dmamap_range_unmap - undo dmamap_range_map()
 * @dev: the device
 * @addr: the address that it returned
 * @size: the bytes that it mapped
 * @strict: flush before this returns, even in a lazy domain
 * Context: any.
 * Return: true; false if the range is not exactly one mapping, which is reported:
 * then the caller must leave the memory alone.
 */
__flatten bool dmamap_range_unmap(struct device *dev, dma_addr_t addr,
				  size_t size, bool strict)
{
	struct iova_domain *iovad = &dmamap_cookie(dev)->iovad;
	size_t offset = iova_offset(iovad, addr);
	size_t len = iova_align(iovad, size + offset);
	struct dmamap_removal removal;

	/* 0 bytes, or the sum wrapped. */
	if (unlikely(size - 1 >= len) ||
	    unlikely(!dmamap_removal_start(&removal, dev, addr - offset, len,
					   false, strict))) {
		dmamap_misuse(dev, "unmap", addr, size,
			      size - 1 >= len ? "not a size" : NULL);
		return false;
	}
	return dmamap_removal_end(&removal, dev, addr - offset, len);
}
