// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the I/O page table formats.
 *
 * Every test runs once for each format that is built in, and looks at the
 * tables as hardware would: through a walker that is written from the
 * specifications alone.  Formats are parameters of one suite, and not each a
 * suite of its own, because KTAP names the parameter of every single result and
 * a format is then a line in a table.
 *
 * A test that provokes a warning announces it by a line "expected warning:"
 * with text that the warning contains; whoever reads the log counts them.  A
 * source file of page tables warns once and leaves it at messages from then
 * on, so the first of all is provoked before the tests.
 */

#include <kunit/device.h>

#include "io_pgtable_kunit.h"

static const struct format formats[] = {
#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
	{ "lpae s1 4K 48", ARM_64_LPAE_S1, LPAE, 12, 48, 48 },
	{ "lpae s1 4K 39", ARM_64_LPAE_S1, LPAE, 12, 39, 48 },
	{ "lpae s1 16K 47", ARM_64_LPAE_S1, LPAE, 14, 47, 48 },
	{ "lpae s1 64K 48", ARM_64_LPAE_S1, LPAE, 16, 48, 48 },
	{ "lpae s2 4K 48", ARM_64_LPAE_S2, LPAE, 12, 48, 48 },
	{ "lpae s2 4K 40", ARM_64_LPAE_S2, LPAE, 12, 40, 40 },
	{ "lpae s2 16K 48", ARM_64_LPAE_S2, LPAE, 14, 48, 48 },
	{ "lpae s2 16K 40", ARM_64_LPAE_S2, LPAE, 14, 40, 40 },
	{ "lpae s2 64K 42", ARM_64_LPAE_S2, LPAE, 16, 42, 48 },
	{ "lpae32 s1", ARM_32_LPAE_S1, LPAE, 12, 32, 40 },
	{ "lpae32 s2", ARM_32_LPAE_S2, LPAE, 12, 40, 40 },
	{ "mali", ARM_MALI_LPAE, MALI, 12, 39, 40 },
	{ "lpae s1 4K 48 contiguous", ARM_64_LPAE_S1, LPAE, 12, 48, 48, true },
	{ "lpae s1 16K 47 contiguous", ARM_64_LPAE_S1, LPAE, 14, 47, 48, true },
	{ "lpae s2 64K 42 contiguous", ARM_64_LPAE_S2, LPAE, 16, 42, 48, true },
	{ "lpae s2 4K 40 contiguous", ARM_64_LPAE_S2, LPAE, 12, 40, 40, true },
	{ "lpae32 s1 contiguous", ARM_32_LPAE_S1, LPAE, 12, 32, 40, true },
#endif
#ifdef CONFIG_IO_PGTABLE_VTD
	{ "vtd ss 39", VTD_SECOND_STAGE, SECOND_STAGE, 12, 39, 46 },
	{ "vtd ss 48", VTD_SECOND_STAGE, SECOND_STAGE, 12, 48, 46 },
	{ "vtd ss 57", VTD_SECOND_STAGE, SECOND_STAGE, 12, 57, 52 },
	{ "vtd fs 47", VTD_FIRST_STAGE, FIRST_STAGE, 12, 47, 46 },
	{ "vtd fs 56", VTD_FIRST_STAGE, FIRST_STAGE, 12, 56, 52 },
#endif
};

static void format_name(const struct format *format, char *name)
{
	strscpy(name, format->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(format, formats, format_name);

static void flush_all(void *cookie)
{
}

static void flush_walk(unsigned long iova, size_t size, size_t granule,
		       void *cookie)
{
	struct fixture *f = cookie;

	f->walks++;
	f->walked = size;
}

static void add_page(struct iommu_iotlb_gather *gather, unsigned long iova,
		     size_t granule, void *cookie)
{
	gather->pgsize = granule;
	iommu_iotlb_gather_add_range(gather, iova, granule);
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all = flush_all,
	.tlb_flush_walk = flush_walk,
	.tlb_add_page = add_page,
};

void *io_pgtable_hook_alloc(void *cookie, size_t size, gfp_t gfp)
{
	struct fixture *f = cookie;
	void *table;

	if (f->allocs_left && !--f->allocs_left)
		return NULL;
	table = ptw_pages_alloc(NUMA_NO_NODE, gfp, size);
	if (table)
		f->tables++;
	return table;
}

void io_pgtable_hook_free(void *cookie, void *pages, size_t size)
{
	struct fixture *f = cookie;

	f->tables--;
	ptw_pages_free(pages, size);
}

/* What an owner asks for. */
struct io_pgtable_cfg io_pgtable_wishes(struct fixture *f)
{
	struct io_pgtable_cfg cfg = {
		.quirks = f->quirks,
		.pgsize_bitmap = f->page | f->block,
		.ias = f->format->ias,
		.oas = f->format->oas,
		.coherent_walk = true,
		.tlb = &flush_ops,
		.reclaim = true,
		.contiguous = f->format->contiguous,
		.iommu_dev = f->dev,
	};

	if (f->format->granule == 12)
		cfg.pgsize_bitmap |= SZ_1G;
	return cfg;
}

void io_pgtable_open(struct fixture *f, bool hooks)
{
	f->cfg = io_pgtable_wishes(f);
	if (hooks) {
		f->cfg.alloc = io_pgtable_hook_alloc;
		f->cfg.free = io_pgtable_hook_free;
	}
	f->ops = alloc_io_pgtable_ops(f->format->fmt, &f->cfg, f);
}

static int io_pgtable_test_init(struct kunit *test)
{
	const struct format *format = test->param_value;
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->format = format;
	f->page = 1UL << format->granule;
	f->per_table = f->page / sizeof(u64);
	f->block = f->page * f->per_table;
	iommu_iotlb_gather_init(&f->gather);
	f->dev = kunit_device_register(test, "io-pgtable");
	if (IS_ERR(f->dev))
		return PTR_ERR(f->dev);
	io_pgtable_open(f, false);
	if (!f->ops)
		return -ENOMEM;
	test->priv = f;
	return 0;
}

static void io_pgtable_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	free_io_pgtable_ops(f->ops);
	iommu_put_pages_list(&f->gather.freelist);
}

/* One hole for each source file. */
static int io_pgtable_suite_init(struct kunit_suite *suite)
{
	bool warned[FIRST_STAGE + 1] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		enum encoding encoding = formats[i].encoding;
		struct io_pgtable_cfg cfg = {
			.pgsize_bitmap = BIT(formats[i].granule),
			.ias = formats[i].ias,
			.oas = formats[i].oas,
			.coherent_walk = true,
			.alloc = encoding < SECOND_STAGE ? io_pgtable_hook_alloc : NULL,
			.free = encoding < SECOND_STAGE ? io_pgtable_hook_free : NULL,
		};
		struct io_pgtable_ops *ops;
		struct fixture f = {};

		/* Mali shares its file with the other Arm formats. */
		if (encoding == MALI || warned[encoding])
			continue;
		ops = alloc_io_pgtable_ops(formats[i].fmt, &cfg, &f);
		if (!ops)
			return -ENOMEM;
		pr_info("expected warning: unmap finds no mapping\n");
		ops->unmap_pages(ops, 0, BIT(formats[i].granule), 1, NULL);
		free_io_pgtable_ops(ops);
		warned[encoding] = true;
	}
	return 0;
}

#define FORMAT_TEST(name)	KUNIT_CASE_PARAM(name, format_gen_params),

static struct kunit_case io_pgtable_test_cases[] = {
#include "io_pgtable_cases.h"
	{}
};

static struct kunit_suite io_pgtable_test_suite = {
	.name = "io-pgtable",
	.suite_init = io_pgtable_suite_init,
	.init = io_pgtable_test_init,
	.exit = io_pgtable_test_exit,
	.test_cases = io_pgtable_test_cases,
};

kunit_test_suite(io_pgtable_test_suite);
MODULE_DESCRIPTION("KUnit tests of the I/O page table formats");
MODULE_LICENSE("GPL");
