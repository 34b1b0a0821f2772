"""Every fault that the gateway must survive, what shows then, and the tests that prove it.

A line without tests says why it does not apply yet. `docs/faults.md` is made from this by page.py.
"""

from typing import NamedTuple

QUICKFIX = "tests/adapters/quickfix"
GRPC = "tests/adapters/grpc"
E2E = "tests/e2e"
JOURNAL = "tests/adapters/journal"
FAULTS = "tests/faults"
INITIATOR = "tests/conformance/session/test_initiator.py::test_initiator"
ACCEPTOR = "tests/conformance/session/test_acceptor.py::test_acceptor"
VENUES = f"{E2E}/test_venue_faults.py"
CLIENTS = f"{E2E}/test_hard_clients.py"
MESSAGES = f"{QUICKFIX}/test_messages.py"
SEQUENCE = f"{QUICKFIX}/test_sequence.py"
BROKEN_STORE = f"{QUICKFIX}/test_broken_store.py"
LINE = f"{QUICKFIX}/test_line.py"
SCHEDULE = f"{QUICKFIX}/test_schedule.py"
OUTAGES = f"{JOURNAL}/test_outages.py"
DAMAGE = f"{JOURNAL}/test_damage.py"
SYSTEM = f"{FAULTS}/test_system_faults.py"
BAD_INPUT = f"{GRPC}/test_bad_input.py"
RECONCILIATION = f"{E2E}/test_reconciliation.py"
STORMS = f"{FAULTS}/test_reject_storm.py"
POSTGRES_DEMO = "tests/demo/test_postgres_demo.py"


class Fault(NamedTuple):
    """One line of the catalogue. `tests` are node ids of pytest; with none, `not_yet` says why."""

    name: str
    shows: str
    tests: tuple[str, ...] = ()
    not_yet: str = ""


CATALOGUE: dict[str, tuple[Fault, ...]] = {
    "FIX session": (
        Fault(
            "a gap in what came in",
            "one ResendRequest(35=2), no order lost",
            (
                f"{VENUES}::test_a_gap_is_filled_by_one_resend_and_nothing_is_lost",
                f"{INITIATOR}[seq-too-high]",
                f"{SEQUENCE}::test_a_reject_above_a_gap_does_not_hide_a_fill",
                f"{SEQUENCE}::test_a_message_that_is_refused_above_a_gap_does_not_hide_a_fill",
            ),
        ),
        Fault(
            "the venue asks for everything again, ResendRequest 1 to 0",
            "gap-filled; no order is sent again",
            (f"{SEQUENCE}::test_nothing_that_was_sent_before_our_logon_is_sent_again", f"{INITIATOR}[resend-all]"),
        ),
        Fault(
            "a sequence number that is too low",
            "an alert, and no silent reset",
            (
                f"{SEQUENCE}::test_a_number_that_is_too_low_is_an_alert_and_no_reset",
                f"{VENUES}::test_a_venue_whose_sequence_numbers_are_too_low_is_held_down_and_hides_no_fill",
            ),
        ),
        Fault(
            "an unexpected ResetSeqNumFlag(141)=Y",
            "an item, and order entry is closed until the venue is reconciled",
            (
                f"{SEQUENCE}::test_a_reset_by_the_venue_is_reported_and_numbers_begin_at_one",
                f"{RECONCILIATION}::test_an_unexpected_reset_of_the_numbers_closes_order_entry_until_all_is_compared",
            ),
        ),
        Fault(
            "a disconnect in the middle of a message that comes in",
            "it is asked for again",
            (f"{MESSAGES}::test_a_disconnect_in_the_middle_of_a_message",),
        ),
        Fault(
            "a disconnect in the middle of a send",
            "no order is sent later",
            (f"{LINE}::test_a_disconnect_in_the_middle_of_a_send_leaves_no_order_that_is_sent_later",),
        ),
        Fault(
            "half-open TCP",
            "noticed within two heartbeats",
            (
                f"{MESSAGES}::test_a_half_open_connection_is_noticed",
                f"{LINE}::test_a_half_open_connection_is_noticed_within_two_heartbeats_whatever_the_wall_clock_says",
            ),
        ),
        Fault(
            "a send while logged off",
            "refused, and nothing is stored",
            (f"{SEQUENCE}::test_a_send_while_logged_off_is_refused_and_burns_no_number", f"{INITIATOR}[logged-off]"),
        ),
        Fault(
            "a storm of rejects",
            "back-off, no loop",
            (
                f"{LINE}::test_a_venue_that_refuses_every_logon_is_tried_ever_more_rarely",
                f"{STORMS}::test_a_venue_that_rejects_every_order_gets_each_of_them_once",
                f"{STORMS}::test_a_venue_that_rejects_every_question_is_asked_once_in_each_comparison",
            ),
        ),
        Fault(
            "a second logon with the same CompIDs",
            "refused by whoever listens; the first session lives, and who was refused says why",
            (f"{ACCEPTOR}[logon-twice]", f"{INITIATOR}[logon-refused]"),
        ),
        Fault(
            "bad BodyLength, bad CheckSum, no delimiter",
            "left out and asked for again",
            (
                f"{MESSAGES}::test_bytes_that_are_no_fix_do_not_hurt_and_a_broken_message_is_asked_for_again",
                f"{INITIATOR}[garbled-check-sum]",
                f"{INITIATOR}[body-length-short]",
                f"{INITIATOR}[body-length-long]",
                f"{INITIATOR}[body-length-no-number]",
            ),
        ),
        Fault(
            "BodyLength of 2 GB, bytes without an end",
            "bounded memory, disconnect",
            (f"{LINE}::test_endless_bytes_without_a_message_are_cut_off",),
        ),
        Fault(
            "repeated tags",
            "refused by the session layer, and shown",
            (f"{MESSAGES}::test_a_repeated_tag_is_refused_by_the_session_layer_and_reported",),
        ),
        Fault(
            "SOH inside a text field",
            "refused with the name of the field",
            (f"{BAD_INPUT}::test_a_field_that_cannot_be_is_named", f"{INITIATOR}[soh-injection]"),
        ),
        Fault(
            "a venue's certificate that does not verify",
            "no logon",
            not_yet="sessions have no TLS yet; it comes with identity",
        ),
    ),
    "Reports": (
        Fault(
            "the same ExecID(17) under a new MsgSeqNum(34)",
            "counted once",
            (f"{VENUES}::test_the_same_exec_id_under_a_new_msg_seq_num_counts_once",),
        ),
        Fault(
            "the same ExecID on two orders",
            "both counted",
            (
                f"{VENUES}::test_the_same_exec_id_on_two_orders_counts_on_both",
                "tests/core/test_executions.py::test_the_same_exec_id_counts_once_a_day_and_once_in_each_order",
            ),
        ),
        Fault(
            "a fill before New, reports out of order",
            "the same result in every order of arrival",
            (f"{VENUES}::test_reports_out_of_order_come_to_the_same",),
        ),
        Fault(
            "a fill after the cancel",
            "counted; the order stays canceled",
            (f"{VENUES}::test_a_fill_after_the_cancel_counts_and_does_not_reopen",),
        ),
        Fault(
            "CumQty(14) that jumps",
            "a reconciliation item, and the status is asked",
            (f"{RECONCILIATION}::test_a_cum_qty_that_jumps_is_an_item_and_the_status_is_asked",),
        ),
        Fault(
            "busts and corrections",
            "order and position follow",
            (f"{VENUES}::test_busts_and_corrections_move_order_and_position",),
        ),
        Fault(
            "a report for an unknown order",
            "kept aside whole, an alert, visible",
            (f"{VENUES}::test_a_report_for_an_order_that_is_not_ours_is_set_aside_and_visible",),
        ),
        Fault(
            "an overfill",
            "recorded; the instrument is halted",
            (f"{VENUES}::test_an_overfill_is_recorded_and_halts_the_instrument_until_an_operator_resumes_it",),
        ),
        Fault(
            "a replace that races a fill",
            "the venue's order of events counts",
            ("tests/conformance/test_core_scenarios.py", "tests/conformance/test_fix_scenarios.py"),
        ),
        Fault(
            "PossDup and PossResend",
            "told once",
            (
                f"{VENUES}::test_a_report_that_says_it_may_be_a_repetition_counts_once",
                f"{VENUES}::test_a_dropped_connection_comes_back_with_what_was_missed",
            ),
        ),
    ),
    "Disk and database": (
        Fault(
            "no space",
            "no new order is taken, the process ends; fills come again from the venue",
            (
                f"{E2E}/test_hard_stores.py::test_a_journal_that_cannot_grow_ends_the_process_and_keeps_all_that_was_acknowledged",
                f"{E2E}/test_hard_stores.py::test_a_fill_that_finds_no_space_comes_again_from_the_venue_and_is_booked_once",
                f"{BROKEN_STORE}::test_a_message_that_cannot_be_stored_ends_the_process_and_never_left",
                f"{BROKEN_STORE}::test_a_store_that_fails_while_nothing_is_sent_ends_the_process",
            ),
        ),
        Fault(
            "EIO on fsync",
            "the process ends, and the commit is not tried again",
            (f"{SYSTEM}::test_an_error_of_fsync_ends_the_process_and_the_commit_is_never_tried_again",),
        ),
        Fault(
            "a torn tail",
            "cut off",
            (
                f"{JOURNAL}/test_crashes.py::test_a_log_cut_at_any_byte_leaves_whole_batches_and_the_journal_goes_on",
                f"{DAMAGE}::test_a_flipped_bit_in_the_last_commit_of_the_log_is_a_torn_tail",
            ),
        ),
        Fault(
            "a flipped bit in the middle",
            "start refused, with the place; behind the snapshot that it begins at, an alert with the place",
            (
                f"{DAMAGE}::test_any_flipped_bit_of_the_file_is_noticed_or_changes_no_record",
                f"{DAMAGE}::test_a_flipped_bit_in_the_log_before_its_tail_refuses_the_start",
                "tests/crash/test_recovery.py::test_c1_damage_before_the_tail_refuses_to_start_and_says_where",
                "tests/cli/test_follow.py::test_damage_behind_the_snapshot_is_told_with_its_seq_and_ends_nothing",
            ),
        ),
        Fault(
            "an archive that is away",
            "a repeated key gets no second order, a late bust waits and is applied when it is back; trading goes on",
            (
                "tests/e2e/test_archive_away.py::test_a_repeated_key_and_a_late_bust_wait_for_it_and_nothing_else_does",
                "tests/runtime/test_out_of_reach.py",
            ),
        ),
        Fault(
            "a disk that takes two seconds",
            "a bounded queue, refusals by name",
            (f"{SYSTEM}::test_a_disk_that_takes_two_seconds_fills_a_bounded_queue_and_refuses_by_name",),
        ),
        Fault(
            "PostgreSQL gone, restarted, failed over",
            "no acknowledgement and no send until committed, then on",
            (
                f"{POSTGRES_DEMO}::test_while_the_server_is_away_nothing_is_acknowledged_and_nothing_sent_and_then_it_goes_on",
                f"{POSTGRES_DEMO}::test_the_demo_on_postgresql_survives_the_death_of_server_and_gateway_in_turn",
                f"{OUTAGES}::test_a_server_that_goes_down_under_load_and_comes_back_loses_and_doubles_nothing",
                f"{OUTAGES}::test_a_failover_to_a_standby_loses_and_doubles_nothing",
                f"{OUTAGES}::test_a_cancelled_wait_for_a_standby_is_no_acknowledgement",
                f"{OUTAGES}::test_a_server_that_is_gone_for_too_long_ends_the_process",
            ),
        ),
    ),
    "Time": (
        Fault(
            "the clock an hour forward or back",
            "no report lost; deadlines hold",
            (
                f"{MESSAGES}::test_a_wrong_clock_loses_no_report",
                f"{LINE}::test_a_half_open_connection_is_noticed_within_two_heartbeats_whatever_the_wall_clock_says",
                "tests/core/risk/test_presence.py::test_a_clock_that_is_set_back_holds_the_cancels_up_for_one_grace_at_most",
                "tests/core/risk/test_presence.py::test_a_clock_that_is_set_forward_cuts_no_grace_short",
                "tests/test_clock.py::test_the_clocks_turn_says_by_how_much_the_wall_clock_was_set",
            ),
        ),
        Fault(
            "the same across the session's end",
            "the store is kept",
            (
                f"{SCHEDULE}::test_a_clock_one_hour_forward_and_back_over_the_end_keeps_the_store",
                f"{SCHEDULE}::test_a_clock_that_jumps_over_the_end_of_a_session_starts_no_numbers_over",
                f"{SCHEDULE}::test_a_clock_that_goes_back_over_a_beginning_keeps_the_session_in_force",
            ),
        ),
    ),
    "Clients": (
        Fault(
            "a slow reader",
            "dropped at its bound; resumes without a gap",
            (f"{GRPC}/test_subscribe.py::test_a_slow_reader_is_dropped_and_resumes_without_a_gap",),
        ),
        Fault(
            "one client that floods at ten times its rate",
            "the others are served, each order of theirs with the next commit",
            (
                f"{CLIENTS}::test_while_one_client_floods_another_is_served",
                "tests/runtime/test_sequencer.py::test_an_order_is_in_the_next_commit_however_many_of_another_client_wait",
            ),
        ),
        Fault(
            "the same key 1,000 times in parallel",
            "one order",
            (f"{CLIENTS}::test_one_key_a_thousand_times_in_parallel_is_one_order",),
        ),
        Fault(
            "the same key with another body",
            "refused",
            (f"{GRPC}/test_orders.py::test_the_same_key_with_another_body_is_refused",),
        ),
        Fault(
            "NaN, negative, 1e308, too many decimals, unknown instrument or enum, bad UTF-8",
            "INVALID_ARGUMENT that names the field",
            (
                f"{BAD_INPUT}::test_a_field_that_cannot_be_is_named",
                f"{BAD_INPUT}::test_text_that_is_not_utf8_is_named",
            ),
        ),
        Fault(
            "an oversized message",
            "refused before it is read whole",
            (f"{BAD_INPUT}::test_a_message_over_the_bound_never_reaches_us",),
        ),
        Fault(
            "10,000 connections",
            "the cap holds",
            (f"{FAULTS}/test_connections.py::test_ten_thousand_connections_stay_under_the_cap_and_orders_go_on",),
        ),
        Fault(
            "rapid resets",
            "no harm",
            (f"{GRPC}/test_server.py::test_a_burst_of_calls_that_are_reset_does_no_harm",),
        ),
    ),
    "Identity": (
        Fault(
            "no certificate, expired, of a wrong authority, revoked",
            "refused",
            not_yet="callers are believed when they name themselves, on loopback only, until there is TLS",
        ),
        Fault(
            "client A asks for B's order",
            "the same answer as for one that does not exist",
            (f"{GRPC}/test_orders.py::test_an_order_that_is_not_found_and_one_of_somebody_else_look_the_same",),
        ),
        Fault(
            "a method without a rule",
            "the server refuses to start",
            (f"{GRPC}/test_identity.py::test_the_server_refuses_to_start_when_a_method_has_no_rule",),
        ),
        Fault("certificates changed under load", "no order dropped", not_yet="as above: there are none yet"),
    ),
    "Resources": (
        Fault(
            "file descriptors at their limit",
            "new connections wait; orders go on",
            (f"{SYSTEM}::test_without_file_descriptors_new_connections_wait_and_orders_go_on",),
        ),
        Fault(
            "threads at their limit",
            "what needs one fails; orders go on",
            (f"{SYSTEM}::test_without_threads_requests_that_need_one_fail_and_orders_go_on",),
        ),
        Fault(
            "memory at its limit",
            "load is shed or the process ends; what was accepted is kept",
            (f"{SYSTEM}::test_without_memory_the_process_sheds_load_or_ends_and_keeps_what_it_acknowledged",),
        ),
    ),
}
