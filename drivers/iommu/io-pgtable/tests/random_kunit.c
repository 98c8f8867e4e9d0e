// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of I/O page tables: random requests, against a model and beside others.
 */

#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/prandom.h>

#include "io_pgtable_kunit.h"

/**
 * struct cell - a page of the window of the random test
 * @phys: what it maps
 * @mapped: whether it does
 * @pages: that the page has which it is a part of
 */
struct cell {
	u64 phys;
	bool mapped;
	u16 pages;
};

/* How much comes off: up to a hole, or a larger page that sticks out. */
static size_t predict_unmap(struct fixture *f, struct cell *cells, size_t first,
			    size_t end)
{
	size_t i = first;

	while (i < end && cells[i].mapped) {
		size_t step = cells[i].pages;

		if (i % step || i + step > end)
			break;
		i += step;
	}
	return i - first;
}

/* Map @run in the model from @first on, up to what is mapped there. */
static size_t model_map(struct fixture *f, struct cell *cells, size_t first,
			const struct iommu_run *run, size_t fixed)
{
	size_t total = run->size / f->page, done = 0;
	u64 base = (2 * f->per_table + first) * f->page;

	while (done < total) {
		u64 size = fixed ?: best_size(f, base, run,
					      base + done * f->page);
		size_t count = size / f->page, i;

		for (i = 0; i < count; i++)
			if (cells[first + done + i].mapped)
				return done;
		for (i = 0; i < count; i++, done++)
			cells[first + done] = (struct cell){
				run->phys + done * f->page, true, count
			};
	}
	return done;
}

#define MOST_RUNS	8

/* Pieces of up to @most pages together; returns how many. */
static unsigned int random_runs(struct fixture *f, struct rnd_state *rnd,
				struct iommu_run *runs, size_t first,
				size_t most)
{
	unsigned int wanted = 1 + prandom_u32_state(rnd) % MOST_RUNS, i;

	for (i = 0; i < wanted && most; i++) {
		size_t pages = 1 + prandom_u32_state(rnd) % 12;
		u64 phys = prandom_u32_state(rnd) % 64 * f->block;

		if (prandom_u32_state(rnd) % 8 == 0)
			pages = 1 + prandom_u32_state(rnd) % (2 * f->per_table);
		/* As in IOVA, for blocks, or not. */
		if (prandom_u32_state(rnd) % 2)
			phys += first % f->per_table * f->page;
		else
			phys += prandom_u32_state(rnd) % f->per_table * f->page;
		pages = min(pages, most);
		runs[i] = (struct iommu_run){ phys, pages * f->page };
		first += pages;
		most -= pages;
	}
	return i;
}

/* About a second for each format in an emulator. */
#define STEPS		(IS_ENABLED(CONFIG_KASAN) ? 100000 : 400000)

void random_requests_against_a_model(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t nr = WINDOW_TABLES * f->per_table, i;
	struct iommu_run runs[MOST_RUNS];
	unsigned long groups = f->cfg.pgsize_bitmap & (f->block - 1) & ~f->page;
	size_t group = groups ? groups / f->page : 1;
	u64 base = 2 * f->block;
	struct rnd_state rnd;
	struct cell *cells;
	unsigned int step;

	cells = kvcalloc(nr, sizeof(*cells), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cells);
	prandom_seed_state(&rnd, 20240607);
	for (step = 0; step < STEPS; step++) {
		unsigned int kind = prandom_u32_state(&rnd) % 8;
		size_t unit = kind < 2 ? f->per_table : kind == 2 ? group : 1;
		size_t size = unit * f->page, got, first, count, want;
		bool several;
		u64 at;

		first = prandom_u32_state(&rnd) % (nr / unit) * unit;
		count = min(1 + prandom_u32_state(&rnd) % 40,
			    (nr - first) / unit);
		at = base + first * f->page;
		if (prandom_u32_state(&rnd) % 2) {
			unsigned int n = 1;
			size_t some = 0;
			int ret;

			several = prandom_u32_state(&rnd) % 2;
			if (several) {
				n = random_runs(f, &rnd, runs, first,
						nr - first);
				ret = map_runs(f, at, runs, n, &got);
			} else {
				runs[0].phys = prandom_u32_state(&rnd) % 64 *
					       f->block;
				runs[0].size = count * size;
				ret = map(f, at, runs[0].phys, size, count,
					  &got);
			}
			for (i = 0, want = 0; i < n; i++) {
				some = model_map(f, cells, first + want,
						 runs + i, several ? 0 : size);
				want += some;
				if (some < runs[i].size / f->page)
					break;
			}
			if (ret != (i < n ? -EEXIST : 0))
				break;
		} else {
			want = predict_unmap(f, cells, first,
					     first + count * unit);
			gather_anew(f, prandom_u32_state(&rnd) % 2);
			got = unmap(f, at, size, count);
			memset(cells + first, 0, want * sizeof(*cells));
			if (got && !f->gather.queued &&
			    (f->gather.start != at ||
			     f->gather.end != at + got - 1))
				break;
		}
		if (got != want * f->page)
			break;
		i = prandom_u32_state(&rnd) % nr;
		if (f->ops->iova_to_phys(f->ops, base + i * f->page) !=
		    cells[i].phys || hardware(f, base + i * f->page).phys !=
		    cells[i].phys)
			break;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, step, STEPS);
	kvfree(cells);
}

/**
 * struct neighbour - one of several that share tables
 * @f: whose page table it is
 * @id: which of them it is
 * @wrong: times that something was not as it must be
 */
struct neighbour {
	struct fixture *f;
	unsigned int id;
	unsigned int wrong;
};

#define NEIGHBOURS	4

/* Maps and unmaps pages of its own, all around those of the others. */
static int neighbour_run(void *arg)
{
	struct neighbour *me = arg;
	struct fixture *f = me->f;
	struct iommu_iotlb_gather gather;
	unsigned int round, i;
	size_t mapped;

	for (round = 0; round < 200; round++) {
		for (i = 0; i < 128; i++) {
			u64 iova = (i * NEIGHBOURS + me->id) * 2 * f->page;

			struct iommu_run runs[] = {
				{ iova + f->block, f->page },
				{ iova + f->block + f->page, f->page },
			};
			int ret;

			if (round % 2)
				ret = map_runs(f, iova, runs, 2, &mapped);
			else
				ret = map(f, iova, iova + f->block, f->page, 2,
					  &mapped);
			if (ret || mapped != 2 * f->page)
				me->wrong++;
		}
		for (i = 0; i < 128; i++) {
			u64 iova = (i * NEIGHBOURS + me->id) * 2 * f->page;

			if (f->ops->iova_to_phys(f->ops, iova) !=
			    iova + f->block)
				me->wrong++;
			iommu_iotlb_gather_init(&gather);
			gather.queued = true;
			if (f->ops->unmap_pages(f->ops, iova, f->page, 2,
						&gather) != 2 * f->page)
				me->wrong++;
		}
		cond_resched();
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

void neighbours_do_not_meet(struct kunit *test)
{
	struct neighbour neighbours[NEIGHBOURS];
	struct task_struct *tasks[NEIGHBOURS];
	unsigned int i;

	for (i = 0; i < NEIGHBOURS; i++) {
		neighbours[i] = (struct neighbour){ test->priv, i };
		tasks[i] = kthread_create(neighbour_run, &neighbours[i],
					  "io-pgtable/%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[i]));
		kthread_bind(tasks[i],
			     cpumask_local_spread(i, NUMA_NO_NODE));
	}
	for (i = 0; i < NEIGHBOURS; i++)
		wake_up_process(tasks[i]);
	for (i = 0; i < NEIGHBOURS; i++) {
		kthread_stop(tasks[i]);
		KUNIT_EXPECT_EQ(test, neighbours[i].wrong, 0);
	}
}
