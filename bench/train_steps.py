"""Claims: more steps a second than Hugging Face's Trainer, and a data loader that takes under 1 % of a step.

The same architecture (6 layers, 256 hidden, vocabulary 8,192), AdamW and batches of 8 × 256 tokens, on one core; the
Trainer's model is transformers' Qwen3ForCausalLM of the same sizes. CPU seconds of a step, after the first few; with
`--two`, on two cores and by the clock, which wants an idle machine.
"""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from bench.claim import tell
from bench.train_time_to_loss import BLOCK, OURS, prepare
from trainer.config import TrainConfig
from trainer.data import Rows
from trainer.memory import keep_freed_memory
from trainer.model import build_model
from trainer.optimizer import build_optimizers, gradient_norm, set_learning_rates

WARM_UP, STEPS, ROWS = 5, 25, 8


def now() -> float:
    """CPU seconds of one core; of several the clock, for a thread that waits may spin."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def ours(folder: Path, precision: str, steps: int) -> dict[str, float]:
    """Median seconds of our step, and of making its batch."""
    keep_freed_memory()  # as train.py does
    config = TrainConfig(**OURS | {"optimizer": "adamw", "mixed_precision": precision, "compile": True})
    rows = Rows(folder, "train", BLOCK, 0, whole_documents=False)
    model = build_model(config, rows.meta["vocab_size"])
    optimizers = build_optimizers(model, config)
    set_learning_rates(optimizers, 1.0)
    forward = torch.compile(model)
    seconds, loading = [], []
    for step in range(WARM_UP + steps):
        started = now()
        ids, targets, _ = rows.batch(step * ROWS, ROWS)
        loaded = now()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = forward(ids, targets)
        loss.backward()
        gradient_norm(model, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        float(loss.detach())
        loading.append(loaded - started)
        seconds.append(now() - started)
    return {"step": statistics.median(seconds[WARM_UP:]), "loading": statistics.median(loading[WARM_UP:])}


def trainers(folder: Path, precision: str, steps: int) -> dict[str, float]:
    """Median seconds of a step of Hugging Face's Trainer."""
    from transformers import Qwen3Config, Qwen3ForCausalLM, Trainer, TrainerCallback, TrainingArguments

    rows = Rows(folder, "train", BLOCK, 0, whole_documents=False)
    sizes = {name: OURS[name] for name in ("hidden_size", "intermediate_size")}
    config = Qwen3Config(
        vocab_size=rows.meta["vocab_size"], num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=4, head_dim=64,
        max_position_embeddings=BLOCK, tie_word_embeddings=False, **sizes,
    )  # fmt: skip
    windows = [row for step in range(WARM_UP + steps) for row in rows.batch(step * ROWS, ROWS)[0]]
    marks = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_, **__):
            marks.append(now())

    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"), per_device_train_batch_size=ROWS, max_steps=WARM_UP + steps, bf16=precision == "bf16",
        use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    data = [{"input_ids": window, "labels": window} for window in windows]
    Trainer(Qwen3ForCausalLM(config), arguments, train_dataset=data, callbacks=[Clock()]).train()
    seconds = [later - earlier for earlier, later in itertools.pairwise(marks)]
    return {"step": statistics.median(seconds[WARM_UP:])}


def measure(who: str, folder: Path, precision: str, steps: int, cores: int) -> dict[str, float]:
    """The same in a process of its own: accelerate keeps one precision a process."""
    command = [sys.executable, "-m", "bench.train_steps", "--one", who, str(folder), precision, str(steps), str(cores)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table and the claims."""
    if "--one" in sys.argv:
        who, folder, precision, steps, cores = sys.argv[sys.argv.index("--one") + 1 :]
        torch.set_num_threads(int(cores))
        print(json.dumps((ours if who == "ours" else trainers)(Path(folder), precision, int(steps))))
        return
    steps, cores = 10 if "--quick" in sys.argv else STEPS, 2 if "--two" in sys.argv else 1
    unit = "CPU seconds a step" if cores == 1 else "seconds a step on two cores"
    with tempfile.TemporaryDirectory() as name:
        print(prepare(Path(name)))
        found = {(who, how): measure(who, Path(name), how, steps, cores) for who in ("Trainer", "ours") for how in ("no", "bf16")}
    for (who, how), seconds in found.items():
        print(f"{who}, {'float32' if how == 'no' else how} | {seconds['step']:.3f} {unit}")
    peers = {f"{who} {how}": f"{seconds['step']:.3f} s" for (who, how), seconds in found.items()}
    packages = ("torch", "transformers", "accelerate")
    same = min(found["Trainer", how]["step"] / found["ours", how]["step"] for how in ("no", "bf16"))
    where = "one core" if cores == 1 else "two cores"
    tell(f"steps a second against Hugging Face's Trainer, same precision (the worse of two), {where}", same, 1.15, same >= 1.15, peers, packages)
    default = found["Trainer", "no"]["step"] / found["ours", "bf16"]["step"]
    tell(f"steps a second, ours in bf16 against the Trainer's default, {where}", default, 1.8, default >= 1.8, peers, packages)
    share = found["ours", "bf16"]["loading"] / found["ours", "bf16"]["step"]
    tell("data loader's share of a step", share, 0.01, share < 0.01, peers, packages)


if __name__ == "__main__":
    main()
