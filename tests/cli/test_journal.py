"""`gateway journal`: the verdict with its exit code, and the life of one order in words."""

import json
import re
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.adapters.journal import SqlJournal
from gateway.cli.journal import app
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder, SubmitOrder
from gateway.core.types import OrdStatus, OrdType, Reason, Side

NOON_NS = 1_767_268_800_123_456_789
TERMS = ev.Terms(order_qty=Decimal(100), price=Decimal("100.02"))


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def _submit(client_id: str, cl_ord_id: str) -> SubmitOrder:
    return SubmitOrder(
        client_id, cl_ord_id, "ACME", Side.BUY, Decimal(100), OrdType.LIMIT, price=Decimal("100.02"), account="ACC1"
    )


def _records() -> list[ev.Record]:
    """alpha's a-1 (order O1) is filled in part, replaced by a-2, and a cancel of it refused; beta has an a-1 too."""
    cause = ev.Cause("client", "alpha")
    venue = ev.Cause("venue", "XSIM", 3)
    filled = ev.OrderView(
        "O1",
        "alpha",
        "a-1",
        "ACME",
        "XSIM",
        Side.BUY,
        OrdType.LIMIT,
        TERMS,
        OrdStatus.PARTIALLY_FILLED,
        Decimal(40),
        Decimal(60),
        Decimal("100.02"),
    )
    replace = ReplaceOrder("alpha", "a-2", "a-1", order_qty=Decimal(120))
    refused = CancelOrder("alpha", "a-3", "a-2")
    events: list[tuple[ev.Cause, ev.Event, ev.OrderView | None]] = [
        (ev.Cause("process"), ev.EpochBegan("0.1.0", 1, "T1ABCD"), None),
        (cause, ev.OrderSubmitted("O1", _submit("alpha", "a-1"), "XSIM", Decimal(1), "USD"), None),
        (cause, ev.OrderRouted("O1", "XSIM", "T1ABCD-1"), None),
        (ev.Cause("client", "beta"), ev.OrderSubmitted("O2", _submit("beta", "a-1"), "XSIM", Decimal(1), "USD"), None),
        (venue, ev.OrderFilled("O1", "12", last_qty=Decimal(40), last_px=Decimal("100.02")), filled),
        (cause, ev.ReplaceRequested("O1", "XSIM", "a-2", "T1ABCD-2", "T1ABCD-1", TERMS, replace), filled),
        (cause, ev.CommandRefused(refused, Reason.TOO_MANY_REQUESTS, "", "enough"), None),
        (cause, ev.CommandRefused(_submit("gamma", "g-1"), Reason.SYMBOL_UNKNOWN, "symbol", "no such"), None),
    ]
    return [ev.Record(seq, NOON_NS + seq, why, event, order) for seq, (why, event, order) in enumerate(events, 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "journal.sqlite"
    journal = SqlJournal(f"sqlite:///{made}")
    journal.open()
    for record in _records():
        journal.append([record])
    journal.close()
    return made


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _seqs(result: Result) -> list[int]:
    assert result.exit_code == 0, result.output
    return [int(line.split()[0]) for line in result.stdout.splitlines()]


def test_a_whole_journal_is_called_whole(path: Path) -> None:
    result = _run("verify", path)
    assert result.exit_code == 0
    assert "is whole: 8 records in 8 batches, epoch 1" in result.stdout
    assert "12:00:00.123456Z" in result.stdout


def test_the_verdict_for_programs(path: Path) -> None:
    verdict = json.loads(_run("verify", path, "--json").stdout)
    assert verdict["ok"] is True
    assert (verdict["records"], verdict["batches"], verdict["first_ns"]) == (8, 8, NOON_NS + 1)
    assert re.fullmatch("[0-9a-f]{64}", verdict["head_hash"])


def test_damage_is_named_and_the_exit_code_is_1(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM journal_batch WHERE first_seq = 5")
    database.close()
    result = _run("verify", path)
    assert result.exit_code == 1
    assert "DAMAGED at seq 5: seq 5 to 5 are missing" in result.stdout
    assert "Good before it: 4 records" in result.stdout
    assert json.loads(_run("verify", path, "--json").stdout)["damage"] == {"seq": 5, "what": "seq 5 to 5 are missing"}
    shown = _run("show", path)
    assert shown.exit_code == 1
    assert len(shown.stdout.splitlines()) == 4
    assert "damaged at seq 5" in shown.stderr


def test_what_is_not_there_is_an_error_and_is_not_created(tmp_path: Path) -> None:
    result = _run("verify", tmp_path / "no.sqlite")
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
    assert not (tmp_path / "no.sqlite").exists()


@pytest.mark.parametrize(
    ("asked", "said", "code"),
    [
        (["--from", 9], "ends at seq 8, before --from 9", 1),
        (["--from", 9, "--order", "O1"], "ends at seq 8, before --from 9", 1),
        (["--from", 5, "--to", 4], "--to 4 is before --from 5", 2),
    ],
)
def test_what_the_journal_does_not_have_is_told(path: Path, asked: list[object], said: str, code: int) -> None:
    """Silence would say that nothing happened."""
    result = _run("show", path, *asked)
    assert result.exit_code == code
    assert said in result.stderr


@pytest.mark.parametrize("command", ["verify", "show"])
def test_a_folder_is_no_damaged_disk(tmp_path: Path, command: str) -> None:
    """As one types who stands in the data directory."""
    result = _run(command, tmp_path)
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path} is a folder: name the journal's file in it, such as journal.sqlite\n"


@pytest.mark.parametrize("arguments", [["verify"], ["show"], ["verify", "x", "--config", "y"]])
def test_the_journal_is_named_in_one_way(arguments: list[str]) -> None:
    result = _run(*arguments)
    assert result.exit_code == 2
    assert "one of the two" in result.stderr


@pytest.mark.parametrize("name", ["O1", "a-2"])
def test_the_life_of_one_order_by_its_id_or_a_cl_ord_id_of_its_chain(path: Path, name: str) -> None:
    """The refusal of a command about it belongs to it; beta's order does not."""
    assert _seqs(_run("show", path, "--order", name)) == [2, 3, 5, 6, 7]


def test_an_order_that_nobody_knows(path: Path) -> None:
    result = _run("show", path, "--order", "T1ABCD-9")
    assert result.exit_code == 1
    assert "is known as T1ABCD-9" in result.stderr


def test_the_life_of_one_order_in_words(path: Path) -> None:
    lines = _run("show", path, "--order", "O1").stdout.splitlines()
    assert "BUY 100 ACME @ 100.02 DAY limit for account ACC1, from alpha as a-1, to go to XSIM" in lines[0]
    assert lines[0].endswith("[client alpha]")
    assert "(12:00:00.123456Z)" in lines[0]
    assert "sent to XSIM as T1ABCD-1" in lines[1]
    assert "filled 40 @ 100.02 (ExecID 12, MsgSeqNum 3), CumQty 40, LeavesQty 60, AvgPx 100.02" in lines[2]


def test_a_cl_ord_id_of_two_clients_asks_whose(path: Path) -> None:
    result = _run("show", path, "--order", "a-1")
    assert result.exit_code == 1
    assert "clients alpha, beta each have an order a-1" in result.stderr
    assert _seqs(_run("show", path, "--order", "a-1", "--client", "beta")) == [4]


def test_an_order_that_was_refused_is_found_by_its_cl_ord_id(path: Path) -> None:
    result = _run("show", path, "--order", "g-1")
    assert _seqs(result) == [8]
    assert "refused by the gateway (SYMBOL_UNKNOWN in symbol)" in result.stdout


@pytest.mark.parametrize(
    ("options", "seqs"),
    [
        ([], [1, 2, 3, 4, 5, 6, 7, 8]),
        (["--from", 6], [6, 7, 8]),
        (["--to", 2], [1, 2]),
        (["--from", 3, "--to", 4], [3, 4]),
        (["--tail", 2], [7, 8]),
        (["--tail", 99], [1, 2, 3, 4, 5, 6, 7, 8]),
        (["--tail", 2, "--to", 5], [4, 5]),
        (["--order", "O1", "--from", 3, "--to", 5], [3, 5]),
        (["--order", "O1", "--tail", 2], [6, 7]),
        (["--order", "O1", "--tail", 2, "--to", 6], [5, 6]),
    ],
)
def test_ranges(path: Path, options: list[object], seqs: list[int]) -> None:
    assert _seqs(_run("show", path, *options)) == seqs


def test_json_has_everything_and_the_words(path: Path) -> None:
    lines = [json.loads(line) for line in _run("show", path, "--json", "--order", "O1").stdout.splitlines()]
    assert [line["seq"] for line in lines] == [2, 3, 5, 6, 7]
    assert lines[2]["event"] == {
        "type": "OrderFilled",
        "order_id": "O1",
        "exec_id": "12",
        "last_qty": "40",
        "last_px": "100.02",
    }
    assert lines[1]["words"] == "sent to XSIM as T1ABCD-1"


def test_looking_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    for arguments in (["verify", path], ["show", path], ["show", path, "--order", "O1"]):
        _run(*arguments)
    assert path.read_bytes() == before
