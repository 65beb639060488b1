"""`python -m datagen merge`: the journals of shards joined into one, without what is there twice."""

import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from tqdm import tqdm

from backend.errors import UserError
from backend.llm.journal import Journal
from datagen.merge_meta import join_meta

_CHUNK = 20_000  # items a statement
_SUMS = ("attempts", "forgiven", "input_tokens", "output_tokens", "cost")
_STATE = ("state", "reason", "text", "facts", "record", "key", "provider", "model", "ended_at")
_RANK = "CASE {}.state WHEN 'accepted' THEN 2 WHEN 'dead' THEN 1 ELSE 0 END"
_TWICE = """
CREATE TEMP TABLE twice AS SELECT number FROM (
    SELECT number, row_number() OVER (PARTITION BY key ORDER BY number) AS place FROM items WHERE key IS NOT NULL AND state = 'accepted'
) WHERE place > 1;
UPDATE attempts SET reason = 'duplicate' WHERE reason IS NULL AND item IN (SELECT number FROM twice);
UPDATE items SET state = 'dead', reason = 'duplicate', text = NULL, facts = NULL, key = NULL WHERE number IN (SELECT number FROM twice);
"""
_TALLIES = """
INSERT INTO tallies SELECT state, count(*) FROM items WHERE state <> 'pending' GROUP BY state;
INSERT INTO tallies SELECT 'dead: ' || reason, count(*) FROM items WHERE state = 'dead' GROUP BY reason;
INSERT INTO tallies SELECT 'rejected: ' || reason, count(*) FROM attempts WHERE reason IS NOT NULL GROUP BY reason;
INSERT INTO tallies SELECT 'attempts', count(*) FROM attempts;
INSERT INTO tallies SELECT 'input_tokens', coalesce(sum(input_tokens), 0) FROM attempts;
INSERT INTO tallies SELECT 'output_tokens', coalesce(sum(output_tokens), 0) FROM attempts;
INSERT INTO tallies SELECT 'cost', coalesce(sum(cost), 0.0) FROM attempts;
INSERT INTO tallies SELECT 'unpriced', count(*) FROM attempts WHERE cost IS NULL AND answer IS NOT NULL;
"""


@click.command()
@click.argument("journals", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="a new journal")
def merge(journals: tuple[Path, ...], out: Path) -> None:
    """Join journals, such as those of shards, into a new one.

    Of a prompt that several have the accepted answer is kept, of a text that is there twice the first. All attempts are
    kept, and what they have cost.
    """
    if out.exists():
        raise UserError(f"{out} exists already; give another --out, nothing was written.")
    tallies = join(journals, out)
    accepted, dead, twice = (int(tallies.get(name, 0)) for name in ("accepted", "dead", "dead: duplicate"))
    click.echo(f"{accepted} stories accepted and {dead} dead letters in {out}; {twice} of these are stories that were told twice.")


def join(journals: Sequence[Path], out: Path) -> dict[str, float]:
    """Write the joined journal to `out`, which is replaced, whole or not at all; returns its tallies.

    Raises UserError for a journal that is named twice, is still being written, or holds something else than the others.
    """
    if len({path.resolve() for path in journals}) < len(journals):
        raise UserError("A journal is named twice; name each once.")
    temporary = out.with_name(f".{out.name}.merging")
    _remove(temporary)
    try:
        with Journal.create_or_open(temporary) as merged:
            # A cut leaves the sources as they are, and of this file nothing is kept.
            merged.connection.execute("PRAGMA journal_mode = OFF")
            merged.connection.execute("PRAGMA synchronous = OFF")
            limited = sum(_add(merged, path) for path in journals)
            merged.connection.executescript(_TWICE + _TALLIES)
            merged.connection.execute("INSERT INTO tallies VALUES ('rate_limited', ?)", (limited,))
            tallies = merged.tallies()
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, out)
        return tallies
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _add(merged: Journal, path: Path) -> int:
    """Copy what a journal holds; returns how often it was told to wait."""
    database = merged.connection
    with Journal.read(path) as source:
        if source.being_written():
            raise UserError(f"{path} is being written by another process; wait for it or stop it, nothing was written.")
        renaming = join_meta(merged, source)
        last, limited = source.connection.execute("SELECT coalesce(max(number), 0) FROM items").fetchone()[0], source.tallies().get("rate_limited", 0)
    offset = database.execute("SELECT coalesce(max(number), 0) FROM items").fetchone()[0]
    database.create_function("renamed", 2, renaming.id, deterministic=True)
    database.create_function("written_out", 1, renaming.record, deterministic=True)
    names = ("renamed(s.id, s.record)", "written_out(s.record)") if renaming.styles else ("s.id", "s.record")
    database.execute("ATTACH ? AS source", (str(path),))
    try:
        bar = tqdm(total=last, desc=path.name, unit=" items", unit_scale=True, disable=not sys.stderr.isatty())
        for first in range(1, last + 1, _CHUNK):
            database.execute("BEGIN")
            _copy(database, range(first, first + _CHUNK), offset, *names)
            database.execute("COMMIT")
            bar.update(min(_CHUNK, last + 1 - first))
        bar.close()
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")
        database.execute("DETACH source")
    return int(limited)


def _copy(database: sqlite3.Connection, numbers: range, offset: int, id_: str, record: str) -> None:
    """Items of these numbers and their attempts; a new one gets `offset` more as its number."""
    database.execute(
        "CREATE TEMP TABLE place AS SELECT s.number AS old, coalesce(m.number, s.number + ?) AS new, m.attempts AS before,"  # noqa: S608
        f" m.state = 'accepted' AS told, {id_} AS id, {record} AS record"
        f" FROM source.items s LEFT JOIN main.items m ON m.id = {id_} WHERE s.number >= ? AND s.number < ?",
        (offset, numbers.start, numbers.stop),
    )
    kept = [name for (name,) in database.execute("SELECT name FROM pragma_table_info('attempts')") if name not in ("item", "attempt", "reason")]
    database.execute(
        f"INSERT INTO main.attempts(item, attempt, reason, {', '.join(kept)})"  # noqa: S608
        " SELECT p.new, a.attempt + coalesce(p.before, 0), CASE WHEN p.told AND a.reason IS NULL THEN 'duplicate' ELSE a.reason END,"
        f" {', '.join(f'a.{name}' for name in kept)} FROM temp.place p JOIN source.attempts a ON a.item = p.old"
    )
    copied = [name for name in (*_STATE, *_SUMS) if name != "record"]
    database.execute(
        f"INSERT INTO main.items(number, id, record, {', '.join(copied)})"  # noqa: S608
        f" SELECT p.new, p.id, p.record, {', '.join(f's.{name}' for name in copied)}"
        " FROM temp.place p JOIN source.items s ON s.number = p.old WHERE p.before IS NULL"
    )
    known = "FROM temp.place p JOIN source.items s ON s.number = p.old WHERE p.before IS NOT NULL AND main.items.number = p.new"
    sums = ", ".join(f"{name} = coalesce(items.{name} + s.{name}, items.{name}, s.{name})" for name in _SUMS)
    database.execute(f"UPDATE main.items SET {sums} {known}")  # noqa: S608
    state = ", ".join(f"{name} = {'p' if name == 'record' else 's'}.{name}" for name in _STATE)
    database.execute(f"UPDATE main.items SET {state} {known} AND {_RANK.format('s')} > {_RANK.format('items')}")  # noqa: S608
    database.execute("DROP TABLE temp.place")
