"""`python -m evaluation report` and `compare`: pages from ratings."""

import re
from collections.abc import Callable
from pathlib import Path

import click

from backend.errors import UserError
from backend.files import writing
from evaluation.card import push_card, write_card
from evaluation.completions import read_rows
from evaluation.human import corrected_means, corrected_preferences
from evaluation.ratings import Rating, read_ratings
from evaluation.report import means_table, write_report
from evaluation.runs import read_run
from evaluation.self_preference import read_writers, self_preference
from evaluation.votes import are_preferences, read_grades, read_preferences

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OF_LADDERS = ("judge", "language", "rungs")
_OF_PAIRS = ("first", "second", "language", "judge", "win_rate", "consistent", "length_controlled", "own")


_OPTIONS = (
    click.option(
        "--out", default="report", show_default=True, type=click.Path(file_okay=False, path_type=Path),
        help="folder for report.html, .md, .json",
    ),
    click.option("--title", default="Scores of story models", show_default=True),
    click.option("--ladder", "ladders", type=_FILE, multiple=True, help="what `ladder --out` wrote for these judges"),
    click.option("--pairs", type=_FILE, multiple=True, help="what `pairwise --out` wrote for these models"),
    click.option("--votes", type=_FILE, help="JSONL of human grades (model, opening, index, overall), or the compare tab's votes"),
    click.option("--voted", type=_FILE, help="ratings of the stories that the compare tab's votes are about, from `judge VOTES`"),
    click.option("--written-by", multiple=True, metavar="MODEL=LLM", help="who wrote the training stories; *=LLM for all"),
    click.option("--card", metavar="FOLDER", type=click.Path(exists=True, file_okay=False, path_type=Path), help="a model folder, whose card gets the scores"),
    click.option("--card-to", metavar="ORG/NAME", help="a model on the Hub, whose card gets the scores"),
    click.option("--push-to", metavar="ORG/NAME", help="also a private dataset on the Hub"),
)  # fmt: skip


def _options(command: Callable) -> Callable:
    for option in reversed(_OPTIONS):
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
    paths: list[Path],
    out: Path,
    title: str,
    ladders: tuple[Path, ...],
    pairs: tuple[Path, ...],
    votes: Path | None,
    voted: Path | None,
    written_by: tuple[str, ...],
    card: Path | None,
    card_to: str | None,
    push_to: str | None,
) -> None:
    for name, repo in (("--card-to", card_to), ("--push-to", push_to)):
        if repo and not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
            raise UserError(f"{name} '{repo}' is not of the form ORG/NAME.")
    if voted and not votes:
        raise UserError("--voted are ratings of stories that readers voted on; give their votes with --votes.")
    ratings = [rating for path in paths for rating in read_ratings(path)]
    _no_twins(ratings, paths)
    writers = read_writers(written_by, {rating.model for rating in ratings})
    runs = {path.parent: read_run(path.parent) for path in paths}
    analysis = write_report(
        out,
        ratings,
        title,
        runs=[run for run in runs.values() if run],
        ladders=_rows(ladders, _OF_LADDERS, "ladder"),
        pairs=_rows(pairs, _OF_PAIRS, "pairwise"),
        human=_corrected(ratings, votes, voted),
        preference=self_preference(ratings, writers),
    )
    for group in analysis["groups"]:
        click.echo(f"{group['language']}, judged by {group['judge']}, {group['rubric']} rubric")
        click.echo("\n".join(means_table(group["models"], str)))
    click.echo(f"Written to {out / 'report.html'} and report.md.")
    if card:
        click.echo(write_card(card, analysis))
    if card_to:
        click.echo(push_card(card_to, analysis))
    if push_to:
        click.echo(_push(out, push_to))


def _push(folder: Path, repo: str) -> str:
    """The report as a private dataset, whose card it is."""
    from backend.hub import upload_folder

    with writing(folder / "README.md") as file:
        file.write("---\ntags: [tinystories-regional]\nviewer: false\n---\n\n" + (folder / "report.md").read_text("utf-8"))
    return upload_folder(folder, repo, "dataset", private=True)


def _corrected(ratings: list[Rating], votes: Path | None, voted: Path | None) -> list[dict]:
    if votes is None:
        return []
    if not are_preferences(votes):
        return corrected_means(ratings, read_grades(votes))
    if voted is None:
        raise UserError(f"{votes} tells which of two stories readers liked; give the judge's ratings of these stories, from `judge {votes}`, with --voted.")
    found = corrected_preferences(ratings, read_ratings(voted), read_preferences(votes))
    if not found:
        raise UserError(f"No two models of the ratings have votes in {votes} on two openings whose stories are rated in {voted}.")
    return found


def _rows(paths: tuple[Path, ...], needed: tuple[str, ...], command: str) -> list[dict]:
    """What another command wrote with --out. Raises UserError for a row that it did not."""
    found = []
    for path in paths:
        for number, row in enumerate(read_rows(path), 1):
            if lacking := [name for name in needed if name not in row]:
                raise UserError(f"{path}, row {number}, lacks {', '.join(lacking)}; give what `{command} --out` wrote.")
            found.append(row)
    return found


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
