"""Text as visitors type or paste it, made fit to be read, shown and sent."""

import unicodedata

_JOINERS = "\u200c\u200d"
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")


def typed(text: str | None) -> str:
    """The text in NFC, stripped; control characters, marks of direction and halves of characters become spaces.

    Line ends, tabs, and the joiners that Indic scripts need stay.
    """
    text = unicodedata.normalize("NFC", text or "")
    kept = (c if c in "\n\t" or c in _JOINERS or unicodedata.category(c) not in _UNSEEN else " " for c in text)
    return "".join(kept).strip(f" \n\t{_JOINERS}")
