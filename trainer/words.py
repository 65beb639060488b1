"""Tokens of many texts, fast: stories say the same words over and over, so each distinct word is encoded once."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain, islice

import numpy as np

from backend.tokenizer import Tokenizer

_SINGLE_SPACE = re.compile(r"(?<=\S) (?=\S)")
_BESIDE_WHITE_SPACE = re.compile(r" (?:\s|\Z|(?<=\s ))")  # what begins with a literal is found fast
_SPACE_MARKS = "▁Ġ "
CACHE = 1 << 17  # words remembered


class WordEncoder:
    """Stories as the bytes of `<bos> story <eos>`, the same ids as `Tokenizer.encode_opening` and eos.

    Where a vocabulary has no token with a space behind other text, no token reaches over a single space, and what
    stands between two of them is encoded alone. `trial` texts decide how, and whether at all: if the ids differ for one
    of them, all texts are encoded whole.
    """

    def __init__(self, tokenizer: Tokenizer, dtype: np.dtype, trial: Sequence[str]):
        self.tokenizer, self.dtype = tokenizer, dtype
        self.all_nfc = True  # whether every text met so far was in NFC as it came
        self._bos, self._eos = (np.array([token], dtype).tobytes() for token in (tokenizer.bos_id, tokenizer.eos_id))
        self._spaced: dict[str, str] = {}  # what stands before a text that begins so
        self._first: dict[str, bytes] = {}  # words that begin a text
        self._later: dict[str, bytes] = {}  # words after a single space
        self.before = self._choose(trial)

    def encode(self, texts: Sequence[str], dropout: float = 0.0) -> list[bytes]:
        """One row of bytes a text, bos and eos included; with `dropout` nothing is remembered."""
        texts = list(map(self._begun, texts)) if self.tokenizer.add_prefix_space else texts
        if dropout or self.before is None:
            self.all_nfc = self.all_nfc and all(unicodedata.is_normalized("NFC", text) for text in texts)
            rows = self.tokenizer.encode_batch(texts, dropout)
            return [self._bos + np.array(ids, self.dtype).tobytes() + self._eos for ids in rows]
        if len(self._first) + len(self._later) > CACHE:
            for known in (self._spaced, self._first, self._later):
                known.clear()
        return [self._bos + row + self._eos for row in self._rows(texts)]

    def _begun(self, text: str) -> str:
        """The text as `Tokenizer.encode_opening` reads it."""
        first = text.partition(" ")[0]
        if first not in self._spaced:
            self._spaced[first] = " " if self.tokenizer.begins_with_space(first) else ""
        return self._spaced[first] + text

    def _rows(self, texts: Sequence[str]) -> list[bytes]:
        cut = [_cut(text) for text in texts]
        rows = [self._known(*words) for words in cut]
        new = [number for number, row in enumerate(rows) if row is None]
        if new:
            self._learn(self._first, {cut[number][0] for number in new}, "")
            self._learn(self._later, set(chain.from_iterable(islice(cut[number], 1, None) for number in new)), self.before)
            for number in new:
                rows[number] = self._known(*cut[number])
        return rows

    def _known(self, first: str, *later: str) -> bytes | None:
        try:
            return self._first[first] + b"".join(map(self._later.__getitem__, later))
        except KeyError:
            return None

    def _learn(self, known: dict[str, bytes], words: Iterable[str], before: str) -> None:
        # NFC never reaches over a space, so that words may be brought to it one by one, and only once.
        new = [word for word in words if word not in known]
        self.all_nfc = self.all_nfc and all(unicodedata.is_normalized("NFC", word) for word in new)
        rows = self.tokenizer.encode_batch([before + word for word in new])
        known |= {word: np.array(ids, self.dtype).tobytes() for word, ids in zip(new, rows, strict=True)}

    def _choose(self, trial: Sequence[str]) -> str | None:
        """What a word is encoded with in front: the space, or nothing where the tokenizer puts a space there itself."""
        if any(_holds_a_space(token) for token in self.tokenizer.backend.get_vocab(with_added_tokens=False)):
            return None
        whole = [np.array(ids, self.dtype).tobytes() for ids in self.tokenizer.encode_batch(trial)]
        for before in (" ", ""):
            self.before = before
            if self._rows(trial) == whole:
                return before
            self._first.clear()
            self._later.clear()
        return None


def _cut(text: str) -> list[str]:
    # In most texts no space stands at an end or beside other white space; line breaks lie within a word as cut here.
    plain = text[:1] != " " and not _BESIDE_WHITE_SPACE.search(text)
    return text.split(" ") if plain else _SINGLE_SPACE.split(text)


def _holds_a_space(token: str) -> bool:
    """Whether a space stands behind something else."""
    rest = token.lstrip(_SPACE_MARKS)
    return any(mark in rest for mark in _SPACE_MARKS)
