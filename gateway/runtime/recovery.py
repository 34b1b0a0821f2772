"""Recovery: the state is the sum of the journal's events.

It begins with the newest snapshot that can be used, if there is one, and replays what came after it. It can be
repeated any number of times and gives the same state every time (C11).

Most of what was told on the way is not computed again: of every order the last word is compared, when it has ended
(and whenever it changes after that) or else at the journal's end. When one differs, all is replayed and compared event
by event, to name the first that does.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from gateway.core.engine import NAMES_A_REQUEST, Diverged, advance, is_as_told, replay
from gateway.core.events import OrderView
from gateway.core.invariants import InvariantBroken, check_state
from gateway.core.money import exactly
from gateway.core.order import Order, view
from gateway.core.state import State
from gateway.runtime.ports import Journal
from gateway.runtime.snapshots import Snapshots

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(OrderView).decode


def recover(
    journal: Journal,
    snapshots: Snapshots | None = None,
    note: Callable[[str], None] = lambda _reason: None,
    passed: Callable[[int], None] = lambda _seq: None,
) -> State:
    """The state as of the journal's end. `note` is told why a snapshot is not used, `passed` at every commit how far
    it is.

    Raises:
        JournalError: the journal cannot be trusted.
        Diverged: an event does not replay to what was told when it happened.
        InvariantBroken: the result contradicts itself.
    """
    with _without_collector():
        found = snapshots.newest(journal) if snapshots is not None else None
        if found is not None:
            try:
                return _replayed(journal, found, passed)
            except (Diverged, InvariantBroken, LookupError) as error:
                note(f"the journal does not go on from the snapshot at seq {found.seq}, so it is not used: {error!r}")
        try:
            return _replayed(journal, State(), passed)
        except (Diverged, InvariantBroken):
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
def _replayed(journal: Journal, state: State, passed: Callable[[int], None]) -> State:
    """The state after the rest of the journal."""
    last_words: dict[str, tuple[bytes, str]] = {}
    ended = state.ended
    for batch in journal.told(state.seq + 1):
        for told in batch:
            event = told.event
            order = advance(state, event, told.at_ns, told.cause)
            word = bytes(told.order)
            if order is None:
                if word:
                    raise Diverged(
                        f"event {told.seq} ({type(event).__name__}) changes no order, and its record has one"
                    )
                continue
            order_id = order.order_id
            asked: str = event.venue_cl_ord_id if type(event) in NAMES_A_REQUEST else ""  # type: ignore[union-attr]
            if order_id in ended:
                last_words.pop(order_id, None)
                _compare(order, word, asked)
            else:
                last_words[order_id] = word, asked
        passed(state.seq)
    for order_id, (word, asked) in last_words.items():
        _compare(state.orders[order_id], word, asked)
    check_state(state)
    return state


def _compare(order: Order, word: bytes, asked: str) -> None:
    """What was told of an order, after an event about the request `asked`, is what it is now. The bytes first: they
    differ when another version of the gateway wrote them.
    """
    now = view(order, asked)
    if _encode(now) == word:
        return
    if not word or not is_as_told(now, _decode(word)):
        raise Diverged(
            f"order {order.order_id} replays differently: {now} instead of {_decode(word) if word else None}"
        )


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
