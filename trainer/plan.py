"""What a run would take, before it takes it."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from backend.processor import processor_name
from trainer.config import TrainConfig
from trainer.data import Rows, read_meta
from trainer.optimizer import build_optimizers


def describe(config: TrainConfig, build_model: Callable, price: float) -> str:
    """Parameters, tokens, memory, and the time and cost that one timed step on this machine predicts."""
    meta = read_meta(Path(config.data))
    model = build_model(config, meta["vocab_size"])
    counts = count_parameters(config, meta["vocab_size"])
    tokens_per_step = config.batch_size * config.gradient_accumulation * config.block_size
    total_tokens = config.max_steps * tokens_per_step
    seconds = _time_a_step(model, config) * config.max_steps
    states = 4 * counts["total"] * (4 if config.optimizer == "adamw" else 3)
    activations = 4 * config.batch_size * config.block_size * config.hidden_size * (config.n_layers * 16 + 4)
    logits = 4 * 2 * min(2048, config.batch_size * config.block_size) * meta["vocab_size"]
    lines = [
        f"parameters: {counts['total']:,} ({counts['embedding']:,} embedding, {counts['non_embedding']:,} non-embedding)",
        f"tokens: {total_tokens:,} in {config.max_steps:,} steps of {tokens_per_step:,}; "
        f"{total_tokens / max(1, meta['train_tokens']):.2f} epochs of {meta['train_tokens']:,}",
        f"memory, estimated: {(states + activations + logits) / 1e9:.2f} GB",
        f"time on one device like this, estimated: {seconds / 3600:.2f} h",
    ]
    if price:
        lines.append(f"cost at {price} an hour: {price * seconds / 3600:.2f}")
    return "\n".join(lines)


def device_name(device: torch.device) -> str:
    """What a card calls the device: a GPU's name, or the processor and how many of its threads are used."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()}, {torch.get_num_threads()} thread(s)"


def count_parameters(config: TrainConfig, vocab_size: int) -> dict[str, int]:
    """Parameters of the configured model in all, of the embeddings (head included when untied), and of the rest."""
    hidden = config.hidden_size
    block = 4 * hidden**2 + 3 * hidden * config.intermediate_size + 2 * hidden + 2 * (hidden // config.n_heads)
    embedding = vocab_size * hidden * (1 if config.tie_embeddings else 2)
    rest = config.n_layers * block + hidden
    return {"total": embedding + rest, "embedding": embedding, "non_embedding": rest}


def _time_a_step(model, config: TrainConfig) -> float:
    """Seconds of a step, from one micro-step and one update. On a CPU a row stands for its whole batch."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    optimizers = build_optimizers(model, config)
    rows = Rows(config.data, "train", config.block_size, config.seed, config.whole_documents)
    bf16 = config.mixed_precision == "bf16"
    timed = config.batch_size if device == "cuda" else 1
    for _ in range(2):  # the first one warms up
        started = time.perf_counter()
        ids, targets, documents = (part.to(device) for part in rows.batch(0, timed))
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss = model(ids, targets, documents if config.document_attention else None)
        loss.backward()
        float(loss)
        passed = time.perf_counter()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        updated = time.perf_counter()
    return (passed - started) * config.batch_size / timed * config.gradient_accumulation + updated - passed
