"""`gateway backup`, `restore` and `archive`: copies of the journal that are proven, and what is old out of its way.

Exit codes: 0 done, 1 it could not be done, 2 the configuration is wrong.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway import __version__
from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal.archive import Archive
from gateway.adapters.journal.sqlite import seal
from gateway.cli.configured import ConfigFile, configuration
from gateway.cli.failing import failed
from gateway.cli.progress import progress
from gateway.codec.journal import Batch, until
from gateway.config import Config, sqlite_url
from gateway.core.engine import Diverged
from gateway.core.invariants import InvariantBroken
from gateway.runtime.files import Taken, alone, make_durably, write_durably
from gateway.runtime.ports import JournalError, JournalHead
from gateway.runtime.recovery import recover
from gateway.runtime.snapshots import Snapshots
from gateway.runtime.witnesses import RESTORED

JOURNAL, MANIFEST = "journal.sqlite", "backup.json"
LOCK = "gateway.lock"
"""Held in the data directory by the one process that may write the journal."""


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself. It ends at the batch with this `hash` (in hex), whatever its journal has behind."""

    stack: str
    version: str
    made_ns: int
    last_seq: int
    epoch: int
    hash: str


def kept_journal(config: Config) -> SqlJournal:
    """The journal of a configuration, with its archive."""
    return SqlJournal(config.journal.url, config.journal.durability, older=_kept_archive(config))


def kept_snapshots(
    config: Config, note: Callable[[str], None] = lambda _reason: None, keep: int | None = None
) -> Snapshots:
    """Where the snapshots are; `note` is told why one is not used. Who writes one keeps as many as is configured, or
    `keep`.
    """
    return Snapshots(Path(config.data_dir) / "snapshots", keep or config.retention.snapshots, note)


def _kept_archive(config: Config) -> Archive:
    return Archive(Path(config.data_dir) / "archive")


# --- Backup -----------------------------------------------------------------------------------------------------------


def backup(
    config: ConfigFile,
    to: Annotated[
        Path, typer.Option("--to", help="A folder for the backup. One that has an older backup is brought up to date.")
    ],
) -> None:
    """Copy the journal, running or not, and prove the copy."""
    loaded = configuration(config)
    with failures():
        source, copy = kept_journal(loaded), _journal_in(to)
        _refuse_itself(source, copy)
        _refuse_place(to, Path(loaded.data_dir))
        make_durably(to)
        last = source.last_seq()
        begin = _end_of_backup(source, copy, to)
        # A gateway that runs would never let the copy end, so it goes to what is there now.
        going = _shown("Copying", until(source.batches(begin + 1), last), begin, last)
        head = copy.import_batches(going, readable=True)
        several_files = _sealed(to / JOURNAL)
        _prove(copy, head)
        made = Manifest(loaded.stack, __version__, time.time_ns(), head.seq, head.epoch, head.hash.hex())
        write_durably(to / MANIFEST, msgspec.json.format(msgspec.json.encode(made)) + b"\n")
    print(f"{to}: {head.seq:,} events, {head.seq - begin:,} of them new; the chain is whole, hash {head.hash.hex()}")
    if several_files:
        print(f"It can only be restored from where its folder can be written, until the next backup: {several_files}")


def _journal_in(folder: Path) -> SqlJournal:
    return SqlJournal(sqlite_url((folder / JOURNAL).absolute()))


def _sealed(copy: Path) -> str:
    """Make the copy one file; why it is not, as while another program reads it: it is as whole then."""
    try:
        seal(copy)
    except JournalError as error:
        return str(error)
    return ""


def _refuse_itself(journal: SqlJournal, copy: SqlJournal) -> None:
    """Before anything is written: a backup is never taken for the journal, nor the journal for a backup.

    Raises:
        JournalError: they are the same file.
    """
    ours, its = journal.file, copy.file
    if ours is not None and its is not None and ours.exists() and its.exists() and ours.samefile(its):
        raise JournalError(f"{its} is the journal itself: name a folder of its own for the backup")


def _refuse_place(to: Path, data_dir: Path) -> None:
    """Raises JournalError: a backup cannot be there, or would be lost together with what it is a backup of."""
    for place in (to, *to.parents):
        if place.exists() and not place.is_dir():
            raise JournalError(f"{place} is no folder: name a folder for the backup")
    if to.exists() and data_dir.exists() and to.samefile(data_dir):
        raise JournalError(f"{to} is the data directory: name a folder of its own for the backup")


def _end_of_backup(source: SqlJournal, copy: SqlJournal, to: Path) -> int:
    """The last seq that the backup has already.

    Raises:
        JournalError: it is one of another journal.
    """
    head = copy.head() if (to / JOURNAL).exists() else None
    if head is None or head.seq == 0:
        return 0
    if source.hash_at(head.seq) != head.hash:
        raise JournalError(f"{to} has a backup of another journal: name a folder of its own for this one")
    return head.seq


# --- Restore ----------------------------------------------------------------------------------------------------------


def restore(
    config: ConfigFile,
    from_: Annotated[Path, typer.Option("--from", help="The folder of the backup.", show_default=False)],
) -> None:
    """Put a backup into an empty journal, prove it and replay it. The gateway must not run."""
    loaded = configuration(config)
    with failures(), nobody_runs(Path(loaded.data_dir)):
        source, target = _journal_in(from_), kept_journal(loaded)
        _refuse_itself(target, source)
        manifest = _manifest(from_)
        if manifest.stack != loaded.stack:
            raise JournalError(
                f"{from_} is a backup of stack {manifest.stack!r}, and {config} is that of stack {loaded.stack!r}: "
                "each stack has its own journal"
            )
        there = target.head()
        if there is not None and there.seq:
            raise JournalError(
                f"journal {target.label} has {there.seq:,} events already: a backup is only put into an empty one"
            )
        _matches(source, manifest)
        # Before the first batch: no start takes what a restore that broke off has put back for a journal that is whole.
        _leave(manifest, Path(loaded.data_dir), pending=True)
        going = _shown("Restoring", source.batches(1, manifest.last_seq), 0, manifest.last_seq)
        head = target.import_batches(going)
        _prove(target, head)
        with progress("Replaying", 0, head.seq) as passed:
            state = recover(target, passed=passed)
        _leave(manifest, Path(loaded.data_dir), pending=False)
    print(
        f"{target.label}: {head.seq:,} events, {len(state.orders):,} orders in memory, "
        f"{state.executions:,} executions.\n"
        "The chain is whole, and it replays.\n"
        f"What happened after seq {head.seq:,} is not in it: orders that were sent since then show as external at the "
        "first reconciliation, and keys that were spent since then are not known. See docs/operations.md."
    )


def _manifest(folder: Path) -> Manifest:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise JournalError(f"{folder} is not a backup: it has no {MANIFEST}") from None
    except msgspec.MsgspecError as error:
        raise JournalError(f"{folder / MANIFEST} cannot be read: {error}") from None


def _leave(manifest: Manifest, data_dir: Path, *, pending: bool) -> None:
    """For the next start: this is put back or, while that is `pending`, to be put back."""
    left = msgspec.structs.asdict(manifest) | {"pending": pending}
    write_durably(data_dir / RESTORED, msgspec.json.encode(left))


def _matches(source: SqlJournal, manifest: Manifest) -> None:
    """A backup that was cut short or changed is refused before anything is written. What a later one that broke off
    has put behind its end is no part of it.
    """
    verdict = source.verify(manifest.last_seq)
    if verdict.damage is not None:
        raise JournalError(f"backup {source.label} is damaged at seq {verdict.damage.seq}: {verdict.damage.what}")
    if (verdict.records, verdict.head_hash.hex()) != (manifest.last_seq, manifest.hash):
        raise JournalError(
            f"backup {source.label} ends at seq {verdict.records} with hash {verdict.head_hash.hex()}, and its "
            f"{MANIFEST} says seq {manifest.last_seq} with hash {manifest.hash}: it is not whole"
        )


def nobody_runs(data_dir: Path) -> AbstractContextManager[None]:
    """The data directory is ours while this is open."""
    return alone(data_dir / LOCK, f"a gateway runs on {data_dir}: stop it first")


# --- Archive ----------------------------------------------------------------------------------------------------------


def archive(config: ConfigFile) -> None:
    """Move what every kept snapshot has behind it out of the journal, running or not, into the archive.

    The archive is read wherever something old is asked for; a restart does not need it.
    """
    loaded = configuration(config)
    lock = Path(loaded.data_dir) / "archive.lock"
    with failures(), alone(lock, f"another archive runs on {loaded.data_dir}: it does the same"):
        journal = kept_journal(loaded)
        kept = _kept_archive(loaded)
        through = kept_snapshots(loaded).oldest_seq()
        after = journal.archived()
        if through is None or through <= after.seq:
            print("nothing to archive: no snapshot has more of the journal behind it than is archived already")
            return
        last = kept.add(_shown("Archiving", journal.batches(after.seq + 1), after.seq, through), after, through)
        dropped = journal.drop_before(last + 1)
    print(f"seq {after.seq + 1:,} to {last:,} are in {kept.where}: {dropped:,} batches less in {journal.label}")


# --- All --------------------------------------------------------------------------------------------------------------


def _prove(journal: SqlJournal, head: JournalHead) -> None:
    verdict = journal.verify()
    if verdict.damage is not None or verdict.head_hash != head.hash:
        what = verdict.damage.what if verdict.damage is not None else "it does not end where it was written to"
        raise JournalError(f"{journal.label} does not read back as it was written: {what}")


def _shown(what: str, batches: Iterable[Batch], first: int, last: int) -> Iterator[Batch]:
    """The same batches, with a bar on a terminal."""
    with progress(what, first, last) as passed:
        for batch in batches:
            yield batch
            passed(batch.last_seq)


@contextmanager
def failures() -> Iterator[None]:
    """What goes wrong with journals and files, as the end of a command."""
    try:
        yield
    except (JournalError, Diverged, InvariantBroken, Taken, OSError) as error:
        raise failed(str(error)) from None
