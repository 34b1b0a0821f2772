"""Commands: sent once or repeated under the same key, and what the caller is told."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from gateway.client import (
    GatewayClient,
    GatewayError,
    NotAllowed,
    OrdStatus,
    OrdType,
    Overloaded,
    Reason,
    Refused,
    Side,
    TimeInForce,
    Unavailable,
    Unknown,
)
from gateway.client.trade import MAX_BATCH, MAX_COMMAND_BYTES, MAX_IN_FLIGHT, TradeStream
from gateway.pb.v1 import gateway_pb2 as pb
from tests.client import fake_gateway
from tests.client.fake_gateway import CLIENT, Book, FakeGateway, status

Connect = Callable[..., GatewayClient]
LIMIT = {"symbol": "ACME", "side": Side.BUY, "order_qty": "100", "ord_type": OrdType.LIMIT, "price": "10.50"}


async def test_a_submitted_order_is_seen_as_the_gateway_has_it(gw: GatewayClient) -> None:
    handle = await gw.submit(**LIMIT, account="A1", time_in_force=TimeInForce.GTC)
    order = await handle.wait_for(OrdStatus.NEW, timeout_s=5)
    assert (order.symbol, order.side, order.ord_type) == ("ACME", Side.BUY, OrdType.LIMIT)
    assert (order.order_qty, order.price) == (Decimal(100), Decimal("10.50"))
    assert (order.time_in_force, order.account, order.venue) == (TimeInForce.GTC, "A1", "XSIM")
    assert order.order_id == "O1"
    assert order.cl_ord_id == handle.cl_ord_id


@pytest.mark.parametrize("order_qty", ["100", 100, Decimal("1E+2")])
async def test_quantities_travel_exactly(gw: GatewayClient, book: Book, order_qty: object) -> None:
    await gw.submit(**{**LIMIT, "order_qty": order_qty})
    assert book.events[0].order.terms.order_qty == "100"


async def test_who_lends_the_shares_is_sent(gw: GatewayClient, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[pb.Command] = []
    execute = book.execute
    monkeypatch.setattr(book, "execute", lambda command: sent.append(command) or execute(command))
    await gw.submit(**{**LIMIT, "side": Side.SELL_SHORT}, locate_id="LOC-7")
    assert [command.submit_order.locate_id for command in sent] == ["LOC-7"]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("side", "BUY", "side: 'BUY' is no Side; one of Side's BUY, SELL, SELL_SHORT, SELL_SHORT_EXEMPT is expected"),
        ("ord_type", "LIMIT", "ord_type: 'LIMIT' is no OrdType; one of OrdType's MARKET, LIMIT"),
        ("time_in_force", "IOC", "time_in_force: 'IOC' is no TimeInForce; one of TimeInForce's DAY, GTC"),
    ],
)
async def test_a_word_that_is_none_of_an_enum_is_refused_with_those_that_are(
    gw: GatewayClient, book: Book, field: str, value: str, text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        await gw.submit(**{**LIMIT, field: value})
    with pytest.raises(TypeError, match="types: 'FILLED' is no EventType; "):
        gw.events(types=["FILLED"])
    assert book.done == []


@pytest.mark.parametrize("price", [10.5, True, object()])
async def test_a_price_that_is_not_exact_is_not_sent(gw: GatewayClient, book: Book, price: object) -> None:
    with pytest.raises(TypeError, match=r"price: a Decimal, int or str is expected"):
        await gw.submit(**{**LIMIT, "price": price})
    assert book.done == []


async def test_a_command_without_end_is_not_sent(gw: GatewayClient, book: Book) -> None:
    with pytest.raises(ValueError, match=str(MAX_COMMAND_BYTES)):
        await gw.submit(**LIMIT, strategy="x" * MAX_COMMAND_BYTES)
    assert book.done == []


@pytest.mark.parametrize(
    ("fault", "executed_before"),
    [
        (fake_gateway.LOSE_COMMAND, 0),
        (fake_gateway.LOSE_REPLY, 1),
        (fake_gateway.WRONG_REPLY, 1),
        (fake_gateway.CANCEL_STREAM, 0),
        (fake_gateway.END_STREAM, 0),
    ],
)
async def test_a_command_whose_reply_is_lost_is_sent_again_and_done_once(
    gw: GatewayClient, server: FakeGateway, book: Book, fault: str, executed_before: int
) -> None:
    server.faults.append(fault)
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")
    await handle.wait_for(OrdStatus.NEW, timeout_s=5)
    assert book.done == ["K1"]
    assert server.trade_streams == 2
    assert len(book.orders) == 1


async def test_commands_on_their_way_survive_a_restart_of_the_gateway(
    gw: GatewayClient, server: FakeGateway, book: Book
) -> None:
    server.faults.extend([fake_gateway.NO_REPLY] * 5)
    waiting = [asyncio.create_task(gw.submit(**LIMIT, cl_ord_id=f"K{n}")) for n in range(5)]
    await book.read(5 * 3, 1)  # Every command is done, and no reply is under way.
    await server.stop()
    await server.start(server.port)
    handles = await asyncio.gather(*waiting)
    assert book.done == [f"K{n}" for n in range(5)]
    assert {handle.order.order_id for handle in handles} == {f"O{n}" for n in range(1, 6)}
    assert all(handle.order.ord_status is OrdStatus.NEW for handle in handles)


async def test_an_overloaded_gateway_is_asked_again_with_the_same_key(
    gw: GatewayClient, server: FakeGateway, book: Book
) -> None:
    server.faults.extend([fake_gateway.OVERLOADED] * 3)
    await gw.submit(**LIMIT, cl_ord_id="K1")
    assert book.done == ["K1"]
    assert server.trade_streams == 1


async def test_a_gateway_that_stays_overloaded_has_done_nothing(
    gw: GatewayClient, server: FakeGateway, book: Book
) -> None:
    await gw.submit(**LIMIT, cl_ord_id="K0")  # The stream is up.
    server.faults.extend([fake_gateway.OVERLOADED] * 100)
    with pytest.raises(Overloaded):
        await gw.submit(**LIMIT, timeout_s=0.5)
    assert book.done == ["K0"]


async def test_a_refusal_names_reason_and_field_and_is_not_repeated(
    gw: GatewayClient, server: FakeGateway, book: Book
) -> None:
    server.faults.append(
        status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "10.505 is no multiple of 0.01",
            "PRICE_OFF_TICK",
            field="price",
            cl_ord_id="K1",
            key_spent="true",
        )
    )
    with pytest.raises(Refused, match=r"PRICE_OFF_TICK \(price\): 10.505 is no multiple of 0.01") as refused:
        await gw.submit(**LIMIT, cl_ord_id="K1")
    assert refused.value.reason == Reason.PRICE_OFF_TICK
    assert (refused.value.field, refused.value.cl_ord_id, refused.value.key_spent) == ("price", "K1", True)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert server.batches == [1]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, "SESSION_DOWN"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ORDERS"),
    ],
)
async def test_a_refusal_under_a_transient_code_is_a_refusal(
    gw: GatewayClient, server: FakeGateway, code: grpc.StatusCode, reason: str
) -> None:
    server.faults.append(status(code, "not now", reason))
    with pytest.raises(Refused, match=reason):
        await gw.submit(**LIMIT)
    assert server.batches == [1]


async def test_without_an_answer_the_fate_is_unknown_and_the_same_key_resolves_it(
    gw: GatewayClient, server: FakeGateway, book: Book
) -> None:
    await gw.submit(**LIMIT, cl_ord_id="K0")  # The stream is up.
    server.faults.append(fake_gateway.NO_REPLY)
    with pytest.raises(Unknown) as unknown:
        await gw.submit(**LIMIT, timeout_s=0.5)
    await server.stop()
    await server.start(server.port)
    handle = await gw.submit(**LIMIT, cl_ord_id=unknown.value.cl_ord_id)
    assert handle.order.order_id == "O2"
    assert book.done == ["K0", unknown.value.cl_ord_id]


async def test_what_was_never_sent_is_unavailable_and_not_unknown(
    gw: GatewayClient, server: FakeGateway, book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    await server.stop()
    async with asyncio.timeout(5):
        # Until then what is sent may be on its way. There is nothing else to wait on.
        while "Trade stream lost" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        await gw.submit(**LIMIT, timeout_s=0.3)
    await server.start(server.port)
    await gw.submit(**LIMIT, cl_ord_id="K2")
    assert book.done == ["K2"]


async def test_an_overload_after_a_lost_reply_does_not_make_the_fate_known(
    gw: GatewayClient, server: FakeGateway, book: Book
) -> None:
    await gw.submit(**LIMIT, cl_ord_id="K0")  # The stream is up.
    server.faults.extend([fake_gateway.LOSE_REPLY, *[fake_gateway.OVERLOADED] * 100])
    with pytest.raises(Unknown):
        await gw.submit(**LIMIT, cl_ord_id="K1", timeout_s=1)
    assert book.done == ["K0", "K1"]


DENIED = status(grpc.StatusCode.PERMISSION_DENIED, "not yours", "ACCOUNT_NOT_PERMITTED", key_spent="false")


@pytest.mark.parametrize("lost", [fake_gateway.LOSE_COMMAND, fake_gateway.LOSE_REPLY])
async def test_a_refusal_that_kept_nothing_does_not_say_what_became_of_the_first_try(
    gw: GatewayClient, server: FakeGateway, lost: str
) -> None:
    """The gateway came back with another configuration, and the order may work."""
    server.faults.extend([lost, DENIED])
    with pytest.raises(Unknown, match="not yours") as raised:
        await gw.submit(**LIMIT, cl_ord_id="K1")
    assert raised.value.cl_ord_id == "K1"


async def test_a_key_that_is_used_does_not_say_by_whom(gw: GatewayClient, server: FakeGateway) -> None:
    """The gateway has another default account now: the order of the first try works, and is another one to it."""
    used = status(grpc.StatusCode.ALREADY_EXISTS, "used for another", "DUPLICATE_CL_ORD_ID", key_spent="true")
    server.faults.extend([fake_gateway.LOSE_REPLY, used, used])
    with pytest.raises(Unknown, match="used for another"):
        await gw.submit(**LIMIT, cl_ord_id="K1")
    assert (await gw.attach("K1")).order.order_id == "O1"
    with pytest.raises(Refused, match="used for another"):
        await gw.submit(**LIMIT, cl_ord_id="K1")


async def test_a_refusal_that_spent_the_key_is_the_answer_also_to_the_first_try(
    gw: GatewayClient, server: FakeGateway
) -> None:
    refusal = status(grpc.StatusCode.FAILED_PRECONDITION, "halted", "INSTRUMENT_HALTED", key_spent="true")
    server.faults.extend([fake_gateway.LOSE_COMMAND, refusal])
    with pytest.raises(Refused, match="halted"):
        await gw.submit(**LIMIT, cl_ord_id="K1")


async def test_a_refused_question_to_the_venue_is_refused_whatever_became_of_the_first(
    gw: GatewayClient, server: FakeGateway
) -> None:
    await gw.submit(**LIMIT, cl_ord_id="K1")
    refusal = status(grpc.StatusCode.FAILED_PRECONDITION, "down", "SESSION_DOWN", key_spent="false")
    server.faults.extend([fake_gateway.LOSE_REPLY, refusal])
    with pytest.raises(Refused, match="down"):
        await gw.request_order_status("K1")


async def test_a_caller_that_gives_up_disturbs_no_other(gw: GatewayClient, book: Book) -> None:
    one, two = (asyncio.create_task(gw.submit(**LIMIT, cl_ord_id=key)) for key in ("K1", "K2"))
    await asyncio.sleep(0)
    one.cancel()
    assert (await two).cl_ord_id == "K2"
    assert (await gw.submit(**LIMIT, cl_ord_id="K3")).cl_ord_id == "K3"
    assert book.done[-2:] == ["K2", "K3"]


async def test_many_commands_travel_in_batches_and_in_order(gw: GatewayClient, server: FakeGateway, book: Book) -> None:
    keys = [f"K{n}" for n in range(1_200)]
    handles = await asyncio.gather(*(gw.submit(**LIMIT, cl_ord_id=key) for key in keys))
    assert book.done == keys
    assert [handle.order.cl_ord_id for handle in handles] == keys
    assert server.batches[:4] == [MAX_BATCH] * 4


async def test_only_so_many_commands_are_on_their_way_at_once(
    connect: Connect, server: FakeGateway, book: Book
) -> None:
    server.faults.extend([fake_gateway.NO_REPLY] * MAX_IN_FLIGHT)
    async with connect() as gw:
        waiting = [asyncio.create_task(gw.submit(**LIMIT)) for _ in range(MAX_IN_FLIGHT + 50)]
        await book.read(MAX_IN_FLIGHT * 3, 1)
        await gw.positions()  # One more round trip, in which more could have come.
        assert len(book.done) == MAX_IN_FLIGHT
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unknown] * MAX_IN_FLIGHT + [Unavailable] * 50


async def test_a_client_that_is_not_let_in_is_told_when_it_connects(connect: Connect, server: FakeGateway) -> None:
    server.refuse_clients = status(grpc.StatusCode.UNAUTHENTICATED, "who is this?", "CLIENT_UNKNOWN")
    with pytest.raises(NotAllowed, match="who is this"):
        async with connect():
            pass


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED", NotAllowed),
        (grpc.StatusCode.OUT_OF_RANGE, "SEQ_AHEAD", Refused),  # The journal is another one now.
    ],
)
async def test_when_the_stream_is_refused_for_good_every_call_says_so_and_nothing_is_sent(
    connect: Connect, server: FakeGateway, code: grpc.StatusCode, reason: str, expected: type[Exception]
) -> None:
    async with connect() as gw:
        handle = await gw.submit(**LIMIT)
        waiting = asyncio.create_task(handle.done())
        server.refuse_clients = status(code, "not you", reason)
        server.batches.clear()
        await server.stop()
        await server.start(server.port)
        with pytest.raises(expected, match="not you"):
            await waiting
        for _ in range(2):
            with pytest.raises(expected, match="not you"):
                await gw.submit(**LIMIT)
    assert server.batches == []


async def test_an_answer_that_comes_together_with_the_deadline_leaves_the_fate_unknown(
    gw: GatewayClient, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: list[asyncio.Timeout] = []
    timeout, answer = asyncio.timeout, TradeStream._answer

    def noted(delay_s: float | None) -> asyncio.Timeout:
        deadlines.append(timeout(delay_s))
        return deadlines[-1]

    def at_the_deadline(stream: TradeStream, reply: pb.TradeReply) -> None:
        deadlines[-1].reschedule(0)
        answer(stream, reply)

    monkeypatch.setattr(asyncio, "timeout", noted)
    monkeypatch.setattr(TradeStream, "_answer", at_the_deadline)
    with pytest.raises(Unknown):
        await gw.submit(**LIMIT)
    assert len(book.done) == 1


async def test_events_that_cannot_be_read_are_told_to_everybody_who_waits(gw: GatewayClient, book: Book) -> None:
    handle = await gw.submit(**LIMIT)
    waiting = asyncio.create_task(handle.done())
    await asyncio.sleep(0)
    book.orders["O1"].side = 9  # type: ignore[assignment]  # A side that only a newer gateway knows.
    book.add(pb.ORDER_STOPPED, "O1")
    await book.tell()
    with pytest.raises(GatewayError, match="cannot go on"):
        await waiting
    with pytest.raises(GatewayError, match="cannot go on"):
        await gw.submit(**LIMIT)


async def test_an_order_whose_event_has_not_come_is_not_called_unsent(
    connect: Connect, server: FakeGateway, book: Book
) -> None:
    server.hold_trade_events = True
    async with connect() as gw:
        with pytest.raises(Unknown, match="is order 'O1'"):
            await gw.submit(**LIMIT, timeout_s=0.5)
        sent = asyncio.create_task(gw.submit(**LIMIT))
        await book.read(4, 1)
        await gw.positions()
    with pytest.raises(Unknown, match="is order 'O2'"):
        await sent


async def test_a_gateway_that_is_not_there_is_unavailable(connect: Connect, server: FakeGateway) -> None:
    await server.stop()
    with pytest.raises(
        Unavailable, match=r"^the gateway does not answer \(.*\): see that it runs, and that this is its"
    ):
        async with connect(timeout_s=0.3):
            pass


async def test_closing_tells_whoever_still_waits(connect: Connect, server: FakeGateway, book: Book) -> None:
    async with connect() as gw:
        handle = await gw.submit(**LIMIT, cl_ord_id="K1")
        filled = asyncio.create_task(handle.wait_for(OrdStatus.FILLED))
        server.faults.append(fake_gateway.NO_REPLY)
        sent = asyncio.create_task(gw.submit(**LIMIT, cl_ord_id="K2"))
        await book.read(6, 1)
    with pytest.raises(Unavailable, match="closed"):
        await filled
    with pytest.raises(Unknown):
        await sent
    with pytest.raises(Unavailable, match="closed"):
        await gw.submit(**LIMIT)


async def test_mass_cancel_says_how_many(gw: GatewayClient) -> None:
    handles = [await gw.submit(**LIMIT) for _ in range(3)]
    reply = await gw.mass_cancel(symbol="ACME")
    assert reply.requested == 3
    for handle in handles:
        assert (await handle.done(timeout_s=5)).ord_status is OrdStatus.CANCELED


async def test_a_status_request_has_no_key(gw: GatewayClient, book: Book) -> None:
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")
    first, second = [await gw.request_order_status("K1") for _ in range(2)]
    assert handle.order.order_id == first.order_id == second.order_id
    assert second.seq > first.seq


async def test_a_gateway_without_a_lane_is_reached_over_the_unix_socket(book: Book, tmp_path: Path) -> None:
    server = FakeGateway(book, f"{tmp_path}/gateway.sock", lane=False)
    await server.start()
    async with GatewayClient(server.address, client_id=CLIENT) as gw:
        handle = await gw.submit(**LIMIT)
        assert handle.order.order_id == "O1"
    assert (server.trade_streams, server.lane_streams) == (1, 0)
    await server.stop()
