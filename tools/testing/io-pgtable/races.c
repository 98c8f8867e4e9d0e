// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exact unmaps at once: of the same mapping, of parts of it and around it, while
 * the worker gives empty tables back.  Under ThreadSanitizer, and without it, which
 * is faster and so has other interleavings.
 *
 * usage: races [--seconds N]
 *
 * Places are ranges of addresses, beside each other, that owners map and unmap in
 * turn.  What is mapped at a place has one unit, or an even number of them; so an
 * odd number, or another beginning, is wrong whatever is there.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include "shim.h"
#include "bounds.h"

#define OWNERS	2
#define PLACES	96
#define UNITS	8		/* of address space at a place */

enum way { PAGE, LIST_PAGE, PAGES, LIST, GAPS, LARGE, KINDS };

struct place {
	u64 at, unit, phys;
	enum way kind;
	unsigned int count;	/* units mapped, 0: none */
	bool busy;		/* an owner is at it */
} __aligned(64);

static struct place places[PLACES];

/* A race for a mapping, of an owner and its twin. */
static struct {
	struct place *place;	/* the next race */
	bool ready, go, won;
} race __aligned(64);

struct thread {
	unsigned int cpu;
	unsigned long state, steps, refused, stuck, wrong, races, wins;
	const char *bad;
	const struct place *where; /* what is stuck */
	pthread_t id;
};

static bool done, owners_done;

static u64 range_of(const struct place *p)
{
	return p->unit * READ_ONCE(p->count);
}

static void place_them(void)
{
	u64 page = 1UL << t->granule, block = page * (page / 8);
	u64 next = upper() + 8 * block, large = next + 16 * block;
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		struct place *p = &places[i];

		*p = (struct place){ .kind = i % KINDS, .unit = page };
		p->phys = (32 + i * UNITS) * page;
		if (p->kind == LARGE) {
			p->unit = group_size() && i % (2 * KINDS) < KINDS ?
				  group_size() : block;
			p->at = large;
			p->phys = 16 * block;
			large += UNITS * block;
			continue;
		}
		/* Some of them are over the edge of a table. */
		p->at = next - (i % 16 == 3 ? 3 * page : 0);
		next = p->at + UNITS * page;
		if (i % 16 == 2)
			next = (next + block) & -block;
	}
}

static bool map_place(struct thread *me, struct place *p)
{
	unsigned int count = p->kind <= LIST_PAGE ? 1 : 2 + 2 * below(&me->state, 3);
	int prot = RW | IOMMU_OWNED, ret;
	size_t mapped = 0;

	if (p->kind == LARGE && below(&me->state, 2))
		count = 1;
	if (p->kind == LIST || p->kind == LIST_PAGE) {
		struct iommu_run runs[] = {
			{ p->phys, p->unit }, { p->phys, p->unit * (count - 1) },
		};

		ret = ops->map_runs(ops, p->at, runs, count > 1 ? 2 : 1, prot,
				    GFP_ATOMIC, &mapped);
	} else if (p->kind == GAPS) {
		ret = ops->map_pages(ops, p->at, p->phys, p->unit, 1,
				     prot | IOMMU_MORE_AFTER, GFP_ATOMIC, &mapped) ?:
		      ops->map_pages(ops, p->at + (count - 1) * p->unit, p->phys,
				     p->unit, 1, prot | IOMMU_MORE_BEFORE, GFP_ATOMIC,
				     &mapped);
		mapped = ret ? 0 : count * p->unit;
	} else {
		ret = ops->map_pages(ops, p->at, p->phys, p->unit, count, prot,
				     GFP_ATOMIC, &mapped);
	}
	WRITE_ONCE(p->count, count);
	return !ret && mapped == count * p->unit;
}

/* The device writes through the first leaf: hardware sets its dirty bit. */
static void write_through(const struct place *p)
{
	struct translation seen = hardware(p->at);
	u64 *leaf = shim_phys_to_virt(seen.slot), entry = READ_ONCE(*leaf);

	while (!try_cmpxchg64(leaf, &entry, entry | 1UL << 9))
		;
}

static bool is_mapped(const struct place *p)
{
	struct translation first = hardware(p->at);
	struct translation last = hardware(p->at + range_of(p) - 1);

	return first.valid && first.phys == p->phys && last.valid &&
	       ops->iova_to_phys(ops, p->at) == p->phys;
}

/* Its tables may be on their way out. */
static bool is_gone(const struct place *p)
{
	bool gone = true;
	u64 at;

	rcu_read_lock();
	for (at = p->at; at < p->at + range_of(p); at += p->unit)
		gone &= !ops->iova_to_phys(ops, at) && !hardware(at).valid;
	rcu_read_unlock();
	return gone;
}

static bool unmap_place(struct thread *me, const struct place *p)
{
	return unmap_exact(p->at, range_of(p), p->kind == GAPS,
			   below(&me->state, 2));
}

static void check(struct thread *me, bool ok, const char *what)
{
	if (!ok && !me->bad)
		me->bad = what;
}

/* Wait for another thread, which is about to do that, or has yet to get a CPU. */
static void wait_until(const bool *flag)
{
	unsigned int turns = 0;

	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		if (!(++turns % 1000))
			sched_yield();
}

/* Both at once: one of them has it. */
static bool race_for(struct thread *me, struct place *p)
{
	bool won;

	WRITE_ONCE(race.ready, false);
	WRITE_ONCE(race.go, false);
	__atomic_store_n(&race.place, p, __ATOMIC_RELEASE);
	wait_until(&race.ready);
	__atomic_store_n(&race.go, true, __ATOMIC_RELEASE);
	won = unmap_place(me, p);
	while (__atomic_load_n(&race.place, __ATOMIC_ACQUIRE))
		sched_yield();
	me->races++;
	me->wins += won;
	if (won && race.won)
		me->bad = "two unmapped one mapping";
	return won || race.won;
}

/* What is refused although it is right must not stay so. */
static void unmap_once(struct thread *me, struct place *p)
{
	unsigned int left = 20;

	/* One owner has the twin. */
	if (!me->cpu && !below(&me->state, 4) ? race_for(me, p) : unmap_place(me, p))
		return;
	me->refused++;
	while (left-- && !unmap_place(me, p))
		usleep(100000);
	if (!(left + 1)) {
		me->stuck++;
		me->where = p;
	}
}

static void *twin(void *arg)
{
	struct thread *me = arg;

	shim_set_cpu(me->cpu);
	while (!READ_ONCE(owners_done)) {
		struct place *p = __atomic_load_n(&race.place, __ATOMIC_ACQUIRE);

		if (!p) {
			sched_yield();
			continue;
		}
		__atomic_store_n(&race.ready, true, __ATOMIC_RELEASE);
		wait_until(&race.go);
		race.won = unmap_place(me, p);
		__atomic_store_n(&race.place, NULL, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *owner(void *arg)
{
	struct thread *me = arg;

	shim_set_cpu(me->cpu);
	while (!READ_ONCE(done) && !me->stuck && !me->bad) {
		struct place *p = &places[below(&me->state, PLACES)];

		if (__atomic_exchange_n(&p->busy, true, __ATOMIC_ACQUIRE))
			continue;
		me->steps++;
		if (!p->count) {
			check(me, map_place(me, p), "not mapped");
		} else {
			check(me, is_mapped(p), "mapped, and then not");
			if (t->b->kind == SS && below(&me->state, 2))
				write_through(p);
			unmap_once(me, p);
			check(me, me->stuck || is_gone(p), "unmapped, but not all of it");
			WRITE_ONCE(p->count, 0);
		}
		__atomic_store_n(&p->busy, false, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* A range that is wrong, whatever is mapped there. */
static void *wrong(void *arg)
{
	struct thread *me = arg;

	shim_set_cpu(me->cpu);
	while (!READ_ONCE(done)) {
		/* Often at the same place, to meet the others there. */
		struct place *p = &places[below(&me->state, below(&me->state, 2) ?
						PLACES : KINDS)];
		u64 page = 1UL << t->granule, at = p->at, size;
		unsigned int odd = 1 + 2 * below(&me->state, UNITS / 2);

		size = p->unit * (p->kind <= LIST_PAGE ? 1 + odd : odd);
		if (p->kind == LARGE && odd == 1)
			size = page;
		switch (below(&me->state, 4)) {
		case 0:
			at += page * (1 + below(&me->state, UNITS - 1));
			break;
		case 1:
			size += p->unit * 2 * UNITS * below(&me->state, 100);
			break;
		}
		me->steps++;
		me->wrong += unmap_exact(at, size, below(&me->state, 2), true);
		if (!below(&me->state, 64)) {
			struct iommu_mapping found;

			ops->find_mapping(ops, at, &found);
		}
	}
	return NULL;
}

static void *worker(void *arg)
{
	struct thread *me = arg;

	shim_set_cpu(me->cpu);
	while (!READ_ONCE(done))
		if (!shim_run_works(HZ))
			sched_yield();
	return NULL;
}

static void judge(const struct thread *me)
{
	expect(!me->wrong, "%lu wrong unmaps of %lu were done", me->wrong, me->steps);
	expect(!me->bad, "thread %u: %s", me->cpu, me->bad);
	expect(!me->stuck, "cannot be unmapped: %u units, way %d, entry %#lx",
	       me->where->count, me->where->kind, (long)hardware(me->where->at).entry);
	expect(!me->refused, "%lu right unmaps of %lu were refused", me->refused,
	       me->steps);
}

static void all_at_once(unsigned long milliseconds)
{
	static void *(*const roles[])(void *) = {
		owner, owner, wrong, wrong, twin, worker,
	};
	static struct thread threads[ARRAY_SIZE(roles)];
	unsigned long steps = 0, wrongs = 0, refused = 0;
	struct timespec time = {
		milliseconds / 1000, milliseconds % 1000 * 1000000,
	};
	unsigned int i;

	open_table();
	place_them();
	WRITE_ONCE(done, false);
	WRITE_ONCE(owners_done, false);
	for (i = 0; i < ARRAY_SIZE(roles); i++) {
		threads[i] = (struct thread){ .cpu = i, .state = i };
		pthread_create(&threads[i].id, NULL, roles[i], &threads[i]);
	}
	nanosleep(&time, NULL);
	WRITE_ONCE(done, true);
	for (i = 0; i < ARRAY_SIZE(roles); i++) {
		pthread_join(threads[i].id, NULL);
		/* One of them may have waited for its twin. */
		if (i == OWNERS - 1)
			WRITE_ONCE(owners_done, true);
		if (roles[i] == owner)
			steps += threads[i].steps;
		else
			wrongs += threads[i].steps;
	}
	while (i--)
		judge(&threads[i]);
	expect(threads[0].races, "no races");
	/* What is still mapped is as it was. */
	for (i = 0; i < PLACES; i++) {
		if (!places[i].count)
			continue;
		expect(is_mapped(&places[i]), "place %u: not mapped", i);
		expect(unmap_place(&threads[0], &places[i]), "place %u: refused", i);
		expect(is_gone(&places[i]), "place %u: not gone", i);
	}
	printf("# %s: %lu steps of owners, %lu wrong unmaps, %lu races, %lu won\n", t->name,
	       steps, wrongs, threads[0].races, threads[0].wins);
	close_table();
}

int main(int argc, char **argv)
{
	static const char *const chosen[] = {
		"s1 4K 48", "s2 16K 40 contiguous noncoherent", "s1 4K 48 contiguous",
		"vtd ss 48", "vtd ss 57 noncoherent", "vtd fs 47",
	};
	double seconds = 10;
	const struct test_option options[] = {
		{ "seconds", TEST_SECONDS, &seconds },
		{ }
	};
	unsigned int i, c;

	test_options(argc, argv, options, true);
	for (i = 0; i < ARRAY_SIZE(targets); i++)
		for (c = 0; c < ARRAY_SIZE(chosen); c++) {
			if (strcmp(targets[i].name, chosen[c]))
				continue;
			if (!test_wanted(targets[i].name))
				continue;
			t = &targets[i];
			test_begin();
			all_at_once(1000 * seconds / ARRAY_SIZE(chosen));
			test_end(t->name);
		}
	return test_finish(tests_ran, tests_failed);
}
