"""What stands beside the journal and says how far it once went.

A journal that was deleted, cut short or replaced by an older copy replays without a flaw; but who starts on it has
forgotten what was acknowledged and gives IDs a second time. So before anything else a start hears the witnesses: a note
of the journal's end, the snapshots, the projections, and the requests in the FIX stores. Each of them was written after
the journal was, so none can know more than it. What `gateway restore` or `gateway accept-loss` left explains it.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.runtime.files import write_durably
from gateway.runtime.ports import Journal, JournalAway, JournalError

NOTE = "journal-end.json"
"""In the data directory: how far the journal certainly goes."""
RESTORED = "restored.json"
"""In the data directory, for the next start: the journal has less than was accepted, and somebody wanted it so."""
_SHOWN = 6

T = TypeVar("T", bound="Note | Restored")


class Witness(msgspec.Struct, frozen=True):
    """It was made of a journal that had a batch with this hash, which ended at `seq`. `what` names it for people."""

    what: str
    seq: int
    hash: bytes


class Missing(msgspec.Struct, frozen=True):
    """Something that a witness knows and the journal does not: for people, and a mark by which it is known again."""

    text: str
    mark: str


class Restored(msgspec.Struct, frozen=True):
    """Why the journal may have less than was accepted: it was put back up to the batch with this hash (in hex), or it
    ended there when a person gave a `reason` to go on without what was `missing`. While it is `pending` it is only to
    be put back, and that explains nothing.
    """

    last_seq: int
    hash: str
    reason: str = ""
    missing: tuple[str, ...] = ()
    pending: bool = False


class Note(msgspec.Struct, frozen=True):
    """`journal` had a batch with this hash (in hex) that ended at `seq`. `accepted` are the marks of what is missing
    and was accepted: it is not asked about again.
    """

    journal: str
    seq: int
    hash: str
    epoch: int
    noted_ns: int
    accepted: tuple[str, ...] = ()


def missing(journal: Journal, end_seq: int, witnesses: Iterable[Witness]) -> Iterator[Missing]:
    """What these witnesses know and a journal that ends at `end_seq` does not.

    Raises:
        JournalAway: the journal cannot be reached.
    """
    for each in witnesses:
        if each.seq > end_seq:
            yield Missing(f"{each.what} has seq {each.seq}", each.hash.hex())
        elif each.seq and not _is_in(journal, each):
            yield Missing(
                f"{each.what} is of another journal: this one has another hash at seq {each.seq}", each.hash.hex()
            )


def _is_in(journal: Journal, witness: Witness) -> bool:
    try:
        return journal.hash_at(witness.seq) == witness.hash
    except JournalAway:
        raise
    except JournalError:
        return True  # It lies in the archive, which cannot be read now: that proves nothing.


def explains(journal: Journal, end_seq: int, restored: Restored) -> bool:
    """Whether the journal is the one that was put back or accepted."""
    if restored.pending:
        return False
    if not restored.last_seq:
        return not end_seq
    return not [*missing(journal, end_seq, [Witness("", restored.last_seq, bytes.fromhex(restored.hash))])]


def unproven(end_seq: int, restored: Restored, path: Path) -> Iterator[Missing]:
    """That the journal ends where a restore was to end which did not: it is all there, but nobody has proven it.
    `path` is where that is said.
    """
    if restored.pending and restored.last_seq == end_seq:
        yield Missing(f"the restore into it, {path}, did not end", f"restore of {restored.hash}")


def refusal(label: str, end_seq: int, found: Iterable[Missing]) -> str:
    """Why no gateway starts on this journal, and what to do."""
    texts = [each.text for each in found]
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return (
        f"journal {label} ends at seq {end_seq}, and there was more: {'; '.join(texts[:_SHOWN])}{more}. No session was "
        "logged on and no order was taken. Put the journal back with all its files, or else `gateway restore` the "
        "newest backup into an empty one. Only when what is missing is lost for good: `gateway accept-loss --config "
        "FILE --reason TEXT`, then start again"
    )


def read_restored(data_dir: Path) -> Restored | None:
    """What `restore` or `accept-loss` left; None when neither did.

    Raises:
        JournalError: it cannot be read.
    """
    return _read(data_dir / RESTORED, Restored)


def read_note(data_dir: Path) -> Note | None:
    """The note of the journal's end; None when there is none.

    Raises:
        JournalError: it cannot be read.
    """
    return _read(data_dir / NOTE, Note)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=kind)
        bytes.fromhex(found.hash)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, ValueError, OSError) as error:
        raise JournalError(
            f"{path}, which says how far the journal went, cannot be read: {error}. When `gateway journal verify` "
            "shows that the journal is whole and ends where it should, move the file away and start again"
        ) from error
    return found


class NoteKeeper:
    """Keeps the note of the journal's end while a gateway runs. Never on the way of an order: a note that is older than
    the journal is as true as a new one.
    """

    def __init__(self, data_dir: Path, journal: Journal, label: str, epoch: int, accepted: tuple[str, ...]) -> None:
        self._path = data_dir / NOTE
        self._journal = journal
        self._label = label
        self._epoch = epoch
        self._accepted = accepted
        self._seq = 0

    def write(self, seq: int) -> None:
        """Note that the journal goes to `seq`, the end of a batch, unless that is noted already.

        Raises:
            JournalError, OSError: it could not be noted.
        """
        if seq == self._seq:
            return
        chain_hash = self._journal.hash_at(seq)
        if chain_hash is None:
            raise JournalError(f"journal {self._label} has no batch that ends at seq {seq}")
        note = Note(self._label, seq, chain_hash.hex(), self._epoch, time.time_ns(), self._accepted)
        write_durably(self._path, msgspec.json.encode(note))
        self._seq = seq
