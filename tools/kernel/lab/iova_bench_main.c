// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_bench - what the IOVA allocator costs, operation by operation
 *
 * Only the public interface of <linux/iova.h> is used, so the same source
 * measures whichever allocator the kernel was built with.
 *
 * Meant for an emulator that executes one instruction per nanosecond of guest
 * time (QEMU: -accel tcg -icount shift=0,sleep=off -smp 1): a difference of two
 * clock reads is then a number of executed instructions, and repeats to the
 * digit.  On real hardware the same lines are nanoseconds.  A clock that ticks
 * more slowly rounds single operations: by 16 on arm64 in QEMU, whose counter
 * runs at 62.5 MHz; loops and sums over many operations stay exact.
 *
 * How it measures
 *
 * 1. Single operations.  Each is timed on its own, between two clock reads,
 *    with interrupts off from before the first to after the second, so a tick
 *    or a softirq is never part of a figure.  The price of a clock read,
 *    measured first, is subtracted.  What remains is everything the call does,
 *    slab refills included.
 * 2. Means over a loop.  A pair that costs about a hundred instructions is timed
 *    in batches of FAST_BATCH with interrupts off, minus what the empty loop costs.
 * 3. Sequences.  The sum of their operations; clock reads are not in it.
 * 4. Budget.  A case whose operations take millions of instructions stops after
 *    iova_bench.budget_ms of guest time; n= tells how many it did.  Setting up
 *    a case is not bounded, so that every allocator is measured in the state
 *    that the case describes.
 *
 * Output: one line per result, "iova_bench: CASE key=value ...", and a last line
 * "iova_bench: done".  A case that could not run prints "CASE error=ERRNO".
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/string.h>

#include "iova_bench.h"

static char *run;
module_param(run, charp, 0444);
MODULE_PARM_DESC(run, "cases to run: 'all', or names separated by commas; nothing runs without it");

static const struct {
	const char *name;
	int (*run)(const char *what);
} cases[] = {
	{ "memory", bench_memory },
	{ "fast", bench_fast },
	{ "reserve", bench_reserve },
	{ "poison", bench_poison },
	{ "holes", bench_holes },
	{ "exhaust", bench_exhaust },
	{ "age", bench_age },
	{ "live", bench_live },
	{ "top", bench_top },
	{ "burst", bench_burst },
};

static bool selected(const char *name)
{
	size_t len = strlen(name);
	const char *at = run;

	if (!strcmp(run, "all"))
		return true;
	while (strncmp(at, name, len) || (at[len] && at[len] != ',')) {
		at = strchr(at, ',');
		if (!at)
			return false;
		at++;
	}
	return true;
}

static int __init iova_bench_init(void)
{
	unsigned int i;
	u64 start;
	int ret;

	if (!run)
		return 0;

	ret = iova_cache_get();
	if (ret)
		return ret;

	bench_calibrate();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!selected(cases[i].name))
			continue;
		/* The same random numbers for a case, whichever others run */
		prandom_seed_state(&bench_rnd, 1 + i);
		start = ktime_get_ns();
		ret = cases[i].run(cases[i].name);
		if (ret)
			pr_info("%s error=%d\n", cases[i].name, ret);
		pr_info("%s took_ms=%llu\n", cases[i].name,
			div_u64(ktime_get_ns() - start, NSEC_PER_MSEC));
	}
	pr_info("done\n");

	iova_cache_put();
	return 0;
}
late_initcall_sync(iova_bench_init);	/* after every driver */

static void __exit iova_bench_exit(void)
{
}
module_exit(iova_bench_exit);

MODULE_DESCRIPTION("Micro-benchmark of the IOVA allocator");
MODULE_LICENSE("GPL");
