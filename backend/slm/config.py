"""What a model folder's `config.json` says, checked before anything is built on it."""

import json
from pathlib import Path

from backend.errors import UserError

ARCHITECTURES = ("gpt2", "llama", "qwen3")
_GPT2_NAMES = {
    "n_positions": "max_position_embeddings", "n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads",
}  # fmt: skip
_GELU = {"gelu": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


def read_config(folder: Path) -> dict:
    """`config.json`, GPT-2's sizes under the names that Llama has for them.

    Raises UserError when it is missing, or asks for what is not served.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} has no config.json, so it is no model folder; export the model first.") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{folder / 'config.json'} is no JSON ({error}); download or export it again.") from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in ARCHITECTURES:
        raise UserError(f"{folder.name} is of type '{kind}'; served are {', '.join(ARCHITECTURES)}.")
    if kind == "gpt2":
        config |= {name: config[old] for old, name in _GPT2_NAMES.items() if old in config}
    wanted = {"vocab_size", "max_position_embeddings", "hidden_size", "num_hidden_layers", "num_attention_heads"}
    missing = sorted(name for name in wanted if not isinstance(config.get(name), int) or config[name] < 1)
    if missing:
        raise UserError(f"{folder / 'config.json'} does not tell {', '.join(missing)}; download or export it again.")
    if unserved := _unserved(config):
        raise UserError(f"{folder.name} asks for {unserved}; that is not served.")
    return config


def gelu_approximation(config: dict) -> str:
    """How GPT-2's activation is computed: erf or tanh."""
    return _GELU[config.get("activation_function", "gelu_new")]


def head_size(config: dict) -> int:
    """Width of one attention head."""
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def key_value_heads(config: dict) -> int:
    """Heads of keys and values."""
    return config.get("num_key_value_heads") or config["num_attention_heads"]


def inner_size(config: dict) -> int:
    """Width of a layer's feed-forward part."""
    if config["model_type"] == "gpt2":
        return config.get("n_inner") or 4 * config["hidden_size"]
    return config["intermediate_size"]


def norm_epsilon(config: dict) -> float:
    """What is added to the variance in norms."""
    return config.get("layer_norm_epsilon", 1e-5) if config["model_type"] == "gpt2" else config.get("rms_norm_eps", 1e-6)


def cache_bytes(config: dict) -> int:
    """Bytes of one position's keys and values, in half precision."""
    return 2 * config["num_hidden_layers"] * key_value_heads(config) * head_size(config) * 2


def rope_theta(config: dict) -> float:
    """The base of rotary embeddings."""
    return float((config.get("rope_parameters") or {}).get("rope_theta") or config.get("rope_theta") or 10000.0)


def _unserved(config: dict) -> str:
    if head_size(config) % 4:
        return f"attention heads {head_size(config)} wide, which is no multiple of 4"
    if config["num_attention_heads"] % key_value_heads(config):
        return f"{config['num_attention_heads']} attention heads over {key_value_heads(config)} of keys and values"
    if config["model_type"] == "gpt2":
        activation = config.get("activation_function", "gelu_new")
        return "" if activation in _GELU else f"the activation '{activation}'"
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type != "default":
        return f"rotary embeddings of type '{rope_type}'"
    if config.get("hidden_act", "silu") != "silu":
        return f"the activation '{config['hidden_act']}'"
    return "a sliding window" if config.get("use_sliding_window") else ""
