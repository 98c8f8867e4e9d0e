// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random right and wrong unmaps, and an oracle that knows every mapping: each
 * wrong one is refused and changes nothing, no right one is refused.
 *
 * usage: mappings [--ops N] [--seed N]
 *
 * N operations in equal parts for all formats, granules and walkers, in episodes
 * with a new page table.  A failure tells the seed of its episode; --seed with it
 * begins there.
 */
#include <linux/jiffies.h>

#include "bounds.h"

#define EPISODE		20000
#define MOST		256	/* mappings at a time */
#define MOST_CALLS	4
#define MOST_RUNS	8

struct call {
	u64 first, cells;	/* pages from the base of the window */
	u64 phys;		/* of the first run */
	size_t pgsize;		/* for map_pages(), 0 for map_runs() */
	unsigned int nr;
	struct iommu_run runs[MOST_RUNS];
};

/* Of the oracle: a mapping, in pages. */
struct mapping {
	u64 first, end;
	bool owned, gaps;
	unsigned int nr;
	struct call calls[MOST_CALLS];
};

static u64 base, page, block, cells;
static struct mapping mappings[MOST];
static unsigned int nr_mappings;
static u64 sum;			/* of the tables, if @summed */
static bool summed;
static unsigned long rights, wrongs, sums, maps;

static void window_open(void)
{
	u64 giant;

	open_table();
	page = 1UL << t->granule;
	block = page * (page / 8);
	giant = block * (page / 8);
	cells = 6 * (page / 8);
	/* Around the border of two tables above the last level, if there is one. */
	base = upper() + (giant >> (t->ias - 1) ? 4 * block : giant - 3 * block);
	nr_mappings = 0;
	summed = false;
}

static struct mapping *at_cell(u64 cell)
{
	unsigned int i;

	for (i = 0; i < nr_mappings; i++)
		if (mappings[i].first <= cell && cell < mappings[i].end)
			return &mappings[i];
	return NULL;
}

static bool is_free(u64 first, u64 end)
{
	unsigned int i;

	for (i = 0; i < nr_mappings; i++)
		if (mappings[i].first < end && first < mappings[i].end)
			return false;
	return end <= cells;
}

/* The mapping that an exact unmap of these addresses would undo. */
static struct mapping *right_one(u64 iova, u64 size, bool with_gaps)
{
	struct mapping *m = (iova - base) / page < cells ?
			    at_cell((iova - base) / page) : NULL;

	if (!m || !m->owned || (m->gaps && !with_gaps) ||
	    iova != base + m->first * page || size != (m->end - m->first) * page)
		return NULL;
	return m;
}

/* The call that maps @cell, or NULL in a gap. */
static const struct call *call_at(const struct mapping *m, u64 cell)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		if (m->calls[i].first <= cell &&
		    cell - m->calls[i].first < m->calls[i].cells)
			return &m->calls[i];
	return NULL;
}

static void check_cell(u64 cell)
{
	struct mapping *m = at_cell(cell);
	const struct call *c = m ? call_at(m, cell) : NULL;
	u64 iova = base + cell * page, offset, phys;
	unsigned int i, want = 0;
	struct translation seen;

	if (!c) {
		expect_hole(iova);
		return;
	}
	offset = (cell - c->first) * page;
	for (i = 0; offset >= c->runs[i].size; i++)
		offset -= c->runs[i].size;
	phys = c->runs[i].phys + offset;
	seen = hardware(iova);
	expect(seen.valid && seen.phys == phys && !seen.misprogrammed,
	       "%#lx maps %#lx, not %#lx", (long)iova, (long)seen.phys, (long)phys);
	if (m->owned) {
		u64 size = leaf_size(seen.size), leaf = iova & -size;

		want = OWNED | (leaf > base + m->first * page ? BEFORE : 0) |
		       (leaf + size < base + m->end * page ? AFTER : 0);
	}
	expect(bounds_of(seen.entry) == want, "%#lx has %u, not %u", (long)iova,
	       bounds_of(seen.entry), want);
}

static void check_around(u64 first, u64 end)
{
	if (first)
		check_cell(first - 1);
	if (end < cells)
		check_cell(end);
}

static void check_all(void)
{
	u64 cell;

	for (cell = 0; cell < cells; cell++)
		check_cell(cell);
}

/* Memory for @cells at @first: anywhere, or congruent, for larger pages. */
static u64 memory_for(unsigned long *seed, u64 first)
{
	u64 phys = (1 + below(seed, 16)) * block;

	if (below(seed, 3))
		return phys + below(seed, page / 8) * page;
	return phys + ((base + first * page) & (block - 1));
}

static size_t larger_size(unsigned long *seed)
{
	unsigned long sizes = cfg.pgsize_bitmap & (2 * block - 1) & ~page;

	if (below(seed, 2))
		return sizes & -sizes;
	return block;
}

static bool add_call(struct mapping *m, unsigned long *seed, u64 first)
{
	struct call *c = &m->calls[m->nr];
	u64 left, some;

	*c = (struct call){ .first = first };
	switch (below(seed, 8)) {
	case 0:
		/* Larger pages, at their places. */
		c->pgsize = larger_size(seed);
		if ((base + first * page) & (c->pgsize - 1))
			return false;
		c->nr = 1;
		c->runs[0].size = c->pgsize * (1 + below(seed, 2));
		c->runs[0].phys = (1 + below(seed, 16)) * block;
		break;
	case 1:
	case 2:
	case 3:
		c->pgsize = page;
		c->nr = 1;
		some = 1 + below(seed, below(seed, 16) ? 8 : 2 * page / 8);
		c->runs[0].size = some * page;
		c->runs[0].phys = memory_for(seed, first);
		break;
	default:
		left = below(seed, 4) ? 8 : page / 8;
		c->nr = 1 + below(seed, MOST_RUNS);
		for (some = 0; some < c->nr; some++) {
			u64 length = 1 + below(seed, 3) * below(seed, left) / 2;

			c->runs[some].phys = memory_for(seed, first + c->cells);
			c->runs[some].size = length * page;
			c->cells += length;
		}
	}
	c->cells = 0;
	for (some = 0; some < c->nr; some++)
		c->cells += c->runs[some].size / page;
	m->nr++;
	m->end = first + c->cells;
	return true;
}

static int do_call(const struct mapping *m, unsigned int i, size_t *mapped)
{
	const struct call *c = &m->calls[i];
	int prot = RW;

	if (m->owned)
		prot |= IOMMU_OWNED | (i ? IOMMU_MORE_BEFORE : 0) |
			(i + 1 < m->nr ? IOMMU_MORE_AFTER : 0);
	*mapped = 0;
	if (c->pgsize)
		return ops->map_pages(ops, base + c->first * page, c->runs[0].phys,
				      c->pgsize, c->runs[0].size / c->pgsize, prot,
				      GFP_ATOMIC, mapped);
	return ops->map_runs(ops, base + c->first * page, c->runs, c->nr, prot,
			     GFP_ATOMIC, mapped);
}

static void plain_unmap(u64 first, size_t size)
{
	struct iommu_iotlb_gather gather;

	if (!size)
		return;
	iommu_iotlb_gather_init(&gather);
	expect(ops->unmap_pages(ops, base + first * page, page, size / page, &gather) ==
	       size, "plain unmap of %#zx at %#lx", size, (long)(base + first * page));
	free_tables(&gather);
}

static void map_one(unsigned long *seed)
{
	u64 first = below(seed, 4) ? below(seed, cells) :
				     below(seed, cells / 64) * 64;
	struct mapping *m = &mappings[nr_mappings];
	unsigned int i, most = below(seed, 4) ? 1 : 1 + below(seed, MOST_CALLS);
	size_t mapped;
	int ret = 0;

	if (nr_mappings == MOST)
		return;
	/* Right behind another one. */
	if (nr_mappings && below(seed, 2))
		first = mappings[below(seed, nr_mappings)].end;
	*m = (struct mapping){ .first = first, .end = first };
	m->owned = below(seed, 5);
	while (m->nr < most) {
		u64 gap = m->nr && m->owned && !below(seed, 3) ? 1 + below(seed, 40) : 0;

		if (!add_call(m, seed, m->end + gap))
			break;
		m->gaps |= gap;
	}
	if (!m->nr || !is_free(m->first, m->end))
		return;
	summed = false;
	shim_fail_nth(below(seed, 32) ? 0 : 1 + below(seed, 3), false);
	for (i = 0; i < m->nr && !ret; i++)
		ret = do_call(m, i, &mapped);
	shim_fail_nth(0, false);
	if (!ret) {
		expect(mapped == m->calls[i - 1].cells * page, "mapped %#zx", mapped);
		nr_mappings++;
		maps++;
		check_cell(m->first);
		check_cell(m->end - 1);
		check_around(m->first, m->end);
		return;
	}
	/* Undone without looking at bounds. */
	expect(ret == -ENOMEM, "map: %d", ret);
	plain_unmap(m->calls[--i].first, mapped);
	while (i--)
		plain_unmap(m->calls[i].first, m->calls[i].cells * page);
	expect_hole(base + m->first * page);
}

static void forget(struct mapping *m)
{
	u64 first = m->first, end = m->end;

	*m = mappings[--nr_mappings];
	summed = false;
	check_cell(first);
	check_cell(end - 1);
	check_around(first, end);
}

static void unmap(unsigned long *seed, u64 iova, u64 size, bool with_gaps)
{
	struct mapping *right = right_one(iova, size, with_gaps);
	struct iommu_iotlb_gather gather;
	bool queued = below(seed, 2), done;

	/* Mostly wrong ones look at what they are near to, and some at all there is. */
	if (!right && !summed && !below(seed, 16)) {
		sum = shim_pages_sum();
		summed = true;
	}
	iommu_iotlb_gather_init(&gather);
	gather.queued = queued;
	done = ops->unmap_exact(ops, iova, size, with_gaps, &gather);
	expect(done == !!right, "%#lx at %#lx%s: %s", (long)size, (long)iova,
	       with_gaps ? ", gaps allowed" : "", done ? "unmapped" : "refused");
	if (done && !queued)
		expect(gather.start == iova && gather.end == iova + size - 1,
		       "noted %#lx to %#lx", gather.start, gather.end);
	else
		expect(gather.start > gather.end, "noted %#lx to %#lx", gather.start,
		       gather.end);
	free_tables(&gather);
	if (right) {
		rights++;
		forget(right);
	} else {
		u64 cell = (iova - base) / page;

		wrongs++;
		if (cell < cells)
			check_cell(cell);
		if (summed && !below(seed, 8)) {
			sums++;
			expect(shim_pages_sum() == sum, "%#lx at %#lx: changed",
			       (long)size, (long)iova);
		}
	}
}

static u64 near(unsigned long *seed, u64 most)
{
	return (1 + below(seed, most)) * (below(seed, 2) ? 1 : -1);
}

/* Most of what this makes up is wrong; the oracle knows. */
static void unmap_wrong(unsigned long *seed)
{
	const struct mapping *m = nr_mappings ?
				  &mappings[below(seed, nr_mappings)] : NULL;
	u64 first = m ? m->first : below(seed, cells);
	u64 end = m ? m->end : first + 1 + below(seed, 10);
	u64 iova, size, within = below(seed, end - first);
	const struct mapping *other;

	switch (below(seed, 10)) {
	case 0:		/* beside it */
		within = near(seed, 2);
		first += within;
		end += within;
		break;
	case 1:		/* too short or too long */
		end += near(seed, 3);
		break;
	case 2:		/* begins elsewhere */
		first += near(seed, 3);
		break;
	case 3:		/* parts */
		end = first + within;
		break;
	case 4:
		first += within;
		break;
	case 5:
		first += within;
		end = first + 1 + below(seed, end - first);
		break;
	case 6:		/* up to the end of another one */
		other = nr_mappings ? &mappings[below(seed, nr_mappings)] : m;
		if (other && other->end > first)
			end = other->end;
		break;
	case 7:		/* anything */
		first = below(seed, cells);
		end = below(seed, cells);
	}
	iova = base + first * page;
	size = (end - first) * page;
	switch (below(seed, 16)) {
	case 0:
		iova += near(seed, page - 1);
		break;
	case 1:
		size += near(seed, page - 1);
		break;
	case 2:
		size = below(seed, 2) ? 0 : -iova;
		break;
	case 3:
		size = next_random(seed);
		break;
	case 4:
		iova = next_random(seed) & -page;
		break;
	case 5:
		size = (upper() ? 0 : 1UL << t->ias) - iova +
		       (below(seed, 2) ? page : 0);
		break;
	}
	unmap(seed, iova, size, below(seed, 2));
}

static void unmap_right(unsigned long *seed)
{
	const struct mapping *m = &mappings[below(seed, nr_mappings ?: 1)];

	if (!nr_mappings)
		return;
	/* Without bounds, or with gaps that are not allowed, it is refused. */
	unmap(seed, base + m->first * page, (m->end - m->first) * page,
	      m->gaps ? below(seed, 4) : below(seed, 2));
}

/* As the owner of a mapping without bounds does. */
static void undo(struct mapping *m)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		plain_unmap(m->calls[i].first, m->calls[i].cells * page);
	forget(m);
}

static void unmap_foreign(unsigned long *seed)
{
	struct mapping *m = &mappings[below(seed, nr_mappings ?: 1)];

	if (nr_mappings && !m->owned)
		undo(m);
}

static void find(unsigned long *seed)
{
	u64 cell = below(seed, cells), iova = base + cell * page;
	struct mapping *m = at_cell(cell);
	struct iommu_mapping found;
	u64 size;
	bool is;

	if (m && below(seed, 2)) {
		cell = below(seed, 2) ? m->first : m->end - 1;
		iova = base + cell * page;
	}
	iova += below(seed, page);
	is = ops->find_mapping(ops, iova, &found);
	if (!m || !call_at(m, cell)) {
		expect(!is, "found %#zx at %#lx", found.size, found.iova);
		return;
	}
	size = leaf_size(hardware(iova).size);
	/* A search through more leaves than that may have been cut (exact.c). */
	if (m->owned && m->end - m->first > 4096 && is && !found.whole)
		expect(found.owned && found.iova >= base + m->first * page &&
		       found.iova <= iova && iova < found.iova + found.size &&
		       found.iova + found.size <= base + m->end * page,
		       "found a part: %#zx at %#lx", found.size, found.iova);
	else if (m->owned)
		expect(is && found.owned && found.whole &&
		       found.iova == base + m->first * page &&
		       found.size == (m->end - m->first) * page,
		       "found %d: %#zx at %#lx, not %#lx at %#lx", is, found.size,
		       found.iova, (long)((m->end - m->first) * page),
		       (long)(base + m->first * page));
	else
		expect(is && !found.owned && found.whole && found.size == size &&
		       found.iova == (iova & -size), "found %d: %#zx at %#lx", is,
		       found.size, found.iova);
}

static void operation(unsigned long *seed, unsigned int fill)
{
	unsigned int which = below(seed, 100);

	if (which < fill)
		map_one(seed);
	else if (which < 55)
		unmap_right(seed);
	else if (which < 60)
		unmap_foreign(seed);
	else if (which < 66)
		find(seed);
	else
		unmap_wrong(seed);
	if (!below(seed, 2000)) {
		shim_run_works(HZ);
		rcu_barrier();
		summed = false;
	}
}

static void episode(unsigned long seed, unsigned long steps)
{
	unsigned int fill = 28 + below(&seed, 20);
	unsigned long i;

	window_open();
	for (i = 0; i < steps && !test_why[0]; i++) {
		operation(&seed, fill);
		if (i % 10000 == 0)
			check_all();
	}
	check_all();
	while (nr_mappings && !test_why[0]) {
		struct mapping *m = &mappings[0];

		if (m->owned)
			unmap(&seed, base + m->first * page, (m->end - m->first) * page,
			      true);
		else
			undo(m);
	}
	close_table();
}

static unsigned long operations;

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
		snprintf(test_why, sizeof(test_why), "--seed %lu: %.500s", seed - 1, why);
	}
	operations += done;
	snprintf(name, sizeof(name), "mappings (%s): %lu operations", t->name, done);
	test_end(name);
}

int main(int argc, char **argv)
{
	unsigned long steps = 500000, seed = 1;
	const struct test_option options[] = {
		{ "ops", TEST_NUMBER, &steps, 1 },
		{ "seed", TEST_NUMBER, &seed },
		{ }
	};
	unsigned int i;

	test_options(argc, argv, options, false);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		t = &targets[i];
		run(DIV_ROUND_UP(steps, ARRAY_SIZE(targets)), seed);
	}
	printf("# %lu operations: %lu maps, %lu right unmaps, %lu wrong ones, %lu sums\n",
	       operations, maps, rights, wrongs, sums);
	return test_finish(tests_ran, tests_failed);
}
