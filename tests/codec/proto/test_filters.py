"""Which events pass a reader's filter."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.codec.proto.fields import LIST_LENGTH, InvalidField
from gateway.codec.proto.filters import EVERYTHING, selection
from gateway.core import events as ev
from gateway.core.commands import SubmitOrder
from gateway.core.events import Cause, OrderView, Record, Terms
from gateway.core.reports import UnexpectedMessage
from gateway.core.types import OrdStatus, OrdType, Reason, Side
from gateway.pb.v1 import gateway_pb2 as pb

ORDER = OrderView(
    "O1", "alpha", "k", "ACME", "XSIM", Side.BUY, OrdType.LIMIT, Terms(Decimal(1)), OrdStatus.NEW, Decimal(0),
    Decimal(1), Decimal(0), "A1", "trend",
)  # fmt: skip
COMMAND = SubmitOrder("alpha", "k", "BETA", Side.BUY, Decimal(1), OrdType.MARKET, account="A2", strategy="mean")


def record(event: Any, order: OrderView | None = None) -> Record:
    return Record(1, 0, Cause("venue"), event, order)


FILLED = record(ev.OrderFilled("O1"), ORDER)
REFUSED = record(ev.CommandRefused(COMMAND, Reason.MARKET_CLOSED, "", ""))
LOGGED_ON = record(ev.SessionLoggedOn("XSIM"))
HALTED = record(ev.InstrumentHalted("ACME", "news"))
SET_ASIDE = record(ev.ReportSetAside(UnexpectedMessage("YSIM", "8", "no", "raw"), "why"))
ALL = [FILLED, REFUSED, LOGGED_ON, HALTED, SET_ASIDE]


@pytest.mark.parametrize(
    ("asked", "passing"),
    [
        ({}, ALL),
        ({"account": "A1"}, [FILLED]),
        ({"account": "A2"}, [REFUSED]),
        ({"strategy": "trend"}, [FILLED]),
        ({"symbol": "ACME"}, [FILLED, HALTED]),
        ({"symbol": "BETA"}, [REFUSED]),
        ({"venue": "XSIM"}, [FILLED, LOGGED_ON]),
        ({"venue": "YSIM"}, [SET_ASIDE]),
        ({"types": [pb.ORDER_FILLED, pb.INSTRUMENT_HALTED]}, [FILLED, HALTED]),
        ({"types": [pb.ORDER_FILLED], "account": "A2"}, []),
        ({"account": "A1", "strategy": "trend", "symbol": "ACME", "venue": "XSIM"}, [FILLED]),
        ({"account": "A1", "strategy": "mean"}, []),
    ],
)
def test_an_event_passes_when_it_has_all_that_is_asked(asked: dict[str, Any], passing: list[Record]) -> None:
    chosen = selection(pb.EventFilter(**asked))
    assert [item for item in ALL if chosen.passes(item)] == passing


def test_no_filter_is_everything() -> None:
    assert selection(pb.EventFilter()) == EVERYTHING


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"types": [0]}, "filter.types"),
        ({"types": [999]}, "filter.types"),
        ({"types": [pb.ORDER_FILLED] * (LIST_LENGTH + 1)}, "filter.types"),
        ({"account": "\x01"}, "filter.account"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        selection(pb.EventFilter(**asked))
    assert caught.value.field == field
