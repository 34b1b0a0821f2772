"""`gatewayctl risk exposure --watch`: exposure as it changes, on one screen."""

import time
from collections.abc import Callable, Iterator

import grpc
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from gateway.cli import tables_risk as tables
from gateway.cli.ctl_api import explain
from gateway.cli.ctl_command import Ctl, to_json
from gateway.cli.ctl_top import keys
from gateway.cli.tables import clock
from gateway.pb.v1 import gateway_pb2 as pb

AGAIN_S = 1.0
"""How long to wait for a gateway that went away, before looking again."""

# The line above the table, its title, its headings and the rule below them.
_OTHER_LINES = 5

Ended = Callable[[float], bool]
"""Waits so many seconds for the key that ends; True when it was pressed."""


def watch(ctl: Ctl, request: pb.WatchExposureRequest) -> None:
    """Snapshots until q or Ctrl-C; for programs one a line, and without a terminal a single one."""
    try:
        if ctl.as_json:
            for snapshot in ctl.api.watch_exposure(request):
                print(to_json(snapshot), flush=True)
        elif not ctl.console.is_terminal:
            snapshot = next(ctl.api.watch_exposure(request))
            ctl.console.print(_table(snapshot, len(snapshot.rows)))
        else:
            _live(ctl, request)
    except KeyboardInterrupt:
        return


def _live(ctl: Ctl, request: pb.WatchExposureRequest) -> None:
    with keys() as ended, Live(console=ctl.console, screen=True, auto_refresh=False) as live:
        for screen in _screens(ctl, request, ended):
            live.update(screen, refresh=True)
            if ended(0):
                return


def _screens(ctl: Ctl, request: pb.WatchExposureRequest, ended: Ended) -> Iterator[RenderableType]:
    """What is shown, again and again. A gateway that goes away and comes back stays on the screen."""
    table: RenderableType = Text()
    while True:
        try:
            for snapshot in ctl.api.watch_exposure(request):
                table = _table(snapshot, ctl.console.height - _OTHER_LINES)
                yield Group(Text(f"q to leave   {clock(snapshot.time_ns, time.time_ns())}", "dim"), table)
        except grpc.RpcError as error:
            trouble = explain(error, ctl.api.address, ctl.api.client_id)[0]
            if error.code() in _FOR_GOOD:
                raise
            yield Group(Text(trouble, "bold red"), table)
        if ended(AGAIN_S):
            return


_FOR_GOOD = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
)


def _table(snapshot: pb.WatchExposureResponse, most: int) -> RenderableType:
    """The first rows, at most so many but one at least, and of how many they are: a snapshot may be cut short too."""
    rows = snapshot.rows[: max(1, most)]
    whole = len(rows) == len(snapshot.rows) and not snapshot.truncated
    among = f"{'more than ' if snapshot.truncated else ''}{len(snapshot.rows):,}"
    title = "Exposure" if whole else f"Exposure, the first {len(rows):,} of {among}"
    return tables.exposure(rows, snapshot.currency, title)
