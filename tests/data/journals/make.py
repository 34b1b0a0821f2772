"""Makes the kept journal of the present version: VERSION.sqlite, and VERSION.jsonl with what has to load from it.

Run as `python -m tests.data.journals.make`, once, when a version is about to be released; what was released is
never made again. It has every event with every field, so that a later version proves with it that it still reads
what this one wrote.
"""

import sys
from decimal import Decimal
from pathlib import Path
from typing import get_args

import msgspec

from gateway import __version__
from gateway.adapters.journal import SqlJournal
from gateway.core import commands as cmd
from gateway.core import events as ev
from gateway.core import reports as rep
from gateway.core.types import (
    CxlRejResponseTo,
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
from tests.data.journals import risk

D = Decimal
HERE = Path(__file__).parent
NOON_NS = 1_767_268_800_000_000_000
LATER_NS = NOON_NS + 86_400_000_000_000

TERMS = ev.Terms(
    order_qty=D(100),
    time_in_force=TimeInForce.GTD,
    price=D("100.02"),
    stop_px=D("99.5"),
    expire_time_ns=LATER_NS,
    max_floor=D(20),
    cash_order_qty=D("10002.00"),
)
VIEW = ev.OrderView(
    order_id="O1",
    client_id="alpha",
    cl_ord_id="a-1",
    symbol="ACME",
    venue="XSIM",
    side=Side.SELL_SHORT,
    ord_type=OrdType.STOP_LIMIT,
    terms=TERMS,
    ord_status=OrdStatus.PENDING_REPLACE,
    cum_qty=D(40),
    leaves_qty=D(60),
    avg_px=D("100.0233333333"),
    account="ACC1",
    strategy="pairs",
    exec_inst="6",
    venue_order_id="V77",
    pending=("a-2", "a-3"),
    in_doubt=True,
    venue_symbol="ACME.X",
    request="a-3",
)
SUBMIT = cmd.SubmitOrder(
    client_id="alpha",
    cl_ord_id="a-1",
    symbol="ACME",
    side=Side.SELL_SHORT,
    order_qty=D(100),
    ord_type=OrdType.STOP_LIMIT,
    time_in_force=TimeInForce.GTD,
    price=D("100.02"),
    stop_px=D("99.5"),
    expire_time_ns=LATER_NS,
    max_floor=D(20),
    exec_inst="6",
    account="ACC1",
    strategy="pairs",
    venue="XSIM",
    cash_order_qty=D("10002.00"),
    locate_id="LOC-7",
)
REPLACE = cmd.ReplaceOrder(
    client_id="alpha",
    cl_ord_id="a-2",
    orig_cl_ord_id="a-1",
    order_qty=D(120),
    price=D("100.05"),
    stop_px=D("99.6"),
    time_in_force=TimeInForce.DAY,
    expire_time_ns=LATER_NS,
    max_floor=D(30),
)
CANCEL = cmd.CancelOrder(client_id="alpha", cl_ord_id="a-3", orig_cl_ord_id="a-1")
MASS_CANCEL = cmd.MassCancel(
    client_id="alpha", cl_ord_id="m-1", account="ACC1", strategy="pairs", symbol="ACME", venue="XSIM", side=Side.BUY
)
ADMINISTER = cmd.AdministerSession(
    operator="olga",
    venue="XSIM",
    action="set_sequence",
    reason="agreed by phone",
    next_sender_msg_seq_num=12,
    next_target_msg_seq_num=34,
)
RESOLVE_DOUBT = cmd.ResolveDoubt(
    operator="olga",
    order_id="O1",
    outcome=DoubtOutcome.UNSENT,
    reason="the venue's log",
    venue_cl_ord_id="T1ABCD-3",
)
EXECUTION_REPORT = rep.ExecutionReport(
    venue="XSIM",
    exec_type=ExecType.TRADE,
    ord_status=OrdStatus.PARTIALLY_FILLED,
    exec_id="E9",
    exec_ref_id="E8",
    cl_ord_id="T1ABCD-9",
    orig_cl_ord_id="T1ABCD-8",
    venue_order_id="V99",
    venue_symbol="ACME.X",
    side=Side.SELL_SHORT_EXEMPT,
    account="ACC1",
    order_qty=D(10),
    cash_order_qty=D("1000.5"),
    price=D("1.5"),
    stop_px=D("1.4"),
    last_qty=D(4),
    last_px=D("1.5"),
    cum_qty=D(4),
    leaves_qty=D(6),
    avg_px=D("1.5"),
    ord_rej_reason="1",
    exec_restatement_reason="3",
    text="whose is it?",
    trade_date="20260101",
    transact_time_ns=NOON_NS,
    poss_dup=True,
    poss_resend=True,
    mass_status_req_id="T1ABCD-M1",
    tot_num_reports=2,
    last_rpt_requested=True,
)
CANCEL_REJECT = rep.OrderCancelReject(
    venue="XSIM",
    cl_ord_id="T1ABCD-9",
    orig_cl_ord_id="T1ABCD-8",
    ord_status=OrdStatus.REJECTED,
    cxl_rej_response_to=CxlRejResponseTo.REPLACE,
    cxl_rej_reason="1",
    venue_order_id="V99",
    text="unknown",
    poss_dup=True,
)
MESSAGE_REJECTED = rep.MessageRejected(
    venue="XSIM", ref_msg_type="D", ref_cl_ord_id="T1ABCD-9", ref_seq_num=17, reject_reason="5", text="bad value"
)
UNEXPECTED = rep.UnexpectedMessage(venue="XSIM", msg_type="AE", problem="no such message", raw="8=FIX.4.4|35=AE|")

# Order, ExecID(17), trade date, OrderID(37), Text(58), TransactTime(60), the venue's CumQty(14), OrderQty(38).
EVIDENCE = ("O1", "E1", "20260101", "V77", "said the venue", NOON_NS, D(40), D(100))

EVENTS: tuple[ev.Event, ...] = (
    ev.EpochBegan(version="0.1.0", epoch=1, id_prefix="T1ABCD"),
    ev.SessionLoggedOn(venue="XSIM", reset=True, logon_seq_num=3, unexpected=True, copies="YSIM"),
    ev.OrderSubmitted(
        order_id="O1",
        command=SUBMIT,
        venue="XSIM",
        multiplier=D("0.5"),
        currency="EUR",
        venue_symbol="ACME.X",
        terms=TERMS,
    ),
    ev.OrderRouted(order_id="O1", venue="XSIM", venue_cl_ord_id="T1ABCD-1"),
    ev.OrderPendingNew(*EVIDENCE),
    ev.OrderAcknowledged(*EVIDENCE),
    ev.ReplaceRequested("O1", "XSIM", "a-2", "T1ABCD-2", "T1ABCD-1", TERMS, REPLACE),
    ev.RequestPending(*EVIDENCE, venue_cl_ord_id="T1ABCD-2"),
    ev.OrderReplaced(*EVIDENCE, terms=TERMS, venue_cl_ord_id="T1ABCD-2"),
    ev.OrderFilled(*EVIDENCE, last_qty=D(40), last_px=D("100.02")),
    ev.ExecutionCorrected(*EVIDENCE, exec_ref_id="E0", last_qty=D(39), last_px=D("100.0200000001")),
    ev.ExecutionBusted(*EVIDENCE, exec_ref_id="E0"),
    ev.CancelRequested("O1", "XSIM", "a-3", "T1ABCD-3", "T1ABCD-2", CANCEL),
    ev.CancelRequested("O1", "XSIM", "m-1", "T1ABCD-4", "T1ABCD-2", MASS_CANCEL),
    ev.MassCancelDone(command=MASS_CANCEL, requested=1, skipped=("O2", "O3")),
    ev.RequestRejected(*EVIDENCE, venue_cl_ord_id="T1ABCD-3", cxl_rej_reason="0"),
    ev.OrderStatusReported(
        *EVIDENCE,
        venue_cl_ord_id="T1ABCD-1",
        ord_status=OrdStatus.CALCULATED,
        mass_status_req_id="T1ABCD-M1",
        poss_dup=True,
    ),
    ev.OrderRestated(*EVIDENCE, terms=TERMS, exec_restatement_reason="4", factor=D(2)),
    ev.OrderStopped(*EVIDENCE, last_qty=D(10), last_px=D("100.01")),
    ev.OrderSuspended(*EVIDENCE),
    ev.OrderCalculated(*EVIDENCE),
    ev.OrderDoneForDay(*EVIDENCE),
    ev.OrderExpired(*EVIDENCE),
    ev.OrderCanceled(*EVIDENCE, venue_cl_ord_id="T1ABCD-3"),
    ev.OrderRejected(*EVIDENCE, ord_rej_reason="99"),
    ev.OrderUnsent(order_id="O1", venue_cl_ord_id="T1ABCD-3", evidence="the session was not logged on"),
    ev.OrderInDoubt(order_id="O1", venue_cl_ord_id="T1ABCD-3", why="no answer for 10 s"),
    ev.StatusRequested(order_id="O1", venue="XSIM", venue_cl_ord_id="T1ABCD-3", why="no answer for 10 s"),
    ev.QuantityDisputed(order_id="O1", venue_cum_qty=D(41), cum_qty=D(40)),
    ev.OrderOverfilled(order_id="O1", excess=D("0.0000000001")),
    ev.ReportIgnored(order_id="O1", exec_id="E1", why="a duplicate", trade_date="20260105"),
    *(ev.ReportSetAside(report=report, why="no order of ours") for report in (EXECUTION_REPORT, CANCEL_REJECT)),
    *(ev.ReportSetAside(report=report, why="not understood") for report in (MESSAGE_REJECTED, UNEXPECTED)),
    ev.MessageRefused(report=MESSAGE_REJECTED),
    ev.InstrumentHalted(symbol="ACME", reason="overfilled", operator="olga"),
    ev.InstrumentResumed(symbol="ACME", reason="checked with the venue", operator="olga"),
    ev.SessionAdministered("olga", "XSIM", "set_sequence", "agreed by phone", 12, 34),
    *(
        ev.CommandRefused(command=command, reason=Reason.FIELD_INVALID, field="price", text="it is off")
        for command in (
            SUBMIT,
            REPLACE,
            CANCEL,
            MASS_CANCEL,
            cmd.RequestOrderStatus(client_id="alpha", orig_cl_ord_id="a-1"),
            cmd.ResumeInstrument(operator="olga", symbol="ACME", reason="checked"),
            cmd.HaltInstrument(operator="olga", symbol="ACME", reason="news"),
            ADMINISTER,
            cmd.ReconcileVenue(operator="olga", venue="XSIM", reason="after the venue's restart"),
            cmd.OpenOrderEntry(operator="olga", venue="XSIM", reason="compared by phone"),
            RESOLVE_DOUBT,
            cmd.ResolveItem(operator="olga", item_id="R1", reason="the venue corrected it"),
            *risk.COMMANDS,
        )
    ),
    ev.ReconciliationStarted("XSIM", run=1, how="mass", why="logon", orders=2, mass_status_req_id="T1ABCD-M1"),
    ev.ExternalOrderReported(venue="XSIM", venue_order_id="V99", report=EXECUTION_REPORT),
    ev.DropCopyNoted(session="XSIM-DC", report=EXECUTION_REPORT, known=False, order_id="O1"),
    ev.ItemRaised(
        item_id="R1",
        venue="XSIM",
        kind=ItemKind.EXECUTION_MISSING,
        severity=Severity.CRITICAL,
        text="the drop copy has a fill that the order session has not",
        order_id="O1",
        venue_order_id="V99",
        exec_id="E9",
        trade_date="20260101",
        ours="nothing",
        theirs="4 at 1.5",
    ),
    ev.ItemResolved(item_id="R1", venue="XSIM", text="the venue corrected it", operator="olga"),
    ev.DoubtResolved(
        "O1",
        "T1ABCD-3",
        DoubtOutcome.UNSENT,
        operator="olga",
        reason="the venue's log",
        in_force="T1ABCD-1",
        terms=TERMS,
    ),
    ev.ReconciliationEnded("XSIM", run=1, complete=False, orders=2, items=1, text="no answer for 30 s"),
    ev.OrderEntryOpened(venue="XSIM", operator="olga", reason="compared by phone"),
    ev.OrderRetired(order_id="O1", memory=b"\x91\x00\xff"),
    ev.KeysRetired(keys=(("alpha", "a-9"), ("beta", "b-9"))),
    ev.OrderRecalled(order_id="O1", memory=b"\x91\x00\xff"),
    ev.KeyRecalled(client_id="alpha", cl_ord_id="a-9", memory=b"\x92\x01\x02"),
    *risk.EVENTS,
    ev.SessionLoggedOut(venue="XSIM", text="end of day"),
)


def records() -> list[ev.Record]:
    """Every event in turn, each with a cause that has all fields, and a view where it is about the order."""
    cause = ev.Cause(kind="venue", who="XSIM", msg_seq_num=7, request="r-1")
    return [
        ev.Record(seq=seq, at_ns=NOON_NS + seq, cause=cause, event=event, order=VIEW if _of_order(event) else None)
        for seq, event in enumerate(EVENTS, start=1)
    ]


def _of_order(event: ev.Event) -> bool:
    return hasattr(event, "order_id")


def _left_at_default(struct: msgspec.Struct) -> list[str]:
    """The fields of `struct` and of what it holds that say nothing."""
    found = []
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if not field.required and value == field.default:
            found.append(f"{type(struct).__name__}.{field.name}")
        elif isinstance(value, msgspec.Struct):
            found += _left_at_default(value)
    return found


def main() -> int:
    """Write the two files, unless this version has them already or the records do not say everything."""
    made = records()
    missing = {each.__name__ for each in get_args(ev.Event)} - {type(record.event).__name__ for record in made}
    silent = sorted({name for record in made for name in _left_at_default(record) if name != "Record.order"})
    target = HERE / f"{__version__}.sqlite"
    if missing or silent or target.exists():
        print(f"not made: missing {sorted(missing)}, left at their default {silent}, exists: {target.exists()}")
        return 1
    half = len(made) // 2
    for part in (made[:half], made[half:]):
        journal = SqlJournal(f"sqlite:///{target}")
        journal.open()
        for first in range(0, len(part), 5):
            journal.append(part[first : first + 5])
        journal.close()
    target.with_suffix(".jsonl").write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
