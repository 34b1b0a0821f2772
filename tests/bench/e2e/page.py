"""docs/performance.md and its plots: what a run showed, and how to read it."""

# ruff: noqa: E501 - the lines of the page are as long as in the other pages.

from collections.abc import Collection
from pathlib import Path

from ops.stack import ROOT
from tests.bench.e2e.plots import plots
from tests.bench.e2e.report import Report
from tests.bench.e2e.tables import markdown, tables, under

DOCS = ROOT / "docs"

_INTRODUCTION = """\
# Performance

What an order costs in time and in processor, measured on real processes over the loopback of one machine. `make bench` measures everything
in under ten minutes, `make bench-quick` the comparison alone in under one; `make bench REPORT=docs` writes this page,
and refuses to when the tree has changes that no commit has.
"""

_HOW = """\
## How to read it

A figure of one machine says little about another one, so what counts are the ratios: every contestant ran in this same run, on
this same machine, with the same messages, and each had a simulated venue of its own with the same configuration.

| contestant | what it is |
| --- | --- |
| echo | a floor: a bare gRPC stream that answers each order at once |
| fix | a floor: bare QuickFIX for Python, from an order to the venue's acknowledgement |
| bridge | the peer: gRPC and QuickFIX in one process and nothing between them: no journal, no risk, no state |
| process, power | the gateway with everything on: durable journal in SQLite, a limit of every control at the levels where rules ask for them, projections, metrics. `power` syncs every commit to the disk, `process` survives kill -9 |
| ..., lane | the same, its client on [the lane](api.md#the-lane): a Unix socket without gRPC, for clients on the gateway's own host |
| ..., unix | the same, its client on a Unix socket with gRPC |
| ..., postgres | the same with the journal in PostgreSQL |

- **An order** is a BUY that rests: 20 instruments and 20 accounts in turn, one price. Its round trip begins when it was due, whether or
  not the load could send it then, and ends when the client has the venue's acknowledgement. A server that stalls makes all
  orders late that were due meanwhile, and all of them count (no coordinated omission; the times are in HdrHistograms).
- **The load** is a process of its own that sends at a fixed rate, whatever becomes of the orders, each in a message of its own on the Trade
  stream. For the highest sustained rate it sends once in a millisecond what is due, in one message. QuickFIX's floor is its own load,
  and its timer is that of `time.sleep`, some 50 us late.
- **Slices.** A small shared machine changes its speed by a factor of two within seconds. So each contestant runs for short slices, one after
  the other in rounds, each round from another one on; before each slice all wait until nobody has anything left to do, and the first
  part of a slice is a warm-up that does not count. A figure is the median over slices, with the smallest and the largest in
  parentheses; p99.9 and max are those of all slices together. A ratio is the median of the ratios within each round.
- **Order to wire** is from the receipt of the command to the return from QuickFIX's send, inside the gateway: queueing, checks, commit and
  encoding.
- **Processor** is what the kernel says of each process, warm-up and what is done after the slice included, divided by all orders.
  The follower is the second process of a gateway, which proves the journal, writes snapshots and fills the projections.
- **The yardstick** is a fixed loop of Python before each slice. Its range shows how much the machine itself wavered.
"""

_LIMITS = """\
## What it does not show

- Everything shares the same {cores} cores: client, gateway, its follower and venue. With cores for each the gateway alone is what limits it.
- Orders rest, so the open orders of all contestants grow in a run. The part beside open orders cancels what it added.
- The loopback is no network, and the simulated venue, in Python too, is slower than a real one and part of every round trip but echo's.
- One in a thousand orders of a short slice is few. p99.9 and max move from run to run.
"""


def write(report: Report, docs: Path = DOCS) -> None:
    """Write the page and its plots."""
    folder = docs / "performance"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = dict(plots(report))
    for name, text in drawn.items():
        (folder / f"{name}.svg").write_text(text)
    (docs / "performance.md").write_text(_text(report, drawn))


def _text(report: Report, drawn: Collection[str]) -> str:
    parts = [_INTRODUCTION, _where(report), _HOW]
    for cells in tables(report):
        parts.append(f"## {cells.title}\n\n{markdown(cells)}\n")
        parts += [f"![{cells.title}](performance/{name}.svg)\n" for name in cells.plots if name in drawn]
    return "\n".join([*parts, _LIMITS.format(cores=report.machine["cores"])])


def _where(report: Report) -> str:
    machine = report.machine
    return (
        f"Measured {machine['date']} in {report.seconds:,.0f} s at commit {machine['commit']}: {machine['cpu']},"
        f" {machine['cores']} cores, Linux\n{machine['kernel']}, Python {machine['python']}.\n\n{under(report)}\n"
    )
