"""No file of the repository ties it to one machine or to one place on the network."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each is written in two halves so that this file does not match itself.
FORBIDDEN = {
    "the address of a package registry": "|".join(
        (
            "pypi" + r"\.org",
            "python" + r"hosted\.org",
            "registry\\.npm" + r"js\.org",
            "npm" + r"mirror\.com",
            "deb\\.deb" + r"ian\.org",
            "proxy\\.gol" + r"ang\.org",
        )
    ),
    "a path of somebody's machine": "(?<![\\w.])/("
    + "|".join(("wo" + "rk", "ro" + "ot", "ho" + r"me/\w+", "Us" + r"ers/\w+"))
    + ")/",
}


def _files() -> list[Path]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    files = _files()
    assert len(files) > 50, "this looked at too few files to mean anything"
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if re.search(FORBIDDEN[what], line)
    ]
    assert found == [], f"{what} has no place in the repository"
