// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: MSI pages, for interrupts written through the IOMMU.
 *
 * 1. If the IOMMU translates MSI writes, the granule with their target register
 *    (the MSI page) is mapped for the first interrupt that needs it. It stays
 *    mapped until the domain is destroyed, because other devices share it.
 * 2. The IOMMU does not translate a region of type IOMMU_RESV_MSI (x86). Its
 *    addresses are used as they are, without a mapping.
 * 3. If the owner of the domain manages its IOVAs, the owner chooses the IOVA of
 *    the first MSI page. Other MSI pages follow it.
 */

#include <linux/msi.h>
#include <linux/slab.h>
#include "../dma-iommu.h"
#include "dmamap.h"

/* An MSI page, or a region without translation; in iommu_dma_cookie.msi_pages. */
struct dmamap_msi {
	struct list_head link;
	phys_addr_t phys;	/* first byte, at a granule */
	phys_addr_t last;
	dma_addr_t addr;	/* IOVA of the first byte */
};

static struct dmamap_msi *msi_find(struct iommu_dma_cookie *cookie,
				   phys_addr_t phys, phys_addr_t last)
{
	struct dmamap_msi *msi;

	lockdep_assert_held(&cookie->msi_lock);
	list_for_each_entry(msi, &cookie->msi_pages, link)
		if (msi->phys <= phys && last <= msi->last)
			return msi;
	return NULL;
}

static struct dmamap_msi *msi_add(struct iommu_dma_cookie *cookie,
				  phys_addr_t phys, phys_addr_t last,
				  dma_addr_t addr)
{
	struct dmamap_msi *msi = kmalloc_obj(*msi, GFP_KERNEL);

	if (!msi)
		return NULL;
	msi->phys = phys;
	msi->last = last;
	msi->addr = addr;
	list_add(&msi->link, &cookie->msi_pages);
	return msi;
}

/**
 * dmamap_msi_identity - record a region that is not translated
 * @cookie: the cookie of a domain; iommu_dma_cookie.msi_lock is held
 * @start: first byte of the region
 * @last: its last byte
 * Context: process; may sleep.
 * Return: 0, or -ENOMEM.
 */
int dmamap_msi_identity(struct iommu_dma_cookie *cookie, phys_addr_t start,
			phys_addr_t last)
{
	start -= iova_offset(&cookie->iovad, start);
	last |= iova_mask(&cookie->iovad);
	if (msi_find(cookie, start, last) ||
	    msi_add(cookie, start, last, start))
		return 0;
	return -ENOMEM;
}

/**
 * dmamap_msi_forget - free records of MSI pages, which stay mapped
 * @cookie: the cookie of a domain
 * @mark: the youngest record to keep; the head of the list to keep none
 * Context: process; may sleep.
 */
void dmamap_msi_forget(struct iommu_dma_cookie *cookie, struct list_head *mark)
{
	while (cookie->msi_pages.next != mark) {
		struct dmamap_msi *msi;

		msi = list_first_entry(&cookie->msi_pages, struct dmamap_msi,
				       link);
		list_del(&msi->link);
		kfree(msi);
	}
}

/* Map the granule at @phys, and record it. */
static struct dmamap_msi *msi_map(struct iommu_domain *domain,
				  struct device *dev, phys_addr_t phys)
{
	int prot = IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO;
	struct iommu_dma_cookie *cookie = dmamap_cookie_of(domain);
	size_t granule = cookie->iovad.granule;
	struct list_head *mark = cookie->msi_pages.next;
	struct dmamap_target target = { .boundary = ~0UL };
	dma_addr_t addr = cookie->msi_next;
	struct dmamap_msi *msi;

	if (!cookie->msi_only) {
		addr = dmamap_address_alloc(domain, dev, granule,
					    dma_get_mask(dev), &target);
		if (!addr)
			return NULL;
	}
	msi = msi_add(cookie, phys, phys + granule - 1, addr);
	if (msi && !iommu_map(domain, addr, phys, granule, prot, GFP_KERNEL)) {
		if (cookie->msi_only)
			cookie->msi_next += granule;
		return msi;
	}
	dmamap_msi_forget(cookie, mark);
	if (!cookie->msi_only)
		dmamap_address_free(cookie, addr, granule);
	return NULL;
}

/**
 * iommu_dma_sw_msi - map the target register of an interrupt
 * @domain: the domain of the device, or %NULL
 * @desc: descriptor of the interrupt; it stores the IOVA of the register
 * @msi_addr: physical address of the register
 * Context: process; may sleep.
 * Return: 0, also if the domain has no cookie; -ENOMEM; -EINVAL if no device
 * could join the domain.
 */
int iommu_dma_sw_msi(struct iommu_domain *domain, struct msi_desc *desc,
		     phys_addr_t msi_addr)
{
	struct iommu_dma_cookie *cookie;
	struct iova_domain *iovad;
	struct dmamap_msi *msi;
	phys_addr_t page;

	cookie = domain ? dmamap_cookie_of(domain) : NULL;
	if (!cookie) {
		msi_desc_set_iommu_msi_iova(desc, 0, 0);
		return 0;
	}
	/* Pairs with smp_store_release() in join_domain(). */
	if (!cookie->msi_only && !smp_load_acquire(&cookie->ready))
		return -EINVAL;

	iovad = &cookie->iovad;
	page = msi_addr - iova_offset(iovad, msi_addr);
	guard(dmamap_noio)(&cookie->msi_lock);
	msi = msi_find(cookie, page, page | iova_mask(iovad)) ?:
	      msi_map(domain, msi_desc_to_dev(desc), page);
	if (!msi)
		return -ENOMEM;
	msi_desc_set_iommu_msi_iova(desc, msi->addr + (page - msi->phys),
				    iova_shift(iovad));
	return 0;
}
