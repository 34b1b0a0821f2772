"""What the API says, as tables for people. Functions from protobuf messages to rich renderables, and nothing else.

Numbers are right-aligned with thousands apart and never rounded; times are UTC. `now_ns` is what ages are counted from.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.cli.layout import Columns, Figures, apart, row, table
from gateway.core.money import EXACT
from gateway.pb.v1 import gateway_pb2 as pb

_NS = 1_000_000_000
_PATIENT_US = 10_000_000
_NO_EXECUTION = "0"
"""ExecID(17) of a report that tells of none."""

_STATUS_STYLES = {
    "NEW": "green",
    "PARTIALLY_FILLED": "cyan",
    "FILLED": "bold cyan",
    "CANCELED": "dim",
    "EXPIRED": "dim",
    "DONE_FOR_DAY": "dim",
    "REJECTED": "bold red",
    "SUSPENDED": "red",
    "PENDING_NEW": "yellow",
    "PENDING_CANCEL": "yellow",
    "PENDING_REPLACE": "yellow",
}
_EVENT_STYLES = {
    "ORDER_FILLED": "cyan",
    "EXECUTION_CORRECTED": "magenta",
    "EXECUTION_BUSTED": "magenta",
    "COMMAND_REFUSED": "red",
    "ORDER_REJECTED": "red",
    "REQUEST_REJECTED": "red",
    "ORDER_UNSENT": "red",
    "ORDER_IN_DOUBT": "bold red",
    "ORDER_OVERFILLED": "bold red",
    "QUANTITY_DISPUTED": "bold red",
    "REPORT_SET_ASIDE": "bold red",
    "MESSAGE_REFUSED": "red",
    "SESSION_LOGGED_OUT": "yellow",
    "SESSION_LOGGED_ON": "green",
    "SESSION_ADMINISTERED": "yellow",
    "INSTRUMENT_HALTED": "red",
    "INSTRUMENT_RESUMED": "green",
    "EPOCH_BEGAN": "yellow",
    "ITEM_RAISED": "bold red",
    "ITEM_RESOLVED": "green",
    "DOUBT_RESOLVED": "yellow",
    "ORDER_ENTRY_OPENED": "yellow",
    "RECONCILIATION_ENDED": "green",
    "EXTERNAL_ORDER_REPORTED": "red",
    "TRADING_STOPPED": "bold white on red",
    "TRADING_RESUMED": "green",
    "BREACH_BEGAN": "bold red",
    "BREACH_ENDED": "green",
    "LIMIT_PROPOSED": "yellow",
    "LIMIT_CHANGED": "yellow",
    "OVERRIDE_PROPOSED": "yellow",
    "OVERRIDE_GRANTED": "yellow",
    "CLIENT_AWAY": "yellow",
}


# --- Whole tables -----------------------------------------------------------------------------------------------------
_LOGGED_ON = "logged on"


def overview(message: pb.GetOverviewResponse, now_ns: int) -> RenderableType:
    """The gateway at a glance. What a person has to look at is red."""
    figures = Figures(
        [
            _figure("in memory", _count(message.orders)),
            _figure("working", _count(message.working_orders)),
            _figure("executions", _count(message.executions)),
            _figure("ack p50", _duration(message.order_to_ack_p50_us)),
            _figure("ack p99", _duration(message.order_to_ack_p99_us)),
            _figure("retired", _count(message.retired_orders)),
            _alert("in doubt", message.in_doubt),
            _alert("disputed", message.disputed),
            _alert("set aside", message.set_aside),
            _alert("items", message.open_items, critical=message.critical_items),
            _figure("queued", _count(message.command_queue)),
            _figure("subscribers", _count(message.subscribers)),
        ]
    )
    head = Text.assemble(
        ("gateway ", "bold"),
        f"{message.version}, up {age(message.started_ns, now_ns)}, journal at {message.seq:,}, epoch {message.epoch}",
        f", snapshot at {message.snapshot_seq:,}" if message.snapshot_seq else "",
    )
    if message.halted_symbols:
        head.append(f"   halted: {', '.join(message.halted_symbols)}", "bold red")
    for count, what in ((message.stops, "stopped"), (message.breaches, "breaches")):
        if count:
            head.append(f"   {what}: {count:,}", "bold red")
    return Group(head, figures)


def not_up(messages: Iterable[pb.Session]) -> list[Text]:
    """The FIX sessions, those of drop copies too, over which not everything goes; no line when there is none."""
    states = [(session.venue, _session_state(session)) for session in messages]
    shown = [Text.assemble(venue, " ", state) for venue, state in states if state.plain != _LOGGED_ON]
    return [Text.assemble("sessions: ", Text(", ").join(shown))] if shown else []


def sessions(messages: Iterable[pb.Session], now_ns: int) -> Columns:
    """FIX sessions: whether they are up, their sequence numbers, and how long ago something came in or went out."""
    right = ("next out", "next in", "last in", "last out", "refused")
    left = ("venue", "state", "FIX", "session", "connects to")
    made = table("Sessions", *left, *right, right=right, spare=("connects to", "session", "FIX"))
    for session in messages:
        row(
            made,
            Text(session.venue, "bold"),
            _session_state(session),
            session.begin_string,
            f"{session.sender_comp_id} -> {session.target_comp_id}",
            session.connects_to,
            str(session.next_sender_msg_seq_num),
            str(session.next_target_msg_seq_num),
            age(session.last_received_ns, now_ns) if session.HasField("last_received_ns") else "never",
            age(session.last_sent_ns, now_ns) if session.HasField("last_sent_ns") else "never",
            _alert_count(session.send_refusals),
        )
    return made


def orders(messages: Iterable[pb.Order], title: str = "Orders") -> Columns:
    """Orders, one line each."""
    right = ("quantity", "price", "done", "leaves", "average")
    left = ("order", "client", "ClOrdID", "symbol", "venue", "side", "type", "TIF")
    spare = ("TIF", "client", "type", "average", "leaves", "ClOrdID", "venue")
    made = table(title, *left, *right, "status", right=right, spare=spare)
    for order in messages:
        row(
            made,
            order.order_id,
            order.client_id,
            order.cl_ord_id,
            Text(order.symbol, "bold"),
            order.venue,
            side(order.side),
            pb.OrdType.Name(order.ord_type).removeprefix("ORD_TYPE_"),
            pb.TimeInForce.Name(order.terms.time_in_force).removeprefix("TIME_IN_FORCE_"),
            number(order.terms.order_qty),
            _prices(order.terms),
            number(order.cum_qty),
            number(order.leaves_qty),
            number(order.avg_px) if Decimal(order.cum_qty or 0) else "",
            status(order),
        )
    return made


def executions(events: Iterable[pb.Event], now_ns: int, title: str = "Executions") -> Columns:
    """Fills, corrections and busts, from their events."""
    right = ("quantity", "price", "order done")
    left = ("time", "seq", "what", "client", "ClOrdID", "symbol", "venue", "side")
    spare = ("client", "order done", "ClOrdID", "refers to", "seq", "venue", "what")
    made = table(title, *left, *right, "ExecID", "refers to", right=("seq", *right), spare=spare)
    for event in events:
        row(
            made,
            clock(event.time_ns, now_ns),
            str(event.seq),
            _event_name(event),
            event.order.client_id,
            event.order.cl_ord_id,
            Text(event.order.symbol, "bold"),
            event.order.venue,
            side(event.order.side),
            number(event.last_qty),
            number(event.last_px),
            number(event.order.cum_qty),
            event.exec_id,
            event.exec_ref_id,
        )
    return made


def positions(messages: Iterable[pb.Position], title: str = "Positions") -> Columns:
    """Positions; a short one is red, and so is a loss."""
    right = ("net", "average entry", "realised P&L", "bought", "sold", "multiplier")
    left, spare = ("account", "strategy", "symbol"), ("multiplier", "sold", "bought", "currency")
    made = table(title, *left, *right, "currency", right=right, spare=spare)
    for position in messages:
        row(
            made,
            position.account,
            position.strategy,
            Text(position.symbol, "bold"),
            signed(position.net_qty),
            number(position.avg_entry_px),
            signed(position.realized_pnl),
            number(position.bought_qty),
            number(position.sold_qty),
            number(position.multiplier),
            position.currency,
        )
    return made


def set_aside(messages: Iterable[pb.SetAsideReport], total: int, now_ns: int) -> Columns:
    """Reports that fit no order or could not be understood."""
    messages = list(messages)
    title = f"Set aside: {total:,}" + (f", the newest {len(messages):,}" if len(messages) < total else "")
    made = table(title, "seq", "time", "venue", "why", "report", right=("seq",), folds=("why", "report"))
    for report in messages:
        when = clock(report.time_ns, now_ns)
        row(made, str(report.seq), when, report.venue, report.why, _spaced(report.report_json))
    return made


def order_life(response: pb.GetOrderResponse, events: Sequence[pb.Event], now_ns: int) -> RenderableType:
    """One order from beginning to end: as it stands, what was asked, what was executed, and every event."""
    order = Group(orders([response.order], "Order"), _details(response.order))
    executed = [_order_executions(response, now_ns)] if response.executions else []
    told = [Group(Text("Events", "bold"), *(event_line(event, now_ns, response.order) for event in events))]
    return apart(order, _requests(response), *executed, *(told if events else []))


def event_line(event: pb.Event, now_ns: int, within: pb.Order | None = None) -> Text:
    """One event on one line; in the life of an order, `within`, without what every line of it would say."""
    known = {"", within.venue, within.symbol, within.cl_ord_id} if within else {""}
    name = _event_name(event, width=21 if within else 23)
    line = Text.assemble((f"{event.seq:>8} ", "dim"), clock(event.time_ns, now_ns), "  ", name)
    for text in (
        *(text for text in (event.venue, event.symbol, event.cl_ord_id) if text not in known),
        *(event.scope, event.control, event.source),
        _event_figures(event),
        _event_limit(event),
        f"until {clock(event.until_ns, now_ns)}" if event.HasField("until_ns") else "",
        event.field,
        event.reason,
        event.text,
    ):
        if text:
            line.append(f"  {text}")
    if event.HasField("order"):
        line.append("  ")
        line.append_text(status(event.order))
    return line


# --- Parts of tables --------------------------------------------------------------------------------------------------


def number(text: str) -> str:
    """A decimal as the API sends it, with thousands apart and no digit lost; empty stays empty."""
    return f"{Decimal(text):,f}" if text else ""


def signed(text: str) -> Text:
    """A number that is red below zero."""
    return Text(number(text), "red" if text.startswith("-") else "")


def limit(message: pb.Limit) -> str:
    """A limit's number with its window: "100 in 10 s", "40 above 1,000,000"."""
    window = f" in {message.per_s} s" if message.per_s else ""
    after = f" above {number(message.after)}" if message.after not in {"", "0"} else ""
    return f"{number(message.value)}{window}{after}"


def side(value: int) -> Text:
    """Side(54), short: BUY, SELL, SHORT, EXEMPT."""
    name = pb.Side.Name(value).removeprefix("SIDE_")
    short = {"SELL_SHORT": "SHORT", "SELL_SHORT_EXEMPT": "EXEMPT"}.get(name, name)
    return Text(short, "green" if name == "BUY" else "red")


def status(order: pb.Order) -> Text:
    """OrdStatus(39), and whether the order is in doubt."""
    text = ord_status(order.ord_status)
    if order.in_doubt:
        text.append(" IN DOUBT", "bold white on red")
    return text


def ord_status(value: int) -> Text:
    """OrdStatus(39) by its name."""
    name = pb.OrdStatus.Name(value).removeprefix("ORD_STATUS_")
    return Text(name, _STATUS_STYLES.get(name, ""))


def counts(last_qty: str | Decimal, factor: str | Decimal, *, in_force: bool) -> Text:
    """Whether an execution counts, and as how much where a corporate action changed that since: quantity and price are
    those of the trade.
    """
    if not in_force:
        return Text("no", "dim")
    same = Decimal(factor or 1) == 1
    return Text("yes" if same else f"as {EXACT.multiply(Decimal(last_qty), Decimal(factor)):,f}", "green")


def clock(at_ns: int, now_ns: int) -> str:
    """A UTC time of day with milliseconds; with its date when that is not today."""
    at, now = (datetime.fromtimestamp(ns // _NS, UTC) for ns in (at_ns, now_ns))
    day = "" if at.date() == now.date() else f"{at:%Y-%m-%d} "
    return f"{day}{at:%H:%M:%S}.{at_ns % _NS // 1_000_000:03d}"


def age(at_ns: int, now_ns: int) -> str:
    """How long ago, in the unit that fits: "0.3 s", "42 s", "7 min", "3 h", "5 d"."""
    seconds = max(0, now_ns - at_ns) // 100_000_000 / 10
    for unit, size, below in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < below:
            return f"{seconds:.1f} s" if seconds < 10 else f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86_400)} d"


def _session_state(session: pb.Session) -> Text:
    if session.logged_on and not (session.order_entry_open or session.drop_copy_of):
        return Text("reconciling" if session.reconciling else "NOT RECONCILED", "bold yellow")
    if session.logged_on:
        return Text(_LOGGED_ON, "bold green")
    return Text("connecting", "bold yellow") if session.enabled else Text("logged out", "bold red")


def _prices(terms: pb.Terms) -> str:
    """The limit price, and behind "@" the stop price."""
    price = number(terms.price) or "market"
    return f"{price} @{number(terms.stop_px)}" if terms.stop_px else price


def _details(order: pb.Order) -> RenderableType:
    facts = {
        "client": order.client_id,
        "account": order.account,
        "strategy": order.strategy,
        "venue's OrderID": order.venue_order_id,
        "ExecInst": order.exec_inst,
        "MaxFloor": number(order.terms.max_floor),
        "expires": _date_time(order.terms.expire_time_ns) if order.terms.HasField("expire_time_ns") else "",
        "unanswered": ", ".join(order.pending),
    }
    return Text("   ".join(f"{name}: {value}" for name, value in facts.items() if value))


def _date_time(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // _NS, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _requests(response: pb.GetOrderResponse) -> Columns:
    made = table("Requests", "kind", "ClOrdID", "ClOrdID at the venue", "state", "text", folds=("text",))
    for request in response.requests:
        state = Text(request.state)
        if request.in_doubt:
            state.append(" IN DOUBT", "bold white on red")
        row(made, request.kind, request.cl_ord_id, request.venue_cl_ord_id, state, request.text)
    return made


def _order_executions(response: pb.GetOrderResponse, now_ns: int) -> Columns:
    shown, total = len(response.executions), response.executions_total
    title = "Executions" + (f", the newest {shown:,} of {total:,}" if shown < total else "")
    right = ("quantity", "price")
    columns = ("time", "ExecID", "kind", *right, "refers to", "trade date", "counts")
    made = table(title, *columns, right=right, spare=("trade date", "kind"))
    for line in response.executions:
        row(
            made,
            clock(line.time_ns, now_ns),
            line.exec_id,
            line.kind,
            number(line.last_qty),
            number(line.last_px),
            line.exec_ref_id,
            line.trade_date,
            counts(line.last_qty, line.factor, in_force=line.in_force),
        )
    return made


def _event_name(event: pb.Event, width: int = 0) -> Text:
    name = pb.EventType.Name(event.type)
    return Text(f"{name:<{width}}", _EVENT_STYLES.get(name, ""))


def _spaced(document: str) -> str:
    """JSON that can be folded between its fields."""
    try:
        return json.dumps(json.loads(document), ensure_ascii=False)
    except ValueError:
        return document


def _event_figures(event: pb.Event) -> str:
    if event.exec_id in {"", _NO_EXECUTION}:
        return ""
    refers = f" for {event.exec_ref_id}" if event.exec_ref_id else ""
    figures = f"{number(event.last_qty)} at {number(event.last_px)} " if event.last_qty else ""
    return f"{figures}({event.exec_id}{refers})"


def _event_limit(event: pb.Event) -> str:
    """What a limit was and is, or which figure is beyond it."""
    if not (event.HasField("limit") or event.HasField("old_limit")):
        return ""
    to = limit(event.limit) if event.HasField("limit") else "none"
    if event.value:
        return f"{number(event.value)} against {to}"
    return f"{limit(event.old_limit)} -> {to}" if event.HasField("old_limit") else to


def _figure(name: str, value: str) -> Text:
    return Text.assemble((f"{name} ", "dim"), (value, "bold"))


def _alert(name: str, value: int, critical: int = 0) -> Text:
    among = f" ({critical:,} critical)" if critical else ""
    return Text.assemble((f"{name} ", "dim"), (f"{_count(value)}{among}", "bold red" if value else "bold"))


def _duration(us: int) -> str:
    """Microseconds; whole seconds where a person answers instead of a machine."""
    return f"{us:,} us" if us < _PATIENT_US else f"{us // 1_000_000:,} s"


def _alert_count(value: int) -> Text:
    return Text(_count(value), "bold red" if value else "")


def _count(value: int) -> str:
    return f"{value:,}"
