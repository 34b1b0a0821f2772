"""Requests about risk to commands: each field arrives, and what cannot be is named."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from gateway.codec.proto import risk_commands
from gateway.codec.proto.fields import InvalidField
from gateway.core.risk.commands import (
    DecideChange,
    EndOverride,
    GrantOverride,
    ResumeTrading,
    SetLimit,
    SetMarks,
    StopTrading,
)
from gateway.core.risk.events import Mark
from gateway.core.risk.setup import Limit
from gateway.core.types import Reason
from gateway.pb.v1 import gateway_pb2 as pb

RATE = Limit(Decimal(100), 10, Decimal("2.5"))


def limit(**changes: Any) -> pb.SetLimitRequest:
    made = {"scope": "firm", "control": "max_loss", "unit": "money", "reason": "r", "limit": pb.Limit(value="1")}
    return pb.SetLimitRequest(**{**made, **changes})


def marks(*given: pb.Mark, **rates: str) -> pb.SetMarksRequest:
    return pb.SetMarksRequest(marks=given, rates=rates)


@pytest.mark.parametrize(
    ("made", "command"),
    [
        (
            risk_commands.set_limit(
                pb.SetLimitRequest(
                    scope="desk:europe",
                    control="message_rate",
                    unit="count_per_s",
                    limit=pb.Limit(value="100", per_s=10, after="2.50"),
                    expires_ns=99,
                    reason="busy day",
                ),
                "op",
            ),
            SetLimit("op", "desk:europe", "message_rate", "count_per_s", "busy day", RATE, 99),
        ),
        (
            risk_commands.set_limit(limit(limit=None), "op"),
            SetLimit("op", "firm", "max_loss", "money", "r"),
        ),
        (
            risk_commands.decide_change(pb.DecideChangeRequest(change_id="C1", approve=True, reason="r"), "op"),
            DecideChange("op", "C1", approve=True, reason="r"),
        ),
        (
            risk_commands.grant_override(
                pb.GrantOverrideRequest(scope="account:A1", control="short_sale", until_ns=99, reason="r"), "op"
            ),
            GrantOverride("op", "account:A1", "short_sale", 99, "r"),
        ),
        (
            risk_commands.end_override(
                pb.EndOverrideRequest(scope="account:A1", control="short_sale", reason="r"), "op"
            ),
            EndOverride("op", "account:A1", "short_sale", "r"),
        ),
        (
            risk_commands.stop_trading(pb.StopTradingRequest(scope="firm", reason="r"), "op"),
            StopTrading("op", "firm", "r", cancels=True, allow_reducing=False),
        ),
        (
            risk_commands.stop_trading(
                pb.StopTradingRequest(scope="firm", reason="r", keep_orders=True, allow_reducing=True), "op"
            ),
            StopTrading("op", "firm", "r", cancels=False, allow_reducing=True),
        ),
        (
            risk_commands.resume_trading(pb.ResumeTradingRequest(scope="firm", source="kill", reason="r"), "op"),
            ResumeTrading("op", "firm", "kill", "r"),
        ),
        (
            risk_commands.set_marks(marks(pb.Mark(symbol="ACME", px="10.50", bid="10", ask="11"), USD="0.9"), "prices"),
            SetMarks(
                "prices", (Mark("ACME", Decimal("10.5"), Decimal(10), Decimal(11)),), {"USD": Decimal("0.9")}
            ),
        ),
    ],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_every_field_arrives(made: object, command: object) -> None:
    assert made == command


@pytest.mark.parametrize(
    ("make", "request_", "field", "reason"),
    [
        (risk_commands.set_limit, limit(scope=""), "scope", Reason.FIELD_REQUIRED),
        (risk_commands.set_limit, limit(scope="x" * 97), "scope", Reason.FIELD_INVALID),
        (risk_commands.set_limit, limit(control=""), "control", Reason.FIELD_REQUIRED),
        (risk_commands.set_limit, limit(unit=""), "unit", Reason.FIELD_REQUIRED),
        (risk_commands.set_limit, limit(limit=pb.Limit()), "limit.value", Reason.FIELD_REQUIRED),
        (risk_commands.set_limit, limit(limit=pb.Limit(value="-1")), "limit.value", Reason.FIELD_INVALID),
        (risk_commands.set_limit, limit(limit=pb.Limit(value="NaN")), "limit.value", Reason.FIELD_INVALID),
        (risk_commands.set_limit, limit(limit=pb.Limit(value="1", after="-2")), "limit.after", Reason.FIELD_INVALID),
        (risk_commands.set_limit, limit(expires_ns=0), "expires_ns", Reason.FIELD_INVALID),
        (risk_commands.set_limit, limit(reason=""), "reason", Reason.FIELD_REQUIRED),
        (risk_commands.decide_change, pb.DecideChangeRequest(reason="r"), "change_id", Reason.FIELD_INVALID),
        (
            risk_commands.grant_override,
            pb.GrantOverrideRequest(scope="firm", control="c", reason="r"),
            "until_ns",
            Reason.FIELD_INVALID,
        ),
        (risk_commands.stop_trading, pb.StopTradingRequest(scope="firm"), "reason", Reason.FIELD_REQUIRED),
        (
            risk_commands.resume_trading,
            pb.ResumeTradingRequest(scope="firm", reason="r"),
            "source",
            Reason.FIELD_REQUIRED,
        ),
        (risk_commands.set_marks, marks(), "marks", Reason.FIELD_REQUIRED),
        (risk_commands.set_marks, marks(*[pb.Mark(symbol="A", px="1")] * 1_001), "marks", Reason.FIELD_INVALID),
        (risk_commands.set_marks, marks(pb.Mark(px="1")), "marks.symbol", Reason.FIELD_REQUIRED),
        (risk_commands.set_marks, marks(pb.Mark(symbol="A")), "marks.px", Reason.FIELD_REQUIRED),
        (risk_commands.set_marks, marks(pb.Mark(symbol="A", px="1", bid="x")), "marks.bid", Reason.FIELD_INVALID),
        (risk_commands.set_marks, marks(USD="0"), "rates", Reason.FIELD_INVALID),
    ],
)
def test_what_cannot_be_is_named(make: Callable[[Any, str], object], request_: Any, field: str, reason: Reason) -> None:
    with pytest.raises(InvalidField) as caught:
        make(request_, "op")
    assert (caught.value.field, caught.value.reason) == (field, reason)
