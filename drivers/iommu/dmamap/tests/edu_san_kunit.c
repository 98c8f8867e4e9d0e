// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the sanitizer with a bus master: "edu", see edu_kunit.c.
 *
 * 1. A test lets the device do one wrong access, and asks for the report of its
 *    fault: the kind, the distance, the mapping, and the functions that mapped and
 *    unmapped it.
 * 2. VT-d tells the page of an access, SMMUv3 the byte.
 * 3. Each wrong access is of four bytes.  The suite dmamap_edu, which runs later,
 *    tells their number with its own.
 * 4. The sanitizer is off for the device after each test.
 */

#include <linux/kallsyms.h>
#include <linux/sizes.h>
#include <linux/stackdepot.h>
#include <trace/events/printk.h>

#include "../fault.h"
#include "../sanitize.h"
#include "edu_suite.h"

static struct iommu_dma_cookie *cookie_of(struct edu *edu)
{
	return dmamap_cookie(edu->dev);
}

static int san_init(struct kunit *test)
{
	unsigned int i;
	int ret;

	ret = edu_test_init(test);
	if (ret)
		return ret;
	dmamap_san_watch();
	for (i = 0; i < nr_edus; i++) {
		ret = dmamap_san_enable(cookie_of(&edus[i]), edus[i].dev, false);
		if (ret)
			return ret;
	}
	return 0;
}

static void san_exit(struct kunit *test)
{
	unsigned int i;

	dmamap_faults_wait();
	for (i = 0; i < nr_edus; i++) {
		dmamap_san_disable(cookie_of(&edus[i]));
		dmamap_san_drain(cookie_of(&edus[i]));
	}
	edu_test_exit(test);
}

static int san_suite_init(struct kunit_suite *suite)
{
	return edu_register();
}

static void san_suite_exit(struct kunit_suite *suite)
{
	edu_unregister();
}

/* Their names are what stacks are searched for. */

static noinline dma_addr_t map_here(struct edu *edu, void *mem, size_t size,
				    enum dma_data_direction dir)
{
	dma_addr_t dma = dma_map_single(edu->dev, mem, size, dir);

	barrier();
	return dma;
}

static noinline void unmap_here(struct edu *edu, dma_addr_t dma, size_t size,
				enum dma_data_direction dir)
{
	dma_unmap_single(edu->dev, dma, size, dir);
	barrier();
}

static bool stack_has(depot_stack_handle_t stack, const char *function)
{
	unsigned long *entries;
	unsigned int nr = stack ? stack_depot_fetch(stack, &entries) : 0;
	char name[KSYM_SYMBOL_LEN];

	while (nr) {
		sprint_symbol_no_offset(name, entries[--nr]);
		if (!strncmp(name, function, strlen(function)))
			return true;
	}
	return false;
}

/* The device accesses four bytes. Returns the report of the fault. */
static struct dmamap_fault *provoke(struct kunit *test, struct edu *edu,
				    dma_addr_t addr, bool write)
{
	struct dmamap_fault *fault = kunit_kzalloc(test, sizeof(*fault), GFP_KERNEL);
	unsigned int before = 0;

	KUNIT_ASSERT_NOT_NULL(test, fault);
	if (dmamap_fault_last(edu->dev, fault))
		before = fault->nr;
	if (write)
		edu_write(edu, addr, 0, sizeof(u32));
	else
		edu_read(edu, addr, SPARE, sizeof(u32));
	count_refused(1);
	KUNIT_ASSERT_TRUE(test, dmamap_fault_last(edu->dev, fault));
	KUNIT_ASSERT_EQ(test, fault->nr, before + 1);
	KUNIT_EXPECT_TRUE(test, fault->known);
	KUNIT_EXPECT_EQ(test, !!(fault->flags & DMA_FAULT_WRITE), write);
	if (fault->flags & DMA_FAULT_PAGE)
		addr = round_down(addr, SZ_4K);
	KUNIT_EXPECT_EQ(test, fault->addr, addr);
	return fault;
}

static void expect_mapping(struct kunit *test, const struct dmamap_fault *fault,
			   dma_addr_t dma, size_t size)
{
	KUNIT_ASSERT_NOT_NULL(test, fault->rec);
	KUNIT_EXPECT_EQ(test, fault->rec->start + fault->rec->offset, dma);
	KUNIT_EXPECT_EQ(test, fault->rec->bytes, size);
	KUNIT_EXPECT_STREQ(test, fault->rec->driver, "dmamap_edu");
	KUNIT_EXPECT_TRUE(test, stack_has(fault->rec->map_stack, "map_here"));
}

static void a_write_after_the_unmap_names_who_unmapped(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	u8 *mem = pages(test, 1);
	struct dmamap_fault *fault;
	dma_addr_t dma;

	dma = map_here(edu, mem, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
	unmap_here(edu, dma, PAGE_SIZE, DMA_FROM_DEVICE);
	let_flush(edu);
	fault = provoke(test, edu, dma, true);
	KUNIT_EXPECT_EQ(test, fault->kind, DMAMAP_FAULT_AFTER_UNMAP);
	expect_mapping(test, fault, dma, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, stack_has(fault->rec->unmap_stack, "unmap_here"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(fault->headline, "write after unmap"));
}

static dma_addr_t mapped(struct kunit *test, struct edu *edu, void *mem,
			 size_t size, enum dma_data_direction dir)
{
	dma_addr_t dma = map_here(edu, mem, size, dir);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
	return dma;
}

/* Unmap that long before the device writes. Returns its fault. */
static bool late_write(struct kunit *test, struct edu *edu, unsigned int us,
		       dma_addr_t *dma, struct dmamap_fault *fault)
{
	u8 *mem = pages(test, 1);
	unsigned int before = 0;
	ktime_t start;

	if (dmamap_fault_last(edu->dev, fault))
		before = fault->nr;
	*dma = mapped(test, edu, mem, PAGE_SIZE, DMA_FROM_DEVICE);
	start = ktime_get();
	edu_start(edu, *dma, 0, sizeof(u32), EDU_DMA_TO_RAM);
	while (ktime_us_delta(ktime_get(), start) < TRANSFER_US - us)
		cpu_relax();
	unmap_here(edu, *dma, PAGE_SIZE, DMA_FROM_DEVICE);
	msleep(20);
	edu_finish(edu);
	if (!dmamap_fault_last(edu->dev, fault) || fault->nr == before)
		return false;
	count_refused(1);
	return true;
}

/* The clocks of CPU and device differ a little, so try several times. */
static void an_access_right_after_the_unmap_is_in_the_flush_queue(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	struct dmamap_fault fault = { };
	unsigned int us = 1500;
	dma_addr_t dma;

	while (!late_write(test, edu, us, &dma, &fault) && us < 8000)
		us += 1000;
	KUNIT_EXPECT_EQ(test, fault.kind, is_lazy(edu) ? DMAMAP_FAULT_IN_QUEUE :
							DMAMAP_FAULT_AFTER_UNMAP);
	expect_mapping(test, &fault, dma, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, stack_has(fault.rec->unmap_stack, "unmap_here"));
	KUNIT_EXPECT_LT(test, fault.time - fault.rec->unmapped, 10 * NSEC_PER_MSEC);
}

static void an_access_a_second_after_the_unmap_is_explained(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	u8 *mem = pages(test, 1);
	struct dmamap_fault *fault;
	dma_addr_t dma;

	dma = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	unmap_here(edu, dma, PAGE_SIZE, DMA_TO_DEVICE);
	msleep(2000);
	fault = provoke(test, edu, dma, false);
	KUNIT_EXPECT_EQ(test, fault->kind, DMAMAP_FAULT_AFTER_UNMAP);
	expect_mapping(test, fault, dma, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, fault->rec->state, DMAMAP_FREED);
	KUNIT_EXPECT_TRUE(test, stack_has(fault->rec->unmap_stack, "unmap_here"));
}

static const struct beside {
	const char *name;
	unsigned int bytes;
	bool before;
} besides[] = {
	{ "1 byte after", 1 },
	{ "1 page after", SZ_4K },
	{ "64 KiB after", SZ_64K },
	{ "1 MiB after", SZ_1M },
	{ "1 byte before", 1, true },
	{ "1 page before", SZ_4K, true },
	{ "64 KiB before", SZ_64K, true },
	{ "1 MiB before", SZ_1M, true },
};

KUNIT_ARRAY_PARAM_DESC(beside, besides, name);

static void an_access_beside_a_buffer_tells_its_distance(struct kunit *test)
{
	const struct beside *beside = test->param_value;
	struct edu *edu = trusted_edu(test);
	u8 *mem = pages(test, 4);
	u64 first, distance;
	struct dmamap_fault *fault;
	dma_addr_t dma;

	dma = mapped(test, edu, mem, 4 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	/* The four bytes do not cross the end of a page. */
	first = beside->before ? dma - max(beside->bytes, 4U) :
				 dma + 4 * PAGE_SIZE + (beside->bytes & ~1);
	if (is_for_interrupts(first) || translated(edu, first))
		kunit_skip(test, "something else is there");
	fault = provoke(test, edu, first, true);
	if (beside->before)
		distance = dma - (fault->flags & DMA_FAULT_PAGE ? first | (SZ_4K - 1) :
								  first);
	else
		distance = fault->addr - (dma + 4 * PAGE_SIZE) + 1;
	KUNIT_EXPECT_EQ(test, fault->kind, DMAMAP_FAULT_BESIDE);
	KUNIT_EXPECT_EQ(test, fault->before, beside->before);
	KUNIT_EXPECT_EQ(test, fault->distance, distance);
	expect_mapping(test, fault, dma, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, fault->rec->unmapped, 0);
	unmap_here(edu, dma, 4 * PAGE_SIZE, DMA_BIDIRECTIONAL);
}

static void a_write_to_a_read_only_buffer_is_named(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	u8 *mem = pages(test, 1);
	struct dmamap_fault *fault;
	dma_addr_t dma;

	dma = mapped(test, edu, mem + 64, 512, DMA_TO_DEVICE);
	fault = provoke(test, edu, dma, true);
	KUNIT_EXPECT_EQ(test, fault->kind, DMAMAP_FAULT_DIRECTION);
	expect_mapping(test, fault, dma, 512);
	unmap_here(edu, dma, 512, DMA_TO_DEVICE);
}

static void an_access_far_from_all_is_of_what_was_never_mapped(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	struct dmamap_fault *fault;
	u8 *mem = pages(test, 1);
	dma_addr_t dma;

	dma = mapped(test, edu, mem, PAGE_SIZE, DMA_FROM_DEVICE);
	fault = provoke(test, edu, dma - SZ_512M, false);
	KUNIT_EXPECT_EQ(test, fault->kind, DMAMAP_FAULT_NEVER);
	KUNIT_EXPECT_NULL(test, fault->rec);
	unmap_here(edu, dma, PAGE_SIZE, DMA_FROM_DEVICE);
}

static void faults_of_two_devices_name_their_own_buffers(struct kunit *test)
{
	struct dmamap_fault *fault;
	dma_addr_t dma[2];
	unsigned int i;

	if (nr_edus < 2)
		kunit_skip(test, "needs two devices");
	/* Both have the same addresses. */
	for (i = 0; i < 2; i++) {
		dma[i] = mapped(test, &edus[i], pages(test, 1), PAGE_SIZE,
				DMA_FROM_DEVICE);
		unmap_here(&edus[i], dma[i], PAGE_SIZE, DMA_FROM_DEVICE);
		let_flush(&edus[i]);
	}
	for (i = 0; i < 2; i++) {
		fault = provoke(test, &edus[i], dma[i], true);
		KUNIT_EXPECT_EQ(test, fault->kind, DMAMAP_FAULT_AFTER_UNMAP);
		expect_mapping(test, fault, dma[i], PAGE_SIZE);
		KUNIT_EXPECT_STREQ(test, fault->rec->device, dev_name(edus[i].dev));
	}
}

static void a_fault_without_the_sanitizer_says_what_is_there(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	struct dmamap_fault fault = { };
	u8 *mem = pages(test, 1);
	dma_addr_t dma;

	dmamap_san_disable(cookie_of(edu));
	dma = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	edu_write(edu, dma, 0, sizeof(u32));
	count_refused(1);
	KUNIT_ASSERT_TRUE(test, dmamap_fault_last(edu->dev, &fault));
	KUNIT_EXPECT_EQ(test, fault.kind, DMAMAP_FAULT_UNKNOWN);
	if (IS_ENABLED(CONFIG_DEBUG_FS))
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(fault.headline, "live (mapped)"),
					  "%s", fault.headline);
	unmap_here(edu, dma, PAGE_SIZE, DMA_TO_DEVICE);
}

/* Guards and quarantine */

static void each_mapping_is_aligned_and_between_guards(struct kunit *test)
{
	static const size_t sizes[] = { 64, SZ_4K, SZ_4K + 1, SZ_16K, 5 * SZ_4K, SZ_64K };
	dma_addr_t dma[8 * ARRAY_SIZE(sizes)];
	struct edu *edu = trusted_edu(test);
	unsigned int i, guards = 0, aligned = 0;
	u8 *mem = pages(test, SZ_64K >> PAGE_SHIFT);

	for (i = 0; i < ARRAY_SIZE(dma); i++)
		dma[i] = mapped(test, edu, mem, sizes[i % ARRAY_SIZE(sizes)],
				DMA_TO_DEVICE);
	for (i = 0; i < ARRAY_SIZE(dma); i++) {
		size_t size = ALIGN(sizes[i % ARRAY_SIZE(sizes)], granule(edu));

		guards += !translated(edu, dma[i] - 1) &&
			  !translated(edu, dma[i] + size);
		aligned += !(dma[i] & (roundup_pow_of_two(size) - 1));
	}
	while (i) {
		i--;
		unmap_here(edu, dma[i], sizes[i % ARRAY_SIZE(sizes)], DMA_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, guards, ARRAY_SIZE(dma));
	KUNIT_EXPECT_EQ(test, aligned, ARRAY_SIZE(dma));
}

static void an_address_in_quarantine_is_not_used_again(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	u8 *mem = pages(test, 1);
	dma_addr_t first, dma;
	unsigned int i, again = 0;

	first = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	unmap_here(edu, first, PAGE_SIZE, DMA_TO_DEVICE);
	for (i = 0; i < 100; i++) {
		dma = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
		again += dma == first;
		unmap_here(edu, dma, PAGE_SIZE, DMA_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, again, 0);
	dmamap_san_drain(cookie_of(edu));
	dma = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	unmap_here(edu, dma, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, dma, first);
}

static void the_quarantine_ends_when_addresses_run_out(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	unsigned int i, order = get_order(SZ_2M), failed = 0;
	unsigned long mem = __get_free_pages(GFP_KERNEL, order);
	dma_addr_t dma;

	KUNIT_ASSERT_NE(test, mem, 0);
	/* 64 MiB of addresses, of which all are used three times. */
	KUNIT_ASSERT_EQ(test, dma_set_mask(edu->dev, SZ_64M - 1), 0);
	for (i = 0; i < 96; i++) {
		dma = map_here(edu, (void *)mem, SZ_2M, DMA_TO_DEVICE);
		if (dma_mapping_error(edu->dev, dma))
			failed++;
		else
			unmap_here(edu, dma, SZ_2M, DMA_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, failed, 0);
	dma_set_mask(edu->dev, DMA_BIT_MASK(64));
	free_pages(mem, order);
}

static void mappings_from_before_are_unmapped_as_always(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	u8 *mem = pages(test, 1);
	dma_addr_t before, after;
	int wrong = atomic_read(&cookie_of(edu)->bad_unmaps);

	dmamap_san_disable(cookie_of(edu));
	before = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, dmamap_san_enable(cookie_of(edu), edu->dev, false), 0);
	after = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	unmap_here(edu, before, PAGE_SIZE, DMA_TO_DEVICE);
	dmamap_san_disable(cookie_of(edu));
	unmap_here(edu, after, PAGE_SIZE, DMA_TO_DEVICE);
	dmamap_san_drain(cookie_of(edu));
	KUNIT_EXPECT_EQ(test, atomic_read(&cookie_of(edu)->bad_unmaps), wrong);
	KUNIT_EXPECT_EQ(test, cookie_of(edu)->san->live, 0);
}

static void mappings_work_when_records_run_out(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	struct dmamap_san *san = cookie_of(edu)->san;
	unsigned int nr = san->nr_recs + 100, i, done = 0;
	unsigned long unrecorded = san->unrecorded, dropped;
	dma_addr_t *dma;
	u8 *mem = pages(test, 1);

	dma = kvcalloc(nr, sizeof(*dma), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dma);
	for (i = 0; i < nr; i++) {
		dma[i] = map_here(edu, mem, 64, DMA_TO_DEVICE);
		done += !dma_mapping_error(edu->dev, dma[i]);
	}
	KUNIT_EXPECT_EQ(test, done, nr);
	KUNIT_EXPECT_EQ(test, san->unrecorded, unrecorded + 100);
	for (i = 0; i < done; i++)
		unmap_here(edu, dma[i], 64, DMA_TO_DEVICE);
	kvfree(dma);
	KUNIT_EXPECT_EQ(test, san->live, 0);
	/* All records are dead now: the oldest is dropped. */
	dropped = san->dropped;
	unmap_here(edu, mapped(test, edu, mem, 64, DMA_TO_DEVICE), 64, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, san->dropped, dropped + 1);
}

/* Canaries: the first device is untrusted, so it has bounce buffers. */
static void a_write_beside_a_bounced_buffer_is_found(struct kunit *test)
{
	static const u32 token = TOKEN;
	struct edu *edu = &edus[0];
	struct dmamap_fault fault = { };
	u8 *mem = pages(test, 1);
	unsigned int i;
	dma_addr_t dma;

	if (!edu->pdev->untrusted)
		kunit_skip(test, "no edu device is untrusted");
	KUNIT_ASSERT_EQ(test, dmamap_san_enable(cookie_of(edu), edu->dev, true), 0);
	edu_load_token(edu);
	/* Let the slot begin inside a granule, as the buffer does. */
	dma_set_min_align_mask(edu->dev, SZ_4K - 1);
	/* Behind it and before it, found by an unmap and by a sync. */
	for (i = 0; i < 2; i++) {
		dma = mapped(test, edu, mem + 512, 100, DMA_FROM_DEVICE);
		edu_write(edu, i ? dma - 8 : dma + 100 + 2, 0, sizeof(token));
		if (i)
			dma_sync_single_for_cpu(edu->dev, dma, 100, DMA_FROM_DEVICE);
		else
			unmap_here(edu, dma, 100, DMA_FROM_DEVICE);
		KUNIT_ASSERT_TRUE(test, dmamap_fault_last(edu->dev, &fault));
		KUNIT_EXPECT_EQ(test, fault.kind, DMAMAP_FAULT_CANARY);
		KUNIT_EXPECT_EQ(test, fault.before, i);
		KUNIT_EXPECT_EQ(test, fault.distance, i ? 5 : 3);
		expect_mapping(test, &fault, dma, 100);
		if (!i)
			KUNIT_EXPECT_MEMEQ(test, fault.bytes, &token, sizeof(token));
	}
	/* It is reported once. */
	i = fault.nr;
	unmap_here(edu, dma, 100, DMA_FROM_DEVICE);
	KUNIT_ASSERT_TRUE(test, dmamap_fault_last(edu->dev, &fault));
	KUNIT_EXPECT_EQ(test, fault.nr, i);
}

static void a_bounced_buffer_that_is_not_missed_is_silent(struct kunit *test)
{
	struct dmamap_fault before = { }, after = { };
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1);
	dma_addr_t dma;

	if (!edu->pdev->untrusted)
		kunit_skip(test, "no edu device is untrusted");
	KUNIT_ASSERT_EQ(test, dmamap_san_enable(cookie_of(edu), edu->dev, true), 0);
	dmamap_fault_last(edu->dev, &before);
	dma = mapped(test, edu, mem + 512, 100, DMA_FROM_DEVICE);
	edu_write(edu, dma, 0, sizeof(u32));
	edu_write(edu, dma + 96, 0, sizeof(u32));
	dma_sync_single_for_cpu(edu->dev, dma + 8, 4, DMA_FROM_DEVICE);
	unmap_here(edu, dma, 100, DMA_FROM_DEVICE);
	dmamap_fault_last(edu->dev, &after);
	KUNIT_EXPECT_EQ(test, before.nr, after.nr);
}

/* Wrong unmaps and leaks */

/* A console line that has these words was printed since watch_console(). */
static const char *words[3];
static bool seen[3];

static void look_at_console(void *data, const char *text, size_t len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] && strnstr(text, words[i], len))
			WRITE_ONCE(seen[i], true);
}

static void watch_console(struct kunit *test, const char *a, const char *b,
			  const char *c)
{
	words[0] = a;
	words[1] = b;
	words[2] = c;
	memset(seen, 0, sizeof(seen));
	KUNIT_ASSERT_EQ(test, register_trace_console(look_at_console, NULL), 0);
}

static void expect_seen(struct kunit *test)
{
	unsigned int i;

	unregister_trace_console(look_at_console, NULL);
	tracepoint_synchronize_unregister();
	for (i = 0; i < ARRAY_SIZE(words); i++)
		KUNIT_EXPECT_TRUE_MSG(test, !words[i] || seen[i], "%s", words[i]);
}

static void a_second_unmap_tells_who_mapped_and_unmapped(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	u8 *mem = pages(test, 1);
	dma_addr_t dma;

	if (IS_ENABLED(CONFIG_DMA_API_DEBUG))
		kunit_skip(test, "debugging of the DMA API reports it, too");
	atomic_set(&edu->dev->iommu->dma_misuses, 0);
	dma = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	unmap_here(edu, dma, PAGE_SIZE, DMA_TO_DEVICE);
	pr_info("expected warning: unmap of IOVA %pad, 4096 bytes: not mapped\n", &dma);
	watch_console(test, "Mapped ", " map_here", " unmap_here");
	dma_unmap_single(edu->dev, dma, PAGE_SIZE, DMA_TO_DEVICE);
	expect_seen(test);
}

static void what_a_driver_leaves_mapped_is_reported_with_its_stack(struct kunit *test)
{
	struct edu *edu = trusted_edu(test);
	struct device *dev = get_device(edu->dev);
	u8 *mem = pages(test, 1);
	dma_addr_t dma[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		dma[i] = mapped(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	watch_console(test, "DMA-SAN: leak by dmamap_edu", ": 2 mappings left",
		      " map_here");
	device_release_driver(dev);
	expect_seen(test);
	/* It is reported once. */
	KUNIT_EXPECT_EQ(test, dmamap_san_leaks(dev), 0);
	for (i = 0; i < 2; i++)
		dma_unmap_single(dev, dma[i], PAGE_SIZE, DMA_TO_DEVICE);
	put_device(dev);
}

static struct kunit_case san_cases[] = {
	KUNIT_CASE_SLOW(a_write_after_the_unmap_names_who_unmapped),
	KUNIT_CASE_SLOW(an_access_right_after_the_unmap_is_in_the_flush_queue),
	KUNIT_CASE_SLOW(an_access_a_second_after_the_unmap_is_explained),
	KUNIT_CASE_PARAM_ATTR(an_access_beside_a_buffer_tells_its_distance, beside_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_SLOW(a_write_to_a_read_only_buffer_is_named),
	KUNIT_CASE_SLOW(an_access_far_from_all_is_of_what_was_never_mapped),
	KUNIT_CASE_SLOW(faults_of_two_devices_name_their_own_buffers),
	KUNIT_CASE_SLOW(a_fault_without_the_sanitizer_says_what_is_there),
	KUNIT_CASE(each_mapping_is_aligned_and_between_guards),
	KUNIT_CASE(an_address_in_quarantine_is_not_used_again),
	KUNIT_CASE(the_quarantine_ends_when_addresses_run_out),
	KUNIT_CASE(mappings_from_before_are_unmapped_as_always),
	KUNIT_CASE_SLOW(mappings_work_when_records_run_out),
	KUNIT_CASE_SLOW(a_write_beside_a_bounced_buffer_is_found),
	KUNIT_CASE_SLOW(a_bounced_buffer_that_is_not_missed_is_silent),
	KUNIT_CASE(a_second_unmap_tells_who_mapped_and_unmapped),
	/* The last one: it unbinds a device. */
	KUNIT_CASE(what_a_driver_leaves_mapped_is_reported_with_its_stack),
	{ }
};

static struct kunit_suite san_suite = {
	.name = "dmamap_edu_san",
	.suite_init = san_suite_init,
	.suite_exit = san_suite_exit,
	.init = san_init,
	.exit = san_exit,
	.test_cases = san_cases,
};

kunit_test_suite(san_suite);
