/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of drivers/iommu/dmamap/flush_queue.c: CPUs that unmap, the timer that
 * flushes, and the work that frees. CPU 0 is isolated.
 *
 * An entry is a bit, and a set of entries is a byte. Checked for all
 * interleavings:
 *
 * - nothing is freed while the IOMMU may still translate it;
 * - what a CPU unmaps is flushed, or a timer that will flush it is armed, before
 *   the unmap returns, whether the work gets to run or not (the isolated CPU
 *   needs the work to arm the timer);
 * - when nothing runs any more, nothing waits and no translation is left.
 *
 * Weak ordering: a CPU may load @armed at any point after it has locked its
 * ring, before or after @started. A reader without the lock may see an entry
 * later than that.
 *
 * Each macro below breaks one rule, and the model has to notice it:
 *
 * NO_REARM	the work does not arm if it leaves something in a ring
 * PEEK		the work skips rings that look empty without the lock
 * LATE_CLEAR	the timer clears @armed after its flush
 * EARLY_DONE	an entry is done if a flush finished that began before it
 * EARLY_COUNT	a CPU reads @started before it clears the PTE
 * NO_FLUSH	the work frees what the isolated CPU queued, and arms no timer
 */

#define CPUS	2
#define ENTRIES	3

/* CPU 0 unmaps entry 0, CPU 1 unmaps entries 1 and 2; a ring has one entry. */
#define ring_of(cpu)	(1 + 5 * (cpu))

byte started, finished;
bool armed, timer_pending, drain_pending;
bool locked[CPUS];
byte cleared;		/* PTEs */
byte stale;		/* cleared, and the IOMMU may still translate them */
byte queued;		/* entries of all rings, as their locks protect them */
byte seen;		/* the same for a reader without the lock */
byte counts[ENTRIES];	/* fq_entry.started */
byte caught;		/* cleared before some flush began */
byte due;		/* flushes of timers to come */

inline lock(cpu)
{
	atomic { !locked[cpu] -> locked[cpu] = true }
}

inline unlock(cpu)
{
	locked[cpu] = false
}

/* The IOMMU looks at PTEs at some time between the two counts. */
inline flush(catch, timers)
{
	started++;
	d_step { catch = cleared; caught = caught | catch; due = due - timers };
	d_step { stale = stale & ~catch; catch = 0 };
	finished++;
	assert(started < 40)
}

/* Free what is done; @taken is the set of it. */
inline reap(cpu, entry, taken)
{
	lock(cpu);
	d_step {
		taken = 0;
		entry = 0;
		do
		:: entry < ENTRIES ->
			if
			:: (queued & ring_of(cpu) & (1 << entry)) &&
#ifdef EARLY_DONE
			   finished >= counts[entry] ->
#else
			   finished > counts[entry] ->
#endif
				taken = taken | (1 << entry)
			:: else
			fi;
			entry++
		:: else -> break
		od;
		queued = queued & ~taken;
		seen = seen & ~taken;
		entry = 0
	};
	unlock(cpu);
	assert(!(stale & taken))
}

inline start_timer()
{
	if
	:: d_step { !armed -> armed = true; due++ };
		timer_pending = true
	:: else
	fi
}

proctype unmapper(byte cpu)
{
	byte mine, one, at, taken, catch, count, entry;
	bool was_armed, loaded;

	do
	:: mine <= cpu ->
		at = cpu + mine;
		one = 1 << at;
#ifdef EARLY_COUNT
		count = started;
#endif
		d_step { cleared = cleared | one; stale = stale | one };
		lock(cpu);
		do
		:: (queued & ring_of(cpu)) != 0 ->
			unlock(cpu);
			reap(cpu, entry, taken);
			if
			:: taken == 0 -> flush(catch, 0)
			:: else
			fi;
			lock(cpu)
		:: else -> break
		od;

		loaded = false;
		if
		:: d_step { was_armed = armed; loaded = true }
		:: skip
		fi;
#ifndef EARLY_COUNT
		count = started;
#endif
		d_step {
			counts[at] = count;
			count = 0;
			queued = queued | one
		};
		if
		:: seen = seen | one
		:: skip
		fi;
		unlock(cpu);
		if
		:: !loaded -> was_armed = armed
		:: else
		fi;
		seen = seen | (queued & one);
		if
		:: was_armed
		:: !was_armed && cpu == 0 -> drain_pending = true
		:: !was_armed && cpu != 0 -> start_timer()
		fi;
		assert(due || (caught & one) || (!was_armed && cpu == 0));
		mine++
	:: else -> break
	od
}

active proctype timer()
{
	byte catch;

end:	do
	:: timer_pending ->
		timer_pending = false;
#ifndef LATE_CLEAR
		armed = false;
#endif
		flush(catch, 1);
#ifdef LATE_CLEAR
		armed = false;
#endif
		drain_pending = true
	od
}

active proctype drain()
{
	byte cpu, taken, entry, left;

end:	do
	:: drain_pending ->
		drain_pending = false;
		left = 0;
		cpu = 0;
		do
		:: cpu < CPUS ->
#ifdef PEEK
			if
			:: seen & ring_of(cpu) ->
				reap(cpu, entry, taken);
				left = left | (queued & ring_of(cpu))
			:: else
			fi;
#else
			reap(cpu, entry, taken);
			left = left | (queued & ring_of(cpu));
#endif
			cpu++
		:: else -> break
		od;
		if
#ifdef NO_FLUSH
		:: left & ~ring_of(0) -> start_timer()
#elif !defined(NO_REARM)
		:: left -> start_timer()
#endif
		:: else
		fi
	od
}

init
{
	atomic { run unmapper(0); run unmapper(1) };
	timeout -> assert(!queued && !stale)
}
