"""Stories by the command line, offline: journal, status and export as a user sees them."""

import json

import pyarrow.parquet
import pytest

from tests.datagen.command import datagen

COUNT = 300


def tell(journal, *more, count=COUNT, language="english"):
    return datagen("stories", language, "--count", count, "--provider", "storyteller", "--journal", journal, *more)


def status(journal) -> dict:
    done = datagen("status", journal, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    path = tmp_path_factory.mktemp("stories") / "english.sqlite"
    done = tell(path)
    assert done.returncode == 0, done.stderr
    return path


def test_every_prompt_ends_as_one_story(journal):
    found = status(journal)
    assert (found["prompts"], found["accepted"] + found["dead"], found["pending"]) == (COUNT, COUNT, 0)
    assert found["attempts"] == COUNT and found["cost"] == 0
    assert found["running"] is False


def test_run_again_goes_on(tmp_path):
    path = tmp_path / "a.sqlite"
    tell(path, count=50)
    assert tell(path, count=80).returncode == 0
    assert tell(path, count=80).returncode == 0
    found = status(path)
    assert (found["prompts"], found["accepted"], found["attempts"]) == (80, 80, 80)


def test_shards_never_overlap(tmp_path):
    for shard in range(3):
        assert tell(tmp_path / f"{shard}.sqlite", "--shard", f"{shard}/3", count=100).returncode == 0
    ids = [id_ for shard in range(3) for id_ in exported_ids(tmp_path / f"{shard}.sqlite", tmp_path / str(shard))]
    assert len(ids) == len(set(ids)) == 100


def exported_ids(journal, out):
    assert datagen("export", journal, "--out", out, "--format", "jsonl").returncode == 0
    return [json.loads(line)["id"] for path in out.rglob("*.jsonl") for line in path.read_text("utf-8").splitlines()]


def test_parquet_and_json_lines_hold_the_same_rows(journal, tmp_path):
    assert datagen("export", journal, "--out", tmp_path / "p", "--rows-a-file", 120).returncode == 0
    assert datagen("export", journal, "--out", tmp_path / "j", "--format", "jsonl").returncode == 0
    files = sorted((tmp_path / "p").rglob("train-*.parquet"))
    rows = [row for path in files for row in pyarrow.parquet.read_table(path).to_pylist()]
    lines = [json.loads(line) for path in sorted((tmp_path / "j").rglob("train-*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        row["created_at"] = row["created_at"].isoformat()
    assert rows == lines and len(files) > 1
    for row in rows:
        assert row["language"] == "english" and row["provider"] == "storyteller"
        assert all(f'"{row[name]}"' in row["prompt"] for name in ("noun", "verb", "adjective", "feature"))
        assert len(row["story"].split()) > 50


def test_an_export_does_not_replace_what_is_not_one(journal, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    done = datagen("export", journal, "--out", tmp_path)
    assert done.returncode == 1 and "nothing was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_bad_input_is_one_sentence(tmp_path):
    (tmp_path / "text.sqlite").write_text("no database " * 100)
    for done in (
        datagen("status", tmp_path / "none.sqlite"),
        datagen("status", tmp_path / "text.sqlite"),
        tell(tmp_path / "text.sqlite"),
        tell(tmp_path / "a.sqlite", language="klingon"),
        tell(tmp_path / "a.sqlite", "--complexity", "9"),
        tell(tmp_path / "a.sqlite", "--shard", "4/4"),
        tell(tmp_path / "a.sqlite", count=10**12),
        tell(tmp_path / "a.sqlite", "--min-words", "500", "--max-words", "10"),
        tell(tmp_path / "text.sqlite" / "a.sqlite"),
        datagen("merge", tmp_path / "text.sqlite", "--out", tmp_path / "text.sqlite" / "a.sqlite"),
        datagen("prompts", "hindi", "--out", tmp_path / "text.sqlite" / "a.jsonl"),
        datagen("translate", tmp_path / "text.sqlite", "--from", "hindi", "--to", "hindi", "--provider", "openai", "--journal", tmp_path / "a.sqlite"),
    ):
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("Error: "), done.stderr
