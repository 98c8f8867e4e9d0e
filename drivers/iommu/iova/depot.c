// SPDX-License-Identifier: GPL-2.0-only
/*
 * The depot: magazines that no CPU holds.
 *
 * Theory of operation
 * ===================
 *
 * 1. A CPU that runs out of ranges, or of room for them, exchanges a whole
 *    magazine with the depot of that size class; see Bonwick and Adams,
 *    "Magazines and Vmem" (USENIX 2001), section 3.  One lock for each class
 *    is held for the few instructions that move a magazine.
 *
 * 2. Magazine size.  A magazine and its header fill a power of two of bytes:
 *    16 + 8 * 14 = 128 for the smallest, 16 + 8 * 126 = 1024 for the largest.
 *    A class begins with the smallest, which bounds what idles with each CPU.
 *    When the lock is found held %CONTENDED times, the depot is where CPUs
 *    meet too often, and magazines made from then on are twice as large: each
 *    exchange of these moves twice as much.  This is the paper's section 3.5,
 *    but magazines that are about keep their capacity; each knows its own.
 *
 * 3. Depots are made when a class is first cached, so that an idle domain
 *    pays a pointer.  Nothing here is needed for a free to succeed: without
 *    memory for a depot or a magazine the range goes to the tree.
 *
 *    Operations do not allocate either, because the memory allocator may have
 *    to move a block of pages for the 128 bytes asked of it.  Each depot has
 *    some empty magazines ready; behind those are a few pieces, shared by all
 *    domains, of which a depot or a magazine of the smallest size is made.
 *    The second half of them is for CPUs that have no magazine of the class
 *    yet.  See supply.c for how many are ready and where they come from.
 *
 * 4. Peaks.  What is in flight of a class cannot be counted on the fast path
 *    for free, but at every exchange it is at most what the tree holds less
 *    what the depot holds.  The reaper takes its bound from there.
 *
 * 5. Looking.  A list of the ranges in a depot is made by copying one magazine
 *    at a time and keeping the place in the depot: a magazine that leaves moves
 *    the place on.  So the magazines stay, and the lock is held for the copy of
 *    at most %CAPACITY_MAX words.
 *
 * 6. Giving back.  Ranges are taken out of a magazine and put into the tree in
 *    one hold of the tree's lock, for all caches here and in reaper.c.  So with
 *    that lock held, an unused range is either in a cache or free in the tree.
 *    A CPU's magazine goes to the depot first.  On that way it is in neither
 *    for a moment: a request can miss it then.
 */

#include <linux/iova.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

/* Entries that fill @bytes together with the header. */
#define CAPACITY(bytes)							\
	(((bytes) - sizeof(struct iova_magazine)) / sizeof(unsigned long))
#define CAPACITY_MIN	CAPACITY(128)
#define CAPACITY_MAX	CAPACITY(1024)
/* Waits that say the magazines are too small. */
#define CONTENDED	16
/* Empty magazines ready: at least, and at most in bytes, of each class in use. */
#define READY_MIN	1U
#define READY_BYTES	SZ_32K

/* 8 KiB: a few classes come into use on each CPU of a small machine at once. */
#define PIECES		64U
#define PIECE_BYTES	max(128UL, sizeof(struct iova_depot))

struct piece {
	struct piece *next;
};

static DEFINE_RAW_SPINLOCK(pieces_lock);
static struct piece *pieces;
static unsigned int nr_pieces;

static void put_piece(void *memory)
{
	struct piece *piece = memory;
	unsigned long flags;

	raw_spin_lock_irqsave(&pieces_lock, flags);
	piece->next = pieces;
	pieces = piece;
	WRITE_ONCE(nr_pieces, nr_pieces + 1);
	raw_spin_unlock_irqrestore(&pieces_lock, flags);
}

/* Leave the last @keep to others. */
static void *take_piece(unsigned int keep)
{
	struct piece *piece = NULL;
	unsigned long flags;

	if (READ_ONCE(nr_pieces) <= keep)
		return NULL;
	raw_spin_lock_irqsave(&pieces_lock, flags);
	if (nr_pieces > keep) {
		piece = pieces;
		pieces = piece->next;
		WRITE_ONCE(nr_pieces, nr_pieces - 1);
	}
	raw_spin_unlock_irqrestore(&pieces_lock, flags);
	return piece;
}

/**
 * iova_pieces_fill - have pieces ready for depots and magazines
 *
 * As many as memory allows.
 *
 * Context: process; may sleep.
 */
void iova_pieces_fill(void)
{
	while (READ_ONCE(nr_pieces) < PIECES) {
		void *piece = kmalloc(PIECE_BYTES, IOVA_SUPPLY_GFP);

		if (!piece)
			return;
		put_piece(piece);
	}
}

/**
 * iova_pieces_free - free all pieces; no domain with caches is left
 */
void iova_pieces_free(void)
{
	void *piece;

	while ((piece = take_piece(0)))
		kfree(piece);
}

static unsigned long depot_lock(struct iova_depot *depot)
	__acquires(&depot->lock)
{
	unsigned long flags;

	local_irq_save(flags);
	if (unlikely(!raw_spin_trylock(&depot->lock))) {
		raw_spin_lock(&depot->lock);
		if (++depot->contended >= CONTENDED &&
		    depot->capacity < CAPACITY_MAX) {
			depot->contended = 0;
			WRITE_ONCE(depot->capacity,
				   CAPACITY((depot->capacity + 2) * 2 *
					    sizeof(unsigned long)));
		}
	}
	return flags;
}

static void depot_unlock(struct iova_depot *depot, unsigned long flags)
	__releases(&depot->lock)
{
	raw_spin_unlock(&depot->lock);
	local_irq_restore(flags);
}

/**
 * iova_depot_make - get the depot of a class, making it when there is none
 * @rcache: caches of a domain
 * @class: the class
 *
 * Context: any; not with the lock of a depot or iova_domain.lock held.
 * Return: the depot, %NULL when no memory is ready for it.
 */
struct iova_depot *iova_depot_make(struct iova_rcache *rcache,
				   unsigned int class)
{
	struct iova_depot *depot = READ_ONCE(rcache->depots[class]), *other;

	if (depot)
		return depot;
	depot = take_piece(0);
	if (!depot)
		return NULL;
	*depot = (struct iova_depot){ .capacity = CAPACITY_MIN, .goal = READY_MIN };
	raw_spin_lock_init(&depot->lock);
	other = cmpxchg(&rcache->depots[class], NULL, depot);
	if (other) {
		put_piece(depot);
		return other;
	}
	return depot;
}

static unsigned int magazine_bytes(unsigned int capacity)
{
	return sizeof(struct iova_magazine) + capacity * sizeof(unsigned long);
}

static void magazine_init(struct iova_magazine *mag, unsigned int capacity)
{
	mag->next = NULL;
	mag->count = 0;
	mag->capacity = capacity;
}

static void note_peak(struct iova_rcache *rcache, unsigned int class,
		      struct iova_depot *depot)
{
	unsigned long nodes = READ_ONCE(rcache->nodes[class]);

	if (nodes > depot->cached && nodes - depot->cached > depot->peak)
		WRITE_ONCE(depot->peak, nodes - depot->cached);
}

static struct iova_magazine *pop_full(struct iova_depot *depot)
{
	struct iova_magazine *mag = depot->full;

	if (mag) {
		WRITE_ONCE(depot->full, mag->next);
		WRITE_ONCE(depot->cached, depot->cached - mag->count);
		if (unlikely(depot->look == mag))
			depot->look = mag->next;
		mag->next = NULL;
	}
	return mag;
}

/**
 * iova_depot_get_full - take a magazine with ranges in it
 * @rcache: caches of a domain
 * @class: the class
 *
 * Context: any; not with iova_domain.lock held.
 * Return: the magazine, %NULL when there is none.
 */
struct iova_magazine *iova_depot_get_full(struct iova_rcache *rcache,
					  unsigned int class)
{
	struct iova_depot *depot = READ_ONCE(rcache->depots[class]);
	struct iova_magazine *mag;
	unsigned long flags;

	if (!depot || !READ_ONCE(depot->full))
		return NULL;
	flags = depot_lock(depot);
	mag = pop_full(depot);
	note_peak(rcache, class, depot);
	depot_unlock(depot, flags);
	return mag;
}

static void push_empty(struct iova_depot *depot, struct iova_magazine *mag)
{
	mag->next = depot->empty;
	WRITE_ONCE(depot->empty, mag);
	depot->nr_empty++;
}

static struct iova_magazine *pop_empty(struct iova_depot *depot)
{
	struct iova_magazine *mag = depot->empty;

	if (mag) {
		WRITE_ONCE(depot->empty, mag->next);
		depot->nr_empty--;
		depot->least_empty = min(depot->least_empty, depot->nr_empty);
		mag->next = NULL;
	}
	return mag;
}

/* A magazine is wanted, and there is no empty one: make one of a piece. */
static struct iova_magazine *make_empty(struct iova_depot *depot, bool first)
{
	struct iova_magazine *mag = take_piece(first ? 0 : PIECES / 2);

	depot->lacking += mag ? CAPACITY_MIN : 1;
	if (mag)
		magazine_init(mag, CAPACITY_MIN);
	return mag;
}

static bool runs_low(const struct iova_depot *depot)
{
	return 2 * depot->nr_empty < depot->goal;
}

/**
 * iova_depot_get_empty - take a magazine with nothing in it
 * @rcache: caches of a domain
 * @class: the class
 * @first: whether the CPU has no magazine of the class yet
 *
 * Context: any; not with iova_domain.lock held.
 * Return: the magazine, %NULL when none is ready.
 */
struct iova_magazine *iova_depot_get_empty(struct iova_rcache *rcache,
					   unsigned int class, bool first)
{
	struct iova_depot *depot = iova_depot_make(rcache, class);
	struct iova_magazine *mag = NULL;
	unsigned long flags;
	bool low = true;

	if (depot) {
		flags = depot_lock(depot);
		mag = pop_empty(depot) ?: make_empty(depot, first);
		low = runs_low(depot);
		depot_unlock(depot, flags);
	}
	if (low)
		iova_supply_want(rcache->iovad);
	return mag;
}

/**
 * iova_depot_put - give a magazine to the depot
 * @rcache: caches of a domain
 * @class: the class; its depot exists
 * @mag: the magazine, full or empty
 *
 * Context: any; not with iova_domain.lock held.
 */
void iova_depot_put(struct iova_rcache *rcache, unsigned int class,
		    struct iova_magazine *mag)
{
	struct iova_depot *depot = READ_ONCE(rcache->depots[class]);
	unsigned long flags = depot_lock(depot);

	if (mag->count) {
		note_peak(rcache, class, depot);
		mag->next = depot->full;
		WRITE_ONCE(depot->full, mag);
		WRITE_ONCE(depot->cached, depot->cached + mag->count);
	} else {
		push_empty(depot, mag);
	}
	depot_unlock(depot, flags);
}

/**
 * iova_depot_put_cpu - give the depot all that a CPU has of a class
 * @rcache: caches of a domain
 * @class: the class
 * @cpu: the CPU, possibly offline
 *
 * Context: any; no lock of the allocator held.
 * Return: the number of ranges.
 */
unsigned long iova_depot_put_cpu(struct iova_rcache *rcache, unsigned int class,
				 unsigned int cpu)
{
	struct iova_cpu_cache *cache = per_cpu_ptr(rcache->cpus, cpu);
	unsigned long flags, ranges = 0;
	struct iova_magazine *mag;

	if (!READ_ONCE(cache->loaded[class]))
		return 0;
	local_irq_save(flags);
	iova_cache_lock(cache);
	while ((mag = cache->loaded[class])) {
		WRITE_ONCE(cache->loaded[class], mag->next);
		ranges += mag->count;
		iova_depot_put(rcache, class, mag);
	}
	iova_cache_unlock(cache);
	local_irq_restore(flags);
	return ranges;
}

/*
 * Take up to %IOVA_BATCH of @most ranges out of the magazine on top, and that
 * out of the depot when it is @emptied.
 */
static unsigned int take_batch(struct iova_depot *depot, unsigned long most,
			       unsigned long *pfns,
			       struct iova_magazine **emptied)
{
	unsigned long flags = depot_lock(depot);
	struct iova_magazine *mag = depot->full;
	unsigned int nr = 0;

	if (mag) {
		nr = min3((unsigned long)mag->count, most,
			  (unsigned long)IOVA_BATCH);
		mag->count -= nr;
		WRITE_ONCE(depot->cached, depot->cached - nr);
		memcpy(pfns, mag->pfns + mag->count, nr * sizeof(*pfns));
		if (!mag->count)
			*emptied = pop_full(depot);
	}
	depot_unlock(depot, flags);
	return nr;
}

static unsigned int return_batch(struct iova_rcache *rcache, unsigned int class,
				 unsigned long most)
{
	struct iova_magazine *emptied = NULL;
	unsigned long pfns[IOVA_BATCH];
	struct iova_tree_hold hold;
	unsigned int nr;

	iova_tree_lock(rcache->iovad, &hold);
	nr = take_batch(READ_ONCE(rcache->depots[class]), most, pfns, &emptied);
	iova_tree_return(rcache->iovad, &hold, class, pfns, nr);
	kfree(emptied);
	return nr;
}

/**
 * iova_depot_return - give ranges of a depot back to the tree
 * @rcache: caches of a domain
 * @class: the class; its depot exists
 * @most: how many, if there are as many
 *
 * Context: any; no lock of the allocator held.
 * Return: the number of ranges.
 */
unsigned long iova_depot_return(struct iova_rcache *rcache, unsigned int class,
				unsigned long most)
{
	unsigned long left = most;
	unsigned int nr;

	while (left && (nr = return_batch(rcache, class, left)))
		left -= nr;
	return most - left;
}

/**
 * iova_depot_drain - give all that a depot holds back
 * @rcache: caches of a domain
 * @class: the class
 *
 * What is put into it meanwhile may stay, or stay instead.
 *
 * Context: any; no lock of the allocator held.
 * Return: the number of ranges.
 */
unsigned long iova_depot_drain(struct iova_rcache *rcache, unsigned int class)
{
	struct iova_depot *depot = READ_ONCE(rcache->depots[class]);
	struct iova_magazine *empty, *mag;
	unsigned long flags;

	if (!depot || (!READ_ONCE(depot->full) && !READ_ONCE(depot->empty)))
		return 0;
	flags = depot_lock(depot);
	empty = depot->empty;
	WRITE_ONCE(depot->empty, NULL);
	depot->nr_empty = 0;
	depot_unlock(depot, flags);

	while ((mag = empty)) {
		empty = mag->next;
		kfree(mag);
	}
	return iova_depot_return(rcache, class, READ_ONCE(depot->cached));
}

/**
 * iova_depot_look - copy the ranges of a full magazine
 * @depot: the depot
 * @restart: that on the top, else the one below the last that was copied
 * @pfns: where the lowest pfn of each goes
 * @room: how many there is room for, at least 1; what is more is left out
 *
 * A magazine that is put into the depot after the restart is not seen.
 *
 * Context: any; no lock of the allocator held. One caller at a time.
 * Return: how many were copied, 0 when there is no such magazine.
 */
unsigned long iova_depot_look(struct iova_depot *depot, bool restart,
			      unsigned long *pfns, unsigned long room)
{
	unsigned long flags = depot_lock(depot), nr = 0;
	struct iova_magazine *mag;

	mag = restart ? depot->full : depot->look;
	if (mag) {
		nr = min_t(unsigned long, mag->count, room);
		memcpy(pfns, mag->pfns, nr * sizeof(*pfns));
		depot->look = mag->next;
	}
	depot_unlock(depot, flags);
	return nr;
}

/**
 * iova_depots_destroy - free all depots of a domain, with what they hold
 * @rcache: caches of a domain that nobody uses any more
 *
 * The ranges stay in the tree, which is about to go.
 */
void iova_depots_destroy(struct iova_rcache *rcache)
{
	unsigned int class;

	for (class = 0; class < IOVA_CLASSES; class++) {
		struct iova_depot *depot = rcache->depots[class];
		struct iova_magazine *mag;

		if (!depot)
			continue;
		while ((mag = depot->full)) {
			depot->full = mag->next;
			kfree(mag);
		}
		while ((mag = depot->empty)) {
			depot->empty = mag->next;
			kfree(mag);
		}
		kfree(depot);
		rcache->depots[class] = NULL;
	}
}

/* How many magazines to add, and of which capacity. */
static unsigned int plan_supply(struct iova_depot *depot, bool again,
				unsigned int *capacity)
{
	unsigned int goal = depot->goal;

	if (runs_low(depot)) {
		if (again)
			goal *= 2;
		goal += depot->lacking / depot->capacity;
		depot->goal = min_t(unsigned int, goal,
				    READY_BYTES / magazine_bytes(depot->capacity));
	}
	depot->lacking = 0;
	*capacity = depot->capacity;
	return depot->goal - min(depot->goal, depot->nr_empty);
}

/**
 * iova_depot_fill - have empty magazines ready
 * @rcache: caches of a domain
 * @class: the class; its depot exists
 * @again: the last time was not long ago, so it was too few
 *
 * As many as memory allows.
 *
 * Context: process; may sleep.
 */
void iova_depot_fill(struct iova_rcache *rcache, unsigned int class, bool again)
{
	struct iova_depot *depot = READ_ONCE(rcache->depots[class]);
	unsigned long flags = depot_lock(depot);
	unsigned int capacity, nr = plan_supply(depot, again, &capacity);

	depot_unlock(depot, flags);
	while (nr--) {
		struct iova_magazine *mag = kmalloc(magazine_bytes(capacity),
						    IOVA_SUPPLY_GFP);

		if (!mag)
			return;
		magazine_init(mag, capacity);
		iova_depot_put(rcache, class, mag);
	}
}

/**
 * iova_depot_trim - free empty magazines that nobody needed for a window
 * @depot: the depot
 *
 * Once in a window.
 *
 * Context: any; no lock of the allocator held.
 */
void iova_depot_trim(struct iova_depot *depot)
{
	unsigned long flags = depot_lock(depot);
	unsigned int idle = min(depot->least_empty, depot->nr_empty);
	struct iova_magazine *mag;

	depot->goal = max(depot->goal - min(depot->goal, idle), READY_MIN);
	if (!depot->peak && !depot->old_peak)
		depot->goal = READY_MIN;
	idle = min(idle, depot->nr_empty - min(depot->nr_empty, depot->goal));
	depot->least_empty = depot->nr_empty - idle;
	depot_unlock(depot, flags);

	while (idle--) {
		flags = depot_lock(depot);
		mag = pop_empty(depot);
		depot_unlock(depot, flags);
		kfree(mag);
	}
}
