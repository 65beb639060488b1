"""`python -m evaluation bits`: how well models expect stories that they have not read, comparable across tokenizers."""

import json
import math
from pathlib import Path

import click
import numpy as np

from backend.errors import UserError
from backend.files import writing
from backend.slm.catalog import resolve
from evaluation.dataset_option import dataset_option, read_dataset
from evaluation.page import in_line
from evaluation.perplexity import bits_per_byte
from evaluation.statistics import ratio_intervals


@click.command()
@click.argument("models", nargs=-1, required=True)
@dataset_option("stories that no model was trained on")
@click.option("--column", default="story", show_default=True)
@click.option("--count", default=200, show_default=True, type=click.IntRange(min=2), help="stories of each file, the first ones")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="a JSON file")
def bits(models: tuple[str, ...], datasets: tuple[str, ...], column: str, count: int, out: Path | None) -> None:
    """Bits per byte of stories under MODELS: bundled names, folders or Hub ids. 95 % intervals over stories.

    Tokens differ between tokenizers, bytes do not: of two models the one with fewer bits expects the stories better.
    """
    folders, rows = [resolve(name) for name in models], []
    for text in datasets:
        language, path, stories = read_dataset(text, column)
        stories = stories[:count]
        if len(stories) < 2:
            raise UserError(f"{path} has one story only; an interval needs two.")
        for folder in folders:
            click.echo(f"{folder.name}, {language}", err=True)
            rows.append({"model": folder.name, "language": language} | _measure(folder.path, stories))
    click.echo(_table(rows))
    if out:
        with writing(out) as file:
            json.dump(rows, file, ensure_ascii=False, indent=1)


def _measure(model: Path, stories: list[str]) -> dict:
    """Bits of all stories over bytes of all stories, each story drawn as a whole."""
    sizes = np.array([[len(story.encode())] for story in stories], float)
    found = ratio_intervals(np.array(bits_per_byte(model, stories))[:, None] * sizes, sizes)
    mean, low, high = (float(value[0]) for value in (found.mean, found.low, found.high))
    return {"stories": len(stories), "bits_per_byte": mean, "low": low, "high": high}


def _table(rows: list[dict]) -> str:
    lines = ["| language | model | stories | bits a byte | perplexity a byte |", "| --- " * 5 + "|"]
    for row in rows:
        bits = f"{row['bits_per_byte']:.4f} ({row['low']:.4f} … {row['high']:.4f})"
        cells = [row["language"], in_line(row["model"]), str(row["stories"]), bits, f"{math.exp2(row['bits_per_byte']):.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
