"""What is worth an alert is in the log, once."""

from decimal import Decimal

import msgspec
from structlog.testing import capture_logs

from gateway.adapters import alerts
from gateway.core import events as ev
from gateway.core.events import Cause, Record
from gateway.core.types import ItemKind, OrdStatus, OrdType, Severity, Side

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


def test_ordinary_events_say_nothing() -> None:
    assert told(ev.OrderAcknowledged("O1"), ev.OrderFilled("O1", last_qty=Decimal(1), last_px=Decimal(1))) == []
