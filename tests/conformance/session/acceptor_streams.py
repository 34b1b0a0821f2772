"""Streams of bytes that are no FIX, or come slowly."""

from tests.conformance.session.acceptor_scripts import SCRIPTS, logged_on
from tests.conformance.session.acceptor_wire import Client, frame

_MIB = 1 << 20


@logged_on("body-length-2gb")
def body_length_2gb(c: Client) -> None:
    c.put(b"8=FIX.4.4\x019=2147483648\x0135=0\x01")
    c.expect_end()


def _endless(case_id: str, start: bytes) -> None:
    def script(c: Client) -> None:
        c.logon()
        c.goes_on()
        before = c.venue.peak_memory_kib()
        c.put(start)
        c.flood(b"x" * 65536, 256 * _MIB)
        c.venue.lives()
        assert c.venue.peak_memory_kib() - before < 16 * 1024

    SCRIPTS[case_id] = script


_endless("endless-body", b"8=FIX.4.4\x019=65536\x0135=0\x01")
_endless("endless-bytes", b"")


@logged_on("one-byte-at-a-time")
def one_byte_at_a_time(c: Client) -> None:
    for byte in frame(c.fields("1", [(112, "SLOW")])):
        c.put(bytes([byte]))
    c.expect("0", t112="SLOW")
    c.seq += 1
    c.goes_on()
