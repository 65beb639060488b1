"""Claim: two processes reach at least 0.9 of twice one process's rate, at the same global batch.

The bundled models' shape (2.5M parameters) in bf16, a thread a process, 8 rows of 512 tokens a step in all. Needs two
idle cores; the rates are of the last steps that each run writes down.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.claim import tell
from bench.train_time_to_loss import prepare

SIZES = {"hidden_size": 160, "n_layers": 6, "n_heads": 5, "intermediate_size": 432, "block_size": 512}


def seconds_a_step(data: Path, out: Path, processes: int, steps: int) -> float:
    """Wall seconds of a step, the first third left out."""
    settings = SIZES | {
        "data": data, "out": out, "max_steps": steps, "batch_size": 8 // processes, "threads": 1, "eval_every": 10 * steps,
        "save_every": 10 * steps, "samples": 0, "export": False, "keep_best": 0, "whole_documents": False, "document_attention": False,
    }  # fmt: skip
    overrides = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", str(processes)]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["trainer/train.py", "trainer/configs/small.yaml", *overrides, "--compile", "false"]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]
    steps_done = [row for row in rows if "loss" in row]
    first, last = steps_done[len(steps_done) // 3], steps_done[-1]
    return (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])


def main() -> None:
    """Print the table and the claim."""
    steps = 20 if "--quick" in sys.argv else 60
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(prepare(folder))
        found = {processes: seconds_a_step(folder, folder / f"run{processes}", processes, steps) for processes in (1, 2)}
    for processes, seconds in found.items():
        print(f"{processes} process(es) | {seconds:.3f} seconds a step")
    efficiency = found[1] / found[2] / 2
    peers = {f"{processes} process(es)": f"{seconds:.3f} s a step" for processes, seconds in found.items()}
    tell("efficiency of two processes at the same global batch", efficiency, 0.9, efficiency >= 0.9, peers, ("torch", "accelerate"))


if __name__ == "__main__":
    main()
