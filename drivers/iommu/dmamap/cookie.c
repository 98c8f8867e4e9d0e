// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: life of a domain's cookie, and of a device in it.
 *
 * 1. The IOMMU core creates a cookie for each domain of the DMA API. The first
 *    device that joins sets granule and lowest address; others must match. The
 *    lowest address is above 0, because 0 means that none was found.
 * 2. Each device that joins adds its reservations. A device that cannot join
 *    is blocked, and the DMA API refuses to map for it: it stays attached to
 *    the domain, so physical addresses would lead to memory of other devices.
 *    It leaves no reservations behind, except as dmamap_reserve_device() says,
 *    and can join later.
 * 3. In a lazy domain a device can access a buffer for a while after its unmap.
 *    So lazy mode is refused, also to sysfs, once an untrusted device has
 *    joined, or one behind an IOMMU that cannot defer, even if it is blocked.
 */

#include <linux/crash_dump.h>
#include <linux/dma-direct.h>
#include <linux/export.h>
#include <linux/slab.h>
#include "../dma-iommu.h"
#include "../io-pgtable/lengths.h"
#include "dmamap.h"

DEFINE_STATIC_KEY_FALSE(dmamap_may_refuse);

/* An idle lazy domain may take 2 KiB + 256 bytes a CPU, allocator included. */
static_assert(IS_ENABLED(CONFIG_DEBUG_SPINLOCK) || SMP_CACHE_BYTES > 64 ||
	      !IS_ENABLED(CONFIG_IOVA_GAP_TREE) ||
	      sizeof(struct iommu_dma_cookie) <= 512);

/* iommu.forcedac: PCI devices get addresses above 4 GiB from the start. */
bool iommu_dma_forcedac __read_mostly;

static int __init forcedac_setup(char *arg)
{
	int err = kstrtobool(arg, &iommu_dma_forcedac);

	if (iommu_dma_forcedac && !err)
		pr_info("dmamap: Forcing DAC for PCI devices\n");
	return err;
}
early_param("iommu.forcedac", forcedac_setup);

/* The domain of devices that were removed; it has no addresses. */
struct iommu_domain iommu_dma_removed_domain = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.pgsize_bitmap = PAGE_SIZE,
	.geometry.force_aperture = true,
};

/**
 * iommu_get_dma_cookie - prepare a domain for the DMA API
 * @domain: the domain
 * Context: process; may sleep.
 * Return: 0; -EEXIST when the domain has a cookie, -ENOMEM.
 */
int iommu_get_dma_cookie(struct iommu_domain *domain)
{
	struct iommu_dma_cookie *cookie;

	if (domain->iova_cookie)
		return -EEXIST;
	cookie = kzalloc(sizeof(*cookie), GFP_KERNEL);
	if (!cookie)
		return -ENOMEM;
	cookie->domain = domain;
	mutex_init(&cookie->lock);
	mutex_init(&cookie->msi_lock);
	INIT_LIST_HEAD(&cookie->msi_pages);
	INIT_LIST_HEAD(&cookie->reserved);
	/* A granule, but no addresses. */
	init_iova_domain(&cookie->iovad, PAGE_SIZE, 1);
	domain->iova_cookie = cookie;
	return 0;
}

/**
 * iommu_get_msi_cookie - prepare a domain for MSI pages only
 * @domain: a domain whose owner manages its addresses
 * @base: address of the first MSI page; others follow it
 * Context: process; may sleep.
 * Return: 0; -EINVAL for another type of domain, -EEXIST when it has a cookie,
 * -ENOMEM.
 */
int iommu_get_msi_cookie(struct iommu_domain *domain, dma_addr_t base)
{
	struct iommu_dma_cookie *cookie;
	int ret;

	if (domain->type != IOMMU_DOMAIN_UNMANAGED)
		return -EINVAL;
	ret = iommu_get_dma_cookie(domain);
	if (ret)
		return ret;
	cookie = domain->iova_cookie;
	cookie->msi_only = true;
	cookie->msi_next = base;
	return 0;
}
EXPORT_SYMBOL(iommu_get_msi_cookie);

/* Undo init_addresses() and the reservations of devices. */
static void drop_addresses(struct iommu_dma_cookie *cookie)
{
	dmamap_fq_stop(cookie->queue);
	dmamap_unreserve(cookie, &cookie->reserved);
	put_iova_domain(&cookie->iovad);
	dmamap_fq_destroy(cookie->queue);
	if (cookie->lengths)
		iommu_lengths_destroy(cookie->lengths);
	cookie->lengths = NULL;
	init_iova_domain(&cookie->iovad, PAGE_SIZE, 1);
}

/**
 * iommu_put_dma_cookie - free the cookie of a domain
 * @domain: a domain that is not used any more; MSI pages stay in its page table
 * Context: process; may sleep.
 */
void iommu_put_dma_cookie(struct iommu_domain *domain)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;

	if (!cookie)
		return;
	if (cookie->ready) {
		dmamap_debugfs_del(cookie);
		drop_addresses(cookie);
	}
	dmamap_msi_forget(cookie, &cookie->msi_pages);
	domain->iova_cookie = NULL;
	kfree(cookie);
}

/* Free the ranges in the flush queue; for iova_domain.drain. */
static void __maybe_unused drain_queue(struct iova_domain *iovad)
{
	struct dmamap_fq *queue =
		READ_ONCE(container_of(iovad, struct iommu_dma_cookie,
				       iovad)->queue);

	if (queue)
		dmamap_fq_drain(queue);
}

static int init_addresses(struct iommu_dma_cookie *cookie,
			  unsigned long granule, unsigned long base_pfn)
{
	unsigned long larger = cookie->domain->pgsize_bitmap & ~granule;
	struct iova_domain *iovad = &cookie->iovad;
	int ret;

	cookie->second_page = larger ? 1UL << __ffs(larger) : ~0UL;
	/* A deferred attach may add page sizes. */
	if (is_kdump_kernel())
		cookie->second_page = granule;
	init_iova_domain(iovad, granule, base_pfn);
#ifdef CONFIG_IOVA_GAP_TREE
	iovad->drain = drain_queue;
#endif
	ret = iova_domain_init_rcaches(iovad);
	if (!ret && !cookie->domain->ops->unmap_exact) {
		cookie->lengths = iommu_lengths_create();
		ret = cookie->lengths ? 0 : -ENOMEM;
	}
	if (ret)
		drop_addresses(cookie);
	cookie->may_defer = true;
	return ret;
}

/* Defer IOTLB flushes, if the devices and their IOMMUs allow it. */
static int make_lazy(struct iommu_dma_cookie *cookie)
{
	lockdep_assert_held(&cookie->lock);
	if (!cookie->may_defer) {
		atomic_inc(&cookie->refused_lazy);
		return -EPERM;
	}
	if (!cookie->queue)
		WRITE_ONCE(cookie->queue,
			   dmamap_fq_create(cookie->domain, &cookie->iovad,
					    cookie->shadowed));
	if (!cookie->queue)
		return -ENOMEM;
	/* Pairs with dmamap_removal_start(): the queue is complete. */
	smp_store_release(&cookie->fq, cookie->queue);
	return 0;
}

/* Make the domain lazy or strict, as its type and its devices with @dev ask. */
static void settle_laziness(struct iommu_dma_cookie *cookie, struct device *dev)
{
	struct iommu_domain *domain = cookie->domain;
	int ret;

	if (dmamap_untrusted(dev) ||
	    !device_iommu_capable(dev, IOMMU_CAP_DEFERRED_FLUSH))
		cookie->may_defer = false;
	if (dev->iommu->shadow_on_flush)
		cookie->shadowed = true;
	if (domain->type != IOMMU_DOMAIN_DMA_FQ)
		return;
	ret = make_lazy(cookie);
	if (!ret)
		return;
	dev_info(dev, "lazy mode refused (%s), IOTLB is flushed at each unmap\n",
		 ret == -EPERM ? "untrusted device or IOMMU cannot defer" :
				 "no flush queue");
	domain->type = IOMMU_DOMAIN_DMA;
	WRITE_ONCE(cookie->fq, NULL);
}

/**
 * iommu_dma_init_fq - make the unmaps of a domain in use lazy
 * @domain: the domain; the lock of its group is held
 * Context: process; may sleep.
 * Return: 0, also if it is lazy; -EINVAL for a domain without devices, -EPERM
 * if one of its devices is untrusted or behind an IOMMU that cannot defer,
 * -ENOMEM.
 */
int iommu_dma_init_fq(struct iommu_domain *domain)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int noio;
	int ret;

	noio = dmamap_lock(&cookie->lock);
	ret = cookie->ready ? make_lazy(cookie) : -EINVAL;
	dmamap_unlock(&cookie->lock, noio);
	return ret;
}

/* Can the device use the addresses of the domain? */
static int check_fit(struct iommu_dma_cookie *cookie, struct device *dev,
		     unsigned long granule, unsigned long base_pfn)
{
	struct iommu_domain_geometry *aperture = &cookie->domain->geometry;
	const struct bus_dma_region *map = dev->dma_range_map;

	if (granule > PAGE_SIZE) {
		dev_warn(dev, "smallest IOMMU page (%lu bytes) exceeds PAGE_SIZE\n",
			 granule);
		return -EINVAL;
	}
	if (map && (dma_range_map_min(map) > aperture->aperture_end ||
		    dma_range_map_max(map) < aperture->aperture_start)) {
		dev_warn(dev, "DMA ranges are outside the IOMMU aperture\n");
		return -EFAULT;
	}
	if (cookie->ready && (cookie->iovad.granule != granule ||
			      cookie->iovad.start_pfn != base_pfn)) {
		dev_warn(dev, "page size or aperture differs from that of the group's DMA domain\n");
		return -EFAULT;
	}
	return 0;
}

static int join_domain(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned long granule = 1UL << __ffs(domain->pgsize_bitmap);
	unsigned long base_pfn;
	unsigned int noio;
	bool first;
	int ret;

	if (!cookie || cookie->msi_only)
		return -EINVAL;
	base_pfn = max_t(unsigned long, 1,
			 domain->geometry.aperture_start / granule);

	noio = dmamap_lock(&cookie->lock);
	first = !cookie->ready;
	ret = check_fit(cookie, dev, granule, base_pfn);
	if (!ret && first)
		ret = init_addresses(cookie, granule, base_pfn);
	if (!ret) {
		ret = dmamap_reserve_device(domain, dev);
		if (ret && first)
			drop_addresses(cookie);
	}
	if (!ret) {
		/* Pairs with iommu_dma_prepare_msi(): IOVAs can be allocated. */
		smp_store_release(&cookie->ready, true);
		if (first)
			cookie->group = iommu_group_id(dev->iommu_group);
	}
	/* Also for a device that is blocked: it is attached, too. */
	if (cookie->ready)
		settle_laziness(cookie, dev);
	dmamap_unlock(&cookie->lock, noio);
	/* Not under the lock, which nests inside the one of the list. */
	if (first && !ret)
		dmamap_debugfs_add(cookie);
	return ret;
}

/**
 * iommu_setup_dma_ops - have this layer map for a device, if its domain asks so
 * @dev: a device in a group that has a default domain, attached or not; the
 *	lock of the group is held
 * Context: process; may sleep.
 */
void iommu_setup_dma_ops(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	int ret;

	if (dev_is_pci(dev))
		dev->iommu->pci_32bit_workaround = !iommu_dma_forcedac;

	dev->iommu->dma_blocked = false;
	dev->dma_iommu = iommu_is_dma_domain(domain);
	if (!dev->dma_iommu)
		return;
	ret = join_domain(domain, dev);
	if (!ret)
		return;
	dev_err(dev, "failed to set up DMA through the IOMMU: %d; DMA mapping calls will fail\n",
		ret);
	dev->iommu->dma_blocked = true;
	static_branch_enable(&dmamap_may_refuse);
}

static int __init dmamap_init(void)
{
	int ret;

	ret = iova_cache_get();
	if (!ret)
		ret = iommu_get_dma_cookie(&iommu_dma_removed_domain);
	if (ret)
		return ret;
	if (dmamap_fq_init())
		pr_warn("dmamap: no flush queues, IOTLB is flushed at each unmap\n");
	if (is_kdump_kernel())
		static_branch_enable(&dmamap_may_refuse);
	dmamap_debugfs_init();
	pr_info("dmamap: maps DMA through IOMMUs\n");
	return 0;
}
arch_initcall(dmamap_init);
