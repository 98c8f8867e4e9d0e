// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: the first byte names a format, the others become operations
 * on a page table and on its model (checker.h), eight bytes each, and the first
 * answer that differs aborts.
 */
#include "checker.h"
#include "fuzz.h"

#define OP_BYTES	8
#define MOST_RUNS	16

/* Memory: a block's worth, a page in it or a congruent one, near or far. */
static u64 phys_from(struct window *w, u64 at, uint8_t byte)
{
	u64 block = w->unit * per_table, phys = (byte & 7) * block;

	if (byte & 0x80)
		phys += w->far;
	if (byte & 0x40)
		phys += at % per_table * w->unit;
	else
		phys += (byte >> 3 & 7) * w->unit;
	return phys;
}

static u64 length_from(uint8_t byte)
{
	return byte < 0xe0 ? 1 + byte % 32 : (byte - 0xdf) * (per_table / 8) + (byte & 1);
}

/* Pieces from what is left of @op and what follows it. */
static size_t runs_from(struct window *w, u64 first, const uint8_t *op,
			const uint8_t *end, gfp_t gfp, unsigned long fail)
{
	unsigned int nr, most = 1 + op[3] % MOST_RUNS;
	const uint8_t *byte = op + OP_BYTES;
	u64 at = first, left = w->nr - first;
	struct iommu_run runs[MOST_RUNS];

	for (nr = 0; nr < most && left && byte + 2 <= end; nr++, byte += 2) {
		u64 length = min(length_from(byte[0]), left);

		runs[nr].phys = phys_from(w, at, byte[1]);
		runs[nr].size = length * w->unit;
		at += length;
		left -= length;
	}
	check_runs(w, first, runs, nr, gfp, fail);
	return byte - op;
}

/* Returns the bytes that it took. */
static size_t operation(const uint8_t *op, const uint8_t *end)
{
	struct window *w = &windows[windows[1].nr && op[0] & 0x80];
	unsigned int nth = op[0] & 0x40 ? 1 + (op[0] >> 4 & 1) : 0;
	u64 unit = w->sizes[min(nth, w->nr_sizes - 1)], size = w->unit * unit;
	u64 first = (op[1] | op[2] << 8) % (w->nr / unit) * unit;
	u64 count = min(length_from(op[3]), (w->nr - first) / unit);
	gfp_t gfp = op[0] & 0x20 ? GFP_ATOMIC : GFP_KERNEL;
	unsigned long fail = op[4] < 16 ? op[4] % 4 : 0;

	switch (op[0] & 3) {
	case 0:
		return runs_from(w, first, op, end, gfp, fail);
	case 1:
		check_map(w, first, size, count, unit > 1 ?
			  (op[5] & 7) * size + (op[5] & 0x80 ? w->far : 0) :
			  phys_from(w, first, op[5]), gfp, fail);
		break;
	default:
		check_unmap(w, first, size, count, op[0] & 4);
	}
	return OP_BYTES;
}

static void fuzz_one(const uint8_t *data, size_t size)
{
	size_t at;

	t = &targets[data[0] % ARRAY_SIZE(targets)];
	checker_begin();
	for (at = 1; at + OP_BYTES <= size && !test_why[0];) {
		at += operation(data + at, data + size);
		expect_complaint();
	}
	checker_end();
	if (test_why[0])
		fprintf(stderr, "%s: ", t->name);
}
