"""Ending a streamed text before one of a few strings."""

from collections.abc import Sequence


class StopStrings:
    """Gives out text as far as no stop string can still begin in it."""

    def __init__(self, stops: Sequence[str]):
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.hit = False

    def push(self, text: str) -> str:
        """The text that may be shown now; nothing more once a stop string has come."""
        if self.hit:
            return ""
        pending = self._held + text
        found = [place for stop in self._stops if (place := pending.find(stop)) >= 0]
        if found:
            self.hit, self._held = True, ""
            return pending[: min(found)]
        keep = max((_overlap(pending, stop) for stop in self._stops), default=0)
        self._held = pending[len(pending) - keep :]
        return pending[: len(pending) - keep]

    def flush(self) -> str:
        """What was held back, once nothing follows."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
