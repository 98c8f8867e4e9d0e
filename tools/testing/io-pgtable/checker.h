/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page table that is open and a model of it.
 *
 * The model is two windows of IOVA space, each an array of cells: one around
 * the border of two tables of the level above the last, in cells of a page,
 * where pages and the smallest blocks are mapped; and one in cells of such a
 * block, where those and the next larger ones are.  Between the two sizes of a
 * window there may be that of a group.  Each operation is done on both, and what
 * the page table answers must be what the model does.
 */
#ifndef _CHECKER_H
#define _CHECKER_H

#include "targets.h"

#define HOLE	(~0UL)

struct cell {
	u64 phys;		/* HOLE, or what it maps */
	u64 cells;		/* of its page */
};

struct window {
	u64 base;
	u64 unit;		/* bytes of a cell */
	unsigned long nr;	/* of cells, 0: not there */
	u64 sizes[3];		/* of pages in cells: 1, a group, a table's worth */
	unsigned int nr_sizes;
	u64 far;		/* memory at the end of what there can be */
	struct cell *cells;
	u64 low, high;		/* cells that were ever mapped */
};

static struct window windows[2];
static u64 per_table;

static void window_open(struct window *w, u64 base, u64 unit, u64 nr)
{
	u64 i, size;

	w->base = upper() + base;
	w->unit = unit;
	w->nr = nr;
	w->nr_sizes = 0;
	for (size = 1; size <= per_table; size *= 2)
		if (cfg.pgsize_bitmap & (unit * size))
			w->sizes[w->nr_sizes++] = size;
	w->far = (1UL << cfg.oas) - 32 * unit * per_table;
	w->low = nr;
	w->high = 0;
	w->cells = malloc(nr * sizeof(*w->cells));
	for (i = 0; i < nr; i++)
		w->cells[i] = (struct cell){ .phys = HOLE };
}

static void checker_begin(void)
{
	u64 page = 1UL << t->granule, block, giant;

	open_table();
	per_table = page / 8;
	block = page * per_table;
	giant = block * per_table;
	window_open(&windows[0], giant >> t->ias ? 3 * block : giant - 2 * block,
		    page, 4 * per_table);
	windows[1] = (struct window){};
	if (cfg.pgsize_bitmap & giant)
		window_open(&windows[1], 2 * giant, block, 2 * per_table);
}

static void check_cell(struct window *w, u64 i)
{
	u64 iova = w->base + i * w->unit;

	if (i >= w->nr)
		return;
	if (w->cells[i].phys == HOLE)
		expect_hole(iova);
	else
		expect_page(iova, w->cells[i].phys, w->cells[i].cells * w->unit);
}

/* Both sides of where @first, @end, and what was @done of it, are. */
static void check_around(struct window *w, u64 first, u64 end, u64 done)
{
	check_cell(w, first - 1);
	check_cell(w, first);
	check_cell(w, first + done - 1);
	check_cell(w, first + done);
	check_cell(w, end - 1);
	check_cell(w, end);
}

static void check_all(void)
{
	unsigned int i;
	u64 at;

	for (i = 0; i < 2; i++)
		for (at = windows[i].low; at < windows[i].high; at++)
			check_cell(&windows[i], at);
}

static void checker_end(void)
{
	check_all();
	expect_complaint();
	free(windows[0].cells);
	free(windows[1].cells);
	close_table();
}

static bool empty(struct window *w, u64 first, u64 count)
{
	while (count--)
		if (w->cells[first++].phys != HOLE)
			return false;
	return true;
}

/* Map @run from cell @first on, up to the first thing in the way. */
static u64 model_map(struct window *w, u64 first, const struct iommu_run *run,
		     u64 fixed, u64 most)
{
	u64 begin = w->base + first * w->unit, done = 0, i;

	while (done * w->unit < run->size && done < most) {
		u64 size = fixed ?: best_size(begin, run, begin + done * w->unit);
		u64 count = size / w->unit;

		if (!empty(w, first + done, count))
			break;
		for (i = 0; i < count; i++, done++)
			w->cells[first + done] = (struct cell){
				run->phys + done * w->unit, count,
			};
	}
	w->low = min(w->low, first);
	w->high = max(w->high, first + done);
	return done;
}

/*
 * Compare what became of @runs, in pages of @fixed bytes or the largest that
 * fit, with the model. An allocation may have failed, then it ends anywhere.
 */
static void check_mapped(struct window *w, u64 first, const struct iommu_run *runs,
			 unsigned int nr, u64 fixed, int ret, size_t mapped)
{
	u64 most = ret == -ENOMEM ? mapped / w->unit : ~0UL, done = 0, total = 0;
	unsigned int i;
	int want = 0;

	for (i = 0; i < nr; i++)
		total += runs[i].size / w->unit;
	for (i = 0; i < nr && !want && done < most; i++) {
		u64 some = model_map(w, first + done, runs + i, fixed, most - done);

		if (some * w->unit < runs[i].size && done + some < most)
			want = -EEXIST;
		done += some;
	}
	if (ret == -ENOMEM)
		want = ret;
	expect(ret == want && mapped == done * w->unit,
	       "map of %u runs at %#lx: %d, %#zx mapped, not %d, %#lx", nr,
	       (long)(w->base + first * w->unit), ret, mapped, want,
	       (long)(done * w->unit));
	check_around(w, first, first + total, done);
}

/* The @fail-th allocation of these fails, where that is not 0. */
static void check_map(struct window *w, u64 first, u64 size, u64 count, u64 phys,
		      gfp_t gfp, unsigned long fail)
{
	struct iommu_run run = { phys, size * count };
	size_t mapped = 0;
	int ret;

	shim_fail_nth(fail, false);
	ret = ops->map_pages(ops, w->base + first * w->unit, phys, size, count, RW,
			     gfp, &mapped);
	shim_fail_nth(0, false);
	expect(fail || ret != -ENOMEM, "no memory");
	check_mapped(w, first, &run, 1, size, ret, mapped);
}

static void check_runs(struct window *w, u64 first, const struct iommu_run *runs,
		       unsigned int nr, gfp_t gfp, unsigned long fail)
{
	size_t mapped;
	int ret;

	shim_fail_nth(fail, false);
	ret = map_runs(w->base + first * w->unit, runs, nr, gfp, &mapped);
	shim_fail_nth(0, false);
	expect(fail || ret != -ENOMEM, "no memory");
	check_mapped(w, first, runs, nr, 0, ret, mapped);
}

/* Up to a hole, or a larger page that sticks out. */
static u64 model_unmap(struct window *w, u64 first, u64 count)
{
	u64 done = 0, i;

	while (done < count && w->cells[first + done].phys != HOLE) {
		u64 some = w->cells[first + done].cells;

		if ((first + done) % some || done + some > count)
			break;
		for (i = 0; i < some; i++, done++)
			w->cells[first + done] = (struct cell){ .phys = HOLE };
	}
	return done;
}

static void check_unmap(struct window *w, u64 first, u64 size, u64 count,
			bool queued)
{
	u64 iova = w->base + first * w->unit, units = count * (size / w->unit);
	struct iommu_iotlb_gather gather;
	u64 done, want;

	iommu_iotlb_gather_init(&gather);
	gather.queued = queued;
	done = ops->unmap_pages(ops, iova, size, count, &gather);
	want = model_unmap(w, first, units);
	expect(done == want * w->unit, "unmap of %#lx at %#lx: %#lx, not %#lx",
	       (long)(units * w->unit), (long)iova, (long)done,
	       (long)(want * w->unit));
	expect(queued || !want ||
	       (gather.start == iova && gather.end == iova + want * w->unit - 1),
	       "gathered %#lx to %#lx of %#lx at %#lx", gather.start, gather.end,
	       (long)(want * w->unit), (long)iova);
	/* Freed memory is poisoned: nothing may refer to it. */
	free_tables(&gather);
	check_around(w, first, first + units, want);
}

#endif
