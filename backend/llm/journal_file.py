"""The SQLite file of a journal: its tables, its version, and the lock by which one process at a time writes it."""

import sqlite3
from pathlib import Path

import filelock

from backend.errors import UserError

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


def lock_of(path: Path) -> filelock.BaseFileLock:
    """The lock that a writer holds; its `acquire` raises filelock.Timeout when another process does."""
    return filelock.FileLock(f"{path}.lock", blocking=False)


def open_to_write(path: Path) -> sqlite3.Connection:
    """The file for its one writer, made when missing. Raises UserError when it is no journal."""
    try:
        connection = connect(path)
        if connection.execute("PRAGMA application_id").fetchone()[0] == 0 and _is_empty(connection):
            _create(connection)
        _check(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection
    except sqlite3.DatabaseError as error:
        raise unreadable(path, error) from None


def open_to_read(path: Path) -> sqlite3.Connection:
    """The file for one who looks on. Raises UserError when there is none or it is no journal."""
    if not path.is_file():
        raise UserError(f"There is no journal {path}; `python -m datagen stories` makes one.")
    try:
        connection = connect(path)
        connection.execute("PRAGMA query_only = ON")
        _check(path, connection)
        return connection
    except sqlite3.DatabaseError as error:
        raise unreadable(path, error) from None


def connect(path: Path) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time; transactions are begun by hand."""
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


def unreadable(path: Path, error: sqlite3.DatabaseError) -> UserError:
    """What is said of a file that SQLite cannot read."""
    return UserError(f"{path} cannot be opened as a journal ({error}); check the path, the disk and your rights to it.")
