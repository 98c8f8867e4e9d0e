// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses that a device must never be given.
 *
 * Theory of operation
 * ===================
 *
 * 1. Where from.  The memory windows of a PCI host bridge: transactions for
 *    them go to other devices and never reach the IOMMU.  What the bridge does
 *    not let through, when it says so (its DMA ranges).  What the IOMMU driver
 *    and the firmware keep for something else: mapped one to one, or not at
 *    all, or interrupts.
 *
 * 2. Whose.  Every device that joins a domain brings its own; a domain may
 *    have been in use by others for a while then.  So a range is reserved only
 *    where it is neither reserved yet nor in use. What is in use cannot be
 *    reserved any more, and the device cannot join.
 *
 * 3. Each range that was taken is kept in a list of the cookie: the next
 *    device with the same windows finds them there, and a device that cannot
 *    join leaves none of its own behind.
 */

#include <linux/acpi_iort.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/of_iommu.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "../dma-iommu.h"
#include "dmamap.h"

/**
 * struct dmamap_reserved - a range that is reserved
 * @link: in iommu_dma_cookie.reserved, the youngest first
 * @iova: the range
 */
struct dmamap_reserved {
	struct list_head link;
	struct iova *iova;
};

/* On the stock allocator only a domain that nobody uses yet is certain to be right. */
static struct iova *reserve_free(struct iova_domain *iovad, unsigned long lo,
				 unsigned long hi)
{
#ifdef CONFIG_IOVA_GAP_TREE
	return iova_reserve_free(iovad, lo, hi);
#else
	return reserve_iova(iovad, lo, hi) ?: ERR_PTR(-ENOMEM);
#endif
}

static int reserve_one(struct iommu_dma_cookie *cookie, unsigned long lo,
		       unsigned long hi)
{
	struct dmamap_reserved *reserved = kmalloc(sizeof(*reserved),
						   GFP_KERNEL);
	int ret;

	if (!reserved)
		return -ENOMEM;
	reserved->iova = reserve_free(&cookie->iovad, lo, hi);
	if (IS_ERR(reserved->iova)) {
		ret = PTR_ERR(reserved->iova);
		kfree(reserved);
		return ret;
	}
	list_add(&reserved->link, &cookie->reserved);
	return 0;
}

/* Reserve what of pfns [lo, hi] is not reserved yet. */
static int reserve_pfns(struct iommu_dma_cookie *cookie, unsigned long lo,
			unsigned long hi)
{
	while (lo <= hi) {
		struct dmamap_reserved *reserved;
		unsigned long last = hi;
		bool taken = false;
		int ret;

		list_for_each_entry(reserved, &cookie->reserved, link) {
			struct iova *iova = reserved->iova;

			if (iova->pfn_lo <= lo && lo <= iova->pfn_hi) {
				last = iova->pfn_hi;
				taken = true;
				break;
			}
			if (lo < iova->pfn_lo && iova->pfn_lo <= last)
				last = iova->pfn_lo - 1;
		}
		if (!taken) {
			ret = reserve_one(cookie, lo, last);
			if (ret)
				return ret;
		}
		lo = last + 1;
		if (!lo)
			break;
	}
	return 0;
}

static int reserve_bytes(struct iommu_dma_cookie *cookie, struct device *dev,
			 phys_addr_t start, phys_addr_t last)
{
	struct iova_domain *iovad = &cookie->iovad;
	int ret;

	ret = reserve_pfns(cookie, iova_pfn(iovad, start),
			   iova_pfn(iovad, last));
	if (ret)
		dev_err(dev, "cannot reserve IOVAs %pap to %pap: %d\n", &start,
			&last, ret);
	return ret;
}

/* Reserve what a bridge has for itself. */
static int reserve_windows(struct iommu_dma_cookie *cookie, struct device *dev,
			   struct pci_host_bridge *bridge)
{
	struct resource_entry *window;
	int ret;

	resource_list_for_each_entry(window, &bridge->windows) {
		if (resource_type(window->res) != IORESOURCE_MEM)
			continue;
		ret = reserve_bytes(cookie, dev,
				    window->res->start - window->offset,
				    window->res->end - window->offset);
		if (ret)
			return ret;
	}
	return 0;
}

static phys_addr_t window_start(struct resource_entry *window)
{
	return window->res->start - window->offset;
}

/* The DMA range with the lowest bus address from @from on. */
static struct resource_entry *next_range(struct pci_host_bridge *bridge,
					 phys_addr_t from)
{
	struct resource_entry *window, *next = NULL;

	resource_list_for_each_entry(window, &bridge->dma_ranges)
		if (window_start(window) >= from &&
		    (!next || window_start(window) < window_start(next)))
			next = window;
	return next;
}

/* Reserve what a bridge does not let through, if it says what it does. */
static int reserve_beside_ranges(struct iommu_dma_cookie *cookie,
				 struct device *dev,
				 struct pci_host_bridge *bridge)
{
	unsigned int nr = list_count_nodes(&bridge->dma_ranges);
	struct resource_entry *window;
	phys_addr_t from = 0;
	int ret;

	if (!nr)
		return 0;
	while ((window = next_range(bridge, from))) {
		phys_addr_t start = window_start(window);

		if (start > from) {
			ret = reserve_bytes(cookie, dev, from, start - 1);
			if (ret)
				return ret;
		}
		nr--;
		from = window->res->end - window->offset + 1;
		if (!from)
			break;
	}
	/* One that begins inside another was never the next. */
	if (nr) {
		dev_err(dev, "DMA ranges of the host bridge overlap\n");
		return -EINVAL;
	}
	return from ? reserve_bytes(cookie, dev, from, ~(phys_addr_t)0) : 0;
}

static int reserve_regions(struct iommu_dma_cookie *cookie, struct device *dev)
{
	struct iommu_resv_region *region;
	LIST_HEAD(regions);
	int ret = 0;

	iommu_get_resv_regions(dev, &regions);
	list_for_each_entry(region, &regions, list) {
		phys_addr_t last = region->start + region->length - 1;

		/* That window is for us to use; and of nothing there is no end. */
		if (region->type == IOMMU_RESV_SW_MSI || !region->length)
			continue;
		ret = reserve_bytes(cookie, dev, region->start, last);
		if (!ret && region->type == IOMMU_RESV_MSI)
			ret = dmamap_doorbells_identity(cookie, region->start,
							last);
		if (ret)
			break;
	}
	iommu_put_resv_regions(dev, &regions);
	return ret;
}

/* Give back what was reserved since @mark was the youngest. */
static void unreserve_to(struct iommu_dma_cookie *cookie,
			 struct list_head *mark)
{
	while (cookie->reserved.next != mark) {
		struct dmamap_reserved *reserved;

		reserved = list_first_entry(&cookie->reserved,
					    struct dmamap_reserved, link);
		list_del(&reserved->link);
		__free_iova(&cookie->iovad, reserved->iova);
		kfree(reserved);
	}
}

/**
 * dmamap_reserve_device - reserve what a device must not be given
 * @domain: the domain that it joins; iommu_dma_cookie.lock is held
 * @dev: the device
 *
 * Context: process; may sleep.
 * Return: 0; -ENOMEM, -EBUSY when some of it is in use already, -EINVAL when
 * the DMA ranges of its bridge overlap. After an error nothing more is
 * reserved, or noted of doorbells, than before.
 */
int dmamap_reserve_device(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	struct list_head *mark = cookie->reserved.next;
	struct list_head *doorbells;
	int ret = 0;

	/* Until the end: what is noted may have to be forgotten again. */
	mutex_lock(&cookie->doorbell_lock);
	doorbells = cookie->doorbells.next;
	if (dev_is_pci(dev)) {
		struct pci_host_bridge *bridge;

		bridge = pci_find_host_bridge(to_pci_dev(dev)->bus);
		ret = reserve_windows(cookie, dev, bridge);
		if (!ret)
			ret = reserve_beside_ranges(cookie, dev, bridge);
	}
	if (!ret)
		ret = reserve_regions(cookie, dev);
	if (ret) {
		unreserve_to(cookie, mark);
		dmamap_doorbells_forget(cookie, doorbells);
	}
	mutex_unlock(&cookie->doorbell_lock);
	return ret;
}

/**
 * dmamap_reserved_forget - free what is noted of reservations
 * @cookie: that of a domain whose addresses go away
 */
void dmamap_reserved_forget(struct iommu_dma_cookie *cookie)
{
	struct dmamap_reserved *reserved, *next;

	list_for_each_entry_safe(reserved, next, &cookie->reserved, link)
		kfree(reserved);
	INIT_LIST_HEAD(&cookie->reserved);
}

/**
 * dmamap_reserved_show - list what is reserved in a domain
 * @cookie: that of the domain
 * @m: where to: a line for each range, with the domain's name, its first and
 *	its last address
 *
 * Context: process; may sleep.
 */
void dmamap_reserved_show(struct iommu_dma_cookie *cookie, struct seq_file *m)
{
	unsigned long shift = iova_shift(&cookie->iovad);
	struct dmamap_reserved *reserved;

	mutex_lock(&cookie->lock);
	list_for_each_entry(reserved, &cookie->reserved, link) {
		u64 first = (u64)reserved->iova->pfn_lo << shift;
		u64 last = ((u64)reserved->iova->pfn_hi << shift) |
			   (BIT_ULL(shift) - 1);

		seq_printf(m, "%u %#llx %#llx\n", cookie->id, first, last);
	}
	mutex_unlock(&cookie->lock);
}

/**
 * iommu_dma_get_resv_regions - reserved regions that firmware describes
 * @dev: the device
 * @list: the regions are added to it
 *
 * For the get_resv_regions operation of IOMMU drivers.
 *
 * Context: process; may sleep.
 */
void iommu_dma_get_resv_regions(struct device *dev, struct list_head *list)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);

	if (dev->of_node)
		of_iommu_get_resv_regions(dev, list);
	if (!is_of_node(fwspec->iommu_fwnode))
		iort_iommu_get_resv_regions(dev, list);
}
EXPORT_SYMBOL(iommu_dma_get_resv_regions);
