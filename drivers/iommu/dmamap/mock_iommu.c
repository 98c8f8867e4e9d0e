// SPDX-License-Identifier: GPL-2.0-only
/*
 * An IOMMU in software, for tests of the DMA API.
 *
 * Theory of operation
 * ===================
 *
 * 1. Page table.  Each domain keeps its pages in an rbtree by address. A page
 *    is live while it is mapped. An unmap makes it stale: it leaves the page
 *    table but stays in the modelled IOTLB, and in the tree. It goes when an
 *    invalidation has completed that covers all of it and began after the
 *    unmap; mock_iommu.clock orders the two.
 *
 * 2. What no correct caller does is counted, not warned about: mapping where a
 *    page is live (collisions) or where a stale page still translates
 *    (reused), and calls with sizes or addresses that no IOMMU driver would
 *    get from the IOMMU core (strays).
 *
 * 3. An unmap of what is not mapped clears what it finds up to the first hole
 *    and returns how much that was, without a warning.
 *
 * 4. Devices.  A platform device comes to the IOMMU as every other does: the
 *    IOMMU core sees it being added to its bus. A PCI device would be seen by
 *    all that listens on its bus, and what they expect of it is not there; so
 *    it is added without a bus, and its bus is filled in just before it is
 *    shown to the IOMMU core.
 *
 * 5. mock_iommu.lock protects all page tables and counts. No callback is
 *    called and no memory is allocated with it held.
 */

#include <linux/compiler.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci_ids.h>
#include <linux/property.h>
#include <linux/rbtree.h>
#include <linux/slab.h>

#include "../iommu-pages.h"
#include "../iommu-priv.h"
#include "mock_iommu.h"

struct mock_domain {
	struct iommu_domain domain;
	struct mock_iommu *mock;
	struct rb_root pages;
	struct list_head stale;
	unsigned long nr_live;
	unsigned long nr_stale;
	size_t live_bytes;
};

struct mock_leaf {
	struct rb_node node;
	struct list_head stale;	/* in mock_domain.stale, else empty */
	unsigned long iova;
	size_t size;
	phys_addr_t phys;
	int prot;
	u64 died;		/* the clock when it was unmapped; 0 while live */
	bool usable;		/* the device has been told of it */
};

/* What hangs off a device. */
struct mock_device {
	struct list_head link;	/* in mock_iommu.devices */
	struct device *dev;
	bool is_pci;
	bool added;
};

/* dev->iommu->priv */
struct mock_master {
	struct mock_domain *domain;	/* NULL: identity or blocked */
};

static atomic_t mock_ids;

static struct mock_domain *to_mock_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_domain, domain);
}

static struct mock_iommu *mock_of(struct device *dev)
{
	return iommu_get_iommu_dev(dev, struct mock_iommu, iommu);
}

static size_t granule_of(struct iommu_domain *domain)
{
	return domain->pgsize_bitmap & -domain->pgsize_bitmap;
}

/* Count and log a call. The lock is held. */
static void note(struct mock_iommu *mock, enum mock_op op, unsigned long iova,
		 size_t size)
{
	mock->counts[op]++;
	if (mock->nr_log < MOCK_LOG)
		mock->log[mock->nr_log++] = (struct mock_event){
			op, iova, size
		};
}

static unsigned long last_of(const struct mock_leaf *leaf)
{
	return leaf->iova + leaf->size - 1;
}

/* A page that overlaps [first, last]; none is NULL. The lock is held. */
static struct mock_leaf *find_leaf(struct mock_domain *md, unsigned long first,
				   unsigned long last)
{
	struct rb_node *node = md->pages.rb_node;

	while (node) {
		struct mock_leaf *leaf = rb_entry(node, struct mock_leaf, node);

		if (last < leaf->iova)
			node = node->rb_left;
		else if (first > last_of(leaf))
			node = node->rb_right;
		else
			return leaf;
	}
	return NULL;
}

static struct mock_leaf *live_leaf(struct mock_domain *md, unsigned long iova)
{
	struct mock_leaf *leaf = find_leaf(md, iova, iova);

	return leaf && !leaf->died ? leaf : NULL;
}

static bool leaf_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct mock_leaf, node)->iova <
	       rb_entry(b, struct mock_leaf, node)->iova;
}

static void add_leaf(struct mock_domain *md, struct mock_leaf *leaf)
{
	INIT_LIST_HEAD(&leaf->stale);
	rb_add(&leaf->node, &md->pages, leaf_less);
	md->nr_live++;
	md->live_bytes += leaf->size;
}

/* Make a live page stale. */
static void kill_leaf(struct mock_domain *md, struct mock_leaf *leaf)
{
	leaf->died = ++md->mock->clock;
	list_add_tail(&leaf->stale, &md->stale);
	md->nr_live--;
	md->nr_stale++;
	md->live_bytes -= leaf->size;
}

/* Drop a stale page from the IOTLB; the caller frees it. */
static void drop_leaf(struct mock_domain *md, struct mock_leaf *leaf,
		      struct list_head *dropped)
{
	rb_erase(&leaf->node, &md->pages);
	list_move(&leaf->stale, dropped);
	md->nr_stale--;
}

static void free_leaves(struct list_head *dropped)
{
	struct mock_leaf *leaf, *next;

	list_for_each_entry_safe(leaf, next, dropped, stale)
		kfree(leaf);
}

/* Take @n from a budget. */
static bool spend(unsigned long *budget, unsigned long n)
{
	if (*budget == MOCK_NEVER)
		return true;
	if (*budget < n) {
		*budget = 0;
		return false;
	}
	*budget -= n;
	return true;
}

static bool is_stray(struct mock_domain *md, unsigned long iova, size_t pgsize,
		     size_t pgcount)
{
	struct iommu_domain *domain = &md->domain;

	return !pgcount || !is_power_of_2(pgsize) ||
	       !(pgsize & domain->pgsize_bitmap) ||
	       !IS_ALIGNED(iova, pgsize) ||
	       pgcount > SIZE_MAX / pgsize;
}

/* Does the device reach the same memory through a stale page? */
static bool is_aliased(struct mock_domain *md, const struct mock_leaf *leaf)
{
	struct mock_leaf *old;

	list_for_each_entry(old, &md->stale, stale)
		if (old->phys < leaf->phys + leaf->size &&
		    leaf->phys < old->phys + old->size)
			return true;
	return false;
}

static int map_one(struct mock_domain *md, struct mock_leaf *leaf,
		   struct list_head *dropped)
{
	struct mock_iommu *mock = md->mock;
	struct mock_leaf *old;

	if (!spend(&mock->faults.map_budget,
		   leaf->size / granule_of(&md->domain)))
		return -ENOMEM;
	while ((old = find_leaf(md, leaf->iova, last_of(leaf)))) {
		if (!old->died) {
			mock->collisions++;
			return -EEXIST;
		}
		mock->reused++;
		drop_leaf(md, old, dropped);
	}
	if (mock->config.watch_phys && is_aliased(md, leaf))
		mock->aliased++;
	add_leaf(md, leaf);
	return 0;
}

#if defined(CONFIG_IOMMU_DMAMAP) || defined(CONFIG_IO_PGTABLE_WALK)
#define MOCK_BOUNDS	(IOMMU_OWNED | IOMMU_MORE_BEFORE | IOMMU_MORE_AFTER)
#else
#define MOCK_BOUNDS	0
#endif

/* The flags of a part of what is mapped with @prot. */
static int part_prot(int prot, bool first, bool last)
{
#if defined(CONFIG_IOMMU_DMAMAP) || defined(CONFIG_IO_PGTABLE_WALK)
	if (prot & IOMMU_OWNED)
		prot |= (first ? 0 : IOMMU_MORE_BEFORE) |
			(last ? 0 : IOMMU_MORE_AFTER);
#endif
	return prot;
}

static int mock_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_iommu *mock = md->mock;
	size_t size = pgsize * pgcount, chunk, done;
	LIST_HEAD(dropped);
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&mock->lock, flags);
	note(mock, MOCK_MAP, iova, size);
	if (is_stray(md, iova, pgsize, pgcount) || !IS_ALIGNED(paddr, pgsize) ||
	    !(prot & (IOMMU_READ | IOMMU_WRITE))) {
		mock->strays++;
		ret = -EINVAL;
	}
	spin_unlock_irqrestore(&mock->lock, flags);
	if (ret)
		return ret;

	chunk = READ_ONCE(mock->faults.map_chunk);
	if (chunk && !mock->config.map_runs)
		size = min(size, max(pgsize, ALIGN_DOWN(chunk, pgsize)));
	for (done = 0; done < size; done += pgsize) {
		struct mock_leaf *leaf = kmalloc(sizeof(*leaf), gfp);

		if (!leaf) {
			ret = -ENOMEM;
			break;
		}
		*leaf = (struct mock_leaf){
			.iova = iova + done,
			.size = pgsize,
			.phys = paddr + done,
			.prot = part_prot(prot, !done, done + pgsize == size),
			.usable = !mock->config.caching_mode,
		};
		spin_lock_irqsave(&mock->lock, flags);
		ret = map_one(md, leaf, &dropped);
		spin_unlock_irqrestore(&mock->lock, flags);
		if (ret) {
			kfree(leaf);
			break;
		}
		*mapped += pgsize;
	}
	free_leaves(&dropped);
	return ret;
}

#if defined(CONFIG_IOMMU_DMAMAP) || defined(CONFIG_IO_PGTABLE_WALK)
/* Piece by piece, in the smallest pages. */
static int mock_map_runs(struct iommu_domain *domain, unsigned long iova,
			 const struct iommu_run *run, unsigned int count,
			 int prot, gfp_t gfp, size_t *mapped)
{
	size_t granule = granule_of(domain);
	unsigned long begin = iova;
	int ret = 0;

	for (; !ret && count--; run++) {
		ret = mock_map_pages(domain, iova, run->phys, granule,
				     run->size / granule,
				     part_prot(prot, iova == begin, !count),
				     gfp, mapped);
		iova += run->size;
	}
	return ret;
}
#endif

/*
 * Cut what lies in [first, last] out of a live page that is larger. The parts
 * that stay need a page each: @spare has two. The lock is held.
 */
static void split_leaf(struct mock_domain *md, struct mock_leaf *leaf,
		       unsigned long first, unsigned long last,
		       struct mock_leaf **spare)
{
	unsigned long end = last_of(leaf);

	md->live_bytes -= leaf->size;
	md->nr_live--;
	rb_erase(&leaf->node, &md->pages);
	if (first > leaf->iova) {
		*spare[0] = *leaf;
		spare[0]->size = first - leaf->iova;
		add_leaf(md, spare[0]);
		spare[0] = NULL;
	}
	if (last < end) {
		*spare[1] = *leaf;
		spare[1]->iova = last + 1;
		spare[1]->size = end - last;
		spare[1]->phys += spare[1]->iova - leaf->iova;
		add_leaf(md, spare[1]);
		spare[1] = NULL;
	}
	leaf->phys += first - leaf->iova;
	leaf->iova = first;
	leaf->size = last - first + 1;
	add_leaf(md, leaf);
}

/* Unmap from @iova up to @last what one page holds; 0 at a hole. */
static size_t unmap_one(struct mock_domain *md, unsigned long iova,
			unsigned long last, struct mock_leaf **spare)
{
	struct mock_iommu *mock = md->mock;
	struct mock_leaf *leaf = live_leaf(md, iova);
	size_t size;

	if (!leaf)
		return 0;
	if (mock->config.exact_unmap &&
	    (leaf->iova < iova || last_of(leaf) > last)) {
		if (!spare[0] || !spare[1])
			return 0;
		split_leaf(md, leaf, iova, min(last, last_of(leaf)), spare);
	}
	size = last_of(leaf) - iova + 1;
	if (!spend(&mock->faults.unmap_budget,
		   leaf->size / granule_of(&md->domain)))
		return 0;
	kill_leaf(md, leaf);
	return size;
}

/* A page of the page table becomes superfluous. */
static void detach_table(struct mock_iommu *mock,
			 struct iommu_iotlb_gather *gather)
{
	void *table = iommu_alloc_page(GFP_ATOMIC);
	unsigned long flags;

	if (!table)
		return;
	spin_lock_irqsave(&mock->lock, flags);
	if (mock->nr_tables < MOCK_TABLES) {
		struct page *page = virt_to_page(table);

		get_page(page);
		mock->tables[mock->nr_tables] = page;
		mock->tables_died[mock->nr_tables++] = ++mock->clock;
		list_add_tail(&page->lru, &gather->freelist);
		table = NULL;
	}
	spin_unlock_irqrestore(&mock->lock, flags);
	iommu_free_page(table);
}

static size_t mock_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_iommu *mock = md->mock;
	struct mock_leaf *spare[2];
	size_t size = pgsize * pgcount, done = 0, one;
	unsigned long flags;

	/* A page that is larger can be the first and the last: two at most. */
	spare[0] = kmalloc(sizeof(*spare[0]), GFP_ATOMIC);
	spare[1] = kmalloc(sizeof(*spare[1]), GFP_ATOMIC);

	spin_lock_irqsave(&mock->lock, flags);
	note(mock, MOCK_UNMAP, iova, size);
	if (is_stray(md, iova, pgsize, pgcount)) {
		mock->strays++;
	} else {
		while (done < size) {
			one = unmap_one(md, iova + done, iova + size - 1, spare);
			if (!one)
				break;
			done += one;
		}
	}
	spin_unlock_irqrestore(&mock->lock, flags);

	kfree(spare[0]);
	kfree(spare[1]);
	if (done && mock->config.tables)
		detach_table(mock, gather);
	if (done && !iommu_iotlb_gather_queued(gather))
		iommu_iotlb_gather_add_range(gather, iova, done);
	return done;
}

#if defined(CONFIG_IOMMU_DMAMAP) || defined(CONFIG_IO_PGTABLE_WALK)
/* Is [@iova, @last] one mapping? The lock is held. */
static bool is_mapping(struct mock_domain *md, unsigned long iova,
		       unsigned long last, bool gaps)
{
	struct mock_leaf *leaf = live_leaf(md, iova);
	unsigned long at;

	if (!leaf || leaf->iova != iova || last < iova ||
	    (leaf->prot & (IOMMU_OWNED | IOMMU_MORE_BEFORE)) != IOMMU_OWNED)
		return false;
	for (at = last_of(leaf) + 1; at - 1 < last; at += granule_of(&md->domain)) {
		if (!(leaf->prot & IOMMU_MORE_AFTER))
			return false;
		leaf = live_leaf(md, at) ?: leaf;
		if (leaf->iova != at && !gaps)
			return false;
		if (leaf->iova == at && (leaf->prot & (IOMMU_OWNED | IOMMU_MORE_BEFORE)) !=
					(IOMMU_OWNED | IOMMU_MORE_BEFORE))
			return false;
	}
	return last_of(leaf) == last && !(leaf->prot & IOMMU_MORE_AFTER);
}

static bool mock_unmap_exact(struct iommu_domain *domain, unsigned long iova,
			     size_t size, bool gaps,
			     struct iommu_iotlb_gather *gather)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_iommu *mock = md->mock;
	size_t granule = granule_of(domain), done;
	unsigned long flags;
	bool exact;

	spin_lock_irqsave(&mock->lock, flags);
	exact = size && is_mapping(md, iova, iova + size - 1, gaps);
	if (exact)
		note(mock, MOCK_UNMAP, iova, size);
	for (done = 0; exact && done < size; done += granule) {
		struct mock_leaf *leaf = live_leaf(md, iova + done);

		if (leaf)
			kill_leaf(md, leaf);
	}
	spin_unlock_irqrestore(&mock->lock, flags);
	if (exact && mock->config.tables)
		detach_table(mock, gather);
	if (exact && !iommu_iotlb_gather_queued(gather))
		iommu_iotlb_gather_add_range(gather, iova, size);
	return exact;
}

/* Leaves to look at on each side, as in ../io-pgtable/exact.h. */
#define MOCK_FIND	4096

static bool mock_find_mapping(struct iommu_domain *domain, unsigned long iova,
			      struct iommu_mapping *found)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_leaf *leaf, *first, *last;
	unsigned long flags;
	unsigned int left;

	spin_lock_irqsave(&md->mock->lock, flags);
	leaf = live_leaf(md, iova);
	first = leaf;
	for (left = MOCK_FIND; first && first->prot & IOMMU_MORE_BEFORE && left;
	     left--)
		first = rb_entry_safe(rb_prev(&first->node), struct mock_leaf,
				      node);
	last = leaf;
	for (left = MOCK_FIND; last && last->prot & IOMMU_MORE_AFTER && left;
	     left--)
		last = rb_entry_safe(rb_next(&last->node), struct mock_leaf,
				     node);
	if (first && last)
		*found = (struct iommu_mapping){
			.iova = first->iova,
			.size = last_of(last) - first->iova + 1,
			.owned = leaf->prot & IOMMU_OWNED,
			.whole = !(first->prot & IOMMU_MORE_BEFORE) &&
				 !(last->prot & IOMMU_MORE_AFTER),
		};
	spin_unlock_irqrestore(&md->mock->lock, flags);
	return first && last;
}
#endif

static void invalidate(struct mock_domain *md, enum mock_op op,
		       unsigned long first, unsigned long last)
{
	struct mock_iommu *mock = md->mock;
	struct mock_leaf *leaf, *next;
	LIST_HEAD(dropped);
	unsigned long flags;
	u64 began;

	spin_lock_irqsave(&mock->lock, flags);
	note(mock, op, first, last - first + 1);
	began = ++mock->clock;
	spin_unlock_irqrestore(&mock->lock, flags);

	if (mock->in_flush)
		mock->in_flush(mock, op);

	spin_lock_irqsave(&mock->lock, flags);
	list_for_each_entry_safe(leaf, next, &md->stale, stale)
		if (leaf->died < began && leaf->iova >= first &&
		    last_of(leaf) <= last)
			drop_leaf(md, leaf, &dropped);
	if (op == MOCK_FLUSH_ALL)
		mock->flush_began = max(mock->flush_began, began);
	spin_unlock_irqrestore(&mock->lock, flags);
	free_leaves(&dropped);
}

static void mock_flush_iotlb_all(struct iommu_domain *domain)
{
	struct mock_domain *md = to_mock_domain(domain);

	invalidate(md, MOCK_FLUSH_ALL, 0, ULONG_MAX);
	complete(&md->mock->flushed);
}

static void mock_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	/* Nothing gathered leaves start above end. */
	if (gather->start <= gather->end)
		invalidate(to_mock_domain(domain), MOCK_SYNC, gather->start,
			   gather->end);
	iommu_put_pages_list(&gather->freelist);
}

static int mock_iotlb_sync_map(struct iommu_domain *domain, unsigned long iova,
			       size_t size)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_iommu *mock = md->mock;
	unsigned long addr = iova;
	struct mock_leaf *leaf;
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&mock->lock, flags);
	note(mock, MOCK_SYNC_MAP, iova, size);
	if (mock->faults.sync_map)
		ret = -EIO;
	while (!ret && mock->config.caching_mode && addr - iova < size) {
		leaf = live_leaf(md, addr);
		if (!leaf) {
			addr += granule_of(domain);
			continue;
		}
		leaf->usable = true;
		addr = last_of(leaf) + 1;
	}
	spin_unlock_irqrestore(&mock->lock, flags);
	return ret;
}

static phys_addr_t mock_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_iommu *mock = md->mock;
	struct mock_leaf *leaf;
	phys_addr_t phys = 0;
	unsigned long flags;

	spin_lock_irqsave(&mock->lock, flags);
	note(mock, MOCK_WALK, iova, 0);
	leaf = live_leaf(md, iova);
	if (leaf)
		phys = leaf->phys + (iova - leaf->iova);
	spin_unlock_irqrestore(&mock->lock, flags);
	return phys;
}

static int mock_attach_dev(struct iommu_domain *domain, struct device *dev)
{
	struct mock_master *master = dev_iommu_priv_get(dev);

	if (mock_of(dev)->faults.attach)
		return -EBUSY;
	master->domain = to_mock_domain(domain);
	return 0;
}

static void mock_domain_free(struct iommu_domain *domain)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_leaf *leaf, *next;

	rbtree_postorder_for_each_entry_safe(leaf, next, &md->pages, node)
		kfree(leaf);
	kfree(md);
}

#define MOCK_DOMAIN_OPS						\
	.attach_dev = mock_attach_dev,				\
	.map_pages = mock_map_pages,				\
	.unmap_pages = mock_unmap_pages,			\
	.flush_iotlb_all = mock_flush_iotlb_all,		\
	.iotlb_sync = mock_iotlb_sync,				\
	.iotlb_sync_map = mock_iotlb_sync_map,			\
	.iova_to_phys = mock_iova_to_phys,			\
	.free = mock_domain_free

static const struct iommu_domain_ops mock_runs_ops = {
	MOCK_DOMAIN_OPS,
#if defined(CONFIG_IOMMU_DMAMAP) || defined(CONFIG_IO_PGTABLE_WALK)
	.map_runs = mock_map_runs,
	.unmap_exact = mock_unmap_exact,
	.find_mapping = mock_find_mapping,
#endif
};

static const struct iommu_domain_ops mock_plain_ops = {
	MOCK_DOMAIN_OPS,
};

static struct iommu_domain *mock_domain_alloc_paging(struct device *dev)
{
	struct mock_iommu *mock;
	struct mock_domain *md;

	if (!dev)
		return ERR_PTR(-ENODEV);
	mock = mock_of(dev);
	if (mock->faults.domain_alloc)
		return ERR_PTR(-ENOMEM);
	md = kzalloc(sizeof(*md), GFP_KERNEL);
	if (!md)
		return ERR_PTR(-ENOMEM);
	md->mock = mock;
	md->pages = RB_ROOT;
	INIT_LIST_HEAD(&md->stale);
	md->domain.ops = mock->config.map_runs ? &mock_runs_ops :
						 &mock_plain_ops;
	md->domain.pgsize_bitmap = mock->config.pgsize_bitmap;
	md->domain.geometry.aperture_start = mock->config.aperture_start;
	md->domain.geometry.aperture_end = mock->config.aperture_end;
	md->domain.geometry.force_aperture = mock->config.force_aperture;
	return &md->domain;
}

static int mock_attach_static(struct iommu_domain *domain, struct device *dev)
{
	struct mock_master *master = dev_iommu_priv_get(dev);

	master->domain = NULL;
	return 0;
}

static const struct iommu_domain_ops mock_static_ops = {
	.attach_dev = mock_attach_static,
};

static struct iommu_domain mock_identity_domain = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &mock_static_ops,
};

static struct iommu_domain mock_blocked_domain = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &mock_static_ops,
};

static bool mock_capable(struct device *dev, enum iommu_cap cap)
{
	struct mock_iommu *mock = mock_of(dev);

	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return mock->config.cache_coherency;
	case IOMMU_CAP_DEFERRED_FLUSH:
		return mock->config.deferred_flush;
	default:
		return false;
	}
}

static const struct iommu_ops mock_ops;

static struct iommu_device *mock_probe_device(struct device *dev)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	struct mock_iommu *mock = dev_get_platdata(dev);
	struct mock_master *master;

	if (!mock || !fwspec || fwspec->iommu_fwnode != mock->iommu.fwnode)
		return ERR_PTR(-ENODEV);
	master = kzalloc(sizeof(*master), GFP_KERNEL);
	if (!master)
		return ERR_PTR(-ENOMEM);
	dev_iommu_priv_set(dev, master);
	dev->iommu->shadow_on_flush = mock->config.shadow_on_flush;
	return &mock->iommu;
}

static void mock_release_device(struct device *dev)
{
	kfree(dev_iommu_priv_get(dev));
}

static struct iommu_group *mock_device_group(struct device *dev)
{
	if (mock_of(dev)->config.one_group)
		return generic_single_device_group(dev);
	return generic_device_group(dev);
}

static void mock_get_resv_regions(struct device *dev, struct list_head *list)
{
	struct mock_iommu *mock = mock_of(dev);
	unsigned int i;

	/* A driver cannot say that it had no memory to report one. */
	for (i = 0; i < mock->nr_regions; i++) {
		const struct mock_region *r = &mock->regions[i];
		struct iommu_resv_region *region;

		if (r->dev && r->dev != dev)
			continue;
		region = iommu_alloc_resv_region(r->start, r->length,
						 IOMMU_READ | IOMMU_WRITE,
						 r->type,
						 GFP_KERNEL | __GFP_NOFAIL);
		if (region)
			list_add_tail(&region->list, list);
	}
}

static bool mock_is_attach_deferred(struct device *dev)
{
	return mock_of(dev)->config.defer_attach;
}

static int mock_def_domain_type(struct device *dev)
{
	return mock_of(dev)->config.domain_type;
}

static const struct iommu_ops mock_ops = {
	.capable = mock_capable,
	.domain_alloc_paging = mock_domain_alloc_paging,
	.probe_device = mock_probe_device,
	.release_device = mock_release_device,
	.device_group = mock_device_group,
	.get_resv_regions = mock_get_resv_regions,
	.is_attach_deferred = mock_is_attach_deferred,
	.def_domain_type = mock_def_domain_type,
	.default_domain_ops = &mock_plain_ops,
	.identity_domain = &mock_identity_domain,
	.blocked_domain = &mock_blocked_domain,
	.owner = THIS_MODULE,
};

static void put_tables(struct mock_iommu *mock)
{
	while (mock->nr_tables)
		put_page(mock->tables[--mock->nr_tables]);
}

/**
 * mock_iommu_create - make an IOMMU and let the IOMMU core know of it
 *
 * It has pages of 4 KiB, 2 MiB and 1 GiB, 48 bits of address, all the
 * capabilities, and strict domains. Change its config before adding a device.
 *
 * Context: may sleep.
 * Return: the IOMMU, or NULL.
 */
struct mock_iommu *mock_iommu_create(void)
{
	struct mock_iommu *mock = kvzalloc(sizeof(*mock), GFP_KERNEL);
	struct fwnode_handle *fwnode;

	if (!mock)
		return NULL;
	spin_lock_init(&mock->lock);
	init_completion(&mock->flushed);
	INIT_LIST_HEAD(&mock->devices);
	mock->config = (struct mock_config){
		.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G,
		.aperture_end = DMA_BIT_MASK(48),
		.force_aperture = true,
		.domain_type = IOMMU_DOMAIN_DMA,
		.cache_coherency = true,
		.deferred_flush = true,
		.exact_unmap = true,
	};
	mock->faults.map_budget = MOCK_NEVER;
	mock->faults.unmap_budget = MOCK_NEVER;

	fwnode = fwnode_create_software_node(NULL, NULL);
	if (IS_ERR(fwnode))
		goto free_mock;
	mock->iommu.fwnode = fwnode;
	if (iommu_device_sysfs_add(&mock->iommu, NULL, NULL, "mock-iommu.%d",
				   atomic_inc_return(&mock_ids)))
		goto remove_node;
	if (iommu_device_register(&mock->iommu, &mock_ops, NULL))
		goto remove_sysfs;
	return mock;

remove_sysfs:
	iommu_device_sysfs_remove(&mock->iommu);
remove_node:
	fwnode_remove_software_node(fwnode);
free_mock:
	kvfree(mock);
	return NULL;
}

/**
 * mock_iommu_destroy - remove an IOMMU and all devices behind it
 * @mock: the IOMMU, or NULL
 *
 * Context: may sleep; nothing may be using the devices.
 */
void mock_iommu_destroy(struct mock_iommu *mock)
{
	struct mock_device *entry, *next;

	if (!mock)
		return;
	list_for_each_entry_safe_reverse(entry, next, &mock->devices, link)
		mock_device_remove(entry->dev);
	iommu_device_unregister(&mock->iommu);
	iommu_device_sysfs_remove(&mock->iommu);
	fwnode_remove_software_node(mock->iommu.fwnode);
	put_tables(mock);
	kvfree(mock);
}

/**
 * mock_add_region - have a reserved region reported for devices added later
 * @mock: the IOMMU
 * @dev: the device to report it for, NULL for all
 * @start: first address of the region
 * @length: its size in bytes, may be 0
 * @type: its type
 *
 * Return: 0, or -ENOSPC when there are too many.
 */
int mock_add_region(struct mock_iommu *mock, const struct device *dev,
		    phys_addr_t start, size_t length,
		    enum iommu_resv_type type)
{
	if (mock->nr_regions == MOCK_REGIONS)
		return -ENOSPC;
	mock->regions[mock->nr_regions++] = (struct mock_region){
		dev, start, length, type
	};
	return 0;
}

static void set_coherent(struct device *dev)
{
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	dev->dma_coherent = true;
#endif
}

/* Put a device behind the IOMMU and on its list. */
static int adopt(struct mock_iommu *mock, struct device *dev, bool is_pci)
{
	struct mock_device *entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	int ret;

	if (!entry)
		return -ENOMEM;
	entry->dev = dev;
	entry->is_pci = is_pci;
	dev->platform_data = mock;
	set_coherent(dev);
	mutex_lock(&iommu_probe_device_lock);
	ret = iommu_fwspec_init(dev, mock->iommu.fwnode);
	mutex_unlock(&iommu_probe_device_lock);
	if (ret) {
		dev->platform_data = NULL;
		kfree(entry);
		return ret;
	}
	list_add_tail(&entry->link, &mock->devices);
	return 0;
}

static struct mock_device *entry_of(struct device *dev)
{
	struct mock_iommu *mock = dev_get_platdata(dev);
	struct mock_device *entry;

	list_for_each_entry(entry, &mock->devices, link)
		if (entry->dev == dev)
			return entry;
	return NULL;
}

/**
 * mock_platform_create - make a platform device behind an IOMMU
 * @mock: the IOMMU
 *
 * It is cache coherent, and not yet known to anybody: change what should be
 * different, then call mock_device_add().
 *
 * Context: may sleep.
 * Return: the device, or NULL.
 */
struct device *mock_platform_create(struct mock_iommu *mock)
{
	struct platform_device *pdev;

	pdev = platform_device_alloc("dmamap-test",
				     atomic_inc_return(&mock_ids));
	if (!pdev)
		return NULL;
	if (adopt(mock, &pdev->dev, false)) {
		platform_device_put(pdev);
		return NULL;
	}
	return &pdev->dev;
}

#ifdef CONFIG_PCI
static void mock_pci_release(struct device *dev)
{
	kfree(mock_to_pci(dev));
}

/**
 * mock_pci_create - make a PCI device behind an IOMMU
 * @mock: the IOMMU
 *
 * As mock_platform_create(). It is trusted.
 *
 * Context: may sleep.
 * Return: the device, or NULL; always NULL in a kernel without PCI.
 */
struct device *mock_pci_create(struct mock_iommu *mock)
{
	struct mock_pci *pci = kzalloc(sizeof(*pci), GFP_KERNEL);
	struct device *dev;

	if (!pci)
		return NULL;
	pci->bus.bridge = &pci->bridge.dev;
	/* Devices of different buses are told apart by this, and by nothing else. */
	pci->bus.number = atomic_inc_return(&mock_ids);
#ifdef CONFIG_X86
	pci->bus.sysdata = &pci->sysdata;
#endif
	INIT_LIST_HEAD(&pci->bus.devices);
	pci->bridge.bus = &pci->bus;
	INIT_LIST_HEAD(&pci->bridge.windows);
	INIT_LIST_HEAD(&pci->bridge.dma_ranges);
	pci->pdev.bus = &pci->bus;

	dev = &pci->pdev.dev;
	device_initialize(dev);
	dev->release = mock_pci_release;
	dev->dma_mask = &pci->pdev.dma_mask;
	dev->dma_parms = &pci->pdev.dma_parms;
	/* As the PCI core has it. */
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	if (dev_set_name(dev, "dmamap-test-pci.%d",
			 atomic_inc_return(&mock_ids)) ||
	    adopt(mock, dev, true)) {
		put_device(dev);
		return NULL;
	}
	return dev;
}

static int add_pci(struct device *dev)
{
	int ret = device_add(dev);

	if (ret)
		return ret;
	dev->bus = &pci_bus_type;
	return iommu_probe_device(dev);
}

#ifdef CONFIG_PCI_P2PDMA
static void take_memory_away(struct mock_pci *pci)
{
	if (!pci->memory)
		return;
	devres_release_group(&pci->pdev.dev, pci->memory);
	release_resource(&pci->pdev.resource[0]);
	list_del(&pci->window.node);
	pci->memory = NULL;
}

/**
 * mock_pci_add_memory - give a PCI device 2 MiB that other devices may access
 * @dev: from mock_pci_create(), added
 * @offset: how far below its physical address the bus sees it
 *
 * There are pages for it, but nothing behind them: it is not to be accessed.
 * That is as much as there can be pages for. It goes with the device.
 *
 * Context: may sleep.
 * Return: its first page, or an ERR_PTR().
 */
struct page *mock_pci_add_memory(struct device *dev, resource_size_t offset)
{
	struct mock_pci *pci = mock_to_pci(dev);
	struct resource *bar = &pci->pdev.resource[0];
	int ret;

	bar->name = dev_name(dev);
	bar->flags = IORESOURCE_MEM;
	/* Where all architectures map memory, and in a section of its own. */
	ret = allocate_resource(&iomem_resource, bar, SZ_2M, 4ULL * SZ_1G,
				64ULL * SZ_1G - 1, SZ_128M, NULL, NULL);
	if (ret)
		return ERR_PTR(ret);
	pci->window_res = *bar;
	pci->window.res = &pci->window_res;
	pci->window.offset = offset;
	list_add(&pci->window.node, &pci->bridge.windows);
	/* What is below has to go before the device does. */
	pci->memory = devres_open_group(dev, NULL, GFP_KERNEL);
	ret = pci->memory ? pci_p2pdma_add_resource(&pci->pdev, 0, 0, 0) :
			    -ENOMEM;
	if (!ret) {
		devres_close_group(dev, pci->memory);
		return pfn_to_page(PHYS_PFN(bar->start));
	}
	if (pci->memory)
		devres_release_group(dev, pci->memory);
	pci->memory = NULL;
	list_del(&pci->window.node);
	release_resource(bar);
	return ERR_PTR(ret);
}

/**
 * mock_pci_known_bridge - have a host bridge that passes devices' accesses on
 * @dev: from mock_pci_create(), which is behind it
 *
 * Such bridges are known to the kernel by the first device on their bus.
 */
void mock_pci_known_bridge(struct device *dev)
{
	struct mock_pci *pci = mock_to_pci(dev);

	pci->root.vendor = PCI_VENDOR_ID_INTEL;
	pci->root.device = 0x2030;
	list_add(&pci->root.bus_list, &pci->bus.devices);
}
#else
static void take_memory_away(struct mock_pci *pci)
{
}
#endif

static void del_pci(struct device *dev)
{
	take_memory_away(mock_to_pci(dev));
	if (dev->iommu_group)
		iommu_group_remove_device(dev);
	dev->bus = NULL;
	device_del(dev);
}
#else
struct device *mock_pci_create(struct mock_iommu *mock)
{
	return NULL;
}

static int add_pci(struct device *dev)
{
	return -ENODEV;
}

static void del_pci(struct device *dev)
{
}
#endif

/**
 * mock_to_pci - what surrounds a device of mock_pci_create()
 * @dev: the device
 *
 * Return: its PCI device, bus and host bridge.
 */
struct mock_pci *mock_to_pci(struct device *dev)
{
	return container_of(dev, struct mock_pci, pdev.dev);
}

/**
 * mock_device_add - show a device to the kernel and the IOMMU core
 * @dev: from mock_platform_create() or mock_pci_create()
 *
 * Its DMA masks are 64 bits afterwards.
 *
 * Context: may sleep.
 * Return: 0, or why the device could not be added, or why the IOMMU core
 * refused it. mock_device_remove() is called either way.
 */
int mock_device_add(struct device *dev)
{
	struct mock_device *entry = entry_of(dev);
	int ret;

	if (entry->is_pci)
		ret = add_pci(dev);
	else
		ret = platform_device_add(to_platform_device(dev));
	entry->added = device_is_registered(dev);
	if (ret)
		return ret;
	if (!dev->iommu_group)
		return -ENODEV;
	return dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
}

/**
 * mock_device_remove - remove a device, and free it
 * @dev: the device, added or not
 *
 * Context: may sleep; nothing may be using the device.
 */
void mock_device_remove(struct device *dev)
{
	struct mock_device *entry = entry_of(dev);

	list_del(&entry->link);
	if (entry->added && entry->is_pci)
		del_pci(dev);
	else if (entry->added)
		platform_device_del(to_platform_device(dev));
	if (dev->iommu)
		dev_iommu_free(dev);
	/* A platform device takes it for its own copy and frees it. */
	dev->platform_data = NULL;
	kfree(entry);
	put_device(dev);
}

/**
 * mock_open_group_type - open the file "type" of a device's group
 * @dev: the device
 * @mnt: where to store the mount it is on, for mock_close_group_type()
 *
 * Context: may sleep.
 * Return: the file to write to, as an administrator does, or an ERR_PTR().
 */
struct file *mock_open_group_type(struct device *dev, struct vfsmount **mnt)
{
	struct iommu_group *group = iommu_group_get(dev);
	struct file_system_type *fs = get_fs_type("sysfs");
	struct file *file;
	char path[64];

	snprintf(path, sizeof(path), "kernel/iommu_groups/%d/type",
		 iommu_group_id(group));
	iommu_group_put(group);
	if (!fs)
		return ERR_PTR(-ENODEV);
	*mnt = kern_mount(fs);
	put_filesystem(fs);
	if (IS_ERR(*mnt))
		return ERR_CAST(*mnt);
	file = file_open_root_mnt(*mnt, path, O_WRONLY, 0);
	if (IS_ERR(file))
		kern_unmount(*mnt);
	return file;
}

/**
 * mock_write_group_type - write to the file "type" of a device's group
 * @file: from mock_open_group_type()
 * @type: what to write
 *
 * Context: may sleep.
 * Return: 0 or a negative error.
 */
int mock_write_group_type(struct file *file, const char *type)
{
	loff_t pos = 0;
	ssize_t ret = kernel_write(file, type, strlen(type), &pos);

	return ret < 0 ? ret : 0;
}

/**
 * mock_close_group_type - undo mock_open_group_type()
 * @file: what it returned
 * @mnt: what it stored
 *
 * Context: may sleep.
 */
void mock_close_group_type(struct file *file, struct vfsmount *mnt)
{
	__fput_sync(file);
	kern_unmount(mnt);
}

/**
 * mock_set_group_type - change the type of a device's group
 * @dev: the device
 * @type: what to write to its file
 *
 * Context: may sleep.
 * Return: 0 or a negative error.
 */
int mock_set_group_type(struct device *dev, const char *type)
{
	struct vfsmount *mnt;
	struct file *file = mock_open_group_type(dev, &mnt);
	int ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = mock_write_group_type(file, type);
	mock_close_group_type(file, mnt);
	return ret;
}

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
	struct mock_leaf *leaf = md ? find_leaf(md, iova, iova) : NULL;

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
