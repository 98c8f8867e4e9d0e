// SPDX-License-Identifier: GPL-2.0-only
/*
 * Torture test of DMA mapping through an IOMMU.
 *
 * Theory of operation
 * ===================
 *
 * 1. Only the DMA API is used, so that the same source tortures whichever layer
 *    the kernel was built with.
 *
 * 2. The devices are behind IOMMUs in software (mock_iommu.h), one each. These
 *    are what knows who owns an address: they count pages mapped where one is
 *    mapped (collisions), or where one was that the device may still reach
 *    (reused: before the invalidation), and calls that no IOMMU driver expects
 *    (strays). Besides, each mapping is looked up when it was made and again
 *    right before it goes: it has to lead to its memory both times.
 *
 * 3. Mappings in flight are in slots, one pointer each. A worker picks a slot at
 *    random: what it finds there it unmaps, whichever CPU mapped it; into an
 *    empty one it puts what it maps. The aperture is small, so that it is used
 *    up time and again; most memory is registers that nobody touches.
 *
 * 4. A timer does the same on each device in hard interrupt context.
 *
 * 5. One thread unmaps all of a device at once, so that the flush queues of a
 *    lazy domain are full, and takes the device and its domain away before
 *    anything was flushed. Every other device is lazy. Nothing of it may be
 *    left mapped; all of the aperture must come back, which is seen every other
 *    time. Workers are kept out by the semaphore of the device; CPU hotplug and
 *    timers are not.
 *
 * 6. CPU hotplug, stutter, shuffling and statistics are those of the other
 *    torture tests, and so is the last line: "End of test: SUCCESS" or
 *    "... FAILURE".
 *
 * It runs when booted with dmamap_torture.run=1, and ends after runtime= seconds.
 */

#define pr_fmt(fmt) fmt

#include <linux/atomic.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/iommu-dma.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/torture.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "../dmamap/tests/mock_iommu.h"

torture_param(bool, run, false, "Run at all");
torture_param(int, nworkers, -1, "Number of worker threads, -1 for one a CPU");
torture_param(int, ndevices, 4, "Number of devices, every other one lazy");
torture_param(int, runtime, 60, "Seconds after which the test ends by itself, 0 for never");
torture_param(int, onoff_holdoff, 0, "Time after boot before CPU hotplugs (s)");
torture_param(int, onoff_interval, 0, "Time between CPU hotplugs (jiffies), 0=disable");
torture_param(int, shuffle_interval, 3, "Number of jiffies between shuffles, 0=disable");
torture_param(int, stutter, 5, "Number of jiffies to run/halt test, 0=disable");
torture_param(int, stat_interval, 60, "Number of seconds between stats printk()s");
torture_param(int, teardown_interval, HZ / 2, "Jiffies between teardowns of a device, 0=disable");
torture_param(int, irq_interval, 2000, "Microseconds between interrupts that map, 0=disable");
torture_param(int, verbose, 0, "Enable verbose debugging printk()s");

static char *torture_type = "dmamap";

#define APERTURE	SZ_64M			/* 16383 pages of 4 KiB */
#define SLOTS		4096U			/* 6 pages each use it up */
#define BATCH		64			/* operations on a device at a time */
#define IRQ_BATCH	4
#define POOL		64			/* pages of real memory */
#define SG_MAX		16
#define CHUNK		SZ_256K			/* to see whether all comes back */
/* For that, in tenths of a second: emulated CPUs run one after the other. */
#define CHECK_WAITS	100
/* Registers that nobody touches */
#define MMIO		BIT_ULL(40)

/* On PREEMPT_RT there is no hard interrupt that may map: its timers are softirqs. */
#define IRQ_TIMER	(IS_ENABLED(CONFIG_PREEMPT_RT) ? HRTIMER_MODE_REL_SOFT : \
							 HRTIMER_MODE_REL_HARD)

enum kind { RESOURCE, PAGE, LIST };

/**
 * struct torture_mapping - one mapping in flight
 * @kind: what it is of
 * @size: bytes
 * @addr: the address
 * @phys: what it leads to
 * @nents: entries of @sgl
 * @sgl: the list
 */
struct torture_mapping {
	enum kind kind;
	size_t size;
	dma_addr_t addr;
	phys_addr_t phys;
	unsigned int nents;
	struct scatterlist sgl[] __counted_by(nents);
};

/**
 * struct torture_counts - what one thread, or the timer of a device, did
 * @maps: calls that map
 * @failed: those of @maps that failed
 * @unmaps: calls that unmap
 */
struct torture_counts {
	u64 maps;
	u64 failed;
	u64 unmaps;
};

/**
 * struct torture_device - a device with its IOMMU
 * @mock: the IOMMU
 * @dev: the device, %NULL while there is none
 * @sem: held for reading by workers, for writing to take @dev away
 * @slots: the mappings in flight
 * @timer: maps and unmaps in hard interrupt context
 * @rand: of @timer
 * @irq: what @timer did
 */
struct torture_device {
	struct mock_iommu *mock;
	struct device *dev;
	struct rw_semaphore sem;
	struct torture_mapping **slots;
	struct hrtimer timer;
	struct torture_random_state rand;
	struct torture_counts irq;
};

static struct torture_device *devices;
static struct task_struct **worker_tasks;
static struct torture_counts *worker_counts;
static struct task_struct *teardown_task;
static struct task_struct *stats_task;
static struct page *pool[POOL];
static bool started;

static atomic_t n_astray;	/* mappings that do not lead to their memory */
static atomic_t n_left;		/* pages mapped after all was unmapped */
static atomic_t n_lost;		/* bytes of the aperture that never came back */
static unsigned long n_collisions;
static unsigned long n_reused;
static unsigned long n_strays;
static unsigned long n_teardowns;
static unsigned long n_checks;
static unsigned long n_no_device;

static void report(const char *what, struct torture_device *td, u64 at, atomic_t *count)
{
	/* The first ones say it all. */
	if (atomic_inc_return(count) <= 3)
		pr_alert("%s-torture:!!! device %td at %#llx CPU %d: %s\n",
			 torture_type, td - devices, at, raw_smp_processor_id(), what);
}

static void check(struct torture_device *td, const struct torture_mapping *m)
{
	struct mock_page page = { };

	if (mock_translate(td->dev, m->addr, &page) != MOCK_LIVE || page.phys != m->phys)
		report("does not lead to what it was mapped to", td, m->addr, &n_astray);
	/* Its last byte may be in another page. */
	if (m->kind != LIST &&
	    (mock_translate(td->dev, m->addr + m->size - 1, &page) != MOCK_LIVE ||
	     page.phys != m->phys + m->size - 1))
		report("does not end where it should", td, m->addr, &n_astray);
}

static void unmap(struct torture_device *td, struct torture_mapping *m,
		  struct torture_counts *counts)
{
	check(td, m);
	counts->unmaps++;
	switch (m->kind) {
	case RESOURCE:
		dma_unmap_resource(td->dev, m->addr, m->size, DMA_BIDIRECTIONAL, 0);
		break;
	case PAGE:
		dma_unmap_page(td->dev, m->addr, m->size, DMA_FROM_DEVICE);
		break;
	case LIST:
		dma_unmap_sg(td->dev, m->sgl, m->nents, DMA_TO_DEVICE);
		break;
	}
	kfree(m);
}

static bool map_list(struct device *dev, struct torture_mapping *m,
		     struct torture_random_state *rand)
{
	unsigned int i;

	sg_init_table(m->sgl, m->nents);
	for (i = 0; i < m->nents; i++)
		sg_set_page(&m->sgl[i], pool[torture_random(rand) % POOL], PAGE_SIZE, 0);
	if (!dma_map_sg(dev, m->sgl, m->nents, DMA_TO_DEVICE))
		return false;
	m->addr = sg_dma_address(m->sgl);
	m->phys = sg_phys(m->sgl);
	return true;
}

/* A mapping, or NULL when there is no address or no memory left. */
static struct torture_mapping *map(struct torture_device *td, struct torture_random_state *rand,
				   struct torture_counts *counts)
{
	unsigned int how = torture_random(rand) % 64, nents = 0;
	struct torture_mapping *m;
	struct page *page;
	size_t offset;

	if (how < 8)
		nents = 1 + torture_random(rand) % SG_MAX;
	m = kmalloc(struct_size(m, sgl, nents), GFP_ATOMIC);
	if (!m)
		return NULL;
	m->nents = nents;
	counts->maps++;
	if (nents) {
		m->kind = LIST;
		if (map_list(td->dev, m, rand))
			goto check;
		goto failed;
	}
	if (how < 24) {
		m->kind = PAGE;
		page = pool[torture_random(rand) % POOL];
		offset = torture_random(rand) % PAGE_SIZE;
		m->size = 1 + torture_random(rand) % (PAGE_SIZE - offset);
		m->phys = page_to_phys(page) + offset;
		m->addr = dma_map_page(td->dev, page, offset, m->size, DMA_FROM_DEVICE);
	} else {
		m->kind = RESOURCE;
		m->size = PAGE_SIZE << (how < 56 ? 0 : torture_random(rand) % 9);
		m->size *= 1 + torture_random(rand) % 8;
		m->phys = MMIO + torture_random(rand) % SZ_64K * PAGE_SIZE;
		m->addr = dma_map_resource(td->dev, m->phys, m->size, DMA_BIDIRECTIONAL, 0);
	}
	if (dma_mapping_error(td->dev, m->addr))
		goto failed;
check:
	check(td, m);
	return m;

failed:
	counts->failed++;
	kfree(m);
	return NULL;
}

enum phase { STIR, FILL, DRAIN, NR_PHASES };

static enum phase phase_now(void)
{
	return jiffies / (4 * HZ) % NR_PHASES;
}

/* One operation on a slot at random. */
static void operate(struct torture_device *td, struct torture_random_state *rand,
		    enum phase phase, struct torture_counts *counts)
{
	struct torture_mapping **slot = &td->slots[torture_random(rand) % SLOTS], *m;
	unsigned int how = torture_random(rand) % 8;

	if (READ_ONCE(*slot)) {
		if (phase == FILL && how)
			return;
		m = xchg(slot, NULL);
		if (m)
			unmap(td, m, counts);
		return;
	}
	if (phase == DRAIN && how)
		return;
	m = map(td, rand, counts);
	if (!m)
		return;
	m = xchg(slot, m);
	/* Somebody was faster: what they put there goes. */
	if (m)
		unmap(td, m, counts);
}

static ktime_t irq_period(void)
{
	return ns_to_ktime((u64)irq_interval * NSEC_PER_USEC);
}

static enum hrtimer_restart dmamap_torture_irq(struct hrtimer *timer)
{
	struct torture_device *td = container_of(timer, struct torture_device, timer);
	enum phase phase = phase_now();
	unsigned int i;

	for (i = 0; i < IRQ_BATCH; i++)
		operate(td, &td->rand, phase, &td->irq);
	hrtimer_forward_now(timer, irq_period());
	return HRTIMER_RESTART;
}

static int dmamap_torture_worker(void *arg)
{
	struct torture_counts *counts = arg;
	DEFINE_TORTURE_RANDOM(rand);
	struct torture_device *td;
	enum phase phase;
	unsigned int i;

	VERBOSE_TOROUT_STRING("worker task started");
	set_user_nice(current, MAX_NICE);
	do {
		td = &devices[torture_random(&rand) % ndevices];
		if (down_read_trylock(&td->sem)) {
			phase = phase_now();
			for (i = 0; i < BATCH && td->dev; i++) {
				operate(td, &rand, phase, counts);
				cond_resched();
			}
			up_read(&td->sem);
		}
		cond_resched();		/* where all are being torn down */
		stutter_wait("dmamap_torture_worker");
	} while (!torture_must_stop());
	torture_kthread_stopping("dmamap_torture_worker");
	return 0;
}

static void device_start(struct torture_device *td)
{
	bool lazy = (td - devices) % 2;

	td->mock = mock_iommu_create();
	if (!td->mock)
		goto failed;
	td->mock->config.aperture_end = APERTURE - 1;
	td->mock->config.domain_type = lazy ? IOMMU_DOMAIN_DMA_FQ : IOMMU_DOMAIN_DMA;
	td->dev = mock_platform_create(td->mock);
	if (!td->dev || mock_device_add(td->dev) || !use_dma_iommu(td->dev))
		goto failed;
	if (irq_interval > 0)
		hrtimer_start(&td->timer, irq_period(), IRQ_TIMER);
	return;

failed:
	n_no_device++;
	mock_iommu_destroy(td->mock);
	td->mock = NULL;
	td->dev = NULL;
}

/* Unmap everything: a lazy domain has all of it in its flush queues then. */
static void device_drain(struct torture_device *td, struct torture_counts *counts)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		struct torture_mapping *m = xchg(&td->slots[i], NULL);

		if (m)
			unmap(td, m, counts);
		if (i % BATCH == 0)
			cond_resched();
	}
	if (mock_live_pages(td->dev))
		report("mapped after all was unmapped", td, mock_live_pages(td->dev), &n_left);
}

/* All of the aperture comes as aligned chunks, but the one with address 0. */
static void device_check(struct torture_device *td, struct torture_counts *counts)
{
	static dma_addr_t addrs[APERTURE / CHUNK];	/* in one thread at a time */
	unsigned int got = 0, waits = 0;

	while (got < ARRAY_SIZE(addrs) && waits < CHECK_WAITS) {
		counts->maps++;
		addrs[got] = dma_map_resource(td->dev, MMIO, CHUNK, DMA_BIDIRECTIONAL, 0);
		if (!dma_mapping_error(td->dev, addrs[got])) {
			got++;
			continue;
		}
		if (got == APERTURE / CHUNK - 1)
			break;
		/* A flush has the CPUs free what is in their queues, in turn. */
		waits++;
		schedule_timeout_uninterruptible(HZ / 10);
	}
	n_checks++;
	if (got != APERTURE / CHUNK - 1) {
		pr_alert("%s-torture:!!! device %td: %u of %u chunks came back\n",
			 torture_type, td - devices, got, APERTURE / CHUNK - 1);
		atomic_inc(&n_lost);
	}
	while (got--) {
		dma_unmap_resource(td->dev, addrs[got], CHUNK, DMA_BIDIRECTIONAL, 0);
		counts->unmaps++;
	}
}

static void device_stop(struct torture_device *td, struct torture_counts *counts, bool all)
{
	hrtimer_cancel(&td->timer);
	if (!td->dev)
		return;
	device_drain(td, counts);
	if (all)
		device_check(td, counts);
	mock_device_remove(td->dev);
	n_collisions += td->mock->collisions;
	n_reused += td->mock->reused;
	n_strays += td->mock->strays;
	mock_iommu_destroy(td->mock);
	td->mock = NULL;
	td->dev = NULL;
}

static int dmamap_torture_teardown(void *arg)
{
	struct torture_counts *counts = arg;
	DEFINE_TORTURE_RANDOM(rand);
	struct torture_device *td;
	unsigned long n;

	VERBOSE_TOROUT_STRING("teardown task started");
	for (n = 0; !torture_must_stop(); n++) {
		torture_hrtimeout_jiffies(teardown_interval, &rand);
		td = &devices[n / 2 % ndevices];
		down_write(&td->sem);
		device_stop(td, counts, n % 2);
		n_teardowns++;
		device_start(td);
		up_write(&td->sem);
	}
	torture_kthread_stopping("dmamap_torture_teardown");
	return 0;
}

static void add_counts(struct torture_counts *sum, const struct torture_counts *counts)
{
	sum->maps += READ_ONCE(counts->maps);
	sum->failed += READ_ONCE(counts->failed);
	sum->unmaps += READ_ONCE(counts->unmaps);
}

static bool dmamap_torture_failed(void)
{
	return atomic_read(&n_astray) || atomic_read(&n_left) || atomic_read(&n_lost) ||
	       n_collisions || n_reused || n_strays;
}

static void dmamap_torture_stats_print(void)
{
	struct torture_counts sum = { }, irq = { };
	int i;

	for (i = 0; i <= nworkers; i++)
		add_counts(&sum, &worker_counts[i]);
	for (i = 0; i < ndevices; i++)
		add_counts(&irq, &devices[i].irq);
	add_counts(&sum, &irq);
	pr_alert("%s-torture: ops: %llu maps: %llu failed: %llu unmaps: %llu irq: %llu\n",
		 torture_type, sum.maps + sum.unmaps, sum.maps, sum.failed, sum.unmaps,
		 irq.maps + irq.unmaps);
	pr_alert("%s-torture: %steardowns: %lu checks: %lu nodevice: %lu collisions: %lu reused: %lu strays: %lu astray: %d left: %d lost: %d ",
		 torture_type, dmamap_torture_failed() ? "!!! " : "", n_teardowns, n_checks,
		 n_no_device, n_collisions, n_reused, n_strays, atomic_read(&n_astray),
		 atomic_read(&n_left), atomic_read(&n_lost));
	torture_onoff_stats();
	pr_cont("\n");
}

static int dmamap_torture_stats(void *arg)
{
	VERBOSE_TOROUT_STRING("stats task started");
	do {
		schedule_timeout_interruptible(stat_interval * HZ);
		dmamap_torture_stats_print();
		torture_shutdown_absorb("dmamap_torture_stats");
	} while (!torture_must_stop());
	torture_kthread_stopping("dmamap_torture_stats");
	return 0;
}

static void print_parms(const char *tag)
{
	pr_alert("%s-torture:--- %s: nworkers=%d ndevices=%d cpus=%u runtime=%d onoff_holdoff=%d onoff_interval=%d shuffle_interval=%d stutter=%d stat_interval=%d teardown_interval=%d irq_interval=%d\n",
		 torture_type, tag, nworkers, ndevices, num_possible_cpus(), runtime,
		 onoff_holdoff, onoff_interval, shuffle_interval, stutter, stat_interval,
		 teardown_interval, irq_interval);
}

static void devices_free(void)
{
	int i;

	for (i = 0; devices && i < ndevices; i++)
		vfree(devices[i].slots);
	vfree(devices);
	devices = NULL;
	kfree(worker_counts);
	worker_counts = NULL;
	kfree(worker_tasks);
	worker_tasks = NULL;
	for (i = 0; i < POOL; i++) {
		if (pool[i])
			__free_page(pool[i]);
		pool[i] = NULL;
	}
}

static void dmamap_torture_cleanup(void)
{
	int i;

	if (torture_cleanup_begin())
		return;
	for (i = 0; worker_tasks && i < nworkers; i++)
		torture_stop_kthread(dmamap_torture_worker, worker_tasks[i]);
	torture_stop_kthread(dmamap_torture_teardown, teardown_task);
	torture_stop_kthread(dmamap_torture_stats, stats_task);

	if (started) {
		for (i = 0; i < ndevices; i++)
			device_stop(&devices[i], &worker_counts[nworkers], true);
		dmamap_torture_stats_print();
		if (dmamap_torture_failed())
			print_parms("End of test: FAILURE");
		else if (torture_onoff_failures())
			print_parms("End of test: DMAMAP_HOTPLUG");
		else
			print_parms("End of test: SUCCESS");
		started = false;
	}
	devices_free();
	torture_cleanup_end();
}

static void dmamap_torture_end(struct work_struct *work)
{
	dmamap_torture_cleanup();
}

static DECLARE_DELAYED_WORK(end_work, dmamap_torture_end);

static int devices_create(void)
{
	struct torture_device *td;
	int i;

	devices = vcalloc(ndevices, sizeof(*devices));
	worker_tasks = kcalloc(nworkers, sizeof(*worker_tasks), GFP_KERNEL);
	/* One more, for the thread that tears down. */
	worker_counts = kcalloc(nworkers + 1, sizeof(*worker_counts), GFP_KERNEL);
	if (!devices || !worker_tasks || !worker_counts)
		return -ENOMEM;
	for (i = 0; i < POOL; i++) {
		pool[i] = alloc_page(GFP_KERNEL);
		if (!pool[i])
			return -ENOMEM;
	}
	for (i = 0; i < ndevices; i++) {
		td = &devices[i];
		init_rwsem(&td->sem);
		torture_random_init(&td->rand);
		test_hrtimer_setup(&td->timer, dmamap_torture_irq, IRQ_TIMER);
		td->slots = vcalloc(SLOTS, sizeof(*td->slots));
		if (!td->slots)
			return -ENOMEM;
	}
	return 0;
}

static int __init dmamap_torture_init(void)
{
	int i, ret;

	if (!run)
		return 0;
	if (nworkers < 0)
		nworkers = num_online_cpus();
	ndevices = max(ndevices, 1);
	if (!torture_init_begin(torture_type, verbose))
		return -EBUSY;

	ret = devices_create();
	if (ret)
		goto unwind;
	started = true;
	for (i = 0; i < ndevices; i++)
		device_start(&devices[i]);
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
		ret = torture_create_kthread(dmamap_torture_worker, &worker_counts[i],
					     worker_tasks[i]);
		if (torture_init_error(ret))
			goto unwind;
	}
	if (teardown_interval > 0) {
		ret = torture_create_kthread(dmamap_torture_teardown, &worker_counts[nworkers],
					     teardown_task);
		if (torture_init_error(ret))
			goto unwind;
	}
	if (stat_interval > 0) {
		ret = torture_create_kthread(dmamap_torture_stats, NULL, stats_task);
		if (torture_init_error(ret))
			goto unwind;
	}
	torture_init_end();
	if (runtime > 0)
		queue_delayed_work(system_long_wq, &end_work, runtime * HZ);
	return 0;

unwind:
	torture_init_end();
	dmamap_torture_cleanup();
	return ret;
}
late_initcall(dmamap_torture_init);
