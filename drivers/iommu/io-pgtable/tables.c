// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freeing the tables of I/O page tables.
 *
 * Lookups, and unmaps of ranges that are not mapped, may be on their way through
 * a table when it leaves the tree; they are in an RCU read-side section.
 */
#include <linux/export.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "../iommu-pages.h"

/* One head for a list: the pages follow each other by their private words. */
static void free_tables(struct rcu_head *rcu)
{
	struct page *page = container_of(rcu, struct page, rcu_head), *next;

	for (; page; page = next) {
		unsigned int order = page->index;

		next = (struct page *)page_private(page);
		page->index = 0;
		set_page_private(page, 0);
		__iommu_free_pages(page, order);
	}
}

/**
 * io_pgtable_put_tables - free tables behind a grace period
 * @list: the tables, by page.lru, which hardware cannot reach any more; empty
 *        when the function returns
 * @order: log2 of the pages of a table
 *
 * Context: any.
 */
void io_pgtable_put_tables(struct list_head *list, unsigned int order)
{
	struct page *page, *first = NULL;

	list_for_each_entry(page, list, lru) {
		page->index = order;
		set_page_private(page, (unsigned long)first);
		first = page;
	}
	INIT_LIST_HEAD(list);
	if (first)
		call_rcu(&first->rcu_head, free_tables);
}
EXPORT_SYMBOL_GPL(io_pgtable_put_tables);
