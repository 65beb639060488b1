"""What a run would take, before it takes it."""

import statistics
import time
from pathlib import Path

import torch
from torch import nn

from backend.processor import processor_name
from trainer.config import TrainConfig
from trainer.data import Rows, read_meta
from trainer.loss import chunk_sizes
from trainer.memory import keep_freed_memory
from trainer.model import build_model
from trainer.optimizer import build_optimizers, gradient_norm

_TIMED = 3  # steps
_LONG = 4e11  # parameters times tokens of a micro-step: on a core of a CPU half a minute


def describe(config: TrainConfig, price: float) -> str:
    """Parameters, tokens, memory, and the time and cost that some timed steps on this machine predict.

    Evaluations, samples and checkpoints are not in the time.
    """
    keep_freed_memory()
    meta = read_meta(Path(config.data))
    if config.threads:
        torch.set_num_threads(config.threads)
    model = build_model(config, meta["vocab_size"])
    counts = count_parameters(config, meta["vocab_size"])
    tokens_per_step = config.batch_size * config.gradient_accumulation * config.block_size
    total_tokens = config.max_steps * tokens_per_step
    seconds = _time_a_step(model, config) * config.max_steps
    memory = estimate_memory(config, meta["vocab_size"], on_cpu=not torch.cuda.is_available())
    lines = [
        f"parameters: {counts['total']:,} ({counts['embedding']:,} embedding, {counts['non_embedding']:,} non-embedding)",
        f"tokens: {total_tokens:,} in {config.max_steps:,} steps of {tokens_per_step:,}; "
        f"{total_tokens / max(1, meta['train_tokens']):.2f} epochs of {meta['train_tokens']:,}",
        f"memory, estimated: {memory / 1e9:.2f} GB",
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


def estimate_memory(config: TrainConfig, vocab_size: int, on_cpu: bool) -> int:
    """Bytes of weights, gradients and optimizer states, of activations, and of the loss's chunk of logits."""
    counts = count_parameters(config, vocab_size)
    matrices = 4 if config.optimizer == "adamw" else 3  # Muon keeps one moment; the embeddings are AdamW's in any case
    states = 4 * (4 * counts["embedding"] + matrices * counts["non_embedding"])
    tokens = config.batch_size * config.block_size
    activations = 4 * tokens * config.hidden_size * (config.n_layers * 16 + 4)
    precision = 2 if config.mixed_precision == "bf16" else 4
    chunk, gathered = chunk_sizes(tokens, vocab_size, on_cpu)
    head = (4 + precision) * vocab_size * config.hidden_size  # its gradient before it is added up, and its copy
    return states + activations + head + vocab_size * (2 * 4 * chunk + precision * gathered)


def _time_a_step(model: nn.Module, config: TrainConfig) -> float:
    """Seconds of a step, from some micro-steps and updates as training does them. On a CPU a row stands for a long batch."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    long = device == "cpu" and parameters * config.batch_size * config.block_size > _LONG
    rows_timed = 1 if long else config.batch_size
    wrapped = torch.compile(model) if config.compile else model
    optimizers = build_optimizers(model, config)
    rows = Rows(config.data, "train", config.block_size, config.seed, config.whole_documents)
    bf16 = config.mixed_precision == "bf16"
    steps = []
    for number in range(_TIMED + 1):
        started = time.perf_counter()
        ids, targets, documents = (part.to(device) for part in rows.batch(number * rows_timed, rows_timed))
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss = wrapped(ids, targets, documents if config.document_attention else None)
        loss.backward()
        float(loss.detach())
        passed = time.perf_counter()
        float(gradient_norm(model, config.max_gradient_norm))
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()
        updated = time.perf_counter()
        steps.append((passed - started) * config.batch_size / rows_timed * config.gradient_accumulation + updated - passed)
    return statistics.median(steps[1:])  # the first one warms up
