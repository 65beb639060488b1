"""`python -m evaluation ladder`: which kinds of damage a score sees, and to which it is blind."""

import json
from pathlib import Path

import click

from backend.errors import UserError
from backend.files import writing
from backend.languages import Language
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from evaluation.completions import read_rows
from evaluation.ladder import as_text, build_ladder, climb, quick_scores
from evaluation.quick_check import LABEL
from evaluation.text import as_language

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TOLD = 200  # stories taken from the storyteller where there is no file of real ones


@click.command()
@click.argument("language")
@click.option("--stories", type=_FILE, help="JSONL of good stories  [default: the language's own, else the storyteller's]")
@click.option("--foreign", type=_FILE, help="JSONL of stories in another language  [default: the storyteller's]")
@click.option("--column", default="story", show_default=True)
@click.option("--count", default=30, show_default=True, type=click.IntRange(min=5), help="stories to damage")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="a JSON file, for `report --ladder`")
def ladder(
    language: str, stories: Path | None, foreign: Path | None, column: str, count: int, seed: int, out: Path | None
) -> None:
    """Damage good stories on purpose and see whether the score falls."""
    language = as_language(language)
    good = _texts(stories, column) if stories else _own_stories(language)
    other = _texts(foreign, column) if foreign else _told("hindi" if language.name == "english" else "english")
    damaged = build_ladder(good, other, language, count, seed)
    rungs = climb(damaged, quick_scores(damaged))
    click.echo(f"{LABEL}, {language.english_name}\n{as_text(rungs)}")
    if out:
        found = [{"judge": LABEL, "language": language.name, "rungs": [rung.as_dict() for rung in rungs]}]
        with writing(out) as file:
            json.dump(found, file, ensure_ascii=False, indent=1)


def _texts(path: Path, column: str) -> list[str]:
    texts = [str(row.get(column) or "") for row in read_rows(path)]
    if not any(texts):
        raise UserError(f"{path} has no text in a column '{column}'; name it with --column.")
    return texts


def _own_stories(language: Language) -> list[str]:
    """The language folder's whole stories, or the storyteller's where it has none."""
    path = language.folder / "stories.jsonl"
    return _texts(path, "story") if path.exists() else _told(language.name)


def _told(language: str) -> list[str]:
    teller = load_storyteller(language)
    prompts = Prompts(language).range(0, _TOLD)
    return [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in prompts]
