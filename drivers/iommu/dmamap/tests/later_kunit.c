// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what kernels later than 6.12 ask of the layer.
 *
 * A layer that is carried over from 6.12 compiles and fails these.  Each test names
 * the trap as Documentation/dmamap/hacking.rst numbers them.
 */

#include <kunit/static_stub.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iommu-debug-pagealloc.h>
#include <linux/msi.h>
#include <linux/scatterlist.h>

#include "unmap_kunit.h"

#define TWO_WAY		DMA_BIDIRECTIONAL

static u8 *new_page(struct kunit *test)
{
	u8 *page = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	return page;
}

/* T1: a domain without map_pages() and unmap_pages() */
static void a_domain_that_maps_ranges_only_is_mapped(struct kunit *test)
{
#ifdef TEST_GENERIC_PT
	static const size_t sizes[] = { GRANULE, 3 * GRANULE, SZ_2M, SZ_2M + GRANULE };
	struct mock_iommu *mock = test->priv;
	struct device *dev;
	unsigned int i;

	mock->config.generic_pt = true;
	dev = mock_kunit_platform(test);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		dma_addr_t addr = test_map(dev, MMIO, sizes[i], TWO_WAY);

		KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), sizes[i]);
		KUNIT_EXPECT_EQ(test, mock_kunit_phys(dev, addr + sizes[i] - 1),
				MMIO + sizes[i] - 1);
		test_unmap(dev, addr, sizes[i], TWO_WAY);
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	}
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
#else
	kunit_skip(test, "a kernel without generic page tables");
#endif
}

/* T13: drivers with generic page tables do not report IOMMU_CAP_DEFERRED_FLUSH */
static void a_domain_that_maps_ranges_only_can_be_lazy(struct kunit *test)
{
#ifdef TEST_GENERIC_PT
	struct mock_iommu *mock = test->priv;
	struct device *dev;

	mock->config.generic_pt = true;
	mock->config.deferred_flush = false;
	mock->config.domain_type = IOMMU_DOMAIN_DMA_FQ;
	dev = mock_kunit_platform(test);
	KUNIT_EXPECT_EQ(test, iommu_get_domain_for_dev(dev)->type,
			IOMMU_DOMAIN_DMA_FQ);
	KUNIT_EXPECT_NOT_NULL(test, dmamap_cookie(dev)->fq);
#else
	kunit_skip(test, "a kernel without generic page tables");
#endif
}

static void expect_flushed(struct kunit *test, bool bounds)
{
	struct mock_iommu *mock = test->priv;
	struct dma_iova_state state;
	struct device *dev;
	dma_addr_t addr;

	mock->config.map_runs = bounds;
	mock->config.gathers = false;
	dev = mock_kunit_platform(test);
	addr = test_map(dev, MMIO, 2 * GRANULE, TWO_WAY);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	test_unmap(dev, addr, 2 * GRANULE, TWO_WAY);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 1);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);

	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &state, 0, 2 * GRANULE));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(dev, &state, MMIO, 0, 2 * GRANULE,
					       TWO_WAY, 0));
	dma_iova_destroy(dev, &state, 2 * GRANULE, TWO_WAY, 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 2);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

/* T2: iommu_iotlb_sync() does nothing if the driver has gathered nothing */
static void a_driver_that_gathers_nothing_flushes_mappings_with_bounds(struct kunit *test)
{
	expect_flushed(test, true);
}

static void a_driver_that_gathers_nothing_flushes_other_mappings(struct kunit *test)
{
	expect_flushed(test, false);
}

/* T3: a domain has one pointer for cookies of all kinds */
static void a_cookie_of_another_kind_is_left_alone(struct kunit *test)
{
	struct iommu_domain *domain = kunit_kzalloc(test, sizeof(*domain),
						    GFP_KERNEL);
	void *theirs = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	struct msi_desc desc = { .dev = mock_kunit_platform(test) };

	KUNIT_ASSERT_NOT_NULL(test, domain);
	KUNIT_ASSERT_NOT_NULL(test, theirs);
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	domain->cookie_type = IOMMU_COOKIE_IOMMUFD;
	domain->iommufd_hwpt = theirs;
	KUNIT_ASSERT_EQ(test, 0, iommu_dma_sw_msi(domain, &desc, MMIO));
	KUNIT_EXPECT_EQ(test, -EEXIST, iommu_get_dma_cookie(domain));
	KUNIT_EXPECT_EQ(test, -EEXIST, iommu_get_msi_cookie(domain, MMIO));
	iommu_put_dma_cookie(domain);
	iommu_put_msi_cookie(domain);
	KUNIT_EXPECT_PTR_EQ(test, (void *)domain->iommufd_hwpt, theirs);
	KUNIT_EXPECT_EQ(test, domain->cookie_type, IOMMU_COOKIE_IOMMUFD);
	KUNIT_EXPECT_NULL(test, memchr_inv(theirs, 0, SZ_4K));
}

/* T5: registers come as physical addresses, too */
static void registers_of_any_shape_are_mapped_without_a_slot(struct kunit *test)
{
	struct device *dev = mock_kunit_untrusted(test);
	dma_addr_t addr = test_map_registers(dev, MMIO + 100, GRANULE, TWO_WAY);
	struct mock_page page;

	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock_translate(dev, addr, &page), MOCK_LIVE);
	KUNIT_EXPECT_EQ(test, page.phys, MMIO + 100);
	KUNIT_EXPECT_EQ(test, page.prot & (IOMMU_MMIO | IOMMU_CACHE), IOMMU_MMIO);
	test_unmap_registers(dev, addr, GRANULE, TWO_WAY);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
}

static void what_must_be_coherent_is_not_bounced(struct kunit *test)
{
	struct device *dev = mock_kunit_untrusted(test);
	phys_addr_t phys = virt_to_phys(new_page(test));
	dma_addr_t addr;

	addr = iommu_dma_map_phys(dev, phys + 100, 100, TWO_WAY,
				  DMA_ATTR_REQUIRE_COHERENT);
	KUNIT_EXPECT_EQ(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
}

/* T7: a page table may clear a whole large page when it is asked for a part */
static void a_part_of_a_large_page_that_was_all_unlinked_is_reported(struct kunit *test)
{
#ifdef TEST_GENERIC_PT
	struct mock_iommu *mock = test->priv;
	struct dma_iova_state state;
	struct device *dev;

	mock->config.generic_pt = true;
	mock->config.exact_unmap = false;
	dev = mock_kunit_platform(test);
	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &state, 0, SZ_2M));
	KUNIT_ASSERT_EQ(test, 0, dma_iova_link(dev, &state, MMIO, 0, SZ_2M,
					       TWO_WAY, 0));
	KUNIT_ASSERT_EQ(test, mock_live_pages(dev), 1);
#ifdef CONFIG_IOMMU_DEBUG_PAGEALLOC
	/* The kernel sees it, too. */
	if (static_branch_unlikely(&iommu_debug_initialized))
		pr_info("expected warning: __iommu_debug_unmap_end\n");
#endif
	pr_info("expected warning: unmap of IOVA\n");
	dma_iova_unlink(dev, &state, 0, GRANULE, TWO_WAY, 0);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 1);
	dma_iova_free(dev, &state);
#else
	kunit_skip(test, "a kernel without generic page tables");
#endif
}

/* T8: the kernel counts how often a page is mapped, and looks when it is freed */
#ifdef CONFIG_IOMMU_DEBUG_PAGEALLOC
static void check(struct page *page, bool mapped)
{
	if (mapped)
		pr_info("expected warning: __iommu_debug_check_unmapped\n");
	__iommu_debug_check_unmapped(page, 1);
}
#endif

static void pages_are_counted_while_they_are_mapped(struct kunit *test)
{
#ifdef CONFIG_IOMMU_DEBUG_PAGEALLOC
	struct mock_iommu *mock = test->priv;
	phys_addr_t phys = virt_to_phys(new_page(test));
	struct page *page = pfn_to_page(PHYS_PFN(phys));
	struct dma_iova_state state;
	struct scatterlist sg;
	struct device *dev;
	unsigned int bounds;
	dma_addr_t addr;

	if (!static_branch_unlikely(&iommu_debug_initialized))
		kunit_skip(test, "boot with iommu.debug_pagealloc=1");
	for (bounds = 0; bounds < 2; bounds++) {
		mock->config.map_runs = bounds;
		dev = mock_kunit_platform(test);
		check(page, false);
		addr = test_map(dev, phys, PAGE_SIZE, TWO_WAY);
		KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
		check(page, true);
		test_unmap(dev, addr, PAGE_SIZE, TWO_WAY);
		check(page, false);

		sg_init_table(&sg, 1);
		sg_set_page(&sg, page, PAGE_SIZE, 0);
		KUNIT_ASSERT_EQ(test, 1, dma_map_sg(dev, &sg, 1, TWO_WAY));
		check(page, true);
		dma_unmap_sg(dev, &sg, 1, TWO_WAY);
		check(page, false);

		KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &state, 0,
							   PAGE_SIZE));
		KUNIT_ASSERT_EQ(test, 0, dma_iova_link(dev, &state, phys, 0,
						       PAGE_SIZE, TWO_WAY, 0));
		check(page, true);
		dma_iova_destroy(dev, &state, PAGE_SIZE, TWO_WAY, 0);
		check(page, false);
	}
#else
	kunit_skip(test, "a kernel that does not count");
#endif
}

static void a_wrong_unmap_leaves_the_count_of_a_page(struct kunit *test)
{
#ifdef CONFIG_IOMMU_DEBUG_PAGEALLOC
	struct mock_iommu *mock = test->priv;
	phys_addr_t phys = virt_to_phys(new_page(test));
	struct page *page = pfn_to_page(PHYS_PFN(phys));
	struct device *dev;
	dma_addr_t addr;

	if (!static_branch_unlikely(&iommu_debug_initialized))
		kunit_skip(test, "boot with iommu.debug_pagealloc=1");
	mock->config.map_runs = true;
	dev = mock_kunit_platform(test);
	addr = test_map(dev, phys, PAGE_SIZE, TWO_WAY);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	pr_info("expected warning: unmap of IOVA\n");
	test_unmap(dev, addr, 2 * PAGE_SIZE, TWO_WAY);
	/* Nothing looks at each page of a range that cannot be. */
	test_unmap(dev, addr, BIT_ULL(62), TWO_WAY);
	test_unmap(dev, addr, -SZ_1M, TWO_WAY);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 3);
	check(page, true);
	test_unmap(dev, addr, PAGE_SIZE, TWO_WAY);
	check(page, false);
#else
	kunit_skip(test, "a kernel that does not count");
#endif
}

/* T10: to attach a device takes a mutex */
static void refuse_no_more(void *unused)
{
	WRITE_ONCE(dmamap_may_refuse, false);
}

static void no_device_is_attached_in_atomic_context(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct dma_iova_state state;
	bool allocated, attached;
	unsigned long flags;
	struct device *dev;
	dma_addr_t addr;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "nothing maps with interrupts disabled");
	/* As in a crash kernel. */
	WRITE_ONCE(dmamap_may_refuse, true);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, refuse_no_more,
							   NULL));
	mock->config.defer_attach = true;
	dev = mock_kunit_platform(test);
	local_irq_save(flags);
	addr = test_map(dev, MMIO, GRANULE, TWO_WAY);
	allocated = dma_iova_try_alloc(dev, &state, 0, GRANULE);
	attached = mock_attached(dev);
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_FALSE(test, allocated);
	KUNIT_EXPECT_FALSE(test, attached);

	addr = test_map(dev, MMIO, GRANULE, TWO_WAY);
	KUNIT_EXPECT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_TRUE(test, mock_attached(dev));
	local_irq_save(flags);
	test_unmap(dev, addr, GRANULE, TWO_WAY);
	addr = test_map(dev, MMIO, GRANULE, TWO_WAY);
	local_irq_restore(flags);
	KUNIT_EXPECT_NE(test, addr, DMA_MAPPING_ERROR);
	test_unmap(dev, addr, GRANULE, TWO_WAY);
}

/* T11: the IOMMU core asks for MSI pages, on x86, too */
static void the_iommu_core_has_msi_pages_mapped(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	struct msi_desc desc = { .dev = dev };

	KUNIT_EXPECT_EQ(test, 0, iommu_dma_sw_msi(domain, &desc, MMIO + 0x40));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), GRANULE);
	KUNIT_EXPECT_EQ(test, 0, iommu_dma_sw_msi(domain, &desc, MMIO + 0x80));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), GRANULE);
	KUNIT_EXPECT_EQ(test, 0, iommu_dma_sw_msi(domain, &desc, MMIO + GRANULE));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, 0, iommu_dma_sw_msi(NULL, &desc, MMIO));
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
/* T4: cache maintenance is complete after a flush of its own */

static unsigned int completed, maintained;

static void count_completed(struct device *dev)
{
	completed++;
}

static void count_maintained(struct device *dev, phys_addr_t phys, size_t size,
			     enum dma_data_direction dir, bool for_cpu)
{
	maintained++;
}

static struct device *noncoherent(struct kunit *test)
{
	struct device *dev = mock_platform_create(test->priv);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev_assign_dma_coherent(dev, false);
	mock_kunit_add(test, dev);
	kunit_activate_static_stub(test, dmamap_complete_caches, count_completed);
	kunit_activate_static_stub(test, dmamap_cache, count_maintained);
	return dev;
}

static void expect_completed(struct kunit *test, const char *call)
{
	KUNIT_EXPECT_EQ_MSG(test, completed, 1, "%s", call);
	completed = 0;
}

static void each_call_completes_its_cache_maintenance_once(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	phys_addr_t phys = virt_to_phys(new_page(test));
	struct page *page = pfn_to_page(PHYS_PFN(phys));
	struct dma_iova_state state;
	struct scatterlist sg[2];
	dma_addr_t addr;

	completed = 0;
	addr = test_map(dev, phys, GRANULE, TWO_WAY);
	expect_completed(test, "map");
	dma_sync_single_for_cpu(dev, addr, GRANULE, TWO_WAY);
	expect_completed(test, "sync for the CPU");
	dma_sync_single_for_device(dev, addr, GRANULE, TWO_WAY);
	expect_completed(test, "sync for the device");
	test_unmap(dev, addr, GRANULE, TWO_WAY);
	expect_completed(test, "unmap");

	sg_init_table(sg, 2);
	sg_set_page(&sg[0], page, GRANULE, 0);
	sg_set_page(&sg[1], page, GRANULE, 0);
	KUNIT_ASSERT_GT(test, dma_map_sg(dev, sg, 2, TWO_WAY), 0);
	expect_completed(test, "map of a list");
	dma_sync_sg_for_cpu(dev, sg, 2, TWO_WAY);
	expect_completed(test, "sync of a list for the CPU");
	dma_sync_sg_for_device(dev, sg, 2, TWO_WAY);
	expect_completed(test, "sync of a list for the device");
	dma_unmap_sg(dev, sg, 2, TWO_WAY);
	expect_completed(test, "unmap of a list");

	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &state, 0, 2 * GRANULE));
	KUNIT_ASSERT_EQ(test, 0, dma_iova_link(dev, &state, phys, 0, GRANULE,
					       TWO_WAY, 0));
	KUNIT_ASSERT_EQ(test, 0, dma_iova_link(dev, &state, phys, GRANULE, GRANULE,
					       TWO_WAY, 0));
	KUNIT_EXPECT_EQ(test, completed, 0);
	KUNIT_ASSERT_EQ(test, 0, dma_iova_sync(dev, &state, 0, 2 * GRANULE));
	expect_completed(test, "sync of a range");
	dma_iova_destroy(dev, &state, 2 * GRANULE, TWO_WAY, 0);
	expect_completed(test, "destroy of a range");
}

/* T5 */
static void registers_need_no_cache_maintenance(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	dma_addr_t addr = test_map_registers(dev, MMIO, GRANULE, TWO_WAY);
	struct dma_iova_state state;

	maintained = 0;
	test_unmap_registers(dev, addr, GRANULE, TWO_WAY);
	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &state, 0, GRANULE));
	KUNIT_ASSERT_EQ(test, 0, dma_iova_link(dev, &state, MMIO, 0, GRANULE,
					       TWO_WAY, DMA_ATTR_MMIO));
	dma_iova_destroy(dev, &state, GRANULE, TWO_WAY, DMA_ATTR_MMIO);
	KUNIT_EXPECT_EQ(test, maintained, 0);
}
#endif

static struct kunit_case later_cases[] = {
	KUNIT_CASE(a_domain_that_maps_ranges_only_is_mapped),
	KUNIT_CASE(a_domain_that_maps_ranges_only_can_be_lazy),
	KUNIT_CASE(a_driver_that_gathers_nothing_flushes_mappings_with_bounds),
	KUNIT_CASE(a_driver_that_gathers_nothing_flushes_other_mappings),
	KUNIT_CASE(a_cookie_of_another_kind_is_left_alone),
	KUNIT_CASE(registers_of_any_shape_are_mapped_without_a_slot),
	KUNIT_CASE(what_must_be_coherent_is_not_bounced),
	KUNIT_CASE(a_part_of_a_large_page_that_was_all_unlinked_is_reported),
	KUNIT_CASE(pages_are_counted_while_they_are_mapped),
	KUNIT_CASE(a_wrong_unmap_leaves_the_count_of_a_page),
	KUNIT_CASE_PARAM(no_device_is_attached_in_atomic_context, kind_gen_params),
	KUNIT_CASE_PARAM(the_iommu_core_has_msi_pages_mapped, kind_gen_params),
#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
	KUNIT_CASE(each_call_completes_its_cache_maintenance_once),
	KUNIT_CASE(registers_need_no_cache_maintenance),
#endif
	{}
};

static struct kunit_suite later_suite = {
	.name = "dmamap_later",
	.suite_init = mock_kunit_suite_init,
	.init = unmap_init,
	.exit = mock_kunit_exit,
	.test_cases = later_cases,
};

kunit_test_suite(later_suite);
