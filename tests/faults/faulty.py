"""A real gateway under which the system fails on command."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.stack import Stack

SHIM = Path(__file__).with_name("shim.c")


class Switch:
    """The file that makes the system under the gateway fail: "E", "S" or "T" as shim.c says."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def failing(self, letter: str) -> Iterator[None]:
        """It fails while this is open."""
        draft = self._path.with_suffix(".new")
        draft.write_text(letter)
        draft.replace(self._path)
        try:
            yield
        finally:
            self._path.unlink(missing_ok=True)


def faulty_gateway(stack: Stack) -> Switch:
    """Start the stack's gateway again, with the shim under it."""
    library, switch = stack.folder / "shim.so", stack.folder / "fault"
    compile_ = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SHIM), "-ldl"]
    subprocess.run(compile_, check=True, timeout=60)
    stack.gateway.stop()
    environment = {"LD_PRELOAD": str(library), "FAULT_SWITCH": str(switch)}
    stack.gateway = stack.gateway_by("gateway.cli.server", environment)
    stack.gateway.start()
    return Switch(switch)
