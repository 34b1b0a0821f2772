"""What a real stack does not start with: a wrong configuration, what another has, a password, a damaged journal."""

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.client import Reason, Refused
from ops.stack import Stack
from tests.e2e.programs import (
    VARIABLE,
    buy,
    ctl,
    demanding,
    journal,
    run,
    stack_with_history,
    the_session,
    until,
    with_dialect,
)
from tests.e2e.stack import running_stack


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_with_history(tmp_path_factory.mktemp("desk")) as stack:
        yield stack


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
