// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping with QEMU's edu device: what is mapped can be reached,
 * at the addresses that the device can have.
 */

#include <linux/dma-map-ops.h>
#include <linux/highmem.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "edu_suite.h"

/* F55, F56, F59, F62, F64: wherever in a page it begins and ends */
void edu_single_buffers_arrive_both_ways(struct kunit *test)
{
	static const struct {
		unsigned int at, len;
	} cases[] = {
		{ 0, 512 }, { 60, 200 }, { 1, 3 }, { PAGE_SIZE - 8, 8 },
		{ PAGE_SIZE - 32, 64 }, { 1000, CHUNK },
	};
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 2), *data = pages(test, 1);
	unsigned int i;

	set_mode(test, edu);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int at = cases[i].at, len = cases[i].len;
		dma_addr_t dma;

		fill(mem, 2 * PAGE_SIZE, i);
		dma = map(test, edu, mem + at, len, DMA_TO_DEVICE);
		if (!edu->pdev->untrusted)
			KUNIT_EXPECT_EQ(test, offset_in_page(dma), at);
		edu_sees(edu, dma, data, len);
		unmap(edu, dma, len, DMA_TO_DEVICE);
		KUNIT_EXPECT_MEMEQ(test, data, mem + at, len);

		memset(mem, CANARY, 2 * PAGE_SIZE);
		fill(data, len, 100 + i);
		edu_load(edu, data, len);
		dma = map(test, edu, mem + at, len, DMA_FROM_DEVICE);
		edu_write(edu, dma, 0, len);
		unmap(edu, dma, len, DMA_FROM_DEVICE);
		KUNIT_EXPECT_MEMEQ(test, data, mem + at, len);
		KUNIT_EXPECT_TRUE(test, all(mem, CANARY, at));
		KUNIT_EXPECT_TRUE(test, all(mem + at + len, CANARY,
					    2 * PAGE_SIZE - at - len));
	}
}

/* F55, F75, F77, D3 */
void edu_both_sides_take_turns_with_syncs(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1) + 100, *data = pages(test, 1);
	const unsigned int len = 300;
	dma_addr_t dma;

	set_mode(test, edu);
	fill(mem, len, 1);
	dma = dma_map_page(edu->dev, virt_to_page(mem), offset_in_page(mem),
			   len, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
	edu_sees(edu, dma, data, len);
	KUNIT_EXPECT_MEMEQ(test, data, mem, len);

	dma_sync_single_for_cpu(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	fill(mem, len, 2);
	dma_sync_single_for_device(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	edu_sees(edu, dma, data, len);
	KUNIT_EXPECT_MEMEQ(test, data, mem, len);

	fill(data, len, 3);
	edu_load(edu, data, len);
	edu_write(edu, dma, 0, len);
	dma_sync_single_for_cpu(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_MEMEQ(test, data, mem, len);

	dma_sync_single_for_device(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	fill(data, len, 4);
	edu_load(edu, data, len);
	edu_write(edu, dma, 0, len);
	dma_unmap_page(edu->dev, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_MEMEQ(test, data, mem, len);
}

static size_t list_len(struct scatterlist *list, int count)
{
	struct scatterlist *sg;
	size_t len = 0;
	int i;

	for_each_sg(list, sg, count, i)
		len += sg_dma_len(sg);
	return len;
}

/* F82, F87, F88, F91: the first and the last bytes of each entry, both ways */
void edu_entries_of_lists_are_reached_at_both_ends(struct kunit *test)
{
	static const struct piece piece[] = {
		{ 0, PAGE_SIZE }, { 0, PAGE_SIZE }, { 0, 100 }, { 200, 24 },
		{ PAGE_SIZE - 96, 96 }, { 0, 2 * PAGE_SIZE }, { 100, 5000 },
	};
	struct scatterlist list[ARRAY_SIZE(piece)];
	u8 *mem[ARRAY_SIZE(piece)], *data = pages(test, 1);
	struct edu *edu = &edus[0];
	size_t at, total = 0;
	unsigned int i;
	int count;

	set_mode(test, edu);
	make_list(test, list, mem, piece, ARRAY_SIZE(piece));
	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		memset(mem[i], CANARY, 2 * PAGE_SIZE);
		fill(mem[i] + piece[i].at, piece[i].len, i);
		total += piece[i].len;
	}
	count = dma_map_sg(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_GT(test, count, 0);
	KUNIT_ASSERT_LE(test, count, ARRAY_SIZE(list));
	KUNIT_ASSERT_EQ(test, list_len(list, count), total);

	for (i = 0, at = 0; i < ARRAY_SIZE(piece); at += piece[i++].len) {
		edu_read(edu, address_in_list(list, count, at), 16 * i, 8);
		edu_read(edu, address_in_list(list, count, at + piece[i].len - 8),
			 16 * i + 8, 8);
	}
	memcpy(data, edu_peek(edu, 0, 16 * i), 16 * i);
	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		u8 *first = mem[i] + piece[i].at;

		KUNIT_EXPECT_MEMEQ(test, data + 16 * i, first, 8);
		KUNIT_EXPECT_MEMEQ(test, data + 16 * i + 8,
				   first + piece[i].len - 8, 8);
	}

	fill(data, 16 * i, 99);
	edu_load(edu, data, 16 * i);
	for (i = 0, at = 0; i < ARRAY_SIZE(piece); at += piece[i++].len) {
		edu_write(edu, address_in_list(list, count, at), 16 * i, 8);
		edu_write(edu, address_in_list(list, count, at + piece[i].len - 8),
			  16 * i + 8, 8);
	}
	dma_unmap_sg(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		u8 *first = mem[i] + piece[i].at, *end = first + piece[i].len;

		KUNIT_EXPECT_MEMEQ(test, data + 16 * i, first, 8);
		KUNIT_EXPECT_MEMEQ(test, data + 16 * i + 8, end - 8, 8);
		KUNIT_EXPECT_TRUE(test, all(mem[i], CANARY, piece[i].at));
		KUNIT_EXPECT_TRUE(test, all(end, CANARY, mem[i] + 2 * PAGE_SIZE - end));
		/* The list is what it was (D2). */
		KUNIT_EXPECT_PTR_EQ(test, sg_virt(&list[i]), (void *)first);
		KUNIT_EXPECT_EQ(test, list[i].length, piece[i].len);
	}
}

/* F87, F88, F108: scattered pages are one segment for the device */
void edu_whole_pages_become_one_segment(struct kunit *test)
{
	static const struct piece piece[] = {
		{ 0, PAGE_SIZE }, { PAGE_SIZE, PAGE_SIZE }, { 0, 2 * PAGE_SIZE },
		{ 0, PAGE_SIZE },
	};
	struct scatterlist list[ARRAY_SIZE(piece)];
	u8 *mem[ARRAY_SIZE(piece)];
	struct edu *edu = trusted_edu(test);
	size_t len = 5 * PAGE_SIZE;
	int count;

	make_list(test, list, mem, piece, ARRAY_SIZE(piece));
	KUNIT_EXPECT_EQ(test, dma_get_merge_boundary(edu->dev), granule(edu) - 1);
	edu_load_token(edu);
	count = dma_map_sg(edu->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_ASSERT_GT(test, count, 0);
	KUNIT_EXPECT_EQ(test, count, 1);
	KUNIT_EXPECT_EQ(test, sg_dma_len(list), len);
	edu_write(edu, address_in_list(list, count, len - 4), 0, 4);
	/* One transfer across the border between two entries. */
	edu_write(edu, address_in_list(list, count, 2 * PAGE_SIZE - 2), 0, 4);
	dma_unmap_sg(edu->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem[3] + PAGE_SIZE - 4), TOKEN);
	KUNIT_EXPECT_EQ(test, *(u16 *)(mem[1] + 2 * PAGE_SIZE - 2), TOKEN & 0xffff);
	KUNIT_EXPECT_EQ(test, *(u16 *)mem[2], TOKEN >> 16);
}

/* F94, F95, F98, F100, F101, D5 */
void edu_coherent_memory_is_zero_and_shared_to_its_ends(struct kunit *test)
{
	static const size_t sizes[] = { 100, SZ_4K, SZ_64K + 1 };
	struct edu *edu = &edus[0];
	unsigned int i;

	set_mode(test, edu);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t len = PAGE_ALIGN(sizes[i]);
		dma_addr_t dma;
		u8 *mem = dma_alloc_coherent(edu->dev, sizes[i], &dma, GFP_KERNEL);
		u8 *last = mem + len - 4;

		KUNIT_ASSERT_NOT_NULL(test, mem);
		KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(dma));
		KUNIT_EXPECT_TRUE(test, all(mem, 0, len));
		edu_load_token(edu);
		edu_write(edu, dma, 0, 4);
		edu_write(edu, dma + len - 4, 0, 4);
		KUNIT_EXPECT_EQ(test, *(u32 *)mem, TOKEN);
		KUNIT_EXPECT_EQ(test, *(u32 *)last, TOKEN);
		*(u32 *)last = ~TOKEN;
		edu_read(edu, dma + len - 4, 0, 4);
		KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, 4), ~TOKEN);
		dma_free_coherent(edu->dev, sizes[i], mem, dma);
	}
}

/* F103, F104, F105 */
void edu_other_allocations_are_shared_too(struct kunit *test)
{
	struct edu *edu = &edus[0];
	const size_t len = SZ_64K;
	struct sg_table *sgt;
	struct page *page;
	dma_addr_t dma;
	u8 *mem;

	set_mode(test, edu);
	edu_load_token(edu);
	sgt = dma_alloc_noncontiguous(edu->dev, len, DMA_FROM_DEVICE,
				      GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, sgt->nents, 1);
	KUNIT_EXPECT_EQ(test, sg_dma_len(sgt->sgl), len);
	mem = dma_vmap_noncontiguous(edu->dev, len, sgt);
	KUNIT_EXPECT_NOT_NULL(test, mem);
	edu_write(edu, sg_dma_address(sgt->sgl) + len - 4, 0, 4);
	if (mem) {
		dma_sync_sgtable_for_cpu(edu->dev, sgt, DMA_FROM_DEVICE);
		invalidate_kernel_vmap_range(mem, len);
		KUNIT_EXPECT_EQ(test, *(u32 *)(mem + len - 4), TOKEN);
		dma_vunmap_noncontiguous(edu->dev, mem);
	}
	dma_free_noncontiguous(edu->dev, len, sgt, DMA_FROM_DEVICE);

	page = dma_alloc_pages(edu->dev, PAGE_SIZE, &dma, DMA_FROM_DEVICE,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	edu_write(edu, dma, 0, 4);
	dma_sync_single_for_cpu(edu->dev, dma, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)page_address(page), TOKEN);
	dma_free_pages(edu->dev, PAGE_SIZE, page, dma, DMA_FROM_DEVICE);
}

/* 6. Addresses. */

/* F30, F39, D4: also when caches hold addresses from above the new mask */
void edu_addresses_stay_below_the_mask(struct kunit *test)
{
	static const unsigned int bits[] = { 64, 32, 28, 24, 64 };
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1);
	dma_addr_t dma[64];
	unsigned int i, n;

	edu_load_token(edu);
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		u64 mask = DMA_BIT_MASK(bits[i]);

		KUNIT_ASSERT_EQ(test, dma_set_mask(edu->dev, mask), 0);
		for (n = 0; n < ARRAY_SIZE(dma); n++) {
			dma[n] = map(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
			KUNIT_EXPECT_LE(test, dma[n] + PAGE_SIZE - 1, mask);
		}
		while (n)
			unmap(edu, dma[--n], PAGE_SIZE, DMA_TO_DEVICE);
		dma[0] = map(test, edu, mem, PAGE_SIZE, DMA_FROM_DEVICE);
		edu_write(edu, dma[0], 0, sizeof(u32));
		unmap(edu, dma[0], PAGE_SIZE, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, *(u32 *)mem, TOKEN);
		memset(mem, 0, PAGE_SIZE);
	}
}

/* F95, D5 */
void edu_coherent_memory_stays_below_its_own_mask(struct kunit *test)
{
	struct edu *edu = &edus[0];
	dma_addr_t dma;
	void *mem;

	KUNIT_ASSERT_EQ(test, dma_set_coherent_mask(edu->dev, DMA_BIT_MASK(28)), 0);
	mem = dma_alloc_coherent(edu->dev, SZ_64K, &dma, GFP_KERNEL);
	dma_set_coherent_mask(edu->dev, DMA_BIT_MASK(64));
	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_EXPECT_LE(test, dma + SZ_64K - 1, DMA_BIT_MASK(28));
	dma_free_coherent(edu->dev, SZ_64K, mem, dma);
}

static bool overlap(u64 first, u64 last, u64 other_first, u64 other_last)
{
	return first <= other_last && other_first <= last;
}

/* F22, F24, F25: neither in a window of the host bridge nor in a region */
static bool is_reserved(struct edu *edu, struct list_head *regions,
			dma_addr_t first, dma_addr_t last)
{
	struct pci_host_bridge *bridge = pci_find_host_bridge(edu->pdev->bus);
	struct iommu_resv_region *region;
	struct resource_entry *window;

	resource_list_for_each_entry(window, &bridge->windows)
		if (resource_type(window->res) == IORESOURCE_MEM &&
		    overlap(first, last, window->res->start - window->offset,
			    window->res->end - window->offset))
			return true;
	list_for_each_entry(region, regions, list)
		if (region->type != IOMMU_RESV_SW_MSI &&
		    overlap(first, last, region->start,
			    region->start + region->length - 1))
			return true;
	return false;
}

struct filled {
	struct edu *edu;
	struct page *page;
	unsigned int nr;
	dma_addr_t dma[1100];		/* 4 GiB of them, and some */
	struct list_head regions;
};

static void empty(void *arg)
{
	struct filled *f = arg;

	while (f->nr)
		dma_unmap_page(f->edu->dev, f->dma[--f->nr], SZ_4M, DMA_TO_DEVICE);
	iommu_put_resv_regions(f->edu->dev, &f->regions);
	__free_pages(f->page, HUGE_ORDER);
}

/*
 * F22, F24, F25, F31, F32: all addresses below 4 GiB are given out, as 4 MiB
 * of memory mapped again and again, and only then those above. The last
 * device, as it is left with the larger addresses.
 */
void edu_addresses_above_4_gib_come_last(struct kunit *test)
{
	struct edu *edu = &edus[nr_edus - 1];
	struct filled *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	/* By iommu.forcedac=1, or as they have been used up before. */
	bool forced = !edu->dev->iommu->pci_32bit_workaround;
	bool high = false;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "IOVAs of 32 bits");
	KUNIT_ASSERT_NOT_NULL(test, f);
	f->edu = edu;
	INIT_LIST_HEAD(&f->regions);
	f->page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, HUGE_ORDER);
	if (!f->page)
		kunit_skip(test, "no 4 MiB of memory in one piece");
	iommu_get_resv_regions(edu->dev, &f->regions);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, empty, f), 0);

	while (f->nr < ARRAY_SIZE(f->dma) && !high) {
		dma_addr_t dma = dma_map_page(edu->dev, f->page, 0, SZ_4M,
					      DMA_TO_DEVICE);

		KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
		f->dma[f->nr++] = dma;
		high = !forced && dma + SZ_4M > BIT_ULL(32);
		if (forced)
			KUNIT_EXPECT_GE(test, dma, BIT_ULL(32));
		KUNIT_EXPECT_FALSE_MSG(test, is_reserved(edu, &f->regions, dma,
							 dma + SZ_4M - 1),
				       "%pad is reserved", &dma);
	}
	KUNIT_EXPECT_TRUE(test, high || forced);
	*(u32 *)page_address(f->page) = TOKEN;
	dma_sync_single_for_device(edu->dev, f->dma[f->nr - 1], SZ_4M, DMA_TO_DEVICE);
	edu_read(edu, f->dma[f->nr - 1], 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)), TOKEN);

	/* Nothing is in two places, and 32 bits are used up. */
	for (i = 1; i < f->nr; i++)
		KUNIT_EXPECT_NE(test, f->dma[i - 1], f->dma[i]);
	kunit_info(test, "%u times 4 MiB, the last at %pad\n", f->nr,
		   &f->dma[f->nr - 1]);
}

/* 8. Interrupts. */

/* F111, F112, F113, F25: the doorbell is mapped where it has to be */
void edu_message_signalled_interrupts_arrive(struct kunit *test)
{
	struct edu *edu;
	int irq, ret;

	for (edu = edus; edu < edus + nr_edus; edu++) {
		reinit_completion(&edu->irq);
		ret = pci_alloc_irq_vectors(edu->pdev, 1, 1, PCI_IRQ_MSI);
		KUNIT_ASSERT_EQ(test, ret, 1);
		irq = pci_irq_vector(edu->pdev, 0);
		ret = request_irq(irq, edu_interrupt, 0, "dmamap_edu", edu);
		KUNIT_EXPECT_EQ(test, ret, 0);
		if (!ret) {
			writel(1, edu->regs + EDU_IRQ_RAISE);
			KUNIT_EXPECT_TRUE(test, interrupted(edu));
			edu_start(edu, edu->window_dma, 0, sizeof(u32), EDU_DMA_IRQ);
			KUNIT_EXPECT_TRUE(test, interrupted(edu));
			edu_finish(edu);
			free_irq(irq, edu);
		}
		pci_free_irq_vectors(edu->pdev);
	}
}

/* 9. Memory of another PCI device. */

struct lent {
	struct pci_dev *lender;
	void *mem;
};

static void give_back(void *arg)
{
	struct lent *lent = arg;

	if (lent->mem)
		pci_free_p2pmem(lent->lender, lent->mem, PAGE_SIZE);
	pci_dev_put(lent->lender);
}

/* A page of it, which the device reaches through the host bridge. */
static u32 *device_page(struct kunit *test, struct edu *edu)
{
	struct lent *lent = kunit_kzalloc(test, sizeof(*lent), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, lent);
	lent->lender = pci_p2pmem_find(edu->dev);
	if (!lent->lender)
		kunit_skip(test, "no device has memory that this one reaches");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, give_back, lent));
	lent->mem = pci_alloc_p2pmem(lent->lender, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, lent->mem);
	return lent->mem;
}

/*
 * F81, F85, D9: part of a page of it, after a page of memory, in a list. That
 * of an untrusted device is mapped entry by entry, and not bounced.
 */
void edu_memory_of_another_device_is_reached(struct kunit *test)
{
	const unsigned int at = 256, len = 512;
	struct edu *edu = &edus[0];
	u32 *there = device_page(test, edu);
	u8 *mem = pages(test, 1);
	struct scatterlist list[2];
	dma_addr_t dma;
	int count;

	sg_init_table(list, 2);
	sg_set_buf(&list[0], mem, PAGE_SIZE);
	sg_set_page(&list[1], virt_to_page(there), len, at);
	there += at / sizeof(u32);
	WRITE_ONCE(there[0], 0);
	WRITE_ONCE(there[1], WORD(SECRET));
	count = dma_map_sg(edu->dev, list, 2, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, count, 2);
	dma = address_in_list(list, count, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), virt_to_phys(there));
	edu_load_token(edu);
	edu_write(edu, dma, 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, READ_ONCE(there[0]), TOKEN);
	edu_read(edu, dma + sizeof(u32), 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)), WORD(SECRET));
	edu_load_token(edu);
	edu_write(edu, address_in_list(list, count, 8), 0, sizeof(u32));
	dma_unmap_sg(edu->dev, list, 2, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + 8), TOKEN);

	let_flush(edu);
	WRITE_ONCE(there[0], WORD(CANARY));
	edu_write_faults(edu, dma);
	KUNIT_EXPECT_FALSE(test, got_through(READ_ONCE(there[0]) != WORD(CANARY)));
}
