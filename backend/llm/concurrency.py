"""How many calls may be under way at once, learned from how an endpoint takes them."""

_GOOD, _BAD = 1.5, 2.0  # latency as a multiple of the lowest seen: below it climbs, above it may shrink


class Concurrency:
    """A limit that doubles, then climbs by tenths, while latency or throughput allow, and shrinks on faults.

    It is looked at once a round, which is as many answers as the limit. Throughput decides when latency grows: a
    server that batches answers more slowly and yet more in all.
    """

    def __init__(self, start: int = 16, ceiling: int = 1024):
        self.limit, self._ceiling = float(min(start, ceiling)), float(ceiling)
        self._doubling = True
        self._base = self._best = 0.0  # lowest mean latency, highest throughput of a round
        self._begin(None)

    def answered(self, now: float, seconds: float, busy: bool) -> None:
        """An answer came after `seconds`; `busy` when the limit kept further calls waiting."""
        self._started = now - seconds if self._started is None else self._started
        self._answers += 1
        self._seconds += seconds
        self._busy = self._busy or busy
        self._look(now)

    def failed(self, now: float) -> None:
        """A call failed for a fault of the server: a time-out, a broken connection, a 5xx."""
        self._started = now if self._started is None else self._started
        self._faults += 1
        self._look(now)

    def back_off(self, factor: float) -> None:
        """Shrink at once, and climb gently from here on."""
        self.limit, self._doubling = max(1.0, self.limit * factor), False

    def _look(self, now: float) -> None:
        calls = self._answers + self._faults
        if calls < max(4.0, self.limit):
            return
        if self._faults > 0.2 * calls:
            self.back_off(0.8)
        elif self._busy and self._answers:
            self._climb(self._seconds / self._answers, self._answers / max(1e-3, now - self._started))
        self._begin(now)

    def _climb(self, latency: float, throughput: float) -> None:
        self._base = min(self._base * 1.02 or latency, latency)
        gained = throughput > 1.1 * self._best
        self._best = max(self._best * 0.98, throughput)
        if latency <= _GOOD * self._base or gained:
            self.limit = min(self._ceiling, self.limit * (2 if self._doubling else 1.1) + (0 if self._doubling else 1))
        else:
            self._doubling = False
            if latency > _BAD * self._base and throughput < 0.95 * self._best:
                self.limit = max(1.0, self.limit * 0.9)

    def _begin(self, now: float | None) -> None:
        self._started, self._answers, self._faults, self._seconds, self._busy = now, 0, 0, 0.0, False
