// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: bounce slots, which a device sees instead of the buffer.
 *
 * 1. A mapping opens whole granules to the device. If a buffer of an untrusted
 *    device does not fill its granules, the device gets a slot that has them to
 *    itself. A device that is not coherent gets a slot for a kmalloc() buffer
 *    that may share a cache line with others.
 * 2. The slot begins at the same offset in its granule as the buffer, and gets
 *    a copy of it in both directions: bytes that the device does not write must
 *    come back unchanged. The rest of the granules is zeroed for untrusted
 *    devices, because others have used the slot before.
 * 3. A slot is copied back and freed after the IOTLB flush, so the device can
 *    change neither the copy nor the data of the next user.
 */

#include <trace/events/swiotlb.h>
#include "dmamap.h"
#include "trace.h"

/* Zero the rest of the granules of a slot. */
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
 * @phys: physical address of the buffer
 * @size: its bytes
 * @dir: direction of the transfer
 * @attrs: DMA_ATTR_* of the mapping
 * Context: any.
 * Return: physical address of the slot, or DMA_MAPPING_ERROR if none is free or
 * @size is 0.
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
 * dmamap_sg_bounces - must a list be mapped entry by entry?
 * @dev: the device
 * @sgl: the list
 * @nents: its entries
 * @dir: direction of the transfer
 * Context: any.
 * Return: true if an entry may bounce, because a slot has a range of its own.
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
