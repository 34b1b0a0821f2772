"""What the pages show is what is tested, and what they say is there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from gateway import client
from gateway.client import trade
from gateway.client.backoff import CAP_S, FIRST_S

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CLIENT_PAGE = (DOCS / "client.md").read_text()
OTHER_PAGE = (DOCS / "other-languages.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_quickstart_is_the_tested_example() -> None:
    assert blocks(CLIENT_PAGE, "python") == [(DOCS / "examples" / "submit_and_wait.py").read_text()]


def test_the_client_in_node_is_the_tested_one() -> None:
    assert blocks(OTHER_PAGE, "js") == [(ROOT / "tests" / "interop" / "node" / "client.js").read_text()]


@pytest.mark.parametrize("page", [CLIENT_PAGE, OTHER_PAGE])
def test_every_link_leads_somewhere(page: str) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", page) if not target.startswith("https://")]
    assert targets
    assert [target for target in targets if not (DOCS / target).exists()] == []


def test_every_public_name_is_said_on_the_page() -> None:
    taken_for_granted = {"CommandReply", "Event", "EventStream", "EventType", "Execution", "GatewayError", "NotFound"}
    taken_for_granted |= {"Order", "OrderDetail", "OrderRequest", "Position", "Reason"}
    assert [name for name in client.__all__ if name not in taken_for_granted and name not in CLIENT_PAGE] == []


def test_the_bounds_on_the_page_are_those_of_the_code() -> None:
    assert f"{trade.MAX_IN_FLIGHT:,} commands are on their way at once" in CLIENT_PAGE
    assert f"{trade.MAX_BATCH} in one message, {trade.MAX_COMMAND_BYTES // 1024} KiB each" in CLIENT_PAGE
    assert f"double from {FIRST_S * 1000:.0f} ms to {CAP_S:.0f} s" in CLIENT_PAGE


def test_the_proto_files_need_nothing_but_what_the_page_names(tmp_path: Path) -> None:
    (find,) = re.findall(r"^GOOGLEAPIS=\$\(python (-c .*)\)$", OTHER_PAGE, re.MULTILINE)
    googleapis = subprocess.check_output([sys.executable, *shlex.split(find)], text=True).strip()
    made = tmp_path / "descriptors"
    arguments = [
        "-I",
        str(ROOT / "proto"),
        "-I",
        googleapis,
        f"--descriptor_set_out={made}",
        "gateway/v1/gateway.proto",
    ]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "--include_imports", *arguments], check=True)
    found = descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes())
    assert {"gateway/v1/gateway.proto", "google/rpc/status.proto"} < {file.name for file in found.file}
