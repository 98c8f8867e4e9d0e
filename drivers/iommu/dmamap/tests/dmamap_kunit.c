// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping through an IOMMU.
 *
 * They use the DMA API as a driver does, for devices behind an IOMMU in
 * software (mock_iommu.h), and look at what that IOMMU was told and what the
 * device reaches. "F64", "D9", "B10" and the like in the comments are the
 * requirements listed in Documentation/driver-api/dmamap-tests.rst.
 *
 * A test that provokes a warning announces it by a line "expected warning:"
 * with text that the warning contains; whoever reads the log counts them. A
 * warning that was not announced fails the test during which it comes.
 */

#include <linux/cpumask.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/swiotlb.h>
#include <trace/events/printk.h>

#include "dmamap_kunit.h"

struct console_watch dmamap_console;

static void watch_console(void *data, const char *text, size_t len)
{
	static const char about[] = "unmap of IOVA ";
	char number[24] = { };
	const char *found;

	if (strnstr(text, "WARNING: ", len))
		atomic_inc(&dmamap_console.warnings);
	found = strnstr(text, about, len);
	if (!found || strnstr(text, "expected warning", len))
		return;
	atomic_inc(&dmamap_console.unmaps);
	if (dmamap_console.name && strnstr(text, dmamap_console.name, len))
		atomic_inc(&dmamap_console.named);
	found += strlen(about);
	memcpy(number, found,
	       min_t(size_t, sizeof(number) - 1, text + len - found));
	number[strspn(number, "0123456789abcdefx")] = '\0';
	if (kstrtoull(number, 16, &dmamap_console.iova))
		dmamap_console.iova = U64_MAX;
}

static int dmamap_suite_init(struct kunit_suite *suite)
{
	/* Where the kernel has no bounce buffers yet, have some for the tests. */
	if (IS_ENABLED(CONFIG_SWIOTLB))
		swiotlb_init_late(SZ_4M, GFP_KERNEL, NULL);
	return register_trace_console(watch_console, NULL);
}

static void dmamap_suite_exit(struct kunit_suite *suite)
{
	unregister_trace_console(watch_console, NULL);
	tracepoint_synchronize_unregister();
}

/* How the IOMMU takes memory that is in many pieces. */
static const struct manner {
	const char *name;
	bool runs;
} manners[] = {
	{ "piece by piece", false },
	{ "many in a call", true },
};

KUNIT_ARRAY_PARAM_DESC(manner, manners, name);

static int dmamap_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	const struct manner *manner = test->param_value;
	int ret;

	if (!f)
		return -ENOMEM;
	/* Caches and flush queues are a CPU's: a test that moves has others. */
	ret = set_cpus_allowed_ptr(current,
				   cpumask_of(cpumask_first(cpu_online_mask)));
	if (ret)
		return ret;
	f->mock = mock_iommu_create();
	if (!f->mock)
		return -ENOMEM;
	f->mock->config.map_runs = manner && manner->runs;
	prandom_seed_state(&f->rnd, 20240607);
	atomic_set(&dmamap_console.warnings, 0);
	atomic_set(&dmamap_console.unmaps, 0);
	atomic_set(&dmamap_console.named, 0);
	dmamap_console.name = NULL;
	dmamap_console.iova = 0;
	test->priv = f;
	return 0;
}

static void dmamap_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	dmamap_console.name = NULL;
	f->mock->faults.unmap_budget = MOCK_NEVER;
	give_back(test);
	KUNIT_EXPECT_EQ_MSG(test, f->mock->strays, 0,
			    "calls that no IOMMU driver expects");
	if (!f->may_warn)
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&dmamap_console.warnings), 0,
				    "a warning came that was not expected");
	mock_iommu_destroy(f->mock);
}

bool dmamap_dare;
module_param_named(dare, dmamap_dare, bool, 0444);
MODULE_PARM_DESC(dare, "Run also what the stock layer does not survive");

#define DMAMAP_TEST(name)		KUNIT_CASE(name),
#define DMAMAP_TEST_MANNERS(name)	KUNIT_CASE_PARAM(name, manner_gen_params),

static struct kunit_case dmamap_cases[] = {
#include "dmamap_cases.h"
	{ }
};

static struct kunit_suite dmamap_suite = {
	.name = "dmamap",
	.suite_init = dmamap_suite_init,
	.suite_exit = dmamap_suite_exit,
	.init = dmamap_test_init,
	.exit = dmamap_test_exit,
	.test_cases = dmamap_cases,
};

kunit_test_suite(dmamap_suite);

MODULE_DESCRIPTION("KUnit tests of DMA mapping through an IOMMU");
MODULE_LICENSE("GPL");
