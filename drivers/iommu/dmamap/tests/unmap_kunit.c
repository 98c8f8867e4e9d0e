// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of wrong unmaps: each is refused and reported, and changes nothing.
 *
 * 1. Devices are behind an IOMMU in software (mock_iommu.h).  Each test runs for
 *    page tables that have the bounds of mappings and for others, where lengths.c
 *    has them, and for strict and lazy domains.
 * 2. The tests call the layer itself, because debugging of the DMA API would report
 *    wrong calls as well.  A line "expected warning:" announces each report to the
 *    tool that judges the log.
 * 3. Mappings lie side by side in a small aperture.  After a test each of its
 *    addresses can be had, and none of them twice.
 */

#include <linux/dma-map-ops.h>
#include <linux/msi.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <trace/events/printk.h>

#include "../trace.h"
#include "unmap_kunit.h"

/* The last report, and what there was before it. */
static struct {
	char text[160];
	atomic_t lines;
	int bad_unmaps, misuses;
} report;

static void watch_console(void *data, const char *text, size_t len)
{
	const char *found = strnstr(text, "unmap of IOVA ", len);

	if (!found || strnstr(text, "expected warning", len))
		return;
	len = min_t(size_t, text + len - found, sizeof(report.text) - 1);
	memcpy(report.text, found, len);
	report.text[len] = '\0';
	strreplace(report.text, '\n', '\0');
	atomic_inc(&report.lines);
}

static int unmap_suite_init(struct kunit_suite *suite)
{
	return mock_kunit_suite_init(suite) ?:
	       register_trace_console(watch_console, NULL);
}

static void unmap_suite_exit(struct kunit_suite *suite)
{
	unregister_trace_console(watch_console, NULL);
	tracepoint_synchronize_unregister();
}

static const struct kind *kind_of(struct kunit *test)
{
	return test->param_value;
}

/* Reports. */

/* The next unmap is wrong. */
static void announce(struct device *dev)
{
	pr_info("expected warning: unmap of IOVA\n");
	atomic_set(&report.lines, 0);
	report.bad_unmaps = bad_unmaps(dev);
	report.misuses = atomic_read(&dev->iommu->dma_misuses);
}

static __printf(5, 6)
void expect_report(struct kunit *test, struct device *dev, dma_addr_t addr,
		   size_t size, const char *found, ...)
{
	char want[sizeof(report.text)];
	size_t len;
	va_list args;

	len = scnprintf(want, sizeof(want), "unmap of IOVA %pad, %zu bytes: ",
			&addr, size);
	va_start(args, found);
	len += vscnprintf(want + len, sizeof(want) - len, found, args);
	va_end(args);
	if (report.misuses)
		scnprintf(want + len, sizeof(want) - len,
			  " (error %d of this driver)", report.misuses + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&report.lines), 1);
	KUNIT_EXPECT_STREQ(test, report.text, want);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), report.bad_unmaps + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->iommu->dma_misuses),
			report.misuses + 1);
}

/* Mappings. */

static dma_addr_t map(struct kunit *test, struct device *dev, phys_addr_t phys,
		      size_t size)
{
	dma_addr_t addr = test_map_registers(dev, phys, size, DMA_TO_DEVICE);

	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	return addr;
}

static void expect_mapped(struct kunit *test, struct device *dev,
			  dma_addr_t addr, phys_addr_t phys, size_t size)
{
	size_t at;

	for (at = 0; at < size; at += GRANULE)
		KUNIT_EXPECT_EQ_MSG(test, mock_kunit_phys(dev, addr + at),
				    phys + at, "byte %zu of %pad", at, &addr);
}

/* Three mappings side by side, from the lowest address on. */
enum { LOW = 2 * GRANULE, MID = 4 * GRANULE, HIGH = 8 * GRANULE };

struct three {
	struct device *dev;
	dma_addr_t low, mid, high;
};

#define LOW_PHYS	MMIO
#define MID_PHYS	(MMIO + SZ_1M)
#define HIGH_PHYS	(MMIO + SZ_2M)

static struct three map_three(struct kunit *test)
{
	struct three t = { .dev = mock_kunit_platform(test) };

	t.high = map(test, t.dev, HIGH_PHYS, HIGH);
	t.mid = map(test, t.dev, MID_PHYS, MID);
	t.low = map(test, t.dev, LOW_PHYS, LOW);
	KUNIT_ASSERT_EQ(test, t.high, SMALL * GRANULE - HIGH);
	KUNIT_ASSERT_EQ(test, t.mid, t.high - MID);
	KUNIT_ASSERT_EQ(test, t.low, t.mid - LOW);
	return t;
}

static void expect_three(struct kunit *test, const struct three *t)
{
	expect_mapped(test, t->dev, t->low, LOW_PHYS, LOW);
	expect_mapped(test, t->dev, t->mid, MID_PHYS, MID);
	expect_mapped(test, t->dev, t->high, HIGH_PHYS, HIGH);
}

/* All is as it was: each of them can be unmapped. */
static void unmap_three(struct kunit *test, const struct three *t)
{
	int bad = bad_unmaps(t->dev);

	unmap(t->dev, t->mid, MID);
	unmap(t->dev, t->low, LOW);
	unmap(t->dev, t->high, HIGH);
	KUNIT_EXPECT_EQ(test, bad_unmaps(t->dev), bad);
	expect_each_address_once(test, t->dev, SMALL, 0);
}

static void expect_refused(struct kunit *test, const struct three *t,
			   dma_addr_t addr, size_t size, const char *found)
{
	announce(t->dev);
	unmap(t->dev, addr, size);
	expect_report(test, t->dev, addr, size, "%s", found);
	expect_three(test, t);
}

/* Wrong addresses. */

static void an_unmap_from_the_byte_above_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid + 1, MID,
		       "two mappings, the first of 16384 bytes");
	unmap_three(test, &t);
}

static void an_unmap_from_the_byte_below_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid - 1, MID,
		       "inside a mapping of 8192 bytes that begins 4096 below");
	unmap_three(test, &t);
}

static void an_unmap_from_the_granule_above_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid + GRANULE, MID,
		       "inside a mapping of 16384 bytes that begins 4096 below");
	unmap_three(test, &t);
}

static void an_unmap_from_the_granule_below_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.high - GRANULE, HIGH,
		       "inside a mapping of 16384 bytes that begins 12288 below");
	unmap_three(test, &t);
}

static void an_unmap_of_the_mapping_above_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.high, MID,
		       "a part of a mapping of 32768 bytes");
	unmap_three(test, &t);
}

static void an_unmap_of_the_mapping_below_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.low, MID,
		       "two mappings, the first of 8192 bytes");
	unmap_three(test, &t);
}

static void an_unmap_below_all_mappings_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.low - MID, MID, "not mapped");
	unmap_three(test, &t);
}

static void an_unmap_of_address_0_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, 0, GRANULE, "not mapped");
	unmap_three(test, &t);
}

/* Where the IOMMU API cuts addresses, that is another one. */
static void an_unmap_4_gib_too_high_is_refused(struct kunit *test)
{
	dma_addr_t high = (dma_addr_t)BIT_ULL(32);
	struct three t;

	if (!high)
		kunit_skip(test, "a dma_addr_t of 32 bits");
	t = map_three(test);
	expect_refused(test, &t, t.mid + high, MID, "not mapped");
	unmap_three(test, &t);
}

static void a_resource_by_its_physical_address_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	announce(t.dev);
	test_unmap_registers(t.dev, MID_PHYS, MID, DMA_TO_DEVICE);
	expect_report(test, t.dev, MID_PHYS, MID, "not mapped");
	expect_three(test, &t);
	unmap_three(test, &t);
}

/* Wrong sizes. */

static void an_unmap_of_a_granule_less_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid, MID - GRANULE,
		       "a part of a mapping of 16384 bytes");
	unmap_three(test, &t);
}

static void an_unmap_of_a_granule_more_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid, MID + GRANULE,
		       "two mappings, the first of 16384 bytes");
	unmap_three(test, &t);
}

static void an_unmap_of_a_byte_more_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid, MID + 1,
		       "two mappings, the first of 16384 bytes");
	unmap_three(test, &t);
}

static void an_unmap_beyond_the_last_mapping_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.high, HIGH + GRANULE,
		       "a mapping of 32768 bytes");
	unmap_three(test, &t);
}

static void an_unmap_of_two_mappings_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid, MID + HIGH,
		       "two mappings, the first of 16384 bytes");
	unmap_three(test, &t);
}

static void an_unmap_of_three_mappings_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.low, LOW + MID + HIGH,
		       "several mappings, the first of 8192 bytes");
	unmap_three(test, &t);
}

/* With its offset, the size is rounded to a granule. */
static void no_size_of_a_granule(struct kunit *test, struct device *dev,
				 unsigned int offset, size_t size)
{
	dma_addr_t addr;

	flush(dev);
	addr = map(test, dev, MMIO, GRANULE);
	announce(dev);
	unmap(dev, addr + offset, size);
	expect_report(test, dev, addr + offset, size, "not a size");
	expect_mapped(test, dev, addr, MMIO, GRANULE);
	unmap(dev, addr, GRANULE);
}

static void an_unmap_of_0_bytes_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid, 0, "not a size");
	expect_refused(test, &t, t.mid + 1, 0, "not a size");
	unmap_three(test, &t);
	no_size_of_a_granule(test, t.dev, 1, 0);
}

static void an_unmap_of_all_bytes_there_are_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid, SIZE_MAX, "not a size");
	expect_refused(test, &t, t.mid + 1, SIZE_MAX, "not a size");
	unmap_three(test, &t);
	no_size_of_a_granule(test, t.dev, 2, SIZE_MAX);
}

static void an_unmap_that_wraps_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid, -(size_t)GRANULE,
		       "two mappings, the first of 16384 bytes");
	/* Up to where the mapping below begins. */
	expect_refused(test, &t, t.mid, -(size_t)LOW,
		       "two mappings, the first of 16384 bytes");
	unmap_three(test, &t);
}

static void the_first_granule_alone_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid, GRANULE,
		       "a part of a mapping of 16384 bytes");
	unmap_three(test, &t);
}

static void a_granule_in_the_middle_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid + 2 * GRANULE, GRANULE,
		       "inside a mapping of 16384 bytes that begins 8192 below");
	unmap_three(test, &t);
}

static void the_last_granule_alone_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid + MID - GRANULE, GRANULE,
		       "inside a mapping of 16384 bytes that begins 12288 below");
	unmap_three(test, &t);
}

static void all_but_the_first_granule_is_refused(struct kunit *test)
{
	struct three t = map_three(test);

	expect_refused(test, &t, t.mid + GRANULE, MID - GRANULE,
		       "inside a mapping of 16384 bytes that begins 4096 below");
	unmap_three(test, &t);
}

/* The search for the ends of a mapping is cut after 4096 leaves on each side. */
static void a_report_on_many_leaves_says_at_least(struct kunit *test)
{
	const unsigned long granules = 4200, at = 4150, cut = 4096;
	struct mock_iommu *mock = test->priv;
	struct device *dev;
	dma_addr_t addr;
	int bad;

	mock->config.pgsize_bitmap = GRANULE;
	set_aperture(test, 4 * granules);
	dev = mock_kunit_platform(test);
	addr = map(test, dev, MMIO, granules * GRANULE);

	announce(dev);
	unmap(dev, addr + at * GRANULE, GRANULE);
	if (kind_of(test)->bounds)
		expect_report(test, dev, addr + at * GRANULE, GRANULE,
			      "inside a mapping of at least %lu bytes that begins at least %lu below",
			      (granules - at + cut) * GRANULE, cut * GRANULE);
	else
		expect_report(test, dev, addr + at * GRANULE, GRANULE,
			      "inside a mapping of %lu bytes that begins %lu below",
			      granules * GRANULE, at * GRANULE);
	announce(dev);
	unmap(dev, addr, GRANULE);
	if (kind_of(test)->bounds)
		expect_report(test, dev, addr, GRANULE,
			      "a part of a mapping of at least %lu bytes",
			      (cut + 1) * GRANULE);
	else
		expect_report(test, dev, addr, GRANULE,
			      "a part of a mapping of %lu bytes",
			      granules * GRANULE);

	bad = bad_unmaps(dev);
	unmap(dev, addr, granules * GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
}

/* Which bytes of its granules a buffer has is not known. */
static void an_unmap_of_the_same_granules_is_accepted(struct kunit *test)
{
	static const struct {
		unsigned int at, size;
	} right[] = {
		{ 16, 2 * GRANULE }, { 0, 2 * GRANULE + 1 }, { 4095, 4098 },
		{ 0, 3 * GRANULE },
	};
	struct device *dev = mock_kunit_platform(test);
	unsigned int i;
	dma_addr_t addr;

	for (i = 0; i < ARRAY_SIZE(right); i++) {
		addr = map(test, dev, MMIO + 16, 2 * GRANULE) - 16;
		unmap(dev, addr + right[i].at, right[i].size);
		KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 0);
	}
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 0);
	expect_each_address_once(test, dev, SMALL, 0);
}

/* Twice. */

static void a_second_unmap_is_refused(struct kunit *test)
{
	struct three t = map_three(test);
	dma_addr_t addr = map(test, t.dev, MMIO, MID);

	unmap(t.dev, addr, MID);
	expect_refused(test, &t, addr, MID, "not mapped");
	unmap_three(test, &t);
}

static void a_second_unmap_after_the_flush_is_refused(struct kunit *test)
{
	struct three t = map_three(test);
	dma_addr_t addr = map(test, t.dev, MMIO, MID);

	if (!dmamap_cookie(t.dev)->fq)
		kunit_skip(test, "strict unmaps wait for no flush");
	unmap(t.dev, addr, MID);
	flush(t.dev);
	expect_refused(test, &t, addr, MID, "not mapped");
	unmap_three(test, &t);
}

static void a_refused_unmap_can_be_repeated(struct kunit *test)
{
	struct three t = map_three(test);
	unsigned int i;

	for (i = 0; i < 3; i++)
		expect_refused(test, &t, t.mid, GRANULE,
			       "a part of a mapping of 16384 bytes");
	unmap_three(test, &t);
}

/* Lists: pages that do not meet, @each of them in an entry. */

#define ENTRIES	4

struct list {
	struct scatterlist sgl[ENTRIES];
	struct page *memory;
	struct device *dev;
	size_t entry;
};

static void free_memory(void *memory)
{
	__free_pages(memory, 4);
}

static void map_list(struct kunit *test, struct list *l, struct device *dev,
		     unsigned int each)
{
	unsigned int i;

	l->dev = dev;
	l->entry = each * PAGE_SIZE;
	l->memory = alloc_pages(GFP_KERNEL, 4);
	KUNIT_ASSERT_NOT_NULL(test, l->memory);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_memory,
							   l->memory));
	sg_init_table(l->sgl, ENTRIES);
	for (i = 0; i < ENTRIES; i++)
		sg_set_page(&l->sgl[i], l->memory + i * 4, l->entry, 0);
	/* Each entry a segment. */
	dma_set_max_seg_size(dev, l->entry);
	KUNIT_ASSERT_EQ(test, ENTRIES, iommu_dma_map_sg(dev, l->sgl, ENTRIES,
							DMA_TO_DEVICE, 0));
}

static void expect_list(struct kunit *test, struct list *l)
{
	unsigned int i;

	for (i = 0; i < ENTRIES; i++)
		expect_mapped(test, l->dev, sg_dma_address(&l->sgl[i]),
			      sg_phys(&l->sgl[i]), l->entry);
}

static void unmap_list(struct kunit *test, struct list *l)
{
	int bad = bad_unmaps(l->dev);

	expect_list(test, l);
	iommu_dma_unmap_sg(l->dev, l->sgl, ENTRIES, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, bad_unmaps(l->dev), bad);
	expect_each_address_once(test, l->dev, SMALL, 0);
}

static void a_list_by_its_first_entry_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct list l;

	map_list(test, &l, dev, 1);
	announce(dev);
	unmap(dev, sg_dma_address(l.sgl), PAGE_SIZE);
	expect_report(test, dev, sg_dma_address(l.sgl), PAGE_SIZE,
		      "a part of a mapping of %lu bytes", ENTRIES * PAGE_SIZE);
	unmap_list(test, &l);
}

static void a_list_by_its_first_segments_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct list l;

	map_list(test, &l, dev, 1);
	announce(dev);
	iommu_dma_unmap_sg(dev, l.sgl, 2, DMA_TO_DEVICE, 0);
	expect_report(test, dev, sg_dma_address(l.sgl), 2 * PAGE_SIZE,
		      "a part of a mapping of %lu bytes", ENTRIES * PAGE_SIZE);
	unmap_list(test, &l);
}

static void a_list_by_its_last_segments_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct list l;

	map_list(test, &l, dev, 1);
	announce(dev);
	iommu_dma_unmap_sg(dev, l.sgl + 2, 2, DMA_TO_DEVICE, 0);
	expect_report(test, dev, sg_dma_address(l.sgl + 2), 2 * PAGE_SIZE,
		      "inside a mapping of %lu bytes that begins %lu below",
		      ENTRIES * PAGE_SIZE, 2 * PAGE_SIZE);
	unmap_list(test, &l);
}

static void a_list_twice_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct list l;

	map_list(test, &l, dev, 1);
	unmap_list(test, &l);
	announce(dev);
	iommu_dma_unmap_sg(dev, l.sgl, ENTRIES, DMA_TO_DEVICE, 0);
	expect_report(test, dev, sg_dma_address(l.sgl), ENTRIES * PAGE_SIZE,
		      "not mapped");
	expect_each_address_once(test, dev, SMALL, 0);
}

/* Three pages, and one is left out up to the boundary. */
static void map_list_with_gaps(struct kunit *test, struct list *l,
			       struct device *dev)
{
	dma_set_seg_boundary(dev, 4 * PAGE_SIZE - 1);
	map_list(test, l, dev, 3);
	KUNIT_ASSERT_EQ(test, sg_dma_address(l->sgl + 1),
			sg_dma_address(l->sgl) + 4 * PAGE_SIZE);
}

static void a_list_with_gaps_by_its_first_segments_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct list l;

	map_list_with_gaps(test, &l, dev);
	announce(dev);
	iommu_dma_unmap_sg(dev, l.sgl, 2, DMA_TO_DEVICE, 0);
	expect_report(test, dev, sg_dma_address(l.sgl), 7 * PAGE_SIZE,
		      "a part of a mapping of %lu bytes", 15 * PAGE_SIZE);
	unmap_list(test, &l);
}

static void a_list_with_gaps_in_one_piece_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	struct list l;

	map_list_with_gaps(test, &l, dev);
	announce(dev);
	unmap(dev, sg_dma_address(l.sgl), 15 * PAGE_SIZE);
	expect_report(test, dev, sg_dma_address(l.sgl), 15 * PAGE_SIZE,
		      "not all of it is mapped");
	unmap_list(test, &l);
}

/* Memory that was allocated for DMA: it is not freed, either. */

struct memory {
	struct device *dev;
	dma_addr_t addr;
	size_t size;
	u8 *cpu;
};

static struct memory alloc_memory(struct kunit *test)
{
	struct memory m = {
		.dev = mock_kunit_platform(test), .size = 4 * PAGE_SIZE,
	};

	m.cpu = iommu_dma_alloc(m.dev, m.size, &m.addr, GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, m.cpu);
	return m;
}

static void expect_shared(struct kunit *test, const struct memory *m)
{
	u8 *seen = kunit_kzalloc(test, m->size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, seen);
	memset(m->cpu, 0x5a, m->size);
	KUNIT_EXPECT_EQ(test, mock_dma_read(m->dev, m->addr, seen, m->size), 0);
	KUNIT_EXPECT_MEMEQ(test, seen, m->cpu, m->size);
}

static void free_wrongly(struct kunit *test, const struct memory *m,
			 dma_addr_t addr, size_t size)
{
	announce(m->dev);
	iommu_dma_free(m->dev, size, m->cpu, addr, 0);
}

static void free_rightly(struct kunit *test, const struct memory *m)
{
	int bad = bad_unmaps(m->dev);

	expect_shared(test, m);
	iommu_dma_free(m->dev, m->size, m->cpu, m->addr, 0);
	KUNIT_EXPECT_EQ(test, bad_unmaps(m->dev), bad);
	expect_each_address_once(test, m->dev, SMALL, 0);
}

static void a_free_of_less_is_refused(struct kunit *test)
{
	struct memory m = alloc_memory(test);

	free_wrongly(test, &m, m.addr, PAGE_SIZE);
	expect_report(test, m.dev, m.addr, PAGE_SIZE,
		      "a part of a mapping of %zu bytes", m.size);
	free_rightly(test, &m);
}

static void a_free_of_more_is_refused(struct kunit *test)
{
	struct memory m = alloc_memory(test);

	free_wrongly(test, &m, m.addr, m.size + 1);
	expect_report(test, m.dev, m.addr, 5 * PAGE_SIZE,
		      "a mapping of %zu bytes", m.size);
	free_rightly(test, &m);
}

static void a_free_of_another_address_is_refused(struct kunit *test)
{
	struct memory m = alloc_memory(test);

	free_wrongly(test, &m, m.addr + PAGE_SIZE, m.size);
	expect_report(test, m.dev, m.addr + PAGE_SIZE, m.size,
		      "inside a mapping of %zu bytes that begins %lu below",
		      m.size, PAGE_SIZE);
	free_rightly(test, &m);
}

static void a_page_of_coherent_memory_is_refused(struct kunit *test)
{
	struct memory m = alloc_memory(test);

	announce(m.dev);
	unmap(m.dev, m.addr, PAGE_SIZE);
	expect_report(test, m.dev, m.addr, PAGE_SIZE,
		      "a part of a mapping of %zu bytes", m.size);
	free_rightly(test, &m);
}

static void a_free_of_noncontiguous_memory_of_less_is_refused(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	const size_t size = 4 * PAGE_SIZE;
	struct sg_table *sgt;
	struct page *first;
	dma_addr_t addr;

	sgt = iommu_dma_alloc_noncontiguous(dev, size, DMA_TO_DEVICE,
					    GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	addr = sg_dma_address(sgt->sgl);
	first = sg_page(sgt->sgl);
	announce(dev);
	iommu_dma_free_noncontiguous(dev, PAGE_SIZE, sgt, DMA_TO_DEVICE);
	expect_report(test, dev, addr, PAGE_SIZE,
		      "a part of a mapping of %zu bytes", size);
	KUNIT_EXPECT_EQ(test, page_count(first), 1);
	expect_mapped(test, dev, addr, page_to_phys(first), PAGE_SIZE);
	iommu_dma_free_noncontiguous(dev, size, sgt, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), 1);
	expect_each_address_once(test, dev, SMALL, 0);
}

/* Nothing is copied back before the unmap that is right. */
static void a_refused_unmap_keeps_the_bounce_slot(struct kunit *test)
{
	u8 *buffer = kunit_kzalloc(test, 100, GFP_KERNEL), data = 0x5a;
	struct device *dev;
	dma_addr_t addr;
	phys_addr_t slot;

	KUNIT_ASSERT_NOT_NULL(test, buffer);
	if (kind_of(test)->lazy)
		kunit_skip(test, "devices that bounce are strict");
	dev = mock_kunit_untrusted(test);
	addr = test_map(dev, virt_to_phys(buffer), 100, DMA_FROM_DEVICE);
	KUNIT_ASSERT_NE(test, addr, DMA_MAPPING_ERROR);
	slot = mock_kunit_phys(dev, addr);
	KUNIT_EXPECT_EQ(test, mock_dma_write(dev, addr, &data, 1), 0);
	announce(dev);
	test_unmap(dev, addr, 100 + GRANULE, DMA_FROM_DEVICE);
	expect_report(test, dev, addr, 100 + GRANULE, "a mapping of 4096 bytes");
	KUNIT_EXPECT_EQ(test, buffer[0], 0);
	KUNIT_EXPECT_EQ(test, mock_kunit_phys(dev, addr), slot);
	test_unmap(dev, addr, 100, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, buffer[0], data);
	expect_each_address_once(test, dev, SMALL, 0);
}

/* Mappings that are not the driver's. */

static void what_another_call_mapped_is_refused(struct kunit *test)
{
	struct three t = map_three(test);
	struct iommu_domain *domain = iommu_get_domain_for_dev(t.dev);
	const dma_addr_t addr = 16 * GRANULE;

	KUNIT_ASSERT_EQ(test, 0, iommu_map(domain, addr, MMIO, 2 * GRANULE,
					   IOMMU_READ, GFP_KERNEL));
	expect_refused(test, &t, addr, 2 * GRANULE, "mapped by another call");
	expect_refused(test, &t, addr, GRANULE, "mapped by another call");
	expect_mapped(test, t.dev, addr, MMIO, 2 * GRANULE);
	KUNIT_EXPECT_EQ(test, iommu_unmap(domain, addr, 2 * GRANULE), 2 * GRANULE);
	unmap_three(test, &t);
}

#ifdef CONFIG_IRQ_MSI_IOMMU
static void an_msi_page_is_refused(struct kunit *test)
{
	struct three t = map_three(test);
	struct msi_desc desc = { .dev = t.dev };
	struct msi_msg msg = { .address_lo = lower_32_bits(MMIO) };
	dma_addr_t addr;

	KUNIT_ASSERT_EQ(test, test_prepare_msi(&desc, MMIO), 0);
	test_compose_msi(&desc, &msg);
	addr = (u64)msg.address_hi << 32 | msg.address_lo;
	expect_refused(test, &t, addr, GRANULE, "mapped by another call");
	expect_mapped(test, t.dev, addr, MMIO, GRANULE);
	unmap(t.dev, t.mid, MID);
	unmap(t.dev, t.low, LOW);
	unmap(t.dev, t.high, HIGH);
	expect_each_address_once(test, t.dev, SMALL, 1);
}
#endif

/* A part of it was unmapped behind the back of the layer. */
static void a_mapping_with_a_hole_is_reported(struct kunit *test)
{
	struct three t = map_three(test);

	iommu_unmap(iommu_get_domain_for_dev(t.dev), t.mid + GRANULE, GRANULE);
	announce(t.dev);
	unmap(t.dev, t.mid, MID);
	expect_report(test, t.dev, t.mid, MID, kind_of(test)->bounds ?
		      "not all of it is mapped" :
		      "the IOMMU driver has not cleared it; not used again");
	expect_mapped(test, t.dev, t.mid + 2 * GRANULE, MID_PHYS + 2 * GRANULE,
		      2 * GRANULE);
	expect_mapped(test, t.dev, t.low, LOW_PHYS, LOW);
	expect_mapped(test, t.dev, t.high, HIGH_PHYS, HIGH);
}

/* Where reports go besides the log. */

static void a_report_is_listed_in_debugfs(struct kunit *test)
{
	struct three t = map_three(test);
	struct seq_file file = { .size = SZ_64K };
	char want[160];

	expect_refused(test, &t, t.mid + GRANULE, GRANULE,
		       "inside a mapping of 16384 bytes that begins 4096 below");
	file.buf = kunit_kzalloc(test, file.size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, file.buf);
	dmamap_misuses_show(&file, NULL);
	scnprintf(want, sizeof(want),
		  " %s %s unmap %#llx 4096 inside a mapping of 16384 bytes that begins 4096 below\n",
		  dev_name(t.dev), dev_driver_string(t.dev),
		  (u64)t.mid + GRANULE);
	KUNIT_ASSERT_GT(test, file.count, strlen(want));
	KUNIT_EXPECT_STREQ(test, file.buf + file.count - strlen(want), want);
	unmap_three(test, &t);
}

struct traced {
	unsigned int nr;
	dma_addr_t addr;
	size_t size, found_size;
	unsigned long found_addr;
	char found[96];
};

static void trace_misuse(void *data, struct device *dev, const char *call,
			 dma_addr_t addr, size_t size, unsigned long found_addr,
			 size_t found_size, const char *found)
{
	struct traced *traced = data;

	traced->nr++;
	traced->addr = addr;
	traced->size = size;
	traced->found_addr = found_addr;
	traced->found_size = found_size;
	strscpy(traced->found, found);
}

/* Each, while the log is limited. */
static void each_wrong_unmap_is_traced(struct kunit *test)
{
	struct three t = map_three(test);
	struct traced traced = { };
	unsigned int i;

	KUNIT_ASSERT_EQ(test, register_trace_dmamap_misuse(trace_misuse, &traced), 0);
	announce(t.dev);
	for (i = 0; i < 100; i++)
		unmap(t.dev, t.mid + GRANULE, GRANULE);
	unregister_trace_dmamap_misuse(trace_misuse, &traced);
	tracepoint_synchronize_unregister();
	KUNIT_EXPECT_EQ(test, bad_unmaps(t.dev), 100);
	KUNIT_EXPECT_EQ(test, traced.nr, 100);
	KUNIT_EXPECT_EQ(test, traced.addr, t.mid + GRANULE);
	KUNIT_EXPECT_EQ(test, traced.size, GRANULE);
	KUNIT_EXPECT_EQ(test, traced.found_addr, t.mid);
	KUNIT_EXPECT_EQ(test, traced.found_size, MID);
	KUNIT_EXPECT_STREQ(test, traced.found,
			   "inside a mapping of 16384 bytes that begins 4096 below");
	unmap_three(test, &t);
}

static struct kunit_case unmap_cases[] = {
	KUNIT_CASE_PARAM(an_unmap_from_the_byte_above_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_from_the_byte_below_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_from_the_granule_above_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_from_the_granule_below_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_the_mapping_above_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_the_mapping_below_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_below_all_mappings_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_address_0_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_4_gib_too_high_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_resource_by_its_physical_address_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_a_granule_less_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_a_granule_more_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_a_byte_more_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_beyond_the_last_mapping_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_two_mappings_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_three_mappings_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_0_bytes_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_all_bytes_there_are_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_that_wraps_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(the_first_granule_alone_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_granule_in_the_middle_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(the_last_granule_alone_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(all_but_the_first_granule_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(an_unmap_of_the_same_granules_is_accepted,
			 kind_gen_params),
	KUNIT_CASE_PARAM(a_second_unmap_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_second_unmap_after_the_flush_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(a_refused_unmap_can_be_repeated, kind_gen_params),
	KUNIT_CASE_PARAM(a_list_by_its_first_entry_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_list_by_its_first_segments_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(a_list_by_its_last_segments_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(a_list_twice_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_list_with_gaps_by_its_first_segments_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(a_list_with_gaps_in_one_piece_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(a_free_of_less_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_free_of_more_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_free_of_another_address_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_page_of_coherent_memory_is_refused, kind_gen_params),
	KUNIT_CASE_PARAM(a_free_of_noncontiguous_memory_of_less_is_refused,
			 kind_gen_params),
	KUNIT_CASE_PARAM(a_refused_unmap_keeps_the_bounce_slot,
			 kind_gen_params),
	KUNIT_CASE_PARAM(what_another_call_mapped_is_refused, kind_gen_params),
#ifdef CONFIG_IRQ_MSI_IOMMU
	KUNIT_CASE_PARAM(an_msi_page_is_refused, kind_gen_params),
#endif
	KUNIT_CASE_PARAM(a_mapping_with_a_hole_is_reported, kind_gen_params),
	KUNIT_CASE_PARAM(a_report_on_many_leaves_says_at_least, kind_gen_params),
	KUNIT_CASE_PARAM(a_report_is_listed_in_debugfs, kind_gen_params),
	KUNIT_CASE_PARAM(each_wrong_unmap_is_traced, kind_gen_params),
	{}
};

static struct kunit_suite unmap_suite = {
	.name = "dmamap_unmap",
	.suite_init = unmap_suite_init,
	.suite_exit = unmap_suite_exit,
	.init = unmap_init,
	.exit = mock_kunit_exit,
	.test_cases = unmap_cases,
};

kunit_test_suite(unmap_suite);
