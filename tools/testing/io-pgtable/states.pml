/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The states of an entry that refers to a table, checked with Spin: every
 * interleaving of two mappers, the owner of the whole range, the worker that
 * gives empty tables back, a lookup and a hardware walker.
 *
 * drivers/iommu/io-pgtable/walk.c has the states in words.  The model is one
 * entry and the tables that it may refer to.  The two mappers have one page each
 * in its range.  When they are done, the owner of the whole range unmaps all of
 * it at once, or maps a block there.  Memory is sequentially consistent; the
 * kernel's barriers are those of cmpxchg().
 *
 * BREAK=1..7 leaves a step out, and an assertion has to fail for each:
 *   1  the worker does not wait for a grace period
 *   2  the worker does not invalidate
 *   3  a mapper replaces a hidden entry by a new table instead of opening it
 *   4  tables are freed without a grace period
 *   5  the worker does not look whether the table that it hides is empty
 *   6  a mapper writes into a closed table
 *   7  the mapper of a block leaves its read-side section before it invalidates
 */
#ifndef BREAK
#define BREAK	0
#endif
/* How often the worker runs. */
#ifndef RUNS
#define RUNS	2
#endif

#define TABLES	3	/* that can be allocated */

/* RCU readers; the mappers are 0 and 1. */
#define WORKER	2
#define OWNER	3
#define LOOKUP	4
#define bit(n)	(1 << (n))

mtype = { HOLE, OPEN, CLOSED, HIDDEN, BLOCK };

/* The entry: read and changed at once. */
mtype state = HOLE;
byte table;			/* that it refers to, or names */

byte cached;			/* what hardware has kept: a table + 1, or 0 */
byte page[TABLES];		/* leaves, a bit for each mapper */
byte allocated;			/* tables so far */
bool dead[TABLES];		/* call_rcu() was called */
bool freed[TABLES];		/* its memory may be something else */
byte mapped;			/* mappers whose map has returned */
bool block;			/* likewise of the block */
byte done;			/* mappers that have finished */

byte readers;			/* who is in a read-side section */
byte worker_waits;		/* for whom of them synchronize_rcu() waits */
byte free_waits[TABLES];	/* and the free of a table */

inline unlock(who)
{
	readers = readers & ~bit(who);
	worker_waits = worker_waits & ~bit(who);
	free_waits[0] = free_waits[0] & ~bit(who);
	free_waits[1] = free_waits[1] & ~bit(who);
	free_waits[2] = free_waits[2] & ~bit(who)
}

inline put_table(t)
{
	assert(!dead[t]);
	dead[t] = true;
	free_waits[t] = (BREAK == 4 -> 0 : readers)
}

/* cmpxchg() of the entry; @ok tells whether it succeeded. */
inline change(from, t, to, ok)
{
	if
	:: state == from && table == t -> state = to; ok = true
	:: else -> ok = false
	fi
}

#define look(who)	readers = readers | bit(who); seen = state; t = table

/* ptw_link() and the write of a leaf; then the unmap of it alone. */
proctype mapper(byte me)
{
	mtype seen;
	byte t;
	bool ok;

	do
	:: true ->
		d_step { look(me) }
		if
		:: seen == OPEN || (BREAK == 6 && seen == CLOSED) -> break
		:: seen == CLOSED && BREAK != 6 ->
			d_step { change(CLOSED, t, OPEN, ok) }
		:: seen == HIDDEN && (BREAK != 3 || allocated == TABLES) ->
			d_step { change(HIDDEN, t, CLOSED, ok) }
		:: seen == HIDDEN && BREAK == 3 && allocated < TABLES ->
			d_step {
				change(HIDDEN, t, OPEN, ok);
				if
				:: ok -> table = allocated; allocated++; put_table(t)
				:: else
				fi
			}
		:: seen == HOLE && allocated < TABLES ->
			atomic {
				if
				:: state == HOLE && allocated < TABLES ->
					table = allocated;
					allocated++;
					/* Whether the walker snoops caches. */
					if
					:: state = OPEN
					:: state = CLOSED
					fi
				:: else
				fi
			}
		:: seen == HOLE && allocated == TABLES ->
			/* No memory */
			d_step { unlock(me); done++ }
			goto out
		fi
	od;
	true;
	/* Down into the table, some time after the look at the entry. */
	d_step {
		assert(!freed[t]);
		page[t] = page[t] | bit(me);
		mapped = mapped | bit(me);
		unlock(me)
	}
	/* The device may use it until here. */
	d_step { mapped = mapped & ~bit(me); look(me); assert(seen == OPEN || seen == CLOSED) }
	d_step {
		assert(!freed[t]);
		page[t] = page[t] & ~bit(me);
		unlock(me);
		done++
	}
out:	skip
}

/* ptw_reclaim_work() */
proctype worker()
{
	mtype seen;
	byte t, runs;
	bool ok;

	do
	:: runs == RUNS -> break
	:: runs < RUNS ->
		runs++;
		/* Close it if it is unused. */
		d_step { look(WORKER) }
		if
		:: seen == OPEN ->
			d_step { assert(!freed[t]); ok = !page[t] }
			if
			:: ok -> d_step { change(OPEN, t, CLOSED, ok) }
			:: else
			fi
		:: else
		fi;
		d_step { unlock(WORKER); worker_waits = (BREAK == 1 -> 0 : readers) }
		worker_waits == 0;
		/* Hide it if it stayed closed and is empty. */
		d_step { look(WORKER); ok = false }
		if
		:: seen == CLOSED ->
			d_step { assert(!freed[t]); ok = !page[t] || BREAK == 5 }
			if
			:: ok -> d_step { change(CLOSED, t, HIDDEN, ok) }
			:: else
			fi
		:: else
		fi;
		d_step { unlock(WORKER) }
		if
		:: ok ->
			d_step { if :: BREAK != 2 -> cached = 0 :: else fi }
			d_step { look(WORKER) }
			if
			:: seen == HIDDEN ->
				d_step {
					change(HIDDEN, t, HOLE, ok);
					if :: ok -> put_table(t) :: else fi
				}
			:: else
			fi;
			d_step { unlock(WORKER) }
		:: else
		fi
	od
}

/* The owner of the whole range, after the mappers. */
proctype owner()
{
	mtype seen;
	byte t;
	bool ok;

	done == 2;
	if
	:: /* ptw_covered(): unmaps all of it */
		d_step { look(OWNER); ok = false }
		if
		:: seen == OPEN || seen == CLOSED ->
			d_step { assert(!freed[t] && !page[t]); change(seen, t, HOLE, ok) }
		:: else
		fi;
		d_step { unlock(OWNER) }
		/* The invalidation of what was unmapped. */
		cached = 0;
		d_step { if :: ok -> put_table(t) :: else fi }
	:: /* ptw_make_room(): maps a block */
		do
		:: true ->
			d_step { look(OWNER) }
			if
			:: seen == OPEN || seen == CLOSED ->
				d_step { assert(!freed[t] && !page[t]);
					 change(seen, t, HIDDEN, ok) }
			:: else -> break
			fi
		od;
		if
		:: BREAK == 7 -> d_step { unlock(OWNER) }
		:: else
		fi;
		cached = 0;
		d_step { look(OWNER) }
		if
		:: seen == HIDDEN ->
			d_step {
				change(HIDDEN, t, HOLE, ok);
				if :: ok -> put_table(t) :: else fi
			}
		:: else
		fi;
		d_step { assert(state == HOLE); state = BLOCK; block = true; unlock(OWNER) }
	fi
}

/* ptw_iova_to_phys(), at any time */
proctype lookup()
{
	mtype seen;
	byte t;

	d_step { look(LOOKUP) }
	d_step {
		assert(seen == HOLE || seen == HIDDEN || seen == BLOCK || !freed[t]);
		unlock(LOOKUP)
	}
}

/*
 * The device may walk at any time, and keep where the entry leads to.  What is
 * mapped must be there, through what it has kept or from the entry.  And memory
 * is freed when nobody is left that a grace period waits for.
 */
active proctype others()
{
	byte at;

end:
	do
	:: d_step { !cached && (state == OPEN || state == CLOSED) -> cached = table + 1 }
	:: d_step {
		mapped ->
		assert(cached || state == OPEN || state == CLOSED);
		at = (cached -> cached - 1 : table);
		assert(!freed[at] && (page[at] & mapped) == mapped);
		at = 0
	   }
	:: d_step { block && cached -> assert(false) }
	:: d_step { cached && freed[cached - 1] -> assert(false) }
	:: d_step { dead[0] && !freed[0] && !free_waits[0] -> freed[0] = true }
	:: d_step { dead[1] && !freed[1] && !free_waits[1] -> freed[1] = true }
	:: d_step { dead[2] && !freed[2] && !free_waits[2] -> freed[2] = true }
	od
}

init
{
	atomic {
		run mapper(0);
		run mapper(1);
		run worker();
		run owner();
		run lookup()
	}
}
