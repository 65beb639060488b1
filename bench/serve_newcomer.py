"""Claim: who asks while eight stories are under way reads a first word within 40 ms (6M) or 80 ms (54M), at the 95th percentile.

Llamas with random weights on two cores; the eight go on all the while, and each newcomer leaves after the first word. The
peer is the same engine idle.
"""

import asyncio
import os
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import numpy as np

from bench.claim import tell
from bench.serving.random_models import openings, write_model

BUSY = 8
GOALS = {"6M": 40.0, "54M": 80.0}
THREADS = 2


async def first_word(engine, opening: str, sampling) -> float:
    """Milliseconds from asking to the first text."""
    started = time.perf_counter()
    async with aclosing(engine.tell(engine.story(opening, sampling))) as deltas:
        async for _ in deltas:
            return 1000 * (time.perf_counter() - started)
    raise RuntimeError("a story without text")


async def measure(engine, trials: int) -> tuple[list[float], list[float]]:
    """First words of an idle engine, and of one with eight stories under way."""
    from backend.slm.sampling import Sampling

    newcomer, reader = Sampling(0.8, 15, max_tokens=256), Sampling(0.8, 15, max_tokens=900, finish_sentence=False)

    async def go_on(opening: str) -> None:
        while True:
            async with aclosing(engine.tell(engine.story(opening, reader))) as deltas:
                async for _ in deltas:
                    pass

    async def series() -> list[float]:
        found = []
        for opening in openings(trials + 5):
            found.append(await first_word(engine, opening, newcomer))
            await asyncio.sleep(0.03)
        return found[5:]

    idle = await series()
    readers = [asyncio.create_task(go_on(opening)) for opening in openings(BUSY)]
    await asyncio.sleep(2)
    busy = await series()
    for task in readers:
        task.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return idle, busy


def main() -> None:
    """Print the table and the claims."""
    trials = 30 if "--quick" in sys.argv else 200
    print("model | idle: median, p95 (ms) | eight busy: median, p95 (ms)")
    with tempfile.TemporaryDirectory() as root:
        os.environ["TINYSTORIES_CACHE"] = f"{root}/cache"
        from backend.slm.engine import Engine

        for width, vocabulary in (("6M", "8k"), ("54M", "68k")):
            engine = Engine(write_model(Path(root) / width, width, vocabulary), threads=THREADS)
            idle, busy = asyncio.run(measure(engine, trials))
            engine.close()
            (low, lower), (high, higher) = (np.percentile(times, [50, 95]).tolist() for times in (idle, busy))
            print(f"Llama {width}, {vocabulary} | {low:.1f}, {lower:.1f} | {high:.1f}, {higher:.1f}", flush=True)
            peers = {"idle, p95 ms": round(lower, 1), "busy over idle": round(higher / lower, 2)}
            claim = f"first word of a ninth while 8 are busy, {width}: p95 in ms"
            tell(claim, higher, GOALS[width], higher <= GOALS[width], peers)


if __name__ == "__main__":
    main()
