/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Theory of operation: DMA mapping for devices behind an IOMMU.
 *
 * 1. kernel/dma calls the iommu_dma_*() functions of this folder for a device
 *    whose default domain the kernel manages.  They combine an IOVA
 *    (drivers/iommu/iova/), a translation (IOMMU core and driver) and, if the
 *    device must not access the memory itself, a bounce slot (swiotlb.c).
 *
 * 2. These are the files.  A file calls those below it.
 *
 *	entry.c		entry points that differ from kernel to kernel
 *	cookie.c	state of a domain, and the devices that join it
 *	reserve.c	IOVAs that devices are not given
 *	msi.c		MSI pages: interrupts written through the IOMMU
 *	coherent.c	memory allocated for DMA, and its other mappings
 *	sg.c		scatterlists
 *	map.h, map.c	single buffers and registers
 *	bounce.c	bounce slots
 *	two_step.c	ranges that are linked to memory piece by piece
 *	sync.c		cache maintenance, and copies from and to bounce slots
 *	range.c		maps and unmaps an IOVA range
 *	misuse.c	reports of wrong calls
 *	address.c	chooses an IOVA range
 *	flush_queue.c	unmapped ranges that wait for an IOTLB flush
 *	fault.c		reports of faults
 *	sanitize.c	guards and quarantine (sanitize.h)
 *	records.c	who mapped what
 *	debugfs.c	debugfs files and counters
 *	base.h, table.h	what the files need from this version of the kernel
 *
 * 3. A mapping covers the granules (smallest pages of the IOMMU) that a buffer
 *    touches.  The offset in the first granule is kept.  The caller of an unmap
 *    passes address and size.
 *
 * 4. A strict unmap clears the PTEs and flushes the IOTLB.  Then it frees the
 *    IOVA, detached page table pages and the bounce slot.  In lazy mode the IOVA
 *    and the page table pages wait in a queue for a flush that begins after the
 *    PTEs were cleared (flush_queue.c).  Bounced buffers are unmapped strictly in
 *    a lazy domain, too, because slots are reused at once.
 *
 * 5. An unmap undoes exactly one mapping or is refused (range.c).  misuse.c
 *    reports a refused one with device, address, size and what is mapped there.
 *    The mapping stays, so the driver leaks it.  The layer does not detect the
 *    unmap of an address that was unmapped before, and that is in use again with
 *    the same size.
 *
 * 6. Locks, outermost first:
 *
 *	iommu_dma_cookie.lock	devices that join
 *	iommu_dma_cookie.msi_lock
 *				MSI pages.  Callers may hold cpus_read_lock(),
 *				so do not take it under this lock
 *	dmamap_ring.lock	a flush queue, with interrupts disabled.  It is
 *				not held to flush or to free memory
 *
 *    The sanitizer has locks inside these (sanitize.h).
 *
 *    The first two are mutexes.  Memory under them is allocated without I/O,
 *    because that I/O may wait for them.  To map, unmap or sync a buffer or list
 *    takes only the third, and works in hard interrupts (not with PREEMPT_RT).
 *    The caller that destroys a domain ensures that it is not in use.
 */
#ifndef _DMAMAP_H
#define _DMAMAP_H

#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/iova.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include <linux/swiotlb.h>
#include "../io-pgtable/lengths.h"
#include "base.h"

struct dmamap_fq;
struct dmamap_ring;
struct dmamap_san;
struct seq_file;

/* The state of a domain. */
struct iommu_dma_cookie {
	struct dmamap_fq *fq;	/* @queue if lazy, %NULL if strict */
	struct io_pgtable *lengths; /* mapping sizes; %NULL: the page table has them */
	unsigned long second_page; /* second smallest page size, or ULONG_MAX */
	struct iova_domain iovad; /* granule valid from the start */
	bool msi_only;		/* the owner manages all IOVAs but MSI pages */
	bool ready;		/* a device has joined; written under @lock */
	bool may_defer;		/* lazy mode is allowed; under @lock */
	bool shadowed;		/* an IOMMU shadows the table; under @lock */
	dma_addr_t msi_next;	/* next IOVA, if @msi_only; under @msi_lock */
	struct mutex lock;	/* devices that join */
	struct mutex msi_lock;	/* MSI pages */
	struct list_head msi_pages; /* of struct dmamap_msi; under @msi_lock */
	struct list_head reserved; /* of struct dmamap_reserved; under @lock */
	struct dmamap_fq *queue; /* stays until the domain is destroyed */
	struct iommu_domain *domain;
	struct list_head link;	/* in the list for debugfs */
	unsigned int id;	/* number of the domain in debugfs */
	int group;		/* number of the IOMMU group */
	atomic_t bad_unmaps;	/* unmaps and syncs that were refused */
	atomic_t refused_lazy;	/* requests for lazy mode that were refused */
#ifdef CONFIG_IOMMU_DMA_SANITIZER
	struct dmamap_san *san;	/* stays until the domain is destroyed, or %NULL */
#endif
};

/* Hold a mutex of a cookie, and allocate without I/O. */
DEFINE_LOCK_GUARD_1(dmamap_noio, struct mutex,
		    (mutex_lock(_T->lock), _T->noio = memalloc_noio_save()),
		    (memalloc_noio_restore(_T->noio), mutex_unlock(_T->lock)),
		    unsigned int noio)

/* cookie.c */
extern bool iommu_dma_forcedac;
extern bool dmamap_may_refuse;
void dmamap_setup(struct device *dev, struct iommu_domain *domain);

/* A reserved range, in iommu_dma_cookie.reserved. The youngest is the first. */
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
void dmamap_cache(struct device *dev, phys_addr_t phys, size_t size,
		  enum dma_data_direction dir, bool for_cpu);

/* Complete the cache maintenance of this CPU. */
static inline void dmamap_cache_flush(struct device *dev)
{
	if (!dev_is_dma_coherent(dev))
		dmamap_complete_caches(dev);
}

/* bounce.c */
bool dmamap_sg_bounces(struct device *dev, struct scatterlist *sgl, int nents,
		       enum dma_data_direction dir);
phys_addr_t dmamap_bounce(struct device *dev, phys_addr_t phys, size_t size,
			  enum dma_data_direction dir, unsigned long attrs);

/* An unmap in progress. */
struct dmamap_removal {
	struct iommu_domain *domain;
	struct dmamap_ring *ring;	/* %NULL: flush at once */
	struct iommu_iotlb_gather gather; /* IOVAs to flush */
	bool stuck;			/* a part was not cleared */
};

/* Tests of the stock layer include this file, too. It has no struct iommu_run. */
#ifdef CONFIG_IOMMU_DMAMAP
#include "table.h"

/* Memory to map to consecutive IOVAs. */
struct dmamap_runs {
	struct iommu_domain *domain;
	dma_addr_t addr;	/* IOVA of @run[0]; lower ones are mapped */
	int prot;		/* IOMMU_* flags */
	gfp_t gfp;		/* for page tables */
	unsigned int count;	/* elements of @run that are not mapped yet */
	struct iommu_run run[32];
};

/* range.c */
int dmamap_runs_flush(struct dmamap_runs *runs, bool last);

/**
 * dmamap_runs_start - prepare to map runs as one mapping
 * @runs: the runs; all members but @run and @count are set
 * @domain: the domain
 * @addr: IOVA of the first run
 * @prot: IOMMU_* flags
 * @gfp: for page tables
 */
static inline void dmamap_runs_start(struct dmamap_runs *runs,
				     struct iommu_domain *domain,
				     dma_addr_t addr, int prot, gfp_t gfp)
{
	runs->domain = domain;
	runs->addr = addr;
	runs->prot = dmamap_has_bounds(domain) ? prot | IOMMU_OWNED : prot;
	runs->gfp = gfp;
}

/**
 * dmamap_runs_add - add memory behind the last run
 * @runs: the runs; if there is no space for another one, they are mapped first
 * @phys: physical address, at a granule
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

/* The memory that an IOVA range will be mapped to. */
struct dmamap_target {
	phys_addr_t phys;
	size_t piece;		/* contiguous bytes at @phys; 0: align to the size */
	unsigned long boundary;	/* mask of the segment boundary */
};

/* address.c */
dma_addr_t dmamap_address_alloc(struct iommu_domain *domain, struct device *dev,
				size_t size, u64 limit,
				const struct dmamap_target *target);
void dmamap_address_free(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			 size_t size);
void dmamap_return_address(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			   size_t size);

#ifndef CONFIG_IOVA_GAP_TREE
/* The stock allocator lacks these functions. */
static inline void iova_drain(struct iova_domain *iovad) { }
static inline unsigned int iova_debugfs_id(const struct iova_domain *iovad)
{
	return 0;
}

/* The stock allocator does not tell why a request failed. */
static inline bool iova_has_room(struct iova_domain *iovad, unsigned long size,
				 unsigned long limit_pfn)
{
	return false;
}
#endif

/* A snapshot of a flush queue. */
struct dmamap_fq_state {
	unsigned long entries;	/* ranges that wait */
	unsigned int rings;	/* number of rings */
	unsigned long age;	/* jiffies since a ring was empty, the most */
	unsigned int flushes;	/* flushes of the domain so far */
};

/* flush_queue.c */
int dmamap_fq_init(void);
struct dmamap_fq *dmamap_fq_create(struct iommu_domain *domain,
				   struct iova_domain *iovad, bool single);
void dmamap_fq_destroy(struct dmamap_fq *fq);
struct dmamap_ring *dmamap_fq_ring(struct dmamap_fq *fq);
void dmamap_fq_add(struct dmamap_ring *ring, unsigned long pfn,
		   unsigned long pages, struct iommu_pages_list *tables);
void dmamap_fq_drain(struct dmamap_fq *fq);
void dmamap_fq_look(struct dmamap_fq *fq, struct dmamap_fq_state *state);
bool dmamap_fq_holds(struct dmamap_fq *fq, unsigned long pfn);
u32 dmamap_fq_defer(struct dmamap_ring *ring, struct iommu_pages_list *tables);
bool dmamap_fq_flushed(struct dmamap_fq *fq, u32 started);
void dmamap_fq_flush(struct dmamap_fq *fq);

/**
 * dmamap_removal_init - prepare a removal, without a mapping to claim
 * @removal: the removal
 * @domain: the domain
 * @strict: flush the IOTLB at the end, even in a lazy domain
 * Context: any.
 */
static __always_inline void
dmamap_removal_init(struct dmamap_removal *removal,
		    struct iommu_domain *domain, bool strict)
{
	struct dmamap_fq *fq = READ_ONCE(domain->iova_cookie->fq);

	removal->domain = domain;
	removal->ring = fq && !strict ? dmamap_fq_ring(fq) : NULL;
	removal->stuck = false;
	iommu_iotlb_gather_init(&removal->gather);
	removal->gather.queued = removal->ring;
}

/**
 * dmamap_removal_clear - clear PTEs without a look at the bounds of mappings
 * @removal: the removal
 * @addr: first IOVA
 * @size: bytes, whole granules, which meet
 * Context: any.
 */
static inline void dmamap_removal_clear(struct dmamap_removal *removal,
					dma_addr_t addr, size_t size)
{
	removal->stuck |= iommu_unmap_fast(removal->domain, addr, size,
					   &removal->gather) != size;
}

/* Counted by a CPU while "counting" in debugfs is 1. */
struct dmamap_counts {
	u64 maps;
	u64 unmaps;
	u64 bounces;
	u64 bounced_bytes;
};

/* fault.c */
void dmamap_explain(struct iommu_dma_cookie *cookie, dma_addr_t addr);
void dmamap_fault_join(struct device *dev);
void dmamap_fault_init(void);

/* debugfs.c */
DECLARE_STATIC_KEY_FALSE(dmamap_watching);
extern bool dmamap_counting;
DECLARE_PER_CPU(struct dmamap_counts, dmamap_counts);

#ifdef CONFIG_DEBUG_FS
void dmamap_debugfs_init(void);
void dmamap_debugfs_add(struct iommu_dma_cookie *cookie);
void dmamap_debugfs_del(struct iommu_dma_cookie *cookie);
const char *dmamap_debugfs_describe(struct device *dev, u64 addr);
#else
static inline void dmamap_debugfs_init(void) { }
static inline void dmamap_debugfs_add(struct iommu_dma_cookie *cookie) { }
static inline void dmamap_debugfs_del(struct iommu_dma_cookie *cookie) { }
static inline const char *dmamap_debugfs_describe(struct device *dev, u64 addr)
{
	return NULL;
}
#endif

/* Count if "counting" in debugfs is 1. Otherwise this is a nop. */
#define dmamap_count(what, by)						\
do {									\
	if (static_branch_unlikely(&dmamap_watching) &&			\
	    READ_ONCE(dmamap_counting))					\
		this_cpu_add(dmamap_counts.what, by);			\
} while (0)

/* What is beside a bounced buffer */
#define DMAMAP_CANARY	0xca

#ifdef CONFIG_IOMMU_DMA_SANITIZER
/* sanitize.c */
dma_addr_t dmamap_watched_alloc(struct iommu_domain *domain, struct device *dev,
				size_t size, u64 limit,
				const struct dmamap_target *target, int prot);
void dmamap_watched_exact(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			  unsigned int offset, size_t bytes);
bool dmamap_watched_free(struct iommu_dma_cookie *cookie, dma_addr_t addr);
bool dmamap_watched_unmap(struct dmamap_removal *removal, struct device *dev,
			  dma_addr_t addr);
bool dmamap_san_full(struct iommu_dma_cookie *cookie);
void dmamap_watched_slot(struct device *dev, dma_addr_t addr, phys_addr_t phys);
void dmamap_san_drain(struct iommu_dma_cookie *cookie);
void dmamap_san_join(struct iommu_dma_cookie *cookie, struct device *dev);
void dmamap_san_destroy(struct iommu_dma_cookie *cookie);
void dmamap_san_init(void);
/* address.c */
dma_addr_t dmamap_address_alloc_guarded(struct iommu_domain *domain,
					struct device *dev, size_t size,
					u64 limit);
#else
static inline dma_addr_t
dmamap_watched_alloc(struct iommu_domain *domain, struct device *dev,
		     size_t size, u64 limit,
		     const struct dmamap_target *target, int prot)
{
	dma_addr_t addr = dmamap_address_alloc(domain, dev, size, limit, target);

	if (addr)
		this_cpu_inc(dmamap_counts.maps);
	return addr;
}

static inline void dmamap_watched_exact(struct iommu_dma_cookie *cookie,
					dma_addr_t addr, unsigned int offset,
					size_t bytes)
{
}

static inline bool dmamap_watched_free(struct iommu_dma_cookie *cookie,
				       dma_addr_t addr)
{
	return false;
}

static inline bool dmamap_watched_unmap(struct dmamap_removal *removal,
					struct device *dev, dma_addr_t addr)
{
	this_cpu_inc(dmamap_counts.unmaps);
	return false;
}

static inline bool dmamap_san_full(struct iommu_dma_cookie *cookie)
{
	return false;
}

static inline void dmamap_watched_slot(struct device *dev, dma_addr_t addr,
				       phys_addr_t phys) { }
static inline void dmamap_san_drain(struct iommu_dma_cookie *cookie) { }
static inline void dmamap_san_join(struct iommu_dma_cookie *cookie,
				   struct device *dev) { }
static inline void dmamap_san_destroy(struct iommu_dma_cookie *cookie) { }
static inline void dmamap_san_init(void) { }
#endif

/**
 * dmamap_take_address - allocate an IOVA range for a mapping
 * @domain: domain of @dev
 * @dev: the device
 * @size: bytes, a multiple of the granule, not 0
 * @limit: highest address that the device can use
 * @target: the memory that the range will be mapped to
 * @prot: IOMMU_* flags
 * Context: any.
 * Return: the lowest IOVA, or 0.
 */
static __always_inline dma_addr_t
dmamap_take_address(struct iommu_domain *domain, struct device *dev,
		    size_t size, u64 limit, const struct dmamap_target *target,
		    int prot)
{
	if (static_branch_unlikely(&dmamap_watching))
		return dmamap_watched_alloc(domain, dev, size, limit, target,
					    prot);
	return dmamap_address_alloc(domain, dev, size, limit, target);
}

/**
 * dmamap_cookie - the cookie of a device's default domain
 * @dev: a device whose domain is managed here
 */
static inline struct iommu_dma_cookie *dmamap_cookie(struct device *dev)
{
	return iommu_get_dma_domain(dev)->iova_cookie;
}

/**
 * dmamap_boundary - the segment boundary of a device
 * @mask: its dma_get_seg_boundary()
 * Return: @mask, rounded down to 2^n - 1. Drivers may set other values.
 */
static inline unsigned long dmamap_boundary(unsigned long mask)
{
	if (likely(!(mask & (mask + 1))))
		return mask;
	return BIT(__fls(mask + 1)) - 1;
}

/**
 * dmamap_untrusted - must the device be kept from all memory but its buffers?
 * @dev: a device
 */
static inline bool dmamap_untrusted(struct device *dev)
{
	return dev_is_pci(dev) && to_pci_dev(dev)->untrusted;
}

/**
 * dmamap_may_bounce - must a buffer bounce if it does not fill its granules?
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
 * dmamap_prot - IOMMU flags of a mapping
 * @dir: direction of the transfers
 * @coherent: the device snoops CPU caches
 * @attrs: DMA_ATTR_* of the mapping
 * Return: IOMMU_* flags; 0 for an invalid direction.
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
	if (attrs & DMA_ATTR_MMIO)
		prot |= IOMMU_MMIO;
	else if (coherent)
		prot |= IOMMU_CACHE;
	if (attrs & DMA_ATTR_PRIVILEGED)
		prot |= IOMMU_PRIV;
	return prot;
}

/**
 * dmamap_check_device - may the DMA API map for a device?
 * @dev: the device
 * @domain: its default domain
 *
 * In a crash kernel a device is attached at its first map. Until then DMA that
 * the crashed kernel started does not fault.
 * Context: any.
 * Return: 0; -EPERM if the device is blocked (see cookie.c) or was removed; or
 * an error of the IOMMU driver.
 */
static inline int dmamap_check_device(struct device *dev,
				      struct iommu_domain *domain)
{
	if (likely(!READ_ONCE(dmamap_may_refuse)))
		return 0;
#ifdef CONFIG_IOMMU_DMAMAP
	/* A removed device has no dev->iommu. */
	if (!dev->iommu || dev->iommu->dma_blocked)
		return -EPERM;
#endif
	return dmamap_deferred_attach(dev, domain);
}

/**
 * dmamap_phys - look an IOVA up in the page table
 * @domain: the domain
 * @addr: the IOVA
 *
 * iommu_iova_to_phys() returns 0 for a hole and for physical address 0. A
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
