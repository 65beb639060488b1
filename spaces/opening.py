"""What a visitor may type as an opening, and what is said when it will not do."""

import unicodedata
from collections.abc import Sequence

from backend.errors import UserError
from backend.languages import language_names, load_language
from spaces.labels import labels
from spaces.typed import typed

MAX_CHARACTERS = 1500


def clean_opening(text: str | None, page_language: str = "english") -> str:
    """The opening in NFC, without control characters and with single spaces.

    Raises UserError, in the page's language, for an empty or too long one, or one without letters.
    """
    words = labels(page_language)
    text = unicodedata.normalize("NFC", text or "")
    if len(text) > MAX_CHARACTERS:
        raise UserError(words["too_long"].format(count=len(text), limit=MAX_CHARACTERS))
    paragraphs = [" ".join(paragraph.split()) for paragraph in typed(text).split("\n\n")]
    text = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    if not text:
        raise UserError(words["empty"])
    if not any(c.isalpha() for c in text):
        raise UserError(words["no_letters"])
    return text


def language_of(text: str, chosen: str, page_language: str = "english", written: Sequence[str] = ()) -> str:
    """The chosen language when the text is in its script, else the one whose script it is in.

    Those that are `written`, for which there is a model, go before others of their script. Raises UserError when no
    language here has that script.
    """
    letters = [c for c in text if c.isalpha()]
    for name in (chosen, *written, *language_names()):
        if 2 * sum(load_language(name).in_script(c) for c in letters) >= len(letters):
            return name
    raise UserError(labels(page_language)["other_script"].format(scripts=", ".join(_scripts(written or language_names()))))


def _scripts(languages: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(load_language(name).script for name in languages))
