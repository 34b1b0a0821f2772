"""Projections that follow input by input: each write finds in the tables, not in its records, what came before."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.adapters.projections.store import Projections
from gateway.core.types import ExecType
from gateway.runtime.follower import Follower
from tests.adapters.projections.harness import STACK, check, dump, journal_of, url
from tests.core.world import World


class Followed:
    """A world, and a follower that writes what is new whenever it is asked to."""

    def __init__(self, path: Path) -> None:
        self.world, self.journal, self.database = World.started(), journal_of([]), url(path)
        self.follower = Follower(self.journal, Projections(self.database, STACK))
        self.written = 0

    def write(self) -> None:
        """The rows are what the state says now."""
        self.journal.append(self.world.records[self.written :])
        self.written = len(self.world.records)
        self.follower.catch_up()
        check(self.database, self.world.state, self.world.records)


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    made = Followed(tmp_path)
    yield made
    made.follower.finish()


def test_a_fill_that_is_written_after_its_bust_is_not_in_force(followed: Followed) -> None:
    order = followed.world.submit()
    followed.world.report(order, ExecType.TRADE_CANCEL, exec_id="B1", exec_ref_id="late")
    followed.write()
    followed.world.fill(order, 40, exec_id="late")
    followed.write()
    rows = {row["exec_id"]: row["in_force"] for row in dump(followed.database)["executions"]}
    assert (rows, order.cum_qty) == ({"B1": False, "late": False}, 0)


def test_a_split_that_is_written_after_the_fill_moves_the_row_of_the_position(followed: Followed) -> None:
    order = followed.world.submit()
    followed.world.fill(order, 40)
    followed.write()
    split = {"order_qty": Decimal(200), "cum_qty": Decimal(80), "exec_restatement_reason": "0"}
    followed.world.report(order, ExecType.RESTATED, **split)
    followed.write()
    (position,) = dump(followed.database)["positions"]
    assert (position["net_qty"], position["avg_entry_px"]) == (80, 5)
