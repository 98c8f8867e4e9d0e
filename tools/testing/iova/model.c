// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a domain and on a model of it (checker.h).
 *
 * usage: model [--ops N] [--seed N]
 *
 * The operations come in episodes, each on a new domain with a taste of its
 * own: how large requests are, how tight limits, how full it gets, whether all
 * are made of the caches.  A failure tells the seed of its episode; --seed with
 * it begins there.
 */

#include "checker.h"

#define EPISODE	5000

static unsigned long random_limit(unsigned long *seed)
{
	static const unsigned long limits[] = {
		0x3ff, 0xfff, 0x1fff, 0xfffff, 0xfffffff, ~0UL >> 12, ~0UL - 1,
		~0UL,
	};

	switch (below(seed, 4)) {
	case 0:
		return limits[below(seed, ARRAY_SIZE(limits))];
	case 1:
		return below(seed, 0x4000);
	default:
		return 0x1fff;
	}
}

static unsigned long random_size(unsigned long *seed, unsigned int taste)
{
	switch (taste == 4 ? below(seed, 4) : taste) {
	case 0:
		return 1 + below(seed, 8);
	case 1:
		return 1 + below(seed, 40);
	case 2:
		return 1UL << below(seed, 12);
	default:
		return 1 + below(seed, 1500);
	}
}

static void operation(unsigned long *seed, unsigned int taste,
		      unsigned int fill, bool only_fast)
{
	unsigned int kind = below(seed, 100);
	unsigned long size = random_size(seed, taste);
	unsigned int at = m.nr ? below(seed, m.nr) : 0;
	unsigned long limit = random_limit(seed);

	shim_set_cpu(below(seed, 3));
	if (kind < fill) {
		if (below(seed, 3) || only_fast)
			check_alloc_fast(size, limit, below(seed, 2));
		else
			check_alloc(size, limit, below(seed, 4));
	} else if (kind < 90) {
		if (below(seed, 3))
			check_free_fast(at);
		else
			check_free(at);
	} else if (kind < 94) {
		check_find(below(seed, 2) ? below(seed, 0x2000) : next_random(seed));
	} else if (kind < 95) {
		check_cache_from(below(seed, 2) ? below(seed, 0x2000) : 0);
	} else if (kind < 96) {
		if (below(seed, 4))
			check_unreserve(at);
		else
			check_reserve(limit & 0x1fff, (limit & 0x1fff) +
				      below(seed, 64));
	} else if (kind < 98) {
		check_bad_free(below(seed, 0x2000));
	} else if (kind < 99) {
		check_works(below(seed, 400));
	} else {
		shim_set_cpu(3);
		shim_cpu_down(below(seed, 3));
		sync_cached();
		WRITE_ONCE(shim_online_mask, 0xf);
	}
}

static void episode(unsigned long seed, unsigned long ops)
{
	unsigned long start = below(&seed, 3) ? 1 : 1 + below(&seed, 100);
	unsigned int taste = below(&seed, 5), fill = 40 + below(&seed, 12);
	/* What alloc_iova() took may keep frees off the fast path. */
	bool only_fast = below(&seed, 2);
	unsigned long i;

	shim_set_cpu(0);
	checker_begin(start);
	for (i = 0; i < ops && !test_why[0]; i++) {
		operation(&seed, taste, fill, only_fast);
		if (i % 50 == 0)
			check_all();
	}
	if (test_why[0])
		return;
	checker_end();
	shim_set_cpu(0);
}

int main(int argc, char **argv)
{
	unsigned long ops = 1000000, seed = 1, done = 0;
	char name[80];
	int i;

	for (i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--ops"))
			ops = strtoul(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoul(argv[i + 1], NULL, 0);
		else
			break;
	}
	if (i != argc) {
		fprintf(stderr, "usage: model [--ops N] [--seed N]\n");
		return 2;
	}

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
	return tests_failed ? 1 : 0;
}
