/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_CPUMASK_H
#define _SHIM_CPUMASK_H

#include <linux/irqflags.h>

/* Only the first 32 can be taken down; the others are online when possible. */
#define SHIM_MASK_CPUS	32U
extern unsigned int shim_possible, shim_online_mask;

#define nr_cpu_ids		shim_possible
#define num_possible_cpus()	shim_possible
#define num_online_cpus()						\
	((unsigned int)__builtin_popcount(READ_ONCE(shim_online_mask)) +	\
	 (shim_possible > SHIM_MASK_CPUS ? shim_possible - SHIM_MASK_CPUS : 0))
#define cpu_online(cpu)							\
	((cpu) >= SHIM_MASK_CPUS || (READ_ONCE(shim_online_mask) >> (cpu) & 1))

#define for_each_possible_cpu(cpu)					\
	for ((cpu) = 0; (cpu) < shim_possible; (cpu)++)
#define for_each_online_cpu(cpu)					\
	for_each_possible_cpu(cpu)					\
		if (!cpu_online(cpu))					\
			;						\
		else

#define smp_processor_id()	(shim_this_cpu->id)
#define raw_smp_processor_id()	smp_processor_id()

#endif
