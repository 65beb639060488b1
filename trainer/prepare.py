"""Stories to tokens: `train.bin`, `val.bin` and `meta.json`, each document `<bos> story <eos>`."""

import hashlib
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

if not __package__:  # run as a script: imports begin at the root
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click
import numpy as np
from tqdm import tqdm

from backend.command_line import run
from backend.errors import UserError
from backend.files import writing
from backend.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from trainer.texts import read_texts

BATCH = 4096
SAMPLE_CHARACTERS = 60_000_000


def choose_tokenizer(spec: str, dataset: str, column: str, split: str) -> Tokenizer:
    """A tokenizer by name, or `train:VOCAB_SIZE` for one of our own from the first stories of the dataset."""
    if not spec.startswith("train:"):
        return load_tokenizer(spec)
    if not spec[6:].isdigit() or int(spec[6:]) < 300:
        raise UserError(f"'{spec}' is not of the form train:VOCAB_SIZE with at least 300 tokens, such as train:8192.")
    return train_tokenizer(_first(read_texts(dataset, column, split), SAMPLE_CHARACTERS), int(spec[6:]))


def _first(texts: Iterator[str], characters: int) -> Iterator[str]:
    for text in texts:
        characters -= len(text)
        if characters < 0:
            return
        yield text


def write_tokens(
    texts: Iterator[str], tokenizer: Tokenizer, out: Path, seed: int, validation: float, dropout: float = 0.0
) -> dict:
    """Tokenise on all cores in batches, split by document, and return the counts. Memory stays flat.

    `dropout` is BPE-dropout (Provilkov et al. 2020) of the training stories: a word is met in several cuts.
    """
    dtype = np.dtype("<u2") if tokenizer.vocab_size <= 1 << 16 else np.dtype("<u4")
    counts = {f"{split}_{what}": 0 for split in ("train", "val") for what in ("documents", "tokens", "bytes")}
    with writing(out / "train.bin", "wb") as train, writing(out / "val.bin", "wb") as val:
        files = {"train": train, "val": val}
        progress = tqdm(unit=" stories", unit_scale=True, disable=not sys.stderr.isatty())
        index = 0
        while batch := list(islice(texts, BATCH)):
            parts: dict[str, list[str]] = {"train": [], "val": []}
            for text in batch:
                digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
                parts["val" if int.from_bytes(digest, "little") < validation * 2**64 else "train"].append(text)
                index += 1
            for split, part in parts.items():
                rows = tokenizer.encode_batch(part, dropout if split == "train" else 0.0)
                joined = np.array([token for ids in rows for token in (tokenizer.bos_id, *ids, tokenizer.eos_id)], dtype)
                counts[f"{split}_documents"] += len(part)
                counts[f"{split}_bytes"] += sum(len(text.encode("utf-8")) for text in part)
                counts[f"{split}_tokens"] += len(joined)
                files[split].write(joined.tobytes())
            progress.update(len(batch))
        progress.close()
    return counts | {"dtype": dtype.str}


def show(folder: Path, tokenizer: Tokenizer, count: int) -> str:
    """The first tokens of train.bin as text, special tokens written out."""
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    ids = np.fromfile(folder / "train.bin", dtype=np.dtype(meta["dtype"]), count=count).tolist()
    return tokenizer.backend.decode(ids, skip_special_tokens=False)


@click.command()
@click.option("--dataset", required=True, help="a folder, a .jsonl/.parquet/.txt file, or a Hub id")
@click.option("--column", default="story", show_default=True)
@click.option("--split", default="train", show_default=True, help="of a Hub dataset")
@click.option("--tokenizer", required=True, help="folder, Hub id, tiktoken:gpt2, or train:8192 for one of our own")
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True)
@click.option("--validation", default=0.01, show_default=True, help="share of the documents")
@click.option("--dropout", default=0.0, show_default=True, type=click.FloatRange(0, 1, max_open=True), help="BPE-dropout")
@click.option("--show", "show_count", type=int, help="decode and print this many tokens afterwards")
def prepare(dataset, column, split, tokenizer, out, seed, validation, dropout, show_count) -> None:
    """Tokenise a dataset for training."""
    chosen = choose_tokenizer(tokenizer, dataset, column, split)
    out.mkdir(parents=True, exist_ok=True)
    counts = write_tokens(read_texts(dataset, column, split), chosen, out, seed, validation, dropout)
    if not counts["train_tokens"] or not counts["val_tokens"]:
        raise UserError(
            f"{dataset} gave {counts['train_documents']} training and {counts['val_documents']} validation stories; "
            "both must have some: give more stories or a larger --validation."
        )
    chosen.save(out / "tokenizer")
    meta = {
        "tokenizer": tokenizer,
        "vocab_size": chosen.vocab_size,
        "bos_id": chosen.bos_id,
        "eos_id": chosen.eos_id,
        "source": dataset,
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
