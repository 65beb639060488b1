"""A run that is killed, stopped or interrupted ends as if nothing had happened."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from backend.errors import UserError
from tests.trainer.small_runs import call, command, environment, rows, settings, train
from trainer.checkpoint import checkpoints
from trainer.config import load_config


def start(config_file, tokens, out, **fields):
    line = command("train", config_file, *settings(data=tokens, out=out, **fields))
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def wait_for(condition, process):
    for _ in range(60_000):
        if condition() or process.poll() is not None:
            return
        time.sleep(0.001)
    pytest.fail("it never came so far")


def steps_in(out) -> int:
    path = out / "metrics.jsonl"
    return path.read_text("utf-8").count('"gradient_norm"') if path.exists() else 0


def test_a_killed_run_goes_on_bit_for_bit(reference, tokens, config_file, tmp_path):
    out, step = tmp_path / "run", random.Random().randint(1, 12)
    # Once at a random step, once while a checkpoint is being written.
    moments = (
        lambda: steps_in(out) >= step,
        lambda: any(out.glob(".checkpoint-16.writing")),
    )
    for reached in moments:
        process = start(config_file, tokens, out)
        wait_for(reached, process)
        process.kill()
        process.communicate()
    for folder in checkpoints(out):
        assert {"model.safetensors", "state.pt", "config.yaml"} <= {path.name for path in folder.iterdir()}
    done = call("train", config_file, *settings(data=tokens, out=out), env=environment())
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert rows(out) == rows(reference)
    ours, theirs = (run / "checkpoint-24" / "model.safetensors" for run in (out, reference))
    assert ours.read_bytes() == theirs.read_bytes()
    assert not list(out.glob(".checkpoint*"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stopped_run_saves_and_goes_on_bit_for_bit(number, status, reference, tokens, config_file, tmp_path):
    out = tmp_path / "run"
    process = start(config_file, tokens, out)
    wait_for(lambda: steps_in(out) >= 3, process)
    process.send_signal(number)
    _, error = process.communicate(timeout=120)
    assert process.returncode == status
    assert "Traceback" not in error
    saved = checkpoints(out)[-1]
    assert steps_in(out) == int(saved.name.split("-")[1])
    done = call("train", config_file, *settings(data=tokens, out=out), env=environment())
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert rows(out) == rows(reference)


def test_two_trainings_of_one_folder_are_refused_until_the_first_ends(tokens, config_file, tmp_path):
    out = tmp_path / "run"
    first = start(config_file, tokens, out, max_steps=100_000, eval_every=100_000, save_every=5)
    wait_for(lambda: len(checkpoints(out)) > 0, first)
    second = load_config(config_file, settings(data=tokens, out=out, max_steps=1, export=False))
    with pytest.raises(UserError, match=f"Another training writes to {out} just now; wait"):
        train(second)
    assert first.poll() is None
    first.kill()
    first.communicate()
    assert train(second)


def test_metrics_of_steps_after_the_checkpoint_are_written_once(reference, tokens, config_file, tmp_path):
    steps = [row["step"] for row in rows(reference) if "loss" in row]
    assert steps == list(range(1, 25))
    assert [row["step"] for row in rows(reference) if "val_loss" in row] == [8, 16, 24]


def test_every_run_leaves_its_config_and_curves(reference):
    assert (reference / "curves.png").read_bytes().startswith(b"\x89PNG")
    for folder in (reference, reference / "checkpoint-24"):
        assert "hidden_size: 32" in (folder / "config.yaml").read_text()
    for line in (reference / "metrics.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        assert {"step", "tokens", "seconds"} <= row.keys()
        assert ("loss" in row) != ("val_loss" in row)
        assert "val_loss" in row or row["tokens_per_second"] > 0


def test_a_launcher_that_is_stopped_stops_its_run_which_saves(tokens, config_file, tmp_path):
    out = tmp_path / "run"
    line = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "--num_machines", "1", "--mixed_precision", "no"]
    line += ["--dynamo_backend", "no", *command("train", config_file, *settings(data=tokens, out=out, max_steps=100_000, save_every=100_000, eval_every=100_000))[1:]]
    process = subprocess.Popen([sys.executable, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    wait_for(lambda: steps_in(out) >= 3, process)
    process.terminate()
    process.communicate(timeout=120)  # the pipes are closed when the run has ended too
    assert [folder.name for folder in checkpoints(out)] == [f"checkpoint-{steps_in(out)}"]
