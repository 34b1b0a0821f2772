"""A campaign over several stacks: what it forks, how it counts, and what is left of one that is stopped or dies."""

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.adapters.journal import SqlJournal
from ops.crash import run
from ops.crash.forked import ForkedProcess, Starter
from ops.crash.lane import Job
from ops.crash.plan import FROM_NOTHING, RETENTION, planned
from ops.crash.result import Result, Tally, result
from ops.crash.run import JOURNAL_COPY, LENGTHS, MOST_FAILED, Lanes, Report, again, length, stacks
from ops.crash.starter import Start
from ops.stack import ROOT, Process
from tests.crash.test_campaign import records
from tests.e2e.hard import until

SEED = 5
WAIT_S = 60.0

# --- What is forked ---------------------------------------------------------------------------------------------------

Programs = Callable[[str, str], ForkedProcess]


def a_program(starter: Starter, folder: Path, name: str, what: str, from_nothing: bool = False) -> ForkedProcess:
    """tests/crash/program.py, and what it is to do."""
    module, environment = "tests.crash.program", {"A_WORD": "spoken"}
    code = f"import sys; sys.argv[0] = {name!r}; from {module} import main; main()"
    command = ["/usr/bin/env", f"PYTHONPATH={ROOT}", "A_WORD=spoken", sys.executable, "-c", code, what]
    start = Start(name, module, (what,), environment, str(folder))
    return ForkedProcess(starter, start, Process(name, command, folder / f"{name}.log"), lambda: from_nothing)


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Forks, by name and by what they are to do."""
    with Starter() as starter:
        yield lambda name, what: a_program(starter, tmp_path, name, what)


@contextlib.contextmanager
def watched(pid: int) -> Iterator[Callable[[], bool]]:
    """Waits for the end of a process, and says whether it came."""
    ended = os.pidfd_open(pid)
    try:
        yield lambda: bool(select.select([ended], [], [], WAIT_S)[0])
    finally:
        os.close(ended)


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


def test_one_that_is_started_from_nothing_is_a_new_interpreter_of_the_starter(tmp_path: Path) -> None:
    with Starter() as starter:
        program = a_program(starter, tmp_path, "one", "stay", from_nothing=True)
        program.start()
        assert not program.forked
        found = program.ready
        assert (found["imported"], found["word"], found["sockets"]) == (False, "spoken", 0)
        assert found["pid"] == found["session"] == found["group"] == program.pid
        assert program.stop() == -signal.SIGTERM


def test_a_stack_is_planned_by_its_seed() -> None:
    plans = [planned(seed, ("a", "b")) for seed in range(200)]
    assert plans == [planned(seed, ("a", "b")) for seed in range(200)]
    assert {plan.durability for plan in plans} == {"power", "process"}
    assert {plan.over_unix for plan in plans} == {frozenset(), frozenset("a"), frozenset("b"), frozenset("ab")}
    starts = [plan.dice("starts").random() < FROM_NOTHING for plan in plans]
    assert 0 < sum(starts) < len(starts) / 5
    process = next(plan for plan in plans if plan.durability == "process")
    text = process.gateway((ROOT / "config" / "gateway.toml").read_text(), ("a",))
    assert RETENTION in text
    assert '\ndurability = "process"' in text
    assert '\nid = "a"\n' in text


def test_the_exit_code_of_what_ended_by_itself_is_told(programs: Programs) -> None:
    staying, failing = programs("one", "stay"), programs("two", "fail")
    staying.start()
    failing.start()
    with watched(failing.pid) as ended:
        assert ended()
    assert (staying.poll(), failing.poll()) == (None, 3)
    assert failing.stop() == 3
    assert staying.stop() == -signal.SIGTERM


def test_what_is_left_ends_when_nobody_is_there_to_ask_for_more(tmp_path: Path) -> None:
    with Starter() as starter, (tmp_path / "log").open("w") as log:
        child = starter.start(Start("one", "tests.crash.program", ("stay",), {"A_WORD": ""}, str(tmp_path)), log)
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0)
    assert child.wait(0) == -signal.SIGKILL
    assert not Path(f"/proc/{child.pid}").exists(), "ended and reaped"


LANE = """
import json, sys, threading
from pathlib import Path
from ops.crash.forked import Starter
from tests.crash.test_run import a_program
with Starter() as starter:
    programs = [a_program(starter, Path(sys.argv[1]), str(fresh), "stay", fresh) for fresh in (False, True)]
    for program in programs:
        program.start()
    print(json.dumps([program.pid for program in programs]), flush=True)
    threading.Event().wait()
"""


def test_nothing_outlives_a_lane_that_is_killed(tmp_path: Path) -> None:
    """Neither what was forked nor what was started from nothing."""
    lane = subprocess.Popen([sys.executable, "-c", LANE, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
    with lane, contextlib.ExitStack() as stack:
        assert lane.stdout is not None
        ended = [stack.enter_context(watched(pid)) for pid in json.loads(lane.stdout.readline())]
        lane.kill()
        assert [each() for each in ended] == [True, True]


# --- Which stacks, and what they come to ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--cycles", "--lanes"])
@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_campaign_of_nothing_is_refused_with_the_option(
    option: str, number: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It divided by zero."""
    monkeypatch.setattr(sys, "argv", ["crash", option, number])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert ended.value.code == 2
    assert option in capsys.readouterr().err


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


def test_a_line_of_an_earlier_campaign_is_read_as_what_it_was() -> None:
    """Each of the file, from before there was a durability to choose, a fork or a snapshot."""
    lines = (ROOT / "docs" / "crash-campaigns.jsonl").read_text().splitlines()
    first = msgspec.json.decode(lines[0], type=Result)
    assert (first.seed, first.cycles, first.starts, first.durability, first.from_snapshot) == (
        11,
        122,
        "interpreter",
        "power",
        0,
    )


@pytest.mark.parametrize(("process_stacks", "said"), [(0, "power"), (1, "power, process"), (2, "process")])
def test_a_result_says_which_durability_its_stacks_had(process_stacks: int, said: str) -> None:
    tallies = [Tally(process_stacks=int(number < process_stacks)) for number in range(2)]
    assert result(tallies, seconds=1, seed=SEED, journal="sqlite").durability == said


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("", "make crash CYCLES=20 SEED=7"),
        ("postgresql+psycopg://u@h/d", "make crash CYCLES=20 SEED=7 JOURNAL=postgres"),
    ],
)
def test_the_command_for_again_has_the_journal_in_the_same_place(url: str, command: str) -> None:
    assert again(Job(7, 20, "/nowhere", url)) == command


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


@pytest.mark.timeout(400)
@pytest.mark.parametrize("after_the_word_to_stop", [False, True])
async def test_a_lane_that_dies_is_a_problem_and_its_files_stay(tmp_path: Path, after_the_word_to_stop: bool) -> None:
    """It is killed while its stack runs."""
    lanes: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def noted(*command: str, **given: Any) -> asyncio.subprocess.Process:
        lanes.append(await create(*command, **given))
        return lanes[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio, "create_subprocess_exec", noted)
        running = Lanes(tmp_path, [(SEED, 500)], str, lambda _: None)
        campaign = asyncio.create_task(running.run(1))
        ledger = tmp_path / f"seed-{SEED}" / "venue-XSIM" / "ledger.jsonl"
        await until(ledger.exists)
        if after_the_word_to_stop:
            running.stop()
        lanes[0].kill()
        await campaign
    found = result(running.tallies.values(), seconds=1, seed=SEED, journal="sqlite", problems=running.problems)
    assert found.problems == [
        "a lane ended with exit code -9; why is above",
        f"the lane of the stack with seed {SEED} ended; why is above",
    ]
    assert [job.seed for job in running.failed] == [SEED]
    assert ledger.exists()


async def test_a_journal_that_goes_with_its_server_is_copied_when_something_was_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stack has its own; only that of the second one is wanted afterwards."""
    urls = [f"sqlite:///{tmp_path}/server-{number}.sqlite" for number in range(2)]
    for url in urls:
        with contextlib.closing(SqlJournal(url)) as journal:
            journal.open()
            journal.append(records())
    create = asyncio.create_subprocess_exec
    code = (
        'import sys; print(\'{"ended": true}\', flush=True); print(\'{"problems": ["x"], "ended": true}\', flush=True)'
    )

    async def failing(*_: str, **given: Any) -> asyncio.subprocess.Process:
        return await create(sys.executable, "-c", code, **given)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", failing)
    for seed in (SEED, SEED + 1):
        (tmp_path / f"seed-{seed}").mkdir()
    running = Lanes(tmp_path, [(SEED, 3), (SEED + 1, 3)], iter(urls).__next__, lambda _: None)
    await running.run(1)
    (job,) = running.failed
    assert job.seed == SEED + 1
    copy = SqlJournal(f"sqlite:///{job.folder}/{JOURNAL_COPY}")
    assert list(copy.read()) == records()
    assert copy.verify().damage is None


async def test_the_word_to_stop_before_a_stack_has_begun_is_no_problem(tmp_path: Path) -> None:
    running = Lanes(tmp_path, [(SEED, 500)], str, lambda _: None)
    campaign = asyncio.create_task(running.run(1))
    await until(lambda: bool(running._running))
    running.stop()
    await campaign
    assert (running.failed, running.problems, sum(tally.cycles for tally in running.tallies.values())) == ([], [], 0)


async def test_a_lane_that_fails_after_its_last_stack_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = asyncio.create_subprocess_exec
    code = 'import sys; sys.stdin.readline(); print(\'{"cycles": 3, "ended": true}\', flush=True); sys.exit(4)'

    async def failing(*_: str, **given: Any) -> asyncio.subprocess.Process:
        return await create(sys.executable, "-c", code, **given)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", failing)
    running = Lanes(tmp_path, [(SEED, 3)], str, lambda _: None)
    await running.run(1)
    assert running.problems == ["a lane ended with exit code 4; why is above"]


def test_a_campaign_that_compared_nothing_leaves_no_line_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.jsonl"

    async def stopped(lanes: Lanes, _: int) -> None:
        lanes.stop()

    monkeypatch.setattr(Lanes, "run", stopped)
    monkeypatch.setattr(sys, "argv", ["crash", "--cycles", "20", "--seed", "1", "--report", str(report)])
    assert run.main() == 1
    assert not report.exists()
    assert capsys.readouterr().out == ""


async def test_a_stack_that_does_not_start_is_a_problem_and_its_files_stay(tmp_path: Path) -> None:
    jobs = [(SEED + number, 10) for number in range(2 * MOST_FAILED)]
    running = Lanes(tmp_path, jobs, lambda: "postgresql+psycopg://nobody@127.0.0.1:1/nowhere", lambda _: None)
    await running.run(1)
    found = result(running.tallies.values(), seconds=1, seed=SEED, journal="sqlite")
    assert (found.cycles, found.passed) == (0, False)
    assert [job.seed for job in running.failed] == [SEED + number for number in range(MOST_FAILED)]
    assert (tmp_path / f"seed-{SEED}" / "gateway.log").exists()
