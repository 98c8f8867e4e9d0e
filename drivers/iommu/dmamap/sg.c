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
 * 2. The IOMMU core maps a list whose entries are whole granules. So each is
 *    widened to that in place, what it was being kept in its DMA fields, which
 *    nobody uses yet: the offset in the granule as its address, the length as
 *    its length. finish() or restore() make the list what it was.
 *
 * 3. No segment may cross a segment boundary of the device. Where an entry
 *    would, addresses up to the boundary are left out before it: a gap, with
 *    nothing behind it. A range longer than the distance of boundaries begins
 *    at one, so where they fall follows from the lengths alone. gap_before()
 *    is asked the same questions when the list is laid out, mapped, and
 *    finished, and gives the same answers.
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
 * @gaps: bytes of it that are left out
 * @target: what it begins with
 */
struct layout {
	size_t total;
	size_t gaps;
	struct dmamap_target target;
};

/*
 * Bytes to leave out so that @len more after @total do not cross a boundary.
 * Most lists are shorter than the first one is away.
 */
static __always_inline size_t gap_before(size_t total, size_t len,
					 unsigned long boundary)
{
	size_t used;

	if (likely(total + len - 1 <= boundary))
		return 0;
	used = total & boundary;
	if (!used || len - 1 <= boundary - used)
		return 0;
	return boundary - used + 1;
}

/* Returns what it takes then, 0 when that is no length of an entry any more. */
static __always_inline unsigned int widen(unsigned long mask,
					  struct scatterlist *s)
{
	unsigned int offset = s->offset & mask;
	unsigned long len = (s->length + offset + mask) & ~mask;

	if (unlikely(overflows_type(len, s->length)))
		return 0;
	sg_dma_address(s) = offset;
	sg_dma_len(s) = s->length;
	s->offset -= offset;
	s->length = len;
	return len;
}

static __always_inline void narrow(struct scatterlist *s)
{
	s->offset += sg_dma_address(s);
	s->length = sg_dma_len(s);
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

/* The list as it was; @done entries of it were widened or have bus addresses. */
static void restore(struct scatterlist *sgl, int nents, int done)
{
	struct scatterlist *s;
	int i;

	for_each_sg(sgl, s, nents, i) {
		if (sg_dma_is_bus_address(s))
			sg_dma_unmark_bus_address(s);
		else if (i < done)
			narrow(s);
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

/* Widen all entries and add them up. On error the list is as it was. */
static int lay_out(struct device *dev, struct scatterlist *sgl, int nents,
		   struct layout *layout)
{
	unsigned long mask = iova_mask(&dmamap_cookie(dev)->iovad);
	unsigned long boundary = dma_get_seg_boundary(dev);
	struct pci_p2pdma_map_state p2pdma = { };
	size_t total = 0, gaps = 0, piece = 0, gap;
	phys_addr_t phys = 0;
	struct scatterlist *s;
	unsigned int len;
	int i, ret;

	for_each_sg(sgl, s, nents, i) {
		ret = classify(&p2pdma, dev, s);
		if (unlikely(ret > 0))
			continue;
		if (unlikely(ret < 0))
			goto restore;
		ret = -EINVAL;
		len = widen(mask, s);
		if (unlikely(!len && s->length))
			goto restore;

		gap = gap_before(total, len, boundary);
		if (!total)
			phys = sg_phys(s);
		/* The first piece ends where one does not follow the other. */
		if (piece == total && !gap && sg_phys(s) == phys + total)
			piece += len;
		gaps += gap;
		total += gap + len;
	}
	layout->total = total;
	layout->gaps = gaps;
	layout->target.phys = phys;
	layout->target.piece = piece;
	layout->target.boundary = boundary;
	return 0;

restore:
	restore(sgl, nents, i);
	return ret;
}

/* Map a list that has gaps, run by run between them. */
static int map_runs(struct iommu_domain *domain, dma_addr_t addr,
		    struct scatterlist *sgl, int nents, int prot,
		    unsigned long boundary)
{
	struct scatterlist *s, *first = sgl;
	size_t total = 0, start = 0;
	int i, first_i = 0;
	ssize_t ret;

	for_each_sg(sgl, s, nents, i) {
		size_t gap;

		if (sg_dma_is_bus_address(s))
			continue;
		gap = gap_before(total, s->length, boundary);
		if (gap) {
			ret = iommu_map_sg(domain, addr + start, first,
					   i - first_i, prot, GFP_ATOMIC);
			if (ret != total - start)
				goto undo;
			first = s;
			first_i = i;
			start = total + gap;
			total = start;
		}
		total += s->length;
	}
	ret = iommu_map_sg(domain, addr + start, first, nents - first_i, prot,
			   GFP_ATOMIC);
	if (ret == total - start)
		return 0;
undo:
	if (ret > 0)
		iommu_unmap(domain, addr + start, ret);
	/* What was mapped before this run, between the gaps again. */
	total = 0;
	for_each_sg(sgl, s, first_i, i) {
		if (sg_dma_is_bus_address(s))
			continue;
		total += gap_before(total, s->length, boundary);
		iommu_unmap(domain, addr + total, s->length);
		total += s->length;
	}
	return ret == -ENOMEM ? -ENOMEM : -EINVAL;
}

/* Map a list that is laid out at an address. */
static int map_list(struct iommu_domain *domain, dma_addr_t addr,
		    struct scatterlist *sgl, int nents, int prot,
		    const struct layout *layout)
{
	ssize_t ret;

	if (unlikely(layout->gaps))
		return map_runs(domain, addr, sgl, nents, prot,
				layout->target.boundary);
	ret = iommu_map_sg(domain, addr, sgl, nents, prot, GFP_ATOMIC);
	if (likely(ret == layout->total))
		return 0;
	if (ret > 0)
		iommu_unmap(domain, addr, ret);
	return ret == -ENOMEM ? -ENOMEM : -EINVAL;
}

/*
 * Give the list its own offsets and lengths back, and fill the DMA fields of
 * the first entries with the segments. Returns how many there are.
 */
static int finish(struct device *dev, struct scatterlist *sgl, int nents,
		  dma_addr_t addr, unsigned long boundary)
{
	unsigned int max_len = dma_get_max_seg_size(dev), room = 0;
	struct scatterlist *s, *seg = NULL;
	size_t total = 0, gap;
	int i, count = 0;

	for_each_sg(sgl, s, nents, i) {
		unsigned int len = sg_dma_len(s), wide = s->length, offset;
		dma_addr_t at = sg_dma_address(s);

		if (unlikely(sg_dma_is_bus_address(s))) {
			sg_dma_unmark_bus_address(s);
			clear_dma(s);
			seg = seg ? sg_next(seg) : sgl;
			sg_dma_address(seg) = at;
			sg_dma_len(seg) = len;
			sg_dma_mark_bus_address(seg);
			count++;
			room = 0;
			continue;
		}

		offset = at;
		narrow(s);
		clear_dma(s);
		gap = gap_before(total, wide, boundary);
		at = addr + total + gap;
		total += gap + wide;

		/* room: bytes that may follow the segment, none when it is closed. */
		if (len <= room && !gap && !offset && (at & boundary)) {
			sg_dma_len(seg) += len;
			room -= len;
		} else {
			seg = seg ? sg_next(seg) : sgl;
			sg_dma_address(seg) = at + offset;
			sg_dma_len(seg) = len;
			count++;
			room = max_len > len ? max_len - len : 0;
		}
		/* Short of its granule, nothing can follow. */
		if (offset + len != wide)
			room = 0;
	}
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
	unmark_bounced(sgl);
	for_each_sg(sgl, s, nents, i)
		clear_dma(s);
	return ret;
}

int iommu_dma_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		     enum dma_data_direction dir, unsigned long attrs)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	int prot = dmamap_prot(dir, dev_is_dma_coherent(dev), attrs);
	struct layout layout;
	dma_addr_t addr = 0;
	int ret;

	if (unlikely(dmamap_attach_deferred(dev, domain)))
		return -EINVAL;
	unmark_bounced(sgl);
	if (unlikely(dmamap_sg_bounces(dev, sgl, nents, dir)))
		return map_bounced(dev, sgl, nents, dir, attrs);

	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		dmamap_cache_to_device(dev, sgl, nents, dir);
	ret = lay_out(dev, sgl, nents, &layout);
	if (ret)
		return ret;

	if (likely(layout.total)) {
		addr = dmamap_address_alloc(domain, dev, layout.total,
					    dma_get_mask(dev), &layout.target);
		ret = -ENOMEM;
		if (unlikely(!addr))
			goto restore;
		ret = map_list(domain, addr, sgl, nents, prot, &layout);
		if (unlikely(ret))
			goto free_address;
		dmamap_count(maps, 1);
		trace_dmamap_map_sg(dev, addr, layout.total);
	}
	return finish(dev, sgl, nents, addr, layout.target.boundary);

free_address:
	dmamap_address_free(domain->iova_cookie, addr, layout.total);
restore:
	restore(sgl, nents, nents);
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
	for_each_sg(sgl, s, nents, i) {
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
