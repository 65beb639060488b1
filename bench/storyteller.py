"""Claim: the storyteller tells at least 2,000 stories a second on one core, in every language, no two equal.

The peer fills the same number of slots with `str.format` and `random.choice`: the least that any template does.
"""

import random
import sys
import time

from backend.languages import language_names
from bench.claim import tell
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller


def stories_per_second(language: str, count: int) -> tuple[float, int, int]:
    """Stories a CPU second, distinct stories, and mean words a story."""
    teller = load_storyteller(language)
    prompts = list(Prompts(language).range(0, count))
    started = time.process_time()
    told = [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in prompts]
    seconds = time.process_time() - started
    return count / seconds, len(set(told)), sum(len(story.split()) for story in told) // count


def slots_per_second(count: int) -> float:
    """Stories of 18 sentences with 4 slots each, by str.format and random.choice, a CPU second."""
    sentences = ["{a} went with {b} to {c} and found {d} there."] * 18
    words = [f"word{i}" for i in range(100)]
    started = time.process_time()
    for _ in range(count):
        " ".join(s.format(**{name: random.choice(words) for name in "abcd"}) for s in sentences)
    return count / (time.process_time() - started)


def main() -> None:
    """Print the table and the claim."""
    count = 2_000 if "--quick" in sys.argv else 10_000
    rates = {}
    print("language | stories/s | distinct | words a story")
    for language in language_names():
        rates[language], distinct, words = stories_per_second(language, count)
        print(f"{language} | {rates[language]:.0f} | {distinct} of {count} | {words}")
    peer = slots_per_second(count)
    print(f"str.format and random.choice | {peer:.0f}")
    slowest = min(rates.values())
    peers = {"str.format": round(peer), **{name: round(rate) for name, rate in rates.items()}}
    tell("stories a CPU second in the slowest language", slowest, 2000, slowest >= 2000, peers)


if __name__ == "__main__":
    main()
