"""What a seed holds in store: how long the trouble lasts, how large things are, and which faults happen how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Literal

import msgspec

from gateway.core.instruments import Instrument
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit, RiskClient, RiskSetup, RiskVenue
from gateway.core.state import Reconcile, Settings
from sim_exchange.config import FaultConfig
from tests.risk import ample, open_risk
from tests.simulation.scheduler import MS, S

AUTO, MANUAL = "ACME", "DESK"
"""An instrument that the exchange matches, and one that is worked by hand."""
GATEWAY, COPIES = "GATEWAY", "GATEWAY-DC"
"""The names of the gateway at a venue: on the order session, and on that of its drop copy."""
BEGIN_STRINGS: dict[str, Literal["FIX.4.2", "FIX.4.4"]] = {"XSIM": "FIX.4.4", "YSIM": "FIX.4.2"}
"""The venues and the FIX that each of them speaks."""
CLIENTS = ("C1-", "C2-", "C3-", "C4-")
DESKS, ACCOUNTS = {"D1": ""}, {"A1": "D1", "A2": ""}
"""Of two accounts one belongs to a desk; clients trade for the one or the other."""

COPY_GRACE_NS = 2 * S
"""How long the order session and the drop copy of a venue may differ, where the venue is compared."""

POINTS = (
    "before the append",
    "in the middle of the append",
    "before the append is synced",
    "after the append is synced",
    "while the journal is read",
    "before the session takes a message",
    "before a message is stored",
    "after a message is stored, before its number is used up",
    "after the number is used up, before the socket",
    "after the socket",
    "before the inbound number moves",
    "before the store writes numbers",
    "before a reply",
    "before a piece of a stream",
)
"""The named places where a process may die; between any two entries of the queue it may die as well."""


@dataclass(frozen=True)
class Death:
    """The process dies: at a moment, or (with `where`) the `nth` time that it comes to a place after that moment.

    `power`: the machine loses power, not only the process its life.
    """

    at_ns: int
    where: str = ""
    nth: int = 1
    power: bool = False


@dataclass(frozen=True)
class Trouble:
    """Something else happens to the machine, the network, or a venue (on one of its sessions) at a moment."""

    at_ns: int
    kind: str
    session: str = ""
    for_ns: int = 0


@dataclass
class Plan:
    """Everything that is decided before the first step."""

    trouble_ns: int
    clients: int
    quota: int
    pause_ns: int
    window: int
    max_batch: int
    max_commands: int
    loss: float
    lies: float
    deaths: list[Death]
    troubles: list[Trouble]
    faults: dict[str, list[FaultConfig]] = field(default_factory=dict)
    reconcile: bool = True
    retire_after_ns: int | None = None
    max_ended_orders: int = 100_000
    snapshot_events: int = 50
    stops: float = 0.0
    mass_cancel: bool = False
    grace_ns: tuple[int | None, ...] = (None,) * len(CLIENTS)
    last_stop: bool = False
    last_away: bool = False
    drop_copy: str = ""
    copies_all: bool = False
    stuck_at_ns: int | None = None
    position: int = 1_000_000

    @property
    def drop_copies(self) -> dict[str, str]:
        """The name of each drop-copy session, and the venue whose executions it copies."""
        return {f"{self.drop_copy}.DROP": self.drop_copy} if self.drop_copy else {}

    def settings(self, venues: Mapping[str, str]) -> Settings:
        """Two instruments at both venues: one is matched, one is worked by hand."""
        instruments = {
            symbol: Instrument(
                symbol,
                dict.fromkeys(venues, symbol),
                next(iter(venues)),
                tick_size=Decimal("0.01"),
                lot_size=Decimal(1),
                currency="EUR",
            )
            for symbol in (AUTO, MANUAL)
        }
        reconcile = {
            venue: Reconcile(
                mass=begin_string != "FIX.4.2", every_ns=4 * S, timeout_ns=3 * S, window=5, grace_ns=COPY_GRACE_NS
            )
            for venue, begin_string in venues.items()
        }
        return Settings(
            instruments=instruments,
            venues=tuple(venues),
            ack_timeout_ns=dict.fromkeys(venues, 2 * S),
            max_working_orders_per_client=60,
            max_unanswered_per_order=4,
            reconcile=reconcile if self.reconcile else {},
            drop_copies=self.drop_copies,
            retire_after_ns=self.retire_after_ns,
            max_ended_orders=self.max_ended_orders,
            risk=self._risk(instruments, venues),
        )

    def _risk(self, instruments: dict[str, Instrument], venues: Mapping[str, str]) -> RiskSetup:
        clients = {
            name: RiskClient(accounts=("*",), cancel_on_disconnect_ns=grace_ns)
            for name, grace_ns in zip(CLIENTS, self.grace_ns, strict=True)
        }
        mass_cancel = {
            venue: RiskVenue(mass_cancel=self.mass_cancel and begin_string != "FIX.4.2")
            for venue, begin_string in venues.items()
        }
        made = open_risk(instruments, venues, desks=DESKS, accounts=ACCOUNTS, clients=clients)
        firm = {**ample(), Control.MAX_POSITION_QTY: Limit(Decimal(self.position))}
        return msgspec.structs.replace(made, venues=mass_cancel, limits={"firm": firm})


_MACHINE = ("disk full", "fsync fails", "slow disk", "clock forward", "clock back", "snapshot damaged", "taken over")
_NETWORK = ("connection cut", "connection silent", "network slow", "network down", "venue killed", "numbers forgotten")
_FAULTS = (
    "delay",
    "duplicate",
    "reorder",
    "poss_dup",
    "poss_resend",
    "drop",
    "gap",
    "torn",
    "reject",
    "silence",
    "silence",
    "session_reject",
    "business_reject",
    "refuse_logon",
)
_TRANSPORT = ("delay", "duplicate", "reorder", "poss_dup", "poss_resend", "drop", "gap", "torn")


def exchange_session(venue: str, client: str) -> str:
    """What the exchange calls its session with a client."""
    return f"{BEGIN_STRINGS[venue]}:{venue}->{client}"


def draw(chance: Random, venues: tuple[str, ...]) -> Plan:
    """The plan of one seed. One in ten is calm, so that what needs no trouble is seen too."""
    calm = chance.random() < 0.1
    trouble_ns = chance.randint(3, 9) * S
    drop_copy = chance.choice(("", "", *venues))
    sessions = (*venues, f"{drop_copy}.DROP") if drop_copy else venues
    return Plan(
        trouble_ns=trouble_ns,
        clients=chance.randint(1, 4),
        quota=chance.randint(10, 40),
        pause_ns=chance.choice((60 * MS, 200 * MS, 500 * MS)),
        window=chance.choice((4, 16, 64, 1024)),
        max_batch=chance.choice((1, 4, 512)),
        max_commands=chance.choice((3, 50, 10_000)),
        loss=0.0 if calm else chance.choice((0.0, 0.02, 0.1)),
        lies=0.0 if calm else chance.choice((0.0, 0.1, 0.4)),
        deaths=[] if calm else _deaths(chance, trouble_ns),
        troubles=[] if calm else _troubles(chance, trouble_ns, sessions),
        faults={}
        if calm
        else {
            venue: _venue_faults(chance) + (_copy_faults(chance, venue) if venue == drop_copy else [])
            for venue in venues
        },
        reconcile=chance.random() < 0.8,
        retire_after_ns=chance.choice((None, 500 * MS, 3 * S)),
        max_ended_orders=chance.choice((2, 10, 100_000)),
        snapshot_events=chance.choice((20, 60, 1_000_000)),
        stops=chance.choice((0.0, 0.15, 0.4)),
        mass_cancel=chance.random() < 0.5,
        grace_ns=tuple(chance.choice((None, 0, 300 * MS, 2 * S)) for _ in CLIENTS),
        last_stop=chance.random() < 0.4,
        last_away=chance.random() < 0.4,
        drop_copy=drop_copy,
        copies_all=chance.random() < 0.5,
        stuck_at_ns=chance.randrange(trouble_ns // 2, trouble_ns) if not calm and chance.random() < 0.12 else None,
        position=chance.choice((150, 500, 1_000_000)),
    )


def _deaths(chance: Random, trouble_ns: int) -> list[Death]:
    deaths = []
    for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 5))):
        at = chance.randrange(trouble_ns)
        where = "" if chance.random() < 0.35 else chance.choice(POINTS)
        deaths.append(Death(at, where, chance.choice((1, 1, 2, 3, 5)), chance.random() < 0.3))
    return sorted(deaths, key=lambda death: death.at_ns)


def _troubles(chance: Random, trouble_ns: int, sessions: tuple[str, ...]) -> list[Trouble]:
    found = []
    for _ in range(chance.choice((0, 1, 2, 3, 5))):
        kind = chance.choice(_MACHINE + _NETWORK * 2)
        session = chance.choice(sessions) if kind in _NETWORK else ""
        found.append(Trouble(chance.randrange(trouble_ns), kind, session, chance.randrange(3 * S)))
    return found


def _venue_faults(chance: Random) -> list[FaultConfig]:
    faults = []
    for kind in chance.sample(_FAULTS, chance.choice((0, 1, 2, 4))):
        delay_ms = chance.randrange(20, 800) if kind in ("delay", "reorder") else 0
        faults.append(FaultConfig(kind=kind, probability=chance.choice((0.02, 0.1)), delay_ms=delay_ms))  # type: ignore[arg-type]
    if chance.random() < 0.05:
        faults.append(FaultConfig(kind="reject", probability=0.9))
    return faults


def _copy_faults(chance: Random, venue: str) -> list[FaultConfig]:
    """What goes wrong on the way of copies, and executions that only one of two sessions is ever told."""
    orders, copies = (exchange_session(venue, client) for client in (GATEWAY, COPIES))
    lost_to = chance.choice(("", orders, copies))
    faults = [FaultConfig(kind="lose", session=lost_to, exec_type=kind, probability=0.4) for kind in "FGH" if lost_to]
    for kind in chance.sample(_TRANSPORT, chance.choice((0, 1, 2))):
        delay_ms = chance.randrange(20, 3000) if kind in ("delay", "reorder") else 0
        probability = chance.choice((0.05, 0.2))
        faults.append(FaultConfig(kind=kind, session=copies, probability=probability, delay_ms=delay_ms))  # type: ignore[arg-type]
    return faults
