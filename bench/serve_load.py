"""Claim: 200 visitors for ten minutes meet no error but the sentence that it is busy, and the app's memory stays flat.

They speak the page's own protocol to the app with its bundled models, all on the same two cores, and read what they are
told before they ask again; a tenth closes the tab in the middle. Memory is that of the app and its engines' processes,
what they share counted once, against its median after the warm-up.
"""

import asyncio
import contextlib
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median

import click
import numpy as np
import psutil

from backend.languages import load_language
from backend.slm.catalog import bundled_models
from bench.claim import tell
from bench.serving.visitor import Seen, crowd
from spaces.labels import labels

ROOT = Path(__file__).resolve().parents[1]
SPREAD = 0.05


def resident(process: int) -> float:
    """Megabytes that a process and those that it has started hold in memory."""
    parts = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
    found = 0
    for part in parts:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            found += part.memory_full_info().pss
    return found / 1e6


def choose(dice: random.Random) -> dict[str, str]:
    """A model, a language that it writes, an opening."""
    model = dice.choice(bundled_models())
    language = dice.choice(model.languages)
    return {"opening": dice.choice(load_language(language).openings()), "language": language, "model": model.name}


def start_app(data: str, *options: str) -> tuple[subprocess.Popen, str]:
    """The app on a free port, without a bound for one address: here all visitors have the same."""
    environment = os.environ | {"TINYSTORIES_DATA": data, "TINYSTORIES_PER_VISITOR": "100000"}
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", "0", *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
    )
    for line in process.stdout:
        if found := re.search(r"http://[\w.:]+", line):
            return process, found.group()
    raise RuntimeError("the app did not start")


@click.command()
@click.option("--quick", is_flag=True, help="40 visitors for a minute")
@click.option("--visitors", default=200, show_default=True)
@click.option("--seconds", default=600, show_default=True)
@click.option("--warm-up", type=int, help="seconds whose memory does not count; a fifth of all, unless given")
def main(quick: bool, visitors: int, seconds: int, warm_up: int | None) -> None:
    """Print what was seen and the claims."""
    if quick:
        visitors, seconds = 40, 60
    warm_up = warm_up or max(25, seconds // 5)
    memory, over, seen = [], threading.Event(), Seen()
    with tempfile.TemporaryDirectory() as data:
        process, address = start_app(data)
        started = time.perf_counter()

        def watch() -> None:
            while not over.wait(2):
                memory.append((time.perf_counter() - started, resident(process.pid)))

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            asyncio.run(crowd(address, visitors, seconds, random.Random(0), choose, seen))
        finally:
            over.set()
            watching.join()
            process.terminate()
            process.wait()
    warm = [size for moment, size in memory if warm_up <= moment <= seconds]
    middle = median(warm)
    spread = max(abs(size - middle) for size in warm) / middle
    busy = labels("english")["busy"].split("{count}")[1]
    others = Counter(problem for problem in seen.problems if busy not in problem)
    print(f"{visitors} visitors, {seconds} s: {seen.told:,} stories told, {seen.left} left early, ", end="")
    print(f"{len(seen.problems) - others.total()} told that it is busy, {others.total()} other errors {dict(others.most_common(5))}")
    first = np.percentile(seen.first_words, [50, 95]) if seen.first_words else (0, 0)
    print(f"first words after {first[0]:.2f} s (median) and {first[1]:.2f} s (p95)")
    print(f"memory after {warm_up} s: {min(warm):.0f}–{max(warm):.0f} MB, median {middle:.0f}")
    peers = {"stories": seen.told, "left early": seen.left, "busy": len(seen.problems) - others.total()}
    wrong = others.total() + seen.unexplained
    tell(f"errors and unexplained ends, {visitors} visitors for {seconds} s", wrong, 0, not wrong and seen.told > 0, peers, ("gradio",))
    peers = {"MB, median": round(middle)}
    tell("the app's memory after warm-up, largest distance from its median", spread, SPREAD, spread <= SPREAD, peers, ("gradio",))


if __name__ == "__main__":
    main()
