"""Which events a reader asked for."""

from typing import Any, NamedTuple

from gateway.codec.proto import fields
from gateway.codec.proto.events import EVENT_TYPE
from gateway.codec.proto.fields import InvalidField
from gateway.core.events import Record
from gateway.pb.v1 import gateway_pb2 as pb

_EVENTS: dict[int, type] = {number: event for event, number in EVENT_TYPE.items()}


class Selection(NamedTuple):
    """What an event has to have to pass; empty means anything."""

    account: str = ""
    strategy: str = ""
    symbol: str = ""
    venue: str = ""
    types: frozenset[type] = frozenset()

    def passes(self, record: Record) -> bool:
        """True when the record has every value that was asked for."""
        if self.types and type(record.event) not in self.types:
            return False
        source = _source(record)
        return (
            self.account in ("", getattr(source, "account", None))
            and self.strategy in ("", getattr(source, "strategy", None))
            and self.symbol in ("", getattr(source, "symbol", None))
            and self.venue in ("", getattr(source, "venue", None))
        )


EVERYTHING = Selection()


def _source(record: Record) -> Any:
    """What knows account, strategy, symbol and venue: the order, else the event's command or report, else the event."""
    if record.order is not None:
        return record.order
    event = record.event
    return getattr(event, "command", None) or getattr(event, "report", None) or event


def selection(request: pb.EventFilter) -> Selection:
    """An EventFilter as the reader gave it.

    Raises:
        InvalidField: a name that cannot be, a type that is not known, or too many of them.
    """
    return Selection(
        account=fields.name("filter.account", request.account),
        strategy=fields.name("filter.strategy", request.strategy),
        symbol=fields.name("filter.symbol", request.symbol),
        venue=fields.name("filter.venue", request.venue),
        types=frozenset(map(_event, fields.listed("filter.types", request.types))),
    )


def _event(number: int) -> type:
    event = _EVENTS.get(number)
    if event is None:
        raise InvalidField("filter.types", f"{number} is not a type of event")
    return event
