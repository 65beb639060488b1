"""How many threads each model computes with: all while it is alone, else its share."""

import os
import threading
from collections.abc import Callable


class Cores:
    """Shares out threads among those who compute at the time.

    The threads of a step wait for each other, and among more threads than cores each would wait for those that are not on.
    """

    def __init__(self, count: int):
        self.count = count
        self._users: dict[object, Callable[[int], None]] = {}
        self._guard = threading.Lock()

    def take(self, user: object, told: Callable[[int], None]) -> None:
        """Begin to compute; `told` is called with the number of threads, now and whenever it changes."""
        with self._guard:
            self._users[user] = told
            self._tell()

    def give_back(self, user: object) -> None:
        """Compute no more."""
        with self._guard:
            if self._users.pop(user, None):
                self._tell()

    def _tell(self) -> None:
        for told in list(self._users.values()):
            told(max(1, self.count // len(self._users)))


CORES = Cores(len(os.sched_getaffinity(0)))
