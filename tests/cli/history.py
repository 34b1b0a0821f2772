"""A configuration with a day's journal, for commands that look at what happened."""

from pathlib import Path
from random import Random

from gateway.adapters.journal import SqlJournal
from ops.limits import AMPLE_RISK
from tests.adapters.projections.harness import batches
from tests.core.world import World

_CONFIG = """
stack = "test"
data_dir = "data"

[[clients]]
id = "desk"
accounts = ["A1"]

[[venues]]
name = "XSIM"
begin_string = "FIX.4.4"
host = "127.0.0.1"
port = 9001
sender_comp_id = "GATEWAY"
target_comp_id = "XSIM"

[[instruments]]
symbol = "ACME"
venue_symbols = {{ XSIM = "ACME" }}
tick_size = 0.01
lot_size = 1
currency = "EUR"

{more}
"""


def configured(folder: Path, more: str = "") -> Path:
    """A configuration file with its data directory."""
    (folder / "data").mkdir(exist_ok=True)
    path = folder / "gateway.toml"
    path.write_text(_CONFIG.format(more=more) + AMPLE_RISK)
    return path


def write_journal(folder: Path, world: World) -> SqlJournal:
    """The journal of that configuration, with everything that happened in a world; open, for more."""
    journal = SqlJournal(f"sqlite:///{folder / 'data' / 'journal.sqlite'}", "process")
    journal.open()
    for batch in batches(world.records, Random(1)):
        journal.append(batch)
    return journal
