"""`python -m datagen check`, `prompts` and `tell`: the ways into a language's folder."""

import dataclasses
import json
import sys
from pathlib import Path

import click
from tqdm import tqdm

from backend.errors import UserError
from backend.files import writing
from datagen.check import check_language
from datagen.prompts import Prompt, Prompts
from datagen.storyteller.teller import load_storyteller
from datagen.templates import COMPLEXITIES


@click.command()
@click.argument("language")
def check(language: str) -> None:
    """Check a language's folder and print file and line of every bad entry."""
    problems = check_language(language)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise UserError(f"languages/{language} has {len(problems)} problems, listed above; mend each at its line.")
    click.echo(f"languages/{language} is in order.")


def parse_shard(text: str) -> tuple[int, int]:
    """(i, n) of a shard 'i/n'. Raises UserError unless 0 <= i < n."""
    shard, _, shards = text.partition("/")
    if not (shard.isdecimal() and shards.isdecimal() and int(shard) < int(shards)):
        raise UserError(f"'{text}' is not a shard; give i/n with 0 <= i < n, such as 0/4.")
    return int(shard), int(shards)


@click.command()
@click.argument("language")
@click.option("--complexity", default="2+", show_default=True, help=", ".join(COMPLEXITIES))
@click.option("--count", default=1000, show_default=True, type=click.IntRange(min=1), help="of all shards together")
@click.option("--seed", default=0, show_default=True)
@click.option("--shard", default="0/1", show_default=True, help="i/n: only the indices that are i modulo n")
@click.option("--out", type=click.Path(path_type=Path), help="a JSONL file; without it the prompts are printed")
def prompts(language: str, complexity: str, count: int, seed: int, shard: str, out: Path | None) -> None:
    """Write unique prompts as JSON lines."""
    chosen = Prompts(language, complexity, seed).shard(count, *parse_shard(shard))
    if out is None:
        for prompt in chosen:
            print(_as_json(prompt))
        return
    total = len(range(parse_shard(shard)[0], count, parse_shard(shard)[1]))
    with writing(out) as file:
        for prompt in tqdm(chosen, total=total, unit=" prompts", unit_scale=True, disable=not sys.stderr.isatty()):
            file.write(_as_json(prompt) + "\n")


def _as_json(prompt: Prompt) -> str:
    return json.dumps(dataclasses.asdict(prompt), ensure_ascii=False)


@click.command()
@click.argument("language")
@click.option("--count", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True)
def tell(language: str, count: int, seed: int) -> None:
    """Print stories of the offline storyteller, a story grammar."""
    teller = load_storyteller(language)
    for prompt in Prompts(language, seed=seed).range(0, count):
        words = (prompt.noun, prompt.verb, prompt.adjective, prompt.feature)
        print(f"[{prompt.id}: {', '.join(words)}]\n{teller.tell(*words, seed=prompt.text)}\n")
