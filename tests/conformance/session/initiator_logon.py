"""How the initiator begins and ends a session: Logon and Logout."""

from gateway.core.events import SessionAdministered
from gateway.core.reports import SendRefused, SessionDown, SessionUp
from tests.conformance.session.initiator_rig import Rig, case

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
