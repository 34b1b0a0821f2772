"""The ports: what the runtime needs from the outside world.

Adapters implement them; one contract suite per port is run on every implementation.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from gateway.codec.journal import Told
from gateway.core.events import Input, Record


class JournalError(Exception):
    """The journal cannot be used. The message names the file or database, the position and the next step."""


class JournalAway(JournalError):
    """The journal cannot be reached now and may be later: nothing is wrong with it."""


class JournalDamaged(JournalError):
    """Bytes before the tail do not match their hash: start is refused.

    `seq` is the first sequence number that cannot be trusted.
    """

    def __init__(self, message: str, seq: int) -> None:
        super().__init__(message)
        self.seq = seq


class JournalNewer(JournalError):
    """A newer version of the gateway wrote it."""


class EpochStale(JournalError):
    """Another process took over this journal, or put another in its place: this process has to stop."""


class JournalHead(msgspec.Struct, frozen=True):
    """Where the journal ends: the last sequence number (0 when empty), the hash of the last batch, and the epoch in
    force.
    """

    seq: int
    hash: bytes
    epoch: int


class Journal(Protocol):
    """An append-only, hash-chained sequence of records, written in batches by one owner.

    The methods block; the sequencer calls `append` on a thread of its own, readers call `read` on theirs. `append`
    and `read` may run at the same time.
    """

    def open(self) -> JournalHead:
        """Take the journal over: a new epoch begins, and any older owner can no longer append.

        Raises:
            JournalDamaged, JournalError: it cannot be trusted, is of a newer version, or cannot be reached.
        """

    def append(self, records: Sequence[Record]) -> None:
        """Make one batch durable, all or nothing. The records' seq must follow the last one without a gap.

        Raises:
            EpochStale: another owner has taken over.
            JournalError: it could not be made durable; the caller has to stop, never to retry.
        """

    def confirm(self) -> None:
        """See that we own it still, without writing: who has nothing to commit, or slept since the last commit, would
        not learn it otherwise (C13). May be called while an append is under way, and does not make it wait.

        Raises:
            EpochStale: another owner has taken over, or what is written here does not reach the journal any more.
            JournalError: it cannot be seen now, which proves nothing.
        """

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """Every committed record with seq >= `from_seq`, in order.

        Raises:
            JournalDamaged: here the chain breaks; every record given before is good.
        """

    def told(self, from_seq: int = 1) -> Iterator[Sequence[Told]]:
        """The same records as `read`, proven in the same way, batch by batch and with their OrderViews as they were
        written: for a replay of many.

        Raises:
            JournalDamaged: here the chain breaks; every record given before is good.
        """

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of the batch that ends at `seq`, which ties a snapshot to this journal; None when none ends there.

        Needs no `open` and changes nothing.
        """

    def close(self) -> None:
        """Give back files and connections. Safe to call twice."""


class Source(Protocol):
    """Where facts come from.

    Bounded on its own side: what is not drained yet holds its producer back, nothing is dropped.
    """

    def drain(self, limit: int) -> Sequence[Input]:
        """At most `limit` facts, oldest first. Called on the event loop; never blocks."""


class VenueLink(Source, Protocol):
    """One FIX session to one venue. Inbound it is a source of facts; outbound it acts on committed records only."""

    venue: str

    def start(self, known: "Known") -> None:
        """Begin to connect. The journal owns the inbound sequence, and what it knows of our own numbers counts for more
        than an engine's store that is older (C12). Those of the unanswered requests that the store proves never to
        have left come back as SendRefused (C2, C3).
        """

    def act(self, record: Record) -> None:
        """Carry out one committed record: send its message, or administer the session.

        Never raises: what cannot be sent comes back as SendRefused.
        """

    def status(self) -> "SessionStatus":
        """What the session looks like now, for people."""

    def stop(self) -> None:
        """Log out and stop. Blocks until nothing runs any more."""


class Known(msgspec.Struct, frozen=True):
    """What the journal knows of a session before it is started.

    `inbound_seq` is the last committed MsgSeqNum(34) that came in, `sender_floor` the highest that was certainly used
    by us, `logon_seq_num` that of our last Logon. `unanswered` are the venue_cl_ord_ids of requests on which the
    venue has said nothing. `restored` says that the journal has less than was sent, so an engine's store proves
    nothing about them.
    """

    inbound_seq: int = 0
    sender_floor: int = 0
    logon_seq_num: int = 0
    unanswered: Sequence[str] = ()
    restored: bool = False


class SessionStatus(msgspec.Struct, frozen=True):
    """A FIX session as an operator sees it.

    `last_received_ns` is the time of the last message of any kind, heartbeats too; None when there was none.
    """

    venue: str
    begin_string: str
    sender_comp_id: str
    target_comp_id: str
    logged_on: bool
    enabled: bool
    next_sender_msg_seq_num: int
    next_target_msg_seq_num: int
    last_received_ns: int | None
    last_sent_ns: int | None
    connects_to: str
    send_refusals: int = 0
