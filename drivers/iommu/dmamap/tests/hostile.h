/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests with hostile devices share.
 */
#ifndef _HOSTILE_H
#define _HOSTILE_H

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kconfig.h>
#include <linux/time64.h>
#include <linux/workqueue.h>

/* 10 for the timer, the rest to flush: behind a scan for leaks, that is long. */
#define FLUSHED_MS	(IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) ? 300 : 30)
/*
 * Time that passes while the whole guest stands still flushes nothing, so it is
 * waited for in steps, each of which ends with the guest running.
 */
#define STEP_US		(3 * USEC_PER_MSEC)
#define FLUSH_STEPS	(FLUSHED_MS * USEC_PER_MSEC / STEP_US)

static inline long hostile_idle(void *unused)
{
	return 0;
}

/**
 * hostile_let_flush - wait until what was unmapped lazily has been flushed
 *
 * What flushes is a timer and a worker of one CPU. An emulator that runs its
 * CPUs in turns may leave that one standing for longer than this waits, so let
 * each run; twice, as the first time the timer may find the clock behind.
 *
 * Context: process; sleeps.
 */
static inline void hostile_let_flush(void)
{
	unsigned int round, step, cpu;

	for (round = 0; round < 2; round++) {
		for (step = 0; step < FLUSH_STEPS; step++)
			usleep_range(STEP_US, STEP_US + 500);
		for_each_online_cpu(cpu)
			work_on_cpu(cpu, hostile_idle, NULL);
	}
}

#endif /* _HOSTILE_H */
