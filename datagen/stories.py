"""`python -m datagen stories`: prompts to stories, through any provider, into a journal."""

from pathlib import Path

import click

from backend.llm.engine import answer_all
from backend.llm.journal import Journal
from datagen.cleaning import read_story
from datagen.plan import Plan, enter_plan, items_of
from datagen.prompts import Prompts
from datagen.providers import PROVIDERS, load_provider
from datagen.tell import parse_shard
from datagen.templates import COMPLEXITIES


@click.command()
@click.argument("language")
@click.option("--complexity", default="2+", show_default=True, help=", ".join(COMPLEXITIES))
@click.option("--count", default=1000, show_default=True, type=click.IntRange(min=1), help="of all shards together")
@click.option("--seed", default=0, show_default=True)
@click.option("--shard", default="0/1", show_default=True, help="i/n: only the prompts whose index is i modulo n")
@click.option("--provider", type=click.Choice(list(PROVIDERS)), required=True)
@click.option("--journal", "path", required=True, type=click.Path(path_type=Path), help="a SQLite file, made or gone on with")
def stories(language: str, complexity: str, count: int, seed: int, shard: str, provider: str, path: Path) -> None:
    """Have stories written for the prompts of a language; run it again to go on where it stopped."""
    Prompts(language, complexity, seed)
    plan = Plan(language, complexity, seed, count, *parse_shard(shard))
    writer = load_provider(provider)
    with Journal.create_or_open(path) as journal:
        enter_plan(plan, journal)
        outcome = answer_all(
            items_of(plan, journal), writer, journal, read_story, total=len(plan.indices()), unit="stories"
        )
    click.echo(f"{outcome.accepted} stories accepted, {outcome.dead} dead letters, in {path}.")
