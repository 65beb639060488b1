"""Whether the endings of neighbouring words go together, as gender, number, case and tense demand, without a grammar.

A bigram model of word endings, counted in the whole stories of the language's own folder. Form, not meaning: a word that
ends like the right one passes for it. Light imports only.
"""

import functools
import math
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from random import Random

from backend.languages import Language
from evaluation.text import function_words, sentences, words

_LETTERS = 2  # of a word's end; a function word stands for itself
_BORDER = ""
_FEWEST_STORIES = 10
_FEWEST_PAIRS = 10
_LOOKED_AT = 50  # stories that tell what is usual
_TRUST = 5  # pairs after which what was counted outweighs what chance would give


class EndingModel:
    """How much oftener than by chance each ending follows another in the language's own stories."""

    def __init__(self, stories: Iterable[str], language: Language):
        self.language = language
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.first: Counter[str] = Counter()
        self.second: Counter[str] = Counter()
        per_story = [self.pairs_of(story) for story in stories]
        for pairs in per_story:
            self._count(pairs, 1)
        own, jumbled = [], []
        for number, pairs in enumerate(per_story[:: max(1, len(per_story) // _LOOKED_AT)]):
            # Each story is looked at as if it had not been counted.
            self._count(pairs, -1)
            own.append(self.mean(pairs))
            jumbled.append(self.mean(_jumbled(pairs, Random(number))))
            self._count(pairs, 1)
        self.floor, self.top = _mean(jumbled), _mean(own)

    def fit(self, text: str) -> float | None:
        """About 0 for words in random order, about 1 for the language's own stories; None for a text too short to tell."""
        pairs = self.pairs_of(text)
        return (self.mean(pairs) - self.floor) / (self.top - self.floor) if len(pairs) >= _FEWEST_PAIRS else None

    def pairs_of(self, text: str) -> list[tuple[str, str]]:
        """Neighbouring endings, the borders of sentences among them."""
        aside, found = function_words(self.language), []
        for part in sentences(text, self.language.sentence_ends):
            ends = [word if word in aside else "-" + word[-_LETTERS:] for word in words(part)]
            found += pairwise([_BORDER, *ends, _BORDER])
        return found

    def mean(self, pairs: list[tuple[str, str]]) -> float:
        """Mean log of how much oftener than by chance these pairs stand together."""
        total, kinds = self.second.total(), len(self.second) + 1
        logs = []
        for pair in pairs:
            by_chance = (self.second[pair[1]] + 1) / (total + kinds)
            expected = (self.pairs[pair] + _TRUST * by_chance) / (self.first[pair[0]] + _TRUST)
            logs.append(math.log(expected / by_chance))
        return _mean(logs)

    def _count(self, pairs: list[tuple[str, str]], sign: int) -> None:
        for first, second in pairs:
            self.pairs[first, second] += sign
            self.first[first] += sign
            self.second[second] += sign


def endings_fit(text: str, language: Language) -> float | None:
    """`EndingModel.fit`, kept within 0…1; None too where the language's folder has no whole stories."""
    model = _model(language)
    fit = model.fit(text) if model else None
    return None if fit is None else min(1.0, max(0.0, fit))


@functools.cache
def _model(language: Language) -> EndingModel | None:
    stories = [row["story"] for row in language.stories()]
    return EndingModel(stories, language) if len(stories) >= _FEWEST_STORIES else None


def _jumbled(pairs: list[tuple[str, str]], dice: Random) -> list[tuple[str, str]]:
    """The same endings in another order, the borders of sentences left where they are."""
    ends = [second for _, second in pairs if second != _BORDER]
    dice.shuffle(ends)
    found, before = [], _BORDER
    for _, second in pairs:
        after = ends.pop() if second != _BORDER else _BORDER
        found.append((before, after))
        before = after
    return found


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
