"""What the API needs from the rest of the gateway."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.config import Config
from gateway.runtime.feed import Feed
from gateway.runtime.ports import Journal, VenueLink
from gateway.runtime.sequencer import Sequencer


class Overview(NamedTuple):
    """The gateway at a glance; the fields of GetOverviewResponse."""

    seq: int
    epoch: int
    version: str
    started_ns: int
    orders: int
    working_orders: int
    executions: int
    in_doubt: int
    disputed: int
    set_aside: int
    halted_symbols: tuple[str, ...]
    order_to_ack_p50_us: int
    order_to_ack_p99_us: int
    command_queue: int
    subscribers: int
    open_items: int = 0
    critical_items: int = 0
    retired_orders: int = 0
    snapshot_seq: int = 0
    stops: int = 0
    breaches: int = 0


class Services(NamedTuple):
    """The parts that the API talks to.

    `links` are the FIX sessions by name; `overview` is called on the event loop and has to be cheap. The
    journal is only read, on threads.
    """

    config: Config
    sequencer: Sequencer
    feed: Feed
    links: Mapping[str, VenueLink]
    overview: Callable[[], Overview]
    journal: Journal
