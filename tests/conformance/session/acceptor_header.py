"""The standard header of what the acceptor gets, and messages that are garbled."""

from collections.abc import Callable

from tests.conformance.session.acceptor_scripts import SCRIPTS, dup, logged_on
from tests.conformance.session.acceptor_wire import Client, frame, utc


@logged_on("seq-expected")
def seq_expected(c: Client) -> None:
    c.goes_on()
    c.goes_on()


@logged_on("seq-too-high")
def seq_too_high(c: Client) -> None:
    c.order("C", t34="4")
    c.expect("2", t7="2", t16="0")
    c.order("D", t34="5")
    c.order("A", t34="2", **dup())
    c.expect("8", t11="A")
    c.order("B", t34="3", **dup())
    assert [c.expect("8")[11] for _ in "BCD"] == ["B", "C", "D"]
    c.seq = 6
    c.goes_on()


@logged_on("seq-too-low")
def seq_too_low(c: Client) -> None:
    c.goes_on()
    c.send("0", t34="1")
    c.expect_logout("expecting 3", "received 1")


def _ended(case_id: str, word: str, **header: str | None) -> None:
    def script(c: Client) -> None:
        c.logon()
        c.send("0", **header)
        c.expect_logout(word)
        c.venue.lives()

    SCRIPTS[case_id] = script


_ended("seq-missing", "MsgSeqNum(34)", t34=None)
_ended("seq-huge", "MsgSeqNum(34)", t34="9" * 5000)
_ended("begin-string", "BeginString(8)", t8="FIX.4.2")


def _garbled(case_id: str, garble: Callable[[Client], bytes]) -> None:
    """What is garbled is as if it had not been: its number is still expected."""

    def script(c: Client) -> None:
        c.logon()
        c.put(garble(c))
        c.goes_on()
        c.goes_on()

    SCRIPTS[case_id] = script


def _test(c: Client) -> list[tuple[int, str]]:
    return c.fields("1", [(112, "GARBLED")])


def _swapped(c: Client) -> bytes:
    fields = _test(c)
    return frame([fields[1], fields[0], *fields[2:]])


def _check_sum_inside(c: Client) -> bytes:
    fields = _test(c)
    return frame([*fields[:-1], (10, "000"), fields[-1]])[: -len("10=000|")]


_garbled("garbled-check-sum", lambda c: frame(_test(c), check_sum="999"))
_garbled("body-length-short", lambda c: frame(_test(c), longer=-3))
_garbled("body-length-long", lambda c: frame(_test(c), longer=20))
_garbled("first-three", _swapped)
_garbled("body-length-second", lambda c: frame([(34, "2"), *_test(c)]).replace(b"\x019=", b"\x0134=2\x019=", 1))
_garbled("check-sum-length", lambda c: frame(_test(c), check_sum="12"))
_garbled("check-sum-last", _check_sum_inside)
_garbled("no-delimiter", lambda c: frame(_test(c))[:-1])
_garbled("garbage-between", lambda _: b"GET / HTTP/1.1\r\n\r\n")


@logged_on("poss-dup-known")
def poss_dup_known(c: Client) -> None:
    c.order("X")
    c.expect("8", t11="X")
    c.order("X", t34="2", **dup())
    c.goes_on()


@logged_on("poss-dup-new")
def poss_dup_new(c: Client) -> None:
    c.order("X", **dup())
    c.expect("8", t11="X", t150="0")
    c.goes_on()


@logged_on("poss-dup-time")
def poss_dup_time(c: Client) -> None:
    c.order("X", **dup(+30))
    c.expect("3", t45="2", t371="122", t373="10")
    c.goes_on()


@logged_on("poss-dup-no-time")
def poss_dup_no_time(c: Client) -> None:
    c.order("X", t43="Y")
    c.expect("3", t45="2", t371="122", t373="1")
    c.goes_on()


def _rejected_and_ended(case_id: str, tag: str, reason: str, **header: str | None) -> None:
    def script(c: Client) -> None:
        c.logon()
        c.send("0", **{key: utc(180) if value == "later" else value for key, value in header.items()})
        c.expect("3", t45="2", t371=tag, t373=reason)
        c.expect("5")
        c.expect_end()
        c.connect()
        c.logon(t34="3")

    SCRIPTS[case_id] = script


_rejected_and_ended("sender-comp-id", "49", "9", t49="STRANGER")
_rejected_and_ended("target-comp-id", "56", "9", t56="YSIM")
_rejected_and_ended("sending-time", "52", "10", t52="later")
_rejected_and_ended("sending-time-missing", "52", "1", t52=None)
_rejected_and_ended("sending-time-format", "52", "6", t52="noon")


def _unsupported(case_id: str, msg_type: str) -> None:
    def script(c: Client) -> None:
        c.logon()
        c.send(msg_type)
        c.expect("j", t45="2", t372=msg_type, t380="3")
        c.goes_on()

    SCRIPTS[case_id] = script


_unsupported("msg-type-unsupported", "V")
_unsupported("msg-type-own", "UX")
