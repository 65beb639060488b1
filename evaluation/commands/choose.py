"""`python -m evaluation choose`: the best of a model's own stories, as a dataset for it to learn from."""

import json
from pathlib import Path

import click

from backend.errors import UserError
from backend.files import writing
from backend.languages import load_language
from backend.slm.catalog import resolve
from datagen.vocabulary import said_texts
from evaluation.choosing import Neighbours, chosen, openings_to_tell
from evaluation.sampling import PATIENCE, sample
from evaluation.unknown_words import corpus_texts


@click.command()
@click.argument("model")
@click.argument("language")
@click.option("--taught", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON lines of what it was taught, which show what words stand side by side")
@click.option("--count", default=6, show_default=True, type=click.IntRange(min=1), help="stories an opening")
@click.option("--variants", default=1, show_default=True, type=click.IntRange(min=1), help="of each sentence of beginnings.tsv, its people renamed")
@click.option("--keep", default=3, show_default=True, type=click.IntRange(min=1), help="at most so many stories an opening")
@click.option("--temperature", default=0.7, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="folder for told.jsonl and chosen.jsonl; a later run goes on with what was told")
@click.option("--sampling-patience", default=PATIENCE, show_default=True, type=click.FloatRange(min=0.1), help="seconds without a new story after which sampling is given up")
def choose(
    model: str, language: str, taught: Path, count: int, variants: int, keep: int, temperature: float, seed: int, out: Path,
    sampling_patience: float,
) -> None:  # fmt: skip
    """Let MODEL tell stories from LANGUAGE's beginnings.tsv, and keep those without a fault that can be counted."""
    openings = openings_to_tell(load_language(language), variants, seed)
    if not openings:
        raise UserError(f"{load_language(language).folder} has no beginnings.tsv, so there is nothing to tell from.")
    neighbours = Neighbours.of(list(corpus_texts(taught)))
    with writing(out / "openings.txt") as file:
        file.write("\n".join(dict.fromkeys(openings)) + "\n")
    options = ("--temperature", str(temperature), "--seed", str(seed))
    told = sample(resolve(model).path, out / "openings.txt", language, count, out / "told.jsonl", options, sampling_patience)
    kept = list(chosen(told, said_texts(language), neighbours, keep))
    with writing(out / "chosen.jsonl") as file:
        file.writelines(json.dumps({"story": item.story}, ensure_ascii=False) + "\n" for item in kept)
    click.echo(f"{len(kept):,} of {len(told):,} stories, from {len({item.opening for item in kept}):,} of {len(set(openings)):,} openings, in {out / 'chosen.jsonl'}")
