// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sizes of mappings where the page table has no bounds
 * (drivers/iommu/io-pgtable/lengths.c).
 *
 * usage: lengths [--ops N] [--seed N]
 */
#include <pthread.h>
#include <sched.h>

#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include "lengths.h"
#include "pages.h"
#include "test.h"

/* What may stay of empty tables (walk.c), and the way to the last of them. */
#define RESERVE		24
#define UPPER		16

static struct io_pgtable *lengths;
static u64 page;

static void begin(u64 granule)
{
	lengths = iommu_lengths_create();
	page = granule;
	expect(lengths, "not created");
}

static void end(void)
{
	iommu_lengths_destroy(lengths);
	rcu_barrier();
	expect(!shim_pages(), "%ld pages left", shim_pages());
}

static bool record(u64 addr, u64 size)
{
	return iommu_lengths_add(lengths, addr / page, size, false);
}

static bool take(u64 addr, u64 size)
{
	return iommu_lengths_take(lengths, addr / page, size, false);
}

/* The mapping of @addr: where it begins, and its bytes, 0 without one. */
static u64 find(u64 addr, u64 *first)
{
	u64 below, size = iommu_lengths_find(lengths, addr / page, &below);

	*first = (addr / page - below) * page;
	/* It has given up behind empty tables that are still there. */
	if (size == SIZE_MAX)
		return 0;
	return addr - *first < size ? size : 0;
}

static void expect_found(u64 addr, u64 first, u64 size)
{
	u64 at, found = find(addr, &at);

	expect(found == size && at == first, "at %#lx: %#lx at %#lx, not %#lx at %#lx",
	       (long)addr, (long)found, (long)at, (long)size, (long)first);
}

static void expect_nothing(u64 addr)
{
	u64 at, found = find(addr, &at);

	expect(!found, "%#lx at %#lx", (long)found, (long)at);
}

/* Addresses at all places that matter to a table with 64 bits. */
static const u64 places[] = {
	0, 0x10000, 0xffff0000, 0x100000000, 0x7fffffff0000, 0xffffffff0000,
	0x7fffffffffff0000, 0x3fffffffffff0000,
};

static void only_the_size_that_was_recorded_is_taken(void)
{
	static const u64 granules[] = { 0x1000, 0x4000, 0x10000 };
	unsigned int g, i;

	for (g = 0; g < ARRAY_SIZE(granules); g++) {
		begin(granules[g]);
		for (i = 0; i < ARRAY_SIZE(places); i++) {
			u64 at = places[i], size = 3 * page;

			expect(!take(at, size), "took what was not there");
			expect(record(at, size), "not recorded");
			expect(!record(at, page), "recorded twice");
			expect(!take(at, size - page) && !take(at, size + page) &&
			       !take(at, page) && !take(at, 0) &&
			       !take(at + page, size - page) && !take(at + page, size) &&
			       !take(at - page, size) && !take(at - page, size + page),
			       "took a wrong range at %#lx", (long)at);
			expect_found(at, at, size);
			expect_found(at + size - page, at, size);
			expect_nothing(at + size);
			expect(take(at, size), "not taken");
			expect(!take(at, size), "taken twice");
			expect_nothing(at);
		}
		end();
	}
}

static void neighbours_are_told_apart(void)
{
	begin(0x1000);
	expect(record(8 * page, 2 * page) && record(10 * page, page) &&
	       record(11 * page, 5 * page), "not recorded");
	expect(!take(8 * page, 3 * page) && !take(8 * page, 8 * page) &&
	       !take(10 * page, 6 * page), "took two");
	expect_found(9 * page, 8 * page, 2 * page);
	expect_found(10 * page, 10 * page, page);
	expect_found(15 * page, 11 * page, 5 * page);
	expect_nothing(16 * page);
	expect(take(10 * page, page), "not taken");
	expect_nothing(10 * page);
	expect_found(9 * page, 8 * page, 2 * page);
	end();
}

static void gaps_are_part_of_the_size(void)
{
	begin(0x1000);
	expect(iommu_lengths_add(lengths, 5, 0x3000, true), "not recorded");
	expect(!iommu_lengths_take(lengths, 5, 0x3000, false), "taken without gaps");
	expect_found(6 * page, 5 * page, 0x3000);
	expect(iommu_lengths_take(lengths, 5, 0x3000, true), "not taken");
	expect(iommu_lengths_add(lengths, 5, 0x3000, false), "not recorded");
	expect(!iommu_lengths_take(lengths, 5, 0x3000, true), "taken with gaps");
	expect(iommu_lengths_take(lengths, 5, 0x3000, false), "not taken");
	end();
}

static void without_memory_nothing_is_recorded(void)
{
	unsigned long n;
	bool done = false;

	for (n = 1; n < 3; n++) {
		shim_fail_nth(n, false);
		expect(!iommu_lengths_create(), "created without memory");
		shim_fail_nth(0, false);
	}
	for (n = 1; !done; n++) {
		begin(0x1000);
		shim_fail_nth(n, false);
		done = record(0x100000, 0x1000);
		shim_fail_nth(0, false);
		expect(take(0x100000, 0x1000) == done, "taken");
		end();
	}
	expect(n > 4, "only %lu allocations", n);
}

static void empty_tables_are_given_back(void)
{
	unsigned long tables = 3000, i;
	u64 stride = 512 * 0x1000;

	begin(0x1000);
	for (i = 0; i < tables; i++)
		expect(record(i * stride, 0x1000), "not recorded");
	expect(shim_pages() > (long)tables, "%ld pages", shim_pages());
	for (i = 0; i < tables; i++)
		expect(take(i * stride, 0x1000), "not taken");
	shim_run_works(10 * HZ);
	rcu_barrier();
	expect(shim_pages() <= RESERVE + UPPER, "%ld pages", shim_pages());
	/* One at a time, all over the space. */
	for (i = 0; i < tables; i++)
		expect(record(i * stride, 0x1000) && take(i * stride, 0x1000),
		       "not recorded");
	shim_run_works(10 * HZ);
	rcu_barrier();
	expect(shim_pages() <= RESERVE + UPPER, "%ld pages", shim_pages());
	end();
}

/* Random calls, and an oracle that knows every mapping. */
#define CELLS		4096
#define AREAS		4

static u64 sizes[AREAS][CELLS];		/* in pages, 0: none begins there */
static const u64 areas[AREAS] = {
	0, 0xfffff000ULL - 0x200000, 0x7fffff000000, 0x7fffffffff000000ULL,
};

static bool is_free(const u64 *in, u64 first, u64 count)
{
	u64 cell;

	for (cell = 0; cell < first + count; cell++)
		if (cell + in[cell] > first && in[cell])
			return false;
	return first + count <= CELLS;
}

static void oracle(unsigned long *seed)
{
	unsigned int area = below(seed, AREAS);
	u64 cell = below(seed, CELLS - 64), count = 1 + below(seed, 40);
	u64 at = areas[area] + cell * page, *in = sizes[area], i;
	u64 found, first;
	bool done, want;

	switch (below(seed, 8)) {
	case 0:
	case 1:
	case 2:
		if (!is_free(in, cell, count))
			break;
		expect(record(at, count * page), "%#lx not recorded", (long)at);
		in[cell] = count;
		break;
	case 3:
	case 4:
		/* The next that there is. */
		while (cell < CELLS && !in[cell])
			cell++;
		if (cell == CELLS)
			break;
		at = areas[area] + cell * page;
		count = in[cell];
		if (!below(seed, 4))
			count += 1 + below(seed, 2) - 2 * below(seed, 2);
		want = count && count == in[cell];
		done = take(at, count * page);
		expect(done == want, "%#lx at %#lx: %s", (long)(count * page), (long)at,
		       done ? "taken" : "refused");
		if (done)
			in[cell] = 0;
		break;
	case 5:
		want = in[cell] && count == in[cell];
		done = take(at, count * page);
		expect(done == want, "%#lx at %#lx: %s", (long)(count * page), (long)at,
		       done ? "taken" : "refused");
		if (done)
			in[cell] = 0;
		break;
	default:
		for (i = cell; i && !in[i]; i--)
			;
		want = i + in[i] > cell;
		found = find(at, &first);
		expect(found == (want ? in[i] * page : 0) &&
		       (!want || first == areas[area] + i * page),
		       "at %#lx: %#lx at %#lx", (long)at, (long)found, (long)first);
	}
	if (!below(seed, 5000)) {
		shim_run_works(HZ);
		rcu_barrier();
	}
}

static unsigned long operations = 200000, first_seed = 1;

static void random_calls_and_an_oracle(void)
{
	unsigned long seed = first_seed, i;

	memset(sizes, 0, sizeof(sizes));
	begin(0x1000);
	for (i = 0; i < operations && !test_why[0]; i++)
		oracle(&seed);
	end();
}

/* Two take the same mappings, from both ends, while others do so beside them. */
#define ROUNDS		3000
#define AT_ONCE		64

static struct {
	unsigned long round;	/* that may begin */
	unsigned int at_gate;
	unsigned long won[ROUNDS];
	bool done;
} __aligned(64) race;

static void meet(unsigned long round)
{
	unsigned int turns = 0;

	__atomic_fetch_add(&race.at_gate, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&race.at_gate, __ATOMIC_ACQUIRE) < 2 * (round + 1))
		if (!(++turns % 1000))
			sched_yield();
}

static void *taker(void *arg)
{
	unsigned long round, won, i;

	shim_set_cpu(1 + (long)arg);
	for (round = 0; round < ROUNDS; round++) {
		u64 at = (round % 10) * AT_ONCE * 0x3000;

		for (i = 0; !arg && i < AT_ONCE; i++)
			if (!record(at + i * 0x3000, 0x2000))
				__atomic_fetch_add(&race.won[round], 1000,
						   __ATOMIC_RELAXED);
		meet(2 * round);
		for (i = 0, won = 0; i < AT_ONCE; i++)
			won += take(at + (arg ? AT_ONCE - 1 - i : i) * 0x3000, 0x2000);
		for (i = 0; i < AT_ONCE; i++)
			if (take(at + i * 0x3000, 0x1000))
				won += 1000;
		__atomic_fetch_add(&race.won[round], won, __ATOMIC_RELAXED);
		meet(2 * round + 1);
	}
	return NULL;
}

static void *beside(void *arg)
{
	unsigned long i, *wrong = arg;

	shim_set_cpu(3);
	for (i = 0; !READ_ONCE(race.done); i++) {
		u64 at = (i % 700) * 0x3000 + 0x2000;

		if (!record(at, 0x1000) || !take(at, 0x1000) || take(at, 0x1000))
			*wrong += 1;
	}
	return NULL;
}

static void *worker(void *arg)
{
	shim_set_cpu(4);
	while (!READ_ONCE(race.done))
		if (!shim_run_works(HZ))
			sched_yield();
	return NULL;
}

static void one_of_two_takers_has_it(void)
{
	unsigned long round, wrong = 0;
	pthread_t threads[4];

	memset(&race, 0, sizeof(race));
	begin(0x1000);
	pthread_create(&threads[0], NULL, taker, (void *)0);
	pthread_create(&threads[1], NULL, taker, (void *)1);
	pthread_create(&threads[2], NULL, beside, &wrong);
	pthread_create(&threads[3], NULL, worker, NULL);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	WRITE_ONCE(race.done, true);
	pthread_join(threads[2], NULL);
	pthread_join(threads[3], NULL);
	for (round = 0; round < ROUNDS; round++)
		expect(race.won[round] == AT_ONCE, "round %lu: %lu", round, race.won[round]);
	expect(!wrong, "%lu times wrong beside them", wrong);
	end();
}

int main(int argc, char **argv)
{
	const struct test_option options[] = {
		{ "ops", TEST_NUMBER, &operations, 1 },
		{ "seed", TEST_NUMBER, &first_seed },
		{ }
	};

	test_options(argc, argv, options, true);
	run_test(only_the_size_that_was_recorded_is_taken);
	run_test(neighbours_are_told_apart);
	run_test(gaps_are_part_of_the_size);
	run_test(without_memory_nothing_is_recorded);
	run_test(empty_tables_are_given_back);
	run_test(random_calls_and_an_oracle);
	run_test(one_of_two_takers_has_it);
	return test_finish(tests_ran, tests_failed);
}
