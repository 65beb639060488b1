"""The accepted stories of a journal as columns of a dataset, some thousand rows at a time: `{name: values}`, all as long."""

from collections.abc import Iterator
from itertools import chain

import orjson
import pyarrow

from backend.errors import UserError
from backend.llm.journal import JournalView

BATCH = 10_000
SCHEMA = pyarrow.schema(
    [(name, pyarrow.string()) for name in ("id", "language", "complexity", "noun", "verb", "adjective", "feature")]
    + [(name, pyarrow.string()) for name in ("prompt", "story", "provider", "model")]
    + [("created_at", pyarrow.timestamp("s", "UTC"))]
    + [(name, pyarrow.int64()) for name in ("attempts", "input_tokens", "output_tokens")]
    + [("cost", pyarrow.float64()), ("checks", pyarrow.list_(pyarrow.string()))]
)
# Columns of the journal, and what becomes of them.
_TAKEN = {
    "id": "id", "text": "story", "provider": "provider", "model": "model", "attempts": "attempts", "input_tokens": "input_tokens",
    "output_tokens": "output_tokens", "cost": "cost", "cast(ended_at AS INTEGER)": "created_at", "record": "record", "facts": "checks",
}  # fmt: skip


def schema_of(journal: JournalView) -> pyarrow.Schema:
    """The columns above, and what the journal's first record has beside them, such as the source of a translation."""
    (first,) = next(journal.accepted("record"), (None,))
    if first is None:
        raise UserError(f"{journal.path} holds no accepted story yet; `python -m datagen status {journal.path}` says how far it is.")
    more = ((name, value) for name, value in orjson.loads(first).items() if name not in SCHEMA.names)
    return pyarrow.schema([*SCHEMA, *((name, pyarrow.string() if value is None else pyarrow.infer_type([value])) for name, value in more)])


def column_batches(journal: JournalView, schema: pyarrow.Schema) -> Iterator[dict[str, list]]:
    """All columns of the schema in its order; `created_at` in Unix seconds, `checks` as lists of names."""
    templates = {tuple(style.split(" ", 1)): text for style, text in journal.meta("templates", {}).items()}
    rows = journal.accepted(", ".join(_TAKEN))
    while batch := rows.fetchmany(BATCH):
        columns = dict(zip(_TAKEN.values(), map(list, zip(*batch, strict=True)), strict=True))
        records = orjson.loads(f"[{','.join(columns.pop('record'))}]")
        columns["checks"] = [orjson.loads(facts).get("checks", []) if facts else [] for facts in columns["checks"]]
        for name in set(chain.from_iterable(records)) - columns.keys():
            columns[name] = [record.get(name) for record in records]
        columns["prompt"] = [record.get("prompt") or _prompt(record, templates) for record in records]
        nothing = [None] * len(records)
        yield {name: columns.get(name, nothing) for name in schema.names}


def chosen(columns: dict[str, list], places: list[int]) -> dict[str, list]:
    """The rows of some places."""
    return {name: [column[place] for place in places] for name, column in columns.items()}


def row_of(columns: dict[str, list], place: int) -> dict:
    """One row."""
    return {name: column[place] for name, column in columns.items()}


def _prompt(record: dict, templates: dict[tuple[str, str], str]) -> str | None:
    template = templates.get((record.get("language"), record.get("complexity")))
    return template.format_map(record) if template else None
