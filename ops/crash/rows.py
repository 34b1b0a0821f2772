"""The projections beside the journal: once the follower has caught up, each order and execution is there as the journal
has it.
"""

from collections.abc import Mapping
from decimal import Decimal

import sqlalchemy as sa

from gateway.adapters.projections import tables
from ops.crash.books import JournalBook

Rows = Mapping[object, tuple[object, ...]]


def differences(url: str, journal: JournalBook) -> list[str]:
    """What the rows of the projections at this URL do not agree on with the journal."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as rows:
            return _differ("order", _orders(rows), _orders_of(journal)) + _differ(
                "execution", _executions(rows), _executions_of(journal)
            )
    finally:
        engine.dispose()


def _orders(rows: sa.Connection) -> Rows:
    table = tables.orders.c
    found = rows.execute(sa.select(table.order_id, table.ord_status, table.cum_qty))
    return {order_id: (ord_status, cum_qty) for order_id, ord_status, cum_qty in found}


def _orders_of(journal: JournalBook) -> Rows:
    return {view.order_id: (view.ord_status.name, view.cum_qty) for view in journal.views.values()}


def _executions(rows: sa.Connection) -> Rows:
    table = tables.executions.c
    wanted = sa.select(table.order_id, table.exec_id, table.last_qty, table.last_px).where(table.in_force)
    found: dict[object, tuple[Decimal, Decimal]] = {}
    for order_id, exec_id, last_qty, last_px in rows.execute(wanted):
        found[order_id, exec_id] = (last_qty, last_px)
    return found


def _executions_of(journal: JournalBook) -> Rows:
    fills = (fill for booked in journal.fills.values() for fill in booked.items())
    return {key: (fill.last_qty, fill.last_px) for key, fill in fills}


def _differ(what: str, rows: Rows, journal: Rows) -> list[str]:
    return [
        f"{what} {key} is {rows.get(key)} in the projections and {journal.get(key)} in the journal"
        for key in sorted({*rows, *journal}, key=str)
        if rows.get(key) != journal.get(key)
    ]
