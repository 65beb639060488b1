import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.errors import UserError
from tests.trainer.small_runs import SIZES, call, environment, rows, settings, train
from trainer.checkpoint import best_checkpoint, checkpoints, drop_old, load_weights, newest_checkpoint, weights
from trainer.config import load_config
from trainer.model import build_model


def make_run(out, losses):
    """A run's folder with a checkpoint for every loss; None: not evaluated."""
    for step in losses:
        (out / f"checkpoint-{step}").mkdir(parents=True)
    rows = [{"step": step, "val_loss": loss} for step, loss in losses.items() if loss is not None]
    (out / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.mark.parametrize(
    ("keep", "keep_best", "left"), [(2, 1, [200, 900, 1000]), (1, 0, [1000]), (1, 2, [200, 300, 1000]), (3, 1, [200, 800, 900, 1000])]
)
def test_the_newest_and_the_best_are_kept(keep, keep_best, left, tmp_path):
    losses = {100: 3.0, 200: 1.0, 300: 1.5, 400: None, 800: 2.0, 900: 2.0, 1000: None}
    make_run(tmp_path, losses)
    drop_old(tmp_path, keep, keep_best)
    assert [int(path.name.split("-")[1]) for path in checkpoints(tmp_path)] == left


def test_the_best_is_saved_when_it_is_evaluated_and_outlives_later_ones(tokens, config_file, tmp_path):
    # A learning rate so high after step 4 that the loss can only rise.
    steady = settings(data=tokens, out=tmp_path, max_steps=4, eval_every=4, save_every=4, decay_share=0)
    assert train(load_config(config_file, steady))
    wild = settings(
        data=tokens, out=tmp_path, max_steps=12, eval_every=2, save_every=2, decay_share=0, learning_rate=1,
        matrix_learning_rate=1, keep_checkpoints=1, resume="auto",
    )  # fmt: skip
    assert train(load_config(config_file, wild))
    losses = {row["step"]: row["val_loss"] for row in rows(tmp_path) if "val_loss" in row}
    best = min(losses, key=losses.get)
    assert best < 12
    assert {path.name for path in checkpoints(tmp_path)} == {f"checkpoint-{best}", "checkpoint-12"}
    assert best_checkpoint(tmp_path).name == f"checkpoint-{best}"
    assert newest_checkpoint(tmp_path).name == "checkpoint-12"


def test_a_loss_that_is_no_number_ends_the_run_and_is_not_saved(tokens, config_file, tmp_path):
    fields = {"data": tokens, "out": tmp_path, "learning_rate": 1e9, "matrix_learning_rate": 1e9, "eval_every": 1, "save_every": 1}
    with pytest.raises(UserError, match=r"The loss is (nan|inf) at step \d+; lower --learning_rate"):
        train(load_config(config_file, settings(**fields)))
    for path in checkpoints(tmp_path):
        assert all(value.isfinite().all() for value in load_file(path / "model.safetensors").values())


def test_half_written_checkpoints_of_a_killed_run_are_cleared_away(tokens, config_file, tmp_path):
    left = tmp_path / ".checkpoint-3.writing"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    assert train(load_config(config_file, settings(data=tokens, out=tmp_path, max_steps=2, export=False)))
    assert not left.exists()
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-2"]


def test_resume_from_another_run_and_start_from_its_weights(reference, tokens, config_file, tmp_path):
    for field, first_step in (("resume", 25), ("init_from", 1)):
        out = tmp_path / field
        fields = {"data": tokens, "out": out, "max_steps": first_step + 1, "samples": 0, "export": False}
        assert train(load_config(config_file, settings(**fields, **{field: reference})))
        first = rows(out)[0]
        assert first["step"] == first_step
        assert first["loss"] < 5.5  # a fresh model is at ln 400 = 6


def test_a_run_that_goes_on_with_another_batch_goes_on_in_the_text_where_it_was(tokens, config_file, tmp_path):
    fields = {"data": tokens, "samples": 0, "export": False, "save_every": 4}
    for steps, batch in ((4, 2), (6, 4)):
        assert train(load_config(config_file, settings(**fields, out=tmp_path, max_steps=steps, batch_size=batch)))
    told = [row["tokens"] // SIZES["block_size"] for row in rows(tmp_path) if "loss" in row]
    assert told == [2, 4, 6, 8, 12, 16]
    # The fifth step learns what two steps of the first batch would have learnt.
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "checkpoint-4", other / "checkpoint-4")
    half = settings(**fields, out=other, max_steps=5, batch_size=2, gradient_accumulation=2, mixed_precision="no")
    whole = settings(**fields, out=tmp_path, max_steps=5, batch_size=4, mixed_precision="no", resume=tmp_path / "checkpoint-4")
    for line in (half, whole):
        assert train(load_config(config_file, line))
    ours, theirs = (next(row["loss"] for row in rows(run) if row["step"] == 5 and "loss" in row) for run in (other, tmp_path))
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_a_finished_run_is_left_as_it_is(reference, tokens, config_file, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(reference, out)
    before = (out / "metrics.jsonl").read_bytes()
    done = call("train", config_file, *settings(data=tokens, out=out), env=environment())
    assert done.returncode == 0, done.stderr
    assert (out / "metrics.jsonl").read_bytes() == before


def test_a_folder_without_weights_is_told(tmp_path, config_file):
    with pytest.raises(UserError, match="holds no checkpoint"):
        newest_checkpoint(tmp_path)
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        load_weights(build_model(load_config(config_file, settings()), 400), tmp_path)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_weights_of_another_depth_are_refused(n_layers, reference, config_file):
    model = build_model(load_config(config_file, settings(n_layers=n_layers)), 400)
    with pytest.raises(UserError, match=r"does not fit the configured model at model\.layers\."):
        load_weights(model, reference / "checkpoint-24")


def test_weights_of_another_kind_of_model_are_refused(config_file, tmp_path):
    save_file({"transformer.wte.weight": torch.zeros(3, 4)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="does not fit the configured model"):
        load_weights(build_model(load_config(config_file, settings()), 400), tmp_path)


def test_a_head_of_its_own_is_not_taken_for_the_embeddings(config_file, tmp_path):
    tied, untied = (build_model(load_config(config_file, settings(tie_embeddings=tie)), 400) for tie in (True, False))
    save_file(weights(untied), tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="--tie_embeddings false"):
        load_weights(tied, tmp_path)
    save_file(weights(tied), tmp_path / "model.safetensors")
    load_weights(untied, tmp_path)
    assert torch.equal(untied.lm_head.weight, tied.model.embed_tokens.weight)


def test_a_run_with_another_head_is_not_gone_on_with(reference, tokens, config_file, tmp_path):
    fields = {"data": tokens, "out": tmp_path / "run", "max_steps": 25, "resume": reference, "tie_embeddings": False}
    with pytest.raises(UserError, match=r"another optimizer or tie_embeddings; .* --init_from"):
        train(load_config(config_file, settings(**fields)))


@pytest.mark.parametrize("name", ["model.safetensors", "state.pt"])
def test_a_damaged_checkpoint_is_told(name, reference, tokens, config_file, tmp_path):
    shutil.copytree(reference / "checkpoint-24", tmp_path / "checkpoint-24")
    file = tmp_path / "checkpoint-24" / name
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match=rf"checkpoint-24/{name} cannot be read"):
        train(load_config(config_file, settings(data=tokens, out=tmp_path, max_steps=25)))
