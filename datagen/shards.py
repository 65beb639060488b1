"""Rows into files of at most so many rows each, named as the Hub names them: train-00000-of-00002.parquet."""

from pathlib import Path

import orjson
import pyarrow
import pyarrow.parquet

SCHEMA = pyarrow.schema(
    [(name, pyarrow.string()) for name in ("id", "language", "complexity", "noun", "verb", "adjective", "feature")]
    + [(name, pyarrow.string()) for name in ("prompt", "story", "provider", "model")]
    + [("created_at", pyarrow.timestamp("s", "UTC"))]
    + [(name, pyarrow.int64()) for name in ("attempts", "input_tokens", "output_tokens")]
    + [("cost", pyarrow.float64()), ("checks", pyarrow.list_(pyarrow.string()))]
)


def schema_for(row: dict) -> pyarrow.Schema:
    """The columns above, and what a row has beside them, such as the source of a translation."""
    more = ((name, value) for name, value in row.items() if name not in SCHEMA.names)
    return pyarrow.schema([*SCHEMA, *((name, pyarrow.string() if value is None else pyarrow.infer_type([value])) for name, value in more)])


class JsonLines:
    """A file of one JSON object a line, each with all columns of the schema in their order."""

    suffix = "jsonl"

    def __init__(self, path: Path, schema: pyarrow.Schema):
        self._file, self._names = open(path, "wb"), schema.names  # noqa: SIM115 (closed by `close`)

    def write(self, rows: list[dict]) -> None:
        """Append rows."""
        names = self._names
        whole = ({name: row.get(name) for name in names} for row in rows)
        self._file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in whole)

    def close(self) -> None:
        """End the file."""
        self._file.close()


class Parquet:
    """A Parquet file with a row group a batch of rows, compressed with zstd."""

    suffix = "parquet"

    def __init__(self, path: Path, schema: pyarrow.Schema):
        self._schema = schema
        self._writer = pyarrow.parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1)

    def write(self, rows: list[dict]) -> None:
        """Append rows as a row group."""
        self._writer.write_table(pyarrow.Table.from_pylist(rows, self._schema))

    def close(self) -> None:
        """Write the footer and end the file."""
        self._writer.close()


FORMATS = {"parquet": Parquet, "jsonl": JsonLines}


class Shards:
    """The files of one split. Rows are written in groups; `close` gives the files their final names."""

    def __init__(self, folder: Path, split: str, form: str, rows_a_file: int, schema: pyarrow.Schema = SCHEMA, group: int = 10_000):
        self._folder, self._split, self._form, self._schema = folder, split, FORMATS[form], schema
        self._rows_a_file, self._group = rows_a_file, min(group, rows_a_file)
        self._rows: list[dict] = []
        self._files: list[Path] = []
        self._file, self._in_file = None, 0
        self.count = 0

    def add(self, row: dict) -> None:
        """One more row."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) == min(self._group, self._rows_a_file - self._in_file):
            self._flush()

    def close(self) -> list[Path]:
        """Write what is left and return the files."""
        if self._rows:
            self._flush()
        self._end_file()
        named = []
        for number, path in enumerate(self._files):
            final = path.with_name(f"{self._split}-{number:05}-of-{len(self._files):05}.{self._form.suffix}")
            named.append(path.rename(final))
        return named

    def _flush(self) -> None:
        if self._file is None:
            path = self._folder / f"{self._split}-{len(self._files):05}.{self._form.suffix}"
            self._files.append(path)
            self._file, self._in_file = self._form(path, self._schema), 0
        self._file.write(self._rows)
        self._in_file += len(self._rows)
        self._rows = []
        if self._in_file == self._rows_a_file:
            self._end_file()

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file, self._in_file = None, 0
