"""A table shows every value whole on one line; on a narrow terminal whole columns are left out, and named."""

import time

import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from gateway.cli.layout import Columns, row, table

NAMES = ("symbol", "note", "price", "empty", "text")


def a_table(text: str = "short") -> Columns:
    made = table("Things", *NAMES, right=("price",), spare=("note", "price"), folds=("text",))
    row(made, "ACME", "a note of some length", "100.05", "", text)
    row(made, "GLOBEX", "another", "7", "", "")
    return made


def lines(made: Columns, width: int, *, terminal: bool = True) -> list[str]:
    console = Console(width=width, force_terminal=terminal, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(made)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_where_there_is_room_everything_is_shown() -> None:
    assert lines(a_table(), 80) == [
        "Things",
        "symbol  note                    price  empty  text",
        "───────────────────────────────────────────────────",
        "ACME    a note of some length  100.05         short",
        "GLOBEX  another                     7",
    ]


@pytest.mark.parametrize(
    ("width", "title", "heading"),
    [
        (50, "Things", "symbol  note                    price  text"),
        (40, "Things   without note", "symbol   price  empty  text"),
        (26, "Things   without note", "symbol   price  text"),
        (19, "Things   without n…", "symbol  text"),
    ],
)
def test_columns_without_a_value_go_first_then_the_least_important(width: int, title: str, heading: str) -> None:
    shown = lines(a_table(), width)
    assert shown[:2] == [title, heading]
    assert max(map(len, shown)) <= width
    assert len([line for line in shown if line.startswith(("ACME", "GLOBEX"))]) == 2


def test_a_column_may_be_folded_before_others_are_left_out() -> None:
    shown = lines(a_table("word " * 20), 80)
    assert "without" not in shown[0]
    assert "".join(shown).count("word") == 20


@pytest.mark.parametrize(("width", "terminal"), [(20, False), (5, True)])
def test_without_a_terminal_or_without_any_room_values_are_folded_and_never_lost(width: int, *, terminal: bool) -> None:
    made = table("T", "symbol", "price")
    row(made, "ABCDEFGHIJKLMNOP", "123456789012")
    text = "".join("".join(lines(made, width, terminal=terminal)).split())
    assert [char for char in "ABCDEFGHIJKLMNOP" if char not in text] == []
    assert "…" not in text


def test_nothing_is_said_to_be_nothing() -> None:
    assert lines(table("Things", *NAMES), 80) == ["Things: none"]


def shown(made: Columns, width: int) -> list[tuple[str, Style | None]]:
    """Every character with its style; a blank has none that anybody sees."""
    console = Console(width=width, force_terminal=True, color_system="truecolor", legacy_windows=False)
    segments = [part for line in console.render_lines(made, pad=False) for part in [*line, Segment("\n")]]
    return [(char, None if char.isspace() else part.style or Style()) for part in segments for char in part.text]


def test_a_table_with_room_looks_as_rich_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = table("Things", *NAMES, right=("price",))
    row(made, Text("ACME", "bold red"), Text.assemble(("漢字", "green"), " and é"), "100.05", "", "[b]text[/b]")
    row(made, "", "n", Text("7", "on blue"), "", Text.assemble("a ", ("part", "dim")))
    quick = shown(made, 80)
    monkeypatch.setattr(Columns, "_is_plain", lambda *_: False)
    assert quick == shown(made, 80)


def test_a_value_of_several_lines_stays_in_its_column() -> None:
    assert lines(a_table("two\nlines"), 80)[3:5] == [
        "ACME    a note of some length  100.05         two",
        "                                              lines",
    ]


def test_many_rows_take_no_more_than_a_moment_each() -> None:
    made = table("Things", *NAMES, right=("price",))
    for number in range(20_000):
        row(made, "ACME", f"note {number}", "100.05", "", "text")
    began = time.process_time()
    assert len(lines(made, 80, terminal=False)) == 20_003
    assert time.process_time() - began < 10  # Rich's own table takes 20 s and more.
