"""Chooses the best of a model's own stories, for it to learn from (rejection-sampling fine-tuning, Yuan et al. 2023).

A small model goes on well from a stranger's first sentence now and then. Of several stories from each sentence of
`beginnings.tsv` those are kept that end, hold no unknown word, name again whom the sentence names, and whose people do
not speak to themselves. By form alone, as the quick check: what makes no sense in good order is kept, too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from backend.languages import Language
from datagen.beginnings import read_beginnings
from datagen.renaming import Names
from datagen.words import load_words
from evaluation.best_of import echoes
from evaluation.completions import Completion
from evaluation.quick_check import quick_check
from evaluation.text import as_language, words
from evaluation.unknown_words import unknown_shares

FREQUENT = 400  # words whose neighbours are known well enough to tell what never stands side by side
_LEAST_WORDS = 60
_MOST_ECHOES = 0.1  # share of sentences that say one word twice: told stories have 0.03 to 0.07


@dataclass(frozen=True)
class Neighbours:
    """Which of a language's most frequent words stand side by side in what it is taught."""

    frequent: frozenset[str]
    pairs: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Neighbours":
        """Of many texts."""
        counts = Counter(word for text in texts for word in words(text))
        frequent = frozenset(word for word, _ in counts.most_common(FREQUENT))
        return cls(frequent, frozenset(pair for text in texts for pair in _pairs(text, frequent)))

    def strange(self, text: str) -> int:
        """Pairs of frequent words that are never neighbours: a word that is taken for somebody's name."""
        return sum(pair not in self.pairs for pair in _pairs(text, self.frequent))


def openings_to_tell(language: Language, variants: int, seed: int) -> list[str]:
    """The sentences of `beginnings.tsv`, so many times each; its people bear other names."""
    names, dice = Names(load_words(language.name)), Random(seed)
    return [
        names.rename(beginning.text, beginning.names, dice)
        for _ in range(variants)
        for beginning in read_beginnings(language)
    ]


def chosen(told: Sequence[Completion], texts: Iterable[str], neighbours: Neighbours, keep: int) -> Iterator[Completion]:
    """Of each opening the `keep` best stories, of those that have no fault."""
    by_opening: dict[str, list[tuple[tuple, Completion]]] = {}
    for item, unknown in zip(told, unknown_shares(told, texts), strict=True):
        check = quick_check(item.opening, item.completion, item.language, item.finished)
        faulty = (
            not item.finished
            or not check.ends_at_sentence_end
            or unknown
            or check.repeated_sentences
            or check.words < _LEAST_WORDS
            or check.entities_carried == 0
            or check.script_purity < 1
            or neighbours.strange(item.completion) > 1
            or echoes(item.completion, as_language(item.language)) > _MOST_ECHOES
        )
        if not faulty:
            rank = (check.entities_carried or 0, -neighbours.strange(item.completion), check.score)
            by_opening.setdefault(item.opening, []).append((rank, item))
    for found in by_opening.values():
        found.sort(key=lambda each: each[0], reverse=True)
        yield from (item for _, item in found[:keep])


def _pairs(text: str, frequent: frozenset[str]) -> list[tuple[str, str]]:
    return [pair for pair in pairwise(words(text)) if pair[0] in frequent and pair[1] in frequent]
