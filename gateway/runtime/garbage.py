"""Python's collector of cycles, kept away from what lives long.

A full collection walks every order, execution and record in memory: half a second with a hundred thousand orders open,
at a moment that nobody chooses. None of that is ever part of a cycle, and it leaves memory with its last reference. So
what survived its youth is set aside from all collections, and looked through whole only while no session is up. What
serves a caller, and was set aside while it did, must not be part of a cycle when it ends.
"""

import gc

_NEVER = 1 << 30
_QUIET_TURNS = 60


class Garbage:
    """The collections of one process; `turn` belongs to its clock."""

    def __init__(self) -> None:
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        gc.collect()
        gc.freeze()
        self._quiet = 0

    def turn(self, *, trading: bool) -> None:
        """Set aside what is no longer young, about once a second; look through everything once a long pause begins."""
        gc.collect(1)
        gc.freeze()
        self._quiet = 0 if trading else self._quiet + 1
        if self._quiet == _QUIET_TURNS:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
