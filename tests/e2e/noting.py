"""The gateway, noting how far its journal goes all the time instead of once in a minute."""

from gateway import app
from gateway.cli import server


def main() -> None:
    """The console script `gateway`."""
    app.NOTE_S = 0.02
    server.main()
