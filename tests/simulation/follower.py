"""The follower beside the gateway: the real one, writing real snapshots, with the damage that snapshots may take."""

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.core.engine import Diverged
from gateway.core.state import State
from gateway.runtime.follower import Follower
from gateway.runtime.ports import Journal, JournalError
from gateway.runtime.snapshots import Snapshots
from tests.simulation.machine import SimJournal
from tests.simulation.scheduler import MS

if TYPE_CHECKING:
    from tests.simulation.process import Process


class CountedSnapshots(Snapshots):
    """Snapshots that know how often one served."""

    served = 0
    _newest: int | None = None
    _saved = True

    def save(self, state: State, chain_hash: bytes) -> Path:
        self._saved = True
        return super().save(state, chain_hash)

    def newest_seq(self) -> int | None:
        """Only `save` adds or removes one."""
        if self._saved:
            self._newest, self._saved = super().newest_seq(), False
        return self._newest

    def newest(self, journal: Journal) -> State | None:
        found = super().newest(journal)
        self.served += found is not None
        return found


class Following:
    """A process of its own that ends with the gateway's."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._world = process.world
        self._chance = process.world.scheduler.stream(f"follower {process.number}")
        journal = SimJournal(self._world.disk, lambda _where: None, lambda _records: None)
        events = self._world.plan.snapshot_events
        self._follower = Follower(
            journal, None, self._world.snapshots, events, clock=lambda: self._world.scheduler.now_ns / 1e9
        )
        self._later()

    def _later(self) -> None:
        self._world.scheduler.at(self._chance.randrange(100 * MS, 900 * MS), "", self._look, owner=self._process)

    def _look(self) -> None:
        before = self._world.snapshots.newest_seq()
        try:
            self._follower.catch_up()
        except (Diverged, JournalError) as error:
            self._world.failed(f"the follower found that the journal does not replay: {error}", error)
        after = self._world.snapshots.newest_seq()
        if after != before:
            self._world.scheduler.note(f"snapshot at seq {after}")
        self._later()


def damage(snapshots: Snapshots, chance_below: int, folder: Path) -> None:
    """What a death in the middle leaves, and what a bad disk makes of the newest snapshot (`chance_below` picks)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "00000000000000000099.unfinished").write_bytes(b"half of a snaps")
    paths = snapshots.paths()
    if paths and chance_below % 2:
        data = bytearray(paths[0].read_bytes())
        data[chance_below % len(data)] ^= 1
        paths[0].write_bytes(data)
