"""How tables of this project look on a terminal: every value whole on one line, for as many columns as fit."""

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

_GAP = 2
_FOLDED_WIDTH = 24
_FIGURES_GAP = 3
_FIGURES_IN_A_LINE = (6, 4, 3, 2)
# Wide enough for every table: what is not read on a terminal must not be cut to fit one.
_WIDTH_WITHOUT_TERMINAL = 240


class Columns:
    """A table that leaves out whole columns where the terminal is too narrow, and names them beside its title.

    Columns without a single value go first, then those of `spare` from its beginning. When that is not enough, and
    wherever nobody looks at a terminal, values are folded; none is ever cut off.

    Args:
        title: stands above.
        names: the columns' headings.
        right: those that are right-aligned.
        spare: those that may be left out, the least important first.
        folds: those whose values may be folded before any column is left out.
    """

    def __init__(
        self, title: str, names: Sequence[str], *, right: Sequence[str], spare: Sequence[str], folds: Sequence[str]
    ) -> None:
        self._title = title
        self._names = names
        self._right, self._spare, self._folds = right, spare, folds
        self._rows: list[tuple[Text, ...]] = []

    def add(self, cells: Iterable[str | Text]) -> None:
        """Add a row. What others wrote is text and never markup."""
        self._rows.append(tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The title on one line, then the table, or that there is nothing."""
        if not self._rows:
            yield Text.assemble((f"{self._title}: ", "bold"), "none")
            return
        shown = self._fitting(options.max_width) if options.is_terminal else set(self._names)
        missing = [name for name in self._names if name not in shown and any(self._values(name))]
        yield self._heading(missing)
        names = [name for name in self._names if name in shown]
        widths = {name: max(cell_len(name), *map(cell_len, self._values(name))) for name in names}
        if self._is_plain(widths, options):
            yield from self._lines(console, widths)
            return
        made = Table(box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False, show_edge=False)
        for name in self._names:
            if name in shown:
                made.add_column(Text(name, "dim"), justify="right" if name in self._right else "left", overflow="fold")
        for cells in self._rows:
            made.add_row(*(cell for name, cell in zip(self._names, cells, strict=True) if name in shown))
        yield made

    def _is_plain(self, widths: dict[str, int], options: ConsoleOptions) -> bool:
        """Whether every value has its place on one line."""
        broken = any("\n" in cell.plain or "\t" in cell.plain for cells in self._rows for cell in cells)
        return not broken and not options.ascii_only and self._total(widths, ()) <= options.max_width

    def _lines(self, console: Console, widths: dict[str, int]) -> RenderResult:
        """As rich's table looks, which takes minutes for a hundred thousand rows."""
        places = {self._names.index(name): (width, name in self._right) for name, width in widths.items()}
        yield from _line(console, places, [Text(name, "bold dim") for name in self._names])
        yield Segment("─" * self._total(widths, ()) + "\n")
        for cells in self._rows:
            yield from _line(console, places, cells)

    def _heading(self, missing: list[str]) -> Text:
        without = f"   without {', '.join(missing)}" if missing else ""
        return Text.assemble((self._title, "bold"), (without, "dim"), no_wrap=True, overflow="ellipsis")

    def _fitting(self, width: int) -> set[str]:
        widths = {name: self._width(name) for name in self._names}
        empty = [name for name in self._names if not any(self._values(name))]
        order = [*empty, *(name for name in self._spare if name not in empty)]
        left_out: list[str] = []
        while order and self._total(widths, left_out) > width:
            left_out.append(order.pop(0))
        for name in reversed(left_out.copy()):
            back = [each for each in left_out if each != name]
            if self._total(widths, back) <= width:
                left_out = back
        return set(self._names) - set(left_out)

    def _total(self, widths: dict[str, int], left_out: Sequence[str]) -> int:
        kept = [size for name, size in widths.items() if name not in left_out]
        return sum(kept) + _GAP * (len(kept) - 1)

    def _width(self, name: str) -> int:
        widest = max((cell_len(value) for value in self._values(name)), default=0)
        return max(cell_len(name), min(widest, _FOLDED_WIDTH) if name in self._folds else widest)

    def _values(self, name: str) -> list[str]:
        index = self._names.index(name)
        return [cells[index].plain for cells in self._rows]


def _line(console: Console, places: dict[int, tuple[int, bool]], cells: Sequence[Text]) -> Iterator[Segment]:
    """One row: the cells of these columns, each with its width and whether it is right-aligned."""
    gap = ""
    for place, (width, right) in places.items():
        cell = cells[place]
        style, blank = console.get_style(cell.style), " " * (width - cell.cell_len)
        yield Segment(gap)
        if right:
            yield Segment(blank, style)
        yield from Segment.apply_style(cell.render(console), style)
        if not right:
            yield Segment(blank, style)
        gap = " " * _GAP
    yield Segment.line()


class Figures:
    """Short texts in lines below each other: six in a line, or as many as all lines have room for."""

    def __init__(self, figures: Sequence[Text]) -> None:
        self._figures = figures

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """A grid of as many columns as fit."""
        count = next((count for count in _FIGURES_IN_A_LINE if self._width(count) <= options.max_width), 1)
        grid = Table.grid(padding=(0, _FIGURES_GAP))
        for _ in range(count):
            grid.add_column(no_wrap=True)
        for first in range(0, len(self._figures), count):
            grid.add_row(*self._figures[first : first + count])
        yield grid

    def _width(self, count: int) -> int:
        columns = [max(figure.cell_len for figure in self._figures[first::count]) for first in range(count)]
        return sum(columns) + _FIGURES_GAP * count


def table(
    title: str, *names: str, right: Sequence[str] = (), spare: Sequence[str] = (), folds: Sequence[str] = ()
) -> Columns:
    """An empty table; `Columns` explains the arguments."""
    return Columns(title, names, right=right, spare=spare, folds=folds)


def first_of(title: str, shown: int, total: int) -> str:
    """A table's title, which says so when not all is shown."""
    return f"{title}, the first {shown:,} of {total:,}" if shown < total else title


def row(to: Table | Columns, *cells: str | Text) -> None:
    """Add a row. What others wrote is text and never markup."""
    if isinstance(to, Columns):
        to.add(cells)
    else:
        to.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def apart(*parts: RenderableType) -> RenderableType:
    """One below the other, with an empty line between."""
    return Group(*(line for part in parts for line in (part, "")))


def output() -> Console:
    """Standard output: as wide as the terminal, and wide enough for everything where it is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL, highlight=False)
