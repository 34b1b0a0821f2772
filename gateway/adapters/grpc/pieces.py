"""Long answers are encoded a few rows at a time, so that they do not hold up orders (rule 7)."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
M = TypeVar("M")

AT_ONCE = 50
"""Rows between which nobody else has a turn. One takes some 10 to 40 us."""


async def encoded(rows: Sequence[T], encode: Callable[[T], M]) -> list[M]:
    """What `encode` makes of each row. Rows are values, or copies: they have to stay as they are meanwhile."""
    made: list[M] = []
    for start in range(0, len(rows), AT_ONCE):
        if start:
            await asyncio.sleep(0)
        made.extend(map(encode, rows[start : start + AT_ONCE]))
    return made
