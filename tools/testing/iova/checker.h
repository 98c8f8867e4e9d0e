/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A domain and beside it a model: a plain sorted list of ranges and a map of
 * pages.  Each operation is done to both and every answer compared; what
 * makes the operations up (random numbers, a fuzzer) is somebody else's.
 *
 * The caches may hold what is free, so a range of the list is live, reserved
 * or cached.  A cached one may leave the tree whenever the caches are drained;
 * find_iova() tells, and sync_cached() has the list follow.
 */
#ifndef _CHECKER_H
#define _CHECKER_H

#include <linux/iova.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define MAX_RANGES	600
#define MAP_PAGES	65536UL	/* pages that the map covers, from 0 */

enum state { LIVE, RESERVED, CACHED };

struct range {
	unsigned long lo, hi;
	unsigned long size;	/* as asked for */
	enum state state;
	bool tree_only;		/* not aligned: nothing for the caches */
};

static struct {
	struct iova_domain *iovad;
	struct range ranges[MAX_RANGES];
	unsigned int nr;
	unsigned long start;
	unsigned long cached_from;
	bool map[MAP_PAGES];	/* live or reserved */
} m;

static void mark(unsigned long lo, unsigned long hi, bool taken)
{
	for (; lo <= hi && lo < MAP_PAGES; lo++) {
		expect(m.map[lo] != taken, "pfn %#lx %s twice", lo,
		       taken ? "handed out" : "freed");
		m.map[lo] = taken;
	}
}

/* Index of the first range that ends at or above a pfn. */
static unsigned int range_at(unsigned long pfn)
{
	unsigned int lo = 0, hi = m.nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (m.ranges[mid].hi < pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void list_add_range(unsigned long lo, unsigned long hi,
			   unsigned long size, enum state state)
{
	unsigned int at = range_at(lo);

	expect(at == m.nr || m.ranges[at].lo > hi, "[%#lx, %#lx] overlaps", lo, hi);
	memmove(&m.ranges[at + 1], &m.ranges[at],
		(m.nr - at) * sizeof(m.ranges[0]));
	m.ranges[at] = (struct range){ lo, hi, size, state };
	m.nr++;
	if (state != CACHED)
		mark(lo, hi, true);
}

static void list_del_range(unsigned int at)
{
	if (m.ranges[at].state != CACHED)
		mark(m.ranges[at].lo, m.ranges[at].hi, false);
	m.nr--;
	memmove(&m.ranges[at], &m.ranges[at + 1],
		(m.nr - at) * sizeof(m.ranges[0]));
}

/* Forget cached ranges that went back to the tree. */
static void sync_cached(void)
{
	unsigned int i = m.nr;
	struct iova *iova;

	while (i--) {
		if (m.ranges[i].state != CACHED)
			continue;
		iova = find_iova(m.iovad, m.ranges[i].lo);
		if (!iova || iova->pfn_lo != m.ranges[i].lo)
			list_del_range(i);
	}
}

/* The highest place by looking at every hole; 0 when there is none. */
static unsigned long best_place(unsigned long size, unsigned long limit,
				bool aligned)
{
	unsigned long mask = aligned && size > 1 ?
			     ~0UL >> __builtin_clzl(size - 1) : 0;
	unsigned long top = min(limit, ~0UL - 1);	/* of this hole */
	unsigned int i = m.nr;

	for (;;) {
		unsigned long bottom = m.start, at;

		if (i && m.ranges[i - 1].hi >= bottom)
			bottom = m.ranges[i - 1].hi + 1;
		if (bottom && top >= bottom && top - bottom >= size - 1) {
			at = (top - (size - 1)) & ~mask;
			if (at >= bottom)
				return at;
		}
		if (!i || m.ranges[i - 1].lo <= m.start)
			return 0;
		i--;
		top = min(top, m.ranges[i].lo - 1);
	}
}

static bool is_free(unsigned long lo, unsigned long hi)
{
	unsigned int at = range_at(lo);

	return at == m.nr || m.ranges[at].lo > hi;
}

static void check_alloc(unsigned long size, unsigned long limit, bool aligned)
{
	unsigned long wanted = best_place(size, limit, aligned), pfn;

	if (m.nr >= MAX_RANGES - 2)
		return;
	pfn = our_ops.alloc(m.iovad, size, limit, aligned);
	if (expect(pfn == wanted, "alloc_iova(%lu, %#lx, %d): %#lx, not %#lx",
		   size, limit, aligned, pfn, wanted) && pfn) {
		list_add_range(pfn, pfn + size - 1, size, LIVE);
		m.ranges[range_at(pfn)].tree_only = !aligned;
	}
}

static void check_alloc_fast(unsigned long size, unsigned long limit, bool flush)
{
	unsigned long rounded = iova_round_size(size), pfn, wanted, len;
	unsigned long whole = best_place(rounded, limit, true);
	unsigned int at;

	if (m.nr >= MAX_RANGES - 2)
		return;
	wanted = whole ?: best_place(size, limit, true);
	pfn = alloc_iova_fast(m.iovad, size, limit, flush);
	if (!pfn) {
		if (flush) {
			sync_cached();
			for (at = 0; at < m.nr; at++)
				expect(m.ranges[at].state != CACHED,
				       "failed with %#lx in a cache",
				       m.ranges[at].lo);
			wanted = best_place(size, limit, true);
		}
		expect(!wanted, "alloc_iova_fast(%lu, %#lx, %d) failed, %#lx is free",
		       size, limit, flush, wanted);
		return;
	}
	if (!expect(pfn >= m.start && pfn <= limit && size - 1 <= limit - pfn,
		    "%#lx is outside, size %lu limit %#lx", pfn, size, limit) ||
	    !expect(size == 1 || !(pfn & (~0UL >> __builtin_clzl(size - 1))),
		    "%#lx is not aligned, size %lu", pfn, size))
		return;

	at = range_at(pfn);
	if (at < m.nr && m.ranges[at].lo == pfn &&
	    m.ranges[at].state == CACHED && find_iova(m.iovad, pfn) &&
	    iova_size(find_iova(m.iovad, pfn)) == m.ranges[at].hi - pfn + 1 &&
	    m.ranges[at].hi - pfn + 1 == rounded && pfn != wanted) {
		/* From a cache, or drained and taken anew: the same. */
		m.ranges[at].state = LIVE;
		m.ranges[at].size = size;
		mark(pfn, m.ranges[at].hi, true);
		sync_cached();
		return;
	}
	len = find_iova(m.iovad, pfn) ? iova_size(find_iova(m.iovad, pfn)) : 0;
	expect(len == size || len == rounded, "%#lx is %lu long, asked for %lu",
	       pfn, len, size);
	if (pfn != wanted) {
		expect(flush, "alloc_iova_fast(%lu, %#lx): %#lx, not %#lx", size,
		       limit, pfn, wanted);
		/* What is at pfn was cached, and is drained if ever. */
		while (at < m.nr && m.ranges[at].lo < pfn + len &&
		       m.ranges[at].state == CACHED)
			list_del_range(at);
		sync_cached();
	}
	if (expect(len && is_free(pfn, pfn + len - 1), "[%#lx, +%lu] is taken",
		   pfn, len))
		list_add_range(pfn, pfn + len - 1, size, LIVE);
}

/* Forget a range that was freed by a way that may cache it. */
static void freed_fast(unsigned int at)
{
	unsigned long pfn = m.ranges[at].lo;

	mark(pfn, m.ranges[at].hi, false);
	m.ranges[at].state = CACHED;
	if (!find_iova(m.iovad, pfn))
		list_del_range(at);
	else
		expect(pfn >= m.cached_from, "%#lx is cached, from %#lx on", pfn,
		       m.cached_from);
}

static void check_cache_from(unsigned long pfn)
{
	iova_cache_from(m.iovad, pfn);
	m.cached_from = pfn;
}

static void check_free(unsigned int at)
{
	if (at >= m.nr || m.ranges[at].state != LIVE)
		return;
	/* Any pfn of it will do. */
	free_iova(m.iovad, m.ranges[at].lo +
		  (m.ranges[at].hi - m.ranges[at].lo) / 2);
	expect(!find_iova(m.iovad, m.ranges[at].lo), "%#lx is not freed",
	       m.ranges[at].lo);
	list_del_range(at);
}

static void check_free_fast(unsigned int at)
{
	if (at >= m.nr || m.ranges[at].state != LIVE || m.ranges[at].tree_only)
		return;
	free_iova_fast(m.iovad, m.ranges[at].lo, m.ranges[at].size);
	freed_fast(at);
}

static void check_find(unsigned long pfn)
{
	unsigned int at = range_at(pfn);
	bool wanted = at < m.nr && m.ranges[at].lo <= pfn;
	struct iova *iova = find_iova(m.iovad, pfn);

	expect(!iova == !wanted, "find_iova(%#lx)", pfn);
	if (iova && wanted)
		expect(iova->pfn_lo == m.ranges[at].lo &&
		       iova->pfn_hi == m.ranges[at].hi,
		       "find_iova(%#lx): [%#lx, %#lx], not [%#lx, %#lx]", pfn,
		       iova->pfn_lo, iova->pfn_hi, m.ranges[at].lo, m.ranges[at].hi);
}

/*
 * Reserve, where nothing but reserved ranges is in the way: to let a live one
 * grow is allowed, but makes its free by size one of another size.
 */
static void check_reserve(unsigned long lo, unsigned long hi)
{
	unsigned int at = range_at(lo), i;

	for (i = at; i < m.nr && m.ranges[i].lo <= hi; i++)
		if (m.ranges[i].state != RESERVED)
			return;
	if (m.nr >= MAX_RANGES - 2)
		return;
	expect(reserve_iova(m.iovad, lo, hi), "reserve_iova(%#lx, %#lx)", lo, hi);
	for (i = at; i < m.nr && m.ranges[i].lo <= hi; i++) {
		if (lo < m.ranges[i].lo) {
			mark(lo, m.ranges[i].lo - 1, true);
			m.ranges[i].lo = lo;
		}
		if (m.ranges[i].hi >= hi)
			return;
		lo = m.ranges[i].hi + 1;
	}
	list_add_range(lo, hi, hi - lo + 1, RESERVED);
}

static void check_unreserve(unsigned int at)
{
	if (at >= m.nr || m.ranges[at].state != RESERVED || m.ranges[at].lo == 0)
		return;
	free_iova(m.iovad, m.ranges[at].lo);
	list_del_range(at);
}

/* A free of a pfn that is not allocated is refused. */
static void check_bad_free(unsigned long pfn)
{
	unsigned int at = range_at(pfn);

	if (at < m.nr && m.ranges[at].lo <= pfn)
		return;
	free_iova(m.iovad, pfn);
	expect_warnings(1, "not allocated");
}

static void check_works(unsigned long advance)
{
	shim_run_works(advance);
	sync_cached();
}

static void check_all(void)
{
	struct iova_stats stats;
	unsigned int i, cached = 0;

	iova_domain_stats(m.iovad, &stats);
	for (i = 0; i < m.nr; i++) {
		cached += m.ranges[i].state == CACHED;
		check_find(m.ranges[i].lo);
		check_find(m.ranges[i].hi);
	}
	expect(stats.counts.ranges == m.nr, "%lu ranges, model has %u",
	       stats.counts.ranges, m.nr);
	expect(stats.all_cached == cached, "%lu cached, model has %u",
	       stats.all_cached, cached);
	expect(gap_tree_verify(&m.iovad->tree), "tree is wrong");
	expect(!shim_warnings(), "warning: %s", shim_last_warning());
}

static void checker_begin(unsigned long start)
{
	memset(&m, 0, sizeof(m));
	m.start = start;
	expect(!iova_cache_get(), "iova_cache_get");
	m.iovad = our_ops.domain_new(4096, start);
	expect(!iova_domain_init_rcaches(m.iovad), "init_rcaches");
}

static void checker_end(void)
{
	check_all();
	our_ops.domain_delete(m.iovad);
	iova_cache_put();
}

#endif
