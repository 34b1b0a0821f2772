"""How `gatewayctl` fails: refused, not let, not answered, or nobody there."""

import json
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from typer.testing import CliRunner

from gateway.cli import ctl
from tests.cli.conftest import Run
from tests.cli.fake_gateway import FakeGateway


def test_a_refusal_is_one_line_with_reason_and_field(run: Run, gateway: FakeGateway) -> None:
    gateway.fail_next(grpc.StatusCode.INVALID_ARGUMENT, "no venue is called ZSIM", "VENUE_UNKNOWN", "venue")

    result = run("session", "logon", "ZSIM", "--reason", "because", "--yes")

    assert result.exit_code == 1
    assert result.stderr == "error: VENUE_UNKNOWN (venue): no venue is called ZSIM\n"
    assert not result.stdout


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_who_may_not_is_told_how_to_be_somebody_else(run: Run, gateway: FakeGateway, code: Any) -> None:
    gateway.fail_next(code, "this is for operators", "ROLE_REQUIRED")

    result = run("sessions", "--client-id", "demo")

    assert result.exit_code == 1
    told = "error: ROLE_REQUIRED: this is for operators; you are 'demo', name another with "
    assert result.stderr == f"{told}--client-id or GATEWAY_CLIENT_ID\n"


@pytest.mark.parametrize(
    ("code", "arguments", "unsure"),
    [
        (grpc.StatusCode.UNAVAILABLE, ("risk", "kill", "firm", "--reason", "r"), True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, ("halt", "ACME", "--reason", "r"), True),
        (grpc.StatusCode.UNAVAILABLE, ("risk", "stops"), False),
        (grpc.StatusCode.UNAVAILABLE, ("sessions",), False),
    ],
)
def test_an_action_whose_answer_did_not_come_may_have_been_done(
    code: grpc.StatusCode, arguments: tuple[str, ...], *, unsure: bool, run: Run, gateway: FakeGateway
) -> None:
    """As when the gateway is killed between its commit and its answer: nobody may take it for not done."""
    gateway.refuse = status_pb2.Status(code=code.value[0], message="Stream removed (Connection reset by peer)")

    result = run(*arguments)

    assert result.exit_code == 3
    assert ("whether it did what you asked for is not known: look before you ask" in result.stderr) is unsure


def test_a_gateway_that_does_not_run_is_told_with_what_to_do() -> None:
    with socket.socket() as taken:  # Bound and not listening: nobody else can have the port, and nobody answers.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(ctl.app, ["sessions", "--address", address])

        asked = CliRunner().invoke(ctl.app, ["halt", "ACME", "--reason", "r", "--address", address])

    assert "not known" not in asked.stderr, "nothing was asked of anybody"
    assert result.exit_code == 3
    assert result.stderr.startswith(
        f"error: cannot reach {address}: is the gateway running? Start it with: gateway serve"
    )
    assert "--address" in result.stderr


def test_a_gateway_that_is_starting_says_so_itself(run: Run, gateway: FakeGateway) -> None:
    gateway.fail_next(grpc.StatusCode.UNAVAILABLE, "the gateway is starting", "UNAVAILABLE")

    result = run("sessions")

    assert (result.exit_code, result.stderr) == (1, "error: UNAVAILABLE: the gateway is starting\n")


def test_a_unix_socket_is_an_address_too(tmp_path: Path) -> None:
    with FakeGateway(f"unix:{tmp_path}/g.sock") as fake:
        result = CliRunner().invoke(ctl.app, ["overview", "--json", "--address", fake.address])

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["version"] == "0.1.0"
