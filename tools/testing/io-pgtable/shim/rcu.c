// SPDX-License-Identifier: GPL-2.0-only
/* Read-copy update, by epochs: see linux/rcupdate.h. */
#include <pthread.h>
#include <sched.h>

#include <linux/bug.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>

static struct {
	unsigned long since;	/* epoch of the outermost section, 0: none */
	unsigned long nesting;
} __aligned(128) readers[SHIM_CPUS];

static unsigned long epoch = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rcu_head *first, **last = &first;

void (*shim_rcu_waits)(void);
bool shim_rcu_stalled, shim_rcu_skipped;
unsigned long shim_grace_periods;
s64 shim_ktime;

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

/* Run the callbacks whose grace period has passed. */
static void run_callbacks(void)
{
	struct rcu_head *head;

	while (!__atomic_load_n(&shim_rcu_stalled, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&lock);
		head = first;
		if (head && passed(head->state)) {
			__atomic_store_n(&first, head->next, __ATOMIC_RELAXED);
			if (!first)
				last = &first;
		} else {
			head = NULL;
		}
		pthread_mutex_unlock(&lock);
		if (!head)
			return;
		head->func(head);
	}
}

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
	if (__atomic_load_n(&first, __ATOMIC_RELAXED))
		run_callbacks();
#endif
}

bool shim_rcu_reading(void)
{
	return readers[shim_this_cpu->id].nesting;
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = NULL;
	pthread_mutex_lock(&lock);
	head->state = __atomic_add_fetch(&epoch, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(last, head, __ATOMIC_RELAXED);
	last = &head->next;
	pthread_mutex_unlock(&lock);
	run_callbacks();
}

void rcu_barrier(void)
{
	while (__atomic_load_n(&first, __ATOMIC_RELAXED)) {
		run_callbacks();
		sched_yield();
	}
}

void synchronize_rcu(void)
{
	unsigned long state = __atomic_add_fetch(&epoch, 1, __ATOMIC_SEQ_CST);

	BUG_ON(readers[shim_this_cpu->id].nesting);
	shim_grace_periods++;
	if (shim_rcu_waits)
		shim_rcu_waits();
	while (!shim_rcu_skipped && !passed(state))
		sched_yield();
}
