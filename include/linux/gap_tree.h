/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gap tree: disjoint ranges, and the holes between them found in O(log n).
 *
 * A gap tree holds disjoint closed ranges [first, last] of an address space of
 * unsigned longs, in a unit of the owner's choice.  It finds the highest place
 * below a limit where a request of a given size, naturally aligned or not, fits
 * a hole.
 *
 * Use:
 *
 *	struct gap_tree tree;
 *	struct gap_node *node = ...;
 *
 *	gap_tree_init(&tree, 1);
 *	if (!gap_tree_take(&tree, node, 8, true, 0xfffff))
 *		return -ENOSPC;
 *	...
 *	gap_tree_erase(&tree, node);
 *
 * Each operation is O(log n), allocates no memory, does not sleep and works in
 * any context.  The owner allocates and frees the nodes, and serialises all
 * calls for one tree.
 *
 * Theory of operation: lib/gap_tree.c.
 */
#ifndef _LINUX_GAP_TREE_H
#define _LINUX_GAP_TREE_H

#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/rbtree.h>
#include <linux/types.h>

/**
 * struct gap_room - what the holes of a subtree can take
 * @gap: length of its largest hole
 * @fit: size of the largest naturally aligned request that one of them takes
 */
struct gap_room {
	unsigned long gap;
	unsigned long fit;
};

/**
 * struct gap_node - one range of a gap tree
 * @rb: link in the tree
 * @first: first address of the range
 * @last: last address of the range, inclusive
 * @gap: length of the hole right below @first; private to gap_tree.c
 * @room: maxima over the holes of its subtree; private to gap_tree.c
 *
 * gap_tree_take() sets @first and @last; before gap_tree_insert() the owner
 * does.  The owner must not change them while the node is in the tree.
 */
struct gap_node {
	struct rb_node rb;
	unsigned long first;
	unsigned long last;
	unsigned long gap;
	struct gap_room room;
};

/**
 * struct gap_tree - a set of disjoint ranges
 * @root: the ranges, ordered by address
 * @start: lowest address that a hole may offer; ranges may lie below it
 */
struct gap_tree {
	struct rb_root root;
	unsigned long start;
};

/**
 * gap_tree_init - make a tree empty
 * @tree: tree to initialise
 * @start: lowest address that gap_tree_find_hole() may return
 */
static inline void gap_tree_init(struct gap_tree *tree, unsigned long start)
{
	tree->root = RB_ROOT;
	tree->start = start;
}

/**
 * gap_align_mask - low address bits that are clear with natural alignment
 * @size: size of a request, at least 1
 *
 * Return: roundup_pow_of_two(@size) - 1, also if that power of two does not fit
 * an unsigned long; then only address 0 is aligned.
 */
static inline unsigned long gap_align_mask(unsigned long size)
{
	return size > 1 ? ~0UL >> (BITS_PER_LONG - fls_long(size - 1)) : 0;
}

/**
 * gap_fit - largest naturally aligned request that a hole takes
 * @lo: first address of the hole
 * @hi: address right above the hole
 *
 * If a request fits, each smaller one fits, too, because its alignment is not
 * stricter.  So one number describes a hole exactly.
 *
 * Let k be the highest bit in which @lo - 1 and @hi - 1 differ and x be
 * @hi - 1 with the bits below k cleared.  x is the most aligned address of the
 * hole: its lowest set bit is bit k, and @hi - x <= 2^k, so every request up
 * to @hi - x is aligned when it starts at x.  Below x there are less than 2^k
 * addresses, and what is aligned there and fits is the largest power of two
 * that ends at x.  A hole that begins at 0 takes all that it is long.
 *
 * Return: that size, 0 for an empty hole.
 */
static inline unsigned long gap_fit(unsigned long lo, unsigned long hi)
{
	unsigned long x;

	if (lo >= hi)
		return 0;
	if (!lo)
		return hi;
	x = (hi - 1) & (~0UL << __fls((lo - 1) ^ (hi - 1)));
	if (x == lo)
		return hi - x;
	return max(hi - x, 1UL << __fls(x - lo));
}

bool gap_tree_find_hole(const struct gap_tree *tree, unsigned long size,
			bool aligned, unsigned long limit,
			unsigned long *first);
bool gap_tree_take(struct gap_tree *tree, struct gap_node *node,
		   unsigned long size, bool aligned, unsigned long limit);
int gap_tree_insert(struct gap_tree *tree, struct gap_node *node);
void gap_tree_erase(struct gap_tree *tree, struct gap_node *node);
void gap_tree_grow_down(struct gap_tree *tree, struct gap_node *node,
			unsigned long first);
struct gap_node *gap_tree_find(const struct gap_tree *tree, unsigned long addr);
struct gap_node *gap_tree_find_from(const struct gap_tree *tree,
				    unsigned long addr);
bool gap_tree_verify(const struct gap_tree *tree);

/**
 * gap_tree_next - the next range above
 * @node: a node of a tree
 *
 * Return: the node with the next higher range; %NULL if there is none.
 */
static inline struct gap_node *gap_tree_next(struct gap_node *node)
{
	return rb_entry_safe(rb_next(&node->rb), struct gap_node, rb);
}

#endif /* _LINUX_GAP_TREE_H */
