"""Every event has words, and they say what a trader needs to know."""

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.codec.words import describe
from gateway.core import events as ev
from gateway.core.commands import MassCancel, SubmitOrder
from gateway.core.risk import events as re
from gateway.core.risk.commands import StopTrading
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit
from gateway.core.types import OrdType, Reason, Severity, Side, TimeInForce
from tests.adapters.journal.records import VIEW, any_of

NOON = 1_767_268_800_000_000_000
VENUE = ev.Cause("venue", "XSIM", 7)
CLIENT = ev.Cause("client", "alpha")
SUBMIT = SubmitOrder("alpha", "a-1", "ACME", Side.BUY, Decimal(100), OrdType.LIMIT, price=Decimal("100.02"))


def _record(event: ev.Event, cause: ev.Cause = VENUE, order: ev.OrderView | None = VIEW) -> ev.Record:
    return ev.Record(seq=1, at_ns=1, cause=cause, event=event, order=order)


@pytest.mark.parametrize("kind", get_args(ev.Event), ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_every_event_has_one_line(kind: type[ev.Event], data: st.DataObject) -> None:
    event = data.draw(any_of(kind))
    assert describe(_record(event)).strip()
    assert describe(_record(event, order=None)).strip()


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (
            _record(
                ev.OrderSubmitted("O1", SUBMIT, "XSIM", Decimal(1), "USD"),
                CLIENT,
            ),
            "BUY 100 ACME @ 100.02 DAY limit, from alpha as a-1, to go to XSIM",
        ),
        (
            _record(ev.OrderSubmitted("O1", SUBMIT, "XSIM", Decimal(1), "USD", terms=ev.Terms(Decimal(60))), CLIENT),
            (
                "BUY 100 ACME @ 100.02 DAY limit, from alpha as a-1, to go to XSIM as 60 DAY:"
                " the rest would trade with our own"
            ),
        ),
        (_record(ev.OrderRouted("O1", "XSIM", "T1ABCD-1"), CLIENT), "sent to XSIM as T1ABCD-1"),
        (
            _record(
                re.LimitChanged("firm", Control.MESSAGE_RATE, None, Limit(Decimal("1E+3"), 10), "ops", "busy", NOON)
            ),
            "ops sets message_rate at firm from none to 1,000 in 10 s until 2026-01-01 12:00:00Z: busy",
        ),
        (
            _record(re.LimitChanged("firm", Control.MAX_LOSS, None, None, "ops", "busy", None, "L1", "second")),
            "ops sets max_loss at firm from none to none (change L1, approved by second): busy",
        ),
        (
            _record(re.TradingStopped("account:A1", "kill", "fat finger", "ops", allow_reducing=True)),
            (
                "trading stopped at account:A1 (kill) by ops, working orders are canceled, orders that reduce a"
                " position pass, until a person resumes it: fat finger"
            ),
        ),
        (
            _record(re.TradingStopped("firm", "loss", "", cancels=False, needs_person=False, until_ns=NOON)),
            "trading stopped at firm (loss) by itself, working orders stay, for a time until 2026-01-01 12:00:00Z",
        ),
        (
            _record(re.BreachBegan("firm", "max_loss", Severity.CRITICAL, Decimal(1250000), Decimal(10), "too much")),
            "critical breach of max_loss at firm, 1,250,000 against limit 10: too much",
        ),
        (
            _record(re.MarksSet((re.Mark("ACME", Decimal("10.50"), Decimal(10)),), {"USD": Decimal("0.9")})),
            "marks set: ACME 10.5 (10 / -), USD 0.9",
        ),
        (
            _record(ev.CommandRefused(StopTrading("ops", "moon", "r"), Reason.SCOPE_UNKNOWN, "scope", "no such scope")),
            "refused by the gateway (SCOPE_UNKNOWN in scope): ops's stop of trading at moon: r: no such scope",
        ),
        (
            _record(ev.OrderAcknowledged("O1", "E1"), VENUE),
            "accepted by the venue (ExecID E1, MsgSeqNum 7), CumQty 40, LeavesQty 60, AvgPx 100.02, Partially Filled",
        ),
        (
            _record(ev.OrderFilled("O1", "12", last_qty=Decimal(40), last_px=Decimal("100.02"))),
            "filled 40 @ 100.02 (ExecID 12, MsgSeqNum 7), CumQty 40, LeavesQty 60, AvgPx 100.02, Partially Filled",
        ),
        (
            _record(ev.OrderRejected("O1", "E1", text="no\x01such|symbol", ord_rej_reason="1"), order=None),
            "rejected by the venue (OrdRejReason 1) (ExecID E1, MsgSeqNum 7), the venue says 'no\\x01such|symbol'",
        ),
        (
            _record(ev.OrderRejected("O1", text="no tag 54", ord_rej_reason="1", reason_tag=373), order=None),
            "rejected by the venue (SessionRejectReason 1) (MsgSeqNum 7), the venue says 'no tag 54'",
        ),
        (
            _record(ev.RequestRejected("O1", venue_cl_ord_id="R2", cxl_rej_reason="5", reason_tag=103), order=None),
            "R2 refused by the venue (OrdRejReason 5) (MsgSeqNum 7)",
        ),
        (
            _record(ev.OrderInDoubt("O1", "T1ABCD-1", "no answer for 10 s"), ev.Cause("timer"), None),
            "in doubt whether T1ABCD-1 reached the venue: no answer for 10 s",
        ),
        (_record(ev.OrderCanceled("O1"), ev.Cause("venue"), None), "canceled by the venue, unasked"),
        (_record(ev.InstrumentHalted("ACME", "overfilled"), order=None), "ACME halted by the gateway: overfilled"),
    ],
)
def test_what_people_read(record: ev.Record, words: str) -> None:
    assert describe(record) == words


def test_a_mass_cancel_says_what_follows_and_what_was_out_of_reach() -> None:
    event = ev.MassCancelDone(MassCancel("alpha", "m"), 5, ("O1",), ("O3", "O4"))
    assert ": 5 cancel requests made, 2 of them soon, 1 skipped: O1" in describe(_record(event, order=None))


def test_numbers_are_exact_and_without_exponents() -> None:
    event = ev.OrderFilled("O1", last_qty=Decimal("1E+5"), last_px=Decimal("0.0000000001"))
    assert describe(_record(event, order=None)).startswith("filled 100000 @ 0.0000000001")


def test_terms_that_limit_an_order_are_named() -> None:
    terms = ev.Terms(
        order_qty=Decimal(10),
        time_in_force=TimeInForce.GTD,
        price=Decimal(5),
        stop_px=Decimal(4),
        expire_time_ns=1_767_268_800_000_000_000,
        max_floor=Decimal(2),
    )
    words = describe(_record(ev.OrderReplaced("O1", terms=terms, venue_cl_ord_id="T-2"), ev.Cause("venue"), None))
    assert words == "replaced by T-2, now 10 @ 5 stop 4 GTD until 2026-01-01 12:00:00Z showing 2"


def test_a_replace_that_was_accepted_before_its_order_says_so() -> None:
    replaced = ev.OrderReplaced("O1", venue_cl_ord_id="T-2", pending_new=True)
    assert describe(_record(replaced, ev.Cause("venue"), None)) == "replaced by T-2, the order itself still pending"


def test_an_order_in_doubt_says_so() -> None:
    view = replace(VIEW, in_doubt=True)
    assert describe(_record(ev.OrderInDoubt("O1", "T-1", "why"), order=view)).endswith("Partially Filled, in doubt")
