"""`gateway`: what it says about a configuration, and with which exit code it ends."""

import contextlib
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from gateway import __version__, app, resources
from gateway.cli import server
from gateway.config import Config, load

SAMPLE = Path(__file__).parents[2] / "config" / "gateway.toml"


def test_check_config_shows_what_is_in_the_file() -> None:
    result = CliRunner().invoke(server.app, ["check-config", str(SAMPLE)], env={"COLUMNS": "160"})

    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["stack", "demo"] in lines
    assert ["durability", "power", "(survives", "power", "loss)"] in lines
    assert [
        "YSIM",
        "FIXT.1.1",
        "127.0.0.1:9002",
        "GATEWAY",
        "->",
        "YSIM",
        "30",
        "s",
        "no",
        "credentials",
        "always",
    ] in lines
    assert ["GLOBEX", "0.05", "10", "1", "USD", "YSIM,", "XSIM", "any", "time"] in lines
    assert ["demo", "trader", "ACC1,", "ACC2", "any", "orders", "stay"] in lines
    assert ["ops", "operator", "-", "-", "-"] in lines


def test_check_config_shows_what_risk_there_may_be(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    for old, new in {
        'strategies = ["*"]': 'strategies = ["maker", ""]\ncancel_on_disconnect_s = 5',
        "reference_px = 250\n": "",
        'scope = "desk:EQ"\n': 'scope = "desk:EQ"\nrestricted = ["ACME", "GLOBEX"]\n',
    }.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "gateway.toml"
    path.write_text(text, encoding="utf-8")

    shown = CliRunner().invoke(server.app, ["check-config", str(path)], env={"COLUMNS": "160"}).stdout

    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "demo trader ACC1, ACC2 maker, none canceled after 5 s" in lines
    assert "risk in USD, EUR at 1.1" in lines
    assert "desk EQ ACC1, ACC2, in the firm" in lines
    assert "no second operator" not in shown
    assert "ACME equity 100 25 % 2 % free" in lines
    assert "GLOBEX equity none: needs a mark 25 % 2 % free" in lines
    assert "firm max_order_value 1,000,000 USD" in lines
    assert "firm message_rate 500 in 1 s" in lines
    assert "firm max_concentration_pct 90 pct above 30,000,000 USD" in lines
    assert "firm order_to_trade 500 ratio above 1,000" in lines
    assert "desk:EQ restricted ACME, GLOBEX" in lines
    assert "firm loss 400,000 300,000 60 s 60 s a person canceled" in lines


def test_check_config_says_when_nobody_could_approve(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    second = text[text.index('[[clients]]\nid = "risk"') : text.index("# --- Venues")]
    path = tmp_path / "gateway.toml"
    path.write_text(text.replace(second, ""), encoding="utf-8")
    shown = CliRunner().invoke(server.app, ["check-config", str(path)], env={"COLUMNS": "160"}).stdout
    assert "there is no second operator among the clients, so nobody can approve that" in shown


@pytest.mark.parametrize("command", [["check-config"], ["serve", "--config"]])
def test_a_wrong_configuration_is_told_on_standard_error_with_exit_code_2(tmp_path: Path, command: list[str]) -> None:
    text = (
        SAMPLE.read_text(encoding="utf-8")
        .replace("port = 9001", "port = 0")
        .replace("tick_size = 0.05", "tick_size = 0")
    )
    path = tmp_path / "[wrong].toml"
    path.write_text(text, encoding="utf-8")

    result = CliRunner().invoke(server.app, [*command, str(path)])

    assert result.exit_code == 2
    assert not result.stdout
    assert result.stderr.splitlines() == [
        f"error: {path}: venues[0].port (XSIM): found 0, expected a whole number from 1 to 65535",
        (
            f"error: {path}: instruments[1].tick_size (GLOBEX): found 0, "
            'expected a number above zero such as 0.01 or "0.01"'
        ),
    ]


def test_an_overlay_that_cannot_be_laid_over_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By check-config as by serve, with the exit code after which nobody starts it again and again."""
    specs = tmp_path / "_data" / "fix_specs"
    specs.mkdir(parents=True)
    for name, text in {"A.xml": "<fix>", "B.xml": "<fix><fields><field name='Own'/></fields></fix>"}.items():
        (specs / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path)
    text = SAMPLE.read_text(encoding="utf-8").replace("../var/gateway", f"{tmp_path}/data")
    for port, name in {"9001": "A.xml", "9002": "B.xml"}.items():
        text = text.replace(f"port = {port}\n", f'port = {port}\ndialect = {{ dictionary = "{name}" }}\n')
    path = tmp_path / "gateway.toml"
    path.write_text(text, encoding="utf-8")

    checked = CliRunner().invoke(server.app, ["check-config", str(path)])
    monkeypatch.setattr(app, "_data_directory", contextlib.nullcontext)
    monkeypatch.setattr(app.logs, "configure", lambda _: None)
    with capture_logs() as lines:
        served = app.serve(load(path), path)

    assert (checked.exit_code, served) == (2, 2)
    expected = "a field has a name and a tag number such as 9100"
    problems = [
        f"venues[0].dialect.dictionary (XSIM): {specs}/A.xml: no element found: line 1, column 5",
        f'venues[1].dialect.dictionary (YSIM): {specs}/B.xml: found name "Own" and number "", {expected}',
    ]
    assert checked.stderr.splitlines() == [f"error: {path}: {each}" for each in problems]
    assert [(line["event"], line["reason"]) for line in lines] == [("not started", "\n".join(problems))]
    assert not list((tmp_path / "data").glob("journal*"))


def test_check_config_shows_no_secret(tmp_path: Path) -> None:
    credentials = 'username = "me"\npassword = "${XSIM_PASSWORD}"\n'
    text = SAMPLE.read_text(encoding="utf-8").replace("port = 9001\n", f"port = 9001\n{credentials}")
    path = tmp_path / "gateway.toml"
    path.write_text(text, encoding="utf-8")

    good = CliRunner().invoke(
        server.app, ["check-config", str(path)], env={"XSIM_PASSWORD": "hunter2", "COLUMNS": "160"}
    )
    bad = CliRunner().invoke(server.app, ["check-config", str(path)], env={"XSIM_PASSWORD": None})

    assert good.exit_code == 0
    assert "me, password set" in good.stdout
    assert "hunter2" not in good.output
    assert bad.exit_code == 2
    assert "venues[0].password (XSIM): the environment variable XSIM_PASSWORD is not set" in bad.stderr


def test_check_config_shows_how_a_venue_is_compared_and_what_is_kept(tmp_path: Path) -> None:
    said = "reconcile = { every_s = 60, grace_s = 7 }\nack_timeout_s = 4\n"
    copy = 'drop_copy = { host = "dc", port = 9009, sender_comp_id = "DC", target_comp_id = "X", username = "me" }\n'
    text = SAMPLE.read_text(encoding="utf-8").replace("port = 9001\n", f"port = 9001\n{said}{copy}")
    text = text.replace("port = 9002\n", 'port = 9002\nreconcile = { mode = "off" }\n')
    path = tmp_path / "gateway.toml"
    path.write_text(f"{text}\n[retention]\nretire_after_s = 7200\nsnapshot_events = 5000\n", encoding="utf-8")

    lines = CliRunner().invoke(server.app, ["check-config", str(path)], env={"COLUMNS": "200"}).stdout.splitlines()
    words = [" ".join(line.split()) for line in lines]

    assert "XSIM mass status (AF) 60 s 30 s 500 7 s 4 s XSIM.DROP" in words
    assert "YSIM off 10 s none" in words
    assert "XSIM.DROP FIX.4.4 dc:9009 DC -> X 30 s me, password not set always" in words
    assert "in memory orders for 7,200 s after their end, at most 100,000 of these" in words
    assert "snapshots every 5,000 events, the newest 2 are kept" in words
    assert any(line.startswith("projections sqlite:///") for line in words)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://gw:hunter2@db/x", "postgresql+psycopg://gw:***@db/x"),
        ("postgresql+psycopg://gw:hun/ter2@db/x", "postgresql+psycopg://gw:***@db/x"),
        ("postgresql+psycopg://gw@db/x?password=hunter2&port=1", "postgresql+psycopg://gw@db/x?password=***&port=1"),
    ],
)
def test_check_config_hides_the_passwords_of_databases(tmp_path: Path, url: str, shown: str) -> None:
    text = SAMPLE.read_text(encoding="utf-8").replace('url = "sqlite:///journal.sqlite3"', f'url = "{url}"')
    path = tmp_path / "gateway.toml"
    path.write_text(f'{text}\n[projections]\nurl = "{url.replace("/x", "/y")}"\n', encoding="utf-8")

    result = CliRunner().invoke(server.app, ["check-config", str(path)], env={"COLUMNS": "200"})

    assert result.exit_code == 0, result.output
    assert shown in result.stdout
    assert shown.replace("/x", "/y") in result.stdout
    assert "ter2" not in result.output


@pytest.mark.parametrize("code", [0, 1, 3])
def test_serve_ends_with_the_exit_code_of_the_stack(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    served: list[tuple[str, Path]] = []

    def serve(config: Config, path: Path) -> int:
        served.append((config.stack, path))
        return code

    monkeypatch.setitem(sys.modules, "gateway.app", types.SimpleNamespace(serve=serve))

    result = CliRunner().invoke(server.app, ["serve", "--config", str(SAMPLE)])

    assert result.exit_code == code
    assert served == [("demo", SAMPLE.absolute())]


def test_version() -> None:
    assert CliRunner().invoke(server.app, ["version"]).stdout == f"{__version__}\n"


def test_looking_at_a_configuration_does_not_load_the_fix_engine() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from gateway.cli import server\n"
        f"assert CliRunner().invoke(server.app, ['check-config', {str(SAMPLE)!r}]).exit_code == 0\n"
        "print(sorted({'quickfix', 'grpc', 'gateway.app'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)

    assert ran.stdout == "[]\n"


def test_the_journal_commands_are_there() -> None:
    result = CliRunner().invoke(server.app, ["journal", "--help"])

    assert result.exit_code == 0
    assert "verify" in result.stdout
