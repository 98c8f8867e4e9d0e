// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping where each allocation fails once: what is not a call for
 * a buffer. Devices join domains, and domains are made and change their type.
 */

#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/iommu-dma.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/resource_ext.h>
#include <linux/sizes.h>

#include "../../dma-iommu.h"
#include "../../iova/internal.h"
#include "../dmamap.h"
#include "fault_points.h"
#include "faults_kunit.h"

/* Devices that get addresses below 4 GiB first. */

static dma_addr_t map_registers(struct device *dev, size_t size)
{
	dma_addr_t addr = dma_map_resource(dev, BIT_ULL(40), size,
					   DMA_TO_DEVICE, 0);

	return dma_mapping_error(dev, addr) ? DMA_MAPPING_ERROR : addr;
}

void want_of_memory_gives_up_no_low_addresses(struct kunit *test)
{
	struct device *dev;
	dma_addr_t addr;
	size_t size;

	if (!IS_ENABLED(CONFIG_64BIT) || !IS_ENABLED(CONFIG_PCI))
		kunit_skip(test, "no PCI devices with IOVAs of 64 bits");
	if (!IS_ENABLED(CONFIG_IOVA_GAP_TREE))
		kunit_skip(test, "the stock allocator does not tell");
	dev = mock_pci_create(mock_of(test));
	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	KUNIT_ASSERT_TRUE(test, dev->iommu->pci_32bit_workaround);
	/* From runs, from the tree, and placed. */
	for (size = SZ_4K; size <= SZ_64M; size *= 4) {
		fault_begin_all();
		addr = map_registers(dev, size);
		fault_end_all();
		KUNIT_EXPECT_EQ(test, addr, DMA_MAPPING_ERROR);
		KUNIT_EXPECT_TRUE(test, dev->iommu->pci_32bit_workaround);
	}
	for (size = SZ_4K; size <= SZ_64M; size *= 4) {
		addr = map_registers(dev, size);
		KUNIT_EXPECT_LE(test, addr, DMA_BIT_MASK(32));
		dma_unmap_resource(dev, addr, size, DMA_TO_DEVICE, 0);
	}
	mock_device_remove(dev);
}

/* Devices that join a domain. */

/* What a host bridge has for itself, and what it lets through. */
struct bridge_ranges {
	struct resource_entry windows[2];
	struct resource_entry dma[1];
	struct resource res[3];
};

static void add_window(struct list_head *list, struct resource_entry *entry,
		       struct resource *res, u64 start, u64 size)
{
	*res = (struct resource){
		.start = start,
		.end = start + size - 1,
		.flags = IORESOURCE_MEM,
	};
	entry->res = res;
	entry->offset = 0;
	list_add_tail(&entry->node, list);
}

/* A PCI device with all that is to be reserved. */
static struct device *pci_with_ranges(struct kunit *test,
				      struct bridge_ranges *r)
{
	struct device *dev = mock_pci_create(mock_of(test));
	struct pci_host_bridge *bridge;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	bridge = &mock_to_pci(dev)->bridge;
	add_window(&bridge->windows, &r->windows[0], &r->res[0], SZ_1G,
		   SZ_256M);
	add_window(&bridge->windows, &r->windows[1], &r->res[1], SZ_2G,
		   SZ_512M);
	add_window(&bridge->dma_ranges, &r->dma[0], &r->res[2], SZ_1M,
		   BIT_ULL(48) - SZ_1M);
	return dev;
}

static void add_regions(struct kunit *test, struct device *dev)
{
	struct mock_iommu *mock = mock_of(test);

	mock->nr_regions = 0;
	mock_add_region(mock, dev, SZ_16M, SZ_64K, IOMMU_RESV_MSI);
	mock_add_region(mock, dev, SZ_32M, SZ_64K, IOMMU_RESV_DIRECT);
	mock_add_region(mock, dev, SZ_64M, SZ_1M, IOMMU_RESV_RESERVED);
}

static long live_of(struct device *dev)
{
	return fault_live_ranges(&dmamap_cookie(dev)->iovad);
}

static bool joined(struct device *dev)
{
	return use_dma_iommu(dev) && !mock_refused(dev);
}

/* A domain that no device could join is as if none had tried. */
static void expect_not_joined(struct kunit *test, struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	struct iommu_dma_cookie *cookie = domain ? domain->iova_cookie : NULL;

	KUNIT_EXPECT_FALSE(test, joined(dev));
	if (!cookie)
		return;
	KUNIT_EXPECT_FALSE(test, cookie->ready);
	KUNIT_EXPECT_NULL(test, cookie->fq);
	KUNIT_EXPECT_NULL(test, cookie->queue);
	KUNIT_EXPECT_NULL(test, cookie->iovad.rcache);
	KUNIT_EXPECT_TRUE(test, list_empty(&cookie->reserved));
	KUNIT_EXPECT_TRUE(test, list_empty(&cookie->msi_pages));
}

/* Adds a device, its @nth allocation failing; stores how many ranges are live. */
static bool join(struct kunit *test, struct device *dev, unsigned int nth,
		 long *live)
{
	bool hit;
	int ret;

	fault_begin(nth);
	ret = mock_device_add(dev);
	hit = fault_end();
	*live = -1;
	if (!ret && joined(dev)) {
		*live = live_of(dev);
		fault_expect_maps(test, dev);
		return hit;
	}
	KUNIT_EXPECT_TRUE(test, hit);
	/* -EINVAL is the driver core's: for a device without a name. */
	KUNIT_EXPECT_TRUE_MSG(test, !ret || ret == -ENOMEM || ret == -ENODEV ||
			      (ret == -EINVAL && !dev_name(dev)),
			      "error %d, number %u was to fail", ret, nth);
	return hit;
}

static void first_joins(struct kunit *test, bool pci, bool lazy)
{
	struct mock_iommu *mock = mock_of(test);
	struct bridge_ranges ranges;
	long live, want = 0, tables = fault_table_pages();
	unsigned int nth;
	struct device *dev;
	bool hit;

	mock->config.domain_type = lazy ? IOMMU_DOMAIN_DMA_FQ : IOMMU_DOMAIN_DMA;
	for (nth = 0; nth < NTH_MAX; nth++) {
		if (pci)
			dev = pci_with_ranges(test, &ranges);
		else
			dev = mock_platform_create(mock);
		KUNIT_ASSERT_NOT_NULL(test, dev);
		add_regions(test, dev);
		hit = join(test, dev, nth, &live);
		if (!nth) {
			want = live;
			KUNIT_EXPECT_GT(test, want, 2);
		} else if (live < 0) {
			expect_not_joined(test, dev);
		} else {
			KUNIT_EXPECT_EQ_MSG(test, live, want,
					    "reserved, number %u was to fail",
					    nth);
		}
		mock_device_remove(dev);
		if (!nth)
			fault_forget();
		else if (!hit)
			break;
	}
	KUNIT_EXPECT_LT(test, nth, NTH_MAX);
	KUNIT_EXPECT_EQ(test, fault_await_tables(tables), tables);
	KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
	fault_say_points(test, "a first device joins", pci ? "PCI" : lazy ?
		   "platform, lazy" : "platform", nth - 1);
}

void a_first_device_that_cannot_join_leaves_nothing(struct kunit *test)
{
	first_joins(test, false, false);
	first_joins(test, false, true);
}

void a_first_pci_device_that_cannot_join_leaves_nothing(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PCI))
		kunit_skip(test, "a kernel without PCI");
	first_joins(test, true, false);
}

static size_t doorbells_of(struct device *dev)
{
	return list_count_nodes(&dmamap_cookie(dev)->msi_pages);
}

void a_second_device_that_cannot_join_leaves_nothing(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);
	struct bridge_ranges ranges;
	struct device *dev, *other;
	unsigned int nth;
	long live, want = 0, before;
	dma_addr_t addr;
	bool hit;

	if (!IS_ENABLED(CONFIG_PCI))
		kunit_skip(test, "a kernel without PCI");
	mock->config.one_group = true;
	for (nth = 0; nth < NTH_MAX; nth++) {
		dev = mock_platform_create(mock);
		KUNIT_ASSERT_NOT_NULL(test, dev);
		KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
		addr = dma_map_single(dev, fault_buffer, SZ_4K, DMA_TO_DEVICE);
		KUNIT_ASSERT_EQ(test, dma_mapping_error(dev, addr), 0);
		before = live_of(dev);
		other = pci_with_ranges(test, &ranges);
		add_regions(test, other);
		hit = join(test, other, nth, &live);
		if (!nth) {
			want = live;
			KUNIT_EXPECT_GT(test, want, before + 2);
		} else if (live >= 0) {
			KUNIT_EXPECT_EQ_MSG(test, live, want,
					    "reserved, number %u was to fail",
					    nth);
		} else {
			KUNIT_EXPECT_FALSE(test, joined(other));
			KUNIT_EXPECT_EQ_MSG(test, live_of(dev), before,
					    "live ranges, number %u was to fail",
					    nth);
			KUNIT_EXPECT_EQ_MSG(test, doorbells_of(dev), 0,
					    "doorbells, number %u was to fail",
					    nth);
		}
		KUNIT_EXPECT_EQ(test, mock_translate(dev, addr, NULL), MOCK_LIVE);
		dma_unmap_single(dev, addr, SZ_4K, DMA_TO_DEVICE);
		fault_expect_maps(test, dev);
		mock_device_remove(other);
		mock_device_remove(dev);
		if (!nth)
			fault_forget();
		else if (!hit)
			break;
	}
	KUNIT_EXPECT_LT(test, nth, NTH_MAX);
	KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
	fault_say_points(test, "a second device joins", "PCI", nth - 1);
}

/* The error goes to nobody but the log. */
static bool reserve(struct kunit *test, unsigned int nth)
{
	struct device *dev = fault_place_device(test, &fault_places[0]);
	struct iommu_dma_cookie *cookie = dmamap_cookie(dev);
	long before = live_of(dev);
	bool hit;
	int ret;

	add_regions(test, dev);
	mutex_lock(&cookie->lock);
	fault_begin(nth);
	ret = dmamap_reserve_device(iommu_get_domain_for_dev(dev), dev);
	hit = fault_end();
	mutex_unlock(&cookie->lock);
	if (ret) {
		KUNIT_EXPECT_TRUE(test, hit);
		KUNIT_EXPECT_EQ_MSG(test, ret, -ENOMEM,
				    "number %u was to fail", nth);
		KUNIT_EXPECT_EQ(test, live_of(dev), before);
		KUNIT_EXPECT_EQ(test, doorbells_of(dev), 0);
	} else {
		KUNIT_EXPECT_EQ(test, live_of(dev), before + 3);
		KUNIT_EXPECT_EQ(test, doorbells_of(dev), 1);
	}
	mock_of(test)->nr_regions = 0;
	mock_device_remove(dev);
	return hit;
}

void what_cannot_be_reserved_leaves_nothing(struct kunit *test)
{
	unsigned int nth;

	reserve(test, 0);
	fault_forget();
	for (nth = 1; nth < NTH_MAX; nth++)
		if (!reserve(test, nth))
			break;
	KUNIT_EXPECT_LT(test, nth, NTH_MAX);
	KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
	fault_say_points(test, "reserved regions", "platform", nth - 1);
}

/* Types of a group's domain, changed as an administrator does. */

static const struct change {
	const char *name;
	const char *from;
	const char *to;
	unsigned int type;
} changes[] = {
	{ "a live domain gets a flush queue", "DMA", "DMA-FQ",
	  IOMMU_DOMAIN_DMA_FQ },
	{ "lazy to strict", "DMA-FQ", "DMA", IOMMU_DOMAIN_DMA },
	{ "strict to strict", "DMA", "DMA", IOMMU_DOMAIN_DMA },
	{ "strict to identity", "DMA", "identity", IOMMU_DOMAIN_IDENTITY },
	{ "identity to lazy", "identity", "DMA-FQ", IOMMU_DOMAIN_DMA_FQ },
};

KUNIT_ARRAY_PARAM_DESC(change, changes, name);

const void *fault_changes(const void *prev, char *desc)
{
	return change_gen_params(prev, desc);
}

static bool change_type(struct kunit *test, const struct change *change,
			unsigned int nth)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev = mock_platform_create(mock);
	struct iommu_domain *domain;
	unsigned int was;
	struct vfsmount *mnt;
	struct file *file;
	bool hit;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	mock->config.domain_type = 0;
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	KUNIT_ASSERT_EQ(test, mock_set_group_type(dev, change->from), 0);
	file = mock_open_group_type(dev, &mnt);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	domain = iommu_get_domain_for_dev(dev);
	was = domain->type;

	fault_begin(nth);
	ret = mock_write_group_type(file, change->to);
	hit = fault_end();
	if (ret) {
		KUNIT_EXPECT_TRUE(test, hit);
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(dev), domain);
		KUNIT_EXPECT_EQ(test, domain->type, was);
		if (was != IOMMU_DOMAIN_IDENTITY)
			fault_expect_maps(test, dev);
	} else if (change->type != IOMMU_DOMAIN_IDENTITY) {
		domain = iommu_get_domain_for_dev(dev);
		if (joined(dev)) {
			/* Without memory for a flush queue it is strict. */
			KUNIT_EXPECT_TRUE(test, domain->type == change->type ||
					  (hit && domain->type == IOMMU_DOMAIN_DMA));
			fault_expect_maps(test, dev);
		} else {
			KUNIT_EXPECT_TRUE(test, hit);
			expect_not_joined(test, dev);
		}
	}
	/* Told again, it is done. */
	KUNIT_EXPECT_EQ(test, mock_write_group_type(file, change->to), 0);
	KUNIT_EXPECT_EQ(test, iommu_get_domain_for_dev(dev)->type, change->type);
	if (change->type != IOMMU_DOMAIN_IDENTITY) {
		KUNIT_EXPECT_TRUE(test, joined(dev));
		fault_expect_maps(test, dev);
	}
	mock_close_group_type(file, mnt);
	mock_device_remove(dev);
	return hit;
}

void a_domain_type_that_cannot_be_had_changes_nothing(struct kunit *test)
{
	const struct change *change = test->param_value;
	unsigned int nth;

	change_type(test, change, 0);
	fault_forget();
	for (nth = 1; nth < NTH_MAX; nth++)
		if (!change_type(test, change, nth))
			break;
	KUNIT_EXPECT_LT(test, nth, NTH_MAX);
	KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
	fault_say_points(test, "the type of a group", change->name, nth - 1);
}

/* Domains of their own, as VFIO makes them. */

/**
 * struct own - a domain of its own, and what is done to it
 * @dev: the device
 * @domain: the domain; NULL before it is made
 * @attached: @dev is attached
 * @memory: memory in pieces
 * @mapped: bytes at @at
 * @at: where
 */
struct own {
	struct device *dev;
	struct iommu_domain *domain;
	bool attached;
	struct attempt *memory;
	size_t mapped;
	unsigned long at;
};

static int make_domain(struct own *o)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(o->dev);

	if (IS_ERR(domain))
		return PTR_ERR(domain);
	o->domain = domain;
	return 0;
}

static int attach_domain(struct own *o)
{
	int ret = iommu_attach_device(o->domain, o->dev);

	o->attached = !ret;
	return ret;
}

static int give_msi_cookie(struct own *o)
{
	return iommu_get_msi_cookie(o->domain, SZ_128M);
}

static int give_dma_cookie(struct own *o)
{
	return iommu_get_dma_cookie(o->domain);
}

static int map_at(struct own *o, unsigned long at, phys_addr_t phys,
		  size_t size)
{
	int ret = iommu_map(o->domain, at, phys, size, IOMMU_READ | IOMMU_WRITE,
			    GFP_KERNEL);

	o->at = at;
	o->mapped = ret ? 0 : size;
	return ret;
}

static int map_a_page(struct own *o)
{
	return map_at(o, SZ_1G, virt_to_phys(fault_buffer), SZ_4K);
}

/* From the end of one table, over a block, into the next. */
static int map_over_blocks(struct own *o)
{
	return map_at(o, SZ_1G - SZ_64K, BIT_ULL(32) - SZ_64K,
		      SZ_64K + SZ_2M + SZ_64K);
}

static int map_memory(struct own *o)
{
	ssize_t ret = iommu_map_sg(o->domain, SZ_2G - 7 * SZ_4K, o->memory->list,
				   ENTRIES, IOMMU_READ | IOMMU_WRITE, GFP_KERNEL);

	o->at = SZ_2G - 7 * SZ_4K;
	o->mapped = ret < 0 ? 0 : ret;
	return ret < 0 ? ret : 0;
}

static int map_a_doorbell(struct own *o)
{
#ifdef CONFIG_IRQ_MSI_IOMMU
	struct msi_desc desc = { .dev = o->dev };

	return test_prepare_msi(&desc, MMIO + 0x40);
#else
	return 0;
#endif
}

static int unmap_all(struct own *o)
{
	size_t size = iommu_unmap(o->domain, o->at, o->mapped);
	bool all = size == o->mapped;

	o->mapped = 0;
	return all ? 0 : -EIO;
}

static const struct step {
	const char *name;

	int (*before[3])(struct own *o);
	int (*call)(struct own *o);
	bool never;		/* it must not fail at all */
} steps[] = {
	{ "iommu_paging_domain_alloc", { }, make_domain },
	{ "iommu_attach_device", { make_domain }, attach_domain },
	{ "iommu_get_msi_cookie", { make_domain }, give_msi_cookie },
	{ "iommu_get_dma_cookie", { make_domain }, give_dma_cookie },
	{ "iommu_dma_prepare_msi", { make_domain, attach_domain,
				     give_msi_cookie }, map_a_doorbell },
	{ "iommu_map of a page", { make_domain, attach_domain }, map_a_page },
	{ "iommu_map over blocks", { make_domain, attach_domain },
	  map_over_blocks },
	{ "iommu_map_sg", { make_domain, attach_domain }, map_memory },
	{ "iommu_map, not attached", { make_domain }, map_over_blocks },
	{ "iommu_unmap of a page", { make_domain, attach_domain, map_a_page },
	  unmap_all, true },
	{ "iommu_unmap over blocks", { make_domain, attach_domain,
				       map_over_blocks }, unmap_all, true },
	{ "iommu_unmap of a list", { make_domain, attach_domain, map_memory },
	  unmap_all, true },
};

static const struct step *step_of(struct kunit *test)
{
	return test->param_value;
}

KUNIT_ARRAY_PARAM_DESC(step, steps, name);

const void *fault_steps(const void *prev, char *desc)
{
	return step_gen_params(prev, desc);
}

static bool try_step(struct kunit *test, const struct place *place,
		     unsigned int nth)
{
	const struct step *step = step_of(test);
	struct attempt *memory = kunit_kzalloc(test, sizeof(*memory),
					       GFP_KERNEL);
	struct own o = { .memory = memory };
	long tables;
	unsigned int i;
	bool hit;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, memory);
	fault_prepare_plain(memory);
	o.dev = fault_place_device(test, place);
	tables = fault_table_pages();
	for (i = 0; i < ARRAY_SIZE(step->before) && step->before[i]; i++)
		KUNIT_ASSERT_EQ(test, step->before[i](&o), 0);
	fault_begin(nth);
	ret = step->call(&o);
	hit = fault_end();
	if (step->never)
		KUNIT_EXPECT_EQ(test, ret, 0);
	if (ret) {
		KUNIT_EXPECT_TRUE(test, hit);
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		/* Of what was to be mapped nothing is. */
		for (i = 0; o.at && i < 3 * PTRS_PER_PTE; i++)
			KUNIT_EXPECT_EQ(test, 0,
					iommu_iova_to_phys(o.domain, o.at +
							   i * SZ_4K));
		KUNIT_ASSERT_EQ(test, step->call(&o), 0);
	}
	if (o.mapped)
		KUNIT_EXPECT_EQ(test, unmap_all(&o), 0);
	if (o.attached)
		iommu_detach_device(o.domain, o.dev);
	iommu_domain_free(o.domain);
	KUNIT_EXPECT_EQ_MSG(test, fault_await_tables(tables), tables,
			    "pages of page tables, number %u was to fail", nth);
	fault_expect_maps(test, o.dev);
	fault_place_done(place, o.dev);
	kunit_kfree(test, memory);
	return hit;
}

static void try_steps(struct kunit *test, const struct place *place)
{
	unsigned int nth;

	try_step(test, place, 0);
	fault_forget();
	for (nth = 1; nth < NTH_MAX; nth++)
		if (!try_step(test, place, nth))
			break;
	KUNIT_EXPECT_LT(test, nth, NTH_MAX);
	KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
	fault_say_points(test, step_of(test)->name, place->name, nth - 1);
}

void a_domain_of_its_own_is_made_or_not(struct kunit *test)
{
	try_steps(test, &fault_places[0]);
}

void a_real_domain_of_its_own_is_made_or_not(struct kunit *test)
{
	try_steps(test, fault_real_place);
}
