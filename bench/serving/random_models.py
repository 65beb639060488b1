"""Model folders with random weights of the sizes that are served: speed does not depend on what a model has learnt."""

import json
from pathlib import Path

from backend.languages import language_names, load_language
from backend.tokenizer import train_tokenizer
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller

# Hidden size and heads; all have 6 layers. They are named by their size with 8,192 ("6M") or 68,096 tokens.
WIDTHS = {"6M": (256, 4), "54M": (512, 8), "157M": (1024, 16)}
VOCABULARIES = {"8k": 8192, "68k": 68_096}
CONTEXT = 1024


def write_model(folder: Path, width: str, vocabulary: str, kind: str = "llama") -> Path:
    """A tied Llama, or a GPT-2 as the paper's nanoGPT has it, whose stories never end by themselves."""
    import torch
    from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

    hidden, heads = WIDTHS[width]
    size = VOCABULARIES[vocabulary]
    tokenizer = _tokenizer(folder, size)
    torch.manual_seed(0)
    common = {
        "vocab_size": size, "bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id, "pad_token_id": tokenizer.eos_id,
        "hidden_size": hidden, "num_hidden_layers": 6, "num_attention_heads": heads, "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
    }  # fmt: skip
    if kind == "gpt2":
        config = GPT2Config(**common, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
    else:
        config = LlamaConfig(**common, num_key_value_heads=heads, intermediate_size=3 * hidden, head_dim=hidden // heads)
    model = AutoModelForCausalLM.from_config(config)
    model.get_input_embeddings().weight.data[tokenizer.eos_id] = 0
    model.save_pretrained(folder)
    return folder


def openings(count: int) -> list[str]:
    """Beginnings to tell from, each another."""
    every = [opening for name in language_names() for opening in load_language(name).openings()]
    return [every[index % len(every)] for index in range(count)]


def _tokenizer(folder: Path, size: int):
    """A tokenizer of the storyteller's text, filled up to `size` with words that text never comes to."""
    prompts = {name: Prompts(name).range(0, 400) for name in ("hindi", "marathi", "bangla", "english")}
    texts = [
        load_storyteller(name).tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text)
        for name, some in prompts.items() for p in some
    ]  # fmt: skip
    tokenizer = train_tokenizer(texts, min(size, 8192))
    tokenizer.save(folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    vocab = content["model"]["vocab"]
    taken = set(vocab.values()) | {token["id"] for token in content["added_tokens"]}
    vocab |= {f"Ġword{index}": index for index in range(size) if index not in taken}
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return tokenizer
