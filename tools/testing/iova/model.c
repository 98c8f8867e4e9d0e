// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a domain and on a model of it (checker.h).
 *
 * usage: model [--ops N] [--seed N]
 *
 * The operations come in episodes, each on a new domain with a taste of its
 * own: how large requests are, how tight limits, how full it gets, whether it
 * has caches, whether memory fails, and whether other operations come between
 * the steps of one.  A failure tells the seed of its episode; --seed with it
 * begins there.
 */

#include "checker.h"

#define EPISODE	5000
#define CPUS	4

static struct {
	unsigned long seed;
	unsigned int sizes;
	unsigned int fill;
	unsigned long window;
	bool between;
	bool memory;
} taste;

static unsigned long pick(unsigned long n)
{
	return below(&taste.seed, n);
}

static unsigned long random_limit(void)
{
	static const unsigned long limits[] = {
		0x3ff, 0xfff, 0x1fff, 0xfffff, 0xfffffff, ~0UL >> 16, ~0UL >> 12,
	};

	switch (pick(4)) {
	case 0:
		return limits[pick(ARRAY_SIZE(limits))];
	case 1:
		return pick(2 * taste.window);
	default:
		return taste.window - 1;
	}
}

static unsigned long random_size(void)
{
	switch (taste.sizes == 5 ? pick(5) : taste.sizes) {
	case 0:
		return 1 + pick(8);
	case 1:
		return 1 + pick(40);
	case 2:
		return 1UL << pick(12);
	case 3:
		return 1;
	default:
		return 1 + pick(1500);
	}
}

static void allocate(void)
{
	unsigned long size = random_size(), limit = random_limit();

	switch (pick(8)) {
	case 0:
		check_alloc(size, limit, pick(4));
		break;
	case 1:
		check_alloc_placed(size, limit, pick(10), pick(512), 6 + pick(8));
		break;
	default:
		check_alloc_fast(size, limit, pick(2));
	}
}

static void free_one(void)
{
	unsigned int at = m.nr ? pick(m.nr) : 0, left;

	if (!pick(64)) {
		/* As many as a magazine takes, and some. */
		for (left = 80; left && m.nr; left--)
			check_free_fast(pick(m.nr), pick(512));
		return;
	}
	switch (pick(8)) {
	case 0:
	case 1:
		check_free(at, pick(2000));
		break;
	case 2:
		check_free_found(at);
		break;
	default:
		check_free_fast(at, pick(512));
	}
}

static void operate(unsigned long unused)
{
	unsigned int kind = pick(100);
	unsigned long pfn;

	if (kind < taste.fill) {
		allocate();
	} else if (kind < 90) {
		free_one();
	} else if (kind < 92) {
		check_find(pick(2) ? pick(taste.window) : next_random(&taste.seed));
	} else if (kind < 94) {
		pfn = pick(taste.window);
		if (pick(4))
			check_unreserve(m.nr ? pick(m.nr) : 0);
		else if (pick(2))
			check_reserve(pfn, pfn + pick(64));
		else
			check_reserve_free(pfn, pfn + pick(64));
	} else if (kind < 96) {
		check_bad_free(pick(taste.window), pick(4) ? random_size() : 0);
	} else if (kind < 98) {
		check_works(pick(4) ? pick(1500) : pick(10000));
	} else if (kind < 99) {
		check_drain();
	} else {
		check_cpu_down(pick(CPUS));
	}
}

static void come_between(void)
{
	if (!pick(4))
		check_between(pick(CPUS), operate, 0);
}

static void episode(unsigned long seed, unsigned long ops)
{
	static const unsigned long windows[] = { 0x800, 0x2000, 0x4000, 0x8000 };
	unsigned long i;

	taste.seed = seed;
	taste.sizes = pick(6);
	taste.fill = 40 + pick(12);
	taste.window = windows[pick(4)];
	taste.between = !pick(3);
	taste.memory = !pick(3);
	shim_set_cpu(0);
	checker_begin(pick(3) ? 1 : 1 + pick(100), pick(8));
	for (i = 0; i < ops && !test_why[0]; i++) {
		if (i % 100 == 0)
			check_memory(taste.memory && i / 100 % 2 ? 1 + pick(20) : 0);
		shim_interrupt = taste.between ? come_between : NULL;
		shim_set_cpu(pick(CPUS));
		operate(0);
		shim_interrupt = NULL;
		if (i % 20 == 0)
			check_all();
	}
	shim_interrupt = NULL;
	if (test_why[0])
		return;
	checker_end();
	shim_set_cpu(0);
}

int main(int argc, char **argv)
{
	unsigned long ops = 1000000, seed = 1, done = 0;
	const struct test_option options[] = {
		{ "ops", TEST_NUMBER, &ops, 1 },
		{ "seed", TEST_NUMBER, &seed },
		{ }
	};
	char name[80];

	test_options(argc, argv, options, false);

	test_begin();
	for (; done < ops; done += EPISODE, seed++) {
		episode(seed, min(ops - done, (unsigned long)EPISODE));
		expect(shim_outstanding() == test_outstanding, "leak");
		if (test_why[0]) {
			char why[sizeof(test_why)];

			memcpy(why, test_why, sizeof(why));
			snprintf(test_why, sizeof(test_why), "--seed %lu: %.500s",
				 seed, why);
			break;
		}
	}
	snprintf(name, sizeof(name), "model: %lu operations", done);
	test_end(name);
	return test_finish(tests_ran, tests_failed);
}
