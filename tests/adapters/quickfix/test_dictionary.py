"""The dictionaries: found, loosened, laid over."""

import contextlib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gateway.adapters.quickfix.dictionary import DictionaryError, standard_dictionary, write_dictionary
from gateway.core.reports import ExecutionReport, MessageRejected, SessionUp, UnexpectedMessage
from gateway.resources import fix_spec_path
from tests.adapters.quickfix.conftest import Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue

OVERLAY = fix_spec_path("example-overlay.xml")
LINES = "33=2\x0158=one\x0158=two\x01"
SYMBOLS = "146=1\x0155=ACM\x01454=2\x01455=US1\x01456=4\x01455=US2\x01456=4\x01"
LEGS = "555=2\x01600=ACM\x01604=2\x01605=L1\x01606=4\x01605=L2\x01606=4\x01600=BCM\x01"
NEWS = f"35=B\x01{LINES}{SYMBOLS}148=Split\x01{LEGS}"
FEES = "35=8\x0111=g1\x0117=e1\x01150=0\x0139=0\x019100=2\x019101=A\x019102=1.5\x019101=B\x019102=2\x01"


@pytest.mark.parametrize("name", ["FIX42.xml", "FIX44.xml", "FIX50SP2.xml", "FIXT11.xml"])
def test_the_standard_ones_are_where_quickfix_puts_them(name: str) -> None:
    assert standard_dictionary(name).is_file()


def test_one_that_is_not_there_is_named_with_where_it_was_looked_for() -> None:
    with pytest.raises(DictionaryError, match=r"FIX99\.xml is in none of .*quickfix"):
        standard_dictionary("FIX99.xml")


def test_application_messages_are_loosened_and_the_session_layer_is_not(tmp_path: Path) -> None:
    target = write_dictionary("FIX44.xml", None, tmp_path)
    root = ET.parse(target).getroot()
    fields = {field.get("name"): field for field in root.iterfind("fields/field")}
    assert not list(root.iter("value"))
    assert (fields["LastQty"].get("type"), fields["MsgSeqNum"].get("type")) == ("STRING", "SEQNUM")
    assert fields["NoPartyIDs"].get("type") == "NUMINGROUP"
    messages = {message.get("name"): message for message in root.iterfind("messages/message")}
    assert {member.get("required") for member in messages["ExecutionReport"].iter("field")} == {"N"}
    assert messages["Logon"].find("field[@name='HeartBtInt']").get("required") == "Y"
    assert root.find("header/field[@name='MsgSeqNum']").get("required") == "Y"


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_no_length_of_an_encoded_text_hides_a_field_or_ends_the_process(begin_string: str, gateways: Gateways) -> None:
    """QuickFIX would look for the end of the text so far behind its begin, whatever is there."""
    lengths = ["-1", "-2147483648", "0", "1", "9", "2147483647", "many", ""]
    with contextlib.closing(RawVenue(begin_string)) as venue:
        gateway = gateways(venue_config(venue.port, begin_string)).start()
        venue.logon()
        gateway.wait_for(SessionUp)
        for each in lengths:
            text = f"354={each}\x01355=ab\x01"
            venue.send(f"35=8\x0111=g1\x0117=e{each}\x0120=0\x01150=0\x0139=0\x0114=5\x01{text}")
            venue.send(f"35=3\x0145=1\x01{text}")
        gateway.wait_for(MessageRejected, len(lengths))
        reports = gateway.bodies(ExecutionReport)
    assert [report.exec_id for report in reports] == [f"e{each}" for each in lengths]
    assert {report.cum_qty for report in reports} == {5}
    assert not gateway.bodies(UnexpectedMessage)


def test_no_component_is_left_for_the_engine_to_search(tmp_path: Path) -> None:
    target = write_dictionary("FIX50SP2.xml", None, tmp_path)
    messages = {message.get("name"): message for message in ET.parse(target).getroot().iterfind("messages/message")}
    assert not any(list(message.iter("component")) for message in messages.values())
    report = messages["ExecutionReport"]
    assert report.find("field[@name='Symbol']") is not None, "of the component Instrument"
    nested = report.find("group[@name='NoPartyIDs']/group[@name='NoPartySubIDs']/field[@name='PartySubID']")
    assert nested is not None, "a component in a group of a component"


def test_of_a_message_that_is_not_read_its_groups_are_left(tmp_path: Path) -> None:
    target = write_dictionary("FIX50SP2.xml", None, tmp_path)
    messages = {message.get("name"): message for message in ET.parse(target).getroot().iterfind("messages/message")}
    lists = messages["SecurityList"]
    assert [member.get("name") for member in lists] == ["NoRelatedSym"]
    below = [member.get("name") for member in lists[0]]
    assert {"Symbol", "NoLegs", "LegSymbol", "NoLegSecurityAltID", "LegSecurityAltID"} <= set(below)
    assert len(below) == len(set(below))
    assert {member.tag for member in lists[0]} == {"field"}


@pytest.mark.parametrize("begin_string", ["FIX.4.4", "FIXT.1.1"])
def test_a_message_that_is_not_read_is_set_aside_whole_with_groups_in_its_groups(
    begin_string: str, gateways: Gateways
) -> None:
    with contextlib.closing(RawVenue(begin_string)) as venue:
        gateway = gateways(venue_config(venue.port, begin_string)).start()
        venue.logon()
        gateway.wait_for(SessionUp)
        venue.send(NEWS)
        aside = gateway.wait_for(UnexpectedMessage)
    assert aside.problem == "MsgType(35)=B is not supported"
    assert NEWS.removeprefix("35=B\x01").replace("\x01", "|") in aside.raw


@pytest.mark.parametrize(
    ("overlay", "problem"),
    [
        (
            "<fix><fields><field number='9' name='ClOrdID' type='STRING'/></fields></fix>",
            "ClOrdID is number 11 already, not 9",
        ),
        (
            "<fix><messages><message msgtype='8'><field name='Nope'/></message></messages></fix>",
            "field Nope is defined neither",
        ),
        ("<fix>", "no element found"),
        ("<fix><fields><field number='58' name='Say' type='INT'/></fields></fix>", "number 58 is field Text already"),
        ("<fix><fields><field number='9x' name='Say'/></fields></fix>", 'found name "Say" and number "9x"'),
        ("<fix><fields><field number='9100'/></fields></fix>", 'found name "" and number "9100"'),
        ("<fix><messages><message name='Note'/></messages></fix>", "message Note has no msgtype"),
        ("<fix><messages><message msgtype='8'><component name='Own'/></message></messages></fix>", "component Own is"),
        (
            "<fix><messages><message msgtype='8'><group name='NoLegs'/></message></messages></fix>",
            "NoLegs has no field",
        ),
        ("<fix><components/></fix>", "found <components>, an overlay has only <fields> and <messages>"),
    ],
)
def test_an_overlay_that_cannot_be_used_is_named(overlay: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "overlay.xml"
    path.write_text(overlay)
    with pytest.raises(DictionaryError, match=rf"overlay\.xml: .*{problem}"):
        write_dictionary("FIX44.xml", path, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_venues_own_group_and_message_pass_with_an_overlay(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port), overlay=OVERLAY).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.send(FEES)
    assert gateway.wait_for(ExecutionReport).exec_id == "e1"
    venue.send("35=U1\x0158=hello\x01")
    assert gateway.wait_for(UnexpectedMessage).problem == "MsgType(35)=U1 is not supported"


def test_without_it_the_group_is_refused_and_reported(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.send(FEES)
    assert "Tag appears more than once" in gateway.wait_for(UnexpectedMessage).problem


PARTIES = "453=2\x01448=A\x01447=D\x01452=1\x019201=x\x01448=B\x01447=D\x01452=3\x019201=y\x01"
WITH_PARTIES = f"35=8\x0111=g1\x0117=e1\x01150=0\x0139=0\x01{PARTIES}382=2\x01375=C\x019201=x\x01375=D\x019201=y\x01"
LARGER_GROUPS = """<fix>
  <messages><message msgtype='8'>
    <group name='NoPartyIDs'><field name='PartyID'/><field name='VenueSays'/></group>
    <group name='NoContraBrokers'><field name='VenueSays'/></group>
  </message></messages>
  <fields><field number='9201' name='VenueSays' type='STRING'/></fields>
</fix>"""


@pytest.mark.parametrize(
    "sent",
    [WITH_PARTIES, WITH_PARTIES.replace("9201=x\x01", "").replace("9201=y\x01", "")],
    ids=["more", "standard"],
)
def test_a_group_of_the_standard_can_have_more_in_it_and_is_still_the_standards(
    sent: str, venue: RawVenue, gateways: Gateways, tmp_path: Path
) -> None:
    overlay = tmp_path / "larger.xml"
    overlay.write_text(LARGER_GROUPS)
    gateway = gateways(venue_config(venue.port), overlay=overlay).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.send(sent)
    assert gateway.wait_for(ExecutionReport).exec_id == "e1"


def test_one_that_is_there_is_kept_and_one_that_was_changed_is_made_again(tmp_path: Path) -> None:
    target = write_dictionary("FIX44.xml", None, tmp_path)
    made, inode = target.read_bytes(), target.stat().st_ino
    assert write_dictionary("FIX44.xml", None, tmp_path) == target
    assert target.stat().st_ino == inode
    target.write_bytes(made[:-100])
    write_dictionary("FIX44.xml", None, tmp_path)
    assert target.read_bytes() == made


def test_one_that_a_full_disk_does_not_take_is_named(tmp_path: Path) -> None:
    (tmp_path / "FIX44.xml.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/FIX44.xml'"):
        write_dictionary("FIX44.xml", None, tmp_path)
    assert not list(tmp_path.iterdir()), "nothing of it takes room on that disk"


def test_an_overlay_that_was_changed_is_laid_over_again(tmp_path: Path) -> None:
    overlay = tmp_path / "own.xml"
    overlay.write_text("<fix><fields><field number='9001' name='One' type='STRING'/></fields></fix>")
    target = write_dictionary("FIX44.xml", overlay, tmp_path)
    assert 'name="One"' in target.read_text()
    overlay.write_text("<fix><fields><field number='9001' name='Two' type='STRING'/></fields></fix>")
    assert write_dictionary("FIX44.xml", overlay, tmp_path) == target
    assert 'name="Two"' in target.read_text()


def test_each_version_and_each_overlay_has_a_file_that_sessions_share(tmp_path: Path) -> None:
    made = {
        write_dictionary(name, overlay, tmp_path) for name in ("FIX42.xml", "FIX44.xml") for overlay in (None, OVERLAY)
    }
    assert len(made) == 4
    texts = {path: path.read_text() for path in made}
    assert len(set(texts.values())) == 4
    for name in ("FIX42.xml", "FIX44.xml"):
        for overlay in (None, OVERLAY):
            assert write_dictionary(name, overlay, tmp_path) in made
    assert {path: path.read_text() for path in made} == texts, "none takes another one's place"


def test_two_sessions_of_one_version_share_its_dictionary(gateways: Gateways, tmp_path: Path) -> None:
    with contextlib.closing(RawVenue()) as one, contextlib.closing(RawVenue()) as other:
        for venue, name in ((one, "ONE"), (other, "OTHER")):
            gateway = gateways(venue_config(venue.port, name=name)).start()
            venue.logon()
            gateway.wait_for(SessionUp)
    assert [path.parent.name for path in (tmp_path / "gateway").rglob("FIX44.xml")] == ["dictionaries"]
