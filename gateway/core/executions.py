"""The execution ledger of one order (rule 4): every execution once, busts and corrections through ExecRefID(19).

Reports may come in any order and more than once. So the ledger only grows, and what counts is computed from all of
it: the result does not depend on the order of arrival. A correction or bust may come before the execution it names.
"""

from collections.abc import Container, Mapping, Sequence
from decimal import Decimal

import msgspec

from gateway.core import events as ev
from gateway.core.money import ZERO, add, multiply

_ONE = Decimal(1)


class Execution(msgspec.Struct, gc=False):
    """One line of the ledger. `kind` is "fill", "correction" or "bust"; a bust has no quantity.

    `factor` is what corporate actions made of the quantity since (2 after a 2:1 split); the value in money stays.
    """

    kind: str
    exec_id: str
    trade_date: str
    last_qty: Decimal
    last_px: Decimal
    time_ns: int
    exec_ref_id: str = ""
    factor: Decimal = _ONE
    in_force: bool = True

    @property
    def qty(self) -> Decimal:
        """The quantity that counts."""
        return self.last_qty if self.factor == _ONE else multiply(self.last_qty, self.factor)

    @property
    def value(self) -> Decimal:
        """LastQty(32) times LastPx(31)."""
        return multiply(self.last_qty, self.last_px)


def execution(event: ev.OrderFilled | ev.ExecutionCorrected | ev.ExecutionBusted, at_ns: int) -> Execution:
    """The ledger line of an event."""
    if type(event) is ev.OrderFilled:
        return Execution("fill", event.exec_id, event.trade_date, event.last_qty, event.last_px, at_ns)
    if isinstance(event, ev.ExecutionBusted):
        return Execution("bust", event.exec_id, event.trade_date, ZERO, ZERO, at_ns, event.exec_ref_id)
    ref = event.exec_ref_id if isinstance(event, ev.ExecutionCorrected) else ""
    kind = "correction" if ref else "fill"
    return Execution(kind, event.exec_id, event.trade_date, event.last_qty, event.last_px, at_ns, ref)


def has_undated(ledger: Sequence[Execution], seen: Container[str], trade_date: str, exec_id: str) -> bool:
    """Whether an execution with this ExecID(17) is in the ledger, of which it, or whoever asks, knows no trade date.
    `seen` has the keys of an order's reports.
    """
    if trade_date and f":{exec_id}" not in seen:
        return False
    return any(line.exec_id == exec_id and not (line.trade_date and trade_date) for line in ledger)


Net = dict[int, tuple[Decimal, Decimal]]
"""What counts: (quantity, value) by the place in the ledger where the execution's story begins.

The place never changes while the story is told in order.
"""


def net(ledger: Sequence[Execution]) -> Net:
    """What counts, and marks each line as in force or not.

    A bust ends its execution whatever else is said of it. Of several corrections the one that no other corrects
    counts; if that is not unique, the last to arrive. A correction whose execution never came counts by itself: it
    says all that the execution would have said.
    """
    found: Net = {}
    for start, story in _stories(ledger).items():
        for line in story:
            line.in_force = False
        if any(line.kind == "bust" for line in story):
            continue
        corrected = {line.exec_ref_id for line in story if line.kind == "correction"}
        last = [line for line in story if line.exec_id not in corrected] or story
        last[-1].in_force = True
        found[start] = (last[-1].qty, last[-1].value)
    return found


def totals(counted: Net) -> tuple[Decimal, Decimal]:
    """CumQty(14) and the value of all that counts."""
    cum_qty, cum_value = ZERO, ZERO
    for qty, value in counted.values():
        cum_qty, cum_value = add(cum_qty, qty), add(cum_value, value)
    return cum_qty, cum_value


def _stories(ledger: Sequence[Execution]) -> dict[int, list[Execution]]:
    """Lines that speak of the same execution, by the place of the first of them."""
    named: dict[str, list[Execution]] = {}
    for line in ledger:
        named.setdefault(line.exec_id, []).append(line)
    first: dict[tuple[str, str], int] = {}
    stories: dict[int, list[Execution]] = {}
    for place, line in enumerate(ledger):
        stories.setdefault(first.setdefault(_root(named, line, len(ledger)), place), []).append(line)
    return stories


def _root(named: Mapping[str, Sequence[Execution]], line: Execution, most: int) -> tuple[str, str]:
    """(trade date, ExecID) of the execution that a line speaks of, after `most` references at most; the date is empty
    while that execution has not come.
    """
    for _ in range(most):
        if not line.exec_ref_id:
            break
        meant = _meant(named, line)
        if meant is None:
            return ("", line.exec_ref_id)
        line = meant
    return (line.trade_date, line.exec_id)


def _meant(named: Mapping[str, Sequence[Execution]], line: Execution) -> Execution | None:
    """The line that ExecRefID(19) means: of the same trade date if there is one, else of the latest."""
    others = [other for other in named.get(line.exec_ref_id, ()) if other is not line]
    same_day = [other for other in others if other.trade_date == line.trade_date]
    return max(same_day or others, key=_date, default=None)


def _date(line: Execution) -> str:
    return line.trade_date
