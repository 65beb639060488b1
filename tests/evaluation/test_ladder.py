"""The ladder: damage is real and graded, and the report says who does not see it."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.errors import UserError
from backend.languages import load_language
from evaluation.__main__ import evaluation
from evaluation.damage import KINDS
from evaluation.ladder import as_text, build_ladder, climb, quick_scores
from evaluation.text import sentences, words
from tests.evaluation.stories import told

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "stories"


@pytest.fixture(scope="module", params=["hindi", "english", "bangla", "marathi"])
def ladder(request):
    foreign = told("hindi" if request.param == "english" else "english", 10)
    return build_ladder(told(request.param, 60), foreign, load_language(request.param), count=15)


def test_every_damage_changes_every_story_and_spares_the_opening(ladder):
    whole = {item.index: item for item in ladder if item.model == "none@0"}
    for item in ladder:
        if item.model != "none@0":
            assert item.opening == whole[item.index].opening
    full = [item for item in ladder if item.model.endswith("@1.0")]
    unchanged = [item.model for item in full if item.completion == whole[item.index].completion]
    assert len(unchanged) <= 0.05 * len(full), unchanged


def test_more_strength_is_more_damage(ladder):
    originals = {item.index: set(pairwise(words(item.completion))) for item in ladder if item.model == "none@0"}

    def kept(item):
        return len(originals[item.index] & set(pairwise(words(item.completion))))

    for kind in KINDS:
        means = [sum(kept(item) for item in ladder if item.model == f"{kind}@{strength}") for strength in (0.25, 1.0)]
        assert means[0] > means[1], kind


def test_the_quick_check_sees_broken_form(ladder):
    rungs = {rung.kind: rung for rung in climb(ladder, quick_scores(ladder))}
    for kind in ("cut off", "foreign words", "one repeated", "middle removed", "names swapped", "wrong forms"):
        assert not rungs[kind].blind and rungs[kind].correlation < -0.3, kind


def test_a_judge_who_sees_everything_is_blind_to_nothing_and_one_who_sees_nothing_to_all(ladder):
    seeing = [10 - 8 * float(item.model.rpartition("@")[2]) for item in ladder]
    assert not any(rung.blind for rung in climb(ladder, seeing))
    assert all(rung.correlation == pytest.approx(-1) for rung in climb(ladder, seeing))
    blind = climb(ladder, [7.0] * len(ladder))
    assert all(rung.blind for rung in blind) and "Blind to: shuffled, middle removed" in as_text(blind)


def test_answers_that_are_missing_do_not_stop_it(ladder):
    scores = [
        float("nan") if i % 7 == 0 else 10 - 8 * float(item.model.rpartition("@")[2]) for i, item in enumerate(ladder)
    ]
    assert sum(rung.blind for rung in climb(ladder, scores)) == 0


def test_a_judge_who_scores_one_story_has_shown_no_sight(ladder):
    scores = [10 - 8 * float(item.model.rpartition("@")[2]) if item.index == 0 else float("nan") for item in ladder]
    assert all(rung.blind for rung in climb(ladder, scores))


def test_too_few_stories_is_said():
    with pytest.raises(UserError, match="needs 5"):
        build_ladder(["एक दिन। बस।"], told("english", 2), load_language("hindi"))


def test_sentences_of_the_ladder_still_end_as_sentences(ladder):
    item = next(item for item in ladder if item.model == "none@0")
    assert len(sentences(item.completion, load_language(item.language).sentence_ends)) >= 8


@pytest.mark.parametrize("language", ["hindi", "marathi", "bangla", "english"])
def test_command_on_real_stories_says_what_the_quick_check_sees(language, tmp_path):
    stories = SHARED / f"{language}.jsonl"
    if not stories.exists():
        pytest.skip("../shared/data/stories is not here")
    arguments = ["ladder", language, "--stories", str(stories), "--count", "20", "--out", str(tmp_path / "ladder.json")]
    done = CliRunner().invoke(evaluation, arguments, catch_exceptions=False)
    assert done.exit_code == 0 and "not a judge" in done.output
    (found,) = json.loads((tmp_path / "ladder.json").read_text("utf-8"))
    blind = {rung["kind"] for rung in found["rungs"] if rung["blind"]}
    assert blind <= {"shuffled", "other ending"}


def test_command_without_a_file_takes_the_language_s_own_stories():
    done = CliRunner().invoke(evaluation, ["ladder", "bangla", "--count", "5"], catch_exceptions=False)
    assert done.exit_code == 0 and "Bangla" in done.output and "Blind to:" in done.output


def test_command_with_a_reference_model_sees_wrong_forms():
    arguments = ["ladder", "hindi", "--count", "5", "--kind", "wrong forms", "--kind", "foreign words", "--reference", "hindi"]
    done = CliRunner().invoke(evaluation, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    _, by_model = done.output.split("bits per byte under hindi")
    blind = by_model.rpartition("Blind to:")[2]
    assert "wrong forms" not in blind and "foreign words" not in blind
