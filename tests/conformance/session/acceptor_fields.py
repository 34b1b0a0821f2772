"""Fields of what the acceptor gets, and messages that wait or come twice."""

from tests.conformance.session.acceptor_scripts import SCRIPTS, Script, logged_on
from tests.conformance.session.acceptor_wire import Client, frame, utc

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


@logged_on("reset-no-number")
def reset_no_number(c: Client) -> None:
    c.send("4", [(36, "soon")], t34="2")
    c.expect("3", t371="36", t373="6")
    c.goes_on()


@logged_on("fields-in-any-order")
def fields_in_any_order(c: Client) -> None:
    c.send("D", [(44, "90.00"), (40, "2"), (38, "10"), (60, utc()), (54, "1"), (55, "ACME"), (11, "X")])
    c.expect("8", t11="X", t150="0")
    c.goes_on()


# Messages that wait, and messages that come twice.


@logged_on("queued")
def queued(c: Client) -> None:
    c.hang_up()
    c.venue.control.do("phone_order", session=c.name, symbol="ACME", side="1", qty="10", price="90.00", cl_ord_id="P")
    c.connect()
    assert c.logon()[34] == "3", "2 went nowhere"
    c.send("2", [(7, "2"), (16, "2")])
    c.expect("8", t34="2", t43="Y", t11="P")
    c.goes_on()


@logged_on("poss-resend-known")
def poss_resend_known(c: Client) -> None:
    c.order("X")
    c.expect("8", t11="X", t150="0")
    c.order("X", t97="Y")
    c.expect("8", t11="X", t150="I")
    assert c.venue.control.do("orders", session=c.name)["total"] == 1


@logged_on("both-ask")
def both_ask(c: Client) -> None:
    c.order("X")
    c.expect("8", t34="2")
    c.send("2", [(7, "2"), (16, "0")], t34="9")
    c.expect("8", t34="2", t43="Y")
    c.expect("2", t7="3", t16="0")
