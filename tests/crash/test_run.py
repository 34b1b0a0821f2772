"""A campaign over several stacks: what it forks, how it counts, and what is left of one that is stopped."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ops.crash.forked import FROM_NOTHING_EVERY, ForkedProcess, Starter
from ops.crash.result import Result, Tally, result
from ops.crash.run import LENGTHS, MOST_FAILED, Lanes, Report, length, stacks
from ops.crash.starter import Start
from ops.stack import ROOT, Process

SEED = 5
WAIT_S = 60.0

# --- What is forked ---------------------------------------------------------------------------------------------------

Programs = Callable[[str, str], ForkedProcess]


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Forks of tests/crash/program.py, by name and by what they are to do."""
    module, environment = "tests.crash.program", {"A_WORD": "spoken"}
    with Starter() as starter:

        def program(name: str, what: str) -> ForkedProcess:
            code = f"import sys; sys.argv[0] = {name!r}; from {module} import main; main()"
            command = ["/usr/bin/env", f"PYTHONPATH={ROOT}", "A_WORD=spoken", sys.executable, "-c", code, what]
            start = Start(name, module, (what,), environment, str(tmp_path))
            return ForkedProcess(starter, start, Process(name, command, tmp_path / f"{name}.log"))

        yield program


def test_what_is_forked_is_a_process_of_its_own_that_only_has_its_imports_done(
    programs: Programs, tmp_path: Path
) -> None:
    forked = programs("one", "stay")
    forked.start()
    assert forked.ready == {
        "argv": ["one", "stay"],
        "pid": forked.pid,
        "session": forked.pid,
        "group": forked.pid,
        "folder": str(tmp_path),
        "word": "spoken",
        "sockets": 0,
        "threads": 1,
        "imported": True,
    }
    assert forked.log.read_text() == "a line of the log\n"
    assert forked.stop() == -signal.SIGTERM


def test_now_and_then_one_is_started_from_nothing(programs: Programs) -> None:
    forked = programs("one", "fail")
    imported = []
    for _ in range(FROM_NOTHING_EVERY):
        forked.start()
        imported.append(forked.ready["imported"])
        forked.stop()
    assert imported == [True] * (FROM_NOTHING_EVERY - 1) + [False]


def test_the_exit_code_of_what_ended_by_itself_is_told(programs: Programs) -> None:
    staying, failing = programs("one", "stay"), programs("two", "fail")
    staying.start()
    failing.start()
    ended = os.pidfd_open(failing.pid)
    assert select.select([ended], [], [], WAIT_S)[0]
    assert (staying.poll(), failing.poll()) == (None, 3)
    assert failing.stop() == 3
    assert staying.stop() == -signal.SIGTERM


def test_what_is_left_ends_when_nobody_is_there_to_ask_for_more(tmp_path: Path) -> None:
    with Starter() as starter, (tmp_path / "log").open("w") as log:
        child = starter.start(Start("one", "tests.crash.program", ("stay",), {"A_WORD": ""}, str(tmp_path)), log)
        ended = os.pidfd_open(child.pid)
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0)
    assert select.select([ended], [], [], WAIT_S)[0]


# --- Which stacks, and what they come to ------------------------------------------------------------------------------


def test_stacks_come_to_the_cycles_that_were_asked_for_and_each_can_be_run_again_by_itself() -> None:
    planned = list(stacks(2_000, SEED))
    assert sum(cycles for _, cycles in planned) == 2_000
    assert [seed for seed, _ in planned] == list(range(SEED, SEED + len(planned)))
    for seed, cycles in planned[:-1]:
        assert cycles == length(seed)
        assert list(stacks(cycles, seed)) == [(seed, cycles)]
    assert {cycles for _, cycles in planned} >= set(LENGTHS), "short ones and long ones"


def test_a_result_counts_all_stacks_and_passes_only_when_each_did() -> None:
    fine = Tally(cycles=3, orders=10, kills={"gateway": 3}, ready_s=[1.0], open_s=[2.0], ended=True)
    wrong = Tally(cycles=4, orders=20, kills={"gateway": 1, "XSIM": 3}, lost=1, problems=["lost: x"], ready_s=[3.0])
    found = result([fine, wrong], seconds=9.6, seed=SEED, journal="sqlite")
    assert (found.stacks, found.cycles, found.orders, found.lost, found.seconds) == (2, 7, 30, 1, 10)
    assert found.kills == {"gateway": 4, "XSIM": 3}
    assert (found.ready_s.count, found.ready_s.max, found.open_s.count) == (2, 3.0, 1)
    assert not found.passed
    assert result([fine, fine], seconds=1, seed=SEED, journal="sqlite").passed


def test_a_report_has_one_line_of_a_campaign_as_it_was_last_and_the_others_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "campaigns.jsonl"
    path.write_text("before\n")
    report = Report(path)
    for cycles in (10, 20):
        found = result([Tally(cycles=cycles)], seconds=cycles, seed=SEED, journal="sqlite")
        report.write(found)
    with path.open("a") as file:
        file.write("another\n")
    report.write(msgspec.structs.replace(found, cycles=30))
    before, line, another = path.read_text().splitlines()
    assert (before, another) == ("before", "another")
    assert msgspec.json.decode(line, type=Result).cycles == 30


# --- Real ones --------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(400)
async def test_a_campaign_that_is_stopped_has_counted_and_compared_what_was_run(tmp_path: Path) -> None:
    """Two stacks side by side, each of forked processes, until the first comparison."""

    def tell(running: Lanes) -> None:
        running.stop()

    running = Lanes(tmp_path, [(SEED, 500), (SEED + 1, 500), (SEED + 2, 500)], str, tell)
    await running.run(2)
    assert running.failed == [], f"SEED={SEED}"
    assert set(running.tallies) == {SEED, SEED + 1}, "none begins after the word to stop"
    for seed, tally in running.tallies.items():
        assert (tally.ended, tally.problems) == (True, [])
        assert 0 < tally.cycles < 500
        assert tally.executions > 0
        assert not (tmp_path / f"seed-{seed}").exists(), "nothing is kept of a stack with which nothing was wrong"


async def test_a_stack_that_does_not_start_is_a_problem_and_its_files_stay(tmp_path: Path) -> None:
    jobs = [(SEED + number, 10) for number in range(2 * MOST_FAILED)]
    running = Lanes(tmp_path, jobs, lambda: "postgresql+psycopg://nobody@127.0.0.1:1/nowhere", lambda _: None)
    await running.run(1)
    found = result(running.tallies.values(), seconds=1, seed=SEED, journal="sqlite")
    assert (found.cycles, found.passed) == (0, False)
    assert [job.seed for job in running.failed] == [SEED + number for number in range(MOST_FAILED)]
    assert (tmp_path / f"seed-{SEED}" / "gateway.log").exists()
