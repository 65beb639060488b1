"""The longest run of words that a text shares with any story of an index.

One scan of the index tells which n-grams of the texts occur in it, for n = 4, 8, 16, …; hashes of 2n-grams come from
those of n-grams, so each further n costs little. A second scan finds where the longest of them stand, and words are
compared there, so that spans are exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.word_index import WordIndex, join_grams, mixed

LADDER = (4, 8, 16, 32, 64, 128)
_CHUNK = 4_000_000  # words scanned at a time
_PLACES = 256  # occurrences looked at for one n-gram
_FILTER_BITS = 24


@dataclass(frozen=True)
class Span:
    """The longest shared run: words, where it starts in the text and in which story; the text's n-grams known to the corpus."""

    length: int
    start: int
    story: int | None
    known_4: float
    known_8: float


def longest_spans(texts: Sequence[np.ndarray], index: WordIndex) -> list[Span]:
    """For each text, given as word numbers, its longest run of four or more words that a story has too; 0 when none."""
    grams = {n: [_grams(text, n) for text in texts] for n in LADDER}
    unique = {n: np.unique(np.concatenate([*grams[n], np.zeros(0, np.uint64)])) for n in LADDER}
    seen = {n: np.zeros(len(unique[n]), bool) for n in LADDER}
    for _, n, _, rows in _scan(index, unique):
        seen[n][rows] = True
    known = {n: [seen[n][np.searchsorted(unique[n], g)] for g in grams[n]] for n in LADDER}
    best = [max((n for n in LADDER if known[n][i].any()), default=0) for i in range(len(texts))]

    wanted = {}
    for n in LADDER:
        parts = [grams[n][i][known[n][i]] for i in range(len(texts)) if best[i] == n]
        if parts:
            wanted[n] = np.unique(np.concatenate(parts))
    places = _places(index, wanted)
    found = []
    for i, text in enumerate(texts):
        span = (0, 0, None)
        if best[i]:
            span = _extend(text, _diagonals(grams[best[i]][i], wanted[best[i]], places[best[i]]), index)
        shares = [float(known[n][i].mean()) if len(known[n][i]) else 0.0 for n in (4, 8)]
        found.append(Span(*span, *shares))
    return found


def _grams(numbers: np.ndarray, n: int) -> np.ndarray:
    hashes, length = mixed(numbers), 1
    while length < n:
        hashes = join_grams(hashes[:-length], hashes[length:], length) if len(hashes) > length else hashes[:0]
        length *= 2
    return hashes


def _scan(index: WordIndex, wanted: dict[int, np.ndarray]) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """(offset, n, places from the offset, rows of wanted[n]) of all occurrences of wanted n-grams, chunk by chunk."""
    levels = [n for n in LADDER if len(wanted.get(n, ()))]
    if not levels:
        return
    shift = np.uint64(64 - _FILTER_BITS)
    filters = {n: np.zeros(1 << _FILTER_BITS, bool) for n in levels}
    for n in levels:
        filters[n][wanted[n] >> shift] = True
    for offset in range(0, len(index.numbers), _CHUNK):
        hashes, length = mixed(index.numbers[offset : offset + _CHUNK + max(levels) - 1]), 1
        while True:
            if length in filters:
                places = np.flatnonzero(filters[length][hashes[:_CHUNK] >> shift])
                rows = np.searchsorted(wanted[length], hashes[places])
                rows[rows == len(wanted[length])] = 0
                hit = wanted[length][rows] == hashes[places]
                yield offset, length, places[hit], rows[hit]
            if length >= max(levels) or len(hashes) <= length:
                break
            hashes = join_grams(hashes[:-length], hashes[length:], length)
            length *= 2


def _places(index: WordIndex, wanted: dict[int, np.ndarray]) -> dict[int, dict[int, np.ndarray]]:
    """For each wanted n-gram, by its row, the places where it stands in the index, the first `_PLACES` of them."""
    found: dict[int, dict[int, list]] = {n: {} for n in wanted}
    for offset, n, places, rows in _scan(index, wanted):
        order = np.argsort(rows, kind="stable")
        values, firsts = np.unique(rows[order], return_index=True)
        for row, group in zip(values, np.split(places[order], firsts[1:]), strict=True):
            have = found[n].setdefault(int(row), [])
            if sum(map(len, have)) < _PLACES:
                have.append(group[:_PLACES] + offset)
    return {n: {row: np.concatenate(groups)[:_PLACES] for row, groups in rows.items()} for n, rows in found.items()}


def _diagonals(grams: np.ndarray, wanted: np.ndarray, places: dict[int, np.ndarray]) -> np.ndarray:
    """Differences between place in the index and place in the text, those with the most shared n-grams first."""
    rows = np.searchsorted(wanted, grams)
    rows[rows == len(wanted)] = 0
    hits = [places[int(row)] - i for i, row in enumerate(rows) if wanted[row] == grams[i] and int(row) in places]
    values, counts = np.unique(np.concatenate(hits), return_counts=True)
    return values[np.argsort(-counts, kind="stable")][:64]


def _extend(text: np.ndarray, diagonals: np.ndarray, index: WordIndex) -> tuple[int, int, int]:
    """The longest run of equal words along any of the diagonals: length, start in the text, story."""
    best = (0, 0, 0)
    for diagonal in diagonals:
        low = max(0, -int(diagonal))
        high = min(len(text), len(index.numbers) - int(diagonal))
        equal = text[low:high] == index.numbers[low + diagonal : high + diagonal]
        breaks = np.flatnonzero(np.concatenate([[True], ~equal, [True]]))
        runs = np.diff(breaks) - 1
        longest = int(runs.argmax())
        if runs[longest] > best[0]:
            start = low + int(breaks[longest])
            story = int(np.searchsorted(index.starts, start + diagonal, side="right")) - 1
            best = (int(runs[longest]), start, story)
    return best
