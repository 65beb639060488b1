"""How many calls may be under way at once, learned from how an endpoint takes them."""

_FLAT = 1.1  # latency as a multiple of the lowest seen, up to which nobody queues: four times as many are tried
_SLOWER = 1.5  # latency as a multiple of the lowest seen, above which more calls must show in the throughput
_PROBE = 300.0  # seconds after which half as many are tried, to see whether calls merely queue


class Concurrency:
    """A limit that multiplies, then climbs by tenths, while latency or throughput allow, and shrinks on faults.

    It is looked at once a round, which is as many answers as the limit. Throughput decides when latency grows: a
    server that batches answers more slowly and yet more in all. From time to time half as many are tried: what a server
    only queues is not missed then, and the limit stays there (as BBR probes the round-trip time of a network).
    """

    def __init__(self, start: int = 16, ceiling: int = 1024):
        self.limit, self._ceiling = float(min(start, ceiling)), float(ceiling)
        self._doubling = True
        self._stepped_from = self.limit
        self._base = 0.0  # lowest mean latency of a round
        self._best = self._last = 0.0  # throughput: highest of a round, slowly forgotten, and of the round before
        self._probed: float | None = None
        self._before_probe: tuple[float, float] | None = None  # limit and throughput
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
            self._climb(now, self._seconds / self._answers, self._answers / max(1e-3, now - self._started))
        self._begin(now)

    def _climb(self, now: float, latency: float, throughput: float) -> None:
        self._probed = now if self._probed is None else self._probed
        if self._before_probe:
            limit, before = self._before_probe
            self._before_probe, self._base = None, latency
            if throughput < 0.9 * before:
                self.limit = limit
        elif self._doubling and self._last and throughput < 1.2 * self._last:
            self.limit, self._doubling = self._stepped_from, False  # so many more brought nothing
        elif now - self._probed > _PROBE and not self._doubling:
            self._before_probe, self._probed = (self.limit, throughput), now
            self.limit = max(1.0, self.limit / 2)
        else:
            self._base = min(self._base or latency, latency)
            if latency <= _SLOWER * self._base or throughput > 1.1 * self._best:
                self._stepped_from, factor = self.limit, 4 if latency <= _FLAT * self._base else 2
                self.limit = min(self._ceiling, self.limit * factor if self._doubling else self.limit * 1.1 + 1)
        self._best = max(self._best * 0.98, throughput)
        self._last = throughput

    def _begin(self, now: float | None) -> None:
        self._started, self._answers, self._faults, self._seconds, self._busy = now, 0, 0, 0.0, False
