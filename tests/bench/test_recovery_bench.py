"""The benchmark of recovery works, at sizes that take no time."""

import subprocess
import sys

import msgspec
import pytest

from gateway.codec.snapshot import encode
from gateway.core.state import State
from tests.bench import recovery
from tests.bench.lives import SETTINGS, Lives


def test_it_measures_every_size_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "BEHIND", 100)
    grown = [recovery.measured(events) for events in (300, 900)]
    for of, events in zip(grown, (300, 900), strict=True):
        assert of.events >= events
        assert of.without["seq"] == of.with_snapshot["seq"] == of.events
        assert of.without["open"] == of.with_snapshot["open"] > 0
        assert of.snapshot_bytes > 0 < of.journal_bytes
        assert of.events_per_s > 0 < of.without["peak_bytes"]
        assert 1_000 < of.without["bytes_per_open"] < 4_000
    assert len(recovery.markdown(grown).splitlines()) == len(recovery.ROWS) + 4
    assert recovery.table(grown).row_count == len(recovery.ROWS)


def test_the_peak_of_memory_is_the_processs_own_and_not_its_parents() -> None:
    ballast = b"x" * (256 * 2**20)
    of = recovery.measured(200)
    for figures in (of.without, of.with_snapshot):
        assert 0 < figures["peak_bytes"] < len(ballast)


def test_a_name_that_is_remembered_takes_20_bytes_at_most() -> None:
    """Nothing bounds how many there are, so what each of them takes is guarded: rule 7 ends here."""
    state = State()
    state.retired.add_all([f"K5:alpha{number}" for number in range(400_000)], 1)
    assert 16 <= recovery.memory(state)["bytes_per_name"] <= 20


def test_what_stays_of_an_order_that_left_is_its_names_and_nothing_else() -> None:
    few, many = left(2_000), left(8_000)
    orders, names = many.retired_orders - few.retired_orders, len(many.retired) - len(few.retired)
    assert orders > 500
    assert names <= 5.2 * orders
    assert size(many) - size(few) <= 16 * names + 8 * orders


def left(events: int) -> State:
    """The state when all its orders have left memory."""
    lives = Lives(1, msgspec.structs.replace(SETTINGS, retire_after_ns=1))
    for _ in lives.batches(events):
        pass
    return lives.over()


def size(state: State) -> int:
    """Of its snapshot, but for the positions: each keeps a bounded number of its newest fills."""
    return len(encode(msgspec.structs.replace(state, positions={})))


def test_its_command_prints_the_table() -> None:
    command = [sys.executable, "-m", "tests.bench.recovery", "--sizes", "200"]
    said = subprocess.run(command, cwd=recovery.ROOT, check=True, capture_output=True, text=True).stdout
    assert "recovery with snapshot" in said
    assert "bytes of an open order" in said


def test_the_lives_of_a_seed_are_always_the_same() -> None:
    """Rule 8; a figure of today can be compared with one of tomorrow."""
    one, two = (list(Lives(4).batches(500)) for _ in range(2))
    assert one == two
    assert one != list(Lives(5).batches(500))


def test_what_is_counted_is_counted_once() -> None:
    text = "x" * 1_000
    assert recovery.size_of([text, text], set()) < 2 * sys.getsizeof(text)
    assert recovery.size_of({"a": text}, known := set()) > sys.getsizeof(text)
    assert recovery.size_of(text, known) == 0
    with pytest.raises(TypeError, match="object"):
        recovery.size_of([object()], set())
