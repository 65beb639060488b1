"""Votes of the arena: SQLite on this machine, and for a Space a Hub dataset that outlives its disk."""

import hashlib
import hmac
import json
import os
import secrets
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

VERDICTS = ("first", "second", "tie", "bad")
REPO_VARIABLE = "TINYSTORIES_VOTES_REPO"
_COMMIT_MINUTES = 5
_MOST_A_DAY = 60  # counted votes of one visitor
_MOST_A_PAIR = 20  # of these, on one pair of models
_SHORTEST_READING = 4.0  # seconds between the stories' end and a vote that counts
_TABLES = """
CREATE TABLE IF NOT EXISTS votes (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, language TEXT NOT NULL, opening TEXT NOT NULL,
    first TEXT NOT NULL, second TEXT NOT NULL, first_story TEXT NOT NULL, second_story TEXT NOT NULL,
    settings TEXT NOT NULL, verdict TEXT NOT NULL, visitor TEXT NOT NULL, discounted TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_language ON votes (language, discounted);
CREATE INDEX IF NOT EXISTS by_visitor ON votes (visitor);
CREATE TABLE IF NOT EXISTS salt (day TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Vote:
    """One vote. `visitor` is a pseudonym for a day; `discounted` is '' or why the vote is kept but not counted:

    hurried (sooner than two stories can be read), repeated (the same visitor, opening and pair), many.
    """

    id: str
    at: str
    language: str
    opening: str
    first: str
    second: str
    first_story: str
    second_story: str
    settings: str
    verdict: str
    visitor: str
    discounted: str = ""


_COLUMNS = [field.name for field in fields(Vote)]
_INSERT = f"INSERT OR IGNORE INTO votes ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


def data_folder() -> Path:
    """Where what visitors leave lies: TINYSTORIES_DATA, else the user's data folder."""
    default = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tinystories-regional"
    return Path(os.environ.get("TINYSTORIES_DATA") or default)


class Votes:
    """The ballot box. A vote's id is its battle's, so that no battle is voted on twice."""

    def __init__(self, folder: Path | None = None, repo: str | None = None):
        folder = folder or data_folder()
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "votes.sqlite"
        self._guard = threading.Lock()
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_TABLES)
        repo = repo or os.environ.get(REPO_VARIABLE)
        self._mirror = _Mirror(repo, folder / "mirror", self._take_in) if repo else None

    def add(self, vote: Vote, read_for: float) -> Vote | None:
        """Keep a vote, cast `read_for` seconds after the stories ended. None when its battle has one already."""
        with self._guard, self._connection() as connection:
            why = "hurried" if read_for < _SHORTEST_READING else _stuffing(connection, vote)
            vote = Vote(**asdict(vote) | {"discounted": why})
            if not connection.execute(_INSERT, astuple(vote)).rowcount:
                return None
        if self._mirror:
            self._mirror.append(vote)
        return vote

    def counted(self, language: str | None = None) -> list[tuple[str, str, str, str]]:
        """(first, second, verdict, visitor) of the votes that count, of one language or all."""
        query = "SELECT first, second, verdict, visitor FROM votes WHERE discounted = ''"
        with self._connection() as connection:
            if language is None:
                return connection.execute(query).fetchall()
            return connection.execute(query + " AND language = ?", (language,)).fetchall()

    def all(self) -> list[Vote]:
        """Every vote, the discounted ones too, as they came."""
        with self._connection() as connection:
            return [Vote(*row) for row in connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM votes ORDER BY at")]  # noqa: S608

    def pseudonym(self, address: str) -> str:
        """A visitor's name for today: it cannot be led back to the address once the day's salt is gone."""
        today = datetime.now(UTC).date().isoformat()
        with self._guard, self._connection() as connection:
            connection.execute("INSERT OR IGNORE INTO salt VALUES (?, ?)", (today, secrets.token_hex(16)))
            connection.execute("DELETE FROM salt WHERE day < ?", (today,))
            (salt,) = connection.execute("SELECT value FROM salt WHERE day = ?", (today,)).fetchone()
        return hmac.new(salt.encode(), address.encode(), hashlib.sha256).hexdigest()[:20]

    def _take_in(self, rows: list[dict]) -> None:
        known = [tuple(row[name] for name in _COLUMNS) for row in rows if set(_COLUMNS) <= row.keys()]
        with self._guard, self._connection() as connection:
            connection.executemany(_INSERT, known)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=20)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def _stuffing(connection: sqlite3.Connection, vote: Vote) -> str:
    def count(where: str, *values: str) -> int:
        query = f"SELECT COUNT(*) FROM votes WHERE visitor = ? AND discounted = '' {where}"  # noqa: S608
        return connection.execute(query, (vote.visitor, *values)).fetchone()[0]

    pair = (vote.first, vote.second, vote.second, vote.first)
    same_pair = "AND ((first = ? AND second = ?) OR (first = ? AND second = ?))"
    if count(f"{same_pair} AND opening = ?", *pair, vote.opening):
        return "repeated"
    return "many" if count(same_pair, *pair) >= _MOST_A_PAIR or count("") >= _MOST_A_DAY else ""


class _Mirror:
    """A Hub dataset that receives every vote and gives back those of earlier lives of the Space."""

    def __init__(self, repo: str, folder: Path, take_in: Callable[[list[dict]], None]):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"votes-{secrets.token_hex(8)}.jsonl"
        self._scheduler = None
        threading.Thread(target=self._start, args=(repo, folder, take_in), name="votes to the Hub", daemon=True).start()

    def append(self, vote: Vote) -> None:
        lock = self._scheduler.lock if self._scheduler else nullcontext()
        with lock, open(self._file, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(vote), ensure_ascii=False) + "\n")

    def _start(self, repo: str, folder: Path, take_in: Callable[[list[dict]], None]) -> None:
        """Apart from the page's own start, which must not wait for the network."""
        import httpx2
        from huggingface_hub import CommitScheduler, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            # It commits the folder now and then, and once more when the process ends.
            self._scheduler = CommitScheduler(
                repo_id=repo, repo_type="dataset", private=True, folder_path=folder, path_in_repo="votes", every=_COMMIT_MINUTES
            )
            found = Path(snapshot_download(repo, repo_type="dataset", allow_patterns="votes/*.jsonl"))
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
            why = f"{type(error).__name__}; check {REPO_VARIABLE} and HF_TOKEN"
            print(f"Votes stay on this machine: the dataset '{repo}' cannot be reached ({why}).", file=sys.stderr)
            return
        for file in sorted(found.glob("votes/*.jsonl")):
            take_in([json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()])
