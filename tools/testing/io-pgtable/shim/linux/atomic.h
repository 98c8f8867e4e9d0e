/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_ATOMIC_H
#define _SHIM_ATOMIC_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>

/*
 * What is reached through an entry is ordered after the read of the entry; to
 * ThreadSanitizer that has to be said.
 */
#ifdef SHIM_TSAN
#undef READ_ONCE
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
/* It does not know of races that are meant either. */
#undef data_race
#define data_race(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#endif

/* What other CPUs do between two reads, for tests. */
#ifdef SHIM_SEAMS
extern void (*shim_at_read)(void);
#undef READ_ONCE
#define READ_ONCE(x)							\
({									\
	typeof(x) __read = *(const volatile typeof(x) *)&(x);		\
									\
	if (shim_at_read)						\
		shim_at_read();						\
	__read;								\
})
#endif

#define cmpxchg64(ptr, old, new)		cmpxchg(ptr, old, new)
#define cmpxchg64_relaxed(ptr, old, new)	cmpxchg(ptr, old, new)
#define try_cmpxchg64(ptr, old, new)					\
	__atomic_compare_exchange_n((ptr), (old), (new), 0,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

static inline int atomic_read(const atomic_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

static inline void atomic_set(atomic_t *v, int i)
{
	__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);
}

static inline void atomic_set_release(atomic_t *v, int i)
{
	__atomic_store_n(&v->counter, i, __ATOMIC_RELEASE);
}

static inline void atomic_inc(atomic_t *v)
{
	__atomic_add_fetch(&v->counter, 1, __ATOMIC_RELAXED);
}

static inline int atomic_inc_return(atomic_t *v)
{
	return __atomic_add_fetch(&v->counter, 1, __ATOMIC_SEQ_CST);
}

static inline void atomic_dec(atomic_t *v)
{
	__atomic_sub_fetch(&v->counter, 1, __ATOMIC_RELAXED);
}

static inline int atomic_cmpxchg(atomic_t *v, int old, int new)
{
	return cmpxchg(&v->counter, old, new);
}

#endif
