// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load on the IOVA allocator to see how long interrupts stay off under it.
 *
 * Only the interface of <linux/iova.h> is used, so that the same source loads
 * whichever allocator the kernel was built with. The time is taken by the
 * kernel's own irqsoff tracer, or by its watchdogs, not here: nothing here
 * disables interrupts.
 *
 * A case is prepared, run and finished by writing its name to the parameters
 * of that name, so that a tracer can be reset in between:
 *
 *	echo top >/sys/module/iova_latency/parameters/prepare
 *	echo 0 >/sys/kernel/tracing/tracing_max_latency
 *	echo top >/sys/module/iova_latency/parameters/run
 *	cat /sys/kernel/tracing/tracing_max_latency
 *	echo top >/sys/module/iova_latency/parameters/finish
 *
 * The cases:
 *
 * age		60 000 ranges of mixed sizes live, churned through the caches;
 *		then ranges of 33 to 122 pages on top of it
 * holes	every other page of a 32-bit window taken; then requests of two
 *		pages, which no hole fits, and of one page, till none is left
 * slots	every other page of a window handed out by the caches; then requests
 *		of two pages, for which all runs of the window are searched
 * top		a million pages live; then frees near the top, and requests of
 *		64 and of 1500 pages beside them, more than caches may hold
 * magazines	80 000 ranges of all sizes go to the caches at once; then the
 *		caches give back what they do not need, to time and to requests
 *		that would fail otherwise
 * lockup	the pattern of top on all CPUs at once, 256 times between chances
 *		to reschedule, as a driver does that refills a ring
 *
 * A run does at least one operation and then goes on for budget_ms; that of
 * magazines waits for four times as long.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/iova.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

static unsigned int budget_ms = 1000;
module_param(budget_ms, uint, 0644);
MODULE_PARM_DESC(budget_ms, "time after which a case stops repeating its operations (default 1000)");

#define LIVE		1000000U
#define AGED		60000U
#define MAGAZINES	80000U
#define LIMIT_SLOTS	(BIT(16) - 1)
#define LIMIT_32	(BIT(20) - 1)		/* 4 GiB of 4 KiB */
#define LIMIT_48	(BIT(36) - 1)
#define REFILL		256			/* buffers of a ring */

/**
 * struct load_range - something allocated
 * @pfn: its first pfn, 0 when there is none
 * @size: in pages, as it was asked for
 */
struct load_range {
	unsigned long pfn;
	unsigned int size;
};

/**
 * struct load - what the case that is prepared works on
 * @iovad: its domain
 * @r: ranges that live in it
 * @nr: how many @r has room for
 * @ops: operations of its run
 * @rnd: random numbers
 * @deadline: when the run is to end
 */
struct load {
	struct iova_domain iovad;
	struct load_range *r;
	unsigned int nr;
	atomic_long_t ops;
	struct rnd_state rnd;
	u64 deadline;
};

static DEFINE_MUTEX(load_mutex);	/* all that follows */
static struct load *load;
static const char *load_name;

static unsigned int below(struct rnd_state *rnd, unsigned int bound)
{
	return mul_u64_u32_shr(prandom_u32_state(rnd), bound, 32);
}

static bool time_left(struct load *l)
{
	cond_resched();
	return ktime_get_ns() < l->deadline;
}

static void take_tree(struct load *l, struct load_range *r, unsigned int size,
		      unsigned long limit)
{
	struct iova *iova = alloc_iova(&l->iovad, size, limit, true);

	r->pfn = iova ? iova->pfn_lo : 0;
	r->size = size;
}

static void take_fast(struct load *l, struct load_range *r, unsigned int size,
		      unsigned long limit)
{
	r->pfn = alloc_iova_fast(&l->iovad, size, limit, true);
	r->size = size;
}

static void give_tree(struct load *l, struct load_range *r)
{
	if (r->pfn)
		free_iova(&l->iovad, r->pfn);
	r->pfn = 0;
}

static void give_fast(struct load *l, struct load_range *r)
{
	if (r->pfn)
		free_iova_fast(&l->iovad, r->pfn, r->size);
	r->pfn = 0;
}

/* Pages from the highest address down: the lower an index, the higher. */
static int fill(struct load *l, unsigned long limit)
{
	unsigned int i;

	for (i = 0; i < l->nr; i++) {
		take_tree(l, &l->r[i], 1, limit);
		if (!l->r[i].pfn)
			return -ENOSPC;
		if (i % 1024 == 0)
			cond_resched();
	}
	return 0;
}

static int age_prepare(struct load *l)
{
	unsigned int i, op;

	for (i = 0; i < l->nr; i++)
		take_fast(l, &l->r[i], 1 + below(&l->rnd, 128), LIMIT_48);
	for (op = 0; op < 4 * l->nr; op++) {
		i = below(&l->rnd, l->nr);
		give_fast(l, &l->r[i]);
		take_fast(l, &l->r[i], 1 + below(&l->rnd, 128), LIMIT_48);
		if (op % 256 == 0)
			cond_resched();
	}
	return 0;
}

static void age_run(struct load *l)
{
	struct load_range *r;

	do {
		r = &l->r[below(&l->rnd, l->nr)];
		give_fast(l, r);
		take_fast(l, r, 33 + below(&l->rnd, 90), LIMIT_48);
		atomic_long_add(2, &l->ops);
	} while (time_left(l));
}

static int holes_prepare(struct load *l)
{
	unsigned int i;
	int ret;

	ret = fill(l, LIMIT_32);
	for (i = 0; i < l->nr; i += 2)
		give_tree(l, &l->r[i]);
	return ret;
}

static void holes_run(struct load *l)
{
	struct load_range two = { };
	unsigned int i = 0;

	do {
		take_fast(l, &two, 2, LIMIT_32);
		give_fast(l, &two);
		/* Else a free may be all that a failed request is good for. */
		give_tree(l, &l->r[i + 1]);
		take_tree(l, &l->r[i + 1], 1, LIMIT_32);
		give_fast(l, &l->r[i]);
		take_fast(l, &l->r[i], 1, LIMIT_32);
		i = (i + 2) % l->nr;
		atomic_long_add(4, &l->ops);
	} while (time_left(l));
}

static int slots_prepare(struct load *l)
{
	unsigned int i = 0;

	do {
		take_fast(l, &l->r[i], 1, LIMIT_SLOTS);
	} while (l->r[i].pfn && ++i < l->nr);
	for (i = 0; i < l->nr; i++)
		if (l->r[i].pfn % 2)
			give_fast(l, &l->r[i]);
	return 0;
}

static void slots_run(struct load *l)
{
	struct load_range two = { };

	do {
		take_fast(l, &two, 2, LIMIT_SLOTS);
		give_fast(l, &two);
		/* So that the failure is not remembered. */
		give_fast(l, &l->r[0]);
		take_fast(l, &l->r[0], 1, LIMIT_SLOTS);
		atomic_long_add(3, &l->ops);
	} while (time_left(l));
}

static int top_prepare(struct load *l)
{
	return fill(l, LIMIT_48);
}

/* One of a hundredth of all ranges, that of @part in @parts. */
static void top_one(struct load *l, struct rnd_state *rnd, unsigned int part,
		    unsigned int parts)
{
	unsigned int width = l->nr / 100 / parts;
	struct load_range *r = &l->r[part * width + below(rnd, width)];
	struct load_range large;

	give_tree(l, r);
	take_fast(l, &large, below(rnd, 2) ? 64 : 1500, LIMIT_48);
	take_tree(l, r, 1, LIMIT_48);
	give_fast(l, &large);
	atomic_long_add(4, &l->ops);
}

static void top_run(struct load *l)
{
	do {
		top_one(l, &l->rnd, 0, 1);
	} while (time_left(l));
}

static int magazines_prepare(struct load *l)
{
	unsigned int i;

	for (i = 0; i < l->nr; i++) {
		take_fast(l, &l->r[i], 1 << (i % 6), LIMIT_32);
		if (i % 256 == 0)
			cond_resched();
	}
	return 0;
}

static void magazines_run(struct load *l)
{
	struct load_range large;
	unsigned int i;

	for (i = 0; i < l->nr; i++) {
		give_fast(l, &l->r[i]);
		if (i % 256 == 0)
			cond_resched();
	}
	atomic_long_add(l->nr, &l->ops);
	/* Time for what works in the background; the rest to requests for all. */
	msleep(4 * budget_ms);
	take_fast(l, &large, BIT(18), LIMIT_32);
	give_fast(l, &large);
	take_fast(l, &large, BIT(19), LIMIT_32);
	give_fast(l, &large);
	atomic_long_add(4, &l->ops);
}

struct lockup_worker {
	struct load *l;
	unsigned int part;
	unsigned int parts;
	struct task_struct *task;
};

static int lockup_work(void *arg)
{
	struct lockup_worker *w = arg;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 1 + w->part);
	do {
		for (i = 0; i < REFILL; i++)
			top_one(w->l, &rnd, w->part, w->parts);
	} while (time_left(w->l));
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void lockup_run(struct load *l)
{
	unsigned int parts, part = 0, cpu;
	struct lockup_worker *workers, *w;

	cpus_read_lock();
	parts = num_online_cpus();
	workers = kcalloc(parts, sizeof(*workers), GFP_KERNEL);
	if (!workers)
		parts = 0;
	for_each_online_cpu(cpu) {
		if (part == parts)
			break;
		w = &workers[part];
		w->l = l;
		w->part = part;
		w->parts = parts;
		w->task = kthread_create_on_cpu(lockup_work, w, cpu, "iova_lockup/%u");
		if (IS_ERR(w->task))
			break;
		part++;
	}
	parts = part;
	for (part = 0; part < parts; part++)
		wake_up_process(workers[part].task);
	cpus_read_unlock();
	for (part = 0; part < parts; part++)
		kthread_stop(workers[part].task);
	kfree(workers);
}

static const struct load_case {
	const char *name;
	unsigned int nr;
	int (*prepare)(struct load *l);
	void (*run)(struct load *l);
} cases[] = {
	{ "age", AGED, age_prepare, age_run },
	{ "holes", BIT(20) - 2, holes_prepare, holes_run },
	{ "slots", LIMIT_SLOTS, slots_prepare, slots_run },
	{ "top", LIVE, top_prepare, top_run },
	{ "magazines", MAGAZINES, magazines_prepare, magazines_run },
	{ "lockup", LIVE, top_prepare, lockup_run },
};

static const struct load_case *find_case(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (sysfs_streq(cases[i].name, name))
			return &cases[i];
	return NULL;
}

static void load_free(void)
{
	if (!load)
		return;
	put_iova_domain(&load->iovad);
	vfree(load->r);
	vfree(load);
	iova_cache_put();
	load = NULL;
	load_name = NULL;
}

static int load_prepare(const struct load_case *c)
{
	int ret;

	if (load)
		return -EBUSY;
	ret = iova_cache_get();
	if (ret)
		return ret;
	ret = -ENOMEM;
	load = vzalloc(sizeof(*load));
	if (!load)
		goto put_cache;
	load->nr = c->nr;
	load->r = vcalloc(c->nr, sizeof(*load->r));
	if (!load->r)
		goto free_load;
	prandom_seed_state(&load->rnd, 20240607);
	init_iova_domain(&load->iovad, SZ_4K, 1);
	load_name = c->name;
	ret = iova_domain_init_rcaches(&load->iovad) ?: c->prepare(load);
	if (ret)
		load_free();
	return ret;

free_load:
	vfree(load);
	load = NULL;
put_cache:
	iova_cache_put();
	return ret;
}

/* Nothing is printed before a case is finished: a line to a console is long. */
static int do_step(const char *name, bool is_prepared,
		   int (*step)(const struct load_case *c))
{
	const struct load_case *c = find_case(name);
	int ret;

	if (!c)
		return -EINVAL;
	mutex_lock(&load_mutex);
	if (is_prepared && (!load || load_name != c->name))
		ret = -ENXIO;
	else
		ret = step(c);
	mutex_unlock(&load_mutex);
	return ret;
}

static int set_prepare(const char *name, const struct kernel_param *kp)
{
	return do_step(name, false, load_prepare);
}

static int load_run(const struct load_case *c)
{
	load->deadline = ktime_get_ns() + (u64)budget_ms * NSEC_PER_MSEC;
	c->run(load);
	return 0;
}

static int set_run(const char *name, const struct kernel_param *kp)
{
	return do_step(name, true, load_run);
}

static int load_finish(const struct load_case *c)
{
	pr_info("%s: %ld operations\n", c->name, atomic_long_read(&load->ops));
	load_free();
	return 0;
}

static int set_finish(const char *name, const struct kernel_param *kp)
{
	return do_step(name, true, load_finish);
}

static const struct kernel_param_ops prepare_ops = { .set = set_prepare };
module_param_cb(prepare, &prepare_ops, NULL, 0200);
MODULE_PARM_DESC(prepare, "prepare this case");

static const struct kernel_param_ops run_ops = { .set = set_run };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "run this case");

static const struct kernel_param_ops finish_ops = { .set = set_finish };
module_param_cb(finish, &finish_ops, NULL, 0200);
MODULE_PARM_DESC(finish, "tell how much this case did, and free what it used");

static void __exit iova_latency_exit(void)
{
	load_free();
}
module_exit(iova_latency_exit);

MODULE_DESCRIPTION("Load on the IOVA allocator, for tracers of latency");
MODULE_LICENSE("GPL");
