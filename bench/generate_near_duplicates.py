"""Claim: near-duplicates among 100,000 stories in under 2 minutes of one core, 0.95 of planted 80 %-similar pairs found.

The stories are the storyteller's in Hindi; to 500 of them a copy is added in which word after word is changed until one
more change would bring the pair below 0.8. The peer is datasketch's MinHash and MinHashLSH over the same shingles with as
many permutations, on a part of the stories, its pairs not judged by their true similarity. Seconds are of the processor,
one thread. With --quick, 10,000 stories, and the time multiplied.
"""

import sys
import time
from random import Random

import numpy as np

from bench.claim import tell
from datagen.minhash import SIZE
from datagen.near_duplicates import near_duplicates
from datagen.prompts import Prompts
from datagen.shingles import LENGTH, words_of
from datagen.storyteller.teller import load_storyteller

STORIES, PLANTED, THRESHOLD = 100_000, 500, 0.8
PEER_STORIES = 5000


def told(count: int) -> list[str]:
    """Stories of the storyteller."""
    teller = load_storyteller("hindi")
    return [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in Prompts("hindi").range(0, count)]


def shingles(text: str) -> set[tuple[str, ...]]:
    """Runs of words, as they stand."""
    words = words_of(text)
    return {tuple(words[i : i + LENGTH]) for i in range(len(words) - LENGTH + 1)}


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of two texts."""
    a, b = shingles(first), shingles(second)
    return len(a & b) / max(1, len(a | b))


def copy_of(story: str, dice: Random) -> str:
    """A copy that is only just as similar as the threshold."""
    words = story.split()
    while True:
        place = dice.randrange(len(words))
        changed = [*words[:place], f"{words[place]}{words[dice.randrange(len(words))]}", *words[place + 1 :]]
        if similarity(story, " ".join(changed)) < THRESHOLD:
            return " ".join(words)
        words = changed


def by_datasketch(stories: list[str], originals: dict[int, int]) -> tuple[float, float]:
    """Seconds for the peer, and the share of the pairs (copy: original) that it finds."""
    from datasketch import MinHash, MinHashLSH

    started, hits = time.process_time(), 0
    index = MinHashLSH(threshold=THRESHOLD, num_perm=SIZE)
    for place, story in enumerate(stories):
        sketch, words = MinHash(num_perm=SIZE), words_of(story)
        sketch.update_batch([" ".join(words[i : i + LENGTH]).encode() for i in range(len(words) - LENGTH + 1)])
        if place in originals:
            hits += originals[place] in index.query(sketch)
        index.insert(place, sketch)
    return time.process_time() - started, hits / max(1, len(originals))


def main() -> None:
    """Print the table and the claims."""
    count = 10_000 if "--quick" in sys.argv else STORIES
    stories, dice = told(count), Random(0)
    chosen = dice.sample(range(count), PLANTED)
    copies = [copy_of(stories[place], dice) for place in chosen]
    started = time.process_time()
    found = near_duplicates([*stories, *copies], THRESHOLD)
    seconds = (time.process_time() - started) * STORIES / count
    recall = float(np.mean(found.kept[count:] == found.kept[chosen]))
    dropped = np.flatnonzero(found.kept != np.arange(count + PLANTED))
    texts = [*stories, *copies]
    precision = float(np.mean([similarity(texts[place], texts[found.kept[place]]) >= THRESHOLD for place in dropped]))
    part = PEER_STORIES - PLANTED
    near = [place for place in range(PLANTED) if chosen[place] < part] or [0]
    peer_stories = stories[:part] + [copies[place] for place in near]
    peer_seconds, peer_recall = by_datasketch(peer_stories, {part + i: chosen[place] for i, place in enumerate(near)})
    peer_seconds *= STORIES / len(peer_stories)
    print(f"{count + PLANTED} stories | this | datasketch, {len(peer_stories)} of them")
    print(f"processor seconds for 100,000 | {seconds:.1f} | {peer_seconds:.1f}")
    print(f"planted pairs found | {recall:.3f} | {peer_recall:.3f}")
    print(f"dropped that are similar indeed | {precision:.4f} | not judged")
    peers = {"datasketch seconds for 100,000": round(peer_seconds, 1), "ratio": round(peer_seconds / seconds, 1), "measured stories": count}
    packages = ("numpy", "xxhash", "datasketch")
    tell("processor seconds for near-duplicates among 100,000 stories, one core", seconds, 120, seconds < 120, peers, packages)
    tell("share of planted pairs of similarity 0.8 found", recall, 0.95, recall >= 0.95, {"datasketch": round(peer_recall, 3)}, packages)
    tell("share of dropped stories that are similar indeed", precision, 1.0, precision == 1.0, {"dropped": len(dropped)}, packages)


if __name__ == "__main__":
    main()
