"""`gatewayctl top`: how things stand, again and again on one screen."""

import select
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from gateway.cli import tables, tables_reconcile
from gateway.cli.ctl_api import EXECUTIONS, Api, explain
from gateway.cli.ctl_command import Ctl
from gateway.cli.layout import apart, first_of
from gateway.pb.v1 import gateway_pb2 as pb

ORDERS_SHOWN = 15
EXECUTIONS_SHOWN = 10

POSITIONS_READ = 200
"""More positions than this are not read again and again: no screen has place for them, and each look would cost the
gateway time.
"""

TROUBLES_SHOWN = 5
TROUBLES_READ = 200
"""More items or requests in doubt than this are counted and not read: each look would hold the gateway up."""

# Around the rows of a table: its title, its headings, the rule below them and a space.
_FRAME = 4
# Of the live view: the line above it, the overview with a space, and four tables.
_OTHER_LINES = 1 + 4 + 4 * _FRAME
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
    items: list[pb.Item]
    in_doubt: list[pb.DoubtfulRequest]

    def table(self, now_ns: int, height: int | None = None) -> RenderableType:
        """For people: what fits on a screen of so many lines, everything when not given."""
        with_troubles = height is None or self._free(height) - self._troubles_lines() >= 2 * _FEWEST_ROWS
        taken = self._troubles_lines() if with_troubles else 0
        rows, others = (ORDERS_SHOWN, len(self.positions.positions))
        if height is not None:
            rows, others = self._rows_within(self._free(height) - taken)
        orders, positions = self.working.orders[:rows], self.positions.positions[:others]
        return apart(
            tables.overview(self.overview, now_ns),
            tables.sessions(self.sessions.sessions, now_ns),
            *(self._troubles(now_ns) if with_troubles else []),
            tables.orders(orders, first_of("Working orders", len(orders), self.overview.working_orders)),
            tables.executions(self.executions[: -rows - 1 : -1], now_ns, "Newest executions"),
            self._positions(positions),
        )

    def _positions(self, shown: Sequence[pb.Position]) -> RenderableType:
        """Those that have place, and of how many they are."""
        more, read = bool(self.positions.next_page_token), len(self.positions.positions)
        if not shown and read:
            return Text(f"{'more than ' if more else ''}{read:,} positions do not fit", "dim")
        first = f"Positions, the first {len(shown):,} of more than {read:,}"
        return tables.positions(shown, first if more else first_of("Positions", len(shown), read))

    def _troubles(self, now_ns: int) -> list[RenderableType]:
        """Open items, critical ones first, and requests in doubt; nothing where there are none."""
        shown: list[RenderableType] = []
        if self.overview.open_items:
            worst = sorted(self.items, key=lambda item: item.severity)[:TROUBLES_SHOWN]
            title = first_of("Items", len(worst), self.overview.open_items)
            table = tables_reconcile.items(worst, now_ns, title)
            shown.append(table if worst else _unread(self.overview.open_items, "items"))
        if self.overview.in_doubt:
            oldest = self.in_doubt[:TROUBLES_SHOWN]
            title = first_of("In doubt", len(oldest), self.overview.in_doubt)
            table = tables_reconcile.in_doubt(oldest, now_ns, title)
            shown.append(table if oldest else _unread(self.overview.in_doubt, "in-doubt"))
        return shown

    def _troubles_lines(self) -> int:
        """How high they are, unless a text is folded."""
        return sum(_FRAME + min(TROUBLES_SHOWN, len(each)) for each in (self.items, self.in_doubt) if each)

    def _free(self, height: int) -> int:
        """The lines of such a screen that orders, executions and positions can have."""
        return height - _OTHER_LINES - len(self.sessions.sessions)

    def _rows_within(self, free: int) -> tuple[int, int]:
        """How many orders (and as many executions) and how many positions fit; positions get what is left."""
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
            "items": self.items,
            "in_doubt": self.in_doubt,
        }


class Watcher:
    """Looks at a gateway. Of the executions it reads only those that are new since the last look."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._executions: deque[pb.Event] = deque(maxlen=EXECUTIONS_SHOWN)
        self._seen_seq: int | None = None

    def look(self, most_positions: int | None = POSITIONS_READ) -> Screen:
        """How things stand now, with all positions where `most_positions` is None. Raises grpc.RpcError."""
        self._read_executions()
        overview = self._api.overview()
        return Screen(
            overview=overview,
            sessions=self._api.sessions(),
            working=self._api.orders(pb.ListOrdersRequest(working=True), ORDERS_SHOWN),
            executions=list(self._executions),
            positions=self._api.positions(pb.ListPositionsRequest(), most_positions),
            items=list(self._api.items("").items) if 0 < overview.open_items <= TROUBLES_READ else [],
            in_doubt=list(self._api.in_doubt().requests) if 0 < overview.in_doubt <= TROUBLES_READ else [],
        )

    def _read_executions(self) -> None:
        wanted = pb.EventFilter(types=EXECUTIONS)
        if self._seen_seq is None:
            found = self._api.newest(EXECUTIONS_SHOWN, wanted)
            self._executions.extend(found.events)
            last_seq = found.last_seq
        else:
            last_seq = self._api.last_seq()
            self._executions.extend(
                list(self._api.history(self._seen_seq + 1, last_seq, wanted))
            )  # All, or none of them.
        self._seen_seq = last_seq


def _unread(count: int, command: str) -> Text:
    """In place of a table that is not read again and again."""
    return Text(f"{count:,} {command.replace('-', ' ')}: gatewayctl {command} lists them", "bold red")


def run(ctl: Ctl, interval_s: float) -> None:
    """The live view; without a terminal, or for programs, one look."""
    watcher = Watcher(ctl.api)
    if ctl.as_json or not ctl.console.is_terminal:
        screen = watcher.look(most_positions=None)
        ctl.show(screen.document(), screen.table(ctl.now_ns))
        return
    screen = watcher.look()
    try:
        with keys() as wait, Live(console=ctl.console, screen=True, auto_refresh=False) as live:
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
def keys() -> Iterator[Wait]:
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
