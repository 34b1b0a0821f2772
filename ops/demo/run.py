"""`make demo`: two simulated venues, the gateway and a strategy process, watched live; at the end three accounts of
it compared.

Runs until Ctrl-C, or for DEMO_SECONDS seconds. The last line printed is one JSON object; the exit code is 0 when
nothing was lost or duplicated. If the gateway dies it is started again, as an init system would: try `kill -9` on the
pid shown. The journal is a file, or the empty database that DEMO_JOURNAL names (postgresql+psycopg://...).
"""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import msgspec
from rich.console import Console

from gateway.adapters.journal import SqlJournal
from gateway.runtime.files import Taken, alone
from gateway.runtime.ports import JournalError
from ops.demo.compare import ClientView, Verdict, compare, every_order, journal_view, venue_view
from ops.demo.view import View
from ops.stack import ROOT, VENUES, NotReady, Process, Stack

CLIENT_ID = "demo"
STRATEGY_STOP_S = 90.0
LOOK_S = 0.25
LEFT = {"gateway", "gateway.toml", "gateway.log", "strategy.json", "strategy.log"} | {
    f"{before}{venue}{after}" for venue in VENUES for before, after in (("venue-", ""), ("", ".toml"), ("", ".log"))
}
"""All that a demo leaves in its folder."""


def main() -> int:
    """Run the demo; the exit code of the process."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _asks_to(stop))
    seconds = float(os.environ.get("DEMO_SECONDS") or "inf")
    console = Console()
    try:
        with _fresh_folder() as folder:
            console.print(f"Starting two venues and the gateway in [bold]{folder}[/] ...")
            stack = Stack(folder, usual_ports=True, journal_url=_empty_journal(), sample_limits=True)
            with stack:
                verdict = _run(stack, console, stop, seconds)
    except (NotReady, JournalError) as problem:
        console.print(f"[bold red]error:[/] {problem}", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    for line in verdict.problems:
        console.print(f"[bold red]problem:[/] {line}", highlight=False)
    print(verdict.as_line(), flush=True)
    return 1 if verdict.lost or verdict.duplicated else 0


def _asks_to(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    """The first signal ends the demo in order, the second one at once."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    return handle


@contextlib.contextmanager
def _fresh_folder() -> Iterator[Path]:
    """var/demo, without what an earlier demo left; where the checkout cannot be written, or a demo runs there, a
    temporary folder.

    Raises:
        NotReady: it has something that no demo left there, and would be emptied.
    """
    folder = Path(os.environ.get("DEMO_DIR") or ROOT / "var" / "demo").absolute()
    with contextlib.ExitStack() as held:
        try:
            _refuse_others(folder)
            held.enter_context(alone(folder.with_name(f"{folder.name}.lock"), f"a demo runs in {folder}"))
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        except (OSError, Taken):
            folder = Path(tempfile.mkdtemp(prefix="gateway-demo-"))
        yield folder


def _refuse_others(folder: Path) -> None:
    there = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    if others := sorted(there - LEFT) or (sorted(there) if "XSIM.toml" not in there else []):
        names = ", ".join(others[:3])
        raise NotReady(
            f"{folder} has what no demo left there ({names}), and a demo empties its folder: name another in DEMO_DIR"
        )


def _empty_journal() -> str:
    """What DEMO_JOURNAL says; empty: a file in the demo's folder.

    Raises:
        NotReady: it has a past, which the venues of a new demo know nothing of.
    """
    url = os.environ.get("DEMO_JOURNAL", "")
    head = SqlJournal(url).head() if url else None
    if head is not None and head.seq:
        raise NotReady(f"the journal that DEMO_JOURNAL names has {head.seq:,} events: the demo needs an empty database")
    return url


def _run(stack: Stack, console: Console, stop: threading.Event, seconds: float) -> Verdict:
    seen = stack.folder / "strategy.json"
    strategy = Process("strategy", _strategy_command(stack, seen), stack.folder / "strategy.log")
    strategy.start()
    try:
        ends = time.monotonic() + seconds
        console.print(f"The API is at {stack.api_address}; its journal and all logs are in {stack.folder}.")
        with View(stack, console) as view:
            while not stop.is_set() and time.monotonic() < ends and strategy.poll() is None:
                _keep_alive(stack, view)
                view.refresh()
                stop.wait(LOOK_S)
        console.print("Cancelling what still works, then comparing client, journal and venues ...")
        _wind_down(stack, strategy)
    finally:
        strategy.stop()
    stack.stop()
    return _judge(stack, seen)


def _strategy_command(stack: Stack, seen: Path) -> list[str]:
    env = ["/usr/bin/env", f"PYTHONPATH={ROOT}"]
    return [*env, sys.executable, "-m", "ops.demo.strategy", stack.api_address, str(seen)]


def _keep_alive(stack: Stack, view: View) -> None:
    """What an init system does: a gateway that died is started again."""
    code = stack.gateway.poll()
    if code is not None:
        view.note(f"the gateway ended with code {code}; starting it again")
        stack.gateway.stop()
        stack.gateway.start()
        view.note(f"the gateway is back, pid {stack.gateway.pid}")


def _wind_down(stack: Stack, strategy: Process) -> None:
    """Let the strategy close its orders and write what it saw; the gateway stays up for it."""
    os.kill(strategy.pid, signal.SIGTERM)
    deadline = time.monotonic() + STRATEGY_STOP_S
    while strategy.poll() is None and time.monotonic() < deadline:
        if stack.gateway.poll() is not None:
            stack.gateway.stop()
            stack.gateway.start()
        time.sleep(LOOK_S)


def _judge(stack: Stack, seen: Path) -> Verdict:
    if not seen.exists():
        raise NotReady(f"the strategy ended without its account; its log is {stack.folder / 'strategy.log'}")
    client = msgspec.json.decode(seen.read_bytes(), type=ClientView)
    orders = every_order(SqlJournal(stack.journal_url).read())
    venues = venue_view({name: stack.ledger(name) for name in stack.venues})
    return compare(client, journal_view(orders, CLIENT_ID), venues)


if __name__ == "__main__":
    sys.exit(main())
