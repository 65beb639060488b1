"""`python -m datagen status`: how far a journal is, also while a run writes it."""

import json
from pathlib import Path

import click

from backend.llm.journal import Journal
from datagen.plan import prompts_planned


def progress(journal: Journal) -> dict:
    """Counts of a journal, as `status --json` prints them."""
    tallies = journal.tallies()
    accepted, dead = int(tallies.get("accepted", 0)), int(tallies.get("dead", 0))
    prompts = prompts_planned(journal)
    return {
        "prompts": prompts,
        "accepted": accepted,
        "dead": dead,
        "pending": max(0, prompts - accepted - dead),
        "attempts": int(tallies.get("attempts", 0)),
        "input_tokens": int(tallies.get("input_tokens", 0)),
        "output_tokens": int(tallies.get("output_tokens", 0)),
        "cost": round(tallies.get("cost", 0.0), 6),
        "dead_by_reason": _by_reason(tallies, "dead: "),
        "rejected_by_reason": _by_reason(tallies, "rejected: "),
        "running": journal.being_written(),
    }


def _by_reason(tallies: dict[str, float], prefix: str) -> dict[str, int]:
    found = {name.removeprefix(prefix): int(value) for name, value in tallies.items() if name.startswith(prefix) and value}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def status(journal: Path, as_json: bool) -> None:
    """Say how far a journal is."""
    with Journal.read(journal) as opened:
        found = progress(opened)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            for reason, count in value.items():
                click.echo(f"{name.replace('_', ' ')}: {reason}: {count}")
        else:
            click.echo(f"{name.replace('_', ' ')}: {value}")
