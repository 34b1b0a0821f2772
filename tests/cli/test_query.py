"""`gatewayctl query`: history from the projections, filtered, for people and for programs, and how fresh it is."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from gateway.adapters.projections import tables
from gateway.cli.ctl import app
from gateway.core import events as ev
from gateway.core.engine import apply
from gateway.core.events import Cause
from gateway.core.types import ExecType, ItemKind, OrdStatus, OrdType, Severity, Side
from tests.adapters.projections.harness import followed
from tests.cli.history import configured, write_journal
from tests.core.world import SECOND_NS, World


@pytest.fixture
def world() -> World:
    """A buy that is filled, with a bust, an hour before a sell that works; and an item, raised and resolved."""
    world = World.started()
    first = world.submit("b-1", 100, strategy="fast")
    world.acknowledge(first)
    world.fill(first, 60, exec_id="F1")
    world.fill(first, 40, exec_id="F2")
    world.report(first, ExecType.TRADE_CANCEL, exec_id="B1", exec_ref_id="F2")
    world.now_ns += 3_600 * SECOND_NS
    second = world.submit("s-1", 50, side=Side.SELL, account="A2")
    world.acknowledge(second)
    return world


@pytest.fixture
def config(tmp_path: Path, world: World) -> Path:
    """Everything is followed but for two events that came since."""
    path = configured(tmp_path)
    raised = ev.ItemRaised("I1", "XSIM", ItemKind.QUANTITY, Severity.CRITICAL, "cum differs", order_id="O9")
    _happen(world, raised, ev.ItemResolved("I1", "XSIM", "seen", "ops"), replace(raised, item_id="I2", exec_id="E9"))
    journal = write_journal(tmp_path, world)
    followed(journal, database(path))
    known = len(world.records)
    _happen(world, *[ev.ReportIgnored(next(iter(world.state.orders)), "E9", "known")] * 2)
    journal.append(world.records[known:])
    journal.close()
    return path


def _happen(world: World, *events: ev.Event) -> None:
    for event in events:
        world.now_ns += SECOND_NS
        world.records.append(apply(world.state, event, world.now_ns, Cause("timer")))


def database(config: Path) -> str:
    return f"sqlite:///{config.parent / 'data' / 'projections.sqlite'}"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["query", *(str(each) for each in arguments)])


def rows(config: Path, name: str, *arguments: str) -> list[dict[str, Any]]:
    result = run(name, "--config", config, "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)[name]
    return found


def test_orders_that_ended_and_orders_that_work(config: Path, world: World) -> None:
    first, second = rows(config, "orders")
    assert (first["cl_ord_id"], first["side"], first["cum_qty"], first["strategy"]) == ("b-1", "BUY", "60", "fast")
    assert (second["cl_ord_id"], second["side"], second["ord_status"]) == ("s-1", "SELL", "NEW")
    assert first["submitted_ns"] == world.state.orders[first["order_id"]].submitted_ns


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["b-1", "s-1"]),
        (["--account", "A2"], ["s-1"]),
        (["--client", "nobody"], []),
        (["--strategy", "fast"], ["b-1"]),
        (["--symbol", "ACME", "--venue", "XSIM"], ["b-1", "s-1"]),
        (["--venue", "YSIM"], []),
        (["--status", "new"], ["s-1"]),
        (["--status", "new", "--status", "partially-filled"], ["b-1", "s-1"]),
        (["--order", "b-1"], ["b-1"]),
        (["--order", "T8DSW0R2"], ["s-1"]),
        (["--limit", "1"], ["s-1"]),
        (["--since", "2026-01-05T08:30"], ["b-1", "s-1"]),
        (["--until", "2026-01-05T08:30:00+00:00"], ["b-1"]),
        (["--since", "2026-01-06", "--until", "2026-01-07"], ["b-1", "s-1"]),
        (["--since", "5m", "--account", "A2"], ["s-1"]),
        (["--since", "0001-01-01", "--until", "9999-12-31"], ["b-1", "s-1"]),
        (["--since", "999999d"], ["b-1", "s-1"]),
    ],
)
def test_filters_of_orders(config: Path, options: list[str], found: list[str]) -> None:
    assert [row["cl_ord_id"] for row in rows(config, "orders", *options)] == found


def test_an_order_lives_as_long_as_it_can_trade(tmp_path: Path) -> None:
    world = World.started()
    for cl_ord_id in ("works", "canceled", "filled", "done"):
        world.acknowledge(world.submit(cl_ord_id))
    world.acknowledge(world.submit("cash", 0, ord_type=OrdType.MARKET, price=None, cash_order_qty=Decimal(1000)))
    works, canceled, filled, done, _ = world.state.orders.values()
    world.fill(works, 1)
    world.report(canceled, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    world.fill(filled, 100)
    world.report(done, ExecType.DONE_FOR_DAY, ord_status=OrdStatus.DONE_FOR_DAY)
    path = configured(tmp_path)
    followed(write_journal(tmp_path, world), database(path))
    every = [row["cl_ord_id"] for row in rows(path, "orders")]
    assert every == ["works", "canceled", "filled", "done", "cash"]
    assert [row["cl_ord_id"] for row in rows(path, "orders", "--since", "2026-01-06")] == ["works", "cash"]
    assert rows(path, "orders", "--until", "2026-01-05") == []


def test_executions_say_what_counts(config: Path) -> None:
    told = {row["exec_id"]: (row["kind"], row["in_force"]) for row in rows(config, "executions")}
    assert told == {"F1": ("fill", True), "F2": ("fill", False), "B1": ("bust", False)}
    assert len(rows(config, "executions", "--order", "b-1", "--limit", "2")) == 2
    assert rows(config, "executions", "--account", "A2") == []


def test_an_execution_before_a_split_is_shown_as_it_was_traded(tmp_path: Path) -> None:
    """With the quantity of today and the price of then it looked as if it had been worth twice as much."""
    world = World.started()
    order = world.submit("split")
    world.fill(order, 10, exec_id="F1")
    path = configured(tmp_path)
    _happen(world, ev.OrderRestated(order.order_id, "R1", "20260105", factor=Decimal(2)))
    followed(write_journal(tmp_path, world), database(path))
    line = run("executions", "--config", path).stdout.splitlines()[3].split()
    assert line[line.index("fill") :] == ["fill", "10", "10", "F1", "20260105", "as", "20"]


def test_positions_sessions_and_items(config: Path) -> None:
    (position,) = rows(config, "positions")
    assert (position["account"], position["net_qty"], position["avg_entry_px"]) == ("A1", "60", "10")
    events = [row["event"] for row in rows(config, "sessions", "--venue", "XSIM")]
    assert events == ["SessionLoggedOn"]
    resolved, still_open = rows(config, "items")
    assert (resolved["item_id"], resolved["resolution"], resolved["operator"]) == ("I1", "seen", "ops")
    assert [row["item_id"] for row in rows(config, "items", "--status", "open")] == [still_open["item_id"]] == ["I2"]
    assert [row["item_id"] for row in rows(config, "items", "--status", "resolved")] == ["I1"]


def test_people_are_told_how_fresh_it_is(config: Path, world: World) -> None:
    out = run("orders", "--config", config, "--limit", 1).stdout
    assert "Orders, the newest 1 (--limit for more)" in out
    assert f"as of seq {world.state.seq - 2}, 2026-01-05" in out
    assert "; 2 events behind the journal" in out
    document = json.loads(run("orders", "--config", config, "--json", "-n", 1).stdout)
    assert (document["as_of_seq"], document["behind"], document["more"]) == (world.state.seq - 2, 2, True)


@pytest.mark.parametrize("name", ["orders", "executions", "positions", "sessions", "items"])
def test_tables_for_people(config: Path, name: str) -> None:
    out = run(name, "--config", config).stdout
    shown = {
        "orders": "PARTIALLY_FILLED",
        "executions": "bust",
        "positions": "EUR",
        "sessions": "session to XSIM logged on",
        "items": "seen (ops)",
    }
    assert shown[name] in out


def test_the_database_alone_is_enough(config: Path) -> None:
    for where in (database(config), database(config).removeprefix("sqlite:///")):
        result = run("orders", "--database", where)
        assert result.exit_code == 0, result.output
        assert "behind" not in result.stdout


def test_csv_has_every_column(config: Path) -> None:
    result = run("executions", "--config", config, "--csv")
    lines = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [line["exec_id"] for line in lines] == ["F1", "F2", "B1"]
    assert list(lines[0]) == [column.name for column in tables.executions.columns]


def test_csv_that_is_cut_short_says_so_beside_it(config: Path) -> None:
    """A sum over the newest hundred of a day's executions looks like one over all of them."""
    cut, whole = (run("executions", "--config", config, "--csv", "-n", count) for count in (1, 3))
    assert len(cut.stdout.splitlines()) == 2
    assert "only the newest 1 rows; there are more: --limit" in cut.stderr
    assert "there are more" not in whole.stderr
    for result in (cut, whole):
        assert "; 2 events behind the journal" in result.stderr


def test_csv_without_rows_has_its_headings(config: Path) -> None:
    result = run("executions", "--config", config, "--csv", "--account", "nobody")
    assert result.stdout.splitlines() == [",".join(column.name for column in tables.executions.columns)]


@pytest.mark.parametrize("name", ["orders", "positions"])
def test_no_projections_yet(tmp_path: Path, name: str) -> None:
    path = configured(tmp_path)
    result = run(name, "--config", path)
    assert result.exit_code == 1
    assert "start the gateway, or run: gateway follow --once" in result.stderr
    assert not (tmp_path / "data" / "projections.sqlite").exists()


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, and longer than the header of one" * 99)
    result = run("orders", "--database", tmp_path / "text")
    assert result.exit_code == 1
    assert "file is not a database" in result.stderr


@pytest.mark.parametrize("url", ["postgresql+psycopg://gw:se:cret@db:port/x", "nothing://gw:se:cret@db:port/x", "://"])
def test_a_url_that_is_none(url: str) -> None:
    result = run("orders", "--database", url)
    assert result.exit_code == 1
    assert "the projections' URL cannot be read" in result.stderr
    assert "cret" not in result.output


def test_tables_of_another_version(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SCHEMA_VERSION", 99)
    result = run("orders", "--config", config)
    assert result.exit_code == 1
    assert "reads version 99" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["orders"], "say where"),
        (["orders", "--database", "x", "--status", "happy"], "there is no OrdStatus HAPPY"),
        (["orders", "--database", "x", "--since", "yesterday"], "yesterday is no time"),
        (["items", "--database", "x", "--status", "happy"], "open or resolved"),
        (["orders", "--config", "no.toml"], "cannot be read"),
    ],
)
def test_a_wrong_command_line(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
