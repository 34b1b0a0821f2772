"""How a session with the acceptor begins and ends: Logon and Logout."""

from tests.conformance.session.acceptor_scripts import SCRIPTS, case, dup, logged_on
from tests.conformance.session.acceptor_wire import PASSWORD, USER, Client, frame, utc

# Logon.


@case("logon")
def logon(c: Client) -> None:
    c.send("A", [(98, "0"), (108, "17")])
    c.expect("A", t34="1", t98="0", t108="17")
    c.goes_on()


@case("logon-too-high")
def logon_too_high(c: Client) -> None:
    c.seq = 5
    c.logon()
    c.expect("2", t7="1", t16="0")
    c.send("4", [(123, "Y"), (36, "6")], t34="1", **dup())
    c.goes_on()


@case("logon-too-low")
def logon_too_low(c: Client) -> None:
    c.logon()
    c.goes_on()
    c.connect()
    c.logon(answered=False, t34="1")
    c.expect_logout("expecting 3", "received 1")


@case("logon-fixt")
def logon_fixt(c: Client) -> None:
    assert c.logon()[1137] == "9"
    c.goes_on()


@case("logon-fixt-no-version")
def logon_fixt_no_version(c: Client) -> None:
    c.send("A", [(98, "0"), (108, "30")])
    c.expect_logout("1137")


@case("logon-twice")
def logon_twice(c: Client) -> None:
    c.logon()
    second = Client(c.venue, c.comp_id)
    second.logon(answered=False, t34="2")
    second.expect_end()
    second.close()
    c.goes_on()


@case("logon-sender")
def logon_sender(c: Client) -> None:
    c.logon(answered=False, t49="STRANGER")
    c.expect_end()


@case("logon-target")
def logon_target(c: Client) -> None:
    c.logon(answered=False, t56="YSIM")
    c.expect_end()


@case("logon-begin-string")
def logon_begin_string(c: Client) -> None:
    c.logon(answered=False, t8="FIX.4.1")
    c.expect_end()


@case("logon-password")
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


@case("logon-sending-time")
def logon_sending_time(c: Client) -> None:
    c.logon(answered=False, t52=utc(-3600))
    c.expect_logout("SendingTime(52)")


@case("logon-garbled")
def logon_garbled(c: Client) -> None:
    c.put(frame(c.fields("A", [(98, "0"), (108, "30")]), longer=-1))
    assert c.logon()[34] == "1"


@case("not-a-logon")
def not_a_logon(c: Client) -> None:
    c.order()
    c.expect_end()


@logged_on("logon-again")
def logon_again(c: Client) -> None:
    c.logon(answered=False)
    c.expect("3", t372="A", t45="2")
    c.goes_on()


# Logout.


@logged_on("logout-own")
def logout_own(c: Client) -> None:
    c.venue.control.do("logout", session=c.name, text="good night")
    assert c.expect("5")[58] == "good night"
    c.goes_on()
    c.send("5")
    c.expect_end()


@logged_on("logout")
def logout(c: Client) -> None:
    c.send("5")
    c.expect_logout()


@logged_on("logout-too-high")
def logout_too_high(c: Client) -> None:
    c.send("5", t34="7")
    c.expect_logout()
