"""The model card of an export, written from the run itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.config import TrainConfig
from trainer.plan import count_parameters
from trainer.watch import read_metrics

_TEXT = """---
library_name: transformers
pipeline_tag: text-generation
{language}tags: [tinystories-regional]
---

# {name}

A story model of {millions:.1f}M parameters (Qwen3 architecture), trained with TinyStories Regional.

Give it the beginning of a story; it goes on to the end and closes with eos.

| | |
| --- | --- |
| size | vocab_size {vocab_size}, hidden_size {hidden_size}, {n_layers} layers, {n_heads} heads, {tying} head |
| data | `{source}`: {documents:,} stories, {tokens:,} tokens |
| recipe | {optimizer}, learning rates {learning_rate} and {matrix_learning_rate} (matrices), weight decay {weight_decay}, {schedule}, seed {seed} |
{init}| seen | {seen:,} tokens in {step:,} steps |
| compute | {hours:.2f} h on {devices}{cost} |
| validation loss | {val_loss} nats a token |
| bits per byte | {bits_per_byte} |

![Loss curves](curves.png)

## Limits

It knows only what its training stories hold. Where those come from the offline storyteller, a story grammar, this is
a demo: it follows that grammar's plots and words, and is no measure of what models of this size can learn.

## Samples

From bos alone, at temperature 0.8 and top_k 15, cut after 100 tokens.

{samples}
"""


@dataclass(frozen=True)
class Costs:
    """What the machine takes: money an hour, watts, and grams of CO2 that a kWh of them stands for; 0 is not told."""

    price: float = 0.0
    watts: float = 0.0
    grams: float = 0.0

    def of(self, hours: float) -> str:
        """What so many hours took, as it follows their number."""
        told, energy = "", hours * self.watts / 1000
        if self.price:
            told += f", {hours * self.price:.2f} at {self.price:g} an hour"
        if self.watts:
            told += f", {energy:.3g} kWh at {self.watts:g} W"
            if self.grams:
                told += f", {energy * self.grams:.3g} g of CO2 at {self.grams:g} g a kWh"
        return told


def model_card(
    config: TrainConfig, meta: dict, checkpoint: Path, name: str, languages: Sequence[str] = (), costs: Costs | None = None
) -> str:
    """Markdown of the card, from the config, the tokens' meta and the run's metrics.

    `languages` are ISO codes.
    """
    metrics = checkpoint.parent / "metrics.jsonl"
    rows = read_metrics(metrics) if metrics.exists() else []
    evaluations = [row for row in rows if "val_loss" in row]
    last = evaluations[-1] if evaluations else {}
    steps = rows[-1] if rows else {"step": 0, "tokens": 0, "seconds": 0.0}
    samples = last.get("samples") or ["(none)"]
    hours = steps["seconds"] / 3600
    return _TEXT.format(
        name=name,
        init=f"| begun from | the weights of `{config.init_from}` |\n" if config.init_from else "",
        devices=last.get("devices", "a machine that the run did not note"),
        cost=(costs or Costs()).of(hours),
        language=f"language: [{', '.join(languages)}]\n" if languages else "",
        millions=count_parameters(config, meta["vocab_size"])["total"] / 1e6,
        vocab_size=meta["vocab_size"],
        tying="tied" if config.tie_embeddings else "untied",
        source=meta["source"],
        documents=meta["train_documents"],
        tokens=meta["train_tokens"],
        step=steps["step"],
        seen=steps["tokens"],
        hours=hours,
        val_loss=f"{last['val_loss']:.4f}" if last else "not measured",
        bits_per_byte=f"{last['bits_per_byte']:.4f}" if last else "not measured",
        samples="\n\n".join("\n".join(f"> {line}" for line in sample.splitlines()) for sample in samples),
        **{
            name: getattr(config, name)
            for name in (
                "hidden_size", "n_layers", "n_heads", "optimizer", "learning_rate",
                "matrix_learning_rate", "weight_decay", "schedule", "seed",
            )
        },
    )  # fmt: skip
