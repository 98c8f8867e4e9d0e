// SPDX-License-Identifier: GPL-2.0-only
/* Which requests fit a hole of the gap tree, and which hole is found. */

#include "unit.h"

UNIT_TEST(gap_fit_is_what_brute_force_finds)
{
	unsigned long lo, hi, size, fit;

	for (hi = 0; hi <= 1024; hi++) {
		for (lo = 0; lo <= hi; lo++) {
			fit = gap_fit(lo, hi);
			for (size = 1; size <= hi - lo; size++) {
				unsigned long at = hi - size;

				at -= at % align_of(size);
				if ((at >= lo && at + size <= hi) == !(size > fit))
					continue;
				expect(false, "hole [%lu, %lu): fit %lu, size %lu",
				       lo, hi, fit, size);
				return;
			}
			if (!expect(fit <= hi - lo, "hole [%lu, %lu): fit %lu",
				    lo, hi, fit))
				return;
		}
	}
}

UNIT_TEST(gap_fit_knows_the_end_of_the_address_space)
{
	expect(gap_fit(0, ~0UL) == ~0UL, "all of it");
	expect(gap_fit(1, ~0UL) == (1UL << 63) - 1, "all but 0: %#lx",
	       gap_fit(1, ~0UL));
	expect(gap_fit(~0UL - 1, ~0UL) == 1, "last page");
	expect(gap_fit(1UL << 63, ~0UL) == (1UL << 63) - 1, "upper half: %#lx",
	       gap_fit(1UL << 63, ~0UL));
	expect(gap_align_mask(~0UL) == ~0UL && gap_align_mask(1) == 0 &&
	       gap_align_mask(33) == 63, "masks");
}

static bool bit_hole(unsigned int taken, unsigned long start, unsigned long at,
		     unsigned long size)
{
	return at >= start && !(taken >> at & ((1U << size) - 1));
}

/* Every set of taken addresses, start, size, alignment and limit of a dozen. */
UNIT_TEST(find_hole_is_right_for_every_small_tree)
{
	enum { BITS = 11 };
	unsigned long start, size, limit, at, align, found;
	struct gap_node nodes[BITS], place;
	unsigned int taken, i;
	struct gap_tree tree;

	for (taken = 0; taken < 1U << BITS; taken++) {
		for (start = 0; start < 3; start++) {
			gap_tree_init(&tree, start);
			for (i = 0; i < BITS; i++) {
				/* Not in order, so that the tree rotates. */
				unsigned int j = i * 7 % BITS;

				if (!(taken >> j & 1))
					continue;
				nodes[j].first = j;
				nodes[j].last = j;
				gap_tree_insert(&tree, &nodes[j]);
			}
			if (!expect(gap_tree_verify(&tree), "tree %#x", taken))
				return;
			for (size = 1; size <= BITS; size++)
			for (limit = 0; limit < BITS; limit++)
			for (i = 0; i < 2; i++) {
				bool has = false, says;

				align = i ? align_of(size) : 1;
				for (at = limit + 1; at-- && !has; )
					if (at + size - 1 <= limit &&
					    at % align == 0 &&
					    bit_hole(taken, start, at, size)) {
						has = true;
						break;
					}
				says = gap_tree_find_hole(&tree, size, i, limit,
							  &found);
				if (gap_tree_take(&tree, &place, size, i, limit) == says) {
					if (!says)
						continue;
					if (place.first == at && found == at &&
					    place.last == at + size - 1 && has &&
					    gap_tree_verify(&tree)) {
						gap_tree_erase(&tree, &place);
						continue;
					}
				}
				expect(false, "%#x from %lu: size %lu limit %lu aligned %u: %s %lu, not %s %lu",
				       taken, start, size, limit, i,
				       says ? "yes" : "no", found,
				       has ? "yes" : "no", at);
				return;
			}
		}
	}
}

UNIT_TEST(insert_refuses_overlap_and_keeps_the_tree)
{
	struct gap_node a = { .first = 10, .last = 19 }, b;
	struct gap_tree tree;

	gap_tree_init(&tree, 0);
	expect(!gap_tree_insert(&tree, &a), "first range");
	b = (struct gap_node){ .first = 19, .last = 25 };
	expect(gap_tree_insert(&tree, &b) == -EEXIST, "overlap above");
	b = (struct gap_node){ .first = 5, .last = 10 };
	expect(gap_tree_insert(&tree, &b) == -EEXIST, "overlap below");
	b = (struct gap_node){ .first = 12, .last = 13 };
	expect(gap_tree_insert(&tree, &b) == -EEXIST, "inside");
	b = (struct gap_node){ .first = 30, .last = 29 };
	expect(gap_tree_insert(&tree, &b) == -EINVAL, "upside down");
	expect(gap_tree_verify(&tree), "tree is wrong");
	b = (struct gap_node){ .first = 20, .last = ~0UL };
	expect(!gap_tree_insert(&tree, &b), "up to the end");
	expect(gap_tree_find(&tree, ~0UL) == &b, "find the end");
	expect(!gap_tree_find(&tree, 9) && gap_tree_find_from(&tree, 9) == &a,
	       "find from a hole");
	gap_tree_grow_down(&tree, &a, 3);
	expect(gap_tree_find(&tree, 3) == &a && gap_tree_verify(&tree), "grow");
	gap_tree_erase(&tree, &a);
	gap_tree_erase(&tree, &b);
	expect(!tree.root.rb_node, "empty again");
}
