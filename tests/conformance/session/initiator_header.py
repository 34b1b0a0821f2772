"""The standard header of what the initiator gets, and messages that are garbled."""

from gateway.core.reports import ExecutionReport, SessionDown, SessionUp, UnexpectedMessage
from tests.conformance.session.initiator_rig import Rig, case, checked, new, poss_dup

# --- The standard header ---


@case
def seq_expected(rig: Rig) -> None:
    rig.up()
    rig.venue.send(new("e1"))
    rig.gateway.wait_for(ExecutionReport)
    rig.next_is_expected()


@case
def seq_too_high(rig: Rig) -> None:
    rig.venue.fills_gaps = False
    gateway = rig.up()
    rig.venue.send(new("e3"), 3)
    rig.says("2", t7="2", t16="0")
    rig.venue.send(new("e4"), 4)
    rig.venue.send(new("e2"), 2, poss_dup())
    gateway.wait_for(ExecutionReport, 3)
    assert [report.exec_id for report in gateway.bodies(ExecutionReport)] == ["e2", "e3", "e4"]
    rig.venue.next_out = 5
    rig.next_is_expected()


@case
def seq_too_low(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1"))
    gateway.wait_for(ExecutionReport)
    rig.venue.send(new("e2"), 2)
    rig.says("5", t58="MsgSeqNum too low, expecting 3 but received 2")
    rig.ends()
    assert "too low" in gateway.wait_for(SessionDown).text
    rig.venue.logon()
    gateway.wait_for(SessionUp, 2)
    assert len(gateway.bodies(ExecutionReport)) == 1


@case
def seq_missing(rig: Rig) -> None:
    gateway = rig.up()
    length = _length(rig, new("e1"), 0), _length(rig, new("e1"), -5)
    rig.raw(new("e1"), a=("34=2\x01", ""), b=length)
    rig.next_is_expected()
    assert not gateway.bodies(ExecutionReport)


def _length(rig: Rig, body: str, change: int) -> str:
    """BodyLength(9) of this message under the next number, made wrong by `change`."""
    length = int(rig.venue.message(body, rig.venue.next_out, "").decode("latin-1").split("\x01")[1][2:])
    return f"9={length + change}\x01"


@case
def poss_dup_known(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1"))
    rig.venue.send(new("e1"), 2, poss_dup())
    rig.next_is_expected()
    assert len(gateway.bodies(ExecutionReport)) == 1


@case
def poss_dup_new(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1"), None, poss_dup())
    assert gateway.wait_for(ExecutionReport).poss_dup
    rig.next_is_expected()


@case
def poss_dup_time(rig: Rig) -> None:
    rig.up()
    rig.venue.send(new("e1"))
    rig.venue.send(new("e1"), 2, poss_dup("20990101-00:00:00"))
    rig.says("3", t45="2", t373="10")
    rig.says("5")


@case
def poss_dup_no_time(rig: Rig) -> None:
    rig.up()
    rig.venue.send(new("e1"))
    rig.venue.send(new("e1"), 2, "43=Y\x01")
    rig.says("3", t45="2", t373="1", t371="122")
    rig.next_is_expected()


@case
def begin_string(rig: Rig) -> None:
    gateway = rig.up()
    rig.raw(new("e1"), a=("8=FIX.4.4", "8=FIX.4.2"))
    rig.says("5", t58="Incorrect BeginString")
    assert not gateway.bodies(ExecutionReport)


@case
def sender_comp_id(rig: Rig) -> None:
    _comp_id(rig, ("49=VENUE", "49=OTHER"))


@case
def target_comp_id(rig: Rig) -> None:
    _comp_id(rig, ("56=GW", "56=XX"))


def _comp_id(rig: Rig, change: tuple[str, str]) -> None:
    gateway = rig.up()
    rig.raw(new("e1"), a=change)
    rig.says("3", t373="9")
    rig.says("5")
    assert not gateway.bodies(ExecutionReport)


@case
def sending_time(rig: Rig) -> None:
    gateway = rig.up()
    message = rig.venue.message(new("e1"), 2, "").decode("latin-1")
    stamp = message[message.index("\x0152=") + 4 :].split("\x01")[0]
    rig.raw(new("e1"), a=(stamp[:9], "20200101-"))
    gateway.wait_for(ExecutionReport)
    rig.used()
    rig.next_is_expected()


@case
def msg_type_unknown(rig: Rig) -> None:
    gateway = rig.up()
    number = rig.venue.send("35=ZZ\x0158=what\x01")
    rig.says("3", t45=str(number), t373="11", t372="ZZ")
    assert gateway.wait_for(UnexpectedMessage).msg_type == "ZZ"
    rig.next_is_expected()


@case
def msg_type_unsupported(rig: Rig) -> None:
    gateway = rig.up()
    number = rig.venue.send("35=B\x01148=Lunch\x0133=1\x0158=soup\x01")
    gateway.wait_for(UnexpectedMessage)
    rig.says("j", t45=str(number), t372="B", t380="3")
    rig.next_is_expected()


# --- Garbled ---


def _garbled(rig: Rig, data: bytes) -> None:
    """Ignored: the number is still expected, so the next message leaves a gap that is asked for."""
    rig.venue.fills_gaps = False
    gateway = rig.up()
    rig.venue.send_bytes(data)
    rig.venue.send(new("e3"), 3)
    rig.says("2", t7="2")
    rig.venue.send(new("e2"), 2, poss_dup())
    gateway.wait_for(ExecutionReport, 2)
    assert [report.exec_id for report in gateway.bodies(ExecutionReport)] == ["e2", "e3"]
    rig.venue.next_out = 4
    rig.next_is_expected()


@case
def garbled_check_sum(rig: Rig) -> None:
    _garbled(rig, rig.venue.message(new("e2"), 2, "")[:-4] + b"999\x01")


@case
def body_length_short(rig: Rig) -> None:
    rig.venue.next_out = 2
    _garbled_length(rig, -7)


@case
def body_length_long(rig: Rig) -> None:
    rig.venue.fills_gaps = False
    gateway = rig.up()
    whole = rig.venue.message(new("e2"), 2, "").decode("latin-1")
    rig.venue.send_bytes(whole.replace(_length(rig, new("e2"), 0), _length(rig, new("e2"), 9), 1).encode())
    rig.venue.send(new("e3"), 3)
    rig.venue.send(new("e4"), 4)
    rig.says("2", t7="2")
    for number in (2, 3):
        rig.venue.send(new(f"e{number}"), number, poss_dup())
    gateway.wait_for(ExecutionReport, 3)
    assert [report.exec_id for report in gateway.bodies(ExecutionReport)] == ["e2", "e3", "e4"]


def _garbled_length(rig: Rig, change: int) -> None:
    text = rig.venue.message(new("e2"), 2, "").decode("latin-1")
    text = text.replace(_length(rig, new("e2"), 0), _length(rig, new("e2"), change), 1)
    rig.venue.next_out = 1
    _garbled(rig, checked(text))


@case
def no_fix(rig: Rig) -> None:
    _garbled(rig, b"\x00\xff no fix \x01=\x01")


@case
def body_length_no_number(rig: Rig) -> None:
    """Directly after a good message, so that both are read at once."""
    gateway = rig.up()
    good = rig.venue.message(new("e2"), 2, "")
    rig.venue.send_bytes(good + b"8=FIX.4.4\x019=abc\x0135=8\x0110=000\x01")
    rig.says("5", t58="MsgSeqNum too low, expecting 3 but received 2")
    rig.ends()
    rig.venue.next_out = 3
    rig.venue.logon()
    gateway.wait_for(SessionUp, 2)
    assert [report.exec_id for report in gateway.bodies(ExecutionReport)] == ["e2"]
