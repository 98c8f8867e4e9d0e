/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that page tables are made of.
 *
 * It is one range of physical addresses.  A walker that does not snoop caches
 * sees a copy of it, to which the write-backs go.  A page that is free is
 * poisoned under AddressSanitizer.
 */
#ifndef _SHIM_PAGES_H
#define _SHIM_PAGES_H

#include <linux/rcupdate.h>
#include <linux/types.h>

typedef unsigned long pgoff_t;

struct page {
	/* As in the kernel, whose struct ioptdesc overlays it */
	unsigned long flags;
	union {
		struct {
			struct list_head lru;
			void *mapping;
		};
		struct rcu_head rcu_head;
	};
	unsigned long index;
	unsigned long private;
	unsigned int page_type;
	atomic_t _refcount;

	unsigned int order;
	bool used;
	bool dma_mapped;
	void *token;
};

struct folio {
	struct page page;
};

u64 shim_virt_to_phys(const void *p);
void *shim_phys_to_virt(u64 phys);
struct page *shim_page(const void *p);
void *shim_page_address(const struct page *page);
struct page *shim_alloc_pages(unsigned int order);
void shim_free_pages(struct page *page, unsigned int order);

u64 shim_dma_map(void *p, size_t size);
void shim_dma_unmap(u64 dma, size_t size);
void shim_write_back(const void *p, size_t size);
/* What a test has happen at the next write-back, once. */
extern void (*shim_at_write_back)(void);

/* An entry as hardware sees it, through caches or beside them. */
u64 shim_hardware_read(u64 phys, bool coherent);

/*
 * A checksum of all that is in pages in use, and in the copy of them: equal if
 * nothing has changed between two calls.
 */
u64 shim_pages_sum(void);

/* Pages in use; pages allocated, ever; pages mapped for DMA. */
long shim_pages(void);
unsigned long shim_pages_allocated(void);
long shim_pages_mapped(void);

#endif
