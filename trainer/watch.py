"""What a run shows of itself: metrics.jsonl, curves.png and sampled stories; no account needed."""

import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path

import torch

from backend.errors import UserError
from backend.files import writing
from backend.tokenizer import Tokenizer
from trainer.config import TrainConfig


class Metrics:
    """Appends one JSON row an event to `metrics.jsonl`; on resume the rows after the resumed step are dropped."""

    def __init__(self, path: Path, step: int):
        self.path = path
        rows = [row for row in read_metrics(path) if row["step"] <= step] if path.exists() else []
        with writing(path) as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def write(self, **row) -> None:
        """Append a row and flush it to the operating system."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def check_tracker(name: str) -> None:
    """Raises UserError for a tracker whose package is not installed: accelerate would only warn, and log nothing."""
    if name and not find_spec(name):
        raise UserError(f"--trackers {name} needs the package {name}; install it with pip install {name}, or leave it out.")


def begin_tracking(accelerator, config: TrainConfig) -> None:
    """Start the configured tracker. Raises UserError where it cannot, as for want of an account or a network."""
    try:
        accelerator.init_trackers("tinystories-regional", config=dataclasses.asdict(config))
    except Exception as error:  # each tracker has errors of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        offline = "set WANDB_MODE=offline, " if config.trackers == "wandb" else ""
        raise UserError(f"--trackers {config.trackers} cannot begin ({reason}); log in there, {offline}or leave it out.") from None


def read_metrics(path: Path) -> list[dict]:
    """All whole rows of a `metrics.jsonl`; a last line cut by a kill is passed over."""
    rows = []
    for line in path.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def draw_curves(metrics: Path, image: Path) -> None:
    """Training and validation loss over tokens, as a PNG."""
    from matplotlib.figure import Figure

    rows = read_metrics(metrics)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        points = [(row["tokens"], row[name]) for row in rows if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="o" if name == "val_loss" else None, markersize=3)
    axes.set_xlabel("tokens")
    axes.set_ylabel("loss (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend()
    with writing(image, "wb") as file:
        figure.savefig(file, format="png", dpi=120)


@torch.no_grad()
def sample_stories(model, tokenizer: Tokenizer, count: int, max_tokens: int, block_size: int, seed: int) -> list[str]:
    """Stories from bos alone, at temperature 0.8 and top_k 15, for a look while training."""
    device = next(model.parameters()).device
    dice = torch.Generator(device=device).manual_seed(seed)
    ids = torch.full((count, 1), tokenizer.bos_id, device=device)
    for _ in range(min(max_tokens, block_size - 1)):
        logits = model(ids)[:, -1].float() / 0.8
        best, where = logits.topk(15)
        chosen = where.gather(1, torch.multinomial(best.softmax(dim=-1), 1, generator=dice))
        ids = torch.cat([ids, chosen], dim=1)
    texts = []
    for row in ids[:, 1:].tolist():
        texts.append(tokenizer.decode(row[: row.index(tokenizer.eos_id)] if tokenizer.eos_id in row else row))
    return texts
