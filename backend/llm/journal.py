"""The journal of a run: one SQLite file that knows every item, every attempt and every answer.

Written by one process at a time (a lock file beside it), read by any number meanwhile. A commit is on the disk when
`save` returns (WAL with synchronous=FULL), so whatever stops the process, nothing that was saved is asked or paid again.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import filelock
import orjson

from backend.errors import UserError
from backend.llm.journal_entry import ACCEPTED, DEAD, PENDING, Attempt, Entry, Known, count_attempt, key_hash, mend
from backend.llm.journal_file import lock_of, open_to_write, unreadable
from backend.llm.journal_view import JournalView

_LOOK = 0.3  # seconds: whoever asks whether a journal is being written holds its lock for a moment

__all__ = ["ACCEPTED", "DEAD", "PENDING", "Attempt", "Entry", "Journal", "JournalView", "Known"]


class Journal(JournalView):
    """A journal that this process alone writes. Use `Journal.create_or_open` to write, `Journal.read` to look."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: filelock.BaseFileLock):
        super().__init__(path, connection)
        self._lock = lock
        self._next = (connection.execute("SELECT max(number) FROM items").fetchone()[0] or 0) + 1

    @classmethod
    def create_or_open(cls, path: Path | str) -> "Journal":
        """Open for writing, made when missing. Raises UserError when another process writes it or it is no journal."""
        path = Path(path)
        if path.is_dir():
            raise UserError(f"{path} is a folder; give a --journal that is a file, such as {path / 'stories.sqlite'}.")
        lock = lock_of(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_LOOK, poll_interval=0.05, blocking=True)
        except filelock.Timeout:
            raise UserError(
                f"{path} is being written by another process; wait for it, stop it, or give this run a --journal of its own."
            ) from None
        except OSError as error:
            raise UserError(f"{path} cannot be written ({error.strerror}); give a --journal in a folder that can be.") from None
        try:
            return cls(path, open_to_write(path), lock)
        except sqlite3.DatabaseError as error:
            lock.release()
            raise unreadable(path, error) from None
        except BaseException:
            lock.release()
            raise

    read = JournalView.open

    def close(self) -> None:
        """Fold the write-ahead log into the file and let others write."""
        super().close()
        self._lock.release()

    def set_meta(self, key: str, value) -> None:
        """Keep a JSON value with the run."""
        with self.connection:
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, _json(value)))

    def note(self, run: dict, tallies: dict[str, float]) -> None:
        """Say how the run is going, for those who look on."""
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES ('run', ?)", (_json(run),))
            self.add_to_tallies(tallies)

    def save(self, entries: list[Entry], tallies: dict[str, float] | None = None) -> list[Entry]:
        """Commit attempts and the states they lead to; returns the accepted entries whose `key` is somebody else's.

        Such a duplicate is saved as a failed attempt of a pending item, for the caller to ask again or to bury. When an
        error is raised (a full disk), nothing of it is saved and the same call can be made again.
        """
        try:
            return self._commit(entries, tallies)
        except (UnicodeEncodeError, orjson.JSONEncodeError):
            for entry in entries:
                mend(entry)
            return self._commit(entries, tallies)

    def _commit(self, entries: list[Entry], tallies: dict[str, float] | None) -> list[Entry]:
        next_number = self._next
        try:
            with self.connection:
                self.connection.execute("BEGIN IMMEDIATE")
                return self._save(entries, Counter(tallies or {}))
        except BaseException:
            self._next = next_number
            raise

    def _save(self, entries: list[Entry], tally: Counter) -> list[Entry]:
        known = self._numbers([entry.id for entry in entries])
        first, duplicates, new, changed, attempts = self._next, [], [], [], []
        keys = [key_hash(entry.key) if entry.state == ACCEPTED else None for entry in entries]
        holders = self._holders([key for key in keys if key is not None])
        for entry, key in zip(entries, keys, strict=True):
            attempt, state, reason, detail = entry.attempt, entry.state, entry.attempt.reason, entry.attempt.detail
            if key is not None and (holder := holders.setdefault(key, entry.id)) != entry.id:
                state, reason, detail, key = PENDING, "duplicate", f"the same as {holder}", None
                duplicates.append(entry)
            kept = state == ACCEPTED
            number, count = known.get(entry.id, (None, 0))
            row = (
                state, reason, entry.text if kept else None, _json(entry.facts) if kept and entry.facts else None, key,
                count + 1, 0 if entry.counts else 1, attempt.input_tokens, attempt.output_tokens, attempt.cost,
                entry.provider, entry.model, attempt.at if state != PENDING else None,
            )  # fmt: skip
            if number is None:
                number, self._next = self._next, self._next + 1
                new.append((number, entry.id, _json(entry.record), *row))
            else:
                if number >= first:  # two attempts of one new item in one commit: the first must be there to be changed
                    self._insert(new)
                    new = []
                changed.append((*row, number))
            known[entry.id] = (number, count + 1)
            attempts.append((
                number, count + 1, attempt.at, attempt.seconds, attempt.endpoint, reason, detail, attempt.answer,
                attempt.finish_reason, attempt.input_tokens, attempt.output_tokens, attempt.cost,
            ))  # fmt: skip
            count_attempt(tally, state, reason, attempt)
        self._insert(new)
        self.connection.executemany(
            "UPDATE items SET state = ?, reason = ?, text = ?, facts = ?, key = ?, attempts = ?, forgiven = forgiven + ?,"
            " input_tokens = coalesce(coalesce(input_tokens, 0) + ?, input_tokens),"
            " output_tokens = coalesce(coalesce(output_tokens, 0) + ?, output_tokens),"
            " cost = coalesce(coalesce(cost, 0) + ?, cost), provider = ?, model = ?, ended_at = ? WHERE number = ?",
            changed,
        )
        self.connection.executemany("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", attempts)
        self.add_to_tallies(tally)
        return duplicates

    def bury(self, ids: list[str]) -> None:
        """Give up pending items; each is dead for the reason of its last attempt."""
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute(
                "UPDATE items SET state = 'dead', ended_at = ? WHERE id IN (SELECT value FROM json_each(?))",
                (time.time(), _json(ids)),
            )
            reasons = self.connection.execute(
                "SELECT reason, count(*) FROM items WHERE id IN (SELECT value FROM json_each(?)) GROUP BY reason", (_json(ids),)
            ).fetchall()
            self.add_to_tallies({"dead": len(ids), **{f"dead: {reason}": count for reason, count in reasons}})

    def retry(self, reasons: Sequence[str] = ()) -> int:
        """Put dead items, all or those of some reasons, back to be asked again, and return how many; their attempts are kept."""
        where, values = "state = 'dead'", ()
        if reasons:
            where, values = f"{where} AND reason IN (SELECT value FROM json_each(?))", (_json(list(reasons)),)  # noqa: S608
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            counts = self.connection.execute(f"SELECT reason, count(*) FROM items WHERE {where} GROUP BY reason", values).fetchall()  # noqa: S608
            self.connection.execute(f"UPDATE items SET state = 'pending', forgiven = attempts, ended_at = NULL WHERE {where}", values)  # noqa: S608
            total = sum(count for _, count in counts)
            self.add_to_tallies({"dead": -total, **{f"dead: {reason}": -count for reason, count in counts}})
        return total

    def _insert(self, rows: list[tuple]) -> None:
        self.connection.executemany(
            "INSERT INTO items(number, id, record, state, reason, text, facts, key, attempts, forgiven, input_tokens,"
            " output_tokens, cost, provider, model, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def _numbers(self, ids: list[str]) -> dict[str, tuple[int, int]]:
        rows = self.connection.execute(
            "SELECT id, number, attempts FROM items WHERE id IN (SELECT value FROM json_each(?))", (_json(ids),)
        )
        return {id_: (number, attempts) for id_, number, attempts in rows}

    def _holders(self, keys: list[int]) -> dict[int, str]:
        return dict(self.connection.execute(
            "SELECT key, id FROM items WHERE key IN (SELECT value FROM json_each(?)) AND state = 'accepted'", (_json(keys),)
        ))  # fmt: skip

    def add_to_tallies(self, tally: dict[str, float]) -> None:
        """Add to the running sums, within a transaction of the caller's."""
        self.connection.executemany(
            "INSERT INTO tallies VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
            list(tally.items()),
        )


def _json(value) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
