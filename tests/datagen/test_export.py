"""From a journal to a dataset: near-duplicates apart, no leak over the split, and a card that tells what it is."""

import gzip
import json

import pytest
from click.testing import CliRunner
from datasets import disable_progress_bars, load_dataset

from backend.errors import UserError
from backend.llm.journal import Journal
from datagen.export import export
from tests.datagen.journals import told, write
from trainer.texts import read_texts

COPIES = 10


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """100 stories, of which the last ten are the first ten with a word more at the end."""
    stories = told("hindi", 100)
    for place in range(COPIES):
        stories[90 + place] = (stories[90 + place][0], stories[place][1] + " समाप्त।")
    return write(tmp_path_factory.mktemp("export") / "a.sqlite", "hindi", stories)


def exported(journal, out, *options) -> dict[str, list[dict]]:
    done = CliRunner().invoke(export, [str(journal), "--out", str(out), "--format", "jsonl", *map(str, options)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    splits = {}
    for path in sorted((out / "data").iterdir()):
        splits.setdefault(path.name.split("-")[0], []).extend(map(json.loads, path.read_text("utf-8").splitlines()))
    return splits


def test_every_row_tells_the_prompt_that_was_asked(journal, tmp_path):
    asked = {prompt.id: (prompt.text, prompt.noun, prompt.complexity) for prompt, _ in told("hindi", 100)}
    rows = exported(journal, tmp_path / "out")["train"]
    assert all((row["prompt"], row["noun"], row["complexity"]) == asked[row["id"]] for row in rows)


def index(row):
    return int(row["id"].rsplit("-", 1)[1])


def test_near_duplicates_are_left_out_with_the_id_of_the_one_kept(journal, tmp_path):
    splits = exported(journal, tmp_path / "out")
    assert sorted(index(row) for rows in splits.values() for row in rows) == list(range(90))
    with gzip.open(tmp_path / "out" / "near-duplicates.jsonl.gz", "rt") as file:
        dropped = [json.loads(line) for line in file]
    assert [(row["id"], row["reason"], row["of"]) for row in dropped] == [
        (f"hindi-2+-0-{90 + place}", "near duplicate", f"hindi-2+-0-{place}") for place in range(COPIES)
    ]
    assert all(0.8 <= row["similarity"] < 1 and row["story"].endswith("समाप्त।") for row in dropped)
    assert json.loads((tmp_path / "out" / "dataset.json").read_text()) == {"stories": 90, "train": 89, "validation": 1, "near_duplicates": 10}


def test_the_split_keeps_near_copies_together_and_is_the_same_each_time(journal, tmp_path):
    options = ("--near-duplicates", 0, "--validation", 0.3)
    splits = exported(journal, tmp_path / "a", *options)
    assert len(splits["validation"]) == 30 and len(splits["train"]) == 70
    held_out = {index(row) for row in splits["validation"]}
    assert all((place in held_out) == (90 + place in held_out) for place in range(COPIES))
    assert any(place in held_out for place in range(COPIES))
    assert exported(journal, tmp_path / "b", *options) == splits
    other = exported(journal, tmp_path / "c", *options, "--seed", 1)
    assert {index(row) for row in other["validation"]} != held_out


def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(journal, tmp_path):
    for out, options, sentence in (
        (tmp_path / "out", ["--near-duplicates", "0.1"], "would call strangers alike"),
        (tmp_path / "file" / "out", [], "cannot be written"),
        (tmp_path / "file", [], "no export of this command"),
    ):
        (tmp_path / "file").touch()
        refused = CliRunner().invoke(export, [str(journal), "--out", str(out), *options])
        assert isinstance(refused.exception, UserError) and sentence in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_either_every_story_is_for_training(journal, tmp_path):
    splits = exported(journal, tmp_path / "out", "--near-duplicates", 0, "--validation", 0)
    assert splits.keys() == {"train"} and len(splits["train"]) == 100
    assert not (tmp_path / "out" / "near-duplicates.jsonl.gz").exists()


def test_both_forms_load_as_datasets_with_one_schema(journal, tmp_path):
    disable_progress_bars()
    found = []
    for form in ("parquet", "jsonl"):
        done = CliRunner().invoke(export, [str(journal), "--out", str(tmp_path / form), "--format", form, "--validation", "0.2"])
        assert done.exit_code == 0, done.output
        found.append(load_dataset(str(tmp_path / form), cache_dir=str(tmp_path / "cache")))
    parquet, lines = found
    assert parquet.keys() == lines.keys() == {"train", "validation"}
    assert (parquet["train"].num_rows, parquet["validation"].num_rows) == (72, 18)
    assert parquet["train"].features == lines["train"].features
    assert parquet["validation"].to_list() == lines["validation"].to_list()
    assert parquet["train"][0]["checks"] == [] and parquet["train"][0]["cost"] == 0.01


def test_a_translation_names_its_source_and_keeps_what_its_rows_have_beside_the_usual(tmp_path):
    path = write(tmp_path / "a.sqlite", "english", told("english", 5), more={"source_id": "b-7", "source_characters": 120})
    with Journal.create_or_open(path) as opened:
        opened.set_meta("translation", {"column": "story", "from": "bangla", "to": "english"})
        opened.set_meta("source", "org/bangla-stories")
    exported(path, tmp_path / "out")
    assert "org/bangla-stories, its column story, translated from Bangla to English" in (tmp_path / "out" / "README.md").read_text("utf-8")
    rows = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"), split="train")
    assert (rows[0]["source_id"], rows[0]["source_characters"]) == ("b-7", 120) and len(rows) == 4


def test_training_reads_the_training_stories_alone(journal, tmp_path):
    splits = exported(journal, tmp_path / "out", "--validation", 0.2)
    assert list(read_texts(str(tmp_path / "out"), "story")) == [row["story"] for row in splits["train"]]


def test_the_card_tells_counts_costs_prompts_and_checks(tmp_path):
    stories = told("english", 20)
    path = write(tmp_path / "a.sqlite", "english", stories, dead={stories[0][0].id: "too short", stories[1][0].id: "too short"})
    exported(path, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| english | 2+ | openai | m | 18 |" in card
    assert "20 attempts in all, 2,000 tokens in and 4,000 out, $0.2000" in card
    assert "| too short | 2 | 2 | 0 |" in card
    assert 'the noun "{noun}"' in card and "story grammar" not in card
    assert card.count("\n> ") >= 3 and "## Licence" in card


def test_what_a_model_wrote_is_shown_and_not_obeyed(tmp_path):
    stories = [(prompt, f"{story}\n\n<script>alert(1)</script> **bold** | `x`\n\n# No heading") for prompt, story in told("english", 3)]
    exported(write(tmp_path / "a.sqlite", "english", stories), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "<script>" not in card and "**bold**" not in card and "&lt;script&gt;" in card and "> \\# No heading" in card
