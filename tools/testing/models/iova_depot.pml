/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of drivers/iommu/iova: the caches of two CPUs, the runs and the depot,
 * the reaper, and CPU 1 going down and coming back.
 *
 * The space is two places of two slots each, and a set of slots is the bits of a
 * byte. The tree is an array: at each place is a hole, a run, or a large range of
 * both slots. A request is for a slot, for a large range, or for a slot of an odd
 * size, which no run has: it takes a hole, or a free slot of a run, which is mixed
 * from then on, and no CPU's. A CPU frees what any CPU got. Each CPU does a few of
 * these, from one of three states to begin with. Checked for all interleavings:
 *
 * 1. no range is owned twice;
 * 2. a free range is always in reach of a request: when a request with flush
 *    fails, there is no range that was free when it began, and that nobody has
 *    taken since;
 * 3. nothing is lost: when nothing runs any more, and the reaper has taken the
 *    caches and the empty runs, everything is a hole, free in a run, or live;
 * 4. no cache and no run is used once it is freed.
 *
 * What is done under the lock, and seen by nobody without it, is one step with
 * what precedes it. Accesses to masks, rings and pointers to caches, which others
 * see or change without the lock, are steps of their own. Memory is ordered: that
 * the head and the tail of a ring are stored with release is what HEAD_FIRST and
 * TAIL_FIRST are about. A cache may count as idle at any time.
 *
 * Each macro below breaks one rule, and the model has to notice it:
 *
 * NO_WAIT	the reaper drains a cache without a wait for who may be using it
 * EARLY_UNLINK	a cache leaves the list when it is unpublished, not when drained
 * EARLY_DEAD	a CPU's cache is drained as that of a dead CPU while it still runs
 * TWICE	the reaper looks at a cache, and unpublishes what is there later
 * PLAIN_POP	the owner takes a slot from its mask without compare-and-exchange
 * LATE_MASK	a refill stores the mask when it has dropped the lock
 * HEAD_FIRST	the owner of a ring stores the head before the entry
 * TAIL_FIRST	a ring's tail is advanced before its entries are read
 * STALE_NOTE	a free leaves the note that a request failed
 * NOTE_FIRST	a request looks at that note before it has sorted back the rings
 * NOTE_WEAK	a request without flush, which does not look everywhere, leaves one
 * ATTACHED	a run leaves the tree, or is mixed, while a CPU still points to it
 * REMOTE_BASE	who takes a run from a CPU changes the CPU's base as well
 * APART	a run leaves the depot, and in another hold of the lock the tree
 * BLIND	a double free is looked for in the run, but not in CPUs' masks
 */

#define CPUS	2
#define RUNS	2
#define CACHES	2
#ifndef OPS
#define OPS	2		/* of each CPU */
#endif
#define NONE	7

/* What is at a place in the tree */
#define HOLE	0
#define RUN	1
#define LARGE	2
#define MIXED	3

/* A range is 0..3, a slot, or 4..5, a large one. */
#define large(place)	(4 + (place))
#define place_of(range)	((range) < 4 -> (range) / 2 : (range) - 4)
#define slots_of(range)	((range) < 4 -> 1 << (range) : 3 << (2 * ((range) - 4)))
/* The highest of the free slots of a run */
#define top(place, bits)	(2 * (place) + ((bits) >> 1))
#define without_top(bits)	((bits) & 2 -> (bits) & 1 : 0)

typedef cache {
	bool alive, listed;
	byte mask;		/* free slots, which are in no other set */
	byte base, from;	/* the place of these; the CPU's run, or NONE */
	byte head, tail;	/* modulo 4 */
	byte freed[2]
};

cache caches[CACHES];
byte published[CPUS];		/* the CPU's cache, or NONE */
bool irqs_off[CPUS];
bool online = true;		/* CPU 1 */

/* All of these under the lock */
bool locked;
byte node[RUNS];		/* HOLE, RUN, LARGE, MIXED */
byte free[RUNS];		/* of a run: 2 bits, without those in masks */
byte failed;			/* the smallest size that no place was found for */
byte i, j, at, next, last;	/* for who has the lock; 0 otherwise */
byte noted;			/* the same, for NOTE_FIRST */

/* For the checks */
byte busy;			/* slots from alloc until the free is through */
byte live;			/* those that a driver has */
byte kept[CPUS];		/* free since this CPU's request began */

#define attached(place) \
	(caches[0].from == (place) || caches[1].from == (place))
/* A ring with something in it; a run that may leave; one for any CPU */
#define sortable(c)	(caches[c].listed && caches[c].head != caches[c].tail)
#define empty(place)	(node[place] != HOLE && free[place] == 3 && !attached(place))
#define in_depot(place)	(node[place] == RUN && free[place] && !attached(place))

/* All that is inline up to walk() is part of a step. */
inline taken(range)
{
	assert(!(busy & slots_of(range)));
	busy = busy | slots_of(range);
	kept[0] = kept[0] & ~slots_of(range);
	kept[1] = kept[1] & ~slots_of(range)
}

inline returned(range)
{
	busy = busy & ~slots_of(range)
}

inline reset(c)
{
	caches[c].mask = 0;
	caches[c].base = 0;
	caches[c].from = NONE;
	caches[c].head = 0;
	caches[c].tail = 0;
	caches[c].freed[0] = NONE;
	caches[c].freed[1] = NONE
}

/* A free under the lock */
inline give_back(range)
{
	assert(range != NONE);
	if
	:: range < 4 ->
		assert(node[place_of(range)] == RUN || node[place_of(range)] == MIXED);
		assert(!(free[place_of(range)] & (1 << (range % 2))));
		free[place_of(range)] = free[place_of(range)] | (1 << (range % 2))
	:: else ->
		assert(node[place_of(range)] == LARGE);
		node[place_of(range)] = HOLE
	fi;
#ifndef STALE_NOTE
	failed = 0
#endif
}

inline sort_entries(c)
{
	do
	:: next != last ->
		give_back(caches[c].freed[next % 2]);
		caches[c].freed[next % 2] = NONE;
		next = (next + 1) % 4
	:: else -> break
	od
}

/*
 * Sort the ring of @c back into the runs, in two steps: the owner may append
 * between them. The entries themselves it leaves alone until the tail is past them.
 */
inline read_ring(c)
{
	assert(caches[c].alive);
	next = caches[c].tail;
	last = caches[c].head;
#ifdef TAIL_FIRST
	caches[c].tail = last
#else
	sort_entries(c)
#endif
}

inline advance_tail(c)
{
	assert(caches[c].alive);
#ifdef TAIL_FIRST
	sort_entries(c);
#else
	caches[c].tail = last;
#endif
	next = 0;
	last = 0
}

/* Take the slots of @c. The owner may be about to take the same ones. */
inline take_slots(c)
{
	assert(caches[c].alive);
	if
	:: caches[c].from != NONE ->
		assert(node[caches[c].from] == RUN);
		free[caches[c].from] = free[caches[c].from] | caches[c].mask;
		caches[c].mask = 0
	:: else -> assert(!caches[c].mask)
	fi
}

/* For a cache that nobody uses any more, but who has the lock; these are steps. */
inline drain_and_free(c)
{
	d_step { !locked -> locked = true; read_ring(c) };
	d_step {
		advance_tail(c);
		caches[c].listed = false;
		locked = false
	};
	d_step {
		assert(caches[c].alive);
		reset(c);
		caches[c].alive = false;
		c = NONE;
		cpu = 0
	}
}

/*
 * The CPU's run, one of the depot, a hole: one slot is what was asked for, and the
 * others are the CPU's.
 */
inline refill()
{
	at = NONE;
	if
	:: size == 2 || odd ->
		at = (node[1] == HOLE -> 1 : (node[0] == HOLE -> 0 : NONE))
	:: else ->
		if
		:: c != NONE && caches[c].from != NONE ->
			assert(node[caches[c].from] == RUN);
			at = (free[caches[c].from] -> caches[c].from : NONE);
			caches[c].from = at
		:: else
		fi;
		at = (at != NONE -> at :
		     (in_depot(1) && free[1] == 3 -> 1 :
		     (in_depot(0) && free[0] == 3 -> 0 :
		     (in_depot(1) -> 1 :
		     (in_depot(0) -> 0 :
		     (node[1] == HOLE -> 1 :
		     (node[0] == HOLE -> 0 : NONE)))))))
	fi;
	if
	:: at == NONE
	:: at != NONE && size == 2 ->
		node[at] = LARGE;
		range = large(at);
		taken(range)
	:: at != NONE && size == 1 ->
		if
		:: node[at] == HOLE ->
			node[at] = (odd -> MIXED : RUN);
			free[at] = 3
		:: else
		fi;
		range = top(at, free[at]);
		free[at] = without_top(free[at]);
		taken(range);
		if
		:: c != NONE && !odd ->
			assert(caches[c].alive && !caches[c].mask);
			caches[c].from = at;
			caches[c].base = at;
#ifdef LATE_MASK
			bits = free[at];
#else
			caches[c].mask = free[at];
#endif
			free[at] = 0
		:: else
		fi
	fi;
	at = 0
}

/* No CPU is to take slots of the run any more. */
inline detach(place)
{
#ifndef ATTACHED
	j = 0;
	do
	:: j < CACHES ->
#ifdef REMOTE_BASE
		caches[j].base = (caches[j].from == place -> NONE : caches[j].base);
#endif
		caches[j].from = (caches[j].from == place -> NONE : caches[j].from);
		j++
	:: else -> break
	od
#else
	skip
#endif
}

/* From the top, for a place of which all is free: in the run, or at a CPU. */
inline walk()
{
	do
	:: d_step { i > 0 && range == NONE ->
		i--;
		at = (node[i] == RUN || node[i] == MIXED -> free[i] : 0);
		j = 0;
		do
		:: j < CACHES ->
			at = (caches[j].listed && caches[j].from == i ->
			      at | caches[j].mask : at);
			j++
		:: else -> break
		od;
		j = (at == 3 || (size == 1 && at) -> 0 : CACHES);
		at = 0 };
		do
		:: d_step { j < CACHES && !(size == 1 && !odd && free[i]) ->
			if
			:: caches[j].listed && caches[j].from == i -> take_slots(j)
			:: else
			fi;
			j++ }
		:: d_step { j == CACHES || (size == 1 && !odd && free[i]) ->
			if
			:: size == 1 && free[i] ->
				if
				:: odd && node[i] == RUN ->
					detach(i);
					node[i] = MIXED
				:: else
				fi;
				range = top(i, free[i]);
				free[i] = without_top(free[i]);
				taken(range)
			:: size == 2 && free[i] == 3 ->
				detach(i);
				free[i] = 0;
				node[i] = LARGE;
				range = large(i);
				taken(range)
			:: else
			fi;
			j = 0 };
			break
		od
	:: d_step { i == 0 || range != NONE -> i = 0 };
		break
	od
}

#ifdef NOTE_FIRST
#define note	noted
#else
#define note	failed
#endif

/* In all rings, and once more where refill() looks; everywhere if @flush. */
inline look_further()
{
	do
	:: d_step { i < CACHES && sortable(i) -> read_ring(i) };
		d_step { advance_tail(i); i++ }
	:: d_step { i < CACHES && !sortable(i) -> i++ }
	:: d_step { i == CACHES ->
		refill();
		i = (flush && !(note && note <= size) -> RUNS : 0) };
		break
	od;
	walk();
	atomic {
		noted = 0;
		if
		:: range == NONE ->
			assert(!flush || !(size == 1 && kept[cpu]));
			assert(!flush || (kept[cpu] & 3) != 3);
			assert(!flush || (kept[cpu] & 12) != 12);
#ifndef NOTE_WEAK
			failed = (!flush || (failed && failed <= size) -> failed : size)
#else
			failed = (failed && failed <= size -> failed : size)
#endif
		:: else
		fi
	}
}

/* One for this CPU, if there is memory. */
inline create_cache()
{
	c = (!caches[0].alive -> 0 : (!caches[1].alive -> 1 : NONE));
	if
	:: c != NONE ->
		reset(c);
		caches[c].alive = true;
		caches[c].listed = true;
		published[cpu] = c
	:: else
	fi
}

/* The end of an operation */
inline finish()
{
	live = (size && range != NONE -> live | slots_of(range) : live);
	range = NONE;
	c = NONE;
	size = 0;
	flush = false;
	odd = false;
	kept[cpu] = 0;
	irqs_off[cpu] = false
}

inline alloc()
{
	do
	:: d_step { bits ->		/* as the CPU saw them last */
		assert(caches[c].alive);
		if
#ifndef PLAIN_POP
		:: caches[c].mask != bits -> bits = caches[c].mask
#endif
		:: else ->
			range = top(caches[c].base, bits);
			caches[c].mask = without_top(bits);
			taken(range);
			bits = 0
		fi }
	:: d_step { !bits && range != NONE ->
		assert(place_of(range) == caches[c].base);
		finish() };
		break
	:: d_step { !bits && range == NONE && !locked ->
		locked = true;
		c = published[cpu];
		if
		:: c == NONE -> create_cache()
		:: else
		fi;
#ifdef NOTE_FIRST
		noted = failed;
#endif
		refill() };
		if
		:: range == NONE -> look_further()
		:: else
		fi;
#ifdef LATE_MASK
		locked = false;
		atomic {
			if
			:: bits -> caches[c].mask = bits; bits = 0
			:: else
			fi;
			finish()
		};
#else
		d_step { locked = false; finish() };
#endif
		break
	od
}

#define full(c)	((caches[c].head + 4 - caches[c].tail) % 4 == 2)

inline dealloc()
{
	if
	:: d_step { c == NONE && !locked -> give_back(range); returned(range); finish() }
	:: c != NONE ->
		do
		:: d_step { full(c) && !locked -> locked = true; read_ring(c) };
			d_step { advance_tail(c); locked = false }
		:: d_step { !full(c) ->
			assert(caches[c].alive);
#ifndef HEAD_FIRST
			caches[c].freed[caches[c].head % 2] = range
#else
			caches[c].head = (caches[c].head + 1) % 4
#endif
			}; break
		od;
		atomic {
			assert(caches[c].alive);
#ifndef HEAD_FIRST
			caches[c].head = (caches[c].head + 1) % 4;
#else
			caches[c].freed[(caches[c].head + 3) % 2] = range;
#endif
			returned(range);
			finish()
		}
	fi
}

/* Free and not in a ring, where nobody looks at it before the ring is sorted back */
#define in_ring(range)	(caches[0].freed[0] == (range) || caches[0].freed[1] == (range) || \
			 caches[1].freed[0] == (range) || caches[1].freed[1] == (range))
#define in_mask(place, bit) \
	((caches[0].from == (place) && (caches[0].mask & (bit))) || \
	 (caches[1].from == (place) && (caches[1].mask & (bit))))

/* Slot 2 is free, and is freed once more. */
inline double_free()
{
	d_step {
		if
		:: free[1] & 1
#ifndef BLIND
		:: in_mask(1, 1)
#endif
		:: else -> give_back(2)
		fi
	}
}

proctype driver(byte cpu)
{
	byte ops, c = NONE, range = NONE, bits, size;
	bool flush, odd;

	do
	:: atomic { ops < OPS && (cpu == 0 || online) ->
		ops++;
		irqs_off[cpu] = true;
		if
		:: size = 1; flush = true
		:: size = 2; flush = true
		:: cpu == 0 -> size = 1; flush = true; odd = true
		:: cpu == 1 -> size = 1
		:: d_step { (live & 3) && node[0] == LARGE -> range = 4; live = live & ~3 }
		:: d_step { (live & 12) && node[1] == LARGE -> range = 5; live = live & ~12 }
		:: d_step { (live & 1) && node[0] != LARGE -> range = 0; live = live & ~1 }
		:: d_step { (live & 2) && node[0] != LARGE -> range = 1; live = live & ~2 }
		:: d_step { (live & 4) && node[1] != LARGE -> range = 2; live = live & ~4 }
		:: d_step { (live & 8) && node[1] != LARGE -> range = 3; live = live & ~8 }
		fi;
		c = published[cpu];
		kept[cpu] = (size -> 15 & ~busy : 0);
		bits = (size == 1 && c != NONE -> caches[c].mask : 0) };
		if
		:: size -> alloc()
		:: else -> dealloc()
		fi
	:: atomic { ops < OPS && cpu == 0 && !locked && node[1] == RUN &&
		    !(busy & 4) && !in_ring(2) ->
		ops++;
		double_free() }
	:: ops == OPS -> break
	od
}

/*
 * To unpublish a cache, and to let a run leave, takes the lock.  In the same hold
 * the cache loses its slots.
 */
inline unpublish(whose)
{
	d_step {
		!locked && published[whose] != NONE ->
		c = published[whose];
		cpu = whose;
#ifdef TWICE
	};
	d_step {
		!locked ->
#endif
		locked = true;
		published[whose] = NONE
	};
	d_step {
		take_slots(c);
		caches[c].from = NONE;
#ifdef EARLY_UNLINK
		caches[c].listed = false;
#endif
		locked = false
	}
}

proctype reaper()
{
	byte c = NONE, cpu;

end:	do
	:: unpublish(0);
reap:
#ifndef NO_WAIT
		!irqs_off[cpu];
#endif
		drain_and_free(c)
	:: unpublish(1);
		goto reap
	:: d_step { !locked && empty(0) ->
		free[0] = 0; node[0] = HOLE }
	:: d_step { !locked && empty(1) ->
		free[1] = 0;
#ifndef APART
		node[1] = HOLE
	}
#else
	}; d_step { !locked -> node[1] = HOLE }
#endif
	od
}

proctype hotplug()
{
	byte c = NONE, cpu;

#ifndef EARLY_DEAD
	d_step { !irqs_off[1] -> online = false };
#endif
	if
	:: unpublish(1);
		drain_and_free(c)
	:: published[1] == NONE
	fi;
	online = true
}

init
{
	d_step {
		i = 0;
		do
		:: i < CACHES -> reset(i); i++
		:: else -> break
		od;
		i = 0;
		published[0] = NONE;
		published[1] = NONE
	};
	/* A full ring and a large range; a large range; nothing */
	if
	:: d_step {
		node[0] = LARGE; live = 3; busy = 3;
		node[1] = RUN;
		published[1] = 0;
		caches[0].alive = true; caches[0].listed = true;
		caches[0].freed[0] = 2; caches[0].freed[1] = 3;
		caches[0].head = 2 }
	:: d_step { node[1] = LARGE; live = 12; busy = 12 }
	:: skip
	fi;
	atomic { run driver(0); run driver(1); run reaper(); run hotplug() };

	timeout -> d_step {
		assert(!locked && busy == live);
		assert(!caches[0].alive && !caches[1].alive);
		i = 0;
		do
		:: i < RUNS ->
			at = (live >> (2 * i)) & 3;
			assert(at == (node[i] == HOLE -> 0 :
				     (node[i] == LARGE -> 3 : 3 - free[i])));
			assert(node[i] == HOLE || at);
			i++
		:: else -> break
		od
	}
}
