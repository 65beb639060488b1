"""A training run: its steps, its evaluations, and the checkpoints that it leaves."""

import math
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from tqdm import tqdm

from backend.errors import UserError
from backend.hub import await_pushes, download_checkpoint, push_in_background
from backend.tokenizer import Tokenizer
from trainer.checkpoint import (
    checkpoints,
    drop_old,
    drop_unfinished,
    load_state,
    load_weights,
    newest_checkpoint,
    save_checkpoint,
)
from trainer.config import TrainConfig, save_config
from trainer.data import Rows, ahead
from trainer.export import export
from trainer.model import build_model
from trainer.optimizer import build_optimizers, gradient_norm, schedule, set_learning_rates
from trainer.parallel import shard
from trainer.plan import device_name
from trainer.stopping import Stop
from trainer.throughput import throughput
from trainer.watch import Metrics, begin_tracking, draw_curves, sample_stories


class Training:
    """A model, its optimizers and where in the run they are: step, rows, seconds, and the best validation loss."""

    def __init__(
        self, config: TrainConfig, accelerator: Accelerator, rows: Rows, held_out: Rows, tokenizer: Tokenizer, sharded: bool
    ):
        self.config, self.accelerator, self.tokenizer = config, accelerator, tokenizer
        self.rows, self.held_out, self.meta = rows, held_out, rows.meta
        self.world, self.rank, self.main = accelerator.num_processes, accelerator.process_index, accelerator.is_main_process
        self.out, self.sharded = Path(config.out), sharded and self.world > 1
        self.rows_per_step = config.batch_size * config.gradient_accumulation * self.world
        self.devices = f"{self.world} x {device_name(accelerator.device)}"
        self.step, self.best, self.seconds, self.first_row = 0, float("inf"), 0.0, 0

        # Weights are loaded before the wrapping, the optimizers' state after their making.
        self.model = build_model(config, self.meta["vocab_size"]).to(accelerator.device)
        resumed = self._checkpoint()
        if resumed or config.init_from:
            load_weights(self.model, resumed or newest_checkpoint(_fetched(config.init_from)))
        self.wrapped = self._wrapped()
        self.optimizers = build_optimizers(self.model, config)
        set_learning_rates(self.optimizers, 1.0)
        if resumed:
            state = load_state(resumed, self.optimizers)
            self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
            self.first_row = state.get("rows", self.step * self.rows_per_step)
            accelerator.print(f"resuming at step {self.step} from {resumed}")
        self.first_step = self.step
        self.saved = self.step if resumed and resumed.parent == self.out else -1

    def run(self, stop: Stop) -> bool:
        """Learn, evaluate and save until `max_steps`, or until a stop is wished. Returns whether `max_steps` is reached."""
        config = self.config
        if self.main:
            drop_unfinished(self.out)
            save_config(config, self.out / "config.yaml")
            self.metrics = Metrics(self.out / "metrics.jsonl", self.step)
        if config.trackers:
            begin_tracking(self.accelerator, config)
        shown = self.main and sys.stderr.isatty()
        with tqdm(total=config.max_steps, initial=self.step, unit=" steps", disable=not shown) as progress:
            started = time.perf_counter()
            for batches, targets in ahead(self._batches_of, self.step, config.max_steps):
                if stop.wished(self.accelerator):
                    break
                loss, norm = self._learn(batches, targets)
                passed = time.perf_counter() - started
                self.seconds += passed
                self._tell(loss, norm, passed, progress)
                last = self.step == config.max_steps
                is_best = (self.step % config.eval_every == 0 or last) and self._evaluate()
                if self.step % config.save_every == 0 or last or (is_best and config.keep_best):
                    self._save()
                started = time.perf_counter()
        if self.step > max(self.saved, 0):
            self._save()
        return self._end(stop)

    def _checkpoint(self) -> Path | None:
        if self.config.resume == "auto":
            return checkpoints(self.out)[-1] if checkpoints(self.out) else None
        return newest_checkpoint(_fetched(self.config.resume)) if self.config.resume != "none" else None

    def _wrapped(self) -> torch.nn.Module:
        """The model as the processes share it, compiled where the config says so."""
        if not self.sharded:
            return self.accelerator.prepare(torch.compile(self.model) if self.config.compile else self.model)
        for block in self.model.model.layers if self.config.compile else ():
            block.compile()
        shard(self.model, self.model.model.layers, self.accelerator.device.type)
        return self.model

    @property
    def _rows_learnt(self) -> int:
        return self._rows_before(self.step)

    def _rows_before(self, step: int) -> int:
        """Rows that were learnt before a step, which is not asked of steps before the resumed one."""
        return self.first_row + (step - self.first_step) * self.rows_per_step

    def _batches_of(self, step: int) -> tuple[list, torch.Tensor]:
        """This process's part of a step, and how much each micro-step counts: targets are weighed alike."""
        size = self.config.batch_size
        parts = [micro * self.world + self.rank for micro in range(self.config.gradient_accumulation)]
        batches = [self.rows.batch(self._rows_before(step) + part * size, size) for part in parts]
        return batches, torch.tensor([float((targets >= 0).sum()) for _, targets, _ in batches], dtype=torch.float64)

    def _loss_of(self, batch) -> torch.Tensor:
        ids, targets, documents = (part.to(self.accelerator.device, non_blocking=True) for part in batch)
        with self.accelerator.autocast():
            return self.wrapped(ids, targets, documents if self.config.document_attention else None)

    def _passing_gradients_on(self, now: bool):
        """Between the micro-steps of a step the processes need not speak to each other."""
        if self.sharded:
            self.wrapped.set_requires_gradient_sync(now)
        return nullcontext() if now or self.sharded else self.accelerator.no_sync(self.wrapped)

    def _learn(self, batches: list, targets: torch.Tensor) -> tuple[float, float]:
        """One step; returns its loss, the mean of all targets, and the norm of its gradient."""
        set_learning_rates(self.optimizers, schedule(self.step, self.config))
        # Each process's gradient is averaged with the others', so its targets are weighed by all of them.
        shares = targets / self.accelerator.reduce(targets.sum().to(self.accelerator.device), "mean").cpu()
        total = torch.zeros((), device=self.accelerator.device)
        for micro, (batch, share) in enumerate(zip(batches, shares.tolist(), strict=True)):
            with self._passing_gradients_on(micro == len(batches) - 1):
                loss = self._loss_of(batch) * share
                self.accelerator.backward(loss)
            total += loss.detach()
        norm = gradient_norm(self.model, self.config.max_gradient_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        loss_value = float(self.accelerator.reduce(total, "mean"))
        check_finite(loss_value, self.step, self.out)
        return loss_value, float(norm)

    def _tell(self, loss: float, norm: float, passed: float, progress: tqdm) -> None:
        """A row of metrics.jsonl, the trackers and the bar, of a step that took so many seconds."""
        tokens = self._rows_learnt * self.config.block_size
        row = {"step": self.step, "tokens": tokens, "loss": loss, "seconds": round(self.seconds, 3)}
        row |= {"gradient_norm": norm, "learning_rate": self.optimizers[-1].param_groups[0]["lr"]}
        tokens_per_step = self.rows_per_step * self.config.block_size
        row |= throughput(self.config, self.meta["vocab_size"], self.devices, self.world, tokens_per_step, passed)
        progress.update()
        if self.main:
            self.metrics.write(**row)
            progress.set_postfix(loss=f"{loss:.3f}", tokens_per_second=f"{tokens / self.seconds:.0f}")
        if self.config.trackers:
            self.accelerator.log({name: value for name, value in row.items() if name != "step"}, step=self.step)

    def _evaluate(self) -> bool:
        """Tell the validation loss, in bits per byte too, and sampled stories; returns whether no loss was lower before."""
        config, meta = self.config, self.meta
        val_loss = self._validation_loss()
        check_finite(val_loss, self.step, self.out)
        stories = self._stories()
        targets = meta["val_tokens"] - (meta["val_documents"] if config.whole_documents else 0)
        bits_per_byte = val_loss / math.log(2) * targets / meta["val_bytes"]
        is_best, self.best = val_loss < self.best, min(self.best, val_loss)
        if self.main:
            tokens = self._rows_learnt * config.block_size
            row = {"step": self.step, "tokens": tokens, "val_loss": val_loss, "seconds": round(self.seconds, 3)}
            self.metrics.write(**row, bits_per_byte=bits_per_byte, samples=stories, devices=self.devices)
            tqdm.write(
                f"step {self.step}: val_loss {val_loss:.4f}, bits_per_byte {bits_per_byte:.4f}, "
                f"{tokens / self.seconds:.0f} tokens_per_second"
            )
        if config.trackers:
            self.accelerator.log({"val_loss": val_loss, "bits_per_byte": bits_per_byte}, step=self.step)
        return is_best

    @torch.no_grad()
    def _validation_loss(self) -> float:
        """Mean loss of a target; the processes share the batches out."""
        size = min(self.config.batch_size, self.held_out.count)
        batches = min(self.config.eval_batches, self.held_out.count // size)
        total = torch.zeros(2, dtype=torch.float64)  # of losses, of targets
        self.model.eval()
        for first in range(0, batches, self.world):
            batch = self.held_out.batch((first + self.rank) % batches * size, size)
            count = int((batch[1] >= 0).sum()) if first + self.rank < batches else 0
            total += count * torch.tensor([float(self._loss_of(batch)), 1.0], dtype=torch.float64)
        self.model.train()
        losses, targets = self.accelerator.reduce(total.to(self.accelerator.device)).tolist()
        return losses / targets

    def _stories(self) -> list[str]:
        if not self.config.samples or not (self.main or self.sharded):
            return []
        self.model.eval()
        stories = sample_stories(self.model, self.tokenizer, self.config.samples, 100, self.config.block_size, self.config.seed)
        self.model.train()
        return stories

    def _save(self) -> None:
        config = self.config
        path = save_checkpoint(
            self.out, self.step, self.model, self.optimizers, config, self.best, self.seconds, self._rows_learnt, writes=self.main
        )
        if self.main:
            drop_old(self.out, config.keep_checkpoints, config.keep_best)
            draw_curves(self.out / "metrics.jsonl", self.out / "curves.png")
            _push(path, config, f"Step {self.step}")
        self.accelerator.wait_for_everyone()
        self.saved = self.step

    def _end(self, stop: Stop) -> bool:
        """Export a finished model and wait for what is on its way to the Hub. Raises KeyboardInterrupt after Ctrl-C."""
        config, finished = self.config, self.step >= self.config.max_steps
        if config.trackers:
            self.accelerator.end_training()
        interrupted = stop.signal == signal.SIGINT
        if config.export and self.main and finished and not interrupted:
            model = export(self.out, self.out / "final", Path(config.data), name=self.out.name)
            _push(model, config, "The model", whole=True)
        if config.push_to_hub:
            await_pushes()  # a second Ctrl-C ends this too
        if interrupted:
            raise KeyboardInterrupt
        return finished


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
