"""`gateway replay`: the state as it was at any sequence number, or what changed between two, from the journal alone.

Exit codes: 0 done, 1 the journal is damaged, does not replay, or has no such seq or order, 2 the command line or the
configuration is wrong.
"""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.adapters.journal import SqlJournal
from gateway.cli.configured import CONFIGURATION_WRONG, configuration
from gateway.cli.failing import failed
from gateway.cli.journal import ConfigOption, JournalArgument, named_journal
from gateway.cli.keep import kept_journal, kept_snapshots
from gateway.cli.layout import output
from gateway.cli.progress import progress
from gateway.cli.replay_picture import (
    changes,
    changes_json,
    changes_tables,
    order_json,
    order_tables,
    picture,
    state_json,
    state_tables,
)
from gateway.core.engine import Diverged, apply
from gateway.core.engine import replay as verify
from gateway.core.events import OrderView, Record
from gateway.core.invariants import InvariantBroken, check_state
from gateway.core.order import Order, view
from gateway.core.retention import Memory, Wanted, remembered, wanted_key, wanted_order
from gateway.core.state import State
from gateway.runtime.ports import JournalError
from gateway.runtime.snapshots import Snapshots


class _NotThere(Exception):
    """The journal has no such thing."""


def replay(
    journal: JournalArgument = "",
    config: ConfigOption = None,
    to: Annotated[
        int | None,
        typer.Option("--to", min=1, metavar="SEQ", help="As it was after this event; the last when not given."),
    ] = None,
    order: Annotated[str, typer.Option("--order", help="Only this order: its id, or any ClOrdID.")] = "",
    client: Annotated[str, typer.Option("--client", help="Whose ClOrdID it is, when several have it.")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Verify every event from the first against what was told when it happened.")
    ] = False,
    diff: Annotated[
        tuple[int, int] | None,
        typer.Option("--diff", metavar="SEQ1 SEQ2", help="What changed between two events.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: everything, as one JSON document.")] = False,
) -> None:
    """Rebuild the state at any sequence number and print it, or what changed between two. Changes nothing."""
    if diff is not None and (to is not None or order or diff[0] >= diff[1] or diff[0] < 0):
        raise failed(
            "--diff takes two sequence numbers, the lower first, and neither --to nor --order", CONFIGURATION_WRONG
        )
    try:
        source = _source(journal, config, check=check)
        if diff is not None:
            _show_changes(source, *diff, as_json=as_json)
        else:
            _show_state(source, to, order, client, as_json=as_json)
    except (JournalError, Diverged, InvariantBroken, _NotThere) as error:
        raise failed(str(error)) from None


def _source(journal: str, path: Path | None, *, check: bool) -> "_Source":
    """The journal that is named, or that of a configuration with its archive and its snapshots."""
    if path is None or journal:
        return _Source(named_journal(journal, path), None, check=check)
    config = configuration(path)
    return _Source(kept_journal(config), None if check else kept_snapshots(config), check=check)


class _Source:
    """A journal, and the state on its way through it."""

    def __init__(self, journal: SqlJournal, snapshots: Snapshots | None, *, check: bool) -> None:
        self._journal = journal
        self._snapshots = snapshots
        self.check = check
        self.last_seq = self._journal.last_seq()
        self.state = State()
        self.at_ns = 0

    def go(self, to: int) -> None:
        """On to the state after `to`.

        Raises:
            Diverged, InvariantBroken: it does not replay; with `check` the first event that differs is named.
        """
        if to > self.last_seq:
            raise _NotThere(f"the journal ends at seq {self.last_seq}; there is no seq {to}")
        if self._snapshots is not None:
            found, self._snapshots = self._snapshots.newest(self._journal), None
            if found is not None and found.seq <= to:
                self.state = found
                self.at_ns = next(self.records(found.seq, found.seq)).at_ns
        with progress("Replaying", self.state.seq, to) as passed:
            for record in self.records(self.state.seq + 1, to):
                if self.check:
                    verify(self.state, record)
                else:
                    apply(self.state, record.event, record.at_ns, record.cause)
                self.at_ns = record.at_ns
                passed(record.seq)
        if self.check:
            check_state(self.state)

    def retired(self, wanted: Wanted) -> Order | None:
        """The order that left memory under this name, as it was then."""
        for seq in wanted.seqs:
            for record in self.records(seq, seq):
                memory = remembered(record, wanted.name)
                if isinstance(memory, Memory):
                    return memory.order
        return None

    def records(self, first: int, last: int) -> Iterator[Record]:
        """The journal's records from `first` to `last`."""
        return takewhile(lambda record: record.seq <= last, self._journal.read(first))


# --- The state --------------------------------------------------------------------------------------------------------


def _show_state(source: _Source, to: int | None, name: str, client: str, *, as_json: bool) -> None:
    source.go(source.last_seq if to is None else to)
    if name:
        order = _find(source, name, client)
        if as_json:
            print(order_json(source.state.seq, source.at_ns, order))
        else:
            _print(order_tables(source.state.seq, source.at_ns, order))
        return
    if as_json:
        print(state_json(source.state, source.at_ns))
        return
    if source.check:
        print(f"all {source.state.seq:,} events replay to what was told when they happened")
    _print(state_tables(source.state, source.at_ns))


def _find(source: _Source, name: str, client: str) -> Order:
    """The order known as `name`, in memory or retired."""
    state = source.state
    if name in state.orders:
        return state.orders[name]
    owners = [client] if client else list(state.keys)
    found = {owner: order for owner in owners if (order := _of_client(source, owner, name)) is not None}
    if len(found) > 1:
        raise _NotThere(f"clients {', '.join(sorted(found))} each have an order {name}: say whose with --client")
    order = next(iter(found.values()), None) or source.retired(wanted_order(state, name))
    if order is None:
        whose = f" of client {client}" if client else ""
        raise _NotThere(f"no order{whose} is known as {name} after seq {state.seq}")
    return order


def _of_client(source: _Source, client: str, name: str) -> Order | None:
    return source.state.find_order(client, name) or source.retired(wanted_key(source.state, client, name))


# --- What changed -----------------------------------------------------------------------------------------------------


def _show_changes(source: _Source, first: int, last: int, *, as_json: bool) -> None:
    if last > source.last_seq:
        raise _NotThere(f"the journal ends at seq {source.last_seq}; there is no seq {last}")
    after: dict[str, OrderView] = {}
    for record in source.records(first + 1, last):
        if record.order is not None:
            after[record.order.order_id] = record.order
    source.go(first)
    gone = {order_id for order_id in after if order_id not in source.state.orders}
    seen = {
        order_id: view(order) for order_id in gone if (order := source.retired(wanted_order(source.state, order_id)))
    }
    before = picture(source.state, after, seen)
    began_ns = source.at_ns
    source.go(last)
    found = changes(before, picture(source.state, after, after))
    if as_json:
        print(changes_json(first, last, found))
    else:
        _print(changes_tables(first, began_ns, last, source.at_ns, found))


def _print(*parts: Any) -> None:
    console = output()
    for part in parts:
        console.print(part, markup=False)
