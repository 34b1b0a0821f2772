"""What a campaign finds beside the three accounts: in the projections, in the log, and in a program that ended by
itself.
"""

import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.adapters.projections import tables
from ops.crash.books import JournalBook
from ops.crash.forked import Starter
from ops.crash.house import Ended, Said, killed
from ops.crash.lane import Job, Stop, _run
from ops.crash.rows import differences
from tests.crash.test_campaign import records
from tests.crash.test_run import a_program, watched


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Projections of the one order that was executed once."""
    url = f"sqlite:///{tmp_path}/projections.sqlite"
    engine = sa.create_engine(url)
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(tables.orders.insert(), [ORDER])
        connection.execute(tables.executions.insert(), [EXECUTION])
    engine.dispose()
    return url


ORDER = {
    "order_id": "O1",
    "order_qty": Decimal(10),
    "ord_status": "FILLED",
    "cum_qty": Decimal(10),
    "leaves_qty": Decimal(0),
    "avg_px": Decimal(90),
    "in_doubt": False,
    "multiplier": Decimal(1),
    **dict.fromkeys(("submitted_ns", "submitted_seq", "updated_ns", "updated_seq"), 1),
}
EXECUTION = {
    "seq": 3,
    "time_ns": 1,
    "order_id": "O1",
    "exec_id": "E1",
    "last_qty": Decimal(10),
    "last_px": Decimal(90),
    "factor": Decimal(1),
    "in_force": True,
}


@pytest.fixture
def journal() -> JournalBook:
    journal = JournalBook()
    journal.read(records())
    return journal


def test_projections_that_are_the_journals_have_no_differences(url: str, journal: JournalBook) -> None:
    assert differences(url, journal) == []


@pytest.mark.parametrize(
    "change",
    [
        tables.orders.update().values(ord_status="CANCELED"),
        tables.orders.update().values(cum_qty=Decimal(9)),
        tables.orders.delete(),
        tables.executions.update().values(last_px=Decimal(91)),
        tables.executions.update().values(in_force=False),
        tables.executions.insert().values(EXECUTION | {"seq": 4, "exec_id": "E2"}),
    ],
)
def test_each_row_that_is_missing_too_much_or_another_is_found(
    url: str, journal: JournalBook, change: sa.Executable
) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(change)
    engine.dispose()
    (line,) = differences(url, journal)
    assert "in the projections and" in line


def test_an_unused_snapshot_a_journal_that_does_not_replay_and_what_a_kill_cannot_lose_are_alarms() -> None:
    for said in (
        Said("snapshot not used", "warning"),
        Said("snapshot_doubted", "warning"),
        Said("journal_does_not_replay", "critical"),
        Said("follower_stopped", "error"),
        Said("journal_cut", "warning"),
        Said("store lost", "error"),
        Said("store older than the journal", "error"),
    ):
        assert said.alarms, said
    assert not Said("recovered", "info").alarms
    assert not Said("store newer than the journal", "warning").alarms


def test_a_program_that_had_ended_before_it_was_killed_is_found(tmp_path: Path) -> None:
    with Starter() as starter:
        staying, failing = (a_program(starter, tmp_path, what, what) for what in ("stay", "fail"))
        staying.start()
        killed(staying)
        failing.start()
        with watched(failing.pid) as ended:
            assert ended()
        with pytest.raises(Ended, match="fail had ended by itself, with exit code 3"):
            killed(failing)


def test_the_word_to_stop_interrupts_nothing_in_a_lane_and_no_stack_begins_after_it(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        stop = Stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.given
        with Starter() as starter:
            tally = _run(Job(1, 20, str(tmp_path / "stack")), starter, stop)
        assert (tally.ended, tally.cycles, tally.problems) == (True, 0, [])
        assert not (tmp_path / "stack").exists()
    finally:
        signal.signal(signal.SIGTERM, before)
