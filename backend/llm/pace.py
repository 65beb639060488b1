"""An even pace of so many units a minute: the generic cell rate algorithm (ITU-T I.371), with weights."""

_SLACK = 0.2  # seconds of units that may go at once, to make up for a late wake-up


class Pace:
    """In any 60 seconds no more than `per_minute` units go. Times are seconds of a monotonic clock.

    aiolimiter's bucket lets a whole minute's units go at once, and so twice as many in the first minute.
    """

    def __init__(self, per_minute: float | None):
        self._due = 0.0  # when all that was taken would have gone at an even pace
        self.limit(per_minute)

    def limit(self, per_minute: float | None) -> None:
        """Change the pace; None is no limit."""
        self.per_minute = per_minute
        # A window of 60 seconds holds the units of 60 seconds and those of the slack.
        self._seconds = (60 + _SLACK) / per_minute if per_minute else 0.0

    def wait(self, now: float, units: float = 1) -> float:
        """Seconds until `units` may go; 0 when they may go now."""
        if not self._seconds:
            return 0.0
        # What weighs more than the slack holds must wait for an empty ledger, not for ever.
        room = max(_SLACK, self._seconds * units)
        return max(0.0, self._due + self._seconds * units - room - now)

    def take(self, now: float, units: float = 1) -> None:
        """Note that `units` go now."""
        self._due = max(self._due, now) + self._seconds * units

    def settle(self, units: float) -> None:
        """Correct by the units that a call took more than was taken for it, or fewer (negative)."""
        self._due += self._seconds * units
