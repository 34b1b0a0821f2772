"""No sequence of orders, replaces, fills, busts, cancels, rejects, doubts and lost sessions lets a decision take the
worst case of any scope over its limit; the running totals are what this file adds up by itself; and the same inputs
give the same decisions again, also after a restart at any moment.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import engine
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.engine import Answer
from gateway.core.events import Cause, Event, Input, Record
from gateway.core.order import Order
from gateway.core.reports import ExecutionReport, OrderCancelReject, SessionDown, SessionUp, TimerFired
from gateway.core.risk import exposure
from gateway.core.risk.book import Node
from gateway.core.risk.controls import Control
from gateway.core.risk.events import Mark, MarksSet
from gateway.core.risk.setup import Limit, RiskClient, RiskInstrument, RiskSetup, Scenario
from gateway.core.state import Settings, State
from gateway.core.types import ExecType, OrdStatus, Side, TimeInForce
from tests.core.world import OTHER_VENUE, SECOND_NS, VENUE, World, instrument, order
from tests.risk import ample

RUNS = int(os.environ.get("MACHINE_RUNS", "1"))
ACCOUNTS = {"A1": ("desk:europe", "desk:cash"), "A2": ("desk:europe",)}
CLASSES = {"ACME": "equity", "BOND": "bond"}
RATES = {"EUR": Decimal(1), "USD": Decimal("0.9")}
VENUES, CLIENTS, STRATEGIES = (VENUE, OTHER_VENUE), ("c1", "c2"), ("alpha", "")
SIDES = (Side.BUY, Side.SELL)
ZERO = Decimal(0)
CORRELATION = Decimal("-0.3")

INSTRUMENTS = {name: instrument(name, currency="EUR" if name == "ACME" else "USD") for name in CLASSES}
RISK_INSTRUMENTS = {
    "ACME": RiskInstrument(
        "equity", "EUR", reference_px=Decimal(10), margin_pct=Decimal(20), volatility_pct=Decimal(2)
    ),
    "BOND": RiskInstrument(
        "bond", "USD", Decimal(2), reference_px=Decimal("10.5"), margin_pct=Decimal(5), volatility_pct=Decimal("0.5")
    ),
}


def sums(gross: int, net: int, position: int, correlated: int, margin: int) -> dict[Control, Limit]:
    values = (
        (Control.MAX_GROSS_NOTIONAL, gross),
        (Control.MAX_NET_NOTIONAL, net),
        (Control.MAX_POSITION_QTY, position),
        (Control.MAX_CORRELATED_EXPOSURE, correlated),
        (Control.MAX_MARGIN, margin),
    )
    return {control: Limit(Decimal(value)) for control, value in values}


SETUP = RiskSetup(
    currency="EUR",
    rates={"USD": RATES["USD"]},
    desks={"cash": "europe", "europe": ""},
    accounts={"A1": "cash", "A2": "europe"},
    clients={name: RiskClient(("*",)) for name in CLIENTS},
    instruments=RISK_INSTRUMENTS,
    limits={
        "firm": ample() | sums(9_000, 5_000, 400, 80, 1_500),
        "desk:cash": sums(4_000, 2_500, 250, 50, 800),
        "account:*": sums(5_000, 3_000, 300, 60, 900),
        "strategy:*": sums(3_000, 2_000, 180, 35, 600),
        "client:c1": sums(4_000, 2_500, 250, 55, 800),
        "venue:*": sums(6_000, 4_000, 300, 70, 1_200),
        "asset_class:bond": sums(4_000, 2_500, 200, 12, 200),
        "instrument:*": sums(6_000, 3_000, 300, 50, 1_000),
    },
    scenarios=(Scenario("fall", {"equity": Decimal(-30), "BOND": Decimal(-5)}), Scenario("up", {"equity": Decimal(9)})),
    correlations={"equity/bond": CORRELATION},
    self_match="off",
)


# --- What this file adds up by itself ---


@dataclass
class Sums:
    gross: Decimal = ZERO
    long: Decimal = ZERO
    short: Decimal = ZERO
    net: Decimal = ZERO
    margin: Decimal = ZERO
    open_orders: int = 0
    positions: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    values: dict[str, list[Decimal]] = field(default_factory=dict)
    """The largest and the smallest value by instrument."""

    @property
    def correlated(self) -> Decimal:
        """The square of it, for the worst that the working orders can make of each asset class (an instrument each)."""
        percent = [RISK_INSTRUMENTS[symbol].volatility_pct / 100 for symbol in self.values]
        worst = ZERO
        for values in product(*self.values.values()):
            sigmas = [value * each for value, each in zip(values, percent, strict=True)]
            squares = sum(sigma * sigma for sigma in sigmas)
            worst = max(worst, squares + (2 * CORRELATION * sigmas[0] * sigmas[1] if len(sigmas) > 1 else ZERO))
        return worst

    @property
    def most_margin(self) -> Decimal:
        """By rates, or by the worst scenario."""
        losses = [ZERO]
        for scenario in SETUP.scenarios:
            shocks = {symbol: scenario.shocks.get(symbol, scenario.shocks.get(CLASSES[symbol])) for symbol in CLASSES}
            shocked = {symbol: shock / 100 for symbol, shock in shocks.items() if shock is not None}
            losses.append(
                sum([max(-value * shocked.get(symbol, ZERO) for value in each) for symbol, each in self.values.items()])
            )
        return max(self.margin, *losses)

    @property
    def figures(self) -> dict[str, Decimal]:
        worst = {name: max(abs(high), abs(low)) for name, (high, low) in self.positions.items()}
        both = {"correlated": self.correlated, "margin": self.most_margin}
        return {"gross": self.gross, "net": max(abs(self.long), abs(self.short)), **both, **worst}


def can_execute(order: Order) -> Decimal:
    """From the requests of its chain, one by one."""
    if {OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED} & set(order.marks):
        return ZERO
    asked = [
        each.terms.order_qty for each in order.requests.values() if each.terms and each.state in ("sent", "pending")
    ]
    pending = any(each.state in ("sent", "pending") for each in order.requests.values() if each.kind != "new")
    if OrdStatus.DONE_FOR_DAY in order.marks and order.terms.time_in_force is TimeInForce.DAY and not pending:
        return ZERO
    return max(ZERO, max([order.terms.order_qty, *asked]) - order.cum_qty)


def scopes_of(order: Order) -> dict[str, tuple[str, ...]]:
    """By the smallest thing that has a position of its own, the scopes that it counts at."""
    command = order.command
    account, symbol = command.account, command.symbol
    return {
        f"{account}/{command.strategy}": (
            "firm",
            *ACCOUNTS[account],
            f"account:{account}",
            f"strategy:{account}/{command.strategy}",
            f"asset_class:{CLASSES[symbol]}",
            f"instrument:{symbol}",
        ),
        command.client_id: (f"client:{command.client_id}",),
        order.venue: (f"venue:{order.venue}",),
    }


def added_up(state: State, marks: dict[str, Decimal]) -> dict[str, Sums]:
    held: dict[tuple[str, str], list[Decimal]] = {}
    above: dict[tuple[str, str], tuple[str, ...]] = {}
    found: dict[str, Sums] = {}
    for each in state.orders.values():
        symbol, buys = each.command.symbol, each.command.side is Side.BUY
        for name, scopes in scopes_of(each).items():
            above[name, symbol] = scopes
            net, high, low = held.setdefault((name, symbol), [ZERO, ZERO, ZERO])
            executed, left = each.cum_qty if buys else -each.cum_qty, can_execute(each)
            held[name, symbol] = [net + executed, high + (left if buys else 0), low + (0 if buys else left)]
            for scope in scopes:
                found.setdefault(scope, Sums()).open_orders += bool(left)
    for (name, symbol), (net, buys, sells) in held.items():
        known = RISK_INSTRUMENTS[symbol]
        unit = marks[symbol] * known.multiplier * RATES[known.currency]
        high, low = net + buys, net - sells
        for scope in above[name, symbol]:
            into = found[scope]
            gross = max(abs(high), abs(low)) * unit
            into.gross += gross
            into.long += high * unit
            into.short += low * unit
            into.net += net * unit
            into.margin += gross * known.margin_pct / 100
            before = into.positions.get(symbol, (ZERO, ZERO))
            into.positions[symbol] = (before[0] + high, before[1] + low)
            values = into.values.setdefault(symbol, [ZERO, ZERO])
            into.values[symbol] = [values[0] + high * unit, values[1] + low * unit]
    return found


def limits_at(scope: str) -> dict[str, Decimal]:
    said = SETUP.limits
    own = {**said.get(f"{scope.partition(':')[0]}:*", {}), **said.get(scope, {})}
    names = {Control.MAX_GROSS_NOTIONAL: "gross", Control.MAX_NET_NOTIONAL: "net", Control.MAX_MARGIN: "margin"}
    found = {names[control]: limit.value for control, limit in own.items() if control in names}
    if Control.MAX_CORRELATED_EXPOSURE in own:
        found["correlated"] = own[Control.MAX_CORRELATED_EXPOSURE].value ** 2
    position = own.get(Control.MAX_POSITION_QTY)
    return found | (dict.fromkeys(CLASSES, position.value) if position is not None else {})


# --- A day ---


class Day:
    """A world in which everything that is put in is remembered."""

    def __init__(self) -> None:
        self.world = World.started(Settings(INSTRUMENTS, VENUES, ack_timeout_ns={VENUE: 5 * SECOND_NS}, risk=SETUP))
        self.inputs: list[tuple[int, object]] = []
        self.marks = {name: known.reference_px or ZERO for name, known in RISK_INSTRUMENTS.items()}
        self.number = 0

    def put(self, body: object, cause: Cause) -> list[Event]:
        self.inputs.append((self.world.now_ns + 1_000_000, (body, cause)))
        return self.world.tell(body, cause)

    def ask(self, command: object) -> Answer:
        before = added_up(self.world.state, self.marks)
        records = len(self.world.records)
        self.put(command, Cause("client", command.client_id))
        answer = engine.answer(self.world.state, command, self.world.records[records:])
        after = added_up(self.world.state, self.marks)
        if answer.reason is not None:
            assert after == before
        elif not isinstance(command, CancelOrder):
            self.check_decision(before, after)
        return answer

    def check_decision(self, before: dict[str, Sums], after: dict[str, Sums]) -> None:
        """Within every limit, or nothing that is over its limit was raised."""
        for scope, now in after.items():
            was = before.get(scope, Sums()).figures
            for name, limit in limits_at(scope).items():
                figure = now.figures.get(name, ZERO)
                assert figure <= max(limit, was.get(name, ZERO)), f"{name} at {scope}: {figure}, limit {limit}"

    def order(self, which: int) -> Order | None:
        orders = list(self.world.state.orders.values())
        return orders[which % len(orders)] if orders else None

    def report(self, of: Order, exec_type: ExecType, **fields: object) -> None:
        self.number += 1
        said = {"exec_id": f"E{self.number}", "cl_ord_id": of.venue_cl_ord_id, "ord_status": OrdStatus.NEW} | fields
        self.put(ExecutionReport(of.venue, exec_type, **said), Cause("venue", of.venue))

    def act(self, what: str, one: int, two: int, qty: int) -> None:
        """One step; what makes no sense now is left out."""
        of = self.order(one)
        self.number += 1
        match what:
            case "submit":
                combinations = list(product(CLIENTS, ACCOUNTS, STRATEGIES, CLASSES, VENUES, SIDES))
                client, account, strategy, symbol, venue, side = combinations[one % len(combinations)]
                known = {"symbol": symbol, "venue": venue, "side": side, "account": account, "strategy": strategy}
                tif = TimeInForce.GTC if two % 5 == 0 else TimeInForce.DAY
                self.ask(order(f"{self.number}", qty, client_id=client, time_in_force=tif, **known))
            case "mark":
                symbol = list(CLASSES)[one % 2]
                self.marks[symbol] = Decimal(500 + two * 10) / 100
                event = MarksSet((Mark(symbol, self.marks[symbol]),))
                self.inputs.append((self.world.now_ns, event))
                self.world.records.append(engine.apply(self.world.state, event, self.world.now_ns, Cause("operator")))
            case "down":
                self.put(SessionDown(VENUES[one % 2]), Cause("venue", VENUES[one % 2]))
            case "up":
                self.put(SessionUp(VENUES[one % 2]), Cause("venue", VENUES[one % 2]))
            case "silence":
                self.world.now_ns += 6 * SECOND_NS
                self.put(TimerFired(), Cause("timer"))
            case _ if of is not None:
                self.of_order(what, of, two, qty)

    def of_order(self, what: str, of: Order, which: int, qty: int) -> None:
        client = of.command.client_id
        pending = [key for key in of.unanswered if of.requests[key].terms is not None]
        named = pending[which % len(pending)] if pending else ""
        match what:
            case "replace":
                self.ask(ReplaceOrder(client, f"{self.number}", of.cl_ord_id, order_qty=Decimal(qty)))
            case "cancel":
                self.ask(CancelOrder(client, f"{self.number}", of.cl_ord_id))
            case "fill":
                self.report(of, ExecType.TRADE, last_qty=Decimal(qty), last_px=Decimal(10))
            case "bust" if of.executions:
                self.report(of, ExecType.TRADE_CANCEL, exec_ref_id=of.executions[which % len(of.executions)].exec_id)
            case "replaced":
                self.report(of, ExecType.REPLACED, cl_ord_id=named or of.venue_cl_ord_id, order_qty=Decimal(qty))
            case "not replaced" if named:
                self.put(OrderCancelReject(of.venue, named, "", cxl_rej_reason="0"), Cause("venue", of.venue))
            case "ends":
                kinds = (ExecType.CANCELED, ExecType.REJECTED, ExecType.EXPIRED, ExecType.DONE_FOR_DAY, ExecType.NEW)
                self.report(of, kinds[which % len(kinds)])
            case _:
                pass


STEPS = [*["submit"] * 6, *["fill"] * 3, *["replace"] * 2, "cancel", "bust", "replaced", "not replaced", "ends"]
STEPS += ["mark", "down", "up", "up", "silence"]
steps = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 63), st.integers(0, 99), st.integers(1, 160)), max_size=40
)


def run(taken: list[tuple[str, int, int, int]]) -> Iterator[Day]:
    day = Day()
    for step in taken:
        day.act(*step)
        yield day


def as_node(node: Node) -> tuple[object, ...]:
    positions = {symbol: (cell.long_qty, cell.short_qty) for symbol, cell in node.cells.items()}
    return node.gross, node.long, node.short, node.net, node.margin, node.open_orders, positions


def as_sums(of: Sums) -> tuple[object, ...]:
    positions = {symbol: pair for symbol, pair in of.positions.items() if any(pair)}
    return of.gross, of.long, of.short, of.net, of.margin, of.open_orders, positions


@settings(max_examples=80 * RUNS, deadline=None)
@given(steps)
def test_no_decision_takes_a_worst_case_over_its_limit_and_the_totals_are_what_is_added_up(
    taken: list[tuple[str, int, int, int]],
) -> None:
    for day in run(taken):
        found, nodes = added_up(day.world.state, day.marks), exposure.sync(day.world.state).nodes
        for scope, node in nodes.items():
            ours = as_sums(found.get(scope, Sums()))
            in_use = {symbol: pair for symbol, pair in as_node(node)[-1].items() if any(pair)}
            assert (*as_node(node)[:-1], in_use) == ours, scope
        assert set(found) <= set(nodes)


@settings(max_examples=40 * RUNS, deadline=None)
@given(steps)
def test_breakdowns_always_add_up_to_the_firm(taken: list[tuple[str, int, int, int]]) -> None:
    for day in run(taken):
        nodes = exposure.sync(day.world.state).nodes
        if "firm" not in nodes:
            continue
        for level, names in (
            ("account", ("gross", "long", "short", "net", "margin")),
            ("strategy", ("gross", "long", "short", "net", "margin")),
            ("asset_class", ("gross", "long", "short", "net", "margin")),
            ("instrument", ("gross", "long", "short", "net", "margin")),
            ("client", ("long", "short", "net")),
            ("venue", ("long", "short", "net")),
        ):
            parts = [node for scope, node in nodes.items() if scope.startswith(f"{level}:")]
            for name in names:
                assert sum(getattr(part, name) for part in parts) == getattr(nodes["firm"], name), (level, name)
        inner = nodes.get("account:A1", Node("", 2))
        assert (nodes["desk:cash"].gross if "desk:cash" in nodes else ZERO) == inner.gross
        assert nodes["desk:europe"].gross == nodes["firm"].gross


@settings(max_examples=40 * RUNS, deadline=None)
@given(steps, st.integers(1, 7))
def test_the_same_inputs_give_the_same_decisions_also_after_restarts(
    taken: list[tuple[str, int, int, int]], every: int
) -> None:
    day = Day()
    begun = len(day.world.records)
    for step in taken:
        day.act(*step)
    first = [record.event for record in day.world.records[begun:]]
    again = World.started(day.world.settings)
    for number, (at_ns, given_) in enumerate(day.inputs):
        if isinstance(given_, MarksSet):
            again.records.append(engine.apply(again.state, given_, at_ns, Cause("operator")))
        else:
            again.records.extend(engine.execute(again.state, again.settings, Input(at_ns, given_[1], given_[0])))
        if number % every == 0:
            again.state = recovered(again.records)
    assert [record.event for record in again.records[begun:]] == first
    assert again.state == day.world.state


def recovered(records: list[Record]) -> State:
    state = State()
    for record in msgspec.msgpack.decode(msgspec.msgpack.encode(records), type=list[Record]):
        engine.replay(state, record)
    return state
