"""`python -m evaluation marks`: completions of shared openings by several models, and what can be counted about them."""

import json
import unicodedata
from pathlib import Path

import click

from backend.errors import UserError
from backend.files import writing
from backend.languages import load_language
from backend.slm.catalog import bundled_models, resolve
from datagen.vocabulary import TOLD, said_texts
from evaluation.best_of import best_of_each
from evaluation.marks import as_markdown, mark, write_marks
from evaluation.quick_check import LABEL
from evaluation.sampling import PATIENCE, sample
from evaluation.unknown_words import corpus_texts

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("models", nargs=-1)
@click.option("--openings", type=_FOLDER, help="folder of LANGUAGE.txt, one opening a line  [default: the languages' own]")
@click.option("--first", default=200, show_default=True, type=click.IntRange(min=1), help="openings a language")
@click.option("--count", default=3, show_default=True, type=click.IntRange(min=1), help="stories an opening")
@click.option("--best-of", default=1, show_default=True, type=click.IntRange(1, 64), help="stories of which the one is taken that the quick check likes best, as the app does with 8")
@click.option("--corpora", type=_FOLDER, help="folder of LANGUAGE.jsonl, what the models were trained on; unknown words are counted against it  [default: the storyteller's stories and the languages' own]")
@click.option("--out", default="out/marks", show_default=True, type=click.Path(file_okay=False, path_type=Path), help="folder for completions, marks.json and marks.md; a later run goes on with what is there")
@click.option("--cards", is_flag=True, help="also write each model's marks into its card")
@click.option("--sampling-patience", default=PATIENCE, show_default=True, type=click.FloatRange(min=0.1), help="seconds without a new story after which sampling is given up")
def marks(
    models: tuple[str, ...],
    openings: Path | None,
    first: int,
    count: int,
    best_of: int,
    corpora: Path | None,
    out: Path,
    cards: bool,
    sampling_patience: float,
) -> None:
    """Mark MODELS, or all bundled ones, in every language that their cards name. A heuristic, not a judge."""
    folders = [resolve(name) for name in models] or bundled_models()
    completions = []
    for language in dict.fromkeys(language for model in folders for language in model.languages) if corpora else ():
        _corpus(corpora, language)
    for model in folders:
        if not model.languages:
            raise UserError(f"The card of {model.name} names no language; add `language: [hi]` to {model.path / 'README.md'}.")
        for language in model.languages:
            some = _first(openings, language, first, out)
            path = out / f"{model.name.replace('/', '--')}-{language}.jsonl"
            click.echo(f"{model.name}, {language}", err=True)
            wanted = set(some.read_text("utf-8").splitlines())
            each = count * 2 * best_of if best_of > 1 else count
            found = sample(model.path, some, language, each, path, patience=sampling_patience)
            found = [item for item in found if item.opening in wanted and item.index < each]
            completions += best_of_each(found, best_of) if best_of > 1 else found
    rows = mark(completions, lambda language: _texts(corpora, language))
    told = f"the files of {corpora.name}" if corpora else f"the language's own word lists, stories and first sentences and {TOLD:,} of the storyteller's stories"
    chosen = f"Each is the one of {best_of} that the quick check likes best and of which the model was surest, or of twice as many where it was unsure, as in the app. " if best_of > 1 else ""
    reference = f"{chosen}Words are unknown when neither the opening nor {told} hold them."
    table = as_markdown(rows)
    with writing(out / "marks.json") as file:
        json.dump({"label": LABEL, "reference": reference, "rows": rows}, file, ensure_ascii=False, indent=1)
    with writing(out / "marks.md") as file:
        file.write(f"{LABEL}\n\n{table}\n\n{reference}\n")
    click.echo(f"{LABEL}\n{table}\n{reference}")
    for model in folders if cards else ():
        click.echo(f"The card {write_marks(model, rows, reference)} holds its marks.")


def _first(openings: Path | None, language: str, first: int, out: Path) -> Path:
    """A file of the first openings of a language. Raises UserError when there is none."""
    path = openings / f"{language}.txt" if openings else load_language(language).folder / "openings.txt"
    if not path.exists():
        raise UserError(f"There is no {path}; --openings names a folder with a file LANGUAGE.txt for each language.")
    text = unicodedata.normalize("NFC", path.read_text("utf-8"))
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    chosen = out / f"openings-{language}.txt"
    with writing(chosen) as file:
        file.write("\n".join(lines[:first]) + "\n")
    return chosen


def _texts(corpora: Path | None, language: str):
    if not corpora:
        return said_texts(language)
    return corpus_texts(_corpus(corpora, language))


def _corpus(corpora: Path, language: str) -> Path:
    path = corpora / f"{language}.jsonl"
    if not path.exists():
        raise UserError(f"There is no {path}; --corpora names a folder with a file LANGUAGE.jsonl for each language.")
    return path
