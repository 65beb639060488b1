"""Reads safetensors into numpy without torch, bf16 included, one tensor at a time."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from backend.errors import UserError

_DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "F64": np.dtype("<f8")}


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder. Raises UserError when there is none."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        files = [folder / Path(name).name for name in names]
    else:
        files = [folder / "model.safetensors"]
    for file in files:
        if not file.is_file():
            raise UserError(f"{file} is missing, so {folder} cannot be served; export the model as safetensors.")
    return files


def read_tensors(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Names and tensors of one file as float32, memory-mapped until each is read.

    Raises UserError for a file that is cut short or holds a type that is no weight.
    """
    size = file.stat().st_size
    with open(file, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, 100_000_000):
            raise UserError(f"{file} is not a whole safetensors file; download or export it again.")
        try:
            header = json.loads(stream.read(length))
        except ValueError:
            raise UserError(f"{file} has a broken header; download or export it again.") from None
    data = np.memmap(file, np.uint8, "r", offset=8 + length) if size > 8 + length else np.empty(0, np.uint8)
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise UserError(f"{file}: '{name}' is of type {entry['dtype']}; only F32, F16 and BF16 weights are served.")
        if not 0 <= start <= end <= len(data) or (end - start) != dtype.itemsize * int(np.prod(entry["shape"])):
            raise UserError(f"{file} is cut short at '{name}'; download or export it again.")
        values = np.frombuffer(data[start:end].tobytes(), dtype)
        if entry["dtype"] == "BF16":
            values = (values.astype("<u4") << 16).view("<f4")
        yield name, values.astype(np.float32, copy=False).reshape(entry["shape"])
