"""`gatewayctl top`: how things stand, again and again on one screen."""

import select
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from gateway.cli import tables
from gateway.cli.ctl_api import EXECUTIONS, Api, explain
from gateway.cli.ctl_command import Ctl
from gateway.cli.layout import apart
from gateway.pb.v1 import gateway_pb2 as pb

ORDERS_SHOWN = 15
EXECUTIONS_SHOWN = 10

# Of the live view: the line above it, the overview with a space, and around the rows of each of four tables its title,
# its headings, the rule below them and a space.
_OTHER_LINES = 1 + 4 + 4 * 4
_FEWEST_ROWS = 2

Wait = Callable[[float], bool]
"""Waits so many seconds for the key that ends; True when it was pressed."""


class Screen(msgspec.Struct, frozen=True):
    """One look at a gateway."""

    overview: pb.GetOverviewResponse
    sessions: pb.ListSessionsResponse
    working: pb.ListOrdersResponse
    executions: list[pb.Event]
    positions: pb.ListPositionsResponse

    def table(self, now_ns: int, height: int | None = None) -> RenderableType:
        """For people: what fits on a screen of so many lines, everything when not given."""
        rows, others = self._rows_within(height) if height else (ORDERS_SHOWN, len(self.positions.positions))
        orders, positions = self.working.orders[:rows], self.positions.positions[:others]
        return apart(
            tables.overview(self.overview, now_ns),
            tables.sessions(self.sessions.sessions, now_ns),
            tables.orders(orders, _title("Working orders", len(orders), self.overview.working_orders)),
            tables.executions(self.executions[: -rows - 1 : -1], now_ns, "Newest executions"),
            tables.positions(positions, _title("Positions", len(positions), len(self.positions.positions)))
            if positions or not self.positions.positions
            else Text(f"{len(self.positions.positions):,} positions do not fit", "dim"),
        )

    def _rows_within(self, height: int) -> tuple[int, int]:
        """How many orders (and as many executions) and how many positions fit; positions get what is left."""
        free = height - _OTHER_LINES - len(self.sessions.sessions)
        rows = max(_FEWEST_ROWS, min(ORDERS_SHOWN, (free - len(self.positions.positions)) // 2, free // 3))
        rows = min(rows, max(_FEWEST_ROWS, len(self.working.orders), len(self.executions)))
        return rows, max(0, free - 2 * rows)

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "overview": self.overview,
            "sessions": list(self.sessions.sessions),
            "working_orders": list(self.working.orders),
            "executions": self.executions,
            "positions": list(self.positions.positions),
        }


class Watcher:
    """Looks at a gateway. Of the executions it reads only those that are new since the last look."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._executions: deque[pb.Event] = deque(maxlen=EXECUTIONS_SHOWN)
        self._seen_seq: int | None = None

    def look(self) -> Screen:
        """How things stand now. Raises grpc.RpcError."""
        self._read_executions()
        return Screen(
            overview=self._api.overview(),
            sessions=self._api.sessions(),
            working=self._api.orders(pb.ListOrdersRequest(working=True), ORDERS_SHOWN),
            executions=list(self._executions),
            positions=self._api.positions(pb.ListPositionsRequest()),
        )

    def _read_executions(self) -> None:
        wanted = pb.EventFilter(types=EXECUTIONS)
        if self._seen_seq is None:
            found, last_seq = self._api.newest(EXECUTIONS_SHOWN, wanted)
            self._executions.extend(found)
        else:
            last_seq = self._api.last_seq()
            self._executions.extend(self._api.history(self._seen_seq + 1, last_seq, wanted))
        self._seen_seq = last_seq


def _title(of: str, shown: int, total: int) -> str:
    return f"{of}, the first {shown:,} of {total:,}" if shown < total else of


def run(ctl: Ctl, interval_s: float) -> None:
    """The live view; without a terminal, or for programs, one look."""
    watcher = Watcher(ctl.api)
    screen = watcher.look()
    if ctl.as_json or not ctl.console.is_terminal:
        ctl.show(screen.document(), screen.table(ctl.now_ns))
        return
    try:
        with _keys() as wait, Live(console=ctl.console, screen=True, auto_refresh=False) as live:
            _refresh(ctl, watcher, screen, live, lambda: wait(interval_s))
    except KeyboardInterrupt:
        return


def _refresh(ctl: Ctl, watcher: Watcher, screen: Screen, live: Live, ended: Callable[[], bool]) -> None:
    """Show, wait, look again. A gateway that goes away and comes back stays on the screen."""
    trouble = ""
    while True:
        # First of all, because what does not fit is cut off at the bottom.
        head = Text(trouble, "bold red") if trouble else Text("q to leave", "dim")
        table = screen.table(time.time_ns(), ctl.console.height)
        live.update(Group(head, table), refresh=True)
        if ended():
            return
        try:
            screen, trouble = watcher.look(), ""
        except grpc.RpcError as error:
            trouble = explain(error, ctl.api.address, ctl.api.client_id)[0]


@contextmanager
def _keys() -> Iterator[Wait]:
    """Single keys without Enter, where there is a keyboard; the terminal is put back as it was."""
    if not sys.stdin.isatty():
        yield _sleep
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield _q_within
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _q_within(seconds: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and sys.stdin.read(1) in {"q", "Q", ""}


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
