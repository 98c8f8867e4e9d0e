// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many operations from many threads, with a shadow that knows every owner.
 *
 * usage: torture [--ops N] [--threads N] [--stock]
 *
 * The native sibling of tools/kernel/lab/iova_torture.c, for numbers that an
 * emulated machine does not reach: without a sanitizer, as the compiler makes it.
 *
 * Each thread is a CPU. It picks a slot at random, most often of a few: what is in it, it frees,
 * whoever allocated it; into an empty one goes what it allocates. The shadow has
 * one bit a page. Who gets a range sets its bits, who frees one clears them
 * first; a bit that is set already is an address with two owners. Its accesses
 * are relaxed, so that they order nothing. By turns the threads fill, stir and
 * drain; filled, all below 32 bits is used up, and often all that has a shadow.
 *
 * Meanwhile one thread runs work items and drains, and the main one takes CPUs
 * down and up, lets memory fail, and every second has everybody stop: then it frees all, and
 * takes all there is, to see that everything came back; or tears the domain down
 * with all its ranges live and all its caches full, and makes a new one.
 */

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <linux/bitops.h>
#include <linux/iova.h>
#include <linux/kernel.h>
#include <linux/log2.h>

#include "ops.h"
#include "test.h"

#define MAX_THREADS	60
#define PFN_32BIT	BIT(20)			/* 4 GiB of 4 KiB */
#define WINDOW		BIT(21)			/* pages with a shadow */
#define SLOTS		BIT(17)
#define HOT		BIT(12)			/* slots of what lives for a short time */
#define BATCH		64
#define CHUNK		64UL
#define BITS		64UL

#define SLOT_FAST	BIT(63)
#define SLOT_SIZE_SHIFT	32

enum phase { STIR, FILL, STIR_FULL, DRAIN, NR_PHASES };

static const struct iova_ops *ops = &our_ops;
static struct iova_domain *iovad;
static unsigned long owned[WINDOW / BITS], slots[SLOTS];
static unsigned long twice, strange, wrong, lost, done, failed;
static unsigned long hotplugs, teardowns, checks;
static unsigned int nr_threads = 8;
static pthread_mutex_t domain_lives = PTHREAD_MUTEX_INITIALIZER;
static int stop, stop_pump, phase, park[MAX_THREADS], parked[MAX_THREADS];

static bool shadow_change(unsigned long pfn, unsigned long size, bool take)
{
	unsigned long last = pfn + size - 1, word, mask, old, bad = 0;

	for (word = pfn / BITS; word <= last / BITS; word++) {
		mask = ~0UL;
		if (word == pfn / BITS)
			mask &= ~0UL << (pfn % BITS);
		if (word == last / BITS)
			mask &= ~0UL >> (BITS - 1 - last % BITS);
		if (take)
			old = __atomic_fetch_or(&owned[word], mask, __ATOMIC_RELAXED);
		else
			old = ~__atomic_fetch_and(&owned[word], ~mask, __ATOMIC_RELAXED);
		bad |= old & mask;
	}
	return !bad;
}

static void count(unsigned long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void give_back(unsigned long slot, unsigned long how)
{
	unsigned long pfn = slot & 0xffffffff, size = (slot & ~SLOT_FAST) >> SLOT_SIZE_SHIFT;

	if (!shadow_change(pfn, size, false))
		count(&strange);
	/* To free through the caches what came from the tree, stock forbids. */
	if (how % 16 && (slot & SLOT_FAST || ops == &our_ops))
		ops->free_fast(iovad, pfn, size);
	else
		ops->free(iovad, pfn);
}

static unsigned long pick_size(unsigned long *seed)
{
	unsigned long kind = below(seed, 64);

	if (kind < 40)
		return 1 + below(seed, 8);
	if (kind < 60)
		return 1 + below(seed, 80);
	return 1 + below(seed, kind < 63 ? 300 : 1500);
}

static unsigned long pick_limit(unsigned long *seed)
{
	unsigned long kind = below(seed, 16);

	if (kind < 10)
		return PFN_32BIT - 1;
	return kind < 15 ? WINDOW - 1 : 1 + below(seed, WINDOW - 1);
}

static unsigned long take(unsigned long *seed, unsigned long *did)
{
	unsigned long size = pick_size(seed), limit = pick_limit(seed), pfn;
	bool fast = below(seed, 8);

	(*did)++;
	if (fast) {
		pfn = ops->alloc_fast(iovad, size, limit, limit != PFN_32BIT - 1);
		if (!pfn && limit == PFN_32BIT - 1) {
			(*did)++;
			count(&failed);
			limit = WINDOW - 1;
			pfn = ops->alloc_fast(iovad, size, limit, true);
		}
	} else {
		pfn = ops->alloc(iovad, size, limit, true);
	}
	if (!pfn) {
		count(&failed);
		return 0;
	}
	if (pfn > limit || size - 1 > limit - pfn || pfn % roundup_pow_of_two(size)) {
		count(&wrong);
		return 0;
	}
	if (!shadow_change(pfn, size, true))
		count(&twice);
	return pfn | size << SLOT_SIZE_SHIFT | (fast ? SLOT_FAST : 0);
}

static void operate(unsigned long *seed, int now, unsigned long *did)
{
	unsigned long how = next_random(seed), old;
	unsigned long *slot = &slots[below(seed, how / 128 % 8 ? HOT : SLOTS)];

	if (__atomic_load_n(slot, __ATOMIC_RELAXED)) {
		if (now == FILL && how / 16 % 8)
			return;
		old = __atomic_exchange_n(slot, 0, __ATOMIC_ACQ_REL);
	} else {
		if (now == DRAIN && how / 16 % 8)
			return;
		old = take(seed, did);
		if (old)
			old = __atomic_exchange_n(slot, old, __ATOMIC_ACQ_REL);
	}
	if (old) {
		(*did)++;
		give_back(old, how);
	}
}

static void *work(void *arg)
{
	unsigned long cpu = (unsigned long)arg, seed = 1 + cpu, did = 0;
	unsigned int i;

	shim_set_cpu(cpu);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (__atomic_load_n(&park[cpu], __ATOMIC_ACQUIRE)) {
			__atomic_store_n(&parked[cpu], 1, __ATOMIC_RELEASE);
			while (__atomic_load_n(&park[cpu], __ATOMIC_ACQUIRE))
				usleep(100);
			__atomic_store_n(&parked[cpu], 0, __ATOMIC_RELEASE);
		}
		/* Or be idle for so long that the cache may go, or just not. */
		if (!below(&seed, 500))
			usleep(below(&seed, 15000));
		for (i = 0; i < BATCH; i++)
			operate(&seed, __atomic_load_n(&phase, __ATOMIC_RELAXED), &did);
		__atomic_add_fetch(&done, did, __ATOMIC_RELAXED);
		did = 0;
	}
	return NULL;
}

static void *pump(void *arg)
{
	shim_set_cpu(nr_threads);
	while (!__atomic_load_n(&stop_pump, __ATOMIC_RELAXED)) {
		shim_run_works(100);
		if (ops == &our_ops) {
			/* CPUs lose what they are about to hand out. */
			pthread_mutex_lock(&domain_lives);
			iova_drain(iovad);
			pthread_mutex_unlock(&domain_lives);
		}
		usleep(500);
	}
	return NULL;
}

static void park_cpu(unsigned int cpu)
{
	__atomic_store_n(&park[cpu], 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&parked[cpu], __ATOMIC_ACQUIRE))
		usleep(100);
}

static void unpark_cpu(unsigned int cpu)
{
	__atomic_store_n(&park[cpu], 0, __ATOMIC_RELEASE);
	while (__atomic_load_n(&parked[cpu], __ATOMIC_ACQUIRE))
		usleep(100);
}

static void domain_start(void)
{
	memset(owned, 0, sizeof(owned));
	memset(slots, 0, sizeof(slots));
	iovad = ops->domain_new(4096, 1);
	expect(!ops->init_rcaches(iovad), "init_rcaches");
}

/* Free everything, take everything: all of the window but the chunk of pfn 0. */
static void check_all_back(void)
{
	unsigned long i, pfn, got = 0;

	for (i = 0; i < SLOTS; i++) {
		if (!slots[i])
			continue;
		give_back(slots[i], 1);
		slots[i] = 0;
		done++;
	}
	while ((pfn = ops->alloc_fast(iovad, CHUNK, WINDOW - 1, true))) {
		if (!shadow_change(pfn, CHUNK, true))
			twice++;
		got++;
		done++;
	}
	lost += got < WINDOW / CHUNK - 1 ? WINDOW / CHUNK - 1 - got : 0;
	checks++;
}

static void everybody_stops(bool all)
{
	unsigned int cpu;

	shim_fail_random(0);
	for (cpu = 0; cpu < nr_threads; cpu++)
		park_cpu(cpu);
	pthread_mutex_lock(&domain_lives);
	if (all)
		check_all_back();
	ops->domain_delete(iovad);
	teardowns++;
	domain_start();
	pthread_mutex_unlock(&domain_lives);
	for (cpu = 0; cpu < nr_threads; cpu++)
		unpark_cpu(cpu);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned long want = 100000000, cpu, tick, warnings;
	pthread_t threads[MAX_THREADS], pump_thread;
	double start = now();
	char name[200];
	unsigned long threads_told = nr_threads;
	bool stock = false;
	const struct test_option options[] = {
		{ "stock", TEST_FLAG, &stock },
		{ "ops", TEST_NUMBER, &want, 1 },
		{ "threads", TEST_NUMBER, &threads_told, 1, MAX_THREADS },
		{ }
	};

	test_options(argc, argv, options, false);
	nr_threads = threads_told;
	if (stock)
		ops = &stock_ops;

	test_begin();
	shim_set_possible(nr_threads + 2);
	shim_set_cpu(nr_threads + 1);
	expect(!ops->cache_get(), "iova_cache_get");
	domain_start();
	pthread_create(&pump_thread, NULL, pump, NULL);
	for (cpu = 0; cpu < nr_threads; cpu++)
		pthread_create(&threads[cpu], NULL, work, (void *)cpu);

	for (tick = 1; __atomic_load_n(&done, __ATOMIC_RELAXED) < want && !twice && !strange;
	     tick++) {
		usleep(10000);
		__atomic_store_n(&phase, tick / 100 % NR_PHASES, __ATOMIC_RELAXED);
		shim_fail_random(tick % 40 < 10 ? 50 : 0);
		if (tick % 7 == 0) {
			cpu = tick / 7 % nr_threads;
			park_cpu(cpu);
			shim_cpu_down(cpu);
			shim_cpu_up(cpu);
			unpark_cpu(cpu);
			hotplugs++;
		}
		if (tick % 100 == 0)
			everybody_stops(tick / 100 % 2);
	}

	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (cpu = 0; cpu < nr_threads; cpu++)
		pthread_join(threads[cpu], NULL);
	__atomic_store_n(&stop_pump, 1, __ATOMIC_RELAXED);
	pthread_join(pump_thread, NULL);
	shim_fail_random(0);
	if (!twice && !strange)
		check_all_back();
	ops->domain_delete(iovad);
	ops->cache_put();

	warnings = shim_warnings();
	expect(!twice, "%lu ranges handed out while they had an owner", twice);
	expect(!strange, "%lu ranges freed that nobody held", strange);
	expect(!wrong, "%lu ranges above their limit or not aligned", wrong);
	expect(!lost, "%lu chunks of %lu pages did not come back", lost, CHUNK);
	expect(hotplugs && teardowns && checks && failed, "too short: nothing happened");
	snprintf(name, sizeof(name),
		 "torture: %s, %lu operations by %u threads in %.0f s, %lu failed, %lu times without memory, %lu CPUs down, %lu teardowns, all back %lu times, %lu warnings",
		 ops->name, done, nr_threads, now() - start, failed, shim_failures(),
		 hotplugs, teardowns, checks, warnings);
	test_end(name);
	return test_finish(tests_ran, tests_failed);
}
