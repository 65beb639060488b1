"""What each command says to input that will not do: one sentence that names it, and nothing left behind."""

import json
from pathlib import Path

import click
import pytest

from backend.errors import UserError
from evaluation.__main__ import evaluation
from evaluation.rubrics import CRITERIA

STORY = {"opening": "एक दिन", "completion": " मीनू बाग में गई।", "model": "m", "language": "hindi", "index": 0}
GRADES = dict.fromkeys(CRITERIA, 7)
RATING = {key: STORY[key] for key in ("model", "language", "opening", "index")} | {"judge": "j", "rubric": "paper", "repeat": 0, "scores": GRADES}
FILES = {
    "story.jsonl": STORY, "rating.jsonl": RATING, "other.jsonl": {"a": 1},
    "high.jsonl": RATING | {"scores": GRADES | {"grammar": 99}},
    "words.jsonl": RATING | {"scores": GRADES | {"grammar": "good"}},
    "none.jsonl": RATING | {"scores": GRADES | {"grammar": None}},
    "paper.jsonl": GRADES | {"ID": "Prompt[1] - Story[1] | Prompt: x"},
    "place.jsonl": RATING | {"index": "x"}, "judge.jsonl": RATING | {"judge": 5},
}  # fmt: skip
JUDGES = ("--base-url", "http://127.0.0.1:9/v1", "--journal", "j.sqlite", "--yes")
CASES = {
    "quick story.jsonl --corpus picture": "picture:1 is no JSON object",
    "quick story.jsonl --corpus empty": "empty holds no stories",
    "quick story.jsonl --language klingon": "no language 'klingon'",
    "quick story.jsonl story.jsonl": "once more",
    "quick picture": "picture is no text in UTF-8",
    "quick deep.jsonl": "deep.jsonl:1 nests lists too deeply",
    "quick paper.jsonl --language hindi": "has grades and no story",
    "quick story.jsonl --out folder": "is a directory",
    "judge story.jsonl JUDGES": "Name at least one judge",
    "judge story.jsonl --judge g@ftp://x JUDGES": "names no judge",
    "judge story.jsonl --judge= JUDGES": "names no judge",
    "pairwise story.jsonl --judge g JUDGES": "nothing to compare",
    "run --model tiny --language hindi --out run --judge-key g=K": "Name at least one judge",
    "marks tiny --corpora folder --out marks": "LANGUAGE.jsonl for each language",
    "report high.jsonl --out report": "its grammar is 99, and not a number from 1 to 10",
    "report words.jsonl --out report": "its grammar is 'good'",
    "report none.jsonl --out report": "its grammar is None",
    "report place.jsonl --out report": "its index is 'x'",
    "report judge.jsonl --out report": "its judge is 5",
    "report rating.jsonl --out report --ladder other.jsonl": "lacks judge, language, rungs",
    "report rating.jsonl --out report --pairs other.jsonl": "give what `pairwise --out` wrote",
    "report rating.jsonl --out report --voted rating.jsonl": "with --votes",
    "report rating.jsonl --out report --card-to ///": "not of the form ORG/NAME",
    "report rating.jsonl --out picture": "is a file",
    "ladder hindi --count 5 --judge g --base-url http://127.0.0.1:9": "with --journal",
    "ladder hindi --count 5 --stories english.jsonl": "not in Devanagari letters",
    "ladder hindi --stories story.jsonl --column index": "no text in a column 'index'",
    "examples story.jsonl --out page.pdf": "neither an .html nor an .md file",
    "memorisation story.jsonl --corpus empty --index index": "holds no stories",
    "tokenizers tiny --dataset hindi=english.jsonl --morphology folder": "has no LANGUAGE.csv",
    "weights broken": "cannot be loaded",
    "bits tiny --dataset hindi=story.jsonl --column index": "no text in a column 'index'",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name, row in FILES.items():
        (tmp_path / name).write_text(json.dumps(row) + "\n", "utf-8")
    (tmp_path / "english.jsonl").write_text(json.dumps({"story": "A cat sat. " * 20}) + "\n", "utf-8")
    (tmp_path / "deep.jsonl").write_text('{"a": ' + "[" * 100_000, "utf-8")
    (tmp_path / "empty").touch()
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text('{"model_type": "qwen3"}', "utf-8")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"junk")
    (tmp_path / "broken" / "README.md").write_text("---\nlanguage: [hi]\n---\n", "utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("line", CASES)
def test_it_is_told_in_one_sentence(line, here):
    before = set(Path().rglob("*"))
    with pytest.raises((UserError, click.ClickException)) as told:
        evaluation.main([part for word in line.split() for part in (JUDGES if word == "JUDGES" else [word])], standalone_mode=False)
    said = told.value.format_message() if isinstance(told.value, click.ClickException) else str(told.value)
    assert CASES[line] in said
    assert "\n" not in said
    assert set(Path().rglob("*")) == before


def test_a_run_whose_openings_will_not_do_is_not_in_the_way_of_the_next_try(here, tiny_model):
    for name, text in (("bad.txt", "\n"), ("good.txt", "एक दिन मीना\n")):
        Path(name).write_text(text, "utf-8")
    line = ["run", "--model", str(tiny_model), "--language", "hindi", "--count", "1", "--out", "run", "--openings"]
    with pytest.raises(UserError, match="could not be sampled"):
        evaluation.main([*line, "bad.txt", "--", "--max-tokens", "9"], standalone_mode=False)
    evaluation.main([*line, "good.txt", "--", "--max-tokens", "9"], standalone_mode=False)
    assert (Path("run") / "completions.jsonl").exists()
