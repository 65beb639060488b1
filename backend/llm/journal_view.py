"""Looking into a journal, also while a run writes it."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import filelock

from backend.llm.journal_entry import Known
from backend.llm.journal_file import connect, lock_of, open_to_read


class JournalView:
    """A journal to look at what is committed. Made by `JournalView.open`, or by `Journal.read`, which is the same."""

    def __init__(self, path: Path, connection: sqlite3.Connection):
        self.path, self.connection = path, connection

    @classmethod
    def open(cls, path: Path | str) -> "JournalView":
        """An existing journal. Raises UserError when there is none."""
        path = Path(path)
        return JournalView(path, open_to_read(path))

    def reader(self) -> "JournalView":
        """The same journal for another thread."""
        connection = connect(self.path)
        connection.execute("PRAGMA query_only = ON")
        return JournalView(self.path, connection)

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def being_written(self) -> bool:
        """Whether some process holds the journal for writing."""
        lock = lock_of(self.path)
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

    def known(self, ids: Iterable[str]) -> dict[str, Known]:
        """Those of the ids that the journal has a row for."""
        rows = self.connection.execute(
            "SELECT id, state, attempts - forgiven FROM items WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
        )
        return {id_: Known(state, attempts) for id_, state, attempts in rows}

    def tallies(self) -> dict[str, float]:
        """Running sums: `accepted`, `dead`, `attempts`, tokens, `cost`, `dead: REASON`, `rejected: REASON`."""
        return dict(self.connection.execute("SELECT name, value FROM tallies"))

    def ended_between(self, start: float, end: float) -> tuple[int, float | None]:
        """How many items have ended between two Unix times, and when the first of these did."""
        return self.connection.execute("SELECT count(*), min(ended_at) FROM items WHERE ended_at BETWEEN ? AND ?", (start, end)).fetchone()

    def accepted(self, columns: str = "*") -> Iterator[tuple]:
        """Rows of the accepted items in the order of their arrival, a few at a time in memory."""
        return self.connection.execute(f"SELECT {columns} FROM items WHERE state = 'accepted' ORDER BY number")  # noqa: S608

    def dead(self, reasons: Sequence[str] = (), limit: int | None = None) -> Iterator[tuple]:
        """(id, reason, detail, attempts, record, answer) of dead items by reason; detail and raw answer of the last attempt."""
        where, values = "", (-1 if limit is None else limit,)
        if reasons:
            where, values = "AND reason IN (SELECT value FROM json_each(?))", (json.dumps(list(reasons)), *values)
        return self.connection.execute(
            "SELECT id, items.reason, attempts.detail, items.attempts, record, attempts.answer"  # noqa: S608
            f" FROM (SELECT * FROM items WHERE state = 'dead' {where} ORDER BY reason, number LIMIT ?) AS items"
            " LEFT JOIN attempts ON attempts.rowid = (SELECT max(rowid) FROM attempts WHERE item = items.number)"
            " ORDER BY items.reason, items.number",
            values,
        )
