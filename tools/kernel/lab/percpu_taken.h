/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much per-CPU memory is allocated, for benchmarks of what things take.
 *
 * The pages behind per-CPU memory do not say it: what was allocated and freed
 * before leaves pages that are populated, and used again. So this counts what
 * the trace event of the per-CPU allocator tells, for all possible CPUs.
 *
 * That trace event is not for modules; there it says nothing.
 */
#ifndef _PERCPU_TAKEN_H
#define _PERCPU_TAKEN_H

#include <linux/atomic.h>
#include <linux/percpu.h>
#include <linux/tracepoint.h>

#ifndef MODULE
#include <trace/events/percpu.h>

static atomic_long_t percpu_taken;

static inline void percpu_saw_alloc(void *data, unsigned long from,
				    bool reserved, bool atomic, size_t size,
				    size_t align, void *base, int off,
				    void __percpu *memory, size_t got,
				    gfp_t gfp)
{
	atomic_long_add(got, &percpu_taken);
}

/**
 * percpu_taken_begin - start to count
 *
 * Context: process; may sleep.
 * Return: 0; an error without trace events.
 */
static inline int percpu_taken_begin(void)
{
	return register_trace_percpu_alloc_percpu(percpu_saw_alloc, NULL);
}

/**
 * percpu_taken_end - count no more
 *
 * Context: process; may sleep.
 */
static inline void percpu_taken_end(void)
{
	unregister_trace_percpu_alloc_percpu(percpu_saw_alloc, NULL);
	tracepoint_synchronize_unregister();
}

/**
 * percpu_taken_bytes - what was allocated since percpu_taken_begin()
 *
 * What was freed is not subtracted: differences are of use while nothing is.
 *
 * Context: any.
 * Return: bytes, of all possible CPUs.
 */
static inline long percpu_taken_bytes(void)
{
	return atomic_long_read(&percpu_taken);
}
#else
static inline int percpu_taken_begin(void)
{
	return 0;
}

static inline void percpu_taken_end(void)
{
}

static inline long percpu_taken_bytes(void)
{
	return 0;
}
#endif

#endif /* _PERCPU_TAKEN_H */
