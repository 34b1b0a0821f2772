"""Limits while the gateway runs: who may change what, when a second person is needed, and what ends by itself."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.commands import ReplaceOrder
from gateway.core.engine import Answer
from gateway.core.events import Cause
from gateway.core.reports import ProcessStarted, SessionUp, TimerFired
from gateway.core.risk import events as re
from gateway.core.risk import limits, overrides, proposals
from gateway.core.risk.commands import DecideChange, SetLimit, StopTrading
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.setup import Limit, RiskClient, RiskSetup
from gateway.core.risk.state import Held
from gateway.core.types import Reason
from tests.core.world import CLIENT, INSTRUMENTS, OTHER_VENUE, SECOND_NS, SETTINGS, VENUE, World, order, restarted
from tests.risk import ample, open_risk

HOUR_NS = 3_600 * SECOND_NS
QTY = Control.MAX_ORDER_QTY


def setup(**changes: Any) -> RiskSetup:
    """A desk with an account, another account in the firm, and ample limits there."""
    made = open_risk(
        INSTRUMENTS,
        (VENUE, OTHER_VENUE),
        desks={"EQ": ""},
        accounts={"A1": "EQ", "A2": ""},
        clients={CLIENT: RiskClient(("A1", "A2"))},
    )
    return replace(made, **changes)


def world(**changes: Any) -> World:
    return World.started(replace(SETTINGS, risk=setup(**changes)))


def limit(value: int | str, **more: Any) -> Limit:
    return Limit(Decimal(value), **more)


def asked(scope: str = "account:A1", value: int | str | None = 50, control: str = QTY, **changes: Any) -> SetLimit:
    made = SetLimit("olga", scope, control, "qty", "a test", None if value is None else limit(value))
    return replace(made, **changes)


def refused(answer: Answer, reason: Reason, field: str) -> str:
    assert (answer.reason, answer.field) == (reason, field), answer
    return answer.text


def passes(of: World, order_qty: int, **changes: Any) -> bool:
    """Whether an order of this quantity passes now."""
    number = f"o{len(of.records)}"
    answer = of.ask(order(number, order_qty, **changes))
    assert answer.reason in (None, Reason.RISK_ORDER_QTY), answer
    return answer.reason is None


def own(of: World, scope: str, control: Control = QTY) -> Limit | None:
    return of.state.risk.limits.get(scope, {}).get(control)


def after(of: World, seconds: float) -> list[object]:
    """Which limits and changes end so much later."""
    of.now_ns += int(seconds * SECOND_NS)
    return [event for event in of.tell(TimerFired()) if type(event) in (re.LimitExpired, re.LimitDeclined)]


def again(of: World, **changes: Any) -> World:
    """After a restart, perhaps with another file."""
    risk = setup(**changes) if changes else of.settings.risk
    now = restarted(World(replace(of.settings, risk=risk), of.state, of.records, of.now_ns))
    now.tell(SessionUp(VENUE), Cause("venue", VENUE))
    return now


# --- Setting ---


def test_a_limit_holds_from_the_next_order_on_and_the_journal_says_who_and_why() -> None:
    of = world()
    assert passes(of, 51)

    assert of.ask(asked("account:A1", 50)).reason is None
    assert not passes(of, 51)
    assert passes(of, 51, account="A2")
    assert of.ask(asked("account:A1", 52, reason="more room", operator="otto")).reason is None
    assert passes(of, 51)

    assert of.events(re.LimitChanged) == [
        re.LimitChanged("account:A1", QTY, None, limit(50), "olga", "a test"),
        re.LimitChanged("account:A1", QTY, limit(50), limit(52), "otto", "more room"),
    ]


def test_a_replace_has_to_pass_a_limit_that_was_lowered_since() -> None:
    of = world()
    working = of.submit("1", 100)
    of.acknowledge(working)
    of.ask(asked("firm", 80))

    answer = of.ask(ReplaceOrder(CLIENT, "2", "1", order_qty=Decimal(90)))

    assert refused(answer, Reason.RISK_ORDER_QTY, "order_qty").endswith("over limit 80 at the firm")


@pytest.mark.parametrize(
    "scope",
    ["firm", "desk:EQ", "desk:*", "account:A1", "account:*", "strategy:A1/", "strategy:*", f"client:{CLIENT}",
     "client:*", "instrument:ACME", "instrument:*", "asset_class:equity", "asset_class:*", f"venue:{VENUE}", "venue:*"],
)  # fmt: skip
def test_every_level_can_have_a_limit(scope: str) -> None:
    of = world()

    assert of.ask(asked(scope, 50)).reason is None
    assert not passes(of, 51)


@pytest.mark.parametrize(
    "scope",
    ["", "form", "firm:x", "*", "desk:XX", "desk:", "account:A9", "strategy:A1", "strategy:A9/x", "strategy:A1/x/y",
     "client:nobody", "instrument:NONE", "asset_class:fx", "venue:ZZ", "order:1", "book:EQ"],
)  # fmt: skip
def test_a_scope_that_is_not_there_is_refused(scope: str) -> None:
    text = refused(world().ask(asked(scope)), Reason.SCOPE_UNKNOWN, "scope")

    assert repr(scope) in text


def test_a_scope_that_is_nearly_there_is_named() -> None:
    assert "account:A1" in refused(world().ask(asked("account:A")), Reason.SCOPE_UNKNOWN, "scope")


def test_a_strategy_that_nobody_may_trade_for_is_refused_with_the_close_ones() -> None:
    clients = {CLIENT: RiskClient(("A1",), ("alpha", "beta")), "other": RiskClient(("A2",))}
    of = world(clients=clients)

    text = refused(of.ask(asked("strategy:A1/alhpa")), Reason.SCOPE_UNKNOWN, "scope")
    assert text == "'strategy:A1/alhpa' is no scope; there is strategy:A1/alpha, strategy:A1/beta"
    for slip in ("strategy:A1/", "strategy:A1/alpha/x", "strategy:A9/alpha"):
        refused(of.ask(asked(slip)), Reason.SCOPE_UNKNOWN, "scope")
    refused(of.ask(StopTrading("olga", "strategy:A1/alhpa", "a test")), Reason.SCOPE_UNKNOWN, "scope")
    assert of.ask(StopTrading("olga", "strategy:A1/beta", "a test")).reason is None
    for known in ("strategy:A1/alpha", "strategy:*", "strategy:A2/alhpa"):
        assert of.ask(asked(known)).reason is None
    assert of.ask(asked("strategy:A1/alpha", None)).reason is None


def test_a_strategy_of_a_client_with_all_accounts_is_known_everywhere() -> None:
    of = world(clients={CLIENT: RiskClient(("A1",), ("alpha",)), "all": RiskClient(("*",), ("gamma",))})

    assert of.ask(asked("strategy:A1/gamma")).reason is None
    refused(of.ask(asked("strategy:A2/alpha")), Reason.SCOPE_UNKNOWN, "scope")


def test_a_strategy_that_has_traded_is_known_after_nobody_may_trade_for_it() -> None:
    of = world()
    of.submit("1", 10, strategy="old")
    held = of.submit("2", 10, strategy="held")
    of.acknowledge(held)
    of.fill(held, 10)

    now = again(of, clients={CLIENT: RiskClient(("A1",), ("alpha",))})

    assert now.ask(asked("strategy:A1/old")).reason is None
    without_orders = deepcopy(now.state)
    without_orders.orders.clear()
    overrides.check_scope(without_orders, "strategy:A1/held")
    refused(now.ask(asked("strategy:A1/odl")), Reason.SCOPE_UNKNOWN, "scope")


def test_a_control_that_is_not_there_is_refused_with_the_close_ones() -> None:
    text = refused(world().ask(asked(control="max_order_qt")), Reason.CONTROL_UNKNOWN, "control")

    assert "max_order_qty" in text
    assert "max_loss" in refused(world().ask(asked(control="?")), Reason.CONTROL_UNKNOWN, "control")


@pytest.mark.parametrize("control", list(Control))
def test_a_limit_in_another_unit_is_refused_with_the_right_one(control: Control) -> None:
    of = world()
    per_s = 1 if control is Control.MESSAGE_RATE else 0
    right = limits.unit_of(control, "EUR")

    for wrong in {"qty", "EUR", "USD", "money", "pct", "ticks", "count", "s", ""} - {right}:
        text = refused(of.ask(asked("firm", 5, control, unit=wrong)), Reason.FIELD_INVALID, "unit")
        assert text.endswith(f"which is {right!r}")
    assert of.ask(asked("firm", 5, control, unit=right, limit=limit(5, per_s=per_s))).reason is None


@pytest.mark.parametrize("control", list(Control))
def test_no_limit_is_negative_and_zero_stands_only_where_it_means_something(control: Control) -> None:
    of = world()
    unit = limits.unit_of(control, "EUR")
    meant = {
        Control.DUPLICATE_WINDOW_S, Control.MAX_POSITION_QTY, Control.MAX_GROSS_NOTIONAL, Control.MAX_NET_NOTIONAL,
        Control.MAX_CORRELATED_EXPOSURE, Control.MAX_MARGIN,
    }  # fmt: skip

    refused(of.ask(asked("firm", "-0.01", control, unit=unit)), Reason.FIELD_INVALID, "limit.value")
    answer = of.ask(asked("firm", 0, control, unit=unit))
    assert (answer.reason is None) is (control in meant)
    if control not in meant:
        assert "kill switch" in refused(answer, Reason.FIELD_INVALID, "limit.value")


@pytest.mark.parametrize(
    ("control", "unit", "said", "reason", "field"),
    [
        (QTY, "qty", limit("1e15"), Reason.FIELD_INVALID, "limit.value"),
        (QTY, "qty", limit("0.00000000001"), Reason.FIELD_INVALID, "limit.value"),
        (QTY, "qty", limit("NaN"), Reason.FIELD_INVALID, "limit.value"),
        (QTY, "qty", limit("Infinity"), Reason.FIELD_INVALID, "limit.value"),
        (QTY, "qty", limit(5, per_s=1), Reason.FIELD_NOT_ALLOWED, "limit.per_s"),
        (QTY, "qty", limit(5, after=Decimal(1)), Reason.FIELD_NOT_ALLOWED, "limit.after"),
        (Control.MAX_OPEN_ORDERS, "count", limit("1.5"), Reason.FIELD_INVALID, "limit.value"),
        (Control.MESSAGE_RATE, "count_per_s", limit(5), Reason.FIELD_INVALID, "limit.per_s"),
        (Control.MESSAGE_RATE, "count_per_s", limit(5, per_s=-1), Reason.FIELD_INVALID, "limit.per_s"),
        (Control.MESSAGE_RATE, "count_per_s", limit(5, per_s=86_401), Reason.FIELD_INVALID, "limit.per_s"),
        (Control.MESSAGE_RATE, "count_per_s", limit("0.5", per_s=1), Reason.FIELD_INVALID, "limit.value"),
        (Control.MESSAGE_RATE, "count_per_s", limit(1_000_001, per_s=1), Reason.FIELD_INVALID, "limit.value"),
        (Control.ORDER_TO_TRADE, "ratio", limit(5, after=Decimal(-1)), Reason.FIELD_INVALID, "limit.after"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_is_refused(
    control: Control, unit: str, said: Limit, reason: Reason, field: str
) -> None:
    of = world()

    refused(of.ask(asked("firm", 1, control, unit=unit, limit=said)), reason, field)
    assert not of.events(re.LimitChanged)


@pytest.mark.parametrize("reason", ["", "  "])
def test_every_change_has_a_reason(reason: str) -> None:
    refused(world().ask(asked(reason=reason)), Reason.FIELD_REQUIRED, "reason")


@pytest.mark.parametrize("control", [Control.MAX_LOSS, Control.MAX_DRAWDOWN])
@pytest.mark.parametrize("scope", [f"client:{CLIENT}", f"venue:{VENUE}", "client:*"])
def test_a_loss_is_limited_where_there_is_profit(control: Control, scope: str) -> None:
    refused(world().ask(asked(scope, 5, control, unit="EUR")), Reason.FIELD_INVALID, "scope")


def test_a_repeated_limit_of_all_of_a_level_gives_way_to_ones_own() -> None:
    of = world()
    of.ask(asked("account:*", 50))
    of.ask(asked("account:A1", 60))

    assert passes(of, 55)
    assert not passes(of, 55, account="A2")


def test_the_number_of_scopes_with_limits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SCOPES", 2)
    of = world()
    assert of.ask(asked("strategy:A1/a")).reason is None
    assert of.ask(asked("strategy:A1/b")).reason is None

    refused(of.ask(asked("strategy:A1/c")), Reason.TOO_MANY_REQUESTS, "scope")
    assert of.ask(asked("strategy:A1/b", 49)).reason is None
    assert of.ask(asked("strategy:A1/b", None)).reason is None
    assert of.ask(asked("strategy:A1/c")).reason is None


# --- Taking away ---


def test_a_limit_is_taken_away_while_another_one_covers_the_same_orders() -> None:
    of = world()
    of.ask(asked("account:A1", 50))

    assert of.ask(asked("account:A1", None)).reason is None
    assert passes(of, 51)
    assert of.events(re.LimitChanged)[-1] == re.LimitChanged("account:A1", QTY, limit(50), None, "olga", "a test")
    refused(of.ask(asked("account:A1", None)), Reason.FIELD_INVALID, "limit")


def test_the_last_limit_of_a_control_is_not_taken_away() -> None:
    """It would block every order, and that is what the kill switch is for."""
    of = world(approvals=())

    text = refused(of.ask(asked("firm", None)), Reason.RISK_LIMIT_MISSING, "limit")
    assert (
        f"no lasting limit of {QTY} would apply to client {CLIENT}, account A1, any strategy in ACME at {VENUE}" in text
    )
    assert "kill switch" in text
    of.ask(asked("account:A1", 50))
    text = refused(of.ask(asked("firm", None)), Reason.RISK_LIMIT_MISSING, "limit")
    assert "account A2" in text
    of.ask(asked("account:*", 60))
    assert of.ask(asked("firm", None)).reason is None
    assert passes(of, 55, account="A2")
    assert not passes(of, 55)
    refused(of.ask(asked("account:*", None)), Reason.RISK_LIMIT_MISSING, "limit")


@pytest.mark.parametrize("scope", ["client:*", "asset_class:*", "instrument:*", "venue:*", "strategy:*"])
def test_any_level_covers(scope: str) -> None:
    of = world(approvals=())
    of.ask(asked(scope, 60))

    assert of.ask(asked("firm", None)).reason is None
    assert passes(of, 55)
    refused(of.ask(asked(scope, None)), Reason.RISK_LIMIT_MISSING, "limit")


def test_a_limit_that_holds_for_a_time_covers_nothing_when_another_is_taken_away() -> None:
    of = world(approvals=())
    of.ask(asked("account:*", 60, expires_ns=of.now_ns + HOUR_NS))

    refused(of.ask(asked("firm", None)), Reason.RISK_LIMIT_MISSING, "limit")


def test_a_limit_is_not_taken_away_for_a_time() -> None:
    of = world()
    of.ask(asked("account:A1", 50))

    refused(of.ask(asked("account:A1", None, expires_ns=of.now_ns + HOUR_NS)), Reason.FIELD_NOT_ALLOWED, "expires_ns")


# --- A second person ---


def proposed(of: World, value: int | None = 70, scope: str = "firm", **changes: Any) -> str:
    assert of.ask(asked(scope, value, **changes)).reason is None
    return of.events(re.LimitProposed)[-1].change_id


def decide(of: World, change_id: str, operator: str = "otto", *, approve: bool = True, reason: str = "seen") -> Answer:
    return of.ask(DecideChange(operator, change_id, approve, reason))


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
