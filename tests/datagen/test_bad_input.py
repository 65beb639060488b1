"""Whatever a command is given, it ends with one sentence that says what is wrong."""

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import UserError
from backend.llm.prices import load_prices
from datagen.prompts import Prompts
from datagen.tell import parse_shard
from datagen.translate_source import Source
from tests.datagen.command import datagen
from tests.datagen.journals import told, write


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,story\n1,Müller\n".encode("latin-1")),
        ("a.jsonl", '{"story": "Müller"}\n'.encode("latin-1")),
        ("a.jsonl", b'{"story": "whole"}\n{"story": \n'),
        ("a.jsonl", b"[1]\n"),
        ("a.parquet", b"no parquet" * 20),
        ("a.jsonl.gz", b"no gzip" * 20),
        ("a.jsonl.gz", gzip.compress(os.urandom(4000).hex().encode())[:-30]),
        ("a.jsonl.gz", gzip.compress(b'{"story": "whole"}\n' * 9)[:20] + b"broken" * 9),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        list(Source(str(tmp_path / name), "story").rows())


@pytest.mark.parametrize("name", ["none.jsonl", "/none/at/all", "./none", "a/b/c"])
def test_a_file_that_is_not_there_is_no_dataset_of_the_hub(name):
    with pytest.raises(UserError, match="no file or folder"):
        Source(name, "story")


@pytest.mark.parametrize("option", ["--rpm", "--timeout", "--temperature", "--max-cost"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_number_is_refused(option, value, tmp_path):
    refused = datagen("stories", "english", "--provider", "storyteller", "--journal", tmp_path / "a.sqlite", option, value)
    assert refused.returncode == 1 and "is no number" in refused.stderr
    assert not (tmp_path / "a.sqlite").exists()


@pytest.mark.parametrize("text", ["a: [1\n", "- 1\n", "m: {input: x}\n", "m: [1]\n", "m: [.nan, 1]\n", "m: [-1, 1]\n"])
def test_a_table_of_prices_that_is_none(tmp_path, text):
    (tmp_path / "prices.yaml").write_text(text, "utf-8")
    with pytest.raises(UserError, match=r"prices\.yaml is no table of prices"):
        load_prices(tmp_path / "prices.yaml")


def test_shards_and_seeds_that_are_none():
    for text in ("²/3", "1", "3/3", "-1/2", "a/b"):
        with pytest.raises(UserError, match="is not a shard"):
            parse_shard(text)
    for seed in (-1, 10**30):
        with pytest.raises(UserError, match="seed"):
            Prompts("english", "2+", seed)


def test_a_folder_is_no_file(tmp_path):
    refused = datagen("prompts", "english", "--count", 2, "--out", tmp_path)
    assert refused.returncode == 1 and refused.stderr.startswith(f"Error: {tmp_path} cannot be used")
    refused = datagen("stories", "english", "--provider", "storyteller", "--journal", tmp_path)
    assert refused.returncode == 1 and "is a folder" in refused.stderr
    assert not Path(f"{tmp_path}.lock").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_in_a_sentence():
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "datagen", "prompts", "english", "--count", "3000"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ended.returncode == 1 and ended.stderr.startswith("Error: ") and "Traceback" not in ended.stderr


def test_an_export_that_finds_the_disk_full_leaves_nothing_and_one_sentence(tmp_path):
    path, out = write(tmp_path / "a.sqlite", "english", told("english", 200)), tmp_path / "out"
    ended = subprocess.run(
        [sys.executable, "-m", "datagen", "export", path, "--out", out], capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )  # fmt: skip
    assert ended.returncode == 1 and ended.stderr.startswith(f"Error: {out} cannot be written") and ended.stderr.count("\n") == 1
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.sqlite", "a.sqlite.lock"]


def test_a_journal_that_is_broken_in_its_midst_is_told_in_a_sentence(tmp_path):
    path = write(tmp_path / "a.sqlite", "english", told("english", 200))
    content = bytearray(path.read_bytes())
    content[2 * 16384 :] = b"\xff" * (len(content) - 2 * 16384)
    path.write_bytes(content)
    for command in (["status", path], ["export", path, "--out", tmp_path / "out"]):
        ended = datagen(*command)
        assert ended.returncode == 1 and ended.stderr.startswith("Error: ")


def test_a_bound_of_likeness_that_is_no_number(tmp_path):
    refused = datagen("export", tmp_path / "a", "--out", tmp_path / "b", "--near-duplicates", "nan")
    assert refused.returncode == 1 and "is no number" in refused.stderr
