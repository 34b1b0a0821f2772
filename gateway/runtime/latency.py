"""Order-to-acknowledgement times of the newest orders, for people."""

from collections import deque
from collections.abc import Sequence

from gateway.core.events import OrderAcknowledged, OrderRejected, Record
from gateway.core.state import State

KEPT = 10_000


class Latency:
    """From the receipt of a new order to the receipt of the venue's first word on it, in microseconds, over the
    newest 10,000 orders.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._newest_us: deque[int] = deque(maxlen=KEPT)

    def note(self, records: Sequence[Record]) -> None:
        """Look through newly committed records."""
        for record in records:
            if isinstance(record.event, (OrderAcknowledged, OrderRejected)):
                order = self._state.orders.get(record.event.order_id)
                if order is not None:  # It may have left memory by an event of the same commit.
                    self._newest_us.append((record.at_ns - order.submitted_ns) // 1_000)

    def percentile_us(self, percent: int) -> int:
        """The percentile (nearest rank); 0 before the first acknowledgement."""
        ranked = sorted(self._newest_us)
        rank = -(-len(ranked) * percent // 100)  # Rounded up.
        return ranked[max(rank, 1) - 1] if ranked else 0
