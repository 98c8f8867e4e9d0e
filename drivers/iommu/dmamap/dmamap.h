/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Theory of operation: DMA mapping for devices behind an IOMMU.
 *
 * 1. kernel/dma calls the iommu_dma_*() functions of this folder for a device
 *    whose default domain the kernel manages.  They combine an address
 *    (drivers/iommu/iova/), a translation (IOMMU core and driver) and, if the
 *    device must not see the memory itself, a bounce slot (swiotlb.c).
 *
 * 2. The files, from the top down; a call goes from a file to one below it.
 *
 *	cookie.c	life of a domain's state; devices join it
 *	reserve.c	addresses that devices are not given
 *	msi.c		MSI pages: interrupts written through the IOMMU
 *	coherent.c	memory allocated for DMA, and its mapping elsewhere
 *	sg.c		scatterlists
 *	map.c		single buffers and resources
 *	sync.c		ownership of a buffer between CPU and device
 *	bounce.c	bounce slots
 *	range.c		an address range with its translations, made and undone
 *	misuse.c	reports of wrong calls
 *	address.c	which address range
 *	flush_queue.c	ranges that wait for an IOTLB flush
 *	debugfs.c	debugfs files and counters
 *
 * 3. A mapping covers the granules (smallest pages of the IOMMU) that a buffer
 *    touches; the offset in the granule is kept.  An unmap knows the address and
 *    the size.
 *
 * 4. A strict unmap clears the translations and flushes the IOTLB.  Then it
 *    frees the address, detached page table pages and the bounce slot.  In lazy
 *    mode the address and the pages wait in a queue for a flush that began
 *    after the PTEs were cleared (flush_queue.c).  Bounced buffers are unmapped
 *    strictly in a lazy domain, too, because slots are reused at once.
 *
 * 5. An unmap undoes exactly one mapping or is refused (range.c).  A refused one
 *    is reported with device, address, size and what is there instead (misuse.c).
 *    What it was to unmap stays mapped: the driver leaks it.  The unmap of an
 *    address that was unmapped and is in use again with the same size is not
 *    noticed.
 *
 * 6. Locks, outermost first:
 *
 *	iommu_dma_cookie.lock	devices joining; sleeps; memory under it and the
 *				next one is allocated without I/O
 *	iommu_dma_cookie.msi_lock
 *				MSI pages; sleeps.  Interrupts are set up under
 *				cpus_read_lock(): CPU hotplug is not used here
 *	dmamap_ring.lock	a flush queue; interrupts disabled; held neither
 *				for a flush nor to free memory
 *
 *    Mapping, unmapping and syncing of buffers and lists take no other lock of
 *    this folder and work in hard interrupts (not with PREEMPT_RT).  The caller
 *    that destroys a domain ensures that it is not in use.
 */
#ifndef _DMAMAP_H
#define _DMAMAP_H

#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/iova.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include <linux/swiotlb.h>

struct dmamap_fq;
struct dmamap_ring;
struct seq_file;

/* What this layer keeps for a domain. */
struct iommu_dma_cookie {
	struct dmamap_fq *fq;	/* %NULL: strict. Valid until the domain goes */
	struct io_pgtable *lengths; /* of mappings; %NULL if the page table has them */
	unsigned long second_page; /* second smallest page size, or ULONG_MAX */
	struct iova_domain iovad; /* addresses; granule valid from the start */
	bool msi_only;		/* the owner manages all IOVAs but MSI pages */
	bool ready;		/* a device has joined; written under @lock */
	bool may_defer;		/* lazy mode is allowed; under @lock */
	bool shadowed;		/* an IOMMU shadows the table; under @lock */
	dma_addr_t msi_next;	/* next IOVA, if @msi_only; under @msi_lock */
	struct mutex lock;	/* devices joining */
	struct mutex msi_lock;	/* MSI pages */
	struct list_head msi_pages; /* of struct dmamap_msi; under @msi_lock */
	struct list_head reserved; /* of struct dmamap_reserved; under @lock */
	struct dmamap_fq *queue; /* kept if @fq is set back to %NULL */
	struct iommu_domain *domain;
	struct list_head link;	/* in the list for debugfs */
	unsigned int id;	/* number of the domain in debugfs */
	int group;		/* number of the IOMMU group that has joined */
	atomic_t bad_unmaps;	/* unmaps and syncs that were refused */
	atomic_t refused_lazy;	/* requests for lazy mode that were refused */
};

/* Allocations under these locks do no I/O, because I/O may wait for them. */
static inline unsigned int dmamap_lock(struct mutex *lock)
{
	mutex_lock(lock);
	return memalloc_noio_save();
}

static inline void dmamap_unlock(struct mutex *lock, unsigned int noio)
{
	memalloc_noio_restore(noio);
	mutex_unlock(lock);
}

/* cookie.c */
extern bool iommu_dma_forcedac;
DECLARE_STATIC_KEY_FALSE(dmamap_may_refuse);

/* A reserved range, in iommu_dma_cookie.reserved, the youngest first. */
struct dmamap_reserved {
	struct list_head link;
	struct iova *iova;
};

/* reserve.c */
int dmamap_reserve_device(struct iommu_domain *domain, struct device *dev);
void dmamap_unreserve(struct iommu_dma_cookie *cookie, struct list_head *mark);
/* msi.c */
int dmamap_msi_identity(struct iommu_dma_cookie *cookie, phys_addr_t start,
			phys_addr_t last);
void dmamap_msi_forget(struct iommu_dma_cookie *cookie, struct list_head *mark);
/* sync.c */
void dmamap_cache_for_cpu(struct device *dev, phys_addr_t phys, size_t size,
			  enum dma_data_direction dir);
/* bounce.c */
bool dmamap_sg_bounces(struct device *dev, struct scatterlist *sgl, int nents,
		       enum dma_data_direction dir);
phys_addr_t dmamap_bounce(struct device *dev, phys_addr_t phys, size_t size,
			  enum dma_data_direction dir, unsigned long attrs);

/* An unmap in progress. */
struct dmamap_removal {
	struct iommu_domain *domain;
	struct dmamap_ring *ring;	/* %NULL to flush at once */
	struct iommu_iotlb_gather gather; /* IOVAs to flush */
	bool stuck;			/* a part could not be cleared */
};

/* Tests include this file on the stock layer, too, which has no runs. */
#ifdef CONFIG_IOMMU_DMAMAP
/* Memory to map to consecutive IOVAs. */
struct dmamap_runs {
	struct iommu_domain *domain;
	dma_addr_t addr;	/* IOVA of @run; memory before it is mapped */
	int prot;		/* IOMMU_* flags */
	gfp_t gfp;		/* for page tables */
	unsigned int count;	/* elements of @run that wait */
	struct iommu_run run[32];
};

/* range.c */
int dmamap_runs_flush(struct dmamap_runs *runs, bool last);

/**
 * dmamap_runs_start - prepare to map runs as one mapping
 * @runs: gets all but @run and @count
 * @domain: the domain
 * @addr: where the first one goes
 * @prot: IOMMU_* flags
 * @gfp: for page tables
 */
static inline void dmamap_runs_start(struct dmamap_runs *runs,
				     struct iommu_domain *domain,
				     dma_addr_t addr, int prot, gfp_t gfp)
{
	runs->domain = domain;
	runs->addr = addr;
	runs->prot = domain->ops->unmap_exact ? prot | IOMMU_OWNED : prot;
	runs->gfp = gfp;
}

/**
 * dmamap_runs_add - add memory behind the last run; if @runs is full, map it first
 * @runs: the memory so far
 * @phys: first byte, at a granule
 * @size: bytes, whole granules
 * Return: 0, or an error of dmamap_runs_flush().
 */
static __always_inline int dmamap_runs_add(struct dmamap_runs *runs,
					   phys_addr_t phys, size_t size)
{
	struct iommu_run *next = runs->run + runs->count;
	int ret;

	if (runs->count && next[-1].phys + next[-1].size == phys) {
		next[-1].size += size;
		return 0;
	}
	if (unlikely(runs->count == ARRAY_SIZE(runs->run))) {
		ret = dmamap_runs_flush(runs, false);
		if (unlikely(ret))
			return ret;
		next = runs->run;
	}
	next->phys = phys;
	next->size = size;
	runs->count++;
	return 0;
}
#endif

int dmamap_run_sync(struct iommu_domain *domain, dma_addr_t addr, size_t size);
bool dmamap_record(struct iommu_dma_cookie *cookie, dma_addr_t addr,
		   size_t size, bool gaps);
dma_addr_t dmamap_range_map(struct device *dev, phys_addr_t phys, size_t size,
			    int prot);
bool dmamap_range_unmap(struct device *dev, dma_addr_t addr, size_t size,
			bool strict);
bool dmamap_removal_start(struct dmamap_removal *removal, struct device *dev,
			  dma_addr_t addr, size_t size, bool gaps, bool strict);
bool dmamap_removal_end(struct dmamap_removal *removal, struct device *dev,
			dma_addr_t addr, size_t size);

/* misuse.c */
void dmamap_misuse(struct device *dev, const char *call, dma_addr_t addr,
		   size_t size, const char *found);
int dmamap_misuses_show(struct seq_file *m, void *unused);

/* The memory that an address range will be mapped to. */
struct dmamap_target {
	phys_addr_t phys;
	size_t piece;		/* bytes in one piece; 0: align to the size */
	unsigned long boundary;	/* mask of the segment boundary */
};

/* address.c */
dma_addr_t dmamap_address_alloc(struct iommu_domain *domain, struct device *dev,
				size_t size, u64 limit,
				const struct dmamap_target *target);
void dmamap_address_free(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			 size_t size);

#ifndef CONFIG_IOVA_GAP_TREE
/* The stock allocator has none of these. */
static inline void iova_drain(struct iova_domain *iovad) { }
static inline unsigned int iova_debugfs_id(const struct iova_domain *iovad)
{
	return 0;
}

/* It does not tell why a request failed. */
static inline bool iova_has_room(struct iova_domain *iovad, unsigned long size,
				 unsigned long limit_pfn)
{
	return false;
}
#endif

/* A snapshot of a flush queue. */
struct dmamap_fq_state {
	unsigned long entries;	/* ranges that wait */
	unsigned int rings;	/* CPUs that have a ring */
	unsigned long age;	/* longest time with an entry, in jiffies */
	unsigned int flushes;	/* flushes of the domain so far */
};

/* flush_queue.c */
int dmamap_fq_init(void);
struct dmamap_fq *dmamap_fq_create(struct iommu_domain *domain,
				   struct iova_domain *iovad, bool single);
void dmamap_fq_stop(struct dmamap_fq *fq);
void dmamap_fq_destroy(struct dmamap_fq *fq);
struct dmamap_ring *dmamap_fq_ring(struct dmamap_fq *fq);
void dmamap_fq_add(struct dmamap_ring *ring, unsigned long pfn,
		   unsigned long pages, struct list_head *tables);
void dmamap_fq_drain(struct dmamap_fq *fq);
void dmamap_fq_look(struct dmamap_fq *fq, struct dmamap_fq_state *state);

/* Ranges mapped and unmapped, and buffers bounced, by a CPU while counting. */
struct dmamap_counts {
	u64 maps;
	u64 unmaps;
	u64 bounces;
	u64 bounced_bytes;
};

/* debugfs.c */
DECLARE_STATIC_KEY_FALSE(dmamap_counting);
DECLARE_PER_CPU(struct dmamap_counts, dmamap_counts);

#ifdef CONFIG_DEBUG_FS
void dmamap_debugfs_init(void);
void dmamap_debugfs_add(struct iommu_dma_cookie *cookie);
void dmamap_debugfs_del(struct iommu_dma_cookie *cookie);
#else
static inline void dmamap_debugfs_init(void) { }
static inline void dmamap_debugfs_add(struct iommu_dma_cookie *cookie) { }
static inline void dmamap_debugfs_del(struct iommu_dma_cookie *cookie) { }
#endif

/* Count, if it is switched on in debugfs; otherwise this is a nop. */
#define dmamap_count(what, by)						\
do {									\
	if (static_branch_unlikely(&dmamap_counting))			\
		this_cpu_add(dmamap_counts.what, by);			\
} while (0)

/**
 * dmamap_cookie - the cookie of a device's default domain
 * @dev: a device whose domain is managed here
 */
static inline struct iommu_dma_cookie *dmamap_cookie(struct device *dev)
{
	return iommu_get_dma_domain(dev)->iova_cookie;
}

/**
 * dmamap_boundary - the segment boundary to respect
 * @mask: dma_get_seg_boundary() of a device
 * Return: @mask, rounded down to 2^n - 1 because drivers may set other values.
 */
static inline unsigned long dmamap_boundary(unsigned long mask)
{
	if (likely(!(mask & (mask + 1))))
		return mask;
	return BIT(__fls(mask + 1)) - 1;
}

/**
 * dmamap_untrusted - must the device see nothing but its buffers?
 * @dev: a device
 */
static inline bool dmamap_untrusted(struct device *dev)
{
	return dev_is_pci(dev) && to_pci_dev(dev)->untrusted;
}

/**
 * dmamap_may_bounce - must a buffer bounce, unless it fills its granules?
 * @dev: a device
 * @size: bytes of the buffer
 * @dir: direction of the transfer
 */
static inline bool dmamap_may_bounce(struct device *dev, size_t size,
				     enum dma_data_direction dir)
{
	return IS_ENABLED(CONFIG_SWIOTLB) &&
	       (dmamap_untrusted(dev) ||
		dma_kmalloc_needs_bounce(dev, size, dir));
}

/**
 * dmamap_prot - access of the device to a mapping
 * @dir: direction of the transfers
 * @coherent: the device snoops the caches of the CPUs
 * @attrs: DMA_ATTR_* of the mapping
 * Return: IOMMU_* flags; 0 for an unknown direction.
 */
static inline int dmamap_prot(enum dma_data_direction dir, bool coherent,
			      unsigned long attrs)
{
	int prot = 0;

	if (dir == DMA_TO_DEVICE || dir == DMA_BIDIRECTIONAL)
		prot |= IOMMU_READ;
	if (dir == DMA_FROM_DEVICE || dir == DMA_BIDIRECTIONAL)
		prot |= IOMMU_WRITE;
	if (!prot)
		return 0;
	if (coherent)
		prot |= IOMMU_CACHE;
	if (attrs & DMA_ATTR_PRIVILEGED)
		prot |= IOMMU_PRIV;
	return prot;
}

/**
 * dmamap_check_device - attach a device in a crash kernel at its first map
 * @dev: the device
 * @domain: its default domain
 *
 * Until then DMA that the crashed kernel started does not fault.
 * Context: any.
 * Return: 0; -EPERM for a device that is blocked (see cookie.c) or removed, or
 * an error of the IOMMU driver.
 */
static inline int dmamap_check_device(struct device *dev,
				      struct iommu_domain *domain)
{
	if (!static_branch_unlikely(&dmamap_may_refuse))
		return 0;
#ifdef CONFIG_IOMMU_DMAMAP
	/* A removed device has no dev->iommu. */
	if (!dev->iommu || dev->iommu->dma_blocked)
		return -EPERM;
#endif
	return iommu_deferred_attach(dev, domain);
}

/**
 * dmamap_phys - look an IOVA up in the page table
 * @domain: the domain
 * @addr: the IOVA
 *
 * iommu_iova_to_phys() returns 0 for a hole and for physical address 0. The
 * lookup of the next byte tells them apart.
 * Context: any.
 * Return: the physical address, PHYS_ADDR_MAX if @addr is not mapped.
 */
static inline phys_addr_t dmamap_phys(struct iommu_domain *domain,
				      dma_addr_t addr)
{
	phys_addr_t phys = iommu_iova_to_phys(domain, addr);

	if (unlikely(!phys) && !iommu_iova_to_phys(domain, addr | 1))
		return PHYS_ADDR_MAX;
	return phys;
}

#endif /* _DMAMAP_H */
