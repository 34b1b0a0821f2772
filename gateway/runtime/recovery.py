"""Recovery: the state is the sum of the journal's events.

It begins with the newest snapshot that can be used, if there is one, and replays what came after it. It can be
repeated any number of times and gives the same state every time (C11).

Most of what was told on the way is not computed again: of every order the last word is compared, when it leaves memory
or else at the journal's end. When one differs, all is replayed and compared event by event, to name the first that
does.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import takewhile
from typing import IO

import structlog

from gateway.codec.journal import Told
from gateway.core.engine import NAMES_A_REQUEST, Diverged, advance, replay
from gateway.core.events import OrderRetired
from gateway.core.invariants import InvariantBroken, check_state
from gateway.core.money import exactly
from gateway.core.state import State
from gateway.runtime.ahead import taken_over
from gateway.runtime.last_words import LastWords
from gateway.runtime.ports import Journal
from gateway.runtime.snapshots import Snapshots

Beside = Callable[[int, int], AbstractContextManager[IO[bytes]] | None]
"""Starts a process that proves the journal from a seq on and hands it over from behind another
(`gateway.runtime.ahead`); None where it is not worth one.
"""

WHILE_IT_STARTS = 40_000
"""How many events are replayed here until a process beside has come so far."""

_log = structlog.get_logger(__name__)


def recover(
    journal: Journal,
    snapshots: Snapshots | None = None,
    note: Callable[[str], None] = lambda _reason: None,
    passed: Callable[[int], None] = lambda _seq: None,
    beside: Beside | None = None,
) -> State:
    """The state as of the journal's end. `note` is told why a snapshot is not used, `passed` at every commit how far
    it is. A process `beside` may read ahead; what it does not bring to an end is done here.

    Raises:
        JournalError: the journal cannot be trusted.
        Diverged: an event does not replay to what was told when it happened.
        InvariantBroken: the result contradicts itself.
    """
    with _without_collector():
        if beside is not None:
            try:
                return _recovered(journal, snapshots, note, passed, beside)
            except Exception as error:  # noqa: BLE001  # If something is wrong with the journal, it is found again.
                _log.warning("reader_failed", reason=repr(error), next="the journal is read by this process alone")
        return _recovered(journal, snapshots, note, passed, None)


def _recovered(
    journal: Journal,
    snapshots: Snapshots | None,
    note: Callable[[str], None],
    passed: Callable[[int], None],
    beside: Beside | None,
) -> State:
    found = snapshots.newest(journal) if snapshots is not None else None
    if found is not None:
        try:
            return _replayed(journal, found, passed, beside)
        except (Diverged, InvariantBroken, LookupError) as error:
            note(f"the journal does not go on from the snapshot at seq {found.seq}, so it is not used: {error!r}")
    try:
        return _replayed(journal, State(), passed, beside)
    except (Diverged, InvariantBroken):
        if beside is None:
            compare_all(journal)
        raise


def compare_all(journal: Journal) -> State:
    """The state as of the journal's end, with every record compared with what was told.

    Raises:
        JournalError, Diverged, InvariantBroken: as `recover`, at the first event that differs.
    """
    state = State()
    for record in journal.read():
        replay(state, record)
    check_state(state)
    return state


@exactly
def _replayed(journal: Journal, state: State, passed: Callable[[int], None], beside: Beside | None) -> State:
    """The state after the rest of the journal."""
    last = LastWords()
    first, after = state.seq + 1, state.seq + WHILE_IT_STARTS
    reader = beside(first, after) if beside is not None else None
    if reader is not None:
        with reader as stream:
            _advance(state, _begun_by(journal.told(first), after), passed)
            _advance(state, taken_over(stream, journal, last), passed)
    _advance(state, _noted(journal.told(state.seq + 1), last), passed)
    last.compare(state.orders)
    check_state(state)
    return state


def _advance(state: State, batches: Iterable[Sequence[Told]], passed: Callable[[int], None]) -> None:
    for batch in batches:
        if batch and batch[0].seq != state.seq + 1:
            raise Diverged(f"event {batch[0].seq} comes after event {state.seq}")
        for told in batch:
            order = advance(state, told.event, told.at_ns, told.cause)
            if (order is None) == bool(told.order):
                what = "no order, and its record has one" if order is None else "an order, and its record has none"
                raise Diverged(f"event {told.seq} ({type(told.event).__name__}) changes {what}")
        passed(state.seq)


def _begun_by(batches: Iterable[Sequence[Told]], last_seq: int) -> Iterator[Sequence[Told]]:
    """Those batches that begin at `last_seq` or before."""
    return takewhile(lambda batch: not batch or batch[0].seq <= last_seq, batches)


def _noted(batches: Iterable[Sequence[Told]], last: LastWords) -> Iterator[Sequence[Told]]:
    """The same batches, each after its words were noted."""
    for batch in batches:
        for told in batch:
            event = told.event
            if told.order:
                asked: str = event.venue_cl_ord_id if type(event) in NAMES_A_REQUEST else ""  # type: ignore[union-attr]
                last.note(getattr(event, "order_id", ""), asked, told.order)
            elif type(event) is OrderRetired:
                last.left(event.order_id, event.memory)
        yield batch


@contextmanager
def _without_collector() -> Iterator[None]:
    """A replay makes no circles of references; to look for them again and again takes a third of its time.

    All that it made counts as old then: else the first look would go through all of it at once.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.unfreeze()
            gc.enable()
