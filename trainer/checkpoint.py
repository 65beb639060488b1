"""Checkpoints: a folder `checkpoint-N` with everything that makes the next step what it would have been."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import filelock
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from backend.errors import UserError
from trainer.config import TrainConfig, save_config
from trainer.parallel import load_whole_state, whole, whole_state
from trainer.watch import read_metrics

_NAME = re.compile(r"checkpoint-(\d+)")


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Make a run's folder and hold its lock, which a kill releases too. Raises UserError while another process has it."""
    out.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(out / ".lock", blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UserError(f"Another training writes to {out} just now; wait for its end, stop it, or choose another --out.") from None
    except OSError as error:
        raise UserError(f"{out} cannot be locked ({error.strerror}); choose an --out where that is possible.") from None
    try:
        yield
    finally:
        lock.release()


def save_checkpoint(
    out: Path, step: int, model: nn.Module, optimizers: list[Optimizer], config: TrainConfig, best: float,
    seconds: float, rows: int, writes: bool = True,
) -> Path:  # fmt: skip
    """Write `checkpoint-step` under a temporary name, flush it to disk, rename it. Returns its path.

    `rows` is the position in the data, right whatever the batch was and will be.
    Of several processes all take part, since shards are put together, and the one that `writes` writes.
    """
    folder = out / f"checkpoint-{step}"
    temporary = out / f".checkpoint-{step}.writing"
    state = {
        "step": step,
        "best": best,
        "seconds": seconds,
        "rows": rows,
        "optimizers": [whole_state(optimizer) for optimizer in optimizers],
        "rng": torch.get_rng_state(),
    }
    tensors = weights(model)
    if not writes:
        return folder
    drop_unfinished(out)
    temporary.mkdir(parents=True)
    save_file(tensors, temporary / "model.safetensors")
    torch.save(state, temporary / "state.pt")
    save_config(config, temporary / "config.yaml")
    for path in [*temporary.iterdir(), temporary]:
        _flush(path)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)
    _flush(out)
    return folder


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict, whole, without a tied head's second name and without wrappers' prefixes."""
    state = {name.replace("_orig_mod.", "").removeprefix("module."): value for name, value in model.state_dict().items()}
    if _is_tied(model):
        del state["lm_head.weight"]
    return {name: whole(value.detach()).cpu().contiguous() for name, value in state.items()}


def _is_tied(model: nn.Module) -> bool:
    names = [name for name, _ in model.named_parameters()]  # one name for a shared parameter
    return not any(name.endswith("lm_head.weight") for name in names)


def load_weights(model: nn.Module, folder: Path) -> None:
    """Fill a model from `model.safetensors`. Raises UserError when names or shapes differ."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise UserError(f"{folder} holds no model.safetensors; give a checkpoint or a model folder.")
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read ({error}); resume from another checkpoint.") from None
    own = model.state_dict()
    embedding, head = "model.embed_tokens.weight", "lm_head.weight"
    if embedding in state:
        state.setdefault(head, state[embedding])
    wrong = [name for name in own if name not in state or state[name].shape != own[name].shape]
    wrong += [name for name in state if name not in own]
    if wrong:
        raise UserError(f"{path} does not fit the configured model at {', '.join(wrong[:3])}; use the config it was made with.")
    if _is_tied(model) and not torch.equal(state[head], state[embedding]):
        raise UserError(f"{path} has a head of its own, which the configured model has not; use --tie_embeddings false.")
    model.load_state_dict({name: state[name].to(own[name].dtype) for name in own})


def load_state(folder: Path, optimizers: list[Optimizer]) -> dict:
    """Restore optimizers and dice from a checkpoint; returns its step, best loss, seconds and, of newer ones, rows.

    Raises UserError for a state that is damaged or of another optimizer.
    """
    path = folder / "state.pt"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be read ({reason}); resume from another checkpoint.") from None
    if _sizes(state["optimizers"]) != _sizes([optimizer.state_dict() for optimizer in optimizers]):
        raise UserError(
            f"{path} is of a run with another optimizer or tie_embeddings; go on with its own, or use --init_from {folder}."
        )
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        # Rates and decays are the config's, which may have changed since; what was learnt is the checkpoint's.
        load_whole_state(optimizer, saved | {"param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(state["rng"])
    return state


def _sizes(states: list[dict]) -> list[list[int]]:
    """How many parameters each group of each optimizer has."""
    return [[len(group["params"]) for group in state["param_groups"]] for state in states]


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


def best_checkpoint(folder: Path) -> Path:
    """The checkpoint of a run whose validation loss is lowest. Raises UserError when none was evaluated."""
    losses = _validation_losses(folder)
    evaluated = [path for path in checkpoints(folder) if path.name in losses]
    if not evaluated:
        raise UserError(f"{folder} holds no checkpoint that was evaluated; give a run's folder.")
    return min(evaluated, key=lambda path: losses[path.name])


def _validation_losses(out: Path) -> dict[str, float]:
    metrics = out / "metrics.jsonl"
    rows = read_metrics(metrics) if metrics.exists() else []
    return {f"checkpoint-{row['step']}": row["val_loss"] for row in rows if "val_loss" in row}


def drop_old(out: Path, keep: int, keep_best: int) -> None:
    """Remove all checkpoints but the newest `keep` and the `keep_best` of the lowest validation loss."""
    found, losses = checkpoints(out), _validation_losses(out)
    best = sorted((path for path in found if path.name in losses), key=lambda path: losses[path.name])[:keep_best]
    for path in set(found[:-keep]) - set(best):
        shutil.rmtree(path)


def drop_unfinished(out: Path) -> None:
    """Remove what a kill left half-written."""
    for path in out.glob(".checkpoint-*.writing"):
        shutil.rmtree(path)
