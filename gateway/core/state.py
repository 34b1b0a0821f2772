"""The state: everything the gateway knows, as the sum of its events. Nothing but `engine.apply` changes it."""

from collections.abc import Iterator

import msgspec

from gateway.core.commands import ClientCommand, MassCancel
from gateway.core.events import Cause, ItemRaised, Record
from gateway.core.instruments import Instrument
from gateway.core.name_index import NameIndex
from gateway.core.order import Order
from gateway.core.positions import Fill, Position, PositionKey
from gateway.core.reports import ExecutionReport
from gateway.core.risk.setup import RiskSetup
from gateway.core.risk.state import RiskState
from gateway.core.types import Reason

SET_ASIDE_KEPT = 1_000
"""How many of the newest set-aside reports stay in memory; the journal has them all."""


class Reconcile(msgspec.Struct, frozen=True):
    """How one venue's orders are compared with ours. Without it a venue is never compared and its order entry is open
    as soon as it is logged on.

    `mass` asks by OrderMassStatusRequest(35=AF). `every_ns` is the time between two comparisons, `timeout_ns` how
    long the venue may be silent in one, `window` how many single questions may be unanswered at once, `grace_ns` how
    long the order session and the drop copy may differ about an execution.
    """

    mass: bool = True
    every_ns: int = 300_000_000_000
    timeout_ns: int = 30_000_000_000
    window: int = 500
    grace_ns: int = 5_000_000_000


class Settings(msgspec.Struct, frozen=True):
    """What the configuration tells the core. Decisions depend on it, changes of state never do, so a journal replays
    under any configuration.

    `accounts` has, for a venue with an account mapping, the accounts that it knows. `ack_timeout_ns` is how long a
    venue may keep silent about a request. `drop_copies` maps the name of a drop-copy session to its venue.
    `retire_after_ns` is how long an order that has ended stays in memory (None: for good), `max_ended_orders` how many
    of them stay at most. `risk` is what the configuration says about risk: without it no order passes.
    """

    instruments: dict[str, Instrument]
    venues: tuple[str, ...]
    accounts: dict[str, tuple[str, ...]] = {}
    ack_timeout_ns: dict[str, int] = {}
    max_working_orders_per_client: int = 1_000_000
    max_unanswered_per_order: int = 1_000
    reconcile: dict[str, Reconcile] = {}
    drop_copies: dict[str, str] = {}
    retire_after_ns: int | None = None
    max_ended_orders: int = 100_000
    risk: RiskSetup = RiskSetup()


class Session(msgspec.Struct):
    """A FIX session, of a venue or of its drop copy: whether it is up, how often it was logged on, and the last
    committed MsgSeqNum(34) that came in on it (the journal owns the inbound sequence).

    `reconciled` opens order entry. `sender_floor` is what the journal knows of our own MsgSeqNum(34): the number of
    our Logon, and one for each message that was committed to be sent since. The session's own messages take numbers
    too, so it is a floor (C12): the next number is above it, whatever the FIX engine's own store says after a loss of
    power. A send that the link refused is in it and took no number; a number too many is a gap that is filled.
    `logon_seq_num` is the number of our last Logon that the journal knows: what the engine's store has to hold to prove
    anything. `copies` is the venue whose drop copy the session is, empty for a venue's own.
    """

    up: bool = False
    inbound_seq: int = 0
    logons: int = 0
    reconciled: bool = False
    sender_floor: int = 0
    copies: str = ""
    logon_seq_num: int = 0


class Run(msgspec.Struct):
    """One comparison of our orders with the venue's that is under way.

    `how` is "mass" until the mass question is answered or refused, then "each". `awaited` are the order_ids of which
    the venue has not spoken yet with the time of the question (None: not asked yet); `queue` has those that are to be
    asked singly, the next one last; `asked` counts the questions without an answer. `compared` counts the orders that
    the venue has spoken of, `replies` its replies to the mass question, each order counted once, and `listed` the
    orders that those name; `heard_ns` is when it spoke last. `logons` counts the session's logons: which connection.
    """

    run: int
    how: str
    started_ns: int
    mass_status_req_id: str = ""
    awaited: dict[str, int | None] = {}
    compared: int = 0
    total: int = 0
    queue: list[str] = []
    asked: int = 0
    replies: int = 0
    heard_ns: int = 0
    listed: dict[str, None] = {}
    logons: int = 0


class LastRun(msgspec.Struct, frozen=True):
    """How a venue's last comparison ended, which question it waited for then ("mass" or "each"), and on which
    connection it was (`logons`, as in `Run`).
    """

    run: int
    complete: bool
    orders: int
    started_ns: int
    ended_ns: int
    text: str = ""
    how: str = ""
    logons: int = 0


class Item(msgspec.Struct):
    """An open reconciliation item: what was raised, and when."""

    raised: ItemRaised
    at_ns: int


class Copied(msgspec.Struct, frozen=True):
    """An execution that one of two sources has told and the other has not yet: since when.

    `report` is there when it is the drop copy's.
    """

    order_id: str
    exec_id: str
    trade_date: str
    at_ns: int
    report: ExecutionReport | None = None


class DropCopy(msgspec.Struct):
    """A venue's drop copy: what it has told and the order session has not (`told`), and the other way round while it
    is up (`untold`). Both by order and report, oldest first.
    """

    session: str
    up: bool = False
    told: dict[str, Copied] = {}
    untold: dict[str, Copied] = {}
    lost_track: bool = False


class ExternalOrder(msgspec.Struct):
    """An order at a venue that we never sent: the newest report about it, and since when it is known."""

    report: ExecutionReport
    first_ns: int
    last_ns: int


class Key(msgspec.Struct, frozen=True, gc=False):
    """A spent idempotency key (rule 3): the request under it and the answer it got."""

    command: ClientCommand
    seq: int
    order_id: str = ""
    requested: int = 0
    reason: Reason | None = None
    field: str = ""
    text: str = ""


class MassCanceling(msgspec.Struct):
    """A client's mass cancel that has not come to all of its orders yet. `left` has these by venue, `last_no` is the
    number in the name of its newest cancel.
    """

    command: MassCancel
    last_no: int
    left: dict[str, dict[str, None]]


class Lost(msgspec.Struct):
    """What a venue's connection that is gone left unanswered and not in doubt yet: the `left` oldest of the silent
    requests, all that were sent up to the `logons`-th logon. It was lost at `at_ns`; `by_process` says that a process
    ended, and nobody listened for a while.
    """

    logons: int
    left: int
    at_ns: int
    by_process: bool = False


class State(msgspec.Struct):
    """Orders by order_id, keys by client and ClOrdID, and the indexes that find an order by what a venue or client
    calls it.

    `waiting` holds, oldest first, the requests on which the venue has said nothing yet, `doubtful` those of them that
    may or may not have arrived, `silent` the others, by venue; all map venue_cl_ord_id to order_id. `working` counts
    the orders per client that can still trade.

    `ended` has, oldest first, the orders that have ended with nothing open about them and when they last changed,
    `bare_keys` the (client, ClOrdID) whose answer names no order and when it was given: these leave memory. `retired`
    knows the names of what has left it, `retired_sums` what the retired orders executed; `recalled` are the orders in
    memory that had left it. `mass_cancels` are those that are under way, by client and ClOrdID. `lost` says, by venue,
    what of `silent` has still to come into doubt because its connection is gone, `unasked` the orders in doubt about
    which it has still to be asked since it is back (where it is compared, `runs` know that).
    """

    seq: int = 0
    epoch: int = 0
    id_prefix: str = ""
    last_order_no: int = 0
    last_request_no: int = 0
    executions: int = 0
    orders: dict[str, Order] = {}
    keys: dict[str, dict[str, Key]] = {}
    by_venue_cl_ord_id: dict[str, str] = {}
    by_venue_order_id: dict[str, dict[str, str]] = {}
    waiting: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    working: dict[str, dict[str, None]] = {}
    disputed: dict[str, None] = {}
    positions: dict[PositionKey, Position] = {}
    sessions: dict[str, Session] = {}
    halted: dict[str, str] = {}
    set_aside: list[Record] = []
    set_aside_total: int = 0
    items: dict[str, Item] = {}
    last_item_no: int = 0
    runs: dict[str, Run] = {}
    last_run_no: int = 0
    last_runs: dict[str, LastRun] = {}
    external: dict[str, dict[str, ExternalOrder]] = {}
    ended: dict[str, int] = {}
    bare_keys: dict[tuple[str, str], int] = {}
    retired: NameIndex = msgspec.field(default_factory=NameIndex)
    retired_orders: int = 0
    retired_sums: dict[PositionKey, Fill] = {}
    item_names: dict[str, str] = {}
    drop_copies: dict[str, DropCopy] = {}
    silent: dict[str, dict[str, str]] = {}
    recalled: dict[str, None] = {}
    risk: RiskState = msgspec.field(default_factory=RiskState)
    mass_cancels: dict[str, dict[str, MassCanceling]] = {}
    lost: dict[str, Lost] = {}
    unasked: dict[str, dict[str, None]] = {}

    def find_order(self, client_id: str, cl_ord_id: str) -> Order | None:
        """The client's order that knows this ClOrdID(11) anywhere in its chain."""
        key = self.keys.get(client_id, {}).get(cl_ord_id)
        return self.orders.get(key.order_id) if key is not None else None

    def session(self, venue: str) -> Session:
        """The venue's session; one that never was up is down."""
        return self.sessions.get(venue) or Session()

    def working_orders(self, client_id: str) -> Iterator[Order]:
        """The client's orders that can still trade, oldest first."""
        return (self.orders[order_id] for order_id in self.working.get(client_id, {}))


def inbound(cause: Cause) -> tuple[str, int] | None:
    """The venue and MsgSeqNum(34) that an input came with, if it came on a FIX session."""
    if cause.kind != "venue" or cause.msg_seq_num is None:
        return None
    return cause.who, cause.msg_seq_num
