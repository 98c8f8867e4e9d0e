// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the flush queue: when it flushes, on which CPU, what it costs.
 *
 * They use devices behind an IOMMU in software (mock_iommu.h). The tests of an
 * isolated CPU need one: boot with two CPUs and isolcpus=1.
 */

#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/debug_locks.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/iova.h>
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/msi.h>
#include <linux/sched/isolation.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <trace/events/workqueue.h>

#include "../../dma-iommu.h"
#include "../dmamap.h"
#include "mock_iommu.h"

#define GRANULE		SZ_4K
#ifdef CONFIG_PHYS_ADDR_T_64BIT
#define MMIO		BIT_ULL(40)
#else
#define MMIO		BIT(31)
#endif

/* How long a flush may be late before a test fails: emulated CPUs are slow. */
#define LATE		msecs_to_jiffies(200)

static int queue_test_init(struct kunit *test)
{
	struct mock_iommu *mock;
	int cpu = cpumask_first(cpu_online_mask);

	if (set_cpus_allowed_ptr(current, cpumask_of(cpu)))
		return -EINVAL;
	mock = mock_iommu_create();
	if (!mock)
		return -ENOMEM;
	mock->config.domain_type = IOMMU_DOMAIN_DMA_FQ;
	test->priv = mock;
	return 0;
}

static void queue_test_exit(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;

	if (!mock)
		return;
	KUNIT_EXPECT_EQ(test, mock->strays, 0);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
	mock_iommu_destroy(mock);
}

static struct device *lazy_device(struct kunit *test)
{
	struct device *dev = mock_platform_create(test->priv);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	KUNIT_ASSERT_EQ(test, iommu_get_domain_for_dev(dev)->type,
			IOMMU_DOMAIN_DMA_FQ);
	return dev;
}

static dma_addr_t map_page(struct kunit *test, struct device *dev)
{
	dma_addr_t addr = dma_map_resource(dev, MMIO, GRANULE, DMA_TO_DEVICE, 0);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	return addr;
}

static void unmap_page(struct device *dev, dma_addr_t addr)
{
	dma_unmap_resource(dev, addr, GRANULE, DMA_TO_DEVICE, 0);
}

static unsigned long waiting(struct device *dev)
{
	struct dmamap_fq_state state;

	dmamap_fq_look(dmamap_cookie(dev)->queue, &state);
	return state.entries;
}

/*
 * Do all ranges leave the queue?  The scheduler may put the work that frees them
 * on the CPU that a real-time task keeps, and then moves it in its own time.
 */
static bool empties(struct device *dev)
{
	unsigned long end = jiffies + 20 * LATE;

	while (waiting(dev) && time_before(jiffies, end))
		usleep_range(1000, 2000);
	return !waiting(dev);
}

/**
 * struct unmapper - a task that unmaps on another CPU
 * @dev: the device
 * @addr: addresses of a page each
 * @nr: how many
 * @pause: milliseconds to sleep after each
 * @fifo: be a real-time task, and keep the CPU until told to stop
 * @done: all are unmapped
 */
struct unmapper {
	struct device *dev;
	dma_addr_t addr[8];
	unsigned int nr;
	unsigned int pause;
	bool fifo;
	struct completion done;
};

static int unmap_on_cpu(void *data)
{
	struct unmapper *u = data;
	unsigned int i;

	if (u->fifo)
		sched_set_fifo(current);
	for (i = 0; i < u->nr; i++) {
		unmap_page(u->dev, u->addr[i]);
		if (u->pause)
			msleep(u->pause);
	}
	complete(&u->done);
	while (!kthread_should_stop()) {
		if (u->fifo)
			cpu_relax();
		else
			usleep_range(1000, 2000);
	}
	return 0;
}

static struct task_struct *start_unmapper(struct kunit *test, struct unmapper *u,
					  int cpu)
{
	struct task_struct *task;
	unsigned int i;

	init_completion(&u->done);
	for (i = 0; i < u->nr; i++)
		u->addr[i] = map_page(test, u->dev);
	task = kthread_create(unmap_on_cpu, u, "dmamap_unmapper");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	kthread_bind(task, cpu);
	get_task_struct(task);
	wake_up_process(task);
	wait_for_completion(&u->done);
	return task;
}

static void stop_unmapper(struct task_struct *task)
{
	kthread_stop(task);
	put_task_struct(task);
}

static void a_real_time_task_does_not_delay_the_flush(struct kunit *test)
{
	struct unmapper u = { .nr = 1, .fifo = true };
	int cpu = cpumask_last(cpu_online_mask);
	struct mock_iommu *mock = test->priv;
	struct task_struct *task;

	if (!cpu)
		kunit_skip(test, "needs two CPUs");
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !cpu_is_isolated(cpu))
		kunit_skip(test, "timers run in a task: isolate the CPU");
	u.dev = lazy_device(test);
	task = start_unmapper(test, &u, cpu);
	KUNIT_EXPECT_NE_MSG(test, 0,
			    wait_for_completion_timeout(&mock->flushed, LATE),
			    "no flush in time");
	KUNIT_EXPECT_EQ(test, mock_translate(u.dev, u.addr[0], NULL),
			MOCK_NOWHERE);
	KUNIT_EXPECT_TRUE_MSG(test, empties(u.dev), "the range is not free");
	stop_unmapper(task);
}

/* What an observed CPU runs of the queue. */
struct observed {
	int cpu;
	atomic_t flushes;
	atomic_t works;
	atomic_t works_elsewhere;
};

static void observe_flush(struct mock_iommu *mock, enum mock_op op)
{
	struct observed *seen = mock->in_flush_data;

	if (op == MOCK_FLUSH_ALL && raw_smp_processor_id() == seen->cpu)
		atomic_inc(&seen->flushes);
}

static void observe_work(void *data, struct work_struct *work)
{
	struct observed *seen = data;
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(name, (unsigned long)work->func);
	if (!strstr(name, "fq_") && !strstr(name, "ring_"))
		return;
	if (raw_smp_processor_id() == seen->cpu)
		atomic_inc(&seen->works);
	else
		atomic_inc(&seen->works_elsewhere);
}

static void an_isolated_cpu_neither_flushes_nor_drains(struct kunit *test)
{
	struct unmapper u = { .nr = 8, .pause = 25 };
	int cpu = cpumask_last(cpu_online_mask);
	struct observed seen = { .cpu = cpu };
	struct mock_iommu *mock = test->priv;
	struct task_struct *task;

	if (!cpu_is_isolated(cpu))
		kunit_skip(test, "no isolated CPU: boot with isolcpus=1");
	mock->in_flush_data = &seen;
	mock->in_flush = observe_flush;
	KUNIT_ASSERT_EQ(test, 0,
			register_trace_workqueue_execute_start(observe_work,
							       &seen));
	u.dev = lazy_device(test);
	task = start_unmapper(test, &u, cpu);
	KUNIT_EXPECT_TRUE(test, empties(u.dev));
	stop_unmapper(task);
	unregister_trace_workqueue_execute_start(observe_work, &seen);
	tracepoint_synchronize_unregister();
	mock->in_flush = NULL;

	KUNIT_EXPECT_GE(test, mock_count(mock, MOCK_FLUSH_ALL), 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.flushes), 0);
	KUNIT_EXPECT_GE(test, atomic_read(&seen.works_elsewhere), 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.works), 0);
}

/* A flush of the queue says where it is, and unmaps one page more. */
struct visitor {
	struct device *dev;
	dma_addr_t addr;
	bool came;
	bool hardirq;
};

static void visit(struct mock_iommu *mock, enum mock_op op)
{
	struct visitor *v = mock->in_flush_data;

	if (op != MOCK_FLUSH_ALL || v->came)
		return;
	v->came = true;
	v->hardirq = irqs_disabled();
	unmap_page(v->dev, v->addr);
}

static void what_is_unmapped_during_the_last_flush_is_flushed(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct visitor v = { };

	v.dev = lazy_device(test);
	v.addr = map_page(test, v.dev);
	mock->in_flush_data = &v;
	mock->in_flush = visit;
	unmap_page(v.dev, map_page(test, v.dev));
	KUNIT_EXPECT_TRUE(test, empties(v.dev));
	mock->in_flush = NULL;
	KUNIT_EXPECT_TRUE(test, v.came);
	KUNIT_EXPECT_FALSE(test, v.hardirq);
	KUNIT_EXPECT_EQ(test, mock_translate(v.dev, v.addr, NULL), MOCK_NOWHERE);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_FLUSH_ALL), 2);
}

static void an_idle_queue_does_not_flush(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev = lazy_device(test);

	unmap_page(dev, map_page(test, dev));
	KUNIT_EXPECT_TRUE(test, empties(dev));
	msleep(100);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_FLUSH_ALL), 1);
}

#if defined(CONFIG_64BIT) && defined(CONFIG_IOVA_GAP_TREE)
static void a_range_of_more_than_16_tib_is_freed_whole(struct kunit *test)
{
	struct device *dev = lazy_device(test);
	struct iommu_dma_cookie *cookie = dmamap_cookie(dev);
	struct iommu_pages_list tables = IOMMU_PAGES_LIST_INIT(tables);
	const unsigned long pages = BIT(32) + 1;
	unsigned long pfn, again;

	pfn = alloc_iova_fast(&cookie->iovad, pages, BIT(40), true);
	KUNIT_ASSERT_NE(test, pfn, 0);
	dmamap_fq_add(dmamap_fq_ring(cookie->queue), pfn, pages, &tables);
	KUNIT_EXPECT_TRUE(test, empties(dev));
	again = alloc_iova_fast(&cookie->iovad, pages, BIT(40), true);
	KUNIT_EXPECT_EQ(test, again, pfn);
	free_iova_fast(&cookie->iovad, again, pages);
}
#endif

/*
 * Reclaim may wait for a device that is being reset, and the reset sets up
 * interrupts under the lock of MSI pages.  So an allocation under that lock must
 * not start reclaim.  Lockdep reports it.
 */
static void interrupts_may_be_set_up_in_reclaim(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct msi_desc desc = { };
	struct device *dev;
	unsigned int noio;

	if (!IS_ENABLED(CONFIG_PROVE_LOCKING))
		kunit_skip(test, "needs CONFIG_PROVE_LOCKING");
	KUNIT_ASSERT_TRUE(test, debug_locks);
	mock->config.domain_type = IOMMU_DOMAIN_DMA;
	dev = mock_platform_create(mock);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	desc.dev = dev;
	KUNIT_EXPECT_EQ(test, test_prepare_msi(&desc, MMIO), 0);

	fs_reclaim_acquire(GFP_KERNEL);
	noio = memalloc_noio_save();
	KUNIT_EXPECT_EQ(test, test_prepare_msi(&desc, MMIO + SZ_64K), 0);
	memalloc_noio_restore(noio);
	fs_reclaim_release(GFP_KERNEL);
	KUNIT_EXPECT_TRUE_MSG(test, debug_locks, "lockdep found a circle");
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(a_real_time_task_does_not_delay_the_flush),
	KUNIT_CASE(an_isolated_cpu_neither_flushes_nor_drains),
	KUNIT_CASE(what_is_unmapped_during_the_last_flush_is_flushed),
	KUNIT_CASE(an_idle_queue_does_not_flush),
	KUNIT_CASE(interrupts_may_be_set_up_in_reclaim),
#if defined(CONFIG_64BIT) && defined(CONFIG_IOVA_GAP_TREE)
	KUNIT_CASE(a_range_of_more_than_16_tib_is_freed_whole),
#endif
	{}
};

static struct kunit_suite queue_suite = {
	.name = "dmamap_queue",
	.init = queue_test_init,
	.exit = queue_test_exit,
	.test_cases = queue_cases,
};

kunit_test_suite(queue_suite);
