"""`python -m datagen stories`: prompts to stories, through any provider, into a journal."""

import dataclasses
from pathlib import Path

import click

from backend.languages import load_language
from backend.llm.engine import answer_all
from backend.llm.estimate import estimate
from backend.llm.journal import Journal
from backend.llm.options import Choice, confirm, make_providers, provider_options
from backend.llm.prices import price_of
from datagen.checks import MAX_WORDS, MIN_WORDS, StoryReader
from datagen.cleaning import STORY_FORMAT
from datagen.cluster import Remembering, on_a_cluster
from datagen.plan import Plan, ended, enter_plan, items_of, prompts_left
from datagen.prompts import Prompts
from datagen.tell import parse_shard
from datagen.templates import COMPLEXITIES, words_asked

STORYTELLER = {"storyteller": "datagen.storyteller.provider:make"}
_MAX_TOKENS = 4000  # room for a model that thinks aloud
_TOKENS_A_WORD = {"Latin": 1.4}


@click.command(cls=Remembering)
@on_a_cluster("datagen.stories:stories")
@click.argument("language")
@click.option("--complexity", default="2+", show_default=True, help=", ".join(COMPLEXITIES))
@click.option("--count", default=1000, show_default=True, type=click.IntRange(min=1), help="of all shards together")
@click.option("--seed", default=0, show_default=True)
@click.option("--shard", default="0/1", show_default=True, help="i/n: only the prompts whose index is i modulo n")
@click.option("--journal", "path", required=True, type=click.Path(path_type=Path), help="a SQLite file, made or gone on with")
@click.option("--min-words", default=MIN_WORDS, show_default=True)
@click.option("--max-words", default=MAX_WORDS, show_default=True)
@click.option("--reject", multiple=True, metavar="CHECK", help="a check that shall reject")
@click.option("--allow", multiple=True, metavar="CHECK", help="a check that shall only be noted")
@provider_options(STORYTELLER)
def stories(
    language: str, complexity: str, count: int, seed: int, shard: str, path: Path,
    min_words: int, max_words: int, reject: tuple[str, ...], allow: tuple[str, ...], choice: Choice,
) -> None:  # fmt: skip
    """Have stories written for the prompts of a language; run it again to go on where it stopped."""
    Prompts(language, complexity, seed)
    plan = Plan(language, complexity, seed, count, *parse_shard(shard))
    reader = StoryReader(min_words, max_words, reject, allow)
    providers = make_providers(choice, STORYTELLER)
    settings = dataclasses.replace(
        choice.settings, max_tokens=choice.settings.max_tokens or _MAX_TOKENS, response_format=STORY_FORMAT
    )
    with Journal.create_or_open(path) as journal:
        enter_plan(plan, journal)
        journal.set_meta("checks", reader.options)
        left = prompts_left(plan, journal)
        if choice.provider not in STORYTELLER:
            price = price_of(choice.model or "", settings.prices)
            confirm(estimate(items_of(plan, journal), left, expected_tokens(language, complexity), price), choice)
        outcome = answer_all(
            items_of(plan, journal), providers, journal, reader, settings, total=ended(journal) + left, unit="stories"
        )
        cost = journal.tallies().get("cost", 0.0)
    click.echo(
        f"{outcome.accepted} stories accepted, {outcome.dead} dead letters, in {path}" + (f"; ${cost:.4f} in all." if cost else ".")
    )
    if outcome.dead:
        click.echo(f"`python -m datagen dead {path}` says why; `retry` lets the same command ask for them again.")


def expected_tokens(language: str, complexity: str) -> float:
    """Tokens of one story, roughly."""
    return words_asked(complexity) * _TOKENS_A_WORD.get(load_language(language).script, 2.5) + 10
