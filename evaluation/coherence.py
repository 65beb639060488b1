"""What holds a story together, as far as words alone tell it: persons and things that come back, words taken up again.

Form, not meaning: a story whose sentences repeat the right words passes, whatever they say. Light imports only.
"""

import functools
from collections import Counter
from itertools import pairwise

from backend.languages import Language
from evaluation.text import function_words, names_of_things, sentences, stem, words

_FEW = 4  # words below which a share says nothing


def coherence_of(opening: str, text: str, language: Language) -> dict[str, float | None]:
    """The measures of `QuickCheck`; None where a text is too short. Words count as the same by their stem."""
    said = _content(text, language)
    return {
        "entities_returning": _returning([*_content(opening, language), *said], language) if len(said) >= _FEW else None,
        "second_half_continued": _continued(opening, text, language),
        "sentences_linked": _linked(text, language),
        "mentions_near": _near(opening, text, language),
        "quotes_paired": quotes_paired(f"{opening} {text}"),
    }


def _returning(said: list[str], language: Language) -> float | None:
    """Names that were swapped are mentioned once each; a story's own come back."""
    known = _known(language)
    counts = Counter(beginning for word in said if (beginning := stem(word)) in known or word in known)
    total = counts.total()
    return sum(count for count in counts.values() if count > 1) / total if total >= _FEW else None


def _continued(opening: str, text: str, language: Language) -> float | None:
    """Another story's ending speaks of other things."""
    said = words(text)
    half = len(said) // 2
    before = {stem(word) for word in (*words(opening), *said[:half])}
    after = _content(said[half:], language)
    return sum(stem(word) in before for word in after) / len(after) if len(after) >= _FEW else None


def _linked(text: str, language: Language) -> float | None:
    """Sentences out of their order have less to do with their neighbours."""
    parts = [{stem(word) for word in _content(part, language)} for part in sentences(text, language.sentence_ends)]
    pairs = list(pairwise(parts))
    return sum(bool(first & second) for first, second in pairs) / len(pairs) if len(pairs) >= _FEW else None


def _near(opening: str, text: str, language: Language) -> float | None:
    """By how much mentions of one thing stand closer together than in sentences shuffled at random, which gives about 0.

    Told by the distance from a word's first sentence to its last; words of more than half of the sentences say nothing.
    """
    parts = sentences(f"{opening}\n{text}", language.sentence_ends)
    places: dict[str, list[int]] = {}
    for place, part in enumerate(parts):
        for beginning in {stem(word) for word in _content(part, language)}:
            places.setdefault(beginning, []).append(place)
    several = [found for found in places.values() if 2 <= len(found) <= max(2, len(parts) // 2)]
    if len(several) < _FEW:
        return None
    spans = sum(found[-1] - found[0] for found in several)
    # The mean distance from the least to the greatest of k numbers drawn from 1…n.
    expected = sum((len(parts) + 1) * (len(found) - 1) / (len(found) + 1) for found in several)
    return 1 - spans / expected


def quotes_paired(text: str) -> float | None:
    """Share of the curly double quotation marks that open or close speech as they should; None where there are none."""
    right, marks, inside = 0, 0, False
    for character in text:
        if character in "“”":
            marks += 1
            right += (character == "”") == inside
            inside = character == "“"
    return (right - inside) / marks if marks else None


@functools.cache
def _known(language: Language) -> frozenset[str]:
    names = names_of_things(language)
    return names | {stem(word) for word in names if len(word) > 3}


def _content(text: str | list[str], language: Language) -> list[str]:
    aside = function_words(language)
    said = words(text) if isinstance(text, str) else text
    return [word for word in said if len(word) > 2 and word not in aside]
