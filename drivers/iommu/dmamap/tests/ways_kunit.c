// SPDX-License-Identifier: GPL-2.0-only
/*
 * All ways to get an address.
 */

#include <linux/crash_dump.h>
#include <linux/dma-map-ops.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/vmstat.h>

#include "../dmamap.h"
#include "dmamap_kunit.h"

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

void all_is_synced_before_it_is_returned(struct kunit *test)
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

void what_cannot_be_synced_is_undone(struct kunit *test)
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
	test_drain_pages();
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

void a_failed_allocation_keeps_no_page(struct kunit *test)
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
	WRITE_ONCE(dmamap_may_refuse, false);
}
#endif

/* This layer looks at the attach only in a crash kernel, or with this. */
static void look_at_the_attach(struct kunit *test)
{
	if (is_kdump_kernel())
		return;
#ifdef CONFIG_IOMMU_DMAMAP
	WRITE_ONCE(dmamap_may_refuse, true);
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

void whatever_is_mapped_first_attaches_the_device(struct kunit *test)
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

void a_device_that_cannot_be_attached_maps_nothing(struct kunit *test)
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

void a_device_that_could_not_be_attached_is_tried_again(struct kunit *test)
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

void only_in_a_crash_kernel_mapping_attaches(struct kunit *test)
{
	struct device *dev = unattached(test);
	dma_addr_t addr;

	/* F21: elsewhere nothing is looked at, for the sake of speed */
#ifdef CONFIG_IOMMU_DMAMAP
	/* A device that was refused in another test has it looked at. */
	if (!is_kdump_kernel())
		WRITE_ONCE(dmamap_may_refuse, false);
#endif
	addr = map_mmio(dev, MMIO, GRANULE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, mock_attached(dev), is_kdump_kernel());
	unmap_mmio(dev, addr, GRANULE);
}
