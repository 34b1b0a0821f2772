"""The last word on each order: what its owner was told last is what is so.

All of it but the end is found in the records alone. So it can be done by whoever reads the journal, without a state.
"""

from collections.abc import Mapping

import msgspec

from gateway.core.engine import Diverged, is_as_told
from gateway.core.events import OrderView
from gateway.core.order import Order, view
from gateway.core.retention import retired_order

Word = tuple[bytes, str]
"""An OrderView as it was written, and the venue_cl_ord_id of the request that its event was about."""


class _Whose(msgspec.Struct):
    order_id: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(OrderView).decode
_whose = msgspec.msgpack.Decoder(_Whose).decode


class LastWords:
    """What owners were told last of the orders that are in memory. When one leaves it, that is compared with the order
    as the record has it that says so; the others are compared with the state, at the end.
    """

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}

    def note(self, order_id: str, asked: str, word: msgspec.Raw) -> None:
        """What the owner was told of an order after an event that names the request `asked`. An event that does not
        say which order it changes has an empty `order_id`.
        """
        self.words[order_id or _whose(word).order_id] = bytes(word), asked

    def left(self, order_id: str, memory: bytes) -> None:
        """An order left memory as what is in its record.

        Raises:
            Diverged: its owner was told something else.
        """
        word = self.words.pop(order_id, None)
        if word is not None:
            _compare(retired_order(memory), word)

    def compare(self, orders: Mapping[str, Order]) -> None:
        """The rest is what the orders in memory are.

        Raises:
            Diverged: one of them is something else.
        """
        for order_id, word in self.words.items():
            if order_id not in orders:
                raise Diverged(f"order {order_id} was told of, and there is no such order")
            _compare(orders[order_id], word)


def _compare(order: Order, word: Word) -> None:
    """The bytes first: they differ when another version of the gateway wrote them."""
    told, asked = word
    now = view(order, asked)
    if _encode(now) != told and not is_as_told(now, _decode(told)):
        raise Diverged(f"order {order.order_id} replays differently: {now} instead of {_decode(told)}")
