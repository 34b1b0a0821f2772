"""The turn of the clock, as the gateway makes it."""

from types import ModuleType, SimpleNamespace

import pytest

from gateway import app
from gateway.core.reports import TimerFired
from gateway.core.state import Settings, State

S = 1_000_000_000


class _Over(Exception):
    """The turns that the test wants are over."""


async def test_the_clocks_turn_says_by_how_much_the_wall_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sets it an hour forward during the second turn, and back during the third."""
    told: list[TimerFired] = []
    passed = iter(range(0, 4 * S, S))
    clock = SimpleNamespace(wall_ns=0, steady_ns=0)

    async def sleep(_: float) -> None:
        clock.steady_ns = next(passed)
        clock.wall_ns = clock.steady_ns + {1: 3600 * S}.get(len(told), 0)

    def turn(**_: object) -> None:
        if len(told) == 3:
            raise _Over

    monkeypatch.setattr(app.asyncio, "sleep", sleep)
    monkeypatch.setattr(app.time, "time_ns", lambda: clock.wall_ns)
    monkeypatch.setattr(app.time, "monotonic_ns", lambda: clock.steady_ns)
    with pytest.raises(_Over):
        await app._Stack._tick(_stack(told), SimpleNamespace(turn=turn))
    assert told == [TimerFired(0), TimerFired(3600 * S), TimerFired(-3600 * S)]


@pytest.mark.parametrize("part", [app.retention, app.stops, app.mass_cancel])
async def test_the_clocks_turn_comes_soon_while_one_leaves_something_to_do(
    part: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        monkeypatch.setattr(part, "due", lambda *_: len(waited) < 2)

    def turn(**_: object) -> None:
        if len(waited) == 3:
            raise _Over

    monkeypatch.setattr(app.asyncio, "sleep", sleep)
    with pytest.raises(_Over):
        await app._Stack._tick(_stack([]), SimpleNamespace(turn=turn))
    assert waited == [app.TIMER_S, app.CROWDED_TIMER_S, app.TIMER_S]


def _stack(told: list[TimerFired]) -> SimpleNamespace:
    """As much of the gateway as the clock looks at."""
    sequencer = SimpleNamespace(settings=Settings({}, ()), tell=lambda given: told.append(given.body))
    return SimpleNamespace(_state=State(), _sequencer=sequencer)
