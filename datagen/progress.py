"""`python -m datagen status`: how far a journal is, also while a run writes it."""

import json
import time
from pathlib import Path

import click
from tqdm import tqdm

from backend.llm.journal import JournalView
from datagen.plan import prompts_planned

_WINDOW = 60.0  # seconds of which the rate is told


def progress(journal: JournalView) -> dict:
    """Counts of a journal, as `status --json` prints them; rate, time left and endpoints are those of a run that goes on."""
    tallies = journal.tallies()
    accepted, dead = int(tallies.get("accepted", 0)), int(tallies.get("dead", 0))
    prompts = prompts_planned(journal)
    counts = {
        "prompts": prompts,
        "accepted": accepted,
        "dead": dead,
        "pending": max(0, prompts - accepted - dead),
        "attempts": int(tallies.get("attempts", 0)),
        "input_tokens": int(tallies.get("input_tokens", 0)),
        "output_tokens": int(tallies.get("output_tokens", 0)),
        "cost": round(tallies.get("cost", 0.0), 6),
        "rate_limited": int(tallies.get("rate_limited", 0)),
        "dead_by_reason": _by_reason(tallies, "dead: "),
        "rejected_by_reason": _by_reason(tallies, "rejected: "),
        "running": journal.being_written(),
    }
    return counts | _of_the_run(journal, counts["pending"]) if counts["running"] else counts


def _of_the_run(journal: JournalView, pending: int) -> dict:
    """What is known of a run that goes on; a rate of None and no time left before anything has ended."""
    now, run = time.time(), journal.meta("run", {})
    count, first = journal.ended_between(now - _WINDOW, now)  # a clock that was put back leaves ends in the future
    rate = count / max(1.0, now - first) if count else None
    told = {"per_minute": round(60 * rate, 1) if rate else None, "seconds_left": round(pending / rate) if rate else None}
    if run.get("running"):  # a model in this process keeps no such note
        told |= {"under_way": run["under_way"], "endpoints": run["endpoints"]}
    return told


def _by_reason(tallies: dict[str, float], prefix: str) -> dict[str, int]:
    found = {name.removeprefix(prefix): int(value) for name, value in tallies.items() if name.startswith(prefix) and value}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def status(journal: Path, as_json: bool) -> None:
    """Say how far a journal is."""
    with JournalView.open(journal) as opened:
        found = progress(opened)
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(in_words(found)))


def in_words(found: dict) -> list[str]:
    """The lines of `progress`, for people."""
    lines, left = [], found.get("seconds_left")
    for name, value in found.items():
        if isinstance(value, dict):
            lines += [f"{name.replace('_', ' ')}: {reason}: {count}" for reason, count in value.items()]
        elif name == "endpoints":
            lines += [_endpoint(endpoint) for endpoint in value]
        elif name == "running":
            lines.append(f"running: {'yes' if value else 'no'}")
        elif name == "seconds_left":
            lines.append(f"time left: {'not known yet' if left is None else tqdm.format_interval(left)}")
        else:
            lines.append(f"{name.replace('_', ' ')}: {'not known yet' if value is None else value}")
    return lines


def _endpoint(endpoint: dict) -> str:
    parts = [f"{endpoint['under_way']} of at most {endpoint['concurrency']} calls under way"]
    parts += [f"paused for {endpoint['paused']:g} s"] if endpoint["paused"] else []
    parts += ["dead, tried from time to time"] if endpoint["dead"] else []
    return f"endpoint: {endpoint['endpoint']}: {', '.join(parts)}"
