"""Where training texts come from: JSONL, Parquet, plain text, a folder of them, or a Hub dataset."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from backend.errors import UserError

SUFFIXES = (".jsonl", ".parquet", ".txt")


def read_texts(dataset: str, column: str, split: str = "train") -> Iterator[str]:
    """Every non-empty text, one at a time. Raises UserError for a missing file or column."""
    path = Path(dataset)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES]
        if not files:
            raise UserError(f"{path} holds no {', '.join(SUFFIXES)} file; give a folder of stories, a file or a Hub id.")
        texts = chain.from_iterable(_read_file(file, column) for file in files)
    elif path.is_file():
        texts = _read_file(path, column)
    else:
        texts = _read_hub(dataset, column, split)
    return (text for text in texts if text and text.strip())


def _read_file(path: Path, column: str) -> Iterator[str]:
    if path.suffix == ".txt":
        # A blank line between stories, as the paper's text outputs have it.
        yield from path.read_text("utf-8").split("\n\n\n")
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path)
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


def _json_text(line: str, column: str, where: str) -> str:
    if not line.strip():
        return ""
    try:
        row = json.loads(line)
    except ValueError:
        raise UserError(f"{where} is not a JSON object; mend or remove that line.") from None
    if column not in row:
        raise UserError(f"{where} has no column '{column}'; it has {', '.join(row)}: name one with --column.")
    return row[column]


def _read_hub(dataset: str, column: str, split: str) -> Iterator[str]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        rows = load_dataset(dataset, split=split, streaming=True)
        for row in rows:
            if column not in row:
                raise UserError(f"The dataset {dataset} has no column '{column}'; it has {', '.join(row)}.")
            yield row[column]
    except (DatasetNotFoundError, ConnectionError, ValueError) as error:
        raise UserError(
            f"'{dataset}' is neither a file or folder here nor a dataset that the Hub gave "
            f"({type(error).__name__}); check the name, the network and, for a private one, HF_TOKEN."
        ) from None
