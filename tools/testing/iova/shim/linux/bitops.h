/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bit operations of tools/, with those made atomic or fast that are so in
 * a kernel: the tools' searches are loops, which no benchmark should time.
 */
#ifndef _SHIM_BITOPS_H
#define _SHIM_BITOPS_H

#include <linux/types.h>
#include_next <linux/bitops.h>

static __always_inline int shim_fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static __always_inline int shim_fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

#undef fls
#undef __fls
#undef set_bit
#undef clear_bit
#define fls(x)		shim_fls(x)
#define fls64(x)	shim_fls64(x)
#define fls_long(x)	((unsigned int)shim_fls64(x))
#define __fls(x)	((unsigned long)(BITS_PER_LONG - 1 - __builtin_clzl(x)))
#define __ffs(x)	((unsigned long)__builtin_ctzl(x))

#define shim_word(nr, addr)						\
	((unsigned long *)(addr) + (nr) / BITS_PER_LONG)
#define shim_bit(nr)	(1UL << ((nr) % BITS_PER_LONG))

#undef test_bit
#define test_bit(nr, addr)						\
	(!!(READ_ONCE(*shim_word(nr, addr)) & shim_bit(nr)))
#define set_bit(nr, addr)						\
	((void)__atomic_fetch_or(shim_word(nr, addr), shim_bit(nr),	\
				 __ATOMIC_RELAXED))
#define clear_bit(nr, addr)						\
	((void)__atomic_fetch_and(shim_word(nr, addr), ~shim_bit(nr),	\
				  __ATOMIC_RELAXED))
#define test_and_set_bit(nr, addr)					\
	(!!(__atomic_fetch_or(shim_word(nr, addr), shim_bit(nr),	\
			      __ATOMIC_SEQ_CST) & shim_bit(nr)))
#define test_and_clear_bit(nr, addr)					\
	(!!(__atomic_fetch_and(shim_word(nr, addr), ~shim_bit(nr),	\
			       __ATOMIC_SEQ_CST) & shim_bit(nr)))
#if defined(__x86_64__) && !defined(SHIM_SANITIZED)
/* What a kernel has here; compilers make a loop of the builtin. */
#define test_and_set_bit_lock(nr, addr)					\
({									\
	bool __was;							\
									\
	__asm__ __volatile__("lock btsq %2, %1"				\
			     : "=@ccc" (__was), "+m" (*(addr))		\
			     : "Ir" ((unsigned long)(nr)) : "memory");	\
	__was;								\
})
#else
#define test_and_set_bit_lock(nr, addr)					\
	(!!(__atomic_fetch_or(shim_word(nr, addr), shim_bit(nr),	\
			      __ATOMIC_ACQUIRE) & shim_bit(nr)))
#endif
static __always_inline u64 ror64(u64 word, unsigned int shift)
{
	return (word >> (shift & 63)) | (word << (-shift & 63));
}

#define __clear_bit_unlock(nr, addr)					\
	__atomic_store_n(shim_word(nr, addr),				\
			 READ_ONCE(*shim_word(nr, addr)) & ~shim_bit(nr),\
			 __ATOMIC_RELEASE)
#define clear_bit_unlock(nr, addr)					\
	((void)__atomic_fetch_and(shim_word(nr, addr), ~shim_bit(nr),	\
				  __ATOMIC_RELEASE))

#endif
