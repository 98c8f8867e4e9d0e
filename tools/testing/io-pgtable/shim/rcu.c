// SPDX-License-Identifier: GPL-2.0-only
/* Read-copy update, by epochs: see linux/rcupdate.h. */
#include <sched.h>

#include <linux/bug.h>
#include <linux/irqflags.h>
#include <linux/rcupdate.h>

static struct {
	unsigned long since;	/* epoch of the outermost section, 0: none */
	unsigned long nesting;
} __aligned(128) readers[SHIM_CPUS];

static unsigned long epoch = 1;
static unsigned long asked;	/* up to which epoch somebody waits */

void (*shim_rcu_waits)(void);
bool shim_rcu_stalled;

void rcu_read_lock(void)
{
	unsigned int cpu = shim_this_cpu->id;

	if (readers[cpu].nesting++)
		return;
#ifdef SHIM_SANITIZED
	__atomic_exchange_n(&readers[cpu].since,
			    __atomic_load_n(&epoch, __ATOMIC_ACQUIRE),
			    __ATOMIC_SEQ_CST);
#endif
}

void rcu_read_unlock(void)
{
	unsigned int cpu = shim_this_cpu->id;

	BUG_ON(!readers[cpu].nesting);
	if (--readers[cpu].nesting)
		return;
#ifdef SHIM_SANITIZED
	__atomic_store_n(&readers[cpu].since, 0, __ATOMIC_RELEASE);
#endif
}

unsigned long get_state_synchronize_rcu(void)
{
	return __atomic_add_fetch(&epoch, 1, __ATOMIC_SEQ_CST);
}

/* There is a grace period only where somebody wants one. */
unsigned long start_poll_synchronize_rcu(void)
{
	unsigned long state = get_state_synchronize_rcu();
	unsigned long was = __atomic_load_n(&asked, __ATOMIC_RELAXED);

	while (was < state &&
	       !__atomic_compare_exchange_n(&asked, &was, state, true,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return state;
}

static bool passed(unsigned long state)
{
	unsigned int cpu;

	for (cpu = 0; cpu < SHIM_CPUS; cpu++) {
		unsigned long since =
			__atomic_fetch_add(&readers[cpu].since, 0,
					   __ATOMIC_SEQ_CST);

		if (since && since < state)
			return false;
	}
	return true;
}

bool poll_state_synchronize_rcu(unsigned long state)
{
	return !shim_rcu_stalled &&
	       __atomic_load_n(&asked, __ATOMIC_SEQ_CST) >= state && passed(state);
}

void synchronize_rcu_expedited(void)
{
	unsigned long state = start_poll_synchronize_rcu();

	BUG_ON(readers[shim_this_cpu->id].nesting);
	if (shim_rcu_waits)
		shim_rcu_waits();
	while (!passed(state))
		sched_yield();
}
