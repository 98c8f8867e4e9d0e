// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several owners of ranges in the same tables, under ThreadSanitizer, while
 * the worker gives empty tables back all the time.
 *
 * usage: threads [--seconds N]
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include "shim.h"
#include "targets.h"

#define THREADS		4
#define TABLES		4000UL	/* that pages of several owners are in */
#define CROWDED		150	/* of them, for half of the pages */
#define HELD		48	/* mappings that an owner has at a time */

struct held {
	u64 iova, phys;
	size_t count;
};

struct owner {
	unsigned int id;
	time_t until;
	unsigned long state, steps, bad;
	struct held held[HELD];
};

static unsigned long tables;

static void release(struct owner *me, struct held *held)
{
	size_t page = 1UL << t->granule, i;
	struct iommu_iotlb_gather gather;

	for (i = 0; i < held->count; i++) {
		struct translation seen = hardware(held->iova + i * page);

		if (!seen.valid || seen.phys != held->phys + i * page ||
		    ops->iova_to_phys(ops, held->iova + i * page) != seen.phys)
			me->bad++;
	}
	iommu_iotlb_gather_init(&gather);
	gather.queued = below(&me->state, 2);
	if (ops->unmap_pages(ops, held->iova, page, held->count, &gather) !=
	    held->count * page)
		me->bad++;
	if (ops->iova_to_phys(ops, held->iova))
		me->bad++;
	free_tables(&gather);
	held->count = 0;
}

static void take(struct owner *me, struct held *held, u64 iova, size_t size,
		 size_t count)
{
	gfp_t gfp = below(&me->state, 8) ? GFP_ATOMIC : GFP_KERNEL;
	size_t mapped = 0, half;
	int ret;

	held->iova = iova;
	held->phys = below(&me->state, 64) * size;
	held->count = count * size >> t->granule;
	half = count / 2 * size;
	if (half && below(&me->state, 2)) {
		struct iommu_run runs[] = {
			{ held->phys, half },
			{ held->phys + half, count * size - half },
		};

		ret = ops->map_runs(ops, iova, runs, 2, RW, gfp, &mapped);
	} else {
		ret = ops->map_pages(ops, iova, held->phys, size, count, RW, gfp,
				     &mapped);
	}
	if (ret || mapped != count * size)
		me->bad++;
}

static void *run(void *arg)
{
	struct owner *me = arg;
	size_t page = 1UL << t->granule, per_table = page / 8;
	size_t block = page * per_table;

	shim_set_cpu(me->id);
	while (time(NULL) < me->until && !me->bad) {
		struct held *held = &me->held[below(&me->state, HELD)];
		unsigned long slot = held - me->held, which;

		which = below(&me->state, below(&me->state, 2) ? tables : CROWDED);
		me->steps++;
		if (held->count) {
			release(me, held);
			continue;
		}
		switch (below(&me->state, 16)) {
		case 0:
			/* A table for itself, of pages. */
			take(me, held, upper() + (tables + THREADS * slot + me->id) * block,
			     page, per_table);
			break;
		case 1:
			/* A block in its place. */
			take(me, held, upper() + (tables + THREADS * slot + me->id) * block,
			     block, 1);
			break;
		case 2:
			/* Any address, of others too, in tables that leave. */
			ops->iova_to_phys(ops, upper() +
					  below(&me->state, per_table *
						(tables + THREADS * HELD)) *
					  page);
			break;
		default:
			/* Its place in a table of all, apart for each mapping. */
			take(me, held, upper() + which * block +
			     (slot * THREADS + me->id) * 2 * page, page,
			     1 + below(&me->state, 2));
		}
	}
	while (me->held[me->steps % HELD].count)
		release(me, &me->held[me->steps++ % HELD]);
	return NULL;
}

static bool done;

static void *work(void *arg)
{
	shim_set_cpu(THREADS);
	while (!READ_ONCE(done)) {
		if (!shim_run_works(HZ))
			sched_yield();
	}
	return NULL;
}

static void owners_at_once(unsigned int seconds)
{
	static struct owner owners[THREADS];
	pthread_t threads[THREADS], worker;
	unsigned long steps = 0, allocated = shim_pages_allocated();
	unsigned int i, h;

	tables = (1UL << t->ias) / (1UL << (2 * t->granule - 3)) - THREADS * HELD;
	tables = min(tables, TABLES);
	open_table();
	WRITE_ONCE(done, false);
	pthread_create(&worker, NULL, work, NULL);
	for (i = 0; i < THREADS; i++) {
		owners[i] = (struct owner){
			.id = i, .state = i, .until = time(NULL) + seconds,
		};
		pthread_create(&threads[i], NULL, run, &owners[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		expect(!owners[i].bad, "owner %u: wrong in step %lu", i, owners[i].steps);
		for (h = 0; h < HELD; h++)
			if (owners[i].held[h].count)
				release(&owners[i], &owners[i].held[h]);
		expect(!owners[i].bad, "owner %u: wrong at the end", i);
		steps += owners[i].steps;
	}
	WRITE_ONCE(done, true);
	pthread_join(worker, NULL);
	expect(!told.all && told.walks > 10, "%lu and %lu invalidations", told.all,
	       told.walks);
	printf("# %s: %lu steps, %lu pages for tables, %ld in use, %lu invalidations\n",
	       t->name, steps, shim_pages_allocated() - allocated, shim_pages(),
	       told.walks);
	close_table();
}

int main(int argc, char **argv)
{
	static const char *const chosen[] = {
		"s1 4K 48", "s1 16K 48", "vtd ss 48", "vtd ss 57 noncoherent",
		"vtd fs 47",
	};
	double seconds = 10;
	const struct test_option options[] = {
		{ "seconds", TEST_SECONDS, &seconds },
		{ }
	};
	unsigned int i, c;

	test_options(argc, argv, options, true);
	for (i = 0; i < ARRAY_SIZE(targets); i++)
		for (c = 0; c < ARRAY_SIZE(chosen); c++) {
			if (strcmp(targets[i].name, chosen[c]))
				continue;
			if (!test_wanted(targets[i].name))
				continue;
			t = &targets[i];
			test_begin();
			owners_at_once(max(1U, (unsigned int)seconds /
					      (unsigned int)ARRAY_SIZE(chosen)));
			test_end(t->name);
		}
	return test_finish(tests_ran, tests_failed);
}
