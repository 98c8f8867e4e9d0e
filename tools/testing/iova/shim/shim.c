// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parts of a kernel that an IOVA allocator stands on, in user space.
 *
 * A CPU is a number that a thread takes; what a kernel keeps per CPU is kept
 * per such number, without atomics, as long as one thread is on it.  Memory
 * comes from per-CPU free lists like a slab's, so that a benchmark measures
 * the allocator and not malloc(); under a sanitizer each object comes from
 * malloc(), so that the sanitizer knows when its life ends.
 */

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bug.h>
#include <linux/cache.h>
#include <linux/cpuhotplug.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "shim.h"

#ifdef SHIM_SANITIZED
#define PLAIN_MALLOC	true
#else
#define PLAIN_MALLOC	false
#endif

/* ---- CPUs ---- */

struct shim_cpu shim_cpus[SHIM_CPUS];
__thread struct shim_cpu *shim_this_cpu = &shim_cpus[0];
__thread unsigned long shim_cpu_offset;
unsigned int shim_possible = 4;
unsigned int shim_online_mask = 0xf;
void (*shim_interrupt)(void);

struct cpuhp_callback {
	bool used;
	int (*teardown)(unsigned int cpu, struct hlist_node *node);
	struct hlist_head instances;
};

static struct cpuhp_callback callbacks[SHIM_CPUHP_STATES];
static pthread_mutex_t hotplug = PTHREAD_MUTEX_INITIALIZER;

void shim_set_cpu(unsigned int cpu)
{
	shim_cpus[cpu].id = cpu;
	shim_this_cpu = &shim_cpus[cpu];
	shim_cpu_offset = cpu * SHIM_CPU_UNIT;
}

void shim_set_possible(unsigned int nr)
{
	BUG_ON(nr > SHIM_CPUS);
	shim_possible = nr;
	WRITE_ONCE(shim_online_mask,
		   nr < SHIM_MASK_CPUS ? (1U << nr) - 1 : ~0U);
}

void shim_cpu_down(unsigned int cpu)
{
	struct hlist_node *node, *next;
	unsigned int i;

	BUG_ON(cpu >= SHIM_MASK_CPUS);
	pthread_mutex_lock(&hotplug);
	WRITE_ONCE(shim_online_mask, shim_online_mask & ~(1U << cpu));
	for (i = 0; i < SHIM_CPUHP_STATES; i++)
		hlist_for_each_safe(node, next, &callbacks[i].instances)
			if (callbacks[i].teardown)
				callbacks[i].teardown(cpu, node);
	pthread_mutex_unlock(&hotplug);
}

void shim_cpu_up(unsigned int cpu)
{
	pthread_mutex_lock(&hotplug);
	WRITE_ONCE(shim_online_mask, shim_online_mask | 1U << cpu);
	pthread_mutex_unlock(&hotplug);
}

unsigned long shim_irqs_off(void)
{
	return READ_ONCE(shim_this_cpu->irq) / 2;
}

#ifdef SHIM_TSAN
void shim_pause(void)
{
	static __thread unsigned long random;

	random = random * 6364136223846793005UL + 1442695040888963407UL;
	if (random >> 54)
		return;
	if (random >> 50 & 3)
		sched_yield();
	else
		usleep(1);
}
#endif

/* Tests of page tables have readers, and another one. */
#undef synchronize_rcu
__attribute__((__weak__)) void synchronize_rcu(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu < SHIM_CPUS; cpu++) {
		unsigned long *irq = &shim_cpus[cpu].irq;
		unsigned long was = __atomic_load_n(irq, __ATOMIC_ACQUIRE);

		while (was & 1 && __atomic_load_n(irq, __ATOMIC_ACQUIRE) == was)
			sched_yield();
	}
}

static noinline void spin(raw_spinlock_t *lock)
{
	unsigned int spins = 0;

	do {
		while (READ_ONCE(lock->held)) {
			cpu_relax();
			if (++spins % 128 == 0)
				sched_yield();
		}
	} while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE));
}

static __always_inline void preempt_disable(void)
{
	shim_this_cpu->preempt++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static __always_inline void preempt_enable(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(--shim_this_cpu->preempt < 0))
		shim_bug(__FILE__, __LINE__, "unlocked more often than locked");
}

bool raw_spin_trylock(raw_spinlock_t *lock)
{
	preempt_disable();
	if (likely(!__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE)))
		return true;
	preempt_enable();
	return false;
}

void raw_spin_lock(raw_spinlock_t *lock)
{
	preempt_disable();
	if (unlikely(__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE)))
		spin(lock);
}

void raw_spin_unlock(raw_spinlock_t *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
	preempt_enable();
}

unsigned long shim_spin_lock_irqsave(raw_spinlock_t *lock)
{
	unsigned long flags = shim_irq_save();

	preempt_disable();
	if (unlikely(__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE)))
		spin(lock);
	return flags;
}

void raw_spin_unlock_irqrestore(raw_spinlock_t *lock, unsigned long flags)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
	shim_irq_restore(flags);
	preempt_enable();
}

/* ---- Failures and accounting ---- */

static unsigned long fail_after;	/* 0: not armed */
static bool fail_rest;
static unsigned int fail_one_in;
static unsigned long passed, failures;

struct account {
	long objects;
	long bytes;
} ____cacheline_aligned;

static struct account accounts[SHIM_CPUS];

void shim_fail_nth(unsigned long n, bool all_after)
{
	fail_after = n;
	fail_rest = all_after;
	passed = 0;
}

void shim_fail_random(unsigned int one_in)
{
	WRITE_ONCE(fail_one_in, one_in);
}

unsigned long shim_allocs(void)
{
	return READ_ONCE(passed);
}

unsigned long shim_failures(void)
{
	return READ_ONCE(failures);
}

static noinline bool decide_failure(void)
{
	static __thread unsigned long random;
	unsigned long n = __atomic_add_fetch(&passed, 1, __ATOMIC_RELAXED);
	unsigned int one_in = READ_ONCE(fail_one_in);
	bool fail = fail_after && (n == fail_after ||
				   (fail_rest && n > fail_after));

	random = random * 6364136223846793005UL +
		 1442695040888963407UL * (shim_this_cpu->id + 1);
	if (one_in && (random >> 33) % one_in == 0)
		fail = true;
	if (fail)
		__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	return fail;
}

static __always_inline bool may_fail(void)
{
	if (likely(!fail_after && !READ_ONCE(fail_one_in)))
		return false;
	return decide_failure();
}

static __always_inline void account(long objects, long bytes)
{
	struct account *mine = &accounts[shim_this_cpu->id];

	WRITE_ONCE(mine->objects, READ_ONCE(mine->objects) + objects);
	WRITE_ONCE(mine->bytes, READ_ONCE(mine->bytes) + bytes);
}

long shim_outstanding(void)
{
	long sum = 0;
	int i;

	for (i = 0; i < SHIM_CPUS; i++)
		sum += READ_ONCE(accounts[i].objects);
	return sum;
}

long shim_bytes(void)
{
	long sum = 0;
	int i;

	for (i = 0; i < SHIM_CPUS; i++)
		sum += READ_ONCE(accounts[i].bytes);
	return sum;
}

/* ---- Slab ---- */

#define CHUNK	(256UL << 10)	/* what a cache grows by */
#define SHELF	512		/* objects a CPU keeps before it shares */

struct shelf {
	void **head;
	unsigned int nr;
	long live;
} ____cacheline_aligned;

struct kmem_cache {
	const char *name;
	unsigned int size;
	raw_spinlock_t lock;
	void **shared;
	void **chunks;
	struct shelf shelves[SHIM_CPUS];
};

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*ctor)(void *))
{
	struct kmem_cache *cache;

	if (may_fail())
		return NULL;
	cache = aligned_alloc(SMP_CACHE_BYTES, sizeof(*cache));
	memset(cache, 0, sizeof(*cache));
	cache->name = name;
	/* As a slab with SLAB_HWCACHE_ALIGN: whole lines, or an even share. */
	cache->size = ALIGN(size, size > SMP_CACHE_BYTES / 2 ? SMP_CACHE_BYTES :
							       SMP_CACHE_BYTES / 2);
	account(1, 0);
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	long live = 0;
	void **chunk;
	int i;

	if (!cache)
		return;
	for (i = 0; i < SHIM_CPUS; i++)
		live += cache->shelves[i].live;
	WARN(live, "slab %s destroyed with %ld objects\n", cache->name, live);
	while ((chunk = cache->chunks)) {
		cache->chunks = *chunk;
		free(chunk);
	}
	free(cache);
	account(-1, 0);
}

static noinline void refill(struct kmem_cache *cache, struct shelf *shelf)
{
	unsigned long at;
	void **chunk;

	raw_spin_lock(&cache->lock);
	while (cache->shared && shelf->nr < SHELF / 2) {
		void **object = cache->shared;

		cache->shared = *object;
		*object = shelf->head;
		shelf->head = object;
		shelf->nr++;
	}
	raw_spin_unlock(&cache->lock);
	if (shelf->nr)
		return;

	chunk = aligned_alloc(SMP_CACHE_BYTES, CHUNK);
	for (at = SMP_CACHE_BYTES; at + cache->size <= CHUNK; at += cache->size) {
		void **object = (void **)((char *)chunk + at);

		*object = shelf->head;
		shelf->head = object;
		shelf->nr++;
	}
	raw_spin_lock(&cache->lock);
	*chunk = cache->chunks;
	cache->chunks = chunk;
	raw_spin_unlock(&cache->lock);
}

static noinline void unload(struct kmem_cache *cache, struct shelf *shelf)
{
	raw_spin_lock(&cache->lock);
	while (shelf->nr > SHELF / 2) {
		void **object = shelf->head;

		shelf->head = *object;
		shelf->nr--;
		*object = cache->shared;
		cache->shared = object;
	}
	raw_spin_unlock(&cache->lock);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	struct shelf *shelf = &cache->shelves[shim_this_cpu->id];
	void **object;

	if (may_fail())
		return NULL;
	shelf->live++;
	account(1, cache->size);
	if (PLAIN_MALLOC) {
		object = aligned_alloc(cache->size % SMP_CACHE_BYTES ?
				       SMP_CACHE_BYTES / 2 : SMP_CACHE_BYTES,
				       cache->size);
		memset(object, 0xa5, cache->size);
		return object;
	}
	if (!shelf->head)
		refill(cache, shelf);
	object = shelf->head;
	shelf->head = *object;
	shelf->nr--;
	return object;
}

void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = kmem_cache_alloc(cache, gfp);

	return object ? memset(object, 0, cache->size) : NULL;
}

/*
 * A kernel's kmem_cache_free() takes no NULL: it looks up the slab that the
 * object lies in, and for NULL there is none, so that it faults.  So does this.
 */
__attribute__((no_sanitize("null")))
void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	struct shelf *shelf = &cache->shelves[shim_this_cpu->id];
	void **link = object;

	if (!object)
		(void)*(volatile char *)object;
	shelf->live--;
	account(-1, -(long)cache->size);
	if (PLAIN_MALLOC) {
		free(object);
		return;
	}
	*link = shelf->head;
	shelf->head = link;
	if (++shelf->nr > SHELF)
		unload(cache, shelf);
}

void *kmalloc(size_t size, gfp_t gfp)
{
	void *object;

	if (may_fail())
		return NULL;
	/* Large objects have cache lines of their own. */
	if (size >= SMP_CACHE_BYTES && !PLAIN_MALLOC)
		object = aligned_alloc(SMP_CACHE_BYTES,
				       ALIGN(size, SMP_CACHE_BYTES));
	else
		object = malloc(size);
	if (PLAIN_MALLOC)
		memset(object, 0xa5, size);
	account(1, malloc_usable_size(object));
	return object;
}

void *kzalloc(size_t size, gfp_t gfp)
{
	void *object = kmalloc(size, gfp);

	return object ? memset(object, 0, size) : NULL;
}

void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return kzalloc(n * size, gfp);
}

void kfree(const void *object)
{
	if (!object)
		return;
	account(-1, -(long)malloc_usable_size((void *)object));
	free((void *)object);
}

/* ---- Per-CPU memory ---- */

/*
 * This object is linked last, so the section begins with the static variables
 * and ends with the area.  The copies of what lies s bytes below the area use
 * the last s bytes of each unit of it; the rest of a unit is for allocation.
 */
extern char __start_shim_percpu[], __stop_shim_percpu[];
static __attribute__((section("shim_percpu"), aligned(4096)))
char area[SHIM_CPUS * SHIM_CPU_UNIT];

#define CELL	64UL
static unsigned char cells[SHIM_CPU_UNIT / CELL];	/* length, at the first */
static pthread_mutex_t percpu_lock = PTHREAD_MUTEX_INITIALIZER;

/* Static variables begin with the same value on each CPU. */
static __attribute__((constructor)) void copy_static(void)
{
	unsigned long size = (unsigned long)area - (unsigned long)__start_shim_percpu;
	unsigned int cpu;

	for (cpu = 1; cpu < SHIM_CPUS; cpu++)
		memcpy(shim_offset(&__start_shim_percpu[0], cpu * SHIM_CPU_UNIT),
		       shim_offset(&__start_shim_percpu[0], 0), size);
}

void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp)
{
	unsigned long need = (size + CELL - 1) / CELL, at, cpu;
	unsigned long usable = SHIM_CPU_UNIT -
			       ((unsigned long)area - (unsigned long)__start_shim_percpu);
	char *found = NULL;

	BUG_ON(shim_offset(&area[0], sizeof(area)) != __stop_shim_percpu || need > 255 ||
	       align > CELL);
	if (may_fail())
		return NULL;
	pthread_mutex_lock(&percpu_lock);
	for (at = 0; at + need <= usable / CELL && !found; ) {
		unsigned long i;

		if (cells[at]) {
			at += cells[at];
			continue;
		}
		for (i = 1; i < need && !cells[at + i]; i++)
			;
		if (i >= need)
			found = area + at * CELL;
		else
			at += i;
	}
	if (found)
		cells[at] = need;
	pthread_mutex_unlock(&percpu_lock);
	if (!found)
		return NULL;
	for (cpu = 0; cpu < shim_possible; cpu++)
		memset(found + cpu * SHIM_CPU_UNIT, 0, need * CELL);
	account(1, need * CELL * shim_possible);
	return found;
}

void free_percpu(void *ptr)
{
	unsigned long at = ((char *)ptr - area) / CELL, cpu;

	if (!ptr)
		return;
	for (cpu = 0; cpu < shim_possible; cpu++)
		memset((char *)ptr + cpu * SHIM_CPU_UNIT, 0x5a,
		       cells[at] * CELL);
	account(-1, -(long)(cells[at] * CELL * shim_possible));
	pthread_mutex_lock(&percpu_lock);
	cells[at] = 0;
	pthread_mutex_unlock(&percpu_lock);
}

/* ---- CPU hotplug ---- */

int cpuhp_setup_state_multi(enum cpuhp_state state, const char *name,
			    int (*startup)(unsigned int, struct hlist_node *),
			    int (*teardown)(unsigned int, struct hlist_node *))
{
	if (may_fail())
		return -ENOMEM;
	pthread_mutex_lock(&hotplug);
	BUG_ON(callbacks[state].used);
	callbacks[state].used = true;
	callbacks[state].teardown = teardown;
	INIT_HLIST_HEAD(&callbacks[state].instances);
	pthread_mutex_unlock(&hotplug);
	account(1, 0);
	return 0;
}

void cpuhp_remove_multi_state(enum cpuhp_state state)
{
	pthread_mutex_lock(&hotplug);
	WARN(!hlist_empty(&callbacks[state].instances),
	     "hotplug state removed with instances\n");
	callbacks[state].used = false;
	callbacks[state].teardown = NULL;
	pthread_mutex_unlock(&hotplug);
	account(-1, 0);
}

int cpuhp_state_add_instance_nocalls(enum cpuhp_state state,
				     struct hlist_node *node)
{
	if (may_fail())
		return -ENOMEM;
	pthread_mutex_lock(&hotplug);
	BUG_ON(!callbacks[state].used);
	hlist_add_head(node, &callbacks[state].instances);
	pthread_mutex_unlock(&hotplug);
	account(1, 0);
	return 0;
}

int cpuhp_state_remove_instance_nocalls(enum cpuhp_state state,
					struct hlist_node *node)
{
	pthread_mutex_lock(&hotplug);
	hlist_del(node);
	pthread_mutex_unlock(&hotplug);
	account(-1, 0);
	return 0;
}

/* ---- Work items ---- */

unsigned long shim_jiffies = 1000000;

static struct work_struct *queued, *running;
static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pump_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_done = PTHREAD_COND_INITIALIZER;

void shim_work_init(struct work_struct *work, work_func_t func)
{
	*work = (struct work_struct){ .func = func };
}

/* Called with work_lock held. */
static bool queue_locked(struct work_struct *work, unsigned long delay)
{
	if (work->cancelled || work->pending)
		return false;
	WRITE_ONCE(work->pending, 1);
	work->due = shim_jiffies + delay;
	work->next = queued;
	queued = work;
	return true;
}

bool shim_queue_work(struct work_struct *work, unsigned long delay)
{
	bool new;

	/* As in a kernel, to queue what is queued is one look. */
	if (__atomic_load_n(&work->pending, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&work_lock);
	new = queue_locked(work, delay);
	pthread_mutex_unlock(&work_lock);
	return new;
}

/* Called with work_lock held. */
static bool unqueue(struct work_struct *work)
{
	struct work_struct **link;

	for (link = &queued; *link; link = &(*link)->next) {
		if (*link != work)
			continue;
		*link = work->next;
		return true;
	}
	return false;
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
		      unsigned long delay)
{
	struct work_struct *work = &dwork->work;
	bool was;

	pthread_mutex_lock(&work_lock);
	was = unqueue(work);
	__atomic_store_n(&work->pending, 0, __ATOMIC_RELEASE);
	queue_locked(work, delay);
	pthread_mutex_unlock(&work_lock);
	return was;
}

/* From here on, until it is initialised again, the item is not queued. */
bool disable_work_sync(struct work_struct *work)
{
	bool was = false;

	pthread_mutex_lock(&work_lock);
	WRITE_ONCE(work->cancelled, 1);
	for (;;) {
		was |= unqueue(work);
		if (running != work)
			break;
		pthread_cond_wait(&work_done, &work_lock);
	}
	__atomic_store_n(&work->pending, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&work_lock);
	return was;
}

bool cancel_work_sync(struct work_struct *work)
{
	bool was = disable_work_sync(work);

	pthread_mutex_lock(&work_lock);
	WRITE_ONCE(work->cancelled, 0);
	pthread_mutex_unlock(&work_lock);
	return was;
}

/* Called with work_lock held. */
static void run_unlocked(struct work_struct *work)
{
	__atomic_store_n(&work->pending, 0, __ATOMIC_RELEASE);
	running = work;
	pthread_mutex_unlock(&work_lock);
	work->func(work);
	pthread_mutex_lock(&work_lock);
	running = NULL;
	pthread_cond_broadcast(&work_done);
}

bool flush_work(struct work_struct *work)
{
	bool was;

	pthread_mutex_lock(&pump_lock);
	pthread_mutex_lock(&work_lock);
	was = unqueue(work);
	if (was)
		run_unlocked(work);
	pthread_mutex_unlock(&work_lock);
	pthread_mutex_unlock(&pump_lock);
	return was;
}

unsigned int shim_run_works(unsigned long advance)
{
	struct work_struct *work, *first;
	unsigned int ran = 0;
	unsigned long until;

	pthread_mutex_lock(&pump_lock);
	pthread_mutex_lock(&work_lock);
	until = shim_jiffies + advance;
	for (;;) {
		first = NULL;
		for (work = queued; work; work = work->next)
			if (!first || (long)(work->due - first->due) <= 0)
				first = work;
		if (!first || (long)(first->due - until) > 0)
			break;
		if ((long)(first->due - shim_jiffies) > 0)
			WRITE_ONCE(shim_jiffies, first->due);
		unqueue(first);
		run_unlocked(first);
		ran++;
	}
	WRITE_ONCE(shim_jiffies, until);
	pthread_mutex_unlock(&work_lock);
	pthread_mutex_unlock(&pump_lock);
	return ran;
}

unsigned int shim_queued_works(void)
{
	struct work_struct *work;
	unsigned int nr = 0;

	pthread_mutex_lock(&work_lock);
	for (work = queued; work; work = work->next)
		nr++;
	pthread_mutex_unlock(&work_lock);
	return nr;
}

/* ---- Messages ---- */

bool shim_verbose;

/* There is always one, so that the section exists. */
static __attribute__((section("shim_once"), used)) char no_warning;
extern char __start_shim_once[], __stop_shim_once[];

static unsigned long warnings, messages;
static char last_warning[512];
static pthread_mutex_t message_lock = PTHREAD_MUTEX_INITIALIZER;

void shim_warn(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	pthread_mutex_lock(&message_lock);
	va_start(args, fmt);
	vsnprintf(last_warning, sizeof(last_warning), fmt, args);
	va_end(args);
	__atomic_add_fetch(&warnings, 1, __ATOMIC_RELAXED);
	if (shim_verbose)
		fprintf(stderr, "WARNING: %s:%d: %s", file, line, last_warning);
	pthread_mutex_unlock(&message_lock);
}

void shim_print(const char *fmt, ...)
{
	va_list args;

	__atomic_add_fetch(&messages, 1, __ATOMIC_RELAXED);
	if (!shim_verbose)
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
}

void shim_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "BUG: %s:%d: %s\n", file, line, what);
	abort();
}

unsigned long shim_warnings(void)
{
	return READ_ONCE(warnings);
}

unsigned long shim_messages(void)
{
	return READ_ONCE(messages);
}

const char *shim_last_warning(void)
{
	return warnings ? last_warning : "";
}

void shim_clear_warnings(void)
{
	memset(__start_shim_once, 0, __stop_shim_once - __start_shim_once);
	warnings = 0;
	messages = 0;
	last_warning[0] = '\0';
}
