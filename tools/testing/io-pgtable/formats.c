// SPDX-License-Identifier: GPL-2.0-only
/*
 * What formats have of their own: where a walk may begin, the registers that owners
 * program, and the attributes of entries.  The stock tables and the specifications
 * say what is right.
 */
#include "targets.h"

/*
 * Where stage 2 may begin, with up to 16 tables side by side: Arm Architecture
 * Reference Manual for A-profile, AArch64.S2InvalidSL() and
 * AArch64.S2InconsistentSL(), with FEAT_TTST and without FEAT_LPA2. Bits of an
 * input address, and the bits of an output address that it takes at least.
 */
static const struct start {
	unsigned int granule, level, min, max, oas;
} starts[] = {
	{ 12, 0, 40, 52, 44 },
	{ 12, 1, 31, 43, 0 },
	{ 12, 2, 22, 34, 0 },
	{ 12, 3, 13, 25, 0 },
	{ 14, 1, 37, 51, 42 },
	{ 14, 2, 26, 40, 0 },
	{ 14, 3, 15, 29, 0 },
	{ 16, 1, 43, 59, 44 },
	{ 16, 2, 30, 46, 0 },
	{ 16, 3, 17, 33, 0 },
};

/* Whether stage 2 may begin at @level, or at any for -1. */
static bool may_begin(unsigned int granule, int level, unsigned int ias,
		      unsigned int oas)
{
	const struct start *s;

	for (s = starts; s < starts + ARRAY_SIZE(starts); s++)
		if (s->granule == granule && (level < 0 || s->level == level) &&
		    s->min <= ias && ias <= s->max && s->oas <= oas)
			return true;
	return false;
}

static void stage2_begins_where_it_may(struct target *local)
{
	u64 page = 1UL << local->granule, tables, last;
	unsigned int level;
	size_t mapped;

	t = local;
	cfg = (struct io_pgtable_cfg){
		.pgsize_bitmap = page, .ias = t->ias, .oas = t->oas,
		.coherent_walk = true,
	};
	ops = table_open(t->b->fns, t->b->fmt, &cfg, &told);
	expect(!!ops == may_begin(t->granule, -1, t->ias, t->oas),
	       "granule %u ias %u oas %u: %s", t->granule, t->ias, t->oas,
	       ops ? "made" : "refused");
	if (!ops)
		return;
	level = stage2_level(&cfg);
	expect(may_begin(t->granule, level, t->ias, t->oas),
	       "granule %u ias %u oas %u: begins at %u", t->granule, t->ias,
	       t->oas, level);
	/* With tables side by side only if it may not begin further up */
	expect(!level || !may_begin(t->granule, level - 1, t->ias, t->oas),
	       "granule %u ias %u oas %u: begins at %u and might above", t->granule,
	       t->ias, t->oas, level);
	/* Tables side by side are aligned to all of them. */
	last = t->granule + (3 - level) * (t->granule - 3) + t->granule - 3;
	tables = t->ias > last ? 1UL << (t->ias - last) : 1;
	expect(tables <= 16, "%lu tables", (long)tables);
	expect(t->ias < last || !(cfg.arm_lpae_s2_cfg.vttbr & (tables * page - 1)),
	       "root %#lx", (long)cfg.arm_lpae_s2_cfg.vttbr);
	last = (1UL << t->ias) - page;
	expect(!map(0, 5 * page, page, 1, &mapped), "map");
	expect(!map(last, 7 * page, page, 1, &mapped), "map");
	expect_page(0, 5 * page, page);
	expect_page(last, 7 * page, page);
	close_table();
}

static void stage2_begins_where_the_architecture_lets_it(void)
{
	static const unsigned int granules[] = { 12, 14, 16 };
	static const unsigned int sizes[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned int g, ias, o;

	for (g = 0; g < ARRAY_SIZE(granules); g++) {
		unsigned int limit = granules[g] == 16 ? 52 : 48;

		/* T0SZ from 16, or 12, to 39 */
		for (ias = 25; ias <= limit; ias++)
			for (o = 0; o < ARRAY_SIZE(sizes); o++) {
				struct target local = {
					.b = &s2, .granule = granules[g],
					.ias = ias, .oas = sizes[o],
				};

				if (sizes[o] <= limit)
					stage2_begins_where_it_may(&local);
			}
	}
}

/* The stock format gives the same registers, and the same bits in leaves. */
static struct {
	struct io_pgtable_init_fns *ours, *stock;
	enum io_pgtable_fmt fmt;
	unsigned long quirks;	/* with which entries are compared, too */
} pairs[] = {
	{ &io_pgtable_arm_64_lpae_s1_init_fns, &stock_64_lpae_s1_init_fns, ARM_64_LPAE_S1,
	  IO_PGTABLE_QUIRK_ARM_NS | IO_PGTABLE_QUIRK_ARM_HD },
	{ &io_pgtable_arm_64_lpae_s2_init_fns, &stock_64_lpae_s2_init_fns, ARM_64_LPAE_S2,
	  IO_PGTABLE_QUIRK_ARM_S2FWB },
	{ &io_pgtable_arm_32_lpae_s1_init_fns, &stock_32_lpae_s1_init_fns, ARM_32_LPAE_S1 },
	{ &io_pgtable_arm_32_lpae_s2_init_fns, &stock_32_lpae_s2_init_fns, ARM_32_LPAE_S2,
	  IO_PGTABLE_QUIRK_ARM_S2FWB },
	{ &io_pgtable_arm_mali_lpae_init_fns, &stock_mali_lpae_init_fns, ARM_MALI_LPAE },
};

static void compare_registers(const struct io_pgtable_cfg *a,
			      const struct io_pgtable_cfg *b, enum io_pgtable_fmt fmt)
{
	/* The stock one also offers pages that are as large as the space. */
	expect(a->pgsize_bitmap == (b->pgsize_bitmap & ((1UL << b->ias) - 1)) &&
	       a->ias == b->ias && a->oas == b->oas,
	       "limits: %lx %u %u, not %lx %u %u", a->pgsize_bitmap, a->ias,
	       a->oas, b->pgsize_bitmap, b->ias, b->oas);
	if (fmt == ARM_MALI_LPAE) {
		expect(a->arm_mali_lpae_cfg.memattr == b->arm_mali_lpae_cfg.memattr,
		       "memattr");
		expect((a->arm_mali_lpae_cfg.transtab & 0xfff) ==
		       (b->arm_mali_lpae_cfg.transtab & 0xfff), "transtab");
	} else if (fmt == ARM_64_LPAE_S1 || fmt == ARM_32_LPAE_S1) {
		/* Above the four attributes that it has, stock has a sign. */
		expect(a->arm_lpae_s1_cfg.mair == (u32)b->arm_lpae_s1_cfg.mair, "mair");
		expect(!memcmp(&a->arm_lpae_s1_cfg.tcr, &b->arm_lpae_s1_cfg.tcr,
			       sizeof(a->arm_lpae_s1_cfg.tcr)), "tcr");
	} else {
		expect(!memcmp(&a->arm_lpae_s2_cfg.vtcr, &b->arm_lpae_s2_cfg.vtcr,
			       sizeof(a->arm_lpae_s2_cfg.vtcr)),
		       "vtcr: sl %u, not %u", a->arm_lpae_s2_cfg.vtcr.sl,
		       b->arm_lpae_s2_cfg.vtcr.sl);
	}
}

/* Is there a level where stage 2 may begin? */
static bool may_begin_at_all(const struct io_pgtable_cfg *wish)
{
	unsigned long granules = wish->pgsize_bitmap & (SZ_4K | SZ_16K | SZ_64K);
	unsigned int granule, limit;

	if (!granules)
		return false;
	granule = __builtin_ctzl(granules);
	limit = granule == 16 ? 52 : 48;
	return may_begin(granule, -1, min(wish->ias, limit), min(wish->oas, limit));
}

/* True when both make a page table of @wish, the same one, or both refuse. */
static bool same_init(unsigned int p, const struct io_pgtable_cfg *wish,
		      unsigned int *made)
{
	bool stage2 = pairs[p].fmt == ARM_64_LPAE_S2 || pairs[p].fmt == ARM_32_LPAE_S2;
	struct io_pgtable_cfg a = *wish, b = *wish;
	struct io_pgtable_ops *ours, *stock;

	ours = table_open(pairs[p].ours, pairs[p].fmt, &a, &told);
	/* The stock one makes something all the same, or warns and loses memory. */
	if (stage2 && !may_begin_at_all(wish))
		return expect(!ours, "sizes %lx ias %u oas %u: made",
			      wish->pgsize_bitmap, wish->ias, wish->oas);
	stock = table_open(pairs[p].stock, pairs[p].fmt, &b, &told);
	/* The stock one also begins where the architecture does not let it. */
	if (stock && stage2 &&
	    !may_begin(__builtin_ctzl(b.pgsize_bitmap), stage2_level(&b), b.ias, b.oas)) {
		table_close(pairs[p].stock, stock);
		if (ours)
			table_close(pairs[p].ours, ours);
		return true;
	}
	if (!expect(!ours == !stock,
		    "fmt %u sizes %lx ias %u oas %u quirks %lx coherent %u: %s",
		    p, wish->pgsize_bitmap, wish->ias, wish->oas, wish->quirks,
		    wish->coherent_walk, ours ? "made" : "refused"))
		return false;
	if (!ours)
		return true;
	/* That of earlier kernels also has tables side by side where it need not. */
	if (stage2 && stage2_level(&a) < stage2_level(&b))
		b.arm_lpae_s2_cfg.vtcr.sl = a.arm_lpae_s2_cfg.vtcr.sl;
	compare_registers(&a, &b, pairs[p].fmt);
	table_close(pairs[p].ours, ours);
	table_close(pairs[p].stock, stock);
	(*made)++;
	return true;
}

static void init_as_stock(void)
{
	static const unsigned long sizes[] = {
		SZ_4K | SZ_2M | SZ_1G, SZ_16K | SZ_32M, SZ_64K | SZ_512M,
		SZ_64K | SZ_512M | 1UL << 42, SZ_16K | SZ_64K | SZ_512M, SZ_4K,
		SZ_4K | SZ_16K | SZ_64K | SZ_2M | SZ_32M | SZ_512M | SZ_1G,
		SZ_2M, 0,
	};
	static const unsigned int oas[] = { 32, 36, 40, 42, 44, 48, 50, 52, 53 };
	unsigned int p, s, i, o, bit, made = 0;

	for (p = 0; p < ARRAY_SIZE(pairs); p++) {
		unsigned int n = ARRAY_SIZE(sizes) * 36 * ARRAY_SIZE(oas) * 18;
		unsigned int which;

		for (which = 0; which < n; which++) {
			unsigned int left = which;
			struct io_pgtable_cfg wish = {};

			s = left % ARRAY_SIZE(sizes);
			left /= ARRAY_SIZE(sizes);
			o = left % ARRAY_SIZE(oas);
			left /= ARRAY_SIZE(oas);
			i = left % 36;
			left /= 36;
			bit = left / 2;
			wish.pgsize_bitmap = sizes[s];
			wish.ias = 20 + i;
			wish.oas = oas[o];
			wish.quirks = bit ? 1UL << (bit - 1) : 0;
			wish.coherent_walk = left % 2;
			if (!same_init(p, &wish, &made))
				return;
		}
	}
	expect(made > 1000, "made %u", made);
}

/* The entries for a page and a block of @prot, 0 where that is refused. */
static void entries_of(struct io_pgtable_init_fns *fns, enum io_pgtable_fmt fmt,
		       unsigned long quirks, int prot, u64 entries[2])
{
	struct backend backend = { fns, fmt, fmt == ARM_MALI_LPAE ? MALI : LPAE };
	struct target local = {
		.b = &backend,
		.granule = 12, .ias = 32, .oas = 40, .coherent = true,
		.quirks = quirks,
	};
	size_t mapped = 0;

	t = &local;
	open_table();
	if (ops->map_pages(ops, 0x1000, 0x5000, SZ_4K, 1, prot, GFP_KERNEL, &mapped) ||
	    ops->map_pages(ops, SZ_2M, SZ_2M, SZ_2M, 1, prot, GFP_KERNEL, &mapped)) {
		memset(entries, 0, 2 * sizeof(*entries));
	} else {
		entries[0] = hardware(0x1234).entry;
		entries[1] = hardware(SZ_2M + 1).entry;
	}
	table_close(fns, ops);
}

static void attributes_as_stock(void)
{
	static const unsigned long quirks[] = {
		0, IO_PGTABLE_QUIRK_ARM_NS, IO_PGTABLE_QUIRK_ARM_HD,
		IO_PGTABLE_QUIRK_ARM_S2FWB,
	};
	unsigned int p, q, prot, seen = 0, variants = 0;

	for (p = 0; p < ARRAY_SIZE(pairs); p++) {
		for (q = 0; q < ARRAY_SIZE(quirks); q++) {
			if (q && !(quirks[q] & pairs[p].quirks))
				continue;
			variants++;
			for (prot = 0; prot < 64; prot++) {
				u64 a[2], b[2];

				entries_of(pairs[p].ours, pairs[p].fmt, quirks[q], prot, a);
				entries_of(pairs[p].stock, pairs[p].fmt, quirks[q], prot, b);
				/* XN[1:0] of stage 2: 0b11 lets privileged code run. */
				if (prot & IOMMU_NOEXEC && (pairs[p].fmt == ARM_64_LPAE_S2 ||
							    pairs[p].fmt == ARM_32_LPAE_S2)) {
					b[0] &= ~(1UL << 53);
					b[1] &= ~(1UL << 53);
				}
				expect(a[0] == b[0] && a[1] == b[1],
				       "fmt %u prot %x: %#lx %#lx, not %#lx %#lx", p,
				       prot, (long)a[0], (long)a[1], (long)b[0],
				       (long)b[1]);
				seen += !!a[0];
			}
		}
	}
	expect(variants >= 7 && seen == variants * 48, "seen %u of %u", seen, variants);
}

#ifdef CONFIG_IO_PGTABLE_VTD
static void vtd_attributes(void)
{
	static const struct { int prot; bool snoop; u64 ss, fs; } rows[] = {
		/* second stage: R 0, W 1, SNP 11; first: P 0, RW 1, US 2, A 5, D 6 */
		{ IOMMU_READ, false, 0x1, 0x25 },
		{ IOMMU_WRITE, false, 0x3, 0x67 },
		{ IOMMU_READ | IOMMU_WRITE, false, 0x3, 0x67 },
		{ IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE, true, 0x803, 0x67 },
	};
	unsigned int i, stage;

	for (stage = 0; stage < 2; stage++)
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			struct target local = {
				.b = stage ? &vtd_fs : &vtd_ss, .granule = 12,
				.ias = 48, .oas = 46, .coherent = true,
			};
			u64 want = stage ? rows[i].fs : rows[i].ss;
			size_t mapped = 0;
			u64 entry;

			t = &local;
			open_table();
			io_pgtable_ops_to_pgtable(ops)->cfg.vtd_cfg.snoop = rows[i].snoop;
			expect(!ops->map_pages(ops, 0, 0x40000000, SZ_4K, 1, rows[i].prot,
					       GFP_KERNEL, &mapped), "map");
			expect(!ops->map_pages(ops, SZ_2M, 0x40000000, SZ_2M, 1,
					       rows[i].prot, GFP_KERNEL, &mapped), "map");
			entry = hardware(0).entry;
			expect(entry == (0x40000000 | want), "page %#lx", (long)entry);
			entry = hardware(SZ_2M).entry;
			expect(entry == (0x40000000 | 0x80 | want), "block %#lx", (long)entry);
			close_table();
		}
}
#endif

int main(int argc, char **argv)
{
	test_options(argc, argv, NULL, true);
	run_test(stage2_begins_where_the_architecture_lets_it);
	run_test(init_as_stock);
	run_test(attributes_as_stock);
#ifdef CONFIG_IO_PGTABLE_VTD
	run_test(vtd_attributes);
#endif
	return test_finish(tests_ran, tests_failed);
}
