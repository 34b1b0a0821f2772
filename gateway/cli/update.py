"""`gateway prepare-update`: proves that this version replays the journal of a gateway that runs, and keeps a snapshot.

A snapshot serves only the version that wrote it, so without this the first start after an update replays the whole
journal. Exit codes: 0 done, 1 it could not be done, 2 the configuration is wrong, 3 the journal is damaged, or this
version does not replay it to what was told.
"""

import os
import sys
from pathlib import Path

from msgspec import structs

from gateway import __version__
from gateway.adapters import logs
from gateway.cli.configured import ConfigFile, configuration
from gateway.cli.failing import failed
from gateway.cli.follow import JOURNAL_WRONG, NICER
from gateway.cli.keep import failures, kept_journal, kept_snapshots
from gateway.cli.progress import progress
from gateway.config import Config
from gateway.core.engine import Diverged
from gateway.core.invariants import InvariantBroken, check_state
from gateway.runtime.files import alone
from gateway.runtime.follower import Follower
from gateway.runtime.ports import JournalDamaged, JournalError


def prepare_update(config: ConfigFile) -> None:
    """With the version to come: replay the journal of a gateway that runs, and keep a snapshot for the first start.

    Every event is compared with what was told when it happened. What runs is not touched.
    """
    loaded = configuration(config)
    logs.configure(structs.replace(loaded.log, level="warning"))
    os.nice(NICER)
    os.umask(0o077)
    lock = Path(loaded.data_dir) / "prepare-update.lock"
    with failures(), alone(lock, f"another prepare-update runs on {loaded.data_dir}"):
        try:
            seq = _prepared(loaded)
        except (Diverged, InvariantBroken, JournalDamaged) as error:
            raise failed(f"do not start version {__version__} on this journal: {error}", JOURNAL_WRONG) from None
    every = loaded.retention.snapshot_events * (loaded.retention.snapshots - 1)
    print(
        f"Version {__version__} replays the journal to what was told, and its first start begins at seq {seq:,}.\n"
        f"A gateway that runs removes this snapshot with its own old ones, after {every:,} events or more: run this "
        "again when that is too soon."
    )


def _prepared(config: Config) -> int:
    """The seq of the snapshot that this version has then.

    Raises:
        Diverged, InvariantBroken, JournalDamaged: this version cannot start on the journal.
        JournalError, OSError: the journal cannot be read, or the snapshot not be written.
    """
    journal = kept_journal(config)
    # Not one is removed: those that are there are what the gateway that runs would start from.
    snapshots = kept_snapshots(config, keep=sys.maxsize)
    follower = Follower(journal, snapshots=snapshots, snapshot_events=sys.maxsize)
    with progress("Replaying", 0, journal.last_seq()) as passed:
        follower.catch_up(lambda: bool(passed(follower.state.seq)))
    state = follower.state
    if not state.seq:
        raise JournalError(f"{journal.label} has no events: there is nothing to prepare")
    check_state(state)
    chain_hash = journal.hash_at(state.seq)
    if chain_hash is None:
        raise JournalError(f"{journal.label} has no batch any more that ends at seq {state.seq}: was it replaced?")
    snapshots.save(state, chain_hash)
    return state.seq
