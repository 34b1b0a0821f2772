"""The only place where the parts are wired together: a configuration in, a running stack out."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from gateway import __version__
from gateway.adapters import alerts, logs
from gateway.adapters.grpc.server import AddressInUse, ApiServer
from gateway.adapters.grpc.services import Overview, Services
from gateway.adapters.grpc.visibility import audience
from gateway.adapters.journal import SqlJournal
from gateway.adapters.metrics import Metrics, Queues
from gateway.adapters.quickfix import DictionaryError, QuickFixLink, check_dictionaries, links_of
from gateway.cli.accept import Looked, refuse_less
from gateway.cli.configured import CONFIGURATION_WRONG
from gateway.cli.failing import give_up_unwritten
from gateway.cli.follow import Following, Lag, attend
from gateway.cli.keep import LOCK, kept_journal, kept_snapshots
from gateway.config import Config, VenueConfig, core_risk
from gateway.core import drop_copy, mass_cancel, retention, sessions
from gateway.core.engine import Diverged
from gateway.core.events import Cause, Input, Record
from gateway.core.invariants import InvariantBroken
from gateway.core.reports import ProcessStarted, TimerFired
from gateway.core.risk import stops
from gateway.core.state import Reconcile, Settings, State, inbound
from gateway.core.types import Severity
from gateway.runtime.crowding import Crowding
from gateway.runtime.feed import Feed
from gateway.runtime.files import Taken, alone
from gateway.runtime.garbage import Garbage
from gateway.runtime.latency import Latency
from gateway.runtime.ports import JournalAway, JournalError, JournalHead, Known
from gateway.runtime.recovery import recover
from gateway.runtime.sequencer import Sequencer
from gateway.runtime.witnesses import RESTORED, NoteKeeper

CLEAN, FATAL, JOURNAL_REFUSED = 0, 1, 3
TIMER_S, CROWDED_TIMER_S = 1.0, 0.05
FOLLOW_AFTER_S = 5.0
LAG_SNAPSHOTS = 3
"""An alert is due when the snapshot or the projections are so many times `snapshot_events` behind: one is written late
where the follower has just begun, or where one failed, and not three.
"""
NOTE_S = 60.0
API_GRACE_S = 2.0
PROGRESS_S = 2.0
SWITCH_INTERVAL_S = 0.0001
"""How long Python lets one thread run while another waits.

At the default 5 ms the FIX thread starves behind a busy loop.
"""

_log = structlog.get_logger("gateway")


def serve(config: Config, path: Path) -> int:
    """Run the stack until SIGINT or SIGTERM; the exit code of the process. `path` is where the configuration is."""
    logs.configure(config.log)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        with _data_directory(Path(config.data_dir)):
            check_dictionaries(config, Path(config.data_dir))
            return uvloop.run(_run(config, path))
    except DictionaryError as error:
        _log.critical("not started", reason=str(error))
        return CONFIGURATION_WRONG
    except JournalAway as error:
        _log.critical("not started", reason=str(error))
        return FATAL
    except (JournalError, Diverged, InvariantBroken, Taken) as error:
        _log.critical("not started", reason=str(error))
        return JOURNAL_REFUSED
    except (AddressInUse, OSError) as error:
        _log.critical("not started", reason=str(error))
        return FATAL


def _data_directory(path: Path) -> contextlib.AbstractContextManager[None]:
    """The data directory, ours alone while we run. What is written there is nobody else's to read."""
    os.umask(0o077)
    return alone(path / LOCK, f"another gateway runs on {path}; stop it first, or give this stack its own")


def core_settings(config: Config) -> Settings:
    """What the core needs to know of the configuration."""
    return Settings(
        instruments=config.core_instruments(),
        venues=tuple(venue.name for venue in config.venues),
        accounts={venue.name: tuple(venue.dialect.accounts) for venue in config.venues if venue.dialect.accounts},
        ack_timeout_ns={venue.name: venue.ack_timeout_s * 1_000_000_000 for venue in config.venues},
        max_working_orders_per_client=config.limits.orders_per_client,
        max_unanswered_per_order=config.limits.requests_per_order,
        reconcile={venue.name: _reconcile(venue) for venue in config.venues if venue.reconcile.mode != "off"},
        drop_copies={venue.drop_copy_session: venue.name for venue in config.venues if venue.drop_copy is not None},
        retire_after_ns=config.retention.retire_after_s * 1_000_000_000,
        max_ended_orders=config.retention.ended_orders,
        risk=core_risk(config),
    )


def _reconcile(venue: VenueConfig) -> Reconcile:
    said = venue.reconcile
    return Reconcile(
        mass=said.mode == "mass" or (said.mode == "auto" and venue.begin_string != "FIX.4.2"),
        every_ns=said.every_s * 1_000_000_000,
        timeout_ns=said.timeout_s * 1_000_000_000,
        window=said.window,
        grace_ns=said.grace_s * 1_000_000_000,
    )


async def _run(config: Config, path: Path) -> int:
    journal = kept_journal(config)
    if await asyncio.to_thread(journal.head) is None:  # Before one is made: it may have been deleted.
        await asyncio.to_thread(refuse_less, config, journal, State())
    head = await asyncio.to_thread(journal.open)
    try:
        began = time.monotonic()
        snapshots = kept_snapshots(config, _note_snapshot)
        state = await asyncio.to_thread(recover, journal, snapshots, _note_snapshot, _said_now_and_then(head.seq))
        took_s = round(time.monotonic() - began, 3)
        in_memory, executions = len(state.orders), state.executions
        _log.info("recovered", seq=state.seq, epoch=head.epoch, orders=in_memory, executions=executions, seconds=took_s)
        alerts.venues_gone(state, [venue.name for venue in config.venues])
        looked = await asyncio.to_thread(refuse_less, config, journal, state)
        return await _Stack(config, path, journal, head, state, looked).run()
    finally:
        journal.close()


def _note_snapshot(reason: str) -> None:
    _log.warning("snapshot not used", reason=reason)


def _said_now_and_then(of: int) -> Callable[[int], None]:
    """For who waits for a long recovery: how far it is."""
    said_s = time.monotonic()

    def passed(seq: int) -> None:
        nonlocal said_s
        now_s = time.monotonic()
        if now_s - said_s >= PROGRESS_S:
            said_s = now_s
            _log.info("recovering", seq=seq, of=of, percent=100 * seq // of)

    return passed


def _note_keeper(config: Config, journal: SqlJournal, head: JournalHead, looked: Looked) -> NoteKeeper:
    accepted = (*looked.accepted, *[each.mark for each in looked.missing])
    return NoteKeeper(Path(config.data_dir), journal, journal.label, head.epoch, accepted)


class _Stack:
    """The parts of one running stack."""

    def __init__(
        self, config: Config, path: Path, journal: SqlJournal, head: JournalHead, state: State, looked: Looked
    ) -> None:
        limits = config.limits
        self._config = config
        self._path = path
        self._snapshots = kept_snapshots(config, _note_snapshot)
        self._journal = journal
        self._looked = looked
        self._keeper = _note_keeper(config, journal, head, looked)
        self._started_ns = time.time_ns()
        self._epoch = head.epoch
        self._state = state
        self._latency = Latency()
        self._following = Following()
        self._lag = Lag(LAG_SNAPSHOTS * config.retention.snapshot_events)
        self._feed = Feed(
            journal, state.seq, window=limits.subscriber_lag, max_readers=limits.subscribers, audience=audience
        )
        self._sequencer = Sequencer(
            state,
            core_settings(config),
            journal,
            self._release,
            fatal,
            time.time_ns,
            max_batch=limits.batch,
            max_commands=limits.command_queue,
            on_commit=self._on_commit,
            commit_here=journal.prompt,
            pause_s=Crowding().pause_s if journal.prompt else lambda: 0.0,
        )
        self._links: Mapping[str, QuickFixLink] = links_of(
            config, wake=self._sequencer.wake, now_ns=time.time_ns, fatal=fatal
        )
        self._metrics = Metrics(state, self._links, self._queues())
        services = Services(config, self._sequencer, self._feed, self._links, self._overview, journal)
        self._api = ApiServer(services)
        self._stop = asyncio.Event()
        self._sequencing: asyncio.Task[None] | None = None
        self._ticking: list[asyncio.Task[None]] = []
        self._behind: list[asyncio.Task[None]] = []

    async def run(self) -> int:
        """Start everything, wait for a signal, stop everything in order; also when something could not be started.

        Raises:
            AddressInUse, JournalError, OSError: it could not. What was logged on before is logged out.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        try:
            await self._start()
            await self._stop.wait()
            _log.info("stopping")
        finally:
            await self._end()
        _log.info("stopped", seq=self._sequencer.committed_seq)
        return CLEAN

    async def _start(self) -> None:
        api = self._config.api
        await self._api.start(api.host, api.port, Path(api.unix_socket) if api.unix_socket else None)
        metrics_port = self._metrics.serve(self._config.metrics.host, self._config.metrics.port)
        self._sequencing = asyncio.create_task(self._sequencer.run())
        await self._take_over()
        for name, link in self._links.items():
            self._sequencer.add_source(link)
            link.start(self._known(name))
        self._settle_restored()
        self._ticking = [self._beside("watch", self._sequencer.watch()), self._beside("timer", self._tick(Garbage()))]
        await self._api.open()
        self._say_ready(self._api.port, metrics_port)
        self._behind = [self._beside("follower", self._follow()), self._beside("note", self._note_now_and_then())]

    async def _end(self) -> None:
        """Stop what was started: who sends commands first, and what follows the journal last."""
        for task in self._ticking:
            task.cancel()
        await self._api.stop(API_GRACE_S)
        await asyncio.gather(*(asyncio.to_thread(link.stop) for link in self._links.values()))
        if self._sequencing is not None:
            self._sequencer.stop()
            await self._sequencing
            for task in self._behind:
                task.cancel()
            await asyncio.gather(*self._behind, return_exceptions=True)
            await self._note()
        self._metrics.stop()

    def _beside(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something for as long as we run. Nobody else does it: an error that ends it ends the process."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_fatal_if_broken)
        return task

    def _say_ready(self, api_port: int, metrics_port: int) -> None:
        """One line of JSON for whoever started us; the log is for people."""
        socket = self._config.api.unix_socket
        ready = {
            "ready": True,
            "pid": os.getpid(),
            "api_port": api_port,
            "unix_socket": socket,
            "metrics_port": metrics_port,
        }
        try:
            print(json.dumps(ready), flush=True)  # noqa: T201  # The one thing that goes to standard output.
        except OSError as error:
            _log.warning("standard output does not take the line that we are ready", reason=str(error))
            give_up_unwritten()
        _log.info("ready", **ready)

    async def _take_over(self) -> None:
        """The journal says that this process owns it now."""
        restored, lost = self._looked.restored, self._looked.missing
        if lost:
            self._snapshots.put_aside(self._journal, self._state.seq)
            texts, why = [each.text for each in lost], restored.reason if restored is not None else ""
            _log.error("started with less than was accepted", seq=self._state.seq, missing=texts, reason=why)
        who = "" if restored is None else f"accept-loss: {restored.reason}" if restored.reason else "restore"
        began = ProcessStarted(__version__, self._epoch)
        self._sequencer.tell(Input(time.time_ns(), Cause("process", who), began))
        await self._sequencer.committed(self._state.seq + 1)
        await asyncio.to_thread(self._keeper.write, self._sequencer.committed_seq)

    def _settle_restored(self) -> None:
        """Only now do the FIX stores and the note begin with this journal. What was restored or accepted is kept."""
        left = Path(self._config.data_dir) / RESTORED
        if left.exists():
            left.replace(left.with_stem(f"{left.stem}-{self._epoch}"))

    async def _note_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(NOTE_S)
            await self._note()
            self._lag.look(self._behind_events())

    async def _note(self) -> None:
        """A note that could not be written is only older than it might be."""
        try:
            await asyncio.to_thread(self._keeper.write, self._sequencer.committed_seq)
        except (JournalError, OSError, RuntimeError) as error:  # RuntimeError: there can be no further thread.
            _log.warning("journal not noted", reason=str(error))

    def _known(self, name: str) -> Known:
        session, orders = self._state.session(name), self._state.orders
        unanswered = [key for key, order_id in self._state.waiting.items() if orders[order_id].venue == name]
        restored = self._looked.restored is not None
        return Known(session.inbound_seq, session.sender_floor, session.logon_seq_num, unanswered, restored)

    def _release(self, records: Sequence[Record]) -> None:
        """Effects are events seen from outside: venues first, then the streams."""
        for record in records:
            came = inbound(record.cause)
            venue = getattr(record.event, "venue", "")
            name = came[0] if came is not None else venue
            self._act(name, record)
            if venue not in ("", name):  # What came on one session may make the gateway ask on another.
                self._act(venue, record)
        self._feed.publish(records)

    def _act(self, name: str, record: Record) -> None:
        link = self._links.get(name)
        if link is not None:
            link.act(record)

    def _on_commit(self, records: Sequence[Record], seconds: float) -> None:
        self._latency.note(records)
        self._metrics.on_commit(records, seconds)
        alerts.tell(records)

    async def _follow(self) -> None:
        """Not at once: sessions that come up, and what waits for them, need the processor more."""
        await asyncio.sleep(FOLLOW_AFTER_S)
        await attend(self._path, self._following)

    async def _tick(self, garbage: Garbage) -> None:
        """The clock's turn; sooner while more orders have ended than leave memory at one turn, or more have to be
        canceled, to come into doubt or to be taken from a drop copy than one turn does.
        """
        ahead_ns = time.time_ns() - time.monotonic_ns()
        while True:
            state, settings, now_ns = self._state, self._sequencer.settings, time.time_ns()
            canceling = stops.due(state, settings, now_ns) or mass_cancel.due(state, settings)
            heard = sessions.due(state, settings, now_ns) or drop_copy.waits(state, settings, now_ns)
            crowded = canceling or heard or retention.due(state, settings, now_ns)
            await asyncio.sleep(CROWDED_TIMER_S if crowded else TIMER_S)
            before_ns, ahead_ns = ahead_ns, time.time_ns() - time.monotonic_ns()
            self._sequencer.tell(Input(time.time_ns(), Cause("timer"), TimerFired(ahead_ns - before_ns)))
            garbage.turn(trading=any(session.up for session in state.sessions.values()))

    def _queues(self) -> Queues:
        return Queues(
            commands=lambda: self._sequencer.queued_commands,
            reports=lambda: sum(link.queued for link in self._links.values()),
            subscribers=lambda: self._feed.readers,
            send_refusals=lambda: {venue: link.status().send_refusals for venue, link in self._links.items()},
            takes_orders=self._takes_orders,
            follows=lambda: self._following.runs,
            damaged=lambda: self._following.journal_damaged,
            behind=self._behind_events,
        )

    def _behind_events(self) -> dict[str, int]:
        """By what the follower keeps, where it is known: how many events of the journal it does not have."""
        kept, seq = {"projections": self._following.projections_seq}, self._sequencer.committed_seq
        with contextlib.suppress(OSError):  # The snapshots' directory cannot be read now.
            kept["snapshot"] = self._snapshots.newest_seq() or 0
        return {what: max(0, seq - at) for what, at in kept.items() if at is not None}

    def _takes_orders(self) -> dict[str, bool]:
        settings = self._sequencer.settings
        return {venue: sessions.takes_orders(self._state, settings, venue) for venue in settings.venues}

    def _overview(self) -> Overview:
        state = self._state
        return Overview(
            seq=state.seq,
            epoch=self._epoch,
            version=__version__,
            started_ns=self._started_ns,
            orders=len(state.orders),
            working_orders=sum(len(orders) for orders in state.working.values()),
            executions=state.executions,
            in_doubt=len(state.doubtful),
            disputed=len(state.disputed),
            set_aside=state.set_aside_total,
            halted_symbols=tuple(state.halted),
            order_to_ack_p50_us=self._latency.percentile_us(50),
            order_to_ack_p99_us=self._latency.percentile_us(99),
            command_queue=self._sequencer.queued_commands,
            subscribers=self._feed.readers,
            open_items=len(state.items),
            critical_items=sum(item.raised.severity is Severity.CRITICAL for item in state.items.values()),
            retired_orders=state.retired_orders,
            snapshot_seq=self._snapshots.newest_seq() or 0,
            stops=len(state.risk.stops),
            breaches=len(state.risk.breaches),
        )


def _fatal_if_broken(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("background task broke", task=task.get_name())
        fatal(error)


def fatal(error: BaseException) -> None:
    """The state may be ahead of the journal, or a FIX thread is broken: leave at once, so that nothing more gets out.

    Recovery rebuilds what is durable. No cleaning up: that could send something.
    """
    try:
        _log.critical("fatal error, leaving at once", error=repr(error), exc_info=error)
        sys.stderr.flush()
    finally:  # Also where the log cannot be written: its disk is full too, or who read it is gone.
        os._exit(FATAL)
