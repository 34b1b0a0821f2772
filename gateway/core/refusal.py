"""The gateway's own no."""

from gateway.core.types import Reason


class Refusal(Exception):
    """The gateway says no. `field` is the request's field at fault, empty when it is not the request's fault."""

    def __init__(self, reason: Reason, field: str, text: str) -> None:
        super().__init__(text)
        self.reason, self.field, self.text = reason, field, text
