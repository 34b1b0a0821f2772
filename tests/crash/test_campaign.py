"""The campaign itself: some cycles of it, and that it finds what it is there to find."""

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.client import Event, EventType, Order, OrdStatus, OrdType, Side
from gateway.core import events as ev
from gateway.core.commands import SubmitOrder
from gateway.core.events import Cause, OrderView, Record, Terms
from ops.crash.books import Books
from ops.crash.campaign import campaign
from ops.crash.forked import Starter
from ops.demo.compare import Fill

CYCLES = 12
SEED = 3


@pytest.mark.timeout(400)
async def test_kills_at_random_moments_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    """C0 to C11, wherever they fall: of the gateway, of venues, of both, and of a gateway that is recovering."""
    with Starter() as starter:
        result = await campaign(tmp_path / "stack", CYCLES, SEED, lambda _: None, starter)
    assert result.problems == [], f"SEED={SEED}"
    assert result.cycles == CYCLES
    assert result.executions > 0


# --- What the books find ----------------------------------------------------------------------------------------------

CLIENT = "crash1"


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """One order that was taken, routed, received, acknowledged and executed once: all agree."""
    path = tmp_path / "ledger.jsonl"
    path.write_text(RECEIVED + EXECUTION + END)
    books = Books([CLIENT], {"XSIM": path})
    books.read(records())
    client = books.clients[CLIENT]
    client.accepted("a", "O1")
    for seq in (1, 2, 3):
        client.take(told(seq))
    return books


RECEIVED = (
    '{"kind":"received","time":"t","session":"s","msg_type":"D","msg_seq_num":2,'
    '"raw":"35=D\\u000111=R1\\u000155=ACME"}\n'
)
EXECUTION = (
    '{"kind":"execution","time":"t","exec_id":"E1","order_id":"V1","cl_ord_id":"R1","session":"s","symbol":"ACME",'
    '"side":"1","last_qty":"10","last_px":"90","cum_qty":"10","trans":"new"}\n'
)
END = '{"kind":"end"}\n'
COMMAND = SubmitOrder(CLIENT, "a", "ACME", Side.BUY, Decimal(10), OrdType.LIMIT, price=Decimal(90))


def records() -> list[Record]:
    view = OrderView(
        order_id="O1",
        client_id=CLIENT,
        cl_ord_id="a",
        symbol="ACME",
        venue="XSIM",
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        terms=Terms(Decimal(10)),
        ord_status=OrdStatus.NEW,
        cum_qty=Decimal(0),
        leaves_qty=Decimal(10),
        avg_px=Decimal(0),
    )
    happened = (
        ev.OrderSubmitted("O1", COMMAND, "XSIM", Decimal(1), "USD"),
        ev.OrderRouted("O1", "XSIM", "R1"),
        ev.OrderFilled("O1", "E1", "20260101", last_qty=Decimal(10), last_px=Decimal(90)),
    )
    return [Record(seq, 0, Cause("client", CLIENT), event, view) for seq, event in enumerate(happened, start=1)]


def told(seq: int) -> Event:
    order = Order("O1", CLIENT, "a", "ACME", "XSIM", Side.BUY, OrdType.LIMIT, OrdStatus.NEW, *[Decimal(0)] * 4)
    if seq == 3:
        return Event(seq, 0, EventType.ORDER_FILLED, order, "a", "E1", "", Decimal(10), Decimal(90))
    return Event(seq, 0, EventType.ORDER_ROUTED, order, "a")


def test_accounts_that_agree_have_no_findings(books: Books) -> None:
    assert books.at_rest().lines() == []


def test_an_order_that_was_answered_and_is_not_in_the_journal_is_lost(books: Books) -> None:
    books.clients[CLIENT].accepted("b", "O2")
    assert books.at_any_time().lost == ["order O2 (b) of crash1 was accepted and is not in the journal"]


def test_a_request_that_reached_the_venue_twice_is_found(books: Books) -> None:
    books.venues["XSIM"].received["D"]["R1"] += 1
    assert books.at_any_time().sent_twice == ["request R1 reached the venue 2 times"]


def test_a_request_that_no_journal_has_is_found(books: Books) -> None:
    books.venues["XSIM"].received["F"]["R9"] += 1
    assert books.at_any_time().duplicated == ["request R9 reached the venue and is not in the journal"]


def test_an_order_that_never_reached_the_venue_is_lost_unless_its_owner_was_told(books: Books) -> None:
    books.journal.routed["R2"] = "D"
    assert books.at_rest().lost == ["order R2 never reached the venue, and nobody was told"]
    books.journal.unsent.add("R2")
    assert not books.at_rest()
    books.journal.unsent.add("R1")
    assert books.at_rest().lost == ["request R1 was told to be unsent, and the venue has it"]


@pytest.mark.parametrize("who", ["client", "journal", "venue"])
def test_an_execution_that_one_of_the_three_misses_is_found(books: Books, who: str) -> None:
    if who == "client":
        books.clients[CLIENT].fills.clear()
    elif who == "journal":
        books.journal.fills[CLIENT].clear()
    else:
        books.venues["XSIM"].executions.standing.clear()
    assert books.at_rest()


def test_an_execution_with_another_price_is_found(books: Books) -> None:
    books.journal.fills[CLIENT]["O1", "E1"] = Fill("XSIM", "E1", Decimal(10), Decimal(91))
    assert len(books.at_rest().lost) == len(books.at_rest().duplicated) == 2


def test_events_that_come_twice_late_or_never_are_found(books: Books) -> None:
    client = books.clients[CLIENT]
    client.take(told(3))
    assert client.problems == ["event 3 came after event 3", "execution ('O1', 'E1') was told twice"]
    client.problems.clear()
    client.seqs[:] = [1, 3]
    assert books.at_rest().stream == ["crash1: the stream missed the events [2] and had [] too many"]


def test_one_key_with_two_orders_is_found(books: Books) -> None:
    books.clients[CLIENT].accepted("a", "O7")
    assert books.at_any_time().stream == ["crash1: key a was order O1 and is order O7"]


def test_a_piece_of_work_that_is_not_whole_is_read_later(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text(RECEIVED + END + EXECUTION)
    books = Books([CLIENT], {"XSIM": path})
    books.read([])
    assert (books.received()["R1"], len(books.venues["XSIM"].executions)) == (1, 0)
    with path.open("a") as file:
        file.write(END)
    books.read([])
    assert (books.received()["R1"], len(books.venues["XSIM"].executions)) == (1, 1)
