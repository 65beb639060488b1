"""Whether a story uses the words that its prompt asked for, and where: inflected forms count."""

import html
from collections.abc import Iterable, Mapping

import regex

from datagen.words import load_words
from evaluation.text import stem

_WORD = regex.compile(r"[\p{L}\p{M}\u200c\u200d]+")
_LISTS = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives"}


def forms_of(language: str, asked: Mapping[str, str]) -> dict[str, set[str]]:
    """Every form of the asked noun, verb and adjective, in lower case. Raises UserError for a word that is in no list."""
    words = load_words(language)
    found = {}
    for kind, list_name in _LISTS.items():
        # A form may bring an article or what goes with a verb along; it is the last word that inflects.
        forms = words.find(list_name, asked[kind]).values()
        found[kind] = {parts[-1] for form in forms if (parts := _WORD.findall(form.lower()))}
    return found


def kind_of(word: str, forms: Mapping[str, Iterable[str]]) -> str:
    """noun, verb or adjective when a word of a story is a form of that asked word, else ''."""
    word = word.lower()
    plural_of = {word.removesuffix("s"), word.removesuffix("es")} if word.isascii() else set()
    for kind, own in forms.items():
        if word in own or (kind == "noun" and not plural_of.isdisjoint(own)):
            return kind
    for kind, own in forms.items():
        if any(len(form) > (3 if form.isascii() else 2) and word.startswith(stem(form)) for form in own):
            return kind
    return ""


def marked(text: str, forms: Mapping[str, Iterable[str]]) -> tuple[str, set[str]]:
    """The text as HTML with the asked words marked, and which kinds were found."""
    pieces, found, position = [], set(), 0
    for match in _WORD.finditer(text):
        kind = kind_of(match.group(), forms)
        if kind:
            found.add(kind)
            pieces += [html.escape(text[position : match.start()]), f'<mark class="{kind}">{html.escape(match.group())}</mark>']
            position = match.end()
    return "".join(pieces) + html.escape(text[position:]), found
