"""Small real runs of the trainer's commands, for tests."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = [
    *("sun", "moon", "river", "hill", "bird", "tree", "boat", "song", "rain", "star"),
    *("नदी", "चिड़िया", "गाना", "बारिश", "पेड़", "নদী", "পাখি", "গান", "বৃষ্টি", "গাছ"),
]
# Two rows of 64 tokens a step, a model of some 30,000 parameters.
SIZES = {
    "hidden_size": 32, "n_layers": 2, "n_heads": 2, "intermediate_size": 64, "block_size": 64, "batch_size": 2,
    "max_steps": 24, "warmup_steps": 4, "eval_every": 8, "eval_batches": 2, "save_every": 8, "samples": 1, "threads": 1,
}  # fmt: skip


def stories(count: int, seed: int = 0) -> list[str]:
    """Short stories that differ, of a few words in three scripts."""
    dice = random.Random(seed)
    return [
        f"Story {number}. " + " ".join(dice.choice(WORDS) for _ in range(dice.randint(4, 30))) + "."
        for number in range(count)
    ]


def write_jsonl(path: Path, texts: list[str], column: str = "story") -> Path:
    """A JSONL file of texts."""
    path.write_text("".join(json.dumps({column: text}, ensure_ascii=False) + "\n" for text in texts), "utf-8")
    return path


def command(script: str, *arguments: object) -> list[str]:
    """A command line of `trainer/SCRIPT.py`."""
    return [sys.executable, str(ROOT / "trainer" / f"{script}.py"), *map(str, arguments)]


def call(script: str, *arguments: object, **more) -> subprocess.CompletedProcess:
    """Run `trainer/SCRIPT.py` to its end, as a user would."""
    return subprocess.run(command(script, *arguments), capture_output=True, text=True, timeout=300, **more)


def settings(**fields) -> list[str]:
    """Overrides for a config: SIZES and what a test changes."""
    return [part for name, value in (SIZES | fields).items() for part in (f"--{name}", str(value))]


def train(config) -> bool:
    """Train in this process, which may have trained in another precision before: accelerate remembers the first one."""
    from accelerate.state import AcceleratorState

    from trainer import train as training

    AcceleratorState._reset_state(reset_partial_state=True)
    return training.train(config)


def rows(run: Path) -> list[dict]:
    """Metrics of a run without the time it took."""
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    of_time = ("seconds", "tokens_per_second")
    return [{name: value for name, value in json.loads(line).items() if name not in of_time} for line in lines]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without the Hub and with what a test adds."""
    return os.environ | {"HF_HUB_OFFLINE": "1"} | more
