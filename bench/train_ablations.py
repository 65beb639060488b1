"""Claim: each choice of the recipe earns its place: without it the validation loss after as many tokens is higher.

Three seeds each of a short run (6 layers, 256 hidden, vocabulary 8,192, 2,048 tokens a step), on one core. Printed is
the mean validation loss with its standard deviation over the seeds, and CPU seconds.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import torch

from bench.claim import tell
from bench.train_time_to_loss import prepare, race_us

STEPS = 60
CHANGES = {
    "the recipe": {},
    "AdamW alone, learning rate 0.001": {"optimizer": "adamw", "learning_rate": 0.001},
    "AdamW alone, learning rate 0.003": {"optimizer": "adamw", "learning_rate": 0.003},
    "Newton-Schulz in 3 steps": {"newton_schulz_steps": 3},
    "cosine schedule": {"schedule": "cosine"},
    "decay over the last fifth": {"decay_share": 0.2},
    "tied head": {"tie_embeddings": True},
}


def main() -> None:
    """Print the table and the claim."""
    torch.set_num_threads(1)
    quick = "--quick" in sys.argv
    seeds, steps = (1 if quick else 3), (20 if quick else STEPS)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        print(prepare(Path(name)))
        print("| choice | validation loss | CPU seconds |\n| --- | --- | --- |")
        for choice, changes in CHANGES.items():
            runs = [race_us(Path(name), steps, seed=seed, **changes) for seed in range(seeds)]
            losses, seconds = zip(*runs, strict=True)
            spread = statistics.stdev(losses) if seeds > 1 else 0.0
            found[choice] = statistics.mean(losses)
            print(f"| {choice} | {found[choice]:.3f} ± {spread:.3f} | {statistics.mean(seconds):.1f} |", flush=True)
    adamw = min(loss for choice, loss in found.items() if choice.startswith("AdamW"))
    gain = adamw - found["the recipe"]
    tell("validation loss below that of the best AdamW run, nats a token", gain, 0.0, gain > 0, {k: f"{v:.3f}" for k, v in found.items()}, ("torch",))


if __name__ == "__main__":
    main()
