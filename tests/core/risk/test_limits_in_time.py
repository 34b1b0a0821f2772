"""Limits while the gateway runs: what ends by itself, and what a restart and the file make of them."""

import pytest

from gateway.core.reports import ProcessStarted
from gateway.core.risk import events as re
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.setup import RiskClient
from gateway.core.risk.state import Held
from gateway.core.types import Reason
from tests.core.risk.desk import HOUR_NS, QTY, after, again, asked, decide, limit, own, passes, proposed, refused, world
from tests.core.world import CLIENT, SECOND_NS
from tests.risk import ample

# --- For a time ---


def test_a_limit_for_a_time_gives_way_to_the_one_before() -> None:
    of = world()
    of.ask(asked("account:A1", 50))
    of.ask(asked("account:A1", 70, expires_ns=of.now_ns + 60 * SECOND_NS))
    assert passes(of, 60)

    assert after(of, 30) == []
    assert passes(of, 60)
    assert after(of, 31) == [re.LimitExpired("account:A1", QTY, limit(50))]
    assert not passes(of, 60)
    assert after(of, 1) == []
    assert not of.state.risk.temporary


def test_a_limit_for_a_time_where_there_was_none_leaves_none() -> None:
    of = world()
    of.ask(asked("account:A1", 50, expires_ns=of.now_ns + 60 * SECOND_NS))

    assert not passes(of, 60)
    assert after(of, 61) == [re.LimitExpired("account:A1", QTY, None)]
    assert passes(of, 60)
    assert "account:A1" not in of.state.risk.limits


def test_of_two_limits_for_a_time_the_lasting_one_comes_back() -> None:
    of = world()
    of.ask(asked("account:A1", 50))
    of.ask(asked("account:A1", 70, expires_ns=of.now_ns + 60 * SECOND_NS))
    of.ask(asked("account:A1", 40, expires_ns=of.now_ns + 90 * SECOND_NS))

    assert after(of, 61) == []
    assert own(of, "account:A1") == limit(40)
    assert after(of, 30) == [re.LimitExpired("account:A1", QTY, limit(50))]


@pytest.mark.parametrize("ago_ns", [0, 1, HOUR_NS])
def test_a_limit_does_not_end_before_it_begins(ago_ns: int) -> None:
    of = world()
    at_ns = of.now_ns + 1_000_000  # The time at which the command will come.

    refused(of.ask(asked(expires_ns=at_ns - ago_ns)), Reason.FIELD_INVALID, "expires_ns")


# --- Restarts ---


def test_a_restart_knows_limits_and_what_waits() -> None:
    of = world()
    of.ask(asked("firm", 50))
    until_ns = of.now_ns + 2 * HOUR_NS
    of.ask(asked("account:A1", 30, expires_ns=until_ns))
    change_id = proposed(of)

    now = again(of)

    assert not [each for each in now.records[len(of.records) :] if type(each.event) is re.RiskConfigured]
    assert own(now, "account:A1") == limit(30)
    assert now.state.risk.temporary == {"account:A1": {QTY: Held(None, until_ns)}}
    assert decide(now, change_id).reason is None
    assert proposed(now, 90) != change_id
    assert passes(now, 65, account="A2")
    assert not passes(now, 31)
    assert re.LimitExpired("account:A1", QTY, None) in after(now, 7_201)
    assert now.recovered() == now.state


def test_what_ended_while_no_process_ran_has_ended_before_the_first_order() -> None:
    of = world()
    of.ask(asked("account:A1", 30))
    until_ns = of.now_ns + 60 * SECOND_NS
    of.ask(asked("account:A1", 90, expires_ns=until_ns))
    of.ask(asked("desk:EQ", 20, expires_ns=until_ns))
    of.now_ns = until_ns

    now = again(of)

    assert not passes(now, 31)
    assert own(now, "desk:EQ") is None
    assert not now.state.risk.temporary
    assert now.recovered() == now.state


def test_what_the_file_says_anew_comes_after_what_has_ended() -> None:
    of = world()
    of.ask(asked("desk:EQ", 20, expires_ns=of.now_ns + 60 * SECOND_NS))
    of.now_ns += 61 * SECOND_NS

    now = again(of, limits={"firm": ample(), "desk:EQ": {QTY: limit(66)}})

    assert own(now, "desk:EQ") == limit(66)
    assert now.recovered() == now.state


def test_nobody_approves_after_a_restart_what_waited_too_long() -> None:
    of = world()
    of.ask(asked("firm", 50))
    change_id = proposed(of)
    of.now_ns += 2 * HOUR_NS

    now = again(of)

    refused(decide(now, change_id), Reason.CHANGE_UNKNOWN, "change_id")


def test_a_restart_takes_from_the_file_what_it_says_anew_and_nothing_else() -> None:
    of = world()
    of.ask(asked("firm", 50))
    of.ask(asked("firm", 40, Control.MAX_OPEN_ORDERS, unit="count"))
    of.ask(asked("account:A1", 30))
    of.ask(asked("desk:EQ", 20, expires_ns=of.now_ns + HOUR_NS))

    file = {"firm": {**ample(), QTY: limit(77)}, "desk:EQ": {QTY: limit(66)}}
    now = again(of, limits=file)

    assert own(now, "firm") == limit(77), "the file is another"
    assert own(now, "firm", Control.MAX_OPEN_ORDERS) == limit(40), "the file says what it said before"
    assert own(now, "account:A1") == limit(30), "the file says nothing of it"
    assert own(now, "desk:EQ") == limit(66), "the file is another, and what held for a time is over"
    assert not now.state.risk.temporary.get("desk:EQ")
    assert now.recovered() == now.state


def test_a_limit_that_the_file_drops_is_gone() -> None:
    file = {"firm": ample(), "account:A1": {QTY: limit(5)}}
    of = world(limits=file)
    assert not passes(of, 6)

    now = again(of, limits={"firm": ample()})

    assert passes(now, 6)


def test_what_a_scope_that_is_gone_has_left_behind_can_be_taken_away() -> None:
    of = world()
    of.ask(asked("account:A2", 30))

    now = again(of, accounts={"A1": "EQ"}, clients={CLIENT: RiskClient(("A1",))})

    refused(now.ask(asked("account:A2", 20)), Reason.SCOPE_UNKNOWN, "scope")
    assert now.ask(asked("account:A2", None)).reason is None
    assert "account:A2" not in now.state.risk.limits
    refused(now.ask(asked("account:A2", None)), Reason.SCOPE_UNKNOWN, "scope")


def test_the_same_file_changes_nothing() -> None:
    of = world()
    before = len(of.events(re.RiskConfigured))

    of.tell(ProcessStarted("3"))

    assert (before, len(of.events(re.RiskConfigured))) == (1, 1)


def test_a_replay_comes_to_the_same_limits() -> None:
    of = world()
    of.ask(asked("firm", 50))
    decide(of, proposed(of, 70))
    proposed(of, 80)
    of.ask(asked("account:A1", 30, expires_ns=of.now_ns + 60 * SECOND_NS))
    assert not passes(of, 31)
    after(of, 61)
    of.ask(asked("account:A1", None, operator="otto"))
    of.ask(asked("account:A1", 31))
    assert not passes(of, 32)

    assert of.recovered() == of.state
    assert set(of.state.risk.limits["firm"]) == set(SPECS)
