"""The core against its twin where orders are compared with the venue's and a drop copy listens: the same random days as
in test_machine.py, and in them comparisons that are answered, late, partly or never, quantities that jump, orders that
are not ours, and executions that only one source tells.
"""

from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from gateway.core import events as ev
from gateway.core import items
from gateway.core.commands import OpenOrderEntry, ReconcileVenue, ResolveDoubt, ResolveItem
from gateway.core.events import Cause
from gateway.core.reports import (
    DropCopied,
    ExecutionReport,
    MessageRejected,
    OutOfReach,
    ReportFact,
    SessionDown,
    SessionUp,
    TimerFired,
)
from gateway.core.state import Reconcile
from gateway.core.types import DoubtOutcome, ExecType, ItemKind, OrdStatus, Reason
from tests.core.story import Settled
from tests.core.test_machine import ANYTIME, INDEX, OF_A_REQUEST, PX, QTY, RUNS, WEIGHTS, Machine, step
from tests.core.twin import TwinOrder
from tests.core.world import SECOND_NS, VENUE, World

DROP = f"{VENUE}.DROP"
EXECUTIONS = (ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)
LIVE = (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE)


class ReconcilingMachine(Machine):
    """A client, a venue that is compared, its drop copy, an operator, and the twin that listens to all of them."""

    @initialize(mass=st.booleans(), window=st.integers(1, 3))
    def start(self, mass: bool = True, window: int = 2) -> None:
        super().start()
        how = Reconcile(mass, 60 * SECOND_NS, 12 * SECOND_NS, window, 5 * SECOND_NS)
        changed = {"reconcile": {VENUE: how}, "drop_copies": {DROP: VENUE}}
        self.world = World.started(msgspec.structs.replace(self.world.settings, **changed))
        self.unspoken: set[str] = set()
        self.copies: list[tuple[TwinOrder, ExecutionReport]] = []

    def shut(self) -> Reason | None:
        reconciled = self.world.state.session(VENUE).reconciled
        return self.down() or (None if reconciled else Reason.SESSION_NOT_RECONCILED)

    def come_back(self) -> None:
        """What can still trade, or is in doubt, has to be spoken of before new orders go out."""
        pictures = [(twin.order_id, twin.picture()) for twin in self.orders]
        self.unspoken = {order_id for order_id, now in pictures if now.leaves_qty or now.doubtful}
        self.world.tell(SessionUp(VENUE))

    def say(self, twin: TwinOrder, said: ReportFact, later: int) -> None:
        super().say(twin, said, later)
        reply = isinstance(said, ExecutionReport) and said.exec_type is ExecType.ORDER_STATUS
        if reply and not later:
            self.unspoken.discard(twin.order_id)
        self.forget_the_ended()

    def forget_the_ended(self) -> None:
        for twin in self.orders:
            if twin.order_id in self.unspoken:
                now = twin.picture()
                if not (now.leaves_qty or now.doubtful):
                    self.unspoken.discard(twin.order_id)

    # --- The venue answers comparisons ---

    @precondition(lambda self: self.orders)
    @rule(count=st.integers(1, 6), last=st.booleans())
    def answer(self, count: int, last: bool) -> None:
        """The venue speaks of the next orders that it was asked about."""
        run = self.world.state.runs.get(VENUE)
        if run is None:
            return
        twins = {twin.order_id: twin for twin in self.orders}
        for order_id in list(run.awaited)[:count]:
            self.say(twins[order_id], self.reply_of(twins[order_id], run.mass_status_req_id), 0)
        if last and run.how == "mass" and VENUE in self.world.state.runs:
            said = ExecutionReport(VENUE, ExecType.ORDER_STATUS, OrdStatus.REJECTED, venue_order_id="NONE")
            self.world.hear(msgspec.structs.replace(said, mass_status_req_id=run.mass_status_req_id))
            assert self.world.events(ev.ReconciliationStarted)[-1].how == "each" or not self.world.state.runs

    def reply_of(self, twin: TwinOrder, mass_status_req_id: str) -> ExecutionReport:
        now = twin.picture()
        status = now.ord_status if now.ord_status in LIVE else OrdStatus.NEW
        said = self.report_of(twin, 0, ExecType.ORDER_STATUS, ord_status=status, cum_qty=now.cum_qty)
        return msgspec.structs.replace(
            said, exec_id="", cl_ord_id=now.venue_cl_ord_id, mass_status_req_id=mass_status_req_id
        )

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, names=st.booleans())
    def disagree(self, index: int, names: bool) -> None:
        """The venue has other terms for an order, or does not know it any more."""
        twin, _ = self.one(index)
        said = self.reply_of(twin, "")
        forgets = {"ord_status": OrdStatus.REJECTED, "ord_rej_reason": "5"}
        self.say(twin, msgspec.structs.replace(said, **({"price": Decimal(1)} if names else forgets)), 0)

    @rule(names=st.booleans())
    def refuse_the_mass_question(self, names: bool) -> None:
        run = self.world.state.runs.get(VENUE)
        if run is not None and run.how == "mass":
            self.world.hear(MessageRejected(VENUE, "" if names else "AF", run.mass_status_req_id))

    @rule(index=INDEX, status=st.sampled_from([OrdStatus.NEW, OrdStatus.NEW, OrdStatus.FILLED]))
    def list_a_stranger(self, index: int, status: OrdStatus) -> None:
        run = self.world.state.runs.get(VENUE)
        said = ExecutionReport(VENUE, ExecType.ORDER_STATUS, status, venue_order_id=f"S{index % 3}")
        asked = run.mass_status_req_id if run is not None else ""
        self.world.hear(msgspec.structs.replace(said, mass_status_req_id=asked))

    @rule(index=INDEX)
    def speak_of_what_cannot_be_read(self, index: int) -> None:
        number = len(self.world.records) + 1
        report = ExecutionReport(VENUE, ExecType.TRADE_CANCEL, OrdStatus.CANCELED, venue_order_id=f"G{index % 3}")
        fact = OutOfReach(report, "the archive is away", session=DROP if index % 2 else "")
        set_aside, *_ = self.world.give(fact, Cause("venue", VENUE, number))
        assert self.world.events(ev.ItemRaised)[-1].set_aside_seq == set_aside.seq

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, request=INDEX, qty=QTY, px=PX, cum=QTY)
    def fill_with_a_cum_qty(self, index: int, request: int, qty: Decimal, px: Decimal, cum: Decimal) -> None:
        twin, _ = self.one(index)
        said = self.report_of(twin, request, ExecType.TRADE, last_qty=qty, last_px=px, cum_qty=cum)
        self.executions.append((twin, [said.exec_id]))
        self.say(twin, said, 0)

    # --- The drop copy ---

    @rule()
    def drop_copy_session(self) -> None:
        up = self.world.state.session(DROP).up
        self.world.tell(SessionDown(DROP) if up else SessionUp(DROP), Cause("venue", DROP))

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, request=INDEX, execution=st.sampled_from(EXECUTIONS), qty=QTY, px=PX, late=st.booleans())
    def copy_an_execution(
        self, index: int, request: int, execution: ExecType, qty: Decimal, px: Decimal, late: bool
    ) -> None:
        """An execution that the order session tells later, or never."""
        twin, _ = self.one(index)
        chains = [chain for owner, chain in self.executions if owner is twin]
        if execution is ExecType.TRADE or not chains:
            said = self.report_of(twin, request, ExecType.TRADE, last_qty=qty, last_px=px)
            self.executions.append((twin, [said.exec_id]))
        else:
            chain = chains[index % len(chains)]
            refers = {"exec_ref_id": chain[-1], "last_qty": qty, "last_px": px}
            said = self.report_of(twin, request, execution, **refers)
            if execution is ExecType.TRADE_CORRECT:
                chain.append(said.exec_id)
        self.copy(twin, said)
        if late:
            self.under_way.append((twin, said))

    @precondition(lambda self: self.executions)
    @rule(index=INDEX)
    def copy_what_is_known(self, index: int) -> None:
        twin, _ = self.executions[index % len(self.executions)]
        told = [said for said in twin.said if isinstance(said, ExecutionReport) and said.exec_type in EXECUTIONS]
        if told:
            self.copy(twin, told[index % len(told)])

    def copy(self, twin: TwinOrder, said: ExecutionReport) -> None:
        (noted, *_) = self.world.tell(DropCopied(DROP, said), Cause("venue", DROP, len(self.world.records) + 1))
        assert isinstance(noted, ev.DropCopyNoted)
        assert noted.known == (said.exec_id in twin.exec_ids())
        if not noted.known:
            self.copies.append((twin, said))

    @rule()
    def time_passes(self) -> None:
        """More than the grace time: what only the drop copy told is in the ledger now."""
        self.world.now_ns += 6 * SECOND_NS
        self.world.tell(TimerFired())
        self.lose()
        for twin, said in self.copies:
            twin.hear(said)
        self.copies = []
        self.forget_the_ended()

    # --- The operator ---

    @rule()
    def open_order_entry(self) -> None:
        answer = self.world.ask(OpenOrderEntry("ops", VENUE, "by phone"))
        assert answer.reason is self.down()
        if self.up:
            self.unspoken = set()

    @rule()
    def ask_for_a_comparison(self) -> None:
        busy = VENUE in self.world.state.runs
        answer = self.world.ask(ReconcileVenue("ops", VENUE, "to be sure"))
        assert answer.reason is (self.down() or (Reason.TOO_MANY_REQUESTS if busy else None))

    @rule(index=INDEX)
    def resolve_an_item(self, index: int) -> None:
        item_ids = list(self.world.state.items)
        named = item_ids[index % len(item_ids)] if item_ids else "none"
        assert self.world.ask(ResolveItem("ops", named, "seen")).reason is (None if item_ids else Reason.ITEM_UNKNOWN)
        assert named not in self.world.state.items

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, request=INDEX)
    def not_handed_over(self, index: int, request: int) -> None:
        super().not_handed_over(index, request)
        self.forget_the_ended()

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, which=INDEX, outcome=st.sampled_from(OF_A_REQUEST))
    def settle_a_doubt(self, index: int, which: int, outcome: DoubtOutcome) -> None:
        super().settle_a_doubt(index, which, outcome)
        self.forget_the_ended()

    @precondition(lambda self: self.orders)
    @rule(index=INDEX)
    def call_canceled(self, index: int) -> None:
        """An operator ends an order that the venue does not know; any other is left alone."""
        named = [twin for twin in self.orders if self.is_unknown(twin)] if index % 4 else []
        twin = (named or self.orders)[index % len(named or self.orders)]
        unknown = self.is_unknown(twin)
        answer = self.world.ask(ResolveDoubt("ops", twin.order_id, DoubtOutcome.CANCELED, "they lost it"))
        assert answer.reason is (None if unknown else Reason.NOT_IN_DOUBT)
        if unknown:
            twin.hear(Settled("", DoubtOutcome.CANCELED))
            self.forget_the_ended()

    def is_unknown(self, twin: TwinOrder) -> bool:
        return bool(items.find(self.world.state, ItemKind.ORDER_UNKNOWN, VENUE, twin.order_id))

    # --- What must hold ---

    @invariant()
    def order_entry_is_open_only_when_the_venue_has_spoken(self) -> None:
        session = self.world.state.session(VENUE)
        assert session.up == self.up
        if session.reconciled:
            assert not self.unspoken

    @invariant()
    def what_was_sent_is_counted(self) -> None:
        """C12: our numbers are at least as many as the messages of this connection."""
        messages = (ev.OrderRouted, ev.CancelRequested, ev.ReplaceRequested, ev.StatusRequested)
        mass = [event for event in self.world.events(ev.ReconciliationStarted) if event.how == "mass"]
        sent = [record for record in self.world.records if isinstance(record.event, messages)]
        assert self.world.state.session(VENUE).sender_floor == len(sent) + len(mass)


RECONCILING = WEIGHTS | {
    "answer": 12,
    "disagree": 4,
    "refuse_the_mass_question": 1,
    "list_a_stranger": 1,
    "speak_of_what_cannot_be_read": 1,
    "fill_with_a_cum_qty": 3,
    "drop_copy_session": 1,
    "copy_an_execution": 4,
    "copy_what_is_known": 4,
    "time_passes": 3,
    "open_order_entry": 1,
    "ask_for_a_comparison": 1,
    "resolve_an_item": 1,
    "call_canceled": 6,
}
ALWAYS = (
    *ANYTIME,
    "refuse_the_mass_question",
    "list_a_stranger",
    "speak_of_what_cannot_be_read",
    "drop_copy_session",
    "open_order_entry",
    "ask_for_a_comparison",
    "resolve_an_item",
)


def walk(machine: ReconcilingMachine, random: Random) -> None:
    """One step more."""
    more: dict[str, object] = {
        "names": random.random() < 0.5,
        "count": random.randint(1, 6),
        "last": random.random() < 0.8,
        "cum": Decimal(random.randint(1, 200)),
        "late": random.random() < 0.5,
        "execution": random.choice(EXECUTIONS),
    }
    step(machine, random, RECONCILING, ALWAYS, more)


TestReconcilingMachine = ReconcilingMachine.TestCase
TestReconcilingMachine.settings = settings(max_examples=30 * RUNS, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("seed", range(40 * RUNS))
def test_long_walks(seed: int) -> None:
    random, machine = Random(seed), ReconcilingMachine()
    machine.start(mass=seed % 2 == 0, window=seed % 3 + 1)
    for _ in range(150):
        walk(machine, random)
        machine.the_twin_agrees()
        machine.positions_are_what_was_executed()
        machine.the_journal_tells_it_all()
        machine.order_entry_is_open_only_when_the_venue_has_spoken()
    machine.nothing_is_sent_twice()
    machine.what_was_sent_is_counted()


def test_the_walks_reach_what_they_are_for() -> None:
    """A machine whose venue never answers, or whose drop copy is never right, would prove nothing."""
    told: set[object] = set()
    for seed in range(24):
        random, machine = Random(seed), ReconcilingMachine()
        machine.start(mass=seed % 2 == 0, window=seed % 3 + 1)
        for _ in range(150):
            walk(machine, random)
        told |= {type(event) for record in machine.world.records if (event := record.event)}
        told |= {event.kind for event in machine.world.events(ev.ItemRaised)}
        told |= {event.complete for event in machine.world.events(ev.ReconciliationEnded)}
        told |= {event.outcome for event in machine.world.events(ev.DoubtResolved)}
    reached = {
        *(True, False),
        DoubtOutcome.CANCELED,
        *(ev.DoubtResolved, ev.ExternalOrderReported, ev.DropCopyNoted, ev.OrderEntryOpened, ev.ItemResolved),
        *(set(ItemKind) - {ItemKind.SEQUENCE_RESET, ItemKind.TOO_MANY}),
    }
    assert reached - told == set()
