// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells: interrupts that a device writes through the IOMMU.
 *
 * Theory of operation
 * ===================
 *
 * 1. Where the IOMMU translates the writes that are interrupts, the register
 *    they go to must be mapped as anything else. Each granule with such a
 *    register is mapped once for a domain, at the first interrupt that needs
 *    it, and stays mapped until the domain goes: interrupts of other devices
 *    share it.
 *
 * 2. Where such writes never reach the page table (x86), the granules of that
 *    window are noted as their own addresses, and nothing is mapped.
 *
 * 3. A domain whose owner manages its addresses gives a window for doorbells,
 *    from which they are taken one after the other.
 */

#include <linux/log2.h>
#include <linux/msi.h>
#include <linux/slab.h>

#include "dmamap.h"

/**
 * struct dmamap_doorbell - a granule that interrupts are written to
 * @link: in iommu_dma_cookie.doorbells
 * @phys: its physical address
 * @addr: its address for the devices of the domain
 */
struct dmamap_doorbell {
	struct list_head link;
	phys_addr_t phys;
	dma_addr_t addr;
};

static size_t doorbell_granule(struct iommu_dma_cookie *cookie)
{
	return cookie->kind == DMAMAP_IOVA ? cookie->iovad.granule : PAGE_SIZE;
}

static struct dmamap_doorbell *doorbell_find(struct iommu_dma_cookie *cookie,
					     phys_addr_t phys)
{
	struct dmamap_doorbell *doorbell;

	list_for_each_entry(doorbell, &cookie->doorbells, link)
		if (doorbell->phys == phys)
			return doorbell;
	return NULL;
}

static struct dmamap_doorbell *doorbell_add(struct iommu_dma_cookie *cookie,
					    phys_addr_t phys, dma_addr_t addr)
{
	struct dmamap_doorbell *doorbell = kmalloc(sizeof(*doorbell),
						   GFP_KERNEL);

	if (!doorbell)
		return NULL;
	doorbell->phys = phys;
	doorbell->addr = addr;
	list_add(&doorbell->link, &cookie->doorbells);
	return doorbell;
}

static void doorbell_del(struct dmamap_doorbell *doorbell)
{
	list_del(&doorbell->link);
	kfree(doorbell);
}

/**
 * dmamap_doorbells_identity - note doorbells that need no translation
 * @cookie: that of a domain; iommu_dma_cookie.doorbell_lock is held
 * @start: their first byte
 * @last: their last byte
 *
 * Context: process; may sleep.
 * Return: 0, or -ENOMEM; what was noted until then stays.
 */
int dmamap_doorbells_identity(struct iommu_dma_cookie *cookie,
			      phys_addr_t start, phys_addr_t last)
{
	phys_addr_t phys = start - iova_offset(&cookie->iovad, start);

	for (; phys <= last; phys += cookie->iovad.granule)
		if (!doorbell_find(cookie, phys) &&
		    !doorbell_add(cookie, phys, phys))
			return -ENOMEM;
	return 0;
}

/**
 * dmamap_doorbells_forget - free what is noted of doorbells
 * @cookie: that of a domain whose page table goes away, or with nothing mapped
 *	for them
 * @mark: the youngest to keep; the head of the list to keep none
 */
void dmamap_doorbells_forget(struct iommu_dma_cookie *cookie,
			     struct list_head *mark)
{
	while (cookie->doorbells.next != mark)
		doorbell_del(list_first_entry(&cookie->doorbells,
					      struct dmamap_doorbell, link));
}

static dma_addr_t doorbell_address(struct iommu_domain *domain,
				   struct device *dev, size_t granule)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	struct dmamap_target target = { .boundary = ~0UL };

	if (cookie->kind == DMAMAP_MSI)
		return cookie->msi_next;
	return dmamap_address_alloc(domain, dev, granule, dma_get_mask(dev),
				    &target);
}

static struct dmamap_doorbell *doorbell_map(struct iommu_domain *domain,
					    struct device *dev,
					    phys_addr_t phys)
{
	int prot = IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO;
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	size_t granule = doorbell_granule(cookie);
	struct dmamap_doorbell *doorbell;
	dma_addr_t addr;

	addr = doorbell_address(domain, dev, granule);
	if (!addr && cookie->kind == DMAMAP_IOVA)
		return NULL;
	doorbell = doorbell_add(cookie, phys, addr);
	if (!doorbell)
		goto free_address;
	if (iommu_map(domain, addr, phys, granule, prot, GFP_KERNEL))
		goto del_doorbell;
	if (cookie->kind == DMAMAP_MSI)
		cookie->msi_next += granule;
	return doorbell;

del_doorbell:
	doorbell_del(doorbell);
free_address:
	if (cookie->kind == DMAMAP_IOVA)
		dmamap_address_free(cookie, addr, granule);
	return NULL;
}

/**
 * iommu_dma_prepare_msi - make a doorbell reachable for a device
 * @desc: descriptor of the interrupt, remembers where the doorbell is mapped
 * @msi_addr: physical address of the doorbell
 *
 * Context: process; may sleep.
 * Return: 0, also where nothing is to be done; -ENOMEM, -EINVAL when the device
 * could not join its domain.
 */
int iommu_dma_prepare_msi(struct msi_desc *desc, phys_addr_t msi_addr)
{
	struct device *dev = msi_desc_to_dev(desc);
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	struct dmamap_doorbell *doorbell;
	struct iommu_dma_cookie *cookie;
	size_t granule;
	int ret = 0;

	cookie = domain ? domain->iova_cookie : NULL;
	if (!cookie) {
		msi_desc_set_iommu_msi_iova(desc, 0, 0);
		return 0;
	}

	mutex_lock(&cookie->doorbell_lock);
	/* The device could not join its domain. Pairs with join_domain(). */
	if (cookie->kind == DMAMAP_IOVA && !smp_load_acquire(&cookie->ready)) {
		ret = -EINVAL;
		goto unlock;
	}
	granule = doorbell_granule(cookie);
	msi_addr = ALIGN_DOWN(msi_addr, granule);
	doorbell = doorbell_find(cookie, msi_addr);
	if (!doorbell)
		doorbell = doorbell_map(domain, dev, msi_addr);
	if (!doorbell)
		ret = -ENOMEM;
	else
		msi_desc_set_iommu_msi_iova(desc, doorbell->addr,
					    ilog2(granule));
unlock:
	mutex_unlock(&cookie->doorbell_lock);
	return ret;
}

/**
 * iommu_dma_compose_msi_msg - have a message go to the mapped doorbell
 * @desc: a descriptor that iommu_dma_prepare_msi() has seen
 * @msg: the message, with the physical address of the doorbell
 *
 * Context: any.
 */
void iommu_dma_compose_msi_msg(struct msi_desc *desc, struct msi_msg *msg)
{
#ifdef CONFIG_IRQ_MSI_IOMMU
	unsigned int shift = desc->iommu_msi_shift;
	u64 addr;

	if (!shift)
		return;
	addr = (u64)desc->iommu_msi_iova << shift;
	addr |= msg->address_lo & (BIT_ULL(shift) - 1);
	msg->address_lo = lower_32_bits(addr);
	msg->address_hi = upper_32_bits(addr);
#endif
}
