"""Checkpoints: a folder `checkpoint-N` with everything that makes the next step what it would have been."""

import os
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from backend.errors import UserError
from trainer.config import TrainConfig, save_config

_NAME = re.compile(r"checkpoint-(\d+)")


def save_checkpoint(
    out: Path, step: int, model: nn.Module, optimizers: list[Optimizer], config: TrainConfig, best: float, seconds: float
) -> Path:
    """Write `checkpoint-step` under a temporary name, flush it to disk, rename it. Returns its path."""
    folder = out / f"checkpoint-{step}"
    temporary = out / f".checkpoint-{step}.writing"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(weights(model), temporary / "model.safetensors")
    state = {
        "step": step,
        "best": best,
        "seconds": seconds,
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "rng": torch.get_rng_state(),
    }
    torch.save(state, temporary / "state.pt")
    save_config(config, temporary / "config.yaml")
    for path in temporary.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)
    return folder


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict without a tied head's second name and without wrappers' prefixes."""
    state = {name.replace("_orig_mod.", "").removeprefix("module."): value for name, value in model.state_dict().items()}
    if "lm_head.weight" in state and state["lm_head.weight"].data_ptr() == state["model.embed_tokens.weight"].data_ptr():
        del state["lm_head.weight"]
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def load_weights(model: nn.Module, folder: Path) -> None:
    """Fill a model from `model.safetensors`. Raises UserError when shapes differ."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise UserError(f"{folder} holds no model.safetensors; give a checkpoint or a model folder.")
    state = load_file(path)
    own = model.state_dict()
    state.setdefault("lm_head.weight", state["model.embed_tokens.weight"])
    wrong = [name for name in own if name not in state or state[name].shape != own[name].shape]
    if wrong:
        raise UserError(f"{path} does not fit the configured model at {', '.join(wrong[:3])}; use the config it was made with.")
    model.load_state_dict({name: state[name].to(own[name].dtype) for name in own})


def load_state(folder: Path, optimizers: list[Optimizer]) -> dict:
    """Restore optimizers and dice from a checkpoint; returns its step, best loss and seconds."""
    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    torch.set_rng_state(state["rng"])
    return state


def checkpoints(out: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    found = [(int(match.group(1)), path) for path in out.glob("checkpoint-*") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def newest_checkpoint(folder: Path) -> Path:
    """The folder itself when it is a checkpoint, else its newest one. Raises UserError when there is none."""
    if (folder / "model.safetensors").exists():
        return folder
    found = checkpoints(folder)
    if not found:
        raise UserError(f"{folder} holds no checkpoint; give a checkpoint-N folder or the run that holds some.")
    return found[-1]


def drop_old(out: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for path in checkpoints(out)[:-keep]:
        shutil.rmtree(path)
