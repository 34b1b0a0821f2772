"""What the gateway refuses, why, in which order; and rule 3: one intent, one order."""

from datetime import time
from itertools import combinations

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core.commands import (
    AdministerSession,
    CancelOrder,
    HaltInstrument,
    MassCancel,
    ReplaceOrder,
    RequestOrderStatus,
    ResumeInstrument,
    SubmitOrder,
)
from gateway.core.engine import Answer
from gateway.core.instruments import TradingSession
from gateway.core.reports import SessionDown, SessionUp
from gateway.core.state import Settings
from gateway.core.types import ExecType, Reason, TimeInForce
from tests.core.world import CLIENT, OTHER_VENUE, SETTINGS, START_NS, SYMBOL, VENUE, World, instrument, order, restarted
from tests.risk import open_risk

# The guards of a new order, first guard first. What stands in the left column is what is wrong with an order that is
# right otherwise: a limit order to buy 100 ACME at 10 for A1, during the day.
SUBMIT = """
    symbol=NOPE                     SYMBOL_UNKNOWN      symbol
    venue=ZSIM                      VENUE_UNKNOWN       venue
    account=A9                      ACCOUNT_UNKNOWN     account
    price=                          FIELD_REQUIRED      price
    ord_type=1                      FIELD_NOT_ALLOWED   price
    ord_type=3 price=               FIELD_REQUIRED      stop_px
    ord_type=4                      FIELD_REQUIRED      stop_px
    stop_px=9                       FIELD_NOT_ALLOWED   stop_px
    time_in_force=6                 FIELD_REQUIRED      expire_time_ns
    expire_time_ns=1                FIELD_NOT_ALLOWED   expire_time_ns
    order_qty=100.5                 QTY_OFF_LOT         order_qty
    order_qty=-0.5                  QTY_OFF_LOT         order_qty
    price=10.005                    PRICE_OFF_TICK      price
    ord_type=4 stop_px=9.005        PRICE_OFF_TICK      stop_px
    max_floor=1.5                   QTY_OFF_LOT         max_floor
    order_qty=0                     FIELD_INVALID       order_qty
    order_qty=-100                  FIELD_INVALID       order_qty
    cash_order_qty=1000             FIELD_NOT_ALLOWED   order_qty
    order_qty=0 cash_order_qty=-1   FIELD_INVALID       cash_order_qty
    price=0                         FIELD_INVALID       price
    ord_type=4 stop_px=0            FIELD_INVALID       stop_px
    max_floor=0                     FIELD_INVALID       max_floor
    max_floor=101                   FIELD_INVALID       max_floor
    exec_inst=G_?                   FIELD_INVALID       exec_inst
    FULL                            TOO_MANY_ORDERS     -
    HALTED                          INSTRUMENT_HALTED   -
    CLOSED                          MARKET_CLOSED       -
    DOWN                            SESSION_DOWN        -
"""

# The guards of a replace. The order is the one above, working; the replace asks for 200.
REPLACE = """
    orig_cl_ord_id=nope             ORDER_UNKNOWN       orig_cl_ord_id
    CANCELED                        ORDER_NOT_WORKING   orig_cl_ord_id
    GONE                            SYMBOL_UNKNOWN      symbol
    stop_px=9                       FIELD_NOT_ALLOWED   stop_px
    time_in_force=6                 FIELD_REQUIRED      expire_time_ns
    expire_time_ns=1                FIELD_NOT_ALLOWED   expire_time_ns
    order_qty=100.5                 QTY_OFF_LOT         order_qty
    price=10.005                    PRICE_OFF_TICK      price
    max_floor=1.5                   QTY_OFF_LOT         max_floor
    order_qty=0                     FIELD_INVALID       order_qty
    price=0                         FIELD_INVALID       price
    max_floor=201                   FIELD_INVALID       max_floor
    FILLED order_qty=100            ORDER_NOT_WORKING   orig_cl_ord_id
    REPLACING                       TOO_MANY_REQUESTS   orig_cl_ord_id
    HALTED                          INSTRUMENT_HALTED   -
    DOWN                            SESSION_DOWN        -
"""

CANCEL = """
    orig_cl_ord_id=nope             ORDER_UNKNOWN       orig_cl_ord_id
    CANCELED                        ORDER_NOT_WORKING   orig_cl_ord_id
    FILLED                          ORDER_NOT_WORKING   orig_cl_ord_id
    REPLACING                       TOO_MANY_REQUESTS   orig_cl_ord_id
    DOWN                            SESSION_DOWN        -
"""

STATUS = """
    orig_cl_ord_id=nope             ORDER_UNKNOWN       orig_cl_ord_id
    DOWN                            SESSION_DOWN        -
"""

OPERATOR = [
    (HaltInstrument("ops", "NOPE", "news"), Reason.SYMBOL_UNKNOWN, "symbol"),
    (ResumeInstrument("ops", "NOPE", "news"), Reason.SYMBOL_UNKNOWN, "symbol"),
    (AdministerSession("ops", "ZSIM", "logout", "maintenance"), Reason.VENUE_UNKNOWN, "venue"),
    (AdministerSession("ops", VENUE, "set_sequence", "gap"), Reason.FIELD_REQUIRED, "next_sender_msg_seq_num"),
]


class Row(msgspec.Struct, frozen=True):
    """One line of a table: the changes of the request, what is wrong with the world, and the refusal."""

    changes: dict[str, str | None]
    worlds: tuple[str, ...]
    reason: Reason
    field: str

    def __str__(self) -> str:
        wrong = [f"{name}={value or ''}" for name, value in self.changes.items()]
        return " ".join([*self.worlds, *wrong])


def rows(table: str) -> list[Row]:
    return [row(text) for text in table.strip().splitlines()]


def row(text: str) -> Row:
    *wrong, reason, field = text.split()
    named = dict(pair.split("=") for pair in wrong if "=" in pair)
    changes = {name: value.replace("_", " ") or None for name, value in named.items()}
    return Row(changes, tuple(word for word in wrong if "=" not in word), Reason(reason), field.strip("-"))


SUBMITTED = {
    "client_id": CLIENT,
    "cl_ord_id": "new",
    "symbol": SYMBOL,
    "side": "1",
    "order_qty": "100",
    "ord_type": "2",
    "price": "10",
    "account": "A1",
}
CHANGED = {"client_id": CLIENT, "cl_ord_id": "new", "orig_cl_ord_id": "1"}
REQUESTS = {
    SubmitOrder: SUBMITTED,
    ReplaceOrder: CHANGED | {"order_qty": "200"},
    CancelOrder: CHANGED,
    RequestOrderStatus: {"client_id": CLIENT, "orig_cl_ord_id": "1"},
}
NIGHT = TradingSession("night", "UTC", time(20), time(21))


def world_where(words: tuple[str, ...]) -> World:
    """A gateway with one working order "1", made wrong in the ways that are named."""
    settings = msgspec.structs.replace(SETTINGS, accounts={VENUE: ("A1",)}, max_unanswered_per_order=1)
    world = World.started(settings)
    first = world.submit("1")
    for word in sorted(words, key=lambda word: word != "REPLACING"):  # It needs a world that is right otherwise.
        match word:
            case "FULL":
                world.settings = msgspec.structs.replace(world.settings, max_working_orders_per_client=1)
            case "HALTED":
                world.ask(HaltInstrument("ops", SYMBOL, "news"))
            case "CLOSED":
                closed = {SYMBOL: instrument(trading_session=NIGHT)}
                world.settings = msgspec.structs.replace(world.settings, instruments=closed)
            case "DOWN":
                world.tell(SessionDown(VENUE))
            case "GONE":
                world.settings = msgspec.structs.replace(world.settings, instruments={})
            case "CANCELED":
                world.report(first, ExecType.CANCELED)
            case "FILLED":
                world.fill(first, 100)
            case "REPLACING":
                assert world.ask(ReplaceOrder(CLIENT, "r1", "1", price=first.command.price)).reason is None
                assert world.ask(CancelOrder(CLIENT, "c1", "1")).reason is None
            case _:
                raise AssertionError(word)
    return world


def refusal(kind: type, *wrong: Row) -> Answer:
    changes = {name: value for each in reversed(wrong) for name, value in each.changes.items()}
    world = world_where(tuple(word for each in wrong for word in each.worlds))
    command = msgspec.convert(REQUESTS[kind] | changes, kind, strict=False)
    answer = world.ask(command)
    assert answer.reason is None or answer.text
    return answer


TABLES = [(SubmitOrder, SUBMIT), (ReplaceOrder, REPLACE), (CancelOrder, CANCEL), (RequestOrderStatus, STATUS)]
ROWS = [pytest.param(kind, each, id=f"{kind.__name__}: {each}") for kind, table in TABLES for each in rows(table)]


@pytest.mark.parametrize(("kind", "wrong"), ROWS)
def test_each_fault_is_refused_by_its_reason_and_names_its_field(kind: type, wrong: Row) -> None:
    answer = refusal(kind, wrong)
    assert (answer.reason, answer.field) == (wrong.reason, wrong.field)


@pytest.mark.parametrize("kind", REQUESTS)
def test_without_a_fault_all_of_them_pass(kind: type) -> None:
    assert refusal(kind).reason is None


def compatible(first: Row, second: Row) -> bool:
    """Whether two faults can be there together: they are about different fields and different things."""
    ends = {"CANCELED", "FILLED", "REPLACING"}
    both_end = ends & set(first.worlds) and ends & set(second.worlds)
    depends = {
        frozenset(pair)
        for pair in (
            ("ord_type", "price"),
            ("ord_type", "stop_px"),
            ("order_qty", "max_floor"),
            ("order_qty", "cash_order_qty"),
            ("time_in_force", "expire_time_ns"),
        )
    }
    same = set(first.changes) & set(second.changes)
    tied = any(frozenset((one, other)) in depends for one in first.changes for other in second.changes)
    gone = {"GONE", "HALTED", "CLOSED"}
    return not (both_end or same or tied or (gone & set(first.worlds) and gone & set(second.worlds)))


@pytest.mark.parametrize(("kind", "table"), TABLES, ids=lambda each: getattr(each, "__name__", ""))
def test_of_two_faults_the_one_higher_in_the_table_is_named(kind: type, table: str) -> None:
    tried = 0
    for first, second in combinations(rows(table), 2):
        if compatible(first, second):
            answer = refusal(kind, first, second)
            assert (answer.reason, answer.field) == (first.reason, first.field), f"{first} and {second}"
            tried += 1
    assert tried


@pytest.mark.parametrize(("command", "reason", "field"), OPERATOR)
def test_operators_are_refused_too(command: HaltInstrument, reason: Reason, field: str) -> None:
    answer = World.started().ask(command)
    assert (answer.reason, answer.field) == (reason, field)


def test_every_reason_is_produced_by_some_test_here() -> None:
    produced = {each.reason for _, table in TABLES for each in rows(table)} | {reason for _, reason, _ in OPERATOR}
    elsewhere = {
        Reason.DUPLICATE_CL_ORD_ID,  # below
        Reason.SESSION_NOT_RECONCILED,  # test_reconciliation.py
        Reason.ITEM_UNKNOWN,  # test_quantity_items.py
        Reason.NOT_IN_DOUBT,  # test_doubt.py
    }
    risk = {reason for reason in Reason if reason.startswith("RISK_")}  # risk/test_checks.py
    operators = {  # risk/test_limits.py and test_stops.py
        Reason.SCOPE_UNKNOWN,
        Reason.CONTROL_UNKNOWN,
        Reason.CHANGE_UNKNOWN,
        Reason.CHANGE_OUTDATED,
        Reason.SECOND_PERSON_NEEDED,
        Reason.NOT_STOPPED,
    }
    assert produced | elsewhere | risk | operators == set(Reason)


# --- Keys (rule 3) ---


def test_the_same_request_again_gets_the_same_answer_and_nothing_is_sent() -> None:
    world = World.started()
    first = world.ask(order("1"))
    committed = len(world.records)
    again = world.ask(order("1"))
    assert again == msgspec.structs.replace(first, repeated=True)
    assert len(world.records) == committed


def test_another_body_under_the_same_key_is_refused_and_the_first_stands() -> None:
    world = World.started()
    first = world.ask(order("1"))
    other = world.ask(order("1", 200))
    assert (other.reason, other.field) == (Reason.DUPLICATE_CL_ORD_ID, "cl_ord_id")
    assert world.ask(order("1")).order_id == first.order_id
    assert len(world.events(ev.OrderRouted)) == 1


@pytest.mark.parametrize(
    ("first", "again", "is_same"),
    [
        # Neither names an account: the first one of the client was A1, and is A2 now.
        (order(account_given=False), order(account="A2", account_given=False), True),
        (order(account_given=False), order(order_qty=200, account="A2", account_given=False), False),
        # One does. It says the same as long as A1 is what the other stands for.
        (order(account_given=False), order(), True),
        (order(), order(account_given=False), True),
        (order(account_given=False), order(account="A2"), False),
        (order(), order(account="A2", account_given=False), False),
    ],
)
def test_a_request_that_names_no_account_is_the_same_whichever_account_is_the_first(
    first: SubmitOrder, again: SubmitOrder, is_same: bool
) -> None:
    world = World.started()
    answer, repeated = world.ask(first), world.ask(again)
    assert (repeated == msgspec.structs.replace(answer, repeated=True)) is is_same
    assert (repeated.reason is Reason.DUPLICATE_CL_ORD_ID) is not is_same
    assert len(world.events(ev.OrderSubmitted)) == 1


@pytest.mark.parametrize(
    "command",
    [
        ReplaceOrder(CLIENT, "1", "1"),
        CancelOrder(CLIENT, "1", "1"),
        MassCancel(CLIENT, "1"),
    ],
)
def test_one_key_space_for_all_kinds_of_requests(command: CancelOrder) -> None:
    world = World.started()
    world.submit("1")
    assert world.ask(command).reason is Reason.DUPLICATE_CL_ORD_ID


def test_each_client_has_its_own_keys_and_its_own_orders() -> None:
    world = World.started()
    mine = world.ask(order("1"))
    theirs = world.ask(order("1", client_id="other"))
    assert theirs.reason is None
    assert theirs.order_id != mine.order_id
    stranger = world.ask(CancelOrder("third", "c", "1"))
    assert stranger.reason is Reason.ORDER_UNKNOWN


def test_a_refusal_repeats_although_its_cause_is_gone() -> None:
    world = World.started()
    world.tell(SessionDown(VENUE))
    refused = world.ask(order("1"))
    world.tell(SessionUp(VENUE))
    assert world.ask(order("1")) == msgspec.structs.replace(refused, repeated=True)
    assert world.ask(order("2")).reason is None


def all_keys(world: World) -> list[object]:
    """A request of every kind under a key of its own, accepted and refused, and the answers to them again."""
    commands = [
        order("1"),
        order("2", symbol="NOPE"),
        ReplaceOrder(CLIENT, "r", "1", order_qty=order().order_qty * 2),
        CancelOrder(CLIENT, "c", "1"),
        CancelOrder(CLIENT, "d", "nope"),
        MassCancel(CLIENT, "m"),
    ]
    return [world.ask(command) for command in commands]


def test_a_restart_changes_nothing_about_keys() -> None:
    world = World.started()
    answers = all_keys(world)
    after = restarted(world)
    committed = len(after.records)
    assert all_keys(after) == [msgspec.structs.replace(answer, repeated=True) for answer in answers]
    assert len(after.records) == committed
    assert after.ask(order("1", 999)).reason is Reason.DUPLICATE_CL_ORD_ID


def test_any_name_of_the_chain_finds_the_order() -> None:
    world = World.started()
    first = world.submit("1")
    world.ask(ReplaceOrder(CLIENT, "r", "1", order_qty=order(order_qty=50).order_qty))
    world.ask(CancelOrder(CLIENT, "c", "r"))
    assert {world.state.find_order(CLIENT, name).order_id for name in ("1", "r", "c")} == {first.order_id}


# --- What a request becomes ---


def test_ids_come_from_counters_behind_the_epochs_prefix() -> None:
    world = World.started()
    world.submit("1")
    world.submit("2")
    prefix = world.state.id_prefix
    assert [event.venue_cl_ord_id for event in world.events(ev.OrderRouted)] == [f"{prefix}R1", f"{prefix}R2"]
    assert len(f"{prefix}R{10**12}") <= 20


def test_a_replace_keeps_what_it_does_not_name_and_builds_on_the_replace_before_it() -> None:
    world = World.started()
    world.submit("1", max_floor=order(order_qty=10).order_qty)
    world.ask(ReplaceOrder(CLIENT, "r1", "1", order_qty=order(order_qty=200).order_qty))
    world.ask(ReplaceOrder(CLIENT, "r2", "1", price=order().price * 2))
    first, second = world.events(ev.ReplaceRequested)
    assert (second.terms.order_qty, second.terms.price, second.terms.max_floor) == (200, 20, 10)
    assert second.orig_venue_cl_ord_id == first.venue_cl_ord_id


def test_a_replace_that_ends_good_till_date_leaves_its_time_behind() -> None:
    world = World.started()
    made = world.submit("1", time_in_force=TimeInForce.GTD, expire_time_ns=START_NS + 10**15)
    assert world.ask(ReplaceOrder(CLIENT, "r1", "1", price=order().price * 2)).reason is None
    assert made.last_terms().expire_time_ns == START_NS + 10**15
    assert world.ask(ReplaceOrder(CLIENT, "r2", "1", time_in_force=TimeInForce.DAY)).reason is None
    assert made.last_terms().expire_time_ns is None


def test_what_exec_inst_may_be_is_told_in_one_order() -> None:
    """Rule 8: the text is in the journal, and the same in every process."""
    refused = World.started().ask(order("1", exec_inst="?"))
    assert refused.text == "ExecInst '?' is not known; known are 5 6 E G J K M P R Z h i o"


def test_only_orders_for_today_need_an_open_market() -> None:
    known = {SYMBOL: instrument(trading_session=NIGHT)}
    settings = Settings(known, (VENUE, OTHER_VENUE), risk=open_risk(known, (VENUE, OTHER_VENUE)))
    world = World.started(settings)
    assert world.ask(order("1")).reason is Reason.MARKET_CLOSED
    for tif in "127":
        waits = msgspec.convert(
            SUBMITTED | {"cl_ord_id": f"waits {tif}", "time_in_force": tif}, SubmitOrder, strict=False
        )
        assert world.ask(waits).reason is None


def test_a_halted_instrument_still_lets_cancels_pass_and_can_be_resumed() -> None:
    world = World.started()
    world.submit("1")
    world.ask(HaltInstrument("ops", SYMBOL, "news"))
    assert world.ask(order("2")).reason is Reason.INSTRUMENT_HALTED
    assert world.ask(CancelOrder(CLIENT, "c", "1")).reason is None
    world.ask(ResumeInstrument("ops", SYMBOL, "calm"))
    assert world.ask(order("3")).reason is None


def test_a_filled_order_can_be_revived_by_a_larger_quantity() -> None:
    world = World.started()
    world.fill(world.submit("1"), 100)
    assert world.ask(ReplaceOrder(CLIENT, "r", "1", order_qty=order(order_qty=150).order_qty)).reason is None


def test_a_session_is_administered_by_an_event_that_its_link_carries_out() -> None:
    world = World.started()
    world.ask(AdministerSession("ops", VENUE, "set_sequence", "agreed by telephone", next_target_msg_seq_num=500))
    (event,) = world.events(ev.SessionAdministered)
    assert (event.operator, event.venue, event.action) == ("ops", VENUE, "set_sequence")
    assert world.state.session(VENUE).inbound_seq == 499


def test_all_of_an_order_may_be_shown() -> None:
    """MaxFloor(111) goes up to OrderQty(38)."""
    world = World.started()
    world.submit("1", max_floor=order(order_qty=100).order_qty)
    answer = world.ask(ReplaceOrder(CLIENT, "2", "1", max_floor=order(order_qty=101).order_qty))
    assert (answer.reason, answer.field) == (Reason.FIELD_INVALID, "max_floor")
