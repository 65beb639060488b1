"""Tables into files of at most so many rows each, named as the Hub names them: train-00000-of-00002.parquet."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow
import pyarrow.parquet

from datagen.rows import SCHEMA

_REPEATING = ["language", "complexity", "noun", "verb", "adjective", "feature", "provider", "model"]  # worth a dictionary
_TEXTS = {"id", "prompt", "story"}  # whose least and greatest value tell nobody anything


class JsonLines:
    """A file of one JSON object a line, each with all columns of the schema in their order."""

    suffix = "jsonl"

    def __init__(self, path: Path, schema: pyarrow.Schema):
        self._file, self._names = open(path, "wb"), schema.names  # noqa: SIM115 (closed by `close`)

    def write(self, table: pyarrow.Table) -> None:
        """Append rows."""
        columns = {name: table[name].to_pylist() for name in self._names if name != "created_at"}
        columns["created_at"] = [datetime.fromtimestamp(seconds, UTC) for seconds in table["created_at"].cast(pyarrow.int64()).to_pylist()]
        rows = zip(*(columns[name] for name in self._names), strict=True)
        self._file.writelines(orjson.dumps(dict(zip(self._names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE) for row in rows)

    def close(self) -> None:
        """End the file."""
        self._file.close()


class Parquet:
    """A Parquet file with a row group a batch of rows, compressed with zstd, in a thread while the next rows are read."""

    suffix = "parquet"

    def __init__(self, path: Path, schema: pyarrow.Schema):
        self._writer = pyarrow.parquet.ParquetWriter(
            path, schema, compression="zstd", compression_level=1, use_dictionary=_REPEATING,
            write_statistics=[name for name in schema.names if name not in _TEXTS],
        )  # fmt: skip
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future | None = None

    def write(self, table: pyarrow.Table) -> None:
        """Append rows as a row group."""
        if self._writing:
            self._writing.result()
        self._writing = self._thread.submit(self._writer.write_table, table)

    def close(self) -> None:
        """Write the footer and end the file."""
        if self._writing:
            self._writing.result()
        self._thread.shutdown()
        self._writer.close()


FORMATS = {"parquet": Parquet, "jsonl": JsonLines}


class Shards:
    """The files of one split. Rows are written in groups; `close` gives the files their final names."""

    def __init__(self, folder: Path, split: str, form: str, rows_a_file: int, schema: pyarrow.Schema = SCHEMA, group: int = 10_000):
        self._folder, self._split, self._form, self._schema = folder, split, FORMATS[form], schema
        self._rows_a_file, self._group = rows_a_file, group
        self._waiting = schema.empty_table()
        self._files: list[Path] = []
        self._file, self._in_file = None, 0

    def add(self, table: pyarrow.Table) -> None:
        """More rows, with the columns of the schema."""
        self._waiting = pyarrow.concat_tables([self._waiting, table])
        while len(self._waiting) >= min(self._group, self._rows_a_file - self._in_file):
            self._flush()

    def close(self) -> list[Path]:
        """Write what is left and return the files."""
        while len(self._waiting):
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
        count = min(self._group, self._rows_a_file - self._in_file, len(self._waiting))
        self._file.write(self._waiting.slice(0, count))
        self._waiting = self._waiting.slice(count)
        self._in_file += count
        if self._in_file == self._rows_a_file:
            self._end_file()

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file, self._in_file = None, 0
