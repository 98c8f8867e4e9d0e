/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts.  There are none; but each CPU says when it is in a section
 * without them: @irq is odd meanwhile, and another number afterwards.
 */
#ifndef _SHIM_IRQFLAGS_H
#define _SHIM_IRQFLAGS_H

#include <linux/compiler.h>

#define SHIM_CPUS	512

struct shim_cpu {
	unsigned long irq;
	unsigned int id;
	int preempt;
} __attribute__((aligned(128)));

extern struct shim_cpu shim_cpus[SHIM_CPUS];
extern __thread struct shim_cpu *shim_this_cpu;
extern __thread unsigned long shim_cpu_offset;

static __always_inline unsigned long shim_irq_save(void)
{
	unsigned long *irq = &shim_this_cpu->irq, flags = READ_ONCE(*irq);

	__atomic_store_n(irq, flags | 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return flags;
}

/* What a test has happen on this CPU whenever interrupts come on again. */
extern void (*shim_interrupt)(void);

static __always_inline void shim_irq_restore(unsigned long flags)
{
	if (flags & 1)
		return;
	__atomic_store_n(&shim_this_cpu->irq, flags + 2, __ATOMIC_RELEASE);
#ifdef SHIM_SANITIZED	/* no benchmark pays for it */
	if (READ_ONCE(shim_interrupt))
		shim_interrupt();
#endif
}

#define local_irq_save(flags)		((flags) = shim_irq_save())
#define local_irq_restore(flags)	shim_irq_restore(flags)
#define irqs_disabled()			(READ_ONCE(shim_this_cpu->irq) & 1)

#endif
