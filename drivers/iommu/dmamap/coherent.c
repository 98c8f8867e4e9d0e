// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: memory allocated for DMA, and its other mappings.
 *
 * 1. If the caller can sleep, pages are collected, as large as possible. They
 *    are mapped to one IOVA range and, if needed, to a vmalloc area. If the
 *    caller cannot sleep, or with DMA_ATTR_FORCE_CONTIGUOUS, the memory is
 *    physically contiguous. It is from the uncached pool if the caller cannot
 *    sleep and the device does not snoop CPU caches. IOVA ranges are aligned to
 *    their size.
 *
 * 2. A free asks the pool first. For other memory @cpu_addr and the attributes
 *    say how it was allocated:
 *
 *	struct page	DMA_ATTR_NO_KERNEL_MAPPING: the first page. Its private
 *			field points to the array of collected pages, or is 0
 *	vmalloc area	with an array of pages: collected; without: contiguous
 *	direct mapping	contiguous, or a single page
 *
 * 3. Coherent memory, and noncontiguous memory of untrusted devices, is zeroed
 *    in whole pages. Other noncontiguous memory is zeroed with __GFP_ZERO.
 */

#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "dmamap.h"
#include "trace.h"

/* Allocation flags that do not apply to page tables and structures. */
#define GFP_PLACE	(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_COMP)

/* Noncontiguous memory; callers see @sgt. */
struct dmamap_noncontiguous {
	struct sg_table sgt;
	struct page **pages;
};

static unsigned long pages_of(size_t size)
{
	return PAGE_ALIGN(size) >> PAGE_SHIFT;
}

static void free_pages_array(struct page **pages, unsigned long count)
{
	while (count)
		__free_page(pages[--count]);
	kvfree(pages);
}

/* Collect @count pages, in blocks of @orders, a mask that includes order 0. */
static struct page **collect_pages(struct device *dev, unsigned long count,
				   unsigned long orders, gfp_t gfp)
{
	unsigned long have = 0, smaller, i;
	struct page **pages, *page;
	unsigned int order;

	/* Fails above INT_MAX bytes, so @count fits an unsigned int. */
	pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return NULL;
	gfp |= __GFP_NOWARN | __GFP_HIGHMEM;
	while (have < count) {
		smaller = orders & GENMASK(__fls(count - have), 0);
		do {
			if (!smaller) {
				free_pages_array(pages, have);
				return NULL;
			}
			order = __fls(smaller);
			smaller &= ~BIT(order);
			/* Reclaim little for more than the smallest order. */
			page = alloc_pages_node(dev_to_node(dev), smaller ?
						gfp | __GFP_NORETRY : gfp, order);
		} while (!page);
		if (order)
			split_page(page, order);
		for (i = 0; i < 1U << order; i++)
			pages[have++] = page + i;
	}
	return pages;
}

/* Map @count pieces of @piece bytes each. Returns the IOVA, or 0. */
static dma_addr_t map_memory(struct device *dev, struct page **pages,
			     unsigned long count, size_t piece, int prot,
			     gfp_t gfp)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct dmamap_target aligned = { .boundary = ~0UL };
	struct dmamap_runs runs __uninitialized;
	size_t size = count * piece;
	unsigned long i;
	dma_addr_t addr;
	int ret = 0;

	if (dmamap_check_device(dev, domain))
		return 0;
	addr = dmamap_take_address(domain, dev, size, dev->coherent_dma_mask,
				   &aligned, prot);
	if (!addr)
		return 0;
	dmamap_runs_start(&runs, domain, addr, prot, gfp & ~GFP_PLACE);
	runs.count = 0;
	for (i = 0; !ret && i < count; i++)
		ret = dmamap_runs_add(&runs, page_to_phys(pages[i]), piece);
	if (!ret)
		ret = dmamap_runs_flush(&runs, true);
	if (!ret)
		ret = dmamap_run_sync(domain, addr, size);
	if (!ret && !dmamap_record(domain->iova_cookie, addr, size, false))
		ret = -ENOMEM;
	if (!ret) {
		trace_dmamap_map(dev, addr, page_to_phys(*pages), size);
		return addr;
	}
	if (runs.addr != addr)
		iommu_unmap(domain, addr, runs.addr - addr);
	dmamap_return_address(domain->iova_cookie, addr, size);
	return 0;
}

/* Collect pages and map them. Fills @sgt if it is not %NULL. */
static struct page **alloc_mapped(struct device *dev, size_t size,
				  dma_addr_t *addr, int prot, gfp_t gfp,
				  unsigned long attrs, struct sg_table *sgt)
{
	unsigned long sizes = iommu_get_dma_domain(dev)->pgsize_bitmap;
	unsigned long count = pages_of(size), i;
	struct page **pages;

	if (!count)
		return NULL;
	sizes = (sizes & ~(PAGE_SIZE - 1)) | PAGE_SIZE;
	if (attrs & DMA_ATTR_ALLOC_SINGLE_PAGES)
		sizes = PAGE_SIZE;
	pages = collect_pages(dev, count,
			      (sizes >> PAGE_SHIFT) &
			      GENMASK(MAX_PAGE_ORDER, 0), gfp);
	if (!pages)
		return NULL;

	/* If the device does not snoop, write the zeros back to memory. */
	for (i = 0; !(prot & IOMMU_CACHE) && i < count; i++)
		arch_dma_prep_coherent(pages[i], PAGE_SIZE);
	if (sgt && sg_alloc_table_from_pages(sgt, pages, count, 0,
					     count * PAGE_SIZE,
					     gfp & ~GFP_PLACE))
		goto free_pages;
	*addr = map_memory(dev, pages, count, PAGE_SIZE, prot, gfp);
	if (*addr)
		return pages;

	if (sgt)
		sg_free_table(sgt);
free_pages:
	free_pages_array(pages, count);
	return NULL;
}

/* Collect pages, and map them for the device and, if needed, for the kernel. */
static void *alloc_collected(struct device *dev, size_t size, dma_addr_t *addr,
			     int prot, gfp_t gfp, unsigned long attrs)
{
	unsigned long count = pages_of(size);
	struct page **pages, *page;
	void *cpu_addr;

	pages = alloc_mapped(dev, size, addr, prot, gfp, attrs, NULL);
	if (!pages)
		return NULL;

	page = pages[0];
	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING) {
		set_page_private(page, (unsigned long)pages);
		return page;
	}
	/* A single page may need no mapping of its own. */
	if (count == 1 && dev_is_dma_coherent(dev) && !PageHighMem(page)) {
		kvfree(pages);
		return page_address(page);
	}
	cpu_addr = dma_common_pages_remap(pages, PAGE_ALIGN(size),
					  dma_pgprot(dev, PAGE_KERNEL, attrs),
					  __builtin_return_address(0));
	if (cpu_addr)
		return cpu_addr;
	dmamap_range_unmap(dev, *addr, PAGE_ALIGN(size), false);
	free_pages_array(pages, count);
	return NULL;
}

/* Allocate contiguous memory. Sets @cpu_addr. */
static struct page *alloc_contiguous(struct device *dev, size_t size,
				     void **cpu_addr, gfp_t gfp,
				     unsigned long attrs)
{
	pgprot_t prot = dma_pgprot(dev, PAGE_KERNEL, attrs);
	bool coherent = dev_is_dma_coherent(dev);
	struct page *page;
	unsigned long i;

	if (attrs & DMA_ATTR_NO_WARN)
		gfp |= __GFP_NOWARN;
	gfp &= ~__GFP_ZERO;
	page = dma_alloc_contiguous(dev, size, gfp) ?:
	       alloc_pages_node(dev_to_node(dev), gfp, get_order(size));
	if (!page)
		return NULL;

	/* CMA does not zero. */
	for (i = 0; i < pages_of(size); i++)
		clear_highpage(page + i);
	if (!coherent)
		arch_dma_prep_coherent(page, size);
	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING) {
		set_page_private(page, 0);
		*cpu_addr = page;
	} else if (coherent && !PageHighMem(page)) {
		*cpu_addr = page_address(page);
	} else {
		*cpu_addr = dma_common_contiguous_remap(page, size, prot,
							__builtin_return_address(0));
	}
	if (*cpu_addr)
		return page;
	dma_free_contiguous(dev, page, size);
	return NULL;
}

/* Returns the array of collected pages. %NULL: contiguous memory from *@page. */
static struct page **find_pages(void *cpu_addr, unsigned long attrs,
				struct page **page)
{
	struct page **pages;

	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING) {
		*page = cpu_addr;
		return (struct page **)page_private(*page);
	}
	if (!is_vmalloc_addr(cpu_addr)) {
		*page = virt_to_page(cpu_addr);
		return NULL;
	}
	pages = dma_common_find_pages(cpu_addr);
	if (!pages)
		*page = vmalloc_to_page(cpu_addr);
	return pages;
}

static void free_now(struct device *dev, size_t size, void *cpu_addr,
		     unsigned long attrs)
{
	struct page *page, **pages = find_pages(cpu_addr, attrs, &page);

	if (is_vmalloc_addr(cpu_addr))
		dma_common_free_remap(cpu_addr, size);
	if (pages)
		free_pages_array(pages, pages_of(size));
	else
		dma_free_contiguous(dev, page, size);
}

/* Memory in a vmalloc area that a work item frees, because vunmap() sleeps. */
struct late_free {
	struct work_struct work;
	struct device *dev;
	size_t size;
	void *cpu_addr;
};

static void free_late(struct work_struct *work)
{
	struct late_free *late = container_of(work, struct late_free, work);

	free_now(late->dev, late->size, late->cpu_addr, 0);
	put_device(late->dev);
	kfree(late);
}

/* With interrupts disabled, the DMA core has warned. */
static void free_later(struct device *dev, size_t size, void *cpu_addr)
{
	struct late_free *late = kmalloc_obj(*late, GFP_ATOMIC);

	dev_WARN_ONCE(dev, !irqs_disabled(),
		      "coherent memory freed in atomic context, %s\n",
		      late ? "deferring vunmap()" : "leaking it");
	if (!late)
		return;
	INIT_WORK(&late->work, free_late);
	late->dev = get_device(dev);
	late->size = size;
	late->cpu_addr = cpu_addr;
	schedule_work(&late->work);
}

/* Free memory that is not mapped for the device any more. */
static void free_memory(struct device *dev, size_t size, void *cpu_addr,
			unsigned long attrs)
{
	size = PAGE_ALIGN(size);
	if (IS_ENABLED(CONFIG_DMA_DIRECT_REMAP) &&
	    dma_free_from_pool(dev, cpu_addr, size))
		return;
	/*
	 * Without CONFIG_PREEMPT_COUNT this does not detect a spinlock that
	 * leaves interrupts enabled.  With CONFIG_PREEMPT_RT a spinlock is an
	 * RCU read-side critical section.
	 */
	if (is_vmalloc_addr(cpu_addr) &&
	    (preempt_count() || in_interrupt() || irqs_disabled() ||
	     rcu_preempt_depth()))
		free_later(dev, size, cpu_addr);
	else
		free_now(dev, size, cpu_addr, attrs);
}

void *iommu_dma_alloc(struct device *dev, size_t size, dma_addr_t *addr,
		      gfp_t gfp, unsigned long attrs)
{
	bool coherent = dev_is_dma_coherent(dev);
	int prot = dmamap_prot(DMA_BIDIRECTIONAL, coherent, attrs);
	struct page *page;
	void *cpu_addr;

	if (dmamap_unsupported(attrs))
		return NULL;
	gfp |= __GFP_ZERO;
	if (gfpflags_allow_blocking(gfp) && !(attrs & DMA_ATTR_FORCE_CONTIGUOUS))
		return alloc_collected(dev, size, addr, prot, gfp, attrs);

	size = PAGE_ALIGN(size);
	if (!size)
		return NULL;
	if (IS_ENABLED(CONFIG_DMA_DIRECT_REMAP) && !coherent &&
	    !gfpflags_allow_blocking(gfp) &&
	    !(attrs & DMA_ATTR_NO_KERNEL_MAPPING))
		page = dmamap_pool_alloc(dev, size, &cpu_addr, gfp, attrs);
	else
		page = alloc_contiguous(dev, size, &cpu_addr, gfp, attrs);
	if (!page)
		return NULL;

	*addr = map_memory(dev, &page, 1, size, prot, gfp);
	if (*addr)
		return cpu_addr;
	free_memory(dev, size, cpu_addr, attrs);
	return NULL;
}

void iommu_dma_free(struct device *dev, size_t size, void *cpu_addr,
		    dma_addr_t addr, unsigned long attrs)
{
	/* If it is refused, the device may still access the memory: leak it. */
	if (dmamap_range_unmap(dev, addr, PAGE_ALIGN(size), false))
		free_memory(dev, size, cpu_addr, attrs);
}

int iommu_dma_mmap(struct device *dev, struct vm_area_struct *vma,
		   void *cpu_addr, dma_addr_t addr, size_t size,
		   unsigned long attrs)
{
	unsigned long count = pages_of(size);
	struct page *page, **pages;
	int ret;

	vma->vm_page_prot = dma_pgprot(dev, vma->vm_page_prot, attrs);
	if (dma_mmap_from_dev_coherent(dev, vma, cpu_addr, size, &ret))
		return ret;
	if (vma->vm_pgoff >= count || vma_pages(vma) > count - vma->vm_pgoff)
		return -ENXIO;

	pages = find_pages(cpu_addr, attrs, &page);
	/* Take a reference to a single page, unless it may be from CMA. */
	if (!pages && count == 1 && !is_vmalloc_addr(cpu_addr) &&
	    !(attrs & DMA_ATTR_FORCE_CONTIGUOUS))
		pages = &page;
	if (pages)
		return vm_map_pages(vma, pages, count);
	return remap_pfn_range(vma, vma->vm_start,
			       page_to_pfn(page) + vma->vm_pgoff,
			       vma_pages(vma) << PAGE_SHIFT, vma->vm_page_prot);
}

int iommu_dma_get_sgtable(struct device *dev, struct sg_table *sgt,
			  void *cpu_addr, dma_addr_t addr, size_t size,
			  unsigned long attrs)
{
	struct page *page, **pages = find_pages(cpu_addr, attrs, &page);
	int ret;

	if (pages)
		return sg_alloc_table_from_pages(sgt, pages, pages_of(size), 0,
						 size, GFP_KERNEL);
	ret = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (!ret)
		sg_set_page(sgt->sgl, page, PAGE_ALIGN(size), 0);
	return ret;
}

static struct dmamap_noncontiguous *to_noncontiguous(struct sg_table *sgt)
{
	return container_of(sgt, struct dmamap_noncontiguous, sgt);
}

struct sg_table *iommu_dma_alloc_noncontiguous(struct device *dev, size_t size,
					       enum dma_data_direction dir,
					       gfp_t gfp, unsigned long attrs)
{
	int prot = dmamap_prot(dir, dev_is_dma_coherent(dev), attrs);
	struct dmamap_noncontiguous *memory;
	dma_addr_t addr;

	memory = kmalloc_obj(*memory, gfp & ~GFP_PLACE);
	if (!memory)
		return NULL;
	if (dmamap_untrusted(dev))
		gfp |= __GFP_ZERO;
	memory->pages = alloc_mapped(dev, size, &addr, prot, gfp, attrs,
				     &memory->sgt);
	if (!memory->pages) {
		kfree(memory);
		return NULL;
	}
	sg_dma_address(memory->sgt.sgl) = addr;
	sg_dma_len(memory->sgt.sgl) = PAGE_ALIGN(size);
	return &memory->sgt;
}

void iommu_dma_free_noncontiguous(struct device *dev, size_t size,
				  struct sg_table *sgt,
				  enum dma_data_direction dir)
{
	struct dmamap_noncontiguous *memory = to_noncontiguous(sgt);

	if (!dmamap_range_unmap(dev, sg_dma_address(sgt->sgl), PAGE_ALIGN(size),
				false))
		return;
	free_pages_array(memory->pages, pages_of(size));
	sg_free_table(sgt);
	kfree(memory);
}

void *iommu_dma_vmap_noncontiguous(struct device *dev, size_t size,
				   struct sg_table *sgt)
{
	return vmap(to_noncontiguous(sgt)->pages, pages_of(size), VM_MAP,
		    PAGE_KERNEL);
}

int iommu_dma_mmap_noncontiguous(struct device *dev, struct vm_area_struct *vma,
				 size_t size, struct sg_table *sgt)
{
	return vm_map_pages(vma, to_noncontiguous(sgt)->pages, pages_of(size));
}
