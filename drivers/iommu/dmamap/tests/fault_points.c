// SPDX-License-Identifier: GPL-2.0-only
/*
 * Points of failure: have the n-th allocation of a call fail, and see what the
 * call leaves behind.
 *
 * Theory of operation
 * ===================
 *
 * 1. Failing.  The kernel's fault injection counts task_struct.fail_nth down
 *    with each allocation of the task, and fails the one at which it comes to
 *    0. By itself it leaves out what may sleep, high memory and single pages;
 *    its files in debugfs say so, and their inodes know the variables, which
 *    are set here as writing to the files would.
 *
 * 2. Watching.  Trace events tell of each allocation and each free. What the
 *    task allocated between fault_begin() and fault_end() goes into a table,
 *    and leaves it when it is freed. What is freed later, after a grace period
 *    or when vmalloc gets round to it, is waited for before the table is read.
 *
 * 3. What the memory management has for whatever comes next is not counted as
 *    kept: pages that became slabs, page tables of the kernel's own, and the
 *    objects of which vmalloc, maple trees and radix trees keep some at hand.
 *    What it is for is known by the functions that were on the stack.
 */

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/iommu.h>
#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/swiotlb.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <trace/events/kmem.h>
#include <trace/events/percpu.h>

#include "../../dma-iommu.h"
#include "../../iova/internal.h"
#include "../dmamap.h"
#include "fault_points.h"

#define MOST_KEPT	8192
#define STACK		12

enum kept_kind {
	KEPT_OBJECT,
	KEPT_PAGE,
	KEPT_PERCPU,
};

/**
 * struct kept - memory that was allocated, and not freed yet
 * @node: in the table, by @what
 * @what: the object, its struct page, or its per-CPU pointer
 * @kind: which of them
 * @from: the functions that were on the stack then, innermost first
 * @depth: how many of them
 * @nth: the allocation that was to fail then
 */
struct kept {
	struct hlist_node node;
	const void *what;
	enum kept_kind kind;
	unsigned long from[STACK];
	unsigned int depth;
	unsigned int nth;
};

static struct kept *kept;
static struct kept *unused;		/* linked by node.next */
static bool too_many;
static DEFINE_HASHTABLE(kept_by_what, 10);
static DEFINE_RAW_SPINLOCK(kept_lock);	/* all of the above */

static struct task_struct *watched;
static unsigned int failing;

static struct kept *find_kept(const void *what, enum kept_kind kind)
{
	struct kept *k;

	hash_for_each_possible(kept_by_what, k, node, (unsigned long)what)
		if (k->what == what && k->kind == kind)
			return k;
	return NULL;
}

static void put_unused(struct kept *k)
{
	k->node.next = (struct hlist_node *)unused;
	unused = k;
}

static void note_alloc(const void *what, enum kept_kind kind)
{
	unsigned long flags;
	struct kept *k;

	if (!what || READ_ONCE(watched) != current || !in_task())
		return;
	raw_spin_lock_irqsave(&kept_lock, flags);
	k = unused;
	if (k) {
		unused = (struct kept *)k->node.next;
		k->what = what;
		k->kind = kind;
		k->depth = stack_trace_save(k->from, STACK, 2);
		k->nth = failing;
		hash_add(kept_by_what, &k->node, (unsigned long)what);
	} else {
		too_many = true;
	}
	raw_spin_unlock_irqrestore(&kept_lock, flags);
}

static void note_free(const void *what, enum kept_kind kind)
{
	unsigned long flags;
	struct kept *k;

	if (!what)
		return;
	raw_spin_lock_irqsave(&kept_lock, flags);
	k = find_kept(what, kind);
	if (k) {
		hash_del(&k->node);
		put_unused(k);
	}
	raw_spin_unlock_irqrestore(&kept_lock, flags);
}

static void saw_kmalloc(void *data, unsigned long from, const void *object,
			size_t asked, size_t got, gfp_t gfp, int node)
{
	note_alloc(object, KEPT_OBJECT);
}

static void saw_cache_alloc(void *data, unsigned long from, const void *object,
			    struct kmem_cache *cache, gfp_t gfp, int node)
{
	note_alloc(object, KEPT_OBJECT);
}

static void saw_kfree(void *data, unsigned long from, const void *object)
{
	note_free(object, KEPT_OBJECT);
}

static void saw_cache_free(void *data, unsigned long from, const void *object,
			   const struct kmem_cache *cache)
{
	note_free(object, KEPT_OBJECT);
}

/* Pages may be split, and freed one by one. */
static void saw_page_alloc(void *data, struct page *page, unsigned int order,
			   gfp_t gfp, int migratetype)
{
	unsigned int i;

	for (i = 0; page && i < 1U << order; i++)
		note_alloc(page + i, KEPT_PAGE);
}

static void saw_page_free(void *data, struct page *page, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < 1U << order; i++)
		note_free(page + i, KEPT_PAGE);
}

static void saw_percpu_alloc(void *data, unsigned long from, bool reserved,
			     bool atomic, size_t size, size_t align, void *base,
			     int off, void __percpu *memory, size_t got,
			     gfp_t gfp)
{
	note_alloc((__force void *)memory, KEPT_PERCPU);
}

static void saw_percpu_free(void *data, void *base, int off,
			    void __percpu *memory)
{
	note_free((__force void *)memory, KEPT_PERCPU);
}

/* The variable behind a file of the fault injection. */
static void *setting(const char *which, const char *name)
{
	struct dentry *dir = debugfs_lookup(which, NULL), *file;
	void *variable = NULL;

	file = dir ? debugfs_lookup(name, dir) : NULL;
	if (file)
		variable = d_inode(file)->i_private;
	dput(file);
	dput(dir);
	return variable;
}

static bool set_flag(const char *which, const char *name, bool value)
{
	bool *flag = setting(which, name);

	if (flag)
		*flag = value;
	return flag;
}

static bool set_number(const char *which, const char *name, u32 value)
{
	u32 *number = setting(which, name);

	if (number)
		*number = value;
	return number;
}

static bool set_long(const char *which, const char *name, unsigned long value)
{
	unsigned long *number = setting(which, name);

	if (number)
		*number = value;
	return number;
}

/* Whether what may sleep, and so on, can fail. */
static bool set_all(bool all)
{
	return set_flag("failslab", "ignore-gfp-wait", !all) &&
	       set_flag("fail_page_alloc", "ignore-gfp-wait", !all) &&
	       set_flag("fail_page_alloc", "ignore-gfp-highmem", !all) &&
	       set_number("fail_page_alloc", "min-order", !all) &&
	       set_long("failslab", "verbose", all ? 0 : 2) &&
	       set_long("fail_page_alloc", "verbose", all ? 0 : 2);
}

/**
 * fault_forget - watch what was allocated so far no more
 */
void fault_forget(void)
{
	struct hlist_node *next;
	unsigned long flags;
	unsigned int bucket;
	struct kept *k;

	raw_spin_lock_irqsave(&kept_lock, flags);
	hash_for_each_safe(kept_by_what, bucket, next, k, node) {
		hash_del(&k->node);
		put_unused(k);
	}
	too_many = false;
	raw_spin_unlock_irqrestore(&kept_lock, flags);
}

/**
 * fault_points_init - begin to watch, let all kinds of allocations fail
 *
 * Return: 0, -ENODEV without the files of the fault injection, -ENOMEM.
 */
int fault_points_init(void)
{
	unsigned int i;

	if (!set_all(true))
		return -ENODEV;
	kept = kvcalloc(MOST_KEPT, sizeof(*kept), GFP_KERNEL);
	if (!kept)
		return -ENOMEM;
	hash_init(kept_by_what);
	unused = NULL;
	too_many = false;
	for (i = 0; i < MOST_KEPT; i++)
		put_unused(&kept[i]);
	if (register_trace_kmalloc(saw_kmalloc, NULL) ||
	    register_trace_kmem_cache_alloc(saw_cache_alloc, NULL) ||
	    register_trace_kfree(saw_kfree, NULL) ||
	    register_trace_kmem_cache_free(saw_cache_free, NULL) ||
	    register_trace_mm_page_alloc(saw_page_alloc, NULL) ||
	    register_trace_mm_page_free(saw_page_free, NULL) ||
	    register_trace_percpu_alloc_percpu(saw_percpu_alloc, NULL) ||
	    register_trace_percpu_free_percpu(saw_percpu_free, NULL)) {
		fault_points_exit();
		return -ENOMEM;
	}
	return 0;
}

/**
 * fault_points_exit - undo fault_points_init()
 */
void fault_points_exit(void)
{
	if (!kept)
		return;
	unregister_trace_kmalloc(saw_kmalloc, NULL);
	unregister_trace_kmem_cache_alloc(saw_cache_alloc, NULL);
	unregister_trace_kfree(saw_kfree, NULL);
	unregister_trace_kmem_cache_free(saw_cache_free, NULL);
	unregister_trace_mm_page_alloc(saw_page_alloc, NULL);
	unregister_trace_mm_page_free(saw_page_free, NULL);
	unregister_trace_percpu_alloc_percpu(saw_percpu_alloc, NULL);
	unregister_trace_percpu_free_percpu(saw_percpu_free, NULL);
	tracepoint_synchronize_unregister();
	kvfree(kept);
	kept = NULL;
	set_all(false);
}

/**
 * fault_begin - have an allocation of the current task fail
 * @nth: which one, from 1; 0 for none, to watch only
 */
void fault_begin(unsigned int nth)
{
	failing = nth;
	WRITE_ONCE(watched, current);
	WRITE_ONCE(current->fail_nth, nth);
}

/**
 * fault_end - no more of them fails
 *
 * Return: whether it came to the one that was to fail.
 */
bool fault_end(void)
{
	bool failed = failing && !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	WRITE_ONCE(watched, NULL);
	return failed;
}

/**
 * fault_begin_all - have each allocation of an object fail, of this task
 */
void fault_begin_all(void)
{
	atomic_t *times = setting("failslab", "times");

	set_flag("failslab", "task-filter", true);
	if (times)
		atomic_set(times, -1);
	current->make_it_fail = 1;
	set_long("failslab", "probability", 100);
}

/**
 * fault_end_all - none fails any more
 */
void fault_end_all(void)
{
	set_long("failslab", "probability", 0);
	current->make_it_fail = 0;
	set_flag("failslab", "task-filter", false);
}

static bool is_kernels_own(const struct kept *k)
{
	static const char * const hoarders[] = {
		"alloc_vmap_area", "mas_alloc_nodes", "__radix_tree_preload",
		"__pte_alloc_kernel", "__pmd_alloc", "__pud_alloc",
	};
	char name[KSYM_NAME_LEN];
	unsigned int i;

	if (k->kind == KEPT_PAGE && PageSlab((const struct page *)k->what))
		return true;
	for (i = 0; i < k->depth; i++) {
		snprintf(name, sizeof(name), "%ps", (void *)k->from[i]);
		if (match_string(hoarders, ARRAY_SIZE(hoarders), name) >= 0)
			return true;
	}
	return false;
}

static void say_kept(const struct kept *k)
{
	static const char * const kinds[] = { "object", "page", "per-CPU" };
	unsigned int i;

	pr_err("%s kept, number %u was to fail, allocated in\n",
	       kinds[k->kind], k->nth);
	for (i = 0; i < k->depth; i++)
		pr_err("  %pS\n", (void *)k->from[i]);
}

/**
 * fault_kept - what was allocated under watch and never freed
 *
 * All that was made with it has to be gone. The log tells who allocated it,
 * and what was to fail then. It is forgotten then.
 *
 * Context: process; may sleep.
 * Return: how many objects and pages, all of them if there were too many.
 */
unsigned int fault_kept(void)
{
	unsigned int nr = 0, bucket;
	struct hlist_node *next;
	unsigned long flags;
	struct kept *k;

	rcu_barrier();
	vm_unmap_aliases();
	raw_spin_lock_irqsave(&kept_lock, flags);
	if (too_many)
		nr = MOST_KEPT;
	hash_for_each_safe(kept_by_what, bucket, next, k, node) {
		if (!is_kernels_own(k) && ++nr <= 8)
			say_kept(k);
		hash_del(&k->node);
		put_unused(k);
	}
	too_many = false;
	raw_spin_unlock_irqrestore(&kept_lock, flags);
	return nr;
}

/**
 * fault_table_pages - pages of all IOMMUs' page tables
 *
 * Exact, what CPUs have not added up yet included, while no CPU changes it.
 */
long fault_table_pages(void)
{
	struct pglist_data *node;
	long sum = 0;
	int cpu;

	for_each_online_pgdat(node) {
		sum += atomic_long_read(&node->vm_stat[NR_IOMMU_PAGES]);
		for_each_possible_cpu(cpu)
			sum += per_cpu_ptr(node->per_cpu_nodestats, cpu)
				->vm_node_stat_diff[NR_IOMMU_PAGES];
	}
	return sum;
}

/**
 * fault_live_ranges - ranges of a domain that are allocated or reserved
 * @iovad: the domain
 *
 * Those that caches hold are free.
 */
long fault_live_ranges(struct iova_domain *iovad)
{
	struct iova_stats stats;

	iova_domain_stats(iovad, &stats);
	return stats.counts.ranges - stats.all_cached;
}

static struct fault_state look(struct device *dev)
{
	struct iommu_dma_cookie *cookie = dmamap_cookie(dev);
	struct fault_state state = { };

	if (cookie->queue)
		dmamap_fq_drain(cookie->queue);
	state.live = fault_live_ranges(&cookie->iovad);
	state.tables = fault_table_pages();
#if defined(CONFIG_SWIOTLB) && defined(CONFIG_DEBUG_FS)
	state.slots = atomic_long_read(&dev->dma_io_tlb_mem->total_used);
#endif
	return state;
}

/* Empty pages that a table of lengths keeps until the domain goes. */
#define LENGTHS_KEPT	24

static struct fault_state look_for(struct device *dev,
				   const struct fault_state *want)
{
	struct fault_state state = look(dev);
	long more = want ? state.tables - want->tables : 0;

	if (dmamap_cookie(dev)->lengths && more > 0 && more <= LENGTHS_KEPT)
		state.tables = want->tables;
	if (want && want->tables == FAULT_ANY_TABLES)
		state.tables = FAULT_ANY_TABLES;
	return state;
}

/**
 * fault_look - what a call that fails must leave as it is
 * @dev: a device whose DMA this layer maps
 * @want: what is expected, or %NULL
 *
 * What is unmapped and waits for an invalidation is unmapped. It may be that
 * somebody is at it, or that it takes a grace period: what is not as expected
 * is given a second.
 *
 * Context: process; may sleep.
 */
struct fault_state fault_look(struct device *dev,
			      const struct fault_state *want)
{
	struct fault_state state = look_for(dev, want);
	int i;

	for (i = 0; want && i < 50; i++) {
		if (!memcmp(&state, want, sizeof(state)))
			break;
		msleep(20);
		state = look_for(dev, want);
	}
	return state;
}

/**
 * fault_await_tables - wait until there are so many pages of page tables
 * @want: how many
 *
 * Context: process; may sleep.
 * Return: how many there are, other than @want after a second.
 */
long fault_await_tables(long want)
{
	int i;

	for (i = 0; i < 50 && fault_table_pages() != want; i++)
		msleep(20);
	return fault_table_pages();
}
