"""The collector of cycles finds what dies young, leaves what lives long alone, and looks through that while nobody
trades.
"""

import gc
import weakref
from collections.abc import Iterator

import pytest

from gateway.runtime.garbage import Garbage


class Circle:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def garbage() -> Iterator[Garbage]:
    before = gc.get_threshold()
    try:
        yield Garbage()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def made() -> "weakref.ref[Circle]":
    return weakref.ref(Circle())


def test_what_dies_young_is_found_at_the_next_turn(garbage: Garbage) -> None:
    dead = made()
    garbage.turn(trading=True)
    assert dead() is None


def test_what_survived_its_youth_is_not_looked_at_while_there_is_trading(garbage: Garbage) -> None:
    living = Circle()
    garbage.turn(trading=True)
    assert not any(each is living for each in gc.get_objects())
    old = weakref.ref(living)
    del living
    for _ in range(200):
        garbage.turn(trading=True)
    assert old() is not None


def test_a_long_pause_begins_with_a_look_through_everything(garbage: Garbage) -> None:
    living = Circle()
    garbage.turn(trading=True)
    old = weakref.ref(living)
    del living
    for _ in range(59):
        garbage.turn(trading=False)
    assert old() is not None
    garbage.turn(trading=False)
    assert old() is None


def test_no_full_collection_comes_by_itself(garbage: Garbage) -> None:
    full = gc.get_stats()[2]["collections"]
    kept: list[list[int]] = [[] for _ in range(300_000)]
    assert len(kept) == 300_000
    assert gc.get_stats()[2]["collections"] == full
