"""What an operator does to a real stack, and what it tells and keeps of itself, for the auditor a year later."""

import asyncio
import json
import re
import stat
import urllib.request
from collections.abc import Iterator

import pytest

from gateway.client import Reason, Refused
from ops.stack import ROOT, Stack
from tests.e2e.programs import (
    PASSWORD,
    WAIT_S,
    buy,
    ctl,
    ctl_json,
    ctl_lines,
    journal,
    run,
    stack_with_history,
    the_session,
    until,
)
from tests.e2e.stack import CLIENT_ID, OPERATOR_ID, until_open


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_with_history(tmp_path_factory.mktemp("desk")) as stack:
        yield stack


# --- Acting, and what is kept of it -----------------------------------------------------------------------------------


def test_halt_and_resume_are_obeyed_and_kept_with_who_and_why(desk: Stack) -> None:
    reply = ctl_json(desk, "halt", "GLOBEX", "--reason", "news pending")
    assert "GLOBEX" in ctl_json(desk, "overview")["halted_symbols"]
    assert "halted: GLOBEX" in ctl(desk, "overview")
    with pytest.raises(Refused) as refused:
        asyncio.run(buy(desk, "GLOBEX", "YSIM"))
    assert refused.value.reason == Reason.INSTRUMENT_HALTED
    ctl(desk, "resume", "GLOBEX", "--reason", "news is out")
    assert ctl_json(desk, "overview")["halted_symbols"] == []

    (told,) = ctl_lines(desk, "events", "--type", "instrument_halted", "--symbol", "GLOBEX")
    assert (told["seq"], told["text"]) == (reply["seq"], "news pending")
    kept = journal(desk, "show", "--from", reply["seq"])
    assert re.search(r"GLOBEX halted by ops: news pending  \[operator ops\]", kept)
    assert re.search(r"GLOBEX resumed by ops: news is out  \[operator ops\]", kept)


def test_a_session_is_logged_out_renumbered_and_logged_on_and_all_of_it_is_kept(desk: Stack) -> None:
    reply = ctl_json(desk, "session", "logout", "YSIM", "--reason", "venue maintenance", "--yes")
    until(lambda: not the_session(desk, "YSIM")["logged_on"])
    assert the_session(desk, "YSIM")["enabled"] is False
    assert "logged out" in ctl(desk, "sessions")
    with pytest.raises(Refused) as refused:
        asyncio.run(buy(desk, "ACME", "YSIM"))
    assert refused.value.reason == Reason.SESSION_DOWN

    ctl(desk, "session", "set-sequence", "YSIM", "--next-sender", "5000", "--reason", "agreed by telephone", "--yes")
    until(lambda: the_session(desk, "YSIM")["next_sender_msg_seq_num"] == "5000")
    ctl(desk, "session", "logon", "YSIM", "--reason", "maintenance is over", "--yes")
    until(lambda: bool(the_session(desk, "YSIM")["logged_on"]))
    assert int(the_session(desk, "YSIM")["next_sender_msg_seq_num"]) > 5000
    until_open(desk, ("YSIM",))
    asyncio.run(buy(desk, "ACME", "YSIM"))

    told = ctl_lines(desk, "events", "--type", "session_administered", "--venue", "YSIM")
    assert [(each["operator"], each["reason"], each["text"]) for each in told] == [
        (OPERATOR_ID, "logout", "venue maintenance"),
        (OPERATOR_ID, "set_sequence", "agreed by telephone, next out 5000"),
        (OPERATOR_ID, "logon", "maintenance is over"),
    ]
    kept = journal(desk, "show", "--from", reply["seq"])
    assert "operator ops: logout on the session to YSIM: venue maintenance  [operator ops]" in kept
    assert "set_sequence on the session to YSIM, next to send 5000: agreed by telephone  [operator ops]" in kept
    assert "operator ops: logon on the session to YSIM: maintenance is over  [operator ops]" in kept


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sessions", "--client-id", "nobody"], 1, "CLIENT_UNKNOWN"),
        (["sessions", "--client-id", CLIENT_ID], 1, "ROLE_REQUIRED"),
        (["halt", "NOPE", "--reason", "why"], 1, "SYMBOL_UNKNOWN"),
        (["session", "logon", "NOPE", "--reason", "why", "--yes"], 1, "there are XSIM, YSIM"),
        (["order", "NOPE"], 1, "--client"),
        (["events", "--from", "1000000"], 1, "the journal ends at"),
        (["orders", "--status", "bogus"], 2, "partially_filled"),
        (["session", "logout", "XSIM", "--reason", "why"], 2, "--yes"),
        (["session", "set-sequence", "XSIM", "--reason", "why", "--yes"], 2, "--next-sender"),
        (["halt", "ACME"], 2, "--reason"),
        (["sessions", "--address", "127.0.0.1:1"], 3, "is the gateway running?"),
    ],
)
def test_what_goes_wrong_is_said_with_the_next_step(desk: Stack, arguments: list[str], code: int, words: str) -> None:
    address = [] if "--address" in arguments else ["--address", desk.api_address]
    done = run("gatewayctl", *arguments, *address)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "Traceback" not in done.err


# --- What it tells by itself ------------------------------------------------------------------------------------------


def scrape(stack: Stack) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/metrics", timeout=WAIT_S) as page:
        lines = page.read().decode().splitlines()
    return {name: float(value) for name, _, value in (ln.rpartition(" ") for ln in lines if not ln.startswith("#"))}


def test_every_metric_of_the_page_is_there_and_moves_with_the_orders(desk: Stack) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    promised = set(re.findall(r"^\| `(gateway_\w+)(?:\{\w+(?:,\w+)*\})?` \|", page, re.MULTILINE))
    before = scrape(desk)
    there = {re.sub(r"_(bucket|sum|count)$", "", name.partition("{")[0]) for name in before}
    assert promised == {name for name in there if name.startswith("gateway_")}

    asyncio.run(buy(desk, "ACME", "XSIM"))
    until(lambda: scrape(desk)["gateway_order_to_ack_seconds_count"] > before["gateway_order_to_ack_seconds_count"])
    after = scrape(desk)
    moved = {name: after[name] - before[name] for name in after}
    assert moved['gateway_events_total{type="OrderSubmitted"}'] == 1
    assert moved['gateway_commands_total{result="accepted",type="SubmitOrder"}'] == 1
    assert moved["gateway_orders_working"] == 1
    assert moved["gateway_commit_seconds_count"] >= 2
    assert moved['gateway_session_inbound_seq{venue="XSIM"}'] >= 1
    assert after["gateway_set_aside_total"] == 1
    assert after['gateway_session_up{venue="XSIM"}'] == 1
    until(lambda: scrape(desk)["gateway_follower_up"] == 1)
    assert after["gateway_journal_damaged"] == 0


def test_logs_are_one_json_object_a_line(desk: Stack) -> None:
    lines = [json.loads(line) for line in desk.gateway.log.read_text().splitlines()]
    assert all({"timestamp", "level", "logger", "event"} <= line.keys() for line in lines)
    assert {"recovered", "ready", "session is up"} <= {line["event"] for line in lines}
    assert any(line.get("venue") == "XSIM" for line in lines)


def test_a_password_is_nowhere_but_in_quickfixs_own_store_which_is_private(desk: Stack) -> None:
    """fix.md, "The session": QuickFIX stores our Logon, password included, readable by the owner alone."""
    own = desk.folder / "gateway" / "fix" / "XSIM"
    written = [path for path in desk.folder.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert {path for path in written if own not in path.parents} == {desk.folder / "XSIM.toml"}
    for folder in (desk.folder / "gateway", own):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    shown = [journal(desk, "show", "--json"), ctl(desk, "events", "--from", "1", "--json"), ctl(desk, "top")]
    shown.append(run("gateway", "check-config", str(desk.gateway_config)).out)
    assert not any(PASSWORD in text for text in shown)
