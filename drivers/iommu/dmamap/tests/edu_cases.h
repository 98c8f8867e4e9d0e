/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests of the suite "dmamap_edu", in the order of the run. Included twice, for
 * their declarations and for the table of cases: so there is no guard.
 */

/* edu_reach_kunit.c */
EDU_TEST_MODES(single_buffers_arrive_both_ways)
EDU_TEST_MODES(both_sides_take_turns_with_syncs)
EDU_TEST_MODES(entries_of_lists_are_reached_at_both_ends)
EDU_TEST(whole_pages_become_one_segment)
EDU_TEST_MODES(coherent_memory_is_zero_and_shared_to_its_ends)
EDU_TEST_MODES(other_allocations_are_shared_too)

/* edu_attack_kunit.c */
EDU_TEST_TRIES(nothing_is_reached_after_the_unmap)
EDU_TEST(an_address_leads_nowhere_before_it_is_mapped)
EDU_TEST(beside_a_mapping_is_nothing)
EDU_TEST(an_unmap_that_meets_a_transfer_is_final)
EDU_TEST(a_reused_address_leads_to_the_new_memory)
EDU_TEST(the_direction_limits_the_device)

/* edu_untrusted_kunit.c */
EDU_TEST(an_untrusted_device_has_a_strict_domain)
EDU_TEST(beside_a_bounced_buffer_are_zeroes)
EDU_TEST(bounced_buffers_share_no_granule)
EDU_TEST(what_the_device_does_not_write_stays)
EDU_TEST(a_slot_holds_nothing_of_its_last_use)
EDU_TEST(a_late_write_does_not_reach_a_bounced_buffer)
EDU_TEST(aligned_buffers_are_not_bounced)
EDU_TEST(a_partial_sync_moves_only_its_range)
EDU_TEST(lists_of_an_untrusted_device_are_bounced)
EDU_TEST(a_list_once_bounced_serves_other_devices)
EDU_TEST(the_largest_mapping_is_that_of_the_bounce_buffers)
EDU_TEST(mappings_of_a_trusted_device_have_no_largest)
EDU_TEST(small_buffers_of_an_incoherent_device_are_bounced)
EDU_TEST(a_slot_serves_nobody_else_before_the_flush)

/* edu_reach_kunit.c */
EDU_TEST(addresses_stay_below_the_mask)
EDU_TEST(coherent_memory_stays_below_its_own_mask)

/* edu_attack_kunit.c */
EDU_TEST(a_live_mapping_survives_others_beside_it)

/* edu_reach_kunit.c */
EDU_TEST(message_signalled_interrupts_arrive)
EDU_TEST(memory_of_another_device_is_reached)
EDU_TEST(addresses_above_4_gib_come_last)
