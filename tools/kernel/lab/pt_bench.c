// SPDX-License-Identifier: GPL-2.0-only
/*
 * pt_bench - what the page tables behind generic_pt's functions cost alone
 *
 * For each format that the kernel has, whichever code has it: a page table without a
 * device, warm, whose invalidations are left to a flush queue that is not there.
 * Interrupts are off. An emulator that executes an instruction each nanosecond
 * (-icount shift=0) makes the figures instructions of a map and an unmap; the loop
 * and its clock are subtracted.
 *
 * A list of scattered pages is mapped by map_runs() where there is that, else piece
 * by piece, and unmapped at once. exact: unmapped by unmap_exact().
 *
 * Output: lines 'pt_bench: FORMAT CASE NUMBER', and 'pt_bench: done'.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/generic_pt/iommu.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "../iommu-pages.h"

static bool run;
module_param(run, bool, 0444);
MODULE_PARM_DESC(run, "measure; without it nothing runs");

#define ROUNDS	2000
#define IOVA	(SZ_1G + SZ_1M)
#define PHYS	0x40000000ULL

struct bench {
	union {
		struct pt_iommu pt;
		struct pt_iommu_amdv1 amdv1_table;
		struct pt_iommu_vtdss vtdss_table;
		struct pt_iommu_x86_64 x86_64_table;
		struct pt_iommu_riscv_64 riscv_64_table;
	};
	spinlock_t lock;		/* of the root */
	struct iommu_iotlb_gather gather;
};

static void free_tables(struct iommu_domain *domain,
			struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
}

static const struct iommu_domain_ops domain_ops = {
	.iotlb_sync = free_tables,
};

static void change_top(struct pt_iommu *pt, phys_addr_t root, unsigned int top)
{
}

static spinlock_t *top_lock(struct pt_iommu *pt)
{
	return &container_of(pt, struct bench, pt)->lock;
}

static const struct pt_iommu_driver_ops driver_ops = {
	.change_top = change_top,
	.get_top_lock = top_lock,
};

/* A pair of operations on @size bytes: one piece, or @pieces scattered pages. */
struct job {
	const char *name;
	size_t size;
	unsigned int pieces;
	bool exact;
};

#ifdef CONFIG_IO_PGTABLE_PT
static struct iommu_run runs[128];
#endif

static noinline int map_job(struct bench *b, const struct job *job)
{
	const int prot = IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE;
	size_t mapped = 0;
	unsigned int i;
	int ret = 0;

#ifdef CONFIG_IO_PGTABLE_PT
	int owned = job->exact ? IOMMU_OWNED : 0;

	if (job->pieces && b->pt.ops->map_runs)
		return b->pt.ops->map_runs(&b->pt, IOVA, runs, job->pieces,
					   prot | owned, GFP_ATOMIC, &mapped);
#else
	const int owned = 0;
#endif
	if (!job->pieces)
		return b->pt.ops->map_range(&b->pt, IOVA, PHYS + job->size % SZ_1M,
					    job->size, prot | owned, GFP_ATOMIC,
					    &mapped);
	for (i = 0; i < job->pieces && !ret; i++)
		ret = b->pt.ops->map_range(&b->pt, IOVA + i * SZ_4K,
					   PHYS + i * SZ_8K, SZ_4K, prot,
					   GFP_ATOMIC, &mapped);
	return ret;
}

static noinline size_t unmap_job(struct bench *b, const struct job *job)
{
	size_t size = job->pieces ? job->pieces * SZ_4K : job->size;

#ifdef CONFIG_IO_PGTABLE_PT
	if (job->exact)
		return b->pt.ops->unmap_exact(&b->pt, IOVA, size, false,
					      &b->gather) ? size : 0;
#endif
	return b->pt.ops->unmap_range(&b->pt, IOVA, size, &b->gather);
}

static bool measure(struct bench *b, const char *format, const struct job *job)
{
	size_t size = job->pieces ? job->pieces * SZ_4K : job->size;
	u64 spent = 0, empty = 0;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		unsigned long flags;
		u64 start, mid, end;
		size_t done;
		int ret;

		local_irq_save(flags);
		start = ktime_get_ns();
		mid = ktime_get_ns();
		ret = map_job(b, job);
		done = unmap_job(b, job);
		end = ktime_get_ns();
		local_irq_restore(flags);
		if (!list_empty(&b->gather.freelist.pages)) {
			iommu_put_pages_list(&b->gather.freelist);
			b->gather.freelist =
				IOMMU_PAGES_LIST_INIT(b->gather.freelist);
		}
		if (ret || done != size) {
			pr_err("%s %s: map %d, unmapped %zu\n", format, job->name,
			       ret, done);
			return false;
		}
		if (i < ROUNDS / 2)
			continue;
		spent += end - mid;
		empty += mid - start;
	}
	pr_info("%s %s %llu\n", format, job->name,
		div_u64(spent - empty, ROUNDS / 2));
	return true;
}

static const struct job jobs[] = {
	{ "4k", SZ_4K }, { "64k", SZ_64K }, { "1m", SZ_1M },
	{ "16-scattered", 0, 16 }, { "128-scattered", 0, 128 },
	{ "4k-exact", SZ_4K, 0, true }, { "16-scattered-exact", 0, 16, true },
	{ "128-scattered-exact", 0, 128, true },
};

static void measure_all(struct bench *b, const char *format, int ret)
{
	bool exact = false;
	size_t mapped = 0;
	unsigned int i;

	if (ret) {
		pr_err("%s: %d\n", format, ret);
		return;
	}
	iommu_iotlb_gather_init(&b->gather);
	b->gather.queued = true;
	/* What keeps the tables there. */
	if (b->pt.ops->map_range(&b->pt, IOVA - SZ_64K, PHYS, SZ_4K, IOMMU_READ,
				 GFP_KERNEL, &mapped))
		return;
#ifdef CONFIG_IO_PGTABLE_PT
	exact = b->pt.ops->unmap_exact;
	for (i = 0; i < ARRAY_SIZE(runs); i++)
		runs[i] = (struct iommu_run){ PHYS + i * SZ_8K, SZ_4K };
#endif
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		if (!jobs[i].exact || exact)
			measure(b, format, &jobs[i]);
	b->pt.ops->unmap_range(&b->pt, IOVA - SZ_64K, SZ_4K, &b->gather);
	iommu_put_pages_list(&b->gather.freelist);
	pt_iommu_deinit(&b->pt);
}

static struct bench *new_bench(void)
{
	static struct bench b;

	memset(&b, 0, sizeof(b));
	spin_lock_init(&b.lock);
	b.pt.nid = NUMA_NO_NODE;
	b.pt.domain.ops = &domain_ops;
	b.pt.driver_ops = &driver_ops;
	return &b;
}

#define MEASURE(format, bits, wanted, top...) do {			\
	const struct pt_iommu_##format##_cfg cfg = {			\
		.common.features = (wanted),				\
		.common.hw_max_vasz_lg2 = (bits),			\
		.common.hw_max_oasz_lg2 = 52,				\
		top							\
	};								\
	struct bench *b = new_bench();					\
									\
	measure_all(b, #format,						\
		    pt_iommu_##format##_init(&b->format##_table, &cfg,	\
					     GFP_KERNEL));		\
} while (0)

static int __init pt_bench_init(void)
{
	if (!run)
		return 0;
#ifdef CONFIG_IOMMU_PT_AMDV1
	MEASURE(amdv1, 64, BIT(PT_FEAT_DYNAMIC_TOP) | BIT(PT_FEAT_FLUSH_RANGE) |
			   BIT(PT_FEAT_AMDV1_ENCRYPT_TABLES) |
			   BIT(PT_FEAT_AMDV1_FORCE_COHERENCE),
		.starting_level = 2);
#endif
#ifdef CONFIG_IOMMU_PT_VTDSS
	MEASURE(vtdss, 48, BIT(PT_FEAT_FLUSH_RANGE), .top_level = 3);
#endif
#ifdef CONFIG_IOMMU_PT_X86_64
	MEASURE(x86_64, 48, BIT(PT_FEAT_FLUSH_RANGE) | BIT(PT_FEAT_SIGN_EXTEND) |
			    BIT(PT_FEAT_X86_64_AMD_ENCRYPT_TABLES),
		.top_level = 3);
#endif
#ifdef CONFIG_IOMMU_PT_RISCV64
	MEASURE(riscv_64, 48, BIT(PT_FEAT_SIGN_EXTEND) | BIT(PT_FEAT_FLUSH_RANGE) |
			      BIT(PT_FEAT_RISCV_SVNAPOT_64K) |
			      BIT(PT_FEAT_DETAILED_GATHER));
#endif
	pr_info("done\n");
	return 0;
}
late_initcall(pt_bench_init);

MODULE_DESCRIPTION("Cost of the page tables behind generic_pt's functions");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
