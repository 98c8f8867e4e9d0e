/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The compiler header of tools/, with marked accesses that sanitizers know.
 */
#ifndef _SHIM_COMPILER_H
#define _SHIM_COMPILER_H

#include_next <linux/compiler.h>

#undef READ_ONCE
#undef WRITE_ONCE
/*
 * A kernel orders what is reached through a pointer after the read of that
 * pointer.  ThreadSanitizer knows no such dependency: there, and only for
 * pointers, the read is an acquire.
 */
#ifdef SHIM_TSAN
#define shim_read_order(x)						\
	(__builtin_classify_type(x) == 5 ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED)
/*
 * What was read may have changed by the time it is used: now and then there is
 * time for that.
 */
void shim_pause(void);
#define READ_ONCE(x)							\
({									\
	__auto_type __read = __atomic_load_n(&(x), shim_read_order(x));	\
									\
	shim_pause();							\
	__read;								\
})
#else
#define shim_read_order(x)	__ATOMIC_RELAXED
#define READ_ONCE(x)		__atomic_load_n(&(x), shim_read_order(x))
#endif
#define WRITE_ONCE(x, val)	__atomic_store_n(&(x), (val), __ATOMIC_RELAXED)

#define data_race(x)		(x)
#define __percpu
#define __ro_after_init
#define __counted_by(member)
#define __cleanup(function)	__attribute__((__unused__, __cleanup__(function)))
#define __UNIQUE_ID(prefix)	__PASTE(__unique_##prefix, __COUNTER__)

#define cmpxchg(ptr, old, new)						\
({									\
	__typeof__(*(ptr)) __was = (old);				\
	__atomic_compare_exchange_n((ptr), &__was, (new), 0,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	__was;								\
})

#define try_cmpxchg(ptr, old, new)					\
	__atomic_compare_exchange_n((ptr), (old), (new), 0,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define xchg(ptr, new)							\
	__atomic_exchange_n((ptr), (new), __ATOMIC_SEQ_CST)

#if defined(__x86_64__)
#define cpu_relax()		__builtin_ia32_pause()
#else
#define cpu_relax()		__asm__ __volatile__("" ::: "memory")
#endif

/* Keep the compiler from knowing which object a pointer points into. */
#define shim_offset(ptr, off)						\
({									\
	unsigned long __at;						\
	__asm__("" : "=r" (__at) : "0" (ptr));				\
	(__typeof__(ptr))(__at + (off));				\
})

#endif
