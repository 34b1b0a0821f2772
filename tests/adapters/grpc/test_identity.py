"""Who may call what."""

from typing import Any

import grpc
import pytest
import structlog

from gateway.adapters.grpc import calls, identity
from gateway.adapters.grpc.errors import ApiReason, Failure
from gateway.adapters.grpc.identity import RULES, Access, MissingRule, check_rules
from gateway.adapters.grpc.server import ApiServer
from gateway.codec.proto.fields import KEY_LENGTH
from gateway.config import ClientConfig
from gateway.core.events import Cause
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc import harness
from tests.adapters.grpc.harness import Client, Running, failing, order

METHODS = [
    f"{service.full_name}/{method.name}"
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


async def call(gateway: Running, method: str, *metadata: tuple[str, str]) -> Any:
    """Any method with an empty message, on its first answer."""
    stream = gateway.channel.stream_stream(f"/{method}")(metadata=metadata, timeout=20)
    await stream.write(b"")
    await stream.done_writing()
    return await stream.read()


def test_every_method_has_a_rule_and_every_rule_a_method() -> None:
    check_rules(METHODS)
    assert {method for method in RULES if method.startswith("gateway.")} == set(METHODS)


async def test_the_server_refuses_to_start_when_a_method_has_no_rule(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(identity.RULES, "gateway.v1.OrderService/CancelOrder")
    with pytest.raises(MissingRule, match="OrderService/CancelOrder"):
        ApiServer(gateway.server.services)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "metadata",
    [(), (("client-id", "nobody"),), (("client-id", ""),), (("client-id", "alpha"), ("client-id", "op"))],
    ids=["none", "unknown", "empty", "two"],
)
async def test_who_is_not_known_gets_nowhere(
    gateway: Running, method: str, metadata: tuple[tuple[str, str], ...]
) -> None:
    with failing() as error:
        await call(gateway, method, *metadata)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CLIENT_UNKNOWN")


@pytest.mark.parametrize("method", METHODS)
async def test_a_role_opens_its_own_methods_only(gateway: Running, method: str) -> None:
    open_to = {Access.TRADER: ("alpha",), Access.OPERATOR: ("op",), Access.PRICES: ("op", "prices")}
    for client in ("alpha", "op", "prices"):
        try:
            await call(gateway, method, ("client-id", client))
            code = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as failed:
            code = failed.code()
        assert (code is not grpc.StatusCode.PERMISSION_DENIED) is (client in open_to.get(RULES[method], client))


async def test_an_order_for_somebody_elses_account_is_denied_and_logged(alpha: Client, gateway: Running) -> None:
    before = gateway.sequencer.state.seq
    with structlog.testing.capture_logs() as logs, failing() as error:
        await alpha.submit("k-1", account="B1")
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ACCOUNT_NOT_PERMITTED")
    assert error.metadata == {"field": "account", "cl_ord_id": "k-1", "key_spent": "false"}
    assert gateway.sequencer.state.seq == before
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("request denied", "ACCOUNT_NOT_PERMITTED")]
    assert not (await alpha.submit("k-1", account="A2")).repeated


@pytest.mark.parametrize("error", [Failure(ApiReason.ROLE_REQUIRED, "not yours"), LookupError("a defect")])
def test_who_is_denied_without_end_does_not_fill_the_log(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Its disk is often the journal's too."""
    now_s = [0.0]
    for name in ("_denied", "_failed"):
        monkeypatch.setattr(calls, name, calls.Sparing(lambda: now_s[0]))
    with structlog.testing.capture_logs() as logs:
        for _ in range(1_000):
            calls.told("a/method", error)
        now_s[0] = calls.LINES_S
        calls.told("a/method", error)
    assert len(logs) == calls.LINES + 1
    assert [line.get("left_out_before") for line in logs[-2:]] == [None, 900]


@pytest.mark.parametrize("accounts", [600, 6_000])
async def test_a_client_with_many_accounts_is_told_the_same(monkeypatch: pytest.MonkeyPatch, accounts: int) -> None:
    """A list of all would not fit into what gRPC carries of an error, which then has another code."""
    desk = ClientConfig("alpha", accounts=tuple(f"ACCOUNT-{number:06}" for number in range(accounts)))
    monkeypatch.setattr(harness, "CLIENTS", (desk,))
    async with harness.running() as gateway:
        with failing() as error:
            await gateway.as_client("alpha").submit("k-1", account="B1")
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ACCOUNT_NOT_PERMITTED")
    assert error.text.startswith("account 'B1' is not one of alpha's: ACCOUNT-000000, ")
    assert error.text.endswith(" ...")


async def test_the_journal_says_who_asked_and_by_which_request(
    alpha: Client, operator: Client, gateway: Running
) -> None:
    await alpha.orders.SubmitOrder(order("k-1"), metadata=(*alpha.metadata, ("request-id", "r-77")))
    halt = pb.HaltInstrumentRequest(symbol="ACME", reason="news")
    await operator.admin.HaltInstrument(halt, metadata=operator.metadata)
    causes = [record.cause for record in gateway.journal.read(gateway.logged_on_seq + 1)]
    assert causes == [Cause("client", "alpha", request="r-77")] * 2 + [Cause("operator", "op")]


@pytest.mark.parametrize("request_id", ["", "x" * (KEY_LENGTH + 1)])
async def test_a_request_id_that_is_none_is_refused(alpha: Client, request_id: str) -> None:
    with failing() as error:
        await alpha.orders.SubmitOrder(order("k-1"), metadata=(*alpha.metadata, ("request-id", request_id)))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("request-id",))
