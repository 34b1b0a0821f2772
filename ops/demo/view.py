"""What the demo shows while it runs: the screen of `gatewayctl top` on a terminal, plain lines elsewhere."""

import time
from typing import Self

import grpc
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gateway.cli.ctl_api import Api
from gateway.cli.ctl_top import Screen, Watcher
from ops.stack import Stack

OPERATOR_ID = "ops"
LINE_S = 2.0


class View:
    """The gateway as an operator sees it, again and again."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._api = Api(stack.api_address, OPERATOR_ID)
        self._watcher = Watcher(self._api)
        self._live = Live(console=console, screen=True, auto_refresh=False) if console.is_terminal else None
        self._note = Text("Ctrl-C ends the demo", "dim")
        self._next_line = 0.0

    def __enter__(self) -> Self:
        """Take the screen, where there is one."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the screen back."""
        if self._live is not None:
            self._live.stop()
        self._api.__exit__(None, None, None)

    def note(self, text: str) -> None:
        """Something that the watcher should know."""
        self._note = Text(text, "bold yellow")
        if self._live is None:
            self._console.print(text, highlight=False, soft_wrap=True)

    def refresh(self) -> None:
        """Look and show. A gateway that is away for a moment stays on the screen as it was."""
        try:
            screen = self._watcher.look()
        except grpc.RpcError:
            return
        if self._live is not None:
            table = screen.table(time.time_ns(), self._console.height)
            self._live.update(Group(self._head(), table), refresh=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_S
            self._console.print(_line(screen), highlight=False, soft_wrap=True)

    def _head(self) -> Text:
        about = f"API {self._stack.api_address}   gateway pid {self._stack.gateway.pid}, kill -9 it   "
        return Text.assemble(about, self._note, no_wrap=True, overflow="ellipsis")


def _line(screen: Screen) -> str:
    seen = screen.overview
    sessions = " ".join(f"{each.venue} {'up' if each.logged_on else 'DOWN'}" for each in screen.sessions.sessions)
    return (
        f"orders {seen.orders:,} (working {seen.working_orders:,}, in doubt {seen.in_doubt:,})  "
        f"executions {seen.executions:,}  order to ack p50 {seen.order_to_ack_p50_us:,} us "
        f"p99 {seen.order_to_ack_p99_us:,} us  sessions {sessions}"
    )
