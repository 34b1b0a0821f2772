"""PostgreSQL's databases have encodings of their own, and what venues and operators write has any letter."""

from collections.abc import Iterator, Sequence

import msgspec
import pytest

from gateway.adapters.projections.place import witness
from gateway.adapters.projections.reading import History
from gateway.adapters.projections.wanted import Wanted
from gateway.core.events import OrderFilled, Record
from tests.adapters.projections.harness import STACK, day, followed, journal_of
from tests.postgres import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


def _in_words(records: Sequence[Record], text: str) -> list[Record]:
    """The same, with what a venue said of each fill."""
    return [
        msgspec.structs.replace(record, event=msgspec.structs.replace(record.event, text=text))
        if isinstance(record.event, OrderFilled)
        else record
        for record in records
    ]


def test_a_database_of_another_encoding_is_written_and_read(server: PostgresServer) -> None:
    """SQL_ASCII is what `initdb` gives where the system has no locale: texts come from there as bytes."""
    database = server.url(server.new_database("SQL_ASCII"))
    world = day(1).world
    followed(journal_of(_in_words(world.records, "Störung 中")), database)
    told = witness(database, STACK)
    assert told is not None
    assert told.seq == world.state.seq
    found = History(database).list("executions", Wanted(limit=1_000)).rows
    assert {row["text"] for row in found if row["kind"] == "fill"} == {"Störung 中"}


def test_a_letter_that_the_database_does_not_have_names_the_next_step(server: PostgresServer) -> None:
    database = server.url(server.new_database("LATIN1"))
    follower = followed(journal_of(_in_words(day(1).world.records, "中")), database)
    assert "has no equivalent in encoding" in follower.projections_failure
    assert "give the projections a database with the encoding UTF8" in follower.projections_failure
