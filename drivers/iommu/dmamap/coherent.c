// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory allocated for DMA, and its mapping elsewhere.
 *
 * Theory of operation
 * ===================
 *
 * 1. The device wants one piece of addresses, not one piece of memory. So when
 *    the caller can wait, memory is collected in pages as large as there are,
 *    mapped for the device in one range and, where the CPU needs it, for the
 *    kernel in another one. Else it is one piece of memory, or, for a device
 *    that is not coherent and a caller that cannot wait, comes from the pool
 *    that was mapped uncached beforehand.
 *
 * 2. What the CPU gets tells at free what it was:
 *
 *	handle		a slab object: memory the kernel has no mapping of
 *			(DMA_ATTR_NO_KERNEL_MAPPING); not to be looked into
 *	vmalloc area	with pages: collected; without: one piece, remapped
 *	direct mapping	one piece, or a single page
 *
 *    and the pool knows its own.
 *
 * 3. All of it is zeroed, in whole pages: no byte that the device can see was
 *    somebody else's. That holds for noncontiguous memory of untrusted devices,
 *    too; others get it as the caller asks.
 */

#include <linux/dma-map-ops.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "dmamap.h"

/* What the memory behind a range does not need, but its page may ask for. */
#define GFP_PLACE	(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_COMP)

/**
 * struct dmamap_handle - memory without a mapping for the kernel
 * @pages: its pages
 * @count: how many
 */
struct dmamap_handle {
	struct page **pages;
	unsigned int count;
};

/**
 * struct dmamap_noncontiguous - what dma_alloc_noncontiguous() hands out
 * @sgt: the part that callers see
 * @pages: all pages
 */
struct dmamap_noncontiguous {
	struct sg_table sgt;
	struct page **pages;
};

static unsigned int pages_of(size_t size)
{
	return PAGE_ALIGN(size) >> PAGE_SHIFT;
}

/* A slab object is never memory for DMA, so it is a handle. */
static struct dmamap_handle *to_handle(void *cpu_addr)
{
	if (is_vmalloc_addr(cpu_addr) ||
	    !folio_test_slab(virt_to_folio(cpu_addr)))
		return NULL;
	return cpu_addr;
}

static void free_pages_array(struct page **pages, unsigned int count)
{
	while (count)
		__free_page(pages[--count]);
	kvfree(pages);
}

/* The largest pages of @orders that there are, up to @count. 0 without memory. */
static unsigned int alloc_some(struct device *dev, struct page **pages,
			       unsigned int count, unsigned long orders,
			       gfp_t gfp)
{
	unsigned int order, i;
	struct page *page;

	orders &= GENMASK(__fls(count), 0);
	while (orders) {
		order = __fls(orders);
		orders &= ~BIT(order);
		/* A larger one is welcome, but not worth much trouble. */
		page = alloc_pages_node(dev_to_node(dev),
					orders ? gfp | __GFP_NORETRY : gfp,
					order);
		if (!page)
			continue;
		if (order)
			split_page(page, order);
		for (i = 0; i < 1U << order; i++)
			pages[i] = page + i;
		return i;
	}
	return 0;
}

static struct page **collect_pages(struct device *dev, unsigned int count,
				   unsigned long orders, gfp_t gfp)
{
	struct page **pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL);
	unsigned int have = 0, more;

	if (!pages)
		return NULL;
	gfp |= __GFP_NOWARN | __GFP_HIGHMEM;
	while (have < count) {
		more = alloc_some(dev, pages + have, count - have, orders, gfp);
		if (!more) {
			free_pages_array(pages, have);
			return NULL;
		}
		have += more;
	}
	return pages;
}

/* Map pages for the device, in as few runs as they have. @size: up to theirs. */
static int map_pages(struct iommu_domain *domain, dma_addr_t addr, size_t size,
		     struct page **pages, int prot, gfp_t gfp)
{
	struct dmamap_runs runs __uninitialized;
	size_t done;
	int ret = 0;

	runs.domain = domain;
	runs.addr = addr;
	runs.prot = prot;
	runs.gfp = gfp;
	runs.count = 0;
	for (done = 0; !ret && done < size; done += PAGE_SIZE)
		ret = dmamap_runs_add(&runs, page_to_phys(*pages++),
				      min(PAGE_SIZE, size - done));
	if (!ret)
		ret = dmamap_runs_flush(&runs);
	if (!ret)
		ret = dmamap_run_sync(domain, addr, size);
	if (ret && runs.addr != addr)
		iommu_unmap(domain, addr, runs.addr - addr);
	return ret;
}

/* The device bypasses the caches: nothing may be left in them. */
static void prepare_pages(struct page **pages, unsigned int count)
{
	while (count--)
		arch_dma_prep_coherent(pages[count], PAGE_SIZE);
}

/*
 * Collect memory and map it for the device. Returns its pages, pages_of(@size)
 * of them, or %NULL. @sgt is filled in when it is given.
 */
static struct page **alloc_mapped(struct device *dev, size_t size,
				  dma_addr_t *addr, int prot, gfp_t gfp,
				  unsigned long attrs, struct sg_table *sgt)
{
	struct iommu_domain *domain = iommu_get_dma_domain(dev);
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	struct dmamap_target target = { .boundary = ~0UL };
	unsigned long sizes = domain->pgsize_bitmap;
	unsigned int count = pages_of(size);
	struct page **pages;

	if (dmamap_attach_deferred(dev, domain))
		return NULL;
	/* The IOMMU's pages may be smaller than the CPU's, never larger. */
	sizes = (sizes & ~(PAGE_SIZE - 1)) | PAGE_SIZE;
	if (attrs & DMA_ATTR_ALLOC_SINGLE_PAGES)
		sizes = PAGE_SIZE;
	if (!count)
		return NULL;
	pages = collect_pages(dev, count,
			      (sizes >> PAGE_SHIFT) &
			      GENMASK(MAX_PAGE_ORDER, 0), gfp);
	if (!pages)
		return NULL;

	size = iova_align(&cookie->iovad, size);
	*addr = dmamap_address_alloc(domain, dev, size, dev->coherent_dma_mask,
				     &target);
	if (!*addr)
		goto free_pages;
	if (!(prot & IOMMU_CACHE))
		prepare_pages(pages, count);
	gfp &= ~GFP_PLACE;
	if (sgt && sg_alloc_table_from_pages(sgt, pages, count, 0, size, gfp))
		goto free_address;
	if (map_pages(domain, *addr, size, pages, prot, gfp))
		goto free_table;
	return pages;

free_table:
	if (sgt)
		sg_free_table(sgt);
free_address:
	dmamap_address_free(cookie, *addr, size);
free_pages:
	free_pages_array(pages, count);
	return NULL;
}

/* Memory in as many pieces as it takes. */
static void *alloc_collected(struct device *dev, size_t size, dma_addr_t *addr,
			     gfp_t gfp, unsigned long attrs)
{
	pgprot_t prot = dma_pgprot(dev, PAGE_KERNEL, attrs);
	unsigned int count = pages_of(size);
	struct page **pages, *page;
	void *cpu_addr;

	pages = alloc_mapped(dev, size, addr,
			     dmamap_prot(DMA_BIDIRECTIONAL,
					 dev_is_dma_coherent(dev), attrs),
			     gfp, attrs, NULL);
	if (!pages)
		return NULL;

	/* A single page has an address already, if that will do. */
	page = pages[0];
	if (count == 1 && dev_is_dma_coherent(dev) && !PageHighMem(page)) {
		kvfree(pages);
		return page_address(page);
	}
	cpu_addr = dma_common_pages_remap(pages, PAGE_ALIGN(size), prot,
					  __builtin_return_address(0));
	if (cpu_addr)
		return cpu_addr;
	dmamap_range_unmap(dev, *addr, size, false);
	free_pages_array(pages, count);
	return NULL;
}

/* Memory that the kernel does not look at. */
static void *alloc_handle(struct device *dev, size_t size, dma_addr_t *addr,
			  gfp_t gfp, unsigned long attrs)
{
	struct dmamap_handle *handle = kmalloc(sizeof(*handle),
					       gfp & ~GFP_PLACE);
	int prot = dmamap_prot(DMA_BIDIRECTIONAL, dev_is_dma_coherent(dev),
			       attrs);

	if (!handle)
		return NULL;
	handle->count = pages_of(size);
	handle->pages = alloc_mapped(dev, size, addr, prot, gfp, attrs, NULL);
	if (handle->pages)
		return handle;
	kfree(handle);
	return NULL;
}

/* Memory in one piece, and where the CPU may use it. */
static struct page *alloc_piece(struct device *dev, size_t size,
				void **cpu_addr, gfp_t gfp, unsigned long attrs)
{
	pgprot_t prot = dma_pgprot(dev, PAGE_KERNEL, attrs);
	void *caller = __builtin_return_address(0);
	bool coherent = dev_is_dma_coherent(dev);
	struct page *page;

	size = PAGE_ALIGN(size);
	if (attrs & DMA_ATTR_NO_WARN)
		gfp |= __GFP_NOWARN;
	page = dma_alloc_contiguous(dev, size, gfp);
	if (!page)
		page = alloc_pages_node(dev_to_node(dev), gfp,
					get_order(size));
	if (!page)
		return NULL;

	if (coherent && !PageHighMem(page)) {
		*cpu_addr = page_address(page);
	} else {
		*cpu_addr = dma_common_contiguous_remap(page, size, prot, caller);
		if (!*cpu_addr) {
			dma_free_contiguous(dev, page, size);
			return NULL;
		}
		if (!coherent)
			arch_dma_prep_coherent(page, size);
	}
	/* CMA does not zero. */
	memset(*cpu_addr, 0, size);
	return page;
}

/* Free what is not mapped for the device any more. */
static void free_memory(struct device *dev, size_t size, void *cpu_addr)
{
	struct page **pages = NULL, *page = NULL;
	struct dmamap_handle *handle;

	size = PAGE_ALIGN(size);
	if (IS_ENABLED(CONFIG_DMA_DIRECT_REMAP) &&
	    dma_free_from_pool(dev, cpu_addr, size))
		return;

	handle = to_handle(cpu_addr);
	if (handle) {
		free_pages_array(handle->pages, handle->count);
		kfree(handle);
		return;
	}
	if (is_vmalloc_addr(cpu_addr)) {
		pages = dma_common_find_pages(cpu_addr);
		if (!pages)
			page = vmalloc_to_page(cpu_addr);
		dma_common_free_remap(cpu_addr, size);
	} else {
		page = virt_to_page(cpu_addr);
	}
	if (pages)
		free_pages_array(pages, pages_of(size));
	else
		dma_free_contiguous(dev, page, size);
}

static bool needs_pool(struct device *dev, gfp_t gfp)
{
	return IS_ENABLED(CONFIG_DMA_DIRECT_REMAP) &&
	       !gfpflags_allow_blocking(gfp) && !dev_is_dma_coherent(dev);
}

void *iommu_dma_alloc(struct device *dev, size_t size, dma_addr_t *addr,
		      gfp_t gfp, unsigned long attrs)
{
	int prot = dmamap_prot(DMA_BIDIRECTIONAL, dev_is_dma_coherent(dev),
			       attrs);
	struct page *page;
	void *cpu_addr;

	gfp |= __GFP_ZERO;
	if (gfpflags_allow_blocking(gfp) &&
	    !(attrs & DMA_ATTR_FORCE_CONTIGUOUS)) {
		if (attrs & DMA_ATTR_NO_KERNEL_MAPPING)
			return alloc_handle(dev, size, addr, gfp, attrs);
		return alloc_collected(dev, size, addr, gfp, attrs);
	}

	if (needs_pool(dev, gfp))
		page = dma_alloc_from_pool(dev, PAGE_ALIGN(size), &cpu_addr,
					   gfp, NULL);
	else
		page = alloc_piece(dev, size, &cpu_addr, gfp, attrs);
	if (!page)
		return NULL;

	*addr = dmamap_range_map(dev, page_to_phys(page), size, prot,
				 dev->coherent_dma_mask);
	if (*addr == DMA_MAPPING_ERROR) {
		free_memory(dev, size, cpu_addr);
		return NULL;
	}
	return cpu_addr;
}

void iommu_dma_free(struct device *dev, size_t size, void *cpu_addr,
		    dma_addr_t addr, unsigned long attrs)
{
	/* What the device may still see is not to be given to others. */
	if (dmamap_range_unmap(dev, addr, size, false))
		free_memory(dev, size, cpu_addr);
}

/* The pages behind @cpu_addr, %NULL when they are one piece from *@pfn on. */
static struct page **find_pages(void *cpu_addr, unsigned long *pfn)
{
	struct dmamap_handle *handle = to_handle(cpu_addr);
	struct page **pages;

	if (handle)
		return handle->pages;
	if (!is_vmalloc_addr(cpu_addr)) {
		*pfn = page_to_pfn(virt_to_page(cpu_addr));
		return NULL;
	}
	pages = dma_common_find_pages(cpu_addr);
	if (!pages)
		*pfn = vmalloc_to_pfn(cpu_addr);
	return pages;
}

int iommu_dma_mmap(struct device *dev, struct vm_area_struct *vma,
		   void *cpu_addr, dma_addr_t addr, size_t size,
		   unsigned long attrs)
{
	unsigned long count = pages_of(size), pfn;
	struct page **pages;
	int ret;

	vma->vm_page_prot = dma_pgprot(dev, vma->vm_page_prot, attrs);
	if (dma_mmap_from_dev_coherent(dev, vma, cpu_addr, size, &ret))
		return ret;
	if (vma->vm_pgoff >= count || vma_pages(vma) > count - vma->vm_pgoff)
		return -ENXIO;

	pages = find_pages(cpu_addr, &pfn);
	if (pages)
		return vm_map_pages(vma, pages, count);
	return remap_pfn_range(vma, vma->vm_start, pfn + vma->vm_pgoff,
			       vma_pages(vma) << PAGE_SHIFT, vma->vm_page_prot);
}

int iommu_dma_get_sgtable(struct device *dev, struct sg_table *sgt,
			  void *cpu_addr, dma_addr_t addr, size_t size,
			  unsigned long attrs)
{
	struct page **pages;
	unsigned long pfn;
	int ret;

	pages = find_pages(cpu_addr, &pfn);
	if (pages)
		return sg_alloc_table_from_pages(sgt, pages, pages_of(size), 0,
						 size, GFP_KERNEL);
	ret = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (ret)
		return ret;
	sg_set_page(sgt->sgl, pfn_to_page(pfn), PAGE_ALIGN(size), 0);
	return 0;
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

	memory = kmalloc(sizeof(*memory), gfp & ~GFP_PLACE);
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
	sg_dma_len(memory->sgt.sgl) = iova_align(&dmamap_cookie(dev)->iovad,
						 size);
	return &memory->sgt;
}

void iommu_dma_free_noncontiguous(struct device *dev, size_t size,
				  struct sg_table *sgt,
				  enum dma_data_direction dir)
{
	struct dmamap_noncontiguous *memory = to_noncontiguous(sgt);

	if (!dmamap_range_unmap(dev, sg_dma_address(sgt->sgl), size, false))
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
	unsigned long count = pages_of(size);

	if (vma->vm_pgoff >= count || vma_pages(vma) > count - vma->vm_pgoff)
		return -ENXIO;
	return vm_map_pages(vma, to_noncontiguous(sgt)->pages, count);
}
