// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation failed once, in turn.
 *
 * For each entry point and each n: from a fresh start the n-th allocation that
 * the entry point makes fails (alone, or with all that follow it), until one n
 * is past the last.  Nothing may crash, leak or warn, the call must work when
 * it is tried again, and whatever was freed meanwhile must have become free.
 *
 * The same is then done to iova_domain_init_rcaches() of the stock allocator,
 * each n in a process of its own, because the stock one does not survive it:
 * its error path frees magazines that were never allocated, and
 * kmem_cache_free(NULL) faults.  That is asserted, so that we learn when the
 * peer changes.
 */

#include <linux/err.h>
#include <linux/iova.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define LIMIT	0xffffffUL
#define RANGES	1500

static struct iova_domain *iovad;
static unsigned long pfns[RANGES];

static unsigned long size_of(unsigned int i)
{
	return 1 + i * 7 % 80;
}

/* Each begins with what need not fail, does what may, and looks at the end. */
struct entry {
	const char *name;
	void (*prepare)(void);
	bool (*call)(void);
	void (*finish)(void);
	bool needs_none;	/* it does not allocate at all */
};

static void get_caches(void)
{
	expect(!iova_cache_get(), "cannot get caches");
}

static void make_domain(void)
{
	get_caches();
	iovad = our_ops.domain_new(4096, 1);
}

static void make_cached_domain(void)
{
	make_domain();
	expect(!iova_domain_init_rcaches(iovad), "cannot make caches");
}

static void drop_domain(void)
{
	struct iova_stats stats;

	shim_run_works(100000);
	iova_domain_stats(iovad, &stats);
	expect(stats.counts.ranges == stats.all_cached, "%lu ranges, %lu cached",
	       stats.counts.ranges, stats.all_cached);
	expect(gap_tree_verify(&iovad->tree), "tree is wrong");
	our_ops.domain_delete(iovad);
	iova_cache_put();
}

static unsigned long stats_ranges(void)
{
	struct iova_stats stats;

	iova_domain_stats(iovad, &stats);
	return stats.counts.ranges;
}

static bool call_cache_get(void)
{
	return !iova_cache_get();
}

static bool call_init(void)
{
	return !iova_domain_init_rcaches(iovad);
}

static void use_and_drop(void)
{
	unsigned long pfn = alloc_iova_fast(iovad, 3, LIMIT, true);

	expect(pfn, "domain is of no use");
	free_iova_fast(iovad, pfn, 3);
	drop_domain();
}

static bool call_alloc(void)
{
	struct iova *iova = alloc_iova(iovad, 5, LIMIT, true);

	if (!iova)
		return false;
	__free_iova(iovad, iova);
	return true;
}

static bool call_alloc_fast(void)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		pfns[i] = alloc_iova_fast(iovad, size_of(i), LIMIT, true);
		ok = ok && pfns[i];
	}
	for (i = 0; i < 100; i++)
		if (pfns[i])
			free_iova(iovad, pfns[i]);
	return ok;
}

static void make_allocated(void)
{
	unsigned int i;

	make_cached_domain();
	for (i = 0; i < RANGES; i++)
		pfns[i] = alloc_iova_fast(iovad, size_of(i), LIMIT, true);
}

/* A free needs no memory: what is checked is that everything gets free. */
static bool call_free_fast(void)
{
	unsigned int i;

	for (i = 0; i < RANGES; i++)
		if (pfns[i])
			free_iova_fast(iovad, pfns[i], size_of(i));
	memset(pfns, 0, sizeof(pfns));
	return true;
}

/* Memory fails first inside a full address space, where reclaim must work. */
static bool call_churn(void)
{
	unsigned long base = 0x1000, limit = 0x1fff;
	bool ok = true;
	unsigned int i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < 400; i++)
			pfns[i] = alloc_iova_fast(iovad, size_of(i * round) % 16 + 1,
						  limit, true);
		for (i = 0; i < 400; i++) {
			if (pfns[i])
				free_iova_fast(iovad, pfns[i],
					       size_of(i * round) % 16 + 1);
			ok = ok && (!pfns[i] || pfns[i] < base * 2);
		}
	}
	return ok;
}

static bool call_reserve(void)
{
	return reserve_iova(iovad, 0x100, 0x1ff) &&
	       reserve_iova(iovad, 0x80, 0x2ff) &&
	       reserve_iova(iovad, 0x400, 0x400);
}

/* Reserved ranges are not for the check of drop_domain(). */
static void drop_reserved(void)
{
	unsigned long pfn;

	for (pfn = 0x80; pfn <= 0x2ff; pfn++)
		expect(find_iova(iovad, pfn), "pfn %#lx not reserved", pfn);
	our_ops.domain_delete(iovad);
	iova_cache_put();
}

/* ---- All below 2048 is in runs of single pages, and live but for a hole ---- */

#define FULL		2048UL
#define HOLE_FIRST	1280UL
#define HOLE_LAST	1343UL

static bool live[FULL];
static unsigned long got, got_size;

static void make_full(void)
{
	unsigned long pfn;

	make_cached_domain();
	while ((pfn = alloc_iova_fast(iovad, 1, FULL - 1, true)))
		live[pfn] = true;
	for (pfn = HOLE_FIRST; pfn <= HOLE_LAST; pfn++) {
		/* Some in a magazine, some in the run. */
		if (pfn % 3)
			free_iova_fast(iovad, pfn, 1);
		else
			free_iova(iovad, pfn);
		live[pfn] = false;
	}
	got = 0;
}

/* Whatever failed, nothing else has changed, and all can be freed and had. */
static void drop_full(void)
{
	unsigned long pfn, pages = 0;

	if (got)
		free_iova_fast(iovad, got, got_size);
	for (pfn = 1; pfn < FULL; pfn++) {
		expect(live[pfn] || (pfn >= HOLE_FIRST && pfn <= HOLE_LAST),
		       "%#lx was not had", pfn);
		if (!live[pfn])
			continue;
		if (pfn % 7)
			free_iova_fast(iovad, pfn, 1);
		else
			free_iova(iovad, pfn);
	}
	iova_drain(iovad);
	expect(!stats_ranges(), "%lu ranges stay", stats_ranges());
	while (alloc_iova_fast(iovad, 1, FULL - 1, true))
		pages++;
	expect(pages == FULL - 1, "%lu pages of %lu", pages, FULL - 1);
	expect(gap_tree_verify(&iovad->tree), "tree is wrong");
	our_ops.domain_delete(iovad);
	iova_cache_put();
}

static bool call_cut(void)
{
	got_size = 64;
	got = alloc_iova_fast(iovad, got_size, FULL - 1, true);
	expect(got || iova_has_room(iovad, got_size, FULL - 1), "it is given up");
	return got;
}

static bool call_cut_by_tree(void)
{
	struct iova *iova = alloc_iova(iovad, 50, FULL - 1, false);

	got_size = 50;
	got = iova ? iova->pfn_lo : 0;
	expect(got || iova_has_room(iovad, got_size, FULL - 1), "it is given up");
	return got;
}

static bool call_find(void)
{
	struct iova *iova = find_iova(iovad, HOLE_FIRST - 1);

	expect(!iova || (iova->pfn_lo == HOLE_FIRST - 1 && iova_size(iova) == 1),
	       "another one");
	return iova;
}

static bool call_place(void)
{
	struct iova_place place = { .align_mask = 511, .colour = 37,
				    .boundary_mask = ~0UL };

	got_size = 600;
	got = iova_alloc_placed(iovad, got_size, LIMIT, &place);
	return got;
}

static bool call_reserve_full(void)
{
	return reserve_iova(iovad, HOLE_FIRST + 5, HOLE_LAST - 5);
}

static void drop_full_reserved(void)
{
	unsigned long pfn;

	for (pfn = HOLE_FIRST + 5; pfn <= HOLE_LAST - 5; pfn++)
		expect(find_iova(iovad, pfn), "pfn %#lx not reserved", pfn);
	free_iova(iovad, HOLE_FIRST + 5);
	drop_full();
}

static bool call_reserve_free(void)
{
	unsigned long pfn = HOLE_FIRST - 3, last = HOLE_LAST + 3;
	struct iova *iova;

	while (pfn <= last) {
		iova = iova_reserve_free(iovad, &pfn, last);
		if (IS_ERR(iova) && PTR_ERR(iova) != -EBUSY)
			return false;
		if (IS_ERR(iova))
			continue;
		expect(!got && iova->pfn_lo == HOLE_FIRST && iova->pfn_hi == HOLE_LAST,
		       "[%#lx, %#lx]", iova->pfn_lo, iova->pfn_hi);
		got = iova->pfn_lo;
		got_size = 64;
	}
	return got;
}

/* One CPU allocates, others free: they want caches, too. */
static bool call_two_cpus(void)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < 600; i++) {
		pfns[i] = alloc_iova_fast(iovad, 2, LIMIT, true);
		ok = ok && pfns[i];
		if (i < 100 || !pfns[i - 100])
			continue;
		shim_set_cpu(1 + i % 2);
		free_iova_fast(iovad, pfns[i - 100], 2);
		pfns[i - 100] = 0;
		shim_set_cpu(0);
	}
	for (i = 500; i < 600; i++)
		if (pfns[i])
			free_iova(iovad, pfns[i]);
	memset(pfns, 0, sizeof(pfns));
	return ok;
}

static const struct entry entries[] = {
	{ "iova_cache_get", NULL, call_cache_get, iova_cache_put },
	{ "iova_domain_init_rcaches", make_domain, call_init, use_and_drop },
	{ "alloc_iova", make_cached_domain, call_alloc, drop_domain },
	{ "alloc_iova_fast", make_cached_domain, call_alloc_fast, drop_domain },
	{ "free_iova_fast", make_allocated, call_free_fast, drop_domain, true },
	{ "two CPUs that free", make_cached_domain, call_two_cpus, drop_domain },
	{ "churn in a full space", make_cached_domain, call_churn, drop_domain },
	{ "reserve_iova", make_cached_domain, call_reserve, drop_reserved },
	{ "alloc_iova_fast cuts runs", make_full, call_cut, drop_full },
	{ "alloc_iova cuts runs", make_full, call_cut_by_tree, drop_full },
	{ "find_iova", make_full, call_find, drop_full },
	{ "iova_alloc_placed", make_full, call_place, drop_full },
	{ "reserve_iova over runs", make_full, call_reserve_full, drop_full_reserved },
	{ "iova_reserve_free", make_full, call_reserve_free, drop_full },
};

static unsigned int try_all(const struct entry *entry, bool all_after)
{
	unsigned long failures;
	unsigned int n;
	bool ok;

	for (n = 1; ; n++) {
		long outstanding = shim_outstanding();

		if (entry->prepare)
			entry->prepare();
		failures = shim_failures();
		shim_fail_nth(n, all_after);
		ok = entry->call();
		shim_fail_nth(0, false);
		failures = shim_failures() - failures;
		if (!failures)
			expect(ok, "%s fails by itself", entry->name);
		if (!ok)
			expect(entry->call(), "%s, n=%u: fails when tried again",
			       entry->name, n);
		entry->finish();
		expect(shim_outstanding() == outstanding,
		       "%s, n=%u: %ld objects leaked", entry->name, n,
		       shim_outstanding() - outstanding);
		if (!failures)
			return n - 1;
	}
}

static unsigned int try_entry(const struct entry *entry)
{
	char name[100];
	unsigned int points;

	test_begin();
	points = try_all(entry, false) + try_all(entry, true);
	expect(!points == entry->needs_none, "%u allocations failed", points);
	snprintf(name, sizeof(name), "nth: %s, %u points", entry->name, points);
	test_end(name);
	return points;
}

/* What becomes of the stock allocator when its n-th allocation fails. */
static int stock_fate(unsigned int n)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (!child) {
		struct iova_domain *domain;
		unsigned long failures = shim_failures();

		signal(SIGSEGV, SIG_DFL);
		stock_ops.cache_get();
		domain = stock_ops.domain_new(4096, 1);
		shim_fail_nth(n, false);
		stock_ops.init_rcaches(domain);
		shim_fail_nth(0, false);
		_exit(shim_failures() > failures ? 1 : 0);
	}
	waitpid(child, &status, 0);
	return status;
}

static void stock_dies(void)
{
	unsigned int n, died = 0;
	char name[100];
	int status;

	test_begin();
	for (n = 1; (status = stock_fate(n)); n++) {
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
			died++;
		else
			expect(WIFEXITED(status) && WEXITSTATUS(status) == 1,
			       "n=%u: status %#x", n, status);
	}
	expect(!died == !STOCK_DIES,
	       "stock dies of %u of %u failures: the peer has changed", died,
	       n - 1);
	snprintf(name, sizeof(name),
		 "nth: stock iova_domain_init_rcaches dies of SIGSEGV at %u of %u points, as known",
		 died, n - 1);
	test_end(name);
}

int main(int argc, char **argv)
{
	unsigned int i, points = 0;

	test_options(argc, argv, NULL, false);
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		points += try_entry(&entries[i]);
	stock_dies();
	printf("# %u allocations failed in turn\n", points);
	return test_finish(tests_ran, tests_failed);
}
