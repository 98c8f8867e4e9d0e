/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the suite "dmamap" share: the fixture, devices, memory, and
 * what the device reaches. A test is a function in the file of its job and a
 * line in dmamap_cases.h.
 */
#ifndef __DMAMAP_KUNIT_H
#define __DMAMAP_KUNIT_H

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/iommu-dma.h>
#include <linux/pci.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

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

extern struct console_watch dmamap_console;
extern bool dmamap_dare;

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

static inline void expect_warning(struct kunit *test, const char *text)
{
	struct fixture *f = test->priv;

	f->may_warn = true;
	pr_info("expected warning: %s\n", text);
}

static inline struct mock_iommu *mock_of(struct kunit *test)
{
	struct fixture *f = test->priv;

	return f->mock;
}

static inline struct mock_config *config_of(struct kunit *test)
{
	return &mock_of(test)->config;
}

static inline unsigned long below(struct kunit *test, unsigned long bound)
{
	struct fixture *f = test->priv;

	return prandom_u32_state(&f->rnd) % bound;
}

static inline struct device *new_platform(struct kunit *test)
{
	struct device *dev = mock_platform_create(mock_of(test));

	KUNIT_ASSERT_NOT_NULL(test, dev);
	return dev;
}

static inline struct device *new_pci(struct kunit *test)
{
	struct device *dev;

	if (!IS_ENABLED(CONFIG_PCI))
		kunit_skip(test, "a kernel without PCI");
	dev = mock_pci_create(mock_of(test));
	KUNIT_ASSERT_NOT_NULL(test, dev);
	return dev;
}

static inline struct device *add(struct kunit *test, struct device *dev)
{
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	return dev;
}

/* A platform device that maps through the IOMMU. */
static inline struct device *platform(struct kunit *test)
{
	struct device *dev = add(test, new_platform(test));

	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static inline struct device *trusted_pci(struct kunit *test)
{
	struct device *dev = add(test, new_pci(test));

	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static inline struct device *untrusted_pci(struct kunit *test)
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
static inline void needs_gap_tree(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_IOMMU_DMAMAP) && !IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "not with the stock allocator");
}

/* The IOMMU API has addresses and sizes as unsigned long and size_t. */
static inline void needs_64_bits(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "IOVAs of 32 bits");
}

/*
 * As a driver does by spin_lock_irqsave(): that disables nothing on PREEMPT_RT,
 * where who has really disabled interrupts may not call the DMA API.
 */
static inline unsigned long disable_irqs(void)
{
	unsigned long flags = 0;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_save(flags);
	return flags;
}

static inline void enable_irqs(unsigned long flags)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_restore(flags);
}

/* For tests of how often is flushed: of itself, a queue flushes after 10 ms or a second. */
static inline void needs_queue_without_timer(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "the timer cannot be kept away");
}

static inline void stock_does_not_survive(struct kunit *test, const char *why)
{
	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK) && !dmamap_dare)
		kunit_skip(test, "stock %s", why);
}

static inline void small_aperture(struct kunit *test)
{
	config_of(test)->aperture_end = SMALL_END;
}

static inline void lazy(struct kunit *test)
{
	config_of(test)->domain_type = IOMMU_DOMAIN_DMA_FQ;
}

static inline unsigned int domain_type(struct device *dev)
{
	return iommu_get_domain_for_dev(dev)->type;
}

static inline void free_buffer(void *buffer)
{
	struct page *page = virt_to_page(buffer);

	__free_pages(page, compound_order(page));
}

/* Memory for DMA, physically contiguous and filled with a pattern. */
static inline u8 *new_buffer(struct kunit *test, size_t size)
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

static inline u8 *copy_of(struct kunit *test, const u8 *buffer, size_t size)
{
	u8 *copy = kunit_kmalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	return memcpy(copy, buffer, size);
}

static inline dma_addr_t map(struct kunit *test, struct device *dev, void *buffer,
			     size_t size, enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_single(dev, buffer, size, dir);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	return addr;
}

/* Only to be read: then debugging lets registers be mapped more than once. */
static inline dma_addr_t map_mmio(struct device *dev, phys_addr_t phys, size_t size)
{
	dma_addr_t addr = dma_map_resource(dev, phys, size, DMA_TO_DEVICE, 0);

	return dma_mapping_error(dev, addr) ? DMA_MAPPING_ERROR : addr;
}

static inline void unmap_mmio(struct device *dev, dma_addr_t addr, size_t size)
{
	dma_unmap_resource(dev, addr, size, DMA_TO_DEVICE, 0);
}

/* Map @size bytes each time until nothing is left; remember the addresses. */
static inline unsigned long take_all(struct kunit *test, struct device *dev,
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

static inline void give_back(struct kunit *test)
{
	struct fixture *f = test->priv;

	while (f->nr)
		unmap_mmio(f->taker, f->addrs[--f->nr], f->taken);
}

/* With all that is left mapped, no address may have two owners. */
static inline void expect_no_address_twice(struct kunit *test, struct device *dev)
{
	take_all(test, dev, GRANULE);
	KUNIT_EXPECT_EQ_MSG(test, mock_of(test)->collisions, 0,
			    "addresses handed out while in use");
	give_back(test);
}

/* All of a small aperture but granule 0 and those of [start, end). */
static inline void expect_all_used_but(struct kunit *test, struct device *dev,
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

static inline void expect_reads(struct kunit *test, struct device *dev,
				dma_addr_t addr, const void *want, size_t size)
{
	void *got = kunit_kmalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, got);
	KUNIT_ASSERT_EQ(test, mock_dma_read(dev, addr, got, size), 0);
	KUNIT_EXPECT_MEMEQ(test, got, want, size);
	kunit_kfree(test, got);
}

static inline phys_addr_t phys_at(struct device *dev, dma_addr_t addr)
{
	struct mock_page page = { };

	mock_translate(dev, addr, &page);
	return page.phys;
}

static inline int prot_at(struct device *dev, dma_addr_t addr)
{
	struct mock_page page = { };

	mock_translate(dev, addr, &page);
	return page.prot;
}

static inline bool is_live(struct device *dev, dma_addr_t addr)
{
	return mock_translate(dev, addr, NULL) == MOCK_LIVE;
}

static inline bool is_reached(struct device *dev, dma_addr_t addr)
{
	return mock_translate(dev, addr, NULL) != MOCK_NOWHERE;
}

static inline bool is_slot(struct device *dev, phys_addr_t phys)
{
	return swiotlb_find_pool(dev, phys);
}

/* Slots of the bounce buffers in use; needs debugfs. */
static inline long slots_used(struct kunit *test, struct device *dev)
{
#if defined(CONFIG_SWIOTLB) && defined(CONFIG_DEBUG_FS)
	return atomic_long_read(&dev->dma_io_tlb_mem->total_used);
#else
	kunit_skip(test, "the slots in use are not counted without debugfs");
#endif
}

/* Slots in use while there is a mapping with one. Later kernels count if told to. */
static inline long slots_used_now(struct kunit *test, struct device *dev)
{
	long used = slots_used(test, dev);

	if (!used)
		kunit_skip(test, "not counted: boot with swiotlb=track_hiwater");
	return used;
}

/* Wait for flush_iotlb_all(), which the flush queue's timer calls. */
static inline void wait_for_flush(struct kunit *test)
{
	KUNIT_ASSERT_NE_MSG(test, 0,
			    wait_for_completion_timeout(&mock_of(test)->flushed,
							10 * HZ),
			    "no flush came");
}

static inline int add_with_range(struct kunit *test, struct device *dev, u64 start,
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

static inline bool unmap_is_lazy(struct kunit *test, struct device *dev)
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

/* Use the small aperture up until all of it can be had, or give up. */
static inline unsigned long all_that_comes_back(struct kunit *test, struct device *dev)
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

/* Scribble over the slot of a mapping, whatever its direction. */
static inline void scribble(struct device *dev, dma_addr_t addr, size_t size)
{
	memset(phys_to_virt(phys_at(dev, addr)), 0xee, size);
}

#ifdef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
static inline struct device *noncoherent(struct kunit *test)
{
	struct device *dev = new_platform(test);

	dev_assign_dma_coherent(dev, false);
	add(test, dev);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static inline bool small_buffers_bounce(struct device *dev)
{
	return dma_kmalloc_needs_bounce(dev, 8, DMA_FROM_DEVICE) &&
	       is_swiotlb_active(dev);
}
#endif

struct remote_unmap {
	struct device *dev;
	dma_addr_t addr;
};

#define DMAMAP_TEST(name)		void name(struct kunit *test);
#define DMAMAP_TEST_MANNERS(name)	void name(struct kunit *test);
#include "dmamap_cases.h"
#undef DMAMAP_TEST
#undef DMAMAP_TEST_MANNERS

#endif /* __DMAMAP_KUNIT_H */
