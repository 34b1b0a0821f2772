"""The Makefile: a command that is named like a file or folder runs all the same."""

import re
from pathlib import Path

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text()


def test_every_command_is_phony() -> None:
    """A folder `crash` or a file `test` would otherwise be taken for what is to be made, and nothing would run."""
    commands = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert "crash" in commands
    assert commands <= set(phony[1].split())
