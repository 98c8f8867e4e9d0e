/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU memory: as in a kernel a pointer names the copy of CPU 0 and the
 * others lie a fixed distance apart.  Static variables and what is allocated
 * share one section, which shim.c makes large enough for all copies.
 */
#ifndef _SHIM_PERCPU_H
#define _SHIM_PERCPU_H

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>

#define SHIM_CPU_UNIT	(32UL << 10)

#define DEFINE_PER_CPU(type, name)					\
	__attribute__((section("shim_percpu"))) __typeof__(type) name
#define DECLARE_PER_CPU(type, name)	extern __typeof__(type) name

#define per_cpu_ptr(ptr, cpu)	shim_offset(ptr, (cpu) * SHIM_CPU_UNIT)
#define per_cpu(var, cpu)	(*per_cpu_ptr(&(var), cpu))
#define this_cpu_ptr(ptr)	shim_offset(ptr, shim_cpu_offset)
#define raw_cpu_ptr(ptr)	this_cpu_ptr(ptr)
#define raw_cpu_read(var)	READ_ONCE(*this_cpu_ptr(&(var)))

void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp);
void free_percpu(void *ptr);

#define __alloc_percpu(size, align)	__alloc_percpu_gfp(size, align, GFP_KERNEL)
#define alloc_percpu_gfp(type, gfp)					\
	((type *)__alloc_percpu_gfp(sizeof(type), __alignof__(type), gfp))
#define alloc_percpu(type)	alloc_percpu_gfp(type, GFP_KERNEL)

#endif
