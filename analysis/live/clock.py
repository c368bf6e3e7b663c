"""Time as a campaign counts it: seconds during which a driver worked on it."""

from __future__ import annotations

from dataclasses import dataclass

from scoutbee.traces.replay_events import RESUMED

from .glimpses import Event, Glimpse

STARTED = 'started'
"""The event with which the agents of each session set out."""

ENDED = 'ended'
"""The event with which they say how it ended."""


@dataclass
class Session:
    """One time that a driver worked on the run.

    Attributes:
        began: When, in seconds since the epoch.
        at: The same in campaign seconds.
        set_out: When its agents set out, in seconds since the epoch; None before.
    """

    began: float
    at: float
    set_out: float | None = None


class CampaignClock:
    """Counts the seconds of all sessions; the time between a crash and the resumption is no one's."""

    def __init__(self) -> None:
        """Wait for the first record."""
        self.sessions: list[Session] = []
        self.now = 0.0
        """Campaign seconds at the newest record."""
        self.newest: float | None = None
        """When the newest record was written, in seconds since the epoch."""

    def take(self, record: Glimpse) -> float:
        """Go on to a record; returns its place in campaign seconds, which never goes back."""
        if isinstance(record, Event):
            self._heard(record)
        elif not self.sessions:
            self.sessions.append(Session(record.time, self.now))
        if self.newest is None or record.time > self.newest:
            self.newest = record.time
            self.now = max(self.now, self.at(record.time))
        return self.now

    def _heard(self, record: Event) -> None:
        if not self.sessions or record.event == RESUMED:
            self.sessions.append(Session(record.time, self.now))
        if record.event == STARTED:
            self.sessions[-1].set_out = record.time

    def at(self, time: float) -> float:
        """Campaign seconds of a moment in this session, given in seconds since the epoch."""
        session = self.sessions[-1]
        return session.at + max(0.0, time - session.began)

    def since_set_out(self, time: float) -> float:
        """Seconds since the agents of this session set out, as ``run.py`` shows them."""
        if not self.sessions:
            return 0.0
        session = self.sessions[-1]
        return max(0.0, time - (session.set_out or session.began))
