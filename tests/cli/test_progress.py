"""The bar of a long command: on a terminal, for what takes long, and nowhere else."""

import io
import sys

import pytest

from gateway.cli.progress import BAR_FROM, progress


class Screen(io.StringIO):
    """What is standard error, on a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("terminal", "more", "shown"), [(True, 0, True), (True, -1, False), (False, 0, False)], ids=["bar", "short", "file"]
)
def test_a_bar_says_how_far_it_is_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, more: int, shown: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("Replaying", 10, 10 + BAR_FROM + more) as passed:
        passed(10 + BAR_FROM // 2)
    assert (f"{BAR_FROM // 2}/{BAR_FROM}" in screen.getvalue()) == shown
    assert bool(screen.getvalue()) == shown
