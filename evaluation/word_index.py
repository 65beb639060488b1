"""A corpus as word numbers on disk, with a MinHash sketch of every story: what the memorisation check searches.

2,000,000 stories of 200 words take 1.6 GB of words and 0.5 GB of sketches, and are built in one pass with a process a
core.
"""

import itertools
import json
import os
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from backend.errors import UserError
from backend.files import writing
from evaluation.corpus import files_of, parquet_batches, read_texts, state_of
from evaluation.text import words

BINS = 64  # values in a sketch
EMPTY = np.uint32(0xFFFFFFFF)
SHINGLE = 3  # words
GRAM_BASE = np.uint64(0x9E3779B97F4A7C15)
_WORDS, _SKETCHES = "words.bin", "sketches.bin"
_STORIES_A_JOB = 2000
_MOST_KNOWN = 500_000  # tokens a process remembers


@dataclass(frozen=True)
class WordIndex:
    """The words as uint32 with a 0 before each story, `size` of them, and a sketch of BINS values a story, in files.

    `starts` (stories + 1,) are the places of the zeros. Files are read, not mapped: what is mapped counts as memory in use.
    """

    starts: np.ndarray
    vocabulary: dict[int, str]
    source: str
    folder: Path

    def read_words(self, start: int, count: int) -> np.ndarray:
        """Up to `count` word numbers from `start` on."""
        return np.fromfile(self.folder / _WORDS, np.uint32, count, offset=start * 4)

    def read_sketches(self, start: int, count: int) -> np.ndarray:
        """Up to `count` sketches from story `start` on, (stories, BINS)."""
        return np.fromfile(self.folder / _SKETCHES, np.uint32, count * BINS, offset=start * BINS * 4).reshape(-1, BINS)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def size(self) -> int:
        """Words of all stories, and a 0 for each."""
        return int(self.starts[-1])

    def numbers(self, story: int) -> np.ndarray:
        """The word numbers of a story."""
        first = int(self.starts[story]) + 1
        return self.read_words(first, int(self.starts[story + 1]) - first)

    def words(self, story: int) -> list[str]:
        """The words of a story, in lower case and without punctuation."""
        return [self.vocabulary[int(n)] for n in self.numbers(story)]


def open_index(folder: Path) -> WordIndex:
    """Open an index. Raises UserError when it is not whole."""
    try:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        pairs = (line.split("\t") for line in (folder / "vocabulary.tsv").read_text("utf-8").splitlines())
        index = WordIndex(
            np.load(folder / "starts.npy"), {int(number): word for number, word in pairs}, meta["source"], folder
        )
        sizes = (folder / _WORDS).stat().st_size, (folder / _SKETCHES).stat().st_size
        if sizes != (4 * index.size, 4 * BINS * len(index)):
            raise ValueError("its files are not of one length")
        return index
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder} holds no whole index ({error}); delete it and build it again.") from None


def index_of(source: Path, folder: Path, column: str = "story") -> WordIndex:
    """The index of a corpus in a folder, built where there is none or the corpus has changed since."""
    try:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
    except (OSError, ValueError):
        meta = {}
    if (meta.get("files"), meta.get("column")) == (state_of(source), column):
        return open_index(folder)
    if folder.exists() and not (folder / "starts.npy").exists():
        raise UserError(f"{folder} is no index of stories; name another folder with --index.")
    return build_index(source, folder, column)


def build_index(source: Path, folder: Path, column: str = "story", workers: int | None = None) -> WordIndex:
    """Index a JSONL or Parquet file, or a folder of them, into `folder`; the folder appears when it is whole."""
    workers, state = workers or os.cpu_count() or 1, state_of(source)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    vocabulary: dict[int, str] = {}
    lengths = []
    jobs = ((column, batch) for batch in _batches(source, column))
    with (
        open(partial / _WORDS, "wb") as words_file,
        open(partial / _SKETCHES, "wb") as sketches_file,
        tqdm(unit=" stories", unit_scale=True, disable=not sys.stderr.isatty(), desc=f"Indexing {source.name}") as bar,
        ProcessPoolExecutor(workers, get_context("spawn")) as pool,
    ):
        # Only so many jobs are handed out that the corpus does not pile up in memory.
        waiting = [pool.submit(_index_batch, *job) for job in itertools.islice(jobs, 2 * workers)]
        while waiting:
            numbers, sizes, sketches, new_words = waiting.pop(0).result()
            waiting += [pool.submit(_index_batch, *job) for job in itertools.islice(jobs, 1)]
            numbers.tofile(words_file)
            sketches.tofile(sketches_file)
            lengths.append(sizes)
            vocabulary.update(new_words)
            bar.update(len(sizes))
    if not lengths:
        shutil.rmtree(partial)
        raise UserError(f"{source} holds no stories; check the file and --column.")
    np.save(partial / "starts.npy", np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64))
    with writing(partial / "vocabulary.tsv") as file:
        file.writelines(f"{number}\t{word}\n" for number, word in vocabulary.items())
    with writing(partial / "meta.json") as file:
        facts = {"source": str(source), "column": column, "stories": int(sum(map(len, lengths))), "files": state}
        json.dump(facts, file)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return open_index(folder)


def number_words(said: Iterable[str]) -> np.ndarray:
    """Words as uint32; never 0, which stands between stories."""
    return np.fromiter(map(_number, said), np.uint32)


def _number(word: str) -> int:
    return zlib.crc32(word.encode()) or 1


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Word numbers spread over 64 bits (splitmix64), so that sums of them are good hashes."""
    x = numbers.astype(np.uint64) + GRAM_BASE
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def join_grams(first: np.ndarray, second: np.ndarray, second_length: int) -> np.ndarray:
    """Hashes of n-grams followed by m-grams, from the hashes of both; arithmetic is modulo 2^64."""
    power = pow(int(GRAM_BASE), second_length, 1 << 64)
    return first * np.uint64(power) + second


def shingles(numbers: np.ndarray) -> np.ndarray:
    """Hashes of the word triples of one run of word numbers."""
    x = mixed(numbers)
    if len(x) < SHINGLE:
        return x[:0]
    return join_grams(join_grams(x[:-2], x[1:-1], 1), x[2:], 1)


def sketch(hashes: np.ndarray, stories: np.ndarray, n_stories: int) -> np.ndarray:
    """One-permutation MinHash (Li, Owen and Zhang 2012): for each story and bin the least hash, EMPTY where none fell."""
    hashes = mixed(hashes >> np.uint64(32)) ^ mixed(hashes)
    found = np.full(n_stories * BINS, EMPTY, np.uint32)
    places = stories * BINS + (hashes & np.uint64(BINS - 1)).astype(np.int64)
    np.minimum.at(found, places, (hashes >> np.uint64(32)).astype(np.uint32))
    return found.reshape(n_stories, BINS)


class _Tokens(dict):
    """What stands between spaces: the numbers of its words. No word holds a space, so tokens can be read one by one."""

    def __init__(self):
        self.spelt: dict[int, str] = {}  # the words that were met since this was last emptied

    def __missing__(self, token: str) -> tuple[int, ...]:
        said = words(token)
        self[token] = numbers = tuple(map(_number, said))
        self.spelt.update(zip(numbers, said, strict=True))
        return numbers


_TOKENS = _Tokens()


def _index_batch(column: str, batch: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[int, str]]:
    """Numbers, lengths and sketches of some stories, and those words that this process had not met before."""
    if len(_TOKENS) > _MOST_KNOWN:
        _TOKENS.clear()
    texts = (_text_of(row, column) if isinstance(row, bytes) else row for row in batch)
    said = [[0, *itertools.chain.from_iterable(map(_TOKENS.__getitem__, text.split()))] for text in texts]
    sizes = np.fromiter(map(len, said), np.int64, len(said))
    numbers = np.fromiter(itertools.chain.from_iterable(said), np.uint32, int(sizes.sum()))
    hashes, owners = shingles(numbers), np.repeat(np.arange(len(said)), sizes)
    # A triple that holds a story's leading 0 anywhere lies across a border.
    inside = (numbers[:-2] != 0) & (numbers[1:-1] != 0) & (numbers[2:] != 0)
    sketches = sketch(hashes[inside], owners[: len(inside)][inside], len(said))
    new_words, _TOKENS.spelt = _TOKENS.spelt, {}
    return numbers, sizes, sketches, new_words


def _text_of(line: bytes, column: str) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        raise UserError(f"The corpus has a line that is not JSON: {line[:80].decode(errors='replace')!r}.") from None
    if not isinstance(row, dict) or column not in row:
        raise UserError(
            f"A row of the corpus has no column '{column}'; it has {', '.join(map(str, row))[:200]}. Name it with --column."
        )
    return str(row[column] or "")


def _batches(source: Path, column: str) -> Iterator[Sequence]:
    for file in files_of(source):
        if file.suffix == ".parquet":
            for batch in parquet_batches(file, column, _STORIES_A_JOB):
                yield [text or "" for text in batch]
        elif file.suffix == ".json":
            texts = read_texts(file, column)
            yield from (texts[first : first + _STORIES_A_JOB] for first in range(0, len(texts), _STORIES_A_JOB))
        else:
            with open(file, "rb") as lines:
                rows = (line for line in lines if line.strip())
                while batch := list(itertools.islice(rows, _STORIES_A_JOB)):
                    yield batch
