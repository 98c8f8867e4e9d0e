// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds a place for a request when the tree has none.
 *
 * Theory of operation
 * ===================
 *
 * 1. The tree knows the holes between its nodes.  More is free: runs without
 *    taken slots, and free slots of other runs, which may be with a CPU.  A
 *    request that finds no hole searches these before it fails.
 *
 * 2. The search goes down from the limit over all nodes, and tracks the stretch
 *    of free pfns above the current node.  A taken range ends the stretch; a
 *    run that is all free does not.  Each stretch is tried, and so are the free
 *    slots of each run.  Nothing changes until a place is found, and then only
 *    the runs there are cut (run.c, 4).  So a request that fails has no effect
 *    on others.
 *
 * 3. The search is exact: a place is a stretch of free pfns, whatever nodes it
 *    spans.
 *
 * 4. The lock is released between steps.  If somebody else took the place that
 *    was found, or freed something while a search found nothing, the search is
 *    repeated, up to %LOOKS times.
 *
 * 5. The domain remembers a request that found nothing.  Until something is
 *    freed, a request that is at least as large, with a limit that is not
 *    higher, fails at once.  Callers sort back the magazines first, so that
 *    every free before the request counts.
 */

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/iova.h>

#include "internal.h"

/* Nodes that are tried in one hold of the lock. */
#define NODES		64U
/* A run counts as so many, because of its bitmap. */
#define RUN_COST	4U
/* Searches for one request. */
#define LOOKS		8U

/**
 * struct request - what is searched for
 * @size: size in granules
 * @align_mask: low bits of the first pfn that must be clear
 * @limit_pfn: highest pfn that it may cover
 * @turn: iova_domain.failed_turn when the search began
 * @first: lowest pfn of the place that was found
 */
struct request {
	unsigned long size;
	unsigned long align_mask;
	unsigned long limit_pfn;
	unsigned long turn;
	unsigned long first;
};

/* Try the free pfns [lo, hi]. */
static bool try_stretch(struct request *req, unsigned long lo, unsigned long hi)
{
	/* lo is 0 if it is the pfn above ~0UL. */
	if (!lo || hi < lo || hi - lo < req->size - 1)
		return false;
	req->first = (hi - (req->size - 1)) & ~req->align_mask;
	return req->first >= lo;
}

/* Locked: the highest node that begins at or below @pfn; NULL for none. */
static struct gap_node *node_below(struct iova_domain *iovad,
				   unsigned long pfn)
{
	struct gap_node *node = gap_tree_find_from(&iovad->tree, pfn);
	struct rb_node *rb;

	if (node && node->first <= pfn)
		return node;
	rb = node ? rb_prev(&node->rb) : rb_last(&iovad->tree.root);
	return rb_entry_safe(rb, struct gap_node, rb);
}

/*
 * Locked: try a node, and the stretch above it, which ends at *hi.  Afterwards
 * *hi is below what is taken of the node.
 */
static bool try_node(struct request *req, struct gap_node *node,
		     unsigned long *hi)
{
	unsigned long first = node->first, last = node->last;
	struct iova_run *run = NULL;

	if (iova_is_run(node)) {
		run = iova_to_run(node);
		if (!iova_run_ends(run, &first, &last))
			return false;
	}
	if (try_stretch(req, last + 1, *hi))
		return true;
	if (run && iova_run_room(run, req->size, req->align_mask,
				 req->limit_pfn, &req->first))
		return true;
	*hi = first ? min(*hi, first - 1) : 0;
	return false;
}

/* Try nodes from *pos downwards; *more remains set if some are left. */
static bool look_on(struct iova_domain *iovad, struct request *req,
		    unsigned long *pos, unsigned long *hi, bool *more)
{
	unsigned int left = NODES;
	struct gap_node *node;

	guard(iova_domain)(iovad);
	node = node_below(iovad, *pos);
	while (node && node->last >= iovad->tree.start) {
		if (left < RUN_COST)
			return false;
		left -= iova_is_run(node) ? RUN_COST : 1;
		if (try_node(req, node, hi))
			return true;
		if (!node->first)
			break;
		*pos = node->first - 1;
		node = rb_entry_safe(rb_prev(&node->rb), struct gap_node, rb);
	}
	*more = false;
	return try_stretch(req, max(iovad->tree.start, 1UL), *hi);
}

static bool look(struct iova_domain *iovad, struct request *req)
{
	unsigned long hi = min(req->limit_pfn, ~0UL - 1), pos = hi;
	bool more = true, found = false;

	while (more && !found)
		found = look_on(iovad, req, &pos, &hi, &more);
	return found;
}

static bool get_spares(struct iova **spares, unsigned int nr)
{
	struct iova *iova;

	for (; nr; nr--) {
		iova = iova_mem_alloc();
		if (!iova)
			return false;
		iova->next = *spares;
		*spares = iova;
	}
	return true;
}

/**
 * struct cutting - a stretch where runs are being cut
 * @first: lowest pfn that may still be in a run
 * @last: highest pfn
 * @spares: preallocated, for ranges that get a node of their own
 * @nr: length of @spares
 */
struct cutting {
	unsigned long first;
	unsigned long last;
	struct iova *spares;
	unsigned int nr;
};

/* Locked: the next run.  Return NULL with *more set if the batch is used up. */
static struct iova_run *next_run(struct iova_domain *iovad,
				 struct cutting *cutting, bool *more)
{
	struct gap_node *node = gap_tree_find_from(&iovad->tree, cutting->first);
	unsigned int left = NODES;

	*more = true;
	for (; node && node->first <= cutting->last; node = gap_tree_next(node)) {
		if (iova_is_run(node))
			return iova_to_run(node);
		if (node->last >= cutting->last)
			break;
		cutting->first = node->last + 1;
		if (!--left)
			return NULL;
	}
	*more = false;
	return NULL;
}

/* Cut or remove one run.  Return whether there may be more to do. */
static bool cut_step(struct iova_domain *iovad, struct cutting *cutting,
		     bool *need_spares)
{
	struct iova_gone gone;
	struct iova_run *run;
	bool more;

	*need_spares = false;
	iova_lock(iovad, &gone);
	run = next_run(iovad, cutting, &more);
	/* The CPU could hand out its slots at any time. */
	iova_run_release(iovad, run);
	if (run && run->nr_free == run->nr_slots)
		iova_run_remove(iovad, run, &gone);
	else if (run && cutting->nr < IOVA_CUT)
		*need_spares = true;
	else if (run)
		cutting->nr -= iova_run_cut(iovad, run, &cutting->spares, &gone);
	iova_unlock(iovad, &gone);
	return more;
}

/*
 * Begin (@by 1) or end (@by -1) to cut runs.  No run is made meanwhile:
 * otherwise another CPU could make one in the same place again and again.
 */
void iova_cutting(struct iova_domain *iovad, int by)
{
	if (!iovad->rcache)
		return;
	guard(iova_domain)(iovad);
	iovad->rcache->nr_cutting += by;
}

/**
 * iova_cut_runs - remove or cut all runs that overlap a stretch of pfns
 * @iovad: the domain, not locked
 * @first: lowest pfn
 * @last: highest pfn, inclusive
 *
 * Between iova_cutting() calls of the caller, no run is made there afterwards.
 *
 * Context: any.
 * Return: 0, or -ENOMEM with some of the runs cut.
 */
int iova_cut_runs(struct iova_domain *iovad, unsigned long first,
		  unsigned long last)
{
	struct cutting cutting = { .first = first, .last = last };
	bool need_spares;
	struct iova *iova;
	int ret = 0;

	if (!iovad->rcache || !READ_ONCE(iovad->rcache->depot))
		return 0;
	iova_cutting(iovad, 1);
	while (!ret && cut_step(iovad, &cutting, &need_spares)) {
		if (!need_spares)
			continue;
		if (get_spares(&cutting.spares, IOVA_CUT - cutting.nr))
			cutting.nr = IOVA_CUT;
		else
			ret = -ENOMEM;
	}
	iova_cutting(iovad, -1);
	while ((iova = cutting.spares)) {
		cutting.spares = iova->next;
		iova_mem_free(iova);
	}
	/* The rest of a run may be all free already. */
	iova_reaper_arm(iovad->rcache);
	return ret;
}

/* Take the place.  Return 0, -ENOMEM, or -EEXIST if somebody else did. */
static int take(struct iova_domain *iovad, const struct request *req,
		struct iova *iova)
{
	unsigned long last = req->first + req->size - 1;
	int ret = iova_cut_runs(iovad, req->first, last);

	if (ret)
		return ret;
	iova->pfn_lo = req->first;
	iova->pfn_hi = last;
	guard(iova_domain)(iovad);
	return iova_tree_insert(iovad, iova);
}

/* Whether this request is known to fail; if not, be ready to remember it. */
static bool fails_again(struct iova_domain *iovad, struct request *req)
{
	guard(iova_domain)(iovad);
	if (req->size >= iovad->failed_size &&
	    req->limit_pfn <= iovad->failed_limit)
		return true;
	/* From here on, a free clears failed_limit. */
	iovad->failed_size = ~0UL;
	iovad->failed_limit = req->limit_pfn;
	req->turn = ++iovad->failed_turn;
	return false;
}

/* Remember a failure.  Return false if something was freed meanwhile. */
static bool remember_failure(struct iova_domain *iovad,
			     const struct request *req)
{
	guard(iova_domain)(iovad);
	/* A later search may have set failed_limit again after that free. */
	if (iovad->failed_turn != req->turn ||
	    iovad->failed_limit != req->limit_pfn)
		return false;
	iovad->failed_size = req->size;
	return true;
}

/* Locked: whether any run below the limit may have free slots. */
static bool anything_free(struct iova_domain *iovad, unsigned long limit_pfn)
{
	unsigned int zone = iova_zone(iovad, limit_pfn) + 1, class;
	struct iova_rcache *rcache = iovad->rcache;
	const struct iova_waiting *waiting;
	const struct iova_cpu *cpu;
	unsigned long sum = 0;

	while (zone-- && rcache->depot)
		for (class = 0; class < IOVA_CLASSES; class++)
			sum |= rcache->depot->free[zone][class];
	if (!sum)
		list_for_each_entry(cpu, &rcache->caches, list)
			for (class = 0; class < IOVA_CLASSES; class++) {
				waiting = &cpu->waiting[class];
				if (waiting->run &&
				    waiting->run->gap.first <= limit_pfn)
					sum |= READ_ONCE(waiting->mask);
			}
	return sum;
}

/*
 * Search the tree and check the runs in one hold of the lock, because slots can
 * move from one to the other.
 */
static bool try_tree(struct iova_domain *iovad, const struct request *req,
		     bool size_aligned, struct iova *iova, bool *look_further)
{
	guard(iova_domain)(iovad);
	if (iova_tree_take(iovad, req->size, req->limit_pfn, size_aligned, 1,
			   iova))
		return true;
	*look_further = anything_free(iovad, req->limit_pfn);
	return false;
}

/**
 * iova_search - allocate a range from all that is free
 * @iovad: the domain, not locked; it has caches
 * @size: size in granules
 * @limit_pfn: highest pfn it may cover
 * @size_aligned: align it to roundup_pow_of_two(@size)
 * @iova: the range; in the tree afterwards if the call succeeds
 *
 * Context: any.
 * Return: its lowest pfn; 0 if there is no place, or without memory to cut
 * runs.
 */
unsigned long iova_search(struct iova_domain *iovad, unsigned long size,
			  unsigned long limit_pfn, bool size_aligned,
			  struct iova *iova)
{
	struct request req = {
		.size = size,
		.align_mask = size_aligned ? gap_align_mask(size) : 0,
		.limit_pfn = limit_pfn,
	};
	unsigned int left = LOOKS;
	int ret = -EEXIST;
	bool look_further;

	while (ret == -EEXIST && left--) {
		if (size_aligned && fails_again(iovad, &req))
			return 0;
		if (try_tree(iovad, &req, size_aligned, iova, &look_further))
			return iova->pfn_lo;
		if (look_further && look(iovad, &req)) {
			ret = take(iovad, &req, iova);
			continue;
		}
		if (!size_aligned || remember_failure(iovad, &req))
			return 0;
		/* Once more, but not for as long as others go on freeing. */
		left -= min(left, LOOKS / 2);
		iova_magazines_sort(iovad);
	}
	return ret ? 0 : req.first;
}

/**
 * iova_has_room - tell want of memory from want of space
 * @iovad: the domain
 * @size: size of a request that failed, in granules; aligned to its size
 * @limit_pfn: highest pfn it was allowed to cover
 *
 * Context: any.
 * Return: false if such a request found no place, and nothing that was freed
 * since has been sorted back; otherwise true.
 */
bool iova_has_room(struct iova_domain *iovad, unsigned long size,
		   unsigned long limit_pfn)
{
	guard(iova_domain)(iovad);
	return size < iovad->failed_size || limit_pfn > iovad->failed_limit;
}
EXPORT_SYMBOL_GPL(iova_has_room);
