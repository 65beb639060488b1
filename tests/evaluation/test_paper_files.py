"""The paper's own files: completions and ratings are read, and the means are those of its script."""

import json

import numpy as np
import pytest

from backend.errors import UserError
from evaluation.completions import read_completions
from evaluation.ratings import grids, read_ratings, write_ratings
from evaluation.rubrics import CRITERIA

NAME = "hindi-sample-ckpt_sarvam_53M_val=0.518_[2M]_[l=6, h=8, e=512].json"
OPENING = "एक समय की बात है, एक घने जंगल में"


def identity(prompt, story):
    return f"Prompt[{prompt}] - Story[{story}] | Prompt: {OPENING} {prompt}"


@pytest.fixture
def ratings_file(tmp_path):
    dice = np.random.default_rng(0)
    rows = [
        {name: str(dice.integers(4, 11)) for name in CRITERIA} | {"ID": identity(prompt, story)}
        for prompt in range(1, 21)
        for story in (1, 2, 3)
    ]
    path = tmp_path / f"eval-{NAME}"
    path.write_text(json.dumps(rows, indent=4), "utf-8")
    return path, rows


def test_completions_come_without_the_prompt_they_repeat(tmp_path):
    rows = [{"ID": identity(1, 2), "prompt": OPENING, "story": OPENING + " एक हाथी रहता था।"}]
    (tmp_path / NAME).write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    (found,) = read_completions(tmp_path / NAME)
    assert (found.opening, found.completion.strip(), found.index) == (OPENING, "एक हाथी रहता था।", 1)
    assert found.language == "hindi" and found.model.startswith("ckpt_sarvam_53M")
    assert found.story == OPENING + " एक हाथी रहता था।"


def test_means_equal_the_paper_s_script(ratings_file):
    path, rows = ratings_file
    (grid,) = grids(read_ratings(path))
    assert grid.values.shape == (60, 1, 6) and len(np.unique(grid.clusters)) == 20
    for i, name in enumerate(CRITERIA):
        assert grid.values[:, 0, i].mean() == pytest.approx(sum(float(row[name]) for row in rows) / len(rows))


def test_ratings_survive_the_way_to_disk_and_back(ratings_file, tmp_path):
    found = read_ratings(ratings_file[0])
    write_ratings(tmp_path / "r.jsonl", found)
    assert read_ratings(tmp_path / "r.jsonl") == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no ratings"),
        ('[{"ID": "Prompt[1]", "grammar": "9"}]', "row 1"),
        ('{"grammar": 3}\n', "row 1, is no rating, for it lacks model"),
        ("[1, 2]", "row 1"),
        ("{nonsense", ":1 is not JSON"),
    ],
)
def test_a_wrong_file_is_told_by_row(tmp_path, text, complaint):
    (tmp_path / "x.json").write_text(text, "utf-8")
    with pytest.raises(UserError, match=complaint):
        read_ratings(tmp_path / "x.json")


def test_a_line_separator_within_a_story_ends_no_row(tmp_path):
    row = {"opening": "एक", "completion": " दिन\u2028वह\x85गया।", "model": "m", "language": "hindi"}
    (tmp_path / "c.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\r\n", "utf-8")
    (found,) = read_completions(tmp_path / "c.jsonl")
    assert found.completion == row["completion"]
