"""A journal that has less than was accepted: never a silent start, always a way on, and no id given twice."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.ctl_api import Api
from gateway.client import GatewayClient
from gateway.core import events as ev
from gateway.runtime.witnesses import read_note
from ops.stack import Stack, put
from tests.e2e.hard import (
    accepted,
    control,
    ended,
    events_of,
    journal_of,
    received,
    sent_twice,
    state_of,
    until,
    working,
)
from tests.e2e.programs import run
from tests.e2e.stack import CLIENT_ID, OPERATOR_ID, running_stack, until_open

REFUSED = 3


async def trade(stack: Stack, count: int, price: str = "90.00") -> list[str]:
    """Orders that the venue has acknowledged; their order_ids."""
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        return [(await working(gateway, price)).order.order_id for _ in range(count)]


def data(stack: Stack) -> Path:
    return stack.folder / "gateway"


def take_away(stack: Stack, to: Path) -> None:
    """Stop the gateway, and move its journal elsewhere."""
    stack.gateway.stop()
    to.mkdir()
    for path in data(stack).glob("journal.sqlite3*"):
        shutil.move(path, to)


def put_back(stack: Stack, of: Path) -> None:
    for path in [*data(stack).glob("journal.sqlite3*")]:
        path.unlink()
    for path in of.iterdir():
        shutil.copy(path, data(stack))


def refused(stack: Stack) -> str:
    """Why the gateway does not start; it ends with the exit code that no service manager starts again after."""
    stack.gateway.log.unlink()
    stack.gateway.launch()
    code = ended(stack.gateway)
    stack.gateway.stop()
    assert code == REFUSED
    return str(logged(stack, "not started")[0]["reason"])


def logged(stack: Stack, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in stack.gateway.log.read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def follow(stack: Stack) -> None:
    """Bring the projections up to the journal's end."""
    assert run("gateway", "follow", "--once", "--config", str(stack.gateway_config)).code == 0


async def in_thread(function: Callable[..., Any], *arguments: object) -> Any:
    return await asyncio.to_thread(function, *arguments)


async def test_a_journal_that_was_deleted_is_missed_and_nothing_is_made_in_its_place(
    own_stack: Stack, tmp_path: Path
) -> None:
    ids = await trade(own_stack, 3)
    await in_thread(take_away, own_stack, tmp_path / "away")
    why = await in_thread(refused, own_stack)
    for words in (
        f"journal {data(own_stack)}/journal.sqlite3 ends at seq 0",
        f"{data(own_stack)}/journal-end.json, has seq ",
        "fix/XSIM/FIX.4.4-GATEWAY-XSIM-XSIM.body has at byte ",
        "gateway restore",
        "gateway accept-loss",
    ):
        assert words in why
    assert not (data(own_stack) / "journal.sqlite3").exists()

    put_back(own_stack, tmp_path / "away")
    assert noted(own_stack) == state_of(own_stack).seq, "noted when it stopped"
    await in_thread(own_stack.gateway.start)
    assert set(ids) <= set(state_of(own_stack).orders)
    assert not sent_twice(own_stack)


async def test_commits_that_went_with_sqlites_log_are_missed(own_stack: Stack, tmp_path: Path) -> None:
    """What was not moved into the file yet was acknowledged all the same. A note from the middle of the day and what
    the FIX store has are each enough.
    """
    own_stack.gateway.stop()
    own_stack.gateway = own_stack.gateway_by("tests.e2e.noting")
    await in_thread(own_stack.gateway.start)
    until_open(own_stack, ("XSIM",))
    ids = await trade(own_stack, 3)
    await until(lambda: noted(own_stack) >= state_of(own_stack).seq)
    own_stack.gateway.kill()
    seq, names = noted(own_stack), received(own_stack, "D")
    shutil.copytree(data(own_stack), tmp_path / "away", ignore=shutil.ignore_patterns("*.sock*"))
    last = max(names, key=lambda name: int(name.rpartition("R")[2]))
    for other, words in (
        ("journal-end.json", f"our request {last}, unknown to the journal"),
        ("fix/XSIM/FIX.4.4-GATEWAY-XSIM-XSIM.body", f"journal-end.json, has seq {seq}"),
    ):
        shutil.copytree(tmp_path / "away", data(own_stack), dirs_exist_ok=True)
        for name in ("journal.sqlite3-wal", "journal.sqlite3-shm", other):
            (data(own_stack) / name).unlink()
        assert words in await in_thread(refused, own_stack)
    shutil.copytree(tmp_path / "away", data(own_stack), dirs_exist_ok=True)
    await in_thread(own_stack.gateway.start)
    assert set(ids) <= set(state_of(own_stack).orders)


def noted(stack: Stack) -> int:
    note = read_note(data(stack))
    return note.seq if note is not None else 0


async def test_an_older_copy_is_refused_until_a_person_accepts_the_loss_by_name(
    own_stack: Stack, tmp_path: Path
) -> None:
    """As after a loss of power with durability "process", when nothing newer is left."""
    kept = await trade(own_stack, 2)
    await in_thread(take_away, own_stack, tmp_path / "older")
    put_back(own_stack, tmp_path / "older")
    await in_thread(own_stack.gateway.start)
    until_open(own_stack, ("XSIM",))
    lost = await trade(own_stack, 2, "89.00")
    own_stack.gateway.stop()
    follow(own_stack)
    put_back(own_stack, tmp_path / "older")
    why = await in_thread(refused, own_stack)
    assert "projections.sqlite has seq" in why
    assert await in_thread(refused, own_stack) == why, "a refused start changes nothing"

    config = str(own_stack.gateway_config)
    accepted = run("gateway", "accept-loss", "--config", config, "--reason", "the power went, olga")
    assert accepted.code == 0, accepted
    assert "projections.sqlite has seq" in accepted.out
    await in_thread(own_stack.gateway.start)
    (line,) = logged(own_stack, "started with less than was accepted")
    assert (line["level"], line["reason"]) == ("error", "the power went, olga")
    assert any("journal-end.json" in text for text in line["missing"])
    until_open(own_stack, ("XSIM",))
    await only_new_names(own_stack, kept, lost)
    (began,) = [record for record in journal_of(own_stack).read() if record.cause.who.startswith("accept-loss")][:1]
    assert (type(began.event), began.cause.who) == (ev.EpochBegan, "accept-loss: the power went, olga")
    assert len([*data(own_stack).glob("restored-*.json")]) == 1

    own_stack.gateway.stop()
    nothing = run("gateway", "accept-loss", "--config", config, "--reason", "again")
    assert (nothing.code, "nothing is missing" in nothing.out) == (0, True), nothing
    await in_thread(own_stack.gateway.start)
    assert not logged(own_stack, "started with less than was accepted")[1:], "it was accepted once and for all"


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_a_loss_that_nothing_shows_gives_no_id_twice(tmp_path: Path, durability: str) -> None:
    """The whole data directory may come back as of a moment ago: with durability "process" when the power went, with
    "power" when somebody sets the machine back.
    """
    edit = {"gateway": lambda text: put(text, "durability", f'"{durability}"')}
    with running_stack(tmp_path / "stack", edit) as stack:
        kept = await trade(stack, 1)
        stack.gateway.stop()
        shutil.copytree(data(stack), tmp_path / "older")
        await in_thread(stack.gateway.start)
        until_open(stack, ("XSIM",))
        lost = await trade(stack, 2, "89.00")
        stack.gateway.kill()
        shutil.rmtree(data(stack))
        shutil.copytree(tmp_path / "older", data(stack))
        await in_thread(stack.gateway.start)
        until_open(stack, ("XSIM",))
        await only_new_names(stack, kept, lost)


async def only_new_names(stack: Stack, kept: list[str], lost: list[str]) -> None:
    """What was lost is external now; new orders have names that no venue has seen."""
    seen = {name for msg_type in "DFG" for name in received(stack, msg_type)}
    new = await trade(stack, 2, "88.00")
    state = state_of(stack)
    assert set(kept) | set(new) <= set(state.orders)
    assert not set(lost) & set(state.orders)
    names = {name for order_id in new for name in state.orders[order_id].requests}
    assert not names & seen
    assert names <= set(received(stack, "D"))
    assert {count for msg_type in "DFG" for count in received(stack, msg_type).values()} == {1}
    with Api(stack.api_address, OPERATOR_ID) as ops:
        assert len(ops.external_orders("XSIM").orders) == len(lost)


async def test_a_gateway_starts_on_a_restored_journal_and_gives_no_id_twice(own_stack: Stack, tmp_path: Path) -> None:
    """Backup, more orders, restore in place: what came after the backup is external at the first comparison, and of
    what was on its way at the backup the FIX store, which was used since, proves nothing.
    """
    config, backup = str(own_stack.gateway_config), str(tmp_path / "backup")
    kept = await trade(own_stack, 2)
    silent = await unanswered(own_stack)
    assert run("gateway", "backup", "--config", config, "--to", backup).code == 0
    await answer(own_stack, silent)
    own_stack.gateway.stop()
    await in_thread(own_stack.gateway.start)
    until_open(own_stack, ("XSIM",))
    lost = await trade(own_stack, 2, "89.00")
    await in_thread(take_away, own_stack, tmp_path / "away")
    restored = run("gateway", "restore", "--config", config, "--from", backup)
    assert restored.code == 0, restored
    await in_thread(own_stack.gateway.start)
    until_open(own_stack, ("XSIM",))
    await only_new_names(own_stack, [*kept, silent], lost)
    assert state_of(own_stack).orders[silent].acknowledged
    assert not events_of(own_stack, ev.OrderUnsent)
    assert journal_of(own_stack).verify().damage is None

    own_stack.gateway.kill()
    await in_thread(own_stack.gateway.start)
    until_open(own_stack, ("XSIM",))
    await trade(own_stack, 1, "87.00")
    assert not sent_twice(own_stack)


async def unanswered(stack: Stack) -> str:
    """An order that works at the venue, whose word on it was lost."""
    with control(stack) as venue:
        venue.do("fault", kind="lose", exec_type="0")
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        handle = await accepted(gateway, "86.00")
    await until(lambda: state_of(stack).orders[handle.order.order_id].venue_cl_ord_id in received(stack, "D"))
    return handle.order.order_id


async def answer(stack: Stack, order_id: str) -> None:
    """A comparison shows that the order works."""
    asked = ("reconcile", "XSIM", "--reason", "what became of it", "--address", stack.api_address)
    assert (await in_thread(run, "gatewayctl", *asked)).code == 0
    await until(lambda: state_of(stack).orders[order_id].acknowledged)
