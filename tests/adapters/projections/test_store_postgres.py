"""Projections in PostgreSQL: the same rows, and a server that goes away."""

from collections.abc import Iterator
from random import Random

import pytest
import sqlalchemy as sa
import structlog

from gateway.adapters.projections import tables
from gateway.adapters.projections.store import Projections
from gateway.runtime.follower import Follower
from tests.adapters.projections.harness import SEEDS, STACK, batches, check, day, followed, journal_of, rebuilt
from tests.postgres import PostgresServer

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_in_postgresql_the_rows_are_what_the_state_says(server: PostgresServer, seed: int) -> None:
    database = server.url(server.new_database())
    world, journal = day(seed).world, journal_of([])
    for batch in batches(world.records, Random(seed)):
        journal.append(batch)
        if batch[0].seq % 3 == 0:
            followed(journal, database)
    followed(journal, database)
    check(database, world.state, world.records)
    assert "is not in this journal" in rebuilt(journal_of(day(seed + 1).world.records), database)


def test_a_server_that_goes_away_is_waited_for_and_the_state_goes_on(server: PostgresServer) -> None:
    world = day(1).world
    parts = batches(world.records, Random(1))
    journal, now = journal_of([]), [0.0]
    database = server.url(server.new_database())
    follower = Follower(journal, Projections(database, STACK), clock=lambda: now[0])
    with structlog.testing.capture_logs() as logs:
        for count, batch in enumerate(parts):
            journal.append(batch)
            if count == 3:
                server.stop()
            if count == 9:
                server.start()
            follower.catch_up()
            assert follower.state.seq == batch[-1].seq
            now[0] += 100
        follower.finish()
    assert [line["event"] for line in logs if "projections" in line["event"]] == [
        "projections_away",
        "projections_back",
    ]
    check(database, world.state, world.records)


def test_no_place_of_a_password_in_the_url_is_shown() -> None:
    where = sa.make_url("postgresql+psycopg://gateway:se%40cret@db.example/xsim?password=se%26cret&connect_timeout=3")
    assert tables.name(where) == "postgresql+psycopg://gateway:***@db.example/xsim?connect_timeout=3&password=***"
