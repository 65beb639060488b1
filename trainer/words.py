"""Tokens of many texts, fast: stories say the same words over and over, so each distinct word is encoded once."""

import unicodedata
from collections.abc import Sequence

import numpy as np
import regex

from backend.tokenizer import Tokenizer

_SINGLE_SPACE = regex.compile(r"(?<=\S) (?=\S)")
_NO_PLAIN_SPACES = regex.compile(r"\s\s|^\s|\s$|[^\S ]")
_SPACE_MARKS = "▁Ġ "
CACHE = 1 << 20  # words remembered


class WordEncoder:
    """Stories as the bytes of `<bos> story <eos>`, the same ids as `Tokenizer.encode` gives.

    Where a vocabulary has no token with a space behind other text, no token reaches over a single space, and what
    stands between two of them is encoded alone. `trial` texts decide how, and whether at all: if the ids differ for one
    of them, all texts are encoded whole.
    """

    def __init__(self, tokenizer: Tokenizer, dtype: np.dtype, trial: Sequence[str]):
        self.tokenizer, self.dtype = tokenizer, dtype
        self._bos, self._eos = (np.array([token], dtype).tobytes() for token in (tokenizer.bos_id, tokenizer.eos_id))
        self._first: dict[str, bytes] = {}  # words that begin a text
        self._later: dict[str, bytes] = {}  # words after a single space
        self.before = self._choose([unicodedata.normalize("NFC", text) for text in trial])

    def encode(self, texts: Sequence[str], dropout: float = 0.0) -> list[bytes]:
        """One row of bytes a text, bos and eos included; with `dropout` nothing is remembered."""
        texts = [unicodedata.normalize("NFC", text) for text in texts]
        if dropout or self.before is None:
            rows = self.tokenizer.encode_batch(texts, dropout)
            return [self._bos + np.array(ids, self.dtype).tobytes() + self._eos for ids in rows]
        if len(self._first) + len(self._later) > CACHE:
            self._first.clear()
            self._later.clear()
        return [self._bos + self._words(text) + self._eos for text in texts]

    def _words(self, text: str) -> bytes:
        # Most texts have no other white space than single spaces, or it lies within a word as cut here.
        first, *later = text.split(" ") if not _NO_PLAIN_SPACES.search(text) else _SINGLE_SPACE.split(text)
        try:
            return self._first[first] + b"".join(map(self._later.__getitem__, later))
        except KeyError:
            self._learn(first, later)
            return self._first[first] + b"".join(map(self._later.__getitem__, later))

    def _learn(self, first: str, later: list[str]) -> None:
        if first not in self._first:
            self._first[first] = self._ids(first)
        for word in later:
            if word not in self._later:
                self._later[word] = self._ids(self.before + word)

    def _ids(self, text: str) -> bytes:
        return np.array(self.tokenizer.encode(text), self.dtype).tobytes()

    def _choose(self, trial: list[str]) -> str | None:
        """What a word is encoded with in front: the space, or nothing where the tokenizer puts a space there itself."""
        if any(_holds_a_space(token) for token in self.tokenizer.backend.get_vocab(with_added_tokens=False)):
            return None
        whole = [np.array(ids, self.dtype).tobytes() for ids in self.tokenizer.encode_batch(trial)]
        for before in (" ", ""):
            self.before = before
            if [self._words(text) for text in trial] == whole:
                return before
            self._first.clear()
            self._later.clear()
        return None


def _holds_a_space(token: str) -> bool:
    """Whether a space stands behind something else."""
    rest = token.lstrip(_SPACE_MARKS)
    return any(mark in rest for mark in _SPACE_MARKS)
