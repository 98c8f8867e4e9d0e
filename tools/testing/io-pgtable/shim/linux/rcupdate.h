/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read-copy update, by epochs.
 *
 * A reader notes the epoch in which its section began; a grace period has
 * passed when no reader of an earlier epoch is left, and somebody has asked for
 * one since.  A thread is on a CPU of its own (shim_set_cpu()).  The calls are
 * out of line, as they are in a preemptible kernel.
 */
#ifndef _SHIM_PGTABLE_RCUPDATE_H
#define _SHIM_PGTABLE_RCUPDATE_H

#include <stdbool.h>

void rcu_read_lock(void);
void rcu_read_unlock(void);
unsigned long get_state_synchronize_rcu(void);
unsigned long start_poll_synchronize_rcu(void);
bool poll_state_synchronize_rcu(unsigned long state);
void synchronize_rcu_expedited(void);

/* Called in synchronize_rcu_expedited() before it waits, for tests. */
extern void (*shim_rcu_waits)(void);
/* While set, no grace period passes but for who waits. */
extern bool shim_rcu_stalled;

#endif
