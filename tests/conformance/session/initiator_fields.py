"""Fields of application messages that the initiator gets, and one that it is asked to send."""

from gateway.core.reports import ExecutionReport, SendRefused, UnexpectedMessage
from tests.conformance.session.initiator_rig import Rig, case, new


@case
def tag_undefined(rig: Rig) -> None:
    gateway = rig.up()
    # One of the numbers that FIX leaves to firms, one that it has given to none, one that is in other messages only.
    for tag in (9999, 4999, 262):
        rig.venue.send(new(f"e{tag}", f"{tag}=what\x01"))
    gateway.wait_for(ExecutionReport, 3)
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
