import json
import signal
import subprocess
import time

import pytest
import yaml

from backend.errors import UserError
from tests.trainer.small_runs import ROOT, SIZES, call, command, environment
from trainer.plan import count_parameters
from trainer.sweep import read_sweep

PAPER = ROOT / "trainer" / "configs" / "paper"


@pytest.fixture
def sweep(tokens, tmp_path):
    """Two sizes by two seeds, eight steps each."""
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(SIZES | {"data": str(tokens), "max_steps": 8, "export": False}), "utf-8")
    content = {
        "config": "model.yaml",
        "axes": {"size": {"flat": {"n_layers": 1}, "deep": {"n_layers": 2}}, "seed": [0, 1]},
    }
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return path


def test_a_sweep_is_stopped_goes_on_and_ends_with_a_table(sweep, tmp_path):
    out = tmp_path / "out"
    line = command("sweep", sweep, "--out", out, "--only", "flat", "--side-by-side", 2)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    while process.poll() is None and not list(out.glob("*/metrics.jsonl")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert (out / "results.md").exists()
    done = call("sweep", sweep, "--out", out, "--only", "flat", "--side-by-side", 2, env=environment())
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / "results.json").read_text("utf-8"))
    assert {row["run"] for row in rows} == {"flat-seed=0", "flat-seed=1"}
    assert all(row["state"] == "done" and row["step"] == 8 and row["bits_per_byte"] > 0 for row in rows)
    assert "flat-seed=0" in done.stdout
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/checkpoint-8")}
    again = call("sweep", sweep, "--out", out, "--only", "flat", env=environment())
    assert again.returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("*/checkpoint-8")}


def test_a_run_that_fails_does_not_stop_the_others(sweep, tokens, tmp_path):
    content = yaml.safe_load(sweep.read_text("utf-8"))
    content["axes"] = {"size": {"good": {"n_layers": 1}, "bad": {"resume": str(tmp_path / "sweep.yaml")}}}
    sweep.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    done = call("sweep", sweep, "--out", tmp_path / "out", "--side-by-side", 2, env=environment())
    assert done.returncode == 1
    assert "1 of 2 runs failed: bad" in done.stderr and "Traceback" not in done.stderr
    rows = {row["run"]: row["state"] for row in json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))}
    assert rows == {"good": "done", "bad": "failed"}


def test_the_papers_grid(tmp_path):
    _, runs = read_sweep(PAPER / "grid.yaml", tmp_path, (), [])
    assert len(runs) == 3 * 3 * 3 * 4
    assert len({run.name for run in runs}) == len(runs)
    _, runs = read_sweep(PAPER / "grid.yaml", tmp_path, ("hindi", "sarvam", "e512", "l6", "l12"), [])
    assert [run.name for run in runs] == ["hindi-sarvam-e512-l6", "hindi-sarvam-e512-l12"]
    assert runs[0].config.data == "out/tokens/hindi-sarvam"
    # The paper's sizes with Sarvam's 68,096 tokens and a tied head: 54M parameters for 6 layers of 512.
    assert 53e6 < count_parameters(runs[0].config, 68_096)["total"] < 55e6


@pytest.mark.parametrize(
    ("text", "only", "says"),
    [
        ("axes: {}", (), "is no sweep"),
        ("config: model.yaml\naxes: {layers: {l1: n_layers}}", (), "is no sweep"),
        ("config: model.yaml\naxes: {layers: {l1: {n_layer: 1}}}", (), "did you mean 'n_layers'"),
        ("config: model.yaml\naxes: {layers: {l1: {data: '{langage}'}}}", (), "names no axis"),
        ("config: model.yaml\naxes: {n_layers: [1, 2]}", ("l1",), "nothing named 'l1'"),
        ("config: none.yaml\naxes: {n_layers: [1, 2]}", (), "There is no config"),
    ],
)
def test_what_is_wrong_in_a_sweep_is_told(text, only, says, sweep, tmp_path):
    sweep.write_text(text, "utf-8")
    with pytest.raises(UserError) as raised:
        read_sweep(sweep, tmp_path / "out", only, [])
    assert says in str(raised.value)


def test_a_dry_run_names_the_runs(sweep, tmp_path):
    done = call("sweep", sweep, "--out", tmp_path / "out", "--dry-run", "--max_steps", "4")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    assert not (tmp_path / "out").exists()
