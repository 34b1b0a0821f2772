"""Somebody holds a lock on the tables in PostgreSQL, and does not let go of it."""

from collections.abc import Iterator

import pytest

from gateway.adapters.projections import tables
from gateway.adapters.projections.place import witness
from gateway.adapters.projections.reading import History
from gateway.adapters.projections.store import Projections
from gateway.adapters.projections.wanted import Wanted
from gateway.core.events import Record
from gateway.runtime.follower import Follower, ProjectionsError
from tests.adapters.projections.harness import STACK, check, day, followed, journal_of
from tests.core.world import World
from tests.postgres import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_BUSY_S", 0.2)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mode", ["ACCESS SHARE", "ACCESS EXCLUSIVE"])
def test_a_lock_that_somebody_holds_does_not_hold_up_the_state(
    server: PostgresServer, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that reads in an open transaction, while the tables are to be built anew; and who changes them."""
    name = server.new_database()
    world, now = day(1).world, [0.0]
    journal = journal_of(world.records)
    followed(journal, server.url(name))
    if mode == "ACCESS SHARE":
        monkeypatch.setattr(tables, "SCHEMA_VERSION", 99)
    else:
        journal.append(_more(world))
    follower = Follower(journal, Projections(server.url(name), STACK), clock=lambda: now[0])
    with server.connect(name) as other:
        other.execute(f"BEGIN; LOCK TABLE orders IN {mode} MODE")  # type: ignore[call-overload]
        follower.catch_up()
        assert follower.state == world.state
        assert "lock timeout" in follower.projections_failure
    now[0] += 100
    follower.catch_up()
    follower.finish()
    check(server.url(name), world.state, world.records)


@pytest.mark.timeout(60)
def test_nobody_who_reads_waits_for_a_lock_without_an_end(server: PostgresServer) -> None:
    """A start asks how far they tell; who drops them by hand may not have committed that."""
    name = server.new_database()
    followed(journal_of(day(1).world.records), server.url(name))
    with server.connect(name) as other:
        other.execute("BEGIN; DROP TABLE projection_position")
        assert witness(server.url(name), STACK) is None
        with pytest.raises(ProjectionsError, match="lock timeout"):
            History(server.url(name)).list("orders", Wanted())
        other.execute("ROLLBACK")
    assert witness(server.url(name), STACK) is not None


def _more(world: World) -> list[Record]:
    known = len(world.records)
    world.submit("one more")
    return world.records[known:]
