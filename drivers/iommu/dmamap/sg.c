// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: scatterlists.
 *
 * 1. A list gets one IOVA range. Its entries follow each other there, each with
 *    the granules that it touches. Two entries that meet become one segment, up
 *    to the limits of the device.
 * 2. Three loops add up the length, map, and write the segments. Plain lists have
 *    faster loops (lay_out_plain()). A map changes only the DMA fields of an
 *    entry, and an error clears them.
 * 3. If an entry would cross a segment boundary of the device, a gap of IOVAs
 *    that are not mapped moves it to the boundary. place_next() computes gaps
 *    from the lengths alone, because a range with gaps begins at a boundary. An
 *    entry longer than the boundary begins at one, and crosses the next.
 * 4. An unmap computes the range from the segments. The range is one mapping, even
 *    with gaps (range.c).
 * 5. If the device reaches PCI peer memory without the IOMMU, the entry gets a bus
 *    address, and no place in the range. Empty entries are skipped. A list of
 *    empty entries is refused.
 * 6. If an entry may bounce, each entry is mapped to a range of its own, and
 *    the head of the list is marked.
 */

#include <linux/memremap.h>
#include "dmamap.h"
#include "trace.h"

/* A list laid out in an IOVA range. */
struct layout {
	size_t total;			/* bytes of the range */
	struct dmamap_target target;	/* first memory of the list */
	bool plain;			/* see lay_out_plain() */
	bool gaps;			/* entries do not meet */
	size_t padding;			/* bytes behind the list in its last granule */
	int noted;			/* number of entries in @runs */
	struct scatterlist *next;	/* the entry after these */
	struct dmamap_runs runs;
	struct iommu_run rest;		/* scratch for runs that do not fit */
};

/* The entry after @s, which is not the last. */
static __always_inline struct scatterlist *entry_after(struct scatterlist *s)
{
	s++;
	if (unlikely(sg_is_chain(s))) {
		s = sg_chain_ptr(s);
		/* A conditional move would make each entry wait for the last. */
		OPTIMIZER_HIDE_VAR(s);
	}
	return s;
}

/* Like for_each_sg(), but does not test entries for the end mark. */
#define for_each_entry(sgl, s, nents, i)				\
	for ((i) = 0, (s) = (sgl); (i) < (nents);			\
	     (s) = ++(i) < (nents) ? entry_after(s) : NULL)

/* An entry and its place in the range, which is empty with a bus address. */
struct placed {
	struct scatterlist *s, *sgl;
	int left;		/* entries behind @s */
	unsigned long mask;	/* of a granule */
	unsigned long boundary;
	u64 gap;		/* bytes left out before the entry */
	u64 at, end;		/* offsets in the range */
};

/* Go to the next entry that is not empty. Returns false after the last. */
static bool place_next(struct placed *p)
{
	u64 used = p->end & p->boundary, len;

	do {
		if (p->left-- <= 0)
			return false;
		p->s = p->s ? entry_after(p->s) : p->sgl;
	} while (!p->s->length);

	p->gap = 0;
	p->at = p->end;
	if (sg_dma_is_bus_address(p->s))
		return true;
	len = ALIGN((p->s->offset & p->mask) + (u64)p->s->length, p->mask + 1ULL);
	if (used && len - 1 > p->boundary - used)
		p->gap = p->boundary - used + 1;
	p->at += p->gap;
	p->end = p->at + len;
	return true;
}

/* Iterate over the entries that are not empty. */
#define for_each_placed(p, list, nents, iovad, bound)			\
	for (*(p) = (struct placed) { .sgl = (list), .left = (nents),	\
	     .mask = iova_mask(iovad), .boundary = (bound) }; place_next(p);)

/* Set the DMA fields, and clear the flags of an earlier mapping. */
static __always_inline void set_dma(struct scatterlist *s, dma_addr_t addr,
				    unsigned int len)
{
	sg_dma_address(s) = addr;
	sg_dma_len(s) = len;
#ifdef CONFIG_NEED_SG_DMA_FLAGS
	s->dma_flags = 0;
#endif
}

static void clear_list(struct scatterlist *sgl, int nents)
{
	struct scatterlist *s;
	int i;

	for_each_sg(sgl, s, nents, i)
		set_dma(s, DMA_MAPPING_ERROR, 0);
}

/* Returns 0: map the entry; 1: it has a bus address now; -EREMOTEIO: no access. */
static int classify(struct pci_p2pdma_map_state *state, struct device *dev,
		    struct scatterlist *s)
{
	if (!is_pci_p2pdma_page(sg_page(s)))
		return 0;
	switch (dmamap_p2pdma(state, dev, s)) {
	case PCI_P2PDMA_MAP_BUS_ADDR:
		return 1;
	case PCI_P2PDMA_MAP_THRU_HOST_BRIDGE:
		return 0;
	default:
		return -EREMOTEIO;
	}
}

/*
 * Lay out a plain list, and note its first runs. Returns false if the list is not
 * plain: entries do not meet at granules, an entry is empty or in device memory,
 * or the list is longer than the segment boundary.
 */
static bool lay_out_plain(struct device *dev, struct scatterlist *sgl,
			  int nents, struct layout *layout)
{
	unsigned long mask = iova_mask(&dmamap_cookie(dev)->iovad);
	struct iommu_run *run = layout->runs.run;
	struct iommu_run *last = run + ARRAY_SIZE(layout->runs.run) - 1;
	unsigned long boundary = dma_get_seg_boundary(dev);
	u64 total, len = sgl->length;
	struct scatterlist *s = sgl;
	phys_addr_t phys, end, meet = 0;
	int i;

	if (nents < 1 || !len || is_zone_device_page(sg_page(s)))
		return false;
	phys = sg_phys(sgl);
	end = phys + len;
	total = (phys & mask) + len;
	run->phys = phys & ~(phys_addr_t)mask;
	run->size = total;
	layout->noted = nents;
	for (i = 1; i < nents; i++) {
		s = entry_after(s);
		if (is_zone_device_page(sg_page(s)))
			return false;
		phys = sg_phys(s);
		len = s->length;
		if (unlikely(!len))
			return false;
		if (phys == end) {
			run->size += len;
		} else if (likely(run < last)) {
			run++;
			run->phys = phys;
			run->size = len;
		} else if (run != &layout->rest) {
			run = &layout->rest;
			layout->noted = i;
			layout->next = s;
		}
		meet |= end | phys;
		total += len;
		end = phys + len;
	}
	layout->padding = -end & mask;
	total += layout->padding;
	/* Also fails if @total is longer than a boundary that is not 2^n - 1. */
	if (unlikely(meet & mask || (total - 1) & ~(u64)boundary ||
		     total > SIZE_MAX))
		return false;
	run->size += layout->padding;
	layout->runs.count = min(run, last) - layout->runs.run + 1;
	layout->plain = true;
	layout->gaps = false;
	layout->total = total;
	layout->target.phys = layout->runs.run[0].phys;
	layout->target.piece = layout->runs.run[0].size;
	layout->target.boundary = boundary;
	return true;
}

/* Lay out a list that is not plain. Sets bus addresses, and notes no runs. */
static noinline int lay_out(struct device *dev, struct scatterlist *sgl,
			    int nents, struct layout *layout)
{
	struct iova_domain *iovad = &dmamap_cookie(dev)->iovad;
	struct dmamap_target *target = &layout->target;
	struct pci_p2pdma_map_state p2pdma = { };
	struct scatterlist *s;
	struct placed p;
	phys_addr_t at;
	int i, ret;

	for_each_entry(sgl, s, nents, i) {
		sg_dma_unmark_bus_address(s);
		ret = s->length ? classify(&p2pdma, dev, s) : 0;
		if (unlikely(ret < 0))
			return ret;
	}
	target->boundary = dmamap_boundary(dma_get_seg_boundary(dev));
	target->piece = 0;
	layout->gaps = false;
	for_each_placed(&p, sgl, nents, iovad, target->boundary) {
		/* The first piece is contiguous in memory and has no gap. */
		at = sg_phys(p.s) & ~(phys_addr_t)p.mask;
		layout->gaps |= !!p.gap;
		if (!target->piece)
			target->phys = at;
		if (target->piece == p.at && at == target->phys + p.at)
			target->piece = p.end;
	}
	if (p.end > SIZE_MAX)
		return -ENOMEM;
	layout->plain = false;
	layout->total = p.end;
	return 0;
}

/* Unmap a list up to @end. Entries between two gaps may share a large page. */
static void unmap_upto(struct iommu_domain *domain, dma_addr_t addr, size_t end,
		       struct scatterlist *sgl, int nents, unsigned long boundary)
{
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	size_t start = 0, stop = 0;
	struct placed p;

	for_each_placed(&p, sgl, nents, iovad, boundary) {
		if (p.at >= end)
			break;
		if (p.gap) {
			iommu_unmap(domain, addr + start, stop - start);
			start = p.at;
		}
		stop = p.end;
	}
	if (stop > start)
		iommu_unmap(domain, addr + start, stop - start);
}

/* Map a plain list: first the runs of its layout, then the rest. */
static int map_plain(int nents, struct layout *layout)
{
	struct dmamap_runs *runs = &layout->runs;
	struct scatterlist *s;
	int i, ret;

	ret = dmamap_runs_flush(runs, layout->noted == nents);
	if (likely(layout->noted == nents) || ret)
		return ret;
	for_each_entry(layout->next, s, nents - layout->noted, i) {
		ret = dmamap_runs_add(runs, sg_phys(s), s->length);
		if (unlikely(ret))
			return ret;
	}
	runs->run[runs->count - 1].size += layout->padding;
	return dmamap_runs_flush(runs, true);
}

/* Map a list that is not plain. */
static noinline int map_any(struct scatterlist *sgl, int nents,
			    struct layout *layout)
{
	struct dmamap_runs *runs = &layout->runs;
	struct iova_domain *iovad = &runs->domain->iova_cookie->iovad;
	struct placed p;
	int ret;

	runs->count = 0;
	for_each_placed(&p, sgl, nents, iovad, layout->target.boundary) {
		if (unlikely(p.end == p.at))
			continue;
		ret = p.gap ? dmamap_runs_flush(runs, false) : 0;
		if (likely(!ret)) {
			runs->addr += p.gap;
			ret = dmamap_runs_add(runs, sg_phys(p.s) & ~(phys_addr_t)p.mask,
					      p.end - p.at);
		}
		if (unlikely(ret))
			return ret;
	}
	return dmamap_runs_flush(runs, true);
}

/* Map a list that is laid out, at an address. */
static int map_list(struct iommu_domain *domain, dma_addr_t addr,
		    struct scatterlist *sgl, int nents, int prot,
		    struct layout *layout)
{
	struct dmamap_runs *runs = &layout->runs;
	int ret;

	dmamap_runs_start(runs, domain, addr, prot, GFP_ATOMIC);
	ret = likely(layout->plain) ? map_plain(nents, layout) :
				      map_any(sgl, nents, layout);
	if (likely(!ret))
		ret = dmamap_run_sync(domain, addr, layout->total);
	if (likely(!ret) && unlikely(!dmamap_record(domain->iova_cookie, addr,
						    layout->total, layout->gaps)))
		ret = -ENOMEM;
	if (likely(!ret))
		return 0;
	unmap_upto(domain, addr, runs->addr - addr, sgl, nents,
		   layout->target.boundary);
	return ret == -ENOMEM ? -ENOMEM : -EINVAL;
}

/* Longest segment that begins with an entry of @len bytes. */
static __always_inline unsigned int seg_limit(unsigned int len,
					      unsigned int max_len)
{
	return likely(len <= max_len) ? max_len : UINT_MAX;
}

/* Write the segments to the DMA fields. Returns their number. */
static int finish(struct device *dev, struct scatterlist *sgl, int nents,
		  dma_addr_t addr, unsigned long boundary)
{
	unsigned int max_len = dma_get_max_seg_size(dev), room = 0, count = 0;
	struct iova_domain *iovad = &dmamap_cookie(dev)->iovad;
	struct scatterlist *seg = NULL, *unused = sgl;
	struct placed p;

	for_each_placed(&p, sgl, nents, iovad, boundary) {
		unsigned int offset = p.s->offset & p.mask, len = p.s->length;
		bool bus = sg_dma_is_bus_address(p.s);

		/* The segment can grow by @room bytes. */
		if (len <= room && !bus && !p.gap && !offset &&
		    p.at & boundary) {
			sg_dma_len(seg) += len;
			room -= len;
		} else {
			seg = unused;
			unused = sg_next(seg);
			set_dma(seg, bus ? sg_dma_address(p.s) :
				addr + p.at + offset, len);
			if (bus)
				sg_dma_mark_bus_address(seg);
			count++;
			room = seg_limit(len, max_len) - len;
		}
		if (bus || (offset + len) & p.mask)
			room = 0;
	}
	clear_list(unused, nents - count);
	return count;
}

/* The same for a plain list, where only the length ends a segment. */
static int finish_plain(struct device *dev, struct scatterlist *sgl, int nents,
			dma_addr_t addr)
{
	unsigned int max_len = dma_get_max_seg_size(dev), limit, room, len;
	struct scatterlist *s = sgl, *seg = sgl;
	int i, count = 1;

	addr += iova_offset(&dmamap_cookie(dev)->iovad, sgl->offset);
	set_dma(s, DMA_MAPPING_ERROR, 0);
	limit = seg_limit(s->length, max_len);
	room = limit - s->length;
	for (i = 1; i < nents; i++) {
		s = entry_after(s);
		len = s->length;
		set_dma(s, DMA_MAPPING_ERROR, 0);
		if (likely(len <= room)) {
			room -= len;
			continue;
		}
		sg_dma_address(seg) = addr;
		sg_dma_len(seg) = limit - room;
		addr += limit - room;
		seg = sg_next(seg);
		count++;
		limit = seg_limit(len, max_len);
		room = limit - len;
	}
	sg_dma_address(seg) = addr;
	sg_dma_len(seg) = limit - room;
	return count;
}

/* Unmap a list whose segments have ranges of their own. */
static void unmap_bounced(struct device *dev, struct scatterlist *sgl,
			  int nents, enum dma_data_direction dir,
			  unsigned long attrs)
{
	struct scatterlist *s;
	int i;

	for_each_sg(sgl, s, nents, i)
		if (sg_dma_len(s) && !sg_dma_is_bus_address(s))
			iommu_dma_unmap_phys(dev, sg_dma_address(s),
					     sg_dma_len(s), dir, attrs);
	clear_list(sgl, nents);
}

static int map_bounced(struct device *dev, struct scatterlist *sgl, int nents,
		       enum dma_data_direction dir, unsigned long attrs)
{
	struct pci_p2pdma_map_state p2pdma = { };
	struct scatterlist *s, *seg = sgl;
	int i, bus, count = 0;
	unsigned long kind;
	dma_addr_t addr;

	for_each_sg(sgl, s, nents, i) {
		if (!s->length)
			continue;
		bus = classify(&p2pdma, dev, s);
		if (bus < 0)
			goto undo;
		kind = is_pci_p2pdma_page(sg_page(s)) ? DMA_ATTR_MMIO : 0;
		addr = bus ? sg_dma_address(s) :
			     iommu_dma_map_phys(dev, sg_phys(s), s->length, dir,
						attrs | kind);
		if (addr == DMA_MAPPING_ERROR) {
			bus = -EIO;
			goto undo;
		}
		set_dma(seg, addr, s->length);
		if (bus)
			sg_dma_mark_bus_address(seg);
		seg = sg_next(seg);
		count++;
	}
	clear_list(seg, nents - count);
	if (!count)
		return -EINVAL;
	sg_dma_mark_swiotlb(sgl);
	return count;

undo:
	unmap_bounced(dev, sgl, count, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
	clear_list(sgl, nents);
	return bus;
}

static noinline dma_addr_t watched_address(struct device *dev,
					   const struct layout *layout, int prot)
{
	return dmamap_watched_alloc(iommu_get_dma_domain(dev), dev, layout->total,
				    dma_get_mask(dev), &layout->target, prot);
}

int iommu_dma_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		     enum dma_data_direction dir, unsigned long attrs)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	int prot = dmamap_prot(dir, dev_is_dma_coherent(dev), attrs);
	/* It is large. lay_out() or lay_out_plain() set the members in use. */
	struct layout layout __uninitialized;
	dma_addr_t addr = 0;
	int ret = -EINVAL;

	if (unlikely(dmamap_check_device(dev, domain)))
		goto clear;
	if (unlikely(dmamap_sg_bounces(dev, sgl, nents, dir)))
		return map_bounced(dev, sgl, nents, dir, attrs);

	if (!dev_is_dma_coherent(dev) && !(attrs & DMA_ATTR_SKIP_CPU_SYNC)) {
		/* It does not bounce: clear a mark of an earlier map. */
		set_dma(sgl, DMA_MAPPING_ERROR, 0);
		iommu_dma_sync_sg_for_device(dev, sgl, nents, dir);
	}
	if (unlikely(!lay_out_plain(dev, sgl, nents, &layout))) {
		ret = lay_out(dev, sgl, nents, &layout);
		if (ret)
			goto clear;
	}

	if (likely(layout.total)) {
		ret = -ENOMEM;
		if (static_branch_unlikely(&dmamap_watching))
			addr = watched_address(dev, &layout, prot);
		else
			addr = dmamap_address_alloc(domain, dev, layout.total,
						    dma_get_mask(dev),
						    &layout.target);
		if (unlikely(!addr))
			goto clear;
		ret = map_list(domain, addr, sgl, nents, prot, &layout);
		if (unlikely(ret))
			goto free_address;
		trace_dmamap_map_sg(dev, addr, layout.total);
	}
	if (likely(layout.plain))
		return finish_plain(dev, sgl, nents, addr);
	return finish(dev, sgl, nents, addr, layout.target.boundary) ?: -EINVAL;

free_address:
	dmamap_return_address(domain->iova_cookie, addr, layout.total);
clear:
	clear_list(sgl, nents);
	return ret;
}

/* The range of a mapped list. */
struct list_range {
	dma_addr_t addr;
	size_t size;		/* 0: no segment is in the range */
	bool gaps;		/* segments do not meet */
	bool bus;		/* there are bus addresses, too */
};

/* Find the range of a list. With @removal, clear its segments as well. */
static __always_inline struct list_range
walk_segments(struct device *dev, struct scatterlist *sgl, int nents,
	      struct dmamap_removal *removal)
{
	unsigned long mask = iova_mask(&dmamap_cookie(dev)->iovad);
	dma_addr_t start = 0, end = 0, at;
	struct list_range range = { };
	struct scatterlist *s;
	int i;

	for_each_entry(sgl, s, nents, i) {
		if (sg_dma_is_bus_address(s)) {
			range.bus = true;
			continue;
		}
		if (!sg_dma_len(s))
			break;
		at = sg_dma_address(s) & ~(dma_addr_t)mask;
		if (!end) {
			range.addr = at;
			start = at;
		} else if (unlikely(at != end)) {
			range.gaps = true;
			if (removal) {
				dmamap_removal_clear(removal, start, end - start);
				/* The driver may have changed a segment. */
				removal->stuck |=
					dmamap_phys(removal->domain, end) != PHYS_ADDR_MAX ||
					dmamap_phys(removal->domain, at - 1) != PHYS_ADDR_MAX;
			}
			start = at;
		}
		end = (sg_dma_address(s) + sg_dma_len(s) + mask) &
		      ~(dma_addr_t)mask;
	}
	if (removal)
		dmamap_removal_clear(removal, start, end - start);
	range.size = end - range.addr;
	return range;
}

/* Clear a list with gaps. Kept out of the fast path. */
static noinline void clear_parts(struct device *dev, struct scatterlist *sgl,
				 int nents, struct dmamap_removal *removal)
{
	walk_segments(dev, sgl, nents, removal);
}

void iommu_dma_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct dmamap_removal removal;
	struct list_range range;
	struct scatterlist *s;
	int i;

	if (sg_dma_is_swiotlb(sgl)) {
		unmap_bounced(dev, sgl, nents, dir, attrs);
		return;
	}
	range = walk_segments(dev, sgl, nents, NULL);
	if (range.size &&
	    unlikely(!dmamap_removal_start(&removal, dev, range.addr,
					   range.size, range.gaps, false))) {
		dmamap_misuse(dev, "unmap", range.addr, range.size, NULL);
		return;
	}
	if (unlikely(range.gaps) && !dmamap_has_bounds(removal.domain))
		clear_parts(dev, sgl, nents, &removal);
	if (range.size &&
	    dmamap_removal_end(&removal, dev, range.addr, range.size) &&
	    !dev_is_dma_coherent(dev) && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		iommu_dma_sync_sg_for_cpu(dev, sgl, nents, dir);
	if (unlikely(range.bus))
		for_each_sg(sgl, s, nents, i)
			sg_dma_unmark_bus_address(s);
}
