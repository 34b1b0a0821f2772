"""What a client does and has to see in each case of acceptor_cases; `SCRIPTS` holds them by the id of the case.

Each script begins with a connection that has said nothing; `_logged_on` marks those that begin with a Logon.
"""

from collections.abc import Callable

from tests.conformance.session.acceptor_wire import PASSWORD, USER, Client, frame, utc

Script = Callable[[Client], None]
SCRIPTS: dict[str, Script] = {}
_MIB = 1 << 20


def _case(case_id: str) -> Callable[[Script], Script]:
    def keep(script: Script) -> Script:
        SCRIPTS[case_id] = script
        return script

    return keep


def _logged_on(case_id: str) -> Callable[[Script], Script]:
    def keep(script: Script) -> Script:
        def whole(client: Client) -> None:
            client.logon()
            script(client)

        SCRIPTS[case_id] = whole
        return script

    return keep


def _dup(seconds: float = -1) -> dict[str, str | None]:
    return {"t43": "Y", "t122": utc(seconds)}


# Logon.


@_case("logon")
def logon(c: Client) -> None:
    c.send("A", [(98, "0"), (108, "17")])
    c.expect("A", t34="1", t98="0", t108="17")
    c.goes_on()


@_case("logon-too-high")
def logon_too_high(c: Client) -> None:
    c.seq = 5
    c.logon()
    c.expect("2", t7="1", t16="0")
    c.send("4", [(123, "Y"), (36, "6")], t34="1", **_dup())
    c.goes_on()


@_case("logon-too-low")
def logon_too_low(c: Client) -> None:
    c.logon()
    c.goes_on()
    c.connect()
    c.logon(answered=False, t34="1")
    c.expect_logout("expecting 3", "received 1")


@_case("logon-fixt")
def logon_fixt(c: Client) -> None:
    assert c.logon()[1137] == "9"
    c.goes_on()


@_case("logon-fixt-no-version")
def logon_fixt_no_version(c: Client) -> None:
    c.send("A", [(98, "0"), (108, "30")])
    c.expect_logout("1137")


@_case("logon-twice")
def logon_twice(c: Client) -> None:
    c.logon()
    second = Client(c.venue, c.comp_id)
    second.logon(answered=False, t34="2")
    second.expect_end()
    second.close()
    c.goes_on()


@_case("logon-sender")
def logon_sender(c: Client) -> None:
    c.logon(answered=False, t49="STRANGER")
    c.expect_end()


@_case("logon-target")
def logon_target(c: Client) -> None:
    c.logon(answered=False, t56="YSIM")
    c.expect_end()


@_case("logon-begin-string")
def logon_begin_string(c: Client) -> None:
    c.logon(answered=False, t8="FIX.4.1")
    c.expect_end()


@_case("logon-password")
def logon_password(c: Client) -> None:
    c.logon((553, USER), (554, "wrong" + PASSWORD), answered=False)
    c.expect_logout("Password(554)")
    c.connect()
    c.logon((553, USER), (554, PASSWORD))
    assert PASSWORD not in c.venue.ledger.read_text()


def _refused(case_id: str, body: list[tuple[int, str]], word: str, **header: str | None) -> None:
    def script(c: Client) -> None:
        c.send("A", body, **header)
        c.expect_logout(word)

    SCRIPTS[case_id] = script


_refused("logon-heartbeat-missing", [(98, "0")], "108")
_refused("logon-heartbeat-negative", [(98, "0"), (108, "-1")], "108")
_refused("logon-encrypted", [(98, "2"), (108, "30")], "EncryptMethod(98)")
_refused("logon-no-seq-num", [(98, "0"), (108, "30")], "MsgSeqNum(34)", t34=None)
_refused("reset-logon-seq", [(98, "0"), (108, "30"), (141, "Y")], "MsgSeqNum(34) 1", t34="5")


@_case("logon-sending-time")
def logon_sending_time(c: Client) -> None:
    c.logon(answered=False, t52=utc(-3600))
    c.expect_logout("SendingTime(52)")


@_case("logon-garbled")
def logon_garbled(c: Client) -> None:
    c.put(frame(c.fields("A", [(98, "0"), (108, "30")]), longer=-1))
    assert c.logon()[34] == "1"


@_case("not-a-logon")
def not_a_logon(c: Client) -> None:
    c.order()
    c.expect_end()


@_logged_on("logon-again")
def logon_again(c: Client) -> None:
    c.logon(answered=False)
    c.expect("3", t372="A", t45="2")
    c.goes_on()


# The standard header.


@_logged_on("seq-expected")
def seq_expected(c: Client) -> None:
    c.goes_on()
    c.goes_on()


@_logged_on("seq-too-high")
def seq_too_high(c: Client) -> None:
    c.order("C", t34="4")
    c.expect("2", t7="2", t16="0")
    c.order("D", t34="5")
    c.order("A", t34="2", **_dup())
    c.expect("8", t11="A")
    c.order("B", t34="3", **_dup())
    assert [c.expect("8")[11] for _ in "BCD"] == ["B", "C", "D"]
    c.seq = 6
    c.goes_on()


@_logged_on("seq-too-low")
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


@_logged_on("poss-dup-known")
def poss_dup_known(c: Client) -> None:
    c.order("X")
    c.expect("8", t11="X")
    c.order("X", t34="2", **_dup())
    c.goes_on()


@_logged_on("poss-dup-new")
def poss_dup_new(c: Client) -> None:
    c.order("X", **_dup())
    c.expect("8", t11="X", t150="0")
    c.goes_on()


@_logged_on("poss-dup-time")
def poss_dup_time(c: Client) -> None:
    c.order("X", **_dup(+30))
    c.expect("3", t45="2", t371="122", t373="10")
    c.goes_on()


@_logged_on("poss-dup-no-time")
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


# Heartbeats.


@_case("heartbeat-sent")
def heartbeat_sent(c: Client) -> None:
    c.send("A", [(98, "0"), (108, "1")])
    c.expect("A", t108="1")
    assert 112 not in c.expect("0")


@_logged_on("test-request")
def test_request(c: Client) -> None:
    c.goes_on()


@_logged_on("heartbeat")
def heartbeat(c: Client) -> None:
    c.send("0")
    c.goes_on()


@_case("silent-client")
def silent_client(c: Client) -> None:
    c.send("A", [(98, "0"), (108, "1")])
    c.expect("A")
    message = c.expect_any("0", "1")
    while message is not None and message[35] == "0":
        message = c.expect_any("0", "1")
    assert message is not None
    assert message[112], "a TestRequest"
    while c.expect_any("0") is not None:
        pass


@_logged_on("reject")
def reject(c: Client) -> None:
    c.send("3", [(45, "1"), (372, "A"), (373, "5"), (58, "why not")])
    c.goes_on()


# Sequence numbers.


def _two_orders(c: Client) -> None:
    """1 Logon, 2 report of X, 3 Heartbeat, 4 report of Y."""
    c.order("X")
    c.expect("8", t34="2")
    c.goes_on()
    c.order("Y")
    c.expect("8", t34="4")


@_logged_on("resend-all")
def resend_all(c: Client) -> None:
    _two_orders(c)
    c.send("2", [(7, "1"), (16, "0")])
    c.expect("4", t34="1", t43="Y", t123="Y", t36="2")
    assert c.expect("8", t34="2", t43="Y", t11="X")[122]
    c.expect("4", t34="3", t43="Y", t123="Y", t36="4")
    c.expect("8", t34="4", t43="Y", t11="Y")
    c.goes_on()


@_logged_on("resend-range")
def resend_range(c: Client) -> None:
    _two_orders(c)
    c.send("2", [(7, "2"), (16, "2")])
    c.expect("8", t34="2", t43="Y", t11="X")
    c.goes_on()


@_logged_on("resend-backwards")
def resend_backwards(c: Client) -> None:
    _two_orders(c)
    c.send("2", [(7, "3"), (16, "2")])
    c.expect("3", t371="16", t373="5")
    c.goes_on()


@_case("reset-logon")
def reset_logon(c: Client) -> None:
    c.logon()
    c.goes_on()
    c.connect()
    c.seq = 1
    assert c.logon((141, "Y"))[141] == "Y"
    c.goes_on()


@_logged_on("reset-connected")
def reset_connected(c: Client) -> None:
    c.goes_on()
    c.seq = 1
    answer = c.logon((141, "Y"))
    assert (answer[34], answer[141]) == ("1", "Y")
    c.goes_on()


@_logged_on("gap-fill-too-high")
def gap_fill_too_high(c: Client) -> None:
    c.send("4", [(123, "Y"), (36, "9")], t34="5")
    c.expect("2", t7="2", t16="0")


@_logged_on("gap-fill")
def gap_fill(c: Client) -> None:
    c.send("4", [(123, "Y"), (36, "9")])
    c.seq = 9
    c.goes_on()


@_logged_on("gap-fill-poss-dup")
def gap_fill_poss_dup(c: Client) -> None:
    c.goes_on()
    c.send("4", [(123, "Y"), (36, "2")], t34="1", **_dup())
    c.goes_on()


@_logged_on("gap-fill-too-low")
def gap_fill_too_low(c: Client) -> None:
    c.goes_on()
    c.send("4", [(123, "Y"), (36, "9")], t34="2")
    c.expect_logout("expecting 3", "received 2")


@_logged_on("gap-fill-backwards")
def gap_fill_backwards(c: Client) -> None:
    c.goes_on()
    c.send("4", [(123, "Y"), (36, "2")], t34="3")
    c.expect("3", t45="3", t371="36", t373="5")
    c.goes_on()


@_logged_on("reset-higher")
def reset_higher(c: Client) -> None:
    c.send("4", [(36, "20")], t34="99")
    c.seq = 20
    c.goes_on()


@_logged_on("reset-equal")
def reset_equal(c: Client) -> None:
    c.send("4", [(36, "2")], t34="2")
    c.goes_on()


@_logged_on("reset-lower")
def reset_lower(c: Client) -> None:
    c.goes_on()
    c.send("4", [(36, "1")], t34="3")
    c.expect("3", t371="36", t373="5")
    c.goes_on()


# Logout.


@_logged_on("logout-own")
def logout_own(c: Client) -> None:
    c.venue.control.do("logout", session=c.name, text="good night")
    assert c.expect("5")[58] == "good night"
    c.goes_on()
    c.send("5")
    c.expect_end()


@_logged_on("logout")
def logout(c: Client) -> None:
    c.send("5")
    c.expect_logout()


@_logged_on("logout-too-high")
def logout_too_high(c: Client) -> None:
    c.send("5", t34="7")
    c.expect_logout()


# Fields.


def _rejected(case_id: str, send: Script, reason: str, tag: str | None = None) -> None:
    """A Reject with this reason about this tag, and the next number is expected."""

    def script(c: Client) -> None:
        c.logon()
        send(c)
        told = c.expect("3", t45="2", t373=reason)
        assert told.get(371) == tag
        c.seq = 3
        c.goes_on()
        assert not c.venue.control.do("orders", session=c.name)["orders"]

    SCRIPTS[case_id] = script


def _accepted(case_id: str, send: Script) -> None:
    def script(c: Client) -> None:
        c.logon()
        send(c)
        c.expect("8", t11="X", t150="0", t38="10")
        c.goes_on()

    SCRIPTS[case_id] = script


def _order_with(value: str, tag: int) -> Script:
    """An order in which one field has this value; - leaves it out."""

    def send(c: Client) -> None:
        body = {11: "X", 55: "ACME", 54: "1", 60: utc(), 38: "10", 40: "2", 44: "90.00"} | {tag: value}
        c.send("D", [(t, v) for t, v in body.items() if v != "-"])

    return send


_PARTY = ((447, "D"), (448, "FIRM"), (452, "1"))

_rejected("msg-type-unknown", lambda c: c.send("ZZ"), "11", "35")
_rejected("test-request-no-id", lambda c: c.send("1"), "1", "112")
_rejected("resend-bad-begin", lambda c: c.send("2", [(7, "9"), (16, "0")]), "5", "7")
_rejected("tag-undefined", lambda c: c.order("X", (1500, "x")), "0", "1500")
_rejected("tag-zero", lambda c: c.order("X", (0, "x")), "0", "0")
_rejected("field-missing", _order_with("-", 54), "1", "54")
_rejected("no-value", _order_with("", 44), "4", "44")
_rejected("bad-enum", _order_with("Z", 40), "5", "40")
_rejected("bad-format", _order_with("ten", 38), "6", "38")
_rejected("order-of-parts", lambda c: c.order("X", (50, "DESK")), "14", "50")
_rejected("repeated-tag", lambda c: c.order("X", (44, "91.00")), "13", "44")
_rejected("repeated-header", lambda c: c.put(frame([*c.fields("0"), (34, "2")])), "13", "34")
_rejected("group-count", lambda c: c.order("X", (453, "2"), (448, "FIRM"), (447, "D"), (452, "1")), "16", "453")
_rejected("group-order", lambda c: c.order("X", (453, "1"), *_PARTY), "15", "453")
_rejected("soh-in-text", lambda c: c.order("X", (58, "two\x01parts")), "17")
_rejected("soh-injection", lambda c: c.order("X", (58, "please\x0138=5000")), "13", "38")
_accepted("tag-not-of-message", lambda c: c.order("X", (112, "x")))
_accepted("data-field", lambda c: c.order("X", (354, "9"), (355, "a\x0138=99\x01b")))
_accepted("group-empty", lambda c: c.order("X", (453, "0")))
_accepted("third-party", lambda c: c.order("X", t115="DESK", t128="FLOOR"))
_accepted("poss-resend-new", lambda c: c.order("X", t97="Y"))


@_logged_on("reset-no-number")
def reset_no_number(c: Client) -> None:
    c.send("4", [(36, "soon")], t34="2")
    c.expect("3", t371="36", t373="6")
    c.goes_on()


@_logged_on("fields-in-any-order")
def fields_in_any_order(c: Client) -> None:
    c.send("D", [(44, "90.00"), (40, "2"), (38, "10"), (60, utc()), (54, "1"), (55, "ACME"), (11, "X")])
    c.expect("8", t11="X", t150="0")
    c.goes_on()


# Messages that wait, and messages that come twice.


@_logged_on("queued")
def queued(c: Client) -> None:
    c.hang_up()
    c.venue.control.do("phone_order", session=c.name, symbol="ACME", side="1", qty="10", price="90.00", cl_ord_id="P")
    c.connect()
    assert c.logon()[34] == "3", "2 went nowhere"
    c.send("2", [(7, "2"), (16, "2")])
    c.expect("8", t34="2", t43="Y", t11="P")
    c.goes_on()


@_logged_on("poss-resend-known")
def poss_resend_known(c: Client) -> None:
    c.order("X")
    c.expect("8", t11="X", t150="0")
    c.order("X", t97="Y")
    c.expect("8", t11="X", t150="I")
    assert c.venue.control.do("orders", session=c.name)["total"] == 1


@_logged_on("both-ask")
def both_ask(c: Client) -> None:
    c.order("X")
    c.expect("8", t34="2")
    c.send("2", [(7, "2"), (16, "0")], t34="9")
    c.expect("8", t34="2", t43="Y")
    c.expect("2", t7="3", t16="0")


# Streams that are no FIX.


@_logged_on("body-length-2gb")
def body_length_2gb(c: Client) -> None:
    c.put(b"8=FIX.4.4\x019=2147483648\x0135=0\x01")
    c.expect_end()


def _endless(case_id: str, start: bytes) -> None:
    def script(c: Client) -> None:
        c.logon()
        c.goes_on()
        before = c.venue.peak_memory_kib()
        c.put(start)
        c.flood(b"x" * 65536, 256 * _MIB)
        c.venue.lives()
        assert c.venue.peak_memory_kib() - before < 16 * 1024

    SCRIPTS[case_id] = script


_endless("endless-body", b"8=FIX.4.4\x019=65536\x0135=0\x01")
_endless("endless-bytes", b"")


@_logged_on("one-byte-at-a-time")
def one_byte_at_a_time(c: Client) -> None:
    for byte in frame(c.fields("1", [(112, "SLOW")])):
        c.put(bytes([byte]))
    c.expect("0", t112="SLOW")
    c.seq += 1
    c.goes_on()
