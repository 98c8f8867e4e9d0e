// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of PCI devices. Nothing is behind these pages, so no test looks.
 */

#include <linux/dma-map-ops.h>
#include <linux/kprobes.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "dmamap_kunit.h"
#include "sg_kunit.h"

#ifdef CONFIG_PCI_P2PDMA
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

void a_devices_own_memory_is_reached_on_the_bus(struct kunit *test)
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

void a_list_of_own_memory_takes_no_address(struct kunit *test)
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

void memory_behind_a_known_host_bridge_is_mapped(struct kunit *test)
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

void memory_behind_other_host_bridges_is_refused(struct kunit *test)
{
	/* F85, F86, F89 */
	expect_refused(test, trusted_pci(test), trusted_pci(test));
}

/* stock fails this */
void an_untrusted_devices_own_memory_is_reached_on_the_bus(struct kunit *test)
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
void memory_behind_a_known_host_bridge_is_not_bounced(struct kunit *test)
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
void an_untrusted_device_is_refused_memory_as_well(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	long before = slots_used(test, dev);

	/* F81, F85, F79, B9 */
	expect_refused(test, dev, trusted_pci(test));
	KUNIT_EXPECT_EQ(test, slots_used(test, dev), before);
}

#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) && \
	defined(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API)
/* Cache maintenance: the memory that a function of the architecture was called for. */
struct watch {
	struct kprobe probe;
	struct task_struct *task;
	unsigned int nr;
	struct {
		phys_addr_t phys;
		size_t size;
	} calls[16];
};

static int note_call(struct kprobe *probe, struct pt_regs *regs)
{
	struct watch *w = container_of(probe, struct watch, probe);

	if (current == w->task && w->nr < ARRAY_SIZE(w->calls)) {
		w->calls[w->nr].phys = regs_get_kernel_argument(regs, 0);
		w->calls[w->nr++].size = regs_get_kernel_argument(regs, 1);
	}
	return 0;
}

static void stop_watch(void *w)
{
	unregister_kprobe(&((struct watch *)w)->probe);
}

static struct watch *watch_calls(struct kunit *test, const char *function)
{
	struct watch *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->task = current;
	w->probe.symbol_name = function;
	w->probe.pre_handler = note_call;
	KUNIT_ASSERT_EQ(test, register_kprobe(&w->probe), 0);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, stop_watch, w));
	return w;
}

static unsigned int calls_for(struct watch *w, phys_addr_t phys, size_t size)
{
	unsigned int i, nr = 0;

	for (i = 0; i < w->nr; i++)
		nr += w->calls[i].phys < phys + size &&
		      phys < w->calls[i].phys + w->calls[i].size;
	return nr;
}

/* Since it was last asked: once for each entry of memory, @slot is where the last one is. */
static void expect_maintained(struct kunit *test, struct list *l, phys_addr_t slot,
			      struct watch *w)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(l->sgt.sgl, sg, l->sgt.orig_nents, i) {
		bool last = i + 1 == l->sgt.orig_nents;

		KUNIT_EXPECT_EQ_MSG(test, !is_pci_p2pdma_page(sg_page(sg)),
				    calls_for(w, last ? slot : sg_phys(sg), sg->length),
				    "%s(), entry %d", w->probe.symbol_name, i);
	}
	w->nr = 0;
}

/* A list with the device's own memory and with another's, on a device that does not snoop. */
static void try_caches(struct kunit *test, size_t last, bool bounces)
{
	const struct piece pieces[] = {
		{ 0, SZ_4K }, { 0, SZ_8K }, { 64, 100 }, { 0, last },
	};
	struct device *dev = new_pci(test), *other = trusted_pci(test);
	struct list *l = new_list(test, pieces, ARRAY_SIZE(pieces));
	struct watch *for_device, *for_cpu;
	phys_addr_t slot = sg_phys(nth(l, 3));

	if (!IS_ENABLED(CONFIG_KPROBES))
		kunit_skip(test, "needs CONFIG_KPROBES");
	dev_assign_dma_coherent(dev, false);
	add(test, dev);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	if (bounces && !small_buffers_bounce(dev))
		kunit_skip(test, "kmalloc() memory is safe for DMA here");
	set_memory(l, 1, memory_of(test, dev), 0, SZ_8K);
	set_memory(l, 2, memory_of(test, other), 64, 100);
	add_host_bridges(test, dev, other, true);
	for_device = watch_calls(test, "arch_sync_dma_for_device");
	for_cpu = watch_calls(test, "arch_sync_dma_for_cpu");

	map_list(test, dev, l, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, sg_dma_is_swiotlb(l->sgt.sgl), bounces);
	KUNIT_ASSERT_EQ(test, l->sgt.nents, 4);
	expect_bus_address(test, nth(l, 1), sg_page(nth(l, 1)), SZ_8K);
	KUNIT_EXPECT_EQ(test, phys_at(dev, sg_dma_address(nth(l, 2))),
			sg_phys(nth(l, 2)));
	if (bounces)
		slot = phys_at(dev, sg_dma_address(nth(l, 3)));
	KUNIT_EXPECT_EQ(test, is_slot(dev, slot), bounces);
	expect_maintained(test, l, slot, for_device);
	dma_sync_sgtable_for_cpu(dev, &l->sgt, DMA_BIDIRECTIONAL);
	expect_maintained(test, l, slot, for_cpu);
	dma_sync_sgtable_for_device(dev, &l->sgt, DMA_BIDIRECTIONAL);
	expect_maintained(test, l, slot, for_device);
	unmap_list(test, dev, l, DMA_BIDIRECTIONAL);
	expect_maintained(test, l, slot, for_cpu);
	KUNIT_EXPECT_EQ(test, for_device->nr, 0);
}

void caches_are_not_maintained_for_device_memory(struct kunit *test)
{
	/* F64, F85 */
	try_caches(test, SZ_4K, false);
}

void caches_are_not_maintained_for_device_memory_beside_a_slot(struct kunit *test)
{
	/* F64, F76, F81 */
	try_caches(test, 8, true);
}
#endif
#endif
