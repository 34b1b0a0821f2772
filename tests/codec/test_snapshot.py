"""A snapshot's bytes: the same state comes out, decides the same, and nothing else is ever taken for one."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from gateway.codec import snapshot
from gateway.codec.snapshot import HEAD_SIZE, SnapshotUnusable, decode, encode, head, layout, pack, unpack
from gateway.core import engine
from gateway.core.events import Cause, Input, Record
from gateway.core.invariants import check_state
from gateway.core.state import State
from tests.bench.lives import Lives
from tests.core import test_machine
from tests.core.world import World

HASH = bytes(range(32))


class Shadow:
    """A second core that begins with a decoded snapshot and gets the same inputs from then on."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.compared = 0

    def begin(self, state: State) -> None:
        payload = encode(state)
        self.state = decode(payload)
        assert self.state == state
        assert encode(self.state) == payload, "order of dictionaries too: mass cancels and questions go by it"

    def give(self, given: Input, settings: object, records: list[Record]) -> None:
        if self.state is not None:
            assert engine.execute(self.state, settings, given) == records
            self.compared += len(records)


@pytest.fixture
def shadow(monkeypatch: pytest.MonkeyPatch) -> Shadow:
    shadow, give = Shadow(), World.give

    def both(world: World, body: object, cause: Cause) -> list[Record]:
        records = give(world, body, cause)
        shadow.give(Input(world.now_ns, cause, body), world.settings, records)
        return records

    monkeypatch.setattr(World, "give", both)
    return shadow


@pytest.mark.parametrize("seed", range(12))
def test_a_state_of_any_walk_goes_on_from_its_snapshot(seed: int, shadow: Shadow) -> None:
    """Rule 8: the decoded state is equal, and the same inputs give the same records."""
    random, machine = Random(seed), test_machine.Machine()
    machine.start()
    for number in range(120):
        if number in (30, 60, 90):
            shadow.begin(machine.world.state)
        test_machine.step(machine, random)
    assert shadow.state == machine.world.state
    assert shadow.compared


@pytest.mark.parametrize("seed", range(3))
def test_a_day_with_retired_orders_goes_on_from_its_snapshot(seed: int) -> None:
    """What left memory is remembered in the copy as well."""
    lives, shadow = Lives(seed, at_once=20), Shadow()
    give = lives._give

    def both(body: object, cause: Cause) -> list[Record]:
        records = give(body, cause)
        shadow.give(Input(lives._now_ns, cause, body), lives.settings, records)
        return records

    lives._give = both
    lives.settings = msgspec.structs.replace(lives.settings, retire_after_ns=500_000_000)
    for count, _ in enumerate(lives.batches(6_000)):
        if count in (60, 120):
            shadow.begin(lives.state)
    assert lives.state.retired_orders > 100
    assert shadow.state == lives.state
    check_state(shadow.state)


def lived() -> State:
    lives = Lives(1, msgspec.structs.replace(Lives(1).settings, retire_after_ns=500_000_000), at_once=20)
    for _ in lives.batches(3_000):
        pass
    return lives.state


@pytest.fixture(scope="module")
def state() -> State:
    return lived()


@pytest.fixture(scope="module")
def packed(state: State) -> bytes:
    return b"".join(pack(state, HASH))


def test_a_snapshot_says_where_it_belongs(state: State, packed: bytes) -> None:
    said = head(packed[:HEAD_SIZE])
    assert (said.seq, said.chain_hash, said.size) == (state.seq, HASH, len(packed) - HEAD_SIZE)
    assert unpack(packed) == state


def test_no_prefix_of_a_snapshot_is_one(packed: bytes) -> None:
    """C10: a torn file is recognised wherever it was torn."""
    cuts = [*range(HEAD_SIZE + 20), *range(HEAD_SIZE + 20, len(packed), len(packed) // 200), len(packed) - 1]
    for cut in cuts:
        with pytest.raises(SnapshotUnusable):
            unpack(packed[:cut])
    with pytest.raises(SnapshotUnusable, match="bytes"):
        unpack(packed + b"\0")


def flips(packed: bytes) -> Iterator[int]:
    yield from range(HEAD_SIZE)
    yield from range(HEAD_SIZE, len(packed), len(packed) // 200)


def test_no_byte_can_be_changed_unseen(packed: bytes) -> None:
    for place in flips(packed):
        changed = bytearray(packed)
        changed[place] ^= 0x10
        try:
            said = head(bytes(changed))
            unpack(bytes(changed))
        except SnapshotUnusable:
            continue
        assert said.chain_hash != HASH, f"byte {place} does not matter"  # The journal's own hash tells.


def test_a_whole_file_of_another_state_is_refused(state: State, packed: bytes) -> None:
    other = msgspec.structs.replace(state, seq=state.seq + 1)
    mixed = packed[:HEAD_SIZE] + encode(other)
    with pytest.raises(SnapshotUnusable):
        unpack(mixed)


@pytest.mark.parametrize("payload", [b"", b"\xc0", b"\x81\xa3seq\xa1x", b"\x90", b"\x81\xa9id_prefix\xa1\xff"])
def test_what_is_no_state_is_refused_even_with_a_fitting_hash(monkeypatch: pytest.MonkeyPatch, payload: bytes) -> None:
    monkeypatch.setattr(snapshot, "encode", lambda _state: payload)
    with pytest.raises(SnapshotUnusable):
        unpack(b"".join(pack(State(), HASH)))


def test_a_snapshot_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch, packed: bytes) -> None:
    monkeypatch.setattr(snapshot, "__version__", "0.0.0")
    layout.cache_clear()
    try:
        with pytest.raises(SnapshotUnusable, match="another version"):
            unpack(packed)
    finally:
        monkeypatch.undo()
        layout.cache_clear()


# --- The layout ---


class Inner(NamedTuple):
    a: int


class One(msgspec.Struct):
    x: int
    inner: dict[str, Inner | None] = {}


class Renamed(msgspec.Struct):
    y: int
    inner: dict[str, Inner | None] = {}


class Retyped(msgspec.Struct):
    x: str
    inner: dict[str, Inner | None] = {}


class Defaulted(msgspec.Struct):
    x: int = 1
    inner: dict[str, Inner | None] = {}


class Tagged(msgspec.Struct, tag="T"):
    x: int
    inner: dict[str, Inner | None] = {}


def said(kind: type) -> list[str]:
    return [line.replace(kind.__name__, "One") for line in snapshot.describe(kind)]


@pytest.mark.parametrize("other", [Renamed, Retyped, Defaulted, Tagged])
def test_every_change_of_a_struct_changes_the_layout(other: type) -> None:
    assert said(One) != said(other)
    assert any("Inner.a" in line for line in said(One)), "what is inside a container counts too"


def test_the_layout_has_all_that_the_state_is_made_of() -> None:
    lines = snapshot.describe(State)
    for part in (
        "State.orders",
        "Order.executions",
        "Execution.factor",
        "Key.reason",
        "SubmitOrder.price",
        "Fill.value",
    ):
        assert any(f".{part}:" in line for line in lines), part
    assert any(".OrdStatus: ['0'" in line for line in lines)


def test_what_nobody_knows_how_to_write_is_no_snapshot() -> None:
    with pytest.raises(NotImplementedError, match="object"):
        encode(msgspec.structs.replace(State(), retired=object()))
