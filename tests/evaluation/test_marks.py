"""Marks: counted as a reader would, kept in the card beside all else, and gone on with."""

import json

import pytest

from datagen.vocabulary import said_texts
from evaluation.card import with_section
from evaluation.completions import Completion
from evaluation.marks import as_markdown, mark, write_marks
from evaluation.unknown_words import unknown_shares
from tests.evaluation.conftest import run_command
from tests.evaluation.stories import told


def completion(text, opening="एक दिन मीना", index=0, finished=True, model="small"):
    return Completion(opening, text, model, "hindi", index, finished=finished)


def test_words_are_unknown_when_neither_the_opening_nor_any_text_holds_them():
    items = [completion(" मीना ने कहानाली देखी।"), completion(" वह आई।"), completion("")]
    assert unknown_shares(items, ["उस ने बिल्ली देखी। वह आई।"]) == [0.25, 0, 0]


def test_a_name_of_the_opening_with_another_ending_is_not_unknown():
    item = Completion("थियोने पाहिलं.", "थियोला आनंद झाला.", "m", "marathi", 0, 1, True)
    assert unknown_shares([item], ["आनंद झाला."]) == [0]


def test_the_storyteller_s_words_are_known():
    stories = [completion(text) for text in told("hindi", 30)]
    assert max(unknown_shares(stories, said_texts("hindi", 3000))) < 0.05


def test_a_row_tells_what_its_stories_do():
    good = "मीना घर गई और मीना ने माँ को फूल दिया। माँ हँसी।"
    items = [
        completion(good),
        completion(good, index=1, finished=False),
        completion("वह बहुत देर तक चलती रही। वह बहुत देर तक चलती रही।", index=2),
        completion(good, model="other"),
    ]
    small, other = sorted(mark(items, lambda _: [good]), key=lambda row: -row["stories"])
    assert (small["stories"], small["openings"], other["stories"]) == (3, 1, 1)
    assert small["ends with eos"] == pytest.approx(2 / 3, abs=1e-3) and small["in script"] == 1
    assert small["repeats a sentence"] == pytest.approx(1 / 3) and other["unknown words"] == 0 < small["unknown words"]
    assert as_markdown([small]).count("\n") == 2


def test_a_section_takes_the_place_of_its_earlier_self_only():
    text = with_section(with_section("# m\n\nWords.\n", "one", "marks"), "other", "evaluation")
    again = with_section(text, "two", "marks")
    assert "one" not in again and "two" in again and "other" in again and again.startswith("# m\n\nWords.")


def test_the_command_goes_on_with_what_is_there_and_writes_cards(tmp_path, tiny_model):
    from backend.slm.catalog import resolve

    (tiny_model / "README.md").write_text("---\nlanguage: [hi]\n---\n# tiny\n", "utf-8")
    openings = tmp_path / "openings"
    openings.mkdir()
    (openings / "hindi.txt").write_text("एक दिन मीना\nनदी के पास\nतीसरी\n", "utf-8")
    (openings / "hindi.jsonl").write_text(json.dumps({"story": told("hindi", 1)[0]}, ensure_ascii=False), "utf-8")
    out = tmp_path / "marks"
    out.mkdir()
    rows = [completion(" बस।", opening, model="tiny") for opening in ("एक दिन मीना", "नदी के पास")]
    there = "".join(json.dumps(vars(row), ensure_ascii=False) + "\n" for row in rows)
    (out / "tiny-hindi.jsonl").write_text(there, "utf-8")
    done = run_command(
        "marks", tiny_model, "--openings", openings, "--corpora", openings, "--first", 2, "--count", 1, "--out", out, "--cards"
    )
    assert done.returncode == 0, done.stderr
    assert (out / "tiny-hindi.jsonl").read_text("utf-8") == there
    assert "| tiny | hindi | 2 | 2 |" in done.stdout and "not a judge" in done.stdout
    card = (tiny_model / "README.md").read_text("utf-8")
    assert "| tiny | hindi | 2 | 2 |" in card and "language: [hi]" in card
    write_marks(resolve(str(tiny_model)), json.loads((out / "marks.json").read_text("utf-8"))["rows"], "")
    assert (tiny_model / "README.md").read_text("utf-8").count("<!-- marks -->") == 1
