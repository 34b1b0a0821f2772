"""The venue's ledger: one append-only file of JSON lines that is its evidence and its memory.

Each piece of work (what came in, what it changed, what goes out) is one write, made before a byte of it reaches a
socket. A last piece that a kill has torn is cut off at the next start. Line kinds: see docs/sim-exchange.md.
"""

import fcntl
import os
from array import array
from collections.abc import Iterator
from decimal import Decimal
from itertools import repeat
from pathlib import Path
from typing import Literal

import msgspec

from sim_exchange.enums import Phase, Side
from sim_exchange.orders import Order

_READ_AHEAD = 4096
_END = b'{"kind":"end"}\n'
Trans = Literal["new", "bust", "correct"]


class Received(msgspec.Struct, kw_only=True, tag_field="kind", tag="received"):
    """A message that came in; in `raw` the delimiter SOH is a JSON escape."""

    time: str
    session: str
    msg_type: str
    raw: str
    msg_seq_num: int | None = None


class Sent(msgspec.Struct, kw_only=True, tag_field="kind", tag="sent"):
    """A message that was numbered for a session; `repeat` marks one that went out again under an old number."""

    time: str
    session: str
    msg_type: str
    raw: str
    msg_seq_num: int | None = None
    repeat: bool = False
    wire: bool = True


class Execution(msgspec.Struct, kw_only=True, tag_field="kind", tag="execution"):
    """One execution (new), its taking back (bust) or its change (correct), as reported.

    `last_qty` and `last_px` are what was executed, what was taken back, or what stands after the change; `factor` is
    what stock splits had multiplied the order's quantities by until then.
    """

    time: str
    exec_id: str
    order_id: str
    cl_ord_id: str | None
    session: str
    symbol: str
    side: Side
    last_qty: Decimal
    last_px: Decimal
    cum_qty: Decimal
    trans: Trans
    exec_ref_id: str | None = None
    factor: Decimal = Decimal(1)


class Counters(msgspec.Struct, kw_only=True, tag_field="kind", tag="counters"):
    """The last numbers used for OrderID(37) and ExecID(17); they never run backwards."""

    order: int = 0
    exec: int = 0


class SessionNumbers(msgspec.Struct, kw_only=True, tag_field="kind", tag="session"):
    """The next MsgSeqNum(34) of a session in both directions."""

    session: str
    next_in: int
    next_out: int


class PhaseChange(msgspec.Struct, kw_only=True, tag_field="kind", tag="phase"):
    """An instrument's trading phase."""

    time: str
    symbol: str
    phase: Phase


class LastPrice(msgspec.Struct, kw_only=True, tag_field="kind", tag="price"):
    """The price at which an instrument last traded, whoever traded; stop orders wait for it."""

    symbol: str
    last_px: Decimal


class Used(msgspec.Struct, kw_only=True, tag_field="kind", tag="used"):
    """A ClOrdID(11) that is spent by a request: a cancel or replace of the order `order_id`, or (without one) a request
    that was refused at once or is about many orders.
    """

    session: str
    cl_ord_id: str
    order_id: str | None = None


class Forgotten(msgspec.Struct, kw_only=True, tag_field="kind", tag="forgotten"):
    """An order that the venue denies from now on; its executions stand."""

    time: str
    order_id: str


class End(msgspec.Struct, kw_only=True, tag_field="kind", tag="end"):
    """The end of one piece of work. What stands after the last of these was torn by a kill and does not count."""


Line = (
    Received | Sent | Execution | Counters | SessionNumbers | PhaseChange | LastPrice | Used | Forgotten | Order | End
)
_DECODER = msgspec.json.Decoder(Line)


class LedgerDamaged(Exception):
    """A line cannot be read; `args[0]` names the file and where in it."""


class LedgerInUse(Exception):
    """Another venue writes here; `args[0]` names the directory and the next step."""


def take(directory: Path) -> int:
    """Keep other venues out of a directory until this process ends; the file descriptor that does. Raises LedgerInUse.

    Two writers would cut off each other's last work and give the same OrderIDs and ExecIDs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LedgerInUse(f"{directory}: another venue runs on this data_dir; stop it or choose another one") from None
    return descriptor


class State:
    """What a ledger says the venue knew when it stopped."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.executions = NetExecutions()
        self.counters = Counters()
        self.sessions: dict[str, SessionNumbers] = {}
        self.phases: dict[str, Phase] = {}
        self.prices: dict[str, Decimal] = {}
        self.used: list[Used] = []

    def add(self, line: Line) -> None:
        """Take one line into account."""
        match line:
            case Order():
                self._add_order(line)
            case Execution():
                self.executions.add(line)
            case Counters():
                self.counters = line
            case SessionNumbers():
                self.sessions[line.session] = line
            case PhaseChange():
                self.phases[line.symbol] = line.phase
            case LastPrice():
                self.prices[line.symbol] = line.last_px
            case Used() if line.order_id in self.orders:
                self.orders[line.order_id].cl_ord_ids.append(line.cl_ord_id)
            case Used():
                self.used.append(line)
            case Forgotten():
                self.orders.pop(line.order_id, None)
            case _:
                pass

    def _add_order(self, line: Order) -> None:
        """An order's line has its first ClOrdID(11); those of its changes have lines of their own, see Used."""
        known = self.orders.get(line.order_id)
        if known is not None and len(known.cl_ord_ids) > len(line.cl_ord_ids):
            line.cl_ord_ids = known.cl_ord_ids
        self.orders[line.order_id] = line


class Ledger:
    """The open ledger of a running venue. `state` is what it held when it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._encoder = msgspec.json.Encoder()
        self._batch = bytearray()
        self._offsets: dict[str, array[int]] = {}
        self.state = State()
        self._size = self._load()
        os.ftruncate(self._fd, self._size)

    def _load(self) -> int:
        end = 0
        for offset, raw, line in _scan(self.path):
            end = offset + len(raw)
            self.state.add(line)
            self._note(line, offset)
        return end + len(_END) if end else 0

    def _note(self, line: Line, offset: int) -> None:
        """Remember where a message is, until its number is given up by a reset of the session's numbers."""
        if isinstance(line, SessionNumbers):
            offsets = self._offsets.setdefault(line.session, array("q"))
            del offsets[line.next_out - 1 :]
        elif isinstance(line, Sent) and line.msg_seq_num is not None and not line.repeat:
            offsets = self._offsets.setdefault(line.session, array("q"))
            offsets.extend(repeat(-1, line.msg_seq_num - len(offsets)))
            offsets[line.msg_seq_num - 1] = offset

    def add(self, line: Line) -> None:
        """Put a line into the current batch."""
        self._note(line, self._size + len(self._batch))
        self._batch += self._encoder.encode(line) + b"\n"

    def commit(self) -> None:
        """Write the batch; on return it survives the end of this process. Raises OSError when the disk refuses."""
        if not self._batch:
            return
        self._batch += _END
        written = os.write(self._fd, self._batch)
        if written != len(self._batch):
            raise OSError(f"{self.path}: only {written} of {len(self._batch)} bytes were written")
        self._size += written
        self._batch.clear()

    def sent(self, session: str, msg_seq_num: int) -> bytes | None:
        """The message that a session sent under a number in an earlier piece of work, None when there is none."""
        offsets = self._offsets.get(session)
        if offsets is None or not 0 < msg_seq_num <= len(offsets) or offsets[msg_seq_num - 1] < 0:
            return None
        line = _DECODER.decode(self._line_at(offsets[msg_seq_num - 1]))
        return line.raw.encode("latin-1") if isinstance(line, Sent) else None

    def _line_at(self, offset: int) -> bytes:
        size = _READ_AHEAD
        while b"\n" not in (chunk := os.pread(self._fd, size, offset)):
            size *= 4
        return chunk[: chunk.index(b"\n")]

    def close(self) -> None:
        """Write what is left and close the file."""
        self.commit()
        os.close(self._fd)


def _scan(path: Path) -> Iterator[tuple[int, bytes, Line]]:
    """(offset, raw line, line) of every whole piece of work; a damaged line raises LedgerDamaged.

    The last piece may be torn, or be in the middle of being written; it is left out.
    """
    offset = 0
    piece: list[tuple[int, bytes]] = []
    with path.open("rb") as file:
        for raw in file:
            if raw == _END:
                for at, line in piece:
                    yield at, line, _decode(path, at, line)
                piece.clear()
            else:
                piece.append((offset, raw))
            offset += len(raw)
    for at, line in piece[:-1]:
        _decode(path, at, line)


def _decode(path: Path, offset: int, raw: bytes) -> Line:
    try:
        line: Line = _DECODER.decode(raw)
    except msgspec.DecodeError as error:
        raise LedgerDamaged(f"{path}, byte {offset}: {error}") from error
    return line


def read_lines(path: Path) -> Iterator[Line]:
    """Every line of a ledger, also of one that a running venue writes. Raises LedgerDamaged."""
    for _, _, line in _scan(path):
        yield line


class NetExecutions:
    """Executions with busts taken out and corrections applied.

    A corrected execution keeps its first ExecID(17) and shows quantity and price of the last correction; its `cum_qty`
    is that of its own report.
    """

    def __init__(self) -> None:
        self.standing: dict[tuple[str, str], Execution] = {}
        self._root: dict[tuple[str, str], str] = {}

    def __len__(self) -> int:
        return len(self.standing)

    def get(self, order_id: str, exec_id: str) -> Execution | None:
        """An order's execution as it stands, by the ExecID(17) of any of its reports; None when busted or unknown."""
        return self.standing.get((order_id, self._root.get((order_id, exec_id), exec_id)))

    def add(self, line: Execution) -> None:
        """Take an execution, a bust or a correction into account."""
        order_id = line.order_id
        if line.trans == "new":
            self.standing[order_id, line.exec_id] = line
            return
        ref = line.exec_ref_id or ""
        root = self._root.get((order_id, ref), ref)
        self._root[order_id, line.exec_id] = root
        old = self.standing.get((order_id, root))
        if old is not None and line.trans == "correct":
            new = msgspec.structs.replace(old, last_qty=line.last_qty, last_px=line.last_px, factor=line.factor)
            self.standing[order_id, root] = new
        elif old is not None:
            del self.standing[order_id, root]


def read_executions(path: Path) -> list[Execution]:
    """The venue's net truth from a ledger file, each execution once; see NetExecutions. Raises LedgerDamaged."""
    net = NetExecutions()
    for line in read_lines(path):
        if isinstance(line, Execution):
            net.add(line)
    return list(net.standing.values())
