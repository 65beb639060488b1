"""Near-duplicates among any number of texts: which to drop for which, and which must stay on one side of a split.

Two texts are near-duplicates when the Jaccard similarity of their shingles is at or above a threshold. Pairs are found
by MinHash and judged by their true similarity, so none is called similar that is not; a few are missed. Shingles and
sketches lie in temporary files (1.3 kB a story of 200 words), memory grows by some 50 bytes a text.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from datagen.minhash import SIZE, candidate_pairs, sketches
from datagen.shingles import Shingler

LEAST = 0.3  # below, nearly every pair of stories would have to be compared
_BATCH = 2000  # texts shingled at once


@dataclass(frozen=True)
class NearDuplicates:
    """Of each text, by its place: `kept` (n,), its own place, or that of the earlier text that it repeats; `similarity`
    (n,) to that one; `cluster` (n,), the place of the first of all that it is linked with, directly or by others.
    """

    kept: np.ndarray
    similarity: np.ndarray
    cluster: np.ndarray

    @property
    def dropped(self) -> int:
        """How many repeat an earlier one."""
        return int((self.kept != np.arange(len(self.kept))).sum())


def near_duplicates(texts: Iterable[str], threshold: float, folder: Path | None = None) -> NearDuplicates:
    """Compare all texts, each with all others; of those that are alike the first is kept. `threshold` is LEAST to 1.

    Temporary files lie in `folder`, by default where the system keeps such files.
    """
    with tempfile.TemporaryDirectory(prefix="near-duplicates-", dir=folder) as files:
        sets = _Sets(texts, Path(files))
        pairs = candidate_pairs(sets.sketches, threshold) if len(sets) else np.zeros((0, 2), np.int64)
        return _judge(sets, pairs, threshold)


class _Sets:
    """Shingles and sketches of all texts, on the disk."""

    def __init__(self, texts: Iterable[str], folder: Path):
        shingler, counts, texts = Shingler(), [np.zeros(0, np.int64)], iter(texts)
        with open(folder / "shingles", "wb") as shingles_file, open(folder / "sketches", "wb") as sketches_file:
            while batch := list(islice(texts, _BATCH)):
                shingles, sizes = shingler.sets(batch)
                shingles.tofile(shingles_file)
                sketches(shingles, sizes).tofile(sketches_file)
                counts.append(sizes)
        self._ends = np.cumsum(np.concatenate(counts))
        self._shingles = _mapped(folder / "shingles")
        self.sketches = _mapped(folder / "sketches").reshape(-1, SIZE)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, place: int) -> np.ndarray:
        start = self._ends[place - 1] if place else 0
        return self._shingles[start : self._ends[place]]

    def similarity(self, first: int, second: int) -> float:
        """The Jaccard similarity of two texts."""
        a, b = self[first], self[second]
        shared = len(np.intersect1d(a, b, assume_unique=True))
        return shared / max(1, len(a) + len(b) - shared)


def _mapped(path: Path) -> np.ndarray:
    return np.memmap(path, np.uint32, "r") if path.stat().st_size else np.zeros(0, np.uint32)


def _judge(sets: _Sets, pairs: np.ndarray, threshold: float) -> NearDuplicates:
    kept, similarity = np.arange(len(sets)), np.ones(len(sets), np.float32)
    cluster = np.arange(len(sets))
    for place, earlier in _by_later(pairs):
        alike: dict[int, float] = {}
        for other in earlier:
            found = sets.similarity(other, place)
            if found < threshold:
                continue
            _join(cluster, other, place)
            keeper = int(kept[other])
            if keeper not in alike:  # the one that was kept for it is the only one that this can be dropped for
                alike[keeper] = found if keeper == other else sets.similarity(keeper, place)
        if alike and max(alike.values()) >= threshold:
            kept[place] = max(alike, key=alike.get)
            similarity[place] = alike[int(kept[place])]
    return NearDuplicates(kept, similarity, np.array([_first(cluster, place) for place in range(len(sets))], np.int64))


def _by_later(pairs: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """Each text that may repeat earlier ones, in order, with those."""
    pairs = pairs[np.argsort(pairs[:, 1], kind="stable")]
    later, starts = np.unique(pairs[:, 1], return_index=True)
    for place, earlier in zip(later.tolist(), np.split(pairs[:, 0], starts[1:]), strict=len(later) > 0):
        yield place, earlier.tolist()


def _first(cluster: np.ndarray, place: int) -> int:
    while cluster[place] != place:
        cluster[place] = place = cluster[cluster[place]]
    return int(place)


def _join(cluster: np.ndarray, a: int, b: int) -> None:
    a, b = sorted((_first(cluster, a), _first(cluster, b)))
    cluster[b] = a
