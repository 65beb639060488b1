"""What an earlier run of sample.py left is gone on with, and any other file is left alone."""

import dataclasses
import json

import pytest
from click.testing import CliRunner

from backend.errors import UserError
from backend.slm.sampling import Sampling
from trainer.sample import sample, story_seed, written_rows

SAMPLING = Sampling(seed=3)
OPENING = "One day"


def line(index, **other):
    row = {"opening": OPENING, "completion": " a bird sang.", "model": "mine", "language": "english", "index": index}
    row |= {"seed": story_seed(3, OPENING, index), "temperature": 0.6, "top_k": 15, "top_p": 1.0, "max_tokens": 450}
    return json.dumps(row | other) + "\n"


def read(path, sampling=SAMPLING, language="english"):
    return written_rows(path, "mine", language, sampling)


def test_whole_rows_are_kept_and_one_cut_by_a_kill_is_not(tmp_path):
    out = tmp_path / "completions.jsonl"
    assert read(out) == []
    out.write_text(line(0) + line(1) + line(2)[:20], "utf-8")
    assert [row["index"] for row in read(out)] == [0, 1]
    assert out.read_text("utf-8") == line(0) + line(1)
    out.write_text(line(0)[:20], "utf-8")
    assert read(out) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (line(0, model="another"), "holds stories of another, not of mine"),
        ('{"story": "a"}\n', "holds no completions of sample.py"),
        ("[1, 2]\n3\n", "holds no completions of sample.py"),
        ("not JSON\n", "holds no completions of sample.py"),
        ("one line without an end", "holds no completions of sample.py"),
    ],
)
def test_a_file_of_something_else_is_told_and_left_alone(content, says, tmp_path):
    out = tmp_path / "completions.jsonl"
    out.write_text(content, "utf-8")
    with pytest.raises(UserError, match=says):
        read(out)
    assert out.read_text("utf-8") == content


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"seed": 4}, "of another --seed than 4"),
        ({"temperature": 0.9}, "--temperature 0.6, not 0.9"),
        ({"top_k": 0}, "--top-k 15, not 0"),
        ({"top_p": 0.5}, "--top-p 1.0, not 0.5"),
        ({"max_tokens": 30}, "--max-tokens 450, not 30"),
    ],
)
def test_stories_drawn_otherwise_are_not_gone_on_with(other, says, tmp_path):
    out = tmp_path / "completions.jsonl"
    out.write_text(line(0), "utf-8")
    with pytest.raises(UserError, match=says):
        read(out, dataclasses.replace(SAMPLING, **other))
    with pytest.raises(UserError, match="--language english, not hindi"):
        read(out, language="hindi")
    assert out.read_text("utf-8") == line(0)


def test_the_command_refuses_another_seed_and_has_nothing_to_do_with_the_same(tmp_path):
    openings, out = tmp_path / "openings.txt", tmp_path / "completions.jsonl"
    openings.write_text(OPENING, "utf-8")
    out.write_text(line(0, model="english"), "utf-8")
    given = ["--model", "english", "--openings", openings, "--language", "english", "--out", out, "--seed"]
    assert CliRunner().invoke(sample, [*map(str, given), "3"]).exit_code == 0
    assert "another --seed than 4" in str(CliRunner().invoke(sample, [*map(str, given), "4"]).exception)
    assert out.read_text("utf-8") == line(0, model="english")
