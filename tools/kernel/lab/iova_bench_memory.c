// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_bench: what memory an allocator takes, idle and with ranges.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "iova_bench.h"
#include "percpu_taken.h"

#define MEMORY_DOMAINS	1024

/*
 * Bytes in slabs and in large kmallocs: exact once the per-CPU differences are
 * folded into the global counters, which happens once a second.
 */
static long slab_bytes(void)
{
	msleep(3 * MSEC_PER_SEC);
	return (global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
		global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B)) << PAGE_SHIFT;
}

static long free_bytes(void)
{
	return global_zone_page_state(NR_FREE_PAGES) << PAGE_SHIFT;
}

/*
 * memory: what an idle domain costs beside struct iova_domain itself, which is
 * part of its user's memory.  The difference that 1024 domains make, divided:
 * good to a few bytes for slab=, exact for percpu=.  free= is the same from the other
 * end, free pages, and off by what the page allocator's per-CPU lists hold: some
 * hundred pages, or about 1 KiB for each domain.
 */
static int bench_memory_idle(const char *what)
{
	long slab, percpu, free;
	struct iova_domain *iovad;
	unsigned int nr;
	int ret = 0;

	iovad = vcalloc(MEMORY_DOMAINS, sizeof(*iovad));
	if (!iovad)
		return -ENOMEM;

	slab = slab_bytes();
	percpu = percpu_taken_bytes();
	free = free_bytes();
	for (nr = 0; nr < MEMORY_DOMAINS; nr++) {
		init_iova_domain(&iovad[nr], 1UL << GRANULE_SHIFT, 1);
		ret = iova_domain_init_rcaches(&iovad[nr]);
		if (ret) {
			put_iova_domain(&iovad[nr]);
			goto put;
		}
	}
	slab = slab_bytes() - slab;
	percpu = percpu_taken_bytes() - percpu;
	free -= free_bytes();
	pr_info("%s domains=%u cpus=%u slab=%ld percpu=%ld total=%ld free=%ld struct=%zu iova=%zu\n",
		what, nr, num_possible_cpus(), slab / nr, percpu / nr, (slab + percpu) / nr,
		free / nr, sizeof(*iovad), sizeof(struct iova));
put:
	while (nr--) {
		put_iova_domain(&iovad[nr]);
		cond_resched();
	}
	vfree(iovad);
	return ret;
}

/* Ranges of one page that are live at once, and then given back */
#define HELD_MAX	10000

/*
 * What @domains domains with @ranges ranges each take beyond idle ones: while
 * the ranges live, then with all of them given back through the caches, and
 * once more after as many seconds as a reaper may need to take some away.
 */
static int memory_held(const char *what, unsigned int domains, unsigned int ranges)
{
	unsigned int total = domains * ranges, ready, nr, i;
	struct iova_domain *iovad;
	long idle, live, cached, later;
	unsigned long *pfns;
	int ret = -ENOMEM;

	iovad = vcalloc(domains, sizeof(*iovad));
	pfns = vcalloc(total, sizeof(*pfns));
	if (!iovad || !pfns)
		goto free;

	for (ready = 0; ready < domains; ready++) {
		init_iova_domain(&iovad[ready], 1UL << GRANULE_SHIFT, 1);
		ret = iova_domain_init_rcaches(&iovad[ready]);
		if (ret) {
			put_iova_domain(&iovad[ready]);
			goto put;
		}
	}
	idle = slab_bytes() + percpu_taken_bytes();
	for (nr = 0; nr < total; nr++) {
		pfns[nr] = alloc_iova_fast(&iovad[nr % domains], 1, LIMIT(48), true);
		if (!pfns[nr])
			break;
		if (nr % 1024 == 0)
			cond_resched();
	}
	live = slab_bytes() + percpu_taken_bytes() - idle;
	for (i = 0; i < nr; i++) {
		free_iova_fast(&iovad[i % domains], pfns[i], 1);
		if (i % 1024 == 0)
			cond_resched();
	}
	cached = slab_bytes() + percpu_taken_bytes() - idle;
	msleep(30 * MSEC_PER_SEC);
	later = slab_bytes() + percpu_taken_bytes() - idle;
	ret = nr == total ? 0 : -ENOSPC;
	if (!ret)
		pr_info("%s held=%u domains=%u cpus=%u live=%ld cached=%ld later=%ld\n", what,
			ranges, domains, num_possible_cpus(), live / domains,
			cached / domains, later / domains);
put:
	while (ready--) {
		put_iova_domain(&iovad[ready]);
		cond_resched();
	}
free:
	vfree(pfns);
	vfree(iovad);
	return ret;
}

/*
 * memory: of idle domains; of a hundred ranges each, which any allocator has
 * cached afterwards; and of many.
 */
int bench_memory(const char *what)
{
	int ret = percpu_taken_begin();

	if (ret)
		return ret;
	ret = bench_memory_idle(what);
	if (!ret)
		ret = memory_held(what, MEMORY_DOMAINS, 100);
	if (!ret)
		ret = memory_held(what, 16, HELD_MAX);
	percpu_taken_end();
	return ret;
}
