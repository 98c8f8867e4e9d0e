// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping where each allocation fails once.
 *
 * Theory of operation
 * ===================
 *
 * 1. An entry is a function of the DMA API with arguments, a place is a device
 *    that it is called for. For each pair of them the n-th allocation of the
 *    call fails, n = 1, 2, ... until the call has fewer (fault_points.h).
 *
 * 2. What fails returns the error that is documented, and leaves everything as
 *    it was: live ranges, pages of page tables, bounce slots, and of a list all
 *    but the DMA addresses, which it marks as none. What does not fail, since
 *    it can do without that allocation, works. Both times the same call, not
 *    failing, works right behind it.
 *
 * 3. Then the same with what undoes the call: it must not fail at all.
 *
 * 4. A device behind the IOMMU in software (mock_iommu.h) is made anew for each
 *    allocation, so its domain has nothing ready. When it is gone nothing is
 *    left of what any of the calls allocated. A real device, which is there if
 *    the emulator has "edu", keeps its domain: its page tables are those of a
 *    real IOMMU's driver. Domains of their own are made for those anew.
 *
 * 5. Each test prints "points: ENTRY, PLACE: N" with the allocations that
 *    failed.
 */

#include <linux/anon_inodes.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../../dma-iommu.h"
#include "../dmamap.h"
#include "fault_points.h"
#include "faults_kunit.h"

u8 *fault_buffer;
static struct page *scattered[2 * ENTRIES];
static struct pci_dev *edu;

const struct place fault_places[] = {
	{ "strict" },
	{ "lazy", .lazy = true },
	{ "many pieces in a call", .runs = true },
	{ "untrusted", .untrusted = true },
#ifdef CAN_BE_INCOHERENT
	{ "not coherent", .incoherent = true },
#endif
	{ "edu", .real = true },
};

const struct place *const fault_real_place = &fault_places[ARRAY_SIZE(fault_places) - 1];

/**
 * struct entry - a function that is called
 * @name: the function and what is special about the arguments
 * @error: what it returns without memory
 * @prepare: makes what it needs; optional, returns 0 or an error
 * @call: calls it, returns 0 or an error
 * @failed: looks whether all is as it should be after a failure; optional
 * @undo: undoes it; NULL when what it did stays as long as the device
 * @release: undoes @prepare; optional
 * @own: @undo is a function of the layer, and not to fail
 */
struct entry {
	const char *name;
	int error;
	int (*prepare)(struct attempt *a);
	int (*call)(struct attempt *a);
	void (*failed)(struct attempt *a);
	void (*undo)(struct attempt *a);
	void (*release)(struct attempt *a);
	bool own;
};

/* Single buffers. */

static int keep_address(struct attempt *a, dma_addr_t addr)
{
	a->addr = addr;
	return dma_mapping_error(a->dev, addr);
}

static int call_map_single(struct attempt *a)
{
	return keep_address(a, dma_map_single(a->dev, fault_buffer + 100, 3000,
					      DMA_BIDIRECTIONAL));
}

static void undo_map_single(struct attempt *a)
{
	dma_unmap_single(a->dev, a->addr, 3000, DMA_BIDIRECTIONAL);
}

static int call_map_page(struct attempt *a)
{
	return keep_address(a, dma_map_page(a->dev, virt_to_page(fault_buffer), 0,
					    BUFFER_SIZE, DMA_FROM_DEVICE));
}

static void undo_map_page(struct attempt *a)
{
	dma_unmap_page(a->dev, a->addr, BUFFER_SIZE, DMA_FROM_DEVICE);
}

static int call_map_resource(struct attempt *a)
{
	return keep_address(a, dma_map_resource(a->dev, MMIO, SZ_4M + SZ_16K,
						DMA_TO_DEVICE, 0));
}

static void undo_map_resource(struct attempt *a)
{
	dma_unmap_resource(a->dev, a->addr, SZ_4M + SZ_16K, DMA_TO_DEVICE, 0);
}

/* Lists. */

static void set_list(struct attempt *a, unsigned int offset, unsigned int len)
{
	struct scatterlist *s;
	int i;

	sg_init_table(a->list, ENTRIES);
	for_each_sg(a->list, s, ENTRIES, i) {
		sg_set_page(s, scattered[2 * i], len, offset);
		sg_dma_address(s) = i;
		sg_dma_len(s) = 1;
	}
	a->sgt.sgl = a->list;
	a->sgt.orig_nents = ENTRIES;
	a->sgt.nents = 0;
}

int fault_prepare_plain(struct attempt *a)
{
	set_list(a, 0, PAGE_SIZE);
	return 0;
}

static int prepare_odd(struct attempt *a)
{
	set_list(a, 300, 500);
	return 0;
}

static int call_map_sg(struct attempt *a)
{
	a->sgt.nents = dma_map_sg(a->dev, a->list, ENTRIES, DMA_BIDIRECTIONAL);
	return a->sgt.nents ? 0 : -ENOMEM;
}

static void undo_map_sg(struct attempt *a)
{
	dma_unmap_sg(a->dev, a->list, ENTRIES, DMA_BIDIRECTIONAL);
}

static int call_map_sgtable(struct attempt *a)
{
	int ret = dma_map_sgtable(a->dev, &a->sgt, DMA_BIDIRECTIONAL, 0);

	/* Documented for lists of which each entry is mapped by itself. */
	if (ret == -EIO && dmamap_sg_bounces(a->dev, a->list, ENTRIES,
					     DMA_BIDIRECTIONAL))
		ret = -ENOMEM;
	return ret;
}

static void undo_map_sgtable(struct attempt *a)
{
	dma_unmap_sgtable(a->dev, &a->sgt, DMA_BIDIRECTIONAL, 0);
}

static void expect_list(struct attempt *a)
{
	struct kunit *test = a->test;
	struct scatterlist *s;
	int i;

	for_each_sg(a->list, s, ENTRIES, i) {
		KUNIT_EXPECT_PTR_EQ(test, sg_page(s), scattered[2 * i]);
		KUNIT_EXPECT_EQ(test, s->offset, a->list->offset);
		KUNIT_EXPECT_EQ(test, s->length, a->list->length);
		KUNIT_EXPECT_TRUE(test, a->list->offset ?
				  s->offset == 300 && s->length == 500 :
				  s->length == PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, sg_dma_address(s), DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, sg_dma_len(s), 0);
		KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(s));
		KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(s));
	}
	KUNIT_EXPECT_EQ(test, a->sgt.nents, 0);
	KUNIT_EXPECT_EQ(test, a->sgt.orig_nents, ENTRIES);
}

/* Memory. */

#define MUCH	(70 * PAGE_SIZE)

static int alloc(struct attempt *a, size_t size, gfp_t gfp, unsigned long attrs)
{
	a->cpu = dma_alloc_attrs(a->dev, size, &a->addr, gfp, attrs);
	return a->cpu ? 0 : -ENOMEM;
}

static int call_alloc_page(struct attempt *a)
{
	return alloc(a, PAGE_SIZE, GFP_KERNEL, 0);
}

static void undo_alloc_page(struct attempt *a)
{
	dma_free_attrs(a->dev, PAGE_SIZE, a->cpu, a->addr, 0);
}

static int call_alloc_much(struct attempt *a)
{
	return alloc(a, MUCH, GFP_KERNEL, 0);
}

static void undo_alloc_much(struct attempt *a)
{
	dma_free_attrs(a->dev, MUCH, a->cpu, a->addr, 0);
}

static int call_alloc_singles(struct attempt *a)
{
	return alloc(a, 12 * PAGE_SIZE, GFP_KERNEL, DMA_ATTR_ALLOC_SINGLE_PAGES);
}

static void undo_alloc_singles(struct attempt *a)
{
	dma_free_attrs(a->dev, 12 * PAGE_SIZE, a->cpu, a->addr,
		       DMA_ATTR_ALLOC_SINGLE_PAGES);
}

static int call_alloc_piece(struct attempt *a)
{
	return alloc(a, SZ_16K, GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS);
}

static void undo_alloc_piece(struct attempt *a)
{
	dma_free_attrs(a->dev, SZ_16K, a->cpu, a->addr,
		       DMA_ATTR_FORCE_CONTIGUOUS);
}

static int call_alloc_handle(struct attempt *a)
{
	return alloc(a, MUCH, GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING);
}

static void undo_alloc_handle(struct attempt *a)
{
	dma_free_attrs(a->dev, MUCH, a->cpu, a->addr,
		       DMA_ATTR_NO_KERNEL_MAPPING);
}

static int call_alloc_atomic(struct attempt *a)
{
	return alloc(a, SZ_16K, GFP_ATOMIC, 0);
}

static void undo_alloc_atomic(struct attempt *a)
{
	dma_free_attrs(a->dev, SZ_16K, a->cpu, a->addr, 0);
}

static int call_alloc_pages(struct attempt *a)
{
	a->page = dma_alloc_pages(a->dev, SZ_16K, &a->addr, DMA_BIDIRECTIONAL,
				  GFP_KERNEL);
	return a->page ? 0 : -ENOMEM;
}

static void undo_alloc_pages(struct attempt *a)
{
	dma_free_pages(a->dev, SZ_16K, a->page, a->addr, DMA_BIDIRECTIONAL);
}

static int call_alloc_noncontiguous(struct attempt *a)
{
	a->pages = dma_alloc_noncontiguous(a->dev, MUCH, DMA_BIDIRECTIONAL,
					   GFP_KERNEL, 0);
	return a->pages ? 0 : -ENOMEM;
}

static void undo_alloc_noncontiguous(struct attempt *a)
{
	dma_free_noncontiguous(a->dev, MUCH, a->pages, DMA_BIDIRECTIONAL);
}

static int call_vmap(struct attempt *a)
{
	a->cpu = dma_vmap_noncontiguous(a->dev, MUCH, a->pages);
	return a->cpu ? 0 : -ENOMEM;
}

static void undo_vmap(struct attempt *a)
{
	dma_vunmap_noncontiguous(a->dev, a->cpu);
}

static int call_get_sgtable(struct attempt *a)
{
	return dma_get_sgtable(a->dev, &a->sgt, a->cpu, a->addr, MUCH);
}

static void undo_get_sgtable(struct attempt *a)
{
	sg_free_table(&a->sgt);
}

/* Memory in user space. */

static int file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct attempt *a = file->private_data;

	if (a->pages)
		return dma_mmap_noncontiguous(a->dev, vma, MUCH, a->pages);
	return dma_mmap_coherent(a->dev, vma, a->cpu, a->addr, MUCH);
}

static const struct file_operations file_fops = {
	.mmap = file_mmap,
};

static int open_file(struct attempt *a)
{
	a->file = anon_inode_getfile("[dmamap]", &file_fops, a, O_RDWR);
	return PTR_ERR_OR_ZERO(a->file);
}

static int prepare_mmap(struct attempt *a)
{
	return call_alloc_much(a) ?: open_file(a);
}

static void release_mmap(struct attempt *a)
{
	__fput_sync(a->file);
	undo_alloc_much(a);
}

static int prepare_mmap_noncontiguous(struct attempt *a)
{
	return call_alloc_noncontiguous(a) ?: open_file(a);
}

static void release_mmap_noncontiguous(struct attempt *a)
{
	__fput_sync(a->file);
	undo_alloc_noncontiguous(a);
}

static int call_vm_mmap(struct attempt *a)
{
	a->user = vm_mmap(a->file, 0, MUCH, PROT_READ | PROT_WRITE, MAP_SHARED,
			  0);
	return IS_ERR_VALUE(a->user) ? (int)a->user : 0;
}

static void undo_mmap(struct attempt *a)
{
	vm_munmap(a->user, MUCH);
}

#ifdef CONFIG_IRQ_MSI_IOMMU
static int call_prepare_msi(struct attempt *a)
{
	struct msi_desc desc = { .dev = a->dev };

	return test_prepare_msi(&desc, MMIO + 0x40);
}
#endif

static const struct entry entries[] = {
	{
		.name = "dma_map_single",
		.error = -ENOMEM,
		.call = call_map_single,
		.undo = undo_map_single,
		.own = true,
	}, {
		.name = "dma_map_page",
		.error = -ENOMEM,
		.call = call_map_page,
		.undo = undo_map_page,
		.own = true,
	}, {
		.name = "dma_map_resource",
		.error = -ENOMEM,
		.call = call_map_resource,
		.undo = undo_map_resource,
		.own = true,
	}, {
		.name = "dma_map_sg of pages",
		.error = -ENOMEM,
		.prepare = fault_prepare_plain,
		.call = call_map_sg,
		.failed = expect_list,
		.undo = undo_map_sg,
		.own = true,
	}, {
		.name = "dma_map_sg of parts of pages",
		.error = -ENOMEM,
		.prepare = prepare_odd,
		.call = call_map_sg,
		.failed = expect_list,
		.undo = undo_map_sg,
		.own = true,
	}, {
		.name = "dma_map_sgtable",
		.error = -ENOMEM,
		.prepare = fault_prepare_plain,
		.call = call_map_sgtable,
		.failed = expect_list,
		.undo = undo_map_sgtable,
		.own = true,
	}, {
		.name = "dma_map_sgtable of parts of pages",
		.error = -ENOMEM,
		.prepare = prepare_odd,
		.call = call_map_sgtable,
		.failed = expect_list,
		.undo = undo_map_sgtable,
		.own = true,
	}, {
		.name = "dma_alloc_coherent, a page",
		.error = -ENOMEM,
		.call = call_alloc_page,
		.undo = undo_alloc_page,
		.own = true,
	}, {
		.name = "dma_alloc_coherent, remapped",
		.error = -ENOMEM,
		.call = call_alloc_much,
		.undo = undo_alloc_much,
		.own = true,
	}, {
		.name = "dma_alloc_attrs, single pages",
		.error = -ENOMEM,
		.call = call_alloc_singles,
		.undo = undo_alloc_singles,
		.own = true,
	}, {
		.name = "dma_alloc_attrs, contiguous",
		.error = -ENOMEM,
		.call = call_alloc_piece,
		.undo = undo_alloc_piece,
		.own = true,
	}, {
		.name = "dma_alloc_attrs, no kernel mapping",
		.error = -ENOMEM,
		.call = call_alloc_handle,
		.undo = undo_alloc_handle,
		.own = true,
	}, {
		.name = "dma_alloc_coherent, atomic",
		.error = -ENOMEM,
		.call = call_alloc_atomic,
		.undo = undo_alloc_atomic,
		.own = true,
	}, {
		.name = "dma_alloc_pages",
		.error = -ENOMEM,
		.call = call_alloc_pages,
		.undo = undo_alloc_pages,
		.own = true,
	}, {
		.name = "dma_alloc_noncontiguous",
		.error = -ENOMEM,
		.call = call_alloc_noncontiguous,
		.undo = undo_alloc_noncontiguous,
		.own = true,
	}, {
		.name = "dma_vmap_noncontiguous",
		.error = -ENOMEM,
		.prepare = call_alloc_noncontiguous,
		.call = call_vmap,
		.undo = undo_vmap,
		.release = undo_alloc_noncontiguous,
	}, {
		.name = "dma_get_sgtable",
		.error = -ENOMEM,
		.prepare = call_alloc_much,
		.call = call_get_sgtable,
		.undo = undo_get_sgtable,
		.release = undo_alloc_much,
	}, {
		.name = "dma_mmap_coherent",
		.error = -ENOMEM,
		.prepare = prepare_mmap,
		.call = call_vm_mmap,
		.undo = undo_mmap,
		.release = release_mmap,
	}, {
		.name = "dma_mmap_noncontiguous",
		.error = -ENOMEM,
		.prepare = prepare_mmap_noncontiguous,
		.call = call_vm_mmap,
		.undo = undo_mmap,
		.release = release_mmap_noncontiguous,
	},
#ifdef CONFIG_IRQ_MSI_IOMMU
	{
		.name = "iommu_dma_prepare_msi",
		.error = -ENOMEM,
		.call = call_prepare_msi,
	},
#endif
};

/* Every entry for every device; the real one is the last. */
struct pair {
	const struct entry *entry;
	const struct place *place;
};

static struct pair pairs[ARRAY_SIZE(entries) * ARRAY_SIZE(fault_places)];

static const void *pair_at(unsigned int i, char *desc)
{
	struct pair *pair = &pairs[i];

	pair->entry = &entries[i % ARRAY_SIZE(entries)];
	pair->place = &fault_places[i / ARRAY_SIZE(entries)];
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s", pair->entry->name,
		 pair->place->name);
	return pair;
}

static const void *next_pair(const void *prev, char *desc)
{
	unsigned int i = prev ? (struct pair *)prev + 1 - pairs : 0;

	return i < ARRAY_SIZE(pairs) - ARRAY_SIZE(entries) ? pair_at(i, desc) :
							     NULL;
}

static const void *next_real_pair(const void *prev, char *desc)
{
	unsigned int i = prev ? (struct pair *)prev + 1 - pairs :
			 ARRAY_SIZE(pairs) - ARRAY_SIZE(entries);

	return i < ARRAY_SIZE(pairs) ? pair_at(i, desc) : NULL;
}

struct device *fault_place_device(struct kunit *test, const struct place *place)
{
	struct mock_iommu *mock = mock_of(test);
	struct device *dev;

	if (place->real) {
		if (!edu)
			kunit_skip(test, "there is no edu device");
		dev = &edu->dev;
		KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
		return dev;
	}
	mock->config.map_runs = place->runs;
	mock->config.domain_type = place->lazy ? IOMMU_DOMAIN_DMA_FQ :
						 IOMMU_DOMAIN_DMA;
	dev = place->untrusted ? mock_pci_create(mock) :
				 mock_platform_create(mock);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	if (place->untrusted)
		to_pci_dev(dev)->untrusted = true;
#ifdef CAN_BE_INCOHERENT
	dev_assign_dma_coherent(dev, !place->incoherent);
#endif
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	if (place->untrusted && !is_swiotlb_active(dev))
		kunit_skip(test, "no bounce buffers");
	return dev;
}

void fault_place_done(const struct place *place, struct device *dev)
{
	if (!place->real)
		mock_device_remove(dev);
}

void fault_say_points(struct kunit *test, const char *what, const char *where,
		      unsigned int points)
{
	kunit_info(test, "points: %s, %s: %u\n", what, where, points);
}

/* Whatever happened, the device goes on mapping. */
void fault_expect_maps(struct kunit *test, struct device *dev)
{
	dma_addr_t addr = dma_map_single(dev, fault_buffer, SZ_16K, DMA_TO_DEVICE);

	KUNIT_ASSERT_EQ(test, dma_mapping_error(dev, addr), 0);
	KUNIT_EXPECT_EQ(test, virt_to_phys(fault_buffer),
			iommu_iova_to_phys(iommu_get_domain_for_dev(dev), addr));
	dma_unmap_single(dev, addr, SZ_16K, DMA_TO_DEVICE);
}

static void expect_state(struct kunit *test, const struct fault_state *was,
			 const struct fault_state *is, unsigned int nth)
{
	KUNIT_EXPECT_EQ_MSG(test, is->live, was->live,
			    "live ranges, number %u was to fail", nth);
	KUNIT_EXPECT_EQ_MSG(test, is->tables, was->tables,
			    "pages of page tables, number %u was to fail", nth);
	KUNIT_EXPECT_EQ_MSG(test, is->slots, was->slots,
			    "bounce slots, number %u was to fail", nth);
}

/*
 * An address comes again late, so each call may need other tables, and those of
 * a real IOMMU stay until the domain goes.
 */
static struct fault_state look_before(struct device *dev)
{
	struct fault_state state = fault_look(dev, NULL);

	if (edu && dev == &edu->dev)
		state.tables = FAULT_ANY_TABLES;
	return state;
}

/* Returns what the call returned; *@hit tells whether an allocation failed. */
static int call_once(struct attempt *a, const struct entry *entry,
		     unsigned int nth, bool *hit)
{
	struct fault_state was = look_before(a->dev), is;
	int ret;

	fault_begin(nth);
	ret = entry->call(a);
	*hit = fault_end();
	if (ret) {
		is = fault_look(a->dev, &was);
		KUNIT_EXPECT_TRUE_MSG(a->test, *hit, "failed all by itself");
		KUNIT_EXPECT_EQ(a->test, ret, entry->error);
		expect_state(a->test, &was, &is, nth);
		if (entry->failed)
			entry->failed(a);
	}
	return ret;
}

/* One attempt, with the nth allocation of the call or of its undoing failing. */
static bool attempt(struct kunit *test, const struct pair *pair,
		    unsigned int nth, bool undoing)
{
	struct attempt *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	const struct entry *entry = pair->entry;
	long tables = fault_table_pages();
	struct fault_state was, is;
	bool hit, again;

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->test = test;
	a->dev = fault_place_device(test, pair->place);
	if (entry->prepare)
		KUNIT_ASSERT_EQ(test, entry->prepare(a), 0);
	was = look_before(a->dev);
	if (call_once(a, entry, undoing ? 0 : nth, &hit)) {
		if (entry->prepare == fault_prepare_plain ||
		    entry->prepare == prepare_odd)
			entry->prepare(a);
		KUNIT_ASSERT_EQ_MSG(test, 0, call_once(a, entry, 0, &again),
				    "fails again, number %u was to fail", nth);
	}
	if (entry->undo) {
		fault_begin(undoing ? nth : 0);
		entry->undo(a);
		if (undoing)
			hit = fault_end();
		else
			fault_end();
		is = fault_look(a->dev, &was);
		expect_state(test, &was, &is, nth);
	}
	if (entry->release)
		entry->release(a);
	fault_place_done(pair->place, a->dev);
	/* Those that an empty domain keeps go with it. */
	if (!pair->place->real)
		KUNIT_EXPECT_EQ(test, fault_await_tables(tables), tables);
	kunit_kfree(test, a);
	return hit;
}

static void try_pair(struct kunit *test, bool undoing)
{
	const struct pair *pair = test->param_value;
	char name[64];
	unsigned int nth;

	if (undoing && !pair->entry->own)
		kunit_skip(test, "undone by the memory management, or not at all");
	/* Has the thread have memory of its own. */
	if (strstr(pair->entry->name, "mmap"))
		kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS, 0);
	/* What the kernel makes once is made before. */
	attempt(test, pair, 0, undoing);
	if (!pair->place->real)
		fault_forget();
	for (nth = 1; nth < NTH_MAX; nth++)
		if (!attempt(test, pair, nth, undoing))
			break;
	KUNIT_EXPECT_LT(test, nth, NTH_MAX);
	if (!pair->place->real)
		KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
	snprintf(name, sizeof(name), "%s%s", undoing ? "undoing " : "",
		 pair->entry->name);
	fault_say_points(test, name, pair->place->name, nth - 1);
}

static void a_call_that_fails_leaves_nothing(struct kunit *test)
{
	try_pair(test, false);
}

static void undoing_a_call_never_fails(struct kunit *test)
{
	try_pair(test, true);
}

/* The real device. */

static struct pci_dev *real;		/* the same, also while no driver has it */
static long real_tables;

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	if (edu)
		return -EBUSY;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	if (!real)
		real = pci_dev_get(pdev);
	edu = pdev;
	return 0;
}

static void edu_remove(struct pci_dev *pdev)
{
	edu = NULL;
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};

static struct pci_driver edu_driver = {
	.name = "dmamap_faults",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};

/* A type that it has already would leave the domain as it is. */
static int renew_domain(void)
{
	return mock_set_group_type(&real->dev, "identity") ?:
	       mock_set_group_type(&real->dev, "DMA");
}

/* With a strict domain that nothing was ever mapped in. */
static int take_edu(void)
{
	int ret = pci_register_driver(&edu_driver);

	if (ret || !edu)
		return ret;
	/* Arm's have a group only once they had a driver. */
	pci_unregister_driver(&edu_driver);
	ret = renew_domain();
	if (ret)
		return ret;
	rcu_barrier();
	real_tables = fault_table_pages();
	return pci_register_driver(&edu_driver);
}

static void a_real_domain_takes_all_with_it(struct kunit *test)
{
	if (!edu)
		kunit_skip(test, "there is no edu device");
	pci_unregister_driver(&edu_driver);
	KUNIT_EXPECT_EQ(test, renew_domain(), 0);
	KUNIT_EXPECT_EQ_MSG(test, fault_kept(), 0, "memory is lost");
	KUNIT_EXPECT_EQ(test, fault_await_tables(real_tables), real_tables);
	KUNIT_EXPECT_EQ(test, pci_register_driver(&edu_driver), 0);
}

static int dmamap_faults_suite_init(struct kunit_suite *suite)
{
	unsigned int i;
	int ret;

	if (IS_ENABLED(CONFIG_SWIOTLB))
		swiotlb_init_late(SZ_4M, GFP_KERNEL, NULL);
	fault_buffer = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_COMP, ORDER);
	if (!fault_buffer)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(scattered); i++) {
		scattered[i] = alloc_page(GFP_KERNEL);
		if (!scattered[i])
			return -ENOMEM;
	}
	ret = fault_points_init();
	if (ret)
		return ret;
	return take_edu();
}

static void dmamap_faults_suite_exit(struct kunit_suite *suite)
{
	unsigned int i;

	pci_unregister_driver(&edu_driver);
	pci_dev_put(real);
	fault_points_exit();
	for (i = 0; i < ARRAY_SIZE(scattered) && scattered[i]; i++)
		__free_page(scattered[i]);
	free_pages((unsigned long)fault_buffer, ORDER);
}

static int dmamap_faults_init(struct kunit *test)
{
	struct mock_iommu **mock = kunit_kzalloc(test, sizeof(*mock),
						 GFP_KERNEL);

	if (!mock)
		return -ENOMEM;
	*mock = mock_iommu_create();
	test->priv = mock;
	return *mock ? 0 : -ENOMEM;
}

static void dmamap_faults_exit(struct kunit *test)
{
	/* Had a test ended in the middle. */
	fault_end();
	if (!test->priv)
		return;
	KUNIT_EXPECT_EQ(test, mock_of(test)->strays, 0);
	KUNIT_EXPECT_EQ(test, mock_of(test)->collisions, 0);
	mock_iommu_destroy(mock_of(test));
}

static struct kunit_case dmamap_faults_cases[] = {
	KUNIT_CASE_PARAM(a_call_that_fails_leaves_nothing, next_pair),
	KUNIT_CASE_PARAM(undoing_a_call_never_fails, next_pair),
	KUNIT_CASE(want_of_memory_gives_up_no_low_addresses),
	KUNIT_CASE(a_first_device_that_cannot_join_leaves_nothing),
	KUNIT_CASE(a_first_pci_device_that_cannot_join_leaves_nothing),
	KUNIT_CASE(a_second_device_that_cannot_join_leaves_nothing),
	KUNIT_CASE(what_cannot_be_reserved_leaves_nothing),
	KUNIT_CASE_PARAM(a_domain_type_that_cannot_be_had_changes_nothing,
			 fault_changes),
	KUNIT_CASE_PARAM(a_domain_of_its_own_is_made_or_not, fault_steps),
	KUNIT_CASE_PARAM(a_real_domain_of_its_own_is_made_or_not,
			 fault_steps),
	/* These leave memory in the domain, until it goes. */
	KUNIT_CASE_PARAM(a_call_that_fails_leaves_nothing, next_real_pair),
	KUNIT_CASE_PARAM(undoing_a_call_never_fails, next_real_pair),
	KUNIT_CASE(a_real_domain_takes_all_with_it),
	{}
};

static struct kunit_suite dmamap_faults_suite = {
	.name = "dmamap_faults",
	.suite_init = dmamap_faults_suite_init,
	.suite_exit = dmamap_faults_suite_exit,
	.init = dmamap_faults_init,
	.exit = dmamap_faults_exit,
	.test_cases = dmamap_faults_cases,
};

kunit_test_suite(dmamap_faults_suite);

MODULE_DESCRIPTION("KUnit tests of DMA mapping where each allocation fails once");
MODULE_LICENSE("GPL");
