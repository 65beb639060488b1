"""The journal of a run: one SQLite file that knows every item, every attempt and every answer.

Written by one process at a time (a lock file beside it), read by any number meanwhile. A commit is on the disk when
`save` returns (WAL with synchronous=FULL), so whatever stops the process, nothing that was saved is asked or paid again.
"""

import hashlib
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from backend.errors import UserError

PENDING, ACCEPTED, DEAD = "pending", "accepted", "dead"
_APPLICATION = 0x54535247  # "TSRG", SQLite's application_id of our journals
_VERSION = 1
_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tallies(name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE items(
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,             -- pending | accepted | dead
    reason TEXT,                     -- why it is dead, or why its last attempt failed
    text TEXT,                       -- the accepted answer, cleaned
    facts TEXT,                      -- JSON: what reading the answer found out
    record TEXT NOT NULL,            -- JSON: what the caller keeps beside the answer
    key INTEGER,                     -- 64-bit hash by which equal answers are found
    attempts INTEGER NOT NULL,
    forgiven INTEGER NOT NULL DEFAULT 0, -- attempts before the last retry, which no longer count
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost REAL,                       -- dollars of all attempts; NULL when no price is known
    provider TEXT,
    model TEXT,
    ended_at REAL                    -- Unix time
);
CREATE TABLE attempts(
    item INTEGER NOT NULL,           -- items.number
    attempt INTEGER NOT NULL,        -- from 1; it goes on after a retry
    at REAL NOT NULL,                -- Unix time of its end
    seconds REAL NOT NULL,
    endpoint TEXT NOT NULL,
    reason TEXT,                     -- NULL: accepted
    detail TEXT,
    answer TEXT,                     -- raw, as the provider gave it
    finish_reason TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost REAL
);
CREATE INDEX attempts_of_item ON attempts(item);
CREATE INDEX items_not_accepted ON items(state, reason) WHERE state <> 'accepted';
CREATE INDEX items_by_key ON items(key) WHERE key IS NOT NULL;
CREATE INDEX items_by_end ON items(ended_at) WHERE ended_at IS NOT NULL;
"""


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


class Journal:
    """An open journal. Use `Journal.create_or_open` to write, `Journal.read` to look."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: filelock.BaseFileLock | None):
        self.path, self.connection, self._lock = path, connection, lock
        self._next = (connection.execute("SELECT max(number) FROM items").fetchone()[0] or 0) + 1

    @classmethod
    def create_or_open(cls, path: Path | str) -> "Journal":
        """Open for writing, made when missing. Raises UserError when another process writes it or it is no journal."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(f"{path}.lock", blocking=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise UserError(
                f"{path} is being written by another process; wait for it, stop it, or give this run a --journal of its own."
            ) from None
        try:
            connection = _connect(path)
            if connection.execute("PRAGMA application_id").fetchone()[0] == 0 and _is_empty(connection):
                _create(connection)
            _check(path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            return cls(path, connection, lock)
        except sqlite3.DatabaseError as error:
            lock.release()
            raise _unreadable(path, error) from None
        except BaseException:
            lock.release()
            raise

    @classmethod
    def read(cls, path: Path | str) -> "Journal":
        """Open an existing journal to look at it, also while a run writes it. Raises UserError when there is none."""
        path = Path(path)
        if not path.is_file():
            raise UserError(f"There is no journal {path}; `python -m datagen stories` makes one.")
        try:
            connection = _connect(path)
            connection.execute("PRAGMA query_only = ON")
            _check(path, connection)
            return cls(path, connection, None)
        except sqlite3.DatabaseError as error:
            raise _unreadable(path, error) from None

    def reader(self) -> "Journal":
        """The same journal for another thread, to look at what is committed."""
        connection = _connect(self.path)
        connection.execute("PRAGMA query_only = ON")
        return Journal(self.path, connection, None)

    def close(self) -> None:
        """Fold the write-ahead log into the file and let others write."""
        self.connection.close()
        if self._lock:
            self._lock.release()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def being_written(self) -> bool:
        """Whether some process holds the journal for writing."""
        lock = filelock.FileLock(f"{self.path}.lock", blocking=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            return True
        lock.release()
        return False

    def meta(self, key: str, default=None):
        """A value kept with the run, such as its plan."""
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else default

    def set_meta(self, key: str, value) -> None:
        """Keep a JSON value with the run."""
        with self.connection:
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, _json(value)))

    def note(self, run: dict, tallies: dict[str, float]) -> None:
        """Say how the run is going, for those who look on."""
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES ('run', ?)", (_json(run),))
            self._tally(tallies)

    def known(self, ids: Iterable[str]) -> dict[str, Known]:
        """Those of the ids that the journal has a row for."""
        rows = self.connection.execute(
            "SELECT id, state, attempts - forgiven FROM items WHERE id IN (SELECT value FROM json_each(?))", (_json(list(ids)),)
        )
        return {id_: Known(state, attempts) for id_, state, attempts in rows}

    def save(self, entries: list[Entry], tallies: dict[str, float] | None = None) -> list[Entry]:
        """Commit attempts and the states they lead to; returns the accepted entries whose `key` is somebody else's.

        Such a duplicate is saved as a failed attempt of a pending item, for the caller to ask again or to bury. When an
        error is raised (a full disk), nothing of it is saved and the same call can be made again.
        """
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
        keys: dict[int, str] = {}
        for entry in entries:
            attempt, state, reason, detail = entry.attempt, entry.state, entry.attempt.reason, entry.attempt.detail
            key = _hash(entry.key) if state == ACCEPTED else None
            if key is not None:
                holder = keys.get(key) or self._holder(key)
                if holder not in (None, entry.id):
                    state, reason, detail, key = PENDING, "duplicate", f"the same as {holder}", None
                    duplicates.append(entry)
                else:
                    keys[key] = entry.id
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
            _count(tally, state, reason, attempt)
        self._insert(new)
        self.connection.executemany(
            "UPDATE items SET state = ?, reason = ?, text = ?, facts = ?, key = ?, attempts = ?, forgiven = forgiven + ?,"
            " input_tokens = coalesce(coalesce(input_tokens, 0) + ?, input_tokens),"
            " output_tokens = coalesce(coalesce(output_tokens, 0) + ?, output_tokens),"
            " cost = coalesce(coalesce(cost, 0) + ?, cost), provider = ?, model = ?, ended_at = ? WHERE number = ?",
            changed,
        )
        self.connection.executemany("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", attempts)
        self._tally(tally)
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
            self._tally({"dead": len(ids), **{f"dead: {reason}": count for reason, count in reasons}})

    def tallies(self) -> dict[str, float]:
        """Running sums: `accepted`, `dead`, `attempts`, tokens, `cost`, `dead: REASON`, `rejected: REASON`."""
        return dict(self.connection.execute("SELECT name, value FROM tallies"))

    def accepted(self, columns: str = "*") -> Iterator[tuple]:
        """Rows of the accepted items in the order of their arrival, a few at a time in memory."""
        return self.connection.execute(f"SELECT {columns} FROM items WHERE state = 'accepted' ORDER BY number")  # noqa: S608

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

    def _holder(self, key: int) -> str | None:
        row = self.connection.execute("SELECT id FROM items WHERE key = ? AND state = 'accepted'", (key,)).fetchone()
        return row[0] if row else None

    def _tally(self, tally: dict[str, float]) -> None:
        self.connection.executemany(
            "INSERT INTO tallies VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
            list(tally.items()),
        )


def _count(tally: Counter, state: str, reason: str | None, attempt: Attempt) -> None:
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


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _create(connection: sqlite3.Connection) -> None:
    # Pages that hold a whole story; the size can only be chosen before the first table.
    connection.execute("PRAGMA page_size = 16384")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(
        f"BEGIN; PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}; {_SCHEMA} COMMIT;"
    )


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0


def _check(path: Path, connection: sqlite3.Connection) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != _APPLICATION:
        raise UserError(f"{path} is a database but no journal of this project; give another --journal.")
    if version != _VERSION:
        raise UserError(f"{path} is a journal of version {version}, this is version {_VERSION}; use the release that made it.")


def _unreadable(path: Path, error: sqlite3.DatabaseError) -> UserError:
    return UserError(f"{path} cannot be opened as a journal ({error}); check the path, the disk and your rights to it.")


def _hash(key: str | None) -> int | None:
    if key is None:
        return None
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8"), digest_size=8).digest(), "little", signed=True)


def _json(value) -> str:
    return json.dumps(value, ensure_ascii=False)
