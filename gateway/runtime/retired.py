"""What has left memory, read again from the journal."""

from collections.abc import Callable, Sequence

import msgspec

from gateway.core import retention
from gateway.core.events import Record
from gateway.core.order import Order
from gateway.core.reports import Recalled
from gateway.core.retention import Memory, Wanted
from gateway.core.state import Key, State
from gateway.runtime.ports import Journal, JournalError

Read = Callable[[int], Record]


def reading(journal: Journal) -> Read:
    """Reads one record of a journal. Blocks.

    Raises, when it reads:
        JournalError: the journal cannot be read, or does not have it.
    """

    def read(seq: int) -> Record:
        for record in journal.read(seq):
            return record
        raise JournalError(f"the journal has no event {seq}, and something that left memory is there")

    return read


def recalled(state: State, wanted: Sequence[Wanted], read: Read) -> Recalled:
    """What to put back in memory. Empty when the names only look like ones that are known."""
    found = {seq: what for each in wanted if (hit := _find(each, read)) is not None for seq, what in [hit]}
    return retention.recalled([_owning(state, seq, what, read) for seq, what in sorted(found.items())])


def retired_order(journal: Journal, wanted: Wanted) -> Order | None:
    """An order that left memory, as it was then, by `retention.wanted_order` or `retention.wanted_key`. Blocks, and
    changes nothing.

    Raises:
        JournalError: the journal cannot be read.
    """
    hit = _find(wanted, reading(journal))
    return hit[1].order if hit is not None and isinstance(hit[1], Memory) else None


def _find(wanted: Wanted, read: Read) -> tuple[int, Memory | Key] | None:
    """The newest record that really has the name."""
    for seq in wanted.seqs:
        what = retention.remembered(read(seq), wanted.name)
        if what is not None:
            return seq, what
    return None


def _owning(state: State, seq: int, what: Memory | Key, read: Read) -> Memory | Key:
    """Without the OrderIDs(37) that the venue has used again since, for an order that left memory later."""
    if isinstance(what, Key):
        return what
    names = retention.venue_names(what)
    kept = [known for known, name in names.items() if _newest(state, name, read) == seq]
    return what if len(kept) == len(names) else msgspec.structs.replace(what, venue_order_ids=tuple(kept))


def _newest(state: State, name: str, read: Read) -> int:
    seqs = state.retired.find(name)
    if len(seqs) == 1:
        return seqs[0]
    hit = _find(Wanted(name, seqs), read)
    return hit[0] if hit is not None else 0
