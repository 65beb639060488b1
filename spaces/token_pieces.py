"""A text cut as its tokens cut it, but never inside a letter: tokens that share one stand together."""

import codecs
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from backend.slm.reading import TokenReading

_GRAPHEME = regex.compile(r"\X")


@dataclass(frozen=True)
class Piece:
    """The shortest run of tokens that ends where a letter ends."""

    text: str
    tokens: list[TokenReading]
    told: bool  # written by the model, not given


def pieces(readings: Sequence[TokenReading], table: Sequence[bytes], given: int) -> list[Piece]:
    """The pieces of tokens after bos; the first `given` readings, bos among them, are of what was given.

    `table` holds the bytes of each id. Bytes that are no text are left out.
    """
    found, tokens, pending = [], [], b""
    for number, reading in enumerate(readings[1:], start=1):
        tokens.append(reading)
        pending += table[reading.id]
        following = table[readings[number + 1].id] if number + 1 < len(readings) else b""
        if number + 1 == given or number + 1 == len(readings) or _ends_here(pending, following):
            text = unicodedata.normalize("NFC", pending.decode("utf-8", "ignore"))
            # The space before the first word is the tokenizer's, not the visitor's.
            found.append(Piece(text if found else text.removeprefix(" "), tokens, number >= given))
            tokens, pending = [], b""
    return found


def _ends_here(before: bytes, after: bytes) -> bool:
    """Whether a letter ends between two runs of bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    text = decoder.decode(before)
    if decoder.getstate()[0]:  # the first bytes of a character
        return False
    following = after.decode("utf-8", "ignore")
    if not following:
        # Half a character follows: it may be a vowel sign of this letter, unless no letter stands last.
        return not after or not text or not unicodedata.category(text[-1]).startswith(("L", "M"))
    return any(match.start() == len(text) for match in _GRAPHEME.finditer(text + following))
