"""The gateway as a campaign runs it: without a follower of its own, which it would start after five seconds, when most
are killed already. The campaign has one beside it from the beginning. All else is as `gateway serve` has it.
"""

from gateway import app
from gateway.cli import server

NEVER_S = 1e6


def main() -> None:
    """As the console script."""
    app.FOLLOW_AFTER_S = NEVER_S
    server.main()
