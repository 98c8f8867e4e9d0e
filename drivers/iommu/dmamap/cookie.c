// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a domain's state, and of a device in it.
 *
 * Theory of operation
 * ===================
 *
 * 1. The IOMMU core gives each domain that is to be managed here a cookie,
 *    empty at first. The first device that joins decides what the addresses
 *    of the domain are like: granule and lowest address. Later ones must agree.
 *
 * 2. Each device that joins adds its reservations. A device that cannot join
 *    leaves everything as it was, for the first that means an empty cookie, and
 *    the same or another device can try again.
 *
 * 3. A lazy domain lets a device go on reading and writing for a while what it
 *    was to lose. That is for devices that are trusted, and for IOMMUs that
 *    can invalidate later. One device of another kind makes the domain strict
 *    and keeps it so, whatever is asked for by sysfs.
 *
 * 4. Address 0 is never given out, since drivers and this layer take it for
 *    none.
 */

#include <linux/crash_dump.h>
#include <linux/dma-direct.h>
#include <linux/export.h>
#include <linux/slab.h>

#include "../dma-iommu.h"
#include "dmamap.h"

DEFINE_STATIC_KEY_FALSE(dmamap_deferred_attach);

/*
 * An idle lazy domain is this, a flush queue (192), a pointer for each CPU, and
 * what the allocator takes: 2 KiB and 256 bytes for each CPU in all. (Where
 * cache lines are longer, the allocator's lock has more room to itself.)
 */
static_assert(IS_ENABLED(CONFIG_DEBUG_SPINLOCK) || SMP_CACHE_BYTES > 64 ||
	      !IS_ENABLED(CONFIG_IOVA_GAP_TREE) ||
	      sizeof(struct iommu_dma_cookie) <= 512);

/* iommu.forcedac: PCI devices get addresses above 4 GiB from the start. */
bool iommu_dma_forcedac __read_mostly;

static int __init forcedac_setup(char *arg)
{
	int err = kstrtobool(arg, &iommu_dma_forcedac);

	if (iommu_dma_forcedac && !err)
		pr_info("dmamap: no preference for addresses below 4 GiB\n");
	return err;
}
early_param("iommu.forcedac", forcedac_setup);

static struct iommu_dma_cookie *cookie_create(struct iommu_domain *domain,
					      enum dmamap_kind kind)
{
	struct iommu_dma_cookie *cookie = kzalloc(sizeof(*cookie), GFP_KERNEL);

	if (!cookie)
		return NULL;
	cookie->kind = kind;
	cookie->domain = domain;
	mutex_init(&cookie->lock);
	mutex_init(&cookie->doorbell_lock);
	INIT_LIST_HEAD(&cookie->doorbells);
	INIT_LIST_HEAD(&cookie->reserved);
	return cookie;
}

/**
 * iommu_get_dma_cookie - prepare a domain for the DMA API
 * @domain: the domain
 *
 * Context: process; may sleep.
 * Return: 0; -EEXIST when the domain has a cookie, -ENOMEM.
 */
int iommu_get_dma_cookie(struct iommu_domain *domain)
{
	if (domain->iova_cookie)
		return -EEXIST;
	domain->iova_cookie = cookie_create(domain, DMAMAP_IOVA);
	return domain->iova_cookie ? 0 : -ENOMEM;
}

/**
 * iommu_get_msi_cookie - prepare a domain for interrupts only
 * @domain: a domain whose owner manages its addresses
 * @base: where doorbells may be mapped: as many pages from here on as the
 *	devices of the domain have doorbells
 *
 * Context: process; may sleep.
 * Return: 0; -EINVAL for another type of domain, -EEXIST when it has a cookie,
 * -ENOMEM.
 */
int iommu_get_msi_cookie(struct iommu_domain *domain, dma_addr_t base)
{
	struct iommu_dma_cookie *cookie = NULL;
	int ret = -EINVAL;

	if (domain->type == IOMMU_DOMAIN_UNMANAGED)
		ret = domain->iova_cookie ? -EEXIST : 0;
	if (!ret) {
		cookie = cookie_create(domain, DMAMAP_MSI);
		ret = cookie ? 0 : -ENOMEM;
	}
	if (cookie) {
		cookie->msi_next = base;
		domain->iova_cookie = cookie;
	}
	return ret;
}
EXPORT_SYMBOL(iommu_get_msi_cookie);

/* What init_addresses() and joining devices made. */
static void drop_addresses(struct iommu_dma_cookie *cookie)
{
	dmamap_fq_stop(cookie->queue);
	put_iova_domain(&cookie->iovad);
	dmamap_fq_destroy(cookie->queue);
	dmamap_reserved_forget(cookie);
	memset(&cookie->iovad, 0, sizeof(cookie->iovad));
	cookie->fq = NULL;
	cookie->queue = NULL;
	cookie->shadowed = false;
	cookie->ready = false;
}

/**
 * iommu_put_dma_cookie - free what a domain has of this layer
 * @domain: a domain that nobody uses any more
 *
 * Doorbells are not unmapped: the page table goes, too.
 *
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
	dmamap_doorbells_forget(cookie, &cookie->doorbells);
	domain->iova_cookie = NULL;
	kfree(cookie);
}

/* What waits above the allocator; for iova_domain.drain. */
static void __maybe_unused drain_queue(struct iova_domain *iovad)
{
	struct iommu_dma_cookie *cookie;
	struct dmamap_fq *queue;

	cookie = container_of(iovad, struct iommu_dma_cookie, iovad);
	queue = READ_ONCE(cookie->queue);
	if (queue)
		dmamap_fq_drain(queue);
}

static int init_addresses(struct iommu_dma_cookie *cookie,
			  unsigned long granule, unsigned long base_pfn)
{
	struct iova_domain *iovad = &cookie->iovad;
	unsigned long larger;
	int ret;

	larger = cookie->domain->pgsize_bitmap & ~granule;
	cookie->second_page = larger ? 1UL << __ffs(larger) : ~0UL;
	init_iova_domain(iovad, granule, base_pfn);
#ifdef CONFIG_IOVA_GAP_TREE
	iovad->drain = drain_queue;
#endif
	ret = iova_domain_init_rcaches(iovad);
	if (ret) {
		put_iova_domain(iovad);
		return ret;
	}
	cookie->may_defer = true;
	return 0;
}

static int make_queue(struct iommu_dma_cookie *cookie)
{
	struct dmamap_fq *fq;

	fq = dmamap_fq_create(cookie->domain, &cookie->iovad,
			      cookie->shadowed);
	if (!fq) {
		pr_warn("dmamap: no memory for a flush queue, unmaps stay strict\n");
		return -ENOMEM;
	}
	WRITE_ONCE(cookie->queue, fq);
	return 0;
}

/* May a domain with this device be lazy? */
static bool device_may_defer(struct device *dev)
{
	return !dmamap_untrusted(dev) &&
	       device_iommu_capable(dev, IOMMU_CAP_DEFERRED_FLUSH);
}

/* Make the domain what its type and its devices allow. */
static void settle_laziness(struct iommu_dma_cookie *cookie, struct device *dev)
{
	struct iommu_domain *domain = cookie->domain;
	bool lazy = domain->type == IOMMU_DOMAIN_DMA_FQ;

	if (!device_may_defer(dev))
		cookie->may_defer = false;
	if (dev->iommu->shadow_on_flush)
		cookie->shadowed = true;
	if (lazy && cookie->may_defer && !cookie->queue &&
	    make_queue(cookie))
		lazy = false;
	if (lazy && !cookie->may_defer) {
		atomic_inc(&cookie->refused_lazy);
		dev_info(dev, "is not one to defer invalidations for: unmaps are strict\n");
		lazy = false;
	}
	if (lazy) {
		/* Who reads it sees a complete queue. */
		smp_store_release(&cookie->fq, cookie->queue);
	} else if (domain->type == IOMMU_DOMAIN_DMA_FQ) {
		domain->type = IOMMU_DOMAIN_DMA;
		WRITE_ONCE(cookie->fq, NULL);
	}
}

/**
 * iommu_dma_init_fq - make the unmaps of a domain lazy
 * @domain: the domain; the lock of its group is held
 *
 * For a domain in use; unmaps that run meanwhile may still be strict.
 *
 * Context: process; may sleep.
 * Return: 0, also when they are; -EINVAL for a domain without devices, -EPERM
 * when one of its devices is untrusted or behind an IOMMU that cannot defer,
 * -ENOMEM.
 */
int iommu_dma_init_fq(struct iommu_domain *domain)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	int ret = 0;

	mutex_lock(&cookie->lock);
	if (cookie->fq)
		goto unlock;
	if (!cookie->ready) {
		ret = -EINVAL;
	} else if (!cookie->may_defer) {
		atomic_inc(&cookie->refused_lazy);
		ret = -EPERM;
	} else if (!cookie->queue) {
		ret = make_queue(cookie);
	}
	if (ret)
		goto unlock;
	/* Who reads it sees a complete queue. */
	smp_store_release(&cookie->fq, cookie->queue);
unlock:
	mutex_unlock(&cookie->lock);
	return ret;
}

/* Can the device reach any of what the domain translates? */
static bool device_fits(struct iommu_domain *domain, struct device *dev)
{
	const struct bus_dma_region *map = dev->dma_range_map;

	return !map || (dma_range_map_min(map) <= domain->geometry.aperture_end &&
			dma_range_map_max(map) >= domain->geometry.aperture_start);
}

static int group_number(struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);
	int number = group ? iommu_group_id(group) : -1;

	iommu_group_put(group);
	return number;
}

static int join_domain(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned long granule = 1UL << __ffs(domain->pgsize_bitmap);
	unsigned int old_type = domain->type;
	unsigned long base_pfn;
	bool first;
	int ret;

	if (!cookie || cookie->kind != DMAMAP_IOVA)
		return -EINVAL;
	if (granule > PAGE_SIZE) {
		dev_warn(dev, "the IOMMU's smallest page is larger than the CPU's\n");
		return -EINVAL;
	}
	if (!device_fits(domain, dev)) {
		dev_warn(dev, "its DMA ranges are outside what the IOMMU translates\n");
		return -EFAULT;
	}
	base_pfn = max_t(unsigned long, 1,
			 domain->geometry.aperture_start / granule);

	mutex_lock(&cookie->lock);
	first = !cookie->ready;
	if (first) {
		ret = init_addresses(cookie, granule, base_pfn);
		if (ret)
			goto unlock;
	} else if (cookie->iovad.granule != granule ||
		   cookie->iovad.start_pfn != base_pfn) {
		dev_warn(dev, "does not fit the addresses of its DMA domain\n");
		ret = -EFAULT;
		goto unlock;
	}

	ret = dmamap_reserve_device(domain, dev);
	if (ret) {
		if (first)
			drop_addresses(cookie);
		domain->type = old_type;
		goto unlock;
	}
	/* Who reads it sees addresses to take doorbells' from. */
	smp_store_release(&cookie->ready, true);
	settle_laziness(cookie, dev);
	if (first)
		cookie->group = group_number(dev);
unlock:
	mutex_unlock(&cookie->lock);
	/* Not under the lock: a reader takes it while it looks at the list. */
	if (first && !ret)
		dmamap_debugfs_add(cookie);
	return ret;
}

/**
 * iommu_setup_dma_ops - have a device's DMA mapped here, if its domain is ours
 * @dev: a device that was just attached to its default domain
 *
 * Context: process; may sleep.
 */
void iommu_setup_dma_ops(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	int ret = 0;

	if (dev_is_pci(dev))
		dev->iommu->pci_32bit_workaround = !iommu_dma_forcedac;

	dev->dma_iommu = iommu_is_dma_domain(domain);
	if (dev->dma_iommu)
		ret = join_domain(domain, dev);
	if (ret) {
		dev->dma_iommu = false;
		dev_warn(dev, "no DMA mapping through its IOMMU (%d), the platform's is left\n",
			 ret);
	}
}

static int __init dmamap_init(void)
{
	int ret;

	ret = iova_cache_get();
	if (ret)
		return ret;
	if (dmamap_fq_init())
		pr_warn("dmamap: no memory for flush queues, all unmaps are strict\n");
	if (is_kdump_kernel())
		static_branch_enable(&dmamap_deferred_attach);
	dmamap_debugfs_init();
	pr_info("dmamap: maps DMA through IOMMUs\n");
	return 0;
}
arch_initcall(dmamap_init);
