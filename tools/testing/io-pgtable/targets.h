/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The formats, granules and kinds of walker that each test runs for, and the
 * page table that is open, looked at as hardware would.
 */
#ifndef _TARGETS_H
#define _TARGETS_H

#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "tables.h"
#include "base.h"
#include "tests/base_kunit.h"

enum kind { LPAE, MALI, SS, FS };

struct backend {
	struct io_pgtable_init_fns *fns;
	enum io_pgtable_fmt fmt;
	enum kind kind;
};

struct target {
	const char *name;
	const struct backend *b;
	unsigned int granule, ias, oas;
	bool coherent;
	unsigned long quirks;
	bool contiguous;
};

static const struct backend s1 = {
	&io_pgtable_arm_64_lpae_s1_init_fns, ARM_64_LPAE_S1, LPAE
};

static const struct backend s2 = {
	&io_pgtable_arm_64_lpae_s2_init_fns, ARM_64_LPAE_S2, LPAE
};

static const struct backend s1_32 = {
	&io_pgtable_arm_32_lpae_s1_init_fns, ARM_32_LPAE_S1, LPAE
};

static const struct backend s2_32 = {
	&io_pgtable_arm_32_lpae_s2_init_fns, ARM_32_LPAE_S2, LPAE
};

static const struct backend mali = {
	&io_pgtable_arm_mali_lpae_init_fns, ARM_MALI_LPAE, MALI
};

#ifdef CONFIG_IO_PGTABLE_VTD
static const struct backend vtd_ss = {
	&io_pgtable_vtd_ss_init_fns, VTD_SECOND_STAGE, SS
};

static const struct backend vtd_fs = {
	&io_pgtable_vtd_fs_init_fns, VTD_FIRST_STAGE, FS
};
#endif

/* Granule, input and output address bits, coherent walker. */
static struct target targets[] = {
	{ "s1 4K 48", &s1, 12, 48, 48, true },
	{ "s1 4K 39", &s1, 12, 39, 40, true },
	{ "s1 4K 39 TTBR1", &s1, 12, 39, 40, true, IO_PGTABLE_QUIRK_ARM_TTBR1 },
	{ "s1 4K 32 noncoherent", &s1, 12, 32, 40, false },
	{ "s1 16K 48", &s1, 14, 48, 48, true },
	{ "s1 16K 36 noncoherent", &s1, 14, 36, 48, false },
	{ "s1 64K 48", &s1, 16, 48, 48, true },
	{ "s1 64K 52", &s1, 16, 52, 52, true },
	{ "s2 4K 48", &s2, 12, 48, 48, true },
	{ "s2 4K 40 concatenated", &s2, 12, 40, 40, true },
	{ "s2 4K 42 noncoherent", &s2, 12, 42, 44, false },
	{ "s2 16K 48 concatenated", &s2, 14, 48, 48, true },
	{ "s2 16K 40 concatenated", &s2, 14, 40, 40, true },
	{ "s2 64K 44", &s2, 16, 44, 48, true },
	{ "32 s1", &s1_32, 12, 32, 40, true },
	{ "32 s2", &s2_32, 12, 40, 40, true },
	{ "mali", &mali, 12, 33, 40, false },
	{ "mali 48", &mali, 12, 48, 40, true },
	{ "s1 4K 48 contiguous", &s1, 12, 48, 48, true, 0, true },
	{ "s1 4K 39 contiguous TTBR1", &s1, 12, 39, 40, true,
	  IO_PGTABLE_QUIRK_ARM_TTBR1, true },
	{ "s1 16K 47 contiguous noncoherent", &s1, 14, 47, 48, false, 0, true },
	{ "s1 64K 52 contiguous", &s1, 16, 52, 52, true, 0, true },
	{ "s2 4K 40 contiguous", &s2, 12, 40, 40, true, 0, true },
	{ "s2 16K 48 contiguous", &s2, 14, 48, 48, true, 0, true },
	{ "s2 16K 40 contiguous noncoherent", &s2, 14, 40, 40, false, 0, true },
	{ "s2 64K 44 contiguous noncoherent", &s2, 16, 44, 48, false, 0, true },
	{ "32 s1 contiguous", &s1_32, 12, 32, 40, true, 0, true },
	{ "32 s2 contiguous", &s2_32, 12, 40, 40, true, 0, true },
#ifdef CONFIG_IO_PGTABLE_VTD
	{ "vtd ss 39", &vtd_ss, 12, 39, 46, true },
	{ "vtd ss 48", &vtd_ss, 12, 48, 46, true },
	{ "vtd ss 57 noncoherent", &vtd_ss, 12, 57, 52, false },
	{ "vtd fs 47", &vtd_fs, 12, 47, 46, true },
	{ "vtd fs 56 noncoherent", &vtd_fs, 12, 56, 52, false },
#endif
};

static struct target *t;
static struct io_pgtable_cfg cfg;
static struct told told;
static struct io_pgtable_ops *ops;
static const int RW = IOMMU_READ | IOMMU_WRITE;

/* What may stay of empty tables, at least (walk.c). */
#define RESERVE		24

static void open_table(void)
{
	cfg = (struct io_pgtable_cfg){
		.quirks = t->quirks,
		.pgsize_bitmap = 1UL << t->granule |
				 1UL << (2 * t->granule - 3) |
				 1UL << (3 * t->granule - 6),
		.ias = t->ias,
		.oas = t->oas,
		.coherent_walk = t->coherent,
		.contiguous = t->contiguous,
	};
	told = (struct told){};
	ops = table_open(t->b->fns, t->b->fmt, &cfg, &told);
	expect(ops, "no page table");
}

static void close_table(void)
{
	table_close(t->b->fns, ops);
	rcu_barrier();
	expect(!shim_pages(), "%ld pages left", shim_pages());
	expect(!shim_pages_mapped(), "%ld pages mapped", shim_pages_mapped());
}

/* VTCR.SL0: the level where stage 2 begins. */
static unsigned int stage2_level(const struct io_pgtable_cfg *c)
{
	return ((c->pgsize_bitmap & SZ_4K ? 2 : 3) - c->arm_lpae_s2_cfg.vtcr.sl) & 3;
}

/* The root of an Arm format, and its level. */
static u64 lpae_root(unsigned int *first)
{
	if (t->b->kind == MALI) {
		*first = 0;
		return cfg.arm_mali_lpae_cfg.transtab & ~0xfffUL;
	}
	if (t->b->fmt == ARM_64_LPAE_S2 || t->b->fmt == ARM_32_LPAE_S2) {
		*first = stage2_level(&cfg);
		return cfg.arm_lpae_s2_cfg.vttbr;
	}
	*first = 3 - (64 - cfg.arm_lpae_s1_cfg.tcr.tsz - t->granule - 1) /
		     (t->granule - 3);
	return cfg.arm_lpae_s1_cfg.ttbr;
}

static struct translation hardware(u64 iova)
{
	unsigned int first;
	u64 root;

#ifdef CONFIG_IO_PGTABLE_VTD
	if (t->b->kind == SS || t->b->kind == FS)
		return walk_vtd(&cfg, iova, t->b->kind == FS);
#endif
	root = lpae_root(&first);
	return walk_lpae(&cfg, root, first, iova, t->b->kind == MALI);
}

static u64 upper(void)
{
	return t->quirks & IO_PGTABLE_QUIRK_ARM_TTBR1 ? ~0UL << t->ias : 0;
}

static long pages_of_table(void)
{
	return t->granule > PAGE_SHIFT ? 1L << (t->granule - PAGE_SHIFT) : 1;
}

static void free_tables(struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
}

static int map(u64 iova, u64 phys, size_t size, size_t count, size_t *mapped)
{
	*mapped = 0;
	return ops->map_pages(ops, iova, phys, size, count, RW, GFP_KERNEL,
			      mapped);
}

static int map_runs(u64 iova, const struct iommu_run *runs, unsigned int count,
		    gfp_t gfp, size_t *mapped)
{
	*mapped = 0;
	return ops->map_runs(ops, iova, runs, count, RW, gfp, mapped);
}

/*
 * The page size at @iova when @run is mapped from @begin on: the largest whose
 * page lies in the run as a whole, and is aligned in memory, too.
 */
static u64 best_size(u64 begin, const struct iommu_run *run, u64 iova)
{
	u64 best = 0, size, page;
	unsigned int bit;

	for (bit = t->granule; bit < 48; bit++) {
		size = 1UL << bit;
		page = iova & -size;
		if (cfg.pgsize_bitmap & size && page >= begin &&
		    page + size - begin <= run->size &&
		    !((begin ^ run->phys) & (size - 1)))
			best = size;
	}
	return best;
}

static void expect_page(u64 iova, u64 phys, u64 size)
{
	struct translation seen = hardware(iova);

	expect(seen.valid && seen.phys == phys && seen.size == size,
	       "hardware at %#lx: valid %d phys %#lx size %#lx, not %#lx %#lx",
	       (long)iova, seen.valid, (long)seen.phys, (long)seen.size,
	       (long)phys, (long)size);
	expect(!seen.misprogrammed, "a group that is none at %#lx", (long)iova);
	expect(ops->iova_to_phys(ops, iova) == phys, "iova_to_phys(%#lx) is %#lx",
	       (long)iova, (long)ops->iova_to_phys(ops, iova));
}

static void expect_hole(u64 iova)
{
	expect(!hardware(iova).valid, "hardware sees %#lx", (long)iova);
	expect(!ops->iova_to_phys(ops, iova), "%#lx mapped", (long)iova);
}

/* What is said the first time as a warning is a message from then on. */
static void expect_complaint(void)
{
	if (shim_warnings())
		expect(!strncmp(shim_last_warning(), "io-pgtable: ", 12),
		       "unexpected warning: %s", shim_last_warning());
	shim_clear_warnings();
}

#define run_for_target(fn)						\
do {									\
	char name[100];							\
									\
	snprintf(name, sizeof(name), #fn " (%s)", t->name);		\
	if (!test_wanted(name))						\
		break;							\
	test_begin();							\
	fn();								\
	test_end(name);							\
} while (0)

#endif
