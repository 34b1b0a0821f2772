"""AdminService: sessions, instruments and what needs a person.

Every action is a command, so the journal says who did it and why.
"""

from copy import copy
from itertools import islice

from gateway.adapters.grpc.identity import Call
from gateway.adapters.grpc.pieces import encoded
from gateway.adapters.grpc.replies import reply
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.slips import refuse_slips
from gateway.codec.proto import commands, fields
from gateway.codec.proto.events import report_json
from gateway.codec.proto.reconciliation import doubt_to_pb, external_to_pb, item_to_pb
from gateway.core.commands import OperatorCommand
from gateway.core.events import Record
from gateway.core.order import view
from gateway.core.sessions import takes_orders
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.runtime.ports import SessionStatus

SHOWN = 10_000
"""The most requests in doubt that one answer carries (rule 7)."""


class AdminService:
    """The methods of gateway.v1.AdminService."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sequencer = services.sequencer

    async def get_overview(self, _request: pb.GetOverviewRequest, _call: Call) -> pb.GetOverviewResponse:
        """The gateway at a glance."""
        overview = self._services.overview()
        await self._sequencer.committed(overview.seq)
        return pb.GetOverviewResponse(**overview._asdict())

    async def list_sessions(self, _request: pb.ListSessionsRequest, _call: Call) -> pb.ListSessionsResponse:
        """Every FIX session as it is now."""
        state, settings = self._sequencer.state, self._sequencer.settings
        response = pb.ListSessionsResponse()
        for name, link in self._services.links.items():
            session = _session(link.status())
            session.drop_copy_of = settings.drop_copies.get(name, "")
            session.order_entry_open = takes_orders(state, settings, name)
            session.reconciling = name in state.runs
            response.sessions.append(session)
        return response

    async def logon(self, request: pb.LogonRequest, call: Call) -> pb.AdminReply:
        """Let a session connect."""
        return await self._execute(commands.logon(request, call.caller.id), call)

    async def logout(self, request: pb.LogoutRequest, call: Call) -> pb.AdminReply:
        """Take a session down until it is told to log on."""
        return await self._execute(commands.logout(request, call.caller.id), call)

    async def set_sequence_numbers(self, request: pb.SetSequenceNumbersRequest, call: Call) -> pb.AdminReply:
        """Set what a session sends or expects next."""
        return await self._execute(commands.set_sequence_numbers(request, call.caller.id), call)

    async def halt_instrument(self, request: pb.HaltInstrumentRequest, call: Call) -> pb.AdminReply:
        """No new orders in an instrument; cancels still pass."""
        return await self._execute(commands.halt_instrument(request, call.caller.id), call)

    async def resume_instrument(self, request: pb.ResumeInstrumentRequest, call: Call) -> pb.AdminReply:
        """New orders again."""
        return await self._execute(commands.resume_instrument(request, call.caller.id), call)

    async def reconcile(self, request: pb.ReconcileRequest, call: Call) -> pb.AdminReply:
        """Have our orders compared with the venue's, now."""
        return await self._execute(commands.reconcile(request, call.caller.id), call)

    async def open_order_entry(self, request: pb.OpenOrderEntryRequest, call: Call) -> pb.AdminReply:
        """Let new orders go to a venue that could not be reconciled."""
        return await self._execute(commands.open_order_entry(request, call.caller.id), call)

    async def resolve_item(self, request: pb.ResolveItemRequest, call: Call) -> pb.AdminReply:
        """Close a reconciliation item."""
        return await self._execute(commands.resolve_item(request, call.caller.id), call)

    async def resolve_doubt(self, request: pb.ResolveDoubtRequest, call: Call) -> pb.AdminReply:
        """Say, with a reason, what became of a request in doubt."""
        return await self._execute(commands.resolve_doubt(request, call.caller.id), call)

    async def list_items(self, request: pb.ListItemsRequest, call: Call) -> pb.ListItemsResponse:
        """The differences that are open, oldest first."""
        venue = fields.name("venue", request.venue)
        state = self._sequencer.state
        found = [copy(item) for item in state.items.values() if venue in ("", item.raised.venue)]
        if not found:
            refuse_slips(state.risk.setup, call.caller, venue=venue)
        response = pb.ListItemsResponse(as_of_seq=state.seq)
        response.items.extend(await encoded(found, item_to_pb))
        await self._sequencer.committed(response.as_of_seq)
        return response

    async def list_in_doubt(self, _request: pb.ListInDoubtRequest, _call: Call) -> pb.ListInDoubtResponse:
        """The requests that may or may not have reached their venue, at most 10,000 of them."""
        state = self._sequencer.state
        orders = ((state.orders[order_id], key) for key, order_id in islice(state.doubtful.items(), SHOWN))
        found = [(view(order), copy(order.requests[key])) for order, key in orders]
        response = pb.ListInDoubtResponse(as_of_seq=state.seq, total=len(state.doubtful))
        response.requests.extend(await encoded(found, lambda doubt: doubt_to_pb(*doubt)))
        await self._sequencer.committed(response.as_of_seq)
        return response

    async def list_external_orders(
        self, request: pb.ListExternalOrdersRequest, call: Call
    ) -> pb.ListExternalOrdersResponse:
        """Orders that venues work for us and that we never sent."""
        wanted = fields.name("venue", request.venue)
        state = self._sequencer.state
        found = [
            copy(order)
            for venue, orders in state.external.items()
            if wanted in ("", venue)
            for order in orders.values()
        ]
        if not found:
            refuse_slips(state.risk.setup, call.caller, venue=wanted)
        response = pb.ListExternalOrdersResponse(as_of_seq=state.seq)
        response.orders.extend(await encoded(found, external_to_pb))
        await self._sequencer.committed(response.as_of_seq)
        return response

    async def _execute(self, command: OperatorCommand, call: Call) -> pb.AdminReply:
        return pb.AdminReply(seq=reply(await self._sequencer.execute(command, call.cause), "").seq)

    async def list_set_aside(self, _request: pb.ListSetAsideRequest, _call: Call) -> pb.ListSetAsideResponse:
        """The newest reports that fit no order of ours or could not be understood."""
        state = self._sequencer.state
        response = pb.ListSetAsideResponse(
            reports=[_set_aside(record) for record in state.set_aside], total=state.set_aside_total
        )
        await self._sequencer.committed(state.seq)
        return response


def _session(status: SessionStatus) -> pb.Session:
    return pb.Session(
        venue=status.venue,
        begin_string=status.begin_string,
        sender_comp_id=status.sender_comp_id,
        target_comp_id=status.target_comp_id,
        logged_on=status.logged_on,
        enabled=status.enabled,
        next_sender_msg_seq_num=status.next_sender_msg_seq_num,
        next_target_msg_seq_num=status.next_target_msg_seq_num,
        last_received_ns=status.last_received_ns,
        last_sent_ns=status.last_sent_ns,
        connects_to=status.connects_to,
        send_refusals=status.send_refusals,
    )


def _set_aside(record: Record) -> pb.SetAsideReport:
    report = getattr(record.event, "report", None)
    return pb.SetAsideReport(
        seq=record.seq,
        time_ns=record.at_ns,
        venue=getattr(report, "venue", ""),
        why=getattr(record.event, "why", "") or getattr(report, "text", ""),
        report_json=report_json(record),
    )
