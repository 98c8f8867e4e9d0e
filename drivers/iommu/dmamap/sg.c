// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scatterlists.
 *
 * Theory of operation
 * ===================
 *
 * 1. A list gets one range of addresses, and its entries follow each other in
 *    it, each with the granules that it touches. Where that makes the end of
 *    one entry and the beginning of the next meet, the device sees one segment.
 *
 * 2. The list is gone through to add up what it takes, to map it, and to fill
 *    in the segments. Nearly all lists are plain, see lay_out_plain(): for them
 *    this takes little, and their memory is noted the first time. Offsets and
 *    lengths of entries are never changed; an error clears the DMA fields.
 *
 * 3. No segment may cross a segment boundary of the device. Where an entry
 *    would, addresses up to the boundary are left out before it: a gap, with
 *    nothing behind it. A range longer than the distance of boundaries begins
 *    at one, so where they fall follows from the lengths alone: gap_before()
 *    gives the same answers each time.
 *
 * 4. At unmap the segments are what is left. Those that touch are cleared in
 *    one go; all is invalidated once.
 *
 * 5. Memory of other PCI devices may be reachable without passing the IOMMU:
 *    such an entry gets its bus address, and takes no part in all this.
 *
 * 6. A list with an entry that may have to bounce is mapped entry by entry,
 *    each with a range of its own. The head of the list is marked for as long.
 */

#include <linux/memremap.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>

#include "dmamap.h"
#include "trace.h"

/**
 * struct layout - a list laid out in a range of addresses
 * @total: bytes of the range
 * @target: what it begins with
 * @plain: see lay_out_plain(), and then
 * @padding: bytes behind the last entry, to its granule's end
 * @noted: entries whose memory is in @runs
 * @next: the entry after these
 * @runs: pieces of memory, one behind the other
 */
struct layout {
	size_t total;
	struct dmamap_target target;
	bool plain;
	size_t padding;
	int noted;
	struct scatterlist *next;
	struct dmamap_runs runs;
};

/* The next entry, where there is one. */
static __always_inline struct scatterlist *entry_after(struct scatterlist *s)
{
	s++;
	return unlikely(sg_is_chain(s)) ? sg_chain_ptr(s) : s;
}

/* As for_each_sg(), but it does not ask each entry whether it is the last. */
#define for_each_entry(sgl, s, nents, i)				\
	for ((i) = 0, (s) = (sgl); (i) < (nents);			\
	     (s) = ++(i) < (nents) ? entry_after(s) : NULL)

/*
 * Bytes to leave out so that @len more after @total do not cross a boundary.
 * Most lists are shorter than the first one is away.
 */
static __always_inline u64 gap_before(u64 total, u64 len, u64 boundary)
{
	u64 used;

	if (likely(total + len - 1 <= boundary))
		return 0;
	used = total & boundary;
	if (!used || len - 1 <= boundary - used)
		return 0;
	return boundary - used + 1;
}

/* Bytes of the granules that an entry touches; @mask is that of a granule. */
static __always_inline u64 wide_len(struct scatterlist *s, u64 mask)
{
	return (s->length + (s->offset & mask) + mask) & ~mask;
}

static void clear_dma(struct scatterlist *s)
{
	sg_dma_address(s) = DMA_MAPPING_ERROR;
	sg_dma_len(s) = 0;
}

static void unmark_bounced(struct scatterlist *sgl)
{
#ifdef CONFIG_NEED_SG_DMA_FLAGS
	sgl->dma_flags &= ~SG_DMA_SWIOTLB;
#endif
}

static void clear_list(struct scatterlist *sgl, int nents)
{
	struct scatterlist *s;
	int i;

	for_each_sg(sgl, s, nents, i) {
		sg_dma_unmark_bus_address(s);
		clear_dma(s);
	}
}

/*
 * What is behind an entry of other devices' memory. Returns 1 when it has its
 * bus address now, 0 when it is to be mapped, -EREMOTEIO when out of reach.
 */
static int classify(struct pci_p2pdma_map_state *state, struct device *dev,
		    struct scatterlist *s)
{
	if (!is_pci_p2pdma_page(sg_page(s)))
		return 0;
	switch (pci_p2pdma_map_segment(state, dev, s)) {
	case PCI_P2PDMA_MAP_BUS_ADDR:
		return 1;
	case PCI_P2PDMA_MAP_THRU_HOST_BRIDGE:
		return 0;
	default:
		return -EREMOTEIO;
	}
}

/*
 * Lay out a list whose entries meet at granules, so that it begins and ends
 * anywhere but is whole in between, of ordinary memory, and no longer than the
 * distance of boundaries: nearly all lists.  The memory that it begins with is
 * noted on the way.  Returns false for any other list.
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

	if (nents < 1 || is_zone_device_page(sg_page(s)))
		return false;
	phys = sg_phys(sgl);
	end = phys + len;
	total = (phys & mask) + len;
	if (overflows_type(total + mask, s->length))
		return false;
	run->phys = phys & ~(phys_addr_t)mask;
	run->size = total;
	for (i = 1; i < nents; i++) {
		s = entry_after(s);
		if (is_zone_device_page(sg_page(s)))
			return false;
		phys = sg_phys(s);
		len = s->length;
		if (phys == end) {
			run->size += len;
		} else if (likely(run != last)) {
			run++;
			run->phys = phys;
			run->size = len;
		} else {
			break;
		}
		meet |= end | phys;
		total += len;
		end = phys + len;
	}
	layout->runs.count = run - layout->runs.run + 1;
	layout->noted = i;
	layout->next = s;
	while (i < nents) {
		phys = sg_phys(s);
		len = s->length;
		meet |= end | phys;
		total += len;
		end = phys + len;
		if (++i == nents)
			break;
		s = entry_after(s);
		if (is_zone_device_page(sg_page(s)))
			return false;
	}
	layout->padding = -end & mask;
	total += layout->padding;
	if (unlikely(meet & mask || !total || total - 1 > boundary ||
		     total > SIZE_MAX))
		return false;
	if (overflows_type(len + layout->padding, s->length))
		return false;
	if (layout->noted == nents)
		run->size += layout->padding;
	layout->plain = true;
	layout->total = total;
	layout->target.phys = layout->runs.run[0].phys;
	layout->target.piece = layout->runs.run[0].size;
	layout->target.boundary = boundary;
	return true;
}

/*
 * Add up what any list takes, and give bus addresses to what needs no more.
 * No memory is noted.
 */
static noinline int lay_out(struct device *dev, struct scatterlist *sgl,
			    int nents, struct layout *layout)
{
	unsigned long mask = iova_mask(&dmamap_cookie(dev)->iovad);
	unsigned long boundary = dma_get_seg_boundary(dev);
	struct pci_p2pdma_map_state p2pdma = { };
	u64 total = 0, piece = 0, gap, len;
	phys_addr_t phys = 0, at;
	struct scatterlist *s;
	int i, ret;

	for_each_entry(sgl, s, nents, i) {
		ret = classify(&p2pdma, dev, s);
		if (unlikely(ret > 0))
			continue;
		if (unlikely(ret < 0))
			return ret;
		len = wide_len(s, mask);
		if (unlikely(overflows_type(len, s->length)))
			return -EINVAL;

		gap = gap_before(total, len, boundary);
		/* The first piece ends where one does not follow the other. */
		if (piece == total && !gap) {
			at = sg_phys(s) & ~(phys_addr_t)mask;
			if (!total)
				phys = at;
			if (at == phys + total)
				piece += len;
		}
		total += gap + len;
	}
	if (total > SIZE_MAX)
		return -ENOMEM;
	layout->plain = false;
	layout->total = total;
	layout->target.phys = phys;
	layout->target.piece = piece;
	layout->target.boundary = boundary;
	return 0;
}

/*
 * Undo what was mapped of a list before @end in its range, from gap to gap:
 * entries may share a large page.
 */
static void unmap_upto(struct iommu_domain *domain, dma_addr_t addr,
		       struct scatterlist *sgl, int nents, size_t end,
		       unsigned long boundary)
{
	unsigned long mask = iova_mask(&domain->iova_cookie->iovad);
	size_t start = 0, total = 0, gap, len;
	struct scatterlist *s;
	int i;

	for_each_entry(sgl, s, nents, i) {
		if (sg_dma_is_bus_address(s))
			continue;
		len = wide_len(s, mask);
		gap = gap_before(total, len, boundary);
		if (total + gap >= end)
			break;
		if (gap) {
			iommu_unmap(domain, addr + start, total - start);
			start = total + gap;
		}
		total += gap + len;
	}
	if (total > start)
		iommu_unmap(domain, addr + start, total - start);
}

/* Map a plain list: what was noted, and the rest. */
static int map_plain(int nents, struct layout *layout)
{
	struct dmamap_runs *runs = &layout->runs;
	int i, ret = dmamap_runs_flush(runs);
	struct scatterlist *s;

	if (likely(layout->noted == nents) || ret)
		return ret;
	for_each_entry(layout->next, s, nents - layout->noted, i) {
		ret = dmamap_runs_add(runs, sg_phys(s), s->length);
		if (unlikely(ret))
			return ret;
	}
	runs->run[runs->count - 1].size += layout->padding;
	return dmamap_runs_flush(runs);
}

/* Map any list. */
static noinline int map_any(struct scatterlist *sgl, int nents,
			    struct layout *layout)
{
	unsigned long boundary = layout->target.boundary;
	struct dmamap_runs *runs = &layout->runs;
	struct iommu_dma_cookie *cookie = runs->domain->iova_cookie;
	unsigned long mask = iova_mask(&cookie->iovad);
	size_t total = 0, gap, len;
	struct scatterlist *s;
	int i, ret;

	runs->count = 0;
	for_each_entry(sgl, s, nents, i) {
		if (unlikely(sg_dma_is_bus_address(s)))
			continue;
		len = wide_len(s, mask);
		gap = gap_before(total, len, boundary);
		if (gap) {
			ret = dmamap_runs_flush(runs);
			if (unlikely(ret))
				return ret;
			runs->addr += gap;
		}
		ret = dmamap_runs_add(runs, sg_phys(s) & ~(phys_addr_t)mask,
				      len);
		if (unlikely(ret))
			return ret;
		total += gap + len;
	}
	return dmamap_runs_flush(runs);
}

/* Map a list that is laid out, at an address. */
static int map_list(struct iommu_domain *domain, dma_addr_t addr,
		    struct scatterlist *sgl, int nents, int prot,
		    struct layout *layout)
{
	struct dmamap_runs *runs = &layout->runs;
	int ret;

	runs->domain = domain;
	runs->addr = addr;
	runs->prot = prot;
	runs->gfp = GFP_ATOMIC;
	if (likely(layout->plain))
		ret = map_plain(nents, layout);
	else
		ret = map_any(sgl, nents, layout);
	if (likely(!ret))
		ret = dmamap_run_sync(domain, addr, layout->total);
	if (likely(!ret))
		return 0;
	unmap_upto(domain, addr, sgl, nents, runs->addr - addr,
		   layout->target.boundary);
	return ret == -ENOMEM ? -ENOMEM : -EINVAL;
}

/* Fill the DMA fields of the first entries with the segments; how many? */
static int finish(struct device *dev, struct scatterlist *sgl, int nents,
		  dma_addr_t addr, unsigned long boundary)
{
	unsigned long mask = iova_mask(&dmamap_cookie(dev)->iovad);
	unsigned int max_len = dma_get_max_seg_size(dev), room = 0;
	struct scatterlist *s, *seg = NULL;
	int i, count = 0;
	size_t gap;

	for_each_entry(sgl, s, nents, i) {
		unsigned int offset = s->offset & mask, len = s->length;
		size_t wide = wide_len(s, mask);

		if (unlikely(sg_dma_is_bus_address(s))) {
			dma_addr_t bus = sg_dma_address(s);

			len = sg_dma_len(s);
			sg_dma_unmark_bus_address(s);
			clear_dma(s);
			seg = seg ? sg_next(seg) : sgl;
			sg_dma_address(seg) = bus;
			sg_dma_len(seg) = len;
			sg_dma_mark_bus_address(seg);
			count++;
			room = 0;
			continue;
		}

		clear_dma(s);
		gap = 0;
		/* addr is on a boundary if the list is longer than one. */
		if (unlikely((addr & boundary) + wide - 1 > boundary))
			gap = -addr & boundary;
		addr += gap;

		/* room: bytes that may follow the segment, none when it is closed. */
		if (len <= room && !gap && !offset && (addr & boundary)) {
			sg_dma_len(seg) += len;
			room -= len;
		} else {
			seg = seg ? sg_next(seg) : sgl;
			sg_dma_address(seg) = addr + offset;
			sg_dma_len(seg) = len;
			count++;
			room = max_len > len ? max_len - len : 0;
		}
		addr += wide;
		/* Short of its granule, nothing can follow. */
		if (offset + len != wide)
			room = 0;
	}
	return count;
}

/* The same for a plain list, which only the length of segments can part. */
static int finish_plain(struct device *dev, struct scatterlist *sgl, int nents,
			dma_addr_t addr)
{
	unsigned int max_len = dma_get_max_seg_size(dev), seg_len, room, len;
	struct scatterlist *s = sgl, *seg = sgl;
	int i, count = 1;

	addr += iova_offset(&dmamap_cookie(dev)->iovad, sgl->offset);
	clear_dma(s);
	seg_len = s->length;
	room = max_len > seg_len ? max_len - seg_len : 0;
	for (i = 1; i < nents; i++) {
		s = entry_after(s);
		len = s->length;
		clear_dma(s);
		if (likely(len <= room)) {
			seg_len += len;
			room -= len;
			continue;
		}
		sg_dma_address(seg) = addr;
		sg_dma_len(seg) = seg_len;
		addr += seg_len;
		seg = sg_next(seg);
		count++;
		seg_len = len;
		room = max_len > len ? max_len - len : 0;
	}
	sg_dma_address(seg) = addr;
	sg_dma_len(seg) = seg_len;
	return count;
}

static void unmap_bounced(struct device *dev, struct scatterlist *sgl,
			  int nents, enum dma_data_direction dir,
			  unsigned long attrs)
{
	struct scatterlist *s;
	int i;

	for_each_sg(sgl, s, nents, i) {
		if (sg_dma_is_bus_address(s))
			sg_dma_unmark_bus_address(s);
		else
			dmamap_unmap_buffer(dev, sg_dma_address(s),
					    sg_dma_len(s), dir, attrs);
	}
	unmark_bounced(sgl);
}

static int map_bounced(struct device *dev, struct scatterlist *sgl, int nents,
		       enum dma_data_direction dir, unsigned long attrs)
{
	struct pci_p2pdma_map_state p2pdma = { };
	struct scatterlist *s;
	int i, ret;

	sg_dma_mark_swiotlb(sgl);
	for_each_sg(sgl, s, nents, i) {
		ret = classify(&p2pdma, dev, s);
		if (ret > 0)
			continue;
		if (ret)
			goto undo;
		ret = -EIO;
		/* Registers of other devices are not to be copied. */
		if (is_pci_p2pdma_page(sg_page(s)))
			sg_dma_address(s) =
				iommu_dma_map_resource(dev, sg_phys(s),
						       s->length, dir, attrs);
		else
			sg_dma_address(s) =
				dmamap_map_buffer(dev, sg_phys(s), s->length,
						  dir, attrs);
		if (sg_dma_address(s) == DMA_MAPPING_ERROR)
			goto undo;
		sg_dma_len(s) = s->length;
	}
	return nents;

undo:
	unmap_bounced(dev, sgl, i, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
	clear_list(sgl, nents);
	return ret;
}

int iommu_dma_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		     enum dma_data_direction dir, unsigned long attrs)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	int prot = dmamap_prot(dir, dev_is_dma_coherent(dev), attrs);
	/* Large; what is used of it is set when the list is laid out. */
	struct layout layout __uninitialized;
	dma_addr_t addr = 0;
	int ret;

	if (unlikely(dmamap_attach_deferred(dev, domain)))
		return -EINVAL;
	unmark_bounced(sgl);
	if (unlikely(dmamap_sg_bounces(dev, sgl, nents, dir)))
		return map_bounced(dev, sgl, nents, dir, attrs);

	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		dmamap_cache_to_device(dev, sgl, nents, dir);
	if (unlikely(!lay_out_plain(dev, sgl, nents, &layout))) {
		ret = lay_out(dev, sgl, nents, &layout);
		if (ret)
			goto clear;
	}

	if (likely(layout.total)) {
		addr = dmamap_address_alloc(domain, dev, layout.total,
					    dma_get_mask(dev), &layout.target);
		ret = -ENOMEM;
		if (unlikely(!addr))
			goto clear;
		ret = map_list(domain, addr, sgl, nents, prot, &layout);
		if (unlikely(ret))
			goto free_address;
		dmamap_count(maps, 1);
		trace_dmamap_map_sg(dev, addr, layout.total);
	}
	if (likely(layout.plain))
		return finish_plain(dev, sgl, nents, addr);
	return finish(dev, sgl, nents, addr, layout.target.boundary);

free_address:
	dmamap_address_free(domain->iova_cookie, addr, layout.total);
clear:
	clear_list(sgl, nents);
	return ret;
}

/* The addresses that a mapped list takes, from its segments. */
static dma_addr_t list_extent(struct iova_domain *iovad,
			      struct scatterlist *sgl, int nents, size_t *size)
{
	dma_addr_t first = 0, end = 0;
	struct scatterlist *s;
	int i;

	for_each_sg(sgl, s, nents, i) {
		if (sg_dma_is_bus_address(s))
			continue;
		if (!sg_dma_len(s))
			break;
		if (!end)
			first = sg_dma_address(s);
		end = sg_dma_address(s) + sg_dma_len(s);
	}
	first -= iova_offset(iovad, first);
	*size = iova_align(iovad, end) - first;
	return first;
}

void iommu_dma_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct iova_domain *iovad = &dmamap_cookie(dev)->iovad;
	dma_addr_t first = 0, start = 0, end = 0;
	unsigned long mask = iova_mask(iovad);
	struct dmamap_removal removal;
	struct scatterlist *s;
	size_t size;
	int i;

	if (sg_dma_is_swiotlb(sgl)) {
		unmap_bounced(dev, sgl, nents, dir, attrs);
		return;
	}
	dmamap_removal_start(&removal, dev, false);
	if (unlikely(dmamap_checking())) {
		first = list_extent(iovad, sgl, nents, &size);
		removal.refused = !dmamap_address_allocated(iovad, first, size);
	}
	for_each_entry(sgl, s, nents, i) {
		dma_addr_t at = sg_dma_address(s);

		if (sg_dma_is_bus_address(s)) {
			sg_dma_unmark_bus_address(s);
			continue;
		}
		if (!sg_dma_len(s))
			break;
		at &= ~mask;
		if (at != end) {
			if (!end)
				first = at;
			else
				dmamap_removal_clear(&removal, start,
						     end - start);
			start = at;
		}
		end = (sg_dma_address(s) + sg_dma_len(s) + mask) & ~mask;
	}
	/* All of it was in reach without the IOMMU. */
	if (!end)
		return;
	dmamap_removal_clear(&removal, start, end - start);
	if (dmamap_removal_end(&removal, dev, first, end - first) &&
	    !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		dmamap_cache_to_cpu(dev, sgl, nents, dir);
}
