"""The way to one endpoint: its pace, its concurrency, its pauses, and whether it is dead."""

import random
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
        self._learned = False  # whether the pace of requests was found out by 429s
        self._answers, self._counted_since, self._rate = 0, None, 0.0  # for finding it out: answers a second

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
        one_by_one = self.is_dead or (self._pauses and not self._requests.per_minute)
        if self.in_flight >= (1 if one_by_one else int(self.concurrency.limit)):
            self._was_full = True
            return None
        return max(self._paused_until - now, self._requests.wait(now), self._tokens.wait(now, tokens), 0.0)

    def begin(self, now: float, tokens: float) -> None:
        """A call goes."""
        self.in_flight += 1
        self._requests.take(now)
        self._tokens.take(now, tokens)

    def end(self, tokens_more: float = 0.0) -> None:
        """A call is back; it took so many tokens more than were expected."""
        self.in_flight -= 1
        self._tokens.settle(tokens_more)

    def answered(self, now: float, seconds: float, allowance: Allowance | None) -> None:
        """An answer came, whatever it was worth."""
        self._faults = self._pauses = 0
        self.silent_since = None
        self.concurrency.answered(now, seconds, self._was_full)
        self._was_full = self.in_flight + 1 >= int(self.concurrency.limit)
        self._count(now)
        if allowance:
            self.allow(now, allowance)

    def allow(self, now: float, allowance: Allowance) -> None:
        """Keep what the endpoint's headers tell, where it is stricter than what was asked for."""
        for pace, told, wanted in (
            (self._requests, allowance.requests_per_minute, self._limits.requests_per_minute),
            (self._tokens, allowance.tokens_per_minute, self._limits.tokens_per_minute),
        ):
            if told and min(told, wanted or told) != pace.per_minute:
                pace.limit(min(told, wanted or told))
                self._learned = self._learned and pace is not self._requests
        if allowance.pause:
            self._paused_until = max(self._paused_until, now + allowance.pause)

    def rate_limited(self, now: float, retry_after: float | None) -> None:
        """A 429: nobody goes before the pause is over; then one call tries the way."""
        self.silent_since = now if self.silent_since is None else self.silent_since
        if now >= self._paused_until:  # later answers of calls that left before the pause are the same 429
            self._pauses += 1
            self.concurrency.back_off(0.75)
            self._learn(now)
        wait = min(_LONGEST_PAUSE, 2.0 ** min(self._pauses, 10) / 2) if retry_after is None else retry_after
        self._paused_until = max(self._paused_until, now + _jittered(wait))

    def _count(self, now: float) -> None:
        """Count answers a second, and try a slightly higher pace every ten seconds where the pace was found out."""
        self._counted_since = now if self._counted_since is None else self._counted_since
        self._answers += 1
        if now - self._counted_since >= 10:
            self._rate = self._answers / (now - self._counted_since)
            self._answers, self._counted_since = 0, now
            if self._learned and self._requests.per_minute:
                self._requests.limit(self._requests.per_minute * 1.05)

    def _learn(self, now: float) -> None:
        """An endpoint that gives 429s and tells no limits is given the pace at which it answered, less a tenth."""
        if self._requests.per_minute and not self._learned:
            return
        seconds = now - (now if self._counted_since is None else self._counted_since)
        rate = self._answers / seconds if seconds >= 2 and self._answers >= 4 else self._rate
        if rate > 0:
            self._requests.limit(rate * 60 * 0.9)
            self._learned = True
            self._answers, self._counted_since = 0, now

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


def _jittered(seconds: float) -> float:
    """Never sooner, and not all at the same moment."""
    return seconds * random.uniform(1.0, 1.1) + random.uniform(0.0, 0.05)
