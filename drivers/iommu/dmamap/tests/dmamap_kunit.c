// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping through an IOMMU.
 *
 * They use the DMA API as a driver does, for devices behind an IOMMU in
 * software (mock_iommu.h), and look at what that IOMMU was told and what the
 * device reaches. "F64", "D9", "B10" and the like in the comments are the
 * requirements listed in Documentation/driver-api/dmamap-tests.rst.
 *
 * A test that provokes a warning announces it by a line "expected warning:"
 * with text that the warning contains; whoever reads the log counts them. A
 * warning that was not announced fails the test during which it comes.
 */

#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/cpu.h>
#include <linux/crash_dump.h>
#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu-dma.h>
#include <linux/iova.h>
#include <linux/irq_work.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/resource_ext.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <trace/events/printk.h>

#include "../../dma-iommu.h"
#include "../dmamap.h"
#include "mock_iommu.h"

#define GRANULE		SZ_4K
/* Addresses that tests map as resources: never touched, so never there. */
#ifdef CONFIG_PHYS_ADDR_T_64BIT
#define MMIO		BIT_ULL(40)
#else
#define MMIO		BIT(31)
#endif
/* A small aperture, that tests can use up: granules 1 to SMALL - 1. */
#define SMALL		256UL
#define SMALL_END	(SMALL * GRANULE - 1)

/* What is printed to the console while a test runs. */
struct console_watch {
	atomic_t warnings;
	atomic_t unmaps;	/* lines about an unmap that went wrong */
	const char *name;	/* of the device they should name */
	atomic_t named;
	u64 iova;		/* the address the last of them names */
};

struct fixture {
	struct mock_iommu *mock;
	struct rnd_state rnd;
	/* What take_all() mapped, and for whom. */
	struct device *taker;
	size_t taken;
	dma_addr_t addrs[2 * SMALL];
	unsigned long nr;
	bool may_warn;
};

static struct console_watch console;

static void watch_console(void *data, const char *text, size_t len)
{
	static const char about[] = "unmap of IOVA ";
	char number[24] = { };
	const char *found;

	if (strnstr(text, "WARNING: CPU", len))
		atomic_inc(&console.warnings);
	found = strnstr(text, about, len);
	if (!found || strnstr(text, "expected warning", len))
		return;
	atomic_inc(&console.unmaps);
	if (console.name && strnstr(text, console.name, len))
		atomic_inc(&console.named);
	found += strlen(about);
	memcpy(number, found,
	       min_t(size_t, sizeof(number) - 1, text + len - found));
	number[strspn(number, "0123456789abcdefx")] = '\0';
	if (kstrtoull(number, 16, &console.iova))
		console.iova = U64_MAX;
}

static void expect_warning(struct kunit *test, const char *text)
{
	struct fixture *f = test->priv;

	f->may_warn = true;
	pr_info("expected warning: %s\n", text);
}

static int dmamap_suite_init(struct kunit_suite *suite)
{
	/* Where the kernel has no bounce buffers yet, have some for the tests. */
	if (IS_ENABLED(CONFIG_SWIOTLB))
		swiotlb_init_late(SZ_4M, GFP_KERNEL, NULL);
	return register_trace_console(watch_console, NULL);
}

static void dmamap_suite_exit(struct kunit_suite *suite)
{
	unregister_trace_console(watch_console, NULL);
	tracepoint_synchronize_unregister();
}

/* How the IOMMU takes memory that is in many pieces. */
static const struct manner {
	const char *name;
	bool runs;
} manners[] = {
	{ "piece by piece", false },
	{ "many in a call", true },
};

KUNIT_ARRAY_PARAM_DESC(manner, manners, name);

static void give_back(struct kunit *test);

static int dmamap_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	const struct manner *manner = test->param_value;
	int ret;

	if (!f)
		return -ENOMEM;
	/* Caches and flush queues are a CPU's: a test that moves has others. */
	ret = set_cpus_allowed_ptr(current,
				   cpumask_of(cpumask_first(cpu_online_mask)));
	if (ret)
		return ret;
	f->mock = mock_iommu_create();
	if (!f->mock)
		return -ENOMEM;
	f->mock->config.map_runs = manner && manner->runs;
	prandom_seed_state(&f->rnd, 20240607);
	atomic_set(&console.warnings, 0);
	atomic_set(&console.unmaps, 0);
	atomic_set(&console.named, 0);
	console.name = NULL;
	console.iova = 0;
	test->priv = f;
	return 0;
}

static void dmamap_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	console.name = NULL;
	f->mock->faults.unmap_budget = MOCK_NEVER;
	give_back(test);
	KUNIT_EXPECT_EQ_MSG(test, f->mock->strays, 0,
			    "calls that no IOMMU driver expects");
	if (!f->may_warn)
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&console.warnings), 0,
				    "a warning came that was not expected");
	mock_iommu_destroy(f->mock);
}

static struct mock_iommu *mock_of(struct kunit *test)
{
	struct fixture *f = test->priv;

	return f->mock;
}

static struct mock_config *config_of(struct kunit *test)
{
	return &mock_of(test)->config;
}

static unsigned long below(struct kunit *test, unsigned long bound)
{
	struct fixture *f = test->priv;

	return prandom_u32_state(&f->rnd) % bound;
}

static struct device *new_platform(struct kunit *test)
{
	struct device *dev = mock_platform_create(mock_of(test));

	KUNIT_ASSERT_NOT_NULL(test, dev);
	return dev;
}

static struct device *new_pci(struct kunit *test)
{
	struct device *dev;

	if (!IS_ENABLED(CONFIG_PCI))
		kunit_skip(test, "a kernel without PCI");
	dev = mock_pci_create(mock_of(test));
	KUNIT_ASSERT_NOT_NULL(test, dev);
	return dev;
}

static struct device *add(struct kunit *test, struct device *dev)
{
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	return dev;
}

/* A platform device that maps through the IOMMU. */
static struct device *platform(struct kunit *test)
{
	struct device *dev = add(test, new_platform(test));

	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static struct device *trusted_pci(struct kunit *test)
{
	struct device *dev = add(test, new_pci(test));

	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static struct device *untrusted_pci(struct kunit *test)
{
	struct device *dev = new_pci(test);

	to_pci_dev(dev)->untrusted = true;
	add(test, dev);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	if (!is_swiotlb_active(dev))
		kunit_skip(test, "no bounce buffers: boot without swiotlb=noforce");
	return dev;
}

/* What the layer can only promise with an allocator that helps. */
static void needs_gap_tree(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_IOMMU_DMAMAP) && !IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "not with the stock allocator");
}

/* The IOMMU API has addresses and sizes as unsigned long and size_t. */
static void needs_64_bits(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "IOVAs of 32 bits");
}

/*
 * As a driver does by spin_lock_irqsave(): that disables nothing on PREEMPT_RT,
 * where who has really disabled interrupts may not call the DMA API.
 */
static unsigned long disable_irqs(void)
{
	unsigned long flags = 0;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_save(flags);
	return flags;
}

static void enable_irqs(unsigned long flags)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_restore(flags);
}

/* For tests of how often is flushed: of itself, a queue flushes after 10 ms or a second. */
static void needs_queue_without_timer(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "the timer cannot be kept away");
}

static bool dare;
module_param(dare, bool, 0444);
MODULE_PARM_DESC(dare, "Run also what the stock layer does not survive");

static void stock_does_not_survive(struct kunit *test, const char *why)
{
	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK) && !dare)
		kunit_skip(test, "stock %s", why);
}

static void small_aperture(struct kunit *test)
{
	config_of(test)->aperture_end = SMALL_END;
}

static void lazy(struct kunit *test)
{
	config_of(test)->domain_type = IOMMU_DOMAIN_DMA_FQ;
}

static unsigned int domain_type(struct device *dev)
{
	return iommu_get_domain_for_dev(dev)->type;
}

static void free_buffer(void *buffer)
{
	struct page *page = virt_to_page(buffer);

	__free_pages(page, compound_order(page));
}

/* Memory for DMA, physically contiguous and filled with a pattern. */
static u8 *new_buffer(struct kunit *test, size_t size)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP,
					get_order(size));
	u8 *buffer;
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	buffer = page_address(page);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_buffer, buffer));
	for (i = 0; i < size; i++)
		buffer[i] = below(test, 255) + 1;
	return buffer;
}

static u8 *copy_of(struct kunit *test, const u8 *buffer, size_t size)
{
	u8 *copy = kunit_kmalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	return memcpy(copy, buffer, size);
}

static dma_addr_t map(struct kunit *test, struct device *dev, void *buffer,
		      size_t size, enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_single(dev, buffer, size, dir);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	return addr;
}

/* Only to be read: then debugging lets registers be mapped more than once. */
static dma_addr_t map_mmio(struct device *dev, phys_addr_t phys, size_t size)
{
	dma_addr_t addr = dma_map_resource(dev, phys, size, DMA_TO_DEVICE, 0);

	return dma_mapping_error(dev, addr) ? DMA_MAPPING_ERROR : addr;
}

static void unmap_mmio(struct device *dev, dma_addr_t addr, size_t size)
{
	dma_unmap_resource(dev, addr, size, DMA_TO_DEVICE, 0);
}

/* Map @size bytes each time until nothing is left; remember the addresses. */
static unsigned long take_all(struct kunit *test, struct device *dev,
			      size_t size)
{
	struct fixture *f = test->priv;
	dma_addr_t addr;

	f->taker = dev;
	f->taken = size;
	f->nr = 0;
	while (f->nr < ARRAY_SIZE(f->addrs)) {
		addr = map_mmio(dev, MMIO + f->nr * size, size);
		if (dma_mapping_error(dev, addr))
			break;
		f->addrs[f->nr++] = addr;
	}
	return f->nr;
}

static void give_back(struct kunit *test)
{
	struct fixture *f = test->priv;

	while (f->nr)
		unmap_mmio(f->taker, f->addrs[--f->nr], f->taken);
}

/* With all that is left mapped, no address may have two owners. */
static void expect_no_address_twice(struct kunit *test, struct device *dev)
{
	take_all(test, dev, GRANULE);
	KUNIT_EXPECT_EQ_MSG(test, mock_of(test)->collisions, 0,
			    "addresses handed out while in use");
	give_back(test);
}

/* All of a small aperture but granule 0 and those of [start, end). */
static void expect_all_used_but(struct kunit *test, struct device *dev,
				unsigned long start, unsigned long end)
{
	unsigned long addr, used;

	take_all(test, dev, GRANULE);
	for (addr = 0; addr < SMALL * GRANULE; addr += GRANULE) {
		used = mock_translate(dev, addr, NULL) == MOCK_LIVE;
		KUNIT_EXPECT_EQ_MSG(test, used,
				    addr && (addr < start || addr >= end),
				    "address %#lx", addr);
	}
	give_back(test);
}

static void expect_reads(struct kunit *test, struct device *dev,
			 dma_addr_t addr, const void *want, size_t size)
{
	void *got = kunit_kmalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, got);
	KUNIT_ASSERT_EQ(test, mock_dma_read(dev, addr, got, size), 0);
	KUNIT_EXPECT_MEMEQ(test, got, want, size);
	kunit_kfree(test, got);
}

static phys_addr_t phys_at(struct device *dev, dma_addr_t addr)
{
	struct mock_page page = { };

	mock_translate(dev, addr, &page);
	return page.phys;
}

static int prot_at(struct device *dev, dma_addr_t addr)
{
	struct mock_page page = { };

	mock_translate(dev, addr, &page);
	return page.prot;
}

static bool is_live(struct device *dev, dma_addr_t addr)
{
	return mock_translate(dev, addr, NULL) == MOCK_LIVE;
}

static bool is_reached(struct device *dev, dma_addr_t addr)
{
	return mock_translate(dev, addr, NULL) != MOCK_NOWHERE;
}

static bool is_slot(struct device *dev, phys_addr_t phys)
{
	return swiotlb_find_pool(dev, phys);
}

/* Slots of the bounce buffers in use; needs debugfs. */
static long slots_used(struct kunit *test, struct device *dev)
{
#if defined(CONFIG_SWIOTLB) && defined(CONFIG_DEBUG_FS)
	return atomic_long_read(&dev->dma_io_tlb_mem->total_used);
#else
	kunit_skip(test, "the slots in use are not counted without debugfs");
#endif
}

/* Wait for flush_iotlb_all(), which the flush queue's timer calls. */
static void wait_for_flush(struct kunit *test)
{
	KUNIT_ASSERT_NE_MSG(test, 0,
			    wait_for_completion_timeout(&mock_of(test)->flushed,
							10 * HZ),
			    "no flush came");
}

/*
 * Who uses this layer.
 */

static void a_device_with_a_dma_domain_maps_through_the_iommu(struct kunit *test)
{
	struct device *dev = add(test, new_platform(test));
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F1 */
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(dev));
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	addr = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), virt_to_phys(buffer));
	expect_reads(test, dev, addr, buffer, GRANULE);
	dma_unmap_single(dev, addr, GRANULE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void a_device_with_an_identity_domain_does_not(struct kunit *test)
{
	struct device *dev;

	/* F1, F6 */
	config_of(test)->domain_type = IOMMU_DOMAIN_IDENTITY;
	dev = add(test, new_platform(test));
	KUNIT_EXPECT_FALSE(test, use_dma_iommu(dev));
}

static void a_removed_device_no_longer_maps_through_the_iommu(struct kunit *test)
{
	struct device *dev = get_device(platform(test));

	/* CVE-2025-37877 */
	mock_device_remove(dev);
	if (IS_ENABLED(CONFIG_IOMMU_DMAMAP))
		KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, GRANULE),
				DMA_MAPPING_ERROR);
	else
		KUNIT_EXPECT_FALSE(test, use_dma_iommu(dev));
	put_device(dev);
}

static int add_with_range(struct kunit *test, struct device *dev, u64 start,
			  u64 size)
{
	struct bus_dma_region *map = kcalloc(2, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	map->cpu_start = start;
	map->dma_start = start;
	map->size = size;
	dev->dma_range_map = map;	/* freed with the device */
	return mock_device_add(dev);
}

static void dma_ranges_outside_the_aperture_are_refused(struct kunit *test)
{
	struct device *dev = new_platform(test);

	/* F15, F1 */
	small_aperture(test);
	KUNIT_EXPECT_EQ(test, add_with_range(test, dev, SZ_1G, SZ_1M), 0);
	KUNIT_EXPECT_TRUE(test, mock_refused(dev));
}

static void dma_ranges_partly_inside_the_aperture_are_fine(struct kunit *test)
{
	struct device *dev = new_platform(test);

	/* F15 */
	small_aperture(test);
	KUNIT_EXPECT_EQ(test, add_with_range(test, dev, SMALL_END, SZ_1G), 0);
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(dev));
}

static void any_mask_is_accepted(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F2 */
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(64)), 0);
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(16)), 0);
	KUNIT_EXPECT_EQ(test, dma_set_coherent_mask(dev, DMA_BIT_MASK(16)), 0);
}

static void the_required_mask_is_32_bits(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F3 */
	KUNIT_EXPECT_EQ(test, dma_get_required_mask(dev), DMA_BIT_MASK(32));
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	KUNIT_EXPECT_FALSE(test, dma_addressing_limited(dev));
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(31)), 0);
	KUNIT_EXPECT_TRUE(test, dma_addressing_limited(dev));
}

#ifdef CONFIG_DMA_NEED_SYNC
static void a_coherent_device_skips_syncs(struct kunit *test)
{
	/* F4 */
	KUNIT_EXPECT_TRUE(test, platform(test)->dma_skip_sync);
}

static void the_first_bounce_ends_skipping_syncs(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 100);
	dma_addr_t addr;

	/* F4 */
	KUNIT_EXPECT_TRUE(test, dev->dma_skip_sync);
	addr = map(test, dev, buffer, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, dev->dma_skip_sync);
	dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
}
#endif

static void mmap_and_p2p_are_possible(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F5 */
	KUNIT_EXPECT_TRUE(test, dma_can_mmap(dev));
	KUNIT_EXPECT_TRUE(test, dma_pci_p2pdma_supported(dev));
}

static bool unmap_is_lazy(struct kunit *test, struct device *dev)
{
	unsigned long syncs = mock_count(mock_of(test), MOCK_SYNC), flags;
	dma_addr_t addr = map_mmio(dev, MMIO, GRANULE);
	bool stale;

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	flags = disable_irqs();	/* keeps the flush queue's timer away */
	unmap_mmio(dev, addr, GRANULE);
	stale = is_reached(dev, addr);
	enable_irqs(flags);
	KUNIT_EXPECT_EQ(test, mock_count(mock_of(test), MOCK_SYNC),
			syncs + !stale);
	return stale;
}

static void a_live_domain_can_be_made_lazy(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr = map_mmio(dev, MMIO, GRANULE);

	/* F6, F47 */
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA_FQ);
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr));
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, dev));
	unmap_mmio(dev, addr, GRANULE);
}

static void a_flush_queue_is_made_only_once(struct kunit *test)
{
	struct device *dev;

	/* F47 */
	lazy(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test,
			iommu_dma_init_fq(iommu_get_domain_for_dev(dev)), 0);
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, dev));
}

static void a_group_goes_to_identity_and_back(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F6 */
	config_of(test)->domain_type = 0;
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "identity"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_IDENTITY);
	KUNIT_EXPECT_FALSE(test, use_dma_iommu(dev));
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA"), 0);
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(dev));
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, dev));
	/* A new domain: the flush queue goes with entries in it. */
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA"), 0);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

/* stock fails this */
static void an_untrusted_device_is_not_made_lazy(struct kunit *test)
{
	struct device *dev = new_pci(test);

	/* F7, B5 */
	to_pci_dev(dev)->untrusted = true;
	add(test, dev);
	KUNIT_EXPECT_NE(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

/* stock fails this */
static void a_group_with_an_untrusted_device_is_not_made_lazy(struct kunit *test)
{
	struct device *dev, *other;

	/* F7, B5: also when another device of the group is asked first */
	config_of(test)->one_group = true;
	dev = trusted_pci(test);
	other = new_pci(test);
	to_pci_dev(other)->untrusted = true;
	add(test, other);
	KUNIT_EXPECT_NE(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, other));
}

/* stock fails this */
static void an_iommu_that_cannot_defer_is_not_made_lazy(struct kunit *test)
{
	struct device *dev;

	/* F7, B5 */
	config_of(test)->deferred_flush = false;
	dev = platform(test);
	KUNIT_EXPECT_NE(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

static void an_untrusted_device_is_strict(struct kunit *test)
{
	struct device *dev = new_pci(test);

	/* F8, whatever the default of the system is */
	config_of(test)->domain_type = 0;
	to_pci_dev(dev)->untrusted = true;
	add(test, dev);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

static void an_untrusted_device_gets_no_identity_domain(struct kunit *test)
{
	struct device *dev = new_pci(test);

	/* F8 */
	config_of(test)->domain_type = IOMMU_DOMAIN_IDENTITY;
	to_pci_dev(dev)->untrusted = true;
	KUNIT_EXPECT_NE(test, mock_device_add(dev), 0);
	KUNIT_EXPECT_FALSE(test, use_dma_iommu(dev));
}

/*
 * Domains and what they keep.
 */

static void a_second_cookie_is_refused(struct kunit *test)
{
	struct device *dev = platform(test);
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);

	/* F11, F12: with a cookie that no device initialised */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	KUNIT_EXPECT_EQ(test, iommu_get_dma_cookie(domain), 0);
	KUNIT_EXPECT_EQ(test, iommu_get_dma_cookie(domain), -EEXIST);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_1M), -EEXIST);
	iommu_domain_free(domain);
	KUNIT_EXPECT_EQ(test, iommu_get_dma_cookie(iommu_get_domain_for_dev(dev)),
			-EEXIST);
}

static void an_msi_cookie_needs_an_unmanaged_domain(struct kunit *test)
{
	struct device *dev = platform(test);
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);

	/* F10 */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_1M), 0);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_1M), -EEXIST);
	iommu_domain_free(domain);
	domain = iommu_get_domain_for_dev(dev);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_1M), -EINVAL);
}

static void a_domain_without_cookie_is_released(struct kunit *test)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(platform(test));

	/* F12 */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	iommu_put_dma_cookie(domain);
	iommu_domain_free(domain);
}

static void address_0_is_never_used(struct kunit *test)
{
	struct device *dev;

	/* F14, F33 */
	small_aperture(test);
	dev = platform(test);
	expect_all_used_but(test, dev, 0, GRANULE);
}

static void the_aperture_may_begin_anywhere(struct kunit *test)
{
	struct device *dev;

	/* F14 */
	small_aperture(test);
	config_of(test)->aperture_start = 100 * GRANULE;
	dev = platform(test);
	expect_all_used_but(test, dev, 0, 100 * GRANULE);
}

static void devices_of_a_group_share_addresses(struct kunit *test)
{
	struct device *a, *b;
	dma_addr_t addr;

	/* F16 */
	config_of(test)->one_group = true;
	a = platform(test);
	b = platform(test);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(a),
			    iommu_get_domain_for_dev(b));
	addr = map_mmio(a, MMIO, GRANULE);
	KUNIT_EXPECT_TRUE(test, is_live(b, addr));
	unmap_mmio(a, addr, GRANULE);
	KUNIT_EXPECT_FALSE(test, is_reached(b, addr));
}

static void a_device_that_fits_not_its_groups_domain_is_refused(struct kunit *test)
{
	struct device *a, *b;
	dma_addr_t addr;

	/* F16, F1 */
	config_of(test)->one_group = true;
	a = platform(test);
	iommu_get_domain_for_dev(a)->geometry.aperture_start = SZ_1M;
	b = add(test, new_platform(test));
	KUNIT_EXPECT_TRUE(test, mock_refused(b));
	KUNIT_EXPECT_TRUE(test, use_dma_iommu(a));
	addr = map_mmio(a, MMIO, GRANULE);
	KUNIT_EXPECT_FALSE(test, dma_mapping_error(a, addr));
	unmap_mmio(a, addr, GRANULE);
}

static void lazy_mode_needs_the_capability(struct kunit *test)
{
	struct device *dev;

	/* F17 */
	lazy(test);
	config_of(test)->deferred_flush = false;
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA);
	KUNIT_EXPECT_FALSE(test, unmap_is_lazy(test, dev));
}

static void a_granule_above_the_page_size_is_refused(struct kunit *test)
{
	struct device *dev = new_platform(test);

	/* F19, B25 */
	stock_does_not_survive(test, "has a BUG_ON() for this");
	config_of(test)->pgsize_bitmap = PAGE_SIZE * 4;
	add(test, dev);
	KUNIT_EXPECT_TRUE(test, mock_refused(dev));
}

static void a_granule_below_the_page_size_maps_what_is_touched(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;
	u8 *buffer;

	/* F19, F56 */
	config_of(test)->pgsize_bitmap = SZ_1K | SZ_2M;
	dev = platform(test);
	buffer = new_buffer(test, PAGE_SIZE);
	addr = map(test, dev, buffer + SZ_1K + 100, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_1K);
	KUNIT_EXPECT_EQ(test, offset_in_page(addr) & (SZ_1K - 1), 100);
	expect_reads(test, dev, addr, buffer + SZ_1K + 100, 100);
	dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
	addr = map(test, dev, buffer + SZ_1K - 1, 2, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 2 * SZ_1K);
	dma_unmap_single(dev, addr, 2, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
}

/*
 * Reserved regions.
 */

static void a_reserved_region_is_not_handed_out(struct kunit *test)
{
	struct device *dev;

	/* F24, F26: nor mapped */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_64K, IOMMU_RESV_RESERVED);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	expect_all_used_but(test, dev, SZ_64K, SZ_128K);
}

static void a_region_of_part_granules_keeps_whole_ones(struct kunit *test)
{
	struct device *dev;

	/* F24 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K + 100, GRANULE,
			IOMMU_RESV_RESERVED);
	dev = platform(test);
	expect_all_used_but(test, dev, SZ_64K, SZ_64K + 2 * GRANULE);
}

static void regions_may_overlap(struct kunit *test)
{
	struct device *dev;

	/* F28 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_32K, IOMMU_RESV_RESERVED);
	mock_add_region(mock_of(test), NULL, SZ_64K + SZ_8K, SZ_64K,
			IOMMU_RESV_MSI);
	mock_add_region(mock_of(test), NULL, SZ_64K - SZ_4K, SZ_8K,
			IOMMU_RESV_RESERVED);
	dev = platform(test);
	expect_all_used_but(test, dev, SZ_64K - SZ_4K, SZ_128K + SZ_8K);
}

static void a_region_of_no_length_reserves_nothing(struct kunit *test)
{
	struct device *dev;

	/* F24, CVE-2023-52455 */
	stock_does_not_survive(test, "corrupts its tree");
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, 0, 0, IOMMU_RESV_RESERVED);
	mock_add_region(mock_of(test), NULL, SZ_64K, 0, IOMMU_RESV_RESERVED);
	mock_add_region(mock_of(test), NULL, SZ_64K + 100, 0, IOMMU_RESV_MSI);
	dev = platform(test);
	expect_all_used_but(test, dev, 0, 0);
}

static void a_direct_region_is_mapped_and_not_handed_out(struct kunit *test)
{
	struct device *dev;
	unsigned long addr;

	/* F26, F24 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_64K, IOMMU_RESV_DIRECT);
	mock_add_region(mock_of(test), NULL, SZ_128K, SZ_8K,
			IOMMU_RESV_DIRECT_RELAXABLE);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_64K + SZ_8K);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1 - 16 - 2);
	for (addr = SZ_64K; addr < SZ_128K + SZ_8K; addr += GRANULE)
		KUNIT_EXPECT_EQ(test, phys_at(dev, addr), addr);
	give_back(test);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_64K + SZ_8K);
}

static void a_software_msi_region_is_handed_out(struct kunit *test)
{
	struct device *dev;

	/* F24 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_64K, IOMMU_RESV_SW_MSI);
	dev = platform(test);
	expect_all_used_but(test, dev, 0, 0);
}

/* stock fails this */
static void regions_of_each_device_of_a_group_are_kept(struct kunit *test)
{
	struct device *a, *b;

	/* F18, B6 */
	small_aperture(test);
	config_of(test)->one_group = true;
	a = new_platform(test);
	b = new_platform(test);
	mock_add_region(mock_of(test), b, SZ_64K, SZ_64K, IOMMU_RESV_RESERVED);
	add(test, a);
	add(test, b);
	expect_all_used_but(test, a, SZ_64K, SZ_128K);
}

/* stock fails this */
static void an_msi_region_of_a_later_device_is_kept(struct kunit *test)
{
	struct msi_desc desc = { };
	struct device *a, *b;

	/* F18, F25, B6 */
	small_aperture(test);
	config_of(test)->one_group = true;
	a = new_platform(test);
	b = new_platform(test);
	mock_add_region(mock_of(test), b, SZ_64K, SZ_64K, IOMMU_RESV_MSI);
	add(test, a);
	add(test, b);
	desc.dev = b;
	KUNIT_EXPECT_EQ(test, iommu_dma_prepare_msi(&desc, SZ_64K + SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(b), 0);
	expect_all_used_but(test, a, SZ_64K, SZ_128K);
}

/* stock fails this */
static void nothing_is_reserved_that_firmware_does_not_name(struct kunit *test)
{
	struct device *dev = platform(test);
	LIST_HEAD(regions);

	/* F27 */
	iommu_dma_get_resv_regions(dev, &regions);
	KUNIT_EXPECT_TRUE(test, list_empty(&regions));
	iommu_put_resv_regions(dev, &regions);
}

#ifdef CONFIG_PCI
/* A memory window of a host bridge, or a range of its DMA ranges. */
struct window {
	struct resource_entry entry;
	struct resource res;
};

static struct window *add_window(struct kunit *test, struct list_head *list,
				 u64 start, u64 end, u64 offset,
				 unsigned long flags)
{
	struct window *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->res.start = start;
	w->res.end = end;
	w->res.flags = flags;
	w->entry.res = &w->res;
	w->entry.offset = offset;
	list_add_tail(&w->entry.node, list);
	return w;
}

static void windows_of_a_host_bridge_are_not_handed_out(struct kunit *test)
{
	struct device *dev = new_pci(test);
	struct list_head *windows = &mock_to_pci(dev)->bridge.windows;

	/* F22: as the bus sees them; and only memory */
	small_aperture(test);
	add_window(test, windows, SZ_1M + SZ_64K, SZ_1M + SZ_128K - 1, SZ_1M,
		   IORESOURCE_MEM);
	add_window(test, windows, 0, SZ_64K - 1, 0, IORESOURCE_IO);
	add(test, dev);
	expect_all_used_but(test, dev, SZ_64K, SZ_128K);
}

static void unsorted_dma_ranges_are_kept_to(struct kunit *test)
{
	struct device *dev = new_pci(test);
	struct list_head *ranges = &mock_to_pci(dev)->bridge.dma_ranges;
	unsigned long i, nr;
	struct fixture *f = test->priv;

	/* F23 */
	small_aperture(test);
	add_window(test, ranges, 0x80000, 0xbffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x20000, 0x3ffff, 0, IORESOURCE_MEM);
	add(test, dev);
	nr = take_all(test, dev, GRANULE);
	/* The first granule of a range may be lost. */
	KUNIT_EXPECT_GE(test, nr, (0x40000 + 0x20000) / GRANULE - 2);
	for (i = 0; i < nr; i++) {
		dma_addr_t addr = f->addrs[i];
		bool in_first = addr >= 0x20000 && addr < 0x40000;
		bool in_second = addr >= 0x80000 && addr < 0xc0000;

		KUNIT_EXPECT_TRUE(test, in_first || in_second);
	}
}

static void adjacent_dma_ranges_are_used_whole(struct kunit *test)
{
	struct device *dev = new_pci(test);
	struct list_head *ranges = &mock_to_pci(dev)->bridge.dma_ranges;

	/* F23 */
	small_aperture(test);
	add_window(test, ranges, 0x0, 0x3ffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x40000, 0xfffff, 0, IORESOURCE_MEM);
	add(test, dev);
	expect_all_used_but(test, dev, 0, 0);
}

static void overlapping_dma_ranges_are_refused(struct kunit *test)
{
	struct device *dev = new_pci(test);
	struct list_head *ranges = &mock_to_pci(dev)->bridge.dma_ranges;

	/* F23, F1 */
	add_window(test, ranges, 0x20000, 0x5ffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x40000, 0x7ffff, 0, IORESOURCE_MEM);
	add(test, dev);
	KUNIT_EXPECT_TRUE(test, mock_refused(dev));
}

/* stock fails this */
static void a_failed_init_is_undone_and_can_be_repeated(struct kunit *test)
{
	struct list_head *ranges;
	struct device *a, *b;

	/* F20, B7 */
	small_aperture(test);
	config_of(test)->one_group = true;
	a = new_pci(test);
	ranges = &mock_to_pci(a)->bridge.dma_ranges;
	add_window(test, ranges, 0x20000, 0x5ffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x40000, 0x7ffff, 0, IORESOURCE_MEM);
	add(test, a);
	KUNIT_EXPECT_TRUE(test, mock_refused(a));

	b = new_pci(test);
	add_window(test, &mock_to_pci(b)->bridge.windows, SZ_64K, SZ_128K - 1,
		   0, IORESOURCE_MEM);
	add(test, b);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(b));
	/* Of the first device's windows nothing may be left over. */
	expect_all_used_but(test, b, SZ_64K, SZ_128K);
}

static void a_failed_init_leaves_a_lazy_domain_usable(struct kunit *test)
{
	struct list_head *ranges;
	struct device *a, *b;

	/* F20, B7: nor may a flush queue be made twice, or not at all */
	lazy(test);
	config_of(test)->one_group = true;
	a = new_pci(test);
	ranges = &mock_to_pci(a)->bridge.dma_ranges;
	add_window(test, ranges, 0x20000, 0x5ffff, 0, IORESOURCE_MEM);
	add_window(test, ranges, 0x40000, 0x7ffff, 0, IORESOURCE_MEM);
	add(test, a);
	KUNIT_EXPECT_TRUE(test, mock_refused(a));
	b = trusted_pci(test);
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, b));
}
#endif

/*
 * Addresses.
 */

static void addresses_stay_below_the_mask(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned int bits;

	/* F30, D4 */
	for (bits = 64; bits >= 13; bits--) {
		dma_addr_t addr;

		KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(bits)), 0);
		addr = map_mmio(dev, MMIO, GRANULE);
		KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
		KUNIT_EXPECT_LE(test, addr + GRANULE - 1, DMA_BIT_MASK(bits));
		unmap_mmio(dev, addr, GRANULE);
	}
}

static void addresses_stay_below_the_bus_limit(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* F30, D4 */
	needs_64_bits(test);
	dev->bus_dma_limit = DMA_BIT_MASK(36);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(36));
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, GRANULE);
}

static void a_forced_aperture_limits_addresses(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F30 */
	needs_64_bits(test);
	config_of(test)->aperture_end = DMA_BIT_MASK(35);
	dev = platform(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(35));
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(34));
	unmap_mmio(dev, addr, GRANULE);
}

static void an_aperture_not_forced_limits_nothing(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F30 */
	needs_64_bits(test);
	config_of(test)->aperture_end = DMA_BIT_MASK(35);
	config_of(test)->force_aperture = false;
	dev = platform(test);
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(40)), 0);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(39));
	unmap_mmio(dev, addr, GRANULE);
}

static void pci_devices_get_32_bit_addresses_first(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	dma_addr_t addr, large[5];
	unsigned int i;

	/* F31 */
	needs_64_bits(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(32));
	KUNIT_EXPECT_TRUE(test, dev->iommu->pci_32bit_workaround);
	unmap_mmio(dev, addr, GRANULE);
	for (i = 0; i < ARRAY_SIZE(large); i++) {
		large[i] = map_mmio(dev, MMIO + i * SZ_1G, SZ_1G);
		KUNIT_ASSERT_NE(test, large[i], DMA_MAPPING_ERROR);
	}
	/* Now there is no room left below 4 GiB, and it is not tried again. */
	KUNIT_EXPECT_GT(test, large[i - 1], DMA_BIT_MASK(32));
	KUNIT_EXPECT_FALSE(test, dev->iommu->pci_32bit_workaround);
	addr = map_mmio(dev, MMIO, 8 * GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, 8 * GRANULE);
	while (i)
		unmap_mmio(dev, large[--i], SZ_1G);
}

/* Use up what is below 4 GiB, and let it go again; @dev has left it then. */
static void leave_low_addresses(struct kunit *test, struct device *dev)
{
	dma_addr_t large[5];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(large); i++) {
		large[i] = map_mmio(dev, MMIO + i * SZ_1G, SZ_1G);
		KUNIT_ASSERT_NE(test, large[i], DMA_MAPPING_ERROR);
	}
	KUNIT_ASSERT_FALSE(test, dev->iommu->pci_32bit_workaround);
	while (i)
		unmap_mmio(dev, large[--i], SZ_1G);
}

static void a_device_that_left_low_addresses_gets_high_ones(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	dma_addr_t low, addr;

	/* F31 */
	needs_64_bits(test);
	if (!IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "the stock allocator caches all alike");
	low = map_mmio(dev, MMIO, 2 * GRANULE);
	KUNIT_ASSERT_LE(test, low, DMA_BIT_MASK(32));
	leave_low_addresses(test, dev);
	unmap_mmio(dev, low, 2 * GRANULE);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, GRANULE);
}

static void freed_low_addresses_are_kept_for_those_who_need_them(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	dma_addr_t low[4], addr;
	unsigned int i;

	/* F31 */
	needs_64_bits(test);
	if (!IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "the stock allocator caches all alike");
	leave_low_addresses(test, dev);
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	for (i = 0; i < ARRAY_SIZE(low); i++) {
		low[i] = map_mmio(dev, MMIO, GRANULE);
		KUNIT_ASSERT_LE(test, low[i], DMA_BIT_MASK(32));
	}
	while (i)
		unmap_mmio(dev, low[--i], GRANULE);
	/* The mask may change: then other addresses come, and these later. */
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(64)), 0);
	addr = map_mmio(dev, MMIO, SZ_64K);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, SZ_64K);
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	for (i = 0; i < ARRAY_SIZE(low); i++) {
		low[i] = map_mmio(dev, MMIO, GRANULE);
		KUNIT_EXPECT_LE(test, low[i], DMA_BIT_MASK(32));
	}
	while (i)
		unmap_mmio(dev, low[--i], GRANULE);
}

static void low_addresses_that_were_freed_keep_a_device_low(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	dma_addr_t large[3], addr;
	unsigned int i, round;

	/* F31 */
	needs_64_bits(test);
	if (!IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "the stock allocator gives up with what is cached");
	for (round = 0; round < 20; round++) {
		/* 3 of the 4 GiB: it takes places of small ones that are free. */
		for (i = 0; i < ARRAY_SIZE(large); i++) {
			large[i] = map_mmio(dev, MMIO + i * SZ_1G, SZ_1G);
			KUNIT_EXPECT_LE(test, large[i], DMA_BIT_MASK(32));
		}
		while (i)
			unmap_mmio(dev, large[--i], SZ_1G);
		for (i = 0; i < 100; i++) {
			addr = map_mmio(dev, MMIO, GRANULE << (i % 11));
			KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(32));
			unmap_mmio(dev, addr, GRANULE << (i % 11));
		}
	}
	KUNIT_EXPECT_TRUE(test, dev->iommu->pci_32bit_workaround);
}

static void forcedac_gives_pci_devices_high_addresses(struct kunit *test)
{
	bool was = iommu_dma_forcedac;
	struct device *dev;
	dma_addr_t addr;

	/* F31 */
	needs_64_bits(test);
	iommu_dma_forcedac = true;
	dev = new_pci(test);
	mock_device_add(dev);
	iommu_dma_forcedac = was;
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, GRANULE);
}

static void other_devices_get_high_addresses_at_once(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* F31 */
	needs_64_bits(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_GT(test, addr, DMA_BIT_MASK(32));
	unmap_mmio(dev, addr, GRANULE);
}

static void ranges_and_their_ends_fit_an_unsigned_long(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr = map_mmio(dev, MMIO, GRANULE);

	/* F30: the IOMMU API would cut what does not */
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_LE(test, addr + GRANULE, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), MMIO);
	unmap_mmio(dev, addr, GRANULE);
}

static void with_no_address_left_mapping_fails(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F33, D1 */
	small_aperture(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_EQ(test, addr, DMA_MAPPING_ERROR);
	give_back(test);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

static void a_size_above_the_aperture_fails(struct kunit *test)
{
	struct device *dev;

	/* F33, CVE-2023-52910 */
	small_aperture(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, SMALL * GRANULE),
			DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, SZ_1G), DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, SIZE_MAX / 2 + 1),
			DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

static void freed_small_ranges_serve_large_requests(struct kunit *test)
{
	struct device *dev;

	/* F32 */
	small_aperture(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	give_back(test);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, SZ_64K), SMALL / 16 - 1);
}

static void addresses_are_naturally_aligned(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned long pages;

	/* F34 */
	for (pages = 1; pages <= 100; pages++) {
		dma_addr_t addr = map_mmio(dev, MMIO, pages * GRANULE);

		KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(addr, GRANULE *
						   roundup_pow_of_two(pages)));
		unmap_mmio(dev, addr, pages * GRANULE);
	}
}

/* stock fails this */
static void a_page_above_1_gib_does_not_take_2_gib(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F34, B16 */
	needs_gap_tree(test);
	config_of(test)->aperture_start = SZ_1G;
	config_of(test)->aperture_end = 2ULL * SZ_1G + SZ_256M - 1;
	dev = platform(test);
	addr = map_mmio(dev, MMIO + SZ_2M, SZ_1G + GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	unmap_mmio(dev, addr, SZ_1G + GRANULE);
}

/* stock fails this */
static void a_large_mapping_fails_only_without_a_hole(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F34, B16: a page of 1 GiB would be nice, but it need not be */
	needs_gap_tree(test);
	config_of(test)->aperture_start = SZ_1G + SZ_64M;
	config_of(test)->aperture_end = 2ULL * SZ_1G + SZ_256M - 1;
	dev = platform(test);
	addr = map_mmio(dev, MMIO, SZ_1G + GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	unmap_mmio(dev, addr, SZ_1G + GRANULE);
}

static void a_large_mapping_crosses_no_4_gib_boundary(struct kunit *test)
{
	const size_t size = SZ_1G + SZ_512M + GRANULE;
	struct device *dev;
	dma_addr_t addrs[8];
	unsigned int i;

	/* F34, D4 */
	needs_64_bits(test);
	config_of(test)->aperture_end = (dma_addr_t)32 * SZ_1G - 1;
	dev = platform(test);
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		addrs[i] = map_mmio(dev, MMIO + i * 2ULL * SZ_1G, size);
		KUNIT_ASSERT_NE(test, addrs[i], DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, upper_32_bits(addrs[i]),
				upper_32_bits(addrs[i] + size - 1));
	}
	while (i)
		unmap_mmio(dev, addrs[--i], size);
}

static void a_contiguous_buffer_is_mapped_with_large_pages(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr = map_mmio(dev, MMIO + SZ_2M, SZ_64M);

	/* F115 */
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), SZ_64M / SZ_2M);
	unmap_mmio(dev, addr, SZ_64M);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

/* stock fails this */
static void an_offset_buffer_is_mapped_with_large_pages(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* 384 granules up to the first 2 MiB, 31 times 2 MiB, 128 granules */
	needs_gap_tree(test);
	addr = map_mmio(dev, MMIO + SZ_512K, SZ_64M);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_LE(test, mock_live_pages(dev), 384 + 31 + 128);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), SZ_64M);
	unmap_mmio(dev, addr, SZ_64M);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void large_pages_give_way_to_scarce_addresses(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* All there is are 64 MiB, for 64 MiB at another offset. */
	config_of(test)->aperture_start = SZ_64M;
	config_of(test)->aperture_end = SZ_128M - 1;
	dev = platform(test);
	addr = map_mmio(dev, MMIO + SZ_512K, SZ_64M);
	KUNIT_EXPECT_EQ(test, addr, SZ_64M);
	unmap_mmio(dev, addr, SZ_64M);
}

static void a_mapping_may_exceed_4_gib(struct kunit *test)
{
	const size_t size = (size_t)(5ULL * SZ_1G + GRANULE);
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* F56, F59: sizes are not cut to 32 bits anywhere */
	needs_64_bits(test);
	addr = map_mmio(dev, MMIO + GRANULE, size);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), size);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr + size - 1),
			MMIO + GRANULE + size - 1);
	unmap_mmio(dev, addr, size);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void every_mapping_of_random_size_is_exact(struct kunit *test)
{
	struct device *dev = platform(test);
	size_t sizes[32], sum = 0;
	dma_addr_t addrs[32];
	unsigned int i, round;

	/* F34, F57, F59, with the addresses that large pages ask for */
	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(addrs); i++) {
			phys_addr_t phys = MMIO + below(test, SZ_1M) * GRANULE;

			sizes[i] = (1 + below(test, 1UL << below(test, 12))) *
				   GRANULE;
			addrs[i] = map_mmio(dev, phys, sizes[i]);
			KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addrs[i]));
			KUNIT_EXPECT_EQ(test, phys_at(dev, addrs[i]), phys);
			KUNIT_EXPECT_EQ(test, phys_at(dev, addrs[i] + sizes[i] - 1),
					phys + sizes[i] - 1);
			sum += sizes[i];
		}
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), sum);
		for (i = 0; i < ARRAY_SIZE(addrs); i++) {
			unmap_mmio(dev, addrs[i], sizes[i]);
			sum -= sizes[i];
			KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), sum);
		}
	}
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
}

/*
 * Lazy mode: the flush queue.
 */

/* Map and unmap a granule @times, with no chance for the timer to run. */
struct churn {
	unsigned long stale;	/* the most that was unmapped and not flushed */
	unsigned long flushes;
	unsigned long syncs;
	unsigned int tables;	/* detached and not yet freed at the end */
	bool failed;
};

static struct churn churn(struct kunit *test, struct device *dev,
			  unsigned int times)
{
	struct mock_iommu *mock = mock_of(test);
	struct churn c = {
		.flushes = mock_count(mock, MOCK_FLUSH_ALL),
		.syncs = mock_count(mock, MOCK_SYNC),
	};
	unsigned long flags;
	dma_addr_t addr;

	flags = disable_irqs();
	while (times--) {
		addr = map_mmio(dev, MMIO, GRANULE);
		c.failed |= dma_mapping_error(dev, addr);
		if (c.failed)
			break;
		unmap_mmio(dev, addr, GRANULE);
		c.stale = max(c.stale, mock_stale_pages(dev));
	}
	c.flushes = mock_count(mock, MOCK_FLUSH_ALL) - c.flushes;
	c.syncs = mock_count(mock, MOCK_SYNC) - c.syncs;
	c.tables = mock_tables_kept(mock);
	enable_irqs(flags);
	KUNIT_EXPECT_FALSE(test, c.failed);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
	return c;
}

static void lazy_unmaps_do_not_flush(struct kunit *test)
{
	struct device *dev;
	struct churn c;

	/* F36, F46 */
	needs_queue_without_timer(test);
	lazy(test);
	dev = platform(test);
	KUNIT_EXPECT_EQ(test, domain_type(dev), IOMMU_DOMAIN_DMA_FQ);
	c = churn(test, dev, 200);
	KUNIT_EXPECT_EQ(test, c.flushes, 0);
	KUNIT_EXPECT_EQ(test, c.syncs, 0);
	KUNIT_EXPECT_EQ(test, c.stale, 200);
}

static void a_full_flush_queue_is_flushed(struct kunit *test)
{
	struct device *dev;
	struct churn c;

	/* F46, F49, F51: bounded, and still lazy */
	needs_queue_without_timer(test);
	lazy(test);
	dev = platform(test);
	c = churn(test, dev, 1024);
	KUNIT_EXPECT_LE(test, c.stale, 256);
	KUNIT_EXPECT_GE(test, c.flushes, 3);
	KUNIT_EXPECT_LE(test, c.flushes, 8);
	KUNIT_EXPECT_EQ(test, c.syncs, 0);
}

static void note_interrupts(struct mock_iommu *mock, enum mock_op op)
{
	atomic_t *disabled = mock->in_flush_data;

	if (irqs_disabled())
		atomic_inc(disabled);
}

/* Map and unmap so often that a flush queue is full more than once. */
static void map_and_unmap(struct device *dev)
{
	unsigned int i;

	for (i = 0; i < 1024; i++)
		unmap_mmio(dev, map_mmio(dev, MMIO, GRANULE), GRANULE);
}

/* stock fails this */
static void nobody_waits_for_the_iommu_with_interrupts_off(struct kunit *test)
{
	atomic_t *disabled = kunit_kzalloc(test, sizeof(*disabled), GFP_KERNEL);
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;

	/* F49, F52, F61, B3, B11, CVE-2026-43253 */
	KUNIT_ASSERT_NOT_NULL(test, disabled);
	mock->in_flush_data = disabled;
	mock->in_flush = note_interrupts;
	map_and_unmap(platform(test));
	KUNIT_EXPECT_GE(test, mock_count(mock, MOCK_SYNC), 1024);
	KUNIT_EXPECT_EQ(test, atomic_read(disabled), 0);
	lazy(test);
	dev = platform(test);
	map_and_unmap(dev);
	/* With it goes the timer of what is queued. */
	mock_device_remove(dev);
	mock->in_flush = NULL;
	KUNIT_EXPECT_GE(test, mock_count(mock, MOCK_FLUSH_ALL), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(disabled), 0);
}

static void a_shadowing_iommu_gets_one_large_queue(struct kunit *test)
{
	struct device *dev;
	struct churn c;

	/* F46 */
	needs_queue_without_timer(test);
	lazy(test);
	config_of(test)->shadow_on_flush = true;
	dev = platform(test);
	c = churn(test, dev, 2000);
	KUNIT_EXPECT_EQ(test, c.flushes, 0);
	KUNIT_EXPECT_EQ(test, c.syncs, 0);
}

static void a_live_domain_gets_the_large_queue_too(struct kunit *test)
{
	struct device *dev;
	struct churn c;

	/* F46, F47 */
	needs_queue_without_timer(test);
	config_of(test)->shadow_on_flush = true;
	dev = platform(test);
	KUNIT_ASSERT_EQ(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	c = churn(test, dev, 2000);
	KUNIT_EXPECT_EQ(test, c.flushes, 0);
	KUNIT_EXPECT_EQ(test, c.syncs, 0);
}

static void the_timer_flushes_what_is_queued(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F50 */
	lazy(test);
	dev = platform(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	unmap_mmio(dev, addr, GRANULE);
	wait_for_flush(test);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
}

static void the_timer_of_a_large_queue_flushes(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F50, F46 */
	lazy(test);
	config_of(test)->shadow_on_flush = true;
	dev = platform(test);
	addr = map_mmio(dev, MMIO, GRANULE);
	unmap_mmio(dev, addr, GRANULE);
	wait_for_flush(test);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
}

/* Use the small aperture up until all of it can be had, or give up. */
static unsigned long all_that_comes_back(struct kunit *test, struct device *dev)
{
	unsigned long nr, most = 0, tries;

	for (tries = 0; tries < 1000 && most < SMALL - 1; tries++) {
		nr = take_all(test, dev, GRANULE);
		most = max(nr, most);
		if (most == SMALL - 1)
			break;
		give_back(test);
		msleep(20);
	}
	return most;
}

static void no_address_is_used_again_before_a_flush(struct kunit *test)
{
	struct device *dev;
	unsigned int i;

	/* F51 */
	small_aperture(test);
	lazy(test);
	dev = platform(test);
	for (i = 0; i < 20; i++) {
		take_all(test, dev, GRANULE);
		give_back(test);
	}
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
}

struct remote_unmap {
	struct device *dev;
	dma_addr_t addr;
};

static long unmap_here(void *arg)
{
	struct remote_unmap *r = arg;

	unmap_mmio(r->dev, r->addr, GRANULE);
	return 0;
}

static void what_each_cpu_queued_comes_back(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct remote_unmap r;
	unsigned int cpu;

	/* F50 */
	small_aperture(test);
	lazy(test);
	r.dev = platform(test);
	take_all(test, r.dev, GRANULE);
	cpu = cpumask_first(cpu_online_mask);
	while (f->nr) {
		r.addr = f->addrs[--f->nr];
		KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, unmap_here, &r), 0);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, r.dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
}

#ifdef CONFIG_HOTPLUG_CPU
static void what_an_offline_cpu_queued_comes_back(struct kunit *test)
{
	unsigned int cpu = cpumask_last(cpu_online_mask);
	struct fixture *f = test->priv;
	struct remote_unmap r;

	/* F50 */
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	small_aperture(test);
	lazy(test);
	r.dev = platform(test);
	take_all(test, r.dev, GRANULE);
	while (f->nr) {
		r.addr = f->addrs[--f->nr];
		KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, unmap_here, &r), 0);
	}
	KUNIT_ASSERT_EQ(test, remove_cpu(cpu), 0);
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, r.dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
}
#endif

/* Map and unmap on one CPU, while others do the same. */
struct traffic {
	struct work_struct work;
	struct device *dev;
	struct rnd_state rnd;
	unsigned int times;
	bool failed;
};

static void do_traffic(struct work_struct *work)
{
	struct traffic *t = container_of(work, struct traffic, work);
	struct {
		dma_addr_t addr;
		size_t size;
	} live[16] = { };
	unsigned int i, n;

	for (n = 0; n < t->times; n++) {
		i = prandom_u32_state(&t->rnd) % ARRAY_SIZE(live);
		if (live[i].size) {
			unmap_mmio(t->dev, live[i].addr, live[i].size);
			live[i].size = 0;
			continue;
		}
		live[i].size = (1 + prandom_u32_state(&t->rnd) % 9) * GRANULE;
		live[i].addr = map_mmio(t->dev, MMIO, live[i].size);
		if (dma_mapping_error(t->dev, live[i].addr)) {
			t->failed = true;
			live[i].size = 0;
		}
		if (n % 32 == 0)
			cond_resched();
	}
	for (i = 0; i < ARRAY_SIZE(live); i++)
		if (live[i].size)
			unmap_mmio(t->dev, live[i].addr, live[i].size);
}

#define TRAFFIC	4

static struct traffic *start_traffic(struct kunit *test, struct device *dev)
{
	struct traffic *t = kunit_kcalloc(test, TRAFFIC, sizeof(*t), GFP_KERNEL);
	unsigned int i, cpu = cpumask_first(cpu_online_mask);

	KUNIT_ASSERT_NOT_NULL(test, t);
	for (i = 0; i < TRAFFIC; i++) {
		t[i].dev = dev;
		t[i].times = 1500;
		prandom_seed_state(&t[i].rnd, i + 1);
		INIT_WORK(&t[i].work, do_traffic);
		schedule_work_on(cpu, &t[i].work);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	return t;
}

static void end_traffic(struct kunit *test, struct traffic *t)
{
	struct mock_iommu *mock = mock_of(test);
	unsigned int i;

	for (i = 0; i < TRAFFIC; i++) {
		flush_work(&t[i].work);
		KUNIT_EXPECT_FALSE(test, t[i].failed);
	}
	KUNIT_EXPECT_EQ(test, mock_live_pages(t->dev), 0);
	KUNIT_EXPECT_EQ(test, mock->collisions, 0);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
}

static void cpus_map_and_unmap_at_the_same_time(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F56, F59, F61, F139 */
	end_traffic(test, start_traffic(test, dev));
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void cpus_map_and_unmap_lazily_at_the_same_time(struct kunit *test)
{
	struct device *dev;

	/* F48, F49, F51 */
	lazy(test);
	mock_of(test)->config.tables = true;
	dev = platform(test);
	end_traffic(test, start_traffic(test, dev));
	KUNIT_EXPECT_EQ(test, mock_tables_freed_early(mock_of(test)), 0);
}

static void a_domain_in_use_can_be_made_lazy(struct kunit *test)
{
	struct device *dev = platform(test);
	struct traffic *t = start_traffic(test, dev);

	/* F47 */
	KUNIT_EXPECT_EQ(test, mock_set_group_type(dev, "DMA-FQ"), 0);
	end_traffic(test, t);
	/* An unmap that finds the queue full flushes. */
	msleep(100);
	KUNIT_EXPECT_TRUE(test, unmap_is_lazy(test, dev));
}

/*
 * In the middle of the first flush of the timer unmap something. In the middle
 * of the second one see which addresses there are again.
 */
struct flush_guest {
	struct device *dev;
	dma_addr_t addr;
	unsigned int flushes;
	dma_addr_t again[2];
};

static void visit_flush(struct mock_iommu *mock, enum mock_op op)
{
	struct flush_guest *g = mock->in_flush_data;
	unsigned int i;

	if (op != MOCK_FLUSH_ALL || irqs_disabled())
		return;
	switch (g->flushes++) {
	case 0:
		unmap_mmio(g->dev, g->addr, GRANULE);
		break;
	case 1:
		for (i = 0; i < ARRAY_SIZE(g->again); i++)
			g->again[i] = map_mmio(g->dev, MMIO, GRANULE);
	}
}

static void an_unmap_during_a_flush_waits_for_the_next(struct kunit *test)
{
	struct flush_guest *g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);
	struct mock_iommu *mock = mock_of(test);
	struct fixture *f = test->priv;
	unsigned int i;

	/* F48, F51 */
	KUNIT_ASSERT_NOT_NULL(test, g);
	small_aperture(test);
	lazy(test);
	g->dev = platform(test);
	take_all(test, g->dev, GRANULE);
	g->addr = f->addrs[--f->nr];
	mock->in_flush_data = g;
	mock->in_flush = visit_flush;
	unmap_mmio(g->dev, f->addrs[--f->nr], GRANULE);
	wait_for_flush(test);
	/* A second flush comes, though nothing else is unmapped. */
	wait_for_flush(test);
	mock->in_flush = NULL;
	KUNIT_EXPECT_FALSE(test, is_reached(g->dev, g->addr));
	/* Until it is over, no more than the first address is free. */
	KUNIT_EXPECT_EQ(test, g->again[1], DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
	KUNIT_EXPECT_EQ(test, mock->collisions, 0);
	for (i = 0; i < ARRAY_SIZE(g->again); i++)
		if (g->again[i] != DMA_MAPPING_ERROR)
			unmap_mmio(g->dev, g->again[i], GRANULE);
	give_back(test);
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, g->dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
}

static void tables_are_freed_after_a_flush(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	struct churn c;
	unsigned int i;

	/* F48, F50, F51 */
	lazy(test);
	mock->config.tables = true;
	dev = platform(test);
	c = churn(test, dev, 300);
	KUNIT_EXPECT_EQ(test, mock->nr_tables, 300);
	KUNIT_EXPECT_EQ(test, mock_tables_freed_early(mock), 0);
	KUNIT_EXPECT_GT(test, c.tables, 0);
	for (i = 0; i < 1000 && mock_tables_kept(mock); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, mock_tables_kept(mock), 0);
	KUNIT_EXPECT_EQ(test, mock_tables_freed_early(mock), 0);
}

static void a_lazy_domain_goes_with_its_queue_full(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;

	/* F12, F53 */
	lazy(test);
	mock->config.tables = true;
	dev = platform(test);
	churn(test, dev, 250);
	mock_device_remove(dev);
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, mock->nr_tables, 250);
	KUNIT_EXPECT_EQ(test, mock_tables_kept(mock), 0);
}

static void a_lazy_domain_goes_with_its_large_queue_filled(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;

	/* F12, F53, F46 */
	lazy(test);
	mock->config.tables = true;
	mock->config.shadow_on_flush = true;
	dev = platform(test);
	churn(test, dev, 500);
	mock_device_remove(dev);
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, mock->nr_tables, 500);
	KUNIT_EXPECT_EQ(test, mock_tables_kept(mock), 0);
}

static void a_large_mapping_takes_one_entry_of_the_queue(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	unsigned long flags, flushes;
	struct device *dev;
	unsigned int i;

	/* F48, F49 */
	needs_queue_without_timer(test);
	lazy(test);
	dev = platform(test);
	flags = disable_irqs();
	flushes = mock_count(mock, MOCK_FLUSH_ALL);
	for (i = 0; i < 20; i++) {
		dma_addr_t addr = map_mmio(dev, MMIO, 100 * GRANULE);

		if (!dma_mapping_error(dev, addr))
			unmap_mmio(dev, addr, 100 * GRANULE);
	}
	flushes = mock_count(mock, MOCK_FLUSH_ALL) - flushes;
	enable_irqs(flags);
	KUNIT_EXPECT_EQ(test, flushes, 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 0);
}

/*
 * Single mappings.
 */

static void protection_follows_the_direction(struct kunit *test)
{
	struct device *dev = platform(test);
	static const struct {
		enum dma_data_direction dir;
		unsigned long attrs;
		int prot;
	} cases[] = {
		{ DMA_TO_DEVICE, 0, IOMMU_READ | IOMMU_CACHE },
		{ DMA_FROM_DEVICE, 0, IOMMU_WRITE | IOMMU_CACHE },
		{ DMA_BIDIRECTIONAL, 0, IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE },
		{ DMA_TO_DEVICE, DMA_ATTR_PRIVILEGED,
		  IOMMU_READ | IOMMU_CACHE | IOMMU_PRIV },
	};
	u8 *buffer = new_buffer(test, GRANULE);
	unsigned int i;

	/* F55, D3, D7 */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dma_addr_t addr = dma_map_single_attrs(dev, buffer, GRANULE,
						       cases[i].dir,
						       cases[i].attrs);

		KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
		KUNIT_EXPECT_EQ(test, prot_at(dev, addr), cases[i].prot);
		dma_unmap_single_attrs(dev, addr, GRANULE, cases[i].dir,
				       cases[i].attrs);
	}
}

static void a_mapping_covers_the_granules_it_touches(struct kunit *test)
{
	struct device *dev = platform(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	static const struct {
		size_t offset, size, granules;
	} cases[] = {
		{ 0, 1, 1 }, { 0, GRANULE, 1 }, { 100, GRANULE - 100, 1 },
		{ GRANULE - 1, 2, 2 }, { 100, GRANULE, 2 },
		{ 100, 3 * GRANULE, 4 }, { 2 * GRANULE + 1, GRANULE, 2 },
	};
	unsigned int i;

	/* F56, F59, F62 */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u8 *start = buffer + cases[i].offset;
		dma_addr_t addr = map(test, dev, start, cases[i].size,
				      DMA_TO_DEVICE);

		KUNIT_EXPECT_EQ(test, addr & (GRANULE - 1),
				cases[i].offset & (GRANULE - 1));
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev),
				cases[i].granules * GRANULE);
		expect_reads(test, dev, addr, start, cases[i].size);
		dma_unmap_single(dev, addr, cases[i].size, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	}
}

static void an_offset_may_lead_to_another_page(struct kunit *test)
{
	struct device *dev = platform(test);
	u8 *buffer = new_buffer(test, 4 * PAGE_SIZE);
	dma_addr_t addr = dma_map_page(dev, virt_to_page(buffer),
				       2 * PAGE_SIZE + 5, 20, DMA_TO_DEVICE);

	/* F62 */
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	expect_reads(test, dev, addr, buffer + 2 * PAGE_SIZE + 5, 20);
	dma_unmap_page(dev, addr, 20, DMA_TO_DEVICE);
}

static void after_an_unmap_nothing_is_reached(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	const size_t size = SZ_4M + 5 * GRANULE;
	dma_addr_t addr = map_mmio(dev, MMIO + SZ_2M - 3 * GRANULE, size);

	/* F61, D9, F116, F118: also across page sizes (CVE-2026-31735) */
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	unmap_mmio(dev, addr, size);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 1);
}

/* In the middle of the invalidation: is there an address again? */
static void map_in_sync(struct mock_iommu *mock, enum mock_op op)
{
	struct remote_unmap *r = mock->in_flush_data;

	r->addr = map_mmio(r->dev, MMIO, GRANULE);
}

static void an_address_is_free_after_its_invalidation(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct fixture *f = test->priv;
	struct remote_unmap r;

	/* F59, F61 */
	small_aperture(test);
	r.dev = platform(test);
	take_all(test, r.dev, GRANULE);
	mock->in_flush_data = &r;
	mock->in_flush = map_in_sync;
	unmap_mmio(r.dev, f->addrs[--f->nr], GRANULE);
	mock->in_flush = NULL;
	KUNIT_EXPECT_EQ(test, r.addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
	r.addr = map_mmio(r.dev, MMIO, GRANULE);
	KUNIT_ASSERT_NE(test, r.addr, DMA_MAPPING_ERROR);
	unmap_mmio(r.dev, r.addr, GRANULE);
}

static void an_unmap_that_grows_to_a_large_page_is_fine(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F134: what is unmapped may be more than asked */
	config_of(test)->exact_unmap = false;
	dev = platform(test);
	addr = map_mmio(dev, MMIO, SZ_4M);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	unmap_mmio(dev, addr, SZ_4M);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void an_alignment_above_the_granule_is_refused(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* F56 */
	dma_set_min_align_mask(dev, 2 * GRANULE - 1);
	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK))
		expect_warning(test, "Unsupported alignment");
	else
		expect_warning(test, "min_align_mask exceeds");
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_EQ(test, addr, DMA_MAPPING_ERROR);
	dma_set_min_align_mask(dev, GRANULE - 1);
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_EXPECT_FALSE(test, dma_mapping_error(dev, addr));
	unmap_mmio(dev, addr, GRANULE);
}

/*
 * iommu_map_sg() has a way of its own for drivers that take many pieces in a
 * call. @TABLE_IOVA is where nothing else is.
 */
#define TABLE_IOVA	SZ_1G
#define TABLE_ENTRIES	80

/* A table of pages that do not follow each other in memory. */
static void scattered_table(struct kunit *test, struct sg_table *table)
{
	u8 *buffer = new_buffer(test, 2 * TABLE_ENTRIES * GRANULE);
	struct scatterlist *s;
	int i;

	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(table, TABLE_ENTRIES,
						GFP_KERNEL));
	for_each_sg(table->sgl, s, TABLE_ENTRIES, i)
		sg_set_buf(s, buffer + 2 * i * GRANULE, GRANULE);
}

static ssize_t map_table(struct device *dev, struct sg_table *table)
{
	return iommu_map_sg(iommu_get_domain_for_dev(dev), TABLE_IOVA,
			    table->sgl, table->nents, IOMMU_READ, GFP_KERNEL);
}

static void a_table_is_mapped_in_order(struct kunit *test)
{
	struct device *dev = platform(test);
	struct mock_page page;
	struct sg_table table;
	struct scatterlist *s;
	int i;

	scattered_table(test, &table);
	KUNIT_EXPECT_EQ(test, map_table(dev, &table), TABLE_ENTRIES * GRANULE);
	for_each_sg(table.sgl, s, TABLE_ENTRIES, i) {
		KUNIT_EXPECT_EQ(test, mock_translate(dev, TABLE_IOVA +
						     i * GRANULE, &page),
				MOCK_LIVE);
		KUNIT_EXPECT_EQ(test, page.phys, sg_phys(s));
	}
	iommu_unmap(iommu_get_domain_for_dev(dev), TABLE_IOVA,
		    TABLE_ENTRIES * GRANULE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	sg_free_table(&table);
}

static void a_table_that_cannot_be_mapped_leaves_nothing(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	struct sg_table table;
	unsigned long n;

	scattered_table(test, &table);
	for (n = 0; n < TABLE_ENTRIES; n++) {
		mock->faults.map_budget = n;
		KUNIT_EXPECT_LT(test, map_table(dev, &table), 0);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	mock->faults.sync_map = true;
	KUNIT_EXPECT_LT(test, map_table(dev, &table), 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	mock->faults.sync_map = false;
	sg_free_table(&table);
}

static void a_table_with_half_a_granule_is_refused(struct kunit *test)
{
	struct device *dev = platform(test);
	struct scatterlist *s;
	struct sg_table table;
	int i;

	scattered_table(test, &table);
	for_each_sg(table.sgl, s, TABLE_ENTRIES, i)
		if (i == TABLE_ENTRIES / 2)
			s->length = GRANULE / 2;
	KUNIT_EXPECT_EQ(test, map_table(dev, &table), -EINVAL);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	sg_free_table(&table);
}

static void a_failed_map_leaves_nothing(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	unsigned long n;

	/* F57, D1 */
	small_aperture(test);
	dev = platform(test);
	for (n = 0; n < 16; n++) {
		mock->faults.map_budget = n;
		KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, 16 * GRANULE),
				DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

static void a_failed_map_in_lazy_mode_leaves_nothing(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	unsigned long n;

	/* F57: the addresses are free at once */
	small_aperture(test);
	lazy(test);
	dev = platform(test);
	for (n = 0; n < 16; n++) {
		mock->faults.map_budget = n;
		KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, 16 * GRANULE),
				DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock->reused, 0);
}

static void a_failed_sync_after_a_map_undoes_it(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);

	/* F57, F117 */
	mock->faults.sync_map = true;
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, 4 * GRANULE),
			DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void a_map_is_synced_before_it_is_returned(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F117 */
	config_of(test)->caching_mode = true;
	dev = platform(test);
	addr = map_mmio(dev, MMIO, 20 * GRANULE);
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr));
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr + 19 * GRANULE));
	KUNIT_EXPECT_EQ(test, mock_count(mock_of(test), MOCK_SYNC_MAP), 1);
	unmap_mmio(dev, addr, 20 * GRANULE);
}

static void a_map_done_in_steps_is_complete(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	dma_addr_t addr;

	/* F57, B24 */
	mock->faults.map_chunk = 3 * GRANULE;
	addr = map_mmio(dev, MMIO, 16 * GRANULE);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 16 * GRANULE);
	unmap_mmio(dev, addr, 16 * GRANULE);
	/* And one that fails in the second step. */
	mock->faults.map_budget = 5;
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, 16 * GRANULE),
			DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void two_mappings_of_a_page_are_independent(struct kunit *test)
{
	struct device *dev = platform(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t a = map(test, dev, buffer, 100, DMA_TO_DEVICE);
	dma_addr_t b = map(test, dev, buffer + 200, 100, DMA_TO_DEVICE);

	/* F58 */
	KUNIT_EXPECT_NE(test, a & PAGE_MASK, b & PAGE_MASK);
	dma_unmap_single(dev, a, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, a));
	expect_reads(test, dev, b, buffer + 200, 100);
	dma_unmap_single(dev, b, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, b));
}

/* stock fails this */
static void an_unmap_walks_no_page_table_in_vain(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr = map(test, dev, buffer, GRANULE, DMA_FROM_DEVICE);

	/* F66, B12: coherent and trusted, there is no slot and no cache line */
	dma_sync_single_for_cpu(dev, addr, GRANULE, DMA_FROM_DEVICE);
	dma_sync_single_for_device(dev, addr, GRANULE, DMA_FROM_DEVICE);
	dma_unmap_single(dev, addr, GRANULE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_WALK), 0);
}

static void a_sync_of_a_coherent_device_walks_no_page_table(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr = map(test, dev, buffer, GRANULE, DMA_BIDIRECTIONAL);

	/* F75: even where it is not skipped already */
	iommu_dma_sync_single_for_cpu(dev, addr, GRANULE, DMA_BIDIRECTIONAL);
	iommu_dma_sync_single_for_device(dev, addr, 100, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_WALK), 0);
	dma_unmap_single(dev, addr, GRANULE, DMA_BIDIRECTIONAL);
}

struct hard_irq {
	struct irq_work work;
	struct device *dev;
	u8 *buffer;
	struct scatterlist sgl[2];
	bool in_irq;
	bool failed;
};

static void map_in_hard_irq(struct irq_work *work)
{
	struct hard_irq *h = container_of(work, struct hard_irq, work);
	dma_addr_t addr;

	h->in_irq = in_hardirq();
	addr = dma_map_single(h->dev, h->buffer + 10, 100, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(h->dev, addr)) {
		h->failed = true;
		return;
	}
	dma_sync_single_for_cpu(h->dev, addr, 100, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(h->dev, addr, 100, DMA_BIDIRECTIONAL);
	dma_unmap_single(h->dev, addr, 100, DMA_BIDIRECTIONAL);

	if (!dma_map_sg(h->dev, h->sgl, 2, DMA_TO_DEVICE)) {
		h->failed = true;
		return;
	}
	dma_unmap_sg(h->dev, h->sgl, 2, DMA_TO_DEVICE);

	addr = map_mmio(h->dev, MMIO, 3 * GRANULE);
	h->failed = dma_mapping_error(h->dev, addr);
	if (!h->failed)
		unmap_mmio(h->dev, addr, 3 * GRANULE);
}

static void expect_hard_irq_works(struct kunit *test, struct device *dev)
{
	struct hard_irq *h = kunit_kzalloc(test, sizeof(*h), GFP_KERNEL);

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "hard interrupts may not map there");
	KUNIT_ASSERT_NOT_NULL(test, h);
	h->dev = dev;
	h->buffer = new_buffer(test, 3 * GRANULE);
	sg_init_table(h->sgl, 2);
	sg_set_buf(&h->sgl[0], h->buffer + GRANULE, 10);
	sg_set_buf(&h->sgl[1], h->buffer + 2 * GRANULE, 10);
	h->work = IRQ_WORK_INIT_HARD(map_in_hard_irq);
	irq_work_queue(&h->work);
	irq_work_sync(&h->work);
	KUNIT_EXPECT_TRUE(test, h->in_irq);
	KUNIT_EXPECT_FALSE(test, h->failed);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void hard_interrupts_may_map_and_unmap(struct kunit *test)
{
	/* F56, F77, F90, F138, D1 */
	expect_hard_irq_works(test, platform(test));
}

static void hard_interrupts_may_map_and_unmap_lazily(struct kunit *test)
{
	/* F138, D1 */
	lazy(test);
	expect_hard_irq_works(test, platform(test));
}

static void hard_interrupts_may_map_and_unmap_bounced(struct kunit *test)
{
	/* F138, D1 */
	expect_hard_irq_works(test, untrusted_pci(test));
}

static void resources_are_mapped_as_mmio(struct kunit *test)
{
	struct device *dev = platform(test);
	phys_addr_t phys = MMIO + 3 * GRANULE + 0x20;
	dma_addr_t addr;

	/* F93, F55 */
	addr = dma_map_resource(dev, phys, 0x10, DMA_TO_DEVICE, 0);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), phys);
	KUNIT_EXPECT_EQ(test, prot_at(dev, addr), IOMMU_READ | IOMMU_MMIO);
	dma_unmap_resource(dev, addr, 0x10, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void resources_of_an_untrusted_device_are_not_bounced(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	dma_addr_t addr;

	/* F93 */
	addr = dma_map_resource(dev, MMIO + 0x20, 0x10, DMA_BIDIRECTIONAL, 0);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), MMIO + 0x20);
	dma_unmap_resource(dev, addr, 0x10, DMA_BIDIRECTIONAL, 0);
}

/*
 * Bounce buffers.
 */

static void unaligned_buffers_of_untrusted_devices_bounce(struct kunit *test)
{
	static const struct {
		size_t offset, size;
	} cases[] = {
		{ 0, 100 }, { 100, 200 }, { 1, GRANULE - 1 }, { 0, GRANULE + 1 },
		{ GRANULE - 1, 2 }, { 512, GRANULE }, { 8, 3 * GRANULE },
	};
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	unsigned int i;

	/* F63, D8 */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u8 *start = buffer + cases[i].offset;
		dma_addr_t addr = map(test, dev, start, cases[i].size,
				      DMA_TO_DEVICE);

		KUNIT_EXPECT_TRUE(test, is_slot(dev, phys_at(dev, addr)));
		expect_reads(test, dev, addr, start, cases[i].size);
		dma_unmap_single(dev, addr, cases[i].size, DMA_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void slots_keep_the_offset_that_the_device_wants_kept(struct kunit *test)
{
	static const unsigned int masks[] = { 0, 63, SZ_1K - 1, GRANULE - 1 };
	static const size_t offsets[] = { 4, 100, SZ_2K + 6, GRANULE - 3 };
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	unsigned int i, j;

	/* F68, F56 */
	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		dma_set_min_align_mask(dev, masks[i]);
		for (j = 0; j < ARRAY_SIZE(offsets); j++) {
			u8 *start = buffer + offsets[j];
			dma_addr_t addr = map(test, dev, start, GRANULE,
					      DMA_TO_DEVICE);
			phys_addr_t phys = phys_at(dev, addr);

			KUNIT_EXPECT_TRUE(test, is_slot(dev, phys));
			KUNIT_EXPECT_EQ(test, addr & masks[i],
					offsets[j] & masks[i]);
			KUNIT_EXPECT_EQ(test, phys & (GRANULE - 1),
					addr & (GRANULE - 1));
			expect_reads(test, dev, addr, start, GRANULE);
			dma_unmap_single(dev, addr, GRANULE, DMA_TO_DEVICE);
		}
	}
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void aligned_buffers_of_untrusted_devices_do_not_bounce(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	dma_addr_t addr = map(test, dev, buffer + GRANULE, 2 * GRANULE,
			      DMA_FROM_DEVICE);

	/* F72, F67 */
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), virt_to_phys(buffer + GRANULE));
	dma_unmap_single(dev, addr, 2 * GRANULE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
}

static void buffers_of_trusted_devices_do_not_bounce(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr = map(test, dev, buffer + 5, 10, DMA_FROM_DEVICE);

	/* F63 */
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), virt_to_phys(buffer + 5));
	dma_unmap_single(dev, addr, 10, DMA_FROM_DEVICE);
}

static void without_bounce_buffers_unaligned_buffers_fail(struct kunit *test)
{
#ifdef CONFIG_SWIOTLB
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F63 */
	dev->dma_io_tlb_mem = NULL;
	addr = dma_map_single(dev, buffer, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, addr, DMA_MAPPING_ERROR);
	addr = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr, GRANULE, DMA_TO_DEVICE);
#endif
}

static void bounced_buffers_share_no_granule(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr[4];
	unsigned int i, j;

	/* F68, D8 */
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		addr[i] = map(test, dev, buffer + i * 64, 64, DMA_TO_DEVICE);
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, phys_at(dev, addr[i]) / GRANULE,
					phys_at(dev, addr[j]) / GRANULE);
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		dma_unmap_single(dev, addr[i], 64, DMA_TO_DEVICE);
}

/* Leave data of others in all slots. */
static void dirty_slots(struct kunit *test, struct device *dev)
{
	size_t size = dma_max_mapping_size(dev) - 1;
	u8 *buffer = new_buffer(test, size);
	struct fixture *f = test->priv;

	memset(buffer, 0xdd, size);
	for (f->nr = 0; f->nr < ARRAY_SIZE(f->addrs); f->nr++) {
		f->addrs[f->nr] = dma_map_single_attrs(dev, buffer, size,
						       DMA_TO_DEVICE,
						       DMA_ATTR_NO_WARN);
		if (dma_mapping_error(dev, f->addrs[f->nr]))
			break;
	}
	while (f->nr)
		dma_unmap_single(dev, f->addrs[--f->nr], size, DMA_TO_DEVICE);
}

/* Map, and see all that the device could see in the granules. */
static void expect_zeros_around(struct kunit *test, struct device *dev,
				u8 *buffer, size_t size)
{
	dma_addr_t addr = map(test, dev, buffer, size, DMA_FROM_DEVICE);
	size_t before = addr & (GRANULE - 1);
	size_t whole = ALIGN(before + size, GRANULE);
	u8 *seen = kunit_kmalloc(test, whole, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, seen);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), whole);
	KUNIT_ASSERT_EQ(test, mock_peek(dev, addr - before, seen, whole), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(seen, 0, before));
	KUNIT_EXPECT_MEMEQ(test, seen + before, buffer, size);
	KUNIT_EXPECT_NULL(test, memchr_inv(seen + before + size, 0,
					   whole - before - size));
	dma_unmap_single(dev, addr, size, DMA_FROM_DEVICE);
	kunit_kfree(test, seen);
}

static void around_a_bounced_buffer_there_is_nothing_but_zeros(struct kunit *test)
{
	static const unsigned int masks[] = { 0, GRANULE - 1 };
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 2 * GRANULE);
	unsigned int round;

	/* F70, F69, D8: also in slots that other buffers used before */
	dirty_slots(test, dev);
	for (round = 0; round < 16; round++) {
		dma_set_min_align_mask(dev, masks[round % 2]);
		expect_zeros_around(test, dev, buffer + 700, 10);
		expect_zeros_around(test, dev, buffer + 700, GRANULE + 10);
	}
}

static void what_a_device_does_not_write_stays(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	u8 *want = copy_of(test, buffer, GRANULE);
	static const u8 news[] = "news";
	dma_addr_t addr;

	/* F69, CVE-2022-0854 */
	addr = map(test, dev, buffer + 100, 500, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, addr + 200, news,
						sizeof(news)));
	dma_unmap_single(dev, addr, 500, DMA_FROM_DEVICE);
	memcpy(want + 300, news, sizeof(news));
	KUNIT_EXPECT_MEMEQ(test, buffer, want, GRANULE);
}

static void a_bounced_buffer_may_only_be_accessed_as_mapped(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE), byte = 0;
	dma_addr_t addr = map(test, dev, buffer, 100, DMA_TO_DEVICE);

	/* F55 */
	KUNIT_EXPECT_NE(test, mock_dma_write(dev, addr, &byte, 1), 0);
	KUNIT_EXPECT_EQ(test, mock_dma_read(dev, addr, &byte, 1), 0);
	dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
	addr = map(test, dev, buffer, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NE(test, mock_dma_read(dev, addr, &byte, 1), 0);
	dma_unmap_single(dev, addr, 100, DMA_FROM_DEVICE);
}

/* Scribble over the slot of a mapping, whatever its direction. */
static void scribble(struct device *dev, dma_addr_t addr, size_t size)
{
	memset(phys_to_virt(phys_at(dev, addr)), 0xee, size);
}

static void a_slot_is_copied_back_only_where_it_should(struct kunit *test)
{
	static const struct {
		enum dma_data_direction dir;
		unsigned long attrs;
		bool back;
	} cases[] = {
		{ DMA_TO_DEVICE, 0, false },
		{ DMA_FROM_DEVICE, 0, true },
		{ DMA_BIDIRECTIONAL, 0, true },
		{ DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC, false },
		{ DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC, false },
	};
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	unsigned int i;

	/* F66, D7 */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dma_addr_t addr;
		u8 want = i;

		if (cases[i].back)
			want = 0xee;
		memset(buffer, i, GRANULE);
		addr = map(test, dev, buffer + 50, 100, cases[i].dir);
		scribble(dev, addr, 100);
		dma_unmap_single_attrs(dev, addr, 100, cases[i].dir,
				       cases[i].attrs);
		KUNIT_EXPECT_EQ(test, buffer[49], i);
		KUNIT_EXPECT_EQ(test, buffer[50], want);
		KUNIT_EXPECT_EQ(test, buffer[149], want);
		KUNIT_EXPECT_EQ(test, buffer[150], i);
	}
}

struct late_write {
	struct device *dev;
	dma_addr_t addr;
	const u8 *buffer;
	u8 seen;
	int calls;
};

/* In the middle of the invalidation: the device writes once more. */
static void write_late(struct mock_iommu *mock, enum mock_op op)
{
	struct late_write *l = mock->in_flush_data;
	u8 byte = 0x77;

	l->calls++;
	l->seen = *l->buffer;
	mock_dma_write(l->dev, l->addr, &byte, 1);
}

static void a_slot_is_copied_back_after_the_invalidation(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	struct late_write *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	u8 byte = 0x55;

	/* F66: all that the device could write is there, and nothing later */
	KUNIT_ASSERT_NOT_NULL(test, l);
	buffer[10] = 0x33;
	l->dev = dev;
	l->buffer = buffer + 10;
	l->addr = map(test, dev, buffer + 10, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_dma_write(dev, l->addr, &byte, 1), 0);
	mock->in_flush_data = l;
	mock->in_flush = write_late;
	dma_unmap_single(dev, l->addr, 100, DMA_FROM_DEVICE);
	mock->in_flush = NULL;
	KUNIT_EXPECT_EQ(test, l->calls, 1);
	KUNIT_EXPECT_EQ(test, l->seen, 0x33);
	KUNIT_EXPECT_EQ(test, buffer[10], 0x77);
}

struct slot_watch {
	struct kunit *test;
	struct device *dev;
	long used;
};

static void watch_slots(struct mock_iommu *mock, enum mock_op op)
{
	struct slot_watch *w = mock->in_flush_data;

	w->used = slots_used(w->test, w->dev);
}

static void a_slot_is_freed_after_the_invalidation(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct slot_watch w = { .test = test, .dev = untrusted_pci(test) };
	u8 *buffer = new_buffer(test, GRANULE);
	long before = slots_used(test, w.dev), during;
	dma_addr_t addr = map(test, w.dev, buffer + 10, 100, DMA_FROM_DEVICE);

	/* F54, F66 */
	during = slots_used(test, w.dev);
	KUNIT_EXPECT_GT(test, during, before);
	mock->in_flush_data = &w;
	mock->in_flush = watch_slots;
	dma_unmap_single(w.dev, addr, 100, DMA_FROM_DEVICE);
	mock->in_flush = NULL;
	KUNIT_EXPECT_EQ(test, w.used, during);
	KUNIT_EXPECT_EQ(test, slots_used(test, w.dev), before);
}

/*
 * A device with bounce buffers in a lazy domain. Devices that do not share the
 * CPU's caches are, where kmalloc() memory bounces; elsewhere distrust one
 * after it got its domain.
 */
static struct device *lazy_bouncing(struct kunit *test)
{
	struct device *dev;

	lazy(test);
	dev = trusted_pci(test);
	to_pci_dev(dev)->untrusted = true;
	if (!is_swiotlb_active(dev))
		kunit_skip(test, "no bounce buffers: boot without swiotlb=noforce");
	return dev;
}

/* stock fails this */
static void a_lazy_slot_is_freed_after_the_flush(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = lazy_bouncing(test);
	u8 *buffer = new_buffer(test, GRANULE);
	unsigned long flags, flushes;
	long before, during, after;
	dma_addr_t addr;
	bool reached;
	int i;

	/* F54, F83, B4 */
	before = slots_used(test, dev);
	addr = map(test, dev, buffer + 10, 100, DMA_FROM_DEVICE);
	during = slots_used(test, dev);
	KUNIT_EXPECT_GT(test, during, before);
	flags = disable_irqs();
	flushes = mock_count(mock, MOCK_FLUSH_ALL);
	dma_unmap_single(dev, addr, 100, DMA_FROM_DEVICE);
	after = slots_used(test, dev);
	reached = is_reached(dev, addr);
	flushes = mock_count(mock, MOCK_FLUSH_ALL) - flushes;
	enable_irqs(flags);
	/* Either flushed at once, or kept. */
	if (reached) {
		KUNIT_EXPECT_EQ(test, flushes, 0);
		KUNIT_EXPECT_EQ(test, after, during);
	}
	for (i = 0; i < 1000 && slots_used(test, dev) > before; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
}

/* stock fails this */
static void no_slot_is_used_again_before_a_flush(struct kunit *test)
{
	struct device *dev = lazy_bouncing(test);
	const size_t size = SZ_64K + 100;
	u8 *buffer = new_buffer(test, size);
	unsigned long flags;
	unsigned int i;

	/* F54, F83, B4: more than there are slots, and no timer between */
	config_of(test)->watch_phys = true;
	flags = disable_irqs();
	for (i = 0; i < 100; i++) {
		dma_addr_t addr = dma_map_single_attrs(dev, buffer, size,
						       DMA_TO_DEVICE,
						       DMA_ATTR_NO_WARN);

		if (dma_mapping_error(dev, addr))
			break;
		dma_unmap_single(dev, addr, size, DMA_TO_DEVICE);
	}
	enable_irqs(flags);
	KUNIT_EXPECT_GT(test, i, 0);
	KUNIT_EXPECT_EQ(test, mock_of(test)->aliased, 0);
}

static void a_lazily_unmapped_slot_brings_its_data(struct kunit *test)
{
	struct device *dev = lazy_bouncing(test);
	u8 *buffer = new_buffer(test, GRANULE);
	static const u8 news[] = "news";
	dma_addr_t addr = map(test, dev, buffer + 100, 500, DMA_FROM_DEVICE);

	/* F66: the data is there on return, whenever the flush comes */
	KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, addr, news, sizeof(news)));
	dma_unmap_single(dev, addr, 500, DMA_FROM_DEVICE);
	KUNIT_EXPECT_MEMEQ(test, buffer + 100, news, sizeof(news));
}

static void a_lazy_domain_goes_with_slots_queued(struct kunit *test)
{
	struct device *dev = lazy_bouncing(test);
	u8 *buffer = new_buffer(test, GRANULE);
	long before = slots_used(test, dev);
	struct device *other;
	unsigned int i;

	/* F53, B4: the slots may not be lost with it */
	for (i = 0; i < 50; i++) {
		dma_addr_t addr = map(test, dev, buffer + 10, 100,
				      DMA_FROM_DEVICE);

		dma_unmap_single(dev, addr, 100, DMA_FROM_DEVICE);
	}
	mock_device_remove(dev);
	config_of(test)->domain_type = IOMMU_DOMAIN_DMA;
	other = untrusted_pci(test);
	KUNIT_EXPECT_EQ(test, slots_used(test, other), before);
}

static void a_failed_map_frees_the_slot(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	u8 *want = copy_of(test, buffer, GRANULE);
	long before = slots_used(test, dev);

	/* F65 */
	mock->faults.map_budget = 0;
	KUNIT_EXPECT_EQ(test, DMA_MAPPING_ERROR,
			dma_map_single(dev, buffer, 100, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
	KUNIT_EXPECT_MEMEQ(test, buffer, want, GRANULE);
}

static void bounced_mappings_have_a_largest_size(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	size_t size = dma_max_mapping_size(dev);
	u8 *buffer = new_buffer(test, SZ_512K);
	dma_addr_t addr;

	/* F71, F110 */
	KUNIT_EXPECT_EQ(test, size, swiotlb_max_mapping_size(dev));
	KUNIT_ASSERT_LT(test, size, SZ_512K);
	addr = map(test, dev, buffer, size - 1, DMA_TO_DEVICE);
	expect_reads(test, dev, addr, buffer, size - 1);
	dma_unmap_single(dev, addr, size - 1, DMA_TO_DEVICE);
}

static void other_mappings_have_no_largest_size(struct kunit *test)
{
	/* F71, F110 */
	KUNIT_EXPECT_EQ(test, dma_max_mapping_size(platform(test)), SIZE_MAX);
	KUNIT_EXPECT_EQ(test, dma_max_mapping_size(trusted_pci(test)), SIZE_MAX);
}

static void with_no_slot_left_mapping_fails(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	size_t size = dma_max_mapping_size(dev) - 1;
	u8 *buffer = new_buffer(test, SZ_512K);
	struct fixture *f = test->priv;
	dma_addr_t addr;

	/* F73, D1 */
	for (f->nr = 0; f->nr < ARRAY_SIZE(f->addrs); f->nr++) {
		addr = dma_map_single_attrs(dev, buffer, size, DMA_TO_DEVICE,
					    DMA_ATTR_NO_WARN);
		if (dma_mapping_error(dev, addr))
			break;
		f->addrs[f->nr] = addr;
	}
	KUNIT_EXPECT_LT(test, f->nr, ARRAY_SIZE(f->addrs));
	KUNIT_EXPECT_GT(test, f->nr, 0);
	while (f->nr)
		dma_unmap_single(dev, f->addrs[--f->nr], size, DMA_TO_DEVICE);
	addr = map(test, dev, buffer, size, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr, size, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void bounced_buffers_of_any_shape_round_trip(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, 4 * GRANULE);
	u8 *want = kunit_kmalloc(test, 4 * GRANULE, GFP_KERNEL);
	u8 *data = kunit_kmalloc(test, 4 * GRANULE, GFP_KERNEL);
	static const size_t edges[] = {
		0, 1, 100, GRANULE - 1, GRANULE, GRANULE + 1, 2 * GRANULE - 1,
		2 * GRANULE, 3 * GRANULE + 7, 4 * GRANULE,
	};
	unsigned int i, j;

	/* F68 to F70, CVE-2026-53164: head only, tail only, nothing between */
	KUNIT_ASSERT_NOT_NULL(test, want);
	KUNIT_ASSERT_NOT_NULL(test, data);
	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		for (j = i + 1; j < ARRAY_SIZE(edges); j++) {
			size_t at = edges[i], size = edges[j] - at;
			dma_addr_t addr;

			memset(data, i * 16 + j, size);
			memcpy(want, buffer, 4 * GRANULE);
			memcpy(want + at, data, size);
			addr = map(test, dev, buffer + at, size,
				   DMA_BIDIRECTIONAL);
			expect_reads(test, dev, addr, buffer + at, size);
			KUNIT_EXPECT_EQ(test, 0, mock_dma_write(dev, addr, data,
								size));
			dma_unmap_single(dev, addr, size, DMA_BIDIRECTIONAL);
			KUNIT_EXPECT_MEMEQ(test, buffer, want, 4 * GRANULE);
			KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
			KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
		}
	}
}

static void a_sync_for_the_cpu_copies_the_part_named(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F75 */
	memset(buffer, 1, GRANULE);
	addr = map(test, dev, buffer + 100, 300, DMA_FROM_DEVICE);
	scribble(dev, addr, 300);
	dma_sync_single_for_cpu(dev, addr + 50, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[149], 1);
	KUNIT_EXPECT_EQ(test, buffer[150], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[249], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[250], 1);
	dma_unmap_single(dev, addr, 300, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[100], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[399], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[400], 1);
}

static void a_sync_for_the_device_copies_the_part_named(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE), seen[300];
	dma_addr_t addr;

	/* F75 */
	memset(buffer, 1, GRANULE);
	addr = map(test, dev, buffer + 100, 300, DMA_TO_DEVICE);
	memset(buffer, 2, GRANULE);
	dma_sync_single_for_device(dev, addr + 50, 100, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_dma_read(dev, addr, seen, 300), 0);
	KUNIT_EXPECT_EQ(test, seen[49], 1);
	KUNIT_EXPECT_EQ(test, seen[50], 2);
	KUNIT_EXPECT_EQ(test, seen[149], 2);
	KUNIT_EXPECT_EQ(test, seen[150], 1);
	dma_unmap_single(dev, addr, 300, DMA_TO_DEVICE);
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
/*
 * Devices that do not share the CPU's caches. The emulated machine has no
 * caches to see a mistake by, so these look at all else.
 */

static struct device *noncoherent(struct kunit *test)
{
	struct device *dev = new_platform(test);

	dev->dma_coherent = false;
	add(test, dev);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static void a_noncoherent_device_maps_without_cache(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr = map(test, dev, buffer, GRANULE, DMA_BIDIRECTIONAL);

	/* F55, F64, F66, F75 */
	KUNIT_EXPECT_EQ(test, prot_at(dev, addr), IOMMU_READ | IOMMU_WRITE);
	dma_sync_single_for_cpu(dev, addr, GRANULE, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(dev, addr + 100, 100, DMA_BIDIRECTIONAL);
	expect_reads(test, dev, addr, buffer, GRANULE);
	dma_unmap_single(dev, addr, GRANULE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void a_noncoherent_mapping_skips_what_it_is_told_to(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = noncoherent(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F64, D7 */
	addr = dma_map_single_attrs(dev, buffer, GRANULE, DMA_FROM_DEVICE,
				    DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	dma_unmap_single_attrs(dev, addr, GRANULE, DMA_FROM_DEVICE,
			       DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock->collisions, 0);
}

static bool small_buffers_bounce(struct device *dev)
{
	return dma_kmalloc_needs_bounce(dev, 8, DMA_FROM_DEVICE) &&
	       is_swiotlb_active(dev);
}

static void small_buffers_of_noncoherent_devices_bounce(struct kunit *test)
{
	struct device *dev = noncoherent(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	/* F63, D6 */
	if (!small_buffers_bounce(dev))
		kunit_skip(test, "kmalloc() memory is safe for DMA here");
	addr = map(test, dev, buffer + 8, 8, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, is_slot(dev, phys_at(dev, addr)));
	scribble(dev, addr, 8);
	dma_unmap_single(dev, addr, 8, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[8], 0xee);
	KUNIT_EXPECT_EQ(test, buffer[15], 0xee);

	addr = map(test, dev, buffer + 8, 8, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_slot(dev, phys_at(dev, addr)));
	dma_unmap_single(dev, addr, 8, DMA_TO_DEVICE);
	addr = map(test, dev, buffer, SZ_1K, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_slot(dev, phys_at(dev, addr)));
	dma_unmap_single(dev, addr, SZ_1K, DMA_FROM_DEVICE);
}

/* stock fails this */
static void a_lazy_slot_of_a_small_buffer_is_freed_after_the_flush(struct kunit *test)
{
	struct device *dev;
	u8 *buffer = new_buffer(test, GRANULE);
	long before, during, after;
	unsigned long flags;
	dma_addr_t addr;
	bool reached;
	int i;

	/* F54, F83, B4: as it happens to trusted devices */
	lazy(test);
	dev = noncoherent(test);
	if (!small_buffers_bounce(dev))
		kunit_skip(test, "kmalloc() memory is safe for DMA here");
	before = slots_used(test, dev);
	addr = map(test, dev, buffer + 8, 8, DMA_FROM_DEVICE);
	during = slots_used(test, dev);
	flags = disable_irqs();
	dma_unmap_single(dev, addr, 8, DMA_FROM_DEVICE);
	after = slots_used(test, dev);
	reached = is_reached(dev, addr);
	enable_irqs(flags);
	if (reached)
		KUNIT_EXPECT_EQ(test, after, during);
	for (i = 0; i < 1000 && slots_used(test, dev) > before; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
}
#endif

/*
 * Lists of buffers.
 */

/* A list, the memory of its entries, and what it was like before. */
struct list {
	struct sg_table sgt;
	struct scatterlist *before;
	size_t bytes;		/* in all entries */
	size_t granules;	/* that the entries touch, in bytes */
};

struct piece {
	size_t offset, size;
};

static void free_list_table(void *sgt)
{
	sg_free_table(sgt);
}

/*
 * An entry for each piece. No two entries are physically adjacent, and all
 * memory is filled with a pattern.
 */
static struct list *new_list(struct kunit *test, const struct piece *pieces,
			     unsigned int nr)
{
	struct list *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, l);
	KUNIT_ASSERT_EQ(test, sg_alloc_table(&l->sgt, nr, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_list_table,
						  &l->sgt));
	for_each_sg(l->sgt.sgl, sg, nr, i) {
		const struct piece *p = &pieces[i];
		/* The granule at the end is never part of an entry. */
		u8 *buffer = new_buffer(test, p->offset + p->size + GRANULE);

		sg_set_page(sg, virt_to_page(buffer), p->size, p->offset);
		l->bytes += p->size;
		l->granules += ALIGN(p->offset + p->size, GRANULE) -
			       ALIGN_DOWN(p->offset, GRANULE);
	}
	l->before = kunit_kcalloc(test, nr, sizeof(*sg), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, l->before);
	for_each_sg(l->sgt.sgl, sg, nr, i)
		l->before[i] = *sg;
	return l;
}

/* Entries keep page, offset and length, mapped or not. */
static void expect_entries_kept(struct kunit *test, struct list *l)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(l->sgt.sgl, sg, l->sgt.orig_nents, i) {
		KUNIT_EXPECT_EQ(test, sg->page_link, l->before[i].page_link);
		KUNIT_EXPECT_EQ(test, sg->offset, l->before[i].offset);
		KUNIT_EXPECT_EQ(test, sg->length, l->before[i].length);
	}
}

/*
 * The segments together must translate to the entries, byte for byte, and each
 * must obey what the device asks for.
 */
static void expect_mapped(struct kunit *test, struct device *dev, struct list *l)
{
	unsigned long boundary = dma_get_seg_boundary(dev);
	struct scatterlist *sg, *seg = l->sgt.sgl;
	unsigned int i, left = l->sgt.nents, used = 0;

	expect_entries_kept(test, l);
	for_each_sg(l->sgt.sgl, sg, l->sgt.orig_nents, i) {
		size_t done = 0;

		while (done < sg->length) {
			dma_addr_t addr;
			size_t n;

			if (used == sg_dma_len(seg)) {
				KUNIT_ASSERT_GT(test, left, 1);
				left--;
				seg = sg_next(seg);
				used = 0;
			}
			addr = sg_dma_address(seg) + used;
			n = min3((size_t)sg->length - done,
				 (size_t)sg_dma_len(seg) - used,
				 (size_t)(GRANULE - (addr & (GRANULE - 1))));
			KUNIT_ASSERT_GT(test, n, 0);
			KUNIT_ASSERT_EQ(test, phys_at(dev, addr),
					sg_phys(sg) + done);
			done += n;
			used += n;
		}
	}
	KUNIT_EXPECT_EQ(test, left, 1);
	KUNIT_EXPECT_EQ(test, used, sg_dma_len(seg));

	for_each_sg(l->sgt.sgl, seg, l->sgt.nents, i) {
		dma_addr_t first = sg_dma_address(seg);
		dma_addr_t last = first + sg_dma_len(seg) - 1;

		KUNIT_EXPECT_LE(test, sg_dma_len(seg), dma_get_max_seg_size(dev));
		KUNIT_EXPECT_EQ(test, first & ~boundary, last & ~boundary);
	}
}

static void map_list(struct kunit *test, struct device *dev, struct list *l,
		     enum dma_data_direction dir)
{
	KUNIT_ASSERT_EQ(test, dma_map_sgtable(dev, &l->sgt, dir, 0), 0);
	KUNIT_ASSERT_GT(test, l->sgt.nents, 0);
	KUNIT_ASSERT_LE(test, l->sgt.nents, l->sgt.orig_nents);
}

static void unmap_list(struct kunit *test, struct device *dev, struct list *l,
		       enum dma_data_direction dir)
{
	dma_unmap_sgtable(dev, &l->sgt, dir, 0);
	expect_entries_kept(test, l);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static struct list *check_list(struct kunit *test, struct device *dev,
			       const struct piece *pieces, unsigned int nr)
{
	struct list *l = new_list(test, pieces, nr);

	map_list(test, dev, l, DMA_TO_DEVICE);
	expect_mapped(test, dev, l);
	return l;
}

static struct scatterlist *nth(struct list *l, unsigned int n)
{
	struct scatterlist *sg = l->sgt.sgl;

	while (n--)
		sg = sg_next(sg);
	return sg;
}

static void whole_granules_make_one_segment(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 0, 2 * GRANULE }, { GRANULE, GRANULE },
	};
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	struct list *l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));

	/* F78, F87, F88, F91: one range, one sync after it, one on unmap */
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 1);
	KUNIT_EXPECT_EQ(test, sg_dma_len(l->sgt.sgl), 4 * GRANULE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 4 * GRANULE);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC_MAP), 1);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 1);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void a_segment_ends_where_a_granule_does_not(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 0, GRANULE }, { 0, 100 },
		{ 0, GRANULE }, { 512, 100 }, { 100, GRANULE - 100 },
	};
	struct device *dev = platform(test);
	struct list *l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));

	/* F82, F88 */
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 4);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 0)), 2 * GRANULE + 100);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 1)), GRANULE);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 2)), 100);
	KUNIT_EXPECT_EQ(test, sg_dma_address(nth(l, 2)) & (GRANULE - 1), 512);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 3)), GRANULE - 100);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), l->granules);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

static void entries_not_used_as_segments_say_so(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 0, GRANULE }, { 0, GRANULE },
	};
	struct device *dev = platform(test);
	struct list *l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));
	unsigned int i;

	/* F88 */
	for (i = l->sgt.nents; i < ARRAY_SIZE(pieces); i++) {
		KUNIT_EXPECT_EQ(test, sg_dma_address(nth(l, i)),
				DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, i)), 0);
	}
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

static void segments_stay_below_their_largest_size(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, SZ_16K }, { 0, SZ_16K }, { 0, SZ_16K }, { 0, GRANULE },
	};
	struct device *dev = platform(test);
	struct list *l;

	/* F88, D4 */
	dma_set_max_seg_size(dev, SZ_32K);
	l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 2);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

static void the_largest_segment_size_may_be_all_ones(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, SZ_64K }, { 0, SZ_64K }, { 0, SZ_64K },
	};
	struct device *dev = platform(test);
	struct list *l;

	/* F88: no overflow in the sum */
	dma_set_max_seg_size(dev, UINT_MAX);
	l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 1);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

static const struct piece across_a_boundary[] = {
	{ 0, 3 * SZ_4K }, { 0, 2 * SZ_4K }, { 0, 3 * SZ_4K }, { 0, 4 * SZ_4K },
	{ 100, 2 * SZ_4K }, { 0, 4 * SZ_4K },
};

static void segments_cross_no_boundary(struct kunit *test)
{
	struct device *dev = platform(test);
	struct list *l;

	/* F84, D4 */
	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	l = check_list(test, dev, across_a_boundary,
		       ARRAY_SIZE(across_a_boundary));
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

/* stock fails this */
static void padding_to_a_boundary_maps_no_memory(struct kunit *test)
{
	struct device *dev = platform(test);
	struct list *l;

	/* F84, B10 */
	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	l = check_list(test, dev, across_a_boundary,
		       ARRAY_SIZE(across_a_boundary));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), l->granules);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void a_padded_list_unmaps_without_a_warning(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	struct list *l;
	unsigned int i;

	/* F84, F91, B10: and all of its addresses come back */
	small_aperture(test);
	dev = platform(test);
	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	l = new_list(test, across_a_boundary, ARRAY_SIZE(across_a_boundary));
	for (i = 0; i < 50; i++) {
		map_list(test, dev, l, DMA_TO_DEVICE);
		unmap_list(test, dev, l, DMA_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock->collisions, 0);
}

static void a_failed_list_is_as_it_was(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 100, 200 }, { 0, 2 * GRANULE }, { GRANULE + 5, GRANULE },
		{ 0, GRANULE }, { 7, 7 },
	};
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	struct list *l;
	unsigned int n, i;

	/* F57, F86, F89, B24, D2 */
	small_aperture(test);
	dev = platform(test);
	l = new_list(test, pieces, ARRAY_SIZE(pieces));
	for (n = 0; n < l->granules / GRANULE; n++) {
		int ret;

		mock->faults.map_budget = n;
		ret = dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0);
		KUNIT_EXPECT_TRUE(test, ret == -EINVAL || ret == -ENOMEM);
		expect_entries_kept(test, l);
		for (i = 0; i < ARRAY_SIZE(pieces); i++) {
			KUNIT_EXPECT_EQ(test, sg_dma_address(nth(l, i)),
					DMA_MAPPING_ERROR);
			KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, i)), 0);
		}
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	mock->faults.sync_map = true;
	KUNIT_EXPECT_NE(test, dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0), 0);
	KUNIT_EXPECT_EQ(test, dma_map_sg(dev, l->sgt.sgl, l->sgt.orig_nents,
					 DMA_TO_DEVICE), 0);
	mock->faults.sync_map = false;
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	give_back(test);
	map_list(test, dev, l, DMA_TO_DEVICE);
	expect_mapped(test, dev, l);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

static void a_failed_padded_list_is_as_it_was(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	struct list *l;
	unsigned int n;

	/* F57, F84, F86, B24 */
	small_aperture(test);
	dev = platform(test);
	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	l = new_list(test, across_a_boundary, ARRAY_SIZE(across_a_boundary));
	for (n = 0; n < l->granules / GRANULE; n++) {
		mock->faults.map_budget = n;
		KUNIT_EXPECT_NE(test, dma_map_sgtable(dev, &l->sgt,
						      DMA_TO_DEVICE, 0), 0);
		expect_entries_kept(test, l);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

static void a_list_may_exceed_4_gib(struct kunit *test)
{
	struct device *dev = platform(test);
	u8 *buffer = new_buffer(test, SZ_2M);
	struct scatterlist sgl[5], *seg;
	int i, nents;
	u64 sum = 0;

	needs_64_bits(test);

	/* F84, D4: never touched, so it need not be there */
	dma_set_max_seg_size(dev, UINT_MAX);
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	sg_init_table(sgl, 5);
	for (i = 0; i < 5; i++)
		sg_set_page(&sgl[i], virt_to_page(buffer), SZ_1G, 0);
	nents = dma_map_sg(dev, sgl, 5, DMA_TO_DEVICE);
	KUNIT_ASSERT_GT(test, nents, 0);
	for_each_sg(sgl, seg, nents, i) {
		dma_addr_t first = sg_dma_address(seg);
		dma_addr_t last = first + sg_dma_len(seg) - 1;

		KUNIT_EXPECT_EQ(test, upper_32_bits(first), upper_32_bits(last));
		KUNIT_EXPECT_EQ(test, phys_at(dev, first), virt_to_phys(buffer));
		KUNIT_EXPECT_EQ(test, phys_at(dev, last),
				virt_to_phys(buffer) + SZ_1G - 1);
		sum += sg_dma_len(seg);
	}
	KUNIT_EXPECT_EQ(test, sum, 5ULL * SZ_1G);
	dma_unmap_sg(dev, sgl, 5, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void a_list_longer_than_the_aperture_fails(struct kunit *test)
{
	u8 *buffer = new_buffer(test, SZ_2M);
	struct scatterlist sgl[5];
	struct device *dev;
	int i;

	/* F86, F89: also where a size_t cannot hold its length */
	config_of(test)->aperture_end = DMA_BIT_MASK(32);
	dev = platform(test);
	dma_set_max_seg_size(dev, UINT_MAX);
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	sg_init_table(sgl, 5);
	for (i = 0; i < 5; i++)
		sg_set_page(&sgl[i], virt_to_page(buffer), SZ_1G, 0);
	KUNIT_EXPECT_EQ(test, dma_map_sg(dev, sgl, 5, DMA_TO_DEVICE), 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void a_list_without_addresses_left_is_out_of_memory(struct kunit *test)
{
	static const struct piece pieces[] = { { 5, GRANULE }, { 0, GRANULE } };
	struct device *dev;
	struct list *l;

	/* F86, F89 */
	small_aperture(test);
	dev = platform(test);
	l = new_list(test, pieces, ARRAY_SIZE(pieces));
	take_all(test, dev, GRANULE);
	KUNIT_EXPECT_EQ(test, dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0),
			-ENOMEM);
	expect_entries_kept(test, l);
}

/* stock fails this */
static void an_entry_may_be_as_long_as_its_length_says(struct kunit *test)
{
	static const struct piece pieces[] = { { 100, 200 } };
	struct device *dev = platform(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	needs_64_bits(test);
	/* F82, F89: rounded up, its length is no longer one of 32 bits */
	dma_set_max_seg_size(dev, UINT_MAX);
	nth(l, 0)->length = UINT_MAX - 50;
	l->before[0].length = UINT_MAX - 50;
	map_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, 0)), UINT_MAX - 50);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), GRANULE + 4ULL * SZ_1G);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

static void a_list_can_be_mapped_again(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 10, 20 }, { 0, 3 * GRANULE }, { 9, GRANULE },
	};
	struct device *dev = platform(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));
	unsigned int i;

	/* D2, F88, F92 */
	for (i = 0; i < 3; i++) {
		map_list(test, dev, l, DMA_BIDIRECTIONAL);
		expect_mapped(test, dev, l);
		unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	}
}

static void part_of_a_table_can_be_mapped(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { 0, GRANULE }, { 0, GRANULE }, { 0, GRANULE },
	};
	struct device *dev = platform(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	/* F87: entries past nents are not looked at */
	KUNIT_EXPECT_EQ(test, dma_map_sg(dev, l->sgt.sgl, 2, DMA_TO_DEVICE), 1);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 2 * GRANULE);
	dma_unmap_sg(dev, l->sgt.sgl, 2, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
}

static void entries_next_to_each_other_share_large_pages(struct kunit *test)
{
	struct device *dev = platform(test);
	struct scatterlist sgl[4];
	u8 *buffer = new_buffer(test, SZ_2M);
	unsigned int i;

	/* F87, F95 */
	sg_init_table(sgl, 4);
	for (i = 0; i < 4; i++)
		sg_set_buf(&sgl[i], buffer + i * SZ_512K, SZ_512K);
	dma_set_max_seg_size(dev, SZ_4M);
	KUNIT_ASSERT_EQ(test, dma_map_sg(dev, sgl, 4, DMA_TO_DEVICE), 1);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 1);
	dma_unmap_sg(dev, sgl, 4, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

static void random_lists_are_mapped_exactly(struct kunit *test)
{
	static const unsigned long boundaries[] = {
		SZ_32K - 1, SZ_64K - 1, DMA_BIT_MASK(32), ULONG_MAX,
	};
	static const unsigned int largest[] = { SZ_32K, SZ_64K, UINT_MAX };
	struct device *dev = platform(test);
	struct piece pieces[16];
	unsigned int i, nr, round;
	struct list *l;

	/* F82, F84, F87, F88, F91, D4 */
	for (round = 0; round < 60; round++) {
		nr = 1 + below(test, ARRAY_SIZE(pieces));
		for (i = 0; i < nr; i++) {
			pieces[i].offset = below(test, 2) ?
				below(test, 2) * GRANULE : below(test, SZ_8K);
			pieces[i].size = below(test, 2) ?
				(1 + below(test, 4)) * GRANULE :
				1 + below(test, SZ_16K);
		}
		dma_set_max_seg_size(dev, largest[below(test, 3)]);
		dma_set_seg_boundary(dev, boundaries[below(test, 4)]);
		l = check_list(test, dev, pieces, nr);
		unmap_list(test, dev, l, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
}

static void lists_are_mapped_with_small_granules(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, SZ_1K }, { SZ_1K, SZ_2K }, { 100, 200 }, { SZ_2K, SZ_2K },
	};
	struct device *dev;
	struct list *l;

	/* F19, F82 */
	config_of(test)->pgsize_bitmap = SZ_1K | SZ_2M;
	dev = platform(test);
	l = check_list(test, dev, pieces, ARRAY_SIZE(pieces));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 6 * SZ_1K);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
}

static void a_lazy_list_is_unmapped_lazily(struct kunit *test)
{
	static const struct piece pieces[] = { { 5, GRANULE }, { 0, GRANULE } };
	struct mock_iommu *mock = mock_of(test);
	unsigned long flags, flushes;
	struct device *dev;
	struct list *l;
	bool reached;

	/* F91, F36 */
	lazy(test);
	dev = platform(test);
	l = new_list(test, pieces, ARRAY_SIZE(pieces));
	map_list(test, dev, l, DMA_TO_DEVICE);
	flags = disable_irqs();
	flushes = mock_count(mock, MOCK_FLUSH_ALL);
	dma_unmap_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0);
	reached = mock_stale_pages(dev) == 3;
	flushes = mock_count(mock, MOCK_FLUSH_ALL) - flushes;
	enable_irqs(flags);
	KUNIT_EXPECT_TRUE(test, reached);
	KUNIT_EXPECT_EQ(test, flushes, 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 0);
	wait_for_flush(test);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void a_sync_of_a_list_needs_no_walk(struct kunit *test)
{
	static const struct piece pieces[] = { { 5, 10 }, { 0, GRANULE } };
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	/* F76 */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	iommu_dma_sync_sg_for_cpu(dev, l->sgt.sgl, 2, DMA_BIDIRECTIONAL);
	iommu_dma_sync_sg_for_device(dev, l->sgt.sgl, 2, DMA_BIDIRECTIONAL);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_WALK), 0);
}

static const struct piece to_bounce[] = {
	{ 100, 200 }, { 0, GRANULE }, { GRANULE - 10, 20 }, { 0, 2 * GRANULE },
};

static void lists_of_untrusted_devices_map_entry_by_entry(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	unsigned int i;

	/* F78, F79, F72, D8 */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, l->sgt.nents, l->sgt.orig_nents);
	expect_entries_kept(test, l);
	for (i = 0; i < ARRAY_SIZE(to_bounce); i++) {
		struct scatterlist *sg = nth(l, i);

		KUNIT_EXPECT_EQ(test, sg_dma_len(sg), sg->length);
		expect_reads(test, dev, sg_dma_address(sg), sg_virt(sg),
			     sg->length);
		KUNIT_EXPECT_EQ(test, is_slot(dev, phys_at(dev, sg_dma_address(sg))),
				!IS_ALIGNED(sg->offset | sg->length, GRANULE));
	}
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void bounced_lists_are_synced_entry_by_entry(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	unsigned int i;

	/* F76 */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(to_bounce); i++) {
		struct scatterlist *sg = nth(l, i);

		scribble(dev, sg_dma_address(sg), sg->length);
	}
	dma_sync_sgtable_for_cpu(dev, &l->sgt, DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(to_bounce); i++) {
		struct scatterlist *sg = nth(l, i);

		KUNIT_EXPECT_NULL(test, memchr_inv(sg_virt(sg), 0xee,
						   sg->length));
		memset(sg_virt(sg), i, sg->length);
	}
	dma_sync_sgtable_for_device(dev, &l->sgt, DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(to_bounce); i++) {
		struct scatterlist *sg = nth(l, i);

		expect_reads(test, dev, sg_dma_address(sg), sg_virt(sg),
			     sg->length);
	}
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
}

/* stock fails this */
static void a_list_forgets_that_it_was_bounced(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	struct device *other = platform(test);

	/* F80, B8 */
	map_list(test, dev, l, DMA_TO_DEVICE);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(l->sgt.sgl));

	map_list(test, other, l, DMA_TO_DEVICE);
	expect_mapped(test, other, l);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(l->sgt.sgl));
	if (!sg_dma_is_swiotlb(l->sgt.sgl))
		unmap_list(test, other, l, DMA_TO_DEVICE);
}

/* stock fails this */
static void a_list_that_failed_to_bounce_forgets_it(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));

	/* F80, B8 */
	mock->faults.map_budget = 2;
	KUNIT_EXPECT_NE(test, dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0), 0);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(l->sgt.sgl));
}

static void a_list_that_failed_to_bounce_is_undone(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = untrusted_pci(test);
	struct list *l = new_list(test, to_bounce, ARRAY_SIZE(to_bounce));
	long before = slots_used(test, dev);
	unsigned int n;

	/* F79, F89: a slot begins with a granule, so there are 5 */
	for (n = 0; n < 5; n++) {
		mock->faults.map_budget = n;
		KUNIT_EXPECT_EQ(test, -EIO,
				dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0));
		expect_entries_kept(test, l);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
		KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
	}
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
static void lists_of_noncoherent_devices_map_without_cache(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { SZ_1K, SZ_1K }, { 0, 2 * GRANULE },
	};
	struct device *dev = noncoherent(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	/* F55, F76, F78 */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	expect_mapped(test, dev, l);
	KUNIT_EXPECT_EQ(test, prot_at(dev, sg_dma_address(l->sgt.sgl)),
			IOMMU_READ | IOMMU_WRITE);
	dma_sync_sgtable_for_cpu(dev, &l->sgt, DMA_BIDIRECTIONAL);
	dma_sync_sgtable_for_device(dev, &l->sgt, DMA_BIDIRECTIONAL);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
}

static void lists_with_a_small_entry_bounce_for_noncoherent_devices(struct kunit *test)
{
	static const struct piece pieces[] = { { 0, GRANULE }, { 8, 8 } };
	struct device *dev = noncoherent(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));

	/* F78, F63, D6 */
	if (!small_buffers_bounce(dev))
		kunit_skip(test, "kmalloc() memory is safe for DMA here");
	map_list(test, dev, l, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 2);
	KUNIT_EXPECT_FALSE(test, is_slot(dev, phys_at(dev, sg_dma_address(nth(l, 0)))));
	KUNIT_EXPECT_TRUE(test, is_slot(dev, phys_at(dev, sg_dma_address(nth(l, 1)))));
	unmap_list(test, dev, l, DMA_FROM_DEVICE);
}
#endif

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

static void coherent_memory_is_zeroed_aligned_and_shared(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned int i, round;

	/* F94, F95, F100 to F102, D5: the second time from what was freed */
	for (round = 0; round < 2; round++)
		for (i = 0; i < ARRAY_SIZE(alloc_sizes); i++)
			check_alloc(test, dev, alloc_sizes[i], GFP_KERNEL, 0);
}

static void atomic_coherent_memory_is_zeroed_aligned_and_shared(struct kunit *test)
{
	struct device *dev = platform(test);
	unsigned int i, round;

	/* F98, F94 */
	for (round = 0; round < 2; round++)
		for (i = 0; i < ARRAY_SIZE(alloc_sizes); i++)
			check_alloc(test, dev, alloc_sizes[i], GFP_ATOMIC, 0);
}

static void forced_contiguous_memory_is_contiguous(struct kunit *test)
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

static void single_pages_and_write_combining_are_accepted(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F95, D7 */
	check_alloc(test, dev, SZ_64K, GFP_KERNEL, DMA_ATTR_ALLOC_SINGLE_PAGES);
	check_alloc(test, dev, SZ_64K, GFP_KERNEL, DMA_ATTR_WRITE_COMBINE);
	check_alloc(test, dev, SZ_64K, GFP_KERNEL, DMA_ATTR_NO_WARN);
}

static void coherent_memory_is_both_ways_and_privileged_if_asked(struct kunit *test)
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

static void coherent_memory_obeys_the_coherent_mask(struct kunit *test)
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

static void coherent_memory_works_with_small_granules(struct kunit *test)
{
	struct device *dev;

	/* F96, F19 */
	config_of(test)->pgsize_bitmap = SZ_1K | SZ_2M;
	dev = platform(test);
	check_alloc(test, dev, 3 * PAGE_SIZE, GFP_KERNEL, 0);
	check_alloc(test, dev, 3 * PAGE_SIZE, GFP_ATOMIC, 0);
}

static void a_failed_coherent_allocation_leaves_nothing(struct kunit *test)
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
static void memory_without_kernel_mapping_has_none(struct kunit *test)
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

static void coherent_memory_of_an_untrusted_device_is_not_bounced(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);

	/* F98, F101 */
	check_alloc(test, dev, 100, GFP_KERNEL, 0);
	check_alloc(test, dev, 100, GFP_ATOMIC, 0);
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
static void coherent_memory_for_noncoherent_devices(struct kunit *test)
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

static void allocated_pages_are_mapped_as_told(struct kunit *test)
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

static void noncontiguous_memory_is_one_segment(struct kunit *test)
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
static void noncontiguous_memory_for_untrusted_devices_is_zeroed(struct kunit *test)
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
static void noncontiguous_memory_is_mapped_one_way(struct kunit *test)
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

static void a_failed_noncontiguous_allocation_leaves_nothing(struct kunit *test)
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

static void noncontiguous_memory_takes_single_pages(struct kunit *test)
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

static void coherent_memory_is_mapped_to_user_space_within_bounds(struct kunit *test)
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

static void noncontiguous_memory_is_mapped_to_user_space_within_bounds(struct kunit *test)
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

static void coherent_memory_maps_to_user_space(struct kunit *test)
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

static void memory_without_kernel_mapping_maps_to_user_space(struct kunit *test)
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

static void noncontiguous_memory_maps_to_user_space(struct kunit *test)
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

static void a_table_of_coherent_memory_lists_its_pages(struct kunit *test)
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

#ifdef CONFIG_PCI_P2PDMA
/*
 * Memory of PCI devices. Nothing is behind these pages, so no test looks.
 */

/* How far below its physical address the bus sees it. */
#define BUS_OFFSET	SZ_1G

static struct page *memory_of(struct kunit *test, struct device *dev)
{
	struct page *page = mock_pci_add_memory(dev, BUS_OFFSET);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
	return page;
}

/* Two devices whose host bridges pass on what they send each other, or not. */
static void add_host_bridges(struct kunit *test, struct device *client,
			     struct device *provider, bool known)
{
	int distance;

	if (known) {
		mock_pci_known_bridge(client);
		mock_pci_known_bridge(provider);
	}
	distance = pci_p2pdma_distance(to_pci_dev(provider), client, false);
	if (!known && distance >= 0)
		kunit_skip(test, "all bridges of this CPU pass it on");
	KUNIT_ASSERT_EQ(test, distance >= 0, known);
}

/* Let an entry be of a device's memory. */
static void set_memory(struct list *l, unsigned int entry, struct page *page,
		       size_t offset, size_t size)
{
	sg_set_page(nth(l, entry), page, size, offset);
	l->before[entry] = *nth(l, entry);
}

static const struct piece with_memory[] = {
	{ 0, SZ_4K }, { 0, SZ_8K }, { 0, SZ_4K },
};

/* A page of memory, two of a device's, a page of memory. */
static struct list *new_list_with_memory(struct kunit *test, struct page *page)
{
	struct list *l = new_list(test, with_memory, ARRAY_SIZE(with_memory));

	set_memory(l, 1, page, 0, SZ_8K);
	return l;
}

static void expect_bus_address(struct kunit *test, struct scatterlist *sg,
			       struct page *page, size_t size)
{
	KUNIT_EXPECT_TRUE(test, sg_dma_is_bus_address(sg));
	KUNIT_EXPECT_EQ(test, sg_dma_address(sg), page_to_phys(page) - BUS_OFFSET);
	KUNIT_EXPECT_EQ(test, sg_dma_len(sg), size);
}

static void expect_no_bus_address(struct kunit *test, struct list *l)
{
	unsigned int i;

	for (i = 0; i < l->sgt.orig_nents; i++)
		KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(nth(l, i)));
}

static void a_devices_own_memory_is_reached_on_the_bus(struct kunit *test)
{
	struct device *dev = trusted_pci(test);
	struct page *page = memory_of(test, dev);
	struct list *l = new_list_with_memory(test, page);

	/* F85, F88: in its place, and what is around it is not one segment */
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, l->sgt.nents, 3);
	expect_bus_address(test, nth(l, 1), page, SZ_8K);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 2 * GRANULE);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(nth(l, 0)));
	KUNIT_EXPECT_EQ(test, phys_at(dev, sg_dma_address(nth(l, 0))),
			sg_phys(nth(l, 0)));
	KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(nth(l, 2)));
	KUNIT_EXPECT_EQ(test, phys_at(dev, sg_dma_address(nth(l, 2))),
			sg_phys(nth(l, 2)));
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	/* F91 */
	expect_no_bus_address(test, l);
}

static void a_list_of_own_memory_takes_no_address(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = trusted_pci(test);
	struct page *page = memory_of(test, dev);
	struct list *l = new_list(test, with_memory, 2);

	/* F85, F91 */
	set_memory(l, 0, page, 0, SZ_4K);
	set_memory(l, 1, page + 8, 0, SZ_8K);
	map_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, l->sgt.nents, 2);
	expect_bus_address(test, nth(l, 0), page, SZ_4K);
	expect_bus_address(test, nth(l, 1), page + 8, SZ_8K);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_MAP), 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_UNMAP), 0);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC), 0);
	expect_no_bus_address(test, l);
}

static void memory_behind_a_known_host_bridge_is_mapped(struct kunit *test)
{
	struct device *dev = trusted_pci(test), *other = trusted_pci(test);
	struct list *l = new_list_with_memory(test, memory_of(test, other));

	/* F85: as other memory, so all is one segment */
	add_host_bridges(test, dev, other, true);
	map_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, l->sgt.nents, 1);
	expect_mapped(test, dev, l);
	expect_no_bus_address(test, l);
	unmap_list(test, dev, l, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

/* With its own memory, memory, and what it cannot reach, in this order. */
static void expect_refused(struct kunit *test, struct device *dev,
			   struct device *other)
{
	struct list *l = new_list(test, with_memory, ARRAY_SIZE(with_memory));
	unsigned int i;

	set_memory(l, 0, memory_of(test, dev), 0, SZ_4K);
	set_memory(l, 2, memory_of(test, other), 0, SZ_4K);
	add_host_bridges(test, dev, other, false);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO,
			dma_map_sgtable(dev, &l->sgt, DMA_TO_DEVICE, 0));
	expect_entries_kept(test, l);
	expect_no_bus_address(test, l);
	for (i = 0; i < l->sgt.orig_nents; i++) {
		KUNIT_EXPECT_EQ(test, sg_dma_address(nth(l, i)),
				DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, sg_dma_len(nth(l, i)), 0);
	}
	KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(l->sgt.sgl));
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

static void memory_behind_other_host_bridges_is_refused(struct kunit *test)
{
	/* F85, F86, F89 */
	expect_refused(test, trusted_pci(test), trusted_pci(test));
}

/* stock fails this */
static void an_untrusted_devices_own_memory_is_reached_on_the_bus(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	struct page *page = memory_of(test, dev);
	struct list *l = new_list_with_memory(test, page);
	long before = slots_used(test, dev);

	/* F81, B9: beside an entry that bounces */
	nth(l, 0)->length = 100;
	l->before[0].length = 100;
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, l->sgt.nents, 3);
	expect_bus_address(test, nth(l, 1), page, SZ_8K);
	KUNIT_EXPECT_TRUE(test, is_slot(dev, phys_at(dev, sg_dma_address(nth(l, 0)))));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 2 * GRANULE);
	/* F76: only what was copied is */
	dma_sync_sgtable_for_cpu(dev, &l->sgt, DMA_BIDIRECTIONAL);
	dma_sync_sgtable_for_device(dev, &l->sgt, DMA_BIDIRECTIONAL);
	expect_bus_address(test, nth(l, 1), page, SZ_8K);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
	expect_no_bus_address(test, l);
}

/* stock fails this */
static void memory_behind_a_known_host_bridge_is_not_bounced(struct kunit *test)
{
	struct device *dev = untrusted_pci(test), *other = trusted_pci(test);
	struct list *l = new_list(test, with_memory, ARRAY_SIZE(with_memory));
	long before = slots_used(test, dev);
	dma_addr_t addr;

	/* F81, B9: not even part of a page; nobody may copy registers */
	set_memory(l, 1, memory_of(test, other), 64, 100);
	add_host_bridges(test, dev, other, true);
	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, l->sgt.nents, 3);
	addr = sg_dma_address(nth(l, 1));
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), sg_phys(nth(l, 1)));
	KUNIT_EXPECT_EQ(test, prot_at(dev, addr),
			IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO);
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
	expect_no_bus_address(test, l);
	dma_sync_sgtable_for_cpu(dev, &l->sgt, DMA_BIDIRECTIONAL);
	dma_sync_sgtable_for_device(dev, &l->sgt, DMA_BIDIRECTIONAL);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

/* stock fails this */
static void an_untrusted_device_is_refused_memory_as_well(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	long before = slots_used(test, dev);

	/* F81, F85, F79, B9 */
	expect_refused(test, dev, trusted_pci(test));
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
}
#endif

/*
 * All ways to get an address.
 */

enum way {
	SINGLE,
	RESOURCE,
	LIST,
	COHERENT,
	ATOMIC,
	CONTIGUOUS,
	UNMAPPED,
	NONCONTIGUOUS,
	PAGES,
	WAYS,
	FIRST_ALLOCATION = COHERENT,
};

static const char * const way_names[] = {
	"a buffer", "a resource", "a list", "coherent memory",
	"atomic coherent memory", "contiguous memory",
	"memory without kernel mapping", "noncontiguous memory", "pages",
};

static const struct {
	gfp_t gfp;
	unsigned long attrs;
} alloc_ways[WAYS] = {
	[COHERENT] = { GFP_KERNEL, 0 },
	[ATOMIC] = { GFP_ATOMIC, 0 },
	[CONTIGUOUS] = { GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS },
	[UNMAPPED] = { GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING },
};

/* What has been mapped in some way. */
struct some {
	enum way way;
	size_t size;
	dma_addr_t addr;
	int ret;		/* why there is no list */
	u8 *buffer;		/* for a buffer, and a list of two */
	struct sg_table list;
	struct scatterlist sgl[2];
	void *cpu;
	struct sg_table *sgt;
	struct page *page;
};

/* @size is a multiple of two granules. */
static struct some *new_some(struct kunit *test, enum way way, size_t size)
{
	struct some *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->way = way;
	s->size = size;
	if (way != SINGLE && way != LIST)
		return s;
	s->buffer = new_buffer(test, size);
	sg_init_table(s->sgl, 2);
	/* Not in their order, so that they are not one piece. */
	sg_set_buf(&s->sgl[0], s->buffer + size / 2, size / 2);
	sg_set_buf(&s->sgl[1], s->buffer, size / 2);
	s->list = (struct sg_table){ .sgl = s->sgl, .orig_nents = 2 };
	return s;
}

static bool map_some(struct device *dev, struct some *s)
{
	switch (s->way) {
	case SINGLE:
		s->addr = dma_map_single(dev, s->buffer, s->size, DMA_TO_DEVICE);
		return !dma_mapping_error(dev, s->addr);
	case RESOURCE:
		s->addr = map_mmio(dev, MMIO, s->size);
		return s->addr != DMA_MAPPING_ERROR;
	case LIST:
		s->ret = dma_map_sgtable(dev, &s->list, DMA_TO_DEVICE, 0);
		s->addr = sg_dma_address(s->sgl);
		return !s->ret;
	case NONCONTIGUOUS:
		s->sgt = dma_alloc_noncontiguous(dev, s->size, DMA_TO_DEVICE,
						 GFP_KERNEL, 0);
		if (s->sgt)
			s->addr = sg_dma_address(s->sgt->sgl);
		return s->sgt;
	case PAGES:
		s->page = dma_alloc_pages(dev, s->size, &s->addr, DMA_TO_DEVICE,
					  GFP_KERNEL);
		return s->page;
	default:
		s->cpu = dma_alloc_attrs(dev, s->size, &s->addr,
					 alloc_ways[s->way].gfp,
					 alloc_ways[s->way].attrs);
		return s->cpu;
	}
}

static void unmap_some(struct device *dev, struct some *s)
{
	switch (s->way) {
	case SINGLE:
		dma_unmap_single(dev, s->addr, s->size, DMA_TO_DEVICE);
		break;
	case RESOURCE:
		unmap_mmio(dev, s->addr, s->size);
		break;
	case LIST:
		dma_unmap_sgtable(dev, &s->list, DMA_TO_DEVICE, 0);
		break;
	case NONCONTIGUOUS:
		dma_free_noncontiguous(dev, s->size, s->sgt, DMA_TO_DEVICE);
		break;
	case PAGES:
		dma_free_pages(dev, s->size, s->page, s->addr, DMA_TO_DEVICE);
		break;
	default:
		dma_free_attrs(dev, s->size, s->cpu, s->addr,
			       alloc_ways[s->way].attrs);
	}
}

static void all_is_synced_before_it_is_returned(struct kunit *test)
{
	struct device *dev;
	enum way way;

	/* F117, F87, F95 */
	config_of(test)->caching_mode = true;
	dev = platform(test);
	for (way = 0; way < WAYS; way++) {
		struct some *s = new_some(test, way, 8 * GRANULE);

		KUNIT_ASSERT_TRUE_MSG(test, map_some(dev, s), "%s", way_names[way]);
		KUNIT_EXPECT_TRUE_MSG(test, is_live(dev, s->addr) &&
				      is_live(dev, s->addr + s->size - 1),
				      "%s", way_names[way]);
		unmap_some(dev, s);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	}
}

static void what_cannot_be_synced_is_undone(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	enum way way;

	/* F117, F57, F86, F99 */
	small_aperture(test);
	dev = platform(test);
	mock->faults.sync_map = true;
	for (way = 0; way < WAYS; way++) {
		struct some *s = new_some(test, way, 8 * GRANULE);

		KUNIT_EXPECT_FALSE_MSG(test, map_some(dev, s), "%s",
				       way_names[way]);
		KUNIT_EXPECT_EQ_MSG(test, mock_live_pages(dev), 0, "%s",
				    way_names[way]);
		KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
	}
	mock->faults.sync_map = false;
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

static unsigned long free_memory(void)
{
	drain_all_pages(NULL);
	return global_zone_page_state(NR_FREE_PAGES);
}

/* How many pages a failing allocation costs, in 64 times as many as it asks for. */
static void expect_no_page_lost(struct kunit *test, struct device *dev,
				enum way way, const char *when)
{
	struct some *s = new_some(test, way, SZ_256K);
	unsigned int times = 64, i;
	long lost;

	lost = free_memory();
	for (i = 0; i < times; i++)
		if (map_some(dev, s))
			break;
	lost -= free_memory();
	KUNIT_EXPECT_EQ_MSG(test, i, times, "%s did not fail with %s",
			    way_names[way], when);
	/* Others take and give some meanwhile. */
	KUNIT_EXPECT_LT_MSG(test, lost, (long)(times * s->size / PAGE_SIZE / 4),
			    "%s, with %s", way_names[way], when);
}

static void a_failed_allocation_keeps_no_page(struct kunit *test)
{
	struct mock_faults *faults = &mock_of(test)->faults;
	struct device *dev = platform(test);
	enum way way;

	/* F99, F103, F105 */
	for (way = FIRST_ALLOCATION; way < WAYS; way++) {
		faults->map_budget = 0;
		expect_no_page_lost(test, dev, way, "nothing mapped");
		faults->map_budget = MOCK_NEVER;
		faults->sync_map = true;
		expect_no_page_lost(test, dev, way, "all but synced");
		faults->sync_map = false;
		dma_set_mask_and_coherent(dev, DMA_BIT_MASK(13));
		expect_no_page_lost(test, dev, way, "no address");
		dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	}
}

/*
 * Deferred attach: in a crash kernel a device may still do what it did before
 * the crash, so it keeps the translations of then until its driver, which has
 * reset it, maps for the first time.
 */

#ifdef CONFIG_IOMMU_DMAMAP
static void defer_no_more(void *unused)
{
	static_branch_disable(&dmamap_may_refuse);
}
#endif

/* This layer looks at the attach only in a crash kernel, or with this. */
static void look_at_the_attach(struct kunit *test)
{
	if (is_kdump_kernel())
		return;
#ifdef CONFIG_IOMMU_DMAMAP
	static_branch_enable(&dmamap_may_refuse);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, defer_no_more,
							   NULL));
#else
	kunit_skip(test, "only in a crash kernel: boot with elfcorehdr=");
#endif
}

/* A device that is to be attached later. */
static struct device *unattached(struct kunit *test)
{
	struct device *dev;

	config_of(test)->defer_attach = true;
	dev = platform(test);
	KUNIT_ASSERT_FALSE(test, mock_attached(dev));
	return dev;
}

static void whatever_is_mapped_first_attaches_the_device(struct kunit *test)
{
	enum way way;

	/* F21 */
	look_at_the_attach(test);
	for (way = 0; way < WAYS; way++) {
		struct some *s = new_some(test, way, 8 * GRANULE);
		struct device *dev = unattached(test);

		KUNIT_ASSERT_TRUE_MSG(test, map_some(dev, s), "%s", way_names[way]);
		KUNIT_EXPECT_TRUE_MSG(test, mock_attached(dev), "%s",
				      way_names[way]);
		KUNIT_EXPECT_TRUE(test, is_live(dev, s->addr));
		unmap_some(dev, s);
		KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	}
}

static void a_device_that_cannot_be_attached_maps_nothing(struct kunit *test)
{
	struct mock_faults *faults = &mock_of(test)->faults;
	enum way way;

	/* F21 */
	look_at_the_attach(test);
	small_aperture(test);
	for (way = 0; way < WAYS; way++) {
		struct some *s = new_some(test, way, 8 * GRANULE);
		struct device *dev = unattached(test);

		faults->attach = true;
		KUNIT_EXPECT_FALSE_MSG(test, map_some(dev, s), "%s",
				       way_names[way]);
		if (way == LIST)
			KUNIT_EXPECT_EQ(test, s->ret, -EINVAL);
		KUNIT_EXPECT_EQ(test, mock_count(mock_of(test), MOCK_MAP), 0);
		faults->attach = false;
	}
}

static void a_device_that_could_not_be_attached_is_tried_again(struct kunit *test)
{
	struct mock_faults *faults = &mock_of(test)->faults;
	struct device *dev;
	dma_addr_t addr;

	/* F21: and no address was lost */
	look_at_the_attach(test);
	small_aperture(test);
	dev = unattached(test);
	faults->attach = true;
	KUNIT_EXPECT_EQ(test, map_mmio(dev, MMIO, GRANULE), DMA_MAPPING_ERROR);
	faults->attach = false;
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr));
	unmap_mmio(dev, addr, GRANULE);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
}

static void only_in_a_crash_kernel_mapping_attaches(struct kunit *test)
{
	struct device *dev = unattached(test);
	dma_addr_t addr;

	/* F21: elsewhere nothing is looked at, for the sake of speed */
#ifdef CONFIG_IOMMU_DMAMAP
	/* A device that was refused in another test has it looked at. */
	if (!is_kdump_kernel())
		static_branch_disable(&dmamap_may_refuse);
#endif
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock_attached(dev), is_kdump_kernel());
	unmap_mmio(dev, addr, GRANULE);
}

/*
 * Limits.
 */

static void the_merge_boundary_is_the_granule(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F108 */
	KUNIT_EXPECT_EQ(test, dma_get_merge_boundary(dev), GRANULE - 1);
	config_of(test)->pgsize_bitmap = SZ_1K | SZ_4K;
	KUNIT_EXPECT_EQ(test, dma_get_merge_boundary(platform(test)), SZ_1K - 1);
}

static void the_best_mapping_size_is_what_is_cached(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F109, F45 */
	KUNIT_EXPECT_EQ(test, dma_opt_mapping_size(dev), iova_rcache_range());
}

static void the_best_mapping_size_is_no_larger_than_the_largest(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);

	/* F109 */
	KUNIT_EXPECT_LE(test, dma_opt_mapping_size(dev),
			dma_max_mapping_size(dev));
}

#ifdef CONFIG_IRQ_MSI_IOMMU
/*
 * Doorbells of message signalled interrupts.
 */

#define DOORBELL	(MMIO + 0x40)

/* Where a message for a doorbell at @phys goes. */
static dma_addr_t doorbell(struct kunit *test, struct device *dev,
			   phys_addr_t phys)
{
	struct msi_desc desc = { .dev = dev };
	struct msi_msg msg = {
		.address_lo = lower_32_bits(phys),
		.address_hi = upper_32_bits(phys),
		.data = 42,
	};

	KUNIT_EXPECT_EQ(test, iommu_dma_prepare_msi(&desc, phys), 0);
	iommu_dma_compose_msi_msg(&desc, &msg);
	KUNIT_EXPECT_EQ(test, msg.data, 42);
	return (u64)msg.address_hi << 32 | msg.address_lo;
}

static void doorbells_are_mapped_for_writing(struct kunit *test)
{
	struct device *dev = platform(test);
	dma_addr_t addr = doorbell(test, dev, DOORBELL);

	/* F111, F113 */
	KUNIT_EXPECT_NE(test, addr, DOORBELL);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), DOORBELL);
	KUNIT_EXPECT_EQ(test, prot_at(dev, addr),
			IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), GRANULE);
}

static void doorbells_are_mapped_once_for_a_domain(struct kunit *test)
{
	struct device *a, *b;
	dma_addr_t addr;

	/* F111, F114 */
	config_of(test)->one_group = true;
	a = platform(test);
	b = platform(test);
	addr = doorbell(test, a, DOORBELL);
	KUNIT_EXPECT_EQ(test, doorbell(test, a, DOORBELL), addr);
	KUNIT_EXPECT_EQ(test, doorbell(test, b, DOORBELL + 8), addr + 8);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(a), GRANULE);
	addr = doorbell(test, b, DOORBELL + GRANULE);
	KUNIT_EXPECT_EQ(test, phys_at(a, addr), DOORBELL + GRANULE);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(a), 2 * GRANULE);
}

static void a_doorbells_address_is_not_handed_out(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	/* F111 */
	small_aperture(test);
	dev = platform(test);
	addr = doorbell(test, dev, DOORBELL);
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 2);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), DOORBELL);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
}

static void doorbells_obey_the_mask(struct kunit *test)
{
	struct device *dev = platform(test);

	/* F111 */
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(30)), 0);
	KUNIT_EXPECT_LE(test, doorbell(test, dev, DOORBELL), DMA_BIT_MASK(30));
}

static void doorbells_of_a_hardware_window_stay_where_they_are(struct kunit *test)
{
	struct device *dev;
	phys_addr_t phys;

	/* F25 */
	small_aperture(test);
	mock_add_region(mock_of(test), NULL, SZ_64K, SZ_64K, IOMMU_RESV_MSI);
	dev = platform(test);
	for (phys = SZ_64K + 0x14; phys < SZ_128K; phys += GRANULE)
		KUNIT_EXPECT_EQ(test, doorbell(test, dev, phys), phys);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	expect_all_used_but(test, dev, SZ_64K, SZ_128K);
}

static void without_translation_messages_stay_as_they_are(struct kunit *test)
{
	struct device *dev;

	/* F111, F113 */
	config_of(test)->domain_type = IOMMU_DOMAIN_IDENTITY;
	dev = add(test, new_platform(test));
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL), DOORBELL);
}

static void a_doorbell_that_cannot_be_mapped_leaves_nothing(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct msi_desc desc = { };
	struct device *dev;

	/* F111 */
	small_aperture(test);
	dev = platform(test);
	desc.dev = dev;
	mock->faults.map_budget = 0;
	KUNIT_EXPECT_EQ(test, iommu_dma_prepare_msi(&desc, DOORBELL), -ENOMEM);
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, take_all(test, dev, GRANULE), SMALL - 1);
	KUNIT_EXPECT_EQ(test, iommu_dma_prepare_msi(&desc, DOORBELL), -ENOMEM);
	give_back(test);
	KUNIT_EXPECT_EQ(test, phys_at(dev, doorbell(test, dev, DOORBELL)),
			DOORBELL);
}

static void a_device_whose_init_failed_may_ask_for_doorbells(struct kunit *test)
{
	struct device *dev = new_platform(test);
	struct msi_desc desc = { .dev = dev };

	/* F1, F20, F111: its domain has no addresses to give */
	stock_does_not_survive(test, "dereferences NULL");
	small_aperture(test);
	KUNIT_ASSERT_EQ(test, add_with_range(test, dev, SZ_1G, SZ_1M), 0);
	KUNIT_ASSERT_TRUE(test, mock_refused(dev));
	if (!iommu_dma_prepare_msi(&desc, DOORBELL))
		KUNIT_EXPECT_EQ(test, (int)desc.iommu_msi_shift, 0);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

/* A domain of its own for a device, as VFIO makes; to be detached and freed. */
static struct iommu_domain *own_domain(struct kunit *test, struct device *dev)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	if (iommu_attach_device(domain, dev)) {
		iommu_domain_free(domain);
		kunit_skip(test, "the domain cannot be attached");
	}
	return domain;
}

static void an_msi_cookie_gives_addresses_in_a_row(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = platform(test);
	struct iommu_domain *domain = own_domain(test, dev);
	struct msi_desc desc = { .dev = dev };

	/* F35, F112, F10 */
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL), DOORBELL);
	KUNIT_EXPECT_EQ(test, iommu_get_msi_cookie(domain, SZ_128M), 0);
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL), SZ_128M + 0x40);
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL + PAGE_SIZE),
			SZ_128M + PAGE_SIZE + 0x40);
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL), SZ_128M + 0x40);
	/* One that fails takes none. */
	mock->faults.map_budget = 0;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			iommu_dma_prepare_msi(&desc, DOORBELL + 2 * PAGE_SIZE));
	mock->faults.map_budget = MOCK_NEVER;
	KUNIT_EXPECT_EQ(test, doorbell(test, dev, DOORBELL + 3 * PAGE_SIZE),
			SZ_128M + 2 * PAGE_SIZE + 0x40);
	KUNIT_EXPECT_EQ(test, phys_at(dev, SZ_128M), MMIO);
	iommu_detach_device(domain, dev);
	iommu_domain_free(domain);
}
#endif

/*
 * Misuse: reported once, with device and address, and nobody else suffers.
 *
 * These call the layer itself, as debugging of the DMA API would report the
 * misuse too. The stock layer runs them as well; those of unmap_kunit.c are for
 * this one.
 */

/* From here on, a wrong unmap is to be reported. */
static void expect_bad_unmap(struct kunit *test, struct device *dev)
{
	console.name = dev_name(dev);
	expect_warning(test, "unmap of IOVA");
}

static void expect_reported(struct kunit *test, dma_addr_t addr)
{
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&console.unmaps), 1,
			    "lines about an unmap that went wrong");
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&console.named), 1,
			    "of those, lines that name the device");
	KUNIT_EXPECT_EQ_MSG(test, console.iova & ~(GRANULE - 1ULL),
			    addr & ~(GRANULE - 1ULL), "the address named");
}

/* stock fails this */
static void an_unmap_of_a_wrong_address_is_reported(struct kunit *test)
{
	struct device *dev;
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr;

	small_aperture(test);
	dev = platform(test);
	addr = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	expect_bad_unmap(test, dev);
	iommu_dma_unmap_page(dev, 0x80000, GRANULE, DMA_TO_DEVICE, 0);
	expect_reported(test, 0x80000);
	expect_reads(test, dev, addr, buffer, GRANULE);
	expect_no_address_twice(test, dev);
	dma_unmap_single(dev, addr, GRANULE, DMA_TO_DEVICE);
	expect_no_address_twice(test, dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.unmaps), 1);
}

/* stock fails this */
static void an_unmap_of_too_much_is_reported(struct kunit *test)
{
	struct device *dev;
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t a, b;

	small_aperture(test);
	dev = platform(test);
	/* Of 4 granules each, so that b is not next to what follows a. */
	a = iommu_dma_map_resource(dev, MMIO, 4 * GRANULE, DMA_TO_DEVICE, 0);
	b = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	KUNIT_ASSERT_LT(test, b, a);
	expect_bad_unmap(test, dev);
	iommu_dma_unmap_resource(dev, a, 6 * GRANULE, DMA_TO_DEVICE, 0);
	expect_reported(test, a);
	expect_reads(test, dev, b, buffer, GRANULE);
	expect_no_address_twice(test, dev);
	dma_unmap_single(dev, b, GRANULE, DMA_TO_DEVICE);
	expect_no_address_twice(test, dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.unmaps), 1);
}

/* stock fails this */
static void a_second_unmap_is_reported(struct kunit *test)
{
	struct device *dev;
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr, other;

	small_aperture(test);
	dev = platform(test);
	other = map(test, dev, buffer, GRANULE, DMA_TO_DEVICE);
	addr = iommu_dma_map_page(dev, virt_to_page(buffer), 0, GRANULE,
				  DMA_TO_DEVICE, 0);
	iommu_dma_unmap_page(dev, addr, GRANULE, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.unmaps), 0);
	expect_bad_unmap(test, dev);
	iommu_dma_unmap_page(dev, addr, GRANULE, DMA_TO_DEVICE, 0);
	expect_reported(test, addr);
	expect_reads(test, dev, other, buffer, GRANULE);
	expect_no_address_twice(test, dev);
	dma_unmap_single(dev, other, GRANULE, DMA_TO_DEVICE);
	expect_no_address_twice(test, dev);
}

/* stock fails this */
static void a_second_unmap_of_a_resource_is_reported(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	small_aperture(test);
	dev = platform(test);
	addr = iommu_dma_map_resource(dev, MMIO, 100, DMA_TO_DEVICE, 0);
	iommu_dma_unmap_resource(dev, addr, 100, DMA_TO_DEVICE, 0);
	expect_bad_unmap(test, dev);
	iommu_dma_unmap_resource(dev, addr, 100, DMA_TO_DEVICE, 0);
	expect_reported(test, addr);
	expect_no_address_twice(test, dev);
}

/* stock fails this */
static void a_second_unmap_in_lazy_mode_is_reported(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;

	small_aperture(test);
	lazy(test);
	dev = platform(test);
	addr = iommu_dma_map_resource(dev, MMIO, 100, DMA_TO_DEVICE, 0);
	iommu_dma_unmap_resource(dev, addr, 100, DMA_TO_DEVICE, 0);
	expect_bad_unmap(test, dev);
	iommu_dma_unmap_resource(dev, addr, 100, DMA_TO_DEVICE, 0);
	expect_reported(test, addr);
	wait_for_flush(test);
	expect_no_address_twice(test, dev);
	KUNIT_EXPECT_EQ(test, all_that_comes_back(test, dev), SMALL - 1);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
	KUNIT_EXPECT_EQ(test, mock_of(test)->reused, 0);
}

/* stock fails this */
static void an_unmap_of_address_0_is_reported(struct kunit *test)
{
	struct device *dev;

	small_aperture(test);
	dev = platform(test);
	expect_bad_unmap(test, dev);
	iommu_dma_unmap_page(dev, 0, GRANULE, DMA_TO_DEVICE, 0);
	expect_reported(test, 0);
	expect_all_used_but(test, dev, 0, GRANULE);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
}

/* stock fails this */
static void a_sync_of_a_wrong_address_is_reported(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	u8 *buffer = new_buffer(test, GRANULE);
	dma_addr_t addr = map(test, dev, buffer, 100, DMA_FROM_DEVICE);
	int before;

	expect_warning(test, "sync of IOVA");
	before = atomic_read(&console.warnings);
	iommu_dma_sync_single_for_cpu(dev, addr + 8 * GRANULE, 100,
				      DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.warnings), before + 1);
	dma_sync_single_for_cpu(dev, addr, 100, DMA_FROM_DEVICE);
	dma_unmap_single(dev, addr, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.warnings), before + 1);
}

/* stock fails this */
static void an_unmap_that_falls_short_is_reported(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;
	dma_addr_t addr;

	/* F60 */
	small_aperture(test);
	dev = platform(test);
	addr = map_mmio(dev, MMIO, 8 * GRANULE);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	mock->faults.unmap_budget = 3;
	expect_bad_unmap(test, dev);
	unmap_mmio(dev, addr, 8 * GRANULE);
	expect_reported(test, addr);
	mock->faults.unmap_budget = MOCK_NEVER;
	/* Some IOMMU drivers cannot flush all; a strict unmap does not ask. */
	if (IS_ENABLED(CONFIG_IOMMU_DMAMAP))
		KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_FLUSH_ALL), 0);
	/* What was unmapped is out of reach; the rest nobody else gets. */
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr));
	KUNIT_EXPECT_FALSE(test, is_reached(dev, addr + 2 * GRANULE));
	KUNIT_EXPECT_TRUE(test, is_live(dev, addr + 3 * GRANULE));
	take_all(test, dev, GRANULE);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr + 3 * GRANULE),
			MMIO + 3 * GRANULE);
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr + 7 * GRANULE),
			MMIO + 7 * GRANULE);
}

static struct kunit_case dmamap_cases[] = {
	KUNIT_CASE(a_device_with_a_dma_domain_maps_through_the_iommu),
	KUNIT_CASE(a_device_with_an_identity_domain_does_not),
	KUNIT_CASE(a_removed_device_no_longer_maps_through_the_iommu),
	KUNIT_CASE(dma_ranges_outside_the_aperture_are_refused),
	KUNIT_CASE(dma_ranges_partly_inside_the_aperture_are_fine),
	KUNIT_CASE(any_mask_is_accepted),
	KUNIT_CASE(the_required_mask_is_32_bits),
#ifdef CONFIG_DMA_NEED_SYNC
	KUNIT_CASE(a_coherent_device_skips_syncs),
	KUNIT_CASE(the_first_bounce_ends_skipping_syncs),
#endif
	KUNIT_CASE(mmap_and_p2p_are_possible),
	KUNIT_CASE(a_live_domain_can_be_made_lazy),
	KUNIT_CASE(a_flush_queue_is_made_only_once),
	KUNIT_CASE(a_group_goes_to_identity_and_back),
	KUNIT_CASE(an_untrusted_device_is_not_made_lazy),
	KUNIT_CASE(a_group_with_an_untrusted_device_is_not_made_lazy),
	KUNIT_CASE(an_iommu_that_cannot_defer_is_not_made_lazy),
	KUNIT_CASE(an_untrusted_device_is_strict),
	KUNIT_CASE(an_untrusted_device_gets_no_identity_domain),
	KUNIT_CASE(a_second_cookie_is_refused),
	KUNIT_CASE(an_msi_cookie_needs_an_unmanaged_domain),
	KUNIT_CASE(a_domain_without_cookie_is_released),
	KUNIT_CASE(address_0_is_never_used),
	KUNIT_CASE(the_aperture_may_begin_anywhere),
	KUNIT_CASE(devices_of_a_group_share_addresses),
	KUNIT_CASE(a_device_that_fits_not_its_groups_domain_is_refused),
	KUNIT_CASE(lazy_mode_needs_the_capability),
	KUNIT_CASE(a_granule_above_the_page_size_is_refused),
	KUNIT_CASE(a_granule_below_the_page_size_maps_what_is_touched),
	KUNIT_CASE(a_reserved_region_is_not_handed_out),
	KUNIT_CASE(a_region_of_part_granules_keeps_whole_ones),
	KUNIT_CASE(regions_may_overlap),
	KUNIT_CASE(a_region_of_no_length_reserves_nothing),
	KUNIT_CASE(a_direct_region_is_mapped_and_not_handed_out),
	KUNIT_CASE(a_software_msi_region_is_handed_out),
	KUNIT_CASE(regions_of_each_device_of_a_group_are_kept),
	KUNIT_CASE(an_msi_region_of_a_later_device_is_kept),
	KUNIT_CASE(nothing_is_reserved_that_firmware_does_not_name),
#ifdef CONFIG_PCI
	KUNIT_CASE(windows_of_a_host_bridge_are_not_handed_out),
	KUNIT_CASE(unsorted_dma_ranges_are_kept_to),
	KUNIT_CASE(adjacent_dma_ranges_are_used_whole),
	KUNIT_CASE(overlapping_dma_ranges_are_refused),
	KUNIT_CASE(a_failed_init_is_undone_and_can_be_repeated),
	KUNIT_CASE(a_failed_init_leaves_a_lazy_domain_usable),
#endif
	KUNIT_CASE(addresses_stay_below_the_mask),
	KUNIT_CASE(addresses_stay_below_the_bus_limit),
	KUNIT_CASE(a_forced_aperture_limits_addresses),
	KUNIT_CASE(an_aperture_not_forced_limits_nothing),
	KUNIT_CASE(pci_devices_get_32_bit_addresses_first),
	KUNIT_CASE(a_device_that_left_low_addresses_gets_high_ones),
	KUNIT_CASE(freed_low_addresses_are_kept_for_those_who_need_them),
	KUNIT_CASE(low_addresses_that_were_freed_keep_a_device_low),
	KUNIT_CASE(forcedac_gives_pci_devices_high_addresses),
	KUNIT_CASE(other_devices_get_high_addresses_at_once),
	KUNIT_CASE(ranges_and_their_ends_fit_an_unsigned_long),
	KUNIT_CASE(with_no_address_left_mapping_fails),
	KUNIT_CASE(a_size_above_the_aperture_fails),
	KUNIT_CASE(freed_small_ranges_serve_large_requests),
	KUNIT_CASE(addresses_are_naturally_aligned),
	KUNIT_CASE(a_page_above_1_gib_does_not_take_2_gib),
	KUNIT_CASE(a_large_mapping_fails_only_without_a_hole),
	KUNIT_CASE(a_large_mapping_crosses_no_4_gib_boundary),
	KUNIT_CASE(a_contiguous_buffer_is_mapped_with_large_pages),
	KUNIT_CASE(an_offset_buffer_is_mapped_with_large_pages),
	KUNIT_CASE(large_pages_give_way_to_scarce_addresses),
	KUNIT_CASE(a_mapping_may_exceed_4_gib),
	KUNIT_CASE(every_mapping_of_random_size_is_exact),
	KUNIT_CASE(lazy_unmaps_do_not_flush),
	KUNIT_CASE(a_full_flush_queue_is_flushed),
	KUNIT_CASE(nobody_waits_for_the_iommu_with_interrupts_off),
	KUNIT_CASE(a_shadowing_iommu_gets_one_large_queue),
	KUNIT_CASE(a_live_domain_gets_the_large_queue_too),
	KUNIT_CASE(the_timer_flushes_what_is_queued),
	KUNIT_CASE(the_timer_of_a_large_queue_flushes),
	KUNIT_CASE(no_address_is_used_again_before_a_flush),
	KUNIT_CASE(what_each_cpu_queued_comes_back),
#ifdef CONFIG_HOTPLUG_CPU
	KUNIT_CASE(what_an_offline_cpu_queued_comes_back),
#endif
	KUNIT_CASE(cpus_map_and_unmap_at_the_same_time),
	KUNIT_CASE(cpus_map_and_unmap_lazily_at_the_same_time),
	KUNIT_CASE(a_domain_in_use_can_be_made_lazy),
	KUNIT_CASE(an_unmap_during_a_flush_waits_for_the_next),
	KUNIT_CASE(tables_are_freed_after_a_flush),
	KUNIT_CASE(a_lazy_domain_goes_with_its_queue_full),
	KUNIT_CASE(a_lazy_domain_goes_with_its_large_queue_filled),
	KUNIT_CASE(a_large_mapping_takes_one_entry_of_the_queue),
	KUNIT_CASE(protection_follows_the_direction),
	KUNIT_CASE(a_mapping_covers_the_granules_it_touches),
	KUNIT_CASE(an_offset_may_lead_to_another_page),
	KUNIT_CASE(after_an_unmap_nothing_is_reached),
	KUNIT_CASE(an_address_is_free_after_its_invalidation),
	KUNIT_CASE(an_unmap_that_grows_to_a_large_page_is_fine),
	KUNIT_CASE(an_alignment_above_the_granule_is_refused),
	KUNIT_CASE(a_failed_map_leaves_nothing),
	KUNIT_CASE(a_failed_map_in_lazy_mode_leaves_nothing),
	KUNIT_CASE(a_failed_sync_after_a_map_undoes_it),
	KUNIT_CASE(a_map_is_synced_before_it_is_returned),
	KUNIT_CASE(a_map_done_in_steps_is_complete),
	KUNIT_CASE(two_mappings_of_a_page_are_independent),
	KUNIT_CASE(an_unmap_walks_no_page_table_in_vain),
	KUNIT_CASE(a_sync_of_a_coherent_device_walks_no_page_table),
	KUNIT_CASE(hard_interrupts_may_map_and_unmap),
	KUNIT_CASE(hard_interrupts_may_map_and_unmap_lazily),
	KUNIT_CASE(hard_interrupts_may_map_and_unmap_bounced),
	KUNIT_CASE(resources_are_mapped_as_mmio),
	KUNIT_CASE(resources_of_an_untrusted_device_are_not_bounced),
	KUNIT_CASE(unaligned_buffers_of_untrusted_devices_bounce),
	KUNIT_CASE(slots_keep_the_offset_that_the_device_wants_kept),
	KUNIT_CASE(aligned_buffers_of_untrusted_devices_do_not_bounce),
	KUNIT_CASE(buffers_of_trusted_devices_do_not_bounce),
	KUNIT_CASE(without_bounce_buffers_unaligned_buffers_fail),
	KUNIT_CASE(bounced_buffers_share_no_granule),
	KUNIT_CASE(around_a_bounced_buffer_there_is_nothing_but_zeros),
	KUNIT_CASE(what_a_device_does_not_write_stays),
	KUNIT_CASE(a_bounced_buffer_may_only_be_accessed_as_mapped),
	KUNIT_CASE(a_slot_is_copied_back_only_where_it_should),
	KUNIT_CASE(a_slot_is_copied_back_after_the_invalidation),
	KUNIT_CASE(a_slot_is_freed_after_the_invalidation),
	KUNIT_CASE(a_lazy_slot_is_freed_after_the_flush),
	KUNIT_CASE(no_slot_is_used_again_before_a_flush),
	KUNIT_CASE(a_lazily_unmapped_slot_brings_its_data),
	KUNIT_CASE(a_lazy_domain_goes_with_slots_queued),
	KUNIT_CASE(a_failed_map_frees_the_slot),
	KUNIT_CASE(bounced_mappings_have_a_largest_size),
	KUNIT_CASE(other_mappings_have_no_largest_size),
	KUNIT_CASE(with_no_slot_left_mapping_fails),
	KUNIT_CASE(bounced_buffers_of_any_shape_round_trip),
	KUNIT_CASE(a_sync_for_the_cpu_copies_the_part_named),
	KUNIT_CASE(a_sync_for_the_device_copies_the_part_named),
#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
	KUNIT_CASE(a_noncoherent_device_maps_without_cache),
	KUNIT_CASE(a_noncoherent_mapping_skips_what_it_is_told_to),
	KUNIT_CASE(small_buffers_of_noncoherent_devices_bounce),
	KUNIT_CASE(a_lazy_slot_of_a_small_buffer_is_freed_after_the_flush),
#endif
	KUNIT_CASE_PARAM(whole_granules_make_one_segment, manner_gen_params),
	KUNIT_CASE(a_segment_ends_where_a_granule_does_not),
	KUNIT_CASE(entries_not_used_as_segments_say_so),
	KUNIT_CASE(segments_stay_below_their_largest_size),
	KUNIT_CASE(the_largest_segment_size_may_be_all_ones),
	KUNIT_CASE_PARAM(segments_cross_no_boundary, manner_gen_params),
	KUNIT_CASE(padding_to_a_boundary_maps_no_memory),
	KUNIT_CASE_PARAM(a_padded_list_unmaps_without_a_warning,
			 manner_gen_params),
	KUNIT_CASE_PARAM(a_failed_list_is_as_it_was, manner_gen_params),
	KUNIT_CASE_PARAM(a_failed_padded_list_is_as_it_was, manner_gen_params),
	KUNIT_CASE(a_list_may_exceed_4_gib),
	KUNIT_CASE(a_list_longer_than_the_aperture_fails),
	KUNIT_CASE(a_list_without_addresses_left_is_out_of_memory),
	KUNIT_CASE(an_entry_may_be_as_long_as_its_length_says),
	KUNIT_CASE(a_list_can_be_mapped_again),
	KUNIT_CASE(part_of_a_table_can_be_mapped),
	KUNIT_CASE(entries_next_to_each_other_share_large_pages),
	KUNIT_CASE_PARAM(random_lists_are_mapped_exactly, manner_gen_params),
	KUNIT_CASE(lists_are_mapped_with_small_granules),
	KUNIT_CASE(a_lazy_list_is_unmapped_lazily),
	KUNIT_CASE(a_sync_of_a_list_needs_no_walk),
	KUNIT_CASE(lists_of_untrusted_devices_map_entry_by_entry),
	KUNIT_CASE(bounced_lists_are_synced_entry_by_entry),
	KUNIT_CASE(a_list_forgets_that_it_was_bounced),
	KUNIT_CASE(a_list_that_failed_to_bounce_forgets_it),
	KUNIT_CASE(a_list_that_failed_to_bounce_is_undone),
#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
	KUNIT_CASE(lists_of_noncoherent_devices_map_without_cache),
	KUNIT_CASE(lists_with_a_small_entry_bounce_for_noncoherent_devices),
#endif
	KUNIT_CASE_PARAM(coherent_memory_is_zeroed_aligned_and_shared,
			 manner_gen_params),
	KUNIT_CASE(atomic_coherent_memory_is_zeroed_aligned_and_shared),
	KUNIT_CASE(forced_contiguous_memory_is_contiguous),
	KUNIT_CASE(single_pages_and_write_combining_are_accepted),
	KUNIT_CASE(coherent_memory_is_both_ways_and_privileged_if_asked),
	KUNIT_CASE(coherent_memory_obeys_the_coherent_mask),
	KUNIT_CASE(coherent_memory_works_with_small_granules),
	KUNIT_CASE_PARAM(a_failed_coherent_allocation_leaves_nothing,
			 manner_gen_params),
	KUNIT_CASE(memory_without_kernel_mapping_has_none),
	KUNIT_CASE(coherent_memory_of_an_untrusted_device_is_not_bounced),
#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
	KUNIT_CASE(coherent_memory_for_noncoherent_devices),
#endif
	KUNIT_CASE(allocated_pages_are_mapped_as_told),
	KUNIT_CASE(noncontiguous_memory_is_one_segment),
	KUNIT_CASE(noncontiguous_memory_for_untrusted_devices_is_zeroed),
	KUNIT_CASE(noncontiguous_memory_is_mapped_one_way),
	KUNIT_CASE_PARAM(a_failed_noncontiguous_allocation_leaves_nothing,
			 manner_gen_params),
	KUNIT_CASE(noncontiguous_memory_takes_single_pages),
	KUNIT_CASE(coherent_memory_is_mapped_to_user_space_within_bounds),
	KUNIT_CASE(noncontiguous_memory_is_mapped_to_user_space_within_bounds),
	KUNIT_CASE(coherent_memory_maps_to_user_space),
	KUNIT_CASE(memory_without_kernel_mapping_maps_to_user_space),
	KUNIT_CASE(noncontiguous_memory_maps_to_user_space),
	KUNIT_CASE(a_table_of_coherent_memory_lists_its_pages),
#ifdef CONFIG_PCI_P2PDMA
	KUNIT_CASE(a_devices_own_memory_is_reached_on_the_bus),
	KUNIT_CASE(a_list_of_own_memory_takes_no_address),
	KUNIT_CASE(memory_behind_a_known_host_bridge_is_mapped),
	KUNIT_CASE(memory_behind_other_host_bridges_is_refused),
	KUNIT_CASE(an_untrusted_devices_own_memory_is_reached_on_the_bus),
	KUNIT_CASE(memory_behind_a_known_host_bridge_is_not_bounced),
	KUNIT_CASE(an_untrusted_device_is_refused_memory_as_well),
#endif
	KUNIT_CASE_PARAM(all_is_synced_before_it_is_returned,
			 manner_gen_params),
	KUNIT_CASE_PARAM(what_cannot_be_synced_is_undone, manner_gen_params),
	KUNIT_CASE_PARAM(a_table_is_mapped_in_order, manner_gen_params),
	KUNIT_CASE_PARAM(a_table_that_cannot_be_mapped_leaves_nothing,
			 manner_gen_params),
	KUNIT_CASE_PARAM(a_table_with_half_a_granule_is_refused,
			 manner_gen_params),
	KUNIT_CASE_PARAM(a_failed_allocation_keeps_no_page, manner_gen_params),
	/* First: the others switch off what they switch on. */
	KUNIT_CASE(only_in_a_crash_kernel_mapping_attaches),
	KUNIT_CASE(whatever_is_mapped_first_attaches_the_device),
	KUNIT_CASE(a_device_that_cannot_be_attached_maps_nothing),
	KUNIT_CASE(a_device_that_could_not_be_attached_is_tried_again),
	KUNIT_CASE(the_merge_boundary_is_the_granule),
	KUNIT_CASE(the_best_mapping_size_is_what_is_cached),
	KUNIT_CASE(the_best_mapping_size_is_no_larger_than_the_largest),
#ifdef CONFIG_IRQ_MSI_IOMMU
	KUNIT_CASE(doorbells_are_mapped_for_writing),
	KUNIT_CASE(doorbells_are_mapped_once_for_a_domain),
	KUNIT_CASE(a_doorbells_address_is_not_handed_out),
	KUNIT_CASE(doorbells_obey_the_mask),
	KUNIT_CASE(doorbells_of_a_hardware_window_stay_where_they_are),
	KUNIT_CASE(without_translation_messages_stay_as_they_are),
	KUNIT_CASE(a_doorbell_that_cannot_be_mapped_leaves_nothing),
	KUNIT_CASE(a_device_whose_init_failed_may_ask_for_doorbells),
	KUNIT_CASE(an_msi_cookie_gives_addresses_in_a_row),
#endif
	KUNIT_CASE(an_unmap_of_a_wrong_address_is_reported),
	KUNIT_CASE(an_unmap_of_too_much_is_reported),
	KUNIT_CASE(a_second_unmap_is_reported),
	KUNIT_CASE(a_second_unmap_of_a_resource_is_reported),
	KUNIT_CASE(a_second_unmap_in_lazy_mode_is_reported),
	KUNIT_CASE(an_unmap_of_address_0_is_reported),
	KUNIT_CASE(a_sync_of_a_wrong_address_is_reported),
	KUNIT_CASE(an_unmap_that_falls_short_is_reported),
	{}
};

static struct kunit_suite dmamap_suite = {
	.name = "dmamap",
	.suite_init = dmamap_suite_init,
	.suite_exit = dmamap_suite_exit,
	.init = dmamap_test_init,
	.exit = dmamap_test_exit,
	.test_cases = dmamap_cases,
};

kunit_test_suite(dmamap_suite);

MODULE_DESCRIPTION("KUnit tests of DMA mapping through an IOMMU");
MODULE_LICENSE("GPL");
