"""GPT-2 (the paper's nanoGPT), Llama and Qwen3 as graphs, from their weights by Hugging Face's names."""

import numpy as np
import openvino
from openvino import Type
from openvino import opset15 as op

from backend.slm.config import gelu_approximation, head_size, key_value_heads, rope_theta
from bench.serving.openvino_graph import Decoder, Node, floats, integers, split

_TABLES = ("model.embed_tokens.weight", "transformer.wte.weight", "wte.weight")


def build_graph(weights: dict[str, np.ndarray], config: dict) -> openvino.Model:
    """The graph of a model whose config was read by `read_config`. Raises KeyError for a weight that is missing,
    ValueError or RuntimeError for sizes that do not fit together.
    """
    table = next((weights[name] for name in _TABLES if name in weights), None)
    if table is not None and table.shape != (config["vocab_size"], config["hidden_size"]):
        raise ValueError(f"the embedding is {table.shape}")
    decoder = Decoder(weights, config)
    return decoder.model((_gpt2 if config["model_type"] == "gpt2" else _llama)(decoder))


def _gpt2(model: Decoder) -> Node:
    """Radford et al. 2019. Matrices of its layers are stored (in, out)."""
    config, heads = model.config, model.config["num_attention_heads"]
    epsilon = config.get("layer_norm_epsilon", 1e-5)
    start = "transformer." if "transformer.wte.weight" in model.weights else ""
    table = model.matrix(f"{start}wte.weight")
    places = floats(model.weights[f"{start}wpe.weight"])
    x = op.add(model.rows(table, model.ids), model.rows(places, model.positions))
    for layer in range(config["num_hidden_layers"]):
        block = f"{start}h.{layer}"
        y = model.layer_norm(x, f"{block}.ln_1", epsilon)
        parts = split(model.linear(y, f"{block}.attn.c_attn", transpose=True), *[config["hidden_size"]] * 3)
        query, key, value = (model.split_heads(part, heads, head_size(config)) for part in parts)
        y = model.attention(query, key, value, layer)
        x = op.add(x, model.linear(y, f"{block}.attn.c_proj", transpose=True))
        y = model.layer_norm(x, f"{block}.ln_2", epsilon)
        y = op.gelu(model.linear(y, f"{block}.mlp.c_fc", transpose=True), gelu_approximation(config))
        x = op.add(x, model.linear(y, f"{block}.mlp.c_proj", transpose=True))
    x = model.layer_norm(x, f"{start}ln_f", epsilon)
    tied = "lm_head.weight" not in model.weights or config.get("tie_word_embeddings", True)
    return op.matmul(x, table if tied else model.matrix("lm_head.weight"), False, True)


def _llama(model: Decoder) -> Node:
    """Touvron et al. 2023; with a norm on queries and keys it is Qwen3."""
    config, heads, size = model.config, model.config["num_attention_heads"], head_size(model.config)
    epsilon, kv_heads = config.get("rms_norm_eps", 1e-6), key_value_heads(config)
    cosine, sine = _rotations(model.positions, size, rope_theta(config))
    table = model.matrix("model.embed_tokens.weight")
    x = model.rows(table, model.ids)
    for layer in range(config["num_hidden_layers"]):
        block = f"model.layers.{layer}"
        y = model.rms_norm(x, f"{block}.input_layernorm", epsilon)
        names = [f"{block}.self_attn.{name}_proj" for name in "qkv"]
        parts = model.linears(y, names, [heads * size, kv_heads * size, kv_heads * size])
        norms = [f"{block}.self_attn.{name}_norm" if config["model_type"] == "qwen3" else "" for name in "qk"]
        query = model.split_heads(parts[0], heads, size, norms[0], epsilon)
        key = model.split_heads(parts[1], kv_heads, size, norms[1], epsilon)
        value = model.split_heads(parts[2], kv_heads, size)
        query, key = (_rotated(x, cosine, sine, size) for x in (query, key))
        y = model.attention(query, key, value, layer)
        x = op.add(x, model.linear(y, f"{block}.self_attn.o_proj"))
        y = model.rms_norm(x, f"{block}.post_attention_layernorm", epsilon)
        width = config["intermediate_size"]
        gate, up = model.linears(y, [f"{block}.mlp.gate_proj", f"{block}.mlp.up_proj"], [width, width])
        x = op.add(x, model.linear(op.multiply(op.swish(gate), up), f"{block}.mlp.down_proj"))
    x = model.rms_norm(x, "model.norm", epsilon)
    tied = config.get("tie_word_embeddings") or "lm_head.weight" not in model.weights
    return op.matmul(x, table if tied else model.matrix("lm_head.weight"), False, True)


def _rotations(positions: Node, size: int, theta: float) -> tuple[Node, Node]:
    """Cosines and sines (batch, 1, time, size) of rotary embeddings (Su et al. 2021), halves apart as Hugging Face has them."""
    frequencies = (theta ** -(np.arange(0, size, 2) / size)).astype(np.float32)
    angles = op.multiply(op.convert(op.unsqueeze(positions, integers(2)), Type.f32), floats(frequencies.reshape(1, 1, -1)))
    angles = op.unsqueeze(op.concat([angles, angles], -1), integers(1))
    return op.cos(angles), op.sin(angles)


def _rotated(x: Node, cosine: Node, sine: Node, size: int) -> Node:
    """x (batch, heads, time, size) turned by its position. OpenVINO knows these very steps and runs them as one."""
    first, second = split(x, size // 2, size // 2)
    turned = op.concat([op.multiply(second, floats(-1.0)), first], -1)
    return op.add(op.multiply(x, cosine), op.multiply(turned, sine))
