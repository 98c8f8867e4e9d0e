// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_bench: cases in which it gets tight: holes that do not fit, full windows, and
 * what a failure does to later requests.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "iova_bench.h"

#define HOLES_OPS	5000

/*
 * holes: a two-page request in a 32-bit window of which every other page is
 * taken.  It cannot succeed.  One page is taken and freed before each, as other
 * traffic would, so that no answer can be remembered.
 */
int bench_holes(const char *what)
{
	static const char *const ops[] = {
		"alloc-one", "free-one", "alloc-two", "sequence", NULL
	};
	struct bench *b = bench_create_filled(LIMIT(32), LIMIT(32));
	struct bench_range one, two;
	unsigned int i, op;
	u64 wrong = 0;
	u64 cost;

	if (!b)
		return -ENOMEM;

	for (i = 0; i < b->nr; i++) {
		if (b->r[i].pfn & 1)
			free_iova(&b->iovad, b->r[i].pfn);
		if (i % 1024 == 0)
			cond_resched();
	}

	bench_budget_start();
	for (op = 0; op < HOLES_OPS && bench_budget_left(); op++) {
		cost = timed_alloc_tree(&b->iovad, &one, 1, LIMIT(32), &b->st[0]);
		cost += timed_free_tree(&b->iovad, &one, &b->st[1]);
		cost += timed_alloc_tree(&b->iovad, &two, 2, LIMIT(32), &b->st[2]);
		stat_add(&b->st[3], cost);
		if (two.pfn)
			wrong++;
	}
	bench_print(b, what, ops);
	pr_info("%s check=answers n=%u wrong=%llu\n", what, op, wrong);
	bench_destroy(b);
	return 0;
}

#define RESERVE_OPS	4000

/* reserve: 4000 separate reservations, in ascending order */
int bench_reserve(const char *what)
{
	struct bench *b = bench_create(0);
	unsigned long pfn = 0x1000;
	struct stopwatch w;
	unsigned int i;

	if (!b)
		return -ENOMEM;

	for (i = 0; i < RESERVE_OPS; i++, pfn += 2) {
		watch_start(&w);
		reserve_iova(&b->iovad, pfn, pfn);
		watch_stop(&w, &b->st[0]);
	}
	stat_print(&b->st[0], what, "reserve");
	bench_destroy(b);
	return 0;
}

#define EXHAUST_OPS	200
#define EXHAUST_CACHED	512
#define EXHAUST_STRIDE	2000

/*
 * exhaust: a request that fails in a full 32-bit window and may empty the caches
 * to succeed, each time with 512 single pages in them, too far apart to help.
 */
int bench_exhaust(const char *what)
{
	static const char *const ops[] = { "alloc-first", "alloc-again", NULL };
	struct bench *b = bench_create_filled(LIMIT(32), LIMIT(32));
	struct bench_range large;
	unsigned int i, op;
	u64 wrong = 0;

	if (!b)
		return -ENOMEM;

	bench_budget_start();
	for (op = 0; op < EXHAUST_OPS && bench_budget_left(); op++) {
		struct bench_range *first = &b->r[random_below(EXHAUST_STRIDE)];

		for (i = 0; i < EXHAUST_CACHED; i++)
			free_iova_fast(&b->iovad, first[i * EXHAUST_STRIDE].pfn, 1);

		timed_alloc_fast(&b->iovad, &large, 64, LIMIT(32), true, &b->st[0]);
		wrong += large.pfn != 0;
		timed_alloc_fast(&b->iovad, &large, 64, LIMIT(32), true, &b->st[1]);
		wrong += large.pfn != 0;

		for (i = 0; i < EXHAUST_CACHED; i++) {
			unsigned long pfn = alloc_iova_fast(&b->iovad, 1, LIMIT(32), true);

			first[i * EXHAUST_STRIDE].pfn = pfn;
			wrong += pfn == 0;
		}
	}
	bench_print(b, what, ops);
	pr_info("%s check=answers n=%u wrong=%llu\n", what, op, wrong);
	bench_destroy(b);
	return 0;
}

#define POISON_OPS	5000
#define POISON_LIVE	40000

/* Is there an aligned hole of @size at or below @limit? */
static bool hole_exists(unsigned long *taken, unsigned int size, unsigned long limit)
{
	unsigned long mask = roundup_pow_of_two(size) - 1;

	return bitmap_find_next_zero_area(taken, limit + 1, 1, size, mask) <= limit;
}

/**
 * struct poison - a domain and what a bitmap says about it
 * @b: the domain and what lives in it
 * @taken: one bit for each pfn below 4 GiB
 * @nr: how many ranges live
 * @fails: requests that failed
 * @wrong: of those, the ones for which there was a hole; and answers that overlap
 */
struct poison {
	struct bench *b;
	unsigned long *taken;
	unsigned int nr;
	u64 fails;
	u64 wrong;
};

static void poison_alloc(struct poison *p, unsigned int size, unsigned long limit)
{
	struct iova *iova;
	unsigned long pfn;

	if (p->nr == POISON_LIVE)
		return;

	iova = alloc_iova(&p->b->iovad, size, limit, true);
	if (!iova) {
		p->fails++;
		p->wrong += hole_exists(p->taken, size, limit);
		return;
	}
	pfn = iova->pfn_lo;
	if (pfn + size - 1 > limit || find_next_bit(p->taken, pfn + size, pfn) < pfn + size)
		p->wrong++;
	bitmap_set(p->taken, pfn, size);
	p->b->r[p->nr].pfn = pfn;
	p->b->r[p->nr++].size = size;
}

static void poison_free(struct poison *p)
{
	struct bench_range *r = &p->b->r[random_below(p->nr)];

	free_iova(&p->b->iovad, r->pfn);
	bitmap_clear(p->taken, r->pfn, r->size);
	*r = p->b->r[--p->nr];
}

/*
 * poison: does a failure under one limit change the answer under another?  The
 * 24-bit window stays nearly full; each round asks there, then below 32 and 40
 * bits, and a bitmap tells which failures were right.  Straight from the tree.
 */
int bench_poison(const char *what)
{
	struct poison p = { .b = bench_create(POISON_LIVE) };
	unsigned int op, size;

	if (!p.b)
		return -ENOMEM;
	p.taken = bitmap_zalloc(LIMIT(32) + 1, GFP_KERNEL);
	if (!p.taken) {
		bench_destroy(p.b);
		return -ENOMEM;
	}

	while (!p.fails)
		poison_alloc(&p, random_size(1, 16), LIMIT(24));
	p.fails = 0;
	while (p.nr < POISON_LIVE - 2 * POISON_OPS && !p.fails)
		poison_alloc(&p, random_size(1, 64), LIMIT(32));
	p.fails = 0;

	for (op = 0; op < POISON_OPS; op++) {
		struct iova *iova;

		poison_alloc(&p, random_size(1, 64), LIMIT(24));
		poison_alloc(&p, random_size(1, 64), LIMIT(32));
		size = random_size(1, 64);
		iova = alloc_iova(&p.b->iovad, size, LIMIT(40), true);
		if (iova) {
			__free_iova(&p.b->iovad, iova);
		} else {
			p.fails++;
			p.wrong++;
		}
		if (op % 4 == 0)
			poison_free(&p);
		cond_resched();
	}
	pr_info("%s n=%u fails=%llu wrong=%llu\n", what, op * 3, p.fails, p.wrong);
	bitmap_free(p.taken);
	bench_destroy(p.b);
	return 0;
}
