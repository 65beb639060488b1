"""Tokens from disk: memory-mapped, every token once an epoch in a new seeded order, any position by arithmetic alone."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.errors import UserError

IGNORED = -100  # target of a position that is not learnt; PyTorch's own mark
SCAN = 1 << 24


class Rows:
    """One `.bin` file as rows of block_size + 1 tokens, in an endless seeded order.

    With whole documents a row holds as many stories as fit; else the text is cut anywhere, each epoch elsewhere.
    A row is a function of (seed, position): resuming needs the step alone, and ranks take positions in turn.
    """

    def __init__(self, folder: Path | str, split: str, block_size: int, seed: int = 0, whole_documents: bool = True):
        self.meta = read_meta(Path(folder))
        path = Path(folder) / f"{split}.bin"
        self.data = map_tokens(path, np.dtype(self.meta["dtype"]))
        self.block_size, self.seed, self.whole_documents = block_size, seed, whole_documents
        if whole_documents:
            self._starts, self._lengths = find_documents(self.data, self.meta["bos_id"], self.meta["eos_id"], block_size + 1)
            self._packed, self._bounds = pack(self._lengths, block_size + 1)
            self.count = len(self._bounds) - 1
        else:
            self.count = (len(self.data) - 1) // block_size
        if self.count < 1:
            raise UserError(f"{path} holds {len(self.data)} tokens, fewer than one row of {block_size}; give more text.")
        self._epoch: tuple[int, int, np.ndarray] | None = None

    def batch(self, first: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rows first … first + size - 1 of the order as (ids, targets, documents), each (size, block_size).

        `documents` numbers the stories of a row; targets are IGNORED where a row is not filled or the next story begins.
        """
        rows = np.empty((2, size, self.block_size + 1), np.int64)
        read = self._stories if self.whole_documents else self._window
        for i in range(size):
            read(first + i, *rows[:, i])
        tokens, documents = torch.from_numpy(rows)
        ids, targets = tokens[:, :-1].clamp(min=0), tokens[:, 1:]
        if self.whole_documents:
            targets = targets.masked_fill(documents[:, 1:] != documents[:, :-1], IGNORED)
        return ids, targets, documents[:, :-1]

    def _stories(self, position: int, tokens: np.ndarray, documents: np.ndarray) -> None:
        _, row = self._place(position)
        tokens[:], end = IGNORED, 0
        for number, document in enumerate(self._packed[self._bounds[row] : self._bounds[row + 1]]):
            start, length = self._starts[document], self._lengths[document]
            tokens[end : end + length] = self.data[start : start + length]
            documents[end:] = number
            end += length

    def _window(self, position: int, tokens: np.ndarray, documents: np.ndarray) -> None:
        offset, row = self._place(position)
        start = (offset + row * self.block_size) % len(self.data)
        window = self.data[start : start + self.block_size + 1]
        tokens[: len(window)] = window
        tokens[len(window) :] = self.data[: len(tokens) - len(window)]
        documents[:] = (tokens == self.meta["bos_id"]).cumsum()

    def _place(self, position: int) -> tuple[int, int]:
        """The epoch's offset into the text, and the row that stands at a position."""
        epoch, within = divmod(position, self.count)
        if self._epoch is None or self._epoch[0] != epoch:
            dice = np.random.default_rng([self.seed, epoch])
            self._epoch = (epoch, int(dice.integers(len(self.data))), dice.permutation(self.count))
        return self._epoch[1], int(self._epoch[2][within])


def ahead(read: Callable, first: int, end: int) -> Iterator:
    """read(first) … read(end - 1), the next one being read while this one is used."""
    with ThreadPoolExecutor(1, "read-ahead") as pool:
        coming = pool.submit(read, first)
        for position in range(first + 1, end + 1):
            ready = coming.result()
            if position < end:
                coming = pool.submit(read, position)
            yield ready


def find_documents(data: np.ndarray, bos_id: int, eos_id: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths of all documents; longer ones are cut into pieces."""
    parts = [np.flatnonzero(data[i : i + SCAN] == bos_id) + i for i in range(0, len(data), SCAN)]
    starts = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    if bos_id == eos_id:
        starts = starts[::2]
    lengths = np.diff(starts, append=len(data))
    pieces = -(-lengths // longest)
    nth = np.arange(pieces.sum()) - np.repeat(pieces.cumsum() - pieces, pieces)
    starts = np.repeat(starts, pieces) + nth * longest
    return starts, np.minimum(np.repeat(lengths, pieces) - nth * longest, longest)


def pack(lengths: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """Documents into rows of `room` tokens: (documents row after row, bounds of the rows in it).

    Best fit, longest first: each document goes into the fullest row that still has room for it.
    """
    row_of = np.empty(len(lengths), np.int64)
    rows_with: list[list[int]] = [[] for _ in range(room + 1)]  # rows by the room that is left in them
    not_empty, rows = 0, 0  # bit i: rows_with[i] has some
    order = np.argsort(-lengths, kind="stable")
    for document, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        fitting = not_empty >> length
        if fitting:
            left = length + (fitting & -fitting).bit_length() - 1
            row = rows_with[left].pop()
            if not rows_with[left]:
                not_empty ^= 1 << left
        else:
            left, row = room, rows
            rows += 1
        row_of[document] = row
        rows_with[left - length].append(row)
        not_empty |= 1 << (left - length)
    packed = np.argsort(row_of, kind="stable")
    return packed, np.searchsorted(row_of[packed], np.arange(rows + 1))


def map_tokens(path: Path, dtype: np.dtype) -> np.ndarray:
    """The tokens of a `.bin` file, left on disk. Raises UserError when it is empty or cut off within a token."""
    try:
        return np.memmap(path, dtype=dtype, mode="r")
    except ValueError:
        size = path.stat().st_size
        raise UserError(
            f"{path} has {size} bytes, which are no tokens of {dtype.itemsize} bytes each; make it anew with trainer/prepare.py."
        ) from None


def read_meta(folder: Path) -> dict:
    """`meta.json` of a folder of tokens. Raises UserError when there is none, or a damaged one."""
    path = folder / "meta.json"
    if not path.exists():
        raise UserError(f"{folder} holds no meta.json; make it with trainer/prepare.py --out {folder}.")
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError:
        raise UserError(f"{path} is damaged; make it anew with trainer/prepare.py --out {folder}.") from None
