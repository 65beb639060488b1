"""Which of several stories of one opening to show: by form, as the quick check, and by how sure its model was of its words.

A heuristic and not a judge.
Light imports only; the app uses it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from backend.languages import Language
from evaluation.completions import Completion
from evaluation.quick_check import quick_check
from evaluation.text import (
    as_language,
    forms_of_things,
    function_words,
    sentences,
    stem,
    without_ending,
    word_counts,
    words,
)

_UNSURE = -0.25  # nats a token


class Told(NamedTuple):
    """A completion, whether its model ended it, and what that gives its tokens, in nats at the mean."""

    text: str
    finished: bool
    mean_log_probability: float = 0.0


def best_place(opening: str, told: Sequence[Told], language: Language) -> int:
    """The place of the best of some completions; of equal ones the first."""
    # Where a model loses the thread, no word is likely any more.
    merits = [merit(opening, one.text, one.finished, language) + 2 * one.mean_log_probability for one in told]
    return merits.index(max(merits))


def is_unsure(best: Told) -> bool:
    """Whether as many again should be told, of which one may be better: the model itself found the best unlikely."""
    return best.mean_log_probability < _UNSURE


def best_of_each(told: Iterable[Completion], count: int) -> list[Completion]:
    """Of each `count` completions of an opening, or of `2 * count` where their best is unsure, the best.

    Of `2 * count` by their index the first `count` are read first. The index of the best is its place among the best.
    """
    groups: dict[tuple, list[Completion]] = {}
    for item in sorted(told, key=lambda item: item.index):
        groups.setdefault((item.model, item.language, item.opening, item.index // (2 * count)), []).append(item)
    best = []
    for (_, language, opening, place), some in groups.items():
        ones = [Told(item.completion, bool(item.finished), item.mean_log_probability or 0.0) for item in some]
        chosen = best_place(opening, ones[:count], as_language(language))
        if is_unsure(ones[chosen]):
            chosen = best_place(opening, ones, as_language(language))
        best.append(replace(some[chosen], index=place))
    return best


def merit(opening: str, completion: str, finished: bool, language: Language) -> float:
    """Higher for a story that ends, repeats no sentence, names again whom its opening names, and whose words are known."""
    check = quick_check(opening, completion, language, finished)
    faults = (not check.passed["complete"]) + (check.repeated_sentences > 0) + (check.entities_carried == 0)
    return (check.entities_carried or 0) / 2 - faults - 3 * strange_words(opening, completion, language) - 3 * echoes(completion, language)


def strange_words(opening: str, completion: str, language: Language) -> float:
    """Share of the words that neither the opening nor anything in the language's folder says."""
    said, spoken, named = words(completion), word_counts(language), forms_of_things(language)
    given = {without_ending(word, language) for word in words(opening)}

    def known(word: str) -> bool:
        return word in spoken or word in named or (bare := without_ending(word, language)) in given or bare in named or bare in spoken

    return sum(not known(word) for word in said) / len(said) if said else 0.0


def echoes(text: str, language: Language) -> float:
    """Share of the sentences in which one content word stands twice, as where somebody speaks to her- or himself."""
    aside, parts = function_words(language), sentences(text, language.sentence_ends)
    twice = 0
    for part in parts:
        stems = [stem(word) for word in words(part) if len(word) > 2 and word not in aside]
        twice += len(set(stems)) < len(stems)
    return twice / len(parts) if parts else 0.0
