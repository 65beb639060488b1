"""The training story nearest to a text: locality-sensitive hashing over the index's MinHash sketches."""

import sys
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from evaluation.word_index import BINS, EMPTY, WordIndex, join_grams, mixed, shingles, sketch

# Rows a band, tried in turn: sketches that agree in 8, 4, 2 neighbouring values. Fewer rows find fainter likeness and
# more strangers, so a text that has found a neighbour asks no further.
_ROWS = (8, 4, 2)
_CHUNK = 50_000  # stories at a time
_MOST = 2000  # stories a band may bring for one text; a band that brings more tells nothing
_LOOKED_AT = 20


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
            found[i] = _closest(hashes[i], sketches[i], stories, index)
    return found


def _candidates(sketches: np.ndarray, asking: list[int], index: WordIndex, rows: int) -> dict[int, np.ndarray]:
    """Stories that agree with each asking text in some band of `rows` sketch values."""
    mine = _band_keys(sketches[asking], rows)
    orders = np.argsort(mine, axis=0, kind="stable")
    keys = np.take_along_axis(mine, orders, 0)
    counts = np.zeros(
        (mine.shape[1], len(asking) + 1), np.int64
    )  # stories that a band's key, by its first place, brought
    texts, stories = [], []
    starts = range(0, len(index), _CHUNK)
    for start in tqdm(starts, desc=f"Nearest, {rows} alike", unit=" chunks", disable=not sys.stderr.isatty()):
        theirs = _band_keys(index.read_sketches(start, _CHUNK), rows)
        for band, count in enumerate(counts):
            left = np.searchsorted(keys[:, band], theirs[:, band], "left")
            sure = np.append(keys[:, band], 0)[left] == theirs[:, band]
            hits = np.flatnonzero(sure & (theirs[:, band] != 0))
            hits = hits[np.argsort(left[hits], kind="stable")]
            groups, firsts, sizes = np.unique(left[hits], return_index=True, return_counts=True)
            # Of a key that too many stories have, the first ones are taken.
            rank = np.arange(len(hits)) - np.repeat(firsts, sizes) + np.repeat(count[groups], sizes)
            count[groups] += sizes
            hits = hits[rank < _MOST]
            left = left[hits]
            width = np.searchsorted(keys[:, band], theirs[hits, band], "right") - left
            steps = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)
            texts.append(orders[np.repeat(left, width) + steps, band])
            stories.append(np.repeat(hits, width) + start)
    return _by_text(asking, np.concatenate(texts), np.concatenate(stories))


def _by_text(asking: list[int], texts: np.ndarray, stories: np.ndarray) -> dict[int, np.ndarray]:
    order = np.argsort(texts, kind="stable")
    values, firsts = np.unique(texts[order], return_index=True)
    groups = np.split(stories[order], firsts[1:])
    return {asking[place]: group for place, group in zip(values, groups, strict=False)}


def _band_keys(sketches: np.ndarray, rows: int) -> np.ndarray:
    """(stories, BINS // rows) keys; 0 where a value of the band is empty."""
    values = mixed(sketches).reshape(len(sketches), BINS // rows, rows)
    keys = values[:, :, 0]
    for row in range(1, rows):
        keys = join_grams(keys, values[:, :, row], 1)
    empty = (sketches == EMPTY).reshape(len(sketches), BINS // rows, rows).any(2)
    return np.where(empty, np.uint64(0), keys)


def _closest(hashes: np.ndarray, mine: np.ndarray, stories: np.ndarray, index: WordIndex) -> tuple[int, float]:
    """The story of highest exact Jaccard similarity among those whose sketches agree most."""
    stories = np.unique(stories)
    theirs = index.sketches[stories]
    agreeing = ((theirs == mine) & (mine != EMPTY)).sum(1)
    best = (int(stories[0]), -1.0)
    for story in stories[np.argsort(-agreeing, kind="stable")][:_LOOKED_AT]:
        other = np.unique(shingles(index.numbers[index.starts[story] + 1 : index.starts[story + 1]]))
        shared = len(np.intersect1d(hashes, other, assume_unique=True))
        similarity = shared / max(1, len(hashes) + len(other) - shared)
        if similarity > best[1]:
            best = (int(story), similarity)
    return best
