"""Training: `accelerate launch trainer/train.py CONFIG.yaml [--field value ...]`."""

import os
import sys
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

from backend.command_line import run
from backend.hub import require_token
from backend.tokenizer import load_tokenizer
from trainer.checkpoint import only_writer
from trainer.config import TrainConfig, load_config
from trainer.data import Rows
from trainer.memory import keep_freed_memory
from trainer.parallel import sharding_is_asked_for
from trainer.plan import describe
from trainer.stopping import Stop
from trainer.training import Training
from trainer.watch import check_tracker


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
        return Training(config, accelerator, rows, held_out, tokenizer, sharded).run(stop)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="print sizes, tokens and an estimate, and train nothing")
@click.option("--price", type=float, default=0.0, help="of an hour, for the estimate")
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def main(config: Path, dry_run: bool, price: float, overrides: tuple[str, ...]) -> None:
    """Train from a YAML config; any of its fields can follow as --field value."""
    settings = load_config(config, list(overrides))
    if dry_run:
        click.echo(describe(settings, price))
        return
    train(settings)


if __name__ == "__main__":
    run(main)
