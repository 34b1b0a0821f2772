"""How far the projections tell, for a start that asks whether the journal has as much."""

import sqlalchemy as sa

from gateway.adapters.projections import tables
from gateway.runtime.witnesses import Witness


def witness(url: str, stack: str) -> Witness | None:
    """What the projections of this stack say of the journal that they were made of. None when they say nothing: there
    are none, or they cannot be read now, and who starts does not wait for them.
    """
    where, place = sa.make_url(url), tables.position
    engine = tables.reading(where)
    try:
        with engine.connect() as connection:
            row = connection.execute(sa.select(place.c.stack, place.c.seq, place.c.journal_hash)).one_or_none()
    except (sa.exc.SQLAlchemyError, *tables.GARBLED):
        return None
    finally:
        engine.dispose()
    if row is None or row.stack != stack or not isinstance(row.seq, int) or not isinstance(row.journal_hash, bytes):
        return None
    return Witness(f"the projections {tables.name(where)}", row.seq, row.journal_hash)
