"""The conversion gives the same model: greedy tokens equal those of transformers."""

import json
import shutil
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from gguf import GGUFReader

from backend.errors import UserError
from backend.slm.engine import Engine
from backend.slm.gguf import cached_gguf, write_gguf
from backend.slm.sampling import Sampling
from tests.backend.slm.random_models import SIZES

OPENINGS = ("Once upon a time", "एक छोटी चिड़िया", "একটা ছোট্ট মেয়ে", "एका गावात", "A")


@pytest.mark.parametrize("kind", [kind for kind in SIZES if kind != "qwen3-slow"])
def test_greedy_tokens_equal_those_of_transformers(folders, kind):
    import torch
    from transformers import AutoModelForCausalLM

    engine = Engine(folders[kind], weight_format="F16")
    model = AutoModelForCausalLM.from_pretrained(folders[kind], dtype=torch.float32)
    greedy = Sampling(temperature=0, max_tokens=48, finish_sentence=False)
    try:
        for opening, ours in zip(OPENINGS, engine.complete_many(OPENINGS, greedy), strict=True):
            ids = engine.prompt_ids(opening)
            told = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=48)[0, len(ids) :].tolist()
            expected = engine.story(opening, greedy)
            expected.push(told)
            assert ours.text == expected.text
            assert ours.tokens > 10
    finally:
        engine.close()


def test_eight_bits_stay_close_to_the_weights(folders, tmp_path):
    write_gguf(folders["qwen3"], tmp_path / "exact.gguf", "F16")
    write_gguf(folders["qwen3"], tmp_path / "small.gguf", "Q8_0")
    assert (tmp_path / "small.gguf").stat().st_size < 0.65 * (tmp_path / "exact.gguf").stat().st_size
    exact = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "exact.gguf").tensors}
    from gguf.quants import dequantize

    for tensor in GGUFReader(tmp_path / "small.gguf").tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        wanted = dequantize(exact[tensor.name].data, exact[tensor.name].tensor_type)
        assert np.abs(values - wanted).max() <= np.abs(wanted).max() / 100


def test_the_file_says_what_other_programs_need(folders, tmp_path):
    write_gguf(folders["qwen3-tied"], tmp_path / "model.gguf")
    fields = {name: field.contents() for name, field in GGUFReader(tmp_path / "model.gguf").fields.items()}
    config = json.loads((folders["qwen3-tied"] / "config.json").read_text())
    assert fields["general.architecture"] == "qwen3"
    assert fields["tokenizer.ggml.model"] == "gpt2"
    assert fields["tokenizer.ggml.pre"] == "gpt-4o"
    assert len(fields["tokenizer.ggml.tokens"]) == config["vocab_size"]
    assert fields["tokenizer.ggml.eos_token_id"] == config["eos_token_id"]


def test_processes_that_convert_at_once_get_one_whole_file(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYSTORIES_CACHE", str(tmp_path))
    with ProcessPoolExecutor(3) as pool:
        paths = set(pool.map(cached_gguf, [folders["qwen3"]] * 3))
    assert len(paths) == 1
    assert [path.name for path in (tmp_path / "gguf").iterdir()] == [paths.pop().name]


def test_a_changed_model_is_converted_anew(folders, tmp_path):
    copy = shutil.copytree(folders["qwen3-tied"], tmp_path / "copy")
    before = cached_gguf(copy)
    assert before == cached_gguf(folders["qwen3-tied"])
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert cached_gguf(copy) != before


def _spoil(folder, what):
    if what == "no config":
        (folder / "config.json").unlink()
    elif what == "config no JSON":
        (folder / "config.json").write_text("{")
    elif what == "another architecture":
        (folder / "config.json").write_text('{"model_type": "bloom"}')
    elif what == "no weights":
        (folder / "model.safetensors").unlink()
    elif what == "weights cut short":
        content = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    elif what == "weights that are text":
        (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
    elif what == "no tokenizer":
        (folder / "tokenizer.json").unlink()


@pytest.mark.parametrize(
    "what",
    ["no config", "config no JSON", "another architecture", "no weights", "weights cut short", "weights that are text", "no tokenizer"],
)
def test_a_bad_folder_gets_one_clear_sentence(folders, tmp_path, what):
    copy = shutil.copytree(folders["qwen3-tied"], tmp_path / "copy")
    _spoil(copy, what)
    with pytest.raises(UserError, match=r"copy"):
        cached_gguf(copy)


def test_scores_are_the_log_probabilities_of_transformers(folders):
    import torch
    from transformers import AutoModelForCausalLM

    engine = Engine(folders["qwen3"], weight_format="F16")
    model = AutoModelForCausalLM.from_pretrained(folders["qwen3"], dtype=torch.float32)
    try:
        pairs = engine.score("एक छोटी चिड़िया और एक पेड़", ended=True)
        ids = [engine.tokenizer.bos_id, *(token for token, _ in pairs)]
        assert ids[-1] == engine.tokenizer.eos_id
        expected = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        assert np.abs(np.array([score for _, score in pairs]) - expected.detach().numpy()).max() < 0.01
        with pytest.raises(UserError, match="shorten"):
            engine.score("a b " * 2000)
    finally:
        engine.close()
