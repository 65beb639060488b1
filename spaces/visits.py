"""Which stories a visitor has under way, so that Stop and a closed tab end them in the engine too."""

import asyncio
import threading
from collections import defaultdict


class Visits:
    """One event a running story, by session."""

    def __init__(self):
        self._running: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._loops: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._guard = threading.Lock()

    def begin(self, session: str) -> asyncio.Event:
        """An event that is set when this visitor stops or leaves. What the visitor had under way before is stopped."""
        self.stop(session)
        event = asyncio.Event()
        with self._guard:
            self._running[session].add(event)
            self._loops[event] = asyncio.get_running_loop()
        return event

    def end(self, session: str, event: asyncio.Event) -> None:
        """The story has ended by itself."""
        with self._guard:
            self._running[session].discard(event)
            self._loops.pop(event, None)
            if not self._running[session]:
                del self._running[session]

    def stop(self, session: str) -> None:
        """Stop all stories of a visitor; from any thread."""
        with self._guard:
            for event in self._running.get(session, ()):
                self._loops[event].call_soon_threadsafe(event.set)

    @property
    def running(self) -> int:
        """Visitors with a story under way."""
        return len(self._running)
