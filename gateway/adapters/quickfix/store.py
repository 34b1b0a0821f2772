"""QuickFIX's files of one session, and a note of ours beside them.

QuickFIX's FileStore, version 1.16: `.body` has the messages that we sent, one after the other; `.header` has an entry
"MsgSeqNum,offset,size " for each of them; `.seqnums` the next numbers to send and to expect. A message is written to
`.body`, then entered in `.header`, then `.seqnums` moves on, and only then does it go to the socket.

So the files can prove that a request never left: it is not in them, or it is the last entry and `.seqnums` has not
moved past it. That holds only for files that are whole (the kernel did not lose their tails: the same boot), that are
those of the journal's last session, and that were not emptied in between. Where any of this is not certain there is no
proof.
"""

import mmap
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import quickfix as fix
from structlog.typing import FilteringBoundLogger

from gateway.runtime.ports import Known

_NUMBERS = re.compile(rb"\s*(\d{1,20}) : (\d{1,20})\s*")
_CL_ORD_ID = re.compile(rb"\x0111=([^\x01]*)\x01")
_ENTRY = re.compile(rb"(\d+),(\d+),(\d+)")
_TAIL = 128
"""Bytes at the end of `.header` that surely hold its last two entries: three numbers each, of at most 20 digits."""
_REQUEST = re.compile(rb"\x0135=[DFG]\x01.*?\x0111=([^\x01]+)\x01", re.DOTALL)
_STEP, _LONGEST = 1 << 20, 1 << 13
"""How much of `.body` is looked at at a time, from its end; and how long a request of ours is at most."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_LOST = (
    "expected after a restore or a loss of power: the number that the venue expects is adopted; otherwise find out who "
    "removed the file. When the session is held down, agree on the numbers with the venue (set-sequence)"
)
_OLDER = (
    "expected after a loss of power: no number is used twice, and what is in doubt is compared with the venue; "
    "otherwise find out who put an older file there"
)


class StoreError(OSError):
    """The store cannot be read or written. The message names the file and the next step."""


class Note(msgspec.Struct, frozen=True):
    """What QuickFIX does not remember.

    `session_began_ns` is when the scheduled session began that the numbers belong to. `reset` is true from the moment
    that the numbers start over until the journal has it: the journal's inbound number is one of the old ones then;
    `asked` says that the schedule or an operator wanted it so.

    The rest says what the files can prove. `boot` is the boot of the system and `files` the files that were written by
    the last process, `floor` the number of a Logon of ours that the journal knew then. `unproven` are requests of
    earlier processes, of which the files say nothing any more; `emptied` says that the files lost what they had, or
    that an operator set our numbers, while the last process ran.
    """

    session_began_ns: int | None = None
    reset: bool = False
    asked: bool = False
    boot: str = ""
    files: str = ""
    floor: int = 0
    unproven: tuple[str, ...] = ()
    emptied: bool = False


class Sent(msgspec.Struct, frozen=True):
    """A request in a store: what the venue knows it by, and where it stands in which file."""

    venue_cl_ord_id: str
    file: Path
    position: int


class Evidence(msgspec.Struct, frozen=True):
    """What the store says before a session starts: the requests that never left, and what an operator should know."""

    unsent: tuple[str, ...] = ()
    no_proof: str = ""


class _Entry(NamedTuple):
    seq: int
    begin: int
    end: int


_NOTHING = _Entry(0, 0, 0)


def last_sent(store_dir: Path) -> list[Sent]:
    """The last order, cancel or replace in each session's store, of whichever CompIDs and version. They stand there in
    the order in which the journal had them.

    Raises:
        StoreError: a file cannot be read.
    """
    found: list[Sent] = []
    for path in sorted(store_dir.glob("*/*.body")):
        try:
            found += _last_sent(path)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; let the gateway's user read and write it") from error
    return found


def _last_sent(path: Path) -> Iterator[Sent]:
    """From the end: a store may be large, and hold little but heartbeats."""
    with path.open("rb") as body:
        begin = body.seek(0, os.SEEK_END)
        while begin:
            end, begin = begin, max(0, begin - _STEP)
            body.seek(begin)
            matches = list(_REQUEST.finditer(body.read(end - begin + _LONGEST)))
            if matches:
                yield Sent(matches[-1].group(1).decode("latin-1"), path, begin + matches[-1].start())
                return


def boot_id() -> str:
    """Which boot of the system this is; "" where the system does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Store:
    """The folder of one session. Its files hold our own Logon with the password, so only the owner may read them."""

    def __init__(self, folder: Path, session_id: Sequence[str]) -> None:
        self.folder = folder
        self._prefix = "-".join(session_id)
        self._writing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)

    def keep(self) -> None:
        """Let QuickFIX take the store for one of today.

        Its constructor deletes a store whose .session file names an earlier UTC day, whatever NonStopSession says.
        """
        path = self._file("session")
        if path.exists():
            now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S")
            self._guarded(path, lambda: path.write_text(now, encoding="ascii"))

    def next_sender_msg_seq_num(self) -> int | None:
        """The next number to send, as QuickFIX stored it; None when there is no such file, or it holds no numbers.

        Raises:
            StoreError: it is there and cannot be read.
        """
        return self._numbers()[0]

    def _numbers(self) -> tuple[int, int] | tuple[None, None]:
        """The next numbers to send and to expect."""
        match = _NUMBERS.fullmatch(self._read(self._file("seqnums")) or b"")
        return (int(match.group(1)), int(match.group(2))) if match else (None, None)

    def next_sender(self, known: Known, log: FilteringBoundLogger, *, trusted: bool) -> int:
        """The next number to send: the store's, unless the journal proves that it was used (C12). A store that is
        `trusted` knows better. Where the two differ, it is told.

        Raises:
            StoreError: the store cannot be read.
        """
        sender, target = self._numbers()
        floor = 0 if trusted else known.sender_floor
        store_log = log.bind(file=str(self._file("seqnums")), next_sender_msg_seq_num=max(sender or 1, floor + 1))
        if sender is None or target is None:
            if floor or known.inbound_seq:
                store_log.error("store lost", why=self.missing(), next=_LOST)
        elif sender <= floor:
            store_log.error("store older than the journal", stored=sender, journal=floor + 1, next=_OLDER)
        elif sender > known.sender_floor + 1 or target > known.inbound_seq + 1:
            what = "its number to send counts; what the venue sent and the journal has not is asked for"
            stored, journal = (sender, target), (known.sender_floor + 1, known.inbound_seq + 1)
            store_log.info("store newer than the journal", stored=stored, journal=journal, next=what)
        return max(sender or 1, floor + 1)

    def missing(self) -> str:
        """Why there are no numbers, for people: which file is not there or not readable as numbers, and what to do."""
        path = self._file("seqnums")
        others = sorted(each.name for each in self.folder.glob("*.seqnums") if each != path)
        if path.exists():
            return f"{path} does not hold two numbers at position 0"
        if others:
            return f"{path} is missing, and {', '.join(others)} is there: the CompIDs or the version were changed"
        return f"{path} is missing"

    # --- What the files prove ---

    def examine(self, unanswered: Sequence[str], logon_seq_num: int, *, restored: bool = False) -> Evidence:
        """Which of these requests never left, and whether the files are whole. To be called before QuickFIX opens them.
        `logon_seq_num` is the number of our last Logon that the journal knows; one that was `restored` may not know
        which files had what it asks about.

        What the files were good for is then over: nothing that was sent before our next Logon is ever sent again. So
        they are emptied, once the note says which requests they can say nothing more about. The numbers stay.

        Raises:
            StoreError: a file cannot be read or written.
        """
        no_proof = "the journal has less than was sent" if restored else self._doubt(logon_seq_num)
        unsent: tuple[str, ...] = ()
        if unanswered and not no_proof:
            known = {*self.note.unproven, *self._stored(frozenset(unanswered))}
            unsent = tuple(each for each in unanswered if each not in known)
        proven = frozenset(unsent)
        self.noted(
            floor=logon_seq_num,
            unproven=tuple(each for each in unanswered if each not in proven),
            emptied=bool(no_proof),
        )
        for path in (self._file("header"), self._file("body")):
            if path.exists():
                self._guarded(path, lambda path=path: os.truncate(path, 0))  # type: ignore[misc]
        return Evidence(unsent, no_proof)

    def opened(self) -> None:
        """QuickFIX has opened its files: from here on they prove something."""
        self.noted(boot=boot_id(), files=self._identity(), emptied=False)

    def emptied(self) -> None:
        """The files lost what they had, or our numbers were set: they prove nothing about what this process sent."""
        if not self.note.emptied:
            self.noted(emptied=True)

    def unwritten(self, number: int) -> StoreError:
        """What is wrong when QuickFIX could not store the message with this number. A file that failed once takes
        nothing more as long as QuickFIX has it open: every order would be refused, and no Logon would leave.
        """
        return StoreError(
            f"{self.folder}: message {number} could not be written: see that its disk works and has room, then start "
            "again"
        )

    def named(self, error: BaseException) -> BaseException:
        """The error by which a process ends. QuickFIX's own, when it cannot write the next numbers, names no file."""
        if not isinstance(error, fix.IOException):
            return error
        file = self._file("seqnums")
        return StoreError(
            f"{file} could not be written ({error}): see that its disk works and has room, then start again"
        )

    def _doubt(self, logon_seq_num: int) -> str:
        """Why the files prove nothing; "" when they do."""
        note, boot = self.note, boot_id()
        if not note.boot or not note.files:
            return "no process noted what it wrote"
        if note.boot != boot:
            return "the system was started since: what was not written back is lost"
        if note.files != self._identity():
            return "the files are not those that the last process wrote"
        if note.emptied or note.reset:
            return "the numbers started over or were set while the last process ran"
        following, entries = self.next_sender_msg_seq_num(), self._last_entries()
        if following is None or entries is None:
            return "the numbers or the last entries cannot be read"
        before, last = entries
        fits = before.end <= last.begin and last.end <= self._file("body").stat().st_size
        if last.seq and (last.seq not in (following - 1, following) or not fits):
            return "the files contradict each other"
        if not logon_seq_num or (logon_seq_num != note.floor and not self._has_logon(logon_seq_num)):
            return f"our Logon with number {logon_seq_num}, which the journal knows, is not in them"
        return ""

    def _identity(self) -> str:
        try:
            stats = [self._file(ending).stat() for ending in ("body", "header")]
        except FileNotFoundError:
            return ""
        return " ".join(f"{each.st_dev}:{each.st_ino}" for each in stats)

    def _last_entries(self) -> "tuple[_Entry, _Entry] | None":
        """The last two messages in the files; zeros where there is none, None when an entry is damaged."""
        with self._file("header").open("rb") as header:
            size = header.seek(0, os.SEEK_END)
            header.seek(max(0, size - _TAIL))
            tail = header.read()
        *entries, rest = tail.split(b" ")
        if rest:
            return None
        found = [_NOTHING, _NOTHING]
        for text in entries[-2:]:
            match = _ENTRY.fullmatch(text)
            if match is None:
                return None
            seq, offset, length = (int(group) for group in match.groups())
            found.append(_Entry(seq, offset, offset + length))
        return found[-2], found[-1]

    def _stored(self, wanted: frozenset[str]) -> set[str]:
        """Those of the requests that may have left: of every message but one whose number was not used up."""
        entries, following = self._last_entries(), self.next_sender_msg_seq_num()
        last = _NOTHING if entries is None else entries[1]
        end = last.begin if last.seq == following else last.end
        if not end:
            return set()
        with self._file("body").open("rb") as body, mmap.mmap(body.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = (match.group(1).decode("latin-1") for match in _CL_ORD_ID.finditer(data, 0, end))
            return {each for each in found if each in wanted}

    def _has_logon(self, number: int) -> bool:
        """A Logon(35=A) of ours with this number is in the files."""
        with self._file("body").open("rb") as body:
            if not body.seek(0, os.SEEK_END):
                return False
            with mmap.mmap(body.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return data.find(b"\x0135=A\x0134=%d\x01" % number) >= 0

    # --- Our note ---

    @property
    def note(self) -> Note:
        """Our note; an empty one when there is none."""
        try:
            return msgspec.json.decode(self._read(self._file("note")) or b"", type=Note)
        except msgspec.DecodeError:
            return Note()

    def noted(self, **changes: Any) -> None:
        """Change fields of our note. The loop does it, and QuickFIX's thread where the venue starts over."""
        draft = self._file("note.new")
        with self._writing:
            note = msgspec.structs.replace(self.note, **changes)
            self._guarded(draft, lambda: draft.write_bytes(msgspec.json.encode(note)))
            draft.replace(self._file("note"))

    def _file(self, ending: str) -> Path:
        return self.folder / f"{self._prefix}.{ending}"

    def _read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; let the gateway's user read and write it") from error

    @staticmethod
    def _guarded(path: Path, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; let the gateway's user read and write it") from error
