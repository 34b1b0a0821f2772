"""A refusal of a name says which names there are: those like it, or the first ones and how many more."""

import pytest

from gateway.core.risk import scopes
from gateway.core.risk.commands import GrantOverride, SetLimit, StopTrading
from gateway.core.risk.controls import Control
from tests.core.risk.floor import Floor
from tests.core.world import SECOND_NS

LEVELS = "it is firm, or one of desk, account, strategy, client, instrument, asset_class, venue, order with its name"
FIRST = (
    "duplicate_window_s, max_concentration_pct, max_correlated_exposure, max_drawdown, max_gross_notional,"
    " max_instruments, max_loss, max_margin, max_mark_age_s, max_mark_move_pct"
)


def test_names_like_it_come_first_and_alone() -> None:
    assert scopes.similar("max_los", list(Control)) == "max_loss"


@pytest.mark.parametrize(
    ("count", "said"), [(0, ""), (2, "n00, n01"), (10, "n09"), (11, "n09 and 1 more"), (30, "n09 and 20 more")]
)
def test_where_none_is_like_it_the_first_ones_are_named_in_order(count: int, said: str) -> None:
    names = [f"n{number:02}" for number in range(count)]
    listed = scopes.similar("something else", names[::-1])
    assert listed.endswith(said)
    assert listed.count(",") == max(0, min(count, 10) - 1)


def test_an_unknown_control_is_refused_with_some_that_there_are() -> None:
    floor = Floor.opened()
    text = floor.operate(SetLimit("ann", "firm", "???", "qty", "why not", None)).text
    assert text == f"'???' is no control; there is {FIRST} and 10 more"
    text = floor.operate(GrantOverride("ann", "firm", "???", floor.now_ns + SECOND_NS, "why not")).text
    assert text.startswith("'???' is no control; there is crossed_mark, duplicate_window_s,")
    assert text.endswith(" and 14 more")


@pytest.mark.parametrize(
    ("scope", "hint"),
    [
        ("account:A9", "there is account:A2, account:A1"),
        ("account:zzzzzzzzzzzzzzzzzzzz", "there is account:A1, account:A2"),
        ("desk:*", "there is desk:EQ, desk:EQ2, desk:EQ1"),
        ("venue:", LEVELS),
        ("floor:1", LEVELS),
        ("order:O99", LEVELS),
    ],
)
def test_a_scope_that_cannot_be_stopped_is_refused_with_those_that_can(scope: str, hint: str) -> None:
    text = Floor.opened().operate(StopTrading("ann", scope, "because")).text
    assert text.startswith(f"{scope!r} is no scope that can be stopped; {hint}")
