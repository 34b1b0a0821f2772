"""What people read is exact: no digit of a number is lost, times are UTC, ages have the unit that fits."""

import pytest
from rich.console import Console
from rich.text import Text

from gateway.cli import tables
from gateway.pb.v1 import gateway_pb2 as pb
from tests.cli.fake_gateway import NOON_NS, an_event, an_order

SECOND_NS = 1_000_000_000


def plain(renderable: object, width: int = 240) -> str:
    console = Console(width=width, record=True, quiet=False, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("0", "0"),
        ("1000", "1,000"),
        ("-1234567.5", "-1,234,567.5"),
        ("123456789012345.1234567891", "123,456,789,012,345.1234567891"),
        ("0.0000000001", "0.0000000001"),
    ],
)
def test_numbers_are_exact(text: str, shown: str) -> None:
    assert tables.number(text) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0.0 s"),
        (0.34, "0.3 s"),
        (9.9, "9.9 s"),
        (10, "10 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
    ],
)
def test_ages_have_the_unit_that_fits(seconds: float, shown: str) -> None:
    assert tables.age(NOON_NS - int(seconds * SECOND_NS), NOON_NS) == shown


def test_times_are_utc_and_have_their_date_when_it_is_not_today() -> None:
    assert tables.clock(NOON_NS + 7_999_999, NOON_NS) == "12:00:00.007"
    assert tables.clock(NOON_NS - 13 * 3_600 * SECOND_NS, NOON_NS) == "2026-03-01 23:00:00.000"


@pytest.mark.parametrize(
    ("side", "shown"),
    [
        (pb.SIDE_BUY, "BUY"),
        (pb.SIDE_SELL, "SELL"),
        (pb.SIDE_SELL_SHORT, "SHORT"),
        (pb.SIDE_SELL_SHORT_EXEMPT, "EXEMPT"),
    ],
)
def test_sides_are_short(side: int, shown: str) -> None:
    assert tables.side(side).plain == shown


def test_an_order_in_doubt_says_so_in_every_view() -> None:
    order = an_order("O1", in_doubt=True)

    assert tables.status(order).plain == "NEW IN DOUBT"
    assert "NEW IN DOUBT" in plain(tables.orders([order]))
    assert tables.event_line(an_event(1, pb.ORDER_IN_DOUBT, order), NOON_NS).plain.endswith("NEW IN DOUBT")


def test_an_orders_terms_are_shown_as_far_as_it_has_them() -> None:
    order = an_order("O1", ord_type=pb.ORD_TYPE_STOP)
    order.terms.ClearField("price")
    order.terms.stop_px = "98.5"
    order.terms.max_floor = "100"
    order.terms.expire_time_ns = NOON_NS
    order.pending.append("c2")

    shown = plain(tables.order_life(pb.GetOrderResponse(order=order), [], NOON_NS))
    assert "market @98.5" in shown
    assert "MaxFloor: 100   expires: 2026-03-02 12:00:00 UTC   unanswered: c2" in shown


def test_executions_that_do_not_count_any_more_say_so() -> None:
    lines = [
        pb.Execution(exec_id="E1", kind="fill", last_qty="5", last_px="10", time_ns=NOON_NS),
        pb.Execution(exec_id="E2", exec_ref_id="E1", kind="correction", last_qty="6", last_px="10", in_force=True),
        pb.Execution(exec_id="E3", kind="fill", last_qty="7", last_px="10", in_force=True, factor="2"),
    ]
    response = pb.GetOrderResponse(order=an_order("O1"), executions=lines, executions_total=9)

    shown = plain(tables.order_life(response, [], NOON_NS))
    assert "Executions, the newest 3 of 9" in shown
    rows = [line.split() for line in shown.splitlines() if "E1" in line or "E3" in line]
    assert rows[0][-3:] == ["5", "10", "no"]
    assert rows[1][-4:] == ["6", "10", "E1", "yes"]
    assert rows[2][-4:] == ["7", "10", "as", "14"]  # Since a split; quantity and price are those of the trade.


def test_what_others_wrote_is_shown_as_it_is_and_not_taken_for_markup() -> None:
    order = an_order("O1", cl_ord_id="[bold]x[/bold]", client_id="[red]")
    event = an_event(1, pb.ORDER_REJECTED, order, text="[link=evil]no[/link]")

    assert "[bold]x[/bold]" in plain(tables.orders([order]))
    assert isinstance(tables.event_line(event, NOON_NS), Text)
    assert "[link=evil]no[/link]" in plain(tables.event_line(event, NOON_NS))


def test_a_narrow_terminal_loses_nothing() -> None:
    order = an_order("O1", cl_ord_id="a-rather-long-client-order-id-0123456789")

    shown = plain(tables.orders([order]), width=100)
    assert "…" not in shown


@pytest.mark.parametrize(
    ("us", "shown"), [(0, "0 us"), (190, "190 us"), (9_999_999, "9,999,999 us"), (24_428_079, "24 s")]
)
def test_an_acknowledgement_by_a_person_is_told_in_seconds(us: int, shown: str) -> None:
    figures = pb.GetOverviewResponse(order_to_ack_p99_us=us)
    assert f"ack p99 {shown}   " in plain(tables.overview(figures, NOON_NS))


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_overview_breaks_no_figure(width: int) -> None:
    figures = pb.GetOverviewResponse(orders=1_000_000, executions=10_000_000, open_items=12, critical_items=3)
    lines = plain(tables.overview(figures, NOON_NS), width).splitlines()[1 if width > 60 else 0 :]

    assert max(map(len, lines)) <= width
    for figure in ("in memory 1,000,000", "executions 10,000,000", "items 12 (3 critical)", "ack p99 0 us"):
        assert any(figure in line for line in lines)


def test_a_report_about_no_execution_shows_none() -> None:
    event = an_event(1, pb.ORDER_STATUS_REPORTED, an_order("O1"), exec_id="0")
    assert "(0)" not in tables.event_line(event, NOON_NS).plain


def test_every_event_type_has_a_line() -> None:
    for number in pb.EventType.values():
        name = pb.EventType.Name(number)
        assert name in tables.event_line(an_event(1, number), NOON_NS).plain
