"""`gateway accept-loss`, and what keeps a gateway from starting: a journal with less than its witnesses know."""

import fcntl
from pathlib import Path

import pytest

from gateway.cli.accept import look, refuse_less
from gateway.cli.follow import made
from gateway.config import Config, load
from gateway.core.state import State
from gateway.runtime.ports import JournalError
from gateway.runtime.recovery import recover
from gateway.runtime.witnesses import NOTE, RESTORED, NoteKeeper, Restored, read_restored
from tests.cli.history import configured
from tests.cli.test_keep import Site
from tests.postgres import PostgresServer, postgres

__all__ = ["postgres"]

BODY = b"8=FIX.4.4\x019=99\x0135=D\x0134=7\x0149=GATEWAY\x0156=XSIM\x0111=%s\x0155=ACME\x0110=000\x01"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A stack that stopped in good order, with all that stands beside its journal."""
    stopped = Site(tmp_path / "site")
    stopped.trade(6)
    stopped.snapshot()
    beside(stopped)
    return stopped


def beside(site: Site) -> None:
    """The note, the projections, and the store with the last order."""
    state = recover(site.journal())
    NoteKeeper(site.data, site.journal(), "the journal", 1, ()).write(state.seq)
    follower = made(loaded(site))
    follower.catch_up()
    follower.finish()
    (site.data / "fix" / "XSIM").mkdir(parents=True, exist_ok=True)
    last = [*state.orders.values()][-1].venue_cl_ord_id
    store(site).write_bytes(BODY % last.encode())


def store(site: Site) -> Path:
    return site.data / "fix" / "XSIM" / "FIX.4.4-GATEWAY-XSIM-XSIM.body"


def older(site: Site, folder: Path, url: str = "") -> None:
    """The site goes on; then its configuration has the journal of before, in a database of its own."""
    assert site.run("backup", "--to", str(folder / "backup")).exit_code == 0
    site.trade(3)
    site.snapshot()
    beside(site)
    other = Site(folder / "older", url=url)
    assert other.run("restore", "--from", str(folder / "backup")).exit_code == 0
    configured(site.folder, f'[journal]\nurl = "{url or f"sqlite:///{other.data}/journal.sqlite"}"')


def loaded(site: Site) -> Config:
    return load(site.config, {})


def refused(site: Site, state: State | None = None) -> str:
    with pytest.raises(JournalError) as error:
        refuse_less(loaded(site), site.journal(), state or recover(site.journal()))
    return str(error.value)


def starts(site: Site) -> bool:
    looked = refuse_less(loaded(site), site.journal(), recover(site.journal()))
    return not looked.missing


def test_a_journal_that_all_its_witnesses_know_is_started_on(site: Site) -> None:
    assert starts(site)
    result = site.run("accept-loss", "--reason", "none")
    assert (result.exit_code, "nothing is missing" in result.output) == (0, True), result.output
    assert not (site.data / RESTORED).exists()


def test_a_journal_that_went_on_since_is_started_on(site: Site) -> None:
    site.trade(3)
    assert starts(site)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_older_journal_is_refused_with_every_witness_by_name(
    site: Site, tmp_path: Path, database: str, postgres: PostgresServer
) -> None:
    older(site, tmp_path, postgres.url(postgres.new_database()) if database == "postgresql" else "")
    why, seq = refused(site), len(site.world.records)
    for words in (
        f"ends at seq {recover(site.journal()).seq}, and there was more: ",
        f"{site.data / NOTE}, has seq {seq}",
        f"{seq:020d}.snapshot has seq {seq}",
        f"projections.sqlite has seq {seq}",
        f"{store(site)} has at byte 14 our request",
    ):
        assert words in why


@pytest.mark.parametrize("witness", ["note", "snapshot", "projections", "store"])
def test_each_witness_alone_is_enough(site: Site, tmp_path: Path, witness: str) -> None:
    older(site, tmp_path)
    there = {
        "note": [site.data / NOTE],
        "snapshot": [*(site.data / "snapshots").iterdir()],
        "projections": [*site.data.glob("projections.sqlite*")],
        "store": [store(site)],
    }
    for path in [path for name, paths in there.items() if name != witness for path in paths]:
        path.unlink()
    assert "and there was more" in refused(site)
    for path in there[witness]:
        path.unlink()
    assert starts(site), "the test took away all of them"


def test_a_journal_that_is_not_there_is_refused_before_one_is_made(site: Site) -> None:
    for path in site.data.glob("journal.sqlite*"):
        path.unlink()
    assert "ends at seq 0, and there was more" in refused(site, State())
    assert not [*site.data.glob("journal.sqlite*")]


def test_an_accepted_loss_is_good_for_that_journal_and_says_what_was_lost(site: Site, tmp_path: Path) -> None:
    older(site, tmp_path)
    newest = site.data / "journal.sqlite"
    result = site.run("accept-loss", "--reason", " the power went, olga ")
    assert result.exit_code == 0, result.output
    journal = site.journal()
    end = recover(journal)
    left = read_restored(site.data)
    assert left is not None
    assert (left.last_seq, left.reason, len(left.missing)) == (end.seq, "the power went, olga", 4)
    looked = refuse_less(loaded(site), journal, end)
    assert looked.restored == left
    assert [each.text for each in looked.missing] == list(left.missing)

    configured(site.folder, f'[journal]\nurl = "sqlite:///{newest}"')
    assert starts(site), "the right journal was found after all"
    configured(site.folder, f'[journal]\nurl = "sqlite:///{tmp_path}/another.sqlite"')
    assert "what was restored or accepted" in refused(site, State())


def test_what_was_accepted_once_is_not_asked_about_again_and_anything_else_is(site: Site, tmp_path: Path) -> None:
    """The projections are still ahead for some seconds; a store may be that of a venue that is no longer configured."""
    older(site, tmp_path)
    found = look(loaded(site), site.journal(), recover(site.journal())).missing
    end = recover(site.journal())
    NoteKeeper(site.data, site.journal(), "J", 2, tuple(each.mark for each in found)).write(end.seq)
    looked = look(loaded(site), site.journal(), end)
    assert not looked.missing
    assert set(looked.accepted) == {each.mark for each in found[1:]}, "the note itself is a new one"
    store(site).write_bytes(BODY % b"OTHERR1")
    assert "OTHERR1, unknown to the journal" in refused(site)


def test_a_restore_that_was_undone_by_hand_explains_nothing(site: Site, tmp_path: Path) -> None:
    older(site, tmp_path)
    seq = recover(site.journal()).seq
    (site.data / RESTORED).write_bytes(b'{"stack":"test","last_seq":%d,"hash":"%s"}' % (seq, bytes(32).hex().encode()))
    assert read_restored(site.data) == Restored(seq, bytes(32).hex())
    assert f"{RESTORED}, is of another journal" in refused(site)


def test_a_loss_is_not_accepted_without_a_reason_or_while_a_gateway_runs(site: Site) -> None:
    assert site.run("accept-loss", "--reason", "  ").exit_code == 2
    assert site.run("accept-loss").exit_code == 2
    with (site.data / "gateway.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = site.run("accept-loss", "--reason", "why")
    assert (result.exit_code, "a gateway runs on" in result.output) == (1, True)


def test_projections_that_cannot_be_read_or_are_anothers_say_nothing(site: Site, tmp_path: Path) -> None:
    older(site, tmp_path)
    for path in (site.data / NOTE, store(site), *(site.data / "snapshots").iterdir()):
        path.unlink()
    config = site.config.read_text()
    site.config.write_text(config.replace('stack = "test"', 'stack = "other"'))
    assert starts(site)
    site.config.write_text(config)
    (site.data / "projections.sqlite").write_bytes(b"no database")
    assert starts(site)
