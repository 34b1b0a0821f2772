"""The core against its twin: random clients, a random venue whose messages come late, twice and crossing, sessions and
processes that come and go.

Two drivers of the same rules: hypothesis, which makes a failure small and prints the steps and the blob that replay it,
and long seeded walks with the weights of a trading day, which get to states that take many right steps. MACHINE_RUNS=50
does fifty times as much of both.
"""

import inspect
import os
from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gateway.core import events as ev
from gateway.core.commands import (
    CancelOrder,
    MassCancel,
    ReplaceOrder,
    RequestOrderStatus,
    ResolveDoubt,
    ResumeInstrument,
)
from gateway.core.reports import (
    ExecutionReport,
    MessageRejected,
    OrderCancelReject,
    SendRefused,
    SessionDown,
    TimerFired,
)
from gateway.core.types import DoubtOutcome, ExecType, OrdStatus, Reason, Side
from tests.core.machine import LIMIT, Listening
from tests.core.story import Asked, Back, Settled, Unsent
from tests.core.twin import TwinOrder
from tests.core.world import CLIENT, SECOND_NS, SYMBOL, VENUE, order, restarted

INDEX = st.integers(0, 50)
OF_A_REQUEST = (DoubtOutcome.UNSENT, DoubtOutcome.ACCEPTED, DoubtOutcome.REJECTED)
QTY = st.integers(1, 200).map(Decimal)
PX = st.integers(900, 1100).map(lambda cents: Decimal(cents) / 100)
PLAIN = [
    ExecType.PENDING_NEW,
    ExecType.NEW,
    ExecType.NEW,
    ExecType.CANCELED,
    ExecType.EXPIRED,
    ExecType.REJECTED,
    ExecType.DONE_FOR_DAY,
    ExecType.STOPPED,
    ExecType.SUSPENDED,
    ExecType.CALCULATED,
    ExecType.PENDING_CANCEL,
    ExecType.PENDING_REPLACE,
    ExecType.REPLACED,
    ExecType.REPLACED,
    ExecType.RESTATED,
]
ENDINGS = (ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED, ExecType.DONE_FOR_DAY)
STATUSES = [
    OrdStatus.PENDING_NEW,
    OrdStatus.NEW,
    OrdStatus.PARTIALLY_FILLED,
    OrdStatus.FILLED,
    OrdStatus.CANCELED,
    OrdStatus.EXPIRED,
    OrdStatus.PENDING_CANCEL,
    OrdStatus.PENDING_REPLACE,
    OrdStatus.REJECTED,
]


class Machine(Listening):
    """A client, a venue, and the twin that listens to both."""

    # --- The client ---

    @rule(qty=QTY, px=PX, side=st.sampled_from(Side), account=st.sampled_from(["A1", "A2"]), wrong=st.integers(0, 9))
    def submit(self, qty: Decimal, px: Decimal, side: Side, account: str, wrong: int) -> None:
        if len(self.orders) >= 6:
            return
        px = px if wrong else px + Decimal("0.001")
        halted = SYMBOL in self.world.state.halted
        answer, records = self.ask(order(self.key(), qty, price=px, side=side, account=account))
        refused = (not wrong and Reason.PRICE_OFF_TICK) or (halted and Reason.INSTRUMENT_HALTED) or self.shut()
        assert (answer.reason or None) == (refused or None)
        for record in records:
            if isinstance(record.event, ev.OrderRouted):
                assert record.order is not None
                twin = TwinOrder(answer.order_id, side, account)
                twin.hear(Asked("new", record.order.cl_ord_id, record.event.venue_cl_ord_id, qty, px))
                self.orders.append(twin)

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, name=INDEX, qty=QTY | st.none(), px=PX | st.none())
    def replace(self, index: int, name: int, qty: Decimal | None, px: Decimal | None) -> None:
        twin, picture = self.one(index)
        replaces = [request for request in picture.open_requests.values() if request.kind == "replace"]
        base_qty, base_px = (
            (replaces[-1].order_qty, replaces[-1].price) if replaces else (picture.order_qty, picture.price)
        )
        want_qty, want_px = qty or base_qty, px or base_px
        arrived = [named for request in replaces if (named := request.venue_cl_ord_id) not in picture.doubtful]
        orig = arrived[-1] if arrived else picture.venue_cl_ord_id
        halted = SYMBOL in self.world.state.halted
        answer, records = self.ask(ReplaceOrder(CLIENT, self.key(), self.any_name(twin, name), qty, px))
        refused = (
            (picture.ended and Reason.ORDER_NOT_WORKING)
            or (not picture.leaves_qty and want_qty <= picture.cum_qty and Reason.ORDER_NOT_WORKING)
            or (len(picture.open_requests) >= LIMIT and Reason.TOO_MANY_REQUESTS)
            or (halted and Reason.INSTRUMENT_HALTED)
            or self.shut()
        )
        assert (answer.reason or None) == (refused or None)
        for record in records:
            if isinstance(record.event, ev.ReplaceRequested):
                asked = record.event
                assert (asked.terms.order_qty, asked.terms.price, asked.orig_venue_cl_ord_id) == (
                    want_qty,
                    want_px,
                    orig,
                )
                twin.hear(Asked("replace", asked.cl_ord_id, asked.venue_cl_ord_id, want_qty, want_px, orig))

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, name=INDEX)
    def cancel(self, index: int, name: int) -> None:
        twin, picture = self.one(index)
        answer, records = self.ask(CancelOrder(CLIENT, self.key(), self.any_name(twin, name)))
        refused = (
            (not picture.leaves_qty and Reason.ORDER_NOT_WORKING)
            or (len(picture.open_requests) >= 2 * LIMIT and Reason.TOO_MANY_REQUESTS)
            or self.down()
        )
        assert (answer.reason or None) == (refused or None)
        self.note_cancels(records)

    @rule(side=st.none() | st.sampled_from(Side))
    def mass_cancel(self, side: Side | None) -> None:
        reachable = {
            twin.order_id
            for twin in self.orders
            if (picture := twin.picture()).leaves_qty
            and side in (None, twin.side)
            and self.up
            and len(picture.open_requests) < 2 * LIMIT
        }
        answer, records = self.ask(MassCancel(CLIENT, self.key(), side=side))
        assert answer.requested == len(reachable)
        canceled = [record.event.order_id for record in records if isinstance(record.event, ev.CancelRequested)]
        assert sorted(canceled) == sorted(reachable)
        self.note_cancels(records)

    @precondition(lambda self: self.orders)
    @rule(index=INDEX)
    def ask_status(self, index: int) -> None:
        _, picture = self.one(index)
        _, records = self.ask(RequestOrderStatus(CLIENT, picture.cl_ord_id))
        asked = [record.event.venue_cl_ord_id for record in records if isinstance(record.event, ev.StatusRequested)]
        assert asked == ([picture.venue_cl_ord_id] if self.up else [])

    @rule()
    def ask_about_nothing(self) -> None:
        answer, _ = self.ask(CancelOrder(CLIENT, self.key(), "never was"))
        assert answer.reason is Reason.ORDER_UNKNOWN

    @precondition(lambda self: self.answers)
    @rule(index=INDEX)
    def repeat(self, index: int) -> None:
        command, first = self.answers[index % len(self.answers)]
        committed = len(self.world.records)
        assert self.world.ask(command) == msgspec.structs.replace(first, repeated=True)
        assert len(self.world.records) == committed, "rule 3: nothing happens for a repeated key"

    @precondition(lambda self: self.answers)
    @rule(index=INDEX)
    def reuse_a_key(self, index: int) -> None:
        command, _ = self.answers[index % len(self.answers)]
        assert self.world.ask(order(command.cl_ord_id, 7, strategy="x")).reason is Reason.DUPLICATE_CL_ORD_ID

    # --- The venue ---

    @precondition(lambda self: self.orders)
    @rule(
        index=INDEX, request=INDEX, kind=st.sampled_from(PLAIN), qty=st.none() | QTY, later=st.sampled_from([0, 0, 1])
    )
    def report(self, index: int, request: int, kind: ExecType, qty: Decimal | None, later: int) -> None:
        twin, _ = self.one(index)
        self.say(twin, self.report_of(twin, request, kind, order_qty=qty), later)

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, request=INDEX, qty=QTY, px=PX, later=st.sampled_from([0, 0, 1]))
    def fill(self, index: int, request: int, qty: Decimal, px: Decimal, later: int) -> None:
        twin, _ = self.one(index)
        said = self.report_of(twin, request, ExecType.TRADE, last_qty=qty, last_px=px)
        self.executions.append((twin, [said.exec_id]))
        self.say(twin, said, later)

    @precondition(lambda self: self.executions)
    @rule(index=INDEX, request=INDEX, qty=QTY, px=PX, later=st.sampled_from([0, 0, 1]))
    def correct(self, index: int, request: int, qty: Decimal, px: Decimal, later: int) -> None:
        twin, chain = self.executions[index % len(self.executions)]
        said = self.report_of(twin, request, ExecType.TRADE_CORRECT, last_qty=qty, last_px=px, exec_ref_id=chain[-1])
        chain.append(said.exec_id)
        self.say(twin, said, later)

    @precondition(lambda self: self.executions)
    @rule(index=INDEX, request=INDEX, link=INDEX, later=st.sampled_from([0, 0, 1]))
    def bust(self, index: int, request: int, link: int, later: int) -> None:
        twin, chain = self.executions[index % len(self.executions)]
        self.say(
            twin, self.report_of(twin, request, ExecType.TRADE_CANCEL, exec_ref_id=chain[link % len(chain)]), later
        )

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, request=INDEX, status=st.sampled_from(STATUSES), later=st.sampled_from([0, 0, 1]))
    def reply_to_a_status_request(self, index: int, request: int, status: OrdStatus, later: int) -> None:
        twin, _ = self.one(index)
        unknown = "5" if status is OrdStatus.REJECTED else ""
        said = self.report_of(twin, request, ExecType.ORDER_STATUS, ord_status=status, ord_rej_reason=unknown)
        self.say(twin, msgspec.structs.replace(said, exec_id=""), later)

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, request=INDEX, later=st.sampled_from([0, 0, 1]))
    def refuse_a_request(self, index: int, request: int, later: int) -> None:
        twin, _ = self.one(index)
        changes = [said for said in twin.said[1:] if isinstance(said, Asked)]
        if changes:
            named = changes[request % len(changes)].venue_cl_ord_id
            self.say(twin, OrderCancelReject(VENUE, named, "", cxl_rej_reason="0"), later)

    @precondition(lambda self: self.under_way)
    @rule(index=INDEX, again=st.booleans())
    def arrive(self, index: int, again: bool) -> None:
        place = index % len(self.under_way)
        twin, said = self.under_way[place]
        if not again:
            del self.under_way[place]
        self.say(twin, said, 0)

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, at=INDEX)
    def say_it_again(self, index: int, at: int) -> None:
        """A message that was applied before comes again; executions and answers count once."""
        twin, _ = self.one(index)
        known = [said for said in twin.said if isinstance(said, ExecutionReport) and said.exec_id]
        if known:
            before = twin.picture()
            self.say(twin, known[at % len(known)], 0)
            assert twin.picture() == before

    @rule()
    def speak_of_a_stranger(self) -> None:
        aside = self.world.state.set_aside_total
        self.world.hear(ExecutionReport(VENUE, ExecType.NEW, OrdStatus.NEW, exec_id="X", cl_ord_id="stranger"))
        self.world.hear(MessageRejected(VENUE, "D", "stranger"))
        assert self.world.state.set_aside_total == aside + 2

    # --- Sessions, clock, process ---

    @rule()
    def session(self) -> None:
        if self.up:
            self.world.tell(SessionDown(VENUE))
            self.lose()
        else:
            self.come_back()
            for twin in self.orders:
                twin.hear(Back())
        self.up = not self.up

    @rule()
    def time_passes(self) -> None:
        self.world.now_ns += 6 * SECOND_NS
        self.world.tell(TimerFired())
        self.lose()

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, which=INDEX, outcome=st.sampled_from(OF_A_REQUEST))
    def settle_a_doubt(self, index: int, which: int, outcome: DoubtOutcome) -> None:
        twin, picture = self.one(index)
        doubtful = sorted(picture.doubtful)
        named = doubtful[which % len(doubtful)] if doubtful else ""
        answer = self.world.ask(ResolveDoubt("ops", twin.order_id, outcome, "asked the venue", named))
        assert answer.reason is (None if doubtful else Reason.NOT_IN_DOUBT)
        if doubtful:
            twin.hear(Settled(named, outcome))

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, request=INDEX)
    def not_handed_over(self, index: int, request: int) -> None:
        twin, picture = self.one(index)
        named = self.request_of(twin, request)
        events = self.world.tell(SendRefused(VENUE, named, "not logged on"))
        assert bool(events) == (named in picture.unspoken)
        if events:
            twin.hear(Unsent(named))

    @rule()
    def resume(self) -> None:
        self.world.ask(ResumeInstrument("ops", SYMBOL, "looked at it"))

    @rule()
    def restart(self) -> None:
        before = self.world.state
        assert self.world.recovered() == before, "rule 8: the same journal gives the same state"
        self.world = restarted(self.world)
        self.up = False
        self.lose()


RUNS = int(os.environ.get("MACHINE_RUNS", "1"))

TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60 * RUNS, stateful_step_count=40, deadline=None)

WEIGHTS = {
    "submit": 6,
    "replace": 12,
    "cancel": 8,
    "mass_cancel": 1,
    "ask_status": 1,
    "repeat": 2,
    "reuse_a_key": 1,
    "report": 20,
    "fill": 15,
    "correct": 4,
    "bust": 2,
    "reply_to_a_status_request": 4,
    "refuse_a_request": 5,
    "arrive": 8,
    "say_it_again": 3,
    "session": 2,
    "time_passes": 1,
    "not_handed_over": 1,
    "resume": 4,
    "restart": 1,
    "settle_a_doubt": 2,
}


def arguments(random: Random) -> dict[str, object]:
    """One of each that a rule may ask for."""
    kinds = [kind for kind in PLAIN if kind not in ENDINGS or random.random() < 0.2]
    return {
        "index": random.randrange(50),
        "name": random.randrange(50),
        "request": random.randrange(50),
        "link": random.randrange(50),
        "at": random.randrange(50),
        "again": random.random() < 0.3,
        "later": random.random() < 0.3,
        "wrong": random.randrange(20),
        "qty": Decimal(random.randint(1, 60)),
        "px": Decimal(random.randint(900, 1100)) / 100,
        "side": random.choice(list(Side)),
        "account": random.choice(["A1", "A2"]),
        "kind": random.choice(kinds),
        "status": random.choice(STATUSES[:4] + STATUSES),
        "which": random.randrange(50),
        "outcome": random.choice(OF_A_REQUEST),
    }


ANYTIME = ("submit", "mass_cancel", "session", "time_passes", "resume", "restart")
"""Rules that need no order, execution or answer before them."""


def step(
    machine: Machine,
    random: Random,
    weights: dict[str, int] = WEIGHTS,
    anytime: tuple[str, ...] = ANYTIME,
    more: dict[str, object] | None = None,
) -> None:
    name = random.choices(list(weights), list(weights.values()))[0]
    if not machine.up and random.random() < 0.5:
        name = "session"
    given = arguments(random) | (more or {})
    if name in ("submit", "replace"):
        given["qty"] = Decimal(random.randint(50, 500))
    if name == "report":
        given["qty"] = random.choice([None, None, Decimal(random.randint(50, 500))])
    wanted = set(inspect.signature(getattr(type(machine), name)).parameters) & set(given)
    ready = {
        "executions": ("correct", "bust", "copy_what_is_known"),
        "under_way": ("arrive",),
        "answers": ("repeat", "reuse_a_key"),
    }
    needs = next((needed for needed, names in ready.items() if name in names), "orders")
    if getattr(machine, needs) or name in anytime:
        getattr(machine, name)(**{argument: given[argument] for argument in wanted})


@pytest.mark.parametrize("seed", range(80 * RUNS))
def test_long_walks(seed: int) -> None:
    random, machine = Random(seed), Machine()
    machine.start()
    for _ in range(150):
        step(machine, random)
        machine.the_twin_agrees()
        machine.positions_are_what_was_executed()
        machine.the_journal_tells_it_all()
    machine.nothing_is_sent_twice()
