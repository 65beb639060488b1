"""Training, from top to bottom: `accelerate launch trainer/train.py CONFIG.yaml [--field value ...]`."""

import dataclasses
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
from backend.tokenizer import load_tokenizer
from trainer.checkpoint import checkpoints, drop_old, load_state, load_weights, newest_checkpoint, save_checkpoint
from trainer.config import TrainConfig, load_config
from trainer.data import Rows
from trainer.model import StoryModel
from trainer.optimizer import build_optimizers, gradient_norm, schedule, set_learning_rates
from trainer.plan import describe
from trainer.watch import Metrics, draw_curves, sample_stories


class _Stop:
    """Turns SIGTERM and Ctrl-C into a wish that the loop reads between two steps."""

    def __init__(self):
        self.signal: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._wish)

    def _wish(self, number, _frame) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number


def build_model(config: TrainConfig, vocab_size: int) -> StoryModel:
    """The configured model, its weights drawn by torch's dice."""
    return StoryModel(
        vocab_size, config.hidden_size, config.n_layers, config.n_heads, config.intermediate_size,
        config.tie_embeddings, config.block_size, config.rope_theta,
    )  # fmt: skip


def train(config: TrainConfig) -> bool:
    """Run to `max_steps` from the newest checkpoint or from the start. Returns False when it was stopped before."""
    # accelerate's launcher leaves one thread a process, whatever the number of cores.
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(config.threads or max(1, len(os.sched_getaffinity(0)) // processes))
    stop = _Stop()
    on_cpu = not torch.cuda.is_available()
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision, cpu=on_cpu, log_with=config.trackers or None, project_dir=config.out
    )
    world, rank = accelerator.num_processes, accelerator.process_index
    set_seed(config.seed)

    out = Path(config.out)
    rows = Rows(config.data, "train", config.block_size, config.seed, config.whole_documents)
    held_out = Rows(config.data, "val", config.block_size, 0, config.whole_documents)
    meta = rows.meta
    tokenizer = load_tokenizer(Path(config.data) / "tokenizer")
    model = build_model(config, meta["vocab_size"])
    model.to(accelerator.device)

    # Resume: weights before the wrapping, optimizers after their making.
    step, best, seconds, resumed = 0, float("inf"), 0.0, None
    if config.resume == "auto":
        resumed = checkpoints(out)[-1] if checkpoints(out) else None
    elif config.resume != "none":
        resumed = newest_checkpoint(_fetched(config.resume))
    if resumed or config.init_from:
        load_weights(model, resumed or newest_checkpoint(_fetched(config.init_from)))
    optimizers = build_optimizers(model, config)
    set_learning_rates(optimizers, 1.0)
    if resumed:
        state = load_state(resumed, optimizers)
        step, best, seconds = state["step"], state["best"], state["seconds"]
        accelerator.print(f"resuming at step {step} from {resumed}")
    forward = torch.compile(model) if config.compile else model
    wrapped = accelerator.prepare(forward)

    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        metrics = Metrics(out / "metrics.jsonl", step)
    if config.trackers:
        accelerator.init_trackers("tinystories-regional", config=dataclasses.asdict(config))

    def loss_of(rows: Rows, first: int, size: int):
        ids, targets, documents = (part.to(accelerator.device) for part in rows.batch(first, size))
        with accelerator.autocast():
            return wrapped(ids, targets, documents if config.document_attention else None)

    @torch.no_grad()
    def evaluate() -> float:
        size = min(config.batch_size, held_out.count)
        batches = min(config.eval_batches, held_out.count // size)
        model.eval()
        losses = [loss_of(held_out, i * size, size).detach() for i in range(batches)]
        model.train()
        return float(accelerator.reduce(torch.stack(losses).mean(), "mean"))

    def save() -> None:
        if accelerator.is_main_process:
            path = save_checkpoint(out, step, model, optimizers, config, best, seconds)
            drop_old(out, config.keep_checkpoints)
            draw_curves(out / "metrics.jsonl", out / "curves.png")
            _push(path, config, step)
        accelerator.wait_for_everyone()

    tokens_per_step = config.batch_size * config.gradient_accumulation * world * config.block_size
    learnt = meta["val_tokens"] - (meta["val_documents"] if config.whole_documents else 0)
    progress = tqdm(
        total=config.max_steps, initial=step, unit=" steps", disable=not (accelerator.is_main_process and sys.stderr.isatty())
    )
    while step < config.max_steps and stop.signal is None:
        started = time.perf_counter()
        set_learning_rates(optimizers, schedule(step, config))
        total = torch.zeros((), device=accelerator.device)
        for micro in range(config.gradient_accumulation):
            position = (step * config.gradient_accumulation + micro) * world + rank
            last = micro == config.gradient_accumulation - 1
            with accelerator.no_sync(wrapped) if not last else nullcontext():
                loss = loss_of(rows, position * config.batch_size, config.batch_size)
                accelerator.backward(loss / config.gradient_accumulation)
            total += loss.detach() / config.gradient_accumulation
        norm = gradient_norm(model, config.max_gradient_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        loss_value = float(accelerator.reduce(total, "mean"))
        if loss_value != loss_value:
            raise UserError(f"The loss is not a number at step {step}; lower --learning_rate, and resume from {out}.")
        seconds += time.perf_counter() - started
        progress.update()
        row = {"step": step, "tokens": step * tokens_per_step, "loss": loss_value, "seconds": round(seconds, 3)}
        row |= {"gradient_norm": float(norm), "learning_rate": optimizers[-1].param_groups[0]["lr"]}
        if accelerator.is_main_process:
            metrics.write(**row)
            progress.set_postfix(loss=f"{loss_value:.3f}", tokens_per_second=f"{step * tokens_per_step / seconds:.0f}")
        if config.trackers:
            accelerator.log(row, step=step)

        if step % config.eval_every == 0 or step == config.max_steps:
            val_loss = evaluate()
            bits_per_byte = val_loss / math.log(2) * learnt / meta["val_bytes"]
            best = min(best, val_loss)
            if accelerator.is_main_process:
                model.eval()
                stories = sample_stories(model, tokenizer, config.samples, 100, config.block_size, config.seed) if config.samples else []
                model.train()
                row = {"step": step, "tokens": step * tokens_per_step, "val_loss": val_loss, "seconds": round(seconds, 3)}
                metrics.write(**row, bits_per_byte=bits_per_byte, samples=stories)
                tqdm.write(
                    f"step {step}: val_loss {val_loss:.4f}, bits_per_byte {bits_per_byte:.4f}, "
                    f"{step * tokens_per_step / seconds:.0f} tokens_per_second"
                )
            if config.trackers:
                accelerator.log({"val_loss": val_loss, "bits_per_byte": bits_per_byte}, step=step)
        if step % config.save_every == 0 and step < config.max_steps:
            save()
    progress.close()
    if not checkpoints(out) or checkpoints(out)[-1].name != f"checkpoint-{step}":
        save()
    if config.trackers:
        accelerator.end_training()
    if stop.signal == signal.SIGINT:
        raise KeyboardInterrupt
    return step >= config.max_steps


def _fetched(name: str) -> Path:
    """A local folder as it is; a Hub id as its downloaded snapshot."""
    if Path(name).exists():
        return Path(name)
    from backend.hub import download_model

    return download_model(name)


def _push(path: Path, config: TrainConfig, step: int) -> None:
    if config.push_to_hub:
        from backend.hub import push_in_background

        push_in_background(path, config.push_to_hub, f"Step {step}")


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
