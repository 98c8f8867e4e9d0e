/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test can do to the kernel that shim.c plays.
 *
 * CPUs are numbers; a thread is on one (CPU 0 unless it chose) and the test
 * sees to it that no two threads that use the code under test are on the same.
 */
#ifndef _SHIM_H
#define _SHIM_H

#include <stdbool.h>

/* Be on a CPU, and have so many of them possible and online. */
void shim_set_cpu(unsigned int cpu);
void shim_set_possible(unsigned int nr);

/* Take a CPU down, or up again; no thread that is on it runs meanwhile. */
void shim_cpu_down(unsigned int cpu);
void shim_cpu_up(unsigned int cpu);

/* How often this CPU had interrupts disabled, and what then comes as one. */
unsigned long shim_irqs_off(void);
extern void (*shim_interrupt)(void);

/* Let the n-th allocation from here on fail, or all from it on; 0: none. */
void shim_fail_nth(unsigned long n, bool all_after);
/* Let one in @one_in allocations fail, at random; 0: none. */
void shim_fail_random(unsigned int one_in);
/* Allocations that passed since the last shim_fail_nth(), and failures ever. */
unsigned long shim_allocs(void);
unsigned long shim_failures(void);

/* What is allocated and not freed: objects, slab caches, per-CPU, callbacks. */
long shim_outstanding(void);
/* Bytes of it: slab and kmalloc() memory, and per-CPU memory for all CPUs. */
long shim_bytes(void);

/* Warnings and other messages since the last clear, and the text of the last warning. */
unsigned long shim_warnings(void);
unsigned long shim_messages(void);
const char *shim_last_warning(void);
/* Print each to standard error as it comes. */
extern bool shim_verbose;
/* Forget them, also which WARN_ONCE() came already. */
void shim_clear_warnings(void);

/*
 * Let time pass and run what comes due, in order; returns how many items ran.
 * An item queued meanwhile runs too when it is due by then.
 */
unsigned int shim_run_works(unsigned long advance);
unsigned int shim_queued_works(void);

#endif
