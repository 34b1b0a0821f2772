"""CashOrderQty(152) stands in the place of OrderQty(38) until the venue has said what quantity it makes of it."""

from decimal import Decimal

import pytest

from gateway.codec.fix import Encoder
from gateway.core.commands import CancelOrder
from gateway.core.events import CancelRequested, Cause, Event, OrderRouted, OrderView, Record, Terms
from gateway.core.types import OrdStatus, OrdType, Side
from tests.codec.fix.reports import VERSIONS, dialect, parse

CANCEL = CancelRequested("1", "XSIM", "a2", "g2", "g1", CancelOrder("alice", "a2", "a1"))


def encoded(begin_string: str, event: Event, order_qty: int) -> dict[str, str]:
    zero = Decimal(0)
    terms = Terms(Decimal(order_qty), cash_order_qty=Decimal("10000.5"))
    view = OrderView(
        "1", "alice", "a1", "ACME", "XSIM", Side.BUY, OrdType.MARKET, terms, OrdStatus.NEW, zero, zero, zero
    )
    return parse(Encoder(dialect(begin_string)).encode(Record(1, 1, Cause("client"), event, view)))


@pytest.mark.parametrize("begin_string", VERSIONS)
@pytest.mark.parametrize("event", [OrderRouted("1", "XSIM", "g1"), CANCEL], ids=["new", "cancel"])
def test_the_amount_goes_out_until_the_quantity_is_known(begin_string: str, event: Event) -> None:
    unknown, known = encoded(begin_string, event, 0), encoded(begin_string, event, 500)
    assert (unknown.get("152"), unknown.get("38")) == ("10000.5", None)
    assert (known.get("152"), known.get("38")) == (None, "500")
