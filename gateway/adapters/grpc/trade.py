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

from gateway.adapters.grpc.calls import MOST_FIELDS, parse
from gateway.adapters.grpc.errors import Failure, failure, slow_reader, unavailable
from gateway.adapters.grpc.identity import Call
from gateway.adapters.grpc.replies import check_account, reply
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.streams import EventEncoder, EventFlow, StreamWriter, StuckReader, together
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

    def replies(self) -> list[pb.TradeReply]:
        """One for each command, when all are durable."""
        answers = iter(self.answers.result())
        return [_reply(key, each, each if isinstance(each, Failure) else next(answers)) for key, each in self.decoded]


class TradeStream:
    """One client's stream."""

    def __init__(self, services: Services, encoder: EventEncoder, call: Call) -> None:
        self._services = services
        self._encoder = encoder
        self._call = call
        self._writer = StreamWriter(call.context)
        self._first: pb.TradeRequest | None = None
        self._flow: EventFlow | None = None
        self._pending: deque[_Asked | Failure | None] = deque()
        self._replies: list[pb.TradeReply] = []
        self._room = asyncio.Event()
        self._awake = asyncio.Event()
        self._takes = True

    async def run(self) -> None:
        """Until the client has no more commands and no subscription, or goes away.

        Raises:
            Failure, InvalidField: the stream as such failed; a command's own failure is in its reply.
        """
        await together(self._read_first(), beside=(self._ended_before(),))
        if (first := self._first) is None:
            return
        if first.HasField("subscribe"):
            asked, wake = first.subscribe, self._awake.set
            self._flow = EventFlow(self._services, self._encoder, self._call, asked, trade_response, wake)
        try:
            current = (self._flow.keep_current(),) if self._flow is not None else ()
            await together(self._take(first), self._send(), beside=(self._writer.watch(), *current))
        except StuckReader:
            raise slow_reader(self._flow.next_seq if self._flow is not None else None) from None
        finally:
            if self._flow is not None:
                self._flow.close()

    def end(self) -> None:
        """The server stops: what was taken is still replied to, and no more is taken."""
        self._takes = False
        self._put(unavailable())

    # --- Commands in ---

    async def _read(self) -> pb.TradeRequest | None:
        data = await self._call.context.read()
        most = MOST_FIELDS + self._services.config.limits.trade_batch
        return None if data is grpc.aio.EOF else parse(pb.TradeRequest, data, most)

    async def _read_first(self) -> None:
        self._first = await self._read()

    async def _ended_before(self) -> None:
        """One who has sent nothing yet is not waited for when the server stops."""
        await self._awake.wait()
        raise unavailable()

    async def _read_next(self) -> pb.TradeRequest | None:
        request = await self._read()
        if request is not None and request.HasField("subscribe"):
            raise InvalidField("subscribe", "belongs into the first message of the stream only")
        return request

    async def _take(self, first: pb.TradeRequest) -> None:
        request: pb.TradeRequest | None = first
        try:
            while request is not None:
                while len(self._pending) >= MESSAGES_IN_FLIGHT:
                    self._room.clear()
                    await self._room.wait()
                if not self._takes:
                    return  # The client is told that nothing of it was done.
                self._ask(self._decoded(request))
                request = await self._read_next()
            self._put(None)
        except (Failure, InvalidField) as error:
            self._put(failure(error))

    def _put(self, item: Failure | None) -> None:
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

    def _ask(self, decoded: Sequence[tuple[str, ClientCommand | Failure]]) -> None:
        wanted = [command for _, command in decoded if not isinstance(command, Failure)]
        sequencer = self._services.sequencer
        try:
            answers = sequencer.begin(wanted, self._call.cause, gathered=self._call.gathered)
        except Overloaded as error:
            refused = failure(error)
            decoded = [(key, each if isinstance(each, Failure) else refused.about(key)) for key, each in decoded]
            answers = sequencer.begin((), self._call.cause)
        self._pending.append(_Asked(decoded, answers))
        answers.add_done_callback(self._answered)

    def _answered(self, _: object) -> None:
        """An event of the same commit may have had it written already."""
        if self._pending:
            self._awake.set()

    # --- Out ---

    async def _send(self) -> None:
        """Replies and events that are ready at the same time leave in one message. The end waits for replies, not for
        events.
        """
        while True:
            self._awake.clear()
            self._collect()
            if not self._replies and self._is_over():
                return
            message = self._next_message()
            if message:
                await self._writer.write(message)
            else:
                await self._awake.wait()

    def _is_over(self) -> bool:
        """Whether everything was said to a client that has no more commands and does not wait for events.

        Raises:
            Failure: the stream failed; everything before was said.
        """
        item = self._pending[0] if self._pending else None
        if not self._pending or isinstance(item, _Asked):
            return False
        if item is not None:
            raise item
        self._pending.popleft()
        return self._flow is None

    def _next_message(self) -> bytes:
        """Empty while there is nothing to send."""
        message = b""
        if self._replies:
            message = pb.TradeResponse(replies=self._replies[:REPLIES_PER_MESSAGE]).SerializeToString()
            del self._replies[:REPLIES_PER_MESSAGE]
        events = self._flow.next_message() if self._flow is not None else None
        return message + events if events is not None else message

    def _collect(self) -> None:
        """The replies to all messages that are answered, in their order."""
        pending = self._pending
        while len(self._replies) < REPLIES_PER_MESSAGE and pending:
            item = pending[0]
            if not isinstance(item, _Asked) or not item.answers.done():
                return
            pending.popleft()
            self._replies += item.replies()
            self._room.set()


def _reply(key: str, command: ClientCommand | Failure, result: Answer | Failure) -> pb.TradeReply:
    try:
        if isinstance(result, Answer):
            told = reply(result, getattr(command, "cl_ord_id", ""))  # A status request has none, and spends none.
            told.cl_ord_id = key
            return pb.TradeReply(cl_ord_id=key, reply=told)
    except Failure as refusal:
        result = refusal
    return pb.TradeReply(cl_ord_id=key, error=result.status())
