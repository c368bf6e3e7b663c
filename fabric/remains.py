"""Removes what an earlier driver left where nothing can list it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .connectors.base import Connector
from .journal import Journal, Note


def clear_noted(journal: Journal) -> int:
    """Remove all that stands in a journal, and then the journal.

    Args:
        journal: Where the earlier driver noted what it kept.

    Returns:
        How many things were removed.

    Raises:
        ConfigurationError: If this machine cannot reach where something is; what was not removed still stands.
        OutOfReachError: Likewise, for the moment.
        OSError: If the journal cannot be written.
    """
    notes = journal.standing()
    for note in notes:
        connector = _OPENERS[note.backend](note, journal)
        try:
            connector.clear()
        finally:
            connector.close()
    journal.remove()
    return len(notes)


def _endpoint(note: Note, journal: Journal) -> Connector:
    from .connectors.endpoint import PeerEndpointConnector

    connector = PeerEndpointConnector(**note.config, journal=journal)
    connector.adopt(note.name, note.place)
    return connector


def _globus(note: Note, journal: Journal) -> Connector:
    from .connectors.globus import GlobusFolderConnector

    return GlobusFolderConnector(**note.config, journal=journal)


_OPENERS: Mapping[str, Callable[[Note, Journal], Connector]] = {'endpoint': _endpoint, 'globus': _globus}
"""What makes a connector that can remove what a note names."""
