// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: bytes become operations on a domain and on its model
 * (checker.h), six bytes each, and the first answer that differs aborts.  The
 * gap tree is verified after every change.
 */

#include "checker.h"
#include "fuzz.h"

#define OP_BYTES	6

static unsigned long size_from(uint8_t byte)
{
	static const unsigned long sizes[] = {
		~0UL, ~0UL >> 1, 1UL << 52, 4096, 1025, 1024, 513, 512,
	};

	return byte < 248 ? 1 + byte : sizes[byte - 248];
}

static unsigned long limit_from(unsigned int bytes)
{
	return bytes < 0xfff0 ? bytes & 0x1fff : ~0UL >> (bytes - 0xfff0) * 4;
}

static void operation(const uint8_t *op)
{
	unsigned int at = m.nr ? (op[2] | op[3] << 8) % m.nr : 0;
	unsigned long pfn = (op[2] | op[3] << 8) & 0x1fff;
	unsigned long limit = limit_from(op[2] | op[3] << 8);
	unsigned long size = size_from(op[1]);

	shim_set_cpu(op[0] >> 4 & 3);
	switch (op[0] & 15) {
	case 0 ... 3:
		check_alloc_fast(size, limit, op[4] & 1);
		break;
	case 4:
	case 5:
		check_alloc(size, limit, op[4] & 1);
		break;
	case 6 ... 8:
		check_free_fast(at);
		break;
	case 9:
		check_free(at);
		break;
	case 10:
		check_find(pfn);
		break;
	case 11:
		check_reserve(pfn, pfn + op[1]);
		break;
	case 12:
		check_unreserve(at);
		break;
	case 13:
		check_bad_free(pfn);
		break;
	case 14:
		check_cache_from(pfn);
		break;
	case 15:
		check_works(op[1] * 4);
		break;
	}
}

static void fuzz_one(const uint8_t *data, size_t size)
{
	size_t at;

	shim_set_cpu(0);
	checker_begin(1 + data[0] % 16);
	for (at = 1; at + OP_BYTES <= size && !test_why[0]; at += OP_BYTES)
		operation(data + at);
	checker_end();
}
