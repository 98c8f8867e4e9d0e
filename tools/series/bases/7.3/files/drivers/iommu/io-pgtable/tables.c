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

/* The list has done its work when the callback is queued. */
static_assert(offsetof(struct page, rcu_head) ==
	      offsetof(struct ioptdesc, iopt_freelist_elm));

static void free_table(struct rcu_head *rcu)
{
	iommu_free_pages(page_address(container_of(rcu, struct page, rcu_head)));
}

/**
 * io_pgtable_put_tables - free tables behind a grace period
 * @list: the tables, which hardware cannot reach any more; empty when the function
 *        returns
 * @order: log2 of the pages of a table, which the tables themselves know
 *
 * Context: any.
 */
void io_pgtable_put_tables(struct iommu_pages_list *list, unsigned int order)
{
	struct ioptdesc *table, *next;

	list_for_each_entry_safe(table, next, &list->pages, iopt_freelist_elm) {
		struct page *page = folio_page(ioptdesc_folio(table), 0);

		call_rcu(&page->rcu_head, free_table);
	}
	*list = IOMMU_PAGES_LIST_INIT((*list));
}
EXPORT_SYMBOL_GPL(io_pgtable_put_tables);
