// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: files in /sys/kernel/debug/dmamap/.
 *
 * 1. "domains" has a line for each domain, with its IOMMU group, its number in
 *    /sys/kernel/debug/iova/, the state of its flush queue and counters of
 *    errors.  "reserved" lists the reserved ranges of each domain.  "misuses"
 *    lists the last reports of wrong calls (misuse.c).
 * 2. "counters" has the sums over all CPUs.  CPUs count while "counting" is 1.
 *    It is 0 after boot, because counting slows down each mapping.
 * 3. @cookies_lock protects the list of cookies.  iommu_dma_cookie.lock nests
 *    inside it.
 */

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include "dmamap.h"

DEFINE_STATIC_KEY_FALSE(dmamap_counting);
DEFINE_PER_CPU(struct dmamap_counts, dmamap_counts);

#ifdef CONFIG_DEBUG_FS
static LIST_HEAD(cookies);
static DEFINE_MUTEX(cookies_lock);
static unsigned int last_id;

/**
 * dmamap_debugfs_add - add a domain to the files, unless it is there
 * @cookie: its cookie; a device has joined
 * Context: process; may sleep.
 */
void dmamap_debugfs_add(struct iommu_dma_cookie *cookie)
{
	guard(mutex)(&cookies_lock);
	if (cookie->id)
		return;
	cookie->id = ++last_id;
	list_add_tail(&cookie->link, &cookies);
}

/**
 * dmamap_debugfs_del - remove a domain from the files
 * @cookie: its cookie
 * Context: process; may sleep.
 */
void dmamap_debugfs_del(struct iommu_dma_cookie *cookie)
{
	guard(mutex)(&cookies_lock);
	list_del(&cookie->link);
}

static int domains_show(struct seq_file *m, void *unused)
{
	struct iommu_dma_cookie *cookie;

	seq_puts(m, "domain iova group mode granule queued rings age_ms flushes bad_unmaps refused_lazy\n");
	guard(mutex)(&cookies_lock);
	list_for_each_entry(cookie, &cookies, link) {
		struct dmamap_fq *queue = READ_ONCE(cookie->queue);
		struct dmamap_fq_state state = { };

		if (queue)
			dmamap_fq_look(queue, &state);
		seq_printf(m, "%u %u %d %s %lu %lu %u %u %u %d %d\n",
			   cookie->id, iova_debugfs_id(&cookie->iovad),
			   cookie->group,
			   READ_ONCE(cookie->fq) ? "lazy" : "strict",
			   cookie->iovad.granule, state.entries, state.rings,
			   jiffies_to_msecs(state.age), state.flushes,
			   atomic_read(&cookie->bad_unmaps),
			   atomic_read(&cookie->refused_lazy));
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(domains);

static int reserved_show(struct seq_file *m, void *unused)
{
	struct iommu_dma_cookie *cookie;

	seq_puts(m, "domain first last\n");
	guard(mutex)(&cookies_lock);
	list_for_each_entry(cookie, &cookies, link) {
		unsigned long shift = iova_shift(&cookie->iovad);
		struct dmamap_reserved *reserved;

		guard(mutex)(&cookie->lock);
		list_for_each_entry(reserved, &cookie->reserved, link)
			seq_printf(m, "%u %#llx %#llx\n", cookie->id,
				   (u64)reserved->iova->pfn_lo << shift,
				   (((u64)reserved->iova->pfn_hi + 1) << shift) - 1);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(reserved);

DEFINE_SHOW_ATTRIBUTE(dmamap_misuses);

static int counters_show(struct seq_file *m, void *unused)
{
	struct dmamap_counts sum = { };
	int cpu;

	for_each_possible_cpu(cpu) {
		struct dmamap_counts *counts = per_cpu_ptr(&dmamap_counts, cpu);

		sum.maps += counts->maps;
		sum.unmaps += counts->unmaps;
		sum.bounces += counts->bounces;
		sum.bounced_bytes += counts->bounced_bytes;
	}
	seq_printf(m, "counting %d\nmaps %llu\nunmaps %llu\nbounces %llu\nbounced_bytes %llu\n",
		   static_key_enabled(&dmamap_counting), sum.maps, sum.unmaps,
		   sum.bounces, sum.bounced_bytes);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int counting_get(void *unused, u64 *value)
{
	*value = static_key_enabled(&dmamap_counting);
	return 0;
}

static int counting_set(void *unused, u64 value)
{
	if (value > 1)
		return -EINVAL;
	if (value)
		static_branch_enable(&dmamap_counting);
	else
		static_branch_disable(&dmamap_counting);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(counting_fops, counting_get, counting_set, "%llu\n");

/**
 * dmamap_debugfs_init - create the files
 */
void __init dmamap_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("dmamap", NULL);

	debugfs_create_file("domains", 0400, dir, NULL, &domains_fops);
	debugfs_create_file("reserved", 0400, dir, NULL, &reserved_fops);
	debugfs_create_file("misuses", 0400, dir, NULL, &dmamap_misuses_fops);
	debugfs_create_file("counters", 0400, dir, NULL, &counters_fops);
	debugfs_create_file_unsafe("counting", 0600, dir, NULL, &counting_fops);
}
#endif
