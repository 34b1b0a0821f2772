"""What a program gives wrongly is told by name, before anything is sent."""

import pytest

from gateway.client import GatewayClient, OrdType, Side, SyncGatewayClient, Unavailable
from tests.client.fake_gateway import CLIENT, FakeGateway

LIMIT = {"symbol": "ACME", "side": Side.BUY, "order_qty": "100", "ord_type": OrdType.LIMIT, "price": "10.50"}
NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"symbol": 5}, TypeError, "symbol: a text that UTF-8 can write is expected, not 5"),
        ({"account": "\ud800"}, ValueError, "account: a text"),
        ({"cl_ord_id": 7}, TypeError, "cl_ord_id: a text"),
        ({"expire_time_ns": 2**63}, ValueError, "expire_time_ns: an int from"),
        ({"expire_time_ns": "tomorrow"}, TypeError, "expire_time_ns: an int from .* not 'tomorrow'"),
    ],
)
async def test_a_field_that_cannot_hold_what_was_given_is_named(
    gw: GatewayClient, server: FakeGateway, given: dict[str, object], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=f"^{told}"):
        await gw.submit(**LIMIT | given)
    assert not server.book.done


@pytest.mark.parametrize(("from_seq", "error"), [(-1, ValueError), (2**64, ValueError), ("1", TypeError)])
async def test_a_place_that_no_event_has_is_named(gw: GatewayClient, from_seq: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^from_seq: an int from 0 to 2\*\*64 - 1 is expected, not"):
        gw.events(from_seq)  # type: ignore[arg-type]


async def test_filters_are_named(gw: GatewayClient) -> None:
    with pytest.raises(TypeError, match=r"^working: True or False is expected, not 'yes'"):
        await anext(gw.list_orders(working="yes"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^venue: a text"):
        gw.events(venue=5)  # type: ignore[arg-type]


async def test_a_condition_that_is_none_says_what_one_is(gw: GatewayClient) -> None:
    handle = await gw.submit(**LIMIT)
    with pytest.raises(TypeError, match=r"^condition: an OrdStatus, such as OrdStatus\.FILLED.* not 'NEW'"):
        await handle.wait_for("NEW")  # type: ignore[arg-type]


@pytest.mark.parametrize("client_id", ["", "a\nb", "ä", "a b", "x" * 33])
def test_a_client_id_that_no_configuration_has_is_refused(client_id: str) -> None:
    with pytest.raises(ValueError, match=r"^client_id .* 1 to 32 letters, digits"):
        GatewayClient(NOBODY, client_id=client_id)


def test_a_client_id_is_text() -> None:
    with pytest.raises(TypeError, match=r"^client_id: a str is expected, not 5"):
        GatewayClient(NOBODY, client_id=5)  # type: ignore[arg-type]


async def test_a_client_that_was_never_opened_says_so() -> None:
    gw = GatewayClient(NOBODY, client_id=CLIENT)
    for call in (gw.submit(**LIMIT), gw.cancel("K1"), gw.get_order(cl_ord_id="K1"), gw.positions()):
        with pytest.raises(RuntimeError, match="the client is not open: use it as `async with`"):
            await call
    with pytest.raises(RuntimeError, match="not open"):
        gw.events()


def test_a_client_without_a_loop_that_was_never_opened_says_so() -> None:
    gw = SyncGatewayClient(NOBODY, client_id=CLIENT)
    with pytest.raises(RuntimeError, match="not open"):
        gw.submit(**LIMIT)


async def test_a_client_that_could_not_be_opened_says_so() -> None:
    gw = GatewayClient(NOBODY, client_id=CLIENT, timeout_s=0.1)
    with pytest.raises(Unavailable):
        await gw.__aenter__()
    with pytest.raises(RuntimeError, match="not open"):
        await gw.submit(**LIMIT)
    with pytest.raises(Unavailable, match="the client was closed"):
        await gw.positions()
