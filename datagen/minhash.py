"""MinHash sketches of sets of shingles (Broder 1997), and the pairs that locality-sensitive hashing finds by them."""

from collections.abc import Iterator

import numpy as np

SIZE = 120  # values of a sketch; it divides by every number of rows below
_ROWS = (10, 8, 6, 5, 4, 3, 2, 1)
_CERTAIN = 0.99  # a pair at the threshold is to be a candidate with this probability
_NEIGHBOURS = 16  # of a bucket, that each of its members is compared with
_STEP = 64  # texts sketched at once: their shingles times SIZE stay in the processor's cache
_PAIRS = 1 << 16
_MULTIPLIERS = (np.random.default_rng(20250407).integers(0, 1 << 32, SIZE, np.uint64) | np.uint64(1)).astype(np.uint32)
_BASE = np.uint64(0x9E3779B97F4A7C15)


def sketches(shingles: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(texts, SIZE) uint32 of texts whose shingles (uint32, well mixed) lie one after another, so many each.

    Value k is the least product, modulo 2**32, of a shingle and the k-th odd multiplier: each a permutation of all
    shingles. Two texts agree in a value with the probability of their Jaccard similarity. A text without shingles gets
    values of 2**32 - 1.
    """
    made = np.full((len(counts), SIZE), 0xFFFFFFFF, np.uint32)
    ends = np.cumsum(counts)
    for first in range(0, len(counts), _STEP):
        here = slice(first, first + _STEP)
        filled = np.flatnonzero(counts[here])
        if len(filled):
            starts = (ends - counts)[here]
            products = np.multiply.outer(_MULTIPLIERS, shingles[starts[0] : ends[here][-1]])
            made[first + filled] = np.minimum.reduceat(products, starts[filled] - starts[0], axis=1).T
    return made


def rows_for(threshold: float) -> int:
    """The most rows a band with which pairs at the threshold are still found; fewer would only bring more strangers."""
    return next((rows for rows in _ROWS if 1 - (1 - threshold**rows) ** (SIZE // rows) >= _CERTAIN), 1)


def candidate_pairs(made: np.ndarray, threshold: float) -> np.ndarray:
    """(pairs, 2) places of texts, the earlier first, whose sketches say that they may be similar; few say so wrongly.

    In a bucket of many texts each is compared with some neighbours only, so it takes time in proportion to the texts.
    """
    rows, sure = rows_for(threshold), threshold * SIZE - 3 * (SIZE * threshold * (1 - threshold)) ** 0.5
    found = [np.zeros(0, np.uint64)]
    for band in range(SIZE // rows):
        agreed = []
        for first, second in _in_one_bucket(_keys(made[:, band * rows : (band + 1) * rows])):
            for start in range(0, len(first), _PAIRS):
                a, b = first[start : start + _PAIRS], second[start : start + _PAIRS]
                likely = (made[a] == made[b]).sum(1) >= sure
                agreed.append(a[likely].astype(np.uint64) << np.uint64(32) | b[likely].astype(np.uint64))
        found = [np.unique(np.concatenate([*found, *agreed]))]
    return np.stack([found[0] >> np.uint64(32), found[0] & np.uint64(0xFFFFFFFF)], 1).astype(np.int64)


def _keys(values: np.ndarray) -> np.ndarray:
    """(texts,) uint64, equal where all values of a band are."""
    keys = np.zeros(len(values), np.uint64)
    for row in range(values.shape[1]):
        keys = (keys ^ values[:, row]) * _BASE
        keys ^= keys >> np.uint64(29)
    return keys


def _in_one_bucket(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    order = np.argsort(keys, kind="stable")  # within a bucket the earlier stay first
    keys = keys[order]
    for distance in range(1, _NEIGHBOURS + 1):
        same = np.flatnonzero(keys[distance:] == keys[:-distance])
        if not len(same):
            return
        yield order[same], order[same + distance]
