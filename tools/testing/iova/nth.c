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

/* A free cannot fail: what is checked is that everything gets free. */
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

static const struct entry entries[] = {
	{ "iova_cache_get", NULL, call_cache_get, iova_cache_put },
	{ "iova_domain_init_rcaches", make_domain, call_init, use_and_drop },
	{ "alloc_iova", make_cached_domain, call_alloc, drop_domain },
	{ "alloc_iova_fast", make_cached_domain, call_alloc_fast, drop_domain },
	{ "free_iova_fast", make_allocated, call_free_fast, drop_domain },
	{ "churn in a full space", make_cached_domain, call_churn, drop_domain },
	{ "reserve_iova", make_cached_domain, call_reserve, drop_reserved },
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
	expect(points, "nothing failed");
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
	expect(died, "stock survives all %u failures: the peer has changed",
	       n - 1);
	snprintf(name, sizeof(name),
		 "nth: stock iova_domain_init_rcaches dies of SIGSEGV at %u of %u points, as known",
		 died, n - 1);
	test_end(name);
}

int main(void)
{
	unsigned int i, points = 0;

	for (i = 0; i < ARRAY_SIZE(entries); i++)
		points += try_entry(&entries[i]);
	stock_dies();
	printf("# %u allocations failed in turn\n", points);
	return tests_failed ? 1 : 0;
}
