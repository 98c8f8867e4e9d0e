// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: reports of wrong calls of the DMA API.
 *
 * 1. All wrong calls are counted: for the domain, and since a driver was bound to
 *    the device.  The first one of a driver prints a stack trace, the next ones
 *    print a line; later ones do so at most once in MISUSE_INTERVAL.  Devices that
 *    were removed share this state.
 * 2. A report says what is mapped at the address.  To find out may take a look at
 *    thousands of PTEs, so it is done only for a report or for the trace event.
 * 3. The last reports are kept for debugfs.  A spinlock protects them.
 */

#include <linux/seq_file.h>
#include <linux/timekeeping.h>
#include "../dma-iommu.h"
#include "../io-pgtable/lengths.h"
#include "dmamap.h"
#include "trace.h"

/* Reports of a driver in a row, and the time between later ones. */
#define MISUSE_BURST	10
#define MISUSE_INTERVAL	(5 * HZ)

/* Reports that debugfs shows. */
#define MISUSE_KEPT	64

/* What was found instead: words for programs, and sentences. */
enum found {
	FOUND_REMOVED,
	FOUND_BAD_SIZE,
	FOUND_NOTHING,
	FOUND_OTHER,
	FOUND_INSIDE,
	FOUND_PART,
	FOUND_SMALLER,
	FOUND_TWO,
	FOUND_SEVERAL,
	FOUND_TORN,
	FOUND_STUCK,
};

static const char *const found_words[] = {
	[FOUND_REMOVED] = "removed",	[FOUND_BAD_SIZE] = "size",
	[FOUND_NOTHING] = "nothing",	[FOUND_OTHER] = "other",
	[FOUND_INSIDE] = "inside",	[FOUND_PART] = "part",
	[FOUND_SMALLER] = "smaller",	[FOUND_TWO] = "two",
	[FOUND_SEVERAL] = "several",	[FOUND_TORN] = "torn",
	[FOUND_STUCK] = "stuck",
};

struct misuse {
	char device[32], driver[32];
	const char *call;
	dma_addr_t addr;		/* as the driver named it */
	size_t size;
	enum found found;
	struct iommu_mapping mapping;	/* what is there, if something is */
	u64 ms;				/* since boot */
};

static DEFINE_SPINLOCK(kept_lock);
static struct misuse kept[MISUSE_KEPT];
static unsigned long nr_reports;	/* since boot; under @kept_lock */

/* Find the mapping of @addr, by the sizes that are recorded. */
static bool find_length(struct iommu_domain *domain, dma_addr_t addr,
			struct iommu_mapping *mapping)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int shift = iova_shift(&cookie->iovad);
	size_t size;
	u64 below;

	size = iommu_lengths_find(cookie->lengths, addr >> shift, &below);
	below <<= shift;
	mapping->owned = below < size;
	mapping->whole = true;
	mapping->iova = mapping->owned ? addr - below : addr;
	mapping->size = mapping->owned ? size : cookie->iovad.granule;
	return mapping->owned || dmamap_phys(domain, addr) != PHYS_ADDR_MAX;
}

static bool find(struct iommu_domain *domain, dma_addr_t addr,
		 struct iommu_mapping *mapping)
{
	if (overflows_type(addr, unsigned long))
		return false;
	if (domain->ops->find_mapping)
		return domain->ops->find_mapping(domain, addr, mapping);
	return find_length(domain, addr, mapping);
}

/* What is mapped where [@addr, @addr + @len) was to be unmapped? */
static enum found look(struct iommu_domain *domain, dma_addr_t addr, size_t len,
		       struct iommu_mapping *mapping)
{
	struct iommu_mapping next;

	if (!find(domain, addr, mapping))
		return FOUND_NOTHING;
	if (!mapping->owned)
		return FOUND_OTHER;
	if (mapping->iova != addr)
		return FOUND_INSIDE;
	if (mapping->size == len)
		return FOUND_TORN;
	if (mapping->size > len)
		return FOUND_PART;
	if (!find(domain, addr + mapping->size, &next) || !next.owned)
		return FOUND_SMALLER;
	if (len - mapping->size <= next.size)
		return FOUND_TWO;
	return FOUND_SEVERAL;
}

static void describe(const struct misuse *misuse, dma_addr_t addr, char *text,
		     size_t room)
{
	const struct iommu_mapping *mapping = &misuse->mapping;
	const char *more = mapping->whole ? "" : "more than ";

	switch (misuse->found) {
	case FOUND_REMOVED:
		snprintf(text, room, "the device was removed");
		break;
	case FOUND_BAD_SIZE:
		snprintf(text, room, "not a size");
		break;
	case FOUND_NOTHING:
		snprintf(text, room, "not mapped");
		break;
	case FOUND_OTHER:
		snprintf(text, room, "mapped by another call");
		break;
	case FOUND_INSIDE:
		snprintf(text, room, "inside a mapping of %s%zu bytes that begins %s%llu below",
			 more, mapping->size, more,
			 (u64)(addr - mapping->iova));
		break;
	case FOUND_PART:
		snprintf(text, room, "a part of a mapping of %s%zu bytes", more,
			 mapping->size);
		break;
	case FOUND_SMALLER:
		snprintf(text, room, "a mapping of %zu bytes", mapping->size);
		break;
	case FOUND_TWO:
		snprintf(text, room, "two mappings, the first of %zu bytes",
			 mapping->size);
		break;
	case FOUND_SEVERAL:
		snprintf(text, room, "several mappings, the first of %zu bytes",
			 mapping->size);
		break;
	case FOUND_TORN:
		snprintf(text, room, "not all of it is mapped");
		break;
	case FOUND_STUCK:
		snprintf(text, room, "the IOMMU driver has not cleared it; not used again");
		break;
	}
}

static void keep(const struct misuse *misuse)
{
	unsigned long flags;

	spin_lock_irqsave(&kept_lock, flags);
	kept[nr_reports++ % MISUSE_KEPT] = *misuse;
	spin_unlock_irqrestore(&kept_lock, flags);
}

/* Count a wrong call; returns its number if it is to be reported, or 0. */
static int count(struct device *dev)
{
	static struct dev_iommu removed;
	struct dev_iommu *state = dev->iommu ?: &removed;
	int nr = atomic_inc_return(&state->dma_misuses);

	if (nr > MISUSE_BURST &&
	    !time_after(jiffies, READ_ONCE(state->dma_misuse_next)))
		return 0;
	WRITE_ONCE(state->dma_misuse_next, jiffies + MISUSE_INTERVAL);
	return nr;
}

/* @found: if it is known, else -1; @len: bytes to look at, 0 for a wrong size. */
static void report(struct device *dev, const char *call, dma_addr_t addr,
		   size_t size, size_t len, int found)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	dma_addr_t begin = addr - iova_offset(iovad, addr);
	struct misuse misuse = { .call = call, .addr = addr, .size = size };
	char text[112];
	int nr;

	atomic_inc(&domain->iova_cookie->bad_unmaps);
	nr = count(dev);
	if (!nr && !trace_dmamap_misuse_enabled())
		return;

	if (found >= 0)
		misuse.found = found;
	else if (domain == &iommu_dma_removed_domain)
		misuse.found = FOUND_REMOVED;
	else if (!len)
		misuse.found = FOUND_BAD_SIZE;
	else
		misuse.found = look(domain, begin, len, &misuse.mapping);
	trace_dmamap_misuse(dev, call, addr, size, misuse.mapping.iova,
			    misuse.mapping.size, found_words[misuse.found]);
	if (!nr)
		return;
	describe(&misuse, begin, text, sizeof(text));
	if (nr == 1)
		dev_WARN(dev, "%s of IOVA %pad, %zu bytes: %s\n", call, &addr,
			 size, text);
	else
		dev_err(dev, "%s of IOVA %pad, %zu bytes: %s (error %d of this driver)\n",
			call, &addr, size, text, nr);
	strscpy(misuse.device, dev_name(dev));
	strscpy(misuse.driver, dev_driver_string(dev));
	misuse.ms = ktime_to_ms(ktime_get_boottime());
	keep(&misuse);
}

/**
 * dmamap_refuse_unmap - report an unmap of what is not exactly one mapping
 * @dev: the device
 * @addr: the IOVA that the driver named
 * @size: the bytes that it named
 * Context: any.
 */
void dmamap_refuse_unmap(struct device *dev, dma_addr_t addr, size_t size)
{
	struct iova_domain *iovad = &dmamap_cookie(dev)->iovad;
	size_t len = iova_align(iovad, size + iova_offset(iovad, addr));

	report(dev, "unmap", addr, size, size - 1 >= len ? 0 : len, -1);
}

/**
 * dmamap_refuse_sync - report a sync of what is not mapped
 * @dev: the device
 * @addr: the IOVA that the driver named
 * @size: the bytes that it named
 * Context: any.
 */
void dmamap_refuse_sync(struct device *dev, dma_addr_t addr, size_t size)
{
	report(dev, "sync", addr, size, size ?: 1, -1);
}

/**
 * dmamap_unmap_stuck - report an IOMMU driver that does not unmap what is mapped
 * @dev: the device
 * @addr: first address of the mapping
 * @size: its bytes
 * Context: any.
 */
void dmamap_unmap_stuck(struct device *dev, dma_addr_t addr, size_t size)
{
	report(dev, "unmap", addr, size, size, FOUND_STUCK);
}

/**
 * dmamap_misuses_show - list the last reports
 * @m: the file
 * Context: process.
 */
void dmamap_misuses_show(struct seq_file *m)
{
	unsigned long nr, end;

	seq_puts(m, "nr ms device driver call iova size found found_iova found_size\n");
	spin_lock_irq(&kept_lock);
	end = nr_reports;
	spin_unlock_irq(&kept_lock);
	nr = end > MISUSE_KEPT ? end - MISUSE_KEPT : 0;
	for (; nr < end; nr++) {
		struct misuse misuse;

		spin_lock_irq(&kept_lock);
		misuse = kept[nr % MISUSE_KEPT];
		spin_unlock_irq(&kept_lock);
		seq_printf(m, "%lu %llu %s %s %s %#llx %zu %s %#lx %zu\n",
			   nr + 1, misuse.ms, misuse.device, misuse.driver,
			   misuse.call, (u64)misuse.addr, misuse.size,
			   found_words[misuse.found], misuse.mapping.iova,
			   misuse.mapping.size);
	}
}
