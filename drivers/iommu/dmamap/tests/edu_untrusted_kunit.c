// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping with QEMU's edu device: devices that are not trusted.
 */

#include <linux/dma-map-ops.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "edu_suite.h"

static struct edu *untrusted_edu(struct kunit *test)
{
	struct edu *edu = &edus[0];

	/* What is asked next is not exported to modules. */
	if (IS_MODULE(CONFIG_DMAMAP_EDU_TEST) || !edu->pdev->untrusted)
		kunit_skip(test, "needs to be built in, and dmamap_edu.untrusted=1");
	if (!is_swiotlb_active(edu->dev))
		kunit_skip(test, "needs bounce buffers: boot with iommu=soft");
	return edu;
}

/* 4. Untrusted devices. */

/* F8: also when the kernel is booted with iommu.strict=0 */
void edu_an_untrusted_device_has_a_strict_domain(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);

	KUNIT_EXPECT_EQ(test, domain_of(edu)->type, IOMMU_DOMAIN_DMA);
}

/* Leave a secret in each slot there is, by mappings until no more fits. */
static void soil_slots(struct kunit *test, struct edu *edu)
{
	const unsigned long max = SZ_64M / PAGE_SIZE;
	const size_t len = PAGE_SIZE - 2;
	unsigned long nr = 0;
	dma_addr_t *dma;
	u8 *mem;

	mem = pages(test, 1);
	memset(mem, SECRET, PAGE_SIZE);
	dma = kunit_kcalloc(test, max, sizeof(*dma), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dma);
	while (nr < max) {
		dma[nr] = dma_map_single_attrs(edu->dev, mem + 1, len, DMA_TO_DEVICE,
					       DMA_ATTR_NO_WARN);
		if (dma_mapping_error(edu->dev, dma[nr]))
			break;
		nr++;
		cond_resched();
	}
	KUNIT_EXPECT_GT(test, nr, 0);
	while (nr) {
		dma_unmap_single_attrs(edu->dev, dma[--nr], len, DMA_TO_DEVICE, 0);
		cond_resched();
	}
}

/*
 * F68, F70, D8: nothing but the buffer is in its granules, and it is at the same
 * place in them when the device wants that.
 */
void edu_beside_a_bounced_buffer_are_zeroes(struct kunit *test)
{
	static const struct piece piece[] = {
		{ 300, 100 }, { PAGE_SIZE - 100, 200 }, { 0, 1 },
		{ 1, PAGE_SIZE - 2 },
	};
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 2), *seen = pages(test, 2);
	size_t gran = granule(edu);
	unsigned int i;

	soil_slots(test, edu);
	for (i = 0; i < 2 * ARRAY_SIZE(piece); i++) {
		unsigned int at = piece[i / 2].at, len = piece[i / 2].len;
		unsigned int first, last, span;
		dma_addr_t dma;

		dma_set_min_align_mask(edu->dev, i % 2 ? gran - 1 : 0);
		memset(mem, SECRET, 2 * PAGE_SIZE);
		fill(mem + at, len, i);
		dma = map(test, edu, mem + at, len, DMA_BIDIRECTIONAL);
		first = before(edu, dma);
		if (i % 2)
			KUNIT_EXPECT_EQ(test, first, at & (gran - 1));
		last = first + len;
		span = round_up(last, gran);
		edu_sees(edu, dma - first, seen, span);
		unmap(edu, dma, len, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_TRUE(test, all(seen, 0, first));
		KUNIT_EXPECT_MEMEQ(test, seen + first, mem + at, len);
		KUNIT_EXPECT_TRUE(test, all(seen + last, 0, span - last));
	}
}

/* F68: however small they are, and each keeps what is its own */
void edu_bounced_buffers_share_no_granule(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *seen = pages(test, 1);
	size_t gran = granule(edu);
	dma_addr_t dma[4];
	unsigned int i;

	fill(mem, PAGE_SIZE, 1);
	for (i = 0; i < ARRAY_SIZE(dma); i++)
		dma[i] = map(test, edu, mem + 256 * i, 100, DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(dma); i++) {
		unsigned int first = before(edu, dma[i]), last = first + 100;

		edu_sees(edu, dma[i] - first, seen, gran);
		KUNIT_EXPECT_TRUE(test, all(seen, 0, first));
		KUNIT_EXPECT_MEMEQ(test, seen + first, mem + 256 * i, 100);
		KUNIT_EXPECT_TRUE(test, all(seen + last, 0, gran - last));
	}
	while (i)
		unmap(edu, dma[--i], 100, DMA_BIDIRECTIONAL);
}

/* F66, F69: and the bytes beside the buffer, which are nobody's business */
void edu_what_the_device_does_not_write_stays(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_FROM_DEVICE, DMA_BIDIRECTIONAL,
	};
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *want = pages(test, 1);
	const unsigned int at = 200, len = 512;
	unsigned int i;
	dma_addr_t dma;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		fill(mem, PAGE_SIZE, i);
		memcpy(want, mem, PAGE_SIZE);
		*(u32 *)(want + at + 100) = TOKEN;
		edu_load_token(edu);
		dma = map(test, edu, mem + at, len, dirs[i]);
		edu_write(edu, dma + 100, 0, sizeof(u32));
		unmap(edu, dma, len, dirs[i]);
		KUNIT_EXPECT_MEMEQ(test, mem, want, PAGE_SIZE);
	}

	/* What the device wrote into the padding goes nowhere. */
	memset(want, TOKEN & 0xff, CHUNK);
	edu_load(edu, want, CHUNK);
	fill(mem, PAGE_SIZE, 9);
	memcpy(want, mem, PAGE_SIZE);
	memset(want + at, TOKEN & 0xff, len);
	dma = map(test, edu, mem + at, len, DMA_FROM_DEVICE);
	edu_write(edu, dma - before(edu, dma), 0, CHUNK);
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_MEMEQ(test, mem, want, PAGE_SIZE);
}

/* F69, F70: data of an earlier mapping reaches neither the device nor another */
void edu_a_slot_holds_nothing_of_its_last_use(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *seen = pages(test, 1);
	const unsigned int at = 64, len = 128;
	dma_addr_t dma;

	soil_slots(test, edu);
	dma = map(test, edu, mem + at, len, DMA_FROM_DEVICE);
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all(mem, 0, PAGE_SIZE));

	dma = map(test, edu, mem + at, len, DMA_BIDIRECTIONAL);
	edu_sees(edu, dma - before(edu, dma), seen, granule(edu));
	unmap(edu, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, all(seen, 0, granule(edu)));
}

/* F61, F66: a late write meets neither the buffer nor a slot in use */
void edu_a_late_write_does_not_reach_a_bounced_buffer(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *next = pages(test, 2);
	const unsigned int at = 200, len = 64, next_len = PAGE_SIZE + 1000;
	dma_addr_t dma, next_dma;

	memset(mem, CANARY, PAGE_SIZE);
	memset(next, CANARY, 2 * PAGE_SIZE);
	edu_load_token(edu);
	dma = map(test, edu, mem + at, len, DMA_FROM_DEVICE);
	edu_write(edu, dma + 32, 0, sizeof(u32));
	edu_start(edu, dma, 0, sizeof(u32), EDU_DMA_TO_RAM);
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + at + 32), TOKEN);
	/* On a busy host it may have been early, and is then no fault. */
	count_refused(*(u32 *)(mem + at) != TOKEN);
	memset(mem, CANARY, PAGE_SIZE);
	/* Another size, so that the address is not that of the late write. */
	next_dma = map(test, edu, next + 1, next_len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), 0);
	edu_finish(edu);
	unmap(edu, next_dma, next_len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, got_through(!all(mem, CANARY, PAGE_SIZE) ||
					     !all(next, CANARY, 2 * PAGE_SIZE)));
}

/* F72 */
void edu_aligned_buffers_are_not_bounced(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 2);
	dma_addr_t dma;

	edu_load_token(edu);
	dma = map(test, edu, mem, 2 * PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), virt_to_phys(mem));
	edu_write(edu, dma + PAGE_SIZE, 0, sizeof(u32));
	/* Without any sync, as emulators have no caches. */
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + PAGE_SIZE), TOKEN);
	unmap(edu, dma, 2 * PAGE_SIZE, DMA_FROM_DEVICE);

	dma = map(test, edu, mem, PAGE_SIZE + 1, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NE(test, translated(edu, dma), virt_to_phys(mem));
	unmap(edu, dma, PAGE_SIZE + 1, DMA_FROM_DEVICE);
}

/* F75: what lies beside the range stays as it is on both sides */
void edu_a_partial_sync_moves_only_its_range(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	u8 *mem = pages(test, 1), *want = pages(test, 1), *seen = pages(test, 1);
	u8 *buf = mem + 100;
	const unsigned int len = 600;
	dma_addr_t dma;

	fill(buf, len, 1);
	memcpy(want, buf, len);
	dma = map(test, edu, buf, len, DMA_BIDIRECTIONAL);
	memset(buf, 2, len);
	memset(want + 200, 2, 100);
	dma_sync_single_for_device(edu->dev, dma + 200, 100, DMA_BIDIRECTIONAL);
	edu_sees(edu, dma, seen, len);
	KUNIT_EXPECT_MEMEQ(test, seen, want, len);

	memset(seen, 3, len);
	edu_load(edu, seen, len);
	edu_write(edu, dma, 0, len);
	KUNIT_EXPECT_TRUE(test, all(buf, 2, len));
	memset(want, 2, len);
	memset(want + 50, 3, 20);
	dma_sync_single_for_cpu(edu->dev, dma + 50, 20, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_MEMEQ(test, buf, want, len);
	unmap(edu, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, all(buf, 3, len));
}

/* F76, F78, F79 */
void edu_lists_of_an_untrusted_device_are_bounced(struct kunit *test)
{
	static const struct piece piece[] = {
		{ 10, 100 }, { PAGE_SIZE - 4, 8 }, { 0, PAGE_SIZE }, { 0, 50 },
	};
	struct edu *edu = untrusted_edu(test);
	struct scatterlist list[ARRAY_SIZE(piece)], *sg;
	u8 *mem[ARRAY_SIZE(piece)], *seen = pages(test, 1);
	unsigned int first, last;
	int i, count;

	make_list(test, list, mem, piece, ARRAY_SIZE(piece));
	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		memset(mem[i], SECRET, 2 * PAGE_SIZE);
		fill(mem[i] + piece[i].at, piece[i].len, i);
	}
	count = dma_map_sg(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, count, ARRAY_SIZE(list));
	edu_load_token(edu);
	for_each_sg(list, sg, count, i) {
		KUNIT_EXPECT_EQ(test, sg_dma_len(sg), piece[i].len);
		edu_write(edu, sg_dma_address(sg) + 4, 0, sizeof(u32));
	}
	dma_sync_sg_for_cpu(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(piece); i++)
		KUNIT_EXPECT_EQ(test, *(u32 *)(mem[i] + piece[i].at + 4), TOKEN);
	fill(mem[0] + piece[0].at, piece[0].len, 77);
	dma_sync_sg_for_device(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	first = before(edu, sg_dma_address(list));
	last = first + piece[0].len;
	edu_sees(edu, sg_dma_address(list) - first, seen, granule(edu));
	KUNIT_EXPECT_TRUE(test, all(seen, 0, first));
	KUNIT_EXPECT_MEMEQ(test, seen + first, mem[0] + piece[0].at, piece[0].len);
	KUNIT_EXPECT_TRUE(test, all(seen + last, 0, granule(edu) - last));
	dma_unmap_sg(edu->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	for (i = 0; i < ARRAY_SIZE(piece); i++)
		KUNIT_EXPECT_TRUE(test, all(mem[i], SECRET, piece[i].at));
}

/* F80, B8 (W): the mark of a bounced list does not outlive the mapping */
void edu_a_list_once_bounced_serves_other_devices(struct kunit *test)
{
	static const struct piece piece[] = { { 0, PAGE_SIZE }, { 0, 200 } };
	struct scatterlist list[ARRAY_SIZE(piece)];
	u8 *mem[ARRAY_SIZE(piece)];
	struct edu *other, *edu = untrusted_edu(test);
	int count;

	/* stock fails this, with a warning for each entry but the first */
	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK))
		kunit_skip(test, "stock unmaps entry by entry what is one segment");
	other = trusted_edu(test);
	make_list(test, list, mem, piece, ARRAY_SIZE(piece));
	count = dma_map_sg(edu->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, count, ARRAY_SIZE(list));
	dma_unmap_sg(edu->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);

	count = dma_map_sg(other->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_ASSERT_GT(test, count, 0);
	KUNIT_EXPECT_EQ(test, count, 1);
	edu_load_token(other);
	edu_write(other, address_in_list(list, count, PAGE_SIZE), 0, sizeof(u32));
	dma_sync_sg_for_cpu(other->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	dma_unmap_sg(other->dev, list, ARRAY_SIZE(list), DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)mem[1], TOKEN);
}

/* F71 */
void edu_the_largest_mapping_is_that_of_the_bounce_buffers(struct kunit *test)
{
	struct edu *edu = untrusted_edu(test);
	size_t max = dma_max_mapping_size(edu->dev), len;
	dma_addr_t dma;
	u8 *mem;

	if (!IS_MODULE(CONFIG_DMAMAP_EDU_TEST))
		KUNIT_EXPECT_LE(test, max, swiotlb_max_mapping_size(edu->dev));
	KUNIT_ASSERT_GE(test, max, SZ_64K);
	/* As a slot keeps the offset, the first granule may be gone. */
	len = max - granule(edu);
	mem = pages(test, max / PAGE_SIZE + 1) + 512;
	dma = map(test, edu, mem, len, DMA_FROM_DEVICE);
	edu_load_token(edu);
	edu_write(edu, dma + len - sizeof(u32), 0, sizeof(u32));
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + len - sizeof(u32)), TOKEN);
}

/* F71 */
void edu_mappings_of_a_trusted_device_have_no_largest(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, dma_max_mapping_size(trusted_edu(test)->dev), SIZE_MAX);
}

/* 5. F63, F69, D6: small kmalloc() buffers of a device that is not coherent */
void edu_small_buffers_of_an_incoherent_device_are_bounced(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	const size_t len = 24;
	dma_addr_t dma;
	u8 *mem;

	set_coherent(edu, false);
	if (!dma_kmalloc_needs_bounce(edu->dev, len, DMA_FROM_DEVICE))
		kunit_skip(test, "a buffer of %zu bytes is safe here", len);
	mem = kunit_kmalloc(test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mem);

	memset(mem, CANARY, len);
	edu_load_token(edu);
	dma = map(test, edu, mem, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NE(test, translated(edu, dma), virt_to_phys(mem));
	edu_write(edu, dma + 8, 0, sizeof(u32));
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, len));
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + 8), TOKEN);
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, 8));
	KUNIT_EXPECT_TRUE(test, all(mem + 12, CANARY, 12));

	/* What the device only reads shares its cache lines with no writer. */
	dma = map(test, edu, mem, len, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, translated(edu, dma), virt_to_phys(mem));
	edu_read(edu, dma + 8, 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)), TOKEN);
	unmap(edu, dma, len, DMA_TO_DEVICE);
}

/*
 * F83, B4 (W): in lazy mode a device may still write to a slot after the unmap.
 * Until the flush the slot must not be another mapping's. The write falls into
 * that time, and the other mappings take all slots that they can get. One that
 * got the address too is written to by right.
 */
void edu_a_slot_serves_nobody_else_before_the_flush(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	const size_t len = 24, step = 128;
	unsigned int nr = 0, i, max = 1024, wrong = 0;
	const u32 late = ~TOKEN;
	dma_addr_t dma, *others;
	bool made;
	u32 *slot;
	u8 *mem;

	/* stock fails this: it gives the slot back at once */
	set_coherent(edu, false);
	if (!is_lazy(edu))
		kunit_skip(test, "in strict mode the flush comes first");
	if (!dma_kmalloc_needs_bounce(edu->dev, len, DMA_FROM_DEVICE))
		kunit_skip(test, "a buffer of %zu bytes is safe here", len);
	mem = kunit_kzalloc(test, (max + 1) * step, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	others = kunit_kcalloc(test, max, sizeof(*others), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, others);

	edu_load_token(edu);
	dma = map(test, edu, mem + max * step, len, DMA_FROM_DEVICE);
	slot = phys_to_virt(translated(edu, dma));
	edu_write(edu, dma, 0, sizeof(u32));
	edu_load(edu, &late, sizeof(late));
	edu_start(edu, dma, 0, sizeof(u32), EDU_DMA_TO_RAM);
	/* Before the write, by less than the flush queue's timer. */
	usleep_range(TRANSFER_US - 5 * USEC_PER_MSEC, TRANSFER_US - 5 * USEC_PER_MSEC + 10);
	unmap(edu, dma, len, DMA_FROM_DEVICE);
	while (nr < max) {
		others[nr] = dma_map_single_attrs(edu->dev, mem + nr * step, len,
						  DMA_FROM_DEVICE, DMA_ATTR_NO_WARN);
		if (dma_mapping_error(edu->dev, others[nr]))
			break;
		nr++;
	}
	edu_finish(edu);
	made = *slot == late;
	for (i = 0; i < nr; i++) {
		u8 *other = mem + i * step;

		dma_unmap_single_attrs(edu->dev, others[i], len, DMA_FROM_DEVICE, 0);
		if (others[i] == dma)
			made |= *(u32 *)other == late;
		else
			wrong += !all(other, 0, len);
	}
	KUNIT_EXPECT_GT(test, nr, 0);
	KUNIT_EXPECT_FALSE(test, got_through(wrong));
	count_refused(!made);
	atomic_add(made, &dmamap_edu_attempts);
	atomic_add(made, &dmamap_edu_in_window);
	kunit_info(test, "beside %u mappings, the late write was %s\n", nr,
		   made ? "made" : "refused");
}
