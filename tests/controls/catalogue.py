"""What the rules of the trade ask for, row by row: the controls that answer it, and the tests that prove each.

`docs/controls.md` is made from this and from the code by page.py. The controls with a limit find their tests by the
marker `control`; what has none is named here.
"""

from typing import NamedTuple

from gateway.core.risk.controls import Breaker, Control
from gateway.core.types import Reason

RISK = "tests/core/risk"
STOPS = f"{RISK}/test_stops.py"
BREAKERS = f"{RISK}/test_breakers.py"
COUNTING = f"{RISK}/test_breakers_counting.py"
LIMITS = f"{RISK}/test_limits.py"
SECOND_PERSON = f"{RISK}/test_limits_second_person.py"
OVERRIDES = f"{RISK}/test_overrides.py"
PRESENCE = f"{RISK}/test_presence.py"
BREACHES = f"{RISK}/test_breaches.py"


class Row(NamedTuple):
    """One thing that rules ask for. `by` are the names of controls, of breakers or of what else answers it."""

    asked: str
    rules: str
    by: tuple[str, ...]
    tests: tuple[str, ...] = ()


ROWS = (
    Row(
        "largest quantity and value of an order, on a replace too",
        "15c3-5; RTS 6 15(1); FIA",
        (Control.MAX_ORDER_QTY, Control.MAX_ORDER_VALUE),
    ),
    Row(
        "price collar around a reference price, in percent and ticks",
        "15c3-5; RTS 6 15(1)(a); FIA",
        (Control.PRICE_COLLAR_PCT, Control.PRICE_COLLAR_TICKS),
    ),
    Row(
        "message rate per client, strategy and venue; order-to-trade ratio",
        "15c3-5; RTS 6 15(1)(d); FIA",
        (Control.MESSAGE_RATE, Control.ORDER_TO_TRADE),
    ),
    Row("duplicate orders", "15c3-5", (Control.DUPLICATE_WINDOW_S,)),
    Row(
        "throttle of repeated automated executions, enabled again by a person",
        "RTS 6 15(3); FIA",
        (Breaker.REPEATED_EXECUTION,),
    ),
    Row(
        "credit and capital thresholds: gross and net notional, per client, account, desk and firm",
        "15c3-5; RTS 6 15(4)",
        (Control.MAX_GROSS_NOTIONAL, Control.MAX_NET_NOTIONAL),
    ),
    Row("position limit that counts working orders", "RTS 6 15(2); FIA", (Control.MAX_POSITION_QTY,)),
    Row(
        "loss of the day, and drawdown from its highest profit",
        "FIA",
        (Control.MAX_LOSS, Control.MAX_DRAWDOWN, Breaker.LOSS, Breaker.DRAWDOWN),
    ),
    Row("margin use", "RTS 6 15(4)", (Control.MAX_MARGIN,)),
    Row(
        "concentration, correlation-adjusted exposure",
        "this gateway",
        (Control.MAX_CONCENTRATION_PCT, Control.MAX_CORRELATED_EXPOSURE),
    ),
    Row(
        "restricted and permitted instruments, short sales and their locate",
        "15c3-5; RTS 6 8",
        ("restricted", "short_sale"),
    ),
    Row(
        "number of instruments, venues and open orders",
        "RTS 6 8 and 15",
        (Control.MAX_INSTRUMENTS, Control.MAX_VENUES, Control.MAX_OPEN_ORDERS),
    ),
    Row("who may trade for which account and strategy", "15c3-5; RTS 6 15(5)", ("authorised",)),
    Row("self-match prevention", "FIA", ("self_match",)),
    Row(
        "market data that cannot be believed: missing, stale, crossed, outside its band; halted instruments",
        "FIA",
        ("no_mark", Control.MAX_MARK_AGE_S, "crossed_mark", Control.MAX_MARK_MOVE_PCT, Breaker.STALE_MARK),
        ("tests/core/test_intake.py",),
    ),
    Row("state of the market: closed, halted, auction", "FIA", ("auction",), ("tests/core/test_intake.py",)),
    Row(
        "kill switch for an order, strategy, account, desk, venue and the firm; cancels pass; latched",
        "RTS 6 12; FIA",
        ("stopped",),
        (
            f"{STOPS}::test_a_stop_cancels_what_works_in_its_scope_and_takes_no_new_orders_there",
            f"{STOPS}::test_one_order_can_be_stopped",
            f"{STOPS}::test_a_stop_is_latched_until_a_person_resumes_it",
            f"{STOPS}::test_a_stop_and_its_cancels_survive_a_restart",
            f"{STOPS}::test_nothing_goes_to_a_venue_that_is_down_and_everything_before_all_else_when_it_is_back",
            "tests/e2e/test_risk_kill.py",
        ),
    ),
    Row(
        "cancel on disconnect, of a client and at the venue",
        "FIA",
        (),
        (
            f"{PRESENCE}::test_orders_of_a_client_that_went_away_are_canceled_after_its_grace",
            f"{PRESENCE}::test_after_a_start_no_client_is_there",
            "tests/e2e/test_risk_kill.py",
        ),
    ),
    Row(
        "circuit breakers: reject rate, loss, fill rate, message rate, latency, reconciliation items",
        "FIA",
        (Breaker.REJECT_RATE, Breaker.LOSS, Breaker.FILL_RATE, Breaker.MESSAGE_RATE, Breaker.LATENCY, Breaker.ITEMS),
        (
            f"{BREAKERS}::test_a_breaker_that_may_lets_go_after_its_cool_down_once_the_figure_is_low",
            f"{BREAKERS}::test_a_breaker_that_needs_a_person_never_lets_go_by_itself",
        ),
    ),
    Row(
        "override by a named person with a reason, for a limited time",
        "RTS 6 15(6)",
        (),
        (
            f"{OVERRIDES}::test_an_override_lets_orders_of_its_scope_pass_its_control_and_nothing_else",
            f"{OVERRIDES}::test_an_override_ends_by_itself",
            f"{OVERRIDES}::test_an_override_lasts_for_a_day_at_most",
        ),
    ),
    Row(
        "alert within 5 seconds of a breach",
        "RTS 6 16",
        (),
        (
            f"{BREACHES}::test_a_loss_is_told_when_it_is_near_its_limit_at_it_and_over_again",
            f"{BREACHES}::test_what_prices_make_of_a_position_is_told",
            "tests/adapters/test_alerts.py",
        ),
    ),
    Row(
        "after the trade: comparison with drop copies, position and exposure by scope",
        "RTS 6 17; FIA",
        (),
        ("tests/e2e/test_drop_copy.py", f"{RISK}/test_figures.py"),
    ),
    Row(
        "every change of a limit on record: who, when, from, to, why",
        "15c3-5; RTS 6",
        (),
        (
            f"{LIMITS}::test_a_limit_holds_from_the_next_order_on_and_the_journal_says_who_and_why",
            f"{SECOND_PERSON}::test_raising_a_limit_of_the_firm_waits_for_a_second_person",
            f"{LIMITS}::test_every_change_has_a_reason",
        ),
    ),
)


class Check(NamedTuple):
    """A control without a number: what it looks at, and what it says no with."""

    reason: Reason
    what: str


CHECKS: dict[str, Check] = {
    "authorised": Check(Reason.RISK_NOT_AUTHORISED, "the client may trade for the account and the strategy"),
    "stopped": Check(Reason.RISK_STOPPED, "no scope on the order's way is stopped, by a person or by a breaker"),
    "limit_missing": Check(Reason.RISK_LIMIT_MISSING, "every control with a number has a limit on the order's way"),
    "restricted": Check(Reason.RISK_RESTRICTED, "the instrument is not restricted, and permitted where only some are"),
    "short_sale": Check(
        Reason.RISK_SHORT_SALE,
        "where the instrument asks for it, a sale beyond position and working sales is SELL_SHORT with a locate_id",
    ),
    "no_mark": Check(Reason.RISK_NO_MARK, "the instrument has a mark or a reference price, and its currency a rate"),
    "crossed_mark": Check(Reason.RISK_CROSSED_MARK, "bid is not above ask"),
    "auction": Check(Reason.RISK_AUCTION, "in an auction no order that has to trade at once"),
    "self_match": Check(Reason.RISK_SELF_MATCH, "no order of the firm's own that it would trade with"),
}

BREAKER_TESTS: dict[Breaker, tuple[str, ...]] = {
    Breaker.LOSS: (f"{BREAKERS}::test_a_loss_of_the_day_trips",),
    Breaker.DRAWDOWN: (f"{BREAKERS}::test_a_drawdown_from_the_highest_profit_trips",),
    Breaker.REJECT_RATE: (f"{COUNTING}::test_rejects_trip_as_a_percentage_of_the_answers_once_there_are_enough",),
    Breaker.FILL_RATE: (f"{COUNTING}::test_executions_within_the_window_trip_the_fill_rate",),
    Breaker.REPEATED_EXECUTION: (
        f"{COUNTING}::test_executions_of_one_strategy_in_one_instrument_on_one_side_are_repeated_ones",
    ),
    Breaker.MESSAGE_RATE: (f"{COUNTING}::test_orders_replaces_and_cancels_are_messages",),
    Breaker.STALE_MARK: (f"{BREAKERS}::test_an_old_mark_of_what_is_held_or_worked_trips",),
    Breaker.LATENCY: (f"{COUNTING}::test_slow_answers_trip_the_latency",),
    Breaker.ITEMS: (f"{BREAKERS}::test_open_critical_items_trip",),
}

MEASURED: dict[Breaker, str] = {
    Breaker.LOSS: "loss of the day in money",
    Breaker.DRAWDOWN: "what was lost since the day's highest profit, in money",
    Breaker.REJECT_RATE: "percent of the venues' answers that were rejects, within window_s, of at least `after`",
    Breaker.FILL_RATE: "executions within window_s",
    Breaker.REPEATED_EXECUTION: "executions of one strategy in one instrument on one side within window_s",
    Breaker.MESSAGE_RATE: "orders, replaces and cancels within window_s",
    Breaker.STALE_MARK: "age in seconds of the mark of what is held or worked",
    Breaker.LATENCY: "milliseconds to a venue's first word, of at least `after` slow ones within window_s",
    Breaker.ITEMS: "open critical reconciliation items",
}
