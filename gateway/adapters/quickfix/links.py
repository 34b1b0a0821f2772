"""All links of a configuration: one for each venue, and one for each drop copy."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.adapters.quickfix.dictionary import DictionaryError
from gateway.adapters.quickfix.link import DICTIONARIES, QuickFixLink
from gateway.adapters.quickfix.settings import write_dictionaries
from gateway.config import Config, VenueConfig
from gateway.config.sections import DropCopyConfig
from gateway.resources import fix_spec_path


def check_dictionaries(config: Config, data_dir: Path) -> None:
    """Whether each venue's overlay can be laid over its version's dictionary, as a start does. The files are put where
    those of a stack with this data directory are.

    Raises:
        DictionaryError: one cannot; a line for each, with its key.
    """
    problems: list[str] = []
    for place, venue in enumerate(config.venues):
        try:
            write_dictionaries(venue, _overlay(venue), _store(data_dir) / DICTIONARIES)
        except DictionaryError as error:
            problems.append(f"venues[{place}].dialect.dictionary ({venue.name}): {error}")
    if problems:
        raise DictionaryError("\n".join(problems))


def links_of(
    config: Config, *, wake: Callable[[], None], now_ns: Callable[[], int], fatal: Callable[[BaseException], None]
) -> dict[str, QuickFixLink]:
    """The links by the names of their sessions, a venue's drop copy after the venue. None is started yet."""
    instruments = config.core_instruments()
    store = _store(Path(config.data_dir))
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
                overlay=_overlay(venue),
                inbox_limit=config.limits.report_queue,
                copies=copies,
            )
    return links


def _store(data_dir: Path) -> Path:
    return data_dir / "fix"


def _overlay(venue: VenueConfig) -> Path | None:
    return fix_spec_path(venue.dialect.dictionary) if venue.dialect.dictionary else None


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
