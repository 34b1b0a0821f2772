"""The journal on PostgreSQL keeps the contract in both durabilities, and is what it says it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.adapters.journal import SqlJournal, database
from gateway.adapters.journal.database import Durability
from gateway.adapters.journal.postgres import PostgresDatabase
from gateway.codec.journal import FORMAT_VERSION, Batch
from gateway.runtime.ports import EpochStale, JournalAway, JournalDamaged, JournalError
from tests.adapters.journal.contract import JournalContract, Opener
from tests.adapters.journal.records import BASE_NS, fill, fills
from tests.postgres import PASSWORD, WEAK, PostgresServer


class TestPower(JournalContract):
    durability: Durability = "power"

    @pytest.fixture
    def storages(self, new_schema: Callable[[], str]) -> Callable[[], Opener]:
        def new() -> Opener:
            url = new_schema()
            return lambda: SqlJournal(url, self.durability)

        return new


class TestProcess(TestPower):
    durability = "process"


@pytest.fixture
def name(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def journal(postgres: PostgresServer, name: str) -> Any:
    """A journal of two batches in it, seq 1 to 3 and 4 to 5, open."""
    made = SqlJournal(postgres.url(name))
    made.open()
    made.append(fills(1, 3))
    made.append(fills(4, 5))
    yield made
    made.close()


def _setting(journal: SqlJournal, name: str) -> str:
    assert journal._writer is not None
    return str(journal._writer.connection.exec_driver_sql(f"SHOW {name}").scalar())


@pytest.mark.parametrize(
    ("servers", "durability", "ours"),
    [
        ("off", "power", "on"),
        ("local", "power", "on"),
        ("on", "power", "on"),
        ("remote_apply", "power", "remote_apply"),
        ("on", "process", "off"),
    ],
)
def test_a_commit_never_waits_for_less_than_durability_and_server_ask_for(
    postgres: PostgresServer, name: str, servers: str, durability: Durability, ours: str
) -> None:
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = {servers}")
    journal = SqlJournal(postgres.url(name), durability)
    journal.open()
    assert _setting(journal, "synchronous_commit") == ours
    journal.close()


def test_settings_that_would_hide_a_warning_or_end_a_commit_do_not_reach_us(
    postgres: PostgresServer, name: str
) -> None:
    for setting in (
        "client_min_messages = error",
        "statement_timeout = 1",
        "default_transaction_isolation = serializable",
    ):
        postgres.execute(f"ALTER DATABASE {name} SET {setting}")
    journal = SqlJournal(postgres.url(name))
    journal.open()
    journal.append(fills(1, 5_000))
    assert _setting(journal, "client_min_messages") == "warning"
    assert _setting(journal, "transaction_isolation") == "read committed"
    journal.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_a_database_of_another_encoding_keeps_a_journal_like_any(postgres: PostgresServer, encoding: str) -> None:
    """SQL_ASCII is what `initdb` gives where the system has no locale: texts come from there as bytes."""
    journal = SqlJournal(postgres.url(postgres.new_database(encoding)))
    assert journal.head() is None
    for epoch in (1, 2):
        assert journal.open().epoch == epoch
        journal.append([fill(epoch)])
        journal.close()
    assert list(journal.read()) == fills(1, 2)
    assert journal.verify().damage is None


def test_an_append_is_one_statement_that_the_server_knows_already(journal: SqlJournal) -> None:
    for seq in range(6, 20):
        journal.append([fill(seq)])
    assert journal._writer is not None
    prepared = "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO %%'"
    (used,) = journal._writer.connection.exec_driver_sql(prepared).scalars()
    assert used > 5


def test_a_commit_that_fails_after_its_insert_is_no_success(
    postgres: PostgresServer, journal: SqlJournal, name: str
) -> None:
    """In autocommit the server commits after it has said that the row is in."""
    postgres.execute(
        """CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON journal_batch DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION no()""",
        database=name,
    )
    with pytest.raises(JournalError, match=r"append seq 6 to 6.*not today"):
        journal.append([fill(6)])
    with pytest.raises(JournalError, match="not open"):
        journal.append([fill(6)])
    assert journal.last_seq() == 5


def test_two_schemas_are_two_journals_also_when_one_sees_the_other(postgres: PostgresServer, name: str) -> None:
    for schema in ("one", "two"):
        postgres.execute(f"CREATE SCHEMA {schema}", database=name)
    first = SqlJournal(postgres.url(name, schema="one"))
    first.open()
    first.append(fills(1, 3))
    second = SqlJournal(postgres.url(name, schema="two,one"))
    assert second.head() is None
    assert second.open().seq == 0
    assert first.last_seq() == 3
    first.append([fill(4)])
    first.close()
    second.close()


def test_reading_takes_a_bounded_amount_at_a_time(journal: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CHUNK_BYTES", 1)
    taken: list[int] = []
    chunk = PostgresDatabase.chunk

    def counting(*arguments: Any) -> list[Batch]:
        found = chunk(*arguments)
        taken.append(len(found))
        return found

    monkeypatch.setattr(PostgresDatabase, "chunk", counting)
    assert list(journal.read()) == fills(1, 5)
    assert taken == [1, 1, 0]


def test_a_whole_journal_verifies(journal: SqlJournal) -> None:
    verdict = journal.verify()
    assert (verdict.batches, verdict.records, verdict.epoch, verdict.damage) == (2, 5, 1, None)
    assert (verdict.first_ns, verdict.last_ns) == (BASE_NS + 1, BASE_NS + 5)


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "seq", "what"),
    [
        (
            "UPDATE journal_batch SET records = set_bit(records, 100, 1 - get_bit(records, 100)) WHERE first_seq = 4",
            4,
            "hash",
        ),
        ("DELETE FROM journal_batch WHERE first_seq = 1", 1, "seq 1 to 3 are missing"),
        ("UPDATE journal_batch SET epoch = 7 WHERE first_seq = 1", 1, "does not match its hash"),
        ("UPDATE journal_batch SET hash = prev_hash WHERE first_seq = 1", 1, "does not match its hash"),
    ],
)
def test_damage_is_named_with_its_place(
    postgres: PostgresServer, journal: SqlJournal, name: str, change: str, seq: int, what: str
) -> None:
    journal.close()
    postgres.execute(change, database=name)
    with pytest.raises(JournalDamaged, match=rf"{name} is damaged at seq {seq}: .*{what}") as damaged:
        list(journal.read())
    assert damaged.value.seq == seq
    assert "gateway journal verify" in str(damaged.value)
    verdict = journal.verify()
    assert verdict.damage is not None
    assert verdict.damage.seq == seq


def test_a_changed_last_batch_refuses_the_start_and_begins_no_epoch(
    postgres: PostgresServer, journal: SqlJournal, name: str
) -> None:
    journal.close()
    postgres.execute("UPDATE journal_batch SET records = records || '\\x00' WHERE first_seq = 4", database=name)
    for _ in range(2):
        with pytest.raises(JournalDamaged, match="damaged at seq 4"):
            journal.open()
    assert postgres.execute("SELECT epoch FROM journal_owner", database=name) == [(1,)]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (f"UPDATE journal_owner SET format_version = {FORMAT_VERSION + 1}", f"format version {FORMAT_VERSION + 1}"),
        ("UPDATE alembic_version SET version_num = '9999'", "revision 9999"),
    ],
)
def test_a_journal_of_a_newer_version_is_refused_and_left_alone(
    postgres: PostgresServer, journal: SqlJournal, name: str, change: str, what: str
) -> None:
    journal.close()
    postgres.execute(change, database=name)
    for use in (journal.open, journal.verify, journal.head, lambda: list(journal.read())):
        with pytest.raises(JournalError, match=rf"{name} .*{what}.*start the version of the gateway that wrote it"):
            use()
    assert postgres.execute("SELECT epoch FROM journal_owner", database=name) == [(1,)]


@pytest.mark.parametrize("use", ["read", "verify", "last_seq"])
def test_looking_at_what_was_never_opened_creates_nothing(postgres: PostgresServer, name: str, use: str) -> None:
    journal = SqlJournal(postgres.url(name))
    with pytest.raises(JournalError, match=rf"{name} has no journal"):
        list(journal.read()) if use == "read" else getattr(journal, use)()
    assert journal.head() is None
    assert postgres.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database=name) == [(0,)]


def _weak(postgres: PostgresServer, name: str, password: str) -> SqlJournal:
    postgres.execute(f"DROP ROLE IF EXISTS {WEAK}")
    postgres.execute(f"CREATE ROLE {WEAK} LOGIN PASSWORD '{PASSWORD}'")
    return SqlJournal(postgres.url(name, user=WEAK, password=password))


def test_a_wrong_password_is_told_and_not_shown(postgres: PostgresServer, name: str) -> None:
    journal = _weak(postgres, name, "wrong horse")
    with pytest.raises(JournalError, match=rf"{WEAK}@.*/{name}: cannot open it: .*password.*start again") as refused:
        journal.open()
    assert "horse" not in str(refused.value)


def test_without_the_right_to_create_tables_the_next_step_is_named(postgres: PostgresServer, name: str) -> None:
    journal = _weak(postgres, name, PASSWORD)
    with pytest.raises(JournalError, match=r"permission denied for schema public.*grant this user CREATE") as refused:
        journal.open()
    assert "horse" not in str(refused.value)


def test_a_user_that_may_only_read_and_insert_can_run_a_journal_that_is_there(
    postgres: PostgresServer, journal: SqlJournal, name: str
) -> None:
    weak = _weak(postgres, name, PASSWORD)
    postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {WEAK}", database=name)
    postgres.execute(f"GRANT UPDATE ON journal_owner TO {WEAK}; GRANT INSERT ON journal_batch TO {WEAK}", database=name)
    assert weak.open().epoch == 2
    weak.append([fill(6)])
    weak.close()
    journal.close()
    postgres.execute(f"DROP OWNED BY {WEAK}", database=name)


def test_an_owner_that_gets_no_new_connection_is_an_owner_still_and_learns_when_it_is_none(
    postgres: PostgresServer, name: str
) -> None:
    """As after its password was changed: what it has goes on, and it is asked for no password there (C13)."""
    journal = _weak(postgres, name, PASSWORD)
    postgres.execute(f"GRANT CREATE ON SCHEMA public TO {WEAK}", database=name)
    journal.open()
    postgres.execute(f"ALTER ROLE {WEAK} PASSWORD 'another'")
    with pytest.raises(JournalAway):
        journal.last_seq()
    journal.confirm()
    journal.append([fill(1)])
    journal.confirm()
    SqlJournal(postgres.url(name)).open()
    with pytest.raises(EpochStale, match="epoch 1 is over"):
        journal.confirm()
    journal.close()
    postgres.execute(f"DROP OWNED BY {WEAK}", database=name)


def test_a_database_that_is_not_there(postgres: PostgresServer) -> None:
    with pytest.raises(JournalError, match=r'/nowhere: cannot open it: .*"nowhere" does not exist.*start again'):
        SqlJournal(postgres.url("nowhere")).open()


def test_a_schema_that_is_not_there(postgres: PostgresServer, name: str) -> None:
    with pytest.raises(JournalError, match=rf"{name} has no schema on its search_path: create the schema"):
        SqlJournal(postgres.url(name, schema="nowhere")).open()


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    journal = SqlJournal(f"postgresql+psycopg://olga:secret@/journal?host={tmp_path}")
    for use in (journal.open, journal.verify, journal.last_seq, lambda: list(journal.read())):
        with pytest.raises(
            JournalAway, match=r"journal postgresql://olga@.*/journal: .*see that the server"
        ) as refused:
            use()
        assert "secret" not in str(refused.value)


def test_a_server_that_takes_no_writes(postgres: PostgresServer, journal: SqlJournal, name: str) -> None:
    journal.close()
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(JournalError, match=r"read-only transaction.*name the one that takes writes"):
        journal.open()
    assert journal.verify().records == 5


def test_a_server_without_fsync_is_not_durable() -> None:
    with PostgresServer({"fsync": "off"}) as careless:
        with pytest.raises(JournalError, match="fsync = off, and durability 'power' needs it on"):
            SqlJournal(careless.url()).open()
        journal = SqlJournal(careless.url(), "process")
        journal.open()
        journal.close()


def test_the_server_itself_is_the_one_from_the_wheel(postgres: PostgresServer) -> None:
    with postgres.connect() as connection:
        assert isinstance(connection, psycopg.Connection)
        assert connection.info.server_version // 10_000 == 18
