"""The metrics say what was committed and how things stand; Prometheus can read them over HTTP."""

import re as reg
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.error import HTTPError

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.adapters import metrics as served
from gateway.adapters.metrics import Metrics, Queues
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, HaltInstrument, MassCancel, SubmitOrder
from gateway.core.events import Cause, Event, Record
from gateway.core.intake import BY_COMMAND
from gateway.core.risk import events as re
from gateway.core.risk.book import Node
from gateway.core.risk.commands import StopTrading
from gateway.core.risk.controls import Breaker, Control
from gateway.core.risk.setup import Limit
from gateway.core.risk.state import Profit, Stop
from gateway.core.state import Session, State
from gateway.core.types import OrdType, Reason, Severity, Side
from tests.core.risk.floor import Floor, breaker
from tests.core.world import order

SUBMIT = SubmitOrder("demo", "c1", "ACME", Side.BUY, Decimal(1), OrdType.MARKET)
CLIENT = Cause("client", "demo")
VENUE = Cause("venue", "XSIM", 7)
MS = 1_000_000

QUEUES = Queues(
    commands=lambda: 3,
    reports=lambda: 4,
    subscribers=lambda: 5,
    send_refusals=lambda: {"XSIM": 6, "YSIM": 0},
    takes_orders=lambda: {"XSIM": True, "YSIM": False},
    follows=lambda: True,
    damaged=lambda: False,
    behind=lambda: {"snapshot": 7, "projections": 8},
)
NONE = Queues(int, int, int, dict, dict, bool, bool, dict)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics(
        State(),
        ["XSIM", "YSIM"],
        QUEUES,
    )
    yield made
    made.stop()


def record(event: Event, cause: Cause = CLIENT, at_ns: int = 0) -> Record:
    return Record(1, at_ns, cause, event)


def submitted(order_id: str = "O1") -> Event:
    return ev.OrderSubmitted(order_id, SUBMIT, "XSIM", Decimal(1), "USD")


def scrape(metrics: Metrics) -> Samples:
    """Everything that an HTTP scrape shows, read as Prometheus reads it."""
    port = metrics.serve("127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            assert reply.headers["Content-Type"].startswith("text/plain")
            text = reply.read().decode()
    finally:
        metrics.stop()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_events_and_commands_are_counted_by_type(metrics: Metrics) -> None:
    cancel, mass = CancelOrder("demo", "c2", "c1"), MassCancel("demo", "m1")
    metrics.on_commit(
        [
            record(submitted("O1")),
            record(submitted("O2")),
            record(ev.CancelRequested("O1", "XSIM", "c2", "V2", "V1", cancel)),
            record(ev.CancelRequested("O2", "XSIM", "m1", "V3", "V1", mass)),
            record(ev.MassCancelDone(mass, 1)),
            record(ev.CommandRefused(SUBMIT, Reason.PRICE_OFF_TICK, "price", "off tick")),
        ],
        0.001,
    )

    samples = scrape(metrics)
    assert value(samples, "gateway_events_total", type="OrderSubmitted") == 2
    assert value(samples, "gateway_events_total", type="CancelRequested") == 2
    assert value(samples, "gateway_events_total", type="OrderFilled") == 0
    assert value(samples, "gateway_commands_total", type="SubmitOrder", result="accepted") == 2
    assert value(samples, "gateway_commands_total", type="SubmitOrder", result="refused") == 1
    assert value(samples, "gateway_commands_total", type="CancelOrder", result="accepted") == 1
    assert value(samples, "gateway_commands_total", type="MassCancel", result="accepted") == 1
    assert value(samples, "gateway_refusals_total", reason="PRICE_OFF_TICK") == 1
    assert value(samples, "gateway_refusals_total", reason="SESSION_DOWN") == 0


def test_what_the_gateway_does_by_itself_is_no_command(metrics: Metrics) -> None:
    halt = HaltInstrument("ops", "ACME", "news")
    metrics.on_commit(
        [
            record(ev.InstrumentHalted("ACME", "overfill"), VENUE),
            record(ev.InstrumentHalted("ACME", halt.reason, halt.operator), Cause("operator", "ops")),
            record(ev.StatusRequested("O1", "XSIM", "V1", "no answer"), Cause("timer")),
            record(ev.StatusRequested("O1", "XSIM", "V1", BY_COMMAND), CLIENT),
            record(ev.StatusRequested("O1", "XSIM", "V1", BY_COMMAND), Cause("operator", "ops")),
        ],
        0.001,
    )

    samples = scrape(metrics)
    assert value(samples, "gateway_events_total", type="InstrumentHalted") == 2
    assert value(samples, "gateway_commands_total", type="HaltInstrument", result="accepted") == 1
    assert value(samples, "gateway_commands_total", type="RequestOrderStatus", result="accepted") == 2


def test_what_an_operators_command_leads_to_is_no_command(metrics: Metrics) -> None:
    """A kill switch with two working orders is one StopTrading, and a comparison is one ReconcileVenue."""
    operator = Cause("operator", "ops")
    cancels = [
        ev.CancelRequested(order_id, "XSIM", name, f"V{name}", "V1", CancelOrder("demo", name, "c1"))
        for order_id, name in (("O1", "kill.1"), ("O2", "kill.2"))
    ]
    metrics.on_commit(
        [
            *[record(event, operator) for event in (re.TradingStopped("firm", "kill", "r", "ops"), *cancels)],
            record(ev.ReconciliationStarted("XSIM", 1, "each", "asked", 2), operator),
            record(ev.StatusRequested("O1", "XSIM", "V1", "comparison 1"), operator),
            record(ev.StatusRequested("O2", "XSIM", "V2", "comparison 1"), operator),
            record(ev.ItemResolved("I1", "XSIM", "XSIM speaks of it again"), operator),
            record(ev.ItemResolved("I2", "XSIM", "seen", "ops"), operator),
        ],
        0.001,
    )

    samples = scrape(metrics)
    accepted = {
        dict(labels)["type"]: count
        for (name, labels), count in samples.items()
        if name == "gateway_commands_total" and count
    }
    assert accepted == {"StopTrading": 1, "ReconcileVenue": 1, "ResolveItem": 1}


@pytest.mark.parametrize("self_match", ["cancel_old", "decrement"])
def test_what_an_order_leads_to_is_no_command_of_its_client(metrics: Metrics, self_match: str) -> None:
    """Others are taken out of its way, in its input; and it trips a breaker, which cancels."""
    rule = breaker(Breaker.MESSAGE_RATE, 4)
    floor = Floor.opened(self_match=self_match, breakers=(rule,))
    rests = floor.working("rests", 300, side=Side.SELL, client_id="other")
    floor.ask(order("meets", 100))
    floor.ask(order("trips", 100, price=Decimal(9)))
    floor.ask(order("late", 100, price=Decimal(9)))
    assert len(rests.requests) > 1
    assert floor.state.risk.stops
    metrics.on_commit(floor.records, 0.001)
    samples = scrape(metrics)
    asked = ("CancelOrder", "ReplaceOrder", "StopTrading")
    assert [value(samples, "gateway_commands_total", type=kind, result="accepted") for kind in asked] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "venue_cl_ord_id", "own"),
    [
        ("SELF.7", "abR7", True),
        ("STOP12.7.1", "abR7", True),
        ("AWAY.7", "abR7", True),
        ("SELF", "abR7", False),
        # A client's own, which it happened to call so.
        ("SELF.7", "abR17", False),
        ("STOP1.7", "abR8", False),
    ],
)
def test_the_gateways_own_requests_are_known_by_their_names_and_numbers(
    metrics: Metrics, name: str, venue_cl_ord_id: str, own: bool
) -> None:
    asked = ev.CancelRequested("O1", "XSIM", name, venue_cl_ord_id, "abR1", CancelOrder("demo", name, "1"))
    metrics.on_commit([record(asked)], 0.001)
    count = value(scrape(metrics), "gateway_commands_total", type="CancelOrder", result="accepted")
    assert count == (0 if own else 1)


def test_commits_go_into_histograms_that_begin_at_50_microseconds(metrics: Metrics) -> None:
    metrics.on_commit([record(submitted(str(n))) for n in range(3)], 0.00004)
    metrics.on_commit([record(submitted("x"))], 0.0015)

    samples = scrape(metrics)
    assert value(samples, "gateway_commit_seconds_count") == 2
    assert value(samples, "gateway_commit_seconds_sum") == pytest.approx(0.00154)
    assert value(samples, "gateway_commit_seconds_bucket", le="5e-05") == 1
    assert value(samples, "gateway_commit_seconds_bucket", le="0.002") == 2
    assert value(samples, "gateway_batch_records_sum") == 4
    assert value(samples, "gateway_batch_records_bucket", le="1.0") == 1


@pytest.mark.parametrize("answer", [ev.OrderAcknowledged("O1"), ev.OrderRejected("O1"), ev.OrderFilled("O1")])
def test_the_venues_first_word_on_an_order_is_its_acknowledgement(metrics: Metrics, answer: Event) -> None:
    metrics.on_commit([record(submitted(), at_ns=1_000 * MS)], 0.001)
    metrics.on_commit([record(answer, VENUE, 1_004 * MS)], 0.001)
    metrics.on_commit([record(ev.OrderAcknowledged("O1"), VENUE, 9_000 * MS)], 0.001)  # Resumed, much later.
    metrics.on_commit([record(ev.OrderAcknowledged("from before the restart"), VENUE, 9_000 * MS)], 0.001)

    samples = scrape(metrics)
    assert value(samples, "gateway_order_to_ack_seconds_count") == 1
    assert value(samples, "gateway_order_to_ack_seconds_sum") == pytest.approx(0.004)


def test_an_order_that_was_never_sent_has_no_acknowledgement_time(metrics: Metrics) -> None:
    metrics.on_commit([record(submitted()), record(ev.OrderUnsent("O1", "V1", "not logged on"))], 0.001)

    assert value(scrape(metrics), "gateway_order_to_ack_seconds_count") == 0
    assert not metrics._first_words


def test_gauges_are_read_at_the_scrape() -> None:
    state = State()
    metrics = Metrics(
        state,
        ["XSIM", "YSIM"],
        QUEUES,
    )
    state.working = {"demo": {"O1": None, "O2": None}, "other": {"O3": None}}
    state.doubtful = {"V1": "O1", "V2": "O1", "V3": "O2"}
    state.sessions = {"XSIM": Session(up=True, inbound_seq=42)}
    state.set_aside_total = 9

    samples = scrape(metrics)
    assert value(samples, "gateway_orders_working") == 3
    assert value(samples, "gateway_orders_in_doubt") == 2
    assert value(samples, "gateway_command_queue") == 3
    assert value(samples, "gateway_report_queue") == 4
    assert value(samples, "gateway_subscribers") == 5
    assert (value(samples, "gateway_follower_up"), value(samples, "gateway_journal_damaged")) == (1, 0)
    assert value(samples, "gateway_follower_behind_events", what="snapshot") == 7
    assert value(samples, "gateway_follower_behind_events", what="projections") == 8
    assert value(samples, "gateway_session_up", venue="XSIM") == 1
    assert value(samples, "gateway_session_up", venue="YSIM") == 0
    assert value(samples, "gateway_session_inbound_seq", venue="XSIM") == 42
    assert value(samples, "gateway_send_refused_total", venue="XSIM") == 6
    assert value(samples, "gateway_set_aside_total") == 9


def test_commands_of_risk_are_counted_when_a_person_gave_them(metrics: Metrics) -> None:
    operator = Cause("operator", "ops")
    changed = re.LimitChanged("firm", Control.MAX_LOSS, None, Limit(Decimal(1)), "ops", "r")
    metrics.on_commit(
        [
            record(changed, operator),
            record(msgspec.structs.replace(changed, change_id="L1", approved_by="second"), operator),
            record(re.OverrideProposed("L2", "firm", "short_sale", 9, "ops", "r"), operator),
            record(re.OverrideGranted("firm", "short_sale", 9, "ops", "r; yes", "L2", "second"), operator),
            record(re.TradingStopped("firm", "kill", "r", "ops"), operator),
            record(re.TradingStopped("firm", "loss", "an order of a client's tripped it"), CLIENT),
            record(re.OverrideEnded("firm", "short_sale"), Cause("timer")),
            record(re.MarksSet(), CLIENT),
            record(ev.CommandRefused(StopTrading("ops", "moon", "r"), Reason.SCOPE_UNKNOWN, "scope", "no"), operator),
        ],
        0.001,
    )
    samples = scrape(metrics)

    def accepted(name: str) -> float:
        return value(samples, "gateway_commands_total", type=name, result="accepted")

    names = ("SetLimit", "DecideChange", "GrantOverride", "StopTrading", "EndOverride", "SetMarks")
    assert [accepted(name) for name in names] == [1, 2, 1, 1, 0, 1]
    assert value(samples, "gateway_commands_total", type="StopTrading", result="refused") == 1
    assert value(samples, "gateway_refusals_total", reason="SCOPE_UNKNOWN") == 1
    assert value(samples, "gateway_refusals_total", reason="RISK_ORDER_QTY") == 0


def test_risk_is_shown_as_it_stands() -> None:
    state = State()
    metrics = Metrics(state, [], NONE)
    samples = scrape(metrics)
    assert value(samples, "gateway_stops_active", level="firm", source="kill") == 0
    assert value(samples, "gateway_breaches_open", severity="critical") == 0
    assert value(samples, "gateway_gross_notional", scope="firm") == 0

    for scope, source in (("account:A1", "kill"), ("account:A2", "kill"), ("firm", "loss")):
        stopped = re.TradingStopped(scope, source, "r")
        state.risk.stops[f"{scope}|{source}"] = Stop(stopped, at_ns=0, number=1, last_order_no=0)
    state.risk.breaches["firm|max_loss"] = re.BreachBegan(
        "firm", "max_loss", Severity.WARNING, Decimal(9), Decimal(10), "near"
    )
    for scope, gross in (("firm", 500), ("account:A1", 300), ("client:demo", 500), ("instrument:ACME", 500)):
        node = state.risk.book.nodes[scope] = Node(scope, 1)
        node.gross, node.net, node.margin, node.losses = Decimal(gross), Decimal(-5), Decimal(7), [Decimal(9)]
    state.risk.profits["firm"] = Profit(now=Decimal(30), began=Decimal(50))

    samples = scrape(metrics)
    assert value(samples, "gateway_stops_active", level="account", source="kill") == 2
    assert value(samples, "gateway_stops_active", level="firm", source="loss") == 1
    assert value(samples, "gateway_breaches_open", severity="warning") == 1
    assert value(samples, "gateway_gross_notional", scope="account:A1") == 300
    assert value(samples, "gateway_net_notional", scope="firm") == -5
    assert value(samples, "gateway_margin_used", scope="firm") == 9
    assert value(samples, "gateway_day_profit", scope="firm") == -20
    assert not any(labels == frozenset({("scope", "client:demo")}) for _, labels in samples)
    assert not any(labels == frozenset({("scope", "instrument:ACME")}) for _, labels in samples)


@pytest.mark.parametrize(("count", "shown"), [(50, 50), (51, 0)])
def test_a_level_with_very_many_scopes_is_not_shown(count: int, shown: int) -> None:
    state = State()
    for number in range(count):
        scope = f"strategy:A1/s{number}"
        state.risk.book.nodes[scope] = Node(scope, 0)
    metrics = Metrics(state, [], NONE)
    assert len([name for name, _ in scrape(metrics) if name == "gateway_gross_notional"]) == 1 + shown


def test_a_port_that_is_taken_is_an_error_and_stopping_twice_is_none(metrics: Metrics) -> None:
    port = metrics.serve("127.0.0.1", 0)
    other = Metrics(State(), [], NONE)

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port} for metrics: .*in use"):
        other.serve("127.0.0.1", port)
    metrics.stop()
    metrics.stop()
    assert other.serve("127.0.0.1", port) == port
    other.stop()


def test_who_connects_and_says_nothing_takes_few_threads_and_no_more(metrics: Metrics) -> None:
    """Each had a thread and a file descriptor for good, until the journal got none."""
    port, before = metrics.serve("127.0.0.1", 0), threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(served.MOST_SCRAPES)]
    _until(lambda: threading.active_count() == before + served.MOST_SCRAPES)
    with pytest.raises(HTTPError, match="503"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20)
    for each in silent:
        each.close()
    _until(lambda: threading.active_count() == before)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
        assert b"gateway_events_total" in reply.read()


@pytest.mark.parametrize("end", [socket.socket.close, lambda sock: None], ids=["left", "silent"])
def test_a_scraper_that_goes_away_says_nothing_in_the_log(
    metrics: Metrics, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, end: Callable[..., object]
) -> None:
    """It left a traceback there, where each line is a JSON object."""
    monkeypatch.setattr(served._Scrape, "timeout", 0.2)
    port, before = metrics.serve("127.0.0.1", 0), threading.active_count()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # Its end is a reset.
        sock.sendall(b"GET /metr")
        _until(lambda: threading.active_count() > before)
        end(sock)
        _until(lambda: threading.active_count() == before)
    assert capfd.readouterr().err == ""


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_two_in_one_process_do_not_meet() -> None:
    first, second = (Metrics(State(), [], NONE) for _ in range(2))
    first.on_commit([record(submitted())], 0.001)

    assert value(scrape(second), "gateway_events_total", type="OrderSubmitted") == 0


def test_the_operations_page_lists_every_metric_with_its_labels_and_type(metrics: Metrics) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    rows = reg.findall(r"^\| `(gateway_\w+?)(?:\{([\w,]+)\})?` \| (\w+) \|", page, reg.MULTILINE)
    documented = {name: (labels, kind) for name, labels, kind in rows}

    families = [family for family in metrics.registry.collect() if family.name.startswith("gateway_")]
    shown = {}
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = [label for label in family.samples[0].labels if label != "le"]
        shown[name] = (",".join(labels), family.type)
    assert documented == shown
