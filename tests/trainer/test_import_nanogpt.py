"""Checkpoints of nanoGPT and of the paper, as transformers' GPT-2."""

import os

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.errors import UserError
from backend.slm.nanogpt import convert
from tests.trainer.small_runs import call

LAYERS, HEADS, HIDDEN, CONTEXT, VOCAB = 2, 4, 32, 24, 448


def nanogpt_state(bias):
    """Weights with nanoGPT's names, shapes and tied head."""
    torch.manual_seed(0)
    state = {"transformer.wte.weight": torch.randn(VOCAB, HIDDEN), "transformer.wpe.weight": torch.randn(CONTEXT, HIDDEN)}
    shapes = {"attn.c_attn": (3 * HIDDEN, HIDDEN), "attn.c_proj": (HIDDEN, HIDDEN), "mlp.c_fc": (4 * HIDDEN, HIDDEN), "mlp.c_proj": (HIDDEN, 4 * HIDDEN)}
    for layer in range(LAYERS):
        for part, shape in shapes.items():
            state[f"transformer.h.{layer}.{part}.weight"] = 0.3 * torch.randn(shape)
            if bias:
                state[f"transformer.h.{layer}.{part}.bias"] = torch.randn(shape[0])
        for part in ("ln_1", "ln_2"):
            state[f"transformer.h.{layer}.{part}.weight"] = torch.rand(HIDDEN) + 0.5
            if bias:
                state[f"transformer.h.{layer}.{part}.bias"] = torch.randn(HIDDEN)
    state["transformer.ln_f.weight"] = torch.rand(HIDDEN) + 0.5
    if bias:
        state["transformer.ln_f.bias"] = torch.randn(HIDDEN)
    state["lm_head.weight"] = state["transformer.wte.weight"]
    return state


def nanogpt_logits(state, ids):
    """The forward pass of nanoGPT's model.py, in functions."""
    def get(name):
        return state.get(name)

    def linear(x, name):
        return F.linear(x, get(f"{name}.weight"), get(f"{name}.bias"))

    def norm(x, name):
        return F.layer_norm(x, (HIDDEN,), get(f"{name}.weight"), get(f"{name}.bias"), 1e-5)

    batch, time = ids.shape
    x = get("transformer.wte.weight")[ids] + get("transformer.wpe.weight")[:time]
    for layer in range(LAYERS):
        name = f"transformer.h.{layer}"
        parts = linear(norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn").split(HIDDEN, dim=2)
        q, k, v = (part.view(batch, time, HEADS, HIDDEN // HEADS).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(batch, time, HIDDEN)
        x = x + linear(y, f"{name}.attn.c_proj")
        x = x + linear(F.gelu(linear(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")), f"{name}.mlp.c_proj")
    return norm(x, "transformer.ln_f") @ get("lm_head.weight").T


def write_pt(path, state, **more):
    arguments = {"n_layer": LAYERS, "n_head": HEADS, "n_embd": HIDDEN, "block_size": CONTEXT, "bias": False, "vocab_size": VOCAB, "dropout": 0.0}
    torch.save({"model": state, "model_args": arguments, "iter_num": 7, "config": {"dataset": "hindi"}} | more, path)
    return path


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("bias", [True, False])
def test_logits_are_nanogpts(prefix, bias, tokens, tmp_path):
    state = nanogpt_state(bias)
    leftovers = {
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "best_val_loss": np.float64(0.518), "rank": np.int64(3),
    }  # fmt: skip
    masks = {f"{prefix}transformer.h.0.attn.bias": torch.ones(1, 1, CONTEXT, CONTEXT).tril()}
    path = write_pt(tmp_path / "ckpt.pt", {prefix + name: value for name, value in state.items()} | masks, **leftovers)
    folder = convert(path, str(tokens / "tokenizer"), tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.randint(0, VOCAB, (2, CONTEXT))
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, nanogpt_logits(state, ids), rtol=1e-4, atol=1e-4)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("a sun")["input_ids"][0] == model.config.bos_token_id


def test_a_bare_state_dict_has_its_heads_told_by_the_papers_file_name(tokens, tmp_path):
    path = tmp_path / "ckpt_sarvam_54M_val=0.518_[2M]_[l=2, h=4, e=32].pt"
    state = nanogpt_state(bias=False)
    torch.save(state, path)
    model = AutoModelForCausalLM.from_pretrained(convert(path, str(tokens / "tokenizer"), tmp_path / "model")).eval()
    assert model.config.n_head == 4
    ids = torch.randint(0, VOCAB, (1, CONTEXT))
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, nanogpt_logits(state, ids), rtol=1e-4, atol=1e-4)
    torch.save(state, tmp_path / "ckpt.pt")
    with pytest.raises(UserError, match="--heads"):
        convert(tmp_path / "ckpt.pt", str(tokens / "tokenizer"), tmp_path / "other")


def test_the_command(tokens, tmp_path):
    path = write_pt(tmp_path / "ckpt.pt", nanogpt_state(bias=True))
    done = call("import_nanogpt", path, "--tokenizer", tokens / "tokenizer", "--out", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {p.name for p in (tmp_path / "model").iterdir()}


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_file_is_not_run(tokens, tmp_path):
    torch.save({"model": Harmful(str(tmp_path / "harm"))}, tmp_path / "bad.pt")
    with pytest.raises(UserError, match="read safely"):
        convert(tmp_path / "bad.pt", str(tokens / "tokenizer"), tmp_path / "model")
    assert not (tmp_path / "harm").exists() and not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda state: [state.pop(name) for name in list(state) if ".h." in name], "it has 0 blocks"),
        (lambda state: [state.pop(name) for name in list(state) if ".h.0." in name], "it has 1 blocks"),
        (lambda state: state.pop("transformer.h.1.mlp.c_fc.weight"), r"it has no transformer\.h\.1\.mlp\.c_fc\.weight"),
        (lambda state: state.update({"transformer.h.1.ln_2.bias": torch.zeros(3)}), r"ln_2\.bias is torch\.float32 of \(3,\), not float of \(32,\)"),
        (lambda state: state.update({"transformer.wpe.weight": torch.zeros(24, 7)}), r"wpe\.weight is torch\.float32 of \(24, 7\)"),
        (lambda state: state.update({"lm_head.weight": torch.zeros(VOCAB, HIDDEN, dtype=torch.int8)}), r"lm_head\.weight is torch\.int8"),
        (lambda state: state.update({"transformer.wte.weight": torch.zeros(VOCAB)}), "of two dimensions"),
        (lambda state: state.update({"transformer.h.0.moe.weight": torch.zeros(3)}), r"h\.0\.moe\.weight is none of its weights"),
        (lambda state: state.update({7: torch.zeros(3)}), "7 is none of its weights"),
    ],
)
def test_weights_that_are_not_those_of_one_gpt_are_named(damage, says, tokens, tmp_path):
    state = nanogpt_state(bias=True)
    damage(state)
    with pytest.raises(UserError, match=rf"ckpt\.pt is no .*{says}"):
        convert(write_pt(tmp_path / "ckpt.pt", state), str(tokens / "tokenizer"), tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("arguments", [[1], {"n_head": "many"}, {"n_head": 5}, {"n_head": -4}])
def test_arguments_that_tell_no_heads_ask_for_them(arguments, tokens, tmp_path):
    with pytest.raises(UserError, match="--heads, a divisor of 32"):
        convert(write_pt(tmp_path / "ckpt.pt", nanogpt_state(bias=True), model_args=arguments), str(tokens / "tokenizer"), tmp_path / "model")


def test_a_file_that_is_no_checkpoint_is_told_in_one_sentence(tokens, tmp_path):
    whole = write_pt(tmp_path / "whole.pt", nanogpt_state(bias=True))
    cut = tmp_path / "cut.pt"
    for content in (b"", b"some text\n", whole.read_bytes()[:5000]):
        cut.write_bytes(content)
        with pytest.raises(UserError, match=r"cut\.pt is no checkpoint that can be read safely: it is no whole file of torch\.save\.$"):
            convert(cut, str(tokens / "tokenizer"), tmp_path / "model")
    torch.save({"model": nanogpt_state(bias=True), "config": tmp_path}, cut)
    with pytest.raises(UserError, match=r"it holds pathlib[\w.]*PosixPath, which is code and no weight\.$"):
        convert(cut, str(tokens / "tokenizer"), tmp_path / "model")


def test_files_of_old_pytorch_are_read_too(tokens, tmp_path):
    state = nanogpt_state(bias=False)
    torch.save({"model": state, "model_args": {"n_head": HEADS}}, tmp_path / "ckpt.pt", _use_new_zipfile_serialization=False)
    folder = convert(tmp_path / "ckpt.pt", str(tokens / "tokenizer"), tmp_path / "model")
    stored = load_file(folder / "model.safetensors")["transformer.h.1.mlp.c_fc.weight"]
    assert torch.equal(stored, state["transformer.h.1.mlp.c_fc.weight"].T)


@pytest.mark.parametrize("content", [{"model": {"a.weight": torch.zeros(2)}}, {"model": 3}, [1, 2]])
def test_other_files_are_refused(content, tokens, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"other\.pt"):
        convert(tmp_path / "other.pt", str(tokens / "tokenizer"), tmp_path / "model")


def test_a_tokenizer_larger_than_the_model_is_refused(tokens, tmp_path):
    state = nanogpt_state(bias=False)
    state["transformer.wte.weight"] = state["lm_head.weight"] = torch.randn(300, HIDDEN)
    with pytest.raises(UserError, match="trained with"):
        convert(write_pt(tmp_path / "ckpt.pt", state), str(tokens / "tokenizer"), tmp_path / "model")
