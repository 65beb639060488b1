"""Calls to endpoints, many at once: who goes when, who is asked again, and when to stop."""

import asyncio
import heapq
import itertools
import random
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.errors import UserError
from backend.llm.bar import Bar
from backend.llm.budget import Purse
from backend.llm.engine import Item, Outcome, Read, Settings, new_entry, read_into, unfinished
from backend.llm.journal import ACCEPTED, DEAD, PENDING, Attempt, Entry, Journal
from backend.llm.lane import Lane
from backend.llm.prices import price_of
from backend.llm.provider import Completion, Fatal, Provider, ProviderError, RateLimited, Refused, Transient
from backend.llm.tokens import estimate_tokens, message_tokens
from backend.llm.writer import Writer

_DRAW = 200  # items looked up in the journal at once
_LONGEST_BACK_OFF = 60.0
_LOOK = 2.0  # seconds after which dead endpoints are thought of again
_BEAT = 2.0  # seconds between two notes of the run in the journal


@dataclass(slots=True, eq=False)
class _Work:
    item: Item
    tries: int  # attempts that count
    faults: int = 0  # in a row
    rejected: bool = False
    tokens_in: int = 0  # estimated


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What a call was thought to take when it went."""

    tokens: float
    most_tokens: float
    most_dollars: float


class Calls:
    """One run over a list of endpoints. `run` is all there is to call; `interrupt` ends it cleanly."""

    def __init__(self, items: Iterable[Item], providers: Sequence[Provider], journal: Journal, read: Read, settings: Settings, bar: Bar):
        self._items, self._journal, self._read, self._settings, self._bar = iter(items), journal, read, settings, bar
        self._lanes = [Lane(provider, settings.limits, price_of(provider.model, settings.prices)) for provider in providers]
        self._providers = list(providers)
        tallies = journal.tallies()
        spent = tallies.get("input_tokens", 0) + tallies.get("output_tokens", 0)
        self._purse = Purse(settings.budget, tallies.get("cost", 0.0), spent)
        self._ready: deque[_Work] = deque()
        self._later: list[tuple[float, int, _Work]] = []  # a heap by time
        self._order = itertools.count()
        self._active: dict[str, _Work] = {}  # drawn, and not yet ended on the disk
        self._tasks: set[asyncio.Task] = set()
        self._exhausted = False
        self._halt: UserError | None = None
        self._interrupted = False
        self._output = (float(settings.max_tokens or 600), 1)  # sum and count of output tokens: a running mean
        self._accepted = self._dead = self._rate_limited = 0
        self._last_reason = ""

    async def run(self) -> Outcome:
        """Until every item has ended. Raises UserError or KeyboardInterrupt after a clean stop."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._reader = self._journal.reader()
        self._writer = Writer(
            self._journal,
            lambda *done: self._loop.call_soon_threadsafe(self._on_commit, *done),
            lambda error: self._loop.call_soon_threadsafe(self._on_trouble, error),
            self._settings.patience,
        )
        restore = self._catch_signals()
        beat = asyncio.create_task(self._beat())
        try:
            await self._dispatch()
            await self._drain()
        finally:
            beat.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(beat, *self._tasks, return_exceptions=True)
            self._note(running=False)
            lost = await asyncio.to_thread(self._writer.stop)
            await asyncio.sleep(0)  # the last commits' callbacks
            self._reader.close()
            for provider in self._providers:
                await provider.close()
            restore()
        if lost:
            raise UserError(f"{self._halt} {lost} answers could not be saved and will be asked for again.")
        if self._interrupted:
            raise KeyboardInterrupt
        if self._halt:
            raise self._halt
        return Outcome(self._accepted, self._dead)

    def interrupt(self) -> None:
        """Begin nothing new and end when the calls under way are back; called again, drop those."""
        if self._interrupted or (self._halt and not self._tasks):
            self._writer.give_up()
            for task in self._tasks:
                task.cancel()
        elif self._tasks:
            self._bar.say(f"Waiting for {len(self._tasks)} calls under way; Ctrl-C again drops them.")
        self._interrupted = True
        self._wake.set()

    # Who goes when.

    async def _dispatch(self) -> None:
        while not self._interrupted and not self._halt:
            now = self._loop.time()
            while self._later and self._later[0][0] <= now:
                self._ready.append(heapq.heappop(self._later)[2])
            if not self._ready and not self._exhausted:
                self._draw()
            if not self._ready:
                if not self._active and self._exhausted:
                    return
                await self._sleep(self._later[0][0] - now if self._later else None)
                continue
            work = self._ready[0]
            lanes = self._lanes_for(work.item)
            ticket = self._ticket(work, lanes)
            lane, wait = self._choose(lanes, now, ticket.tokens)
            if lane is None:
                self._give_up_on_the_dead(lanes, now)
                later = self._later[0][0] - now if self._later else _LOOK
                await self._sleep(min(later, _LOOK if wait is None else wait, _LOOK))
            elif not self._purse.can_take(ticket.most_dollars, ticket.most_tokens):
                if not self._tasks:
                    self._stop(f"The budget is spent: {self._purse.told()}. Raise it and give the same command to go on.")
                await self._sleep(None)
            else:
                self._ready.popleft()
                self._begin(lane, work, ticket, now)

    def _draw(self) -> None:
        drawn = unfinished(self._items, self._reader, self._active, _DRAW)
        self._exhausted = not drawn
        for item, tries in drawn:
            work = _Work(item, tries, tokens_in=message_tokens(item.messages))
            self._active[item.id] = work
            self._ready.append(work)

    def _lanes_for(self, item: Item) -> list[Lane]:
        return [lane for lane in self._lanes if item.model in (None, lane.provider.model)]

    def _ticket(self, work: _Work, lanes: list[Lane]) -> _Ticket:
        mean = self._output[0] / self._output[1]
        most = work.tokens_in * 2 + (self._settings.max_tokens or 2 * mean)
        dearest = max((lane.price.of(work.tokens_in * 2, most - work.tokens_in * 2) for lane in lanes if lane.price), default=0.0)
        return _Ticket(work.tokens_in + mean, most, dearest)

    def _choose(self, lanes: list[Lane], now: float, tokens: float) -> tuple[Lane | None, float | None]:
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

    def _begin(self, lane: Lane, work: _Work, ticket: _Ticket, now: float) -> None:
        lane.begin(now, ticket.tokens)
        self._purse.hold(ticket.most_dollars, ticket.most_tokens)
        task = self._loop.create_task(self._call(lane, work, ticket))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception():  # a fault of this program: stop, and let it be seen
            self._halt = self._halt or UserError(f"A fault of this program: {task.exception()!r}.")

    async def _sleep(self, seconds: float | None) -> None:
        """Until something happens, or so many seconds are over."""
        if self._halt or self._interrupted:
            return
        self._wake.clear()
        timer = self._loop.call_later(max(0.0, seconds), self._wake.set) if seconds is not None else None
        await self._wake.wait()
        if timer:
            timer.cancel()

    # What becomes of a call.

    async def _call(self, lane: Lane, work: _Work, ticket: _Ticket) -> None:
        settings, started, completion = self._settings, self._loop.time(), None
        temperature = settings.temperature
        if work.rejected and settings.again_temperature is not None:
            temperature = settings.again_temperature
        error: ProviderError | None = None
        try:
            completion = await lane.provider.complete(
                work.item.messages, max_tokens=settings.max_tokens, temperature=temperature, response_format=settings.response_format
            )
        except ProviderError as raised:
            error = raised
        finally:
            used, cost = self._used(lane, work, completion)
            lane.end(used - ticket.tokens if completion else 0.0)
            self._purse.settle(ticket.most_dollars, ticket.most_tokens, cost or 0.0, used)
        now = self._loop.time()
        if completion is not None:
            self._on_answer(lane, work, completion, now - started, cost)
        else:
            self._on_error(lane, work, error, now - started)

    def _used(self, lane: Lane, work: _Work, completion: Completion | None) -> tuple[float, float | None]:
        """Tokens and dollars of a completion, estimated where the provider is silent."""
        if completion is None:
            return 0.0, 0.0
        tokens_in = work.tokens_in if completion.input_tokens is None else completion.input_tokens
        tokens_out = estimate_tokens(completion.text) if completion.output_tokens is None else completion.output_tokens
        cost = completion.cost
        if cost is None and lane.price:
            cost = lane.price.of(tokens_in, tokens_out)
        total, count = self._output
        self._output = (total + tokens_out, count + 1)
        return tokens_in + tokens_out, cost

    def _on_answer(self, lane: Lane, work: _Work, completion: Completion, seconds: float, cost: float | None) -> None:
        lane.answered(self._loop.time(), seconds, completion.allowance)
        work.tries += 1
        work.faults = 0
        attempt = Attempt(
            lane.provider.endpoint, seconds, None, None, completion.text, completion.finish_reason, completion.input_tokens,
            completion.output_tokens, cost,
        )  # fmt: skip
        entry = new_entry(work.item, lane.provider, attempt, ACCEPTED)
        read_into(entry, work.item, completion, self._read, self._failed_state(work))
        if entry.state == PENDING:
            work.rejected = True
            self._ready.appendleft(work)
        self._writer.add(entry)

    def _on_error(self, lane: Lane, work: _Work, error: ProviderError, seconds: float) -> None:
        now = self._loop.time()
        if isinstance(error, RateLimited):
            # The endpoint's pause is no attempt of the item, which waits with all others.
            self._rate_limited += 1
            if error.allowance:
                lane.allow(now, error.allowance)
            lane.rate_limited(now, error.retry_after)
            self._ready.append(work)
            return
        if isinstance(error, Fatal):
            self._close(lane, work.item, error)
            self._ready.append(work)
            return
        attempt = Attempt(lane.provider.endpoint, seconds, error.reason, str(error))
        counts = True
        if isinstance(error, Transient):
            lane.failed(now, str(error), error.retry_after)
            counts = not lane.is_dead  # an outage must not use up the attempts of those who wait it out
        work.tries += counts
        work.faults += 1
        state = DEAD if isinstance(error, Refused) else self._failed_state(work)
        entry = new_entry(work.item, lane.provider, attempt, state)
        entry.counts = counts
        if state == PENDING:
            back_off = min(_LONGEST_BACK_OFF, 0.5 * 2.0 ** min(work.faults - 1, 10)) * random.uniform(1.0, 1.5)
            heapq.heappush(self._later, (now + max(back_off, error.retry_after or 0.0), next(self._order), work))
        self._writer.add(entry)

    def _failed_state(self, work: _Work) -> str:
        return DEAD if work.tries >= self._settings.attempts else PENDING

    def _on_commit(self, entries: list[Entry], duplicates: list[Entry]) -> None:
        repeated = {id(entry) for entry in duplicates}
        ended = 0
        for entry in entries:
            work = self._active.get(entry.id)
            if id(entry) in repeated:
                if work.tries < self._settings.attempts:
                    work.rejected = True
                    self._ready.appendleft(work)
                    continue
                self._writer.do(lambda journal, id_=entry.id: journal.bury([id_]))
                entry.state, entry.attempt.reason = DEAD, "duplicate"
            if entry.state == PENDING:
                continue
            del self._active[entry.id]
            ended += 1
            if entry.state == ACCEPTED:
                self._accepted += 1
            else:
                self._dead += 1
                self._last_reason = f"{entry.attempt.reason} ({entry.attempt.detail})"
        if self._dead >= self._settings.hopeless_after and not self._accepted:
            self._stop(f"None of the first {self._dead} answers can be used, the last one because of: {self._last_reason}.")
        self._bar.add(ended, self._told())
        self._wake.set()

    # When to stop.

    def _stop(self, sentence: str) -> None:
        self._halt = self._halt or UserError(sentence)
        self._wake.set()

    def _close(self, lane: Lane, item: Item, error: Fatal) -> None:
        """No more calls to an endpoint that answers nobody; without any other for its items the run stops."""
        if lane in self._lanes:
            if self._lanes_for(item) == [lane]:
                self._stop(f"{error}; mend that, and the same command goes on.")
                return
            self._lanes.remove(lane)
            self._bar.say(f"Going on without {lane.provider.endpoint}: {error}")

    def _give_up_on_the_dead(self, lanes: list[Lane], now: float) -> None:
        silent = [lane for lane in lanes if lane.is_dead and now - (lane.silent_since or now) > self._settings.patience]
        if len(silent) == len(lanes):
            self._stop(
                f"No endpoint has answered for {self._settings.patience:.0f} s, the last one with: {silent[0].last_fault}; "
                "the same command goes on when it is back."
            )

    def _on_trouble(self, error: str) -> None:
        if not self._halt:
            self._bar.say(f"The journal cannot be written ({error}); no further calls are made.")
        self._stop(f"{self._journal.path} cannot be written ({error}); free the disk, and the same command goes on.")

    async def _drain(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def _catch_signals(self):
        if threading.current_thread() is not threading.main_thread():
            return lambda: None
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            self._loop.add_signal_handler(number, self.interrupt)
        return lambda: [self._loop.remove_signal_handler(number) for number in signals]

    # What others see of the run.

    def _told(self) -> str:
        parts = [f"{len(self._tasks)} under way"]
        if self._purse.dollars:
            parts.append(f"${self._purse.dollars:.2f}")
        if self._dead:
            parts.append(f"{self._dead} dead")
        pause = max((lane.paused(self._loop.time()) for lane in self._lanes), default=0.0)
        if pause >= 1:
            parts.append(f"paused {pause:.0f} s")
        return ", ".join(parts)

    async def _beat(self) -> None:
        while True:
            self._note(running=True)
            await asyncio.sleep(_BEAT)

    def _note(self, running: bool) -> None:
        now = self._loop.time()
        run = {
            "running": running,
            "at": time.time(),
            "under_way": len(self._tasks),
            "endpoints": [
                {
                    "endpoint": lane.provider.endpoint,
                    "concurrency": int(lane.concurrency.limit),
                    "under_way": lane.in_flight,
                    "paused": round(lane.paused(now), 1),
                    "dead": lane.is_dead,
                }
                for lane in self._lanes
            ],
        }
        limited, self._rate_limited = self._rate_limited, 0
        self._writer.do(lambda journal: journal.note(run, {"rate_limited": limited}))
