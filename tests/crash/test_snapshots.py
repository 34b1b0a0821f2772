"""A snapshot is complete or absent, wherever its writer dies; the journal and an older one serve (C10)."""

import asyncio
import fcntl

from gateway.adapters.journal import SqlJournal
from gateway.runtime.snapshots import Snapshots
from tests.crash.conftest import Rigged
from tests.crash.rig import Rig
from tests.e2e.hard import WAIT_S, ended, state_of

STEPS = ("snapshot half written", "snapshot written, not named", "snapshot named")
NEVER = 99
FOLLOW = ("follow", "--once")


async def test_c10_killed_at_each_step_of_writing_a_snapshot_it_is_complete_or_absent(rig: Rigged) -> None:
    """Without an older one first, and then, with more in the journal, beside it."""
    async with rig("") as run:
        for expected in ([0, 0, 1], [1, 1, 2]):
            await run.base()
            run.stack.gateway.kill()
            await no_follower(run)
            for step, complete in zip(STEPS, expected, strict=True):
                run.mine(step, 1, FOLLOW)
                run.stack.gateway.launch()
                await run.dies()
                assert len(kept(run).paths()) == complete, step
                assert_fits(run)
            await run.restarts()
            await run.up()
            await run.agrees()


async def test_c10_what_a_dead_writer_left_is_removed_by_the_next_one(rig: Rigged) -> None:
    async with rig("") as run:
        await run.base()
        run.stack.gateway.kill()
        await no_follower(run)
        run.mine("snapshot half written", 1, FOLLOW)
        run.stack.gateway.launch()
        await run.dies()
        folder = run.stack.folder / "gateway" / "snapshots"
        assert [path.suffix for path in folder.iterdir()] == [".unfinished"]
        run.mine("snapshot half written", NEVER, FOLLOW)
        run.stack.gateway.launch()
        assert await asyncio.to_thread(ended, run.stack.gateway) == 0
        run.stack.gateway.stop()
        assert [path.suffix for path in folder.iterdir()] == [".snapshot"]
        assert_fits(run)
        await run.restarts()
        await run.agrees()


def kept(run: Rig) -> Snapshots:
    return Snapshots(run.stack.folder / "gateway" / "snapshots")


def assert_fits(run: Rig) -> None:
    """Whatever snapshot would be used, the state is what the whole journal comes to."""
    journal = SqlJournal(run.stack.journal_url)
    found = kept(run).newest(journal)
    whole = state_of(run.stack)
    assert found is None or found.seq <= whole.seq
    if found is not None and found.seq == whole.seq:
        assert found == whole


async def no_follower(run: Rig) -> None:
    """The follower of a gateway that was killed ends by itself."""
    async with asyncio.timeout(WAIT_S):
        with (run.stack.folder / "gateway" / "follower.lock").open("w") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
