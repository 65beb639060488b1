"""Alpha by layer: what has a heavy tail is told from what is still noise."""

import json

import pytest
from click.testing import CliRunner

from backend.errors import UserError
from backend.tokenizer import train_tokenizer
from evaluation.__main__ import evaluation
from evaluation.weights import layer_alphas
from tests.evaluation.stories import told


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A fresh model, one of whose matrices is given the spectrum of a trained one: singular values by a power law."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(told("hindi", 30), 400)
    tokenizer.save(folder)
    config = Qwen3Config(
        vocab_size=tokenizer.vocab_size, hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, head_dim=32, max_position_embeddings=256, tie_word_embeddings=True,
    )  # fmt: skip
    network = Qwen3ForCausalLM(config)
    with torch.no_grad():
        matrix = network.model.layers[1].mlp.up_proj.weight
        u, _, v = torch.linalg.svd(matrix)
        # Eigenvalues of W'W with density x^-3: the inverse of its distribution at even steps.
        eigenvalues = torch.linspace(1 / 128, 1, 128) ** (-1 / 2)
        matrix.copy_(u @ torch.diag(eigenvalues.sqrt()) @ v)
    network.save_pretrained(folder)
    return folder


def test_a_heavy_tail_is_measured_and_noise_is_not_taken_for_one(model):
    alphas = {layer.layer: layer.alpha for layer in layer_alphas(model, "m")}
    heavy = alphas.pop("model.layers.1.mlp.up_proj")
    assert heavy == pytest.approx(3, abs=0.6)
    assert sum(alphas.values()) / len(alphas) > 1.5 * heavy


def test_the_command_writes_table_and_plot(model, tmp_path):
    done = CliRunner().invoke(evaluation, ["weights", str(model), "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0 and "up_proj" in done.output
    rows = json.loads((tmp_path / "weights.json").read_text("utf-8"))
    assert {row["block"] for row in rows} == {None, 0, 1} and not any(row["kind"] == "lm_head" for row in rows)
    assert "<svg" in (tmp_path / "weights.svg").read_text("utf-8")


def test_a_folder_without_a_model_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot be loaded"):
        layer_alphas(tmp_path, "m")
