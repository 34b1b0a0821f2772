"""A trading floor: desks, accounts, strategies and clients with names, two venues that answer when they are told to."""

from decimal import Decimal
from typing import Any

import msgspec

from gateway.core import engine
from gateway.core import events as ev
from gateway.core.commands import Command
from gateway.core.engine import Answer
from gateway.core.events import Cause, Event, Input, Record
from gateway.core.order import SENT, Order
from gateway.core.reports import OrderCancelReject, ProcessStarted, SessionUp, TimerFired
from gateway.core.risk import watch
from gateway.core.risk.commands import ResumeTrading, SetMarks, StopTrading
from gateway.core.risk.controls import Breaker
from gateway.core.risk.events import Mark
from gateway.core.risk.setup import BreakerRule, RiskClient, RiskInstrument, RiskVenue
from gateway.core.state import Settings, State
from gateway.core.types import ExecType, OrdStatus
from tests.core.world import INSTRUMENTS, OTHER_VENUE, SECOND_NS, SETTINGS, SYMBOL, VENUE, World
from tests.risk import open_risk, risk_instrument

OPERATOR = Cause("operator", "ann")
GRACE_NS = 5 * SECOND_NS


def settings(**changes: Any) -> Settings:
    """Account A1 is of desk EQ1 in desk EQ, A2 of desk EQ2 in EQ. The client `fix` has its orders canceled 5 s after it
    went away.
    """
    instruments: dict[str, RiskInstrument] = {name: risk_instrument(each) for name, each in INSTRUMENTS.items()}
    instruments["FUT"] = msgspec.structs.replace(instruments["FUT"], asset_class="future")
    of_the_floor: dict[str, Any] = {
        "desks": {"EQ": "", "EQ1": "EQ", "EQ2": "EQ"},
        "accounts": {"A1": "EQ1", "A2": "EQ2"},
        "clients": {
            "*": RiskClient(accounts=("*",)),
            "fix": RiskClient(accounts=("*",), cancel_on_disconnect_ns=GRACE_NS),
        },
        "instruments": instruments,
    }
    risk = msgspec.structs.replace(open_risk(INSTRUMENTS, (VENUE, OTHER_VENUE)), **(of_the_floor | changes))
    acks = {VENUE: 5 * SECOND_NS, OTHER_VENUE: 5 * SECOND_NS}
    return msgspec.structs.replace(SETTINGS, risk=risk, ack_timeout_ns=acks)


def breaker(kind: Breaker, value: str | int, scope: str = "firm", **changes: Any) -> BreakerRule:
    """A rule that a person has to end, unless it says otherwise."""
    made = BreakerRule(scope, kind, Decimal(value), clear=Decimal(value) / 2)
    return msgspec.structs.replace(made, **changes)


def mass_cancel_at(*venues: str) -> dict[str, RiskVenue]:
    return {venue: RiskVenue(mass_cancel=venue in venues) for venue in (VENUE, OTHER_VENUE)}


class Floor(World):
    """What happens on it. `checking` proves the whole state after each input, which takes long with many orders."""

    checking = True

    def give(self, body: object, cause: Cause) -> list[Record]:
        if self.checking:
            records = super().give(body, cause)
            assert_watches_are_true(self.state)
            return records
        self.now_ns += 1_000_000
        records = engine.execute(self.state, self.settings, Input(self.now_ns, cause, body))
        self.records.extend(records)
        return records

    @classmethod
    def opened(cls, **changes: Any) -> "Floor":
        """Sessions are up, and the day has begun."""
        world = cls.started(settings(**changes))
        assert isinstance(world, Floor)
        world.tick()
        return world

    def operate(self, command: Command) -> Answer:
        """An operator's command."""
        return engine.answer(self.state, command, self.give(command, OPERATOR))

    def stop(self, scope: str = "firm", **changes: Any) -> list[Event]:
        """The kill switch; what it made happen at once."""
        before = len(self.records)
        answer = self.operate(StopTrading("ann", scope, "it runs wild", **changes))
        assert answer.reason is None, answer
        return [record.event for record in self.records[before:]]

    def resume(self, scope: str = "firm", source: str = "kill") -> None:
        answer = self.operate(ResumeTrading("ben", scope, source, "looked at it"))
        assert answer.reason is None, answer

    def tick(self, seconds: float = 1) -> list[Event]:
        """The clock's next turn, so much later."""
        self.now_ns += int(seconds * SECOND_NS)
        return self.tell(TimerFired(), Cause("timer"))

    def mark(self, px: str | int, symbol: str = SYMBOL) -> None:
        """A price."""
        answer = self.operate(SetMarks("feed", (Mark(symbol, Decimal(px)),)))
        assert answer.reason is None, answer

    def up(self, venue: str) -> list[Event]:
        return self.tell(SessionUp(venue), Cause("venue", venue))

    def restarted(self) -> "Floor":
        """The same floor after the process ended and another took over."""
        after = Floor(self.settings, self.recovered(), list(self.records), self.now_ns)
        after.checking, after._msg_seq_num, after._exec_no = self.checking, self._msg_seq_num, self._exec_no
        after.tell(ProcessStarted("2"))
        return after

    def working(self, cl_ord_id: str, order_qty: int | str = 100, **changes: Any) -> Order:
        """An order that the venue has acknowledged."""
        made = self.submit(cl_ord_id, order_qty, **changes)
        self.acknowledge(made)
        return made

    def canceled(self, of: Order) -> list[Event]:
        """The venue does what the newest cancel of the order asks for."""
        cancel = watch.last_cancel(of)
        assert cancel is not None
        return self.report(of, ExecType.CANCELED, cl_ord_id=cancel.venue_cl_ord_id, ord_status=OrdStatus.CANCELED)

    def pends_cancel(self, of: Order) -> list[Event]:
        """The venue says of the newest cancel that it is under way."""
        cancel = watch.last_cancel(of)
        assert cancel is not None
        return self.report(
            of, ExecType.PENDING_CANCEL, cl_ord_id=cancel.venue_cl_ord_id, ord_status=OrdStatus.PENDING_CANCEL
        )

    def refuses_cancel(self, of: Order) -> list[Event]:
        cancel = watch.last_cancel(of)
        assert cancel is not None
        return self.hear(OrderCancelReject(of.venue, cancel.venue_cl_ord_id, of.venue_cl_ord_id, cxl_rej_reason="99"))


def mine_of(floor: Floor) -> Order:
    """An order that every scope of `test_stops` covers."""
    return floor.working("mine", strategy="alpha")


def other_of(floor: Floor) -> Order:
    """One that none of them covers but the firm, the desk above both accounts and the client."""
    return floor.working("other", account="A2", strategy="beta", symbol="FUT", venue=OTHER_VENUE)


def cancels(events: list[Event]) -> list[str]:
    """The orders that got a cancel, in order."""
    return [event.order_id for event in events if isinstance(event, ev.CancelRequested)]


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def assert_watches_are_true(state: State) -> None:
    """What is watched, kept event by event, is what looking through all orders finds."""
    risk = state.risk
    by_scope: dict[str, list[str]] = {}
    for key, stop in risk.stops.items():
        for name in (stop.stopped.scope, *stop.carried):
            by_scope.setdefault(name, []).append(key)
    assert risk.stopped == by_scope
    for scope, watched in risk.watched.items():
        owed, waiting, over = set(), set(), set()
        canceling = [each for each in state.risk.stops.values() if each.stopped.cancels]
        places = {scope, *[name for each in canceling if each.stopped.scope == scope for name in each.carried]}
        for order in state.orders.values():
            if not places & set(watch.scopes_of(state.risk.setup, order)):
                continue
            if watched.until_order_no is not None and watch.number_of(order) > watched.until_order_no:
                continue
            asked = [order.requests[key] for key in order.unanswered]
            under_way = any(each.kind == "cancel" and each.state == SENT and not each.in_doubt for each in asked)
            if order.working and not under_way:
                owed.add((order.venue, order.order_id))
            elif order.working or order.first_request.in_doubt or any(each.kind == "replace" for each in asked):
                waiting.add(order.order_id)
            elif order.unanswered:
                over.add(order.order_id)
        assert {(venue, each) for venue, names in watched.owed.items() for each in names} == owed, scope
        assert (set(watched.waiting), set(watched.over)) == (waiting, over), scope
