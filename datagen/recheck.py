"""`python -m datagen recheck`: the answers that a journal keeps, cleaned and checked again; nothing is asked or paid."""

import sys
from pathlib import Path

import click
from tqdm import tqdm

from backend.errors import UserError
from backend.llm.journal import Journal, JournalView
from backend.llm.reread import answers_kept, read_again
from datagen.checks import StoryReader
from datagen.progress import progress


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--min-words", type=int, help="default: as the journal's last run")
@click.option("--max-words", type=int, help="likewise")
@click.option("--reject", multiple=True, metavar="CHECK", help="a check that shall reject; default: as the last run")
@click.option("--allow", multiple=True, metavar="CHECK", help="a check that shall only be noted; likewise")
def recheck(journal: Path, min_words: int | None, max_words: int | None, reject: tuple[str, ...], allow: tuple[str, ...]) -> None:
    """Clean and check the kept answers of a journal again: accepted stories may become dead letters, and dead ones stories."""
    with JournalView.open(journal) as opened:
        if opened.meta("translation") or not opened.meta("plans"):
            raise UserError(f"{journal} holds no answers to story prompts; only those can be checked again.")
    asked = {"min_words": min_words, "max_words": max_words, "reject": reject, "allow": allow}
    asked = {name: value for name, value in asked.items() if value not in (None, ())}
    with Journal.create_or_open(journal) as opened:
        options = opened.meta("checks", {}) | asked
        read, before = StoryReader(**options), progress(opened)
        with tqdm(total=answers_kept(opened), unit=" answers", disable=not sys.stderr.isatty()) as bar:
            read_again(opened, read, bar.update)
        opened.set_meta("checks", options)
        after = progress(opened)
    for line in changes(before, after):
        click.echo(line)


def changes(before: dict, after: dict) -> list[str]:
    """Counts of two states of a journal, 'before → after'; of reasons those that changed."""
    lines = [f"{name}: {before[name]} → {after[name]}" for name in ("accepted", "dead", "pending")]
    for kind in ("dead_by_reason", "rejected_by_reason"):
        for reason in sorted({*before[kind], *after[kind]}):
            counts = before[kind].get(reason, 0), after[kind].get(reason, 0)
            if counts[0] != counts[1]:
                lines.append(f"{kind.partition('_')[0]}: {reason}: {counts[0]} → {counts[1]}")
    return lines
