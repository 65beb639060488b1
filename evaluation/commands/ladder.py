"""`python -m evaluation ladder`: which kinds of damage a score sees, and to which it is blind."""

from pathlib import Path

import click

from backend.errors import UserError
from backend.files import writing
from backend.languages import Language
from backend.llm.options import Choice
from backend.slm.catalog import resolve
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from evaluation.completions import Completion
from evaluation.corpus import read_texts
from evaluation.damage import KINDS
from evaluation.judging import judge_completions
from evaluation.ladder import as_text, build_ladder, climb, judge_scores, quick_scores
from evaluation.page import in_json
from evaluation.panel import Panel, panel_options
from evaluation.quick_check import LABEL, script_purity
from evaluation.rubrics import RUBRICS
from evaluation.text import as_language

_CORPUS = click.Path(exists=True, path_type=Path)
_TOLD = 200  # stories taken from the storyteller where there is no file of real ones


@click.command()
@click.argument("language")
@click.option("--stories", type=_CORPUS, help="good stories: JSON, JSONL, Parquet or a folder  [default: the language's own, else the storyteller's]")
@click.option("--foreign", type=_CORPUS, help="the same in another language  [default: the storyteller's]")
@click.option("--column", default="story", show_default=True)
@click.option("--count", default=30, show_default=True, type=click.IntRange(min=5), help="stories to damage")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="of damage, again for each  [default: all]")
@click.option("--seed", default=0, show_default=True)
@click.option("--reference", help="a bundled name, model folder or Hub id: also climb by its bits per byte")
@click.option("--rubric", type=click.Choice(list(RUBRICS)), default="paper", show_default=True)
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="a SQLite file for the judges' answers")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="a JSON file, for `report --ladder`")
@panel_options(required=False)
def ladder(
    language: str,
    stories: Path | None,
    foreign: Path | None,
    column: str,
    count: int,
    kinds: tuple[str, ...],
    seed: int,
    reference: str | None,
    rubric: str,
    journal: Path | None,
    out: Path | None,
    panel: Panel | None,
    choice: Choice,
) -> None:
    """Damage good stories on purpose and see whether the score falls: the judges', or without --judge the quick check's."""
    if panel and not journal:
        raise UserError("Judges' answers are kept in a journal; name one with --journal.")
    language = as_language(language)
    good = read_texts(stories, column) if stories else _own_stories(language)
    other = read_texts(foreign, column) if foreign else _told("hindi" if language.name == "english" else "english")
    if script_purity(" ".join(good), language) < 0.5:
        raise UserError(f"The stories are not in {language.script} letters, as {language.english_name} ones are; give such with --stories.")
    damaged = build_ladder(good, other, language, count, seed, kinds or tuple(KINDS))
    if panel:
        ratings = judge_completions(damaged, panel, rubric, 1, journal)
        if silent := sorted(set(panel.judges) - {rating.judge for rating in ratings}):
            raise UserError(f"None of the answers of {', '.join(silent)} held a score; {journal} has them.")
        found = [_of_judge(judge, language, damaged, judge_scores(damaged, ratings, judge)) for judge in panel.judges]
    else:
        found = [{"judge": LABEL, "language": language.name, "rungs": climb(damaged, quick_scores(damaged))}]
    if reference:
        found.append(_of_reference(reference, language, damaged))
    told = len({item.index for item in damaged})
    for row in found:
        click.echo(f"{row['judge']}, {language.english_name}, {told} stories\n{as_text(row['rungs'])}")
    if out:
        with writing(out) as file:
            file.write(in_json([row | {"rungs": [rung.as_dict() for rung in row["rungs"]]} for row in found]))


def _of_judge(judge: str, language: Language, damaged: list[Completion], scores: dict[str, list[float]]) -> dict:
    rungs = {criterion: climb(damaged, grades) for criterion, grades in scores.items()}
    drops = {criterion: {rung.kind: rung.drop for rung in found} for criterion, found in rungs.items()}
    return {"judge": judge, "language": language.name, "rungs": rungs["overall"], "drops": drops}


def _of_reference(reference: str, language: Language, damaged: list[Completion]) -> dict:
    """How well a model expects the damaged stories: bits per byte with the sign turned, so that damage lowers it."""
    from evaluation.perplexity import bits_per_byte

    model = resolve(reference)
    bits = bits_per_byte(model.path, [item.completion for item in damaged], [item.opening for item in damaged])
    rungs = climb(damaged, [-value for value in bits])
    return {"judge": f"−bits per byte under {model.name}", "language": language.name, "rungs": rungs}


def _own_stories(language: Language) -> list[str]:
    """The language folder's whole stories, or the storyteller's where it has none."""
    path = language.folder / "stories.jsonl"
    return read_texts(path, "story") if path.exists() else _told(language.name)


def _told(language: str) -> list[str]:
    teller = load_storyteller(language)
    prompts = Prompts(language).range(0, _TOLD)
    return [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in prompts]
