"""Sequence numbers: the journal owns the inbound ones, no order goes out twice, and a store is never lost unnoticed."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.events import SessionAdministered
from gateway.core.reports import (
    ExecutionReport,
    MessageRejected,
    SendRefused,
    SessionDown,
    SessionUp,
    UnexpectedMessage,
)
from tests.adapters.quickfix.conftest import Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue, utc, wait_until


def new(exec_id: str, cl_ord_id: str = "g1") -> str:
    """An ExecutionReport that says New."""
    order = f"37=V1\x0111={cl_ord_id}\x0117={exec_id}\x0155=ACM.N\x0154=1\x0138=100\x01"
    return f"35=8\x01{order}150=0\x0139=0\x01151=100\x0114=0\x016=0\x0160={utc()}\x01"


def poss_dup() -> str:
    return f"43=Y\x01122={utc()}\x01"


def test_the_session_expects_what_the_journal_has_not(venue: RawVenue, gateways: Gateways) -> None:
    venue.fills_gaps = False
    gateway = gateways(venue_config(venue.port)).start(committed=5)
    venue.logon(seq=9)
    asked = venue.read_until("2")
    assert (asked["7"], asked["16"]) == ("6", "0")

    for number in (6, 7, 8):
        venue.send(new(f"e{number}"), number, poss_dup())
    venue.send("35=4\x01123=Y\x0136=10\x01", 9, poss_dup())
    gateway.wait_for(ExecutionReport, 3)
    inputs = [given for given in gateway.facts if isinstance(given.body, ExecutionReport)]
    assert [given.cause.msg_seq_num for given in inputs] == [6, 7, 8]
    assert all(given.body.poss_dup for given in inputs)
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == 10, "the gap is filled")


def test_what_was_received_and_not_committed_comes_again_after_a_reconnect(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.send(new("e2"))
    gateway.wait_for(ExecutionReport)
    gateway.committing = False
    venue.fills_gaps = False
    venue.send(new("e3"))
    venue.send(new("e4"))
    gateway.wait_for(ExecutionReport, 3)
    assert gateway.link.status().next_target_msg_seq_num == 5

    venue.drop()
    venue.logon()
    assert venue.read_until("2")["7"] == "3"


def resent(venue: RawVenue) -> str:
    """Where the next ResendRequest begins."""
    return venue.read_until("2")["7"]


def resend(venue: RawVenue, bodies: dict[int, str]) -> None:
    """What a venue answers: these messages in their places, and gap fills for all others."""
    for number in range(1, venue.next_out):
        body = bodies.get(number, f"35=4\x01123=Y\x0136={number + 1}\x01")
        venue.send(body, number, poss_dup())


@pytest.mark.parametrize("comes_again", [True, False])
def test_a_reject_above_a_gap_does_not_hide_a_fill(comes_again: bool, venue: RawVenue, gateways: Gateways) -> None:
    """Message 2, a fill, was lost on its way; the Reject comes as number 3. Engines resend a Reject, or gap-fill it."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.fills_gaps = False
    gateway.order("g1")
    reject = f"35=3\x0145={venue.read_until('D')['34']}\x01372=D\x01373=6\x0158=bad\x01"
    venue.next_out = 3
    venue.send(reject)
    told = gateway.wait_for(MessageRejected)
    assert (told.ref_cl_ord_id, told.text) == ("g1", "bad")
    assert gateway.input_of(told).cause.msg_seq_num is None
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == 2, "message 2 is expected still")

    venue.send(new("e4"))
    assert resent(venue) == "2"
    resend(venue, {2: new("e2"), 4: new("e4")} | ({3: reject} if comes_again else {}))
    gateway.wait_for(ExecutionReport, 2)
    assert [report.exec_id for report in gateway.bodies(ExecutionReport)] == ["e2", "e4"]
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == 5, "the gap is filled")
    assert len(gateway.bodies(MessageRejected)) == 1 + comes_again


def test_a_reject_before_all_else_that_a_venue_sent_hides_nothing(venue: RawVenue, gateways: Gateways) -> None:
    """Nothing is known of the session: QuickFIX expects number 1, and none is below it."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.fills_gaps = False
    venue.logon(seq=4)
    assert resent(venue) == "1"
    venue.send("35=3\x0145=2\x01373=11\x01")
    gateway.wait_for(MessageRejected)
    venue.send(new("e6"))
    assert resent(venue) == "2"
    resend(venue, {2: new("e2"), 6: new("e6")})
    gateway.wait_for(ExecutionReport, 2)
    assert [report.exec_id for report in gateway.bodies(ExecutionReport)] == ["e2", "e6"]
    assert not gateway.fatal


REFUSED = "35=8\x0137=V1\x0117=e3\x0139=0\x0111=a\x0111=b\x01150=0\x01"
"""QuickFIX refuses it for its repeated tag, before it looks at its number."""


def test_a_message_that_is_refused_above_a_gap_does_not_hide_a_fill(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.fills_gaps = False
    venue.next_out = 3
    venue.send(REFUSED)
    assert venue.read_until("3")["45"] == "3"
    venue.drop()
    gateway.wait_for(SessionDown)
    assert gateway.bodies(UnexpectedMessage) == []

    venue.logon()
    assert resent(venue) == "1"
    resend(venue, {2: new("e2"), 3: REFUSED})
    gateway.wait_for(ExecutionReport)
    refused = gateway.wait_for(UnexpectedMessage)
    assert gateway.input_of(refused).cause.msg_seq_num == 3
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == 5, "the gap is filled")
    assert len(gateway.bodies(UnexpectedMessage)) == 1


def without(tag: int, message: bytes) -> bytes:
    """A message that lacks a field of its header, and is whole otherwise."""
    head, *pieces, _ = message.decode("latin-1").split("\x01")[:-1]
    whole = "".join(f"{piece}\x01" for piece in pieces[1:] if not piece.startswith(f"{tag}="))
    text = f"{head}\x019={len(whole)}\x01{whole}".encode("latin-1")
    return text + f"10={sum(text) % 256:03d}\x01".encode()


@pytest.mark.parametrize("tag", [49, 56])
def test_a_fill_without_a_comp_id_is_reported(tag: int, venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    venue.send_bytes(without(tag, venue.message(new("e2"), 2)))
    answer = venue.read_until("j")
    assert (answer["45"], answer["372"], answer["58"]) == ("2", "8", f"Conditionally Required Field Missing ({tag})")
    refused = gateway.wait_for(UnexpectedMessage)
    assert refused.problem == f"refused by the session layer: Conditionally Required Field Missing ({tag})"
    assert refused.msg_type == "8"
    assert gateway.input_of(refused).cause.msg_seq_num == 2
    # The answer is none of our own messages: its number stands for no order.
    assert list(gateway.link._refs) == [2]
    assert gateway.link._wire.assigned == 2
    venue.next_out = 3
    venue.send(new("e3"))
    gateway.wait_for(ExecutionReport)


@pytest.mark.parametrize("number", [2, 4])
def test_a_message_without_a_comp_id_out_of_its_turn_is_not_counted(
    number: int, venue: RawVenue, gateways: Gateways
) -> None:
    """QuickFIX counts it whatever its number: the next message would be too low, or the first missing one gone."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.fills_gaps = False
    venue.send(new("e2"))
    venue.send_bytes(without(49, venue.message(new("x"), number, poss_dup())))
    assert venue.read_until("j")["45"] == str(number)
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == 3, "message 3 is expected still")
    venue.next_out = 5
    venue.send(new("e5"))
    assert resent(venue) == "3"
    resend(venue, {2: new("e2"), 3: new("e3"), 4: new("e4"), 5: new("e5")})
    gateway.wait_for(ExecutionReport, 4)
    assert [report.exec_id for report in gateway.bodies(ExecutionReport)] == ["e2", "e3", "e4", "e5"]


@pytest.mark.parametrize("gap_fill", ["", "123=Y\x01"])
def test_numbers_that_are_set_back_are_reported_and_prove_nothing(
    gap_fill: str, venue: RawVenue, gateways: Gateways
) -> None:
    """The MsgSeqNum(34) of a SequenceReset(35=4) that is no gap fill may be any."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    number = venue.send(f"35=4\x01{gap_fill}36=1\x01", 2 if gap_fill else 900)
    assert venue.read_until("3")["45"] == str(number)
    refused = gateway.wait_for(UnexpectedMessage)
    assert refused.msg_type == "4"
    assert gateway.input_of(refused).cause.msg_seq_num is None
    venue.send(new("e2"))
    gateway.wait_for(ExecutionReport)
    assert gateway.link._wire.numbers.committed == 2


@pytest.mark.parametrize(("gap_fill", "alerts"), [("", 1), ("123=N\x01", 1), ("123=Y\x01", 0)])
def test_numbers_that_the_venue_leaves_out_are_an_alert(
    gap_fill: str, alerts: int, venue: RawVenue, gateways: Gateways
) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    with capture_logs() as logs:
        venue.send(f"35=4\x01{gap_fill}36=20\x01", 2)
        venue.send(new("e20"), 20)
        gateway.wait_for(ExecutionReport)
    said = [line["event"] for line in logs if line["log_level"] == "error"]
    assert said == ["the venue goes on with number 20 and never sends 2 to 19: compare our orders"] * alerts


@pytest.mark.parametrize("gap_fill", ["", "123=Y\x01"])
@pytest.mark.parametrize("number", [2**63, 2**64 - 1])
def test_numbers_that_nobody_counts_to_are_refused(
    number: int, gap_fill: str, venue: RawVenue, gateways: Gateways
) -> None:
    """The journal has no such number: it was followed without an alert."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.send(f"35=4\x01{gap_fill}36={number}\x01", 2)
    assert venue.read_until("3")["373"] == "5"
    assert gateway.wait_for(UnexpectedMessage).msg_type == "4"
    assert gateway.link.status().next_target_msg_seq_num == 2


def test_nothing_that_was_sent_before_our_logon_is_sent_again(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    gateway.order("g2")
    assert [venue.read_until("D")["11"], venue.read_until("D")["11"]] == ["g1", "g2"]
    venue.drop()
    logon = venue.logon()
    gateway.wait_for(SessionUp, 2)

    venue.send("35=2\x017=1\x0116=0\x01")
    gap = venue.read_until("4")
    assert (gap["34"], gap["123"]) == ("1", "Y")
    assert int(gap["36"]) > int(logon["34"])
    gateway.order("g3")
    assert venue.read()["11"] == "g3"
    assert not [m for m in venue.got if m["35"] == "D" and m.get("43") == "Y"]


def test_what_was_sent_after_our_logon_is_sent_again_when_the_venue_has_a_gap(
    venue: RawVenue, gateways: Gateways
) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    first = venue.read_until("D")
    venue.drop()
    logon = venue.logon()
    gateway.wait_for(SessionUp, 2)
    gateway.order("g2")
    second = venue.read_until("D")

    venue.send(f"35=2\x017={first['34']}\x0116=0\x01")
    assert int(logon["34"]) < int(venue.read_until("4")["36"]) <= int(second["34"])
    again = venue.read_until("D")
    assert (again["11"], again["34"], again["43"]) == ("g2", second["34"], "Y")


def test_a_send_while_logged_off_is_refused_and_burns_no_number(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.accept()
    logon = venue.read_until("A")
    gateway.order("g1")
    refused = gateway.wait_for(SendRefused)
    assert (refused.venue_cl_ord_id, refused.text) == ("g1", "the FIX session is not logged on")

    venue.send("35=A\x0198=0\x01108=30\x01")
    gateway.wait_for(SessionUp)
    gateway.order("g2")
    order = venue.read_until("D")
    assert (order["11"], int(order["34"])) == ("g2", int(logon["34"]) + 1)
    # Nothing of the refused one is in the store.
    venue.send("35=2\x017=1\x0116=0\x01")
    assert venue.read_until("D")["11"] == "g2"
    assert "g1" not in {m.get("11") for m in venue.got}


def test_a_number_that_is_too_low_is_an_alert_and_no_reset(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start(committed=50)
    venue.logon(seq=3)
    logout = venue.read_until("5")
    assert "too low, expecting 51 but received 3" in logout["58"]
    assert "too low" in gateway.wait_for(SessionDown).text
    assert gateway.link.status().next_target_msg_seq_num == 51
    assert not gateway.bodies(SessionUp)
    # Held down: another attempt would use up another of the venue's numbers, until the loss is covered up.
    assert not gateway.link.status().enabled


def test_what_a_venue_numbered_anew_unheard_comes_with_the_numbers_of_an_operator(
    venue: RawVenue, gateways: Gateways
) -> None:
    """Its Logon that said so was lost, and 2 and 3 are what it reported since."""
    gateway = gateways(venue_config(venue.port)).start(committed=50)
    venue.fills_gaps = False
    venue.logon(seq=4)
    gateway.wait_for(SessionDown)
    gateway.act(SessionAdministered("olga", "XSIM", "set_sequence", "they started over", next_target_msg_seq_num=1))
    gateway.act(SessionAdministered("olga", "XSIM", "logon", "agreed by telephone"))
    venue.logon(seq=5)
    assert venue.read_until("2")["7"] == "1"

    venue.send("35=4\x01123=Y\x0136=2\x01", 1, poss_dup())
    for number in (2, 3):
        venue.send(new(f"e{number}"), number, poss_dup())
    venue.send("35=4\x01123=Y\x0136=6\x01", 4, poss_dup())
    gateway.wait_for(ExecutionReport, 2)
    told = [given for given in gateway.facts if isinstance(given.body, ExecutionReport)]
    assert [given.cause.msg_seq_num for given in told] == [2, 3]
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == 6, "the gap is filled")


def test_a_reset_by_the_venue_is_reported_and_numbers_begin_at_one(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start(committed=40)
    venue.accept()
    venue.read_until("A")
    venue.send("35=A\x0198=0\x01108=30\x01141=Y\x01")
    assert gateway.wait_for(SessionUp).reset is True
    venue.send(new("e2"))
    gateway.wait_for(ExecutionReport)

    venue.drop()
    venue.logon()
    gateway.wait_for(SessionUp, 2)
    assert gateway.link.status().next_target_msg_seq_num == 4
    assert "2" not in {m["35"] for m in venue.got}


@pytest.mark.parametrize("heart_bt_int", ["-5", "0", "3600"])
def test_a_reset_by_the_venue_leaves_the_heartbeats_as_they_are(
    heart_bt_int: str, venue: RawVenue, gateways: Gateways
) -> None:
    """Below zero each later connection was over at once, until a restart; from 0 on we sent none, or too few."""
    gateway = gateways(venue_config(venue.port, heart_bt_int_s=1)).start()
    venue.accept()
    venue.read_until("A")
    venue.send(f"35=A\x0198=0\x01108={heart_bt_int}\x01141=Y\x01")
    gateway.wait_for(SessionUp)
    answer = venue.read_until("A")
    assert (answer["108"], answer["141"]) == ("1", "Y")
    assert venue.read_until("0")["35"] == "0"
    assert not gateway.bodies(SessionDown)


def test_a_reject_names_no_order_of_before_the_numbers_started_over(venue: RawVenue, gateways: Gateways) -> None:
    """It is of our Heartbeat, which has the number that the order had. The order may work."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    assert venue.read_until("D")["34"] == "2"
    venue.accept()
    venue.read_until("A")
    venue.next_out = 1
    venue.send("35=A\x0198=0\x01108=30\x01141=Y\x01")
    venue.send("35=1\x01112=x\x01")
    assert venue.read_until("0")["34"] == "2"
    venue.send("35=3\x0145=2\x01373=5\x01")
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == 4, "the Reject is there")
    assert gateway.wait_for(MessageRejected).ref_cl_ord_id == ""


def test_a_reject_names_no_order_of_before_an_operator_set_our_numbers(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    number = int(venue.read_until("D")["34"])
    gateway.act(SessionAdministered("olga", "XSIM", "set_sequence", "agreed", next_sender_msg_seq_num=number))
    venue.send(f"35=3\x0145={number}\x01373=5\x01")
    assert gateway.wait_for(MessageRejected).ref_cl_ord_id == ""


def test_a_reset_that_the_journal_does_not_have_yet_outlives_the_process(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start(committed=40)
    gateway.committing = False
    venue.accept()
    venue.read_until("A")
    venue.send("35=A\x0198=0\x01108=30\x01141=Y\x01")
    gateway.wait_for(SessionUp)
    gateway.link.stop()

    again = gateways(venue_config(venue.port)).start(committed=40)
    venue.logon()
    assert again.wait_for(SessionUp).reset is True
    assert venue.read_until("2")["7"] == "1"


def test_a_lost_store_is_reported_as_a_reset(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start(committed=7)
    assert venue.logon(seq=8)["34"] == "1"
    assert gateway.wait_for(SessionUp).reset is True


@pytest.mark.parametrize("stamp", ["20200102-03:04:05", "20991231-23:59:59"])
def test_the_store_outlives_the_day(stamp: str, venue: RawVenue, gateways: Gateways, tmp_path: Path) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    last = int(venue.read_until("D")["34"])
    gateway.link.stop()
    (session,) = (tmp_path / "gateway" / "XSIM").glob("*.session")
    session.write_text(stamp)

    gateways(venue_config(venue.port)).start(committed=1)
    assert int(venue.logon()["34"]) > last


def test_an_operator_sets_numbers_and_logs_out_and_on(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    gateway.act(SessionAdministered("olga", "XSIM", "logout", "lunch"))
    venue.read_until("5")
    venue.send("35=5\x01")
    gateway.wait_for(SessionDown)
    assert gateway.link.status().enabled is False

    gateway.act(SessionAdministered("olga", "XSIM", "set_sequence", "agreed by telephone", 500, 700))
    gateway.act(SessionAdministered("olga", "XSIM", "logon", "back"))
    assert venue.logon(seq=700)["34"] == "500"
    gateway.wait_for(SessionUp, 2)
    assert gateway.link.status().next_target_msg_seq_num == 701


def test_a_refused_logon_does_not_leak_the_password(gateways: Gateways, capsys: pytest.CaptureFixture[str]) -> None:
    venue = RawVenue("FIX.4.2")
    config = venue_config(venue.port, "FIX.4.2", username="gw-user", password="s3cret")
    gateway = gateways(config).start()
    venue.accept()
    logon = venue.read_until("A")
    assert (logon["553"], logon["554"]) == ("gw-user", "s3cret")
    venue.send("35=5\x0158=not today\x01")
    assert gateway.wait_for(SessionDown).text == "not today"
    gateway.link.stop()
    venue.close()
    said = capsys.readouterr()
    assert "s3cret" not in said.out + said.err
