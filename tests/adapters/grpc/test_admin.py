"""AdminService and PositionService."""

import json

import grpc
import pytest

from gateway.core.events import SessionAdministered
from gateway.core.reports import UnexpectedMessage
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import START_NS, Client, Running, failing


async def test_sessions_are_listed_as_they_are(operator: Client) -> None:
    sessions = (await operator.admin.ListSessions(pb.ListSessionsRequest(), metadata=operator.metadata)).sessions
    assert [session.venue for session in sessions] == ["XSIM", "YSIM"]
    assert sessions[0] == pb.Session(
        venue="XSIM",
        begin_string="FIX.4.4",
        sender_comp_id="GW",
        target_comp_id="XSIM",
        logged_on=True,
        enabled=True,
        next_sender_msg_seq_num=7,
        next_target_msg_seq_num=9,
        last_received_ns=START_NS,
        connects_to="127.0.0.1:9",
        send_refusals=2,
        order_entry_open=True,
    )
    assert not sessions[0].HasField("last_sent_ns")


async def test_every_action_is_in_the_journal_with_its_reason(operator: Client, gateway: Running) -> None:
    admin = operator.admin
    replies = [
        await admin.Logout(pb.LogoutRequest(venue="XSIM", reason="lunch"), metadata=operator.metadata),
        await admin.Logon(pb.LogonRequest(venue="XSIM", reason="back"), metadata=operator.metadata),
        await admin.SetSequenceNumbers(
            pb.SetSequenceNumbersRequest(venue="XSIM", reason="by phone", next_sender_msg_seq_num=5),
            metadata=operator.metadata,
        ),
    ]
    records = list(gateway.journal.read(replies[0].seq))
    assert [record.seq for record in records] == [reply.seq for reply in replies]
    assert [record.event for record in records] == [
        SessionAdministered("op", "XSIM", "logout", "lunch"),
        SessionAdministered("op", "XSIM", "logon", "back"),
        SessionAdministered("op", "XSIM", "set_sequence", "by phone", 5),
    ]


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (pb.LogonRequest(venue="XSIM"), "FIELD_REQUIRED", "reason"),
        (pb.LogonRequest(reason="r"), "FIELD_REQUIRED", "venue"),
        (pb.LogonRequest(venue="NOPE", reason="r"), "VENUE_UNKNOWN", "venue"),
    ],
)
async def test_an_action_that_cannot_be_names_its_field(
    operator: Client, request_: pb.LogonRequest, reason: str, field: str
) -> None:
    with failing() as error:
        await operator.admin.Logon(request_, metadata=operator.metadata)
    assert (error.code, error.reason, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, reason, (field,))
    assert error.metadata["key_spent"] == "false"


async def test_a_halt_stops_orders_and_a_resume_lets_them_go(alpha: Client, operator: Client) -> None:
    halt = pb.HaltInstrumentRequest(symbol="ACME", reason="news")
    await operator.admin.HaltInstrument(halt, metadata=operator.metadata)
    with failing() as error:
        await alpha.submit("k-1")
    assert (error.code, error.reason, error.fields) == (grpc.StatusCode.FAILED_PRECONDITION, "INSTRUMENT_HALTED", ())
    resume = pb.ResumeInstrumentRequest(symbol="ACME", reason="over")
    await operator.admin.ResumeInstrument(resume, metadata=operator.metadata)
    await alpha.submit("k-2")


async def test_what_was_set_aside_is_shown_whole(operator: Client, gateway: Running) -> None:
    gateway.tell(UnexpectedMessage("XSIM", "8", "no ClOrdID", "8=FIX.4.4|35=8|"))
    await gateway.settled()
    shown = await operator.admin.ListSetAside(pb.ListSetAsideRequest(), metadata=operator.metadata)
    assert (shown.total, len(shown.reports)) == (1, 1)
    report = shown.reports[0]
    assert (report.seq, report.venue) == (gateway.sequencer.committed_seq, "XSIM")
    assert json.loads(report.report_json)["raw"] == "8=FIX.4.4|35=8|"
    assert report.why


async def test_the_overview_is_what_the_gateway_says_of_itself(operator: Client, gateway: Running) -> None:
    overview = await operator.admin.GetOverview(pb.GetOverviewRequest(), metadata=operator.metadata)
    assert (overview.seq, overview.epoch, overview.version) == (gateway.sequencer.committed_seq, 1, "test")
    assert (overview.order_to_ack_p50_us, overview.order_to_ack_p99_us) == (1, 2)


async def positions(client: Client, **values: str) -> dict[tuple[str, str], str]:
    response = await client.positions.ListPositions(pb.ListPositionsRequest(**values), metadata=client.metadata)
    return {(position.account, position.symbol): position.net_qty for position in response.positions}


async def test_positions_of_ones_own_accounts(alpha: Client, bravo: Client, operator: Client, gateway: Running) -> None:
    for client, key, changes in [
        (alpha, "k-1", {}),
        (alpha, "k-2", {"account": "A2", "side": pb.SIDE_SELL}),
        (alpha, "k-3", {"symbol": "BETA"}),
        (bravo, "b-1", {}),
    ]:
        reply = await client.submit(key, **changes)
        gateway.fill(reply.order_id, "10", "10.5")
    await gateway.settled()
    assert await positions(alpha) == {("A1", "ACME"): "10", ("A2", "ACME"): "-10", ("A1", "BETA"): "10"}
    assert await positions(alpha, account="A1", symbol="BETA") == {("A1", "BETA"): "10"}
    assert await positions(alpha, account="B1") == {}
    assert await positions(bravo) == {("B1", "ACME"): "10"}
    assert len(await positions(operator)) == 4
    assert await positions(operator, strategy="none") == {}
