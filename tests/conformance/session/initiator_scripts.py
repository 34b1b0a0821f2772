"""The scripts of the initiator's cases: a venue of a few lines on a raw socket, against the gateway's own link."""

from collections.abc import Callable

import pytest

from gateway.core.events import SessionAdministered
from gateway.core.reports import (
    ExecutionReport,
    MessageRejected,
    SendRefused,
    SessionDown,
    SessionUp,
    UnexpectedMessage,
)
from tests.adapters.quickfix.conftest import Gateway, Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue, utc

Script = Callable[["Rig"], None]
SCRIPTS: dict[str, Script] = {}


class Rig:
    """One venue and one gateway."""

    def __init__(self, venue: RawVenue, gateways: Gateways) -> None:
        self.venue = venue
        self._gateways = gateways
        self._tests = 0

    def start(self, *, heart_bt_int_s: int = 30, committed: int = 0) -> Gateway:
        self.gateway = self._gateways(venue_config(self.venue.port, heart_bt_int_s=heart_bt_int_s))
        return self.gateway.start(committed)

    def up(self, **options: int) -> Gateway:
        gateway = self.start(**options)
        self.venue.logon()
        gateway.wait_for(SessionUp)
        return gateway

    def meets(self) -> dict[str, str]:
        """A connection, and the gateway's Logon."""
        self.start()
        self.venue.accept()
        return self.venue.read_until("A")

    def next_is_expected(self) -> None:
        """A TestRequest under the next number is answered, and nothing else was said before."""
        self._tests += 1
        self.venue.send(f"35=1\x01112=T{self._tests}\x01")
        answer = self.venue.read()
        assert (answer["35"], answer.get("112")) == ("0", f"T{self._tests}"), answer

    def says(self, msg_type: str, **fields: str) -> dict[str, str]:
        """The gateway's next message is this one; fields as t58=..."""
        got = self.venue.read()
        assert got["35"] == msg_type, got
        assert {tag: got.get(tag[1:]) for tag in fields} == fields, got
        return got

    def ends(self) -> None:
        """The gateway ends the connection, and says no more."""
        with pytest.raises(OSError, match=r"closed|reset|Broken"):
            raise AssertionError(f"it said {self.venue.read()}")

    def stays_up(self) -> None:
        assert not self.gateway.bodies(SessionDown)

    def raw(self, body: str, number: int | None = None, extra: str = "", **changes: tuple[str, str]) -> None:
        """A message with something replaced after it was put together; CheckSum(10) is right again at the end."""
        number = self.venue.next_out if number is None else number
        text = self.venue.message(body, number, extra).decode("latin-1")
        for old, new in changes.values():
            assert old in text
            text = text.replace(old, new, 1)
        head = text[: text.rindex("\x0110=") + 1].encode("latin-1")
        self.venue.send_bytes(head + b"10=%03d\x01" % (sum(head) % 256))

    def used(self) -> None:
        """The number of a raw message counts."""
        self.venue.next_out += 1


def case(script: Script) -> Script:
    """`def logon_too_high` is the script of the case "logon-too-high"."""
    SCRIPTS[script.__name__.replace("_", "-")] = script
    return script


def new(exec_id: str, more: str = "") -> str:
    """An ExecutionReport that says New."""
    order = f"37=V1\x0111=g1\x0117={exec_id}\x0155=ACM.N\x0154=1\x0138=100\x01"
    return f"35=8\x01{order}150=0\x0139=0\x01151=100\x0114=0\x016=0\x01{more}"


def poss_dup(orig: str = "") -> str:
    return f"43=Y\x01122={orig or utc()}\x01"


# --- Logon ---


@case
def logon(rig: Rig) -> None:
    got = rig.meets()
    assert (got["34"], got["98"], got["108"]) == ("1", "0", "30")
    rig.venue.send("35=A\x0198=0\x01108=30\x01")
    assert rig.gateway.wait_for(SessionUp).logon_seq_num == 1
    rig.next_is_expected()


@case
def logon_too_high(rig: Rig) -> None:
    rig.venue.fills_gaps = False
    rig.start()
    rig.venue.logon(seq=9)
    rig.says("2", t7="1", t16="0")
    rig.gateway.wait_for(SessionUp)


@case
def logon_too_low(rig: Rig) -> None:
    rig.start(committed=50)
    rig.venue.logon(seq=3)
    rig.says("5", t58="MsgSeqNum too low, expecting 51 but received 3")
    rig.ends()
    assert "stays down until an operator" in rig.gateway.wait_for(SessionDown).text


@case
def logon_garbled(rig: Rig) -> None:
    rig.meets()
    rig.venue.send_bytes(rig.venue.message("35=A\x0198=0\x01108=30\x01", 1, "")[:-4] + b"999\x01")
    rig.ends()
    rig.venue.logon(seq=1)
    rig.gateway.wait_for(SessionUp)


@case
def not_a_logon(rig: Rig) -> None:
    rig.meets()
    rig.venue.send("35=0\x01")
    rig.ends()
    assert not rig.gateway.bodies(SessionUp)


@case
def logon_no_answer(rig: Rig) -> None:
    rig.gateway = rig.start()
    rig.gateway.link._engine.setLogonTimeout(1)
    rig.venue.accept()
    rig.venue.read_until("A")
    rig.ends()
    rig.venue.logon()
    rig.gateway.wait_for(SessionUp)


@case
def logon_refused(rig: Rig) -> None:
    rig.meets()
    rig.venue.send("35=5\x0158=already logged on from elsewhere\x01")
    rig.venue.read_until("5")
    assert rig.gateway.wait_for(SessionDown).text == "already logged on from elsewhere"
    assert not rig.gateway.bodies(SessionUp)


@case
def logon_sender(rig: Rig) -> None:
    rig.meets()
    rig.raw("35=A\x0198=0\x01108=30\x01", a=("49=VENUE", "49=OTHER"))
    rig.ends()
    assert not rig.gateway.bodies(SessionUp)


@case
def logon_target(rig: Rig) -> None:
    rig.meets()
    rig.raw("35=A\x0198=0\x01108=30\x01", a=("56=GW", "56=XX"))
    rig.ends()
    assert not rig.gateway.bodies(SessionUp)


@case
def logon_begin_string(rig: Rig) -> None:
    rig.meets()
    rig.raw("35=A\x0198=0\x01108=30\x01", a=("8=FIX.4.4", "8=FIX.4.2"))
    rig.says("5", t58="Incorrect BeginString")
    assert not rig.gateway.bodies(SessionUp)


@case
def logon_reset(rig: Rig) -> None:
    rig.start(committed=40)
    rig.venue.accept()
    rig.venue.read_until("A")
    rig.venue.send("35=A\x0198=0\x01108=30\x01141=Y\x01")
    rig.says("A", t34="1", t141="Y")
    up = rig.gateway.wait_for(SessionUp)
    assert (up.reset, up.unexpected, up.logon_seq_num) == (True, True, 1)
    rig.next_is_expected()


@case
def logon_again(rig: Rig) -> None:
    rig.up()
    rig.venue.send("35=A\x0198=0\x01108=30\x01")
    rig.ends()
    rig.venue.logon()
    rig.gateway.wait_for(SessionUp, 2)


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
    head = text[: text.rindex("\x0110=") + 1].encode("latin-1")
    rig.venue.next_out = 1
    _garbled(rig, head + b"10=%03d\x01" % (sum(head) % 256))


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


# --- Logout ---


@case
def logout_own(rig: Rig) -> None:
    gateway = rig.up()
    gateway.act(SessionAdministered("olga", "XSIM", "logout", "lunch"))
    rig.says("5")
    rig.venue.send("35=5\x01")
    rig.ends()
    gateway.wait_for(SessionDown)


@case
def logout_own_no_answer(rig: Rig) -> None:
    gateway = rig.up()
    gateway.act(SessionAdministered("olga", "XSIM", "logout", "lunch"))
    rig.says("5")
    rig.ends()


@case
def logout(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send("35=5\x0158=good night\x01")
    rig.says("5")
    rig.ends()
    assert gateway.wait_for(SessionDown).text == "good night"


@case
def logged_off(rig: Rig) -> None:
    rig.meets()
    rig.gateway.order("g1")
    rig.gateway.wait_for(SendRefused)
    rig.venue.send("35=A\x0198=0\x01108=30\x01")
    rig.gateway.wait_for(SessionUp)
    rig.next_is_expected()


# --- Fields ---


@case
def tag_undefined(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1", "9999=what\x01"))
    gateway.wait_for(ExecutionReport)
    rig.next_is_expected()


@case
def tag_zero(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1", "0=what\x01"))
    gateway.wait_for(ExecutionReport)
    rig.next_is_expected()


@case
def no_value(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1", "58=\x01"))
    gateway.wait_for(ExecutionReport)
    rig.next_is_expected()


@case
def bad_format(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1").replace("38=100", "38=many"))
    gateway.wait_for(UnexpectedMessage)
    rig.says("j", t380="0")
    rig.next_is_expected()


@case
def repeated_tag(rig: Rig) -> None:
    gateway = rig.up()
    rig.venue.send(new("e1", "38=999\x01"))
    rig.says("3", t373="13", t371="38")
    assert not gateway.bodies(ExecutionReport)
    rig.next_is_expected()


@case
def soh_in_text(rig: Rig) -> None:
    rig.venue.fills_gaps = False
    gateway = rig.up()
    rig.venue.send(new("e1", "58=a\x01b\x01"))
    rig.venue.send(new("e2"))
    rig.says("2", t7="2")
    assert not gateway.bodies(ExecutionReport)


@case
def soh_injection(rig: Rig) -> None:
    gateway = rig.up()
    gateway.order("g1", account="house\x0138=1")
    assert "does not allow" in gateway.wait_for(SendRefused).text
    rig.next_is_expected()
