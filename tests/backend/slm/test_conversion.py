"""The conversion gives the same model as transformers has, but for what eight bits round."""

import json
import shutil
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from backend.errors import UserError
from backend.slm.catalog import BUNDLED
from backend.slm.conversion import converted
from backend.slm.engine import Engine
from backend.slm.sampling import Sampling
from tests.backend.slm.random_models import SIZES, in_eight_bits

OPENINGS = ("Once upon a time", "एक छोटी चिड़िया", "একটা ছোট্ট মেয়ে", "एका गावात", "A")


@pytest.mark.parametrize("kind", [kind for kind in SIZES if kind != "qwen3-slow"])
def test_greedy_tokens_are_those_of_transformers_or_all_but_as_likely(folders, kind):
    import torch
    from transformers import AutoModelForCausalLM

    engine = Engine(folders[kind])
    model = in_eight_bits(AutoModelForCausalLM.from_pretrained(folders[kind], dtype=torch.float32))
    greedy = Sampling(temperature=0, max_tokens=48, finish_sentence=False)
    try:
        stories = engine.complete_many(OPENINGS, greedy)
        for opening, ours in zip(OPENINGS, stories, strict=True):
            ids = engine.prompt_ids(opening)
            told = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=48)[0].tolist()
            # Activations are rounded, so that of two tokens nearly as likely either may come; untrained weights have many such.
            for reading in engine.read(told, 1)[len(ids) :]:
                assert reading.likeliest[0][1] - reading.log_probability < 0.4
            assert ours.tokens > 10
    finally:
        engine.close()


def test_processes_that_convert_at_once_get_one_whole_file(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYSTORIES_CACHE", str(tmp_path))
    with ProcessPoolExecutor(3) as pool:
        paths = set(pool.map(converted, [folders["qwen3"]] * 3))
    assert len(paths) == 1
    assert [path.name for path in (tmp_path / "models").iterdir()] == [paths.pop().name]


def test_a_changed_model_is_converted_anew(folders, tmp_path):
    copy = shutil.copytree(folders["qwen3-tied"], tmp_path / "copy")
    before = converted(copy)
    assert before == converted(folders["qwen3-tied"])
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert converted(copy) != before


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
    elif what == "weights that are no numbers":
        content = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(content[:-2] + b"\xc0\x7f")
    elif what == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    else:
        changes = {
            "no sizes": {"hidden_size": None}, "more layers than weights": {"num_hidden_layers": 9},
            "another width": {"hidden_size": 256}, "heads that do not fit": {"num_attention_heads": 8},
            "rotations of another kind": {"rope_parameters": {"rope_type": "yarn"}},
            "another activation": {"hidden_act": "relu"},
        }  # fmt: skip
        config = json.loads((folder / "config.json").read_text()) | changes[what]
        (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "what",
    [
        "no config", "config no JSON", "another architecture", "no weights", "weights cut short", "weights that are text",
        "weights that are no numbers", "no tokenizer", "no sizes", "more layers than weights", "another width", "heads that do not fit", "rotations of another kind",
        "another activation",
    ],
)  # fmt: skip
def test_a_bad_folder_gets_one_clear_sentence(folders, tmp_path, what):
    copy = shutil.copytree(folders["qwen3-tied"], tmp_path / "copy")
    _spoil(copy, what)
    with pytest.raises(UserError, match=r"copy"):
        Engine(copy)


@pytest.mark.parametrize("changes", [{"n_positions": 4096}, {"n_head": 16, "head_dim": 16}, {"n_inner": 400}])
def test_a_gpt2_whose_sizes_are_not_those_of_its_weights_is_refused(folders, tmp_path, changes):
    copy = shutil.copytree(folders["gpt2"], tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match="do not fit together"):
        Engine(copy)


@pytest.mark.parametrize("kind", ["qwen3", "gpt2"])
def test_eight_bits_say_nearly_the_same(folders, kind):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folders[kind], dtype=torch.float32)
    engine = Engine(folders[kind])
    pairs = engine.score("एक छोटी चिड़िया और एक पेड़")
    engine.close()
    ids = torch.tensor([[engine.tokenizer.bos_id, *(token for token, _ in pairs)]])
    exact = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0].detach().numpy()
    near = np.array([score for _, score in pairs])
    # Untrained weights know no mercy: their logits differ more than any trained model's.
    assert abs(near.mean() - exact.mean()) < 0.03 * abs(exact.mean())
    assert np.corrcoef(exact, near)[0, 1] > 0.98


def test_a_trained_model_scores_as_in_transformers():
    import torch
    from transformers import AutoModelForCausalLM

    engine = Engine(BUNDLED / "hindi")
    model = AutoModelForCausalLM.from_pretrained(BUNDLED / "hindi", dtype=torch.float32)
    ids = engine.prompt_ids("एक दिन मीरा ने आँगन में एक छोटी चिड़िया देखी। चिड़िया चुप थी और उसका पंख भीगा हुआ था।")
    expected = model(torch.tensor([ids])).logits[0].log_softmax(-1).detach().numpy()
    readings = engine.read(ids, 1)[1:]
    engine.close()
    differences = [reading.log_probability - row[reading.id] for reading, row in zip(readings, expected, strict=False)]
    assert np.abs(differences).mean() < 0.15
    assert abs(np.mean(differences)) < 0.05
    assert sum(reading.likeliest[0][0] == row.argmax() for reading, row in zip(readings, expected, strict=False)) > 0.9 * len(readings)


def test_scores_are_the_log_probabilities_of_transformers(folders):
    import torch
    from transformers import AutoModelForCausalLM

    engine = Engine(folders["qwen3"])
    model = in_eight_bits(AutoModelForCausalLM.from_pretrained(folders["qwen3"], dtype=torch.float32))
    try:
        pairs = engine.score("एक छोटी चिड़िया और एक पेड़", ended=True)
        ids = [engine.tokenizer.bos_id, *(token for token, _ in pairs)]
        assert ids[-1] == engine.tokenizer.eos_id
        expected = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        assert np.abs(np.array([score for _, score in pairs]) - expected.detach().numpy()).max() < 0.3
        with pytest.raises(UserError, match="shorten"):
            engine.score("a b " * 2000)
    finally:
        engine.close()
