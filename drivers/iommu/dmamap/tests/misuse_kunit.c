// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what wrong calls of the DMA API print, and of calls for a
 * device that was removed.
 *
 * They use devices behind an IOMMU in software (mock_iommu.h). Each line
 * "expected warning:" announces a warning to the tool that judges the log.
 */

#include <kunit/test.h>
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/iommu-dma.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <trace/events/printk.h>

#include "../dmamap.h"
#include "mock_iommu.h"

#define GRANULE		SZ_4K
/* An IOVA of no mapping: below it there are too few in use. */
#define WRONG		SZ_16M

/* Counts what is printed to the console. */
static struct console_count {
	atomic_t traces;
	atomic_t lines;
} console;

static void count_console(void *data, const char *text, size_t len)
{
	if (strnstr(text, "WARNING: ", len))
		atomic_inc(&console.traces);
	if (strnstr(text, "expected warning", len))
		return;
	if (strnstr(text, " of IOVA ", len))
		atomic_inc(&console.lines);
}

static void expect_warning(const char *text)
{
	pr_info("expected warning: %s\n", text);
}

/* What an unmap of an IOVA that is not mapped prints. */
static void expect_wrong_unmap(void)
{
	expect_warning("unmap of IOVA");
}

static int misuse_suite_init(struct kunit_suite *suite)
{
	return register_trace_console(count_console, NULL);
}

static void misuse_suite_exit(struct kunit_suite *suite)
{
	unregister_trace_console(count_console, NULL);
	tracepoint_synchronize_unregister();
}

static int misuse_test_init(struct kunit *test)
{
	test->priv = mock_iommu_create();
	atomic_set(&console.traces, 0);
	atomic_set(&console.lines, 0);
	return test->priv ? 0 : -ENOMEM;
}

static void misuse_test_exit(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;

	if (!mock)
		return;
	KUNIT_EXPECT_EQ(test, mock->strays, 0);
	mock_iommu_destroy(mock);
}

static struct device *new_device(struct kunit *test)
{
	struct device *dev = mock_platform_create(test->priv);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static void wrong_unmap(struct device *dev)
{
	test_unmap(dev, WRONG, GRANULE, DMA_TO_DEVICE);
}

static void ten_thousand_wrong_unmaps_print_one_trace(struct kunit *test)
{
	struct device *dev = new_device(test);
	unsigned int i;

	expect_wrong_unmap();
	local_bh_disable();
	for (i = 0; i < 10000; i++)
		wrong_unmap(dev);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, atomic_read(&console.traces), 1);
	/* Ten, and one in five seconds. */
	KUNIT_EXPECT_GE(test, atomic_read(&console.lines), 10);
	KUNIT_EXPECT_LE(test, atomic_read(&console.lines), 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&dmamap_cookie(dev)->bad_unmaps),
			10000);
}

static void after_ten_lines_one_comes_in_five_seconds(struct kunit *test)
{
	struct device *dev = new_device(test);
	unsigned int i;

	expect_wrong_unmap();
	for (i = 0; i < 11; i++)
		wrong_unmap(dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.lines), 10);
	msleep(5100);
	wrong_unmap(dev);
	wrong_unmap(dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.lines), 11);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.traces), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->iommu->dma_misuses), 13);
}

static unsigned int times_in(const char *text, const char *what)
{
	unsigned int nr = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		nr++;
	}
	return nr;
}

static void debugfs_lists_the_last_64_reports(struct kunit *test)
{
	struct seq_file file = { .size = SZ_64K };
	struct device *dev = NULL;
	unsigned int i;
	char first[40];

	for (i = 0; i < 70; i++) {
		if (i % 10 == 0) {
			dev = new_device(test);
			expect_wrong_unmap();
		}
		if (!i)
			scnprintf(first, sizeof(first), " %s ", dev_name(dev));
		wrong_unmap(dev);
	}
	/* One is for the end of the text. */
	file.buf = kunit_kzalloc(test, file.size + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, file.buf);
	dmamap_misuses_show(&file, NULL);
	KUNIT_EXPECT_EQ(test, times_in(file.buf, "\n"), 1 + 64);
	KUNIT_EXPECT_EQ(test, times_in(file.buf, first), 10 - 6);
}

static void each_device_has_a_trace_of_its_own(struct kunit *test)
{
	struct device *a = new_device(test), *b = new_device(test);

	expect_wrong_unmap();
	wrong_unmap(a);
	wrong_unmap(a);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.traces), 1);
	expect_wrong_unmap();
	wrong_unmap(b);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.traces), 2);
}

static void a_driver_that_is_bound_has_a_trace_again(struct kunit *test)
{
	struct device *dev = new_device(test);

	expect_wrong_unmap();
	wrong_unmap(dev);
	wrong_unmap(dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.traces), 1);
	/* As the driver core does. */
	KUNIT_ASSERT_EQ(test, iommu_device_use_default_domain(dev), 0);
	expect_wrong_unmap();
	wrong_unmap(dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&console.traces), 2);
	iommu_device_unuse_default_domain(dev);
}

/*
 * The IOVA has the number of a page in use, which a call that takes the direct
 * way would free, and a list too.
 */
static void calls_for_a_removed_device_touch_nothing(struct kunit *test)
{
	struct page *victim = alloc_page(GFP_KERNEL);
	struct device *dev = new_device(test);
	struct scatterlist sg;
	dma_addr_t iova;

	KUNIT_ASSERT_NOT_NULL(test, victim);
	iova = page_to_phys(victim);
	sg_init_one(&sg, page_address(victim), PAGE_SIZE);
	sg_dma_address(&sg) = iova;
	sg_dma_len(&sg) = PAGE_SIZE;
	get_page(victim);
	get_device(dev);
	mock_device_remove(dev);
	KUNIT_ASSERT_NULL(test, dev->iommu_group);

	if (IS_ENABLED(CONFIG_IOMMU_DMAMAP))
		expect_warning("unmap of IOVA");
	/* Not dma_free_coherent(): debugging would report it as well. */
	if (use_dma_iommu(dev))
		iommu_dma_free(dev, PAGE_SIZE, page_address(victim), iova, 0);
	else
		dma_free_coherent(dev, PAGE_SIZE, page_address(victim), iova);
	KUNIT_EXPECT_EQ_MSG(test, page_count(victim), 2, "a page was freed");
	if (page_count(victim) == 2)
		put_page(victim);
	if (use_dma_iommu(dev)) {
		test_unmap(dev, iova, PAGE_SIZE, DMA_FROM_DEVICE);
		iommu_dma_unmap_sg(dev, &sg, 1, DMA_FROM_DEVICE, 0);
		test_unmap_registers(dev, iova, PAGE_SIZE, DMA_FROM_DEVICE);
		iommu_dma_sync_single_for_cpu(dev, iova, PAGE_SIZE,
					      DMA_FROM_DEVICE);
	}
	KUNIT_EXPECT_LE(test, atomic_read(&console.traces), 1);
	KUNIT_EXPECT_GE(test, atomic_read(&console.lines), 4);
	put_page(victim);
	put_device(dev);
}

static void nothing_is_mapped_for_a_removed_device(struct kunit *test)
{
	struct device *dev = get_device(new_device(test));
	struct page *page = alloc_page(GFP_KERNEL);
	struct scatterlist sg;
	dma_addr_t addr;

	KUNIT_ASSERT_NOT_NULL(test, page);
	sg_init_one(&sg, page_address(page), PAGE_SIZE);
	mock_device_remove(dev);
	addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, dma_map_sg(dev, &sg, 1, DMA_TO_DEVICE), 0);
	KUNIT_EXPECT_NULL(test, dma_alloc_coherent(dev, PAGE_SIZE, &addr,
						   GFP_KERNEL));
	__free_page(page);
	put_device(dev);
}

/*
 * Two segments with a gap between them. The driver passes less of one of them than
 * it got, so a part of the list stays mapped, and the range must not be freed.
 */
static void unmap_less_beside_a_gap(struct kunit *test, bool of_the_first)
{
	struct page *pages = alloc_pages(GFP_KERNEL, get_order(8 * GRANULE));
	struct mock_iommu *mock = test->priv;
	struct scatterlist sg[3];
	struct device *dev;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	mock->config.map_runs = false;
	dev = new_device(test);
	dma_set_seg_boundary(dev, 4 * GRANULE - 1);
	sg_init_table(sg, 3);
	/* The first two entries are one segment, and not one piece of memory. */
	sg_set_page(&sg[0], pages, 2 * GRANULE, 0);
	sg_set_page(&sg[1], pages, GRANULE, 3 * GRANULE);
	sg_set_page(&sg[2], pages, 3 * GRANULE, 5 * GRANULE);
	KUNIT_EXPECT_EQ(test, 2, iommu_dma_map_sg(dev, sg, 3, DMA_TO_DEVICE, 0));
	if (!of_the_first)
		sg_dma_address(&sg[1]) += GRANULE;
	sg_dma_len(&sg[!of_the_first]) -= GRANULE;

	expect_wrong_unmap();
	iommu_dma_unmap_sg(dev, sg, 3, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&dmamap_cookie(dev)->bad_unmaps), 1);
	__free_pages(pages, get_order(8 * GRANULE));
}

static void an_unmap_of_less_before_a_gap_is_reported(struct kunit *test)
{
	unmap_less_beside_a_gap(test, true);
}

static void an_unmap_of_less_after_a_gap_is_reported(struct kunit *test)
{
	unmap_less_beside_a_gap(test, false);
}

static struct kunit_case misuse_cases[] = {
	KUNIT_CASE(after_ten_lines_one_comes_in_five_seconds),
	KUNIT_CASE(debugfs_lists_the_last_64_reports),
	KUNIT_CASE(each_device_has_a_trace_of_its_own),
	KUNIT_CASE(a_driver_that_is_bound_has_a_trace_again),
	KUNIT_CASE(calls_for_a_removed_device_touch_nothing),
	KUNIT_CASE(nothing_is_mapped_for_a_removed_device),
	KUNIT_CASE(an_unmap_of_less_before_a_gap_is_reported),
	KUNIT_CASE(an_unmap_of_less_after_a_gap_is_reported),
	KUNIT_CASE(ten_thousand_wrong_unmaps_print_one_trace),
	{}
};

static struct kunit_suite misuse_suite = {
	.name = "dmamap_misuse",
	.suite_init = misuse_suite_init,
	.suite_exit = misuse_suite_exit,
	.init = misuse_test_init,
	.exit = misuse_test_exit,
	.test_cases = misuse_cases,
};

kunit_test_suite(misuse_suite);
