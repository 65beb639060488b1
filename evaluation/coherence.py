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
    """The three measures of `QuickCheck`, 0…1; None where a text is too short. Words count as the same by their stem."""
    said = _content(text, language)
    return {
        "entities_returning": _returning([*_content(opening, language), *said], language),
        "second_half_continued": _continued(opening, text, language),
        "sentences_linked": _linked(text, language),
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


@functools.cache
def _known(language: Language) -> frozenset[str]:
    names = names_of_things(language)
    return names | {stem(word) for word in names if len(word) > 3}


def _content(text: str | list[str], language: Language) -> list[str]:
    aside = function_words(language)
    said = words(text) if isinstance(text, str) else text
    return [word for word in said if len(word) > 2 and word not in aside]
