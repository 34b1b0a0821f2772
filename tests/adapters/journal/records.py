"""Records for journal tests: plain ones by number, and any at all by hypothesis."""

from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.events import Cause, OrderFilled, OrderView, Record, Terms
from gateway.core.types import OrdStatus, OrdType, Side

BASE_NS = 1_767_225_600_000_000_000

VIEW = OrderView(
    order_id="O1",
    client_id="alpha",
    cl_ord_id="a-1",
    symbol="ACME",
    venue="XSIM",
    side=Side.BUY,
    ord_type=OrdType.LIMIT,
    terms=Terms(order_qty=Decimal(100), price=Decimal("100.02")),
    ord_status=OrdStatus.PARTIALLY_FILLED,
    cum_qty=Decimal(40),
    leaves_qty=Decimal(60),
    avg_px=Decimal("100.02"),
)


def fill(seq: int) -> Record:
    """A fill that differs from every other by its seq, time and ExecID(17)."""
    event = OrderFilled(order_id="O1", exec_id=f"E{seq}", last_qty=Decimal(1), last_px=Decimal("100.02"))
    return Record(seq=seq, at_ns=BASE_NS + seq, cause=Cause("venue", "XSIM", seq), event=event, order=VIEW)


def fills(first: int, last: int) -> list[Record]:
    """The fills `first` to `last`, both included."""
    return [fill(seq) for seq in range(first, last + 1)]


# Decimals as money.parse_decimal admits them, numbers as FIX and protobuf carry them: in 64 bits.
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Decimal: st.decimals(min_value=-(10**15) + 1, max_value=10**15 - 1, allow_nan=False, places=10),
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(),
    bytes: st.binary(max_size=64),
    bool: st.booleans(),
    type(None): st.none(),
}


@cache
def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that stands in an event."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if get_origin(kind) is tuple and get_args(kind)[-1] is not Ellipsis:
        return st.tuples(*(any_of(each) for each in get_args(kind)))
    if get_origin(kind) is tuple:
        return st.lists(any_of(get_args(kind)[0]), max_size=3).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(*(any_of(each) for each in get_args(kind)), max_size=2)
    if get_args(kind):
        return st.one_of(*(any_of(each) for each in get_args(kind)))
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    return st.builds(kind, **{name: any_of(each) for name, each in get_type_hints(kind).items()})


@st.composite
def batches(draw: st.DrawFn) -> list[list[Record]]:
    """A few batches of any records, with the seq that they have in a new journal."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    made, seq = [], 1
    for size in sizes:
        made.append([replace(draw(any_of(Record)), seq=place) for place in range(seq, seq + size)])
        seq += size
    return made
