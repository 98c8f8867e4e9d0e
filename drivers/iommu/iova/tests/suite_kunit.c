// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the IOVA allocator.
 *
 * A test that provokes a warning announces it by a line "expected warning:"
 * with text that the warning contains; whoever reads the log counts them.
 */

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/sched.h>

#include "iova_kunit.h"

/*
 * WARN_RATELIMIT() prints ten in five seconds, those of other suites before this
 * one included.
 */
void wait_for_ratelimit(void)
{
	static unsigned int nr;

	if (!(nr++ % 8))
		msleep(5500);
}

static int iova_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int ret;

	if (!f)
		return -ENOMEM;
	/* What one CPU's caches have, a test that moves would not find. */
	ret = set_cpus_allowed_ptr(current,
				   cpumask_of(cpumask_first(cpu_online_mask)));
	if (ret)
		return ret;
	ret = iova_cache_get();
	if (ret)
		return ret;
	init_iova_domain(&f->iovad, SZ_4K, 1);
	ret = iova_domain_init_rcaches(&f->iovad);
	if (ret) {
		iova_cache_put();
		return ret;
	}
	keep_reaper_away(f);
	prandom_seed_state(&f->rnd, 20240607);
	test->priv = f;
	return 0;
}

static void iova_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	put_iova_domain(&f->iovad);
	iova_cache_put();
}

#define IOVA_TEST(name)		KUNIT_CASE(name),
#define IOVA_TEST_SLOW(name)	KUNIT_CASE_SLOW(name),

static struct kunit_case iova_cases[] = {
#include "iova_cases.h"
	{ }
};

static struct kunit_suite iova_suite = {
	.name = "iova",
	.init = iova_test_init,
	.exit = iova_test_exit,
	.test_cases = iova_cases,
};

kunit_test_suite(iova_suite);

MODULE_DESCRIPTION("KUnit tests of the IOVA allocator");
MODULE_LICENSE("GPL");
