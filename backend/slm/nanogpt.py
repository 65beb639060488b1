"""Checkpoints of nanoGPT, and of the paper's scripts, as stock GPT-2 folders. Needs torch, which alone reads them safely."""

import json
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from backend.errors import UserError
from backend.files import writing
from backend.tokenizer import load_tokenizer

_PREFIX = re.compile(r"^(?:_orig_mod\.|module\.|model\.)+")
_BLOCK = re.compile(r"transformer\.h\.(\d{1,4})\.")
_EMBEDDINGS, _POSITIONS, _HEAD = "transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight"
_HEADS_IN_NAME = re.compile(r"\bh=(\d+)")  # as in ckpt_sarvam_54M_val=0.518_[2M]_[l=6, h=8, e=512].pt
# nanoGPT's nn.Linear holds (out, in); transformers' GPT-2 holds (in, out).
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
_NUMPY_SCALARS = [np._core.multiarray.scalar, np.dtype, *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8"))]


def read_pt(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Weights by nanoGPT's names, and the model's arguments where the file has them.

    Wrappers' prefixes, attention masks and optimizer states are left behind. Nothing in the file is executed.
    Raises UserError for a file that is no such checkpoint, or not a whole one.
    """
    content = _load(path)
    state = content.get("model", content.get("model_state_dict", content)) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise UserError(f"{path} holds no state dict; give a .pt file that nanoGPT's train.py wrote.")
    weights = {_PREFIX.sub("", str(name)): value for name, value in state.items() if torch.is_tensor(value)}
    weights = {name: value for name, value in weights.items() if not name.endswith((".attn.bias", ".attn.masked_bias"))}
    _check(weights, path)
    arguments = content.get("model_args")
    return weights, arguments if isinstance(arguments, dict) else {}


def _load(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_NUMPY_SCALARS):
            # Files of before PyTorch 1.6 are no zip archives and cannot be mapped into memory.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged pickle raises whatever its bytes lead to
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it holds {named.group(1)}, which is code and no weight" if named else "it is no whole file of torch.save"
        if isinstance(error, OSError) and error.filename:
            what = error.strerror
    raise UserError(f"{path} is no checkpoint that can be read safely: {what}.") from None


def _check(weights: dict[str, Tensor], path: Path) -> None:
    """Raises UserError for weights that are not those of one GPT, naming the first that is wrong."""
    if not all(name in weights and weights[name].ndim == 2 for name in (_EMBEDDINGS, _POSITIONS)):
        found = ", ".join(list(weights)[:3]) or "nothing"
        raise UserError(f"{path} is no GPT of nanoGPT: it has {found}, but no transformer.wte.weight and wpe.weight of two dimensions.")
    blocks = {int(found.group(1)) for found in map(_BLOCK.match, weights) if found}
    if not blocks or blocks != set(range(len(blocks))):
        raise UserError(f"{path} is no whole GPT: it has {len(blocks)} blocks, and a transformer.h.N for each N from 0 is needed.")
    expected = _shapes(weights, len(blocks))
    for name, shape in expected.items():
        value = weights.get(name)
        if value is None and name.endswith(".weight") and name != _HEAD:
            raise UserError(f"{path} is no whole GPT: it has no {name}.")
        if value is not None and (value.shape != shape or not value.is_floating_point()):
            raise UserError(f"{path} is no GPT of nanoGPT: {name} is {value.dtype} of {tuple(value.shape)}, not float of {shape}.")
    if unknown := weights.keys() - expected.keys():
        raise UserError(f"{path} is no GPT of nanoGPT: {min(unknown)} is none of its weights.")


def _shapes(weights: dict[str, Tensor], layers: int) -> dict[str, tuple[int, ...]]:
    """The shape of each weight and bias of a GPT whose embeddings these are."""
    (vocab_size, size), context = weights[_EMBEDDINGS].shape, len(weights[_POSITIONS])
    shapes = {_EMBEDDINGS: (vocab_size, size), _POSITIONS: (context, size), _HEAD: (vocab_size, size)}
    parts = {"attn.c_attn": (3, 1), "attn.c_proj": (1, 1), "mlp.c_fc": (4, 1), "mlp.c_proj": (1, 4)}
    norms = ["transformer.ln_f"]
    for layer in range(layers):
        for part, (rows, columns) in parts.items():
            shapes[f"transformer.h.{layer}.{part}.weight"] = (rows * size, columns * size)
            shapes[f"transformer.h.{layer}.{part}.bias"] = (rows * size,)
        norms += [f"transformer.h.{layer}.ln_1", f"transformer.h.{layer}.ln_2"]
    return shapes | {f"{norm}.{kind}": (size,) for norm in norms for kind in ("weight", "bias")}


def gpt2_config(weights: dict[str, Tensor], arguments: dict, name: str, heads: int | None) -> dict:
    """`config.json` of GPT-2 with these sizes. Raises UserError when nothing tells the number of heads."""
    vocab_size, hidden_size = weights[_EMBEDDINGS].shape
    layers = len({found.group(1) for found in map(_BLOCK.match, weights) if found})
    named = _HEADS_IN_NAME.search(name)
    heads = heads or arguments.get("n_head") or (int(named.group(1)) if named else None)
    if not isinstance(heads, int) or heads < 1 or hidden_size % heads:
        raise UserError(f"{name} does not tell its number of heads; give --heads, a divisor of {hidden_size}.")
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": vocab_size,
        "n_positions": len(weights[_POSITIONS]),
        "n_embd": hidden_size,
        "n_layer": layers,
        "n_head": heads,
        "n_inner": None,
        "activation_function": "gelu",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": is_tied(weights),
        "dtype": "float32",
    }


def is_tied(weights: dict[str, Tensor]) -> bool:
    """Whether the head is the embedding, as in nanoGPT."""
    head = weights.get(_HEAD)
    return head is None or torch.equal(head, weights[_EMBEDDINGS])


def gpt2_weights(weights: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """nanoGPT's weights as transformers' GPT-2 holds them; biases that nanoGPT left out are zeros."""
    found = {name: value.float() for name, value in weights.items()}
    if is_tied(weights):
        found.pop(_HEAD, None)
    for name, shape in _shapes(weights, layers).items():
        if name.endswith(".bias"):
            found.setdefault(name, torch.zeros(shape))
    return {
        name: (value.T if name.endswith(_TRANSPOSED) else value).contiguous().clone() for name, value in found.items()
    }


def convert(path: Path, tokenizer: str, out: Path, heads: int | None = None) -> Path:
    """Write a stock GPT-2 folder with its tokenizer and card. Raises UserError for a file or tokenizer that does not fit."""
    weights, arguments = read_pt(path)
    config = gpt2_config(weights, arguments, path.name, heads)
    chosen = load_tokenizer(tokenizer)
    if chosen.vocab_size > config["vocab_size"]:
        raise UserError(
            f"The tokenizer '{tokenizer}' has {chosen.vocab_size:,} tokens, but {path.name} knows {config['vocab_size']:,}; "
            "give the tokenizer that it was trained with."
        )
    ends = {"bos_token_id": chosen.bos_id, "eos_token_id": chosen.eos_id}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        whole = Path(temporary) / out.name
        whole.mkdir()
        save_file(gpt2_weights(weights, config["n_layer"]), whole / "model.safetensors", metadata={"format": "pt"})
        chosen.save(whole)
        _write_json(whole / "config.json", config | ends)
        _write_json(whole / "generation_config.json", ends | {"do_sample": True, "temperature": 0.8, "top_k": 15})
        (whole / "README.md").write_text(_card(path, config, tokenizer), "utf-8")
        shutil.rmtree(out, ignore_errors=True)
        try:
            whole.rename(out)
        except OSError:  # another process was quicker, and wrote the same
            if not (out / "config.json").exists():
                raise
    return out


def _card(path: Path, config: dict, tokenizer: str) -> str:
    sizes = f"{config['n_layer']} layers, {config['n_head']} heads, {config['n_embd']} hidden, vocabulary {config['vocab_size']:,}"
    return (
        "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags: [tinystories-regional]\n---\n\n"
        f"# {path.stem}\n\nA GPT-2 of {sizes}, converted from `{path.name}`; tokenizer `{tokenizer}`.\n"
    )


def _write_json(path: Path, value: dict) -> None:
    with writing(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
