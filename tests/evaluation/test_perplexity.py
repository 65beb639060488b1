"""Bits per byte of a reference model: right by definition, whatever the batch, and lower for what the model knows."""

import math

import pytest

from backend.tokenizer import train_tokenizer
from evaluation.perplexity import bits_per_byte
from tests.evaluation.stories import told


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model, trained for a moment on a handful of sentences."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(told("hindi", 30), 400)
    tokenizer.save(folder)
    config = Qwen3Config(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=256, tie_word_embeddings=True,
    )  # fmt: skip
    network = Qwen3ForCausalLM(config)
    ids = torch.tensor([tokenizer.bos_id, *tokenizer.encode(told("hindi", 1)[0])][:200])[None]
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for _ in range(40):
        loss = network(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    network.save_pretrained(folder)
    return folder


def test_what_it_was_trained_on_surprises_it_less(model):
    known, jumbled = told("hindi", 1)[0][:200], " ".join(reversed(told("hindi", 1)[0][:200].split()))
    first, second = bits_per_byte(model, [known, jumbled])
    assert 0 < first < second


def test_company_in_the_batch_changes_nothing(model):
    texts = [told("hindi", 30)[i][: 40 * (i + 1)] for i in range(5)]
    together = bits_per_byte(model, texts)
    assert together == pytest.approx([bits_per_byte(model, [text])[0] for text in texts], rel=1e-4)


def test_an_empty_text_has_no_bits(model):
    assert math.isnan(bits_per_byte(model, ["", "एक"])[0])
