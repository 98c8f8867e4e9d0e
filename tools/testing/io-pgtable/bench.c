// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stock and ours in one process, alternately: nanoseconds an operation.
 *
 * usage: bench [--loop stock|lpae|vtd JOB ROUNDS | --cycle]
 *
 * --loop   does one job of one page table again and again, for callgrind
 * --cycle  maps and unmaps each page of 64 GiB, and says what that leaves
 */
#include <time.h>

#include "tables.h"

struct job {
	const char *name;
	size_t size, count;	/* of a call */
	u64 step;		/* from one call to the next */
};

static const struct job jobs[] = {
	{ "4 KiB", SZ_4K, 1, SZ_4K },
	{ "16 x 4 KiB", SZ_4K, 16, SZ_64K },
	{ "256 x 4 KiB", SZ_4K, 256, SZ_1M },
	{ "2 MiB", SZ_2M, 1, SZ_2M },
	{ "512 x 4 KiB unmapped as 2 MiB", SZ_4K, 512, SZ_2M },
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void unmap(struct io_pgtable_ops *ops, u64 iova, const struct job *job)
{
	struct iommu_iotlb_gather gather;
	struct page *page, *next;
	size_t size = job->size, count = job->count;

	if (count == 512) {
		size = SZ_2M;
		count = 1;
	}
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	if (ops->unmap_pages(ops, iova, size, count, &gather) != size * count)
		abort();
	list_for_each_entry_safe(page, next, &gather.freelist, lru)
		shim_free_pages(page, 0);
}

static void map(struct io_pgtable_ops *ops, u64 iova, const struct job *job)
{
	size_t left = job->size * job->count;

	while (left) {
		size_t mapped = 0;

		if (ops->map_pages(ops, iova, iova, job->size, left / job->size,
				   IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
				   GFP_ATOMIC, &mapped))
			abort();
		iova += mapped;
		left -= mapped;
	}
}

static void measure(struct io_pgtable_init_fns *fns, const struct job *job,
		    double *best_map, double *best_unmap)
{
	struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G, .ias = 48, .oas = 48,
		.coherent_walk = true,
	};
	struct told told = {};
	struct io_pgtable_ops *ops = table_open(fns, ARM_64_LPAE_S1, &cfg, &told);
	unsigned int n = 64, i;
	double a, b, c;

	for (i = 0; i < n; i++)
		map(ops, SZ_1G + i * job->step, job);
	for (i = 0; i < n; i++)
		unmap(ops, SZ_1G + i * job->step, job);
	a = now();
	for (i = 0; i < n; i++)
		map(ops, SZ_1G + i * job->step, job);
	b = now();
	for (i = 0; i < n; i++)
		unmap(ops, SZ_1G + i * job->step, job);
	c = now();
	table_close(fns, ops);
	if (!*best_map || (b - a) / n < *best_map)
		*best_map = (b - a) / n;
	if (!*best_unmap || (c - b) / n < *best_unmap)
		*best_unmap = (c - b) / n;
}

static const struct who {
	const char *name;
	struct io_pgtable_init_fns *fns;
	enum io_pgtable_fmt fmt;
} whos[] = {
	{ "stock", &stock_64_lpae_s1_init_fns, ARM_64_LPAE_S1 },
	{ "lpae", &io_pgtable_arm_64_lpae_s1_init_fns, ARM_64_LPAE_S1 },
	{ "vtd", &io_pgtable_vtd_ss_init_fns, VTD_SECOND_STAGE },
};

/* As many at a time as stay in the tables that are kept. */
#define AT_ONCE	16

static struct io_pgtable_ops *open_for(const struct who *who, struct told *told)
{
	struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G, .ias = 48, .oas = 48,
		.coherent_walk = true,
	};

	return table_open(who->fns, who->fmt, &cfg, told);
}

static void loop(const struct who *who, const struct job *job, unsigned long rounds)
{
	struct told told = {};
	struct io_pgtable_ops *ops = open_for(who, &told);
	unsigned int i;

	while (rounds--) {
		for (i = 0; i < AT_ONCE; i++)
			map(ops, SZ_1G + i * job->step, job);
		for (i = 0; i < AT_ONCE; i++)
			unmap(ops, SZ_1G + i * job->step, job);
	}
	table_close(who->fns, ops);
}

static void cycle(const struct who *who, u64 stride)
{
	struct told told = {};
	struct io_pgtable_ops *ops = open_for(who, &told);
	long before = shim_pages();
	double start = now();
	u64 iova;

	for (iova = 0; iova < 64UL << 30; iova += stride) {
		map(ops, iova, &jobs[0]);
		unmap(ops, iova, &jobs[0]);
	}
	printf("%-6s stride %7lu: %5ld tables left, %6lu flushes, %.1f ns each\n",
	       who->name, (long)stride, shim_pages() - before, told.all,
	       (now() - start) * stride / (64UL << 30));
	table_close(who->fns, ops);
}

int main(int argc, char **argv)
{
	unsigned int j, round, w;

	for (w = 0; w < ARRAY_SIZE(whos); w++) {
		if (argc == 2 && !strcmp(argv[1], "--cycle")) {
			cycle(&whos[w], SZ_2M);
			cycle(&whos[w], SZ_4K);
		} else if (argc == 5 && !strcmp(argv[2], whos[w].name)) {
			loop(&whos[w], &jobs[atoi(argv[3]) % ARRAY_SIZE(jobs)],
			     atol(argv[4]));
		}
	}
	if (argc > 1)
		return 0;
	printf("%-32s %10s %10s %6s %10s %10s %6s\n", "", "map stock", "ours", "ratio",
	       "unm. stock", "ours", "ratio");
	for (j = 0; j < ARRAY_SIZE(jobs); j++) {
		double stock[2] = {}, ours[2] = {};

		for (round = 0; round < 200; round++) {
			measure(&stock_64_lpae_s1_init_fns, &jobs[j], &stock[0], &stock[1]);
			measure(&io_pgtable_arm_64_lpae_s1_init_fns, &jobs[j], &ours[0],
				&ours[1]);
		}
		printf("%-32s %10.1f %10.1f %6.2f %10.1f %10.1f %6.2f\n", jobs[j].name,
		       stock[0], ours[0], ours[0] / stock[0], stock[1], ours[1],
		       ours[1] / stock[1]);
	}
	return 0;
}
