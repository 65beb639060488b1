"""The texts that are to be translated: a column of a JSONL, Parquet or CSV file, a folder of them, or a Hub dataset."""

import csv
import gzip
import hashlib
import sys
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
import pyarrow
import pyarrow.parquet

from backend.errors import UserError
from backend.hub import download_dataset

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet", ".csv")
_IDS = ("id", "ID")  # columns that are taken for ids where none is named


@dataclass(frozen=True, slots=True)
class Row:
    """A text in NFC under the id that its source gives it, or the number of its row where there is none."""

    id: str
    text: str


class Source:
    """A dataset as rows, in an order that is the same in every run. `revision` changes when its files do."""

    def __init__(self, name: str, column: str, id_column: str | None = None, split: str | None = None):
        """`split` keeps the files whose name begins with it. Raises UserError when there is no such dataset."""
        self.name, self._column, self._id_column = name, column, id_column
        if not Path(name).exists() and (name.count("/") > 1 or name.startswith((".", "/", "~")) or _suffix(Path(name))):
            raise UserError(f"There is no file or folder {name}; give one, or a dataset of the Hub as ORG/NAME.")
        path = Path(name) if Path(name).exists() else download_dataset(name)
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        self._files = [file for file in found if _suffix(file) and file.name.startswith(split or "")]
        if not self._files:
            which = f"{', '.join(SUFFIXES)} file" + (f" of the split '{split}'" if split else "")
            raise UserError(f"{name} holds no {which}; give such a file, a folder of them or a Hub id.")
        sizes = [(str(file.relative_to(path)), file.stat().st_size) for file in self._files]
        self.revision = hashlib.sha256(repr(sizes).encode()).hexdigest()[:16]

    def rows(self, shard: int = 0, shards: int = 1) -> Iterator[Row]:
        """Those whose number is `shard` modulo `shards` and that hold a text. Raises UserError for a missing column."""
        for number, (where, id_, text) in islice(enumerate(self._cells()), shard, None, shards):
            if not isinstance(text, str | None):
                raise UserError(f"{where}: the column '{self._column}' holds a {type(text).__name__}, not a text.")
            if text and text.strip():
                yield Row(str(number if id_ is None else id_), unicodedata.normalize("NFC", text.strip()))

    def count(self, shard: int = 0, shards: int = 1) -> int:
        """How many rows `rows` will look at."""
        total = 0
        for file in self._files:
            with _told(file):
                total += _length(file)
        return len(range(shard, total, shards))

    def _cells(self) -> Iterator[tuple[str, object, object]]:
        for file in self._files:
            with _told(file):
                yield from _READERS[_suffix(file)](file, self._columns)

    def _columns(self, names: list[str], where: str) -> tuple[str, str | None]:
        """Which columns hold the text and the id."""
        for wanted in (self._column, self._id_column):
            if wanted and wanted not in names:
                raise UserError(f"{where} has no column '{wanted}'; it has {', '.join(names)}.")
        return self._column, self._id_column or next((name for name in _IDS if name in names), None)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """What is broken in a file as a sentence."""
    try:
        yield
    except (UnicodeDecodeError, csv.Error, pyarrow.ArrowInvalid, gzip.BadGzipFile, EOFError, zlib.error) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{file} cannot be read as {_suffix(file)} ({said[:200]}); mend it or give another, texts in UTF-8.") from None


def _suffix(file: Path) -> str | None:
    return next((suffix for suffix in SUFFIXES if file.name.endswith(suffix)), None)


def _length(file: Path) -> int:
    if _suffix(file) == ".parquet":
        return pyarrow.parquet.read_metadata(file).num_rows
    if _suffix(file) == ".csv":
        with open(file, encoding="utf-8", newline="") as lines:
            return max(0, sum(1 for _ in csv.reader(lines)) - 1)
    with _opened(file) as lines:
        return sum(1 for line in lines if line.strip())


def _opened(file: Path):
    return gzip.open(file, "rb") if file.name.endswith(".gz") else open(file, "rb")


def _json_lines(file: Path, columns) -> Iterator[tuple]:
    with _opened(file) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{file}:{number}"
            try:
                row = dict(orjson.loads(line))
            except (ValueError, TypeError):
                raise UserError(f"{where} is not a JSON object; mend or remove that line.") from None
            text, id_ = columns(list(row), where)
            yield where, row.get(id_), row[text]


def _parquet(file: Path, columns) -> Iterator[tuple]:
    opened = pyarrow.parquet.ParquetFile(file)
    text, id_ = columns(opened.schema_arrow.names, str(file))
    for batch in opened.iter_batches(batch_size=1024, columns=[text, *([id_] if id_ else [])]):
        ids = batch.column(id_).to_pylist() if id_ else [None] * len(batch)
        yield from ((str(file), *pair) for pair in zip(ids, batch.column(text).to_pylist(), strict=True))


def _csv(file: Path, columns) -> Iterator[tuple]:
    csv.field_size_limit(sys.maxsize)
    with open(file, encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        text, id_ = columns(list(reader.fieldnames or []), str(file))
        for row in reader:
            yield f"{file}:{reader.line_num}", row.get(id_), row[text]


_READERS = {".jsonl": _json_lines, ".jsonl.gz": _json_lines, ".parquet": _parquet, ".csv": _csv}
