// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the IOMMU in software knows: what a device reaches, and what was called.
 */

#include <linux/compiler.h>
#include <linux/highmem.h>
#include <linux/mm.h>

#include "mock_internal.h"

/* The domain a device is attached to; NULL when it maps nothing. */
static struct mock_domain *domain_of(struct device *dev)
{
	struct mock_master *master;

	if (!dev->iommu)
		return NULL;
	master = dev_iommu_priv_get(dev);
	return master ? master->domain : NULL;
}

/**
 * mock_attached - does a device translate its addresses?
 * @dev: the device
 *
 * Context: any.
 */
bool mock_attached(struct device *dev)
{
	return domain_of(dev);
}

/* The lock is held. */
static struct mock_leaf *reached_leaf(struct device *dev, dma_addr_t iova)
{
	struct mock_domain *md = domain_of(dev);
	struct mock_leaf *leaf = md ? mock_find_leaf(md, iova, iova) : NULL;

	return leaf && leaf->usable ? leaf : NULL;
}

/**
 * mock_translate - see what a device reaches at an address
 * @dev: the device
 * @iova: the address
 * @page: where to store what is there, if anything; may be NULL
 *
 * Context: any.
 * Return: how the device reaches it.
 */
enum mock_reach mock_translate(struct device *dev, dma_addr_t iova,
			       struct mock_page *page)
{
	struct mock_iommu *mock = dev_get_platdata(dev);
	enum mock_reach reach = MOCK_NOWHERE;
	struct mock_leaf *leaf;
	unsigned long flags;

	spin_lock_irqsave(&mock->lock, flags);
	leaf = reached_leaf(dev, iova);
	if (leaf) {
		reach = leaf->died ? MOCK_STALE : MOCK_LIVE;
		if (page) {
			page->phys = leaf->phys + (iova - leaf->iova);
			page->prot = leaf->prot & ~MOCK_BOUNDS;
		}
	}
	spin_unlock_irqrestore(&mock->lock, flags);
	return reach;
}

/*
 * Move one byte. A device does not care about what KASAN knows of the memory
 * around a buffer, which shares a granule with it.
 */
static noinline __no_sanitize_address
void move_byte(u8 *memory, u8 *buffer, bool write)
{
	if (write)
		*memory = *buffer;
	else
		*buffer = *memory;
}

static int access(struct device *dev, dma_addr_t iova, void *buffer,
		  size_t size, int need, bool write)
{
	struct mock_page page = { };
	phys_addr_t phys = 0;
	u8 *memory;
	size_t i;

	for (i = 0; i < size; i++, iova++, phys++) {
		/* No page is smaller than this. */
		if (!i || IS_ALIGNED(iova, SZ_512)) {
			if (mock_translate(dev, iova, &page) == MOCK_NOWHERE ||
			    (page.prot & need) != need)
				return -EFAULT;
			phys = page.phys;
		}
		memory = kmap_local_pfn(PHYS_PFN(phys));
		move_byte(memory + offset_in_page(phys), (u8 *)buffer + i,
			  write);
		kunmap_local(memory);
	}
	return 0;
}

/**
 * mock_dma_read - let a device read memory
 * @dev: the device
 * @iova: the address it uses
 * @to: where to store what it reads
 * @size: how many bytes to read
 *
 * Context: any.
 * Return: 0, or -EFAULT when any of the bytes cannot be read.
 */
int mock_dma_read(struct device *dev, dma_addr_t iova, void *to, size_t size)
{
	return access(dev, iova, to, size, IOMMU_READ, false);
}

/**
 * mock_dma_write - let a device write memory
 * @dev: the device
 * @iova: the address it uses
 * @from: what it writes
 * @size: how many bytes to write
 *
 * Context: any.
 * Return: 0, or -EFAULT when any of the bytes cannot be written; those before
 * it are.
 */
int mock_dma_write(struct device *dev, dma_addr_t iova, const void *from,
		   size_t size)
{
	return access(dev, iova, (void *)from, size, IOMMU_WRITE, true);
}

/**
 * mock_peek - read what is mapped at an address, whether the device may or not
 * @dev: the device
 * @iova: the address
 * @to: where to store it
 * @size: how many bytes
 *
 * Context: any.
 * Return: 0, or -EFAULT when any of the bytes is not mapped.
 */
int mock_peek(struct device *dev, dma_addr_t iova, void *to, size_t size)
{
	return access(dev, iova, to, size, 0, false);
}

/**
 * mock_count - how often an operation was called
 * @mock: the IOMMU
 * @op: the operation
 *
 * Context: any.
 * Return: the number of calls.
 */
unsigned long mock_count(struct mock_iommu *mock, enum mock_op op)
{
	unsigned long flags, count;

	spin_lock_irqsave(&mock->lock, flags);
	count = mock->counts[op];
	spin_unlock_irqrestore(&mock->lock, flags);
	return count;
}

/**
 * mock_clear_log - forget the calls that were logged
 * @mock: the IOMMU
 *
 * Context: any.
 */
void mock_clear_log(struct mock_iommu *mock)
{
	unsigned long flags;

	spin_lock_irqsave(&mock->lock, flags);
	mock->nr_log = 0;
	spin_unlock_irqrestore(&mock->lock, flags);
}

/**
 * mock_live_pages - how many pages are mapped for a device
 * @dev: the device
 *
 * A page is of one of the IOMMU's page sizes.
 *
 * Context: any.
 * Return: their number.
 */
unsigned long mock_live_pages(struct device *dev)
{
	struct mock_domain *md = domain_of(dev);

	return md ? READ_ONCE(md->nr_live) : 0;
}

/**
 * mock_live_bytes - how much is mapped for a device
 * @dev: the device
 *
 * Context: any.
 * Return: the number of bytes.
 */
size_t mock_live_bytes(struct device *dev)
{
	struct mock_domain *md = domain_of(dev);

	return md ? READ_ONCE(md->live_bytes) : 0;
}

/**
 * mock_stale_pages - how many pages are unmapped and still reached by a device
 * @dev: the device
 *
 * Context: any.
 * Return: their number.
 */
unsigned long mock_stale_pages(struct device *dev)
{
	struct mock_domain *md = domain_of(dev);

	return md ? READ_ONCE(md->nr_stale) : 0;
}

/* Count the tables that are freed or not, and flushed or not. */
static unsigned int count_tables(struct mock_iommu *mock, bool early)
{
	unsigned int i, nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&mock->lock, flags);
	for (i = 0; i < mock->nr_tables; i++) {
		bool freed = page_count(mock->tables[i]) == 1;

		if (early)
			nr += freed && mock->tables_died[i] > mock->flush_began;
		else
			nr += !freed;
	}
	spin_unlock_irqrestore(&mock->lock, flags);
	return nr;
}

/**
 * mock_tables_kept - how many detached pages of page tables are not yet freed
 * @mock: the IOMMU, with config.tables
 *
 * Pages that are freed behind a grace period count until rcu_barrier().
 *
 * Context: any.
 * Return: their number.
 */
unsigned int mock_tables_kept(struct mock_iommu *mock)
{
	return count_tables(mock, false);
}

/**
 * mock_tables_freed_early - how many were freed before a flush_iotlb_all()
 * @mock: the IOMMU, with config.tables
 *
 * Only for lazy domains. Freed early is a detached page of a page table that
 * was freed before a flush_iotlb_all() that began after it was detached was
 * complete.
 *
 * Context: any.
 * Return: their number.
 */
unsigned int mock_tables_freed_early(struct mock_iommu *mock)
{
	return count_tables(mock, true);
}
