"""A stock model folder as a graph on disk, made once, without torch, and found again by the folder's content."""

import functools
import hashlib
import os
from pathlib import Path

from backend.errors import UserError
from backend.files import making
from backend.slm.config import read_config
from backend.slm.weights import read_tensors, weight_files

# Part of the key: raise it when the graphs that are written change.
_VERSION = b"3"


def cache_folder() -> Path:
    """Where converted models lie: TINYSTORIES_CACHE, else the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinystories-regional"
    return Path(os.environ.get("TINYSTORIES_CACHE") or default)


def converted(folder: Path, weight_format: str = "int8") -> Path:
    """The folder with `openvino_model.xml` and `.bin` of a model, written at the first call.

    Safe between processes: it appears whole or not at all. Raises UserError for a model that cannot be served.
    """
    config = read_config(folder)
    path = cache_folder() / "graphs" / _digest(folder, weight_format)
    if path.exists():
        return path
    import openvino

    from backend.slm.architectures import build_graph

    weights = {name: tensor for file in weight_files(folder) for name, tensor in read_tensors(file)}
    try:
        graph = build_graph(weights, config, weight_format)
    except KeyError as error:
        raise UserError(f"{folder} has no weight {error}, so it is no whole {config['model_type']}; export it again.") from None
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{folder}: its weights and its config.json do not fit together ({str(error).strip()[-120:]}).") from None
    with making(path) as whole:
        whole.mkdir()
        openvino.save_model(graph, whole / "openvino_model.xml", compress_to_fp16=False)
    return path


def _digest(folder: Path, weight_format: str) -> str:
    files = [folder / "config.json", *weight_files(folder)]
    return _content_digest(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files), weight_format)


@functools.lru_cache(maxsize=256)
def _content_digest(stamp: tuple[tuple[str, int, int], ...], weight_format: str) -> str:
    digest = hashlib.sha256(_VERSION + weight_format.encode())
    for path, size, _ in stamp:
        digest.update(f"{Path(path).name}:{size}\n".encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]
