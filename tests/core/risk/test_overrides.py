"""Overrides: a named person lets the orders of one scope pass one control, with a reason and for a limited time."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.core.engine import Answer
from gateway.core.reports import TimerFired
from gateway.core.risk import events as re
from gateway.core.risk import overrides, proposals
from gateway.core.risk.commands import DecideChange, EndOverride, GrantOverride, SetLimit
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit, RiskClient
from gateway.core.types import Reason
from tests.core.world import CLIENT, INSTRUMENTS, OTHER_VENUE, SECOND_NS, SETTINGS, VENUE, World, order, restarted
from tests.risk import open_risk

DAY_NS = 24 * 3_600 * SECOND_NS
QTY = Control.MAX_ORDER_QTY


def world(*approvals: str) -> World:
    """A1 and the firm may each send at most 50 at once."""
    risk = open_risk(
        INSTRUMENTS,
        (VENUE, OTHER_VENUE),
        accounts={"A1": ""},
        clients={CLIENT: RiskClient(("A1",))},
        approvals=approvals,
    )
    of = World.started(replace(SETTINGS, risk=risk))
    for scope in ("firm", "account:A1"):
        of.ask(SetLimit("olga", scope, QTY, "qty", "small", Limit(Decimal(50))))
    return of


def grant(of: World, **changes: Any) -> GrantOverride:
    return replace(GrantOverride("olga", "account:A1", QTY, of.now_ns + 60 * SECOND_NS, "a block"), **changes)


def refusal(of: World) -> str:
    """Who says no to an order of 60; empty when nobody does."""
    return of.ask(order(f"o{len(of.records)}", 60)).text


def test_an_override_lets_orders_of_its_scope_pass_its_control_and_nothing_else() -> None:
    of = world()
    assert refusal(of).endswith("at account A1") or refusal(of).endswith("at the firm")

    assert of.ask(grant(of)).reason is None
    assert refusal(of).endswith("over limit 50 at the firm")
    assert of.ask(grant(of, scope="firm")).reason is None
    assert not refusal(of)
    assert of.events(re.OverrideGranted)[0] == re.OverrideGranted(
        "account:A1", QTY, of.events(re.OverrideGranted)[0].until_ns, "olga", "a block"
    )


def test_an_override_ends_by_itself() -> None:
    of = world()
    of.ask(grant(of, until_ns=of.now_ns + 10 * SECOND_NS))
    of.ask(grant(of, scope="firm", until_ns=of.now_ns + 20 * SECOND_NS))
    assert not refusal(of)

    of.now_ns += 11 * SECOND_NS
    assert refusal(of).endswith("at account A1"), "also before the clock's next turn"
    ended = [event for event in of.tell(TimerFired()) if isinstance(event, re.OverrideEnded)]
    assert ended == [re.OverrideEnded("account:A1", QTY)]
    assert list(of.state.risk.overrides) == ["firm"]
    of.now_ns += 10 * SECOND_NS
    assert re.OverrideEnded("firm", QTY) in of.tell(TimerFired())
    assert not of.state.risk.overrides


@pytest.mark.parametrize(("before_ns", "over"), [(1, False), (0, True)])
def test_an_override_has_ended_at_its_time(before_ns: int, over: bool) -> None:
    of = world()
    until_ns = of.now_ns + 10 * SECOND_NS
    of.ask(grant(of, until_ns=until_ns))
    of.now_ns = until_ns - before_ns - 1_000_000  # The clock's turn comes a millisecond later.
    assert (re.OverrideEnded("account:A1", QTY) in of.tell(TimerFired())) is over


def test_a_person_ends_an_override_before_its_time() -> None:
    of = world()
    of.ask(grant(of, scope="firm"))
    of.ask(grant(of))

    assert of.ask(EndOverride("otto", "account:A1", QTY, "done")).reason is None
    assert refusal(of).endswith("at account A1")
    assert of.events(re.OverrideEnded) == [re.OverrideEnded("account:A1", QTY, "otto", "done")]
    answer = of.ask(EndOverride("otto", "account:A1", QTY, "done"))
    assert (answer.reason, answer.field) == (Reason.CONTROL_UNKNOWN, "control")
    assert f"{QTY} at firm" in answer.text
    assert of.ask(EndOverride("otto", "firm", QTY, " ")).reason is Reason.FIELD_REQUIRED


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"reason": " "}, Reason.FIELD_REQUIRED, "reason"),
        ({"scope": "account:A9"}, Reason.SCOPE_UNKNOWN, "scope"),
        ({"scope": "account:*"}, Reason.SCOPE_UNKNOWN, "scope"),
        ({"scope": "order:1"}, Reason.SCOPE_UNKNOWN, "scope"),
        ({"control": "max_order_quantity"}, Reason.CONTROL_UNKNOWN, "control"),
        ({"control": "kill"}, Reason.CONTROL_UNKNOWN, "control"),
        ({"until_ns": 0}, Reason.FIELD_INVALID, "until_ns"),
    ],
)
def test_what_cannot_be_overridden_is_refused(changes: dict[str, object], reason: Reason, field: str) -> None:
    of = world()

    answer = of.ask(grant(of, **changes))

    assert (answer.reason, answer.field) == (reason, field)
    assert not of.state.risk.overrides


def test_an_override_lasts_for_a_day_at_most() -> None:
    of = world()
    at_ns = of.now_ns + 1_000_000  # The time at which the command will come.

    assert of.ask(grant(of, until_ns=at_ns + DAY_NS + 1)).field == "until_ns"
    at_ns = of.now_ns + 1_000_000
    assert of.ask(grant(of, until_ns=at_ns)).field == "until_ns"
    at_ns = of.now_ns + 1_000_000
    assert of.ask(grant(of, until_ns=at_ns + DAY_NS)).reason is None


@pytest.mark.parametrize("control", overrides.OTHERS)
def test_controls_without_a_number_can_be_overridden(control: str) -> None:
    of = world()

    assert of.ask(grant(of, control=control)).reason is None
    assert control in of.state.risk.overrides["account:A1"]


def test_the_number_of_overrides_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overrides, "MAX_OVERRIDES", 1)
    of = world()
    of.ask(grant(of))

    assert of.ask(grant(of, scope="firm")).reason is Reason.TOO_MANY_REQUESTS
    assert of.ask(grant(of, reason="longer", until_ns=of.now_ns + 90 * SECOND_NS)).reason is None


# --- A second person ---


def proposed(of: World, **changes: Any) -> str:
    """What is only proposed by one person."""
    before = dict(of.state.risk.overrides)
    assert of.ask(grant(of, **changes)).reason is None
    assert of.state.risk.overrides == before
    return of.events(re.OverrideProposed)[-1].change_id


def approve(of: World, change_id: str, operator: str = "otto") -> Answer:
    return of.ask(DecideChange(operator, change_id, approve=True, reason="seen"))


def test_one_person_alone_lets_nothing_pass_where_two_are_needed() -> None:
    of = world("firm")
    of.ask(grant(of))
    assert list(of.state.risk.overrides) == ["account:A1"], "there one is enough"
    until_ns = of.now_ns + 60 * SECOND_NS

    change_id = proposed(of, scope="firm", until_ns=until_ns)
    assert of.events(re.OverrideProposed) == [re.OverrideProposed(change_id, "firm", QTY, until_ns, "olga", "a block")]
    assert refusal(of).endswith("over limit 50 at the firm")
    answer = approve(of, change_id, "olga")
    assert (answer.reason, answer.field) == (Reason.SECOND_PERSON_NEEDED, "change_id")
    assert refusal(of).endswith("over limit 50 at the firm")

    assert approve(of, change_id).reason is None
    assert not refusal(of)
    assert of.events(re.OverrideGranted)[-1] == re.OverrideGranted(
        "firm", QTY, until_ns, "olga", "a block; otto: seen", change_id, "otto"
    )
    assert approve(of, change_id).reason is Reason.CHANGE_UNKNOWN
    assert of.recovered() == of.state


def test_a_longer_override_needs_two_again_and_a_shorter_one_does_not() -> None:
    of = world("firm")
    until_ns = of.now_ns + 60 * SECOND_NS
    approve(of, proposed(of, scope="firm", until_ns=until_ns))

    assert proposed(of, scope="firm", until_ns=until_ns + 1)
    assert of.ask(grant(of, scope="firm", until_ns=until_ns)).reason is None
    assert len(of.events(re.OverrideGranted)) == 2, "as long as before needs one"
    assert of.ask(grant(of, scope="firm", until_ns=until_ns - 1)).reason is None
    assert of.state.risk.overrides == {"firm": {QTY: until_ns - 1}}
    of.now_ns = until_ns
    assert proposed(of, scope="firm"), "it is over, also before the clock's next turn"


def test_what_cannot_be_overridden_any_more_is_not_approved() -> None:
    of = world("firm")
    change_id = proposed(of, scope="firm", until_ns=of.now_ns + 10 * SECOND_NS)
    of.now_ns += 11 * SECOND_NS

    assert approve(of, change_id).field == "until_ns"
    assert not of.state.risk.overrides


def test_a_proposed_override_is_declined_or_lapses() -> None:
    of = world("firm")
    later_ns = of.now_ns + DAY_NS // 2
    declined = proposed(of, scope="firm", until_ns=later_ns)
    assert of.ask(DecideChange("olga", declined, approve=False, reason="a slip")).reason is None
    assert approve(of, declined).reason is Reason.CHANGE_UNKNOWN

    lapses = proposed(of, scope="firm", until_ns=later_ns)
    assert lapses != declined
    now = restarted(of)
    now.now_ns += 3_601 * SECOND_NS
    assert re.LimitDeclined(lapses, "", "nobody approved it in time") in now.tell(TimerFired())
    assert approve(now, lapses).reason is Reason.CHANGE_UNKNOWN


def test_the_number_of_proposed_overrides_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "MAX_PROPOSALS", 1)
    of = world("firm")
    proposed(of, scope="firm")

    assert of.ask(grant(of, scope="firm", control="short_sale")).reason is Reason.TOO_MANY_REQUESTS


# --- Restarts ---


def test_a_restart_knows_overrides() -> None:
    of = world()
    of.ask(grant(of))

    now = restarted(of)

    assert now.state.risk.overrides == of.state.risk.overrides
    assert now.recovered() == now.state
