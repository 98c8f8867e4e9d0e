// SPDX-License-Identifier: GPL-2.0-only
/* Memory that page tables are made of: see pages.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/bug.h>
#include <linux/list.h>
#include <linux/page.h>
#include <linux/slab.h>

#include "pages.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define poison(p, size)		__asan_poison_memory_region(p, size)
#define unpoison(p, size)	__asan_unpoison_memory_region(p, size)
#endif
#endif
#ifndef poison
#define poison(p, size)		do { } while (0)
#define unpoison(p, size)	do { } while (0)
#endif

#define PHYS_BASE	0x10000000UL
#define NR_PAGES	0x40000UL
#define MAX_ORDER	8
#define BYTES		(NR_PAGES << PAGE_SHIFT)

static char *memory, *copy;
static struct page *pages;
static unsigned long bump;
static struct list_head free_lists[MAX_ORDER + 1];
static long in_use, mapped;
static unsigned long allocated;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static char *reserve(void)
{
	char *p = mmap(NULL, BYTES + (PAGE_SIZE << MAX_ORDER),
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	BUG_ON(p == MAP_FAILED);
	p += -(unsigned long)p & ((PAGE_SIZE << MAX_ORDER) - 1);
	return p;
}

static __attribute__((constructor)) void start(void)
{
	unsigned int order;

	memory = reserve();
	copy = reserve();
	pages = calloc(NR_PAGES, sizeof(*pages));
	BUG_ON(!pages);
	for (order = 0; order <= MAX_ORDER; order++)
		INIT_LIST_HEAD(&free_lists[order]);
	poison(memory, BYTES);
}

u64 shim_virt_to_phys(const void *p)
{
	return (const char *)p - memory + PHYS_BASE;
}

void *shim_phys_to_virt(u64 phys)
{
	return memory + (phys - PHYS_BASE);
}

struct page *shim_page(const void *p)
{
	return pages + ((unsigned long)((const char *)p - memory) >> PAGE_SHIFT);
}

void *shim_page_address(const struct page *page)
{
	return memory + ((page - pages) << PAGE_SHIFT);
}

struct page *shim_alloc_pages(unsigned int order)
{
	void *token = kmalloc(8, GFP_KERNEL);
	size_t size = PAGE_SIZE << order;
	struct page *page;

	if (!token)
		return NULL;
	pthread_mutex_lock(&lock);
	if (!list_empty(&free_lists[order])) {
		page = list_first_entry(&free_lists[order], struct page, lru);
		list_del(&page->lru);
	} else {
		bump = (bump + (1UL << order) - 1) & -(1UL << order);
		page = pages + bump;
		bump += 1UL << order;
		BUG_ON(bump > NR_PAGES);
	}
	in_use += 1L << order;
	allocated += 1UL << order;
	pthread_mutex_unlock(&lock);
	page->token = token;
	page->order = order;
	page->used = true;
	unpoison(shim_page_address(page), size);
	memset(shim_page_address(page), 0, size);
	return page;
}

void shim_free_pages(struct page *page, unsigned int order)
{
	BUG_ON(!page->used || page->order != order || page->dma_mapped);
	page->used = false;
	kfree(page->token);
	poison(shim_page_address(page), PAGE_SIZE << order);
	pthread_mutex_lock(&lock);
	list_add(&page->lru, &free_lists[order]);
	in_use -= 1L << order;
	pthread_mutex_unlock(&lock);
}

u64 shim_dma_map(void *p, size_t size)
{
	struct page *page = shim_page(p);

	BUG_ON(!page->used || page->dma_mapped);
	page->dma_mapped = true;
	__atomic_add_fetch(&mapped, 1, __ATOMIC_RELAXED);
	shim_write_back(p, size);
	return shim_virt_to_phys(p);
}

void shim_dma_unmap(u64 dma, size_t size)
{
	struct page *page = shim_page(shim_phys_to_virt(dma));

	BUG_ON(!page->dma_mapped);
	page->dma_mapped = false;
	__atomic_sub_fetch(&mapped, 1, __ATOMIC_RELAXED);
}

void (*shim_at_write_back)(void);

void shim_write_back(const void *p, size_t size)
{
	static pthread_mutex_t line = PTHREAD_MUTEX_INITIALIZER;
	void (*then)(void) = shim_at_write_back;
	u64 *to = (u64 *)(copy + ((const char *)p - memory));
	const u64 *from = p;

	/* By entries, which others may write; but an older value comes never later. */
	pthread_mutex_lock(&line);
	for (; size; size -= sizeof(*to), to++, from++)
		__atomic_store_n(to, __atomic_load_n(from, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	pthread_mutex_unlock(&line);
	if (then) {
		shim_at_write_back = NULL;
		then();
	}
}

u64 shim_hardware_read(u64 phys, bool coherent)
{
	const char *from = coherent ? memory : copy;

	BUG_ON(phys - PHYS_BASE >= BYTES);
	return __atomic_load_n((const u64 *)(from + (phys - PHYS_BASE)),
			       __ATOMIC_ACQUIRE);
}

static u64 sum_up(u64 sum, const char *from, size_t size)
{
	const u64 *word = (const u64 *)from;

	for (size /= sizeof(*word); size; size--, word++)
		sum = (sum ^ *word) * 0x9e3779b97f4a7c15UL + (sum >> 29);
	return sum;
}

u64 shim_pages_sum(void)
{
	unsigned long i, nr;
	u64 sum = 0;

	for (i = 0; i < bump; i += nr) {
		nr = pages[i].used ? 1UL << pages[i].order : 1;
		if (!pages[i].used)
			continue;
		sum = sum_up(sum + i, memory + (i << PAGE_SHIFT), nr << PAGE_SHIFT);
		sum = sum_up(sum, copy + (i << PAGE_SHIFT), nr << PAGE_SHIFT);
	}
	return sum;
}

long shim_pages(void)
{
	return in_use;
}

unsigned long shim_pages_allocated(void)
{
	return allocated;
}

long shim_pages_mapped(void)
{
	return mapped;
}
