"""Claim: 3,000 completions against 2,000,000 training stories in under 10 minutes on two cores, under 4 GB of memory.

The training stories are the storyteller's in Hindi, of as many prompts, 217 words each: they share far more runs of words
than stories of an LLM do, so there is more to look at. The completions are its stories of other prompts, with a run of up
to 79 words copied in from a training story. Timed is all that `python -m evaluation memorisation` does: the index, spans,
nearest stories and their likeness. The peer indexes the same stories with datasketch's MinHash and MinHashLSH, which finds
near copies only; it is timed on a part.

With --quick, 100,000 stories, and what more stories cost by comparison with a tenth of them. --corpus keeps the stories
in a file and takes them from there the next time; telling them is not timed.
"""

import json
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np

from backend.files import writing
from bench.claim import tell
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from evaluation.completions import Completion
from evaluation.memorisation import check
from evaluation.nearest import nearest_stories
from evaluation.spans import longest_spans
from evaluation.text import words
from evaluation.word_index import WordIndex, build_index, number_words

STORIES, COMPLETIONS, PEER_STORIES = 2_000_000, 3_000, 1_000
AT_ONCE = 5_000
LANGUAGE = "hindi"


def told(start: int, stop: int, seed: int = 0) -> list[str]:
    """Stories of the prompts start…stop."""
    teller = load_storyteller(LANGUAGE)
    prompts = Prompts(LANGUAGE, seed=seed).range(start, stop)
    return [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in prompts]


def lines_of(start: int, count: int) -> tuple[str, list[int]]:
    """JSON lines of the stories from `start` on, and their hashes."""
    stories = told(start, min(start + AT_ONCE, count))
    return "".join(json.dumps({"story": s}, ensure_ascii=False) + "\n" for s in stories), [hash(s) for s in stories]


def write_corpus(path: Path, count: int) -> None:
    """A JSONL file of `count` stories, told by a process a core, and how many of them are distinct."""
    hashes: set[int] = set()
    # Strings are hashed alike in all processes only when they are forked.
    with writing(path) as file, ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
        for lines, some in pool.map(partial(lines_of, count=count), range(0, count, AT_ONCE)):
            file.write(lines)
            hashes.update(some)
    print(f"{len(hashes):,} of {count:,} training stories are distinct")


def completions_of(index: WordIndex) -> list[Completion]:
    """Stories of other prompts, number k with k % 80 words of a training story in them."""
    dice, found = np.random.default_rng(0), []
    for number, story in enumerate(told(0, COMPLETIONS, seed=1)):
        said = words(story)
        copied = index.words(int(dice.integers(0, len(index))))[: number % 80]
        text = " ".join([*said[:20], *copied, *said[20 + len(copied) :]])
        found.append(Completion("", text, "storyteller", LANGUAGE, number))
    return found


def datasketch_rate(corpus: Path) -> float:
    """Stories a CPU second that datasketch indexes, 64 permutations."""
    from datasketch import MinHash, MinHashLSH

    with open(corpus, encoding="utf-8") as lines:
        stories = [json.loads(line)["story"] for line, _ in zip(lines, range(PEER_STORIES), strict=False)]
    index = MinHashLSH(threshold=0.5, num_perm=64)
    started = time.process_time()
    for number, story in enumerate(stories):
        said = words(story)
        sketch = MinHash(num_perm=64)
        sketch.update_batch([" ".join(said[i : i + 3]).encode() for i in range(len(said) - 2)])
        index.insert(str(number), sketch)
    return len(stories) / (time.process_time() - started)


def cpu_seconds() -> float:
    """CPU time of this process and of those it has waited for, which other people's work does not lengthen."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def reading_cost(completions: list[Completion], index: WordIndex, corpus: Path) -> tuple[float, float]:
    """Seconds and CPU seconds that grow with the index: of all of it, less those of a tenth of it."""
    numbers = [number_words(words(item.completion)) for item in completions]
    tenth = index.folder.with_name("tenth.jsonl")
    with open(corpus, "rb") as lines, open(tenth, "wb") as file:
        file.writelines(line for line, _ in zip(lines, range(len(index) // 10), strict=False))
    spent = []
    for some in (build_index(tenth, index.folder.with_name("tenth")), index):
        started, worked = time.perf_counter(), cpu_seconds()
        longest_spans(numbers, some)
        nearest_stories(numbers, some)
        spent.append((time.perf_counter() - started, cpu_seconds() - worked))
    return tuple((whole - part) / 0.9 for part, whole in zip(*spent, strict=True))


@click.command()
@click.option("--quick", is_flag=True)
@click.option("--corpus", type=click.Path(path_type=Path), help="where the training stories are kept")
def main(quick: bool, corpus: Path | None) -> None:
    """Print the table and the claims."""
    count = STORIES // 20 if quick else STORIES
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=corpus.parent if corpus else None)))
        corpus = corpus or folder / "corpus.jsonl"
        if not corpus.exists():
            write_corpus(corpus, count)
        rate = datasketch_rate(corpus)
        started, worked = time.perf_counter(), cpu_seconds()
        index = build_index(corpus, folder / "index", workers=os.cpu_count())
        built, index_worked = time.perf_counter() - started, cpu_seconds() - worked
        if len(index) != count:
            raise click.ClickException(f"{corpus} holds {len(index)} stories where {count} are wanted; delete it.")
        texts = completions_of(index)
        started, worked = time.perf_counter(), cpu_seconds()
        rows = check(texts, index)
        checked, check_worked = time.perf_counter() - started, cpu_seconds() - worked
        more = STORIES / count - 1
        reading, reading_worked = reading_cost(texts, index, corpus) if more else (0.0, 0.0)
    right = sum(row.longest_span >= row.index % 80 for row in rows) / len(rows)
    known = sum(row.nearest is not None for row in rows)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 + (os.cpu_count() or 1) * children
    minutes = (built + checked + more * (built + reading)) / 60
    cpu_minutes = (index_worked + check_worked + more * (index_worked + reading_worked)) / 60
    print(f"{count:,} stories, {COMPLETIONS:,} completions, {os.cpu_count()} cores | seconds | CPU seconds")
    print(f"index | {built:.1f} | {index_worked:.1f}\ncheck | {checked:.1f} | {check_worked:.1f}")
    print(f"spans at least as long as what was copied | {right:.4f}\nnearest found | {known}")
    print(f"peak memory, all processes | {memory:.2f} GB\ndatasketch, indexing only | {rate:.0f} stories a CPU second")
    peers = {
        "datasketch minutes, two cores, index alone": round(STORIES / rate / 120, 1),
        "CPU minutes": round(cpu_minutes, 1),
        "measured stories": count,
    }
    packages = ("numpy", "datasketch")
    claim = f"minutes for 3,000 completions against 2,000,000 stories, {os.cpu_count()} cores"
    tell(claim, minutes, 10, minutes < 10, peers, packages)
    tell("peak memory in GB of that check, all processes", memory, 4, memory < 4, {"measured stories": count}, packages)


if __name__ == "__main__":
    main()
