"""What a visitor may type as an opening, and the clear sentence when it will not do."""

import unicodedata

from backend.errors import UserError
from backend.languages import Language

MAX_CHARACTERS = 1500
_JOINERS = "\u200c\u200d"


def clean_opening(text: str | None, language: Language) -> str:
    """The opening in NFC, without control characters and with single spaces.

    Raises UserError for an empty or too long one, or one in another script than the language's.
    """
    text = unicodedata.normalize("NFC", text or "")
    kept = (c if c in "\n\t" or c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") else " " for c in text)
    paragraphs = [" ".join(paragraph.split()) for paragraph in "".join(kept).split("\n\n")]
    text = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    if not text:
        raise UserError("The opening is empty; type how the story begins, or choose a beginning from the list.")
    if len(text) > MAX_CHARACTERS:
        raise UserError(f"The opening has {len(text):,} characters; the models read at most {MAX_CHARACTERS:,}. Shorten it.")
    letters = [c for c in text if c.isalpha()]
    if not letters:
        raise UserError(f"The opening has no letters; write a few words in {language.english_name} ({language.native_name}).")
    own = sum(language.in_script(c) for c in letters) / len(letters)
    if own < 0.5:
        raise UserError(
            f"The opening is not in the script of {language.english_name} ({language.script}); "
            "choose the story's language above, or write in that script."
        )
    return text
