"""Which cores a worker computes on, when it has fewer threads than there are cores."""

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path


class Cores:
    """Hands out the cores that fewest others compute on.

    A step goes from Python's thread to one of OpenVINO's and back. Were they on different cores, each would sleep while the
    other works, and waking a sleeping core takes as long as a small model's whole token.
    """

    def __init__(self, numbers: Iterable[int]):
        self._users = dict.fromkeys(sorted(numbers), 0)
        self._guard = threading.Lock()

    def take(self, count: int) -> list[int]:
        """So many cores, until they are given back; none when `count` is all that there are, so that nobody is bound."""
        if count >= len(self._users):
            return []
        with self._guard:
            chosen = sorted(self._users, key=lambda core: self._users[core])[:count]
            for core in chosen:
                self._users[core] += 1
        return chosen

    def give_back(self, chosen: Iterable[int]) -> None:
        """Cores of a worker that has nothing to do."""
        with self._guard:
            for core in chosen:
                self._users[core] -= 1


CORES = Cores(os.sched_getaffinity(0))


def stay_on(cores: Iterable[int]) -> None:
    """Bind all threads of this process to these cores. A system that forbids it leaves them where they are."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended, or the cores are no longer this process's
            os.sched_setaffinity(int(thread.name), cores)
