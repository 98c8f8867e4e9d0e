// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of the IOVA allocator, for people: /sys/kernel/debug/iova/
 *
 *	domains	a line for each domain that has caches, a column a counter
 *	classes	of each domain the classes that have seen use
 *
 * Two files serve all domains: files for each would cost an idle domain more
 * than all its caches do.
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

	seq_puts(s, "domain live cached tree hits misses slow_max refused suspects leaked\n");
	mutex_lock(&domains_mutex);
	list_for_each_entry(rcache, &domains, list) {
		iova_domain_stats(rcache->iovad, &stats);
		seq_printf(s, "%u %lu %lu %lu %lu %lu %lu %lu %lu %lu\n",
			   rcache->id, live_ranges(&stats), stats.all_cached,
			   stats.counts.ranges, stats.hits,
			   stats.counts.misses, stats.counts.slow_max,
			   stats.counts.refused, stats.counts.suspects,
			   stats.counts.leaked);
	}
	mutex_unlock(&domains_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(domains);

static int classes_show(struct seq_file *s, void *unused)
{
	struct iova_rcache *rcache;
	struct iova_stats stats;
	unsigned int class;

	seq_puts(s, "domain pages tree cached magazine\n");
	mutex_lock(&domains_mutex);
	list_for_each_entry(rcache, &domains, list) {
		iova_domain_stats(rcache->iovad, &stats);
		for (class = 0; class < IOVA_CLASSES; class++) {
			const struct iova_depot *depot = rcache->depots[class];

			if (!depot)
				continue;
			seq_printf(s, "%u %lu %u %lu %u\n", rcache->id,
				   iova_class_size(class),
				   READ_ONCE(rcache->nodes[class]),
				   stats.cached[class],
				   READ_ONCE(depot->capacity));
		}
	}
	mutex_unlock(&domains_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(classes);

/**
 * iova_debugfs_init - make the directory; failure is no error
 */
void iova_debugfs_init(void)
{
	dir = debugfs_create_dir("iova", NULL);
	debugfs_create_file("domains", 0444, dir, NULL, &domains_fops);
	debugfs_create_file("classes", 0444, dir, NULL, &classes_fops);
}

/**
 * iova_debugfs_exit - undo iova_debugfs_init()
 */
void iova_debugfs_exit(void)
{
	debugfs_remove(dir);
	dir = NULL;
}

/**
 * iova_debugfs_add - show a domain
 * @rcache: its caches
 *
 * Context: process; may sleep.
 */
void iova_debugfs_add(struct iova_rcache *rcache)
{
	mutex_lock(&domains_mutex);
	rcache->id = ++last_id;
	list_add_tail(&rcache->list, &domains);
	mutex_unlock(&domains_mutex);
}

/**
 * iova_debugfs_del - show a domain no more
 * @rcache: its caches
 *
 * Context: process; may sleep.
 */
void iova_debugfs_del(struct iova_rcache *rcache)
{
	mutex_lock(&domains_mutex);
	list_del(&rcache->list);
	mutex_unlock(&domains_mutex);
}
