/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Invalidations of power-of-two ranges.
 *
 * VT-d's page-selective invalidations (IOTLB and Device-TLB Invalidate Descriptors)
 * and PCIe's ATS Invalidate Requests name an aligned power of two of pages.  One
 * block around the two pages at a 1 GiB line has 2 GiB.  Two blocks that meet at
 * such a line have at most twice the bytes of the range.
 */
#ifndef _IO_PGTABLE_INVAL_H
#define _IO_PGTABLE_INVAL_H

#include <linux/bitops.h>
#include <linux/types.h>

/**
 * inval_split - where to split a range, to invalidate it in two blocks
 * @first: its first byte
 * @last: its last byte
 * @shift: log2 of the bytes of a page
 * @most: log2 of the pages that one block can have
 *
 * Context: any.
 * Return: the first byte of the second part, or 0: one block covers the range
 * and no more than twice as much, or two blocks would be too large as well.
 */
static inline u64 inval_split(u64 first, u64 last, unsigned int shift,
			      unsigned int most)
{
	u64 from = first >> shift, to = last >> shift, line;
	unsigned int bits = fls64(from ^ to);

	if (bits < 2)
		return 0;
	if (bits <= most && to - from + 1 >= 1ULL << (bits - 1))
		return 0;
	line = to >> (bits - 1) << (bits - 1);
	if (fls64((from ^ (line - 1)) | (line ^ to)) > most)
		return 0;
	return line << shift;
}

#endif
