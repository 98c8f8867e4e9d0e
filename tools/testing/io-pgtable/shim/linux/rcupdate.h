/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read-copy update, by epochs.
 *
 * A reader notes the epoch in which its section began; a grace period has
 * passed when no reader of an earlier epoch is left.  Callbacks run as soon as
 * that is so, in call_rcu() or at the end of a section.  A thread is on a CPU of
 * its own (shim_set_cpu()).  The calls are out of line, as they are in a
 * preemptible kernel.
 */
#ifndef _SHIM_PGTABLE_RCUPDATE_H
#define _SHIM_PGTABLE_RCUPDATE_H

#include <stdbool.h>

#include <linux/kernel.h>

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
	unsigned long state;
};

#undef call_rcu
#undef synchronize_rcu

void rcu_read_lock(void);
void rcu_read_unlock(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void rcu_barrier(void);
void synchronize_rcu(void);

/* Is the caller in a read-side section? */
bool shim_rcu_reading(void);
/* Called in synchronize_rcu() before it waits, for tests. */
extern void (*shim_rcu_waits)(void);
/* While set, no callback runs. */
extern bool shim_rcu_stalled;
/* While set, synchronize_rcu() does not wait. */
extern bool shim_rcu_skipped;
/* How often synchronize_rcu() was called. */
extern unsigned long shim_grace_periods;

#endif
