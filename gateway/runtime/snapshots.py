"""The directory of snapshots: each is complete or absent, and none is ever trusted over the journal (C10).

A snapshot only saves time. One that is torn, was changed, is of another version or belongs to another journal is passed
over, with the reason; an older one serves, or the whole journal.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gateway.codec.snapshot import HEAD_SIZE, SnapshotUnusable, head, pack, place, unpack
from gateway.core.state import State
from gateway.runtime.files import alone, make_durably, sync
from gateway.runtime.ports import Journal
from gateway.runtime.witnesses import Witness, missing

WRITER_S = 10.0
"""How long one who writes a snapshot waits for another: a follower and `gateway prepare-update` may meet."""

_SUFFIX, _UNFINISHED, _LOST = ".snapshot", ".unfinished", ".lost"


class Snapshots:
    """The newest `keep` snapshots of one journal. One process at a time writes them, any may read. `note` is told why
    one is not used.
    """

    def __init__(self, directory: Path, keep: int = 2, note: Callable[[str], None] = lambda _reason: None) -> None:
        if keep < 1:
            raise ValueError("at least one snapshot has to be kept")
        self._directory = directory
        self._keep = keep
        self._note = note

    def save(self, state: State, chain_hash: bytes) -> Path:
        """Write the snapshot of a state as of the end of the batch with this hash, and remove what is too old. When
        this returns it is there for good; whenever the process dies before, the older ones are as they were.

        Raises:
            OSError: it could not be written. Nothing is lost.
            Taken: another process is writing one, and still after 10 seconds.
        """
        lock = self._directory.with_name(f"{self._directory.name}.lock")
        with alone(lock, f"another process is writing a snapshot in {self._directory}: try again later", WRITER_S):
            return self._save(state, chain_hash)

    def _save(self, state: State, chain_hash: bytes) -> Path:
        make_durably(self._directory)
        self._remove(self._directory.glob(f"*{_UNFINISHED}"))  # Of a process that died while it wrote.
        final = self._directory / f"{state.seq:020d}{_SUFFIX}"
        unfinished = final.with_suffix(_UNFINISHED)
        try:
            _write(unfinished, pack(state, chain_hash))
            unfinished.replace(final)
            sync(self._directory)  # The new name is durable only when the directory is.
        except BaseException:
            self._remove([unfinished])
            raise
        self._remove(self.paths()[self._keep :])
        return final

    def newest(self, journal: Journal) -> State | None:
        """The state in the newest snapshot that this program can start from, on this journal.

        Raises:
            JournalError: the journal cannot be read.
        """
        for path in self.paths():
            try:
                return _load(path, journal)
            except (SnapshotUnusable, OSError) as error:
                self._note(f"snapshot {path} is not used: {error}")
        return None

    def oldest_seq(self) -> int | None:
        """The seq up to which every kept snapshot has the journal behind it; None when there is none."""
        paths = self.paths()
        return int(paths[-1].stem) if paths else None

    def newest_seq(self) -> int | None:
        """The seq of the newest one; None when there is none."""
        paths = self.paths()
        return int(paths[0].stem) if paths else None

    def paths(self) -> list[Path]:
        """The finished snapshots, the newest first."""
        try:
            found = [path for path in self._directory.iterdir() if path.suffix == _SUFFIX and path.stem.isdecimal()]
        except FileNotFoundError:
            return []
        except OSError as error:
            self._note(f"no snapshot is used: {error}")
            return []
        return sorted(found, key=lambda path: int(path.stem), reverse=True)

    def witnesses(self) -> list[Witness]:
        """What the snapshots say of the journal that they were made of, the newest first, whichever version wrote
        them.
        """
        return [witness for _, witness in self._placed()]

    def put_aside(self, journal: Journal, end_seq: int) -> None:
        """Those that know more than a journal which ends at `end_seq`, or are of another one, are no snapshots of it:
        they are kept under another name.

        Raises:
            JournalAway: the journal cannot be reached.
            OSError: a name could not be changed.
        """
        for path, witness in self._placed():
            for _ in missing(journal, end_seq, [witness]):
                path.replace(path.with_suffix(_LOST))

    def _placed(self) -> Iterator[tuple[Path, Witness]]:
        for path in self.paths():
            try:
                with path.open("rb") as file:
                    seq, chain_hash = place(file.read(HEAD_SIZE))
            except (SnapshotUnusable, OSError):
                continue  # It says nothing; that it is not used is told where one is looked for.
            yield path, Witness(f"snapshot {path}", seq, chain_hash)

    def _remove(self, paths: Iterable[Path]) -> None:
        """What is too much only takes space, so it is no failure when it stays."""
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._note(f"{path} stays: {error}")


def _load(path: Path, journal: Journal) -> State:
    with path.open("rb") as file:
        beginning = file.read(HEAD_SIZE)
        said = head(beginning)
        ours = journal.hash_at(said.seq)
        if ours is None:
            raise SnapshotUnusable(f"the journal has no batch that ends at its seq {said.seq}")
        if ours != said.chain_hash:
            raise SnapshotUnusable(f"it belongs to another journal: at seq {said.seq} this one has another hash")
        return unpack(beginning + file.read(said.size + 1))


def _write(path: Path, parts: Iterable[bytes]) -> None:
    with open(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb", buffering=0) as file:  # noqa: PTH123
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[file.write(rest) or 0 :]
        os.fsync(file.fileno())
