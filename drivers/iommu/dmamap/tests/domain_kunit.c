// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA domains: which domain a device maps in, which devices may
 * join it, and which addresses it hands out.
 *
 * As dmamap_kunit.c: the devices are behind an IOMMU in software, and a test
 * that provokes a warning prints "expected warning:" and its text before.
 */

#include <kunit/test.h>
#include <linux/crash_dump.h>
#include <linux/dma-map-ops.h>
#include <linux/iommu-dma.h>
#include <linux/iova.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>
#include <linux/workqueue.h>

#include "../../dma-iommu.h"
#if defined(CONFIG_IOMMU_DMAMAP) && defined(CONFIG_IOVA_GAP_TREE)
#include "../../iova/internal.h"
#define CACHES_ARE_OURS
#endif
#include "../dmamap.h"
#include "mock_iommu.h"

#define GRANULE		SZ_4K
/* Addresses that tests map as resources: never touched, so never there. */
#ifdef CONFIG_PHYS_ADDR_T_64BIT
#define MMIO		BIT_ULL(40)
#else
#define MMIO		BIT(31)
#endif

static int domain_suite_init(struct kunit_suite *suite)
{
	/* Where the kernel has no bounce buffers yet, have some for the tests. */
	return IS_ENABLED(CONFIG_SWIOTLB) ?
	       swiotlb_init_late(SZ_4M, GFP_KERNEL, NULL) : 0;
}

static int domain_test_init(struct kunit *test)
{
	int ret;

	/* Caches are a CPU's. */
	ret = set_cpus_allowed_ptr(current,
				   cpumask_of(cpumask_first(cpu_online_mask)));
	if (ret)
		return ret;
	test->priv = mock_iommu_create();
	return test->priv ? 0 : -ENOMEM;
}

static void domain_test_exit(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;

	if (!mock)
		return;
	KUNIT_EXPECT_EQ_MSG(test, mock->strays, 0,
			    "calls that no IOMMU driver expects");
	mock_iommu_destroy(mock);
}

/* The tests are about IOVAs above 4 GiB, or need an allocator that helps. */
static void needs_64_bits_and_gap_tree(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "IOVAs of 32 bits");
	if (!IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "not with the stock allocator");
}

static struct device *new_device(struct kunit *test, bool pci)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev;

	if (pci && !IS_ENABLED(CONFIG_PCI))
		kunit_skip(test, "a kernel without PCI");
	dev = pci ? mock_pci_create(mock) : mock_platform_create(mock);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	return dev;
}

static struct device *add(struct kunit *test, struct device *dev)
{
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	return dev;
}

static struct device *platform(struct kunit *test)
{
	struct device *dev = add(test, new_device(test, false));

	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static struct device *pci(struct kunit *test, bool untrusted)
{
	struct device *dev = new_device(test, true);

	to_pci_dev(dev)->untrusted = untrusted;
	add(test, dev);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static dma_addr_t map_mmio(struct device *dev, phys_addr_t phys, size_t size)
{
	/* Only to be read: then debugging lets it be mapped more than once. */
	dma_addr_t addr = dma_map_resource(dev, phys, size, DMA_TO_DEVICE, 0);

	/* DMA_API_DEBUG wants every address looked at. */
	return dma_mapping_error(dev, addr) ? DMA_MAPPING_ERROR : addr;
}

static void unmap_mmio(struct device *dev, dma_addr_t addr, size_t size)
{
	dma_unmap_resource(dev, addr, size, DMA_TO_DEVICE, 0);
}

static bool is_live(struct device *dev, dma_addr_t addr)
{
	return mock_translate(dev, addr, NULL) == MOCK_LIVE;
}

static void free_page_of(void *page)
{
	__free_page(page);
}

static struct page *new_page(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_page_of,
							   page));
	return page;
}

/*
 * Each entry point of the DMA API that makes a mapping, and what undoes it.
 */

/**
 * struct mapped - memory mapped for a device
 * @size: its bytes
 * @addr: where the device sees it
 * @page: what a test gave
 * @sgt: @table, or what dma_alloc_noncontiguous() returned
 * @table: @sg alone
 * @sg: @page as a list
 * @cpu: what was allocated
 */
struct mapped {
	size_t size;
	dma_addr_t addr;
	struct page *page;
	struct sg_table *sgt, table;
	struct scatterlist sg;
	void *cpu;
};

static bool map_page(struct device *dev, struct mapped *m)
{
	m->addr = dma_map_page(dev, m->page, 0, m->size, DMA_BIDIRECTIONAL);
	return !dma_mapping_error(dev, m->addr);
}

static void unmap_page(struct device *dev, struct mapped *m)
{
	dma_sync_single_for_cpu(dev, m->addr, m->size, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(dev, m->addr, m->size, DMA_BIDIRECTIONAL);
	dma_unmap_page(dev, m->addr, m->size, DMA_BIDIRECTIONAL);
}

static bool map_registers(struct device *dev, struct mapped *m)
{
	m->addr = map_mmio(dev, MMIO, m->size);
	return !dma_mapping_error(dev, m->addr);
}

static void unmap_registers(struct device *dev, struct mapped *m)
{
	unmap_mmio(dev, m->addr, m->size);
}

static bool map_list(struct device *dev, struct mapped *m)
{
	sg_init_table(&m->sg, 1);
	sg_set_page(&m->sg, m->page, m->size, 0);
	m->table = (struct sg_table){ &m->sg, 1, 1 };
	m->sgt = &m->table;
	if (dma_map_sgtable(dev, m->sgt, DMA_BIDIRECTIONAL, 0))
		return false;
	m->addr = sg_dma_address(&m->sg);
	return true;
}

static void unmap_list(struct device *dev, struct mapped *m)
{
	dma_sync_sgtable_for_cpu(dev, m->sgt, DMA_BIDIRECTIONAL);
	dma_sync_sgtable_for_device(dev, m->sgt, DMA_BIDIRECTIONAL);
	dma_unmap_sgtable(dev, m->sgt, DMA_BIDIRECTIONAL, 0);
}

static bool alloc_coherent(struct device *dev, struct mapped *m)
{
	m->cpu = dma_alloc_coherent(dev, m->size, &m->addr, GFP_KERNEL);
	return m->cpu;
}

static bool alloc_atomic(struct device *dev, struct mapped *m)
{
	m->cpu = dma_alloc_coherent(dev, m->size, &m->addr, GFP_ATOMIC);
	return m->cpu;
}

static void free_coherent(struct device *dev, struct mapped *m)
{
	dma_free_coherent(dev, m->size, m->cpu, m->addr);
}

static bool alloc_unmapped(struct device *dev, struct mapped *m)
{
	m->cpu = dma_alloc_attrs(dev, m->size, &m->addr, GFP_KERNEL,
				 DMA_ATTR_NO_KERNEL_MAPPING);
	return m->cpu;
}

static void free_unmapped(struct device *dev, struct mapped *m)
{
	dma_free_attrs(dev, m->size, m->cpu, m->addr,
		       DMA_ATTR_NO_KERNEL_MAPPING);
}

static bool alloc_pages_for(struct device *dev, struct mapped *m)
{
	m->page = dma_alloc_pages(dev, m->size, &m->addr, DMA_BIDIRECTIONAL,
				  GFP_KERNEL);
	return m->page;
}

static void free_pages_of(struct device *dev, struct mapped *m)
{
	dma_free_pages(dev, m->size, m->page, m->addr, DMA_BIDIRECTIONAL);
}

static bool alloc_scattered(struct device *dev, struct mapped *m)
{
	m->sgt = dma_alloc_noncontiguous(dev, m->size, DMA_BIDIRECTIONAL,
					 GFP_KERNEL, 0);
	if (!m->sgt)
		return false;
	m->addr = sg_dma_address(m->sgt->sgl);
	return true;
}

static void free_scattered(struct device *dev, struct mapped *m)
{
	void *vaddr = dma_vmap_noncontiguous(dev, m->size, m->sgt);

	if (vaddr)
		dma_vunmap_noncontiguous(dev, vaddr);
	dma_free_noncontiguous(dev, m->size, m->sgt, DMA_BIDIRECTIONAL);
}

static const struct entry_point {
	const char *name;
	bool (*map)(struct device *dev, struct mapped *m);
	void (*unmap)(struct device *dev, struct mapped *m);
} entry_points[] = {
	{ "dma_map_page", map_page, unmap_page },
	{ "dma_map_resource", map_registers, unmap_registers },
	{ "dma_map_sgtable", map_list, unmap_list },
	{ "dma_alloc_coherent", alloc_coherent, free_coherent },
	{ "dma_alloc_coherent, atomic", alloc_atomic, free_coherent },
	{ "dma_alloc_attrs, no mapping", alloc_unmapped, free_unmapped },
	{ "dma_alloc_pages", alloc_pages_for, free_pages_of },
	{ "dma_alloc_noncontiguous", alloc_scattered, free_scattered },
};

KUNIT_ARRAY_PARAM_DESC(entry_point, entry_points, name);

static struct mapped *new_mapped(struct kunit *test)
{
	struct mapped *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->size = PAGE_SIZE;
	m->page = new_page(test);
	return m;
}

/*
 * Another domain is attached: that of a user of the group, or of the driver.
 */

static void release_owner(void *dev)
{
	iommu_device_release_dma_owner(dev);
}

static void a_device_added_to_an_owned_group_maps_afterwards(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct mapped *m = new_mapped(test);
	struct device *a, *b;

	/* stock fails this */
	mock->config.one_group = true;
	a = platform(test);
	KUNIT_ASSERT_EQ(test, iommu_device_claim_dma_owner(a, test), 0);
	b = new_device(test, false);
	mock_device_add(b);
	release_owner(a);
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(b));
	KUNIT_ASSERT_TRUE(test, map_page(b, m));
	KUNIT_EXPECT_TRUE(test, is_live(b, m->addr));
	unmap_page(b, m);
}

static void a_device_added_beside_an_attached_domain_maps_afterwards(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct mapped *m = new_mapped(test);
	struct iommu_domain *own;
	struct device *a, *b;

	/* stock fails this */
	mock->config.one_group = true;
	a = platform(test);
	own = iommu_paging_domain_alloc(a);
	KUNIT_ASSERT_FALSE(test, IS_ERR(own));
	KUNIT_EXPECT_EQ(test, iommu_attach_group(own, a->iommu_group), 0);
	b = new_device(test, false);
	mock_device_add(b);
	iommu_detach_group(own, a->iommu_group);
	iommu_domain_free(own);
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(b));
	KUNIT_ASSERT_TRUE(test, map_page(b, m));
	KUNIT_EXPECT_TRUE(test, is_live(b, m->addr));
	unmap_page(b, m);
}

static void the_default_domain_is_used_while_another_is_attached(struct kunit *test)
{
	const struct entry_point *entry = test->param_value;
	struct mapped *before = new_mapped(test), *m = new_mapped(test);
	struct device *dev = platform(test);
	struct iommu_domain *usual = iommu_get_domain_for_dev(dev), *own;

	KUNIT_ASSERT_TRUE(test, entry->map(dev, before));
	own = iommu_paging_domain_alloc(dev);
	KUNIT_ASSERT_FALSE(test, IS_ERR(own));
	KUNIT_EXPECT_EQ(test, iommu_attach_group(own, dev->iommu_group), 0);
	KUNIT_ASSERT_PTR_EQ(test, iommu_get_domain_for_dev(dev), own);

	KUNIT_EXPECT_TRUE(test, entry->map(dev, m));
	KUNIT_EXPECT_NE(test, iommu_iova_to_phys(usual, m->addr), 0);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(own, m->addr), 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	entry->unmap(dev, m);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(usual, m->addr), 0);

	iommu_detach_group(own, dev->iommu_group);
	iommu_domain_free(own);
	KUNIT_EXPECT_TRUE(test, is_live(dev, before->addr));
	entry->unmap(dev, before);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void a_bounced_buffer_is_synced_while_another_is_attached(struct kunit *test)
{
	struct device *dev = pci(test, true);
	struct iommu_domain *usual = iommu_get_domain_for_dev(dev), *own;
	u8 *buffer = page_address(new_page(test)), *slot;
	dma_addr_t addr;

	if (!is_swiotlb_active(dev))
		kunit_skip(test, "no bounce buffers: boot without swiotlb=noforce");
	addr = dma_map_single(dev, buffer + 8, 64, DMA_FROM_DEVICE);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	own = iommu_paging_domain_alloc(dev);
	KUNIT_ASSERT_FALSE(test, IS_ERR(own));
	KUNIT_EXPECT_EQ(test, iommu_attach_group(own, dev->iommu_group), 0);

	slot = phys_to_virt(iommu_iova_to_phys(usual, addr));
	KUNIT_ASSERT_PTR_NE(test, slot, buffer + 8);
	memset(slot, 0x5a, 64);
	dma_sync_single_for_cpu(dev, addr, 64, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[8], 0x5a);
	memset(slot, 0xa5, 64);
	dma_unmap_single(dev, addr, 64, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[8 + 63], 0xa5);
	KUNIT_EXPECT_EQ(test, buffer[7], 0);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(usual, addr), 0);

	iommu_detach_group(own, dev->iommu_group);
	iommu_domain_free(own);
}

/*
 * A device that joins late, and what it must not be given is in use.
 */

static struct device *late_joiner(struct kunit *test, phys_addr_t start,
				  size_t length, enum iommu_resv_type type)
{
	struct device *dev = new_device(test, false);

	mock_add_region(test->priv, dev, start, length, type);
	return add(test, dev);
}

static void a_reserved_region_in_use_keeps_no_device_out(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct mapped *m = new_mapped(test);
	struct device *a, *b;
	dma_addr_t addr;

	mock->config.one_group = true;
	a = platform(test);
	addr = map_mmio(a, MMIO, GRANULE);
	b = late_joiner(test, addr, GRANULE, IOMMU_RESV_RESERVED);
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(b));
	KUNIT_ASSERT_TRUE(test, map_page(b, m));
	KUNIT_EXPECT_NE(test, m->addr, addr);
	KUNIT_EXPECT_TRUE(test, is_live(b, m->addr));
	unmap_page(b, m);
	KUNIT_EXPECT_TRUE(test, is_live(a, addr));
	unmap_mmio(a, addr, GRANULE);
}

static void a_region_partly_in_use_is_kept_where_it_is_free(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	dma_addr_t addr, used[64];
	unsigned int i, nr;
	struct device *a;

	needs_64_bits_and_gap_tree(test);
	mock->config.one_group = true;
	mock->config.aperture_end = SZ_256K - 1;
	a = platform(test);
	addr = map_mmio(a, MMIO, GRANULE);
	/* The one in use is the last but one of four. */
	late_joiner(test, addr - 2 * GRANULE, 4 * GRANULE,
		    IOMMU_RESV_RESERVED);
	for (nr = 0; nr < ARRAY_SIZE(used); nr++) {
		used[nr] = map_mmio(a, MMIO, GRANULE);
		if (used[nr] == DMA_MAPPING_ERROR)
			break;
		KUNIT_EXPECT_TRUE(test, used[nr] < addr - 2 * GRANULE ||
				  used[nr] >= addr + 2 * GRANULE);
	}
	KUNIT_EXPECT_GT(test, nr, 32);
	for (i = 0; i < nr; i++)
		unmap_mmio(a, used[i], GRANULE);
	unmap_mmio(a, addr, GRANULE);
}

static void a_direct_region_in_use_blocks_a_late_device(struct kunit *test)
{
	const struct entry_point *entry = test->param_value;
	struct mock_iommu *mock = test->priv;
	struct mapped *m = new_mapped(test);
	struct device *a, *b;
	dma_addr_t addr;

	/* stock lets it join; here it must not see what is A's */
	mock->config.one_group = true;
	a = platform(test);
	addr = map_mmio(a, MMIO, GRANULE);
	b = late_joiner(test, addr, GRANULE, IOMMU_RESV_DIRECT);
	KUNIT_EXPECT_FALSE(test, entry->map(b, m));
	KUNIT_EXPECT_EQ(test, mock_live_pages(b), 1);
	KUNIT_EXPECT_TRUE(test, is_live(a, addr));
	unmap_mmio(a, addr, GRANULE);
}

static void a_device_that_cannot_join_maps_nothing(struct kunit *test)
{
	const struct entry_point *entry = test->param_value;
	struct mock_iommu *mock = test->priv;
	struct mapped *m = new_mapped(test);
	struct device *dev;

	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK))
		kunit_skip(test, "stock has a BUG_ON() for this");
	mock->config.pgsize_bitmap = PAGE_SIZE * 4;
	dev = add(test, new_device(test, false));
	KUNIT_EXPECT_FALSE(test, entry->map(dev, m));
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

#ifdef CONFIG_IOMMU_DMAMAP
/* It has no sizes of mappings, either. */
static void an_unmap_for_a_device_that_cannot_join_is_reported(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev;

	mock->config.pgsize_bitmap = PAGE_SIZE * 4;
	dev = add(test, new_device(test, false));
	pr_info("expected warning: unmap of IOVA\n");
	test_unmap(dev, DMA_MAPPING_ERROR, GRANULE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->iommu->dma_misuses), 1);
	test_unmap(dev, 16 * GRANULE, GRANULE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->iommu->dma_misuses), 2);
}
#endif

static void a_list_for_a_device_that_cannot_join_has_no_addresses(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	u8 *buffer = kunit_kmalloc(test, GRANULE, GFP_KERNEL);
	struct scatterlist sg;
	struct device *dev;

	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK))
		kunit_skip(test, "stock has a BUG_ON() for this");
	mock->config.pgsize_bitmap = PAGE_SIZE * 4;
	dev = add(test, new_device(test, false));
	KUNIT_ASSERT_NOT_NULL(test, buffer);
	sg_init_one(&sg, buffer, GRANULE);
	/* Of an earlier map, for another device */
	sg_dma_address(&sg) = 16 * GRANULE;
	sg_dma_len(&sg) = GRANULE;
	KUNIT_EXPECT_EQ(test, 0, dma_map_sg(dev, &sg, 1, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, sg_dma_address(&sg), DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, sg_dma_len(&sg), 0);
}

static void a_device_that_was_blocked_may_join_later(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct mapped *m = new_mapped(test);
	struct device *a, *b;
	dma_addr_t addr;

	mock->config.one_group = true;
	a = platform(test);
	addr = map_mmio(a, MMIO, GRANULE);
	b = late_joiner(test, addr, GRANULE, IOMMU_RESV_DIRECT);
	KUNIT_EXPECT_FALSE(test, map_page(b, m));
	unmap_mmio(a, addr, GRANULE);
	mock_device_remove(b);
	mock->nr_regions = 0;
	b = late_joiner(test, addr, GRANULE, IOMMU_RESV_DIRECT);
	KUNIT_EXPECT_TRUE(test, is_live(b, addr));
	KUNIT_ASSERT_TRUE(test, map_page(b, m));
	KUNIT_EXPECT_NE(test, m->addr, addr);
	unmap_page(b, m);
}

static void a_blocked_device_decides_on_laziness_too(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *a, *b;
	dma_addr_t addr;

	mock->config.one_group = true;
	mock->config.domain_type = IOMMU_DOMAIN_DMA_FQ;
	a = platform(test);
	KUNIT_ASSERT_EQ(test, iommu_get_domain_for_dev(a)->type,
			IOMMU_DOMAIN_DMA_FQ);
	addr = map_mmio(a, MMIO, GRANULE);
	mock->config.deferred_flush = false;
	b = late_joiner(test, addr, GRANULE, IOMMU_RESV_DIRECT);
	KUNIT_EXPECT_EQ(test, iommu_get_domain_for_dev(b)->type,
			IOMMU_DOMAIN_DMA);
	unmap_mmio(a, addr, GRANULE);
	/* It is not reached any more, without a flush of all. */
	KUNIT_EXPECT_EQ(test, mock_translate(b, addr, NULL), MOCK_NOWHERE);
}

struct release {
	struct delayed_work work;
	struct device *dev;
	dma_addr_t addr;
};

static void release_range(struct work_struct *work)
{
	struct release *release = container_of(to_delayed_work(work),
					       struct release, work);

	unmap_mmio(release->dev, release->addr, GRANULE);
}

static void a_region_that_comes_free_meanwhile_is_reserved(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct mapped *m = new_mapped(test);
	struct release release;
	struct device *b;

	mock->config.one_group = true;
	release.dev = platform(test);
	release.addr = map_mmio(release.dev, MMIO, GRANULE);
	INIT_DELAYED_WORK_ONSTACK(&release.work, release_range);
	queue_delayed_work(system_dfl_wq, &release.work, 1);
	b = late_joiner(test, release.addr, GRANULE, IOMMU_RESV_DIRECT);
	flush_delayed_work(&release.work);
	destroy_delayed_work_on_stack(&release.work);
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(b));
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(iommu_get_domain_for_dev(b),
						 release.addr), release.addr);
	KUNIT_ASSERT_TRUE(test, map_page(b, m));
	KUNIT_EXPECT_NE(test, m->addr, release.addr);
	unmap_page(b, m);
}

static void an_untranslated_msi_window_is_noted_once(struct kunit *test)
{
	const phys_addr_t window = SZ_1G, last = window + SZ_1M - 1;
	struct msi_desc desc = { };

	mock_add_region(test->priv, NULL, window, SZ_1M, IOMMU_RESV_MSI);
	desc.dev = platform(test);
	KUNIT_EXPECT_EQ(test, test_prepare_msi(&desc, last), 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(desc.dev), 0);
#ifdef CONFIG_IRQ_MSI_IOMMU
	KUNIT_EXPECT_EQ(test, (u64)desc.iommu_msi_iova, last / GRANULE);
#endif
#ifdef CONFIG_IOMMU_DMAMAP
	KUNIT_EXPECT_EQ(test, 1,
			list_count_nodes(&dmamap_cookie(desc.dev)->msi_pages));
#endif
}

/*
 * How often the IOMMU is told of new translations.
 */

static void one_buffer_is_synced_once(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev;
	dma_addr_t addr;

	mock->config.pgsize_bitmap = SZ_4K | SZ_8K | SZ_16K;
	mock->config.caching_mode = true;
	dev = platform(test);
	addr = map_mmio(dev, MMIO, 7 * GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC_MAP), 1);
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr + 6 * GRANULE));
	unmap_mmio(dev, addr, 7 * GRANULE);
}

static void one_list_is_synced_once(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct scatterlist sg[16];
	struct sg_table sgt = { sg, 16, 16 };
	struct device *dev;
	struct page *page;
	unsigned int i;

	mock->config.pgsize_bitmap = SZ_4K | SZ_8K;
	mock->config.caching_mode = true;
	dev = platform(test);
	page = alloc_pages(GFP_KERNEL, get_order(SZ_256K));
	KUNIT_ASSERT_NOT_NULL(test, page);
	sg_init_table(sg, ARRAY_SIZE(sg));
	for (i = 0; i < ARRAY_SIZE(sg); i++)
		sg_set_page(&sg[i], page, 2 * GRANULE, i * SZ_16K);
	KUNIT_EXPECT_EQ(test, dma_map_sgtable(dev, &sgt, DMA_TO_DEVICE, 0), 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC_MAP), 1);
	KUNIT_EXPECT_TRUE(test, is_live(dev, sg_dma_address(sg)));
	dma_unmap_sgtable(dev, &sgt, DMA_TO_DEVICE, 0);
	__free_pages(page, get_order(SZ_256K));
}

static void coherent_memory_is_synced_once(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev;
	dma_addr_t addr;
	void *cpu;

	mock->config.pgsize_bitmap = SZ_4K | SZ_8K;
	mock->config.caching_mode = true;
	dev = platform(test);
	cpu = dma_alloc_coherent(dev, SZ_1M, &addr, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cpu);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC_MAP), 1);
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr + SZ_1M - 1));
	dma_free_coherent(dev, SZ_1M, cpu, addr);
}

static void pages_added_by_a_deferred_attach_are_used(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev;
	dma_addr_t addr;

	if (!is_kdump_kernel())
		kunit_skip(test, "only in a crash kernel: boot with elfcorehdr=");
	mock->config.defer_attach = true;
	mock->config.pgsize_bitmap = SZ_4K;
	dev = platform(test);
	/* As the VT-d driver does when it knows the device's unit. */
	iommu_get_domain_for_dev(dev)->pgsize_bitmap |= SZ_2M;
	addr = map_mmio(dev, MMIO, SZ_2M);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 1);
	unmap_mmio(dev, addr, SZ_2M);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

/*
 * Which addresses.
 */

#ifdef CACHES_ARE_OURS
static struct iova_domain *iovad_of(struct device *dev)
{
	return &iommu_get_domain_for_dev(dev)->iova_cookie->iovad;
}

/* A device behind an IOMMU of which each power of two is a page size. */
static struct device *with_all_page_sizes(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;

	mock->config.pgsize_bitmap = GENMASK(30, 12);
	return platform(test);
}

static void what_is_cached_is_never_placed(struct kunit *test)
{
	struct device *dev = with_all_page_sizes(test);
	phys_addr_t phys = MMIO + GRANULE;
	unsigned long misses;
	size_t size;
	dma_addr_t addr;

	for (size = SZ_64K; size <= iova_rcache_range(); size += size / 2) {
		size = ALIGN_DOWN(size, GRANULE);
		addr = map_mmio(dev, phys, size);
		KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
		unmap_mmio(dev, addr, size);
		misses = iovad_of(dev)->counts.misses;
		addr = map_mmio(dev, phys, size);
		KUNIT_EXPECT_EQ_MSG(test, iovad_of(dev)->counts.misses, misses,
				    "%zu bytes", size);
		unmap_mmio(dev, addr, size);
	}
}

static void a_large_mapping_is_placed_and_leaves_nothing(struct kunit *test)
{
	struct device *dev = platform(test);
	phys_addr_t phys = MMIO + 3 * GRANULE;
	struct iova_stats stats;
	unsigned long before;
	dma_addr_t addr;

	needs_64_bits_and_gap_tree(test);
	iova_domain_stats(iovad_of(dev), &stats);
	before = stats.counts.ranges;
	addr = map_mmio(dev, phys, SZ_16M + GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	/* Large pages, so it was placed. */
	KUNIT_EXPECT_EQ(test, (addr ^ phys) & (SZ_2M - 1), 0);
	unmap_mmio(dev, addr, SZ_16M + GRANULE);
	iova_domain_stats(iovad_of(dev), &stats);
	KUNIT_EXPECT_EQ(test, stats.counts.ranges, before);
	KUNIT_EXPECT_EQ(test, stats.all_cached, 0);
}

static void each_device_of_a_group_leaves_low_addresses_for_itself(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	unsigned long misses = 0;
	dma_addr_t large[5], addr;
	struct device *a, *b;
	unsigned int i;

	needs_64_bits_and_gap_tree(test);
	mock->config.one_group = true;
	a = pci(test, false);
	b = pci(test, false);
	for (i = 0; i < ARRAY_SIZE(large); i++) {
		large[i] = map_mmio(a, MMIO + i * SZ_1G, SZ_1G);
		KUNIT_ASSERT_NE(test, large[i], DMA_MAPPING_ERROR);
	}
	KUNIT_ASSERT_FALSE(test, a->iommu->pci_32bit_workaround);
	while (i)
		unmap_mmio(a, large[--i], SZ_1G);

	for (i = 0; i < 500; i++) {
		/* Side by side they need the tree no more. */
		if (i == 200)
			misses = iovad_of(b)->counts.misses;
		addr = map_mmio(a, MMIO, GRANULE);
		KUNIT_EXPECT_NE(test, addr, DMA_MAPPING_ERROR);
		unmap_mmio(a, addr, GRANULE);
		addr = map_mmio(b, MMIO, GRANULE);
		KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(32));
		unmap_mmio(b, addr, GRANULE);
	}
	KUNIT_EXPECT_EQ(test, iovad_of(b)->counts.misses, misses);
	KUNIT_EXPECT_TRUE(test, b->iommu->pci_32bit_workaround);
}
#endif

/*
 * Physical page 0, behind an IOMMU whose unmap tells little.
 */

/* Map page 0, as memory where it is, else as registers. */
static dma_addr_t map_page_0(struct device *dev)
{
	dma_addr_t addr;

	if (!pfn_valid(0))
		return map_mmio(dev, 0, PAGE_SIZE);
	addr = dma_map_page(dev, pfn_to_page(0), 0, PAGE_SIZE, DMA_TO_DEVICE);
	return dma_mapping_error(dev, addr) ? DMA_MAPPING_ERROR : addr;
}

static void unmap_page_0(struct device *dev, dma_addr_t addr)
{
	if (pfn_valid(0))
		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	else
		unmap_mmio(dev, addr, PAGE_SIZE);
}

static void physical_page_0_is_unmapped(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev;
	dma_addr_t addr;

	mock->config.exact_unmap = false;
	dev = platform(test);
	addr = map_page_0(dev);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	unmap_page_0(dev, addr);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void physical_page_0_is_synced(struct kunit *test)
{
	struct device *dev = pci(test, true);
	dma_addr_t addr;

	if (!pfn_valid(0))
		kunit_skip(test, "no memory at 0");
	if (!is_swiotlb_active(dev))
		kunit_skip(test, "no bounce buffers: boot without swiotlb=noforce");
	addr = map_page_0(dev);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	/* A warning would come for what is not mapped. */
	dma_sync_single_for_cpu(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	dma_sync_single_for_device(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	unmap_page_0(dev, addr);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static struct kunit_case domain_cases[] = {
	KUNIT_CASE(a_device_added_to_an_owned_group_maps_afterwards),
	KUNIT_CASE(a_device_added_beside_an_attached_domain_maps_afterwards),
	KUNIT_CASE_PARAM(the_default_domain_is_used_while_another_is_attached,
			 entry_point_gen_params),
	KUNIT_CASE(a_bounced_buffer_is_synced_while_another_is_attached),
	KUNIT_CASE(a_reserved_region_in_use_keeps_no_device_out),
	KUNIT_CASE(a_region_partly_in_use_is_kept_where_it_is_free),
	KUNIT_CASE_PARAM(a_direct_region_in_use_blocks_a_late_device,
			 entry_point_gen_params),
	KUNIT_CASE_PARAM(a_device_that_cannot_join_maps_nothing,
			 entry_point_gen_params),
#ifdef CONFIG_IOMMU_DMAMAP
	KUNIT_CASE(an_unmap_for_a_device_that_cannot_join_is_reported),
#endif
	KUNIT_CASE(a_list_for_a_device_that_cannot_join_has_no_addresses),
	KUNIT_CASE(a_device_that_was_blocked_may_join_later),
	KUNIT_CASE(a_blocked_device_decides_on_laziness_too),
	KUNIT_CASE(a_region_that_comes_free_meanwhile_is_reserved),
	KUNIT_CASE(an_untranslated_msi_window_is_noted_once),
	KUNIT_CASE(one_buffer_is_synced_once),
	KUNIT_CASE(one_list_is_synced_once),
	KUNIT_CASE(coherent_memory_is_synced_once),
	KUNIT_CASE(pages_added_by_a_deferred_attach_are_used),
#ifdef CACHES_ARE_OURS
	KUNIT_CASE(what_is_cached_is_never_placed),
	KUNIT_CASE(a_large_mapping_is_placed_and_leaves_nothing),
	KUNIT_CASE(each_device_of_a_group_leaves_low_addresses_for_itself),
#endif
	KUNIT_CASE(physical_page_0_is_unmapped),
	KUNIT_CASE(physical_page_0_is_synced),
	{}
};

static struct kunit_suite domain_suite = {
	.name = "dmamap_domain",
	.suite_init = domain_suite_init,
	.init = domain_test_init,
	.exit = domain_test_exit,
	.test_cases = domain_cases,
};

kunit_test_suite(domain_suite);

MODULE_DESCRIPTION("KUnit tests of DMA domains");
MODULE_LICENSE("GPL");
