"""Exposure over the API: rows, pages and snapshots, each of one state."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import grpc
import pytest

from gateway.adapters.grpc import exposure
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import Client, Running, failing, running
from tests.adapters.grpc.test_risk import ask, risk_setup

ADD_UP = ("long_notional", "short_notional", "net_notional", "gross_notional", "open_buys", "open_sells", "margin")


@pytest.fixture
async def gateway() -> AsyncIterator[Running]:
    async with running(risk=risk_setup(rates={"USD": Decimal("0.5")})) as started:
        yield started


async def trade(gateway: Running, client: str, key: str, account: str, **changes: Any) -> None:
    reply = await gateway.as_client(client).submit(key, account=account, **changes)
    gateway.fill(reply.order_id, "40", "10.5")
    await gateway.settled()


def adds_up(rows: Any) -> None:
    """Every row is what those below it are together."""
    for parent in {row.parent for row in rows} - {""}:
        (whole,) = [row for row in rows if row.scope == parent and not row.symbol]
        parts = [row for row in rows if row.parent == parent]
        for figure in ADD_UP:
            told = sum((Decimal(getattr(row, figure)) for row in parts), Decimal(0))
            assert told == Decimal(getattr(whole, figure)), f"{figure} of {parent}"


async def test_a_scope_is_shown_with_its_figures_and_its_limits(operator: Client, gateway: Running) -> None:
    await trade(gateway, "alpha", "k-1", "A1")
    mark = pb.Mark(symbol="ACME", px="11")
    await ask(operator, pb.SetMarksRequest(marks=[mark]))
    answer = await ask(operator, pb.GetExposureRequest(scope="account:A1"))
    (row,) = answer.rows
    assert (answer.currency, answer.as_of_seq, answer.next_page_token) == (
        "EUR", gateway.sequencer.committed_seq, "",
    )  # fmt: skip
    assert (row.scope, row.parent, row.open_orders) == ("account:A1", "desk:europe", 1)
    assert (row.long_notional, row.short_notional, row.net_notional) == ("220", "0", "220")
    assert (row.gross_notional, row.open_buys, row.open_sells) == ("550", "330", "0")
    assert (row.realized_profit, row.unrealized_profit, row.day_profit, row.drawdown) == ("0", "10", "10", "0")
    firm = (await ask(operator, pb.GetExposureRequest(scope="firm"))).rows[0]
    uses = {use.control: use.used for use in firm.uses}
    assert (uses["max_gross_notional"], uses["max_open_orders"], uses["max_loss"]) == ("550", "1", "0")
    (client,) = (await ask(operator, pb.GetExposureRequest(scope="client:alpha"))).rows
    assert not client.HasField("day_profit")


async def test_the_rows_of_an_answer_add_up(operator: Client, gateway: Running) -> None:
    await trade(gateway, "alpha", "k-1", "A1", strategy="x")
    await trade(gateway, "alpha", "k-2", "A2", side=pb.SIDE_SELL)
    await trade(gateway, "bravo", "b-1", "B1", symbol="BETA", side=pb.SIDE_SELL)
    answer = await ask(operator, pb.GetExposureRequest(children=True))
    scopes = {row.scope for row in answer.rows}
    assert {"firm", "desk:europe", "account:A1", "strategy:A1/x", "instrument:BETA", "venue:XSIM"} <= scopes
    adds_up(answer.rows)
    assert {row.symbol for row in answer.rows if row.scope == "strategy:A1/x"} == {"", "ACME"}


async def test_pages_lead_through_all_rows_once(operator: Client, gateway: Running) -> None:
    await trade(gateway, "alpha", "k-1", "A1", strategy="x")
    whole = [(row.scope, row.symbol) for row in (await ask(operator, pb.GetExposureRequest(children=True))).rows]
    found: list[tuple[str, str]] = []
    token = ""
    while True:
        page = await ask(operator, pb.GetExposureRequest(children=True, page_size=3, page_token=token))
        assert len(page.rows) <= 3
        found += [(row.scope, row.symbol) for row in page.rows]
        token = page.next_page_token
        if not token:
            break
    assert found == whole
    assert len(whole) > 6


async def test_snapshots_come_again_and_again_and_each_adds_up(operator: Client, gateway: Running) -> None:
    request = pb.WatchExposureRequest(children=True, interval_ms=exposure.MIN_INTERVAL_MS)
    stream = operator.risk.WatchExposure(request, metadata=operator.metadata, timeout=60)
    seqs = []
    for number in range(3):
        snapshot = await stream.read()
        adds_up(snapshot.rows)
        assert not snapshot.truncated
        seqs.append(snapshot.as_of_seq)
        await trade(gateway, "alpha", f"k-{number}", "A1")
    stream.cancel()
    assert seqs == sorted(seqs)


async def test_a_snapshot_is_bounded(operator: Client, gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "MAX_ROWS", 2)
    await trade(gateway, "alpha", "k-1", "A1")
    stream = operator.risk.WatchExposure(pb.WatchExposureRequest(), metadata=operator.metadata, timeout=60)
    snapshot = await stream.read()
    stream.cancel()
    assert (len(snapshot.rows), snapshot.truncated) == (2, True)


@pytest.mark.parametrize("interval_ms", [1, exposure.MIN_INTERVAL_MS - 1, exposure.MAX_INTERVAL_MS + 1])
async def test_an_interval_has_its_bounds(operator: Client, interval_ms: int) -> None:
    request = pb.WatchExposureRequest(interval_ms=interval_ms)
    with failing() as error:
        await operator.risk.WatchExposure(request, metadata=operator.metadata, timeout=60).read()
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("interval_ms",))


async def test_not_everybody_can_watch_at_once(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "MAX_WATCHERS", 1)
    first = operator.risk.WatchExposure(pb.WatchExposureRequest(), metadata=operator.metadata, timeout=60)
    await first.read()
    with failing() as error:
        await operator.risk.WatchExposure(pb.WatchExposureRequest(), metadata=operator.metadata, timeout=60).read()
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_SUBSCRIBERS")
    first.cancel()


async def test_a_gateway_that_stops_ends_the_snapshots(operator: Client, gateway: Running) -> None:
    stream = operator.risk.WatchExposure(pb.WatchExposureRequest(), metadata=operator.metadata, timeout=60)
    await stream.read()
    await gateway.server.stop(1)
    with failing() as error:
        while await stream.read() is not grpc.aio.EOF:
            pass
    assert error.code is grpc.StatusCode.UNAVAILABLE
