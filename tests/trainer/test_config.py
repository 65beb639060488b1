import dataclasses
import os
import sys
from importlib.util import find_spec

import pytest
import torch

from backend.errors import UserError
from tests.trainer.small_runs import call, settings, train
from trainer.config import TrainConfig, load_config, save_config
from trainer.model import build_model
from trainer.optimizer import gradient_norm
from trainer.plan import count_parameters, estimate_memory
from trainer.throughput import throughput


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("hidden_size: 64\nn_layers: 2\n", "utf-8")
    config = load_config(path, ["--n-layers", "3", "--learning_rate=0.5", "--compile", "true"])
    assert (config.hidden_size, config.n_layers, config.learning_rate, config.compile) == (64, 3, 0.5, True)
    assert config.block_size == TrainConfig().block_size


def test_no_is_no_in_yaml_too(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("mixed_precision: no\n", "utf-8")
    assert load_config(path, []).mixed_precision == "no"
    assert load_config(path, ["--mixed_precision", "bf16"]).mixed_precision == "bf16"
    assert load_config(path, ["--mixed_precision", "no"]).mixed_precision == "no"


def test_a_saved_config_reads_as_it_was(tmp_path):
    config = TrainConfig(data="somewhere", learning_rate=0.1 + 0.2, compile=True)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml", []) == config


@pytest.mark.parametrize(
    ("text", "overrides", "says"),
    [
        ("hiden_size: 64", [], "did you mean 'hidden_size'"),
        ("{}", ["--max_step", "3"], "did you mean 'max_steps'"),
        ("{}", ["--lr", "3"], "'lr' is no setting"),
        ("{}", ["--max_steps"], "--max_steps lacks its value"),
        ("{}", ["max_steps", "3"], "overrides look like --max_steps 1000"),
        ("max_steps: many", [], "max_steps"),
        ("{}", ["--learning_rate", "fast"], "learning_rate"),
        ("- a list", [], "holds a list"),
        ("max_steps: [", [], "is no YAML file"),
        ("max_steps: 0", [], "max_steps is 0"),
        ("batch_size: -1", [], "batch_size is -1"),
        ("optimizer: adam", [], "did you mean 'adamw'"),
        ("schedule: linear", [], "none of trapezoid, cosine"),
        ("mixed_precision: fp8", [], "bf16"),
        ("decay_share: 1.5", [], "decay_share is 1.5"),
        ("hidden_size: 10\nn_heads: 4", [], "n_heads 4 must divide hidden_size 10"),
        ("trackers: wandbb", [], "did you mean 'wandb'"),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest_right_thing(text, overrides, says, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError) as raised:
        load_config(path, overrides)
    assert says in str(raised.value)


def test_a_config_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match=r"There is no config .*missing\.yaml"):
        load_config(tmp_path / "missing.yaml", [])


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(UserError, match="pip install trackio"):
        train(TrainConfig(trackers="trackio", data=str(tmp_path / "none"), out=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not find_spec("wandb"), reason="needs wandb")
def test_a_tracker_without_an_account_is_told_in_one_sentence(monkeypatch, tokens, config_file, tmp_path):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name, value in {"HOME": tmp_path, "NETRC": tmp_path / "none", "WANDB_BASE_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"--trackers wandb cannot begin \(.*WANDB_MODE=offline, or leave it out"):
        train(load_config(config_file, settings(data=tokens, out=tmp_path / "run", trackers="wandb")))


def test_a_limit_of_0_clips_no_gradient():
    model = torch.nn.Linear(2, 1, bias=False)
    for limit, left in ((1.0, [0.6, 0.8]), (0, [3.0, 4.0])):
        model.weight.grad = torch.tensor([[3.0, 4.0]])
        assert gradient_norm(model, limit).item() == 5.0
        torch.testing.assert_close(model.weight.grad, torch.tensor([left]))


@pytest.mark.parametrize("name", ["adam_beta1", "muon_momentum"])
def test_a_memory_that_forgets_nothing_is_refused(name, config_file):
    with pytest.raises(UserError, match=f"{name} is 1.0, but must be below 1"):
        load_config(config_file, [f"--{name}", "1.0"])


def test_the_command_ends_with_one_sentence(config_file, tmp_path):
    done = call("train", config_file, "--max_stepz", "3")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ") and len(done.stderr.strip().splitlines()) == 1
    done = call("train", config_file, "--data", tmp_path / "nothing")
    assert done.returncode == 1
    assert "prepare.py" in done.stderr and "Traceback" not in done.stderr


def test_another_model_than_the_checkpoints_is_refused(reference, tokens, config_file):
    with pytest.raises(UserError, match="does not fit the configured model"):
        train(load_config(config_file, settings(data=tokens, out=reference, hidden_size=64, max_steps=25)))


def test_the_share_of_a_gpus_peak_is_told_where_that_is_known():
    sizes = {"hidden_size": 64, "n_layers": 1, "n_heads": 1, "intermediate_size": 64, "block_size": 10}
    # Per token 6 times the matrices' and norms' parameters, and attention's 6 * layers * hidden * block.
    operations = 6 * (7 * 64 * 64 + 5 * 64 + 100 * 64) + 6 * 64 * 10
    told = throughput(TrainConfig(**sizes), 100, "2 x NVIDIA H100 80GB HBM3", 2, int(989e12 / operations), 1.0)
    assert told["mfu"] == pytest.approx(0.5, rel=1e-3)
    assert throughput(TrainConfig(**sizes), 100, "1 x AMD EPYC", 1, 500, 2.0) == {"tokens_per_second": 250.0}


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_counted_as_the_model_has_them(tied):
    config = TrainConfig(hidden_size=48, n_layers=3, n_heads=4, intermediate_size=100, tie_embeddings=tied)
    model = build_model(config, 123)
    counts = count_parameters(config, 123)
    assert counts["total"] == sum(parameter.numel() for parameter in model.parameters())
    assert counts["embedding"] + counts["non_embedding"] == counts["total"]


def test_memory_is_estimated_by_optimizer_and_without_whole_logits():
    config = TrainConfig(hidden_size=64, n_layers=2, n_heads=2, intermediate_size=192, block_size=1024, batch_size=16)
    vocab_size, on_cpu = 256_064, True
    memory = estimate_memory(config, vocab_size, on_cpu)
    # Muon keeps one moment of the matrices where AdamW keeps two; the embeddings are AdamW's in both.
    adamw = estimate_memory(dataclasses.replace(config, optimizer="adamw"), vocab_size, on_cpu)
    assert adamw - memory == 4 * count_parameters(config, vocab_size)["non_embedding"]
    # Twice the rows: more activations, and no more logits, of which each row would have a gigabyte.
    assert 0 < estimate_memory(dataclasses.replace(config, batch_size=32), vocab_size, on_cpu) - memory < 1e9


def test_a_dry_run_tells_sizes_time_and_cost_and_trains_nothing(tokens, config_file, tmp_path):
    out = tmp_path / "run"
    done = call("train", config_file, *settings(data=tokens, out=out), "--dry-run", "--price", "2")
    assert done.returncode == 0, (done.returncode, done.stderr)
    for word in ("parameters", "embedding", "non-embedding", "tokens", "steps", "memory", "time", "cost at 2"):
        assert word in done.stdout
    assert not out.exists()
