"""The life of one order, told in words: what the client asks for and what the venue says."""

from decimal import Decimal

from gateway.core import order
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.order import Order
from gateway.core.reports import MessageRejected, OrderCancelReject
from gateway.core.types import ExecType, TimeInForce
from tests.core.world import CLIENT, VENUE, World


class Life:
    """One order and what happens to it."""

    def __init__(self, time_in_force: TimeInForce = TimeInForce.DAY) -> None:
        self.world = World.started()
        self.order: Order = self.world.submit("1", 100, time_in_force=time_in_force)
        self.traded = ""

    def live(self, steps: str) -> "Life":
        for step in steps.split():
            self.step(*step.strip("?").partition("=")[::2])
        return self

    def step(self, word: str, number: str) -> None:
        world, made = self.world, self.order
        newest = list(made.requests)[-1]
        quantity = {"last_qty": Decimal(number or 0), "last_px": Decimal(10)}
        match word:
            case "-":
                return
            case "cancel":
                assert world.ask(CancelOrder(CLIENT, "c", "1")).reason is None
            case "replace":
                assert world.ask(ReplaceOrder(CLIENT, "r", "1", order_qty=Decimal(number))).reason is None
            case "no!":
                world.hear(OrderCancelReject(VENUE, newest, made.venue_cl_ord_id))
            case "REJECTED!":
                world.hear(MessageRejected(VENUE, "F", newest))
            case "bust":
                world.report(made, ExecType.TRADE_CANCEL, exec_ref_id=self.traded)
            case "correct":
                world.report(made, ExecType.TRADE_CORRECT, exec_ref_id=self.traded, **quantity)
            case "TRADE":
                self.traded = f"T{world.now_ns}"
                world.report(made, ExecType.TRADE, exec_id=self.traded, **quantity)
            case _:
                world.report(made, ExecType[word], cl_ord_id=newest)

    @property
    def shown(self) -> tuple[str, Decimal, Decimal, str]:
        view = order.view(self.order)
        return view.ord_status.name, view.cum_qty, view.leaves_qty, ",".join(view.pending) or "-"


def in_doubt(life: Life) -> bool:
    return order.view(life.order).in_doubt
