"""`python -m evaluation run`: from a model's name to a report: sample, judge, sum up, each going on where it stopped."""

import json
import time
from pathlib import Path

import click

from backend.errors import UserError
from backend.files import writing
from backend.llm.options import Choice
from backend.slm.catalog import ModelFolder, resolve
from evaluation.judging import judge_completions
from evaluation.panel import Panel, panel_options
from evaluation.quick_check import LABEL
from evaluation.quick_table import as_text, check_all
from evaluation.ratings import write_ratings
from evaluation.report import means_table, write_report
from evaluation.rubrics import RUBRICS
from evaluation.runs import configuration_of, read_run
from evaluation.sampling import PATIENCE, sample
from evaluation.text import as_language


@click.command()
@click.option("--language", required=True)
@click.option(
    "--openings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="one a line  [default: the language's own]",
)
@click.option("--count", default=3, show_default=True, type=click.IntRange(min=1), help="stories an opening")
@click.option("--rubric", type=click.Choice(list(RUBRICS)), default="paper", show_default=True)
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(min=1), help="judgements a story and judge")
@click.option("--sampling-patience", default=PATIENCE, show_default=True, type=click.FloatRange(min=0.1), help="seconds without a new story after which sampling is given up")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="folder of the run")
@click.argument("sampling", nargs=-1, type=click.UNPROCESSED)
@panel_options(model_is_judge=False, required=False)
def run(
    language: str,
    openings: Path | None,
    count: int,
    rubric: str,
    repeats: int,
    sampling_patience: float,
    out: Path,
    sampling: tuple[str, ...],
    panel: Panel | None,
    choice: Choice,
) -> None:
    """Have the --model tell stories, the judges rate them, and a report written; without --judge, the quick check.

    What stands after -- goes to trainer/sample.py, such as: -- --temperature 0.7 --seed 1
    """
    if not choice.model:
        raise UserError("Name the model that shall tell stories with --model: a bundled name, a folder or a Hub id.")
    language = as_language(language)
    openings = openings or language.folder / "openings.txt"
    folder = resolve(choice.model)
    record = _enter(out, folder, language.name, openings, count, sampling)
    told, started = out / "completions.jsonl", time.monotonic()
    try:
        completions = sample(folder.path, openings, language.name, count, told, sampling, sampling_patience)
    finally:
        if told.exists():
            _took(out, record, "sampling", started)
        else:  # nothing to go on with: another try may be of other openings
            (out / "run.json").unlink(missing_ok=True)
    if panel is None:
        table, _ = check_all(completions)
        click.echo(f"{LABEL}\n{as_text(table)}")
        return
    started = time.monotonic()
    try:
        ratings = judge_completions(completions, panel, rubric, repeats, out / "scores.sqlite")
    finally:
        _took(out, record, "judging", started)
    write_ratings(out / "ratings.jsonl", ratings)
    if not ratings:
        raise UserError(f"None of the judges' answers held a score; {out / 'scores.sqlite'} has them.")
    settings = {"judges": ", ".join(panel.judges), "rubric": rubric, "repeats": repeats}
    analysis = write_report(out / "report", ratings, f"Stories of {folder.name}", runs=[record | settings])
    for group in analysis["groups"]:
        click.echo(f"{group['language']}, judged by {group['judge']}, {group['rubric']} rubric")
        click.echo("\n".join(means_table(group["models"], str)))
    click.echo(f"Written to {out / 'report' / 'report.html'}; the ratings are in {out / 'ratings.jsonl'}.")


def _enter(out: Path, folder: ModelFolder, language: str, openings: Path, count: int, sampling: tuple[str, ...]) -> dict:
    """The record of the run, made or gone on with. Raises UserError when the folder is another run's."""
    settings = {
        "model": folder.name,
        "revision": folder.revision,
        "language": language,
        "openings": openings.name,
        "sampling": " ".join(sampling),
    }
    before = read_run(out)
    if before and (wrong := [key for key, value in settings.items() if before.get(key) != value]):
        raise UserError(
            f"{out} holds a run with another {' and '.join(wrong)} ({before.get(wrong[0])!r}); give another --out."
        )
    record = {"seconds": {}, **before, **settings, "count": count, "configuration": configuration_of(folder.path)}
    _save(out, record)
    return record


def _took(out: Path, record: dict, stage: str, started: float) -> None:
    record["seconds"][stage] = round(record["seconds"].get(stage, 0.0) + time.monotonic() - started, 1)
    _save(out, record)


def _save(out: Path, record: dict) -> None:
    with writing(out / "run.json") as file:
        json.dump(record, file, ensure_ascii=False, indent=1)
