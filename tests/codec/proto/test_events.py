"""Records to the API's events: every kind of event, and what each tells."""

from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from gateway.codec.proto.events import event_to_pb, report_json
from gateway.codec.proto.orders import order_to_pb
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, HaltInstrument, MassCancel, ReplaceOrder, SubmitOrder
from gateway.core.events import Cause, OrderView, Record, Terms
from gateway.core.reports import ExecutionReport, MessageRejected
from gateway.core.risk import events as re
from gateway.core.risk.commands import SetLimit
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit, RiskSetup
from gateway.core.types import (
    DoubtOutcome,
    ExecType,
    ItemKind,
    OrdStatus,
    OrdType,
    Reason,
    Severity,
    Side,
    TimeInForce,
)
from gateway.pb.v1 import gateway_pb2 as pb

TERMS = Terms(Decimal(100), TimeInForce.GTC, Decimal("0.0000001"), None, None, Decimal("1E+1"))
ORDER = OrderView(
    "O1", "alpha", "k-1", "ACME", "XSIM", Side.SELL_SHORT, OrdType.LIMIT, TERMS, OrdStatus.PARTIALLY_FILLED,
    Decimal("40.0"), Decimal(60), Decimal("10.50"), "A1", "s", "G", "V1", ("c-1", "c-2"), True,
)  # fmt: skip
SUBMIT = SubmitOrder("alpha", "k-1", "ACME", Side.BUY, Decimal(1), OrdType.MARKET, venue="XSIM")
CANCEL = CancelOrder("alpha", "c-1", "k-1")
REPORTED: dict[str, Any] = {"exec_id": "E1", "trade_date": "20240102", "text": "words", "transact_time_ns": 77}
LIMIT = Limit(Decimal("1E+3"), 10, Decimal("5.0"))
REPORT = ExecutionReport("XSIM", ExecType.TRADE, OrdStatus.FILLED, exec_id="E9", last_px=Decimal("1.10"))

# One of each kind, and what it has to tell beyond the order it belongs to.
SAMPLES: dict[type, tuple[Any, dict[str, Any]]] = {
    type(event): (event, told)
    for event, told in [
        (ev.OrderSubmitted("O1", SUBMIT, "XSIM", Decimal(1), "USD"), {"cl_ord_id": "k-1"}),
        (ev.OrderRouted("O1", "XSIM", "R1"), {"cl_ord_id": "k-1"}),
        (ev.CancelRequested("O1", "XSIM", "c-1", "R2", "R1", CANCEL), {"cl_ord_id": "c-1"}),
        (
            ev.ReplaceRequested("O1", "XSIM", "r-1", "R2", "R1", TERMS, ReplaceOrder("alpha", "r-1", "k-1")),
            {"cl_ord_id": "r-1"},
        ),
        (
            ev.MassCancelDone(MassCancel("alpha", "m-1"), 2, ("O7",)),
            {"cl_ord_id": "m-1", "text": "2 cancels requested; 1 orders skipped because their session is down: O7"},
        ),
        (
            ev.CommandRefused(SUBMIT, Reason.PRICE_OFF_TICK, "price", "no"),
            {
                "cl_ord_id": "k-1",
                "reason": "PRICE_OFF_TICK",
                "field": "price",
                "text": "no",
                "symbol": "ACME",
                "venue": "XSIM",
            },
        ),
        (ev.StatusRequested("O1", "XSIM", "R1", "asked"), {"text": "asked", "cl_ord_id": "k-1"}),
        (
            ev.SessionAdministered("op", "XSIM", "logout", "lunch"),
            {"venue": "XSIM", "reason": "logout", "text": "lunch"},
        ),
        (ev.InstrumentHalted("ACME", "news"), {"symbol": "ACME", "text": "news"}),
        (ev.InstrumentResumed("ACME", "over", "op"), {"symbol": "ACME", "text": "over"}),
        (ev.OrderPendingNew("O1", **REPORTED), REPORTED),
        (ev.OrderAcknowledged("O1", **REPORTED), REPORTED),
        (ev.OrderRejected("O1", **REPORTED, ord_rej_reason="99"), {**REPORTED, "reason": "99", "reason_tag": 103}),
        (ev.OrderRejected("O1", ord_rej_reason="1", reason_tag=373), {"reason": "1", "reason_tag": 373}),
        (ev.OrderRejected("O1", **REPORTED), {**REPORTED, "reason": "", "reason_tag": 0}),
        (ev.OrderUnsent("O1", "R1", "not in the store"), {"text": "not in the store", "cl_ord_id": "k-1"}),
        (ev.RequestPending("O1", **REPORTED, venue_cl_ord_id="R2"), {**REPORTED, "cl_ord_id": "k-1"}),
        (
            ev.RequestRejected("O1", **REPORTED, venue_cl_ord_id="R2", cxl_rej_reason="1"),
            {**REPORTED, "cl_ord_id": "k-1", "reason": "1", "reason_tag": 102},
        ),
        (ev.OrderReplaced("O1", **REPORTED, venue_cl_ord_id="R2"), {**REPORTED, "cl_ord_id": "k-1"}),
        (ev.OrderCanceled("O1", **REPORTED, venue_cl_ord_id="R2"), {**REPORTED, "cl_ord_id": "k-1"}),
        (ev.OrderExpired("O1", **REPORTED), REPORTED),
        (ev.OrderDoneForDay("O1", **REPORTED), REPORTED),
        (ev.OrderStopped("O1", **REPORTED), REPORTED),
        (ev.OrderSuspended("O1", **REPORTED), REPORTED),
        (ev.OrderCalculated("O1", **REPORTED), REPORTED),
        (
            ev.OrderRestated("O1", **REPORTED, exec_restatement_reason="1"),
            {**REPORTED, "reason": "1", "reason_tag": 378},
        ),
        (
            ev.OrderFilled("O1", **REPORTED, last_qty=Decimal("1E+2"), last_px=Decimal("10.50")),
            {**REPORTED, "last_qty": "100", "last_px": "10.5", "cl_ord_id": "k-1"},
        ),
        (
            ev.ExecutionCorrected("O1", **REPORTED, exec_ref_id="E0", last_qty=Decimal(5), last_px=Decimal(2)),
            {**REPORTED, "exec_ref_id": "E0", "last_qty": "5", "last_px": "2"},
        ),
        (ev.ExecutionBusted("O1", **REPORTED, exec_ref_id="E0"), {**REPORTED, "exec_ref_id": "E0"}),
        (ev.OrderStatusReported("O1", **REPORTED, venue_cl_ord_id="R1"), {**REPORTED, "cl_ord_id": "k-1"}),
        (
            ev.QuantityDisputed("O1", Decimal(50), Decimal("40.0")),
            {"text": "the venue's CumQty is 50, its executions add up to 40"},
        ),
        (ev.OrderOverfilled("O1", Decimal(5)), {"text": "5 more than ordered was executed"}),
        (ev.OrderInDoubt("O1", "R1", "silence"), {"text": "silence", "cl_ord_id": "k-1"}),
        (ev.ReportIgnored("O1", "E1", "known"), {"exec_id": "E1", "text": "known"}),
        (ev.ReportSetAside(REPORT, "no such order"), {"venue": "XSIM", "text": "no such order"}),
        (
            ev.MessageRefused(MessageRejected("XSIM", "D", reject_reason="5", text="bad tag", reason_tag=380)),
            {"venue": "XSIM", "reason": "5", "reason_tag": 380, "text": "bad tag"},
        ),
        (ev.SessionLoggedOn("XSIM", reset=True), {"venue": "XSIM", "text": "sequence numbers started over"}),
        (ev.SessionLoggedOut("XSIM", "bye"), {"venue": "XSIM", "text": "bye"}),
        (ev.EpochBegan("1.0", 3, "AB"), {"text": "version 1.0, epoch 3"}),
        (
            ev.DoubtResolved("O1", "R1", DoubtOutcome.UNSENT, "op", "by phone"),
            {"cl_ord_id": "k-1", "reason": "unsent", "text": "by phone", "operator": "op"},
        ),
        (
            ev.DoubtResolved("O1", "", DoubtOutcome.CANCELED, "op", "by phone"),
            {"reason": "canceled", "text": "by phone", "operator": "op"},
        ),
        (ev.ExternalOrderReported("XSIM", "V9", REPORT), {"venue": "XSIM", "text": "V9: not an order of ours"}),
        (
            ev.DropCopyNoted("XSIM.DROP", REPORT, known=False),
            {"venue": "XSIM", "exec_id": "E9", "text": "not told by the order session yet"},
        ),
        (
            ev.ReconciliationStarted("XSIM", 1, "mass", "logged on", 7, "M1"),
            {"venue": "XSIM", "text": "logged on; 7 orders"},
        ),
        (
            ev.ReconciliationEnded("XSIM", 1, complete=False, orders=7, items=2, text="no answer"),
            {"venue": "XSIM", "complete": False, "text": "not reconciled: no answer; 2 items are open"},
        ),
        (
            ev.ReconciliationEnded("XSIM", 1, complete=True, orders=7, items=0),
            {"venue": "XSIM", "complete": True, "text": "reconciled; 0 items are open"},
        ),
        (ev.OrderEntryOpened("XSIM", "op", "by phone"), {"venue": "XSIM", "text": "by phone", "operator": "op"}),
        (
            ev.ItemRaised("I1", "XSIM", ItemKind.QUANTITY, Severity.CRITICAL, "10 and not 5", order_id="O1"),
            {"venue": "XSIM", "reason": "QUANTITY", "text": "I1 (critical): 10 and not 5"},
        ),
        (ev.ItemResolved("I1", "XSIM", "they agree"), {"venue": "XSIM", "text": "I1: they agree"}),
        (ev.OrderRetired("O1", b"all of it"), {"text": "O1"}),
        (ev.KeysRetired((("alpha", "k-1"), ("alpha", "k-2"))), {"text": "2 keys"}),
        (ev.OrderRecalled("O1", b"all of it"), {"text": "O1"}),
        (ev.KeyRecalled("alpha", "k-1", b"its answer"), {"cl_ord_id": "k-1"}),
        (
            re.RiskConfigured(RiskSetup(limits={"firm": {Control.MAX_LOSS: LIMIT}, "desk:*": {}})),
            {"text": "1 limits at 2 scopes"},
        ),
        (
            re.LimitProposed("C1", "firm", Control.MAX_LOSS, LIMIT, "op", "needed", 99),
            {
                "scope": "firm",
                "control": "max_loss",
                "change_id": "C1",
                "limit": pb.Limit(value="1000", per_s=10, after="5"),
            }
            | {"until_ns": 99, "operator": "op", "text": "needed"},
        ),
        (
            re.LimitChanged(
                "firm", Control.MAX_LOSS, LIMIT, Limit(Decimal("2.50")), "op", "needed", 99, "C1", "second"
            ),
            {"old_limit": pb.Limit(value="1000", per_s=10, after="5"), "limit": pb.Limit(value="2.5", after="0")}
            | {"change_id": "C1", "until_ns": 99, "operator": "op", "text": "needed; approved by second"},
        ),
        (re.LimitDeclined("C1", "second", "no"), {"change_id": "C1", "operator": "second", "text": "no"}),
        (
            re.LimitExpired("firm", Control.MAX_LOSS, LIMIT),
            {"scope": "firm", "control": "max_loss", "limit": pb.Limit(value="1000", per_s=10, after="5")},
        ),
        (
            re.OverrideGranted("account:A1", "short_sale", 99, "op", "agreed"),
            {"scope": "account:A1", "control": "short_sale", "until_ns": 99, "operator": "op", "text": "agreed"},
        ),
        (
            re.OverrideProposed("L3", "firm", "short_sale", 99, "op", "agreed"),
            {"scope": "firm", "control": "short_sale", "change_id": "L3", "until_ns": 99}
            | {"operator": "op", "text": "agreed"},
        ),
        (
            re.OverrideEnded("account:A1", "short_sale", "op", "over"),
            {"scope": "account:A1", "control": "short_sale", "operator": "op", "text": "over"},
        ),
        (
            re.MarksSet((re.Mark("ACME", Decimal("10.50")),), {"USD": Decimal("0.9")}),
            {"text": "ACME 10.5, USD 0.9"},
        ),
        (re.RiskDayBegan("2026-01-05"), {"text": "2026-01-05"}),
        (
            re.TradingStopped("account:A1", "loss", "10 over 5", until_ns=99),
            {"scope": "account:A1", "source": "loss", "operator": "", "until_ns": 99, "text": "10 over 5"},
        ),
        (
            re.TradingResumed("account:A1", "kill", "found", "op"),
            {"scope": "account:A1", "source": "kill", "operator": "op", "text": "found"},
        ),
        (re.StopCompleted("account:A1", "kill"), {"scope": "account:A1", "source": "kill"}),
        (re.MassCancelSent("XSIM", "R9", "firm"), {"venue": "XSIM", "scope": "firm", "text": "R9"}),
        (
            re.MassCancelAnswered("XSIM", "R9", accepted=False, total_affected=3, text="not now"),
            {"venue": "XSIM", "text": "refused, 3 orders affected: not now"},
        ),
        (re.ClientAway("alpha"), {"scope": "client:alpha"}),
        (re.ClientBack("alpha"), {"scope": "client:alpha"}),
        (
            re.BreachBegan("firm", "max_loss", Severity.CRITICAL, Decimal("12.0"), Decimal("1E+1"), "loss 12 over 10"),
            {"scope": "firm", "control": "max_loss", "severity": pb.SEVERITY_CRITICAL, "value": "12"}
            | {"limit": pb.Limit(value="10"), "text": "loss 12 over 10"},
        ),
        (re.BreachEnded("firm", "max_loss"), {"scope": "firm", "control": "max_loss"}),
    ]
}


# They name an order, and no owner is told of them as one of its events.
OF_NO_ORDER = (ev.DropCopyNoted, ev.ItemRaised, ev.OrderRetired, ev.OrderRecalled)


def record(event: Any, order: OrderView | None = None) -> Record:
    return Record(7, 1_000, Cause("venue", "XSIM"), event, order)


def test_there_is_a_sample_of_every_event() -> None:
    assert SAMPLES.keys() == set(get_args(ev.Event))


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)
def test_every_event_tells_what_it_knows(kind: type) -> None:
    event, told = SAMPLES[kind]
    belongs = hasattr(event, "order_id") and not isinstance(event, OF_NO_ORDER)
    message = event_to_pb(record(event, ORDER if belongs else None))
    assert (message.seq, message.time_ns) == (7, 1_000)
    assert pb.EventType.Name(message.type).replace("_", "") == kind.__name__.upper()
    assert {field: getattr(message, field) for field in told} == told
    assert message.HasField("order") is belongs
    if belongs:
        assert (message.venue, message.symbol) == ("XSIM", "ACME")


def test_every_type_of_event_in_the_api_is_one_of_the_core() -> None:
    ours = {kind.__name__.upper() for kind in SAMPLES} | {"EVENTTYPEUNSPECIFIED"}
    assert {name.replace("_", "") for name, _ in pb.EventType.items()} == ours


def test_an_order_shows_every_field_and_no_number_has_an_exponent() -> None:
    order = event_to_pb(record(ev.OrderRouted("O1", "XSIM", "R1"), ORDER)).order
    assert {field.name for field, _ in order.ListFields()} == set(pb.Order.DESCRIPTOR.fields_by_name)
    assert (order.terms.price, order.terms.max_floor) == ("0.0000001", "10")
    assert (order.cum_qty, order.leaves_qty, order.avg_px) == ("40", "60", "10.5")
    assert not order.terms.HasField("stop_px")
    assert (order.side, order.ord_status) == (pb.SIDE_SELL_SHORT, pb.ORD_STATUS_PARTIALLY_FILLED)
    assert list(order.pending) == ["c-1", "c-2"]


def test_an_event_of_a_request_goes_by_the_requests_own_cl_ord_id() -> None:
    named = msgspec.structs.replace(ORDER, request="c-1")
    assert event_to_pb(record(ev.OrderCanceled("O1", venue_cl_ord_id="R2"), named)).cl_ord_id == "c-1"
    assert event_to_pb(record(ev.OrderCanceled("O1"), ORDER)).cl_ord_id == "k-1"


def test_an_operators_refused_command_has_no_key() -> None:
    refused = ev.CommandRefused(HaltInstrument("op", "NOPE", "r"), Reason.SYMBOL_UNKNOWN, "symbol", "no")
    message = event_to_pb(record(refused))
    assert (message.cl_ord_id, message.symbol, message.reason) == ("", "NOPE", "SYMBOL_UNKNOWN")


def test_an_order_that_goes_out_smaller_says_why() -> None:
    submitted = ev.OrderSubmitted("O1", SUBMIT, "XSIM", Decimal(1), "USD", terms=Terms(Decimal("0.50")))
    assert (
        event_to_pb(record(submitted, ORDER)).text == "0.5 of 1 go out: the rest would trade with an order of our own"
    )


def test_a_refused_change_of_a_limit_says_where_and_by_whom() -> None:
    asked = SetLimit("op", "firm", "max_loss", "qty", "needed", LIMIT)
    message = event_to_pb(record(ev.CommandRefused(asked, Reason.FIELD_INVALID, "unit", "no")))
    assert (message.scope, message.control, message.operator, message.field) == ("firm", "max_loss", "op", "unit")


def test_a_limit_that_is_none_is_not_given() -> None:
    message = event_to_pb(record(re.LimitChanged("firm", Control.MAX_LOSS, LIMIT, None, "op", "gone")))
    assert (message.HasField("limit"), message.HasField("old_limit"), message.HasField("until_ns")) == (
        False,
        True,
        False,
    )


def test_many_marks_are_not_all_listed() -> None:
    marks = tuple(re.Mark(f"S{n}", Decimal(n)) for n in range(1_000))
    text = event_to_pb(record(re.MarksSet(marks))).text
    assert len(text) < 300
    assert text.endswith("and 980 more")


def test_a_mass_cancel_that_skips_many_does_not_list_them_all() -> None:
    done = ev.MassCancelDone(MassCancel("alpha", "m"), 0, tuple(f"O{n}" for n in range(1000)))
    assert len(event_to_pb(record(done)).text) < 300


def test_a_mass_cancel_of_many_says_how_many_cancels_follow() -> None:
    done = ev.MassCancelDone(MassCancel("alpha", "m"), 5, later=("O3", "O4", "O5"))
    assert event_to_pb(record(done)).text == "5 cancels requested, 3 of them soon"


def test_a_set_aside_report_is_shown_whole() -> None:
    shown = msgspec.json.decode(report_json(record(ev.ReportSetAside(REPORT, "why"))))
    assert (shown["exec_id"], shown["last_px"], shown["venue"]) == ("E9", "1.10", "XSIM")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_id", "beta"), ("cl_ord_id", "k-2"), ("symbol", "OTHER"), ("venue", "YSIM"), ("side", Side.BUY),
        ("ord_type", OrdType.MARKET), ("account", "A2"), ("strategy", "t"), ("exec_inst", "6"),
        ("terms", Terms(Decimal(7))), ("ord_status", OrdStatus.FILLED), ("cum_qty", Decimal(1)),
        ("leaves_qty", Decimal(2)), ("avg_px", Decimal(3)), ("venue_order_id", "V2"), ("pending", ()),
        ("in_doubt", False),
    ],
)  # fmt: skip
def test_what_is_kept_of_an_order_is_never_told_of_another(field: str, value: Any) -> None:
    """What lasts of an order is encoded once: whatever differs, the message differs in just that."""
    before, changed = order_to_pb(ORDER), order_to_pb(msgspec.structs.replace(ORDER, **{field: value}))
    assert order_to_pb(ORDER) == before
    assert {
        each.name for each in pb.Order.DESCRIPTOR.fields if getattr(before, each.name) != getattr(changed, each.name)
    } == {field}
