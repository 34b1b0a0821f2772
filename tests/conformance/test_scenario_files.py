"""The 47 tables of Appendix D are all there, complete, and right in themselves, before anything is driven through them.

What a row says is worked out a second time here, from the executions and the open requests, and compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from gateway.core.types import ExecType, OrdStatus, OrdType, Side, TimeInForce
from tests.conformance.scenario import (
    SCENARIO_DIR,
    Event,
    Message,
    MessageKind,
    Path,
    Row,
    Scenario,
    ScenarioError,
    VenueAction,
    load_scenarios,
    parse_scenario,
)

GROUPS = {
    "A.1": "ab",
    "B.1": "abcdef",
    "C.1": "abc",
    "C.2": "a",
    "C.3": "abc",
    "D.1": "abc",
    "D.2": "abcd",
    "E.1": "abcde",
    "F.1": "abc",
    "G.1": "abc",
    "H.1": "abcd",
    "I.1": "ab",
    "J.1": "abcd",
    "K.1": "ab",
    "L.1": "ab",
}
IDS = [f"{group}.{letter}" for group, letters in GROUPS.items() for letter in letters]

# OrdStatus(39) by precedence: of what holds at the same time, the highest is reported.
PRECEDENCE = {
    OrdStatus.PENDING_CANCEL: 12,
    OrdStatus.PENDING_REPLACE: 11,
    OrdStatus.DONE_FOR_DAY: 10,
    OrdStatus.CALCULATED: 9,
    OrdStatus.FILLED: 8,
    OrdStatus.STOPPED: 7,
    OrdStatus.SUSPENDED: 6,
    OrdStatus.CANCELED: 5,
    OrdStatus.EXPIRED: 5,
    OrdStatus.PARTIALLY_FILLED: 4,
    OrdStatus.NEW: 2,
    OrdStatus.PENDING_NEW: 2,
    OrdStatus.REJECTED: 2,
}
PENDING = {
    MessageKind.CANCEL_REQUEST: OrdStatus.PENDING_CANCEL,
    MessageKind.REPLACE_REQUEST: OrdStatus.PENDING_REPLACE,
}
CORPORATE_ACTION = "0"  # ExecRestatementReason(378)
NOT_WORKING = frozenset({OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED})

# Where a matrix is not as the rule of a test would have it, by (scenario, path, line in the path), with the reason.
NO_ORDER_QTY = {("L.1.b", "rejected", 2): "refused before the cash amount was made a quantity"}
LEAVES_NOT_THE_REST = {("E.1.a", "main", 2): "the matrix confirms the telephoned order with LeavesQty 0"}
LAST_QTY_NOT_EXECUTED = {("L.1.a", "main", 3): "LastQty of a Stopped report is what is guaranteed"}
STATUS_WITH_LAST_QTY = {("G.1.b", "main", 4): "the other matrices leave LastQty out of a status reply"}
NO_LAST_QTY = {("F.1.b", "main", 6): "a refusal that is the status of the first order as well"}
NOT_THE_HIGHEST = {
    ("B.1.d", "main", 4): "the matrix says New although a cancel is pending",
}
OWN_STATUS = {
    ("B.1.f", "main", 2): "the refused cancel leaves the order itself in doubt, and so Pending New",
}

Key = tuple[str, str, int]

SCENARIOS = load_scenarios()
PATHS = [(scenario, path) for scenario in SCENARIOS for path in scenario.paths]
each_path = pytest.mark.parametrize(("scenario", "path"), [pytest.param(s, p, id=f"{s.id}-{p.name}") for s, p in PATHS])


def executions(scenario: Scenario, path: Path) -> Iterator[tuple[Key, Row]]:
    """The Execution rows of a path, each with the key that names it in the tables of exceptions."""
    for number, row in enumerate(path.rows, 1):
        if row.sent is not None and row.sent.kind is MessageKind.EXECUTION:
            yield (scenario.id, path.name, number), row


def known(value: Decimal | None) -> Decimal:
    assert value is not None
    return value


def test_the_tables_are_the_47_scenarios() -> None:
    assert len(IDS) == 47
    assert [scenario.id for scenario in SCENARIOS] == IDS
    assert sorted(file.name for file in SCENARIO_DIR.iterdir()) == sorted([*(f"{i}.txt" for i in IDS), "README.md"])


def test_every_table_is_the_matrix_of_fix_4_4_and_names_the_paths_that_are_not() -> None:
    for scenario in SCENARIOS:
        said, _, ours = scenario.source.partition("; ")
        assert said == f"FIX 4.4 Volume 4, Appendix D, {scenario.id}"
        assert not ours or any(path.name in ours or "second path" in ours for path in scenario.paths), scenario.id


def test_words_stand_for_the_wire_characters_of_fix_4_4() -> None:
    """The tables use the gateway's enums, so these are pinned against the specification's own characters."""
    used_types = {row.exec_type for _, path in PATHS for row in path.rows if row.exec_type}
    used_statuses = {row.ord_status for _, path in PATHS for row in path.rows if row.ord_status}
    wire_types = {
        "NEW": "0",
        "DONE_FOR_DAY": "3",
        "CANCELED": "4",
        "REPLACED": "5",
        "PENDING_CANCEL": "6",
        "STOPPED": "7",
        "REJECTED": "8",
        "SUSPENDED": "9",
        "PENDING_NEW": "A",
        "RESTATED": "D",
        "PENDING_REPLACE": "E",
        "TRADE": "F",
        "TRADE_CORRECT": "G",
        "TRADE_CANCEL": "H",
        "ORDER_STATUS": "I",
    }
    wire_statuses = {
        "NEW": "0",
        "PARTIALLY_FILLED": "1",
        "FILLED": "2",
        "DONE_FOR_DAY": "3",
        "CANCELED": "4",
        "PENDING_CANCEL": "6",
        "STOPPED": "7",
        "REJECTED": "8",
        "SUSPENDED": "9",
        "PENDING_NEW": "A",
        "PENDING_REPLACE": "E",
    }
    assert {member.name: member.value for member in used_types} == wire_types
    assert {member.name: member.value for member in used_statuses} == wire_statuses


def test_every_path_differs_from_the_others_of_its_scenario() -> None:
    for scenario in SCENARIOS:
        told = [
            tuple((str(row.received or row.sent or row.event), row.ord_status) for row in p.rows)
            for p in scenario.paths
        ]
        assert len(set(told)) == len(told), scenario.id
        assert scenario.paths[0].name == "main", scenario.id


@each_path
def test_columns_are_aligned_so_that_people_can_read_them(scenario: Scenario, path: Path) -> None:
    lines = (SCENARIO_DIR / f"{scenario.id}.txt").read_text(encoding="utf-8").splitlines()
    table = lines[path.rows[0].line - 2 : path.rows[-1].line]
    bars = [[place for place, character in enumerate(line) if character == "|"] for line in table]
    assert all(line == bars[0][: len(line)] for line in bars)
    assert all(line == line.rstrip() for line in table)


@each_path
def test_every_row_is_complete(scenario: Scenario, path: Path) -> None:
    for number, row in enumerate(path.rows, 1):
        key = (scenario.id, path.name, number)
        if row.event is not None:
            assert row.note, key
        elif row.received is not None:
            assert_request_complete(key, row)
        elif row.sent is not None and row.sent.kind is MessageKind.CANCEL_REJECT:
            assert row.ord_status is not None, key
            assert row.exec_type is None, key
            assert "cxl_rej_reason" in row.fields, key
        else:
            assert_execution_complete(key, row)


def assert_request_complete(key: Key, row: Row) -> None:
    assert row.received is not None
    assert row.received.cl_ord_id, key
    assert row.exec_type is None, key
    assert row.ord_status is None, key
    by_quantity = row.received.kind is not MessageKind.STATUS_REQUEST and "cash_order_qty" not in row.fields
    assert (row.order_qty is not None) == by_quantity, key
    chained = row.received.kind in PENDING
    assert bool(row.received.orig_cl_ord_id) == chained, key


def assert_execution_complete(key: Key, row: Row) -> None:
    assert row.ord_status is not None, key
    assert (row.order_qty is None) == (key in NO_ORDER_QTY), key
    assert None not in {row.cum_qty, row.leaves_qty, row.avg_px}, key
    told_without = row.exec_type is ExecType.ORDER_STATUS and key not in STATUS_WITH_LAST_QTY
    assert (row.last_qty is None) == (told_without or key in NO_LAST_QTY), key
    priced = row.exec_type in {ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.STOPPED}
    assert (row.last_px is not None) == priced, key
    amends = row.exec_type in {ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL}
    assert bool(row.exec_ref_id) == amends, key
    assert (row.day_order_qty is None) == (row.day_cum_qty is None), key


@each_path
def test_cum_qty_and_leaves_qty_make_up_order_qty(scenario: Scenario, path: Path) -> None:
    for key, row in executions(scenario, path):
        if key in NO_ORDER_QTY or key in LEAVES_NOT_THE_REST:
            continue
        over = row.ord_status in NOT_WORKING or (
            row.ord_status is OrdStatus.DONE_FOR_DAY and not scenario.order.time_in_force.outlives_the_day
        )
        rest = known(row.order_qty) - known(row.cum_qty)
        assert rest >= 0, key
        assert row.leaves_qty == (0 if over else rest), key
        assert row.expected_leaves_qty == (0 if over else known(row.expected_order_qty) - known(row.cum_qty)), key


@each_path
def test_day_quantities_leave_out_what_was_executed_before_today(scenario: Scenario, path: Path) -> None:
    for key, row in executions(scenario, path):
        if row.day_order_qty is not None:
            before_today = known(row.cum_qty) - known(row.day_cum_qty)
            assert row.day_order_qty == known(row.order_qty) - before_today, key


@dataclass
class VenueOrder:
    """A slow and obvious twin of the order at the venue, told only what the rows do, not what they say it comes to."""

    order_qty: Decimal = Decimal(0)
    acknowledged: bool = False
    repeated: bool = False
    fills: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    requested: dict[str, Decimal] = field(default_factory=dict)
    pending: dict[str, OrdStatus] = field(default_factory=dict)
    holds: set[OrdStatus] = field(default_factory=set)
    guaranteed: Decimal = Decimal(0)

    @property
    def cum_qty(self) -> Decimal:
        return sum((qty for qty, _ in self.fills.values()), Decimal(0))

    @property
    def avg_px(self) -> Decimal:
        value = sum((qty * px for qty, px in self.fills.values()), Decimal(0))
        return value / self.cum_qty if self.cum_qty else Decimal(0)

    @property
    def ord_status(self) -> OrdStatus:
        plain = OrdStatus.NEW if self.acknowledged else OrdStatus.PENDING_NEW
        if self.cum_qty:
            plain = OrdStatus.FILLED if self.cum_qty == self.order_qty else OrdStatus.PARTIALLY_FILLED
        stopped = [OrdStatus.STOPPED] if self.guaranteed and self.cum_qty <= self.guaranteed else []
        # Rejected ties with New and Pending New, and is what counts then: the first of the highest is taken.
        return max([*self.pending.values(), *self.holds, *stopped, plain], key=lambda status: PRECEDENCE[status])

    def apply(self, row: Row) -> None:
        """Do what the row's action does to the order."""
        assert row.sent is not None
        match row.venue_does:
            case VenueAction.NEW:
                self.acknowledged = True
                self.order_qty = self.order_qty or known(row.order_qty)  # By telephone or in cash: none was sent.
            case VenueAction.REJECT if not self.repeated:  # Of a second order under its name, nothing happens to it.
                self.holds.add(OrdStatus.REJECTED)
            case VenueAction.PENDING_CANCEL:
                self.pending[row.sent.cl_ord_id] = OrdStatus.PENDING_CANCEL
            case VenueAction.PENDING_REPLACE:
                self.pending[row.sent.cl_ord_id] = OrdStatus.PENDING_REPLACE
            case VenueAction.REPLACE:
                self.order_qty = max(self.requested[row.sent.cl_ord_id], self.cum_qty)
            case VenueAction.CANCEL | VenueAction.UNSOLICITED_CANCEL:
                self.holds.add(OrdStatus.CANCELED)
            case VenueAction.DONE_FOR_DAY:
                self.holds.add(OrdStatus.DONE_FOR_DAY)
            case VenueAction.SUSPEND:
                self.holds.add(OrdStatus.SUSPENDED)
            case VenueAction.RESTATE:
                self._restate(row)
            case VenueAction.STOP:
                self.guaranteed = self.cum_qty + known(row.last_qty)
            case VenueAction.FILL | VenueAction.CORRECT | VenueAction.BUST:
                self._execute(row)
        if answers_a_request(row):
            self.pending.pop(row.sent.cl_ord_id, None)

    def _restate(self, row: Row) -> None:
        self.holds -= {OrdStatus.DONE_FOR_DAY, OrdStatus.SUSPENDED}
        if row.fields["exec_restatement_reason"] == CORPORATE_ACTION:
            ratio = known(row.order_qty) / self.order_qty
            self.fills = {exec_id: (qty * ratio, px / ratio) for exec_id, (qty, px) in self.fills.items()}
        self.order_qty = known(row.order_qty)

    def _execute(self, row: Row) -> None:
        if row.exec_ref_id:
            del self.fills[row.exec_ref_id]
        if row.venue_does is not VenueAction.BUST:
            self.fills[row.exec_id or f"line {row.line}"] = (known(row.last_qty), known(row.last_px))


def replay(scenario: Scenario, path: Path) -> Iterator[tuple[Key, Row, VenueOrder]]:
    """Each report of a path with the twin of its order after it."""
    orders: dict[str, VenueOrder] = {}
    for number, row in enumerate(path.rows, 1):
        message = row.received or row.sent
        if message is None:
            continue
        origin = orders.get(message.orig_cl_ord_id) if message.orig_cl_ord_id else None
        order = orders.setdefault(message.cl_ord_id, origin or unseen(message))
        if row.sent is not None:
            order.apply(row)
            yield (scenario.id, path.name, number), row, order
        elif message.kind is MessageKind.NEW_ORDER:
            order.repeated = order.acknowledged
            order.order_qty = order.order_qty if order.repeated else row.order_qty or Decimal(0)
        elif message.kind is MessageKind.REPLACE_REQUEST:
            order.requested[message.cl_ord_id] = known(row.order_qty)
        elif message.kind is MessageKind.CANCEL_REQUEST and OrdStatus.REJECTED not in order.holds:
            assert row.order_qty == order.order_qty, (scenario.id, path.name, number)


def unseen(message: Message) -> VenueOrder:
    """The order of a ClOrdID(11) not met before: new, told by telephone, or none at all, which venues call rejected."""
    exists = message.kind in {MessageKind.NEW_ORDER, MessageKind.EXECUTION}
    return VenueOrder(holds=set() if exists else {OrdStatus.REJECTED})


@each_path
def test_executions_add_up_to_cum_qty_and_avg_px(scenario: Scenario, path: Path) -> None:
    """Rule 4: a venue's CumQty and AvgPx follow from its executions, busts and corrections."""
    for key, row, order in replay(scenario, path):
        if row.exec_type is not None:
            assert (row.cum_qty, row.avg_px) == (order.cum_qty, order.avg_px), key
            executes = row.venue_does in {VenueAction.FILL, VenueAction.CORRECT} or key in LAST_QTY_NOT_EXECUTED
            assert bool(row.last_qty) == executes, key


@each_path
def test_order_qty_changes_only_when_a_replace_or_restatement_is_confirmed(scenario: Scenario, path: Path) -> None:
    for key, row, order in replay(scenario, path):
        if row.exec_type is not None and key not in NO_ORDER_QTY:
            assert row.expected_order_qty == order.order_qty, key


@each_path
def test_the_status_is_the_highest_of_what_holds(scenario: Scenario, path: Path) -> None:
    """Rule 5, from the venue's side: what it has executed and which requests it has taken up."""
    for key, row, order in replay(scenario, path):
        if key not in NOT_THE_HIGHEST:
            assert row.ord_status is order.ord_status, key


@each_path
def test_no_fill_is_worse_than_the_limit(scenario: Scenario, path: Path) -> None:
    assert scenario.order.side is Side.BUY
    assert (scenario.order.price is None) == (scenario.order.ord_type is OrdType.MARKET)
    prices = [row.last_px for row in path.rows if row.last_px is not None]
    assert scenario.order.price is None or all(px <= scenario.order.price for px in prices)


@each_path
def test_client_status_is_given_where_a_request_is_on_its_way_and_nowhere_else(scenario: Scenario, path: Path) -> None:
    """Rule 5: from the moment a request is sent until it is answered, the gateway shows it as pending."""
    open_requests: dict[str, OrdStatus] = {}
    for number, row in enumerate(path.rows, 1):
        key = (scenario.id, path.name, number)
        if row.received is not None and row.received.kind in PENDING:
            open_requests[row.received.cl_ord_id] = PENDING[row.received.kind]
        if row.sent is None or row.ord_status is None:
            assert row.client_status is None, key
            continue
        if answers_a_request(row):
            open_requests.pop(row.sent.cl_ord_id)
        if key in OWN_STATUS:
            continue
        shown = max([row.ord_status, *open_requests.values()], key=lambda status: PRECEDENCE[status])
        assert row.client_status == (None if shown is row.ord_status else shown), key
        assert row.note or row.client_status is None, key


def answers_a_request(row: Row) -> bool:
    return row.venue_does in {
        VenueAction.CANCEL,
        VenueAction.REPLACE,
        VenueAction.REJECT_CANCEL,
        VenueAction.REJECT_REPLACE,
    }


def test_named_exceptions_are_still_needed() -> None:
    """An exception outlives its row only as a hole in the tests."""
    rows = {key: row for scenario, path in PATHS for key, row in executions(scenario, path)}
    assert all(rows[key].order_qty is None for key in NO_ORDER_QTY)
    assert all(
        known(rows[key].leaves_qty) + known(rows[key].cum_qty) != rows[key].order_qty for key in LEAVES_NOT_THE_REST
    )
    assert all(rows[key].last_qty == 0 for key in STATUS_WITH_LAST_QTY)
    assert all(rows[key].last_qty is None for key in NO_LAST_QTY)
    twins = {key: order.ord_status for scenario, path in PATHS for key, _, order in replay(scenario, path)}
    assert all(rows[key].ord_status is not twins[key] for key in NOT_THE_HIGHEST)
    assert all(rows[key].exec_type is ExecType.STOPPED and rows[key].last_qty for key in LAST_QTY_NOT_EXECUTED)
    for scenario, path in PATHS:
        for number, row in enumerate(path.rows, 1):
            named = (scenario.id, path.name, number) in OWN_STATUS
            assert named == (row.client_status is OrdStatus.PENDING_NEW)


TABLE = """\
B.1.a  cancel of a zero-filled order
source: FIX
order: side=buy ord_type=limit price=10.05 time_in_force=gtc

path main
event    | received            | sent               | exec_type    | ord_status | order_qty | fields | note
         | New Order(X)        |                    |              |            | 10000     | price=10.02
         |                     | Execution(X)       | Done for Day | New        | 10000     |
next day |                     |                    |              |            |           |        | morning
         | Cancel Request(Y,X) |                    |              |            | 10000     |
         |                     | Cancel Reject(Y,X) |              | New        |           | cxl_rej_reason=2 | no
"""


def test_a_table_is_read_into_types() -> None:
    scenario = parse_scenario(TABLE)
    assert (scenario.id, scenario.title, scenario.source) == ("B.1.a", "cancel of a zero-filled order", "FIX")
    assert scenario.order.time_in_force is TimeInForce.GTC
    assert not scenario.lost
    assert scenario.order.price == Decimal("10.05")
    new, done, day, request, refused = scenario.paths[0].rows
    assert str(new.received) == "New Order(X)"
    assert new.fields == {"price": "10.02"}
    assert (done.exec_type, done.ord_status, done.order_qty) == (ExecType.DONE_FOR_DAY, OrdStatus.NEW, Decimal(10000))
    assert done.venue_does is VenueAction.DONE_FOR_DAY
    assert done.last_px is None
    assert (day.event, day.note) == (Event.NEXT_DAY, "morning")
    assert request.received is not None
    assert request.received.orig_cl_ord_id == "X"
    assert (refused.venue_does, refused.expected_status, refused.line) == (VenueAction.REJECT_CANCEL, OrdStatus.NEW, 11)


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("B.1.a  cancel", "B.1.a cancel", ":1: the first line must be"),
        ("source: FIX", "from: FIX", ":2: expected 'source: ...'"),
        ("time_in_force=gtc", "time_in_force=ever", ":3: TimeInForce has no 'ever'"),
        ("price=10.05", "limit=10.05", ":3: 'limit=10.05' is not understood"),
        ("time_in_force=gtc", 'time_in_force="gtc', ":3: '.*' has a quote that does not end"),
        (" time_in_force=gtc", "", ":3: the order has no time_in_force"),
        ("path main", "way main", ":5: expected 'path'"),
        ("ord_status |", "status |", ":6: columns unknown or named twice: status"),
        ("Execution(X) ", "Execution[X] ", ":8: 'Execution\\[X\\]' is no message"),
        ("Done for Day", "Done", ":8: ExecType has no 'Done'"),
        ("Execution(X) ", "New Order(X) ", ":8: a venue does not send requests"),
        ("| New        | 10000     |\n", "| New        | many      |\n", ":8: 'many' is no number"),
        ("| New        | 10000     |\n", "| New        | -1        |\n", ":8: '-1' is no quantity"),
        ("morning", "morning | more", ":9: more cells than columns"),
        ("next day |                    ", "next day | New Order(Z)       ", ":9: a row is an event, a message"),
        ("Cancel Reject(Y,X)", "Cancel Reject(Z,X)", ":11: Cancel Reject\\(Z,X\\) answers no request"),
        ("cxl_rej_reason=2", "cxl_reason=2", ":11: 'cxl_reason=2' is not understood"),
    ],
)
def test_what_is_wrong_in_a_table_is_refused_with_its_line(right: str, wrong: str, problem: str) -> None:
    assert right in TABLE
    with pytest.raises(ScenarioError, match=f"scenario{problem}"):
        parse_scenario(TABLE.replace(right, wrong, 1))
