"""What goes wrong with the files of a run directory."""

from __future__ import annotations

from scoutbee.contracts.errors import ScoutbeeError


class TraceError(ScoutbeeError):
    """A trace cannot be written or read. The message names the file, what was expected and what to do."""
