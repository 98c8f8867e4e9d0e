// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the IOVA allocator where each allocation fails once.
 *
 * As those of the DMA API (dmamap_faults_kunit.c): a function is called for a
 * domain that was just made, and its n-th allocation of memory fails, for every
 * n. What must not fail does not; what fails leaves the live ranges as they
 * were; and when the domain is gone nothing is left.
 *
 * What the allocator does in its work item is called here directly, so that it
 * is this task whose allocations fail.
 */

#include <kunit/test.h>
#include <linux/iova.h>
#include <linux/sizes.h>

#include "../../iova/internal.h"
#include "fault_points.h"

#define TOP	(~0UL >> 12)
#define MANY	300UL
#define NTH_MAX	2000

/**
 * struct fixture - a domain, and what is allocated from it
 * @iovad: the domain
 * @pfns: ranges
 * @nr: how many of @pfns are in use
 * @size: their size
 * @iova: a range
 * @error: why it failed, where that is told
 */
struct fixture {
	struct iova_domain iovad;
	unsigned long pfns[MANY];
	unsigned long nr;
	unsigned long size;
	struct iova *iova;
	int error;
};

/* Each returns whether it did what it was to do. */

static bool make(struct fixture *f)
{
	int ret;

	init_iova_domain(&f->iovad, SZ_4K, 1);
	ret = iova_domain_init_rcaches(&f->iovad);
	f->error = ret;
	return !ret;
}

static bool take(struct fixture *f)
{
	f->iova = alloc_iova(&f->iovad, 3, TOP, true);
	return f->iova;
}

static bool reserve(struct fixture *f)
{
	f->iova = reserve_iova(&f->iovad, 1000, 1999);
	return f->iova;
}

static bool reserve_over(struct fixture *f)
{
	f->iova = reserve_iova(&f->iovad, 500, 2999);
	return f->iova;
}

static bool reserve_free(struct fixture *f)
{
	unsigned long pfn = 1000;

	f->iova = iova_reserve_free(&f->iovad, &pfn, 1999);
	f->error = PTR_ERR_OR_ZERO(f->iova);
	return !f->error;
}

static bool take_one(struct fixture *f)
{
	unsigned long pfn = alloc_iova_fast(&f->iovad, f->size, TOP, true);

	if (pfn)
		f->pfns[f->nr++] = pfn;
	return pfn;
}

static bool take_small(struct fixture *f)
{
	f->size = 1;
	return take_one(f);
}

static bool take_large(struct fixture *f)
{
	f->size = 5000;
	return take_one(f);
}

static bool take_many(struct fixture *f)
{
	f->size = 1;
	while (f->nr < MANY)
		if (!take_one(f))
			return false;
	return true;
}

static bool take_placed(struct fixture *f)
{
	static const struct iova_place place = {
		.align_mask = 511,
		.colour = 7,
		.boundary_mask = ~0UL,
	};
	unsigned long pfn = iova_alloc_placed(&f->iovad, 600, TOP, &place);

	f->size = 600;
	if (pfn)
		f->pfns[f->nr++] = pfn;
	return pfn;
}

static bool give_back(struct fixture *f)
{
	while (f->nr)
		free_iova_fast(&f->iovad, f->pfns[--f->nr], f->size);
	return true;
}

static bool give_back_slowly(struct fixture *f)
{
	while (f->nr)
		free_iova(&f->iovad, f->pfns[--f->nr]);
	return true;
}

static bool give_back_range(struct fixture *f)
{
	__free_iova(&f->iovad, f->iova);
	f->iova = NULL;
	return true;
}

static bool find(struct fixture *f)
{
	unsigned long pfn = f->pfns[f->nr / 2];
	struct iova *iova = find_iova(&f->iovad, pfn);

	return iova && iova->pfn_lo == pfn;
}

/* Runs as far as there is room for them, and below that the tree. */
static bool fill_window(struct fixture *f)
{
	unsigned long pfn;

	f->size = 16;
	while ((pfn = alloc_iova_fast(&f->iovad, 16, 4095, true)))
		f->pfns[f->nr++] = pfn;
	return f->nr == 255;
}

/* The first two: neighbours in a run. */
static bool give_two(struct fixture *f)
{
	int i;

	for (i = 0; i < 2; i++) {
		free_iova_fast(&f->iovad, f->pfns[i], f->size);
		f->pfns[i] = f->pfns[--f->nr];
	}
	return true;
}

/* Only where these were. */
static bool take_inside(struct fixture *f)
{
	f->iova = alloc_iova(&f->iovad, 32, 4095, true);
	return f->iova;
}

static bool reap(struct fixture *f)
{
	struct work_struct *work = &f->iovad.rcache->reaper.work;

	cancel_delayed_work_sync(&f->iovad.rcache->reaper);
	work->func(work);
	return true;
}

static bool drain(struct fixture *f)
{
	iova_drain(&f->iovad);
	return true;
}

/*
 * What it does to the live ranges: @takes more when it succeeds, none when it
 * fails. Whoever frees cannot fail.
 */
static const struct step {
	const char *name;

	bool (*before[3])(struct fixture *f);
	bool (*call)(struct fixture *f);
	long takes;
	bool never;		/* fails */
} steps[] = {
	{ "iova_domain_init_rcaches", { }, make },
	{ "alloc_iova", { make }, take, 1 },
	{ "alloc_iova_fast", { make }, take_small, 1 },
	{ "alloc_iova_fast of no class", { make }, take_large, 1 },
	{ "alloc_iova_fast after frees", { make, take_many, give_back },
	  take_small, 1 },
	{ "iova_alloc_placed", { make }, take_placed, 1 },
	{ "reserve_iova", { make }, reserve, 1 },
	{ "reserve_iova over a range", { make, reserve }, reserve_over, 1 },
	{ "iova_reserve_free", { make }, reserve_free, 1 },
	{ "free_iova_fast", { make, take_small }, give_back, -1, true },
	{ "free_iova_fast of many", { make, take_many }, give_back,
	  -(long)MANY, true },
	{ "free_iova", { make, take_many }, give_back_slowly, -(long)MANY,
	  true },
	{ "__free_iova", { make, take }, give_back_range, -1, true },
	{ "find_iova of a fast range", { make, take_many }, find },
	{ "alloc_iova inside a run", { make, fill_window, give_two },
	  take_inside, 1 },
	{ "the reaper", { make, take_many, give_back }, reap, 0, true },
	{ "draining the caches", { make, take_many, give_back }, drain, 0,
	  true },
};

KUNIT_ARRAY_PARAM_DESC(step, steps, name);

static void expect_no_overlap(struct kunit *test, struct fixture *f)
{
	unsigned long i, j;

	for (i = 0; i < f->nr; i++)
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, f->pfns[i], f->pfns[j]);
}

static bool try_step(struct kunit *test, unsigned int nth)
{
	const struct step *step = test->param_value;
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	long before = 0, after;
	unsigned int i;
	bool done, hit;

	KUNIT_ASSERT_NOT_NULL(test, f);
	for (i = 0; i < ARRAY_SIZE(step->before) && step->before[i]; i++)
		KUNIT_ASSERT_TRUE(test, step->before[i](f));
	if (i)
		before = fault_live_ranges(&f->iovad);

	fault_begin(nth);
	done = step->call(f);
	hit = fault_end();
	after = fault_live_ranges(&f->iovad);
	if (done) {
		KUNIT_EXPECT_EQ_MSG(test, after, before + step->takes,
				    "number %u was to fail", nth);
	} else {
		KUNIT_EXPECT_FALSE(test, step->never);
		KUNIT_EXPECT_TRUE(test, hit);
		KUNIT_EXPECT_TRUE(test, !f->error || f->error == -ENOMEM);
		/* What came before the one that failed stays. */
		KUNIT_EXPECT_EQ_MSG(test, after, before,
				    "number %u was to fail", nth);
		KUNIT_EXPECT_TRUE(test, step->call(f));
	}
	/* Whatever happened, the domain goes on working. */
	KUNIT_EXPECT_TRUE(test, give_back(f));
	KUNIT_EXPECT_TRUE(test, take_many(f));
	expect_no_overlap(test, f);
	give_back(f);
	put_iova_domain(&f->iovad);
	kunit_kfree(test, f);
	return hit;
}

static void what_fails_changes_nothing(struct kunit *test)
{
	const struct step *step = test->param_value;
	unsigned int nth;

	try_step(test, 0);
	fault_forget();
	for (nth = 1; nth < NTH_MAX; nth++)
		if (!try_step(test, nth))
			break;
	KUNIT_EXPECT_LT(test, nth, NTH_MAX);
	KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
	kunit_info(test, "points: %s, a domain: %u\n", step->name, nth - 1);
}

/*
 * Starting to use caches comes to nothing at any of its allocations: what was
 * made of it is taken apart, whatever there is.
 */
static void a_domain_that_could_not_be_made_can_be_put(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	unsigned int nth;
	bool made = false;

	KUNIT_ASSERT_NOT_NULL(test, f);
	for (nth = 1; !made && nth < NTH_MAX; nth++) {
		fault_begin(nth);
		made = make(f);
		fault_end();
		if (!made) {
			KUNIT_EXPECT_EQ(test, f->error, -ENOMEM);
			KUNIT_EXPECT_NULL(test, f->iovad.rcache);
		}
		put_iova_domain(&f->iovad);
		/* Twice is as good, as after an error of the caller's own. */
		put_iova_domain(&f->iovad);
	}
	KUNIT_EXPECT_TRUE(test, made);
	KUNIT_EXPECT_GE(test, nth, 2);
	KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
}

static int iova_faults_suite_init(struct kunit_suite *suite)
{
	int ret = iova_cache_get();

	if (ret)
		return ret;
	ret = fault_points_init();
	if (ret)
		iova_cache_put();
	return ret;
}

static void iova_faults_suite_exit(struct kunit_suite *suite)
{
	fault_points_exit();
	iova_cache_put();
}

static void iova_faults_exit(struct kunit *test)
{
	/* Had a test ended in the middle. */
	fault_end();
}

static struct kunit_case iova_faults_cases[] = {
	KUNIT_CASE_PARAM(what_fails_changes_nothing, step_gen_params),
	KUNIT_CASE(a_domain_that_could_not_be_made_can_be_put),
	{}
};

static struct kunit_suite iova_faults_suite = {
	.name = "iova_faults",
	.suite_init = iova_faults_suite_init,
	.suite_exit = iova_faults_suite_exit,
	.exit = iova_faults_exit,
	.test_cases = iova_faults_cases,
};

kunit_test_suite(iova_faults_suite);

MODULE_DESCRIPTION("KUnit tests of the IOVA allocator where each allocation fails once");
MODULE_LICENSE("GPL");
