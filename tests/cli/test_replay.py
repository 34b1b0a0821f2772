"""`gateway replay`: the state at any sequence number, what changed between two, and whether every event replays."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from gateway.adapters.journal import SqlJournal
from gateway.cli.server import app
from gateway.core.engine import replay
from gateway.core.order import view
from gateway.core.reports import TimerFired
from gateway.core.risk.commands import GrantOverride, SetLimit, SetMarks, StopTrading
from gateway.core.risk.controls import Control
from gateway.core.risk.events import Mark
from gateway.core.risk.setup import Limit
from gateway.core.state import State
from gateway.core.types import ExecType, OrdStatus
from gateway.runtime.snapshots import Snapshots
from tests.adapters.projections.harness import day
from tests.cli.history import configured, write_journal
from tests.core.world import SECOND_NS, SETTINGS, World


@pytest.fixture
def world() -> World:
    """One order: submitted, acknowledged, filled twice, the second fill busted."""
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    world.fill(order, 60, exec_id="F1")
    world.fill(order, 40, exec_id="F2")
    world.report(order, ExecType.TRADE_CANCEL, exec_id="B1", exec_ref_id="F2")
    return world


@pytest.fixture
def config(tmp_path: Path, world: World) -> Path:
    path = configured(tmp_path)
    write_journal(tmp_path, world).close()
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["replay", *(str(each) for each in arguments)])


def document(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def after(world: World, seq: int) -> State:
    state = State()
    for record in world.records[:seq]:
        replay(state, record)
    return state


@pytest.mark.parametrize("seed", [1, 2])
def test_the_state_at_any_seq_is_what_it_was(tmp_path: Path, seed: int) -> None:
    world = day(seed).world
    write_journal_at(tmp_path, world).close()
    for seq in range(1, len(world.records) + 1, len(world.records) // 7):
        then, state = document(tmp_path / "journal.sqlite", "--to", seq), after(world, seq)
        assert then["seq"] == seq
        assert then["time_ns"] == world.records[seq - 1].at_ns
        views = [json.loads(msgspec.json.encode(view(order))) for order in state.orders.values()]
        assert [{key: order[key] for key in seen} for order, seen in zip(then["orders"], views, strict=True)] == views
        assert {row["net_qty"] for row in then["positions"]} == {
            format(position.net_qty, "f") for position in state.positions.values()
        }
        assert then["sessions"] == msgspec.to_builtins(state.sessions)


def write_journal_at(folder: Path, world: World) -> SqlJournal:
    """Without a configuration."""
    journal = SqlJournal(f"sqlite:///{folder / 'journal.sqlite'}", "process")
    journal.open()
    journal.append(world.records)
    return journal


def test_people_see_tables(config: Path, world: World) -> None:
    out = run("--config", config).stdout
    assert f"state after seq {world.state.seq}, 2026-01-05 08:00:00" in out
    assert "PARTIALLY_FILLED" in out
    assert "logged on" in out
    assert "all " not in out


def test_one_order_by_any_of_its_names(config: Path, world: World) -> None:
    (order_id,) = world.state.orders
    for name in (order_id, "1"):
        assert document("--config", config, "--order", name)["order"]["order_id"] == order_id
    then = document("--config", config, "--order", "1", "--to", world.state.seq - 2)["order"]
    assert (then["cum_qty"], len(then["executions"])) == ("60", 1)
    out = run("--config", config, "--order", "1").stdout
    assert "Requests" in out
    assert "Events" not in out
    assert run("--config", config, "--order", "nobody").exit_code == 1


def test_an_order_that_left_memory_is_found(tmp_path: Path) -> None:
    """Retired orders are in the records that say so."""
    world = World.started(replace(SETTINGS, retire_after_ns=SECOND_NS))
    order = world.submit("gone")
    world.acknowledge(order)
    world.fill(order, 100)
    world.now_ns += 10 * SECOND_NS
    world.tell(TimerFired())
    assert not world.state.orders
    path = configured(tmp_path)
    write_journal(tmp_path, world).close()
    for name in ("gone", order.order_id):
        assert document("--config", path, "--order", name)["order"]["cum_qty"] == "100"
    assert document("--config", path)["retired_orders"] == 1


def test_what_changed_between_two_events(config: Path, world: World) -> None:
    last = world.state.seq
    changes = {
        (each["kind"], each["field"]): (each["before"], each["after"])
        for each in document("--config", config, "--diff", last - 1, last)["changes"]
    }
    assert changes["order", "ord_status"] == ("FILLED", "PARTIALLY_FILLED")
    assert changes["order", "cum_qty"] == ("100", "60")
    assert changes["position", "net_qty"] == ("100", "60")
    assert ("order", "symbol") not in changes
    out = run("--config", config, "--diff", last - 1, last).stdout
    assert f"from after seq {last - 1}," in out
    assert "FILLED" in out


def test_what_orders_are_held_to_is_part_of_the_state(tmp_path: Path, world: World) -> None:
    began, qty, hour_ns = world.state.seq, Control.MAX_ORDER_QTY, 3_600 * SECOND_NS
    until_ns = world.now_ns + hour_ns
    for command in (
        SetLimit("olga", "instrument:ACME", qty, "qty", "small", Limit(Decimal(50)), until_ns),
        GrantOverride("olga", "instrument:ACME", qty, until_ns, "a block"),
        SetMarks("feed", (Mark("ACME", Decimal("10.5")),)),
        StopTrading("olga", "instrument:ACME", "enough"),
    ):
        assert world.ask(command).reason is None
    path = configured(tmp_path)
    write_journal(tmp_path, world).close()
    risk = document("--config", path)["risk"]
    assert risk["limit"]["instrument:ACME max_order_qty"]["value"] == "50"
    assert risk["limit"]["instrument:ACME max_order_qty"]["until_ns"] == until_ns
    assert risk["override"] == {"instrument:ACME max_order_qty": {"until_ns": until_ns}}
    assert risk["stop"]["instrument:ACME kill"]["reason"] == "enough"
    before = document("--config", path, "--to", began)["risk"]
    assert (before["stop"], before["override"], "instrument:ACME max_order_qty" in before["limit"]) == ({}, {}, False)
    changed = {
        (each["kind"], each["name"], each["field"]): each["after"]
        for each in document("--config", path, "--diff", began, world.state.seq)["changes"]
    }
    assert changed["limit", "instrument:ACME max_order_qty", "value"] == "50"
    assert changed["override", "instrument:ACME max_order_qty", "until_ns"] == until_ns
    assert changed["stop", "instrument:ACME kill", "operator"] == "olga"
    assert changed["mark", "ACME", "px"] == "10.5"
    out = run("--config", path, "--diff", began, world.state.seq).stdout
    assert "instrument:ACME max_order_qty" in out
    assert "stops 1" in run("--config", path).stdout


def test_from_the_beginning_everything_is_new(config: Path, world: World) -> None:
    changes = document("--config", config, "--diff", 0, world.state.seq)["changes"]
    (order_id,) = world.state.orders
    status = [each for each in changes if each["name"] == order_id and each["field"] == "ord_status"]
    assert status == [
        {"kind": "order", "name": order_id, "field": "ord_status", "before": None, "after": "PARTIALLY_FILLED"}
    ]


def test_check_names_the_event_that_replays_differently(tmp_path: Path, world: World) -> None:
    (wrong,) = [record for record in world.records if getattr(record.event, "exec_id", "") == "F1"]
    assert wrong.order is not None
    world.records[wrong.seq - 1] = replace(wrong, order=replace(wrong.order, ord_status=OrdStatus.CANCELED))
    path = configured(tmp_path)
    write_journal(tmp_path, world).close()
    assert run("--config", path).exit_code == 0
    result = run("--config", path, "--check")
    assert result.exit_code == 1
    assert f"event {wrong.seq} (OrderFilled) replays differently" in result.stderr


def test_check_says_that_all_is_well(config: Path, world: World) -> None:
    assert f"all {world.state.seq} events replay to what was told" in run("--config", config, "--check").stdout


def test_snapshots_save_time_and_change_nothing(config: Path, tmp_path: Path, world: World) -> None:
    """A snapshot is begun with where it can be; `--check` never believes it."""
    whole = document("--config", config)
    state = after(world, world.state.seq)
    state.epoch = 77  # What nothing but the snapshot says.
    journal = SqlJournal(f"sqlite:///{tmp_path / 'data' / 'journal.sqlite'}")
    Snapshots(tmp_path / "data" / "snapshots").save(state, journal.hash_at(state.seq) or b"")
    assert document("--config", config) == {**whole, "epoch": 77}
    assert document("--config", config, "--check") == whole
    assert document("--config", config, "--to", world.state.seq - 1)["epoch"] == 1
    next((tmp_path / "data" / "snapshots").iterdir()).write_bytes(b"torn")
    assert document("--config", config) == whole


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--to", 999], 1, "the journal ends at seq"),
        (["--diff", 1, 999], 1, "the journal ends at seq"),
        (["--diff", 3, 2], 2, "the lower first"),
        (["--diff", 1, 2, "--order", "x"], 2, "neither --to nor --order"),
    ],
)
def test_what_cannot_be_shown(config: Path, arguments: list[object], code: int, said: str) -> None:
    result = run("--config", config, *arguments)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_journal_or_a_configuration_has_to_be_named() -> None:
    assert run().exit_code == 2
