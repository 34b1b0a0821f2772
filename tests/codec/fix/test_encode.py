"""Committed records to messages: exact fields in every version, and nothing smuggled in."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec.fix import FIX42, FIX44, EncodeError, Encoder, encode_business_reject
from gateway.codec.fix.times import parse_utc_timestamp, utc_timestamp
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.events import (
    CancelRequested,
    Cause,
    InstrumentHalted,
    OrderRouted,
    OrderView,
    ReconciliationStarted,
    Record,
    ReplaceRequested,
    StatusRequested,
    Terms,
)
from gateway.core.risk.events import MassCancelSent
from gateway.core.types import OrdStatus, OrdType, Side, TimeInForce
from tests.codec.fix.reports import VERSIONS, dialect, parse

AT_NS = 1_767_323_045_678_901_234  # 2026-01-02 03:04:05.678901234 UTC
CAUSE = Cause("client", "alice")


def view(**changes: Any) -> OrderView:
    base: dict[str, Any] = {
        "order_id": "1",
        "client_id": "alice",
        "cl_ord_id": "a1",
        "symbol": "ACME",
        "venue": "XSIM",
        "side": Side.BUY,
        "ord_type": OrdType.LIMIT,
        "terms": Terms(Decimal(100), price=Decimal("10.5")),
        "ord_status": OrdStatus.PENDING_NEW,
        "cum_qty": Decimal(0),
        "leaves_qty": Decimal(100),
        "avg_px": Decimal(0),
        "account": "house",
    }
    return OrderView(**(base | changes))


def record(event: Any, order: OrderView | None) -> Record:
    return Record(1, AT_NS, CAUSE, event, order)


def order(begin_string: str = FIX44, **changes: Any) -> dict[str, str]:
    encoder = Encoder(dialect(begin_string))
    return parse(encoder.encode(record(OrderRouted("1", "XSIM", "g1"), view(**changes))))


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_a_new_order(begin_string: str) -> None:
    terms = Terms(Decimal(100), TimeInForce.GTC, Decimal("10.50"), max_floor=Decimal(10))
    assert order(begin_string, terms=terms, exec_inst="1 6") == {
        "35": "D", "11": "g1", "1": "H-001", "21": "1", "55": "ACM.N", "54": "1", "60": "20260102-03:04:05.678",
        "38": "100", "40": "2", "59": "1", "44": "10.50", "111": "10", "18": "1 6",
    }  # fmt: skip


def test_a_cancel_a_replace_and_a_status_request() -> None:
    encoder = Encoder(dialect(ex_destination="XNYS"))
    known = view(venue_order_id="V1")
    cancel = CancelRequested("1", "XSIM", "a2", "g2", "g1", CancelOrder("alice", "a2", "a1"))
    assert parse(encoder.encode(record(cancel, known))) == {
        "35": "F", "41": "g1", "37": "V1", "11": "g2", "1": "H-001", "55": "ACM.N", "54": "1",
        "60": "20260102-03:04:05.678", "38": "100",
    }  # fmt: skip
    terms = Terms(Decimal(120), TimeInForce.GTD, Decimal(11), Decimal("10.9"), AT_NS, Decimal(5))
    replace = ReplaceRequested("1", "XSIM", "a3", "g3", "g1", terms, ReplaceOrder("alice", "a3", "a1"))
    assert parse(encoder.encode(record(replace, known))) == {
        "35": "G", "37": "V1", "41": "g1", "11": "g3", "1": "H-001", "21": "1", "100": "XNYS", "55": "ACM.N", "54": "1",
        "60": "20260102-03:04:05.678", "38": "120", "40": "2", "59": "6", "44": "11", "99": "10.9", "111": "5",
        "126": "20260102-03:04:05.678",
    }  # fmt: skip
    status = encoder.encode(record(StatusRequested("1", "XSIM", "g3", "no answer"), view()))
    assert parse(status) == {"35": "H", "11": "g3", "1": "H-001", "55": "ACM.N", "54": "1"}


@pytest.mark.parametrize(
    ("side", "located"), [(Side.SELL, None), (Side.SELL_SHORT, "N"), (Side.SELL_SHORT_EXEMPT, "N")]
)
def test_short_sales_say_that_the_shares_are_located(side: Side, located: str | None) -> None:
    assert order(side=side).get("114") == located


@pytest.mark.parametrize(
    ("begin_string", "ord_type", "said"),
    [
        (FIX42, OrdType.MARKET, {"40": "5"}),
        (FIX42, OrdType.LIMIT, {"40": "B"}),
        (FIX44, OrdType.MARKET, {"40": "1", "59": "7"}),
        (FIX44, OrdType.STOP, {"40": "3", "59": "7"}),
    ],
)
def test_at_the_close(begin_string: str, ord_type: OrdType, said: dict[str, str]) -> None:
    fields = order(begin_string, ord_type=ord_type, terms=Terms(Decimal(1), TimeInForce.ATC))
    assert {tag: fields[tag] for tag in ("40", "59") if tag in fields} == said


def test_fix_42_has_no_stop_orders_at_the_close() -> None:
    with pytest.raises(EncodeError, match=r"TimeInForce\(59\)"):
        order(FIX42, ord_type=OrdType.STOP, terms=Terms(Decimal(1), TimeInForce.ATC))


@given(
    qty=st.decimals(0, 10**15, places=10),
    price=st.none() | st.decimals(-(10**14), 10**14, places=10),
    begin_string=st.sampled_from(VERSIONS),
)
def test_numbers_travel_exactly_and_plainly(qty: Decimal, price: Decimal | None, begin_string: str) -> None:
    fields = order(begin_string, terms=Terms(qty, price=price))
    assert Decimal(fields["38"]) == qty
    assert "E" not in fields["38"]
    assert (Decimal(fields["44"]) if "44" in fields else None) == price


@given(text=st.text(min_size=1), field=st.sampled_from(["exec_inst", "account"]))
def test_no_text_smuggles_in_a_field(text: str, field: str) -> None:
    replace = ReplaceRequested("1", "XSIM", "a3", "g3", "g1", Terms(Decimal(1)), ReplaceOrder("alice", "a3", "a1"))
    given_view = view(**{field: text})
    tags = set(parse(Encoder(dialect()).encode(record(replace, view(exec_inst="1", venue_order_id="V")))))
    try:
        body = Encoder(dialect()).encode(record(replace, given_view))
    except EncodeError:
        assert not (text.isascii() and text.isprintable())
        return
    assert set(parse(body)) <= tags
    assert text in parse(body).values()


@given(name=st.text() | st.just("NONE"))
def test_a_cancel_does_not_fail_for_the_name_that_the_venue_gave_the_order(name: str) -> None:
    """OrderID(37) is the venue's own and not required: without it OrigClOrdID(41) says which order is meant."""
    cancel = CancelRequested("1", "XSIM", "a2", "g2", "g1", CancelOrder("alice", "a2", "a1"))
    fields = parse(Encoder(dialect()).encode(record(cancel, view(venue_order_id=name))))
    can_be_sent = name not in ("", "NONE") and name.isascii() and name.isprintable()
    assert (fields.pop("37", None), fields["41"]) == (name if can_be_sent else None, "g1")
    assert set(fields) == {"35", "41", "11", "1", "55", "54", "60", "38"}


@pytest.mark.parametrize("text", ["1\x0110=000", "a\nb", "\x00", "é", "\udce9"])
def test_what_fix_does_not_allow_is_named(text: str) -> None:
    with pytest.raises(EncodeError, match="tag 18 has a character that FIX does not allow"):
        order(exec_inst=text)


def test_what_is_not_traded_there_or_is_no_order_is_refused() -> None:
    with pytest.raises(EncodeError, match="OTHER is not traded at XSIM"):
        order(symbol="OTHER")
    encoder = Encoder(dialect())
    with pytest.raises(EncodeError, match="InstrumentHalted is not sent to a venue"):
        encoder.encode(record(InstrumentHalted("ACME", "why"), view()))
    with pytest.raises(EncodeError, match="record 1 has no order"):
        encoder.encode(record(OrderRouted("1", "XSIM", "g1"), None))


def test_a_dialect_adds_constant_tags_and_asks_for_others() -> None:
    encoder = Encoder(dialect(add={"D": {"9001": "GW"}}, required={"D": (49, 1, 9001, 76), "F": (1,)}))
    body = encoder.encode(record(OrderRouted("1", "XSIM", "g1"), view()))
    assert parse(body)["9001"] == "GW"
    assert encoder.missing_required(body) == [76]
    assert encoder.missing_required(encoder.encode(record(OrderRouted("1", "XSIM", "g1"), view(account="")))) == [1, 76]


def test_a_business_reject_can_always_be_said() -> None:
    body = parse(encode_business_reject("8", 12, 5, "LastQty(32)\x01 is missing ü", "e\x021"))
    assert body == {"35": "j", "45": "12", "372": "8", "380": "5", "58": "LastQty(32)? is missing ?", "379": "e?1"}


@given(ns=st.integers(0, 4_102_444_800_000).map(lambda ms: ms * 1_000_000))
def test_times_there_and_back(ns: int) -> None:
    assert parse_utc_timestamp(utc_timestamp(ns)) == ns


@pytest.mark.parametrize("begin_string", [version for version in VERSIONS if version != FIX42])
def test_all_orders_are_asked_for_by_one_request(begin_string: str) -> None:
    body = Encoder(dialect(begin_string)).encode(
        record(ReconciliationStarted("XSIM", 1, "mass", "logon", 3, "M1"), None)
    )
    assert parse(body) == {"35": "AF", "584": "M1", "585": "7"}


def test_fix_42_cannot_ask_for_all_orders() -> None:
    with pytest.raises(EncodeError, match=r"FIX 4\.2 has no OrderMassStatusRequest\(35=AF\)"):
        Encoder(dialect(FIX42)).encode(record(ReconciliationStarted("XSIM", 1, "mass", "logon", 3, "M1"), None))


@pytest.mark.parametrize("begin_string", [version for version in VERSIONS if version != FIX42])
def test_all_orders_are_canceled_by_one_request(begin_string: str) -> None:
    body = Encoder(dialect(begin_string)).encode(record(MassCancelSent("XSIM", "g9", "firm"), None))
    assert parse(body) == {"35": "q", "11": "g9", "530": "7", "60": "20260102-03:04:05.678"}


def test_a_mass_cancel_has_the_tags_of_its_dialect() -> None:
    encoder = Encoder(dialect(add={"q": {"9001": "GW"}}, required={"q": (1, 9001)}))
    body = encoder.encode(record(MassCancelSent("XSIM", "g9", "firm"), None))
    assert parse(body)["9001"] == "GW"
    assert encoder.missing_required(body) == [1]


def test_fix_42_cannot_cancel_all_orders_at_once() -> None:
    with pytest.raises(EncodeError, match=r"FIX 4\.2 has no OrderMassCancelRequest\(35=q\)"):
        Encoder(dialect(FIX42)).encode(record(MassCancelSent("XSIM", "g9", "firm"), None))
