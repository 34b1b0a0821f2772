"""Sessions, the clock and the process: what it means that a session comes or goes, that time passes, and that another
process has taken over.
"""

from collections.abc import Iterator

from gateway.core import drop_copy, lost, retention
from gateway.core import events as ev
from gateway.core.events import Event
from gateway.core.order import SENT, Order
from gateway.core.reports import ProcessStarted, SendRefused, SessionDown, SessionUp
from gateway.core.state import Session, Settings, State


def session_up(state: State, settings: Settings, fact: SessionUp) -> list[Event]:
    """Ask the venue about everything that may or may not have reached it; each order once. Where orders are compared,
    the comparison asks.
    """
    copies = settings.drop_copies.get(fact.venue, "")
    now, later = lost.to_ask(state, fact.venue) if fact.venue not in settings.reconcile else ([], ())
    return [
        ev.SessionLoggedOn(fact.venue, fact.reset, fact.logon_seq_num, fact.unexpected, copies, later),
        *[lost.question(state.orders[order_id]) for order_id in now],
    ]


def _question(order: Order, why: str) -> Event:
    return ev.StatusRequested(order.order_id, order.venue, order.venue_cl_ord_id, why)


def session_down(state: State, fact: SessionDown) -> list[Event]:
    """What the venue has not answered may or may not have arrived."""
    if not state.session(fact.venue).up:
        # It did not come up. The link says why once, not at each attempt, and that is worth keeping.
        return [ev.SessionLoggedOut(fact.venue, fact.text)] if fact.text else []
    return [ev.SessionLoggedOut(fact.venue, fact.text), *lost.session_down(state, fact.venue)]


def send_refused(state: State, fact: SendRefused) -> list[Event]:
    """It is proven that a request was not sent."""
    order = state.orders.get(state.by_venue_cl_ord_id.get(fact.venue_cl_ord_id, ""))
    if order is None or order.requests[fact.venue_cl_ord_id].state != SENT:
        return []
    return [ev.OrderUnsent(order.order_id, fact.venue_cl_ord_id, fact.text)]


def timer(state: State, settings: Settings, at_ns: int) -> list[Event]:
    """Silence is not evidence: what waits too long is in doubt, and the venue is asked.

    What leaves memory leaves first, as it is before anything else of this turn is applied: nothing of it waits, and a
    doubt about a later order may take over the OrderID(37) that led to it.
    """
    doubts = lost.next_part(state)
    asked = lost.questions(state, settings, doubts)
    late = lost.at_most(lost.DOUBTS_AT_ONCE - len(doubts), _late(state, settings, at_ns))
    orders = [state.orders[order_id] for order_id in dict.fromkeys(event.order_id for event in late)]
    questions = [_question(order, "the venue has not answered") for order in orders if state.session(order.venue).up]
    more = lost.next_questions(state, {event.order_id for event in (*doubts, *late)})
    return [*retention.retire(state, settings, at_ns), *doubts, *asked, *late, *questions, *more]


def due(state: State, settings: Settings, at_ns: int) -> bool:
    """Whether the clock's next turn would bring something into doubt, or ask about it: there may be more than one turn
    does.
    """
    return bool(state.lost or state.unasked) or next(_late(state, settings, at_ns), None) is not None


def _late(state: State, settings: Settings, at_ns: int) -> Iterator[ev.OrderInDoubt]:
    """Requests that wait too long. What is left of a connection that is gone comes into doubt before them."""
    for venue, limit in settings.ack_timeout_ns.items():
        for key, order_id in state.silent.get(venue, {}).items() if venue not in state.lost else ():
            if abs(at_ns - state.orders[order_id].requests[key].sent_ns) < limit:
                break  # Those behind it were sent later. One from the future was sent before the clock was set back.
            yield ev.OrderInDoubt(order_id, key, f"no answer for {limit // 1_000_000_000} s")


def process_started(state: State, fact: ProcessStarted, at_ns: int) -> list[Event]:
    """A new process owns the journal: no session is up, and what was on its way may or may not have arrived.

    The IDs that it gives begin with the time. So none is given again that was sent after a backup, or by what a loss of
    power took from the journal, or after the moment to which somebody set the whole machine back (rule 2).
    """
    prefix = _base36(at_ns // 1_000_000_000)
    down = [ev.SessionLoggedOut(venue, "the process ended") for venue, session in state.sessions.items() if session.up]
    return [ev.EpochBegan(fact.version, fact.epoch or state.epoch + 1, prefix), *down, *lost.process_ended(state)]


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + digits
    return digits or "0"


def takes_orders(state: State, settings: Settings, venue: str) -> bool:
    """Whether new orders may go to a venue: logged on, nothing left to come into doubt, and compared where it is
    compared at all.
    """
    session = state.session(venue)
    compared = session.reconciled or venue not in settings.reconcile
    return session.up and compared and venue in settings.venues and venue not in state.lost


def request_id(state: State, ahead: int) -> str:
    """The venue_cl_ord_id of the `ahead`-th request from here: a counter behind the epoch's own prefix, at most 20
    characters, never used again.
    """
    return f"{state.id_prefix}R{state.last_request_no + ahead}"


# --- Changing ---


def began(state: State, event: ev.EpochBegan, at_ns: int) -> None:
    """Another process owns the journal; no connection of the one before is left."""
    state.epoch, state.id_prefix = event.epoch, event.id_prefix
    for venue in state.silent:
        lost.lose(state, venue, session(state, venue), at_ns, by_process=True)


def session(state: State, venue: str) -> Session:
    """The venue's session, to be changed."""
    found = state.sessions.get(venue)
    if found is None:
        found = state.sessions[venue] = Session()
    return found


def sent(state: State, venue: str) -> Session:
    """One message more was committed to be sent on the venue's session: it takes a number of ours."""
    ours = state.sessions.get(venue) or session(state, venue)
    ours.sender_floor += 1
    return ours


def logged_on(state: State, event: ev.SessionLoggedOn, _: int) -> None:
    """The session is up on a new connection; the venue is to be compared anew."""
    ours = session(state, event.venue)
    ours.up = True
    ours.logons += 1
    ours.reconciled = False
    if event.reset:
        ours.inbound_seq = 0
    if event.reset or event.logon_seq_num:
        ours.sender_floor = ours.logon_seq_num = event.logon_seq_num
    ours.copies = event.copies
    if event.later:
        state.unasked[event.venue] = dict.fromkeys(event.later)
    if event.copies:
        drop_copy.logged_on(state, event.venue, event.copies)


def logged_out(state: State, event: ev.SessionLoggedOut, at_ns: int) -> None:
    """The session is down."""
    ours = session(state, event.venue)
    lost.lose(state, event.venue, ours, at_ns)
    state.unasked.pop(event.venue, None)
    ours.up = ours.reconciled = False
    if ours.copies:
        drop_copy.logged_out(state, ours.copies)


def administered(state: State, event: ev.SessionAdministered, _: int) -> None:
    """An operator set the numbers."""
    ours = session(state, event.venue)
    if event.next_target_msg_seq_num is not None:
        ours.inbound_seq = event.next_target_msg_seq_num - 1
    if event.next_sender_msg_seq_num is not None:
        ours.sender_floor = event.next_sender_msg_seq_num - 1
