"""The accepted stories of a journal as Arrow tables, some thousand rows each; no row passes through Python by itself."""

import io
import string
from collections.abc import Iterator, Sequence

import orjson
import pyarrow
import pyarrow.compute as compute
import pyarrow.json

from backend.errors import UserError
from backend.llm.journal import JournalView

BATCH = 10_000
_WORDS = ("language", "complexity", "noun", "verb", "adjective", "feature")
SCHEMA = pyarrow.schema(
    [(name, pyarrow.string()) for name in ("id", *_WORDS, "prompt", "story", "provider", "model")]
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


def tables(journal: JournalView, schema: pyarrow.Schema) -> Iterator[pyarrow.Table]:
    """All accepted stories in their order, with the columns of the schema."""
    templates = {tuple(style.split(" ", 1)): text for style, text in journal.meta("templates", {}).items()}
    rows = journal.accepted(", ".join(_TAKEN))
    while batch := _fetched(journal, rows):
        taken = dict(zip(_TAKEN.values(), zip(*batch, strict=True), strict=True))
        records = _records(taken.pop("record"), schema)
        taken["checks"] = [orjson.loads(facts).get("checks", []) if facts else [] for facts in taken["checks"]]
        columns = {field.name: _array(taken[field.name], field.type) for field in schema if field.name in taken}
        columns = {**{name: records[name] for name in records.column_names}, **columns}
        columns["prompt"] = _prompts(columns, templates)
        yield pyarrow.table([columns[name] for name in schema.names], schema)


def _fetched(journal: JournalView, rows) -> list[tuple]:
    """The next rows, their texts in UTF-8: Arrow wants bytes, and to decode them first would be for nothing."""
    journal.connection.text_factory = bytes
    try:
        return rows.fetchmany(BATCH)
    finally:
        journal.connection.text_factory = str


def _records(records: Sequence[bytes], schema: pyarrow.Schema) -> pyarrow.Table:
    """Those columns of the schema that are not of the journal's own, from the JSON of the records; null where none tells."""
    own = set(_TAKEN.values())
    told = pyarrow.schema([field for field in schema if field.name not in own])
    lines = b"\n".join(records)
    return pyarrow.json.read_json(
        io.BytesIO(lines),
        pyarrow.json.ReadOptions(block_size=len(lines) + 1),
        pyarrow.json.ParseOptions(explicit_schema=told, unexpected_field_behavior="ignore"),
    )


def _prompts(columns: dict, templates: dict[tuple[str, str], str]) -> pyarrow.Array:
    """The prompt as its record has it, else by the template of its language and complexity; null without either."""
    given = columns["prompt"]
    prompts = compute.if_else(compute.equal(given, ""), None, given)
    if not prompts.null_count:
        return prompts
    styles = pyarrow.table([columns["language"], columns["complexity"]], ["language", "complexity"])
    for style in styles.group_by(styles.column_names).aggregate([]).to_pylist():
        if template := templates.get((style["language"], style["complexity"])):
            of_style = compute.and_(*(compute.equal(styles[name], value) for name, value in style.items()))
            prompts = compute.coalesce(prompts, compute.if_else(of_style, _filled(template, columns), None))
    return prompts


def _filled(template: str, columns: dict) -> pyarrow.Array:
    """`template.format_map` for all rows at once."""
    parts = []
    for literal, name, _, _ in string.Formatter().parse(template):
        parts += [literal] if literal else []
        parts += [columns[name]] if name else []
    return compute.binary_join_element_wise(*parts, "")


def _array(values: Sequence, kind: pyarrow.DataType) -> pyarrow.Array:
    if pyarrow.types.is_timestamp(kind):
        return pyarrow.array(values, pyarrow.int64()).cast(kind)
    return pyarrow.array(values, kind)
