"""What a run measures, and how long for: the whole benchmark, the quick one, and one that only shows that it works."""

import msgspec

from tests.bench.e2e.field import (
    BRIDGE,
    ECHO,
    FIX,
    POWER,
    POWER_LANE,
    POWER_POSTGRES,
    POWER_UNIX,
    PROCESS,
    PROCESS_LANE,
    PROCESS_POSTGRES,
    PROCESS_UNIX,
)
from tests.bench.e2e.sustained import Search

COMPARED_AT = 1_000
"""Orders per second at which the targets for round trips hold."""


class Plan(msgspec.Struct, frozen=True):
    """A slice takes `seconds` after `warm_up_s`. All of `contestants` take each of `rates`, the `others` only the one
    at which they are compared, in `rounds`. Everything else takes `other_rounds`; open orders, clients and sessions are
    varied at `steady_rate`.
    """

    name: str
    rounds: int
    seconds: float
    warm_up_s: float = 0.3
    contestants: tuple[str, ...] = (ECHO, FIX, BRIDGE, PROCESS, POWER, PROCESS_LANE, POWER_LANE)
    others: tuple[str, ...] = ()
    rates: tuple[int, ...] = (COMPARED_AT,)
    compared_at: int = COMPARED_AT
    search: Search | None = None
    searched: tuple[str, ...] = (BRIDGE, PROCESS, POWER, PROCESS_LANE, POWER_LANE)
    other_rounds: int = 1
    steady_rate: int = 500
    fill_rate: int = 4_000
    open_orders: tuple[int, ...] = ()
    clients: tuple[int, ...] = ()
    sessions: tuple[int, ...] = ()
    lives: int = 0
    lives_times: int = 5
    risk_open: tuple[int, ...] = ()
    codec_s: float = 0.0
    recovery: tuple[int, ...] = ()


FULL = Plan(
    "bench",
    rounds=5,
    other_rounds=3,
    seconds=1.5,
    others=(PROCESS_UNIX, POWER_UNIX, PROCESS_POSTGRES, POWER_POSTGRES),
    rates=(200, COMPARED_AT, 2_000),
    search=Search(),
    open_orders=(1_000, 10_000, 100_000),
    clients=(1, 20, 200),
    sessions=(1, 5, 20),
    lives=20_000,
    risk_open=(1_000, 10_000),
    codec_s=1.0,
    recovery=(10_000, 100_000),
)
QUICK = Plan(
    "bench-quick",
    rounds=3,
    seconds=0.6,
    warm_up_s=0.2,
    contestants=(ECHO, FIX, BRIDGE, PROCESS, PROCESS_LANE, POWER_LANE),
    searched=(BRIDGE, PROCESS_LANE),
    search=Search(first=1_000, precision=0.3, seconds=0.6, warm_up_s=0.2, confirmations=1),
    lives=6_000,
    lives_times=3,
)
