"""`python -m evaluation pairwise`: which of two models' stories is better, asked in both orders."""

from pathlib import Path

import click

from backend.errors import UserError
from backend.files import writing
from backend.llm.journal import Journal
from backend.llm.options import Choice
from evaluation.completions import read_all
from evaluation.page import in_json
from evaluation.pair_table import as_markdown, table
from evaluation.pairwise import ANSWER_TOKENS, pairs_of, questions, read_answer, verdicts
from evaluation.panel import Panel, ask_panel, panel_options
from evaluation.self_preference import read_writers
from evaluation.votes import read_preferences

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--language", help="for files that do not say it")
@click.option("--votes", type=_FILE, help="the compare tab's votes.sqlite or JSONL: they correct the judges' win rates")
@click.option("--journal", required=True, type=click.Path(dir_okay=False, path_type=Path), help="a SQLite file, made or gone on with")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="a JSON file, for `report --pairs`")
@click.option("--written-by", multiple=True, metavar="MODEL=LLM", help="who wrote the training stories; *=LLM for all")
@panel_options()
def pairwise(
    files: tuple[Path, ...],
    language: str | None,
    votes: Path | None,
    journal: Path,
    out: Path | None,
    written_by: tuple[str, ...],
    panel: Panel,
    choice: Choice,
) -> None:
    """Compare the completions of two or more models, story by story of the same opening. A win must survive the swap."""
    pairs = pairs_of(read_all(files, language))
    if not pairs:
        raise UserError("There is nothing to compare: no opening and index has stories by two models.")
    preferences = read_preferences(votes) if votes else []
    preferences = [vote for vote in preferences if vote.pair.models in {pair.models for pair in pairs}]
    asked = list({pair.id: pair for pair in [*pairs, *(vote.pair for vote in preferences)]}.values())
    ask_panel(
        panel, lambda: questions(asked, panel.judges), 2 * len(asked) * len(panel.judges), read_answer, journal,
        purpose="pairwise", answer_tokens=ANSWER_TOKENS, unit="answers",
    )  # fmt: skip
    with Journal.read(journal) as opened:
        said = {judge: verdicts(opened, asked, judge) for judge in panel.judges}
    models = {name for pair in pairs for name in pair.models}
    rows = table(pairs, said, preferences, read_writers(written_by, models))
    if not rows:
        raise UserError(f"None of the judges' answers said which story is better; {journal} has them.")
    click.echo(as_markdown(rows))
    if out:
        with writing(out) as file:
            file.write(in_json(rows))
