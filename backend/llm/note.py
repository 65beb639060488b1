"""What a run says of itself while it goes on: beside the bar, and in the journal for those who look on."""

import time
from collections.abc import Sequence

from backend.llm.budget import Purse
from backend.llm.lane import Lane


def beside_the_bar(lanes: Sequence[Lane], under_way: int, purse: Purse, dead: int, now: float) -> str:
    """A few words; `now` is of the event loop's clock."""
    parts = [f"{under_way} under way"]
    if purse.dollars:
        parts.append(f"${purse.dollars:.2f}")
    if dead:
        parts.append(f"{dead} dead")
    pause = max((lane.paused(now) for lane in lanes), default=0.0)
    if pause >= 1:
        parts.append(f"paused {pause:.0f} s")
    return ", ".join(parts)


def for_the_journal(lanes: Sequence[Lane], under_way: int, running: bool, now: float) -> dict:
    """The value of `run` among a journal's meta."""
    return {
        "running": running,
        "at": time.time(),
        "under_way": under_way,
        "endpoints": [
            {
                "endpoint": lane.provider.endpoint,
                "concurrency": int(lane.concurrency.limit),
                "under_way": lane.in_flight,
                "paused": round(lane.paused(now), 1),
                "dead": lane.is_dead,
            }
            for lane in lanes
        ],
    }
