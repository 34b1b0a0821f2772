"""A name that nothing has, in a question of an operator's, is a slip and no empty list."""

import pytest

from gateway.adapters.grpc.errors import Failure
from gateway.adapters.grpc.identity import Caller
from gateway.adapters.grpc.slips import refuse_slips
from gateway.core.events import Cause
from gateway.core.risk.setup import RiskClient, RiskSetup
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import Client, Running, failing


@pytest.mark.parametrize(
    ("given", "reason", "told"),
    [
        ({"venue": "XSIN"}, "VENUE_UNKNOWN", "there is no venue 'XSIN'; there is XSIM"),
        ({"symbol": "ACNE"}, "SYMBOL_UNKNOWN", "there is no instrument 'ACNE'; there is ACME"),
    ],
)
async def test_an_operators_slip_is_named(
    gateway: Running, alpha: Client, given: dict[str, str], reason: str, told: str
) -> None:
    await alpha.submit("k-1")
    operator = gateway.as_client("op")
    with failing() as error:
        await operator.orders.ListOrders(pb.ListOrdersRequest(**given), metadata=operator.metadata)
    assert (error.reason, error.fields) == (reason, (*given,))
    assert told in error.text


def test_a_client_that_is_not_configured_is_named_with_those_like_it() -> None:
    operator = Caller("op", "operator", (), Cause("operator", "op"))
    setup = RiskSetup(clients={"alpha": RiskClient(), "bravo": RiskClient()})
    refuse_slips(setup, operator, client_id="alpha")
    with pytest.raises(Failure, match=r"there is no client 'alpah'; there is alpha$"):
        refuse_slips(setup, operator, client_id="alpah")


async def test_items_and_external_orders_of_no_venue_are_a_slip(gateway: Running) -> None:
    operator = gateway.as_client("op")
    for ask, request in (
        (operator.admin.ListItems, pb.ListItemsRequest(venue="XSIN")),
        (operator.admin.ListExternalOrders, pb.ListExternalOrdersRequest(venue="XSIN")),
    ):
        with failing() as error:
            await ask(request, metadata=operator.metadata)
        assert (error.reason, error.fields) == ("VENUE_UNKNOWN", ("venue",))


async def test_what_is_configured_may_have_nothing(gateway: Running, alpha: Client) -> None:
    """And a program that asks about what has left the configuration goes on."""
    operator = gateway.as_client("op")
    for request in (pb.ListOrdersRequest(venue="XSIM"), pb.ListOrdersRequest(symbol="ACME", client_id="alpha")):
        assert not (await operator.orders.ListOrders(request, metadata=operator.metadata)).orders
    assert not (await operator.admin.ListItems(pb.ListItemsRequest(venue="XSIM"), metadata=operator.metadata)).items
    gone = pb.ListOrdersRequest(venue="GONE", symbol="OLD")
    assert not (await alpha.orders.ListOrders(gone, metadata=alpha.metadata)).orders
