"""The state: everything the gateway knows, as the sum of its events. Nothing but `engine.apply` changes it."""

from collections.abc import Iterator

import msgspec

from gateway.core.commands import ClientCommand
from gateway.core.events import Cause, Record
from gateway.core.instruments import Instrument
from gateway.core.order import Order
from gateway.core.positions import Position, PositionKey
from gateway.core.types import Reason

SET_ASIDE_KEPT = 1_000
"""How many of the newest set-aside reports stay in memory; the journal has them all."""


class Settings(msgspec.Struct, frozen=True):
    """What the configuration tells the core. Decisions depend on it, changes of state never do, so a journal replays
    under any configuration.

    `accounts` has, for a venue with an account mapping, the accounts that it knows. `ack_timeout_ns` is how long a
    venue may keep silent about a request.
    """

    instruments: dict[str, Instrument]
    venues: tuple[str, ...]
    accounts: dict[str, tuple[str, ...]] = {}
    ack_timeout_ns: dict[str, int] = {}
    max_working_orders_per_client: int = 1_000_000
    max_unanswered_per_order: int = 1_000


class Session(msgspec.Struct):
    """A venue's FIX session: whether it is up, how often it was logged on, and the last committed MsgSeqNum(34) that
    came in on it (the journal owns the inbound sequence).
    """

    up: bool = False
    inbound_seq: int = 0
    logons: int = 0


class Key(msgspec.Struct, frozen=True, gc=False):
    """A spent idempotency key (rule 3): the request under it and the answer it got."""

    command: ClientCommand
    seq: int
    order_id: str = ""
    requested: int = 0
    reason: Reason | None = None
    field: str = ""
    text: str = ""


class State(msgspec.Struct):
    """Orders by order_id, keys by client and ClOrdID, and the indexes that find an order by what a venue or client
    calls it.

    `waiting` holds, oldest first, the requests on which the venue has said nothing yet, `doubtful` those of them that
    may or may not have arrived; both map venue_cl_ord_id to order_id. `working` counts the orders per client that can
    still trade.
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
