"""`python -m ops.crash.lane`: runs the stacks that it is given on standard input, one after the other, a line of JSON
each, and tells on standard output what each came to, after each comparison and at its end.
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


def main() -> None:
    """Until standard input ends."""
    logging.getLogger("gateway.client").setLevel(logging.ERROR)  # That the gateway is away is no news here.
    with Starter() as starter:
        for line in sys.stdin:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # Until the stack's own handler is in place.
            _tell(_run(msgspec.json.decode(line, type=Job), starter))


def _run(job: Job, starter: Starter) -> Tally:
    try:
        return asyncio.run(campaign(Path(job.folder), job.cycles, job.seed, _tell, starter, job.journal_url))
    except NotReady as error:
        return Tally(problems=[str(error)], ended=True)


def _tell(tally: Tally) -> None:
    print(msgspec.json.encode(tally).decode(), flush=True)


if __name__ == "__main__":
    main()
