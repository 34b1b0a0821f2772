"""The feed as a stream, for those who take what comes as it comes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from gateway.core.events import Record
from gateway.runtime.feed import EVERYBODY, Feed


async def follow(
    feed: Feed, from_seq: int | None = None, audience: str = EVERYBODY
) -> AsyncGenerator[tuple[Sequence[Record], int], None]:
    """What a reader takes, piece by piece, for ever."""
    news = asyncio.Event()
    reader = feed.reader(from_seq, audience, news.set)
    try:
        while True:
            taken = reader.take()
            if taken is not None:
                yield taken
            else:
                await news.wait()
                news.clear()
    finally:
        reader.close()
