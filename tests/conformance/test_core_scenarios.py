"""Every path of the 47 scenarios of Appendix D through the core, each row checked."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from gateway.core import events as ev
from gateway.core.order import PRECEDENCE
from gateway.core.types import ExecType, OrdStatus, Reason
from tests.conformance.core_checks import CHECKS, NOT_OUR_STATUS, walk
from tests.conformance.core_run import CoreRun
from tests.conformance.expectations import NOT_OUR_ORDER_QTY, RANKS
from tests.conformance.scenario import Path, Scenario, load_scenarios

PATHS = [(scenario, path) for scenario in load_scenarios() for path in scenario.paths]
each_path = pytest.mark.parametrize(("scenario", "path"), [pytest.param(s, p, id=f"{s.id}-{p.name}") for s, p in PATHS])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@each_path
def test_every_row(check: Callable[[Scenario, Path], None], scenario: Scenario, path: Path) -> None:
    """Each check is described where it stands, in core_checks.py."""
    check(scenario, path)


def played(scenario_id: str, path_name: str = "main") -> CoreRun:
    """The run of one whole path."""
    scenario, path = next((s, p) for s, p in PATHS if (s.id, p.name) == (scenario_id, path_name))
    run = CoreRun(scenario)
    for row in path.rows:
        run.play(row)
    return run


def test_an_order_by_telephone_is_kept_aside_and_visible() -> None:
    """E.1.a: the gateway never sent it, so it has no owner and is nobody's position; it is not lost either."""
    run = played("E.1.a")
    assert not run.state.orders
    assert not run.state.positions
    assert run.state.set_aside_total == len(run.state.set_aside) == 4


@pytest.mark.parametrize("scenario_id", ["F.1.a", "F.1.b"])
def test_another_order_under_a_used_cl_ord_id_is_refused_with_its_reason(scenario_id: str) -> None:
    """Rule 3: the venue never sees it, so its reject is about a message that was not the gateway's."""
    run = played(scenario_id)
    (refused,) = run.events(ev.CommandRefused)
    assert (refused.reason, refused.field) == (Reason.DUPLICATE_CL_ORD_ID, "cl_ord_id")
    (ignored,) = run.events(ev.ReportIgnored)
    assert "duplicate" in ignored.why


def test_the_same_order_again_gets_the_same_answer_and_no_event() -> None:
    """Rule 3. F.1.b: the second New Order(X) is the first one again."""
    scenario, path = next((s, p) for s, p in PATHS if s.id == "F.1.b")
    run = CoreRun(scenario)
    again = [list(records) for key, _, records, *_ in walk(scenario, path, run) if key[2] == 3]
    assert again == [[]]


def test_an_order_that_the_venue_does_not_know_stays_in_doubt_until_it_is_proven_unsent() -> None:
    """Rule 2. B.1.f: a refused cancel is no proof; G.1.a: the answer to a question about the order is."""
    run = played("B.1.f")
    order = run.view("X")
    assert order is not None
    assert order.in_doubt
    assert not order.pending
    assert [event.order_id for event in run.events(ev.StatusRequested)] == [order.order_id]

    run = played("G.1.a")
    order = run.view("X")
    assert order is not None
    assert not order.in_doubt
    assert [type(record.event) for record in run.records][-1] is ev.OrderUnsent


def test_a_fill_busted_again_brings_the_guarantee_back() -> None:
    """L.1.a: Stopped outranks what is executed until that is more than what was guaranteed."""
    run = played("L.1.a")
    fill = run.events(ev.OrderFilled)[-1]
    run.bust("X", fill.exec_id)
    order = run.view("X")
    assert order is not None
    assert order.ord_status.name == "STOPPED"


def test_named_exceptions_are_still_needed() -> None:
    """An exception outlives its row only as a hole in the tests."""
    needed = set()
    for scenario, path in PATHS:
        run = CoreRun(scenario)
        for key, row, _, letter, expected in walk(scenario, path, run):
            if expected is None or row.sent is None:
                continue
            if row.ord_status is not run.status_at_the_venue(letter):
                needed.add(key)
            if row.expected_order_qty not in {None, expected.order_qty}:
                needed.add(key)
    assert needed == NOT_OUR_STATUS.keys() | NOT_OUR_ORDER_QTY.keys()


def test_an_order_by_amount_of_money_can_be_canceled_before_it_has_a_quantity() -> None:
    """L.1.b: its LeavesQty is not known yet, but it works."""
    scenario, path = next((s, p) for s, p in PATHS if s.id == "L.1.b")
    run = CoreRun(scenario)
    run.play(path.rows[0])
    run.cancel("Y", "X")
    assert [type(record.event) for record in run.records][-1] is ev.CancelRequested


def test_a_status_reply_tells_that_a_replace_arrived_but_not_that_it_was_accepted() -> None:
    """G.1.c, where the reply comes before the report that the replace is pending."""
    scenario, path = next((s, p) for s, p in PATHS if (s.id, p.name) == ("G.1.c", "pending"))
    run = CoreRun(scenario)
    for row in path.rows:
        if row.exec_type is not ExecType.PENDING_REPLACE:
            run.play(row)
        if row.ord_status is OrdStatus.PENDING_REPLACE and row.exec_type is ExecType.ORDER_STATUS:
            break
    order = run.view("X")
    assert order is not None
    assert (order.ord_status, order.terms.order_qty) == (OrdStatus.PENDING_REPLACE, Decimal(10000))
    assert run.status_at_the_venue("X") is OrdStatus.PENDING_REPLACE


def test_the_precedence_is_that_of_the_specification() -> None:
    """FIX 4.4, Appendix D, numbers the statuses; of equal ones the gateway shows the one that ends the order."""
    ranks = [RANKS[status] for status in PRECEDENCE]
    assert set(PRECEDENCE) == set(OrdStatus)
    assert ranks == sorted(ranks, reverse=True)
    assert PRECEDENCE[-3:] == (OrdStatus.REJECTED, OrdStatus.NEW, OrdStatus.PENDING_NEW)
