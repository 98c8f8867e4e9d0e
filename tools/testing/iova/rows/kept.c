// SPDX-License-Identifier: GPL-2.0-only
/* What stays cached, and what requests meet that fail. */

#include <malloc.h>
#include <math.h>

#include "rows.h"

/* ---- What stays while nothing happens ---- */

double run_new_domain(struct side *side)
{
	return shim_bytes() - side->bytes_before +
	       malloc_usable_size(side->iovad);
}

double run_idle_domain(struct side *side)
{
	unsigned long size;

	for (size = 1; size <= 32; size *= 2)
		burst_everywhere(side, 200, size);
	shim_run_works(60000);
	return run_new_domain(side);
}

double run_idle_works(struct side *side)
{
	burst_everywhere(side, 24, 1);
	shim_run_works(10000);
	return shim_run_works(60000);
}

/* ---- What stays cached, and what misses ---- */

/* A minute of one CPU after so many: ranges in caches. */
double run_bound(struct side *side)
{
	unsigned int round;
	struct iova_stats stats;
	unsigned long pfns[40];

	if (side->which == STOCK)
		return NAN;
	for (round = 0; round < 6; round++)
		burst_everywhere(side, 200, 1);
	for (round = 0; round < 6000; round++) {
		bursts(side, pfns, 40, 1, 1);
		shim_run_works(10);
	}
	iova_domain_stats(side->iovad, &stats);
	return stats.all_cached;
}

/* A burst of 24 on each CPU each so many ms: misses, per cent. */
double run_light(struct side *side)
{
	const struct light *light = side->arg;
	unsigned long pfns[24], warm = max(3000U, 10 * light->every), ms;
	double missed = 0, total = 0;
	unsigned int cpu;

	shim_fail_nth(~0UL, false);	/* counts allocations of memory */
	for (cpu = 0; cpu < light->mapped; cpu++) {
		shim_set_cpu(cpu);
		take(side, 1);
	}
	for (ms = 0; ms < warm + 2000; ms++) {
		if (ms == warm)
			missed = misses(side);
		for (cpu = ms % light->every; cpu < nr_cpu_ids; cpu += light->every) {
			shim_set_cpu(cpu);
			bursts(side, pfns, 24, 1, 1);
			total += ms >= warm ? 24 : 0;
		}
		shim_run_works(1);
	}
	missed = misses(side) - missed;
	shim_fail_nth(0, false);
	return 100 * missed / total;
}

/* CPUs in turn have 128 MiB mapped below 4 GiB: bursts of which one fails. */
double run_low_4g(struct side *side)
{
	enum { NR = 32, SIZE = 1024, BURSTS = 2000 };
	unsigned long pfns[NR], burst, i;
	double failed = 0;

	for (burst = 0; burst < BURSTS; burst++) {
		bool all = true;

		shim_set_cpu(burst % nr_cpu_ids);
		for (i = 0; i < NR; i++) {
			pfns[i] = side->ops->alloc_fast(side->iovad, SIZE,
							LIMIT_32BIT, false);
			all &= pfns[i] != 0;
		}
		failed += !all;
		for (i = 0; i < NR; i++)
			if (pfns[i])
				give(side, pfns[i], SIZE);
		shim_run_works(2);
	}
	return failed;
}

/* ---- Requests that cannot succeed ---- */

static void must_fail(struct side *side, unsigned long size,
		      unsigned long limit)
{
	expect(!side->ops->alloc_fast(side->iovad, size, limit, true),
	       "a request for %lu pages below %#lx succeeds", size, limit);
}

/*
 * Of so many single pages in a row each @step-th is freed: us of a request
 * that fails, because nothing is free below them but for the rest of the last
 * leaf table, and between them are no holes that would do.
 */
double run_failing(struct side *side)
{
	const struct failing *failing = side->arg;
	unsigned long *pfns = calloc(failing->nr, sizeof(*pfns)), i;
	unsigned long lowest = LIMIT;
	double us[5];
	int turn;

	for (turn = -3; turn < 5; turn++) {
		for (i = 0; i < failing->nr; i++) {
			if (!pfns[i])
				pfns[i] = take(side, 1);
			lowest = min(lowest, pfns[i] & ~511UL);
		}
		for (i = 0; i < failing->nr; i++) {
			if (pfns[i] % failing->step == 0) {
				give(side, pfns[i], 1);
				pfns[i] = 0;
			}
			if (i % 2000 == 1999)
				shim_run_works(1);
		}
		if (turn < 0)
			continue;
		if (!turn)
			side->ops->reserve(side->iovad, 1, min(failing->limit,
							       lowest - 1));
		us[turn] = cpu_ns();
		must_fail(side, failing->size + turn, failing->limit);
		us[turn] = (cpu_ns() - us[turn]) / 1000;
	}
	free(pfns);
	return percentile(us, 5, 50);
}

/* Each ms a request that fails, beside other CPUs: misses of these, per cent. */
double run_failing_effect(struct side *side)
{
	enum { MS = 1000 };
	unsigned long pfns[24], ms;
	double missed = 0, before;
	unsigned int cpu;

	side->ops->reserve(side->iovad, 1, LIMIT_24BIT);
	shim_fail_nth(~0UL, false);	/* counts allocations of memory */
	for (ms = 0; ms < MS; ms++) {
		before = misses(side);
		for_each_possible_cpu(cpu) {
			shim_set_cpu(cpu);
			bursts(side, pfns, 24, 1, 1);
		}
		missed += misses(side) - before;
		shim_set_cpu(0);
		must_fail(side, 1, LIMIT_24BIT);
		shim_run_works(1);
	}
	shim_fail_nth(0, false);
	return 100 * missed / (MS * nr_cpu_ids * 24);
}

/* ---- An allocation of memory that fails ---- */

struct twins {
	struct side *side, twin;
	struct range held[300];
	double refused, differ;
	bool apart;	/* one had another place for want of memory; may go on */
};

double refusals[2], later_refusals[2], apart[2];

static unsigned long take_low(struct side *side, unsigned long size)
{
	return side->ops->alloc_fast(side->iovad, size, LIMIT_32BIT, true);
}

/* The same to both, which have to answer the same. */
static void ask_twins(struct twins *twins, unsigned int times)
{
	unsigned long *random = &twins->side->random;

	while (times--) {
		struct range *range = &twins->held[below(random, 300)];
		unsigned long other;

		if (range->pfn) {
			give(twins->side, range->pfn, range->size);
			give(&twins->twin, range->pfn, range->size);
		}
		range->size = 1 + below(random, 40);
		range->pfn = take_low(twins->side, range->size);
		other = take_low(&twins->twin, range->size);
		twins->refused += !range->pfn;
		if (range->pfn != other) {
			twins->differ += !twins->apart;
			if (range->pfn)
				give(twins->side, range->pfn, range->size);
			if (other)
				give(&twins->twin, other, range->size);
			range->pfn = 0;
		}
		if (times % 100 == 0)
			shim_run_works(1);
	}
}

/* Requests without memory; who needs none asks the twin, too. */
static void ask_without_memory(struct twins *twins, unsigned long nth)
{
	enum { NR = 200 };
	unsigned long pfns[NR][2] = { }, sizes[NR], i;

	for (i = 0; i < NR; i++) {
		sizes[i] = 1 + below(&twins->side->random, 64);
		shim_fail_nth(nth, true);
		pfns[i][0] = take_low(twins->side, sizes[i]);
		shim_fail_nth(0, false);
		if (pfns[i][0])
			pfns[i][1] = take_low(&twins->twin, sizes[i]);
		else
			refusals[twins->side->which]++;
		twins->apart |= pfns[i][0] != pfns[i][1];
	}
	for (i = 0; i < NR; i++) {
		if (pfns[i][0])
			give(twins->side, pfns[i][0], sizes[i]);
		if (pfns[i][1])
			give(&twins->twin, pfns[i][1], sizes[i]);
	}
}

static double ask_pair(struct side *side, unsigned int turn)
{
	struct twins twins = { side, *side };
	double differ;
	unsigned int i;

	shim_set_cpu(0);
	side->iovad = side->ops->domain_new(4096, 1);
	side->ops->init_rcaches(side->iovad);
	twins.twin.iovad = side->ops->domain_new(4096, 1);
	side->ops->init_rcaches(twins.twin.iovad);
	/* Some are new; some are used, on this CPU or on another. */
	ask_twins(&twins, turn / 3 % 3 * 1000);
	shim_set_cpu(turn & 1);
	for (i = 0; i < 10; i++) {
		ask_without_memory(&twins, 1 + turn % 3);
		ask_twins(&twins, 200);
	}
	later_refusals[side->which] += twins.refused;
	apart[side->which] += twins.apart;
	differ = twins.differ;
	shim_set_cpu(0);
	side->ops->domain_delete(twins.twin.iovad);
	side->ops->domain_delete(side->iovad);
	return differ;
}

/* Answers of 120 000 that are not those of a twin that had memory. */
double run_failed_memory(struct side *side)
{
	struct iova_domain *own = side->iovad;
	unsigned int turn;
	double differ = 0;

	for (turn = 0; turn < 60; turn++)
		differ += ask_pair(side, turn);
	side->iovad = own;
	return differ;
}

double last_of(struct side *side)
{
	return ((double *)side->arg)[side->which];
}
