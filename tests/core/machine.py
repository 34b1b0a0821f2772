"""What a machine of the core stands on: the world and its twin, what must hold after every step, and who says what."""

from fractions import Fraction

import msgspec
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from gateway.core import events as ev
from gateway.core.commands import ClientCommand, RequestOrderStatus
from gateway.core.engine import Answer
from gateway.core.events import Record
from gateway.core.order import view
from gateway.core.reports import ExecutionReport, ReportFact, SessionUp
from gateway.core.types import ExecType, OrdStatus, Reason
from tests.core.story import Asked, Lost
from tests.core.twin import Picture, TwinOrder, position
from tests.core.world import SETTINGS, VENUE, World

LIMIT = 4
"""Most unanswered replaces of an order."""


class Listening(RuleBasedStateMachine):
    """A world, the twin that listens to it, and what is on its way between the two."""

    @initialize()
    def start(self) -> None:
        small = msgspec.structs.replace(SETTINGS, venues=(VENUE,), max_unanswered_per_order=LIMIT)
        self.world = World.started(small)
        self.orders: list[TwinOrder] = []
        self.answers: list[tuple[ClientCommand, Answer]] = []
        self.under_way: list[tuple[TwinOrder, ReportFact]] = []
        self.executions: list[tuple[TwinOrder, list[str]]] = []
        self.up = True
        self.number = 0
        self.steps = 0

    # --- What must hold ---

    @invariant()
    def the_twin_agrees(self) -> None:
        for twin in self.orders:
            shown, wanted = view(self.world.state.orders[twin.order_id]), twin.picture()
            assert (
                shown.ord_status,
                shown.cum_qty,
                shown.leaves_qty,
                shown.cl_ord_id,
                shown.terms.order_qty,
                shown.terms.price,
                shown.pending,
                shown.in_doubt,
            ) == (
                wanted.ord_status,
                wanted.cum_qty,
                wanted.leaves_qty,
                wanted.cl_ord_id,
                wanted.order_qty,
                wanted.price,
                tuple(request.cl_ord_id for request in wanted.open_requests.values()),
                bool(wanted.doubtful),
            ), twin.said
            assert abs(Fraction(shown.avg_px) - wanted.avg_px) <= Fraction(1, 2 * 10**10)

    @invariant()
    def positions_are_what_was_executed(self) -> None:
        for key, held in self.world.state.positions.items():
            net_qty, value = position(self.orders, key.account)
            assert held.net_qty == net_qty
            assert Fraction(held.realized) == Fraction(held.cost) - value

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        sent = [
            record.event.venue_cl_ord_id
            for record in self.world.records
            if isinstance(record.event, (ev.OrderRouted, ev.CancelRequested, ev.ReplaceRequested))
        ]
        assert len(sent) == len(set(sent))
        assert all(len(name) <= 20 for name in sent)
        routed = [event.order_id for event in self.world.events(ev.OrderRouted)]
        assert len(routed) == len(set(routed))
        named = [
            (type(event), event.cl_ord_id)
            for event in [*self.world.events(ev.CancelRequested), *self.world.events(ev.ReplaceRequested)]
        ]
        assert len(named) == len(set(named))

    @invariant()
    def the_journal_tells_it_all(self) -> None:
        self.steps += 1
        assert [record.seq for record in self.world.records[-3:]] == list(
            range(max(1, self.world.state.seq - 2), self.world.state.seq + 1)
        )
        if self.steps % 10 == 0:
            assert self.world.recovered() == self.world.state

    # --- Parts ---

    def key(self) -> str:
        self.number += 1
        return f"k{self.number}"

    def down(self) -> Reason | None:
        return None if self.up else Reason.SESSION_DOWN

    def shut(self) -> Reason | None:
        """Why no new order and no new terms can go to the venue."""
        return self.down()

    def ask(self, command: ClientCommand) -> tuple[Answer, list[Record]]:
        before = len(self.world.records)
        answer = self.world.ask(command)
        if not isinstance(command, RequestOrderStatus):
            self.answers.append((command, answer))
        return answer, self.world.records[before:]

    def note_cancels(self, records: list[Record]) -> None:
        twins = {twin.order_id: twin for twin in self.orders}
        for record in records:
            if isinstance(record.event, ev.CancelRequested):
                asked = Asked("cancel", record.event.cl_ord_id, record.event.venue_cl_ord_id)
                twins[record.event.order_id].hear(asked)

    def one(self, index: int) -> tuple[TwinOrder, Picture]:
        twin = self.orders[index % len(self.orders)]
        return twin, twin.picture()

    def any_name(self, twin: TwinOrder, index: int) -> str:
        names = [said.cl_ord_id for said in twin.said if isinstance(said, Asked)]
        return names[index % len(names)]

    def request_of(self, twin: TwinOrder, index: int) -> str:
        names = [said.venue_cl_ord_id for said in twin.said if isinstance(said, Asked)]
        return names[index % len(names)]

    def report_of(self, twin: TwinOrder, request: int, kind: ExecType, **fields: object) -> ExecutionReport:
        """A report about one of the order's requests. ExecIDs are alike on all orders, as at careless venues."""
        self.number += 1
        said = {"exec_id": f"E{self.number}.{len(twin.said)}", "ord_status": OrdStatus.NEW} | fields
        return ExecutionReport(VENUE, kind, cl_ord_id=self.request_of(twin, request), trade_date="20260105", **said)

    def say(self, twin: TwinOrder, said: ReportFact, later: int) -> None:
        if later:
            self.under_way.append((twin, said))
            return
        self.world.hear(said)
        twin.hear(said)

    def come_back(self) -> None:
        """The session is up: each order in doubt is asked about once."""
        doubtful = {twin.order_id for twin in self.orders if twin.picture().doubtful}
        asked = [event.order_id for event in self.world.tell(SessionUp(VENUE))[1:]]
        assert sorted(asked) == sorted(doubtful)

    def lose(self) -> None:
        for twin in self.orders:
            twin.hear(Lost())
