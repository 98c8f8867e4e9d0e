// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stock and ours in one process, alternately: nanoseconds an operation.
 *
 * usage: bench [--loop stock|lpae|vtd JOB ROUNDS | --cycle | --grow | --look]
 *
 * --loop   does one job of one page table again and again, for callgrind
 * --cycle  maps and unmaps each page of 64 GiB, and says what that leaves, at
 *          once and ten seconds later
 * --grow   only maps, with the worker that gives empty tables back and without
 * --look   how long the worker looks at a table that is not in the cache
 */
#include <time.h>

#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include "shim.h"
#include "tables.h"
#include "../iommu-pages.h"

struct job {
	const char *name;
	size_t size, count;	/* of a call */
	u64 step;		/* from one call to the next */
	bool scattered;		/* no two pages meet in memory: map_runs() */
	bool exact;		/* has bounds: unmap_exact() */
};

static const struct job jobs[] = {
	{ "4 KiB", SZ_4K, 1, SZ_4K },
	{ "16 x 4 KiB", SZ_4K, 16, SZ_64K },
	{ "256 x 4 KiB", SZ_4K, 256, SZ_1M },
	{ "2 MiB", SZ_2M, 1, SZ_2M },
	{ "512 x 4 KiB unmapped as 2 MiB", SZ_4K, 512, SZ_2M },
	{ "4 KiB, exact", SZ_4K, 1, SZ_4K, .exact = true },
	{ "16 scattered x 4 KiB", SZ_4K, 16, SZ_64K, .scattered = true },
	{ "16 scattered x 4 KiB, exact", SZ_4K, 16, SZ_64K, .scattered = true, .exact = true },
	{ "32 scattered x 4 KiB, exact", SZ_4K, 32, SZ_128K, .scattered = true, .exact = true },
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
	size_t size = job->size, count = job->count;

	if (count == 512) {
		size = SZ_2M;
		count = 1;
	}
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	/* The stock tables have no bounds. */
	if (job->exact && ops->unmap_exact) {
		if (!ops->unmap_exact(ops, iova, size * count, false, &gather))
			abort();
	} else if (ops->unmap_pages(ops, iova, size, count, &gather) != size * count) {
		abort();
	}
	iommu_put_pages_list(&gather.freelist);
}

/* Every second page, from the last one down */
static void map_scattered(struct io_pgtable_ops *ops, u64 iova, const struct job *job,
			  int prot)
{
	struct iommu_run runs[32];
	size_t mapped = 0, i;

	for (i = 0; i < job->count; i++) {
		runs[i].phys = SZ_4G + 2 * job->size * (job->count - i);
		runs[i].size = job->size;
	}
	if (ops->map_runs) {
		if (ops->map_runs(ops, iova, runs, job->count, prot, GFP_ATOMIC, &mapped))
			abort();
		return;
	}
	for (i = 0; i < job->count; i++)
		if (ops->map_pages(ops, iova + i * job->size, runs[i].phys, job->size, 1,
				   prot, GFP_ATOMIC, &mapped))
			abort();
}

static void map(struct io_pgtable_ops *ops, u64 iova, const struct job *job)
{
	int prot = IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE;
	size_t left = job->size * job->count;

	if (job->exact && ops->unmap_exact)
		prot |= IOMMU_OWNED;
	if (job->scattered) {
		map_scattered(ops, iova, job, prot);
		return;
	}
	while (left) {
		size_t mapped = 0;

		if (ops->map_pages(ops, iova, iova, job->size, left / job->size,
				   prot, GFP_ATOMIC, &mapped))
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
#ifdef CONFIG_IO_PGTABLE_VTD
	{ "vtd", &io_pgtable_vtd_ss_init_fns, VTD_SECOND_STAGE },
#endif
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
	start = now() - start;
	printf("ok %u %s, stride %lu: %ld tables left, ", ++tests_ran, who->name,
	       (long)stride, shim_pages() - before);
	shim_run_works(10 * HZ);
	printf("%ld after 10 s, %lu and %lu flushes, %.1f ns each\n",
	       shim_pages() - before, told.all, told.walks,
	       start * stride / (64UL << 30));
	table_close(who->fns, ops);
}

/* Nanoseconds for a table, of @n that are mapped full. */
static double grow(const struct who *who, unsigned long n, bool reclaim)
{
	struct told told = {};
	struct io_pgtable_ops *ops = open_for(who, &told);
	double start, end;
	unsigned long i;

	io_pgtable_ops_to_pgtable(ops)->cfg.reclaim = reclaim;
	start = now();
	for (i = 0; i < n; i++)
		map(ops, i * SZ_2M, &jobs[4]);
	end = now();
	if (shim_queued_works() || told.all || told.walks)
		abort();
	table_close(who->fns, ops);
	return (end - start) / n;
}

/* In an order that gives either the free pages that the other leaves, and its own. */
static void grow_both(const struct who *who, unsigned long n)
{
	double best[2] = {}, some;
	unsigned int round;

	shim_grace_periods = 0;
	for (round = 0; round < 24; round++) {
		bool reclaim = round / 2 % 2 ^ round / 4 % 2;

		some = grow(who, n, reclaim);
		if (!best[reclaim] || some < best[reclaim])
			best[reclaim] = some;
	}
	printf("ok %u %s, %lu tables: %.0f ns, %.0f with reclaim: %.3f; %lu grace periods\n",
	       ++tests_ran, who->name, n, best[0], best[1], best[1] / best[0],
	       shim_grace_periods);
}

/* 512 tables in use at their end, which a top-down allocator makes, or empty. */
static void look(unsigned int granule, bool empty)
{
	static char other[64 << 20];
	size_t page = 1UL << granule, table = page / 8 * page, mapped = 0, i;
	struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = page, .ias = 48, .oas = 48, .coherent_walk = true,
	};
	struct told told = {};
	struct io_pgtable_ops *ops = table_open(&io_pgtable_arm_64_lpae_s1_init_fns,
						ARM_64_LPAE_S1, &cfg, &told);
	const size_t n = 512;
	double start;

	for (i = 0; i <= n; i++) {
		struct iommu_iotlb_gather gather;
		u64 at = (i + 1) * table - page;

		iommu_iotlb_gather_init(&gather);
		gather.queued = true;
		if (ops->map_pages(ops, at, 0, page, 1, IOMMU_READ, GFP_ATOMIC,
				   &mapped))
			abort();
		if (empty || i == n)
			ops->unmap_pages(ops, at, page, 1, &gather);
	}
	for (i = 0; i < sizeof(other); i += 64)
		other[i]++;
	start = now();
	if (shim_run_works(HZ) != 1)
		abort();
	printf("ok %u granule %zu KiB, tables %s: %.2f us for a table, no interrupts disabled\n",
	       ++tests_ran, page >> 10, empty ? "empty" : "in use at their end",
	       (now() - start) / n / 1000);
	table_close(&io_pgtable_arm_64_lpae_s1_init_fns, ops);
}

int main(int argc, char **argv)
{
	unsigned int j, round, w;

	printf("TAP version 13\n");
	for (w = 0; w < ARRAY_SIZE(whos); w++) {
		if (argc == 2 && !strcmp(argv[1], "--cycle")) {
			cycle(&whos[w], SZ_2M);
			cycle(&whos[w], SZ_4K);
		} else if (argc == 2 && !strcmp(argv[1], "--grow") && w) {
			grow_both(&whos[w], 1000);
			grow_both(&whos[w], 10000);
			grow_both(&whos[w], 100000);
		} else if (argc == 2 && !strcmp(argv[1], "--look") && w == 1) {
			for (j = 12; j <= 16; j += 2) {
				look(j, false);
				look(j, true);
			}
		} else if (argc == 5 && !strcmp(argv[2], whos[w].name)) {
			loop(&whos[w], &jobs[atoi(argv[3]) % ARRAY_SIZE(jobs)],
			     atol(argv[4]));
		}
	}
	for (j = 0; argc == 1 && j < ARRAY_SIZE(jobs); j++) {
		double stock[2] = {}, ours[2] = {};

		for (round = 0; round < 200; round++) {
			measure(&stock_64_lpae_s1_init_fns, &jobs[j], &stock[0], &stock[1]);
			measure(&io_pgtable_arm_64_lpae_s1_init_fns, &jobs[j], &ours[0],
				&ours[1]);
		}
		printf("ok %u %s: ns to map %.1f (stock %.1f): %.2f, to unmap %.1f (%.1f): %.2f\n",
		       ++tests_ran, jobs[j].name, ours[0], stock[0], ours[0] / stock[0],
		       ours[1], stock[1], ours[1] / stock[1]);
	}
	return test_finish(tests_ran, tests_failed);
}
