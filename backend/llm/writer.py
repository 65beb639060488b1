"""The thread that writes the journal, so that waiting for the disk holds nobody up; what waits is committed together."""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable

from backend.llm.journal import Entry, Journal

_AT_MOST = 2000  # entries a commit
_GATHER = 0.05  # seconds that a first entry waits for others: a commit costs as much as twenty entries


class Writer:
    """Takes entries at any time; calls back, in its own thread, with what was committed and what was a duplicate."""

    def __init__(
        self, journal: Journal, committed: Callable[[list[Entry], list[Entry]], None], trouble: Callable[[str], None], patience: float
    ):
        """`trouble` hears of every error of the disk; what waits is tried again, after `stop` for so many seconds more."""
        self._journal, self._committed, self._trouble, self._patience = journal, committed, trouble, patience
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._stopping = threading.Event()
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """An attempt to be saved."""
        self._queue.put(entry)

    def do(self, action: Callable[[Journal], None]) -> None:
        """Something else to be done with the journal, in turn."""
        self._queue.put(action)

    def stop(self) -> int:
        """Save all that waits, end the thread, and return how many entries a broken disk has cost."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join()
        return self.lost

    def give_up(self) -> None:
        """Have no more patience with the disk."""
        self._patience = 0.0

    def _run(self) -> None:
        try:
            self._write()
        except Exception as error:  # else all others would wait for this thread for ever
            self._trouble(f"a fault of this program: {error!r}")
            raise

    def _write(self) -> None:
        while True:
            batch = [self._queue.get()]
            self._stopping.wait(_GATHER)
            while len(batch) < _AT_MOST and not self._queue.empty():
                batch.append(self._queue.get())
            entries = [item for item in batch if isinstance(item, Entry)]
            if entries:
                self._save(entries)
            for action in batch:
                if callable(action):
                    self._try(lambda action=action: action(self._journal))
            if None in batch:
                return

    def _save(self, entries: list[Entry]) -> None:
        found = self._try(lambda: (self._journal.save(entries),))
        if found is None:
            self.lost += len(entries)
        else:
            self._committed(entries, found[0])

    def _try(self, action: Callable):
        """The action's value, tried again while the disk is in trouble; None when it stays so."""
        stopping_since = None
        while True:
            try:
                return action()
            except sqlite3.Error as error:
                self._trouble(str(error))
            if self._stopping.is_set():
                stopping_since = stopping_since or time.monotonic()
                if time.monotonic() - stopping_since >= self._patience:
                    return None
            time.sleep(0.5)
