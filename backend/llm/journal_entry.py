"""What is written into a journal: attempts, and the states that they leave an item in."""

import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field

PENDING, ACCEPTED, DEAD = "pending", "accepted", "dead"


@dataclass(slots=True)
class Attempt:
    """One call for one item. `reason` is None when its answer was accepted."""

    endpoint: str
    seconds: float
    reason: str | None = None
    detail: str | None = None
    answer: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    at: float = field(default_factory=time.time)


@dataclass(slots=True)
class Entry:
    """What one `save` says of an item: a new attempt, and the state that it leaves the item in."""

    id: str
    record: dict
    state: str
    attempt: Attempt
    text: str | None = None
    facts: dict | None = None
    key: str | None = None
    provider: str | None = None
    model: str | None = None
    counts: bool = True  # False: the attempt failed through no fault of the item, and is not one of its few


@dataclass(frozen=True, slots=True)
class Known:
    """What a journal knows of an item: its state, and how many attempts have counted since the last retry."""

    state: str
    attempts: int


def joined_pairs(text: str) -> str:
    """The text with the halves of surrogate pairs joined, and U+FFFD for a half alone, which no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def mend(entry: Entry) -> None:
    """Join surrogate pairs in all that an answer has brought into an entry."""
    for holder, names in ((entry, ("text", "key")), (entry.attempt, ("reason", "detail", "answer", "finish_reason"))):
        for name in names:
            if isinstance(value := getattr(holder, name), str):
                setattr(holder, name, joined_pairs(value))
    if entry.facts:
        entry.facts = json.loads(joined_pairs(json.dumps(entry.facts, ensure_ascii=False)))


def count_attempt(tally: Counter, state: str, reason: str | None, attempt: Attempt) -> None:
    """Add an attempt, and the state it leads to, to the running sums of a journal."""
    tally["attempts"] += 1
    if state != PENDING:
        tally[state] += 1
    if state == DEAD:
        tally[f"dead: {reason}"] += 1
    if reason is not None:
        tally[f"rejected: {reason}"] += 1
    tally["input_tokens"] += attempt.input_tokens or 0
    tally["output_tokens"] += attempt.output_tokens or 0
    if attempt.cost is not None:
        tally["cost"] += attempt.cost
    elif attempt.answer is not None:
        tally["unpriced"] += 1


def key_hash(key: str | None) -> int | None:
    """64 bits, signed, by which equal answers are found."""
    if key is None:
        return None
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8"), digest_size=8).digest(), "little", signed=True)
