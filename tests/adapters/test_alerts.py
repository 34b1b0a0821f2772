"""What is worth an alert is in the log, once."""

import re as reg
from decimal import Decimal
from pathlib import Path

import msgspec
from structlog.testing import capture_logs

from gateway.adapters import alerts
from gateway.core import events as ev
from gateway.core.events import Cause, Record
from gateway.core.risk import events as re
from gateway.core.risk.controls import Breaker, Control
from gateway.core.risk.setup import Limit
from gateway.core.types import ItemKind, OrdStatus, OrdType, Severity, Side
from tests.core.world import OTHER_VENUE, VENUE, World

ORDER = ev.OrderView(
    "O1", "alpha", "k-1", "ACME", "XSIM", Side.BUY, OrdType.LIMIT, ev.Terms(Decimal(1)), OrdStatus.PENDING_NEW,
    Decimal(0), Decimal(1), Decimal(0),
)  # fmt: skip

DOUBTED = (("O1", "XSIM"), ("O2", "YSIM"), ("O3", "XSIM"))


def told(*events: ev.Event) -> list[dict[str, object]]:
    with capture_logs() as lines:
        alerts.tell(
            [
                Record(seq, 1, Cause("venue", "XSIM"), event, ORDER if hasattr(event, "order_id") else None)
                for seq, event in enumerate(events, start=1)
            ]
        )
    return [dict(line) for line in lines]


def test_many_orders_in_doubt_are_one_line_with_their_number() -> None:
    (line,) = told(*[ev.OrderInDoubt(f"O{n}", f"R{n}", "silence") for n in range(1_000)])
    assert (line["event"], line["venue"], line["count"], line["log_level"]) == (
        "orders in doubt",
        "XSIM",
        1_000,
        "error",
    )
    assert line["orders"] == [f"O{n}" for n in range(alerts.SHOWN)]
    assert line["runbook"] == "docs/runbook.md#an-order-is-in-doubt"


def test_each_venue_has_a_line_with_its_own_orders() -> None:
    views = [msgspec.structs.replace(ORDER, order_id=order_id, venue=venue) for order_id, venue in DOUBTED]
    records = [
        Record(seq, 1, Cause("process"), ev.OrderInDoubt(view.order_id, f"R{seq}", "silence"), view)
        for seq, view in enumerate(views, start=1)
    ]
    with capture_logs() as lines:
        alerts.tell(records)
    assert [(line["venue"], line["count"], line["orders"]) for line in lines] == [
        ("XSIM", 2, ["O1", "O3"]),
        ("YSIM", 1, ["O2"]),
    ]


def test_a_critical_item_is_an_error_and_another_a_warning() -> None:
    items = [
        ev.ItemRaised("I1", "XSIM", ItemKind.QUANTITY, Severity.CRITICAL, "differs", order_id="O1"),
        ev.ItemRaised("I2", "XSIM", ItemKind.ORDER_EXTERNAL, Severity.WARNING, "not ours", venue_order_id="V9"),
    ]
    lines = told(*items)
    assert [line["log_level"] for line in lines] == ["error", "warning"]
    assert [(line["item"], line["order_id"], line["kind"]) for line in lines] == [
        ("I1", "O1", "QUANTITY"),
        ("I2", "V9", "ORDER_EXTERNAL"),
    ]


def test_a_reconciliation_that_failed_is_an_error() -> None:
    lines = told(
        ev.ReconciliationEnded("XSIM", 1, complete=True, orders=3, items=0),
        ev.ReconciliationEnded("XSIM", 2, complete=False, orders=3, items=1, text="no answer"),
    )
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("reconciled", "info"),
        ("not reconciled", "error"),
    ]
    assert lines[1]["runbook"] == "docs/runbook.md#order-entry-stays-closed-after-a-logon"


def test_ordinary_events_say_nothing() -> None:
    assert told(ev.OrderAcknowledged("O1"), ev.OrderFilled("O1", last_qty=Decimal(1), last_px=Decimal(1))) == []


# --- Risk ---


def breach(scope: str, severity: Severity = Severity.CRITICAL, control: str = "max_loss") -> re.BreachBegan:
    return re.BreachBegan(scope, control, severity, Decimal(12), Decimal(10), f"12 over 10 at {scope}")


def test_a_breach_at_many_scopes_is_one_line_for_each_control_and_severity() -> None:
    alike = [breach(f"strategy:A1/s{n}") for n in range(1_000)]
    lines = told(*alike, breach("firm", Severity.WARNING), breach("firm", control="max_margin"))
    assert [(line["event"], line["log_level"], line["severity"], line["control"], line["count"]) for line in lines] == [
        ("risk breach", "error", "critical", "max_loss", 1_000),
        ("risk breach", "warning", "warning", "max_loss", 1),
        ("risk breach", "error", "critical", "max_margin", 1),
    ]
    assert lines[0]["scopes"] == [f"strategy:A1/s{n}" for n in range(alerts.SHOWN)]
    assert lines[0]["what"] == "12 over 10 at strategy:A1/s0"
    assert lines[0]["runbook"] == "docs/runbook.md#max_loss"


def test_the_end_of_a_breach_is_told_and_no_alarm() -> None:
    (line,) = told(re.BreachEnded("firm", "max_loss"))
    assert (line["event"], line["log_level"], line["scopes"]) == ("risk breach over", "info", ["firm"])


def test_a_stop_says_who_stopped_what_and_where_to_read_on() -> None:
    kill = re.TradingStopped("account:A1", "kill", "fat finger", "op")
    breakers = [re.TradingStopped(f"account:A{n}", "message_rate", "too fast") for n in (2, 3)]
    lines = told(kill, *breakers, re.StopCompleted("account:A1", "kill"))
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("trading stopped", "error"),
        ("trading stopped", "error"),
        ("stop completed", "info"),
    ]
    assert (lines[0]["by"], lines[0]["why"], lines[0]["runbook"]) == ("op", "fat finger", "docs/runbook.md#kill")
    assert (lines[1]["by"], lines[1]["scopes"]) == ("the gateway", ["account:A2", "account:A3"])
    assert lines[1]["runbook"] == "docs/runbook.md#breaker-message_rate"
    (line,) = told(re.TradingResumed("account:A1", "kill", "found", "second"))
    assert (line["event"], line["severity"], line["by"]) == ("trading resumed", "warning", "second")


def test_a_breach_in_one_instrument_names_it() -> None:
    near = msgspec.structs.replace(breach("firm", control="max_position_qty"), symbol="ACME")
    (line,) = told(near, msgspec.structs.replace(near, symbol="FUT"))
    assert line["scopes"] == ["firm ACME", "firm FUT"]
    (line,) = told(re.BreachEnded("firm", "max_position_qty", "ACME"))
    assert line["scopes"] == ["firm ACME"]


def test_another_person_sees_what_one_does_to_limits() -> None:
    old, new = Limit(Decimal(100), 10), Limit(Decimal("2E+2"), 10)
    lines = told(
        re.LimitProposed("L1", "firm", Control.MESSAGE_RATE, new, "op", "busy"),
        re.LimitChanged("firm", Control.MESSAGE_RATE, old, new, "op", "busy", change_id="L1", approved_by="second"),
        re.OverrideProposed("L2", "firm", "short_sale", 98, "op", "agreed"),
        re.OverrideGranted("account:A1", "short_sale", 99, "op", "agreed", "L2", "second"),
    )
    assert [(line["event"], line["log_level"], line["by"], line["why"]) for line in lines] == [
        ("limit proposed", "warning", "op", "busy"),
        ("limit changed", "warning", "op", "busy"),
        ("override proposed", "warning", "op", "agreed"),
        ("override granted", "warning", "op", "agreed"),
    ]
    assert (lines[1]["old"], lines[1]["to"], lines[1]["approved_by"]) == ("100 in 10 s", "200 in 10 s", "second")
    assert (lines[2]["scope"], lines[2]["until_ns"], lines[2]["change"]) == ("firm", 98, "L2")
    assert (lines[3]["scope"], lines[3]["control"], lines[3]["until_ns"]) == ("account:A1", "short_sale", 99)
    assert lines[3]["approved_by"] == "second"


def test_every_line_of_risk_leads_to_a_place_in_the_runbook() -> None:
    page = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")
    headings = {heading.lower().replace(" ", "-") for heading in reg.findall(r"^#+ (.*)$", page, reg.MULTILINE)}
    links = [
        *(line["runbook"] for control in Control for line in told(breach("firm", control=control))),
        *(line["runbook"] for source in ("kill", *Breaker) for line in told(re.TradingStopped("firm", source, "r"))),
        *(
            line["runbook"]
            for line in told(
                re.LimitProposed("L1", "firm", Control.MAX_LOSS, None, "op", "r"),
                re.LimitChanged("firm", Control.MAX_LOSS, None, None, "op", "r"),
                re.OverrideProposed("L2", "firm", "short_sale", 1, "op", "r"),
                re.OverrideGranted("firm", "short_sale", 1, "op", "r"),
            )
        ),
    ]
    assert len(links) == len(Control) + len(Breaker) + 5
    assert [link for link in links if str(link).removeprefix("docs/runbook.md#") not in headings] == []


def test_orders_at_a_venue_that_the_configuration_does_not_have_are_told_with_the_next_step() -> None:
    world = World.started()
    for number in range(3):
        world.submit(str(number), venue=OTHER_VENUE if number else VENUE)
    away = [order.order_id for order in world.state.orders.values() if order.venue == OTHER_VENUE]
    with capture_logs() as lines:
        alerts.venues_gone(world.state, [VENUE, OTHER_VENUE])
        alerts.venues_gone(world.state, [VENUE])
    (line,) = lines
    assert (line["event"], line["venue"], line["count"], line["orders"], line["log_level"]) == (
        "orders at a venue that is not configured",
        OTHER_VENUE,
        2,
        away,
        "error",
    )
    assert line["next"].startswith("put the venue back into the configuration under this name")
