"""Where training texts come from: JSONL, Parquet, plain text, a folder of them, or a Hub dataset."""

import hashlib
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from backend.errors import UserError

SUFFIXES = (".jsonl", ".parquet", ".txt")


def read_texts(dataset: str, column: str, split: str = "train", revision: str = "") -> Iterator[str]:
    """Every non-empty text, one at a time; of a Hub dataset at a revision. Raises UserError for a missing or damaged file or column.

    Of a folder the files named `SPLIT-…` are read where there are any, else all.
    """
    path = Path(dataset)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES]
        # An exported dataset names its files by split, and what is held out there is for nobody's training.
        files = [file for file in files if file.name.startswith(f"{split}-")] or files
        if not files:
            raise UserError(f"{path} holds no {', '.join(SUFFIXES)} file; give a folder of stories, a file or a Hub id.")
        texts = chain.from_iterable(_read_file(file, column) for file in files)
    elif path.is_file():
        texts = _read_file(path, column)
    else:
        texts = _read_hub(dataset, column, split, revision)
    return _not_empty(texts, dataset, column)


def _not_empty(texts: Iterator[object], dataset: str, column: str) -> Iterator[str]:
    for text in texts:
        if not isinstance(text, str | None):
            raise UserError(f"The column '{column}' of {dataset} holds {type(text).__name__}, not text; name another with --column.")
        if text and text.strip():
            yield text


def _read_file(path: Path, column: str) -> Iterator[str]:
    try:
        yield from _read_rows(path, column)
    except UnicodeDecodeError:
        raise UserError(f"{path} is not in UTF-8; convert it, with iconv for example.") from None


def _read_rows(path: Path, column: str) -> Iterator[str]:
    if path.suffix == ".txt":
        yield from _read_plain(path)
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        try:
            file = pyarrow.parquet.ParquetFile(path)
        except pyarrow.ArrowInvalid:
            raise UserError(f"{path} is no whole Parquet file; fetch or export it again.") from None
        if column not in file.schema_arrow.names:
            raise UserError(f"{path} has no column '{column}'; it has {', '.join(file.schema_arrow.names)}.")
        for batch in file.iter_batches(batch_size=4096, columns=[column]):
            yield from batch.column(0).to_pylist()
    elif path.suffix == ".jsonl":
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                yield _json_text(line, column, f"{path}:{number}")
    else:
        raise UserError(f"{path} is none of {', '.join(SUFFIXES)}; convert it, or give a Hub id.")


def _read_plain(path: Path) -> Iterator[str]:
    """Stories of a text file: two empty lines between them, or a line <|endoftext|> as in TinyStories' own files."""
    lines, empty = [], 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            empty = 0 if line.strip() else empty + 1
            ends = line.strip() == "<|endoftext|>"
            if not ends:
                lines.append(line)
            if ends or empty == 2:
                yield "".join(lines).strip("\n")
                lines, empty = [], 0
    yield "".join(lines).strip("\n")


def _json_text(line: str, column: str, where: str) -> str:
    if not line.strip():
        return ""
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise UserError(f"{where} is not a JSON object; mend or remove that line.")
    if column not in row:
        raise UserError(f"{where} has no column '{column}'; it has {', '.join(row)}: name one with --column.")
    return row[column]


def revision_of(dataset: str) -> str:
    """What a dataset is at now: the commit of one on the Hub, '' when the Hub is silent; of files here a digest.

    The digest is of their names, sizes and times, not of what stands in them.
    """
    path = Path(dataset)
    if path.exists():
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.suffix in SUFFIXES]
        return hashlib.sha256(repr(stats).encode()).hexdigest()[:16]
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        return HfApi().dataset_info(dataset).sha or ""
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OSError):
        return ""


def _read_hub(dataset: str, column: str, split: str, revision: str = "") -> Iterator[str]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        rows = load_dataset(dataset, split=split, streaming=True, revision=revision or None)
        for row in rows:
            if column not in row:
                raise UserError(f"The dataset {dataset} has no column '{column}'; it has {', '.join(row)}.")
            yield row[column]
    except (DatasetNotFoundError, ConnectionError, ValueError) as error:
        raise UserError(
            f"'{dataset}' is neither a file or folder here nor a dataset that the Hub gave "
            f"({type(error).__name__}); check the name, the network and, for a private one, HF_TOKEN."
        ) from None
