// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests: each shows one behaviour of the gap tree or of the IOVA API.  They
 * are in unit/, in files of one subject each.
 */

#include "unit.h"

struct iova_domain *iovad;
bool owner[WINDOW];
unsigned long seed;
unsigned long many[20000];

unsigned long align_of(unsigned long size)
{
	unsigned long align = 1;

	while (align < size)
		align *= 2;
	return align;
}

void begin(bool caches)
{
	memset(owner, 0, sizeof(owner));
	seed = 1;
	shim_set_cpu(0);
	expect(!iova_cache_get(), "iova_cache_get");
	iovad = our_ops.domain_new(4096, 1);
	if (caches)
		expect(!iova_domain_init_rcaches(iovad), "init_rcaches");
}

void end(void)
{
	expect(gap_tree_verify(&iovad->tree), "tree is wrong");
	our_ops.domain_delete(iovad);
	iova_cache_put();
}

void take(unsigned long pfn, unsigned long size)
{
	unsigned long i;

	if (!expect(pfn >= 1 && pfn + size <= WINDOW, "pfn %#lx size %lu is out of the window",
		    pfn, size))
		return;
	expect(!(pfn & (align_of(size) - 1)), "pfn %#lx size %lu is not aligned",
	       pfn, size);
	for (i = pfn; i < pfn + size; i++) {
		expect(!owner[i], "pfn %#lx handed out twice", i);
		owner[i] = true;
	}
}

void leave(unsigned long pfn, unsigned long size)
{
	memset(&owner[pfn], false, size);
}

/* The highest naturally aligned hole, page by page; 0 when there is none. */
unsigned long brute_force(unsigned long size, unsigned long limit)
{
	unsigned long align = align_of(size), at, i;

	if (size > limit)
		return 0;
	for (at = (limit + 1 - size) / align * align; at; at -= align) {
		for (i = 0; i < size && !owner[at + i]; i++)
			;
		if (i == size)
			return at;
	}
	return 0;
}

struct iova_stats stats_now(void)
{
	struct iova_stats stats;

	iova_domain_stats(iovad, &stats);
	return stats;
}

/* Hand out all there is, page by page: nothing comes twice. */
void take_all_that_is_left(void)
{
	unsigned long pfn, i;

	while (!test_why[0] && (pfn = alloc_iova_fast(iovad, 1, TOP, true)))
		take(pfn, 1);
	for (i = 1; i <= TOP; i++)
		if (!expect(owner[i], "pfn %#lx is lost", i))
			return;
}

struct iova_cpu *cache_of(unsigned int cpu)
{
	struct iova_cpu *cache = *per_cpu_ptr(iovad->rcache->cpus, cpu);

	return cache == &iova_no_cache ? NULL : cache;
}

void sort_magazines(void)
{
	iova_magazines_sort(iovad);
}

/* How long the range is that begins at a pfn; a look changes nothing. */
unsigned long length_of(unsigned long pfn)
{
	struct iova_span spans[IOVA_BATCH];

	if (!iova_look(iovad, pfn, spans) || spans[0].cached ||
	    spans[0].first != pfn)
		return 0;
	return spans[0].last - pfn + 1;
}

unsigned long nr_runs(void)
{
	struct iova_stats stats = stats_now();
	unsigned long runs = 0;
	unsigned int class;

	for (class = 0; class < IOVA_CLASSES; class++)
		runs += stats.runs[class];
	return runs;
}

void allocate_many(unsigned long nr, unsigned long size, unsigned long limit)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		many[i] = alloc_iova_fast(iovad, size, limit, true);
}

void free_many(unsigned long from, unsigned long to, unsigned long size)
{
	for (; from < to; from++)
		free_iova_fast(iovad, many[from], size);
}

/* All pages below 2048 from runs of single pages; many[] ascends. */
void begin_with_runs_of_pages(void)
{
	unsigned long i, n;

	begin(true);
	expect(reserve_iova(iovad, 1, 511), "reserve");
	for (n = 0; n < 1536; n++)
		many[n] = alloc_iova_fast(iovad, 1, 2047, false);
	expect(!alloc_iova_fast(iovad, 1, 2047, false), "more than there are");
	for (i = 0; i < 1536; i++)
		take(many[i], 1);
	for (i = 0; i < 1536; i++)
		many[i] = 512 + i;
	expect(nr_runs() == 3, "%lu runs", nr_runs());
}

void free_pages(unsigned long from, unsigned long to)
{
	for (; from < to; from++) {
		free_iova_fast(iovad, from, 1);
		leave(from, 1);
	}
}

void take_all_pages_below_2048(void)
{
	unsigned long pfn;

	while (!test_why[0] && (pfn = alloc_iova_fast(iovad, 1, 2047, true)))
		take(pfn, 1);
	for (pfn = 512; pfn < 2048; pfn++)
		if (!expect(owner[pfn], "pfn %#lx is lost", pfn))
			return;
}

unsigned long holds_of(void (*what)(void))
{
	unsigned long holds = shim_irqs_off();

	what();
	return shim_irqs_off() - holds;
}

void drain_the_caches(void)
{
	iova_drain(iovad);
}

extern const struct unit_test __start_unit_tests[], __stop_unit_tests[];

int main(int argc, char **argv)
{
	bool verbose = false;
	const struct test_option options[] = {
		{ "verbose", TEST_FLAG, &verbose },
		{ }
	};
	const struct unit_test *test;

	test_options(argc, argv, options, true);
	shim_verbose = verbose;
	for (test = __start_unit_tests; test < __stop_unit_tests; test++) {
		if (!test_wanted(test->name))
			continue;
		test_begin();
		test->run();
		test_end(test->name);
	}
	return test_finish(tests_ran, tests_failed);
}
