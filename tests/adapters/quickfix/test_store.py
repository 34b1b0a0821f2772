"""What QuickFIX's files prove before a session starts (C2, C3, C12), and above all what they do not prove."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.adapters.quickfix import store as store_module
from gateway.adapters.quickfix.store import Sent, Store, StoreError, last_sent
from gateway.adapters.quickfix.wire import expected_number
from gateway.core.events import SessionAdministered
from gateway.core.reports import SendRefused, SessionDown, SessionUp
from tests.adapters.quickfix.conftest import Gateway, Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue, wait_until

SESSION = ("FIX.4.4", "GW", "VENUE", "XSIM")
PREFIX = "-".join(SESSION)
LOGON = 3
"""MsgSeqNum(34) of our Logon in the stores that are made here."""


class Files:
    """QuickFIX's files as it writes them: our Logon with number 3, then requests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder, SESSION)
        self.begin()

    def path(self, ending: str) -> Path:
        return self.folder / f"{PREFIX}.{ending}"

    def begin(self) -> None:
        """A process takes the store, and logs on."""
        for ending in ("body", "header"):
            self.path(ending).touch()
        self.numbers(LOGON)
        self.store.examine((), 0)
        self.store.opened()
        self.send("A", "98=0\x01", LOGON)

    def numbers(self, sender: int, target: int = 1) -> None:
        self.path("seqnums").write_text(f"{sender:020d} : {target:020d}")

    def write(self, msg_type: str, rest: str, number: int) -> None:
        """Stored, the number not used up."""
        message = f"8=FIX.4.4\x019=99\x0135={msg_type}\x0134={number}\x0149=GW\x0156=VENUE\x01{rest}10=000\x01".encode()
        with self.path("body").open("ab") as body, self.path("header").open("ab") as header:
            header.write(b"%d,%d,%d " % (number, body.tell(), len(message)))
            body.write(message)

    def send(self, msg_type: str, rest: str, number: int) -> None:
        self.write(msg_type, rest, number)
        self.numbers(number + 1)

    def order(self, cl_ord_id: str, number: int) -> None:
        self.send("D", f"11={cl_ord_id}\x0155=ACM.N\x01", number)

    def unsent(self, *asked: str, floor: int = LOGON) -> tuple[str, ...]:
        """What the next process is told."""
        return Store(self.folder, SESSION).examine(asked, floor).unsent


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "XSIM")


def test_c2_what_is_not_in_the_store_never_left(files: Files) -> None:
    files.order("g1", 4)
    files.send("H", "11=g2\x01", 5)  # A question about g2, which went out before.
    assert files.unsent("g1", "g2", "g3") == ("g3",)


def test_c3_what_is_stored_under_a_number_that_is_not_used_up_never_left(files: Files) -> None:
    files.order("g1", 4)
    files.write("D", "11=g2\x01", 5)
    assert files.unsent("g1", "g2") == ("g2",)


def test_c4_what_is_stored_and_numbered_may_have_left(files: Files) -> None:
    files.order("g1", 4)
    assert files.unsent("g1") == ()


def test_a_body_without_its_entry_never_left(files: Files) -> None:
    """`.body` is flushed before `.header`: killed in between."""
    files.order("g1", 4)
    with files.path("body").open("ab") as body:
        body.write(b"8=FIX.4.4\x019=99\x0135=D\x0134=5\x0111=g2\x01")
    assert files.unsent("g1", "g2") == ("g2",)


def test_an_id_that_is_part_of_another_is_not_it(files: Files) -> None:
    files.order("g11", 4)
    assert files.unsent("g1") == ("g1",)


def test_c11_the_proof_can_be_repeated_until_the_journal_has_it(files: Files) -> None:
    files.order("g1", 4)
    assert files.unsent("g1", "g2") == ("g2",)
    assert files.unsent("g1", "g2") == ("g2",)
    files.store.opened()
    assert files.unsent("g1", "g2") == ("g2",)


def test_what_was_in_doubt_once_is_never_proven_by_files_that_were_emptied_since(files: Files) -> None:
    files.order("g1", 4)
    assert files.unsent("g1") == ()
    assert files.path("body").stat().st_size == 0
    files.store.opened()
    files.send("A", "", 5)
    assert files.unsent("g1", "g9", floor=5) == ("g9",)


def other_boot(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "boot_id", lambda: "another")


def no_note(files: Files, _: pytest.MonkeyPatch) -> None:
    files.path("note").unlink()


def damaged_note(files: Files, _: pytest.MonkeyPatch) -> None:
    files.path("note").write_text('{"boot":')


def copied_back(files: Files, _: pytest.MonkeyPatch) -> None:
    for ending in ("body", "header"):
        shutil.copy(files.path(ending), files.folder / "backup")
        (files.folder / "backup").replace(files.path(ending))


def emptied(files: Files, _: pytest.MonkeyPatch) -> None:
    files.store.emptied()


def numbers_start_over(files: Files, _: pytest.MonkeyPatch) -> None:
    files.store.noted(reset=True)


def no_numbers(files: Files, _: pytest.MonkeyPatch) -> None:
    files.path("seqnums").unlink()


def odd_numbers(files: Files, _: pytest.MonkeyPatch) -> None:
    files.path("seqnums").write_bytes(b"\x00\xff : 7")


def older_numbers(files: Files, _: pytest.MonkeyPatch) -> None:
    files.numbers(LOGON)


def newer_numbers(files: Files, _: pytest.MonkeyPatch) -> None:
    files.numbers(40)


def torn_header(files: Files, _: pytest.MonkeyPatch) -> None:
    path = files.path("header")
    path.write_bytes(path.read_bytes()[:-2])


def torn_only_entry(files: Files, _: pytest.MonkeyPatch) -> None:
    files.path("header").write_bytes(b"3,0,")


def torn_body(files: Files, _: pytest.MonkeyPatch) -> None:
    path = files.path("body")
    os.truncate(path, path.stat().st_size - 10)


def overlapping_entries(files: Files, _: pytest.MonkeyPatch) -> None:
    with files.path("header").open("ab") as header:
        header.write(b"5,0,10 ")


def no_body(files: Files, _: pytest.MonkeyPatch) -> None:
    files.path("body").unlink()


@pytest.mark.parametrize(
    "spoil",
    [
        other_boot, no_note, damaged_note, copied_back, emptied, numbers_start_over, no_numbers, odd_numbers,
        older_numbers, newer_numbers, torn_header, torn_only_entry, torn_body, overlapping_entries, no_body,
    ],
)  # fmt: skip
def test_files_that_are_not_certainly_whole_and_ours_prove_nothing(
    spoil: Callable[[Files, pytest.MonkeyPatch], None], files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.order("g1", 4)
    spoil(files, monkeypatch)
    evidence = Store(files.folder, SESSION).examine(["g1", "g2"], LOGON)
    assert (evidence.unsent, bool(evidence.no_proof)) == ((), True)


def test_the_loop_and_quickfix_note_at_the_same_time(files: Files) -> None:
    """A venue that starts over at each logon: each note is whole, and no change takes another one back."""

    def note(name: str) -> None:
        for number in range(200):
            files.store.noted(**{name: number})

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(note, name) for name in ("session_began_ns", "floor")]:
            done.result()
    assert (files.store.note.session_began_ns, files.store.note.floor) == (199, 199)


@pytest.mark.parametrize("floor", [0, 2, 4, 5, 77])
def test_files_without_the_logon_that_the_journal_knows_prove_nothing(floor: int, files: Files) -> None:
    files.order("g1", 4)
    assert files.unsent("g2", floor=floor) == ()


def test_files_of_other_comp_ids_are_named(files: Files) -> None:
    other = Store(files.folder, ("FIX.4.4", "OTHER", "VENUE", "XSIM"))
    assert other.next_sender_msg_seq_num() is None
    assert "FIX.4.4-OTHER-VENUE-XSIM.seqnums is missing" in other.missing()
    assert f"{PREFIX}.seqnums is there: the CompIDs or the version were changed" in other.missing()


def test_files_that_cannot_be_read_are_named_with_what_to_do(files: Files) -> None:
    files.path("seqnums").unlink()
    files.path("seqnums").mkdir()
    with pytest.raises(StoreError, match=r"XSIM\.seqnums: Is a directory; let the gateway's user read and write it"):
        files.store.next_sender_msg_seq_num()


def test_the_look_into_a_large_store_takes_no_memory_of_its_size(files: Files) -> None:
    """Regression for reading whole files: the scan's own memory stays far under the body's 30 MB."""
    import tracemalloc

    with files.path("body").open("ab") as body, files.path("header").open("ab") as header:
        for number in range(4, 100_004):
            message = b"8=FIX.4.4\x0135=D\x0134=%d\x0111=g%d\x0158=%s\x01" % (number, number, b"x" * 260)
            header.write(b"%d,%d,%d " % (number, body.tell(), len(message)))
            body.write(message)
    files.numbers(100_004)
    tracemalloc.start()
    assert files.unsent("g5", "g100003", "g100004") == ("g100004",)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000


@pytest.mark.parametrize("msg_type", ["D", "F", "G"])
def test_the_last_request_of_a_store_is_found_behind_other_messages(files: Files, msg_type: str) -> None:
    assert last_sent(files.folder.parent) == [], "a Logon is none"
    files.order("g1", 4)
    position = files.path("body").stat().st_size
    files.send(msg_type, "11=g2\x0141=g1\x01", 5)
    files.send("H", "11=g1\x01", 6)  # It asks about an order, under that order's own name.
    files.send("0", "", 7)
    (sent,) = last_sent(files.folder.parent)
    assert (sent.venue_cl_ord_id, sent.file) == ("g2", files.path("body"))
    assert 0 < sent.position - position < 40


@pytest.mark.parametrize("gap", [0, store_module._STEP - 60, store_module._STEP, 3 * store_module._STEP + 7])
def test_the_last_request_is_found_however_far_from_the_end_it_stands(files: Files, gap: int) -> None:
    files.order("g1", 4)
    with files.path("body").open("ab") as body:
        body.write(b"\x01" * gap)
    (sent,) = last_sent(files.folder.parent)
    assert sent == Sent("g1", files.path("body"), sent.position)
    assert files.path("body").read_bytes()[sent.position :].startswith(b"\x0135=D\x01")


def test_the_store_of_a_restored_journal_proves_nothing(files: Files) -> None:
    """Its files may have been emptied since of what the journal still waits for."""
    files.order("g1", 4)
    evidence = Store(files.folder, SESSION).examine(["g2"], LOGON, restored=True)
    assert (evidence.unsent, evidence.no_proof) == ((), "the journal has less than was sent")


# --- With the real QuickFIX ---


def trade(venue: RawVenue, gateway: Gateway, *cl_ord_ids: str) -> int:
    """Log on and send orders; the number of our Logon."""
    venue.logon()
    up = gateway.wait_for(SessionUp)
    for each in cl_ord_ids:
        gateway.order(each)
        venue.read_until("D")
    return int(up.logon_seq_num)


def test_a_restart_proves_what_never_left_and_nothing_else(venue: RawVenue, gateways: Gateways, tmp_path: Path) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    logon = trade(venue, gateway, "g1", "g2")
    number = gateway.link.status().next_sender_msg_seq_num
    gateway.link.stop()
    venue.drop()
    folder = tmp_path / "gateway" / "XSIM"
    # C3, as a kill leaves it: stored, and the number not used up.
    following = Store(folder, SESSION).next_sender_msg_seq_num()
    assert following is not None
    assert following > number
    body = b"8=FIX.4.4\x019=20\x0135=D\x0134=%d\x0111=g3\x0110=000\x01" % following
    with (folder / f"{PREFIX}.body").open("ab") as stored, (folder / f"{PREFIX}.header").open("ab") as header:
        header.write(b"%d,%d,%d " % (following, stored.tell(), len(body)))
        stored.write(body)

    again = gateways(venue_config(venue.port)).start(1, logon, ["g1", "g2", "g3", "g4"])
    refused = [again.wait_for(SendRefused, count).venue_cl_ord_id for count in (1, 2)]
    assert refused == ["g3", "g4"]
    assert venue.logon()["34"] == str(following)
    again.wait_for(SessionUp)
    venue.send("35=2\x017=1\x0116=0\x01")
    gap = venue.read_until("4")
    assert (gap["34"], gap["123"]) == ("1", "Y")
    assert int(gap["36"]) > following
    again.order("g5")
    assert venue.read_until("D")["11"] == "g5"
    assert not [m for m in venue.got if m.get("43") == "Y" and m["35"] == "D"]


def test_after_the_venue_started_the_numbers_over_nothing_is_proven(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    trade(venue, gateway, "g1")
    venue.drop()
    venue.accept()
    venue.read_until("A")
    venue.next_out = 1
    venue.send("35=A\x0198=0\x01108=30\x01141=Y\x01")
    assert gateway.wait_for(SessionUp, 2).unexpected
    gateway.link.stop()
    venue.drop()
    again = gateways(venue_config(venue.port)).start(1, 1, ["g1", "g2"])
    venue.logon()
    again.wait_for(SessionUp)
    assert not again.bodies(SendRefused)


@pytest.mark.parametrize("stored", [None, 10])
def test_c12_no_number_is_used_twice_when_the_store_is_lost_or_old(
    stored: int | None, venue: RawVenue, gateways: Gateways, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if stored is not None:
        Files(tmp_path / "gateway" / "XSIM").numbers(stored)
    gateway = gateways(venue_config(venue.port)).start(committed=5, floor=40)
    assert venue.logon(seq=6)["34"] == "41"
    assert gateway.wait_for(SessionUp).logon_seq_num == 41
    said = capsys.readouterr().out
    assert ("store lost" if stored is None else "store older than the journal") in said
    assert "next_sender_msg_seq_num=41" in said
    named = ["FIX.4.4-GW-VENUE-XSIM.seqnums", "next=", "otherwise find out who"]
    named += ["stored=10", "journal=41"] if stored is not None else ["is missing"]
    assert [words for words in named if words not in said] == []


def test_a_store_that_is_newer_than_the_journal_is_told_with_both_numbers(
    venue: RawVenue, gateways: Gateways, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Files(tmp_path / "gateway" / "XSIM").numbers(50, 9)
    gateway = gateways(venue_config(venue.port)).start(committed=5, floor=40)
    assert venue.logon(seq=6)["34"] == "50"
    gateway.wait_for(SessionUp)
    said = capsys.readouterr().out
    for words in ("store newer than the journal", "XSIM.seqnums", "stored=(50, 9)", "journal=(41, 6)", "asked for"):
        assert words in said


def refuse(venue: RawVenue, text: str) -> int:
    """The venue refuses a Logon; its number."""
    venue.accept()
    number = int(venue.read_until("A")["34"])
    venue.send(f"35=5\x0158={text}\x01", 1)
    venue.read_until("5")
    venue.drop()
    return number


def test_the_number_that_the_venue_expects_is_adopted_at_once(
    venue: RawVenue, gateways: Gateways, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = gateways(venue_config(venue.port)).start(floor=40)
    assert refuse(venue, "MsgSeqNum too low, expecting 100 but received 41") == 41
    assert venue.logon()["34"] == "100"
    assert gateway.wait_for(SessionUp).logon_seq_num == 100
    assert "100 is our next number" in capsys.readouterr().out


def test_a_venue_that_always_expects_more_is_not_followed_for_ever(venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    used = [refuse(venue, f"Sequence number too low. Expected: {100 * n}") for n in range(1, 5)]
    assert used == [1, 100, 200, 300]
    held = gateway.wait_for(SessionDown, where=lambda down: "stays down until an operator" in down.text)
    assert "Expected: 400" in held.text
    assert not gateway.link.status().enabled
    gateway.act(SessionAdministered("olga", "XSIM", "set_sequence", "agreed", 400))
    gateway.act(SessionAdministered("olga", "XSIM", "logon", "back"))
    assert venue.logon()["34"] == "400"


@pytest.mark.parametrize("number", [1, 0, 1_000_000_000])
def test_no_number_is_adopted_that_is_lower_than_ours_or_beyond_belief(
    number: int, venue: RawVenue, gateways: Gateways
) -> None:
    gateway = gateways(venue_config(venue.port)).start(floor=40)
    refuse(venue, f"MsgSeqNum too low, expecting {number} but received 41")
    wait_until(lambda: gateway.bodies(SessionDown), "the session is down")
    assert gateway.link.status().next_sender_msg_seq_num in (42, 43)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("MsgSeqNum too low, expecting 100 but received 1", 100),
        ("Sequence number too low. Expected: 12, received 3", 12),
        ("MsgSeqNum(34) too low, expected MsgSeqNum(34)=77", 77),
        ("received 5, lower than expected 9", 9),
        ("Incoming sequence number 5 is too small, expects 8", 8),
        ("MsgSeqNum too high, expecting 5 but received 9", None),
        ("MsgSeqNum too low", None),
        ("MsgSeqNum too low, expecting 99999999999999999999", None),
        ("not today", None),
    ],
)
def test_what_venues_say_about_a_number_that_is_too_low(text: str, number: int | None) -> None:
    assert expected_number(text) == number
