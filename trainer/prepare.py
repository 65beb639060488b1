"""Stories to tokens: `train.bin`, `val.bin` and `meta.json`, each document `<bos> story <eos>`."""

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import unicodedata
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, islice
from pathlib import Path

if not __package__:  # run as a script: imports begin at the root
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click
import numpy as np
from tqdm import tqdm

from backend.command_line import run
from backend.errors import UserError
from backend.files import writing
from backend.languages import load_language
from backend.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from trainer.texts import read_texts, revision_of
from trainer.words import WordEncoder

BATCH = 1024  # stories that a process encodes at a time
TRIAL = 128  # of the first batch: texts that show whether words may be encoded one by one
SAMPLE_CHARACTERS = 60_000_000
SAVE_EVERY = 64  # batches


def choose_tokenizer(spec: str, dataset: str, column: str, split: str, endings: str = "") -> Tokenizer:
    """A tokenizer by name, or `train:VOCAB_SIZE` for one of our own from the first stories of the dataset.

    `endings` as `train_tokenizer` has them.
    """
    if not spec.startswith("train:"):
        return load_tokenizer(spec)
    if not spec[6:].isdigit() or int(spec[6:]) < 300:
        raise UserError(f"'{spec}' is not of the form train:VOCAB_SIZE with at least 300 tokens, such as train:8192.")
    return train_tokenizer(_first(read_texts(dataset, column, split), SAMPLE_CHARACTERS), int(spec[6:]), endings)


def _endings(language: str | None, tokenizer: str) -> str:
    if not language:
        return ""
    if not tokenizer.startswith("train:"):
        raise UserError(f"--endings-of goes with --tokenizer train:…, and '{tokenizer}' is trained already; leave it out.")
    endings = load_language(language).noun_endings
    if not endings:
        raise UserError(f"languages/{language}/language.yaml has no noun_endings; write them, or leave --endings-of out.")
    return endings


def _first(texts: Iterator[str], characters: int) -> Iterator[str]:
    for text in texts:
        characters -= len(text)
        if characters < 0:
            return
        yield text


def write_tokens(
    texts: Iterator[str], tokenizer: Tokenizer, out: Path, seed: int, validation: float, dropout: float = 0.0,
    source: str = "",
) -> dict:  # fmt: skip
    """Tokenise on all cores, split by document, and return the counts. Memory stays flat.

    What an earlier call with the same settings and `source` wrote before it was cut off is not made again.
    `dropout` is BPE-dropout (Provilkov et al. 2020) of the training stories: a word is met in several cuts.
    """
    dtype = np.dtype("<u2") if tokenizer.vocab_size <= 1 << 16 else np.dtype("<u4")
    digest = hashlib.sha256(tokenizer.backend.to_str().encode()).hexdigest()
    same = {"source": source, "tokenizer": digest, "seed": seed, "validation": validation, "dropout": dropout}
    part = Part(out, same, dtype.itemsize)
    first = part.documents
    progress = tqdm(initial=first, unit=" stories", unit_scale=True, disable=not sys.stderr.isatty())
    with part, progress:
        batches = _encoded(islice(texts, first, None), first, (tokenizer, dtype, seed, validation, dropout))
        for number, (counts, rows) in enumerate(batches, start=1):
            part.add(counts, rows)
            progress.update(sum(counts[f"{split}_documents"] for split in rows))
            if number % SAVE_EVERY == 0:
                part.save()
    counts = part.counts
    if not counts["train_documents"] or not counts["val_documents"]:
        raise UserError(
            f"There are {counts['train_documents']} training and {counts['val_documents']} validation stories; "
            "both must have some: give more stories or a larger --validation."
        )
    part.finish()
    return counts | {"dtype": dtype.str}


class Part:
    """`train.bin` and `val.bin` as they grow, and a note of how much of them is whole."""

    def __init__(self, out: Path, settings: dict, token_bytes: int):
        self.out, self.settings, self.token_bytes = out, settings, token_bytes
        self.note = out / ".prepare.json"
        self.files = {split: out / f".{split}.bin.part" for split in ("train", "val")}
        names = [f"{split}_{what}" for split in self.files for what in ("documents", "tokens", "bytes")]
        self.counts = dict.fromkeys(names, 0)
        if self.note.exists() and all(path.exists() for path in self.files.values()):
            note = json.loads(self.note.read_text("utf-8"))
            if note["settings"] == settings:
                self.counts = note["counts"]

    @property
    def documents(self) -> int:
        """Stories that are done."""
        return sum(self.counts[f"{split}_documents"] for split in self.files)

    def __enter__(self):
        self.out.mkdir(parents=True, exist_ok=True)
        self._open = {}
        for split, path in self.files.items():
            path.touch()
            os.truncate(path, self.counts[f"{split}_tokens"] * self.token_bytes)
            self._open[split] = open(path, "ab")
        return self

    def __exit__(self, *_):
        self.save()
        for file in self._open.values():
            file.close()

    def add(self, counts: dict[str, int], rows: dict[str, bytes]) -> None:
        """Append a batch. What is counted is written, whenever an interruption comes."""
        for split, data in rows.items():
            self._open[split].write(data)
        self.counts = {name: self.counts[name] + counts[name] for name in self.counts}

    def save(self) -> None:
        """Flush to disk, then note that it is there."""
        for file in self._open.values():
            file.flush()
            os.fsync(file.fileno())
        with writing(self.note) as file:
            json.dump({"settings": self.settings, "counts": self.counts}, file)

    def finish(self) -> None:
        """Give the files their names; an earlier meta.json does not describe them."""
        (self.out / "meta.json").unlink(missing_ok=True)
        for split, path in self.files.items():
            os.replace(path, self.out / f"{split}.bin")
        self.note.unlink()


def _encoded(texts: Iterator[str], first: int, settings: tuple) -> Iterator[tuple[dict, dict]]:
    """Batches in order, encoded by a process a core; few are under way at once, so that memory stays flat."""
    batches = iter(lambda: list(islice(texts, BATCH)), [])
    start = next(batches, [])
    trial = start[:: max(1, len(start) // TRIAL)]
    workers = len(os.sched_getaffinity(0))
    if len(start) < BATCH or workers == 1:  # too little to start processes for
        _begin(settings, trial)
        for batch in chain([start], batches):
            yield _encode(first, batch)
            first += len(batch)
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawned, _begin, (settings, trial, True)) as pool:
        under_way = deque()
        for batch in chain([start], batches):
            under_way.append(pool.submit(_encode, first, batch))
            first += len(batch)
            if len(under_way) > 3 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


_encoder: tuple[WordEncoder, int, float, float] | None = None  # of this process


def _begin(settings: tuple, trial: list[str], apart: bool = False) -> None:
    global _encoder
    if apart:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
        threading.Thread(target=_end_with_parent, daemon=True).start()
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer, dtype, *rest = settings
    _encoder = (WordEncoder(tokenizer, dtype, trial), *rest)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _encode(first: int, batch: list[str]) -> tuple[dict[str, int], dict[str, bytes]]:
    """Counts and bytes of a batch whose first document has that number."""
    encoder, seed, validation, dropout = _encoder
    parts: dict[str, list[str]] = {"train": [], "val": []}
    for index, text in enumerate(batch, start=first):
        digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
        parts["val" if int.from_bytes(digest, "little") < validation * 2**64 else "train"].append(text)
    counts, rows = {}, {}
    for split, part in parts.items():
        rows[split] = b"".join(encoder.encode(part, dropout if split == "train" else 0.0))
        counts[f"{split}_documents"] = len(part)
        counts[f"{split}_tokens"] = len(rows[split]) // encoder.dtype.itemsize
        in_nfc = part if encoder.all_nfc else (unicodedata.normalize("NFC", text) for text in part)
        counts[f"{split}_bytes"] = sum(len(text.encode("utf-8")) for text in in_nfc)
    return counts, rows


def show(folder: Path, tokenizer: Tokenizer, count: int) -> str:
    """The first tokens of train.bin as text, special tokens written out."""
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    ids = np.fromfile(folder / "train.bin", dtype=np.dtype(meta["dtype"]), count=count).tolist()
    return tokenizer.backend.decode(ids, skip_special_tokens=False)


@click.command()
@click.option("--dataset", required=True, help="a folder, a .jsonl/.parquet/.txt file, or a Hub id")
@click.option("--column", default="story", show_default=True)
@click.option("--split", default="train", show_default=True, help="of a Hub dataset, or of a folder whose files are named by it")
@click.option("--tokenizer", required=True, help="folder, Hub id, tiktoken:gpt2, or train:8192 for one of our own")
@click.option("--endings-of", metavar="LANGUAGE", help="with train:…, no token joins a noun and its ending, as languages/LANGUAGE names them")
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True)
@click.option("--validation", default=0.01, show_default=True, help="share of the documents")
@click.option("--dropout", default=0.0, show_default=True, type=click.FloatRange(0, 1, max_open=True), help="BPE-dropout")
@click.option("--show", "show_count", type=int, help="decode and print this many tokens afterwards")
def prepare(dataset, column, split, tokenizer, endings_of, out, seed, validation, dropout, show_count) -> None:
    """Tokenise a dataset for training."""
    revision = revision_of(dataset)
    chosen = choose_tokenizer(tokenizer, dataset, column, split, _endings(endings_of, tokenizer))
    source = f"{dataset}@{revision}:{split}:{column}"
    counts = write_tokens(read_texts(dataset, column, split, revision), chosen, out, seed, validation, dropout, source)
    chosen.save(out / "tokenizer")
    meta = {
        "tokenizer": tokenizer,
        "vocab_size": chosen.vocab_size,
        "bos_id": chosen.bos_id,
        "eos_id": chosen.eos_id,
        "source": dataset,
        "revision": revision,
        "column": column,
        "seed": seed,
        "dropout": dropout,
        **counts,
    }
    with writing(out / "meta.json") as file:
        json.dump(meta, file, ensure_ascii=False, indent=2)
    click.echo(
        f"{counts['train_documents']} stories, {counts['train_tokens']} tokens for training; "
        f"{counts['val_documents']} stories, {counts['val_tokens']} tokens for validation, in {out}"
    )
    if show_count:
        click.echo(show(out, chosen, show_count))


if __name__ == "__main__":
    run(prepare)
