"""`python -m evaluation report` and `compare`: pages from ratings."""

import json
from pathlib import Path

import click

from backend.errors import UserError
from evaluation.completions import read_rows
from evaluation.human import correct_with_votes
from evaluation.ratings import Rating, read_ratings
from evaluation.report import means_table, write_report

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _options(command: click.Command) -> click.Command:
    for option in (
        click.option(
            "--out",
            default="report",
            show_default=True,
            type=click.Path(path_type=Path),
            help="folder for report.html, .md, .json",
        ),
        click.option("--title", default="Scores of story models", show_default=True),
        click.option("--ladder", type=_FILE, help="what `ladder --out` wrote for this judge"),
        click.option("--votes", type=_FILE, help="JSONL of human grades: model, opening, index, overall"),
        click.option("--push-to", metavar="ORG/NAME", help="also a private dataset on the Hub"),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("ratings", type=_FILE)
@_options
def report(ratings: Path, **options) -> None:
    """Turn one file of ratings into an HTML page and Markdown."""
    _write([ratings], **options)


@click.command()
@click.argument("ratings", nargs=-1, required=True, type=_FILE)
@_options
def compare(ratings: tuple[Path, ...], **options) -> None:
    """Join several runs into one page: tables, pairs of models, the same openings side by side."""
    if len(ratings) < 2:
        raise UserError("compare joins two or more files of ratings; for one, use report.")
    _write(list(ratings), **options)


def _write(
    paths: list[Path], out: Path, title: str, ladder: Path | None, votes: Path | None, push_to: str | None
) -> None:
    ratings = [rating for path in paths for rating in read_ratings(path)]
    _no_twins(ratings, paths)
    extras = {}
    if ladder:
        extras["ladder"] = json.loads(ladder.read_text("utf-8"))
    if votes:
        extras["human"] = human_rows(ratings, read_rows(votes), votes)
    analysis = write_report(out, ratings, title, {"files": ", ".join(path.name for path in paths)}, extras)
    for group in analysis["groups"]:
        click.echo(f"{group['language']}, judged by {group['judge']}, {group['rubric']} rubric")
        click.echo("\n".join(means_table(group["models"])))
    click.echo(f"Written to {out / 'report.html'} and report.md.")
    if push_to:
        from backend.hub import upload_folder

        click.echo(upload_folder(out, push_to, "dataset", private=True))


def _no_twins(ratings: list[Rating], paths: list[Path]) -> None:
    """Refuse two ratings of one story in one place: the later would silently take the earlier one's."""
    seen: set = set()
    for rating in ratings:
        key = (rating.story.key, rating.judge, rating.rubric, rating.repeat)
        if key in seen:
            raise UserError(
                f"'{rating.model}' is rated twice by {rating.judge} for “{rating.opening[:40]}”, story {rating.index}, repeat "
                f"{rating.repeat}, in {', '.join(map(str, paths))}; give each run its own model name."
            )
        seen.add(key)


def human_rows(ratings: list[Rating], votes: list[dict], path: Path) -> list[dict]:
    """The judges' mean overall grades of each model, corrected by human grades of some of the same stories."""
    by_story: dict[tuple, list[float]] = {}
    for number, vote in enumerate(votes, 1):
        try:
            by_story.setdefault((str(vote["model"]), str(vote["opening"]), int(vote["index"])), []).append(
                float(vote["overall"])
            )
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path}, row {number}, is no vote; it needs model, opening, index and overall.") from None
    judged: dict[str, dict[tuple, list[float]]] = {}
    for rating in ratings:
        key = (rating.model, rating.opening, rating.index)
        judged.setdefault(rating.model, {}).setdefault(key, []).append(rating.scores["overall"])
    rows = []
    for model, stories in sorted(judged.items()):
        means = {key: sum(grades) / len(grades) for key, grades in stories.items()}
        voted = [key for key in means if key in by_story]
        if len({key[1] for key in voted}) < 2:
            continue
        others = [key for key in means if key not in by_story]
        found = correct_with_votes(
            [sum(by_story[key]) / len(by_story[key]) for key in voted],
            [means[key] for key in voted],
            [means[key] for key in others],
            [key[1] for key in voted],
            [key[1] for key in others],
        )
        rows.append({"model": model} | vars(found))
    return rows
