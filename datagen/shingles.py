"""Texts as sets of shingles: hashed runs of five words, by which two texts are compared.

Words are what stands between spaces and punctuation, in NFC and lower case, vowel signs and all; the joiners U+200C and
U+200D, which only change how letters are drawn, do not count. In scripts that put no spaces between words (Han, Kana,
Thai, Lao, Khmer, Burmese) each character counts as a word. Five words is what FineWeb and RefinedWeb compare by.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain

import numpy as np
import xxhash

LENGTH = 5  # words a shingle
# Python's \w holds no Indic vowel signs, so words are found by what they do not hold.
_WORD = re.compile(r"[^\s!-/:-@\[-`{-~\xa0-\xbf\u2010-\u2069।॥]+")
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_BASE = 0x9E3779B97F4A7C15


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    text = text.lower()
    if "\u200d" in text or "\u200c" in text:
        text = text.replace("\u200d", "").replace("\u200c", "")
    if _SPACELESS.search(text):
        text = _SPACELESS.sub(r" \g<0> ", text)
    return _WORD.findall(text)


class Shingler:
    """Remembers the hash of each word that it has met."""

    def __init__(self, length: int = LENGTH):
        self._length = length
        self._known: dict[str, int] = {}

    def sets(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The shingles of all texts, uint32, each text's ascending and without repeats; and how many each has, int64.

        A text of fewer words than a shingle is one shingle; one without words has none.
        """
        known, said = self._known, [words_of(text) for text in texts]
        for word in {word for words in said for word in words if word not in known}:
            known[word] = xxhash.xxh3_64_intdigest(word.encode())
        sizes = np.fromiter(map(len, said), np.int64, len(said))
        numbers = np.fromiter(map(known.__getitem__, chain.from_iterable(said)), np.uint64, int(sizes.sum()))
        shingles, owners = self._runs(numbers, sizes)
        # One sort by text and shingle; the text's place fits above the 32 bits of a shingle.
        both = np.sort(owners.astype(np.uint64) << np.uint64(32) | shingles)
        both = both[np.append(True, both[1:] != both[:-1])[: len(both)]]  # np.unique hashes first and takes 10 times as long
        counts = np.bincount((both >> np.uint64(32)).astype(np.int64), minlength=len(said))
        return both.astype(np.uint32), counts

    def _runs(self, numbers: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """32-bit hashes of the runs of words that lie within one text, and the text of each."""
        owners = np.repeat(np.arange(len(sizes)), sizes)
        whole = max(0, len(numbers) - self._length + 1)
        hashes = np.zeros(whole, np.uint64)
        for place in range(self._length):  # a polynomial of the words' hashes, modulo 2**64
            hashes = hashes * np.uint64(_BASE) + numbers[place : place + whole]
        inside = owners[:whole] == owners[len(owners) - whole :]
        short = np.flatnonzero((sizes > 0) & (sizes < self._length))
        starts = np.cumsum(sizes) - sizes
        alone = [_joined(numbers[starts[i] : starts[i] + sizes[i]]) for i in short]
        hashes = np.concatenate([hashes[inside], np.array(alone, np.uint64)])
        return _mixed(hashes), np.concatenate([owners[:whole][inside], short])


def _joined(numbers: np.ndarray) -> int:
    value = 0
    for number in numbers.tolist():
        value = (value * _BASE + number) & 0xFFFFFFFFFFFFFFFF
    return value


def _mixed(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele et al. 2014), upper half."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) >> np.uint64(32)
