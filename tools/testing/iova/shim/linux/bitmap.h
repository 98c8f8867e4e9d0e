/* SPDX-License-Identifier: GPL-2.0-only */
/* Bitmaps, word by word as in a kernel. */
#ifndef _SHIM_BITMAP_H
#define _SHIM_BITMAP_H

#include <linux/bitops.h>
#include <linux/minmax.h>
#include <string.h>

#ifndef DECLARE_BITMAP
#define DECLARE_BITMAP(name, bits)	unsigned long name[BITS_TO_LONGS(bits)]
#endif

#define hweight_long(w)	((unsigned int)__builtin_popcountl(w))

static inline void shim_bits(unsigned long *map, unsigned long start,
			     unsigned long nr, bool set)
{
	while (nr) {
		unsigned long at = start % BITS_PER_LONG;
		unsigned long n = min(nr, BITS_PER_LONG - at);
		unsigned long mask = (~0UL >> (BITS_PER_LONG - n)) << at;

		if (set)
			map[start / BITS_PER_LONG] |= mask;
		else
			map[start / BITS_PER_LONG] &= ~mask;
		start += n;
		nr -= n;
	}
}

#define bitmap_set(map, start, nr)	shim_bits(map, start, nr, true)
#define bitmap_clear(map, start, nr)	shim_bits(map, start, nr, false)
#define bitmap_zero(map, nr)						\
	((void)memset(map, 0, BITS_TO_LONGS(nr) * sizeof(long)))
#define bitmap_copy(to, from, nr)					\
	((void)memcpy(to, from, BITS_TO_LONGS(nr) * sizeof(long)))

static inline void bitmap_complement(unsigned long *to,
				     const unsigned long *from,
				     unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nr); i++)
		to[i] = ~from[i];
}

static inline void bitmap_and(unsigned long *to, const unsigned long *a,
			      const unsigned long *b, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nr); i++)
		to[i] = a[i] & b[i];
}

/* @nr is a multiple of the length of a word. */
static inline void bitmap_shift_right(unsigned long *to,
				      const unsigned long *from,
				      unsigned int by, unsigned int nr)
{
	unsigned int i, j, off = by % BITS_PER_LONG, words = nr / BITS_PER_LONG;

	for (i = 0, j = by / BITS_PER_LONG; i < words; i++, j++) {
		to[i] = j < words ? from[j] >> off : 0;
		if (off && j + 1 < words)
			to[i] |= from[j + 1] << (BITS_PER_LONG - off);
	}
}

static inline unsigned int bitmap_weight(const unsigned long *map,
					 unsigned int nr)
{
	unsigned int i, sum = 0;

	for (i = 0; i < nr / BITS_PER_LONG; i++)
		sum += hweight_long(map[i]);
	return sum;
}

static inline unsigned long shim_next(const unsigned long *map,
				      unsigned long end, unsigned long start,
				      unsigned long invert)
{
	unsigned long at = start, word;

	while (at < end) {
		word = (map[at / BITS_PER_LONG] ^ invert) >> (at % BITS_PER_LONG);
		if (word)
			return min(at + __ffs(word), end);
		at = (at / BITS_PER_LONG + 1) * BITS_PER_LONG;
	}
	return end;
}

#define find_next_bit(map, end, start)		shim_next(map, end, start, 0)
#define find_next_zero_bit(map, end, start)	shim_next(map, end, start, ~0UL)
#define find_first_bit(map, end)		shim_next(map, end, 0, 0)

static inline unsigned long find_last_bit(const unsigned long *map,
					  unsigned long end)
{
	unsigned long mask = ~0UL >> (-end % BITS_PER_LONG), i, word;

	for (i = BITS_TO_LONGS(end); i--; mask = ~0UL) {
		word = map[i] & mask;
		if (word)
			return i * BITS_PER_LONG + __fls(word);
	}
	return end;
}

#undef for_each_clear_bit
#define for_each_clear_bit(bit, map, end)				\
	for ((bit) = 0;							\
	     ((bit) = find_next_zero_bit(map, end, bit)) < (end);	\
	     (bit)++)

#endif
