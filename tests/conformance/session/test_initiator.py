"""The gateway as the initiator of a FIX session: every case, with a raw socket as the venue."""

import pytest

from tests.adapters.quickfix.conftest import Gateways, gateways, venue  # noqa: F401 - fixtures.
from tests.adapters.quickfix.peers import RawVenue
from tests.conformance.session import (  # noqa: F401 - each fills SCRIPTS.
    initiator_admin,
    initiator_fields,
    initiator_header,
    initiator_logon,
)
from tests.conformance.session.acceptor_cases import Case
from tests.conformance.session.initiator_cases import INITIATOR_CASES
from tests.conformance.session.initiator_rig import SCRIPTS, Rig


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in INITIATOR_CASES])
def test_initiator(venue: RawVenue, gateways: Gateways, case: Case) -> None:  # noqa: F811 - the fixtures.
    rig = Rig(venue, gateways)
    SCRIPTS[case.id](rig)
    assert not rig.gateway.fatal


def test_every_case_has_a_script() -> None:
    assert sorted(SCRIPTS) == sorted({case.id for case in INITIATOR_CASES})
