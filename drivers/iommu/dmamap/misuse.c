// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: reports of wrong calls of the DMA API.
 *
 * 1. Wrong calls are counted for each domain, and for each device since a driver
 *    was bound to it.  The first one prints a stack trace, the next nine print a
 *    line, and later ones print a line at most once in %MISUSE_INTERVAL.  Devices
 *    that were removed share one such counter.
 * 2. A report says what is mapped at the address.  The search may look at
 *    thousands of PTEs, so it runs only for a report or a trace event.
 * 3. debugfs lists the last %MISUSE_KEPT reports.  @kept_lock protects them.
 */

#include <linux/seq_file.h>
#include <linux/timekeeping.h>
#include "../dma-iommu.h"
#include "dmamap.h"
#include "trace.h"

/* Reports in a row, and the least time between later ones. */
#define MISUSE_BURST	10
#define MISUSE_INTERVAL	(5 * HZ)

/* Reports that debugfs lists. */
#define MISUSE_KEPT	64

struct misuse {
	char device[32], driver[32];
	const char *call;
	dma_addr_t addr;		/* argument of the driver */
	size_t size;			/* argument of the driver, in bytes */
	char found[96];			/* what is mapped there */
	u64 ms;				/* since boot */
};

static DEFINE_SPINLOCK(kept_lock);
static struct misuse kept[MISUSE_KEPT];
static unsigned long nr_reports;	/* since boot; under @kept_lock */

/* Find the mapping at @addr: in the page table, or by the recorded sizes. */
static bool find(struct iommu_domain *domain, dma_addr_t addr,
		 struct iommu_mapping *mapping)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	unsigned int shift = iova_shift(&cookie->iovad);
	size_t size;
	u64 below;

	if (overflows_type(addr, unsigned long))
		return false;
	if (dmamap_has_bounds(domain))
		return dmamap_find_mapping(domain, addr, mapping);
	/* No device could join the domain. */
	if (!cookie->lengths)
		return false;
	size = iommu_lengths_find(cookie->lengths, addr >> shift, &below);
	below <<= shift;
	/* SIZE_MAX: the search stopped before it found the first address. */
	mapping->whole = size != SIZE_MAX;
	if (!mapping->whole)
		size = below + cookie->iovad.granule;
	mapping->owned = below < size;
	mapping->iova = mapping->owned ? addr - below : addr;
	mapping->size = mapping->owned ? size : cookie->iovad.granule;
	return (mapping->owned && mapping->whole) ||
	       dmamap_phys(domain, addr) != PHYS_ADDR_MAX;
}

/* Describe what is mapped in [@addr, @addr + @len). */
static void look(struct iommu_domain *domain, dma_addr_t addr, size_t len,
		 struct iommu_mapping *there, char *text, size_t room)
{
	struct iommu_mapping next, third;
	const char *least;
	bool two;

	if (!find(domain, addr, there)) {
		strscpy(text, "not mapped", room);
		return;
	}
	least = there->whole ? "" : "at least ";
	if (!there->owned) {
		strscpy(text, "mapped by another call", room);
	} else if (there->iova != addr) {
		snprintf(text, room, "inside a mapping of %s%zu bytes that begins %s%llu below",
			 least, there->size, least, (u64)addr - there->iova);
	} else if (there->size == len && there->whole) {
		strscpy(text, "not all of it is mapped", room);
	} else if (there->size > len) {
		snprintf(text, room, "a part of a mapping of %s%zu bytes", least,
			 there->size);
	} else if (!there->whole ||
		   !find(domain, addr + there->size, &next) || !next.owned) {
		snprintf(text, room, "a mapping of %s%zu bytes", least,
			 there->size);
	} else {
		two = len - there->size <= next.size ||
		      !find(domain, addr + there->size + next.size, &third);
		snprintf(text, room, "%s mappings, the first of %zu bytes",
			 two ? "two" : "several", there->size);
	}
}

/* Count a wrong call. Returns its number if it is to be reported, else 0. */
static unsigned int count(struct device *dev)
{
	static struct dev_iommu removed;
	struct dev_iommu *state = dev->iommu ?: &removed;
	unsigned int nr = atomic_inc_return(&state->dma_misuses);

	if (nr > MISUSE_BURST &&
	    !time_after(jiffies, READ_ONCE(state->dma_misuse_next)))
		return 0;
	WRITE_ONCE(state->dma_misuse_next, jiffies + MISUSE_INTERVAL);
	return nr;
}

/**
 * dmamap_misuse - report a wrong call
 * @dev: the device
 * @call: "unmap" or "sync"
 * @addr: the IOVA that the driver passed
 * @size: the bytes that it passed
 * @found: what is wrong; %NULL to describe what is mapped there
 * Context: any.
 */
void dmamap_misuse(struct device *dev, const char *call, dma_addr_t addr,
		   size_t size, const char *found)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct iova_domain *iovad = &domain->iova_cookie->iovad;
	struct misuse misuse = { .call = call, .addr = addr, .size = size };
	struct iommu_mapping there = { };
	unsigned int nr;

	atomic_inc(&domain->iova_cookie->bad_unmaps);
	nr = count(dev);
	if (!nr && !trace_dmamap_misuse_enabled())
		return;

	if (domain == &iommu_dma_removed_domain)
		found = "the device was removed";
	if (found)
		strscpy(misuse.found, found);
	else
		look(domain, addr - iova_offset(iovad, addr),
		     iova_align(iovad, size + iova_offset(iovad, addr)), &there,
		     misuse.found, sizeof(misuse.found));
	trace_dmamap_misuse(dev, call, addr, size, there.iova, there.size,
			    misuse.found);
	if (!nr)
		return;
	if (nr == 1)
		dev_WARN(dev, "%s of IOVA %pad, %zu bytes: %s\n", call, &addr,
			 size, misuse.found);
	else
		dev_err(dev, "%s of IOVA %pad, %zu bytes: %s (error %u of this driver)\n",
			call, &addr, size, misuse.found, nr);
	dmamap_explain(domain->iova_cookie, addr);
	strscpy(misuse.device, dev_name(dev));
	strscpy(misuse.driver, dev_driver_string(dev));
	/* A column of the debugfs file is one word. */
	strreplace(misuse.device, ' ', '_');
	strreplace(misuse.driver, ' ', '_');
	misuse.ms = ktime_to_ms(ktime_get_boottime());
	scoped_guard(spinlock_irqsave, &kept_lock)
		kept[nr_reports++ % MISUSE_KEPT] = misuse;
}

/**
 * dmamap_misuses_show - list the last reports
 * @m: the file
 * @unused: not used
 * Context: process.
 * Return: 0.
 */
int dmamap_misuses_show(struct seq_file *m, void *unused)
{
	unsigned long nr;

	seq_puts(m, "nr ms device driver call iova size found\n");
	for (nr = 0; ; nr++) {
		struct misuse misuse;

		scoped_guard(spinlock_irq, &kept_lock) {
			/* Skip what was overwritten. */
			nr = max(nr, nr_reports - min(nr_reports, MISUSE_KEPT));
			if (nr == nr_reports)
				return 0;
			misuse = kept[nr % MISUSE_KEPT];
		}
		seq_printf(m, "%lu %llu %s %s %s %#llx %zu %s\n", nr + 1,
			   misuse.ms, misuse.device, misuse.driver, misuse.call,
			   (u64)misuse.addr, misuse.size, misuse.found);
	}
}
