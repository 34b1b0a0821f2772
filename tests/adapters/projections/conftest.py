"""What tests of projections share."""

import pytest

from gateway.runtime import follower as following


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days of some hundred records are taken in many parts."""
    monkeypatch.setattr(following, "CHUNK", 7)
