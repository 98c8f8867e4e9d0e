// SPDX-License-Identifier: GPL-2.0-only
/* Stock and ours in one process, alternately: nanoseconds an operation. */
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

int main(void)
{
	unsigned int j, round;

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
