"""A process that writes snapshots of one journal in a loop until it is killed, and says so after each."""

import sys
from functools import cache
from pathlib import Path

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.core.engine import advance
from gateway.core.state import State
from gateway.runtime.snapshots import Snapshots
from tests.bench.lives import Lives


@cache
def journal() -> MemoryJournal:
    """The same in every process."""
    made = MemoryJournal(Disk())
    made.open()
    for batch in Lives(5, at_once=20).batches(1_500):
        made.append(batch)
    return made


def main(directory: Path) -> None:
    snapshots = Snapshots(directory, 2)
    while True:
        state = State()
        for batch in journal().told():
            for told in batch:
                advance(state, told.event, told.at_ns, told.cause)
            chain_hash = journal().hash_at(state.seq)
            if chain_hash is None:
                raise SystemExit(f"no batch ends at {state.seq}")
            snapshots.save(state, chain_hash)
            print("saved", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
