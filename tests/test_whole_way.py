"""The whole way in miniature, by the commands of the README: words, prompts, stories, tokens, training, scores, app."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.app_server import running_app

ROOT = Path(__file__).resolve().parents[1]
SIZES = ["--hidden-size", 32, "--n-heads", 2, "--n-layers", 2, "--intermediate-size", 64, "--max-steps", 12, "--eval-every", 12]


def run(*arguments) -> str:
    """A command of the README, run to its end; what it printed."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def test_from_word_lists_to_a_story_in_the_app(tmp_path):
    journal, dataset, tokens, out = (tmp_path / name for name in ("a.sqlite", "dataset", "tokens", "run"))
    run("-m", "datagen", "stories", "bangla", "--count", 120, "--provider", "storyteller", "--journal", journal)
    run("-m", "datagen", "export", journal, "--out", dataset, "--format", "jsonl")
    run("trainer/prepare.py", "--dataset", dataset, "--tokenizer", "train:400", "--out", tokens, "--validation", 0.1)
    run("trainer/train.py", "trainer/configs/demo.yaml", "--data", tokens, "--out", out, "--threads", 1, *SIZES)
    models = tmp_path / "models"
    run("trainer/export.py", out, "--out", models / "mine", "--language", "bangla")

    openings = tmp_path / "openings.txt"
    openings.write_text("মিনু একটা চাবি পেল।\nআকাশে মেঘ জমেছে।\n", "utf-8")
    completions = tmp_path / "completions.jsonl"
    sample = ["--model", models / "mine", "--openings", openings, "--language", "bangla", "--count", 2, "--out", completions]
    run("trainer/sample.py", *sample)
    assert len([json.loads(line) for line in completions.read_text("utf-8").splitlines()]) == 4
    assert "a heuristic, not a judge" in run("-m", "evaluation", "quick", completions)

    settings = {"TINYSTORIES_CACHE": str(tmp_path / "cache"), "TINYSTORIES_DATA": str(tmp_path / "data")}
    with running_app("--models", str(models), "--no-bundled", **settings) as address:
        asked = {"model": "mine", "prompt": "মিনু একটা চাবি পেল।", "max_tokens": 30, "seed": 1}
        answer = httpx.post(f"{address}/v1/completions", json=asked, timeout=60)
        assert answer.status_code == 200, answer.text
        text = answer.json()["choices"][0]["text"]
        assert text.strip() and "\ufffd" not in text


def test_every_bundled_model_tells_in_its_languages(tmp_path):
    settings = {"TINYSTORIES_CACHE": str(tmp_path / "cache"), "TINYSTORIES_DATA": str(tmp_path / "data")}
    openings = {"hindi": "एक दिन", "marathi": "एके दिवशी", "bangla": "একদিন", "english": "One day"}
    assert sum(path.stat().st_size for path in (ROOT / "models").rglob("*") if path.is_file()) <= 25 * 2**20
    with running_app(**settings) as address:
        names = [model["id"] for model in httpx.get(f"{address}/v1/models").json()["data"]]
        assert {*openings, "tiny"} <= set(names)
        for language, opening in openings.items():
            for model in (language, "tiny"):
                asked = {"model": model, "prompt": opening, "max_tokens": 200, "seed": 1, "temperature": 0.6, "top_k": 15}
                text = httpx.post(f"{address}/v1/completions", json=asked, timeout=60).json()["choices"][0]["text"]
                assert len(text.split()) > 20, (model, language)
