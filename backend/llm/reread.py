"""The answers that a journal keeps, read again by other rules: nothing is asked and nothing is paid."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from backend.llm.engine import Item, Read, Reading, Rejected
from backend.llm.journal import ACCEPTED, DEAD, PENDING, Journal
from backend.llm.journal_entry import key_hash
from backend.llm.provider import Completion


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    id: str
    state: str
    reason: str | None
    record: str
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class _Answer:
    rowid: int
    reason: str | None
    text: str
    finish_reason: str


def answers_kept(journal: Journal) -> int:
    """How many items have an answer that can be read again."""
    return journal.connection.execute("SELECT count(DISTINCT item) FROM attempts WHERE answer IS NOT NULL").fetchone()[0]


def read_again(journal: Journal, read: Read, done: Callable[[int], None] = lambda count: None) -> None:
    """Give every item the state that its kept answers have by `read`, in one commit; `done` hears of progress.

    What was accepted stays so by the same answer where it passes. Of all others, dead or still to be asked again, the
    first answer that passes is accepted, unless it repeats another item's; where none does, what was accepted is dead,
    and the rest stays what it was. An interruption leaves the journal as it was.
    """
    with journal.connection:
        journal.connection.execute("BEGIN IMMEDIATE")
        reader = journal.reader()  # sees the journal as it was
        try:
            rereading = _Rereading(journal, read)
            for row in rereading.rows(reader, "state = 'accepted'"):
                rereading.keep_or_kill(row)
                done(1)
            for row in rereading.rows(reader, "state <> 'accepted'"):
                rereading.try_all(row)
                done(1)
            rereading.end()
        finally:
            reader.close()


class _Rereading:
    def __init__(self, journal: Journal, read: Read):
        self._sql, self._read = journal.connection, read
        self._journal, self._tally, self._killed = journal, Counter(), []

    def rows(self, reader, where: str) -> Iterator[_Row]:
        """Items of the journal as it was."""
        found = reader.connection.execute(f"SELECT number, id, state, reason, record, ended_at FROM items WHERE {where} ORDER BY number")  # noqa: S608
        return (_Row(*values) for values in found)

    def keep_or_kill(self, row: _Row) -> None:
        """An accepted item, by the answer that was accepted."""
        for answer in self._answers(row):
            if answer.reason is None:
                reading, rejected = self._reading(row, answer, f"AND number < {row.number}")  # later ones are still to be read
                if reading:
                    self._keep(row, reading)
                else:
                    self._say(answer, rejected)
                    self._state(row, DEAD, rejected.reason)
                    self._killed.append(replace(row, state=DEAD, reason=rejected.reason))
                return

    def try_all(self, row: _Row) -> None:
        """An item that is not accepted, by all its answers."""
        last = None
        for answer in self._answers(row):
            reading, rejected = self._reading(row, answer)
            if reading:
                self._say(answer, None)
                self._state(row, ACCEPTED, None)
                self._keep(row, reading)
                return
            self._say(answer, rejected)
            last = (answer, rejected)
        if last and last[0].reason == row.reason:  # else it died of something that was no answer
            self._state(row, row.state, last[1].reason)

    def end(self) -> None:
        """Give what was accepted, and is no more, its other answers; then write the sums."""
        for row in self._killed:
            self.try_all(row)
        self._journal.add_to_tallies({name: count for name, count in self._tally.items() if count})

    def _answers(self, row: _Row) -> list[_Answer]:
        found = self._sql.execute(
            "SELECT rowid, reason, answer, coalesce(finish_reason, '') FROM attempts"
            " WHERE item = ? AND answer IS NOT NULL ORDER BY attempt", (row.number,),
        )  # fmt: skip
        return [_Answer(*values) for values in found]

    def _reading(self, row: _Row, answer: _Answer, among: str = "") -> tuple[Reading | None, Rejected | None]:
        try:
            reading = self._read(Item(row.id, [], json.loads(row.record)), Completion(answer.text, finish_reason=answer.finish_reason))
        except Rejected as rejected:
            return None, rejected
        holder = self._sql.execute(
            f"SELECT id FROM items WHERE key = ? AND state = 'accepted' AND number <> ? {among} LIMIT 1",  # noqa: S608
            (key_hash(reading.key), row.number),
        ).fetchone()
        return (None, Rejected("duplicate", f"the same as {holder[0]}")) if holder else (reading, None)

    def _say(self, answer: _Answer, rejected: Rejected | None) -> None:
        """What is now thought of an answer."""
        reason, detail = (rejected.reason, rejected.detail) if rejected else (None, None)
        if reason == answer.reason:
            return
        self._sql.execute("UPDATE attempts SET reason = ?, detail = ? WHERE rowid = ?", (reason, detail, answer.rowid))
        for name, count in ((answer.reason, -1), (reason, 1)):
            if name is not None:
                self._tally[f"rejected: {name}"] += count

    def _state(self, row: _Row, state: str, reason: str | None) -> None:
        """Bring an item into a state; what it leaves and where it comes to is counted."""
        if (state, reason) == (row.state, row.reason):
            return
        for name, why, count in ((row.state, row.reason, -1), (state, reason, 1)):
            if name != PENDING:
                self._tally[name] += count
            if name == DEAD:
                self._tally[f"dead: {why}"] += count
        ended = row.ended_at or time.time()
        self._sql.execute(
            "UPDATE items SET state = ?, reason = ?, text = NULL, facts = NULL, key = NULL, ended_at = ? WHERE number = ?",
            (state, reason, None if state == PENDING else ended, row.number),
        )

    def _keep(self, row: _Row, reading: Reading) -> None:
        facts = json.dumps(reading.facts, ensure_ascii=False) if reading.facts else None
        values = (reading.text, facts, key_hash(reading.key), row.number)
        self._sql.execute("UPDATE items SET text = ?, facts = ?, key = ? WHERE number = ? AND (text, facts, key) IS NOT (?, ?, ?)", (*values, *values[:3]))
