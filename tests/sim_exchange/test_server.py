"""The venue's process: its connections, its files and its end."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim_exchange.control import ControlClient
from sim_exchange.fix import encode, utc_timestamp


def message(msg_type: str, seq: int, *body: tuple[int, str]) -> bytes:
    head = [(35, msg_type), (34, str(seq)), (49, "GATEWAY"), (52, utc_timestamp(time.time_ns())), (56, "XSIM")]
    return encode("FIX.4.4", [*head, *body])


def test_a_client_that_does_not_read_its_goodbye_does_not_keep_the_next_one_out(
    tmp_path: Path, write_config: Callable[..., Path], run_venue: Any
) -> None:
    """What it left unread fills the buffers of both ends, so its connection never drains."""
    with run_venue(write_config(tmp_path, "FIX.4.4"), tmp_path / "log") as venue:
        with socket.create_connection(("127.0.0.1", venue.fix_port), 10) as stuck:
            stuck.sendall(message("A", 1, (98, "0"), (108, "30")))
            venue.control.wait("logon")
            venue.control.do("bytes", text="x" * 1000, times=20_000)
            stuck.sendall(message("5", 2))
            venue.control.wait("disconnected", timeout_s=30)
            with socket.create_connection(("127.0.0.1", venue.fix_port), 10) as second:
                second.sendall(message("A", 3, (98, "0"), (108, "30")))
                assert b"\x0135=A\x01" in second.recv(4096)
        log = (tmp_path / "log").read_text()
        assert log.count("closing session=") == 1, "said once, not with every tick"


def test_a_second_venue_on_the_same_ledger_does_not_start(
    tmp_path: Path, write_config: Callable[..., Path], run_venue: Any
) -> None:
    """Two writers would cut off each other's last work and give the same ExecIDs."""
    config = write_config(tmp_path, "FIX.4.4")
    second = [sys.executable, "-m", "sim_exchange.cli", "serve", "--config", str(config)]
    with run_venue(config, tmp_path / "log") as venue:
        refused = subprocess.run(second, capture_output=True, text=True, timeout=30, check=False)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "another venue runs on this data_dir" in refused.stderr
        venue.kill()
    with run_venue(config, tmp_path / "log") as venue:
        assert venue.control.do("ping")["venue"] == "XSIM"


def test_a_venue_that_stops_cancels_on_disconnect_and_ends_in_good_order(
    tmp_path: Path, write_config: Callable[..., Path], run_venue: Any
) -> None:
    config = write_config(tmp_path, "FIX.4.4", session='cancel_on_disconnect_tag = "9100=Y"')
    order = [(11, "X"), (55, "ACME"), (54, "1"), (60, "20260101-00:00:00"), (38, "10"), (40, "2"), (44, "99.00")]
    with run_venue(config, tmp_path / "log") as venue:
        with socket.create_connection(("127.0.0.1", venue.fix_port), 10) as client:
            client.sendall(message("A", 1, (98, "0"), (108, "30"), (9100, "Y")) + message("D", 2, *order))
            venue.control.wait("sent", msg_type="8", cl_ord_id="X")
            assert venue.stop() == 0, (tmp_path / "log").read_text()
            said = client.makefile("rb").read().split(b"8=FIX")
        assert b"cancel on disconnect" in said[-2]
        assert b"\x0135=5\x01" in said[-1], "the goodbye comes last"
        assert "Traceback" not in (tmp_path / "log").read_text()
    with run_venue(config, tmp_path / "log") as venue:
        assert venue.control.do("orders", open=True)["total"] == 0


def test_a_venue_that_stops_hangs_up_on_control_clients_without_a_word(
    tmp_path: Path, write_config: Callable[..., Path], run_venue: Any
) -> None:
    with run_venue(write_config(tmp_path, "FIX.4.4"), tmp_path / "log") as venue:
        address = f"127.0.0.1:{venue.ready['control_port']}"
        with ControlClient(address) as idle, ControlClient(address) as waiting:
            waiting._socket.sendall(b'{"do":"wait","for":"logon","timeout_s":60}\n')
            idle.do("ping")
            assert venue.stop() == 0
            for client in (idle, waiting):
                assert client._file.readline() == b""
    assert "Traceback" not in (tmp_path / "log").read_text()
