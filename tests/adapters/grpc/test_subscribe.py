"""EventService.Subscribe: no gap, no duplicate, resumable after anything."""

import asyncio
import gc
import itertools
import weakref
from typing import Any

import grpc
import pytest

from gateway.adapters.grpc import events, streams
from gateway.adapters.memory_journal import Disk
from gateway.config import LimitsConfig
from gateway.core.types import ExecType, OrdStatus
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.runtime import feed
from tests.adapters.grpc.harness import Client, Running, events_until, eventually, failing, running


def names(events: list[pb.Event]) -> list[str]:
    return [pb.EventType.Name(event.type) for event in events]


async def trade_once(client: Client, gateway: Running, cl_ord_id: str) -> int:
    """One order with an acknowledgement and a fill; the sequence number of the fill."""
    reply = await client.submit(cl_ord_id)
    gateway.acknowledge(reply.order_id)
    gateway.fill(reply.order_id, "40", "10.5")
    return await gateway.settled()


def until(seq: int) -> Any:
    return lambda events: bool(events) and events[-1].seq >= seq


async def test_a_stream_that_ends_in_the_middle_of_a_history_leaves_nothing_for_the_collector(
    alpha: Client, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a session is up the collector does not look at what is older than a second: each such stream left the
    thousand records that it had read in memory for the day.
    """
    flows: weakref.WeakSet[streams.EventFlow] = weakref.WeakSet()

    class Seen(streams.EventFlow):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            flows.add(self)

    monkeypatch.setattr(events, "EventFlow", Seen)
    monkeypatch.setattr(streams, "EVENTS_PER_MESSAGE", 1)
    await trade_once(alpha, gateway, "k-1")
    gc.disable()
    try:
        stream = alpha.subscribe(1)
        for _ in range(2):
            await stream.read()
        assert flows
        stream.cancel()
        await eventually(lambda: not flows)
    finally:
        gc.enable()


async def test_the_first_message_says_where_the_stream_starts(alpha: Client, gateway: Running) -> None:
    stream = alpha.subscribe(None)
    first = await stream.read()
    assert (len(first.events), first.next_seq) == (0, gateway.sequencer.committed_seq + 1)
    await alpha.submit("k-1")
    live = await stream.read()
    assert [event.seq for event in live.events] == [first.next_seq, first.next_seq + 1]
    stream.cancel()


async def test_history_and_what_comes_are_one_stream(alpha: Client, gateway: Running) -> None:
    await trade_once(alpha, gateway, "k-1")
    stream = alpha.subscribe(1)
    reading = asyncio.ensure_future(events_until(stream, until(gateway.sequencer.committed_seq + 12)))
    for number in range(2, 6):
        await trade_once(alpha, gateway, f"k-{number}")
    events, next_seq = await reading
    # Number 1 is the process's own; from the session's logon on, all is for this client.
    assert [event.seq for event in events] == list(range(gateway.logged_on_seq, next_seq))
    assert names(events)[:5] == [
        "SESSION_LOGGED_ON", "ORDER_SUBMITTED", "ORDER_ROUTED", "ORDER_ACKNOWLEDGED", "ORDER_FILLED",
    ]  # fmt: skip
    assert (events[4].last_qty, events[4].order.cum_qty, events[4].cl_ord_id) == ("40", "40", "k-1")


async def test_a_reader_that_comes_back_misses_nothing_and_sees_nothing_twice(alpha: Client, gateway: Running) -> None:
    last = [await trade_once(alpha, gateway, f"k-{number}") for number in range(5)][-1]
    seen: list[int] = []
    next_seq = 1
    while next_seq <= last:
        stream = alpha.subscribe(next_seq)
        await stream.read()
        part = await stream.read()
        stream.cancel()
        seen += [event.seq for event in part.events]
        next_seq = part.next_seq
    assert seen == list(range(gateway.logged_on_seq, last + 1))


async def test_a_reader_comes_back_after_a_restart() -> None:
    disk = Disk()
    async with running(disk=disk) as gateway:
        stream = gateway.as_client("alpha").subscribe(1)
        last = await trade_once(gateway.as_client("alpha"), gateway, "k-1")
        before, next_seq = await events_until(stream, until(last))
    async with running(disk=disk) as gateway:
        last = await trade_once(gateway.as_client("alpha"), gateway, "k-2")
        stream = gateway.as_client("alpha").subscribe(next_seq)
        after, _ = await events_until(stream, until(last))
        again, _ = await events_until(gateway.as_client("alpha").subscribe(1), until(last))
    assert before + after == again
    seqs = [event.seq for event in again]
    assert seqs == sorted(set(seqs))


async def test_everybody_sees_his_own_and_an_operator_sees_all(
    alpha: Client, bravo: Client, operator: Client, gateway: Running
) -> None:
    await trade_once(alpha, gateway, "k-1")
    with failing():
        await bravo.submit("b-0", symbol="NOPE")
    last = await trade_once(bravo, gateway, "b-1")
    theirs, _ = await events_until(bravo.subscribe(1), until(last))
    assert names(theirs) == [
        "SESSION_LOGGED_ON", "COMMAND_REFUSED", "ORDER_SUBMITTED", "ORDER_ROUTED", "ORDER_ACKNOWLEDGED", "ORDER_FILLED",
    ]  # fmt: skip
    assert {event.order.client_id for event in theirs if event.HasField("order")} == {"bravo"}
    everything, _ = await events_until(operator.subscribe(1), until(last))
    assert [event.seq for event in everything] == list(range(1, last + 1))


async def test_halts_are_told_to_everybody_and_administration_to_operators(
    alpha: Client, operator: Client, gateway: Running
) -> None:
    logout = pb.LogoutRequest(venue="XSIM", reason="test")
    await operator.admin.Logout(logout, metadata=operator.metadata)
    halt = pb.HaltInstrumentRequest(symbol="ACME", reason="news")
    last = (await operator.admin.HaltInstrument(halt, metadata=operator.metadata)).seq
    events, _ = await events_until(alpha.subscribe(1), until(last))
    assert names(events) == ["SESSION_LOGGED_ON", "INSTRUMENT_HALTED"]
    events, _ = await events_until(operator.subscribe(1), until(last))
    assert names(events) == [
        "EPOCH_BEGAN", "RISK_CONFIGURED", "RISK_DAY_BEGAN", "SESSION_LOGGED_ON", "SESSION_ADMINISTERED",
        "INSTRUMENT_HALTED",
    ]  # fmt: skip


async def test_a_filter_lets_through_what_fits(alpha: Client, gateway: Running) -> None:
    await trade_once(alpha, gateway, "k-1")
    with failing():
        await alpha.submit("k-2", symbol="BETA", price="1.001")
    reply = await alpha.submit("k-3", symbol="BETA")
    gateway.acknowledge(reply.order_id)
    last = await gateway.settled()
    events, _ = await events_until(alpha.subscribe(1, filter=pb.EventFilter(symbol="BETA")), until(last))
    assert names(events) == ["COMMAND_REFUSED", "ORDER_SUBMITTED", "ORDER_ROUTED", "ORDER_ACKNOWLEDGED"]
    wanted = pb.EventFilter(types=[pb.ORDER_ACKNOWLEDGED])
    events, next_seq = await events_until(alpha.subscribe(1, filter=wanted), until(last))
    assert names(events) == ["ORDER_ACKNOWLEDGED"] * 2
    assert next_seq == last + 1


async def test_next_seq_moves_on_when_nothing_is_for_the_reader(
    alpha: Client, bravo: Client, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PROGRESS_INTERVAL_S", 0.01)
    stream = bravo.subscribe(None)
    first = await stream.read()
    last = await trade_once(alpha, gateway, "k-1")
    progress = await stream.read()
    while progress.next_seq <= last:
        assert not progress.events
        progress = await stream.read()
    assert progress.next_seq == last + 1 > first.next_seq
    stream.cancel()


async def test_a_history_of_others_is_gone_through_a_part_at_a_time(
    alpha: Client, bravo: Client, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers that come back after a broken connection must not hold up orders until each is done."""
    for module in (streams, feed):
        monkeypatch.setattr(module, "CHUNK", 4)
    last = [await trade_once(alpha, gateway, f"k-{number}") for number in range(5)][-1]
    stream, places = bravo.subscribe(1), [1]
    while places[-1] <= last:
        places.append((await stream.read()).next_seq)
    assert max(after - before for before, after in itertools.pairwise(places)) == 4
    stream.cancel()


async def test_a_fill_of_a_cancels_order_names_the_request_it_answers(alpha: Client, gateway: Running) -> None:
    reply = await alpha.submit("k-1")
    gateway.acknowledge(reply.order_id)
    await alpha.cancel("c-1", "k-1")
    gateway.report(reply.order_id, ExecType.CANCELED, OrdStatus.CANCELED)
    last = await gateway.settled()
    events, _ = await events_until(alpha.subscribe(1), until(last))
    assert (names(events)[-1], events[-1].cl_ord_id, events[-1].order.cl_ord_id) == ("ORDER_CANCELED", "c-1", "k-1")


@pytest.mark.parametrize(
    ("request_", "code", "reason", "field"),
    [
        (pb.SubscribeRequest(from_seq=0), grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", "from_seq"),
        (pb.SubscribeRequest(from_seq=1_000), grpc.StatusCode.OUT_OF_RANGE, "SEQ_AHEAD", "from_seq"),
        (
            pb.SubscribeRequest(filter=pb.EventFilter(types=[99])),  # type: ignore[list-item]
            grpc.StatusCode.INVALID_ARGUMENT,
            "FIELD_INVALID",
            "filter.types",
        ),
    ],
)
async def test_a_place_that_cannot_be_is_refused(
    alpha: Client, request_: pb.SubscribeRequest, code: object, reason: str, field: str
) -> None:
    with failing() as error:
        await alpha.events.Subscribe(request_, metadata=alpha.metadata).read()
    assert (error.code, error.reason, error.metadata["field"]) == (code, reason, field)


async def test_readers_are_counted_and_their_place_is_given_back() -> None:
    async with running(LimitsConfig(subscribers=2)) as gateway:
        alpha = gateway.as_client("alpha")
        held = [alpha.subscribe(1) for _ in range(2)]
        for stream in held:
            await stream.read()
            await stream.read()
        with failing() as error:
            late = alpha.subscribe(1)
            while True:
                await late.read()
        assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_SUBSCRIBERS")
        held[0].cancel()
        await eventually(lambda: gateway.feed.readers < 2)
        events, _ = await events_until(alpha.subscribe(1), until(2))
        assert names(events) == ["SESSION_LOGGED_ON"]


async def test_a_slow_reader_is_dropped_and_resumes_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: nothing grows; and nothing is lost."""
    monkeypatch.setattr(streams, "WRITE_TIMEOUT_S", 2)
    async with running(window=1_024) as gateway:
        small = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16_384)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.server.port}", options=small) as channel:
            slow = gateway.as_client("alpha", channel).subscribe(1)
            await slow.read()
            last = gateway.sequencer.committed_seq + 20 * 100 * 2
            fast = asyncio.ensure_future(events_until(gateway.as_client("alpha").subscribe(1), until(last)))
            trade = gateway.as_client("alpha").trade()
            for batch in range(20):
                keys = [f"k-{batch}-{number}" for number in range(100)]
                commands = [pb.Command(submit_order=_order(key)) for key in keys]
                await trade.write(pb.TradeRequest(commands=commands))
                assert len((await trade.read()).replies) == 100
            kept_up, _ = await fast
            await eventually(lambda: gateway.feed.readers == 0)
            seen: list[pb.Event] = []
            next_seq = 0
            with failing() as error:
                while True:
                    response = await slow.read()
                    seen += response.events
                    next_seq = response.next_seq
            assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_READER")
            assert error.metadata["next_seq"] == str(next_seq)
            assert next_seq < last
            rest, _ = await events_until(gateway.as_client("alpha").subscribe(next_seq), until(last))
            assert seen + rest == kept_up
            trade.cancel()


def _order(cl_ord_id: str) -> pb.SubmitOrderRequest:
    return pb.SubmitOrderRequest(
        cl_ord_id=cl_ord_id, symbol="ACME", side=pb.SIDE_BUY, order_qty="1", ord_type=pb.ORD_TYPE_LIMIT, price="1"
    )


async def test_an_event_is_encoded_once_and_the_memory_of_it_is_bounded(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ENCODED_KEPT", 3)
    encoder = streams.EventEncoder()
    await trade_once(gateway.as_client("alpha"), gateway, "k-1")
    records = list(gateway.journal.read())
    assert encoder(records[0]) is encoder(records[0])
    for record in records:
        encoder(record)
    assert len(encoder._encoded) == 3
