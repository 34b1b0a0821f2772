"""The exchange as the acceptor of a FIX session: every case, on a raw socket to a running exchange."""

from collections.abc import Iterator

import pytest

from tests.conformance.session import (  # noqa: F401 - each fills SCRIPTS.
    acceptor_admin,
    acceptor_fields,
    acceptor_header,
    acceptor_logon,
    acceptor_streams,
)
from tests.conformance.session.acceptor_cases import ACCEPTOR_CASES, Case
from tests.conformance.session.acceptor_scripts import SCRIPTS
from tests.conformance.session.acceptor_wire import Client, Exchange, exchange


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with exchange(tmp_path_factory.mktemp("acceptor")) as running:
        yield running


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in ACCEPTOR_CASES])
def test_acceptor(venue: Exchange, case: Case) -> None:
    client = Client(venue, case.id)
    try:
        SCRIPTS[case.id](client)
    finally:
        client.close()


def test_every_case_has_a_script() -> None:
    assert [case.id for case in ACCEPTOR_CASES if case.id not in SCRIPTS] == []
    assert sorted(SCRIPTS) == sorted({case.id for case in ACCEPTOR_CASES})
