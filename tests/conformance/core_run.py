"""A scenario path driven through the core: requests as a client's commands, the venue's messages as its reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

import msgspec

from gateway.core import engine
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ClientCommand, ReplaceOrder, RequestOrderStatus, SubmitOrder
from gateway.core.events import Cause, Input, OrderView, Record
from gateway.core.instruments import Instrument
from gateway.core.invariants import check_state
from gateway.core.order import PENDING, Order, ord_status, view
from gateway.core.reports import ExecutionReport, OrderCancelReject, ProcessStarted, SessionUp
from gateway.core.state import Settings, State
from gateway.core.types import CxlRejResponseTo, ExecType, OrdStatus
from tests.conformance.expectations import GIVEN_ORDER_QTY
from tests.conformance.scenario import Event as Outside
from tests.conformance.scenario import MessageKind, Row, Scenario, VenueAction
from tests.risk import open_risk

E = TypeVar("E")

CLIENT, VENUE, SYMBOL = "desk", "XSIM", "ACME"
START_NS = 1_767_600_000_000_000_000  # 2026-01-05 08:00 UTC, a Monday.
DAY_NS = 86_400 * 1_000_000_000

INSTRUMENTS = {
    SYMBOL: Instrument(SYMBOL, {VENUE: SYMBOL}, VENUE, tick_size=Decimal("0.01"), lot_size=Decimal(1), currency="EUR")
}
SETTINGS = Settings(INSTRUMENTS, (VENUE,), risk=open_risk(INSTRUMENTS, (VENUE,)))


@dataclass
class CoreRun:
    """The core of one gateway and the conversation of one path with it.

    `records` is everything it committed, `names` what the gateway called the messages X, Y and Z on the wire.
    """

    scenario: Scenario
    state: State = field(default_factory=State)
    records: list[Record] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    _now_ns: int = START_NS
    _msg_seq_num: int = 0
    _exec_no: int = 0

    def __post_init__(self) -> None:
        self._give(ProcessStarted("conformance"), Cause("process"))
        self._give(SessionUp(VENUE), Cause("venue", VENUE))
        if self.scenario.lost:
            self.submit(self.scenario.lost, GIVEN_ORDER_QTY)

    # What a row does -----------------------------------------------------------------------------------------------

    def play(self, row: Row) -> Sequence[Record]:
        """Do what one row says; the records that it caused."""
        if row.event is Outside.NEXT_DAY:
            self._now_ns += DAY_NS
        if row.received is not None:
            return self.request(row)
        return self.report(row) if row.sent is not None else ()

    def request(self, row: Row) -> Sequence[Record]:
        """What the client asks for so that the venue receives the row's message."""
        message = row.received
        assert message is not None
        match message.kind:
            case MessageKind.NEW_ORDER:
                return self.submit(message.cl_ord_id, row.order_qty)
            case MessageKind.CANCEL_REQUEST:
                return self.cancel(message.cl_ord_id, message.orig_cl_ord_id)
            case MessageKind.REPLACE_REQUEST:
                price = Decimal(row.fields["price"]) if "price" in row.fields else None
                asked = ReplaceOrder(CLIENT, message.cl_ord_id, message.orig_cl_ord_id, row.order_qty, price)
                return self._ask(message.cl_ord_id, asked)
            case _:
                return self._ask("", RequestOrderStatus(CLIENT, message.cl_ord_id))

    def submit(self, letter: str, order_qty: Decimal | None) -> Sequence[Record]:
        """The client's new order under a letter."""
        terms = self.scenario.order
        command = SubmitOrder(
            CLIENT,
            letter,
            SYMBOL,
            terms.side,
            order_qty if order_qty is not None else Decimal(0),
            terms.ord_type,
            terms.time_in_force,
            price=terms.price,
            exec_inst=terms.exec_inst,
            cash_order_qty=terms.cash_order_qty,
            account="A1",
        )
        return self._ask(letter, command)

    def cancel(self, letter: str, orig: str) -> Sequence[Record]:
        """The client's cancel under a letter."""
        return self._ask(letter, CancelOrder(CLIENT, letter, orig))

    def _ask(self, letter: str, command: ClientCommand) -> Sequence[Record]:
        records = self._give(command, Cause("client", CLIENT))
        for record in records:
            if isinstance(record.event, (ev.OrderRouted, ev.CancelRequested, ev.ReplaceRequested)):
                assert letter not in self.names, "rule 3: nothing is sent twice under one ClOrdID"
                self.names[letter] = record.event.venue_cl_ord_id
        return records

    # What the venue says ---------------------------------------------------------------------------------------------

    def report(self, row: Row) -> Sequence[Record]:
        """The row's message as it comes from the venue, its ClOrdIDs translated."""
        self._msg_seq_num += 1
        cause = Cause("venue", VENUE, self._msg_seq_num)
        message = row.sent
        assert message is not None
        body = self._execution(row) if message.kind is MessageKind.EXECUTION else self._cancel_reject(row)
        return self._give(body, cause)

    def _execution(self, row: Row) -> ExecutionReport:
        message = row.sent
        assert message is not None
        assert row.exec_type is not None
        assert row.ord_status is not None
        self._exec_no += 1
        made_up = "" if row.exec_type is ExecType.ORDER_STATUS else f"M{self._exec_no}"
        return ExecutionReport(
            VENUE,
            row.exec_type,
            row.ord_status,
            exec_id=row.exec_id or made_up,
            exec_ref_id=row.exec_ref_id,
            cl_ord_id=self.names.get(message.cl_ord_id, ""),
            orig_cl_ord_id=self.names.get(message.orig_cl_ord_id, ""),
            venue_order_id=self._venue_order_id(message.cl_ord_id),
            venue_symbol=SYMBOL,
            side=self.scenario.order.side,
            order_qty=row.order_qty,
            cash_order_qty=_decimal(row, "cash_order_qty"),
            price=_decimal(row, "price"),
            last_qty=row.last_qty,
            last_px=row.last_px,
            cum_qty=row.cum_qty,
            leaves_qty=row.leaves_qty,
            avg_px=row.avg_px,
            ord_rej_reason=row.fields.get("ord_rej_reason", ""),
            exec_restatement_reason=row.fields.get("exec_restatement_reason", ""),
            text=row.fields.get("text", ""),
            trade_date=str(20260105 + (self._now_ns - START_NS) // DAY_NS),
        )

    def _venue_order_id(self, letter: str) -> str:
        """The venue's name for the gateway's order, for one given by telephone, or NONE where it has none."""
        order = self.state.find_order(CLIENT, letter)
        if order is None:
            return "PHONE"
        lost = self.order(self.scenario.lost)
        return "NONE" if order is lost else f"V-{order.order_id}"

    def _cancel_reject(self, row: Row) -> OrderCancelReject:
        message = row.sent
        assert message is not None
        cancel = row.venue_does is VenueAction.REJECT_CANCEL
        return OrderCancelReject(
            VENUE,
            self.names[message.cl_ord_id],
            self.names[message.orig_cl_ord_id],
            row.ord_status,
            CxlRejResponseTo.CANCEL if cancel else CxlRejResponseTo.REPLACE,
            row.fields["cxl_rej_reason"],
        )

    def bust(self, letter: str, exec_id: str) -> None:
        """The venue takes an execution back, outside any table."""
        busted = ExecutionReport(
            VENUE,
            ExecType.TRADE_CANCEL,
            OrdStatus.NEW,
            exec_id=f"bust of {exec_id}",
            exec_ref_id=exec_id,
            cl_ord_id=self.names[letter],
        )
        self._give(busted, Cause("venue", VENUE))

    # What the gateway shows -------------------------------------------------------------------------------------------

    def order(self, letter: str) -> Order | None:
        """The order that the client knows by a letter."""
        return self.state.find_order(CLIENT, letter)

    def view(self, letter: str) -> OrderView | None:
        """What the client is shown of it."""
        order = self.order(letter)
        return view(order) if order is not None else None

    def status_at_the_venue(self, letter: str) -> OrdStatus:
        """OrdStatus(39) by the requests alone that the venue has taken up."""
        order = self.order(letter)
        assert order is not None
        return ord_status(order, pending_states=(PENDING,))

    def position(self) -> Decimal:
        """The net quantity held."""
        return sum((position.net_qty for position in self.state.positions.values()), Decimal(0))

    def executed(self) -> Decimal:
        """The signed CumQty(14) of all orders."""
        return sum((order.cum_qty * order.command.side.sign for order in self.state.orders.values()), Decimal(0))

    def recovered(self) -> State:
        """What a new process makes of the journal."""
        state = State()
        journal = msgspec.msgpack.encode(self.records)
        for record in msgspec.msgpack.decode(journal, type=list[Record]):
            engine.replay(state, record)
        return state

    def events(self, kind: type[E]) -> list[E]:
        """All events of a kind so far."""
        return [record.event for record in self.records if isinstance(record.event, kind)]

    def _give(self, body: object, cause: Cause) -> Sequence[Record]:
        self._now_ns += 1_000_000
        records = engine.execute(self.state, SETTINGS, Input(self._now_ns, cause, body))
        check_state(self.state)
        self.records.extend(records)
        return records


def _decimal(row: Row, name: str) -> Decimal | None:
    return Decimal(row.fields[name]) if name in row.fields else None
