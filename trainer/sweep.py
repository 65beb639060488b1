"""Many runs in one command: every choice of the axes in a file, some side by side, one table and plot at the end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

if not __package__:  # run as a script: imports begin at the root
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click
import yaml
from tqdm import tqdm

from backend.command_line import run
from backend.errors import UserError
from backend.files import writing
from trainer.config import TrainConfig, load_config
from trainer.watch import read_metrics

TRAIN = Path(__file__).resolve().parent / "train.py"


@dataclass
class Run:
    """One point of the grid: its name, settings and folder, and why it failed, if it did."""

    name: str
    overrides: list[str]
    config: TrainConfig
    error: str = ""
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def out(self) -> Path:
        """The folder of the run."""
        return Path(self.config.out)

    def rows(self) -> list[dict]:
        """Its metrics so far."""
        path = self.out / "metrics.jsonl"
        return read_metrics(path) if path.exists() else []

    def done(self) -> bool:
        """Whether its last step was evaluated."""
        return any("val_loss" in row and row["step"] >= self.config.max_steps for row in self.rows())


def read_sweep(path: Path, out: Path, only: tuple[str, ...], overrides: list[str]) -> tuple[Path, list[Run]]:
    """The config that all share, and the runs whose names have all parts named by `only` (of one axis: any of them).

    Raises UserError for a file of another form, an unknown setting or an unknown part.
    """
    try:
        sweep = yaml.safe_load(path.read_text("utf-8"))
        base, axes = path.parent / sweep["config"], sweep["axes"]
        axes = {axis: _points(axis, choices) for axis, choices in axes.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is no sweep ({type(error).__name__}: {error}); it needs 'config: FILE' and 'axes:', each axis a list "
            "of values of a setting or a mapping of names to settings, as in trainer/configs/paper/grid.yaml."
        ) from None
    known = {name for points in axes.values() for name in points}
    for part in only:
        if part not in known:
            raise UserError(f"{path} has nothing named '{part}'; it has {', '.join(sorted(known))}.")
    chosen = [[name for name in points if not set(points) & set(only) or name in only] for points in axes.values()]
    runs = []
    for names in product(*chosen):
        settings = {}
        for points, name in zip(axes.values(), names, strict=True):
            settings |= points[name]
        here = dict(zip(axes, names, strict=True))
        values = {key: _fill(value, here, path) for key, value in settings.items()}
        name = "-".join(names)
        given = [part for key, value in values.items() for part in (f"--{key}", str(value))]
        given += ["--out", str(out / name), *overrides]
        runs.append(Run(name, given, load_config(base, given)))
    return base, runs


def _points(axis: str, choices: list | dict) -> dict[str, dict]:
    if isinstance(choices, list):
        return {f"{axis}={value}": {axis: value} for value in choices}
    return {str(name): dict(settings or {}) for name, settings in choices.items()}


def _fill(value: object, here: dict[str, str], path: Path) -> object:
    if not isinstance(value, str):
        return value
    try:
        return value.format(**here)
    except (KeyError, IndexError, ValueError):
        raise UserError(f"{path}: '{value}' names no axis; there are {', '.join(here)}.") from None


def run_all(base: Path, runs: list[Run], devices: list[str], side_by_side: int) -> None:
    """Train what is not done yet, `side_by_side` runs on each device; a run that fails does not stop the others.

    On Ctrl-C or SIGTERM every run saves, and KeyboardInterrupt is raised.
    """
    waiting = [run for run in runs if not run.done()]
    free = devices * side_by_side
    threads = max(1, len(os.sched_getaffinity(0)) // len(free))
    progress = tqdm(total=len(runs), initial=len(runs) - len(waiting), unit=" runs", disable=not sys.stderr.isatty())
    under_way: list[tuple[Run, str]] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while waiting or under_way:
            while waiting and free:
                one, device = waiting.pop(0), free.pop(0)
                _start(one, base, device, threads)
                under_way.append((one, device))
            for one, device in list(under_way):
                if one.process.poll() is not None:
                    under_way.remove((one, device))
                    free.append(device)
                    _finish(one)
                    progress.update()
            time.sleep(0.2)
    finally:
        for one, _ in under_way:
            one.process.send_signal(signal.SIGTERM)
        for one, _ in under_way:
            one.process.wait()
        progress.close()


def _start(one: Run, base: Path, device: str, threads: int) -> None:
    one.out.mkdir(parents=True, exist_ok=True)
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": device} if device != "cpu" else {})
    line = [sys.executable, str(TRAIN), str(base), *one.overrides]
    if not one.config.threads:
        line += ["--threads", str(threads)]
    with open(one.out / "log.txt", "ab") as log:
        # Ctrl-C comes to us alone: the runs are told by SIGTERM, which saves.
        one.process = subprocess.Popen(line, stdout=log, stderr=log, env=environment, start_new_session=True)


def _finish(one: Run) -> None:
    if one.process.returncode or not one.done():
        lines = (one.out / "log.txt").read_text("utf-8", "replace").strip().splitlines()
        one.error = lines[-1] if lines else f"it ended with {one.process.returncode}"
        tqdm.write(f"{one.name} failed: {one.error}", file=sys.stderr)


def table(runs: list[Run]) -> list[dict]:
    """A row a run, the lowest bits per byte first; of runs that are not done what there is."""
    found = []
    for one in runs:
        rows = one.rows()
        evaluated = [row for row in rows if "val_loss" in row]
        row = {"run": one.name, "state": "failed" if one.error else "done" if one.done() else "not done"}
        if evaluated:
            last = evaluated[-1]
            row |= {"step": last["step"], "tokens": last["tokens"], "val_loss": last["val_loss"]}
            row |= {"bits_per_byte": last["bits_per_byte"], "seconds": last["seconds"]}
            row |= {"best_val_loss": min(evaluation["val_loss"] for evaluation in evaluated)}
        found.append(row)
    return sorted(found, key=lambda row: row.get("bits_per_byte", float("inf")))


def write_results(runs: list[Run], out: Path) -> Path:
    """`results.md`, `results.json` and `curves.png` of a sweep; returns the first."""
    rows = table(runs)
    with writing(out / "results.json") as file:
        json.dump(rows, file, ensure_ascii=False, indent=2)
    columns = {"run": "", "state": "", "step": ",", "tokens": ",", "val_loss": ".4f", "bits_per_byte": ".4f", "seconds": ".0f"}
    with writing(out / "results.md") as file:
        print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns), file=file)
        for row in rows:
            cells = [format(row[name], form) if name in row else "" for name, form in columns.items()]
            print("| " + " | ".join(cells) + " |", file=file)
    _draw(runs, out / "curves.png")
    return out / "results.md"


def _draw(runs: list[Run], image: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for one in runs:
        points = [(row["tokens"], row["bits_per_byte"]) for row in one.rows() if "bits_per_byte" in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=one.name, marker="o", markersize=3)
    axes.set_xlabel("tokens")
    axes.set_ylabel("bits a byte of held-out text")
    axes.grid(alpha=0.3)
    if 0 < len(axes.lines) <= 30:
        axes.legend(fontsize="small")
    with writing(image, "wb") as file:
        figure.savefig(file, format="png", dpi=120)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("sweep", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="folder of all runs")
@click.option("--only", multiple=True, help="part of a run's name, such as hindi or e512; may be given again")
@click.option("--devices", default="cpu", show_default=True, help="cpu, or numbers of GPUs: 0,1,2")
@click.option("--side-by-side", default=1, show_default=True, type=click.IntRange(min=1), help="runs on each device")
@click.option("--dry-run", is_flag=True, help="name the runs and train nothing")
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def main(sweep, out, only, devices, side_by_side, dry_run, overrides) -> None:
    """Train every choice of a sweep file; any setting can follow as --field value. Runs that are done are passed over."""
    if not re.fullmatch(r"cpu|\d+(,\d+)*", devices):
        raise UserError(f"--devices {devices} is neither cpu nor numbers of GPUs such as 0,1.")
    base, runs = read_sweep(sweep, out, only, list(overrides))
    if dry_run:
        for one in runs:
            click.echo(f"{one.name}: {' '.join(one.overrides)}{' (done)' if one.done() else ''}")
        return
    missing = sorted({one.config.data for one in runs if not (Path(one.config.data) / "meta.json").exists()})
    if missing:
        raise UserError(f"There are no tokens in {', '.join(missing)}; make them with trainer/prepare.py, or choose runs by --only.")
    try:
        run_all(base, runs, devices.split(","), side_by_side)
    finally:
        path = write_results(runs, out)
    click.echo(path.read_text("utf-8"))
    failed = [one.name for one in runs if one.error]
    if failed:
        raise UserError(f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}; their log.txt says why.")


if __name__ == "__main__":
    run(main)
