"""How long a restart takes and what memory holds, at growing sizes of the journal: `make bench-recovery`.

Journals of whole order lives, made by the real core, through the real SQLite journal. Orders stay in memory for as long
as with the default configuration, or for `--retire-after` seconds. Every measurement is a process of its own, so that
none finds what another left in memory.
"""

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from gateway.adapters.journal import SqlJournal
from gateway.config.sections import RetentionConfig
from gateway.core.engine import advance
from gateway.core.order import Order
from gateway.core.state import State
from gateway.runtime.recovery import recover
from gateway.runtime.snapshots import Snapshots
from tests.bench.lives import SECOND_NS, SETTINGS, Lives

ROOT = Path(__file__).parents[2]
SIZES = (10_000, 100_000, 1_000_000)
AS_SHIPPED = RetentionConfig()
BEHIND = AS_SHIPPED.snapshot_events
"""How far the newest snapshot is behind the journal's end: as far as the default configuration lets it fall."""

Figures = dict[str, Any]


class Growth(msgspec.Struct):
    """What was measured at one size."""

    events: int
    journal_bytes: int
    snapshot_bytes: int
    without: Figures
    with_snapshot: Figures

    @property
    def events_per_s(self) -> int:
        """By the time of the processor: other work on the machine does not count."""
        return int(self.events / self.without["cpu_s"])


# --- The processes ---


def generate(directory: Path, events: int, retire_after_s: int = AS_SHIPPED.retire_after_s) -> Figures:
    """A journal of so many events, and a snapshot some way behind its end."""
    kept = msgspec.structs.replace(
        SETTINGS, retire_after_ns=retire_after_s * SECOND_NS, max_ended_orders=AS_SHIPPED.ended_orders
    )
    journal = SqlJournal(f"sqlite:///{directory / 'journal.sqlite'}", "process")
    journal.open()
    snapshot_at = events - min(BEHIND, events // 2)
    lives = Lives(1, kept)
    for batch in lives.batches(events):
        journal.append(batch)
    state = State()
    for told in journal.told():
        for record in told:
            advance(state, record.event, record.at_ns, record.cause)
        if state.seq >= snapshot_at:
            break
    chain_hash = journal.hash_at(state.seq)
    if chain_hash is None:
        raise SystemExit(f"no batch ends at {state.seq}")
    snapshot = Snapshots(directory / "snapshots").save(state, chain_hash)
    journal.close()
    size = sum(path.stat().st_size for path in directory.glob("journal.sqlite*"))
    return {"events": lives.state.seq, "journal_bytes": size, "snapshot_bytes": snapshot.stat().st_size}


def restart(directory: Path, snapshots: Snapshots | None) -> Figures:
    """What a start takes, and what is in memory then."""
    journal = SqlJournal(f"sqlite:///{directory / 'journal.sqlite'}", "process")
    began, used = time.perf_counter(), time.process_time()
    state = recover(journal, snapshots, _said)
    took = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - used}
    return took | {"peak_bytes": peak_bytes(), "seq": state.seq} | memory(state)


def _said(reason: str) -> None:
    raise SystemExit(f"the snapshot was not used: {reason}")


# --- Memory ---


def peak_bytes() -> int:
    """The most memory that this program has had. `ru_maxrss` begins with what the process that started it had."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1_024


def memory(state: State) -> Figures:
    """How many orders and names there are, and the bytes that one takes."""
    gc.collect()
    ended = [state.orders[order_id] for order_id in state.ended]
    open_orders = [order for order_id, order in state.orders.items() if order_id not in state.ended]
    names = len(state.retired)
    return {
        "open": len(open_orders),
        "ended": len(ended),
        "retired": state.retired_orders,
        "names": names,
        "bytes_per_open": _per_order(state, open_orders),
        "bytes_per_ended": _per_order(state, ended),
        "bytes_per_key": _per_key(state),
        "bytes_per_retired": state.retired.size // max(1, state.retired_orders),
        "bytes_per_name": state.retired.size // max(1, names),
    }


def _per_order(state: State, orders: list[Order]) -> int:
    """An order with its keys and its places in the indexes; what is shared by all is not counted."""
    some = orders[:: max(1, len(orders) // 1_000)]
    if not some:
        return 0
    known: set[int] = set()
    total = 0
    for order in some:
        keys = state.keys[order.command.client_id]
        names = dict.fromkeys([order.command.cl_ord_id, *[request.cl_ord_id for request in order.requests.values()]])
        total += size_of(order, known) + sum(size_of(keys[name], known) for name in names)
        slots = 2 + len(names) + len(order.requests)  # In orders, by the venue's name, and for each name of ours.
        total += slots * _slot(state.orders)
    return total // len(some)


def _slot(index: dict[Any, Any]) -> int:
    return sys.getsizeof(index) // max(1, len(index))


def _per_key(state: State) -> int:
    """A key that names no order, while it is in memory."""
    known: set[int] = set()
    sizes = [
        size_of(state.keys[client_id][cl_ord_id], known) + 2 * _slot(state.bare_keys)
        for client_id, cl_ord_id in list(state.bare_keys)[:1_000]
    ]
    return sum(sizes) // max(1, len(sizes))


def size_of(value: object, known: set[int]) -> int:
    """The bytes of all that a value is made of and that was not counted before."""
    if id(value) in known or value is None or isinstance(value, (Enum, bool, type)):
        return 0
    known.add(id(value))
    return sys.getsizeof(value) + sum(size_of(part, known) for part in _parts(value))


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, msgspec.Struct):
        return [getattr(value, name) for name in value.__struct_fields__]
    if not isinstance(value, (str, int, Decimal)):
        raise TypeError(f"what a {type(value).__name__} takes is not known")
    return []


# --- The table ---


def measured(events: int, retire_after_s: int = AS_SHIPPED.retire_after_s) -> Growth:
    """Everything at one size."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as directory:
        made = _process("generate", directory, str(events), str(retire_after_s))
        return Growth(**made, without=_process("restart", directory), with_snapshot=_process("resume", directory))


def _process(what: str, *arguments: str) -> Figures:
    command = [sys.executable, "-m", "tests.bench.recovery", "--process", what, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE, env=os.environ | {"PYTHONHASHSEED": "0"}
    )
    return dict(json.loads(done.stdout))


ROWS: tuple[tuple[str, Callable[[Growth], str]], ...] = (
    ("journal", lambda of: _mib(of.journal_bytes)),
    ("recovery without snapshot", lambda of: _took(of.without)),
    ("- events per second", lambda of: f"{of.events_per_s:,}"),
    ("- peak memory", lambda of: _mib(of.without["peak_bytes"])),
    ("recovery with snapshot", lambda of: _took(of.with_snapshot)),
    ("- events behind the snapshot", lambda of: f"{min(BEHIND, of.events // 2):,}"),
    ("- peak memory", lambda of: _mib(of.with_snapshot["peak_bytes"])),
    ("- size of the snapshot", lambda of: _mib(of.snapshot_bytes)),
    ("orders open", lambda of: f"{of.without['open']:,}"),
    ("orders ended", lambda of: f"{of.without['ended']:,}"),
    ("orders retired", lambda of: f"{of.without['retired']:,}"),
    ("bytes of an open order", lambda of: f"{of.without['bytes_per_open']:,}"),
    ("bytes of an ended order", lambda of: f"{of.without['bytes_per_ended']:,}"),
    ("bytes of a retired order", lambda of: f"{of.without['bytes_per_retired']:,}"),
    ("- of each of its names", lambda of: f"{of.without['bytes_per_name']:,}"),
    ("bytes of a key without order", lambda of: f"{of.without['bytes_per_key']:,}"),
)


def _took(figures: Figures) -> str:
    return f"{figures['wall_s']:.2f} s ({figures['cpu_s']:.2f} s of processor)"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def table(grown: list[Growth]) -> Table:
    """All sizes side by side."""
    made = Table(title="Recovery and memory by the length of the journal")
    made.add_column("events")
    for of in grown:
        made.add_column(f"{of.events:,}", justify="right")
    for name, said in ROWS:
        made.add_row(name, *[said(of) for of in grown])
    return made


def markdown(grown: list[Growth]) -> str:
    """The same for a page, with when and where it was measured."""
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}:",
        "",
    ]
    lines.append("| events | " + " | ".join(f"{of.events:,}" for of in grown) + " |")
    lines.append("| --- |" + " ---: |" * len(grown))
    lines += [f"| {name} | " + " | ".join(said(of) for of in grown) + " |" for name, said in ROWS]
    return "\n".join(lines)


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(str(size) for size in SIZES), help="events, separated by commas")
    parser.add_argument("--retire-after", type=int, default=AS_SHIPPED.retire_after_s, help="seconds")
    parser.add_argument("--markdown", action="store_true", help="print the table as it stands in docs/recovery.md")
    parser.add_argument("--process", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.process:
        print(json.dumps(_be(*given.process)))
        return
    console, grown = Console(), []
    for size in given.sizes.split(","):
        if not given.markdown:
            console.print(f"{int(size):,} events ...", style="dim")
        grown.append(measured(int(size), given.retire_after))
    if given.markdown:
        print(markdown(grown))
    else:
        console.print(table(grown))


def _be(what: str, directory: str, events: str = "0", retire_after_s: str = "0") -> Figures:
    path = Path(directory)
    if what == "generate":
        return generate(path, int(events), int(retire_after_s))
    snapshots = Snapshots(path / "snapshots", note=_said) if what == "resume" else None
    return restart(path, snapshots)


if __name__ == "__main__":
    main()
