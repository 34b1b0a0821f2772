"""All links of a configuration: one for each venue, and one for each drop copy."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.adapters.quickfix.link import QuickFixLink
from gateway.config import Config, VenueConfig
from gateway.config.sections import DropCopyConfig
from gateway.resources import fix_spec_path


def links_of(
    config: Config, *, wake: Callable[[], None], now_ns: Callable[[], int], fatal: Callable[[BaseException], None]
) -> dict[str, QuickFixLink]:
    """The links by the names of their sessions, a venue's drop copy after the venue. None is started yet."""
    instruments = config.core_instruments()
    store = Path(config.data_dir) / "fix"
    links: dict[str, QuickFixLink] = {}
    for venue in config.venues:
        sessions = [(venue, "")]
        if venue.drop_copy is not None:
            sessions.append((drop_copy_session(venue, venue.drop_copy), venue.name))
        for session, copies in sessions:
            links[session.name] = QuickFixLink(
                session,
                instruments,
                store,
                wake=wake,
                now_ns=now_ns,
                fatal=fatal,
                overlay=fix_spec_path(venue.dialect.dictionary) if venue.dialect.dictionary else None,
                inbox_limit=config.limits.report_queue,
                copies=copies,
            )
    return links


def drop_copy_session(venue: VenueConfig, drop_copy: DropCopyConfig) -> VenueConfig:
    """The venue's drop-copy session as a session of its own: what it does not say is as on the order session."""
    return msgspec.structs.replace(
        venue,
        name=venue.drop_copy_session,
        host=drop_copy.host,
        port=drop_copy.port,
        sender_comp_id=drop_copy.sender_comp_id,
        target_comp_id=drop_copy.target_comp_id,
        username=drop_copy.username,
        password=drop_copy.password,
        drop_copy=None,
    )
