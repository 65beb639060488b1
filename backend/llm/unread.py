"""Answers that are back and not yet read: some at a turn of the event loop, so that calls go and come meanwhile.

Were an answer read where its call ends, thousands that come at once would be read before the next calls go, all of them
at once again, and endpoint and client would wait for each other in turn.
"""

import asyncio
from collections import deque
from collections.abc import Callable

_AT_A_TURN = 16  # a few milliseconds


class Unread:
    """Hands each answer to `read`, in their order; `after` is called after each turn, `fault` with what `read` raised."""

    def __init__(self, read: Callable[..., None], after: Callable[[], None], fault: Callable[[Exception], None]):
        self._read, self._after, self._fault = read, after, fault
        self._answers: deque[tuple] = deque()
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, *answer) -> None:
        """What `read` will be called with."""
        self._answers.append(answer)
        self._some.set()

    async def read_on(self) -> None:
        """Read until cancelled."""
        while True:
            await self._some.wait()
            self._turn(_AT_A_TURN)
            if not self._answers:
                self._some.clear()
            self._after()
            await asyncio.sleep(0)

    def read_all(self) -> None:
        """Read what is left, at once."""
        self._turn(len(self._answers))

    def _turn(self, most: int) -> None:
        for _ in range(min(most, len(self._answers))):
            try:
                self._read(*self._answers.popleft())
            except Exception as error:
                self._fault(error)
