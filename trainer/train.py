"""Training, from top to bottom: `accelerate launch trainer/train.py CONFIG.yaml [--field value ...]`."""

import math
import os
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path

if not __package__:  # run as a script: imports begin at the root
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# A thread that spins while it waits keeps the core from the one it waits for; read once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import click
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tqdm import tqdm

from backend.command_line import run
from backend.errors import UserError
from backend.hub import await_pushes, download_checkpoint, push_in_background, require_token
from backend.tokenizer import Tokenizer, load_tokenizer
from trainer.checkpoint import (
    checkpoints,
    drop_old,
    drop_unfinished,
    load_state,
    load_weights,
    newest_checkpoint,
    only_writer,
    save_checkpoint,
)
from trainer.config import TrainConfig, load_config, save_config
from trainer.data import Rows, ahead
from trainer.export import export
from trainer.memory import keep_freed_memory
from trainer.model import StoryModel
from trainer.optimizer import build_optimizers, gradient_norm, schedule, set_learning_rates
from trainer.parallel import shard, sharding_is_asked_for
from trainer.plan import describe, device_name
from trainer.stopping import Stop
from trainer.throughput import throughput
from trainer.watch import Metrics, begin_tracking, check_tracker, draw_curves, sample_stories


def build_model(config: TrainConfig, vocab_size: int) -> StoryModel:
    """The configured model, its weights drawn by torch's dice."""
    return StoryModel(
        vocab_size, config.hidden_size, config.n_layers, config.n_heads, config.intermediate_size,
        config.tie_embeddings, config.block_size, config.rope_theta,
    )  # fmt: skip


def train(config: TrainConfig) -> bool:
    """Run to `max_steps` from the newest checkpoint or from the start. Returns False when it was stopped before."""
    check_tracker(config.trackers)
    # accelerate's launcher leaves one thread a process, whatever the number of cores.
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(config.threads or max(1, len(os.sched_getaffinity(0)) // processes))
    keep_freed_memory()
    stop = Stop()
    sharded = sharding_is_asked_for()
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision, cpu=not torch.cuda.is_available(), log_with=config.trackers or None,
        project_dir=config.out,
    )  # fmt: skip
    if config.push_to_hub and accelerator.is_main_process:
        require_token(config.push_to_hub)
    set_seed(config.seed)
    rows = Rows(config.data, "train", config.block_size, config.seed, config.whole_documents)
    held_out = Rows(config.data, "val", config.block_size, 0, config.whole_documents)
    tokenizer = load_tokenizer(Path(config.data) / "tokenizer")
    with only_writer(Path(config.out)) if accelerator.is_main_process else nullcontext():
        return _learn(config, accelerator, rows, held_out, tokenizer, stop, sharded)


def _learn(
    config: TrainConfig, accelerator: Accelerator, rows: Rows, held_out: Rows, tokenizer: Tokenizer, stop: Stop, sharded: bool
) -> bool:
    world, rank, main = accelerator.num_processes, accelerator.process_index, accelerator.is_main_process
    out, meta = Path(config.out), rows.meta
    model = build_model(config, meta["vocab_size"])
    model.to(accelerator.device)

    # Resume: weights before the wrapping, optimizers after their making.
    rows_per_step = config.batch_size * config.gradient_accumulation * world
    step, best, seconds, resumed, first_row = 0, float("inf"), 0.0, None, 0
    if config.resume == "auto":
        resumed = checkpoints(out)[-1] if checkpoints(out) else None
    elif config.resume != "none":
        resumed = newest_checkpoint(_fetched(config.resume))
    if resumed or config.init_from:
        load_weights(model, resumed or newest_checkpoint(_fetched(config.init_from)))
    if sharded and world > 1:
        for block in model.model.layers if config.compile else ():
            block.compile()
        shard(model, model.model.layers, accelerator.device.type)
        wrapped = model
    else:
        wrapped = accelerator.prepare(torch.compile(model) if config.compile else model)
    optimizers = build_optimizers(model, config)
    set_learning_rates(optimizers, 1.0)
    if resumed:
        state = load_state(resumed, optimizers)
        step, best, seconds = state["step"], state["best"], state["seconds"]
        first_row = state.get("rows", step * rows_per_step)
        accelerator.print(f"resuming at step {step} from {resumed}")

    if main:
        drop_unfinished(out)
        save_config(config, out / "config.yaml")
        metrics = Metrics(out / "metrics.jsonl", step)
    if config.trackers:
        begin_tracking(accelerator, config)

    def loss_of(batch) -> torch.Tensor:
        ids, targets, documents = (part.to(accelerator.device, non_blocking=True) for part in batch)
        with accelerator.autocast():
            return wrapped(ids, targets, documents if config.document_attention else None)

    first_step = step

    def rows_before(step: int) -> int:
        """Rows that were learnt before a step, which is not asked of steps before the resumed one."""
        return first_row + (step - first_step) * rows_per_step

    def batches_of(step: int) -> tuple[list, torch.Tensor]:
        """This process's part of a step, and how much each micro-step counts: targets are weighed alike."""
        parts = [micro * world + rank for micro in range(config.gradient_accumulation)]
        batches = [rows.batch(rows_before(step) + part * config.batch_size, config.batch_size) for part in parts]
        return batches, torch.tensor([float((targets >= 0).sum()) for _, targets, _ in batches], dtype=torch.float64)

    def passes_gradients_on(now: bool):
        """Between the micro-steps of a step the processes need not speak to each other."""
        if sharded and world > 1:
            wrapped.set_requires_gradient_sync(now)
        return nullcontext() if now or sharded else accelerator.no_sync(wrapped)

    @torch.no_grad()
    def evaluate() -> float:
        """Mean loss of a target; the processes share the batches out."""
        size = min(config.batch_size, held_out.count)
        batches = min(config.eval_batches, held_out.count // size)
        total = torch.zeros(2, dtype=torch.float64)  # of losses, of targets
        model.eval()
        for first in range(0, batches, world):
            batch = held_out.batch((first + rank) % batches * size, size)
            count = int((batch[1] >= 0).sum()) if first + rank < batches else 0
            total += count * torch.tensor([float(loss_of(batch)), 1.0], dtype=torch.float64)
        model.train()
        losses, targets = accelerator.reduce(total.to(accelerator.device)).tolist()
        return losses / targets

    def sample() -> list[str]:
        if not config.samples or not (main or sharded):
            return []
        model.eval()
        stories = sample_stories(model, tokenizer, config.samples, 100, config.block_size, config.seed)
        model.train()
        return stories

    def save() -> None:
        path = save_checkpoint(out, step, model, optimizers, config, best, seconds, rows_before(step), writes=main)
        if main:
            drop_old(out, config.keep_checkpoints, config.keep_best)
            draw_curves(out / "metrics.jsonl", out / "curves.png")
            _push(path, config, f"Step {step}")
        accelerator.wait_for_everyone()

    devices = f"{world} x {device_name(accelerator.device)}"
    tokens_per_step = rows_per_step * config.block_size
    val_targets = meta["val_tokens"] - (meta["val_documents"] if config.whole_documents else 0)
    saved = step if resumed and resumed.parent == out else -1
    progress = tqdm(total=config.max_steps, initial=step, unit=" steps", disable=not (main and sys.stderr.isatty()))
    started = time.perf_counter()
    for batches, targets in ahead(batches_of, step, config.max_steps):
        if stop.wished(accelerator):
            break
        set_learning_rates(optimizers, schedule(step, config))
        # Each process's gradient is averaged with the others', so its targets are weighed by all of them.
        shares = targets / accelerator.reduce(targets.sum().to(accelerator.device), "mean").cpu()
        total = torch.zeros((), device=accelerator.device)
        for micro, (batch, share) in enumerate(zip(batches, shares.tolist(), strict=True)):
            with passes_gradients_on(micro == len(batches) - 1):
                loss = loss_of(batch) * share
                accelerator.backward(loss)
            total += loss.detach()
        norm = gradient_norm(model, config.max_gradient_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        loss_value = float(accelerator.reduce(total, "mean"))
        check_finite(loss_value, step, out)
        passed, started = time.perf_counter() - started, time.perf_counter()
        seconds += passed
        tokens = rows_before(step) * config.block_size
        progress.update()
        row = {"step": step, "tokens": tokens, "loss": loss_value, "seconds": round(seconds, 3)}
        row |= {"gradient_norm": float(norm), "learning_rate": optimizers[-1].param_groups[0]["lr"]}
        row |= throughput(config, meta["vocab_size"], devices, world, tokens_per_step, passed)
        if main:
            metrics.write(**row)
            progress.set_postfix(loss=f"{loss_value:.3f}", tokens_per_second=f"{tokens / seconds:.0f}")
        if config.trackers:
            accelerator.log({name: value for name, value in row.items() if name != "step"}, step=step)

        last = step == config.max_steps
        is_best = False
        if step % config.eval_every == 0 or last:
            val_loss = evaluate()
            check_finite(val_loss, step, out)
            stories = sample()
            bits_per_byte = val_loss / math.log(2) * val_targets / meta["val_bytes"]
            is_best, best = val_loss < best, min(best, val_loss)
            if main:
                row = {"step": step, "tokens": tokens, "val_loss": val_loss, "seconds": round(seconds, 3)}
                metrics.write(**row, bits_per_byte=bits_per_byte, samples=stories, devices=devices)
                tqdm.write(
                    f"step {step}: val_loss {val_loss:.4f}, bits_per_byte {bits_per_byte:.4f}, "
                    f"{tokens / seconds:.0f} tokens_per_second"
                )
            if config.trackers:
                accelerator.log({"val_loss": val_loss, "bits_per_byte": bits_per_byte}, step=step)
        if step % config.save_every == 0 or last or (is_best and config.keep_best):
            save()
            saved = step
        started = time.perf_counter()
    progress.close()
    if step > max(saved, 0):
        save()
    if config.trackers:
        accelerator.end_training()
    interrupted = stop.signal == signal.SIGINT
    if config.export and main and step >= config.max_steps and not interrupted:
        _push(export(out, out / "final", Path(config.data), name=out.name), config, "The model", whole=True)
    if config.push_to_hub:
        await_pushes()  # a second Ctrl-C ends this too
    if interrupted:
        raise KeyboardInterrupt
    return step >= config.max_steps


def check_finite(loss: float, step: int, out: Path) -> None:
    """Raises UserError for a loss that is not a number, from which no training comes back."""
    if not math.isfinite(loss):
        raise UserError(f"The loss is {loss} at step {step}; lower --learning_rate, and resume from {out}.")


def _fetched(name: str) -> Path:
    """A local folder as it is; of a Hub id the checkpoint that was pushed there last, or else its model."""
    if Path(name).exists():
        return Path(name)
    try:
        return download_checkpoint(name)
    except UserError as error:  # the name of a folder looks like that of a repository
        raise UserError(f"There is no folder {name} here, and it is not had from the Hub either: {error}") from None


def _push(path: Path, config: TrainConfig, message: str, whole: bool = False) -> None:
    if config.push_to_hub:
        push_in_background(path, config.push_to_hub, message, **({"into": None} if whole else {}))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="print sizes, tokens and an estimate, and train nothing")
@click.option("--price", type=float, default=0.0, help="of an hour, for the estimate")
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def main(config: Path, dry_run: bool, price: float, overrides: tuple[str, ...]) -> None:
    """Train from a YAML config; any of its fields can follow as --field value."""
    settings = load_config(config, list(overrides))
    if dry_run:
        click.echo(describe(settings, build_model, price))
        return
    train(settings)


if __name__ == "__main__":
    run(main)
