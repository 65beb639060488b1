"""What a visitor has under way, so that Stop and a closed tab end it in the engine too."""

import asyncio
import threading
from collections import defaultdict

import gradio as gr


class Visit(asyncio.Event):
    """Something under way, set when it shall stop. Once `replaced`, another fills its `place` of the page, which it leaves alone."""

    def __init__(self, place: str):
        super().__init__()
        self.place, self.replaced, self.loop = place, False, asyncio.get_running_loop()


class Visits:
    """The visits under way, by session."""

    def __init__(self):
        self._running: dict[str, set[Visit]] = defaultdict(set)
        self._guard = threading.Lock()

    def begin(self, session: str, place: str, alone: bool = True) -> Visit:
        """A visit that is set when this visitor stops or leaves. `alone`: what the visitor had under way before is stopped."""
        visit = Visit(place)
        with self._guard:
            for other in self._running[session]:
                other.replaced = other.replaced or other.place == place
                if alone:
                    other.loop.call_soon_threadsafe(other.set)
            self._running[session].add(visit)
        return visit

    def end(self, session: str, visit: Visit) -> None:
        """It has ended by itself."""
        with self._guard:
            self._running[session].discard(visit)
            if not self._running[session]:
                del self._running[session]

    def stop(self, session: str) -> None:
        """Stop all that a visitor has under way; from any thread."""
        with self._guard:
            for visit in self._running.get(session, ()):
                visit.loop.call_soon_threadsafe(visit.set)


def leave_alone(outputs: int) -> tuple:
    """What a replaced visit yields last, for so many outputs: at its end Gradio sends once more what it yielded last."""
    return (gr.skip(),) * outputs
