"""Claim: 3,000 completions against 2,000,000 training stories in under 10 minutes on two cores, under 4 GB of memory.

The peer indexes the same stories with datasketch's MinHash and MinHashLSH, which finds near copies only; it is timed on
a part. Stories are pieces of four words from this project's storyteller, 200 words each, joined at random: as long as
real ones, and with as many runs of words in common. With --quick, 50,000 stories, and the time multiplied.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.claim import tell
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from evaluation.nearest import nearest_stories
from evaluation.spans import longest_spans
from evaluation.text import words
from evaluation.word_index import build_index, number_words

STORIES, COMPLETIONS = 2_000_000, 3_000
PIECE, PIECES = 4, 50


def pieces() -> list[str]:
    """Runs of four words out of 2,000 Hindi stories."""
    teller = load_storyteller("hindi")
    told = [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in Prompts("hindi").range(0, 2000)]
    return [
        " ".join(said[i : i + PIECE])
        for story in told
        for said in [words(story)]
        for i in range(0, len(said) - PIECE, PIECE)
    ]


def write_corpus(path: Path, count: int, parts: list[str], dice: np.random.Generator) -> None:
    """A JSONL file of `count` stories."""
    with open(path, "w", encoding="utf-8") as file:
        for start in range(0, count, 10_000):
            for row in dice.integers(0, len(parts), (min(10_000, count - start), PIECES)):
                file.write(json.dumps({"story": " ".join([parts[i] for i in row])}, ensure_ascii=False) + "\n")


def datasketch_rate(stories: list[str]) -> float:
    """Stories a second that datasketch indexes, 64 permutations."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=0.5, num_perm=64)
    started = time.perf_counter()
    for number, story in enumerate(stories):
        said = words(story)
        sketch = MinHash(num_perm=64)
        sketch.update_batch([" ".join(said[i : i + 3]).encode() for i in range(len(said) - 2)])
        index.insert(str(number), sketch)
    return len(stories) / (time.perf_counter() - started)


def cpu_seconds() -> float:
    """CPU time of this process and of those it has waited for, which other people's work does not lengthen."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    """Print the table and the claims."""
    count = 50_000 if "--quick" in sys.argv else STORIES
    dice, parts = np.random.default_rng(0), pieces()
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.jsonl"
        write_corpus(corpus, count, parts, dice)
        started, worked = time.perf_counter(), cpu_seconds()
        index = build_index(corpus, Path(folder) / "index", workers=2)
        built = time.perf_counter() - started
        texts = []
        for number in range(COMPLETIONS):
            said = " ".join(parts[i] for i in dice.integers(0, len(parts), 40)).split()
            copied = index.words(int(dice.integers(0, len(index))))[: number % 80]
            texts.append(number_words([*said[:20], *copied, *said[20 + len(copied) :]]))
        started = time.perf_counter()
        spans = longest_spans(texts, index)
        spanned = time.perf_counter() - started
        started = time.perf_counter()
        near = nearest_stories(texts, index)
        neared = time.perf_counter() - started
        worked = cpu_seconds() - worked
        right = sum(span.length >= number % 80 for number, span in enumerate(spans)) / COMPLETIONS
        with open(corpus, encoding="utf-8") as lines:
            rate = datasketch_rate([json.loads(line)["story"] for line, _ in zip(lines, range(1000), strict=False)])
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 + 2 * children
    scale = STORIES / count
    minutes = (built + spanned + neared) * scale / 60
    print(f"{count} stories, {COMPLETIONS} completions, {os.cpu_count()} cores | seconds")
    print(f"index | {built:.1f}\nlongest spans | {spanned:.1f}\nnearest stories | {neared:.1f}")
    print(
        f"spans at least as long as what was copied | {right:.4f}\nnearest found | {sum(n is not None for n in near)}"
    )
    print(f"peak memory, all processes | {memory:.2f} GB\ndatasketch, indexing only | {rate:.0f} stories/s on one core")
    peers = {
        "datasketch minutes, two cores": round(STORIES / rate / 120, 1),
        "CPU minutes": round(worked * scale / 60, 1),
        "index stories/s": round(count / built),
        "measured stories": count,
    }
    tell(
        "minutes for 3,000 completions against 2,000,000 stories, two cores",
        minutes,
        10,
        minutes < 10,
        peers,
        ("numpy", "datasketch"),
    )
    tell(
        "peak memory in GB of that check, all processes", memory, 4, memory < 4, {"measured stories": count}, ("numpy",)
    )


if __name__ == "__main__":
    main()
