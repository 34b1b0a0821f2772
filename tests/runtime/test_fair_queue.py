"""Rule 7, for several owners: bounded, in turn, and nobody fills it alone."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.fair_queue import FairQueue


def test_owners_are_served_in_turn_and_each_in_his_own_order() -> None:
    queue: FairQueue[str] = FairQueue(100)
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        queue.put(item[0], 1, item)
    assert [queue.take() for _ in range(6)] == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert not queue
    assert queue.size == 0


def test_a_rest_stays_before_what_came_later_and_waits_for_the_others() -> None:
    queue: FairQueue[str] = FairQueue(100)
    for item in ("a1", "a2", "b1"):
        queue.put(item[0], 5, item)
    assert queue.take() == "a1"
    queue.put_back("a", 3, "rest of a1")
    assert (queue.size, queue.held("a")) == (13, 8)
    assert [queue.take() for _ in range(3)] == ["b1", "rest of a1", "a2"]
    queue.put_back("a", 2, "rest of a2")
    assert (queue.size, queue.held("a"), queue.take()) == (2, 2, "rest of a2")
    assert not queue


def test_one_who_floods_leaves_room_for_another() -> None:
    queue: FairQueue[int] = FairQueue(1_000)
    number = 0
    while queue.has_room("flood", 1):
        queue.put("flood", 1, number)
        number += 1
    assert queue.size == 900
    assert queue.has_room("other", 100)
    queue.put("other", 1, -1)
    assert [queue.take() for _ in range(2)] == [0, -1]


def test_several_who_flood_leave_room_for_one_more() -> None:
    queue: FairQueue[int] = FairQueue(10_000)
    for owner in ("flood1", "flood2", "flood3"):
        while queue.has_room(owner, 10):
            queue.put(owner, 10, 0)
    assert queue.has_room("other", 1)


def test_what_is_larger_than_the_whole_waits_alone() -> None:
    queue: FairQueue[str] = FairQueue(5)
    queue.put("a", 1, "a1")
    assert not queue.has_room("b", 6)
    queue.take()
    assert queue.has_room("b", 6)
    queue.put("b", 6, "b1")
    assert not queue.has_room("a", 1)
    assert queue.take() == "b1"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)) | st.none(), max_size=200), st.integers(1, 40))
def test_it_is_bounded_and_loses_nothing(steps: list[tuple[str, int] | None], limit: int) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(limit)
    there: dict[str, list[tuple[str, int]]] = {"a": [], "b": [], "c": []}
    sizes: dict[tuple[str, int], int] = {}
    for number, step in enumerate(steps):
        if step is None:
            if queue:
                item = queue.take()
                assert there[item[0]].pop(0) == item
        elif queue.has_room(*step):
            item = (step[0], number)
            sizes[item] = step[1]
            queue.put(step[0], step[1], item)
            there[step[0]].append(item)
        waiting = [item for items in there.values() for item in items]
        assert queue.size == sum(sizes[item] for item in waiting)
        assert queue.size <= limit or len(waiting) == 1
        assert len(queue) == len(waiting)
        assert bool(queue) == bool(waiting)
