// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: mapping and unmapping of an IOVA range.
 *
 * 1. An unmap undoes exactly one mapping, or it is refused.  A refused unmap
 *    changes nothing, and misuse.c reports it.
 * 2. If the IOMMU driver has unmap_exact(), the page table has the bounds of each
 *    mapping (../io-pgtable/exact.h).  For other IOMMU drivers the size of each
 *    mapping is recorded (../io-pgtable/lengths.c).
 * 3. A removal (struct dmamap_removal) claims a mapping, clears its PTEs, flushes
 *    the IOTLB, and frees the IOVAs.  dmamap_range_unmap() does this for a range
 *    without gaps.  Without unmap_exact(), sg.c clears a list with gaps part by
 *    part.
 * 4. If the IOMMU driver does not clear all PTEs, the IOVAs are not freed.
 */

#include <trace/events/iommu.h>
#include "../dma-iommu.h"
#include "dmamap.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/* Map contiguous memory, with bounds if the page table has them. */
static __always_inline int map_run(struct iommu_domain *domain, dma_addr_t addr,
				   phys_addr_t phys, size_t size, int prot,
				   gfp_t gfp)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int shift = iova_shift(&cookie->iovad);
	struct iommu_run run = { .phys = phys, .size = size };
	size_t mapped = 0;
	int ret;

	if (likely(dmamap_has_bounds(domain)))
		prot |= IOMMU_OWNED;
	else if (size >= cookie->second_page)
		return iommu_map_nosync(domain, addr, phys, size, prot, gfp);

	/* Only the smallest page size fits. */
	if (likely(size < cookie->second_page))
		ret = dmamap_map_pages(domain, addr, phys, size, shift, prot,
				       gfp, &mapped);
	else
		ret = dmamap_map_runs(domain, addr, &run, 1, prot, gfp, &mapped);
	iommu_debug_map(domain, phys, mapped);
	/* A driver without unmap_exact() may map less at once. */
	if (unlikely(!ret && mapped < size))
		ret = iommu_map_nosync(domain, addr + mapped, phys + mapped,
				       size - mapped, prot, gfp);
	if (likely(!ret))
		trace_map(addr, phys, size);
	else if (mapped)
		iommu_unmap(domain, addr, mapped);
	return ret;
}

/* The first @mapped bytes of the runs are mapped. */
static noinline void trace_runs(struct dmamap_runs *runs, size_t mapped)
{
	dma_addr_t addr = runs->addr;
	struct iommu_run *run;

	for (run = runs->run; mapped; run++) {
		size_t size = min(run->size, mapped);

		trace_map(addr, run->phys, size);
		iommu_debug_map(runs->domain, run->phys, size);
		addr += size;
		mapped -= size;
	}
}

/**
 * dmamap_runs_flush - map the runs that are not mapped yet
 * @runs: the runs
 * @last: these are the last ones; the caller calls dmamap_run_sync() next
 * Context: as @runs->gfp says.
 * Return: 0, or an error of the IOMMU driver. Then none of @runs->run is mapped.
 */
int dmamap_runs_flush(struct dmamap_runs *runs, bool last)
{
	int ret = 0, prot = runs->prot;
	size_t mapped = 0;
	unsigned int i;

	if (unlikely(!runs->count))
		return 0;
	if (unlikely(!last) && prot & IOMMU_OWNED) {
		prot |= IOMMU_MORE_AFTER;
		runs->prot |= IOMMU_MORE_BEFORE;
	}
	if (dmamap_takes_runs(runs->domain)) {
		ret = dmamap_map_runs(runs->domain, runs->addr, runs->run,
				      runs->count, prot, runs->gfp, &mapped);
		if (trace_map_enabled() || dmamap_debugs_pages())
			trace_runs(runs, mapped);
	} else {
		for (i = 0; !ret && i < runs->count; i++) {
			ret = map_run(runs->domain, runs->addr + mapped,
				      runs->run[i].phys, runs->run[i].size,
				      prot, runs->gfp);
			if (!ret)
				mapped += runs->run[i].size;
		}
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
 * dmamap_run_sync - tell the IOMMU driver about new PTEs
 * @domain: the domain
 * @addr: first IOVA
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
 * dmamap_record - record the size of a mapping, if the page table does not
 * @cookie: the cookie of the domain
 * @addr: first IOVA
 * @size: bytes
 * @gaps: it is a list with gaps
 * Context: any.
 * Return: true; false without memory.
 */
bool dmamap_record(struct iommu_dma_cookie *cookie, dma_addr_t addr,
		   size_t size, bool gaps)
{
	return likely(!cookie->lengths) ||
	       iommu_lengths_add(cookie->lengths,
				 addr >> iova_shift(&cookie->iovad), size, gaps);
}

/* @watched: %dmamap_watching is on */
static __always_inline dma_addr_t range_map(struct device *dev, phys_addr_t phys,
					    size_t size, int prot, bool watched)
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

	addr = watched ? dmamap_watched_alloc(domain, dev, len, dma_get_mask(dev),
					      &target, prot) :
			 dmamap_address_alloc(domain, dev, len, dma_get_mask(dev),
					      &target);
	if (unlikely(!addr))
		return DMA_MAPPING_ERROR;
	if (unlikely(map_run(domain, addr, target.phys, len, prot, GFP_ATOMIC)))
		goto free_address;
	if (unlikely(dmamap_run_sync(domain, addr, len)) ||
	    unlikely(!dmamap_record(cookie, addr, len, false)))
		goto unmap;
	if (watched)
		dmamap_watched_exact(cookie, addr, offset, size);
	trace_dmamap_map(dev, addr, target.phys, len);
	return addr + offset;

unmap:
	iommu_unmap(domain, addr, len);
free_address:
	dmamap_return_address(cookie, addr, len);
	return DMA_MAPPING_ERROR;
}

static noinline dma_addr_t range_map_watched(struct device *dev, phys_addr_t phys,
					     size_t size, int prot)
{
	return range_map(dev, phys, size, prot, true);
}

/**
 * dmamap_range_map - map physical memory or registers
 * @dev: the device
 * @phys: first byte
 * @size: bytes
 * @prot: IOMMU_* flags
 * Context: any.
 * Return: IOVA of the first byte, or DMA_MAPPING_ERROR, also for 0 bytes.
 */
dma_addr_t dmamap_range_map(struct device *dev, phys_addr_t phys, size_t size,
			    int prot)
{
	if (static_branch_unlikely(&dmamap_watching))
		return range_map_watched(dev, phys, size, prot);
	return range_map(dev, phys, size, prot, false);
}

/* dmamap_removal_start() for drivers without unmap_exact() */
static noinline bool start_recorded(struct dmamap_removal *removal,
				    dma_addr_t addr, size_t size, bool gaps)
{
	struct iommu_dma_cookie *cookie = removal->domain->iova_cookie;

	if (!cookie->lengths ||
	    !iommu_lengths_take(cookie->lengths,
				addr >> iova_shift(&cookie->iovad), size, gaps))
		return false;
	if (!gaps)
		dmamap_removal_clear(removal, addr, size);
	return true;
}

/* Debugging counts each granule of a range, so it needs one that can be right. */
static noinline bool ends_mapped(struct iommu_domain *domain, dma_addr_t addr,
				 size_t size)
{
	return size && addr + size > addr &&
	       dmamap_phys(domain, addr + size - 1) != PHYS_ADDR_MAX;
}

/**
 * dmamap_removal_start - claim exactly one mapping, and clear it
 * @removal: the removal
 * @dev: the device
 * @addr: first IOVA of the range, at a granule
 * @size: its bytes, whole granules
 * @gaps: it is a list with gaps; without unmap_exact() the caller clears its parts
 * @strict: flush the IOTLB at the end, even in a lazy domain
 * Context: any.
 * Return: true; the caller calls dmamap_removal_end() next. False if the range is
 * not exactly one mapping; then nothing has changed.
 */
bool dmamap_removal_start(struct dmamap_removal *removal, struct device *dev,
			  dma_addr_t addr, size_t size, bool gaps, bool strict)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);

	dmamap_removal_init(removal, domain, strict);
	/* The IOMMU API would truncate it to another address. */
	if (overflows_type(addr, unsigned long))
		return false;
	if (likely(domain->ops && dmamap_has_bounds(domain))) {
		bool exact, debug = dmamap_debugs_pages() &&
				    ends_mapped(domain, addr, size);

		if (debug)
			iommu_debug_unmap_begin(domain, addr, size);
		exact = dmamap_unmap_exact(domain, addr, size, gaps,
					   &removal->gather);
		if (debug)
			iommu_debug_unmap_end(domain, addr, size,
					      exact ? size : 0);
		if (unlikely(!exact))
			return false;
		trace_unmap(addr, size, size);
		if (!removal->ring)
			dmamap_gather_all(&removal->gather, addr, size);
		return true;
	}
	return start_recorded(removal, addr, size, gaps);
}

/* Flush and free a range that is cleared, or queue it for that. */
static __always_inline void end(struct dmamap_removal *removal,
				struct iova_domain *iovad, unsigned long pfn,
				unsigned long pages)
{
	if (removal->ring) {
		dmamap_fq_add(removal->ring, pfn, pages,
			      &removal->gather.freelist);
	} else {
		iommu_iotlb_sync(removal->domain, &removal->gather);
		free_iova_fast(iovad, pfn, pages);
	}
}

/* The same while %dmamap_watching is on */
static noinline void end_watched(struct dmamap_removal *removal,
				 struct device *dev, dma_addr_t addr, size_t size)
{
	struct iova_domain *iovad = &removal->domain->iova_cookie->iovad;

	if (!dmamap_watched_unmap(removal, dev, addr))
		end(removal, iovad, iova_pfn(iovad, addr),
		    size >> iova_shift(iovad));
}

/**
 * dmamap_removal_end - flush the IOTLB and free the range, or queue it for that
 * @removal: the removal
 * @dev: the device
 * @addr: first IOVA of the range
 * @size: its bytes
 * Context: any.
 * Return: true; false if a part was not cleared, which is reported.
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
	trace_dmamap_unmap(dev, addr, size);
	if (static_branch_unlikely(&dmamap_watching)) {
		end_watched(removal, dev, addr, size);
		return true;
	}
	end(removal, iovad, pfn, pages);
	return true;
}

/**
 * dmamap_range_unmap - undo dmamap_range_map()
 * @dev: the device
 * @addr: the IOVA that it returned
 * @size: the bytes that it mapped
 * @strict: flush the IOTLB at once, even in a lazy domain
 * Context: any.
 * Return: true; false if the range is not exactly one mapping, which is reported.
 * Then the caller must not free the memory.
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
