"""Tokens from disk: memory-mapped, every token once an epoch in a new seeded order, any position by arithmetic alone."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.errors import UserError


class Tokens:
    """One `.bin` file cut into windows of block_size + 1 tokens, which overlap by one.

    Each epoch rolls the text by a random offset and permutes its windows, both seeded, so a batch is a function of
    (seed, step, rank) and resuming needs only the step.
    """

    def __init__(self, folder: Path | str, split: str, block_size: int, seed: int = 0):
        folder = Path(folder)
        self.meta = read_meta(folder)
        path = folder / f"{split}.bin"
        self.data = np.memmap(path, dtype=np.dtype(self.meta["dtype"]), mode="r")
        self.block_size, self.seed = block_size, seed
        self.windows = (len(self.data) - 1) // block_size
        if self.windows < 1:
            raise UserError(f"{path} holds {len(self.data)} tokens, fewer than one window of {block_size}; give more text.")
        self._epoch: tuple[int, int, np.ndarray] | None = None

    def batch(self, first: int, size: int) -> tuple[Tensor, Tensor]:
        """Windows first … first + size - 1 of the endless seeded order, as (ids, targets), each (size, block_size)."""
        rows = np.stack([self._window(first + i) for i in range(size)]).astype(np.int64)
        both = torch.from_numpy(rows)
        return both[:, :-1], both[:, 1:]

    def _window(self, position: int) -> np.ndarray:
        epoch, within = divmod(position, self.windows)
        if self._epoch is None or self._epoch[0] != epoch:
            dice = np.random.default_rng([self.seed, epoch])
            self._epoch = (epoch, int(dice.integers(len(self.data))), dice.permutation(self.windows))
        _, offset, order = self._epoch
        start = (offset + int(order[within]) * self.block_size) % len(self.data)
        window = self.data[start : start + self.block_size + 1]
        if len(window) <= self.block_size:
            window = np.concatenate([window, self.data[: self.block_size + 1 - len(window)]])
        return window


def read_meta(folder: Path) -> dict:
    """`meta.json` of a folder of tokens. Raises UserError when there is none."""
    path = folder / "meta.json"
    if not path.exists():
        raise UserError(f"{folder} holds no meta.json; make it with trainer/prepare.py --out {folder}.")
    return json.loads(path.read_text("utf-8"))
