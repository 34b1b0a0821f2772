"""Recovery: the state is the sum of the journal's events.

It can be repeated any number of times and gives the same state every time (C11).
"""

from gateway.core.engine import replay
from gateway.core.invariants import check_state
from gateway.core.state import State
from gateway.runtime.ports import Journal


def recover(journal: Journal) -> State:
    """The state as of the journal's end.

    Raises:
        JournalError: the journal cannot be trusted.
        Diverged: an event does not replay to what was told when it happened.
        InvariantBroken: the result contradicts itself.
    """
    state = State()
    for record in journal.read():
        replay(state, record)
    check_state(state)
    return state
