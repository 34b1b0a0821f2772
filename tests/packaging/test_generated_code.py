"""gateway/pb is what protoc makes of proto/ today: nobody edited it, nobody forgot it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _contents(root: Path) -> dict[str, bytes]:
    files = [*(root / "gateway" / "pb").rglob("*_pb2*.py"), *(root / "gateway" / "pb").rglob("*_pb2*.pyi")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_gateway_pb_is_current(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "ops.generate_pb", str(tmp_path)], cwd=ROOT, check=True)
    fresh, kept = _contents(tmp_path), _contents(ROOT)
    assert fresh.keys() == kept.keys(), "run make proto"
    assert [name for name in fresh if fresh[name] != kept[name]] == [], "run make proto"
