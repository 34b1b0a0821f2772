"""Limits while the gateway runs: when a second person is needed, and what that one can approve."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.risk import events as re
from gateway.core.risk import limits, proposals
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit
from gateway.core.types import Reason
from tests.core.risk.desk import HOUR_NS, QTY, after, again, asked, decide, limit, own, passes, proposed, refused, world
from tests.core.world import SECOND_NS
from tests.risk import ample


def test_raising_a_limit_of_the_firm_waits_for_a_second_person() -> None:
    of = world()
    of.ask(asked("firm", 50))
    assert own(of, "firm") == limit(50)

    change_id = proposed(of, 70)
    assert of.events(re.LimitProposed) == [
        re.LimitProposed(change_id, "firm", QTY, limit(70), "olga", "a test", in_force=limit(50))
    ]
    assert not passes(of, 60)
    assert decide(of, change_id).reason is None

    assert passes(of, 60)
    assert of.events(re.LimitChanged)[-1] == re.LimitChanged(
        "firm", QTY, limit(50), limit(70), "olga", "a test; otto: seen", change_id=change_id, approved_by="otto"
    )
    refused(decide(of, change_id), Reason.CHANGE_UNKNOWN, "change_id")


def test_the_one_who_proposed_it_cannot_approve_it_and_may_take_it_back() -> None:
    of = world()
    of.ask(asked("firm", 50))
    change_id = proposed(of)

    refused(decide(of, change_id, "olga"), Reason.SECOND_PERSON_NEEDED, "change_id")
    refused(decide(of, change_id, reason=" "), Reason.FIELD_REQUIRED, "reason")
    assert own(of, "firm") == limit(50)
    assert decide(of, change_id, "olga", approve=False).reason is None
    assert of.events(re.LimitDeclined) == [re.LimitDeclined(change_id, "olga", "seen")]
    assert not of.state.risk.proposals


def test_a_change_that_was_declined_is_over() -> None:
    of = world()
    of.ask(asked("firm", 50))
    change_id, other = proposed(of, 70), proposed(of, 80)
    assert change_id != other

    assert decide(of, change_id, approve=False).reason is None
    assert other in refused(decide(of, change_id), Reason.CHANGE_UNKNOWN, "change_id")
    assert not passes(of, 60)
    assert decide(of, other).reason is None
    assert passes(of, 75)


def test_nobody_approves_a_change_after_an_hour() -> None:
    of = world()
    of.ask(asked("firm", 50))
    change_id = proposed(of)

    assert after(of, 3_590) == []
    assert after(of, 11) == [re.LimitDeclined(change_id, "", "nobody approved it in time")]
    refused(decide(of, change_id), Reason.CHANGE_UNKNOWN, "change_id")
    assert not of.state.risk.proposed_ns


def test_what_cannot_be_any_more_is_not_approved() -> None:
    of = world(approvals=("firm", "account"))
    of.ask(asked("firm", 50))
    expiring = proposed(of, 70, expires_ns=of.now_ns + 60 * SECOND_NS)
    of.ask(asked("account:*", 60))
    removal = proposed(of, None)
    of.now_ns += 61 * SECOND_NS

    refused(decide(of, expiring), Reason.FIELD_INVALID, "expires_ns")
    assert decide(of, proposed(of, None, "account:*")).reason is None
    refused(decide(of, removal), Reason.RISK_LIMIT_MISSING, "limit")
    assert own(of, "firm") == limit(50)


@pytest.mark.parametrize(
    ("control", "old", "new", "raised"),
    [
        (QTY, limit(5), limit(6), True),
        (QTY, limit(5), limit(5), False),
        (QTY, limit(5), limit(4), False),
        (QTY, None, limit(4), False),
        (QTY, limit(4), None, True),
        (Control.DUPLICATE_WINDOW_S, limit(5), limit(4), True),
        (Control.DUPLICATE_WINDOW_S, limit(5), limit(5), False),
        (Control.DUPLICATE_WINDOW_S, limit(5), limit(6), False),
        (Control.MESSAGE_RATE, limit(5, per_s=2), limit(5, per_s=1), True),
        (Control.MESSAGE_RATE, limit(5, per_s=2), limit(6, per_s=3), True),
        (Control.MESSAGE_RATE, limit(5, per_s=2), limit(5, per_s=3), False),
        (Control.MAX_CONCENTRATION_PCT, limit(5), limit(5, after=Decimal(1)), True),
        (Control.ORDER_TO_TRADE, limit(5, after=Decimal(2)), limit(4, after=Decimal(1)), False),
    ],
)  # fmt: skip
def test_what_lets_more_pass_is_a_raise(control: Control, old: Limit, new: Limit, raised: bool) -> None:
    assert limits.loosens(control, old, new) is raised


def test_what_was_proposed_for_a_scope_that_is_no_more_is_not_approved() -> None:
    of = world(approvals=("desk",))
    of.ask(asked("desk:EQ", 50))
    change_id = proposed(of, 70, "desk:EQ")
    of = again(of, approvals=("desk",), desks={}, accounts={"A1": "", "A2": ""})
    refused(decide(of, change_id), Reason.SCOPE_UNKNOWN, "scope")


@pytest.mark.parametrize("scope", ["account:A1", "account:*"])
def test_what_was_proposed_under_another_limit_is_not_approved(scope: str) -> None:
    """Who approves it has to know what it is a raise from; a limit of all of the level counts."""
    of = world(approvals=("account",))
    of.ask(asked("account:*", 50))
    change_id = proposed(of, 1000, "account:A1")
    assert of.ask(asked(scope, 1)).reason is None

    text = refused(decide(of, change_id), Reason.CHANGE_OUTDATED, "change_id")
    assert "decline it" in text
    assert not passes(of, 2)
    assert decide(of, change_id, approve=False).reason is None
    assert decide(of, proposed(of, 1000, "account:A1")).reason is None
    assert passes(of, 999)


def test_of_two_proposals_for_the_same_limit_one_is_approved() -> None:
    of = world()
    of.ask(asked("firm", 50))
    first, second = proposed(of, 70), proposed(of, 80)

    assert decide(of, second).reason is None
    refused(decide(of, first), Reason.CHANGE_OUTDATED, "change_id")
    assert own(of, "firm") == limit(80)


def test_only_the_levels_that_are_named_need_a_second_person() -> None:
    of = world(approvals=("desk",))
    of.ask(asked("desk:EQ", 50))
    of.ask(asked("account:A1", 50))

    assert of.ask(asked("firm", 10**14)).reason is None
    assert of.ask(asked("account:A1", 60)).reason is None
    assert not of.events(re.LimitProposed)
    assert proposed(of, 60, "desk:EQ")
    assert own(of, "desk:EQ") == limit(50)


def test_taking_a_limit_away_is_a_raise_and_so_is_an_own_limit_above_that_of_the_level() -> None:
    of = world(approvals=("account",))
    of.ask(asked("account:*", 50))

    assert proposed(of, 60, "account:A1")
    assert of.ask(asked("account:A1", 40)).reason is None
    assert own(of, "account:A1") == limit(40)
    assert proposed(of, None, "account:A1")
    of.ask(asked("account:*", 30))
    assert of.ask(asked("account:A1", None)).reason is None
    assert own(of, "account:A1") is None, "what is left is lower"


def test_what_was_approved_for_a_time_is_not_made_lasting_by_one_person() -> None:
    of = world()
    of.ask(asked("firm", 50))
    until_ns = of.now_ns + HOUR_NS
    decide(of, proposed(of, 70, expires_ns=until_ns))

    assert own(of, "firm") == limit(70)
    for value, expires_ns in ((70, None), (60, None), (70, until_ns + 1)):
        assert proposed(of, value, expires_ns=expires_ns)
    assert own(of, "firm") == limit(70)
    assert of.ask(asked("firm", 65, expires_ns=until_ns)).reason is None
    assert own(of, "firm") == limit(65)
    assert of.ask(asked("firm", 45)).reason is None
    assert own(of, "firm") == limit(45)
    assert after(of, 3_700)[0] != re.LimitExpired("firm", QTY, limit(50)), "it has been replaced for good"
    assert own(of, "firm") == limit(45)


def test_what_one_person_lowered_for_a_time_is_raised_again_by_two() -> None:
    of = world()
    of.ask(asked("firm", 50, expires_ns=of.now_ns + HOUR_NS))
    assert own(of, "firm") == limit(50)
    assert proposed(of, 70, expires_ns=of.now_ns + HOUR_NS // 2)
    assert own(of, "firm") == limit(50)


def test_the_number_of_proposals_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "MAX_PROPOSALS", 1)
    of = world()
    of.ask(asked("firm", 50))
    change_id = proposed(of)

    refused(of.ask(asked("firm", 60)), Reason.TOO_MANY_REQUESTS, "")
    decide(of, change_id, approve=False)
    assert proposed(of, 60)


values = st.integers(1, 9)
until = st.none() | st.integers(1, 9)
steps = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(("account:A1", "account:*")), st.none() | values, until),
    st.tuples(st.just("approve"), st.integers(1, 20)),
    st.tuples(st.just("wait"), st.integers(1, 9)),
)


@given(st.lists(steps, max_size=25))
def test_one_person_alone_never_raises_what_needs_two(wanted: list[tuple[Any, ...]]) -> None:
    """Neither at once nor later, when what held for a time is over: by no sequence of changes."""
    of = world(approvals=("account",), limits={"firm": ample(), "account:*": {QTY: limit(5)}})
    for step in wanted:
        match step:
            case "set", scope, value, seconds:
                expires_ns = None if seconds is None else of.now_ns + seconds * SECOND_NS
                of.ask(asked(scope, value, expires_ns=expires_ns))
            case "approve", number:
                decide(of, f"L{number}", "olga")
            case "wait", seconds:
                after(of, seconds)
        highest = own(of, "account:A1") or own(of, "account:*")
        assert highest is not None
        assert highest.value <= 5, of.records
    after(of, 10)
    assert (own(of, "account:A1") or limit(0)).value <= 5
    assert (own(of, "account:*") or limit(9)).value <= 5
    assert of.recovered() == of.state
