"""`python -m datagen export`: the accepted stories of a journal as a dataset in Parquet or JSON lines, with its card."""

import gzip
import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import orjson
import pyarrow
import xxhash
from tqdm import tqdm

from backend.command_line import Number
from backend.errors import UserError
from backend.llm.journal import JournalView
from datagen.data_card import Exported, data_card
from datagen.near_duplicates import LEAST, NearDuplicates, near_duplicates
from datagen.rows import schema_of, tables
from datagen.shards import FORMATS, Shards
from datagen.split import validation_rows

_SIMILAR = 0.8  # what may not lie on two sides of the split, where near-duplicates are not dropped
_EXAMPLES = 3


@dataclass(frozen=True)
class Places:
    """What becomes of each accepted story, by its place; with no arrays, all are for training."""

    ids: list[str] = field(default_factory=list)
    found: NearDuplicates | None = None
    drops: bool = False
    validation: np.ndarray | None = None

    def dropped(self, start: int, count: int) -> list[int]:
        """Which of `count` stories from the place `start` on are dropped, by their number among these."""
        if not self.drops:
            return []
        return np.flatnonzero(self.found.kept[start : start + count] != np.arange(start, start + count)).tolist()

    def of_splits(self, start: int, count: int) -> dict[str, list[int]]:
        """Which of them go into which split, likewise; a split that none goes into is not there."""
        stays, held_out = np.ones(count, bool), np.zeros(count, bool)
        stays[self.dropped(start, count)] = False
        if self.validation is not None:
            held_out = self.validation[start : start + count]
        of_splits = {"train": stays & ~held_out, "validation": stays & held_out}
        return {split: np.flatnonzero(which).tolist() for split, which in of_splits.items() if which.any()}


def sort_out(journal: JournalView, threshold: float, validation: float, seed: int, total: int, folder: Path) -> Places:
    """Compare all stories with each other and share them out; done without any comparing where both are 0.

    `folder` is for temporary files.
    """
    if not threshold and not validation:
        return Places()
    ids: list[str] = []

    def texts() -> Iterator[str]:
        for id_, text in _bar(journal.accepted("id, text"), total, "Comparing"):
            ids.append(id_)
            yield text

    with closing(texts()) as stories:
        found = near_duplicates(stories, threshold or _SIMILAR, folder)
    staying = np.flatnonzero(found.kept == np.arange(len(ids))) if threshold else np.arange(len(ids))
    sides = np.zeros(len(ids), bool)
    sides[staying] = validation_rows([ids[place] for place in staying], found.cluster[staying], validation, seed)
    return Places(ids, found, bool(threshold), sides)


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="a folder; an earlier export there is replaced")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="parquet", show_default=True)
@click.option("--near-duplicates", "threshold", default=0.8, show_default=True, type=Number(0, 1), help="drop stories as similar as this to one that is kept; 0 drops none")
@click.option("--validation", default=0.01, show_default=True, type=Number(0, 0.5), help="share of the stories; near-duplicates lie on one side")
@click.option("--seed", default=0, show_default=True, help="of the split")
@click.option("--rows-a-file", default=200_000, show_default=True, type=click.IntRange(min=1))
def export(journal: Path, out: Path, form: str, threshold: float, validation: float, seed: int, rows_a_file: int) -> None:
    """Write the accepted stories of a journal as a dataset."""
    if out.exists() and not (out / "dataset.json").exists() and (out.is_file() or any(out.iterdir())):
        raise UserError(f"{out} exists and is no export of this command; choose another --out, nothing was written.")
    if 0 < threshold < LEAST:
        raise UserError(f"--near-duplicates {threshold:g} would call strangers alike; give {LEAST} to 1, or 0 to drop none.")
    temporary = out.with_name(f".{out.name}.writing")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        exported = _export(journal, temporary, out.name, form, threshold, validation, seed, rows_a_file)
        earlier = out.with_name(f".{out.name}.earlier")
        shutil.rmtree(earlier, ignore_errors=True)
        if out.exists():
            out.rename(earlier)
        temporary.rename(out)
        shutil.rmtree(earlier, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror or error}); free the disk or choose another --out.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    parts = ", ".join(f"{count} for {split}" for split, count in exported.rows.items())
    click.echo(f"{sum(exported.rows.values())} stories in {out}: {parts}; {exported.near_duplicates} near-duplicates left out.")


def _export(
    path: Path, folder: Path, name: str, form: str, threshold: float, validation: float, seed: int, rows_a_file: int
) -> Exported:  # fmt: skip
    with JournalView.open(path) as journal:
        journal.connection.execute("BEGIN")  # one state of the journal throughout, also while a run goes on
        total, schema = int(journal.tallies().get("accepted", 0)), schema_of(journal)
        (folder / "data").mkdir(parents=True)
        places = sort_out(journal, threshold, validation, seed, total, folder)
        exported = _write(folder, journal, places, form, schema, rows_a_file, total)
        exported.threshold = threshold
        (folder / "README.md").write_text(data_card(name, exported, journal, schema, FORMATS[form].suffix), "utf-8")
    counts = {"stories": sum(exported.rows.values()), **exported.rows, "near_duplicates": exported.near_duplicates}
    (folder / "dataset.json").write_text(json.dumps(counts), "utf-8")
    return exported


def _write(
    folder: Path, journal: JournalView, places: Places, form: str, schema: pyarrow.Schema, rows_a_file: int, total: int
) -> Exported:  # fmt: skip
    exported, examples = Exported(), []
    splits = ("train", "validation") if places.validation is not None and places.validation.any() else ("train",)
    shards = {split: Shards(folder / "data", split, form, rows_a_file, schema) for split in splits}
    start = 0
    with gzip.open(folder / "near-duplicates.jsonl.gz", "wb", compresslevel=3) as dropped, _bar(None, total, "Writing") as bar:
        for table in tables(journal, schema):
            count = len(table)
            for number in places.dropped(start, count):
                dropped.write(orjson.dumps(_why(table, number, places, start)) + b"\n")
                exported.near_duplicates += 1
            for split, numbers in places.of_splits(start, count).items():
                rows = table if len(numbers) == count else table.take(numbers)
                shards[split].add(rows)
                exported.count(split, rows)
                examples = _choose(examples, rows)
            start += count
            bar.update(count)
    for split in splits:
        exported.bytes[split] = sum(path.stat().st_size for path in shards[split].close())
    exported.examples = [row for _, row in examples]
    if not exported.near_duplicates:
        (folder / "near-duplicates.jsonl.gz").unlink()
    return exported


def _why(table: pyarrow.Table, number: int, places: Places, start: int) -> dict:
    """What is kept of a story that is dropped."""
    place = start + number
    similarity = round(float(places.found.similarity[place]), 4)
    of, row = places.ids[int(places.found.kept[place])], table.select(["id", "story"]).slice(number, 1).to_pylist()[0]
    return {"id": row["id"], "reason": "near duplicate", "of": of, "similarity": similarity, "story": row["story"]}


def _choose(examples: list, table: pyarrow.Table) -> list:
    """(hash, row) of those with the least hashes of their ids: a fair sample, and the same each time."""
    hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, map(str.encode, table["id"].to_pylist())), np.uint64, len(table))
    least = np.argsort(hashes, kind="stable")[:_EXAMPLES].tolist()
    found = [(int(hashes[number]), table.slice(number, 1).to_pylist()[0]) for number in least]
    return sorted([*examples, *found], key=lambda entry: entry[0])[:_EXAMPLES]


def _bar(rows: Iterable | None, total: int, what: str) -> tqdm:
    return tqdm(rows, desc=what, total=total, unit=" stories", unit_scale=True, disable=not sys.stderr.isatty())
