"""One simulation: gateway, machine, network, venues, clients and operators under one scheduler, drawn from one seed."""

import itertools
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import msgspec

from gateway.config import VenueConfig
from gateway.config.sections import DropCopyConfig
from gateway.core import drop_copy, lost
from gateway.core.events import Event, ItemRaised, OrderRouted, Record
from gateway.core.invariants import InvariantBroken, check_state
from gateway.core.sessions import takes_orders
from gateway.runtime.sequencer import SLEPT_S
from tests.simulation import plan, stand_in
from tests.simulation.absence import Absence
from tests.simulation.clients import Client, Operator
from tests.simulation.follower import CountedSnapshots, damage
from tests.simulation.machine import Disk, age_store
from tests.simulation.network import Wire
from tests.simulation.officer import Officer
from tests.simulation.plan import BEGIN_STRINGS, COPIES, GATEWAY
from tests.simulation.process import Killed, Process
from tests.simulation.reconciliation_witness import ReconciliationWitness
from tests.simulation.scheduler import MS, S, Scheduler
from tests.simulation.silence import Silence
from tests.simulation.telephone import Telephone
from tests.simulation.venue import SimVenue
from tests.simulation.witness import CHECK_EVERY, Witness

if TYPE_CHECKING:
    from tests.simulation.engine import Session

START_NS = 1_767_603_600_000_000_000  # 2026-01-05 09:00 UTC, a Monday.
MOST_STEPS = 300_000
CALM_NS = 90 * S


class Outcome(msgspec.Struct):
    """What a seed came to. `failure` is empty when every promise held; `told` counts events, and items by kind."""

    seed: int
    failure: str
    trace: list[str]
    trace_hash: str
    steps: int
    virtual_ns: int
    faults: dict[str, int]
    told: dict[str, int]
    records: int
    orders: int
    executions: int
    lives: int


class Failed(Exception):
    """A promise is broken: the simulation ends here."""


class Network:
    """The ways to the venues."""

    def __init__(self, world: "World") -> None:
        self.down: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()
        self.wires: dict[str, Wire] = {}
        self._world = world
        self._chance = world.scheduler.stream("network")

    def connect(self, name: str, session: "Session") -> Wire | None:
        """A connection for the session of this name, None when it is refused."""
        target = self._world.venue(name)
        if not target.up or self.down[name]:
            return None
        wire = Wire(
            self._world.scheduler,
            self._chance,
            name,
            lambda: self._chance.randrange(300 * MS) if self.slow[name] else 0,
        )
        wire.ends[0] = session
        target.accept(wire)
        self.wires[name] = wire
        return wire

    def cut(self, name: str, *, silent: bool = False) -> None:
        """Lose the connection of a session, if there is one."""
        wire = self.wires.get(name)
        if wire is not None:
            wire.cut(silent=silent)


class World:
    """Everything that there is."""

    heart_bt_int_s = 3

    def __init__(self, seed: int, store_dir: Path, *, keep_trace: bool = False, check_every: int = CHECK_EVERY) -> None:
        self.seed = seed
        self.start_ns = START_NS
        self.clock_offset_ns = 0
        self.scheduler = Scheduler(seed, keep_trace=keep_trace)
        self.plan = plan.draw(self.scheduler.stream("plan"), tuple(BEGIN_STRINGS))
        self.trouble = True
        self.settings = self.plan.settings(BEGIN_STRINGS)
        self.venue_configs = [
            VenueConfig(
                name=name,
                begin_string=begin_string,
                sender_comp_id=GATEWAY,
                target_comp_id=name,
                host="127.0.0.1",
                port=1,
                drop_copy=DropCopyConfig(host="127.0.0.1", port=1, sender_comp_id=COPIES, target_comp_id=name)
                if name == self.plan.drop_copy
                else None,
            )
            for name, begin_string in BEGIN_STRINGS.items()
        ]
        self.sessions = (*BEGIN_STRINGS, *self.plan.drop_copies)
        self.disk = Disk()
        self.boot = "boot 1"
        self.machines = 1
        self._root = store_dir
        self._move_in()
        self.failure = ""
        self.lives = 0
        self.processes: list[Process] = []
        self.calls = 0
        self._chance = self.scheduler.stream("world")
        self._deaths = list(self.plan.deaths)
        self.deadly = {death.where for death in self._deaths}
        self._slow_disk = False
        self._asleep_ns = 0
        self.reconciliation = ReconciliationWitness(
            self.failed, self._said, lambda venue: self.venues[venue].strangers(), self.settings
        )
        self.witness = Witness(self.failed, self._knows_execution, self._said, self.reconciliation, check_every)
        self.network = Network(self)
        self.venues = {name: SimVenue(self, name, self.plan.faults.get(name, [])) for name in BEGIN_STRINGS}
        self.process = self._live()
        accounts = itertools.cycle(plan.ACCOUNTS)
        self.clients = [
            Client(self, name, account, self.plan.quota)
            for name, account in zip(plan.CLIENTS[: self.plan.clients], accounts, strict=False)
        ]
        self.clients[0].stuck_at_ns = self.plan.stuck_at_ns
        self.operator = Operator(self)
        self.officer = Officer(self)
        self.telephone = Telephone(self)
        graces = self.settings.risk.clients
        self.absences = [
            Absence(self, client) for client in self.clients if graces[client.name].cancel_on_disconnect_ns is not None
        ]
        for trouble in self.plan.troubles:
            self.scheduler.at(trouble.at_ns, "", self._strike, trouble)
        for death in self.plan.deaths:
            if not death.where:
                self.scheduler.at(death.at_ns, "", self._dies_now, death)
        self.scheduler.at(self.plan.trouble_ns, "trouble is over", self._calm)
        self._silence = Silence(self)

    # --- The run ---

    def run(self) -> None:
        """Until everything is resolved, or something is broken."""
        step = self.scheduler.step
        try:
            while not self._settled():
                for _ in range(50):
                    if self.failure:
                        return
                    try:  # `contextlib.suppress` costs as much as a step.
                        step()
                    except Killed:
                        continue
                if self.scheduler.steps > MOST_STEPS:
                    self.failed(f"more than {MOST_STEPS} steps: {self._open()}")
                elif self.scheduler.now_ns > self.plan.trouble_ns + CALM_NS:
                    self.failed(f"not resolved {CALM_NS // S} s after the trouble was over: {self._open()}")
            check_state(self.process.state)
        except InvariantBroken as broken:
            self.failed(f"an invariant of the core is broken: {broken}", broken)
        except Exception as error:
            self.failed(f"raised: {''.join(traceback.format_exception(error)[-3:])}", error)

    def failed(self, why: str, error: BaseException | None = None) -> None:
        """A promise is broken."""
        if not self.failure:
            self.failure = why
            self.error = error
            self.scheduler.note(f"FAILED {why}")

    def _settled(self) -> bool:
        return not self.trouble and not self._open()

    def _open(self) -> list[str]:
        """What is not resolved yet, in words."""
        process = self.process
        if process.dead or not process.open:
            return ["the gateway is not up"]
        state = process.state
        found = [f"the session {name} is down" for name in self.sessions if not state.session(name).up]
        found += [
            f"{venue} takes no orders" for venue in BEGIN_STRINGS if not takes_orders(state, self.settings, venue)
        ]
        found += self.reconciliation.open(state)
        found += [f"request {key} is in doubt" for key in state.doubtful]
        found += [f"request {key} waits for an answer" for key in state.waiting]
        found += [f"order {order_id} is disputed" for order_id in state.disputed]
        found += [
            f"order {order.order_id} waits for {', '.join(order.unanswered)}"
            for order in state.orders.values()
            if order.unanswered
        ]
        found += self.officer.open()
        found += [f"{absence.client.name} has yet to go away" for absence in self.absences if absence.last]
        for client in self.clients:
            found += [f"{client.name} has no answer on {name}" for name in client.to_answer]
            if client.seen != len(self.witness.durable):
                found.append(f"the stream of {client.name} stands at {client.seen} of {len(self.witness.durable)}")
        found += [f"{name} is down" for name, venue in self.venues.items() if not venue.up]
        if not found:
            found = [
                difference
                for name, venue in self.venues.items()
                if (difference := self.witness.difference(name, venue.executed(), venue.working()))
            ]
        return found[:5]

    # --- Life and death ---

    def _live(self) -> Process:
        self.lives += 1
        self.scheduler.note(f"gateway {self.lives} starts")
        self.process = process = Process(self, self.lives)
        self.processes.append(process)
        process.start()
        return process

    def dies_at(self, where: str) -> bool:
        """Whether the plan has the process die at this place, now."""
        for place, death in enumerate(self._deaths):
            if death.where == where and death.at_ns <= self.scheduler.now_ns:
                if death.nth > 1:
                    self._deaths[place] = plan.Death(death.at_ns, where, death.nth - 1, death.power)
                    return False
                del self._deaths[place]
                self._power = death.power
                return True
        return False

    _power = False

    def _dies_now(self, death: plan.Death) -> None:
        if not self.process.dead:
            self._power = death.power
            self.scheduler.count("killed between two turns")
            self.process.kill()

    def process_died(self, process: Process) -> None:
        """Its connections end, its callers hear nothing, and after a while it is started again."""
        power, self._power = self._power, False
        if power and process is self.process:
            self.scheduler.count("power lost")
            self.boot = f"boot {self.lives + 1}"
            self.disk.lose_power(self._chance)
            age_store(self.store_dir, self._chance)
            for wire in self.network.wires.values():
                wire.cut()
        if process is not self.process:
            return  # Another has taken over long since.
        self._leave(process)
        delay = self._chance.randrange(5 * MS, 1500 * MS)
        self.scheduler.at(delay, "", self._live)

    def _move_in(self) -> None:
        """A machine of its own: other files, another boot; only the journal is the same."""
        self.store_dir = self._root / f"machine {self.machines}"
        self.snapshots = CountedSnapshots(self.store_dir / "snapshots", keep=2)

    def _taken_over(self, pause_ns: int) -> None:
        """The process is stopped, another takes the journal over on another machine, and then it goes on (C13)."""
        process = self.process
        if process.dead or not process.open:
            return
        process.paused_until_ns = self.scheduler.now_ns + pause_ns
        self._leave(process)
        self.machines += 1
        self.boot = f"boot of machine {self.machines}"
        self._move_in()
        self._live()

    def committed(self, process: Process, records: Sequence[Record]) -> None:
        """These are durable, and the process does not know it yet: with an order among them, a moment to fall asleep
        at.
        """
        pause_ns = self._asleep_ns
        if pause_ns and process is self.process and any(isinstance(each.event, OrderRouted) for each in records):
            self._asleep_ns = 0
            self.scheduler.at(0, "asleep between a commit and the venue", self._taken_over, pause_ns)

    def _leave(self, process: Process) -> None:
        for call in sorted(process.calls, key=lambda call: call.number):
            call.cut()
        for client in process.streams:
            client.cut()

    # --- Other trouble ---

    def _strike(self, trouble: plan.Trouble) -> None:
        self.scheduler.count(trouble.kind)
        end = lambda call: self.scheduler.at(trouble.for_ns, f"{trouble.kind} is over", call)  # noqa: E731
        name = trouble.session
        match trouble.kind:
            case "disk full":
                self.disk.full = True
                end(self._free_disk)
            case "fsync fails":
                self.disk.sick = True
            case "slow disk":
                self.process.loop.slow_ns = 500 * MS
                end(self._fast_disk)
            case "clock forward":
                self.clock_offset_ns += self._chance.choice((30, 90, 3600)) * S
            case "clock back":
                self.clock_offset_ns -= self._chance.choice((30, 90, 3600)) * S
            case "snapshot damaged":
                damage(self.snapshots, self._chance.randrange(1 << 20), self.store_dir / "snapshots")
            case "taken over" if trouble.for_ns % 2:
                self._asleep_ns = 2 * int(SLEPT_S * S) + trouble.for_ns
            case "taken over":
                self._taken_over(trouble.for_ns)
            case "connection cut":
                self.network.cut(name)
            case "connection silent":
                self.network.cut(name, silent=True)
            case "network slow":
                self.network.slow[name] += 1
                end(lambda: self._heal(self.network.slow, name))
            case "network down":
                self.network.cut(name)
                self.network.down[name] += 1
                end(lambda: self._heal(self.network.down, name))
            case "numbers forgotten":
                self.venue(name).forgets.add(name)
                self.network.cut(name)
            case "venue killed":
                if self.venue(name).up:
                    self.venue(name).crash()

    def _free_disk(self) -> None:
        self.disk.full = False

    def _fast_disk(self) -> None:
        self.process.loop.slow_ns = 0

    @staticmethod
    def _heal(ill: Counter[str], name: str) -> None:
        ill[name] -= 1

    def _calm(self) -> None:
        self.trouble = False
        self.clock_offset_ns = 0
        self.disk.sick = False
        self._deaths.clear()
        self.deadly.clear()
        for venue in self.venues.values():
            venue.calm()

    def venue(self, name: str) -> SimVenue:
        """The venue at the other end of the session of this name: its own, or its drop copy's."""
        return self.venues[self.plan.drop_copies.get(name, name)]

    def loss(self) -> float:
        """How often a reply is lost on its way."""
        return self.plan.loss if self.trouble else 0.0

    def _knows_execution(self, exec_id: str) -> tuple[Decimal, Decimal] | None:
        for venue in self.venues.values():
            if exec_id.startswith(f"{venue.name}-"):
                return venue.knows_execution(exec_id)
        return None

    def _said(self, name: str, msg_seq_num: int) -> str:
        return self.venue(name).said(name, msg_seq_num)


def simulate(seed: int, *, keep_trace: bool = False, check_every: int = CHECK_EVERY) -> Outcome:
    """Run one seed; the core's invariants are checked at every so many commits."""
    with tempfile.TemporaryDirectory(dir=_memory()) as folder, stand_in.simulated(), _parts(small=seed % 3 == 1):
        world = World(seed, Path(folder), keep_trace=keep_trace, check_every=check_every)
        world.run()
        scheduler, state = world.scheduler, getattr(world.process, "state", None)
        trace, trace_hash, lives = scheduler.trace, scheduler.trace_hash, world.lives
        faults = dict(scheduler.counts)
        for process in world.processes:
            process.kill()
        return Outcome(
            seed,
            world.failure,
            trace,
            trace_hash,
            scheduler.steps,
            scheduler.now_ns,
            faults,
            Counter(_what(record.event) for record in world.witness.durable),
            len(world.witness.durable),
            len(state.orders) if state else 0,
            state.executions if state else 0,
            lives,
        )


@contextmanager
def _parts(*, small: bool) -> Iterator[None]:
    """Whether what goes in parts does so one by one: no seed has enough of it for more than one part else."""
    if not small:
        yield
        return
    with patch.object(lost, "DOUBTS_AT_ONCE", 1), patch.object(drop_copy, "APPLIED_AT_ONCE", 1):
        yield


def _what(event: Event) -> str:
    return f"item {event.kind}" if isinstance(event, ItemRaised) else type(event).__name__


def _memory() -> str | None:
    """A file system in memory, where there is one: the stores of the FIX sessions are real files."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
