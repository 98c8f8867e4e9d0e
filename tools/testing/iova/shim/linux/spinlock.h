/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spinlocks: one exchange to lock, one store to unlock, as uncontended ones in
 * a kernel.  A waiter gives its processor away after a while, because there
 * may be more threads than processors.
 */
#ifndef _SHIM_SPINLOCK_H
#define _SHIM_SPINLOCK_H

#include <linux/bug.h>
#include <linux/irqflags.h>

typedef struct {
	unsigned int held;
} raw_spinlock_t;

typedef raw_spinlock_t spinlock_t;

void shim_spin(raw_spinlock_t *lock);

#define DEFINE_SPINLOCK(name)		spinlock_t name = { 0 }
#define DEFINE_RAW_SPINLOCK(name)	raw_spinlock_t name = { 0 }

static __always_inline void raw_spin_lock_init(raw_spinlock_t *lock)
{
	lock->held = 0;
}

static __always_inline bool raw_spin_trylock(raw_spinlock_t *lock)
{
	return !__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE);
}

static __always_inline void raw_spin_lock(raw_spinlock_t *lock)
{
	if (unlikely(!raw_spin_trylock(lock)))
		shim_spin(lock);
}

static __always_inline void raw_spin_unlock(raw_spinlock_t *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#define raw_spin_lock_irqsave(lock, flags)				\
do {									\
	local_irq_save(flags);						\
	raw_spin_lock(lock);						\
} while (0)

#define raw_spin_unlock_irqrestore(lock, flags)				\
do {									\
	raw_spin_unlock(lock);						\
	local_irq_restore(flags);					\
} while (0)

#define spin_lock_init(lock)		raw_spin_lock_init(lock)
#define spin_lock(lock)			raw_spin_lock(lock)
#define spin_trylock(lock)		raw_spin_trylock(lock)
#define spin_unlock(lock)		raw_spin_unlock(lock)
#define spin_lock_irqsave(lock, flags)	raw_spin_lock_irqsave(lock, flags)
#define spin_unlock_irqrestore(lock, flags)				\
	raw_spin_unlock_irqrestore(lock, flags)

/* Not for free in a kernel without lockdep either: it reads the lock. */
#define assert_spin_locked(lock)	BUG_ON(!READ_ONCE((lock)->held))
#define lockdep_assert_held(lock)	do { } while (0)

#endif
