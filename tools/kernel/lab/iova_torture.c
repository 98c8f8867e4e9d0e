// SPDX-License-Identifier: GPL-2.0-only
/*
 * Torture test of the IOVA allocator.
 *
 * Theory of operation
 * ===================
 *
 * 1. Only the interface of <linux/iova.h> is used, so that the same source
 *    tortures whichever allocator the kernel was built with.
 *
 * 2. Each domain has a shadow: one bit for each pfn of a window of 8 GiB. Who
 *    gets a range sets its bits, who frees one clears them first. A bit that
 *    is set already is an address with two owners; one that is clear already
 *    was freed by somebody who did not hold it. The shadow orders nothing by
 *    itself (its accesses are relaxed), and costs one atomic operation for
 *    each 64 pages. Reserved ranges are set for good.
 *
 * 3. Ranges in flight are in slots, one word each. A worker picks a slot at
 *    random, most often one of a few: what it finds there it frees, whichever
 *    CPU allocated it; into an empty one it puts what it allocates. That is
 *    mapping here and unmapping there. The workers fill, stir and drain by
 *    turns; filled, a domain has used up all below 32 bits, and often all of
 *    its window.
 *
 * 4. A timer does the same on each domain in hard interrupt context, in the
 *    middle of what the workers do.
 *
 * 5. One thread tears domains down and makes them again, every other time with
 *    all its ranges live and its caches full. Else it first frees everything
 *    and then takes all there is: a page that does not come back was lost.
 *    Workers are kept out by the semaphore of the domain; CPU hotplug and what
 *    the allocator itself runs in the background are not.
 *
 * 6. CPU hotplug, stutter, shuffling and statistics are those of the other
 *    torture tests, and so is the last line: "End of test: SUCCESS" or
 *    "... FAILURE".
 *
 * A module runs from its load to its unload. Built in, it runs when booted with
 * iova_torture.run=1. With runtime= it ends by itself.
 */

#define pr_fmt(fmt) fmt

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/iova.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/torture.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "../dmamap/tests/base_test.h"

MODULE_DESCRIPTION("Torture test of the IOVA allocator");
MODULE_LICENSE("GPL");

torture_param(bool, run, IS_MODULE(CONFIG_IOVA_TORTURE_TEST), "Run at all; off when built in");
torture_param(int, nworkers, -1, "Number of worker threads, -1 for one a CPU");
torture_param(int, ndomains, 4, "Number of domains");
torture_param(int, runtime, 0, "Seconds after which the test ends by itself, 0 for never");
torture_param(int, onoff_holdoff, 0, "Time after boot before CPU hotplugs (s)");
torture_param(int, onoff_interval, 0, "Time between CPU hotplugs (jiffies), 0=disable");
torture_param(int, shuffle_interval, 3, "Number of jiffies between shuffles, 0=disable");
torture_param(int, stutter, 5, "Number of jiffies to run/halt test, 0=disable");
torture_param(int, stat_interval, 60, "Number of seconds between stats printk()s");
torture_param(int, teardown_interval, HZ / 2, "Jiffies between teardowns of a domain, 0=disable");
torture_param(int, irq_interval, 1000, "Microseconds between interrupts that allocate, 0=disable");
torture_param(bool, mix_apis, IS_ENABLED(CONFIG_IOVA_GAP_TREE),
	      "Free through the caches what did not come from there: not allowed on stock");
torture_param(int, verbose, 0, "Enable verbose debugging printk()s");

/* On PREEMPT_RT there is no hard interrupt that may map: its timers are softirqs. */
#define IRQ_TIMER	(IS_ENABLED(CONFIG_PREEMPT_RT) ? HRTIMER_MODE_REL_SOFT : \
							 HRTIMER_MODE_REL_HARD)

static char *torture_type = "iova";

#define PFN_32BIT	BIT(20)			/* 4 GiB of 4 KiB */
#define WINDOW		BIT(21)			/* pfns with a shadow */
#define SLOTS		BIT(17)			/* 34 pages each fill the window twice */
#define HOT		BIT(12)			/* slots of what lives for a short time */
#define BATCH		256			/* operations between reschedules */
#define IRQ_BATCH	8
#define CHUNK		64UL			/* pages, to see whether all comes back */

/* What the interrupts of x86 are raised through, as an example of a hole. */
#define RESERVED_LO	0xfee00UL
#define RESERVED_HI	0xfeeffUL

/* A slot: the pfn, the size above it, and whether it came from the caches. */
#define SLOT_SIZE_SHIFT	32
#define SLOT_FAST	BIT_ULL(63)

/**
 * struct torture_counts - what one thread, or the timer of a domain, did
 * @allocs: calls that allocate
 * @failed: those of @allocs that found nothing
 * @frees: calls that free
 */
struct torture_counts {
	u64 allocs;
	u64 failed;
	u64 frees;
};

/**
 * struct torture_domain - a domain with its shadow
 * @iovad: the domain
 * @usable: @iovad is initialised
 * @sem: held for reading by workers, for writing to tear @iovad down
 * @owned: the shadow, a bitmap
 * @slots: the ranges in flight
 * @timer: allocates and frees in hard interrupt context
 * @rand: of @timer
 * @irq: what @timer did
 */
struct torture_domain {
	struct iova_domain iovad;
	bool usable;
	struct rw_semaphore sem;
	atomic_long_t *owned;
	atomic64_t *slots;
	struct hrtimer timer;
	struct torture_random_state rand;
	struct torture_counts irq;
};

static struct torture_domain *domains;
static struct task_struct **worker_tasks;
static struct torture_counts *worker_counts;
static struct task_struct *teardown_task;
static struct task_struct *stats_task;
static bool started;

static atomic_t n_twice;	/* pages handed out while owned */
static atomic_t n_strange;	/* pages freed that nobody owned: a bug of this test, or worse */
static atomic_t n_wrong;	/* ranges above the limit, or not aligned */
static atomic_t n_lost;		/* pages that never came back */
static unsigned long n_teardowns;
static unsigned long n_checks;
static unsigned long n_init_failures;

static void report(const char *what, struct torture_domain *td, unsigned long pfn,
		   unsigned long size, atomic_t *count)
{
	/* The first ones say it all. */
	if (atomic_inc_return(count) <= 3)
		pr_alert("%s-torture:!!! domain %td pfn %#lx size %lu CPU %d: %s\n",
			 torture_type, td - domains, pfn, size, raw_smp_processor_id(), what);
}

/* Set or clear the shadow of a range; were all bits as they should be? */
static bool shadow_change(struct torture_domain *td, unsigned long pfn, unsigned long size,
			  bool take)
{
	unsigned long last = pfn + size - 1, word, mask, old;
	bool good = true;

	for (word = BIT_WORD(pfn); word <= BIT_WORD(last); word++) {
		mask = ~0UL;
		if (word == BIT_WORD(pfn))
			mask &= BITMAP_FIRST_WORD_MASK(pfn);
		if (word == BIT_WORD(last))
			mask &= BITMAP_LAST_WORD_MASK(last + 1);
		if (take)
			old = atomic_long_fetch_or_relaxed(mask, &td->owned[word]);
		else
			old = ~atomic_long_fetch_andnot_relaxed(mask, &td->owned[word]);
		if (old & mask)
			good = false;
	}
	return good;
}

static void shadow_take(struct torture_domain *td, unsigned long pfn, unsigned long size)
{
	if (!shadow_change(td, pfn, size, true))
		report("handed out while it has an owner", td, pfn, size, &n_twice);
}

static void shadow_drop(struct torture_domain *td, unsigned long pfn, unsigned long size)
{
	if (!shadow_change(td, pfn, size, false))
		report("given back without an owner", td, pfn, size, &n_strange);
}

/* Mostly what network and block drivers map; some a stock cache does not hold. */
static unsigned long pick_size(struct torture_random_state *rand)
{
	unsigned int kind = torture_random(rand) % 64;

	if (kind < 40)
		return 1 + torture_random(rand) % 8;
	if (kind < 60)
		return 1 + torture_random(rand) % 80;
	if (kind < 63)
		return 1 + torture_random(rand) % 300;
	return 1 + torture_random(rand) % 1500;
}

static unsigned long pick_limit(struct torture_random_state *rand)
{
	unsigned int kind = torture_random(rand) % 16;

	if (kind < 10)
		return PFN_32BIT - 1;
	if (kind < 15)
		return WINDOW - 1;
	return 1 + torture_random(rand) % (WINDOW - 1);
}

static void give_back(struct torture_domain *td, u64 slot, unsigned int how,
		      struct torture_counts *counts)
{
	unsigned long size = (slot & ~SLOT_FAST) >> SLOT_SIZE_SHIFT;
	unsigned long pfn = lower_32_bits(slot);

	shadow_drop(td, pfn, size);
	counts->frees++;
	if (how % 16 && (slot & SLOT_FAST || mix_apis))
		free_iova_fast(&td->iovad, pfn, size);
	else
		free_iova(&td->iovad, pfn);
}

/* A range as a slot, or 0 when there is none. */
static u64 take(struct torture_domain *td, struct torture_random_state *rand,
		struct torture_counts *counts)
{
	unsigned long size = pick_size(rand), limit = pick_limit(rand), pfn = 0;
	bool fast = torture_random(rand) % 8;
	struct iova *iova;

	if (fast) {
		counts->allocs++;
		pfn = alloc_iova_fast(&td->iovad, size, limit, limit != PFN_32BIT - 1);
		/* What DMA for PCI does: below 4 GiB first, then anywhere. */
		if (!pfn && limit == PFN_32BIT - 1) {
			counts->failed++;
			counts->allocs++;
			limit = WINDOW - 1;
			pfn = alloc_iova_fast(&td->iovad, size, limit, true);
		}
	} else {
		counts->allocs++;
		iova = alloc_iova(&td->iovad, size, limit, true);
		if (iova)
			pfn = iova->pfn_lo;
	}
	if (!pfn) {
		counts->failed++;
		return 0;
	}
	if (pfn > limit || size - 1 > limit - pfn ||
	    !IS_ALIGNED(pfn, roundup_pow_of_two(size))) {
		report("above its limit, or not aligned", td, pfn, size, &n_wrong);
		return 0;
	}
	shadow_take(td, pfn, size);
	return pfn | (u64)size << SLOT_SIZE_SHIFT | (fast ? SLOT_FAST : 0);
}

enum phase { STIR, FILL, STIR_FULL, DRAIN, NR_PHASES };

static enum phase phase_now(void)
{
	return jiffies / (4 * HZ) % NR_PHASES;
}

/* One operation on a slot at random. */
static void operate(struct torture_domain *td, struct torture_random_state *rand,
		    enum phase phase, struct torture_counts *counts)
{
	unsigned int how = torture_random(rand);
	atomic64_t *slot;
	u64 old;

	slot = &td->slots[torture_random(rand) % (how / 128 % 8 ? HOT : SLOTS)];
	if (atomic64_read(slot)) {
		if (phase == FILL && how / 16 % 8)
			return;
		old = atomic64_xchg(slot, 0);
		if (old)
			give_back(td, old, how, counts);
		return;
	}
	if (phase == DRAIN && how / 16 % 8)
		return;
	old = take(td, rand, counts);
	if (!old)
		return;
	old = atomic64_xchg(slot, old);
	/* Somebody was faster: what they put there goes. */
	if (old)
		give_back(td, old, how, counts);
}

static ktime_t irq_period(void)
{
	return ns_to_ktime((u64)irq_interval * NSEC_PER_USEC);
}

static enum hrtimer_restart iova_torture_irq(struct hrtimer *timer)
{
	struct torture_domain *td = container_of(timer, struct torture_domain, timer);
	enum phase phase = phase_now();
	unsigned int i;

	for (i = 0; i < IRQ_BATCH; i++)
		operate(td, &td->rand, phase, &td->irq);
	hrtimer_forward_now(timer, irq_period());
	return HRTIMER_RESTART;
}

static int iova_torture_worker(void *arg)
{
	struct torture_counts *counts = arg;
	DEFINE_TORTURE_RANDOM(rand);
	struct torture_domain *td;
	enum phase phase;
	unsigned int i;

	VERBOSE_TOROUT_STRING("worker task started");
	set_user_nice(current, MAX_NICE);
	do {
		td = &domains[torture_random(&rand) % ndomains];
		if (down_read_trylock(&td->sem)) {
			phase = phase_now();
			for (i = 0; i < BATCH && td->usable; i++)
				operate(td, &rand, phase, counts);
			up_read(&td->sem);
		}
		cond_resched();
		stutter_wait("iova_torture_worker");
	} while (!torture_must_stop());
	torture_kthread_stopping("iova_torture_worker");
	return 0;
}

static void shadow_reset(struct torture_domain *td)
{
	unsigned long i;

	for (i = 0; i < BITS_TO_LONGS(WINDOW); i++)
		atomic_long_set(&td->owned[i], 0);
	shadow_change(td, RESERVED_LO, RESERVED_HI - RESERVED_LO + 1, true);
	for (i = 0; i < SLOTS; i++)
		atomic64_set(&td->slots[i], 0);
}

static void domain_start(struct torture_domain *td)
{
	int ret;

	shadow_reset(td);
	init_iova_domain(&td->iovad, SZ_4K, 1);
	ret = iova_domain_init_rcaches(&td->iovad);
	td->usable = !ret && reserve_iova(&td->iovad, RESERVED_LO, RESERVED_HI);
	if (!td->usable) {
		n_init_failures++;
		put_iova_domain(&td->iovad);
		return;
	}
	if (irq_interval > 0)
		hrtimer_start(&td->timer, irq_period(), IRQ_TIMER);
}

/* Stop the timer: no one but the allocator itself touches the domain then. */
static void domain_quiet(struct torture_domain *td)
{
	hrtimer_cancel(&td->timer);
}

static void domain_stop(struct torture_domain *td)
{
	domain_quiet(td);
	if (td->usable)
		put_iova_domain(&td->iovad);
	td->usable = false;
}

/*
 * Free everything, then take everything.  All of the window comes as aligned
 * chunks but the one that holds pfn 0 and those that are reserved, whatever the
 * allocator and CPU hotplug bring from caches to the tree at that moment.
 */
static void domain_check(struct torture_domain *td, struct torture_counts *counts)
{
	unsigned long want = WINDOW / CHUNK - 1 - (RESERVED_HI + 1 - RESERVED_LO) / CHUNK;
	unsigned long i, pfn, got = 0;
	u64 slot;

	for (i = 0; i < SLOTS; i++) {
		slot = atomic64_xchg(&td->slots[i], 0);
		if (slot)
			give_back(td, slot, 1, counts);
		if (i % BATCH == 0)
			cond_resched();
	}
	while ((pfn = alloc_iova_fast(&td->iovad, CHUNK, WINDOW - 1, true))) {
		shadow_take(td, pfn, CHUNK);
		counts->allocs++;
		if (++got % BATCH == 0)
			cond_resched();
	}
	n_checks++;
	if (got != want) {
		pr_alert("%s-torture:!!! domain %td: %lu of %lu chunks came back\n",
			 torture_type, td - domains, got, want);
		atomic_add(abs((long)(want - got)) * CHUNK, &n_lost);
	}
}

static int iova_torture_teardown(void *arg)
{
	struct torture_counts *counts = arg;
	DEFINE_TORTURE_RANDOM(rand);
	struct torture_domain *td;
	unsigned long n;

	VERBOSE_TOROUT_STRING("teardown task started");
	for (n = 0; !torture_must_stop(); n++) {
		torture_hrtimeout_jiffies(teardown_interval, &rand);
		td = &domains[n / 2 % ndomains];
		down_write(&td->sem);
		domain_quiet(td);
		if (td->usable && n % 2)
			domain_check(td, counts);
		domain_stop(td);
		n_teardowns++;
		domain_start(td);
		up_write(&td->sem);
	}
	torture_kthread_stopping("iova_torture_teardown");
	return 0;
}

static void add_counts(struct torture_counts *sum, const struct torture_counts *counts)
{
	sum->allocs += READ_ONCE(counts->allocs);
	sum->failed += READ_ONCE(counts->failed);
	sum->frees += READ_ONCE(counts->frees);
}

static bool iova_torture_failed(void)
{
	return atomic_read(&n_twice) || atomic_read(&n_strange) || atomic_read(&n_wrong) ||
	       atomic_read(&n_lost);
}

static void iova_torture_stats_print(void)
{
	struct torture_counts sum = { }, irq = { };
	int i;

	for (i = 0; i <= nworkers; i++)
		add_counts(&sum, &worker_counts[i]);
	for (i = 0; i < ndomains; i++)
		add_counts(&irq, &domains[i].irq);
	add_counts(&sum, &irq);
	pr_alert("%s-torture: ops: %llu allocs: %llu failed: %llu frees: %llu irq: %llu\n",
		 torture_type, sum.allocs + sum.frees, sum.allocs, sum.failed, sum.frees,
		 irq.allocs + irq.frees);
	pr_alert("%s-torture: %steardowns: %lu checks: %lu noinit: %lu twice: %d strange: %d wrong: %d lost: %d ",
		 torture_type, iova_torture_failed() ? "!!! " : "", n_teardowns, n_checks,
		 n_init_failures, atomic_read(&n_twice), atomic_read(&n_strange),
		 atomic_read(&n_wrong), atomic_read(&n_lost));
	torture_onoff_stats();
	pr_cont("\n");
}

static int iova_torture_stats(void *arg)
{
	VERBOSE_TOROUT_STRING("stats task started");
	do {
		schedule_timeout_interruptible(stat_interval * HZ);
		iova_torture_stats_print();
		torture_shutdown_absorb("iova_torture_stats");
	} while (!torture_must_stop());
	torture_kthread_stopping("iova_torture_stats");
	return 0;
}

static void print_parms(const char *tag)
{
	pr_alert("%s-torture:--- %s: nworkers=%d ndomains=%d cpus=%u runtime=%d onoff_holdoff=%d onoff_interval=%d shuffle_interval=%d stutter=%d stat_interval=%d teardown_interval=%d irq_interval=%d mix_apis=%d\n",
		 torture_type, tag, nworkers, ndomains, num_possible_cpus(), runtime,
		 onoff_holdoff, onoff_interval, shuffle_interval, stutter, stat_interval,
		 teardown_interval, irq_interval, mix_apis);
}

static void domains_free(void)
{
	int i;

	for (i = 0; domains && i < ndomains; i++) {
		vfree(domains[i].owned);
		vfree(domains[i].slots);
	}
	vfree(domains);
	domains = NULL;
	kfree(worker_counts);
	worker_counts = NULL;
	kfree(worker_tasks);
	worker_tasks = NULL;
}

static void iova_torture_cleanup(void)
{
	int i;

	if (torture_cleanup_begin())
		return;
	for (i = 0; worker_tasks && i < nworkers; i++)
		torture_stop_kthread(iova_torture_worker, worker_tasks[i]);
	torture_stop_kthread(iova_torture_teardown, teardown_task);
	torture_stop_kthread(iova_torture_stats, stats_task);

	if (started) {
		for (i = 0; i < ndomains; i++) {
			domain_quiet(&domains[i]);
			if (domains[i].usable)
				domain_check(&domains[i], &worker_counts[nworkers]);
			domain_stop(&domains[i]);
		}
		iova_torture_stats_print();
		if (iova_torture_failed())
			print_parms("End of test: FAILURE");
		else if (torture_onoff_failures())
			print_parms("End of test: IOVA_HOTPLUG");
		else
			print_parms("End of test: SUCCESS");
		iova_cache_put();
		started = false;
	}
	domains_free();
	torture_cleanup_end();
}

static void iova_torture_end(struct work_struct *work)
{
	iova_torture_cleanup();
}

static DECLARE_DELAYED_WORK(end_work, iova_torture_end);

static int domains_create(void)
{
	struct torture_domain *td;
	int i;

	domains = vcalloc(ndomains, sizeof(*domains));
	worker_tasks = kcalloc(nworkers, sizeof(*worker_tasks), GFP_KERNEL);
	/* One more, for the thread that tears down. */
	worker_counts = kcalloc(nworkers + 1, sizeof(*worker_counts), GFP_KERNEL);
	if (!domains || !worker_tasks || !worker_counts)
		return -ENOMEM;
	for (i = 0; i < ndomains; i++) {
		td = &domains[i];
		init_rwsem(&td->sem);
		torture_random_init(&td->rand);
		test_hrtimer_setup(&td->timer, iova_torture_irq, IRQ_TIMER);
		td->owned = vcalloc(BITS_TO_LONGS(WINDOW), sizeof(*td->owned));
		td->slots = vcalloc(SLOTS, sizeof(*td->slots));
		if (!td->owned || !td->slots)
			return -ENOMEM;
	}
	return 0;
}

static int __init iova_torture_init(void)
{
	int i, ret;

	if (!run)
		return 0;
	if (nworkers < 0)
		nworkers = num_online_cpus();
	ndomains = max(ndomains, 1);
	if (!torture_init_begin(torture_type, verbose))
		return -EBUSY;

	ret = domains_create();
	if (ret)
		goto unwind;
	ret = iova_cache_get();
	if (ret)
		goto unwind;
	started = true;
	for (i = 0; i < ndomains; i++)
		domain_start(&domains[i]);
	print_parms("Start of test");

	if (onoff_interval > 0) {
		ret = torture_onoff_init(onoff_holdoff * HZ, onoff_interval, NULL);
		if (torture_init_error(ret))
			goto unwind;
	}
	if (shuffle_interval > 0) {
		ret = torture_shuffle_init(shuffle_interval);
		if (torture_init_error(ret))
			goto unwind;
	}
	if (stutter > 0) {
		ret = torture_stutter_init(stutter, stutter);
		if (torture_init_error(ret))
			goto unwind;
	}
	for (i = 0; i < nworkers; i++) {
		ret = torture_create_kthread(iova_torture_worker, &worker_counts[i],
					     worker_tasks[i]);
		if (torture_init_error(ret))
			goto unwind;
	}
	if (teardown_interval > 0) {
		ret = torture_create_kthread(iova_torture_teardown, &worker_counts[nworkers],
					     teardown_task);
		if (torture_init_error(ret))
			goto unwind;
	}
	if (stat_interval > 0) {
		ret = torture_create_kthread(iova_torture_stats, NULL, stats_task);
		if (torture_init_error(ret))
			goto unwind;
	}
	torture_init_end();
	if (runtime > 0)
		queue_delayed_work(system_long_wq, &end_work, runtime * HZ);
	return 0;

unwind:
	torture_init_end();
	iova_torture_cleanup();
	return ret;
}
late_initcall(iova_torture_init);

static void __exit iova_torture_exit(void)
{
	cancel_delayed_work_sync(&end_work);
	if (started)
		iova_torture_cleanup();
}
module_exit(iova_torture_exit);
