"""Generate gateway/pb from proto/: `python -m ops.generate_pb [FOLDER]` (default: this repository).

proto/gateway is mapped to gateway/pb before protoc sees it, so the modules import each other as gateway.pb.v1 and no
line of what protoc writes has to be edited.
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent


def generate(target: Path) -> None:
    """Write the modules under `target`/gateway/pb.

    Raises:
        RuntimeError: protoc refused; it has said why on standard error.
    """
    sources = [Path("gateway/pb", path.relative_to(ROOT / "proto" / "gateway")) for path in _protos()]
    arguments = [
        "protoc",
        f"--proto_path=gateway/pb={ROOT / 'proto' / 'gateway'}",
        f"--proto_path={files('google.rpc') / '../..'}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        f"--grpc_python_out={target}",
        *map(str, sources),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed")


def _protos() -> list[Path]:
    found = sorted((ROOT / "proto" / "gateway").rglob("*.proto"))
    if not found:
        raise RuntimeError("no .proto file found under proto/gateway")
    return found


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
