"""What the seed decides about a stack before it starts: how safe its commits are, what its gateway keeps in memory,
where each client connects, and which starts are of a new interpreter.
"""

from collections.abc import Iterable
from random import Random

import msgspec

from ops.stack import put

RETENTION = "\n[retention]\nretire_after_s = 1\nsnapshot_events = 1000\n"
"""So little that a stack of a minute meets snapshots, and orders that have left memory."""
FROM_NOTHING = 0.05
"""How often a program is not forked, but started as a new interpreter, as on a trading machine."""


class Plan(msgspec.Struct, frozen=True):
    """One stack. `over_unix` are the clients whose commands take the lane on the Unix socket; the others use TCP."""

    seed: int
    durability: str
    over_unix: frozenset[str]

    def gateway(self, text: str, clients: Iterable[str]) -> str:
        """The gateway's configuration for this stack."""
        text = put(text, "durability", f'"{self.durability}"')
        return text + RETENTION + "".join(map(_client, clients))

    def dice(self, what: str) -> Random:
        """Dice of their own for each matter, so that none changes what is drawn for another."""
        return Random(f"{what} of {self.seed}")  # noqa: S311  # It makes a run repeatable; nothing here is secret.


def planned(seed: int, clients: Iterable[str]) -> Plan:
    """The plan of the stack with this seed."""
    dice = Random(f"plan of {seed}")  # noqa: S311  # As above.
    durability = dice.choice(("power", "power", "process"))
    return Plan(seed, durability, frozenset(name for name in clients if dice.random() < 0.5))


def _client(name: str) -> str:
    return f'\n[[clients]]\nid = "{name}"\nrole = "trader"\naccounts = ["ACC1"]\n'
