"""The longest run of words that a text shares with any story of an index.

A first scan of the index tells which 4-, 8-, 16-, … grams of the texts occur in it, so that the longest run of each text
is known to within a factor of two. A second one looks, wherever such a longest n-gram stands, for the longest stretch
that goes on in some text, by bisection: what begins a stretch that occurs occurs too. Lengths are exact, however often a
run stands in the index, and memory does not grow with the index.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.gram_scan import LADDER, Found, Hashes, Table, grams, scan
from evaluation.word_index import WordIndex

_LENGTHS_AT_ONCE = 8_000_000  # stretches looked for in one scan; copies of whole long stories take several


@dataclass(frozen=True)
class Span:
    """The longest shared run: words, where it starts in the text and in which story; the text's n-grams known to the corpus."""

    length: int
    start: int
    story: int | None
    known_4: float
    known_8: float


@dataclass(frozen=True)
class _Text:
    """A text's longest known n-grams: n, where they stand, and up to how many words a shared run from there can have."""

    number: int
    n: int
    places: np.ndarray
    limits: np.ndarray


def longest_spans(texts: Sequence[np.ndarray], index: WordIndex) -> list[Span]:
    """For each text, given as word numbers, its longest run of four or more words that a story has too; 0 when none."""
    hashes = {n: [grams(text, n) for text in texts] for n in LADDER}
    unique = {n: np.unique(np.concatenate([*hashes[n], np.zeros(0, np.uint64)])) for n in LADDER}
    tables = {n: Table(unique[n]) for n in LADDER}
    seen = {n: np.zeros(len(unique[n]), bool) for n in LADDER}
    rows_found = scan(index, tables, lambda _, found: [(n, np.unique(rows)) for n, (_, rows) in found.items()], LADDER[-1] - 1, "Shared words")
    for _, found in rows_found:
        for n, rows in found:
            seen[n][rows] = True
    known = {n: [seen[n][np.searchsorted(unique[n], g)] for g in hashes[n]] for n in LADDER}
    sharing = [found for i in range(len(texts)) if (found := _longest_known(i, {n: known[n][i] for n in LADDER}))]
    longest: dict[int, tuple[int, int, int]] = {}
    for some in _groups(sharing):
        longest |= _Search(texts, some, hashes, unique).run(index, tables)
    spans = []
    for i in range(len(texts)):
        length, start, place = longest.get(i, (0, 0, 0))
        story = int(np.searchsorted(index.starts, place, side="right")) - 1 if length else None
        shares = [float(known[n][i].mean()) if len(known[n][i]) else 0.0 for n in (4, 8)]
        spans.append(Span(length, start, story, *shares))
    return spans


def _longest_known(number: int, known: dict[int, np.ndarray]) -> _Text | None:
    n = max((n for n in LADDER if known[n].any()), default=0)
    if not n:
        return None
    # In a row of k neighbours that are known, a run from the first of them has at most n + k - 1 words.
    ends = np.flatnonzero(~np.append(known[n], False))
    places = np.flatnonzero(known[n])
    limits = n + ends[np.searchsorted(ends, places)] - places - 1
    return _Text(number, n, places, limits if n == LADDER[-1] else np.minimum(limits, 2 * n - 1))


def _groups(texts: Sequence[_Text]) -> Iterator[list[_Text]]:
    """The texts in groups that are searched for in one scan each."""
    group, size = [], 0
    for text in texts:
        lengths = int((text.limits - text.n).sum())
        if group and size + lengths > _LENGTHS_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(text)
        size += lengths
    if group:
        yield group


class _Search:
    """One scan for all stretches of some texts that are longer than their longest known n-grams."""

    def __init__(self, texts: Sequence[np.ndarray], some: Sequence[_Text], hashes: dict, unique: dict):
        self.some = some
        # By level: how long a run from an n-gram can be, 0 where nobody asks, and the first place where it stands.
        self.limits = {n: np.zeros(len(unique[n]), np.int64) for n in sorted({text.n for text in some})}
        self.firsts = {n: np.full(len(unique[n]), -1) for n in self.limits}
        self.rows, parts = [], []
        for text in some:
            rows = np.searchsorted(unique[text.n], hashes[text.n][text.number][text.places])
            np.maximum.at(self.limits[text.n], rows, text.limits)
            self.rows.append(rows)
            parts.append(_stretches(text, Hashes(texts[text.number])))
        # Of each stretch its text, start and length, those of one start together, the shorter first.
        self.owners, self.starts, self.lengths, every = map(np.concatenate, zip(*parts, strict=True))
        distinct, self.entries = np.unique(every, return_inverse=True)
        self.table, self.places = Table(distinct), np.full(len(distinct), -1)

    def run(self, index: WordIndex, tables: dict[int, Table]) -> dict[int, tuple[int, int, int]]:
        """By text: length of its longest run, its start there, and the first place in the index found for it."""
        overlap = max(LADDER[-1], *(int(limit.max()) for limit in self.limits.values()))
        for first, found in scan(index, tables, self._look, overlap, "Longest runs"):
            for known, rows, places in found:
                new = known[rows] < 0
                known[rows[new]] = places[new] + first
        reached = self._with_beginnings()
        best = {text.number: (text.n, int(text.places[0]), int(self.firsts[text.n][rows[0]])) for text, rows in zip(self.some, self.rows, strict=True)}
        longer = np.flatnonzero(reached >= 0)
        for i in longer[np.lexsort((-self.starts[longer], self.lengths[longer]))]:
            best[int(self.owners[i])] = int(self.lengths[i]), int(self.starts[i]), int(reached[i])
        return best

    def _look(self, numbers: np.ndarray, found: Found) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What a chunk adds: (where it is to be noted, rows there, places in the chunk)."""
        hashes, news = None, []
        for n, limits in self.limits.items():
            places, rows = found[n]
            wanted = limits[rows] > 0
            places, rows = places[wanted], rows[wanted]
            fresh = np.flatnonzero(self.firsts[n][rows] < 0)
            distinct, where = np.unique(rows[fresh], return_index=True)
            news.append((self.firsts[n], distinct, places[fresh[where]]))
            further = np.minimum(limits[rows], len(numbers) - places) > n
            if further.any():
                hashes = hashes or Hashes(numbers)
                places, most = places[further], np.minimum(limits[rows], len(numbers) - places)[further]
                entries = self._longest(hashes, places, n, most)
                distinct, where = np.unique(entries, return_index=True)
                news.append((self.places, distinct[distinct >= 0], places[where[distinct >= 0]]))
        return news

    def _longest(self, hashes: Hashes, places: np.ndarray, n: int, most: np.ndarray) -> np.ndarray:
        """The row of the longest listed stretch from each place on, -1 where none is longer than n."""
        low, high, entries = np.full(len(places), n), most.copy(), np.full(len(places), -1)
        while len(open_ := np.flatnonzero(low < high)):
            middle = (low[open_] + high[open_] + 1) // 2
            hits, rows = self.table.look_up(hashes.of(places[open_], middle))
            missed = np.ones(len(open_), bool)
            missed[hits] = False
            low[open_[hits]], entries[open_[hits]] = middle[hits], rows
            high[open_[missed]] = middle[missed] - 1
        return entries

    def _with_beginnings(self) -> np.ndarray:
        """For each stretch a place where it stands, or -1: where a longer one stands, so does what it begins with."""
        for _ in range(2):  # once to pass places on to what a stretch begins with, once to read what others passed on
            reached = self.places[self.entries]
            order = np.arange(len(reached))
            following = np.minimum.accumulate(np.where(reached >= 0, order, len(reached))[::-1])[::-1]
            following = np.minimum(following, len(reached) - 1)
            same = (self.owners[following] == self.owners) & (self.starts[following] == self.starts)
            reached = np.where(same, reached[following], -1)
            known = reached >= 0
            self.places[self.entries[known]] = reached[known]
        return self.places[self.entries]


def _stretches(text: _Text, hashes: Hashes) -> tuple[np.ndarray, ...]:
    """Text, start, length and hash of all that can be shared beyond n words."""
    counts = text.limits - text.n
    starts = np.repeat(text.places, counts)
    lengths = text.n + 1 + np.arange(len(starts)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.full(len(starts), text.number), starts, lengths, hashes.of(starts, lengths)
