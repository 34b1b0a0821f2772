"""Read requirements*.lock: which releases are pinned, with which hashes. Standard library only."""

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "requirements.lock"
DEV = ROOT / "requirements-dev.lock"

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;\\]+)")


def normalized(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: Path) -> dict[str, str]:
    """Each pinned package of `lock`, by its normalized name, with its lines: requirement, marker and hashes.

    Raises:
        ValueError: a requirement is not pinned with `==`.
    """
    found: dict[str, str] = {}
    name = ""
    for line in lock.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if not line.startswith(" "):
            pin = _PIN.match(line)
            if pin is None:
                raise ValueError(f"{lock.name}: not a pinned requirement: {line}")
            name = normalized(pin["name"])
            found[name] = ""
        if not line.lstrip().startswith("#"):
            found[name] += line + "\n"
    return found


def version(lock: Path, name: str) -> str:
    """The release of `name` that `lock` pins."""
    return entries(lock)[name].split("==")[1].split()[0]


def subset(lock: Path, names: Iterable[str]) -> str:
    """The text of a smaller lock file that holds only `names`.

    Raises:
        KeyError: `lock` does not pin one of them.
    """
    pinned = entries(lock)
    return "".join(pinned[name] for name in names)
