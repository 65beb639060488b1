"""Bits per byte of one fixed small model by tokenizer: what a tokenizer is worth to the model that has to learn with it.

Every model has the same body and reads the same stories the same number of times; the same stories are held out. Its
vocabulary holds the tokens that occur in them alone, so that a tokenizer's unused languages cost nothing.
"""

import hashlib
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from backend.errors import UserError
from backend.files import writing
from backend.tokenizer import BOS, EOS
from backend.tokenizer import Tokenizer as StoryTokenizer
from evaluation.corpus import state_of

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "trainer" / "configs" / "demo.yaml"
BATCH, BLOCK = 4, 512
HELD_OUT = 0.1


def trained_bits_per_byte(
    tokenizer: Tokenizer, name: str, dataset: Path, column: str, folder: Path, passes: float, seeds: int = 1
) -> list[float]:
    """Train the model of CONFIG on `dataset` for so many passes, and return bits per byte of the held-out stories by seed.

    A seed decides the first weights and the order of the stories; what is held out stays. Each dataset and tokenizer has
    a place of its own in `folder`, and what is there already is not done again. Raises UserError when the trainer does.
    """
    folder = folder / _fingerprint(tokenizer, dataset, column)
    tokens = folder / "tokens"
    if not (tokens / "compact").exists():
        shutil.rmtree(folder, ignore_errors=True)
        with_ends(tokenizer, name).save(folder / "tokenizer")
        _call(
            "trainer/prepare.py", "--dataset", dataset, "--column", column, "--tokenizer", folder / "tokenizer",
            "--out", tokens, "--validation", HELD_OUT,
        )  # fmt: skip
        compact(tokens)
    meta = json.loads((tokens / "meta.json").read_text("utf-8"))
    steps = max(20, math.ceil(passes * meta["train_tokens"] / (BATCH * BLOCK)))
    return [_trained(tokens, folder / f"{steps}-steps-seed-{seed}", steps, seed) for seed in range(seeds)]


def _fingerprint(tokenizer: Tokenizer, dataset: Path, column: str) -> str:
    facts = json.dumps([state_of(dataset), column, tokenizer.to_str()])
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _trained(tokens: Path, run: Path, steps: int, seed: int) -> float:
    """Bits per byte after so many steps; a run that is there is gone on with or, at its end, read."""
    if (bits := _last_bits(run, steps)) is None:
        _call(
            "-m", "accelerate.commands.launch", "trainer/train.py", CONFIG, "--data", tokens, "--out", run, "--seed", seed,
            "--batch_size", BATCH, "--block_size", BLOCK, "--whole_documents", "false", "--max_steps", steps,
            "--eval_every", steps, "--save_every", steps, "--eval_batches", 1_000_000, "--samples", 0, "--export", "false",
        )  # fmt: skip
        bits = _last_bits(run, steps)
    if bits is None:
        raise UserError(f"{run / 'metrics.jsonl'} does not tell bits per byte after {steps} steps; delete {run} and try again.")
    return bits


def _last_bits(run: Path, steps: int) -> float | None:
    try:
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return None
    return next((row["bits_per_byte"] for row in reversed(rows) if "bits_per_byte" in row and row["step"] == steps), None)


def with_ends(tokenizer: Tokenizer, name: str) -> StoryTokenizer:
    """A copy that has a bos and an eos of its own, which many tokenizers lack."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.add_special_tokens([BOS, EOS])
    return StoryTokenizer(copy, BOS, EOS, name)


def compact(tokens: Path) -> None:
    """Number the tokens that occur from 0 on, in `train.bin`, `val.bin` and `meta.json`."""
    meta = json.loads((tokens / "meta.json").read_text("utf-8"))
    ids = {split: np.fromfile(tokens / f"{split}.bin", np.dtype(meta["dtype"])) for split in ("train", "val")}
    known = np.unique(np.concatenate(list(ids.values())))
    dtype = np.dtype("<u2") if len(known) <= 1 << 16 else np.dtype("<u4")
    for split, values in ids.items():
        with writing(tokens / f"{split}.bin", "wb") as file:
            file.write(np.searchsorted(known, values).astype(dtype).tobytes())
    ends = {key: int(np.searchsorted(known, meta[key])) for key in ("bos_id", "eos_id")}
    with writing(tokens / "meta.json") as file:
        json.dump(meta | ends | {"vocab_size": len(known), "dtype": dtype.str}, file)
    (tokens / "compact").touch()


def _call(*arguments: object) -> None:
    """A command of the trainer, quietly; its last words are the error."""
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise UserError(f"{arguments[0] if arguments[0] != '-m' else arguments[2]} failed: {last.removeprefix('Error: ')}")
