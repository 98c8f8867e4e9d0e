// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocated memory, coherent or not, contiguous or not; and in user space.
 */

#include <linux/anon_inodes.h>
#include <linux/dma-map-ops.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "dmamap_kunit.h"

/*
 * Coherent memory.
 */

static void expect_zeros(struct kunit *test, const void *memory, size_t size)
{
	KUNIT_EXPECT_NULL(test, memchr_inv(memory, 0, size));
}

/* What the CPU writes, the device reads, and the other way round. */
static void expect_shared(struct kunit *test, struct device *dev, u8 *cpu,
			  dma_addr_t addr, size_t size)
{
	size_t at;

	for (at = 0; at < size; at += GRANULE / 2) {
		u8 value = at >> 11, seen = 0;

		cpu[at] = value + 1;
		KUNIT_EXPECT_EQ(test, mock_dma_read(dev, addr + at, &seen, 1), 0);
		KUNIT_EXPECT_EQ(test, seen, (u8)(value + 1));
		KUNIT_EXPECT_EQ(test, mock_dma_write(dev, addr + at, &value, 1), 0);
		KUNIT_EXPECT_EQ(test, cpu[at], value);
	}
}

/* Allocate, check all there is to check, free, check again. */
static void check_alloc(struct kunit *test, struct device *dev, size_t size,
			gfp_t gfp, unsigned long attrs)
{
	unsigned long syncs = mock_count(mock_of(test), MOCK_SYNC);
	size_t whole = PAGE_ALIGN(size);
	dma_addr_t addr;
	u8 *cpu;

	cpu = dma_alloc_attrs(dev, size, &addr, gfp, attrs);
	KUNIT_ASSERT_NOT_NULL(test, cpu);
	KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(cpu));
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(addr, PAGE_SIZE << get_order(size)));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), whole);
	expect_zeros(test, cpu, whole);
	expect_shared(test, dev, cpu, addr, whole);
	memset(cpu, 0xff, whole);
	dma_free_attrs(dev, size, cpu, addr, attrs);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock_of(test), MOCK_SYNC), syncs + 1);
}

static const size_t alloc_sizes[] = {
	1, 100, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE, 5 * PAGE_SIZE + 5,
	SZ_64K, 33 * PAGE_SIZE, SZ_256K,
};

void coherent_memory_is_zeroed_aligned_and_shared(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned int i, round;

	/* F94, F95, F100 to F102, D5: the second time from what was freed */
	for (round = 0; round < 2; round++)
		for (i = 0; i < ARRAY_SIZE(alloc_sizes); i++)
			check_alloc(test, dev, alloc_sizes[i], GFP_KERNEL, 0);
}

void atomic_coherent_memory_is_zeroed_aligned_and_shared(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned int i, round;

	/* F98, F94 */
	for (round = 0; round < 2; round++)
		for (i = 0; i < ARRAY_SIZE(alloc_sizes); i++)
			check_alloc(test, dev, alloc_sizes[i], GFP_ATOMIC, 0);
}

void forced_contiguous_memory_is_contiguous(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr, at;
	void *cpu;

	/* F98, D7 */
	check_alloc(test, dev, 5 * PAGE_SIZE, GFP_KERNEL,
		    DMA_ATTR_FORCE_CONTIGUOUS);
	cpu = dma_alloc_attrs(dev, SZ_64K, &addr, GFP_KERNEL,
			      DMA_ATTR_FORCE_CONTIGUOUS);
	KUNIT_ASSERT_NOT_NULL(test, cpu);
	for (at = 0; at < SZ_64K; at += GRANULE)
		KUNIT_EXPECT_EQ(test, phys_at(dev, addr + at),
				phys_at(dev, addr) + at);
	dma_free_attrs(dev, SZ_64K, cpu, addr, DMA_ATTR_FORCE_CONTIGUOUS);
}

void single_pages_and_write_combining_are_accepted(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F95, D7 */
	check_alloc(test, dev, SZ_64K, GFP_KERNEL, DMA_ATTR_ALLOC_SINGLE_PAGES);
	check_alloc(test, dev, SZ_64K, GFP_KERNEL, DMA_ATTR_WRITE_COMBINE);
	check_alloc(test, dev, SZ_64K, GFP_KERNEL, DMA_ATTR_NO_WARN);
}

void coherent_memory_is_both_ways_and_privileged_if_asked(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr;
	void *cpu;

	/* F98, F55 */
	cpu = dma_alloc_attrs(dev, PAGE_SIZE, &addr, GFP_KERNEL,
			      DMA_ATTR_PRIVILEGED);
	KUNIT_ASSERT_NOT_NULL(test, cpu);
	KUNIT_EXPECT_EQ(test, prot_at(dev, addr), IOMMU_READ | IOMMU_WRITE |
						  IOMMU_CACHE | IOMMU_PRIV);
	dma_free_attrs(dev, PAGE_SIZE, cpu, addr, DMA_ATTR_PRIVILEGED);
}

void coherent_memory_obeys_the_coherent_mask(struct kunit *test)
{
	struct device *dev = platform(test);
	static const struct {
		gfp_t gfp;
		size_t size;	/* not the same: addresses are cached by size */
	} cases[] = {
		{ GFP_KERNEL, SZ_64K }, { GFP_ATOMIC, SZ_32K },
	};
	dma_addr_t addr;
	unsigned int i;
	void *cpu;

	/* F95, F98, D5 */
	KUNIT_ASSERT_EQ(test, dma_set_coherent_mask(dev, DMA_BIT_MASK(28)), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = cases[i].size;

		cpu = dma_alloc_coherent(dev, size, &addr, cases[i].gfp);
		KUNIT_ASSERT_NOT_NULL(test, cpu);
		KUNIT_EXPECT_LE(test, addr + size - 1, DMA_BIT_MASK(28));
		dma_free_coherent(dev, size, cpu, addr);
	}
}

void coherent_memory_works_with_small_granules(struct kunit *test)
{
	struct device *dev;

	/* F96, F19 */
	config_of(test)->pgsize_bitmap = SZ_1K | SZ_2M;
	dev = platform(test);
	check_alloc(test, dev, 3 * PAGE_SIZE, GFP_KERNEL, 0);
	check_alloc(test, dev, 3 * PAGE_SIZE, GFP_ATOMIC, 0);
}

void a_failed_coherent_allocation_leaves_nothing(struct kunit *test)
{
	static const struct {
		gfp_t gfp;
		unsigned long attrs;
	} ways[] = {
		{ GFP_KERNEL, 0 },
		{ GFP_ATOMIC, 0 },
		{ GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS },
	};
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	dma_addr_t addr;
	unsigned int n, i;

	/* F99, D1 */
	small_aperture(test);
	dev = platform(test);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		for (n = 0; n < 8; n++) {
			mock->faults.map_budget = n;
			KUNIT_EXPECT_NULL(test,
					  dma_alloc_attrs(dev, 8 * GRANULE, &addr,
							  ways[i].gfp,
							  ways[i].attrs));
			KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
			KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
		}
		mock->faults.map_budget = MOCK_NEVER;
		take_all(test, dev, GRANULE);
		KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, GRANULE, &addr,
							ways[i].gfp,
							ways[i].attrs));
		KUNIT_EXPECT_EQ(test, ((struct fixture *)test->priv)->nr,
				SMALL - 1);
		give_back(test);
	}
}

/* stock fails this */
void memory_without_kernel_mapping_has_none(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned int i;

	/* F99, B20, D7 */
	for (i = 0; i < ARRAY_SIZE(alloc_sizes); i++) {
		size_t size = alloc_sizes[i], whole = PAGE_ALIGN(size), at;
		u8 *seen = kunit_kmalloc(test, whole, GFP_KERNEL);
		dma_addr_t addr;
		void *cookie;

		KUNIT_ASSERT_NOT_NULL(test, seen);
		cookie = dma_alloc_attrs(dev, size, &addr, GFP_KERNEL,
					 DMA_ATTR_NO_KERNEL_MAPPING);
		KUNIT_ASSERT_NOT_NULL(test, cookie);
		KUNIT_EXPECT_FALSE(test, is_vmalloc_addr(cookie));
		KUNIT_EXPECT_EQ(test, mock_dma_read(dev, addr, seen, whole), 0);
		expect_zeros(test, seen, whole);
		for (at = 0; at < whole; at += PAGE_SIZE)
			KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, addr + at,
								"x", 1));
		dma_free_attrs(dev, size, cookie, addr,
			       DMA_ATTR_NO_KERNEL_MAPPING);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
		kunit_kfree(test, seen);
	}
}

void coherent_memory_of_an_untrusted_device_is_not_bounced(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);

	/* F98, F101 */
	check_alloc(test, dev, 100, GFP_KERNEL, 0);
	check_alloc(test, dev, 100, GFP_ATOMIC, 0);
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
void coherent_memory_for_noncoherent_devices(struct kunit *test)
{
	struct device *dev = noncoherent(test);

	/* F95, F97, F98, F100 */
	check_alloc(test, dev, 5 * PAGE_SIZE, GFP_KERNEL, 0);
	check_alloc(test, dev, 5 * PAGE_SIZE, GFP_KERNEL,
		    DMA_ATTR_FORCE_CONTIGUOUS);
	check_alloc(test, dev, 100, GFP_ATOMIC, 0);
	check_alloc(test, dev, 100, GFP_ATOMIC, 0);
}
#endif

void allocated_pages_are_mapped_as_told(struct kunit *test)
{
	struct device *dev = platform(test);
	struct page *page;
	dma_addr_t addr;
	u8 byte = 0;

	/* F105 */
	page = dma_alloc_pages(dev, 3 * PAGE_SIZE, &addr, DMA_FROM_DEVICE,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), page_to_phys(page));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, mock_dma_write(dev, addr, &byte, 1), 0);
	KUNIT_EXPECT_NE(test, mock_dma_read(dev, addr, &byte, 1), 0);
	dma_free_pages(dev, 3 * PAGE_SIZE, page, addr, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	mock_of(test)->faults.map_budget = 1;
	KUNIT_EXPECT_NULL(test, dma_alloc_pages(dev, 3 * PAGE_SIZE, &addr,
						DMA_FROM_DEVICE, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
}

/*
 * Memory that need not be contiguous.
 */

void noncontiguous_memory_is_one_segment(struct kunit *test)
{
	static const size_t sizes[] = { 1, PAGE_SIZE, 7 * PAGE_SIZE + 3, SZ_256K };
	struct device *dev = platform(test);
	unsigned int i, n;

	/* F103, F104 */
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct scatterlist *sg;
		struct sg_table *sgt;
		size_t sum = 0;
		dma_addr_t addr;
		u8 *cpu;

		sgt = dma_alloc_noncontiguous(dev, sizes[i], DMA_BIDIRECTIONAL,
					      GFP_KERNEL | __GFP_ZERO, 0);
		KUNIT_ASSERT_NOT_NULL(test, sgt);
		KUNIT_EXPECT_EQ(test, sgt->nents, 1);
		addr = sg_dma_address(sgt->sgl);
		KUNIT_EXPECT_GE(test, sg_dma_len(sgt->sgl), sizes[i]);
		for_each_sg(sgt->sgl, sg, sgt->orig_nents, n) {
			KUNIT_EXPECT_EQ(test, phys_at(dev, addr + sum),
					sg_phys(sg));
			sum += sg->length;
		}
		KUNIT_EXPECT_GE(test, sum, sizes[i]);

		cpu = dma_vmap_noncontiguous(dev, sizes[i], sgt);
		KUNIT_ASSERT_NOT_NULL(test, cpu);
		expect_zeros(test, cpu, sizes[i]);
		expect_shared(test, dev, cpu, addr, sizes[i]);
		dma_vunmap_noncontiguous(dev, cpu);
		dma_free_noncontiguous(dev, sizes[i], sgt, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
}

/* Leave pages with data in them where the next allocation finds them. */
static void dirty_some_pages(struct kunit *test)
{
	unsigned long pages[64];
	unsigned int i, nr;

	for (nr = 0; nr < ARRAY_SIZE(pages); nr++) {
		pages[nr] = __get_free_pages(GFP_KERNEL, nr % 4);
		if (!pages[nr])
			break;
		memset((void *)pages[nr], 0xdd, PAGE_SIZE << (nr % 4));
	}
	for (i = 0; i < nr; i++)
		free_pages(pages[i], i % 4);
}

/* stock fails this */
void noncontiguous_memory_for_untrusted_devices_is_zeroed(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	const size_t size = 40 * PAGE_SIZE;
	u8 *seen = kunit_kmalloc(test, size, GFP_KERNEL);
	struct sg_table *sgt;
	unsigned int round;

	/* F103, B19, D8 */
	KUNIT_ASSERT_NOT_NULL(test, seen);
	for (round = 0; round < 3; round++) {
		dirty_some_pages(test);
		sgt = dma_alloc_noncontiguous(dev, size, DMA_BIDIRECTIONAL,
					      GFP_KERNEL, 0);
		KUNIT_ASSERT_NOT_NULL(test, sgt);
		KUNIT_EXPECT_EQ(test, 0, mock_peek(dev, sg_dma_address(sgt->sgl),
						   seen, size));
		expect_zeros(test, seen, size);
		dma_free_noncontiguous(dev, size, sgt, DMA_BIDIRECTIONAL);
	}
}

/* stock fails this */
void noncontiguous_memory_is_mapped_one_way(struct kunit *test)
{
	static const struct {
		enum dma_data_direction dir;
		int prot;
	} cases[] = {
		{ DMA_TO_DEVICE, IOMMU_READ | IOMMU_CACHE },
		{ DMA_FROM_DEVICE, IOMMU_WRITE | IOMMU_CACHE },
		{ DMA_BIDIRECTIONAL, IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE },
	};
	struct device *dev = platform(test);
	unsigned int i;

	/* F103, B19 */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sg_table *sgt;

		sgt = dma_alloc_noncontiguous(dev, PAGE_SIZE, cases[i].dir,
					      GFP_KERNEL, 0);
		KUNIT_ASSERT_NOT_NULL(test, sgt);
		KUNIT_EXPECT_EQ(test, prot_at(dev, sg_dma_address(sgt->sgl)),
				cases[i].prot);
		dma_free_noncontiguous(dev, PAGE_SIZE, sgt, cases[i].dir);
	}
}

void a_failed_noncontiguous_allocation_leaves_nothing(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	unsigned int n;

	/* F103, F99 */
	small_aperture(test);
	dev = platform(test);
	for (n = 0; n < 8; n++) {
		mock->faults.map_budget = n;
		KUNIT_EXPECT_NULL(test,
				  dma_alloc_noncontiguous(dev, 8 * GRANULE,
							  DMA_FROM_DEVICE,
							  GFP_KERNEL, 0));
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

void noncontiguous_memory_takes_single_pages(struct kunit *test)
{
	struct device *dev = platform(test);
	struct sg_table *sgt;

	/* F103, D7 */
	sgt = dma_alloc_noncontiguous(dev, SZ_64K, DMA_FROM_DEVICE, GFP_KERNEL,
				      DMA_ATTR_ALLOC_SINGLE_PAGES);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_64K);
	dma_free_noncontiguous(dev, SZ_64K, sgt, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
}

/*
 * Mapping to user space, and tables of coherent memory.
 */

/* Pages of a buffer of 3 that a mapping to user space may not ask for. */
static const struct {
	unsigned long first, pages;
} beyond_3[] = {
	{ 0, 4 }, { 2, 2 }, { 3, 1 }, { ULONG_MAX, 1 }, { ULONG_MAX - 1, 3 },
};

static struct vm_area_struct vma_beyond_3(unsigned int i)
{
	return (struct vm_area_struct){
		.vm_start = SZ_1M,
		.vm_end = SZ_1M + beyond_3[i].pages * PAGE_SIZE,
		.vm_pgoff = beyond_3[i].first,
	};
}

void coherent_memory_is_mapped_to_user_space_within_bounds(struct kunit *test)
{
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC };
	struct device *dev = platform(test);
	const size_t size = 3 * PAGE_SIZE;
	unsigned int i, j;

	/* F106 */
	for (i = 0; i < ARRAY_SIZE(gfps); i++) {
		dma_addr_t addr;
		void *cpu;

		cpu = dma_alloc_coherent(dev, size, &addr, gfps[i]);
		KUNIT_ASSERT_NOT_NULL(test, cpu);
		for (j = 0; j < ARRAY_SIZE(beyond_3); j++) {
			struct vm_area_struct vma = vma_beyond_3(j);

			KUNIT_EXPECT_EQ(test, -ENXIO,
					dma_mmap_coherent(dev, &vma, cpu, addr,
							  size));
		}
		dma_free_coherent(dev, size, cpu, addr);
	}
}

void noncontiguous_memory_is_mapped_to_user_space_within_bounds(struct kunit *test)
{
	struct device *dev = platform(test);
	const size_t size = 3 * PAGE_SIZE;
	struct sg_table *sgt;
	unsigned int i;

	/* F104 */
	sgt = dma_alloc_noncontiguous(dev, size, DMA_FROM_DEVICE, GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	for (i = 0; i < ARRAY_SIZE(beyond_3); i++) {
		struct vm_area_struct vma = vma_beyond_3(i);

		KUNIT_EXPECT_EQ(test, -ENXIO,
				dma_mmap_noncontiguous(dev, &vma, size, sgt));
	}
	dma_free_noncontiguous(dev, size, sgt, DMA_FROM_DEVICE);
}

/* A file whose mmap() maps a buffer of a device. */
struct mapped_file {
	struct device *dev;
	size_t size;
	void *cpu;		/* coherent, or else in sgt */
	dma_addr_t addr;
	unsigned long attrs;
	struct sg_table *sgt;
};

static int mapped_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mapped_file *m = file->private_data;

	if (m->sgt)
		return dma_mmap_noncontiguous(m->dev, vma, m->size, m->sgt);
	return dma_mmap_attrs(m->dev, vma, m->cpu, m->addr, m->size, m->attrs);
}

static const struct file_operations mapped_file_fops = {
	.mmap = mapped_file_mmap,
};

/* The first byte of each page, from page @first on, is seen by user space. */
static void expect_user_sees(struct kunit *test, struct mapped_file *m,
			     const u8 *cpu, unsigned long first)
{
	size_t size = PAGE_ALIGN(m->size) - first * PAGE_SIZE, at;
	unsigned long user;
	struct file *file;

	file = anon_inode_getfile("[dmamap]", &mapped_file_fops, m, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	user = kunit_vm_mmap(test, file, 0, size, PROT_READ | PROT_WRITE,
			     MAP_SHARED, first * PAGE_SIZE);
	KUNIT_ASSERT_NE(test, user, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(user));
	for (at = 0; at < size; at += PAGE_SIZE) {
		u8 seen = 0;

		KUNIT_EXPECT_EQ(test, 0, get_user(seen, (u8 __user *)(user + at)));
		KUNIT_EXPECT_EQ(test, seen, cpu[first * PAGE_SIZE + at]);
	}
	vm_munmap(user, size);
	fput(file);
}

void coherent_memory_maps_to_user_space(struct kunit *test)
{
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC };
	struct mapped_file *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int i, page;
	u8 *cpu;

	/* F106 */
	KUNIT_ASSERT_NOT_NULL(test, m);
	m->dev = platform(test);
	m->size = 5 * PAGE_SIZE;
	for (i = 0; i < ARRAY_SIZE(gfps); i++) {
		cpu = dma_alloc_coherent(m->dev, m->size, &m->addr, gfps[i]);
		KUNIT_ASSERT_NOT_NULL(test, cpu);
		m->cpu = cpu;
		for (page = 0; page < 5; page++)
			cpu[page * PAGE_SIZE] = page + 1;
		expect_user_sees(test, m, cpu, 0);
		expect_user_sees(test, m, cpu, 3);
		dma_free_coherent(m->dev, m->size, cpu, m->addr);
	}
}

void memory_without_kernel_mapping_maps_to_user_space(struct kunit *test)
{
	struct mapped_file *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	u8 *seen = kunit_kzalloc(test, 5 * PAGE_SIZE, GFP_KERNEL);
	unsigned int page;

	/* F106, B20: what user space sees is what the device wrote */
	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	m->dev = platform(test);
	m->size = 5 * PAGE_SIZE;
	m->attrs = DMA_ATTR_NO_KERNEL_MAPPING;
	m->cpu = dma_alloc_attrs(m->dev, m->size, &m->addr, GFP_KERNEL,
				 m->attrs);
	KUNIT_ASSERT_NOT_NULL(test, m->cpu);
	for (page = 0; page < 5; page++) {
		seen[page * PAGE_SIZE] = page + 1;
		KUNIT_EXPECT_EQ(test, 0,
				mock_dma_write(m->dev, m->addr + page * PAGE_SIZE,
					       &seen[page * PAGE_SIZE], 1));
	}
	expect_user_sees(test, m, seen, 0);
	expect_user_sees(test, m, seen, 1);
	dma_free_attrs(m->dev, m->size, m->cpu, m->addr, m->attrs);
}

void noncontiguous_memory_maps_to_user_space(struct kunit *test)
{
	struct mapped_file *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int page;
	u8 *cpu;

	/* F104 */
	KUNIT_ASSERT_NOT_NULL(test, m);
	m->dev = platform(test);
	m->size = 5 * PAGE_SIZE;
	m->sgt = dma_alloc_noncontiguous(m->dev, m->size, DMA_BIDIRECTIONAL,
					 GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, m->sgt);
	cpu = dma_vmap_noncontiguous(m->dev, m->size, m->sgt);
	KUNIT_ASSERT_NOT_NULL(test, cpu);
	for (page = 0; page < 5; page++)
		cpu[page * PAGE_SIZE] = page + 1;
	expect_user_sees(test, m, cpu, 0);
	expect_user_sees(test, m, cpu, 2);
	dma_vunmap_noncontiguous(m->dev, cpu);
	dma_free_noncontiguous(m->dev, m->size, m->sgt, DMA_BIDIRECTIONAL);
}

void a_table_of_coherent_memory_lists_its_pages(struct kunit *test)
{
	static const struct {
		gfp_t gfp;
		unsigned long attrs;
	} ways[] = {
		{ GFP_KERNEL, 0 },
		{ GFP_ATOMIC, 0 },
		{ GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS },
		{ GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING },
	};
	struct device *dev = platform(test);
	const size_t size = 5 * PAGE_SIZE;
	unsigned int i, n;

	/* F107 */
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		struct scatterlist *sg;
		struct sg_table sgt;
		dma_addr_t addr;
		size_t sum = 0;
		void *cpu;

		cpu = dma_alloc_attrs(dev, size, &addr, ways[i].gfp,
				      ways[i].attrs);
		KUNIT_ASSERT_NOT_NULL(test, cpu);
		KUNIT_ASSERT_EQ(test, dma_get_sgtable_attrs(dev, &sgt, cpu, addr,
							    size, ways[i].attrs),
				0);
		for_each_sg(sgt.sgl, sg, sgt.orig_nents, n) {
			KUNIT_EXPECT_EQ(test, sg_phys(sg), phys_at(dev, addr + sum));
			sum += sg->length;
		}
		KUNIT_EXPECT_EQ(test, sum, size);
		sg_free_table(&sgt);
		dma_free_attrs(dev, size, cpu, addr, ways[i].attrs);
	}
}
