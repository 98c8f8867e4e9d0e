// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOVA allocator in debugfs: /sys/kernel/debug/iova/
 *
 *	domains	a line for each domain that has caches, with its counters
 *	classes	for each domain, runs and cached ranges by size
 *	ranges	for each domain, the ranges in its tree
 *
 * Three files serve all domains, because files for each domain would take more
 * memory than an idle domain does.
 *
 * "ranges" can be read from a domain in use that has a million of them: it
 * copies one range at a time, and prints it without a lock.  Magazines are
 * sorted back when the walk comes to a domain.  A range that is freed later may
 * be shown as live.
 */

#include <linux/debugfs.h>
#include <linux/iova.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "internal.h"

static DEFINE_MUTEX(domains_mutex);
static LIST_HEAD(domains);
static unsigned int last_id;
static struct dentry *dir;

static unsigned long live_ranges(const struct iova_stats *stats)
{
	return stats->counts.ranges > stats->all_cached ?
	       stats->counts.ranges - stats->all_cached : 0;
}

static int domains_show(struct seq_file *s, void *unused)
{
	struct iova_rcache *rcache;
	struct iova_stats stats;

	seq_puts(s, "domain live cached tree hits misses refused\n");
	guard(mutex)(&domains_mutex);
	list_for_each_entry(rcache, &domains, list) {
		iova_domain_stats(rcache->iovad, &stats);
		seq_printf(s, "%u %lu %lu %lu %lu %lu %lu\n",
			   rcache->id, live_ranges(&stats), stats.all_cached,
			   stats.counts.ranges, stats.hits,
			   stats.counts.misses, stats.counts.refused);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(domains);

static int classes_show(struct seq_file *s, void *unused)
{
	struct iova_rcache *rcache;
	struct iova_stats stats;
	unsigned int class;

	seq_puts(s, "domain pages runs cached\n");
	guard(mutex)(&domains_mutex);
	list_for_each_entry(rcache, &domains, list) {
		iova_domain_stats(rcache->iovad, &stats);
		for (class = 0; class < IOVA_CLASSES; class++) {
			if (!stats.runs[class] && !stats.cached[class])
				continue;
			seq_printf(s, "%u %lu %lu %lu\n", rcache->id,
				   1UL << class, stats.runs[class],
				   stats.cached[class]);
		}
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(classes);

/**
 * struct ranges_walk - the position of a reader of "ranges"
 * @id: number of the domain
 * @shift: log2 of its granule
 * @pfn: where to go on in it; 0 at its end
 * @span: the range to be shown
 * @more: there is one
 */
struct ranges_walk {
	unsigned int id;
	unsigned int shift;
	unsigned long pfn;
	struct iova_span span;
	bool more;
};

/* Copy the next range.  Return NULL at the end. */
static void *walk_on(struct ranges_walk *walk)
{
	struct iova_rcache *rcache;
	bool entered;

	guard(mutex)(&domains_mutex);
	walk->more = true;
	/* The list is in the order of numbers. */
	list_for_each_entry(rcache, &domains, list) {
		if (rcache->id < walk->id)
			continue;
		entered = rcache->id > walk->id;
		if (entered) {
			iova_magazines_sort(rcache->iovad);
			walk->shift = iova_shift(rcache->iovad);
			walk->id = rcache->id;
			walk->pfn = 0;
		}
		if ((entered || walk->pfn) &&
		    iova_look(rcache->iovad, walk->pfn, &walk->span)) {
			walk->pfn = walk->span.last + 1;
			return &walk->span;
		}
	}
	walk->more = false;
	return NULL;
}

static void *ranges_start(struct seq_file *s, loff_t *pos)
{
	struct ranges_walk *walk = s->private;

	if (!*pos)
		return SEQ_START_TOKEN;
	return walk->more ? &walk->span : NULL;
}

static void *ranges_next(struct seq_file *s, void *v, loff_t *pos)
{
	struct ranges_walk *walk = s->private;

	++*pos;
	if (v == SEQ_START_TOKEN)
		*walk = (struct ranges_walk){ };
	return walk_on(walk);
}

static void ranges_stop(struct seq_file *s, void *v)
{
}

static int ranges_show(struct seq_file *s, void *v)
{
	struct ranges_walk *walk = s->private;
	const struct iova_span *span = v;

	if (v == SEQ_START_TOKEN) {
		seq_puts(s, "domain first last state\n");
		return 0;
	}
	seq_printf(s, "%u %#llx %#llx %s\n", walk->id,
		   (u64)span->first << walk->shift,
		   ((u64)span->last << walk->shift) | (BIT_ULL(walk->shift) - 1),
		   span->cached ? "cached" : "live");
	return 0;
}

static const struct seq_operations ranges_ops = {
	.start	= ranges_start,
	.next	= ranges_next,
	.stop	= ranges_stop,
	.show	= ranges_show,
};

static int ranges_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &ranges_ops, sizeof(struct ranges_walk));
}

static const struct file_operations ranges_fops = {
	.owner		= THIS_MODULE,
	.open		= ranges_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

/**
 * iova_debugfs_id - the number of a domain in debugfs
 * @iovad: the domain
 *
 * Return: the number; 0 if the domain has no caches and is not shown.
 */
unsigned int iova_debugfs_id(const struct iova_domain *iovad)
{
	return iovad->rcache ? iovad->rcache->id : 0;
}
EXPORT_SYMBOL_GPL(iova_debugfs_id);

/* Without debugfs the calls fail, and that is no error. */
void iova_debugfs_init(void)
{
	dir = debugfs_create_dir("iova", NULL);
	debugfs_create_file("domains", 0444, dir, NULL, &domains_fops);
	debugfs_create_file("classes", 0444, dir, NULL, &classes_fops);
	debugfs_create_file("ranges", 0400, dir, NULL, &ranges_fops);
}

void iova_debugfs_exit(void)
{
	debugfs_remove(dir);
	dir = NULL;
}

void iova_debugfs_add(struct iova_rcache *rcache)
{
	guard(mutex)(&domains_mutex);
	rcache->id = ++last_id;
	list_add_tail(&rcache->list, &domains);
}

void iova_debugfs_del(struct iova_rcache *rcache)
{
	guard(mutex)(&domains_mutex);
	list_del(&rcache->list);
}
