"""Positions by average cost: exact money, moved by the fill's own event, and undone by a bust."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import engine, positions
from gateway.core.events import OrderRestated
from gateway.core.executions import Net
from gateway.core.invariants import check_state
from gateway.core.money import EXACT
from gateway.core.positions import Position, PositionKey
from gateway.core.types import ExecType, Side
from tests.core.world import OTHER_VENUE, PROCESS, World, instrument, restarted

Trade = tuple[int, int, str]
"""Sign, quantity, price."""


class Book:
    """One position and what counts of the orders that made it; every trade is an order of its own."""

    def __init__(self, multiplier: int = 1) -> None:
        self.position = Position("A1", "", "ACME", "EUR", Decimal(multiplier))
        self.counted: dict[str, tuple[int, Net]] = {}

    def trade(self, name: str, sign: int, qty: int, px: Decimal | str) -> None:
        self.change(name, sign, {0: (Decimal(qty), Decimal(qty) * Decimal(px))})

    def change(self, name: str, sign: int, now: Net) -> None:
        _, before = self.counted.get(name, (sign, {}))
        self.position.take(name, sign, before, now)
        self.counted[name] = (sign, now)

    def bust(self, name: str) -> None:
        self.change(name, self.counted[name][0], {})

    def correct(self, name: str, qty: int, px: Decimal | str) -> None:
        self.trade(name, self.counted[name][0], qty, px)

    @property
    def shown(self) -> tuple[Decimal, Decimal, Decimal]:
        """(net quantity, average entry price, realized profit)."""
        return self.position.net_qty, self.position.avg_entry_px, self.position.realized_pnl

    def check_money(self) -> None:
        """No money appears or disappears: realized profit = open cost - sum of signed values, exactly."""
        values = sum(
            (sign * Fraction(value) for sign, now in self.counted.values() for _, value in now.values()), Fraction(0)
        )
        qty = sum(sign * qty for sign, now in self.counted.values() for qty, _ in now.values())
        assert Fraction(self.position.realized) == Fraction(self.position.cost) - values
        assert self.position.net_qty == qty == self.position.bought_qty - self.position.sold_qty
        assert self.position.net_qty or not self.position.cost


def booked(trades: Sequence[Trade], multiplier: int = 1) -> Book:
    book = Book(multiplier)
    for number, (sign, qty, px) in enumerate(trades):
        book.trade(str(number), sign, qty, px)
        book.check_money()
    return book


@pytest.mark.parametrize(
    ("trades", "net_qty", "avg_entry_px", "realized"),
    [
        ([], "0", "0", "0"),
        ([(1, 100, "10")], "100", "10", "0"),
        # Long: buys average, a sale realizes against the average and leaves it alone.
        ([(1, 100, "10"), (1, 100, "11")], "200", "10.5", "0"),
        ([(1, 100, "10"), (1, 100, "11"), (-1, 50, "12")], "150", "10.5", "75"),
        ([(1, 100, "10"), (-1, 100, "9")], "0", "0", "-100"),
        # Short: the mirror image.
        ([(-1, 100, "10")], "-100", "10", "0"),
        ([(-1, 100, "10"), (1, 40, "8")], "-60", "10", "80"),
        ([(-1, 100, "10"), (-1, 100, "12"), (1, 200, "11.5")], "0", "0", "-100"),
        # Through zero: the rest opens at the price of the trade that turned it.
        ([(1, 100, "10"), (-1, 150, "12")], "-50", "12", "200"),
        ([(-1, 100, "10"), (1, 150, "9"), (-1, 50, "9.5")], "0", "0", "125"),
        # An average that no decimal holds: 1/3 is rounded for people, never in the money.
        ([(1, 1, "10"), (1, 2, "10.5")], "3", "10.3333333333", "0"),
        ([(1, 1, "10"), (1, 2, "10.5"), (-1, 3, "10.5")], "0", "0", "0.5"),
        # Spreads and energy trade below zero.
        ([(1, 10, "-2"), (-1, 10, "1")], "0", "0", "30"),
        ([(1, 10, "-2"), (1, 10, "1")], "20", "-0.5", "0"),
    ],
)
def test_average_cost_by_hand(trades: list[Trade], net_qty: str, avg_entry_px: str, realized: str) -> None:
    assert booked(trades).shown == (Decimal(net_qty), Decimal(avg_entry_px), Decimal(realized))


def test_the_multiplier_turns_points_into_money() -> None:
    assert booked([(1, 2, "100.25"), (-1, 2, "101.50")], multiplier=50).shown == (0, 0, 125)


def test_the_bust_of_the_middle_fill_is_as_if_it_had_never_been() -> None:
    book = booked([(1, 100, "10"), (1, 100, "20"), (-1, 50, "18")])
    assert book.shown == (150, 15, 150)
    book.bust("1")
    assert book.shown == (50, 10, 400)
    assert book.position == without_keys(booked([(1, 100, "10"), (-1, 50, "18")]), book)


def test_a_correction_takes_the_place_of_what_it_corrects() -> None:
    book = booked([(1, 100, "10"), (1, 100, "20"), (-1, 50, "18")])
    book.correct("1", 50, "16")
    assert book.shown == (100, 12, 300)


def without_keys(made: Book, like: Book) -> Position:
    """The position of one book under the names of another's fills."""
    pairs = zip(like.position.fills, made.position.fills, strict=True)
    made.position.fills = [(*named[:2], *counted[2:]) for named, counted in pairs]
    return made.position


PRICES = st.decimals(-50, 1000, places=3)
TRADES = st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(1, 10_000), PRICES), min_size=1, max_size=15)


@given(TRADES)
def test_money_is_conserved_to_the_last_digit(trades: list[Trade]) -> None:
    booked(trades).check_money()


@given(TRADES, st.data())
def test_a_bust_of_any_fill_leaves_what_would_have_been_without_it(trades: list[Trade], data: st.DataObject) -> None:
    book = booked(trades)
    gone = data.draw(st.integers(0, len(trades) - 1))
    book.bust(str(gone))
    book.check_money()
    assert book.position == without_keys(booked([*trades[:gone], *trades[gone + 1 :]]), book)


@given(TRADES, st.data())
def test_a_correction_of_any_fill_leaves_what_it_would_have_made(trades: list[Trade], data: st.DataObject) -> None:
    book = booked(trades)
    place = data.draw(st.integers(0, len(trades) - 1))
    qty, px = data.draw(st.integers(1, 10_000)), data.draw(PRICES)
    book.correct(str(place), qty, px)
    book.check_money()
    assert book.position == booked([*trades[:place], (trades[place][0], qty, px), *trades[place + 1 :]]).position


@given(st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(1, 100), PRICES), max_size=60), st.data())
def test_folding_old_fills_keeps_quantities_and_money(trades: list[Trade], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(positions, "REVERSIBLE_FILLS", 3)
        book = booked(trades)
        for _ in range(data.draw(st.integers(0, 10)) if trades else 0):
            name = data.draw(st.sampled_from(sorted(book.counted)))
            if data.draw(st.booleans()):
                book.bust(name)
            elif book.counted[name][1]:
                book.correct(name, data.draw(st.integers(1, 100)), data.draw(PRICES))
            book.check_money()
        assert len(book.position.fills) <= 2 * positions.REVERSIBLE_FILLS


def test_folding_alone_changes_nothing_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    trades = [(1 if number % 3 else -1, number % 17 + 1, f"{100 + number % 7}.25") for number in range(100)]
    whole = booked(trades).shown
    monkeypatch.setattr(positions, "REVERSIBLE_FILLS", 5)
    book = booked(trades)
    assert book.shown == whole
    assert len(book.position.fills) <= 10


def test_the_fills_that_are_kept_one_by_one_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7."""
    monkeypatch.setattr(positions, "REVERSIBLE_FILLS", 3)
    world = World.started()
    bought = world.submit("1")
    for number in range(20):
        world.fill(bought, number + 1 if number < 10 else 1, 10 + number)
        (position,) = world.state.positions.values()
        assert len(position.fills) <= 6
    assert (position.net_qty, position.cost) == (bought.cum_qty, bought.cum_value)


def test_positions_are_kept_apart_by_account_strategy_and_symbol() -> None:
    world = World.started()
    places = [("A1", "", "ACME"), ("A2", "", "ACME"), ("A1", "trend", "ACME"), ("A1", "", "FUT")]
    for number, (account, strategy, symbol) in enumerate(places, start=1):
        order = world.submit(str(number), number, account=account, strategy=strategy, symbol=symbol)
        world.fill(order, number, 10)
    assert {tuple(key): held.net_qty for key, held in world.state.positions.items()} == {
        place: number for number, place in enumerate(places, start=1)
    }


def test_two_venues_make_one_position() -> None:
    world = World.started()
    world.fill(world.submit("1"), 100, 10)
    world.fill(world.submit("2", side=Side.SELL, venue=OTHER_VENUE), 100, 11)
    (position,) = world.state.positions.values()
    assert (position.net_qty, position.realized_pnl) == (0, 100)


def test_a_split_doubles_the_units_and_keeps_the_money() -> None:
    world = World.started()
    order = world.submit("1", 100)
    world.fill(order, 40, 10)
    figures = {"order_qty": Decimal(200), "cum_qty": Decimal(80), "exec_restatement_reason": "0"}
    world.report(order, ExecType.RESTATED, **figures)
    (position,) = world.state.positions.values()
    assert (position.net_qty, position.avg_entry_px, position.cost) == (80, 5, 400)


def test_a_split_of_what_was_split_before_multiplies() -> None:
    """2:1 and then 3:1 make 6 of each one that was executed before both, and 3 of each one in between."""
    world = World.started()
    order = world.submit("1", 100)
    world.fill(order, 40, 12)
    for qty, cum_qty in ((200, 80), (600, 300)):
        told = {"order_qty": Decimal(qty), "cum_qty": Decimal(cum_qty), "exec_restatement_reason": "0"}
        world.report(order, ExecType.RESTATED, **told)
        if cum_qty == 80:
            world.fill(order, 20, 6)
    (position,) = world.state.positions.values()
    assert (order.cum_qty, position.net_qty, position.cost) == (300, 300, 600)
    assert not order.disputed
    assert restarted(world).state.orders[order.order_id].cum_qty == 300


def test_a_fill_that_comes_after_its_bust_moves_nothing() -> None:
    world = World.started()
    order = world.submit("1", 100)
    world.fill(order, 40, 12)
    world.report(order, ExecType.TRADE_CANCEL, exec_ref_id="late")
    world.fill(order, 20, 6, exec_id="late", cum_qty=Decimal(40))
    (position,) = world.state.positions.values()
    assert (order.cum_qty, order.disputed, position.net_qty, position.cost) == (40, False, 40, 480)


def test_prices_below_zero_break_no_invariant() -> None:
    """Long one at 10 and one at -15: the cost is negative, and that is right."""
    world = World.started()
    order = world.submit("1")
    world.fill(order, 1, 10)
    world.fill(order, 1, -15)
    (position,) = world.state.positions.values()
    assert (position.net_qty, position.cost, position.avg_entry_px) == (2, -5, Decimal("-2.5"))
    check_state(restarted(world).state)


def test_the_multiplier_is_that_of_the_day_the_order_was_given() -> None:
    """A journal replays under any configuration: the event carries the multiplier (rule 8)."""
    world = World.started()
    world.fill(world.submit("1", symbol="FUT"), 1, 10)
    world.settings = type(world.settings)({"FUT": instrument("FUT", multiplier=Decimal(99))}, world.settings.venues)
    (position,) = world.recovered().positions.values()
    assert position.multiplier == 10


def test_the_longest_figures_lose_no_digit_on_the_way_to_a_short_position() -> None:
    """Rule 6. A product of two figures of 25 digits has 50, and a plain minus sign would keep 28 of them."""
    world = World.started()
    qty, px = Decimal(999_999_999_999_999), Decimal("999999999999999.01")
    sold = world.submit(order_qty=qty, price=px, side=Side.SELL)
    world.fill(sold, f"{qty}", f"{px}")
    (position,) = world.state.positions.values()
    assert EXACT.add(position.cost, EXACT.multiply(qty, px)) == 0


def test_the_longest_numbers_stay_exact_whoever_applies_the_event() -> None:
    """Rule 6: by `execute` and by `apply` alike, in the order, in its position and in what risk knows of it."""
    px = Decimal("987654321098765.9876543219")
    parts = Decimal("123456789012345.1234567891"), Decimal("23456789012345.1234567892")
    world = World.started()
    made = world.submit("1", order_qty="500000000000000")
    for part in parts:
        world.report(made, ExecType.TRADE, last_qty=part, last_px=px)
    value = sum(Fraction(part) for part in parts) * Fraction(px)
    for state in (world.state, world.recovered()):
        (position,) = state.positions.values()
        assert Fraction(state.orders[made.order_id].cum_value) == Fraction(position.cost) == value
        profit = (10 - Fraction(px)) * Fraction(position.net_qty)  # The mark is the reference price, 10.
        assert Fraction(state.risk.profits["firm"].now) == profit


def test_many_splits_leave_their_factor_short() -> None:
    """However many there are: a factor that grew with each would be more than exact arithmetic takes."""
    world = World.started()
    made = world.submit("1")
    world.fill(made, 100)
    split = OrderRestated(made.order_id, factor=Decimal("1.000000000000000000000000001"))
    for _ in range(20):
        engine.apply(world.state, split, world.now_ns, PROCESS)
    (line,) = made.executions
    assert line.factor > 1
    assert len(line.factor.as_tuple().digits) == 28
    assert world.state.positions[PositionKey("A1", "", "ACME")].net_qty == made.cum_qty
