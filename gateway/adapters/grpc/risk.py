"""RiskService: limits, stops, marks and breaches. Every change is a command; exposure is in exposure.py.

What is looked up comes from the state in memory and is told when it is durable.
"""

import asyncio
from itertools import islice
from typing import Any

from gateway.adapters.grpc.errors import Failure
from gateway.adapters.grpc.exposure import ExposureViews
from gateway.adapters.grpc.identity import Call
from gateway.adapters.grpc.replies import reply
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.streams import Streams
from gateway.codec.proto import fields, risk_commands
from gateway.codec.proto.orders import decimal_text
from gateway.codec.proto.risk import (
    breach_to_pb,
    limit_to_pb,
    mark_to_pb,
    proposal_to_pb,
    stop_to_pb,
)
from gateway.core.engine import Answer
from gateway.core.risk import figures, limits, scopes
from gateway.core.risk.commands import RiskCommand
from gateway.core.risk.controls import Control
from gateway.core.risk.events import LimitProposed, Mark, OverrideProposed
from gateway.core.risk.figures import InForce
from gateway.core.risk.proposals import PROPOSAL_NS
from gateway.core.risk.state import KnownMark, RiskState
from gateway.core.types import Reason
from gateway.pb.v1 import gateway_pb2 as pb

SHOWN = 10_000
"""The most limits, or marks, that one answer carries (rule 7)."""

LIMITS_AT_ONCE, MARKS_AT_ONCE = 200, 500
"""So that the figures beside many limits, and the encoding of many marks, do not hold up orders."""


class RiskService:
    """The methods of gateway.v1.RiskService."""

    def __init__(self, services: Services, streams: Streams) -> None:
        self._sequencer = services.sequencer
        self._exposure = ExposureViews(services.sequencer, streams)

    # --- Limits ---

    async def list_limits(self, request: pb.ListLimitsRequest, _call: Call) -> pb.ListLimitsResponse:
        """The limits in force, with the figures that they limit."""
        state = self._sequencer.state
        scope, control = fields.scope("scope", request.scope), _control(request.control)
        found = [each for each in figures.limits_in_force(state, scope) if control in (None, each.control)]
        if scope and not found and not scopes.is_known(state.risk.setup, scope):
            raise Failure(Reason.SCOPE_UNKNOWN, f"no limit stands at a scope that begins with {scope!r}", "scope")
        response = pb.ListLimitsResponse(currency=state.risk.setup.currency)
        found.sort(key=lambda each: (figures.order_of(figures.Row(each.scope)), each.control))
        for start in range(0, min(len(found), SHOWN), LIMITS_AT_ONCE):
            response.limits.extend(self._limit(each) for each in islice(found, start, start + LIMITS_AT_ONCE))
            await asyncio.sleep(0)
        response.as_of_seq = state.seq
        await self._sequencer.committed(response.as_of_seq)
        return response

    def _limit(self, found: InForce) -> pb.LimitRow:
        now_ns = self._sequencer.now_ns()
        used = figures.used(self._sequencer.state, found.scope, found.control, found.limit, now_ns)
        return pb.LimitRow(
            scope=found.scope,
            control=found.control.value,
            unit=limits.unit_of(found.control, self._sequencer.state.risk.setup.currency),
            limit=limit_to_pb(found.limit),
            set_at=found.set_at,
            source="configuration" if found.configured else "operator",
            until_ns=found.held.until_ns if found.held is not None else None,
            before=limit_to_pb(found.held.before) if found.held is not None else None,
            used=None if used is None else decimal_text(used),
        )

    async def set_limit(self, request: pb.SetLimitRequest, call: Call) -> pb.SetLimitResponse:
        """Set, raise, lower or take away a limit; it holds for the next order, or waits for a second person."""
        answer = await self._answer(risk_commands.set_limit(request, call.caller.id), call)
        return pb.SetLimitResponse(seq=answer.seq, change_id=answer.change_id)

    async def list_proposals(self, _request: pb.ListProposalsRequest, _call: Call) -> pb.ListProposalsResponse:
        """The changes that wait for a second person, oldest first."""
        state = self._sequencer.state
        response = pb.ListProposalsResponse(
            proposals=[self._proposal(each) for each in state.risk.proposals.values()],
            as_of_seq=state.seq,
        )
        await self._sequencer.committed(response.as_of_seq)
        return response

    def _proposal(self, proposal: LimitProposed | OverrideProposed) -> pb.Proposal:
        risk = self._sequencer.state.risk
        in_force = None
        if isinstance(proposal, LimitProposed):
            in_force = risk.limits.get(proposal.scope, {}).get(proposal.control)
        lapses_ns = risk.proposed_ns[proposal.change_id] + PROPOSAL_NS
        return proposal_to_pb(proposal, in_force, risk.setup.currency, lapses_ns)

    async def decide_change(self, request: pb.DecideChangeRequest, call: Call) -> pb.AdminReply:
        """A second person's word on a proposed change."""
        return await self._execute(risk_commands.decide_change(request, call.caller.id), call)

    # --- Overrides ---

    async def grant_override(self, request: pb.GrantOverrideRequest, call: Call) -> pb.GrantOverrideResponse:
        """Let the orders of a scope pass one control for a time, at once or when a second person has approved it."""
        answer = await self._answer(risk_commands.grant_override(request, call.caller.id), call)
        return pb.GrantOverrideResponse(seq=answer.seq, change_id=answer.change_id)

    async def end_override(self, request: pb.EndOverrideRequest, call: Call) -> pb.AdminReply:
        """End an override before its time."""
        return await self._execute(risk_commands.end_override(request, call.caller.id), call)

    async def list_overrides(self, _request: pb.ListOverridesRequest, _call: Call) -> pb.ListOverridesResponse:
        """The overrides in force."""
        state = self._sequencer.state
        response = pb.ListOverridesResponse(
            overrides=[
                pb.Override(scope=scope, control=control, until_ns=until_ns)
                for scope, granted in state.risk.overrides.items()
                for control, until_ns in granted.items()
            ],
            as_of_seq=state.seq,
        )
        await self._sequencer.committed(response.as_of_seq)
        return response

    # --- Stops ---

    async def stop_trading(self, request: pb.StopTradingRequest, call: Call) -> pb.AdminReply:
        """The kill switch."""
        return await self._execute(risk_commands.stop_trading(request, call.caller.id), call)

    async def resume_trading(self, request: pb.ResumeTradingRequest, call: Call) -> pb.AdminReply:
        """Reset a stop."""
        return await self._execute(risk_commands.resume_trading(request, call.caller.id), call)

    async def list_stops(self, _request: pb.ListStopsRequest, _call: Call) -> pb.ListStopsResponse:
        """Where trading is stopped, and what still works there."""
        state = self._sequencer.state
        stops = [stop_to_pb(stop, figures.unsettled(state, stop.stopped.scope)) for stop in state.risk.stops.values()]
        response = pb.ListStopsResponse(stops=stops, as_of_seq=state.seq)
        await self._sequencer.committed(response.as_of_seq)
        return response

    async def list_breaches(self, _request: pb.ListBreachesRequest, _call: Call) -> pb.ListBreachesResponse:
        """Figures that are beyond their limits, or near them."""
        state = self._sequencer.state
        breaches = [breach_to_pb(breach) for breach in state.risk.breaches.values()]
        response = pb.ListBreachesResponse(breaches=breaches, as_of_seq=state.seq)
        await self._sequencer.committed(response.as_of_seq)
        return response

    # --- Marks and exposure ---

    async def set_marks(self, request: pb.SetMarksRequest, call: Call) -> pb.AdminReply:
        """What instruments and currencies are worth now."""
        return await self._execute(risk_commands.set_marks(request, call.caller.id), call)

    async def list_marks(self, request: pb.ListMarksRequest, _call: Call) -> pb.ListMarksResponse:
        """What instruments and currencies are worth, and since when."""
        state = self._sequencer.state
        response = pb.ListMarksResponse(
            currency=state.risk.setup.currency,
            rates={currency: decimal_text(rate) for currency, rate in sorted(state.risk.rates.items())},
            as_of_seq=state.seq,
        )
        found = _prices(state.risk, fields.name("symbol", request.symbol))
        response.total = len(found)
        for start in range(0, min(len(found), SHOWN), MARKS_AT_ONCE):
            shown = islice(found, start, min(start + MARKS_AT_ONCE, SHOWN))
            response.marks.extend(mark_to_pb(known, currency) for known, currency in shown)
            await asyncio.sleep(0)
        await self._sequencer.committed(response.as_of_seq)
        return response

    async def get_exposure(self, request: pb.GetExposureRequest, _call: Call) -> pb.GetExposureResponse:
        """What scopes hold and have working."""
        return await self._exposure.page(request)

    async def watch_exposure(self, request: pb.WatchExposureRequest, call: Call) -> None:
        """The same again and again."""
        await self._exposure.watch(request, call)

    async def _execute(self, command: RiskCommand, call: Call) -> pb.AdminReply:
        return pb.AdminReply(seq=(await self._answer(command, call)).seq)

    async def _answer(self, command: RiskCommand, call: Call) -> Answer:
        """When it is durable.

        Raises:
            Failure: the core refused it.
        """
        answer = await self._sequencer.execute(command, call.cause)
        reply(answer, "")
        return answer


def _prices(risk: RiskState, beginning: str) -> list[tuple[KnownMark, str]]:
    """By symbol: the mark, or the reference price while there was none, with its currency."""
    found = []
    for symbol, instrument in sorted(risk.setup.instruments.items()):
        known = risk.marks.get(symbol)
        if known is None and instrument.reference_px is not None:
            known = KnownMark(Mark(symbol, instrument.reference_px), None)
        if known is not None and symbol.startswith(beginning):
            found.append((known, instrument.currency))
    return found


def _control(name: str) -> Control | None:
    """The control that is asked for; None is any.

    Raises:
        Failure: there is none of that name.
    """
    known: dict[str, Any] = {each.value: each for each in Control}
    if name and name not in known:
        raise Failure(
            Reason.CONTROL_UNKNOWN, f"there is no control {name[:32]!r}; there are: {', '.join(known)}", "control"
        )
    return known.get(name)
