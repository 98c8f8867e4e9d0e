/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Theory of operation: the sanitizer says which mapping a device missed.
 *
 * 1. It is on for a domain, that is, for all devices of an IOMMU group.  From
 *    then on each mapping has a record (records.c): who mapped it, when, and who
 *    unmapped it.
 * 2. Each mapping has a guard before and behind it, a granule that is never mapped.
 *    An unmapped range is quarantined, that is, not used again for a while
 *    (sanitize.c).  So an access beside a buffer or after its unmap faults.
 * 3. IOMMU drivers call fault.c.  The interrupt handler copies the records at the
 *    address, and a work item prints them.
 * 4. The record decides what is freed.  A mapping without a record has no guards:
 *    it is older than the sanitizer, or records had run out.
 * 5. Fast paths have one static key, %dmamap_watching, for this and for the
 *    counters of debugfs.c.  It is on from the first domain on, and stays on,
 *    because mappings with guards may remain.
 * 6. Locks: san_lock (sanitize.c) is outside dmamap_san.lock.  Both are raw and
 *    taken with interrupts disabled.  Nothing is allocated or freed under them.
 */
#ifndef _DMAMAP_SANITIZE_H
#define _DMAMAP_SANITIZE_H

#include <linux/platform_device.h>
#include <linux/rbtree.h>
#include <linux/stackdepot.h>
#include "dmamap.h"

enum dmamap_state {
	DMAMAP_LIVE,
	DMAMAP_QUARANTINED,	/* unmapped; the range is not used again yet */
	DMAMAP_FREED,		/* the range is free, or was */
};

/* The record of a mapping. */
struct dmamap_rec {
	struct rb_node node;	/* by @start; the ranges do not overlap */
	struct list_head link;	/* in a list of struct dmamap_san, unless it is live */
	dma_addr_t start;	/* first IOVA, at a granule */
	size_t size;		/* whole granules, without guards */
	size_t guard;		/* bytes of each guard; 0 without */
	size_t bytes;		/* of the buffer */
	unsigned int offset;	/* of the buffer in its first granule */
	u32 started;		/* see fq_entry.started */
	u8 state;
	bool canaries;		/* beside it in its granules */
	bool leaked;		/* and that was reported */
	bool lazy;		/* it waits, or waited, for a flush of the queue */
	u8 prot;		/* IOMMU_READ and IOMMU_WRITE */
	depot_stack_handle_t map_stack, unmap_stack;
	u64 mapped, unmapped;	/* ns since boot */
	char device[24], driver[20];
};

/* The sanitizer of a domain. */
struct dmamap_san {
	raw_spinlock_t lock;		/* all but @cookie, @recs, @nr_recs and @work */
	struct iommu_dma_cookie *cookie;
	struct dmamap_rec *recs;
	unsigned int nr_recs;
	bool on;			/* new mappings get records */
	bool full;			/* new mappings get canaries */
	struct rb_root tree;
	struct list_head unused, quarantine, freed;
	unsigned int nr_quarantined;
	u64 quarantined_bytes;
	unsigned long live, dropped, unrecorded;
	struct delayed_work work;	/* ends the quarantine of old ranges */
};

/* The records at an address. */
struct dmamap_look {
	struct dmamap_rec at, below, above;
	bool has_at, has_below, has_above;
	bool queued;			/* @at was not flushed yet */
	unsigned long dropped;		/* records that are missing */
};

/* records.c */
int dmamap_recs_init(struct dmamap_san *san, unsigned int nr);
void dmamap_recs_free(struct dmamap_san *san);
struct dmamap_rec *dmamap_rec_take(struct dmamap_san *san);
void dmamap_rec_insert(struct dmamap_san *san, struct dmamap_rec *rec);
void dmamap_rec_remove(struct dmamap_san *san, struct dmamap_rec *rec);
struct dmamap_rec *dmamap_rec_live(struct dmamap_san *san, dma_addr_t addr);
void dmamap_recs_look(struct dmamap_san *san, u64 addr, struct dmamap_look *look);
depot_stack_handle_t dmamap_stack(void);
/* sanitize.c */
void dmamap_san_watch(void);
int dmamap_san_enable(struct iommu_dma_cookie *cookie, struct device *dev,
		      bool full);
void dmamap_san_disable(struct iommu_dma_cookie *cookie);
void dmamap_san_remove(struct device *dev);
unsigned int dmamap_san_leaks(struct device *dev);
void dmamap_san_status(struct iommu_dma_cookie *cookie, struct seq_file *m);
void dmamap_recs_show(struct iommu_dma_cookie *cookie, struct seq_file *m);
#ifdef CONFIG_IOMMU_DMA_SANITIZER
bool dmamap_san_look_at(struct iommu_dma_cookie *cookie, u64 addr,
			struct dmamap_look *look);
bool dmamap_san_look(struct device *dev, int segment, u16 rid, u64 addr,
		     struct dmamap_look *look);
#else
static inline bool dmamap_san_look_at(struct iommu_dma_cookie *cookie, u64 addr,
				      struct dmamap_look *look)
{
	return false;
}

static inline bool dmamap_san_look(struct device *dev, int segment, u16 rid,
				   u64 addr, struct dmamap_look *look)
{
	return false;
}
#endif

#ifdef CONFIG_IOMMU_DMA_SANITIZER
/* The sanitizer of a domain, or %NULL. */
static inline struct dmamap_san *dmamap_san_of(struct iommu_dma_cookie *cookie)
{
	/* Pairs with dmamap_san_enable(). */
	return smp_load_acquire(&cookie->san);
}
#endif

/* The IOVAs of a record, with guards. */
static inline dma_addr_t dmamap_rec_lo(const struct dmamap_rec *rec)
{
	return rec->start - rec->guard;
}

static inline dma_addr_t dmamap_rec_hi(const struct dmamap_rec *rec)
{
	return rec->start + rec->size - 1 + rec->guard;
}

/* What a device did wrong. */
enum dmamap_fault_kind {
	DMAMAP_FAULT_UNKNOWN,		/* the sanitizer was off */
	DMAMAP_FAULT_AFTER_UNMAP,
	DMAMAP_FAULT_IN_QUEUE,		/* unmapped, and not flushed yet */
	DMAMAP_FAULT_BESIDE,
	DMAMAP_FAULT_NEVER,
	DMAMAP_FAULT_DIRECTION,
	DMAMAP_FAULT_LIVE,		/* the mapping allows it */
	DMAMAP_FAULT_CANARY,		/* no fault: it was found later */
};

/* A fault. */
struct dmamap_fault {
	struct device *dev;		/* %NULL: named by @segment and @rid */
	unsigned int segment;
	u16 rid;
	bool known;			/* @look is filled in */
	unsigned int flags;		/* DMA_FAULT_* */
	u64 addr, time;			/* ns since boot */
	struct dmamap_look look;
	enum dmamap_fault_kind kind;
	const struct dmamap_rec *rec;	/* the mapping that was missed, or %NULL */
	u64 distance;			/* bytes beside @rec */
	bool before;			/* below it, otherwise above */
	unsigned int nr;		/* of this device, from 1 on */
	u8 bytes[4];			/* that replace the canary */
	char headline[192];
};

/* Will its removal be told? */
static inline bool dmamap_is_followed(const struct device *dev)
{
	return dev_is_pci(dev) || dev->bus == &platform_bus_type;
}

/* Call these when such a device comes or goes. */
static inline void dmamap_follow(struct notifier_block *pci,
				 struct notifier_block *platform)
{
#ifdef CONFIG_PCI
	bus_register_notifier(&pci_bus_type, pci);
#endif
	bus_register_notifier(&platform_bus_type, platform);
}

/* fault.c */
void dmamap_canary_changed(struct device *dev, u64 addr,
			   const struct dmamap_rec *rec, const u8 *bytes);
void dmamap_faults_wait(void);
bool dmamap_fault_last(const struct device *dev, struct dmamap_fault *fault);

#endif
