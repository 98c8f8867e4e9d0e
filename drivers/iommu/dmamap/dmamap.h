/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA mapping for devices behind an IOMMU: what the files of this folder share.
 *
 * Theory of operation
 * ===================
 *
 * 1. What it is.  kernel/dma hands every call of the DMA API for a device
 *    whose default domain is managed by the kernel to one of the iommu_dma_*()
 *    functions here.  Each of them puts together three things that others own:
 *    an address (drivers/iommu/iova/), a translation (the IOMMU core and the
 *    driver below it), and, where the device must not see the memory itself, a
 *    bounce slot (kernel/dma/swiotlb.c).
 *
 * 2. The files, from the top down; a call goes from a file to one below it.
 *
 *	cookie.c	life of a domain's state; devices join it
 *	reserve.c	addresses a device must never be given
 *	msi.c		MSI pages: interrupts written through the IOMMU
 *	coherent.c	memory allocated for DMA, and its mapping elsewhere
 *	sg.c		scatterlists
 *	map.c		single buffers and resources
 *	sync.c		ownership of a buffer between CPU and device
 *	bounce.c	bounce slots
 *	range.c		an address range with its translations, made and undone
 *	address.c	which address range
 *	flush_queue.c	ranges that wait for an invalidation
 *	debugfs.c	what people can see, and what is counted
 *
 * 3. What a mapping is.  A buffer [phys, phys + size) is mapped in granules,
 *    the smallest page the IOMMU knows: the granules that it touches, at an
 *    address with the same offset in its granule.  Nothing but the address
 *    and the size is known at unmap; nothing is stored for a mapping.
 *
 * 4. Undoing it, strictly: translations are cleared, the IOMMU is told to
 *    forget them, and only then the address may be used again, detached page
 *    table pages are freed, and a bounce slot is given back.  Lazily: the
 *    address and the detached pages wait in a queue for an invalidation that
 *    began after the translations were cleared (flush_queue.c).  Buffers that
 *    were bounced are always undone strictly, also in a lazy domain: a slot is
 *    used again soon, by somebody else.
 *
 * 5. An unmap that does not clear what it names is reported with the device,
 *    the address, the bytes to clear and those cleared (range.c).  The address
 *    is given to iova_free_suspect(), which frees it if it is allocated with
 *    this size, to another owner, too: see suspect.c there for what can then
 *    go wrong.  An unmap of an address that is in use again passes.
 *
 *    The report needs a page table that says what it cleared.  Drivers whose
 *    domains do so set iommu_domain_ops.exact_unmap, or .exact_ends; for the
 *    others the first and the last granule are looked up before.
 *
 * 6. Locks, outermost first:
 *
 *	iommu_dma_cookie.lock	devices joining; sleeps; memory under it and the
 *				next one is allocated without I/O
 *	iommu_dma_cookie.msi_lock
 *				MSI pages; sleeps.  Interrupts are set up under
 *				cpus_read_lock(), so nothing that takes part in
 *				CPU hotplug is done under it
 *	dmamap_ring.lock	a flush queue; interrupts disabled; nothing is
 *				freed and no hardware waited for under it
 *
 *    Mapping, unmapping and syncing take no other lock of this folder, never
 *    sleep and work in any context.  The caller that destroys a domain makes
 *    sure that nothing is mapped or unmapped in it any more.
 */
#ifndef _DMAMAP_H
#define _DMAMAP_H

#include <linux/atomic.h>
#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/iova.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/swiotlb.h>

struct dmamap_fq;
struct dmamap_ring;
struct seq_file;

/**
 * struct iommu_dma_cookie - what this layer keeps for a domain
 * @fq: where unmapped ranges wait; %NULL when unmaps are strict. Read without
 *	a lock; once set it stays valid as long as the domain
 * @second_page: the IOMMU's second smallest page, or more than there is
 * @iovad: addresses of the domain; its granule is valid from the start
 * @msi_only: only MSI pages are managed, the owner of the domain manages the
 *	other addresses
 * @ready: a device has joined and @iovad is set up; written under @lock, once
 * @may_defer: every device that joined is trusted and behind an IOMMU that can
 *	defer invalidations; under @lock
 * @shadowed: the IOMMU of a device shadows the page table; under @lock
 * @msi_next: next free address, if @msi_only; under @msi_lock
 * @lock: devices join one at a time
 * @msi_lock: MSI pages are mapped one at a time
 * @msi_pages: of &struct dmamap_msi; under @msi_lock
 * @reserved: of &struct dmamap_reserved; under @lock
 * @queue: the flush queue, also when @fq does not point to it any more
 * @domain: the domain
 * @link: in the list of all, for debugfs
 * @id: name of the domain in debugfs
 * @group: number of the IOMMU group whose devices have joined
 * @bad_unmaps: unmaps that did not clear what they named
 * @refused_lazy: times that lazy mode was asked for and refused
 */
struct iommu_dma_cookie {
	struct dmamap_fq *fq;
	unsigned long second_page;
	struct iova_domain iovad;

	bool msi_only;
	bool ready;
	bool may_defer;
	bool shadowed;
	dma_addr_t msi_next;
	struct mutex lock; /* devices joining */
	struct mutex msi_lock; /* MSI pages */
	struct list_head msi_pages;
	struct list_head reserved;
	struct dmamap_fq *queue;
	struct iommu_domain *domain;
	struct list_head link;
	unsigned int id;
	int group;
	atomic_t bad_unmaps;
	atomic_t refused_lazy;
};

/*
 * Memory allocated under the mutexes of a cookie must not wait for I/O, because
 * I/O may wait for them: a device that is reset sets up its interrupts.
 */
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

/* reserve.c */
int dmamap_reserve_device(struct iommu_domain *domain, struct device *dev);
void dmamap_reserved_forget(struct iommu_dma_cookie *cookie);
void dmamap_reserved_show(struct iommu_dma_cookie *cookie, struct seq_file *m);

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

/**
 * struct dmamap_removal - translations being undone
 * @domain: their domain
 * @cookie: that of @domain
 * @ring: where the range will wait, %NULL to invalidate at once
 * @refused: the range is known not to be allocated: clear nothing
 * @gather: what there is to invalidate
 * @asked: bytes that were to be cleared so far
 * @cleared: bytes that were
 */
struct dmamap_removal {
	struct iommu_domain *domain;
	struct iommu_dma_cookie *cookie;
	struct dmamap_ring *ring;
	bool refused;
	struct iommu_iotlb_gather gather;
	size_t asked;
	size_t cleared;
};

/* Tests include this file on the stock layer, too, which knows no runs. */
#ifdef CONFIG_IOMMU_DMAMAP
/**
 * struct dmamap_runs - memory being mapped to consecutive addresses
 * @domain: where
 * @addr: where the first of @run goes; all before it is mapped
 * @prot: IOMMU_* flags
 * @gfp: how to allocate page tables
 * @count: of @run that wait to be mapped
 * @run: they
 */
struct dmamap_runs {
	struct iommu_domain *domain;
	dma_addr_t addr;
	int prot;
	gfp_t gfp;
	unsigned int count;
	struct iommu_run run[32];
};

/* range.c */
int dmamap_runs_flush(struct dmamap_runs *runs);

/**
 * dmamap_runs_append - note more memory, behind all that came before
 * @runs: the memory so far
 * @phys: first byte, at a granule
 * @size: bytes, whole granules
 *
 * Return: false where there is no room for it.
 */
static __always_inline bool dmamap_runs_append(struct dmamap_runs *runs,
					       phys_addr_t phys, size_t size)
{
	struct iommu_run *next = runs->run + runs->count;

	if (runs->count && next[-1].phys + next[-1].size == phys) {
		next[-1].size += size;
		return true;
	}
	if (unlikely(runs->count == ARRAY_SIZE(runs->run)))
		return false;
	next->phys = phys;
	next->size = size;
	runs->count++;
	return true;
}

/**
 * dmamap_runs_add - as dmamap_runs_append(), with room made by mapping the rest
 * @runs: the memory so far
 * @phys: first byte, at a granule
 * @size: bytes, whole granules
 *
 * Return: 0, or an error of dmamap_runs_flush().
 */
static inline int dmamap_runs_add(struct dmamap_runs *runs, phys_addr_t phys,
				  size_t size)
{
	int ret;

	if (likely(dmamap_runs_append(runs, phys, size)))
		return 0;
	ret = dmamap_runs_flush(runs);
	if (likely(!ret))
		dmamap_runs_append(runs, phys, size);
	return ret;
}
#endif

int dmamap_run_sync(struct iommu_domain *domain, dma_addr_t addr, size_t size);
dma_addr_t dmamap_range_map(struct device *dev, phys_addr_t phys, size_t size,
			    int prot, u64 limit);
bool dmamap_range_unmap(struct device *dev, dma_addr_t addr, size_t size,
			bool strict);
void dmamap_removal_start(struct dmamap_removal *removal, struct device *dev,
			  bool strict);
void dmamap_removal_clear(struct dmamap_removal *removal, dma_addr_t addr,
			  size_t size);
bool dmamap_removal_end(struct dmamap_removal *removal, struct device *dev,
			dma_addr_t addr, size_t size);
void dmamap_misuse(struct device *dev, const char *what, dma_addr_t addr,
		   size_t size, const char *found);

/**
 * struct dmamap_target - what an address range will be mapped to
 * @phys: physical address of its beginning
 * @piece: bytes from there in one piece; 0 to have a range of any size aligned
 *	to its size
 * @boundary: mask of the segment boundary that the range respects
 */
struct dmamap_target {
	phys_addr_t phys;
	size_t piece;
	unsigned long boundary;
};

/* address.c */
dma_addr_t dmamap_address_alloc(struct iommu_domain *domain, struct device *dev,
				size_t size, u64 limit,
				const struct dmamap_target *target);
void dmamap_address_free(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			 size_t size);
void dmamap_address_suspect(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			    size_t size);

/* Is every free validated? Then unmaps are, too, before anything is cleared. */
static inline bool dmamap_checking(void)
{
#ifdef CONFIG_IOVA_GAP_TREE
	return iova_check;
#else
	return false;
#endif
}

/**
 * dmamap_address_allocated - is there a range just like this?
 * @iovad: addresses of a domain
 * @addr: first address of the range, at a granule
 * @size: its bytes, whole granules
 *
 * Context: any.
 * Return: false, too, where the allocator does not tell.
 */
static inline bool dmamap_address_allocated(struct iova_domain *iovad,
					    dma_addr_t addr, size_t size)
{
#ifdef CONFIG_IOVA_GAP_TREE
	return iova_allocated(iovad, iova_pfn(iovad, addr),
			      size >> iova_shift(iovad));
#else
	return false;
#endif
}

/**
 * struct dmamap_fq_state - one look at a flush queue
 * @entries: ranges that wait
 * @rings: CPUs that have a ring
 * @age: longest time that a ring has not been empty, in jiffies
 * @flushes: flushes of the domain so far
 */
struct dmamap_fq_state {
	unsigned long entries;
	unsigned int rings;
	unsigned long age;
	unsigned int flushes;
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

/**
 * struct dmamap_counts - what one CPU has done since counting was switched on
 * @maps: ranges mapped
 * @unmaps: ranges unmapped
 * @bounces: buffers bounced
 * @bounced_bytes: their bytes
 */
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

/* Count, at the price of a no-op unless somebody asked for it in debugfs. */
#define dmamap_count(what, by)						\
do {									\
	if (static_branch_unlikely(&dmamap_counting))			\
		this_cpu_add(dmamap_counts.what, by);			\
} while (0)

/**
 * dmamap_cookie - what this layer keeps for the domain of a device
 * @dev: a device whose domain is managed here
 */
static inline struct iommu_dma_cookie *dmamap_cookie(struct device *dev)
{
	return iommu_get_dma_domain(dev)->iova_cookie;
}

/**
 * dmamap_boundary - a segment boundary that can be relied on
 * @mask: dma_get_seg_boundary() of a device
 *
 * Drivers may set a mask that is not 2^n - 1: it is rounded down to one.
 *
 * Return: the mask to respect.
 */
static inline unsigned long dmamap_boundary(unsigned long mask)
{
	if (likely(!(mask & (mask + 1))))
		return mask;
	return BIT(__fls(mask + 1)) - 1;
}

/**
 * dmamap_untrusted - may the device only see what it is given?
 * @dev: a device
 */
static inline bool dmamap_untrusted(struct device *dev)
{
	return dev_is_pci(dev) && to_pci_dev(dev)->untrusted;
}

/**
 * dmamap_may_bounce - may the device not see this buffer itself?
 * @dev: a device
 * @size: bytes of the buffer
 * @dir: direction of the transfer
 *
 * Whether it then has to bounce depends on where it lies in its granules.
 */
static inline bool dmamap_may_bounce(struct device *dev, size_t size,
				     enum dma_data_direction dir)
{
	return IS_ENABLED(CONFIG_SWIOTLB) &&
	       (dmamap_untrusted(dev) ||
		dma_kmalloc_needs_bounce(dev, size, dir));
}

/**
 * dmamap_needs_phys - does an unmap have to know what was mapped?
 * @dev: a device
 *
 * Buffers of an untrusted device may have been bounced. What is not coherent
 * needs cache maintenance, and may bounce for the sake of small kmalloc()
 * buffers.
 */
static inline bool dmamap_needs_phys(struct device *dev)
{
	return !dev_is_dma_coherent(dev) || dmamap_untrusted(dev);
}

/**
 * dmamap_prot - what a mapping lets the device do
 * @dir: direction of the transfers
 * @coherent: the device snoops the caches of the CPUs
 * @attrs: attributes of the mapping
 *
 * Return: IOMMU_* flags; none of read and write for an unknown direction.
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
 * dmamap_attach_deferred - may a device map now?
 * @dev: the device
 * @domain: its default domain
 *
 * In a crash kernel the attach is deferred until a driver maps, so that DMA
 * which the crashed kernel started does not fault before the driver resets the
 * device. A device that could not join its domain may never map.
 *
 * Context: any.
 * Return: 0; -EPERM for a blocked device, or the error of the IOMMU driver's
 * attach.
 */
static inline int dmamap_attach_deferred(struct device *dev,
					 struct iommu_domain *domain)
{
	if (!static_branch_unlikely(&dmamap_may_refuse))
		return 0;
#ifdef CONFIG_IOMMU_DMAMAP
	/* Without one it was removed. */
	if (!dev->iommu || dev->iommu->dma_blocked)
		return -EPERM;
#endif
	return iommu_deferred_attach(dev, domain);
}

/**
 * dmamap_phys - what is an address mapped to?
 * @domain: the domain
 * @addr: the address
 *
 * To iommu_iova_to_phys() physical address 0 is the same as nothing. There the
 * next byte tells the difference.
 *
 * Context: any.
 * Return: the physical address, PHYS_ADDR_MAX when there is no mapping.
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
