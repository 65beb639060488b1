"""Whether a story uses the words that its prompt asked for, and where: inflected forms count."""

import functools
import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from os.path import commonprefix

import regex

from datagen.words import load_words
from evaluation.text import stem

_WORD = regex.compile(r"[\p{L}\p{M}\u200c\u200d]+")
_LIGHT = 5  # so many verbs of a language end with the same word: it is "to do" or the like, and alone says nothing
_LISTS = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives"}


@dataclass
class Forms:
    """How an asked word may stand in a story: by one word that is enough, or by several in a row. All in lower case."""

    words: set[str] = field(default_factory=set)
    phrases: set[tuple[str, ...]] = field(default_factory=set)


def forms_of(language: str, asked: Mapping[str, str]) -> dict[str, Forms]:
    """The forms of the asked noun, verb and adjective. Raises UserError for a word that is in no list."""
    words, found = load_words(language), {}
    for kind, list_name in _LISTS.items():
        base, forms = _split(asked[kind]), [_split(form) for form in words.find(list_name, asked[kind]).values()]
        found[kind] = _forms(kind, base, forms, kind == "verb" and _is_light(base, language))
    return found


def _is_light(verb: tuple[str, ...], language: str) -> bool:
    """Whether a verb of several words ends with one that says little: to do, to give, to become."""
    return len(verb) > 1 and _last_words(language)[verb[-1]] >= _LIGHT


@functools.cache
def _last_words(language: str) -> Counter[str]:
    verbs = (_split(verb["word"]) for verb in load_words(language).verbs)
    return Counter(verb[-1] for verb in verbs if len(verb) > 1)


def _forms(kind: str, base: tuple[str, ...], forms: list[tuple[str, ...]], light: bool) -> Forms:
    found = Forms()
    same_length = [form for form in forms if len(form) == len(base)]
    if len(base) > 1:
        found.phrases = {base, *same_length}
    inflecting = [place for place in range(len(base)) if any(form[place] != base[place] for form in same_length)]
    # The word that says most alone: the noun itself, what is done, and how somebody or something is.
    head = 0 if kind == "adjective" else inflecting[-1] if kind == "verb" and inflecting else len(base) - 1
    if light:
        head = len(base) - 2
    found.words = {base[head], *(form[head] for form in same_length)}
    for form in forms:
        # An article, a postposition or the like may stand with a form; the word itself begins as the asked one does.
        if len(form) > len(base):
            found.words.add(max(form, key=lambda word: len(commonprefix([word, base[head]]))))  # noqa: RUF071 (letters, not paths)
    return found


def _split(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


def kind_of(word: str, forms: Mapping[str, Forms]) -> str:
    """noun, verb or adjective when a word of a story is a form of that asked word, else ''."""
    word = word.lower()
    plural_of = {word.removesuffix("s"), word.removesuffix("es")} if word.isascii() else set()
    for kind, own in forms.items():
        if word in own.words or (kind == "noun" and not plural_of.isdisjoint(own.words)):
            return kind
    for kind, own in forms.items():
        if any(_begins(word, form) for form in own.words):
            return kind
    return ""


def _begins(word: str, form: str) -> bool:
    return len(form) > (4 if form.isascii() else 2) and word.startswith(stem(form))


def _phrase_at(words: list[str], forms: Mapping[str, Forms]) -> tuple[str, int]:
    """The kind whose phrase a text begins with, and of how many words it is; ('', 0) without one."""
    for kind, own in forms.items():
        for phrase in own.phrases:
            there = words[: len(phrase)]
            if len(there) == len(phrase) and all(a == b or _begins(a, b) for a, b in zip(there, phrase, strict=True)):
                return kind, len(phrase)
    return "", 0


def marked(text: str, forms: Mapping[str, Forms]) -> tuple[str, set[str]]:
    """The text as HTML with the asked words marked, and which kinds were found."""
    pieces, found, position = [], set(), 0
    matches = list(_WORD.finditer(text))
    longest = max((len(phrase) for own in forms.values() for phrase in own.phrases), default=0)
    place = 0
    while place < len(matches):
        first = matches[place]
        kind, count = _phrase_at([match.group().lower() for match in matches[place : place + longest]], forms)
        if not kind:
            kind, count = kind_of(first.group(), forms), 1
        if kind:
            end = matches[place + count - 1].end()
            found.add(kind)
            pieces += [html.escape(text[position : first.start()]), f'<mark class="{kind}">{html.escape(text[first.start() : end])}</mark>']
            position = end
        place += count
    return "".join(pieces) + html.escape(text[position:]), found
