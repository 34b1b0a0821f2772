"""The operator at seven in the morning, the auditor a year later: what the programs show and keep of a real stack."""

import asyncio
import codecs
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from gateway.client import GatewayClient, OrderHandle, OrdStatus, OrdType, Reason, Refused, Side
from ops.stack import ROOT, Stack
from sim_exchange.control import ControlClient
from tests.e2e.stack import CLIENT_ID, NOT_YET, OPERATOR_ID, running_stack

WAIT_S = 20
PASSWORD = "s3cr3t-of-XSIM"
VARIABLE = "GATEWAY_TEST_XSIM_PASSWORD"
PROGRAMS = {"gatewayctl": "gateway.cli.ctl", "gateway": "gateway.cli.server"}


# --- The stack: XSIM asks for credentials, an account and a tag of its own ------------------------------------------


def with_dialect(text: str) -> str:
    """The gateway's configuration with what XSIM asks for."""
    logon = f'target_comp_id = "XSIM"\nusername = "gw"\npassword = "${{{VARIABLE}}}"'
    dialect = """
[venues.dialect]
add = { D = { 9001 = "GW" }, F = { 9001 = "GW" }, G = { 9001 = "GW" } }
required = { D = [1, 9001] }
accounts = { ACC1 = "X-1", ACC2 = "X-2" }
"""
    head, tail = text.replace('target_comp_id = "XSIM"', logon).split('\n[[venues]]\nname = "YSIM"')
    return f'{head}{dialect}\n[[venues]]\nname = "YSIM"{tail}'


def demanding(text: str) -> str:
    """XSIM's configuration: who may log on, and what each message has to have."""
    tags = '{ tag = 1, msg_types = ["D"] }, { tag = 9001, msg_types = ["D", "F", "G"] }'
    wanted = f'begin_string = "FIX.4.4"\nusername = "gw"\npassword = "{PASSWORD}"\nrequired = [{tags}]'
    quiet = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("crowd = "))
    return quiet.replace('begin_string = "FIX.4.4"', wanted)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a little history: a part-filled order and the one that filled it, a refusal, a stray report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, PASSWORD)
        edit = {"gateway": with_dialect, "XSIM": demanding}
        with running_stack(tmp_path_factory.mktemp("desk"), edit) as stack:
            asyncio.run(make_history(stack))
            yield stack


async def make_history(stack: Stack) -> None:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        await session_is_up(gateway)
        rest = await send(gateway, "rest", Side.SELL, 100, account="ACC1", strategy="maker")
        await rest.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
        take = await send(gateway, "take", Side.BUY, 40, account="ACC2", strategy="taker")
        await take.done(timeout_s=WAIT_S)
        await rest.wait_for(lambda order: order.cum_qty == 40, timeout_s=WAIT_S)
        with pytest.raises(Refused):
            await send(gateway, "off-tick", Side.BUY, 1, price="100.001")
    with ControlClient(f"127.0.0.1:{stack.control_ports['XSIM']}") as venue:
        fields = {"37": "STRAY-1", "11": "nobody", "17": "STRAY-E1", "150": "0", "39": "0", "55": "ACME", "54": "1"}
        fields |= {"38": "5", "151": "5", "14": "0", "6": "0"}
        venue.do("send", msg_type="8", fields=[[int(tag), value] for tag, value in fields.items()])
    until(lambda: ctl_json(stack, "overview")["set_aside"] == "1")


async def session_is_up(gateway: GatewayClient) -> None:
    """An order to each venue is taken: until its session is up, each try is refused and spends its key."""
    for venue in ("XSIM", "YSIM"):
        number = 0
        while True:
            try:
                probe = await send(gateway, f"probe-{venue}-{number}", Side.BUY, 1, price="1", venue=venue)
            except Refused as refused:
                if refused.reason not in NOT_YET:
                    raise
                number += 1
            else:
                await probe.cancel()
                await probe.done(timeout_s=WAIT_S)
                break


async def send(
    gateway: GatewayClient, key: str, side: Side, order_qty: int, *, price: str = "100.10", **fields: Any
) -> OrderHandle:
    return await gateway.submit(
        symbol="ACME", side=side, order_qty=order_qty, ord_type=OrdType.LIMIT, price=price, cl_ord_id=key, **fields
    )


class Done(NamedTuple):
    """How a program ended."""

    code: int
    out: str
    err: str


def run(program: str, *arguments: str) -> Done:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment |= {VARIABLE: PASSWORD, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    code = f"import sys; sys.argv[0] = {program!r}; from {PROGRAMS[program]} import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)
    return Done(ended.returncode, ended.stdout, ended.stderr)


def ctl(stack: Stack, *arguments: str) -> str:
    """What gatewayctl prints when all is well."""
    done = run("gatewayctl", *arguments, "--address", stack.api_address)
    assert (done.code, done.err) == (0, ""), done
    return done.out


def ctl_json(stack: Stack, *arguments: str) -> Any:
    return json.loads(ctl(stack, *arguments, "--json"))


def ctl_lines(stack: Stack, *arguments: str) -> list[Any]:
    return [json.loads(line) for line in ctl(stack, *arguments, "--json").splitlines()]


def until(holds: Callable[[], bool]) -> None:
    """Ask again until it holds."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline


def the_session(stack: Stack, venue: str) -> dict[str, Any]:
    (found,) = [each for each in ctl_json(stack, "sessions")["sessions"] if each["venue"] == venue]
    return dict(found)


# --- Looking ----------------------------------------------------------------------------------------------------------


def test_sessions(desk: Stack) -> None:
    session = the_session(desk, "XSIM")
    assert (session["logged_on"], session["enabled"], session["begin_string"]) == (True, True, "FIX.4.4")
    assert session["connects_to"] == f"127.0.0.1:{desk.fix_ports['XSIM']}"
    assert int(session["next_sender_msg_seq_num"]) > 4
    assert int(session["last_received_ns"]) > 0
    shown = ctl(desk, "sessions")
    assert "GATEWAY -> XSIM" in shown
    assert shown.count("logged on") == 2


def test_orders_and_their_filters(desk: Stack) -> None:
    def keys(*arguments: str) -> list[str]:
        orders = ctl_json(desk, "orders", *arguments)["orders"]
        return [order["cl_ord_id"] for order in orders if not order["cl_ord_id"].startswith("probe")]

    assert keys() == ["rest", "take"]
    assert keys("--working") == ["rest"]
    assert keys("--status", "filled", "--strategy", "taker", "--account", "ACC2", "--symbol", "ACME") == ["take"]
    assert keys("--venue", "YSIM", "--client", CLIENT_ID) == []
    assert ctl(desk, "orders", "--symbol", "GLOBEX", "--working") == "Orders: none\n"
    (order,) = ctl_json(desk, "orders", "--working")["orders"]
    assert (order["cum_qty"], order["leaves_qty"], order["avg_px"]) == ("40", "60", "100.1")
    assert re.search(r"rest .* XSIM .* 100 .* 100.1 .* 40 .* 60 .* PARTIALLY_FILLED", ctl(desk, "orders"))


def test_one_orders_life(desk: Stack) -> None:
    life = ctl_json(desk, "order", "rest", "--client", CLIENT_ID)
    assert life["order"]["account"] == "ACC1"
    assert [event["type"] for event in life["events"]] == [
        "ORDER_SUBMITTED",
        "ORDER_ROUTED",
        "ORDER_ACKNOWLEDGED",
        "ORDER_FILLED",
    ]
    (execution,) = life["executions"]
    assert (execution["last_qty"], execution["last_px"], execution["in_force"]) == ("40", "100.1", True)
    assert ctl_json(desk, "order", life["order"]["order_id"]) == life
    shown = ctl(desk, "order", life["order"]["order_id"])
    for words in ("Requests", "Executions", execution["exec_id"], "ORDER_ROUTED", f"client: {CLIENT_ID}"):
        assert words in shown


def test_executions(desk: Stack) -> None:
    events = ctl_json(desk, "executions")["executions"]
    assert {(each["order"]["cl_ord_id"], each["last_qty"], each["last_px"]) for each in events} == {
        ("take", "40", "100.1"),
        ("rest", "40", "100.1"),
    }
    shown = ctl(desk, "executions")
    assert all(each["exec_id"] in shown for each in events)
    assert ctl_json(desk, "executions", "-n", "1")["executions"] == events[-1:]


def test_positions(desk: Stack) -> None:
    positions = ctl_json(desk, "positions", "--symbol", "ACME")["positions"]
    assert {(each["account"], each["strategy"], each["net_qty"]) for each in positions} == {
        ("ACC1", "maker", "-40"),
        ("ACC2", "taker", "40"),
    }
    assert re.search(r"ACC1 +maker +ACME +-40 +100.1", ctl(desk, "positions"))


def test_events_from_the_beginning_and_the_newest(desk: Stack) -> None:
    told = ctl_lines(desk, "events", "--from", "1")
    assert [int(event["seq"]) for event in told] == list(range(1, len(told) + 1))
    assert told[0]["type"] == "EPOCH_BEGAN"
    (refused,) = ctl_lines(desk, "events", "--type", "command_refused", "--symbol", "ACME", "-n", "1")
    assert (refused["reason"], refused["field"], refused["cl_ord_id"]) == ("PRICE_OFF_TICK", "price", "off-tick")
    assert "COMMAND_REFUSED" in ctl(desk, "events", "--type", "command_refused")
    assert ctl_lines(desk, "events", "--from", "2", "-n", "3") == told[1:4]


def test_events_can_be_followed(desk: Stack) -> None:
    terminal = Terminal("events", "--follow", "--type", "instrument-resumed", "--address", desk.api_address)
    with terminal:
        until(lambda: ctl_json(desk, "overview")["subscribers"] == 1)
        ctl(desk, "resume", "INITECH", "--reason", "to be followed")
        terminal.read_until("to be followed")
        terminal.send_signal(signal.SIGINT)
        assert terminal.exit_code() == 0


def test_what_is_set_aside_is_shown_whole(desk: Stack) -> None:
    kept = ctl_json(desk, "set-aside")
    assert kept["total"] == "1"
    assert "STRAY-E1" in kept["reports"][0]["report_json"]
    assert "STRAY-E1" in ctl(desk, "set-aside")


def test_overview(desk: Stack) -> None:
    seen = ctl_json(desk, "overview")
    assert (seen["working_orders"], seen["executions"], seen["in_doubt"]) == ("1", "2", "0")
    assert int(seen["order_to_ack_p50_us"]) > 0
    assert re.search(r"working 1 +executions 2", ctl(desk, "overview"))


def test_top_without_a_terminal_is_one_look(desk: Stack) -> None:
    seen = ctl_json(desk, "top")
    assert [order["cl_ord_id"] for order in seen["working_orders"]] == ["rest"]
    assert len(seen["executions"]) == 2
    shown = ctl(desk, "top")
    for words in ("Sessions", "Working orders", "Newest executions", "Positions", "PARTIALLY_FILLED"):
        assert words in shown


@pytest.mark.parametrize("size", [(24, 80), (40, 120)])
def test_top_on_a_terminal_fits_it_and_leaves_it_clean(desk: Stack, size: tuple[int, int]) -> None:
    with Terminal("top", "--address", desk.api_address, size=size) as terminal:
        terminal.read_until("q to leave", "Working orders", "ACME", "Positions" if size[0] > 24 else "positions do")
        terminal.write("q")
        assert terminal.exit_code() == 0
        assert "Traceback" not in terminal.shown
        assert terminal.is_as_before()
        lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.shown).splitlines()
        longest = max(lines, key=len)
        assert len(longest) <= size[1], ascii(longest)


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


async def buy(stack: Stack, symbol: str, venue: str) -> OrderHandle:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        return await gateway.submit(
            symbol=symbol, venue=venue, side=Side.BUY, order_qty=10, ord_type=OrdType.LIMIT, price="1"
        )


def journal(stack: Stack, *arguments: str) -> str:
    done = run("gateway", "journal", *arguments, "--config", str(stack.gateway_config))
    assert (done.code, done.err) == (0, ""), done
    return done.out


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


# --- Configuration ----------------------------------------------------------------------------------------------------


def test_a_good_configuration_is_shown(desk: Stack) -> None:
    done = run("gateway", "check-config", str(desk.gateway_config))
    assert (done.code, done.err) == (0, "")
    for words in ("GATEWAY -> XSIM", "gw, password set", "survives power loss", "XSIM, YSIM", "always"):
        assert words in done.out


def test_a_bad_configuration_is_refused_with_all_that_is_wrong(desk: Stack, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    text = desk.gateway_config.read_text().replace("tick_size = 0.05", "tik_size = 0.05")
    bad.write_text(text.replace("heart_bt_int_s = 30", "heart_bt_int_s = 0"))
    checked, served = run("gateway", "check-config", str(bad)), run("gateway", "serve", "--config", str(bad))
    assert (checked.code, served.code) == (2, 2)
    assert checked.err == served.err
    for words in ("venues[0].heart_bt_int_s (XSIM): found 0", 'did you mean "tick_size"?'):
        assert words in checked.err


@pytest.mark.parametrize(
    ("data_dir", "api", "code", "words"),
    [
        ("gateway", "the stack's", 3, "another gateway runs on"),
        ("second", "the stack's", 1, "cannot listen on 127.0.0.1:{api}"),
        ("second", "free", 1, "cannot listen on 127.0.0.1:{metrics} for metrics"),
    ],
)
def test_a_second_gateway_is_refused_with_what_is_taken(
    desk: Stack, data_dir: str, api: str, code: int, words: str
) -> None:
    text = desk.gateway_config.read_text().replace(f'"{desk.folder}/gateway"', f'"{desk.folder}/{data_dir}"')
    if api == "free":
        text = text.replace(f"port = {desk.api_port}", "port = 0")
    config = desk.folder / "second.toml"
    config.write_text(text)
    done = run("gateway", "serve", "--config", str(config))
    assert (done.code, done.out) == (code, "")
    (line,) = [json.loads(line) for line in done.err.splitlines() if '"not started"' in line]
    assert words.format(api=desk.api_port, metrics=desk.metrics_port) in line["reason"]


def test_the_venues_dialect_is_spoken(desk: Stack) -> None:
    """XSIM rejects an order without Account(1) or tag 9001; our account names are its own there."""
    lines = [json.loads(line) for line in desk.ledger("XSIM").read_text().splitlines()]
    raw = {line["msg_type"]: f"\x01{line['raw']}" for line in lines if line["kind"] == "received"}
    for msg_type, tags in {"D": ("1=X-", "9001=GW"), "F": ("9001=GW",), "A": ("553=gw", "554=***")}.items():
        for tag in tags:
            assert f"\x01{tag}" in raw[msg_type]


# --- A venue that does not let us in, and a damaged journal -----------------------------------------------------------


@pytest.fixture
def locked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv(VARIABLE, "wrong-password")
    with running_stack(tmp_path / "stack", {"gateway": with_dialect, "XSIM": demanding}, venues=()) as stack:
        yield stack


def test_a_wrong_password_shows_and_a_flipped_byte_keeps_the_gateway_from_starting(
    locked_out: Stack, tmp_path: Path
) -> None:
    with pytest.raises(Refused) as refused:
        asyncio.run(buy(locked_out, "ACME", "XSIM"))
    assert refused.value.reason == Reason.SESSION_DOWN
    until(lambda: "session is down" in locked_out.gateway.log.read_text())
    session = the_session(locked_out, "XSIM")
    assert (session["logged_on"], session["enabled"]) == (False, True)
    assert "connecting" in ctl(locked_out, "sessions")
    downs = [json.loads(line) for line in locked_out.gateway.log.read_text().splitlines() if "is down" in line]
    assert [down["venue"] for down in downs] == ["XSIM"]
    assert "password" in downs[0]["why"].lower()
    assert "wrong-password" not in locked_out.gateway.log.read_text()

    ctl(locked_out, "halt", "ACME", "--reason", "to be damaged")
    whole = journal(locked_out, "verify")
    assert locked_out.gateway.stop() == 0
    stopped = journal(locked_out, "verify", "--json")
    assert "is whole" in whole
    assert json.loads(stopped)["ok"] is True
    check_damage(locked_out, tmp_path / "copy")


def check_damage(stack: Stack, copy: Path) -> None:
    """One byte in the middle of what was written: verify and serve name the place and what to do."""
    shutil.copytree(stack.folder / "gateway", copy, ignore=shutil.ignore_patterns("*.sock"))
    file = copy / "journal.sqlite3"
    content = bytearray(file.read_bytes())
    place = content.index(b"to be damaged")
    content[place] ^= 0x01
    file.write_bytes(content)
    config = copy / "gateway.toml"
    config.write_text(stack.gateway_config.read_text().replace(f"{stack.folder}/gateway", str(copy)))

    verified = run("gateway", "journal", "verify", "--config", str(config))
    assert verified.code == 1
    (seq,) = re.findall(r"is DAMAGED at seq (\d+)", verified.out)
    assert f"{file} is DAMAGED" in verified.out
    assert "put back a copy" in verified.out
    shown = run("gateway", "journal", "show", str(file))
    assert shown.code == 1
    assert f"seq {seq}" in shown.err

    served = run("gateway", "serve", "--config", str(config))
    assert (served.code, served.out) == (3, "")
    (line,) = [json.loads(line) for line in served.err.splitlines() if '"not started"' in line]
    for words in (str(file), f"seq {seq}", "gateway journal verify"):
        assert words in line["reason"]


# --- A terminal -------------------------------------------------------------------------------------------------------


class Terminal:
    """`gatewayctl` with a terminal of its own."""

    def __init__(self, *arguments: str, size: tuple[int, int] = (40, 120)) -> None:
        self._screen, self._side = pty.openpty()
        termios.tcsetwinsize(self._side, size)
        self._before = termios.tcgetattr(self._side)
        self._text = codecs.getincrementaldecoder("utf-8")(errors="replace")  # A read may end inside a character.
        self.shown = ""
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        environment |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", "from gateway.cli.ctl import main; main()", *arguments]
        self._process = subprocess.Popen(
            command, stdin=self._side, stdout=self._side, stderr=self._side, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._screen)
        os.close(self._side)

    def read_until(self, *texts: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not all(text in self.shown for text in texts):
            assert time.monotonic() < deadline, f"waited for {texts}, saw {self.shown}"
            self._read()

    def write(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self) -> int:
        """Its exit code; until then what it shows is read, or it could not end."""
        deadline = time.monotonic() + WAIT_S
        while (code := self._process.poll()) is None:
            assert time.monotonic() < deadline, self.shown
            self._read()
        return code

    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._side) == self._before

    def _read(self) -> None:
        if select.select([self._screen], [], [], 0.1)[0]:
            self.shown += self._text.decode(os.read(self._screen, 65_536))
