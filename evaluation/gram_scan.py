"""A scan of an index's words for n-grams that are listed: chunk by chunk, a thread a core, in little memory.

n is 4, 8, 16, …: a 2n-gram is looked for only where two n-grams were found, and its hash comes from theirs, so each
further n costs little.
"""

import functools
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from evaluation.word_index import GRAM_BASE, WordIndex, join_grams, mixed

LADDER = (4, 8, 16, 32, 64, 128, 256)
CHUNK = 500_000  # words scanned at a time: few enough that they stay in the processor's cache
_MOST_BUCKET_BITS = 22

Found = dict[int, tuple[np.ndarray, np.ndarray]]  # n: places where a listed n-gram begins, its row in the list


class Table:
    """Rows of a sorted list of hashes, found by their first bits: `np.searchsorted` takes many times as long."""

    def __init__(self, hashes: np.ndarray):
        self.hashes = hashes
        bits = min(_MOST_BUCKET_BITS, len(hashes).bit_length() + 2)
        self.shift = np.uint64(64 - bits)
        borders = np.arange((1 << bits) + 1, dtype=np.uint64)
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


class Hashes:
    """Hashes of any stretch of one run of word numbers, equal to those of `grams`."""

    def __init__(self, numbers: np.ndarray):
        self.powers, inverses = _powers(-(-len(numbers) // 4096) * 4096)
        self.sums = np.zeros(len(numbers) + 1, np.uint64)
        np.cumsum(mixed(numbers) * inverses[: len(numbers)], out=self.sums[1:])

    def of(self, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Hashes of the stretches of `lengths` words from `starts` on."""
        ends = starts + lengths
        return (self.sums[ends] - self.sums[starts]) * self.powers[ends - 1]


def grams(numbers: np.ndarray, n: int) -> np.ndarray:
    """Hashes of all n-grams of a run of word numbers, n a power of two."""
    hashes, length = mixed(numbers), 1
    while length < n:
        hashes = join_grams(hashes[:-length], hashes[length:], length) if len(hashes) > length else hashes[:0]
        length *= 2
    return hashes


def scan(index: WordIndex, tables: Mapping[int, Table], work: Callable, overlap: int, name: str) -> Iterator[tuple]:
    """(first place, what `work` makes of a chunk's words and what was found in it) for chunk after chunk, in order.

    A chunk holds `overlap` words more than are its own; only its own places are among what was found.
    """

    def look(start: int) -> tuple:
        numbers = index.read_words(start, CHUNK + overlap)
        return start, work(numbers, _look_through(numbers, tables))

    jobs = range(0, index.size, CHUNK)
    yield from tqdm(_side_by_side(look, jobs), total=len(jobs), desc=name, unit=" chunks", disable=not sys.stderr.isatty())


def _look_through(numbers: np.ndarray, tables: Mapping[int, Table]) -> Found:
    hashes = grams(numbers, LADDER[0])
    places, rows = tables[LADDER[0]].look_up(hashes)
    found = {LADDER[0]: (places, rows)}
    for length in LADDER[:-1]:
        here = np.zeros(len(numbers) + length, bool)
        here[places] = True
        places = places[here[places + length]]
        longer = join_grams(hashes[places], hashes[places + length], length)
        hits, rows = tables[2 * length].look_up(longer)
        places = places[hits]
        hashes[places] = longer[hits]
        found[2 * length] = places, rows
    return {n: (places[places < CHUNK], rows[places < CHUNK]) for n, (places, rows) in found.items()}


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


@functools.lru_cache(2)
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first powers of the hashes' base and of its inverse, modulo 2^64."""
    inverse = np.uint64(pow(int(GRAM_BASE), -1, 1 << 64))
    ones = np.ones(count, np.uint64)
    return tuple(np.cumprod(np.concatenate([ones[:1], ones[1:] * base])) for base in (GRAM_BASE, inverse))
