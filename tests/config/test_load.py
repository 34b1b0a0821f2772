# ruff: noqa: E501  # Messages are compared whole, as people read them.
"""The configuration file is read strictly, exactly and without showing secrets."""

import io
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import make_url

from gateway.cli.summary import summary
from gateway.config import Config, ConfigError, load
from ops.limits import AMPLE_RISK
from tests.config.market import MARKET

MINIMAL = f"""
stack = "test"
data_dir = "data"

[[clients]]
id = "demo"
accounts = ["ACC1"]

{MARKET}"""


def written(folder: Path, *changes: tuple[str, str], more: str = "") -> Path:
    """The minimal configuration with ample limits and some of its text changed; a change that changes nothing is a mistake
    of the test.
    """
    text = MINIMAL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "gateway.toml"
    path.write_text(text.replace("[[clients]]", f"{AMPLE_RISK}\n[[clients]]", 1) + more, encoding="utf-8")
    return path


def problems(path: Path, environment: dict[str, str] | None = None) -> list[str]:
    """What `load` says, without the file's name in front of every line."""
    with pytest.raises(ConfigError) as caught:
        load(path, environment or {})
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def test_the_minimal_file_loads_with_the_documented_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path), {})

    assert config.stack == "test"
    assert config.journal.durability == "power"
    assert (config.api.host, config.api.port) == ("127.0.0.1", 7001)
    assert config.clients[0].role == "trader"
    assert config.venues[0].heart_bt_int_s == 30
    assert config.venues[0].schedule is None
    assert config.limits.command_queue == 10_000


def test_the_sample_configuration_loads() -> None:
    config = load(Path(__file__).parents[2] / "config" / "gateway.toml", {})

    assert [(venue.name, venue.begin_string, venue.port) for venue in config.venues] == [
        ("XSIM", "FIX.4.4", 9001),
        ("YSIM", "FIXT.1.1", 9002),
    ]
    assert [(i.symbol, str(i.tick_size), str(i.lot_size), i.currency) for i in config.instruments] == [
        ("ACME", "0.01", "1", "USD"),
        ("GLOBEX", "0.05", "10", "USD"),
        ("INITECH", "0.01", "1", "EUR"),
    ]
    assert [(c.id, c.role, c.accounts) for c in config.clients] == [
        ("demo", "trader", ("ACC1", "ACC2")),
        ("ops", "operator", ()),
        ("risk", "operator", ()),
    ]


# --- Decimals (rule 6) ---


@pytest.mark.parametrize("text", ["0.0000000001", '"0.0000000001"', "1e-10", "1E-1_0"])
def test_a_tick_size_is_exact_with_and_without_quotes(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, ("tick_size = 0.01", f"tick_size = {text}"))

    assert load(path, {}).instruments[0].tick_size == Decimal("0.0000000001")


def test_a_number_that_no_float_can_hold_arrives_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path, ("tick_size = 0.01", "tick_size = 123456789012345.1234567891"))

    assert load(path, {}).instruments[0].tick_size == Decimal("123456789012345.1234567891")


def test_decimals_are_kept_in_one_spelling(tmp_path: Path) -> None:
    instrument = load(
        written(tmp_path, ("tick_size = 0.01", 'tick_size = "0.0100"'), ("lot_size = 1", "lot_size = 10.0")), {}
    )

    assert (str(instrument.instruments[0].tick_size), str(instrument.instruments[0].lot_size)) == ("0.01", "10")


@pytest.mark.parametrize(
    "text",
    ["0", "-0.01", "nan", "inf", "1e400", "1e999999999", "1e-999999999", '"abc"', "true", "0.00000000001", "[]", '""'],
)
def test_a_size_that_is_no_number_above_zero_is_refused(tmp_path: Path, text: str) -> None:
    (line,) = problems(written(tmp_path, ("tick_size = 0.01", f"tick_size = {text}")))

    assert line.startswith("instruments[0].tick_size (ACME): found ")
    assert line.endswith('expected a number above zero such as 0.01 or "0.01"')


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("port = 9001", f"port = {'9' * 5_000}", "a number with thousands of digits"),
        ("port = 9001", f"port = 0x{'f' * 5_000}", "a number with thousands of digits"),
        ("tick_size = 0.01", f"tick_size = 0x{'f' * 5_000}", "a number with thousands of digits"),
        ("tick_size = 0.01", "tick_size = 1e9999999999999999999999", "an endless exponent"),
        ("port = 9001", f"port = {'[' * 20_000}", "stand in one another a thousand times"),
    ],
    ids=["whole", "hexadecimal", "size", "exponent", "nested"],
)
def test_what_the_parser_itself_cannot_hold_is_told_and_not_a_traceback(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    (line,) = problems(written(tmp_path, (old, new)))
    assert words in line


# --- Errors name file, key, what is there and what is expected ---


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("port = 9001", "port = 70000", "venues[0].port (XSIM): found 70000, expected a whole number from 1 to 65535"),
        ("port = 9001", 'port = "9001"', 'venues[0].port (XSIM): found "9001", expected a whole number from 1 to 65535'),
        ("port = 9001", "port = 9001.5", "venues[0].port (XSIM): found 9001.5, expected a whole number from 1 to 65535"),
        ("port = 9001", "port = true", "venues[0].port (XSIM): found true, expected a whole number from 1 to 65535"),
        ("port = 9001", "", "venues[0].port (XSIM): is missing, expected a whole number from 1 to 65535"),
        ('"FIX.4.4"', '"FIX4.4"', 'venues[0].begin_string (XSIM): found "FIX4.4", expected one of "FIX.4.2", "FIX.4.4", "FIXT.1.1"; did you mean "FIX.4.4"?'),
        ('stack = "test"', 'stack = "a b"', 'stack: found "a b", expected 1 to 32 letters, digits or any of _ . -'),
        ('currency = "USD"', 'currency = "usd"', 'instruments[0].currency (ACME): found "usd", expected 3 to 5 capital letters such as "USD" (ISO 4217)'),
        ('accounts = ["ACC1"]', 'accounts = "ACC1"', 'clients[0].accounts (demo): found "ACC1", expected an array, each 1 to 32 letters, digits or any of _ . -'),
        ('{ XSIM = "ACME" }', "{}", "instruments[0].venue_symbols (ACME): found a table with nothing in it, expected a table"),
        ('data_dir = "data"', "data_dir = 07:00:00", "data_dir: found 07:00:00, expected a path"),
    ],
)  # fmt: skip
def test_an_error_names_key_what_is_there_and_what_is_expected(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert problems(written(tmp_path, (old, new))) == [expected]


def test_an_unknown_key_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    path = written(
        tmp_path, ("tick_size = 0.01", "tick_size = 0.01\ntik_size = 0.01"), ('id = "demo"', 'id = "demo"\nzzz = 1')
    )

    assert problems(path) == [
        "clients[0].zzz (demo): there is no such key; known here: id, role, accounts, strategies, cancel_on_disconnect_s",
        'instruments[0].tik_size (ACME): there is no such key; did you mean "tick_size"?',
    ]


def test_a_table_under_a_wrong_name_is_reported_with_what_is_missing(tmp_path: Path) -> None:
    assert problems(written(tmp_path, ("[[venues]]", "[[venue]]"))) == [
        'venue: there is no such key; did you mean "venues"?',
        "venues: is missing, expected a non-empty array, each a table",
    ]


def test_every_wrong_value_is_reported_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path, ("9001", "0"), ("0.01", "0"), ('"USD"', "1"), ("FIX.4.4", "FIX.9"), more='[log]\nlevel = "loud"\n'
    )

    assert [line.split(" ")[0] for line in problems(path)] == [
        "venues[0].begin_string",
        "venues[0].port",
        "instruments[0].tick_size",
        "instruments[0].currency",
        "log.level:",
    ]


def test_a_syntax_error_has_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('stack = "a"\nport = = 1\n', encoding="utf-8")

    assert problems(path) == ["line 2, column 8: Invalid value, expected TOML"]


def test_a_file_that_is_not_there_or_not_text_is_an_error_with_its_name(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.toml") == ["cannot be read: No such file or directory"]
    assert problems(tmp_path) == ["cannot be read: Is a directory"]
    (tmp_path / "bytes.toml").write_bytes(b'stack = "\xff"')
    assert problems(tmp_path / "bytes.toml") == ["byte 9 is not UTF-8, expected a TOML file"]


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    """An editor on Windows writes one: line 1 was an "Invalid statement", and nothing wrong could be seen in it."""
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path, {}).stack == load(written(tmp_path), {}).stack


# --- Secrets ---

CREDENTIALS = ("port = 9001", 'port = 9001\nusername = "me"\npassword = "${XSIM_PASSWORD}"')


def test_a_password_comes_from_the_environment(tmp_path: Path) -> None:
    config = load(written(tmp_path, CREDENTIALS), {"XSIM_PASSWORD": "hunter2"})

    assert config.venues[0].password == "hunter2"


def test_an_environment_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    assert problems(written(tmp_path, CREDENTIALS)) == [
        "venues[0].password (XSIM): the environment variable XSIM_PASSWORD is not set"
    ]


def test_a_reference_works_in_every_text_value_and_is_shown_as_written(tmp_path: Path) -> None:
    path = written(tmp_path, ('host = "127.0.0.1"', 'host = "${WHERE}.example"'))

    assert load(path, {"WHERE": "venue"}).venues[0].host == "venue.example"
    assert problems(path, {"WHERE": "not a host"}) == [
        'venues[0].host (XSIM): found "${WHERE}.example", expected a host name or an IP address'
    ]


def test_no_error_shows_a_secret(tmp_path: Path) -> None:
    secrets = ["hunter2", "20231123", "opensesame"]
    credentials = 'port = 90010\nusername = "me"\npassword = "hunter2"'
    for path in (
        written(tmp_path, ("port = 9001", credentials)),
        written(tmp_path, ("port = 9001", "password = 20231123")),
        written(tmp_path, ("port = 9001", 'password = ["hunter2"]')),
        written(tmp_path, ("port = 9001", 'pasword = "hunter2"')),
        written(tmp_path, ("port = 9001", 'port = 9001\npassword = "hunter2"')),
        written(tmp_path, more='[journal]\nurl = "postgresql://me:opensesame@db/gateway"\n'),
        written(tmp_path, more='[journal]\nurl = "postgresql://db/gateway?password=opensesame"\n'),
        written(tmp_path, ("port = 9001", 'password = "hunter2')),
    ):
        said = "\n".join(problems(path))
        assert not any(secret in said for secret in secrets), said


def test_a_password_that_is_too_long_is_told_how_long_one_may_be(tmp_path: Path) -> None:
    """What is there is not shown, so the bound is all that helps."""
    path = written(tmp_path, ("port = 9001", f'port = 9001\nusername = "me"\npassword = "{"p" * 257}"'))
    assert problems(path) == [
        "venues[0].password (XSIM): found text (not shown), expected at most 256 printable ASCII characters"
    ]


def test_neither_the_summary_nor_a_printed_configuration_shows_a_secret(tmp_path: Path) -> None:
    config = load(written(tmp_path, CREDENTIALS), {"XSIM_PASSWORD": "hunter2"})

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary(config, 0))
    console.print(config)
    printed = console.export_text()
    assert "me, password set" in printed
    assert "hunter2" not in printed + repr(config) + str(config.venues)


# --- Paths ---


def test_paths_start_at_the_files_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    written(etc, ('"data"', '"../var"'))
    monkeypatch.chdir(tmp_path)

    config = load(Path("etc/gateway.toml"), {})

    assert config.data_dir == str(tmp_path / "var")
    assert config.journal.url == f"sqlite:///{tmp_path}/var/journal.sqlite"
    assert config.api.unix_socket == f"{tmp_path}/var/gateway.sock"


def test_a_databases_file_is_in_the_data_directory_whatever_its_name(tmp_path: Path) -> None:
    """What a URL has its own meaning for is meant as it stands: the journal of "a?1" was kept in a file "a"."""
    data = tmp_path / "100%20?a=1 #ü"

    config = load(written(tmp_path, ('"data"', f'"{data}"'), more='[journal]\nurl = "sqlite:///my%20own.db"\n'), {})

    files = [make_url(url).database for url in (config.journal.url, config.projections.url)]
    assert files == [f"{data}/my own.db", f"{data}/projections.sqlite"]


def test_absolute_paths_stay_as_they_are_and_no_socket_stays_none(tmp_path: Path) -> None:
    more = f'[journal]\nurl = "sqlite:///{tmp_path}/j.db"\n[api]\nunix_socket = ""\n'

    config = load(written(tmp_path, more=more), {})

    assert config.journal.url == f"sqlite:///{tmp_path}/j.db"
    assert not config.api.unix_socket


# --- For the core ---


def test_the_core_gets_the_instruments_with_their_sessions(tmp_path: Path) -> None:
    session = """
        trading_session = "day"
        [[trading_sessions]]
        name = "day"
        time_zone = "Europe/Berlin"
        open = "09:00"
        close = "17:30:15"
        auctions = [{ begin = "08:50", end = "09:00" }, { begin = "17:30:15", end = "17:35" }]
        """
    instruments = load(written(tmp_path, more=session), {}).core_instruments()

    acme = instruments["ACME"]
    assert list(instruments) == ["ACME"]
    assert acme.primary_venue == "XSIM"
    assert acme.trading_session is not None
    assert (acme.trading_session.open.isoformat(), acme.trading_session.close.isoformat()) == ("09:00:00", "17:30:15")
    assert acme.trading_session.days == ("mon", "tue", "wed", "thu", "fri")
    calls = [(begin.isoformat(), end.isoformat()) for begin, end in acme.trading_session.auctions]
    assert calls == [("08:50:00", "09:00:00"), ("17:30:15", "17:35:00")]


def test_the_primary_venue_is_the_named_one_or_the_first(tmp_path: Path) -> None:
    second = MINIMAL[MINIMAL.index("[[venues]]") : MINIMAL.index("[[instruments]]")].replace("XSIM", "YSIM")
    both = ('{ XSIM = "ACME" }', '{ YSIM = "A.Y", XSIM = "ACME" }')

    def primary(*changes: tuple[str, str]) -> str:
        return load(written(tmp_path, both, *changes, more=second), {}).core_instruments()["ACME"].primary_venue

    assert primary() == "YSIM"
    assert primary(('currency = "USD"', 'currency = "USD"\nprimary_venue = "XSIM"')) == "XSIM"


def test_what_is_loaded_cannot_be_changed(tmp_path: Path) -> None:
    config: Config = load(written(tmp_path), {})

    with pytest.raises(AttributeError):
        config.stack = "other"  # type: ignore[misc]


def test_a_database_url_is_kept_and_shown_without_its_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://gateway:se:cret@db.example:5432/xsim?options=-csearch_path%3Done"
    config = load(written(tmp_path, more=f'[journal]\nurl = "{url}"\n'), {})
    assert config.journal.url == url
    assert config.projections.url == f"sqlite:///{tmp_path / 'data' / 'projections.sqlite'}"
    assert "se:cret" not in repr(config)
    assert "postgresql+psycopg://gateway:***@db.example:5432/xsim" in repr(config)


@pytest.mark.parametrize("section", ["journal", "projections"])
@pytest.mark.parametrize("url", ["gw:se:c/ret@db:port/x", "gw:hunter@se:c/ret@db/x", "gw@db:1/x?password=se:c/ret@"])
def test_a_database_url_that_sqlalchemy_would_take_apart_wrongly_is_refused(
    tmp_path: Path, section: str, url: str
) -> None:
    (said,) = problems(written(tmp_path, more=f'[{section}]\nurl = "postgresql+psycopg://{url}"\n'))
    assert said.startswith(f'{section}.url: found "postgresql+psycopg://gw')
    assert 'with %40 for "@" in a password' in said
    assert "ret" not in said


def test_a_password_from_the_environment_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, more='[journal]\nurl = "postgresql+psycopg://gw:${SECRET}@db/x"\n')
    (said,) = problems(path, {"SECRET": "hunter@2"})
    assert said.startswith('journal.url: found "postgresql+psycopg://gw:***@db/x"')
    assert load(path, {"SECRET": "hunter%402"}).journal.url == "postgresql+psycopg://gw:hunter%402@db/x"
