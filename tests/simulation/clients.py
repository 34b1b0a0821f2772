"""Clients of the gateway and the operators: they ask, lose replies, ask again, read streams, fall behind and resume."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.core.commands import (
    AdministerSession,
    CancelOrder,
    ClientCommand,
    Command,
    HaltInstrument,
    MassCancel,
    OpenOrderEntry,
    ReconcileVenue,
    ReplaceOrder,
    RequestOrderStatus,
    ResolveDoubt,
    ResolveItem,
    ResumeInstrument,
    SubmitOrder,
)
from gateway.core.engine import Answer
from gateway.core.events import Cause, ItemRaised, Record
from gateway.core.types import ItemKind, OrdType, Side, TimeInForce
from tests.simulation.reconciliation_witness import BY_A_PERSON
from tests.simulation.scheduler import MS, US, S

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

TIMEOUT_NS = 4 * S
Done = Callable[[Answer | None], None]


class Call:
    """One call of the API, as its caller sees it: an answer, or nothing."""

    def __init__(self, world: "World", chance: Random, who: Cause, command: Command, done: Done) -> None:
        world.calls += 1
        self.number = world.calls
        self._world = world
        self._chance = chance
        self._who = who
        self._command = command
        self._done: Done | None = done
        self._process = world.process
        self._task: asyncio.Task[None] | None = None
        timeout = TIMEOUT_NS if chance.random() < 0.97 else chance.randrange(5 * MS)
        world.scheduler.at(timeout, "", self._gives_up)
        world.scheduler.at(self._delay(), "", self._arrive)

    def _delay(self) -> int:
        return 30 * US + int(self._chance.expovariate(1 / (150 * US)))

    def _arrive(self) -> None:
        if self._process.dead or not self._process.open:
            self._world.scheduler.at(self._delay(), "", self._end, None)
            return
        self._process.calls.add(self)
        what = type(self._command).__name__
        self._world.scheduler.note(f"{self._who.who} asks {what} {getattr(self._command, 'cl_ord_id', '')}")
        self._task = self._process.spawn(self._process.execute(self._command, self._who, self._reply))

    def _reply(self, answer: Answer | None) -> None:
        self._process.point("before a reply")
        if answer is not None:
            self._world.witness.replies(self._who.who, self._command, answer)
        self._process.calls.discard(self)
        if self._chance.random() < self._world.loss():
            self._world.scheduler.count("reply lost")
            answer = None
        self._world.scheduler.at(self._delay(), "", self._end, answer)

    def cut(self) -> None:
        """The process at the other end died."""
        self._world.scheduler.at(self._delay(), "", self._end, None)

    def _gives_up(self) -> None:
        if self._done is not None and self._task is not None and not self._process.dead:
            self._task.cancel()
            self._process.calls.discard(self)
        self._end(None)

    def _end(self, answer: Answer | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer)


class Client:
    """One strategy: its orders, its unanswered requests, its stream."""

    def __init__(self, world: "World", name: str, account: str, quota: int) -> None:
        self.name = name
        self.open_calls = 0
        self.to_answer: dict[str, ClientCommand] = {}
        self.seen = 0
        self.away = False
        self.stuck_at_ns: int | None = None
        self._world = world
        self._chance = world.scheduler.stream(f"client {name}")
        self._account = account
        self._quota = quota
        self._number = 0
        self._asked: list[ClientCommand] = []
        self._orders: list[str] = []
        self._who = Cause("client", name)
        self._next_seq = 1
        self._stream_no = 0
        self._streams: list[tuple[Process, asyncio.Task[Any]]] = []
        self._slow = self._chance.random() < 0.3
        world.scheduler.at(self._chance.randrange(300 * MS), "", self._think)
        world.scheduler.at(self._chance.randrange(100 * MS), "", self._subscribe)

    # --- Requests ---

    def _think(self) -> None:
        self._world.scheduler.at(self._chance.randrange(self._world.plan.pause_ns), "", self._think)
        if self._world.trouble and self._quota > 0 and len(self.to_answer) < 20:
            self._quota -= 1
            burst = self._chance.randint(2, 8) if self._chance.random() < 0.1 else 1
            for _ in range(burst):
                self._ask(self._idea())

    def _idea(self) -> ClientCommand:
        kind = self._chance.random()
        if not self._orders or kind < 0.45:
            return self._new_order()
        order = self._chance.choice(self._orders)
        if kind < 0.65:
            return CancelOrder(self.name, self._name(), order)
        if kind < 0.82:
            qty = Decimal(self._chance.randint(1, 120)) if self._chance.random() < 0.7 else None
            return ReplaceOrder(self.name, self._name(), order, qty, self._price() if qty is None else None)
        if kind < 0.88:
            return RequestOrderStatus(self.name, order)
        if kind < 0.92:
            return MassCancel(self.name, self._name(), symbol=self._chance.choice(("", "ACME", "DESK")))
        repeated = self._chance.choice(self._asked)
        if kind > 0.97 and isinstance(repeated, SubmitOrder) and repeated.cl_ord_id not in self.to_answer:
            return msgspec.structs.replace(repeated, order_qty=repeated.order_qty + 1)
        return repeated

    def _new_order(self) -> SubmitOrder:
        symbol = "ACME" if self._chance.random() < 0.5 else "DESK"
        kind = OrdType.LIMIT if symbol == "DESK" or self._chance.random() < 0.9 else OrdType.MARKET
        side = self._chance.choice((Side.BUY, Side.SELL))
        tif = self._chance.choice((TimeInForce.DAY, TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC))
        if kind is OrdType.MARKET or symbol == "DESK":
            tif = TimeInForce.DAY
        qty = Decimal(self._chance.randint(1, 100))
        price = self._price() if kind is OrdType.LIMIT else None
        venue = self._chance.choice(("", "XSIM", "YSIM"))
        name = self._name()
        self._orders.append(name)
        del self._orders[:-12]
        return SubmitOrder(self.name, name, symbol, side, qty, kind, tif, price, account=self._account, venue=venue)

    def _price(self) -> Decimal:
        return Decimal(1000 + self._chance.randint(-4, 4)) / 100

    def _name(self) -> str:
        self._number += 1
        return f"{self.name}{self._number}"

    def _ask(self, command: ClientCommand) -> None:
        name = getattr(command, "cl_ord_id", "")
        if name and (name, self.name) not in self._world.witness.answers and name not in self.to_answer:
            known = self._world.witness.answers.get((self.name, name))
            if known is None:
                self.to_answer[name] = command
        self._asked.append(command)
        del self._asked[:-30]
        Call(self._world, self._chance, self._who, command, lambda answer: self._answered(command, answer))

    def _answered(self, command: ClientCommand, answer: Answer | None) -> None:
        name = getattr(command, "cl_ord_id", "")
        if answer is not None:
            if self.to_answer.get(name) == command:
                del self.to_answer[name]
        elif self.to_answer.get(name) == command:
            pause = self._chance.randrange(5 * MS, 800 * MS)
            self._world.scheduler.at(pause, "", self._again, command)

    def _again(self, command: ClientCommand) -> None:
        if self.to_answer.get(getattr(command, "cl_ord_id", "")) == command:
            Call(self._world, self._chance, self._who, command, lambda answer: self._answered(command, answer))

    # --- The stream ---

    def _subscribe(self) -> None:
        process = self._world.process
        if self.away:
            return
        if process.dead or not process.open:
            self._later()
            return
        self._stream_no += 1
        number = self._stream_no
        process.streams.append(self)
        self._world.scheduler.note(f"{self.name} follows from {self._next_seq}")

        def send(records: Sequence[Record]) -> "asyncio.Future[None]":
            process.point("before a piece of a stream")
            self._world.witness.streams(records)
            room = process.loop.create_future()
            if self.stuck_at_ns is not None and self._world.scheduler.now_ns >= self.stuck_at_ns:
                self.stuck_at_ns = None
                self._world.scheduler.count("reader takes nothing")
                return room
            delay = 50 * US + int(self._chance.expovariate(1 / (200 * US)))
            if self._slow and self._world.trouble:
                delay += self._chance.randrange(600 * MS)
            self._world.scheduler.at(delay, "", self._read, number, process, list(records), room)
            return room

        following = process.stream(self.name, self._next_seq, send, lambda why: self._dropped(number, why))
        self._streams = [(its, task) for its, task in self._streams if its is process and not task.done()]
        self._streams.append((process, process.spawn(following)))

    def _read(self, number: int, process: "Process", records: list[Record], room: Any) -> None:
        if number != self._stream_no:
            return
        for record in records:
            if record.seq != self._next_seq:
                self._world.failed(f"{self.name} reads seq {record.seq} on its stream, expected {self._next_seq}")
                return
            self._next_seq += 1
            self.seen = record.seq
        if not process.dead and not room.done():
            process.loop.enter(room.set_result, None)

    def _dropped(self, number: int, why: str) -> None:
        if number == self._stream_no:
            self._world.scheduler.count(f"stream dropped: {why.partition(',')[0]}")
            self._later()

    def cut(self) -> None:
        """The process at the other end died; a piece under way may still arrive or not."""
        if self._chance.random() < 0.5:
            self._stream_no += 1
        self._world.scheduler.at(self._chance.randrange(2 * MS), "", self._over)

    def _over(self) -> None:
        self._stream_no += 1
        self._later()

    # --- Away ---

    def leave(self) -> bool:
        """End every stream, if there is one."""
        process = self._world.process
        here = [task for its, task in self._streams if its is process and not its.dead and not task.done()]
        if not here:
            return False
        self.away = True
        self._stream_no += 1
        process.streams[:] = [other for other in process.streams if other is not self]
        for task in here:
            task.cancel()
        return True

    def come_back(self) -> None:
        """Follow the stream again."""
        self.away = False
        self._subscribe()

    def _later(self) -> None:
        self._world.scheduler.at(self._chance.randrange(5 * MS, 300 * MS), "", self._subscribe)


class Operator:
    """People who administer: now and then in trouble, and with a purpose when it is over."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._chance = world.scheduler.stream("operator")
        self._who = Cause("operator", "ops")
        self._bounced: set[str] = set()
        world.scheduler.at(1 * S, "", self._act)

    def _act(self) -> None:
        self._world.scheduler.at(self._chance.randrange(200 * MS, 1500 * MS), "", self._act)
        process = self._world.process
        if process.dead or not process.open:
            return
        if self._world.trouble:
            evidence = self._evidence()
            if evidence and self._chance.random() < 0.5:
                self._do(self._chance.choice(evidence))
            elif self._chance.random() < 0.2:
                self._meddle()
        else:
            self._mend()

    def _meddle(self) -> None:
        venue, session = self._chance.choice(("XSIM", "YSIM")), self._chance.choice(self._world.sessions)
        symbol = self._chance.choice(("ACME", "DESK"))
        commands: list[Command] = [
            HaltInstrument("ops", symbol, "a look at it"),
            ResumeInstrument("ops", symbol, "looked at"),
            AdministerSession("ops", session, "logout", "a pause"),
            AdministerSession("ops", session, "logon", "the pause is over"),
            ReconcileVenue("ops", venue, "to be sure"),
            OpenOrderEntry("ops", venue, "the desk has called them"),
            *(ResolveItem("ops", item_id, "they mend it") for item_id in [*self._world.process.state.items][:3]),
        ]
        self._do(self._chance.choice(commands))

    def _evidence(self) -> list[Command]:
        """What the venue's people say on the telephone about what is in doubt."""
        state, found = self._world.process.state, list[Command]()
        for key, order_id in state.doubtful.items():
            order = state.orders[order_id]
            outcome = self._world.venues[order.venue].fate(key, order.requests[key].kind)
            if outcome is not None:
                found.append(ResolveDoubt("ops", order_id, outcome, "they said so on the telephone", key))
        return found

    def _mend(self) -> None:
        """Sessions are logged on, a venue's own once anew so that its answers prove something; the doubtful is asked,
        and what no evidence resolves is closed.
        """
        process = self._world.process
        state, bounced = process.state, self._bounced | {*self._world.plan.drop_copies}
        for venue, session in process.sessions.items():
            if not session.isEnabled() and not state.session(venue).up:
                self._log_on(venue)
            elif state.session(venue).up and (venue not in bounced or venue in self._world.witness.unheard):
                self._do(AdministerSession("ops", venue, "logout", "trouble is over"))
        for item_id, item in state.items.items():
            if item.raised.kind in BY_A_PERSON and not self._is_so(item.raised):
                self._do(ResolveItem("ops", item_id, "they have explained it"))
        open_orders = {**state.disputed, **dict.fromkeys(state.doubtful.values())}
        for order_id in list(open_orders)[:20]:
            order = state.orders[order_id]
            if state.session(order.venue).up:
                self._do(RequestOrderStatus(order.command.client_id, order.command.cl_ord_id))

    def _is_so(self, raised: ItemRaised) -> bool:
        """Whether the venue in truth works an order that we have as ended."""
        order = self._world.process.state.orders.get(raised.order_id)
        if raised.kind is not ItemKind.STATUS or order is None:
            return False
        return self._world.venues[raised.venue].works(order.first_venue_cl_ord_id)

    def _log_on(self, venue: str) -> None:
        """With numbers that both agree on: a venue whose numbers started over while nobody here heard it say so numbers
        its messages as it did others before, and they have to be asked for from the first on.
        """
        if venue in self._world.witness.unheard:
            self._do(AdministerSession("ops", venue, "set_sequence", "they started over", next_target_msg_seq_num=1))
            return
        self._bounced.add(venue)
        self._do(AdministerSession("ops", venue, "logon", "trouble is over"))

    def _do(self, command: Command) -> None:
        Call(self._world, self._chance, self._who, command, lambda _: None)
