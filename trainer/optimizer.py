"""Optimizers and schedule: Muon for the matrices and AdamW for the rest, or AdamW alone as the reference."""

import math

import torch
import torch.distributed as dist
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from trainer.config import TrainConfig
from trainer.parallel import SharedMuon, whole


def build_optimizers(model: nn.Module, config: TrainConfig) -> list[Optimizer]:
    """Optimizers whose learning rates are the config's; `schedule` scales them."""
    matrices, vectors, embeddings = [], [], []
    for name, parameter in model.named_parameters():
        if "embed_tokens" in name or "lm_head" in name:
            embeddings.append(parameter)
        else:
            (matrices if parameter.ndim == 2 else vectors).append(parameter)
    rest = [
        {"params": embeddings, "weight_decay": 0.0 if config.optimizer == "muon" else config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        rest.append({"params": matrices, "weight_decay": config.weight_decay})
    adamw = AdamW(rest, lr=config.learning_rate, betas=(config.adam_beta1, 0.95), eps=1e-10, fused=True)
    if config.optimizer == "adamw":
        return [adamw]
    several = dist.is_initialized() and dist.get_world_size() > 1
    muon = (SharedMuon if several else Muon)(
        matrices, lr=config.matrix_learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw",
        momentum=config.muon_momentum, ns_steps=config.newton_schulz_steps,
    )
    return [muon, adamw]


def schedule(step: int, config: TrainConfig) -> float:
    """The share of the learning rate at a step (0-based): warm-up, then trapezoid or cosine, down to zero."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    left = (config.max_steps - step) / config.max_steps
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (1 - left)))
    return min(1.0, left / config.decay_share) if config.decay_share > 0 else 1.0


def set_learning_rates(optimizers: list[Optimizer], share: float) -> None:
    """Scale every group's initial learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * share


def gradient_norm(model: nn.Module, limit: float) -> torch.Tensor:
    """The norm of all gradients, which are clipped to `limit`; 0 leaves them as they are."""
    return whole(torch.nn.utils.clip_grad_norm_(model.parameters(), limit or float("inf")))
