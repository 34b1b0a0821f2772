"""A gateway of one link in a process of its own, to be killed or to die.

python -m tests.adapters.quickfix.gateway_process FOLDER PORT COMMITTED MODE
"""

import os
import sys
import time
from pathlib import Path

from gateway.core.reports import ExecutionReport
from tests.adapters.quickfix.conftest import Gateway, venue_config

FATAL = 70


def main() -> None:
    folder, port, committed, mode = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    gateway = Gateway(folder, venue_config(port))
    gateway.link._application._fatal = lambda error: os._exit(FATAL)
    if mode == "broken":

        def broken(text: str) -> None:
            raise SystemExit(f"not even this may escape into QuickFIX: {text[:9]}")

        gateway.link._wire.received_app = broken  # type: ignore[method-assign]
    gateway.start(committed)
    gateway.committing = mode != "uncommitted"
    while True:
        for report in gateway.bodies(ExecutionReport):
            print(report.exec_id, flush=True)
        time.sleep(0.005)


if __name__ == "__main__":
    main()
