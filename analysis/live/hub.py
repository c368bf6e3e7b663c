"""One follower for any number of pages."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from .follower import Follower, Phase
from .sections import Sections

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""How often the files are looked at."""

PUBLISH_SECONDS = 1.0
"""How often the pages are told, at most."""

PUBLISH_SHARE = 0.02
"""Share of a core that may go into making what they are told; where that takes long, they are told less often."""

ALIVE_SECONDS = 10.0
"""How often a page is sent something even if nothing changes, which is how it is noticed that one has gone."""


@dataclass(frozen=True)
class _Section:
    revision: int
    body: bytes


class Hub:
    """Polls a follower on a thread of its own and hands what it shows to pages.

    There is no queue. Each page is handed what has changed since it last took something, as it is then. One that takes
    nothing costs what its connection buffers, and holds up neither the follower nor another page.
    """

    def __init__(self, follower: Follower) -> None:
        """Prepare; nothing is read before :meth:`start`.

        Args:
            follower: What is shown; from now on used by the hub alone.
        """
        self._follower = follower
        self._makers = Sections(follower)
        self._sections: Mapping[str, _Section] = {}
        self._revision = 0
        self._pages = 0
        self._served = 0
        self._phase: Phase | None = None
        self._is_stale = True
        self._due = 0.0
        self._ending = threading.Event()
        self._wanted = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pulse = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name='follower', daemon=True)

    def start(self) -> None:
        """Begin to follow; called on the event loop of those who ask for updates."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def end(self) -> None:
        """Stop following, and end all updates; may be called from anywhere, a signal handler too."""
        self._ending.set()
        self._wanted.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._beat)

    async def stop(self) -> None:
        """:meth:`end`, and wait for it."""
        self.end()
        await asyncio.to_thread(self._thread.join)

    async def updates(self) -> AsyncIterator[bytes]:
        """What a page is to show: first all of it, then what changes.

        Yields:
            JSON objects of sections by name; empty bytes when nothing has changed for a while.
        """
        seen: dict[str, int] = {}
        self._pages += 1
        self._wanted.set()
        try:
            while not self._ending.is_set():
                pulse = self._pulse
                sections = self._sections
                fresh = {name: s for name, s in sections.items() if seen.get(name) != s.revision}
                if fresh:
                    seen.update((name, section.revision) for name, section in fresh.items())
                    yield _joined(fresh)
                    continue
                try:
                    await asyncio.wait_for(pulse.wait(), ALIVE_SECONDS)
                except (TimeoutError, asyncio.TimeoutError):
                    yield b''
        finally:
            self._pages -= 1

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wanted.clear()
            try:
                self._step()
            except Exception:
                logger.exception('The run could not be followed; trying again.')
            if not self._follower.is_behind:
                self._wanted.wait(POLL_SECONDS)

    def _step(self) -> None:
        phase_before, self._phase = self._phase, self._follower.phase()
        moves = self._follower.poll() or self._phase in ('running', 'starting') or self._phase != phase_before
        self._is_stale = self._is_stale or moves
        pages_before, self._served = self._served, self._pages
        is_due = time.monotonic() >= self._due or self._pages > pages_before
        if self._pages and self._is_stale and is_due:
            spent = time.thread_time()
            self._publish()
            spent = time.thread_time() - spent
            self._is_stale = False
            self._due = time.monotonic() + max(PUBLISH_SECONDS, spent / PUBLISH_SHARE)

    def _publish(self) -> None:
        sections = dict(self._sections)
        for name, content in self._makers.make().items():
            body = json.dumps(content, separators=(',', ':'), allow_nan=False).encode()
            if name not in sections or sections[name].body != body:
                self._revision += 1
                sections[name] = _Section(self._revision, body)
        self._sections = sections
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._beat)

    def _beat(self) -> None:
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()


def _joined(sections: Mapping[str, _Section]) -> bytes:
    return b'{' + b','.join(b'"%s":%s' % (name.encode(), section.body) for name, section in sections.items()) + b'}'
