// SPDX-License-Identifier: GPL-2.0-only
/* Where addresses lie, and how soon one comes again. */

#include "rows.h"

#define LEVEL_BITS	9

/* ---- Where addresses lie, and what an IOMMU reads to translate them ---- */

static bool walk_cache_has(struct walk_model *model, unsigned int level,
			   unsigned long key)
{
	unsigned long *keys = model->keys[level], *used = model->used[level];
	unsigned int i, oldest = 0;

	model->now++;
	for (i = 0; i < WALK_ENTRIES; i++) {
		if (used[i] && keys[i] == key) {
			used[i] = model->now;
			return true;
		}
		if (used[i] < used[oldest])
			oldest = i;
	}
	keys[oldest] = key;
	used[oldest] = model->now;
	return false;
}

static void walk(struct walk_model *model, unsigned long pfn)
{
	unsigned int level;

	model->pages++;
	model->reads++;
	for (level = 1; level < WALK_LEVELS; level++) {
		if (walk_cache_has(model, level, pfn >> LEVEL_BITS * level))
			return;
		model->reads++;
	}
}

static int pfns_ascending(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a;
	unsigned long y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

static unsigned long distinct(unsigned long *keys, unsigned long nr)
{
	unsigned long i, found = 1;

	qsort(keys, nr, sizeof(*keys), pfns_ascending);
	for (i = 1; i < nr; i++)
		found += keys[i] != keys[i - 1];
	return found;
}

/* Page-table pages that map these ranges: leaf tables and those above. */
static double page_tables(const struct range *ranges, unsigned long nr)
{
	unsigned long *keys = calloc(2 * nr, sizeof(*keys)), i, found = 1;
	unsigned int level;

	for (level = 1; level < WALK_LEVELS; level++) {
		for (i = 0; i < nr; i++) {
			unsigned long last = ranges[i].pfn + ranges[i].size - 1;

			keys[2 * i] = ranges[i].pfn >> LEVEL_BITS * level;
			keys[2 * i + 1] = last >> LEVEL_BITS * level;
		}
		found += distinct(keys, 2 * nr);
	}
	free(keys);
	return found;
}

/* The next range to be freed; it happens on any CPU. */
static struct range *victim(struct side *side, struct range *ranges,
			    unsigned long nr, unsigned long *at)
{
	const struct traffic *traffic = side->arg;

	shim_set_cpu(below(&side->random, traffic->cpus));
	return &ranges[traffic->in_order ? (*at)++ % nr :
					   below(&side->random, nr)];
}

/* Map 64 pages in a row, then free as many ranges; how many leaf tables. */
static double map_row(struct side *side, struct range *ranges,
		      unsigned long nr, unsigned long *at)
{
	struct traffic *traffic = side->arg;
	unsigned long keys[64], pages = 0, i, k;
	struct range row[64];

	shim_set_cpu(below(&side->random, traffic->cpus));
	for (i = 0; pages < 64; i++) {
		row[i].size = min(1 + below(&side->random, traffic->max_size),
				  64 - pages);
		row[i].pfn = take(side, row[i].size);
		for (k = 0; k < row[i].size; k++) {
			keys[pages++] = (row[i].pfn + k) >> LEVEL_BITS;
			walk(&traffic->model, row[i].pfn + k);
		}
	}
	while (i--) {
		struct range *range = victim(side, ranges, nr, at);

		give(side, range->pfn, range->size);
		*range = row[i];
	}
	shim_run_works(1);
	return distinct(keys, pages);
}

/* Leaf tables of 64 pages mapped in a row after a million frees, mean. */
double run_leaf_tables(struct side *side)
{
	/* With fewer samples the mean moves by several hundredths from seed to seed. */
	enum { LIVE = 256 << 10, CHURN = 1000000, SAMPLES = 4096 };
	struct traffic *traffic = side->arg;
	struct range *ranges = populate(side, LIVE, traffic->max_size);
	unsigned long at = 0, i;
	double leaves = 0;

	for (i = 0; i < CHURN; i++) {
		replace(side, victim(side, ranges, LIVE, &at),
			1 + below(&side->random, traffic->max_size));
		if (i % 1000 == 999)
			shim_run_works(1);
	}
	traffic->tables[side->which] = page_tables(ranges, LIVE);
	traffic->model = (struct walk_model){ };
	for (i = 0; i < SAMPLES; i++)
		leaves += map_row(side, ranges, LIVE, &at);
	traffic->reads[side->which] = traffic->model.reads /
				      traffic->model.pages;
	free(ranges);
	return leaves / SAMPLES;
}

double last_reads(struct side *side)
{
	return ((struct traffic *)side->arg)->reads[side->which];
}

double last_tables(struct side *side)
{
	return ((struct traffic *)side->arg)->tables[side->which];
}

/* ---- Reuse ---- */

/*
 * Take and free: the least number of other addresses given out between two
 * times of the same.  Of those between them none came twice, or that one would
 * have been nearer.
 */
double run_reuse(struct side *side)
{
	enum { NR = 20000, LOOK_BACK = 4096 };
	static unsigned long given[NR];
	const struct reuse *reuse = side->arg;
	unsigned long held[16] = { }, least = LOOK_BACK, i, back;

	for (i = 0; i < NR; i++) {
		unsigned long *slot = &held[below(&side->random,
						  reuse->in_flight)];

		if (*slot)
			give(side, *slot, reuse->size);
		*slot = side->ops->alloc_fast(side->iovad, reuse->size,
					      reuse->limit, true);
		given[i] = *slot;
		for (back = 1; back <= min(i, least); back++)
			if (given[i - back] == given[i])
				least = back - 1;
		if (i % 64 == 63)
			shim_run_works(1);
		if (i % 500 == 499)
			shim_run_works(reuse->idle);
	}
	return least;
}
