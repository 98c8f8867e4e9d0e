// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gap tree: disjoint ranges, and the holes between them found in O(log n).
 *
 * Theory of operation
 * ===================
 *
 * 1. Concepts.  The ranges are in a red-black tree ordered by address.  The
 *    node of a range also stands for the hole right below the range, which may
 *    be empty: it begins above the next lower range, or at the start of the
 *    tree.  The hole above the highest range has no node.
 *
 * 2. Augmentation.  Each node has the maxima of two values over the holes of
 *    its subtree: the length of a hole, for requests without alignment, and
 *    gap_fit() of a hole, the size of the largest naturally aligned request
 *    that fits.  A request fits a hole of a subtree if and only if its size is
 *    at most the maximum of its kind.  So the search knows for each subtree
 *    whether to descend into it.
 *
 * 3. Search.  A limit cuts at most one hole in two.  That hole is the highest
 *    candidate and is tried by the length that is left of it.  All higher holes
 *    are out of reach, and all lower holes are whole.  One descent along the
 *    limit finds the cut hole.  It also remembers the last, so highest, node
 *    below the limit whose own hole or left subtree takes the request.  From
 *    there a second descent finds the highest such hole.  If the limit is above
 *    all ranges, the first descent is not needed.  The result depends on the
 *    set of ranges, not on the order in which they were inserted.
 *
 * 4. Change.  An insertion or removal changes the hole of the node itself, and
 *    the hole of the next higher node, which on insertion is an ancestor of the
 *    new leaf.  Then maxima are recomputed from there upwards until they do not
 *    change.
 *
 * 5. Locking.  None: the owner serialises all calls.
 */

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/gap_tree.h>
#include <linux/rbtree_augmented.h>

static inline struct gap_node *to_gap(struct rb_node *rb)
{
	return rb_entry(rb, struct gap_node, rb);
}

static inline unsigned long node_fit(const struct gap_node *node)
{
	return gap_fit(node->first - node->gap, node->first);
}

/* Recompute node->room; with @exit, return true if it has not changed. */
static inline bool gap_update(struct gap_node *node, bool exit)
{
	const struct rb_node *child[] = { node->rb.rb_left, node->rb.rb_right };
	struct gap_room room = { .gap = node->gap };
	int i;

	for (i = 0; i < 2; i++) {
		const struct gap_room *sub;

		if (!child[i])
			continue;
		sub = &rb_entry(child[i], struct gap_node, rb)->room;
		room.gap = max(room.gap, sub->gap);
		room.fit = max(room.fit, sub->fit);
	}
	/* A fit is at most the length: most nodes need not compute theirs. */
	if (node->gap > room.fit)
		room.fit = max(room.fit, node_fit(node));

	if (exit && room.gap == node->room.gap && room.fit == node->room.fit)
		return true;
	node->room = room;
	return false;
}

RB_DECLARE_CALLBACKS(static, gap_augment, struct gap_node, rb, room, gap_update)

/*
 * The room of @node has changed: recompute that of its ancestors below @stop,
 * NULL for all, until one does not change.  As gap_augment_propagate(), but
 * with one child known.
 */
static void climb(struct gap_node *node, const struct rb_node *stop)
{
	struct rb_node *rb = &node->rb, *parent, *sibling;

	while ((parent = rb_parent(rb)) != stop) {
		struct gap_node *up = to_gap(parent);
		struct gap_room room = to_gap(rb)->room;

		sibling = parent->rb_left == rb ? parent->rb_right :
						  parent->rb_left;
		if (sibling) {
			room.gap = max(room.gap, to_gap(sibling)->room.gap);
			room.fit = max(room.fit, to_gap(sibling)->room.fit);
		}
		room.gap = max(room.gap, up->gap);
		if (up->gap > room.fit)
			room.fit = max(room.fit, node_fit(up));
		if (room.gap == up->room.gap && room.fit == up->room.fit)
			return;
		up->room = room;
		rb = parent;
	}
}

/* The hole of @node has changed. */
static void hole_changed(struct gap_node *node)
{
	if (!gap_update(node, true))
		climb(node, NULL);
}

/* Where the hole above @under begins; the start of the tree if that is NULL. */
static inline unsigned long hole_above(const struct gap_tree *tree,
				       const struct gap_node *under)
{
	return under && under->last >= tree->start ? under->last + 1 :
						     tree->start;
}

static inline void set_hole(struct gap_node *node, unsigned long lo)
{
	node->gap = node->first > lo ? node->first - lo : 0;
}

static void verify_change(const struct gap_tree *tree)
{
	if (IS_ENABLED(CONFIG_GAP_TREE_VERIFY))
		gap_tree_verify(tree);
}

/*
 * In these four functions @aligned is a constant of the caller, so that the
 * compiler makes a copy for each kind of request.
 */
static __always_inline bool hole_takes(const struct gap_node *node,
				       unsigned long size, const bool aligned)
{
	return node->gap >= size && (!aligned || node_fit(node) >= size);
}

static __always_inline bool subtree_takes(const struct rb_node *rb,
					  unsigned long size,
					  const bool aligned)
{
	const struct gap_node *node = rb_entry_safe(rb, struct gap_node, rb);

	return node && (aligned ? node->room.fit : node->room.gap) >= size;
}

/* A place for a request: its first address, and the hole it is in. */
struct place {
	unsigned long first;
	unsigned long lo;
	struct gap_node *above;
};

/* The highest hole that takes the request; one in the subtree is known to. */
static __always_inline struct gap_node *highest_hole(struct rb_node *rb,
						     unsigned long size,
						     const bool aligned)
{
	for (;;) {
		while (subtree_takes(rb->rb_right, size, aligned))
			rb = rb->rb_right;
		if (hole_takes(to_gap(rb), size, aligned))
			return to_gap(rb);
		rb = rb->rb_left;
	}
}

static __always_inline bool find_place(const struct gap_tree *tree,
				       unsigned long size, const bool aligned,
				       unsigned long limit, struct place *place)
{
	const unsigned long clear = aligned ? gap_align_mask(size) : 0;
	struct gap_node *under = NULL, *above = NULL, *found = NULL;
	struct rb_node *rb = rb_last(&tree->root), *all = NULL;

	/* Mostly the limit is above all ranges, and one descent is enough. */
	if (rb && to_gap(rb)->first <= limit) {
		under = to_gap(rb);
		if (subtree_takes(tree->root.rb_node, size, aligned))
			all = tree->root.rb_node;
	} else {
		rb = tree->root.rb_node;
		while (rb) {
			struct gap_node *node = to_gap(rb);

			if (node->first > limit) {
				above = node;
				rb = rb->rb_left;
				continue;
			}
			if (subtree_takes(rb->rb_left, size, aligned) ||
			    hole_takes(node, size, aligned))
				found = node;
			under = node;
			rb = rb->rb_right;
		}
	}

	/* The hole that the limit cuts is the highest candidate. */
	place->lo = hole_above(tree, under);
	if ((!under || under->last < limit) && limit >= place->lo &&
	    limit - place->lo >= size - 1) {
		place->above = above;
		place->first = (limit - (size - 1)) & ~clear;
		if (place->first >= place->lo)
			return true;
	}

	if (all)
		found = highest_hole(all, size, aligned);
	else if (found && !hole_takes(found, size, aligned))
		found = highest_hole(found->rb.rb_left, size, aligned);
	if (!found)
		return false;
	place->above = found;
	place->lo = found->first - found->gap;
	place->first = (found->first - size) & ~clear;
	return true;
}

static bool find_any_place(const struct gap_tree *tree, unsigned long size,
			   bool aligned, unsigned long limit,
			   struct place *place)
{
	if (!size)
		return false;
	return aligned ? find_place(tree, size, true, limit, place) :
			 find_place(tree, size, false, limit, place);
}

/**
 * gap_tree_find_hole - find the highest place where a request fits
 * @tree: tree to search
 * @size: size of the request, in addresses
 * @aligned: the place must be a multiple of roundup_pow_of_two(@size)
 * @limit: highest address that the request may cover
 * @first: where the first address of the place is stored on success
 *
 * The place is the highest within one hole, and not below the start of the
 * tree.
 *
 * Context: any; the caller holds the lock of the tree.
 * Return: true; false if there is no place or @size is 0.
 */
bool gap_tree_find_hole(const struct gap_tree *tree, unsigned long size,
			bool aligned, unsigned long limit, unsigned long *first)
{
	struct place place;

	if (!find_any_place(tree, size, aligned, limit, &place))
		return false;
	*first = place.first;
	return true;
}
EXPORT_SYMBOL_GPL(gap_tree_find_hole);

/* Link @node, whose gap is set, as the leaf *link right below @above. */
static void attach(struct gap_tree *tree, struct gap_node *node,
		   struct rb_node *parent, struct rb_node **link,
		   struct gap_node *above)
{
	rb_link_node(&node->rb, parent, link);
	node->room.gap = node->gap;
	node->room.fit = node_fit(node);
	climb(node, above ? &above->rb : NULL);
	if (above) {
		set_hole(above, hole_above(tree, node));
		hole_changed(above);
	}
	rb_insert_augmented(&node->rb, &tree->root, &gap_augment);
	verify_change(tree);
}

/**
 * gap_tree_take - add a range at the highest place where it fits
 * @tree: tree to add to
 * @node: the range; first and last are filled in
 * @size: its size, in addresses
 * @aligned: the place must be a multiple of roundup_pow_of_two(@size)
 * @limit: highest address that it may cover
 *
 * Does what gap_tree_find_hole() and gap_tree_insert() do, with fewer descents.
 *
 * Context: any; the caller holds the lock of the tree.
 * Return: true; false if there is no place or @size is 0, with the tree
 * unchanged.
 */
bool gap_tree_take(struct gap_tree *tree, struct gap_node *node,
		   unsigned long size, bool aligned, unsigned long limit)
{
	struct rb_node **link = &tree->root.rb_node, *parent = NULL;
	struct place place;

	if (!find_any_place(tree, size, aligned, limit, &place))
		return false;
	node->first = place.first;
	node->last = place.first + size - 1;
	node->gap = place.first - place.lo;

	/* The leaf right below place.above, or the rightmost of all. */
	if (place.above) {
		parent = &place.above->rb;
		link = &parent->rb_left;
	}
	while (*link) {
		parent = *link;
		link = &parent->rb_right;
	}
	attach(tree, node, parent, link, place.above);
	return true;
}
EXPORT_SYMBOL_GPL(gap_tree_take);

/**
 * gap_tree_insert - add a range at its own place
 * @tree: tree to add to
 * @node: the range, with first and last filled in
 *
 * Context: any; the caller holds the lock of the tree.
 * Return: 0; with the tree unchanged, -EEXIST if the range overlaps one of the
 * tree, or -EINVAL if last is below first.
 */
int gap_tree_insert(struct gap_tree *tree, struct gap_node *node)
{
	struct rb_node **link = &tree->root.rb_node, *parent = NULL;
	struct gap_node *above = NULL, *under = NULL;

	if (node->last < node->first)
		return -EINVAL;

	while (*link) {
		struct gap_node *at = to_gap(*link);

		parent = *link;
		if (node->last < at->first) {
			above = at;
			link = &parent->rb_left;
		} else if (node->first > at->last) {
			under = at;
			link = &parent->rb_right;
		} else {
			return -EEXIST;
		}
	}

	set_hole(node, hole_above(tree, under));
	attach(tree, node, parent, link, above);
	return 0;
}
EXPORT_SYMBOL_GPL(gap_tree_insert);

/**
 * gap_tree_erase - remove a range
 * @tree: tree to remove it from
 * @node: a node of @tree
 *
 * Context: any; the caller holds the lock of the tree.
 */
void gap_tree_erase(struct gap_tree *tree, struct gap_node *node)
{
	struct gap_node *above = gap_tree_next(node);

	/* Rotations copy the maxima, so these have to be right before. */
	if (above) {
		set_hole(above, max(node->first - node->gap, tree->start));
		hole_changed(above);
	}
	rb_erase_augmented(&node->rb, &tree->root, &gap_augment);
	verify_change(tree);
}
EXPORT_SYMBOL_GPL(gap_tree_erase);

/**
 * gap_tree_grow_down - extend a range downwards
 * @tree: tree of the range
 * @node: a node of @tree
 * @first: its new first address: above the next lower range, not above the old
 *
 * Context: any; the caller holds the lock of the tree.
 */
void gap_tree_grow_down(struct gap_tree *tree, struct gap_node *node,
			unsigned long first)
{
	unsigned long lo = max(node->first - node->gap, tree->start);

	node->first = first;
	set_hole(node, lo);
	hole_changed(node);
	verify_change(tree);
}
EXPORT_SYMBOL_GPL(gap_tree_grow_down);

/**
 * gap_tree_find_from - find the first range at or above an address
 * @tree: tree to search
 * @addr: an address
 *
 * Context: any; the caller holds the lock of the tree.
 * Return: the lowest range that does not end below @addr, %NULL if there is
 * none.
 */
struct gap_node *gap_tree_find_from(const struct gap_tree *tree,
				    unsigned long addr)
{
	struct rb_node *rb = tree->root.rb_node;
	struct gap_node *found = NULL;

	while (rb) {
		struct gap_node *node = to_gap(rb);

		if (node->last < addr) {
			rb = rb->rb_right;
			continue;
		}
		found = node;
		if (node->first <= addr)
			break;
		rb = rb->rb_left;
	}
	return found;
}
EXPORT_SYMBOL_GPL(gap_tree_find_from);

/**
 * gap_tree_find - find the range that holds an address
 * @tree: tree to search
 * @addr: an address
 *
 * Context: any; the caller holds the lock of the tree.
 * Return: the range, %NULL if @addr lies in a hole.
 */
struct gap_node *gap_tree_find(const struct gap_tree *tree, unsigned long addr)
{
	struct gap_node *node = gap_tree_find_from(tree, addr);

	return node && node->first <= addr ? node : NULL;
}
EXPORT_SYMBOL_GPL(gap_tree_find);

static bool node_is_right(const struct gap_tree *tree, struct gap_node *node,
			  const struct gap_node *under)
{
	struct gap_node copy = *node;

	set_hole(&copy, hole_above(tree, under));
	if (node->last < node->first || (under && under->last >= node->first) ||
	    copy.gap != node->gap)
		return false;
	return gap_update(&copy, true);
}

/**
 * gap_tree_verify - check order, holes and maxima of every node
 * @tree: tree to check
 *
 * With CONFIG_GAP_TREE_VERIFY this runs after every change.
 *
 * Context: any; the caller holds the lock of the tree.  O(n).
 * Return: true if all is right; otherwise false, with a warning about the first
 * wrong node.
 */
bool gap_tree_verify(const struct gap_tree *tree)
{
	struct gap_node *under = NULL;
	struct rb_node *rb;

	for (rb = rb_first(&tree->root); rb; rb = rb_next(rb)) {
		struct gap_node *node = to_gap(rb);

		if (WARN(!node_is_right(tree, node, under),
			 "gap_tree: node [%#lx, %#lx] gap %#lx room %#lx/%#lx is wrong\n",
			 node->first, node->last, node->gap, node->room.gap,
			 node->room.fit))
			return false;
		under = node;
	}
	return true;
}
EXPORT_SYMBOL_GPL(gap_tree_verify);
