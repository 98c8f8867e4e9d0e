/* SPDX-License-Identifier: GPL-2.0-only */
/* Pages for tables, and the way from each to its struct page. */
#ifndef _SHIM_PGTABLE_MM_H
#define _SHIM_PGTABLE_MM_H

#include <linux/bug.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/page.h>
#include <linux/types.h>

#include "pages.h"

#define PAGE_MASK	(~(PAGE_SIZE - 1))

#define virt_to_phys(p)		shim_virt_to_phys(p)
#define phys_to_virt(phys)	shim_phys_to_virt(phys)
#define __pa(p)			shim_virt_to_phys(p)
#define __va(phys)		shim_phys_to_virt(phys)

#define virt_to_page(p)		shim_page(p)
#define page_address(page)	shim_page_address(page)
#define page_private(page)	((page)->private)
#define set_page_private(page, v)	((page)->private = (v))
#define page_pgdat(page)	NULL
#define alloc_pages_node(nid, gfp, order)	shim_alloc_pages(order)
#define alloc_pages(gfp, order)	shim_alloc_pages(order)
#define __free_pages(page, order)	shim_free_pages(page, order)
#define put_page(page)		shim_free_pages(page, 0)
#define mod_node_page_state(node, item, delta)	((void)(delta))
#define mod_lruvec_page_state(page, item, delta) ((void)(delta))
#define VM_BUG_ON(cond)		BUG_ON(cond)

/* The folio of a page is the page. */
#define virt_to_folio(p)	((struct folio *)shim_page(p))
#define folio_page(folio, n)	(&(folio)->page + (n))
#define folio_address(folio)	shim_page_address(&(folio)->page)
#define folio_order(folio)	((folio)->page.order)
#define folio_nr_pages(folio)	(1UL << folio_order(folio))
#define folio_pgdat(folio)	NULL
#define folio_put(folio)	shim_free_pages(&(folio)->page, folio_order(folio))
#define lruvec_stat_mod_folio(folio, item, delta) ((void)(delta))
#define __folio_alloc_node(gfp, order, nid)				\
	((struct folio *)shim_alloc_pages(order))
#define numa_mem_id()		0

static inline int get_order(unsigned long size)
{
	return size <= PAGE_SIZE ? 0 : ilog2((size - 1) >> PAGE_SHIFT) + 1;
}

#endif
