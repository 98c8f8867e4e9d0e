// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounce slots: memory that a device sees instead of the buffer.
 *
 * Theory of operation
 * ===================
 *
 * 1. The IOMMU translates granules, so whatever shares one with a buffer is
 *    open to the device as well. An untrusted device gets a slot that fills
 *    its granules alone whenever the buffer does not; so does a device that is
 *    not coherent when a kmalloc() buffer is so small that it may share a
 *    cache line with others.
 *
 * 2. The slot begins at the same offset in its granule as the buffer. It is
 *    filled with the buffer first, whatever the direction: the device may
 *    write only part of it, and what it does not write must come back
 *    unchanged. What is left of its granules is zeroed for untrusted devices:
 *    a slot has been used before, by others.
 *
 * 3. A slot is given back after the invalidation of its translations, so that
 *    the device can change neither what is copied back nor what the next user
 *    has in it.
 */

#include <trace/events/swiotlb.h>

#include "dmamap.h"
#include "trace.h"

/* Zero what a slot has beside the buffer in its granules. */
static void clear_margins(struct iova_domain *iovad, phys_addr_t slot,
			  size_t size)
{
	void *first = phys_to_virt(slot), *end = first + size;
	size_t before = iova_offset(iovad, slot);
	size_t behind = iova_offset(iovad, slot + size);

	memset(first - before, 0, before);
	if (behind)
		memset(end, 0, iovad->granule - behind);
}

/**
 * dmamap_bounce - get a slot for a buffer
 * @dev: the device
 * @phys: the buffer
 * @size: its bytes
 * @dir: direction of the transfer
 * @attrs: attributes of the mapping
 *
 * Context: any.
 * Return: physical address of the slot, or DMA_MAPPING_ERROR if there is none
 * or @size is 0.
 */
phys_addr_t dmamap_bounce(struct device *dev, phys_addr_t phys, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	struct iova_domain *iovad = &dmamap_cookie(dev)->iovad;
	phys_addr_t slot;

	if (!size)
		return (phys_addr_t)DMA_MAPPING_ERROR;
	if (!is_swiotlb_active(dev)) {
		dev_warn_once(dev, "a buffer must be bounced, and there are no bounce slots: boot with swiotlb=\n");
		return (phys_addr_t)DMA_MAPPING_ERROR;
	}
	trace_swiotlb_bounced(dev, phys, size);
	slot = swiotlb_tbl_map_single(dev, phys, size, iova_mask(iovad), dir,
				      attrs);
	if (slot == (phys_addr_t)DMA_MAPPING_ERROR)
		return slot;

	if (dmamap_untrusted(dev))
		clear_margins(iovad, slot, size);
	dmamap_count(bounces, 1);
	dmamap_count(bounced_bytes, size);
	trace_dmamap_bounce(dev, phys, slot, size);
	return slot;
}

/**
 * dmamap_sg_bounces - is this list to be mapped entry by entry?
 * @dev: the device
 * @sgl: the list
 * @nents: its entries
 * @dir: direction of the transfer
 *
 * One entry that may bounce makes the list so: a list has one range of
 * addresses otherwise, and a slot has its own. For an untrusted device, that
 * is an entry that does not fill its granules.
 */
bool dmamap_sg_bounces(struct device *dev, struct scatterlist *sgl, int nents,
		       enum dma_data_direction dir)
{
	unsigned long mask = iova_mask(&dmamap_cookie(dev)->iovad);
	bool untrusted = dmamap_untrusted(dev);
	struct scatterlist *s;
	int i;

	if (!IS_ENABLED(CONFIG_SWIOTLB) ||
	    (!untrusted && dma_kmalloc_safe(dev, dir)))
		return false;
	for_each_sg(sgl, s, nents, i)
		if (s->length && (untrusted ?
				  (s->offset | s->length) & mask :
				  !dma_kmalloc_size_aligned(s->length)))
			return true;
	return false;
}
