// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads, under ThreadSanitizer: allocate here, free there.
 *
 * usage: threads [--seconds N]
 *
 * Each of %WORKERS threads is a CPU.  It allocates, by either API, and passes
 * ranges on through rings to whoever frees them.  Meanwhile one more thread
 * runs work items, and another takes CPUs down and up, drains and lets memory
 * fail.  By turns the workers allocate little, so that much is in caches, and
 * all there is, so that runs are cut.
 * owner[] knows who holds a page: the first one handed out twice, or freed by
 * somebody who does not hold it, fails the test.  Its accesses are relaxed, so
 * that they order nothing: what orders two owners is the allocator alone.
 */

#include <linux/iova.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define WORKERS		4
#define PUMP_CPU	WORKERS
#define CONTROL_CPU	(WORKERS + 1)
#define PAGES		32768UL
#define RING		64
#define WINDOW_US	2500	/* what the reaper takes for a second */
#define WINDOW_STEPS	5

struct range {
	unsigned long pfn, size;
	bool class_size;	/* as long as it was asked for, whatever the way */
};

struct ring {
	struct range slots[RING];
	unsigned int head, tail;
};

static struct iova_domain *iovad;
static struct ring rings[WORKERS][WORKERS];
static unsigned char owner[PAGES];
static unsigned long window;	/* pages that are used, by turns all or few */
static int stop, stop_pump, calm, park[WORKERS], parked[WORKERS];
static unsigned long twice, strange, done, failed, hotplugs, reports;

/* ThreadSanitizer calls this for each report. */
void __tsan_on_report(void *report)
{
	__atomic_add_fetch(&reports, 1, __ATOMIC_RELAXED);
}

static void claim(const struct range *range, bool take)
{
	unsigned long i;

	for (i = range->pfn; i < range->pfn + range->size; i++)
		if (__atomic_exchange_n(&owner[i], take, __ATOMIC_RELAXED) == take)
			__atomic_add_fetch(take ? &twice : &strange, 1,
					   __ATOMIC_RELAXED);
}

static bool pass_on(struct ring *ring, const struct range *range)
{
	unsigned int head = READ_ONCE(ring->head);

	if (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == RING)
		return false;
	ring->slots[head % RING] = *range;
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	return true;
}

static bool receive(struct ring *ring, struct range *range)
{
	unsigned int tail = READ_ONCE(ring->tail);

	if (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == tail)
		return false;
	*range = ring->slots[tail % RING];
	__atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
	return true;
}

static void give_back(const struct range *range, unsigned long how)
{
	claim(range, false);
	if (how % 16 == 0)
		free_iova(iovad, range->pfn);
	else
		free_iova_fast(iovad, range->pfn, range->size);
}

static void take_one(unsigned int cpu, unsigned long *seed)
{
	unsigned long limit = below(seed, 4) ? window - 1 :
					       1 + below(seed, window - 1);
	unsigned long how = below(seed, 64);
	struct range range;

	range.size = how < 40 ? 1 + below(seed, 8) : 1 + below(seed, 80);
	if (how == 63)
		range.size = 1 + below(seed, below(seed, 8) ? 1200 : 9000);
	if (how % 8 == 0)
		range.pfn = our_ops.alloc(iovad, range.size, limit, true);
	else
		range.pfn = alloc_iova_fast(iovad, range.size, limit, how & 1);
	if (!range.pfn) {
		__atomic_add_fetch(&failed, 1, __ATOMIC_RELAXED);
		return;
	}
	claim(&range, true);
	if (!pass_on(&rings[cpu][below(seed, WORKERS)], &range))
		give_back(&range, next_random(seed));
}

static void *work(void *arg)
{
	unsigned long cpu = (unsigned long)arg, seed = cpu + done, ops = 0;
	struct range range;
	unsigned int from;

	shim_set_cpu(cpu);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (__atomic_load_n(&park[cpu], __ATOMIC_ACQUIRE)) {
			__atomic_store_n(&parked[cpu], 1, __ATOMIC_RELEASE);
			while (__atomic_load_n(&park[cpu], __ATOMIC_ACQUIRE))
				sched_yield();
			__atomic_store_n(&parked[cpu], 0, __ATOMIC_RELEASE);
		}
		take_one(cpu, &seed);
		from = below(&seed, WORKERS);
		if (below(&seed, 64) &&
		    receive(&rings[from][cpu], &range))
			give_back(&range, next_random(&seed));
		/* Leave no more than a few in flight. */
		while (__atomic_load_n(&calm, __ATOMIC_RELAXED) &&
		       receive(&rings[below(&seed, WORKERS)][cpu], &range))
			give_back(&range, next_random(&seed));
		/* Or be idle for so long that the cache may go, or just not. */
		if (!below(&seed, 3000))
			usleep(below(&seed, 4 * WINDOW_US));
		ops++;
	}
	__atomic_store_n(&parked[cpu], 1, __ATOMIC_RELEASE);
	__atomic_add_fetch(&done, ops, __ATOMIC_RELAXED);
	return NULL;
}

static void *pump(void *arg)
{
	shim_set_cpu(PUMP_CPU);
	while (!__atomic_load_n(&stop_pump, __ATOMIC_RELAXED)) {
		shim_run_works(HZ / WINDOW_STEPS);
		usleep(WINDOW_US / WINDOW_STEPS);
	}
	return NULL;
}

static void take_cpu_down_and_up(unsigned int cpu, unsigned long wait)
{
	__atomic_store_n(&park[cpu], 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&parked[cpu], __ATOMIC_ACQUIRE))
		sched_yield();
	usleep(wait);
	shim_cpu_down(cpu);
	shim_cpu_up(cpu);
	__atomic_store_n(&park[cpu], 0, __ATOMIC_RELEASE);
	while (__atomic_load_n(&parked[cpu], __ATOMIC_ACQUIRE))
		sched_yield();
	hotplugs++;
}

static void episode(unsigned int nr, double seconds)
{
	struct iova_stats stats;
	unsigned long cpu, ms;
	pthread_t threads[WORKERS];
	struct range range;
	unsigned int from;

	window = nr % 2 ? PAGES : PAGES / 5;
	iovad = our_ops.domain_new(4096, 1);
	expect(!iova_domain_init_rcaches(iovad), "init_rcaches");
	memset(rings, 0, sizeof(rings));
	__atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
	memset(parked, 0, sizeof(parked));
	for (cpu = 0; cpu < WORKERS; cpu++)
		pthread_create(&threads[cpu], NULL, work, (void *)cpu);
	for (ms = 0; ms < seconds * 1000; ms += 5) {
		usleep(5000);
		__atomic_store_n(&calm, ms % 400 < 200, __ATOMIC_RELAXED);
		iova_drain(iovad);
		shim_fail_random(ms % 200 < 50 ? 20 : 0);
		if (ms % 35 == 0)
			take_cpu_down_and_up(ms / 35 % WORKERS,
					     ms * 97 % (3 * WINDOW_US));
	}
	shim_fail_random(0);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (cpu = 0; cpu < WORKERS; cpu++)
		pthread_join(threads[cpu], NULL);

	for (from = 0; from < WORKERS; from++)
		for (cpu = 0; cpu < WORKERS; cpu++)
			while (receive(&rings[from][cpu], &range))
				give_back(&range, 1);
	/* Some domains go while work is pending. */
	if (nr % 4 < 2) {
		shim_run_works(5000);
		iova_domain_stats(iovad, &stats);
		expect(stats.counts.ranges == stats.all_cached,
		       "%lu ranges, %lu cached", stats.counts.ranges,
		       stats.all_cached);
		expect(!stats.counts.refused, "%lu good frees refused",
		       stats.counts.refused);
		expect(gap_tree_verify(&iovad->tree), "tree is wrong");
	}
	our_ops.domain_delete(iovad);
	memset(owner, 0, sizeof(owner));
}

int main(int argc, char **argv)
{
	double seconds = 10;
	const struct test_option options[] = {
		{ "seconds", TEST_SECONDS, &seconds },
		{ }
	};
	unsigned int nr, episodes = 10;
	pthread_t pump_thread;
	char name[120];

	test_options(argc, argv, options, false);
	test_begin();
	shim_set_possible(CONTROL_CPU + 1);
	shim_set_cpu(CONTROL_CPU);
	expect(!iova_cache_get(), "iova_cache_get");
	pthread_create(&pump_thread, NULL, pump, NULL);
	for (nr = 0; nr < episodes; nr++)
		episode(nr, seconds / episodes);
	__atomic_store_n(&stop_pump, 1, __ATOMIC_RELAXED);
	pthread_join(pump_thread, NULL);
	iova_cache_put();

	expect(!twice, "%lu pages handed out twice", twice);
	expect(!strange, "%lu pages freed that nobody held", strange);
	expect(!reports, "%lu reports of ThreadSanitizer", reports);
	expect(shim_failures() && hotplugs, "nothing was injected");
	snprintf(name, sizeof(name),
		 "threads: %lu operations, %lu allocations failed, %lu times without memory, %lu CPUs down",
		 done, failed, shim_failures(), hotplugs);
	test_end(name);
	return test_finish(tests_ran, tests_failed);
}
