"""What the acceptor does with Heartbeats, Rejects, ResendRequests and SequenceResets."""

from tests.conformance.session.acceptor_scripts import case, dup, logged_on
from tests.conformance.session.acceptor_wire import Client

# Heartbeats.


@case("heartbeat-sent")
def heartbeat_sent(c: Client) -> None:
    c.send("A", [(98, "0"), (108, "1")])
    c.expect("A", t108="1")
    assert 112 not in c.expect("0")


@logged_on("test-request")
def test_request(c: Client) -> None:
    c.goes_on()


@logged_on("heartbeat")
def heartbeat(c: Client) -> None:
    c.send("0")
    c.goes_on()


@case("silent-client")
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


@logged_on("reject")
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


@logged_on("resend-all")
def resend_all(c: Client) -> None:
    _two_orders(c)
    c.send("2", [(7, "1"), (16, "0")])
    c.expect("4", t34="1", t43="Y", t123="Y", t36="2")
    assert c.expect("8", t34="2", t43="Y", t11="X")[122]
    c.expect("4", t34="3", t43="Y", t123="Y", t36="4")
    c.expect("8", t34="4", t43="Y", t11="Y")
    c.goes_on()


@logged_on("resend-range")
def resend_range(c: Client) -> None:
    _two_orders(c)
    c.send("2", [(7, "2"), (16, "2")])
    c.expect("8", t34="2", t43="Y", t11="X")
    c.goes_on()


@logged_on("resend-backwards")
def resend_backwards(c: Client) -> None:
    _two_orders(c)
    c.send("2", [(7, "3"), (16, "2")])
    c.expect("3", t371="16", t373="5")
    c.goes_on()


@case("reset-logon")
def reset_logon(c: Client) -> None:
    c.logon()
    c.goes_on()
    c.connect()
    c.seq = 1
    assert c.logon((141, "Y"))[141] == "Y"
    c.goes_on()


@logged_on("reset-connected")
def reset_connected(c: Client) -> None:
    c.goes_on()
    c.seq = 1
    answer = c.logon((141, "Y"))
    assert (answer[34], answer[141]) == ("1", "Y")
    c.goes_on()


@logged_on("gap-fill-too-high")
def gap_fill_too_high(c: Client) -> None:
    c.send("4", [(123, "Y"), (36, "9")], t34="5")
    c.expect("2", t7="2", t16="0")


@logged_on("gap-fill")
def gap_fill(c: Client) -> None:
    c.send("4", [(123, "Y"), (36, "9")])
    c.seq = 9
    c.goes_on()


@logged_on("gap-fill-poss-dup")
def gap_fill_poss_dup(c: Client) -> None:
    c.goes_on()
    c.send("4", [(123, "Y"), (36, "2")], t34="1", **dup())
    c.goes_on()


@logged_on("gap-fill-too-low")
def gap_fill_too_low(c: Client) -> None:
    c.goes_on()
    c.send("4", [(123, "Y"), (36, "9")], t34="2")
    c.expect_logout("expecting 3", "received 2")


@logged_on("gap-fill-backwards")
def gap_fill_backwards(c: Client) -> None:
    c.goes_on()
    c.send("4", [(123, "Y"), (36, "2")], t34="3")
    c.expect("3", t45="3", t371="36", t373="5")
    c.goes_on()


@logged_on("reset-higher")
def reset_higher(c: Client) -> None:
    c.send("4", [(36, "20")], t34="99")
    c.seq = 20
    c.goes_on()


@logged_on("reset-equal")
def reset_equal(c: Client) -> None:
    c.send("4", [(36, "2")], t34="2")
    c.goes_on()


@logged_on("reset-lower")
def reset_lower(c: Client) -> None:
    c.goes_on()
    c.send("4", [(36, "1")], t34="3")
    c.expect("3", t371="36", t373="5")
    c.goes_on()
