# ruff: noqa: E501  # Messages are compared whole, as people read them.
"""What does not fit together in a configuration is found, all of it at once, and named."""

import shutil
from pathlib import Path

import pytest

from gateway import resources
from gateway.config import ConfigError, load
from ops.limits import AMPLE_RISK

VENUE = """
[[venues]]
name = "{name}"
begin_string = "FIX.4.4"
host = "127.0.0.1"
port = {port}
sender_comp_id = "{sender}"
target_comp_id = "{name}"
"""
INSTRUMENT = """
[[instruments]]
symbol = "{symbol}"
venue_symbols = {venues}
tick_size = 0.01
lot_size = 1
currency = "USD"
"""
TOP = 'stack = "t"\ndata_dir = "{data}"\n'
CLIENT = '[[clients]]\nid = "demo"\naccounts = ["ACC1", "ACC2"]\n'
XSIM = VENUE.format(name="XSIM", port=9001, sender="GW")
ACME = INSTRUMENT.format(symbol="ACME", venues='{ XSIM = "ACME" }')
SESSION = '[[trading_sessions]]\nname = "day"\ntime_zone = "Europe/Berlin"\nopen = "09:00"\nclose = "17:30"\n'


def problems(folder: Path, *parts: str, data: str = "data") -> list[str]:
    path = folder / "gateway.toml"
    path.write_text(TOP.format(data=data) + AMPLE_RISK + "".join(parts), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return [line.removeprefix(f"{path}: ") for line in caught.value.problems]


def test_names_are_unique(tmp_path: Path) -> None:
    found = problems(
        tmp_path, CLIENT, CLIENT, XSIM, VENUE.format(name="XSIM", port=9002, sender="G2"), ACME, ACME, SESSION, SESSION
    )

    assert found == [
        'clients[1].id (demo): found "demo" a second time, expected each only once; first at clients[0].id',
        'venues[1].name (XSIM): found "XSIM" a second time, expected each only once; first at venues[0].name',
        'instruments[1].symbol (ACME): found "ACME" a second time, expected each only once; first at instruments[0].symbol',
        'trading_sessions[1].name (day): found "day" a second time, expected each only once; first at trading_sessions[0].name',
    ]


@pytest.mark.parametrize("name", [".", "..", "dictionaries"])
def test_a_venues_name_is_that_of_a_folder_of_its_own(tmp_path: Path, name: str) -> None:
    """The stores of two sessions would stand in one another, or in the data directory itself."""
    venue = VENUE.format(name=name, port=9001, sender="GW")
    instrument = INSTRUMENT.format(symbol="ACME", venues=f'{{ "{name}" = "ACME" }}')
    expected = f'found "{name}", expected another name: a folder is named after the venue'
    assert problems(tmp_path, CLIENT, venue, instrument) == [f"venues[0].name ({name}): {expected}"]


def test_accounts_of_a_client_are_unique_and_a_trader_has_one(tmp_path: Path) -> None:
    twice = '[[clients]]\nid = "a"\naccounts = ["ACC1", "ACC1"]\n'
    none = '[[clients]]\nid = "b"\n'

    assert problems(tmp_path, twice, none, XSIM, ACME) == [
        'clients[0].accounts[1] (a): found "ACC1" a second time, expected each only once; first at clients[0].accounts[0]',
        "clients[1].accounts (b): found none, expected at least one account for a trader; the first is its default",
    ]


def test_an_instrument_knows_only_configured_venues_and_sessions(tmp_path: Path) -> None:
    item = (
        INSTRUMENT.format(symbol="ACME", venues='{ XSIN = "ACME" }')
        + 'primary_venue = "XSIM"\ntrading_session = "night"\n'
    )

    assert problems(tmp_path, CLIENT, XSIM, item, SESSION) == [
        'instruments[0].venue_symbols.XSIN (ACME): found "XSIN", expected a configured venue (XSIM); did you mean "XSIM"?',
        'instruments[0].primary_venue (ACME): found "XSIM", expected one of its venue_symbols (XSIN); did you mean "XSIN"?',
        'instruments[0].trading_session (ACME): found "night", expected a configured trading session (day)',
    ]


def test_a_symbol_at_a_venue_names_one_instrument(tmp_path: Path) -> None:
    other = INSTRUMENT.format(symbol="GLOBEX", venues='{ XSIM = "ACME" }')

    assert problems(tmp_path, CLIENT, XSIM, ACME, other) == [
        'instruments[1].venue_symbols.XSIM (GLOBEX): found "ACME", which ACME has at XSIM already, expected another Symbol(55)'
    ]


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../Berlin", "Europe"])
def test_a_time_zone_exists(tmp_path: Path, zone: str) -> None:
    (line,) = problems(tmp_path, CLIENT, XSIM, ACME, SESSION.replace("Europe/Berlin", zone))

    start = f'trading_sessions[0].time_zone (day): found "{zone}", expected an IANA time zone such as "Europe/Berlin"'
    assert line.startswith(start)
    assert (zone != "Europe/Berln") or line.endswith('did you mean "Europe/Berlin"?')


def test_a_call_of_an_auction_takes_some_time(tmp_path: Path) -> None:
    calls = 'auctions = [{ begin = "08:50", end = "09:00" }, { begin = "17:30", end = "17:30" }]\n'
    assert problems(tmp_path, CLIENT, XSIM, ACME, SESSION + calls) == [
        'trading_sessions[0].auctions[1].end (day): found "17:30", expected another time than its begin'
    ]


@pytest.mark.parametrize("text", ["9:00", "24:00", "09:60", "09:00:60", "noon", "09:00Z", "09"])
def test_a_time_of_day_is_hours_and_minutes(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, CLIENT, XSIM, ACME, SESSION.replace("09:00", text)) == [
        f'trading_sessions[0].open (day): found "{text}", expected a time of day as text: "HH:MM" or "HH:MM:SS"'
    ]


def test_a_schedule_has_a_known_zone_and_both_days_or_none(tmp_path: Path) -> None:
    schedule = 'schedule = { start = "08:00", end = "18:00", time_zone = "Mars", start_day = "mon" }\n'

    assert problems(tmp_path, CLIENT, XSIM + schedule, ACME) == [
        'venues[0].schedule.time_zone (XSIM): found "Mars", expected an IANA time zone such as "Europe/Berlin"',
        "venues[0].schedule (XSIM): found one of start_day and end_day, expected both (a weekly session) or none (a daily one)",
    ]


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        (
            {"port = 9001": "port = 9002"},
            True,
        ),  # The engine knows a session by version and CompIDs, whatever the address.
        ({'"FIX.4.4"': '"FIX.4.2"'}, True),  # The listener tells sessions apart by CompIDs alone.
        ({'"FIX.4.4"': '"FIX.4.2"', "port = 9001": "port = 9002"}, False),
        ({'sender_comp_id = "GW"': 'sender_comp_id = "GW2"'}, False),
    ],
)
def test_two_venues_are_two_fix_sessions(tmp_path: Path, change: dict[str, str], taken: bool) -> None:
    second = XSIM.replace('name = "XSIM"', 'name = "YSIM"')
    for old, new in change.items():
        assert old in second
        second = second.replace(old, new)
    wrong = SESSION.replace("Europe/Berlin", "Mars")  # So that there is always something to report.

    found = problems(tmp_path, CLIENT, XSIM, second, ACME, wrong)

    expected = "venues[1].sender_comp_id (YSIM): found the same FIX session as venues[0], expected other CompIDs"
    assert (expected in found) is taken
    assert len(found) == 1 + taken


def test_a_dialect_speaks_of_messages_that_we_send(tmp_path: Path) -> None:
    dialect = 'dialect = { add = { D = { 9001 = "GW" }, "8" = { 9001 = "GW" } }, required = { X = [1] } }\n'

    assert problems(tmp_path, CLIENT, XSIM + dialect, ACME) == [
        'venues[0].dialect.add.8 (XSIM): the key has to be a MsgType(35) that we send: "A", "D", "F", "G", "H" or "q"',
        'venues[0].dialect.required.X (XSIM): the key has to be a MsgType(35) that we send: "A", "D", "F", "G", "H" or "q"',
    ]


def test_a_dialect_adds_tags_that_are_numbers_with_printable_text(tmp_path: Path) -> None:
    dialect = 'dialect = { add = { D = { abc = "x", 9001 = "a\\u0001b", 9002 = "" } }, required = { D = [0] } }\n'

    assert problems(tmp_path, CLIENT, XSIM + dialect, ACME) == [
        "venues[0].dialect.add.D.abc (XSIM): the key has to be a FIX tag number such as 9001",
        'venues[0].dialect.add.D.9001 (XSIM): found "a\\u0001b", expected 1 to 256 printable ASCII characters',
        'venues[0].dialect.add.D.9002 (XSIM): found "", expected 1 to 256 printable ASCII characters',
        "venues[0].dialect.required.D[0] (XSIM): found 0, expected a whole number from 1 to 999999999",
    ]


def test_a_dialect_adds_no_tag_that_the_gateway_writes_and_maps_known_accounts(tmp_path: Path) -> None:
    dialect = 'dialect = { add = { D = { 34 = "1", 38 = "5" } }, accounts = { ACC9 = "X" } }\n'

    assert problems(tmp_path, CLIENT, XSIM + dialect, ACME) == [
        "venues[0].dialect.add.D.34 (XSIM): the gateway itself writes this tag, expected another one",
        "venues[0].dialect.add.D.38 (XSIM): the gateway itself writes this tag, expected another one",
        'venues[0].dialect.accounts.ACC9 (XSIM): found "ACC9", expected an account of some client (ACC1, ACC2); did you mean "ACC2"?',
    ]


@pytest.mark.parametrize("tag", ["34", "98", "108", "141", "553", "554", "789", "1137"])
def test_a_dialect_adds_to_the_logon_what_the_session_does_not_write(tag: str, tmp_path: Path) -> None:
    dialect = f'dialect = {{ add = {{ A = {{ 9100 = "Y", {tag} = "1" }}, D = {{ 9001 = "GW" }} }} }}\n'

    assert problems(tmp_path, CLIENT, XSIM + dialect, ACME) == [
        f"venues[0].dialect.add.A.{tag} (XSIM): the gateway itself writes this tag, expected another one"
    ]


def test_a_dialect_speaks_of_mass_cancels_and_logons_as_they_are(tmp_path: Path) -> None:
    dialect = 'dialect = { mass_cancel = true, add = { q = { 530 = "1" } }, required = { A = [9100] } }\n'
    fix42 = XSIM.replace("FIX.4.4", "FIX.4.2")
    assert fix42 != XSIM

    assert problems(tmp_path, CLIENT, fix42 + dialect, ACME) == [
        "venues[0].dialect.add.q.530 (XSIM): the gateway itself writes this tag, expected another one",
        "venues[0].dialect.required.A (XSIM): the Logon is not held back for a tag, expected the tag in add.A",
        "venues[0].dialect.mass_cancel (XSIM): found true, expected false: FIX 4.2 has no OrderMassCancelRequest",
    ]


def test_fix_42_requires_handl_inst(tmp_path: Path) -> None:
    dialect = 'dialect = { handl_inst = "" }\n'
    found = problems(tmp_path, CLIENT, XSIM.replace("FIX.4.4", "FIX.4.2") + dialect, ACME)
    expected = 'expected "1", "2" or "3": FIX 4.2 requires HandlInst(21) of orders and replaces'
    assert found == [f'venues[0].dialect.handl_inst (XSIM): found "", {expected}']


def test_a_dictionary_has_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = tmp_path / "_data" / "fix_specs"
    specs.mkdir(parents=True)
    (specs / "FIX44.xml").touch()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path)
    dialect = 'dialect = {{ dictionary = "{}" }}\n'

    for name in ("XSIM.xml", "../fix_specs/FIX44.xml"):
        assert problems(tmp_path, CLIENT, XSIM + dialect.format(name), ACME) == [
            f'venues[0].dialect.dictionary (XSIM): there is no FIX dictionary "{name}"; there is: FIX44.xml'
        ]
    (tmp_path / "good.toml").write_text(
        TOP.format(data="d") + AMPLE_RISK + CLIENT + XSIM + dialect.format("FIX44.xml") + ACME, encoding="utf-8"
    )
    assert load(tmp_path / "good.toml", {}).venues[0].dialect.dictionary == "FIX44.xml"


def test_a_password_has_a_username(tmp_path: Path) -> None:
    assert problems(tmp_path, CLIENT, XSIM + 'password = "x"\n', ACME) == [
        "venues[0].username (XSIM): is missing, expected the Username(553) that belongs to the password"
    ]


DROP_COPY = """
[venues.drop_copy]
host = "127.0.0.1"
port = {port}
sender_comp_id = "{sender}"
target_comp_id = "XSIM"
"""


def test_a_drop_copy_is_a_fix_session_of_its_own(tmp_path: Path) -> None:
    assert problems(tmp_path, CLIENT, XSIM, DROP_COPY.format(port=9001, sender="GW"), ACME) == [
        "venues[0].drop_copy.sender_comp_id (XSIM): found the same FIX session as venues[0], expected other CompIDs"
    ]
    named = VENUE.format(name="XSIM.DROP", port=9003, sender="GW3")
    assert problems(tmp_path, CLIENT, XSIM, DROP_COPY.format(port=9001, sender="GW2"), named, ACME) == [
        'venues[0].drop_copy (XSIM): found a venue of the name "XSIM.DROP", which this drop copy has already'
    ]


def test_fix_42_has_no_mass_status_request(tmp_path: Path) -> None:
    old = XSIM.replace("FIX.4.4", "FIX.4.2") + '[venues.reconcile]\nmode = "mass"\n'
    assert problems(tmp_path, CLIENT, old, ACME) == [
        'venues[0].reconcile.mode (XSIM): found "mass", expected "each": FIX 4.2 has no OrderMassStatusRequest'
    ]


@pytest.mark.parametrize("path", ["journal.sqlite", "x/../journal.sqlite", "link.sqlite", "journal%2Esqlite"])
def test_projections_are_not_in_the_journal(tmp_path: Path, path: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.sqlite").symlink_to("journal.sqlite")
    same = f'[projections]\nurl = "sqlite:///{path}"\n'
    assert problems(tmp_path, CLIENT, XSIM, ACME, same) == [
        "projections.url: found the journal's own, expected another database: it can be dropped at any time"
    ]


def test_api_and_metrics_listen_on_different_ports(tmp_path: Path) -> None:
    assert problems(tmp_path, CLIENT, XSIM, ACME, "[api]\nport = 8000\n[metrics]\nport = 8000\n") == [
        "metrics.port: found 8000, which the API uses already, expected another port"
    ]


def test_the_unix_sockets_path_fits_into_what_the_system_takes(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, CLIENT, XSIM, ACME, data="d" * 120)

    assert line.startswith("api.unix_socket: the path /")
    assert line.endswith("bytes, expected at most 102; use a shorter data_dir")


def test_problems_of_every_kind_are_reported_together(tmp_path: Path) -> None:
    item = INSTRUMENT.format(symbol="ACME", venues='{ YSIM = "ACME" }')

    found = problems(
        tmp_path, CLIENT, CLIENT, XSIM + 'password = "x"\n', item, SESSION.replace("Europe/Berlin", "Mars")
    )

    assert [line.split(" ")[0] for line in found] == [
        "clients[1].id",
        "venues[0].username",
        "trading_sessions[0].time_zone",
        "instruments[0].venue_symbols.YSIM",
    ]


def test_a_wheel_carries_the_dictionaries_and_a_checkout_has_them_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "gateway"
    package.mkdir()
    (tmp_path / "fix_specs").mkdir()
    (tmp_path / "fix_specs" / "A.xml").touch()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.fix_spec_path("A.xml") == tmp_path / "fix_specs" / "A.xml"

    shutil.copytree(tmp_path / "fix_specs", package / "_data" / "fix_specs")
    assert resources.fix_spec_path("A.xml") == package / "_data" / "fix_specs" / "A.xml"
    with pytest.raises(FileNotFoundError, match=r"there is no FIX dictionary \"B\.xml\"; there is: A\.xml"):
        resources.fix_spec_path("B.xml")
