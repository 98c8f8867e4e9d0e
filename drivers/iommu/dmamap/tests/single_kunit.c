// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single mappings.
 */

#include <linux/dma-map-ops.h>
#include <linux/iommu-dma.h>
#include <linux/irq_work.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "dmamap_kunit.h"

void protection_follows_the_direction(struct kunit *test)
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

void a_mapping_covers_the_granules_it_touches(struct kunit *test)
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

void an_offset_may_lead_to_another_page(struct kunit *test)
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

void after_an_unmap_nothing_is_reached(struct kunit *test)
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

void an_address_is_free_after_its_invalidation(struct kunit *test)
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

void an_unmap_that_grows_to_a_large_page_is_fine(struct kunit *test)
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

void an_alignment_above_the_granule_is_refused(struct kunit *test)
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

void a_table_is_mapped_in_order(struct kunit *test)
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

void a_table_that_cannot_be_mapped_leaves_nothing(struct kunit *test)
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

void a_table_with_half_a_granule_is_refused(struct kunit *test)
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

void a_failed_map_leaves_nothing(struct kunit *test)
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

void a_failed_map_in_lazy_mode_leaves_nothing(struct kunit *test)
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

void a_failed_sync_after_a_map_undoes_it(struct kunit *test)
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

void a_map_is_synced_before_it_is_returned(struct kunit *test)
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

void a_map_done_in_steps_is_complete(struct kunit *test)
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

void two_mappings_of_a_page_are_independent(struct kunit *test)
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
void an_unmap_walks_no_page_table_in_vain(struct kunit *test)
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

void a_sync_of_a_coherent_device_walks_no_page_table(struct kunit *test)
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
	h->work = IRQ_WORK_INIT(map_in_hard_irq);
	irq_work_queue(&h->work);
	irq_work_sync(&h->work);
	KUNIT_EXPECT_TRUE(test, h->in_irq);
	KUNIT_EXPECT_FALSE(test, h->failed);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
}

void hard_interrupts_may_map_and_unmap(struct kunit *test)
{
	/* F56, F77, F90, F138, D1 */
	expect_hard_irq_works(test, platform(test));
}

void hard_interrupts_may_map_and_unmap_lazily(struct kunit *test)
{
	/* F138, D1 */
	lazy(test);
	expect_hard_irq_works(test, platform(test));
}

void hard_interrupts_may_map_and_unmap_bounced(struct kunit *test)
{
	/* F138, D1 */
	expect_hard_irq_works(test, untrusted_pci(test));
}

void resources_are_mapped_as_mmio(struct kunit *test)
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

void resources_of_an_untrusted_device_are_not_bounced(struct kunit *test)
{
	struct device *dev = untrusted_pci(test);
	dma_addr_t addr;

	/* F93 */
	addr = dma_map_resource(dev, MMIO + 0x20, 0x10, DMA_BIDIRECTIONAL, 0);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, phys_at(dev, addr), MMIO + 0x20);
	dma_unmap_resource(dev, addr, 0x10, DMA_BIDIRECTIONAL, 0);
}
