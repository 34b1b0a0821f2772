"""A small program for the tests of the starter: it says what it finds, and stays or fails as it is told."""

import json
import os
import sys
import threading
from pathlib import Path


def main() -> None:
    """One line of log, and then one of JSON."""
    found = {
        "argv": sys.argv,
        "pid": os.getpid(),
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "folder": str(Path.cwd()),
        "word": os.environ["A_WORD"],
        "sockets": sum(path.is_socket() for path in Path("/proc/self/fd").iterdir()),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "imported": "quickfix" in sys.modules,
    }
    print("a line of the log", file=sys.stderr, flush=True)
    print(json.dumps(found), flush=True)
    if sys.argv[1] == "fail":
        sys.exit(3)
    threading.Event().wait()
