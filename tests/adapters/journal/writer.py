"""A process that appends until it is killed, and says after each commit which seq is durable.

Called as `python -m tests.adapters.journal.writer URL DURABILITY BATCH`.
"""

import os
import sys

from gateway.adapters.journal import SqlJournal
from tests.adapters.journal.records import fills


def main(url: str, durability: str, size: int) -> None:
    """Append batches of `size` for ever; each line on standard output is the last seq of one that is durable."""
    journal = SqlJournal(url, durability)  # type: ignore[arg-type]
    seq = journal.open().seq
    os.write(1, b"%d\n" % seq)
    while True:
        journal.append(fills(seq + 1, seq + size))
        seq += size
        os.write(1, b"%d\n" % seq)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
