"""The engine: items in, answers out, through any provider, with a journal that nothing is lost from.

    journal = Journal.create_or_open("hindi.sqlite")
    outcome = answer_all(items, [provider], journal, read, settings=Settings(max_tokens=1000))

- `items` is any iterable of `Item(id, messages, record)`; it is drawn from as the run goes on, and an item that the
  journal has ended already is passed over. `record` is a small dict that the journal keeps beside the answer.
- `read(item, completion)` turns an answer into a `Reading(text, facts, key)` or raises `Rejected(reason, detail)`; the
  item is then asked again, `Settings.attempts` times in all, and after that is dead with its last reason. Two readings
  with the same `key` are duplicates, and the later is rejected; None (the default) never is one.
- Every attempt, answered or not, is a row of the journal; an item counts as done once its row is on the disk. Read the
  answers with `journal.accepted("id, text, record")`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from backend.llm.journal import ACCEPTED, DEAD, PENDING, Attempt, Entry, Journal
from backend.llm.provider import Completion, Provider, ProviderError


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of work: what to ask, under an id that is the same in every run."""

    id: str
    messages: list[dict]
    record: dict = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """An accepted answer: its text as it shall be kept, and facts worth keeping. Equal keys are duplicates."""

    text: str
    facts: dict | None = None
    key: str | None = None


class Rejected(Exception):
    """An answer that must not be kept. `reason` is a short name that is counted; `detail` says what was seen."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


Read = Callable[[Item, Completion], Reading]


@dataclass(frozen=True)
class Outcome:
    """What a run did: items accepted and dead by this run."""

    accepted: int
    dead: int


def unfinished(items: Iterable[Item], journal: Journal, batch: int = 1000) -> Iterator[list[Item]]:
    """The items that the journal has not ended, in lists; every id once."""
    items = iter(items)
    while chunk := list(islice(items, batch)):
        by_id = {item.id: item for item in chunk}
        known = journal.known(by_id)
        yield [item for id_, item in by_id.items() if id_ not in known or known[id_].state == PENDING]


def answer_locally(items: Iterable[Item], provider, journal: Journal, read: Read, tick: Callable[[int, int], None]) -> Outcome:
    """Run a provider that answers lists at once (`complete_many`), one commit a list, with no network to wait for.

    What it declines or answers badly is dead at once: asked again, it would say the same.
    """
    accepted = dead = 0
    for chunk in unfinished(items, journal):
        for first in range(0, len(chunk), provider.batch_size):
            batch = chunk[first : first + provider.batch_size]
            answers = provider.complete_many([item.messages for item in batch])
            entries = [_entry(item, answer, provider, read) for item, answer in zip(batch, answers, strict=True)]
            if duplicates := journal.save(entries):
                journal.bury([duplicate.id for duplicate in duplicates])
            done = sum(entry.state == ACCEPTED for entry in entries)
            accepted, dead = accepted + done, dead + len(entries) - done
            tick(done, len(entries) - done)
    return Outcome(accepted, dead)


def _entry(item: Item, answer: Completion | ProviderError, provider: Provider, read: Read) -> Entry:
    if isinstance(answer, ProviderError):
        attempt = Attempt(provider.name, 0.0, "refused", str(answer))
        return Entry(item.id, item.record, DEAD, attempt, provider=provider.name, model=provider.model)
    attempt = Attempt(
        provider.name, 0.0, None, None, answer.text, answer.finish_reason, answer.input_tokens, answer.output_tokens, answer.cost
    )
    entry = Entry(item.id, item.record, ACCEPTED, attempt, provider=provider.name, model=provider.model)
    try:
        reading = read(item, answer)
    except Rejected as rejected:
        entry.state, attempt.reason, attempt.detail = DEAD, rejected.reason, rejected.detail
    else:
        entry.text, entry.facts, entry.key = reading.text, reading.facts, reading.key
    return entry
