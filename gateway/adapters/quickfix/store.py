"""QuickFIX's files of one session, and a note of ours beside them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

_NUMBERS = re.compile(r"\s*(\d+) : (\d+)")


class Note(msgspec.Struct, frozen=True):
    """What QuickFIX does not remember.

    `session_began_ns` is when the scheduled session began that the numbers belong to. `reset` is true from the moment
    that the numbers start over until the journal has it: the journal's inbound number is one of the old ones then.
    """

    session_began_ns: int | None = None
    reset: bool = False


class Store:
    """The folder of one session. Its files hold our own Logon with the password, so only the owner may read them."""

    def __init__(self, folder: Path, session_id: Sequence[str]) -> None:
        self.folder = folder
        self._prefix = "-".join(session_id)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)

    def keep(self) -> None:
        """Let QuickFIX take the store for one of today.

        Its constructor deletes a store whose .session file names an earlier UTC day, whatever NonStopSession says.
        """
        path = self._file("session")
        if path.exists():
            path.write_text(datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S"), encoding="ascii")

    def next_sender_msg_seq_num(self) -> int:
        """The next number to send, as QuickFIX stored it; 1 when it stored none."""
        try:
            match = _NUMBERS.match(self._file("seqnums").read_text(encoding="ascii"))
        except FileNotFoundError:
            return 1
        return int(match.group(1)) if match else 1

    @property
    def note(self) -> Note:
        """Our note; an empty one when there is none."""
        try:
            return msgspec.json.decode(self._file("note").read_bytes(), type=Note)
        except (FileNotFoundError, msgspec.DecodeError):
            return Note()

    @note.setter
    def note(self, note: Note) -> None:
        draft = self._file("note.new")
        draft.write_bytes(msgspec.json.encode(note))
        draft.replace(self._file("note"))

    def _file(self, ending: str) -> Path:
        return self.folder / f"{self._prefix}.{ending}"
