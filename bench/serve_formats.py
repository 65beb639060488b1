"""Claim: eight bits a weight cost no quality that can be measured, and they are faster.

Quality is bits per byte of new storyteller stories under the bundled Hindi model; speed is that of a Llama 54M with
68,096 tokens and random weights, one and eight users, two cores. The peer is the same engine with weights as floats.
"""

import itertools
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path

from backend.slm.catalog import BUNDLED
from bench.claim import tell
from bench.serving.random_models import openings, write_model
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller

THREADS = 2
FORMATS = ("f32", "int8")
LANGUAGE = "hindi"


def stories(count: int) -> list[str]:
    """Stories that no model has seen: the last prompts of the language's, with a seed of their own."""
    teller, prompts = load_storyteller(LANGUAGE), Prompts(LANGUAGE, seed=1_000_003)
    chosen = prompts.range(len(prompts) - count, len(prompts))
    return [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=f"held out {p.text}") for p in chosen]


def bits_a_byte(engine, texts: list[str]) -> float:
    """Of texts that fit the context, eos included."""
    bits = size = 0.0
    for text in texts:
        if len(engine.tokenizer.encode(text)) + 3 < engine.context:
            bits -= sum(score for _, score in engine.score(text, ended=True)) / math.log(2)
            size += len(text.encode())
    return bits / size


def speed(engine, users: int, tokens: int) -> float:
    """Tokens a second, the best of three."""
    from backend.slm.sampling import Sampling

    sampling, best = Sampling(0.8, 15, max_tokens=tokens, finish_sentence=False), 0.0
    engine.complete_many(openings(users), Sampling(0.8, 15, max_tokens=8))
    for _ in range(3):
        started = time.perf_counter()
        told = engine.complete_many(openings(users), sampling)
        best = max(best, sum(story.tokens for story in told) / (time.perf_counter() - started))
    return best


def main() -> None:
    """Print the table and the claims."""
    quick = "--quick" in sys.argv
    count, tokens = (20, 64) if quick else (200, 256)
    texts, found = stories(count), {}
    with tempfile.TemporaryDirectory() as root:
        os.environ["TINYSTORIES_CACHE"] = f"{root}/cache"
        from backend.slm.engine import Engine

        large = write_model(Path(root) / "54M", "54M", "68k")
        print("weights | bits a byte | megabytes of 54M | tokens/s, 1 user | 8 users")
        for name in FORMATS:
            small = Engine(BUNDLED / LANGUAGE, name, THREADS)
            quality = bits_a_byte(small, texts)
            small.close()
            engine = Engine(large, name, THREADS)
            engine.warm()
            speeds = [speed(engine, users, tokens) for users in (1, 8)]
            size = engine._weight_bytes / 1e6
            engine.close()
            found[name] = (quality, *speeds)
            print(f"{name} | {quality:.4f} | {size:.0f} | {speeds[0]:,.0f} | {speeds[1]:,.0f}", flush=True)
    pairs = itertools.pairwise(FORMATS)
    peers = {f"{b} over {a}, tokens/s, 1 user": round(found[b][1] / found[a][1], 2) for a, b in pairs}
    peers |= {"bits a byte": json.dumps({name: round(values[0], 4) for name, values in found.items()})}
    ratio = found["int8"][0] / found["f32"][0]
    tell("bits a byte in eight bits over those in floats", ratio, 1.005, ratio <= 1.005, peers, ("openvino-genai",))
    faster = found["int8"][1] / found["f32"][1]
    tell("54M, one user: tokens/s in eight bits over floats", faster, 1.5, faster >= 1.5, peers, ("openvino-genai",))


if __name__ == "__main__":
    main()
