"""`gateway accept-loss`, and what a start asks before anything else: does the journal have all that was accepted?

Exit codes of the command: 0 done, or nothing is missing; 1 it could not be done; 2 the configuration is wrong.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters.journal import SqlJournal
from gateway.cli.configured import ConfigFile, configuration
from gateway.cli.keep import failures, kept_journal, kept_snapshots, nobody_runs
from gateway.cli.progress import progress
from gateway.config import Config
from gateway.core.retention import is_requested
from gateway.core.state import State
from gateway.runtime.files import write_durably
from gateway.runtime.ports import JournalError
from gateway.runtime.recovery import recover
from gateway.runtime.witnesses import (
    NOTE,
    RESTORED,
    Missing,
    Note,
    Restored,
    Witness,
    explains,
    missing,
    read_note,
    read_restored,
    refusal,
    unproven,
)


class Looked(msgspec.Struct, frozen=True):
    """What was found beside a journal: what it lacks, what of that was `accepted` at an earlier start (by its marks),
    and what was left to explain the rest.
    """

    missing: tuple[Missing, ...] = ()
    accepted: tuple[str, ...] = ()
    restored: Restored | None = None


def refuse_less(config: Config, journal: SqlJournal, state: State) -> Looked:
    """What the journal, whose state this is, lacks and may lack.

    Raises:
        JournalError: it has less than was accepted, and nobody wanted that.
    """
    looked = look(config, journal, state)
    if looked.missing and looked.restored is None:
        raise JournalError(refusal(journal.label, state.seq, looked.missing))
    return looked


def look(config: Config, journal: SqlJournal, state: State) -> Looked:
    """What the witnesses of a stack know and its journal, whose state this is, does not.

    Raises:
        JournalError: a witness that has to be heard cannot be read, or the journal cannot be reached.
        OSError: a FIX store cannot be read.
    """
    data_dir = Path(config.data_dir)
    note, restored = read_note(data_dir), read_restored(data_dir)
    witnesses = [*_notes(data_dir, note, restored), *kept_snapshots(config).witnesses(), *_projections(config)]
    found = [*missing(journal, state.seq, witnesses), *_unknown_requests(data_dir, state)]
    if restored is not None:
        found += unproven(state.seq, restored, data_dir / RESTORED)
    before = note.accepted if note is not None else ()
    explained = restored is not None and explains(journal, state.seq, restored)
    return Looked(
        tuple(each for each in found if each.mark not in before),
        tuple(each.mark for each in found if each.mark in before),
        restored if explained else None,
    )


def _notes(data_dir: Path, note: Note | None, restored: Restored | None) -> Iterator[Witness]:
    if note is not None:
        yield Witness(f"the note of its end, {data_dir / NOTE},", note.seq, bytes.fromhex(note.hash))
    if restored is not None:
        what = f"what was restored or accepted, {data_dir / RESTORED},"
        yield Witness(what, restored.last_seq, bytes.fromhex(restored.hash))


def _projections(config: Config) -> Iterator[Witness]:
    if not config.projections.url:
        return
    from gateway.adapters.projections.place import witness  # noqa: PLC0415  # Only for those who have some.

    told = witness(config.projections.url, config.stack)
    if told is not None:
        yield told


def _unknown_requests(data_dir: Path, state: State) -> Iterator[Missing]:
    from gateway.adapters.quickfix.store import last_sent  # noqa: PLC0415  # Brings the FIX engine with it.

    for sent in last_sent(data_dir / "fix"):
        if not is_requested(state, sent.venue_cl_ord_id):
            text = f"{sent.file} has at byte {sent.position} our request {sent.venue_cl_ord_id}, unknown to the journal"
            yield Missing(text, sent.venue_cl_ord_id)


def accept_loss(
    config: ConfigFile,
    reason: Annotated[str, typer.Option("--reason", help="Why, and who says so. It goes into the journal.")],
) -> None:
    """Let the gateway start on a journal that has less than was accepted: what is missing is lost for good.

    The gateway must not run. Orders that it no longer knows go on at the venues: they show as external at the first
    reconciliation. Nothing is missing as long as the journal, or a newer backup, can be put back.
    """
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    loaded = configuration(config)
    with failures(), nobody_runs(Path(loaded.data_dir)):
        journal = kept_journal(loaded)
        head, state = journal.head(), State()
        if head is not None:
            with progress("Replaying", 0, head.seq) as passed:
                state = recover(journal, passed=passed)
        looked = look(loaded, journal, state)
        if not looked.missing:
            print(f"{journal.label}: nothing is missing at seq {state.seq:,}, so there is nothing to accept")
            return
        chain_hash = (journal.hash_at(state.seq) or b"") if state.seq else b""
        texts = tuple(each.text for each in looked.missing)
        accepted = Restored(state.seq, chain_hash.hex(), reason.strip(), texts)
        write_durably(Path(loaded.data_dir) / RESTORED, msgspec.json.encode(accepted))
    print(f"{journal.label} ends at seq {state.seq:,}. Accepted as lost:")
    for text in texts:
        print(f"- {text}")
    print(
        "The next start goes on from there, with IDs of another kind. Look at `gatewayctl external-orders` and "
        "`gatewayctl items` right after it. See docs/operations.md."
    )
