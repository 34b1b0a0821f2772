"""C1: a torn tail is cut off and the journal goes on; a full or failing disk leaves no half batch."""

import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from gateway.adapters.journal import SqlJournal
from gateway.runtime.ports import JournalError
from tests.adapters.journal.records import fill, fills

ROOT = Path(__file__).resolve().parents[3]
DURABILITIES: list[Literal["power", "process"]] = ["power", "process"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def _writing(url: str, durability: str, size: int) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "tests.adapters.journal.writer", url, durability, str(size)]
    return subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0)


def _wait_for(lines: Iterator[bytes], count: int) -> int:
    """The seq on the last of the next `count` lines."""
    return [int(next(lines)) for _ in range(count)][-1]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_after_kill_9_everything_acknowledged_is_there_and_no_batch_is_half(
    new_url: Callable[[], str], durability: Literal["power", "process"]
) -> None:
    url = new_url()
    dice = random.Random(7)
    acknowledged = 0
    for round_number in range(1, 4):
        writer = _writing(url, durability, 3)
        assert writer.stdout is not None
        acknowledged = _wait_for(writer.stdout, dice.randint(1, 60))
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout.read().splitlines())])
        writer.wait(10)
        writer.stdout.close()
        journal = SqlJournal(url, durability)
        seq = journal.open().seq
        assert acknowledged <= seq <= acknowledged + 3, f"round {round_number}"
        assert seq % 3 == 0
        assert list(journal.read()) == fills(1, seq)
        assert journal.verify().damage is None
        journal.close()


def test_a_log_cut_at_any_byte_leaves_whole_batches_and_the_journal_goes_on(path: Path, tmp_path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{path}")
    journal.open()
    for seq in range(1, 61, 2):
        journal.append(fills(seq, seq + 1))
    wal = path.with_name(path.name + "-wal").read_bytes()
    dice = random.Random(11)
    # Every boundary of the first frames, and many places between.
    cuts = {0, 1, 31, 32, 33, 56, 4151, 4152, 4153, len(wal)} | {dice.randrange(len(wal)) for _ in range(40)}
    ends = set()
    for number, cut in enumerate(sorted(cuts)):
        copy = tmp_path / f"cut{number}.sqlite"
        shutil.copy(path, copy)
        copy.with_name(copy.name + "-wal").write_bytes(wal[:cut])
        torn = SqlJournal(f"sqlite:///{copy}")
        try:
            end = torn.open().seq
        except JournalError as error:
            raise AssertionError(f"cut at byte {cut}") from error
        torn.append([fill(end + 1)])
        assert list(torn.read()) == fills(1, end + 1), f"cut at byte {cut}"
        torn.close()
        ends.add(end)
    journal.close()
    assert min(ends) == 0
    assert max(ends) == 60
    assert len(ends) > 15


def test_a_full_database_refuses_the_batch_whole(path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{path}")
    journal.open()
    journal.append(fills(1, 5))
    assert journal._writer is not None
    pages = journal._writer.connection.exec_driver_sql("PRAGMA page_count").scalar()
    journal._writer.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(JournalError, match=r"seq 6 to 505.*SQLITE_FULL.*free space"):
        journal.append(fills(6, 505))
    with pytest.raises(JournalError, match="not open"):
        journal.append([fill(6)])
    again = SqlJournal(f"sqlite:///{path}")
    assert again.open().seq == 5
    again.append([fill(6)])
    assert list(again.read()) == fills(1, 6)
    assert again.verify().damage is None
    again.close()


@pytest.mark.parametrize("durability", DURABILITIES)
def test_a_disk_that_takes_no_more_bytes_ends_the_writer_and_keeps_what_was_acknowledged(
    path: Path, durability: Literal["power", "process"]
) -> None:
    def small_files() -> None:
        # The system itself says no to a write beyond this size, as a full disk would.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    program = [sys.executable, "-m", "tests.adapters.journal.writer", f"sqlite:///{path}", durability, "20"]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, preexec_fn=small_files, timeout=60, check=False)
    assert ended.returncode == 1
    assert b"JournalError" in ended.stderr
    acknowledged = int(ended.stdout.splitlines()[-1])
    assert acknowledged > 0
    journal = SqlJournal(f"sqlite:///{path}", durability)
    seq = journal.open().seq
    assert seq in {acknowledged, acknowledged + 20}
    assert list(journal.read()) == fills(1, seq)
    journal.append([fill(seq + 1)])
    assert journal.verify().damage is None
    journal.close()
