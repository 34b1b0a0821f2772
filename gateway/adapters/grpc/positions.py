"""PositionService: what is open, per account, strategy and instrument."""

from gateway.adapters.grpc.identity import Call
from gateway.adapters.grpc.services import Services
from gateway.codec.proto import fields
from gateway.codec.proto.orders import position_to_pb
from gateway.pb.v1 import gateway_pb2 as pb


class PositionService:
    """The method of gateway.v1.PositionService."""

    def __init__(self, services: Services) -> None:
        self._sequencer = services.sequencer

    async def list_positions(self, request: pb.ListPositionsRequest, call: Call) -> pb.ListPositionsResponse:
        """The positions that fit: of all accounts for an operator, else of the caller's own."""
        account = fields.name("account", request.account)
        strategy = fields.name("strategy", request.strategy)
        symbol = fields.name("symbol", request.symbol)
        state = self._sequencer.state
        found = [
            position_to_pb(position)
            for position in state.positions.values()
            if (call.caller.is_operator or position.account in call.caller.accounts)
            and account in ("", position.account)
            and strategy in ("", position.strategy)
            and symbol in ("", position.symbol)
        ]
        response = pb.ListPositionsResponse(positions=found, as_of_seq=state.seq)
        await self._sequencer.committed(response.as_of_seq)
        return response
