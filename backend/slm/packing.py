"""A model's weights as `native/` reads them: eight bits and a scale for each row, in one file that processes share."""

import json
from pathlib import Path

import numpy as np

from backend.slm.config import head_size, inner_size, key_value_heads, rope_theta

LANES = 16  # to a multiple of which rows and columns are padded
_ALIGNMENT = 64  # bytes


def packed(weights: dict[str, np.ndarray], config: dict, interleaved: bool) -> dict[str, np.ndarray]:
    """Arrays by the names that `native/decoder.h` has for them, those of a layer with its number before.

    Raises KeyError for a weight that is missing, ValueError for sizes that do not fit together.
    """
    return (_gpt2 if config["model_type"] == "gpt2" else _llama)(weights, config, interleaved)


def write_arrays(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """One file of all arrays, and their places in it."""
    index, offset = {}, 0
    with open(folder / "weights.bin", "wb") as file:
        for name, array in arrays.items():
            file.write(bytes(-offset % _ALIGNMENT))
            offset += -offset % _ALIGNMENT
            index[name] = [offset, array.dtype.str, array.shape]
            file.write(array.tobytes())
            offset += array.nbytes
    (folder / "weights.json").write_text(json.dumps(index), "utf-8")


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """What `write_arrays` wrote, mapped into memory, which all processes that read it share."""
    content = np.memmap(folder / "weights.bin", np.uint8, "r")
    found = {}
    for name, (offset, kind, shape) in json.loads((folder / "weights.json").read_text("utf-8")).items():
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        found[name] = content[offset : offset + size].view(kind).reshape(shape)
    return found


def _llama(weights: dict, config: dict, interleaved: bool) -> dict[str, np.ndarray]:
    heads, kv_heads, size = config["num_attention_heads"], key_value_heads(config), head_size(config)
    hidden, inner = config["hidden_size"], inner_size(config)
    found: dict[str, np.ndarray] = {}

    def matrix(name: str, parts: list[str], rows: int, columns: int) -> None:
        _add(found, name, [weights[f"{part}.weight"] for part in parts], rows, columns, interleaved)
        biases = [weights.get(f"{part}.bias") for part in parts]
        if any(bias is not None and bias.any() for bias in biases):
            each = [np.zeros(len(weights[f"{p}.weight"])) if b is None else b for p, b in zip(parts, biases, strict=True)]
            found[f"{name}.bias"] = _bias(np.concatenate(each), rows)

    matrix("embedding", ["model.embed_tokens"], config["vocab_size"], hidden)
    if "lm_head.weight" in weights and not config.get("tie_word_embeddings"):
        matrix("head", ["lm_head"], config["vocab_size"], hidden)
    for number in range(config["num_hidden_layers"]):
        block = f"model.layers.{number}"
        found[f"{number}.input_norm"] = _vector(weights[f"{block}.input_layernorm.weight"], hidden)
        found[f"{number}.post_norm"] = _vector(weights[f"{block}.post_attention_layernorm.weight"], hidden)
        attention = f"{block}.self_attn"
        if config["model_type"] == "qwen3":
            for name in ("query", "key"):
                found[f"{number}.{name}_norm"] = _vector(weights[f"{attention}.{name[0]}_norm.weight"], size)
        rows = (heads + 2 * kv_heads) * size
        matrix(f"{number}.attention_in", [f"{attention}.{name}_proj" for name in "qkv"], rows, hidden)
        matrix(f"{number}.attention_out", [f"{attention}.o_proj"], hidden, heads * size)
        matrix(f"{number}.up", [f"{block}.mlp.gate_proj", f"{block}.mlp.up_proj"], 2 * inner, hidden)
        matrix(f"{number}.down", [f"{block}.mlp.down_proj"], hidden, inner)
    found["final_norm"] = _vector(weights["model.norm.weight"], hidden)
    context = config["max_position_embeddings"]
    frequencies = rope_theta(config) ** -(np.arange(0, size, 2) / size)
    angles = np.arange(context)[:, None] * frequencies
    return found | {"cosines": np.cos(angles).astype(np.float32), "sines": np.sin(angles).astype(np.float32)}


def _gpt2(weights: dict, config: dict, interleaved: bool) -> dict[str, np.ndarray]:
    hidden, inner = config["hidden_size"], inner_size(config)
    width = config["num_attention_heads"] * head_size(config)
    start = "transformer." if "transformer.wte.weight" in weights else ""
    found: dict[str, np.ndarray] = {}

    def matrix(name: str, part: str, rows: int, columns: int) -> None:
        # Radford et al. 2019: matrices of the layers are stored (in, out).
        _add(found, name, [weights[f"{start}{part}.weight"].T], rows, columns, interleaved)
        if f"{start}{part}.bias" in weights:
            found[f"{name}.bias"] = _bias(weights[f"{start}{part}.bias"], rows)

    def norm(name: str, part: str) -> None:
        found[name] = _vector(weights[f"{start}{part}.weight"], hidden)
        found[f"{name}_bias"] = _vector(weights.get(f"{start}{part}.bias", np.zeros(hidden)), hidden)

    _add(found, "embedding", [weights[f"{start}wte.weight"]], config["vocab_size"], hidden, interleaved)
    if "lm_head.weight" in weights and not config.get("tie_word_embeddings", True):
        _add(found, "head", [weights["lm_head.weight"]], config["vocab_size"], hidden, interleaved)
    places = weights[f"{start}wpe.weight"]
    found["positions"] = _vector(places.reshape(-1), config["max_position_embeddings"] * hidden).reshape(-1, hidden)
    for number in range(config["num_hidden_layers"]):
        norm(f"{number}.input_norm", f"h.{number}.ln_1")
        norm(f"{number}.post_norm", f"h.{number}.ln_2")
        matrix(f"{number}.attention_in", f"h.{number}.attn.c_attn", 3 * width, hidden)
        matrix(f"{number}.attention_out", f"h.{number}.attn.c_proj", hidden, width)
        matrix(f"{number}.up", f"h.{number}.mlp.c_fc", inner, hidden)
        matrix(f"{number}.down", f"h.{number}.mlp.c_proj", hidden, inner)
    norm("final_norm", "ln_f")
    return found


def _add(found: dict, name: str, parts: list[np.ndarray], rows: int, columns: int, interleaved: bool) -> None:
    matrix = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if matrix.shape != (rows, columns):
        raise ValueError(f"{name} is {matrix.shape}, not {(rows, columns)}")
    matrix = np.pad(matrix, [(0, -rows % LANES), (0, -columns % LANES)])
    scales = np.maximum(np.abs(matrix).max(1), 1e-30) / 127
    if not np.isfinite(scales).all():
        raise ValueError(f"{name} has weights that are no numbers")
    numbers = np.rint(matrix / scales[:, None]).astype(np.int8)
    if interleaved:  # 16 rows together, 4 columns at a time, unsigned
        blocks = numbers.reshape(len(numbers) // LANES, LANES, -1, 4).transpose(0, 2, 1, 3)
        numbers = (blocks.astype(np.int16) + 128).astype(np.uint8)
    found[name], found[f"{name}.scales"] = numbers, scales.astype(np.float32)


def _vector(values: np.ndarray, size: int) -> np.ndarray:
    if values.shape != (size,):
        raise ValueError(f"a vector is {values.shape}, not {(size,)}")
    if not np.isfinite(values).all():
        raise ValueError("a vector has weights that are no numbers")
    return values.astype(np.float32)


def _bias(values: np.ndarray, rows: int) -> np.ndarray:
    return np.pad(_vector(values, rows), (0, -rows % LANES))
