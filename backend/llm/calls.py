"""Calls to endpoints, many at once: who goes when, who is asked again, and when to stop."""

import asyncio
import random
from collections.abc import Iterable, Sequence

from backend.errors import UserError
from backend.llm.backlog import Backlog, Work
from backend.llm.bar import Bar
from backend.llm.budget import Purse
from backend.llm.engine import Item, Outcome, Read, Settings, new_entry, read_into
from backend.llm.interruption import on_interruption
from backend.llm.journal import ACCEPTED, DEAD, PENDING, Attempt, Entry, Journal
from backend.llm.lane import Lane, emptiest
from backend.llm.note import beside_the_bar, for_the_journal
from backend.llm.prices import price_of
from backend.llm.provider import Completion, Fatal, Provider, ProviderError, RateLimited, Refused, Transient
from backend.llm.ticket import Ticket, Tickets
from backend.llm.unread import Unread
from backend.llm.writer import Writer

_LONGEST_BACK_OFF = 60.0
_LOOK = 2.0  # seconds after which dead endpoints are thought of again
_UNPROVEN = 128  # calls under way until one answer has been accepted: an endpoint that tells no stories costs little
_BEAT = 2.0  # seconds between two notes of the run in the journal


class Calls:
    """One run over a list of endpoints. `run` is all there is to call; `interrupt` ends it cleanly."""

    def __init__(self, items: Iterable[Item], providers: Sequence[Provider], journal: Journal, read: Read, settings: Settings, bar: Bar):
        self._journal, self._read, self._settings, self._bar = journal, read, settings, bar
        self._reader = journal.reader()
        self._backlog = Backlog(items, self._reader)
        self._tickets = Tickets(settings.max_tokens)
        self._lanes = [Lane(provider, settings.limits, price_of(provider.model, settings.prices)) for provider in providers]
        self._providers = list(providers)
        tallies = journal.tallies()
        spent = tallies.get("input_tokens", 0) + tallies.get("output_tokens", 0)
        self._purse = Purse(settings.budget, tallies.get("cost", 0.0), spent)
        self._tasks: set[asyncio.Task] = set()
        self._halt: UserError | None = None
        self._interrupted = False
        self._accepted = self._dead = self._rate_limited = 0
        self._last_reason = ""

    async def run(self) -> Outcome:
        """Until every item has ended. Raises UserError or KeyboardInterrupt after a clean stop."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._writer = Writer(
            self._journal,
            lambda *done: self._loop.call_soon_threadsafe(self._on_commit, *done),
            lambda error: self._loop.call_soon_threadsafe(self._on_trouble, error),
            self._settings.patience,
        )
        self._unread = Unread(self._on_answer, self._wake.set, self._on_fault)
        restore = on_interruption(self._loop, self.interrupt)
        beside = [asyncio.create_task(self._beat()), asyncio.create_task(self._unread.read_on())]
        try:
            await self._dispatch()
            while self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*self._tasks, *beside):
                task.cancel()
            await asyncio.gather(*self._tasks, *beside, return_exceptions=True)
            self._unread.read_all()
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
            work = self._backlog.first(now)
            if work is None:
                if self._backlog.is_done:
                    return
                await self._sleep(self._backlog.until_later(now))
                continue
            if not self._accepted and len(self._tasks) + len(self._unread) >= _UNPROVEN:
                await self._sleep(_LOOK)
                continue
            lanes = self._lanes_for(work.item)
            ticket = self._tickets.ticket(work, lanes)
            lane, wait = emptiest(lanes, now, ticket.tokens)
            if lane is None:
                self._give_up_on_the_dead(lanes, now)
                waits = (self._backlog.until_later(now), wait, _LOOK)
                await self._sleep(min(seconds for seconds in waits if seconds is not None))
            elif not self._purse.can_take(ticket.most_dollars, ticket.most_tokens):
                if not self._tasks:
                    told = self._purse.told(ticket.most_dollars, ticket.most_tokens)
                    self._stop(f"The budget is spent: {told}. Raise it, and the same command goes on.")
                await self._sleep(None)
            else:
                self._begin(lane, self._backlog.take(), ticket, now)

    def _lanes_for(self, item: Item) -> list[Lane]:
        return [lane for lane in self._lanes if item.model in (None, lane.provider.model)]

    def _begin(self, lane: Lane, work: Work, ticket: Ticket, now: float) -> None:
        lane.begin(now, ticket.tokens)
        self._purse.hold(ticket.most_dollars, ticket.most_tokens)
        task = self._loop.create_task(self._call(lane, work, ticket))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception():
            self._on_fault(task.exception())

    def _on_fault(self, error: BaseException) -> None:
        self._stop(f"A fault of this program: {error!r}.")  # which is to be seen

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

    async def _call(self, lane: Lane, work: Work, ticket: Ticket) -> None:
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
            used, cost = self._tickets.used(lane, work, completion)
            if completion is None:
                lane.end()
            self._purse.settle(ticket.most_dollars, ticket.most_tokens, cost or 0.0, used)
        lane.repeated((completion or error).calls - 1)
        now = self._loop.time()
        if completion is not None:
            lane.answered(now, now - started, used - ticket.tokens, completion.allowance)
            self._unread.add(lane, work, completion, now - started, cost)
        else:
            self._on_error(lane, work, error, now - started)

    def _on_answer(self, lane: Lane, work: Work, completion: Completion, seconds: float, cost: float | None) -> None:
        lane.end()  # here, so that calls go as fast as answers are read
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
            self._backlog.again(work)
        self._writer.add(entry)

    def _on_error(self, lane: Lane, work: Work, error: ProviderError, seconds: float) -> None:
        now = self._loop.time()
        if isinstance(error, RateLimited):
            # The endpoint's pause is no attempt of the item, which waits with all others.
            self._rate_limited += 1
            if error.allowance:
                lane.allow(now, error.allowance)
            lane.rate_limited(now, error.retry_after)
            self._backlog.at_the_end(work)
            return
        if isinstance(error, Fatal):
            self._close(lane, work.item, error)
            self._backlog.at_the_end(work)
            return
        attempt = Attempt(lane.provider.endpoint, seconds, error.reason, str(error))
        counts = True
        if isinstance(error, Transient):
            was_dead = lane.is_dead
            lane.failed(now, str(error), error.retry_after)
            if lane.is_dead and not was_dead:
                self._bar.say(f"{str(error).rstrip('. ')}; after so many faults in a row single calls alone try this endpoint.")
            counts = not lane.is_dead  # an outage must not use up the attempts of those who wait it out
        work.tries += counts
        work.faults += 1
        state = DEAD if isinstance(error, Refused) else self._failed_state(work)
        entry = new_entry(work.item, lane.provider, attempt, state)
        entry.counts = counts
        if state == PENDING:
            back_off = min(_LONGEST_BACK_OFF, 0.5 * 2.0 ** min(work.faults - 1, 10)) * random.uniform(1.0, 1.5)
            self._backlog.at(now + max(back_off, error.retry_after or 0.0), work)
        self._writer.add(entry)

    def _failed_state(self, work: Work) -> str:
        return DEAD if work.tries >= self._settings.attempts else PENDING

    def _on_commit(self, entries: list[Entry], duplicates: list[Entry]) -> None:
        repeated = {id(entry) for entry in duplicates}
        ended = 0
        for entry in entries:
            if id(entry) in repeated:
                work = self._backlog.work_of(entry.id)
                if work.tries < self._settings.attempts:
                    work.rejected = True
                    self._backlog.again(work)
                    continue
                self._writer.do(lambda journal, id_=entry.id: journal.bury([id_]))
                entry.state, entry.attempt.reason = DEAD, "duplicate"
            if entry.state == PENDING:
                continue
            self._backlog.end(entry.id)
            ended += 1
            if entry.state == ACCEPTED:
                self._accepted += 1
            else:
                self._dead += 1
                self._last_reason = f"{entry.attempt.reason} ({entry.attempt.detail})"
        if self._dead >= self._settings.hopeless_after and not self._accepted:
            self._stop(f"None of the first {self._dead} answers can be used, the last one because of: {self._last_reason}.")
        self._bar.add(ended, beside_the_bar(self._lanes, len(self._tasks), self._purse, self._dead, self._loop.time()))
        self._wake.set()

    # When to stop.

    def _stop(self, sentence: str) -> None:
        self._halt = self._halt or UserError(sentence)
        self._wake.set()

    def _close(self, lane: Lane, item: Item, error: Fatal) -> None:
        """No more calls to an endpoint that answers nobody; without any other for its items the run stops."""
        if lane in self._lanes:
            if self._lanes_for(item) == [lane]:
                self._stop(f"{str(error).rstrip('. ')}; {error.advice}, and the same command goes on.")
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

    # What others see of the run.

    async def _beat(self) -> None:
        while True:
            self._note(running=True)
            await asyncio.sleep(_BEAT)

    def _note(self, running: bool) -> None:
        run = for_the_journal(self._lanes, len(self._tasks), running, self._loop.time())
        limited, self._rate_limited = self._rate_limited, 0
        self._writer.do(lambda journal: journal.note(run, {"rate_limited": limited}))
