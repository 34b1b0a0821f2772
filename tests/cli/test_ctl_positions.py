"""Positions come page by page, and a live view reads no more of them than it has place for."""

import pytest
from rich.console import Console

from gateway.cli import ctl_top
from gateway.cli.ctl_api import Api
from gateway.cli.ctl_top import Watcher
from gateway.pb.v1 import gateway_pb2 as pb
from tests.cli.conftest import Run
from tests.cli.fake_gateway import FakeGateway
from tests.cli.test_ctl import document


def test_positions_come_from_as_many_pages_as_it_takes(run: Run, gateway: FakeGateway) -> None:
    gateway.positions.positions.extend(pb.Position(account="ACC1", symbol=f"S{number}") for number in range(4))
    assert len(document(run, "positions")["positions"]) == len(document(run, "top")["positions"]) == 5
    assert {each.page_size for each in gateway.requests if isinstance(each, pb.ListPositionsRequest)} == {1_000}


def test_a_live_view_reads_no_more_positions_than_it_could_show(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at all of many thousands would hold up the gateway, once a second."""
    monkeypatch.setattr(ctl_top, "POSITIONS_READ", 2)
    gateway.positions.positions.extend(pb.Position(account="ACC1", symbol=f"S{number}") for number in range(4))
    with Api(gateway.address, "ops") as api:
        screen = Watcher(api).look(ctl_top.POSITIONS_READ)
    console = Console(width=200)
    for height, shown in ((60, "Positions, the first 2 of more than 2"), (10, "more than 2 positions do not fit")):
        with console.capture() as capture:
            console.print(screen.table(0, height))
        assert shown in capture.get()
