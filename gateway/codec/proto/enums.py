"""The API's enums and the core's, both ways. Built by name, so a member that one side lacks stops the import."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from gateway.core.types import DoubtOutcome, OrdStatus, OrdType, Severity, Side, TimeInForce
from gateway.pb.v1 import gateway_pb2 as pb

T = TypeVar("T", bound=StrEnum)


def _numbers(wrapper: Any, prefix: str, members: type[T]) -> dict[T, int]:
    return {member: wrapper.Value(f"{prefix}_{member.name}") for member in members}


def _members(numbers: Mapping[T, int]) -> dict[int, T]:
    return {number: member for member, number in numbers.items()}


SIDE_TO_PB = _numbers(pb.Side, "SIDE", Side)
ORD_TYPE_TO_PB = _numbers(pb.OrdType, "ORD_TYPE", OrdType)
TIME_IN_FORCE_TO_PB = _numbers(pb.TimeInForce, "TIME_IN_FORCE", TimeInForce)
ORD_STATUS_TO_PB = _numbers(pb.OrdStatus, "ORD_STATUS", OrdStatus)
SEVERITY_TO_PB = _numbers(pb.Severity, "SEVERITY", Severity)
_DOUBT_OUTCOME_TO_PB = _numbers(pb.DoubtOutcome, "DOUBT_OUTCOME", DoubtOutcome)

SIDE = _members(SIDE_TO_PB)
ORD_TYPE = _members(ORD_TYPE_TO_PB)
TIME_IN_FORCE = _members(TIME_IN_FORCE_TO_PB)
ORD_STATUS = _members(ORD_STATUS_TO_PB)
DOUBT_OUTCOME = _members(_DOUBT_OUTCOME_TO_PB)
