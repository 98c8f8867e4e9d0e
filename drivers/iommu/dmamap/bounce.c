// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: bounce slots, which a device accesses instead of a buffer.
 *
 * 1. A mapping gives the device access to whole granules. A buffer of an
 *    untrusted device is bounced unless it fills its granules. If a device does
 *    not snoop CPU caches, kmalloc() buffers that may share a cache line with
 *    other data are bounced, too. No two slots share a granule.
 * 2. swiotlb.c copies the buffer to its slot for both directions, because bytes
 *    that the device does not write must come back unchanged. It keeps the bits
 *    of the address that are in min_align_mask of the device.
 * 3. For untrusted devices the rest of the granules is zeroed, because the slot
 *    contains data of earlier users.
 * 4. A slot is copied back and freed after the IOTLB flush, so the device can
 *    change neither the copy nor the data of the next user.
 */

#include <trace/events/swiotlb.h>
#include "dmamap.h"
#include "trace.h"

/* Overwrite the rest of the granules of a slot. */
static void fill_margins(struct device *dev, phys_addr_t slot, size_t size,
			 u8 byte)
{
	struct iova_domain *iovad = &dmamap_cookie(dev)->iovad;
	size_t before = iova_offset(iovad, slot);
	size_t whole = iova_align(iovad, before + size);
	void *first = phys_to_virt(slot - before);

	memset(first, byte, before);
	memset(first + before + size, byte, whole - before - size);
	/* Memory may have old data. Overwrite it, despite DMA_ATTR_SKIP_CPU_SYNC. */
	dmamap_cache(dev, slot - before, whole, DMA_TO_DEVICE, false);
	dmamap_cache_flush(dev);
}

static noinline void watched_bounce(struct device *dev, phys_addr_t slot,
				    size_t size)
{
	dmamap_count(bounces, 1);
	dmamap_count(bounced_bytes, size);
	if (dmamap_san_full(dmamap_cookie(dev)))
		fill_margins(dev, slot, size, DMAMAP_CANARY);
}

/**
 * dmamap_bounce - copy a buffer to a slot
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
	unsigned int mask = iova_mask(&dmamap_cookie(dev)->iovad);
	phys_addr_t slot;

	if (!size)
		return (phys_addr_t)DMA_MAPPING_ERROR;
	if (!is_swiotlb_active(dev)) {
		dev_warn_once(dev, "a buffer must be bounced, and there are no bounce slots: boot with swiotlb=\n");
		return (phys_addr_t)DMA_MAPPING_ERROR;
	}
	trace_swiotlb_bounced(dev, phys, size);
	slot = dmamap_slot_alloc(dev, phys, size, mask, dir, attrs);
	if (slot == (phys_addr_t)DMA_MAPPING_ERROR)
		return slot;

	if (dmamap_untrusted(dev))
		fill_margins(dev, slot, size, 0);
	if (static_branch_unlikely(&dmamap_watching))
		watched_bounce(dev, slot, size);
	trace_dmamap_bounce(dev, slot, phys, size);
	return slot;
}

/**
 * dmamap_sg_bounces - may an entry of a list bounce?
 * @dev: the device
 * @sgl: the list
 * @nents: its entries
 * @dir: direction of the transfer
 * Context: any.
 * Return: true if so. Then each entry is mapped to a range of its own.
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
