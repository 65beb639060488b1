"""The stories of a dataset as it lies on disk: a JSON, JSONL or Parquet file, or a folder of the latter two, as an export leaves it."""

from collections.abc import Iterator
from pathlib import Path

from backend.errors import UserError
from evaluation.completions import read_rows

_IN_FOLDERS = {".jsonl", ".parquet"}  # what lies there as .json is mostly about the stories


def files_of(source: Path) -> list[Path]:
    """The files of a corpus in their order. Raises UserError where there is none."""
    # An export's folder has facts about itself beside its stories.
    inside = source / "data" if (source / "data").is_dir() else source
    files = sorted(path for path in inside.rglob("*") if path.suffix in _IN_FOLDERS) if source.is_dir() else [source]
    if not files or not files[0].exists():
        raise UserError(f"There is no corpus at {source}; give a JSONL or Parquet file, or a folder of them.")
    return files


def state_of(source: Path) -> list[list]:
    """By which a corpus that has changed is told from one that has not."""
    return [[str(file), (facts := file.stat()).st_size, facts.st_mtime_ns] for file in files_of(source)]


def read_texts(source: Path, column: str) -> list[str]:
    """All texts of a column that are not empty. Raises UserError where there is none, or a file cannot be read."""
    texts = [text for file in files_of(source) for text in _texts(file, column)]
    if not texts:
        raise UserError(f"{source} has no text in a column '{column}'; name it with --column.")
    return texts


def _texts(file: Path, column: str) -> Iterator[str]:
    if file.suffix != ".parquet":
        values = (row.get(column) for row in read_rows(file))
    else:
        values = (value for batch in parquet_batches(file, column) for value in batch)
    return (text for value in values if isinstance(value, str) and (text := value.strip()))


def parquet_batches(file: Path, column: str, rows: int = 2000) -> Iterator[list]:
    """Values of a column, so many rows at a time. Raises UserError for another file, or one without the column."""
    import pyarrow
    import pyarrow.parquet

    try:
        opened = pyarrow.parquet.ParquetFile(file)
        if column not in opened.schema_arrow.names:
            raise UserError(f"{file} has no column '{column}'; it has {', '.join(opened.schema_arrow.names)}. Name it with --column.")
        for batch in opened.iter_batches(rows, columns=[column]):
            yield batch.column(0).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{file} cannot be read ({str(error)[:200]}); give a whole Parquet file.") from None
