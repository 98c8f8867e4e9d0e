// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the gap tree.
 *
 * What the tree answers is compared with the plainest way to find the same: a
 * byte for each address of a small window.
 */

#include <kunit/test.h>
#include <linux/gap_tree.h>
#include <linux/prandom.h>

#define WINDOW	512UL
#define ROUNDS	300

struct window {
	struct gap_tree tree;
	struct gap_node nodes[WINDOW];
	bool taken[WINDOW];
	struct rnd_state rnd;
};

static struct window *make_window(struct kunit *test, unsigned long start)
{
	struct window *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	gap_tree_init(&w->tree, start);
	prandom_seed_state(&w->rnd, 20240607);
	return w;
}

static unsigned long below(struct window *w, unsigned long bound)
{
	return prandom_u32_state(&w->rnd) % bound;
}

static void fill(struct window *w, unsigned long first, unsigned long size,
		 bool taken)
{
	while (size--)
		w->taken[first++] = taken;
}

static int take(struct window *w, unsigned long first, unsigned long size)
{
	struct gap_node refused, *node = &w->nodes[first];
	int ret;

	/* The node of a taken address may be in the tree: leave it alone. */
	if (w->taken[first])
		node = &refused;
	node->first = first;
	node->last = first + size - 1;
	ret = gap_tree_insert(&w->tree, node);
	if (!ret)
		fill(w, first, size, true);
	return ret;
}

static void give_back(struct window *w, struct gap_node *node)
{
	fill(w, node->first, node->last - node->first + 1, false);
	gap_tree_erase(&w->tree, node);
}

/* The highest place, found by looking at every one of them. */
static bool brute_force(const struct window *w, unsigned long size,
			bool aligned, unsigned long limit, unsigned long *first)
{
	unsigned long step = aligned ? gap_align_mask(size) + 1 : 1;
	unsigned long at, i;

	for (at = WINDOW; at-- > w->tree.start;) {
		if (at & (step - 1) || at + size - 1 > limit ||
		    at + size > WINDOW)
			continue;
		for (i = 0; i < size && !w->taken[at + i]; i++)
			;
		if (i == size) {
			*first = at;
			return true;
		}
	}
	return false;
}

static void expect_same_answer(struct kunit *test, struct window *w,
			       unsigned long size, bool aligned,
			       unsigned long limit)
{
	unsigned long want = 0, got = 0;
	bool is = brute_force(w, size, aligned, limit, &want);

	KUNIT_EXPECT_EQ_MSG(test, is,
			    gap_tree_find_hole(&w->tree, size, aligned, limit,
					       &got),
			    "size %lu aligned %d limit %lu", size, aligned,
			    limit);
	KUNIT_EXPECT_EQ_MSG(test, want, got, "size %lu aligned %d limit %lu",
			    size, aligned, limit);
}

static bool request_fits(unsigned long lo, unsigned long hi, unsigned long size)
{
	unsigned long at;

	if (hi < size)
		return false;
	at = (hi - size) & ~gap_align_mask(size);
	return at >= lo;
}

static void fit_is_the_largest_aligned_request(struct kunit *test)
{
	unsigned long lo, hi, best;

	for (lo = 0; lo < 1024; lo++) {
		best = 0;
		for (hi = lo + 1; hi <= 1024; hi++) {
			/* A longer hole takes no less, so go on from there. */
			while (request_fits(lo, hi, best + 1))
				best++;
			if (gap_fit(lo, hi) != best)
				KUNIT_FAIL(test, "[%lu, %lu): %lu, not %lu",
					   lo, hi, gap_fit(lo, hi), best);
		}
	}
}

static void fit_of_an_empty_hole_is_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, gap_fit(7, 7), 0);
	KUNIT_EXPECT_EQ(test, gap_fit(0, 0), 0);
	KUNIT_EXPECT_EQ(test, gap_fit(ULONG_MAX, ULONG_MAX), 0);
}

static void fit_is_right_at_the_ends_of_the_space(struct kunit *test)
{
	const unsigned long half = 1UL << (BITS_PER_LONG - 1);

	KUNIT_EXPECT_EQ(test, gap_fit(0, ULONG_MAX), ULONG_MAX);
	KUNIT_EXPECT_EQ(test, gap_fit(1, half), half >> 1);
	KUNIT_EXPECT_EQ(test, gap_fit(1, ULONG_MAX), half - 1);
	KUNIT_EXPECT_EQ(test, gap_fit(ULONG_MAX - 1, ULONG_MAX), 1);
}

static void an_empty_tree_offers_all_above_its_start(struct kunit *test)
{
	struct window *w = make_window(test, 8);
	unsigned long first;

	KUNIT_EXPECT_TRUE(test, gap_tree_find_hole(&w->tree, 3, false, 10, &first));
	KUNIT_EXPECT_EQ(test, first, 8);
	KUNIT_EXPECT_FALSE(test, gap_tree_find_hole(&w->tree, 4, false, 10, &first));
	KUNIT_EXPECT_FALSE(test, gap_tree_find_hole(&w->tree, 1, true, 7, &first));
}

static void the_whole_space_can_be_asked_for(struct kunit *test)
{
	struct window *w = make_window(test, 0);
	unsigned long first = 1;

	KUNIT_EXPECT_TRUE(test, gap_tree_find_hole(&w->tree, ULONG_MAX, true,
						   ULONG_MAX, &first));
	KUNIT_EXPECT_EQ(test, first, 0);
	KUNIT_EXPECT_TRUE(test, gap_tree_find_hole(&w->tree, 1, true, ULONG_MAX,
						   &first));
	KUNIT_EXPECT_EQ(test, first, ULONG_MAX);
}

static void a_request_of_nothing_finds_nothing(struct kunit *test)
{
	struct window *w = make_window(test, 0);
	unsigned long first;

	KUNIT_EXPECT_FALSE(test, gap_tree_find_hole(&w->tree, 0, true, 10, &first));
	KUNIT_EXPECT_FALSE(test, gap_tree_find_hole(&w->tree, 0, false, 10, &first));
}

static void every_answer_is_the_highest_place(struct kunit *test)
{
	struct window *w = make_window(test, 1);
	unsigned long size, limit;
	unsigned int i;

	for (i = 0; i < 3 * ROUNDS; i++) {
		struct gap_node *node = gap_tree_find(&w->tree, below(w, WINDOW));

		if (node && below(w, 2))
			give_back(w, node);
		take(w, below(w, WINDOW - 8), 1 + below(w, 8));

		size = 1 + below(w, 48);
		limit = below(w, WINDOW);
		expect_same_answer(test, w, size, true, limit);
		expect_same_answer(test, w, size, false, limit);
		expect_same_answer(test, w, size, true, WINDOW - 1);
		expect_same_answer(test, w, 1, true, limit);
	}
	KUNIT_EXPECT_TRUE(test, gap_tree_verify(&w->tree));
}

static void the_answer_does_not_depend_on_history(struct kunit *test)
{
	struct window *up = make_window(test, 1), *down = make_window(test, 1);
	unsigned long i, a = 0, b = 0, size;

	for (i = 1; i + 3 < WINDOW; i += 7)
		KUNIT_ASSERT_EQ(test, take(up, i, 3), 0);
	for (i = 1; i + 3 < WINDOW; i += 7)
		;
	while (i > 7) {
		i -= 7;
		KUNIT_ASSERT_EQ(test, take(down, i, 3), 0);
		KUNIT_ASSERT_EQ(test, take(down, i + 3, 2), 0);
		give_back(down, &down->nodes[i + 3]);
	}
	for (size = 1; size < 9; size++) {
		bool is = gap_tree_find_hole(&up->tree, size, true, WINDOW - 9, &a);

		KUNIT_EXPECT_EQ(test, is,
				gap_tree_find_hole(&down->tree, size, true,
						   WINDOW - 9, &b));
		KUNIT_EXPECT_EQ(test, a, b);
	}
}

static void a_range_is_taken_where_it_is_found(struct kunit *test)
{
	struct window *w = make_window(test, 1);
	unsigned int i;

	for (i = 0; i < 3 * ROUNDS; i++) {
		struct gap_node *old = gap_tree_find(&w->tree, below(w, WINDOW));
		unsigned long size = 1 + below(w, 12), want = 0;
		unsigned long limit = below(w, WINDOW);
		struct gap_node *node;
		bool is;

		if (old)
			give_back(w, old);
		is = gap_tree_find_hole(&w->tree, size, i & 1, limit, &want);
		node = &w->nodes[want];
		KUNIT_ASSERT_EQ(test, is, gap_tree_take(&w->tree, node, size,
							i & 1, limit));
		if (!is)
			continue;
		KUNIT_ASSERT_EQ(test, node->first, want);
		KUNIT_ASSERT_EQ(test, node->last, want + size - 1);
		fill(w, want, size, true);
	}
	KUNIT_EXPECT_TRUE(test, gap_tree_verify(&w->tree));
}

static void an_overlapping_range_is_refused(struct kunit *test)
{
	struct window *w = make_window(test, 0);

	KUNIT_ASSERT_EQ(test, take(w, 10, 5), 0);
	KUNIT_EXPECT_EQ(test, take(w, 9, 2), -EEXIST);
	KUNIT_EXPECT_EQ(test, take(w, 14, 1), -EEXIST);
	KUNIT_EXPECT_EQ(test, take(w, 5, 20), -EEXIST);
	KUNIT_EXPECT_EQ(test, take(w, 9, 1), 0);
	KUNIT_EXPECT_EQ(test, take(w, 15, 1), 0);
	KUNIT_EXPECT_TRUE(test, gap_tree_verify(&w->tree));
}

static void a_range_that_ends_before_it_begins_is_refused(struct kunit *test)
{
	struct window *w = make_window(test, 0);
	struct gap_node node = { .first = 5, .last = 4 };

	KUNIT_EXPECT_EQ(test, gap_tree_insert(&w->tree, &node), -EINVAL);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&w->tree.root));
}

static void ranges_below_the_start_leave_no_hole(struct kunit *test)
{
	struct window *w = make_window(test, 100);
	unsigned long first;

	KUNIT_ASSERT_EQ(test, take(w, 10, 5), 0);
	KUNIT_ASSERT_EQ(test, take(w, 90, 15), 0);
	KUNIT_ASSERT_EQ(test, take(w, 108, 4), 0);
	KUNIT_EXPECT_TRUE(test, gap_tree_find_hole(&w->tree, 3, false, 110, &first));
	KUNIT_EXPECT_EQ(test, first, 105);
	KUNIT_EXPECT_FALSE(test, gap_tree_find_hole(&w->tree, 4, false, 110, &first));
	give_back(w, &w->nodes[90]);
	KUNIT_EXPECT_TRUE(test, gap_tree_find_hole(&w->tree, 8, false, 110, &first));
	KUNIT_EXPECT_EQ(test, first, 100);
	KUNIT_EXPECT_TRUE(test, gap_tree_verify(&w->tree));
}

static void a_range_grows_down_into_its_hole(struct kunit *test)
{
	struct window *w = make_window(test, 1);
	unsigned long first;

	KUNIT_ASSERT_EQ(test, take(w, 20, 4), 0);
	KUNIT_ASSERT_EQ(test, take(w, 40, 4), 0);
	gap_tree_grow_down(&w->tree, &w->nodes[40], 30);
	KUNIT_EXPECT_TRUE(test, gap_tree_verify(&w->tree));
	KUNIT_EXPECT_PTR_EQ(test, gap_tree_find(&w->tree, 30), &w->nodes[40]);
	KUNIT_EXPECT_NULL(test, gap_tree_find(&w->tree, 29));
	KUNIT_EXPECT_TRUE(test, gap_tree_find_hole(&w->tree, 6, false, 39, &first));
	KUNIT_EXPECT_EQ(test, first, 24);
	gap_tree_grow_down(&w->tree, &w->nodes[40], 24);
	KUNIT_EXPECT_TRUE(test, gap_tree_verify(&w->tree));
	KUNIT_EXPECT_EQ(test, w->nodes[40].gap, 0);
}

static void find_from_gives_the_first_range_not_below(struct kunit *test)
{
	struct window *w = make_window(test, 0);

	KUNIT_ASSERT_EQ(test, take(w, 10, 5), 0);
	KUNIT_ASSERT_EQ(test, take(w, 30, 5), 0);
	KUNIT_EXPECT_PTR_EQ(test, gap_tree_find_from(&w->tree, 0), &w->nodes[10]);
	KUNIT_EXPECT_PTR_EQ(test, gap_tree_find_from(&w->tree, 14), &w->nodes[10]);
	KUNIT_EXPECT_PTR_EQ(test, gap_tree_find_from(&w->tree, 15), &w->nodes[30]);
	KUNIT_EXPECT_NULL(test, gap_tree_find_from(&w->tree, 35));
	KUNIT_EXPECT_PTR_EQ(test, gap_tree_next(&w->nodes[10]), &w->nodes[30]);
	KUNIT_EXPECT_NULL(test, gap_tree_next(&w->nodes[30]));
}

static void the_values_stay_right_under_random_change(struct kunit *test)
{
	struct window *w = make_window(test, 3);
	unsigned int i;

	for (i = 0; i < 10 * ROUNDS; i++) {
		struct gap_node *node = gap_tree_find(&w->tree, below(w, WINDOW));

		if (node)
			give_back(w, node);
		else
			take(w, below(w, WINDOW - 20), 1 + below(w, 20));
		if (!gap_tree_verify(&w->tree)) {
			KUNIT_FAIL(test, "after change %u", i);
			return;
		}
	}
}

static void verify_notices_a_wrong_value(struct kunit *test)
{
	struct window *w = make_window(test, 1);

	KUNIT_ASSERT_EQ(test, take(w, 10, 5), 0);
	KUNIT_ASSERT_EQ(test, take(w, 30, 5), 0);
	/* The node above is the parent: its maxima no longer follow. */
	w->nodes[30].room.fit++;
	pr_info("expected warning: gap_tree: node [0xa, 0xe]\n");
	KUNIT_EXPECT_FALSE(test, gap_tree_verify(&w->tree));
}

static struct kunit_case gap_tree_cases[] = {
	KUNIT_CASE(fit_is_the_largest_aligned_request),
	KUNIT_CASE(fit_of_an_empty_hole_is_nothing),
	KUNIT_CASE(fit_is_right_at_the_ends_of_the_space),
	KUNIT_CASE(an_empty_tree_offers_all_above_its_start),
	KUNIT_CASE(the_whole_space_can_be_asked_for),
	KUNIT_CASE(a_request_of_nothing_finds_nothing),
	KUNIT_CASE(every_answer_is_the_highest_place),
	KUNIT_CASE(the_answer_does_not_depend_on_history),
	KUNIT_CASE(a_range_is_taken_where_it_is_found),
	KUNIT_CASE(an_overlapping_range_is_refused),
	KUNIT_CASE(a_range_that_ends_before_it_begins_is_refused),
	KUNIT_CASE(ranges_below_the_start_leave_no_hole),
	KUNIT_CASE(a_range_grows_down_into_its_hole),
	KUNIT_CASE(find_from_gives_the_first_range_not_below),
	KUNIT_CASE(the_values_stay_right_under_random_change),
	KUNIT_CASE(verify_notices_a_wrong_value),
	{}
};

static struct kunit_suite gap_tree_suite = {
	.name = "gap_tree",
	.test_cases = gap_tree_cases,
};

kunit_test_suite(gap_tree_suite);

MODULE_DESCRIPTION("KUnit tests of the gap tree");
MODULE_LICENSE("GPL");
