"""The floor of FIX: QuickFIX alone, from an order's intended time to the venue's acknowledgement in fromApp.

    python -m tests.bench.peers.quickfix_floor --venue-port 9001 --sender FLOOR --target XSIM --dir D

It says `ready` when the session is up. Then each line of JSON on its standard input is a slice, {"rate": 200,
"seconds": 2, "warm_up_s": 0.5}, and is answered by one line, {"histogram": ..., "sent": 400, "done": 400}.
Orders leave at a fixed rate whatever the venue does (an open loop). What is late leaves at once, and its latency counts
from when it should have left; an order without an answer has the time that was waited for it. The histogram is an
encoded HdrHistogram of nanoseconds.
"""

import argparse
import ctypes
import json
import signal
import sys
import threading
import time

import msgspec

from tests.bench.e2e.histograms import histogram, to_text
from tests.bench.lives import SYMBOLS
from tests.bench.peers import fix_session, running
from tests.bench.peers.fix_session import SOH, Clock, FixSession

ANSWER_WITHIN_S = 10.0
_PR_SET_TIMERSLACK = 29


class Slice(msgspec.Struct, frozen=True):
    """How many orders a second, for how long, after how long a warm-up that does not count."""

    rate: float
    seconds: float
    warm_up_s: float = 0.0


class Floor:
    """Sends orders and notes when their acknowledgements came."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.up = threading.Event()
        self._fix = FixSession(given, self.up.set, self._received)
        self._symbols, self._price = given.symbols.split(","), given.price
        self._now = Clock()
        self._prefix = f"F{time.time_ns():x}-"
        self._marker = f"{SOH}11={self._prefix}"
        self._number = 0
        self._came: list[tuple[int, int]] = []

    def start(self) -> None:
        """Log on."""
        self._fix.start()
        self.up.wait()

    def stop(self) -> None:
        """Log out."""
        self._fix.stop()

    def _received(self, text: str) -> None:
        at_ns = time.monotonic_ns()
        _, _, rest = text.partition(self._marker)
        if rest and f"{SOH}150=0{SOH}" in text:
            self._came.append((int(rest[: rest.index(SOH)]), at_ns))

    def measure(self, asked: Slice) -> dict[str, object]:
        """Send the orders of a slice; what is to be said of it."""
        self._came = []
        first, every_ns = self._number, 1e9 / asked.rate
        warm_up, sent = round(asked.rate * asked.warm_up_s), round(asked.rate * asked.seconds)
        began_ns = time.monotonic_ns()
        self._send(began_ns, every_ns, warm_up + sent)
        came, ended_ns, counted = dict(self._came), time.monotonic_ns(), range(first + warm_up, self._number)
        times = [came.get(number, ended_ns) - began_ns - int((number - first) * every_ns) for number in counted]
        return {"histogram": to_text(histogram(times)), "sent": sent, "done": sum(map(came.__contains__, counted))}

    def _send(self, began_ns: int, every_ns: float, orders: int) -> None:
        """Send each at its time, then wait for the last answers."""
        for place in range(orders):
            wait_ns = began_ns + int(place * every_ns) - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / 1e9)
            self._fix.send(self._order())
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while len(self._came) < orders and time.monotonic() < deadline:
            time.sleep(0.001)

    def _order(self) -> str:
        number = self._number
        self._number += 1
        return (
            f"35=D{SOH}11={self._prefix}{number}{SOH}1=A1{SOH}21=1{SOH}55={self._symbols[number % len(self._symbols)]}"
            f"{SOH}54=1{SOH}60={self._now()}{SOH}38=100{SOH}40=2{SOH}59=0{SOH}44={self._price}{SOH}"
        )


def wake_on_time() -> None:
    """Linux lets a sleeper wake up to 50 us late, so that it can wake others too; that would count as FIX's here."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    fix_session.add_arguments(parser)
    parser.add_argument("--symbols", default=",".join(SYMBOLS), help="Symbol(55) of the orders, in turn")
    parser.add_argument("--price", default="10.00")
    floor = Floor(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.setswitchinterval(running.SWITCH_INTERVAL_S)
    wake_on_time()
    floor.start()
    try:
        running.say_ready()
        for line in sys.stdin:
            print(json.dumps(floor.measure(msgspec.json.decode(line, type=Slice))), flush=True)
    finally:
        floor.stop()


if __name__ == "__main__":
    main()
