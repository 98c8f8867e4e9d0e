// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: records of mappings.
 *
 * 1. The records of a domain are allocated at once when it gets its sanitizer, so
 *    that a mapping needs no memory for them.  A tree has them by address.
 * 2. A record is unused, live, quarantined or freed.  The last one describes a
 *    range that may be in use again without a record; a new record replaces it.
 * 3. If no record is unused, the oldest freed one is dropped.  If there is none,
 *    the mapping has no record.
 */

#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include "sanitize.h"

/* Entries of a stack */
#define STACK_DEPTH	16
/* Records that a search for a live neighbour looks at, in a hard interrupt */
#define LOOK_FAR	64

/**
 * dmamap_stack - save the stack of the caller of the DMA API
 * Context: any; not under a raw spinlock.
 * Return: its handle; 0 without memory.
 */
noinline depot_stack_handle_t dmamap_stack(void)
{
	unsigned long entries[STACK_DEPTH];
	unsigned int nr;

	/* Without this function and its caller. */
	nr = stack_trace_save(entries, ARRAY_SIZE(entries), 2);
	return stack_depot_save(entries, nr, GFP_NOWAIT | __GFP_NOWARN);
}

/**
 * dmamap_recs_init - allocate the records of a domain
 * @san: its sanitizer
 * @nr: number of records
 * Context: process; may sleep.
 * Return: 0, or -ENOMEM.
 */
int dmamap_recs_init(struct dmamap_san *san, unsigned int nr)
{
	unsigned int i;

	san->recs = kvcalloc(nr, sizeof(*san->recs), GFP_KERNEL);
	if (!san->recs)
		return -ENOMEM;
	san->nr_recs = nr;
	san->tree = RB_ROOT;
	INIT_LIST_HEAD(&san->unused);
	INIT_LIST_HEAD(&san->quarantine);
	INIT_LIST_HEAD(&san->freed);
	for (i = 0; i < nr; i++)
		list_add_tail(&san->recs[i].link, &san->unused);
	return 0;
}

/**
 * dmamap_recs_free - undo dmamap_recs_init()
 * @san: the sanitizer of a domain that is not in use
 * Context: process.
 */
void dmamap_recs_free(struct dmamap_san *san)
{
	kvfree(san->recs);
}

/**
 * dmamap_rec_take - take a record that is not in use
 * @san: the sanitizer; its lock is held
 * Return: the record, in no list and not in the tree; %NULL if all are in use.
 */
struct dmamap_rec *dmamap_rec_take(struct dmamap_san *san)
{
	struct dmamap_rec *rec;

	lockdep_assert_held(&san->lock);
	rec = list_first_entry_or_null(&san->unused, struct dmamap_rec, link);
	if (!rec) {
		rec = list_first_entry_or_null(&san->freed, struct dmamap_rec,
					       link);
		if (!rec) {
			san->unrecorded++;
			return NULL;
		}
		san->dropped++;
		rb_erase(&rec->node, &san->tree);
	}
	list_del(&rec->link);
	return rec;
}

static struct dmamap_rec *to_rec(struct rb_node *node)
{
	return node ? rb_entry(node, struct dmamap_rec, node) : NULL;
}

/* The record that begins highest, at @addr or below. */
static struct dmamap_rec *find_below(struct dmamap_san *san, u64 addr)
{
	struct rb_node *node = san->tree.rb_node;
	struct dmamap_rec *found = NULL;

	while (node) {
		struct dmamap_rec *rec = to_rec(node);

		if (rec->start > addr) {
			node = node->rb_left;
		} else {
			found = rec;
			node = node->rb_right;
		}
	}
	return found;
}

/* Forget what was freed in the range of a new record. */
static void forget_freed(struct dmamap_san *san, dma_addr_t lo, dma_addr_t hi)
{
	struct dmamap_rec *rec = find_below(san, hi + san->cookie->iovad.granule);

	while (rec && dmamap_rec_hi(rec) >= lo) {
		struct dmamap_rec *below = to_rec(rb_prev(&rec->node));

		if (rec->state == DMAMAP_FREED && dmamap_rec_lo(rec) <= hi) {
			rb_erase(&rec->node, &san->tree);
			list_move_tail(&rec->link, &san->unused);
		}
		rec = below;
	}
}

/**
 * dmamap_rec_insert - insert the record of a new mapping
 * @san: the sanitizer; its lock is held
 * @rec: the record, from dmamap_rec_take(); all but @state and the links are set
 */
void dmamap_rec_insert(struct dmamap_san *san, struct dmamap_rec *rec)
{
	struct rb_node **at = &san->tree.rb_node, *parent = NULL;

	lockdep_assert_held(&san->lock);
	forget_freed(san, dmamap_rec_lo(rec), dmamap_rec_hi(rec));
	while (*at) {
		parent = *at;
		at = rec->start < to_rec(parent)->start ? &parent->rb_left :
							  &parent->rb_right;
	}
	rb_link_node(&rec->node, parent, at);
	rb_insert_color(&rec->node, &san->tree);
	rec->state = DMAMAP_LIVE;
	san->live++;
}

/**
 * dmamap_rec_remove - undo dmamap_rec_insert() of a mapping that failed
 * @san: the sanitizer; its lock is held
 * @rec: the record, which is live
 */
void dmamap_rec_remove(struct dmamap_san *san, struct dmamap_rec *rec)
{
	lockdep_assert_held(&san->lock);
	rb_erase(&rec->node, &san->tree);
	list_add(&rec->link, &san->unused);
	san->live--;
}

/**
 * dmamap_rec_live - find a live mapping by its first granule
 * @san: the sanitizer; its lock is held
 * @addr: the IOVA
 * Return: its record, or %NULL.
 */
struct dmamap_rec *dmamap_rec_live(struct dmamap_san *san, dma_addr_t addr)
{
	struct dmamap_rec *rec = find_below(san, addr);

	return rec && rec->start == addr && rec->state == DMAMAP_LIVE ? rec : NULL;
}

static bool is_dead(const struct dmamap_rec *rec)
{
	return rec->state != DMAMAP_LIVE || rec->unmapped;
}

static bool holds(const struct dmamap_rec *rec, u64 addr)
{
	/* After the unmap, the guards are as dead as what was between them. */
	if (is_dead(rec) && rec->state != DMAMAP_FREED)
		return addr >= dmamap_rec_lo(rec) && addr <= dmamap_rec_hi(rec);
	return addr >= rec->start && addr - rec->start < rec->size;
}

/* The next live mapping of the first @LOOK_FAR records. */
static struct dmamap_rec *next_live(struct rb_node *node,
				    struct rb_node *(*next)(const struct rb_node *))
{
	unsigned int left;

	for (left = LOOK_FAR; node && left; node = next(node), left--)
		if (!is_dead(to_rec(node)))
			return to_rec(node);
	return NULL;
}

/**
 * dmamap_recs_look - copy the records at an address
 * @san: the sanitizer; its lock is held
 * @addr: the IOVA
 * @look: filled in: the mapping at @addr, and the live ones below and above
 */
void dmamap_recs_look(struct dmamap_san *san, u64 addr, struct dmamap_look *look)
{
	struct dmamap_rec *below = find_below(san, addr), *above, *at = NULL;

	lockdep_assert_held(&san->lock);
	above = to_rec(below ? rb_next(&below->node) : rb_first(&san->tree));
	if (below && holds(below, addr))
		at = below;
	else if (above && holds(above, addr))
		at = above;
	look->dropped = san->dropped + san->unrecorded;
	look->has_at = at;
	if (at) {
		look->at = *at;
		look->queued = at->state == DMAMAP_QUARANTINED && at->lazy &&
			       !dmamap_fq_flushed(san->cookie->queue, at->started);
	}
	if (below && at == below)
		below = to_rec(rb_prev(&below->node));
	if (above && at == above)
		above = to_rec(rb_next(&above->node));
	below = next_live(below ? &below->node : NULL, rb_prev);
	above = next_live(above ? &above->node : NULL, rb_next);
	look->has_below = below;
	if (below)
		look->below = *below;
	look->has_above = above;
	if (above)
		look->above = *above;
}

/* A stack as one word, the innermost function first. */
static void show_stack(struct seq_file *m, depot_stack_handle_t stack)
{
	unsigned long *entries;
	unsigned int nr = stack ? stack_depot_fetch(stack, &entries) : 0, i;

	if (!nr)
		seq_puts(m, " -");
	for (i = 0; i < nr; i++)
		seq_printf(m, "%c%ps", i ? '<' : ' ', (void *)entries[i]);
}

/**
 * dmamap_recs_show - list the records of a domain
 * @cookie: the cookie of the domain, which stays meanwhile
 * @m: the file
 * Context: process; may sleep.
 */
void dmamap_recs_show(struct iommu_dma_cookie *cookie, struct seq_file *m)
{
	static const char * const states[] = {
		[DMAMAP_LIVE] = "live",
		[DMAMAP_QUARANTINED] = "quarantine",
		[DMAMAP_FREED] = "freed",
	};
	struct dmamap_san *san = dmamap_san_of(cookie);
	struct dmamap_rec rec, *next;
	u64 from = 0;

	while (san) {
		scoped_guard(raw_spinlock_irqsave, &san->lock) {
			next = find_below(san, from);
			if (!next)
				next = to_rec(rb_first(&san->tree));
			else if (next->start < from)
				next = to_rec(rb_next(&next->node));
			if (next)
				rec = *next;
		}
		if (!next)
			return;
		from = rec.start + 1;
		strreplace(rec.device, ' ', '_');
		strreplace(rec.driver, ' ', '_');
		seq_printf(m, "%u %s %s %#llx %zu %s%s %zu %s %llu %llu", cookie->id,
			   rec.device, rec.driver, (u64)rec.start + rec.offset,
			   rec.bytes, rec.prot & IOMMU_READ ? "r" : "",
			   rec.prot & IOMMU_WRITE ? "w" : "", rec.guard,
			   states[rec.state],
			   div_u64(rec.mapped, NSEC_PER_MSEC),
			   div_u64(rec.unmapped, NSEC_PER_MSEC));
		show_stack(m, rec.map_stack);
		show_stack(m, rec.unmap_stack);
		seq_putc(m, '\n');
		cond_resched();
	}
}
