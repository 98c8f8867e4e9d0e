// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: bytes become operations on a domain and on its model
 * (checker.h), six bytes each, and the first answer that differs aborts.  An
 * operation may have the next one come between its steps, again and again.  The
 * gap tree is verified after every change.
 */

#include "checker.h"
#include "fuzz.h"

#define OP_BYTES	6
#define CPUS		4

static unsigned long size_from(uint8_t byte)
{
	static const unsigned long sizes[] = {
		~0UL, ~0UL >> 1, 1UL << 52, 4096, 1025, 1024, 513, 512,
	};

	return byte < 248 ? 1 + byte : sizes[byte - 248];
}

static unsigned long limit_from(unsigned int bytes)
{
	return bytes < 0xfff0 ? bytes & 0x1fff : ~0UL >> 12 >> (bytes - 0xfff0) * 4;
}

static uint8_t between[OP_BYTES];	/* what comes between the steps of others */

static void operation(const uint8_t *op)
{
	unsigned int at = m.nr ? (op[2] | op[3] << 8) % m.nr : 0;
	unsigned long pfn = (op[2] | op[3] << 8) & 0x1fff;
	unsigned long limit = limit_from(op[2] | op[3] << 8);
	unsigned long size = size_from(op[1]);

	switch (op[0] & 15) {
	case 0 ... 3:
		check_alloc_fast(size, limit, op[4] & 1);
		break;
	case 4:
		check_alloc(size, limit, op[4] & 1);
		break;
	case 5:
		check_alloc_placed(size, limit, op[4] & 15, op[5], 6 + op[4] / 32);
		break;
	case 6 ... 8:
		check_free_fast(at, op[4]);
		break;
	case 9:
		check_free(at, op[4]);
		break;
	case 10:
		if (op[4] & 1)
			check_find(pfn);
		else
			check_free_found(at);
		break;
	case 11:
		if (op[4] & 1)
			check_reserve(pfn, pfn + op[1]);
		else
			check_reserve_free(pfn, pfn + op[1]);
		break;
	case 12:
		if (op[4] & 1)
			check_unreserve(at);
		else
			check_cpu_down(op[5] % CPUS);
		break;
	case 13:
		check_bad_free(pfn, op[4] & 1 ? size : 0);
		break;
	case 14:
		if (op[4] & 1)
			check_memory(op[5] & 15);
		else
			check_drain();
		break;
	case 15:
		check_works(op[1] * 16);
		break;
	}
}

static void operate_between(unsigned long unused)
{
	operation(between);
}

static void come_between(void)
{
	if (between[0] & 15 && m.between % 4 == between[4] % 4)
		check_between(between[5] % CPUS, operate_between, 0);
	else
		m.between++;
}

static void fuzz_one(const uint8_t *data, size_t size)
{
	size_t at;

	shim_set_cpu(0);
	checker_begin(1 + data[0] % 16, data[0] & 0xe0);
	for (at = 1; at + OP_BYTES <= size && !test_why[0]; at += OP_BYTES) {
		shim_set_cpu(data[at] >> 4 & 3);
		if (data[at] & 0x80 && at + 2 * OP_BYTES <= size) {
			memcpy(between, data + at + OP_BYTES, OP_BYTES);
			shim_interrupt = come_between;
		}
		operation(data + at);
		if (shim_interrupt)
			at += OP_BYTES;
		shim_interrupt = NULL;
		if (at % 16 == 0)
			check_all();
	}
	checker_end();
}
