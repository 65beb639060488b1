"""What an earlier run of sample.py left is gone on with, and any other file is left alone."""

import json

import pytest

from backend.errors import UserError
from trainer.sample import written_rows


def line(index, model="mine"):
    return json.dumps({"opening": "One day", "model": model, "index": index, "completion": " a bird sang."}) + "\n"


def test_whole_rows_are_kept_and_one_cut_by_a_kill_is_not(tmp_path):
    out = tmp_path / "completions.jsonl"
    assert written_rows(out, "mine") == []
    out.write_text(line(0) + line(1) + line(2)[:20], "utf-8")
    assert [row["index"] for row in written_rows(out, "mine")] == [0, 1]
    assert out.read_text("utf-8") == line(0) + line(1)
    out.write_text(line(0)[:20], "utf-8")
    assert written_rows(out, "mine") == []


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
        written_rows(out, "mine")
    assert out.read_text("utf-8") == content
