"""The campaign itself: some cycles of it, and that it finds what it is there to find."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.client import Event, EventType, Order, OrdStatus, OrdType, Side
from gateway.core import events as ev
from gateway.core.commands import SubmitOrder
from gateway.core.events import Cause, OrderView, Record, Terms
from ops.crash import campaign as module
from ops.crash.books import Books, Request
from ops.crash.campaign import Campaign, campaign
from ops.crash.forked import Starter
from ops.crash.result import Tally
from ops.crash.run import Lanes, stacks
from ops.demo.compare import Fill
from sim_exchange import orders as venue_orders
from sim_exchange.enums import OrdStatus as VenueStatus
from sim_exchange.enums import Side as VenueSide
from sim_exchange.ledger import End
from sim_exchange.messages import Terms as VenueTerms

CYCLES = 50
SEED = 19


@pytest.mark.timeout(900)
async def test_kills_at_random_moments_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    """C0 to C11, wherever they fall: of the gateway, of venues, of both, and of a gateway that is recovering; with
    snapshots, with orders that have left memory and come back, with either durability and either kind of connection.
    """
    running = Lanes(tmp_path, stacks(CYCLES, SEED), str, lambda _: None)
    await running.run(2)
    assert running.problems == []
    assert [tally.problems for tally in running.tallies.values()] == [[]] * len(running.tallies), f"SEED={SEED}"
    assert _sum(running, "cycles") == CYCLES
    for met in ("executions", "from_snapshot", "retired", "recalled", "archived", "follower_kills", "over_unix"):
        assert _sum(running, met) > 0, met
    assert 0 < _sum(running, "process_stacks") < len(running.tallies)


def _sum(running: Lanes, name: str) -> int:
    return sum(getattr(tally, name) for tally in running.tallies.values())


# --- What a campaign that runs finds ----------------------------------------------------------------------------------


class Watched(Campaign):
    """The campaign that was begun last."""

    last: Campaign

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]  # As it is called there.
        Watched.last = self


def twice_in_the_ledger(running: Campaign) -> None:
    """The venue got an order a second time."""
    ledger = running.stack.ledger("XSIM")
    taken = next(line for line in ledger.read_text().splitlines() if '"msg_type":"D"' in line)
    with ledger.open("a") as file:
        file.write(f"{taken}\n{END}")


def never_told(running: Campaign) -> None:
    """A client did not hear of an execution."""
    client = next(client for client in running.books.clients.values() if client.fills)
    client.fills.popitem()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("what", "problem", "counted"),
    [(twice_in_the_ledger, "reached the venue 2 times", "sent_twice"), (never_told, "was not told", "lost")],
)
async def test_what_is_wrong_while_it_runs_ends_it_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: Callable[[Campaign], None], problem: str, counted: str
) -> None:
    """After the first comparison something is changed in one of the accounts. It is found in the next cycle, or at the
    next rest.
    """
    monkeypatch.setattr(module, "REST_EVERY", 1)
    monkeypatch.setattr(module, "Campaign", Watched)
    told: list[Tally] = []

    def tell(tally: Tally) -> None:
        told.append(tally)
        what(Watched.last)

    with Starter() as starter:
        tally = await campaign(tmp_path / "stack", 3, SEED, tell, starter)
    assert [each.problems for each in told] == [[]], "one comparison found nothing, and the next one is not told"
    assert tally.ended
    assert not tally.passed
    assert problem in tally.problems[0]
    assert getattr(tally, counted) == 1
    assert tally.cycles == 2


# --- What the books find ----------------------------------------------------------------------------------------------

CLIENT = "crash1"


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """One order that was taken, routed, received, acknowledged and executed once: all agree."""
    path = tmp_path / "ledger.jsonl"
    path.write_text(RECEIVED + EXECUTION + at_venue(FILLED) + END)
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
END = msgspec.json.encode(End()).decode() + "\n"
WORKING = venue_orders.Order(
    number=1,
    order_id="V1",
    owner="GATEWAY",
    symbol="ACME",
    side=VenueSide.BUY,
    terms=VenueTerms(ord_type="2", order_qty=Decimal(10), price=Decimal(90)),  # type: ignore[arg-type]  # As above.
    cl_ord_ids=["R1"],
    order_qty=Decimal(10),
    acknowledged=True,
)
FILLED = msgspec.structs.replace(WORKING, cum_qty=Decimal(10))


def at_venue(order: venue_orders.Order) -> str:
    return msgspec.json.encode(order).decode() + "\n"


COMMAND = SubmitOrder(CLIENT, "a", "ACME", Side.BUY, Decimal(10), OrdType.LIMIT, price=Decimal(90))


def records() -> list[Record]:
    filled = view(OrdStatus.FILLED, 10)
    happened: tuple[tuple[ev.Event, OrderView], ...] = (
        (ev.OrderSubmitted("O1", COMMAND, "XSIM", Decimal(1), "USD"), view(OrdStatus.PENDING_NEW)),
        (ev.OrderRouted("O1", "XSIM", "R1"), view(OrdStatus.PENDING_NEW)),
        (ev.OrderFilled("O1", "E1", "20260101", last_qty=Decimal(10), last_px=Decimal(90)), filled),
    )
    return [record(seq, *each) for seq, each in enumerate(happened, start=1)]


def view(ord_status: OrdStatus, cum_qty: int = 0, leaves_qty: int | None = None, **given: Any) -> OrderView:
    return OrderView(
        order_id="O1",
        client_id=CLIENT,
        cl_ord_id="a",
        symbol="ACME",
        venue="XSIM",
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        terms=Terms(Decimal(10), price=Decimal(90)),
        ord_status=ord_status,
        cum_qty=Decimal(cum_qty),
        leaves_qty=Decimal(10 - cum_qty if leaves_qty is None else leaves_qty),
        avg_px=Decimal(0),
        **given,
    )


def record(seq: int, event: ev.Event, order: OrderView) -> Record:
    return Record(seq, 0, Cause("client", CLIENT), event, order)


def told(seq: int) -> Event:
    status, cum_qty, leaves_qty = OrdStatus.PENDING_NEW, Decimal(0), Decimal(10)
    if seq == 3:
        status, cum_qty, leaves_qty = OrdStatus.FILLED, Decimal(10), Decimal(0)
    order = Order(
        "O1",
        CLIENT,
        "a",
        "ACME",
        "XSIM",
        Side.BUY,
        OrdType.LIMIT,
        status,
        Decimal(10),
        cum_qty,
        leaves_qty,
        Decimal(0),
        price=Decimal(90),
    )
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


def test_an_order_that_reached_the_venue_under_two_names_is_found(books: Books) -> None:
    """Each is there once, and neither was executed."""
    books.journal.routed["R2"] = Request("D", "O1")
    books.venues["XSIM"].received["D"]["R2"] += 1
    assert books.at_any_time().sent_twice == ["order O1 reached the venue as R1 and as R2"]


def test_an_order_whose_owner_was_told_that_it_is_refused_is_found(books: Books) -> None:
    """As by a repeated key that has lost its answer: who hears it sends the order under another key."""
    books.clients[CLIENT].refused.add("b")
    assert not books.at_any_time()
    books.clients[CLIENT].refused.add("a")
    assert books.at_any_time().standing == ["order O1 (a) of crash1 was refused and is in the journal"]


def test_a_request_that_no_journal_has_is_found(books: Books) -> None:
    books.venues["XSIM"].received["F"]["R9"] += 1
    assert books.at_any_time().duplicated == ["request R9 reached the venue and is not in the journal"]


def test_an_order_that_never_reached_the_venue_is_lost_unless_its_owner_was_told(books: Books) -> None:
    books.journal.routed["R2"] = Request("D", "O2")
    assert books.at_rest().lost == ["order R2 never reached the venue, and nobody was told"]
    books.journal.unsent.add("R2")
    assert not books.at_rest()
    books.journal.unsent.add("R1")
    assert books.at_rest().lost == ["request R1 was told to be unsent, and the venue has it"]


@pytest.mark.parametrize("kind", ["F", "G"])
def test_a_cancel_or_replace_that_never_reached_the_venue_is_lost_unless_its_owner_was_told_or_the_order_ended(
    books: Books, kind: str
) -> None:
    books.journal.routed["R2"] = Request(kind, "O1")
    assert not books.at_rest(), "the end of the order settles it"
    books.venues["XSIM"].orders["V1"] = WORKING
    books.journal.views["O1"] = view(OrdStatus.NEW)
    assert books.at_rest().lost == ["request R2 never reached the venue, and nobody was told"]
    books.journal.unsent.add("R2")
    assert books.at_rest().lost == []
    books.journal.answered.add("R2")
    assert books.at_rest().duplicated == ["request R2 has an answer, and never reached the venue"]


# --- How orders stand ---


def stand(books: Books, here: OrderView, there: venue_orders.Order) -> list[str]:
    """The findings when the order stands like this in the journal, as its owner was told, and like that at the venue;
    it was never executed.
    """
    books.venues["XSIM"].executions.standing.clear()
    books.journal.fills.clear()
    books.journal.views["O1"] = here
    books.venues["XSIM"].orders["V1"] = there
    client = books.clients[CLIENT]
    client.fills.clear()
    client.told["O1"] = msgspec.structs.replace(
        client.told["O1"], ord_status=here.ord_status, cum_qty=here.cum_qty, order_qty=here.terms.order_qty
    )
    return books.at_rest().lines()


CANCELED = msgspec.structs.replace(WORKING, ended=VenueStatus.CANCELED)


def test_an_order_that_the_journal_ended_by_itself_and_the_venue_works_is_found(books: Books) -> None:
    """A cancel is made up: nobody asked for it, and the venue never said it."""
    (line,) = stand(books, view(OrdStatus.CANCELED, leaves_qty=0), WORKING)
    assert line.startswith("standing: order O1 (V1) is")
    assert stand(books, view(OrdStatus.CANCELED, leaves_qty=0), CANCELED) == []


def test_an_order_that_the_venue_ended_and_the_journal_works_is_found(books: Books) -> None:
    assert stand(books, view(OrdStatus.NEW), WORKING) == []
    (line,) = stand(books, view(OrdStatus.NEW), CANCELED)
    assert "standing: order O1 (V1)" in line
    assert len(stand(books, view(OrdStatus.PENDING_CANCEL, leaves_qty=0, pending=("b",)), CANCELED)) == 1


@pytest.mark.parametrize(
    "there",
    [
        msgspec.structs.replace(WORKING, ended=VenueStatus.EXPIRED),
        msgspec.structs.replace(CANCELED, cum_qty=Decimal(1)),
        msgspec.structs.replace(CANCELED, order_qty=Decimal(20)),
    ],
    ids=["another end", "another CumQty", "a replace that only the venue knows"],
)
def test_an_order_that_ended_otherwise_at_the_venue_is_found(books: Books, there: venue_orders.Order) -> None:
    assert len(stand(books, view(OrdStatus.CANCELED, leaves_qty=0), there)) == 1


def test_a_working_order_with_another_cum_qty_is_found(books: Books) -> None:
    there = msgspec.structs.replace(WORKING, cum_qty=Decimal(1))
    assert len(stand(books, view(OrdStatus.NEW), there)) == 1


@pytest.mark.parametrize(("here", "there"), [(view(OrdStatus.NEW), WORKING), (view(OrdStatus.FILLED, 10), FILLED)])
def test_an_order_on_the_other_side_is_found(books: Books, here: OrderView, there: venue_orders.Order) -> None:
    assert stand(books, here, there) == []
    assert len(stand(books, here, msgspec.structs.replace(there, side=VenueSide.SELL))) == 1


def test_an_order_that_works_in_the_journal_and_is_not_at_the_venue_is_found(books: Books) -> None:
    stand(books, view(OrdStatus.NEW), WORKING)
    books.venues["XSIM"].orders.clear()
    assert books.at_rest().standing == ["order O1 works in the journal, and XSIM has no such order"]


def test_an_order_that_stands_otherwise_than_its_owner_was_told_is_found(books: Books) -> None:
    books.clients[CLIENT].told["O1"] = msgspec.structs.replace(
        books.clients[CLIENT].told["O1"], ord_status=OrdStatus.CANCELED
    )
    (line,) = books.at_rest().lines()
    assert "as crash1 was told" in line


# --- Executions and streams ---


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
