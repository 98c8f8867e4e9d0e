// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: an IOVA range that is allocated first and linked to memory
 * piece by piece (struct dma_iova_state).
 *
 * 1. The range is one mapping, whatever it is linked to.  If the page table has
 *    bounds, the first granule of the range begins the mapping and the last one
 *    ends it.  For other page tables the size of the range is recorded when it is
 *    allocated.  So other unmaps of it are refused, or of a part of it.
 * 2. Only the first byte and the last one of the range can lie inside a granule.
 *    So an untrusted device needs at most two bounce slots, one at either end.
 *    DMA_IOVA_USE_SWIOTLB in the state says that there may be one.
 * 3. To unlink flushes the IOTLB, also in a lazy domain, because the caller may
 *    link other memory to the same place.  A destroyed range waits in the flush
 *    queue, unless it has a bounce slot: slots are reused at once.
 * 4. A slot is copied back and freed after the flush, so the device can change
 *    neither the copy nor the data of the next user.
 */

#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include "dmamap.h"
#include "trace.h"

/* Whole granules of a range or of a part of it. */
struct span {
	dma_addr_t addr;
	size_t size;
};

static struct span span_of(struct iova_domain *iovad, dma_addr_t addr, size_t size)
{
	size_t offset = iova_offset(iovad, addr);

	return (struct span){ .addr = addr - offset,
			      .size = iova_align(iovad, size + offset) };
}

static struct span whole_of(struct iova_domain *iovad,
			    struct dma_iova_state *state)
{
	return span_of(iovad, state->addr, dma_iova_size(state));
}

/* Can a bounce slot begin where a buffer at @phys begins? */
static bool slot_fits(struct device *dev, phys_addr_t phys)
{
	unsigned long offset = iova_offset(&dmamap_cookie(dev)->iovad, phys);

	return !(offset & ~dma_get_min_align_mask(dev));
}

/**
 * dma_iova_try_alloc - allocate an IOVA range
 * @dev: the device
 * @state: describes the range afterwards; all zero on failure
 * @phys: what will be linked first; only its place in a granule matters
 * @size: bytes of the range
 *
 * Context: any.
 * Return: true; false if the device needs none, if there is none, or if a bounce
 * slot could not begin where @phys does. Then map the pieces one by one.
 */
bool dma_iova_try_alloc(struct device *dev, struct dma_iova_state *state,
			phys_addr_t phys, size_t size)
{
	struct dmamap_target target = { .phys = phys };
	struct iommu_dma_cookie *cookie;
	struct iommu_domain *domain;
	struct iova_domain *iovad;
	struct span span;
	dma_addr_t addr;

	*state = (struct dma_iova_state){ };
	if (!use_dma_iommu(dev))
		return false;
	cookie = dmamap_cookie(dev);
	domain = cookie->domain;
	iovad = &cookie->iovad;
	if (dmamap_check_device(dev, domain) || WARN_ON_ONCE(!size))
		return false;
	span = span_of(iovad, iova_offset(iovad, phys), size);
	/* The size wrapped, or it needs the bit that tells of slots. */
	if (span.size < size || size & DMA_IOVA_USE_SWIOTLB)
		return false;
	if (dmamap_may_bounce(dev, 1, DMA_BIDIRECTIONAL) && !slot_fits(dev, phys))
		return false;

	target.boundary = dma_get_seg_boundary(dev);
	addr = dmamap_take_address(domain, dev, span.size, dma_get_mask(dev),
				   &target, IOMMU_READ | IOMMU_WRITE);
	if (!addr)
		return false;
	if (!dmamap_record(cookie, addr, span.size, true)) {
		dmamap_return_address(cookie, addr, span.size);
		return false;
	}
	if (static_branch_unlikely(&dmamap_watching))
		dmamap_watched_exact(cookie, addr, iova_offset(iovad, phys), size);
	state->addr = addr + iova_offset(iovad, phys);
	state->__size = size;
	return true;
}
EXPORT_SYMBOL_GPL(dma_iova_try_alloc);

/* Map whole granules. */
static int link_span(struct device *dev, struct iommu_domain *domain,
		     struct dma_iova_state *state, struct span span,
		     phys_addr_t phys, int prot)
{
	struct span whole = whole_of(&domain->iova_cookie->iovad, state);
	struct dmamap_runs runs __uninitialized;
	int ret;

	dmamap_runs_start(&runs, domain, span.addr, prot, GFP_ATOMIC);
	if (runs.prot & IOMMU_OWNED && span.addr != whole.addr)
		runs.prot |= IOMMU_MORE_BEFORE;
	runs.count = 0;
	dmamap_runs_add(&runs, phys, span.size);
	ret = dmamap_runs_flush(&runs, span.addr + span.size ==
				       whole.addr + whole.size);
	if (!ret)
		trace_dmamap_map(dev, span.addr, phys, span.size);
	return ret;
}

/* Link a piece of less than a granule, at either end of the range. */
static int link_bounced(struct device *dev, struct iommu_domain *domain,
			struct dma_iova_state *state, dma_addr_t addr,
			phys_addr_t phys, size_t size,
			enum dma_data_direction dir, unsigned long attrs)
{
	bool coherent = dev_is_dma_coherent(dev);
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	phys_addr_t slot = dmamap_bounce(dev, phys, size, dir, attrs);
	int ret = -EINVAL;

	if (slot == (phys_addr_t)DMA_MAPPING_ERROR)
		return -ENOMEM;
	if (!coherent && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		arch_sync_dma_for_device(slot, size, dir);
	if (iova_offset(iovad, slot) == iova_offset(iovad, addr))
		ret = link_span(dev, domain, state, span_of(iovad, addr, size),
				slot - iova_offset(iovad, slot),
				dmamap_prot(dir, coherent, attrs));
	if (ret)
		swiotlb_tbl_unmap_single(dev, slot, size, dir, attrs);
	else
		state->__size |= DMA_IOVA_USE_SWIOTLB;
	return ret;
}

/**
 * dma_iova_link - link a part of a range to memory
 * @dev: the device
 * @state: the range
 * @phys: physical address of the memory
 * @offset: first byte of the part; what is before it need not be linked
 * @size: its bytes
 * @dir: direction of the transfers
 * @attrs: DMA_ATTR_*
 *
 * The device can use it after dma_iova_sync().
 *
 * Context: any.
 * Return: 0; -EINVAL or -EIO if the part is not in the range, or @phys and @offset
 * are at different places of a granule; -EOPNOTSUPP or -EPERM if @attrs do not
 * allow what has to be done; -ENOMEM; or an error of the IOMMU driver. Then
 * nothing of the part is linked.
 */
int dma_iova_link(struct device *dev, struct dma_iova_state *state,
		  phys_addr_t phys, size_t offset, size_t size,
		  enum dma_data_direction dir, unsigned long attrs)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	bool coherent = dev_is_dma_coherent(dev);
	size_t head, tail, done = 0, whole = dma_iova_size(state);
	u64 before = state->__size;
	int prot = dmamap_prot(dir, coherent, attrs), ret = 0;
	dma_addr_t addr = state->addr + offset;
	struct span span;

	if (WARN_ON_ONCE(!size || offset > whole || size > whole - offset))
		return -EINVAL;
	if (WARN_ON_ONCE((offset && iova_offset(iovad, phys)) ||
			 iova_offset(iovad, phys ^ addr)))
		return -EIO;
	if (attrs & DMA_ATTR_REQUIRE_COHERENT &&
	    (!coherent || state->__size & DMA_IOVA_USE_SWIOTLB))
		return -EOPNOTSUPP;

	if (likely(!dmamap_may_bounce(dev, size, dir)) ||
	    !iova_offset(iovad, phys | size)) {
		if (!coherent &&
		    !(attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO)))
			arch_sync_dma_for_device(phys, size, dir);
		span = span_of(iovad, addr, size);
		return link_span(dev, domain, state, span,
				 phys - iova_offset(iovad, phys), prot);
	}

	if (attrs & (DMA_ATTR_MMIO | DMA_ATTR_REQUIRE_COHERENT))
		return -EPERM;
	head = iova_offset(iovad, phys) ?
	       min(size, iovad->granule - iova_offset(iovad, phys)) : 0;
	tail = iova_offset(iovad, phys + size);
	if (head == size)
		tail = 0;
	if (head) {
		ret = link_bounced(dev, domain, state, addr, phys, head, dir,
				   attrs);
		done = ret ? 0 : head;
	}
	if (!ret && head + tail < size) {
		size_t middle = size - head - tail;

		if (!coherent && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
			arch_sync_dma_for_device(phys + head, middle, dir);
		span.addr = addr + head;
		span.size = middle;
		ret = link_span(dev, domain, state, span, phys + head, prot);
		if (!ret)
			done += middle;
	}
	if (!ret && tail)
		ret = link_bounced(dev, domain, state, addr + done,
				   phys + done, tail, dir, attrs);
	if (!ret)
		return 0;
	if (done)
		dma_iova_unlink(dev, state, offset, done, dir,
				attrs | DMA_ATTR_SKIP_CPU_SYNC);
	state->__size = before;
	return ret;
}
EXPORT_SYMBOL_GPL(dma_iova_link);

/**
 * dma_iova_sync - let the device use what was linked
 * @dev: the device
 * @state: the range
 * @offset: first byte of the part
 * @size: its bytes
 *
 * Context: any.
 * Return: 0, or an error of the IOMMU driver; what is linked stays so.
 */
int dma_iova_sync(struct device *dev, struct dma_iova_state *state,
		  size_t offset, size_t size)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct span span = span_of(&domain->iova_cookie->iovad,
				   state->addr + offset, size);

	dmamap_cache_flush(dev);
	return dmamap_run_sync(domain, span.addr, span.size);
}
EXPORT_SYMBOL_GPL(dma_iova_sync);

/* The bounce slots of a part; none: PHYS_ADDR_MAX. */
struct slots {
	phys_addr_t head, tail;
	size_t head_size, tail_size;
};

static phys_addr_t slot_at(struct device *dev, dma_addr_t addr)
{
	phys_addr_t phys = dmamap_phys(iommu_get_dma_domain(dev), addr);

	return swiotlb_find_pool(dev, phys) ? phys : PHYS_ADDR_MAX;
}

static struct slots find_slots(struct device *dev, dma_addr_t addr, size_t size)
{
	struct iova_domain *iovad = &dmamap_cookie(dev)->iovad;
	struct slots slots = {
		.head = PHYS_ADDR_MAX,
		.tail = PHYS_ADDR_MAX,
		.tail_size = iova_offset(iovad, addr + size),
	};

	if (iova_offset(iovad, addr)) {
		slots.head = slot_at(dev, addr);
		slots.head_size = min(size, iovad->granule -
					    iova_offset(iovad, addr));
	}
	if (slots.tail_size && slots.head_size < size)
		slots.tail = slot_at(dev, addr + size - slots.tail_size);
	return slots;
}

/* Copy slots back and free them. */
static void put_slots(struct device *dev, const struct slots *slots,
		      enum dma_data_direction dir, unsigned long attrs)
{
	if (slots->head != PHYS_ADDR_MAX)
		swiotlb_tbl_unmap_single(dev, slots->head, slots->head_size,
					 dir, attrs);
	if (slots->tail != PHYS_ADDR_MAX)
		swiotlb_tbl_unmap_single(dev, slots->tail, slots->tail_size,
					 dir, attrs);
}

/* Cache maintenance for the CPU, of memory that is still linked. */
static void cache_for_cpu(struct device *dev, struct iommu_domain *domain,
			  dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	phys_addr_t first = 0, phys;
	size_t len = 0, part;

	if (dev_is_dma_coherent(dev) ||
	    attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO))
		return;
	for (; size; addr += part, size -= part) {
		part = min(size, iovad->granule - iova_offset(iovad, addr));
		phys = dmamap_phys(domain, addr);
		if (len && phys == first + len) {
			len += part;
			continue;
		}
		if (len)
			dmamap_cache(dev, first, len, dir, true);
		first = phys;
		len = phys == PHYS_ADDR_MAX ? 0 : part;
	}
	if (len)
		dmamap_cache(dev, first, len, dir, true);
	dmamap_cache_flush(dev);
}

/**
 * dma_iova_unlink - undo dma_iova_link() for a part of a range
 * @dev: the device
 * @state: the range
 * @offset: first byte of the part, which was linked
 * @size: its bytes
 * @dir: direction of the transfers
 * @attrs: DMA_ATTR_* that it was linked with
 *
 * Flushes the IOTLB.  If not all of the part is linked, this is reported, and its
 * bounce slots are not freed.
 *
 * Context: any.
 */
void dma_iova_unlink(struct device *dev, struct dma_iova_state *state,
		     size_t offset, size_t size, enum dma_data_direction dir,
		     unsigned long attrs)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	dma_addr_t addr = state->addr + offset;
	struct slots slots = { PHYS_ADDR_MAX, PHYS_ADDR_MAX };
	size_t whole = dma_iova_size(state);
	struct dmamap_removal removal;
	struct span span;

	if (!size || offset > whole || size > whole - offset ||
	    (offset && iova_offset(iovad, addr))) {
		dmamap_misuse(dev, "unmap", addr, size, "not in the range");
		return;
	}
	span = span_of(iovad, addr, size);
	cache_for_cpu(dev, domain, addr, size, dir, attrs);
	if (state->__size & DMA_IOVA_USE_SWIOTLB)
		slots = find_slots(dev, addr, size);
	dmamap_removal_init(&removal, domain, true);
	dmamap_removal_clear(&removal, span.addr, span.size);
	iommu_iotlb_sync(removal.domain, &removal.gather);
	/* What was not cleared may lead to a slot, so keep both. */
	if (removal.stuck) {
		dmamap_misuse(dev, "unmap", addr, size, "not all of it was linked");
		return;
	}
	trace_dmamap_unmap(dev, span.addr, span.size);
	put_slots(dev, &slots, dir, attrs);
}
EXPORT_SYMBOL_GPL(dma_iova_unlink);

/* Granules that a search for linked memory looks at. */
#define LINKED_FIND	4096

static bool linked(struct device *dev, dma_addr_t addr)
{
	return dmamap_phys(iommu_get_dma_domain(dev), addr) != PHYS_ADDR_MAX;
}

/* Is a granule of [@addr, @end) linked? Looks at the first ones only. */
static bool any_linked(struct device *dev, dma_addr_t addr, dma_addr_t end)
{
	size_t granule = dmamap_cookie(dev)->iovad.granule;
	unsigned int left;

	for (left = LINKED_FIND; addr < end && left; left--, addr += granule)
		if (linked(dev, addr))
			return true;
	return false;
}

/*
 * Is [@addr, @addr + @part) the linked part of a longer range that begins there?
 * Its last granule says that there are others, and its first one that it is the
 * first. A search that gave up does not tell where the range begins.
 */
static bool is_part(struct iommu_domain *domain, dma_addr_t addr, size_t part)
{
	struct iommu_mapping found;

	return dmamap_find_mapping(domain, addr + part - 1, &found) &&
	       found.owned && !(found.whole && found.size == part) &&
	       (!found.whole || found.iova == addr);
}

/*
 * Claim the range, and clear its first @part bytes, whole granules.  Returns false,
 * and changes nothing, if it is not linked like that.
 */
static bool claim(struct dmamap_removal *removal, struct device *dev,
		  struct iommu_domain *domain, struct span whole, size_t part,
		  bool strict)
{
	bool exact = dmamap_has_bounds(domain);

	if (exact && part == whole.size)
		return dmamap_removal_start(removal, dev, whole.addr, part,
					    false, strict);
	if (!whole.size || (part && !linked(dev, whole.addr + part - 1)) ||
	    any_linked(dev, whole.addr + part, whole.addr + whole.size))
		return false;
	if (!exact) {
		if (!dmamap_removal_start(removal, dev, whole.addr, whole.size,
					  true, strict))
			return false;
	} else {
		if (part && !is_part(domain, whole.addr, part))
			return false;
		dmamap_removal_init(removal, domain, strict);
	}
	if (part)
		dmamap_removal_clear(removal, whole.addr, part);
	return true;
}

/**
 * dma_iova_destroy - unlink and free a range
 * @dev: the device
 * @state: the range
 * @mapped_len: bytes at its start that are linked; the rest is not
 * @dir: direction of the transfers
 * @attrs: DMA_ATTR_* that it was linked with
 *
 * If the last granule of @mapped_len is not linked, or one of the first %LINKED_FIND
 * behind it is, this is reported, and nothing is unlinked or freed.  A hole before
 * it is reported as well, and the range is not used again; if the page table has no
 * bounds, or the range is linked in part, what is before the hole is unlinked then.
 *
 * Context: any.
 */
void dma_iova_destroy(struct device *dev, struct dma_iova_state *state,
		      size_t mapped_len, enum dma_data_direction dir,
		      unsigned long attrs)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	bool bounced = state->__size & DMA_IOVA_USE_SWIOTLB;
	struct slots slots = { PHYS_ADDR_MAX, PHYS_ADDR_MAX };
	struct span whole = whole_of(iovad, state);
	struct dmamap_removal removal;
	size_t part = 0;

	if (mapped_len)
		part = span_of(iovad, state->addr, mapped_len).size;
	if (mapped_len && mapped_len <= dma_iova_size(state)) {
		cache_for_cpu(dev, domain, state->addr, mapped_len, dir, attrs);
		if (unlikely(bounced))
			slots = find_slots(dev, state->addr, mapped_len);
	}
	if (unlikely(mapped_len > dma_iova_size(state)) ||
	    unlikely(!claim(&removal, dev, domain, whole, part,
			    bounced || !part))) {
		dmamap_misuse(dev, "unmap", state->addr, mapped_len,
			      "not what is linked; not used again");
		return;
	}
	if (dmamap_removal_end(&removal, dev, whole.addr, whole.size))
		put_slots(dev, &slots, dir, attrs);
}
EXPORT_SYMBOL_GPL(dma_iova_destroy);

/**
 * dma_iova_free - free a range of which nothing is linked
 * @dev: the device
 * @state: the range
 *
 * If one of its first %LINKED_FIND granules is linked, this is reported, and the
 * range is not freed.
 *
 * Context: any.
 */
void dma_iova_free(struct device *dev, struct dma_iova_state *state)
{
	dma_iova_destroy(dev, state, 0, DMA_NONE, 0);
}
EXPORT_SYMBOL_GPL(dma_iova_free);
