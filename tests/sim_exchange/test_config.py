"""Configuration errors name the file, the key and what is expected; and the package stands alone."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import sim_exchange
from sim_exchange.config import ConfigError, load

PACKAGE = Path(sim_exchange.__file__).parent
DROP_COPY = 'seed = 7\n[[drop_copy]]\nclient = "{}"\nbegin_string = "FIX.4.4"\n{}'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "XSIM"', "name = 5", "`$.venue.name`"),
        ('name = "XSIM"', 'nome = "XSIM"', "unknown field `nome`"),
        ('begin_string = "FIX.4.4"', 'begin_string = "FIX.4.3"', "`$.session[0].begin_string`"),
        ('tick = "0.01"', 'tick = "0"', "instrument[0].tick: expected a positive decimal"),
        ('tick = "0.01"', 'tick = "0.03"', "instrument[0].reference: expected a multiple of the tick 0.03"),
        ('symbol = "GLOBEX"', 'symbol = "ACME"', "symbol ACME is given twice"),
        ('mode = "manual"', 'mode = "auto pilot"', "`$.instrument[2].mode`"),
        ("seed = 7", 'control = "0.0.0.0:1"', "venue.control: expected a loopback address"),
        ("seed = 7", 'fix = "nowhere"', "venue.fix: expected IP:PORT"),
        ('lot = "1"', 'lot = "1e-30"', "instrument[0].lot: expected a positive decimal as a string, below"),
        ('tick = "0.01"', 'tick = "0.0000000001"', "at most 9 places"),
        ('reference = "100.00"', 'reference = "1e40"', "instrument[0].reference: expected a positive decimal"),
        ('mode = "manual"', "crowd = { levels = 0 }", "instrument[2].crowd.levels: expected 1 to 1000000"),
        ('mode = "manual"', "crowd = { max_lots = 0 }", "instrument[2].crowd.max_lots: expected 1 to 1000000"),
        ('mode = "manual"', "crowd = { spread_ticks = -1 }", "instrument[2].crowd.spread_ticks: expected 0 to"),
        ('mode = "manual"', "crowd = { take = 1.5 }", "instrument[2].crowd.take: expected 0 to 1"),
        ('symbol = "DESK"', 'symbol = ""', "instrument[2].symbol: expected printable ASCII, got ''"),
        ('name = "XSIM"', 'name = "X\\u0001SIM"', "venue.name: expected printable ASCII"),
        ('client = "GATEWAY"', 'client = ""', "session[0].client: expected printable ASCII"),
        ("seed = 7", 'fix = "127.0.0.1:\u00b2"', "venue.fix: expected a port from 0 to 65535"),
        ("seed = 7", "seed = ", "not TOML"),
        ("seed = 7", "seed = 7\n[[fault]]\nkind='gap'\nprobability=2.0", "fault[0].probability: expected 0 to 1"),
        ("seed = 7", "seed = 7\n[[fault]]\nkind='gap'\nnth=0", "fault[0].nth: expected 1 or more"),
        (
            "seed = 7",
            "seed = 7\n[[fault]]\nkind='reject'\nmsg_type='AF'",
            "fault[0].msg_type: expected D or F or G with reject, got AF",
        ),
        (
            "seed = 7",
            "seed = 7\n[[fault]]\nkind='gap'\nmsg_type='D'",
            "fault[0].msg_type: expected 8 or 9 or r with gap",
        ),
        ("seed = 7", "seed = 7\n[[fault]]\nkind='halt'\nmsg_type='D'", "fault[0].msg_type: expected none with halt"),
        ("seed = 7", "seed = 7\nmax_skew_s = -1", "venue.max_skew_s: expected 0 to 86400"),
        (
            'begin_string = "FIX.4.4"',
            'begin_string = "FIX.4.4"\ncancel_on_disconnect_tag = "9100"',
            "session[0].cancel_on_disconnect_tag: expected TAG=VALUE such as 9100=Y, got '9100'",
        ),
        ("seed = 7", DROP_COPY.format("GATEWAY", ""), "session: GATEWAY with FIX.4.4 is given twice"),
        ("seed = 7", DROP_COPY.format("DC", 'of = ["X"]'), "drop_copy[0].of: no [[session]] has client X"),
        ("seed = 7", DROP_COPY.format("DC", 'reports = "some"'), "`$.drop_copy[0].reports`"),
    ],
)
def test_error_says_where_and_what(
    tmp_path: Path, write_config: Callable[..., Path], old: str, new: str, expected: str
) -> None:
    path = write_config(tmp_path, "FIX.4.4")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize("name", ["sim-xsim.toml", "sim-ysim.toml"])
def test_shipped_configurations_are_valid(name: str) -> None:
    config = load(PACKAGE.parent / "config" / name)
    assert {i.symbol for i in config.instrument} == {"ACME", "GLOBEX", "INITECH", "DESK"}


def test_the_venue_shares_no_code_with_the_gateway_and_no_fix_engine() -> None:
    """One misreading of FIX must not sit on both sides of a test."""
    imported: set[str] = set()
    for path in PACKAGE.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                imported.add((node.module or "").partition(".")[0])
    assert "sim_exchange" in imported, "nothing was scanned"
    assert not imported & {"gateway", "quickfix"}
