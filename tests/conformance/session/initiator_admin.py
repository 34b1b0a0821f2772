"""What the initiator does with Heartbeats, rejects, ResendRequests and SequenceResets."""

from gateway.core.reports import ExecutionReport, MessageRejected, SessionDown, SessionUp
from tests.conformance.session.initiator_rig import Rig, case, new, poss_dup

# --- Heartbeats ---


@case
def heartbeat_sent(rig: Rig) -> None:
    rig.up(heart_bt_int_s=1)
    rig.says("0")


@case
def test_request(rig: Rig) -> None:
    rig.up()
    rig.next_is_expected()


@case
def test_request_no_id(rig: Rig) -> None:
    rig.up()
    number = rig.venue.send("35=1\x01")
    rig.says("3", t45=str(number), t373="1", t371="112")
    rig.next_is_expected()


@case
def heartbeat(rig: Rig) -> None:
    rig.up()
    rig.venue.send("35=0\x01")
    rig.next_is_expected()


@case
def silent_venue(rig: Rig) -> None:
    gateway = rig.up(heart_bt_int_s=1)
    rig.venue.read_until("1")
    gateway.wait_for(SessionDown)


# --- Rejects ---


@case
def reject(rig: Rig) -> None:
    gateway = rig.up()
    gateway.order("g1")
    number = rig.venue.read_until("D")["34"]
    rig.venue.send(f"35=3\x0145={number}\x01371=44\x01372=D\x01373=6\x01")
    assert gateway.wait_for(MessageRejected).ref_cl_ord_id == "g1"
    rig.next_is_expected()


@case
def business_reject(rig: Rig) -> None:
    gateway = rig.up()
    gateway.order("g1")
    number = rig.venue.read_until("D")["34"]
    rig.venue.send(f"35=j\x0145={number}\x01372=D\x01380=4\x01")
    assert gateway.wait_for(MessageRejected).ref_cl_ord_id == "g1"
    rig.next_is_expected()


# --- Sequence numbers ---


@case
def resend_all(rig: Rig) -> None:
    gateway = rig.up()
    gateway.order("g1")
    rig.venue.read_until("D")
    rig.venue.drop()
    logon = rig.venue.logon()
    gateway.wait_for(SessionUp, 2)
    rig.venue.send("35=2\x017=1\x0116=0\x01")
    gap = rig.venue.read_until("4")
    assert (gap["34"], gap["43"], gap["123"]) == ("1", "Y", "Y")
    assert int(gap["36"]) > int(logon["34"])
    rig.next_is_expected()


@case
def resend_range(rig: Rig) -> None:
    gateway = rig.up()
    gateway.order("g1")
    order = rig.venue.read_until("D")
    gateway.order("g2")
    rig.venue.read_until("D")
    rig.venue.send(f"35=2\x017={order['34']}\x0116={order['34']}\x01")
    rig.says("D", t11="g1", t43="Y", t34=order["34"])
    rig.next_is_expected()


@case
def resend_backwards(rig: Rig) -> None:
    rig.up()
    rig.venue.send("35=2\x017=3\x0116=1\x01")
    rig.says("4", t34="3", t43="Y", t36="2")
    rig.next_is_expected()


@case
def gap_fill(rig: Rig) -> None:
    rig.up()
    rig.venue.send("35=4\x01123=Y\x0136=20\x01")
    rig.venue.next_out = 20
    rig.next_is_expected()


@case
def gap_fill_too_high(rig: Rig) -> None:
    rig.venue.fills_gaps = False
    rig.up()
    rig.venue.send("35=4\x01123=Y\x0136=20\x01", 5)
    rig.says("2", t7="2")


@case
def gap_fill_poss_dup(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1"))
    gateway.wait_for(ExecutionReport)
    rig.venue.send("35=4\x01123=Y\x0136=3\x01", 2, poss_dup())
    rig.next_is_expected()


@case
def gap_fill_too_low(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1"))
    gateway.wait_for(ExecutionReport)
    rig.venue.send("35=4\x01123=Y\x0136=9\x01", 2)
    rig.says("5", t58="MsgSeqNum too low, expecting 3 but received 2")
    rig.ends()


@case
def gap_fill_backwards(rig: Rig) -> None:
    rig.up()
    number = rig.venue.send("35=4\x01123=Y\x0136=1\x01")
    rig.says("3", t45=str(number), t373="5")


@case
def reset_higher(rig: Rig) -> None:
    rig.up()
    rig.venue.send("35=4\x0136=30\x01", 7)
    rig.venue.next_out = 30
    rig.next_is_expected()


@case
def reset_equal(rig: Rig) -> None:
    rig.up()
    rig.venue.send("35=4\x0136=2\x01", 7)
    rig.next_is_expected()


@case
def reset_lower(rig: Rig) -> None:
    rig.up()
    rig.venue.send("35=4\x0136=1\x01", 7)
    rig.says("3", t45="7", t373="5")
    rig.next_is_expected()
