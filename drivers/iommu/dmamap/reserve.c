// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: IOVAs that are reserved when a device joins.
 *
 * 1. These are reserved:
 *    - the memory windows of the PCI host bridge, because transactions to them
 *      may go to other devices instead of the IOMMU;
 *    - addresses outside the DMA ranges of the host bridge, if it lists them;
 *    - regions that the IOMMU driver or firmware reports: direct (mapped one to
 *      one), MSI or reserved.
 * 2. Other devices may use the domain already.  The free part of a region is
 *    reserved.  The part in use is tried again for some ms, because most
 *    mappings are short.
 * 3. If a part stays in use, the kernel warns and goes on.  But if the region is
 *    direct, the device is blocked: its firmware does DMA there, which would go
 *    to memory that is mapped for another device.
 * 4. The cookie lists the reserved ranges, because other devices may have the
 *    same ones.
 */

#include <linux/acpi_iort.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/of_iommu.h>
#include <linux/slab.h>
#include "../dma-iommu.h"
#include "dmamap.h"

/* A region in use is tried again that often, at intervals of 1 to 2 ms. */
#define RESERVE_TRIES	10

/* Reserve free pfns from *@pfn on. Moves *@pfn behind these or those in use. */
static int reserve_some(struct iommu_dma_cookie *cookie, unsigned long *pfn,
			unsigned long last)
{
	struct dmamap_reserved *reserved;
	struct iova *iova;

	reserved = kmalloc_obj(*reserved, GFP_KERNEL);
	if (!reserved)
		return -ENOMEM;
#ifdef CONFIG_IOVA_GAP_TREE
	iova = iova_reserve_free(&cookie->iovad, pfn, last);
#else
	/* The stock allocator cannot tell which pfns are in use. */
	iova = reserve_iova(&cookie->iovad, *pfn, last) ?: ERR_PTR(-ENOMEM);
	*pfn = last + 1;
#endif
	if (IS_ERR(iova)) {
		kfree(reserved);
		return PTR_ERR(iova);
	}
	reserved->iova = iova;
	list_add(&reserved->link, &cookie->reserved);
	return 0;
}

/* Reserve the free part of pfns [lo, hi]; -EBUSY if the rest is in use. */
static int reserve_pfns(struct iommu_dma_cookie *cookie, unsigned long lo,
			unsigned long hi)
{
	bool busy = false;

	while (lo <= hi) {
		unsigned long from = lo, last = hi;
		struct dmamap_reserved *reserved;
		int ret;

		list_for_each_entry(reserved, &cookie->reserved, link) {
			struct iova *iova = reserved->iova;

			if (iova->pfn_lo <= from && from <= iova->pfn_hi) {
				lo = iova->pfn_hi + 1;
				break;
			}
			if (from < iova->pfn_lo && iova->pfn_lo <= last)
				last = iova->pfn_lo - 1;
		}
		if (lo == from) {
			ret = reserve_some(cookie, &lo, last);
			if (ret && ret != -EBUSY)
				return ret;
			busy |= ret;
		}
		/* The highest pfn + 1 is 0. */
		if (lo <= from)
			break;
	}
	return busy ? -EBUSY : 0;
}

static int reserve_bytes(struct iommu_dma_cookie *cookie, struct device *dev,
			 phys_addr_t start, phys_addr_t last, bool direct)
{
	struct iova_domain *iovad = &cookie->iovad;
	int ret, tries = 0;

	while ((ret = reserve_pfns(cookie, iova_pfn(iovad, start),
				   iova_pfn(iovad, last))) == -EBUSY &&
	       tries < RESERVE_TRIES) {
		if (tries++)
			usleep_range(1000, 2000);
		if (cookie->queue)
			dmamap_fq_drain(cookie->queue);
		dmamap_san_drain(cookie);
		iova_drain(iovad);
	}
	if (ret == -EBUSY)
		dev_warn(dev, "reserved IOVAs %pap to %pap are in use by another device%s\n",
			 &start, &last,
			 direct ? "" : ", they may be handed out again");
	else if (ret)
		dev_err(dev, "cannot reserve IOVAs %pap to %pap: %d\n", &start,
			&last, ret);
	return ret == -EBUSY && !direct ? 0 : ret;
}

static phys_addr_t window_start(struct resource_entry *window)
{
	return window->res->start - window->offset;
}

/* Reserve the memory windows of a bridge. */
static int reserve_windows(struct iommu_dma_cookie *cookie, struct device *dev,
			   struct pci_host_bridge *bridge)
{
	struct resource_entry *window;
	int ret;

	resource_list_for_each_entry(window, &bridge->windows) {
		if (resource_type(window->res) != IORESOURCE_MEM)
			continue;
		ret = reserve_bytes(cookie, dev, window_start(window),
				    window->res->end - window->offset, false);
		if (ret)
			return ret;
	}
	return 0;
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

/* Reserve the addresses outside the DMA ranges of a bridge, if it has any. */
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
			ret = reserve_bytes(cookie, dev, from, start - 1, false);
			if (ret)
				return ret;
		}
		nr--;
		from = window->res->end - window->offset + 1;
		if (!from)
			break;
	}
	/* next_range() skips a range that begins inside another. */
	if (nr) {
		dev_err(dev, "DMA ranges of the host bridge overlap\n");
		return -EINVAL;
	}
	return from ? reserve_bytes(cookie, dev, from, ~(phys_addr_t)0, false) :
		      0;
}

/* Map what the core left out of a direct region because it was in use. */
static void map_direct(struct iommu_domain *domain, struct device *dev,
		       struct iommu_resv_region *region)
{
	size_t granule = domain->iova_cookie->iovad.granule;
	phys_addr_t at = ALIGN(region->start, granule);
	phys_addr_t end = ALIGN(region->start + region->length, granule);
	int ret = 0;

	for (; !ret && at != end; at += granule)
		if (dmamap_phys(domain, at) != at)
			ret = iommu_map(domain, at, at, granule, region->prot,
					GFP_KERNEL);
	if (ret)
		dev_warn(dev, "cannot map the direct region at %pap: %d\n",
			 &region->start, ret);
}

static int reserve_region(struct iommu_domain *domain, struct device *dev,
			  struct iommu_resv_region *region)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	phys_addr_t last = region->start + region->length - 1;
	bool direct = region->type == IOMMU_RESV_DIRECT ||
		      region->type == IOMMU_RESV_DIRECT_RELAXABLE;
	int ret;

	/* IOMMU_RESV_SW_MSI is for domains of other owners. */
	if (region->type == IOMMU_RESV_SW_MSI || !region->length)
		return 0;
	ret = reserve_bytes(cookie, dev, region->start, last, direct);
	if (!ret && direct)
		map_direct(domain, dev, region);
	if (!ret && region->type == IOMMU_RESV_MSI)
		ret = dmamap_msi_identity(cookie, region->start, last);
	return ret;
}

static int reserve_regions(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_resv_region *region;
	LIST_HEAD(regions);
	bool busy = false;
	int ret = 0;

	iommu_get_resv_regions(dev, &regions);
	list_for_each_entry(region, &regions, list) {
		ret = reserve_region(domain, dev, region);
		if (ret == -EBUSY)
			busy = true;
		else if (ret)
			break;
	}
	iommu_put_resv_regions(dev, &regions);
	return busy ? -EBUSY : ret;
}

/**
 * dmamap_unreserve - free reserved ranges
 * @cookie: the cookie of a domain
 * @mark: the youngest range to keep; the head of the list to keep none
 * Context: process; may sleep.
 */
void dmamap_unreserve(struct iommu_dma_cookie *cookie, struct list_head *mark)
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
 * dmamap_reserve_device - reserve addresses for a device
 * @domain: the domain that it joins; iommu_dma_cookie.lock is held
 * @dev: the device
 * Context: process; may sleep.
 * Return: 0; -EBUSY if a direct region is in use by another device. Then the rest
 * is reserved, because the device stays attached. Other errors undo all
 * reservations: -ENOMEM; -EINVAL if the DMA ranges of the bridge overlap.
 */
int dmamap_reserve_device(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	struct list_head *mark = cookie->reserved.next;
	struct list_head *msi_mark;
	int ret = 0;

	lockdep_assert_held(&cookie->lock);
	/* An error removes the records of MSI pages that were added meanwhile. */
	guard(dmamap_noio)(&cookie->msi_lock);
	msi_mark = cookie->msi_pages.next;
	if (dev_is_pci(dev)) {
		struct pci_host_bridge *bridge;

		bridge = pci_find_host_bridge(to_pci_dev(dev)->bus);
		ret = reserve_windows(cookie, dev, bridge);
		if (!ret)
			ret = reserve_beside_ranges(cookie, dev, bridge);
	}
	if (!ret)
		ret = reserve_regions(domain, dev);
	if (ret && ret != -EBUSY) {
		dmamap_unreserve(cookie, mark);
		dmamap_msi_forget(cookie, msi_mark);
	}
	return ret;
}

/**
 * iommu_dma_get_resv_regions - list the reserved regions that firmware reports
 * @dev: the device
 * @list: the regions are added to it
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
