"""docs/session-cases.md says what the tables of cases say, and nothing but passed cases; each case is a test beside."""

from types import SimpleNamespace

from tests.conformance.session.page import PAGE, PASSED, Outcomes, page, tables


def test_the_page_is_what_a_run_that_passes_gives() -> None:
    """`make session-cases` writes it again."""
    passed = {(word, case.id): PASSED for word, table in tables().items() for case in table}
    assert PAGE.read_text(encoding="utf-8") == page(passed)


def test_no_case_has_the_id_of_another() -> None:
    for table in tables().values():
        ids = [case.id for case in table]
        assert sorted(ids) == sorted(set(ids))


def test_a_case_that_failed_or_did_not_run_is_shown_as_such() -> None:
    first, second = tables()["acceptor"][:2]
    text = page({("acceptor", first.id): "FAILED"})
    assert (
        next(line for line in text.splitlines() if line.startswith(f"| {first.name}")).rstrip(" |").endswith("FAILED")
    )
    assert "not run" in next(line for line in text.splitlines() if line.startswith(f"| {second.name}"))


def test_a_case_fails_when_any_part_of_it_does() -> None:
    outcomes = Outcomes()
    for when, passed in (("setup", True), ("call", False), ("teardown", True)):
        report = SimpleNamespace(nodeid="tests/test_acceptor.py::test_y[the-case]", passed=passed, when=when)
        outcomes.pytest_runtest_logreport(report)
    assert outcomes.by_case == {("acceptor", "the-case"): "FAILED"}
