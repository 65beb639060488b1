"""`python -m datagen words`: every word that a language's folder can say, for `words.txt.gz` beside a model's weights."""

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from backend.files import writing
from backend.languages import load_language
from backend.slm.named import Thing
from backend.slm.spelling import ENDING, LIVING, MARK, OF, THING, spelled_words
from datagen.beginnings import read_beginnings
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from datagen.words import load_words

OFTEN = 100  # times
TOLD = 20_000  # stories; after these another 20,000 bring hardly a word that is new


def said_texts(name: str, count: int = TOLD) -> Iterator[str]:
    """What the bundled models learn from: word lists, whole stories and first sentences, and `count` told stories."""
    language, lists, teller = load_language(name), load_words(name), load_storyteller(name)
    for row in (*lists.nouns, *lists.verbs, *lists.adjectives, *lists.characters):
        yield " ".join(row.values())
    yield from (row["story"] for row in language.stories())
    yield from (beginning.text for beginning in read_beginnings(language))
    for p in Prompts(name).range(0, count):
        yield teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text)


def things(name: str) -> dict[str, Thing]:
    """Whom and what a story can be about: nouns and characters in every form, and who is named in first sentences.

    What is a verb or an adjective, too, as the English cook, is left out.
    """
    lists, first_forms = load_words(name), {}
    alive = {name for beginning in read_beginnings(load_language(name)) for name in beginning.names}
    named = {name: Thing(name, True) for name in alive}
    aside = {form for row in (*lists.verbs, *lists.adjectives) for form in row.values()}
    rows = [*((row, row["kind"] in ("person", "animal")) for row in lists.nouns), *((row, True) for row in lists.characters)]
    for row, is_living in rows:
        first = spelled_words(row["word"])[-1]
        if is_living:
            alive.add(first)
        # A form may bring a postposition or an article along: only words that begin like the noun are its own.
        for form in row.values():
            for word in spelled_words(form):
                if len(word) > 2 and word[:2].lower() == first[:2].lower():
                    first_forms.setdefault(word, first)
    first_forms |= {first: first for first in set(first_forms.values()) if first in first_forms}
    return named | {form: Thing(first, first in alive) for form, first in first_forms.items() if form not in aside}


def vocabulary(name: str) -> list[str]:
    """Its words in order; one in small letters stands there with a capital, too, as a sentence may begin with it.

    A single letter is one only where it is said often: what tells of a letter or an initial would let any word fall apart.
    """
    counts = Counter(word for text in said_texts(name) for word in spelled_words(text))
    said = {word for word, count in counts.items() if len(word) > 1 or count >= OFTEN}
    return sorted(said | {word[0].upper() + word[1:] for word in said if len(word) > 1})


def _line(word: str, thing: Thing | None) -> str:
    if thing is None:
        return word
    return (LIVING if thing.is_living else THING) + word + (OF + thing.word if thing.word != word else "")


@click.command()
@click.argument("language")
@click.option("--out", required=True, type=click.Path(path_type=Path))
def words(language: str, out: Path) -> None:
    """Write the words of LANGUAGE to OUT, a gzip of one a line; as words.txt.gz in a model's folder its stories are of them alone.

    `*` marks what a story can be about, `@` persons and animals, `=` parts another form of it from its word, `-` marks an ending
    that may be joined to a word of a story's opening, `+` what is said after a name or joined to it.
    """
    found, about = vocabulary(language), things(language)
    told = load_language(language)
    endings, marks = [ENDING + ending for ending in told.name_suffixes], [MARK + mark for mark in told.name_marks]
    lines = [*endings, *marks, *(_line(word, about.get(word)) for word in found)]
    with writing(out, "wb") as file:
        file.write(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    click.echo(f"{out}: {len(found):,} words, {len(about):,} of them for whom or what a story can be about, and {len(endings)} endings.")
