"""Which words a model may write: those of `words.txt.gz` beside its weights and of the story's opening.

A small model puts the pieces of rare words together wrongly. Where the file is there, a token is drawn only if it leaves the
story's last word one of these, or the beginning of one.
"""

import functools
import gzip
import re
import unicodedata
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from backend.errors import UserError
from backend.slm.named import Named, Names, Said, Telling, Thing
from backend.slm.text import token_bytes
from backend.tokenizer import Tokenizer, load_tokenizer

WORDS = "words.txt.gz"
ENDING, THING, LIVING, MARK, OF = "-", "*", "@", "+", "="  # what lines in it begin with, and what parts a thing's form from its word
_LONGEST = 128  # bytes of a word, as in `native/spelling.h`
_OPENINGS = 64  # whose words are remembered
_MOST_ENDINGS = 256  # for each there are more words that an opening makes known
_MOST_BYTES = 16_000_000  # of a list, which may have come from the Hub
_HALF_MARKS = {b"\xc2", b"\xc3", b"\xe0", b"\xe0\xa5", b"\xe0\xa7", b"\xe2", b"\xe3", b"\xe3\x80", *(bytes([0xE2, second]) for second in range(0x80, 0xB0))}
# What is no letter of a word: spaces, digits, punctuation, symbols, danda, Indic digits; as in `native/spelling.c`.
_ASIDE = r"\x00-@\[-`{-\xbf×÷\u0964-\u096f\u09e6-\u09ef\u2000-\u200b\u200e-\u2bff\u3000-\u303f"
_CLAUSE_ENDS = re.compile(r"[,;:.!?।—“”\"\n]")
_WORD = re.compile(rf"[^{_ASIDE}]+")


def spelled_words(text: str) -> list[str]:
    """The words of a text in NFC as they are spelled; an apostrophe parts two."""
    return _WORD.findall(unicodedata.normalize("NFC", text))


class Strings:
    """Byte strings one after another, as the C beside this reads them; it must outlive that reading."""

    def __init__(self, strings: Sequence[bytes]):
        self.count = len(strings)
        self.bytes = np.frombuffer(b"".join(strings) or b"\0", np.uint8)
        self.starts = np.array(list(accumulate(map(len, strings), initial=0)), np.int32)


class Spelling:
    """The words of a model and, in bytes, what each of its tokens stands for."""

    def __init__(self, words: Iterable[str], things: Mapping[str, Thing], endings: Iterable[str], marks: Sequence[str], tokenizer: Tokenizer, vocab_size: int):
        """`endings` may be joined to a word of the opening; `things` and `marks` as Names has them.

        `vocab_size` is the model's, which may pad its tokenizer's: a token that stands for no text is never taken.
        """
        self.words = sorted({word.encode() for word in words})
        self.tokens, self.eos_id = (token_bytes(tokenizer.backend) + [b""] * vocab_size)[:vocab_size], tokenizer.eos_id
        self._known, self._endings = frozenset(self.words), sorted(endings, key=len, reverse=True)
        self._names = Names(tokenizer, self.tokens, things, marks, self._known)
        # Several stories are told of one opening at once.
        self.of_opening = functools.lru_cache(_OPENINGS)(lambda ids: (self.own_words(ids), self.named(ids)))

    def own_words(self, ids: Sequence[int]) -> list[bytes]:
        """What a story that begins with these tokens may use besides, in order: its own unknown words, with other endings too."""
        own = set()
        for word in spelled_words(self._text(ids)):
            if word.encode() not in self._known:
                own |= {stem + end for stem in (word, self._bare(word)) for end in ("", *self._endings)}
        return sorted(encoded for word in own if len(encoded := word.encode()) <= _LONGEST)

    def named(self, ids: Sequence[int]) -> Named:
        """Whom and what these tokens, an opening, name."""
        text = unicodedata.normalize("NFC", self._text(ids))
        # An emoji is no word that could be a name.
        clauses = ([word for word in _WORD.findall(clause) if word[0].isalpha()] for clause in _CLAUSE_ENDS.split(text))
        return self._names.of([Said(word, self._bare(word), not place) for clause in clauses for place, word in enumerate(clause)])

    def _text(self, ids: Sequence[int]) -> str:
        return b"".join(self.tokens[token] for token in ids).decode(errors="ignore")

    def _bare(self, word: str) -> str:
        return next((word[: -len(end)] for end in self._endings if word.endswith(end) and len(word) - len(end) > 1), word)


def read_lines(folder: Path) -> list[str] | None:
    """The list of a model folder; None where it has none. Raises UserError for a file that is none."""
    path = folder / WORDS
    if not path.exists():
        return None
    try:
        with gzip.open(path) as file:
            content = file.read(_MOST_BYTES + 1)
            lines = content[:_MOST_BYTES].decode("utf-8", "strict" if len(content) <= _MOST_BYTES else "ignore").split()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise UserError(f"{path} is no gzip of words in UTF-8; write it with `python -m datagen words`, or remove it.") from None
    if len(content) > _MOST_BYTES:
        raise UserError(f"{path} holds more than {_MOST_BYTES:,} bytes; a list of words may have so many.")
    # A line by itself, and no long one: to bring a million accents in a row into NFC takes hours.
    return [unicodedata.normalize("NFC", line) for line in lines if len(line) <= 2 * _LONGEST]


def read_spelling(folder: Path, vocab_size: int) -> Spelling | None:
    """Of a model folder; None where it has no words in a list, which `python -m datagen words` writes."""
    lines = [line for line in read_lines(folder) or [] if line not in (ENDING, MARK, THING, LIVING)]
    endings = [line[1:] for line in lines if line.startswith(ENDING)]
    marks = [line[1:] for line in lines if line.startswith(MARK)]
    things = {form: Thing(word or form, line[0] == LIVING) for line in lines if line[0] in THING + LIVING for form, _, word in [line[1:].partition(OF)]}
    words = [line.lstrip(THING + LIVING).partition(OF)[0] for line in lines if line[0] not in ENDING + MARK]
    return Spelling(words, things, endings[:_MOST_ENDINGS], marks, load_tokenizer(folder), vocab_size) if words else None


class LastWord:
    """The last word of a story so far: what `native/spelling.c` does, for machines without a C compiler."""

    def __init__(self, spelling: Spelling, ids: Sequence[int]):
        self._spelling, self._bytes = spelling, b""
        self._own, named = spelling.of_opening(tuple(ids))
        self._telling = Telling(named)
        for token in ids:
            self.add(token)
        self._telling.begin(self._bytes)

    def favour(self, logits: np.ndarray) -> None:
        """Make likelier and less likely what the opening names."""
        self._telling.favour(logits, self._bytes)

    def takes(self, token: int) -> bool:
        """Whether a token may come next."""
        is_let_be = len(self._bytes) > _LONGEST
        if token == self._spelling.eos_id:
            return is_let_be or self._is_known(self._bytes, whole=True)
        if not self._spelling.tokens[token]:  # it would end no word and go on for ever
            return False
        before, last, half = self._and(token)
        if is_let_be and not before:
            return True
        if not all(self._is_known(word.encode(), whole=True) for word, _ in before[is_let_be:]):
            return False
        return self._is_known(last + half, whole=False) or (half in _HALF_MARKS and self._is_known(last, whole=True))

    def add(self, token: int) -> None:
        """A token has come."""
        before, last, half = self._and(token)
        self._telling.add(token, self._bytes, before)
        self._bytes = last + half

    def _and(self, token: int) -> tuple[list[tuple[str, str]], bytes, bytes]:
        return _parted(self._bytes + self._spelling.tokens[token], is_let_be=len(self._bytes) > _LONGEST)

    def _is_known(self, word: bytes, whole: bool) -> bool:
        return not word or any(_holds(words, word, whole) for words in (self._spelling.words, self._own))


def _holds(words: list[bytes], word: bytes, whole: bool) -> bool:
    place = bisect_left(words, word)
    return place < len(words) and (words[place] == word if whole else words[place].startswith(word))


def _parted(content: bytes, is_let_be: bool) -> tuple[list[tuple[str, str]], bytes, bytes]:
    """The words that have ended, each with what ends it, the last one, and the bytes of a character whose end is to come."""
    cut = next((back for back in range(1, min(4, len(content) + 1)) if _size(content[-back]) > back), 0)
    whole, half = content[: len(content) - cut], content[len(content) - cut :]
    # A byte that is no UTF-8 parts words, too, and stands for one that nobody knows; but not in a word that is let be.
    text = whole.decode(errors="replace").replace("\ufffd", "" if is_let_be else " \ufffd ")
    *ended, last = re.split(f"([{_ASIDE}])", text)
    return list(zip(ended[::2], ended[1::2], strict=True)), last.encode(), half


def _size(first: int) -> int:
    return 2 if 0xC2 <= first < 0xE0 else 3 if 0xE0 <= first < 0xF0 else 4 if 0xF0 <= first < 0xF5 else 1
