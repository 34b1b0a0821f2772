"""The metrics say what was committed and how things stand; Prometheus can read them over HTTP."""

import re
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.adapters import metrics as adapter
from gateway.adapters.metrics import Metrics, Queues
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, HaltInstrument, MassCancel, SubmitOrder
from gateway.core.events import Cause, Event, Record
from gateway.core.state import Session, State
from gateway.core.types import OrdType, Reason, Side

SUBMIT = SubmitOrder("demo", "c1", "ACME", Side.BUY, Decimal(1), OrdType.MARKET)
CLIENT = Cause("client", "demo")
VENUE = Cause("venue", "XSIM", 7)
MS = 1_000_000

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics(
        State(),
        ["XSIM", "YSIM"],
        Queues(lambda: 3, lambda: 4, lambda: 5, lambda: {"XSIM": 6, "YSIM": 0}, lambda venue: venue == "XSIM"),
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
            record(ev.StatusRequested("O1", "XSIM", "V1", "asked"), CLIENT),
        ],
        0.001,
    )

    samples = scrape(metrics)
    assert value(samples, "gateway_events_total", type="InstrumentHalted") == 2
    assert value(samples, "gateway_commands_total", type="HaltInstrument", result="accepted") == 1
    assert value(samples, "gateway_commands_total", type="RequestOrderStatus", result="accepted") == 1


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
    assert not metrics._awaited


def test_orders_that_wait_for_an_acknowledgement_are_bounded(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_AWAITED_AT_MOST", 2)
    metrics.on_commit([record(submitted(str(n))) for n in range(5)], 0.001)

    assert list(metrics._awaited) == ["3", "4"]


def test_gauges_are_read_at_the_scrape() -> None:
    state = State()
    metrics = Metrics(
        state,
        ["XSIM", "YSIM"],
        Queues(lambda: 3, lambda: 4, lambda: 5, lambda: {"XSIM": 6, "YSIM": 0}, lambda venue: venue == "XSIM"),
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
    assert value(samples, "gateway_session_up", venue="XSIM") == 1
    assert value(samples, "gateway_session_up", venue="YSIM") == 0
    assert value(samples, "gateway_session_inbound_seq", venue="XSIM") == 42
    assert value(samples, "gateway_send_refused_total", venue="XSIM") == 6
    assert value(samples, "gateway_set_aside_total") == 9


def test_a_port_that_is_taken_is_an_error_and_stopping_twice_is_none(metrics: Metrics) -> None:
    port = metrics.serve("127.0.0.1", 0)
    other = Metrics(State(), [], Queues(lambda: 0, lambda: 0, lambda: 0, dict, bool))

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port} for metrics: .*in use"):
        other.serve("127.0.0.1", port)
    metrics.stop()
    metrics.stop()
    assert other.serve("127.0.0.1", port) == port
    other.stop()


def test_two_in_one_process_do_not_meet() -> None:
    first, second = (Metrics(State(), [], Queues(lambda: 0, lambda: 0, lambda: 0, dict, bool)) for _ in range(2))
    first.on_commit([record(submitted())], 0.001)

    assert value(scrape(second), "gateway_events_total", type="OrderSubmitted") == 0


def test_the_operations_page_lists_every_metric_with_its_labels_and_type(metrics: Metrics) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    rows = re.findall(r"^\| `(gateway_\w+?)(?:\{([\w,]+)\})?` \| (\w+) \|", page, re.MULTILINE)
    documented = {name: (labels, kind) for name, labels, kind in rows}

    families = [family for family in metrics.registry.collect() if family.name.startswith("gateway_")]
    shown = {}
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = [label for label in family.samples[0].labels if label != "le"]
        shown[name] = (",".join(labels), family.type)
    assert documented == shown
