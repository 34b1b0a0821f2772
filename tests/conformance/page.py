"""Writes docs/order-states.md from a conformance run: `python -m tests.conformance.page`, or `make conformance`."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath

from gateway.core.order import PRECEDENCE
from tests.conformance.core_checks import NOT_OUR_STATUS
from tests.conformance.expectations import NOT_OUR_ORDER_QTY, RANKS
from tests.conformance.fix_run import BY_HAND, BY_ITSELF, NOT_SAID
from tests.conformance.outcomes import PATHS, SCENARIOS, WAYS, Outcome, Outcomes, all_outcomes
from tests.conformance.scenario import SCENARIO_DIR, Path, Scenario

PAGE = FilePath(__file__).parents[2] / "docs" / "order-states.md"

INTRODUCTION = """\
# Order states

How the gateway keeps the state of an order, shown on the 47 order state change scenarios of FIX 4.4, Volume 4,
Appendix D. This page is written by the run that checks them (`make conformance`), and a test compares it with what
the run gives. Do not edit it.

An order has two axes: what has been executed, and which of its requests are unanswered. OrdStatus(39) follows from
both and is never stored. CumQty(14), LeavesQty(151) and AvgPx(6) are added up from the executions, each counted once,
busts and corrections included; what the venue says of them is only compared.
"""

HOW_IT_RUNS = """\
## How every row is checked

The tables below are seen from the venue, one row for each message in the order of time. Each path is driven from its
first row to its last:

- **core**: through the pure core. After every row: the status, OrderQty(38), CumQty, LeavesQty and AvgPx that the
  order's owner is shown; the status that follows without requests which the venue has not taken up, against the
  matrix's own; the position against the executions; the invariants of the whole state; and a second state, rebuilt from
  the journal so far, which has to be equal. Nothing may be sent but what the table has the venue receive.
- **FIX.4.2, FIX.4.4, FIX.5.0SP2**: through a running gateway and a running exchange, over a real FIX session. A client
  sends the requests over gRPC, and the exchange's manual desk does what the rows say. Each message is read from the
  exchange's ledger, as it was on the wire, and compared with the row: ClOrdID(11), OrigClOrdID(41), OrdStatus,
  ExecType(150), quantities and prices (in FIX 4.2 without the values that it does not have). Each event that the
  gateway tells its client has to be the core's own, with the figures of the row, and there may be no further one.

## How to read the tables

- The letters in brackets stand for ClOrdID(11) and OrigClOrdID(41): `Cancel Request(Y,X)` cancels X under the name Y.
- `exec_type` and `ord_status` are what the venue's report says. A blank cell is a field that the matrix leaves out.
- `client_status` is what the gateway shows the owner where that is not the venue's word: a request of the owner's is
  sent, and the venue has not taken it up yet. `client_order_qty` and `client_leaves_qty` likewise. Blank: the same.
- `event` is what happens outside FIX, `fields` are further fields of the message.
- Where a matrix has two rows for one moment ("if rejected ..."), each is a path of its own.
- The source names the matrix, and which paths are ours, because the matrix does not have them. Quantities and statuses
  of the venue are the matrix's; prices are ours where it has none, and chosen so that AvgPx is a real check.
"""

PRECEDENCE_TEXT = """\
## Precedence

Of all that holds at the same time, OrdStatus(39) is the one with the highest number. So a fill while a cancel is
pending leaves the order Pending Cancel, and a late fill after a cancel leaves it Canceled with a larger CumQty. Three
have the number 2: of them the gateway shows the one that ends the order, then the one that the venue has confirmed.
"""


EXCEPTIONS = """\
## Where the run departs from a row

The gateway shows its client something else than the venue's report says, and rightly so, or the exchange is made to
say something that it would say in another way. There is no other exception. A New Order under a ClOrdID that was used
before cannot come from the gateway (F.1.a, F.1.b): it refuses the request, or gives the same answer again, and sends
nothing; the venue's report follows all the same.
"""


def page(outcomes: Outcomes) -> str:
    """The whole page. The same outcomes give the same text."""
    parts = [
        INTRODUCTION,
        HOW_IT_RUNS,
        PRECEDENCE_TEXT,
        "\n".join(_table([["number", "OrdStatus(39)", "value"], *_precedence()])) + "\n",
        "## What passed\n",
        _totals(outcomes),
        "\n".join(_table([["", "scenario", "rows", *WAYS], *_overview(outcomes)])) + "\n",
        EXCEPTIONS,
        "\n".join(_exceptions()) + "\n",
        *(_scenario(scenario, outcomes) for scenario in SCENARIOS),
    ]
    return "\n".join(parts)


def _precedence() -> Iterator[list[str]]:
    for status in PRECEDENCE:
        yield [str(RANKS[status]), _words(status.name), f"`{status.value}`"]


def _exceptions() -> Iterator[str]:
    reasons = [*NOT_OUR_STATUS.items(), *NOT_OUR_ORDER_QTY.items(), *BY_ITSELF.items(), *NOT_SAID.items()]
    reasons += [(key, by_hand.why) for key, by_hand in BY_HAND.items()]
    for (scenario, path, row), why in sorted(reasons):
        yield f"- {scenario} {_spaced(path)}, row {row}: {why}."


def _totals(outcomes: Outcomes) -> str:
    rows = sum(len(path.rows) for _, path in PATHS)
    lines = [f"{len(SCENARIOS)} scenarios, {len(PATHS)} paths, {rows} rows.", ""]
    for way in WAYS:
        passed = [outcome for (driven, *_), outcome in outcomes.items() if driven == way and not outcome.problem]
        checked = sum(outcome.rows for outcome in passed)
        lines.append(f"- {way}: {len(passed)} of {len(PATHS)} paths passed, {checked} of {rows} rows checked")
    return "\n".join([*lines, ""])


def _overview(outcomes: Outcomes) -> Iterator[list[str]]:
    for scenario in SCENARIOS:
        rows = sum(len(path.rows) for path in scenario.paths)
        link = f"[{scenario.id}](#{_anchor(scenario)})"
        found = [_verdict([outcomes[way, scenario.id, path.name] for path in scenario.paths]) for way in WAYS]
        yield [link, scenario.title, str(rows), *found]


def _verdict(outcomes: Sequence[Outcome]) -> str:
    return "FAILED" if any(outcome.problem for outcome in outcomes) else "passed"


def _scenario(scenario: Scenario, outcomes: Outcomes) -> str:
    lines = [f"## {_heading(scenario)}", "", f"Source: {scenario.source}."]
    if scenario.given:
        lines += ["", f"Before the first row: {scenario.given}."]
    lines += ["", f"The order: {_order(scenario)}.", ""]
    for path in scenario.paths:
        lines += [f"### {scenario.id} {_spaced(path.name)}", "", _path_verdicts(scenario, path, outcomes), ""]
        lines += [*_rows(scenario, path), ""]
    return "\n".join(lines)


def _path_verdicts(scenario: Scenario, path: Path, outcomes: Outcomes) -> str:
    told = []
    for way in WAYS:
        outcome = outcomes[way, scenario.id, path.name]
        told.append(f"{way} FAILED: {outcome.problem}" if outcome.problem else f"{way} passed")
    return f"{len(path.rows)} rows: {', '.join(told)}."


def _order(scenario: Scenario) -> str:
    line = (SCENARIO_DIR / f"{scenario.id}.txt").read_text(encoding="utf-8").splitlines()[2]
    return ", ".join(f"`{term}`" for term in line.removeprefix("order: ").split())


def _rows(scenario: Scenario, path: Path) -> list[str]:
    """The path's table as it stands in its file, numbered."""
    text = (SCENARIO_DIR / f"{scenario.id}.txt").read_text(encoding="utf-8").splitlines()
    table = [[cell.strip() for cell in line.split("|")] for line in text[path.rows[0].line - 2 : path.rows[-1].line]]
    width = len(table[0])
    numbered = [[str(number) if number else "", *row] for number, row in enumerate(table)]
    return _table([row + [""] * (width + 1 - len(row)) for row in numbered])


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns are aligned, so that it reads well as text too."""
    widths = [max(3, *(len(cell) for cell in column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]


def _heading(scenario: Scenario) -> str:
    return f"{scenario.id} {scenario.title}"


def _anchor(scenario: Scenario) -> str:
    """What GitHub makes of the heading."""
    kept = "".join(c for c in _heading(scenario).lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _words(name: str) -> str:
    return _spaced(name).title().replace(" For ", " for ")


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def main() -> None:
    """Run everything and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = all_outcomes(FilePath(folder))
    PAGE.write_text(page(outcomes), encoding="utf-8")
    failed = sum(bool(outcome.problem) for outcome in outcomes.values())
    print(f"{PAGE.name}: {len(outcomes) - failed} paths passed, {failed} failed")
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
