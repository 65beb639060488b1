"""`python -m evaluation judge`: have stories rated by LLM judges, into a journal that a later run goes on with."""

from collections import Counter
from pathlib import Path

import click

from backend.errors import UserError
from backend.llm.options import Choice
from evaluation.completions import read_all
from evaluation.judging import judge_completions
from evaluation.panel import Panel, panel_options
from evaluation.ratings import write_ratings
from evaluation.rubrics import RUBRICS
from evaluation.votes import are_preferences, voted_stories


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rubric", type=click.Choice(list(RUBRICS)), default="paper", show_default=True)
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(min=1), help="judgements a story and judge")
@click.option("--language", help="for files that do not say it")
@click.option("--journal", required=True, type=click.Path(dir_okay=False, path_type=Path), help="a SQLite file, made or gone on with")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON lines of ratings  [default: the journal's name with .jsonl]"
)
@panel_options()
def judge(
    files: tuple[Path, ...],
    rubric: str,
    repeats: int,
    language: str | None,
    journal: Path,
    out: Path | None,
    panel: Panel,
    choice: Choice,
) -> None:
    """Have every story of FILES rated by every judge; run it again to go on where it stopped.

    A file of the compare tab's votes gives the stories that were voted on, for `report --voted`.
    """
    voted = [path for path in files if are_preferences(path)]
    if voted and len(files) > 1:
        raise UserError(f"{voted[0]} holds votes; have its stories rated by themselves, with a journal of their own.")
    completions = voted_stories(voted[0]) if voted else read_all(files, language)
    ratings = judge_completions(completions, panel, rubric, repeats, journal)
    out = out or journal.with_suffix(".jsonl")
    write_ratings(out, ratings)
    given = Counter(rating.judge for rating in ratings)
    for name in panel.judges:
        missing = len(completions) * repeats - given[name]
        click.echo(f"{name}: {given[name]} ratings" + (f", {missing} answers that hold no score" if missing else ""))
    cost = sum(rating.cost for rating in ratings)
    click.echo(f"Written to {out}" + (f"; ${cost:.4f} for these." if cost else "."))
