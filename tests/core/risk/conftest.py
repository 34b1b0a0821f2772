"""What tests of the risk checks share."""

import pytest

from gateway.core.risk import quick
from gateway.core.risk.asked import Asked


@pytest.fixture(params=["at once", "one by one"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each limit is the same where it is certain at once that all are kept, and where each is looked at by itself."""

    def never(_: Asked) -> bool:
        return False

    if request.param == "one by one":
        monkeypatch.setattr(quick, "passes", never)
