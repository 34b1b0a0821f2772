"""The index of names: what was noted is found, whatever shares its fingerprint, and it takes the bytes it says."""

from random import Random

import pytest

from gateway.core import name_index
from gateway.core.name_index import NameIndex


def filled(names: int, seed: int = 1) -> tuple[NameIndex, dict[str, list[int]]]:
    random, index, twin = Random(seed), NameIndex(), {}
    for seq in range(1, names + 1):
        name = f"name-{random.randrange(names)}"
        index.add(name, seq)
        twin.setdefault(name, []).append(seq)
    return index, twin


def test_an_empty_index_knows_nothing_and_takes_nothing() -> None:
    index = NameIndex()
    assert (index.find("a"), len(index), index.size, bool(index)) == ((), 0, 0, False)


def test_every_name_leads_to_all_its_records_the_newest_first() -> None:
    index, twin = filled(20_000)
    assert len(index) == 20_000
    for name, seqs in twin.items():
        assert index.find(name) == tuple(reversed(seqs))
    assert not any(index.find(f"other-{number}") for number in range(5_000))


def test_names_with_one_fingerprint_lead_to_all_their_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the records sees which is meant; here none may be lost."""
    monkeypatch.setattr(name_index, "fingerprint", lambda _name: bytes(8))
    index = NameIndex()
    for seq in range(1, 101):
        index.add(f"name-{seq}", seq)
    assert index.find("anything") == tuple(range(100, 0, -1))
    assert NameIndex.load(index.dump()) == index


@pytest.mark.parametrize("names", [0, 1, 5, 3_000])
def test_it_is_the_same_after_it_was_written_and_read(names: int) -> None:
    index, twin = filled(names)
    again = NameIndex.load(index.dump())
    assert (again, len(again)) == (index, len(index))
    index.add("more", 10**9)
    assert again != index
    again.add("more", 10**9)
    assert again == index
    assert all(again.find(name) == tuple(reversed(seqs)) for name, seqs in twin.items())


def test_a_fingerprint_is_found_only_where_an_entry_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes may stand in the seq of an entry, or across two: that is another name's."""
    monkeypatch.setattr(name_index, "fingerprint", {"zeros": bytes(8), "one": bytes(7) + b"\1"}.__getitem__)
    index = NameIndex()
    index.add("one", 0)
    index.add("one", 1)
    assert index.find("zeros") == ()
    assert index.find("one") == (1, 0)
    index.add("zeros", 2)
    assert index.find("zeros") == (2,)


@pytest.mark.parametrize(
    "damage", [b"", b"x", bytes(7), bytes(9), b"\1" + bytes(7), NameIndex().dump() * 2, filled(3)[0].dump()[:-1]]
)
def test_what_is_no_index_is_refused(damage: bytes) -> None:
    with pytest.raises(ValueError, match=r"bytes|index"):
        NameIndex.load(damage)


def test_memory_grows_by_at_most_30_bytes_a_name() -> None:
    """Rule 7: 16 bytes an entry, what a table has in reserve, and the table itself."""
    index, _ = filled(100_000)
    assert 16 * len(index) <= index.size <= 30 * len(index)


def test_the_fingerprint_is_the_same_on_every_machine() -> None:
    """It is part of the state, so it may not depend on a process's own hash seed (rule 8)."""
    assert name_index.fingerprint("K4:desk1") == (4_486_339_149_708_131_226).to_bytes(8, "big")
