"""The follower: reads the journal behind its writer, proves that it replays, and keeps what is derived from it.

It has a state of its own and never touches the writer's. Every event is verified as recovery would verify it, so that
a journal which would not start again is noticed while it can still be helped. Two things come out of it: snapshots,
which bound recovery, and projections, which people and reports read. Either can fail or be away without the other.

One that begins at a snapshot proves what lies behind it as well, by its hashes alone and a little at a time: a start
does not look there.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec
import structlog

from gateway.codec.journal import Batch, Told
from gateway.core.engine import Diverged, replay
from gateway.core.events import OrderView, Record
from gateway.core.invariants import InvariantBroken
from gateway.core.state import State
from gateway.runtime.files import Taken
from gateway.runtime.ports import Journal, JournalDamaged, JournalError
from gateway.runtime.snapshots import Snapshots

CHUNK = 1_000
"""How many records are taken at a time, more only where one batch of the journal is larger."""

SOONEST_S, LATEST_S = 0.2, 1.0
"""The pause after which the journal's end is looked at again: the first after something came, the second when idle."""

PROOF_S = 0.2
"""For how long old batches are proven before the journal's end is looked at again."""

SAVE_AGAIN_S = 30.0
"""After which a snapshot that could not be written is tried again, whether or not something came meanwhile."""

_RETRY_S = (0.5, 10.0)

_order = msgspec.msgpack.Decoder(OrderView).decode

_log = structlog.get_logger(__name__)


class ProjectionsError(Exception):
    """The projections cannot be used now. The message names the database and the next step."""


class _Replaced(Exception):
    """The journal is another one than before, as after a restore or a failover that lost something."""


class Projecting(Protocol):
    """What is kept of the records, with its own place in the journal."""

    @property
    def seq(self) -> int:
        """How far the rows tell."""

    def open(self, journal: Journal) -> None:
        """Find the place; start from nothing when it is not of this journal, or of another version.

        Raises:
            ProjectionsError: they cannot be reached, or belong to somebody else.
        """

    def apply(self, records: Sequence[Record], journal_hash: bytes, state: State) -> None:
        """Take the records that follow on `seq`, all or nothing; `journal_hash` is the journal's after them. `state`
        may be further on.

        Raises:
            ProjectionsError: nothing was taken.
        """

    def close(self) -> None:
        """Give back connections. Safe to call twice."""


class Follower:
    """One reader of a journal.

    Args:
        journal: is only read; it needs no `open`.
        projections: what to keep; None: nothing.
        snapshots: where to keep the state; None: nowhere.
        snapshot_events: how many events lie between two snapshots.
        batches: the journal's batches from the one that holds a seq, each proven to follow on the one before; None:
            what lies behind a snapshot is not proven.
        damaged: is called when that is found to be damaged, besides the line in the log.
        clock: seconds that never go back, for pauses between attempts.
    """

    def __init__(
        self,
        journal: Journal,
        projections: Projecting | None = None,
        snapshots: Snapshots | None = None,
        snapshot_events: int = 100_000,
        batches: Callable[[int], Iterator[Batch]] | None = None,
        damaged: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = State()
        self._journal = journal
        self._projections = projections
        self._open = False
        self._started = self._from_snapshot = False
        self._snapshots = snapshots
        self._snapshot_events = snapshot_events
        self._snapshot_seq = 0
        self._hash = b""
        self._patience = _Patience("projections", clock)
        self._save_again_s = 0.0
        self._proof: _Proof | None = None
        self._batches = batches
        self._damaged = damaged
        self._clock = clock

    @property
    def projections_failure(self) -> str:
        """Why the projections are not used now; empty when they are, or when there are none."""
        return self._patience.reason

    @property
    def projections_seq(self) -> int | None:
        """How far the projections tell; None when there are none, or they cannot be used now."""
        return self._projections.seq if self._open and self._projections is not None else None

    def catch_up(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Take what is in the journal by now, or until `stop` says so; how many records the state went on by. The first
        time, and when another journal stands in the place of this one, it begins at the newest snapshot that fits.

        Raises:
            Diverged: an event does not replay to what was told when it happened.
            JournalDamaged: the chain is broken.
            JournalError: the journal cannot be read now.
        """
        if not self._started:
            self._start()
        try:
            return self._advance(stop)
        except _Replaced as error:
            _log.warning("journal_replaced", seq=self.state.seq, reason=str(error), next="all is taken from this one")
            self._started = False
        except (Diverged, InvariantBroken, LookupError) as error:
            if not self._from_snapshot:
                raise Diverged(f"the journal does not replay after event {self.state.seq}: {error}") from error
            _log.warning("snapshot_doubted", seq=self.state.seq, reason=str(error), next="all is replayed to find out")
        self.state, self._hash, self._snapshot_seq, self._from_snapshot = State(), b"", 0, False
        self._open = False
        return self.catch_up(stop)

    def run(self, wait: Callable[[float], bool]) -> None:
        """Follow until `wait`, which pauses for so many seconds, says that it is enough.

        Raises:
            Diverged, JournalDamaged: see `catch_up`.
        """
        journal = _Patience("journal", time.monotonic)
        pause = 0.0
        while not wait(pause):
            try:
                came = self.catch_up(lambda: wait(0))
            except JournalDamaged:
                raise
            except JournalError as error:
                pause = journal.failed(error)
            else:
                journal.worked()
                pause = SOONEST_S if came else min(LATEST_S, max(SOONEST_S, pause * 1.2))
                if self._proof is not None and self._proof.goes_on():
                    pause = 0.0

    def finish(self, least_events: int = 1_000) -> None:
        """The end: keep a last snapshot when more than `least_events` came since the one before. None of a journal that
        is no longer there: a start would miss it.
        """
        with contextlib.suppress(JournalError):
            if self.state.seq - self._snapshot_seq > least_events and self._is_ours():
                self._save()
        if self._projections is not None:
            self._projections.close()

    def _start(self) -> None:
        """Begin at the newest snapshot that fits the journal."""
        found = self._snapshots.newest(self._journal) if self._snapshots is not None else None
        if found is not None:
            self.state, self._snapshot_seq, self._from_snapshot = found, found.seq, True
            self._hash = self._journal.hash_at(found.seq) or b""
            if self._batches is not None:
                self._proof = _Proof(self._batches, found.seq, self._damaged, self._clock)
        self._started = True
        _log.info("following", from_seq=self.state.seq + 1, snapshot=self._from_snapshot)

    def _advance(self, stop: Callable[[], bool]) -> int:
        before = self.state.seq
        first = self.state.seq + 1
        if self._projecting() and self._projections is not None:
            first = min(first, self._projections.seq + 1)
        for records, journal_hash in _whole_batches(self._journal, first):
            self._refuse_another_journal()
            for record in records:
                if record.seq > self.state.seq:
                    replay(self.state, record)
            self._project(records, journal_hash)
            if records[-1].seq == self.state.seq:
                self._hash = journal_hash
                self._save_if_due()
            if stop():
                break
        if self._save_again_s and self._is_ours():  # Also while nothing comes.
            self._save_if_due()
        return self.state.seq - before

    def _refuse_another_journal(self) -> None:
        """What follows in another journal does not follow on our state, though it may well replay there: a snapshot of
        the two would be taken for one of that journal. One that is shorter is left alone until it goes on: what we have
        made is evidence of what it lacks.

        Raises:
            _Replaced: it does not have our last batch.
        """
        if not self._is_ours():
            raise _Replaced(f"this journal has another batch at seq {self.state.seq}, or none that ends there")

    def _is_ours(self) -> bool:
        return not self._hash or self._journal.hash_at(self.state.seq) == self._hash

    def _save_if_due(self) -> None:
        if self.state.seq - self._snapshot_seq >= self._snapshot_events and self._clock() >= self._save_again_s:
            self._save()

    def _save(self) -> None:
        if self._snapshots is None or not self._hash:
            return
        try:
            self._snapshots.save(self.state, self._hash)
        except (OSError, Taken) as error:
            self._save_again_s = self._clock() + SAVE_AGAIN_S
            _log.error("snapshot_failed", seq=self.state.seq, reason=str(error), tried_again_in_s=SAVE_AGAIN_S)
        else:
            self._snapshot_seq, self._save_again_s = self.state.seq, 0.0

    def _projecting(self) -> bool:
        """Whether the projections can be used; those that could not be are tried again after a while."""
        if self._projections is None or not self._patience.over:
            return False
        if not self._open:
            try:
                self._projections.open(self._journal)
            except ProjectionsError as error:
                self._patience.failed(error)
                return False
            self._open = True
        return True

    def _project(self, records: Sequence[Record], journal_hash: bytes) -> None:
        if not self._open or self._projections is None or records[-1].seq <= self._projections.seq:
            return
        fresh = [record for record in records if record.seq > self._projections.seq]
        try:
            self._projections.apply(fresh, journal_hash, self.state)
        except ProjectionsError as error:
            self._open = False
            self._patience.failed(error)
        else:
            self._patience.worked()


class _Proof:
    """The proof of what lies behind the snapshot that a follower began at. Damage there ends nothing: what can trade
    is known, and while the follower writes snapshots the gateway can be started. It is said, with its place.
    """

    def __init__(
        self,
        batches: Callable[[int], Iterator[Batch]],
        through: int,
        damaged: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._batches = batches
        self._through = through
        self._damaged = damaged
        self._clock = clock
        self._began = clock()
        self._proven = 0
        self._coming: Iterator[Batch] | None = None
        self._over = False
        self._patience = _Patience("old_journal", clock)

    def goes_on(self) -> bool:
        """Prove as much as `PROOF_S` lets; whether there is more that can be proven at once."""
        if self._over or not self._patience.over:
            return False
        try:
            self._over = self._prove(self._clock() + PROOF_S)
        except JournalDamaged as error:
            self._over = True
            page = "docs/runbook.md#journal_damaged"
            _log.critical("journal_damaged", seq=error.seq, reason=str(error), runbook=page)
            self._damaged()
        except JournalError as error:  # A part is away, as an archive on a shelf.
            self._coming = None
            self._patience.failed(error)
            return False
        else:
            self._patience.worked()
            if self._over:
                _log.info("journal_proven", through=self._through, seconds=round(self._clock() - self._began, 1))
        return not self._over

    def _prove(self, until: float) -> bool:
        """Whether all is proven."""
        if self._coming is None:
            self._coming = self._batches(self._proven + 1)
        for batch in self._coming:
            self._proven = batch.last_seq
            if self._proven >= self._through or self._clock() >= until:
                break
        else:
            raise JournalError(f"the journal has no batch behind seq {self._proven} any more: was it replaced?")
        return self._proven >= self._through


class _Patience:
    """Pauses between attempts that grow, and one line in the log for each time that something is away."""

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self._what = what
        self._clock = clock
        self._pause = 0.0
        self._until = 0.0
        self.reason = ""

    @property
    def over(self) -> bool:
        """Whether it is time for the next attempt."""
        return self._clock() >= self._until

    def failed(self, error: Exception) -> float:
        """It is away; for how long to leave it alone."""
        if not self._pause:
            _log.warning(f"{self._what}_away", reason=str(error), next="tried again until it is back")
        self._pause = min(_RETRY_S[1], self._pause * 2 or _RETRY_S[0])
        self._until = self._clock() + self._pause
        self.reason = str(error)
        return self._pause

    def worked(self) -> None:
        """It is there."""
        if self._pause:
            _log.info(f"{self._what}_back")
        self._pause = self._until = 0.0
        self.reason = ""


def _whole_batches(journal: Journal, first: int) -> Iterator[tuple[list[Record], bytes]]:
    """The records from `first` on, some whole batches of the journal at a time, each with the journal's hash after it.

    Only the end of a batch has a hash, by which a snapshot or a projection knows its journal again.
    """
    taken: list[Record] = []
    for batch in journal.told(first):
        taken += [_record(told) for told in batch]
        if len(taken) >= CHUNK:
            yield taken, _hash_after(journal, taken)
            taken = []
    if taken:
        yield taken, _hash_after(journal, taken)


def _record(told: Told) -> Record:
    order = _order(told.order) if told.order else None
    return Record(told.seq, told.at_ns, told.cause, told.event, order)


def _hash_after(journal: Journal, records: Sequence[Record]) -> bytes:
    """The journal's hash after these whole batches."""
    found = journal.hash_at(records[-1].seq)
    if found is None:
        raise JournalError(f"the journal has no batch any more that ends at seq {records[-1].seq}: was it replaced?")
    return found
