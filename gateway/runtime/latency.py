"""Order-to-acknowledgement times: from the receipt of an order to the receipt of the venue's first word on it."""

from collections import OrderedDict, deque
from collections.abc import Sequence

from gateway.core.events import OrderAcknowledged, OrderFilled, OrderRejected, OrderSubmitted, OrderUnsent, Record

KEPT = 10_000
AWAITED_AT_MOST = 100_000
"""How many orders may wait for a first word; of more the oldest are not counted."""

_ANSWERED = (OrderAcknowledged, OrderRejected, OrderFilled, OrderUnsent)


class FirstWords:
    """Finds the venue's first word on each order, among its records as they are committed. A venue acknowledges an
    order again whenever it lets it go on: after a suspension, or a GTC order on its next day.
    """

    def __init__(self) -> None:
        self._awaited: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        """How many orders wait."""
        return len(self._awaited)

    def took_ns(self, record: Record) -> int | None:
        """How long the order waited whose first word this is; None for everything else. What was never sent has none,
        and what an operator says of an order in doubt is none.
        """
        event = record.event
        if isinstance(event, OrderSubmitted):
            self._awaited[event.order_id] = record.at_ns
            if len(self._awaited) > AWAITED_AT_MOST:
                self._awaited.popitem(last=False)
        elif isinstance(event, _ANSWERED):
            since_ns = self._awaited.pop(event.order_id, None)
            if since_ns is not None and record.cause.kind == "venue" and not isinstance(event, OrderUnsent):
                return record.at_ns - since_ns
        return None


class Latency:
    """The times of the newest 10,000 orders, in microseconds, for people."""

    def __init__(self) -> None:
        self._first_words = FirstWords()
        self._newest_us: deque[int] = deque(maxlen=KEPT)

    def note(self, records: Sequence[Record]) -> None:
        """Look through newly committed records."""
        for record in records:
            took_ns = self._first_words.took_ns(record)
            if took_ns is not None:
                self._newest_us.append(took_ns // 1_000)

    def percentile_us(self, percent: int) -> int:
        """The percentile (nearest rank); 0 before the first acknowledgement."""
        ranked = sorted(self._newest_us)
        rank = -(-len(ranked) * percent // 100)  # Rounded up.
        return ranked[max(rank, 1) - 1] if ranked else 0
