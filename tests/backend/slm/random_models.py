"""Small untrained models in stock folders, for tests of serving: their text is noise, but always the same noise."""

from pathlib import Path

from backend.languages import load_language
from backend.tokenizer import train_tokenizer

_READ = ("hindi", "marathi", "bangla", "english")  # named, so that another language changes no noise
SIZES = {
    "qwen3": {"hidden_size": 256, "num_hidden_layers": 6, "tie_word_embeddings": False, "num_key_value_heads": 4},
    "qwen3-tied": {"hidden_size": 128, "num_hidden_layers": 4, "tie_word_embeddings": True, "num_key_value_heads": 2},
    "qwen3-slow": {"hidden_size": 768, "num_hidden_layers": 12, "tie_word_embeddings": True, "num_key_value_heads": 4},
    "gpt2": {"hidden_size": 128, "num_hidden_layers": 3},
    "llama": {"hidden_size": 128, "num_hidden_layers": 2, "tie_word_embeddings": False, "num_key_value_heads": 2},
    # No size is a multiple of what is computed side by side.
    "llama-uneven": {
        "hidden_size": 72, "num_hidden_layers": 2, "tie_word_embeddings": True, "num_attention_heads": 6, "num_key_value_heads": 3,
        "head_dim": 12, "intermediate_size": 100,
    },
}


def in_eight_bits(model):
    """A model of transformers' with the weights that are served: each row of a matrix in eight bits."""
    import torch

    for name, weights in model.named_parameters():
        if weights.dim() != 2 or "wpe" in name:
            continue
        rows = weights.data.T if ".h." in name else weights.data  # GPT-2's layers are stored (in, out)
        scales = (rows.abs().amax(1, keepdim=True) / 127).clamp_min(1e-30)
        served = torch.round(rows / scales) * scales
        weights.data = served.T.contiguous() if ".h." in name else served
    return model


def write_random_model(
    folder: Path, kind: str = "qwen3", vocab_size: int = 1024, languages: tuple[str, ...] = (), endless: bool = False
) -> Path:
    """An untrained model of one of SIZES, with bf16 weights and a tokenizer of four languages' openings.

    The stories of an `endless` one, and of qwen3-slow, go on to their length.
    """
    import torch
    from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen3Config

    texts = [opening for name in _READ for opening in load_language(name).openings()]
    tokenizer = train_tokenizer(texts, vocab_size)
    size = SIZES[kind]
    torch.manual_seed(0)
    common = {
        "vocab_size": tokenizer.vocab_size, "max_position_embeddings": 512, "initializer_range": 0.1,
        "bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id, "dtype": "bfloat16", "num_attention_heads": 4,
    }  # fmt: skip
    if kind == "gpt2":
        config = GPT2Config(**size, **common)
    else:
        more = {"intermediate_size": 3 * size["hidden_size"], "head_dim": size["hidden_size"] // 4, "rope_theta": 10000.0}
        config = (Qwen3Config if kind.startswith("qwen3") else LlamaConfig)(**{**common, **more, **size})
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    if endless or kind == "qwen3-slow":
        model.get_output_embeddings().weight.data[tokenizer.eos_id] = 0
    model.save_pretrained(folder)
    tokenizer.save(folder)
    codes = [load_language(name).code for name in languages]
    (folder / "README.md").write_text(f"---\nlanguage: [{', '.join(codes)}]\n---\n" if codes else "# untrained\n", "utf-8")
    return folder
