// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own self-test of its Arm formats, on ours.
 *
 * It is a KUnit suite, io-pgtable-arm-selftests.c, or in earlier kernels it stands at
 * the end of io-pgtable-arm.c, behind the code that it tests.  The build takes it
 * out of the kernel tree at hand, unchanged, and it is compiled here, with the
 * tree's io-pgtable.c, whose table of formats has ours.  What it takes from
 * elsewhere is declared below: from KUnit; or from the file above it a flag, and
 * what it prints of a page table that failed.
 */
#include <linux/device.h>
#include <linux/io-pgtable.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "pages.h"
#include "test.h"

#define CONFIG_IOMMU_IO_PGTABLE_LPAE_SELFTEST 1
#define __init
#define __initdata
#define __initconst		/* const */
#define set_dev_node(dev, nid)		((dev)->node = (nid))
#define subsys_initcall(fn)		static int (*initcall)(void) = fn
#undef for_each_set_bit
#define for_each_set_bit(bit, map, bits)				\
	for ((bit) = 0; (bit) < (bits); (bit)++)			\
		if (*(map) >> (bit) & 1)
#define ARM_LPAE_MAX_LEVELS		4
#define ARM_LPAE_GRANULE(d)		(sizeof(u64) << (d)->bits_per_level)
#define ARM_LPAE_PGD_SIZE(d)		(sizeof(u64) << (d)->bits_per_level)

struct arm_lpae_io_pgtable {
	struct io_pgtable iop;
	int start_level;
	int bits_per_level;
	void *pgd;
};

static bool selftest_running;

/* What the page table's owner knows of it. */
static struct arm_lpae_io_pgtable *io_pgtable_ops_to_data(struct io_pgtable_ops *ops)
{
	static struct arm_lpae_io_pgtable data;

	data.iop = *io_pgtable_ops_to_pgtable(ops);
	data.bits_per_level = __builtin_ctzl(data.iop.cfg.pgsize_bitmap) - 3;
	return &data;
}

/* One of them is the test. */
static int (*initcall)(void);
static struct kunit_suite *suite;

static int passes = -1, failures = -1;
static unsigned int warned;

static void say(const char *fmt, ...)
{
	va_list args;
	char line[200], *sum;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	printf("%s", line);
	sum = strstr(line, "completed with ");
	if (!sum || sscanf(sum, "completed with %d PASS %d FAIL", &passes, &failures) != 2)
		failures = -1;
}

/* Its own warnings are failures; ours of what it does wrong on purpose are not. */
#undef WARN
#undef WARN_ON
#undef pr_info
#undef pr_err
#define WARN(cond, ...)							\
({									\
	if (cond) {							\
		warned++;						\
		say(__VA_ARGS__);					\
	}								\
})
#define WARN_ON(cond)	WARN(cond, "%s\n", #cond)
#define pr_info		say
#define pr_err		say

/* The part of KUnit that the suite uses */
struct kunit {
	struct device dev;
};

struct kunit_case {
	void (*run)(struct kunit *test);
};

struct kunit_suite {
	const char *name;
	struct kunit_case *test_cases;
};

#define KUNIT_CASE(fn)			{ fn }
#define kunit_test_suite(tests)		static struct kunit_suite *suite = &(tests)
#define kunit_device_register(test, name)	((name) ? &(test)->dev : NULL)
#define kunit_info(test, ...)		((void)(test), say(__VA_ARGS__))
#define kunit_err(test, ...)		((void)(test), say(__VA_ARGS__))
#define KUNIT_FAIL(test, ...)		((void)WARN(test, __VA_ARGS__))
#define KUNIT_EXPECT_NOT_ERR_OR_NULL(test, p)	((void)WARN_ON(!(test) || IS_ERR_OR_NULL(p)))

#include "selftest-stock.h"

int main(int argc, char **argv)
{
	/*
	 * Three sets of page sizes with six sizes of addresses; or in the suite, with
	 * two of which that of input is not above that of output.
	 */
	int wanted = suite ? 3 * 6 * 7 / 2 : 3 * 6, ret = 0;
	struct kunit test = {};
	struct kunit_case *c;

	test_options(argc, argv, NULL, false);
	test_begin();
	if (initcall)
		ret = initcall();
	for (c = suite ? suite->test_cases : NULL; c && c->run; c++)
		c->run(&test);
	expect(!ret && !failures && passes == wanted && !warned,
	       "returned %d, %d passed of %d, %d failed, %u warnings", ret, passes,
	       wanted, failures, warned);
	/* The suite asks for no warnings of mappings that it makes twice. */
	if (!suite)
		expect(!strncmp(shim_last_warning(), "io-pgtable: map finds a mapping", 31),
		       "unexpected warning: %s", shim_last_warning());
	else
		expect(!shim_warnings(), "a warning: %s", shim_last_warning());
	shim_clear_warnings();
	expect(!shim_pages(), "%ld pages left", shim_pages());
	test_end("the kernel's self-test of the Arm formats");
	return test_finish(tests_ran, tests_failed);
}
