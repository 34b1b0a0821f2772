"""What a venue's dialect adds to our messages, as a venue reads it that is strict about the form."""

import pytest

from gateway.config import DialectConfig
from gateway.core.reports import SessionUp
from tests.adapters.quickfix.conftest import Acceptors, Gateways, venue_config
from tests.adapters.quickfix.peers import wait_until

PARTY = {"453": "1", "448": "TRADER1", "447": "D", "452": "12"}


@pytest.mark.parametrize("begin_string", ["FIX.4.4", "FIXT.1.1"])
def test_a_dialect_can_add_a_repeating_group(begin_string: str, acceptors: Acceptors, gateways: Gateways) -> None:
    acceptor, port = acceptors(begin_string)
    config = venue_config(port, begin_string, dialect=DialectConfig(add={"D": {"50": "DESK"} | PARTY | {"528": "P"}}))
    gateway = gateways(config).start()
    gateway.wait_for(SessionUp)
    gateway.order("g1")
    wait_until(lambda: acceptor.app or [m for m in acceptor.admin if m["35"] == "3"], "the order is read")
    (order,) = acceptor.app
    tags = list(order)
    assert tags[tags.index("453") :][:4] == list(PARTY)
    assert order.items() >= (PARTY | {"50": "DESK", "528": "P"}).items()


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4"])
def test_a_dialect_can_add_to_the_header_of_the_logon(
    begin_string: str, acceptors: Acceptors, gateways: Gateways
) -> None:
    acceptor, port = acceptors(begin_string)
    dialect = DialectConfig(add={"A": {"50": "DESK", "142": "DE,FRA"}})
    # FIX 4.2 has no Username(553), which a strict venue does not take there.
    gateway = gateways(venue_config(port, begin_string, username="", password="", dialect=dialect)).start()
    gateway.wait_for(SessionUp)
    logon = acceptor.admin[0]
    assert (logon["35"], logon["50"], logon["142"]) == ("A", "DESK", "DE,FRA")
    tags = list(logon)
    assert tags.index("142") < tags.index("98")
