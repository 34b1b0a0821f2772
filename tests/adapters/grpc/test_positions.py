"""Positions: of ones own accounts, page by page, all of one answer as of one event."""

import asyncio
from decimal import Decimal

import grpc
import pytest

from gateway.adapters.grpc import positions as adapter
from gateway.adapters.grpc.pieces import AT_ONCE
from gateway.core.positions import Position, PositionKey
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import Client, Running


def open_positions(gateway: Running, count: int) -> None:
    """So many, as if they had been traded, every second of another account."""
    for number in range(count):
        key = PositionKey(f"A{number % 2 + 1}", "", f"S{number}")
        gateway.sequencer.state.positions[key] = Position(*key, "USD", Decimal(1), net_qty=Decimal(number))


async def pages(client: Client, **values: object) -> list[list[str]]:
    """The symbols of each page."""
    found: list[list[str]] = []
    token = ""
    while True:
        request = pb.ListPositionsRequest(page_token=token, **values)  # type: ignore[arg-type]
        page = await client.positions.ListPositions(request, metadata=client.metadata)
        found.append([position.symbol for position in page.positions])
        if not (token := page.next_page_token):
            return found


async def test_pages_are_together_what_one_answer_is(operator: Client, gateway: Running) -> None:
    open_positions(gateway, 7)
    whole = [f"S{number}" for number in range(7)]
    assert await pages(operator) == [whole]
    assert await pages(operator, page_size=3) == [whole[:3], whole[3:6], whole[6:]]
    assert await pages(operator, page_size=7) == [whole]
    assert await pages(operator, page_size=2, account="A2") == [["S1", "S3"], ["S5"]]


async def test_a_page_looks_at_no_more_than_its_bound(
    operator: Client, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "SCANNED_PER_PAGE", 3)
    open_positions(gateway, 7)
    assert await pages(operator, page_size=5, symbol="S4") == [[], ["S4"], []]
    assert await pages(operator, symbol="S4") == [["S4"]]


async def test_a_page_has_at_most_a_thousand(operator: Client, gateway: Running) -> None:
    open_positions(gateway, 1_001)
    assert [len(page) for page in await pages(operator, page_size=5_000)] == [1_000, 1]


async def test_all_of_one_answer_is_as_of_one_event_and_others_have_their_turn_meanwhile(
    operator: Client, gateway: Running
) -> None:
    """Tens of thousands took the event loop for seconds, in which no order and no fill was looked at."""
    open_positions(gateway, 500)
    asked = asyncio.ensure_future(
        operator.positions.ListPositions(pb.ListPositionsRequest(), metadata=operator.metadata)
    )
    encoded = adapter.position_to_pb
    turns: list[int] = []

    async def trade() -> None:
        while not asked.done():
            turns.append(1)
            for position in gateway.sequencer.state.positions.values():
                position.net_qty += 1_000
            await asyncio.sleep(0)

    with pytest.MonkeyPatch.context() as patched:
        made: list[int] = []
        patched.setattr(adapter, "position_to_pb", lambda position: made.append(len(turns)) or encoded(position))
        trading = asyncio.ensure_future(trade())
        answer = await asked
        await trading
    apart = {int(position.net_qty) - number for number, position in enumerate(answer.positions)}
    assert len(apart) == 1, "positions of one answer are of different moments"
    assert len(set(made)) >= 500 // AT_ONCE


@pytest.mark.parametrize("token", ["x", "b3JkZXJzOjE=", "cG9zaXRpb25zOjk5"], ids=["none", "of orders", "too far"])
async def test_a_token_that_was_never_given_is_refused(operator: Client, token: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await operator.positions.ListPositions(
            pb.ListPositionsRequest(page_size=1, page_token=token), metadata=operator.metadata
        )
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "page_token" in str(raised.value.details())
