"""A stock model folder as the engine reads it, made once, without torch, and found again by the folder's content."""

import functools
import hashlib
from pathlib import Path

from backend.cache import cache_folder
from backend.errors import UserError
from backend.files import making
from backend.slm.config import read_config
from backend.slm.native.compiler import weights_are_interleaved
from backend.slm.packing import packed, write_arrays
from backend.slm.weights import read_tensors, weight_files

# Part of the key: raise it when what is written changes.
_VERSION = b"4"


def converted(folder: Path) -> Path:
    """The folder with the weights of a model in eight bits, written at the first call.

    Safe between processes: it appears whole or not at all. Raises UserError for a model that cannot be served.
    """
    config, interleaved = read_config(folder), weights_are_interleaved()
    path = cache_folder() / "models" / _digest(folder, interleaved)
    if path.exists():
        return path
    weights = {name: tensor for file in weight_files(folder) for name, tensor in read_tensors(file)}
    try:
        arrays = packed(weights, config, interleaved)
    except KeyError as error:
        raise UserError(f"{folder} has no weight {error}, so it is no whole {config['model_type']}; export it again.") from None
    except ValueError as error:
        raise UserError(f"{folder}: its weights and its config.json do not fit together ({error}).") from None
    with making(path) as whole:
        whole.mkdir()
        write_arrays(whole, arrays)
    return path


def _digest(folder: Path, interleaved: bool) -> str:
    files = [folder / "config.json", *weight_files(folder)]
    return _content_digest(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files), interleaved)


@functools.lru_cache(maxsize=256)
def _content_digest(stamp: tuple[tuple[str, int, int], ...], interleaved: bool) -> str:
    digest = hashlib.sha256(_VERSION + bytes([interleaved]))
    for path, size, _ in stamp:
        digest.update(f"{Path(path).name}:{size}\n".encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]
