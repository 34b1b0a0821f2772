"""The sequencer: durable before visible, one commit for many, and an answer at every bound."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.core import events as ev
from gateway.core.engine import execute
from gateway.core.events import Cause, Input, Record
from gateway.core.reports import ExecutionReport, TimerFired
from gateway.core.risk.commands import StopTrading
from gateway.core.state import Settings, State
from gateway.core.types import ExecType, OrdStatus, Reason
from gateway.runtime import sequencer
from gateway.runtime.ports import JournalError
from gateway.runtime.sequencer import Overloaded
from tests.core.world import CLIENT, START_NS, VENUE, order
from tests.runtime.journals import ASKED, ended, running, turns


class Line:
    """A source of facts with a queue of its own, as a venue link is."""

    def __init__(self) -> None:
        self.waiting: list[Input] = []
        self.asked_for: list[int] = []

    def hear(self, count: int = 1) -> None:
        for _ in range(count):
            number = len(self.waiting) + 1
            said = ExecutionReport(VENUE, ExecType.NEW, OrdStatus.NEW, exec_id=f"E{number}", cl_ord_id="stranger")
            self.waiting.append(Input(START_NS, Cause("venue", VENUE, number), said))

    def drain(self, limit: int) -> Sequence[Input]:
        self.asked_for.append(limit)
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken


async def test_nothing_leaves_before_it_is_durable() -> None:
    """Rule 1, with a disk that takes its time: no reply, no effect, no sequence number."""
    async with running() as run:
        before = run.sequencer.committed_seq
        run.journal.hold()
        reply = asyncio.create_task(run.sequencer.execute(order("1"), ASKED))
        durable = asyncio.create_task(run.sequencer.committed(before + 2))
        await run.journal.until_appending()
        await turns()
        assert run.sequencer.state.seq == before + 2, "it is decided,"
        assert (run.released, reply.done(), durable.done()) == ([], False, False), "but nobody can see it,"
        assert run.sequencer.committed_seq == before
        run.journal.let_go()
        answer = await reply
        await durable
        assert answer.reason is None
        assert [type(record.event) for record in run.released] == [ev.OrderSubmitted, ev.OrderRouted]
        assert run.sequencer.committed_seq == before + 2
        assert list(run.journal.read(before + 1)) == run.released


async def test_effects_are_released_before_replies_and_in_order() -> None:
    async with running() as run:
        first = run.sequencer.committed_seq + 1
        answers = await asyncio.gather(*(run.sequencer.execute(order(str(n)), ASKED) for n in range(50)))
        assert [record.seq for record in run.released] == list(range(first, first + 100))
        assert [answer.order_id for answer in answers] == [
            record.event.order_id for record in run.released if isinstance(record.event, ev.OrderSubmitted)
        ]


async def test_a_stop_goes_before_all_that_waits_and_needs_no_room_in_the_queue() -> None:
    """RTS 6 12: the kill switch works under a flood of orders."""
    async with running(max_commands=10) as run:
        run.journal.hold()
        tasks = [asyncio.create_task(run.sequencer.execute(order("0"), ASKED))]
        await run.journal.until_appending()
        for owner in "abcdefghij":
            flood = [order(f"{owner}{number}") for number in range(9)]
            tasks += [asyncio.create_task(run.sequencer.execute(each, Cause("client", owner))) for each in flood]
        await turns()
        waiting = run.sequencer.queued_commands
        assert waiting > 5
        stop = asyncio.create_task(
            run.sequencer.execute(StopTrading("ann", "firm", "trouble"), Cause("operator", "ann"))
        )
        await turns()
        run.journal.let_go()
        assert (await stop).reason is None
        taken = await asyncio.gather(*tasks, return_exceptions=True)
        accepted = [answer for answer in taken if not isinstance(answer, Overloaded) and answer.reason is None]
        refused = [answer for answer in taken if not isinstance(answer, Overloaded) and answer.reason is not None]
        assert len(accepted) == 1, "what was decided before it"
        assert [answer.reason for answer in refused] == [Reason.RISK_STOPPED] * waiting


async def test_stops_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7."""
    monkeypatch.setattr(sequencer, "MAX_STOPS", 2)
    async with running() as run:
        run.journal.hold()
        first = asyncio.create_task(run.sequencer.execute(order("0"), ASKED))
        await run.journal.until_appending()
        stop = StopTrading("ann", "firm", "trouble")
        stops = [asyncio.create_task(run.sequencer.execute(stop, Cause("operator", "ann"))) for _ in range(2)]
        await turns()
        with pytest.raises(Overloaded, match="2 stops are waiting"):
            await run.sequencer.execute(stop, Cause("operator", "ann"))
        run.journal.let_go()
        assert [answer.reason for answer in await asyncio.gather(first, *stops)] == [None] * 3


async def test_a_failed_commit_ends_everything_at_once() -> None:
    """Memory is ahead of the journal then: one call of fatal, nothing released, no reply, no retry."""
    async with running() as run:
        run.journal.hold()
        run.journal.broken = JournalError("no space left")
        waiting = [asyncio.create_task(run.sequencer.execute(order(str(n)), ASKED)) for n in range(3)]
        await run.journal.until_appending()
        waiting.append(asyncio.create_task(run.sequencer.execute(order("late"), ASKED)))
        run.journal.let_go()
        await ended(run.task)
        await turns()
        assert [str(error) for error in run.fatal] == ["no space left"]
        assert run.released == run.journal.batches == []
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()


async def test_an_effect_that_fails_is_fatal_too() -> None:
    def broken(_: object) -> None:
        if armed:
            raise RuntimeError("a bug")

    armed: list[bool] = []
    async with running(release=broken) as run:
        armed.append(True)
        reply = asyncio.create_task(run.sequencer.execute(order("1"), ASKED))
        await ended(run.task)
        assert (len(run.fatal), reply.done()) == (1, False)
        assert run.sequencer.committed_seq == run.journal.batches[-1][-1].seq, "what is durable counts all the same"
        reply.cancel()


async def test_an_input_that_is_none_is_fatal_and_leaves_no_trace() -> None:
    async with running() as run:
        run.sequencer.tell(Input(START_NS, Cause("process"), "nonsense"))
        await ended(run.task)
        assert isinstance(run.fatal[0], TypeError)
        assert run.journal.batches == []


async def test_being_cancelled_is_no_failure() -> None:
    async with running() as run:
        run.task.cancel()
        await ended(run.task)
        assert run.fatal == []


async def test_what_waits_shares_one_commit() -> None:
    async with running() as run:
        first = await run.held_up()
        rest = [asyncio.create_task(run.sequencer.execute(order(str(n)), ASKED)) for n in range(100)]
        await turns()
        assert run.sequencer.queued_commands == 100
        run.journal.let_go()
        await asyncio.gather(first, *rest)
        assert [len(batch) for batch in run.journal.batches] == run.commits == [2, 200]
        assert run.sequencer.queued_commands == 0


async def test_a_batch_is_bounded() -> None:
    async with running(max_batch=10) as run:
        await asyncio.gather(*(run.sequencer.execute(order(str(n)), ASKED) for n in range(35)))
        assert [len(batch) // 2 for batch in run.journal.batches] == [10, 10, 10, 5]


async def test_a_batch_is_bounded_by_what_it_makes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One mass cancel makes a thousand records. What was handed in together keeps its order and has one answer."""
    monkeypatch.setattr(sequencer, "FULL_AT", 3)
    async with running() as run:
        answers = await run.sequencer.execute_many([order(str(n)) for n in range(5)], ASKED)
        assert [len(batch) for batch in run.journal.batches] == [4, 4, 2]
        assert [answer.order_id for answer in answers] == [*run.sequencer.state.orders]


async def test_facts_go_before_commands() -> None:
    """What a venue says must not wait behind a flood of commands."""
    async with running(max_batch=8) as run:
        line = Line()
        run.sequencer.add_source(line)
        first = await run.held_up()
        flood = [asyncio.create_task(run.sequencer.execute(order(str(n)), ASKED)) for n in range(20)]
        await turns()
        line.hear(5)
        run.sequencer.wake()
        run.journal.let_go()
        await asyncio.gather(first, *flood)
        kinds = [[record.cause.kind for record in batch] for batch in run.journal.batches[1:]]
        assert kinds[0] == ["venue"] * 5 + ["client"] * 2 * 3
        assert all(limit <= 8 for limit in line.asked_for), "what there is no room for stays with its source"


async def test_an_order_is_in_the_next_commit_however_many_of_another_client_wait() -> None:
    """Who floods at ten times what can be done adds no more to another's latency than his share of one batch."""
    async with running(max_batch=8) as run:
        first = await run.held_up()
        flood = [asyncio.create_task(run.sequencer.execute(order(f"loud{n}"), ASKED)) for n in range(80)]
        await turns()
        calm = [asyncio.create_task(run.sequencer.execute(order("calm"), Cause("client", "calm")))]
        await turns()
        run.journal.let_go()
        await asyncio.gather(first, *flood, *calm)
        who = [{record.cause.who for record in batch} for batch in run.journal.batches]
        assert [number for number, owners in enumerate(who) if "calm" in owners] == [1]
        assert len(who) > 10


async def test_a_flood_of_facts_leaves_commands_a_part_of_each_batch() -> None:
    """A venue that sends a whole day again must not hold up a cancel."""
    async with running(max_batch=8) as run:
        line = Line()
        run.sequencer.add_source(line)
        first = await run.held_up()
        line.hear(40)
        late = [asyncio.create_task(run.sequencer.execute(order(str(n)), ASKED)) for n in range(3)]
        await turns()
        run.journal.let_go()
        await asyncio.gather(first, *late)
        await run.sequencer.committed(run.sequencer.state.seq)
        kinds = [[record.cause.kind for record in batch] for batch in run.journal.batches[1:]]
        assert kinds[0] == ["venue"] * 6 + ["client"] * 2 * 2
        assert kinds[1] == ["venue"] * 7 + ["client"] * 2


async def test_a_flood_from_one_venue_leaves_the_others_their_turn() -> None:
    async with running(max_batch=4) as run:
        loud, quiet = Line(), Line()
        for line in (loud, quiet):
            run.sequencer.add_source(line)
        loud.hear(20)
        heard = loud.waiting.pop()
        quiet.waiting.append(Input(heard.at_ns, Cause("venue", "quiet", 1), heard.body))
        run.sequencer.wake()
        await run.sequencer.committed(run.sequencer.committed_seq + 20)
        assert "quiet" in [record.cause.who for record in run.released[:8]]


async def test_more_facts_than_a_batch_holds_stay_in_order() -> None:
    async with running(max_batch=4) as run:
        line = Line()
        run.sequencer.add_source(line)
        line.hear(11)
        run.sequencer.wake()
        await run.sequencer.committed(run.sequencer.committed_seq + 11)
        assert [record.cause.msg_seq_num for record in run.released] == list(range(1, 12))
        assert [len(batch) for batch in run.journal.batches] == [4, 4, 3]


async def test_the_clocks_turn_waits_once_while_a_commit_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: what comes at every turn must not pile up."""
    taken: list[object] = []

    def counted(state: State, settings: Settings, given: Input) -> list[Record]:
        taken.append(given.body)
        return execute(state, settings, given)

    monkeypatch.setattr(sequencer, "execute", counted)
    async with running() as run:
        taken.clear()
        run.journal.hold()
        first = asyncio.create_task(run.sequencer.execute(order("1"), ASKED))
        await run.journal.until_appending()
        for _ in range(50):
            run.sequencer.tell(Input(START_NS, Cause("timer"), TimerFired()))
        run.journal.let_go()
        await first
        await run.sequencer.execute(order("2"), ASKED)
        assert taken.count(TimerFired()) == 1
        run.sequencer.tell(Input(START_NS, Cause("timer"), TimerFired()))
        await run.sequencer.execute(order("3"), ASKED)
        assert taken.count(TimerFired()) == 2, "the next turn is one again"


async def test_a_wake_from_another_thread_is_heard() -> None:
    async with running() as run:
        line = Line()
        run.sequencer.add_source(line)
        line.hear()
        next_seq = run.sequencer.committed_seq + 1
        await asyncio.to_thread(run.sequencer.wake)
        await asyncio.wait_for(run.sequencer.committed(next_seq), 10)


async def test_a_wake_without_anything_commits_nothing() -> None:
    async with running() as run:
        run.sequencer.wake()
        run.sequencer.tell(Input(START_NS, Cause("timer"), TimerFired()))
        await turns()
        assert run.journal.batches == []


async def test_over_the_bound_all_or_none_are_refused_and_no_key_is_spent() -> None:
    """Rule 7: the same command may be sent again and is then taken."""
    async with running(max_commands=5) as run:
        first = await run.held_up()
        taken = asyncio.create_task(run.sequencer.execute_many([order("a"), order("b"), order("c")], ASKED))
        await turns()
        with pytest.raises(Overloaded, match="5 is the limit"):
            await run.sequencer.execute_many([order("d"), order("e"), order("f")], ASKED)
        fits = asyncio.create_task(run.sequencer.execute_many([order("g"), order("h")], ASKED))
        await turns()
        with pytest.raises(Overloaded):
            await run.sequencer.execute(order("i"), ASKED)
        run.journal.let_go()
        await asyncio.gather(first, taken, fits)
        assert set(run.sequencer.state.keys[CLIENT]) == {"first", "a", "b", "c", "g", "h"}
        again = await run.sequencer.execute_many([order("d"), order("e"), order("f")], ASKED)
        assert all(answer.reason is None and not answer.repeated for answer in again)


async def test_many_in_one_go_are_decided_in_order_and_share_a_commit() -> None:
    async with running() as run:
        answers = await run.sequencer.execute_many([order("1"), order("2", symbol="NOPE"), order("1")], ASKED)
        assert [answer.reason for answer in answers] == [None, Reason.SYMBOL_UNKNOWN, None]
        assert (answers[2].order_id, answers[2].repeated) == (answers[0].order_id, True)
        assert len(run.journal.batches) == 1
        assert await run.sequencer.execute_many([], ASKED) == []


async def test_the_same_key_a_thousand_times_in_parallel_is_one_order() -> None:
    async with running() as run:
        answers = await asyncio.gather(*(run.sequencer.execute(order("1"), ASKED) for _ in range(1_000)))
        assert len({answer.order_id for answer in answers}) == 1
        assert sum(not answer.repeated for answer in answers) == 1
        assert [type(record.event) for record in run.released] == [ev.OrderSubmitted, ev.OrderRouted]


async def test_a_repeated_answer_waits_for_the_commit_that_made_it() -> None:
    """Rule 1 holds for the second answer too: it is about an event that is not durable yet."""
    async with running() as run:
        run.journal.hold()
        first = asyncio.create_task(run.sequencer.execute(order("1"), ASKED))
        await run.journal.until_appending()
        second = asyncio.create_task(run.sequencer.execute(order("1"), ASKED))
        await turns()
        assert not second.done()
        run.journal.let_go()
        await asyncio.gather(first, second)
        assert second.result().repeated


async def test_a_caller_that_goes_away_does_not_take_its_command_with_it() -> None:
    async with running() as run:
        first = await run.held_up()
        gone = asyncio.create_task(run.sequencer.execute(order("gone"), ASKED))
        await turns()
        first.cancel()
        gone.cancel()
        await turns()
        run.journal.let_go()
        assert (await run.sequencer.execute(order("gone"), ASKED)).repeated
        assert (await run.sequencer.execute(order("first"), ASKED)).repeated


async def test_stop_takes_no_more_and_finishes_what_it_took() -> None:
    async with running(max_batch=3) as run:
        run.journal.hold()
        taken = [asyncio.create_task(run.sequencer.execute(order(str(n)), ASKED)) for n in range(10)]
        await run.journal.until_appending()
        run.sequencer.stop()
        with pytest.raises(Overloaded):
            await run.sequencer.execute(order("late"), ASKED)
        assert not run.task.done()
        run.journal.let_go()
        await asyncio.wait_for(run.task, 10)
        assert [(await task).reason for task in taken] == [None] * 10
        assert run.sequencer.committed_seq == run.sequencer.state.seq
        run.sequencer.wake()


async def test_the_end_of_the_journal_is_the_end_of_the_state() -> None:
    async with running() as run:
        await asyncio.gather(*(run.sequencer.execute(order(str(n)), ASKED) for n in range(10)))
        assert run.sequencer.committed_seq == run.sequencer.state.seq == run.released[-1].seq
        await run.sequencer.committed(run.sequencer.committed_seq)
