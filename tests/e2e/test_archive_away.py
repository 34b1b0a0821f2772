"""The archive is on a shelf: what can trade trades, what is there is neither guessed nor lost, and it comes back."""

import asyncio
import os
from pathlib import Path

import grpc
import pytest

from gateway.cli.keep import kept_journal, kept_snapshots
from gateway.client import OrdType, Side, Unknown
from gateway.config import load
from gateway.runtime.recovery import recover
from ops.stack import Stack
from tests.e2e.desk import Desk, desk_at
from tests.e2e.hard import WAIT_S, received, sent_twice, until
from tests.e2e.stack import CLIENT_ID, running_stack, until_open
from tests.e2e.test_retention import RETENTION, again, gateway_says, net_qty, past_order


def archived(stack: Stack) -> Path:
    """All that happened is behind a snapshot and in the archive; the gateway is down."""
    stack.gateway.stop()
    config = load(stack.gateway_config, os.environ)
    journal = kept_journal(config)
    state = recover(journal)
    chain_hash = journal.hash_at(state.seq)
    assert chain_hash is not None
    kept_snapshots(config).save(state, chain_hash)
    assert " are in " in gateway_says(stack, "archive")
    return stack.folder / "gateway" / "archive"


def waiting(desk: Desk) -> list[str]:
    return [item.text for item in desk.api.items("XSIM").items if item.kind == "REPORT_WAITING"]


async def restarted(stack: Stack) -> None:
    stack.gateway.start()
    await asyncio.to_thread(until_open, stack, ["XSIM"])


async def test_a_repeated_key_and_a_late_bust_wait_for_it_and_nothing_else_does(tmp_path: Path) -> None:
    with running_stack(tmp_path, {"gateway": lambda text: f"{text}{RETENTION}"}) as stack:
        async with desk_at(stack) as desk:
            past = await past_order(desk, "away")
        archive = await asyncio.to_thread(archived, stack)
        shelf = archive.rename(tmp_path / "shelf")
        await restarted(stack)
        assert '"archive_missing"' in stack.gateway.log.read_text()

        async with desk_at(stack) as desk:
            sent = received(stack, "D")
            asked = {"symbol": "ACME", "side": Side.BUY, "order_qty": 10, "ord_type": OrdType.LIMIT, "price": "90.00"}
            with pytest.raises(Unknown, match=r"moved to the archive .* put the archive's files back"):
                await desk.gateway.submit(cl_ord_id=past.cl_ord_id, strategy=past.strategy, timeout_s=5, **asked)
            # Asked once: of many tries the last may run out of time, and say that and not why.
            with pytest.raises(grpc.RpcError, match="put the archive's files back"):
                desk.api.order(past.cl_ord_id, CLIENT_ID)
            assert received(stack, "D") == sent, "nothing was sent again"
            desk.do("bust", cl_ord_id=past.venue_name, exec_ref_id=past.detail.executions[0].exec_id)
            await until(lambda: len(waiting(desk)) == 1)
            assert "put the archive's files back" in waiting(desk)[0]
            assert await net_qty(desk, past) == 10
            handle, _ = await desk.working(order_qty=1)
            await handle.cancel()
            await handle.done(timeout_s=WAIT_S)

        stack.gateway.kill()
        await restarted(stack)
        async with desk_at(stack) as desk:
            assert len(waiting(desk)) == 2, "the bust, and that the order works again: the venue lists it now"
            shelf.rename(archive)
            await until(lambda: not waiting(desk))
            assert await net_qty(desk, past) == 6
            detail = await desk.gateway.get_order(cl_ord_id=past.cl_ord_id)
            assert [each.in_force for each in detail.executions] == [False, True, False]
            assert (await again(desk, past)).order.order_id == past.detail.order.order_id
        assert "fatal" not in stack.gateway.log.read_text()
        assert not sent_twice(stack), "rule 2"
