"""`python -m ops.crash.lane`: runs the stacks that it is given on standard input, one after the other, a line of JSON
each, and tells on standard output what each came to, after each comparison and at its end.

After SIGTERM the stack that runs ends with the cycle that is under way, and its tally is told as always.
"""

import asyncio
import logging
import signal
import sys
from pathlib import Path

import msgspec

from ops.crash.campaign import campaign
from ops.crash.forked import Starter
from ops.crash.result import Tally
from ops.stack import NotReady


class Job(msgspec.Struct):
    """One stack, and where it is; the journal is a file there, or at its URL."""

    seed: int
    cycles: int
    folder: str
    journal_url: str = ""


class Stop:
    """Whether the word to stop has come. It interrupts nothing."""

    def __init__(self) -> None:
        self.given = False
        signal.signal(signal.SIGTERM, self._take)

    def _take(self, *_: object) -> None:
        self.given = True


def main() -> None:
    """Until standard input ends."""
    stop = Stop()
    logging.getLogger("gateway.client").setLevel(logging.ERROR)  # That the gateway is away is no news here.
    with Starter() as starter:
        for line in sys.stdin:
            _tell(_run(msgspec.json.decode(line, type=Job), starter, stop))


def _run(job: Job, starter: Starter, stop: Stop) -> Tally:
    if stop.given:
        return Tally(ended=True)
    folder = Path(job.folder)
    try:
        return asyncio.run(campaign(folder, job.cycles, job.seed, _tell, starter, job.journal_url, lambda: stop.given))
    except NotReady as error:
        return Tally(problems=[str(error)], ended=True)


def _tell(tally: Tally) -> None:
    print(msgspec.json.encode(tally).decode(), flush=True)


if __name__ == "__main__":
    main()
