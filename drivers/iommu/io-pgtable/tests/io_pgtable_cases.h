/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests of the suite "io-pgtable", in the order of the run; each runs once for
 * each format. Included twice, for their declarations and for the table of cases:
 * so there is no guard.
 */

/* map_kunit.c */
FORMAT_TEST(limits_of_init)
FORMAT_TEST(stage2_begins_where_the_architecture_lets_it)
FORMAT_TEST(every_size_at_every_border)
FORMAT_TEST(runs_cross_tables)
FORMAT_TEST(pieces_map_in_the_largest_pages_that_fit)
FORMAT_TEST(one_piece_takes_every_page_size)
FORMAT_TEST(pieces_stop_at_what_is_mapped)
FORMAT_TEST(pieces_that_cannot_be_are_refused)

/* unmap_kunit.c */
FORMAT_TEST(the_gather_covers_what_was_unmapped)
FORMAT_TEST(what_cannot_be_unmapped_stays)
FORMAT_TEST(a_part_of_a_larger_page_stays)
FORMAT_TEST(without_a_gather_a_larger_page_is_split)
FORMAT_TEST(groups_are_mapped_whole)
FORMAT_TEST(what_is_mapped_is_not_replaced)
FORMAT_TEST(covered_tables_wait_for_the_flush)
FORMAT_TEST(cycles_all_over_leave_few_tables)
FORMAT_TEST(steady_cycles_keep_their_tables)
FORMAT_TEST(each_failing_allocation_is_undone)

/* random_kunit.c */
FORMAT_TEST(random_requests_against_a_model)
FORMAT_TEST(neighbours_do_not_meet)

/* attributes_kunit.c */
FORMAT_TEST(attributes_are_those_of_the_specification)
FORMAT_TEST(stage2_can_force_write_back)
FORMAT_TEST(a_walk_tells_each_entry_on_the_way)
FORMAT_TEST(dirty_pages_are_reported_once)

/* exact_kunit.c */
FORMAT_TEST(leaves_say_where_a_mapping_goes_on)
FORMAT_TEST(an_exact_unmap_takes_one_mapping_or_nothing)
FORMAT_TEST(gaps_are_passed_if_they_are_allowed)
FORMAT_TEST(a_mapping_is_found_by_each_address)
