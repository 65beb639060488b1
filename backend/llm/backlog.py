"""What a run has still to ask: drawn from the items a few at a time, ready to go, or waiting for their time."""

import heapq
import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from backend.llm.engine import Item, unfinished
from backend.llm.journal_view import JournalView
from backend.llm.tokens import message_tokens

_DRAW = 200  # items looked up in the journal at once


@dataclass(slots=True, eq=False)
class Work:
    """An item on its way: attempts that count, faults in a row, and whether an answer of it was rejected."""

    item: Item
    tries: int
    faults: int = 0
    rejected: bool = False
    tokens_in: int = 0  # estimated


class Backlog:
    """The items that the journal has not ended, in their order, those that are asked again first."""

    def __init__(self, items: Iterable[Item], reader: JournalView):
        self._items, self._reader = iter(items), reader
        self._ready: deque[Work] = deque()
        self._later: list[tuple[float, int, Work]] = []  # a heap by time
        self._order = itertools.count()
        self._exhausted = False
        self._active: dict[str, Work] = {}  # drawn, and not yet ended on the disk

    @property
    def is_done(self) -> bool:
        """Whether every item has ended."""
        return self._exhausted and not self._active

    def first(self, now: float) -> Work | None:
        """Whose turn it is, without taking it; None while all that is drawn is under way or waits."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        if not self._ready and not self._exhausted:
            self._draw()
        return self._ready[0] if self._ready else None

    def take(self) -> Work:
        """The one that `first` showed."""
        return self._ready.popleft()

    def until_later(self, now: float) -> float | None:
        """Seconds until the first of those that wait for their time; None when none does."""
        return self._later[0][0] - now if self._later else None

    def again(self, work: Work) -> None:
        """Ask it again before all others."""
        self._ready.appendleft(work)

    def at_the_end(self, work: Work) -> None:
        """Ask it again after those that are ready."""
        self._ready.append(work)

    def at(self, when: float, work: Work) -> None:
        """Ask it again at a time of the event loop's clock."""
        heapq.heappush(self._later, (when, next(self._order), work))

    def work_of(self, id_: str) -> Work:
        """The work of an item that has not ended."""
        return self._active[id_]

    def end(self, id_: str) -> None:
        """The item has ended on the disk."""
        del self._active[id_]

    def _draw(self) -> None:
        drawn = unfinished(self._items, self._reader, self._active, _DRAW)
        self._exhausted = not drawn
        for item, tries in drawn:
            work = Work(item, tries, tokens_in=message_tokens(item.messages))
            self._active[item.id] = work
            self._ready.append(work)
