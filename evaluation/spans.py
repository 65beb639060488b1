"""The longest run of words that a text shares with any story of an index.

One scan of the index tells which n-grams of the texts occur in it, for n = 4, 8, 16, …; a 2n-gram is looked for only
where two n-grams were found, and its hash comes from theirs, so each further n costs little. A second scan finds where
the longest of them stand, and words are compared there, so that spans are exact.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from evaluation.word_index import WordIndex, join_grams, mixed

LADDER = (4, 8, 16, 32, 64, 128)
_CHUNK = 500_000  # words scanned at a time: few enough that they stay in the processor's cache
_PLACES = 256  # occurrences looked at for one n-gram
_BUCKET_BITS = 22


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
    tables = {n: _Table(unique[n]) for n in LADDER}
    seen = {n: np.zeros(len(unique[n]), bool) for n in LADDER}
    for _, found in _scan(index, tables):
        for n, (_, rows) in found.items():
            seen[n][rows] = True
    known = {n: [seen[n][np.searchsorted(unique[n], g)] for g in grams[n]] for n in LADDER}
    best = [max((n for n in LADDER if known[n][i].any()), default=0) for i in range(len(texts))]

    wanted = {n: np.zeros(len(unique[n]), bool) for n in LADDER}
    for i, n in enumerate(best):
        if n:
            wanted[n][np.searchsorted(unique[n], grams[n][i][known[n][i]])] = True
    places = _places(index, tables, wanted)
    found = []
    for i, text in enumerate(texts):
        span = (0, 0, None)
        if best[i]:
            span = _extend(text, _diagonals(grams[best[i]][i], unique[best[i]], places[best[i]]), index)
        shares = [float(known[n][i].mean()) if len(known[n][i]) else 0.0 for n in (4, 8)]
        found.append(Span(*span, *shares))
    return found


def _grams(numbers: np.ndarray, n: int) -> np.ndarray:
    hashes, length = mixed(numbers), 1
    while length < n:
        hashes = join_grams(hashes[:-length], hashes[length:], length) if len(hashes) > length else hashes[:0]
        length *= 2
    return hashes


class _Table:
    """Rows of a sorted list of hashes, found by their first bits: `np.searchsorted` takes many times as long."""

    def __init__(self, hashes: np.ndarray):
        self.hashes = hashes
        self.shift = np.uint64(64 - _BUCKET_BITS)
        borders = np.arange((1 << _BUCKET_BITS) + 1, dtype=np.uint64)
        self.starts = np.searchsorted(hashes >> self.shift, borders).astype(np.int32)

    def look_up(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of these hashes are listed, by place, and their rows."""
        buckets = hashes >> self.shift
        rows, ends = self.starts[buckets], self.starts[buckets + np.uint64(1)]
        left = np.flatnonzero(rows < ends)
        found_places, found_rows = [], []
        step = 0
        while len(left):
            tried = rows[left] + step
            hit = self.hashes[tried] == hashes[left]
            found_places.append(left[hit])
            found_rows.append(tried[hit])
            step += 1
            left = left[~hit & (tried + 1 < ends[left])]
        if not found_places:
            return left, left
        places = np.concatenate(found_places)
        order = np.argsort(places, kind="stable")
        return places[order], np.concatenate(found_rows)[order]


Found = dict[int, tuple[np.ndarray, np.ndarray]]  # n: places in the index where an n-gram of the texts stands, its row


def _scan(index: WordIndex, tables: dict[int, _Table]) -> Iterator[tuple[int, Found]]:
    """(first place, what was found) of the index, chunk by chunk, in its order."""

    def look(start: int) -> tuple[int, Found]:
        return start, _look_through(index.read_words(start, _CHUNK + LADDER[-1] - 1), tables)

    jobs = range(0, len(index.numbers), _CHUNK)
    yield from tqdm(
        _side_by_side(look, jobs), total=len(jobs), desc="Shared spans", unit=" chunks", disable=not sys.stderr.isatty()
    )


def _look_through(numbers: np.ndarray, tables: dict[int, _Table]) -> Found:
    """All n-grams of the texts that begin within a chunk; n-grams that it cuts off are the next chunk's."""
    hashes, length = mixed(numbers), 1
    while length < LADDER[0]:
        hashes = join_grams(hashes[:-length], hashes[length:], length) if len(hashes) > length else hashes[:0]
        length *= 2
    places, rows = tables[length].look_up(hashes)
    found = {length: (places, rows)}
    for length in LADDER[:-1]:
        here = np.zeros(len(numbers) + length, bool)
        here[places] = True
        places = places[here[places + length]]
        longer = join_grams(hashes[places], hashes[places + length], length)
        hits, rows = tables[2 * length].look_up(longer)
        places = places[hits]
        hashes[places] = longer[hits]
        found[2 * length] = places, rows
    return {n: (places[places < _CHUNK], rows[places < _CHUNK]) for n, (places, rows) in found.items()}


def _side_by_side(work: Callable, jobs: Iterable) -> Iterator:
    """Results in the order of the jobs, on a thread a core (numpy lets threads run), few of them waiting at a time."""
    workers = os.cpu_count() or 1
    waiting: deque = deque()
    with ThreadPoolExecutor(workers) as pool:
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _places(
    index: WordIndex, tables: dict[int, _Table], wanted: dict[int, np.ndarray]
) -> dict[int, dict[int, np.ndarray]]:
    """For each wanted n-gram, by its row, the places where it stands in the index, the first `_PLACES` of them."""
    counts = {n: np.zeros(len(mask), np.int64) for n, mask in wanted.items() if mask.any()}
    kept: dict[int, list] = {n: [] for n in counts}
    for start, found in _scan(index, tables):
        for n in kept:
            places, rows = found[n]
            mine = wanted[n][rows] & (counts[n][rows] < _PLACES)
            np.add.at(counts[n], rows[mine], 1)
            kept[n].append((rows[mine], places[mine] + start))
    return {n: _by_row(parts) for n, parts in kept.items()}


def _by_row(parts: list[tuple[np.ndarray, np.ndarray]]) -> dict[int, np.ndarray]:
    if not parts:
        return {}
    rows, places = map(np.concatenate, zip(*parts, strict=True))
    order = np.argsort(rows, kind="stable")
    values, firsts = np.unique(rows[order], return_index=True)
    groups = np.split(places[order], firsts[1:])
    return {int(row): group[:_PLACES] for row, group in zip(values, groups, strict=True)}


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
