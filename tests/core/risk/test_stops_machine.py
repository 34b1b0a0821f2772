"""Stops under everything at once: orders, fills, refusals, busts, sessions and processes that come and go.

Whatever happened before: once the sessions stay up and the venues answer, nothing works where a stop cancels. Driven by
hypothesis, which makes a failure small, and by long seeded walks with the weights of a trading day. MACHINE_RUNS=50
does fifty times as much of both.
"""

import inspect
import os
from decimal import Decimal
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.order import SENT, UNANSWERED, Order, Request, ord_status
from gateway.core.reports import OrderCancelReject, SendRefused, SessionDown
from gateway.core.risk import stops, watch
from gateway.core.risk.commands import ClientPresence, ResumeTrading
from gateway.core.risk.controls import Breaker
from gateway.core.risk.events import MassCancelSent, StopCompleted
from gateway.core.types import ExecType, OrdStatus, Reason, Side
from tests.core.risk.floor import Floor, breaker, mass_cancel_at
from tests.core.world import OTHER_VENUE, SYMBOL, VENUE, order

INDEX = st.integers(0, 30)
SCOPES = [
    "firm",
    "desk:EQ1",
    "account:A1",
    "account:A2",
    "strategy:A1/a",
    "client:fix",
    f"instrument:{SYMBOL}",
    "asset_class:future",
    f"venue:{VENUE}",
    f"venue:{OTHER_VENUE}",
]
VENUES = [VENUE, OTHER_VENUE]


class Machine(RuleBasedStateMachine):
    """Clients, venues that lose what was under way when a session ends, and operators."""

    @initialize(mass=st.booleans())
    def start(self, mass: bool) -> None:
        rules = (breaker(Breaker.FILL_RATE, 6, "account:*", window_s=30, needs_person=False, cool_down_s=5),)
        venues = mass_cancel_at(VENUE) if mass else mass_cancel_at()
        self.floor = Floor.opened(breakers=rules, venues=venues)
        self.lost: set[str] = set()
        self.number = 0
        self.seen = 0

    # --- Clients ---

    @rule(
        client=st.sampled_from(["desk", "fix"]),
        account=st.sampled_from(["A1", "A2"]),
        strategy=st.sampled_from("ab"),
        symbol=st.sampled_from([SYMBOL, "FUT"]),
        venue=st.sampled_from(VENUES),
        side=st.sampled_from([Side.BUY, Side.SELL]),
    )
    def submit(self, client: str, account: str, strategy: str, symbol: str, venue: str, side: Side) -> None:
        stopped = self.floor.state.risk.stops.values()
        asked = order(
            self.key(), 10, client_id=client, account=account, strategy=strategy, symbol=symbol, venue=venue, side=side
        )
        answer = self.floor.ask(asked)
        if not self.floor.state.session(venue).up:
            assert answer.reason is Reason.SESSION_DOWN
            return
        if answer.reason is None:
            made = self.floor.state.orders[answer.order_id]
            within = watch.scopes_of(self.floor.state.risk.setup, made)
            covering = [each for each in stopped if each.stopped.scope in within]
            assert all(each.stopped.allow_reducing for each in covering), "no order passes a stop"
        else:
            assert answer.reason is Reason.RISK_STOPPED, answer

    @precondition(lambda self: self.floor.state.orders)
    @rule(index=INDEX, qty=st.integers(5, 30))
    def replace(self, index: int, qty: int) -> None:
        of = self.one(index)
        self.floor.ask(ReplaceOrder(of.command.client_id, self.key(), of.cl_ord_id, order_qty=Decimal(qty)))

    @precondition(lambda self: self.floor.state.orders)
    @rule(index=INDEX)
    def cancel(self, index: int) -> None:
        of = self.one(index)
        self.floor.ask(CancelOrder(of.command.client_id, self.key(), of.cl_ord_id))

    @rule(connected=st.booleans())
    def presence(self, connected: bool) -> None:
        self.floor.tell(ClientPresence("fix", connected))

    # --- Venues ---

    @precondition(lambda self: self.floor.state.orders)
    @rule(index=INDEX, yes=st.booleans())
    def answer(self, index: int, yes: bool) -> None:
        of = self.one(index)
        if self.floor.state.session(of.venue).up:
            self.respond(of, yes)

    @precondition(lambda self: self.floor.state.orders)
    @rule(index=INDEX)
    def pend(self, index: int) -> None:
        """The venue says of a cancel or a replace that it is under way, and may forget it all the same."""
        of = self.one(index)
        pending = {"cancel": ExecType.PENDING_CANCEL, "replace": ExecType.PENDING_REPLACE}
        for request in self.unanswered(of)[-1:]:
            key, up = request.venue_cl_ord_id, self.floor.state.session(of.venue).up
            if request.kind in pending and self.knows(of) and up and key not in self.lost:
                self.floor.report(of, pending[request.kind], cl_ord_id=key)

    @precondition(lambda self: self.floor.state.orders)
    @rule(index=INDEX, qty=st.integers(1, 6))
    def fill(self, index: int, qty: int) -> None:
        of = self.one(index)
        if self.knows(of) and of.working and self.floor.state.session(of.venue).up:
            self.floor.fill(of, min(Decimal(qty), of.leaves_qty))

    @precondition(lambda self: self.floor.state.orders)
    @rule(index=INDEX)
    def bust(self, index: int) -> None:
        of = self.one(index)
        if of.executions and self.floor.state.session(of.venue).up:
            named = of.executions[-1].exec_id
            self.floor.report(of, ExecType.TRADE_CANCEL, exec_ref_id=named)

    @precondition(lambda self: self.floor.state.orders)
    @rule(index=INDEX)
    def not_handed_over(self, index: int) -> None:
        of = self.one(index)
        for request in self.unanswered(of)[-1:]:
            if request.state == SENT and request.kind != "new":
                self.floor.tell(SendRefused(of.venue, request.venue_cl_ord_id, "not logged on"))

    @rule(venue=st.sampled_from(VENUES), loses=st.booleans())
    def session(self, venue: str, loses: bool) -> None:
        if not self.floor.state.session(venue).up:
            self.floor.up(venue)
            return
        if loses:
            self.lose(venue)
        self.floor.tell(SessionDown(venue))

    # --- Operators, clock, process ---

    @rule(scope=st.sampled_from(SCOPES), cancels=st.booleans(), allow_reducing=st.booleans())
    def stop(self, scope: str, cancels: bool, allow_reducing: bool) -> None:
        if scope == "client:fix" or not scope.startswith("strategy"):
            self.floor.stop(scope, cancels=cancels, allow_reducing=allow_reducing)

    @precondition(lambda self: self.floor.state.orders)
    @rule(index=INDEX)
    def stop_one(self, index: int) -> None:
        self.floor.stop(f"order:{self.one(index).order_id}")

    @precondition(lambda self: self.floor.state.risk.stops)
    @rule(index=INDEX)
    def resume(self, index: int) -> None:
        stopped = list(self.floor.state.risk.stops.values())
        one = stopped[index % len(stopped)].stopped
        self.floor.operate(ResumeTrading("ben", one.scope, one.source, "looked at it"))

    @rule(seconds=st.sampled_from([0.05, 1, 1, 3, 12]))
    def time_passes(self, seconds: float) -> None:
        self.floor.tick(seconds)

    @rule(loses=st.booleans())
    def restart(self, loses: bool) -> None:
        before = set(self.floor.state.risk.stops)
        assert self.floor.recovered() == self.floor.state, "rule 8: the same journal gives the same state"
        for venue in VENUES if loses else []:
            self.lose(venue)
        self.floor = self.floor.restarted()
        assert set(self.floor.state.risk.stops) == before

    # --- What must hold ---

    @invariant()
    def nothing_goes_where_nobody_listens(self) -> None:
        """A stop's cancel goes to a session that is up, once a second for an order at most."""
        up = {VENUE: False, OTHER_VENUE: False}
        last: dict[str, int] = {}
        names: set[str] = set()
        for record in self.floor.records:
            event = record.event
            if isinstance(event, ev.SessionLoggedOn):
                up[event.venue] = True
            elif isinstance(event, ev.SessionLoggedOut):
                up[event.venue] = False
            elif isinstance(event, (ev.CancelRequested, ev.OrderRouted, ev.ReplaceRequested, MassCancelSent)):
                assert up[event.venue]
                assert event.venue_cl_ord_id not in names
                names.add(event.venue_cl_ord_id)
                if isinstance(event, ev.CancelRequested) and event.cl_ord_id.startswith(("STOP", "AWAY")):
                    assert record.at_ns - last.get(event.order_id, 0) >= stops.RETRY_NS
                    last[event.order_id] = record.at_ns

    def teardown(self) -> None:
        """The venues answer, the sessions stay up: then every stop that cancels is completed, and nothing works."""
        if not hasattr(self, "floor"):
            return
        floor = self.floor
        for _ in range(30):
            for venue in VENUES:
                if not floor.state.session(venue).up:
                    floor.up(venue)
            for of in list(floor.state.orders.values()):
                self.respond(of, yes=True)
                if of.in_doubt:
                    self.reply(of)
            floor.tick(6)
        left = [
            (scope, of.order_id)
            for scope, watched in floor.state.risk.watched.items()
            for of in floor.state.orders.values()
            if scope in watch.scopes_of(floor.state.risk.setup, of)
            and of.working
            and (watched.until_order_no is None or watch.number_of(of) <= watched.until_order_no)
        ]
        assert left == []
        for stop in floor.state.risk.stops.values():
            assert stop.completed == stop.stopped.cancels
        assert floor.recovered() == floor.state
        told = [event for event in floor.events(StopCompleted) if event.scope == "firm"]
        assert (
            bool(told)
            or "firm|kill" not in floor.state.risk.stops
            or not floor.state.risk.stops["firm|kill"].stopped.cancels
        )

    # --- Parts ---

    def key(self) -> str:
        self.number += 1
        return f"k{self.number}"

    def one(self, index: int) -> Order:
        orders = list(self.floor.state.orders.values())
        return orders[index % len(orders)]

    def unanswered(self, of: Order) -> list[Request]:
        return [request for request in of.requests.values() if request.state in UNANSWERED]

    def knows(self, of: Order) -> bool:
        """Whether the venue ever got the order."""
        return of.first_venue_cl_ord_id not in self.lost

    def lose(self, venue: str) -> None:
        """What the venue has not answered never arrives."""
        for of in self.floor.state.orders.values():
            if of.venue == venue:
                lost = [each for each in self.unanswered(of) if each.state == SENT or each.kind == "cancel"]
                self.lost.update(request.venue_cl_ord_id for request in lost)

    def respond(self, of: Order, yes: bool) -> None:
        """The venue answers what has arrived, in order."""
        for request in self.unanswered(of):
            key = request.venue_cl_ord_id
            if key in self.lost or request.state not in UNANSWERED or not self.knows(of):
                continue
            if request.kind == "new":
                self.floor.report(of, ExecType.NEW, cl_ord_id=key)
            elif not yes or not of.working:
                self.floor.hear(OrderCancelReject(of.venue, key, of.venue_cl_ord_id, cxl_rej_reason="99"))
            elif request.kind == "cancel":
                self.floor.report(of, ExecType.CANCELED, cl_ord_id=key, ord_status=OrdStatus.CANCELED)
            else:
                self.floor.report(of, ExecType.REPLACED, cl_ord_id=key)

    def reply(self, of: Order) -> None:
        """The venue says what it knows of an order."""
        if not self.knows(of):
            said = {"ord_status": OrdStatus.REJECTED, "ord_rej_reason": "5"}
        else:
            said = {"ord_status": ord_status(of, pending_states=("pending",)), "cum_qty": of.cum_qty}
        self.floor.report(of, ExecType.ORDER_STATUS, exec_id="", **said)


RUNS = int(os.environ.get("MACHINE_RUNS", "1"))

TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60 * RUNS, stateful_step_count=40, deadline=None)

WEIGHTS = {
    "submit": 30,
    "replace": 8,
    "cancel": 4,
    "presence": 2,
    "answer": 40,
    "pend": 10,
    "fill": 15,
    "bust": 4,
    "not_handed_over": 3,
    "session": 3,
    "stop": 2,
    "stop_one": 1,
    "resume": 12,
    "time_passes": 10,
    "restart": 1,
}
ANYTIME = ("submit", "presence", "session", "stop", "time_passes", "restart")


def step(machine: Machine, random: Random) -> None:
    name = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    given = {
        "client": random.choice(["desk", "desk", "fix"]),
        "account": random.choice(["A1", "A2"]),
        "strategy": random.choice("ab"),
        "symbol": random.choice([SYMBOL, "FUT"]),
        "venue": random.choice(VENUES),
        "side": random.choice([Side.BUY, Side.SELL]),
        "index": random.randrange(60),
        "qty": random.randint(1, 30),
        "connected": random.random() < 0.7,
        "yes": random.random() < 0.7,
        "loses": random.random() < 0.5,
        "scope": random.choice([*SCOPES, "firm", f"venue:{VENUE}"]),
        "cancels": random.random() < 0.8,
        "allow_reducing": random.random() < 0.3,
        "seconds": random.choice([0.05, 1, 1, 3, 12]),
    }
    ready = machine.floor.state.risk.stops if name == "resume" else machine.floor.state.orders
    if name in ANYTIME or ready:
        wanted = set(inspect.signature(getattr(Machine, name)).parameters) & set(given)
        getattr(machine, name)(**{argument: given[argument] for argument in wanted})


@pytest.mark.parametrize("seed", range(40 * RUNS))
def test_long_walks(seed: int) -> None:
    random, machine = Random(seed), Machine()
    machine.start(mass=seed % 2 == 0)
    for _ in range(200):
        step(machine, random)
    machine.nothing_goes_where_nobody_listens()
    machine.teardown()
