"""The training story nearest to a text: locality-sensitive hashing over the index's MinHash sketches."""

import sys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from tqdm import tqdm

from evaluation.word_index import BINS, EMPTY, WordIndex, join_grams, mixed, shingles, sketch

# Rows a band, tried in turn: sketches that agree in 8, 4, 2 neighbouring values. Fewer rows find fainter likeness and
# more strangers, so a text that has found a neighbour asks no further.
_ROWS = (8, 4, 2)
_CHUNK = 20_000  # stories at a time
_MOST = 2000  # stories a band may bring for one text; a band that brings more tells nothing
_LOOKED_AT = 20  # stories whose words are compared


def nearest_stories(texts: Sequence[np.ndarray], index: WordIndex) -> list[tuple[int, float] | None]:
    """For each text, given as word numbers, the story with the highest Jaccard similarity of word triples, and that.

    Found by sketches, so a faint likeness can be missed; the similarity given is exact. None when nothing was found.
    """
    hashes = [np.unique(shingles(text)) for text in texts]
    owners = np.repeat(np.arange(len(texts)), [len(h) for h in hashes])
    sketches = sketch(np.concatenate([*hashes, np.zeros(0, np.uint64)]), owners, len(texts))
    found: list[tuple[int, float] | None] = [None] * len(texts)
    for rows in _ROWS:
        asking = [i for i in range(len(texts)) if found[i] is None]
        if not asking:
            break
        for i, stories in _candidates(sketches, asking, index, rows).items():
            found[i] = _closest(hashes[i], stories, index)
    return found


def _candidates(sketches: np.ndarray, asking: list[int], index: WordIndex, rows: int) -> dict[int, np.ndarray]:
    """For each asking text the stories whose sketches agree most with its own, of those that agree in some band."""
    mine = sketches[asking]
    bands = _Bands(_band_keys(mine, rows))
    best = np.zeros((0, 3), np.int64)  # text's place in `asking`, values that agree, story
    starts = range(0, len(index), _CHUNK)
    for start in tqdm(starts, desc=f"Nearest, {rows} alike", unit=" chunks", disable=not sys.stderr.isatty()):
        theirs = index.read_sketches(start, _CHUNK)
        texts, stories = bands.pairs(_band_keys(theirs, rows))
        agreeing = np.empty(len(texts), np.int64)
        for first in range(0, len(texts), _CHUNK):
            some = slice(first, first + _CHUNK)
            values = mine[texts[some]]
            agreeing[some] = ((values == theirs[stories[some]]) & (values != EMPTY)).sum(1)
        best = _most_alike(np.concatenate([best, np.column_stack([texts, agreeing, stories + start])]))
    borders = np.searchsorted(best[:, 0], np.arange(len(asking) + 1))
    return {asking[i]: best[a:b, 2] for i, (a, b) in enumerate(pairwise(borders)) if a < b}


def _most_alike(rows: np.ndarray) -> np.ndarray:
    """Of each text the `_LOOKED_AT` rows with the most agreement, the earlier stories first among equals."""
    rows = rows[np.lexsort((rows[:, 2], -rows[:, 1], rows[:, 0]))]
    firsts = np.searchsorted(rows[:, 0], rows[:, 0])
    return rows[np.arange(len(rows)) - firsts < _LOOKED_AT]


class _Bands:
    """The texts' bands, and how many stories each of their keys has brought."""

    def __init__(self, keys: np.ndarray):
        self.orders = np.argsort(keys, axis=0, kind="stable")
        self.keys = np.take_along_axis(keys, self.orders, 0)
        self.counts = np.zeros((keys.shape[1], len(keys) + 1), np.int64)  # by the first place of a key

    def pairs(self, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Texts and stories of a chunk that agree in some band, each pair once."""
        found = [np.zeros(0, np.int64)]
        for band, count in enumerate(self.counts):
            keys = self.keys[:, band]
            left = np.searchsorted(keys, theirs[:, band], "left")
            sure = np.append(keys, 0)[left] == theirs[:, band]
            hits = np.flatnonzero(sure & (theirs[:, band] != 0))
            hits = hits[np.argsort(left[hits], kind="stable")]
            groups, firsts, sizes = np.unique(left[hits], return_index=True, return_counts=True)
            # Of a key that too many stories have, the first ones are taken.
            rank = np.arange(len(hits)) - np.repeat(firsts, sizes) + np.repeat(count[groups], sizes)
            count[groups] += sizes
            hits = hits[rank < _MOST]
            left = left[hits]
            width = np.searchsorted(keys, theirs[hits, band], "right") - left
            steps = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)
            found.append(self.orders[np.repeat(left, width) + steps, band] * _CHUNK + np.repeat(hits, width))
        pairs = np.unique(np.concatenate(found))
        return pairs // _CHUNK, pairs % _CHUNK


def _band_keys(sketches: np.ndarray, rows: int) -> np.ndarray:
    """(stories, BINS // rows) keys; 0 where a value of the band is empty."""
    values = mixed(sketches).reshape(len(sketches), BINS // rows, rows)
    keys = values[:, :, 0]
    for row in range(1, rows):
        keys = join_grams(keys, values[:, :, row], 1)
    empty = (sketches == EMPTY).reshape(len(sketches), BINS // rows, rows).any(2)
    return np.where(empty, np.uint64(0), keys)


def _closest(hashes: np.ndarray, stories: np.ndarray, index: WordIndex) -> tuple[int, float]:
    """The story of highest exact Jaccard similarity."""
    best = (int(stories[0]), -1.0)
    for story in map(int, stories):
        other = np.unique(shingles(index.numbers(story)))
        shared = len(np.intersect1d(hashes, other, assume_unique=True))
        similarity = shared / max(1, len(hashes) + len(other) - shared)
        if similarity > best[1]:
            best = (story, similarity)
    return best
