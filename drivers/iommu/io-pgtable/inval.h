/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Invalidations of power-of-two ranges.
 *
 * VT-d's page-selective invalidations (IOTLB and Device-TLB Invalidate
 * Descriptors) and PCIe's ATS Invalidate Requests name a power of two of pages,
 * aligned to itself.  One that covers a range across a line of large alignment
 * covers all around that line: two pages across a 1 GiB line take 2 GiB.  On
 * either side of the line the range begins or ends aligned, and there the
 * smallest such block is less than twice of what it is for.
 */
#ifndef _IO_PGTABLE_INVAL_H
#define _IO_PGTABLE_INVAL_H

#include <linux/bitops.h>
#include <linux/types.h>

/**
 * inval_split - where to part a range, to invalidate it in two blocks
 * @first: its first byte
 * @last: its last byte
 * @shift: log2 of the bytes of a page
 * @most: log2 of the pages that one block can have
 *
 * Context: any.
 * Return: the first byte of the second part, or 0: there is one block that
 * covers the range and no more than twice as much.
 */
static inline u64 inval_split(u64 first, u64 last, unsigned int shift,
			      unsigned int most)
{
	u64 from = first >> shift, to = last >> shift;
	unsigned int bits = fls64(from ^ to);

	if (bits < 2)
		return 0;
	if (bits <= most && to - from + 1 >= 1ULL << (bits - 1))
		return 0;
	return to >> (bits - 1) << (bits - 1 + shift);
}

#endif
