"""Every reason has one gRPC code and a line in docs/errors.md that says the same."""

import re
from pathlib import Path

import pytest

from gateway.adapters.grpc import exposure, lane
from gateway.adapters.grpc.errors import CODES, ApiReason, Code, Failure, failure, internal, refused
from gateway.adapters.grpc.server import MAX_CONCURRENT_CALLS, MAX_CONNECTIONS, OPTIONS
from gateway.adapters.grpc.streams import EVENTS_PER_MESSAGE, MESSAGE_BYTES, WRITE_TIMEOUT_S
from gateway.adapters.grpc.trade import MESSAGES_IN_FLIGHT, REPLIES_PER_MESSAGE
from gateway.core.engine import Answer
from gateway.core.risk.marks import MAX_MARKS
from gateway.core.types import Reason
from gateway.runtime.feed import SlowReader, TooManyReaders
from gateway.runtime.sequencer import Overloaded
from tests.adapters.grpc.harness import read_status

DOCS = Path(__file__).parents[3] / "docs"
ROW = re.compile(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \| (.+) \| (.+) \|$", re.MULTILINE)


def test_every_reason_is_mapped_and_no_name_means_two_things() -> None:
    assert set(CODES) == {*Reason, *ApiReason}
    names = [reason.value for reason in CODES]
    assert len(names) == len(set(names))


def test_the_page_tells_every_reason_once_with_its_code() -> None:
    rows = ROW.findall((DOCS / "errors.md").read_text())
    assert len(rows) == len(CODES)
    assert {reason: code for reason, code, _, _ in rows} == {reason.value: code.name for reason, code in CODES.items()}


def test_the_page_of_limits_tells_the_limits_in_force() -> None:
    page = (DOCS / "api.md").read_text()
    options = dict(OPTIONS)
    assert f"| {options['grpc.max_receive_message_length'] >> 20} MiB |" in page
    assert f"{options['grpc.max_concurrent_streams']:,} per connection, {MAX_CONCURRENT_CALLS:,} in all" in page
    assert MAX_CONNECTIONS == lane.MAX_LANES
    assert f"| {MAX_CONNECTIONS} on each listener: TCP, the Unix socket, the lane |" in page
    assert f"| {(lane.MISSED_SIGNS + 1) * lane.SIGN_S:.0f} seconds without an answer to a PING | closed |" in page
    assert f"said nothing for {lane.SIGN_S:.0f} to {2 * lane.SIGN_S:.0f} seconds; the client sends it back" in page
    assert f"busy for {(lane.MISSED_SIGNS - 1) * lane.SIGN_S:.0f} seconds in one" in page
    assert f"| {MESSAGES_IN_FLIGHT} | the stream is not read" in page
    assert f"{EVENTS_PER_MESSAGE} events or {MESSAGE_BYTES >> 10} KiB, {REPLIES_PER_MESSAGE} replies" in page
    assert f"{WRITE_TIMEOUT_S:.0f} seconds for one message" in page
    assert f"after {options['grpc.keepalive_time_ms'] // 1000} s of silence" in page
    assert f"| {exposure.PAGE_SIZE} rows, up to {exposure.MAX_ROWS} on request; {exposure.MAX_ROWS} rows |" in page
    assert f"one in {exposure.MIN_INTERVAL_MS / 1000} s" in page
    assert f"| readers of `WatchExposure` | {exposure.MAX_WATCHERS} |" in page
    assert f"| {MAX_MARKS:,} | `INVALID_ARGUMENT`; none is set |" in page


def test_the_connections_of_all_listeners_leave_descriptors_to_sessions_and_the_journal() -> None:
    """Of the 1,024 that a process may usually have: TCP, the Unix socket and the lane together three quarters."""
    assert dict(OPTIONS)["grpc.max_allowed_incoming_connections"] == MAX_CONNECTIONS
    assert 2 * MAX_CONNECTIONS + lane.MAX_LANES <= 1_024 - 256


@pytest.mark.parametrize("reason", CODES, ids=str)
def test_a_failure_names_the_field_where_the_request_is_at_fault(reason: Reason | ApiReason) -> None:
    told = read_status(Failure(reason, "words", "price").status())
    assert (told.code, told.text, told.reason) == (CODES[reason], "words", reason.value)
    assert told.fields == (("price",) if CODES[reason] is Code.INVALID_ARGUMENT else ())
    assert told.metadata["field"] == "price"


def test_who_spent_a_key_is_said() -> None:
    answer = Answer(order_id="O1", seq=7, reason=Reason.ORDER_NOT_WORKING, text="no")
    assert refused(answer, "k-1").metadata == {"seq": "7", "key_spent": "true", "cl_ord_id": "k-1", "order_id": "O1"}
    assert refused(answer, "").metadata["key_spent"] == "false"
    assert read_status(failure(Overloaded("full")).status()).metadata == {"key_spent": "false"}
    assert read_status(internal().status()).metadata["key_spent"] == "unknown"
    with pytest.raises(ValueError, match="accepted"):
        refused(Answer(), "k-1")


def test_a_reader_that_is_dropped_learns_where_to_resume() -> None:
    assert failure(SlowReader(9)).metadata == {"next_seq": "9"}
    assert failure(TooManyReaders("full")).reason is ApiReason.TOO_MANY_SUBSCRIBERS
