"""What every test shares: how hypothesis searches, and that Ctrl-C works in what it starts."""

import os
import signal

from hypothesis import settings

# A failure prints the blob that replays it. No deadline for one example: it would time the machine, not the code.
settings.register_profile("explore", deadline=None, print_blob=True)
# CI judges a change, so it runs the same examples each time: a change is not refused for a bug that was there before it
# and that chance found just now. Finding those is what the runs at people's desks are for.
settings.register_profile("judge", settings.get_profile("explore"), derandomize=True)
settings.load_profile("judge" if os.environ.get("CI") else "explore")

# A shell has what it starts in the background ignore SIGINT, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
