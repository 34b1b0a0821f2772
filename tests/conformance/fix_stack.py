"""The stack that the conformance run drives: one gateway with a venue for each version of FIX, one exchange."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tests.conformance.fix_ends import Address
from tests.e2e.stack import running_stack

EXCHANGE, SYMBOL = "XSIM", "DESK"
NOT_COMPARED = '\n[venues.reconcile]\nmode = "off"\n'
FIX_4_2, FIX_4_4, FIX_5_0_SP2 = "FIX.4.2", "FIX.4.4", "FIX.5.0SP2"


class Session(NamedTuple):
    """The gateway's session with the exchange in one version of FIX: its name as a venue, BeginString(8), CompIDs."""

    venue: str
    begin_string: str
    sender: str
    target: str = EXCHANGE


SESSIONS: Mapping[str, Session] = MappingProxyType(
    {
        FIX_4_2: Session("SIM42", "FIX.4.2", "GATEWAY42"),
        FIX_4_4: Session("XSIM", "FIX.4.4", "GATEWAY"),
        FIX_5_0_SP2: Session("SIM50", "FIXT.1.1", "GATEWAY50"),
    }
)


@contextmanager
def conformance_stack(folder: Path) -> Iterator[Address]:
    """A running stack. The exchange's desk works by hand; nobody trades on the instrument but the scenarios."""
    edit = {"gateway": all_versions_at_the_gateway, EXCHANGE: all_versions_at_the_exchange}
    with running_stack(folder, edit) as stack:
        yield Address(stack.api_address, f"127.0.0.1:{stack.control_ports[EXCHANGE]}", stack.ledger(EXCHANGE))


def all_versions_at_the_exchange(text: str) -> str:
    """The exchange's configuration with a session for each version of FIX."""
    block = '[[session]]\nclient = "GATEWAY"\nbegin_string = "FIX.4.4"\n'
    assert block in text
    return text.replace(
        block,
        "\n".join(
            f'[[session]]\nclient = "{s.sender}"\nbegin_string = "{s.begin_string}"\n' for s in SESSIONS.values()
        ),
    )


def all_versions_at_the_gateway(text: str) -> str:
    """The gateway's configuration with a venue for each of them, which may keep silent for as long as it likes.

    Orders are not compared: what a comparison tells would stand between the events of a scenario.
    """
    block, other = re.findall(r'\[\[venues\]\]\nname = "[XY]SIM"\n(?:\S.*\n)*', text)
    venues = [
        block.replace('"XSIM"', f'"{session.venue}"', 1)
        .replace('"FIX.4.4"', f'"{session.begin_string}"')
        .replace('"GATEWAY"', f'"{session.sender}"')
        + f"ack_timeout_s = 3600\n{NOT_COMPARED}"
        for session in SESSIONS.values()
    ]
    symbols = ", ".join(f'{session.venue} = "{SYMBOL}"' for session in SESSIONS.values())
    instrument = (
        f'\n[[instruments]]\nsymbol = "{SYMBOL}"\nvenue_symbols = {{ {symbols} }}\n'
        'tick_size = 0.01\nlot_size = 1\ncurrency = "EUR"\nreference_px = 10\n'
    )
    return text.replace(block, "\n".join(venues)).replace(other, f"{other}{NOT_COMPARED}") + instrument
