"""Exposure as the API shows it: a page, or a snapshot again and again. All rows of an answer come from one state."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from gateway.adapters.grpc.errors import ApiReason, Failure, unavailable
from gateway.adapters.grpc.identity import Call
from gateway.adapters.grpc.pieces import encoded
from gateway.adapters.grpc.streams import Streams, StreamWriter, StuckReader, together
from gateway.codec.proto import fields
from gateway.codec.proto.fields import InvalidField
from gateway.codec.proto.risk import exposure_to_pb
from gateway.core.risk import figures, scopes
from gateway.core.risk.figures import Figures, Row
from gateway.core.types import Reason
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.runtime.sequencer import Sequencer

PAGE_SIZE, MAX_ROWS = 200, 500

MIN_INTERVAL_MS, INTERVAL_MS, MAX_INTERVAL_MS = 200, 1_000, 60_000

MAX_WATCHERS = 32

REST = 9
"""How many times as long as a snapshot took nobody makes another: all watchers together get a tenth of the loop."""


class Snapshot(NamedTuple):
    """Rows of one state."""

    rows: Sequence[Figures]
    seq: int
    at_ns: int
    more: bool


class ExposureViews:
    """Answers about exposure."""

    def __init__(self, sequencer: Sequencer, streams: Streams) -> None:
        self._sequencer = sequencer
        self._streams = streams
        self._watchers = 0
        self._turn = asyncio.Lock()
        self._rested_at = 0.0

    async def page(self, request: pb.GetExposureRequest) -> pb.GetExposureResponse:
        """The rows that fit, from the firm down."""
        size = min(request.page_size or PAGE_SIZE, MAX_ROWS)
        snapshot = self._snapshot(request, size, _after(request.page_token))
        response = pb.GetExposureResponse(currency=self._currency, as_of_seq=snapshot.seq)
        if snapshot.more:
            last = snapshot.rows[-1].row
            response.next_page_token = f"{last.scope}\n{last.symbol}"
        response.rows.extend(await encoded(snapshot.rows, exposure_to_pb))
        await self._sequencer.committed(snapshot.seq)
        return response

    async def watch(self, request: pb.WatchExposureRequest, call: Call) -> None:
        """Snapshots until the reader goes away.

        Raises:
            Failure: too many watch already, or nothing fits.
        """
        interval_ms = request.interval_ms or INTERVAL_MS
        if not MIN_INTERVAL_MS <= interval_ms <= MAX_INTERVAL_MS:
            raise InvalidField("interval_ms", f"{interval_ms} is not between {MIN_INTERVAL_MS} and {MAX_INTERVAL_MS}")
        if self._watchers >= MAX_WATCHERS:
            raise Failure(ApiReason.TOO_MANY_SUBSCRIBERS, f"{MAX_WATCHERS} watch exposure, and that is the limit")
        self._watchers += 1
        watch = _Watch(self, request, interval_ms, StreamWriter(call.context))
        try:
            with self._streams.running(watch):
                await watch.run()
        finally:
            self._watchers -= 1

    async def snapshot(self, request: pb.WatchExposureRequest) -> pb.WatchExposureResponse:
        """One of them, whole, when it is this one's turn."""
        async with self._turn:
            await asyncio.sleep(self._rested_at - time.monotonic())
            began = time.monotonic()
            snapshot = self._snapshot(request, MAX_ROWS, None)
            rows = await encoded(snapshot.rows, exposure_to_pb)
            ended = time.monotonic()
            self._rested_at = ended + REST * (ended - began)
        await self._sequencer.committed(snapshot.seq)
        return pb.WatchExposureResponse(
            rows=rows,
            currency=self._currency,
            as_of_seq=snapshot.seq,
            time_ns=snapshot.at_ns,
            truncated=snapshot.more,
        )

    @property
    def _currency(self) -> str:
        return self._sequencer.state.risk.setup.currency

    def _snapshot(
        self, request: pb.GetExposureRequest | pb.WatchExposureRequest, size: int, after: Row | None
    ) -> Snapshot:
        state, now_ns = self._sequencer.state, self._sequencer.now_ns()
        rows = _selected(self._sequencer, request)
        if after is not None:
            rows = [row for row in rows if figures.order_of(row) > figures.order_of(after)]
        return Snapshot(figures.figures(state, rows[:size], now_ns), state.seq, now_ns, len(rows) > size)


class _Watch:
    """One reader."""

    def __init__(
        self, views: ExposureViews, request: pb.WatchExposureRequest, interval_ms: int, writer: StreamWriter
    ) -> None:
        self._views = views
        self._request = request
        self._interval_s = interval_ms / 1_000
        self._writer = writer
        self._ended = asyncio.Event()

    async def run(self) -> None:
        try:
            await together(self._send(), self._until_ended(), beside=(self._writer.watch(),))
        except StuckReader:
            raise Failure(ApiReason.SLOW_READER, "the snapshots were not read") from None

    async def _send(self) -> None:
        while True:
            began = time.monotonic()
            response = await self._views.snapshot(self._request)
            await self._writer.write(response.SerializeToString())
            await asyncio.sleep(began + self._interval_s - time.monotonic())

    async def _until_ended(self) -> None:
        await self._ended.wait()
        raise unavailable()

    def end(self) -> None:
        """The server stops."""
        self._ended.set()


def _selected(sequencer: Sequencer, request: pb.GetExposureRequest | pb.WatchExposureRequest) -> list[Row]:
    scope = fields.scope("scope", request.scope)
    if request.level and request.level not in scopes.LEVELS:
        raise InvalidField("level", f"there is no such level; there are: {', '.join(scopes.LEVELS)}")
    rows = figures.select(sequencer.state, scope, request.level, children=request.children)
    if scope and not rows:
        raise Failure(Reason.SCOPE_UNKNOWN, f"nothing has traded at a scope that begins with {scope!r}", "scope")
    return rows


def _after(token: str) -> Row | None:
    """The last row of the page before."""
    if not token:
        return None
    scope, newline, symbol = token.partition("\n")
    if not newline or scopes.level_of(scope) not in scopes.LEVELS:
        raise InvalidField("page_token", "is not one that this gateway gave")
    return Row(scope, symbol)
