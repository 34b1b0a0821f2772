"""What clients ask about their orders: OrderStatusRequest(H) and OrderMassStatusRequest(AF)."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from sim_exchange.config import Config
from sim_exchange.enums import ExecType, OrdRejReason, OrdStatus
from sim_exchange.instruments import Instrument
from sim_exchange.ledger import State
from sim_exchange.messages import MassStatusRequest, Report, StatusRequest
from sim_exchange.orders import Order
from sim_exchange.register import Register

# How many reports of a mass status one piece of work makes; other clients' messages come in between.
MASS_STATUS_SLICE = 250
# How many of them a client may wait for at a time.
MAX_MASS_STATUSES = 10


class Inquiries(Register):
    """All orders of all clients, and the answers to questions about them."""

    def __init__(self, config: Config, state: State) -> None:
        super().__init__(config.venue.name, state, config.venue.max_records)
        self.instruments = {i.symbol: Instrument(i, config.venue.seed) for i in config.instrument}
        self._answers: deque[tuple[str, Iterator[Report]]] = deque()
        self._status_ended = config.venue.mass_status_ended

    def status(self, owner: str, request: StatusRequest) -> None:
        """Answer about one order, by ClOrdID(11) or OrderID(37); the desk answers for a manual instrument."""
        order = self._by_cl_ord_id.get((owner, request.cl_ord_id or ""))
        if order is None and request.cl_ord_id is None:
            found = self.orders.get(request.order_id or "")
            order = found if found is not None and found.owner == owner else None
        if order is None:
            self.replies.append(
                Report(
                    owner=owner,
                    order_id=request.order_id or "NONE",
                    exec_id="0",
                    exec_type=ExecType.ORDER_STATUS,
                    ord_status=OrdStatus.REJECTED,
                    symbol=request.symbol,
                    side=request.side,
                    cl_ord_id=request.cl_ord_id,
                    ord_rej_reason=OrdRejReason.UNKNOWN_ORDER,
                    text="unknown order",
                    ord_status_req_id=request.ord_status_req_id,
                )
            )
            return
        instrument = self.instruments.get(order.symbol)
        if instrument is None or not instrument.manual:
            self.replies.append(order.status(ord_status_req_id=request.ord_status_req_id))

    def mass_status(self, owner: str, request: MassStatusRequest) -> None:
        """The first reports at once, the others with the ticks that follow."""
        if self._status_ended:
            orders = self._of(owner, request.symbol, request.side, self._by_number)
        else:
            orders = self._matching(owner, request.symbol, request.side)
        self._answers.append((owner, self._statuses(orders, request.mass_status_req_id)))
        if len(self._answers) == 1:
            self.answer_more()
        if not orders:
            self.replies.append(
                Report(
                    owner=owner,
                    order_id="NONE",
                    exec_id="0",
                    exec_type=ExecType.ORDER_STATUS,
                    ord_status=OrdStatus.REJECTED,
                    symbol=request.symbol or "[N/A]",
                    side=request.side,
                    ord_rej_reason=OrdRejReason.UNKNOWN_ORDER,
                    text="no open orders",
                    mass_status_req_id=request.mass_status_req_id,
                    tot_num_reports=0,
                    last_rpt_requested=True,
                )
            )

    @staticmethod
    def _statuses(orders: list[Order], mass_status_req_id: str) -> Iterator[Report]:
        for n, order in enumerate(orders, 1):
            yield order.status(
                mass_status_req_id=mass_status_req_id,
                tot_num_reports=len(orders),
                last_rpt_requested=n == len(orders),
            )

    def answer_more(self) -> None:
        """Go on with the mass status that waits longest."""
        room = MASS_STATUS_SLICE
        while self._answers and room:
            made = list(islice(self._answers[0][1], room))
            self.replies += made
            room -= len(made)
            if room:
                self._answers.popleft()

    def is_answering_enough(self, owner: str) -> bool:
        """Whether so many mass statuses of this client wait that another one would only make it wait longer."""
        return sum(answer[0] == owner for answer in self._answers) >= MAX_MASS_STATUSES

    def stop_answering(self, owner: str) -> None:
        """Nobody waits for this client's mass status any more."""
        self._answers = deque(answer for answer in self._answers if answer[0] != owner)
