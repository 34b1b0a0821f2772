"""Requests about risk to commands. Whether a scope, a control or a unit is known is the core's to say."""

from decimal import Decimal
from typing import Any

from gateway.codec.proto import fields
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
from gateway.core.risk.marks import MAX_MARKS
from gateway.core.risk.setup import Limit
from gateway.core.types import Reason
from gateway.pb.v1 import gateway_pb2 as pb


def set_limit(request: pb.SetLimitRequest, operator: str) -> SetLimit:
    """A limit is another one, or none.

    Raises:
        InvalidField: as do all functions here.
    """
    return SetLimit(
        operator=operator,
        scope=fields.required_scope("scope", request.scope),
        control=fields.required_name("control", request.control),
        unit=fields.required_name("unit", request.unit),
        limit=_limit(request.limit) if request.HasField("limit") else None,
        expires_ns=fields.time_ns("expires_ns", request.expires_ns) if request.HasField("expires_ns") else None,
        reason=fields.note("reason", request.reason),
    )


def _limit(said: pb.Limit) -> Limit:
    after = _not_negative("limit.after", said.after) if said.after else Decimal(0)
    return Limit(_not_negative("limit.value", said.value), said.per_s, after)


def _not_negative(field: str, text: str) -> Decimal:
    number = fields.decimal(field, text)
    if number < 0:
        raise InvalidField(field, f"{text} is below 0")
    return number


def decide_change(request: pb.DecideChangeRequest, operator: str) -> DecideChange:
    """A second person's word."""
    change_id = fields.order_id("change_id", request.change_id)
    return DecideChange(operator, change_id, request.approve, fields.note("reason", request.reason))


def grant_override(request: pb.GrantOverrideRequest, operator: str) -> GrantOverride:
    """Orders of a scope pass one control for a time."""
    return GrantOverride(
        operator=operator,
        scope=fields.required_scope("scope", request.scope),
        control=fields.required_name("control", request.control),
        until_ns=fields.time_ns("until_ns", request.until_ns),
        reason=fields.note("reason", request.reason),
    )


def end_override(request: pb.EndOverrideRequest, operator: str) -> EndOverride:
    """They do not any more."""
    return EndOverride(operator, *_scope_and_control(request), fields.note("reason", request.reason))


def _scope_and_control(request: pb.EndOverrideRequest) -> tuple[str, str]:
    return fields.required_scope("scope", request.scope), fields.required_name("control", request.control)


def stop_trading(request: pb.StopTradingRequest, operator: str) -> StopTrading:
    """The kill switch."""
    return StopTrading(
        operator=operator,
        scope=fields.required_scope("scope", request.scope),
        reason=fields.note("reason", request.reason),
        cancels=not request.keep_orders,
        allow_reducing=request.allow_reducing,
    )


def resume_trading(request: pb.ResumeTradingRequest, operator: str) -> ResumeTrading:
    """A stop is over."""
    return ResumeTrading(
        operator=operator,
        scope=fields.required_scope("scope", request.scope),
        source=fields.required_name("source", request.source),
        reason=fields.note("reason", request.reason),
    )


def set_marks(request: pb.SetMarksRequest, operator: str) -> SetMarks:
    """What instruments and currencies are worth now."""
    count = len(request.marks) + len(request.rates)
    if not count:
        raise InvalidField("marks", "is required, or rates", Reason.FIELD_REQUIRED)
    if count > MAX_MARKS:
        raise InvalidField("marks", f"{count} marks and rates in one request, {MAX_MARKS} is the limit")
    rates = {
        fields.required_name("rates", name): fields.quantity("rates", value) for name, value in request.rates.items()
    }
    return SetMarks(operator, tuple([_mark(mark) for mark in request.marks]), rates)


def _mark(said: pb.Mark) -> Mark:
    return Mark(
        fields.required_name("marks.symbol", said.symbol),
        fields.decimal("marks.px", said.px),
        _price(said, "bid"),
        _price(said, "ask"),
    )


def _price(said: Any, field: str) -> Decimal | None:
    return fields.decimal(f"marks.{field}", getattr(said, field)) if said.HasField(field) else None
