"""What Prometheus scrapes. docs/operations.md lists every metric.

Counters and histograms are fed once per committed batch, from its records alone. What is a matter of the present moment
is read when somebody scrapes, on the scraper's thread: only lengths and numbers, which can be read at any time without
holding up the event loop.
"""

import re as reg
import socket
import sys
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import accumulate
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Thread
from typing import Any, get_args
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import msgspec
import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gateway.core import events as ev
from gateway.core.commands import MassCancel
from gateway.core.intake import BY_COMMAND
from gateway.core.money import ZERO
from gateway.core.risk import events as re
from gateway.core.risk import scopes
from gateway.core.risk.book import Node
from gateway.core.risk.state import Profit
from gateway.core.state import Item, State
from gateway.core.types import Reason, Severity
from gateway.runtime.latency import FirstWords

MOST_SCRAPES = 8
"""At a time; each has a thread and a connection. One more is told so with 503 Service Unavailable."""
SCRAPE_S = 10.0
"""How long a scraper may say nothing, or not read, before its connection is closed."""

_log = structlog.get_logger(__name__)

_COMMIT_S = (50e-6, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_ACK_S = (1e-4, 2e-4, 3e-4, 5e-4, 7.5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096)
_MOST_SCOPES = {scopes.FIRM: 1, "desk": 200, "account": 200, "strategy": 50}
"""How many scopes of a level have figures of their own; where there are more, that level has none."""

# Each of these events accepts one command, when it comes from a client or an operator.
_ACCEPTED: dict[type, str] = {
    ev.OrderSubmitted: "SubmitOrder",
    ev.ReplaceRequested: "ReplaceOrder",
    ev.CancelRequested: "CancelOrder",
    ev.MassCancelDone: "MassCancel",
    ev.StatusRequested: "RequestOrderStatus",
    ev.InstrumentHalted: "HaltInstrument",
    ev.InstrumentResumed: "ResumeInstrument",
    ev.SessionAdministered: "AdministerSession",
    ev.OrderEntryOpened: "OpenOrderEntry",
    ev.DoubtResolved: "ResolveDoubt",
    ev.ReconciliationStarted: "ReconcileVenue",
    ev.ItemResolved: "ResolveItem",
    re.LimitProposed: "SetLimit",
    re.LimitChanged: "SetLimit",
    re.LimitDeclined: "DecideChange",
    re.OverrideProposed: "GrantOverride",
    re.OverrideGranted: "GrantOverride",
    re.OverrideEnded: "EndOverride",
    re.TradingStopped: "StopTrading",
    re.TradingResumed: "ResumeTrading",
    re.MarksSet: "SetMarks",
}
_APPROVED = "DecideChange"
_BY_ITSELF_TOO = (ev.ItemResolved, re.LimitDeclined, re.OverrideEnded, re.TradingStopped, re.TradingResumed)

_OWN_NAME = reg.compile(r"(SELF|AWAY|STOP\d+)\.(?P<number>\d+)(\.1)*", reg.ASCII)
"""The ClOrdIDs of cancels and replaces that the gateway makes by itself, to prevent a self-match or for a stop. The
number is the one in the request's own venue_cl_ord_id: a client that makes such a name up does not know it before.
"""


class Queues(msgspec.Struct, frozen=True):
    """What is read at every scrape besides the state, on the scraper's thread: each has to be quick and safe there.

    `send_refusals` gives, by session, how many messages it did not take; `takes_orders`, by venue, whether new orders
    may go there. A drop copy is a session and no venue. `follows` says whether the follower runs, `damaged` whether it
    found the journal damaged, `behind`, by what it keeps, how many events of the journal that does not have.
    """

    commands: Callable[[], int]
    reports: Callable[[], int]
    subscribers: Callable[[], int]
    send_refusals: Callable[[], Mapping[str, int]]
    takes_orders: Callable[[], Mapping[str, bool]]
    follows: Callable[[], bool]
    damaged: Callable[[], bool]
    behind: Callable[[], Mapping[str, int]]


class Metrics(Collector):
    """The gateway's metrics and the HTTP server that shows them. `sessions` are the names of all FIX sessions."""

    def __init__(self, state: State, sessions: Iterable[str], queues: Queues) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Present(state, tuple(sessions), queues))
        self.registry.register(self)
        self._commit = _Histogram("gateway_commit_seconds", "Duration of a journal commit.", _COMMIT_S)
        self._batch = _Histogram("gateway_batch_records", "Records in a journal commit.", _RECORDS)
        text = "From the receipt of an order to the receipt of the venue's answer."
        self._ack = _Histogram("gateway_order_to_ack_seconds", text, _ACK_S)
        names = (*_ACCEPTED.values(),)
        self._events = dict.fromkeys(get_args(ev.Event), 0)
        self._accepted = dict.fromkeys(names, 0)
        self._refused = dict.fromkeys(names, 0)
        self._reasons = dict.fromkeys(Reason, 0)
        self._first_words = FirstWords()
        self._server: tuple[WSGIServer, Thread] | None = None

    def on_commit(self, records: Sequence[ev.Record], seconds: float) -> None:
        """One batch became durable in `seconds`. Called once per batch, on the event loop."""
        self._commit.observe(seconds)
        self._batch.observe(len(records))
        for record in records:
            self._events[type(record.event)] += 1
            self._note(record)

    def collect(self) -> Iterable[Metric]:
        """What was counted; called by whoever scrapes."""
        for histogram in (self._commit, self._batch, self._ack):
            yield histogram.metric()
        events = [((kind.__name__,), count) for kind, count in self._events.items()]
        yield _counts("gateway_events", "Committed events.", ["type"], events)
        commands = [
            ((name, result), count)
            for result, counts in (("accepted", self._accepted), ("refused", self._refused))
            for name, count in counts.items()
        ]
        text = "Decided commands; a repeated one is not new."
        yield _counts("gateway_commands", text, ["type", "result"], commands)
        reasons = [((reason.value,), count) for reason, count in self._reasons.items()]
        yield _counts("gateway_refusals", "Commands that the gateway itself refused.", ["reason"], reasons)

    def serve(self, host: str, port: int) -> int:
        """Let Prometheus scrape http://host:port/metrics; returns the port, which the system chooses for 0.

        Raises:
            OSError: the address is taken or not ours; the message names it.
        """
        try:
            server = _listening(host, port)
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port} for metrics: {error}") from error
        server.set_app(make_wsgi_app(self.registry))
        thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        self._server = server, thread
        return server.server_port

    def stop(self) -> None:
        """Close the HTTP server. Safe to call twice."""
        if self._server is not None:
            server, thread = self._server
            self._server = None
            server.shutdown()
            server.server_close()
            thread.join()

    def _note(self, record: ev.Record) -> None:
        event = record.event
        kind = type(event)
        if kind in _ACCEPTED and _accepts_command(record):
            self._accepted[_APPROVED if getattr(event, "approved_by", "") else _ACCEPTED[kind]] += 1
        if isinstance(event, ev.CommandRefused):
            self._refused[type(event.command).__name__] += 1
            self._reasons[event.reason] += 1
        elif (took_ns := self._first_words.took_ns(record)) is not None:
            self._ack.observe(took_ns / 1e9)


# ruff: noqa: A002, ARG002 - the names and the arguments of the two below are the library's.


class _Scrape(WSGIRequestHandler):
    """One request."""

    timeout = SCRAPE_S

    def log_message(self, format: str, *args: Any) -> None:
        """That somebody scrapes is no news."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each request, for so many at a time: whoever connects takes none of what trading needs."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], family: socket.AddressFamily) -> None:
        self.address_family = family
        self._places = BoundedSemaphore(MOST_SCRAPES)
        super().__init__(address, _Scrape)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            with suppress(OSError):
                request.settimeout(0.1)
                request.recv(65_536)  # Who closes with something unread resets the connection, and the answer is lost.
                request.sendall(b"HTTP/1.0 503 Service Unavailable\r\n\r\n%d scrapes are the limit\n" % MOST_SCRAPES)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # No thread can be started now.
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who left or was silent is no error of ours."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            _log.error("scrape failed", error=repr(error), exc_info=error)


def _listening(host: str, port: int) -> _Server:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return _Server((str(address[0]), port), family)


class _Histogram:
    """Counted as Prometheus wants it told. The library's own takes a lock and looks at every bound, on each commit."""

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._text = text
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def metric(self) -> Metric:
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(list(self._counts)), strict=True))
        return HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._sum)


def _counts(name: str, text: str, labels: Sequence[str], counts: Iterable[tuple[Sequence[str], int]]) -> Metric:
    metric = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts:
        metric.add_metric(values, count)
    return metric


class _Present(Collector):
    """How things stand at the moment of the scrape. The state may be one batch ahead of the journal."""

    def __init__(self, state: State, sessions: tuple[str, ...], queues: Queues) -> None:
        self._state = state
        self._sessions = sessions
        self._queues = queues

    def _reconciliation(self) -> Iterable[Metric]:
        items = list(self._state.items.values())
        counts = Tally(item.raised.severity for item in items)
        text = "Reconciliation items that are open."
        metric = GaugeMetricFamily("gateway_items_open", text, labels=["severity"])
        for severity in Severity:
            metric.add_metric([severity.value], counts[severity])
        yield metric
        yield _gauge("gateway_items_oldest_seconds", "Age of the oldest open reconciliation item.", _age_s(items))

    def _risk(self) -> Iterable[Metric]:
        """As of the last decision or turn of the clock: the totals are brought up to date there, never here."""
        risk = self._state.risk
        stopped = [(scopes.level_of(stop.stopped.scope), stop.stopped.source) for stop in list(risk.stops.values())]
        counts = Tally({(level, "kill"): 0 for level in (*scopes.LEVELS, scopes.ORDER)})
        counts.update(stopped)
        metric = GaugeMetricFamily(
            "gateway_stops_active", "Scopes in which trading is stopped.", labels=["level", "source"]
        )
        for (level, source), count in counts.items():
            metric.add_metric([level, source], count)
        yield metric
        breaches = Tally(breach.severity for breach in list(risk.breaches.values()))
        metric = GaugeMetricFamily(
            "gateway_breaches_open", "Figures beyond their limits, or near them.", labels=["severity"]
        )
        for severity in Severity:
            metric.add_metric([severity.value], breaches[severity])
        yield metric
        nodes = _shown(dict(risk.book.nodes))
        for name, text, value in _FIGURES:
            metric = GaugeMetricFamily(name, text, labels=["scope"])
            for scope, node in nodes.items():
                metric.add_metric([scope], float(value(node, risk.profits.get(scope) or Profit())))
            yield metric

    def collect(self) -> Iterable[Metric]:
        state, queues = self._state, self._queues
        # list() or set() of a dictionary's values is one step for the interpreter: nothing can come in between.
        yield _gauge(
            "gateway_orders_working", "Orders that can still trade.", sum(map(len, list(state.working.values())))
        )
        doubtful = len(set(state.doubtful.values()))
        yield _gauge(
            "gateway_orders_in_doubt", "Orders of which a request may or may not have reached the venue.", doubtful
        )
        yield from self._reconciliation()
        yield from self._risk()
        yield _gauge("gateway_command_queue", "Commands that wait to be decided.", queues.commands())
        yield _gauge("gateway_report_queue", "Facts from venues that wait to be applied.", queues.reports())
        yield _gauge("gateway_subscribers", "Event streams that are open.", queues.subscribers())
        yield _gauge("gateway_follower_up", "1 while the follower runs.", queues.follows())
        text = "Events of the journal that the newest snapshot, or the projections, do not have."
        metric = GaugeMetricFamily("gateway_follower_behind_events", text, labels=["what"])
        for what, events in queues.behind().items():
            metric.add_metric([what], events)
        yield metric
        text = "1 since the follower found the journal damaged behind its snapshot."
        yield _gauge("gateway_journal_damaged", text, queues.damaged())
        sessions = {name: state.session(name) for name in self._sessions}
        up = {venue: float(session.up) for venue, session in sessions.items()}
        yield _by_venue(GaugeMetricFamily, "gateway_session_up", "1 while the FIX session is logged on.", up)
        text = "1 while new orders may go to the venue: logged on, and reconciled or opened by an operator."
        yield _by_venue(GaugeMetricFamily, "gateway_order_entry_open", text, queues.takes_orders())
        seqs = {venue: session.inbound_seq for venue, session in sessions.items()}
        text = "MsgSeqNum(34) of the last committed message from the venue."
        yield _by_venue(GaugeMetricFamily, "gateway_session_inbound_seq", text, seqs)
        text = "Messages that the FIX session did not take because it was not logged on."
        yield _by_venue(CounterMetricFamily, "gateway_send_refused", text, queues.send_refusals())
        text = "Reports that fit no order or could not be understood."
        yield CounterMetricFamily("gateway_set_aside", text, value=state.set_aside_total)


_FIGURES: tuple[tuple[str, str, Callable[[Node, Profit], Decimal]], ...] = (
    ("gateway_gross_notional", "Positions with the working orders that make them largest.", lambda node, _: node.gross),
    ("gateway_net_notional", "Value of the positions as they are.", lambda node, _: node.net),
    (
        "gateway_margin_used",
        "Margin, or the loss of the worst scenario.",
        lambda node, _: max(node.margin, *node.losses, ZERO),
    ),
    ("gateway_day_profit", "Profit since the start of the day, at the marks.", lambda _, profit: profit.day),
)


def _shown(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Those that have figures of their own; always the firm."""
    counts = Tally(scopes.level_of(scope) for scope in nodes)
    shown = {
        scope: node
        for scope, node in nodes.items()
        if counts[level := scopes.level_of(scope)] <= _MOST_SCOPES.get(level, 0)
    }
    return {scopes.FIRM: Node(scopes.FIRM, 0)} | shown


def _age_s(items: Sequence[Item]) -> float:
    """Of the oldest, by the wall clock; items are in the order in which they were raised."""
    return max(0.0, (time.time_ns() - items[0].at_ns) / 1e9) if items else 0.0


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _by_venue(
    family: type[GaugeMetricFamily | CounterMetricFamily], name: str, text: str, values: Mapping[str, float]
) -> Metric:
    metric = family(name, text, labels=["venue"])
    for venue, value in values.items():
        metric.add_metric([venue], value)
    return metric


def _accepts_command(record: ev.Record) -> bool:
    """Not the gateway's own doing (an order may trip a breaker or have others taken out of its way; evidence resolves
    items), not what an operator's command leads to (a stop cancels, a comparison asks), and not a part of a mass
    cancel, counted as one.
    """
    event, kind = record.event, record.cause.kind
    if isinstance(event, (ev.CancelRequested, ev.ReplaceRequested)):
        return kind == "client" and not (isinstance(event.command, MassCancel) or _is_own(event))
    if isinstance(event, ev.StatusRequested):
        return event.why == BY_COMMAND
    by_itself = isinstance(event, _BY_ITSELF_TOO) and not event.operator
    return kind in {"client", "operator"} and not by_itself


def _is_own(event: ev.CancelRequested | ev.ReplaceRequested) -> bool:
    named = _OWN_NAME.fullmatch(event.cl_ord_id)
    return named is not None and event.venue_cl_ord_id.endswith(f"R{named['number']}")
