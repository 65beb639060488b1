"""Which stories a visitor has under way, so that Stop and a closed tab end them in the engine too."""

import threading
from collections import defaultdict


class Visits:
    """One event a running story, by session; `stop` sets them all, also those of stories still in the queue."""

    def __init__(self):
        self._running: dict[str, set[threading.Event]] = defaultdict(set)
        self._guard = threading.Lock()

    def begin(self, session: str) -> threading.Event:
        """An event that is set when this visitor stops or leaves."""
        event = threading.Event()
        with self._guard:
            self._running[session].add(event)
        return event

    def end(self, session: str, event: threading.Event) -> None:
        """The story has ended by itself."""
        with self._guard:
            self._running[session].discard(event)
            if not self._running[session]:
                del self._running[session]

    def stop(self, session: str) -> None:
        """Stop all stories of a visitor."""
        with self._guard:
            for event in self._running.get(session, ()):
                event.set()
