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
#include "sanitize.h"

DEFINE_STATIC_KEY_FALSE(dmamap_watching);
bool dmamap_counting;
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

static bool is_reserved(struct iommu_dma_cookie *cookie, u64 addr)
{
	unsigned long pfn = addr >> iova_shift(&cookie->iovad);
	struct dmamap_reserved *reserved;

	guard(mutex)(&cookie->lock);
	list_for_each_entry(reserved, &cookie->reserved, link)
		if (reserved->iova->pfn_lo <= pfn && pfn <= reserved->iova->pfn_hi)
			return true;
	return false;
}

/* The youngest domain of a device. */
static struct iommu_dma_cookie *find_cookie(struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);
	struct iommu_dma_cookie *cookie, *found = NULL;

	lockdep_assert_held(&cookies_lock);
	if (!group)
		return NULL;
	list_for_each_entry(cookie, &cookies, link)
		if (cookie->group == iommu_group_id(group))
			found = cookie;
	iommu_group_put(group);
	return found;
}

/**
 * dmamap_debugfs_describe - say what an IOVA is
 * @dev: a device
 * @addr: the IOVA
 * Context: process; may sleep.
 * Return: its state in the youngest domain of the device; %NULL without one.
 */
const char *dmamap_debugfs_describe(struct device *dev, u64 addr)
{
	struct iommu_dma_cookie *found;

	guard(mutex)(&cookies_lock);
	found = find_cookie(dev);
	if (!found)
		return NULL;
	if (!overflows_type(addr, unsigned long) &&
	    dmamap_phys(found->domain, addr) != PHYS_ADDR_MAX)
		return "live (mapped)";
	if (is_reserved(found, addr))
		return "reserved";
	if (found->queue &&
	    dmamap_fq_holds(found->queue, addr >> iova_shift(&found->iovad)))
		return "queued (unmapped, before the flush)";
	return "free (not mapped)";
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
		   dmamap_counting, sum.maps, sum.unmaps,
		   sum.bounces, sum.bounced_bytes);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static DEFINE_MUTEX(counting_lock);	/* @dmamap_counting */

static int counting_get(void *unused, u64 *value)
{
	*value = dmamap_counting;
	return 0;
}

static int counting_set(void *unused, u64 value)
{
	if (value > 1)
		return -EINVAL;
	guard(mutex)(&counting_lock);
	if (value == dmamap_counting)
		return 0;
	WRITE_ONCE(dmamap_counting, value);
	if (value)
		static_branch_inc(&dmamap_watching);
	else
		static_branch_dec(&dmamap_watching);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(counting_fops, counting_get, counting_set, "%llu\n");

#ifdef CONFIG_IOMMU_DMA_SANITIZER
static int records_show(struct seq_file *m, void *unused)
{
	struct iommu_dma_cookie *cookie;

	seq_puts(m, "domain device driver iova size access guard state mapped_ms unmapped_ms stacks\n");
	guard(mutex)(&cookies_lock);
	list_for_each_entry(cookie, &cookies, link)
		dmamap_recs_show(cookie, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(records);

static int sanitize_show(struct seq_file *m, void *unused)
{
	struct iommu_dma_cookie *cookie;

	seq_puts(m, "domain group mode records live quarantined quarantined_bytes dropped unrecorded\n");
	guard(mutex)(&cookies_lock);
	list_for_each_entry(cookie, &cookies, link)
		dmamap_san_status(cookie, m);
	return 0;
}

static int switch_device(const char *name, const char *mode)
{
	bool on = !strcmp(mode, "on");
	struct iommu_dma_cookie *cookie;
	struct device *dev;
	int ret = -ENODEV;

	if (!on && strcmp(mode, "off")) {
		pr_err("dmamap/sanitize: \"%s\" is not \"on\" or \"off\"\n", mode);
		return -EINVAL;
	}
	dev = bus_find_device_by_name(&pci_bus_type, NULL, name) ?:
	      bus_find_device_by_name(&platform_bus_type, NULL, name);
	if (!dev) {
		pr_err("dmamap/sanitize: no PCI or platform device is named \"%s\"\n",
		       name);
		return -ENODEV;
	}
	if (on)
		dmamap_san_watch();
	scoped_guard(mutex, &cookies_lock) {
		cookie = find_cookie(dev);
		if (cookie && on) {
			ret = dmamap_san_enable(cookie, dev, false);
		} else if (cookie) {
			dmamap_san_disable(cookie);
			dmamap_san_remove(dev);
			ret = 0;
		}
	}
	if (ret == -ENODEV)
		pr_err("dmamap/sanitize: %s does not map DMA through an IOMMU\n",
		       name);
	put_device(dev);
	return ret;
}

static ssize_t sanitize_write(struct file *file, const char __user *text,
			      size_t len, loff_t *pos)
{
	char buf[64], *mode = NULL, *name;
	int ret;

	if (len < sizeof(buf)) {
		if (copy_from_user(buf, text, len))
			return -EFAULT;
		buf[len] = '\0';
		mode = strim(buf);
		name = strsep(&mode, " ");
	}
	if (!mode) {
		pr_err("dmamap/sanitize: write a device and \"on\" or \"off\"\n");
		return -EINVAL;
	}
	ret = switch_device(name, strim(mode));
	return ret ?: len;
}

static int sanitize_open(struct inode *inode, struct file *file)
{
	return single_open(file, sanitize_show, NULL);
}

static const struct file_operations sanitize_fops = {
	.owner = THIS_MODULE,
	.open = sanitize_open,
	.read = seq_read,
	.write = sanitize_write,
	.llseek = seq_lseek,
	.release = single_release,
};
#endif

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
#ifdef CONFIG_IOMMU_DMA_SANITIZER
	debugfs_create_file("records", 0400, dir, NULL, &records_fops);
	debugfs_create_file("sanitize", 0600, dir, NULL, &sanitize_fops);
#endif
	debugfs_create_file_unsafe("counting", 0600, dir, NULL, &counting_fops);
}
#endif
