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

struct misuse {
	char device[32], driver[32];
	const char *call;
	dma_addr_t addr;		/* as the driver named it */
	size_t size;
	char found[96];			/* what is there instead */
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

	/* No device could join the domain. */
	if (!cookie->lengths)
		return false;
	size = iommu_lengths_find(cookie->lengths, addr >> shift, &below);
	below <<= shift;
	/* The search has given up. */
	mapping->whole = size != SIZE_MAX;
	if (!mapping->whole)
		size = below + cookie->iovad.granule;
	mapping->owned = below < size;
	mapping->iova = mapping->owned ? addr - below : addr;
	mapping->size = mapping->owned ? size : cookie->iovad.granule;
	return (mapping->owned && mapping->whole) ||
	       dmamap_phys(domain, addr) != PHYS_ADDR_MAX;
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

/* Say what is mapped where [@addr, @addr + @len) was to be unmapped. */
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

static void keep(const struct misuse *misuse)
{
	unsigned long flags;

	spin_lock_irqsave(&kept_lock, flags);
	kept[nr_reports++ % MISUSE_KEPT] = *misuse;
	spin_unlock_irqrestore(&kept_lock, flags);
}

/* Count a wrong call; returns its number if it is to be reported, or 0. */
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
 * @addr: the IOVA that the driver named
 * @size: the bytes that it named
 * @found: what is wrong; %NULL to look what is mapped there
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
	strscpy(misuse.device, dev_name(dev));
	strscpy(misuse.driver, dev_driver_string(dev));
	/* A column is a word. */
	strreplace(misuse.device, ' ', '_');
	strreplace(misuse.driver, ' ', '_');
	misuse.ms = ktime_to_ms(ktime_get_boottime());
	keep(&misuse);
}

/**
 * dmamap_misuses_show - list the last reports
 * @m: the file
 * @unused: of seq_file
 * Context: process.
 * Return: 0.
 */
int dmamap_misuses_show(struct seq_file *m, void *unused)
{
	unsigned long nr, end;

	seq_puts(m, "nr ms device driver call iova size found\n");
	spin_lock_irq(&kept_lock);
	end = nr_reports;
	spin_unlock_irq(&kept_lock);
	nr = end > MISUSE_KEPT ? end - MISUSE_KEPT : 0;
	for (; nr < end; nr++) {
		struct misuse misuse;

		spin_lock_irq(&kept_lock);
		misuse = kept[nr % MISUSE_KEPT];
		spin_unlock_irq(&kept_lock);
		seq_printf(m, "%lu %llu %s %s %s %#llx %zu %s\n", nr + 1,
			   misuse.ms, misuse.device, misuse.driver, misuse.call,
			   (u64)misuse.addr, misuse.size, misuse.found);
	}
	return 0;
}
