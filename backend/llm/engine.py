"""The engine: items in, answers out, through any provider, with a journal that nothing is lost from.

    with Journal.create_or_open("scores.sqlite") as journal:
        outcome = answer_all(items, providers, journal, read, Settings(max_tokens=1000), total=3000, unit="stories")

- `items` is any iterable of `Item(id, messages, record)`; it is drawn from as the run goes on, and an item that the
  journal has ended already is passed over. `record` is a small dict that the journal keeps beside the answer.
- `providers` is one LocalProvider, or a list of Providers: one for each endpoint, each with limits of its own.
- `read(item, completion)` turns an answer into a `Reading(text, facts, key)` or raises `Rejected(reason, detail)`; the
  item is then asked again, and after `Settings.attempts` in all it is dead with its last reason. Two readings with the
  same `key` are duplicates, and the later one is rejected; with None (the default) there are no duplicates.
- Every attempt, answered or not, is a row of the journal; an item counts as done once its row is on the disk. Read the
  answers with `journal.accepted("id, text, facts, record")`; `journal.meta` and `set_meta` keep what belongs to a run.
- `answer_all` raises KeyboardInterrupt after a clean stop on Ctrl-C, and UserError, with all answers saved, when the
  budget is spent, the endpoint is dead or wants a key, or nothing of what it says can be used. The same call goes on.
"""

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from backend.llm.bar import Bar
from backend.llm.budget import Budget
from backend.llm.journal import ACCEPTED, DEAD, PENDING, Attempt, Entry, Journal
from backend.llm.lane import Limits
from backend.llm.prices import Price
from backend.llm.provider import Completion, LocalProvider, Provider, ProviderError


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of work: what to ask, under an id that is the same in every run.

    With a `model`, only providers of that model are asked: so several judges can work at once, each at its own pace,
    when the items of one follow those of the other in turn.
    """

    id: str
    messages: list[dict]
    record: dict = field(default_factory=dict)
    model: str | None = None


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
class Settings:
    """How items are asked. `again_temperature` is for items whose answer was rejected; seconds where time is meant."""

    attempts: int = 6
    max_tokens: int | None = None
    temperature: float | None = None
    again_temperature: float | None = None
    response_format: dict | None = None
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    prices: dict[str, Price] = field(default_factory=dict)
    patience: float = 600.0  # how long every endpoint may be dead, or the disk full, before the run stops
    hopeless_after: int = 50  # dead items without one accepted before the run stops


@dataclass(frozen=True)
class Outcome:
    """How many items this run has ended."""

    accepted: int
    dead: int


def answer_all(
    items: Iterable[Item],
    providers: LocalProvider | Sequence[Provider],
    journal: Journal,
    read: Read,
    settings: Settings | None = None,
    *,
    total: int | None = None,
    unit: str = "items",
) -> Outcome:
    """Have every item answered, showing a bar of `total`; the module's text says how."""
    settings, done = settings or Settings(), journal.tallies()
    done = int(done.get(ACCEPTED, 0) + done.get(DEAD, 0))
    bar = Bar(total, done if total is None else min(done, total), unit)
    try:
        if hasattr(providers, "complete_many"):
            return _answer_locally(items, providers, journal, read, bar)
        from backend.llm.calls import Calls  # asyncio and its company are not needed offline

        with asyncio.Runner(loop_factory=_new_loop()) as runner, _few_collections():
            return runner.run(Calls(items, providers, journal, read, settings, bar).run())
    finally:
        bar.close()


def _new_loop() -> Callable | None:
    """uvloop's, where it is installed: a sixth less processor time a call; None for asyncio's own."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop


@contextmanager
def _few_collections() -> Iterator[None]:
    """Thousands of calls under way are no garbage, and to look through them again and again takes time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def unfinished(items: Iterator[Item], journal: Journal, active, batch: int) -> list[tuple[Item, int]]:
    """Of the next items those that the journal has not ended, with the attempts that count; [] at the end of the items.

    Ids that are among `active`, or twice in the batch, are passed over.
    """
    while chunk := list(islice(items, batch)):
        by_id = {item.id: item for item in chunk if item.id not in active}
        known = journal.known(by_id)
        left = [
            (item, known[id_].attempts if id_ in known else 0)
            for id_, item in by_id.items()
            if id_ not in known or known[id_].state == PENDING
        ]
        if left:
            return left
    return []


def new_entry(item: Item, provider, attempt: Attempt, state: str) -> Entry:
    """What the journal shall keep of an attempt."""
    return Entry(item.id, item.record, state, attempt, provider=provider.name, model=provider.model)


def read_into(entry: Entry, item: Item, completion: Completion, read: Read, state_when_rejected: str) -> None:
    """Let `read` decide whether the answer of an entry is accepted."""
    try:
        reading = read(item, completion)
    except Rejected as rejected:
        entry.state, entry.attempt.reason, entry.attempt.detail = state_when_rejected, rejected.reason, rejected.detail
    else:
        entry.state, entry.text, entry.facts, entry.key = ACCEPTED, reading.text, reading.facts, reading.key


def _answer_locally(items: Iterable[Item], provider: LocalProvider, journal: Journal, read: Read, bar: Bar) -> Outcome:
    """One commit a list of answers. What is declined or answered badly is dead at once: asked again, it would be the same."""
    counts = {ACCEPTED: 0, DEAD: 0}
    items = iter(items)
    while chunk := unfinished(items, journal, (), provider.batch_size):
        batch = [item for item, _ in chunk]
        answers = provider.complete_many([item.messages for item in batch])
        entries = [_local_entry(item, answer, provider, read) for item, answer in zip(batch, answers, strict=True)]
        duplicates = journal.save(entries)
        if duplicates:
            journal.bury([entry.id for entry in duplicates])
        accepted = sum(entry.state == ACCEPTED for entry in entries) - len(duplicates)
        counts[ACCEPTED] += accepted
        counts[DEAD] += len(entries) - accepted
        bar.add(len(entries))
    return Outcome(counts[ACCEPTED], counts[DEAD])


def _local_entry(item: Item, answer: Completion | ProviderError, provider: LocalProvider, read: Read) -> Entry:
    if isinstance(answer, ProviderError):
        return new_entry(item, provider, Attempt(provider.endpoint, 0.0, answer.reason, str(answer)), DEAD)
    attempt = Attempt(
        provider.endpoint, 0.0, None, None, answer.text, answer.finish_reason, answer.input_tokens, answer.output_tokens, answer.cost
    )
    entry = new_entry(item, provider, attempt, ACCEPTED)
    read_into(entry, item, answer, read, DEAD)
    return entry
