"""What has to hold when a path of a scenario is driven through the core. Each check plays it from its beginning."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from gateway.core import events as ev
from gateway.core.events import Record
from tests.conformance.core_run import CoreRun
from tests.conformance.expectations import Key, Shown, expectations, same, shown
from tests.conformance.scenario import MessageKind, Path, Row, Scenario

NOT_OUR_STATUS: Mapping[Key, str] = MappingProxyType(
    {
        ("B.1.d", "main", 4): "the matrix says New while the cancel is pending",
        ("B.1.f", "main", 2): "the venue calls an order Rejected that it does not know; the gateway waits for proof",
    }
)
"""Where the venue's OrdStatus(39) does not follow from what the gateway knows to have reached it, with the reason."""

SENDS = (ev.OrderRouted, ev.CancelRequested, ev.ReplaceRequested, ev.StatusRequested)
"""The events on which a venue link acts: each of them is one message to the venue."""

ALARMS = (ev.QuantityDisputed, ev.OrderOverfilled, ev.InstrumentHalted, ev.ReportSetAside, ev.CommandRefused)
"""What no ordinary course of an order may cause."""

ALARMS_EXPECTED: Mapping[str, type] = MappingProxyType(
    {"E.1.a": ev.ReportSetAside, "F.1.a": ev.CommandRefused, "F.1.b": ev.CommandRefused}
)
"""But an order that the gateway never sent is set aside, and another order under a used ClOrdID(11) refused."""

Step = tuple[Key, Row, Sequence[Record], str, Shown | None]


def walk(scenario: Scenario, path: Path, run: CoreRun) -> Iterator[Step]:
    """Plays the path; after each row its key, the records it caused, the letter of its order and what is expected."""
    told = expectations(scenario, path)
    for number, (row, (letter, expected)) in enumerate(zip(path.rows, told, strict=True), 1):
        yield (scenario.id, path.name, number), row, run.play(row), letter, expected


def owner_sees_status_and_quantities(scenario: Scenario, path: Path) -> None:
    """Rules 4 and 5. The invariants of the whole state are checked after every row as well."""
    run = CoreRun(scenario)
    for key, _, records, letter, expected in walk(scenario, path, run):
        same(f"{key} owner", shown(run.view(letter)), expected)
        told = [record.order for record in records if record.order is not None]
        # Which request an event speaks of is the event's, not the order's.
        order_itself = [msgspec.structs.replace(each, request="") for each in told[-1:]]
        same(f"{key} told", order_itself, [run.view(letter)] if told else [])


def venue_agrees_on_what_it_knows(scenario: Scenario, path: Path) -> None:
    """Rule 5: without the requests that the venue has not taken up, the status is the matrix's own."""
    run = CoreRun(scenario)
    for key, row, _, letter, expected in walk(scenario, path, run):
        if row.ord_status is not None and expected is not None and key not in NOT_OUR_STATUS:
            same(f"{key} venue", run.status_at_the_venue(letter), row.ord_status)


def position_moves_with_every_execution(scenario: Scenario, path: Path) -> None:
    """The net position is the signed CumQty(14) of all orders."""
    run = CoreRun(scenario)
    for key, *_ in walk(scenario, path, run):
        same(f"{key} position", run.position(), run.executed())


def recovery_gives_the_same_state(scenario: Scenario, path: Path) -> None:
    """Rule 8, after every row. Replaying also compares each record with the one in the journal."""
    run = CoreRun(scenario)
    for key, *_ in walk(scenario, path, run):
        same(f"{key} recovered", run.recovered(), run.state)


def request_is_sent_once_and_only_where_the_table_has_one(scenario: Scenario, path: Path) -> None:
    """Rules 2 and 3: no report makes the gateway send an order, and a ClOrdID(11) is used for one message."""
    run = CoreRun(scenario)
    names = {scenario.lost}
    for key, row, records, *_ in walk(scenario, path, run):
        sent = [type(record.event) for record in records if isinstance(record.event, SENDS)]
        if row.received is None:
            same(f"{key} sent", set(sent) - {ev.StatusRequested}, set())
        elif row.received.kind is MessageKind.STATUS_REQUEST:
            same(f"{key} sent", sent, [ev.StatusRequested])
        else:
            same(f"{key} number sent", len(sent), 0 if row.received.cl_ord_id in names else 1)
            names.add(row.received.cl_ord_id)


def nothing_is_disputed_set_aside_or_refused(scenario: Scenario, path: Path) -> None:
    """Except where that is what the scenario is about."""
    run = CoreRun(scenario)
    seen = {type(record.event) for *_, records, _, _ in walk(scenario, path, run) for record in records}
    alarms = {ALARMS_EXPECTED[scenario.id]} if scenario.id in ALARMS_EXPECTED else set()
    same("alarms", seen & set(ALARMS), alarms)


CHECKS: tuple[Callable[[Scenario, Path], None], ...] = (
    owner_sees_status_and_quantities,
    venue_agrees_on_what_it_knows,
    position_moves_with_every_execution,
    recovery_gives_the_same_state,
    request_is_sent_once_and_only_where_the_table_has_one,
    nothing_is_disputed_set_aside_or_refused,
)
