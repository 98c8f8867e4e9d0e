// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: address ranges with translations are made and undone.
 *
 * 1. A removal (struct dmamap_removal) clears one or more parts of one address
 *    range, flushes the IOTLB once, and frees the range. dmamap_range_unmap()
 *    does this for a range in one part.
 * 2. If a removal clears more or less than it was asked to, the driver unmapped
 *    another range than it had mapped. This is reported. If exactly this range
 *    is allocated, its other granules are cleared, too. The IOTLB is flushed at
 *    once, and the range goes to dmamap_address_suspect(). If a PTE cannot be
 *    cleared, the range is leaked.
 * 3. Some IOMMU drivers do not say what they cleared, or do damage if a PTE is
 *    clear already. For these the first and the last granule of each part are
 *    looked up before; if one is not mapped, the part is left alone. With
 *    iova.check=1, exactly this range must be allocated, too.
 */

#include <trace/events/iommu.h>
#include "../dma-iommu.h"
#include "../iommu-pages.h"
#include "../iommu-priv.h"
#include "dmamap.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/* Below the second smallest page size, use the smallest one directly. */
static __always_inline int map_run(struct iommu_domain *domain, dma_addr_t addr,
				   phys_addr_t phys, size_t size, int prot,
				   gfp_t gfp)
{
	const struct iommu_domain_ops *ops = domain->ops;
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int shift = iova_shift(&cookie->iovad);
	size_t done = 0, mapped;
	int ret;

	if (size >= cookie->second_page)
		return iommu_map_nosync(domain, addr, phys, size, prot, gfp);

	do {
		mapped = 0;
		ret = ops->map_pages(domain, addr + done, phys + done,
				     1UL << shift, (size - done) >> shift, prot,
				     gfp, &mapped);
		done += mapped;
	} while (!ret && done < size);
	if (unlikely(ret))
		iommu_unmap(domain, addr, done);
	else
		trace_map(addr, phys, size);
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
 * Context: as @runs->gfp says.
 * Return: 0, or an error of the IOMMU driver; then @runs->run is not mapped.
 */
int dmamap_runs_flush(struct dmamap_runs *runs)
{
	const struct iommu_domain_ops *ops = runs->domain->ops;
	size_t mapped = 0;
	int ret;

	if (unlikely(!runs->count))
		return 0;
	if (!ops->map_runs) {
		ret = map_one_by_one(runs, &mapped);
	} else {
		ret = ops->map_runs(runs->domain, runs->addr, runs->run,
				    runs->count, runs->prot, runs->gfp,
				    &mapped);
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

/* Undo map_run(). Returns the bytes cleared. */
static __always_inline size_t clear(struct iommu_domain *domain,
				    dma_addr_t addr, size_t size,
				    struct iommu_iotlb_gather *gather)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int shift = iova_shift(&cookie->iovad);
	size_t done = 0, cleared;

	if (size >= cookie->second_page)
		return iommu_unmap_fast(domain, addr, size, gather);

	do {
		cleared = domain->ops->unmap_pages(domain, addr + done,
						   1UL << shift,
						   (size - done) >> shift,
						   gather);
		done += cleared;
	} while (cleared && done < size);
	trace_unmap(addr, size, done);
	return done;
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

	if (unlikely(dmamap_attach_deferred(dev, domain)))
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
	if (unlikely(dmamap_run_sync(domain, addr, len)))
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

/* Reports of a driver in a row, and the time between later ones. */
#define MISUSE_BURST	10
#define MISUSE_INTERVAL	(5 * HZ)

/**
 * dmamap_misuse - report a wrong call of the DMA API
 * @dev: the device
 * @what: the operation
 * @addr: the IOVA that it named
 * @size: the bytes that it named
 * @found: what was found instead
 *
 * The first call since a driver was bound to @dev prints a stack trace, later
 * ones a line, rate limited. Devices that were removed share this state.
 * Context: any.
 */
void dmamap_misuse(struct device *dev, const char *what, dma_addr_t addr,
		   size_t size, const char *found)
{
	static struct dev_iommu removed;
	struct dev_iommu *state = dev->iommu ?: &removed;
	int nr = atomic_inc_return(&state->dma_misuses);

	if (nr == 1) {
		dev_WARN(dev, "%s of IOVA %pad, %zu bytes: %s\n", what, &addr,
			 size, found);
	} else if (nr <= MISUSE_BURST ||
		   time_after(jiffies, READ_ONCE(state->dma_misuse_next))) {
		WRITE_ONCE(state->dma_misuse_next, jiffies + MISUSE_INTERVAL);
		dev_err(dev, "%s of IOVA %pad, %zu bytes: %s (error %d of this driver)\n",
			what, &addr, size, found, nr);
	}
}

/* Is the range inside the domain? Otherwise the page table must not see it. */
static bool may_be_ours(struct iommu_domain *domain, dma_addr_t addr,
			size_t size)
{
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	unsigned long pfn = iova_pfn(iovad, addr);

	/* On 32 bits the IOMMU API would cut it to another address. */
	if (overflows_type(addr, pfn))
		return false;
	return size && pfn >= iovad->start_pfn && addr + size - 1 >= addr &&
	       (addr + size - 1 <= domain->geometry.aperture_end ||
		!domain->geometry.force_aperture);
}

/*
 * If exactly this range is allocated, it will be freed. Clear PTEs behind a hole
 * for the next owner. Returns false if one of them cannot be cleared.
 */
static bool clear_rest(struct dmamap_removal *removal, dma_addr_t addr,
		       size_t size)
{
	struct iova_domain *iovad = &removal->cookie->iovad;
	struct iommu_domain *domain = removal->domain;
	size_t done, cleared;

	if (!may_be_ours(domain, addr, size) ||
	    !dmamap_address_allocated(iovad, addr, size))
		return true;
	for (done = 0; done < size; done += iovad->granule) {
		if (dmamap_phys(domain, addr + done) == PHYS_ADDR_MAX)
			continue;
		cleared = iommu_unmap_fast(domain, addr + done, iovad->granule,
					   &removal->gather);
		if (!cleared)
			return false;
		removal->cleared += cleared;
	}
	return true;
}

/* Report an unmap that did not clear the bytes that it named. */
static noinline bool removal_failed(struct dmamap_removal *removal,
				    struct device *dev, dma_addr_t addr,
				    size_t size)
{
	struct iommu_domain *domain = removal->domain;
	size_t cleared = removal->cleared;
	char found[40];
	bool clear;

	if (domain == &iommu_dma_removed_domain) {
		dmamap_misuse(dev, "unmap", addr, size, "the device was removed");
		return false;
	}
	clear = clear_rest(removal, addr, size);
	if (removal->cleared && removal->ring) {
		domain->ops->flush_iotlb_all(domain);
		iommu_put_pages_list(&removal->gather.freelist);
	} else if (removal->cleared) {
		iommu_iotlb_sync(domain, &removal->gather);
	}
	atomic_inc(&removal->cookie->bad_unmaps);
	trace_dmamap_bad_unmap(dev, addr, size, cleared);
	snprintf(found, sizeof(found), "%zu bytes were cleared", cleared);
	dmamap_misuse(dev, "unmap", addr, size, found);
	if (clear)
		dmamap_address_suspect(removal->cookie, addr, size);
	else
		dev_err(dev, "IOVA %pad stays out of use, it cannot be unmapped\n",
			&addr);
	return false;
}

/**
 * dmamap_removal_start - begin to undo translations of one range
 * @removal: the removal
 * @dev: the device
 * @strict: flush before it ends, even in a lazy domain
 * Context: any.
 */
void dmamap_removal_start(struct dmamap_removal *removal, struct device *dev,
			  bool strict)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct dmamap_fq *fq = READ_ONCE(domain->iova_cookie->fq);

	removal->domain = domain;
	removal->cookie = domain->iova_cookie;
	removal->ring = fq && !strict ? dmamap_fq_ring(fq) : NULL;
	removal->refused = false;
	removal->asked = 0;
	removal->cleared = 0;
	iommu_iotlb_gather_init(&removal->gather);
	removal->gather.queued = removal->ring;
}

/* Is [addr, addr + size) mapped at both ends? */
static noinline bool looks_mapped(struct iommu_domain *domain, dma_addr_t addr,
				  size_t size)
{
	size_t granule = domain->iova_cookie->iovad.granule;

	return dmamap_phys(domain, addr) != PHYS_ADDR_MAX &&
	       (size == granule ||
		dmamap_phys(domain, addr + size - granule) != PHYS_ADDR_MAX);
}

/**
 * dmamap_removal_clear - clear translations
 * @removal: the removal
 * @addr: first address, at a granule
 * @size: bytes, whole granules
 * Context: any.
 */
void dmamap_removal_clear(struct dmamap_removal *removal, dma_addr_t addr,
			  size_t size)
{
	struct iommu_domain *domain = removal->domain;

	/* To clear 0 bytes is an error, too. */
	removal->asked += size ?: 1;
	if (unlikely(removal->refused || !may_be_ours(domain, addr, size)))
		return;
	if (!domain->ops->exact_unmap && !domain->ops->exact_ends &&
	    !looks_mapped(domain, addr, size))
		return;
	removal->cleared += clear(domain, addr, size, &removal->gather);
}

/**
 * dmamap_removal_end - flush the IOTLB, or queue for it, and free the range
 * @removal: the removal
 * @dev: the device
 * @addr: first address of the whole range
 * @size: its bytes
 * Context: any.
 * Return: true; false if not exactly the range was cleared, which is reported.
 */
bool dmamap_removal_end(struct dmamap_removal *removal, struct device *dev,
			dma_addr_t addr, size_t size)
{
	struct iommu_dma_cookie *cookie = removal->cookie;
	struct iova_domain *iovad = &cookie->iovad;
	unsigned long pfn = iova_pfn(iovad, addr);
	unsigned long pages = size >> iova_shift(iovad);

	if (unlikely(removal->cleared != removal->asked))
		return removal_failed(removal, dev, addr, size);
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
 * Return: true; false if not exactly the range was cleared, which is reported:
 * then the caller must leave the memory alone.
 */
__flatten bool dmamap_range_unmap(struct device *dev, dma_addr_t addr,
				  size_t size, bool strict)
{
	struct dmamap_removal removal;
	struct iova_domain *iovad;
	size_t offset;

	dmamap_removal_start(&removal, dev, strict);
	iovad = &removal.cookie->iovad;
	offset = iova_offset(iovad, addr);
	addr -= offset;
	size = iova_align(iovad, size + offset);

	if (unlikely(iova_check))
		removal.refused = !dmamap_address_allocated(iovad, addr, size);
	dmamap_removal_clear(&removal, addr, size);
	return dmamap_removal_end(&removal, dev, addr, size);
}
