"""How many stories one address may have under way, so that nobody can fill the machine alone."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from backend.errors import UserError

VARIABLE = "TINYSTORIES_PER_VISITOR"
# A classroom shares one address; slots are shared out evenly anyway, so this only bounds what can pile up.
_DEFAULT = 64


class TooMany(UserError):
    """One address has as many stories under way as it may."""


class Quota:
    """Counts stories under way by address."""

    def __init__(self, limit: int | None = None):
        """`limit` else TINYSTORIES_PER_VISITOR. Raises UserError when that is no whole number of 1 or more."""
        self.limit = limit or _limit()
        self._taken: Counter[str] = Counter()
        self._guard = threading.Lock()

    @contextmanager
    def taking(self, address: str, count: int, words: dict) -> Iterator[None]:
        """Hold `count` stories for an address. Raises TooMany, in the words of `words`, when that is too many."""
        with self._guard:
            if self._taken[address] + count > self.limit:
                raise TooMany(words["too_many_at_once"].format(count=self._taken[address], limit=self.limit))
            self._taken[address] += count
        try:
            yield
        finally:
            with self._guard:
                self._taken[address] -= count
                if not self._taken[address]:
                    del self._taken[address]


def _limit() -> int:
    given = os.environ.get(VARIABLE) or str(_DEFAULT)
    if not given.strip().isdecimal() or int(given) < 1:
        raise UserError(f"{VARIABLE} is '{given[:40]}', but must be a whole number of 1 or more.")
    return int(given)
