// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions of generic_pt's map and unmap, for the table of a VT-d second stage.
 * tools/kernel/generic-pt builds it into a kernel, and boots it where a nanosecond is
 * an instruction. No device is behind the domain. Each row prints what the
 * second run took, when its tables are there.
 */
#include <linux/generic_pt/iommu.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include "iommu-pages.h"

#define MOST	128
#define IOVA	0xfff00000UL

static union {
	struct iommu_domain domain;
	struct pt_iommu_vtdss vtdss;
} table;

static struct scatterlist list[MOST];
static phys_addr_t phys[MOST];
static struct iommu_iotlb_gather gather;
static u64 clock;

static const struct iommu_domain_ops ops = {
	IOMMU_PT_DOMAIN_OPS(vtdss),
};

#define COUNT(expression) ({			\
	unsigned long flags;			\
	u64 start;				\
						\
	local_irq_save(flags);			\
	start = ktime_get_ns();			\
	expression;				\
	start = ktime_get_ns() - start;		\
	local_irq_restore(flags);		\
	start - clock;				\
})

static size_t unmap(size_t size)
{
	return table.vtdss.iommu.ops->unmap_range(&table.vtdss.iommu, IOVA, size,
						  &gather);
}

static int map(unsigned long iova, phys_addr_t at, size_t size)
{
	size_t mapped = 0;

	return table.vtdss.iommu.ops->map_range(&table.vtdss.iommu, iova, at, size,
						IOMMU_READ | IOMMU_WRITE,
						GFP_ATOMIC, &mapped);
}

static int map_pages(unsigned int n)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n && !ret; i++)
		ret = map(IOVA + i * PAGE_SIZE, phys[i], PAGE_SIZE);
	return ret;
}

#ifdef MAP_RUNS
static struct iommu_run runs[MOST];

static int map_runs(unsigned int n)
{
	size_t mapped = 0;

	return table.vtdss.iommu.ops->map_runs(&table.vtdss.iommu, IOVA, runs, n,
					       IOMMU_READ | IOMMU_WRITE,
					       GFP_ATOMIC, &mapped);
}
#endif

static int map_list(unsigned int n)
{
	ssize_t ret = iommu_map_sg(&table.domain, IOVA, list, n,
				   IOMMU_READ | IOMMU_WRITE, GFP_ATOMIC);

	return ret == n * PAGE_SIZE ? 0 : -EIO;
}

static void print(const char *name, unsigned int n, u64 mapped, u64 unmapped)
{
	pr_info("generic_pt_bench: row %s %u | %llu | %llu\n", name, n, mapped,
		unmapped);
}

static int __init count_map_and_unmap(void)
{
	const struct pt_iommu_vtdss_cfg cfg = {
		.common.features = BIT(PT_FEAT_FLUSH_RANGE),
		.common.hw_max_vasz_lg2 = 48,
		.common.hw_max_oasz_lg2 = 52,
		.top_level = 3,
	};
	static const unsigned int kib[] = { 4, 16, 64, 256, 1024 };
	unsigned int i, n, pass;
	u64 took, end;
	int bad = 0;
	void *memory;

	memory = alloc_pages_exact(2 * MOST * PAGE_SIZE, GFP_KERNEL);
	table.vtdss.iommu.nid = NUMA_NO_NODE;
	table.domain.ops = &ops;
	if (!memory || pt_iommu_vtdss_init(&table.vtdss, &cfg, GFP_KERNEL)) {
		pr_err("generic_pt_bench: failed\n");
		return 0;
	}
	sg_init_table(list, MOST);
	for (i = 0; i < MOST; i++) {
		sg_set_buf(&list[i], memory + 2 * i * PAGE_SIZE, PAGE_SIZE);
		phys[i] = sg_phys(&list[i]);
#ifdef MAP_RUNS
		runs[i].phys = phys[i];
		runs[i].size = PAGE_SIZE;
#endif
	}
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	for (pass = 0; pass < 3; pass++)
		clock = COUNT() + clock;

	for (i = 0; i < ARRAY_SIZE(kib); i++) {
		for (pass = 0; pass < 2; pass++) {
			took = COUNT(bad |= map(IOVA, 0x123450000UL,
						kib[i] * 1024));
			end = COUNT(bad |= unmap(kib[i] * 1024) != kib[i] * 1024);
		}
		print("KiB", kib[i], took, end);
	}
	for (n = 1; n <= MOST; n *= 2) {
		for (pass = 0; pass < 2; pass++) {
			took = COUNT(bad |= map_pages(n));
			end = COUNT(bad |= unmap(n * PAGE_SIZE) != n * PAGE_SIZE);
		}
		print("map_range()s", n, took, end);
#ifdef MAP_RUNS
		for (pass = 0; pass < 2; pass++) {
			took = COUNT(bad |= map_runs(n));
			end = COUNT(bad |= unmap(n * PAGE_SIZE) != n * PAGE_SIZE);
		}
		print("map_runs()", n, took, end);
#endif
		for (pass = 0; pass < 2; pass++) {
			took = COUNT(bad |= map_list(n));
			end = COUNT(bad |= unmap(n * PAGE_SIZE) != n * PAGE_SIZE);
		}
		print("iommu_map_sg()", n, took, end);
	}
	iommu_put_pages_list(&gather.freelist);
	pr_info("generic_pt_bench: %s\n", bad ? "failed" : "done");
	return 0;
}
late_initcall(count_map_and_unmap);
