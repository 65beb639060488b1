"""An even pace of so many units a minute: the generic cell rate algorithm (ITU-T I.371), with weights."""

_SLACK = 0.2  # seconds of units that may go at once, to make up for a late wake-up
_TRANSIT = 0.5  # seconds by which one unit may be longer on its way than another: a new connection, a busy loop
_MINUTE = 60.0


class Pace:
    """In any 60 seconds no more than `per_minute` units arrive. Times are seconds of a monotonic clock.

    An endpoint counts what arrives, and the first calls, whose connections are new, arrive later after their start than
    those that follow. aiolimiter's bucket lets a whole minute's units go at once, and so twice as many in the first minute.
    """

    def __init__(self, per_minute: float | None):
        self._began: float | None = None
        self._units = 0.0  # taken since then
        self._due = 0.0  # when all that was taken would have gone at an even pace
        self.limit(per_minute, 0.0)

    def limit(self, per_minute: float | None, now: float) -> None:
        """Change the pace; None is no limit."""
        self.per_minute = per_minute
        # A window of 60 seconds holds the units of 60 seconds, those of the slack, and those that were long on their way.
        self._seconds = (_MINUTE + _SLACK + _TRANSIT) / per_minute if per_minute else 0.0
        if self._began is not None and now - self._began < _MINUTE:
            # What went before the limit was known is part of the same minute.
            self._due = max(self._due, self._began + _SLACK + self._seconds * self._units)

    def wait(self, now: float, units: float = 1) -> float:
        """Seconds until `units` may go; 0 when they may go now."""
        if not self._seconds or self._began is None:
            return 0.0
        return max(0.0, self._due + self._seconds * units - self._room(units) - now)

    def take(self, now: float, units: float = 1) -> None:
        """Note that `units` go now."""
        if self._began is None:
            self._began, self._due = now, now + self._room(units)  # nobody was late yet, so there is nothing to make up for
        else:
            self._due = max(self._due, now) + self._seconds * units
        self._units += units

    def settle(self, units: float) -> None:
        """Correct by the units that a call took more than was taken for it, or fewer (negative)."""
        self._due += self._seconds * units
        self._units += units

    def _room(self, units: float) -> float:
        # What weighs more than the slack holds must wait for an empty ledger, not for ever.
        return max(_SLACK, self._seconds * units)
