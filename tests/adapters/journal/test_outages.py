"""PostgreSQL gone, restarted, failed over, or told not to wait: nothing is acknowledged that is not durable, nothing is
lost, and nothing is written twice.
"""

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import structlog

from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal.postgres import PostgresDatabase
from gateway.runtime.ports import EpochStale, JournalAway, JournalError
from tests.adapters.journal.proxy import SilentProxy
from tests.adapters.journal.records import fill, fills
from tests.postgres import PostgresServer

WAIT_S = 60
# More bytes than two sockets hold between each other.
MANY = 20_000


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that may be killed."""
    with PostgresServer() as made:
        yield made


@pytest.fixture
def name(server: PostgresServer) -> Iterator[str]:
    """An empty database, and a server that runs and waits for no standby, before and after."""
    yield server.new_database()
    if not server.running:
        server.start()
    server.set("synchronous_standby_names", "")


class Appending:
    """`journal.append` on a thread of its own, as the sequencer calls it."""

    def __init__(self, append: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._append = append
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._append()
        except BaseException as error:
            self.error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait for its end; raise what it raised."""
        self._thread.join(WAIT_S)
        assert self.ended
        if self.error is not None:
            raise self.error


def _until(holds: Callable[[], Any]) -> Any:
    """Wait for a condition; what it gave."""
    pause = threading.Event()
    for _ in range(WAIT_S * 200):
        if found := holds():
            return found
        pause.wait(0.005)
    raise AssertionError("it did not come to that")


def _waiting(server: PostgresServer, name: str, event: str) -> list[int]:
    """The servers' processes that wait for this while they serve a gateway."""
    query = "SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s) AND %s IN (wait_event, wait_event_type)"
    return [pid for (pid,) in server.execute(query, _backends(server, name), event)]


def _backends(server: PostgresServer, name: str) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'gateway'"
    return [pid for (pid,) in server.execute(query, name)]


def _told(logs: list[Any]) -> list[tuple[str, Any]]:
    return [(line["event"], line.get("outcome")) for line in logs]


# --- The connection breaks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_a_server_that_goes_down_under_load_and_comes_back_loses_and_doubles_nothing(
    server: PostgresServer, name: str, how: str
) -> None:
    dice = random.Random(3)
    journal = SqlJournal(server.url(name))
    journal.open()
    acknowledged = [0]
    enough = threading.Event()

    def append() -> None:
        while not enough.is_set():
            journal.append(fills(acknowledged[-1] + 1, acknowledged[-1] + 3))
            acknowledged.append(acknowledged[-1] + 3)

    def reached(count: Callable[[], int], wanted: int) -> None:
        _until(lambda: count() >= wanted or appending.ended)
        assert not appending.ended, appending.error

    with structlog.testing.capture_logs() as logs:
        appending = Appending(append)
        for round_number in range(1, 4):
            reached(lambda: len(acknowledged), len(acknowledged) + dice.randint(1, 80))
            server.kill() if how == "kill" else server.stop()
            reached(lambda: sum(line["event"] == "journal_connection_lost" for line in logs), round_number)
            server.start()
            reached(lambda: sum(line["event"] == "journal_connection_back" for line in logs), round_number)
        enough.set()
        appending.join()
    assert [event for event, _ in _told(logs)] == ["journal_connection_lost", "journal_connection_back"] * 3
    assert list(journal.read()) == fills(1, acknowledged[-1])
    assert journal.verify().damage is None
    journal.close()


def test_a_failover_to_a_standby_loses_and_doubles_nothing() -> None:
    with PostgresServer() as primary, PostgresServer(primary=primary) as standby:
        primary.set("synchronous_standby_names", "*")
        journal = SqlJournal(f"postgresql+psycopg://postgres@/postgres?host={primary.folder}&host={standby.folder}")
        journal.open()
        acknowledged = [0]
        enough = threading.Event()

        def append() -> None:
            while not enough.is_set():
                journal.append([fill(acknowledged[-1] + 1)])
                acknowledged.append(acknowledged[-1] + 1)

        appending = Appending(append)
        _until(lambda: len(acknowledged) > 50 or appending.ended)
        primary.kill()
        before = len(acknowledged)
        standby.execute("SELECT pg_promote()")
        standby.set("synchronous_standby_names", "")
        _until(lambda: len(acknowledged) > before + 50 or appending.ended)
        enough.set()
        appending.join()
        assert list(journal.read()) == fills(1, acknowledged[-1])
        assert journal.verify().damage is None
        journal.close()


def test_an_append_whose_connection_is_cut_before_it_committed_is_written_once(
    server: PostgresServer, name: str
) -> None:
    journal = SqlJournal(server.url(name))
    journal.open()
    journal.append([fill(1)])
    with server.connect(name) as other, structlog.testing.capture_logs() as logs:
        other.execute("BEGIN; LOCK TABLE journal_batch IN SHARE MODE")
        appending = Appending(lambda: journal.append([fill(2)]))
        (pid,) = _until(lambda: _waiting(server, name, "Lock"))
        server.execute("SELECT pg_terminate_backend(%s)", pid)
        _until(lambda: [each for each in _waiting(server, name, "Lock") if each != pid])
        assert not appending.ended
        other.execute("COMMIT")
        appending.join()
    assert _told(logs) == [("journal_connection_lost", None), ("journal_connection_back", "written now")]
    journal.append([fill(3)])
    assert list(journal.read()) == fills(1, 3)
    assert journal.verify().batches == 3
    journal.close()


def test_an_append_whose_connection_is_cut_after_it_committed_is_not_written_again(
    server: PostgresServer, name: str
) -> None:
    """It has committed here and waits for a standby when it is cut: it is found, and acknowledged only when a commit
    behind it has waited to its end.
    """
    journal = SqlJournal(server.url(name))
    journal.open()
    server.set("synchronous_standby_names", "nobody")
    with structlog.testing.capture_logs() as logs:
        appending = Appending(lambda: journal.append([fill(1)]))
        (pid,) = _until(lambda: _waiting(server, name, "SyncRep"))
        server.execute("SET synchronous_commit = local; SELECT pg_terminate_backend(" + str(pid) + ")")
        _until(lambda: [each for each in _waiting(server, name, "SyncRep") if each != pid])
        assert server.execute("SELECT first_seq FROM journal_batch", database=name) == [(1,)]
        assert not appending.ended, "it was acknowledged before a standby could have it"
        server.set("synchronous_standby_names", "")
        appending.join()
    assert _told(logs) == [("journal_connection_lost", None), ("journal_connection_back", "was written")]
    journal.append([fill(2)])
    assert list(journal.read()) == fills(1, 2)
    assert journal.verify().batches == 2
    journal.close()


def test_a_server_that_is_gone_for_too_long_ends_the_process(server: PostgresServer, name: str) -> None:
    journal = SqlJournal(server.url(name), give_up_s=0.2)
    journal.open()
    journal.append([fill(1)])
    server.kill()
    try:
        with pytest.raises(
            JournalError, match=r"did not come back within 0\.2 s .*seq 2 to 4 were written is not known"
        ):
            journal.append(fills(2, 4))
        with pytest.raises(JournalError, match="not open"):
            journal.append(fills(2, 4))
        with pytest.raises(JournalError, match=rf"/{name}: cannot read it: .*see that the server runs"):
            list(journal.read())
    finally:
        server.start()
    assert journal.open().seq == 1
    journal.close()


def test_a_read_that_is_cut_says_what_to_do_and_can_be_repeated(server: PostgresServer, name: str) -> None:
    journal = SqlJournal(server.url(name))
    journal.open()
    journal.append(fills(1, 5))
    reading = journal.read()
    assert next(reading) == fill(1)
    server.restart()
    with pytest.raises(JournalError, match=r"cannot read it: .*start again"):
        list(reading)
    assert list(journal.read()) == fills(1, 5)
    journal.close()


# --- The network falls silent -----------------------------------------------------------------------------------------


@pytest.fixture
def network(server: PostgresServer) -> Iterator[SilentProxy]:
    """A way to the server over TCP that can fall silent."""
    with SilentProxy(server.folder / ".s.PGSQL.5432") as proxy:
        yield proxy


def _over(network: SilentProxy, name: str, silence_ms: int = 300) -> str:
    """The URL of a journal behind that network, noticed as fast as libpq can, or after so long a silence."""
    quick = f"tcp_user_timeout={silence_ms}&connect_timeout=2"
    return f"postgresql+psycopg://postgres@127.0.0.1:{network.port}/{name}?{quick}"


def test_an_answer_that_the_network_holds_is_waited_for(
    server: PostgresServer, name: str, network: SilentProxy
) -> None:
    """The batch is committed, and nobody here can know: it is not acknowledged before the network speaks again."""
    journal = SqlJournal(_over(network, name))
    journal.open()
    with server.connect(name) as other:
        other.execute("BEGIN; LOCK TABLE journal_batch IN SHARE MODE")
        appending = Appending(lambda: journal.append([fill(1)]))
        _until(lambda: _waiting(server, name, "Lock"))
        network.fall_silent()
        other.execute("COMMIT")
    _until(lambda: server.execute("SELECT first_seq FROM journal_batch", database=name) == [(1,)])
    assert not appending.ended
    network.speak_again()
    appending.join()
    journal.append([fill(2)])
    assert list(journal.read()) == fills(1, 2)
    journal.close()


def test_a_batch_that_the_network_does_not_take_is_written_once_when_it_speaks_again(
    server: PostgresServer, name: str, network: SilentProxy
) -> None:
    """The limit is long enough that the proxy, where the machine is busy, does not seem silent while it speaks."""
    journal = SqlJournal(_over(network, name, silence_ms=3_000))
    journal.open()
    journal.append([fill(1)])
    network.fall_silent()
    with structlog.testing.capture_logs() as logs:
        appending = Appending(lambda: journal.append(fills(2, MANY)))
        _until(lambda: logs)
        assert not appending.ended
        network.speak_again()
        appending.join()
    assert _told(logs) == [("journal_connection_lost", None), ("journal_connection_back", "written now")]
    assert list(journal.read()) == fills(1, MANY)
    assert journal.verify().batches == 2
    journal.close()


def test_a_network_that_stays_silent_ends_the_process(server: PostgresServer, name: str, network: SilentProxy) -> None:
    """Also a new connection is taken there and never answered: each attempt has its own limit."""
    journal = SqlJournal(_over(network, name), give_up_s=0.5)
    journal.open()
    journal.append([fill(1)])
    network.fall_silent()
    with pytest.raises(JournalError, match=r"did not come back within 0\.5 s"):
        journal.append(fills(2, MANY))
    assert list(SqlJournal(server.url(name)).read()) == [fill(1)]


# --- Somebody else was there meanwhile --------------------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[SqlJournal, Callable[[], object]], None]:
    """Do something while a journal's connection is lost, right before it connects again."""

    def plan(journal: SqlJournal, what: Callable[[], object]) -> None:
        database = journal._database
        assert isinstance(database, PostgresDatabase)
        connect = database.connect

        def then_connect(*, writes: bool) -> Any:
            monkeypatch.setattr(database, "connect", connect)
            what()
            return connect(writes=writes)

        monkeypatch.setattr(database, "connect", then_connect)

    return plan


def _cut(server: PostgresServer, name: str) -> None:
    server.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", name)


def test_who_comes_back_after_a_takeover_is_stale_and_writes_nothing(
    server: PostgresServer, name: str, meanwhile: Callable[..., None]
) -> None:
    """C13."""
    old, new = SqlJournal(server.url(name)), SqlJournal(server.url(name))
    old.open()
    old.append([fill(1)])
    meanwhile(old, new.open)
    _cut(server, name)
    with pytest.raises(EpochStale, match="epoch 1 is over"):
        old.append([fill(2)])
    assert new.last_seq() == 1
    new.append([fill(2)])
    assert list(new.read()) == fills(1, 2)
    new.close()


def test_who_has_nothing_to_write_learns_of_a_takeover_also_after_its_connection_was_cut(
    server: PostgresServer, name: str
) -> None:
    """C13. Asking changes nothing: what is written next is written over a new connection that is set up like the one
    before.
    """
    old, new = SqlJournal(server.url(name)), SqlJournal(server.url(name))
    old.open()
    old.append([fill(1)])
    _cut(server, name)
    for _ in range(2):
        old.confirm()
    with structlog.testing.capture_logs() as logs:
        old.append([fill(2)])
    assert _told(logs) == [("journal_connection_lost", None), ("journal_connection_back", "written now")]
    _cut(server, name)
    new.open()
    with pytest.raises(EpochStale, match="epoch 1 is over"):
        old.confirm()
    new.close()
    old.close()


def test_a_look_waits_for_no_append_where_no_new_connection_comes_about(
    server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that commits is busy then, and what it commits finds out."""
    journal = SqlJournal(server.url(name))
    journal.open()
    journal.append([fill(1)])
    with server.connect(name) as other:
        other.execute("BEGIN; LOCK TABLE journal_batch IN SHARE MODE")
        appending = Appending(lambda: journal.append([fill(2)]))
        _until(lambda: _waiting(server, name, "Lock"))

        def refused(**_: bool) -> None:
            raise sa.exc.OperationalError("", None, psycopg.OperationalError("connection failed"))

        monkeypatch.setattr(journal._database, "connect", refused)
        with pytest.raises(JournalAway, match="connection failed"):
            journal.confirm()
        assert not appending.ended
        other.execute("COMMIT")
        appending.join()
    journal.confirm()
    journal.close()


def test_a_server_that_lost_what_it_had_confirmed_gets_nothing_more(
    server: PostgresServer, name: str, meanwhile: Callable[..., None]
) -> None:
    """As after a failover to a standby that was behind."""
    journal = SqlJournal(server.url(name))
    journal.open()
    for seq in range(1, 4):
        journal.append([fill(seq)])
    meanwhile(journal, lambda: server.execute("DELETE FROM journal_batch WHERE first_seq = 3", database=name))
    _cut(server, name)
    with pytest.raises(JournalError, match=r"came back ending at seq 2, where it had confirmed seq 3.*find the server"):
        journal.append([fill(4)])
    assert journal.last_seq() == 2


def test_a_takeover_waits_for_an_append_that_is_under_way(server: PostgresServer, name: str) -> None:
    """C13: the old owner's batch is either before the takeover, or not there."""
    old, new = SqlJournal(server.url(name)), SqlJournal(server.url(name))
    old.open()
    server.set("synchronous_standby_names", "nobody")
    appending = Appending(lambda: old.append([fill(1)]))
    _until(lambda: _waiting(server, name, "SyncRep"))
    heads: list[Any] = []
    opening = Appending(lambda: heads.append(new.open()))
    _until(lambda: _waiting(server, name, "Lock"))
    assert not heads
    server.set("synchronous_standby_names", "")
    appending.join()
    opening.join()
    assert [(head.seq, head.epoch) for head in heads] == [(1, 2)]
    with pytest.raises(EpochStale):
        old.append([fill(2)])
    assert list(new.read()) == [fill(1)]
    new.close()


# --- The wait for a standby is cancelled ------------------------------------------------------------------------------


def test_a_cancelled_wait_for_a_standby_is_no_acknowledgement(server: PostgresServer, name: str) -> None:
    journal = SqlJournal(server.url(name))
    journal.open()
    server.set("synchronous_standby_names", "nobody")
    with structlog.testing.capture_logs() as logs:
        appending = Appending(lambda: journal.append([fill(1)]))
        for cancelled in range(1, 4):
            (pid,) = _until(lambda: _waiting(server, name, "SyncRep"))
            server.execute("SELECT pg_cancel_backend(%s)", pid)
            _until(lambda so_far=cancelled: len(logs) >= so_far)
            assert not appending.ended, "it was acknowledged before a standby could have it"
        server.set("synchronous_standby_names", "")
        appending.join()
    assert {line["event"] for line in logs} == {"journal_not_replicated"}
    assert _backends(server, name) == [pid], "it connected again for nothing"
    journal.append([fill(2)])
    assert list(journal.read()) == fills(1, 2)
    journal.close()


def test_a_takeover_whose_wait_is_cancelled_is_not_one_yet(server: PostgresServer, name: str) -> None:
    journal = SqlJournal(server.url(name))
    server.set("synchronous_standby_names", "nobody")
    opening = Appending(lambda: (journal.open(), None)[1])
    (pid,) = _until(lambda: _waiting(server, name, "SyncRep"))
    server.execute("SELECT pg_cancel_backend(%s)", pid)
    _until(lambda: _waiting(server, name, "SyncRep"))
    assert not opening.ended
    server.set("synchronous_standby_names", "")
    opening.join()
    journal.append([fill(1)])
    journal.close()


def test_the_server_says_it_in_a_warning_that_names_its_place(server: PostgresServer, name: str) -> None:
    """What the adapter goes by, so that a server which says it in another language is understood as well."""
    places: list[str | None] = []
    server.set("synchronous_standby_names", "nobody")
    with psycopg.connect(host=str(server.folder), user="postgres", dbname=name, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: places.append(notice.source_function))
        creating = Appending(lambda: (connection.execute("CREATE TABLE t (x int)"), None)[1])
        query = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        ((pid,),) = _until(lambda: server.execute(query))
        server.execute("SELECT pg_cancel_backend(%s)", pid)
        creating.join()
    assert places == ["SyncRepWaitForLSN"]
