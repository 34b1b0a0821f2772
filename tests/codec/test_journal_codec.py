"""The journal's bytes: every event of every released version loads, and the chain breaks where it was touched."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.journal import SqlJournal
from gateway.codec.journal import (
    GENESIS,
    Batch,
    ChainBroken,
    Damage,
    Link,
    RecordsUnknown,
    check,
    link,
    seal,
    unseal,
    until,
    verify,
)
from gateway.core.events import Event, Record
from tests.adapters.journal.records import BASE_NS, fill, fills

KEPT = Path(__file__).parents[1] / "data" / "journals"
RELEASED = sorted(path.stem for path in KEPT.glob("*.sqlite"))


def _chain() -> list[Batch]:
    """Batches of seq 1-2, 3-3, 4-6 in epoch 1, and 7-7 in epoch 2."""
    batches, end = [], Link()
    for epoch, first, last in ((1, 1, 2), (1, 3, 3), (1, 4, 6), (2, 7, 7)):
        batches.append(seal(end, epoch, fills(first, last)))
        end = link(batches[-1])
    return batches


# --- Released versions -----------------------------------------------------------------------------------------------


def test_the_first_release_is_kept() -> None:
    assert "0.1.0" in RELEASED


@pytest.fixture(params=RELEASED)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SqlJournal, list[dict[str, Any]]]:
    """The journal of a released version, and what has to load from it."""
    copy = tmp_path / f"{request.param}.sqlite"
    shutil.copy(KEPT / copy.name, copy)
    lines = (KEPT / f"{request.param}.jsonl").read_text().splitlines()
    return SqlJournal(f"sqlite:///{copy}"), [msgspec.json.decode(line) for line in lines]


def test_a_journal_of_a_released_version_loads_verifies_and_goes_on(
    kept: tuple[SqlJournal, list[dict[str, Any]]],
) -> None:
    journal, expected = kept
    assert [msgspec.json.decode(msgspec.json.encode(record)) for record in journal.read()] == expected
    verdict = journal.verify()
    assert (verdict.damage, verdict.records, verdict.epoch) == (None, len(expected), 2)
    head = journal.open()
    assert (head.seq, head.epoch) == (len(expected), 3)
    journal.append([fill(head.seq + 1)])
    assert journal.verify().damage is None
    journal.close()


def test_every_event_there_is_stands_in_a_kept_journal() -> None:
    """An event that is new goes into the journal of the version that brings it: tests/data/journals/make.py."""
    lines = [line for version in RELEASED for line in (KEPT / f"{version}.jsonl").read_text().splitlines()]
    kept_types = {msgspec.json.decode(line)["event"]["type"] for line in lines}
    events = {each.__name__ for each in get_args(Event)}
    assert len(events) > 30
    assert events - kept_types == set()


# --- Other minor versions --------------------------------------------------------------------------------------------


def _sealed(fields: list[dict[str, Any]]) -> Batch:
    """A batch of records as another version may have written them."""
    whole = seal(Link(), 1, fills(1, len(fields)))
    return _resealed(msgspec.structs.replace(whole, records=msgspec.msgpack.encode(fields)))


def _resealed(batch: Batch) -> Batch:
    from gateway.codec.journal import _hash

    digest = _hash(batch.first_seq, batch.last_seq, batch.epoch, batch.records, batch.prev_hash)
    return msgspec.structs.replace(batch, hash=digest)


def _fields(record: Record) -> dict[str, Any]:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(record))  # type: ignore[no-any-return]


def test_fields_that_a_newer_minor_version_added_are_skipped() -> None:
    fields = _fields(fill(1))
    fields["shard"] = 4
    fields["event"]["liquidity"] = {"ind": "maker", "fee": "0.01"}
    fields["order"]["desk"] = ["a", "b"]
    fields["cause"]["certificate"] = b"\x00\x01"
    assert unseal(Link(), _sealed([fields])) == [fill(1)]


def test_fields_that_an_older_minor_version_did_not_have_take_their_default() -> None:
    fields = _fields(fill(1))
    del fields["order"], fields["event"]["exec_id"]
    (record,) = unseal(Link(), _sealed([fields]))
    assert record.order is None
    assert record.event == msgspec.structs.replace(fill(1).event, exec_id="")


def test_an_event_of_a_newer_version_is_not_called_damage() -> None:
    fields = _fields(fill(1))
    fields["event"] = {"type": "OrderTeleported", "order_id": "O1"}
    with pytest.raises(RecordsUnknown, match=r"does not know.*OrderTeleported"):
        unseal(Link(), _sealed([fields]))


def test_records_under_the_numbers_of_others_are_damage() -> None:
    """As many as there should be, whole, and in the wrong places."""
    swapped = _sealed([_fields(fill(2)), _fields(fill(1))])
    with pytest.raises(ChainBroken, match="holds records of other seq"):
        unseal(Link(), swapped)


# --- The chain -------------------------------------------------------------------------------------------------------


def test_a_whole_chain_verifies() -> None:
    batches = _chain()
    verdict = verify(batches)
    assert (verdict.batches, verdict.records, verdict.epoch, verdict.damage) == (4, 7, 2, None)
    assert (verdict.first_ns, verdict.last_ns, verdict.head_hash) == (BASE_NS + 1, BASE_NS + 7, batches[-1].hash)


def test_an_empty_chain_verifies() -> None:
    verdict = verify([])
    assert (verdict.records, verdict.head_hash, verdict.first_ns, verdict.damage) == (0, GENESIS, None, None)


@pytest.mark.parametrize(
    ("order", "damage"),
    [
        ([1, 2, 3], Damage(1, "seq 1 to 2 are missing")),
        ([0, 2, 3], Damage(3, "seq 3 to 3 are missing")),
        ([0, 1, 1], Damage(3, "the batch of seq 3 to 3 begins inside the batch that ends at seq 3")),
        ([0, 1, 3], Damage(4, "seq 4 to 6 are missing")),
        ([0, 2, 1, 3], Damage(3, "seq 3 to 3 are missing")),
    ],
)
def test_a_batch_that_is_missing_doubled_or_moved_breaks_the_chain_there(order: list[int], damage: Damage) -> None:
    batches = _chain()
    assert verify([batches[number] for number in order]).damage == damage


def test_an_epoch_that_goes_back_breaks_the_chain() -> None:
    first = seal(Link(), 2, fills(1, 1))
    verdict = verify([first, seal(link(first), 1, fills(2, 2))])
    assert verdict.damage == Damage(2, "the batch of seq 2 to 2 was written in epoch 1, after epoch 2 had begun")
    assert verdict.records == 1


def test_a_forged_batch_with_records_of_other_seq_is_noticed() -> None:
    forged = _resealed(msgspec.structs.replace(seal(Link(), 1, fills(1, 2)), last_seq=3))
    with pytest.raises(ChainBroken, match="records of other seq"):
        unseal(Link(), forged)


@given(data=st.data())
def test_any_bit_flipped_in_any_batch_breaks_the_chain_at_that_batch(data: st.DataObject) -> None:
    batches = _chain()
    number = data.draw(st.integers(0, 3))
    field = data.draw(st.sampled_from(Batch.__struct_fields__))
    value = getattr(batches[number], field)
    if isinstance(value, int):
        changed: int | bytes = value ^ (1 << data.draw(st.integers(0, 62)))
    else:
        at = data.draw(st.integers(0, len(value) - 1))
        flipped = value[at] ^ (1 << data.draw(st.integers(0, 7)))
        changed = value[:at] + bytes([flipped]) + value[at + 1 :]
    batches[number] = msgspec.structs.replace(batches[number], **{field: changed})
    damage = verify(batches).damage
    assert damage is not None
    # A changed first_seq may look like batches that are missing before it: no later than there in any case.
    assert damage.seq <= _chain()[number].first_seq or field == "first_seq"


@pytest.mark.parametrize("wrong", [[], fills(2, 2), [fill(1), fill(1)], [fill(1), fill(3)]])
def test_only_records_that_follow_are_sealed(wrong: list[Record]) -> None:
    with pytest.raises(ValueError, match="record"):
        seal(Link(), 1, wrong)


@pytest.mark.parametrize(
    ("last_seq", "taken", "looked_at"),
    [(None, 4, 4), (1, 0, 1), (2, 1, 1), (3, 2, 2), (5, 2, 3), (6, 3, 3), (7, 4, 4), (9, 4, 4)],
)
def test_a_chain_is_taken_up_to_a_seq_and_what_lies_behind_it_is_not_asked_for(
    last_seq: int | None, taken: int, looked_at: int
) -> None:
    """Only whole batches; one that ends there is the last that is read."""
    chain, read = _chain(), list[Batch]()

    def reading() -> Iterator[Batch]:
        for batch in chain:
            read.append(batch)
            yield batch

    assert list(until(reading(), last_seq)) == chain[:taken]
    assert len(read) == looked_at


def test_checking_needs_no_decoding() -> None:
    batch = _resealed(msgspec.structs.replace(seal(Link(), 1, fills(1, 1)), records=b"\xc1 not msgpack"))
    check(Link(), batch)
    with pytest.raises(RecordsUnknown):
        unseal(Link(), batch)
