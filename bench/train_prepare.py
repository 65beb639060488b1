"""Claims: tokenising at 5 times the rate of nanoGPT-style `datasets.map`, in memory that does not grow with the corpus.

Stories of the storyteller, one tokenizer of 8,192 for both, a process a core for both; the peer maps each story to its
tokens and writes them to a memory map, as nanoGPT's prepare.py does.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from backend.languages import language_names
from backend.tokenizer import load_tokenizer, train_tokenizer
from bench.claim import tell
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller


def write_stories(path: Path, count: int) -> list[str]:
    """So many told stories in all languages as JSON lines. Returns the first few."""
    names, first = language_names(), []
    with open(path, "w", encoding="utf-8") as file:
        for name in names:
            teller = load_storyteller(name)
            for prompt in Prompts(name).range(0, count // len(names)):
                story = teller.tell(prompt.noun, prompt.verb, prompt.adjective, prompt.feature, seed=prompt.text)
                file.write(json.dumps({"story": story}, ensure_ascii=False) + "\n")
                if len(first) < 4000:
                    first.append(story)
    return first


def ours(dataset: Path, tokenizer: Path, out: Path) -> None:
    """trainer/prepare.py as its users call it."""
    command = [sys.executable, "trainer/prepare.py", "--dataset", str(dataset), "--tokenizer", str(tokenizer), "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def nanogpts_way(dataset: Path, tokenizer: Path, out: Path) -> None:
    """datasets.map with a process a core, then a memory map filled shard by shard."""
    from datasets import load_dataset

    backend = load_tokenizer(str(tokenizer)).backend
    eos = backend.token_to_id("</s>") or 0

    def process(row):
        ids = [*backend.encode(row["story"]).ids, eos]
        return {"ids": ids, "len": len(ids)}

    rows = load_dataset("json", data_files=str(dataset), split="train", cache_dir=str(out / "cache"))
    done = rows.map(process, remove_columns=["story"], num_proc=os.cpu_count())
    array = np.memmap(out / "train.bin", dtype=np.uint16, mode="w+", shape=(int(np.sum(done["len"])),))
    end = 0
    for shard in range(min(64, len(done))):
        batch = done.shard(num_shards=min(64, len(done)), index=shard, contiguous=True).with_format("numpy")
        ids = np.concatenate(batch["ids"])
        array[end : end + len(ids)] = ids
        end += len(ids)
    array.flush()


def measure(way: str, dataset: Path, tokenizer: Path) -> tuple[float, float]:
    """Seconds, and peak megabytes of the largest process, in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        command = [sys.executable, "-m", "bench.train_prepare", "--one", way, str(dataset), str(tokenizer), out]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return time.perf_counter() - started, float(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table and the claims."""
    if "--one" in sys.argv:
        way, *paths = sys.argv[sys.argv.index("--one") + 1 :]
        (ours if way == "ours" else nanogpts_way)(*map(Path, paths))
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(peak / 1024)
        return
    sizes = (10_000, 20_000) if "--quick" in sys.argv else (50_000, 200_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {}
        for count in sizes:
            dataset = folder / f"{count}.jsonl"
            first = write_stories(dataset, count)
            if count == sizes[0]:
                train_tokenizer(first, 8192).save(folder / "tokenizer")
            for way in ("datasets.map", "ours"):
                if way == "ours" or count == sizes[0]:
                    seconds, peak = measure(way, dataset, folder / "tokenizer")
                    found[way, count] = seconds, peak
                    print(f"{way} | {count:,} stories | {count / seconds:,.0f} stories a second | {peak:,.0f} MB", flush=True)
    small, large = sizes
    peers = {f"{way} {count:,}": f"{seconds:.1f} s, {peak:.0f} MB" for (way, count), (seconds, peak) in found.items()}
    packages = ("tokenizers", "datasets")
    ratio = found["datasets.map", small][0] / found["ours", small][0]
    tell("stories a second against datasets.map, start included", ratio, 5, ratio >= 5, peers, packages)
    growth = found["ours", large][1] / found["ours", small][1]
    tell(f"peak memory at {large:,} stories, against {small:,}", growth, 1.1, growth <= 1.1, peers, packages)


if __name__ == "__main__":
    main()
