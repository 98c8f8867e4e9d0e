/* SPDX-License-Identifier: GPL-2.0-only */
/* Work items run when a test says so: see shim_run_works(). */
#ifndef _SHIM_WORKQUEUE_H
#define _SHIM_WORKQUEUE_H

#include <stdbool.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	work_func_t func;
	struct work_struct *next;
	unsigned long due;
	int pending;
	int cancelled;
};

struct delayed_work {
	struct work_struct work;
};

struct workqueue_struct;
#define system_wq		((struct workqueue_struct *)0)
#define system_dfl_wq		system_wq

void shim_work_init(struct work_struct *work, work_func_t func);
bool shim_queue_work(struct work_struct *work, unsigned long delay);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *work,
		      unsigned long delay);
bool cancel_work_sync(struct work_struct *work);
bool disable_work_sync(struct work_struct *work);
bool flush_work(struct work_struct *work);

#define INIT_WORK(work, func)		shim_work_init(work, func)
#define INIT_DELAYED_WORK(dwork, func)	shim_work_init(&(dwork)->work, func)
#define INIT_DEFERRABLE_WORK(dwork, func) INIT_DELAYED_WORK(dwork, func)
#define to_delayed_work(ptr)	container_of(ptr, struct delayed_work, work)

#define schedule_work(work)	shim_queue_work(work, 0)
#define queue_work(wq, work)	shim_queue_work(work, 0)
#define schedule_delayed_work(dwork, delay)				\
	shim_queue_work(&(dwork)->work, delay)
#define queue_delayed_work(wq, dwork, delay)				\
	shim_queue_work(&(dwork)->work, delay)
#define delayed_work_pending(dwork)					\
	__atomic_load_n(&(dwork)->work.pending, __ATOMIC_RELAXED)
#define cancel_delayed_work_sync(dwork)	cancel_work_sync(&(dwork)->work)
#define flush_delayed_work(dwork)	flush_work(&(dwork)->work)

#endif
