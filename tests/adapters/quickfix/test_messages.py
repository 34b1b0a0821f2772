"""What a venue may send that is odd, wrong or too much; and what the link refuses to send."""

from contextlib import suppress
from decimal import Decimal

import pytest

from gateway.adapters.quickfix.facts import recordable
from gateway.codec.journal import Link, seal
from gateway.config import DialectConfig
from gateway.core.engine import execute
from gateway.core.events import Cause, Input, ReconciliationStarted, StatusRequested
from gateway.core.reports import (
    DropCopied,
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    SendRefused,
    SessionDown,
    SessionUp,
    UnexpectedMessage,
)
from gateway.core.risk.events import MassCancelSent
from gateway.core.state import Settings, State
from gateway.core.types import ExecType, OrdStatus
from tests.adapters.quickfix.conftest import Acceptors, Gateway, Gateways, venue_config, view
from tests.adapters.quickfix.peers import RawVenue, wait_until
from tests.adapters.quickfix.test_sequence import REFUSED, new, poss_dup


@pytest.fixture
def session(venue: RawVenue, gateways: Gateways) -> Gateway:
    """A gateway whose session is up."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    return gateway


def test_a_message_of_a_kind_that_is_not_ours_is_answered_and_reported(venue: RawVenue, session: Gateway) -> None:
    number = venue.send("35=B\x01148=Lunch\x0133=1\x0158=soup\x01")
    fact = session.wait_for(UnexpectedMessage)
    reject = venue.read_until("j")
    assert (reject["45"], reject["372"], reject["380"]) == (str(number), "B", "3")
    assert (fact.msg_type, fact.problem) == ("B", "MsgType(35)=B is not supported")
    assert "58=soup" in fact.raw
    assert session.input_of(fact).cause.msg_seq_num == number


def test_an_answer_leaves_when_what_it_answers_is_committed(venue: RawVenue, session: Gateway) -> None:
    """Rule 1: durable before visible."""
    session.committing = False
    venue.send("35=B\x01148=Lunch\x0133=1\x0158=soup\x01")
    fact = session.wait_for(UnexpectedMessage)
    venue.read_all()
    assert "j" not in {got["35"] for got in venue.got}
    session.commit(session.input_of(fact))
    assert venue.read_until("j")["372"] == "B"


def test_an_execution_that_lacks_what_counts_is_answered_and_kept_whole(venue: RawVenue, session: Gateway) -> None:
    venue.send("35=8\x0137=V1\x0111=g1\x0117=e1\x01150=F\x0139=1\x0131=10\x01")
    fact = session.wait_for(UnexpectedMessage)
    reject = venue.read_until("j")
    assert (reject["380"], reject["379"], reject["58"]) == ("5", "e1", "LastQty(32) is missing")
    assert "|17=e1|" in fact.raw


@pytest.mark.parametrize(
    ("oddity", "problem"),
    [
        ("11=g1\x0111=g2", "refused by the session layer: Tag appears more than once (tag 11)"),
        ("150=0\x01150=F", "refused by the session layer: Tag appears more than once (tag 150)"),
    ],
)
def test_a_repeated_tag_is_refused_by_the_session_layer_and_reported(
    oddity: str, problem: str, venue: RawVenue, session: Gateway
) -> None:
    number = venue.send(f"35=8\x0137=V1\x0117=e1\x0139=0\x01{oddity}\x01")
    assert venue.read_until("3")["45"] == str(number)
    fact = session.wait_for(UnexpectedMessage)
    assert fact.problem == problem
    assert session.input_of(fact).cause.msg_seq_num == number
    venue.send(new("e2"))
    session.wait_for(ExecutionReport)


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_a_report_that_is_odd_but_can_be_understood_is_understood(begin_string: str, gateways: Gateways) -> None:
    venue = RawVenue(begin_string)
    gateway = gateways(venue_config(venue.port, begin_string)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    transaction = "20=0\x01" if begin_string == "FIX.4.2" else ""
    # A reason that is in no list, no OrderID, no AvgPx, an empty field, tags out of order, one of the venue's own, a
    # group, Latin-1.
    venue.send(
        f"35=8\x0158=caf\xe9\x0111=g1\x01{transaction}150=8\x0139=8\x01103=4711\x0117=e1\x01207=\x01"
        "9999=what\x01382=2\x01375=A\x01375=B\x0121=Q\x01"
    )
    report = gateway.wait_for(ExecutionReport)
    assert (report.exec_type, report.ord_rej_reason, report.text) == (ExecType.REJECTED, "4711", "café")
    gateway.link.stop()
    venue.close()


def sealed(given: Input) -> bytes:
    """What the journal writes of a fact."""
    records = execute(State(), Settings(instruments={}, venues=("XSIM",)), given)
    return seal(Link(), 1, records).records


@pytest.mark.parametrize(
    ("body", "kind", "shown"),
    [
        ("35=5\x0158=session termin\xe9e\x01", SessionDown, "session terminée"),
        ("35=\xe9\x0158=x\x01", UnexpectedMessage, "refused by the session layer: Invalid MsgType"),
        ("35=B\x01148=caf\xe9\x0133=1\x0158=soup\x01", UnexpectedMessage, "|148=caf?|"),
    ],
)
def test_what_is_no_utf_8_can_be_journaled(
    body: str, kind: type, shown: str, venue: RawVenue, session: Gateway
) -> None:
    venue.send(body)
    fact = session.wait_for(kind)
    assert shown in (fact.text if kind is SessionDown else fact.problem + fact.raw)
    assert sealed(session.input_of(fact))
    assert not session.fatal


@pytest.mark.parametrize(
    "body", ["35=9\x0137=V1\x0111=g1\x0141=g0\x0139=0\x01434=1\x0158=refus\xe9\x01", "35=r\x01531=7\x0158=\xe9\x01"]
)
def test_what_is_no_utf_8_on_a_drop_copy_can_be_journaled(body: str, venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port), copies="XVEN").start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.send(body)
    fact = gateway.wait_for(UnexpectedMessage)
    assert "no copy of an execution" in fact.problem
    assert sealed(gateway.input_of(fact))


@pytest.mark.parametrize("clock", ["00010101-00:00:00", "99991231-23:59:59.999"])
def test_a_time_that_64_bits_cannot_hold_can_be_journaled(clock: str, venue: RawVenue, session: Gateway) -> None:
    venue.send(f"35=8\x0137=V1\x0111=g1\x0117=e1\x01150=0\x0139=0\x0160={clock}\x01")
    fact = session.wait_for(ExecutionReport)
    assert (fact.exec_id, fact.transact_time_ns) == ("e1", None)
    assert sealed(session.input_of(fact))


def test_no_fact_leaves_a_link_that_the_journal_cannot_hold() -> None:
    """The second line, should a text of a venue's be taken over as it came."""
    copy = DropCopied("XSIM", ExecutionReport("XVEN", ExecType.NEW, OrdStatus.NEW, text="caf\udce9"))
    for fact in (SessionDown("XSIM", "termin\udce9e"), copy):
        given = recordable(Input(1, Cause("venue", "XSIM", 2), fact))
        assert sealed(given)
        assert given.cause.msg_seq_num == 2
    assert given.body == DropCopied("XSIM", ExecutionReport("XVEN", ExecType.NEW, OrdStatus.NEW, text="caf?"))


@pytest.mark.parametrize("number", ["\xc2\xb2", "x", "9" * 30, "999999"])
def test_a_heartbeat_with_an_odd_number_proves_nothing(number: str, venue: RawVenue, session: Gateway) -> None:
    venue.send(f"35=0\x01112=GW-1-{number}\x01")
    venue.send(new("e3"))
    session.wait_for(ExecutionReport)
    assert session.link._wire.confirmed == 0
    assert not session.fatal


def test_bytes_that_are_no_fix_do_not_hurt_and_a_broken_message_is_asked_for_again(
    venue: RawVenue, session: Gateway
) -> None:
    venue.fills_gaps = False
    whole = venue.message(new("e1"), 2, "")
    venue.send_bytes(b"\x00\xff no fix \x01=\x01" + whole[:-4] + b"999\x01")
    venue.send(new("e2"), 3)
    assert venue.read_until("2")["7"] == "2"
    venue.send(new("e1"), 2, poss_dup())
    venue.send(new("e2"), 3, poss_dup())
    session.wait_for(ExecutionReport, 2)
    assert [report.exec_id for report in session.bodies(ExecutionReport)] == ["e1", "e2"]
    assert not session.fatal


def test_a_disconnect_in_the_middle_of_a_message(venue: RawVenue, session: Gateway) -> None:
    venue.send_bytes(venue.message(new("e1"), 2, "")[:40])
    venue.drop()
    session.wait_for(SessionDown)
    venue.logon()
    session.wait_for(SessionUp, 2)
    venue.read_until("2")
    venue.send(new("e2"))
    assert session.wait_for(ExecutionReport).exec_id == "e2"


def test_a_wrong_clock_loses_no_report(venue: RawVenue, session: Gateway) -> None:
    whole = venue.message(new("e1"), 2, "").decode("latin-1")
    hour = whole[whole.index("\x0152=") + 4 :].split("\x01")[0]
    wrong = whole[: whole.index("\x0110=") + 1].replace(hour, "20200101-00:00:00.000")
    venue.send_bytes(wrong.encode() + f"10={sum(wrong.encode()) % 256:03d}\x01".encode())
    assert session.wait_for(ExecutionReport).exec_id == "e1"


def test_a_half_open_connection_is_noticed(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port, heart_bt_int_s=1)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    # The venue says nothing more: it is asked, and when it is silent still the connection is given up.
    venue.read_until("1")
    assert gateway.wait_for(SessionDown).text == "disconnected"


def test_a_reject_of_our_message_names_the_request(venue: RawVenue, session: Gateway) -> None:
    session.order("g1")
    number = venue.read_until("D")["34"]
    venue.send(f"35=3\x0145={number}\x01371=44\x01372=D\x01373=6\x0158=bad price\x01")
    first = session.wait_for(MessageRejected)
    assert (first.ref_cl_ord_id, first.reject_reason, first.text) == ("g1", "6", "bad price (tag 44)")
    venue.send(f"35=j\x0145={number}\x01372=D\x01380=4\x0158=closed\x01")
    second = session.wait_for(MessageRejected, 2)
    assert (second.ref_cl_ord_id, second.ref_seq_num, second.reject_reason) == ("g1", int(number), "4")
    # A reject is never answered with a reject.
    venue.send("35=1\x01112=still there\x01")
    assert venue.read()["112"] == "still there"


def test_when_the_inbox_is_full_the_venue_waits_and_nothing_is_lost(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port), inbox_limit=3).start()
    venue.logon()
    for number in range(50):
        venue.send(new(f"e{number}"))
    wait_until(lambda: len(gateway.link._inbox) >= 3, "the inbox is full")
    assert len(gateway.link._inbox) <= 4
    gateway.wait_for(ExecutionReport, 50)
    assert [report.exec_id for report in gateway.bodies(ExecutionReport)] == [f"e{number}" for number in range(50)]


def test_refused_messages_over_the_limit_end_the_connection_and_come_again(venue: RawVenue, gateways: Gateways) -> None:
    """Where QuickFIX refuses a message it cannot be made to wait."""
    gateway = gateways(venue_config(venue.port), inbox_limit=10).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.fills_gaps = False
    gateway.committing = False
    with suppress(OSError):  # It may be cut before the last one.
        for number in range(2, 102):
            venue.send(REFUSED, number)
    wait_until(lambda: not gateway.link._wire.connected, "the connection is cut")
    assert gateway.link.queued <= 11
    assert "that the session layer refuses" in gateway.wait_for(SessionDown).text
    told = [given.cause.msg_seq_num for given in gateway.facts if isinstance(given.body, UnexpectedMessage)]
    assert told == list(range(2, 12))
    for given in gateway.facts:
        gateway.commit(given)

    gateway.committing = True
    venue.logon(seq=102)
    assert venue.read_until("2")["7"] == "12"
    for number in range(12, 102):
        venue.send(REFUSED, number, poss_dup())
        wait_until(lambda n=number: gateway.link.status().next_target_msg_seq_num > n, "it is refused")
        gateway.turn()
    told = [given.cause.msg_seq_num for given in gateway.facts if isinstance(given.body, UnexpectedMessage)]
    assert told == list(range(2, 102))


def test_a_full_inbox_does_not_keep_the_link_from_stopping(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port), inbox_limit=1).start()
    venue.logon()
    for number in range(10):
        venue.send(new(f"e{number}"))
    wait_until(lambda: len(gateway.link._inbox) >= 1, "the inbox is full")
    gateway.link.stop()
    kept = [given.cause.msg_seq_num for given in gateway.link.drain(100) if isinstance(given.body, ExecutionReport)]
    # What it kept is without a gap, so that the journal's number says what has to come again.
    assert kept == list(range(2, 2 + len(kept)))


def test_a_venue_that_does_not_read_is_not_sent_more_than_the_limit(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port), unconfirmed_limit=8).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    for number in range(10):
        gateway.order(f"g{number}")
    assert [refused.venue_cl_ord_id for refused in gateway.bodies(SendRefused)] == ["g8", "g9"]
    assert "has not read the last 8 messages" in gateway.bodies(SendRefused)[0].text

    while True:
        probe = venue.read_until("1")["112"]
        venue.send(f"35=0\x01112={probe}\x01")
        if probe.endswith("-8"):
            break
    wait_until(lambda: gateway.link._wire.confirmed == 8, "the heartbeat arrived")
    gateway.order("g10")
    assert venue.read_until("D")["11"] == "g10"


def test_a_venue_that_does_not_read_is_not_answered_without_end(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port), unconfirmed_limit=8).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    for _ in range(20):
        venue.send("35=B\x01148=Lunch\x0133=1\x0158=soup\x01")
    gateway.wait_for(UnexpectedMessage, 20)
    venue.read_all()
    assert sum(got["35"] == "j" for got in venue.got) == 8


def test_a_venue_that_lost_every_test_request_is_asked_again(venue: RawVenue, gateways: Gateways) -> None:
    """It asks for what it lost, and gets a gap fill for them: no answer would ever come."""
    now = [1_000.0]
    gateway = gateways(venue_config(venue.port), unconfirmed_limit=8, monotonic=lambda: now[0]).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    for number in range(9):
        gateway.order(f"g{number}")
    gateway.wait_for(SendRefused)
    while venue.read_until("1")["112"] != "GW-1-8":
        pass
    now[0] += 5
    assert venue.read()["112"] == "GW-1-8"
    venue.send("35=0\x01112=GW-1-8\x01")
    wait_until(lambda: gateway.link._wire.confirmed == 8, "the heartbeat arrived")
    gateway.order("g9")
    assert venue.read_until("D")["11"] == "g9"


def test_an_order_that_lacks_what_the_venue_asks_for_is_not_sent(venue: RawVenue, gateways: Gateways) -> None:
    config = venue_config(venue.port, dialect=DialectConfig(required={"D": (1, 9702)}, add={"D": {"9701": "GW"}}))
    gateway = gateways(config).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1", account="")
    assert gateway.wait_for(SendRefused).text == "XSIM requires tag 1, tag 9702"
    gateway.order("g2", symbol="NOPE")
    assert gateway.wait_for(SendRefused, 2).text == "Symbol(55): NOPE is not traded at XSIM"
    gateway.order("g3", exec_inst="1\x0110=000")
    assert "tag 18 has a character that FIX does not allow" in gateway.wait_for(SendRefused, 3).text
    assert gateway.link.status().send_refusals == 3


def test_a_status_request_that_cannot_be_sent_is_told_and_is_no_proof_about_its_order(gateways: Gateways) -> None:
    gateway = gateways(venue_config(1)).start()
    gateway.act(StatusRequested("1", "XSIM", "g1", "in doubt"), view())
    refused = gateway.wait_for(MessageRejected)
    assert refused == MessageRejected("XSIM", "H", "g1", text="the FIX session is not logged on")
    assert gateway.input_of(refused).cause == Cause("venue", "XSIM")
    assert gateway.bodies(SendRefused) == []
    assert gateway.link.send_refusals == 1


@pytest.mark.parametrize("begin_string", ["FIX.4.4", "FIXT.1.1"])
def test_all_orders_are_asked_for_at_once(begin_string: str, acceptors: Acceptors, gateways: Gateways) -> None:
    acceptor, port = acceptors(begin_string)
    gateway = gateways(venue_config(port, begin_string)).start()
    gateway.wait_for(SessionUp)
    gateway.act(ReconciliationStarted("XSIM", 1, "each", "logon", 2))
    gateway.act(ReconciliationStarted("XSIM", 2, "mass", "logon", 2, "M2"))
    (asked,) = wait_until(lambda: acceptor.app, "the request")
    assert (asked["35"], asked["584"], asked["585"]) == ("AF", "M2", "7")
    assert not [m for m in acceptor.admin if m["35"] in ("3", "j")]

    acceptor.send(
        "35=8\x0137=V1\x0111=g1\x0117=0\x01150=I\x0139=0\x0155=ACM.N\x0154=1\x0138=9\x01151=9\x0114=0\x016=0\x01"
        "584=M2\x01911=2\x01912=N\x01"
    )
    acceptor.send(
        "35=8\x0137=V2\x0111=g2\x0117=0\x01150=I\x0139=0\x0155=ACM.N\x0154=1\x0138=9\x01151=9\x0114=0\x016=0\x01"
        "584=M2\x01911=2\x01912=Y\x01"
    )
    reports = [gateway.wait_for(ExecutionReport, count) for count in (1, 2)]
    assert [(r.mass_status_req_id, r.tot_num_reports, r.last_rpt_requested) for r in reports] == [
        ("M2", 2, False),
        ("M2", 2, True),
    ]


def test_a_venue_that_refuses_to_tell_of_all_orders_is_understood(venue: RawVenue, session: Gateway) -> None:
    session.act(ReconciliationStarted("XSIM", 1, "mass", "logon", 2, "M1"))
    number = venue.read_until("AF")["34"]
    venue.send(f"35=j\x0145={number}\x01372=AF\x01380=3\x0158=no such thing\x01379=M1\x01")
    venue.send(f"35=j\x0145={number}\x01380=3\x01")
    venue.send(f"35=3\x0145={number}\x01373=11\x01")
    for count in (1, 2, 3):
        refused = session.wait_for(MessageRejected, count)
        assert (refused.ref_msg_type, refused.ref_cl_ord_id) == ("AF", "M1")


@pytest.mark.parametrize(
    ("begin_string", "text"),
    [
        ("FIX.4.4", "the FIX session is not logged on"),
        ("FIX.4.2", "FIX 4.2 has no OrderMassStatusRequest(35=AF)"),
    ],
)
def test_a_question_about_all_orders_that_cannot_be_sent_comes_back(
    begin_string: str, text: str, gateways: Gateways
) -> None:
    gateway = gateways(venue_config(1, begin_string)).start()
    gateway.act(ReconciliationStarted("XSIM", 1, "mass", "logon", 2, "M1"))
    refused = gateway.wait_for(MessageRejected)
    assert refused == MessageRejected("XSIM", "AF", "M1", text=text)
    assert gateway.input_of(refused).cause.msg_seq_num is None


@pytest.mark.parametrize("begin_string", ["FIX.4.4", "FIXT.1.1"])
def test_all_orders_are_canceled_at_once(begin_string: str, acceptors: Acceptors, gateways: Gateways) -> None:
    acceptor, port = acceptors(begin_string)
    gateway = gateways(venue_config(port, begin_string)).start()
    gateway.wait_for(SessionUp)
    gateway.act(MassCancelSent("XOTHER", "g8", "firm"))
    gateway.act(MassCancelSent("XSIM", "g9", "firm"))
    (asked,) = wait_until(lambda: acceptor.app, "the request")
    assert (asked["35"], asked["11"], asked["530"]) == ("q", "g9", "7")
    assert not [m for m in acceptor.admin if m["35"] in ("3", "j")]

    # One answer is yes, the other no.
    named = "35=r\x0111=g9\x0137=M1\x01" + ("1369=R1\x01" if begin_string == "FIXT.1.1" else "")
    acceptor.send(f"{named}530=7\x01531=7\x01533=500\x0160=20260102-03:04:05.678\x01")
    acceptor.send(f"{named}530=7\x01531=0\x01532=99\x0158=not now\x01")
    reports = [gateway.wait_for(MassCancelReport, count) for count in (1, 2)]
    assert reports == [
        MassCancelReport("XSIM", "g9", accepted=True, total_affected=500),
        MassCancelReport("XSIM", "g9", accepted=False, reject_reason="99", text="not now"),
    ]
    assert [gateway.input_of(each).cause for each in reports] == [Cause("venue", "XSIM", n) for n in (2, 3)]
    assert not [m for m in acceptor.admin if m["35"] in ("3", "j")]
    assert gateway.bodies(UnexpectedMessage) == []


@pytest.mark.parametrize(("begin_string", "tag"), [("FIX.4.4", "41"), ("FIXT.1.1", "41"), ("FIXT.1.1", "1824")])
def test_a_venue_that_lists_the_orders_of_a_mass_cancel_is_understood(
    begin_string: str, tag: str, gateways: Gateways
) -> None:
    venue = RawVenue(begin_string)
    gateway = gateways(venue_config(venue.port, begin_string)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    orders = f"534=2\x01{tag}=g1\x01535=V1\x01{tag}=g2\x01535=V2\x01"
    venue.send(f"35=r\x0111=g9\x0137=M1\x011369=R1\x01530=7\x01531=7\x01533=2\x01{orders}9100=own\x01")
    assert gateway.wait_for(MassCancelReport) == MassCancelReport("XSIM", "g9", accepted=True, total_affected=2)
    gateway.link.stop()
    venue.close()


def test_a_venue_that_refuses_to_cancel_all_orders_is_understood(venue: RawVenue, session: Gateway) -> None:
    session.act(MassCancelSent("XSIM", "g9", "firm"))
    number = venue.read_until("q")["34"]
    venue.send(f"35=j\x0145={number}\x01372=q\x01380=3\x0158=no such thing\x01379=g9\x01")
    venue.send(f"35=j\x0145={number}\x01380=3\x01")
    venue.send(f"35=3\x0145={number}\x01373=11\x01")
    for count in (1, 2, 3):
        refused = session.wait_for(MessageRejected, count)
        assert (refused.ref_msg_type, refused.ref_cl_ord_id) == ("q", "g9")


@pytest.mark.parametrize(
    ("begin_string", "text"),
    [
        ("FIX.4.4", "the FIX session is not logged on"),
        ("FIX.4.2", "FIX 4.2 has no OrderMassCancelRequest(35=q)"),
    ],
)
def test_a_mass_cancel_that_cannot_be_sent_comes_back(begin_string: str, text: str, gateways: Gateways) -> None:
    gateway = gateways(venue_config(1, begin_string)).start()
    gateway.act(MassCancelSent("XSIM", "g9", "firm"))
    assert gateway.wait_for(SendRefused) == SendRefused("XSIM", "g9", text)


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_a_logon_has_the_tags_of_its_dialect_each_time(begin_string: str, gateways: Gateways) -> None:
    """How a venue is asked to cancel our orders when the connection ends."""
    venue = RawVenue(begin_string)
    config = venue_config(venue.port, begin_string, dialect=DialectConfig(add={"A": {"9100": "Y", "9101": "D"}}))
    gateway = gateways(config).start()
    for connection in (1, 2):
        logon = venue.logon()
        gateway.wait_for(SessionUp, connection)
        assert (logon["9100"], logon["9101"], logon["108"]) == ("Y", "D", "30")
        venue.drop()
    gateway.wait_for(SessionDown, 2)
    venue.close()


def test_records_of_other_venues_are_not_ours(venue: RawVenue, session: Gateway) -> None:
    session.act(StatusRequested("1", "XOTHER", "g1", "in doubt"), view(venue="XOTHER"))
    session.order("g2")
    assert venue.read()["11"] == "g2"


def test_prices_and_quantities_arrive_exactly(venue: RawVenue, session: Gateway) -> None:
    venue.send("35=8\x0111=g1\x0117=e1\x01150=F\x0139=1\x0131=0.1000000003\x0132=123456789012345\x0114=0\x01151=0\x01")
    report = session.wait_for(ExecutionReport)
    assert (report.last_px, report.last_qty) == (Decimal("0.1000000003"), Decimal(123456789012345))
