// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on page tables and on a model of them (checker.h), for
 * each format, granule and kind of walker.
 *
 * usage: model [--ops N] [--seed N]
 *
 * N operations for each format, in equal parts for its granules and walkers,
 * in episodes with a new page table and a taste of its own.  A failure tells
 * the seed of its episode; --seed with it begins there.
 */
#include "checker.h"

#define EPISODE		20000
#define MOST_RUNS	24

/* Memory for something aligned to @align, often adjacent to a block's border. */
static u64 random_phys(struct window *w, unsigned long *seed, u64 align)
{
	u64 phys = below(seed, 16) * w->unit * per_table;

	if (below(seed, 2))
		phys += w->far;
	if (below(seed, 2))
		phys += below(seed, per_table * w->unit / align) * align;
	return phys;
}

static void random_runs(struct window *w, unsigned long *seed, u64 first,
			gfp_t gfp, unsigned long fail)
{
	u64 left = w->nr - first, at = first, length;
	unsigned int nr, most = 1 + below(seed, MOST_RUNS);
	struct iommu_run runs[MOST_RUNS];
	bool large = !below(seed, 4);

	for (nr = 0; nr < most && left; nr++, left -= length, at += length) {
		u64 phys = random_phys(w, seed, w->unit);

		length = below(seed, 4) ? 1 : 1 + below(seed, 20);
		if (large && !below(seed, 3))
			length = 1 + below(seed, 2 * per_table);
		/* Congruent to its address, as what may become a block. */
		if (large && below(seed, 2))
			phys = phys / (per_table * w->unit) * per_table * w->unit +
			       (at % per_table) * w->unit;
		length = min(length, left);
		runs[nr] = (struct iommu_run){ phys, length * w->unit };
	}
	check_runs(w, first, runs, nr, gfp, fail);
}

static void operation(unsigned long *seed, unsigned int fill)
{
	struct window *w = &windows[windows[1].nr && !below(seed, 4)];
	bool large = w->nr_sizes > 1 && !below(seed, 4);
	u64 unit = w->sizes[large ? 1 + below(seed, w->nr_sizes - 1) : 0];
	u64 size = w->unit * unit;
	u64 first = below(seed, w->nr / unit) * unit;
	u64 most = below(seed, 3) ? 40 : w->nr;
	gfp_t gfp = below(seed, 2) ? GFP_ATOMIC : GFP_KERNEL;
	unsigned long fail = below(seed, 32) ? 0 : 1 + below(seed, 3);
	u64 count = 1 + below(seed, min((w->nr - first) / unit, large ? 4 : most));

	/* One page is a path of its own. */
	if (!large && !below(seed, 4))
		count = 1;
	if (below(seed, 100) >= fill)
		check_unmap(w, first, size, count, below(seed, 2));
	else if (below(seed, 2))
		random_runs(w, seed, first, gfp, fail);
	else
		check_map(w, first, size, count, random_phys(w, seed, size), gfp,
			  fail);
	check_cell(w, below(seed, w->nr));
	expect_complaint();
}

static void episode(unsigned long seed, unsigned long steps)
{
	unsigned int fill = 35 + below(&seed, 25);
	unsigned long i;

	checker_begin();
	for (i = 0; i < steps && !test_why[0]; i++) {
		operation(&seed, fill);
		if (i % 4096 == 0)
			check_all();
	}
	checker_end();
}

static void run(unsigned long steps, unsigned long seed)
{
	unsigned long done, some;
	char name[100];

	test_begin();
	for (done = 0; done < steps && !test_why[0]; done += some, seed++) {
		some = min(steps - done, (unsigned long)EPISODE);
		episode(seed, some);
	}
	if (test_why[0]) {
		char why[sizeof(test_why)];

		memcpy(why, test_why, sizeof(why));
		snprintf(test_why, sizeof(test_why), "--seed %lu: %.500s", seed - 1,
			 why);
	}
	snprintf(name, sizeof(name), "model (%s): %lu operations", t->name, done);
	test_end(name);
}

static unsigned int targets_of(enum io_pgtable_fmt fmt)
{
	unsigned int i, count = 0;

	for (i = 0; i < ARRAY_SIZE(targets); i++)
		count += targets[i].b->fmt == fmt;
	return count;
}

int main(int argc, char **argv)
{
	unsigned long steps = 1000000, seed = 1;
	const struct test_option options[] = {
		{ "ops", TEST_NUMBER, &steps, 1 },
		{ "seed", TEST_NUMBER, &seed },
		{ }
	};
	unsigned int i;

	test_options(argc, argv, options, false);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		t = &targets[i];
		run(DIV_ROUND_UP(steps, targets_of(t->b->fmt)), seed);
	}
	return test_finish(tests_ran, tests_failed);
}
