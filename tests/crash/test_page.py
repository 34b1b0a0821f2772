from tests.crash import page


def test_every_crash_point_has_tests_that_kill_a_process_there() -> None:
    assert {case.point for case in page.cases()} == set(page.RULES)


def test_the_page_is_what_the_tests_and_the_campaigns_make_it() -> None:
    """When it is not: python -m tests.crash.page."""
    assert page.PAGE.read_text() == page.page()
