"""Messages above a gap, when the venue fills the gap beyond them: they were received, so they count."""

import pytest
from structlog.testing import capture_logs

from gateway.adapters.quickfix import waiting
from gateway.core.reports import ExecutionReport, SessionUp
from tests.adapters.quickfix.conftest import Gateway, Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue, wait_until
from tests.adapters.quickfix.test_sequence import new, poss_dup


def up(venue: RawVenue, gateways: Gateways) -> Gateway:
    """A session whose venue answers no ResendRequest by itself, and numbers what it says next with 2."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.fills_gaps = False
    return gateway


def exec_ids(gateway: Gateway) -> list[str]:
    return [report.exec_id for report in gateway.bodies(ExecutionReport)]


def expects(gateway: Gateway, number: int) -> None:
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == number, f"number {number} is expected")


@pytest.mark.parametrize("gap_fill", ["123=Y\x01", ""])
def test_fills_above_a_gap_that_is_filled_beyond_them_count(gap_fill: str, venue: RawVenue, gateways: Gateways) -> None:
    gateway = up(venue, gateways)
    for number in (5, 6, 9):
        venue.send(new(f"e{number}"), number)
    assert venue.read_until("2")["7"] == "2"
    venue.send(f"35=4\x01{gap_fill}36=12\x01", 2, poss_dup())
    venue.send(new("e12"), 12)
    gateway.wait_for(ExecutionReport, 4)
    assert exec_ids(gateway) == ["e5", "e6", "e9", "e12"]
    assert [each.cause.msg_seq_num for each in gateway.facts if isinstance(each.body, ExecutionReport)] == [5, 6, 9, 12]
    expects(gateway, 13)
    venue.next_out = 13
    venue.read_all()
    assert not [each for each in venue.got if each["35"] in ("3", "j")]


def test_what_waits_may_reach_beyond_the_gap_fill(venue: RawVenue, gateways: Gateways) -> None:
    gateway = up(venue, gateways)
    for number in (4, 5, 6, 7):
        venue.send(new(f"e{number}"), number)
    venue.read_until("2")
    venue.send("35=4\x01123=Y\x0136=6\x01", 2, poss_dup())
    gateway.wait_for(ExecutionReport, 4)
    assert exec_ids(gateway) == ["e4", "e5", "e6", "e7"]
    venue.next_out = 8
    venue.read_all()
    assert not [each for each in venue.got if each["35"] in ("3", "j")]


def test_gap_fills_that_wait_themselves_lead_on(venue: RawVenue, gateways: Gateways) -> None:
    gateway = up(venue, gateways)
    venue.send(new("e4"), 4)
    venue.send("35=4\x01123=Y\x0136=20\x01", 5)
    venue.send(new("e8"), 8)
    venue.send(new("e15"), 15)
    venue.read_until("2")
    venue.send("35=4\x01123=Y\x0136=10\x01", 2, poss_dup())
    venue.send(new("e20"), 20)
    gateway.wait_for(ExecutionReport, 4)
    assert exec_ids(gateway) == ["e4", "e8", "e15", "e20"]


def test_at_the_logon_only_what_came_behind_it_is_looked_at(venue: RawVenue, gateways: Gateways) -> None:
    """A night of heartbeats costs nothing, and what the venue said at once is not lost."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.fills_gaps = False
    venue.logon(seq=5_000_000)
    assert venue.read_until("2")["7"] == "1"
    venue.send(new("live"))
    with capture_logs() as logs:
        venue.send("35=4\x01123=Y\x0136=5000002\x01", 1, poss_dup())
        gateway.wait_for(ExecutionReport)
        expects(gateway, 5_000_002)
    assert not [line for line in logs if line["log_level"] == "error"]


def test_a_gap_fill_to_any_number_is_looked_through_in_bounds(
    venue: RawVenue, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOKED_AT", 100)
    gateway = up(venue, gateways)
    venue.send(new("e90"), 90)
    venue.read_until("2")
    with capture_logs() as logs:
        venue.send("35=4\x01123=Y\x0136=900000000\x01", 2, poss_dup())
        venue.send(new("after"), 900_000_000)
        gateway.wait_for(ExecutionReport, 2)
    assert exec_ids(gateway) == ["e90", "after"]
    said = [line["event"] for line in logs if line["log_level"] == "error"]
    assert said == ["the venue goes on with number 900000000: what it sent before may be lost: compare our orders"]


@pytest.mark.parametrize("data", ["212=4\x01213=a\x01bc\x01", "90=4\x0191=a\x01=b\x01"])
def test_data_with_a_delimiter_in_the_gap_fill_changes_nothing(data: str, venue: RawVenue, gateways: Gateways) -> None:
    """XmlData(213) and SecureData(91) may be in every header, and in them any byte."""
    gateway = up(venue, gateways)
    venue.send(new("e5"), 5)
    venue.read_until("2")
    venue.send("35=4\x01123=Y\x0136=12\x01", 2, poss_dup() + data)
    expects(gateway, 12)
    assert (exec_ids(gateway), gateway.fatal) == (["e5"], [])
