// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: the cookie of a domain, and the devices that join it.
 *
 * 1. The IOMMU core creates a cookie for each domain of the DMA API. The first
 *    device that joins sets granule and lowest address; others must match. The
 *    lowest address is above 0, because 0 means that none was found.
 * 2. Each device that joins adds its reservations. A device that cannot join is
 *    blocked: the DMA API refuses to map for it. Physical addresses instead
 *    would lead to memory of other devices, because the device stays attached to
 *    the domain. Its reservations are undone, except as dmamap_reserve_device()
 *    says, and it can join later.
 * 3. In a lazy domain a device can access a buffer for a while after its unmap.
 *    So lazy mode is refused, also to sysfs, if an untrusted device has joined,
 *    or a device behind an IOMMU that cannot defer. Blocked devices count, too.
 */

#include <linux/crash_dump.h>
#include <linux/dma-direct.h>
#include <linux/export.h>
#include <linux/slab.h>
#include "../dma-iommu.h"
#include "dmamap.h"

/*
 * No static key: to enable one takes cpus_read_lock(), which callers of
 * iommu_dma_sw_msi() hold when they take the lock of a group.
 */
bool dmamap_may_refuse __read_mostly;

/* An idle lazy domain takes at most 2 KiB, and 256 bytes for each CPU. */
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

/* The domain of devices that were removed. It has no addresses. */
struct iommu_domain iommu_dma_removed_domain = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.pgsize_bitmap = PAGE_SIZE,
	.geometry.force_aperture = true,
};

static int create_cookie(struct iommu_domain *domain, dma_addr_t msi_base,
			 bool msi_only)
{
	struct iommu_dma_cookie *cookie;

	cookie = kzalloc_obj(*cookie, GFP_KERNEL);
	if (!cookie)
		return -ENOMEM;
	if (!dmamap_cookie_set(domain, cookie, msi_only)) {
		kfree(cookie);
		return -EEXIST;
	}
	cookie->domain = domain;
	cookie->msi_only = msi_only;
	cookie->msi_next = msi_base;
	mutex_init(&cookie->lock);
	mutex_init(&cookie->msi_lock);
	INIT_LIST_HEAD(&cookie->msi_pages);
	INIT_LIST_HEAD(&cookie->reserved);
	/* A granule is set, but there are no addresses yet. */
	init_iova_domain(&cookie->iovad, PAGE_SIZE, 1);
	return 0;
}

/**
 * iommu_get_dma_cookie - prepare a domain for the DMA API
 * @domain: the domain
 * Context: process; may sleep.
 * Return: 0; -EEXIST if the domain has a cookie; -ENOMEM.
 */
int iommu_get_dma_cookie(struct iommu_domain *domain)
{
	return create_cookie(domain, 0, false);
}

/**
 * iommu_get_msi_cookie - prepare a domain for MSI pages only
 * @domain: a domain whose owner manages its IOVAs
 * @base: IOVA of the first MSI page; others follow it
 * Context: process; may sleep.
 * Return: 0; -EINVAL if the type of the domain is not IOMMU_DOMAIN_UNMANAGED;
 * -EEXIST if it has a cookie; -ENOMEM.
 */
int iommu_get_msi_cookie(struct iommu_domain *domain, dma_addr_t base)
{
	if (domain->type != IOMMU_DOMAIN_UNMANAGED)
		return -EINVAL;
	return create_cookie(domain, base, true);
}
EXPORT_SYMBOL(iommu_get_msi_cookie);

/* Undo init_addresses() and the reservations of devices. */
static void drop_addresses(struct iommu_dma_cookie *cookie)
{
	dmamap_san_destroy(cookie);
	if (cookie->queue)
		dmamap_fq_destroy(cookie->queue);
	dmamap_unreserve(cookie, &cookie->reserved);
	put_iova_domain(&cookie->iovad);
	if (cookie->lengths)
		iommu_lengths_destroy(cookie->lengths);
	cookie->lengths = NULL;
	init_iova_domain(&cookie->iovad, PAGE_SIZE, 1);
}

/**
 * iommu_put_dma_cookie - free the cookie of a domain
 * @domain: a domain that is not in use; MSI pages stay in its page table
 * Context: process; may sleep.
 */
void iommu_put_dma_cookie(struct iommu_domain *domain)
{
	struct iommu_dma_cookie *cookie = dmamap_cookie_of(domain);

	if (!cookie)
		return;
	if (cookie->ready) {
		dmamap_debugfs_del(cookie);
		drop_addresses(cookie);
	}
	dmamap_msi_forget(cookie, &cookie->msi_pages);
	dmamap_cookie_clear(domain);
	kfree(cookie);
}

static int init_addresses(struct iommu_dma_cookie *cookie,
			  unsigned long granule, unsigned long base_pfn)
{
	unsigned long larger = cookie->domain->pgsize_bitmap & ~granule;
	struct iova_domain *iovad = &cookie->iovad;
	int ret;

	cookie->second_page = larger ? 1UL << __ffs(larger) : ~0UL;
	/*
	 * A deferred attach may add page sizes. Without map_pages() the page
	 * table chooses the sizes itself.
	 */
	if (is_kdump_kernel() || !dmamap_takes_pages(cookie->domain))
		cookie->second_page = granule;
	init_iova_domain(iovad, granule, base_pfn);
	ret = iova_domain_init_rcaches(iovad);
	if (!ret && !dmamap_has_bounds(cookie->domain)) {
		cookie->lengths = iommu_lengths_create();
		ret = cookie->lengths ? 0 : -ENOMEM;
	}
	if (ret)
		drop_addresses(cookie);
	cookie->may_defer = true;
	return ret;
}

/* Defer IOTLB flushes if all devices and their IOMMUs allow it. */
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
	/* Pairs with READ_ONCE() in dmamap_removal_start(). */
	smp_store_release(&cookie->fq, cookie->queue);
	return 0;
}

/* Make the domain lazy or strict. @dev is a device that joins it. */
static void choose_mode(struct iommu_dma_cookie *cookie, struct device *dev)
{
	struct iommu_domain *domain = cookie->domain;
	int ret;

	if (dmamap_untrusted(dev) || !dmamap_can_defer(domain, dev))
		cookie->may_defer = false;
	if (dev->iommu->shadow_on_flush)
		cookie->shadowed = true;
	if (domain->type != IOMMU_DOMAIN_DMA_FQ)
		return;
	ret = make_lazy(cookie);
	if (!ret)
		return;
	dev_info(dev, "lazy mode refused (%s), IOTLB is flushed at each unmap\n",
		 ret == -EPERM ? "untrusted device, or IOMMU cannot defer flushes" :
				 "no flush queue");
	domain->type = IOMMU_DOMAIN_DMA;
	WRITE_ONCE(cookie->fq, NULL);
}

/**
 * iommu_dma_init_fq - make a domain in use lazy
 * @domain: the domain; the lock of its group is held
 * Context: process; may sleep.
 * Return: 0, also if the domain is lazy already; -EINVAL if no device has joined;
 * -EPERM if a device is untrusted or behind an IOMMU that cannot defer; -ENOMEM.
 */
int iommu_dma_init_fq(struct iommu_domain *domain)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;

	guard(dmamap_noio)(&cookie->lock);
	return cookie->ready ? make_lazy(cookie) : -EINVAL;
}

/* Can the device use the IOVAs of the domain? */
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
	struct iommu_dma_cookie *cookie = dmamap_cookie_of(domain);
	unsigned long granule = 1UL << __ffs(domain->pgsize_bitmap);
	unsigned long base_pfn;
	int ret;

	if (!cookie || cookie->msi_only)
		return -EINVAL;
	base_pfn = max_t(unsigned long, 1,
			 domain->geometry.aperture_start / granule);

	guard(dmamap_noio)(&cookie->lock);
	ret = check_fit(cookie, dev, granule, base_pfn);
	if (!ret && !cookie->ready)
		ret = init_addresses(cookie, granule, base_pfn);
	if (!ret) {
		ret = dmamap_reserve_device(domain, dev);
		if (ret && !cookie->ready)
			drop_addresses(cookie);
	}
	if (!ret && !cookie->ready) {
		cookie->group = iommu_group_id(dev->iommu_group);
		/* Pairs with smp_load_acquire() in iommu_dma_sw_msi(). */
		smp_store_release(&cookie->ready, true);
	}
	/* Also if the device is blocked, because it is attached. */
	if (cookie->ready)
		choose_mode(cookie, dev);
	return ret;
}

/**
 * dmamap_setup - let this layer map for a device of a DMA domain
 * @dev: a device, attached or not; the lock of its group is held
 * @domain: the default domain of the group
 * Context: process; may sleep.
 */
void dmamap_setup(struct device *dev, struct iommu_domain *domain)
{
	bool ours = iommu_is_dma_domain(domain);
	int ret;

	if (dev_is_pci(dev))
		dev->iommu->pci_32bit_workaround = !iommu_dma_forcedac;

	dev->iommu->dma_blocked = false;
	dev_assign_dma_iommu(dev, ours);
	if (!ours)
		return;
	ret = join_domain(domain, dev);
	if (!ret) {
		dmamap_debugfs_add(domain->iova_cookie);
		dmamap_fault_join(dev);
		dmamap_san_join(domain->iova_cookie, dev);
		return;
	}
	dev_err(dev, "failed to set up DMA through the IOMMU: %d; DMA mapping calls will fail\n",
		ret);
	dev->iommu->dma_blocked = true;
	WRITE_ONCE(dmamap_may_refuse, true);
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
		WRITE_ONCE(dmamap_may_refuse, true);
	dmamap_debugfs_init();
	dmamap_fault_init();
	dmamap_san_init();
	pr_info("dmamap: maps DMA through IOMMUs\n");
	return 0;
}
arch_initcall(dmamap_init);
