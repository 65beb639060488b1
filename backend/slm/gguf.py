"""A stock Llama or Qwen3 folder to a GGUF file, for OpenVINO GenAI, llama.cpp, Ollama and LM Studio. Needs no torch."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants

from backend.errors import UserError
from backend.slm.weights import read_tensors, weight_files
from backend.tokenizer import PRE_TOKENIZER

ARCHITECTURES = {"Qwen3ForCausalLM": "qwen3", "LlamaForCausalLM": "llama"}
_FORMAT = 1  # raised when what this module writes changes, so that cached files are made anew

_BLOCK_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OTHER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def cache_folder() -> Path:
    """Where converted models are kept: TINYSTORIES_CACHE, else the user's cache folder."""
    base = os.environ.get("TINYSTORIES_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tinystories-regional"
    return Path(base)


def cached_gguf(folder: Path, precision: str = "F16") -> Path:
    """The GGUF of a model folder, made on first use and named by its content.

    It is written under a temporary name and renamed, so that processes which convert at once do no harm.
    """
    folder = Path(folder)
    digest = hashlib.blake2b(f"{_FORMAT}:{precision}".encode(), digest_size=12)
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json", folder / "tokenizer.json"]):
        if path.exists():
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
    target = cache_folder() / f"{digest.hexdigest()}.gguf"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=".gguf", dir=target.parent)
        os.close(handle)
        try:
            write_gguf(folder, Path(temporary), precision)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    return target


def write_gguf(folder: Path, path: Path, precision: str = "F16") -> None:
    """Convert a model folder. `precision` is F32, F16 or Q8_0, for the matrices; norms stay F32.

    Raises UserError for an architecture other than Llama or Qwen3.
    """
    config = read_config(folder)
    architecture = ARCHITECTURES.get((config.get("architectures") or [""])[0])
    if architecture is None:
        raise UserError(
            f"{folder} holds a {(config.get('architectures') or ['model without architectures'])[0]}; "
            f"only {' and '.join(ARCHITECTURES)} can be converted to GGUF."
        )
    writer = GGUFWriter(path, architecture)
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_name(folder.name)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(_rope_theta(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type({"F32": 0, "F16": 1, "Q8_0": 7}[precision])
    _add_tokenizer(writer, folder, config)
    kind = GGMLQuantizationType[precision]
    for name, tensor in (item for file in weight_files(folder) for item in read_tensors(file)):
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        if architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            tensor = _interleave(tensor, heads if "q_proj" in name else kv_heads)
        matrix = tensor.ndim == 2
        stored = quants.quantize(tensor, kind) if matrix and kind != GGMLQuantizationType.F32 else tensor
        raw = kind if matrix and kind == GGMLQuantizationType.Q8_0 else None
        writer.add_tensor(_tensor_name(name), np.ascontiguousarray(stored), raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_config(folder: Path) -> dict:
    """`config.json`. Raises UserError when it is missing or no JSON."""
    path = folder / "config.json"
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no config.json; give a Hugging Face model folder, as trainer/export.py writes.") from None
    except ValueError:
        raise UserError(f"{path} is not JSON; fetch or export the model again.") from None


def _rope_theta(config: dict) -> float:
    return float((config.get("rope_parameters") or {}).get("rope_theta") or config.get("rope_theta") or 10000.0)


def _tensor_name(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem in _OTHER_NAMES:
        return f"{_OTHER_NAMES[stem]}.weight"
    _, _, number, inner = stem.split(".", 3)
    return f"blk.{number}.{_BLOCK_NAMES[inner]}.weight"


def _interleave(tensor: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Llama's q and k from halves to pairs, the rotary layout that llama.cpp expects."""
    rows, columns = tensor.shape
    return tensor.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _add_tokenizer(writer: GGUFWriter, folder: Path, config: dict) -> None:
    data = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    model = data["model"]
    if model.get("type") != "BPE":
        raise UserError(f"{folder}/tokenizer.json is a {model.get('type')} model; only byte-level BPE goes into a GGUF.")
    special = {token["id"]: token["content"] for token in data.get("added_tokens", [])}
    by_id = {index: token for token, index in model["vocab"].items()} | special
    tokens = [by_id.get(index, f"<unused{index}>") for index in range(config["vocab_size"])]
    kinds = [
        TokenType.CONTROL if index in special else TokenType.NORMAL if index in by_id else TokenType.UNUSED
        for index in range(len(tokens))
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-4o" if PRE_TOKENIZER in json.dumps(data, ensure_ascii=False).replace("\\\\", "\\") else "gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(True)
