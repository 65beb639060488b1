"""What a visitor may type as an opening, and what is said when it will not do."""

import unicodedata
from collections.abc import Sequence

from backend.errors import UserError
from backend.languages import language_names, load_language
from evaluation.text import word_counts, words
from spaces.labels import labels
from spaces.typed import typed

MAX_CHARACTERS = 1500


def clean_opening(text: str | None, page_language: str = "english") -> str:
    """The opening in NFC, without control characters and with single spaces.

    Raises UserError, in the page's language, for an empty or too long one, or one without letters.
    """
    said = labels(page_language)
    text = unicodedata.normalize("NFC", text or "")
    if len(text) > MAX_CHARACTERS:
        raise UserError(said["too_long"].format(count=len(text), limit=MAX_CHARACTERS))
    paragraphs = [" ".join(paragraph.split()) for paragraph in typed(text).split("\n\n")]
    text = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    if not text:
        raise UserError(said["empty"])
    if not any(c.isalpha() for c in text):
        raise UserError(said["no_letters"])
    return text


def language_of(text: str, chosen: str, page_language: str = "english", written: Sequence[str] = ()) -> str:
    """The chosen language when the text is in its script, else the one whose script it is in.

    Those that are `written`, for which there is a model, go before others of their script: the first, unless another of
    them knows far more of the words, as of a Marathi sentence where Hindi is chosen. Raises UserError when no language
    here has that script.
    """
    letters = [c for c in text if c.isalpha()]
    for name in (chosen, *written, *language_names()):
        if _is_in_script(letters, name):
            others = [other for other in written if other != name and _is_in_script(letters, other)]
            known, most, other = _known(text, name), *max(((_known(text, other), other) for other in others), default=(0, ""))
            return other if most >= max(2 * known, known + 2) else name
    raise UserError(labels(page_language)["other_script"].format(scripts=", ".join(_scripts(written or language_names()))))


def _is_in_script(letters: Sequence[str], name: str) -> bool:
    return 2 * sum(load_language(name).in_script(c) for c in letters) >= len(letters)


def _known(text: str, name: str) -> int:
    """How many of the words stand in the language's own folder."""
    spoken = word_counts(load_language(name))
    return sum(word in spoken for word in words(text))


def _scripts(languages: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(load_language(name).script for name in languages))
