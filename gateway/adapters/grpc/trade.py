"""The Trade stream: batches of commands in, replies in their order and events out.

Commands are handed to the sequencer as they arrive, without waiting for the replies to earlier ones, so a fast sender
shares commits with itself. Replies are written in the order of the commands. A client that does not read holds its own
commands back: nothing piles up here.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import grpc

from gateway.adapters.grpc.calls import parse
from gateway.adapters.grpc.errors import Failure, failure, slow_reader, unavailable
from gateway.adapters.grpc.identity import Call
from gateway.adapters.grpc.replies import check_account, reply
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.streams import EventEncoder, EventFlow, JoiningWriter, StuckReader, together
from gateway.codec.proto import commands
from gateway.codec.proto.fields import InvalidField
from gateway.codec.proto.wire import trade_response
from gateway.core.commands import ClientCommand, SubmitOrder
from gateway.core.engine import Answer
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.runtime.sequencer import Overloaded

MESSAGES_IN_FLIGHT = 32
"""Messages of one stream whose replies are not written yet; the next one is read when one of them is."""

REPLIES_PER_MESSAGE = 500


class _Asked(NamedTuple):
    """The commands of one message with their keys, and the answers of those that the sequencer took."""

    decoded: Sequence[tuple[str, ClientCommand | Failure]]
    answers: asyncio.Future[list[Answer]]

    async def replies(self) -> list[pb.TradeReply]:
        """One for each command, when all are durable."""
        answers = iter(await self.answers)
        return [_reply(key, each if isinstance(each, Failure) else next(answers)) for key, each in self.decoded]


class TradeStream:
    """One client's stream."""

    def __init__(self, services: Services, encoder: EventEncoder, call: Call) -> None:
        self._services = services
        self._encoder = encoder
        self._call = call
        self._writer = JoiningWriter(call.context)
        self._flow: EventFlow | None = None
        self._in_flight = asyncio.Semaphore(MESSAGES_IN_FLIGHT)
        self._pending: deque[_Asked | Failure | None] = deque()
        self._awake = asyncio.Event()

    async def run(self) -> None:
        """Until the client has no more commands and no subscription, or goes away.

        Raises:
            Failure, InvalidField: the stream as such failed; a command's own failure is in its reply.
        """
        first = await self._read()
        if first is None:
            return
        work = [self._take(first), self._reply()]
        if first.HasField("subscribe"):
            self._flow = EventFlow(
                self._services, self._encoder, self._call, first.subscribe, self._writer, trade_response
            )
            work.append(self._flow.run())
        try:
            await together(*work)
        except StuckReader:
            raise slow_reader(self._flow.next_seq if self._flow is not None else None) from None

    def end(self) -> None:
        """The server stops: what was taken is still replied to."""
        self._put(unavailable())

    # --- Commands in ---

    async def _read(self) -> pb.TradeRequest | None:
        data = await self._call.context.read()
        return None if data is grpc.aio.EOF else parse(pb.TradeRequest, data)

    async def _read_next(self) -> pb.TradeRequest | None:
        request = await self._read()
        if request is not None and request.HasField("subscribe"):
            raise InvalidField("subscribe", "belongs into the first message of the stream only")
        return request

    async def _take(self, first: pb.TradeRequest) -> None:
        request: pb.TradeRequest | None = first
        try:
            while request is not None:
                await self._in_flight.acquire()
                self._put(self._asked(self._decoded(request)))
                request = await self._read_next()
            self._put(None)
        except (Failure, InvalidField) as error:
            self._put(failure(error))

    def _put(self, item: _Asked | Failure | None) -> None:
        self._pending.append(item)
        self._awake.set()

    def _decoded(self, request: pb.TradeRequest) -> list[tuple[str, ClientCommand | Failure]]:
        limit = self._services.config.limits.trade_batch
        if len(request.commands) > limit:
            raise InvalidField(
                "commands",
                f"{len(request.commands)} commands in one message, {limit} is the limit; none of them was taken",
            )
        return [(commands.command_key(item), self._command(item)) for item in request.commands]

    def _command(self, item: pb.Command) -> ClientCommand | Failure:
        caller = self._call.caller
        try:
            command = commands.command(item, caller.id, caller.accounts[0])
            if isinstance(command, SubmitOrder):
                check_account(caller, command)
        except (Failure, InvalidField) as error:
            return failure(error).about(commands.command_key(item))
        return command

    def _asked(self, decoded: Sequence[tuple[str, ClientCommand | Failure]]) -> _Asked:
        wanted = [command for _, command in decoded if not isinstance(command, Failure)]
        sequencer, cause = self._services.sequencer, self._call.cause
        try:
            return _Asked(decoded, sequencer.begin(wanted, cause))
        except Overloaded as error:
            refused = failure(error)
            none = [(key, each if isinstance(each, Failure) else refused.about(key)) for key, each in decoded]
            return _Asked(none, sequencer.begin((), cause))

    # --- Replies out ---

    async def _reply(self) -> None:
        while (item := await self._next()) is not None or self._flow is not None:
            if isinstance(item, Failure):
                raise item
            if item is not None:
                await self._write(await item.replies())

    async def _next(self) -> _Asked | Failure | None:
        while not self._pending:
            self._awake.clear()
            await self._awake.wait()
        return self._pending.popleft()

    async def _write(self, replies: list[pb.TradeReply]) -> None:
        """These replies and those of the next messages that are ready too: under load fewer, larger messages."""
        self._in_flight.release()
        while len(replies) < REPLIES_PER_MESSAGE and (ready := self._ready()) is not None:
            self._in_flight.release()
            replies = replies + await ready.replies()
        for start in range(0, len(replies), REPLIES_PER_MESSAGE):
            part = replies[start : start + REPLIES_PER_MESSAGE]
            await self._writer.write(pb.TradeResponse(replies=part).SerializeToString())

    def _ready(self) -> _Asked | None:
        """Take what comes next, if it is answered."""
        item = self._pending[0] if self._pending else None
        if not isinstance(item, _Asked) or not item.answers.done():
            return None
        self._pending.popleft()
        return item


def _reply(key: str, result: Answer | Failure) -> pb.TradeReply:
    try:
        if isinstance(result, Answer):
            return pb.TradeReply(cl_ord_id=key, reply=reply(result, key))
    except Failure as refusal:
        result = refusal
    return pb.TradeReply(cl_ord_id=key, error=result.status())
