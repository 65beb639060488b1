"""Claim: each choice of the recipe earns its place: without it the validation loss after as many tokens is higher.

Three seeds each of a short run (4 layers, 128 hidden, vocabulary 2,048, 1,024 tokens a step), on one core, on told
stories (`--text storyteller`) or on people's (`--text shared`). Printed are the mean validation loss with its standard
deviation over the seeds, the same of its distance to the recipe's, seed by seed, and CPU seconds. Tokens and runs are
kept in `out/ablations` and not made again; delete it to start anew.
"""

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from torch import nn

from bench.claim import tell
from bench.train_time_to_loss import prepare, race_us

SIZES = {"hidden_size": 128, "n_layers": 4, "n_heads": 2, "intermediate_size": 384, "batch_size": 4}
KEPT = Path(__file__).resolve().parent.parent / "out" / "ablations"


def without_qk_norm(model: nn.Module) -> None:
    """Queries and keys as their projections make them."""
    for layer in model.model.layers:
        layer.self_attn.q_norm = layer.self_attn.k_norm = nn.Identity()


def small_embeddings(model: nn.Module) -> None:
    """Embeddings at the scale that a tied head needs."""
    nn.init.normal_(model.model.embed_tokens.weight, std=0.02)


def large_embeddings(model: nn.Module) -> None:
    """Embeddings as PyTorch draws them."""
    nn.init.normal_(model.model.embed_tokens.weight, std=1.0)


def no_zeros(model: nn.Module) -> None:
    """The last matrix of each block and the head drawn at 0.02, as GPT-2's are, instead of zero."""
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)


def with_z_loss(model: nn.Module) -> None:
    """10^-4 of the squared logarithm of the softmax's denominator added to the loss (de Brébisson and Vincent 2016)."""

    def loss_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        learnt = targets >= 0
        penalty = (logits.logsumexp(-1)[learnt] ** 2).mean()
        return F.cross_entropy(logits, targets) + 1e-4 * penalty

    _replace(model, lambda logits: logits, loss_of)


def with_soft_capping(model: nn.Module) -> None:
    """Logits held within ±15 by a hyperbolic tangent, as Gemma 2 and modded-nanogpt do."""
    _replace(model, lambda logits: 15 * torch.tanh(logits / 15), F.cross_entropy)


def _replace(model: nn.Module, change: Callable, loss_of: Callable) -> None:
    logits_of = model.forward

    def forward(ids, targets=None, documents=None):
        logits = change(logits_of(ids, None, documents).float())
        return logits if targets is None else loss_of(logits.flatten(0, 1), targets.flatten())

    model.forward = forward


CHANGES = {
    "the recipe": {},
    "AdamW alone, learning rate 0.001": {"optimizer": "adamw", "learning_rate": 0.001},
    "AdamW alone, learning rate 0.003": {"optimizer": "adamw", "learning_rate": 0.003},
    "AdamW alone, learning rate 0.01": {"optimizer": "adamw", "learning_rate": 0.01},
    "no QK-norm": {"alter": without_qk_norm},
    "z-loss": {"alter": with_z_loss},
    "logits capped softly at 15": {"alter": with_soft_capping},
    "tied head": {"tie_embeddings": True},
    "tied head, learning rate 0.004": {"tie_embeddings": True, "learning_rate": 0.004},
    "embeddings drawn at 0.02": {"alter": small_embeddings},
    "embeddings drawn at 1": {"alter": large_embeddings},
    "no matrix zero at first": {"alter": no_zeros},
    "cosine schedule": {"schedule": "cosine"},
    "decay over the last fifth": {"decay_share": 0.2},
    "no warm-up": {"warmup_steps": 0},
    "no weight decay": {"weight_decay": 0.0},
    "gradients not clipped": {"max_gradient_norm": 1e9},
    "matrix learning rate 0.02": {"matrix_learning_rate": 0.02},
    "Newton-Schulz in 3 steps": {"newton_schulz_steps": 3},
    "float32": {"mixed_precision": "no"},
    "whole stories, attention within each": {"whole_documents": True, "document_attention": True},
}
QUICK = [name for name in CHANGES if name == "the recipe" or name.startswith("AdamW")]


class Runs:
    """What was measured on one text with so many steps: a JSON line a run."""

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        self.found = {(row["choice"], row["seed"]): row for row in map(json.loads, lines)}

    def add(self, choice: str, seed: int, loss: float, seconds: float) -> None:
        """Keep a run."""
        row = {"choice": choice, "seed": seed, "loss": loss, "seconds": seconds}
        self.found[choice, seed] = row
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def line(self, choice: str, baseline: str) -> str:
        """A row of the table: mean and spread of the loss, of its distance to the baseline's seed by seed, and seconds."""
        runs = {seed: row for (name, seed), row in self.found.items() if name == choice}
        losses = [row["loss"] for row in runs.values()]
        apart = [row["loss"] - self.found[baseline, seed]["loss"] for seed, row in runs.items()]
        seconds = statistics.mean(row["seconds"] for row in runs.values())
        return f"| {choice} | {_spread(losses, '')} | {_spread(apart, '+')} | {seconds:.1f} |"

    def mean(self, choice: str) -> float:
        """Mean validation loss of a choice."""
        return statistics.mean(row["loss"] for (name, _), row in self.found.items() if name == choice)


def _spread(values: list[float], sign: str) -> str:
    return f"{statistics.mean(values):{sign}.3f} ± {statistics.stdev(values) if len(values) > 1 else 0.0:.3f}"


@click.command()
@click.option("--quick", is_flag=True, help="one seed, 20 steps and the claim's rows alone")
@click.option("--text", type=click.Choice(["shared", "storyteller"]), default="shared", show_default=True)
@click.option("--steps", default=80, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--without", multiple=True, type=click.Choice([*CHANGES][1:]), help="a choice to leave out; may be given again")
def main(quick: bool, text: str, steps: int, seeds: int, without: tuple[str, ...]) -> None:
    """Print the table and the claim."""
    torch.set_num_threads(1)
    changes = {name: change for name, change in CHANGES.items() if name not in without}
    if quick:
        steps, seeds, changes = 20, 1, {name: CHANGES[name] for name in QUICK}
    with tempfile.TemporaryDirectory() as name:
        kept = Path(name) if quick else KEPT / text
        if not (kept / "meta.json").exists():
            kept.mkdir(parents=True, exist_ok=True)
            print(prepare(kept, text, vocab_size=2048, told=500))
        runs = Runs(kept / f"steps-{steps}.jsonl")
        for choice, change in changes.items():
            for seed in range(seeds):
                if (choice, seed) not in runs.found:
                    runs.add(choice, seed, *race_us(kept, steps, seed=seed, **SIZES | change))
            print(runs.line(choice, "the recipe"), flush=True)
        print("\n| choice | validation loss | against the recipe | CPU seconds |\n| --- | --- | --- | --- |")
        for choice in changes:
            print(runs.line(choice, "the recipe"))
        adamw = min(runs.mean(choice) for choice in changes if choice.startswith("AdamW"))
        gain = adamw - runs.mean("the recipe")
        means = {choice: f"{runs.mean(choice):.3f}" for choice in changes}
        tell(f"validation loss below that of the best AdamW run, nats a token, {text} text", gain, 0.0, gain > 0, means, ("torch",))


if __name__ == "__main__":
    main()
