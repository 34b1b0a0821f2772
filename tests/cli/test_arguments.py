"""`gatewayctl` says what is wrong with an argument that cannot be sent, and never with a traceback."""

import pytest
from typer.testing import CliRunner

from gateway.cli import ctl


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("order", "\udcff"), "key"),
        (("risk", "kill", "firm", "--reason", "St\udcf6rung"), "reason"),
        (("orders", "--status", "new", "--status", "\udcff"), "status"),
        (("overview", "--client-id", "\udcff"), "client-id"),
        (("overview", "--address", "\udcff"), "address"),
        (("query", "orders", "--database", "x", "--order", "\udcff"), "order"),
        (("query", "orders", "--database", "postgresql://gw:se\udcffcret@db/x"), "database"),
    ],
)
def test_bytes_that_are_no_utf8_are_refused(arguments: tuple[str, ...], named: str) -> None:
    """As a terminal sends them that speaks Latin-1: a kill switch ended with a traceback."""
    result = CliRunner().invoke(ctl.app, [*arguments])

    assert result.exit_code == 2
    assert f"error: {named} has bytes that are no UTF-8" in result.stderr
    assert "cret" not in result.stderr


def test_a_client_id_that_cannot_be_sent_is_refused() -> None:
    result = CliRunner().invoke(ctl.app, ["overview", "--client-id", "J\u00fcrgen"])

    assert result.exit_code == 2
    assert "'J\u00fcrgen' is no client id: it has printable ASCII characters only" in result.stderr
