"""One simulation: gateway, machine, network, venues, clients and operators under one scheduler, drawn from one seed."""

import itertools
import tempfile
import traceback
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gateway.config import VenueConfig
from gateway.core.invariants import InvariantBroken, check_state
from tests.simulation import plan, stand_in
from tests.simulation.absence import Absence
from tests.simulation.clients import Client, Operator
from tests.simulation.follower import CountedSnapshots, damage
from tests.simulation.machine import Disk, age_store
from tests.simulation.network import Wire
from tests.simulation.officer import Officer
from tests.simulation.process import Killed, Process
from tests.simulation.scheduler import MS, S, Scheduler
from tests.simulation.silence import Silence
from tests.simulation.venue import SimVenue
from tests.simulation.witness import Witness

if TYPE_CHECKING:
    from tests.simulation.engine import Session

START_NS = 1_767_603_600_000_000_000  # 2026-01-05 09:00 UTC, a Monday.
MOST_STEPS = 300_000
CALM_NS = 90 * S
VENUES = {"XSIM": "FIX.4.4", "YSIM": "FIX.4.2"}


class Outcome(msgspec.Struct):
    """What a seed came to. `failure` is empty when every promise held."""

    seed: int
    failure: str
    trace: list[str]
    trace_hash: str
    steps: int
    virtual_ns: int
    faults: dict[str, int]
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

    def connect(self, venue: str, session: "Session") -> Wire | None:
        """A connection, None when it is refused."""
        target = self._world.venues[venue]
        if not target.up or self.down[venue]:
            return None
        wire = Wire(
            self._world.scheduler,
            self._chance,
            venue,
            lambda: self._chance.randrange(300 * MS) if self.slow[venue] else 0,
        )
        wire.ends[0] = session
        target.accept(wire)
        self.wires[venue] = wire
        return wire

    def cut(self, venue: str, *, silent: bool = False) -> None:
        """Lose the connection to a venue, if there is one."""
        wire = self.wires.get(venue)
        if wire is not None:
            wire.cut(silent=silent)


class World:
    """Everything that there is."""

    heart_bt_int_s = 3

    def __init__(self, seed: int, store_dir: Path, *, keep_trace: bool = False) -> None:
        self.seed = seed
        self.start_ns = START_NS
        self.clock_offset_ns = 0
        self.scheduler = Scheduler(seed, keep_trace=keep_trace)
        self.plan = plan.draw(self.scheduler.stream("plan"), tuple(VENUES))
        self.trouble = True
        self.settings = self.plan.settings(VENUES)
        self.venue_configs = [
            VenueConfig(
                name=name,
                begin_string=begin_string,  # type: ignore[arg-type]
                sender_comp_id="GATEWAY",
                target_comp_id=name,
                host="127.0.0.1",
                port=1,
            )
            for name, begin_string in VENUES.items()
        ]
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
        self.witness = Witness(self.failed, self._knows_execution, self._said)
        self.network = Network(self)
        self.venues = {
            name: SimVenue(self, name, begin_string, self.plan.faults.get(name, []))
            for name, begin_string in VENUES.items()
        }
        self.process = self._live()
        accounts = itertools.cycle(plan.ACCOUNTS)
        self.clients = [
            Client(self, name, account, self.plan.quota)
            for name, account in zip(plan.CLIENTS[: self.plan.clients], accounts, strict=False)
        ]
        self.operator = Operator(self)
        self.officer = Officer(self)
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
        found = [f"the session to {venue} is down" for venue in VENUES if not state.session(venue).up]
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
                if (difference := self.witness.difference(name, venue.executed()))
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

    def _leave(self, process: Process) -> None:
        for call in sorted(process.calls, key=lambda call: call.number):
            call.cut()
        for client in process.streams:
            client.cut()

    # --- Other trouble ---

    def _strike(self, trouble: plan.Trouble) -> None:
        self.scheduler.count(trouble.kind)
        end = lambda call: self.scheduler.at(trouble.for_ns, f"{trouble.kind} is over", call)  # noqa: E731
        venue = trouble.venue
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
            case "taken over":
                self._taken_over(trouble.for_ns)
            case "connection cut":
                self.network.cut(venue)
            case "connection silent":
                self.network.cut(venue, silent=True)
            case "network slow":
                self.network.slow[venue] += 1
                end(lambda: self._heal(self.network.slow, venue))
            case "network down":
                self.network.cut(venue)
                self.network.down[venue] += 1
                end(lambda: self._heal(self.network.down, venue))
            case "numbers forgotten":
                self.venues[venue].forgets = True
                self.network.cut(venue)
            case "venue killed":
                if self.venues[venue].up:
                    self.venues[venue].crash()

    def _free_disk(self) -> None:
        self.disk.full = False

    def _fast_disk(self) -> None:
        self.process.loop.slow_ns = 0

    @staticmethod
    def _heal(ill: Counter[str], venue: str) -> None:
        ill[venue] -= 1

    def _calm(self) -> None:
        self.trouble = False
        self.clock_offset_ns = 0
        self.disk.sick = False
        self._deaths.clear()
        self.deadly.clear()
        for venue in self.venues.values():
            venue.calm()

    def loss(self) -> float:
        """How often a reply is lost on its way."""
        return self.plan.loss if self.trouble else 0.0

    def _knows_execution(self, exec_id: str) -> tuple[Decimal, Decimal] | None:
        for venue in self.venues.values():
            if exec_id.startswith(f"{venue.name}-"):
                return venue.knows_execution(exec_id)
        return None

    def _said(self, venue: str, msg_seq_num: int) -> str:
        return self.venues[venue].said(msg_seq_num)


def simulate(seed: int, *, keep_trace: bool = False) -> Outcome:
    """Run one seed."""
    with tempfile.TemporaryDirectory(dir=_memory()) as folder, stand_in.simulated():
        world = World(seed, Path(folder), keep_trace=keep_trace)
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
            len(world.witness.durable),
            len(state.orders) if state else 0,
            state.executions if state else 0,
            lives,
        )


def _memory() -> str | None:
    """A file system in memory, where there is one: the stores of the FIX sessions are real files."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
