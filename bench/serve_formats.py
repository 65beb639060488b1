"""Claim: eight bits a weight cost no quality that can be measured.

Bits per byte of new storyteller stories under the bundled models, by the engine and by transformers in 32-bit floats.
"""

import math
import sys

import torch
from transformers import AutoModelForCausalLM

from backend.slm.catalog import BUNDLED
from backend.slm.engine import Engine
from bench.claim import tell
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller

LANGUAGES = ("english", "hindi", "marathi", "bangla")


def stories(language: str, count: int) -> list[str]:
    """Stories that no model has seen: the last prompts of the language's, with a seed of their own."""
    teller, prompts = load_storyteller(language), Prompts(language, seed=1_000_003)
    chosen = prompts.range(len(prompts) - count, len(prompts))
    return [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=f"held out {p.text}") for p in chosen]


def bits_in_floats(model, engine: Engine, text: str) -> float:
    """Of a text and its eos."""
    ids = [engine.tokenizer.bos_id, *engine.tokenizer.encode(text), engine.tokenizer.eos_id]
    with torch.inference_mode():
        loss = model(torch.tensor([ids]), labels=torch.tensor([ids])).loss.item()
    return loss * (len(ids) - 1) / math.log(2)


def main() -> None:
    """Print the table and the claim."""
    count = 20 if "--quick" in sys.argv else 200
    print("model | bits a byte in floats | in eight bits | ratio")
    worst = 0.0
    for language in LANGUAGES:
        folder = BUNDLED / language
        engine, model = Engine(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        texts = [text for text in stories(language, count) if len(engine.tokenizer.encode(text)) + 3 < engine.context]
        size = sum(len(text.encode()) for text in texts)
        exact = sum(bits_in_floats(model, engine, text) for text in texts) / size
        served = -sum(score for text in texts for _, score in engine.score(text, ended=True)) / math.log(2) / size
        engine.close()
        worst = max(worst, served / exact)
        print(f"{language} | {exact:.4f} | {served:.4f} | {served / exact:.4f}", flush=True)
    tell("bits a byte in eight bits over those in floats, the worst", worst, 1.005, worst <= 1.005, {}, ("torch", "transformers"))


if __name__ == "__main__":
    main()
