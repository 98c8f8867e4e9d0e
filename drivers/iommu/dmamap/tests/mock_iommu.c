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
#include <linux/mm.h>
#include <linux/property.h>
#include <linux/rbtree.h>
#include <linux/slab.h>

#include "../../iommu-pages.h"
#include "../../iommu-priv.h"
#include "mock_internal.h"

atomic_t mock_ids;

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
struct mock_leaf *mock_find_leaf(struct mock_domain *md, unsigned long first,
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
	struct mock_leaf *leaf = mock_find_leaf(md, iova, iova);

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
	while ((old = mock_find_leaf(md, leaf->iova, last_of(leaf)))) {
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
		struct mock_leaf *leaf = kmalloc_obj(*leaf, gfp);

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
	void *table = test_table_alloc(GFP_ATOMIC);
	unsigned long flags;

	if (!table)
		return;
	spin_lock_irqsave(&mock->lock, flags);
	if (mock->nr_tables < MOCK_TABLES) {
		struct page *page = virt_to_page(table);

		get_page(page);
		mock->tables[mock->nr_tables] = page;
		mock->tables_died[mock->nr_tables++] = ++mock->clock;
		test_table_add(gather, table);
		table = NULL;
	}
	spin_unlock_irqrestore(&mock->lock, flags);
	test_table_free(table);
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
	spare[0] = kmalloc_obj(*spare[0], GFP_ATOMIC);
	spare[1] = kmalloc_obj(*spare[1], GFP_ATOMIC);

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
	if (done && mock->config.gathers && !iommu_iotlb_gather_queued(gather))
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
	if (exact && mock->config.gathers && !iommu_iotlb_gather_queued(gather))
		iommu_iotlb_gather_add_range(gather, iova, size);
	return exact;
}

/* Leaves to look at on each side, as in ../io-pgtable/exact.h. */
#define MOCK_FIND	4096

static bool mock_find_mapping(struct iommu_domain *domain, unsigned long iova,
			      struct iommu_mapping *found)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_leaf *leaf, *first, *last, *next;
	unsigned long flags;
	unsigned int left;

	spin_lock_irqsave(&md->mock->lock, flags);
	leaf = live_leaf(md, iova);
	first = leaf;
	for (left = MOCK_FIND; leaf && first->prot & IOMMU_MORE_BEFORE && left;
	     left--) {
		next = rb_entry_safe(rb_prev(&first->node), struct mock_leaf,
				     node);
		if (!next)
			break;
		first = next;
	}
	last = leaf;
	for (left = MOCK_FIND; leaf && last->prot & IOMMU_MORE_AFTER && left;
	     left--) {
		next = rb_entry_safe(rb_next(&last->node), struct mock_leaf,
				     node);
		if (!next)
			break;
		last = next;
	}
	if (leaf)
		*found = (struct iommu_mapping){
			.iova = first->iova,
			.size = last_of(last) - first->iova + 1,
			.owned = leaf->prot & IOMMU_OWNED,
			.whole = !(first->prot & IOMMU_MORE_BEFORE) &&
				 !(last->prot & IOMMU_MORE_AFTER),
		};
	spin_unlock_irqrestore(&md->mock->lock, flags);
	return leaf;
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

static int mock_attach_dev(TEST_ATTACH_ARGS)
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

#ifdef TEST_GENERIC_PT
static int mock_map_range(struct pt_iommu *pt, dma_addr_t iova,
			  phys_addr_t phys, dma_addr_t len, unsigned int prot,
			  gfp_t gfp, size_t *mapped)
{
	size_t page = granule_of(&pt->domain), done = 0;
	int ret = 0;

	if (pt->domain.pgsize_bitmap & SZ_2M &&
	    IS_ALIGNED(iova | phys | len, SZ_2M))
		page = SZ_2M;
	/* Each call adds what it mapped, which may be less than asked. */
	while (!ret && done < len) {
		size_t one = 0;

		ret = mock_map_pages(&pt->domain, iova + done, phys + done, page,
				     (len - done) / page, prot, gfp, &one);
		done += one;
	}
	*mapped += done;
	return ret;
}

static size_t mock_unmap_range(struct pt_iommu *pt, dma_addr_t iova,
			       dma_addr_t len, struct iommu_iotlb_gather *gather)
{
	size_t granule = granule_of(&pt->domain);

	/* The core undoes a map of nothing. */
	return len ? mock_unmap_pages(&pt->domain, iova, granule, len / granule,
				      gather) : 0;
}

static const struct pt_iommu_ops mock_range_ops = {
	.map_range = mock_map_range,
	.unmap_range = mock_unmap_range,
};
#endif

#define MOCK_DOMAIN_OPS						\
	MOCK_COMMON_OPS,					\
	.map_pages = mock_map_pages,				\
	.unmap_pages = mock_unmap_pages

#define MOCK_COMMON_OPS						\
	.attach_dev = mock_attach_dev,				\
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

#ifdef TEST_GENERIC_PT
static const struct iommu_domain_ops mock_generic_pt_ops = {
	MOCK_COMMON_OPS,
};
#endif

static struct iommu_domain *mock_domain_alloc_paging(struct device *dev)
{
	struct mock_iommu *mock;
	struct mock_domain *md;

	if (!dev)
		return ERR_PTR(-ENODEV);
	mock = mock_of(dev);
	if (mock->faults.domain_alloc)
		return ERR_PTR(-ENOMEM);
	md = kzalloc_obj(*md, GFP_KERNEL);
	if (!md)
		return ERR_PTR(-ENOMEM);
	md->mock = mock;
	md->pages = RB_ROOT;
	INIT_LIST_HEAD(&md->stale);
	md->domain.ops = mock->config.map_runs ? &mock_runs_ops :
						 &mock_plain_ops;
#ifdef TEST_GENERIC_PT
	if (mock->config.generic_pt) {
		md->domain.ops = &mock_generic_pt_ops;
		md->domain.is_iommupt = true;
		md->pt.ops = &mock_range_ops;
	}
#endif
	md->domain.pgsize_bitmap = mock->config.pgsize_bitmap;
	md->domain.geometry.aperture_start = mock->config.aperture_start;
	md->domain.geometry.aperture_end = mock->config.aperture_end;
	md->domain.geometry.force_aperture = mock->config.force_aperture;
	return &md->domain;
}

static int mock_attach_static(TEST_ATTACH_ARGS)
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
	master = kzalloc_obj(*master, GFP_KERNEL);
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
		.gathers = true,
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
