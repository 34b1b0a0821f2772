"""A drop-copy session: inbound only, with a number of its own in the journal, and copies that are never taken for
reports.
"""

from decimal import Decimal
from pathlib import Path

import msgspec

from gateway.adapters.quickfix import links_of
from gateway.adapters.quickfix.links import drop_copy_session
from gateway.config import Config, RiskConfig
from gateway.config.sections import ClientConfig, DropCopyConfig, InstrumentConfig
from gateway.core.events import OrderRouted, ReconciliationStarted, SessionAdministered
from gateway.core.reports import DropCopied, MessageRejected, SessionDown, SessionUp, UnexpectedMessage
from gateway.core.types import ExecType
from gateway.runtime.ports import Known
from tests.adapters.quickfix.conftest import Gateway, Gateways, venue_config, view
from tests.adapters.quickfix.peers import RawVenue, utc
from tests.adapters.quickfix.test_sequence import poss_dup

FILL = (
    "35=8\x0137=V1\x0111=g1\x0117={}\x0155=ACM.N\x0154=1\x0138=100\x01150=F\x0139=1\x0132=40\x0131=10.25\x01151=60\x01"
    "14=40\x016=10.25\x0160=" + utc() + "\x01"
)


def drop_copy(venue: RawVenue) -> DropCopyConfig:
    venue.target = "GWDROP"
    return DropCopyConfig("127.0.0.1", venue.port, "GWDROP", "VENUE")


def up(venue: RawVenue, gateways: Gateways) -> Gateway:
    config = drop_copy_session(venue_config(venue.port), drop_copy(venue))
    gateway = gateways(config, copies="XSIM").start()
    venue.logon()
    assert gateway.wait_for(SessionUp).venue == "XSIM.DROP"
    return gateway


def test_an_execution_is_a_copy_with_the_number_of_its_own_session(venue: RawVenue, gateways: Gateways) -> None:
    gateway = up(venue, gateways)
    number = venue.send(FILL.format("e1"))
    copy = gateway.wait_for(DropCopied)
    assert (copy.session, copy.report.venue, copy.report.exec_id) == ("XSIM.DROP", "XSIM", "e1")
    assert (copy.report.exec_type, copy.report.last_qty) == (ExecType.TRADE, Decimal(40))
    cause = gateway.input_of(copy).cause
    assert (cause.kind, cause.who, cause.msg_seq_num) == ("venue", "XSIM.DROP", number)


def test_a_copy_that_was_not_committed_comes_again(venue: RawVenue, gateways: Gateways) -> None:
    gateway = up(venue, gateways)
    venue.send(FILL.format("e1"))
    gateway.wait_for(DropCopied)
    gateway.committing = False
    venue.fills_gaps = False
    number = venue.send(FILL.format("e2"))
    gateway.wait_for(DropCopied, 2)
    venue.drop()
    gateway.committing = True
    venue.logon()
    assert venue.read_until("2")["7"] == str(number)
    venue.send(FILL.format("e2"), number, poss_dup())
    assert gateway.wait_for(DropCopied, 3).report.poss_dup


def test_nothing_is_sent_and_nothing_but_a_copy_touches_an_order(venue: RawVenue, gateways: Gateways) -> None:
    gateway = up(venue, gateways)
    gateway.act(OrderRouted("1", "XSIM", "g1"), view())
    gateway.act(ReconciliationStarted("XSIM", 1, "mass", "logon", 1, "M1"))
    venue.send("35=9\x0137=V1\x0111=g3\x0141=g2\x0139=1\x01434=1\x01102=0\x01")
    venue.send("35=r\x0111=g9\x0137=M1\x01530=7\x01531=7\x01")
    venue.send("35=B\x01148=Lunch\x0133=1\x0158=soup\x01")
    venue.send("35=j\x0145=1\x01372=D\x01380=4\x01379=g1\x01")
    assert [fact.msg_type for fact in (gateway.wait_for(UnexpectedMessage, n) for n in (1, 2, 3))] == ["9", "r", "B"]
    assert {fact.venue for fact in gateway.bodies(UnexpectedMessage)} == {"XSIM.DROP"}
    rejected = gateway.wait_for(MessageRejected)
    assert (rejected.venue, rejected.ref_cl_ord_id) == ("XSIM.DROP", "")
    venue.send("35=1\x01112=still there\x01")
    answer = venue.read()
    assert (answer["35"], answer["112"]) == ("0", "still there")


def test_an_operator_administers_it_by_its_own_name(venue: RawVenue, gateways: Gateways) -> None:
    gateway = up(venue, gateways)
    gateway.act(SessionAdministered("olga", "XSIM", "logout", "the other one"))
    gateway.act(SessionAdministered("olga", "XSIM.DROP", "logout", "maintenance"))
    venue.read_until("5")
    venue.send("35=5\x01")
    assert gateway.wait_for(SessionDown).venue == "XSIM.DROP"
    assert not gateway.link.status().enabled


def test_both_sessions_of_a_venue_live_side_by_side(venue: RawVenue, tmp_path: Path) -> None:
    """Also with one address for both: each has its store, its socket and its numbers."""
    order_venue = RawVenue()
    name = {"config": venue_config(order_venue.port, drop_copy=drop_copy(venue))}
    config = Config(
        "test",
        str(tmp_path),
        (ClientConfig("alice"),),
        (name["config"],),
        (InstrumentConfig("ACME", {"XSIM": "ACM.N"}, Decimal("0.01"), Decimal(1), "USD"),),
        RiskConfig("USD", ()),
    )
    links = links_of(config, wake=lambda: None, now_ns=lambda: 1, fatal=lambda _error: None)
    assert list(links) == ["XSIM", "XSIM.DROP"]
    try:
        for link in links.values():
            link.start(Known())
        order_venue.logon()
        venue.logon()
        facts = [link.status().sender_comp_id for link in links.values()]
        assert facts == ["GW", "GWDROP"]
        assert {path.name for path in (tmp_path / "fix").iterdir()} == {"XSIM", "XSIM.DROP", "dictionaries"}
        assert links["XSIM"]._mark != links["XSIM.DROP"]._mark
    finally:
        order_venue.close()
        venue.close()
        for link in links.values():
            link.stop()


def test_a_drop_copy_is_as_its_venue_in_all_that_it_does_not_say() -> None:
    venue = venue_config(1, "FIX.4.2", heart_bt_int_s=7)
    copy = drop_copy_session(venue, DropCopyConfig("drop.example", 9, "A", "B", "u", "p"))
    same = msgspec.structs.asdict(venue) | {
        "name": "XSIM.DROP", "host": "drop.example", "port": 9, "sender_comp_id": "A", "target_comp_id": "B",
        "username": "u", "password": "p", "drop_copy": None,
    }  # fmt: skip
    assert msgspec.structs.asdict(copy) == same
