"""A store that cannot be written ends the process, and what only looks like one does not."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.adapters.quickfix.store import StoreError
from gateway.config import DialectConfig
from gateway.core.events import SessionAdministered
from gateway.core.reports import SessionUp
from tests.adapters.quickfix.conftest import Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue, wait_until


def test_a_message_that_cannot_be_stored_ends_the_process_and_never_left(
    venue: RawVenue, gateways: Gateways, tmp_path: Path
) -> None:
    """QuickFIX writes nothing more to a file that failed once, so that no order would leave until a restart."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    venue.read_until("D")
    with full(tmp_path / "gateway" / "XSIM" / "FIX.4.4-GW-VENUE-XSIM.body"):
        gateway.order("g2")
    (error,) = gateway.fatal
    assert isinstance(error, StoreError)
    assert str(error).startswith(f"{tmp_path}/gateway/XSIM: message 3 could not be written")
    gateway.order("g3")
    venue.drop()
    gateway.link.stop()

    after = gateways(venue_config(venue.port)).start()
    venue.logon()
    after.wait_for(SessionUp)
    after.order("g4")
    assert venue.read_until("D")["11"] == "g4"
    assert not {"g2", "g3"} & {message.get("11") for message in venue.got}


def test_a_store_that_fails_while_nothing_is_sent_ends_the_process(
    venue: RawVenue, gateways: Gateways, tmp_path: Path
) -> None:
    """Heartbeats and Logons are QuickFIX's own, and it tells nobody that they were not stored."""
    gateway = gateways(venue_config(venue.port, heart_bt_int_s=1)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    venue.read_until("D")
    with full(tmp_path / "gateway" / "XSIM" / "FIX.4.4-GW-VENUE-XSIM.body"):
        for number in range(3):
            venue.send(f"35=1\x01112=there {number}\x01")
        wait_until(lambda: gateway.fatal, "the store is found out")
    (error,) = gateway.fatal
    assert isinstance(error, StoreError)
    assert "could not be written" in str(error)


def test_an_order_whose_number_cannot_be_stored_ends_the_process_and_never_left(
    venue: RawVenue, gateways: Gateways, tmp_path: Path
) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    takes_nothing(tmp_path / "gateway" / "XSIM" / "FIX.4.4-GW-VENUE-XSIM.seqnums")
    gateway.order("g1")
    (error,) = gateway.fatal
    assert isinstance(error, StoreError)
    assert "message 2 could not be written" in str(error)
    venue.drop()
    gateway.link.stop()

    after = gateways(venue_config(venue.port)).start()
    venue.logon()
    after.wait_for(SessionUp)
    after.order("g2")
    assert venue.read_until("D")["11"] == "g2"
    assert "g1" not in {message.get("11") for message in venue.got}


def test_numbers_that_cannot_be_stored_end_the_process_where_they_are(
    venue: RawVenue, gateways: Gateways, tmp_path: Path
) -> None:
    """QuickFIX cuts the connection without a word, and its own error at the next Logon names no file."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    seqnums = tmp_path / "gateway" / "XSIM" / "FIX.4.4-GW-VENUE-XSIM.seqnums"
    takes_nothing(seqnums)
    venue.send("35=0\x01")
    (error,) = wait_until(lambda: gateway.fatal, "the store is found out")
    assert isinstance(error, StoreError)
    assert str(error).startswith(f"{seqnums} could not be written (IO Error")
    assert str(error).endswith("see that its disk works and has room, then start again")


def test_numbers_that_an_operator_sets_again_are_no_broken_store(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    for _ in range(4):
        venue.accept()
        venue.read_until("A")
        gateway.act(SessionAdministered("olga", "XSIM", "logout", "again"))
        venue.drop()
        wait_until(lambda: not gateway.link._wire.connected, "the connection is gone")
        gateway.act(SessionAdministered("olga", "XSIM", "set_sequence", "again", next_sender_msg_seq_num=500))
        gateway.act(SessionAdministered("olga", "XSIM", "logon", "again"))
    assert venue.logon()["34"] == "500"
    gateway.wait_for(SessionUp)
    assert not gateway.fatal


@pytest.mark.parametrize("target", ["GW", "OTHER"])
def test_a_venue_that_starts_over_at_each_logon_is_no_broken_store(
    target: str, venue: RawVenue, gateways: Gateways
) -> None:
    """For a Logon to somebody else QuickFIX starts over and refuses it, without a word to us."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.target = target
    for _ in range(4):
        venue.accept()
        venue.read_until("A")
        venue.next_out = 1
        venue.send("35=A\x0198=0\x01108=30\x01141=Y\x01")
        with suppress(ConnectionError):
            venue.read()
    venue.target = "GW"
    venue.logon("141=Y\x01", seq=1)
    gateway.wait_for(SessionUp)
    assert not gateway.fatal


def test_a_gateway_that_starts_over_at_each_logon_is_no_broken_store(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port, dialect=DialectConfig(add={"A": {"141": "Y"}}))).start()
    for _ in range(5):
        venue.accept()
        assert venue.read_until("A")["34"] == "1"
        venue.drop()
    venue.accept()
    venue.read_until("A")
    assert not gateway.fatal


def takes_nothing(path: Path) -> None:
    """A file of this process that fails from now on, whoever has it open."""
    with Path("/dev/full").open("r+b", buffering=0) as full_device:
        for each in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                if each.readlink() == path:
                    os.dup2(full_device.fileno(), int(each.name))


@contextmanager
def full(path: Path, room: int = 20) -> Iterator[None]:
    """A disk that has room for so many bytes more behind this file, which is the largest that is written to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
