"""What a client asks for again: told in pieces that let others in between, in order, as fast as the client reads."""

from collections.abc import Callable
from typing import Any

import pytest

from sim_exchange import exchange
from sim_exchange.exchange import MAX_AHEAD
from sim_exchange.resend import MAX_RESENDS, RESEND_SLICE

Make = Callable[..., Any]
COUNT = 3 * RESEND_SLICE + 50


def with_reports(bench: Make, count: int = COUNT) -> Any:
    """A client that was sent a Logon(A) and `count` reports, under the numbers 1 to count + 1."""
    b = bench()
    for n in range(count):
        b.new(f"A{n}", "1", "1", "90.00")
    return b


def numbers(messages: list[dict[int, str]]) -> list[int]:
    return [int(m[34]) for m in messages]


def test_a_long_resend_is_told_in_pieces_and_in_order(bench: Make) -> None:
    b = with_reports(bench)
    pieces = [b.send("2", t7="1", t16="0")]
    while b.exchange.lanes[b.session].session.resending:
        pieces.append(b.tick(20))
    assert [len(piece) for piece in pieces] == [RESEND_SLICE, RESEND_SLICE, RESEND_SLICE, 51]
    told = [m for piece in pieces for m in piece]
    assert numbers(told) == list(range(1, COUNT + 2))
    assert [m.get(11) for m in told] == [None, *(f"A{n}" for n in range(COUNT))]
    assert {m[43] for m in told} == {"Y"}


def test_what_is_new_waits_behind_a_resend_and_others_do_not_wait(bench: Make) -> None:
    b = with_reports(bench)
    first = b.send("2", t7="2", t16="0")
    assert b.new("NEW", "1", "1", "90.00") == []
    assert b.send("1", t112="T") == []
    assert b.venue.find("NEW", None).acknowledged, "the order is in the market at once"
    told = first + [m for _ in range(3) for m in b.tick(20)]
    assert numbers(told) == list(range(2, COUNT + 4))
    assert [(m[35], m.get(43), m.get(112)) for m in told[-2:]] == [("8", None, None), ("0", None, "T")]
    assert [m[35] for m in b.new("NEXT", "1", "1", "90.00")] == ["8"]


def test_a_client_that_does_not_read_is_not_told_more(bench: Make) -> None:
    b = with_reports(bench)
    b.send("2", t7="1", t16="0")
    b.link.unread = MAX_AHEAD + 1
    assert b.tick(20) == []
    assert not b.exchange.on_tick(b.now), "nothing can be done until it has read"
    b.link.unread = MAX_AHEAD
    assert len(b.tick(20)) == RESEND_SLICE
    assert b.exchange.on_tick(b.now), "more can be told at once"


def test_what_waits_behind_a_resend_is_bounded(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    b = with_reports(bench)
    b.send("2", t7="1", t16="0")
    b.link.unread = MAX_AHEAD + 1
    b.tick(20)
    monkeypatch.setattr(exchange, "MAX_UNSENT", MAX_AHEAD + 1_000)
    for n in range(10):
        b.new(f"B{n}", "1", "1", "90.00")
    assert b.link.closed


def test_too_many_resend_requests_at_a_time_are_refused(bench: Make) -> None:
    b = with_reports(bench)
    for _ in range(MAX_RESENDS):
        b.send("2", t7="1", t16="0")
    assert b.send("2", t7="1", t16="0") == []
    told = [m for _ in range(100) for m in b.tick(20)]
    assert [(m[35], m[372], m[373], m[58]) for m in told if m[35] == "3"] == [
        ("3", "2", "99", "10 ResendRequests(2) are not yet answered in full; wait for one")
    ]
    assert len([m for m in told if m.get(11) == "A0"]) == MAX_RESENDS - 1, "the first had it with the request"


@pytest.mark.parametrize("who", ["client", "venue"])
def test_the_end_of_a_session_does_not_wait_for_a_resend(bench: Make, who: str) -> None:
    b = with_reports(bench)
    b.send("2", t7="1", t16="0")
    b.new("NEW", "1", "1", "90.00")
    if who == "client":
        answer = b.send("5")
    else:
        before = len(b.written)
        b.exchange.stop(b.now)
        answer = b.written[before:]
    assert [(m[35], int(m[34])) for m in answer] == [("8", COUNT + 2), ("5", COUNT + 3)]


def test_a_resend_ends_with_its_connection_and_can_be_asked_for_again(bench: Make) -> None:
    b = with_reports(bench)
    b.send("2", t7="1", t16="0")
    b.new("NEW", "1", "1", "90.00")
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    b.tick(20)
    assert [m[35] for m in b.send("A", t98="0", t108="30")] == ["A"]
    assert b.tick(20) == []
    told = b.send("2", t7=str(COUNT), t16="0")
    assert [m.get(11) for m in told if m[35] == "8"] == [f"A{COUNT - 2}", f"A{COUNT - 1}", "NEW"]


def test_numbers_without_a_message_are_passed_over_fast(bench: Make) -> None:
    b = bench()
    b.exchange.lanes[b.session].session.next_out = 1_000_000
    told = b.send("2", t7="1", t16="0")
    while b.exchange.lanes[b.session].session.resending:
        told += b.tick(20)
    assert {m[35] for m in told} == {"4"}
    assert [int(m[36]) for m in told[:-1]] == numbers(told)[1:], "one gap fill leads to the next"
    assert (told[0][34], told[-1][36]) == ("1", "1000000")
    assert len(told) < 50


@pytest.mark.parametrize("restart", [False, True])
def test_a_message_from_before_a_reset_is_never_told_again(bench: Make, restart: bool) -> None:
    """The numbers begin anew, and are then moved over those that were used before: what had them is another message."""
    b = with_reports(bench, 5)
    b.send("A", seq=1, t98="0", t108="30", t141="Y")
    b.seq = 2
    b.exchange.do(lambda: setattr(b.exchange.lanes[b.session].session, "next_out", 5), b.now)
    if restart:
        b.exchange.on_lost(b.connection, b.now)
        b = b.restart()
    b.new("NEW", "1", "1", "90.00")
    told = [(m[35], m.get(11)) for m in b.send("2", t7="1", t16="0")]
    assert told == [("4", None), ("8", "NEW")]
