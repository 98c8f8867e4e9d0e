// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freeing the tables of I/O page tables after a grace period, because lookups and
 * unmaps, which are RCU read-side sections, may still walk them.
 */
#include <linux/export.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "../iommu-pages.h"

static void free_table(struct rcu_head *rcu)
{
	struct page *page = container_of(rcu, struct page, rcu_head);
	unsigned int order = page->index;

	page->index = 0;
	__iommu_free_pages(page, order);
}

/**
 * io_pgtable_put_tables - free tables behind a grace period
 * @list: the tables, by page.lru, which hardware cannot reach any more; empty
 *        when the function returns
 * @order: log2 of the pages of a table
 *
 * Context: any.
 */
void io_pgtable_put_tables(struct iommu_pages_list *list, unsigned int order)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru) {
		page->index = order;
		call_rcu(&page->rcu_head, free_table);
	}
	INIT_LIST_HEAD(list);
}
EXPORT_SYMBOL_GPL(io_pgtable_put_tables);
