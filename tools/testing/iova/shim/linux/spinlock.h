/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spinlocks: a function call, a count of preemption, one exchange to lock, one
 * store to unlock, as uncontended ones in a kernel for x86-64 as configured by
 * default.  A waiter gives its processor away after a while, because there may
 * be more threads than processors.
 */
#ifndef _SHIM_SPINLOCK_H
#define _SHIM_SPINLOCK_H

#include <linux/bug.h>
#include <linux/irqflags.h>

typedef struct {
	unsigned int held;
} raw_spinlock_t;

typedef raw_spinlock_t spinlock_t;

#define DEFINE_SPINLOCK(name)		spinlock_t name = { 0 }
#define DEFINE_RAW_SPINLOCK(name)	raw_spinlock_t name = { 0 }

static __always_inline void raw_spin_lock_init(raw_spinlock_t *lock)
{
	lock->held = 0;
}

bool raw_spin_trylock(raw_spinlock_t *lock);
void raw_spin_lock(raw_spinlock_t *lock);
void raw_spin_unlock(raw_spinlock_t *lock);
unsigned long shim_spin_lock_irqsave(raw_spinlock_t *lock);
void raw_spin_unlock_irqrestore(raw_spinlock_t *lock, unsigned long flags);

#define raw_spin_lock_irqsave(lock, flags)				\
	((flags) = shim_spin_lock_irqsave(lock))

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
