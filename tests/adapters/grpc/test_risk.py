"""RiskService: limits, overrides, stops, marks, and who hears that trading stopped."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import grpc
import msgspec
import pytest

from gateway.adapters.grpc import risk as service
from gateway.adapters.memory_journal import Disk
from gateway.core.events import Record
from gateway.core.reports import TimerFired
from gateway.core.risk.controls import Control
from gateway.core.risk.events import BreachBegan
from gateway.core.risk.setup import Limit, RiskClient, RiskSetup
from gateway.core.types import ExecType, OrdStatus, Severity
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.runtime.ports import JournalAway
from tests.adapters.grpc.harness import (
    INSTRUMENTS,
    START_NS,
    Client,
    Running,
    events_until,
    eventually,
    failing,
    running,
)
from tests.risk import ample, open_risk

VENUES = ("XSIM", "YSIM")


def risk_setup(**changes: Any) -> RiskSetup:
    """A1 and A2 belong to a desk, B1 to the firm."""
    made = open_risk(INSTRUMENTS, VENUES)
    changes = {
        "desks": {"europe": ""},
        "accounts": {"A1": "europe", "A2": "europe", "B1": ""},
        "limits": {"firm": ample(), "account:A1": {Control.MAX_ORDER_QTY: Limit(Decimal(500))}},
        **changes,
    }
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
async def gateway() -> Any:
    async with running(risk=risk_setup()) as started:
        yield started


async def ask(client: Client, request: Any) -> Any:
    """One request to the RiskService."""
    method = getattr(client.risk, request.DESCRIPTOR.name.removesuffix("Request"))
    return await method(request, metadata=client.metadata, timeout=20)


def set_limit(scope: str, control: str, unit: str, value: str, **changes: Any) -> pb.SetLimitRequest:
    limit = pb.Limit(value=value)
    return pb.SetLimitRequest(scope=scope, control=control, unit=unit, limit=limit, reason="needed", **changes)


# --- Limits ---


async def test_a_limit_is_listed_with_its_use_and_where_it_comes_from(operator: Client, alpha: Client) -> None:
    await alpha.submit("k-1")
    listed = await ask(operator, pb.ListLimitsRequest(scope="account:A1"))
    assert [row.control for row in listed.limits] == ["max_order_qty"]
    row = listed.limits[0]
    assert (row.unit, row.limit.value, row.source, row.set_at) == ("qty", "500", "configuration", "account:A1")
    assert not row.HasField("used")
    assert not row.HasField("until_ns")
    (row,) = (await ask(operator, pb.ListLimitsRequest(scope="firm", control="max_open_orders"))).limits
    assert (row.used, listed.currency) == ("1", "EUR")


async def test_a_limit_that_is_set_counts_for_the_next_order(operator: Client, alpha: Client, gateway: Running) -> None:
    await alpha.submit("k-1")
    until_ns = START_NS + 3_600_000_000_000
    request = set_limit("account:A1", "max_order_qty", "qty", "99", expires_ns=until_ns)
    reply = await ask(operator, request)
    assert (reply.seq, reply.change_id) == (gateway.sequencer.committed_seq, "")
    with failing() as error:
        await alpha.submit("k-2")
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RISK_ORDER_QTY")
    assert "100 over limit 99 at account A1" in error.text
    assert error.metadata["key_spent"] == "true"
    (row,) = (await ask(operator, pb.ListLimitsRequest(scope="account:A1"))).limits
    assert (row.source, row.limit.value, row.until_ns, row.before.value) == ("operator", "99", until_ns, "500")


@pytest.mark.parametrize("scope", ["account:A1", "firm"])
async def test_a_change_that_is_durable_is_answered_also_when_the_journal_cannot_be_read(
    gateway: Running, operator: Client, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    """The database went away right behind the commit. "Nothing was done" would be wrong."""

    def away(_from_seq: int = 1) -> Iterator[Record]:
        raise JournalAway("the database is away")

    await ask(operator, set_limit(scope, "max_order_qty", "qty", "50"))
    monkeypatch.setattr(gateway.journal, "read", away)
    reply = await ask(operator, set_limit(scope, "max_order_qty", "qty", "60"))
    assert list(gateway.sequencer.state.risk.proposals) == [change for change in (reply.change_id,) if change]
    assert bool(reply.change_id) == (scope == "firm")
    assert reply.seq == gateway.sequencer.committed_seq


async def test_a_limit_can_be_taken_off_a_scope(operator: Client) -> None:
    request = set_limit("account:A1", "max_order_qty", "qty", "1")
    request.ClearField("limit")
    await ask(operator, request)
    assert not (await ask(operator, pb.ListLimitsRequest(scope="account:A1"))).limits


@pytest.mark.parametrize(
    ("request_", "code", "reason", "field"),
    [
        (set_limit("account:NOPE", "max_order_qty", "qty", "1"), "NOT_FOUND", "SCOPE_UNKNOWN", "scope"),
        (set_limit("firm", "max_fun", "qty", "1"), "INVALID_ARGUMENT", "CONTROL_UNKNOWN", "control"),
        (set_limit("firm", "max_order_qty", "money", "1"), "INVALID_ARGUMENT", "FIELD_INVALID", "unit"),
        (set_limit("firm", "max_order_qty", "qty", "-1"), "INVALID_ARGUMENT", "FIELD_INVALID", "limit.value"),
        (pb.ListLimitsRequest(scope="account:NOPE"), "NOT_FOUND", "SCOPE_UNKNOWN", "scope"),
        (pb.ListLimitsRequest(control="max_fun"), "INVALID_ARGUMENT", "CONTROL_UNKNOWN", "control"),
        (pb.DecideChangeRequest(change_id="L9", reason="r"), "NOT_FOUND", "CHANGE_UNKNOWN", "change_id"),
        (
            pb.ResumeTradingRequest(scope="firm", source="kill", reason="r"),
            "FAILED_PRECONDITION",
            "NOT_STOPPED",
            "scope",
        ),
        (pb.StopTradingRequest(scope="moon", reason="r"), "NOT_FOUND", "SCOPE_UNKNOWN", "scope"),
        (pb.GetExposureRequest(scope="moon"), "NOT_FOUND", "SCOPE_UNKNOWN", "scope"),
        (pb.GetExposureRequest(level="moon"), "INVALID_ARGUMENT", "FIELD_INVALID", "level"),
        (pb.GetExposureRequest(page_token="moon"), "INVALID_ARGUMENT", "FIELD_INVALID", "page_token"),
    ],
    ids=lambda each: each.DESCRIPTOR.name if hasattr(each, "DESCRIPTOR") else str(each),
)
async def test_what_cannot_be_asked_is_refused_by_name(
    operator: Client, request_: Any, code: str, reason: str, field: str
) -> None:
    with failing() as error:
        await ask(operator, request_)
    assert (error.code.name, error.reason, error.metadata["field"]) == (code, reason, field)


def lapse_ns(gateway: Running, change_id: str) -> int:
    """An hour after the proposal was made."""
    return gateway.sequencer.state.risk.proposed_ns[change_id] + 3_600_000_000_000


async def test_a_limit_of_the_firm_is_raised_by_two_people(operator: Client, gateway: Running, alpha: Client) -> None:
    await ask(operator, set_limit("firm", "max_order_qty", "qty", "50"))
    raised = await ask(operator, set_limit("firm", "max_order_qty", "qty", "5000"))
    (proposal,) = (await ask(operator, pb.ListProposalsRequest())).proposals
    assert (proposal.change_id, proposal.limit.value, proposal.in_force.value) == (raised.change_id, "5000", "50")
    assert (proposal.operator, proposal.unit, proposal.reason) == ("op", "qty", "needed")
    assert proposal.lapses_ns == lapse_ns(gateway, raised.change_id)
    with failing() as error:
        await alpha.submit("k-1")
    assert error.reason == "RISK_ORDER_QTY"
    approval = pb.DecideChangeRequest(change_id=raised.change_id, approve=True, reason="seen")
    with failing() as error:
        await ask(operator, approval)
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SECOND_PERSON_NEEDED")
    await ask(gateway.as_client("second"), approval)
    assert not (await ask(operator, pb.ListProposalsRequest())).proposals
    await alpha.submit("k-2")


async def test_an_override_at_the_firm_is_granted_by_two_people(
    operator: Client, gateway: Running, alpha: Client
) -> None:
    await ask(operator, set_limit("firm", "max_order_qty", "qty", "50"))
    until_ns = gateway.sequencer.now_ns() + 60_000_000_000
    what = {"scope": "firm", "control": "max_order_qty"}
    granted = await ask(operator, pb.GrantOverrideRequest(**what, until_ns=until_ns, reason="agreed"))
    (proposal,) = (await ask(operator, pb.ListProposalsRequest())).proposals
    assert proposal == pb.Proposal(
        **what,
        change_id=granted.change_id,
        operator="op",
        reason="agreed",
        override_until_ns=until_ns,
        lapses_ns=lapse_ns(gateway, granted.change_id),
    )
    with failing() as error:
        await alpha.submit("k-1")
    assert error.reason == "RISK_ORDER_QTY"
    approval = pb.DecideChangeRequest(change_id=granted.change_id, approve=True, reason="seen")
    await ask(gateway.as_client("second"), approval)
    await alpha.submit("k-2")


async def test_a_proposal_under_another_limit_is_not_approved(operator: Client, gateway: Running) -> None:
    await ask(operator, set_limit("firm", "max_order_qty", "qty", "50"))
    raised = await ask(operator, set_limit("firm", "max_order_qty", "qty", "5000"))
    await ask(operator, set_limit("firm", "max_order_qty", "qty", "1"))
    with failing() as error:
        await ask(
            gateway.as_client("second"), pb.DecideChangeRequest(change_id=raised.change_id, approve=True, reason="r")
        )
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CHANGE_OUTDATED")


async def test_an_override_lets_orders_pass_until_it_ends(operator: Client, alpha: Client, gateway: Running) -> None:
    await ask(operator, set_limit("account:A1", "max_order_qty", "qty", "50"))
    until_ns = gateway.sequencer.now_ns() + 60_000_000_000
    what = {"scope": "account:A1", "control": "max_order_qty"}
    await ask(operator, pb.GrantOverrideRequest(**what, until_ns=until_ns, reason="agreed"))
    listed = await ask(operator, pb.ListOverridesRequest())
    assert list(listed.overrides) == [pb.Override(**what, until_ns=until_ns)]
    await alpha.submit("k-1")
    await ask(operator, pb.EndOverrideRequest(**what, reason="over"))
    assert not (await ask(operator, pb.ListOverridesRequest())).overrides
    with failing() as error:
        await alpha.submit("k-2")
    assert error.reason == "RISK_ORDER_QTY"


# --- Stops ---


async def test_the_kill_switch_refuses_cancels_and_stays_until_a_person_resumes(
    operator: Client, alpha: Client, gateway: Running
) -> None:
    order_id = (await alpha.submit("k-1")).order_id
    gateway.acknowledge(order_id)
    await gateway.settled()
    await ask(operator, pb.StopTradingRequest(scope="account:A1", reason="fat finger"))
    with failing() as error:
        await alpha.submit("k-2")
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RISK_STOPPED")
    await alpha.submit("k-3", account="A2")
    (stop,) = (await ask(operator, pb.ListStopsRequest())).stops
    assert (stop.scope, stop.source, stop.operator, stop.reason) == ("account:A1", "kill", "op", "fat finger")
    assert (stop.cancels, stop.allow_reducing, stop.completed, stop.open_orders) == (True, False, False, 1)
    gateway.report(order_id, ExecType.CANCELED, OrdStatus.CANCELED)
    gateway.tell(TimerFired())
    await gateway.settled()
    (stop,) = (await ask(operator, pb.ListStopsRequest())).stops
    assert (stop.completed, stop.open_orders) == (True, 0)
    await ask(operator, pb.ResumeTradingRequest(scope="account:A1", source="kill", reason="found"))
    assert not (await ask(operator, pb.ListStopsRequest())).stops
    await alpha.submit("k-4")


@pytest.mark.parametrize(
    ("scope", "sees"),
    [
        ("firm", {"alpha", "bravo"}),
        ("desk:europe", {"alpha"}),
        ("account:A2", {"alpha"}),
        ("account:B1", {"bravo"}),
        ("strategy:A1/x", {"alpha"}),
        ("instrument:ACME", {"alpha", "bravo"}),
        ("venue:XSIM", {"alpha", "bravo"}),
    ],
)
async def test_a_client_hears_of_the_stops_that_concern_it(
    operator: Client, gateway: Running, scope: str, sees: set[str]
) -> None:
    await gateway.as_client("alpha").submit("k-0", strategy="x")
    await ask(operator, pb.StopTradingRequest(scope=scope, reason="test"))
    await ask(operator, pb.ResumeTradingRequest(scope=scope, source="kill", reason="over"))
    halt = pb.HaltInstrumentRequest(symbol="BETA", reason="the end")
    last = (await operator.admin.HaltInstrument(halt, metadata=operator.metadata)).seq
    for name in ("alpha", "bravo", "op"):
        wanted = pb.EventFilter(types=[pb.TRADING_STOPPED, pb.TRADING_RESUMED, pb.INSTRUMENT_HALTED])
        stream = gateway.as_client(name).subscribe(1, filter=wanted)
        events, _ = await events_until(stream, lambda found: found and found[-1].seq == last)
        told = [(pb.EventType.Name(event.type), event.scope, event.text) for event in events[:-1]]
        whole = [("TRADING_STOPPED", scope, "test"), ("TRADING_RESUMED", scope, "over")]
        assert told == (whole if name in {*sees, "op"} else [])


async def test_breaches_are_listed(operator: Client, gateway: Running) -> None:
    breach = BreachBegan("firm", "max_loss", Severity.WARNING, Decimal("9.50"), Decimal(10), "loss near its limit")
    gateway.sequencer.state.risk.breaches["firm|max_loss"] = breach
    (told,) = (await ask(operator, pb.ListBreachesRequest())).breaches
    assert told == pb.Breach(
        scope="firm",
        control="max_loss",
        severity=pb.SEVERITY_WARNING,
        value="9.5",
        limit="10",
        text="loss near its limit",
    )


# --- Marks ---


async def test_marks_come_from_operators_and_market_data(operator: Client, gateway: Running, alpha: Client) -> None:
    prices = gateway.as_client("prices")
    await ask(prices, pb.SetMarksRequest(marks=[pb.Mark(symbol="ACME", px="10.5", bid="10", ask="11")]))
    await ask(operator, pb.SetMarksRequest(marks=[pb.Mark(symbol="BETA", px="9.5")], rates={"USD": "0.9"}))
    risk = gateway.sequencer.state.risk
    assert {symbol: known.mark.px for symbol, known in risk.marks.items()} == {
        "ACME": Decimal("10.5"),
        "BETA": Decimal("9.5"),
    }
    assert risk.rates["USD"] == Decimal("0.9")
    with failing() as error:
        await ask(alpha, pb.SetMarksRequest(marks=[pb.Mark(symbol="ACME", px="1")]))
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED")
    with failing() as error:
        await ask(prices, pb.SetMarksRequest(marks=[pb.Mark(symbol="NOPE", px="1")]))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    with failing() as error:
        await prices.submit("k-1")
    assert error.reason == "ROLE_REQUIRED"


async def test_marks_are_listed_by_operators_with_the_reference_prices_that_stand_in_for_them(
    operator: Client, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MARKS_AT_ONCE", 1)
    await ask(operator, pb.SetMarksRequest(marks=[pb.Mark(symbol="ACME", px="10.50", bid="10")], rates={"USD": "1.1"}))
    state = gateway.sequencer.state
    told = await ask(operator, pb.ListMarksRequest())
    rows = {row.mark.symbol: row for row in told.marks}
    assert rows["ACME"] == pb.MarkRow(
        mark=pb.Mark(symbol="ACME", px="10.5", bid="10"),
        currency=state.risk.setup.instruments["ACME"].currency,
        set_ns=state.risk.marks["ACME"].at_ns,
    )
    reference = state.risk.setup.instruments["BETA"].reference_px
    assert (rows["BETA"].mark.px, rows["BETA"].HasField("set_ns")) == (f"{reference:f}", False)
    assert list(rows) == sorted(rows)
    assert (told.rates["USD"], told.currency, told.as_of_seq) == ("1.1", state.risk.setup.currency, state.seq)
    assert [row.mark.symbol for row in (await ask(operator, pb.ListMarksRequest(symbol="BE"))).marks] == ["BETA"]
    monkeypatch.setattr(service, "SHOWN", 1)
    cut = await ask(operator, pb.ListMarksRequest())
    assert ([row.mark.symbol for row in cut.marks], cut.total) == (["ACME"], len(rows))
    with failing() as error:
        await ask(gateway.as_client("prices"), pb.ListMarksRequest())
    assert error.reason == "ROLE_REQUIRED"


async def test_who_lends_the_shares_reaches_the_order(alpha: Client, gateway: Running) -> None:
    reply = await alpha.submit("k-1", side=pb.SIDE_SELL_SHORT, locate_id="LOC-7")
    assert gateway.sequencer.state.orders[reply.order_id].command.locate_id == "LOC-7"


# --- Clients that go away ---


async def test_the_core_hears_of_a_clients_first_stream_and_of_its_last() -> None:
    clients = {"alpha": RiskClient(accounts=("*",), cancel_on_disconnect_ns=0), "*": RiskClient(accounts=("*",))}
    async with running(risk=risk_setup(clients=clients)) as gateway:
        away = gateway.sequencer.state.risk.away
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{gateway.server.port}")
        first, second = gateway.as_client("alpha").trade(), gateway.as_client("alpha", channel).trade()
        for stream in (first, second):
            await stream.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()))
            await stream.read()
        first.cancel()
        other = gateway.as_client("bravo").trade()
        await other.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()))
        await other.read()
        other.cancel()
        await eventually(lambda: gateway.feed.readers == 1)
        await gateway.settled()
        assert not away
        await channel.close()  # As a connection that breaks.
        await eventually(lambda: set(away) == {"alpha"})
        third = gateway.as_client("alpha").trade()
        await third.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()))
        await eventually(lambda: not away)
        third.cancel()


async def test_a_client_that_came_back_without_a_grace_has_all_of_a_later_one() -> None:
    """It was away once. Then it traded without cancel on disconnect, and now it has that again."""
    disk = Disk()

    def gateway_with(cancel_on_disconnect_ns: int | None) -> Any:
        alpha = RiskClient(accounts=("*",), cancel_on_disconnect_ns=cancel_on_disconnect_ns)
        return running(disk=disk, risk=risk_setup(clients={"alpha": alpha}))

    async with gateway_with(60_000_000_000) as gateway:
        away = gateway.sequencer.state.risk.away
        stream = gateway.as_client("alpha").trade()
        await stream.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()))
        await stream.read()
        stream.cancel()
        await eventually(lambda: set(away) == {"alpha"})
        await gateway.settled()
    async with gateway_with(None) as gateway:
        stream = gateway.as_client("alpha").trade()
        await stream.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()))
        await stream.read()
        await gateway.as_client("alpha").submit("k-1")
    async with gateway_with(60_000_000_000) as gateway:
        assert gateway.sequencer.state.risk.away == {"alpha": START_NS}, "since this start, and not since that time"


async def test_a_gateway_that_stops_sends_no_client_away(wire: dict[str, Any]) -> None:
    clients = {"*": RiskClient(accounts=("*",), cancel_on_disconnect_ns=0)}
    async with running(risk=risk_setup(clients=clients), **wire) as gateway:
        stream = gateway.as_client("alpha").trade()
        await stream.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()))
        await stream.read()
        await gateway.server.stop(1)
        await gateway.settled()
        assert not gateway.sequencer.state.risk.away
