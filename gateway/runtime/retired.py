"""What has left memory, read again from the journal; and what becomes of a report while it cannot be read."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from gateway.core import retention
from gateway.core.commands import ResolveItem
from gateway.core.events import Cause, Input, ItemRaised, Record, ReportSetAside
from gateway.core.items import MAX_OPEN
from gateway.core.order import Order
from gateway.core.reports import (
    DropCopied,
    ExecutionReport,
    MessageRejected,
    OrderCancelReject,
    OutOfReach,
    Recalled,
)
from gateway.core.retention import Memory, Wanted
from gateway.core.state import Key, State
from gateway.runtime.ports import Journal, JournalError

Read = Callable[[int], Record]


_log = structlog.get_logger(__name__)


class Recall:
    """Reads what left memory, and says once when it cannot be read and once when it can again. Its methods block."""

    def __init__(self, journal: Journal) -> None:
        self._read = reading(journal)
        self._failed = False

    def find(self, state: State, wanted: Sequence[Wanted], fresh: Mapping[int, Record]) -> Recalled:
        """See `recalled`; `fresh` are records that are not in the journal yet.

        Raises:
            JournalError: the journal or its archive does not have it now, or damaged.
        """
        try:
            found = recalled(state, wanted, lambda seq: self.read(seq, fresh))
        except JournalError as error:
            if not self._failed:
                self._failed = True
                _log.critical("history_out_of_reach", reason=str(error), runbook="docs/runbook.md#a-missing-archive")
            raise
        if self._failed:
            self._failed = False
            _log.info("history_back")
        return found

    def read(self, seq: int, fresh: Mapping[int, Record]) -> Record:
        """One record.

        Raises:
            JournalError: as above.
        """
        return fresh.get(seq) or self._read(seq)


def set_aside(state: State, given: Input, error: JournalError) -> Input | None:
    """What is decided in place of a fact about what cannot be read; None where that changes nothing.

    Raises:
        JournalError: so many reports wait already that this one could not be taken up again.
    """
    body, session = given.body, ""
    if isinstance(body, DropCopied):
        session, body = body.session, body.report
    if isinstance(body, MessageRejected):
        return given  # It is kept whole in any case, and an order that has ended has no request to refuse.
    if not isinstance(body, ExecutionReport | OrderCancelReject):
        return None  # That a message was not sent changes no order that has ended.
    if len(state.items) >= MAX_OPEN:
        raise error
    return Input(given.at_ns, given.cause, OutOfReach(body, str(error), session))


def taken_up(at_ns: int, record: Record, item: ItemRaised) -> tuple[Input, Input]:
    """The report that was set aside in `record`, to be decided now, and then the end of its item. It tells how things
    were (PossDupFlag(43)=Y), and its MsgSeqNum(34) is that of another time.
    """
    event = record.event
    if not isinstance(event, ReportSetAside) or not isinstance(event.report, ExecutionReport | OrderCancelReject):
        raise TypeError(f"item {item.item_id} names event {record.seq}, which set no report aside")
    report = msgspec.structs.replace(event.report, poss_dup=True)
    body = DropCopied(event.session, report) if event.session else report  # type: ignore[arg-type]
    cause = Cause(record.cause.kind, record.cause.who, request=f"event {record.seq}")
    why = f"what it speaks of can be read: event {record.seq} was taken up again"
    resolved = ResolveItem(operator="", item_id=item.item_id, reason=why)
    return Input(at_ns, cause, body), Input(at_ns, Cause("process"), resolved)


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
