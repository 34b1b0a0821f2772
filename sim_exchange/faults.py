"""The fault script: which messages go wrong, exactly or by seeded chance. It only decides."""

from random import Random

from sim_exchange.codec import BusinessReject, SessionReject
from sim_exchange.config import FaultConfig
from sim_exchange.enums import OrdRejReason
from sim_exchange.instruments import Refusal
from sim_exchange.messages import Reply, Report
from sim_exchange.orders import RuleBroken

TRANSPORT = frozenset(("delay", "duplicate", "reorder", "poss_dup", "poss_resend", "drop", "gap", "lose", "torn"))
INBOUND = frozenset(("reject", "silence", "session_reject", "business_reject", "refuse_logon", "lose_numbers"))
_LOGON = frozenset(("refuse_logon", "lose_numbers"))
_ANY_MESSAGE = frozenset(("session_reject", "business_reject"))
_REQUESTS = frozenset("DFG")
MAX_FAULTS = 1000
# What an order fault waits for when it names no ExecType(150): an execution to take back, or a fresh order.
_DEFAULT_EXEC_TYPE = {"bust": "F", "correct": "F"}


class _Armed:
    def __init__(self, fault: FaultConfig, rng: Random) -> None:
        self.fault = fault
        self.rng = rng
        self.seen = 0
        once = fault.nth is not None or (fault.every is None and fault.probability is None)
        self.left = fault.times or (1 if once else None)

    def fires(self) -> bool:
        """Count one matching message and tell whether the fault happens to it."""
        self.seen += 1
        fault = self.fault
        if fault.nth is not None:
            due = self.seen >= fault.nth
        elif fault.every is not None:
            due = self.seen % fault.every == 0
        else:
            due = fault.probability is None or self.rng.random() < fault.probability
        if not due or self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class FaultScript:
    """All armed faults of a venue, in the order in which they were given."""

    def __init__(self, faults: list[FaultConfig], seed: int) -> None:
        self._seed = seed
        self._armed: list[_Armed] = []
        self._count = 0
        for fault in faults:
            self.arm(fault)

    def arm(self, fault: FaultConfig) -> None:
        """Add a fault; raises RuleBroken when too many wait."""
        self._armed = [a for a in self._armed if a.left != 0]
        if len(self._armed) >= MAX_FAULTS:
            raise RuleBroken(f"more than {MAX_FAULTS} faults are armed")
        self._count += 1
        self._armed.append(_Armed(fault, Random(f"{self._seed}:fault:{self._count}")))

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    @property
    def waiting(self) -> list[FaultConfig]:
        """Faults that may still fire."""
        return [a.fault for a in self._armed if a.left != 0]

    def inbound(self, msg_type: str, session: str, symbol: str | None, cl_ord_id: str | None) -> list[FaultConfig]:
        """Faults that hit a request or a Logon(A)."""
        return [
            a.fault
            for a in self._armed
            if a.fault.kind in INBOUND
            and _hits(a.fault, msg_type)
            and _concerns(a.fault, session, symbol, cl_ord_id)
            and a.fires()
        ]

    def transport(self, reply: Reply, msg_type: str) -> list[FaultConfig]:
        """Faults that hit the way of a reply to the client; a drop copy only when they name its session."""
        symbol = reply.symbol if isinstance(reply, Report) else None
        exec_type = reply.exec_type.value if isinstance(reply, Report) else None
        copied = isinstance(reply, Report) and reply.copied
        return [
            a.fault
            for a in self._armed
            if a.fault.kind in TRANSPORT
            and (a.fault.msg_type or "8") == msg_type
            and (a.fault.session is not None or not copied)
            and a.fault.exec_type in (None, exec_type)
            and _concerns(a.fault, reply.owner, symbol, reply.cl_ord_id)
            and a.fires()
        ]

    def after(self, report: Report) -> list[FaultConfig]:
        """Faults that befall an order once this report about it was made."""
        return [
            a.fault
            for a in self._armed
            if a.fault.kind not in TRANSPORT
            and a.fault.kind not in INBOUND
            and (a.fault.exec_type or _DEFAULT_EXEC_TYPE.get(a.fault.kind, "0")) == report.exec_type.value
            and _concerns(a.fault, report.owner, report.symbol, report.cl_ord_id)
            and a.fires()
        ]


def _hits(fault: FaultConfig, msg_type: str) -> bool:
    """Whether an inbound fault is about this MsgType(35)."""
    if fault.kind in _LOGON or msg_type == "A":
        return fault.kind in _LOGON and msg_type == "A"
    if fault.msg_type is not None:
        return fault.msg_type == msg_type
    return fault.kind in _ANY_MESSAGE or msg_type in _REQUESTS


def _concerns(fault: FaultConfig, session: str, symbol: str | None, cl_ord_id: str | None) -> bool:
    return fault.session in (None, session) and fault.symbol in (None, symbol) and fault.cl_ord_id in (None, cl_ord_id)


def refusal(fired: list[FaultConfig]) -> Refusal | None:
    """How the fault script makes the venue refuse a request, None when it does not."""
    for fault in fired:
        if fault.kind == "reject":
            reason = OrdRejReason.BROKER_OPTION if fault.reason is None else fault.reason
            return reason, fault.text or "rejected by the fault script"
    return None


def storm(fired: list[FaultConfig]) -> None:
    """Raises the SessionReject or BusinessReject that the fault script answers any message with."""
    for fault in fired:
        text = fault.text or "rejected by the fault script"
        if fault.kind == "session_reject":
            raise SessionReject(None, 5 if fault.reason is None else fault.reason, text)
        if fault.kind == "business_reject":
            raise BusinessReject(4 if fault.reason is None else fault.reason, text)
