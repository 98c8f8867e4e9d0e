// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of memory allocated for DMA: where it lies, what the CPU gets for
 * it, and how it is freed.
 */

#include <linux/anon_inodes.h>
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/dma-map-ops.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "../../dma-iommu.h"
#include "mock_kunit.h"

/* Sizes of all kinds, also above what the buddy allocator has. */
static const size_t sizes[] = {
	SZ_4K, SZ_4K * 3, SZ_64K, SZ_256K + SZ_4K, SZ_1M, SZ_1M * 3, SZ_4M,
	SZ_1M * 5, SZ_8M, SZ_1M * 9, SZ_16M,
};

static void check_aligned(struct kunit *test, struct device *dev, gfp_t gfp,
			  unsigned long attrs)
{
	size_t largest = 0, at;
	dma_addr_t odd, addr;
	unsigned int i;
	void *cpu, *one;

	attrs |= DMA_ATTR_NO_WARN;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		/* What is free does not end at an aligned address. */
		one = dma_alloc_coherent(dev, PAGE_SIZE, &odd, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, one);
		cpu = dma_alloc_attrs(dev, sizes[i], &addr, gfp, attrs);
		if (cpu) {
			largest = sizes[i];
			KUNIT_EXPECT_TRUE_MSG(test,
					      IS_ALIGNED(addr, PAGE_SIZE <<
							 get_order(largest)),
					      "%zu bytes at %pad", largest,
					      &addr);
			for (at = 0; at < largest; at += PAGE_SIZE)
				KUNIT_ASSERT_EQ(test,
						mock_kunit_phys(dev, addr + at),
						mock_kunit_phys(dev, addr) + at);
			dma_free_attrs(dev, sizes[i], cpu, addr, attrs);
		}
		dma_free_coherent(dev, PAGE_SIZE, one, odd);
	}
	KUNIT_EXPECT_GE(test, largest, SZ_1M);
	kunit_info(test, "up to %zu bytes\n", largest);
}

static void memory_in_one_piece_is_aligned_to_its_size(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);

	check_aligned(test, dev, GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS);
	check_aligned(test, dev, GFP_NOWAIT | __GFP_NOWARN, 0);
}

static void memory_is_aligned_to_a_page_with_small_granules(struct kunit *test)
{
	static const size_t small[] = { 1, 100, SZ_1K, SZ_1K * 5, SZ_8K };
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC };
	struct mock_iommu *mock = test->priv;
	dma_addr_t odd, addr[ARRAY_SIZE(small)];
	void *cpu[ARRAY_SIZE(small)];
	struct device *dev;
	unsigned int i, n;

	mock->config.pgsize_bitmap = SZ_1K | SZ_2M;
	dev = mock_kunit_platform(test);
	odd = dma_map_resource(dev, BIT(31), 1, DMA_TO_DEVICE, 0);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, odd));
	for (n = 0; n < ARRAY_SIZE(gfps); n++) {
		for (i = 0; i < ARRAY_SIZE(small); i++) {
			cpu[i] = dma_alloc_coherent(dev, small[i], &addr[i],
						    gfps[n]);
			KUNIT_ASSERT_NOT_NULL(test, cpu[i]);
			KUNIT_EXPECT_TRUE_MSG(test,
					      IS_ALIGNED(addr[i], PAGE_SIZE <<
							 get_order(small[i])),
					      "%zu bytes at %pad", small[i],
					      &addr[i]);
		}
		while (i--)
			dma_free_coherent(dev, small[i], cpu[i], addr[i]);
	}
	dma_unmap_resource(dev, odd, 1, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static const struct {
	gfp_t gfp;
	unsigned long attrs;
} ways[] = {
	{ GFP_KERNEL, 0 },
	{ GFP_ATOMIC, 0 },
	{ GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS },
	{ GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING },
	{ GFP_ATOMIC, DMA_ATTR_NO_KERNEL_MAPPING },
	{ GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_FORCE_CONTIGUOUS },
};

/* stock fails this */
static void an_allocation_of_0_bytes_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	dma_addr_t addr;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		KUNIT_EXPECT_NULL(test, dma_alloc_attrs(dev, 0, &addr,
							ways[i].gfp,
							ways[i].attrs));
	KUNIT_EXPECT_NULL(test, dma_alloc_noncontiguous(dev, 0, DMA_TO_DEVICE,
							GFP_KERNEL, 0));
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

/* The number of pages does not fit an unsigned int, and what is left is one. */
static void an_allocation_of_too_many_pages_is_refused(struct kunit *test)
{
#ifdef CONFIG_64BIT
	struct device *dev = mock_kunit_platform(test);
	dma_addr_t addr;

	KUNIT_EXPECT_NULL(test, dma_alloc_coherent(dev, PAGE_SIZE * ((1UL << 32) + 1),
						   &addr, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
#else
	kunit_skip(test, "sizes of 32 bits");
#endif
}

/* stock fails this */
static void memory_without_kernel_mapping_is_not_at_a_kernel_address(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	const size_t size = 5 * PAGE_SIZE;
	struct {
		void *cookie;
		dma_addr_t addr;
	} held[12];
	unsigned int i, way;

	if (!IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		kunit_skip(test, "a struct page is in the direct mapping");
	/* Many at a time: debugging of the DMA API finds what overlaps. */
	for (i = 0; i < ARRAY_SIZE(held); i++) {
		way = 3 + i % 3;
		held[i].cookie = dma_alloc_attrs(dev, size, &held[i].addr,
						 ways[way].gfp, ways[way].attrs);
		KUNIT_ASSERT_NOT_NULL(test, held[i].cookie);
		KUNIT_EXPECT_FALSE(test, virt_addr_valid(held[i].cookie));
		KUNIT_EXPECT_FALSE(test, is_vmalloc_addr(held[i].cookie));
	}
	for (i = 0; i < ARRAY_SIZE(held); i++) {
		u8 *seen = kunit_kmalloc(test, size, GFP_KERNEL);
		struct scatterlist *s;
		struct sg_table sgt;
		size_t sum = 0;
		unsigned int n;

		way = 3 + i % 3;
		KUNIT_ASSERT_NOT_NULL(test, seen);
		KUNIT_EXPECT_EQ(test, mock_dma_read(dev, held[i].addr, seen,
						    size), 0);
		KUNIT_EXPECT_NULL(test, memchr_inv(seen, 0, size));
		/* What the next one gets has been written to. */
		memset(seen, 0xdd, size);
		KUNIT_EXPECT_EQ(test, mock_dma_write(dev, held[i].addr, seen,
						     size), 0);
		KUNIT_ASSERT_EQ(test, 0,
				dma_get_sgtable_attrs(dev, &sgt, held[i].cookie,
						      held[i].addr, size,
						      ways[way].attrs));
		for_each_sgtable_sg(&sgt, s, n) {
			KUNIT_EXPECT_EQ(test, sg_phys(s),
					mock_kunit_phys(dev, held[i].addr + sum));
			sum += s->length;
		}
		KUNIT_EXPECT_EQ(test, sum, size);
		sg_free_table(&sgt);
		dma_free_attrs(dev, size, held[i].cookie, held[i].addr,
			       ways[way].attrs);
	}
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

/* A file whose mmap() maps a buffer of a device. */
struct mapped_file {
	struct device *dev;
	size_t size;
	void *cpu;
	dma_addr_t addr;
};

static int mapped_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mapped_file *m = file->private_data;

	return dma_mmap_coherent(m->dev, vma, m->cpu, m->addr, m->size);
}

static const struct file_operations mapped_file_fops = {
	.mmap = mapped_file_mmap,
};

static void a_mapping_to_user_space_keeps_a_single_page(struct kunit *test)
{
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC };
	struct mapped_file *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct page *page, *pinned;
	unsigned long user;
	struct file *file;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->dev = mock_kunit_platform(test);
	m->size = PAGE_SIZE;
	for (i = 0; i < ARRAY_SIZE(gfps); i++) {
		m->cpu = dma_alloc_coherent(m->dev, m->size, &m->addr, gfps[i]);
		KUNIT_ASSERT_NOT_NULL(test, m->cpu);
		page = pfn_to_page(PHYS_PFN(mock_kunit_phys(m->dev, m->addr)));
		file = anon_inode_getfile("[dmamap]", &mapped_file_fops, m,
					  O_RDWR);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
		user = kunit_vm_mmap(test, file, 0, m->size,
				     PROT_READ | PROT_WRITE, MAP_SHARED, 0);
		KUNIT_ASSERT_NE(test, user, 0);
		KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(user));
		KUNIT_EXPECT_EQ(test, page_count(page), 2);
		KUNIT_EXPECT_EQ(test, 1, pin_user_pages_fast(user, 1, FOLL_WRITE,
							     &pinned));
		KUNIT_EXPECT_PTR_EQ(test, pinned, page);
		if (pinned == page)
			unpin_user_page(page);
		/* The buffer goes first. What user space has is still there. */
		dma_free_coherent(m->dev, m->size, m->cpu, m->addr);
		KUNIT_EXPECT_EQ(test, page_count(page), 1);
		vm_munmap(user, m->size);
		fput(file);
	}
}

static void expect_freed_soon(struct kunit *test, void *cpu)
{
	unsigned int ms;

	for (ms = 0; ms < 5000 && find_vm_area(cpu); ms += 20)
		msleep(20);
	KUNIT_EXPECT_NULL_MSG(test, find_vm_area(cpu), "not freed in 5 s");
}

/* Here it is a warning, on stock a BUG. */
static void memory_freed_where_nothing_may_sleep_is_freed_later(struct kunit *test)
{
	static DEFINE_SPINLOCK(lock);
	struct device *dev = mock_kunit_platform(test);
	unsigned int i;

	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK))
		kunit_skip(test, "stock hits a BUG()");
	pr_info("expected warning: coherent memory freed in atomic context\n");
	for (i = 0; i < 4; i++) {
		struct vm_struct *area;
		dma_addr_t addr;
		void *cpu;

		cpu = dma_alloc_coherent(dev, SZ_16K, &addr, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, cpu);
		area = find_vm_area(cpu);
		KUNIT_ASSERT_NOT_NULL(test, area);
		if (i < 2) {
			spin_lock_bh(&lock);
			dma_free_coherent(dev, SZ_16K, cpu, addr);
			spin_unlock_bh(&lock);
		} else {
			/* The DMA core warns by itself, each time. */
			if (!IS_ENABLED(CONFIG_PREEMPT_RT))
				pr_info("expected warning: dma_free_attrs\n");
			spin_lock_irq(&lock);
			dma_free_coherent(dev, SZ_16K, cpu, addr);
			spin_unlock_irq(&lock);
		}
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
		expect_freed_soon(test, cpu);
	}
}

static struct kunit_case coherent_cases[] = {
	KUNIT_CASE(memory_in_one_piece_is_aligned_to_its_size),
	KUNIT_CASE(memory_is_aligned_to_a_page_with_small_granules),
	KUNIT_CASE(an_allocation_of_0_bytes_is_refused),
	KUNIT_CASE(an_allocation_of_too_many_pages_is_refused),
	KUNIT_CASE(memory_without_kernel_mapping_is_not_at_a_kernel_address),
	KUNIT_CASE(a_mapping_to_user_space_keeps_a_single_page),
	KUNIT_CASE(memory_freed_where_nothing_may_sleep_is_freed_later),
	{}
};

static struct kunit_suite coherent_suite = {
	.name = "dmamap_coherent",
	.suite_init = mock_kunit_suite_init,
	.init = mock_kunit_init,
	.exit = mock_kunit_exit,
	.test_cases = coherent_cases,
};

kunit_test_suite(coherent_suite);

MODULE_DESCRIPTION("KUnit tests of memory allocated for DMA");
MODULE_LICENSE("GPL");
