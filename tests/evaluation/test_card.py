"""Scores in a model's card: metadata that the Hub's own library reads, and a section that replaces itself only."""

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from backend.errors import UserError
from evaluation.analysis import analyse
from evaluation.card import write_card
from tests.evaluation.test_report import rated

CARD = """---
library_name: transformers
language: [hi]
tags: [tinystories-regional]
---

# small

Words of its maker.
"""


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "small"
    path.mkdir()
    (path / "README.md").write_text(CARD, "utf-8")
    return path


def results(folder: Path):
    card = ModelCard.load(folder / "README.md")
    return {(r.metric_type, r.metric_config): r for r in card.data.eval_results}


def test_means_and_intervals_stand_in_the_model_index(folder):
    analysis = analyse(rated("small", 6, judges=("a", "b")), n_bootstrap=500)
    write_card(folder, analysis)
    found = results(folder)
    assert len(found) == 2 * 7
    mean, low, high = analysis["groups"][0]["models"][0]["means"]["grammar"]
    row = found["grammar", "a, paper rubric"]
    assert row.metric_value == pytest.approx(mean, abs=1e-3)
    assert row.metric_args["interval_95"] == pytest.approx([low, high], abs=1e-3)
    text = (folder / "README.md").read_text("utf-8")
    assert "Words of its maker." in text and "library_name: transformers" in text and "| small | 30 |" in text


def test_a_second_time_replaces_the_section_and_keeps_other_judges(folder):
    write_card(folder, analyse(rated("small", 6, judges=("a",)), n_bootstrap=100))
    write_card(folder, analyse(rated("small", 8, judges=("a",)), n_bootstrap=100))
    write_card(folder, analyse(rated("small", 8, judges=("c",)), n_bootstrap=100))
    found = results(folder)
    assert {judge for _, judge in found} == {"a, paper rubric", "c, paper rubric"}
    assert found["overall", "a, paper rubric"].metric_value > 7
    assert (folder / "README.md").read_text("utf-8").count("## Evaluation") == 1


def test_another_model_s_scores_are_refused(folder):
    with pytest.raises(UserError, match="not of 'small'"):
        write_card(folder, analyse(rated("large", 6), n_bootstrap=100))
    assert (folder / "README.md").read_text("utf-8") == CARD
