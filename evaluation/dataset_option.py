"""The option `--dataset LANGUAGE=FILE` of the commands that measure on any stories."""

from collections.abc import Callable
from pathlib import Path

import click

from backend.errors import UserError
from evaluation.corpus import read_texts
from evaluation.text import as_language


def dataset_option(what: str) -> Callable:
    """A click option, given once or more, whose values a command gets as `datasets`; `what` says which stories to give."""
    return click.option(
        "--dataset",
        "datasets",
        multiple=True,
        required=True,
        metavar="LANGUAGE=FILE",
        help=f"{what}: JSON, JSONL, Parquet or a folder of them; may be given several times",
    )


def read_dataset(text: str, column: str) -> tuple[str, Path, list[str]]:
    """The language, the path and the stories of one LANGUAGE=FILE. Raises UserError for what is no such thing."""
    language, _, path = text.partition("=")
    if not path:
        raise UserError(f"'{text}' is not a dataset; give LANGUAGE=FILE, such as hindi=stories.jsonl.")
    return as_language(language).name, Path(path), read_texts(Path(path), column)
