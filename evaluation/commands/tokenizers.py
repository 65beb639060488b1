"""`python -m evaluation tokenizers`: any tokenizers on any stories, one table and one plot."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import click
from tqdm import tqdm

from backend.errors import UserError
from backend.files import writing
from backend.tokenizer import train_tokenizer
from evaluation.dataset_option import dataset_option, read_dataset
from evaluation.foreign_tokenizers import load_any
from evaluation.tokenizer_measures import measure_tokenizer
from evaluation.tokenizer_table import as_markdown, plot
from evaluation.tokenizer_training import trained_bits_per_byte


@click.command()
@click.argument("names", nargs=-1)
@dataset_option("stories to measure on")
@click.option("--column", default="story", show_default=True)
@click.option(
    "--train",
    "sizes",
    multiple=True,
    type=click.IntRange(min=300),
    help="also train this project's BPE with this vocabulary, on half of the stories, and measure on the other half",
)
@click.option(
    "--morphology",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of LANGUAGE.csv with full_word, pt1, rest",
)
@click.option(
    "--passes",
    type=click.FloatRange(min=0, min_open=True),
    help="also train a fixed small model with each, reading the stories so many times; minutes each; needs --out",
)
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="how often it is trained: mean and standard deviation are told")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="folder for tokenizers.json, .md and .svg")
def tokenizers(
    names: tuple[str, ...],
    datasets: tuple[str, ...],
    column: str,
    sizes: tuple[int, ...],
    morphology: Path | None,
    passes: float | None,
    seeds: int,
    out: Path | None,
) -> None:
    """Compare tokenizers: NAME is a tokenizer.json, its folder, a SentencePiece .model, Mistral's tekken.json, a Hub id, or tiktoken:gpt2.

    LABEL=NAME gives it a name of your own in the table.
    """
    if not names and not sizes:
        raise UserError("Name at least one tokenizer (a folder, a Hub id or tiktoken:gpt2), or give --train SIZE.")
    if passes and not out:
        raise UserError("--passes leaves models behind to go on from; name a folder for them with --out.")
    if morphology and not list(morphology.glob("*.csv")):
        raise UserError(f"{morphology} has no LANGUAGE.csv; --morphology names a folder with such files.")
    rows = []
    loaded = {label: load_any(name) for label, name in map(_labelled, names)}
    if len(loaded) < len(names):
        raise UserError("Two tokenizers have the same name in the table; give each its own, as LABEL=NAME.")
    for text in datasets:
        language, path, stories = read_dataset(text, column)
        held_out = stories[1::2] if sizes and len(stories) > 1 else stories
        trained = {f"own BPE {size}": train_tokenizer(stories[::2], size).backend for size in sizes}
        table = morphology / f"{language}.csv" if morphology and (morphology / f"{language}.csv").exists() else None
        everyone = (loaded | trained).items()
        for name, tokenizer in tqdm(everyone, desc=language, unit=" tokenizers", disable=not sys.stderr.isatty()):
            row = measure_tokenizer(tokenizer, name, held_out, language, table)
            if passes:
                file = path.resolve()
                bits = trained_bits_per_byte(tokenizer, name, file, column, out.resolve() / "models", passes, seeds)
                spread = stdev(bits) if seeds > 1 else None
                row = replace(row, trained_bits_per_byte=fmean(bits), trained_spread=spread)
            rows.append(row)
    click.echo(as_markdown(rows))
    if out:
        with writing(out / "tokenizers.json") as file:
            json.dump([row.as_dict() for row in rows], file, ensure_ascii=False, indent=1)
        with writing(out / "tokenizers.md") as file:
            file.write(as_markdown(rows) + "\n")
        plot(rows, out / "tokenizers.svg")


def _labelled(text: str) -> tuple[str, str]:
    """Label and name; a file whose own name has an equals sign is its own label."""
    label, equals, name = text.partition("=")
    return (label, name) if equals and label and name and not Path(text).exists() else (text, text)
