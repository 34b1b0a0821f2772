"""A process that follows a journal in small steps until it is killed, and says after each how far the rows tell.

Called as `python -m tests.adapters.projections.tailing JOURNAL DATABASE`.
"""

import os
import sys
from collections.abc import Sequence

from gateway.adapters.journal import SqlJournal
from gateway.adapters.projections.store import Projections
from gateway.core.events import Record
from gateway.core.state import State
from gateway.runtime import follower as following
from gateway.runtime.follower import Follower
from tests.adapters.projections.harness import STACK


class Told(Projections):
    """Projections that say how far they are, before and after each step."""

    def apply(self, records: Sequence[Record], journal_hash: bytes, state: State) -> None:
        os.write(1, b"to %d\n" % records[-1].seq)
        super().apply(records, journal_hash, state)


def main(journal: str, database: str) -> None:
    following.CHUNK = 7
    Follower(SqlJournal(journal), Told(database, STACK)).catch_up()
    os.write(1, b"end\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
