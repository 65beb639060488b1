"""Claim: in the browser, who asks while eight others are told stories reads a first word at most twice as late as in an idle app.

Visitors speak the page's own protocol to the app, all on the same two cores. All ask a Llama 54M with random weights, whose
stories take seconds, so that eight are under way all the while; the peer is the same app without them.
"""

import asyncio
import random
import sys
import tempfile
from pathlib import Path

import httpx
import numpy as np

from backend.languages import load_language
from bench.claim import tell
from bench.serve_load import start_app
from bench.serving.random_models import write_model
from bench.serving.visitor import Button, Seen, visit

BUSY, MODEL = 8, "54M"
PATIENCE = 1.0  # seconds, after which the ninth has read a first word and closes the tab


async def measure(address: str, trials: int) -> tuple[list[float], list[float]]:
    """Milliseconds to first words, of an idle app and beside eight."""
    dice = random.Random(0)

    def chosen() -> dict[str, str]:
        return {"opening": dice.choice(load_language("english").openings()), "language": "english", "model": MODEL}

    async with httpx.AsyncClient(base_url=address, timeout=httpx.Timeout(120, read=None)) as client:
        button = Button((await client.get("/config")).json())

        async def series(count: int) -> list[float]:
            seen = Seen()
            for _ in range(count):
                await visit(client, button, seen, PATIENCE, **chosen())
                await asyncio.sleep(0.2)
            return [1000 * seconds for seconds in seen.first_words]

        async def go_on() -> None:
            while True:
                await visit(client, button, Seen(), 300, **chosen())

        await series(5)  # the model is loaded
        idle = await series(trials)
        others = [asyncio.create_task(go_on()) for _ in range(BUSY)]
        await asyncio.sleep(2)
        busy = await series(trials)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    return idle, busy


def main() -> None:
    """Print the table and the claim."""
    with tempfile.TemporaryDirectory() as data:
        write_model(Path(data) / "models" / MODEL, "54M", "68k")
        process, address = start_app(data, "--models", f"{data}/models")
        try:
            idle, busy = asyncio.run(measure(address, 20 if "--quick" in sys.argv else 100))
        finally:
            process.terminate()
            process.wait()
    print("app | first word, ms: median | p95")
    for name, times in (("idle", idle), ("eight busy", busy)):
        print(f"{name} | {np.median(times):.0f} | {np.percentile(times, 95):.0f}")
    ratio = float(np.median(busy) / np.median(idle))
    peers = {"idle, median ms": round(float(np.median(idle)), 1)}
    tell("first word in the browser beside eight others over that in an idle app, medians", ratio, 2, ratio <= 2, peers, ("gradio",))


if __name__ == "__main__":
    main()
