"""Claims: tokenising at 5 times the rate of nanoGPT-style `datasets.map`, in memory that does not grow with the corpus.

Stories of the storyteller in all its languages, one tokenizer of 8,192 for both, a process a core for both; the peer
maps each story to its tokens and writes them to a memory map, as nanoGPT's prepare.py does. Told beside both are the
tokenizers library's own rate, on all cores with the stories already in memory, and processor seconds of all processes.
With `--folder DIR` the stories are kept there for another time.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from backend.files import writing
from backend.languages import language_names
from backend.tokenizer import load_tokenizer, train_tokenizer
from bench.claim import tell
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller


def write_stories(path: Path, count: int) -> None:
    """So many told stories in all languages as JSON lines."""
    names = language_names()
    with writing(path) as file:
        for name in names:
            teller = load_storyteller(name)
            for prompt in Prompts(name).range(0, count // len(names)):
                story = teller.tell(prompt.noun, prompt.verb, prompt.adjective, prompt.feature, seed=prompt.text)
                file.write(json.dumps({"story": story}, ensure_ascii=False) + "\n")


def read_stories(path: Path) -> list[str]:
    """All stories of such a file."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["story"] for line in lines]


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


def library(dataset: Path, tokenizer: Path) -> None:
    """Seconds and processor seconds that the tokenizers library takes for 4,000 of the stories, nothing around it."""
    backend, stories = load_tokenizer(str(tokenizer)).backend, read_stories(dataset)
    batch = stories[:: max(1, len(stories) // 4000)][:4000]
    started, before = time.perf_counter(), time.process_time()
    backend.encode_batch_fast(batch)
    print((time.perf_counter() - started) / len(batch), (time.process_time() - before) / len(batch))


def measure(way: str, dataset: Path, tokenizer: Path) -> tuple[float, float, float]:
    """Seconds, processor seconds, and peak megabytes of the largest process, in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        started, before = time.perf_counter(), _childrens_seconds()
        done = _apart(way, dataset, tokenizer, out)
        return time.perf_counter() - started, _childrens_seconds() - before, float(done[-1])


def _apart(way: str, *paths: Path | str) -> list[str]:
    command = [sys.executable, "-m", "bench.train_prepare", "--one", way, *map(str, paths)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def _childrens_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _one(way: str, *paths: str) -> None:
    if way == "library":
        return library(*map(Path, paths))
    (ours if way == "ours" else nanogpts_way)(*map(Path, paths))
    print(max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024)


@click.command()
@click.option("--quick", is_flag=True, help="a fifth of the stories")
@click.option("--folder", type=click.Path(path_type=Path), help="keep the stories here, or take those that are here")
@click.option("--write-only", is_flag=True, help="only write the stories")
@click.option("--one", nargs=1, hidden=True)
@click.argument("paths", nargs=-1)
def main(quick: bool, folder: Path | None, write_only: bool, one: str | None, paths: tuple[str, ...]) -> None:
    """Print the table and the claims."""
    if one:
        return _one(one, *paths)
    small, large = (10_000, 20_000) if quick else (50_000, 200_000)
    with tempfile.TemporaryDirectory() as name:
        folder = folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        datasets = {count: folder / f"{count}.jsonl" for count in (small, large)}
        for count, dataset in datasets.items():
            if not dataset.exists():
                write_stories(dataset, count)
        tokenizer = folder / "tokenizer"
        if not tokenizer.exists():
            train_tokenizer(read_stories(datasets[small])[:: small // 4000], 8192).save(tokenizer)
        if not write_only:
            compare(datasets, tokenizer)


def compare(datasets: dict[int, Path], tokenizer: Path) -> None:
    """Measure both ways with the smaller dataset, ours with the larger too."""
    small, large = datasets
    clock, used = map(float, _apart("library", datasets[small], tokenizer))
    print(f"tokenizers' encode_batch_fast alone | {1 / clock:,.0f} stories a second | {1 / used:,.0f} a processor second")
    found = {}
    for way, count in (("datasets.map", small), ("ours", small), ("ours", large)):
        seconds, used, peak = found[way, count] = measure(way, datasets[count], tokenizer)
        rates = f"{count / seconds:,.0f} stories a second | {count / used:,.0f} a processor second"
        print(f"{way} | {count:,} stories | {rates} | {peak:,.0f} MB", flush=True)
    peers = {f"{way} {count:,}": f"{s:.1f} s, {used:.1f} processor s, {peak:.0f} MB" for (way, count), (s, used, peak) in found.items()}
    packages = ("tokenizers", "datasets")
    for number, what in enumerate(("second", "processor second")):
        ratio = found["datasets.map", small][number] / found["ours", small][number]
        tell(f"stories a {what} against datasets.map, start included", ratio, 5, ratio >= 5, peers, packages)
    growth = found["ours", large][2] / found["ours", small][2]
    tell(f"peak memory at {large:,} stories, against {small:,}", growth, 1.1, growth <= 1.1, peers, packages)


if __name__ == "__main__":
    main()
