"""The way to one endpoint: its pace, its concurrency, its pauses, and whether it is dead."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from backend.llm.concurrency import Concurrency
from backend.llm.pace import Pace
from backend.llm.prices import Price
from backend.llm.provider import Allowance, Provider

_DEAD_AFTER = 10  # faults in a row, without one answer between them
_LONGEST_PAUSE = 60.0  # seconds, where an endpoint does not say how long


@dataclass(frozen=True)
class Limits:
    """Of each endpoint: requests and tokens a minute (None: as its headers say), and calls at once."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int = 1024
    start: int = 16


class Lane:
    """Whether a call may go to this endpoint now. Times are seconds of the event loop's clock."""

    def __init__(self, provider: Provider, limits: Limits, price: Price | None = None):
        self.provider, self.price, self._limits = provider, price, limits
        self._requests, self._tokens = Pace(limits.requests_per_minute), Pace(limits.tokens_per_minute)
        start = limits.start
        if limits.requests_per_minute:
            start = max(start, int(limits.requests_per_minute / 60 * 5))  # the pace holds it back, so begin near it
        self.concurrency = Concurrency(start, limits.concurrency)
        self.in_flight = 0
        self.last_fault = ""
        self.silent_since: float | None = None  # since when it has given faults and pauses only
        self._paused_until = 0.0
        self._pauses = self._faults = 0  # in a row
        self._was_full = False

    @property
    def is_dead(self) -> bool:
        """So many faults in a row that only single calls are tried, further and further apart."""
        return self._faults >= _DEAD_AFTER

    @property
    def fullness(self) -> float:
        """The share of its concurrency that is taken."""
        return self.in_flight / self.concurrency.limit

    def wait(self, now: float, tokens: float) -> float | None:
        """Seconds until a call of so many tokens may go, 0 for now; None when one must come back first."""
        limit = self.concurrency.limit
        if self.is_dead:
            limit = 1
        elif self._pauses and not self._requests.per_minute:
            limit = max(1, limit / 4)  # nobody knows the pace, so the first after a pause are few
        if self.in_flight >= int(limit):
            self._was_full = True
            return None
        return max(self._paused_until - now, self._requests.wait(now), self._tokens.wait(now, tokens), 0.0)

    def begin(self, now: float, tokens: float) -> None:
        """A call goes."""
        self.in_flight += 1
        self._requests.take(now)
        self._tokens.take(now, tokens)

    def end(self) -> None:
        """A call is done with: it failed, or its answer is read."""
        self.in_flight -= 1

    def answered(self, now: float, seconds: float, tokens_more: float, allowance: Allowance | None) -> None:
        """An answer came, whatever it is worth; it took so many tokens more than were expected."""
        self._tokens.settle(tokens_more)
        self._faults = self._pauses = 0
        self.silent_since = None
        self.concurrency.answered(now, seconds, self._was_full)
        self._was_full = self.in_flight >= int(self.concurrency.limit)
        if allowance:
            self.allow(now, allowance)

    def repeated(self, calls: int) -> None:
        """A call was so many times sent once more, in another form."""
        self._requests.settle(calls)

    def allow(self, now: float, allowance: Allowance) -> None:
        """Keep what the endpoint's headers tell, where it is stricter than what was asked for."""
        for pace, told, wanted in (
            (self._requests, allowance.requests_per_minute, self._limits.requests_per_minute),
            (self._tokens, allowance.tokens_per_minute, self._limits.tokens_per_minute),
        ):
            if told and min(told, wanted or told) != pace.per_minute:
                pace.limit(min(told, wanted or told), now)
        if allowance.pause:
            self._paused_until = max(self._paused_until, now + allowance.pause)

    def rate_limited(self, now: float, retry_after: float | None) -> None:
        """A 429: nobody goes before the pause is over; then one call tries the way."""
        self.silent_since = now if self.silent_since is None else self.silent_since
        if now >= self._paused_until:  # later answers of calls that left before the pause are the same 429
            self._pauses += 1
            self.concurrency.back_off(0.75)
        longer = min(_LONGEST_PAUSE, 2.0 ** min(self._pauses, 10) / 2)
        # An endpoint that says "at once" again and again, and answers nothing, is not to be asked for ever without a breath.
        wait = longer if retry_after is None else max(retry_after, longer / 32)
        self._paused_until = max(self._paused_until, now + _jittered(wait))

    def failed(self, now: float, message: str, retry_after: float | None) -> None:
        """A fault of the endpoint. After many in a row it is dead, and single calls try it from time to time."""
        self.silent_since = now if self.silent_since is None else self.silent_since
        self._faults += 1
        self.last_fault = message
        self.concurrency.failed(now)
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + _jittered(retry_after))
        elif self.is_dead:
            wait = min(_LONGEST_PAUSE, 2.0 ** min(self._faults - _DEAD_AFTER, 10) / 2)
            self._paused_until = max(self._paused_until, now + _jittered(wait))

    def paused(self, now: float) -> float:
        """Seconds that the lane still pauses."""
        return max(0.0, self._paused_until - now)


def emptiest(lanes: Sequence[Lane], now: float, tokens: float) -> tuple[Lane | None, float | None]:
    """The emptiest lane that a call may take now; else None and the seconds until one may (None: until one is back)."""
    best, soonest = None, None
    for lane in lanes:
        wait = lane.wait(now, tokens)
        if wait is None:
            continue
        if wait > 0:
            soonest = wait if soonest is None else min(soonest, wait)
        elif best is None or lane.fullness < best.fullness:
            best = lane
    return best, soonest


def _jittered(seconds: float) -> float:
    """Never sooner, and not all at the same moment."""
    return seconds * random.uniform(1.0, 1.1) + random.uniform(0.0, 0.05)
