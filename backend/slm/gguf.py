"""A stock model folder (config.json, safetensors, tokenizer.json) as one GGUF file, for llama.cpp and its kind."""

import json
from pathlib import Path

import gguf
import numpy as np

from backend.errors import UserError
from backend.slm.config import head_size, key_value_heads, read_config, rope_theta
from backend.slm.weights import read_tensors, weight_files

FORMATS = {"Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0, "F16": gguf.LlamaFileType.MOSTLY_F16}
_ARCHITECTURES = {"qwen3": gguf.MODEL_ARCH.QWEN3, "llama": gguf.MODEL_ARCH.LLAMA}


def write_gguf(folder: Path, path: Path, weight_format: str = "Q8_0") -> None:
    """Convert a Qwen3 or Llama folder.

    Raises UserError when the folder is another model or incomplete, or when its tokenizer has no name in GGUF.
    """
    config = read_config(folder)
    architecture = config["model_type"]
    if architecture not in _ARCHITECTURES:
        raise UserError(f"{folder.name} is of type '{architecture}'; as GGUF come {', '.join(sorted(_ARCHITECTURES))}.")
    writer = gguf.GGUFWriter(path, architecture)
    _write_sizes(writer, config, folder.name, weight_format)
    _write_tokenizer(writer, folder, config)
    names = gguf.get_tensor_name_map(_ARCHITECTURES[architecture], config["num_hidden_layers"])
    heads, kv_heads = config["num_attention_heads"], key_value_heads(config)
    for file in weight_files(folder):
        for name, tensor in read_tensors(file):
            if name.endswith("rotary_emb.inv_freq") or (name == "lm_head.weight" and config.get("tie_word_embeddings")):
                continue
            target = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if target is None:
                raise UserError(f"{file}: '{name}' is no tensor of a {architecture} model, so it cannot be served.")
            if architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
                tensor = _interleave(tensor, heads if "q_proj" in name else kv_heads)
            _write_tensor(writer, target, tensor, weight_format)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_sizes(writer: gguf.GGUFWriter, config: dict, name: str, weight_format: str) -> None:
    writer.add_name(name)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(key_value_heads(config))
    writer.add_key_length(head_size(config))
    writer.add_value_length(head_size(config))
    writer.add_rope_dimension_count(head_size(config))
    writer.add_rope_freq_base(rope_theta(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(FORMATS[weight_format])


def _write_tokenizer(writer: gguf.GGUFWriter, folder: Path, config: dict) -> None:
    """The vocabulary, as long as the embedding. A tokenizer that is no byte-level BPE is written by its tokens alone:

    the engine gives token ids, and only other programs would miss the merges.
    """
    path = folder / "tokenizer.json"
    if not path.exists():
        raise UserError(f"{folder} has no tokenizer.json, so its text cannot be read; export the tokenizer with it.")
    content = json.loads(path.read_text("utf-8"))
    model = content["model"]
    vocab = model["vocab"]
    if isinstance(vocab, list):  # Unigram: [[token, score], ...]
        vocab = {token: index for index, (token, _) in enumerate(vocab)}
    tokens = [f"<unused_{index}>" for index in range(config["vocab_size"])]
    types = [int(gguf.TokenType.UNUSED)] * len(tokens)
    added = {token["content"]: token["id"] for token in content.get("added_tokens", [])}
    for kind, entries in ((gguf.TokenType.NORMAL, vocab), (gguf.TokenType.CONTROL, added)):
        for token, token_id in entries.items():
            if token_id < len(tokens):
                tokens[token_id], types[token_id] = token, int(kind)
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model.get("merges", [])]
    writer.add_tokenizer_model("gpt2")
    name = _pre_tokenizer(content)
    if name is None:
        raise UserError(
            f"{folder.name}'s tokenizer parts words in two steps, for which GGUF has no name, so other programs would "
            "read its texts otherwise than it was trained; write it without a GGUF file (--gguf none)."
        )
    writer.add_tokenizer_pre(name)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges or [f"{tokens[0]} {tokens[0]}"])
    for name, add in (("bos_token_id", writer.add_bos_token_id), ("eos_token_id", writer.add_eos_token_id)):
        value = config.get(name)
        value = value[0] if isinstance(value, list) else value
        if value is not None:
            add(value)
    writer.add_add_bos_token(True)  # as in training, where every story begins with it


def fits_gguf(folder: Path) -> bool:
    """Whether other programs can cut a text as the folder's tokenizer does."""
    return _pre_tokenizer(json.loads((folder / "tokenizer.json").read_text("utf-8"))) is not None


def _pre_tokenizer(content: dict) -> str | None:
    """llama.cpp's name of the pre-tokenizer, told by its pattern; None where words are parted further."""
    whole = content.get("pre_tokenizer") or {}
    if sum(step["type"] == "Split" for step in whole.get("pretokenizers", [whole]) if step) > 1:
        return None
    text = json.dumps(content.get("pre_tokenizer"), ensure_ascii=False)
    if r"\\p{Lm}" in text:
        return "gpt-4o"
    if r"\\p{N}{1,3}" in text:
        return "llama-bpe"
    return "qwen2" if r"\\p{N}" in text else "gpt-2"


def _interleave(tensor: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a Llama q or k projection from Hugging Face's rotary layout (halves) to GGUF's (pairs)."""
    rows, columns = tensor.shape
    return tensor.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _write_tensor(writer: gguf.GGUFWriter, name: str, tensor: np.ndarray, weight_format: str) -> None:
    if tensor.ndim == 1:
        writer.add_tensor(name, tensor)
    elif weight_format == "F16" or tensor.shape[-1] % 32:
        writer.add_tensor(name, tensor.astype(np.float16))
    else:
        kind = gguf.GGMLQuantizationType[weight_format]
        writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
