"""PositionService: what is open, per account, strategy and instrument."""

from copy import copy
from itertools import islice

from gateway.adapters.grpc import pages
from gateway.adapters.grpc.identity import Call, Caller
from gateway.adapters.grpc.pieces import encoded
from gateway.adapters.grpc.services import Services
from gateway.codec.proto import fields
from gateway.codec.proto.orders import position_to_pb
from gateway.core.positions import Position
from gateway.core.state import State
from gateway.pb.v1 import gateway_pb2 as pb

MAX_PAGE_SIZE = 1_000
SCANNED_PER_PAGE = 20_000
"""Positions looked at for one page: a page that hits it is short, not the last (rule 7)."""


class PositionService:
    """The method of gateway.v1.PositionService."""

    def __init__(self, services: Services) -> None:
        self._sequencer = services.sequencer

    async def list_positions(self, request: pb.ListPositionsRequest, call: Call) -> pb.ListPositionsResponse:
        """The positions that fit: of all accounts for an operator, else of the caller's own. All of one answer are as
        they were at its `as_of_seq`.
        """
        state = self._sequencer.state
        found, next_page_token = _page(state, request, _Wanted(request, call.caller))
        response = pb.ListPositionsResponse(as_of_seq=state.seq, next_page_token=next_page_token)
        response.positions.extend(await encoded(found, position_to_pb))
        await self._sequencer.committed(response.as_of_seq)
        return response


class _Wanted:
    """Which positions a ListPositionsRequest asks for."""

    def __init__(self, request: pb.ListPositionsRequest, caller: Caller) -> None:
        self._account = fields.name("account", request.account)
        self._strategy = fields.name("strategy", request.strategy)
        self._symbol = fields.name("symbol", request.symbol)
        self._accounts = None if caller.is_operator else caller.accounts

    def fits(self, position: Position) -> bool:
        """True when the position has all that was asked for."""
        return (
            (self._accounts is None or position.account in self._accounts)
            and self._account in ("", position.account)
            and self._strategy in ("", position.strategy)
            and self._symbol in ("", position.symbol)
        )


def _page(state: State, request: pb.ListPositionsRequest, wanted: _Wanted) -> tuple[list[Position], str]:
    """Copies of the positions that fit, and the token of the next page; without a page_size there is none.

    Positions stand in the order in which they were opened and never leave, so the place of the last one looked at stays
    what it is, after a restart too.
    """
    after = place = pages.after("positions", request.page_token)
    if after > len(state.positions):
        raise pages.unknown()
    size = min(request.page_size, MAX_PAGE_SIZE) or len(state.positions)
    scanned = SCANNED_PER_PAGE if request.page_size else len(state.positions)
    found: list[Position] = []
    for position in islice(state.positions.values(), after, None):
        if len(found) == size or place - after == scanned:
            return found, pages.token("positions", place)
        place += 1
        if wanted.fits(position):
            found.append(copy(position))
    return found, ""
