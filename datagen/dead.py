"""`python -m datagen dead` and `retry`: prompts that were given up, and another chance for them."""

import json
from pathlib import Path

import click

from backend.errors import UserError
from backend.llm.journal import Journal, JournalView


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--reason", "reasons", multiple=True, help="only these; `status` counts them; again for each")
@click.option("--limit", type=click.IntRange(min=1), help="of letters in all")
def dead(journal: Path, reasons: tuple[str, ...], limit: int | None) -> None:
    """Print dead letters by their reason as JSON lines, with the last answer as the provider gave it."""
    with JournalView.open(journal) as opened:
        _check(opened, reasons)
        for id_, reason, detail, attempts, record, answer in opened.dead(reasons, limit):
            letter = {"id": id_, "reason": reason, "detail": detail, "attempts": attempts, **json.loads(record), "answer": answer}
            click.echo(json.dumps(letter, ensure_ascii=False))


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--reason", "reasons", multiple=True, help="only these; again for each")
def retry(journal: Path, reasons: tuple[str, ...]) -> None:
    """Put dead letters back to be asked again by the command that made the journal; their attempts stay on the record."""
    with JournalView.open(journal) as opened:
        _check(opened, reasons)
    with Journal.create_or_open(journal) as opened:
        count = opened.retry(reasons)
    click.echo(f"{count} dead letters of {journal} are pending again; the command that made it asks for them.")


def _check(journal: JournalView, reasons: tuple[str, ...]) -> None:
    known = sorted(name.removeprefix("dead: ") for name, count in journal.tallies().items() if name.startswith("dead: ") and count)
    for reason in reasons:
        if reason not in known:
            raise UserError(f"{journal.path} has no dead letter for the reason '{reason}'; its reasons are: {', '.join(known) or 'none'}.")
