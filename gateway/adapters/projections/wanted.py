"""What can be asked of the projections."""

from collections.abc import Mapping

import msgspec


class Wanted(msgspec.Struct, frozen=True):
    """Which rows: those whose columns have these values, of an order, of a time from `since_ns` to before `until_ns`,
    with one of these statuses; the newest `limit`.

    `order` is an order_id or any ClOrdID(11) of its chain, ours or the venue's. The `status` of an order is its
    OrdStatus(39), that of an item "open" or "resolved".
    """

    columns: Mapping[str, str] = {}
    order: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    status: tuple[str, ...] = ()
    limit: int = 100
