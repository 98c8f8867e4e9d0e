// SPDX-License-Identifier: GPL-2.0-only
/* Several CPUs: each can have all that is free, also between steps of others. */

#include <pthread.h>

#include "unit.h"

UNIT_TEST(what_another_cpu_freed_is_had_at_once)
{
	unsigned long i, pfn;

	begin_with_runs_of_pages();
	/* So that it has a magazine. */
	shim_set_cpu(1);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 1, HIGH, true), 1);
	free_pages(1024, 1024 + 32);
	shim_set_cpu(0);
	expect(cache_of(1)->nr - cache_of(1)->nr_sorted == 33, "not in its magazine");
	for (i = 0; i < 32; i++) {
		/* To have magazines sorted back, nobody needs to flush. */
		pfn = alloc_iova_fast(iovad, 1, 2047, i);
		expect(pfn, "%lu of 32", i);
		take(pfn, 1);
	}
	take_all_pages_below_2048();
	end();
}

UNIT_TEST(what_waits_with_another_cpu_is_had_by_a_flush)
{
	unsigned long i, pfn, waiting;

	begin_with_runs_of_pages();
	free_iova(iovad, 1024);
	leave(1024, 1);
	for (i = 1024 + 1; i < 1024 + 64; i++) {
		free_iova(iovad, i);
		leave(i, 1);
	}
	shim_set_cpu(1);
	take(alloc_iova_fast(iovad, 1, 2047, false), 1);
	waiting = hweight_long(cache_of(1)->mask[0]);
	shim_set_cpu(0);
	expect(waiting == 63, "%lu wait with CPU 1", waiting);
	expect(!alloc_iova_fast(iovad, 1, 2047, false), "had without a flush");
	expect(!alloc_iova_fast(iovad, 32, 2047, false), "had without a flush");
	pfn = alloc_iova_fast(iovad, 32, 2047, true);
	expect(pfn, "32 pages are not had");
	take(pfn, 32);
	take_all_pages_below_2048();
	end();
}

/* Ranges of the tree need more holds of the lock than those of runs. */
UNIT_TEST(a_full_magazine_of_any_ranges_is_in_reach)
{
	unsigned long i, n = 0, freed = 0, cpu;
	struct iova *iova;

	begin(true);
	while ((iova = alloc_iova(iovad, 3, 1023, true)))
		many[n++] = iova->pfn_lo;
	for (cpu = 0; cpu < 4; cpu++) {
		shim_set_cpu(cpu);
		alloc_iova_fast(iovad, 1, HIGH, true);
	}
	for (cpu = 0; cpu < 4 && n >= 4 * IOVA_MAGAZINE - 1; cpu++) {
		shim_set_cpu(cpu);
		for (i = 0; i < IOVA_MAGAZINE && freed < n; i++)
			free_iova_fast(iovad, many[freed++], 3);
	}
	shim_set_cpu(0);
	expect(alloc_iova_fast(iovad, 512, 1023, true), "512 pages");
	expect(!stats_now().cached[2], "%lu wait in magazines",
	       stats_now().cached[2]);
	end();
}

UNIT_TEST(a_flush_reaches_all_that_is_free)
{
	unsigned long n = 0, i;

	begin(true);
	while ((many[n] = alloc_iova_fast(iovad, 1, TOP, true)))
		n++;
	for (i = 0; i < n; i++) {
		shim_set_cpu(i % 4);
		free_iova_fast(iovad, many[i], 1);
		if (i % 64 == 63)
			shim_run_works(0);
	}
	shim_set_cpu(2);
	i = alloc_iova_fast(iovad, 4096, TOP, true);
	expect(i, "not found with a flush");
	take(i, 4096);
	shim_set_cpu(0);
	take_all_that_is_left();
	end();
}

#define CHUNKS	(4096 / 16 - 1)

static unsigned long chunks[CHUNKS], wanted_pages;

/* Every chunk below 4096 is free: with CPUs, in magazines, in runs. */
static void begin_with_all_cached(void)
{
	unsigned int i;

	begin(true);
	for (i = 0; i < CHUNKS; i++) {
		shim_set_cpu(i % 4);
		chunks[i] = alloc_iova_fast(iovad, 16, 4095, true);
	}
	for (i = 0; i < CHUNKS; i++) {
		shim_set_cpu(i % 4);
		if (chunks[i])
			free_iova_fast(iovad, chunks[i], 16);
		if (i % 8 == 0)
			shim_run_works(0);
	}
	/* So that slots wait with each. */
	for (i = 0; i < 8; i++) {
		shim_set_cpu(i % 4);
		free_iova_fast(iovad, alloc_iova_fast(iovad, 16, 4095, true), 16);
	}
	shim_set_cpu(0);
}

static unsigned long steps_to_go, had;

static void take_every_chunk(void)
{
	unsigned long pfn;

	if (--steps_to_go)
		return;
	shim_interrupt = NULL;
	while ((pfn = alloc_iova_fast(iovad, 16, 4095, true))) {
		take(pfn, 16);
		had++;
	}
}

static void take_every_chunk_on_another_cpu(void)
{
	unsigned int cpu = shim_this_cpu->id;

	shim_set_cpu((cpu + 1) % 4);
	take_every_chunk();
	shim_set_cpu(cpu);
}

/* At whichever point of an operation another wants all that is free, it gets all. */
static void all_can_be_had_during(const char *what, void (*operation)(void))
{
	unsigned long step, least = CHUNKS, most = 0, other;

	for (other = 0; other < 2; other++) {
		for (step = 1; ; step++) {
			begin_with_all_cached();
			had = 0;
			steps_to_go = step;
			shim_interrupt = other ? take_every_chunk_on_another_cpu :
						 take_every_chunk;
			operation();
			shim_interrupt = NULL;
			end();
			if (steps_to_go)
				break;
			least = min(least, had);
			most = max(most, had);
		}
		expect(step > 2, "%s: only %lu steps", what, step - 1);
	}
	expect(least == CHUNKS && most == CHUNKS, "%s: %lu to %lu of %u could be had",
	       what, least, most, CHUNKS);
}

static void run_the_reaper(void)
{
	shim_run_works(5000);
}

static void fail_a_request(void)
{
	expect(!alloc_iova_fast(iovad, 4096, 4095, true), "4096 pages below 4096");
}

/* It gets its place, or all of it is gone; what it gets counts. */
static void ask_for_much(void)
{
	unsigned long pfn = alloc_iova_fast(iovad, wanted_pages, 4095, true);

	if (pfn)
		take(pfn, wanted_pages);
	had += pfn ? wanted_pages / 16 : 0;
}

static void take_a_cpu_down(void)
{
	shim_cpu_down(3);
	shim_cpu_up(3);
}

UNIT_TEST(what_is_free_can_be_had_between_any_two_steps)
{
	all_can_be_had_during("the reaper", run_the_reaper);
	all_can_be_had_during("a failing request", fail_a_request);
	wanted_pages = 2048;
	all_can_be_had_during("a request that cuts runs", ask_for_much);
	wanted_pages = 32;
	all_can_be_had_during("a smaller one", ask_for_much);
	all_can_be_had_during("a drain", drain_the_caches);
	all_can_be_had_during("a CPU that goes", take_a_cpu_down);
}

/* Ranges that neither the tree nor a run has as free. */
static unsigned long nr_live(void)
{
	struct iova_span spans[IOVA_BATCH];
	unsigned long pfn = 0, live = 0;
	unsigned int nr, i;

	while ((nr = iova_look(iovad, pfn, spans))) {
		for (i = 0; i < nr; i++)
			live += !spans[i].cached;
		pfn = spans[nr - 1].last + 1;
	}
	return live;
}

static pthread_barrier_t meet;
static pthread_t other_sort;

/* On CPU 3: finishes the magazine of CPU 0, begins that of CPU 1, and waits. */
static void *sort_on_cpu_3(void *unused)
{
	shim_set_cpu(3);
	iova_magazines_sort(iovad);
	return NULL;
}

static void when_a_hold_ends(void)
{
	static __thread bool met;

	if (met)
		return;
	met = true;
	if (shim_this_cpu->id != 3)
		pthread_create(&other_sort, NULL, sort_on_cpu_3, NULL);
	pthread_barrier_wait(&meet);
	if (shim_this_cpu->id == 3)
		pthread_barrier_wait(&meet);
}

static void free_in_turn(unsigned int cpu, unsigned long nr)
{
	unsigned long pfns[2][32], i;

	shim_set_cpu(cpu);
	for (i = 0; i < nr; i++)
		pfns[i % 2][i / 2] = alloc_iova_fast(iovad, 1 + i % 2, TOP, true);
	/* No two in a row are of one run: 16 of them are a hold of the lock. */
	for (i = 0; i < nr; i++)
		free_iova_fast(iovad, pfns[i % 2][i / 2], 1 + i % 2);
}

/* Two sort back at a time: that one helps the other ends no turn. */
UNIT_TEST(a_magazine_is_sorted_back_whole_though_another_helps)
{
	begin(true);
	free_in_turn(0, 20);
	free_in_turn(1, 64);
	shim_set_cpu(2);
	pthread_barrier_init(&meet, NULL, 2);
	shim_interrupt = when_a_hold_ends;
	iova_magazines_sort(iovad);
	expect(!nr_live(), "%lu free ranges are in a magazine", nr_live());
	pthread_barrier_wait(&meet);
	pthread_join(other_sort, NULL);
	shim_interrupt = NULL;
	pthread_barrier_destroy(&meet);
	end();
}

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_over = PTHREAD_COND_INITIALIZER;
static unsigned int on_turn;
static __thread unsigned int my_turn, holds_to_go;

static void give_turn(unsigned int to)
{
	on_turn = to;
	pthread_cond_broadcast(&turn_over);
	while (on_turn != my_turn)
		pthread_cond_wait(&turn_over, &turn_lock);
}

static void pause_after_holds(void)
{
	if (!holds_to_go || --holds_to_go)
		return;
	give_turn(my_turn ? 0 : 1);
	holds_to_go = my_turn ? 4 : 0;
}

/* Sorters 1 and 2 let the test go on after some holds of the lock, and when done. */
static void *sort_in_turns(void *nr)
{
	my_turn = (unsigned long)nr;
	pthread_mutex_lock(&turn_lock);
	while (on_turn != my_turn)
		pthread_cond_wait(&turn_over, &turn_lock);
	shim_set_cpu(2 + my_turn);
	holds_to_go = my_turn == 1 ? IOVA_MAGAZINE - 4 : 4;
	iova_magazines_sort(iovad);
	on_turn = 0;
	pthread_cond_broadcast(&turn_over);
	pthread_mutex_unlock(&turn_lock);
	return NULL;
}

static void free_nodes(unsigned int cpu, unsigned int nr)
{
	unsigned long pfns[IOVA_MAGAZINE + 1];
	unsigned int i;

	shim_set_cpu(cpu);
	for (i = 0; i < nr; i++)
		pfns[i] = our_ops.alloc(iovad, 1, HIGH, true);
	for (i = 0; i < nr; i++)
		free_iova_fast(iovad, pfns[i], 1);
}

/*
 * The first sorter does 60 entries of CPU 0, the second the last four.  When the
 * magazine comes round again, full again, the first begins anew with it.
 */
UNIT_TEST(what_one_sorter_did_in_an_earlier_round_counts_no_more)
{
	pthread_t sorters[2];
	unsigned long i;

	begin(true);
	shim_set_possible(6);
	for (i = 0; i < 3; i++) {
		shim_set_cpu(i);
		free_iova_fast(iovad, alloc_iova_fast(iovad, 1, HIGH, true), 1);
	}
	free_nodes(0, IOVA_MAGAZINE + 1);
	pthread_mutex_lock(&turn_lock);
	for (i = 0; i < 2; i++)
		pthread_create(&sorters[i], NULL, sort_in_turns, (void *)(i + 1));
	shim_interrupt = pause_after_holds;
	give_turn(1);
	give_turn(2);
	free_nodes(0, IOVA_MAGAZINE);
	free_nodes(2, 1);

	/* After the magazines of CPUs 1 and 2, the first sorter goes on. */
	shim_set_cpu(5);
	holds_to_go = 1;
	iova_magazines_sort(iovad);
	holds_to_go = 0;
	expect(cache_of(0)->nr_sorted == cache_of(0)->nr,
	       "%u free ranges are in a magazine",
	       cache_of(0)->nr - cache_of(0)->nr_sorted);
	shim_interrupt = NULL;
	give_turn(1);
	give_turn(2);
	pthread_mutex_unlock(&turn_lock);
	for (i = 0; i < 2; i++)
		pthread_join(sorters[i], NULL);
	shim_set_cpu(0);
	end();
	shim_set_possible(4);
}

static void run_the_reaper_once(void)
{
	unsigned int cpu = shim_this_cpu->id;

	if (--steps_to_go)
		return;
	shim_interrupt = NULL;
	shim_set_cpu(1);
	shim_run_works(0);
	shim_set_cpu(cpu);
}

/* The CPU comes back meanwhile, and has a new cache. */
static void come_back_while_the_cache_goes(void)
{
	unsigned int cpu = shim_this_cpu->id;

	if (--steps_to_go)
		return;
	shim_interrupt = NULL;
	shim_set_cpu(3);
	alloc_iova_fast(iovad, 16, HIGH, true);
	shim_set_cpu(1);
	shim_run_works(0);
	shim_set_cpu(cpu);
	expect(cache_of(3), "the new cache is lost");
}

UNIT_TEST(the_cache_of_a_cpu_that_goes_is_freed_once)
{
	void (*const meanwhile[])(void) = {
		run_the_reaper_once, come_back_while_the_cache_goes,
	};
	unsigned long step, i;

	for (i = 0; i < 2; i++) {
		for (step = 1; ; step++) {
			begin(true);
			shim_set_cpu(3);
			alloc_iova_fast(iovad, 16, HIGH, true);
			shim_set_cpu(0);
			alloc_iova_fast(iovad, 16, HIGH, true);
			/* The reaper has seen it; another look is due. */
			shim_run_works(HZ + 1);
			shim_jiffies += HZ;
			steps_to_go = step;
			shim_interrupt = meanwhile[i];
			shim_cpu_down(3);
			shim_interrupt = NULL;
			shim_cpu_up(3);
			end();
			if (steps_to_go)
				break;
		}
		expect(step > 1, "nothing comes between");
	}
}
