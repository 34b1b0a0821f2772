"""Limits while the gateway runs: what can be set, and what can be taken away."""

from copy import deepcopy
from decimal import Decimal

import pytest

from gateway.core.commands import ReplaceOrder
from gateway.core.risk import events as re
from gateway.core.risk import limits, overrides
from gateway.core.risk.commands import StopTrading
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit, RiskClient
from gateway.core.types import Reason
from tests.core.risk.desk import HOUR_NS, QTY, again, asked, limit, passes, refused, world
from tests.core.world import CLIENT, VENUE

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
     "strategy:A1/*",
     "client:nobody", "instrument:NONE", "asset_class:fx", "venue:ZZ", "order:1", "book:EQ"],
)  # fmt: skip
def test_a_scope_that_is_not_there_is_refused(scope: str) -> None:
    text = refused(world().ask(asked(scope)), Reason.SCOPE_UNKNOWN, "scope")

    assert repr(scope) in text


def test_orders_without_a_strategy_make_no_scope_of_their_account() -> None:
    of = world()
    of.fill(of.submit("1", 10, strategy=""), 10)

    refused(of.ask(asked("strategy:A1", 50)), Reason.SCOPE_UNKNOWN, "scope")
    assert of.ask(asked("strategy:A1/", 50)).reason is None
    assert not passes(of, 51, strategy="")


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


def test_a_rate_may_be_as_high_and_its_window_as_long_as_the_bounds_say() -> None:
    of = world()
    most = limit(1_000_000, per_s=86_400)
    assert of.ask(asked("firm", 1, Control.MESSAGE_RATE, unit="count_per_s", limit=most)).reason is None


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
