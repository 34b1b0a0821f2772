"""The feed: every reader gets every committed record once and in order, wherever it starts, and none costs much."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from random import Random
from typing import Any

import pytest

from gateway.core import events as ev
from gateway.core.events import Cause, Record
from gateway.runtime import feed as feed_module
from gateway.runtime.feed import EVERYBODY, Feed, SlowReader, TooManyReaders
from tests.runtime.following import follow
from tests.runtime.journals import HeldJournal, turns


def records(first: int, count: int) -> list[Record]:
    return [
        Record(seq, seq, Cause("operator", "ops"), ev.InstrumentResumed("ACME", str(seq), "ops"))
        for seq in range(first, first + count)
    ]


class Stream:
    """A journal and its feed."""

    def __init__(self, history: int = 0, window: int = 1_000, max_readers: int = 256, **more: Any) -> None:
        self.journal = HeldJournal()
        self.seq = 0
        if history:
            self.commit(history)
        self.feed = Feed(self.journal, self.seq, window=window, max_readers=max_readers, **more)

    def commit(self, count: int) -> list[Record]:
        """As a process before this one did."""
        made = records(self.seq + 1, count)
        self.journal.append(made)
        self.seq += count
        return made

    def publish(self, count: int = 1) -> None:
        self.feed.publish(self.commit(count))


async def read(batches: AsyncIterator[tuple[Sequence[Record], int]], until: int) -> list[int]:
    """The sequence numbers of a reader, up to one; each batch says where it goes on."""
    seen: list[int] = []
    async for batch, next_seq in batches:
        assert len(batch) <= feed_module.CHUNK
        seen += [record.seq for record in batch]
        assert next_seq == seen[-1] + 1
        if next_seq > until:
            return seen
    raise AssertionError("a reader ended by itself")


async def following(stream: Stream, from_seq: int | None, until: int) -> list[int]:
    async with aclosing(follow(stream.feed, from_seq)) as batches:
        return await asyncio.wait_for(read(batches, until), 10)


@pytest.mark.parametrize(("from_seq", "first"), [(1, 1), (0, 1), (-5, 1), (3, 3), (5, 5), (6, 6), (None, 6), (8, 8)])
async def test_a_reader_starts_where_it_says(from_seq: int | None, first: int) -> None:
    """In the history, at its end, from now on, or with what has not happened yet."""
    stream = Stream(history=5)
    reading = asyncio.create_task(following(stream, from_seq, 9))
    await turns()
    for _ in range(4):
        stream.publish()
        await turns(2)
    assert await reading == list(range(first, 10))


async def test_history_comes_in_chunks_and_meets_the_live_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "CHUNK", 7)
    stream = Stream(history=50)
    stream.publish(20)
    assert await following(stream, 1, 70) == list(range(1, 71))


@pytest.mark.parametrize("seed", range(25))
async def test_no_gap_and_no_duplicate_while_publishing_goes_on(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that start anywhere, at any time, at their own pace; the interleaving comes from the seed."""
    random = Random(seed)
    monkeypatch.setattr(feed_module, "CHUNK", random.randint(1, 20))
    stream = Stream(history=random.randint(0, 40), window=500)
    last = stream.seq + 200

    async def reader(pace: Random) -> tuple[int, list[int]]:
        await turns(pace.randrange(50))
        from_seq = pace.choice([None, pace.randint(1, stream.seq + 1)])
        start = stream.seq + 1 if from_seq is None else from_seq
        seen: list[int] = []
        async with aclosing(follow(stream.feed, from_seq)) as batches:
            async for batch, next_seq in batches:
                seen += [record.seq for record in batch]
                if next_seq > last:
                    return start, seen
                await turns(pace.randrange(5))
        raise AssertionError

    readers = [asyncio.create_task(reader(Random(f"{seed}.{number}"))) for number in range(5)]
    while stream.seq < last:
        stream.publish(min(random.randint(1, 9), last - stream.seq))
        await turns(random.randrange(4))
    for start, seen in await asyncio.wait_for(asyncio.gather(*readers), 20):
        assert seen == list(range(start, last + 1))
    assert stream.feed.readers == 0


async def test_a_slow_reader_is_dropped_and_can_resume_without_a_gap() -> None:
    """Rule 7: the window is what a reader may lag behind; the number to go on from is the next one it has not seen."""
    stream = Stream(window=10)
    async with aclosing(follow(stream.feed, 1)) as batches:
        stream.publish(3)
        seen = [record.seq for record in (await anext(batches))[0]]
        for _ in range(30):
            stream.publish()
        with pytest.raises(SlowReader) as dropped:
            await anext(batches)
    assert dropped.value.next_seq == seen[-1] + 1 == 4
    assert stream.feed.readers == 0
    assert await following(stream, dropped.value.next_seq, stream.seq) == list(range(4, stream.seq + 1))


async def test_a_reader_within_the_window_is_never_dropped() -> None:
    stream = Stream(window=10)
    async with aclosing(follow(stream.feed, 1)) as batches:
        expected = 1
        for _ in range(20):
            stream.publish(10)
            batch, _ = await anext(batches)
            assert [record.seq for record in batch] == list(range(expected, expected + 10))
            expected += 10


async def test_a_batch_that_is_larger_than_the_window_drops_nobody_who_was_up_to_date() -> None:
    stream = Stream(window=10)
    async with aclosing(follow(stream.feed, None)) as batches:
        waiting = asyncio.create_task(anext(batches))
        await turns()
        stream.publish(100)
        batch, next_seq = await waiting
        assert ([record.seq for record in batch], next_seq) == (list(range(1, 101)), 101)


async def test_the_window_bounds_memory() -> None:
    stream = Stream(window=10)
    for _ in range(100):
        stream.publish(7)
        assert len(stream.feed._recent) <= 20


async def test_the_number_of_readers_is_bounded() -> None:
    stream = Stream(max_readers=2)
    readers = [asyncio.create_task(following(stream, 1, 1)) for _ in range(2)]
    await turns()
    assert stream.feed.readers == 2
    with pytest.raises(TooManyReaders, match="2 readers"):
        await following(stream, 1, 1)
    stream.publish()
    assert await asyncio.gather(*readers) == [[1], [1]]
    assert stream.feed.readers == 0
    assert await following(stream, 1, 1) == [1], "there is room again"


async def test_a_reader_that_is_cancelled_leaves_nothing_behind() -> None:
    """While it waits for news, while it reads history, and while its consumer holds a batch."""
    stream = Stream(history=5)
    waits = [asyncio.create_task(following(stream, None, 100)) for _ in range(50)]
    await turns()
    assert stream.feed.readers == 50
    reads = [asyncio.create_task(following(stream, 1, 100)) for _ in range(5)]
    await turns(2)
    for task in waits + reads:
        task.cancel()
    await asyncio.wait(waits + reads)
    assert stream.feed.readers == 0
    assert stream.feed._channels == {}
    holder = follow(stream.feed, 1)
    await anext(holder)
    await holder.aclose()
    assert stream.feed.readers == 0


async def test_history_is_read_by_numbers_taken_before_the_thread_starts() -> None:
    """The window moves while a thread reads; the thread must not look at it."""
    stream = Stream(history=5)
    read_journal = stream.journal.read

    def read_while_published(from_seq: int = 1) -> Iterator[Record]:
        stream.publish(3)
        return read_journal(from_seq)

    stream.journal.read = read_while_published  # type: ignore[method-assign]
    assert await following(stream, 1, 8) == list(range(1, 9))


# --- Readers whom only some records concern ---

AUDIENCES = ("alpha", "beta", "", EVERYBODY)


def audience(record: Record) -> str:
    return AUDIENCES[record.seq % 4]


def concerns(name: str, seq: int) -> bool:
    return AUDIENCES[seq % 4] in (name, EVERYBODY)


@pytest.mark.parametrize("seed", range(25))
async def test_a_reader_misses_nothing_that_concerns_it(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: whoever it is, wherever it starts and however slowly it reads; the interleaving comes from the seed."""
    random = Random(seed)
    monkeypatch.setattr(feed_module, "CHUNK", random.randint(1, 20))
    stream = Stream(history=random.randint(0, 40), window=500, audience=audience)
    last = stream.seq + 200 + 3 - stream.seq % 4
    assert audience(records(last, 1)[0]) == EVERYBODY, "so that everybody is woken for the last one"

    async def reader(name: str, pace: Random) -> None:
        await turns(pace.randrange(50))
        start = pace.randint(1, stream.seq + 1)
        seen: list[int] = []
        async with aclosing(follow(stream.feed, start, name)) as batches:
            async for batch, next_seq in batches:
                seen += [record.seq for record in batch]
                assert all(seq < next_seq for seq in seen)
                assert [seq for seq in seen if concerns(name, seq)] == [
                    seq for seq in range(start, next_seq) if concerns(name, seq)
                ]
                if next_seq > last:
                    break
                await turns(pace.randrange(5))
        assert seen == sorted(set(seen))

    readers = [
        asyncio.create_task(reader(name, Random(f"{seed}.{name}.{number}")))
        for name in ("alpha", "beta")
        for number in range(3)
    ]
    while stream.seq < last:
        stream.publish(min(random.randint(1, 9), last - stream.seq))
        await turns(random.randrange(4))
    await asyncio.wait_for(asyncio.gather(*readers), 20)
    assert stream.feed.readers == 0


async def test_a_reader_whom_nothing_concerns_is_neither_woken_nor_dropped() -> None:
    stream, woken = Stream(window=10, audience=lambda _record: "beta"), []
    reader = stream.feed.reader(1, "alpha", lambda: woken.append(stream.seq))
    assert reader.take() is None
    for _ in range(50):
        stream.publish()
    assert woken == []
    assert reader.take() is None
    assert reader.next_seq == 51, "it knows how far everything is all the same"
    reader.close()


async def test_how_far_a_reader_is_never_runs_ahead_of_what_it_took() -> None:
    stream = Stream(window=10, audience=lambda record: "alpha" if record.seq % 2 else "beta")
    reader = stream.feed.reader(1, "alpha", lambda: None)
    assert reader.take() is None
    stream.publish(3)
    assert reader.next_seq == 1
    taken = reader.take()
    assert taken is not None
    assert ([record.seq for record in taken[0]], taken[1], reader.next_seq) == ([1, 3], 4, 4)
    stream.publish()
    assert reader.next_seq == 5, "the fourth is not for it"
    reader.close()


async def test_one_of_an_audience_that_is_slow_is_dropped_and_can_resume_without_a_gap() -> None:
    stream = Stream(window=10, audience=lambda record: "alpha" if record.seq % 2 else "beta")
    async with aclosing(follow(stream.feed, 1, "alpha")) as batches:
        first = asyncio.ensure_future(anext(batches))
        await turns()
        stream.publish(3)
        batch, next_seq = await first
        assert ([record.seq for record in batch], next_seq) == ([1, 3], 4)
        for _ in range(30):
            stream.publish()
        with pytest.raises(SlowReader) as dropped:
            await anext(batches)
    assert dropped.value.next_seq == 4
    assert stream.feed.readers == 0
