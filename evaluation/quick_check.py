"""The quick check: what can be said of a story offline, in a millisecond. A heuristic, not a judge.

It sees form (an end, the script, repetition, words of the opening carried on), never meaning: a story that is
nonsense in good order passes. Light imports only; the app uses it.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from backend.languages import Language
from evaluation.coherence import coherence_of
from evaluation.endings import endings_fit
from evaluation.text import (
    as_language,
    ends_a_sentence,
    forms_of_things,
    function_words,
    names_of_things,
    sentences,
    stem,
    without_ending,
    word_counts,
    words,
)

LABEL = "Quick check (a heuristic, not a judge)"

# What each check asks, in the order shown; `QuickCheck.passed` applies them.
CHECKS = {
    "complete": "ends at a sentence end, and the model itself ended it",
    "long_enough": "has at least 30 words",
    "in_script": "at least 98 % of its letters are the language's own",
    "unbroken": "no broken characters",
    "no_repetition": "no sentence of 5 or more words comes twice, and no run of 10 words",
    "opening_carried": "takes up a third of the opening's content words, or half of its names and nouns",
}
_CAPITALISED = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}\b")
_LETTER_LIMIT = 20_000


@dataclass(frozen=True)
class QuickCheck:
    """Measured facts of one completion. Shares are 0…1; None where the opening or the caller gave nothing to measure."""

    words: int
    sentences: int
    words_per_sentence: float
    letters_per_word: float
    ends_at_sentence_end: bool
    finished: bool | None  # eos was reached
    script_purity: float
    broken_characters: int
    repeated_sentences: float  # share of sentences of 5 or more words that came before; shorter ones may be a refrain
    distinct_1: float
    distinct_2: float
    distinct_3: float
    longest_repeated_span: int  # words
    opening_carried: float | None  # share of the opening's content words taken up
    entities_carried: float | None  # the same for its names and nouns
    entities_returning: float | None  # share of mentions of persons and things that are mentioned more than once
    second_half_continued: float | None  # share of the second half's content words that stood before
    sentences_linked: float | None  # share of sentences that share a content word with the one before
    mentions_near: float | None  # mentions of one thing stand closer than in shuffled sentences, which give 0
    quotes_paired: float | None  # share of quotation marks that open or close speech as they should
    endings_fit: float | None  # endings of neighbouring words go together: 0 as at random, 1 as usual

    @property
    def passed(self) -> dict[str, bool | None]:
        """Each of CHECKS with yes, no, or None where it cannot be told."""
        return {
            "complete": self.ends_at_sentence_end and self.finished is not False,
            "long_enough": self.words >= 30,
            "in_script": self.script_purity >= 0.98,
            "unbroken": self.broken_characters == 0,
            "no_repetition": self.repeated_sentences == 0 and self.longest_repeated_span < 10,
            # Of a long opening few words return, though whom and what it tells of do.
            "opening_carried": None
            if self.opening_carried is None
            else self.opening_carried >= 1 / 3 or (self.entities_carried or 0) >= 1 / 2,
        }

    @property
    def coherence(self) -> float | None:
        """One number, 0…1, of the measures of what holds the story together; None when it is too short for any."""
        parts = (
            self.entities_returning,
            _twice(self.second_half_continued),
            _twice(self.sentences_linked),
            None if self.mentions_near is None else min(1.0, max(0.0, 0.5 + 2 * self.mentions_near)),
            self.quotes_paired,
        )
        known = [part for part in parts if part is not None]
        return sum(known) / len(known) if known else None

    @property
    def score(self) -> float:
        """One number, 0…1: the mean of up to seven parts. For comparing in bulk; a heuristic, not a judge's grade."""
        if not self.words:
            return 0.0
        parts = [
            (self.ends_at_sentence_end + (self.finished is not False)) / 2,
            min(1.0, self.words / 100),
            max(0.0, 1 - 3 * (1 - self.script_purity) - 0.2 * self.broken_characters),
            max(0.0, self.distinct_3 - 2 * self.repeated_sentences - self.longest_repeated_span / max(self.words, 40)),
        ]
        if self.opening_carried is not None:
            parts.append(min(1.0, 2 * self.opening_carried))
        if self.coherence is not None:
            parts.append(self.coherence)
        if self.endings_fit is not None:
            parts.append(self.endings_fit)
        return sum(parts) / len(parts)

    def as_dict(self) -> dict:
        """All fields, the score and the checks, ready for JSON, under their honest label."""
        return {"label": LABEL, **dataclasses.asdict(self), "score": round(self.score, 4), "passed": self.passed}


def quick_check(opening: str, completion: str, language: str | Language, finished: bool | None = None) -> QuickCheck:
    """Measure one completion. `finished`: whether eos was reached, None when not known.

    A completion that repeats the opening at its start, as the paper's files do, is measured without it.
    Raises UserError for an unknown language.
    """
    language = as_language(language)
    opening = unicodedata.normalize("NFC", opening).strip()
    text = unicodedata.normalize("NFC", completion).strip()
    if opening and text.startswith(opening):
        text = text[len(opening) :].strip()
    said, parts = words(text), sentences(text, language.sentence_ends)
    return QuickCheck(
        words=len(said),
        sentences=len(parts),
        words_per_sentence=len(said) / len(parts) if parts else 0.0,
        letters_per_word=sum(_letters(word) for word in said) / len(said) if said else 0.0,
        ends_at_sentence_end=bool(said) and ends_a_sentence(text, language.sentence_ends),
        finished=finished,
        script_purity=script_purity(text, language),
        broken_characters=broken_characters(text),
        repeated_sentences=repeated_share(parts),
        distinct_1=distinct(said, 1),
        distinct_2=distinct(said, 2),
        distinct_3=distinct(said, 3),
        longest_repeated_span=longest_repeated_span(said),
        opening_carried=carried(content_words(opening, language), said),
        entities_carried=carried(entities(opening, language), said, forms_of_things(language)),
        **coherence_of(opening, text, language),
        endings_fit=endings_fit(text, language),
    )


def broken_characters(text: str) -> int:
    """Marks of a decoder cut short: replacement and control characters, and vowel signs that follow no letter."""
    broken, before = 0, " "
    for character in text[:_LETTER_LIMIT]:
        category = unicodedata.category(character)
        control = category == "Cc" and character not in "\n\t\r"
        loose_mark = category[0] == "M" and unicodedata.category(before)[0] in "CPSZ"
        broken += character == "\ufffd" or control or loose_mark
        before = character
    return broken


def script_purity(text: str, language: Language) -> float:
    """Share of the letters that belong to the language's script, broken characters counted against it; 0 without letters."""
    letters = [character for character in text[:_LETTER_LIMIT] if character.isalpha() or character == "\ufffd"]
    return sum(map(language.in_script, letters)) / len(letters) if letters else 0.0


def repeated_share(parts: list[str]) -> float:
    """Share of the sentences of five or more words that are equal to an earlier one."""
    long = [key for part in parts if len(key := tuple(words(part))) >= 5]
    return 1 - len(set(long)) / len(long) if long else 0.0


def distinct(said: list[str], n: int) -> float:
    """Distinct n-grams over n-grams (distinct-n, Li et al. 2016); 1 for a text shorter than n words."""
    grams = list(zip(*(said[i:] for i in range(n)), strict=False))
    return len(set(grams)) / len(grams) if grams else 1.0


def longest_repeated_span(said: list[str]) -> int:
    """Length in words of the longest run that occurs at least twice."""
    low, high = 0, max(0, len(said) - 1)
    while low < high:
        middle = (low + high + 1) // 2
        grams = [tuple(said[i : i + middle]) for i in range(len(said) - middle + 1)]
        low, high = (middle, high) if len(set(grams)) < len(grams) else (low, middle - 1)
    return low


def content_words(text: str, language: Language) -> list[str]:
    """Distinct words that carry content: longer than two letters and not among the language's most frequent."""
    aside = function_words(language)
    return [word for word in dict.fromkeys(words(text)) if len(word) > 2 and word not in aside]


def entities(opening: str, language: Language) -> list[str]:
    """Who and what an opening speaks of: nouns of the language's word lists, and names.

    A name is a capitalised word inside a sentence, and a first word that nothing in the language's folder says.
    """
    known, spoken = names_of_things(language), word_counts(language)
    found = []
    for word in content_words(opening, language):
        if _is_form_of_one(word, known):
            bare = without_ending(word, language)
            found.append(bare if bare in known else word)
    names = [name.lower() for name in _CAPITALISED.findall(opening)]
    first = next(iter(words(opening)), "")
    bare = without_ending(first, language)
    if len(bare) > 2 and first not in spoken and bare not in spoken:
        names.append(bare)
    return list(dict.fromkeys([*found, *names]))


def carried(asked: list[str], said: list[str], forms: Mapping[str, frozenset[str]] | None = None) -> float | None:
    """Share of the words asked for that a text takes up: inflected forms by their common beginning, or by `forms`, where those differ (भोवरा, भोवऱ्याला)."""
    if not asked:
        return None
    have, forms = set(said), forms or {}
    beginnings = {word[:length] for word in have for length in range(3, len(word) + 1)}
    taken_up = [any(form in have or stem(form) in beginnings for form in {word, *forms.get(word, ())}) for word in asked]
    return sum(taken_up) / len(taken_up)


def _twice(share: float | None) -> float | None:
    return None if share is None else min(1.0, 2 * share)


def _is_form_of_one(word: str, known: frozenset[str]) -> bool:
    """Whether a word is one of the known forms, or one with an ending of up to two letters that no list gives."""
    return word in known or any(len(word) - cut > 3 and word[:-cut] in known for cut in (1, 2))


def _letters(word: str) -> int:
    """Letters as a reader counts them: combining marks belong to the letter before."""
    return sum(not unicodedata.category(character).startswith(("M", "C")) for character in word)
