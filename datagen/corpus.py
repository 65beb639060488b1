"""`python -m datagen corpus`: the training mix of the bundled models, made of the project's own text alone."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import click
from tqdm import tqdm

from backend.errors import UserError
from backend.files import writing
from backend.languages import Language, load_language
from datagen.carrying import CarryingTeller
from datagen.prompts import Prompts
from datagen.renaming import Names
from datagen.words import load_words

HELD_OUT = 5  # every fifth whole story is kept out of training


def whole_stories(language: Language, held_out: bool) -> list[dict]:
    """The whole stories of one side of the split; none where the language has none."""
    return [row for number, row in enumerate(language.stories()) if (number % HELD_OUT == HELD_OUT - 1) == held_out]


def told_stories(
    name: str,
    count: int,
    seed: int,
    renamed: float,
    plots: int,
    preludes: float = 0.0,
    things: float = 0.0,
    made_up: float = 0.0,
    beginnings: float = 0.0,
) -> Iterator[str]:
    """Plain stories of the storyteller, from the plots that carry best, and told so that they carry their opening.

    In a share of them the people bear other names. Some of those whom the first sentence names get a made-up one, which
    a model can only copy; made-up names further on would teach it to make up words. `preludes`, `things`,
    `made_up` and `beginnings` as in `datagen.carrying.CarryingTeller`.
    """
    teller = CarryingTeller(name, plots, preludes, things, made_up, seed, beginnings)
    names, dice = Names(load_words(name)), Random(seed)
    for story in islice(teller.stories(), count):
        yield _renamed(story, teller.first_sentence(story), names, dice) if dice.random() < renamed else story


def _renamed(story: str, opening: str, names: Names, dice: Random) -> str:
    people = names.found(story)
    early = {name: people[name] for name in names.found(opening)}
    late = {name: gender for name, gender in people.items() if name not in early}
    story = names.rename(story, early, dice, made_up=0.3)
    return names.rename(story, late, dice, made_up=0.0)


def repeated_stories(name: str, repeats: int, seed: int) -> Iterator[str]:
    """The whole stories of the training side, again and again, each time but the first with other names."""
    language, names, dice = load_language(name), Names(load_words(name)), Random(seed)
    for repeat in range(repeats):
        for row in whole_stories(language, held_out=False):
            people = row.get("names") or names.found(row["story"])
            yield names.rename(row["story"], people, dice) if repeat else row["story"]


@click.command()
@click.argument("languages", nargs=-1, required=True)
@click.option("--count", default=50_000, show_default=True, type=click.IntRange(min=1), help="told stories a language")
@click.option("--repeats", default=20, show_default=True, type=click.IntRange(min=0), help="of each whole story")
@click.option(
    "--plots", default=1000, show_default=True, type=click.IntRange(min=1), help="only the plots that carry best"
)
@click.option(
    "--renamed",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="share of told stories with other names",
)
@click.option(
    "--preludes", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="share that begins like any story"
)
@click.option(
    "--things", default=0.25, show_default=True, type=click.FloatRange(0, 1), help="share in which a thing is the hero"
)
@click.option(
    "--made-up",
    default=0.25,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="share with a made-up noun, which a model can only copy",
)
@click.option(
    "--beginnings",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="share that goes on from a sentence of beginnings.tsv, where the language has one",
)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path))
def corpus(
    languages: tuple[str, ...],
    count: int,
    repeats: int,
    plots: int,
    renamed: float,
    preludes: float,
    things: float,
    made_up: float,
    beginnings: float,
    seed: int,
    out: Path,
) -> None:
    """Write OUT/train/LANGUAGE.jsonl and OUT/held-out/LANGUAGE.jsonl."""
    for name in languages:
        language = load_language(name)
        if count > len(Prompts(name)):
            raise UserError(f"{name} has {len(Prompts(name))} prompts a seed; ask for at most as many with --count.")
        total = count + repeats * len(whole_stories(language, held_out=False))
        stories: list[str] = []
        for source in (
            told_stories(name, count, seed, renamed, plots, preludes, things, made_up, beginnings),
            repeated_stories(name, repeats, seed),
        ):
            for story in tqdm(
                source, desc=name, unit=" stories", initial=len(stories), total=total, disable=not sys.stderr.isatty()
            ):
                stories.append(story)
        Random(seed).shuffle(stories)
        _write(out / "train" / f"{name}.jsonl", stories)
        _write(out / "held-out" / f"{name}.jsonl", [row["story"] for row in whole_stories(language, held_out=True)])
        sizes = Counter(len(story.split()) // 50 * 50 for story in stories)
        click.echo(
            f"{name}: {len(stories)} stories; words: " + ", ".join(f"{low}+: {n}" for low, n in sorted(sizes.items()))
        )


def _write(path: Path, stories: list[str]) -> None:
    with writing(path) as file:
        file.writelines(json.dumps({"story": story}, ensure_ascii=False) + "\n" for story in stories)
