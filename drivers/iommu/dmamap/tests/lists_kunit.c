// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of scatterlists of unusual shape.
 *
 * The entries lie at physical addresses that no test touches, so a list may be
 * as long as it likes. What a device would read is taken from the translations.
 */

#include <linux/dma-map-ops.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../../dma-iommu.h"
#include "../dmamap.h"
#include "mock_kunit.h"

#define GRANULE		SZ_4K
#define MAX_ENTRIES	24
/* Registers that no test touches. */
#ifdef CONFIG_PHYS_ADDR_T_64BIT
#define FAR		BIT_ULL(40)
#else
#define FAR		BIT(31)
#endif

struct piece {
	unsigned int offset, size;
};

struct list {
	struct scatterlist sgl[MAX_ENTRIES];
	unsigned int nr;
};

/* How the IOMMU takes memory that is in many pieces. */
static const struct manner {
	const char *name;
	bool runs;
} manners[] = {
	{ "piece by piece", false },
	{ "many in a call", true },
};

KUNIT_ARRAY_PARAM_DESC(manner, manners, name);

static int lists_init(struct kunit *test)
{
	const struct manner *manner = test->param_value;
	struct mock_iommu *mock;
	int ret = mock_kunit_init(test);

	if (ret)
		return ret;
	mock = test->priv;
	mock->config.map_runs = manner && manner->runs;
	return 0;
}

static void free_memory(void *page)
{
	__free_pages(page, MAX_PAGE_ORDER);
}

/* Memory for the entries of lists: 4 MiB with pages of 4 KiB. */
static struct page *new_memory(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL, MAX_PAGE_ORDER);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_memory, page));
	return page;
}

/* An entry for each piece, no two of them adjacent. */
static void fill_list(struct list *l, struct page *memory,
		      const struct piece *pieces, unsigned int nr)
{
	unsigned int i, at = 0;

	l->nr = nr;
	sg_init_table(l->sgl, nr);
	for (i = 0; i < nr; i++) {
		sg_set_page(&l->sgl[i], memory + at, pieces[i].size,
			    pieces[i].offset);
		at += PFN_UP(pieces[i].offset + pieces[i].size) + 1;
	}
}

static struct list *new_list(struct kunit *test, struct page *memory,
			     const struct piece *pieces, unsigned int nr)
{
	struct list *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, l);
	fill_list(l, memory, pieces, nr);
	return l;
}

static int map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		  enum dma_data_direction dir)
{
	return iommu_dma_map_sg(dev, sgl, nents, dir, 0);
}

static void unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
		     enum dma_data_direction dir)
{
	iommu_dma_unmap_sg(dev, sgl, nents, dir, 0);
}

/* Do the segments translate to the entries, byte for byte, and to no more? */
static void expect_mapped(struct kunit *test, struct device *dev,
			  struct list *l, unsigned int nents)
{
	struct scatterlist *seg = l->sgl, *s;
	unsigned int i, used = 0, left = nents;

	for_each_sg(l->sgl, s, l->nr, i) {
		unsigned int done = 0, n;

		for (; done < s->length; done += n, used += n) {
			dma_addr_t addr;

			if (used == sg_dma_len(seg)) {
				KUNIT_ASSERT_GT(test, --left, 0);
				seg = sg_next(seg);
				used = 0;
			}
			addr = sg_dma_address(seg) + used;
			n = min3(s->length - done, sg_dma_len(seg) - used,
				 (unsigned int)(GRANULE - (addr % GRANULE)));
			KUNIT_ASSERT_EQ_MSG(test, mock_kunit_phys(dev, addr),
					    sg_phys(s) + done,
					    "entry %u, byte %u", i, done);
		}
	}
	KUNIT_EXPECT_EQ(test, left, 1);
	KUNIT_EXPECT_EQ(test, used, sg_dma_len(seg));
}

static void expect_unmapped(struct kunit *test, struct device *dev)
{
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 0);
	KUNIT_EXPECT_EQ(test, mock_stale_pages(dev), 0);
}

/* stock fails this */
static void a_boundary_that_is_no_mask_gives_right_addresses(struct kunit *test)
{
	static const struct {
		unsigned long mask, respected;
	} cases[] = {
		{ 0x1ffffffe, 0xfffffff }, { 0xfffe, 0x7fff }, { 0x1000, 0xfff },
		{ 0xc000, 0x7fff }, { 0xffff, 0xffff },
	};
	static const struct piece small[] = { { 0, 0x800 }, { 0, 0x1000 } };
	static const struct piece large[] = {
		{ 0, 0x800 }, { 0, 0x7000 }, { 0, 0x1000 }, { 0x10, 0x6000 },
		{ 0, 0x1000 }, { 0, 0x1000 },
	};
	struct device *dev = mock_kunit_platform(test);
	struct page *memory = new_memory(test);
	unsigned int c, i, way;

	if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK))
		kunit_skip(test, "stock follows a NULL pointer");
	/* The top of the space: where all bits of the boundary are set. */
	dma_set_mask(dev, DMA_BIT_MASK(32));
	dma_set_max_seg_size(dev, SZ_1M);
	for (c = 0; c < ARRAY_SIZE(cases); c++)
		for (way = 0; way < 2; way++) {
			struct list *l = way ?
				new_list(test, memory, large, ARRAY_SIZE(large)) :
				new_list(test, memory, small, ARRAY_SIZE(small));
			struct scatterlist *seg;
			int nents;

			dma_set_seg_boundary(dev, cases[c].mask);
			nents = map_sg(dev, l->sgl, l->nr, DMA_TO_DEVICE);
			KUNIT_ASSERT_GT(test, nents, 0);
			expect_mapped(test, dev, l, nents);
			for_each_sg(l->sgl, seg, nents, i) {
				dma_addr_t first = sg_dma_address(seg);
				dma_addr_t last = first + sg_dma_len(seg) - 1;
				u64 mask = cases[c].respected;

				/* An entry may be longer than it is away. */
				if (sg_dma_len(seg) <= mask && mask > GRANULE)
					KUNIT_EXPECT_EQ_MSG(test, first & ~mask,
							    last & ~mask,
							    "%#lx, segment %u",
							    cases[c].mask, i);
			}
			unmap_sg(dev, l->sgl, l->nr, DMA_TO_DEVICE);
			expect_unmapped(test, dev);
		}
}

/* Lists, and where an empty entry comes before their entries. */
static const struct piece ordinary[] = {
	{ 0, GRANULE }, { 0, 3 * GRANULE }, { 0, GRANULE }, { 0, 100 },
};

static const struct piece ragged[] = {
	{ 8, 100 }, { 0, GRANULE }, { 512, GRANULE }, { 0, 2 * GRANULE },
};

/* The list with empty entries at the places in @where has the same segments. */
static void check_empty(struct kunit *test, struct device *dev,
			struct page *memory, const struct piece *pieces,
			unsigned int nr, unsigned int offset,
			unsigned int where)
{
	struct list *with, *without = new_list(test, memory, pieces, nr);
	struct piece more[2 * 4 + 1];
	unsigned int i, n = 0;
	int want, got;

	for (i = 0; i <= nr; i++) {
		if (where & BIT(i))
			more[n++] = (struct piece){ offset, 0 };
		if (i < nr)
			more[n++] = pieces[i];
	}
	with = new_list(test, memory, more, n);
	want = map_sg(dev, without->sgl, nr, DMA_TO_DEVICE);
	KUNIT_ASSERT_GT(test, want, 0);
	got = map_sg(dev, with->sgl, n, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ_MSG(test, got, want, "empty entries %#x, offset %u",
			    where, offset);
	if (got == want) {
		if (!dmamap_untrusted(dev))
			expect_mapped(test, dev, with, got);
		for (i = 0; i < got; i++)
			KUNIT_EXPECT_EQ(test, sg_dma_len(&with->sgl[i]),
					sg_dma_len(&without->sgl[i]));
	}
	if (got > 0)
		unmap_sg(dev, with->sgl, n, DMA_TO_DEVICE);
	unmap_sg(dev, without->sgl, nr, DMA_TO_DEVICE);
	expect_unmapped(test, dev);
}

static void check_empty_anywhere(struct kunit *test, struct device *dev)
{
	static const unsigned int offsets[] = { 0, 8, GRANULE, GRANULE + 8 };
	struct page *memory = new_memory(test);
	unsigned int i, where;

	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		for (where = 1; where < 32; where++) {
			check_empty(test, dev, memory, ordinary,
				    ARRAY_SIZE(ordinary), offsets[i], where);
			check_empty(test, dev, memory, ragged,
				    ARRAY_SIZE(ragged), offsets[i], where);
		}
}

/* stock fails this */
static void an_empty_entry_is_as_if_it_were_not_there(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);

	dma_set_max_seg_size(dev, SZ_64K);
	check_empty_anywhere(test, dev);
}

/* stock fails this */
static void an_empty_entry_makes_no_gap(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);

	dma_set_max_seg_size(dev, SZ_64K);
	dma_set_seg_boundary(dev, SZ_16K - 1);
	check_empty_anywhere(test, dev);
}

/* stock fails this */
static void an_empty_entry_does_not_bounce(struct kunit *test)
{
	struct device *dev = mock_kunit_untrusted(test);

	check_empty_anywhere(test, dev);
}

/* stock fails this */
static void a_list_of_nothing_is_refused(struct kunit *test)
{
	static const struct piece nothing[] = { { 0, 0 }, { 8, 0 }, { 0, 0 } };
	struct device *devs[] = {
		mock_kunit_platform(test), mock_kunit_untrusted(test),
	};
	struct page *memory = new_memory(test);
	unsigned int d, n;

	for (d = 0; d < ARRAY_SIZE(devs); d++)
		for (n = 0; n <= ARRAY_SIZE(nothing); n++) {
			struct list *l = new_list(test, memory, nothing,
						  ARRAY_SIZE(nothing));
			struct sg_table sgt = {
				.sgl = l->sgl, .nents = n, .orig_nents = n,
			};

			KUNIT_EXPECT_EQ(test, -EINVAL,
					dma_map_sgtable(devs[d], &sgt,
							DMA_TO_DEVICE, 0));
			expect_unmapped(test, devs[d]);
		}
}

/* stock fails this */
static void a_map_of_0_bytes_is_refused(struct kunit *test)
{
	static const unsigned int offsets[] = { 0, 1, 100, GRANULE - 1 };
	struct device *devs[] = {
		mock_kunit_platform(test), mock_kunit_untrusted(test),
	};
	struct page *page = new_memory(test);
	unsigned int d, i;
	dma_addr_t addr;

	for (d = 0; d < ARRAY_SIZE(devs); d++)
		for (i = 0; i < ARRAY_SIZE(offsets); i++) {
			addr = dma_map_page(devs[d], page, offsets[i], 0,
					    DMA_TO_DEVICE);
			KUNIT_EXPECT_TRUE(test, dma_mapping_error(devs[d], addr));
			addr = dma_map_resource(devs[d], FAR + offsets[i], 0,
						DMA_TO_DEVICE, 0);
			KUNIT_EXPECT_TRUE(test, dma_mapping_error(devs[d], addr));
			expect_unmapped(test, devs[d]);
		}
}

/* stock fails this */
static void a_list_of_whole_pages_of_an_untrusted_device_is_one_range(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, GRANULE }, { GRANULE, 2 * GRANULE }, { 0, 3 * GRANULE },
	};
	struct device *dev = mock_kunit_untrusted(test);
	struct page *memory = new_memory(test);
	struct list *l = new_list(test, memory, pieces, ARRAY_SIZE(pieces));
	struct mock_iommu *mock = test->priv;
	unsigned long syncs;

	KUNIT_ASSERT_EQ(test, 1, map_sg(dev, l->sgl, l->nr, DMA_BIDIRECTIONAL));
	expect_mapped(test, dev, l, 1);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_swiotlb(l->sgl));
	iommu_dma_sync_sg_for_cpu(dev, l->sgl, l->nr, DMA_BIDIRECTIONAL);
	iommu_dma_sync_sg_for_device(dev, l->sgl, l->nr, DMA_BIDIRECTIONAL);
	syncs = mock_count(mock, MOCK_SYNC);
	unmap_sg(dev, l->sgl, l->nr, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, mock_count(mock, MOCK_SYNC) - syncs, 1);
	expect_unmapped(test, dev);
}

/* One entry that shares a page with something else: all of it may bounce. */
static void a_list_with_part_of_a_page_bounces(struct kunit *test)
{
	struct device *dev = mock_kunit_untrusted(test);
	struct page *memory = new_memory(test);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct piece pieces[] = {
			{ 0, GRANULE }, { 0, GRANULE }, { 0, GRANULE },
		};
		struct list *l;

		pieces[i].size -= 4;
		l = new_list(test, memory, pieces, ARRAY_SIZE(pieces));
		KUNIT_ASSERT_GT(test, map_sg(dev, l->sgl, l->nr, DMA_TO_DEVICE),
				0);
		KUNIT_EXPECT_TRUE(test, sg_dma_is_swiotlb(l->sgl));
		KUNIT_EXPECT_NE(test, sg_phys(&l->sgl[i]),
				mock_kunit_phys(dev, sg_dma_address(&l->sgl[i])));
		unmap_sg(dev, l->sgl, l->nr, DMA_TO_DEVICE);
		expect_unmapped(test, dev);
	}
}

/* stock fails this */
static void an_unmap_of_a_segment_made_shorter_is_reported(struct kunit *test)
{
	static const struct piece pieces[] = {
		{ 0, 2 * GRANULE + 8 }, { 0, 2 * GRANULE }, { 8, 100 },
	};
	struct device *dev = mock_kunit_platform(test);
	struct page *memory = new_memory(test);
	struct list *l = new_list(test, memory, pieces, ARRAY_SIZE(pieces));

	KUNIT_ASSERT_EQ(test, 3, map_sg(dev, l->sgl, 3, DMA_TO_DEVICE));
	sg_dma_len(&l->sgl[1]) -= GRANULE;
	pr_info("expected warning: unmap of IOVA\n");
	unmap_sg(dev, l->sgl, 3, DMA_TO_DEVICE);
}

#ifdef CONFIG_NEED_SG_DMA_FLAGS
/* stock fails this */
static void a_stale_bus_address_flag_does_not_matter(struct kunit *test)
{
	static const struct piece *shapes[] = { ordinary, ragged };
	struct device *dev = mock_kunit_platform(test);
	struct page *memory = new_memory(test);
	unsigned int i, n;

	dma_set_max_seg_size(dev, GRANULE);
	for (n = 0; n < ARRAY_SIZE(shapes); n++)
		for (i = 0; i < 4; i++) {
			struct list *l = new_list(test, memory, shapes[n], 4);
			int nents;

			sg_dma_mark_bus_address(&l->sgl[i]);
			nents = map_sg(dev, l->sgl, 4, DMA_TO_DEVICE);
			KUNIT_ASSERT_GT(test, nents, 0);
			expect_mapped(test, dev, l, nents);
			unmap_sg(dev, l->sgl, 4, DMA_TO_DEVICE);
			expect_unmapped(test, dev);
		}
}
#endif

/*
 * The segments that stock makes of a list: what is comparable for a device, and
 * so what this layer must not exceed. That it is what stock does, the same test
 * says on the stock layer, list by list.
 */
static unsigned int stock_segments(const struct list *l, u64 boundary,
				   unsigned int max_len)
{
	u64 end = 0, open = 0, len, gap;
	unsigned int i, count = 0;

	for (i = 0; i < l->nr; i++) {
		const struct scatterlist *s = &l->sgl[i];

		len = ALIGN(s->offset % GRANULE + s->length, GRANULE);
		gap = -end & boundary;
		if (!gap || gap >= len) {
			gap = 0;
			/* An entry that is too long lets all others join. */
			if (open && !(s->offset % GRANULE) && end & boundary &&
			    (open > max_len || open + s->length <= max_len)) {
				open += s->length;
				goto next;
			}
		}
		count++;
		open = s->length;
next:
		end += gap + len;
		if ((s->offset + s->length) % GRANULE)
			open = 0;
	}
	return count;
}

static void no_list_has_more_segments_than_on_stock(struct kunit *test)
{
	static const unsigned long boundaries[] = {
		SZ_32K - 1, SZ_64K - 1, SZ_1M - 1, DMA_BIT_MASK(32), ULONG_MAX,
	};
	static const unsigned int largest[] = {
		SZ_4K, SZ_8K, SZ_64K, SZ_1M, UINT_MAX,
	};
	struct device *dev = mock_kunit_platform(test);
	struct page *memory = new_memory(test);
	static struct piece pieces[MAX_ENTRIES];
	/* With lockdep it would take minutes. */
	unsigned int rounds = IS_ENABLED(CONFIG_PROVE_LOCKING) ? 1000 : 20000;
	unsigned int round, i, nr, stock, segments = 0, wrong = 0;
	struct rnd_state rnd;
	struct list l;
	int nents;

	prandom_seed_state(&rnd, 20241107);
	for (round = 0; round < rounds; round++) {
		u32 seed = prandom_u32_state(&rnd);
		unsigned long boundary = boundaries[seed % 5];
		unsigned int max_len = largest[seed / 5 % 5];
		/* Of four kinds: pages, and more and more ragged ones. */
		unsigned int ragged = seed / 25 % 4;

		nr = 1 + seed / 100 % MAX_ENTRIES;
		for (i = 0; i < nr; i++) {
			u32 dice = prandom_u32_state(&rnd);
			bool odd = dice % 4 < ragged;

			pieces[i].offset = odd && dice & 4 ? dice / 8 % SZ_8K : 0;
			pieces[i].size = odd && dice & BIT(16) ?
				1 + dice / 256 % SZ_32K :
				(1 + dice / 256 % 8) * GRANULE;
		}
		fill_list(&l, memory, pieces, nr);
		dma_set_max_seg_size(dev, max_len);
		dma_set_seg_boundary(dev, boundary);
		stock = stock_segments(&l, boundary, max_len);
		nents = map_sg(dev, l.sgl, nr, DMA_TO_DEVICE);
		KUNIT_ASSERT_GT(test, nents, 0);
		if (round % 100 == 0)
			expect_mapped(test, dev, &l, nents);
		if (IS_ENABLED(CONFIG_IOMMU_DMA_STOCK) ? nents != stock :
							 nents > stock)
			wrong++;
		segments += nents;
		unmap_sg(dev, l.sgl, nr, DMA_TO_DEVICE);
	}
	kunit_info(test, "%u segments\n", segments);
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "lists of %u", rounds);
	expect_unmapped(test, dev);
}

static void a_bar_of_8_gib_takes_the_largest_pages(struct kunit *test)
{
	struct device *dev = mock_kunit_platform(test);
	size_t size = (size_t)(8ULL * SZ_1G);
	dma_addr_t addr;

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "sizes of 32 bits");
	addr = dma_map_resource(dev, FAR, size, DMA_BIDIRECTIONAL, 0);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), size);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 8);
	KUNIT_EXPECT_EQ(test, mock_kunit_phys(dev, addr), FAR);
	KUNIT_EXPECT_EQ(test, mock_kunit_phys(dev, addr + size - 1),
			FAR + size - 1);
	dma_unmap_resource(dev, addr, size, DMA_BIDIRECTIONAL, 0);
	expect_unmapped(test, dev);

	/* Part of one, off by a page: with all the 1 GiB pages that fit. */
	addr = dma_map_resource(dev, FAR + GRANULE, size, DMA_BIDIRECTIONAL, 0);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), size);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), 7 + 2 * 511 + 1);
	dma_unmap_resource(dev, addr, size, DMA_BIDIRECTIONAL, 0);
	expect_unmapped(test, dev);
}

static void free_table(void *sgt)
{
	sg_free_table(sgt);
}

/* 8192 entries of 1 MiB, @apart bytes between each pair: 8 GiB in all. */
static void check_long_list(struct kunit *test, struct device *dev,
			    unsigned long apart, unsigned long pages)
{
	struct sg_table *sgt = kunit_kzalloc(test, sizeof(*sgt), GFP_KERNEL);
	struct page *page = new_memory(test);
	struct scatterlist *s;
	unsigned int i;
	int nents;
	u64 sum = 0;

	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_ASSERT_EQ(test, sg_alloc_table(sgt, 8192, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_table, sgt));
	/* The same 4 MiB again and again. */
	for_each_sgtable_sg(sgt, s, i)
		sg_set_page(s, page + i % 2 * (apart >> PAGE_SHIFT), SZ_1M, 0);
	nents = map_sg(dev, sgt->sgl, 8192, DMA_TO_DEVICE);
	KUNIT_ASSERT_GT(test, nents, 0);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), 8192ULL * SZ_1M);
	KUNIT_EXPECT_EQ(test, mock_live_pages(dev), pages);
	for_each_sg(sgt->sgl, s, nents, i) {
		KUNIT_EXPECT_LE(test, sg_dma_len(s), dma_get_max_seg_size(dev));
		sum += sg_dma_len(s);
	}
	KUNIT_EXPECT_EQ(test, sum, 8192ULL * SZ_1M);
	unmap_sg(dev, sgt->sgl, 8192, DMA_TO_DEVICE);
	expect_unmapped(test, dev);
}

static void a_list_of_8192_times_1_mib_takes_the_largest_pages(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;
	struct device *dev;

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "sizes of 32 bits");
	/* Two adjacent entries make a page of 2 MiB, one makes 16 of 64 KiB. */
	mock->config.pgsize_bitmap = SZ_4K | SZ_64K | SZ_2M | SZ_1G;
	dev = mock_kunit_platform(test);
	dma_set_max_seg_size(dev, UINT_MAX);
	check_long_list(test, dev, SZ_1M, 4096);
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	check_long_list(test, dev, SZ_1M, 4096);
	check_long_list(test, dev, SZ_2M, 8192 * 16);
}

static struct kunit_case lists_cases[] = {
	KUNIT_CASE_PARAM(a_boundary_that_is_no_mask_gives_right_addresses,
			 manner_gen_params),
	KUNIT_CASE_PARAM(an_empty_entry_is_as_if_it_were_not_there,
			 manner_gen_params),
	KUNIT_CASE_PARAM(an_empty_entry_makes_no_gap, manner_gen_params),
	KUNIT_CASE(an_empty_entry_does_not_bounce),
	KUNIT_CASE(a_list_of_nothing_is_refused),
	KUNIT_CASE(a_map_of_0_bytes_is_refused),
	KUNIT_CASE(a_list_of_whole_pages_of_an_untrusted_device_is_one_range),
	KUNIT_CASE(a_list_with_part_of_a_page_bounces),
	KUNIT_CASE(an_unmap_of_a_segment_made_shorter_is_reported),
#ifdef CONFIG_NEED_SG_DMA_FLAGS
	KUNIT_CASE(a_stale_bus_address_flag_does_not_matter),
#endif
	KUNIT_CASE(no_list_has_more_segments_than_on_stock),
	KUNIT_CASE(a_bar_of_8_gib_takes_the_largest_pages),
	KUNIT_CASE(a_list_of_8192_times_1_mib_takes_the_largest_pages),
	{}
};

static struct kunit_suite lists_suite = {
	.name = "dmamap_lists",
	.suite_init = mock_kunit_suite_init,
	.init = lists_init,
	.exit = mock_kunit_exit,
	.test_cases = lists_cases,
};

kunit_test_suite(lists_suite);

MODULE_DESCRIPTION("KUnit tests of scatterlists mapped through an IOMMU");
MODULE_LICENSE("GPL");
